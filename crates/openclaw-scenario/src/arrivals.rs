//! Every first attempt of a scenario, in order of time.
//!
//! Demand is held for slots of 100 ms: within one, first attempts are a Poisson process whose intensity is
//! `load x capacity x sum of (share x burst x surges) x diurnal`. One Poisson draw per slot and a weighted
//! choice of user for each attempt is the same process as one Poisson draw per user and slot, and costs less.

use std::borrow::Borrow;
use std::sync::Arc;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Exp, Poisson};

use crate::population::Population;
use crate::scenario::Scenario;
use crate::streams::Stream;
use crate::trace::ArrivalTrace;

/// How long demand is held.
const SLOT_S: f64 = 0.1;

/// One first attempt.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Arrival {
    /// Seconds since the scenario's start.
    pub time_s: f64,
    /// Index of the user in the [`Population`].
    pub user: u32,
    /// Request class of that user.
    pub class: u16,
    /// How often the client will try again if refused, drawn beforehand so that it is the same for every
    /// controller.
    pub retries_max: u8,
}

/// The first attempts of a borrowed scenario.
pub type Arrivals<'a> = ArrivalSequence<&'a Scenario, &'a Population, &'a ArrivalTrace>;
/// The first attempts of a shared scenario, for owners that outlive their caller.
pub type SharedArrivals = ArrivalSequence<Arc<Scenario>, Arc<Population>, Arc<ArrivalTrace>>;

/// The first attempts of a scenario, drawn as they are asked for.
#[derive(Debug)]
pub struct ArrivalSequence<S, P, T> {
    scenario: S,
    population: P,
    source: Source<T>,
    retries: ChaCha8Rng,
}

#[derive(Debug)]
enum Source<T> {
    Model(Box<Model>),
    Trace(Box<Recorded<T>>),
}

#[derive(Debug)]
struct Recorded<T> {
    trace: T,
    next: usize,
    speedup: f64,
    /// Running sums of the users' shares.
    shares: Vec<f64>,
    rng: ChaCha8Rng,
}

#[derive(Debug)]
struct Model {
    rng: ChaCha8Rng,
    bursts: Vec<Burst>,
    burst_rng: ChaCha8Rng,
    slot: u32,
    slots: u32,
    /// Running sums of the users' weights in this slot.
    cumulative: Vec<f64>,
    /// Attempts of the drawn slot, latest first.
    pending: Vec<(f64, u32)>,
}

/// The on/off phase of one bursty user.
#[derive(Debug)]
struct Burst {
    user: usize,
    on: bool,
    until_s: f64,
}

impl<S: Borrow<Scenario>, P: Borrow<Population>, T: Borrow<ArrivalTrace>> ArrivalSequence<S, P, T> {
    /// The demand model's attempts.
    #[must_use]
    pub fn new(scenario: S, population: P) -> Self {
        let source = Source::Model(Box::new(Model::new(scenario.borrow(), population.borrow())));
        let retries = Stream::Retries.rng(scenario.borrow().seed);
        Self { scenario, population, source, retries }
    }

    /// Recorded attempts in place of the demand model: times as recorded divided by the scenario's
    /// `speedup`, users by their Zipf shares. `load`, surges, bursts and the diurnal wave do not apply, for
    /// the record has its own shape.
    #[must_use]
    pub fn from_trace(scenario: S, population: P, trace: T) -> Self {
        let given = scenario.borrow();
        let shares = running_sums(population.borrow().users().iter().map(|user| user.share));
        let recorded = Recorded {
            trace,
            next: 0,
            speedup: given.arrivals.as_ref().map_or(1.0, |arrivals| arrivals.speedup),
            shares,
            rng: Stream::Demand.rng(given.seed),
        };
        let source = Source::Trace(Box::new(recorded));
        let retries = Stream::Retries.rng(given.seed);
        Self { scenario, population, source, retries }
    }
}

impl<S: Borrow<Scenario>, P: Borrow<Population>, T: Borrow<ArrivalTrace>> Iterator
    for ArrivalSequence<S, P, T>
{
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        let (scenario, population) = (self.scenario.borrow(), self.population.borrow());
        let (time_s, user) = match &mut self.source {
            Source::Model(model) => model.next(scenario, population)?,
            Source::Trace(recorded) => recorded.next(scenario.duration_s)?,
        };
        let [none, once, _] = scenario.clients.retry_probabilities;
        let draw: f64 = self.retries.random();
        let retries_max = if draw < none { 0 } else { 1 + u8::from(draw >= none + once) };
        Some(Arrival { time_s, user, class: population.users()[user as usize].class, retries_max })
    }
}

impl<T: Borrow<ArrivalTrace>> Recorded<T> {
    fn next(&mut self, duration_s: f64) -> Option<(f64, u32)> {
        let time_s = self.trace.borrow().times_s().get(self.next)? / self.speedup;
        self.next += 1;
        (time_s < duration_s).then(|| (time_s, pick(&self.shares, &mut self.rng)))
    }
}

