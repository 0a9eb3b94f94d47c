//! One control loop per service, in a bounded map.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use openclaw_controller::{BusyUser, ControlLoop, Explanation, Report};
use openclaw_protocol::{
    BatchAnswer, BucketPolicy, ClassGuard, Context, DependencyGuard, EventBatch, PolicyAnswer, Problem,
    ProblemKind, RatingEvent, UserId,
};
use parking_lot::Mutex;
use serde::Serialize;

use crate::limits::{EdgeError, InForce, OperatorLimits};
use crate::metering::Meters;
use crate::repeats::Repeats;
use crate::settings::EdgeSettings;

/// The service of events that come without an envelope.
pub(crate) const DIRECT_SERVICE: &str = "rating";
/// A service that was silent for this long makes room when the map is full.
const SILENT_NS: u64 = 60_000_000_000;

/// The edge service's state; clones share it.
#[derive(Clone, Debug)]
pub struct Edge {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    settings: EdgeSettings,
    origin: Instant,
    services: Mutex<HashMap<String, Arc<Service>>>,
    limits: OperatorLimits,
    repeats: Mutex<Repeats>,
    meters: Meters,
}

#[derive(Debug)]
struct Service {
    control: Mutex<ControlLoop>,
    /// What each collector was told of the operator's overrides.
    told: Mutex<HashMap<String, Told>>,
    seen_ns: std::sync::atomic::AtomicU64,
}

/// Up to which change of the overrides a collector was told, and when.
#[derive(Clone, Copy, Debug)]
struct Told {
    version: u64,
    at_ns: u64,
}

/// State of one service, for `status`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceStatus {
    /// Its name.
    pub service: String,
    /// Users tracked.
    pub users: usize,
    /// 95th percentile of the last second, in ms, where anything completed.
    pub p95_ms: Option<f64>,
    /// Fraction of the last second's ratings over the SLO.
    pub late_fraction: Option<f64>,
    /// Guard time in ms, where there is a guard.
    pub guard_ms: Option<f64>,
    /// Throughput over the last 2.5 s, in ratings per second.
    pub throughput_per_s: f64,
    /// Demand over the last 2.5 s, in ratings per second.
    pub demand_per_s: f64,
}

/// The edge's state, for `status`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EdgeStatus {
    /// What the answers do: `full` means that they hold for everyone.
    pub mode: &'static str,
    /// Which controller decides.
    pub controller: &'static str,
    /// The version that answers name.
    pub policy_version: String,
    /// The latency goal, in ms.
    pub slo_ms: f64,
    /// Every service.
    pub services: Vec<ServiceStatus>,
}

impl Edge {
    /// An edge that knows no service yet, and keeps the operator's overrides in memory alone.
    #[must_use]
    pub fn new(settings: EdgeSettings) -> Self {
        let limits = OperatorLimits::in_memory(settings.limits.clone(), settings.control.bounds);
        Self::with(settings, limits)
    }

    /// An edge that knows no service yet, and keeps the operator's overrides in the folder of its settings, if any.
    ///
    /// # Errors
    /// [`EdgeError`] where the folder holds overrides that cannot be read, or that the settings do not allow.
    pub fn open(settings: EdgeSettings) -> Result<Self, EdgeError> {
        let Some(folder) = settings.limits.folder.clone() else { return Ok(Self::new(settings)) };
        let limits =
            OperatorLimits::open(settings.limits.clone(), settings.control.bounds, &folder, unix_ms())?;
        Ok(Self::with(settings, limits))
    }

    fn with(settings: EdgeSettings, limits: OperatorLimits) -> Self {
        let (origin, services, meters) = (Instant::now(), Mutex::default(), Meters::new());
        let repeats = Mutex::new(Repeats::new(settings.event_ids_max));
        Self { inner: Arc::new(Inner { settings, origin, services, limits, repeats, meters }) }
    }

    pub(crate) fn limits(&self) -> &OperatorLimits {
        &self.inner.limits
    }

    pub(crate) fn settings(&self) -> &EdgeSettings {
        &self.inner.settings
    }

