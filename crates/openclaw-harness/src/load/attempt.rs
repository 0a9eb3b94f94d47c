//! The life of one rating: sent, perhaps refused, sent again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use openclaw_scenario::Context;
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::acknowledged::{AckLog, Acknowledged};
use super::client::{Client, RatingBody};
use super::plan::{Planned, Stamp};
use super::recorder::{Recorder, Sent};
use super::{Outcome, live::whole_ms};

/// What all attempts of a load share.
#[derive(Debug)]
pub(super) struct Sender {
    pub(super) client: Client,
    pub(super) zero: Instant,
    /// The wall clock at `zero`.
    pub(super) zero_epoch_ms: u64,
    pub(super) duration: Duration,
    pub(super) timeout: Duration,
    pub(super) stamp: Stamp,
    /// Context and network delay by request class.
    pub(super) classes: Vec<(Option<Context>, Duration)>,
    pub(super) outstanding: Semaphore,
    pub(super) recorder: Mutex<Recorder>,
    pub(super) acknowledged: Option<AckLog>,
    /// Set when the load ends early: nobody tries again.
    pub(super) stopped: AtomicBool,
}

impl Sender {
    /// Notes an attempt as offered, at the moment at which it is decided on.
    pub(super) fn begin(&self, planned: &Planned, at: Duration, first: bool) -> Sent {
        self.recorder.lock().begin(Sent::new(at.as_secs_f64(), planned.user, first))
    }

    /// Sends a rating that was begun, and again where it is refused and its client tries again.
    pub(super) async fn send(self: Arc<Self>, planned: Planned, mut sent: Sent) {
        let mut retry = 0;
        loop {
            let at = Duration::from_secs_f64(sent.at_s);
            let outcome = self.attempt(&planned, at).await;
            let refused = outcome.is_refusal();
            let now = self.zero.elapsed();
            self.recorder.lock().end(sent, &outcome, now.as_secs_f64());
            let again_at = now + planned.backoff(retry);
            if !refused || retry == planned.retries_max || again_at >= self.duration {
                return;
            }
            sleep_until(self.zero + again_at).await;
            if self.stopped.load(Ordering::Relaxed) {
                return;
            }
            sent = self.begin(&planned, again_at, false);
            retry += 1;
        }
    }

    async fn attempt(&self, planned: &Planned, at: Duration) -> Outcome {
        let (context, network_delay) = &self.classes[usize::from(planned.class)];
        let deadline = self.zero + at + self.timeout;
        if !network_delay.is_zero() {
            sleep_until((self.zero + at + *network_delay).min(deadline)).await;
        }
        let Ok(_permit) = self.outstanding.try_acquire() else { return Outcome::Overflowed };
        let lag = self.zero.elapsed().saturating_sub(at + *network_delay);
        self.recorder.lock().left(at.as_secs_f64(), lag.as_secs_f64());
        let timestamp = match self.stamp {
            Stamp::Now => self.zero_epoch_ms + whole_ms(at),
            Stamp::Original => planned.epoch_s.saturating_mul(1000),
        };
        let body = RatingBody {
            user_id: &planned.user_id,
            item_id: &planned.item_id,
            score: planned.score,
            timestamp,
            context: context.as_ref(),
        };
        let outcome = timeout_at(deadline, self.client.post(&body)).await.unwrap_or(Outcome::Timeout);
        if let (Outcome::Accepted, Some(log)) = (&outcome, &self.acknowledged) {
            log.push(Acknowledged {
                user_id: Arc::clone(&planned.user_id),
                item_id: Arc::clone(&planned.item_id),
                score: planned.score,
                timestamp_ms: timestamp,
            });
        }
        outcome
    }
}
