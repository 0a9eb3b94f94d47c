//! Lines and axes as SVG.
//!
//! Written by hand: what the report needs are polylines, bands and ticks, and a plotting library would bring fonts and
//! colours that do not follow the page's light and dark.

use maud::{Markup, html};

/// One panel's drawing area in pixels, and what it maps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Panel {
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) x: Scale,
    pub(super) y: Scale,
}

/// From values to a fraction of the axis.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    pub(super) low: f64,
    pub(super) high: f64,
    pub(super) log: bool,
}

/// Room for tick labels.
pub(super) const LEFT: f64 = 46.0;
const RIGHT: f64 = 10.0;
const TOP: f64 = 8.0;
const BOTTOM: f64 = 22.0;

impl Scale {
    pub(super) fn even(low: f64, high: f64) -> Self {
        // An axis of no length would divide by zero.
        Self { low, high: if high > low { high } else { low + 1.0 }, log: false }
    }

    /// `low` must be positive.
    pub(super) fn log(low: f64, high: f64) -> Self {
        Self { low, high: high.max(low * 2.0), log: true }
    }

    fn fraction(&self, value: f64) -> f64 {
        let fraction = if self.log {
            (value.max(self.low) / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        fraction.clamp(0.0, 1.0)
    }

    /// About four round values on the axis.
    pub(super) fn ticks(&self) -> Vec<f64> {
        if self.log {
            let decades = (-6..=9).flat_map(|power| [1.0, 2.0, 5.0].map(|step| step * 10_f64.powi(power)));
            let inside: Vec<f64> = decades.filter(|tick| (self.low..=self.high).contains(tick)).collect();
            let every = inside.len().div_ceil(4).max(1);
            return inside.into_iter().step_by(every).collect();
        }
        let step = round_step((self.high - self.low) / 4.0);
        let first = (self.low / step).ceil();
        let count = ((self.high / step + 1e-9).floor() - first) as usize + 1;
        (0..count).map(|index| (first + index as f64) * step).collect()
    }
}

/// The nearest of 1, 2, 2.5 and 5 times a power of ten at or over `step`.
fn round_step(step: f64) -> f64 {
    let power = 10_f64.powf(step.log10().floor());
    let round = [1.0, 2.0, 2.5, 5.0, 10.0].into_iter().find(|round| round * power >= step * (1.0 - 1e-9));
    round.unwrap_or(10.0) * power
}

impl Panel {
    pub(super) fn at_x(&self, value: f64) -> f64 {
        LEFT + self.x.fraction(value) * (self.width - LEFT - RIGHT)
    }

    pub(super) fn at_y(&self, value: f64) -> f64 {
        self.height - BOTTOM - self.y.fraction(value) * (self.height - TOP - BOTTOM)
    }

    /// A line through the points, broken where there is no value.
    pub(super) fn line(&self, class: &str, points: impl Iterator<Item = (f64, Option<f64>)>) -> Markup {
        let mut path = String::new();
        let mut pen_down = false;
        for (x, y) in points {
            let Some(y) = y else {
                pen_down = false;
                continue;
            };
            let command = if pen_down { 'L' } else { 'M' };
            path.push_str(&format!("{command}{:.1} {:.1}", self.at_x(x), self.at_y(y)));
            pen_down = true;
        }
        html! { path class=(class) d=(path) {} }
    }

    /// Ticks, grid lines and labels of both axes, with `unit` after the labels of x.
    pub(super) fn axes(&self, unit: &str) -> Markup {
        let (bottom, right) = (self.height - BOTTOM, self.width - RIGHT);
        html! {
            @for tick in self.y.ticks() {
                @let y = format!("{:.1}", self.at_y(tick));
                line class="grid" x1=(LEFT) x2=(right) y1=(y) y2=(y) {}
                text class="tick" x=(LEFT - 6.0) y=(y) dy="0.32em" text-anchor="end" { (number(tick)) }
            }
            @for tick in self.x.ticks() {
                text class="tick" x=(format!("{:.1}", self.at_x(tick))) y=(bottom + 15.0) text-anchor="middle" {
                    (number(tick)) (unit)
                }
            }
            line class="axis" x1=(LEFT) x2=(right) y1=(bottom) y2=(bottom) {}
        }
    }

    /// The whole drawing.
    pub(super) fn draw(&self, label: &str, inside: &Markup) -> Markup {
        html! {
            svg role="img" aria-label=(label) viewBox=(format!("0 0 {} {}", self.width, self.height)) { (inside) }
        }
    }
}

/// A tick's label: short, without trailing zeros.
pub(super) fn number(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude >= 10_000.0 {
        return format!("{}k", number(value / 1e3));
    }
    let text = match magnitude {
        _ if magnitude >= 100.0 => format!("{value:.0}"),
        _ if magnitude >= 1.0 => format!("{value:.1}"),
        _ => format!("{value:.3}"),
    };
    let short = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    // A rounded -0 is 0.
    if short == "-0" { "0".to_owned() } else { short.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_few() {
        assert_eq!(Scale::even(0.0, 90.0).ticks(), [0.0, 25.0, 50.0, 75.0]);
        assert_eq!(Scale::even(-0.03, 0.11).ticks().len(), 3);
        assert_eq!(Scale::log(10.0, 1000.0).ticks(), [10.0, 50.0, 200.0, 1000.0]);
        assert!(!Scale::even(5.0, 5.0).ticks().is_empty());
    }

    #[test]
    fn values_off_the_axis_stay_on_its_ends() {
        let scale = Scale::log(1.0, 100.0);
        assert_eq!((scale.fraction(0.0), scale.fraction(1e9)), (0.0, 1.0));
        assert!((scale.fraction(10.0) - 0.5).abs() < 1e-12);
    }

    #[test]
    fn a_line_is_broken_where_there_is_no_value() {
        let panel = Panel { width: 100.0, height: 100.0, x: Scale::even(0.0, 3.0), y: Scale::even(0.0, 1.0) };
        let points = [(0.0, Some(0.0)), (1.0, Some(1.0)), (2.0, None), (3.0, Some(0.5))];
        let drawn = panel.line("good", points.into_iter()).into_string();
        assert_eq!((drawn.matches('M').count(), drawn.matches('L').count()), (2, 1), "{drawn}");
    }

    #[test]
    fn labels_are_short() {
        for (value, text) in [(0.0, "0"), (2.5, "2.5"), (0.05, "0.05"), (1500.0, "1500"), (25000.0, "25k")] {
            assert_eq!(number(value), text);
        }
    }
}
