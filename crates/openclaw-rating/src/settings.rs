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
    /// The stream of accepted ratings.
    pub stream: StreamSettings,
    /// Requests with an `Idempotency-Key`.
    pub idempotency: IdempotencySettings,
}

/// How many answers to requests with an `Idempotency-Key` are remembered, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencySettings {
    /// Requests remembered, those in progress included: 100,000. The oldest give way.
    pub keys_max: usize,
    /// Memory for them, in bytes: 32 MiB, which holds that many answers to single ratings. A larger answer is not
    /// remembered.
    pub bytes_max: usize,
    /// How long an answer is remembered: 1 h, in which a phone has found its network again.
    pub ttl: Duration,
}

impl Default for IdempotencySettings {
    fn default() -> Self {
        Self { keys_max: 100_000, bytes_max: 32 << 20, ttl: Duration::from_secs(3600) }
    }
}

/// How much of the latest ratings is held for whoever follows them, and who may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamSettings {
    /// Ratings held at most: 10,000.
    pub events_max: usize,
    /// Memory for them, in bytes: 4 MiB, some forty thousand with short ids.
    pub bytes_max: usize,
    /// Clients of `GET /ratings/stream` at once: 64.
    pub subscribers_max: usize,
    /// Silence after which a client is sent a comment: 15 s, as most proxies close what is silent for 30 or 60. Who has
    /// not read for four times as long loses its place.
    pub heartbeat: Duration,
}

impl Default for StreamSettings {
    fn default() -> Self {
        Self {
            events_max: 10_000,
            bytes_max: 4 << 20,
            subscribers_max: 64,
            heartbeat: Duration::from_secs(15),
        }
    }
}

impl Default for RatingSettings {
    fn default() -> Self {
        Self {
            rules: RatingRules::default(),
            region: None,
            body_bytes_max: 1 << 20,
            body_timeout: Duration::from_secs(10),
            batch_max: 10_000,
            stream: StreamSettings::default(),
            idempotency: IdempotencySettings::default(),
        }
    }
}
