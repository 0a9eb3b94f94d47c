//! The tallies that commits changed last, so that the next commits need not ask the engine for them.
//!
//! Ratings come in for the same items again and again, and each of them reads its item's tally. A commit takes the
//! tallies it changes out of here and puts them back once they are on disk. So what a failed commit had in its hands
//! is forgotten rather than wrong, and no failure needs to be told to this place.
//!
//! Two generations instead of an order of use: what is taken from the old one comes back into the young one, and when
//! that has its share of the room, the old one goes. That costs no list to keep in order.

use std::collections::HashMap;

use parking_lot::Mutex;

use crate::tally::Tally;

/// What the tallies of both generations may occupy, in bytes.
const BYTES_MAX: usize = 32 * 1024 * 1024;

/// What an entry occupies beside its id and its histogram, in bytes.
const ENTRY_BYTES: usize = 128;

/// Recently changed tallies of a bounded size.
#[derive(Debug)]
pub(crate) struct RecentTallies {
    generations: Mutex<Generations>,
    bytes_max: usize,
}

#[derive(Debug, Default)]
struct Generations {
    /// `None` where somebody took it.
    young: HashMap<String, Option<Tally>>,
    young_bytes: usize,
    old: HashMap<String, Option<Tally>>,
}

impl Default for RecentTallies {
    fn default() -> Self {
        Self::new(BYTES_MAX)
    }
}

impl RecentTallies {
    fn new(bytes_max: usize) -> Self {
        Self { generations: Mutex::default(), bytes_max }
    }

    /// Takes the tally out. Whoever took it puts it back once what it was changed to is on disk.
    pub(crate) fn take(&self, item_id: &str) -> Option<Tally> {
        let mut generations = self.generations.lock();
        match generations.young.get_mut(item_id) {
            Some(tally) => tally.take(),
            None => generations.old.remove(item_id).flatten(),
        }
    }

    /// Puts tallies in as they are on disk now.
    pub(crate) fn put_back<'a>(&self, tallies: impl Iterator<Item = (&'a str, Tally)>) {
        let mut generations = self.generations.lock();
        for (item_id, tally) in tallies {
            if let Some(known) = generations.young.get_mut(item_id) {
                *known = Some(tally);
                continue;
            }
            let bytes = bytes(item_id, &tally);
            if generations.young_bytes + bytes > self.bytes_max / 2 {
                generations.old = std::mem::take(&mut generations.young);
                generations.young_bytes = 0;
            }
            generations.young_bytes += bytes;
            generations.young.insert(item_id.to_owned(), Some(tally));
        }
    }
}

fn bytes(item_id: &str, tally: &Tally) -> usize {
    ENTRY_BYTES + item_id.len() + size_of_val(tally.histogram.as_slice())
}

#[cfg(test)]
mod tests {
    use super::{RecentTallies, bytes};
    use crate::rating::ScoreScale;
    use crate::tally::Tally;

    fn tally(sum_micros: i128) -> Tally {
        Tally { sum_micros, ..Tally::empty(&ScoreScale::default()) }
    }

    #[test]
    fn what_was_taken_and_not_put_back_is_forgotten() {
        let recent = RecentTallies::default();
        recent.put_back([("item", tally(1))].into_iter());
        assert_eq!(recent.take("item"), Some(tally(1)));
        assert_eq!(recent.take("item"), None, "its commit may have failed");
    }

    #[test]
    fn memory_is_bounded_and_what_is_used_stays() {
        let recent = RecentTallies::new(20 * bytes("item-0", &tally(0)));
        recent.put_back([("hot", tally(7))].into_iter());
        for number in 0..1000 {
            let id = format!("item-{}", number % 10);
            let hot = recent.take("hot");
            assert_eq!(hot, Some(tally(7)), "used all the time, at {number}");
            recent.put_back([("hot", tally(7)), (&id, tally(number))].into_iter());
            let generations = recent.generations.lock();
            assert!(generations.young.len() + generations.old.len() <= 22);
            let counted: usize = generations.young.keys().map(|id| bytes(id, &tally(0))).sum();
            assert_eq!(generations.young_bytes, counted);
        }
        let cold = (0..1000).filter(|number| recent.take(&format!("cold-{number}")).is_some()).count();
        assert_eq!(cold, 0);
    }
}
