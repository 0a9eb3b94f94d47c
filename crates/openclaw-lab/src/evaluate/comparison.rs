//! The whole comparison: who plays, on what, and what came of it.

use openclaw_sim::TimelinePoint;
use serde::Serialize;

use super::contender::Contender;
use super::outcome::Outcome;
use super::suite::Case;
use super::summary::{GroupSummary, summarise};
use super::trial::{ORACLE_COURSES, Played, Trial};
use crate::jobs;
use crate::tune::Tuning;

/// What is to be compared.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// The scenarios.
    pub cases: Vec<Case>,
    /// Who plays them.
    pub contenders: Vec<Contender>,
    /// Courses of each scenario.
    pub seeds: u64,
    /// The latency goal for the 95th percentile, in seconds.
    pub slo_s: f64,
    /// Threads that simulate.
    pub threads: usize,
    /// Whether every outcome says what a decision cost.
    pub timings: bool,
    /// Whether the courses of the first seed are kept second by second.
    pub courses: bool,
}

/// Where figures come from, for those who want to repeat them.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// The version that made them.
    pub version: String,
    /// The commit it was built from.
    pub commit: String,
    /// The command that repeats them.
    pub command: String,
}

/// What came of it.
#[derive(Clone, Debug, Serialize)]
pub struct Evaluation {
    /// Every controller on every scenario with every seed, in that order.
    pub results: Vec<Outcome>,
    /// Means and differences.
    pub summary: Summary,
    /// The courses of the first seed, where they were to be kept.
    #[serde(skip)]
    pub courses: Vec<Course>,
}

/// Means, differences, and how to repeat them.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// The version that made them.
    pub version: String,
    /// The commit it was built from.
    pub commit: String,
    /// The command that repeats them.
    pub command: String,
    /// The latency goal for the 95th percentile.
    pub slo_ms: f64,
    /// Courses of each scenario.
    pub seeds: u64,
    /// All scenarios first, then every family where there are several.
    pub groups: Vec<GroupSummary>,
    /// What the settings come from, where controllers were tuned.
    pub tuning: Option<Tuning>,
}

/// One contender's course of one scenario.
#[derive(Clone, Debug)]
pub struct Course {
    /// Who played.
    pub controller: String,
    /// What.
    pub scenario: String,
    /// The scenario in a sentence.
    pub description: String,
    /// The score.
    pub jf: f64,
    /// Second by second.
    pub timeline: Vec<TimelinePoint>,
}

impl Comparison {
    /// Number of courses that [`play`](Self::play) reports as done, those of the oracle's search included.
    #[must_use]
    pub fn courses_total(&self) -> u64 {
        self.cases.len() as u64 * self.seeds * (ORACLE_COURSES + self.contenders.len() as u64)
    }

    /// Plays all courses. `done` is called with the number of courses just played, from any thread.
    #[must_use]
    pub fn play(&self, origin: Origin, tuning: Option<Tuning>, done: impl Fn(u64) + Sync) -> Evaluation {
        let each: Vec<(&Case, u64)> =
            self.cases.iter().flat_map(|case| (0..self.seeds).map(move |seed| (case, seed))).collect();
        let trials = jobs::in_order(&each, self.threads, |(case, seed)| {
            let trial = Trial::new(case, *seed, self.slo_s);
            done(ORACLE_COURSES);
            trial
        });
        let pairs: Vec<(&Contender, &Trial)> = self
            .contenders
            .iter()
            .flat_map(|contender| trials.iter().map(move |trial| (contender, trial)))
            .collect();
        let played = jobs::in_order(&pairs, self.threads, |(contender, trial)| {
            let played = trial.play(contender, self.timings);
            done(1);
            let keep = self.courses && trial.seed() == 0;
            let course = keep.then(|| course(trial, &played));
            (played.outcome, course)
        });
        let (results, courses): (Vec<Outcome>, Vec<Option<Course>>) = played.into_iter().unzip();
        let Origin { version, commit, command } = origin;
        let (slo_ms, seeds, groups) = (self.slo_s * 1e3, self.seeds, summarise(&results));
        let summary = Summary { version, commit, command, slo_ms, seeds, groups, tuning };
        Evaluation { results, summary, courses: courses.into_iter().flatten().collect() }
    }
}

fn course(trial: &Trial, played: &Played) -> Course {
    Course {
        controller: played.outcome.controller.clone(),
        scenario: played.outcome.scenario.clone(),
        description: trial.case().scenario.description.clone(),
        jf: played.outcome.figures.jf,
        timeline: played.run.timeline.clone(),
    }
}
