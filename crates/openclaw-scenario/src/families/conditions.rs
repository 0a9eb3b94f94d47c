//! The five harder conditions, alone, combined, and without instruments.

use std::ops::RangeInclusive;

use super::classic::{once_or_twice, pauses, percent};
use super::draw::{Draw, count, round};
use super::frame::{set_cv, set_mean_ms};
use crate::population::Population;
use crate::scenario::{
    CapacityKind, Context, Dependency, Diurnal, Feedback, RequestClass, Scenario, ServiceTime,
};

/// In the order of the indices.
pub(super) const HARD_KINDS: [&str; 5] =
    ["cost-classes", "network-budget", "dependency", "periodic-demand", "delay-and-pauses"];
/// In the order of the indices.
pub(super) const UNINSTRUMENTED_KINDS: [&str; 3] = ["hidden-costs", "hidden-dependency", "hidden-both"];

/// Mean milliseconds that the costliest class works on its own where that is to be near the objective;
/// elsewhere it stays below the first.
const NEAR_MS: (f64, f64) = (90.0, 140.0);

/// Adds a condition and says what it is.
type Condition = fn(&mut Scenario, &mut Draw) -> String;

/// Of the same order as [`HARD_KINDS`]: classes first, for what a class costs and calls decides how large
/// the dependency must be.
const CONDITIONS: [Condition; 5] = [costs, network, dependency, wave, delay_and_pauses];

/// One condition.
pub(super) fn apply_hard(kind: usize, scenario: &mut Scenario, draw: &mut Draw) -> String {
    scenario.load = match HARD_KINDS[kind] {
        "cost-classes" | "dependency" => draw.uniform(0.8..=1.8, 2),
        "periodic-demand" => draw.uniform(1.0..=1.6, 2),
        _ => draw.uniform(0.8..=1.6, 2),
    };
    CONDITIONS[kind](scenario, draw)
}

/// Each condition with a probability of .7, at least two.
pub(super) fn apply_combined(scenario: &mut Scenario, draw: &mut Draw) -> String {
    scenario.load = draw.uniform(0.8..=1.6, 2);
    let chosen = loop {
        let chosen = CONDITIONS.map(|condition| draw.chance(0.7).then_some(condition));
        if chosen.iter().flatten().count() >= 2 {
            break chosen;
        }
    };
    let clauses: Vec<String> =
        chosen.into_iter().flatten().map(|condition| condition(scenario, draw)).collect();
    clauses.join("; ")
}

/// Costs, a dependency or both, unseen.
pub(super) fn apply_uninstrumented(kind: usize, scenario: &mut Scenario, draw: &mut Draw) -> String {
    scenario.load = draw.uniform(0.8..=1.6, 2);
    scenario.instrumented = false;
    match UNINSTRUMENTED_KINDS[kind] {
        "hidden-costs" => costs(scenario, draw),
        "hidden-dependency" => dependency(scenario, draw),
        _ => format!("{}; {}", costs(scenario, draw), dependency(scenario, draw)),
    }
}

/// One to three classes that work shorter or longer than the plain one, at least one of them notably longer.
fn costs(scenario: &mut Scenario, draw: &mut Draw) -> String {
    let costliest = draw.log_uniform(2.0..=10.0, 1);
    let plain_ms = scenario.service.service_time.mean_s() * 1e3;
    let user_fraction = if draw.chance(0.5) {
        // Few of its own requests are late on an idle service, and hardly a queue is bearable. More variation
        // or more users would put p95 out of anybody's reach.
        let own_ms = draw.uniform(NEAR_MS.0..=NEAR_MS.1, 0);
        set_mean_ms(&mut scenario.service, (own_ms / costliest).min(plain_ms));
        set_cv(&mut scenario.service, draw.uniform(0.3..=0.6, 2));
        draw.uniform(0.05..=0.15, 2)
    } else {
        set_mean_ms(&mut scenario.service, (NEAR_MS.0 / costliest).min(plain_ms));
        draw.uniform(0.05..=0.25, 2)
    };
    add_class(scenario, user_fraction, draw).service_time_factor = costliest;
    for _ in 0..draw.whole(0..=2) {
        let factor = draw.log_uniform(0.5..=costliest, 1);
        let user_fraction = draw.uniform(0.05..=0.25, 2);
        add_class(scenario, user_fraction, draw).service_time_factor = factor;
    }
    let list: Vec<String> =
        scenario.request_classes.iter().map(|class| format!("{}x", class.service_time_factor)).collect();
    format!("classes that cost {}", list.join(", "))
}

/// Some users are far away; where there are classes already, often one of those.
fn network(scenario: &mut Scenario, draw: &mut Draw) -> String {
    let delay_ms = draw.uniform(20.0..=150.0, 0);
    let class = class_to_shape(scenario, 0.1..=0.5, draw);
    class.network_delay_ms = delay_ms;
    let users = percent(class.user_fraction);
    format!("{users} of the users {delay_ms} ms away")
}

