//! The one atomic word of a bucket.
//!
//! ```text
//!  63        58   57       56      55 ............................ 0
//! | generation | moving | assigned |            position            |
//! ```
//!
//! The upper eight bits are the *tag*: they say which numbers the position is to be read with, and
//! every change of those numbers changes the tag. A decision that read its numbers under one tag
//! therefore cannot commit under another: its compare-exchange fails.
//!
//! Generation 0 means "no position yet" (the bucket is full); the position field then only tells
//! one vacancy of a table's slot from the next.

use crate::units::{POSITION_BITS, POSITION_MASK};

const ASSIGNED: u64 = 1 << POSITION_BITS;
pub(crate) const MOVING: u64 = 1 << (POSITION_BITS + 1);
const GENERATION_SHIFT: u32 = POSITION_BITS + 2;
const GENERATIONS: u64 = 63;

/// The word, decoded on demand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Word(pub(crate) u64);

/// Which numbers go with a position that nobody is moving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Settled {
    /// The bucket's own.
    Assigned,
    /// The defaults.
    Default,
}

impl Word {
    /// A full bucket with parameters of its own that nobody has asked yet.
    pub(crate) const FRESH_ASSIGNED: Self = Self(ASSIGNED);
    /// A slot whose key is being forgotten; nobody may decide on it.
    pub(crate) const LEAVING: Self = Self(MOVING);

    /// A slot without a position, told from its other vacancies by `number`.
    pub(crate) fn vacant(number: u64) -> Self {
        Self(number & POSITION_MASK)
    }

    /// The same numbers, another position, of a word that has one.
    #[inline(always)]
    pub(crate) fn moved_to(self, position: u64) -> Self {
        Self((self.0 & !POSITION_MASK) | position)
    }

    /// The position of a word that has one, as all with parameters of their own in a table have.
    #[inline(always)]
    pub(crate) fn sure_position(self) -> u64 {
        self.0 & POSITION_MASK
    }

    /// The same numbers, another position.
    #[inline(always)]
    pub(crate) fn at(self, position: u64) -> Self {
        // A first position opens the first generation.
        let first = u64::from(self.generation() == 0) << GENERATION_SHIFT;
        Self((self.0 & !POSITION_MASK) | first | position)
    }

    /// Other numbers, and the position that goes with them.
    pub(crate) fn succeeded_by(self, assigned: bool, moving: bool, position: u64) -> Self {
        let generation = self.generation() % GENERATIONS + 1;
        let flags = if assigned { ASSIGNED } else { 0 } | if moving { MOVING } else { 0 };
        Self(generation << GENERATION_SHIFT | flags | position)
    }

    #[inline(always)]
    fn generation(self) -> u64 {
        self.0 >> GENERATION_SHIFT
    }

    /// What says which numbers belong to the position.
    #[inline]
    pub(crate) fn tag(self) -> u64 {
        self.0 >> POSITION_BITS
    }

    /// The position, once there is one.
    #[inline(always)]
    pub(crate) fn position(self) -> Option<u64> {
        (self.generation() != 0).then_some(self.0 & POSITION_MASK)
    }

    /// Whether the bucket has parameters of its own.
    #[inline(always)]
    pub(crate) fn assigned(self) -> bool {
        self.0 & ASSIGNED != 0
    }

    /// Whether the bucket's own parameters are still in the spare place.
    #[inline(always)]
    pub(crate) fn moving(self) -> bool {
        self.0 & MOVING != 0
    }

    /// Which numbers go with the position, if there is one and nobody is changing either. A slot that changes hands
    /// has none, or counts as moving.
    #[inline(always)]
    pub(crate) fn settled(self) -> Option<Settled> {
        match self.0 & (ASSIGNED | MOVING) {
            ASSIGNED => Some(Settled::Assigned),
            0 if self.generation() != 0 => Some(Settled::Default),
            _ => None,
        }
    }

    /// Whether the slot is changing hands.
    #[inline]
    pub(crate) fn leaving(self) -> bool {
        self == Self::LEAVING
    }
}
