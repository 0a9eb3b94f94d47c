//! The steps that off-policy learners draw from, the newest so many. Observations are kept raw and normalised when
//! they are drawn, so that old ones follow the normaliser.

use crate::compute::Compute;
use crate::environment::{End, StepOut};
use crate::interaction::Interaction;
use crate::rows::{has_slot_head, mask, row_len};
use burn_tensor::Tensor;
use openclaw_controller::policy::Layout;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// A ring of steps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Replay {
    capacity: usize,
    observation_len: usize,
    action_len: usize,
    observations: Vec<f32>,
    /// The final observation where the step was truncated.
    next_observations: Vec<f32>,
    actions: Vec<f32>,
    rewards: Vec<f32>,
    /// 0 after a terminated step, where nothing that follows counts; else 1.
    lives: Vec<f32>,
    /// The oldest step once the ring is full.
    oldest: usize,
}

/// Some steps on the device. What belongs to absent slots is zero.
pub(crate) struct Batch {
    pub(crate) rows: Tensor<2>,
    pub(crate) next_rows: Tensor<2>,
    pub(crate) actions: Tensor<2>,
    /// 1 for each action that was real; none where all are.
    pub(crate) mask: Option<Tensor<2>>,
    /// The same for the observation after.
    pub(crate) next_mask: Option<Tensor<2>>,
    pub(crate) rewards: Tensor<2>,
    pub(crate) lives: Tensor<2>,
}

