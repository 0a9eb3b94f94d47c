//! Ratings from files: `user::item::score::epoch_s`, one a line.
//!
//! The format is that of MovieTweetings, kept as it is published so that anybody's copy works. Files are
//! read line by line; gzip is recognised by its first bytes.

use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;

use crate::zipped;

/// The shipped ratings, in order of time; `data/README.md` names source and licence.
const SHIPPED: &[u8] = include_bytes!("../../../data/movietweetings/ratings.dat.gz");
const SHIPPED_NAME: &str = "shipped ratings";
/// Two ids of at most 256 bytes, two numbers and separators fit well.
const LINE_BYTES_MAX: u64 = 1024;
const ID_BYTES_MAX: usize = 256;

/// One rating as a file holds it.
#[derive(Clone, Debug, PartialEq)]
pub struct FileRating {
    /// Who gave it.
    pub user_id: String,
    /// To what.
    pub item_id: String,
    /// How many points.
    pub score: f64,
    /// When, in seconds since the epoch.
    pub epoch_s: u64,
}

/// Why ratings could not be read.
#[derive(Debug, thiserror::Error)]
pub enum RatingsError {
    /// The file cannot be opened.
    #[error("{}: cannot be opened: {source}", path.display())]
    Open {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Reading stopped in the middle.
    #[error("{name}, line {line}: cannot be read: {source}")]
    Read {
        /// Which file.
        name: String,
        /// From 1.
        line: u64,
        /// Why.
        source: io::Error,
    },
    /// A line is not a rating.
    #[error("{name}, line {line}: {problem}; expected user::item::score::epoch_s")]
    Line {
        /// Which file.
        name: String,
        /// From 1.
        line: u64,
        /// What is wrong with it.
        problem: String,
    },
}

/// Where ratings come from. It can be opened any number of times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RatingsSource {
    /// The ratings built into the binary.
    Shipped,
    /// A file, gzip or plain.
    File(PathBuf),
}

impl RatingsSource {
    /// Opens the source at its first rating.
    ///
    /// # Errors
    /// If the file cannot be opened.
    pub fn open(&self) -> Result<Ratings, RatingsError> {
        match self {
            Self::Shipped => Ok(shipped()),
            Self::File(path) => open(path),
        }
    }
}

/// The shipped ratings: 100,000 real ones from 0 to 10, in order of time.
#[must_use]
pub fn shipped() -> Ratings {
    Ratings::new(SHIPPED_NAME, BufReader::new(GzDecoder::new(SHIPPED)))
}

/// Reads a file of ratings, gzip or plain.
///
/// # Errors
/// If it cannot be opened.
pub fn open(path: &Path) -> Result<Ratings, RatingsError> {
    let reader = zipped::open(path).map_err(|source| RatingsError::Open { path: path.to_owned(), source })?;
    Ok(Ratings::new(path.display().to_string(), reader))
}

/// An iterator over ratings that holds one line at a time. It ends after the first error.
pub struct Ratings {
    name: String,
    reader: Box<dyn BufRead + Send>,
    line: u64,
    ended: bool,
    buffer: Vec<u8>,
}

impl Ratings {
    /// Reads ratings from `reader`; `name` is what errors call it.
    #[must_use]
    pub fn new(name: impl Into<String>, reader: impl BufRead + Send + 'static) -> Self {
        Self { name: name.into(), reader: Box::new(reader), line: 0, ended: false, buffer: Vec::new() }
    }

    /// The next line that is not empty, `None` at the end.
    fn read_line(&mut self) -> Result<Option<FileRating>, RatingsError> {
        loop {
            self.buffer.clear();
            self.line += 1;
            let mut bounded = self.reader.by_ref().take(LINE_BYTES_MAX);
            let read = bounded.read_until(b'\n', &mut self.buffer).map_err(|source| RatingsError::Read {
                name: self.name.clone(),
                line: self.line,
                source,
            })?;
            if read == 0 {
                return Ok(None);
            }
            if read as u64 == LINE_BYTES_MAX && !self.buffer.ends_with(b"\n") {
                return Err(self.wrong(format!("is longer than {LINE_BYTES_MAX} bytes")));
            }
            let text =
                std::str::from_utf8(&self.buffer).map_err(|_| self.wrong("is not UTF-8".to_owned()))?.trim();
            if !text.is_empty() {
                return parse(text).map(Some).map_err(|problem| self.wrong(problem));
            }
        }
    }

    fn wrong(&self, problem: String) -> RatingsError {
        RatingsError::Line { name: self.name.clone(), line: self.line, problem }
    }
}

impl Iterator for Ratings {
    type Item = Result<FileRating, RatingsError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let next = self.read_line().transpose();
        self.ended = !matches!(next, Some(Ok(_)));
        next
    }
}

impl std::fmt::Debug for Ratings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ratings").field("name", &self.name).field("line", &self.line).finish_non_exhaustive()
    }
}

fn parse(line: &str) -> Result<FileRating, String> {
    let mut fields = line.split("::");
    let (Some(user), Some(item), Some(score), Some(epoch), None) =
        (fields.next(), fields.next(), fields.next(), fields.next(), fields.next())
    else {
        return Err(format!("has {} fields instead of 4", line.split("::").count()));
    };
    for (what, id) in [("user", user), ("item", item)] {
        if id.is_empty() || id.len() > ID_BYTES_MAX {
            return Err(format!("the {what} id has {} bytes instead of 1 to {ID_BYTES_MAX}", id.len()));
        }
    }
    let score: f64 = score.parse().map_err(|_| format!("the score {score:?} is not a number"))?;
    if !score.is_finite() {
        return Err("the score is not finite".to_owned());
    }
    let epoch_s =
        epoch.parse().map_err(|_| format!("the time {epoch:?} is not a whole number of seconds"))?;
    Ok(FileRating { user_id: user.to_owned(), item_id: item.to_owned(), score, epoch_s })
}

#[cfg(test)]
mod tests;
