//! How a rating service is set up.

use std::time::Duration;

use openclaw_protocol::RatingRules;

/// Settings of a [`RatingService`](crate::RatingService).
#[derive(Clone, Debug)]
pub struct RatingSettings {
    /// What a rating must satisfy.
    pub rules: RatingRules,
    /// Region of this service; fills a rating's context where it has none.
    pub region: Option<String>,
    /// Longest body, in bytes.
    pub body_bytes_max: usize,
    /// Longest time for a body to arrive.
    pub body_timeout: Duration,
    /// Ratings in one batch at most.
    pub batch_max: usize,
}

impl Default for RatingSettings {
    fn default() -> Self {
        Self {
            rules: RatingRules::default(),
            region: None,
            body_bytes_max: 1 << 20,
            body_timeout: Duration::from_secs(10),
            batch_max: 10_000,
        }
    }
}
