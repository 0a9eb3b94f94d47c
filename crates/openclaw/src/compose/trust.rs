//! Whom this process believes where it reaches other services by TLS: made once, and only where it is needed.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use anyhow::{Context, Result};
use http::Uri;
use http::uri::Scheme;
use openclaw_collector::Trust;

use crate::config::Config;

/// The authorities that this system and `tls.caFile` name. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Authorities {
    ca_file: Option<PathBuf>,
    made: Arc<OnceLock<Trust>>,
}

impl Authorities {
    pub(crate) fn of(config: &Config) -> Self {
        Self { ca_file: config.tls.ca_file.clone(), made: Arc::default() }
    }

    /// Whom to believe for `url`: nobody needs to be where that is not reached by TLS.
    pub(crate) fn for_url(&self, url: &Uri) -> Result<Option<Trust>> {
        if url.scheme() != Some(&Scheme::HTTPS) {
            return Ok(None);
        }
        if let Some(trust) = self.made.get() {
            return Ok(Some(trust.clone()));
        }
        let trust = Trust::system(self.ca_file.as_deref()).context("tls.caFile")?;
        Ok(Some(self.made.get_or_init(|| trust).clone()))
    }
}
