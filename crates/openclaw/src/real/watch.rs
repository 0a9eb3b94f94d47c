//! What machine, backend and disk do while a course is played, second by second.

use std::time::Duration;

use anyhow::{Context, Result};
use openclaw_lab::real::{BackendUse, CommitTimes, MachineUse, ProcessUse};
use openclaw_scenario::Scenario;
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until};

use super::processor::{Ticks, process_s};
use super::stage::Stage;

const EVERY: Duration = Duration::from_secs(1);
/// A look that takes longer finds a process that does not answer any more.
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);

/// What was seen.
pub(super) struct Seen {
    pub(super) machine: MachineUse,
    pub(super) backend: BackendUse,
    pub(super) commits: Option<CommitTimes>,
}

/// Watches a stage until its end.
pub(super) struct Watch {
    end: oneshot::Sender<()>,
    task: JoinHandle<Result<Seen>>,
}

impl Watch {
    /// Watches from `zero` on, the start of the load.
    pub(super) fn begin(stage: &Stage, scenario: &Scenario, zero: Instant) -> Self {
        let (end, ended) = oneshot::channel();
        let eyes = Eyes {
            state_url: stage.state_url().to_owned(),
            metrics_url: stage.metrics_url().to_owned(),
            processes: stage.processes(),
            // Requests of several costs are not told apart in what the backend counts.
            capacity_per_s: scenario
                .request_classes
                .is_empty()
                .then(|| f64::from(scenario.service.workers) / scenario.service.service_time.mean_s()),
        };
        Self { end, task: tokio::spawn(eyes.watch(zero, ended)) }
    }

    /// Ends the watch; what was seen.
    ///
    /// # Errors
    /// A process did not answer.
    pub(super) async fn end(self) -> Result<Seen> {
        // The other side is gone only where it failed, which it tells below.
        let _ = self.end.send(());
        self.task.await.context("the watch broke off")?
    }
}

