//! From an observation to the row of numbers that the network reads.
//!
//! Every feature is a ratio, a fraction or a count that is already without scale, so that one policy serves a
//! service of 50 ratings/s and one of 50,000. All are finite and bounded whatever the observation holds. Stacked
//! frames and forecasts of the demand were tried in the prototypes and brought nothing: a decision acts within
//! 100 ms, and the history that matters is in the filtered signals, in what the policy itself did last, and in four
//! numbers that remember the last seconds ([`LongView`]).
//!
//! What little-guard would do is told as well: the policy then begins where the classical law stands, and needs no
//! training to find it. It is not bound to it; outputs that correct that law instead inherited its weaknesses.

use tinyvec::ArrayVec;

use super::action::PolicyAction;
use super::elementary::{TOGETHER, ln_each};
use super::long_view::LongView;
use super::path::Checked;
use super::schema::{CLASS_FEATURES, DEPENDENCY_PLACES, LOGARITHMS, OBSERVATION, SHARED_FEATURES, SLOTS};
use crate::observation::{Observation, SharedAction};
use crate::parts::{ClassSeen, DependencySeen};

/// Bound of the logarithm of a ratio: beyond 1 to 148 either way, more is not worse.
const LN_MAX: f32 = 5.0;
/// e to the power of [`LN_MAX`].
const RATIO_MAX: f64 = 148.413_159_102_576_6;
/// Where the logarithms are that are not in the beginning of the row, and how many there are in all, in whole registers.
const LN_SAMPLES: usize = LOGARITHMS;
const LN_COSTS: usize = LN_SAMPLES + 1;
const LOGARITHMS_TAKEN: usize = (LN_COSTS + SLOTS).next_multiple_of(TOGETHER);
/// Decisions looked back at for R of 500 ms ago; at the usual ten a second they reach three times as far.
const HISTORY: usize = 16;
const LOOK_BACK_NS: u64 = 500_000_000;

/// Which class has which slot, by the classes' numbers: the busiest first.
pub type SlotClasses = ArrayVec<[usize; SLOTS]>;

/// Turns observations into rows; remembers what the policy did.
#[derive(Clone, Debug)]
pub struct FeatureBuilder {
    path: Checked,
    /// The last three of the network's outputs for R and W, the newest first.
    outputs: [[f32; 2]; 3],
    /// When R was decided, and R; the newest at `newest`.
    admitted: [(u64, f64); HISTORY],
    newest: usize,
    decided: usize,
    dependencies_per_s: [f64; DEPENDENCY_PLACES],
    long: LongView,
}

impl FeatureBuilder {
    /// Before anything was decided, R is `start_per_s`.
    #[must_use]
    pub fn new(start_per_s: f64) -> Self {
        Self {
            path: Checked::best(),
            outputs: [[0.0; 2]; 3],
            admitted: [(0, start_per_s); HISTORY],
            newest: 0,
            decided: 0,
            dependencies_per_s: [0.0; DEPENDENCY_PLACES],
            long: LongView::default(),
        }
    }

    /// R as it was decided last, work units per second.
    #[must_use]
    pub fn admitted_per_s(&self) -> f64 {
        self.admitted[self.newest].1
    }

    /// Whether anything was decided since the beginning.
    #[must_use]
    pub fn has_decided(&self) -> bool {
        self.decided > 0
    }

    /// Remembers a decision: the outputs it came from, and what was done.
    pub fn record(&mut self, now_ns: u64, outputs: [f32; 2], action: &PolicyAction) {
        self.outputs = [outputs, self.outputs[0], self.outputs[1]];
        self.newest = (self.newest + 1) % HISTORY;
        self.admitted[self.newest] = (now_ns, action.shared.admitted_per_s);
        self.decided = (self.decided + 1).min(HISTORY);
        for (place, last) in self.dependencies_per_s.iter_mut().enumerate() {
            *last = action.shared.dependencies.get(place).map_or(0.0, |decided| decided.admitted_per_s);
        }
    }

    /// Takes note of an observation. To be called with each, before its row is written.
    pub fn see(&mut self, seen: &Observation) {
        self.long.add(seen);
    }

