//! The arguments of `openclaw evaluate`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::parse_duration;

#[derive(Args, Debug)]
pub(crate) struct EvaluateArgs {
    /// Scenario files; every scenario in them is played
    #[arg(long, value_name = "FILE", num_args = 1.., required = true)]
    pub(crate) scenarios: Vec<PathBuf>,
    /// Controllers by name, separated by commas; also oracle, accept-all, reject-all, learned and all
    #[arg(long, value_name = "NAMES", value_delimiter = ',', default_value = "all")]
    pub(crate) controllers: Vec<String>,
    /// Artifacts of learned policies, which then take part
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub(crate) policy: Vec<PathBuf>,
    /// Plays every course in real time through real processes and a stand-in backend, beside its simulation
    #[arg(long, conflicts_with_all = ["tune", "tuned", "tune_on", "timings"])]
    pub(crate) real: bool,
    /// With --real, plays every scenario with this part of its workers, and so of its demand
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, requires = "real", value_parser = parse_scale)]
    pub(crate) scale: f64,
    /// Courses of each scenario, with other random numbers in each; 3, and with --real 1
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub(crate) seeds: Option<u64>,
    /// Writes every result and the summary as JSON
    #[arg(long, value_name = "OUT")]
    pub(crate) json: Option<PathBuf>,
    /// Writes a report for people, one page that needs nothing else
    #[arg(long, value_name = "OUT")]
    pub(crate) html: Option<PathBuf>,
    /// The scenario whose time lines the report shows; without it the one that tells the controllers apart best
    #[arg(long, value_name = "NAME", requires = "html")]
    pub(crate) timeline: Option<String>,
    /// Tunes every controller first, trying so many settings of each on the same training scenarios
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub(crate) tune: Option<u64>,
    /// Training scenarios: files or families (classic, hard, combined, uninstrumented); without it all families
    #[arg(long, value_name = "FILE|FAMILY", num_args = 1.., value_delimiter = ',', requires = "tune")]
    pub(crate) tune_on: Vec<String>,
    /// Training scenarios of each family
    #[arg(long, value_name = "N", default_value_t = 13, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub(crate) tune_scenarios: u64,
    /// Settings of an earlier tuning; with --tune, where to write them
    #[arg(long, value_name = "FILE")]
    pub(crate) tuned: Option<PathBuf>,
    /// Stretches or compresses every scenario
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) duration: Option<Duration>,
    /// Latency that the 95th percentile is to keep
    #[arg(long, value_name = "DURATION", default_value = "200ms", value_parser = parse_duration)]
    pub(crate) slo: Duration,
    /// Threads that simulate; 0 for one per processor core. Results do not depend on it
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) threads: usize,
    /// Writes the measured cost of decisions too, which no other run repeats
    #[arg(long)]
    pub(crate) timings: bool,
}

/// Reads the factor of `--scale`.
fn parse_scale(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(scale) if (0.001..=100.0).contains(&scale) => Ok(scale),
        _ => Err("write a number from 0.001 to 100, for example 0.5".to_owned()),
    }
}
