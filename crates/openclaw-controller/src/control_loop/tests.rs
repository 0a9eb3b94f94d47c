//! The loop as a whole, against a service that is nothing but arithmetic.

use openclaw_protocol::{Context, ItemId, UserId};
use proptest::prelude::*;

use super::*;
use crate::observation::SharedAction;
use crate::{Aimd, AimdSettings, Fixed};

const TICK_NS: u64 = 100_000_000;

fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

fn collector(id: &str) -> CollectorInfo {
    CollectorInfo { id: id.into(), service: "s".into(), epoch: 1 }
}

fn event(latency_ms: f64) -> RatingEvent {
    let mut event = RatingEvent::new(user("u"), ItemId::new("i").unwrap(), 5.0, 0);
    event.latency_ms = Some(latency_ms);
    event
}

/// A report that says nothing.
fn quiet(collector: &CollectorInfo) -> Report<'_> {
    Report {
        collector,
        seq: 1,
        in_flight: 0,
        totals: Totals::default(),
        users: &[],
        dependencies: &[],
        round_trip_s: None,
    }
}

fn little_guard(settings: LoopSettings) -> ControlLoop {
    ControlLoop::new(settings, Box::new(LittleGuard::new(settings.start_per_s)), 0)
}

/// A service that completes `capacity` ratings per tick, first come, first served; users offer a fixed number
/// per tick, of which their bucket's refill rate is admitted.
struct Toy {
    seq: u64,
    totals: Totals,
    users: Vec<(UserId, f64, UserCounts)>,
    queue: f64,
    admitted: Vec<f64>,
}

impl Toy {
    fn new(offered_per_tick: &[f64]) -> Self {
        let users = offered_per_tick
            .iter()
            .enumerate()
            .map(|(index, &offered)| {
                let id = user(&format!("u{index}"));
                (id.clone(), offered, UserCounts::new(id, 0, 0))
            })
            .collect();
        Self {
            seq: 0,
            totals: Totals::default(),
            users,
            queue: 0.0,
            admitted: vec![0.0; offered_per_tick.len()],
        }
    }

    fn tick(&mut self, control: &mut ControlLoop, id: &str, capacity: f64, now_ns: u64) {
        for (index, (name, offered, counts)) in self.users.iter_mut().enumerate() {
            let refill = control.policy(name, Some(id), now_ns).0.refill_rate / 10.0;
            let admitted = offered.min(refill);
            self.admitted[index] = admitted;
            counts.attempts += offered.round() as u64;
            counts.throttled += (*offered - admitted).round() as u64;
            self.totals.attempts += offered.round() as u64;
            self.totals.accepted += admitted.round() as u64;
            self.queue += admitted;
        }
        let done = self.queue.min(capacity);
        self.queue -= done;
        self.totals.completed += done.round() as u64;
        self.seq += 1;
        let latency_s = 0.02 + self.queue / capacity * 0.1;
        let users: Vec<_> = self.users.iter().map(|(_, _, counts)| counts.clone()).collect();
        let report = Report {
            collector: &collector(id),
            seq: self.seq,
            in_flight: (self.queue + done * 0.2) as u32,
            totals: self.totals,
            users: &users,
            dependencies: &[],
            round_trip_s: None,
        };
        assert!(control.report(&report, now_ns));
        (0..5).for_each(|_| control.observe_event(&event(latency_s * 1e3)));
        control.tick(now_ns);
    }
}

#[test]
fn without_any_latency_the_answer_is_the_configured_default_and_says_so() {
    let settings = LoopSettings::default();
    let mut control = little_guard(settings);
    control.tick(TICK_NS);
    assert_eq!(control.policy("anyone", None, TICK_NS), (settings.defaults, Reason::NoLatencySignal));
    let assignment = control.assignment(None, TICK_NS);
    assert_eq!(assignment.guard_s, Some(0.1), "a cold start guards half the SLO");
    assert!(control.explain("anyone", TICK_NS).sentence.contains("no latency has been reported"));
}