    /// Writes the row for `seen`, for which little-guard would do what `classical` says, and tells which class has
    /// which slot.
    ///
    /// # Panics
    /// `row` does not hold [`OBSERVATION`] numbers.
    pub fn features(&self, seen: &Observation, classical: &SharedAction, row: &mut [f32]) -> SlotClasses {
        assert_eq!(row.len(), OBSERVATION, "numbers in an observation row");
        let (shared, slots) = row.split_at_mut(SHARED_FEATURES.len());
        let (logarithms, others) = shared.split_at_mut(LOGARITHMS);
        let classes = busiest(&seen.classes);
        let taken = self.logarithms(seen, classical, &classes);
        for (logarithm, taken) in logarithms.iter_mut().zip(&taken) {
            *logarithm = clipped(*taken);
        }
        let (service, dependencies) = others.split_at_mut(others.len() - 2 * DEPENDENCY_PLACES);
        service.copy_from_slice(&self.service(seen, classical, taken[LN_SAMPLES]));
        for (place, row) in dependencies.chunks_exact_mut(2).enumerate() {
            row.copy_from_slice(&seen.dependencies.get(place).map_or([0.0; 2], |dependency| {
                [1.0, change(dependency.in_flight_change, dependency.throughput_fast_per_s)]
            }));
        }
        for (slot, row) in slots.chunks_exact_mut(CLASS_FEATURES.len()).enumerate() {
            let class = classes.get(slot).map(|class| &seen.classes[*class]);
            let ln_cost = clipped(taken[LN_COSTS + slot]);
            row.copy_from_slice(&class.map_or([0.0; 7], |class| class_row(class, ln_cost, seen.slo_s)));
        }
        classes
    }

    /// Every logarithm that the row needs, taken at once: those that begin the row, that of the samples, and those of the
    /// costs of the classes in the slots.
    fn logarithms(
        &self,
        seen: &Observation,
        classical: &SharedAction,
        classes: &SlotClasses,
    ) -> [f32; LOGARITHMS_TAKEN] {
        let mut numbers = [1.0; LOGARITHMS_TAKEN];
        let (service, dependencies) = numbers[..LOGARITHMS].split_at_mut(LOGARITHMS - 5 * DEPENDENCY_PLACES);
        service.copy_from_slice(&self.service_ratios(seen, classical));
        let places = dependencies.chunks_exact_mut(5).zip(&self.dependencies_per_s);
        for ((row, admitted_per_s), dependency) in places.zip(&seen.dependencies) {
            row.copy_from_slice(&dependency_ratios(dependency, *admitted_per_s, seen.slo_s));
        }
        numbers[LN_SAMPLES] = 1.0 + seen.samples as f32;
        for (cost, class) in numbers[LN_COSTS..].iter_mut().zip(classes) {
            *cost = ratio(seen.classes[*class].cost, 1.0);
        }
        ln_each(&mut numbers, self.path);
        numbers
    }

    fn service_ratios(&self, seen: &Observation, classical: &SharedAction) -> [f32; 18] {
        let (admitted, slo) = (self.admitted_per_s(), seen.slo_s);
        let waiting = (seen.in_flight - 1.0).max(0.0);
        let (fast, slow) = (seen.throughput_fast_per_s, seen.throughput_slow_per_s);
        let since_report = (seen.accepted_fast_per_s - fast) * seen.feedback_age_s;
        [
            ratio(seen.p95_fast_s, slo),
            ratio(seen.p95_s, slo),
            ratio(seen.p50_s, slo),
            ratio(seen.p50_s, seen.base_s),
            ratio(waiting, fast * slo),
            ratio(waiting, slow * slo),
            ratio(fast, admitted),
            ratio(seen.accepted_fast_per_s, admitted),
            ratio(seen.demand_fast_per_s, admitted),
            ratio(fast, slow),
            ratio(fast, seen.throughput_peak_per_s),
            ratio(seen.demand_fast_per_s, seen.demand_slow_per_s),
            ratio(seen.base_s, slo),
            ratio(admitted, slow),
            ratio(seen.accepted_fast_per_s, fast),
            ratio((seen.in_flight + since_report).max(0.0), fast * slo),
            ratio(admitted, self.admitted_before(seen.now_ns)),
            ratio(classical.admitted_per_s, slow),
        ]
    }

