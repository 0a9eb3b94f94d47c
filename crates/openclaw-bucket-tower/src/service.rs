//! The limit at work.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::{HeaderValue, Request, Response};
use openclaw_bucket::{Decision, fields};
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::layer::Rules;
use crate::{KeyExtractor, Refusal, RequestHead, Respond, Unkeyed};

/// A service whose requests are limited by key.
pub struct Limit<S, K, R> {
    inner: S,
    rules: Arc<Rules<K>>,
    respond: R,
}

impl<S, K, R> Limit<S, K, R> {
    pub(crate) fn new(inner: S, rules: Arc<Rules<K>>, respond: R) -> Self {
        Self { inner, rules, respond }
    }
}

impl<S: Clone, K, R: Clone> Clone for Limit<S, K, R> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), Arc::clone(&self.rules), self.respond.clone())
    }
}

impl<S: fmt::Debug, K, R> fmt::Debug for Limit<S, K, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limit")
            .field("name", &self.rules.name)
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

impl<S, K, R, Body, ResponseBody> Service<Request<Body>> for Limit<S, K, R>
where
    S: Service<Request<Body>, Response = Response<ResponseBody>>,
    K: KeyExtractor,
    R: Respond<ResponseBody>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = LimitFuture<S::Future, ResponseBody>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        match self.rules.judge(&RequestHead::of(&request)) {
            Verdict::Pass => LimitFuture::pass(self.inner.call(request), None),
            Verdict::Decided(decision) => {
                // For handlers that want to say more than the fields do.
                request.extensions_mut().insert(decision);
                let fields = self.rules.fields(&decision);
                match decision {
                    Decision::Limited(limited) if !self.rules.shadow => {
                        self.refuse(&Refusal::Limited(limited), fields)
                    }
                    _ => LimitFuture::pass(self.inner.call(request), fields),
                }
            }
            Verdict::Unkeyed => self.refuse(&Refusal::Unkeyed, None),
        }
    }
}

impl<S, K, R> Limit<S, K, R> {
    fn refuse<F, B>(&self, refusal: &Refusal, fields: Option<Fields>) -> LimitFuture<F, B>
    where
        R: Respond<B>,
    {
        let mut response = self.respond.respond(refusal);
        if let Some(fields) = fields {
            fields.add_to(&mut response);
        }
        LimitFuture { state: State::Refused { response: Some(response) } }
    }
}

/// What is to become of a request.
enum Verdict {
    Pass,
    Decided(Decision),
    Unkeyed,
}

impl<K: KeyExtractor> Rules<K> {
    fn judge(&self, request: &RequestHead<'_>) -> Verdict {
        let key = match (self.keys.key(request), self.unkeyed) {
            (Some(key), _) => key,
            (None, Unkeyed::Share) => "".into(),
            (None, Unkeyed::Refuse) if !self.shadow => return Verdict::Unkeyed,
            (None, Unkeyed::Admit | Unkeyed::Refuse) => return Verdict::Pass,
        };
        let cost = self.cost.as_ref().map_or(1.0, |cost| cost(request));
        let now_ns = (self.clock)();
        let decision = match &self.reserve {
            None => self.buckets.try_acquire(&key, cost, now_ns),
            Some(reserve) => self.buckets.try_acquire_reserving(&key, cost, reserve(request), now_ns),
        };
        if let Some(observer) = &self.observer {
            observer(request, &decision);
        }
        Verdict::Decided(decision)
    }

    fn fields(&self, decision: &Decision) -> Option<Fields> {
        if self.shadow {
            return None;
        }
        let reset_after = match decision {
            Decision::Allowed(allowed) => allowed.reset_after,
            // What a refused client waits for is the retry, not a full bucket.
            Decision::Limited(limited) => limited.retry_after.unwrap_or(Duration::MAX),
        };
        let limit = fields::rate_limit(&self.name, decision.remaining(), reset_after);
        let policy = fields::rate_limit_policy(&self.name, decision.params());
        Some(Fields { limit: limit.try_into().ok()?, policy: policy.try_into().ok()? })
    }
}

/// The two header fields about a limit.
#[derive(Debug)]
struct Fields {
    limit: HeaderValue,
    policy: HeaderValue,
}

impl Fields {
    /// Appends: several limits on one request make a list.
    fn add_to<B>(self, response: &mut Response<B>) {
        response.headers_mut().append("ratelimit", self.limit);
        response.headers_mut().append("ratelimit-policy", self.policy);
    }
}

pin_project! {
    /// The response of a [`Limit`].
    pub struct LimitFuture<F, B> {
        #[pin]
        state: State<F, B>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<F, B> {
        Passed { #[pin] response: F, fields: Option<Fields> },
        Refused { response: Option<Response<B>> },
    }
}

impl<F, B> LimitFuture<F, B> {
    fn pass(response: F, fields: Option<Fields>) -> Self {
        Self { state: State::Passed { response, fields } }
    }
}

impl<F, B> fmt::Debug for LimitFuture<F, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LimitFuture")
    }
}

impl<F, B, E> Future for LimitFuture<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProjection::Passed { response, fields } => {
                let mut response = ready!(response.poll(context))?;
                if let Some(fields) = fields.take() {
                    fields.add_to(&mut response);
                }
                Poll::Ready(Ok(response))
            }
            StateProjection::Refused { response } => {
                Poll::Ready(Ok(response.take().expect("a future is not polled after it was ready")))
            }
        }
    }
}
