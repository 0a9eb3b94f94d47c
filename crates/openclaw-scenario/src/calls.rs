//! Which requests call which dependency.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::scenario::Scenario;
use crate::streams::Stream;

/// Draws, request by request, the dependencies that it will call.
#[derive(Clone, Debug)]
pub struct Calls {
    /// By class, then by dependency.
    fractions: Vec<Vec<f64>>,
    rng: ChaCha8Rng,
}

impl Calls {
    /// The calls of `scenario`.
    #[must_use]
    pub fn for_scenario(scenario: &Scenario) -> Self {
        let of_class = |class: usize| {
            let dependencies = scenario.dependencies.iter();
            dependencies.map(|dependency| scenario.call_fraction(class, dependency)).collect()
        };
        Self {
            fractions: (0..=scenario.request_classes.len()).map(of_class).collect(),
            rng: Stream::Calls.rng(scenario.seed),
        }
    }

    /// Whether a request of `class` (0 is the plain one) calls the dependency of that index. Ask once for
    /// each dependency when the request enters, in their order; then the same requests make the same calls
    /// in every run.
    ///
    /// # Panics
    /// If the scenario has no such class or dependency.
    pub fn draw(&mut self, class: usize, dependency: usize) -> bool {
        let fraction = self.fractions[class][dependency];
        self.rng.random_bool(fraction)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ScenarioFile;

    #[test]
    fn a_class_calls_by_its_own_fraction_and_the_plain_one_by_the_dependencys() {
        let text = r#"{"scenarios":[{"name":"calls","description":"two classes","seed":3,"durationS":10,
            "service":{"workers":4,"serviceTime":{"distribution":"lognormal","meanMs":10,"cv":0.5},"queueMax":10,
            "clientTimeoutMs":500},"load":0.5,
            "requestClasses":[{"context":{"deviceType":"tv"},"userFraction":0.3,"callFraction":0.9}],
            "dependencies":[{"name":"moderation","workers":4,"callFraction":0.2,
            "serviceTime":{"distribution":"lognormal","meanMs":10,"cv":0.5}}]}]}"#;
        let scenario = ScenarioFile::parse(text).unwrap().scenarios.remove(0);
        let mut calls = Calls::for_scenario(&scenario);
        let share = |class: usize, calls: &mut Calls| {
            (0..10_000).filter(|_| calls.draw(class, 0)).count() as f64 / 10_000.0
        };
        // Four standard errors.
        assert!((share(0, &mut calls) - 0.2).abs() < 0.016);
        assert!((share(1, &mut calls) - 0.9).abs() < 0.012);
    }
}
