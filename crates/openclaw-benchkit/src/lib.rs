//! Measurements beside a peer, taken and reported the same way by every benchmark.
//!
//! A figure alone says little: it moves with the machine, its neighbours and its temperature. So every case is
//! measured beside a peer in the same process run, the two take turns ([`paired`]), and what is judged is the
//! ratio of their medians. Statistics-first harnesses (criterion, divan) lost here because they time one closure
//! at a time, minutes apart, and know no goal; they remain the better tool for looking at a single function.
//!
//! ```no_run
//! use openclaw_benchkit::{Bench, Better, Options, RUNS_MIN, Row, ns_per_call, paired};
//!
//! fn main() -> std::process::ExitCode {
//!     let options = match Options::from_args(std::env::args().skip(1)) {
//!         Ok(options) => options,
//!         Err(error) => return error.report(),
//!     };
//!     let mut bench = Bench::new("square-root");
//!     let (value, peer_value) = paired(
//!         RUNS_MIN,
//!         || ns_per_call(1_000_000, |i| (i as f32).sqrt()),
//!         || ns_per_call(1_000_000, |i| (i as f64).sqrt()),
//!     );
//!     bench.row(Row {
//!         case: "one root",
//!         unit: "ns",
//!         value,
//!         peer: "f64",
//!         peer_value,
//!         goal: Some(1.0),
//!         better: Better::Lower,
//!     });
//!     bench.finish(&options)
//! }
//! ```

#[cfg(feature = "http")]
mod http_load;
mod machine;
mod measure;
mod options;
mod report;

#[cfg(feature = "http")]
pub use http_load::{HttpClient, HttpLoad, Latencies};
pub use machine::Machine;
pub use measure::{RUNS_MIN, median, ns_per_call, paired, try_paired};
pub use options::{Options, UsageError};
pub use report::{Bench, Better, Row};
