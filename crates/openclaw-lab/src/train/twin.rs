//! What little-guard is paid in the same world, tick by tick: what a decision's reward is measured against.
//!
//! How good a tick can be hangs on the scenario more than on the decision: a pause or a flash crowd costs every
//! controller. In a simulator the same demand and the same capacity can be played to another controller, and its reward
//! taken off. That depends on nothing the policy does, so it moves no optimum; it takes out most of the noise. This is the
//! input-dependent baseline of Mao et al., "Variance Reduction for Reinforcement Learning in Input-Driven
//! Environments" (ICLR 2019), with a played course in the place of a learned one. It costs one more simulation.

use std::sync::Arc;

use openclaw_controller::{Controller, LittleGuard};
use openclaw_sim::{SimSettings, Simulation, World};

/// The course of little-guard in one world.
#[derive(Debug, Default)]
pub(super) struct Twin {
    /// When each decision's outcome was known, in seconds, and its reward.
    rewards: Vec<(f64, f64)>,
    next: usize,
}

impl Twin {
    /// Plays the whole course.
    pub(super) fn play(world: &Arc<World>) -> Self {
        let mut little_guard = LittleGuard::new(world.start_per_s());
        let mut simulation = Simulation::in_world(Arc::clone(world), SimSettings::default());
        let mut rewards = Vec::new();
        loop {
            let decision = simulation.next_decision();
            rewards.push((simulation.now_s(), simulation.tick_outcome().reward()));
            match decision {
                None => return Self { rewards, next: 0 },
                Some(None) => {}
                Some(Some(seen)) => simulation.act(&little_guard.decide(&seen)),
            }
        }
    }

    /// What was paid since the last call, up to `now_s`; 0 where no course was played.
    pub(super) fn paid_until(&mut self, now_s: f64) -> f64 {
        // Both courses reckon the same ticks, which rounding must not part.
        const ROUNDING_S: f64 = 1e-6;
        let due = self.rewards[self.next..].iter().take_while(|(at_s, _)| *at_s <= now_s + ROUNDING_S);
        let (count, sum) = due.fold((0, 0.0), |(count, sum), (_, reward)| (count + 1, sum + reward));
        self.next += count;
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rewards_are_paid_once_each_and_in_time() {
        let mut twin = Twin { rewards: vec![(0.1, 1.0), (0.2, 2.0), (0.4, 4.0)], next: 0 };
        assert_eq!(twin.paid_until(0.2), 3.0);
        assert_eq!(twin.paid_until(0.3), 0.0);
        assert_eq!(twin.paid_until(9.0), 4.0);
        assert_eq!(twin.paid_until(9.0), 0.0);
        assert_eq!(Twin::default().paid_until(9.0), 0.0);
    }
}
