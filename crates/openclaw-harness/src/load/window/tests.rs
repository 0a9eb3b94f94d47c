//! How one second is judged.

use super::*;
use proptest::prelude::*;

#[test]
fn p95_is_the_nearest_rank() {
    let samples: Vec<f32> = (1..=20_u8).map(f32::from).collect();
    assert_eq!(quantile_s(&samples, 0.95), Some(19.0));
    assert_eq!(quantile_s(&samples, 0.5), Some(10.0));
    assert_eq!(quantile_s(&samples[..1], 0.95), Some(1.0));
    assert_eq!(quantile_s(&[], 0.95), None);
}

#[test]
fn timeouts_are_the_slowest_and_refusals_have_no_latency() {
    let mut late = Window::default();
    for outcome in [Outcome::Accepted, Outcome::Accepted, Outcome::Timeout, Outcome::ThrottledByGuard] {
        let sent = Sent::new(0.0, None, true);
        late.begin(&sent);
        late.end(&sent, &outcome, 0.05, outcome == Outcome::Accepted);
    }
    let closed = Judge { slo_s: 0.2, timeout_s: 1.0, capacity: None }.close(late, 0.0, 1.0);
    assert_eq!(closed.over_slo, Some(true));
    assert_eq!(closed.report.p95_ms, Some(1000.0));
    assert!((closed.report.p50_ms.unwrap() - 50.0).abs() < 1e-3);
    let nothing = Judge { slo_s: 0.2, timeout_s: 1.0, capacity: None }.close(Window::default(), 1.0, 2.0);
    assert_eq!((nothing.over_slo, nothing.report.p95_ms), (None, None));
}

proptest! {
    #[test]
    fn quantiles_leave_the_stated_share_below(mut samples in prop::collection::vec(0.0..10.0_f32, 1..300), fraction in 0.01..1.0_f64) {
        samples.sort_unstable_by(f32::total_cmp);
        let value = quantile_s(&samples, fraction).unwrap();
        let at_most = samples.iter().filter(|sample| f64::from(**sample) <= value).count() as f64;
        let below = samples.iter().filter(|sample| f64::from(**sample) < value).count() as f64;
        let wanted = fraction * samples.len() as f64;
        prop_assert!(at_most >= wanted && below < wanted);
    }
}
