//! What the oracle knows of a stage: when so much work will be done, slowdowns and pauses to come included.

use openclaw_scenario::CapacityTimeline;

use crate::world::Stage;

/// From one change of capacity to the next.
#[derive(Clone, Copy, Debug)]
struct Span {
    from_s: f64,
    /// Workers times speed, 0 in a pause.
    work_per_s: f64,
    speed: f64,
    running: bool,
    /// Seconds of a worker that could be worked before, and seconds without pauses.
    worked_s: f64,
    ran_s: f64,
}

/// One stage's capacity from the first instant to the last, as running sums.
#[derive(Debug)]
pub(crate) struct Foresight {
    spans: Vec<Span>,
}

impl Foresight {
    pub(crate) fn new(stage: &Stage) -> Self {
        let timeline = &stage.timeline;
        let mut spans = vec![span(timeline, 0.0, 0.0, 0.0)];
        let mut at_s = timeline.next_change_s(0.0);
        while at_s.is_finite() {
            if let Some(last) = spans.last() {
                let (worked_s, ran_s) = (last.worked_s + last.work(at_s), last.ran_s + last.ran(at_s));
                spans.push(span(timeline, at_s, worked_s, ran_s));
            }
            at_s = timeline.next_change_s(at_s);
        }
        Self { spans }
    }

    fn at(&self, at_s: f64) -> &Span {
        let after = self.spans.partition_point(|span| span.from_s <= at_s);
        &self.spans[after.max(1) - 1]
    }

    /// When `work_s` seconds of a worker, begun at `now_s` by all workers, are done.
    pub(crate) fn done_s(&self, now_s: f64, work_s: f64) -> f64 {
        let now = self.at(now_s);
        let goal_s = now.worked_s + now.work(now_s) + work_s;
        // The span in which the goal is passed; the first one always lies before it.
        let after = self.spans.partition_point(|span| span.worked_s < goal_s);
        let span = &self.spans[after.max(1) - 1];
        let left_s = goal_s - span.worked_s;
        if left_s <= 0.0 { span.from_s.max(now_s) } else { span.from_s + left_s / span.work_per_s }
    }

    /// Seconds without pauses between two instants.
    pub(crate) fn runs_s(&self, from_s: f64, to_s: f64) -> f64 {
        let (from, to) = (self.at(from_s), self.at(to_s));
        to.ran_s + to.ran(to_s) - from.ran_s - from.ran(from_s)
    }

    /// What service times of work that starts then are divided by.
    pub(crate) fn speed(&self, at_s: f64) -> f64 {
        self.at(at_s).speed
    }

    /// When something that starts then and runs for `work_s` seconds ends.
    pub(crate) fn ends_s(&self, start_s: f64, work_s: f64) -> f64 {
        let start = self.at(start_s);
        let goal_s = start.ran_s + start.ran(start_s) + work_s;
        let after = self.spans.partition_point(|span| span.ran_s < goal_s);
        let span = &self.spans[after.max(1) - 1];
        span.from_s.max(start_s).max(span.from_s + goal_s - span.ran_s)
    }
}

impl Span {
    fn work(&self, to_s: f64) -> f64 {
        (to_s - self.from_s) * self.work_per_s
    }

    fn ran(&self, to_s: f64) -> f64 {
        if self.running { to_s - self.from_s } else { 0.0 }
    }
}

fn span(timeline: &CapacityTimeline, from_s: f64, worked_s: f64, ran_s: f64) -> Span {
    let (speed, running) = (timeline.speed_at(from_s), !timeline.paused_at(from_s));
    let work_per_s = if running { f64::from(timeline.workers_at(from_s)) * speed } else { 0.0 };
    Span { from_s, work_per_s, speed, running, worked_s, ran_s }
}

#[cfg(test)]
mod tests {
    use openclaw_scenario::{CapacityChange, CapacityKind, demo};

    use super::*;
    use crate::world::World;

    /// 10 workers, half of them between 1 s and 2 s.
    fn stage() -> Stage {
        let mut scenario = demo();
        scenario.service.workers = 10;
        let drop = CapacityChange { kind: CapacityKind::Workers, start_s: 1.0, duration_s: 1.0, level: 0.5 };
        scenario.capacity = vec![drop];
        World::new(std::sync::Arc::new(scenario), None, 0).stages.remove(0)
    }

    #[test]
    fn work_takes_longer_where_workers_are_missing() {
        let foresight = Foresight::new(&stage());
        assert!((foresight.done_s(0.0, 5.0) - 0.5).abs() < 1e-9);
        assert!((foresight.done_s(0.5, 7.5) - 1.5).abs() < 1e-9);
        assert!((foresight.done_s(1.5, 12.5) - 3.0).abs() < 1e-9);
        assert_eq!(foresight.done_s(0.7, 0.0), 0.7);
        assert_eq!(foresight.runs_s(0.5, 2.5), 2.0, "nothing stands still");
    }

    #[test]
    fn a_pause_lets_nothing_be_done_and_nothing_end() {
        let mut scenario = demo();
        scenario.pauses = Some(openclaw_scenario::Pauses { per_s: 0.5, min_s: 0.4, max_s: 0.4 });
        let stage = World::new(std::sync::Arc::new(scenario), None, 0).stages.remove(0);
        let foresight = Foresight::new(&stage);
        let pause_s =
            (0..60_000).map(|ms| f64::from(ms) / 1e3).find(|s| stage.timeline.paused_at(*s)).unwrap();
        let before_s = pause_s - 0.1;
        assert!((foresight.runs_s(before_s, before_s + 0.6) - 0.2).abs() < 2e-3);
        assert!((foresight.ends_s(before_s, 0.2) - stage.timeline.finish_s(before_s, 0.2)).abs() < 1e-9);
        assert!((foresight.done_s(before_s, 16.0 * 0.2) - (before_s + 0.6)).abs() < 2e-3);
    }
}
