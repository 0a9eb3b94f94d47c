//! Ratings of all classes per second: counted as they come, turned into averages once a tick.
//!
//! One array for each quantity and not one structure for each class: a tick does the same to all classes, and so does it
//! to several at once.

use crate::filter::{RateFilters, Shares};
use crate::parts::CLASSES_MAX;

/// One number for each class.
type Each = [f64; CLASSES_MAX];

/// What each class does, per second, averaged over 0.25 s (fast) and 2.5 s (slow).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct PerSecond {
    pub(crate) offered_fast: Each,
    pub(crate) offered_slow: Each,
    pub(crate) accepted_fast: Each,
    pub(crate) completed_fast: Each,
    pub(crate) completed_slow: Each,
}

/// Counts since the last tick, and averages of all before.
#[derive(Clone, Debug, Default)]
pub(crate) struct ClassFlows {
    offered: Each,
    accepted: Each,
    completed: Each,
    offered_fast: RateFilters<CLASSES_MAX>,
    offered_slow: RateFilters<CLASSES_MAX>,
    accepted_fast: RateFilters<CLASSES_MAX>,
    completed_fast: RateFilters<CLASSES_MAX>,
    completed_slow: RateFilters<CLASSES_MAX>,
    per_s: PerSecond,
}

impl ClassFlows {
    /// Counts ratings that users of a class offered, so many of which were accepted.
    pub(crate) fn offer(&mut self, class: usize, offered: f64, accepted: f64) {
        self.offered[class] += offered;
        self.accepted[class] += accepted;
    }

    /// Counts a rating that completed.
    pub(crate) fn complete(&mut self, class: usize) {
        self.completed[class] += 1.0;
    }

    /// Closes a tick, in which only the first `known` classes can have done anything.
    pub(crate) fn turn(&mut self, shares: &Shares, known: usize) {
        let [offered, accepted, completed] =
            [&mut self.offered, &mut self.accepted, &mut self.completed].map(std::mem::take);
        let Shares { interval_s, fast, slow } = *shares;
        self.offered_fast.add_share(&offered, interval_s, fast, known);
        self.offered_slow.add_share(&offered, interval_s, slow, known);
        self.accepted_fast.add_share(&accepted, interval_s, fast, known);
        self.completed_fast.add_share(&completed, interval_s, fast, known);
        self.completed_slow.add_share(&completed, interval_s, slow, known);
        self.per_s = PerSecond {
            offered_fast: self.offered_fast.per_s(known),
            offered_slow: self.offered_slow.per_s(known),
            accepted_fast: self.accepted_fast.per_s(known),
            completed_fast: self.completed_fast.per_s(known),
            completed_slow: self.completed_slow.per_s(known),
        };
    }

    /// The averages, as the last tick left them.
    pub(crate) fn per_s(&self) -> &PerSecond {
        &self.per_s
    }

    /// Forgets what a class did.
    pub(crate) fn forget(&mut self, class: usize) {
        let averages = [
            &mut self.offered_fast,
            &mut self.offered_slow,
            &mut self.accepted_fast,
            &mut self.completed_fast,
            &mut self.completed_slow,
        ];
        averages.into_iter().for_each(|average| average.clear(class));
        let PerSecond { offered_fast, offered_slow, accepted_fast, completed_fast, completed_slow } =
            &mut self.per_s;
        for each in [offered_fast, offered_slow, accepted_fast, completed_fast, completed_slow] {
            each[class] = 0.0;
        }
    }
}
