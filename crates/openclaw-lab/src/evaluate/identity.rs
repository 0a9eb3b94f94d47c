//! Whether two scenarios are the same, whatever they are called.
//!
//! Controllers must not be tuned on what they are compared on. Names prove nothing, so contents are compared:
//! everything but name, description and seed, with the recorded arrivals themselves in place of their file's name.
//! The seed is left out because other seeds of the same course are the same course.

use std::fmt;
use std::hash::Hasher;

use openclaw_scenario::{ArrivalTrace, Scenario};
use serde::{Deserialize, Serialize};
use siphasher::sip128::{Hasher128, SipHasher24};

/// What a scenario is, in 32 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Identity(String);

impl Identity {
    /// The identity of a scenario and its recorded arrivals.
    ///
    /// # Panics
    /// Never: a scenario is plain data.
    #[must_use]
    #[expect(clippy::expect_used, reason = "writing plain data into memory cannot fail")]
    pub fn of(scenario: &Scenario, trace: Option<&ArrivalTrace>) -> Self {
        let mut nameless =
            Scenario { name: String::new(), description: String::new(), seed: 0, ..scenario.clone() };
        if let (Some(arrivals), Some(_)) = (&mut nameless.arrivals, trace) {
            arrivals.trace_file.clear();
        }
        // Keys are fixed: identities are written to files.
        let mut hasher = SipHasher24::new();
        hasher.write(&serde_json::to_vec(&nameless).expect("a scenario can be written"));
        for time_s in trace.map(ArrivalTrace::times_s).unwrap_or_default() {
            hasher.write_u64(time_s.to_bits());
        }
        Self(format!("{:032x}", hasher.finish128().as_u128()))
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use openclaw_scenario::{TraceArrivals, demo};

    use super::*;

    #[test]
    fn another_name_or_seed_is_the_same_scenario_and_another_course_is_not() {
        let scenario = demo();
        let renamed =
            Scenario { name: "x".to_owned(), description: "y".to_owned(), seed: 99, ..scenario.clone() };
        assert_eq!(Identity::of(&scenario, None), Identity::of(&renamed, None));
        let heavier = Scenario { load: scenario.load + 1e-9, ..scenario.clone() };
        assert_ne!(Identity::of(&scenario, None), Identity::of(&heavier, None));
    }

    #[test]
    fn recorded_arrivals_count_and_their_file_s_name_does_not() {
        let traced = |trace_file: &str| Scenario {
            arrivals: Some(TraceArrivals { trace_file: trace_file.to_owned(), speedup: 1.0 }),
            ..demo()
        };
        let trace = |text: &str| ArrivalTrace::parse(text.as_bytes()).unwrap();
        let identity = Identity::of(&traced("a.csv"), Some(&trace("1\n2\n")));
        assert_eq!(identity, Identity::of(&traced("b.csv"), Some(&trace("1\n2\n"))));
        assert_ne!(identity, Identity::of(&traced("a.csv"), Some(&trace("1\n3\n"))));
    }
}
