//! What waits for delivery: events in order, and the newest counters of every user that the edge has not heard of.
//!
//! Bounded on both sides. Users wait in the order in which they became active, so that those who do not fit one
//! batch are the first of the next; a plain hash map lost here, because it would starve the same users each time.

use std::collections::VecDeque;
use std::time::Duration;

use indexmap::IndexMap;
use openclaw_protocol::{
    CollectorInfo, DependencyGauge, EventBatch, RatingEvent, Totals, UserCounts, UserId,
};

/// Users in one batch at most: a few MB at the longest ids, which any edge's bound for bodies should take. All
/// users after an outage in one body would be refused as too large, again and again.
const USERS_PER_BATCH_MAX: usize = 10_000;
/// Successful batches after which a size that was halved is tried again.
const SUCCESSES_TO_GROW: u32 = 64;

/// What waits for delivery.
#[derive(Debug)]
pub(crate) struct Outbox {
    events: VecDeque<RatingEvent>,
    users: IndexMap<UserId, UserCounts>,
    /// Events handed out and neither taken by the edge nor put back.
    under_way: usize,
    seq: u64,
    batch_max: usize,
    events_max: usize,
    users_max: usize,
    /// How often batches were halved because the edge found them too large.
    halvings: u32,
    successes: u32,
    round_trip: Option<Duration>,
}

impl Outbox {
    pub(crate) fn new(batch_max: usize, events_max: usize, users_max: usize) -> Self {
        Self {
            events: VecDeque::new(),
            users: IndexMap::new(),
            under_way: 0,
            seq: 0,
            batch_max: batch_max.max(1),
            events_max,
            users_max,
            halvings: 0,
            successes: 0,
            round_trip: None,
        }
    }

    fn events_per_batch(&self) -> usize {
        (self.batch_max >> self.halvings).max(1)
    }

    fn users_per_batch(&self) -> usize {
        (USERS_PER_BATCH_MAX.max(self.batch_max) >> self.halvings).max(1)
    }

    /// Events not known to be delivered.
    pub(crate) fn waiting(&self) -> usize {
        self.events.len() + self.under_way
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.events.is_empty() && self.users.is_empty()
    }

    /// Whether what waits fills a batch, so that it should not wait for the next cycle.
    pub(crate) fn fills_a_batch(&self) -> bool {
        self.events.len() >= self.events_per_batch() || self.users.len() >= self.users_per_batch()
    }

    /// Counters of a user that the edge has not heard of yet.
    pub(crate) fn pending(&self, user: &UserId) -> Option<&UserCounts> {
        self.users.get(user)
    }

    /// Adds what a cycle found. Returns how many events had to give way: the oldest.
    pub(crate) fn fill(&mut self, events: Vec<RatingEvent>, users: Vec<UserCounts>) -> usize {
        self.events.extend(events);
        self.users.extend(users.into_iter().map(|user| (user.user_id.clone(), user)));
        self.bound()
    }

    /// The oldest give way. Counters that do are not lost for users who come again: they are cumulative.
    fn bound(&mut self) -> usize {
        let excess = self.events.len().saturating_sub(self.events_max);
        self.events.drain(..excess);
        self.users.drain(..self.users.len().saturating_sub(self.users_max));
        excess
    }

    /// All events, to be kept elsewhere.
    pub(crate) fn take_events(&mut self) -> Vec<RatingEvent> {
        std::mem::take(&mut self.events).into()
    }

    /// The oldest events beyond half of what may wait, to be kept elsewhere before any must give way.
    pub(crate) fn take_excess(&mut self) -> Vec<RatingEvent> {
        let excess = self.events.len().saturating_sub(self.events_max / 2);
        self.events.drain(..excess).collect()
    }

    /// The next batch: what came first, as much as one may hold, and so many events at most.
    pub(crate) fn next_batch(
        &mut self,
        collector: CollectorInfo,
        in_flight: u32,
        totals: Totals,
        dependencies: Vec<DependencyGauge>,
        events_max: usize,
    ) -> EventBatch {
        self.seq += 1;
        let users = self.users.len().min(self.users_per_batch());
        let events = self.events.len().min(self.events_per_batch()).min(events_max);
        self.under_way += events;
        EventBatch {
            collector,
            seq: self.seq,
            in_flight,
            totals,
            users: self.users.drain(..users).map(|(_, user)| user).collect(),
            round_trip_ms: self.round_trip.map(|round_trip| round_trip.as_secs_f64() * 1e3),
            dependencies,
            late: false,
            events: self.events.drain(..events).collect(),
        }
    }

    /// A batch arrived, or its events are given up.
    pub(crate) fn done(&mut self, events: usize) {
        self.under_way = self.under_way.saturating_sub(events);
    }

    /// After a batch that the edge took and answered within `round_trip`.
    pub(crate) fn succeeded(&mut self, round_trip: Duration) {
        self.round_trip = Some(round_trip);
        self.successes += 1;
        if self.successes >= SUCCESSES_TO_GROW {
            (self.halvings, self.successes) = (self.halvings.saturating_sub(1), 0);
        }
    }

    /// After a batch that was too large for the edge. Returns false where it cannot be made smaller.
    pub(crate) fn halve(&mut self) -> bool {
        self.successes = 0;
        let can = self.events_per_batch() > 1 || self.users_per_batch() > 1;
        self.halvings += u32::from(can);
        can
    }

    /// Takes back what did not arrive. Returns how many events had to give way.
    pub(crate) fn put_back(&mut self, events: Vec<RatingEvent>, users: Vec<UserCounts>) -> usize {
        self.done(events.len());
        events.into_iter().rev().for_each(|event| self.events.push_front(event));
        for user in users {
            // Counters only rise: where both are known, the higher is the newer.
            let known = self.users.entry(user.user_id.clone()).or_insert_with(|| user.clone());
            known.attempts = known.attempts.max(user.attempts);
            known.throttled = known.throttled.max(user.throttled);
        }
        self.bound()
    }

    /// Gives up all events. Returns how many were not known to be delivered.
    pub(crate) fn abandon(&mut self) -> usize {
        let waiting = self.waiting();
        self.events.clear();
        self.under_way = 0;
        waiting
    }
}

#[cfg(test)]
mod tests;
