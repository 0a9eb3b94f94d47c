//! Bringing a frictionless mass to rest at the origin: the smallest problem that needs planning ahead, and quick enough
//! for a test suite. It moves between two walls, so that no bad policy makes numbers without bounds.

use crate::copies::{Action, Env};
use crate::environment::{ActionSpace, End};
use openclaw_controller::policy::Layout;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const TICK_S: f32 = 0.1;
/// Where the walls are, and the highest speed.
const WALL: f32 = 2.0;
const SPEED_MAX: f32 = 2.0;
const STEPS_MAX: u32 = 60;

/// One force; the reward is minus the quadratic cost of position, velocity and force.
#[derive(Debug, Clone, Default)]
pub struct DoubleIntegrator {
    position: f32,
    velocity: f32,
    steps: u32,
}

impl Env for DoubleIntegrator {
    fn action(&self) -> ActionSpace {
        ActionSpace::Continuous { len: 1 }
    }

    fn layout(&self) -> Layout {
        Layout { shared: 2, slots: 0, slot: 0, actions_shared: 1, actions_slot: 0 }
    }

    fn reset(&mut self, seed: u64, observation: &mut [f32]) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        self.position = rng.random_range(-1.0..1.0);
        self.velocity = rng.random_range(-0.5..0.5);
        self.steps = 0;
        observation.copy_from_slice(&[self.position, self.velocity]);
    }

    fn step(&mut self, action: Action<'_>, observation: &mut [f32]) -> (f32, End) {
        let Action::Continuous(&[force]) = action else { unreachable!("one continuous action") };
        let cost = self.position.powi(2) + 0.1 * self.velocity.powi(2) + 0.01 * force.powi(2);
        self.position += TICK_S * self.velocity;
        self.velocity = (self.velocity + TICK_S * 2.0 * force).clamp(-SPEED_MAX, SPEED_MAX);
        if self.position.abs() >= WALL {
            self.position = self.position.clamp(-WALL, WALL);
            self.velocity = 0.0;
        }
        self.steps += 1;
        observation.copy_from_slice(&[self.position, self.velocity]);
        (-cost, if self.steps >= STEPS_MAX { End::Truncated } else { End::Running })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mass_moves_by_its_velocity_and_stops_at_the_wall() {
        let mut mass = DoubleIntegrator { position: 1.0, velocity: 0.5, steps: 0 };
        let mut observation = [0.0; 2];
        let (reward, end) = mass.step(Action::Continuous(&[-1.0]), &mut observation);
        assert!((reward + 1.035).abs() < 1e-6 && end == End::Running);
        assert!((observation[0] - 1.05).abs() < 1e-6 && (observation[1] - 0.3).abs() < 1e-6);
        let mut mass = DoubleIntegrator { position: 1.9, velocity: 2.0, steps: STEPS_MAX - 1 };
        assert_eq!(mass.step(Action::Continuous(&[1.0]), &mut observation).1, End::Truncated);
        assert_eq!(observation, [WALL, 0.0]);
    }

    /// Pushing back by position and velocity is what the optimum looks like; nothing learned should be far from it.
    #[test]
    fn a_linear_controller_shows_what_can_be_had() {
        let mut sum = 0.0;
        for seed in 0..100 {
            let (mut mass, mut observation) = (DoubleIntegrator::default(), [0.0; 2]);
            mass.reset(seed, &mut observation);
            loop {
                let force = (-2.0 * observation[0] - 1.5 * observation[1]).clamp(-1.0, 1.0);
                let (reward, end) = mass.step(Action::Continuous(&[force]), &mut observation);
                sum += reward;
                if end != End::Running {
                    break;
                }
            }
        }
        assert!((-4.0..-2.0).contains(&(sum / 100.0)), "{}", sum / 100.0);
    }
}
