//! Generalised advantage estimation (Schulman et al. 2016).

use crate::environment::End;
use crate::moments::Moments;

/// Steps of several copies, row `tick * envs + copy`.
#[derive(Debug)]
pub(crate) struct Steps<'a> {
    pub(crate) envs: usize,
    pub(crate) rewards: &'a [f32],
    pub(crate) ends: &'a [End],
    /// The critic's value of each observation acted on.
    pub(crate) values: &'a [f32],
    /// The value of what follows the last tick, for each copy.
    pub(crate) last_values: &'a [f32],
    /// The value of the final observation of each truncated step, in the order of the rows.
    pub(crate) truncated_values: &'a [f32],
}

/// The advantage of each step.
///
/// After a terminated step nothing is worth anything; after a truncated one the final observation still is, though
/// the estimate does not reach into the next episode ("Time Limits in Reinforcement Learning", Pardo et al. 2018).
pub(crate) fn advantages(steps: &Steps<'_>, gamma: f64, lambda: f64) -> Vec<f32> {
    let (gamma, decay) = (gamma as f32, (gamma * lambda) as f32);
    let mut advantages = vec![0.0; steps.rewards.len()];
    let mut next_values = steps.last_values.to_vec();
    let mut following = vec![0.0_f32; steps.envs];
    let mut truncated = steps.truncated_values.iter().rev();
    for row in (0..steps.rewards.len()).rev() {
        let copy = row % steps.envs;
        let (next_value, carried) = match steps.ends[row] {
            End::Running => (next_values[copy], following[copy]),
            End::Terminated => (0.0, 0.0),
            End::Truncated => (*truncated.next().expect("a value for each truncated step"), 0.0),
        };
        let surprise = steps.rewards[row] + gamma * next_value - steps.values[row];
        following[copy] = surprise + decay * carried;
        next_values[copy] = steps.values[row];
        advantages[row] = following[copy];
    }
    advantages
}

/// To mean 0 and deviation 1; a single value stays.
pub(crate) fn normalised(mut values: Vec<f32>) -> Vec<f32> {
    if values.len() < 2 {
        return values;
    }
    let mut moments = Moments::default();
    values.iter().for_each(|value| moments.add(f64::from(*value)));
    let (mean, std) = (moments.mean() as f32, moments.std() as f32);
    values.iter_mut().for_each(|value| *value = (*value - mean) / std);
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One copy, gamma .5, lambda .5: the surprises are weighted by powers of .25.
    fn of(ends: [End; 3], truncated_values: &[f32]) -> Vec<f32> {
        let steps = Steps {
            envs: 1,
            rewards: &[1.0, 2.0, 3.0],
            ends: &ends,
            values: &[10.0, 20.0, 30.0],
            last_values: &[40.0],
            truncated_values,
        };
        advantages(&steps, 0.5, 0.5)
    }

    #[test]
    fn without_an_end_the_surprises_add_up() {
        // 3 + 20 - 30 = -7; 2 + 15 - 20 = -3, -7/4 more; 1 + 10 - 10 = 1, -4.75/4 more.
        assert_eq!(of([End::Running; 3], &[]), [-0.1875, -4.75, -7.0]);
    }

    #[test]
    fn termination_leaves_nothing_behind_it() {
        // 2 - 20 = -18; 1 + 10 - 10 = 1, -18/4 more.
        assert_eq!(of([End::Running, End::Terminated, End::Running], &[]), [-3.5, -18.0, -7.0]);
    }

    #[test]
    fn truncation_counts_the_final_observation_but_not_the_next_episode() {
        // 2 + .5 * 8 - 20 = -14; 1 + 10 - 10 = 1, -14/4 more.
        assert_eq!(of([End::Running, End::Truncated, End::Running], &[8.0]), [-2.5, -14.0, -7.0]);
    }

    #[test]
    fn copies_and_their_truncations_do_not_mix() {
        let steps = Steps {
            envs: 2,
            rewards: &[0.0; 4],
            ends: &[End::Truncated, End::Running, End::Running, End::Truncated],
            values: &[0.0; 4],
            last_values: &[1.0, 5.0],
            truncated_values: &[10.0, 100.0],
        };
        assert_eq!(advantages(&steps, 1.0, 1.0), [10.0, 100.0, 1.0, 100.0]);
    }

    #[test]
    fn normalised_advantages_have_no_mean_and_unit_deviation() {
        assert_eq!(normalised(vec![7.0]), [7.0]);
        let found = normalised(vec![1.0, 3.0, 5.0, 7.0]);
        let expected = [-3.0, -1.0, 1.0, 3.0].map(|value: f32| value / 5.0_f32.sqrt());
        found.iter().zip(expected).for_each(|(a, b)| assert!((a - b).abs() < 1e-6, "{found:?}"));
    }
}
