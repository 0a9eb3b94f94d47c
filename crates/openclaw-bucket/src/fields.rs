//! `RateLimit`, `RateLimit-Policy` and `Retry-After` header field values.
//!
//! Formatting only, no HTTP types, so that services and middleware share one form: the
//! structured fields of draft-ietf-httpapi-ratelimit-headers (revision 10 and 11), where each
//! limit is a quoted name with parameters: `"default";q=100;w=60` and `"default";r=50;t=30`.

use std::fmt::Write as _;
use std::time::Duration;

use crate::BucketParams;

/// The greatest integer a structured field may carry (RFC 9651, section 3.3.1).
const SF_INTEGER_MAX: u64 = 999_999_999_999_999;

/// A `RateLimit-Policy` item: `"default";q=100;w=60`.
///
/// `q` is the capacity in whole tokens, `w` the seconds in which an empty bucket fills, rounded up;
/// `w` is left out where nothing is refilled. Characters of `name` that a structured field string
/// cannot hold (anything outside printable ASCII) become `?`.
#[must_use]
pub fn rate_limit_policy(name: &str, params: BucketParams) -> String {
    let mut value = sf_string(name);
    push_integer(&mut value, "q", whole_tokens(params.capacity()));
    let window_s = params.capacity() / params.refill_rate();
    if window_s.is_finite() {
        push_integer(&mut value, "w", (window_s.ceil() as u64).max(1));
    }
    value
}

/// A `RateLimit` item: `"default";r=50;t=30`.
///
/// `r` is the whole tokens left, `t` the seconds until the bucket is full, rounded up; `t` is left
/// out where it never is ([`Duration::MAX`]).
#[must_use]
pub fn rate_limit(name: &str, remaining: f64, reset_after: Duration) -> String {
    let mut value = sf_string(name);
    push_integer(&mut value, "r", whole_tokens(remaining));
    if reset_after != Duration::MAX {
        push_integer(&mut value, "t", whole_seconds(reset_after));
    }
    value
}

/// The seconds of a `Retry-After` field: rounded up and at least 1, since a client told to retry
/// after 0 s retries into the same refusal.
#[must_use]
pub fn retry_after_s(retry_after: Duration) -> u64 {
    whole_seconds(retry_after).max(1)
}

/// Whole tokens in `tokens`. Levels are kept to a fraction of a millionth and rounded down: a
/// bucket that holds 9.9999999 tokens is shown as 10.
fn whole_tokens(tokens: f64) -> u64 {
    (tokens + 1e-5).floor().max(0.0) as u64
}

fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs().saturating_add(u64::from(duration.subsec_nanos() > 0))
}

fn push_integer(value: &mut String, key: &str, number: u64) {
    // Writing to a String cannot fail.
    let _ = write!(value, ";{key}={}", number.min(SF_INTEGER_MAX));
}

/// `name` as a structured field string (RFC 9651, section 4.1.6).
fn sf_string(name: &str) -> String {
    let mut quoted = String::with_capacity(name.len() + 24);
    quoted.push('"');
    for character in name.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            ' '..='~' => quoted.push(character),
            _ => quoted.push('?'),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(capacity: f64, refill_rate: f64) -> BucketParams {
        BucketParams::new(capacity, refill_rate).unwrap()
    }

    #[test]
    fn policy_tells_quota_and_window() {
        assert_eq!(rate_limit_policy("default", params(100.0, 100.0 / 60.0)), r#""default";q=100;w=60"#);
    }

    #[test]
    fn policy_without_refill_has_no_window() {
        assert_eq!(rate_limit_policy("once", params(3.0, 0.0)), r#""once";q=3"#);
        assert_eq!(rate_limit_policy("closed", params(0.0, 0.0)), r#""closed";q=0"#);
    }

    #[test]
    fn limit_rounds_tokens_down_and_seconds_up() {
        assert_eq!(rate_limit("default", 50.9, Duration::from_millis(29_001)), r#""default";r=50;t=30"#);
        assert_eq!(rate_limit("default", 9.999_999_9, Duration::ZERO), r#""default";r=10;t=0"#);
        assert_eq!(rate_limit("default", 0.0, Duration::MAX), r#""default";r=0"#);
    }

    #[test]
    fn names_stay_structured_field_strings() {
        assert_eq!(rate_limit("a\"b\\c\u{e9}\n", 1.0, Duration::ZERO), r#""a\"b\\c??";r=1;t=0"#);
    }

    #[test]
    fn integers_stay_within_structured_field_range() {
        let slow = rate_limit_policy("slow", params(1.0, 1e-16));
        assert_eq!(slow, r#""slow";q=1;w=999999999999999"#);
    }

    #[test]
    fn retry_after_is_never_zero() {
        assert_eq!(retry_after_s(Duration::ZERO), 1);
        assert_eq!(retry_after_s(Duration::from_millis(1001)), 2);
        assert_eq!(retry_after_s(Duration::MAX), u64::MAX);
    }
}
