//! The forms that ratings are kept in, in files.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

/// How a file holds ratings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// RFC 4180, with a header that names `userId`, `itemId`, `score` and, if it is there, `timestamp` (ms since the
    /// epoch), in any order; further columns are passed over.
    Csv,
    /// One JSON object a line, as `POST /ratings` takes it.
    NdJson,
    /// `user::item::rating::unix_seconds`, one a line.
    MovieTweetings,
}

/// A file whose form its name does not tell.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} tells no format; say --format csv, ndjson or movietweetings")]
pub struct UnknownFormat(pub String);

impl Format {
    /// Every format.
    pub const ALL: [Self; 3] = [Self::Csv, Self::NdJson, Self::MovieTweetings];

    /// The format's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::NdJson => "ndjson",
            Self::MovieTweetings => "movietweetings",
        }
    }

    /// The format that a file's ending means: `.csv`, `.ndjson` or `.jsonl`, `.dat`.
    ///
    /// # Errors
    /// [`UnknownFormat`] for any other.
    pub fn of_path(path: &Path) -> Result<Self, UnknownFormat> {
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase());
        match ending.as_deref() {
            Some("csv") => Ok(Self::Csv),
            Some("ndjson" | "jsonl") => Ok(Self::NdJson),
            Some("dat") => Ok(Self::MovieTweetings),
            _ => Err(UnknownFormat(path.display().to_string())),
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<Self, UnknownFormat> {
        let named = Self::ALL.into_iter().find(|format| format.name() == text);
        named.ok_or_else(|| UnknownFormat(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_tell_the_format_and_others_are_asked_about() {
        for (path, format) in [
            ("a.csv", Format::Csv),
            ("dir.csv/a.NDJSON", Format::NdJson),
            ("a.jsonl", Format::NdJson),
            ("ratings.dat", Format::MovieTweetings),
        ] {
            assert_eq!(Format::of_path(Path::new(path)), Ok(format), "{path}");
        }
        let unknown = Format::of_path(Path::new("ratings")).unwrap_err().to_string();
        assert_eq!(unknown, "\"ratings\" tells no format; say --format csv, ndjson or movietweetings");
        for format in Format::ALL {
            assert_eq!(format.name().parse(), Ok(format));
        }
    }
}
