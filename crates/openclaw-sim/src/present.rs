//! What the oracle knows of a stage at one instant: its capacity, and how long a pause that reigns will last.
//!
//! Nothing that is yet to begin: an oracle that foresees a pause has nothing in work when it comes, which no rule that
//! learns of pauses from late requests can do. Scores over such an oracle measured clairvoyance.

use crate::world::Stage;

/// A stage's capacity as it is now, taken to stay so once the pause that may reign is over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Present {
    /// When workers run: now, or at the end of the pause.
    resumes_s: f64,
    /// Workers that may take up work.
    pub(crate) workers: f64,
    /// What service times are divided by.
    pub(crate) speed: f64,
}

impl Present {
    pub(crate) fn of(stage: &Stage, now_s: f64) -> Self {
        let timeline = &stage.timeline;
        Self {
            resumes_s: timeline.resumes_s(now_s),
            workers: f64::from(timeline.workers_at(now_s)),
            speed: timeline.speed_at(now_s),
        }
    }

    /// When `work_s` seconds of a worker, begun at `from_s` by all workers, are done.
    pub(crate) fn done_s(&self, from_s: f64, work_s: f64) -> f64 {
        if work_s <= 0.0 { from_s } else { from_s.max(self.resumes_s) + work_s / (self.workers * self.speed) }
    }

    /// Seconds without pauses between two instants.
    pub(crate) fn runs_s(&self, from_s: f64, to_s: f64) -> f64 {
        (to_s - from_s.max(self.resumes_s)).max(0.0)
    }

    /// When something that starts at `start_s` and runs for `work_s` seconds ends.
    pub(crate) fn ends_s(&self, start_s: f64, work_s: f64) -> f64 {
        start_s.max(self.resumes_s) + work_s
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use openclaw_scenario::{CapacityChange, CapacityKind, Pauses, Scenario, demo};

    use super::*;
    use crate::world::World;

    fn stage(change: impl FnOnce(&mut Scenario)) -> Stage {
        let mut scenario = demo();
        change(&mut scenario);
        World::new(Arc::new(scenario), None, 0).stages.remove(0)
    }

    #[test]
    fn a_drop_is_known_once_it_has_begun_and_not_before() {
        let stage = stage(|scenario| {
            let drop =
                CapacityChange { kind: CapacityKind::Workers, start_s: 1.0, duration_s: 1.0, level: 0.5 };
            scenario.service.workers = 10;
            scenario.capacity = vec![drop];
        });
        let (before, during) = (Present::of(&stage, 0.9), Present::of(&stage, 1.1));
        assert!((before.done_s(0.9, 5.0) - 1.4).abs() < 1e-9, "as if ten workers stayed");
        assert!((during.done_s(1.1, 5.0) - 2.1).abs() < 1e-9, "as if five stayed");
        assert_eq!(during.done_s(1.1, 0.0), 1.1);
    }

    #[test]
    fn the_end_of_a_pause_is_known_and_its_beginning_is_not() {
        let stage = stage(|scenario| {
            scenario.service.workers = 10;
            scenario.pauses = Some(Pauses { per_s: 0.5, min_s: 0.4, max_s: 0.4 });
        });
        let paused_s =
            (0..60_000).map(|ms| f64::from(ms) / 1e3).find(|s| stage.timeline.paused_at(*s)).unwrap();
        let resumes_s = stage.timeline.resumes_s(paused_s);
        let (before, during) = (Present::of(&stage, paused_s - 0.1), Present::of(&stage, paused_s));
        assert_eq!(before.runs_s(paused_s - 0.1, paused_s + 0.5), 0.6);
        assert!((during.runs_s(paused_s, resumes_s + 0.2) - 0.2).abs() < 1e-9);
        assert_eq!(during.runs_s(paused_s, paused_s + 0.1), 0.0);
        assert!((during.done_s(paused_s, 1.0) - resumes_s - 0.1).abs() < 1e-9);
        assert!((during.ends_s(paused_s, 0.2) - resumes_s - 0.2).abs() < 1e-9);
        assert!(resumes_s > paused_s && !stage.timeline.paused_at(resumes_s));
    }
}
