//! Endless scenarios by condition: one generator for what is trained on, selected by and tested with.
//!
//! Hand-written files show single conditions well, but a learner needs thousands, and a comparison is only
//! honest when the tested ones come from the same world and none was seen before. So the three [`Split`]s
//! share every range and differ in their seeds, which cannot coincide: split, family and index stand side
//! by side in the 53 bits of a seed. Reading random files from a folder lost: a set of files can be
//! memorised.
//!
//! # What all have in common
//!
//! | what | drawn from |
//! |---|---|
//! | undisturbed capacity of the first stage | 100 to 1500 requests/s, log-uniform |
//! | workers | 4 to 64, log-uniform |
//! | mean service time | what follows from the two, 5 to 60 ms; lognormal with a cv of .3 to 1.2 |
//! | queue · client timeout | 100 to 3000 places · 500 to 3000 ms, log-uniform |
//! | users · Zipf exponent | 20 to 300, log-uniform · .6 to 1.2 |
//! | bursty users | 0 to 40 %, on 20 to 60 % of the time, for 1 to 4 s |
//! | a refused client gives up at once | 30 to 100 %, half to all of the rest tries once; 0 to 30 % of the users ignore the backoff |
//! | starting refill rate | .3 to 2 times the capacity, log-uniform |
//! | length | 60 to 90 s, in training 20 to 40 s |
//!
//! Disturbances lie between 15 % and 85 % of the length. What the families add stands in [`Family`].
//!
//! A draw that asks for the impossible is drawn anew: all but a small fraction of its requests must meet the
//! objective of [`SLO_MS`] on an idle service, even while it is slowed down. So is one whose bottleneck takes
//! under 50 requests/s of its mix, or whose surges send over 10,000/s.
//!
//! ```
//! use openclaw_scenario::families::{Family, Split, sample};
//!
//! let scenario = sample(Family::Classic, Split::Training, 2);
//! assert_eq!(scenario.name, "training-worker-drop-2");
//! assert_eq!(scenario, sample(Family::Classic, Split::Training, 2));
//! ```

use std::ops::RangeInclusive;

use rand::RngExt;

use crate::scenario::Scenario;
use crate::streams::Stream;
use draw::Draw;

mod acceptance;
mod classic;
mod conditions;
mod draw;
mod frame;
pub mod sets;

/// The objective in milliseconds of p95 latency that scenarios are made for.
pub const SLO_MS: f64 = 200.0;

/// Indices are below this, so that a seed holds them beside split and family.
pub const INDEX_END: u64 = 1 << 44;

/// A kind of scenarios.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// One condition each, thirteen kinds in turn: what any admission controller must master.
    ///
    /// | kind | load | what happens |
    /// |---|---|---|
    /// | `steady-overload` | 1.2–2.5 | nothing |
    /// | `under-load` | .5–.9 | nothing |
    /// | `worker-drop` | .8–1.6 | 20–60 % of the workers are left, once or twice |
    /// | `slow-down` | .8–1.5 | service times divided by .35–.75, once or twice |
    /// | `ramp` | .8–1.6 | workers fade to 20–60 % and come back |
    /// | `flash-crowd` | .5–.9 | 30–100 % of the users send 2–8 times as much |
    /// | `pauses` | .7–1.5 | .05–.2 stops a second of .2–.8 s |
    /// | `noisy-neighbour` | .7–1.4 | .05–.25 a second for 1.5–4 s, service times divided by .4–.8 |
    /// | `abuse` | .5–.9 | 2–10 % of the users send 10–50 times as much |
    /// | `retry-storm` | 1–1.8 | at most 20 % give up at once, 30–80 % of the users ignore the backoff |
    /// | `heavy-tail` | .8–1.8 | Pareto service times, alpha 1.6–3, mean 5–15 ms |
    /// | `feedback-delay` | .8–1.6 | events come 100–500 ms late, and workers drop to 40–70 % |
    /// | `feedback-loss` | .8–1.6 | 5–30 % of the batches are lost, and workers drop to 40–70 % |
    Classic,
    /// One of the five harder conditions each, in turn.
    ///
    /// | kind | load | what happens |
    /// |---|---|---|
    /// | `cost-classes` | .8–1.8 | 1–3 classes of 5–25 % of the users with .5–10 times the work; one of at least 2, often one that works 90–140 ms, near the objective |
    /// | `network-budget` | .8–1.6 | 10–50 % of the users lose 20–150 ms on the network |
    /// | `dependency` | .8–1.8 | 20–80 % of the requests call a dependency of .5–.9 times the first stage's capacity; classes may call it more or less; it may be disturbed; a second one may stand behind it |
    /// | `periodic-demand` | 1–1.6 | a wave of ±30–90 % in 15–50 % of the length |
    /// | `delay-and-pauses` | .8–1.6 | events 100–400 ms late, 0–20 % lost, .05–.2 stops a second of .2–.8 s |
    Hard,
    /// Each of those five with a probability of .7, at least two of them; load .8–1.6.
    Combined,
    /// Cost classes, a dependency, or both in turn; neither processing times nor gauges are reported, and
    /// no network adds to the latency, which is all there is to learn from. Load .8–1.6.
    Uninstrumented,
}

