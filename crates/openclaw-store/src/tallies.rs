//! Tallies in memory, and what of them is on disk only as records of commits.
//!
//! Ratings come in for the same items again and again. To write the tally of each with every commit made up a third of
//! all inserts, most of them overwritten by the next commits. So a commit writes the tallies that it changed as one
//! record, and only when those records have grown are the tallies *carried over*, each one once, into their keyspace,
//! while the records go. A record holds tallies and no differences: reading it twice, or beside tallies that were
//! carried over already, changes nothing. Start-up reads the records there are, which are bounded.
//!
//! What readers see changes all at once, after the commit is on disk: tallies and totals always belong together.

use std::collections::HashMap;

use parking_lot::{RwLock, RwLockReadGuard};

use crate::layout::take_item_tally;
use crate::tally::Tally;

/// Records are carried over at this number at the latest, so that many small ones do not slow start-up.
const RECORDS_MAX: usize = 1024;

/// Tallies changed last.
#[derive(Debug)]
pub(crate) struct Tallies {
    state: RwLock<State>,
    /// Records are carried over when they hold so many bytes.
    record_bytes_max: u64,
}

/// The tallies of one moment, as far as they are in memory.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// As the records have them: newer than those in the keyspace.
    pending: HashMap<String, Tally>,
    /// Carried over lately: the same as those in the keyspace. Whoever changes one takes it out.
    settled: HashMap<String, Tally>,
    /// The numbers of the records on disk.
    records: Vec<u64>,
    record_bytes: u64,
    /// How often records were carried over.
    carried_over: u64,
    /// The tally of all ratings.
    totals: Tally,
}

/// What a commit that carries over has to write and to take away.
pub(crate) struct CarryOver<'a> {
    state: RwLockReadGuard<'a, State>,
}

impl Tallies {
    /// No tallies, and none of all ratings.
    pub(crate) fn new(record_bytes_max: u64) -> Self {
        Self { state: RwLock::default(), record_bytes_max }
    }

    /// Tallies as they were read from disk.
    pub(crate) fn set(&self, state: State) {
        *self.state.write() = state;
    }

    /// The tally of all ratings.
    pub(crate) fn totals(&self) -> Tally {
        self.state.read().totals.clone()
    }

    /// The item's tally if it is pending, else what `settled` reads of the keyspace; with the totals of the same moment.
    pub(crate) fn with_totals<E>(
        &self,
        item_id: &str,
        settled: impl Fn() -> Result<Option<Tally>, E>,
    ) -> Result<Option<(Tally, Tally)>, E> {
        loop {
            let (totals, carried_over) = {
                let state = self.state.read();
                match state.pending.get(item_id) {
                    Some(tally) => return Ok(Some((tally.clone(), state.totals.clone()))),
                    None => (state.totals.clone(), state.carried_over),
                }
            };
            // Not under the lock: this may wait for the disk, and the writer must not.
            let tally = settled()?;
            let state = self.state.read();
            // To be written to the keyspace it would have been pending meanwhile.
            if state.carried_over == carried_over && !state.pending.contains_key(item_id) {
                return Ok(tally.map(|tally| (tally, totals)));
            }
        }
    }

    /// For the writer: the tally of an item about to change, where it is in memory. One that equals the keyspace's is
    /// taken out, so that a commit that fails leaves nothing wrong behind.
    pub(crate) fn take(&self, item_id: &str) -> Option<Tally> {
        let mut state = self.state.write();
        state.pending.get(item_id).cloned().or_else(|| state.settled.remove(item_id))
    }

    /// The number of the next record.
    pub(crate) fn next_record(&self) -> u64 {
        self.state.read().records.last().map_or(0, |last| last + 1)
    }

    /// What to carry over with the next commit, where it is time.
    pub(crate) fn carry_over(&self) -> Option<CarryOver<'_>> {
        let state = self.state.read();
        let due = state.record_bytes >= self.record_bytes_max || state.records.len() >= RECORDS_MAX;
        due.then_some(CarryOver { state })
    }

    /// Shows readers what a commit changed, once it is on disk: its tallies, in a record of this number and size, and
    /// the totals. `carried_over` tells whether it carried over what was pending before.
    pub(crate) fn publish<'a>(
        &self,
        (record, record_bytes): (u64, usize),
        tallies: impl Iterator<Item = (&'a str, Tally)>,
        totals: Tally,
        carried_over: bool,
    ) {
        let mut state = self.state.write();
        if carried_over {
            state.settled = std::mem::take(&mut state.pending);
            state.records.clear();
            state.record_bytes = 0;
            state.carried_over += 1;
        }
        for (item_id, tally) in tallies {
            state.put(item_id, tally);
        }
        state.records.push(record);
        state.record_bytes += record_bytes as u64;
        state.totals = totals;
    }
}

impl State {
    /// Only the tally of all ratings, and no record yet.
    pub(crate) fn new(totals: Tally) -> Self {
        Self { totals, ..Self::default() }
    }

    /// Reads a record that was written after those read before; `None` where it is damaged.
    pub(crate) fn read_record(&mut self, number: u64, mut record: &[u8]) -> Option<()> {
        self.records.push(number);
        self.record_bytes += record.len() as u64;
        while !record.is_empty() {
            let (item_id, tally) = take_item_tally(&mut record)?;
            self.put(item_id, tally);
        }
        Some(())
    }

