//! What a reader needs before the first figure: what was done, who won, and what the scores mean.

use maud::{Markup, html};

use crate::evaluate::{GroupSummary, Role, Summary, table};

/// Three sentences and the verdict.
pub(super) fn opening(summary: &Summary, all: &GroupSummary) -> Markup {
    let played = all.standings.iter().filter(|row| row.role != Role::Bound).count();
    html! {
        h1 { "Who keeps a service fast, fair and busy?" }
        p.meta {
            (count(all.scenarios as u64, "scenario")) " · " (count(summary.seeds, "course")) " of each · openclaw " (summary.version)
            " · commit " (summary.commit)
        }
        p {
            "An overloaded service answers everybody late, unless somebody decides, many times a second, how many \
            requests each user may send. "
            (count(played as u64, "such controller")) (if played == 1 { " was" } else { " were" })
            " put before the same simulated service, with the same users, the same surges and the same disturbances, \
            and none of them had seen these scenarios before. Each is measured by what an oracle reaches that knows \
            demand and capacity at every instant: 1 is as good as that, 0 is useless."
        }
        p.verdict { (table::verdict(all)) }
    }
}

/// `1 course`, `3 courses`.
fn count(number: u64, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}

/// The scores, one by one.
pub(super) fn scores(slo_ms: f64) -> Markup {
    let slo = super::chart::number(slo_ms);
    html! {
        dl {
            dt { "G" }
            dd { "Requests answered within the objective of " (slo) " ms, divided by the oracle's." }
            dt { "J" }
            dd {
                "The same, but a second counts only if 95 % of its requests met the objective: being late for many \
                is not bought back by being early for others."
            }
            dt { "JF" }
            dd {
                "The same again, and a user's requests count only up to that user's fair share. This is the score to \
                look at: without it, refusing the many for a few heavy users would win."
            }
            dt { "Windows over SLO" }
            dd { "Seconds in which more than 5 % of the requests missed the objective." }
            dt { "Well-behaved refused" }
            dd { "Requests refused although their user asked for no more than the fair share." }
            dt { "Recovery" }
            dd { "Time until few are late again after the service lost capacity." }
            dt { "Oscillation" }
            dd { "How much the number of admitted requests jumps from second to second; calm is low." }
            dt { "Jain" }
            dd { "Jain's index of fairness: 1 when every user gets the same part of what it is entitled to." }
            dt { "Bounds" }
            dd {
                "In italics: the " em { "oracle" } " is the best that could be done; " em { "accept-all" } " and "
                em { "reject-all" } " show that neither letting everybody in nor keeping everybody out scores."
            }
        }
    }
}