#[test]
fn an_overload_is_brought_down_to_what_the_service_completes() {
    let mut control = little_guard(LoopSettings::default());
    let mut toy = Toy::new(&[8.0; 20]);
    let mut waits = Vec::new();
    for tick in 1..=200 {
        toy.tick(&mut control, "c", 80.0, tick * TICK_NS);
        waits.push(toy.queue / 80.0 * 0.1);
    }
    let admitted: f64 = toy.admitted.iter().sum();
    assert!((65.0..90.0).contains(&admitted), "admits {admitted} of 160 offered at a capacity of 80");
    assert!(waits[50..].iter().all(|&wait| wait < 0.18), "the queue stays inside the SLO");
}

#[test]
fn heavy_users_share_the_level_and_light_users_keep_what_they_ask_for() {
    let mut control = little_guard(LoopSettings::default());
    let mut offered = vec![1.0; 20];
    offered.extend([60.0, 90.0]);
    let mut toy = Toy::new(&offered);
    for tick in 1..=200 {
        toy.tick(&mut control, "c", 80.0, tick * TICK_NS);
    }
    let at_once: Vec<_> = control
        .policies(toy.users.iter().map(|(id, _, _)| id), Some("c"), 200 * TICK_NS)
        .map(|(_, policy)| policy)
        .collect();
    let one_by_one: Vec<_> =
        toy.users.iter().map(|(id, _, _)| control.policy(id, Some("c"), 200 * TICK_NS).0).collect();
    assert_eq!(at_once, one_by_one);
    assert!(toy.admitted[..20].iter().all(|&admitted| admitted > 0.99), "{:?}", &toy.admitted[..20]);
    let (heavy, heavier) = (toy.admitted[20], toy.admitted[21]);
    assert!(heavy < 45.0 && (heavy / heavier - 1.0).abs() < 0.1, "{heavy} and {heavier}");
    let why = control.explain("u21", 200 * TICK_NS).sentence;
    assert!(why.contains("more than the common level"), "{why}");
}

#[test]
fn a_report_delivered_twice_or_late_changes_nothing() {
    let mut control = little_guard(LoopSettings::default());
    let info = collector("c");
    let users = [UserCounts::new(user("u"), 10, 0)];
    let totals = Totals { attempts: 10, accepted: 10, completed: 10, ..Totals::default() };
    let report = Report { seq: 1, totals, users: &users, ..quiet(&info) };
    control.observe_event(&event(20.0));
    assert!(control.report(&report, TICK_NS));
    control.tick(TICK_NS);
    let before = control.observation().copied();
    assert!(control.report(&report, TICK_NS));
    assert_eq!(control.observation().copied(), before);
    assert_eq!(control.users_tracked(), 1);
}

#[test]
fn a_loop_that_restarts_takes_the_first_report_only_as_a_baseline() {
    let mut control = little_guard(LoopSettings::default());
    let info = collector("c");
    let users = [UserCounts::new(user("u"), 1_000_000, 0)];
    let totals =
        Totals { attempts: 1_000_000, accepted: 1_000_000, completed: 1_000_000, ..Totals::default() };
    control.observe_event(&event(20.0));
    control.report(&Report { seq: 5_000, totals, users: &users, ..quiet(&info) }, TICK_NS);
    control.tick(TICK_NS);
    assert_eq!(control.observation().unwrap().demand_fast_per_s, 0.0);
}

#[test]
fn two_collectors_of_one_service_share_a_user_by_its_demand() {
    let mut control = little_guard(LoopSettings::default());
    let (mut busy, mut quiet) = (Toy::new(&[60.0]), Toy::new(&[20.0]));
    for tick in 1..=100 {
        busy.tick(&mut control, "busy", 20.0, tick * TICK_NS);
        quiet.tick(&mut control, "quiet", 20.0, tick * TICK_NS + TICK_NS / 2);
    }
    let now_ns = 100 * TICK_NS + TICK_NS / 2;
    let at = |id: &str| control.policy("u0", Some(id), now_ns).0.refill_rate;
    let (busy, quiet) = (at("busy"), at("quiet"));
    assert!((busy / quiet - 3.0).abs() < 0.4, "{busy} to {quiet}");
    let (top, rest) = control.busiest(10, now_ns);
    assert!((top[0].policy.refill_rate - busy - quiet).abs() < 0.01 * busy, "the parts add up to the whole");
    assert_eq!(rest, None);
}

