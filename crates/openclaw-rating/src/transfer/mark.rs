//! How far an import has got, in a small file beside the imported one, so that an interrupted import goes on there.
//!
//! It is written after the ratings before it are on disk and is not synced itself: where it is lost or behind, some
//! ratings are put again, which changes nothing.

use std::fs::File;
use std::hash::Hasher;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use siphasher::sip::SipHasher24;

use super::record::Place;

/// The version of the file's form.
const VERSION: u32 = 1;
/// Bytes before the place by which the imported file is recognised.
const RECOGNISED_BYTES: u64 = 4096;

/// What was counted so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Counts {
    pub(super) ratings: u64,
    pub(super) superseded: u64,
    pub(super) bad: u64,
}

/// The file's content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    version: u32,
    bytes: u64,
    lines: u64,
    /// Of the bytes just before the place.
    fingerprint: String,
    #[serde(flatten)]
    pub(super) counts: Counts,
}

/// Why an import cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum MarkError {
    /// The file is none that an import left.
    #[error("{} is not the record of an interrupted import ({reason}); delete it to import from the beginning", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The imported file is another one than it was.
    #[error("{} has changed since its import was interrupted; leave out --resume to import it from the beginning", path.display())]
    Changed {
        /// The imported file.
        path: PathBuf,
    },
    /// The system refused.
    #[error("{} cannot be read: {source}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Mark {
    pub(super) fn place(&self) -> Place {
        Place { bytes: self.bytes, lines: self.lines }
    }

    /// Where the mark of `imported` lies.
    pub(super) fn path(imported: &Path) -> PathBuf {
        let mut name = imported.as_os_str().to_owned();
        name.push(".openclaw-import");
        PathBuf::from(name)
    }

    /// The mark of `imported`, where an import left one.
    pub(super) fn read(imported: &Path) -> Result<Option<Self>, MarkError> {
        let path = Self::path(imported);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(MarkError::Io { path, source }),
        };
        let mark: Self = serde_json::from_str(&text)
            .map_err(|error| MarkError::Damaged { path: path.clone(), reason: error.to_string() })?;
        if mark.version != VERSION {
            let reason = format!("its version is {}, not {VERSION}", mark.version);
            return Err(MarkError::Damaged { path, reason });
        }
        let found = fingerprint(imported, mark.bytes)
            .map_err(|source| MarkError::Io { path: imported.to_owned(), source })?;
        if found.as_ref() != Some(&mark.fingerprint) {
            return Err(MarkError::Changed { path: imported.to_owned() });
        }
        Ok(Some(mark))
    }

    /// Records that everything in `imported` before `place` is stored, whole or not at all.
    pub(super) fn write(imported: &Path, place: Place, counts: Counts) -> io::Result<()> {
        let Place { bytes, lines } = place;
        let shrunk = || io::Error::other("the imported file has become shorter");
        let fingerprint = fingerprint(imported, bytes)?.ok_or_else(shrunk)?;
        let mark = Self { version: VERSION, bytes, lines, fingerprint, counts };
        let path = Self::path(imported);
        let mut fresh = path.clone().into_os_string();
        fresh.push(".new");
        let fresh = PathBuf::from(fresh);
        let mut file = File::create(&fresh)?;
        file.write_all(&serde_json::to_vec(&mark)?)?;
        drop(file);
        std::fs::rename(fresh, path)
    }

    /// Takes the mark of a finished import away.
    pub(super) fn remove(imported: &Path) -> io::Result<()> {
        match std::fs::remove_file(Self::path(imported)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

/// A hash of the bytes of `path` just before `end`; `None` where it is shorter.
fn fingerprint(path: &Path, end: u64) -> io::Result<Option<String>> {
    let mut file = File::open(path)?;
    if file.metadata()?.len() < end {
        return Ok(None);
    }
    file.seek(SeekFrom::Start(end.saturating_sub(RECOGNISED_BYTES)))?;
    let mut bytes = Vec::new();
    file.take(end.min(RECOGNISED_BYTES)).read_to_end(&mut bytes)?;
    let mut hasher = SipHasher24::new();
    hasher.write(&bytes);
    Ok(Some(format!("{:016x}", hasher.finish())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_found_again_and_refused_once_the_file_is_another() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ratings.csv");
        std::fs::write(&file, "0123456789").unwrap();
        assert_eq!(Mark::read(&file).unwrap(), None);
        let (place, counts) = (Place { bytes: 6, lines: 2 }, Counts { ratings: 1, superseded: 0, bad: 1 });
        Mark::write(&file, place, counts).unwrap();
        let mark = Mark::read(&file).unwrap().unwrap();
        assert_eq!((mark.place(), mark.counts), (place, counts));

        std::fs::write(&file, "0123456789 and more").unwrap();
        assert!(Mark::read(&file).unwrap().is_some(), "what was appended is still to come");
        for other in ["01234", "0123x56789"] {
            std::fs::write(&file, other).unwrap();
            assert!(matches!(Mark::read(&file), Err(MarkError::Changed { .. })), "{other}");
        }
        Mark::remove(&file).unwrap();
        Mark::remove(&file).unwrap();
        assert_eq!(Mark::read(&file).unwrap(), None);
    }

    #[test]
    fn a_file_that_is_no_mark_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ratings.csv");
        std::fs::write(&file, "0123456789").unwrap();
        for text in [
            "",
            "{}",
            r#"{"version":2,"bytes":1,"lines":1,"fingerprint":"","ratings":0,"superseded":0,"bad":0}"#,
        ] {
            std::fs::write(Mark::path(&file), text).unwrap();
            let refused = Mark::read(&file).unwrap_err();
            assert!(matches!(refused, MarkError::Damaged { .. }), "{refused}");
        }
    }
}
