//! Every controller by name, with what can be tuned in it: for the command line, for files and for the tuner.
//!
//! The list is written by hand, once. A registry to which controllers add themselves was the alternative; its order
//! would be the linker's.

use std::fmt;
use std::str::FromStr;

use crate::classical::{
    Aimd, AimdSettings, Aperture, ApertureSettings, Bouncer, BouncerSettings, Breakwater, BreakwaterSettings,
    Dagor, DagorSettings, EnvoyGradient, EnvoyGradientSettings, Fixed, FixedSettings, Gradient2,
    Gradient2Settings, Parameter, Pid, PidSettings, Seda, SedaSettings, SlaGradient, SlaGradientSettings,
    StaticTotal, StaticTotalSettings, TopFullMimd, TopFullMimdSettings, TopFullStep, TopFullStepSettings,
    Values, Vegas, VegasSettings,
};
use crate::little_guard::{LittleGuard, LittleGuardSettings};
use crate::observation::Controller;

/// Declares the kinds: variant, name, and the settings whose parameters it has.
macro_rules! kinds {
    ($( $(#[$doc:meta])* $kind:ident, $name:literal, $parameters:expr; )*) => {
        /// Which controller decides.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ControllerKind {
            $( $(#[$doc])* $kind, )*
        }

        impl ControllerKind {
            /// All of them, the plainest first.
            pub const ALL: &'static [Self] = &[ $( Self::$kind, )* ];

            /// Their names, in the same order.
            pub const NAMES: &'static [&'static str] = &[ $( $name, )* ];

            /// Its name, as the command line, the configuration and reports have it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $( Self::$kind => $name, )* }
            }

            /// What can be tuned in it, in the order in which [`Self::build`] takes the values.
            #[must_use]
            pub const fn parameters(self) -> &'static [Parameter] {
                match self { $( Self::$kind => $parameters, )* }
            }
        }
    };
}

kinds! {
    /// Every user has the configured bucket, for ever.
    Static, "static", FixedSettings::PARAMETERS;
    /// A constant total, shared by water-filling.
    StaticTotal, "static-total", StaticTotalSettings::PARAMETERS;
    /// Additive increase, multiplicative decrease on the 95th percentile.
    Aimd, "aimd", AimdSettings::PARAMETERS;
    /// TopFull's multiplicative increase and decrease.
    TopFullMimd, "topfull-mimd", TopFullMimdSettings::PARAMETERS;
    /// The shape of TopFull's learned policy, as a rule.
    TopFullStep, "topfull-step", TopFullStepSettings::PARAMETERS;
    /// Aperture's load multiplier.
    Aperture, "aperture", ApertureSettings::PARAMETERS;
    /// SEDA's percentile controller.
    Seda, "seda", SedaSettings::PARAMETERS;
    /// A concurrency limit by objective over percentile.
    SlaGradient, "sla-gradient", SlaGradientSettings::PARAMETERS;
    /// Netflix' concurrency limit by long-term over present latency.
    Gradient2, "gradient2", Gradient2Settings::PARAMETERS;
    /// Netflix' concurrency limit that keeps a few requests queued.
    Vegas, "vegas", VegasSettings::PARAMETERS;
    /// Envoy's concurrency limit by measured ideal over present latency.
    EnvoyGradient, "envoy-gradient", EnvoyGradientSettings::PARAMETERS;
    /// Cinnamon's PID on what enters and leaves.
    Pid, "pid", PidSettings::PARAMETERS;
    /// Breakwater's credits by queueing delay.
    Breakwater, "breakwater", BreakwaterSettings::PARAMETERS;
    /// DAGOR's admission level by queueing time.
    Dagor, "dagor", DagorSettings::PARAMETERS;
    /// Bouncer's estimate of who can meet the objective.
    Bouncer, "bouncer", BouncerSettings::PARAMETERS;
    /// Little's law with an in-flight guard, to which all requests are plain.
    LittleGuardBlind, "little-guard-blind", LITTLE_GUARD;
    /// Little's law with an in-flight guard: the default.
    LittleGuard, "little-guard", LITTLE_GUARD;
}

/// What can be tuned in little-guard, in the order in which [`little_guard_settings`] takes the values.
const LITTLE_GUARD: &[Parameter] = &[
    Parameter::even("fastShare", 0.0, 1.0, 0.57),
    Parameter::even("waitGoal", 0.05, 0.9, 0.26),
    Parameter::log("gain", 0.1, 4.0, 1.06),
    Parameter::even("lnStepMin", -3.0, -0.1, -2.0),
    Parameter::even("lnStepMax", 0.05, 2.0, 1.01),
    Parameter::even("guardShare", 0.1, 0.9, 0.36),
    Parameter::log("bucketS", 0.1, 5.0, 1.8),
    Parameter::log("headroom", 1.0, 10.0, 5.0),
];

