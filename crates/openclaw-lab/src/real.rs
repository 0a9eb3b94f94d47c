//! Courses played in real time through real processes, scored beside the same courses simulated.
//!
//! The simulator says who should win; this says how far that holds where sockets, disks and a scheduler have their say.
//! Nothing here starts a process: what was recorded comes in, scores and a plain sentence go out, so that the judging
//! can be tested without a machine. Scores of both sides divide by the same number, the simulated oracle's work: a real
//! oracle would have to know what the machine does next.

mod cause;
mod chance;
mod circumstances;
mod outcome;
mod setting;
mod side;
pub mod table;

pub use cause::{Circumstances, likely_cause};
pub use chance::{Chance, DRAWS};
pub use circumstances::{BackendUse, CommitTimes, MachineUse, ProcessUse};
pub use outcome::{Machine, RealEvaluation, RealOutcome};
pub use setting::{ATTEMPTS_PER_S_MAX, Start, Unplayable, peak_attempts_per_s, playable, scaled};
pub use side::Side;
