//! What a key's value may be, and reading one from text or TOML.

use std::fmt;
use std::time::Duration;

use openclaw_admin::access::Token;
use toml::de::DeValue;

use super::quantity::{parse_bytes, parse_duration, show_bytes, show_duration};
use super::value::{DatabaseUrl, Number, Value};

/// What a value may be. Bounds are inclusive.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// Address and port.
    Socket,
    /// A URL of a service, by HTTP or by TLS.
    Url,
    /// A length of time.
    Duration(Duration, Duration),
    /// A size in bytes.
    Bytes(u64, u64),
    /// A whole number.
    Integer(u64, u64),
    /// A number.
    Float(f64, f64),
    /// True or false.
    Bool,
    /// Free text, not empty.
    Text,
    /// One of these words.
    Word(&'static [&'static str]),
    /// Texts, none of them empty, none twice.
    Texts,
    /// A file or folder.
    Path,
    /// The URL of a database, with the password it may hold.
    Database,
    /// A bearer token.
    Token,
    /// Bearer tokens.
    Tokens,
}

/// As in "needs ...".
impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket => write!(formatter, "an address and port such as 127.0.0.1:8080"),
            Self::Url => write!(formatter, "a URL such as http://127.0.0.1:8081/path"),
            Self::Duration(min, max) => {
                write!(formatter, "a duration from {} to {}", show_duration(*min), show_duration(*max))
            }
            Self::Bytes(min, max) => {
                write!(formatter, "a size from {} to {}", show_bytes(*min), show_bytes(*max))
            }
            Self::Integer(min, max) => write!(formatter, "a whole number from {min} to {max}"),
            Self::Float(min, max) => write!(formatter, "a number from {} to {}", Number(*min), Number(*max)),
            Self::Bool => write!(formatter, "true or false"),
            Self::Text => write!(formatter, "a text"),
            Self::Word(words) => write!(formatter, "one of {}", words.join(", ")),
            Self::Texts => write!(formatter, "a list of texts"),
            Self::Path => write!(formatter, "a path"),
            Self::Database => {
                write!(formatter, "the URL of a database such as postgres://user:password@host/database")
            }
            Self::Token => write!(formatter, "a token"),
            Self::Tokens => write!(formatter, "a list of tokens"),
        }
    }
}

impl Kind {
    /// Whether values must not be shown.
    pub(super) fn is_secret(self) -> bool {
        matches!(self, Self::Database | Self::Token | Self::Tokens)
    }

    fn is_list(self) -> bool {
        matches!(self, Self::Texts | Self::Tokens)
    }

    /// Reads a value from a variable or flag; items of a list are separated by commas.
    pub(super) fn parse_text(self, text: &str) -> Result<Value, String> {
        if self.is_list() {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            return self.parse_items(items);
        }
        self.parse_one(text.trim()).ok_or_else(|| self.refusal(&format!("{text:?}")))?
    }

    /// Reads a value from a file. Numbers must be numbers there and not texts.
    pub(super) fn parse_toml(self, value: &DeValue<'_>) -> Result<Value, String> {
        match (self, value) {
            (Self::Texts | Self::Tokens, DeValue::Array(items)) => {
                let texts: Option<Vec<&str>> = items.iter().map(|item| item.get_ref().as_str()).collect();
                self.parse_items(texts.ok_or("needs a list of texts in quotation marks")?.into_iter())
            }
            (Self::Integer(..) | Self::Float(..) | Self::Bytes(..), DeValue::Integer(number)) => {
                let text = decimal(number).ok_or_else(|| self.refusal(number.as_str()))?;
                self.parse_one(&text).ok_or_else(|| self.refusal(&text))?
            }
            (Self::Float(..), DeValue::Float(number)) => {
                self.parse_one(number.as_str()).ok_or_else(|| self.refusal(number.as_str()))?
            }
            (Self::Bool, DeValue::Boolean(value)) => Ok(Value::Bool(*value)),
            (Self::Integer(..) | Self::Float(..) | Self::Bool | Self::Texts | Self::Tokens, other) => {
                Err(self.refusal(&described(other)))
            }
            (_, DeValue::String(text)) => {
                self.parse_one(text).ok_or_else(|| self.refusal(&format!("{text:?}")))?
            }
            (_, other) => Err(format!("{} in quotation marks", self.refusal(&described(other)))),
        }
    }

