//! Durations and sizes as people write them: a number and a unit, `100ms`, `1.5s`, `1MiB`.
//!
//! A bare number is refused for a duration: its reader cannot see whether it means seconds or milliseconds.
//! Values are exact (no floating point), so that what is printed reads back as the same.

use std::time::Duration;

/// Units of durations with their length in microseconds, the shortest first.
const DURATION_UNITS: [(&str, u128); 6] = [
    ("us", 1),
    ("ms", 1_000),
    ("s", 1_000_000),
    ("min", 60_000_000),
    ("h", 3_600_000_000),
    ("d", 86_400_000_000),
];

/// Units of sizes in bytes. Those that a size is written in come first, the smallest first.
const BYTE_UNITS: [(&str, u128); 8] = [
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("kB", 1_000),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
];
const BYTE_UNITS_WRITTEN: usize = 4;

/// Reads a duration; `None` where the text is not one, or finer than a microsecond.
pub(super) fn parse_duration(text: &str) -> Option<Duration> {
    let microseconds = parse(text, &DURATION_UNITS)?;
    Some(Duration::from_micros(u64::try_from(microseconds).ok()?))
}

/// Reads a size in bytes; a bare number is bytes.
pub(super) fn parse_bytes(text: &str) -> Option<u64> {
    if let Ok(bytes) = text.trim().parse() {
        return Some(bytes);
    }
    u64::try_from(parse(text, &BYTE_UNITS)?).ok()
}

/// Writes a duration in the longest unit that is exact.
pub(super) fn show_duration(duration: Duration) -> String {
    show(duration.as_micros(), &DURATION_UNITS)
}

/// Writes a size in the largest binary unit that is exact.
pub(super) fn show_bytes(bytes: u64) -> String {
    show(bytes.into(), &BYTE_UNITS[..BYTE_UNITS_WRITTEN])
}

/// A decimal number and a unit, in the smallest unit; `None` where that is not a whole number.
fn parse(text: &str, units: &[(&str, u128)]) -> Option<u128> {
    let text = text.trim();
    let unit_start = text.find(|character: char| !character.is_ascii_digit() && character != '.')?;
    let (number, unit) = text.split_at(unit_start);
    let scale = units.iter().find(|(name, _)| *name == unit.trim_start())?.1;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let whole: u128 = whole.parse().ok()?;
    let parts = 10_u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let fraction = fraction.parse::<u128>().ok()?.checked_mul(scale)?;
    if !fraction.is_multiple_of(parts) {
        return None;
    }
    whole.checked_mul(scale)?.checked_add(fraction / parts)
}

fn show(amount: u128, units: &[(&str, u128)]) -> String {
    let largest = units.iter().rev().find(|(_, scale)| amount.is_multiple_of(*scale) && amount > 0);
    let (unit, scale) = largest.unwrap_or(&units[0]);
    format!("{}{unit}", amount / scale)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::{parse_bytes, parse_duration, show_bytes, show_duration};

    #[test]
    fn quantities_are_read_as_people_write_them() {
        for (text, micros) in [
            ("100ms", 100_000),
            ("5s", 5_000_000),
            ("1.5s", 1_500_000),
            (" 5 min ", 300_000_000),
            ("0s", 0),
            ("250us", 250),
        ] {
            assert_eq!(parse_duration(text), Some(Duration::from_micros(micros)), "{text}");
        }
        for (text, bytes) in [("1MiB", 1 << 20), ("1.5KiB", 1536), ("2 kB", 2000), ("17", 17), ("0B", 0)] {
            assert_eq!(parse_bytes(text), Some(bytes), "{text}");
        }
    }

    #[test]
    fn what_has_no_unit_or_no_exact_value_is_refused() {
        for text in
            ["", "5", "s", "5 sec", "-5s", "1e3s", "1.2.3s", "0.0001ms", ".5s", "5.s", "5S", "NaN s", "٣s"]
        {
            assert_eq!(parse_duration(text), None, "{text}");
        }
        for text in [
            "",
            "MiB",
            "1mib",
            "-1",
            "0.3B",
            "99999999999999GiB",
            "1.0000000000000000000000000000000000000000B",
        ] {
            assert_eq!(parse_bytes(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(amount in any::<u64>(), zeros in 0_u32..10) {
            // Round numbers too, which take the larger units.
            let amount = amount / 10_u64.pow(zeros) * 10_u64.pow(zeros);
            prop_assert_eq!(parse_bytes(&show_bytes(amount)), Some(amount));
            let duration = Duration::from_micros(amount);
            prop_assert_eq!(parse_duration(&show_duration(duration)), Some(duration));
        }

        #[test]
        fn no_text_panics(text in "[0-9.]{0,50}[a-zA-Z ]{0,4}|\\PC{0,20}") {
            let _: (Option<Duration>, Option<u64>) = (parse_duration(&text), parse_bytes(&text));
        }
    }
}
