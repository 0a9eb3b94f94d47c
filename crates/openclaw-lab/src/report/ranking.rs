//! The ranking as a table with bars, and the mean of every family.

use maud::{Markup, html};

use crate::evaluate::{GroupSummary, Role, Standing};

/// Everyone's means, the best first.
pub(super) fn ranking(group: &GroupSummary, decision_us: impl Fn(&str) -> Option<f64>) -> Markup {
    let timed = group.standings.iter().any(|row| decision_us(&row.controller).is_some());
    html! {
        div.wide {
            table.ranking {
                thead {
                    tr {
                        th { "Controller" }
                        th.bars { "JF" }
                        th { "J" }
                        th { "G" }
                        th { "Windows over SLO" }
                        th { "p95" }
                        th { "Well-behaved refused" }
                        th { "Recovery" }
                        th { "Oscillation" }
                        th { "Jain" }
                        @if timed { th { "Decision" } }
                    }
                }
                tbody {
                    @for row in &group.standings {
                        (standing(row, timed, decision_us(&row.controller)))
                    }
                }
            }
        }
    }
}

fn standing(row: &Standing, timed: bool, decision_us: Option<f64>) -> Markup {
    let mean = &row.mean;
    html! {
        tr class=(role_class(row.role)) {
            th scope="row" { (row.controller) }
            td.bars {
                div {
                    span.bar style=(format!("--part:{:.4}", mean.jf.clamp(0.0, 1.0))) {}
                    span.value {
                        (format!("{:.3}", mean.jf))
                        @if let Some(error) = row.jf.plain.standard_error {
                            span.error { " ± " (format!("{error:.3}")) }
                        }
                    }
                }
            }
            td { (format!("{:.3}", mean.j)) }
            td { (format!("{:.3}", mean.g)) }
            td { (format!("{:.1} %", mean.windows_over_slo * 1e2)) }
            td { (format!("{:.0} ms", mean.p95_ms)) }
            td { (format!("{:.1} %", mean.well_behaved_throttled * 1e2)) }
            td { (mean.recovery_s.map_or_else(|| "–".to_owned(), |s| format!("{s:.1} s"))) }
            td { (format!("{:.3}", mean.oscillation)) }
            td { (format!("{:.3}", mean.jain)) }
            @if timed {
                td { (decision_us.map_or_else(|| "–".to_owned(), |us| format!("{us:.2} µs"))) }
            }
        }
    }
}

/// Mean JF by family, where there are several; the best of each family that is no bound stands out.
pub(super) fn families(groups: &[GroupSummary]) -> Markup {
    let [all, each @ ..] = groups else { return html! {} };
    if each.is_empty() {
        return html! {};
    }
    let jf = |group: &GroupSummary, controller: &str| {
        let row = group.standings.iter().find(|row| row.controller == controller);
        row.map(|row| row.jf.plain.mean)
    };
    let best = |group: &GroupSummary| {
        group.standings.iter().find(|row| row.role != Role::Bound).map(|row| row.controller.clone())
    };
    html! {
        h3 { "Mean JF by family" }
        div.wide {
            table.families {
                thead {
                    tr {
                        th { "Controller" }
                        @for group in each { th { (group.name) span.count { (group.scenarios) } } }
                    }
                }
                tbody {
                    @for row in &all.standings {
                        tr class=(role_class(row.role)) {
                            th scope="row" { (row.controller) }
                            @for group in each {
                                td.best[best(group).as_ref() == Some(&row.controller)] {
                                    @if let Some(jf) = jf(group, &row.controller) { (format!("{jf:.3}")) }
                                }
                            }
                        }
                    }
                }
            }
        }
        p.caption { "The number beside a family counts its scenarios. The best controller of each is in bold." }
    }
}

/// How rows are coloured.
pub(super) fn role_class(role: Role) -> &'static str {
    match role {
        Role::Learned => "learned",
        Role::Classical => "classical",
        Role::Bound => "bound",
    }
}
