//! The table against a plain reference bucket: settle at the old refill rate, then change.
//!
//! The reference counts in exact fractions and settles every key at every change of the defaults, one by
//! one: all that the table avoids. Random calls must be decided alike, except where the levels differ
//! by less than the table's rounding (a unit of 2^-20 token for each change) decides.

use std::collections::HashMap;

use openclaw_bucket::{BucketParams, HashSeed, KeyedBuckets, Settings};
use proptest::prelude::*;

const UNITS_PER_TOKEN: i128 = 1 << 20;
const NANOSECONDS: i128 = 1_000_000_000;
/// Parameters are drawn in 1024ths of a token, which are whole units.
const STEPS_PER_TOKEN: f64 = 1024.0;

fn params([capacity, refill_rate]: [u32; 2]) -> BucketParams {
    BucketParams::new(f64::from(capacity) / STEPS_PER_TOKEN, f64::from(refill_rate) / STEPS_PER_TOKEN)
        .expect("small numbers")
}

/// Levels in billionths of a unit, so that a nanosecond's refill is a whole number.
#[derive(Clone, Copy, Debug)]
struct Reference {
    level: i128,
    settled_ns: u64,
    params: BucketParams,
    assigned: bool,
}

fn exact(tokens: f64) -> i128 {
    (tokens * UNITS_PER_TOKEN as f64) as i128
}

impl Reference {
    fn full(params: BucketParams) -> Self {
        Self { level: exact(params.capacity()) * NANOSECONDS, settled_ns: 0, params, assigned: false }
    }

    fn settle(&mut self, now_ns: u64) {
        let gained = i128::from(now_ns - self.settled_ns) * exact(self.params.refill_rate());
        self.level = (self.level + gained).min(exact(self.params.capacity()) * NANOSECONDS);
        self.settled_ns = now_ns;
    }

    fn change(&mut self, params: BucketParams, assigned: bool, now_ns: u64) {
        self.settle(now_ns);
        self.level = self.level.min(exact(params.capacity()) * NANOSECONDS);
        (self.params, self.assigned) = (params, assigned);
    }
}

#[derive(Clone, Debug)]
enum Call {
    Acquire { key: u8, cost: u32 },
    SetParams { key: u8, params: [u32; 2] },
    ClearParams { key: u8 },
    SetDefaults { params: [u32; 2] },
    Wait { ns: u64 },
    Forget,
}

fn some_params() -> impl Strategy<Value = [u32; 2]> {
    [
        prop_oneof![1 => Just(0), 4 => 1..30_000_u32].boxed(),
        prop_oneof![1 => Just(0), 2 => 1..200_u32, 4 => 1..2_000_000_u32].boxed(),
    ]
}

fn some_call() -> impl Strategy<Value = Call> {
    let key = || 0..KEYS;
    prop_oneof![
        6 => (key(), prop_oneof![Just(1024_u32), 0..5_000_u32]).prop_map(|(key, cost)| Call::Acquire { key, cost }),
        2 => (key(), some_params()).prop_map(|(key, params)| Call::SetParams { key, params }),
        1 => key().prop_map(|key| Call::ClearParams { key }),
        1 => some_params().prop_map(|params| Call::SetDefaults { params }),
        4 => prop_oneof![0..2_000_000_u64, 0..5_000_000_000_u64].prop_map(|ns| Call::Wait { ns }),
        1 => Just(Call::Forget),
    ]
}

/// All keys, seen or not: an unseen key is one that was always there. The last is never asked: no key at the
/// defaults holds more than that idle one.
const KEYS: u8 = 4;
const IDLE: u8 = KEYS;

struct Model {
    keys: HashMap<u8, Reference>,
    defaults: BucketParams,
}

impl Model {
    fn new(defaults: BucketParams) -> Self {
        Self { keys: (0..=IDLE).map(|key| (key, Reference::full(defaults))).collect(), defaults }
    }

    fn key(&mut self, key: u8) -> &mut Reference {
        self.keys.get_mut(&key).expect("all keys are there")
    }
}