fn little_guard_settings(values: &[f64], aware: bool) -> LittleGuardSettings {
    let mut values = Values::new(LITTLE_GUARD, values);
    LittleGuardSettings {
        fast_share: values.take(),
        wait_goal: values.take(),
        gain: values.take(),
        ln_step_min: values.take(),
        ln_step_max: values.take(),
        guard: values.take(),
        bucket_s: values.take(),
        headroom: values.take(),
        aware,
        ..LittleGuardSettings::default()
    }
}

impl ControllerKind {
    /// A controller of this kind. `start_per_s` is the configured start of the total admitted rate, in work units per
    /// second; `values` are its parameters' in their order: one that is missing or no number is the default, one out of
    /// bounds is the nearest bound. `&[]` is the published controller.
    #[must_use]
    pub fn build(self, start_per_s: f64, values: &[f64]) -> Box<dyn Controller> {
        match self {
            Self::Static => Box::new(Fixed::new(FixedSettings::from_values(values).policy(start_per_s))),
            Self::StaticTotal => {
                Box::new(StaticTotal::new(start_per_s, StaticTotalSettings::from_values(values)))
            }
            Self::Aimd => Box::new(Aimd::new(start_per_s, AimdSettings::from_values(values))),
            Self::TopFullMimd => {
                Box::new(TopFullMimd::new(start_per_s, TopFullMimdSettings::from_values(values)))
            }
            Self::TopFullStep => {
                Box::new(TopFullStep::new(start_per_s, TopFullStepSettings::from_values(values)))
            }
            Self::Aperture => Box::new(Aperture::new(start_per_s, ApertureSettings::from_values(values))),
            Self::Seda => Box::new(Seda::new(start_per_s, SedaSettings::from_values(values))),
            Self::SlaGradient => {
                Box::new(SlaGradient::new(start_per_s, SlaGradientSettings::from_values(values)))
            }
            Self::Gradient2 => Box::new(Gradient2::new(start_per_s, Gradient2Settings::from_values(values))),
            Self::Vegas => Box::new(Vegas::new(start_per_s, VegasSettings::from_values(values))),
            Self::EnvoyGradient => {
                Box::new(EnvoyGradient::new(start_per_s, EnvoyGradientSettings::from_values(values)))
            }
            Self::Pid => Box::new(Pid::new(start_per_s, PidSettings::from_values(values))),
            Self::Breakwater => {
                Box::new(Breakwater::new(start_per_s, BreakwaterSettings::from_values(values)))
            }
            Self::Dagor => Box::new(Dagor::new(start_per_s, DagorSettings::from_values(values))),
            Self::Bouncer => Box::new(Bouncer::new(start_per_s, BouncerSettings::from_values(values))),
            Self::LittleGuardBlind => {
                Box::new(LittleGuard::with_settings(start_per_s, little_guard_settings(values, false)))
            }
            Self::LittleGuard => {
                Box::new(LittleGuard::with_settings(start_per_s, little_guard_settings(values, true)))
            }
        }
    }

    /// The default of every parameter, in their order.
    #[must_use]
    pub fn defaults(self) -> Vec<f64> {
        self.parameters().iter().map(|parameter| parameter.default).collect()
    }
}

impl fmt::Display for ControllerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A word that names no controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownController(String);

/// How alike two names are for one to be meant by the other, from 0 to 1.
const ALIKE: f64 = 0.6;

impl fmt::Display for UnknownController {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no controller is called {:?}; ", self.0)?;
        let word = self.0.to_ascii_lowercase().replace('_', "-");
        let likeness = |name: &&str| strsim::normalized_damerau_levenshtein(&word, name);
        let nearest =
            ControllerKind::NAMES.iter().max_by(|one, other| likeness(one).total_cmp(&likeness(other)));
        if let Some(name) = nearest.filter(|name| likeness(name) >= ALIKE) {
            write!(f, "{name} may be meant; ")?;
        }
        write!(f, "there are {}", ControllerKind::NAMES.join(", "))
    }
}

impl std::error::Error for UnknownController {}

impl FromStr for ControllerKind {
    type Err = UnknownController;

    fn from_str(word: &str) -> Result<Self, UnknownController> {
        let found = Self::ALL.iter().copied().find(|kind| kind.name() == word);
        found.ok_or_else(|| UnknownController(word.to_owned()))
    }
}

#[cfg(test)]
mod tests;
