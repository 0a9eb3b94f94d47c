//! A key in the path: `/users/{user}/ratings` names the segment.

use openclaw_protocol::ID_BYTES_MAX;

/// A pattern of segments: words that must be there, `*` for any, and one `{name}` that is the key. What follows the
/// last segment does not matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPattern(Vec<Segment>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Word(String),
    Any,
    Key,
}

/// Why a text is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} must begin with a slash and have exactly one segment {{name}}, as in /users/{{user}}/ratings")]
pub struct InvalidPathPattern(String);

impl PathPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// [`InvalidPathPattern`] where it does not begin with a slash, or has no key or several.
    pub fn new(text: &str) -> Result<Self, InvalidPathPattern> {
        let invalid = || InvalidPathPattern(text.chars().take(80).collect());
        let segments = text.strip_prefix('/').ok_or_else(invalid)?.trim_end_matches('/').split('/');
        let segments: Vec<Segment> = segments
            .map(|segment| match segment {
                "*" => Segment::Any,
                _ if segment.starts_with('{') && segment.ends_with('}') => Segment::Key,
                word => Segment::Word(word.to_owned()),
            })
            .collect();
        let keys = segments.iter().filter(|segment| **segment == Segment::Key).count();
        if keys == 1 { Ok(Self(segments)) } else { Err(invalid()) }
    }

    /// The key in `path`, decoded; `None` where the pattern does not fit.
    pub(crate) fn find(&self, path: &str) -> Option<String> {
        let path = crate::route::normal(path);
        let mut segments = path.strip_prefix('/')?.split('/');
        let mut key = None;
        for expected in &self.0 {
            let segment = segments.next()?;
            match expected {
                Segment::Word(word) if word != segment => return None,
                Segment::Word(_) | Segment::Any => {}
                Segment::Key => key = Some(segment),
            }
        }
        decode(key?)
    }
}

/// A segment with its percent-encoding undone (RFC 3986, section 2.1); `None` where that is no text.
fn decode(segment: &str) -> Option<String> {
    if segment.len() > 3 * ID_BYTES_MAX {
        return None;
    }
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        if byte == b'%' {
            let digits = std::str::from_utf8(after.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &after[2..];
        } else {
            bytes.push(byte);
            rest = after;
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(pattern: &str, path: &str) -> Option<String> {
        PathPattern::new(pattern).unwrap().find(path)
    }

    #[test]
    fn the_named_segment_is_the_key() {
        assert_eq!(find("/users/{user}/ratings", "/users/ann/ratings").as_deref(), Some("ann"));
        assert_eq!(find("/*/{tenant}", "/v1/acme/whatever/else").as_deref(), Some("acme"));
        assert_eq!(find("/{user}", "//%61nn%20b%C3%A9").as_deref(), Some("ann bé"));
    }

    #[test]
    fn a_path_that_does_not_fit_has_no_key() {
        for path in
            ["/", "/users", "/people/ann/ratings", "/users/ann", "/users/%ff/ratings", "/users/%z/ratings"]
        {
            assert_eq!(find("/users/{user}/ratings", path), None, "{path}");
        }
    }

    #[test]
    fn a_pattern_without_exactly_one_key_is_refused() {
        for pattern in ["", "users/{user}", "/users", "/{a}/{b}"] {
            assert!(PathPattern::new(pattern).is_err(), "{pattern}");
        }
    }
}