#[test]
fn idle_users_are_forgotten_and_the_table_stays_bounded() {
    let mut control = little_guard(LoopSettings { users_max: 50, ..LoopSettings::default() });
    let info = collector("c");
    for seq in 1..=100_u64 {
        let users: Vec<_> =
            (0..20).map(|n| UserCounts::new(user(&format!("made-up-{seq}-{n}")), 1, 1)).collect();
        let totals = Totals { attempts: seq * 20, ..Totals::default() };
        let report = Report { seq, totals, users: &users, ..quiet(&info) };
        control.report(&report, seq * TICK_NS);
        control.tick(seq * TICK_NS);
        assert!(control.users_tracked() <= 50);
    }
    for tick in 101..=300 {
        control.tick(tick * TICK_NS);
    }
    assert_eq!(control.users_tracked(), 0);
}

#[test]
fn made_up_ids_together_get_no_more_than_one_user() {
    let mut control = little_guard(LoopSettings::default());
    let mut toy = Toy::new(&[8.0; 20]);
    let info = collector("attacked");
    let mut attempts = 0;
    for tick in 1..=100_u64 {
        let now_ns = tick * TICK_NS;
        let users: Vec<_> = (0..50).map(|n| UserCounts::new(user(&format!("x-{tick}-{n}")), 1, 1)).collect();
        attempts += 50;
        let totals = Totals { attempts, throttled: attempts, ..Totals::default() };
        control.report(&Report { seq: tick, totals, users: &users, ..quiet(&info) }, now_ns);
        toy.tick(&mut control, "c", 80.0, now_ns);
    }
    let now_ns = 100 * TICK_NS;
    let level = control.policy("u0", Some("c"), now_ns).0.refill_rate;
    let newcomers: f64 = ["c", "attacked"]
        .iter()
        .map(|id| control.assignment(Some(id), now_ns).newcomers.unwrap().refill_rate)
        .sum();
    assert!(newcomers <= level * 1.2, "newcomers {newcomers}/s, a user {level}/s");
}

#[test]
fn too_many_collectors_are_refused_and_silent_ones_make_room() {
    let mut control = little_guard(LoopSettings { sources_max: 2, ..LoopSettings::default() });
    let mut report = |id: &str, now_ns| {
        let info = collector(id);
        let taken = control.report(&Report { seq: 1, totals: Totals::default(), ..quiet(&info) }, now_ns);
        control.tick(now_ns);
        taken
    };
    assert!(report("a", TICK_NS) && report("b", 2 * TICK_NS));
    assert!(!report("c", 3 * TICK_NS));
    assert!(!report("c", 60 * TICK_NS), "silence is noticed at the tick");
    assert!(report("c", 61 * TICK_NS));
}

#[test]
fn single_events_alone_close_the_loop() {
    let mut control = little_guard(LoopSettings::default());
    for tick in 1..=50_u64 {
        for _ in 0..10 {
            control.observe_direct(&event(20.0), tick * TICK_NS);
        }
        control.tick(tick * TICK_NS);
    }
    let (policy, reason) = control.policy("u", None, 50 * TICK_NS);
    assert_eq!(reason, Reason::Controller);
    assert!(policy.refill_rate > 100.0, "a user that is served in time has room: {policy:?}");
}

#[test]
fn the_static_controller_gives_everyone_the_same_and_no_guard() {
    let policy = BucketPolicy { bucket_size: 40.0, refill_rate: 20.0 };
    let mut control = ControlLoop::new(LoopSettings::default(), Box::new(Fixed::new(policy)), 0);
    control.observe_event(&event(900.0));
    control.tick(TICK_NS);
    let assignment = control.assignment(None, TICK_NS);
    assert_eq!((assignment.defaults, assignment.newcomers, assignment.guard_s), (policy, None, None));
}

