//! The comparison as a table for the terminal.

use super::chance::Chance;
use super::outcome::{RealEvaluation, RealOutcome};
use super::side::Side;

/// From this part of the seconds over 90 % busy on, the ranking of what was played is doubtful.
const DOUBTFUL: f64 = 0.2;

/// One scenario's table: for every course the played and the simulated side, and why they differ.
#[must_use]
pub fn table(rows: &[&RealOutcome]) -> String {
    let width = rows.iter().map(|row| row.controller.len()).max().unwrap_or(0).max(10) + 2;
    let mut table = format!(
        "{:<width$}{:<11}{:>7}{:>7}{:>7}{:>11}{:>11}{:>9}{:>9}{:>14}{:>11}{:>14}\n",
        "controller",
        "",
        "G",
        "J",
        "JF",
        "offered",
        "in time",
        "p50",
        "p95",
        "windows over",
        "throttled",
        "well-behaved"
    );
    for row in rows {
        table.push_str(&line(&row.controller, "real", &row.real, width));
        table.push_str(&line("", "simulated", &row.simulated, width));
        table.push_str(&spread(&row.chance, width));
        table.push_str(&format!("{:<width$}{}{}\n", "", row.cause, busy(row)));
    }
    table
}

fn line(controller: &str, which: &str, side: &Side, width: usize) -> String {
    let ms = |ms: Option<f64>| ms.map_or_else(|| "-".to_owned(), |ms| format!("{ms:.0} ms"));
    format!(
        "{controller:<width$}{which:<11}{:>7.3}{:>7.3}{:>7.3}{:>9.0}/s{:>9.0}/s{:>9}{:>9}{:>12.0} %{:>9.0} %{:>12.0} %\n",
        side.g,
        side.j,
        side.jf,
        side.offered_per_s,
        side.good_per_s,
        ms(side.p50_ms),
        ms(side.p95_ms),
        side.windows_over_slo * 1e2,
        side.throttled_fraction * 1e2,
        side.well_behaved_throttled * 1e2,
    )
}

/// What luck makes of the simulated JF.
fn spread(chance: &Chance, width: usize) -> String {
    let Chance { draws, mean_jf, lowest_jf, highest_jf, .. } = chance;
    let name = format!("{draws} draws");
    format!("{:<width$}{name:<11}{:>14}{mean_jf:>7.3}   from {lowest_jf:.3} to {highest_jf:.3}\n", "", "")
}

fn busy(row: &RealOutcome) -> String {
    let Some(busy) = row.machine.busy_fraction else { return String::new() };
    let each: Vec<_> =
        row.machine.processes.iter().map(|one| format!("{} {:.2}", one.name, one.processors)).collect();
    format!(" (machine {:.0} % busy; processors used: {})", busy * 1e2, each.join(", "))
}

/// Who did best in reality, whether the simulator said so, and how busy the machine was.
#[must_use]
pub fn verdict(evaluation: &RealEvaluation) -> String {
    let standings = evaluation.standings();
    let Some((best, jf, simulated_jf)) = standings.first().copied() else {
        return "nothing was played".to_owned();
    };
    let foretold = standings.iter().max_by(|one, other| one.2.total_cmp(&other.2)).map(|(name, _, _)| *name);
    let said = match foretold {
        _ if standings.len() == 1 => String::new(),
        Some(name) if name == best => ", as the simulator said".to_owned(),
        Some(name) => format!(", where the simulator said {name}"),
        None => String::new(),
    };
    let busy = match evaluation.machine_busy() {
        Some((busy, over)) => format!(
            " The machine ({} processors) was {:.0} % busy in the mean, and over 90 % in {:.0} % of the seconds{}.",
            evaluation.machine.processors,
            busy * 1e2,
            over * 1e2,
            if over > DOUBTFUL {
                ": what was played says more of the machine than of the controllers"
            } else {
                ""
            }
        ),
        None => " How busy the machine was, this system does not tell.".to_owned(),
    };
    format!("{best} did best{said}: mean JF {jf:.3} played and {simulated_jf:.3} simulated.{busy}")
}
