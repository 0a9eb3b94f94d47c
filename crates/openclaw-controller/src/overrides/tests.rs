//! What overrides leave for the others, and that they are met.

use openclaw_protocol::{LimitBounds, UserCounts};
use proptest::prelude::*;

use super::*;
use crate::control_loop::{ControlLoop, LoopSettings, Report};
use crate::observation::{Action, Controller, Observation, SharedAction};
use openclaw_protocol::{CollectorInfo, ItemId, RatingEvent, Reason, Totals};
use std::sync::Arc;

const TICK_NS: u64 = 100_000_000;

/// Admits so many ratings per second, come what may.
#[derive(Debug)]
struct Admits(f64);

impl Controller for Admits {
    fn name(&self) -> &'static str {
        "admits"
    }

    fn guards(&self) -> bool {
        false
    }

    fn decide(&mut self, _: &Observation) -> Action {
        Action::Shared(SharedAction::new(self.0, None, 1.0, 2.0))
    }
}

fn user(index: usize) -> UserId {
    UserId::new(&format!("u{index}")).unwrap()
}

fn unlimited() -> EffectiveLimits {
    EffectiveLimits { pin: None, bounds: LimitBounds::default(), weight: 1.0, expires_at: None }
}

fn pin(bucket_size: f64, refill_rate: f64) -> EffectiveLimits {
    EffectiveLimits { pin: Some(BucketPolicy { bucket_size, refill_rate }), ..unlimited() }
}

fn weight(weight: f64) -> EffectiveLimits {
    EffectiveLimits { weight, ..unlimited() }
}

fn refill_at_most(per_s: f64) -> EffectiveLimits {
    let bounds = LimitBounds { refill_rate_max: Some(per_s), ..LimitBounds::default() };
    EffectiveLimits { bounds, ..unlimited() }
}

/// A loop of one collector whose users offer as much as `offered_per_s` for ten seconds.
fn settled(admitted_per_s: f64, offered_per_s: &[f64], limits: &[EffectiveLimits]) -> (ControlLoop, u64) {
    let mut control = ControlLoop::new(LoopSettings::default(), Box::new(Admits(admitted_per_s)), 0);
    let limited = limits.iter().enumerate().map(|(index, limits)| (user(index), *limits)).collect();
    control.set_overrides(Arc::new(Overrides::new(limited)));
    let collector = CollectorInfo { id: "c".into(), service: "s".into(), epoch: 1 };
    let mut event = RatingEvent::new(user(0), ItemId::new("i").unwrap(), 5.0, 0);
    event.latency_ms = Some(10.0);
    for tick in 1..=100_u64 {
        let counts = |(index, per_s): (usize, &f64)| {
            UserCounts::new(user(index), (per_s * tick as f64 / 10.0).round() as u64, 0)
        };
        let users: Vec<_> = offered_per_s.iter().enumerate().map(counts).collect();
        let attempts = users.iter().map(|user| user.attempts).sum();
        let totals = Totals { attempts, accepted: attempts, completed: attempts, ..Totals::default() };
        let (seq, in_flight, dependencies) = (tick, 1, &[][..]);
        let report = Report {
            collector: &collector,
            seq,
            in_flight,
            totals,
            users: &users,
            dependencies,
            round_trip_s: None,
        };
        control.report(&report, tick * TICK_NS);
        control.observe_event(&event);
        control.tick(tick * TICK_NS);
    }
    (control, 100 * TICK_NS)
}

fn refill_rates(control: &ControlLoop, users: usize, now_ns: u64) -> Vec<f64> {
    (0..users).map(|index| control.policy(&user(index), Some("c"), now_ns).0.refill_rate).collect()
}

#[test]
fn a_pin_holds_to_the_last_digit_and_the_others_share_the_rest() {
    let (control, now_ns) = settled(100.0, &[200.0, 200.0, 200.0], &[pin(7.5, 40.0)]);
    let (policy, reason) = control.policy("u0", Some("c"), now_ns);
    assert_eq!((policy, reason), (BucketPolicy { bucket_size: 7.5, refill_rate: 40.0 }, Reason::Operator));
    let others = refill_rates(&control, 3, now_ns)[1];
    assert!((others - 30.0).abs() < 0.5, "two share the remaining 60/s, and one has {others}/s");
    let why = control.explain("u0", now_ns);
    assert_eq!((why.guard, why.policy), (Some("operator-pin"), policy));
    assert!(why.sentence.contains("pinned this user to 40/s and a bucket of 7.5"), "{}", why.sentence);
}

