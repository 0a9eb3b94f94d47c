//! Waiting for a send time to some microseconds, without spinning.
//!
//! tokio's timer counts whole milliseconds. Spinning through the last of them lost: with a request due every fifty
//! microseconds it never ends, and on a small machine takes a core from the servers that are measured, which then queue.
//! Linux wakes a reader of a timer's descriptor on time; elsewhere, what tokio's timer leaves is yielded away.

#[cfg(not(target_os = "linux"))]
pub(super) use elsewhere::Timer;
#[cfg(target_os = "linux")]
pub(super) use on_linux::Timer;

#[cfg(target_os = "linux")]
mod on_linux {
    use std::os::fd::OwnedFd;

    use rustix::io::read;
    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    };
    use tokio::io::Interest;
    use tokio::io::unix::AsyncFd;
    use tokio::time::Instant;

    /// A timer of one connection.
    pub(in crate::http_load) struct Timer(AsyncFd<OwnedFd>);

    impl Timer {
        /// A timer of the current runtime.
        #[expect(
            deprecated,
            reason = "sound for a descriptor that it owns; what replaces it is unsafe for all"
        )]
        pub(in crate::http_load) fn new() -> Self {
            let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
            let descriptor = timerfd_create(TimerfdClockId::Monotonic, flags).expect("a timer's descriptor");
            Self(AsyncFd::with_interest(descriptor, Interest::READABLE).expect("a runtime to wait in"))
        }

        /// Waits until `time`.
        pub(in crate::http_load) async fn wait_until(&self, time: Instant) {
            let left = time.saturating_duration_since(Instant::now());
            // Zero would disarm it.
            if left.is_zero() {
                return;
            }
            let it_value = Timespec::try_from(left).expect("a benchmark ends within centuries");
            let once = Itimerspec { it_interval: Timespec::default(), it_value };
            timerfd_settime(self.0.get_ref(), TimerfdTimerFlags::empty(), &once)
                .expect("a timer that is set");
            let expired = |descriptor: &OwnedFd| Ok(read(descriptor, &mut [0; 8])?);
            self.0.async_io(Interest::READABLE, expired).await.expect("a timer that expires");
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod elsewhere {
    use std::time::Duration;

    use tokio::time::Instant;

    /// What tokio's timer may be late, with a margin.
    const SLACK: Duration = Duration::from_millis(2);

    /// A timer of one connection.
    pub(in crate::http_load) struct Timer;

    impl Timer {
        pub(in crate::http_load) fn new() -> Self {
            Self
        }

        /// Waits until `time`.
        pub(in crate::http_load) async fn wait_until(&self, time: Instant) {
            if let Some(early) = time.checked_sub(SLACK) {
                tokio::time::sleep_until(early).await;
            }
            while Instant::now() < time {
                tokio::task::yield_now().await;
            }
        }
    }
}
