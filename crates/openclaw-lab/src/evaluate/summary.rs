//! Who did best, by how much, and how sure that is.
//!
//! Seeds of one scenario are averaged before anything else: they share the scenario's difficulty, so counting them
//! as independent would make every difference look surer than it is.

use serde::Serialize;

use super::figures::Figures;
use super::outcome::{Outcome, Role};
use super::statistics::{Estimate, TRIMMED_FRACTION};

/// What all scenarios of all groups are summarised as.
pub const ALL: &str = "all";

/// The scenarios of one file or family, or all of them.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupSummary {
    /// The group, or [`ALL`].
    pub name: String,
    /// Number of scenarios.
    pub scenarios: usize,
    /// The classical controller with the highest mean JF here; `None` where none was played.
    pub best_classical: Option<String>,
    /// Everyone, the highest mean JF first.
    pub standings: Vec<Standing>,
    /// Everyone else against the best classical controller, in the order of the standings.
    pub paired: Vec<Paired>,
}

/// One controller in a group.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Standing {
    /// Which controller.
    pub controller: String,
    /// What it is there for.
    pub role: Role,
    /// Means over the scenarios.
    pub mean: Figures,
    /// Mean J.
    #[serde(rename = "J")]
    pub j: Spread,
    /// Mean JF.
    #[serde(rename = "JF")]
    pub jf: Spread,
    /// Where its JF is lowest.
    pub worst: Extreme,
}

/// One controller against the best classical one.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Paired {
    /// Which controller.
    pub controller: String,
    /// The best classical one.
    pub against: String,
    /// Difference in J, scenario by scenario.
    #[serde(rename = "J")]
    pub j: Spread,
    /// Difference in JF, scenario by scenario.
    #[serde(rename = "JF")]
    pub jf: Spread,
    /// Where the difference in JF is lowest.
    pub worst: Extreme,
    /// Scenarios on which JF is the higher one.
    pub wins: usize,
}

/// A mean with and without the ends.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Spread {
    /// The plain mean and its standard error.
    #[serde(flatten)]
    pub plain: Estimate,
    /// Without the tenth at each end.
    pub trimmed: Estimate,
}

/// A scenario that stands out.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Extreme {
    /// Which one.
    pub scenario: String,
    /// JF, or the difference in JF.
    #[serde(rename = "JF")]
    pub jf: f64,
}

impl Spread {
    fn of(values: &[f64]) -> Self {
        Self { plain: Estimate::plain(values), trimmed: Estimate::trimmed(values, TRIMMED_FRACTION) }
    }
}

/// One controller's figures by scenario, seeds averaged, in the order in which scenarios were first played.
#[derive(Clone, Debug)]
pub struct ByScenario<'a> {
    /// Which controller.
    pub controller: &'a str,
    /// What it is there for.
    pub role: Role,
    /// Scenario and figures.
    pub figures: Vec<(&'a str, Figures)>,
}

/// Brings the outcomes of one group (of all for [`ALL`]) into a table of controllers by scenarios.
#[must_use]
pub fn by_scenario<'a>(outcomes: &'a [Outcome], group: &str) -> Vec<ByScenario<'a>> {
    let inside: Vec<&Outcome> =
        outcomes.iter().filter(|outcome| group == ALL || outcome.family == group).collect();
    let scenarios = distinct(inside.iter().map(|outcome| outcome.scenario.as_str()));
    distinct(inside.iter().map(|outcome| (outcome.controller.as_str(), outcome.role)))
        .into_iter()
        .map(|(controller, role)| {
            let figures = |scenario: &str| {
                let runs = inside
                    .iter()
                    .filter(|outcome| outcome.controller == controller && outcome.scenario == scenario);
                Figures::mean(runs.map(|outcome| &outcome.figures))
            };
            let figures = scenarios.iter().map(|scenario| (*scenario, figures(scenario))).collect();
            ByScenario { controller, role, figures }
        })
        .collect()
}

/// Summaries of all scenarios and, where there are several groups, of each.
#[must_use]
pub fn summarise(outcomes: &[Outcome]) -> Vec<GroupSummary> {
    let groups = distinct(outcomes.iter().map(|outcome| outcome.family.as_str()));
    let each = groups.iter().copied().filter(|_| groups.len() > 1);
    std::iter::once(ALL).chain(each).map(|group| summarise_group(outcomes, group)).collect()
}

fn summarise_group(outcomes: &[Outcome], group: &str) -> GroupSummary {
    let mut rows = by_scenario(outcomes, group);
    let jf = |row: &ByScenario<'_>| Figures::mean(row.figures.iter().map(|(_, figures)| figures)).jf;
    // A stable sort: equals keep the order in which they were asked for.
    rows.sort_by(|one, other| jf(other).total_cmp(&jf(one)));
    let best = rows.iter().find(|row| row.role == Role::Classical);
    let paired = |best: &ByScenario<'_>| {
        rows.iter().filter(|row| row.controller != best.controller).map(|row| pair(row, best)).collect()
    };
    GroupSummary {
        name: group.to_owned(),
        scenarios: rows.first().map_or(0, |row| row.figures.len()),
        best_classical: best.map(|best| best.controller.to_owned()),
        paired: best.map(paired).unwrap_or_default(),
        standings: rows.iter().map(stand).collect(),
    }
}