    /// What is pending.
    pub(crate) fn into_pending(self) -> HashMap<String, Tally> {
        self.pending
    }

    fn put(&mut self, item_id: &str, tally: Tally) {
        match self.pending.get_mut(item_id) {
            Some(known) => *known = tally,
            None => {
                self.settled.remove(item_id);
                self.pending.insert(item_id.to_owned(), tally);
            }
        }
    }
}

impl CarryOver<'_> {
    /// The tallies for the keyspace, in the order of its keys.
    pub(crate) fn tallies(&self) -> Vec<(&String, &Tally)> {
        let mut tallies: Vec<_> = self.state.pending.iter().collect();
        tallies.sort_unstable_by_key(|(item_id, _)| *item_id);
        tallies
    }

    /// The records that go.
    pub(crate) fn records(&self) -> &[u64] {
        &self.state.records
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::{RECORDS_MAX, State, Tallies};
    use crate::layout::push_item_tally;
    use crate::rating::ScoreScale;
    use crate::tally::Tally;

    fn tally(sum_micros: i128) -> Tally {
        Tally { sum_micros, ..Tally::empty(&ScoreScale::default()) }
    }

    /// The tally that a record has, where one has.
    fn pending(tallies: &Tallies, item_id: &str) -> Option<Tally> {
        tallies.with_totals(item_id, || Ok::<_, ()>(None)).unwrap().map(|(tally, _)| tally)
    }

    fn put(tallies: &Tallies, item_id: &str, sum: i128, carried_over: bool) {
        let record = tallies.next_record();
        tallies.publish((record, 10), [(item_id, tally(sum))].into_iter(), tally(sum), carried_over);
    }

    #[test]
    fn a_settled_tally_that_was_taken_and_never_published_is_asked_for_again() {
        let tallies = Tallies::new(1);
        put(&tallies, "a", 1, false);
        put(&tallies, "b", 2, true);
        assert_eq!(pending(&tallies, "a"), None, "the keyspace has it");
        assert_eq!(tallies.take("a"), Some(tally(1)));
        assert_eq!(tallies.take("a"), None, "its commit may have failed");
        assert_eq!((tallies.take("b"), tallies.take("b")), (Some(tally(2)), Some(tally(2))));
    }

    #[test]
    fn readers_get_pending_tallies_before_those_of_the_keyspace() {
        let tallies = Tallies::new(1);
        put(&tallies, "a", 1, false);
        let read = |item_id| tallies.with_totals(item_id, || Ok::<_, ()>(Some(tally(9)))).unwrap();
        assert_eq!(read("a"), Some((tally(1), tally(1))));
        assert_eq!(read("b"), Some((tally(9), tally(1))));
        put(&tallies, "b", 2, true);
        assert_eq!(read("a"), Some((tally(9), tally(2))), "carried over");
    }

    #[test]
    fn a_reader_who_was_overtaken_reads_again() {
        let tallies = Tallies::new(1);
        put(&tallies, "other", 1, false);
        let reads = Cell::new(0);
        let overtaken = || {
            reads.set(reads.get() + 1);
            if reads.get() == 1 {
                // The keyspace gets what was pending between the reader's look at the totals and this.
                put(&tallies, "a", 5, false);
                put(&tallies, "other", 6, true);
                return Ok::<_, ()>(None);
            }
            Ok(Some(tally(5)))
        };
        assert_eq!(tallies.with_totals("a", overtaken), Ok(Some((tally(5), tally(6)))));
        assert_eq!(reads.get(), 2);
    }

    #[test]
    fn records_are_carried_over_when_they_hold_enough_bytes_or_are_many() {
        let by_bytes = Tallies::new(20);
        put(&by_bytes, "b", 1, false);
        assert!(by_bytes.carry_over().is_none());
        put(&by_bytes, "a", 2, false);
        let carry_over = by_bytes.carry_over().unwrap();
        let items: Vec<_> = carry_over.tallies().into_iter().map(|(item_id, _)| item_id.as_str()).collect();
        assert_eq!((items, carry_over.records()), (vec!["a", "b"], [0, 1].as_slice()));
        drop(carry_over);
        put(&by_bytes, "c", 3, true);
        assert!(by_bytes.carry_over().is_none());
        assert_eq!(by_bytes.next_record(), 3, "numbers go on");

        let by_number = Tallies::new(u64::MAX);
        (0..RECORDS_MAX).for_each(|_| put(&by_number, "a", 1, false));
        assert_eq!(by_number.carry_over().map(|due| due.records().len()), Some(RECORDS_MAX));
    }

    #[test]
    fn records_read_in_their_order_leave_the_newest_tallies() {
        let mut state = State::new(tally(0));
        for (number, sum) in [(4, 1), (5, 2)] {
            let mut record = Vec::new();
            push_item_tally(&mut record, "a", &tally(sum));
            push_item_tally(&mut record, &format!("b{number}"), &tally(7));
            state.read_record(number, &record).unwrap();
        }
        assert_eq!(state.read_record(6, b"\x00"), None, "damaged");
        let tallies = Tallies::new(1);
        tallies.set(state);
        assert_eq!(tallies.next_record(), 7);
        assert_eq!(
            ["a", "b4", "b5", "c"].map(|id| pending(&tallies, id).map(|tally| tally.sum_micros)),
            [Some(2), Some(7), Some(7), None]
        );
    }
}
