//! Played and simulated courses side by side, and one of them second by second.

use maud::{Markup, html};

use super::opening::scores;
use super::ranking::role_class;
use super::timelines::panels;
use crate::evaluate::{Course, Role};
use crate::real::{RealEvaluation, RealOutcome, Side, table};

/// The page's body.
pub(super) fn body(evaluation: &RealEvaluation, timeline: Option<&str>) -> Markup {
    html! {
        h1 { "Does the simulator tell the truth?" }
        p.meta {
            (evaluation.results.len()) " courses · " (evaluation.machine.processors) " processors"
            @if let Some(model) = &evaluation.machine.model { " (" (model) ")" }
            ", " (evaluation.machine.system) " · openclaw " (evaluation.version) " · commit " (evaluation.commit)
        }
        p {
            "Every course was played twice: once in real time, with the services and a stand-in backend as processes of \
            their own and an open-loop load generator before them, and once in the simulator, with the same users, the \
            same attempts and the same disturbances. Scores of both sides divide by what the simulated oracle reaches."
            " How long each request works is drawn at random, and a played course draws in the order in which its requests \
            happen to arrive. So every simulated course was repeated with other draws: where these lie far apart, one \
            played course says little, and a gap within their range is luck."
            @if (evaluation.scale - 1.0).abs() > f64::EPSILON {
                " Workers and demand of every scenario were scaled by " (evaluation.scale) "."
            }
        }
        p.verdict { (table::verdict(evaluation)) }
        h2 { "Side by side" }
        (standings(evaluation))
        @for scenario in scenarios(evaluation) { (courses(evaluation, scenario)) }
        h2 { "One scenario, second by second" }
        (timelines(evaluation, timeline))
        h2 { "What the scores mean" }
        (scores(evaluation.slo_ms))
        h2 { "To repeat this" }
        pre { (evaluation.command) }
    }
}

fn scenarios(evaluation: &RealEvaluation) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for row in &evaluation.results {
        if !names.contains(&row.scenario.as_str()) {
            names.push(&row.scenario);
        }
    }
    names
}

/// Everybody's mean JF on both sides.
fn standings(evaluation: &RealEvaluation) -> Markup {
    html! {
        div.wide {
            table {
                thead { tr { th { "Controller" } th { "JF played" } th { "JF simulated, mean of all draws" } th { "Difference" } } }
                tbody {
                    @for (name, real, simulated) in evaluation.standings() {
                        tr class=(role_class(role_of(evaluation, name))) {
                            th scope="row" { (name) }
                            td { (format!("{real:.3}")) }
                            td { (format!("{simulated:.3}")) }
                            td { (format!("{:+.3}", real - simulated)) }
                        }
                    }
                }
            }
        }
        p.caption { "Means over all courses." }
    }
}

fn role_of(evaluation: &RealEvaluation, controller: &str) -> Role {
    evaluation.results.iter().find(|row| row.controller == controller).map_or(Role::Classical, |row| row.role)
}

/// The courses of one scenario, two lines each.
fn courses(evaluation: &RealEvaluation, scenario: &str) -> Markup {
    let rows: Vec<&RealOutcome> = evaluation.results.iter().filter(|row| row.scenario == scenario).collect();
    html! {
        h3 { (scenario) }
        p { (rows.first().map_or("", |row| row.description.as_str())) }
        div.wide {
            table {
                thead {
                    tr {
                        th { "Controller" } th {} th { "G" } th { "J" } th { "JF" } th { "Offered" } th { "In time" }
                        th { "p50" } th { "p95" } th { "p99" } th { "Windows over SLO" } th { "Refused" }
                        th { "Well-behaved refused" } th { "Machine busy" } th { "Processors used" }
                    }
                }
                tbody {
                    @for row in &rows {
                        tr class=(role_class(row.role)) {
                            th scope="row" { (row.controller) }
                            td { "real" }
                            (side(&row.real))
                            td { (row.machine.busy_fraction.map_or_else(|| "–".to_owned(), percent)) }
                            td { (processors(row)) }
                        }
                        tr {
                            th {}
                            td { "simulated" }
                            (side(&row.simulated))
                            td {} td {}
                        }
                        tr {
                            th {}
                            td { (row.chance.draws) " draws" }
                            td {} td {}
                            td { (format!("{:.3}", row.chance.mean_jf)) }
                            td colspan="10" {
                                (format!("JF from {:.3} to {:.3}", row.chance.lowest_jf, row.chance.highest_jf))
                            }
                        }
                    }
                }
            }
        }
        ul { @for row in &rows { li { strong { (row.controller) } ": " (row.cause) "." } } }
    }
}

fn side(side: &Side) -> Markup {
    let ms = |ms: Option<f64>| ms.map_or_else(|| "–".to_owned(), |ms| format!("{ms:.0} ms"));
    html! {
        td { (format!("{:.3}", side.g)) }
        td { (format!("{:.3}", side.j)) }
        td { (format!("{:.3}", side.jf)) }
        td { (format!("{:.0}/s", side.offered_per_s)) }
        td { (format!("{:.0}/s", side.good_per_s)) }
        td { (ms(side.p50_ms)) }
        td { (ms(side.p95_ms)) }
        td { (ms(side.p99_ms)) }
        td { (percent(side.windows_over_slo)) }
        td { (percent(side.throttled_fraction)) }
        td { (percent(side.well_behaved_throttled)) }
    }
}

fn percent(fraction: f64) -> String {
    format!("{:.0} %", fraction * 1e2)
}

fn processors(row: &RealOutcome) -> String {
    let each: Vec<_> =
        row.machine.processes.iter().map(|one| format!("{} {:.2}", one.name, one.processors)).collect();
    each.join(", ")
}

/// Both sides of every controller on one scenario.
fn timelines(evaluation: &RealEvaluation, chosen: Option<&str>) -> Markup {
    let widest = evaluation
        .results
        .iter()
        .max_by(|one, other| one.difference_jf.abs().total_cmp(&other.difference_jf.abs()))
        .map(|row| row.scenario.as_str());
    let Some(scenario) = chosen.or(widest) else { return html! { p { "No course was played." } } };
    let rows = evaluation.results.iter().filter(|row| row.scenario == scenario && row.seed == 0);
    let courses: Vec<(Course, Role)> = rows
        .flat_map(|row| {
            [("real", &row.real), ("simulated", &row.simulated)].map(|(which, side)| (row, which, side))
        })
        .map(|(row, which, side)| (course(row, which, side), row.role))
        .collect();
    let rows: Vec<(&Course, Role)> = courses.iter().map(|(course, role)| (course, *role)).collect();
    html! {
        p {
            strong { (scenario) } ". "
            @if chosen.is_none() { "It is shown because the two sides differ most on it. " }
            "All rows have the same axes."
        }
        (panels(&rows, evaluation.slo_ms))
    }
}

fn course(row: &RealOutcome, which: &str, side: &Side) -> Course {
    Course {
        controller: format!("{}, {which}", row.controller),
        scenario: row.scenario.clone(),
        description: row.description.clone(),
        jf: side.jf,
        timeline: side.seconds.clone(),
    }
}