    /// `None` where the text is not of this kind; an error where it is, and still will not do.
    fn parse_one(self, text: &str) -> Option<Result<Value, String>> {
        Some(match self {
            Self::Socket => Ok(Value::Socket(text.parse().ok()?)),
            Self::Url => parse_url(text),
            Self::Duration(min, max) => {
                let duration = parse_duration(text)?;
                self.within((min..=max).contains(&duration), text, Value::Duration(duration))
            }
            Self::Bytes(min, max) => {
                let bytes = parse_bytes(text)?;
                self.within((min..=max).contains(&bytes), text, Value::Bytes(bytes))
            }
            Self::Integer(min, max) => {
                let number = text.parse().ok()?;
                self.within((min..=max).contains(&number), text, Value::Integer(number))
            }
            Self::Float(min, max) => {
                let number = text.replace('_', "").parse().ok()?;
                // A range holds neither NaN nor, as bounds are finite, an infinity.
                self.within((min..=max).contains(&number), text, Value::Float(number))
            }
            Self::Bool => Ok(Value::Bool(parse_bool(text)?)),
            Self::Text if text.is_empty() => Err("is empty".to_owned()),
            Self::Text => Ok(Value::Text(text.to_owned())),
            Self::Word(words) => Ok(Value::Word(words.iter().find(|word| **word == text)?)),
            Self::Path if text.is_empty() => Err("is empty, needs a path".to_owned()),
            Self::Path => Ok(Value::Path(text.into())),
            Self::Database => Ok(Value::Database(DatabaseUrl::new(text)?)),
            Self::Token => Token::new(text).map(Value::Token).map_err(|error| error.to_string()),
            Self::Texts | Self::Tokens => return None,
        })
    }

    fn parse_items<'t>(self, items: impl Iterator<Item = &'t str>) -> Result<Value, String> {
        if matches!(self, Self::Tokens) {
            let tokens = items.map(Token::new).collect::<Result<_, _>>();
            return tokens.map(Value::Tokens).map_err(|error| error.to_string());
        }
        let mut texts: Vec<String> = Vec::new();
        for item in items {
            if item.trim().is_empty() {
                return Err("holds an empty text".to_owned());
            }
            if texts.iter().any(|known| known == item) {
                return Err(format!("holds {item:?} twice"));
            }
            texts.push(item.to_owned());
        }
        Ok(Value::Texts(texts))
    }

    fn within(self, is_within: bool, text: &str, value: Value) -> Result<Value, String> {
        if is_within { Ok(value) } else { Err(format!("is {text}, needs {self}")) }
    }

    fn refusal(self, shown: &str) -> String {
        if self.is_secret() { format!("needs {self}") } else { format!("is {shown}, needs {self}") }
    }
}

fn parse_bool(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Some(true),
        "false" | "no" | "off" | "0" => Some(false),
        _ => None,
    }
}

fn parse_url(text: &str) -> Result<Value, String> {
    let refused = |why: &str| format!("is {text:?}, {why}; needs {}", Kind::Url);
    let url: http::Uri = text.parse().map_err(|error| refused(&format!("which is no URL ({error})")))?;
    if !matches!(url.scheme_str(), Some("http" | "https")) {
        return Err(refused("which does not begin with http:// or https://"));
    }
    if url.authority().is_none_or(|authority| authority.host().is_empty() || authority.as_str().contains('@'))
    {
        return Err(refused("which names no host, or a user before it"));
    }
    Ok(Value::Url(url))
}

/// A TOML integer in decimal notation: it may be hexadecimal, octal or binary, and hold underscores.
fn decimal(number: &toml::de::DeInteger<'_>) -> Option<String> {
    i128::from_str_radix(number.as_str(), number.radix()).ok().map(|number| number.to_string())
}

fn described(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("the text {text:?}"),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
        DeValue::Datetime(_) => "a date".to_owned(),
        DeValue::Boolean(value) => format!("{value}"),
        DeValue::Integer(number) => number.as_str().to_owned(),
        DeValue::Float(number) => number.as_str().to_owned(),
    }
}
