//! How the process stops: first gently, then at once.
//!
//! One value for the whole process, cloned into every task. A first signal asks for a graceful stop (no new
//! connections, what runs is finished, stores are flushed); a second one, from an operator who has waited
//! long enough, aborts. Tests hold the same value and call [`Shutdown::stop`] themselves. A watch channel
//! carries two phases, which a cancellation token cannot.

use std::io;
use std::time::Duration;

use tokio::sync::watch;

/// After a second signal: what is left to run destructors before the process exits regardless.
const ABORT_GRACE: Duration = Duration::from_secs(1);

/// Where the process is on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Serving.
    Running,
    /// Finishing what was begun; nothing new is taken.
    Stopping,
    /// Leaving at once, whatever is unfinished.
    Aborting,
}

/// The process's way to stop. Clones share one state.
#[derive(Clone, Debug)]
pub struct Shutdown {
    phase: watch::Sender<Phase>,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self::new()
    }
}

impl Shutdown {
    /// A shutdown that only [`stop`](Self::stop) and [`abort`](Self::abort) trigger.
    #[must_use]
    pub fn new() -> Self {
        Self { phase: watch::Sender::new(Phase::Running) }
    }

    /// A shutdown that also follows SIGINT (Ctrl-C) and SIGTERM: the first stops, the second aborts and,
    /// should the process still be there a second later, exits with the customary 128 + signal number.
    ///
    /// # Errors
    /// Where the signal handlers cannot be installed. Must be called within a tokio runtime.
    pub fn on_signals() -> io::Result<Self> {
        let shutdown = Self::new();
        let mut signals = Signals::install()?;
        let told = shutdown.clone();
        tokio::spawn(async move {
            let name = signals.next().await.name;
            tracing::info!(
                signal = name,
                "stopping: finishing what was begun; a second signal ends it at once"
            );
            told.stop();
            let second = signals.next().await;
            tracing::warn!(signal = second.name, "aborting");
            told.abort();
            tokio::time::sleep(ABORT_GRACE).await;
            std::process::exit(second.exit_code);
        });
        Ok(shutdown)
    }

    /// Asks everybody to finish; does nothing where that was asked already.
    pub fn stop(&self) {
        self.advance_to(Phase::Stopping);
    }

    /// Asks everybody to drop what they do.
    pub fn abort(&self) {
        self.advance_to(Phase::Aborting);
    }

    /// Where the process is now.
    #[must_use]
    pub fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    /// Ends once a stop or an abort was asked for, at once where it was already.
    pub async fn stopping(&self) {
        self.reached(Phase::Stopping).await;
    }

    /// Ends once an abort was asked for.
    pub async fn aborting(&self) {
        self.reached(Phase::Aborting).await;
    }

    fn advance_to(&self, phase: Phase) {
        // Phases only ever advance: a late `stop` does not take back an `abort`.
        self.phase.send_if_modified(|current| {
            let advances = *current < phase;
            *current = phase.max(*current);
            advances
        });
    }

    async fn reached(&self, phase: Phase) {
        // The sender lives in `self`, so waiting cannot fail.
        let _ = self.phase.subscribe().wait_for(|current| *current >= phase).await;
    }
}

#[derive(Clone, Copy)]
struct Signal {
    name: &'static str,
    exit_code: i32,
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn install() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => Signal { name: "SIGINT", exit_code: 130 },
            _ = self.terminate.recv() => Signal { name: "SIGTERM", exit_code: 143 },
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn install() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> Signal {
        // Where Ctrl-C cannot be watched for, there is nothing else to wait for.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        Signal { name: "Ctrl-C", exit_code: 130 }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Phase, Shutdown};

    #[tokio::test(start_paused = true)]
    async fn nobody_is_told_before_a_stop_and_everybody_after() {
        let shutdown = Shutdown::new();
        let other = shutdown.clone();
        assert!(tokio::time::timeout(Duration::from_secs(3600), other.stopping()).await.is_err());
        shutdown.stop();
        other.stopping().await;
        assert_eq!(other.phase(), Phase::Stopping);
    }

    #[tokio::test(start_paused = true)]
    async fn an_abort_is_also_a_stop_and_a_late_stop_does_not_take_it_back() {
        let shutdown = Shutdown::new();
        shutdown.abort();
        shutdown.stop();
        shutdown.stopping().await;
        shutdown.aborting().await;
        assert_eq!(shutdown.phase(), Phase::Aborting);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_alone_does_not_abort() {
        let shutdown = Shutdown::new();
        shutdown.stop();
        assert!(tokio::time::timeout(Duration::from_secs(3600), shutdown.aborting()).await.is_err());
    }
}
