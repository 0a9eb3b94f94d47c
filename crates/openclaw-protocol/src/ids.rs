//! User and item ids: 1 to 256 bytes of UTF-8, shared rather than copied.
//!
//! One id is held by a rating, its event, a counter and a lease at the same time, so it is an `Arc<str>`;
//! the bound is checked once, at parsing.

use std::borrow::Borrow;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use serde::de::{Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};

/// The longest id, in bytes.
pub const ID_BYTES_MAX: usize = 256;

/// Why a text is not an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidId {
    /// The text is empty.
    #[error("must not be empty")]
    Empty,
    /// The text has this many bytes, more than [`ID_BYTES_MAX`].
    #[error("has {0} bytes, more than the {ID_BYTES_MAX} allowed")]
    TooLong(usize),
}

fn check(text: &str) -> Result<(), InvalidId> {
    match text.len() {
        0 => Err(InvalidId::Empty),
        1..=ID_BYTES_MAX => Ok(()),
        length => Err(InvalidId::TooLong(length)),
    }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $noun:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[cfg_attr(
            feature = "openapi",
            derive(utoipa::ToSchema),
            // Bytes, not characters: an id within the bound in bytes is always within it in characters.
            schema(value_type = String, min_length = 1, max_length = 256)
        )]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes a text of 1 to [`ID_BYTES_MAX`] bytes.
            ///
            /// # Errors
            /// [`InvalidId`] where the text is empty or too long.
            pub fn new(text: &str) -> Result<Self, InvalidId> {
                check(text)?;
                Ok(Self(Arc::from(text)))
            }

            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Deref for $name {
            type Target = str;
            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl From<$name> for Arc<str> {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct IdVisitor;
                impl Visitor<'_> for IdVisitor {
                    type Value = $name;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        write!(f, "{} as a string of 1 to {ID_BYTES_MAX} bytes", $noun)
                    }
                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$name, E> {
                        $name::new(text).map_err(|reason| E::custom(format_args!("{} {reason}", $noun)))
                    }
                }
                deserializer.deserialize_str(IdVisitor)
            }
        }
    };
}

id!(
    /// Who rates.
    UserId,
    "userId"
);
id!(
    /// What is rated.
    ItemId,
    "itemId"
);
