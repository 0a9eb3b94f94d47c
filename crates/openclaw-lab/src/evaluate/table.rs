//! The comparison as a table for the terminal.

use super::outcome::{Outcome, Role};
use super::summary::{GroupSummary, Paired, Standing};

/// One group's table: the highest mean JF first.
#[must_use]
pub fn table(group: &GroupSummary, decision_us: impl Fn(&str) -> Option<f64>) -> String {
    let width = group.standings.iter().map(|row| row.controller.len()).max().unwrap_or(0).max(10) + 2;
    let mut table = format!(
        "{:<width$}{:>7}{:>7}{:>14}{:>9}{:>14}{:>10}{:>13}{:>7}{:>10}\n",
        "controller",
        "J",
        "JF",
        "windows over",
        "p95",
        "well-behaved",
        "recovery",
        "oscillation",
        "Jain",
        "decision"
    );
    table.push_str(&format!("{:<width$}{:>28}{:>23}\n", "", "SLO", "throttled"));
    for row in &group.standings {
        table.push_str(&line(row, width, decision_us(&row.controller)));
    }
    table
}

fn line(row: &Standing, width: usize, decision_us: Option<f64>) -> String {
    let mean = &row.mean;
    let none = || "-".to_owned();
    format!(
        "{:<width$}{:>7.3}{:>7.3}{:>12.1} %{:>6.0} ms{:>12.1} %{:>10}{:>13.3}{:>7.3}{:>10}\n",
        row.controller,
        mean.j,
        mean.jf,
        mean.windows_over_slo * 1e2,
        mean.p95_ms,
        mean.well_behaved_throttled * 1e2,
        mean.recovery_s.map_or_else(none, |recovery_s| format!("{recovery_s:.1} s")),
        mean.oscillation,
        mean.jain,
        decision_us.map_or_else(none, |us| format!("{us:.2} µs")),
    )
}

/// The mean decision cost of a controller over all its courses, where it was measured.
#[must_use]
pub fn decision_us(outcomes: &[Outcome], controller: &str) -> Option<f64> {
    let measured: Vec<f64> = outcomes
        .iter()
        .filter(|outcome| outcome.controller == controller)
        .filter_map(|outcome| outcome.decision_us)
        .collect();
    (!measured.is_empty()).then(|| super::statistics::mean(&measured))
}

/// Who did best in a group, in a sentence.
#[must_use]
pub fn verdict(group: &GroupSummary) -> String {
    let contestants: Vec<&Standing> = group.standings.iter().filter(|row| row.role != Role::Bound).collect();
    let Some(first) = contestants.first() else { return "nobody but the bounds was played".to_owned() };
    let learned = group.paired.iter().find(|pair| {
        group.standings.iter().any(|row| row.role == Role::Learned && row.controller == pair.controller)
    });
    match (learned, contestants.get(1)) {
        (Some(pair), _) => against(pair),
        (None, Some(second)) => {
            let behind = group.paired.iter().find(|pair| pair.controller == second.controller);
            let behind = behind.map(|pair| format!(" {}", against(pair))).unwrap_or_default();
            format!("{} is ahead with a mean JF of {:.3}.{behind}", first.controller, first.jf.plain.mean)
        }
        (None, None) => format!("{} has a mean JF of {:.3}.", first.controller, first.jf.plain.mean),
    }
}

/// One controller against the best classical one, in a sentence.
#[must_use]
pub fn against(pair: &Paired) -> String {
    let points = pair.jf.plain.mean * 1e2;
    let (size, way) = (points.abs(), if points < 0.0 { "behind" } else { "ahead of" });
    let Some(error) = pair.jf.plain.standard_error.map(|error| error * 1e2) else {
        return format!("{} is {size:.1} points of JF {way} {}.", pair.controller, pair.against);
    };
    // Two standard errors: what chance does in one of twenty comparisons.
    let sure = if size > 2.0 * error { "" } else { ", so it may be chance" };
    // As seen from the side that the sentence takes.
    let trimmed = pair.jf.trimmed.mean * 1e2 * if points < 0.0 { -1.0 } else { 1.0 };
    format!(
        "{} is {size:.1} points of JF {way} {} (standard error {error:.1}{sure}; without the tenth of the scenarios at \
         either end {trimmed:.1}).",
        pair.controller, pair.against
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::outcome::tests::outcome;
    use crate::evaluate::summarise;

    /// Two scenarios: the one is ahead by 10 points on the first and by 2 on the second.
    fn group(roles: [Role; 2]) -> GroupSummary {
        let mut outcomes = Vec::new();
        for (scenario, ahead) in [("a", 0.10), ("b", 0.02)] {
            for (controller, role, jf) in [("one", roles[0], 0.8 + ahead), ("other", roles[1], 0.8)] {
                let mut outcome = outcome(controller, role, scenario, 0);
                outcome.figures.jf = jf;
                outcomes.push(outcome);
            }
        }
        summarise(&outcomes).remove(0)
    }

    #[test]
    fn the_verdict_on_a_learned_policy_is_its_difference_to_the_best_classical_controller() {
        let told = verdict(&group([Role::Learned, Role::Classical]));
        assert!(
            told.starts_with("one is 6.0 points of JF ahead of other (standard error 4.0, so it may be"),
            "{told}"
        );
    }

    #[test]
    fn without_a_learned_policy_the_first_is_compared_with_the_second() {
        let told = verdict(&group([Role::Classical, Role::Classical]));
        assert!(
            told.starts_with("one is ahead with a mean JF of 0.860. other is 6.0 points of JF behind one"),
            "{told}"
        );
        assert!(told.ends_with("either end 6.0)."), "{told}");
    }

    #[test]
    fn a_bound_wins_nothing() {
        let told = verdict(&group([Role::Bound, Role::Classical]));
        assert_eq!(told, "other has a mean JF of 0.800.");
        assert_eq!(verdict(&group([Role::Bound, Role::Bound])), "nobody but the bounds was played");
    }
}
