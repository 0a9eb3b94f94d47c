//! A request's body on its way from the client to the upstream: passed on piece by piece, and watched.
//!
//! Watched for three reasons: a client that falls silent must not hold its place for ever; the time that the
//! upstream waits for a client must not count as the upstream's own; and an upstream that is still being fed is not
//! late with its answer.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Sleep;

/// What became of the client's side of an upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClientFault {
    /// It sent nothing for too long.
    Silent,
    /// Its connection broke, or what it sent is no HTTP.
    Broken,
}

/// Why a body ended early; whoever reads it turns that into a reply.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientBodyError {
    #[error("the client sent nothing for too long")]
    Silent,
    #[error("the client's body broke off: {0}")]
    Broken(#[from] hyper::Error),
}

/// What the proxy sees of an upload while it waits for the answer.
#[derive(Debug)]
pub(crate) struct Upload {
    began: Instant,
    moved_ns: AtomicU64,
    waited_ns: AtomicU64,
    waiting: AtomicBool,
    fault: AtomicU8,
}

impl Upload {
    fn new() -> Self {
        Self {
            began: Instant::now(),
            moved_ns: AtomicU64::new(0),
            waited_ns: AtomicU64::new(0),
            waiting: AtomicBool::new(false),
            fault: AtomicU8::new(0),
        }
    }

    fn now_ns(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Time since the upstream was last given something; none while it is the client that is waited for.
    pub(crate) fn since_moved(&self) -> Duration {
        if self.waiting.load(Relaxed) {
            return Duration::ZERO;
        }
        Duration::from_nanos(self.now_ns().saturating_sub(self.moved_ns.load(Relaxed)))
    }

    /// Whether it is the client that is waited for.
    pub(crate) fn is_waiting(&self) -> bool {
        self.waiting.load(Relaxed)
    }

    /// Time for which the client was waited for.
    pub(crate) fn waited(&self) -> Duration {
        let mut waited_ns = self.waited_ns.load(Relaxed);
        if self.waiting.load(Relaxed) {
            waited_ns = waited_ns.saturating_add(self.now_ns().saturating_sub(self.moved_ns.load(Relaxed)));
        }
        Duration::from_nanos(waited_ns)
    }

    /// What the client did wrong, if it did.
    pub(crate) fn fault(&self) -> Option<ClientFault> {
        match self.fault.load(Relaxed) {
            0 => None,
            1 => Some(ClientFault::Silent),
            _ => Some(ClientFault::Broken),
        }
    }

    fn polled(&self, is_pending: bool) {
        let now_ns = self.now_ns();
        if self.waiting.swap(is_pending, Relaxed) {
            if is_pending {
                return;
            }
            self.waited_ns.fetch_add(now_ns.saturating_sub(self.moved_ns.load(Relaxed)), Relaxed);
        }
        self.moved_ns.store(now_ns, Relaxed);
    }
}

/// The body of a request; empty ones are not watched. The default is none.
#[derive(Debug, Default)]
pub(crate) struct ClientBody {
    /// What was read ahead to find the key.
    read: VecDeque<Frame<Bytes>>,
    rest: Option<Rest>,
}

#[derive(Debug)]
struct Rest {
    incoming: Incoming,
    upload: Arc<Upload>,
    idle_max: Duration,
    timer: Option<Pin<Box<Sleep>>>,
}

impl ClientBody {
    /// The body as it comes from the client, who may be silent for `idle_max` at most.
    pub(crate) fn new(incoming: Incoming, idle_max: Duration) -> Self {
        let rest = (!incoming.is_end_stream()).then(|| Rest {
            incoming,
            upload: Arc::new(Upload::new()),
            idle_max,
            timer: None,
        });
        Self { read: VecDeque::new(), rest }
    }

    /// What can be seen of it from outside; `None` where it is empty.
    pub(crate) fn upload(&self) -> Option<Arc<Upload>> {
        self.rest.as_ref().map(|rest| Arc::clone(&rest.upload))
    }

    /// The data of a frame that was read ahead, by its place.
    pub(crate) fn ahead(&self, place: usize) -> Option<Bytes> {
        Some(self.read.get(place)?.data_ref().cloned().unwrap_or_default())
    }

    /// Reads ahead one frame, which will be sent before the rest, and returns its data; `None` at the end.
    pub(crate) async fn read_ahead(&mut self) -> Option<Result<Bytes, ClientBodyError>> {
        let rest = self.rest.as_mut()?;
        let frame = std::future::poll_fn(|context| rest.poll_frame(context)).await?;
        Some(frame.map(|frame| {
            let data = frame.data_ref().cloned().unwrap_or_default();
            self.read.push_back(frame);
            data
        }))
    }
}

impl Rest {
    fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ClientBodyError>>> {
        match Pin::new(&mut self.incoming).poll_frame(context) {
            Poll::Ready(frame) => {
                self.timer = None;
                self.upload.polled(false);
                Poll::Ready(frame.map(|frame| {
                    frame.map_err(|error| {
                        self.upload.fault.store(2, Relaxed);
                        error.into()
                    })
                }))
            }
            Poll::Pending => {
                self.upload.polled(true);
                let idle_max = self.idle_max;
                let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(idle_max)));
                if timer.as_mut().poll(context).is_pending() {
                    return Poll::Pending;
                }
                self.upload.fault.store(1, Relaxed);
                Poll::Ready(Some(Err(ClientBodyError::Silent)))
            }
        }
    }
}

impl Body for ClientBody {
    type Data = Bytes;
    type Error = ClientBodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ClientBodyError>>> {
        if let Some(frame) = self.read.pop_front() {
            return Poll::Ready(Some(Ok(frame)));
        }
        match &mut self.rest {
            Some(rest) => rest.poll_frame(context),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.read.is_empty() && self.rest.as_ref().is_none_or(|rest| rest.incoming.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        let read: u64 = self.read.iter().filter_map(Frame::data_ref).map(|data| data.len() as u64).sum();
        let rest = self
            .rest
            .as_ref()
            .map(|rest| rest.incoming.size_hint())
            .unwrap_or_else(|| SizeHint::with_exact(0));
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(read));
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper.saturating_add(read));
        }
        hint
    }
}
