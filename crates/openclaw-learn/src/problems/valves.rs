//! Opening valves to what each pipe needs, with pipes that come and go: the smallest problem that only a network with
//! slots solves for any number of them.

use crate::copies::{Action, Env};
use crate::environment::{ActionSpace, End};
use openclaw_controller::policy::Layout;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const SLOTS: usize = 3;
const STEPS_MAX: u32 = 16;

/// Three slots, each present half of the time: a slot's action should be its need, scaled by a shared gain; the shared
/// action should be the largest need among the present ones.
#[derive(Debug, Clone, Default)]
pub struct Valves {
    rng: Option<ChaCha8Rng>,
    gain: f32,
    needs: [Option<f32>; SLOTS],
    steps: u32,
}

impl Valves {
    fn draw(&mut self, observation: &mut [f32]) {
        let Some(rng) = &mut self.rng else { return };
        self.gain = rng.random_range(-1.0..1.0);
        self.needs = std::array::from_fn(|_| rng.random_bool(0.5).then(|| rng.random_range(-1.0..1.0)));
        observation[0] = self.gain;
        for (slot, need) in observation[1..].chunks_exact_mut(2).zip(self.needs) {
            slot.copy_from_slice(&need.map_or([0.0, 0.0], |need| [1.0, need]));
        }
    }
}

impl Env for Valves {
    fn action(&self) -> ActionSpace {
        ActionSpace::Continuous { len: 1 + SLOTS }
    }

    fn layout(&self) -> Layout {
        Layout { shared: 1, slots: SLOTS, slot: 2, actions_shared: 1, actions_slot: 1 }
    }

    fn reset(&mut self, seed: u64, observation: &mut [f32]) {
        self.rng = Some(ChaCha8Rng::seed_from_u64(seed));
        self.steps = 0;
        self.draw(observation);
    }

    fn step(&mut self, action: Action<'_>, observation: &mut [f32]) -> (f32, End) {
        let Action::Continuous(action) = action else { unreachable!("continuous actions") };
        let present = self.needs.iter().flatten();
        let largest = present
            .copied()
            .fold(None, |most: Option<f32>, need| Some(most.map_or(need, |most| most.max(need))));
        let mut cost = (action[0] - largest.unwrap_or(0.0)).powi(2);
        for (need, action) in self.needs.iter().zip(&action[1..]) {
            cost += need.map_or(0.0, |need| (action - 0.8 * (need + self.gain).clamp(-1.0, 1.0)).powi(2));
        }
        self.steps += 1;
        self.draw(observation);
        (-cost, if self.steps >= STEPS_MAX { End::Truncated } else { End::Running })
    }
}
