//! How an edge service is set up.

use std::str::FromStr;
use std::time::Duration;

use openclaw_controller::{Aimd, AimdSettings, Controller, Fixed, LittleGuard, LoopSettings};
use openclaw_protocol::ScoreRange;

/// Which controller decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControllerKind {
    /// Every user has the configured bucket, for ever.
    Static,
    /// Additive increase, multiplicative decrease on the 95th percentile.
    Aimd,
    /// Little's law with an in-flight guard.
    LittleGuard,
}

/// A word that names no controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownController(String);

impl std::fmt::Display for UnknownController {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "no controller is called {:?}; there are static, aimd and little-guard", self.0)
    }
}

impl std::error::Error for UnknownController {}

impl ControllerKind {
    /// All of them, the plainest first.
    pub const ALL: [Self; 3] = [Self::Static, Self::Aimd, Self::LittleGuard];

    /// Its name, as the command line has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Static => "static",
            Self::Aimd => "aimd",
            Self::LittleGuard => "little-guard",
        }
    }
}

impl FromStr for ControllerKind {
    type Err = UnknownController;

    fn from_str(word: &str) -> Result<Self, UnknownController> {
        let found = Self::ALL.into_iter().find(|kind| kind.name() == word);
        found.ok_or_else(|| UnknownController(word.to_owned()))
    }
}

/// Settings of an [`Edge`](crate::Edge).
#[derive(Clone, Debug)]
pub struct EdgeSettings {
    /// Which controller decides.
    pub controller: ControllerKind,
    /// Settings of every service's loop.
    pub control: LoopSettings,
    /// Settings of AIMD.
    pub aimd: AimdSettings,
    /// Accepted scores, the same as the rating service's.
    pub scores: ScoreRange,
    /// Services at most.
    pub services_max: usize,
    /// Events and users in one batch at most.
    pub batch_max: usize,
    /// Longest body, in bytes.
    pub body_bytes_max: usize,
    /// Longest time for a body to arrive.
    pub body_timeout: Duration,
    /// Users with a metric series of their own.
    pub metrics_users_max: usize,
}

impl Default for EdgeSettings {
    fn default() -> Self {
        Self {
            controller: ControllerKind::LittleGuard,
            control: LoopSettings::default(),
            aimd: AimdSettings::default(),
            scores: ScoreRange::default(),
            services_max: 64,
            batch_max: 100_000,
            body_bytes_max: 16 << 20,
            body_timeout: Duration::from_secs(10),
            metrics_users_max: 100,
        }
    }
}

impl EdgeSettings {
    pub(crate) fn new_controller(&self) -> Box<dyn Controller> {
        match self.controller {
            ControllerKind::Static => Box::new(Fixed::new(self.control.defaults)),
            ControllerKind::Aimd => Box::new(Aimd::new(self.aimd)),
            ControllerKind::LittleGuard => Box::new(LittleGuard::new(self.control.start_per_s)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_controller_is_found_by_its_name_and_nothing_else_is() {
        for kind in ControllerKind::ALL {
            assert_eq!(kind.name().parse(), Ok(kind));
        }
        let reason = "pid".parse::<ControllerKind>().unwrap_err().to_string();
        assert_eq!(reason, "no controller is called \"pid\"; there are static, aimd and little-guard");
    }
}
