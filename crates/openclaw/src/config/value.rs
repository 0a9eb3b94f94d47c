//! A value of a key, and handing it to the typed configuration.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use openclaw_admin::access::Token;
use serde_json::json;

use super::quantity::{show_bytes, show_duration};

/// The URL of a database. It may hold a password, so nothing shows it.
#[derive(Clone)]
pub(crate) struct DatabaseUrl(String);

impl DatabaseUrl {
    /// `None` where this cannot be a URL that the store knows.
    pub(super) fn new(text: &str) -> Option<Self> {
        let known = text.starts_with("postgres://") || text.starts_with("postgresql://");
        known.then(|| Self(text.to_owned()))
    }

    /// The URL, to connect with.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("(redacted)")
    }
}

/// A value that its key's kind has accepted.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// An optional key that is off.
    Off,
    Socket(SocketAddr),
    Url(http::Uri),
    Duration(Duration),
    Bytes(u64),
    Integer(u64),
    Float(f64),
    Bool(bool),
    Text(String),
    Word(&'static str),
    Texts(Vec<String>),
    Path(PathBuf),
    Database(DatabaseUrl),
    Token(Token),
    Tokens(Vec<Token>),
}

impl Value {
    /// The value as a TOML file would hold it; `None` for secrets, which no output holds.
    pub(super) fn to_toml(&self) -> Option<String> {
        let quoted = |text: String| toml::Value::String(text).to_string();
        Some(match self {
            Self::Float(number) => Number(*number).to_string(),
            Self::Integer(number) => number.to_string(),
            Self::Bool(value) => value.to_string(),
            Self::Texts(texts) => {
                let items: Vec<_> = texts.iter().cloned().map(quoted).collect();
                format!("[{}]", items.join(", "))
            }
            Self::Database(_) | Self::Token(_) | Self::Tokens(_) => return None,
            other => quoted(other.to_string()),
        })
    }

    /// The value as JSON; secrets are replaced.
    pub(super) fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Off => serde_json::Value::Null,
            Self::Float(number) => json!(number),
            Self::Integer(number) => json!(number),
            Self::Bool(value) => json!(value),
            Self::Texts(texts) => json!(texts),
            other => json!(other.to_string()),
        }
    }
}

/// The value as a variable would hold it; secrets are replaced by how many there are.
impl fmt::Display for Value {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => formatter.write_str("off"),
            Self::Socket(address) => address.fmt(formatter),
            Self::Url(url) => url.fmt(formatter),
            Self::Duration(duration) => formatter.write_str(&show_duration(*duration)),
            Self::Bytes(bytes) => formatter.write_str(&show_bytes(*bytes)),
            Self::Integer(number) => number.fmt(formatter),
            Self::Float(number) => Number(*number).fmt(formatter),
            Self::Bool(value) => value.fmt(formatter),
            Self::Text(text) => formatter.write_str(text),
            Self::Word(word) => formatter.write_str(word),
            Self::Texts(texts) => formatter.write_str(&texts.join(",")),
            Self::Path(path) => path.display().fmt(formatter),
            Self::Database(_) | Self::Token(_) => formatter.write_str("(redacted)"),
            Self::Tokens(tokens) => write!(formatter, "({} redacted)", tokens.len()),
        }
    }
}

/// A number in the shortest form that reads back as the same, never mistaken for a whole number by TOML.
pub(super) struct Number(pub(super) f64);

impl fmt::Display for Number {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}", self.0)
    }
}

/// What a field of the typed configuration may be.
pub(super) trait Typed: Sized {
    /// Whether the key may be `off`.
    const OPTIONAL: bool = false;

    /// The field's value; `None` where the key's kind and the field's type do not go together, which is a
    /// mistake in the registry that building the default configuration reveals.
    fn from_value(value: &Value) -> Option<Self>;
}

macro_rules! typed {
    ($($type:ty: $variant:ident),+ $(,)?) => {$(
        impl Typed for $type {
            fn from_value(value: &Value) -> Option<Self> {
                match value {
                    Value::$variant(inner) => Some(inner.clone()),
                    _ => None,
                }
            }
        }
    )+};
}

typed! {
    SocketAddr: Socket,
    http::Uri: Url,
    Duration: Duration,
    f64: Float,
    bool: Bool,
    String: Text,
    Vec<String>: Texts,
    PathBuf: Path,
    DatabaseUrl: Database,
    Token: Token,
    Vec<Token>: Tokens,
}

impl Typed for u64 {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Bytes(number) | Value::Integer(number) => Some(*number),
            _ => None,
        }
    }
}

impl Typed for usize {
    fn from_value(value: &Value) -> Option<Self> {
        usize::try_from(u64::from_value(value)?).ok()
    }
}

impl<T: Typed> Typed for Option<T> {
    const OPTIONAL: bool = true;

    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Off => Some(None),
            other => T::from_value(other).map(Some),
        }
    }
}
