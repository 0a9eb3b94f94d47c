//! The words OpenClaw's parts exchange, and nothing else: no sockets, no clocks, no threads.
//!
//! A type enters this crate only when two crates exchange it. What arrives from outside is validated while
//! it is parsed, so that a [`Rating`] or a [`RatingEvent`] in hand is always within its bounds.

mod batch;
mod context;
mod event;
mod ids;
mod intake;
mod limits;
mod policy;
mod problem;
mod rating;

pub use batch::{CollectorInfo, DependencyGauge, EventBatch, Rejected, Totals, UserCounts};
pub use context::{Context, ContextVocabulary};
pub use event::{Outcome, RatingEvent};
pub use ids::{ID_BYTES_MAX, InvalidId, ItemId, UserId};
pub use intake::{BodyForm, EventIntake, parse_event, parse_events, parse_ratings};
pub use limits::{EffectiveLimits, LimitBounds, TIER_BYTES_MAX, UserLimits, WEIGHT_MAX, WEIGHT_MIN};
pub use policy::{BatchAnswer, BucketPolicy, ClassGuard, DependencyGuard, PolicyAnswer, Reason};
pub use problem::{PROBLEM_JSON, Problem, ProblemKind};
pub use rating::{Rating, RatingRules, RatingWire, ScoreRange};
