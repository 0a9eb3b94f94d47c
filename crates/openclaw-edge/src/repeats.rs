//! Which events came before: a collector sends an event again when its answer was lost, and it must count once.
//!
//! Ids are remembered as 64-bit hashes under a key of this process, in two generations: the older one is forgotten as a
//! whole when the younger is full, so memory is bounded and forgetting costs nothing per event. Two different ids that
//! hash alike, which would lose one event, are as likely as one in 10^12 per event at the default bound; an exact table
//! would take ten times the memory.

use std::collections::HashSet;
use std::hash::{BuildHasher, Hash, RandomState};

use openclaw_protocol::RatingEvent;

/// The ids of the events that came last.
#[derive(Debug)]
pub(crate) struct Repeats {
    younger: HashSet<u64>,
    older: HashSet<u64>,
    /// Ids in one generation at most.
    generation_max: usize,
    hasher: RandomState,
}

impl Repeats {
    /// Remembers at least half of `ids_max` ids, and at most all of them; none where it is 0.
    pub(crate) fn new(ids_max: usize) -> Self {
        Self {
            younger: HashSet::new(),
            older: HashSet::new(),
            generation_max: ids_max / 2,
            hasher: RandomState::new(),
        }
    }

    /// Whether an event of `service` came before. One without an id never did.
    pub(crate) fn came_before(&mut self, service: &str, event: &RatingEvent) -> bool {
        let Some(id) = &event.event_id else { return false };
        if self.generation_max == 0 {
            return false;
        }
        let hash = self.hash(&(service, &**id));
        if self.older.contains(&hash) || !self.younger.insert(hash) {
            return true;
        }
        if self.younger.len() >= self.generation_max {
            // The older generation's memory is used again.
            std::mem::swap(&mut self.younger, &mut self.older);
            self.younger.clear();
        }
        false
    }

    fn hash(&self, id: &impl Hash) -> u64 {
        self.hasher.hash_one(id)
    }
}

#[cfg(test)]
mod tests {
    use openclaw_protocol::{ItemId, UserId};

    use super::*;

    fn event(id: Option<&str>) -> RatingEvent {
        let mut event = RatingEvent::new(UserId::new("u").unwrap(), ItemId::new("i").unwrap(), 5.0, 0);
        event.event_id = id.map(Into::into);
        event
    }

    #[test]
    fn an_id_is_new_once_per_service_and_an_event_without_one_always() {
        let mut repeats = Repeats::new(100);
        assert!(!repeats.came_before("a", &event(Some("1"))));
        assert!(repeats.came_before("a", &event(Some("1"))));
        assert!(!repeats.came_before("b", &event(Some("1"))));
        assert!(!repeats.came_before("a", &event(None)) && !repeats.came_before("a", &event(None)));
    }

    #[test]
    fn memory_is_bounded_and_the_newest_half_is_always_remembered() {
        let mut repeats = Repeats::new(100);
        for n in 0..1_000_u32 {
            assert!(!repeats.came_before("a", &event(Some(&n.to_string()))));
            assert!(repeats.younger.len() + repeats.older.len() <= 100);
            let back = n.saturating_sub(49);
            assert!(repeats.came_before("a", &event(Some(&back.to_string()))), "{back} at {n}");
        }
    }
}
