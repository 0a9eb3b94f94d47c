//! The stages in real time: one lock, one timer.
//!
//! A single task sleeps until the next instant at which anything ends, however many requests wait. A timer
//! per request was considered; at 1 ms grain most of them would fire together anyway.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use openclaw_scenario::{Context, Scenario};
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use super::BackendState;
use super::stages::{Served, StageFull, Stages, Ticket};

/// Added to every sleep: an instant that was rounded down to nanoseconds would find nothing due yet, and the
/// task would spin until the clock has moved on.
const ROUNDING: Duration = Duration::from_nanos(100);

type End = Result<Served, StageFull>;

/// The stages, their clock and the task that drives them.
#[derive(Debug)]
pub(super) struct Engine {
    zero: OnceLock<Instant>,
    stages: Mutex<Timed>,
    earlier: Notify,
    scenario: Scenario,
}

#[derive(Debug)]
struct Timed {
    stages: Stages<oneshot::Sender<End>>,
    /// What the driving task sleeps until.
    due_s: f64,
}

impl Engine {
    pub(super) fn new(scenario: &Scenario) -> Self {
        let stages = Mutex::new(Timed { stages: Stages::new(scenario), due_s: f64::INFINITY });
        Self { zero: OnceLock::new(), stages, earlier: Notify::new(), scenario: scenario.clone() }
    }

    pub(super) fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    pub(super) fn start_clock(&self, zero: Instant) -> bool {
        self.zero.set(zero).is_ok()
    }

    /// Seconds since the clock's zero, which the first request sets where nobody else did.
    fn now_s(&self) -> f64 {
        let zero = *self.zero.get_or_init(Instant::now);
        Instant::now().saturating_duration_since(zero).as_secs_f64()
    }

    /// Works on one request until its end. Dropping the future takes it out of the queue.
    pub(super) async fn work(
        self: Arc<Self>,
        context: Option<&str>,
        items: u32,
    ) -> Result<Served, StageFull> {
        let class = context.map_or(0, |key| self.scenario.class_of(&Context::from_key(key)));
        let (reply, end) = oneshot::channel();
        let ticket = self.enter(class, items, reply)?;
        let mut leaver = Leaver { engine: &self, ticket, waits: true };
        // The engine holds every sender until it has answered, so a closed channel means that it is gone.
        let end = end.await.unwrap_or(Err(StageFull(0)));
        leaver.waits = false;
        end
    }

    fn enter(&self, class: usize, items: u32, reply: oneshot::Sender<End>) -> Result<Ticket, StageFull> {
        let now_s = self.now_s();
        let mut timed = self.stages.lock();
        // Who has finished must be known before the queue is judged full.
        timed.stages.advance(now_s, answer);
        let ticket = timed.stages.enter(now_s, class, items, reply).map_err(|(full, _)| full)?;
        if timed.stages.next_event_s().is_some_and(|event_s| event_s < timed.due_s) {
            self.earlier.notify_one();
        }
        Ok(ticket)
    }

    fn leave(&self, ticket: Ticket) {
        let now_s = self.now_s();
        let mut timed = self.stages.lock();
        timed.stages.advance(now_s, answer);
        timed.stages.leave(now_s, ticket);
    }

    /// Ends and starts work when it is due, for ever.
    pub(super) async fn drive(self: Arc<Self>) {
        loop {
            let due_s = self.advance_to_now();
            let wake = async {
                match self.zero.get().filter(|_| due_s.is_finite()) {
                    Some(zero) => {
                        tokio::time::sleep_until(*zero + Duration::from_secs_f64(due_s) + ROUNDING).await
                    }
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = wake => {}
                () = self.earlier.notified() => {}
            }
        }
    }

    /// Returns the next instant at which something is due.
    fn advance_to_now(&self) -> f64 {
        // Before the clock has started nothing can be in work, and looking must not start it.
        let Some(zero) = self.zero.get() else { return f64::INFINITY };
        let now_s = Instant::now().saturating_duration_since(*zero).as_secs_f64();
        let mut timed = self.stages.lock();
        timed.stages.advance(now_s, answer);
        timed.due_s = timed.stages.next_event_s().unwrap_or(f64::INFINITY);
        timed.due_s
    }

    pub(super) fn state(&self) -> BackendState {
        let clock_s =
            self.zero.get().map_or(0.0, |zero| Instant::now().saturating_duration_since(*zero).as_secs_f64());
        let mut timed = self.stages.lock();
        timed.stages.advance(clock_s, answer);
        let mut states = timed.stages.state(clock_s);
        let service = states.remove(0);
        BackendState { clock_s, service, dependencies: states }
    }
}

/// A client that no longer listens has left already, which is no error.
fn answer(reply: oneshot::Sender<End>, end: End) {
    let _ = reply.send(end);
}

/// Takes a request out of its queue when its client's future is dropped.
struct Leaver<'a> {
    engine: &'a Engine,
    ticket: Ticket,
    waits: bool,
}

impl Drop for Leaver<'_> {
    fn drop(&mut self) {
        if self.waits {
            self.engine.leave(self.ticket);
        }
    }
}

#[cfg(test)]
mod tests;
