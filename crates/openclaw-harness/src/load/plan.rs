//! What is sent when: the intended time, user and rating of every first attempt.

use std::sync::Arc;
use std::time::Duration;

use openclaw_scenario::{ArrivalTrace, Arrivals, ClientBehaviour, Context, Population, Scenario};

use crate::ratings::{FileRating, Ratings, RatingsError, RatingsSource};

/// What to send.
#[derive(Clone, Debug)]
pub enum Traffic {
    /// A scenario's users and arrivals with real items and scores.
    Scenario(Box<ScenarioTraffic>),
    /// The ratings as they are, users included; nobody tries again.
    Ratings {
        /// Which ratings.
        ratings: RatingsSource,
        /// How fast.
        pace: Pace,
        /// Length in seconds.
        duration_s: f64,
    },
}

/// A scenario's users and arrivals. Items, scores and their order come from ratings, which start over when
/// they run out.
#[derive(Clone, Debug)]
pub struct ScenarioTraffic {
    scenario: Scenario,
    population: Population,
    trace: Option<ArrivalTrace>,
    ratings: RatingsSource,
}

/// How fast a ratings file is played.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// Evenly spaced, so many a second; the file starts over when it runs out.
    PerSecond(f64),
    /// The file's own times, so many times faster; ends with the file.
    Speedup(f64),
}

/// Which timestamp a rating carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stamp {
    /// The wall clock at the intended time of the attempt.
    #[default]
    Now,
    /// The file's.
    Original,
}

impl ScenarioTraffic {
    /// The users and the demand model of `scenario` with the shipped ratings.
    #[must_use]
    pub fn new(scenario: Scenario) -> Self {
        let population = Population::new(&scenario);
        Self { scenario, population, trace: None, ratings: RatingsSource::Shipped }
    }

    /// The same users with recorded arrivals: what a scenario's `arrivals.traceFile` names.
    #[must_use]
    pub fn with_trace(self, trace: ArrivalTrace) -> Self {
        Self { trace: Some(trace), ..self }
    }

    /// The same with items and scores from elsewhere.
    #[must_use]
    pub fn with_ratings(self, ratings: RatingsSource) -> Self {
        Self { ratings, ..self }
    }

    /// The scenario that is played.
    #[must_use]
    pub fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    /// Its first attempts in order of time.
    #[must_use]
    pub fn arrivals(&self) -> Arrivals<'_> {
        match &self.trace {
            Some(trace) => Arrivals::from_trace(&self.scenario, &self.population, trace),
            None => Arrivals::new(&self.scenario, &self.population),
        }
    }

    /// Its recorded arrivals, where it has them.
    pub(super) fn trace(&self) -> Option<&ArrivalTrace> {
        self.trace.as_ref()
    }

    /// Its users.
    #[must_use]
    pub fn population(&self) -> &Population {
        &self.population
    }
}

impl Traffic {
    /// A scenario with its demand model and the shipped ratings.
    #[must_use]
    pub fn scenario(scenario: Scenario) -> Self {
        Self::Scenario(Box::new(ScenarioTraffic::new(scenario)))
    }

    /// Length in seconds.
    pub(super) fn duration_s(&self) -> f64 {
        match self {
            Self::Scenario(traffic) => traffic.scenario.duration_s,
            Self::Ratings { duration_s, .. } => *duration_s,
        }
    }

    pub(super) fn as_scenario(&self) -> Option<&ScenarioTraffic> {
        match self {
            Self::Scenario(traffic) => Some(traffic),
            Self::Ratings { .. } => None,
        }
    }

    /// What ratings of each request class carry and how long they travel; the plain class is the first.
    pub(super) fn classes(&self) -> Vec<(Option<Context>, Duration)> {
        let classes = self.as_scenario().map(|traffic| traffic.scenario.request_classes.as_slice());
        let own = classes.unwrap_or_default().iter().map(|class| {
            (Some(class.context.clone()), Duration::from_secs_f64(class.network_delay_ms / 1e3))
        });
        std::iter::once((None, Duration::ZERO)).chain(own).collect()
    }

