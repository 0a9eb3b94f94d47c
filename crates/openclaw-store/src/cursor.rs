//! Where a reader of a list has got to, as an opaque string that survives writes and restarts.
//!
//! A cursor names the last id seen, not a position: lists are ordered by id, so whatever is written
//! between two pages, nothing already seen comes again and nothing that stays is skipped. Page numbers
//! and offsets lost, because every write moves them.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::rating::ID_BYTES_MAX;

/// The version of the cursor's own bytes.
const CURSOR_VERSION: u8 = 1;

/// Which list a cursor walks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum List {
    /// The ratings of a user, by item id.
    OfUser,
    /// The ratings of an item, by user id.
    OfItem,
}

impl List {
    fn tag(self) -> u8 {
        match self {
            Self::OfUser => b'u',
            Self::OfItem => b'i',
        }
    }

    /// How to name the list to a reader.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::OfUser => "a user's ratings",
            Self::OfItem => "an item's ratings",
        }
    }
}

/// The place after which the next page of a list begins.
///
/// Written with [`ToString`], read back with [`str::parse`]; only letters, digits, `-` and `_`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    pub(crate) list: List,
    pub(crate) after: String,
}

/// A string that is no cursor of this store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the cursor is not one this service gave out; start again without a cursor")]
pub struct CursorError;

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = vec![CURSOR_VERSION, self.list.tag()];
        bytes.extend_from_slice(self.after.as_bytes());
        f.write_str(&URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        // Base64 is a third longer than what it holds: refuse before decoding megabytes.
        if text.len() > (ID_BYTES_MAX + 2) * 4 / 3 + 4 {
            return Err(CursorError);
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| CursorError)?;
        let [CURSOR_VERSION, tag, after @ ..] = bytes.as_slice() else { return Err(CursorError) };
        let list = match tag {
            b'u' => List::OfUser,
            b'i' => List::OfItem,
            _ => return Err(CursorError),
        };
        let after = str::from_utf8(after).map_err(|_| CursorError)?;
        if after.is_empty() || after.len() > ID_BYTES_MAX {
            return Err(CursorError);
        }
        Ok(Self { list, after: after.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Cursor, List};

    #[test]
    fn golden_cursor() {
        let cursor = Cursor { list: List::OfUser, after: "tt0111161".to_owned() };
        assert_eq!(cursor.to_string(), "AXV0dDAxMTExNjE");
    }

    #[test]
    fn foreign_strings_are_refused() {
        for text in ["", "AXU", "AXp4", "AnV4", "not base64!", "AXX_", &"A".repeat(10_000)] {
            assert!(text.parse::<Cursor>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_id_survives_the_cursor(after in "\\PC{1,60}", of_user in any::<bool>()) {
            prop_assume!(after.len() <= 256);
            let list = if of_user { List::OfUser } else { List::OfItem };
            let cursor = Cursor { list, after };
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
