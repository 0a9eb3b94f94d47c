//! What every controller was given before the comparison, and how to repeat all of it.

use maud::{Markup, html};

use crate::evaluate::Summary;
use crate::tune::Tuning;

/// The tuning's budget and what came of it.
pub(super) fn tuning(tuning: Option<&Tuning>) -> Markup {
    let Some(tuning) = tuning else {
        return html! {
            p { "None: every controller has its published settings. Run with " code { "--tune 40" } " to give all of \
                them the same chance on training scenarios." }
        };
    };
    html! {
        p {
            "Every controller was tried with " (tuning.candidates) " settings on the same " (tuning.scenarios.len())
            " training scenarios, none of which is among those above: first its published settings and others spread \
            evenly over their bounds, then small steps from the best so far. The best mean of ½(J + JF) won. "
            "Controllers without settings, and learned policies, have nothing to tune."
        }
        div.wide {
            table {
                thead { tr { th { "Controller" } th { "Published" } th { "Tuned" } th style="text-align:left" { "Settings" } } }
                tbody {
                    @for one in &tuning.controllers {
                        tr {
                            th scope="row" { (one.controller) }
                            td { (format!("{:.3}", one.published_objective)) }
                            td { (format!("{:.3}", one.objective)) }
                            td style="text-align:left;white-space:normal" {
                                @if one.parameters.is_empty() { "–" }
                                @for (name, value) in &one.parameters {
                                    span style="white-space:nowrap" { (name) " " strong { (significant(*value)) } } "  "
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Three digits: what another tuning would find again at best.
fn significant(value: f64) -> String {
    let digits = match value.abs() {
        magnitude if magnitude >= 100.0 => 0,
        magnitude if magnitude >= 10.0 => 1,
        magnitude if magnitude >= 1.0 => 2,
        magnitude if magnitude >= 0.1 => 3,
        _ => 4,
    };
    format!("{value:.digits$}")
}

/// The command and what it needs.
pub(super) fn repeating(summary: &Summary) -> Markup {
    html! {
        p { "The same version and the same command give the same figures, digit for digit, on any number of threads." }
        pre { (summary.command) }
        p.caption {
            "openclaw " (summary.version) ", commit " (summary.commit) ". Everything was simulated: sockets, kernels and \
            other people's machines are not in these figures."
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_shown_to_about_three_digits() {
        for (value, text) in
            [(1.3054, "1.31"), (0.46309, "0.463"), (75.55, "75.5"), (-2.7797, "-2.78"), (0.017, "0.0170")]
        {
            assert_eq!(significant(value), text);
        }
    }
}
