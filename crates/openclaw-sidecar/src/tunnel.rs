//! Upgraded connections: bytes both ways, until one end closes, both fall silent, or the process stops.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use metrics::Gauge;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// Bytes on their way in each direction of one tunnel.
const BUFFER_BYTES: usize = 16 * 1024;

/// The open tunnels of a sidecar: counted, and ended together.
#[derive(Clone, Debug)]
pub(crate) struct Tunnels {
    open: Arc<Semaphore>,
    close: watch::Sender<bool>,
    gauge: Gauge,
}

impl Tunnels {
    pub(crate) fn new(gauge: Gauge) -> Self {
        Self {
            open: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
            close: watch::Sender::new(false),
            gauge,
        }
    }

    /// Tunnels open now.
    pub(crate) fn open(&self) -> usize {
        Semaphore::MAX_PERMITS - self.open.available_permits()
    }

    /// Joins both ends once they have changed protocol. `place` is the exchange's at the upstream.
    pub(crate) fn join(
        &self,
        client: OnUpgrade,
        service: OnUpgrade,
        idle_max: Duration,
        place: OwnedSemaphorePermit,
    ) {
        let Ok(counted) = Arc::clone(&self.open).try_acquire_owned() else { return };
        let mut close = self.close.subscribe();
        let gauge = self.gauge.clone();
        tokio::spawn(async move {
            let _held = (place, counted);
            gauge.increment(1);
            let joined = async {
                let (client, service) = tokio::try_join!(client, service).map_err(io::Error::other)?;
                pass_both_ways(client, service, idle_max).await
            };
            tokio::select! {
                result = joined => if let Err(error) = result {
                    tracing::debug!(%error, "an upgraded connection ended");
                },
                _ = close.wait_for(|close| *close) => {}
            }
            gauge.decrement(1);
        });
    }

    /// Waits until all are closed by their ends, `wait_max` at most; then closes them.
    pub(crate) async fn drain(&self, wait_max: Duration) {
        let deadline = Instant::now() + wait_max;
        while self.open() > 0 && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let left = self.open();
        if left > 0 {
            tracing::info!(tunnels = left, "closing upgraded connections");
        }
        self.close.send_replace(true);
    }
}

/// When bytes last moved, in ms since a beginning.
struct Activity {
    began: Instant,
    moved_ms: AtomicU64,
}

impl Activity {
    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn moved(&self) {
        self.moved_ms.store(self.now_ms(), Relaxed);
    }

    async fn silent_for(&self, idle_max: Duration) {
        loop {
            let silent = Duration::from_millis(self.now_ms().saturating_sub(self.moved_ms.load(Relaxed)));
            let left = idle_max.saturating_sub(silent);
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left).await;
        }
    }
}

async fn pass_both_ways(client: Upgraded, service: Upgraded, idle_max: Duration) -> io::Result<()> {
    let (client_in, client_out) = split(TokioIo::new(client));
    let (service_in, service_out) = split(TokioIo::new(service));
    let activity = Activity { began: Instant::now(), moved_ms: AtomicU64::new(0) };
    let both = async {
        tokio::try_join!(pass(client_in, service_out, &activity), pass(service_in, client_out, &activity))
    };
    tokio::select! {
        result = both => result.map(|_| ()),
        () = activity.silent_for(idle_max) => Err(io::Error::new(io::ErrorKind::TimedOut, "both ends were silent")),
    }
}

/// Passes bytes until the reader ends, and then tells the writer so.
async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    activity: &Activity,
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            return to.shutdown().await;
        }
        activity.moved();
        to.write_all(&buffer[..read]).await?;
        to.flush().await?;
        activity.moved();
    }
}
