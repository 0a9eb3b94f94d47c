//! Some ratings of one user, taken away: what becomes of their items' statistics and of the totals.
//!
//! A user may have more ratings than one commit should hold. Then it takes several commits, each of which leaves
//! statistics that equal a recount; a crash between two of them leaves a user with fewer ratings, never wrong sums.

use crate::error::ReadError;
use crate::layout::Mark;
use crate::rating::ScoreScale;
use crate::staging::Kept;
use crate::tally::{Tally, TallyChange};

/// What one commit of a deletion changes.
pub(crate) struct Deletion<'a> {
    /// The items whose rating goes, each with the tally that is left.
    pub(crate) tallies: Vec<(&'a str, Tally)>,
    /// What that does to the tally of all ratings.
    pub(crate) totals: TallyChange,
}

impl<'a> Deletion<'a> {
    /// Takes these ratings, one of each item, from what is kept.
    pub(crate) fn stage(
        kept: &impl Kept,
        scale: &ScoreScale,
        marks: &'a [(String, Mark)],
    ) -> Result<Self, ReadError> {
        let mut totals = TallyChange::none(scale);
        let mut tallies = Vec::with_capacity(marks.len());
        for (item_id, mark) in marks {
            let mut tally = kept.tally(item_id)?.unwrap_or_else(|| Tally::empty(scale));
            tally.remove(mark.score, scale);
            totals.remove(mark.score, scale);
            tallies.push((item_id.as_str(), tally));
        }
        Ok(Self { tallies, totals })
    }
}
