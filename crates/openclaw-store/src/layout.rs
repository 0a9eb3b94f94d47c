//! The byte format of everything the store writes. Nothing else in the crate knows bytes.
//!
//! Format 2, all whole numbers big-endian:
//!
//! | keyspace | key | value |
//! |---|---|---|
//! | `by_user` | user length − 1 (1 byte), user, item | score in millionths (i64), timestamp in ms (u64) |
//! | `by_item` | item length − 1 (1 byte), item, user | the same |
//! | `tallies` | item | bins (u16), each bin (LEB128), sum in millionths (zigzag LEB128) |
//! | `meta` | `scale` | lowest (i64), highest (i64) in millionths, bins (u16) |
//! | `meta` | `totals` | a tally of all ratings |
//! | `meta` | `tallies/`, number (u64) | what one commit changed: for each item, item length − 1 (1 byte), item, tally |
//!
//! An item's tally is that of the record with the highest number that has it; where none has, that in `tallies`. A
//! tally in a record may count no ratings, one in `tallies` never does. Format 1 had no such records.
//!
//! The length before the first id keeps ids free to hold any byte and makes "all of one user" one prefix.
//! Separators with escapes lost: they make keys longer and parsers cleverer. The rating is written under
//! both keys, because a page of an item's ratings is then one range scan instead of a scan and a lookup each.

use std::cmp::Ordering;

use crate::rating::{ID_BYTES_MAX, Micros, ScoreScale};
use crate::tally::Tally;

/// The format this version writes, and the newest it reads. It reads all older ones, too.
pub(crate) const FORMAT_VERSION: u32 = 2;

/// Key of the scale in `meta`.
pub(crate) const SCALE_KEY: &str = "scale";

/// Key of the tally of all ratings in `meta`.
pub(crate) const TOTALS_KEY: &str = "totals";

/// What the keys of records of tallies in `meta` begin with.
pub(crate) const RECORDS_PREFIX: &str = "tallies/";

/// Score and timestamp of a user's current rating of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) score: Micros,
    pub(crate) timestamp_ms: u64,
}

/// The prefix shared by all keys whose first id is this one.
///
/// Callers have checked the id: 1 to 256 bytes.
pub(crate) fn list_prefix(first: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + first.len() + 32);
    push_first(&mut key, first);
    key
}

fn push_first(into: &mut Vec<u8>, id: &str) {
    into.push(u8::try_from(id.len() - 1).unwrap_or(u8::MAX));
    into.extend_from_slice(id.as_bytes());
}

/// The key of a pair of ids.
pub(crate) fn pair_key(first: &str, second: &str) -> Vec<u8> {
    let mut key = list_prefix(first);
    key.extend_from_slice(second.as_bytes());
    key
}

/// Compares two pairs of ids as their keys compare, without making the keys.
pub(crate) fn compare_pairs(one: (&str, &str), two: (&str, &str)) -> Ordering {
    one.0.len().cmp(&two.0.len()).then_with(|| one.cmp(&two))
}

/// The bytes of both ids of a pair key.
pub(crate) fn split_pair_key(key: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&length, rest) = key.split_first()?;
    rest.split_at_checked(usize::from(length) + 1)
}

/// Both ids of a pair key.
pub(crate) fn parse_pair_key(key: &[u8]) -> Option<(&str, &str)> {
    let (first, second) = split_pair_key(key)?;
    if second.is_empty() || second.len() > ID_BYTES_MAX {
        return None;
    }
    Some((str::from_utf8(first).ok()?, str::from_utf8(second).ok()?))
}

/// Encodes a rating's value.
pub(crate) fn encode_mark(mark: Mark) -> [u8; 16] {
    let mut value = [0; 16];
    value[..8].copy_from_slice(&mark.score.0.to_be_bytes());
    value[8..].copy_from_slice(&mark.timestamp_ms.to_be_bytes());
    value
}

/// Decodes a rating's value.
pub(crate) fn decode_mark(value: &[u8]) -> Option<Mark> {
    let (score, rest) = value.split_first_chunk()?;
    let timestamp = rest.try_into().ok()?;
    Some(Mark { score: Micros(i64::from_be_bytes(*score)), timestamp_ms: u64::from_be_bytes(timestamp) })
}

