//! Where a reader of a list has got to, as an opaque string that survives writes and restarts.
//!
//! A cursor names the last entry seen, not a position: lists are ordered by ids, or by a value and then an id, so
//! whatever is written between two pages, nothing already seen comes again and nothing that keeps its place is
//! skipped. Page numbers and offsets lost, because every write moves them.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::layout::{pair_key, parse_pair_key};
use crate::ranking::{ItemOrder, RankValue};
use crate::rating::ID_BYTES_MAX;

/// The version of the cursor's own bytes.
const CURSOR_VERSION: u8 = 1;

/// The longest cursor before encoding: version, list, and two ids with a length.
const CURSOR_BYTES_MAX: usize = 2 + 1 + 2 * ID_BYTES_MAX;

/// Which list of ratings a cursor walks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum List {
    /// The ratings of a user, by item id.
    OfUser,
    /// The ratings of an item, by user id.
    OfItem,
}

/// The entry after which a page begins.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Place {
    /// In the ratings of one user or one item: the other id.
    Rating(List, String),
    /// Among all ratings: user, then item.
    Pair(String, String),
    /// Among the items by an order: the value, then the item.
    Item(RankValue, String),
}

/// The place after which the next page of a list begins.
///
/// Written with [`ToString`], read back with [`str::parse`]; only letters, digits, `-` and `_`.
#[derive(Debug, Clone, PartialEq)]
pub struct Cursor {
    pub(crate) place: Place,
}

/// A string that is no cursor of this store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the cursor is not one this service gave out; start again without a cursor")]
pub struct CursorError;

impl Cursor {
    /// How to name its list to a reader.
    pub(crate) fn list_name(&self) -> &'static str {
        match &self.place {
            Place::Rating(List::OfUser, _) => "a user's ratings",
            Place::Rating(List::OfItem, _) => "an item's ratings",
            Place::Pair(..) => "the list of all ratings",
            Place::Item(value, _) => match value.order() {
                ItemOrder::BayesianAverage => "the items by Bayesian average",
                ItemOrder::Mean => "the items by mean",
                ItemOrder::Count => "the items by count",
            },
        }
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![CURSOR_VERSION];
        match &self.place {
            Place::Rating(List::OfUser, id) => push(&mut bytes, b'u', id.as_bytes()),
            Place::Rating(List::OfItem, id) => push(&mut bytes, b'i', id.as_bytes()),
            Place::Pair(user_id, item_id) => push(&mut bytes, b'p', &pair_key(user_id, item_id)),
            Place::Item(value, id) => {
                let (tag, bits) = match *value {
                    RankValue::BayesianAverage(value) => (b'b', value.to_bits()),
                    RankValue::Mean(value) => (b'm', value.to_bits()),
                    RankValue::Count(value) => (b'c', value),
                };
                push(&mut bytes, tag, &bits.to_be_bytes());
                bytes.extend_from_slice(id.as_bytes());
            }
        }
        bytes
    }
}

fn push(bytes: &mut Vec<u8>, tag: u8, rest: &[u8]) {
    bytes.push(tag);
    bytes.extend_from_slice(rest);
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.to_bytes()))
    }
}

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        // Base64 is a third longer than what it holds: refuse before decoding megabytes.
        if text.len() > CURSOR_BYTES_MAX * 4 / 3 + 4 {
            return Err(CursorError);
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| CursorError)?;
        let [CURSOR_VERSION, tag, rest @ ..] = bytes.as_slice() else { return Err(CursorError) };
        let place = parse_place(*tag, rest).ok_or(CursorError)?;
        Ok(Self { place })
    }
}

fn parse_place(tag: u8, rest: &[u8]) -> Option<Place> {
    match tag {
        b'u' => Some(Place::Rating(List::OfUser, parse_id(rest)?)),
        b'i' => Some(Place::Rating(List::OfItem, parse_id(rest)?)),
        b'p' => {
            let (user_id, item_id) = parse_pair_key(rest)?;
            Some(Place::Pair(user_id.to_owned(), item_id.to_owned()))
        }
        b'b' | b'm' | b'c' => {
            let (bits, id) = rest.split_first_chunk()?;
            let bits = u64::from_be_bytes(*bits);
            // No list gives out a place at infinity or at no number.
            let number = || Some(f64::from_bits(bits)).filter(|value| value.is_finite());
            let value = match tag {
                b'b' => RankValue::BayesianAverage(number()?),
                b'm' => RankValue::Mean(number()?),
                _ => RankValue::Count(bits),
            };
            Some(Place::Item(value, parse_id(id)?))
        }
        _ => None,
    }
}

fn parse_id(bytes: &[u8]) -> Option<String> {
    let id = str::from_utf8(bytes).ok()?;
    (1..=ID_BYTES_MAX).contains(&id.len()).then(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Cursor, List, Place, RankValue};

    fn text(place: Place) -> String {
        Cursor { place }.to_string()
    }

    #[test]
    fn golden_cursors() {
        assert_eq!(text(Place::Rating(List::OfUser, "tt0111161".to_owned())), "AXV0dDAxMTExNjE");
        assert_eq!(text(Place::Pair("ann".to_owned(), "m1".to_owned())), "AXACYW5ubTE");
        assert_eq!(text(Place::Item(RankValue::Count(7), "m1".to_owned())), "AWMAAAAAAAAAB20x");
        assert_eq!(text(Place::Item(RankValue::Mean(8.5), "m1".to_owned())), "AW1AIQAAAAAAAG0x");
    }

    #[test]
    fn foreign_strings_are_refused() {
        let infinite = text(Place::Item(RankValue::Mean(f64::INFINITY), "m".to_owned()));
        for text in ["", "AXU", "AXp4", "AnV4", "not base64!", "AXX_", &"A".repeat(10_000), &infinite] {
            assert!(text.parse::<Cursor>().is_err(), "{text}");
        }
    }

    fn place() -> impl Strategy<Value = Place> {
        let id = || "\\PC{1,40}".prop_filter("ids have at most 256 bytes", |id| id.len() <= 256);
        prop_oneof![
            id().prop_map(|id| Place::Rating(List::OfUser, id)),
            id().prop_map(|id| Place::Rating(List::OfItem, id)),
            (id(), id()).prop_map(|(user, item)| Place::Pair(user, item)),
            (any::<u64>(), id()).prop_map(|(count, id)| Place::Item(RankValue::Count(count), id)),
            (-1e9..1e9, id()).prop_map(|(mean, id)| Place::Item(RankValue::Mean(mean), id)),
            (-1e9..1e9, id()).prop_map(|(value, id)| Place::Item(RankValue::BayesianAverage(value), id)),
        ]
    }

    proptest! {
        #[test]
        fn any_place_survives_the_cursor(place in place()) {
            let cursor = Cursor { place };
            prop_assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }

        #[test]
        fn arbitrary_strings_never_panic(text in "\\PC{0,400}") {
            if let Ok(cursor) = text.parse::<Cursor>() {
                prop_assert_eq!(cursor.to_string(), text);
            }
        }
    }
}
