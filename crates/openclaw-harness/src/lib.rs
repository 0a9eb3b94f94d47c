//! Real traffic against real services: the load generator, the stand-in dependency behind them, and the
//! ratings that both demo and tests play.
//!
//! - [`Load`] sends a scenario's attempts, or a file of ratings, at their intended times whatever the
//!   answers do, and reports what users would have seen ([`LoadReport`]).
//! - [`Backend`] is a dependency with a bounded number of workers, disturbed as a scenario says.
//! - [`scenario_file`] reads scenarios from disk, with the traces they name.
//! - [`ratings`] holds the shipped real ratings and the reader of their format.

pub mod backend;
pub mod load;
mod open_files;
pub mod ratings;
pub mod scenario_file;
mod zipped;

pub use backend::{Backend, BackendError, BackendHandle, BackendState, StageState};
pub use load::{
    AckLog, Acknowledged, Load, LoadError, LoadReport, LoadSettings, Pace, Progress, ScenarioTraffic,
    SecondReport, Stamp, Traffic, WorkReport,
};
pub use open_files::raise_open_files_max;
pub use openclaw_scenario::demo as demo_scenario;
pub use ratings::{FileRating, Ratings, RatingsError, RatingsSource};
