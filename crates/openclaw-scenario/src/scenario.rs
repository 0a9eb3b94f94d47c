//! What a scenario file says, as plain data.
//!
//! Values come from [`ScenarioFile::parse`], which has checked every bound; the types are written back with
//! serde in the same form. Nothing here draws random numbers: see the crate's other types for that.

use serde::Serialize;

/// A file of scenarios.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ScenarioFile {
    /// At least one, with distinct names.
    pub scenarios: Vec<Scenario>,
}

/// One traffic and capacity course.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Scenario {
    /// Short and unique in its file.
    pub name: String,
    /// One sentence for people.
    pub description: String,
    /// What every random draw derives from.
    pub seed: u64,
    /// Length in seconds.
    pub duration_s: f64,
    /// The first stage of service.
    pub service: Service,
    /// Offered work divided by the bottleneck's undisturbed capacity, before surges and the diurnal wave.
    pub load: f64,
    /// Who sends.
    pub users: UserMix,
    /// What refused clients do.
    pub clients: ClientBehaviour,
    /// Times when some users send more.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub surges: Vec<Surge>,
    /// A sine wave over all demand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub diurnal: Option<Diurnal>,
    /// Times when the service can do less.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub capacity: Vec<CapacityChange>,
    /// Random stops of all workers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pauses: Option<Pauses>,
    /// Random slowdowns of all workers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub noisy_neighbour: Option<NoisyNeighbour>,
    /// What happens to events on their way to the controller.
    pub feedback: Feedback,
    /// The controller's starting refill rate divided by the undisturbed capacity.
    pub initial_rate_factor: f64,
    /// Kinds of requests other than the plain one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub request_classes: Vec<RequestClass>,
    /// Whether processing times and dependency gauges are reported.
    pub instrumented: bool,
    /// Called after the first stage, in this order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dependencies: Vec<Dependency>,
    /// Recorded arrivals in place of the demand model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arrivals: Option<TraceArrivals>,
}

/// The first stage: workers behind one bounded queue.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Service {
    /// Requests in work at once.
    pub workers: u32,
    /// How long a plain request works.
    pub service_time: ServiceTime,
    /// Waiting requests beyond which further ones are refused.
    pub queue_max: u32,
    /// After this a client gives up: it leaves the queue, and the request counts as failed.
    pub client_timeout_ms: f64,
}

/// A distribution of service times.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(tag = "distribution", rename_all = "camelCase")]
pub enum ServiceTime {
    /// Lognormal; `cv` is the standard deviation divided by the mean, and 0 makes the time constant.
    #[serde(rename_all = "camelCase")]
    Lognormal {
        /// Mean in milliseconds.
        mean_ms: f64,
        /// Coefficient of variation.
        cv: f64,
    },
    /// Pareto; `cv` holds the shape alpha, which is over 1 so that the mean exists.
    #[serde(rename_all = "camelCase")]
    Pareto {
        /// Mean in milliseconds.
        mean_ms: f64,
        /// The shape alpha.
        #[serde(rename = "cv")]
        alpha: f64,
    },
}

impl ServiceTime {
    /// Mean in seconds.
    #[must_use]
    pub fn mean_s(self) -> f64 {
        match self {
            Self::Lognormal { mean_ms, .. } | Self::Pareto { mean_ms, .. } => mean_ms / 1e3,
        }
    }
}

/// Who sends, and how unevenly.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UserMix {
    /// Number of users.
    pub count: u32,
    /// Exponent of the Zipf law of their shares; 0 makes all equal.
    pub zipf: f64,
    /// Fraction of the users that send in bursts.
    pub bursty_fraction: f64,
    /// Fraction of the time that a bursty user is on; then it sends `1 / on_fraction` times its share.
    pub on_fraction: f64,
    /// Mean length of an on phase in seconds.
    pub on_mean_s: f64,
}