/// A dependency that binds before the first stage does.
fn dependency(scenario: &mut Scenario, draw: &mut Draw) -> String {
    let call_fraction = draw.uniform(0.2..=0.8, 2);
    if draw.chance(0.4) {
        class_to_shape(scenario, 0.2..=0.5, draw).call_fraction = Some(draw.uniform(0.0..=1.0, 2));
    }
    let binding = draw.uniform(0.5..=0.9, 2);
    let mut first = stage("moderation", call_fraction, binding, scenario, draw);
    let mut clause =
        format!("{} of the requests call a dependency of {binding}x capacity", percent(call_fraction));
    if draw.chance(0.6) {
        let kind = if draw.chance(0.5) { CapacityKind::Workers } else { CapacityKind::Slowdown };
        first.capacity = once_or_twice(kind, 0.3..=0.7, scenario.duration_s, draw);
        clause.push_str(", which is disturbed");
    }
    let second = draw.chance(0.15).then(|| {
        let looser = draw.uniform(1.1..=2.0, 2);
        clause.push_str(", and a second one");
        stage("search", draw.uniform(0.1..=0.4, 2), looser, scenario, draw)
    });
    scenario.dependencies = std::iter::once(first).chain(second).collect();
    clause
}

/// A dependency that can take `binding` times as many requests of this mix as the first stage.
fn stage(name: &str, call_fraction: f64, binding: f64, scenario: &Scenario, draw: &mut Draw) -> Dependency {
    let population = Population::new(scenario);
    let calling: f64 = population
        .users()
        .iter()
        .map(|user| {
            let own = scenario.class(user.class.into()).and_then(|class| class.call_fraction);
            user.share * own.unwrap_or(call_fraction)
        })
        .sum();
    let calls_per_s = population.capacity_per_s() * binding * calling;
    let workers = count(calls_per_s * draw.log_uniform(5.0..=40.0, 1) / 1e3, 1);
    let mean_ms = round(f64::from(workers) / calls_per_s * 1e3, 2);
    let service_time = ServiceTime::Lognormal { mean_ms, cv: draw.uniform(0.3..=1.0, 2) };
    Dependency { name: name.to_owned(), workers, service_time, call_fraction, capacity: Vec::new() }
}

fn wave(scenario: &mut Scenario, draw: &mut Draw) -> String {
    let amplitude = draw.uniform(0.3..=0.9, 2);
    let period_s = round(draw.uniform(0.15..=0.5, 2) * scenario.duration_s, 1);
    scenario.diurnal = Some(Diurnal { amplitude, period_s });
    format!("demand swings by {} in {period_s} s", percent(amplitude))
}

fn delay_and_pauses(scenario: &mut Scenario, draw: &mut Draw) -> String {
    let delay_ms = draw.uniform(100.0..=400.0, -1);
    let loss_fraction = draw.uniform(0.0..=0.2, 2);
    scenario.feedback = Feedback { delay_ms, loss_fraction };
    let lost = percent(loss_fraction);
    format!("feedback {delay_ms} ms late and {lost} lost, {}", pauses(scenario, draw))
}

/// An existing class (even odds where there is one, always where most users are in one) or a new one of the
/// plain cost.
fn class_to_shape<'a>(
    scenario: &'a mut Scenario,
    user_fraction: RangeInclusive<f64>,
    draw: &mut Draw,
) -> &'a mut RequestClass {
    let classes = scenario.request_classes.len();
    if classes > 0 && (draw.chance(0.5) || in_classes(scenario) > 0.6) {
        let chosen = draw.whole(0..=classes - 1);
        return &mut scenario.request_classes[chosen];
    }
    let user_fraction = draw.uniform(user_fraction, 2);
    add_class(scenario, user_fraction, draw)
}

fn in_classes(scenario: &Scenario) -> f64 {
    scenario.request_classes.iter().map(|class| class.user_fraction).sum()
}

/// A class of the plain cost, of a context that no other class has. A tenth of the users stays plain.
fn add_class<'a>(scenario: &'a mut Scenario, user_fraction: f64, draw: &mut Draw) -> &'a mut RequestClass {
    let taken = in_classes(scenario);
    let mut free = contexts();
    free.retain(|context| scenario.request_classes.iter().all(|class| class.context != *context));
    // Neither the context nor the place among the classes tells anything about the cost.
    draw.shuffle(&mut free);
    let class = RequestClass {
        context: free.swap_remove(0),
        user_fraction: round(user_fraction.min(0.9 - taken), 2),
        service_time_factor: 1.0,
        network_delay_ms: 0.0,
        call_fraction: None,
    };
    let place = draw.whole(0..=scenario.request_classes.len());
    scenario.request_classes.insert(place, class);
    &mut scenario.request_classes[place]
}

/// Contexts of the services' default vocabulary, no two of which a request can have at once.
fn contexts() -> Vec<Context> {
    let keys = [
        "deviceType=mobile;networkQuality=poor",
        "deviceType=mobile;networkQuality=good",
        "deviceType=tablet",
        "deviceType=tv",
        "deviceType=bot",
        "deviceType=desktop;networkQuality=fair",
    ];
    keys.into_iter().map(Context::from_key).collect()
}
