//! When to try the edge again, as a pure function of time: pauses that grow, and a circuit breaker.
//!
//! After a failure nothing is sent for a while, twice as long after each further one, up to a bound, and never exactly
//! as long as another collector would: they must not all come back at the same moment. After several failures in a row
//! the circuit is open: then the next try is a probe, a batch of counters without events, so that an edge that is barely
//! up is not met with everything that has waited. There is one request at a time, so a half-open circuit needs no count.

use std::time::Duration;

/// How failures are answered.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RetrySettings {
    /// Pause after the first failure.
    pub pause_min: Duration,
    /// Longest pause; the edge's return is noticed within it, unless the edge asked for longer.
    pub pause_max: Duration,
    /// Longest that an edge may ask to be left alone (`Retry-After` with 429 or 503); then it is tried all the same, as
    /// one that says a day is mistaken. Zero for not listening to it.
    pub retry_after_max: Duration,
    /// Failures in a row that open the circuit.
    pub failures_to_open: u32,
}

impl Default for RetrySettings {
    fn default() -> Self {
        Self {
            pause_min: Duration::from_millis(100),
            pause_max: Duration::from_secs(1),
            retry_after_max: Duration::from_secs(30),
            failures_to_open: 5,
        }
    }
}

/// The circuit's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Circuit {
    /// Batches go out.
    Closed,
    /// Nothing goes out until the pause has passed.
    Open,
    /// A probe is under way.
    HalfOpen,
}

/// What may be sent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Send {
    /// Everything.
    All,
    /// A batch without events.
    Probe,
    /// Nothing.
    Nothing,
}

/// Pauses after failures in a row: doubled with each, and half to all of that.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    settings: RetrySettings,
    failures: u32,
}

impl Backoff {
    pub(crate) fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// The pause after one more failure; `jitter` is uniform in 0 to 1. What the edge asked for comes first, and the
    /// pause on top of it: never earlier than asked, nor all collectors at once.
    pub(crate) fn failed(&mut self, jitter: f64, asked: Option<Duration>) -> Duration {
        let RetrySettings { pause_min, pause_max, retry_after_max, .. } = self.settings;
        let whole = pause_min.saturating_mul(1 << self.failures.min(20)).min(pause_max);
        self.failures = self.failures.saturating_add(1);
        let asked = asked.unwrap_or_default().min(retry_after_max);
        asked + whole.mul_f64(0.5 + 0.5 * jitter.clamp(0.0, 1.0))
    }
}

/// The breaker of one edge.
#[derive(Debug)]
pub(crate) struct Breaker {
    backoff: Backoff,
    seed: u64,
    circuit: Circuit,
    /// Ever, so that no two pauses are drawn alike.
    failures_ever: u64,
    not_before_ns: u64,
}

impl Breaker {
    /// A closed circuit. Equal seeds give equal pauses.
    pub(crate) fn new(settings: RetrySettings, seed: u64) -> Self {
        let backoff = Backoff { settings, failures: 0 };
        Self { backoff, seed, circuit: Circuit::Closed, failures_ever: 0, not_before_ns: 0 }
    }

    pub(crate) fn circuit(&self) -> Circuit {
        self.circuit
    }

    /// What may be sent at `now_ns`. Whoever sends must tell how it ended.
    pub(crate) fn ask(&mut self, now_ns: u64) -> Send {
        if now_ns < self.not_before_ns {
            return Send::Nothing;
        }
        if self.circuit == Circuit::Closed {
            return Send::All;
        }
        self.circuit = Circuit::HalfOpen;
        Send::Probe
    }

    pub(crate) fn succeeded(&mut self) {
        self.backoff.succeeded();
        (self.circuit, self.not_before_ns) = (Circuit::Closed, 0);
    }

    /// `asked` is how long the edge asked to be left alone.
    pub(crate) fn failed(&mut self, now_ns: u64, asked: Option<Duration>) {
        let pause = self.backoff.failed(uniform(self.seed, self.failures_ever), asked);
        self.failures_ever += 1;
        self.not_before_ns = now_ns.saturating_add(u64::try_from(pause.as_nanos()).unwrap_or(u64::MAX));
        if self.circuit == Circuit::HalfOpen
            || self.backoff.failures >= self.backoff.settings.failures_to_open
        {
            self.circuit = Circuit::Open;
        }
    }
}

