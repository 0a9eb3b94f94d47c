//! What is known of each file: which bytes may differ from the shadow, and which a failed sync gave up.
//!
//! One range each is enough, widened where changes are apart: the shadow then copies bytes that were already
//! the same.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::shadow::Id;

/// Every file seen by this process.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    files: HashMap<Id, FileChanges>,
}

/// What a sync covers.
#[derive(Debug)]
pub(crate) struct Covered {
    pub(crate) changed: Range<u64>,
    /// What of it stays unwritten, because an earlier sync of it failed.
    pub(crate) given_up: Option<Range<u64>>,
}

#[derive(Debug)]
struct FileChanges {
    changed: Option<Range<u64>>,
    /// Bytes that a failed sync covered. The kernel takes them for clean, so no later sync, of whatever
    /// process, writes them, until they are written anew. Hence it is kept in the shadow folder.
    given_up: Option<Range<u64>>,
}

impl Changes {
    /// Whether this file was seen before.
    pub(crate) fn knows(&self, id: Id) -> bool {
        self.files.contains_key(&id)
    }

    /// These bytes were written.
    pub(crate) fn note(&mut self, shadow: &Path, id: Id, written: Range<u64>) -> io::Result<()> {
        let file = self.seen(shadow, id)?;
        let before = file.given_up.clone();
        file.given_up = before.clone().and_then(|given_up| without(given_up, &written));
        if file.given_up != before {
            keep(shadow, id, file.given_up.as_ref())?;
        }
        file.changed = Some(match file.changed.take() {
            Some(changed) => changed.start.min(written.start)..changed.end.max(written.end),
            None => written,
        });
        Ok(())
    }

    /// What a sync that begins now covers; `None` where nothing changed.
    pub(crate) fn take(&mut self, shadow: &Path, id: Id) -> io::Result<Option<Covered>> {
        let file = self.seen(shadow, id)?;
        Ok(file.changed.take().map(|changed| Covered { changed, given_up: file.given_up.clone() }))
    }

    /// A sync that covered these bytes failed.
    pub(crate) fn give_up(&mut self, shadow: &Path, id: Id, covered: Range<u64>) -> io::Result<()> {
        let file = self.seen(shadow, id)?;
        let given_up = match file.given_up.take() {
            Some(before) => before.start.min(covered.start)..before.end.max(covered.end),
            None => covered,
        };
        keep(shadow, id, Some(&given_up))?;
        file.given_up = Some(given_up);
        Ok(())
    }

    /// A file not seen before may differ anywhere: another process may have written it.
    fn seen(&mut self, shadow: &Path, id: Id) -> io::Result<&mut FileChanges> {
        let fresh = FileChanges { changed: Some(0..u64::MAX), given_up: None };
        match self.files.entry(id) {
            std::collections::hash_map::Entry::Occupied(seen) => Ok(seen.into_mut()),
            std::collections::hash_map::Entry::Vacant(unseen) => {
                let given_up = kept(shadow, id)?;
                Ok(unseen.insert(FileChanges { given_up, ..fresh }))
            }
        }
    }
}

/// The part of a range that another does not cover; the first part, where there are two.
fn without(range: Range<u64>, written: &Range<u64>) -> Option<Range<u64>> {
    let left = if written.start <= range.start {
        written.end.max(range.start)..range.end
    } else {
        range.start..range.end.min(written.start)
    };
    (!left.is_empty()).then_some(left)
}

fn path(shadow: &Path, id: Id) -> PathBuf {
    shadow.join("given-up").join(id.text())
}

fn keep(shadow: &Path, id: Id, given_up: Option<&Range<u64>>) -> io::Result<()> {
    let path = path(shadow, id);
    let Some(Range { start, end }) = given_up else { return fs::remove_file(path) };
    // A name that says it all, since writing through the standard library would come back to this library.
    let target = format!("{start}-{end}");
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    std::os::unix::fs::symlink(target, path)
}

fn kept(shadow: &Path, id: Id) -> io::Result<Option<Range<u64>>> {
    match fs::read_link(path(shadow, id)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
        Ok(target) => {
            let range = target.to_str().and_then(|text| text.split_once('-'));
            let range = range.and_then(|(start, end)| Some(start.parse().ok()?..end.parse().ok()?));
            range.map(Some).ok_or_else(|| io::Error::other("a record of a failed sync cannot be read"))
        }
    }
}