    pub(crate) fn meters(&self) -> &Meters {
        &self.inner.meters
    }

    /// Empties a context with a value that is not in the vocabulary: the user then counts as plain. To refuse the
    /// event would lose its latency, and a collector may be configured with more values than this edge.
    pub(crate) fn keep_listed(&self, context: &mut Context) {
        if !context.is_empty() && self.inner.settings.vocabulary.check(context).is_err() {
            *context = Context::default();
            self.inner.meters.unlisted.increment(1);
        }
    }

    fn now_ns(&self) -> u64 {
        u64::try_from(self.inner.origin.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// The version that answers name.
    pub(crate) fn policy_version(&self) -> &str {
        self.inner.settings.policy_version()
    }

    fn service(&self, name: &str) -> Result<Arc<Service>, Problem> {
        use std::sync::atomic::Ordering::Relaxed;
        let now_ns = self.now_ns();
        let mut services = self.inner.services.lock();
        if let Some(service) = services.get(name) {
            service.seen_ns.store(now_ns, Relaxed);
            return Ok(Arc::clone(service));
        }
        let settings = &self.inner.settings;
        if services.len() >= settings.services_max {
            services.retain(|_, service| now_ns.saturating_sub(service.seen_ns.load(Relaxed)) < SILENT_NS);
        }
        if services.len() >= settings.services_max {
            let detail = format!(
                "this edge serves {} services already, its most; raise edge.servicesMax or use another edge",
                settings.services_max
            );
            return Err(Problem::new(ProblemKind::TemporaryReducedCapacity, detail));
        }
        tracing::info!(service = name, controller = settings.controller_name(), "a service joined");
        let control = ControlLoop::new(settings.control, settings.new_controller(), now_ns);
        let (control, told) = (Mutex::new(control), Mutex::default());
        let service = Arc::new(Service { control, told, seen_ns: now_ns.into() });
        services.insert(name.to_owned(), Arc::clone(&service));
        Ok(service)
    }

    fn known(&self, name: Option<&str>) -> Option<Arc<Service>> {
        let services = self.inner.services.lock();
        let only = || services.values().next().filter(|_| services.len() == 1);
        match name {
            Some(name) => services.get(name).cloned(),
            None => services.get(DIRECT_SERVICE).or_else(only).cloned(),
        }
    }

    /// Takes one event that came by itself, and answers with its user's parameters.
    pub(crate) fn take_event(&self, event: &RatingEvent) -> Result<PolicyAnswer, Problem> {
        let service = self.service(DIRECT_SERVICE)?;
        let new = !self.new_events(DIRECT_SERVICE, std::slice::from_ref(event)).is_empty();
        let now_ns = self.now_ns();
        let in_force = self.inner.limits.in_force(unix_ms());
        let mut control = service.control.lock();
        control.set_overrides(Arc::clone(&in_force.overrides));
        if new {
            self.inner.meters.event(event, unix_ms());
            control.observe_direct(event, now_ns);
        }
        control.tick(now_ns);
        let (policy, reason) = control.policy(&event.user_id, None, now_ns);
        let guard_s = control.assignment(None, now_ns).guard_s;
        drop(control);
        Ok(PolicyAnswer {
            policy,
            ttl_ms: Some(self.ttl_ms()),
            guard_ms: guard_s.map(|guard_s| guard_s * 1e3),
            policy_version: Some(self.policy_version().to_owned()),
            arm: None,
            reason: Some(reason),
        })
    }

    /// Takes events that came together without an envelope.
    pub(crate) fn take_bare(&self, events: &[RatingEvent]) -> Result<BatchAnswer, Problem> {
        let service = self.service(DIRECT_SERVICE)?;
        let (now_ns, arrival_ms) = (self.now_ns(), unix_ms());
        let in_force = self.inner.limits.in_force(arrival_ms);
        let mut control = service.control.lock();
        control.set_overrides(Arc::clone(&in_force.overrides));
        for event in self.new_events(DIRECT_SERVICE, events) {
            self.inner.meters.event(event, arrival_ms);
            control.observe_direct(event, now_ns);
        }
        control.tick(now_ns);
        Ok(self.answer(&control, None, events.iter().map(|event| &event.user_id), now_ns))
    }

    /// Takes a collector's batch; `events` are its valid events.
    pub(crate) fn take_batch(
        &self,
        batch: &EventBatch,
        events: &[RatingEvent],
    ) -> Result<BatchAnswer, Problem> {
        let service = self.service(&batch.collector.service)?;
        let (now_ns, arrival_ms) = (self.now_ns(), unix_ms());
        let report = Report {
            collector: &batch.collector,
            seq: batch.seq,
            in_flight: batch.in_flight,
            totals: batch.totals,
            users: &batch.users,
            dependencies: &batch.dependencies,
            round_trip_s: batch.round_trip_ms.map(|ms| ms / 1e3),
        };
        let in_force = self.inner.limits.in_force(arrival_ms);
        self.inner.meters.late.increment(if batch.late { events.len() as u64 } else { 0 });
        let mut control = service.control.lock();
        control.set_overrides(Arc::clone(&in_force.overrides));
        if !control.report(&report, now_ns) {
            let detail = format!(
                "this edge serves {} collectors of {:?} already, its most; raise edge.collectorsMax",
                self.inner.settings.control.sources_max, batch.collector.service
            );
            return Err(Problem::new(ProblemKind::TemporaryReducedCapacity, detail));
        }
        for event in self.new_events(&batch.collector.service, events) {
            self.inner.meters.event(event, arrival_ms);
            // What took long a minute ago says nothing of now.
            if !batch.late {
                control.observe_event(event);
            }
        }
        control.tick(now_ns);
        let active = batch.users.iter().map(|user| &user.user_id);
        let collector = &batch.collector.id;
        if !self.must_tell(&service, collector, &in_force, now_ns) {
            return Ok(self.answer(&control, Some(collector), active, now_ns));
        }
        let everyone = active.chain(in_force.overrides.iter().map(|(user, _)| user));
        let mut answer = self.answer(&control, Some(collector), everyone, now_ns);
        answer.overrides = Some(in_force.overrides.iter().map(|(user, of)| (user.clone(), *of)).collect());
        Ok(answer)
    }

    /// Whether a collector must be told of all overrides with this answer: it has not heard of the newest, or what it
    /// was told of users that are not active there would lapse before the next chance.
    fn must_tell(&self, service: &Service, collector: &str, in_force: &InForce, now_ns: u64) -> bool {
        let (version, control) = (in_force.version, &self.inner.settings.control);
        let mut told = service.told.lock();
        if let Some(known) = told.get_mut(collector) {
            let lapses = now_ns.saturating_sub(known.at_ns) >= control.ttl_ns / 2;
            let must = known.version != version || (lapses && !in_force.overrides.is_empty());
            if must {
                *known = Told { version, at_ns: now_ns };
            }
            return must;
        }
        if told.len() >= control.sources_max {
            // Those who are still there are told once more.
            told.clear();
        }
        told.insert(collector.to_owned(), Told { version, at_ns: now_ns });
        true
    }

    /// Those that did not come before.
    fn new_events<'e>(&self, service: &str, events: &'e [RatingEvent]) -> Vec<&'e RatingEvent> {
        let mut repeats = self.inner.repeats.lock();
        let new: Vec<_> = events.iter().filter(|event| !repeats.came_before(service, event)).collect();
        drop(repeats);
        self.inner.meters.repeated.increment((events.len() - new.len()) as u64);
        new
    }