#[test]
fn a_tick_is_an_observation_a_decision_and_an_action() {
    let run = |by_hand: bool| {
        let mut control = little_guard(LoopSettings::default());
        let mut controller = LittleGuard::new(LoopSettings::default().start_per_s);
        let info = collector("c");
        for seq in 1..=40_u64 {
            let now_ns = seq * TICK_NS;
            let totals =
                Totals { attempts: seq * 90, accepted: seq * 70, completed: seq * 60, ..Totals::default() };
            let users = [UserCounts::new(user("u"), seq * 90, seq * 20)];
            control.report(&Report { seq, in_flight: 30, totals, users: &users, ..quiet(&info) }, now_ns);
            control.observe_event(&event(30.0 + seq as f64));
            if by_hand {
                assert!(control.due(now_ns));
                let seen = *control.observe(now_ns).unwrap();
                assert_eq!(control.act(&seen, controller.decide(&seen), now_ns), Reason::Controller);
                assert!(!control.due(now_ns + TICK_NS / 2));
            } else {
                assert!(control.tick(now_ns));
            }
        }
        (control.policy("u", Some("c"), 40 * TICK_NS), control.observation().copied())
    };
    assert_eq!(run(true), run(false));
}

#[test]
fn feedback_is_as_old_as_the_newest_report_and_its_way() {
    let mut control = little_guard(LoopSettings::default());
    let info = collector("c");
    control.observe_event(&event(20.0));
    control.report(&Report { round_trip_s: Some(0.04), ..quiet(&info) }, TICK_NS);
    let age_s = |control: &mut ControlLoop, now_ns| control.observe(now_ns).unwrap().feedback_age_s;
    assert!((age_s(&mut control, TICK_NS) - 0.04).abs() < 1e-9);
    assert!((age_s(&mut control, 4 * TICK_NS) - 0.34).abs() < 1e-9, "nothing came for 300 ms");
    control.report(&Report { seq: 2, round_trip_s: Some(f64::NAN), ..quiet(&info) }, 5 * TICK_NS);
    assert_eq!(age_s(&mut control, 5 * TICK_NS), 0.0);
}

#[test]
fn a_broken_controller_is_replaced_by_the_fallback() {
    struct Broken;
    impl Controller for Broken {
        fn name(&self) -> &'static str {
            "broken"
        }
        fn guards(&self) -> bool {
            true
        }
        fn decide(&mut self, _seen: &Observation) -> Action {
            Action::Shared(SharedAction::new(f64::NAN, None, 1.0, 1.0))
        }
    }
    let mut control = ControlLoop::new(LoopSettings::default(), Box::new(Broken), 0);
    control.observe_event(&event(20.0));
    control.tick(TICK_NS);
    let assignment = control.assignment(None, TICK_NS);
    assert_eq!(assignment.reason, Reason::Fallback);
    assert!(assignment.defaults.is_sound() && assignment.guard_s.is_some());
}

#[test]
fn the_same_reports_give_the_same_answers_bit_for_bit() {
    let run = || {
        let mut control = ControlLoop::new(
            LoopSettings::default(),
            Box::new(Aimd::new(1000.0, AimdSettings::default())),
            0,
        );
        let mut toy = Toy::new(&[8.0, 3.0, 40.0, 1.0]);
        for tick in 1..=100 {
            toy.tick(&mut control, "c", 30.0, tick * TICK_NS);
        }
        (0..4)
            .map(|n| control.policy(&format!("u{n}"), Some("c"), 100 * TICK_NS).0.refill_rate.to_bits())
            .collect::<Vec<_>>()
    };
    assert_eq!(run(), run());
}