#[test]
fn a_weight_of_three_is_three_times_the_level_and_hands_out_no_more_in_all() {
    let (control, now_ns) = settled(100.0, &[500.0, 500.0, 500.0], &[weight(3.0)]);
    let rates = refill_rates(&control, 3, now_ns);
    assert!((rates[0] - 60.0).abs() < 0.5 && (rates[1] - 20.0).abs() < 0.5, "{rates:?}");
}

#[test]
fn what_a_bounded_user_may_not_have_goes_to_the_others() {
    let (control, now_ns) = settled(90.0, &[500.0, 500.0, 500.0], &[refill_at_most(10.0)]);
    let rates = refill_rates(&control, 3, now_ns);
    assert!((rates[0] - 10.0).abs() < 1e-9 && (rates[1] - 40.0).abs() < 0.5, "{rates:?}");
    assert_eq!(control.explain("u0", now_ns).guard, Some("operator-bounds"));
}

#[test]
fn promises_beyond_the_total_slow_the_others_down_but_lock_nobody_out() {
    let (control, now_ns) = settled(100.0, &[5000.0, 50.0, 50.0], &[pin(10.0, 5000.0)]);
    let rates = refill_rates(&control, 3, now_ns);
    assert_eq!(rates[0], 5000.0);
    assert!(rates[1] > 1.0, "{rates:?}");
}

#[test]
fn an_override_of_a_user_who_asks_for_nothing_changes_nothing_for_the_others() {
    let offered = [300.0, 200.0, 100.0];
    let (plain, now_ns) = settled(100.0, &offered, &[]);
    let (mut control, _) = settled(100.0, &offered, &[]);
    let idle = BTreeMap::from([(UserId::new("idle").unwrap(), pin(50.0, 90.0))]);
    control.set_overrides(Arc::new(Overrides::new(idle)));
    assert_eq!(refill_rates(&control, 3, now_ns), refill_rates(&plain, 3, now_ns));
    let (policy, reason) = control.policy("idle", Some("c"), now_ns);
    assert_eq!((policy.refill_rate, reason), (90.0, Reason::Operator), "and holds from its first request");
}

#[test]
fn an_override_holds_before_anything_was_measured() {
    let mut control = ControlLoop::new(LoopSettings::default(), Box::new(Admits(1.0)), 0);
    control.set_overrides(Arc::new(Overrides::new([(user(0), pin(3.0, 2.0))].into())));
    let pinned = BucketPolicy { bucket_size: 3.0, refill_rate: 2.0 };
    assert_eq!(control.policy("u0", None, 0), (pinned, Reason::Operator));
    assert_eq!(control.policies([&user(0)].into_iter(), None, 0).next().unwrap().1, pinned);
}

#[test]
fn what_has_ended_is_left_out() {
    let ending = EffectiveLimits { expires_at: Some(50), ..pin(1.0, 1.0) };
    let overrides = Overrides::new([(user(0), ending), (user(1), pin(1.0, 1.0))].into());
    assert_eq!(overrides.without_expired(49), None);
    assert_eq!(overrides.without_expired(50).unwrap().iter().count(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever an operator says of whom, all together are handed out what the controller admits, unless promises
    /// alone are more.
    #[test]
    fn all_together_take_what_is_admitted(
        offered in prop::collection::vec(1.0..400.0_f64, 2..12),
        limits in prop::collection::vec((0.02..50.0_f64, 0.0..200.0_f64, 0..3_u8), 0..12),
        admitted in 50.0..500.0_f64,
    ) {
        let limits: Vec<_> = limits.into_iter().take(offered.len()).map(|(heavy, per_s, kind)| match kind {
            0 => weight(heavy),
            1 => refill_at_most(per_s),
            _ => pin(per_s.max(1.2), per_s.max(0.05)),
        }).collect();
        let (control, now_ns) = settled(admitted, &offered, &limits);
        let rates = refill_rates(&control, offered.len(), now_ns);
        let demand: Vec<f64> = (0..offered.len()).map(|index| {
            let named = control.explain(&user(index), now_ns).action;
            named.iter().find(|(name, _)| *name == "demandOfUserPerS").map_or(0.0, |(_, per_s)| *per_s)
        }).collect();
        let taken: f64 = rates.iter().zip(&demand).map(|(rate, demand)| rate.min(*demand)).sum();
        let promised: f64 = limits.iter().filter_map(|limits| limits.pin).map(|pin| pin.refill_rate).sum();
        let all: f64 = demand.iter().sum();
        // Fifteen percent for the width of a histogram's rung.
        prop_assert!(taken <= (admitted + promised).min(all) * 1.15 + 1.0, "{} of {}", taken, admitted);
        if promised <= 0.9 * admitted {
            prop_assert!(taken <= admitted * 1.15 + 1.0, "{} of {}", taken, admitted);
        }
    }
}