/// What refused clients do.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientBehaviour {
    /// Probability of trying again 0, 1 or 2 times; they add up to 1.
    pub retry_probabilities: [f64; 3],
    /// Fraction of the users that try again after 20 ms instead of 200 ms, 400 ms.
    pub ignore_backoff_fraction: f64,
}

impl ClientBehaviour {
    /// The wait in seconds before retry number `retry` (0 is the first), which doubles for those who back off.
    #[must_use]
    pub fn backoff_s(ignores_backoff: bool, retry: u32) -> f64 {
        if ignores_backoff { 0.02 } else { 0.2 * f64::from(1_u32 << retry.min(16)) }
    }
}

/// What kind of surge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum SurgeKind {
    /// Many legitimate users at once.
    Flash,
    /// The users of the surge count as abusive.
    Abusive,
}

/// A time when some users send `factor` times as much.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Surge {
    /// Legitimate or abusive.
    pub kind: SurgeKind,
    /// Start in seconds.
    pub start_s: f64,
    /// Length in seconds.
    pub duration_s: f64,
    /// Multiplier of these users' demand.
    pub factor: f64,
    /// Fraction of the users that take part.
    pub user_fraction: f64,
}

/// Demand times `1 + amplitude * sin(2 pi t / period)`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Diurnal {
    /// 0 to 1.
    pub amplitude: f64,
    /// Seconds.
    pub period_s: f64,
}

/// How capacity changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum CapacityKind {
    /// `level` times as many workers (rounded, at least one).
    Workers,
    /// Service times divided by `level`.
    Slowdown,
    /// Workers fall linearly to `level` at mid-time and rise back.
    Ramp,
}

/// A time when the service can do less.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CapacityChange {
    /// What changes.
    pub kind: CapacityKind,
    /// Start in seconds.
    pub start_s: f64,
    /// Length in seconds.
    pub duration_s: f64,
    /// Fraction of the undisturbed capacity, in (0, 1].
    pub level: f64,
}

/// Stops of all workers (garbage collection, a blocked disk): nothing makes progress.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Pauses {
    /// Mean number per second of running time.
    pub per_s: f64,
    /// Shortest, in seconds.
    pub min_s: f64,
    /// Longest, in seconds; lengths are uniform between the two.
    pub max_s: f64,
}

/// Someone else on the same machine: service times are divided by `level` for a while.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NoisyNeighbour {
    /// Mean number per second of undisturbed time.
    pub per_s: f64,
    /// Mean length in seconds (exponential).
    pub mean_duration_s: f64,
    /// Speed that is left, in (0, 1].
    pub level: f64,
}

/// What happens to events on their way to the controller.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Feedback {
    /// Added to the way of every batch.
    pub delay_ms: f64,
    /// Fraction of the batches that never arrive.
    pub loss_fraction: f64,
}

/// The `context` of a rating, as far as a class fixes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Context {
    /// For instance `mobile`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_type: Option<String>,
    /// For instance `poor`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_quality: Option<String>,
    /// For instance `eu-west`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
}

/// A kind of request other than the plain one; each user belongs to one class.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestClass {
    /// What tells this class from others.
    pub context: Context,
    /// Fraction of the users.
    pub user_fraction: f64,
    /// Multiplier of the first stage's service time.
    pub service_time_factor: f64,
    /// Time on the network, part of the latency, in milliseconds.
    pub network_delay_ms: f64,
    /// This class's own fraction of calls to the dependencies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call_fraction: Option<f64>,
}

/// A service that some requests need after the first stage.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Dependency {
    /// Unique in its scenario.
    pub name: String,
    /// Requests in work at once.
    pub workers: u32,
    /// How long a call works.
    pub service_time: ServiceTime,
    /// Fraction of the requests that call it, unless their class has its own.
    pub call_fraction: f64,
    /// Its own disturbances.
    pub capacity: Vec<CapacityChange>,
}

