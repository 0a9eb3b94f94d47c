//! What a service reports, filtered into what a controller looks at.

use std::collections::VecDeque;

use openclaw_protocol::Totals;

use crate::classes::MeanCosts;
use crate::filter::{FadingMax, LowestOf, RateFilter, Shares};
use crate::latency::{LatencyWindow, Tail};
use crate::observation::Observation;

pub(crate) const FAST_S: f64 = 0.25;
pub(crate) const SLOW_S: f64 = 2.5;
pub(crate) const PEAK_S: f64 = 30.0;

/// Completions that must be missing from an interval for it to count as a standstill.
const MISSING: f64 = 4.0;
/// A standstill longer than this is no pause: the throughput then falls.
const STANDSTILL_MAX_S: f64 = 1.0;

/// Rates of one source, from its cumulative counters.
#[derive(Clone, Debug)]
pub struct Flow {
    totals: Totals,
    throughput_fast: RateFilter,
    throughput_slow: RateFilter,
    accepted_fast: RateFilter,
    demand_fast: RateFilter,
    demand_slow: RateFilter,
    failed_fast: RateFilter,
    /// For how long nothing has completed although something should have.
    standstill_s: f64,
}

impl Flow {
    /// A flow whose counters stand at `totals`.
    #[must_use]
    pub fn new(totals: Totals) -> Self {
        Self {
            totals,
            throughput_fast: RateFilter::new(FAST_S),
            throughput_slow: RateFilter::new(SLOW_S),
            accepted_fast: RateFilter::new(FAST_S),
            demand_fast: RateFilter::new(FAST_S),
            demand_slow: RateFilter::new(SLOW_S),
            failed_fast: RateFilter::new(FAST_S),
            standstill_s: 0.0,
        }
    }

    /// Takes the counters as they stand `interval_s` seconds after the last time. Returns the attempts made
    /// in between.
    ///
    /// While the service stands still its throughput is left as it was: a pause says nothing of how fast it works, and
    /// feedback that comes late would have fewer admitted when the pause is long over.
    pub fn advance(&mut self, totals: Totals, interval_s: f64) -> u64 {
        self.advance_by(totals, &Shares::of(interval_s))
    }

    /// [`Flow::advance`] where the interval's shares are known.
    pub(crate) fn advance_by(&mut self, totals: Totals, shares: &Shares) -> u64 {
        let since = |now: u64, then: u64| now.saturating_sub(then) as f64;
        let completed = since(totals.completed, self.totals.completed);
        let accepted = since(totals.accepted, self.totals.accepted);
        let attempts = totals.attempts.saturating_sub(self.totals.attempts);
        let failed = since(totals.failed, self.totals.failed);
        let Shares { interval_s, fast, slow } = *shares;
        let moves = completed > 0.0 || totals.accepted <= totals.completed.saturating_add(totals.failed);
        self.standstill_s = if moves { 0.0 } else { self.standstill_s + interval_s };
        let missing = self.throughput_fast.per_s() * interval_s > MISSING;
        if moves || !missing || self.standstill_s > STANDSTILL_MAX_S {
            self.throughput_fast.add_share(completed, interval_s, fast);
            self.throughput_slow.add_share(completed, interval_s, slow);
        }
        self.accepted_fast.add_share(accepted, interval_s, fast);
        self.demand_fast.add_share(attempts as f64, interval_s, fast);
        self.demand_slow.add_share(attempts as f64, interval_s, slow);
        self.failed_fast.add_share(failed, interval_s, fast);
        self.totals = totals;
        attempts
    }

    /// Where the counter of completions stands.
    pub(crate) fn completed(&self) -> u64 {
        self.totals.completed
    }

    /// Offered per second, averaged over 2.5 s.
    pub(crate) fn demand_per_s(&self) -> f64 {
        self.demand_slow.per_s()
    }

    /// Completed per second, averaged over 0.25 s and over 2.5 s.
    #[must_use]
    pub fn throughput_per_s(&self) -> (f64, f64) {
        (self.throughput_fast.per_s(), self.throughput_slow.per_s())
    }
}

/// What was in flight at the last ticks.
#[derive(Clone, Debug)]
pub(crate) struct InFlight {
    before: VecDeque<f64>,
}

impl InFlight {
    /// Nothing was in flight.
    pub(crate) fn new(ticks_per_s: usize) -> Self {
        Self { before: vec![0.0; fast_ticks(ticks_per_s)].into() }
    }

    /// What is in flight at this tick; returns by how much it changed over 200 ms.
    pub(crate) fn change(&mut self, in_flight: f64) -> f64 {
        self.before.push_back(in_flight);
        in_flight - self.before.pop_front().unwrap_or(in_flight)
    }
}

