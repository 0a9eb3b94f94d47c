//! All ratings of one user, taken away: from both orders, from their items' statistics and from the totals.
//!
//! A user may have more ratings than one commit should hold. Then it takes several commits, each of which leaves
//! statistics that equal a recount; a crash between two of them leaves a user with fewer ratings, never wrong sums.

use crate::engine::Engine;
use crate::rating::ScoreScale;
use crate::staging::CommitError;
use crate::tally::Tally;

/// Deletes up to `ratings_max` of the user's ratings in one commit. Returns how many there were and how many
/// current ratings of all users are left.
pub(crate) fn delete_some(
    engine: &Engine,
    scale: &ScoreScale,
    user_id: &str,
    ratings_max: usize,
) -> Result<(usize, u64), CommitError> {
    let marks = engine.marks_of_user(user_id, ratings_max)?;
    let mut totals = engine.totals()?;
    let mut tallies = Vec::with_capacity(marks.len());
    for (item_id, mark) in &marks {
        let mut tally = engine.tally(item_id)?.unwrap_or_else(|| Tally::empty(scale));
        for tally in [&mut tally, &mut totals] {
            tally.remove(mark.score, scale);
        }
        tallies.push(tally);
    }
    if !marks.is_empty() {
        let mut commit = engine.commit();
        for ((item_id, _), tally) in marks.iter().zip(&tallies) {
            commit.remove_mark(user_id, item_id);
            commit.put_tally(item_id, tally);
        }
        commit.put_totals(&totals);
        commit.finish()?;
    }
    Ok((marks.len(), totals.count()))
}