/// Recorded arrivals.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TraceArrivals {
    /// Relative to the scenario file; one arrival time in seconds a line.
    pub trace_file: String,
    /// Recorded times are divided by this.
    pub speedup: f64,
}

impl Scenario {
    /// The service time factor of `class` (0 is the plain class, 1 the first of `request_classes`).
    #[must_use]
    pub fn service_time_factor(&self, class: usize) -> f64 {
        self.class(class).map_or(1.0, |class| class.service_time_factor)
    }

    /// The fraction of requests of `class` that call `dependency`.
    #[must_use]
    pub fn call_fraction(&self, class: usize, dependency: &Dependency) -> f64 {
        self.class(class).and_then(|class| class.call_fraction).unwrap_or(dependency.call_fraction)
    }

    /// The class of that number; `None` for 0, the plain class, and for numbers past the last one.
    #[must_use]
    pub fn class(&self, class: usize) -> Option<&RequestClass> {
        self.request_classes.get(class.checked_sub(1)?)
    }

    /// The number of the class that a request of this context belongs to: the first one whose every field
    /// agrees, else 0.
    #[must_use]
    pub fn class_of(&self, context: &Context) -> usize {
        self.request_classes
            .iter()
            .position(|class| class.context.matches(context))
            .map_or(0, |index| index + 1)
    }

    /// The same course stretched or compressed to `duration_s`: starts and lengths of surges and capacity
    /// changes and the diurnal period scale with it.
    ///
    /// What belongs to the machine or to the users keeps its pace: service times, pauses, noisy
    /// neighbours, bursts, timeouts, and the times of a trace.
    ///
    /// # Panics
    /// If `duration_s` is not a positive finite number.
    #[must_use]
    pub fn scaled_to(&self, duration_s: f64) -> Self {
        assert!(duration_s.is_finite() && duration_s > 0.0, "a scenario's duration must be over 0 s");
        let factor = duration_s / self.duration_s;
        let mut scaled = Self { duration_s, ..self.clone() };
        for surge in &mut scaled.surges {
            surge.start_s *= factor;
            surge.duration_s *= factor;
        }
        let own = scaled.capacity.iter_mut();
        for change in
            own.chain(scaled.dependencies.iter_mut().flat_map(|dependency| &mut dependency.capacity))
        {
            change.start_s *= factor;
            change.duration_s *= factor;
        }
        if let Some(diurnal) = &mut scaled.diurnal {
            diurnal.period_s *= factor;
        }
        scaled
    }
}

impl Context {
    /// Whether every field that this context fixes has the same value in `other`.
    #[must_use]
    pub fn matches(&self, other: &Self) -> bool {
        let agrees = |mine: &Option<String>, theirs: &Option<String>| mine.is_none() || mine == theirs;
        agrees(&self.device_type, &other.device_type)
            && agrees(&self.network_quality, &other.network_quality)
            && agrees(&self.region, &other.region)
    }

    /// One line, as the header `openclaw-class` carries it: `deviceType=mobile;networkQuality=poor`.
    #[must_use]
    pub fn to_key(&self) -> String {
        let fields = [
            ("deviceType", &self.device_type),
            ("networkQuality", &self.network_quality),
            ("region", &self.region),
        ];
        let set =
            fields.iter().filter_map(|(name, value)| value.as_ref().map(|value| format!("{name}={value}")));
        set.collect::<Vec<_>>().join(";")
    }

    /// Reads what [`to_key`](Self::to_key) writes; unknown names are skipped, so that new ones do no harm.
    #[must_use]
    pub fn from_key(key: &str) -> Self {
        let mut context = Self::default();
        for (name, value) in key.split(';').filter_map(|field| field.split_once('=')) {
            match name.trim() {
                "deviceType" => context.device_type = Some(value.trim().to_owned()),
                "networkQuality" => context.network_quality = Some(value.trim().to_owned()),
                "region" => context.region = Some(value.trim().to_owned()),
                _ => {}
            }
        }
        context
    }
}