impl Replay {
    pub(crate) fn new(capacity: usize, layout: &Layout) -> Self {
        let (observation_len, action_len) = (layout.observation(), layout.outputs());
        let none = Vec::new;
        Self {
            capacity,
            observation_len,
            action_len,
            observations: none(),
            next_observations: none(),
            actions: none(),
            rewards: none(),
            lives: none(),
            oldest: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.rewards.len()
    }

    /// Keeps one step of every copy: what was seen, done (a row of numbers, or one-hot) and came of it.
    pub(crate) fn keep(&mut self, observations: &[f32], actions: &[f32], out: &StepOut) {
        for (copy, end) in out.ends.iter().enumerate() {
            let seen = copy * self.observation_len..(copy + 1) * self.observation_len;
            let done = copy * self.action_len..(copy + 1) * self.action_len;
            let next = if *end == End::Truncated { &out.final_observations } else { &out.observations };
            let at = self.room();
            put(&mut self.observations, at, &observations[seen.clone()]);
            put(&mut self.next_observations, at, &next[seen]);
            put(&mut self.actions, at, &actions[done]);
            put(&mut self.rewards, at, &[out.rewards[copy]]);
            put(&mut self.lives, at, &[if *end == End::Terminated { 0.0 } else { 1.0 }]);
        }
    }

    /// Steps drawn with replacement, each as likely as any other.
    ///
    /// # Panics
    /// Where none is kept.
    pub(crate) fn draw(
        &self,
        count: usize,
        interaction: &Interaction,
        compute: &Compute,
        rng: &mut ChaCha8Rng,
    ) -> Batch {
        let layout = &interaction.spec.layout;
        let drawn = (0..count).map(|_| rng.random_range(0..self.len())).collect::<Vec<_>>();
        let pick = |values: &[f32], width: usize| -> Vec<f32> {
            drawn.iter().flat_map(|at| &values[at * width..(at + 1) * width]).copied().collect()
        };
        let (rows, real) = seen(interaction, &pick(&self.observations, self.observation_len));
        let (next_rows, next_real) = seen(interaction, &pick(&self.next_observations, self.observation_len));
        let mut actions = pick(&self.actions, self.action_len);
        if let Some(real) = &real {
            actions.iter_mut().zip(real).for_each(|(action, real)| *action *= real);
        }
        let on_device = |real: Option<Vec<f32>>| real.map(|real| compute.matrix(real, self.action_len));
        Batch {
            rows: compute.matrix(rows, row_len(layout)),
            next_rows: compute.matrix(next_rows, row_len(layout)),
            actions: compute.matrix(actions, self.action_len),
            mask: on_device(real),
            next_mask: on_device(next_real),
            rewards: compute.matrix(pick(&self.rewards, 1), 1),
            lives: compute.matrix(pick(&self.lives, 1), 1),
        }
    }

    /// Whether all lengths agree, as they do unless a checkpoint was tampered with.
    pub(crate) fn fits(&self, other: &Self) -> bool {
        let steps = self.len();
        let observed = steps * self.observation_len;
        (self.capacity, self.observation_len, self.action_len)
            == (other.capacity, other.observation_len, other.action_len)
            && self.observations.len() == observed
            && self.next_observations.len() == observed
            && self.actions.len() == steps * self.action_len
            && self.lives.len() == steps
            && steps <= self.capacity
            && self.oldest < self.capacity
    }

    /// The place of the next step: a new one, or that of the oldest.
    fn room(&mut self) -> usize {
        if self.len() < self.capacity {
            return self.len();
        }
        let at = self.oldest;
        self.oldest = (self.oldest + 1) % self.capacity;
        at
    }
}

fn put(values: &mut Vec<f32>, at: usize, row: &[f32]) {
    let first = at * row.len();
    if first == values.len() {
        values.extend_from_slice(row);
    } else {
        values[first..first + row.len()].copy_from_slice(row);
    }
}

/// Raw observations as the networks see them, and which actions are real where that differs.
fn seen(interaction: &Interaction, observations: &[f32]) -> (Vec<f32>, Option<Vec<f32>>) {
    let layout = &interaction.spec.layout;
    let count = observations.len() / layout.observation();
    let mut rows = vec![0.0; count * row_len(layout)];
    for (observation, row) in
        observations.chunks_exact(layout.observation()).zip(rows.chunks_exact_mut(row_len(layout)))
    {
        interaction.prepare(observation, row);
    }
    let real = has_slot_head(layout).then(|| masks(layout, &rows));
    (rows, real)
}

/// The masks of prepared rows, one after the other.
pub(crate) fn masks(layout: &Layout, rows: &[f32]) -> Vec<f32> {
    let mut masks = vec![0.0; rows.len() / row_len(layout) * layout.outputs()];
    for (row, real) in rows.chunks_exact(row_len(layout)).zip(masks.chunks_exact_mut(layout.outputs())) {
        mask(layout, row, real);
    }
    masks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compute::numbers;
    use crate::environment::{ActionSpace, EnvSpec};
    use rand::SeedableRng;

    fn spec() -> EnvSpec {
        EnvSpec::plain(2, 1, ActionSpace::Continuous { len: 1 })
    }

    fn out(first: f32, ends: [End; 2]) -> StepOut {
        StepOut {
            observations: vec![first, first + 1.0],
            rewards: vec![first * 10.0, first * 10.0 + 10.0],
            ends: ends.to_vec(),
            final_observations: vec![-first, -first - 1.0],
        }
    }

    #[test]
    fn the_newest_steps_are_kept_in_a_ring() {
        let mut replay = Replay::new(3, &spec().layout);
        replay.keep(&[0.0, 1.0], &[0.5, 0.6], &out(1.0, [End::Running, End::Truncated]));
        assert_eq!(replay.next_observations, [1.0, -2.0]);
        replay.keep(&[1.0, 2.0], &[0.7, 0.8], &out(2.0, [End::Terminated, End::Running]));
        assert_eq!(replay.len(), 3);
        assert_eq!(replay.actions, [0.8, 0.6, 0.7]);
        assert_eq!(replay.lives, [1.0, 1.0, 0.0]);
        assert_eq!(replay.rewards, [30.0, 20.0, 20.0]);
        assert!(replay.fits(&Replay::new(3, &spec().layout)));
        assert!(!replay.fits(&Replay::new(4, &spec().layout)));
    }

    #[test]
    fn a_drawn_batch_keeps_what_belongs_together() {
        let interaction = Interaction::new(spec(), false, 0);
        let mut replay = Replay::new(100, &spec().layout);
        for first in 0..4_u8 {
            let first = f32::from(first);
            replay.keep(&[first, first + 1.0], &[first, first + 1.0], &out(first, [End::Running; 2]));
        }
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let batch = replay.draw(64, &interaction, &Compute::cpu(), &mut rng);
        let rows = numbers(batch.rows);
        assert_eq!(numbers(batch.next_rows), rows);
        assert_eq!(numbers(batch.actions), rows);
        let rewards = numbers(batch.rewards);
        rows.iter().zip(&rewards).for_each(|(row, reward)| assert_eq!(row * 10.0, *reward));
        assert!((0..5_u8).all(|value| rows.contains(&f32::from(value))), "{rows:?}");
    }

    #[test]
    fn actions_of_absent_slots_are_drawn_as_zeros() {
        let layout = Layout { shared: 1, slots: 1, slot: 2, actions_shared: 1, actions_slot: 1 };
        let action = ActionSpace::Continuous { len: 2 };
        let spec = EnvSpec { envs: 1, observation_len: 3, action, layout };
        let mut replay = Replay::new(4, &layout);
        let mut out = StepOut::new(&spec);
        out.observations.copy_from_slice(&[5.0, 1.0, 2.0]);
        replay.keep(&[4.0, 0.0, 9.0], &[0.5, 0.5], &out);
        let interaction = Interaction::new(spec, false, 0);
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let batch = replay.draw(1, &interaction, &Compute::cpu(), &mut rng);
        assert_eq!(numbers(batch.actions), [0.5, 0.0]);
        assert_eq!(numbers(batch.mask.unwrap()), [1.0, 0.0]);
        assert_eq!(numbers(batch.next_mask.unwrap()), [1.0, 1.0]);
        assert_eq!(numbers(batch.next_rows), [5.0, 1.0, 2.0, 1.0, 2.0]);
    }
}
