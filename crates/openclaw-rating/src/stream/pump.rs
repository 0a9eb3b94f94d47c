//! Carries one subscription's events to one client.
//!
//! A task fills a channel of one place, from which the response's body is taken: the task notices a client that does
//! not read, which a body alone, never polled then, would not.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use http_body::{Body as HttpBody, Frame};
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{sleep, timeout};

use super::wire;
use crate::feed::Subscription;
use crate::metering::Subscribed;

/// Bytes gathered before they are handed to the connection, if so much is there: bounds what one client occupies.
const CHUNK_BYTES: usize = 16 * 1024;

/// Heartbeats that a client may fail to take in before its place is given to another.
const HEARTBEATS_MISSED_MAX: u32 = 4;

/// What a stream holds while it lasts.
pub(super) struct Pump {
    pub(super) subscription: Subscription,
    pub(super) heartbeat: Duration,
    /// True once the service stops.
    pub(super) ending: watch::Receiver<bool>,
    pub(super) _seat: OwnedSemaphorePermit,
    pub(super) _counted: Subscribed,
}

impl Pump {
    /// Starts carrying; the body ends when the service stops or the client has not read for too long.
    pub(super) fn start(self) -> Body {
        let (sender, chunks) = mpsc::channel(1);
        tokio::spawn(self.run(sender));
        Body::new(Chunks { chunks })
    }

    async fn run(mut self, sender: Sender<Bytes>) {
        let patience = self.heartbeat * HEARTBEATS_MISSED_MAX;
        let mut chunk = wire::OPENING.to_owned();
        loop {
            match timeout(patience, sender.send(Bytes::from(std::mem::take(&mut chunk)))).await {
                Ok(Ok(())) => {}
                Ok(Err(_gone)) => return,
                Err(_elapsed) => {
                    tracing::debug!(?patience, "a stream's client stopped reading; its place is free again");
                    return;
                }
            }
            tokio::select! {
                biased;
                () = sender.closed() => return,
                // A service that is gone stops as one that says so.
                _ = self.ending.wait_for(|ending| *ending) => return,
                event = self.subscription.next() => match event {
                    Some(event) => wire::write_event(&mut chunk, &event),
                    None => return,
                },
                () = sleep(self.heartbeat) => wire::write_heartbeat(&mut chunk, self.subscription.position()),
            }
            while chunk.len() < CHUNK_BYTES
                && let Some(event) = self.subscription.ready()
            {
                wire::write_event(&mut chunk, &event);
            }
        }
    }
}

/// A response's body out of a channel.
struct Chunks {
    chunks: Receiver<Bytes>,
}

impl HttpBody for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.chunks.poll_recv(context).map(|chunk| chunk.map(|bytes| Ok(Frame::data(bytes))))
    }
}