fn play(
    buckets: &KeyedBuckets,
    model: &mut Model,
    calls: &[Call],
    mut now_ns: u64,
) -> Result<(), TestCaseError> {
    for (step, call) in calls.iter().enumerate() {
        let tolerance = (step as i128 + 2) * NANOSECONDS;
        match *call {
            Call::Wait { ns } => now_ns += ns,
            Call::Forget => {
                buckets.forget_idle(now_ns);
            }
            Call::SetParams { key, params: drawn } => {
                buckets.set_params(&key.to_string(), params(drawn), now_ns).expect("room for four");
                model.key(key).change(params(drawn), true, now_ns);
            }
            Call::ClearParams { key } => {
                buckets.clear_params(&key.to_string(), now_ns);
                let defaults = model.defaults;
                model.key(IDLE).settle(now_ns);
                let idle_level = model.key(IDLE).level;
                let reference = model.key(key);
                if reference.assigned {
                    reference.change(defaults, false, now_ns);
                    reference.level = reference.level.min(idle_level);
                }
            }
            Call::SetDefaults { params: drawn } => {
                buckets.set_defaults(params(drawn), now_ns);
                model.defaults = params(drawn);
                for reference in model.keys.values_mut().filter(|reference| !reference.assigned) {
                    reference.change(params(drawn), false, now_ns);
                }
            }
            Call::Acquire { key, cost } => {
                let cost = f64::from(cost) / STEPS_PER_TOKEN;
                let decision = buckets.try_acquire(&key.to_string(), cost, now_ns);
                let reference = model.key(key);
                reference.settle(now_ns);
                prop_assert_eq!(decision.params(), reference.params);
                let spare = reference.level - exact(cost) * NANOSECONDS;
                if spare.abs() > tolerance {
                    prop_assert_eq!(
                        decision.is_allowed(),
                        spare > 0 || cost == 0.0,
                        "step {} spare {}",
                        step,
                        spare
                    );
                }
                if decision.is_allowed() && cost > 0.0 {
                    reference.level = spare;
                }
                let level = exact(decision.remaining()) * NANOSECONDS;
                let apart = (level - reference.level.max(0)).abs();
                prop_assert!(apart <= tolerance, "step {}: {} apart", step, apart);
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn random_calls_are_decided_as_the_reference_decides(
        defaults in some_params(),
        calls in prop::collection::vec(some_call(), 1..120),
        start_ns in prop_oneof![Just(0_u64), Just(1_790_000_000_123_456_789_u64)],
    ) {
        let settings = Settings::new(params(defaults), 16, HashSeed::new([1, 2]));
        let buckets = KeyedBuckets::new(settings);
        let mut model = Model::new(params(defaults));
        for reference in model.keys.values_mut() {
            reference.settled_ns = start_ns;
        }
        play(&buckets, &mut model, &calls, start_ns)?;
    }

    /// Over any interval: what was admitted is at most the capacity at its start and what was refilled
    /// in it, through any changes of parameters. At instants that are whole 512ths of a second every
    /// refill is a whole number of units, and the bound holds with nothing added.
    #[test]
    fn admitted_cost_never_exceeds_capacity_at_the_start_plus_what_was_refilled(
        first in [1..30_000_u32, 0..2_000_000_u32],
        steps in prop::collection::vec((0..40_u64, 0..4_000_u32, prop::option::weighted(0.2, [0..30_000_u32, 0..2_000_000_u32])), 1..200),
    ) {
        const TICK_NS: u64 = 1_953_125;
        let buckets = KeyedBuckets::new(Settings::new(params(first), 4, HashSeed::new([1, 2])));
        let mut now_ns = 7 * TICK_NS;
        let mut in_force = params(first);
        // For every interval that starts at some step and ends here: what is still allowed in it.
        let mut allowances: Vec<i128> = Vec::new();
        for (ticks, cost, change) in steps {
            let elapsed_ns = ticks * TICK_NS;
            now_ns += elapsed_ns;
            let refilled = i128::from(elapsed_ns) * exact(in_force.refill_rate()) / NANOSECONDS;
            allowances.iter_mut().for_each(|allowance| *allowance += refilled);
            if let Some(drawn) = change {
                in_force = params(drawn);
                buckets.set_params("k", in_force, now_ns).expect("room for one");
            }
            allowances.push(exact(in_force.capacity()));
            let cost = f64::from(cost) / STEPS_PER_TOKEN;
            if buckets.try_acquire("k", cost, now_ns).is_allowed() {
                for allowance in &mut allowances {
                    *allowance -= exact(cost);
                    prop_assert!(*allowance >= 0, "admitted {} units too many", -*allowance);
                }
            }
        }
    }

    #[test]
    fn a_retry_is_allowed_when_it_was_told_to_come_and_hardly_earlier(
        drawn in [1024..30_000_u32, 1..2_000_000_u32],
        cost in 1..1024_u32,
        start_ns in 0..u64::MAX / 4,
    ) {
        let buckets = KeyedBuckets::new(Settings::new(params(drawn), 4, HashSeed::new([1, 2])));
        let whole = params(drawn).capacity();
        prop_assert!(buckets.try_acquire("k", whole, start_ns).is_allowed());
        let cost = f64::from(cost) / STEPS_PER_TOKEN;
        let openclaw_bucket::Decision::Limited(limited) = buckets.try_acquire("k", cost, start_ns) else {
            return Err(TestCaseError::fail("an empty bucket allowed"));
        };
        let retry_ns = limited.retry_after.expect("it refills").as_nanos() as u64;
        let unit_ns = 1e9 / (params(drawn).refill_rate() * UNITS_PER_TOKEN as f64);
        let early_ns = retry_ns.saturating_sub(unit_ns.ceil() as u64 + 1);
        if early_ns > 0 {
            prop_assert!(!buckets.try_acquire("k", cost, start_ns + early_ns).is_allowed());
        }
        prop_assert!(buckets.try_acquire("k", cost, start_ns + retry_ns).is_allowed());
    }

    #[test]
    fn any_numbers_at_all_are_answered_and_levels_stay_within_capacity(
        capacity in any::<f64>(),
        refill_rate in any::<f64>(),
        costs in prop::collection::vec((any::<f64>(), any::<u64>()), 1..20),
    ) {
        if let Ok(drawn) = BucketParams::new(capacity, refill_rate) {
            let buckets = KeyedBuckets::new(Settings::new(drawn, 4, HashSeed::new([1, 2])));
            for (cost, now_ns) in costs {
                let decision = buckets.try_acquire("k", cost, now_ns);
                prop_assert!((0.0..=drawn.capacity()).contains(&decision.remaining()));
                prop_assert!(cost >= 0.0 || !decision.is_allowed());
            }
        } else {
            prop_assert!(!(0.0..=openclaw_bucket::CAPACITY_MAX).contains(&capacity)
                || !(0.0..=openclaw_bucket::REFILL_RATE_MAX).contains(&refill_rate));
        }
    }
}
