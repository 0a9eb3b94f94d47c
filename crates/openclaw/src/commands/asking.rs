//! One request to a listener of a running OpenClaw, for the commands that only ask.

use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, StatusCode, Uri};
use openclaw_collector::HttpClient;
use serde_json::Value;

use crate::cli::TrustArgs;

/// How long a listener may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest answer that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// What is asked, and as whom.
pub(super) struct Question<'a> {
    pub(super) method: Method,
    pub(super) url: &'a str,
    pub(super) token: Option<&'a str>,
    pub(super) trust: &'a TrustArgs,
    pub(super) body: Option<Value>,
    /// What to look at where nothing answers.
    pub(super) hint: &'static str,
}

impl Question<'_> {
    /// Asks; an answer of any status is one.
    pub(super) async fn ask(self) -> Result<(StatusCode, Vec<u8>)> {
        let url: Uri = self.url.parse().with_context(|| format!("--url: {:?} is no URL", self.url))?;
        let trust = self.trust.read()?;
        let client = HttpClient::of_url(&url, trust.as_ref(), PATIENCE, 0)?;
        let mut request = Request::builder().method(self.method).uri(url);
        if let Some(token) = self.token {
            let token = HeaderValue::try_from(format!("Bearer {token}"));
            request = request
                .header(AUTHORIZATION, token.context("--token: it holds what no header field can carry")?);
        }
        let body = match self.body {
            Some(body) => {
                request = request.header(CONTENT_TYPE, "application/json");
                body.to_string()
            }
            None => String::new(),
        };
        let request =
            request.body(body.into()).with_context(|| format!("--url: {:?} cannot be asked", self.url))?;
        let answer = client.send(request, ANSWER_BYTES_MAX).await;
        let answer =
            answer.map_err(|error| anyhow!("nothing answers at {} ({error}); {}", self.url, self.hint))?;
        Ok((answer.status(), answer.into_body().into()))
    }
}
