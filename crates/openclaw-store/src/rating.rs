//! The words of this crate: what a caller hands over, what it gets back, and the scale scores live on.
//!
//! Scores are kept as whole millionths. Sums of floats depend on their order, so statistics kept
//! incrementally would drift from a recount; sums of integers never do.

use std::fmt;
use std::num::NonZeroU16;
use std::sync::Arc;

/// Millionths per point of score.
const MICROS_PER_POINT: f64 = 1e6;

/// The widest score magnitude a scale may reach, so that a sum of 2^64 ratings stays far inside an `i128`.
const SCORE_MAGNITUDE_MAX: f64 = 1e9;

/// The longest id, in bytes of UTF-8.
pub const ID_BYTES_MAX: usize = 256;

/// A rating as it arrives, already validated by whoever speaks to the client.
///
/// The store checks ids and score again, because a bad one would damage its keys. Ids are shared: whoever has them
/// already copies nothing, and the writer frees nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct NewRating {
    /// Who rates: 1 to [`ID_BYTES_MAX`] bytes.
    pub user_id: Arc<str>,
    /// What is rated: 1 to [`ID_BYTES_MAX`] bytes.
    pub item_id: Arc<str>,
    /// The score, within the store's [`ScoreScale`]; kept to a millionth.
    pub score: f64,
    /// When the user rated, in milliseconds since the Unix epoch.
    pub timestamp_ms: u64,
}

/// A current rating as the store keeps it.
#[derive(Debug, Clone, PartialEq)]
pub struct Rating {
    /// Who rated.
    pub user_id: String,
    /// What was rated.
    pub item_id: String,
    /// The score, to a millionth.
    pub score: f64,
    /// When the user rated, in milliseconds since the Unix epoch.
    pub timestamp_ms: u64,
}

/// What became of a rating that was put; durable in both cases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// It is the user's current rating of the item.
    Stored,
    /// The user's current rating of the item has a newer timestamp and stays.
    Superseded,
}

/// A score in whole millionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Micros(pub(crate) i64);

impl Micros {
    /// Rounds to the nearest millionth.
    fn from_score(score: f64) -> Self {
        // Scales are bounded by SCORE_MAGNITUDE_MAX, so the product is far inside an i64.
        Self((score * MICROS_PER_POINT).round() as i64)
    }

    /// The score nearest to this many millionths; division rounds correctly, so 8.1 comes back as 8.1.
    pub(crate) fn to_score(self) -> f64 {
        self.0 as f64 / MICROS_PER_POINT
    }
}

/// The range of scores, and how many equal-width histogram bins it is counted in.
///
/// Bins are centred on evenly spaced scores from the lowest to the highest: with the default scale of
/// 0 to 10 in 11 bins, each bin counts the scores that round to one whole number, halves upward.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScoreScale {
    pub(crate) lowest: Micros,
    pub(crate) highest: Micros,
    pub(crate) bins: NonZeroU16,
}

impl ScoreScale {
    /// A scale from `score_min` to `score_max`, both included, counted in `bins` bins.
    ///
    /// # Errors
    /// A sentence naming what is wrong: bounds that are not finite, beyond a thousand million, or not
    /// ascending; fewer than two bins, or more than 1,001.
    pub fn new(score_min: f64, score_max: f64, bins: u16) -> Result<Self, String> {
        for (name, bound) in [("lowest", score_min), ("highest", score_max)] {
            if !bound.is_finite() || bound.abs() > SCORE_MAGNITUDE_MAX {
                return Err(format!("the {name} score must be a number within ±1e9, not {bound}"));
            }
        }
        let (lowest, highest) = (Micros::from_score(score_min), Micros::from_score(score_max));
        if lowest >= highest {
            return Err(format!("the lowest score {score_min} must be below the highest {score_max}"));
        }
        match NonZeroU16::new(bins) {
            Some(bins) if (2..=1001).contains(&bins.get()) => Ok(Self { lowest, highest, bins }),
            _ => Err(format!("a histogram has 2 to 1001 bins, not {bins}")),
        }
    }

