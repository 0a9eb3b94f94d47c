//! Which batches of events get lost on their way to the controller.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::scenario::Scenario;
use crate::streams::Stream;

/// Draws, batch by batch, whether it is lost. Batches leave on a clock, not by load, so that the same ones
/// are lost whatever a controller lets through.
#[derive(Clone, Debug)]
pub struct FeedbackLosses {
    fraction: f64,
    rng: ChaCha8Rng,
}

impl FeedbackLosses {
    /// The losses of `scenario`.
    #[must_use]
    pub fn for_scenario(scenario: &Scenario) -> Self {
        Self { fraction: scenario.feedback.loss_fraction, rng: Stream::Feedback.rng(scenario.seed) }
    }

    /// Whether the next batch is lost.
    pub fn next_is_lost(&mut self) -> bool {
        self.rng.random_bool(self.fraction)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_lost_in_the_stated_fraction_and_alike_in_every_run() {
        let mut scenario = crate::demo();
        scenario.feedback.loss_fraction = 0.2;
        let lost: Vec<bool> = {
            let mut losses = FeedbackLosses::for_scenario(&scenario);
            (0..10_000).map(|_| losses.next_is_lost()).collect()
        };
        let fraction = lost.iter().filter(|lost| **lost).count() as f64 / 10_000.0;
        assert!((fraction - 0.2).abs() < 0.016, "{fraction}");
        let mut again = FeedbackLosses::for_scenario(&scenario);
        assert!(lost.iter().all(|lost| *lost == again.next_is_lost()));
        scenario.feedback.loss_fraction = 0.0;
        assert!(!FeedbackLosses::for_scenario(&scenario).next_is_lost());
    }
}