/// Ticks in 200 ms.
pub(crate) fn fast_ticks(ticks_per_s: usize) -> usize {
    (ticks_per_s / 5).max(1)
}

/// What is in flight, and since when nothing completed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Underway {
    /// Ratings in flight.
    pub(crate) in_flight: f64,
    /// When a completion was last reported.
    pub(crate) completed_ns: u64,
}

/// Signals of one service.
#[derive(Clone, Debug)]
pub(crate) struct Signals {
    slo_s: f64,
    latencies: LatencyWindow,
    ticks_per_s: usize,
    tick: usize,
    peak: FadingMax,
    in_flight: InFlight,
    /// When nothing was last in flight.
    idle_ns: u64,
    medians_s: LowestOf,
    base_s: Option<f64>,
}

impl Signals {
    /// Signals for a latency goal of `slo_s`, turned `ticks_per_s` times a second.
    #[must_use]
    pub(crate) fn new(slo_s: f64, ticks_per_s: usize) -> Self {
        let ticks_per_s = ticks_per_s.max(1);
        Self {
            slo_s,
            latencies: LatencyWindow::new(ticks_per_s, fast_ticks(ticks_per_s), slo_s),
            ticks_per_s,
            tick: 0,
            peak: FadingMax::default(),
            in_flight: InFlight::new(ticks_per_s),
            idle_ns: 0,
            medians_s: LowestOf::default(),
            base_s: None,
        }
    }

    /// Adds one latency in seconds; infinite for a timeout.
    pub(crate) fn add_latency(&mut self, latency_s: f64) {
        self.latencies.add(latency_s);
    }

