//! The decision that nearly every call is: a known key, enough tokens, nobody in the way.
//!
//! The general path (`decide.rs`) gives the same answer. This one exists because the time of a decision on one of very
//! many keys is that of its cache miss, unless the processor can start on the next request meanwhile, and what keeps
//! it from that are the instructions that wait for the line. So this path reads one line, computes little from
//! it (`law.rs`), branches on nothing that cannot be predicted, tries one exchange, and leaves everything else (an
//! unseen key, a refusal, a change under way, a lost race) to the general path, from the start. It is inlined
//! into the caller, so that who only asks `is_allowed()` computes no more than that.

use crate::decision::{Ask, Bearings};
use crate::sync::Ordering;
use crate::table::Fingerprint;
use crate::units::{Line, cost_units};
use crate::word::{Settled, Word};
use crate::{Decision, KeyedBuckets, Standing};

impl KeyedBuckets {
    #[inline(always)]
    pub(crate) fn acquire(&self, key: Fingerprint, cost: f64, now_ns: u64) -> Decision {
        let cost = cost_units(cost);
        match self.acquire_at_once(key, cost, now_ns) {
            Some((bearings, level)) => bearings.allowed(level),
            None => self.acquire_with_care(key, Ask { cost, reserve: 0.0 }, now_ns),
        }
    }

    /// Takes the units if that is plain sailing, and gives the level that is left.
    #[inline(always)]
    fn acquire_at_once(&self, key: Fingerprint, cost: i64, now_ns: u64) -> Option<(Bearings, i64)> {
        let mut slot = self.table.guess(key)?;
        let mut word = Word(slot.cell().word.load(Ordering::Acquire));
        // After the word was read: it is this key's word then.
        if !slot.is_still(key) {
            slot = self.table.find_slot(key)?;
            word = Word(slot.cell().word.load(Ordering::Acquire));
            if !slot.is_still(key) {
                return None;
            }
        }
        if self.upkeep.is_due(now_ns) {
            return None;
        }
        // No second look at the tag: if the numbers are newer than the word, the exchange fails.
        let (law, line, standing) = match word.settled()? {
            Settled::Assigned => {
                let law = slot.cell().own.load();
                (law, Line::own(law, now_ns), Standing::Assigned)
            }
            Settled::Default if self.newcomers_share() => return None,
            Settled::Default => {
                let (law, line) = self.defaults.line_at_once(now_ns)?;
                (law, line, Standing::Default)
            }
        };
        let left = line.level(Some(word.sure_position())) - cost;
        if left < 0 || cost == 0 {
            return None;
        }
        let next = word.moved_to(line.position(left));
        slot.cell().exchange(word, next).then_some((Bearings { law, standing }, left))
    }
}
