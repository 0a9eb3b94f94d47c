//! One commit: what it writes beside the ratings themselves, and when readers see it.

use fjall::OwnedWriteBatch;
use parking_lot::MutexGuard;

use super::Engine;
use crate::cursor::List;
use crate::layout::{Mark, TOTALS_KEY, encode_mark, encode_tally, pair_key, push_item_tally, record_key};
use crate::tally::Tally;
use crate::toplist::Changes;

/// Changes that reach the disk together or not at all.
pub(crate) struct Commit<'a> {
    pub(super) engine: &'a Engine,
    pub(super) batch: OwnedWriteBatch,
    /// For the top lists, where anybody reads them.
    pub(super) changes: Option<Changes>,
    pub(super) _gate: MutexGuard<'a, ()>,
}

impl Commit<'_> {
    /// Makes this the current rating of the pair in one of the two lists; both need it. Quickest in the lists' order.
    pub(crate) fn put_mark(&mut self, list: List, user_id: &str, item_id: &str, mark: Mark) {
        let key = match list {
            List::OfUser => pair_key(user_id, item_id),
            List::OfItem => pair_key(item_id, user_id),
        };
        self.batch.insert(self.engine.keyspace_of(list), key, encode_mark(mark));
    }

    /// Takes the rating of the pair away.
    pub(crate) fn remove_mark(&mut self, user_id: &str, item_id: &str) {
        self.batch.remove(&self.engine.by_user, pair_key(user_id, item_id));
        self.batch.remove(&self.engine.by_item, pair_key(item_id, user_id));
    }

    /// Makes these the tallies of items, and of all ratings, and writes and syncs everything. Readers see nothing of it
    /// before it is on disk.
    pub(crate) fn finish(mut self, tallies: Vec<(&str, Tally)>, totals: Tally) -> fjall::Result<()> {
        let engine = self.engine;
        if let Some(changes) = &mut self.changes {
            changes.put(&tallies, &totals);
        }
        let carries_over = self.carry_over();
        let record = self.put_record(&tallies);
        self.batch.insert(&engine.meta, TOTALS_KEY, encode_tally(&totals));
        engine.wait_for_background()?;
        self.batch.commit()?;
        engine.top_lists.note(self.changes);
        engine.in_memory.publish(record, tallies.into_iter(), totals, carries_over);
        engine.let_go_of_sealed_journals();
        Ok(())
    }

    /// Writes what the tallies are now as one record. Returns its number and its size in bytes.
    fn put_record(&mut self, tallies: &[(&str, Tally)]) -> (u64, usize) {
        let (mut record, number) = (Vec::new(), self.engine.in_memory.next_record());
        for (item_id, tally) in tallies {
            push_item_tally(&mut record, item_id, tally);
        }
        let bytes = record.len();
        self.batch.insert(&self.engine.meta, record_key(number), record);
        (number, bytes)
    }

    /// Where it is time, writes the tallies of earlier records into their keyspace and takes those records away. Returns
    /// whether it was time. An item without ratings keeps no tally.
    fn carry_over(&mut self) -> bool {
        let Some(due) = self.engine.in_memory.carry_over() else { return false };
        for (item_id, tally) in due.tallies() {
            if tally.count() == 0 {
                self.batch.remove(&self.engine.tallies, item_id.as_str());
            } else {
                self.batch.insert(&self.engine.tallies, item_id.as_str(), encode_tally(tally));
            }
        }
        for &record in due.records() {
            self.batch.remove(&self.engine.meta, record_key(record));
        }
        true
    }
}