    fn answer<'a>(
        &self,
        control: &'a ControlLoop,
        collector: Option<&str>,
        active: impl Iterator<Item = &'a UserId> + 'a,
        now_ns: u64,
    ) -> BatchAnswer {
        let assignment = control.assignment(collector, now_ns);
        let policies: HashMap<UserId, BucketPolicy> = control
            .policies(active, collector, now_ns)
            .map(|(user, policy)| (user.clone(), policy))
            .collect();
        let classes = control.contexts().zip(&assignment.classes).skip(1);
        let classes = classes.filter_map(|(context, guard_s)| {
            Some(ClassGuard { context: context.clone(), guard_ms: (*guard_s)? * 1e3 })
        });
        let dependencies = control.dependency_names().zip(&assignment.dependencies);
        let dependencies = dependencies.filter_map(|(name, guard_s)| {
            Some(DependencyGuard { name: name.to_owned(), guard_ms: (*guard_s)? * 1e3 })
        });
        BatchAnswer {
            policies,
            defaults: assignment.defaults,
            newcomers: assignment.newcomers,
            guard_ms: assignment.guard_s.map(|guard_s| guard_s * 1e3),
            ttl_ms: self.ttl_ms(),
            policy_version: self.policy_version().to_owned(),
            reason: Some(assignment.reason),
            classes: classes.collect(),
            dependencies: dependencies.collect(),
            overrides: None,
            rejected: Vec::new(),
        }
    }

    fn ttl_ms(&self) -> u64 {
        self.inner.settings.control.ttl_ns / 1_000_000
    }

    /// Why a user's parameters are what they are; `None` where no such service is known.
    pub(crate) fn explain(&self, user: &str, service: Option<&str>) -> Option<Explanation> {
        let service = self.known(service)?;
        let in_force = self.inner.limits.in_force(unix_ms());
        let mut control = service.control.lock();
        control.set_overrides(Arc::clone(&in_force.overrides));
        Some(control.explain(user, self.now_ns()))
    }

    /// The busiest users of all services, busiest first, and the mean over all others.
    pub(crate) fn busiest(&self) -> (Vec<BusyUser>, Option<BucketPolicy>) {
        let services: Vec<_> = self.inner.services.lock().values().cloned().collect();
        let count = self.inner.settings.metrics_users_max;
        let (mut busiest, mut rests) = (Vec::new(), Vec::new());
        for service in services {
            let (top, rest) = service.control.lock().busiest(count, self.now_ns());
            busiest.extend(top);
            rests.extend(rest);
        }
        busiest.sort_by(|one: &BusyUser, other| other.demand_per_s.total_cmp(&one.demand_per_s));
        // Who is among the busiest of a service, but not of all, counts with the others.
        rests.extend(busiest.drain(count.min(busiest.len())..).map(|user| user.policy));
        if rests.is_empty() {
            return (busiest, None);
        }
        let mean = |of: fn(&BucketPolicy) -> f64| rests.iter().map(of).sum::<f64>() / rests.len() as f64;
        let rest =
            BucketPolicy { bucket_size: mean(|p| p.bucket_size), refill_rate: mean(|p| p.refill_rate) };
        (busiest, Some(rest))
    }

    /// The edge's state.
    #[must_use]
    pub fn status(&self) -> EdgeStatus {
        let mut services: Vec<_> = self
            .inner
            .services
            .lock()
            .iter()
            .map(|(name, service)| (name.clone(), Arc::clone(service)))
            .collect();
        services.sort_by(|one, other| one.0.cmp(&other.0));
        let now_ns = self.now_ns();
        let status = |(name, service): (String, Arc<Service>)| {
            let control = service.control.lock();
            let seen = control.observation().copied();
            let recent = seen.filter(|seen| seen.samples > 0);
            ServiceStatus {
                service: name,
                users: control.users_tracked(),
                p95_ms: recent.map(|seen| seen.p95_s * 1e3).filter(|ms| ms.is_finite()),
                late_fraction: recent.map(|seen| seen.late_fraction),
                guard_ms: control.assignment(None, now_ns).guard_s.map(|guard_s| guard_s * 1e3),
                throughput_per_s: seen.map_or(0.0, |seen| seen.throughput_slow_per_s),
                demand_per_s: seen.map_or(0.0, |seen| seen.demand_slow_per_s),
            }
        };
        EdgeStatus {
            mode: "full",
            controller: self.inner.settings.controller_name(),
            policy_version: self.policy_version().to_owned(),
            slo_ms: self.inner.settings.control.slo_s * 1e3,
            services: services.into_iter().map(status).collect(),
        }
    }
}

/// The wall clock, ms since the epoch.
pub(crate) fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
