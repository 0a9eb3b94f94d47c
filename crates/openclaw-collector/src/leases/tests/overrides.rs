//! The operator's overrides at a collector: felt at once, kept without the edge, and never a source of tokens.

use openclaw_protocol::{EffectiveLimits, LimitBounds};

use super::*;

fn pin(bucket_size: f64, refill_rate: f64) -> EffectiveLimits {
    let pin = Some(policy(bucket_size, refill_rate));
    EffectiveLimits { pin, bounds: LimitBounds::default(), weight: 1.0, expires_at: None }
}

/// An answer that tells of these overrides, with the parameters that an edge would give these users.
fn telling(overrides: &[(&str, EffectiveLimits)]) -> BatchAnswer {
    let named = |(user, limits): &(&str, EffectiveLimits)| (UserId::new(user).unwrap(), *limits);
    let overrides: BTreeMap<_, _> = overrides.iter().map(named).collect();
    let policies =
        overrides.iter().map(|(user, limits)| (user.clone(), limits.apply(policy(5.0, 7.0)))).collect();
    BatchAnswer { policies, overrides: Some(overrides), ..answer(3.0) }
}

#[test]
fn an_override_is_felt_by_a_user_that_nobody_asked_about_and_its_end_too() {
    let mut case = Case::new();
    case.apply(&telling(&[("idle", pin(9.0, 2.0))]), 0);
    case.expect_refill_rate("idle", 2.0);
    case.apply(&telling(&[]), SECOND_NS);
    case.expect_refill_rate("idle", 7.0);
    assert_eq!(case.leases.users(), 0);
}

#[test]
fn an_override_holds_while_the_edge_is_away_and_ends_on_time_there_too() {
    let mut case = Case::new();
    let ending = EffectiveLimits { expires_at: Some(1_000), ..pin(9.0, 2.0) };
    case.apply(&telling(&[("ann", pin(9.0, 2.5)), ("bob", ending)]), 0);
    let now_ns = 60 * SECOND_NS;
    case.leases.sweep(&case.admission, now_ns);
    assert_eq!(case.leases.users(), 0, "the leases have lapsed");
    case.local.set_overrides(case.leases.overrides(999));
    case.cycle(&["ann", "bob"], now_ns);
    case.expect_refill_rate("ann", 2.5);
    case.expect_refill_rate("bob", 2.0);
    case.local.set_overrides(case.leases.overrides(1_000));
    case.cycle(&["ann", "bob"], now_ns + SECOND_NS);
    case.expect_refill_rate("ann", 2.5);
    case.expect_refill_rate("bob", 10.0);
}

#[test]
fn an_override_that_is_no_number_and_more_of_them_than_an_edge_holds_are_not_followed() {
    let mut case = Case::new();
    case.apply(&telling(&[("ann", pin(f64::NAN, 2.0))]), 0);
    case.expect_refill_rate("ann", 7.0);
    let names: Vec<String> = (0..OVERRIDES_MAX + 50).map(|n| format!("made-up-{n:06}")).collect();
    let flood: Vec<_> = names.iter().map(|name| (name.as_str(), pin(9.0, 2.0))).collect();
    case.apply(&telling(&flood), 0);
    assert_eq!(case.leases.users(), OVERRIDES_MAX);
}

#[derive(Clone, Debug)]
enum Change {
    Pin(f64, f64),
    Bounds(f64, f64),
    Weight(f64),
    End,
    /// The edge goes away, and the local loop decides.
    Lapse,
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        (0.0..200.0_f64, 0.0..500.0_f64).prop_map(|(size, rate)| Change::Pin(size, rate)),
        (0.0..200.0_f64, 0.0..500.0_f64).prop_map(|(size, rate)| Change::Bounds(size, rate)),
        (0.01..100.0_f64).prop_map(Change::Weight),
        Just(Change::End),
        Just(Change::Lapse),
    ]
}

impl Case {
    fn change(&mut self, change: &Change, now_ns: u64) {
        let limits = match *change {
            Change::Pin(size, rate) => pin(size, rate),
            Change::Bounds(size, rate) => {
                let bounds = LimitBounds {
                    bucket_size_min: Some(size),
                    refill_rate_min: Some(rate),
                    ..LimitBounds::default()
                };
                EffectiveLimits { pin: None, bounds, ..pin(0.0, 0.0) }
            }
            Change::Weight(weight) => EffectiveLimits { pin: None, weight, ..pin(0.0, 0.0) },
            Change::End => return self.apply(&telling(&[]), now_ns),
            Change::Lapse => {
                self.leases.edge_until_ns = 0;
                self.leases.everyone_until_ns = 0;
                self.local.set_overrides(self.leases.overrides(0));
                return self.cycle(&["u"], now_ns);
            }
        };
        self.apply(&telling(&[("u", limits)]), now_ns);
    }
}

proptest! {
    /// Whatever the operator overrides, in whatever order: at the moment of a change nobody has more tokens than just
    /// before it, and over any time no more are taken than the fullest bucket held and the fastest refill gave.
    #[test]
    fn no_change_of_overrides_mints_a_token(
        steps in prop::collection::vec((0_u64..2_000, change(), 0_u32..40), 1..40),
    ) {
        let mut case = Case::new();
        let user = UserId::new("u").unwrap();
        case.change(&Change::Pin(10.0, 1.0), 0);
        let (mut now_ns, mut taken) = (0, 0_u32);
        let (mut allowance, mut refill_rate) = (20.0, 1.0_f64);
        for (wait_ms, change, attempts) in steps {
            now_ns += wait_ms * 1_000_000;
            allowance += refill_rate * wait_ms as f64 / 1e3;
            let before = case.admission.tokens_of("u", now_ns);
            case.change(&change, now_ns);
            if let (Some(before), Some(after)) = (before, case.admission.tokens_of("u", now_ns)) {
                prop_assert!(after <= before + 1e-5, "{change:?} made {before} into {after}");
            }
            for _ in 0..attempts {
                let decision = case.admission.take_at(&user, now_ns);
                taken += u32::from(decision.is_allowed());
                refill_rate = decision.params().refill_rate();
            }
            if attempts == 0 {
                refill_rate = 500.0;
            }
            prop_assert!(f64::from(taken) <= allowance + 1e-3, "{taken} of {allowance}");
        }
    }
}
