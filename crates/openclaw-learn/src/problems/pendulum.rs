//! Swinging up a pendulum that is too heavy to be lifted at once: Gymnasium's `Pendulum-v1`.

use crate::copies::{Action, Env};
use crate::environment::{ActionSpace, End};
use openclaw_controller::policy::Layout;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::f64::consts::PI;

const GRAVITY: f64 = 10.0;
const TICK_S: f64 = 0.05;
const SPIN_MAX: f64 = 8.0;
const TORQUE_MAX: f64 = 2.0;
const STEPS_MAX: u32 = 200;

/// One torque; the reward is minus the cost of angle, spin and torque, at best 0 a step, and an episode has 200.
#[derive(Debug, Clone, Default)]
pub struct Pendulum {
    /// From upright, radians.
    angle: f64,
    spin: f64,
    steps: u32,
}

impl Pendulum {
    fn observe(&self, observation: &mut [f32]) {
        let (sin, cos) = self.angle.sin_cos();
        observation.copy_from_slice(&[cos as f32, sin as f32, self.spin as f32]);
    }
}

impl Env for Pendulum {
    fn action(&self) -> ActionSpace {
        ActionSpace::Continuous { len: 1 }
    }

    fn layout(&self) -> Layout {
        Layout { shared: 3, slots: 0, slot: 0, actions_shared: 1, actions_slot: 0 }
    }

    fn reset(&mut self, seed: u64, observation: &mut [f32]) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        self.angle = rng.random_range(-PI..PI);
        self.spin = rng.random_range(-1.0..1.0);
        self.steps = 0;
        self.observe(observation);
    }

    fn step(&mut self, action: Action<'_>, observation: &mut [f32]) -> (f32, End) {
        let Action::Continuous(&[action]) = action else { unreachable!("one continuous action") };
        let torque = TORQUE_MAX * f64::from(action);
        let angle = (self.angle + PI).rem_euclid(2.0 * PI) - PI;
        let cost = angle * angle + 0.1 * self.spin * self.spin + 0.001 * torque * torque;
        let spin = self.spin + (1.5 * GRAVITY * self.angle.sin() + 3.0 * torque) * TICK_S;
        self.spin = spin.clamp(-SPIN_MAX, SPIN_MAX);
        self.angle += self.spin * TICK_S;
        self.steps += 1;
        self.observe(observation);
        (-cost as f32, if self.steps >= STEPS_MAX { End::Truncated } else { End::Running })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Gymnasium 0.29.1 gives for a torque of -0.6.
    #[test]
    fn a_step_equals_gymnasiums() {
        let mut pendulum = Pendulum { angle: 2.0, spin: -1.0, steps: 199 };
        let mut observation = [0.0; 3];
        let (reward, end) = pendulum.step(Action::Continuous(&[-0.3]), &mut observation);
        assert!((reward + 4.100_36).abs() < 1e-5, "{reward}");
        assert_eq!(end, End::Truncated);
        let expected = [-0.397_510_62, 0.917_597_6, -0.408_026_93];
        observation.iter().zip(expected).for_each(|(a, b): (&f32, f32)| assert!((a - b).abs() < 1e-5));
    }
}
