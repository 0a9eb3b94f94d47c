//! A place in the feed, as a client hands it back in `Last-Event-ID`.
//!
//! A bare number would be wrong after a restart, when counting begins anew: the client would silently skip whatever
//! has a smaller number. So a place names the count it belongs to, its epoch, which differs for every start of every
//! instance.

use std::fmt;
use std::str::FromStr;

/// Digits of an epoch.
const EPOCH_DIGITS: usize = 16;

/// The place of one event: `0123456789abcdef-42`.
///
/// Written with [`ToString`], read back with [`str::parse`], which takes exactly what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Position {
    /// Which count of events: another one for every start of every instance.
    pub epoch: u64,
    /// The event's number in it, from 1; 0 is the place before the first.
    pub seq: u64,
}

/// A text that names no place in a feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it must be the id of an event of this stream, such as 0123456789abcdef-42")]
pub struct InvalidPosition;

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{}", self.epoch, self.seq)
    }
}

impl FromStr for Position {
    type Err = InvalidPosition;

    fn from_str(text: &str) -> Result<Self, InvalidPosition> {
        let (epoch, seq) = text.split_once('-').ok_or(InvalidPosition)?;
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if epoch.len() != EPOCH_DIGITS || !epoch.bytes().all(is_hex) {
            return Err(InvalidPosition);
        }
        // `parse` would take a sign and leading zeros, which are never written.
        let is_plain = seq == "0" || (seq.starts_with(|c: char| c.is_ascii_digit()) && !seq.starts_with('0'));
        if !is_plain {
            return Err(InvalidPosition);
        }
        let epoch = u64::from_str_radix(epoch, 16).map_err(|_| InvalidPosition)?;
        let seq = seq.parse().map_err(|_| InvalidPosition)?;
        Ok(Self { epoch, seq })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_survives_being_written() {
        for position in [(0, 0), (1, 10), (u64::MAX, u64::MAX)].map(|(epoch, seq)| Position { epoch, seq }) {
            assert_eq!(position.to_string().parse(), Ok(position));
        }
        assert_eq!(Position { epoch: 0xabc, seq: 7 }.to_string(), "0000000000000abc-7");
    }

    #[test]
    fn what_was_never_written_is_refused() {
        for text in [
            "",
            "-",
            "7",
            "abc-7",
            "0000000000000abc",
            "0000000000000abc-",
            "0000000000000ABC-7",
            "0000000000000abc-07",
            "0000000000000abc-+7",
            "0000000000000abc--7",
            "0000000000000abc-7 ",
            "+000000000000abc-7",
            "0000000000000abc-18446744073709551616",
        ] {
            assert_eq!(text.parse::<Position>(), Err(InvalidPosition), "{text:?}");
        }
    }
}