/// Encodes a tally.
pub(crate) fn encode_tally(tally: &Tally) -> Vec<u8> {
    let mut value = Vec::with_capacity(2 + tally.histogram.len() + 8);
    push_tally(&mut value, tally);
    value
}

fn push_tally(value: &mut Vec<u8>, tally: &Tally) {
    value.extend_from_slice(&u16::try_from(tally.histogram.len()).unwrap_or(u16::MAX).to_be_bytes());
    for &bin in &tally.histogram {
        push_leb128(value, u128::from(bin));
    }
    let zigzag = (tally.sum_micros << 1) ^ (tally.sum_micros >> 127);
    push_leb128(value, zigzag.cast_unsigned());
}

/// Decodes a tally.
pub(crate) fn decode_tally(mut value: &[u8]) -> Option<Tally> {
    take_tally(&mut value).filter(|_| value.is_empty())
}

fn take_tally(from: &mut &[u8]) -> Option<Tally> {
    let (bins, rest) = from.split_first_chunk()?;
    *from = rest;
    let mut histogram = Vec::new();
    for _ in 0..u16::from_be_bytes(*bins) {
        histogram.push(u64::try_from(take_leb128(from)?).ok()?);
    }
    let zigzag = take_leb128(from)?;
    let sum_micros = (zigzag >> 1).cast_signed() ^ -((zigzag & 1).cast_signed());
    // A total above u64 would overflow the count.
    histogram.iter().try_fold(0u64, |sum, &bin| sum.checked_add(bin))?;
    Some(Tally { sum_micros, histogram })
}

/// The key of the record of this number.
pub(crate) fn record_key(number: u64) -> Vec<u8> {
    [RECORDS_PREFIX.as_bytes(), &number.to_be_bytes()].concat()
}

/// The number of the record with this key.
pub(crate) fn parse_record_key(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(key.strip_prefix(RECORDS_PREFIX.as_bytes())?.try_into().ok()?))
}

/// Adds an item's tally to a record.
pub(crate) fn push_item_tally(record: &mut Vec<u8>, item_id: &str, tally: &Tally) {
    push_first(record, item_id);
    push_tally(record, tally);
}

/// Takes the first item's tally off the rest of a record.
pub(crate) fn take_item_tally<'a>(record: &mut &'a [u8]) -> Option<(&'a str, Tally)> {
    let (&length, rest) = record.split_first()?;
    let (item_id, rest) = rest.split_at_checked(usize::from(length) + 1)?;
    *record = rest;
    Some((str::from_utf8(item_id).ok()?, take_tally(record)?))
}

/// Encodes a scale.
pub(crate) fn encode_scale(scale: &ScoreScale) -> Vec<u8> {
    let mut value = Vec::with_capacity(18);
    value.extend_from_slice(&scale.lowest.0.to_be_bytes());
    value.extend_from_slice(&scale.highest.0.to_be_bytes());
    value.extend_from_slice(&scale.bins.get().to_be_bytes());
    value
}

/// Decodes a scale.
pub(crate) fn decode_scale(value: &[u8]) -> Option<ScoreScale> {
    let (lowest, rest) = value.split_first_chunk()?;
    let (highest, rest) = rest.split_first_chunk()?;
    let bins = u16::from_be_bytes(rest.try_into().ok()?);
    Some(ScoreScale {
        lowest: Micros(i64::from_be_bytes(*lowest)),
        highest: Micros(i64::from_be_bytes(*highest)),
        bins: bins.try_into().ok()?,
    })
}

fn push_leb128(into: &mut Vec<u8>, mut number: u128) {
    loop {
        let low = (number & 0x7f) as u8;
        number >>= 7;
        if number == 0 {
            into.push(low);
            return;
        }
        into.push(low | 0x80);
    }
}

fn take_leb128(from: &mut &[u8]) -> Option<u128> {
    let mut number = 0u128;
    for shift in (0..u128::BITS).step_by(7) {
        let (&byte, rest) = from.split_first()?;
        *from = rest;
        let low = u128::from(byte & 0x7f);
        if low.leading_zeros() < shift {
            return None;
        }
        number |= low << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests;
