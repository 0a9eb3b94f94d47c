//! Balancing a pole on a cart (Barto, Sutton, Anderson 1983), with the constants, the start and the limit of 500 steps
//! of Gymnasium's `CartPole-v1`, so that returns can be compared.

use crate::copies::{Action, Env};
use crate::environment::{ActionSpace, End};
use openclaw_controller::policy::Layout;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const GRAVITY: f64 = 9.8;
const MASS_CART: f64 = 1.0;
const MASS_POLE: f64 = 0.1;
const MASS: f64 = MASS_CART + MASS_POLE;
/// Half the pole's length.
const LENGTH: f64 = 0.5;
const FORCE: f64 = 10.0;
const TICK_S: f64 = 0.02;
const ANGLE_MAX: f64 = 12.0 * std::f64::consts::PI / 180.0;
const POSITION_MAX: f64 = 2.4;
const STEPS_MAX: u32 = 500;

/// Two choices, push left or right; a reward of 1 for each step until the pole falls.
#[derive(Debug, Clone, Default)]
pub struct CartPole {
    /// Position, velocity, angle, angular velocity.
    state: [f64; 4],
    steps: u32,
}

impl CartPole {
    fn observe(&self, observation: &mut [f32]) {
        observation.iter_mut().zip(self.state).for_each(|(out, value)| *out = value as f32);
    }
}

impl Env for CartPole {
    fn action(&self) -> ActionSpace {
        ActionSpace::Discrete { count: 2 }
    }

    fn layout(&self) -> Layout {
        Layout { shared: 4, slots: 0, slot: 0, actions_shared: 2, actions_slot: 0 }
    }

    fn reset(&mut self, seed: u64, observation: &mut [f32]) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        self.state = std::array::from_fn(|_| rng.random_range(-0.05..0.05));
        self.steps = 0;
        self.observe(observation);
    }

    fn step(&mut self, action: Action<'_>, observation: &mut [f32]) -> (f32, End) {
        let force = if matches!(action, Action::Discrete(1)) { FORCE } else { -FORCE };
        let [position, velocity, angle, spin] = self.state;
        let (sin, cos) = angle.sin_cos();
        let push = (force + MASS_POLE * LENGTH * spin * spin * sin) / MASS;
        let spin_up = (GRAVITY * sin - cos * push) / (LENGTH * (4.0 / 3.0 - MASS_POLE * cos * cos / MASS));
        let speed_up = push - MASS_POLE * LENGTH * spin_up * cos / MASS;
        self.state = [
            position + TICK_S * velocity,
            velocity + TICK_S * speed_up,
            angle + TICK_S * spin,
            spin + TICK_S * spin_up,
        ];
        self.steps += 1;
        self.observe(observation);
        let fallen = self.state[0].abs() > POSITION_MAX || self.state[2].abs() > ANGLE_MAX;
        let end = match (fallen, self.steps >= STEPS_MAX) {
            (true, _) => End::Terminated,
            (false, true) => End::Truncated,
            (false, false) => End::Running,
        };
        (1.0, end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Gymnasium 0.29.1 gives.
    #[test]
    fn steps_equal_gymnasiums() {
        let cases = [
            ([0.0, 0.0, 0.01, 0.0], 1, [0.0, 0.194_977, 0.01, -0.289_511]),
            ([0.1, -0.3, -0.05, 0.4], 0, [0.094, -0.494_378, -0.042, 0.676_509]),
        ];
        for (state, choice, expected) in cases {
            let mut cart = CartPole { state, steps: 0 };
            let mut observation = [0.0; 4];
            assert_eq!(cart.step(Action::Discrete(choice), &mut observation), (1.0, End::Running));
            for (found, expected) in observation.iter().zip(expected) {
                assert!((found - expected).abs() < 2e-6, "{observation:?}");
            }
        }
    }

    #[test]
    fn a_cart_that_is_always_pushed_the_same_way_falls_soon() {
        let mut cart = CartPole::default();
        let mut observation = [0.0; 4];
        cart.reset(1, &mut observation);
        let steps = (1..100).find(|_| cart.step(Action::Discrete(0), &mut observation).1 == End::Terminated);
        assert!(matches!(steps, Some(7..12)), "{steps:?}");
    }
}
