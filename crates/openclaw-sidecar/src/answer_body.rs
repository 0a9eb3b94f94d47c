//! An answer's body on its way from the upstream to the client: passed on piece by piece, trailers included.
//!
//! It holds the exchange's place at the upstream until its end, however that comes, and ends an upstream that falls
//! silent. A body that breaks off is passed on as one: the client's connection is cut, so that nobody takes a part
//! for the whole.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use openclaw_protocol::Outcome;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Sleep;

use crate::exchange::Exchange;
use crate::metering::Meters;

/// Why a body ended early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AnswerBodyError {
    #[error("the service sent nothing for too long")]
    Silent,
    #[error("the service's answer broke off: {0}")]
    Broken(#[from] hyper::Error),
}

/// The body of an answer.
#[derive(Debug)]
pub(crate) struct AnswerBody {
    incoming: Incoming,
    idle_max: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    started: Instant,
    meters: Arc<Meters>,
    /// Where latency is measured to the end.
    ending: Option<(Exchange, Outcome)>,
    _place: OwnedSemaphorePermit,
}

impl AnswerBody {
    pub(crate) fn new(
        incoming: Incoming,
        idle_max: Duration,
        started: Instant,
        meters: Arc<Meters>,
        ending: Option<(Exchange, Outcome)>,
        place: OwnedSemaphorePermit,
    ) -> Self {
        let mut body = Self { incoming, idle_max, timer: None, started, meters, ending, _place: place };
        if body.incoming.is_end_stream() {
            // hyper does not poll a body that has ended.
            body.end(None);
        }
        body
    }

    /// Ends the exchange, where it was not ended before.
    fn end(&mut self, failure: Option<Outcome>) {
        if let Some((exchange, outcome)) = self.ending.take() {
            exchange.end(failure.unwrap_or(outcome));
        }
    }

    fn broke_off(&mut self, outcome: Outcome) {
        self.meters.broken_off.increment(1);
        self.end(Some(outcome));
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = AnswerBodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, AnswerBodyError>>> {
        let this = &mut *self;
        match Pin::new(&mut this.incoming).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => {
                this.timer = None;
                if this.incoming.is_end_stream() {
                    this.end(None);
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(None) => {
                this.end(None);
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(error))) => {
                tracing::debug!(%error, "the service's answer broke off");
                this.broke_off(Outcome::Failed);
                Poll::Ready(Some(Err(error.into())))
            }
            Poll::Pending => {
                let idle_max = this.idle_max;
                let timer = this.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(idle_max)));
                if timer.as_mut().poll(context).is_pending() {
                    return Poll::Pending;
                }
                tracing::debug!("the service was silent within an answer");
                this.broke_off(Outcome::Timeout);
                Poll::Ready(Some(Err(AnswerBodyError::Silent)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl Drop for AnswerBody {
    fn drop(&mut self) {
        self.meters.exchange.record(self.started.elapsed().as_secs_f64());
    }
}
