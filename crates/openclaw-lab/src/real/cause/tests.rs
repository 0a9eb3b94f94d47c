//! Which sentence stands under which measurements.

use super::*;

fn side(jf: f64) -> Side {
    Side { jf, offered: 1000, ..Side::default() }
}

/// The sentence for a played course of `jf` against a simulated 0.9, give or take 0.02.
fn sentence(jf: f64, change: impl FnOnce(&mut Measured)) -> String {
    let mut measured = Measured {
        machine: MachineUse { busy_fraction: Some(0.5), ..MachineUse::default() },
        backend: BackendUse::default(),
        commits: Some(CommitTimes { count: 100, mean_ms: 2.0 }),
        send_lag_p99_ms: 1.0,
        failed: 0,
    };
    change(&mut measured);
    let real = Side { failed: measured.failed, ..side(jf) };
    let seen = Circumstances {
        machine: &measured.machine,
        backend: &measured.backend,
        commits: measured.commits,
        send_lag_p99_ms: measured.send_lag_p99_ms,
        slo_ms: 200.0,
    };
    likely_cause(&real, &Chance::of(&[0.88, 0.9, 0.92]), &seen)
}

struct Measured {
    machine: MachineUse,
    backend: BackendUse,
    commits: Option<CommitTimes>,
    send_lag_p99_ms: f64,
    failed: u64,
}

#[test]
fn small_gaps_need_no_cause_and_still_tell_of_a_saturated_machine() {
    assert_eq!(sentence(0.89, |_| ()), "both sides agree");
    let busy = sentence(0.91, |seen| seen.machine.seconds_over_90_percent = 0.5);
    assert!(
        busy.starts_with("both sides agree, although the machine itself was over 90 % busy in 50 %"),
        "{busy}"
    );
}

#[test]
fn a_gap_without_a_measured_cause_is_not_explained_away() {
    assert_eq!(
        sentence(0.6, |_| ()),
        "30 points worse than simulated; the simulator comes to JF from 0.88 to 0.92 over 3 draws of service times, and \
         nothing that was measured says why it is more"
    );
}

#[test]
fn each_measurement_out_of_order_is_named() {
    let one = |change: fn(&mut Measured)| sentence(0.8, change);
    for (told, word) in [
        (one(|seen| seen.machine.seconds_over_90_percent = 0.25), "this result is about the machine"),
        (one(|seen| seen.send_lag_p99_ms = 40.0), "sent 1 % of the attempts more than 40 ms late"),
        (one(|seen| seen.backend.delivered_fraction = Some(0.7)), "the backend delivered 70 %"),
        (one(|seen| seen.commits = Some(CommitTimes { count: 9, mean_ms: 30.0 })), "a sync to disk, 30 ms"),
        (one(|seen| seen.failed = 50), "5.0 % of the attempts failed"),
    ] {
        assert!(
            told.starts_with("10 points worse than simulated, likely because ") && told.contains(word),
            "{told}"
        );
    }
}

#[test]
fn the_gravest_cause_comes_first() {
    let told = sentence(0.5, |seen| {
        seen.failed = 500;
        seen.machine.seconds_over_90_percent = 1.0;
    });
    let (machine, failed) = (told.find("the machine itself").unwrap(), told.find("; also, 50.0 %").unwrap());
    assert!(machine < failed, "{told}");
}

#[test]
fn a_course_that_went_better_is_not_blamed_on_anything() {
    let told = sentence(1.0, |seen| seen.send_lag_p99_ms = 100.0);
    assert!(
        told.starts_with("10 points better than simulated, which luck does not explain")
            && !told.contains("load generator"),
        "{told}"
    );
}

#[test]
fn a_gap_that_luck_makes_in_the_simulator_too_is_called_luck() {
    let told = sentence(0.865, |seen| seen.failed = 500);
    assert!(told.starts_with("4 points worse than simulated in the mean, which is luck: "), "{told}");
    assert!(told.ends_with("JF from 0.88 to 0.92 over 3 draws of service times"), "{told}");
    let beyond = sentence(0.855, |_| ());
    assert!(!beyond.contains("luck"), "{beyond}");
}