    fn service(&self, seen: &Observation, classical: &SharedAction, ln_samples: f32) -> [f32; 19] {
        let (slo, fast) = (seen.slo_s, seen.throughput_fast_per_s);
        let [last, second, third] = self.outputs;
        [
            bounded(seen.late_fraction_fast, 0.0, 1.0),
            bounded(seen.late_fraction, 0.0, 1.0),
            change(seen.in_flight_change, fast),
            bounded(1.0 - seen.accepted_fast_per_s / seen.demand_fast_per_s, 0.0, 1.0),
            bounded(seen.failed_fast_per_s / (fast + seen.failed_fast_per_s), 0.0, 1.0),
            ln_samples,
            last[0],
            last[1],
            second[0],
            second[1],
            third[0],
            third[1],
            bounded(seen.feedback_age_s / slo, 0.0, 10.0),
            bounded(seen.since_completion_s / slo, 0.0, 10.0),
            classical.guard_s.map_or(0.0, |guard_s| bounded(guard_s / slo, 0.0, 2.0)),
            bounded(self.long.late_fraction, 0.0, 1.0),
            bounded(self.long.stall, 0.0, 5.0),
            bounded(self.long.unevenness, 0.0, 5.0),
            bounded(self.long.feedback_age, 0.0, 10.0),
        ]
    }

    /// R of 500 ms ago: of the newest decision at least that old, else of the oldest one remembered.
    fn admitted_before(&self, now_ns: u64) -> f64 {
        let ago = |steps: usize| self.admitted[(self.newest + HISTORY - steps) % HISTORY];
        let remembered = self.decided.min(HISTORY - 1);
        (0..remembered)
            .map(ago)
            .find(|(decided_ns, _)| now_ns.saturating_sub(*decided_ns) >= LOOK_BACK_NS)
            .unwrap_or_else(|| ago(remembered))
            .1
    }
}

/// The numbers of the busiest active classes, the busiest first; of equal ones the lower number.
fn busiest(classes: &[ClassSeen]) -> SlotClasses {
    let mut busiest = SlotClasses::new();
    for (number, class) in classes.iter().enumerate().filter(|(_, class)| class.demand_share > 0.0) {
        let behind = |other: &&usize| classes[**other].demand_share.total_cmp(&class.demand_share).is_lt();
        let place = busiest.len() - busiest.iter().rev().take_while(behind).count();
        if place < SLOTS {
            busiest.truncate(SLOTS - 1);
            busiest.insert(place, number);
        }
    }
    busiest
}

fn class_row(class: &ClassSeen, ln_cost: f32, slo_s: f64) -> [f32; 7] {
    let calls = |place: usize| class.call_shares.get(place).map_or(0.0, |share| bounded(*share, 0.0, 1.0));
    [
        1.0,
        bounded(class.demand_share, 0.0, 1.0),
        ln_cost,
        bounded(class.network_delay_s / slo_s, 0.0, 2.0),
        bounded(class.late_fraction, 0.0, 1.0),
        calls(0),
        calls(1),
    ]
}

fn dependency_ratios(dependency: &DependencySeen, admitted_per_s: f64, slo_s: f64) -> [f32; 5] {
    let waiting = (dependency.in_flight - 1.0).max(0.0);
    let (fast, slow) = (dependency.throughput_fast_per_s, dependency.throughput_slow_per_s);
    [
        ratio(waiting, fast * slo_s),
        ratio(waiting, slow * slo_s),
        ratio(fast, dependency.throughput_peak_per_s),
        ratio(dependency.base_s, slo_s),
        // Not limited yet: as much as it takes.
        if admitted_per_s > 0.0 && admitted_per_s.is_finite() { ratio(admitted_per_s, slow) } else { 1.0 },
    ]
}

/// A logarithm within its bounds.
fn clipped(logarithm: f32) -> f32 {
    logarithm.clamp(-LN_MAX, LN_MAX)
}

/// a / b, clipped; 1 where that is not a number, as for 0 over 0.
fn ratio(a: f64, b: f64) -> f32 {
    let ratio = a / b;
    if ratio.is_nan() { 1.0 } else { ratio.clamp(1.0 / RATIO_MAX, RATIO_MAX) as f32 }
}

/// What was added in 200 ms as a share of what completes in that time; one more rating keeps an idle service finite.
fn change(in_flight_change: f64, throughput_per_s: f64) -> f32 {
    bounded(in_flight_change / (0.2 * throughput_per_s + 1.0), -5.0, 5.0)
}

/// `value` within bounds; the lower of them, but at least 0, where it is not a number.
fn bounded(value: f64, lowest: f64, highest: f64) -> f32 {
    if value.is_nan() { lowest.max(0.0) as f32 } else { value.clamp(lowest, highest) as f32 }
}

#[cfg(test)]
mod tests;
