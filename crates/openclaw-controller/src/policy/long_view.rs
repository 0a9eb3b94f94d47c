//! What the last seconds were like, beyond what a controller's observation reaches back.
//!
//! Pauses, lost reports and uneven service come in spells; how much room to leave depends on whether this is one, and
//! no single observation tells. Frames of the past stacked beside each other would (they brought nothing for more
//! inputs), and so would a recurrent network (which a service would have to carry on from report to report, bit for
//! bit). Four fading numbers do.

use crate::NS_PER_S;
use crate::filter::new_share;
use crate::observation::Observation;

/// Time constant of the averages, in seconds.
const MEAN_TAU_S: f64 = 10.0;
/// Time constant in which the longest stall is forgotten, in seconds.
const STALL_TAU_S: f64 = 15.0;
/// The first observation, and one after a long silence, stand for so many seconds.
const FIRST_S: f64 = 0.1;
const INTERVAL_MAX_S: f64 = 2.0;
/// What one observation may say at most: stalls and feedback ages in SLOs, throughputs as ratios.
const STALL_MAX: f64 = 5.0;
const AGE_MAX: f64 = 10.0;
const RATIO_MAX: f64 = 20.0;

/// Fading memory of a service's bad moments. All its numbers are finite whatever the observations hold.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct LongView {
    seen_ns: Option<u64>,
    /// Mean fraction of latencies over the SLO, 0 to 1.
    pub(super) late_fraction: f64,
    /// The longest time without a completion, in SLOs, fading.
    pub(super) stall: f64,
    /// Mean |ln(fast / slow throughput)|.
    pub(super) unevenness: f64,
    /// Mean age of the newest report, in SLOs.
    pub(super) feedback_age: f64,
}

impl LongView {
    /// Takes an observation; they come in the order of their times.
    pub(super) fn add(&mut self, seen: &Observation) {
        let interval_s = self.seen_ns.map_or(FIRST_S, |before| {
            (seen.now_ns.saturating_sub(before) as f64 / NS_PER_S).min(INTERVAL_MAX_S)
        });
        self.seen_ns = Some(seen.now_ns);
        let share = new_share(interval_s, MEAN_TAU_S);
        let ratio = seen.throughput_fast_per_s / seen.throughput_slow_per_s;
        let unevenness = ratio.clamp(1.0 / RATIO_MAX, RATIO_MAX).ln().abs();
        follow(&mut self.late_fraction, seen.late_fraction_fast, 1.0, share);
        follow(&mut self.unevenness, unevenness, f64::INFINITY, share);
        follow(&mut self.feedback_age, seen.feedback_age_s / seen.slo_s, AGE_MAX, share);
        let stall = seen.since_completion_s / seen.slo_s;
        self.stall *= 1.0 - new_share(interval_s, STALL_TAU_S);
        // A stall that is no number is none: `max` leaves it out.
        self.stall = self.stall.max(stall.clamp(0.0, STALL_MAX));
    }
}

/// Moves `mean` by `share` towards `value`, of which at most `highest` counts; what is no number changes nothing.
fn follow(mean: &mut f64, value: f64, highest: f64, share: f64) {
    if !value.is_nan() {
        *mean += share * (value.clamp(0.0, highest) - *mean);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::tests::observation;

    fn at(tick: u64, seen: Observation) -> Observation {
        Observation { now_ns: tick * 100_000_000, ..seen }
    }

    #[test]
    fn a_stall_is_remembered_for_some_seconds() {
        let mut view = LongView::default();
        view.add(&at(0, Observation { since_completion_s: 0.4, ..observation() }));
        assert_eq!(view.stall, 2.0);
        (1..=150).for_each(|tick| view.add(&at(tick, observation())));
        assert!((view.stall - 2.0 * (-1.0_f64).exp()).abs() < 1e-9, "15 s later: {}", view.stall);
        view.add(&at(151, Observation { since_completion_s: 9.0, ..observation() }));
        assert_eq!(view.stall, STALL_MAX);
    }

    #[test]
    fn means_reach_back_ten_seconds_however_reports_come() {
        let late = Observation { late_fraction_fast: 0.5, feedback_age_s: 0.1, ..observation() };
        let (mut often, mut seldom) = (LongView::default(), LongView::default());
        often.add(&at(0, observation()));
        seldom.add(&at(0, observation()));
        (1..=100).for_each(|tick| often.add(&at(tick, late)));
        (1..=10).for_each(|second| seldom.add(&at(second * 10, late)));
        for view in [often, seldom] {
            let risen = 1.0 - (-1.0_f64).exp();
            assert!((view.late_fraction - 0.5 * risen).abs() < 1e-9, "{view:?}");
            assert!((view.feedback_age - 0.5 * risen).abs() < 1e-9, "{view:?}");
        }
    }

    #[test]
    fn uneven_service_shows_and_even_service_does_not() {
        let (mut even, mut uneven) = (LongView::default(), LongView::default());
        for tick in 0..200 {
            even.add(&at(tick, observation()));
            let fast = if tick % 2 == 0 { 300.0 } else { 1200.0 };
            uneven.add(&at(tick, Observation { throughput_fast_per_s: fast, ..observation() }));
        }
        assert_eq!(even.unevenness, 0.0);
        assert!((uneven.unevenness - 2_f64.ln()).abs() < 0.12, "{}", uneven.unevenness);
    }
}
