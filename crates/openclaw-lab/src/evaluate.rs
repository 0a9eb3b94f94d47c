//! Controllers side by side: every controller on every scenario with every seed, against the oracle.

mod comparison;
mod contender;
mod extremes;
mod figures;
mod identity;
mod outcome;
mod policies;
pub mod statistics;
pub mod suite;
mod summary;
pub mod table;
mod trial;

pub use comparison::{Comparison, Course, Evaluation, Origin, Summary};
pub use contender::{Build, Contender, ContenderError, EVERYONE, Kind, LEARNED};
pub use figures::Figures;
pub use identity::Identity;
pub use outcome::{Outcome, Role, Volumes};
pub use policies::{PolicyFileError, read_policies};
pub use suite::{Case, SuiteError};
pub use summary::{ALL, ByScenario, Extreme, GroupSummary, Paired, Spread, Standing, by_scenario, summarise};
pub(crate) use trial::ORACLE_COURSES;
pub use trial::{Played, Trial};
