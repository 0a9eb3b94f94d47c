//! The same chance for every controller: one budget, one search, one set of training scenarios.
//!
//! A comparison in which only the favourite was tuned measures diligence. Here every controller of the catalogue gets
//! the same number of tries on the same courses, and none of them on what it will be compared on: [`overlap`] finds
//! scenarios that are in both, whatever they are called.

mod file;
mod search;
mod space;

use openclaw_controller::ControllerKind;
use openclaw_scenario::families::{Family, Split, sample};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub use file::{TuningFileError, read, write};

use crate::evaluate::{Case, Contender, Identity, Kind, ORACLE_COURSES, Trial, statistics};
use crate::jobs;

/// What is tuned by.
const OBJECTIVE: &str = "mean of (J + JF) / 2";
/// Seed of the search; all controllers have the same.
const SEARCH_SEED: u64 = 1;

/// What every controller gets.
#[derive(Clone, Debug)]
pub struct Budget {
    /// Settings tried for each controller, the published ones included.
    pub candidates: usize,
    /// What they are tried on.
    pub cases: Vec<Case>,
    /// The latency goal for the 95th percentile, in seconds.
    pub slo_s: f64,
    /// Threads that simulate.
    pub threads: usize,
}

/// What came of it; written to a file, it spares the next comparison the tuning.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Tuning {
    /// Settings tried for each controller.
    pub candidates: usize,
    /// What was maximised.
    pub objective: String,
    /// The latency goal, in milliseconds.
    pub slo_ms: f64,
    /// What they were tried on.
    pub scenarios: Vec<TrainingScenario>,
    /// The outcome for each controller.
    pub controllers: Vec<Tuned>,
}

/// A scenario that controllers were tuned on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TrainingScenario {
    /// Its name.
    pub name: String,
    /// What it is.
    pub identity: Identity,
}

/// One controller's settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Tuned {
    /// Which controller.
    pub controller: String,
    /// The chosen settings by name.
    pub parameters: BTreeMap<String, f64>,
    /// What they scored in training.
    pub objective: f64,
    /// What the published settings scored in training.
    pub published_objective: f64,
}

/// The first `count` training scenarios of every family in `families`.
#[must_use]
pub fn training_cases(families: &[Family], count: u64) -> Vec<Case> {
    let of = |family: &Family| {
        let family = *family;
        (0..count).map(move |index| Case::new(family.name(), sample(family, Split::Training, index), None))
    };
    families.iter().flat_map(of).collect()
}

/// The first scenario to be compared on that controllers were tuned on, with its name in training.
#[must_use]
pub fn overlap<'a>(cases: &'a [Case], tuning: &'a [TrainingScenario]) -> Option<(&'a Case, &'a str)> {
    cases.iter().find_map(|case| {
        let same = tuning.iter().find(|training| training.identity == case.identity)?;
        Some((case, same.name.as_str()))
    })
}

impl TrainingScenario {
    /// How `case` is remembered.
    #[must_use]
    pub fn of(case: &Case) -> Self {
        Self { name: case.name.clone(), identity: case.identity.clone() }
    }
}

impl Budget {
    /// Number of courses that [`tune`](Self::tune) reports as done for these controllers, those of the oracle's
    /// search included.
    #[must_use]
    pub fn courses_total(&self, kinds: &[ControllerKind]) -> u64 {
        let tries = |kind: &ControllerKind| if kind.parameters().is_empty() { 1 } else { self.candidates };
        let tries: usize = kinds.iter().map(tries).sum();
        self.cases.len() as u64 * (ORACLE_COURSES + tries as u64)
    }

    /// Tunes each of `kinds`. `done` is called with the number of courses just played, from any thread.
    #[must_use]
    pub fn tune(&self, kinds: &[ControllerKind], done: impl Fn(u64) + Sync) -> Tuning {
        let trials = jobs::in_order(&self.cases, self.threads, |case| {
            let trial = Trial::new(case, 0, self.slo_s);
            done(ORACLE_COURSES);
            trial
        });
        let controllers = kinds.iter().map(|kind| self.tune_one(*kind, &trials, &done)).collect();
        Tuning {
            candidates: self.candidates,
            objective: OBJECTIVE.to_owned(),
            slo_ms: self.slo_s * 1e3,
            scenarios: self.cases.iter().map(TrainingScenario::of).collect(),
            controllers,
        }
    }

