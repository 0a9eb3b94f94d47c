//! How an edge service is set up.

use std::time::Duration;

use openclaw_controller::policy::LearnedPolicy;
use openclaw_controller::{Aimd, AimdSettings, Controller, ControllerKind, Fixed, LoopSettings};
use openclaw_protocol::{ContextVocabulary, ScoreRange};

use crate::limits::LimitsSettings;

/// Settings of an [`Edge`](crate::Edge).
#[derive(Clone, Debug)]
pub struct EdgeSettings {
    /// Which controller decides.
    pub controller: ControllerKind,
    /// Its parameters in the order of [`ControllerKind::parameters`], tuned ones for example; without any it is the
    /// published controller, and static and AIMD are what is configured.
    pub controller_values: Vec<f64>,
    /// A learned policy, which then decides instead of the controller, afresh for each service.
    pub policy: Option<LearnedPolicy>,
    /// Settings of every service's loop.
    pub control: LoopSettings,
    /// Settings of AIMD.
    pub aimd: AimdSettings,
    /// Accepted scores, the same as the rating service's.
    pub scores: ScoreRange,
    /// Context values that make classes, the same as the rating service's; others count as none.
    pub vocabulary: ContextVocabulary,
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
    /// Ids of events remembered at most, over all services, so that one that comes again counts once; 0 for none.
    pub event_ids_max: usize,
    /// The operator's overrides.
    pub limits: LimitsSettings,
}

impl Default for EdgeSettings {
    fn default() -> Self {
        Self {
            controller: ControllerKind::LittleGuard,
            controller_values: Vec::new(),
            policy: None,
            control: LoopSettings::default(),
            aimd: AimdSettings::default(),
            scores: ScoreRange::default(),
            vocabulary: ContextVocabulary::default(),
            services_max: 64,
            batch_max: 100_000,
            body_bytes_max: 16 << 20,
            body_timeout: Duration::from_secs(10),
            metrics_users_max: 100,
            event_ids_max: 1_000_000,
            limits: LimitsSettings::default(),
        }
    }
}

impl EdgeSettings {
    pub(crate) fn new_controller(&self) -> Box<dyn Controller> {
        if let Some(policy) = &self.policy {
            return Box::new(policy.clone());
        }
        if !self.controller_values.is_empty() {
            return self.controller.build(self.control.start_per_s, &self.controller_values);
        }
        match self.controller {
            // What is configured for everybody, to the last digit.
            ControllerKind::Static => Box::new(Fixed::new(self.control.defaults)),
            ControllerKind::Aimd => Box::new(Aimd::new(self.control.start_per_s, self.aimd)),
            kind => kind.build(self.control.start_per_s, &[]),
        }
    }

    /// What decides, by name.
    pub(crate) fn controller_name(&self) -> &'static str {
        self.policy.as_ref().map_or(self.controller.name(), LearnedPolicy::name)
    }

    /// The version that answers name: a learned policy's own, else the controller's name.
    pub(crate) fn policy_version(&self) -> &str {
        self.policy.as_ref().map_or(self.controller.name(), LearnedPolicy::version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_controller_of_the_catalogue_can_decide() {
        for &kind in ControllerKind::ALL {
            let settings = EdgeSettings { controller: kind, ..EdgeSettings::default() };
            assert_eq!(settings.new_controller().name(), kind.name());
        }
    }

    #[test]
    fn tuned_values_reach_the_controller() {
        let mut settings = EdgeSettings { controller: ControllerKind::Seda, ..EdgeSettings::default() };
        assert!(!settings.new_controller().guards(), "SEDA as published has buckets alone");
        settings.controller_values = settings.controller.defaults();
        *settings.controller_values.last_mut().unwrap() = 0.5;
        assert!(settings.new_controller().guards());
    }
}
