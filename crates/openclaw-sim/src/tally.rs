//! Counting what happens: second by second for the timeline, and from the third second on for the scores.

use openclaw_scenario::{CapacityKind, FAIR_WINDOW_S, FairAccount, FairLedger, Scenario};

use crate::histogram::Histogram;
use crate::run::{Figures, Run, TimelinePoint};
use crate::world::World;

/// Seconds at the start that count for nothing: nobody knows anything yet.
const SKIPPED_S: f64 = 2.0;
/// Windows of demand, of entitlement and of late fractions, in seconds.
pub(crate) const SLOT_S: f64 = FAIR_WINDOW_S;
pub(crate) const SLOTS_PER_S: usize = 10;

/// How an admitted request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Served,
    ClientLeft,
    QueueFull,
}

/// What ended in one slot of 100 ms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) ended: u32,
    pub(crate) late: u32,
}

/// The counts of one course.
#[derive(Debug)]
pub(crate) struct Tally {
    slo_s: f64,
    timeout_s: f64,
    whole: Figures,
    counted: Figures,
    second: Figures,
    latencies: Histogram,
    second_latencies: Histogram,
    windows: u64,
    windows_over_slo: u64,
    slots: Vec<Slot>,
    timeline: Vec<TimelinePoint>,
    fair_from: f64,
    /// The users' accounts when counting began.
    skipped: Vec<FairAccount>,
}

/// What the end of a second adds to what was counted.
pub(crate) struct SecondEnd {
    pub(crate) start_s: f64,
    pub(crate) capacity: f64,
    pub(crate) admitted_per_s: Option<f64>,
    pub(crate) guard_ms: Option<f64>,
    pub(crate) in_flight: u64,
}

impl Tally {
    pub(crate) fn new(world: &World, slo_s: f64) -> Self {
        Self {
            slo_s,
            timeout_s: world.scenario.service.client_timeout_ms / 1e3,
            whole: Figures::default(),
            counted: Figures::default(),
            second: Figures::default(),
            latencies: Histogram::default(),
            second_latencies: Histogram::default(),
            windows: 0,
            windows_over_slo: 0,
            slots: Vec::new(),
            timeline: Vec::new(),
            fair_from: 0.0,
            skipped: Vec::new(),
        }
    }

    /// Begins a slot in which all users together are entitled to `work`.
    pub(crate) fn begin_slot(&mut self, work: f64) {
        self.slots.push(Slot::default());
        self.second.entitled_work += work;
    }

    /// Counts an attempt and its verdict; `well_behaved` tells of first attempts only.
    pub(crate) fn attempt(&mut self, first: bool, accepted: bool, well_behaved: bool) {
        let second = &mut self.second;
        second.offered += 1;
        second.first_attempts += u64::from(first);
        second.accepted += u64::from(accepted);
        second.throttled += u64::from(!accepted);
        second.well_behaved += u64::from(first && well_behaved);
        second.well_behaved_throttled += u64::from(first && well_behaved && !accepted);
    }

    /// Counts the end of an admitted request; whether it was good.
    pub(crate) fn ended(&mut self, end: End, latency_s: f64, cost: f64) -> bool {
        let good = end == End::Served && latency_s <= self.slo_s;
        let second = &mut self.second;
        match end {
            End::Served if good => {
                second.good += 1;
                second.good_work += cost;
            }
            End::Served => second.late += 1,
            End::ClientLeft => second.timeouts += 1,
            End::QueueFull => second.overflowed += 1,
        }
        self.second_latencies.add(if end == End::Served { latency_s } else { f64::INFINITY });
        if let Some(slot) = self.slots.last_mut() {
            slot.ended += 1;
            slot.late += u32::from(!good);
        }
        good
    }

    /// The slots of the last second.
    pub(crate) fn last_second(&self) -> &[Slot] {
        &self.slots[self.slots.len().saturating_sub(SLOTS_PER_S)..]
    }

    pub(crate) fn end_second(&mut self, end: &SecondEnd, fairness: &FairLedger) {
        let mut figures = std::mem::take(&mut self.second);
        let fair_work = fairness.fair_work() - self.fair_from;
        self.fair_from = fairness.fair_work();
        // The nearest-rank p95 is within the SLO exactly where at most a twentieth lies above.
        let meets_slo = figures.not_good() * 20 <= figures.ended();
        if meets_slo {
            (figures.good_work_in_slo, figures.fair_work_in_slo) = (figures.good_work, fair_work);
        }
        self.timeline.push(self.point(end, &figures, fair_work, meets_slo));
        self.whole.add(&figures);
        if end.start_s + 1e-9 < SKIPPED_S {
            self.skipped.clear();
            self.skipped.extend_from_slice(fairness.accounts());
        } else {
            self.counted.add(&figures);
            self.latencies.merge(&self.second_latencies);
            self.windows += u64::from(figures.ended() > 0);
            self.windows_over_slo += u64::from(!meets_slo);
        }
        self.second_latencies.clear();
    }

