//! The comparison: a table, a sentence, and the same as JSON.

use openclaw_harness::LoadReport;
use openclaw_scenario::Scenario;
use serde::Serialize;

use crate::terminal::show_ms;

/// One controller's figures. `load` brings `goodputPerS`, `p50Ms`, `windowsOverSlo` and the others.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Run {
    controller: &'static str,
    ratings_stored: u64,
    #[serde(flatten)]
    load: LoadReport,
}

impl Run {
    pub(super) fn new(controller: &'static str, ratings_stored: u64, load: LoadReport) -> Self {
        Self { controller, ratings_stored, load }
    }

    fn seconds_in_slo(&self) -> f64 {
        1.0 - self.load.windows_over_slo
    }
}

/// The whole comparison.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DemoReport {
    scenario: String,
    seed: u64,
    duration_s: f64,
    slo_ms: f64,
    runs: Vec<Run>,
}

impl DemoReport {
    pub(super) fn new(scenario: &Scenario, runs: Vec<Run>) -> Self {
        Self {
            scenario: scenario.name.clone(),
            seed: scenario.seed,
            duration_s: scenario.duration_s,
            slo_ms: runs.first().map_or(0.0, |run| run.load.slo_ms),
            runs,
        }
    }

    /// One line per controller.
    pub(super) fn table(&self) -> String {
        let mut table = format!(
            "\n{:<13}{:>10}{:>9}{:>9}{:>9}{:>12}{:>11}{:>14}{:>9}\n{:<13}{:>10}{:>9}{:>9}{:>9}{:>12}{:>11}{:>14}{:>9}\n",
            "controller",
            "in time",
            "p50",
            "p95",
            "p99",
            "seconds in",
            "throttled",
            "well-behaved",
            "ratings",
            "",
            "ratings/s",
            "",
            "",
            "",
            "objective",
            "",
            "throttled",
            "stored"
        );
        for run in &self.runs {
            let load = &run.load;
            let fair = load.well_behaved_throttled_fraction;
            table.push_str(&format!(
                "{:<13}{:>10.1}{:>9}{:>9}{:>9}{:>10.1} %{:>9.1} %{:>14}{:>9}\n",
                run.controller,
                load.goodput_per_s,
                show_ms(load.p50_ms),
                show_ms(load.p95_ms),
                show_ms(load.p99_ms),
                run.seconds_in_slo() * 1e2,
                load.throttled_fraction * 1e2,
                fair.map_or_else(|| "-".to_owned(), |fraction| format!("{:.1} %", fraction * 1e2)),
                run.ratings_stored,
            ));
        }
        table
    }

    /// Who won, and by how much.
    pub(super) fn sentence(&self) -> String {
        let best =
            self.runs.iter().max_by(|one, other| one.load.goodput_per_s.total_cmp(&other.load.goodput_per_s));
        let Some(best) = best else { return "nothing was played".to_owned() };
        let others: Vec<_> = self
            .runs
            .iter()
            .filter(|run| run.controller != best.controller)
            .map(|run| against(best.load.goodput_per_s, run))
            .collect();
        let cut = if self.runs.iter().any(|run| run.load.ended_early) { " (stopped early)" } else { "" };
        let Some(last) = others.last() else {
            return format!("only {} was played{cut}", best.controller);
        };
        let others = match others.len() {
            1 => last.clone(),
            count => format!("{} and {last}", others[..count - 1].join(", ")),
        };
        format!(
            "{} won{cut}: {:.0} ratings/s in time against {others}; it kept p95 under {:.0} ms in {:.0} % of the seconds.",
            best.controller,
            best.load.goodput_per_s,
            self.slo_ms,
            best.seconds_in_slo() * 1e2
        )
    }
}

/// What another controller got, and how much more the best one did.
fn against(best_per_s: f64, other: &Run) -> String {
    let other_per_s = other.load.goodput_per_s;
    let more = if other_per_s >= 1.0 {
        format!(" ({:.2} times as many)", best_per_s / other_per_s)
    } else {
        String::new()
    };
    format!("{other_per_s:.0} of {}{more}", other.controller)
}
