//! Drawing service times.

use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, LogNormal, Pareto};

use crate::scenario::{Scenario, ServiceTime};
use crate::streams::Stream;

/// An endless sequence of service times.
#[derive(Clone, Debug)]
pub struct ServiceTimes {
    shape: Shape,
    rng: ChaCha8Rng,
}

#[derive(Clone, Copy, Debug)]
enum Shape {
    Constant(f64),
    Lognormal(LogNormal<f64>),
    Pareto(Pareto<f64>),
}

impl ServiceTimes {
    /// Times of a stage's distribution, drawn from `rng`.
    #[must_use]
    pub fn new(time: ServiceTime, rng: ChaCha8Rng) -> Self {
        let mean_s = time.mean_s();
        // The parser's bounds exclude the parameters that these constructors refuse; a hand-made value
        // outside them is served as a constant.
        let shape = match time {
            ServiceTime::Lognormal { cv, .. } if cv > 0.0 => {
                let variance = (1.0 + cv * cv).ln();
                LogNormal::new(mean_s.ln() - variance / 2.0, variance.sqrt()).ok().map(Shape::Lognormal)
            }
            ServiceTime::Lognormal { .. } => None,
            ServiceTime::Pareto { alpha, .. } => {
                Pareto::new(mean_s * (alpha - 1.0) / alpha, alpha).ok().map(Shape::Pareto)
            }
        };
        Self { shape: shape.unwrap_or(Shape::Constant(mean_s)), rng }
    }

    /// Times of the first stage of `scenario`.
    #[must_use]
    pub fn for_service(scenario: &Scenario) -> Self {
        Self::new(scenario.service.service_time, Stream::Service.rng(scenario.seed))
    }

    /// Times of one dependency of `scenario`; `None` if there is no such index.
    #[must_use]
    pub fn for_dependency(scenario: &Scenario, index: usize) -> Option<Self> {
        let dependency = scenario.dependencies.get(index)?;
        let stream = Stream::Dependency(u32::try_from(index).ok()?);
        Some(Self::new(dependency.service_time, stream.rng(scenario.seed)))
    }

    /// The next time in seconds, of a plain request.
    pub fn draw_s(&mut self) -> f64 {
        match self.shape {
            Shape::Constant(mean_s) => mean_s,
            Shape::Lognormal(lognormal) => lognormal.sample(&mut self.rng),
            Shape::Pareto(pareto) => pareto.sample(&mut self.rng),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean_and_cv(time: ServiceTime) -> (f64, f64) {
        let mut times = ServiceTimes::new(time, Stream::Service.rng(11));
        let draws: Vec<f64> = (0..200_000).map(|_| times.draw_s()).collect();
        let mean = draws.iter().sum::<f64>() / draws.len() as f64;
        let variance = draws.iter().map(|draw| (draw - mean).powi(2)).sum::<f64>() / draws.len() as f64;
        (mean, variance.sqrt() / mean)
    }

    #[test]
    fn lognormal_times_have_the_stated_mean_and_variation() {
        let (mean, cv) = mean_and_cv(ServiceTime::Lognormal { mean_ms: 25.0, cv: 0.7 });
        assert!((mean / 0.025 - 1.0).abs() < 0.01, "{mean}");
        assert!((cv - 0.7).abs() < 0.02, "{cv}");
    }

    #[test]
    fn pareto_times_have_the_stated_mean() {
        let (mean, _) = mean_and_cv(ServiceTime::Pareto { mean_ms: 20.0, alpha: 3.0 });
        assert!((mean / 0.020 - 1.0).abs() < 0.01, "{mean}");
    }

    #[test]
    fn no_variation_makes_a_constant() {
        let (mean, cv) = mean_and_cv(ServiceTime::Lognormal { mean_ms: 20.0, cv: 0.0 });
        assert!((mean - 0.020).abs() < 1e-9);
        assert!(cv < 1e-9);
    }
}
