//! The access check as a tower layer for axum routes.
//!
//! Written out rather than made with `axum::middleware::from_fn`, which boxes a future per request: the
//! check sits in front of the event path.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::response::{IntoResponse, Response};
use http::Request;
use pin_project_lite::pin_project;
use tower::{Layer, Service};

use super::{AccessPolicy, Roles};

impl AccessPolicy {
    /// A layer that lets a request pass where its bearer has any one of `needed` (or is an admin), and
    /// otherwise answers as [`check`](Self::check) says.
    #[must_use]
    pub fn require(&self, needed: impl Into<Roles>) -> RequireRoleLayer {
        RequireRoleLayer { policy: self.clone(), needed: needed.into() }
    }
}

/// Made by [`AccessPolicy::require`].
#[derive(Clone, Debug)]
pub struct RequireRoleLayer {
    policy: AccessPolicy,
    needed: Roles,
}

impl<S> Layer<S> for RequireRoleLayer {
    type Service = RequireRole<S>;

    fn layer(&self, inner: S) -> Self::Service {
        RequireRole { inner, policy: self.policy.clone(), needed: self.needed }
    }
}

/// A service behind the access check.
#[derive(Clone, Debug)]
pub struct RequireRole<S> {
    inner: S,
    policy: AccessPolicy,
    needed: Roles,
}

impl<S, B> Service<Request<B>> for RequireRole<S>
where
    S: Service<Request<B>, Response = Response>,
{
    type Response = Response;
    type Error = S::Error;
    type Future = RequireRoleFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let answer = match self.policy.check(request.headers(), self.needed) {
            Ok(()) => Answer::Granted { inner: self.inner.call(request) },
            Err(reply) => Answer::Refused { response: Some(reply.into_response()) },
        };
        RequireRoleFuture { answer }
    }
}

pin_project! {
    /// The answer of a [`RequireRole`].
    #[derive(Debug)]
    pub struct RequireRoleFuture<F> {
        #[pin]
        answer: Answer<F>,
    }
}

pin_project! {
    #[project = Projected]
    #[derive(Debug)]
    enum Answer<F> {
        // The inner service answers.
        Granted { #[pin] inner: F },
        // The check answers; taken by the poll that finds it.
        Refused { response: Option<Response> },
    }
}

impl<F, E> Future for RequireRoleFuture<F>
where
    F: Future<Output = Result<Response, E>>,
{
    type Output = Result<Response, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().answer.project() {
            Projected::Granted { inner } => inner.poll(context),
            // Polled again after the end, which no executor does: never ready, rather than a panic.
            Projected::Refused { response } => {
                response.take().map_or(Poll::Pending, |response| Poll::Ready(Ok(response)))
            }
        }
    }
}
