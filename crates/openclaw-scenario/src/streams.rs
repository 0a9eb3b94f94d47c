//! One seed, many independent streams of random numbers.
//!
//! Demand must not depend on how many service times a controller caused to be drawn, so each concern has a
//! ChaCha stream of its own. ChaCha was preferred to the faster xoshiro family because its output is fixed
//! by specification and its streams are provably disjoint.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// What a stream of random numbers is for.
///
/// The numbers are part of the format: changing one changes every scenario's realisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stream {
    /// Which users are bursty, abusive, of which class, and so on.
    Population,
    /// Numbers and instants of first attempts.
    Demand,
    /// On/off phases of bursty users.
    Bursts,
    /// How often a refused client tries again. [`Arrival::retries_max`](crate::Arrival::retries_max) holds the
    /// draw, so that it is the same whatever a controller refuses; waits between tries are not random.
    Retries,
    /// Pauses of the service.
    Pauses,
    /// Noisy neighbours.
    NoisyNeighbour,
    /// Service times of the first stage.
    Service,
    /// Which requests call which dependency.
    Calls,
    /// Lost feedback.
    Feedback,
    /// Parameters of scenarios that are sampled from a family.
    Parameters,
    /// Requests that are tried out to see whether a sampled scenario asks for the impossible.
    Probe,
    /// Service times of the dependency of this index.
    Dependency(u32),
}

impl Stream {
    /// The generator of this stream for `seed`.
    #[must_use]
    pub fn rng(self, seed: u64) -> ChaCha8Rng {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(self.number());
        rng
    }

    fn number(self) -> u64 {
        match self {
            Self::Population => 1,
            Self::Demand => 2,
            Self::Bursts => 3,
            Self::Retries => 4,
            Self::Pauses => 5,
            Self::NoisyNeighbour => 6,
            Self::Service => 7,
            Self::Calls => 8,
            Self::Feedback => 9,
            Self::Parameters => 10,
            Self::Probe => 11,
            Self::Dependency(index) => 1_000 + u64::from(index),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::RngExt;

    #[test]
    fn streams_of_one_seed_differ_and_repeat() {
        let draw = |stream: Stream| stream.rng(7).random::<u64>();
        assert_eq!(draw(Stream::Demand), draw(Stream::Demand));
        assert_ne!(draw(Stream::Demand), draw(Stream::Pauses));
        assert_ne!(draw(Stream::Dependency(0)), draw(Stream::Dependency(1)));
    }
}
