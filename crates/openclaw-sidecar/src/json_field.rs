//! Finds one field in the beginning of a JSON body, byte by byte as it arrives.
//!
//! A parser of whole documents (serde_json) lost: the body streams past, most of it is never looked at, and after
//! every piece a parser would have to begin anew, which lets a client that sends single bytes buy quadratic time.
//! This one looks at each byte once, keeps a few words of state and at most [`VALUE_BYTES_MAX`] bytes.
//!
//! It does not validate: what follows the field is the service's to judge. Where a field is there twice the first
//! one counts; a service that takes the last one can be told a different user than the sidecar, as with any key
//! that the client itself writes.

use openclaw_protocol::ID_BYTES_MAX;

/// Longest name or value that is read, in bytes as written: an id in which every byte is escaped as `\u00xx`.
const VALUE_BYTES_MAX: usize = 6 * ID_BYTES_MAX + 2;
/// Deepest path that can be asked for.
const PATH_DEPTH_MAX: usize = 8;

/// The path of a field in a JSON object, such as `userId` or `user.id`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldPath(Vec<String>);

/// Why a text is no path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no field; write for example userId, or user.id for a field within another")]
pub struct InvalidFieldPath(String);

impl FieldPath {
    /// Reads names separated by dots.
    ///
    /// # Errors
    /// [`InvalidFieldPath`] where a name is empty or there are more than eight.
    pub fn new(text: &str) -> Result<Self, InvalidFieldPath> {
        let names: Vec<String> = text.split('.').map(str::to_owned).collect();
        if names.len() > PATH_DEPTH_MAX || names.iter().any(String::is_empty) {
            return Err(InvalidFieldPath(text.chars().take(60).collect()));
        }
        Ok(Self(names))
    }
}

/// What is known so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Not yet there.
    NotYet,
    /// The field's value: a string's text, or a number as written.
    Value(String),
    /// It will not come: the field is something else, the document ended, or it is none.
    Never,
}

/// Where in the document the scan is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Before the first byte of the document; an array around it is passed over.
    Start,
    /// In an object on the path, where a name or its end must come.
    Name,
    /// After a name.
    Colon,
    /// Where a value must come.
    Value,
    /// After a value.
    AfterValue,
}

/// What the current token is, where one spans bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    None,
    /// A string that is kept (a name on the path, or the value asked for).
    Kept {
        escaped: bool,
    },
    /// A string that is passed over.
    Skipped {
        escaped: bool,
    },
    /// A number or a word; kept where it is the value asked for.
    Bare {
        kept: bool,
    },
}

/// A scan in progress.
#[derive(Debug)]
pub struct FieldScan<'p> {
    path: &'p FieldPath,
    /// Names of the path that enclose the present place.
    matched: usize,
    /// Objects and arrays open beside the path.
    beside: u32,
    place: Place,
    token: Token,
    /// Whether the last name was the next one on the path.
    on_path: bool,
    kept: Vec<u8>,
    found: Found,
}

impl<'p> FieldScan<'p> {
    /// A scan for the field at `path`.
    #[must_use]
    pub fn new(path: &'p FieldPath) -> Self {
        Self {
            path,
            matched: 0,
            beside: 0,
            place: Place::Start,
            token: Token::None,
            on_path: false,
            kept: Vec::new(),
            found: Found::NotYet,
        }
    }

    /// Looks at the next bytes of the body.
    pub fn feed(&mut self, bytes: &[u8]) -> &Found {
        for &byte in bytes {
            if self.found != Found::NotYet {
                break;
            }
            self.byte(byte);
        }
        &self.found
    }

    fn byte(&mut self, byte: u8) {
        match self.token {
            Token::Kept { escaped } => self.kept_string(byte, escaped),
            Token::Skipped { escaped: true } => self.token = Token::Skipped { escaped: false },
            Token::Skipped { escaped: false } => match byte {
                b'\\' => self.token = Token::Skipped { escaped: true },
                b'"' => self.end_token(),
                _ => {}
            },
            Token::Bare { kept } => match byte {
                b',' | b'}' | b']' | b' ' | b'\t' | b'\r' | b'\n' => {
                    self.end_bare(kept);
                    if self.found == Found::NotYet {
                        self.byte(byte);
                    }
                }
                _ if kept => self.keep(byte),
                _ => {}
            },
            Token::None if byte.is_ascii_whitespace() => {}
            Token::None if self.beside > 0 => self.beside(byte),
            Token::None => self.on_the_path(byte),
        }
    }

