//! The header field `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header-07, section 2.1).
//!
//! The draft wants a structured field's string, in quotation marks. Most clients there are send the bare key, so both
//! forms are read and mean the same.

use http::{HeaderMap, HeaderName};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// The longest key, in bytes; a UUID has 36.
pub const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;

/// A client's name for one request, under which it may send it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey(String);

/// Why a header field is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    /// The field is there more than once.
    #[error("Idempotency-Key is there more than once; send one")]
    Repeated,
    /// Nothing is in it.
    #[error(
        "Idempotency-Key is empty; send a name for this request that is used for no other, such as a UUID"
    )]
    Empty,
    /// It is too long.
    #[error(
        "Idempotency-Key has {0} bytes, more than the {IDEMPOTENCY_KEY_BYTES_MAX} allowed; a UUID is enough"
    )]
    TooLong(usize),
    /// Quotation marks do not match, something is behind them, or a character is not printable ASCII.
    #[error(
        "Idempotency-Key is neither a string in quotation marks (RFC 9651) nor printable ASCII without spaces, quotation marks, commas and backslashes"
    )]
    Malformed,
}

impl IdempotencyKey {
    /// The key of a request, where it has one.
    ///
    /// # Errors
    /// [`InvalidKey`].
    pub fn of(headers: &HeaderMap) -> Result<Option<Self>, InvalidKey> {
        let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
        let Some(value) = values.next() else { return Ok(None) };
        if values.next().is_some() {
            return Err(InvalidKey::Repeated);
        }
        Self::parse(value.as_bytes()).map(Some)
    }

    /// Reads the field's value.
    ///
    /// # Errors
    /// [`InvalidKey`].
    pub fn parse(value: &[u8]) -> Result<Self, InvalidKey> {
        let value = str::from_utf8(value).map_err(|_| InvalidKey::Malformed)?;
        let value = value.trim_matches([' ', '\t']);
        let key = match value.strip_prefix('"') {
            Some(quoted) => unquoted(quoted)?,
            None if value.bytes().all(is_bare) => value.to_owned(),
            None => return Err(InvalidKey::Malformed),
        };
        match key.len() {
            0 => Err(InvalidKey::Empty),
            1..=IDEMPOTENCY_KEY_BYTES_MAX => Ok(Self(key)),
            length => Err(InvalidKey::TooLong(length)),
        }
    }

    /// The key without quotation marks.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a bare key may hold: what needs no quotation marks for anybody to read it alike.
fn is_bare(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\' | b',')
}

/// The rest of a structured field's string behind its first quotation mark (RFC 9651, section 4.2.5).
fn unquoted(text: &str) -> Result<String, InvalidKey> {
    let mut key = String::with_capacity(text.len().min(IDEMPOTENCY_KEY_BYTES_MAX));
    let mut characters = text.chars();
    loop {
        match characters.next().ok_or(InvalidKey::Malformed)? {
            '"' => break,
            '\\' => match characters.next() {
                Some(escaped @ ('"' | '\\')) => key.push(escaped),
                _ => return Err(InvalidKey::Malformed),
            },
            plain @ ' '..='~' => key.push(plain),
            _ => return Err(InvalidKey::Malformed),
        }
    }
    // The draft defines no parameters, and what is unknown is not worth guessing at.
    if characters.next().is_some() { Err(InvalidKey::Malformed) } else { Ok(key) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<String, InvalidKey> {
        IdempotencyKey::parse(text.as_bytes()).map(|key| key.as_str().to_owned())
    }

    #[test]
    fn bare_and_quoted_keys_mean_the_same() {
        assert_eq!(parse("8e03978e-40d5"), Ok("8e03978e-40d5".to_owned()));
        assert_eq!(parse("\"8e03978e-40d5\""), parse(" 8e03978e-40d5 "));
        assert_eq!(parse(r#""a \"b\" \\ c""#), Ok(r#"a "b" \ c"#.to_owned()));
        assert_eq!(parse(&"k".repeat(255)).map(|key| key.len()), Ok(255));
    }

    #[test]
    fn what_is_no_key_is_refused_with_its_reason() {
        assert_eq!(parse(""), Err(InvalidKey::Empty));
        assert_eq!(parse("\"\""), Err(InvalidKey::Empty));
        assert_eq!(parse(&"k".repeat(256)), Err(InvalidKey::TooLong(256)));
        for text in [
            "\"open",
            "a b",
            "a,b",
            "a\"b\"",
            "\"a\";p=1",
            "\"a\" \"b\"",
            "\"\\n\"",
            "schlüssel",
            "\"ü\"",
            "\"",
        ] {
            assert_eq!(parse(text), Err(InvalidKey::Malformed), "{text}");
        }
        assert_eq!(IdempotencyKey::parse(b"\xff"), Err(InvalidKey::Malformed));
    }

    #[test]
    fn two_keys_are_none() {
        let mut headers = HeaderMap::new();
        assert_eq!(IdempotencyKey::of(&headers), Ok(None));
        headers.append(IDEMPOTENCY_KEY, http::HeaderValue::from_static("a"));
        assert_eq!(IdempotencyKey::of(&headers).unwrap().unwrap().as_str(), "a");
        headers.append(IDEMPOTENCY_KEY, http::HeaderValue::from_static("b"));
        assert_eq!(IdempotencyKey::of(&headers), Err(InvalidKey::Repeated));
    }
}
