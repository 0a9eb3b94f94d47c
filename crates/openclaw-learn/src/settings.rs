//! The algorithms by name, for command lines and settings files.

use crate::compute::Compute;
use crate::ddpg::{Ddpg, DdpgSettings};
use crate::dqn::{Dqn, DqnSettings};
use crate::environment::EnvSpec;
use crate::learner::{LearnError, Learner};
use crate::ppo::{Ppo, PpoSettings};
use crate::sac::{Sac, SacSettings};
use serde::{Deserialize, Serialize};

/// An algorithm with what it learns by; in a file, `algorithm` names it and its settings stand beside it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "algorithm", rename_all = "camelCase")]
pub enum Settings {
    /// Proximal policy optimisation; discrete or continuous.
    Ppo(PpoSettings),
    /// Deep Q-learning; discrete.
    Dqn(DqnSettings),
    /// Soft actor-critic; continuous.
    Sac(SacSettings),
    /// Deep deterministic policy gradient; continuous.
    Ddpg(DdpgSettings),
}

impl Settings {
    /// Every algorithm's name.
    pub const NAMES: [&'static str; 4] = ["ppo", "dqn", "sac", "ddpg"];

    /// An algorithm's defaults; none where there is none of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "ppo" => Some(Self::Ppo(PpoSettings::default())),
            "dqn" => Some(Self::Dqn(DqnSettings::default())),
            "sac" => Some(Self::Sac(SacSettings::default())),
            "ddpg" => Some(Self::Ddpg(DdpgSettings::default())),
            _ => None,
        }
    }

    /// The algorithm's name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Ppo(_) => "ppo",
            Self::Dqn(_) => "dqn",
            Self::Sac(_) => "sac",
            Self::Ddpg(_) => "ddpg",
        }
    }

    /// Begins a run. The same settings, shapes, seed and device give the same run, bit for bit.
    ///
    /// # Errors
    /// The shapes do not fit together or to the algorithm, or a setting is out of its range.
    pub fn begin(self, spec: EnvSpec, seed: u64, compute: Compute) -> Result<Box<dyn Learner>, LearnError> {
        Ok(match self {
            Self::Ppo(settings) => Box::new(Ppo::new(settings, spec, seed, compute)?),
            Self::Dqn(settings) => Box::new(Dqn::new(settings, spec, seed, compute)?),
            Self::Sac(settings) => Box::new(Sac::new(settings, spec, seed, compute)?),
            Self::Ddpg(settings) => Box::new(Ddpg::new(settings, spec, seed, compute)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_an_algorithm_that_knows_its_name() {
        for name in Settings::NAMES {
            let written = serde_json::to_value(Settings::named(name).unwrap()).unwrap();
            assert_eq!(written["algorithm"], name);
        }
        assert_eq!(Settings::named("a2c"), None);
    }

    #[test]
    fn a_file_names_what_differs_from_the_defaults() {
        let read = serde_json::from_str::<Settings>(r#"{"algorithm":"ppo","gaeLambda":0.9}"#).unwrap();
        assert_eq!(read, Settings::Ppo(PpoSettings { gae_lambda: 0.9, ..PpoSettings::default() }));
        let error = serde_json::from_str::<Settings>(r#"{"algorithm":"ppo","gammma":0.9}"#).unwrap_err();
        assert!(error.to_string().contains("gammma"), "{error}");
    }
}