struct Eyes {
    state_url: String,
    metrics_url: String,
    processes: [(&'static str, u32); 3],
    capacity_per_s: Option<f64>,
}

/// What the backend says of itself.
#[derive(Clone, Copy, Debug)]
struct State {
    at: Instant,
    clock_s: f64,
    served: u64,
    queued: u64,
    capacity_level: f64,
    paused: bool,
}

impl Eyes {
    async fn watch(self, zero: Instant, mut ended: oneshot::Receiver<()>) -> Result<Seen> {
        let client = reqwest::Client::builder().timeout(ANSWERS_WITHIN).no_proxy().build()?;
        sleep_until(zero).await;
        let mut seconds = interval_at(zero + EVERY, EVERY);
        seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut busy, mut delivered) = (Vec::new(), Delivered::default());
        let mut before = (Ticks::now(), self.state(&client).await?);
        let begun = (Instant::now(), self.used_s());
        loop {
            tokio::select! {
                _ = &mut ended => break,
                _ = seconds.tick() => {}
            }
            let now = (Ticks::now(), self.state(&client).await?);
            if let (Some(now), Some(before)) = (now.0, before.0) {
                busy.extend(now.used_since(before));
            }
            delivered.add(before.1, now.1, self.capacity_per_s);
            before = now;
        }
        let last = self.state(&client).await?;
        let length_s = begun.0.elapsed().as_secs_f64();
        let processes = self.processes.iter().zip(begun.1.iter().zip(self.used_s()));
        let processes = processes.filter_map(|((name, _), (before, now))| {
            Some(ProcessUse { name: (*name).to_owned(), processors: (now? - (*before)?) / length_s })
        });
        let clock_lag_ms = (last.at.duration_since(zero).as_secs_f64() - last.clock_s) * 1e3;
        Ok(Seen {
            machine: MachineUse::from_seconds(&busy, processes.collect()),
            backend: BackendUse {
                served: last.served,
                delivered_fraction: delivered.fraction(),
                clock_lag_ms,
            },
            commits: self.commits(&client).await?,
        })
    }

    fn used_s(&self) -> [Option<f64>; 3] {
        self.processes.map(|(_, id)| process_s(id))
    }

    async fn state(&self, client: &reqwest::Client) -> Result<State> {
        let text = read(client, &self.state_url).await?;
        let at = Instant::now();
        let state: Value = serde_json::from_str(&text).context("the backend's state is no JSON")?;
        let number = |name: &str| {
            state[name].as_f64().with_context(|| format!("the backend's state has no number {name:?}"))
        };
        let count = |name: &str| {
            state[name].as_u64().with_context(|| format!("the backend's state has no count {name:?}"))
        };
        Ok(State {
            at,
            clock_s: number("clockS")?,
            served: count("served")?,
            queued: count("queued")?,
            capacity_level: number("capacityLevel")?,
            paused: state["paused"].as_bool().unwrap_or(false),
        })
    }

    async fn commits(&self, client: &reqwest::Client) -> Result<Option<CommitTimes>> {
        Ok(commit_times(&read(client, &self.metrics_url).await?))
    }
}

async fn read(client: &reqwest::Client, url: &str) -> Result<String> {
    let asked = || format!("asking {url}");
    let answer = client.get(url).send().await.with_context(asked)?;
    answer.error_for_status().with_context(asked)?.text().await.with_context(asked)
}

/// From the text of `/metrics`.
fn commit_times(metrics: &str) -> Option<CommitTimes> {
    let value = |name: &str| -> Option<f64> {
        let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
        line.trim().parse().ok()
    };
    let count = value("openclaw_store_commit_duration_seconds_count")?;
    let sum_s = value("openclaw_store_commit_duration_seconds_sum")?;
    (count > 0.0).then(|| CommitTimes { count: count as u64, mean_ms: sum_s / count * 1e3 })
}

/// What was served while there was always something to serve, and what could have been.
#[derive(Debug, Default)]
struct Delivered {
    served: f64,
    possible: f64,
}

impl Delivered {
    /// Adds the time between two looks, if requests waited at both, and workers were neither stopped nor changed.
    fn add(&mut self, before: State, now: State, capacity_per_s: Option<f64>) {
        let Some(capacity_per_s) = capacity_per_s else { return };
        let steady = before.capacity_level.total_cmp(&now.capacity_level).is_eq();
        if before.queued == 0 || now.queued == 0 || !steady || before.paused || now.paused {
            return;
        }
        let length_s = now.at.duration_since(before.at).as_secs_f64();
        self.served += now.served.saturating_sub(before.served) as f64;
        self.possible += capacity_per_s * now.capacity_level * length_s;
    }

    fn fraction(&self) -> Option<f64> {
        (self.possible > 0.0).then(|| self.served / self.possible)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commits_are_read_from_the_metrics() {
        let metrics = "# TYPE openclaw_store_commit_duration_seconds histogram\n\
                       openclaw_store_commit_duration_seconds_bucket{le=\"0.01\"} 3\n\
                       openclaw_store_commit_duration_seconds_sum 0.5\n\
                       openclaw_store_commit_duration_seconds_count 100\n";
        assert_eq!(commit_times(metrics), Some(CommitTimes { count: 100, mean_ms: 5.0 }));
        assert_eq!(commit_times("up 1\n"), None);
    }

    #[test]
    fn a_backend_is_judged_only_while_requests_wait_and_its_workers_stay_the_same() {
        let at = |second: u64, served, queued, capacity_level, paused| State {
            at: Instant::now() + Duration::from_secs(second),
            clock_s: 0.0,
            served,
            queued,
            capacity_level,
            paused,
        };
        let between = |before: State, now: State| {
            let now = State { at: before.at + Duration::from_secs(1), ..now };
            let mut delivered = Delivered::default();
            delivered.add(before, now, Some(100.0));
            delivered.fraction()
        };
        let full = |served| at(0, served, 5, 1.0, false);
        assert_eq!(between(full(100), full(190)), Some(0.9));
        assert_eq!(between(at(0, 100, 5, 0.5, false), at(1, 150, 9, 0.5, false)), Some(1.0));
        assert_eq!(between(full(100), at(1, 190, 0, 1.0, false)), None, "it had nothing left to do");
        assert_eq!(between(full(100), at(1, 190, 5, 0.5, false)), None, "its workers changed");
        assert_eq!(between(full(100), at(1, 190, 5, 1.0, true)), None, "it stands still");
    }
}
