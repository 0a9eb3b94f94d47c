//! The edge service: events in, bucket parameters out.
//!
//! It keeps one [`ControlLoop`](openclaw_controller::ControlLoop) per service and answers every batch with the
//! parameters of the users that it names. It stores nothing but the operator's overrides: after a restart it
//! answers defaults until the first report, and collectors hold their leases meanwhile.

mod limits;
mod metering;
mod repeats;
mod routes;
mod services;
mod settings;

pub use limits::{EdgeError, InvalidTier, LimitsFileError, LimitsSettings, Tier, Tiers};
pub use metering::describe_metrics;
pub use openclaw_controller::ControllerKind;
pub use routes::{openapi_json, router};
pub use services::{Edge, EdgeStatus};
pub use settings::EdgeSettings;