fn stand(row: &ByScenario<'_>) -> Standing {
    let column = |of: fn(&Figures) -> f64| -> Vec<f64> { row.figures.iter().map(|(_, f)| of(f)).collect() };
    let jf = column(|figures| figures.jf);
    Standing {
        controller: row.controller.to_owned(),
        role: row.role,
        mean: Figures::mean(row.figures.iter().map(|(_, figures)| figures)),
        j: Spread::of(&column(|figures| figures.j)),
        jf: Spread::of(&jf),
        worst: lowest(row, &jf),
    }
}

fn pair(row: &ByScenario<'_>, best: &ByScenario<'_>) -> Paired {
    let differences = |of: fn(&Figures) -> f64| -> Vec<f64> {
        let both = row.figures.iter().zip(&best.figures);
        both.map(|((_, mine), (_, theirs))| of(mine) - of(theirs)).collect()
    };
    let jf = differences(|figures| figures.jf);
    Paired {
        controller: row.controller.to_owned(),
        against: best.controller.to_owned(),
        j: Spread::of(&differences(|figures| figures.j)),
        jf: Spread::of(&jf),
        worst: lowest(row, &jf),
        wins: jf.iter().filter(|difference| **difference > 0.0).count(),
    }
}

/// The scenario with the lowest of `values`, which are in the order of the row's figures.
fn lowest(row: &ByScenario<'_>, values: &[f64]) -> Extreme {
    let named = row.figures.iter().map(|(scenario, _)| *scenario).zip(values);
    let lowest = named.min_by(|(_, one), (_, other)| one.total_cmp(other));
    lowest.map_or(Extreme { scenario: String::new(), jf: 0.0 }, |(scenario, jf)| Extreme {
        scenario: scenario.to_owned(),
        jf: *jf,
    })
}

/// Every different value, in the order of its first appearance.
fn distinct<T: PartialEq>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut distinct = Vec::new();
    for value in values {
        if !distinct.contains(&value) {
            distinct.push(value);
        }
    }
    distinct
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::outcome::tests::outcome;

    /// Two families of two scenarios with two seeds; the learned one wins the second by far.
    fn outcomes() -> Vec<Outcome> {
        let jf = |controller: &str, scenario: &str, seed: u64| match (controller, scenario) {
            ("aimd", _) => 0.5,
            ("little-guard", "d") => 0.2,
            ("little-guard", _) => 0.9 + 0.02 * seed as f64,
            (_, "a") => 0.89,
            _ => 0.95,
        };
        let mut outcomes = Vec::new();
        for (scenario, family) in [("a", "easy"), ("b", "easy"), ("c", "hard"), ("d", "hard")] {
            for seed in 0..2 {
                for (controller, role) in
                    [("aimd", Role::Classical), ("little-guard", Role::Classical), ("learned", Role::Learned)]
                {
                    let mut outcome = outcome(controller, role, scenario, seed);
                    outcome.family = family.to_owned();
                    outcome.figures.jf = jf(controller, scenario, seed);
                    outcomes.push(outcome);
                }
            }
        }
        outcomes
    }

    #[test]
    fn standings_are_means_over_scenarios_with_the_best_first() {
        let summaries = summarise(&outcomes());
        let names: Vec<_> = summaries.iter().map(|group| (group.name.as_str(), group.scenarios)).collect();
        assert_eq!(names, [(ALL, 4), ("easy", 2), ("hard", 2)]);
        let order: Vec<_> = summaries[0].standings.iter().map(|row| row.controller.as_str()).collect();
        assert_eq!(order, ["learned", "little-guard", "aimd"]);
        let learned = &summaries[0].standings[0];
        assert!((learned.jf.plain.mean - (0.89 + 3.0 * 0.95) / 4.0).abs() < 1e-12);
        assert_eq!((learned.worst.scenario.as_str(), learned.worst.jf), ("a", 0.89));
        assert!((learned.mean.jf - learned.jf.plain.mean).abs() < 1e-12);
    }

    #[test]
    fn the_best_classical_controller_is_chosen_in_each_group_and_all_are_paired_with_it() {
        let summaries = summarise(&outcomes());
        let best: Vec<_> = summaries.iter().map(|group| group.best_classical.as_deref()).collect();
        // little-guard's mean is .7325 in all, .91 in the easy and .555 in the hard family.
        assert_eq!(best, [Some("little-guard"); 3]);
        let learned = &summaries[0].paired[0];
        assert_eq!((learned.controller.as_str(), learned.against.as_str()), ("learned", "little-guard"));
        // Differences by scenario: -.02, .04, .04, .75; mean .2025; squared deviations from it add up to
        // .04950625 + 2 * .02640625 + .29975625 = .402075.
        assert!((learned.jf.plain.mean - 0.2025).abs() < 1e-12);
        let by_hand = (0.402_075_f64 / 12.0).sqrt();
        assert!((learned.jf.plain.standard_error.unwrap() - by_hand).abs() < 1e-12);
        assert_eq!((learned.worst.scenario.as_str(), learned.wins), ("a", 3));
        assert_eq!(summaries[0].paired.len(), 2);
    }

    #[test]
    fn without_a_classical_controller_there_is_nothing_to_pair_with() {
        let outcomes: Vec<_> =
            outcomes().into_iter().filter(|outcome| outcome.role == Role::Learned).collect();
        let summaries = summarise(&outcomes);
        assert_eq!(summaries[0].best_classical, None);
        assert!(summaries[0].paired.is_empty());
        assert_eq!(summaries[0].standings.len(), 1);
    }
}
