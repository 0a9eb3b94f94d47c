//! Running mean and variance of observations (and of returns), by Chan's parallel update (Chan, Golub, LeVeque 1979):
//! one pass, no catastrophic cancellation.

use crate::environment::End;
use crate::rows::is_present;
use openclaw_controller::policy::{Layout, Normaliser};
use serde::{Deserialize, Serialize};

/// Keeps a feature that hardly varies from being blown up.
const VARIANCE_MIN: f64 = 1e-8;

/// Of one number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Moments {
    count: f64,
    mean: f64,
    /// Sum of squared differences from the mean.
    squares: f64,
}

impl Moments {
    pub(crate) fn add(&mut self, value: f64) {
        self.count += 1.0;
        let difference = value - self.mean;
        self.mean += difference / self.count;
        self.squares += difference * (value - self.mean);
    }

    pub(crate) fn mean(&self) -> f64 {
        self.mean
    }

    /// One until two values are known.
    pub(crate) fn std(&self) -> f64 {
        if self.count < 2.0 { 1.0 } else { (self.squares / self.count + VARIANCE_MIN).sqrt() }
    }
}

/// The running deviation of the discounted return of each copy, for rewards of unknown scale.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct RewardScale {
    returns: Vec<f64>,
    moments: Moments,
}

impl RewardScale {
    pub(crate) fn new(envs: usize) -> Self {
        Self { returns: vec![0.0; envs], moments: Moments::default() }
    }

    pub(crate) fn add(&mut self, rewards: &[f32], ends: &[End], gamma: f64) {
        for ((sum, reward), end) in self.returns.iter_mut().zip(rewards).zip(ends) {
            *sum = gamma * *sum + f64::from(*reward);
            self.moments.add(*sum);
            if *end != End::Running {
                *sum = 0.0;
            }
        }
    }

    /// A reward in units of that deviation, within plus and minus 10.
    pub(crate) fn apply(&self, reward: f32) -> f32 {
        (reward / self.moments.std() as f32).clamp(-10.0, 10.0)
    }

    /// All copies were reset.
    pub(crate) fn abandon(&mut self) {
        self.returns.fill(0.0);
    }
}

/// Of each feature: the shared ones, then those of a slot over all slots that were present.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ObservationMoments(Vec<Moments>);

impl ObservationMoments {
    pub(crate) fn new(layout: &Layout) -> Self {
        Self(vec![Moments::default(); layout.normalised()])
    }

    /// Takes in raw observations, one after the other.
    pub(crate) fn add(&mut self, layout: &Layout, observations: &[f32]) {
        let (shared, slot) = self.0.split_at_mut(layout.shared);
        for observation in observations.chunks_exact(layout.observation()) {
            let (shared_raw, slots) = observation.split_at(layout.shared);
            add_each(shared, shared_raw);
            for raw in slots.chunks_exact(layout.slot.max(1)).filter(|raw| is_present(raw)) {
                add_each(slot, raw);
            }
        }
    }

    /// The presence of a slot passes as it is.
    pub(crate) fn normaliser(&self, layout: &Layout) -> Normaliser {
        let mut mean = self.0.iter().map(|moments| moments.mean as f32).collect::<Vec<_>>();
        let mut std = self.0.iter().map(|moments| moments.std() as f32).collect::<Vec<_>>();
        if layout.slots > 0 {
            mean[layout.shared] = 0.0;
            std[layout.shared] = 1.0;
        }
        Normaliser { mean, std }
    }
}

fn add_each(moments: &mut [Moments], values: &[f32]) {
    moments.iter_mut().zip(values).for_each(|(moments, value)| moments.add(f64::from(*value)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_those_of_all_values() {
        let mut moments = Moments::default();
        [2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0].into_iter().for_each(|value| moments.add(value));
        assert!((moments.mean - 5.0).abs() < 1e-12);
        assert!((moments.std() - 2.0).abs() < 1e-8);
    }

    #[test]
    fn rewards_are_scaled_by_the_deviation_of_their_discounted_sums() {
        let mut scale = RewardScale::new(1);
        scale.add(&[4.0], &[End::Running], 0.5);
        scale.add(&[8.0], &[End::Terminated], 0.5);
        scale.add(&[4.0], &[End::Running], 0.5);
        // Sums 4, 10 and, in the next episode, 4: the deviation is the root of 8.
        assert!((scale.apply(2.0) - 2.0 / 8.0_f32.sqrt()).abs() < 1e-6);
        assert_eq!(scale.apply(1e9), 10.0);
    }

    #[test]
    fn slots_share_their_moments_and_absent_ones_do_not_count() {
        let layout = Layout { shared: 1, slots: 2, slot: 2, actions_shared: 1, actions_slot: 0 };
        let mut moments = ObservationMoments::new(&layout);
        moments.add(&layout, &[1.0, 1.0, 10.0, 1.0, 30.0, 3.0, 0.0, 99.0, 1.0, 20.0]);
        let normaliser = moments.normaliser(&layout);
        assert_eq!(normaliser.mean, [2.0, 0.0, 20.0]);
        assert!((normaliser.std[0] - 1.0).abs() < 1e-6 && normaliser.std[1] == 1.0);
        assert!((normaliser.std[2] - (200.0_f32 / 3.0).sqrt()).abs() < 1e-5);
    }
}
