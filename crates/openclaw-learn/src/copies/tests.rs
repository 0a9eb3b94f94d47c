//! Copies end, begin and are seeded each for itself.

use super::*;

/// Counts its steps and ends after as many as its seed says.
#[derive(Debug, Default)]
struct Counter {
    seed: u64,
    steps: u64,
}

impl Counter {
    fn length(&self) -> u64 {
        2 + self.seed % 3
    }
}

impl Env for Counter {
    fn action(&self) -> ActionSpace {
        ActionSpace::Discrete { count: 2 }
    }

    fn layout(&self) -> Layout {
        Layout { shared: 2, slots: 0, slot: 0, actions_shared: 2, actions_slot: 0 }
    }

    fn reset(&mut self, seed: u64, observation: &mut [f32]) {
        *self = Self { seed, steps: 0 };
        observation.copy_from_slice(&[0.0, self.length() as f32]);
    }

    fn step(&mut self, action: Action<'_>, observation: &mut [f32]) -> (f32, End) {
        let Action::Discrete(choice) = action else { panic!("a continuous action") };
        self.steps += 1;
        observation.copy_from_slice(&[self.steps as f32, self.length() as f32]);
        let end = if self.steps < self.length() { End::Running } else { End::Truncated };
        (choice as f32, end)
    }
}

fn counters(threads: usize) -> Copies<Counter> {
    Copies::new((0..5).map(|_| Counter::default()).collect(), NonZeroUsize::new(threads).unwrap())
}

#[test]
fn a_copy_that_ends_shows_its_final_observation_and_begins_anew() {
    let mut copies = counters(2);
    let mut out = StepOut::new(&copies.spec());
    copies.reset(3, &mut out.observations);
    let mut ended = 0;
    for _ in 0..20 {
        let before = out.observations.clone();
        copies.step(Actions::Discrete(&[0, 1, 0, 1, 1]), &mut out);
        assert_eq!(out.rewards, [0.0, 1.0, 0.0, 1.0, 1.0]);
        for copy in 0..5 {
            let row = copy * 2..copy * 2 + 2;
            let (seen, length) = (before[row.start], before[row.start + 1]);
            match out.ends[copy] {
                End::Running => assert_eq!(out.observations[row], [seen + 1.0, length]),
                End::Truncated => {
                    ended += 1;
                    assert_eq!(seen + 1.0, length);
                    assert_eq!(out.final_observations[row.clone()], [length, length]);
                    assert_eq!(out.observations[row.start], 0.0);
                }
                End::Terminated => panic!("a counter never terminates"),
            }
        }
    }
    assert!(ended > 20, "{ended} episodes");
}

#[test]
fn threads_change_nothing_and_seeds_do() {
    let run = |threads: usize, seed: u64| {
        let mut copies = counters(threads);
        let mut out = StepOut::new(&copies.spec());
        copies.reset(seed, &mut out.observations);
        (0..30)
            .map(|_| {
                copies.step(Actions::Discrete(&[1; 5]), &mut out);
                out.clone()
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(run(1, 5), run(2, 5));
    assert_eq!(run(1, 5), run(16, 5));
    assert_ne!(run(1, 5), run(1, 6));
}

#[test]
fn what_was_before_a_reset_leaves_no_trace() {
    let mut copies = counters(1);
    let mut out = StepOut::new(&copies.spec());
    let mut run = |copies: &mut Copies<Counter>| {
        copies.reset(5, &mut out.observations);
        (0..30)
            .map(|_| {
                copies.step(Actions::Discrete(&[1; 5]), &mut out);
                out.observations.clone()
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(run(&mut copies), run(&mut copies));
}