impl Model {
    #[expect(clippy::cast_sign_loss, clippy::cast_possible_truncation, reason = "a week has 6 million slots")]
    fn new(scenario: &Scenario, population: &Population) -> Self {
        let mut burst_rng = Stream::Bursts.rng(scenario.seed);
        let bursty = population.users().iter().enumerate().filter(|(_, user)| user.bursty);
        let bursts = bursty
            .map(|(user, _)| {
                let on = burst_rng.random_bool(scenario.users.on_fraction);
                Burst { user, on, until_s: phase_s(scenario, on, &mut burst_rng) }
            })
            .collect();
        Self {
            rng: Stream::Demand.rng(scenario.seed),
            bursts,
            burst_rng,
            slot: 0,
            slots: (scenario.duration_s / SLOT_S).ceil() as u32,
            cumulative: Vec::new(),
            pending: Vec::new(),
        }
    }

    fn next(&mut self, scenario: &Scenario, population: &Population) -> Option<(f64, u32)> {
        while self.pending.is_empty() {
            if self.slot == self.slots {
                return None;
            }
            self.draw_slot(scenario, population);
            self.slot += 1;
        }
        self.pending.pop()
    }

    fn draw_slot(&mut self, scenario: &Scenario, population: &Population) {
        let start_s = f64::from(self.slot) * SLOT_S;
        let length_s = (scenario.duration_s - start_s).min(SLOT_S);
        self.weigh(scenario, population, start_s);
        let total = self.cumulative.last().copied().unwrap_or(0.0);
        let mean = population.mean_attempts_per_s() * total * diurnal(scenario, start_s) * length_s;
        // Zero demand (all bursty users off, the trough of a full wave) is no Poisson mean.
        let Ok(poisson) = Poisson::new(mean) else { return };
        let attempts = poisson.sample(&mut self.rng);
        let mut drawn = 0.0;
        while drawn < attempts {
            let time_s = start_s + length_s * self.rng.random::<f64>();
            self.pending.push((time_s, pick(&self.cumulative, &mut self.rng)));
            drawn += 1.0;
        }
        self.pending.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
    }

    /// Sums up each user's share times its burst and surges at the slot's start.
    fn weigh(&mut self, scenario: &Scenario, population: &Population, now_s: f64) {
        let weights = &mut self.cumulative;
        weights.clear();
        weights.extend(population.users().iter().map(|user| user.share));
        for burst in &mut self.bursts {
            while burst.until_s <= now_s {
                burst.on = !burst.on;
                burst.until_s += phase_s(scenario, burst.on, &mut self.burst_rng);
            }
            weights[burst.user] *= if burst.on { 1.0 / scenario.users.on_fraction } else { 0.0 };
        }
        for (index, surge) in scenario.surges.iter().enumerate() {
            if (surge.start_s..surge.start_s + surge.duration_s).contains(&now_s) {
                let members =
                    weights.iter_mut().enumerate().filter(|(user, _)| population.in_surge(index, *user));
                members.for_each(|(_, weight)| *weight *= surge.factor);
            }
        }
        let mut sum = 0.0;
        for weight in weights {
            sum += *weight;
            *weight = sum;
        }
    }
}

/// The length of an on or off phase. Off phases are so long that a user is on `on_fraction` of the time.
fn phase_s(scenario: &Scenario, on: bool, rng: &mut ChaCha8Rng) -> f64 {
    let users = &scenario.users;
    let mean_s =
        if on { users.on_mean_s } else { users.on_mean_s * (1.0 - users.on_fraction) / users.on_fraction };
    // Users that are always on have off phases of length 0, which is no exponential mean.
    Exp::new(1.0 / mean_s).map_or(0.0, |exponential| exponential.sample(rng)).max(1e-9)
}

fn diurnal(scenario: &Scenario, now_s: f64) -> f64 {
    let wave = |diurnal: &crate::Diurnal| {
        1.0 + diurnal.amplitude * (std::f64::consts::TAU * now_s / diurnal.period_s).sin()
    };
    scenario.diurnal.as_ref().map_or(1.0, wave)
}

pub(crate) fn running_sums(weights: impl Iterator<Item = f64>) -> Vec<f64> {
    weights
        .scan(0.0, |sum, weight| {
            *sum += weight;
            Some(*sum)
        })
        .collect()
}

/// An index with a probability proportional to its weight.
pub(crate) fn pick(cumulative: &[f64], rng: &mut ChaCha8Rng) -> u32 {
    let total = cumulative.last().copied().unwrap_or(0.0);
    let draw = rng.random::<f64>() * total;
    let index = cumulative.partition_point(|sum| *sum <= draw).min(cumulative.len().saturating_sub(1));
    u32::try_from(index).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