    /// First attempts in order of time.
    pub(super) fn plan(&self) -> Result<Plan<'_>, RatingsError> {
        match self {
            Self::Scenario(traffic) => {
                let ScenarioTraffic { scenario, population, ratings, .. } = &**traffic;
                let arrivals = traffic.arrivals();
                let user_ids =
                    (0..scenario.users.count).map(|user| Population::user_id(user).into()).collect();
                Ok(Plan::Scenario {
                    arrivals: Box::new(arrivals),
                    population,
                    user_ids,
                    ratings: Cycle::new(ratings)?,
                })
            }
            Self::Ratings { ratings, pace: Pace::PerSecond(per_s), duration_s } => Ok(Plan::Even {
                ratings: Cycle::new(ratings)?,
                per_s: *per_s,
                attempts: (*per_s * *duration_s).ceil(),
                sent: 0.0,
            }),
            Self::Ratings { ratings, pace: Pace::Speedup(speedup), duration_s } => Ok(Plan::Recorded {
                ratings: ratings.open()?,
                speedup: *speedup,
                duration_s: *duration_s,
                first_epoch_s: None,
            }),
        }
    }
}

/// One first attempt as it is to be sent.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Planned {
    /// From the start of the load.
    pub(super) at: Duration,
    /// Index in the scenario's population; `None` without a scenario.
    pub(super) user: Option<u32>,
    pub(super) user_id: Arc<str>,
    pub(super) item_id: Arc<str>,
    pub(super) score: f64,
    /// The file's own time.
    pub(super) epoch_s: u64,
    pub(super) class: u16,
    pub(super) retries_max: u8,
    pub(super) ignores_backoff: bool,
}

impl Planned {
    fn plain(at_s: f64, rating: FileRating) -> Self {
        Self {
            at: Duration::from_secs_f64(at_s),
            user: None,
            user_id: rating.user_id.into(),
            item_id: rating.item_id.into(),
            score: rating.score,
            epoch_s: rating.epoch_s,
            class: 0,
            retries_max: 0,
            ignores_backoff: false,
        }
    }

    /// The wait before retry number `retry` (0 is the first), from the refusal.
    pub(super) fn backoff(&self, retry: u8) -> Duration {
        Duration::from_secs_f64(ClientBehaviour::backoff_s(self.ignores_backoff, retry.into()))
    }
}

/// Yields the attempts of a [`Traffic`].
#[derive(Debug)]
pub(super) enum Plan<'a> {
    Scenario {
        arrivals: Box<Arrivals<'a>>,
        population: &'a Population,
        user_ids: Vec<Arc<str>>,
        ratings: Cycle,
    },
    Even {
        ratings: Cycle,
        per_s: f64,
        attempts: f64,
        sent: f64,
    },
    Recorded {
        ratings: Ratings,
        speedup: f64,
        duration_s: f64,
        first_epoch_s: Option<u64>,
    },
}

impl Iterator for Plan<'_> {
    type Item = Result<Planned, RatingsError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Scenario { arrivals, population, user_ids, ratings } => {
                let arrival = arrivals.next()?;
                let user = arrival.user as usize;
                Some(ratings.next()?.map(|rating| Planned {
                    user: Some(arrival.user),
                    user_id: Arc::clone(&user_ids[user]),
                    class: arrival.class,
                    retries_max: arrival.retries_max,
                    ignores_backoff: population.users()[user].ignores_backoff,
                    ..Planned::plain(arrival.time_s, rating)
                }))
            }
            Self::Even { ratings, per_s, attempts, sent } => {
                (*sent < *attempts).then_some(())?;
                let at_s = *sent / *per_s;
                *sent += 1.0;
                Some(ratings.next()?.map(|rating| Planned::plain(at_s, rating)))
            }
            Self::Recorded { ratings, speedup, duration_s, first_epoch_s } => match ratings.next()? {
                Err(error) => Some(Err(error)),
                Ok(rating) => {
                    let first = *first_epoch_s.get_or_insert(rating.epoch_s);
                    // A line out of order is sent at once rather than in the past.
                    let at_s = rating.epoch_s.saturating_sub(first) as f64 / *speedup;
                    (at_s < *duration_s).then(|| Ok(Planned::plain(at_s, rating)))
                }
            },
        }
    }
}

/// Ratings without end: the source starts over when it runs out.
#[derive(Debug)]
pub(super) struct Cycle {
    source: RatingsSource,
    ratings: Ratings,
}

impl Cycle {
    fn new(source: &RatingsSource) -> Result<Self, RatingsError> {
        Ok(Self { source: source.clone(), ratings: source.open()? })
    }
}

impl Iterator for Cycle {
    type Item = Result<FileRating, RatingsError>;

    /// `None` only if the source holds no rating at all.
    fn next(&mut self) -> Option<Self::Item> {
        if let Some(rating) = self.ratings.next() {
            return Some(rating);
        }
        match self.source.open() {
            Ok(ratings) => {
                self.ratings = ratings;
                self.ratings.next()
            }
            Err(error) => Some(Err(error)),
        }
    }
}

#[cfg(test)]
mod tests;
