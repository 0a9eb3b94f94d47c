//! The bound that controllers are measured by: an admission that knows demand and capacity at every instant.
//!
//! It sees every request at the moment it comes, what waits and works at every stage, every change of capacity as it
//! happens, and how long a pause that has begun will last ([`Present`] says why it knows no more of the future). What it
//! does not know either is how long a single request will work: it goes by distributions.
//! It admits whom max-min shares entitle, if the request will probably be in time, and fills what is left with
//! anyone. How careful it is best to be depends on the scenario, so it plays each one with a few settings and keeps
//! the best course.

use std::sync::Arc;

use crate::engine::{Admission, Ended, Engine, Inside};
use crate::lateness::{exceeds, residual};
use crate::present::Present;
use crate::run::Run;
use crate::settings::SimSettings;
use crate::world::World;

/// Time over which the probabilities of being late are averaged, in seconds.
const LATE_TAU_S: f64 = 1.0;
/// Requests over which the calls of those in work are averaged.
const CALLS_TAU: f64 = 50.0;
/// The part of a request that a user must still be entitled to.
const CREDIT: f64 = 0.5;

/// How careful an oracle is.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Care {
    /// Mean probability of being late over a second that is accepted.
    late_budget: f64,
    /// Probability of being late over which a request is refused even where the budget would allow it.
    late_max: f64,
    /// What waiting may add to that probability.
    late_by_waiting_max: f64,
    /// Longest wait for a worker, as a fraction of the SLO.
    wait_max: f64,
    /// Longest wait at which users that have had their share are served too, as a fraction of the SLO.
    leftover_wait_max: f64,
}

const USUAL: Care = Care {
    late_budget: 0.02,
    late_max: 0.6,
    late_by_waiting_max: 0.1,
    wait_max: 0.5,
    leftover_wait_max: 0.1,
};

/// What is tried in turn, from the best settings so far: far steps first, then near ones.
const VARIATIONS: [fn(Care) -> Care; 16] = [
    |care| Care { wait_max: 0.5 * care.wait_max, ..care },
    |care| Care { wait_max: 1.5 * care.wait_max, ..care },
    |care| Care { late_budget: 1.7 * care.late_budget, ..care },
    |care| Care { late_budget: 0.4 * care.late_budget, ..care },
    |care| Care { leftover_wait_max: 0.0, ..care },
    |care| Care { leftover_wait_max: 0.4, ..care },
    |care| Care { late_by_waiting_max: 0.04, ..care },
    |care| Care { late_by_waiting_max: 0.4, ..care },
    |care| Care { late_max: 0.2, ..care },
    |care| Care { wait_max: 0.75 * care.wait_max, ..care },
    |care| Care { wait_max: 1.3 * care.wait_max, ..care },
    |care| Care { late_budget: 0.75 * care.late_budget, ..care },
    |care| Care { late_budget: 1.3 * care.late_budget, ..care },
    |care| Care { leftover_wait_max: 0.5 * care.wait_max, ..care },
    |care| Care { late_budget: 1.3 * care.late_budget, wait_max: 1.3 * care.wait_max, ..care },
    |_| EVERYBODY,
];

/// Refuses nobody: where there is room for all, what care costs is luck.
const EVERYBODY: Care = Care {
    late_budget: 1.0,
    late_max: 1.0,
    late_by_waiting_max: 1.0,
    wait_max: f64::INFINITY,
    leftover_wait_max: f64::INFINITY,
};

/// The best course of `world` that is known: the one with most fair work in windows that meet the SLO.
#[must_use]
pub fn oracle(world: &Arc<World>, settings: &SimSettings) -> Run {
    let (mut care, mut best) = (USUAL, course(world, settings, USUAL));
    for vary in VARIATIONS {
        let other = vary(care);
        let run = course(world, settings, other);
        if run.figures.fair_work_in_slo > best.figures.fair_work_in_slo {
            (care, best) = (other, run);
        }
    }
    best
}

fn course(world: &Arc<World>, settings: &SimSettings, care: Care) -> Run {
    let admission = Oracle::new(world, settings.slo_s, care);
    let tick_s = settings.tick_ns as f64 / 1e9;
    let mut engine = Engine::new(Arc::clone(world), admission, settings.slo_s, tick_s);
    engine.run();
    engine.finish("oracle", 0)
}

#[derive(Debug)]
struct Oracle {
    slo_s: f64,
    care: Care,
    /// By user, work admitted that has not ended.
    under_way: Vec<f64>,
    /// By class and dependency, the fraction that calls it.
    call_fractions: Vec<Vec<f64>>,
    /// By dependency, the mean of that over what was admitted lately.
    calls: Vec<f64>,
    /// Sums over what was admitted lately, fading: probabilities of being late, and requests.
    late: f64,
    admitted: f64,
    faded_s: f64,
}

/// What the oracle expects of a request.
struct Forecast {
    /// In all queues together.
    wait_s: f64,
    /// Probability of being late.
    late: f64,
    /// The part of it that waiting for a worker of the service, or for a dependency, adds.
    late_by_waiting: f64,
}

impl Oracle {
    fn new(world: &World, slo_s: f64, care: Care) -> Self {
        let scenario = &world.scenario;
        let of_class = |class| {
            let dependencies = scenario.dependencies.iter();
            dependencies.map(|dependency| scenario.call_fraction(class, dependency)).collect()
        };
        Self {
            slo_s,
            care,
            under_way: vec![0.0; world.ids.len()],
            call_fractions: (0..world.classes.len()).map(of_class).collect(),
            calls: vec![0.0; world.stages.len() - 1],
            late: 0.0,
            admitted: 0.0,
            faded_s: 0.0,
        }
    }

