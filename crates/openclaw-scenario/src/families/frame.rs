//! What every scenario has before anything happens: a service, users and clients.

use std::ops::RangeInclusive;

use super::draw::{Draw, count, round};
use crate::scenario::{ClientBehaviour, Feedback, Scenario, Service, ServiceTime, UserMix};

/// A scenario without disturbances; the caller names it and sets its load.
pub(super) fn draw(seed: u64, duration_s: RangeInclusive<f64>, draw: &mut Draw) -> Scenario {
    Scenario {
        name: String::new(),
        description: String::new(),
        seed,
        duration_s: draw.uniform(duration_s, 0),
        service: service(draw),
        load: 1.0,
        users: users(draw),
        clients: clients(draw),
        surges: Vec::new(),
        diurnal: None,
        capacity: Vec::new(),
        pauses: None,
        noisy_neighbour: None,
        feedback: Feedback { delay_ms: 0.0, loss_fraction: 0.0 },
        initial_rate_factor: draw.log_uniform(0.3..=2.0, 2),
        request_classes: Vec::new(),
        instrumented: true,
        dependencies: Vec::new(),
        arrivals: None,
    }
}

/// Workers and capacity are drawn, and the mean service time follows; drawing mean and capacity would make
/// most services as small as allowed.
fn service(draw: &mut Draw) -> Service {
    let (workers, mean_ms) = loop {
        let workers = count(draw.log_uniform(4.0..=64.0, 0), 4);
        let mean_ms = round(f64::from(workers) / draw.log_uniform(100.0..=1500.0, 0) * 1e3, 1);
        if (5.0..=60.0).contains(&mean_ms) {
            break (workers, mean_ms);
        }
    };
    Service {
        workers,
        service_time: ServiceTime::Lognormal { mean_ms, cv: draw.uniform(0.3..=1.2, 2) },
        queue_max: count(draw.log_uniform(100.0..=3000.0, -1), 100),
        client_timeout_ms: draw.log_uniform(500.0..=3000.0, -2),
    }
}

fn users(draw: &mut Draw) -> UserMix {
    UserMix {
        count: count(draw.log_uniform(20.0..=300.0, 0), 20),
        zipf: draw.uniform(0.6..=1.2, 2),
        bursty_fraction: draw.uniform(0.0..=0.4, 2),
        on_fraction: draw.uniform(0.2..=0.6, 2),
        on_mean_s: draw.uniform(1.0..=4.0, 1),
    }
}

fn clients(draw: &mut Draw) -> ClientBehaviour {
    let none = draw.uniform(0.3..=1.0, 2);
    ClientBehaviour {
        retry_probabilities: retry_probabilities(none, draw.uniform(0.5..=1.0, 2)),
        ignore_backoff_fraction: draw.uniform(0.0..=0.3, 2),
    }
}

/// Another mean for the same capacity: the workers follow, as far as 4 are left.
pub(super) fn set_mean_ms(service: &mut Service, mean_ms: f64) {
    let rounded_ms = round(mean_ms, 1).max(5.0);
    let capacity_per_s = f64::from(service.workers) / service.service_time.mean_s();
    service.workers = count(capacity_per_s * rounded_ms / 1e3, 4).min(64);
    match &mut service.service_time {
        ServiceTime::Lognormal { mean_ms, .. } | ServiceTime::Pareto { mean_ms, .. } => *mean_ms = rounded_ms,
    }
}

/// Another variation of a lognormal service time.
pub(super) fn set_cv(service: &mut Service, other: f64) {
    if let ServiceTime::Lognormal { cv, .. } = &mut service.service_time {
        *cv = other;
    }
}

/// `none` give up at once, and of the rest `once` after one retry, the others after two.
pub(super) fn retry_probabilities(none: f64, once: f64) -> [f64; 3] {
    let one = round((1.0 - none) * once, 2);
    // What is left may be rounded to -0.
    [none, one, round(1.0 - none - one, 2).abs()]
}
