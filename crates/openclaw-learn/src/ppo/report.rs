//! What an update tells of itself: sums over its last epoch, as the scalars that the run's log shows.

use super::Loss;
use crate::compute::numbers;
use crate::environment::ActionSpace;
use burn_tensor::Tensor;

/// Sums over an epoch.
#[derive(Default)]
pub(super) struct Report {
    policy: f64,
    value: f64,
    entropy: f64,
    kl: f64,
    clipped: f64,
    minibatches: f64,
    pub(super) epochs: usize,
}

impl Report {
    pub(super) fn add(&mut self, loss: &Loss, clip: f64) {
        let ratios = numbers(loss.log_ratio.clone().inner());
        let rows = ratios.len() as f64;
        for log_ratio in ratios.into_iter().map(f64::from) {
            let ratio = log_ratio.exp();
            // Schulman's estimate of the divergence that is never negative.
            self.kl += (ratio - 1.0 - log_ratio) / rows;
            self.clipped += f64::from((ratio - 1.0).abs() > clip) / rows;
        }
        let number = |tensor: &Tensor<1>| f64::from(numbers(tensor.clone().inner())[0]);
        self.policy += number(&loss.policy);
        self.value += number(&loss.value);
        self.entropy += number(&loss.entropy);
        self.minibatches += 1.0;
    }

    pub(super) fn kl(&self) -> f64 {
        self.kl / self.minibatches
    }

    pub(super) fn scalars(
        &self,
        learning_rate: f64,
        log_std: f64,
        action: &ActionSpace,
    ) -> Vec<(&'static str, f64)> {
        let mut scalars = vec![
            ("loss/policy", self.policy / self.minibatches),
            ("loss/value", self.value / self.minibatches),
            ("policy/entropy", self.entropy / self.minibatches),
            ("policy/kl", self.kl()),
            ("policy/clipped_fraction", self.clipped / self.minibatches),
            ("update/epochs", self.epochs as f64),
            ("update/learning_rate", learning_rate),
        ];
        if matches!(action, ActionSpace::Continuous { .. }) {
            scalars.push(("policy/log_std", log_std));
        }
        scalars
    }
}
