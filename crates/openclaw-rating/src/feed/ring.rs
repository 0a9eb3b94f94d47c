//! The latest accepted ratings, bounded in number and bytes, so that readers can come back for what they missed.
//!
//! Readers hold a place in the ring and nothing else. A queue per reader, as broadcast channels have it, would cost
//! memory for every slow reader and work for every fast one on the path that acknowledges ratings.

use std::collections::VecDeque;

use super::AcceptedRating;

/// What a reader found from its place on.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// Ratings that had left the ring before they were read.
    pub(super) missed: u64,
    /// Matching ratings with their numbers.
    pub(super) found: Vec<(u64, AcceptedRating)>,
    /// The number to go on from.
    pub(super) next: u64,
}

/// Ratings by number, from 1, the oldest of which give way.
#[derive(Debug)]
pub(super) struct Ring {
    /// A rating that was taken back leaves its place empty: the others keep their numbers.
    held: VecDeque<Option<AcceptedRating>>,
    bytes: usize,
    /// The number of the next rating to come.
    next: u64,
    events_max: usize,
    bytes_max: usize,
}

impl Ring {
    pub(super) fn new(events_max: usize, bytes_max: usize) -> Self {
        Self { held: VecDeque::new(), bytes: 0, next: 1, events_max, bytes_max }
    }

    /// The number of the next rating to come.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// The number of the oldest rating that is still held, or of the next one.
    pub(super) fn oldest(&self) -> u64 {
        self.next - self.held.len() as u64
    }

    pub(super) fn push(&mut self, rating: AcceptedRating) {
        self.bytes += rating.bytes();
        self.held.push_back(Some(rating));
        self.next += 1;
        while self.held.len() > self.events_max || self.bytes > self.bytes_max {
            let Some(oldest) = self.held.pop_front() else { break };
            self.bytes -= oldest.as_ref().map_or(0, AcceptedRating::bytes);
        }
    }

    /// Takes back what `user_id` rated.
    pub(super) fn take_back(&mut self, user_id: &str) {
        for place in &mut self.held {
            if let Some(rating) = place.take_if(|rating| &*rating.user_id == user_id) {
                self.bytes -= rating.bytes();
            }
        }
    }

    /// Looks at up to `look_max` ratings from number `from` on and copies those that `wanted` picks.
    pub(super) fn scan(&self, from: u64, look_max: usize, wanted: impl Fn(&AcceptedRating) -> bool) -> Scan {
        let begin = from.max(self.oldest());
        // What is held fits in memory, so its places fit in a usize.
        let place = usize::try_from(begin - self.oldest()).unwrap_or(usize::MAX);
        let looked_at = self.held.iter().skip(place).take(look_max);
        let numbered = (begin..).zip(looked_at);
        let next = begin + (self.held.len().saturating_sub(place)).min(look_max) as u64;
        let found = numbered.filter_map(|(seq, rating)| Some((seq, rating.as_ref()?)));
        let found = found.filter(|(_, rating)| wanted(rating));
        let found = found.map(|(seq, rating)| (seq, rating.clone())).collect();
        Scan { missed: begin - from, found, next }
    }
}

#[cfg(test)]
mod tests {
    use openclaw_protocol::{ItemId, UserId};

    use super::*;

    fn rating(user: &str) -> AcceptedRating {
        let (user_id, item_id) = (UserId::new(user).unwrap(), ItemId::new("film").unwrap());
        AcceptedRating { user_id, item_id, score: 5.0, timestamp: 1 }
    }

    fn numbers(scan: &Scan) -> Vec<u64> {
        scan.found.iter().map(|(seq, _)| *seq).collect()
    }

    #[test]
    fn the_oldest_give_way_to_the_newest_and_a_late_reader_is_told_how_many() {
        let mut ring = Ring::new(3, 1 << 20);
        (0..5).for_each(|_| ring.push(rating("ann")));
        let scan = ring.scan(1, 10, |_| true);
        assert_eq!((scan.missed, numbers(&scan), scan.next), (2, vec![3, 4, 5], 6));
        let scan = ring.scan(6, 10, |_| true);
        assert_eq!((scan.missed, numbers(&scan), scan.next), (0, vec![], 6));
    }

    #[test]
    fn bytes_are_bounded_as_numbers_are() {
        let long = "u".repeat(256);
        let bytes = rating(&long).bytes();
        let mut ring = Ring::new(1000, 2 * bytes);
        (0..10).for_each(|_| ring.push(rating(&long)));
        assert_eq!((ring.held.len(), ring.bytes), (2, 2 * bytes));
    }

    #[test]
    fn what_is_taken_back_is_neither_found_nor_missed_and_moves_no_number() {
        let mut ring = Ring::new(4, 1 << 20);
        (0..4).for_each(|n| ring.push(rating(["ann", "bob"][n % 2])));
        ring.take_back("ann");
        assert_eq!(ring.bytes, 2 * rating("bob").bytes());
        let scan = ring.scan(1, 10, |_| true);
        assert_eq!((scan.missed, numbers(&scan), scan.next), (0, vec![2, 4], 5));
        (0..4).for_each(|_| ring.push(rating("cid")));
        assert_eq!((ring.oldest(), ring.bytes), (5, 4 * rating("cid").bytes()));
    }

    #[test]
    fn a_reader_passes_what_it_does_not_want_a_bounded_step_at_a_time() {
        let mut ring = Ring::new(100, 1 << 20);
        (0..9).for_each(|n| ring.push(rating(if n % 3 == 0 { "ann" } else { "bob" })));
        let wanted = |rating: &AcceptedRating| &*rating.user_id == "ann";
        let scan = ring.scan(1, 4, wanted);
        assert_eq!((numbers(&scan), scan.next), (vec![1, 4], 5));
        let scan = ring.scan(scan.next, 4, wanted);
        assert_eq!((numbers(&scan), scan.next), (vec![7], 9));
    }
}
