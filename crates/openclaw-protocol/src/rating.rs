//! A rating: what a user gave an item, and when.

use serde::{Deserialize, Serialize};

use crate::context::{Context, ContextVocabulary};
use crate::ids::{ItemId, UserId};
use crate::problem::{Problem, ProblemKind};

/// The scores that a service accepts, both ends included.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScoreRange {
    /// Lowest score.
    pub min: f64,
    /// Highest score.
    pub max: f64,
}

impl Default for ScoreRange {
    fn default() -> Self {
        Self { min: 0.0, max: 10.0 }
    }
}

impl ScoreRange {
    /// Checks that `score` is a number inside the range.
    ///
    /// # Errors
    /// A sentence with the score and the range.
    pub fn check(&self, score: f64) -> Result<(), String> {
        // Written so that NaN fails.
        if score >= self.min && score <= self.max {
            return Ok(());
        }
        Err(format!("score is {score}; it must lie in {} to {}", self.min, self.max))
    }
}

/// What a rating must satisfy, and what fills its gaps.
#[derive(Clone, Debug)]
pub struct RatingRules {
    /// Accepted scores.
    pub scores: ScoreRange,
    /// Accepted context values.
    pub vocabulary: ContextVocabulary,
    /// How far ahead of the service's clock a timestamp may be, in ms.
    pub future_tolerance_ms: u64,
}

impl Default for RatingRules {
    fn default() -> Self {
        Self {
            scores: ScoreRange::default(),
            vocabulary: ContextVocabulary::default(),
            future_tolerance_ms: 5 * 60 * 1000,
        }
    }
}

/// One valid rating.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Rating {
    /// Who rated.
    pub user_id: UserId,
    /// What was rated.
    pub item_id: ItemId,
    /// The score, inside the configured range.
    pub score: f64,
    /// When, in ms since the epoch. Decides which rating is current; controllers never look at it.
    pub timestamp: u64,
    /// Circumstances, as far as known.
    #[serde(skip_serializing_if = "Context::is_empty")]
    pub context: Context,
}

/// A rating as clients write it.
// `Rating::parse` checks it and fills its gaps.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = NewRating))]
#[serde(rename_all = "camelCase", expecting = "a rating, as an object")]
pub struct RatingWire {
    /// Who rates.
    user_id: UserId,
    /// What is rated.
    item_id: ItemId,
    /// The score, inside the configured range: 0 to 10 unless the operator says otherwise.
    score: f64,
    /// When the rating was given, in ms since the epoch; its arrival where missing. At most 5 min ahead of the
    /// service's clock, unless the operator says otherwise.
    #[serde(default)]
    timestamp: Option<u64>,
    /// Circumstances, in words that the operator lists; filled from client-hint header fields where missing.
    #[serde(default)]
    context: Option<Context>,
}

impl Rating {
    /// Parses one JSON object. `arrival_ms` is the service's clock: it fills a missing timestamp and bounds
    /// a given one.
    ///
    /// # Errors
    /// A 400 problem that names the field.
    pub fn parse(json: &str, arrival_ms: u64, rules: &RatingRules) -> Result<Self, Problem> {
        refuse_array(json)?;
        let wire: RatingWire = serde_json::from_str(json).map_err(|error| json_problem(&error))?;
        let invalid = |reason: String| Problem::new(ProblemKind::InvalidField, reason);
        rules.scores.check(wire.score).map_err(invalid)?;
        let timestamp = wire.timestamp.unwrap_or(arrival_ms);
        let latest = arrival_ms.saturating_add(rules.future_tolerance_ms);
        if timestamp > latest {
            return Err(invalid(format!(
                "timestamp is {timestamp}, later than this service's clock ({arrival_ms}) plus the tolerated \
                 {} ms; it counts milliseconds since 1970",
                rules.future_tolerance_ms
            )));
        }
        let context = wire.context.unwrap_or_default();
        rules.vocabulary.check(&context).map_err(invalid)?;
        Ok(Self { user_id: wire.user_id, item_id: wire.item_id, score: wire.score, timestamp, context })
    }
}

