//! Playing a plan against the clock.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use rustls::ClientConfig;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until};

use super::acknowledged::AckLog;
use super::attempt::Sender;
use super::client::Client;
use super::live::{Progress, whole_ms};
use super::plan::{Plan, Planned, Stamp, Traffic};
use super::recorder::Recorder;
use super::report::LoadReport;
use super::shares::FairShares;
use crate::ratings::RatingsError;

/// Attempts that are sent in one go before the clock, the observer and the cancellation are looked at again.
const BURST_MAX: usize = 256;
/// 31 years of seconds, or so many ratings in one: beyond it times no longer fit their types.
const NUMBER_MAX: f64 = 1e9;
/// Head start for the first attempts where no start is set.
const HEAD_START: Duration = Duration::from_millis(20);

/// Why a load could not run.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Nothing to send to.
    #[error("a load needs at least one target URL")]
    NoTarget,
    /// A URL that cannot be used.
    #[error("{target:?} is no target: {problem}")]
    Target {
        /// The URL as given.
        target: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The bearer token holds characters that no header can carry.
    #[error("the bearer token holds characters that a header cannot carry")]
    Token,
    /// A number out of its range.
    #[error("{name} must be over 0 and at most {NUMBER_MAX}, is {value}")]
    Number {
        /// Of what.
        name: &'static str,
        /// As given.
        value: f64,
    },
    /// The ratings cannot be read.
    #[error(transparent)]
    Ratings(#[from] RatingsError),
    /// There is nothing to send.
    #[error("the traffic holds no attempt: the ratings file is empty, or nobody sends within the duration")]
    NothingToSend,
}

/// How a load is to run. [`new`](Self::new) chooses defaults for everything but targets and traffic.
#[derive(Clone, Debug)]
pub struct LoadSettings {
    /// Base URLs (then `/ratings` is meant) or full URLs, used in turn.
    pub targets: Vec<String>,
    /// What to send.
    pub traffic: Traffic,
    /// The SLO that goodput is counted by. 200 ms.
    pub slo: Duration,
    /// The client timeout, from the intended time. The scenario's, else 1 s.
    pub timeout: Duration,
    /// Seconds at the start that are played and not measured. 2 s.
    pub warm_up: Duration,
    /// Sent as bearer token. None.
    pub token: Option<String>,
    /// Whom to believe, where a target is reached by `https://`. Nobody, so that such a target is refused.
    pub tls: Option<Arc<ClientConfig>>,
    /// Requests outstanding at once; each takes a connection. 4,096.
    pub outstanding_max: usize,
    /// Which timestamps ratings carry. The wall clock's.
    pub stamp: Stamp,
    /// The zero of the intended times: give the same instant to [`Backend::start_clock`]. At once.
    ///
    /// [`Backend::start_clock`]: crate::Backend::start_clock
    pub start: Option<Instant>,
    /// Gathers what was acknowledged. None.
    pub acknowledged: Option<AckLog>,
}

impl LoadSettings {
    /// Defaults for this traffic to these targets.
    #[must_use]
    pub fn new(targets: Vec<String>, traffic: Traffic) -> Self {
        let scenario_timeout_ms =
            traffic.as_scenario().map(|traffic| traffic.scenario().service.client_timeout_ms);
        Self {
            targets,
            traffic,
            slo: Duration::from_millis(200),
            timeout: Duration::from_secs_f64(scenario_timeout_ms.unwrap_or(1000.0) / 1e3),
            warm_up: Duration::from_secs(2),
            token: None,
            tls: None,
            outstanding_max: 4096,
            stamp: Stamp::Now,
            start: None,
            acknowledged: None,
        }
    }
}

/// A load that is ready to run.
#[derive(Debug)]
pub struct Load {
    settings: LoadSettings,
    client: Client,
}

impl Load {
    /// Checks the settings. Nothing is sent yet.
    ///
    /// # Errors
    /// Unusable targets or token, numbers out of range.
    pub fn new(settings: LoadSettings) -> Result<Self, LoadError> {
        check_positive("duration", settings.traffic.duration_s())?;
        check_positive("slo", settings.slo.as_secs_f64())?;
        check_positive("timeout", settings.timeout.as_secs_f64())?;
        if let Traffic::Ratings { pace, .. } = &settings.traffic {
            let (super::Pace::PerSecond(pace) | super::Pace::Speedup(pace)) = pace;
            check_positive("pace", *pace)?;
        }
        let (token, tls) = (settings.token.as_deref(), settings.tls.clone());
        let client = Client::new(&settings.targets, token, tls, settings.timeout)?;
        Ok(Self { settings, client })
    }

    /// Sends everything, calls `observer` once a second, and reports.
    ///
    /// When `cancel` completes, nothing more is sent; what is under way ends within the client timeout, and
    /// the report covers the time until then.
    ///
    /// # Errors
    /// If the ratings cannot be read, or there are none.
    pub async fn run(
        self,
        mut observer: impl FnMut(&Progress),
        cancel: impl Future<Output = ()>,
    ) -> Result<LoadReport, LoadError> {
        let Self { settings, client } = self;
        let mut plan = settings.traffic.plan()?;
        let next = Some(plan.next().ok_or(LoadError::NothingToSend)??);
        let sender = Arc::new(sender(&settings, client));
        let mut run = Run { sender: Arc::clone(&sender), tasks: JoinSet::new(), plan, next };
        let sent = run.send_all(&mut observer, cancel).await;
        sender.stopped.store(true, Ordering::Relaxed);
        let end = sender.zero.elapsed().min(sender.duration);
        while let Some(ended) = run.tasks.join_next().await {
            propagate(ended);
        }
        sent?;
        let report = sender.recorder.lock().finish(end.as_secs_f64());
        Ok(report)
    }
}

/// A load under way.
struct Run<'a> {
    sender: Arc<Sender>,
    tasks: JoinSet<()>,
    plan: Plan<'a>,
    next: Option<Planned>,
}