    /// Inside an object or array that is not on the path: only its end matters.
    fn beside(&mut self, byte: u8) {
        match byte {
            b'"' => self.token = Token::Skipped { escaped: false },
            b'{' | b'[' => self.beside = self.beside.saturating_add(1),
            b'}' | b']' => self.beside -= 1,
            _ => {}
        }
        if self.beside == 0 {
            self.place = Place::AfterValue;
        }
    }

    fn on_the_path(&mut self, byte: u8) {
        match (self.place, byte) {
            (Place::Start, b'[') | (Place::AfterValue, b',') => {
                if self.place == Place::AfterValue {
                    self.place = Place::Name;
                }
            }
            (Place::Start, b'{') => self.place = Place::Name,
            (Place::Name, b'"') => {
                self.kept.clear();
                self.token = Token::Kept { escaped: false };
            }
            (Place::Colon, b':') => self.place = Place::Value,
            (Place::Value, _) => self.begin_value(byte),
            // The end of an object on the path: the field was not in it, and a second one of its name counts less.
            _ => self.found = Found::Never,
        }
    }

    fn begin_value(&mut self, byte: u8) {
        let last = self.on_path && self.matched + 1 == self.path.0.len();
        match byte {
            b'"' if last => {
                self.kept.clear();
                self.token = Token::Kept { escaped: false };
            }
            b'"' => self.token = Token::Skipped { escaped: false },
            b'{' if self.on_path && !last => {
                self.matched += 1;
                self.place = Place::Name;
            }
            b'{' | b'[' if last || self.on_path => self.found = Found::Never,
            b'{' | b'[' => self.beside = 1,
            _ => {
                self.kept.clear();
                self.token = Token::Bare { kept: last };
                if last {
                    self.keep(byte);
                }
            }
        }
    }

    fn kept_string(&mut self, byte: u8, escaped: bool) {
        match byte {
            b'"' if !escaped => self.end_kept(),
            _ => {
                self.token = Token::Kept { escaped: !escaped && byte == b'\\' };
                self.keep(byte);
            }
        }
    }

    fn keep(&mut self, byte: u8) {
        if self.kept.len() < VALUE_BYTES_MAX {
            self.kept.push(byte);
        } else if self.place == Place::Value {
            self.found = Found::Never;
        }
        // A name that is too long is not on the path, whatever follows: what is kept of it is longer than any that is.
    }

    /// The end of a name, or of the value asked for.
    fn end_kept(&mut self) {
        let text = unescape(&self.kept);
        self.token = Token::None;
        if self.place == Place::Name {
            self.on_path = text.as_deref() == Some(self.path.0[self.matched].as_str());
            self.place = Place::Colon;
        } else {
            self.found = text.map_or(Found::Never, Found::Value);
        }
    }

    fn end_token(&mut self) {
        self.token = Token::None;
        if self.beside == 0 {
            self.place = Place::AfterValue;
        }
    }

    fn end_bare(&mut self, kept: bool) {
        self.end_token();
        if kept {
            let number = serde_json::from_slice::<serde_json::Number>(&self.kept).is_ok();
            let text = String::from_utf8(std::mem::take(&mut self.kept)).ok();
            self.found = text.filter(|_| number).map_or(Found::Never, Found::Value);
        } else if self.on_path {
            // A word or number where the path goes on.
            self.found = Found::Never;
        }
    }
}

/// The text of a string without its quotes.
fn unescape(raw: &[u8]) -> Option<String> {
    if !raw.contains(&b'\\') {
        return std::str::from_utf8(raw).ok().map(str::to_owned);
    }
    let quoted = [b"\"", raw, b"\""].concat();
    serde_json::from_slice(&quoted).ok()
}

#[cfg(test)]
mod tests;
