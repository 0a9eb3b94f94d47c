//! Differences to the best classical controller, with how sure they are.

use maud::{Markup, html};

use super::chart::number;
use super::ranking::role_class;
use crate::evaluate::{GroupSummary, Paired, Role, Spread};

const WIDTH: f64 = 860.0;
const NAMES: f64 = 150.0;
const FIGURES: f64 = 190.0;
const ROW: f64 = 26.0;
const TOP: f64 = 26.0;
/// Standard errors to either side that a whisker shows: it holds the true difference in 19 of 20 comparisons.
const WHISKER: f64 = 1.96;

/// Points behind the best controller at which the axis ends: those who are further behind are not in question, and
/// would press the others together.
const BEHIND_MAX: f64 = -25.0;

/// A plot over all scenarios and a table by family.
pub(super) fn paired(groups: &[GroupSummary]) -> Markup {
    let Some(all) = groups.first() else { return html! {} };
    let Some(best) = &all.best_classical else {
        return html! { p { "No classical controller was played, so there is nobody to compare with." } };
    };
    html! {
        p {
            "Differences in JF to " strong { (best) } ", the best classical controller, taken scenario by scenario and \
            then averaged. The whisker holds the true difference in 19 of 20 comparisons: one that crosses the middle \
            line may be chance. The ring leaves out the tenth of the scenarios at either end, so that a single \
            collapse does not decide. The numbers are the mean with its standard error, and the ring's in brackets."
        }
        div.wide { (plot(all, best)) }
        (by_family(groups))
    }
}

fn plot(group: &GroupSummary, best: &str) -> Markup {
    let role = |controller: &str| {
        let row = group.standings.iter().find(|row| row.controller == controller);
        row.map_or(Role::Classical, |row| row.role)
    };
    let pairs: Vec<&Paired> =
        group.paired.iter().filter(|pair| role(&pair.controller) != Role::Bound).collect();
    let (low, high) = bounds(&pairs);
    let at = |points: f64| NAMES + (points.max(low) - low) / (high - low) * (WIDTH - NAMES - FIGURES);
    let height = TOP + ROW * pairs.len() as f64 + 10.0;
    html! {
        svg.paired role="img" aria-label=(format!("Differences in JF to {best}"))
            viewBox=(format!("0 0 {WIDTH} {height}")) {
            @for tick in super::chart::Scale::even(low, high).ticks() {
                @let x = format!("{:.1}", at(tick));
                line class="grid" x1=(x) x2=(x) y1=(TOP) y2=(height) {}
                text class="tick" x=(x) y="14" text-anchor="middle" { (sign(tick)) (number(tick.abs())) }
            }
            line class="zero" x1=(at(0.0)) x2=(at(0.0)) y1=(TOP - 4.0) y2=(height) {}
            @for (index, pair) in pairs.iter().enumerate() {
                @let y = TOP + ROW * (index as f64 + 0.5);
                g class=(role_class(role(&pair.controller))) {
                    title { (crate::evaluate::table::against(pair)) }
                    text class="name" x="0" y=(y) dy="0.32em" { (pair.controller) }
                    @if pair.jf.plain.mean * 1e2 < low {
                        text class="off" x=(NAMES) y=(y) dy="0.32em" { "◂ far behind" }
                    } @else {
                        (whisker(pair, y, at))
                    }
                    text class="figures" x=(WIDTH) y=(y) dy="0.32em" text-anchor="end" { (points(&pair.jf)) }
                }
            }
        }
    }
}

fn whisker(pair: &Paired, y: f64, at: impl Fn(f64) -> f64) -> Markup {
    let (mean, error) = (pair.jf.plain.mean * 1e2, pair.jf.plain.standard_error.unwrap_or(0.0) * 1e2);
    let (left, right) = (at(mean - WHISKER * error), at(mean + WHISKER * error));
    html! {
        line class="whisker" x1=(format!("{left:.1}")) x2=(format!("{right:.1}")) y1=(y) y2=(y) {}
        circle class="trimmed" cx=(format!("{:.1}", at(pair.jf.trimmed.mean * 1e2))) cy=(y) r="6" {}
        circle class="mean" cx=(format!("{:.1}", at(mean))) cy=(y) r="4" {}
    }
}

/// The axis in points: everything that is drawn, and the middle line.
fn bounds(pairs: &[&Paired]) -> (f64, f64) {
    let reach = |pair: &&Paired| {
        let error = WHISKER * pair.jf.plain.standard_error.unwrap_or(0.0);
        let (mean, trimmed) = (pair.jf.plain.mean, pair.jf.trimmed.mean);
        ((mean - error).min(trimmed) * 1e2, (mean + error).max(trimmed) * 1e2)
    };
    let (low, high) = pairs
        .iter()
        .map(reach)
        .fold((0.0, 0.0), |(low, high): (f64, f64), (left, right)| (low.min(left), high.max(right)));
    let margin = 0.04 * (high - low.max(BEHIND_MAX)).max(1.0);
    (low.max(BEHIND_MAX) - margin, high + margin)
}

fn by_family(groups: &[GroupSummary]) -> Markup {
    let [all, each @ ..] = groups else { return html! {} };
    if each.is_empty() {
        return html! {};
    }
    html! {
        div.wide {
            table.families {
                thead {
                    tr {
                        th { "Points of JF against" }
                        @for group in each {
                            th { (group.name) br; span.count { (group.best_classical.as_deref().unwrap_or("–")) } }
                        }
                    }
                }
                tbody {
                    @for row in &all.standings {
                        tr class=(role_class(row.role)) {
                            th scope="row" { (row.controller) }
                            @for group in each {
                                td {
                                    @let pair =
                                        group.paired.iter().find(|pair| pair.controller == row.controller);
                                    @match pair {
                                        Some(pair) => (points(&pair.jf)),
                                        None => "–",
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
        p.caption { "Mean ± standard error, and the trimmed mean in brackets." }
    }
}

/// `+6.7 ± 1.7 (+3.0)`, in points.
fn points(spread: &Spread) -> String {
    let mean = spread.plain.mean * 1e2;
    let error = spread.plain.standard_error.map(|error| format!(" ± {:.1}", error * 1e2)).unwrap_or_default();
    let trimmed = spread.trimmed.mean * 1e2;
    format!("{}{:.1}{error} ({}{:.1})", sign(mean), mean.abs(), sign(trimmed), trimmed.abs())
}

/// A minus as long as the plus.
fn sign(value: f64) -> &'static str {
    // What rounds to 0 has no sign to show.
    if value.abs() < 0.05 {
        ""
    } else if value < 0.0 {
        "−"
    } else {
        "+"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::statistics::Estimate;

    #[test]
    fn differences_are_told_in_points_with_their_error() {
        let spread = |mean, standard_error| Spread {
            plain: Estimate { mean, standard_error },
            trimmed: Estimate { mean: 0.03, standard_error: None },
        };
        assert_eq!(points(&spread(0.067, Some(0.017))), "+6.7 ± 1.7 (+3.0)");
        assert_eq!(points(&spread(-0.0001, None)), "0.0 (+3.0)");
        assert_eq!(points(&spread(-0.012, Some(0.004))), "−1.2 ± 0.4 (+3.0)");
    }
}
