//! Why a played course came out otherwise than its simulation: the likely cause in a plain sentence.
//!
//! Rules on measurements, in the order in which they invalidate what comes after them: on a machine without time to
//! spare nothing else can be read, and a generator that was late explains latency whatever the service did. Luck comes
//! before all of them: a gap that other service times make in the simulator too needs no cause.

use super::chance::Chance;
use super::circumstances::{BUSY, BackendUse, CommitTimes, MachineUse};
use super::side::Side;

/// A difference of JF that needs no explanation.
const AGREES: f64 = 0.03;
/// Part of the objective from which a delay counts as a cause.
const OF_SLO: f64 = 0.05;
/// The machine was busy over 90 % for at least this part of the seconds.
const SATURATED: f64 = 0.2;
/// A backend that delivered less of its capacity than this was short of processor time.
const DELIVERED: f64 = 0.95;
/// A fraction of failed attempts that is no accident.
const FAILED: f64 = 0.01;

/// What was measured beside the scores.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances<'a> {
    /// The machine.
    pub machine: &'a MachineUse,
    /// The backend.
    pub backend: &'a BackendUse,
    /// The disk, where the service told.
    pub commits: Option<CommitTimes>,
    /// 99th percentile of how late the load generator sent.
    pub send_lag_p99_ms: f64,
    /// The latency objective.
    pub slo_ms: f64,
}

/// The gap between a played course and what the simulator expects, and its likely cause.
#[must_use]
pub fn likely_cause(real: &Side, simulated: &Chance, seen: &Circumstances<'_>) -> String {
    let gap = real.jf - simulated.mean_jf;
    let causes = causes(real, seen);
    let saturated = causes.first().filter(|_| is_saturated(seen.machine));
    let although = saturated.map_or_else(String::new, |cause| format!(", although {cause}"));
    if gap.abs() < AGREES {
        return format!("both sides agree{although}");
    }
    let points = format!(
        "{:.0} points {} than simulated",
        gap.abs() * 1e2,
        if gap > 0.0 { "better" } else { "worse" }
    );
    let Chance { draws, lowest_jf, highest_jf, .. } = simulated;
    let range = format!("JF from {lowest_jf:.2} to {highest_jf:.2} over {draws} draws of service times");
    if gap.abs() <= simulated.reach() {
        return format!(
            "{points} in the mean, which is luck: the simulator itself comes to {range}{although}"
        );
    }
    if gap > 0.0 {
        return format!("{points}, which luck does not explain: the simulator comes to {range}{although}");
    }
    match causes.split_first() {
        None => {
            format!(
                "{points}; the simulator comes to {range}, and nothing that was measured says why it is more"
            )
        }
        Some((first, [])) => format!("{points}, likely because {first}"),
        Some((first, more)) => format!("{points}, likely because {first}; also, {}", more.join("; ")),
    }
}

fn is_saturated(machine: &MachineUse) -> bool {
    machine.seconds_over_90_percent >= SATURATED
}

/// Everything that was out of order, the gravest first.
fn causes(real: &Side, seen: &Circumstances<'_>) -> Vec<String> {
    let Circumstances { machine, backend, commits, send_lag_p99_ms, slo_ms } = seen;
    let grave_ms = OF_SLO * slo_ms;
    let mut causes = Vec::new();
    if is_saturated(machine) {
        causes.push(format!(
            "the machine itself was over {:.0} % busy in {:.0} % of the seconds, so this result is about the machine",
            BUSY * 1e2,
            machine.seconds_over_90_percent * 1e2
        ));
    }
    if *send_lag_p99_ms > grave_ms {
        causes.push(format!(
            "the load generator sent 1 % of the attempts more than {send_lag_p99_ms:.0} ms late"
        ));
    }
    if let Some(delivered) = backend.delivered_fraction.filter(|delivered| *delivered < DELIVERED) {
        causes.push(format!("the backend delivered {:.0} % of what its workers can do", delivered * 1e2));
    }
    if let Some(commits) = commits.filter(|commits| commits.mean_ms > grave_ms) {
        causes.push(format!(
            "every latency includes a sync to disk, {:.0} ms in the mean, that the simulator does not know",
            commits.mean_ms
        ));
    }
    let failed = real.failed as f64 / real.offered.max(1) as f64;
    if failed > FAILED {
        causes.push(format!("{:.1} % of the attempts failed", failed * 1e2));
    }
    causes
}

#[cfg(test)]
mod tests;
