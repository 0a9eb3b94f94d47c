//! From the text of a scenario file to checked [`Scenario`]s.
//!
//! Bounds are generous: they keep a mistake from exhausting memory or dividing by zero, and leave taste to
//! the author.

use std::collections::HashSet;

use serde_json::Value;

use crate::Population;
use crate::fields::{Bounds, Fields, Issues, ScenarioErrors};
use crate::scenario::{
    CapacityChange, CapacityKind, ClientBehaviour, Context, Dependency, Diurnal, Feedback, NoisyNeighbour,
    Pauses, RequestClass, Scenario, ScenarioFile, Service, ServiceTime, Surge, SurgeKind, TraceArrivals,
    UserMix,
};
use crate::unique::UniqueFields;

const FRACTION: Bounds = Bounds::closed(0.0, 1.0);
const LEVEL: Bounds = Bounds::above(0.0, 1.0);
/// A week: longer courses are better described by several scenarios.
const LENGTH_S: Bounds = Bounds::above(0.0, 604_800.0);
const INSTANT_S: Bounds = Bounds::closed(0.0, 604_800.0);
const TIME_MS: Bounds = Bounds::above(0.0, 3_600_000.0);
const DELAY_MS: Bounds = Bounds::closed(0.0, 3_600_000.0);
const FACTOR: Bounds = Bounds::above(0.0, 1_000.0);
const EVENTS_PER_S: Bounds = Bounds::above(0.0, 10.0);
const PHASE_S: Bounds = Bounds::closed(0.05, 604_800.0);
const WORKERS_MAX: u32 = 100_000;
const USERS_MAX: u32 = 1_000_000;
const QUEUE_MAX: u32 = 10_000_000;
/// First attempts per second in the highest surge: beyond it one slot of 100 ms no longer fits in memory.
const DEMAND_PER_S_MAX: f64 = 10_000_000.0;

impl ScenarioFile {
    /// Reads a scenario file.
    ///
    /// # Errors
    /// Every mistake of the file at once, each with its path.
    pub fn parse(text: &str) -> Result<Self, ScenarioErrors> {
        let issues = Issues::default();
        let UniqueFields(value) = match serde_json::from_str(text) {
            Ok(value) => value,
            Err(error) => {
                issues.add("", format!("cannot be read as JSON: {error}"));
                return issues.finish(Self { scenarios: Vec::new() });
            }
        };
        let mut file = Fields::new(String::new(), &value, &issues);
        let scenarios = file.list("scenarios", scenario);
        if scenarios.is_empty() && value.is_object() && value.get("scenarios").is_none_or(Value::is_array) {
            file.issue("scenarios", "must hold at least one scenario");
        }
        let mut names = HashSet::new();
        for (index, scenario) in scenarios.iter().enumerate() {
            if !scenario.name.is_empty() && !names.insert(&scenario.name) {
                issues
                    .add(format!("scenarios[{index}].name"), format!("{:?} is taken already", scenario.name));
            }
        }
        file.finish();
        let parsed = issues.finish(Self { scenarios })?;
        parsed.check_demand()
    }

    /// Needs whole scenarios, so it runs only once each field is known to be right.
    fn check_demand(self) -> Result<Self, ScenarioErrors> {
        let issues = Issues::default();
        for (index, scenario) in self.scenarios.iter().enumerate() {
            let demand = Population::new(scenario).mean_attempts_per_s() * peak_factor(scenario);
            if demand > DEMAND_PER_S_MAX {
                let what = format!(
                    "demand can reach {demand:.0} requests/s, over the limit of {DEMAND_PER_S_MAX:.0}"
                );
                issues.add(format!("scenarios[{index}].load"), what);
            }
        }
        issues.finish(self)
    }
}

/// The most that surges, bursts and the diurnal wave can multiply demand by.
fn peak_factor(scenario: &Scenario) -> f64 {
    let active = |at_s: f64| {
        let now = scenario
            .surges
            .iter()
            .filter(|surge| (surge.start_s..surge.start_s + surge.duration_s).contains(&at_s));
        now.map(|surge| surge.factor.max(1.0)).product::<f64>()
    };
    let surges = scenario.surges.iter().map(|surge| active(surge.start_s)).fold(1.0, f64::max);
    let diurnal = scenario.diurnal.as_ref().map_or(1.0, |diurnal| 1.0 + diurnal.amplitude);
    // Every bursty user may be on at once.
    let bursts = if scenario.users.bursty_fraction > 0.0 { 1.0 / scenario.users.on_fraction } else { 1.0 };
    surges * diurnal * bursts
}

