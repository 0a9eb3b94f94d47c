//! Arrival times from each client's recorded request rate and burstiness.
//!
//! The record says, for every client and each 600 s of a day, how many requests per second it sent and the
//! coefficient of variation (cv) of the gaps between them. Each client becomes a renewal process: gaps of
//! mean 1 and the window's cv are drawn from a gamma distribution, the record's own choice in five windows
//! of six, and laid out on a clock that advances with the client's rate. On that clock nothing happens at a
//! window's edge, so slow clients keep their long gaps across windows. Drawing each window on its own lost:
//! gaps longer than a window could not occur.
//!
//! The file holds an [`EXCERPT_S`] of the day. Thinning the whole day to the same size lost, too: a few
//! percent of the requests of bursty clients are hardly bursty any more.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::fs::File;
use std::io::Read as _;
use std::ops::Range;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Gamma};

/// The seconds of the day that the trace holds: eighty minutes in which the demand nearly triples.
pub(crate) const EXCERPT_S: Range<f64> = 70_800.0..75_600.0;

/// Seconds that a line of the record describes.
pub(crate) const WINDOW_S: f64 = 600.0;

/// The seed of everything drawn here; each client has a stream of its own.
const SEED: u64 = 2025;

/// A client's requests in one window.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    /// Start in seconds from the start of the day.
    pub(crate) start_s: f64,
    /// Requests per second.
    pub(crate) rate_per_s: f64,
    /// Coefficient of variation of the gaps; 0 where there were no requests.
    pub(crate) cv: f64,
}

/// The shipped record: windows in order of time, by client.
///
/// # Errors
/// If the file cannot be read, or a line is not `client,epoch_s,rate_per_s,cv,…`.
pub(crate) fn shipped_windows() -> Result<BTreeMap<u64, Vec<Window>>, Box<dyn Error>> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/servegen-reason/windows.csv.gz");
    let mut text = String::new();
    flate2::read::GzDecoder::new(File::open(path)?).read_to_string(&mut text)?;
    let mut clients: BTreeMap<u64, Vec<Window>> = BTreeMap::new();
    for (number, line) in (1..).zip(text.lines()) {
        let (client, window) = read_line(line).ok_or_else(|| format!("{path}, line {number}: {line:?}"))?;
        clients.entry(client).or_default().push(window);
    }
    Ok(clients)
}

fn read_line(line: &str) -> Option<(u64, Window)> {
    let fields: Vec<&str> = line.split(',').collect();
    let [client, start_s, rate_per_s, cv, ..] = fields.as_slice() else { return None };
    let window =
        Window { start_s: start_s.parse().ok()?, rate_per_s: rate_per_s.parse().ok()?, cv: cv.parse().ok()? };
    Some((client.parse().ok()?, window))
}

/// All clients' arrivals as a trace: seconds from the start of the excerpt, one a line, in order.
pub(crate) fn arrivals_text(clients: &BTreeMap<u64, Vec<Window>>) -> String {
    let mut times_s: Vec<f64> = Vec::new();
    for (client, windows) in clients {
        let mut rng = ChaCha8Rng::seed_from_u64(SEED);
        rng.set_stream(*client);
        let of_day = client_arrivals_s(windows, &mut rng).into_iter();
        let excerpt = of_day.filter(|time_s| EXCERPT_S.contains(time_s));
        times_s.extend(excerpt.map(|time_s| time_s - EXCERPT_S.start));
    }
    times_s.sort_unstable_by(f64::total_cmp);
    times_s.iter().fold(String::new(), |mut text, time_s| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{time_s:.2}");
        text
    })
}

/// One client's arrivals in seconds.
fn client_arrivals_s(windows: &[Window], rng: &mut ChaCha8Rng) -> Vec<f64> {
    let mut times_s = Vec::new();
    // What is left of the current gap, in expected requests; none is drawn before the first request.
    let mut left: Option<f64> = None;
    for window in windows.iter().filter(|window| window.rate_per_s > 0.0 && window.cv > 0.0) {
        let (mut at, end) = (0.0, window.rate_per_s * WINDOW_S);
        // The day begins somewhere within a gap.
        let mut next = left.unwrap_or_else(|| gap(window.cv, rng) * rng.random::<f64>());
        while at + next <= end {
            at += next;
            times_s.push(window.start_s + at / window.rate_per_s);
            next = gap(window.cv, rng);
        }
        left = Some(next - (end - at));
    }
    times_s
}

/// A gap of mean 1. A gamma distribution of shape k has the cv 1 / sqrt(k).
fn gap(cv: f64, rng: &mut ChaCha8Rng) -> f64 {
    let shape = 1.0 / (cv * cv);
    Gamma::new(shape, 1.0 / shape).map_or(1.0, |gamma| gamma.sample(rng))
}
