//! The sums of rewards of the episodes that are running, for progress reports.

use crate::environment::End;
use serde::{Deserialize, Serialize};

/// One running sum for each copy, and the episodes that ended since they were last taken.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Episodes {
    running: Vec<f64>,
    ended: u64,
    sum: f64,
}

impl Episodes {
    pub(crate) fn new(envs: usize) -> Self {
        Self { running: vec![0.0; envs], ended: 0, sum: 0.0 }
    }

    pub(crate) fn add(&mut self, rewards: &[f32], ends: &[End]) {
        for ((running, reward), end) in self.running.iter_mut().zip(rewards).zip(ends) {
            *running += f64::from(*reward);
            if *end != End::Running {
                self.ended += 1;
                self.sum += *running;
                *running = 0.0;
            }
        }
    }

    /// All copies were reset.
    pub(crate) fn abandon(&mut self) {
        self.running.fill(0.0);
    }

    /// The mean of those that ended, where one did, and their number; then counts anew.
    pub(crate) fn take(&mut self) -> (Option<f64>, u64) {
        let taken = ((self.ended > 0).then(|| self.sum / self.ended as f64), self.ended);
        (self.ended, self.sum) = (0, 0.0);
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_episodes_are_reported() {
        let mut episodes = Episodes::new(2);
        assert_eq!(episodes.take(), (None, 0));
        episodes.add(&[1.0, 10.0], &[End::Running, End::Running]);
        episodes.add(&[2.0, 10.0], &[End::Terminated, End::Running]);
        episodes.add(&[5.0, 10.0], &[End::Truncated, End::Running]);
        assert_eq!(episodes.take(), (Some(4.0), 2));
        episodes.abandon();
        episodes.add(&[0.0, 7.0], &[End::Running, End::Terminated]);
        assert_eq!(episodes.take(), (Some(7.0), 1));
    }
}