fn scenario(mut f: Fields<'_>) -> Scenario {
    let scenario = Scenario {
        name: f.text("name"),
        description: f.text("description"),
        seed: f.whole("seed", 0, u64::MAX),
        duration_s: f.number("durationS", LENGTH_S, None),
        service: f.object("service", service).unwrap_or(Service {
            workers: 1,
            service_time: PLACEHOLDER_TIME,
            queue_max: 0,
            client_timeout_ms: 1.0,
        }),
        load: f.number("load", FACTOR, None),
        users: f.object_or_none("users", users).unwrap_or_default(),
        clients: f.object_or_none("clients", clients).unwrap_or_default(),
        surges: f.list("surges", surge),
        diurnal: f.object_or_none("diurnal", diurnal),
        capacity: f.list("capacity", capacity_change),
        pauses: f.object_or_none("pauses", pauses),
        noisy_neighbour: f.object_or_none("noisyNeighbour", noisy_neighbour),
        feedback: f
            .object_or_none("feedback", feedback)
            .unwrap_or(Feedback { delay_ms: 0.0, loss_fraction: 0.0 }),
        initial_rate_factor: f.number("initialRateFactor", FACTOR, Some(1.0)),
        request_classes: f.list("requestClasses", request_class),
        instrumented: f.flag("instrumented", true),
        dependencies: f.list("dependencies", dependency),
        arrivals: f.object_or_none("arrivals", arrivals),
    };
    check_classes(&scenario, &f);
    f.finish();
    scenario
}

fn check_classes(scenario: &Scenario, f: &Fields<'_>) {
    let fractions: f64 = scenario.request_classes.iter().map(|class| class.user_fraction).sum();
    if fractions > 1.0 + 1e-9 {
        f.issue("requestClasses", format!("the userFraction values add up to {fractions}, over 1"));
    }
    for (index, class) in scenario.request_classes.iter().enumerate() {
        if scenario.request_classes[..index].iter().any(|earlier| earlier.context == class.context) {
            f.issue(&format!("requestClasses[{index}].context"), "is that of an earlier class");
        }
    }
    for (index, dependency) in scenario.dependencies.iter().enumerate() {
        if scenario.dependencies[..index].iter().any(|earlier| earlier.name == dependency.name) {
            f.issue(
                &format!("dependencies[{index}].name"),
                format!("{:?} is taken already", dependency.name),
            );
        }
    }
}

/// Stands in while issues are gathered; never handed out.
const PLACEHOLDER_TIME: ServiceTime = ServiceTime::Lognormal { mean_ms: 1.0, cv: 0.0 };

fn service(mut f: Fields<'_>) -> Service {
    let service = Service {
        workers: f.count("workers", 1, WORKERS_MAX),
        service_time: f.object("serviceTime", service_time).unwrap_or(PLACEHOLDER_TIME),
        queue_max: f.count("queueMax", 0, QUEUE_MAX),
        client_timeout_ms: f.number("clientTimeoutMs", TIME_MS, None),
    };
    f.finish();
    service
}

fn service_time(mut f: Fields<'_>) -> ServiceTime {
    let pareto = f.choice("distribution", &[("lognormal", false), ("pareto", true)]).unwrap_or(false);
    let mean_ms = f.number("meanMs", TIME_MS, None);
    let time = if pareto {
        // At alpha 1 the mean is infinite; just above it, it exists but no run is long enough to show it.
        ServiceTime::Pareto { mean_ms, alpha: f.number("cv", Bounds::closed(1.05, 100.0), None) }
    } else {
        ServiceTime::Lognormal { mean_ms, cv: f.number("cv", Bounds::closed(0.0, 20.0), None) }
    };
    f.finish();
    time
}

impl Default for UserMix {
    /// 100 users of equal habits, with the skew of public traffic and no bursts.
    fn default() -> Self {
        Self { count: 100, zipf: 0.9, bursty_fraction: 0.0, on_fraction: 0.3, on_mean_s: 2.0 }
    }
}

fn users(mut f: Fields<'_>) -> UserMix {
    let default = UserMix::default();
    let users = UserMix {
        count: f.count("count", 1, USERS_MAX),
        zipf: f.number("zipf", Bounds::closed(0.0, 10.0), Some(default.zipf)),
        bursty_fraction: f.number("burstyFraction", FRACTION, Some(default.bursty_fraction)),
        on_fraction: f.number("onFraction", Bounds::closed(0.01, 1.0), Some(default.on_fraction)),
        on_mean_s: f.number("onMeanS", PHASE_S, Some(default.on_mean_s)),
    };
    f.finish();
    users
}

impl Default for ClientBehaviour {
    /// Nobody tries again.
    fn default() -> Self {
        Self { retry_probabilities: [1.0, 0.0, 0.0], ignore_backoff_fraction: 0.0 }
    }
}

fn clients(mut f: Fields<'_>) -> ClientBehaviour {
    let default = ClientBehaviour::default();
    let clients = ClientBehaviour {
        retry_probabilities: retry_probabilities(&mut f).unwrap_or(default.retry_probabilities),
        ignore_backoff_fraction: f.number("ignoreBackoffFraction", FRACTION, Some(0.0)),
    };
    f.finish();
    clients
}

fn retry_probabilities(f: &mut Fields<'_>) -> Option<[f64; 3]> {
    let value = f.optional("retryProbabilities")?;
    let numbers: Option<Vec<f64>> =
        value.as_array().and_then(|list| list.iter().map(Value::as_f64).collect());
    let three = numbers.and_then(|numbers| <[f64; 3]>::try_from(numbers).ok());
    let sums_to_1 = |p: &[f64; 3]| {
        p.iter().all(|p| (0.0..=1.0).contains(p)) && (p.iter().sum::<f64>() - 1.0).abs() < 1e-6
    };
    let checked = three.filter(sums_to_1);
    if checked.is_none() {
        f.issue(
            "retryProbabilities",
            "must be three numbers in [0, 1] (for 0, 1 and 2 retries) that add up to 1",
        );
    }
    checked
}

