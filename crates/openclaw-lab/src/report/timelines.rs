//! One scenario second by second, for the controllers that matter most.

use maud::{Markup, html};
use openclaw_sim::TimelinePoint;

use super::chart::{Panel, Scale};
use super::ranking::role_class;
use crate::evaluate::{Course, GroupSummary, Role};

/// Controllers shown at most: more rows than these nobody compares.
const SHOWN_MAX: usize = 7;
const WIDTH: f64 = 360.0;
const HEIGHT: f64 = 150.0;

/// The time lines of the scenario `chosen`, or of the one that tells the shown controllers apart best.
pub(super) fn timelines(courses: &[Course], all: &GroupSummary, chosen: Option<&str>, slo_ms: f64) -> Markup {
    let shown = shown(all);
    let scenario = match chosen {
        Some(name) => Some(name),
        None => telling(courses, &shown),
    };
    let Some(scenario) = scenario else { return html! { p { "No course was kept." } } };
    let rows: Vec<(&Course, Role)> = shown
        .iter()
        .filter_map(|(name, role)| {
            let own = courses.iter().find(|course| course.scenario == scenario && course.controller == *name);
            Some((own?, *role))
        })
        .collect();
    html! {
        p {
            strong { (scenario) } ": " (rows.first().map_or("", |(course, _)| course.description.as_str())) ". "
            @if chosen.is_none() { "It is shown because these controllers differ most on it. " }
            "All rows have the same axes."
        }
        (panels(&rows, slo_ms))
    }
}

/// A legend, and a row of panels for every course; all rows have the same axes.
pub(super) fn panels(rows: &[(&Course, Role)], slo_ms: f64) -> Markup {
    let courses: Vec<&Course> = rows.iter().map(|(course, _)| *course).collect();
    let scales = Scales::over(&courses, slo_ms);
    html! {
        p.legend.keys {
            span.key.offered { "offered" }
            span.key.accepted { "accepted" }
            span.key.good { "completed in time" }
            span.key.p95 { "p95 of the second" }
            span.key.slo { "objective" }
            span.key.total { "R, the admitted total" }
            span.key.capacity { "what the workers can do" }
        }
        div.wide {
            div.timelines data-seconds=(scales.seconds) {
                span {}
                h4 { "Ratings per second" }
                h4 { "p95 in ms, log scale" }
                h4 { "Work units per second" }
                @for (course, role) in rows { (row(course, &scales, *role)) }
            }
        }
    }
}

/// Two learned ones, the best three classical ones, AIMD as what many run today, and the oracle.
fn shown(all: &GroupSummary) -> Vec<(&str, Role)> {
    let of = |role: Role| {
        all.standings
            .iter()
            .filter(move |row| row.role == role)
            .map(|row| (row.controller.as_str(), row.role))
    };
    let mut shown: Vec<_> = of(Role::Learned).take(2).collect();
    shown.extend(of(Role::Classical).take(3));
    for also in ["aimd", "oracle"] {
        let row = all.standings.iter().find(|row| row.controller == also);
        shown.extend(row.map(|row| (row.controller.as_str(), row.role)));
    }
    let mut distinct: Vec<(&str, Role)> = Vec::new();
    for one in shown {
        if !distinct.contains(&one) {
            distinct.push(one);
        }
    }
    distinct.truncate(SHOWN_MAX);
    distinct
}

/// The scenario with the widest span of JF among the shown controllers that are no bounds; the first of equals.
fn telling<'a>(courses: &'a [Course], shown: &[(&str, Role)]) -> Option<&'a str> {
    let counts =
        |course: &Course| shown.iter().any(|(name, role)| *name == course.controller && *role != Role::Bound);
    let mut widest: Option<(&str, f64)> = None;
    for course in courses {
        let same = courses.iter().filter(|other| other.scenario == course.scenario && counts(other));
        let (low, high) = same.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), other| {
            (low.min(other.jf), high.max(other.jf))
        });
        if widest.is_none_or(|(_, span)| high - low > span) {
            widest = Some((&course.scenario, high - low));
        }
    }
    widest.map(|(scenario, _)| scenario)
}