    /// The lowest score.
    #[must_use]
    pub fn score_min(&self) -> f64 {
        self.lowest.to_score()
    }

    /// The highest score.
    #[must_use]
    pub fn score_max(&self) -> f64 {
        self.highest.to_score()
    }

    /// How many histogram bins there are.
    #[must_use]
    pub fn bins(&self) -> usize {
        usize::from(self.bins.get())
    }

    /// The bin that counts this score.
    pub(crate) fn bin_of(&self, score: Micros) -> usize {
        let last = i128::from(self.bins.get()) - 1;
        let span = i128::from(self.highest.0) - i128::from(self.lowest.0);
        let above = i128::from(score.0) - i128::from(self.lowest.0);
        // Rounded to the nearest bin in whole numbers: floor((above * last + span / 2) / span).
        let bin = (2 * above * last + span).div_euclid(2 * span);
        usize::try_from(bin.clamp(0, last)).unwrap_or(0)
    }

    /// The middle of the scale: what an item without any rating is assumed to deserve.
    pub(crate) fn midpoint(&self) -> f64 {
        f64::midpoint(self.score_min(), self.score_max())
    }
}

impl fmt::Display for ScoreScale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {} in {} bins", self.score_min(), self.score_max(), self.bins)
    }
}

impl Default for ScoreScale {
    /// 0 to 10 in 11 bins, one for each whole number.
    fn default() -> Self {
        Self {
            lowest: Micros(0),
            highest: Micros(10_000_000),
            bins: NonZeroU16::new(11).unwrap_or(NonZeroU16::MIN),
        }
    }
}

impl NewRating {
    /// Checks what would damage the store and returns the score in millionths.
    pub(crate) fn checked(&self, scale: &ScoreScale) -> Result<Micros, String> {
        check_id("user id", &self.user_id)?;
        check_id("item id", &self.item_id)?;
        let (min, max) = (scale.score_min(), scale.score_max());
        if !(min..=max).contains(&self.score) {
            return Err(format!("the score must be {min} to {max}, not {}", self.score));
        }
        Ok(Micros::from_score(self.score))
    }
}

/// Refuses ids that are empty or too long to be a key.
pub(crate) fn check_id(name: &str, id: &str) -> Result<(), String> {
    if (1..=ID_BYTES_MAX).contains(&id.len()) {
        return Ok(());
    }
    Err(format!("the {name} must be 1 to {ID_BYTES_MAX} bytes, not {}", id.len()))
}

#[cfg(test)]
mod tests {
    use super::{Micros, ScoreScale};

    #[test]
    fn default_bins_count_scores_that_round_to_one_whole_number() {
        let scale = ScoreScale::default();
        let bin = |score: f64| scale.bin_of(Micros::from_score(score));
        assert_eq!([bin(0.0), bin(0.49), bin(0.5), bin(1.49), bin(9.5), bin(10.0)], [0, 0, 1, 1, 10, 10]);
    }

    #[test]
    fn bins_cover_scales_that_start_below_zero() {
        let scale = ScoreScale::new(-1.0, 1.0, 5).unwrap();
        let bins: Vec<_> =
            [-1.0, -0.5, 0.0, 0.5, 1.0].map(|score| scale.bin_of(Micros::from_score(score))).into();
        assert_eq!(bins, [0, 1, 2, 3, 4]);
    }

    #[test]
    fn impossible_scales_are_refused() {
        assert!(ScoreScale::new(1.0, 1.0, 11).is_err());
        assert!(ScoreScale::new(f64::NAN, 1.0, 11).is_err());
        assert!(ScoreScale::new(0.0, f64::INFINITY, 11).is_err());
        assert!(ScoreScale::new(0.0, 1.0, 1).is_err());
    }

    #[test]
    fn scores_survive_the_trip_through_millionths() {
        for score in [0.0, 0.1, 3.7, 8.1, 9.999_999, 10.0] {
            assert_eq!(Micros::from_score(score).to_score().to_bits(), score.to_bits());
        }
    }
}
