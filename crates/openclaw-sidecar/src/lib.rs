//! A reverse proxy that puts the control loop before a service that knows nothing of it.
//!
//! A request passes, in this order: its route says whether it is metered; its key is found; the in-flight guard lets
//! it in; its user's bucket pays; the service answers, and both bodies stream past without being gathered. What the
//! loop learns is the same as from a rating service, by the same collector: who asked, how it ended, how long it took.
//!
//! Built on hyper's own connections rather than on a proxy framework (Pingora): the admission, the metrics and the
//! stop of the process are those of every other service here, and nothing else had to be taken along.

mod answer_body;
mod client_body;
mod connector;
mod exchange;
mod fields;
mod forwarded;
mod json_field;
mod jwt;
mod key;
mod metering;
mod network;
mod path;
mod proxy;
mod refusals;
mod route;
mod rules;
mod service;
mod settings;
mod tunnel;
mod upstream;

pub use fields::Telling;
pub use forwarded::client_address;
pub use json_field::{FieldPath, FieldScan, Found, InvalidFieldPath};
pub use jwt::{InvalidJwt, JwtRules, JwtSettings};
pub use key::{InvalidKeySource, InvalidKeys, KeySource};
pub use metering::describe_metrics;
pub use network::{InvalidNetwork, Network};
pub use path::{InvalidPathPattern, PathPattern};
pub use route::{InvalidRoute, Route};
pub use rules::{InvalidSettings, InvalidVia, check_via};
pub use service::{Sidecar, SidecarStatus};
pub use settings::{EdgeAway, LatencyUntil, SidecarSettings, Unkeyed, UpstreamSettings};
pub use upstream::{InvalidUpstream, check_upstream};