impl Family {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Classic, Self::Hard, Self::Combined, Self::Uninstrumented];

    /// The word in file names.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Classic => "classic",
            Self::Hard => "hard",
            Self::Combined => "combined",
            Self::Uninstrumented => "uninstrumented",
        }
    }

    /// The kinds that take turns by index.
    #[must_use]
    pub fn kinds(self) -> &'static [&'static str] {
        match self {
            Self::Classic => &classic::KINDS,
            Self::Hard => &conditions::HARD_KINDS,
            Self::Combined => &["combined"],
            Self::Uninstrumented => &conditions::UNINSTRUMENTED_KINDS,
        }
    }

    /// Adds to an undisturbed scenario what this family is about, and says it in a few words.
    fn apply(self, kind: usize, scenario: &mut Scenario, draw: &mut Draw) -> String {
        match self {
            Self::Classic => classic::apply(kind, scenario, draw),
            Self::Hard => conditions::apply_hard(kind, scenario, draw),
            Self::Combined => conditions::apply_combined(scenario, draw),
            Self::Uninstrumented => conditions::apply_uninstrumented(kind, scenario, draw),
        }
    }

    fn number(self) -> u64 {
        match self {
            Self::Classic => 0,
            Self::Hard => 1,
            Self::Combined => 2,
            Self::Uninstrumented => 3,
        }
    }
}

/// What scenarios are used for. Their seeds never coincide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Split {
    /// Learning and tuning.
    Training,
    /// Choosing among what was learned.
    Selection,
    /// Reporting, and nothing else.
    Test,
}

impl Split {
    /// The word in file names and scenario names.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Training => "training",
            Self::Selection => "selection",
            Self::Test => "test",
        }
    }

    /// The lengths in seconds that [`sample`] draws from.
    #[must_use]
    pub fn duration_s(self) -> RangeInclusive<f64> {
        match self {
            Self::Training => 20.0..=40.0,
            Self::Selection | Self::Test => 60.0..=90.0,
        }
    }

    /// Counts from 1: seeds written by hand, which are small, belong to no split.
    fn number(self) -> u64 {
        match self {
            Self::Training => 1,
            Self::Selection => 2,
            Self::Test => 3,
        }
    }
}

/// The scenario of that index, always the same one.
///
/// # Panics
/// If the index is [`INDEX_END`] or more.
#[must_use]
pub fn sample(family: Family, split: Split, index: u64) -> Scenario {
    sample_lasting(family, split, index, split.duration_s())
}

/// The same with lengths of one's own, in whole seconds from that range: for training in episodes of
/// another length.
///
/// # Panics
/// If the index is [`INDEX_END`] or more, or the range is empty or holds less than 1 s.
#[must_use]
pub fn sample_lasting(family: Family, split: Split, index: u64, duration_s: RangeInclusive<f64>) -> Scenario {
    assert!(*duration_s.start() >= 1.0, "a sampled scenario lasts at least 1 s");
    let seed = seed(split, family.number(), index);
    let mut draw = Draw::new(Stream::Parameters.rng(seed));
    let kinds = family.kinds();
    // An index is below 2^44 and the number of kinds below 14, so the remainder is exact in any width.
    let kind = usize::try_from(index % kinds.len() as u64).unwrap_or(0);
    // Ends with probability 1, and soon: a test bounds the draws.
    loop {
        let mut scenario = frame::draw(seed, duration_s.clone(), &mut draw);
        let clauses = family.apply(kind, &mut scenario, &mut draw);
        scenario.name = format!("{}-{}-{index}", split.name(), kinds[kind]);
        scenario.description = describe(&scenario, &clauses);
        if acceptance::accepts(&scenario, family) {
            return scenario;
        }
    }
}

/// Families in given proportions, for training over all of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mix {
    /// Running sums.
    cumulative: [f64; 4],
}

impl Mix {
    /// All families alike.
    #[must_use]
    pub fn even() -> Self {
        Self::weighted([1.0; 4])
    }

    /// Weights in the order of [`Family::ALL`]; only their proportions matter.
    ///
    /// # Panics
    /// If a weight is negative or not finite, or all are 0.
    #[must_use]
    pub fn weighted(weights: [f64; 4]) -> Self {
        assert!(weights.iter().all(|weight| weight.is_finite() && *weight >= 0.0), "weights are at least 0");
        let mut sum = 0.0;
        let cumulative = weights.map(|weight| {
            sum += weight;
            sum
        });
        assert!(sum > 0.0, "a mix needs at least one family of a weight over 0");
        Self { cumulative }
    }

    /// Which family the index belongs to.
    #[must_use]
    pub fn family(&self, split: Split, index: u64) -> Family {
        let mut rng = Stream::Parameters.rng(seed(split, MIX, index));
        let draw = rng.random::<f64>() * self.cumulative[3];
        let place = self.cumulative.iter().position(|sum| draw < *sum);
        place.map_or(Family::Uninstrumented, |place| Family::ALL[place])
    }

    /// The scenario of that index in its family.
    ///
    /// # Panics
    /// If the index is [`INDEX_END`] or more.
    #[must_use]
    pub fn sample(&self, split: Split, index: u64) -> Scenario {
        sample(self.family(split, index), split, index)
    }
}

/// The family number of a draw among families.
const MIX: u64 = 15;

/// Split, family and index side by side, within the 53 bits that every JSON reader keeps.
fn seed(split: Split, family: u64, index: u64) -> u64 {
    assert!(index < INDEX_END, "the index of a sampled scenario must be below 2^44, is {index}");
    split.number() << 48 | family << 44 | index
}

fn describe(scenario: &Scenario, clauses: &str) -> String {
    let service = &scenario.service;
    let mean_ms = service.service_time.mean_s() * 1e3;
    format!("{clauses}; {}x load on {} workers of {mean_ms:.1} ms", scenario.load, service.workers)
}

#[cfg(test)]
mod tests;