#[test]
fn users_of_a_costly_class_get_fewer_ratings_for_the_same_work_and_the_answer_says_so() {
    let mut control = little_guard(LoopSettings::default());
    let info = collector("c");
    let tv = Context { device_type: Some("tv".into()), ..Context::default() };
    let (mut counts, mut events) = (Vec::new(), Vec::new());
    for (name, context, work_ms) in [("plain", Context::default(), 10.0), ("costly", tv.clone(), 40.0)] {
        counts.push(UserCounts { context: context.clone(), ..UserCounts::new(user(name), 0, 0) });
        let mut event = event(work_ms + 10.0);
        (event.user_id, event.work_ms, event.context) = (user(name), Some(work_ms), context);
        events.push(event);
    }
    let mut totals = Totals::default();
    for seq in 1..=100_u64 {
        counts.iter_mut().for_each(|counts| counts.attempts += 50);
        totals.attempts += 100;
        totals.accepted += 20;
        totals.completed += 20;
        let report = Report { seq, in_flight: 40, totals, users: &counts, ..quiet(&info) };
        control.report(&report, seq * TICK_NS);
        (0..10).for_each(|_| events.iter().for_each(|event| control.observe_event(event)));
        control.tick(seq * TICK_NS);
    }
    let now_ns = 100 * TICK_NS;
    let refill = |name: &str| control.policy(name, Some("c"), now_ns).0.refill_rate;
    assert!((refill("plain") / refill("costly") - 4.0).abs() < 1e-6);
    let seen = control.observation().unwrap();
    assert!((seen.throughput_fast_per_s - 200.0 * 2.5).abs() < 1e-6, "work, not ratings: {seen:?}");
    assert!((seen.base_s - 0.035).abs() < 1e-6, "{seen:?}");
    assert_eq!((control.class_of(&tv), control.class_of(&Context::default())), (1, 0));
    let why = control.explain("costly", now_ns);
    assert!(why.sentence.contains("counts for 4.0 plain ones"), "{}", why.sentence);
    assert!(why.action.contains(&("costOfClass", 4.0)), "{:?}", why.action);
    let times = control.assignment(Some("c"), now_ns).gate_times();
    assert!(times.classes[1].unwrap() < times.classes[0].unwrap());
}

#[test]
fn costs_do_not_reach_a_controller_that_is_not_aware() {
    let settings = LoopSettings::default();
    let mut control = ControlLoop::new(settings, Box::new(LittleGuard::blind(settings.start_per_s)), 0);
    let mut costly = event(50.0);
    costly.context = Context { device_type: Some("tv".into()), ..Context::default() };
    costly.work_ms = Some(40.0);
    control.observe_event(&costly);
    control.tick(TICK_NS);
    assert!(control.observation().unwrap().classes.is_empty());
    assert_eq!(control.contexts().count(), 1);
}

proptest! {
    #[test]
    fn whatever_is_reported_every_answer_is_sound_and_inside_the_bounds(
        steps in proptest::collection::vec(
            (0_u64..2_000_000_000, any::<u32>(), any::<u64>(), any::<u64>(), 0.0..1e12_f64, 0_u8..6), 1..60,
        ),
    ) {
        let settings = LoopSettings::default();
        let mut control = little_guard(settings);
        let info = collector("c");
        let mut now_ns = 0_u64;
        for (seq, (elapsed_ns, in_flight, attempts, completed, latency_ms, who)) in (1..).zip(steps) {
            now_ns += elapsed_ns;
            let totals = Totals { attempts, accepted: attempts, throttled: 0, completed, failed: 0 };
            let id = user(&format!("u{who}"));
            let users = [UserCounts::new(id.clone(), attempts, 0)];
            control.report(&Report { seq, in_flight, totals, users: &users, ..quiet(&info) }, now_ns);
            control.observe_event(&event(latency_ms));
            control.tick(now_ns);
            for policy in [control.policy(&id, Some("c"), now_ns).0, control.assignment(Some("c"), now_ns).defaults] {
                prop_assert!(policy.is_sound());
                prop_assert!(policy.refill_rate >= settings.bounds.refill_rate_min);
                prop_assert!(policy.bucket_size >= settings.bounds.bucket_size_min);
            }
            prop_assert!(control.assignment(None, now_ns).guard_s.is_none_or(|guard_s| guard_s.is_finite() && guard_s > 0.0));
        }
    }
}