    fn point(&self, end: &SecondEnd, figures: &Figures, fair_work: f64, meets_slo: bool) -> TimelinePoint {
        TimelinePoint {
            start_s: end.start_s,
            offered: figures.offered,
            first_attempts: figures.first_attempts,
            accepted: figures.accepted,
            good: figures.good,
            late: figures.late,
            failed: figures.timeouts + figures.overflowed,
            p50_ms: self.quantile_ms(&self.second_latencies, 0.5),
            p95_ms: self.quantile_ms(&self.second_latencies, 0.95),
            meets_slo,
            capacity: end.capacity,
            entitled_work: figures.entitled_work,
            good_work: figures.good_work,
            fair_work,
            admitted_per_s: end.admitted_per_s,
            guard_ms: end.guard_ms,
            in_flight: end.in_flight,
        }
    }

    fn quantile_ms(&self, latencies: &Histogram, fraction: f64) -> Option<f64> {
        latencies.quantile_s(fraction).map(|s| s.min(self.timeout_s) * 1e3)
    }

    /// Closes the course.
    pub(crate) fn finish(
        self,
        world: &World,
        controller: &str,
        decisions: u64,
        fairness: &FairLedger,
    ) -> Run {
        let scenario = &world.scenario;
        let in_flight = self.timeline.last().map_or(0, |point| point.in_flight);
        Run {
            scenario: scenario.name.clone(),
            seed: scenario.seed,
            controller: controller.to_owned(),
            figures: Figures { in_flight, ..self.counted },
            whole: Figures { in_flight, ..self.whole },
            windows: self.windows,
            windows_over_slo: self.windows_over_slo,
            p50_ms: self.quantile_ms(&self.latencies, 0.5),
            p95_ms: self.quantile_ms(&self.latencies, 0.95),
            p99_ms: self.quantile_ms(&self.latencies, 0.99),
            jain: jain(fairness.accounts(), &self.skipped),
            recovery_s: recovery_s(scenario, &self.slots),
            oscillation: oscillation(&self.timeline),
            decisions,
            timeline: self.timeline,
        }
    }
}

/// Jain's index over users with an entitlement of at least one plain request.
fn jain(accounts: &[FairAccount], skipped: &[FairAccount]) -> f64 {
    let (mut count, mut sum, mut squares) = (0.0, 0.0, 0.0);
    for (user, account) in accounts.iter().enumerate() {
        let before = skipped.get(user).copied().unwrap_or_default();
        let entitled = account.entitled - before.entitled;
        if entitled >= 1.0 {
            let satisfied = (account.good - before.good) / entitled;
            count += 1.0;
            sum += satisfied;
            squares += satisfied * satisfied;
        }
    }
    if squares > 0.0 { sum * sum / (count * squares) } else { 1.0 }
}

/// Mean time from a drop of capacity to the first of ten slots of which at most 5 % came late. One that is not
/// reached before the end takes until the end.
fn recovery_s(scenario: &Scenario, slots: &[Slot]) -> Option<f64> {
    let dependencies = scenario.dependencies.iter().flat_map(|dependency| &dependency.capacity);
    let drops: Vec<f64> = scenario
        .capacity
        .iter()
        .chain(dependencies)
        .filter(|change| change.kind != CapacityKind::Ramp && change.level < 1.0)
        .map(|change| change.start_s)
        .filter(|start_s| *start_s < scenario.duration_s)
        .collect();
    let recovered_s = |start_s: &f64| {
        let first = (start_s / SLOT_S).round() as usize;
        let calm = |second: &[Slot]| {
            let late: u32 = second.iter().map(|slot| slot.late).sum();
            late * 20 <= second.iter().map(|slot| slot.ended).sum()
        };
        let seconds = slots.get(first..).unwrap_or_default().windows(SLOTS_PER_S);
        let end = seconds.clone().position(calm).unwrap_or_else(|| slots.len().saturating_sub(first));
        end as f64 * SLOT_S
    };
    (!drops.is_empty()).then(|| drops.iter().map(recovered_s).sum::<f64>() / drops.len() as f64)
}

fn oscillation(timeline: &[TimelinePoint]) -> f64 {
    let counted = timeline.iter().filter(|point| point.start_s + 1e-9 >= SKIPPED_S);
    // A second in which nothing was accepted counts as half a request, so that the logarithm exists.
    let logs: Vec<f64> = counted.map(|point| (point.accepted as f64).max(0.5).ln()).collect();
    let changes = logs.windows(2).map(|pair| (pair[1] - pair[0]).abs());
    if logs.len() < 2 { 0.0 } else { changes.sum::<f64>() / (logs.len() - 1) as f64 }
}

#[cfg(test)]
mod tests;