/// The axes that all rows share.
struct Scales {
    seconds: usize,
    time: Scale,
    ratings: Scale,
    latency: Scale,
    work: Scale,
    slo_ms: f64,
}

impl Scales {
    fn over(rows: &[&Course], slo_ms: f64) -> Self {
        let points = || rows.iter().flat_map(|course| &course.timeline);
        let seconds = rows.iter().map(|course| course.timeline.len()).max().unwrap_or(0);
        let highest = |of: fn(&TimelinePoint) -> f64| points().map(of).fold(0.0, f64::max);
        let p95s = || points().filter_map(|point| point.p95_ms);
        let fastest = p95s().fold(slo_ms / 4.0, f64::min).max(0.1);
        // A total that is far over what the workers can do means no limit, whatever its size.
        let capacity = highest(|point| point.capacity);
        Self {
            seconds,
            time: Scale::even(0.0, seconds as f64),
            ratings: Scale::even(0.0, highest(|point| point.offered as f64)),
            latency: Scale::log(fastest, p95s().fold(slo_ms * 2.0, f64::max)),
            work: Scale::even(0.0, 2.5 * capacity),
            slo_ms,
        }
    }

    fn panel(&self, y: Scale) -> Panel {
        Panel { width: WIDTH, height: HEIGHT, x: self.time, y }
    }
}

fn row(course: &Course, scales: &Scales, role: Role) -> Markup {
    html! {
        div class=(format!("who {}", role_class(role))) {
            strong { (course.controller) }
            span { "JF " (format!("{:.3}", course.jf)) }
        }
        (ratings(course, scales.panel(scales.ratings)))
        (latency(course, scales.panel(scales.latency), scales.slo_ms))
        (total(course, scales.panel(scales.work)))
    }
}

/// Points at the middle of their seconds.
fn over_time<'a>(
    course: &'a Course,
    of: impl Fn(&TimelinePoint) -> Option<f64> + 'a,
) -> impl Iterator<Item = (f64, Option<f64>)> + 'a {
    course.timeline.iter().map(move |point| (point.start_s + 0.5, of(point)))
}

fn ratings(course: &Course, panel: Panel) -> Markup {
    let inside = html! {
        (panel.axes(" s"))
        (panel.line("offered", over_time(course, |point| Some(point.offered as f64))))
        (panel.line("accepted", over_time(course, |point| Some(point.accepted as f64))))
        (panel.line("good", over_time(course, |point| Some(point.good as f64))))
    };
    panel.draw(&format!("{}: ratings offered, accepted and completed in time", course.controller), &inside)
}

fn latency(course: &Course, panel: Panel, slo_ms: f64) -> Markup {
    let slo = panel.at_y(slo_ms);
    let ends = [panel.x.low, panel.x.high].map(|x| panel.at_x(x));
    let inside = html! {
        (panel.axes(" s"))
        line class="slo" x1=(ends[0]) x2=(ends[1]) y1=(slo) y2=(slo) {}
        (panel.line("p95", over_time(course, |point| point.p95_ms)))
        @for point in course.timeline.iter().filter(|point| !point.meets_slo) {
            @let x = format!("{:.1}", panel.at_x(point.start_s + 0.5));
            circle class="missed" cx=(x) cy=(panel.at_y(point.p95_ms.unwrap_or(panel.y.high))) r="2.2" {}
        }
    };
    panel.draw(&format!("{}: p95 against the objective", course.controller), &inside)
}

fn total(course: &Course, panel: Panel) -> Markup {
    let inside = html! {
        (panel.axes(" s"))
        (panel.line("capacity", over_time(course, |point| Some(point.capacity))))
        (panel.line("total", over_time(course, |point| point.admitted_per_s)))
    };
    panel.draw(&format!("{}: the admitted total against the capacity", course.controller), &inside)
}