/// A number from 0 to 1, the `index`th of its seed (SplitMix64; Steele, Lea and Flood, OOPSLA 2014).
fn uniform(seed: u64, index: u64) -> f64 {
    let mut bits = seed.wrapping_add((index + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((bits ^ (bits >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: u64 = 1_000_000;

    fn breaker(seed: u64) -> Breaker {
        Breaker::new(RetrySettings::default(), seed)
    }

    #[test]
    fn the_circuit_opens_after_failures_in_a_row_and_a_probe_alone_may_close_it() {
        let mut breaker = breaker(1);
        let mut now_ns = 0;
        for _ in 0..4 {
            assert_eq!(breaker.ask(now_ns), Send::All);
            breaker.failed(now_ns, None);
            assert_eq!((breaker.ask(now_ns), breaker.circuit()), (Send::Nothing, Circuit::Closed));
            now_ns += 1_000 * MS;
        }
        breaker.failed(now_ns, None);
        assert_eq!((breaker.ask(now_ns), breaker.circuit()), (Send::Nothing, Circuit::Open));
        now_ns += 1_000 * MS;
        assert_eq!((breaker.ask(now_ns), breaker.circuit()), (Send::Probe, Circuit::HalfOpen));
        breaker.failed(now_ns, None);
        assert_eq!((breaker.ask(now_ns), breaker.circuit()), (Send::Nothing, Circuit::Open));
        assert_eq!(breaker.ask(now_ns + 1_000 * MS), Send::Probe);
        breaker.succeeded();
        assert_eq!((breaker.ask(now_ns), breaker.circuit()), (Send::All, Circuit::Closed));
    }

    #[test]
    fn a_success_in_between_starts_the_count_over() {
        let mut breaker = breaker(1);
        for _ in 0..20 {
            (0..4).for_each(|_| breaker.failed(0, None));
            breaker.succeeded();
        }
        assert_eq!(breaker.circuit(), Circuit::Closed);
    }

    #[test]
    fn pauses_double_up_to_the_bound_and_differ_between_collectors() {
        let pauses = |seed| {
            let mut breaker = breaker(seed);
            (0..6)
                .map(|_| {
                    breaker.failed(0, None);
                    breaker.not_before_ns / MS
                })
                .collect::<Vec<_>>()
        };
        for (pause, whole) in pauses(7).into_iter().zip([100, 200, 400, 800, 1000, 1000]) {
            assert!((whole / 2..=whole).contains(&pause), "{pause} of {whole}");
        }
        assert_eq!(pauses(7), pauses(7));
        assert_ne!(pauses(7), pauses(8));
    }

    #[test]
    fn what_the_edge_asks_for_is_waited_out_and_no_longer_than_the_bound() {
        let second = Duration::from_secs(1);
        for (asked, waited_ms) in [(2 * second, 2_000), (3600 * second, 30_000), (Duration::ZERO, 0)] {
            let mut breaker = breaker(3);
            breaker.failed(5 * MS, Some(asked));
            let earliest_ns = (5 + waited_ms + 50) * MS;
            assert_eq!(breaker.ask(earliest_ns - MS), Send::Nothing, "{asked:?}");
            assert_eq!(breaker.ask(earliest_ns + 50 * MS), Send::All, "{asked:?}");
            breaker.succeeded();
            breaker.failed(0, None);
            assert_eq!(breaker.ask(100 * MS), Send::All, "what was asked once holds once");
        }
        let deaf = RetrySettings { retry_after_max: Duration::ZERO, ..RetrySettings::default() };
        let mut breaker = Breaker::new(deaf, 3);
        breaker.failed(0, Some(second));
        assert_eq!(breaker.ask(100 * MS), Send::All);
    }

    proptest! {
        #[test]
        fn whatever_happens_something_may_be_sent_within_the_longest_pause(
            seed in any::<u64>(),
            outcomes in prop::collection::vec(any::<bool>(), 0..100),
        ) {
            let mut breaker = breaker(seed);
            let mut now_ns = 0_u64;
            for succeeds in outcomes {
                let waited = (0..=1_000).find(|wait| breaker.ask(now_ns + wait * MS) != Send::Nothing);
                prop_assert!(waited.is_some());
                now_ns += waited.unwrap_or_default() * MS;
                if succeeds { breaker.succeeded() } else { breaker.failed(now_ns, None) }
            }
        }

        #[test]
        fn draws_lie_between_zero_and_one(seed in any::<u64>(), index in any::<u32>()) {
            prop_assert!((0.0..1.0).contains(&uniform(seed, index.into())));
        }
    }
}
