//! JF of every controller on every scenario, as a coloured table: scenarios down, since there are many of them.

use maud::{Markup, html};

use crate::evaluate::{Evaluation, GroupSummary, by_scenario};

/// Colours from low to high: cividis, made to look alike to people who tell red and green apart and to those who do
/// not (Nuñez, Anderton and Renslow, PLoS ONE 13, 2018).
const COLOURS: [[f64; 3]; 6] = [
    [0.0, 34.0, 78.0],
    [53.0, 69.0, 108.0],
    [102.0, 105.0, 112.0],
    [148.0, 142.0, 119.0],
    [200.0, 184.0, 102.0],
    [254.0, 232.0, 56.0],
];
/// JF at and under which the colour is the lowest: few controllers are worse, and the differences lie above.
const LOWEST: f64 = 0.4;

/// One table with a part for each group.
pub(super) fn heatmap(evaluation: &Evaluation, all: &GroupSummary, groups: &[String]) -> Markup {
    let order: Vec<&str> = all.standings.iter().map(|row| row.controller.as_str()).collect();
    html! {
        (legend())
        div.wide.tall {
            table.heatmap {
                thead {
                    tr {
                        th {}
                        @for controller in &order { th { span { (controller) } } }
                    }
                }
                @for group in groups { (rows(evaluation, group, &order)) }
            }
        }
    }
}

fn rows(evaluation: &Evaluation, group: &str, order: &[&str]) -> Markup {
    let mut columns = by_scenario(&evaluation.results, group);
    columns.sort_by_key(|column| order.iter().position(|name| *name == column.controller));
    let count = columns.first().map_or(0, |column| column.figures.len());
    html! {
        tbody {
            tr.group { th colspan=(order.len() + 1) { (group) } }
            @for index in 0..count {
                tr {
                    @let scenario = columns[0].figures[index].0;
                    th scope="row" title=(description(evaluation, scenario)) { (scenario) }
                    @for column in &columns {
                        @let figures = column.figures[index].1;
                        @let about = format!(
                            "{} on {}: JF {:.3}, J {:.3}, p95 {:.0} ms, {:.1} % of the windows over the SLO",
                            column.controller,
                            scenario,
                            figures.jf,
                            figures.j,
                            figures.p95_ms,
                            figures.windows_over_slo * 1e2,
                        );
                        td style=(style(figures.jf)) title=(about) { (two_digits(figures.jf)) }
                    }
                }
            }
        }
    }
}

fn description<'a>(evaluation: &'a Evaluation, scenario: &str) -> &'a str {
    let course = evaluation.courses.iter().find(|course| course.scenario == scenario);
    course.map_or("", |course| course.description.as_str())
}

fn legend() -> Markup {
    html! {
        p.legend {
            span { "JF " (LOWEST) " or less" }
            @for step in 0..=6 {
                @let jf = LOWEST + f64::from(step) * (1.0 - LOWEST) / 6.0;
                span.swatch style=(style(jf)) { (two_digits(jf)) }
            }
            span { "as good as the oracle" }
        }
    }
}

/// `.97`, `1.0`.
fn two_digits(jf: f64) -> String {
    let text = format!("{jf:.2}");
    text.strip_prefix('0').map_or_else(|| format!("{jf:.1}"), str::to_owned)
}

/// The colour of a cell, and black or white on it, whichever is easier to read.
fn style(jf: f64) -> String {
    let steps = (COLOURS.len() - 1) as f64;
    let share = (jf - LOWEST) / (1.0 - LOWEST);
    let place = if share.is_nan() { 0.0 } else { share.clamp(0.0, 1.0) } * steps;
    let below = (place as usize).min(COLOURS.len() - 2);
    let part = place - below as f64;
    let mix = |channel: usize| COLOURS[below][channel] * (1.0 - part) + COLOURS[below + 1][channel] * part;
    let [red, green, blue] = [0, 1, 2].map(mix);
    // Relative luminance, well enough: the threshold is where both contrasts are equal.
    let linear = |channel: f64| (channel / 255.0).powf(2.2);
    let luminance = 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
    let ink = if luminance > 0.18 { "#000" } else { "#fff" };
    format!("background:#{:02x}{:02x}{:02x};color:{ink}", red as u8, green as u8, blue as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_run_from_dark_to_light_with_ink_that_can_be_read() {
        assert_eq!(style(0.0), "background:#00224e;color:#fff");
        assert_eq!(style(1.2), "background:#fee838;color:#000");
        assert_eq!(style(f64::NAN), style(LOWEST), "no figure is no reason to fail");
    }

    #[test]
    fn cells_are_short() {
        assert_eq!([0.974, 0.0, 1.0, 1.2].map(two_digits), [".97", ".00", "1.0", "1.2"]);
    }
}