    fn tune_one(&self, kind: ControllerKind, trials: &[Trial], done: &(impl Fn(u64) + Sync)) -> Tuned {
        let objective = |values: &[f64]| {
            let contender = Contender {
                name: kind.name().to_owned(),
                kind: Kind::Classical { kind, values: values.to_vec() },
            };
            let each = jobs::in_order(trials, self.threads, |trial| {
                let objective = trial.objective(&contender);
                done(1);
                objective
            });
            statistics::mean(&each)
        };
        let tried = search::search(kind.parameters(), self.candidates, SEARCH_SEED, objective);
        let published_objective = tried.first().map_or(0.0, |first| first.objective);
        let (values, objective) = search::best(&tried)
            .map_or((kind.defaults(), published_objective), |best| (best.values.clone(), best.objective));
        let names = kind.parameters().iter().map(|parameter| parameter.name.to_owned());
        Tuned {
            controller: kind.name().to_owned(),
            parameters: names.zip(values).collect(),
            objective,
            published_objective,
        }
    }
}

impl Tuning {
    /// Gives the contenders their settings; those that were not tuned keep the published ones.
    pub fn apply(&self, contenders: &mut [Contender]) {
        for contender in contenders {
            let Kind::Classical { kind, values } = &mut contender.kind else { continue };
            let Some(tuned) = self.controllers.iter().find(|tuned| tuned.controller == kind.name()) else {
                continue;
            };
            let value = |name: &str| tuned.parameters.get(name).copied();
            *values = kind
                .parameters()
                .iter()
                .map(|parameter| value(parameter.name).unwrap_or(parameter.default))
                .collect();
        }
    }

    /// The contenders that it says nothing about although they have something to tune.
    #[must_use]
    pub fn untuned<'a>(&self, contenders: &'a [Contender]) -> Vec<&'a str> {
        let untuned = |contender: &&Contender| match &contender.kind {
            Kind::Classical { kind, .. } => {
                !kind.parameters().is_empty()
                    && !self.controllers.iter().any(|tuned| tuned.controller == kind.name())
            }
            _ => false,
        };
        contenders.iter().filter(untuned).map(|contender| contender.name.as_str()).collect()
    }
}

#[cfg(test)]
mod tests {
    use openclaw_scenario::Scenario;

    use super::*;

    #[test]
    fn training_scenarios_come_from_every_family_and_are_no_others() {
        let cases = training_cases(&Family::ALL, 2);
        let groups: Vec<_> = cases.iter().map(|case| case.group.as_str()).collect();
        let expected = ["classic", "classic", "hard", "hard", "combined", "combined"];
        assert_eq!(groups[..6], expected);
        let tuning: Vec<_> = cases.iter().map(TrainingScenario::of).collect();
        let other = [Case::new("classic", sample(Family::Classic, Split::Test, 0), None)];
        assert!(overlap(&other, &tuning).is_none());
    }

    #[test]
    fn a_scenario_that_was_tuned_on_is_found_under_another_name_and_length() {
        let tuning: Vec<_> = training_cases(&[Family::Classic], 3).iter().map(TrainingScenario::of).collect();
        let scenario = sample(Family::Classic, Split::Training, 1);
        let renamed = Scenario { name: "fresh".to_owned(), ..scenario };
        let cases = [Case::new("mine", renamed, None).scaled_to(7.0)];
        let (case, name) = overlap(&cases, &tuning).unwrap();
        assert_eq!((case.name.as_str(), name), ("fresh", tuning[1].name.as_str()));
    }

    #[test]
    fn settings_go_to_their_controller_and_the_rest_keeps_its_own() {
        let tuning = Tuning {
            candidates: 3,
            objective: OBJECTIVE.to_owned(),
            slo_ms: 200.0,
            scenarios: Vec::new(),
            controllers: vec![Tuned {
                controller: "static".to_owned(),
                parameters: [("bucketS".to_owned(), 0.7)].into(),
                objective: 0.5,
                published_objective: 0.4,
            }],
        };
        let mut contenders = [ControllerKind::Static, ControllerKind::Aimd, ControllerKind::LittleGuard]
            .map(Contender::classical);
        assert_eq!(tuning.untuned(&contenders), ["aimd", "little-guard"]);
        tuning.apply(&mut contenders);
        let values = |index: usize| match &contenders[index].kind {
            Kind::Classical { values, .. } => values.clone(),
            _ => unreachable!("all are classical"),
        };
        assert_eq!(values(0), [ControllerKind::Static.defaults()[0], 0.7]);
        assert!(values(1).is_empty());
    }
}