    /// Writes what a controller sees of the service as a whole; says nothing, and returns false, until a finite latency was
    /// seen. Closes the tick. `costs` turn ratings into work units, and `unloaded_s` is the time that a request takes while
    /// nobody waits, where that is measured.
    pub(crate) fn observe<'a>(
        &mut self,
        seen: &mut Observation,
        flows: impl Iterator<Item = &'a Flow>,
        underway: Underway,
        costs: &MeanCosts,
        unloaded_s: Option<f64>,
        now_ns: u64,
    ) -> bool {
        let in_flight = underway.in_flight * costs.accepted_fast;
        let in_flight_change = self.in_flight.change(in_flight);
        if in_flight <= 0.0 {
            self.idle_ns = now_ns;
        }
        let progress_ns = underway.completed_ns.max(self.idle_ns);
        let last_second = self.latencies.quantiles();
        self.learn_base(last_second.map(|found| found.p50_s));
        let fast = self.latencies.recent_tail().or(last_second.map(Tail::from));
        self.latencies.turn();

        let Some(base_s) = unloaded_s.filter(|_| self.base_s.is_some()).or(self.base_s) else { return false };
        seen.now_ns = now_ns;
        seen.slo_s = self.slo_s;
        seen.base_s = base_s;
        seen.p50_s = last_second.map_or(0.0, |found| found.p50_s);
        seen.p95_s = last_second.map_or(0.0, |found| found.p95_s);
        seen.p95_fast_s = fast.map_or(0.0, |found| found.p95_s);
        seen.late_fraction = last_second.map_or(0.0, |found| found.late_fraction);
        seen.late_fraction_fast = fast.map_or(0.0, |found| found.late_fraction);
        seen.samples = last_second.map_or(0, |found| found.samples);
        seen.in_flight = in_flight;
        seen.in_flight_change = in_flight_change;
        seen.since_completion_s = now_ns.saturating_sub(progress_ns) as f64 / crate::NS_PER_S;
        let mut sums = [0.0; 6];
        for flow in flows {
            let parts = [
                &flow.throughput_fast,
                &flow.throughput_slow,
                &flow.accepted_fast,
                &flow.demand_fast,
                &flow.demand_slow,
                &flow.failed_fast,
            ];
            sums.iter_mut().zip(parts).for_each(|(sum, part)| *sum += part.per_s());
        }
        let [throughput_fast, throughput_slow, accepted_fast, demand_fast, demand_slow, failed_fast] = sums;
        seen.throughput_fast_per_s = throughput_fast * costs.completed_fast;
        seen.throughput_slow_per_s = throughput_slow * costs.completed_slow;
        seen.accepted_fast_per_s = accepted_fast * costs.accepted_fast;
        seen.demand_fast_per_s = demand_fast * costs.offered_fast;
        seen.demand_slow_per_s = demand_slow * costs.offered_slow;
        seen.failed_fast_per_s = failed_fast * costs.accepted_fast;
        true
    }

    /// Writes the highest throughput, of which so much is left after the tick.
    pub(crate) fn see_peak(&mut self, seen: &mut Observation, left: f64) {
        self.peak.add(seen.throughput_slow_per_s, left);
        seen.throughput_peak_per_s = self.peak.value();
    }

    /// The base is the lowest median of the last 30 seconds; a second without samples says nothing, and after
    /// 30 of those the last base still stands.
    fn learn_base(&mut self, median_s: Option<f64>) {
        let Some(median_s) = median_s.filter(|median| median.is_finite()) else { return };
        if self.tick.is_multiple_of(self.ticks_per_s) {
            self.medians_s.add(median_s);
            self.medians_s.close_second();
        }
        self.tick += 1;
        self.base_s = self.medians_s.value().map(|lowest| lowest.min(median_s));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn totals(attempts: u64) -> Totals {
        Totals { attempts, accepted: attempts, throttled: 0, completed: attempts, failed: 0 }
    }

    /// What is seen at time 0, all requests being plain.
    fn observe(signals: &mut Signals, flows: &[Flow], in_flight: f64) -> Option<Observation> {
        let underway = Underway { in_flight, completed_ns: 0 };
        let mut seen = Observation::default();
        signals.observe(&mut seen, flows.iter(), underway, &MeanCosts::PLAIN, None, 0).then_some(seen)
    }

    #[test]
    fn nothing_is_observed_before_the_first_latency() {
        let mut signals = Signals::new(0.2, 10);
        let flow = Flow::new(Totals::default());
        assert_eq!(observe(&mut signals, std::slice::from_ref(&flow), 0.0), None);
        signals.add_latency(f64::INFINITY);
        assert_eq!(observe(&mut signals, std::slice::from_ref(&flow), 0.0), None, "a timeout tells no base");
        signals.add_latency(0.02);
        signals.add_latency(0.02);
        assert!(observe(&mut signals, std::slice::from_ref(&flow), 0.0).is_some());
    }

    #[test]
    fn flows_of_several_collectors_add_up() {
        let mut signals = Signals::new(0.2, 10);
        signals.add_latency(0.02);
        let (mut one, mut two) = (Flow::new(Totals::default()), Flow::new(Totals::default()));
        one.advance(totals(10), 0.1);
        two.advance(totals(30), 0.1);
        let seen = observe(&mut signals, &[one, two], 3.0).unwrap();
        assert!((seen.demand_fast_per_s - 400.0).abs() < 1e-9);
        assert!((seen.throughput_slow_per_s - 400.0).abs() < 1e-9);
    }

    #[test]
    fn the_base_is_the_lowest_median_of_thirty_seconds() {
        let mut signals = Signals::new(0.2, 1);
        let mut base_after = |latency_s: f64, seconds: u64| {
            let mut base_s = 0.0;
            for _ in 0..seconds {
                signals.add_latency(latency_s);
                base_s = observe(&mut signals, &[], 0.0).unwrap().base_s;
            }
            base_s
        };
        assert!((base_after(0.02, 1) / 0.02 - 1.0).abs() < 0.03);
        assert!((base_after(0.15, 20) / 0.02 - 1.0).abs() < 0.03, "a queue does not raise the base at once");
        assert!((base_after(0.15, 12) / 0.15 - 1.0).abs() < 0.03, "a lasting change does");
    }

    #[test]
    fn a_pause_leaves_the_throughput_as_it_was_and_a_longer_standstill_does_not() {
        let mut flow = Flow::new(Totals::default());
        flow.advance(Totals { accepted: 120, ..totals(100) }, 0.1);
        let paused = |attempts| Totals { attempts, accepted: 120, completed: 100, ..Totals::default() };
        let mut throughput_after = |ticks: u64| {
            for tick in 0..ticks {
                flow.advance(paused(200 + tick), 0.1);
            }
            flow.throughput_per_s().0
        };
        assert!((throughput_after(9) - 1000.0).abs() < 1e-9);
        assert!(throughput_after(6) < 400.0, "not for ever");
    }

    #[test]
    fn an_idle_service_completes_nothing_and_that_counts() {
        let mut flow = Flow::new(Totals::default());
        flow.advance(totals(100), 0.1);
        flow.advance(totals(100), 0.1);
        assert!(flow.throughput_per_s().0 < 700.0);
    }

    #[test]
    fn a_lost_report_loses_no_counts() {
        let mut flow = Flow::new(Totals::default());
        flow.advance(totals(10), 0.1);
        assert_eq!(flow.advance(totals(40), 0.3), 30);
        assert!((flow.throughput_per_s().0 - 100.0).abs() < 1e-9);
    }
}