fn surge(mut f: Fields<'_>) -> Surge {
    let kinds = [("flash", SurgeKind::Flash), ("abusive", SurgeKind::Abusive)];
    let surge = Surge {
        kind: f.choice("kind", &kinds).unwrap_or(SurgeKind::Flash),
        start_s: f.number("startS", INSTANT_S, None),
        duration_s: f.number("durationS", LENGTH_S, None),
        factor: f.number("factor", FACTOR, None),
        user_fraction: f.number("userFraction", LEVEL, None),
    };
    f.finish();
    surge
}

fn diurnal(mut f: Fields<'_>) -> Diurnal {
    let diurnal = Diurnal {
        amplitude: f.number("amplitude", FRACTION, None),
        period_s: f.number("periodS", LENGTH_S, None),
    };
    f.finish();
    diurnal
}

fn capacity_change(mut f: Fields<'_>) -> CapacityChange {
    let kinds = [
        ("workers", CapacityKind::Workers),
        ("slowdown", CapacityKind::Slowdown),
        ("ramp", CapacityKind::Ramp),
    ];
    let change = CapacityChange {
        kind: f.choice("kind", &kinds).unwrap_or(CapacityKind::Workers),
        start_s: f.number("startS", INSTANT_S, None),
        duration_s: f.number("durationS", LENGTH_S, None),
        level: f.number("level", LEVEL, None),
    };
    f.finish();
    change
}

fn pauses(mut f: Fields<'_>) -> Pauses {
    let pauses = Pauses {
        per_s: f.number("perS", EVENTS_PER_S, None),
        min_s: f.number("minS", INSTANT_S, None),
        max_s: f.number("maxS", LENGTH_S, None),
    };
    if pauses.min_s > pauses.max_s {
        f.issue("maxS", format!("must be at least minS, which is {}", pauses.min_s));
    }
    f.finish();
    pauses
}

fn noisy_neighbour(mut f: Fields<'_>) -> NoisyNeighbour {
    let noisy = NoisyNeighbour {
        per_s: f.number("perS", EVENTS_PER_S, None),
        mean_duration_s: f.number("meanDurationS", PHASE_S, None),
        level: f.number("level", LEVEL, None),
    };
    f.finish();
    noisy
}

fn feedback(mut f: Fields<'_>) -> Feedback {
    let feedback = Feedback {
        delay_ms: f.number("delayMs", DELAY_MS, Some(0.0)),
        loss_fraction: f.number("lossFraction", FRACTION, Some(0.0)),
    };
    f.finish();
    feedback
}

fn request_class(mut f: Fields<'_>) -> RequestClass {
    let class = RequestClass {
        context: f.object("context", context).unwrap_or_default(),
        user_fraction: f.number("userFraction", LEVEL, None),
        service_time_factor: f.number("serviceTimeFactor", FACTOR, Some(1.0)),
        network_delay_ms: f.number("networkDelayMs", DELAY_MS, Some(0.0)),
        call_fraction: f.optional("callFraction").map(|_| f.number("callFraction", FRACTION, None)),
    };
    f.finish();
    class
}

fn context(mut f: Fields<'_>) -> Context {
    let text = |f: &mut Fields<'_>, name| f.optional(name).map(|_| f.text(name));
    let context = Context {
        device_type: text(&mut f, "deviceType"),
        network_quality: text(&mut f, "networkQuality"),
        region: text(&mut f, "region"),
    };
    if context == Context::default() {
        f.issue("deviceType", "a class needs at least one of deviceType, networkQuality, region");
    }
    for (name, value) in [
        ("deviceType", &context.device_type),
        ("networkQuality", &context.network_quality),
        ("region", &context.region),
    ] {
        let plain = |text: &String| text.chars().all(|c| c.is_ascii_graphic() && c != ';' && c != '=');
        if value.as_ref().is_some_and(|text| !plain(text)) {
            f.issue(name, "must be printable ASCII without blanks, ';' and '=' (it travels in a header)");
        }
    }
    f.finish();
    context
}

fn dependency(mut f: Fields<'_>) -> Dependency {
    let dependency = Dependency {
        name: f.text("name"),
        workers: f.count("workers", 1, WORKERS_MAX),
        service_time: f.object("serviceTime", service_time).unwrap_or(PLACEHOLDER_TIME),
        call_fraction: f.number("callFraction", FRACTION, None),
        capacity: f.list("capacity", capacity_change),
    };
    f.finish();
    dependency
}

fn arrivals(mut f: Fields<'_>) -> TraceArrivals {
    let arrivals = TraceArrivals {
        trace_file: f.text("traceFile"),
        speedup: f.number("speedup", Bounds::above(0.0, 1e6), Some(1.0)),
    };
    f.finish();
    arrivals
}

#[cfg(test)]
mod tests;
