//! Who the users of a scenario are: drawn once, before any traffic.

use rand::RngExt;
use rand::seq::SliceRandom;

use crate::scenario::{Scenario, SurgeKind};
use crate::streams::Stream;

/// One user.
#[derive(Clone, Debug, PartialEq)]
pub struct User {
    /// Long-run share of all first attempts, by the Zipf law; the shares add up to 1.
    pub share: f64,
    /// Sends in on/off bursts.
    pub bursty: bool,
    /// Request class: 0 is the plain one, 1 the scenario's first.
    pub class: u16,
    /// Tries again after 20 ms instead of backing off.
    pub ignores_backoff: bool,
    /// Takes part in an abusive surge at some time.
    pub abusive: bool,
}

/// The users of a scenario and what follows from their mix.
#[derive(Clone, Debug, PartialEq)]
pub struct Population {
    users: Vec<User>,
    /// For each surge, whether each user takes part.
    surges: Vec<Vec<bool>>,
    capacity_per_s: f64,
    load: f64,
}

impl Population {
    /// Draws the users of `scenario` from its seed.
    #[must_use]
    pub fn new(scenario: &Scenario) -> Self {
        let mut rng = Stream::Population.rng(scenario.seed);
        let count = scenario.users.count as usize;
        let shares = zipf_shares(count, scenario.users.zipf);
        let bursty = choose(count, scenario.users.bursty_fraction, &mut rng);
        let ignores = choose(count, scenario.clients.ignore_backoff_fraction, &mut rng);
        let classes = split_classes(scenario, count, &mut rng);
        let surges: Vec<Vec<bool>> =
            scenario.surges.iter().map(|surge| choose(count, surge.user_fraction, &mut rng)).collect();
        let abuses = |user: usize| {
            let mut parts = scenario.surges.iter().zip(&surges);
            parts.any(|(surge, members)| surge.kind == SurgeKind::Abusive && members[user])
        };
        let users: Vec<User> = (0..count)
            .map(|user| User {
                share: shares[user],
                bursty: bursty[user],
                class: classes[user],
                ignores_backoff: ignores[user],
                abusive: abuses(user),
            })
            .collect();
        let capacity_per_s = undisturbed_capacity(scenario, &users);
        Self { users, surges, capacity_per_s, load: scenario.load }
    }

    /// All users; the index is the user's number, and the first has the largest share.
    #[must_use]
    pub fn users(&self) -> &[User] {
        &self.users
    }

    /// Whether a user takes part in the surge of that index.
    #[must_use]
    pub fn in_surge(&self, surge: usize, user: usize) -> bool {
        self.surges[surge][user]
    }

    /// The requests per second of this mix that the bottleneck (the first stage or a dependency) can work
    /// off without disturbances.
    #[must_use]
    pub fn capacity_per_s(&self) -> f64 {
        self.capacity_per_s
    }

    /// First attempts per second in the long run, surges and the diurnal wave aside: `load` times the
    /// capacity.
    #[must_use]
    pub fn mean_attempts_per_s(&self) -> f64 {
        self.load * self.capacity_per_s
    }

    /// The id under which a user sends: `user-017`.
    #[must_use]
    pub fn user_id(user: u32) -> String {
        format!("user-{user:03}")
    }
}

/// `1 / (i + 1)^exponent`, scaled to add up to 1.
fn zipf_shares(count: usize, exponent: f64) -> Vec<f64> {
    let weights: Vec<f64> = (1..=count).map(|place| (place as f64).powf(-exponent)).collect();
    let total: f64 = weights.iter().sum();
    weights.into_iter().map(|weight| weight / total).collect()
}

/// Marks `fraction` of `count` users (rounded; at least one where the fraction is over 0).
fn choose(count: usize, fraction: f64, rng: &mut impl RngExt) -> Vec<bool> {
    let chosen = rounded(count, fraction);
    let mut marks: Vec<bool> = (0..count).map(|index| index < chosen).collect();
    marks.shuffle(rng);
    marks
}

/// Gives each request class its fraction of the users; the rest are plain.
fn split_classes(scenario: &Scenario, count: usize, rng: &mut impl RngExt) -> Vec<u16> {
    let mut classes = Vec::with_capacity(count);
    for (number, class) in (1..).zip(&scenario.request_classes) {
        let members = rounded(count, class.user_fraction).min(count - classes.len());
        classes.extend(std::iter::repeat_n(number, members));
    }
    classes.resize(count, 0);
    classes.shuffle(rng);
    classes
}

#[expect(
    clippy::cast_sign_loss,
    clippy::cast_possible_truncation,
    reason = "0 <= fraction <= 1, and count is small"
)]
fn rounded(count: usize, fraction: f64) -> usize {
    if fraction <= 0.0 { 0 } else { ((count as f64 * fraction).round() as usize).clamp(1, count) }
}

/// Requests per second at which the first of the stages is busy all the time.
fn undisturbed_capacity(scenario: &Scenario, users: &[User]) -> f64 {
    let mean = |value: &dyn Fn(usize) -> f64| -> f64 {
        users.iter().map(|user| user.share * value(usize::from(user.class))).sum()
    };
    let work_s = scenario.service.service_time.mean_s() * mean(&|class| scenario.service_time_factor(class));
    let first = f64::from(scenario.service.workers) / work_s;
    let others = scenario.dependencies.iter().map(|dependency| {
        let work_s =
            dependency.service_time.mean_s() * mean(&|class| scenario.call_fraction(class, dependency));
        f64::from(dependency.workers) / work_s
    });
    // A dependency that nobody calls has no work, hence infinite capacity, and never is the minimum.
    others.fold(first, f64::min)
}