    /// When a stage takes up a request that comes at `now_s` behind `more` further ones.
    fn start_s(&self, now_s: f64, stage: usize, more: f64, inside: &Inside<'_>) -> f64 {
        let (busy, queued) = inside.stages.load(stage);
        let told = &inside.world.stages[stage];
        let present = Present::of(told, now_s);
        let workers = present.workers;
        let (busy, queued) = (busy as f64, queued as f64);
        if queued == 0.0 && busy + more < workers {
            return now_s;
        }
        // What is in work counts as so much of the whole as there is of it.
        let mean_s = inside.stages.mean_work_s(stage) / (busy + queued).max(1.0);
        let mean_s = if busy + queued > 0.0 { mean_s } else { told.service_time.mean_s() };
        let too_many = 1.0 + (busy - workers).max(0.0);
        let idle = (workers - busy).max(0.0);
        let ahead = (queued + more - idle).max(0.0) + residual(told.service_time).min(1.0) * too_many;
        present.done_s(now_s, ahead * mean_s)
    }

    fn forecast(&self, now_s: f64, class: usize, inside: &Inside<'_>) -> Forecast {
        let world = inside.world;
        let of_class = &world.classes[class];
        let own = &world.stages[0];
        let (start_s, deadline_s) =
            (self.start_s(now_s, 0, 0.0, inside), now_s + self.slo_s - of_class.network_delay_s);
        let present = Present::of(own, now_s);
        let factor = of_class.cost / present.speed;
        let left_s = present.runs_s(start_s, deadline_s);
        let work = || std::iter::once((own.service_time, factor));
        let at_once = exceeds(present.runs_s(now_s, deadline_s), work());
        let mut late = exceeds(left_s, work());

        let ends_s = present.ends_s(start_s, own.service_time.mean_s() * factor);
        let waits_s = self.add_calls(&mut late, class, (now_s, ends_s), (left_s, factor), inside);
        Forecast { wait_s: start_s - now_s + waits_s, late, late_by_waiting: late - at_once }
    }

    /// Adds what the dependencies of `class` may do to a request that leaves the service at `ends_s` and has `left_s`
    /// seconds for all its work, of which the service's is multiplied by `factor`. Returns how long it waits there.
    fn add_calls(
        &self,
        late: &mut f64,
        class: usize,
        (now_s, ends_s): (f64, f64),
        (left_s, factor): (f64, f64),
        inside: &Inside<'_>,
    ) -> f64 {
        let stages = &inside.world.stages;
        let (busy, queued) = inside.stages.load(0);
        let (mut at_s, mut waits_s) = (ends_s, 0.0);
        for (dependency, fraction) in self.call_fractions[class].iter().enumerate() {
            if *fraction == 0.0 {
                continue;
            }
            let on_their_way = (busy + queued) as f64 * self.calls[dependency];
            let taken_s = self.start_s(now_s, dependency + 1, on_their_way, inside).max(at_s);
            waits_s += taken_s - at_s;
            let slowed = |stage: usize| 1.0 / stages[stage].timeline.speed_at(now_s);
            at_s = taken_s + stages[dependency + 1].service_time.mean_s() * slowed(dependency + 1);
            let calls = (1..=dependency + 1).filter(|stage| self.call_fractions[class][stage - 1] > 0.0);
            let calls = calls.map(|stage| (stages[stage].service_time, slowed(stage)));
            let called =
                exceeds(left_s - waits_s, std::iter::once((stages[0].service_time, factor)).chain(calls));
            *late += fraction * (called - *late).max(0.0);
        }
        waits_s
    }

    fn admits(&mut self, now_s: f64, user: u32, inside: &Inside<'_>) -> bool {
        let class = inside.world.class_of(user);
        let cost = inside.world.classes[class].cost;
        let forecast = self.forecast(now_s, class, inside);
        let account = &inside.fairness.accounts()[user as usize];
        let credit = account.entitled - account.good - self.under_way[user as usize];
        let entitled = credit >= CREDIT * cost;
        let wait_max = if entitled { self.care.wait_max } else { self.care.leftover_wait_max };
        if forecast.wait_s > wait_max * self.slo_s
            || forecast.late > self.care.late_max
            || forecast.late_by_waiting > self.care.late_by_waiting_max
        {
            return false;
        }
        let fade = ((self.faded_s - now_s) / LATE_TAU_S).exp();
        (self.late, self.admitted, self.faded_s) = (self.late * fade, self.admitted * fade, now_s);
        let mean = (self.late + forecast.late) / (self.admitted + 1.0);
        if forecast.late > self.care.late_budget && mean > self.care.late_budget {
            return false;
        }
        self.late += forecast.late;
        self.admitted += 1.0;
        self.under_way[user as usize] += cost;
        for (mean, fraction) in self.calls.iter_mut().zip(&self.call_fractions[class]) {
            *mean += (fraction - *mean) / CALLS_TAU;
        }
        true
    }
}

impl Admission for Oracle {
    type Pass = ();

    fn attempt(&mut self, now_s: f64, user: u32, inside: &Inside<'_>) -> Option<()> {
        self.admits(now_s, user, inside).then_some(())
    }

    fn ended(&mut self, _: f64, (): (), ended: &Ended<'_>) {
        self.under_way[ended.user as usize] -= ended.cost;
    }

    fn call_began(&mut self, _: usize) {}

    fn call_ended(&mut self, _: f64, _: usize, _: f64) {}

    fn wake_s(&self) -> f64 {
        f64::INFINITY
    }

    fn wake(&mut self, _: f64) -> bool {
        false
    }

    fn limits(&self) -> (Option<f64>, Option<f64>) {
        (None, None)
    }
}
