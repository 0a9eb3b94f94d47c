//! The comparison as one page for people: no other file, no network, light and dark.
//!
//! Markup is checked and escaped at compile time by `maud`; a template language would read files at run time or need a
//! build step, and writing strings would leave the escaping of scenario names to care.

mod chart;
mod heatmap;
mod opening;
mod paired;
mod ranking;
mod real;
mod timelines;
mod tuning;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::evaluate::{ALL, Evaluation, table};
use crate::real::RealEvaluation;

const STYLE: &str = include_str!("report/style.css");

/// The page. `timeline` names the scenario whose time lines are shown; without it the most telling one is.
#[must_use]
pub fn page(evaluation: &Evaluation, timeline: Option<&str>) -> String {
    let summary = &evaluation.summary;
    let Some(all) = summary.groups.first() else { return String::new() };
    let decision_us = |controller: &str| table::decision_us(&evaluation.results, controller);
    let names: Vec<String> = match &summary.groups[1..] {
        [] => vec![ALL.to_owned()],
        each => each.iter().map(|group| group.name.clone()).collect(),
    };
    let body = html! {
        (opening::opening(summary, all))
        h2 { "Ranking" }
        (ranking::ranking(all, decision_us))
        p.caption { "Means over all scenarios, JF with its standard error. What the columns mean stands below." }
        (ranking::families(&summary.groups))
        h2 { "Is the difference real?" }
        (paired::paired(&summary.groups))
        h2 { "What the scores mean" }
        (opening::scores(summary.slo_ms))
        h2 { "Scenario by scenario" }
        p { "JF, the mean of all courses of a scenario. Light is good. Hover over a cell for more." }
        (heatmap::heatmap(evaluation, all, &names))
        h2 { "One scenario, second by second" }
        (timelines::timelines(&evaluation.courses, all, timeline, summary.slo_ms))
        h2 { "Tuning" }
        (tuning::tuning(summary.tuning.as_ref()))
        h2 { "To repeat this" }
        (tuning::repeating(summary))
    };
    document("OpenClaw: controllers compared", &body)
}

/// The page of a comparison in real time. `timeline` names the scenario whose time lines are shown; without it the one
/// on which the two sides differ most is.
#[must_use]
pub fn real_page(evaluation: &RealEvaluation, timeline: Option<&str>) -> String {
    document("OpenClaw: controllers in real time", &real::body(evaluation, timeline))
}

/// A whole document with its style inside.
fn document(title: &str, body: &Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy"
                    content="default-src 'none'; style-src 'unsafe-inline'";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body { (body) }
        }
    };
    page.into_string()
}