impl Run<'_> {
    /// Sends until the duration is over or `cancel` completes.
    async fn send_all(
        &mut self,
        observer: &mut impl FnMut(&Progress),
        cancel: impl Future<Output = ()>,
    ) -> Result<(), RatingsError> {
        let Sender { zero, duration, .. } = *self.sender;
        let mut seconds = interval_at(zero + Duration::from_secs(1), Duration::from_secs(1));
        seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        tokio::pin!(cancel);
        loop {
            let next_at = self.next.as_ref().map_or(duration, |planned| planned.at);
            tokio::select! {
                biased;
                () = &mut cancel => return Ok(()),
                _ = seconds.tick() => {
                    let progress = self.sender.recorder.lock().progress(zero.elapsed().as_secs_f64());
                    observer(&progress);
                }
                () = sleep_until(zero + next_at) => match self.next {
                    Some(_) => self.send_due()?,
                    None => return Ok(()),
                },
            }
        }
    }

    /// Sends what is due, and then looks at the tasks that have ended meanwhile.
    fn send_due(&mut self) -> Result<(), RatingsError> {
        let now = self.sender.zero.elapsed();
        for _ in 0..BURST_MAX {
            let Some(planned) = self.next.take_if(|planned| planned.at <= now) else { break };
            let sent = self.sender.begin(&planned, planned.at, true);
            self.tasks.spawn(Arc::clone(&self.sender).send(planned, sent));
            self.next = self.plan.next().transpose()?;
        }
        while let Some(ended) = self.tasks.try_join_next() {
            propagate(ended);
        }
        Ok(())
    }
}

fn sender(settings: &LoadSettings, client: Client) -> Sender {
    let zero = settings.start.unwrap_or_else(|| Instant::now() + HEAD_START);
    let wall_now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let wall_zero = wall_now + zero.saturating_duration_since(Instant::now());
    let duration = Duration::from_secs_f64(settings.traffic.duration_s());
    let shares = settings.traffic.as_scenario().map(FairShares::new);
    let recorder = Recorder::new(
        settings.slo.as_secs_f64(),
        settings.timeout.as_secs_f64(),
        settings.warm_up.as_secs_f64(),
        duration.as_secs_f64(),
        shares,
    );
    Sender {
        client,
        zero,
        zero_epoch_ms: whole_ms(wall_zero),
        duration,
        timeout: settings.timeout,
        stamp: settings.stamp,
        classes: settings.traffic.classes(),
        outstanding: Semaphore::new(settings.outstanding_max.min(Semaphore::MAX_PERMITS)),
        recorder: Mutex::new(recorder),
        acknowledged: settings.acknowledged.clone(),
        stopped: AtomicBool::new(false),
    }
}

/// A panic in a task is a defect of this crate: it must not pass for a failed request.
fn propagate(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        std::panic::resume_unwind(error.into_panic());
    }
}

fn check_positive(name: &'static str, value: f64) -> Result<(), LoadError> {
    if value > 0.0 && value <= NUMBER_MAX { Ok(()) } else { Err(LoadError::Number { name, value }) }
}