/// Refuses an array in an object's place: serde would read a struct from its fields in order too, and every
/// reordering of ours would then change what clients mean.
pub(crate) fn refuse_array(json: &str) -> Result<(), Problem> {
    if json.trim_start().starts_with('[') {
        let detail = "an array where an object with named fields belongs";
        return Err(Problem::new(ProblemKind::InvalidField, detail));
    }
    Ok(())
}

/// Turns a JSON error into a problem: syntax errors blame the body, others a field.
pub(crate) fn json_problem(error: &serde_json::Error) -> Problem {
    use serde_json::error::Category;
    let kind = match error.classify() {
        Category::Data => ProblemKind::InvalidField,
        Category::Syntax | Category::Eof | Category::Io => ProblemKind::MalformedBody,
    };
    Problem::new(kind, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: u64 = 1_700_000_000_000;

    fn parse(json: &str) -> Result<Rating, Problem> {
        Rating::parse(json, NOW_MS, &RatingRules::default())
    }

    fn detail(json: &str) -> String {
        parse(json).unwrap_err().detail
    }

    #[test]
    fn a_missing_timestamp_is_the_arrival_time() {
        let rating = parse(r#"{"userId":"u","itemId":"i","score":7.5}"#).unwrap();
        assert_eq!(rating.timestamp, NOW_MS);
        assert_eq!(rating.score, 7.5);
    }

    #[test]
    fn a_timestamp_beyond_the_tolerance_is_refused_and_one_within_is_kept() {
        let with = |ms: u64| format!(r#"{{"userId":"u","itemId":"i","score":1,"timestamp":{ms}}}"#);
        assert_eq!(parse(&with(NOW_MS + 300_000)).unwrap().timestamp, NOW_MS + 300_000);
        assert!(detail(&with(NOW_MS + 300_001)).contains("later than this service's clock"));
        assert!(detail(&with(u64::MAX)).contains("later than this service's clock"));
    }

    #[test]
    fn scores_outside_the_range_or_not_a_number_are_refused() {
        for score in ["-0.1", "10.1", "1e308", "-1e308"] {
            let json = format!(r#"{{"userId":"u","itemId":"i","score":{score}}}"#);
            assert!(detail(&json).contains("must lie in 0 to 10"), "{score}");
        }
        for score in ["NaN", "Infinity", "1e999", "null", "\"5\"", "[5]"] {
            assert!(parse(&format!(r#"{{"userId":"u","itemId":"i","score":{score}}}"#)).is_err(), "{score}");
        }
    }

    #[test]
    fn ids_must_have_1_to_256_bytes() {
        assert!(detail(r#"{"userId":"","itemId":"i","score":1}"#).contains("userId must not be empty"));
        let long = "x".repeat(10_240);
        let reason = detail(&format!(r#"{{"userId":"u","itemId":"{long}","score":1}}"#));
        assert!(reason.contains("itemId has 10240 bytes"), "{reason}");
        let exact = "é".repeat(128);
        assert!(parse(&format!(r#"{{"userId":"{exact}","itemId":"i","score":1}}"#)).is_ok());
    }

    #[test]
    fn deep_nesting_is_refused_without_overflowing_the_stack() {
        let deep = "[".repeat(100_000);
        assert!(parse(&deep).is_err());
        assert!(parse(&format!(r#"{{"userId":"u","itemId":"i","score":1,"context":{deep}"#)).is_err());
    }

    #[test]
    fn fields_are_named_and_never_told_by_their_place() {
        assert!(detail(r#"["u","i",5]"#).contains("named fields"));
    }

    #[test]
    fn a_missing_field_is_named() {
        assert!(detail(r#"{"userId":"u","score":1}"#).contains("itemId"));
    }
}
