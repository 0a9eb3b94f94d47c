//! The shadow: what the disk would hold if power failed now. Written by the preloaded library and read by
//! the test, which include this file both (linking the library into a test would intercept the test).
//!
//! | in the shadow folder | holds |
//! |---|---|
//! | `files/ID` | the content of a file as of its last sync, holes for what was never synced |
//! | `folders/ID` | the entries of a folder as of its last sync: lines `f ID NAME` and `d ID NAME` |
//! | `given-up/ID` | a link whose target `START-END` names bytes that a failed sync gave up |
//! | `root` | the id of the watched folder |
//! | `loaded` | exists once the library runs in a process |
//! | `full`, `failing-sync` | exist while that fault is switched on |
//!
//! The model is the strictest a file system may follow: a name, a rename or a removal lasts once the folder
//! it is in was synced; content and length last once the file was synced. Real file systems keep more, in
//! any mixture; the test makes mixtures from the shadow and what the dead process left.
//!
//! An id is inode and time of birth, because inode numbers come back after a removal.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::Metadata;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// Names the folder to watch.
pub(crate) const FOLDER_VARIABLE: &str = "POWERLOSS_FOLDER";
/// Names the folder of the shadow, outside the watched one.
pub(crate) const SHADOW_VARIABLE: &str = "POWERLOSS_SHADOW";
/// Set to anything: syncs do nothing and say they did.
pub(crate) const IGNORE_SYNCS_VARIABLE: &str = "POWERLOSS_IGNORE_SYNCS";

/// A file or folder across renames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Id {
    pub(crate) inode: u64,
    pub(crate) born_ns: u128,
}

/// One name in a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Child {
    pub(crate) id: Id,
    pub(crate) is_folder: bool,
}

/// The entries of one folder.
pub(crate) type Listing = BTreeMap<OsString, Child>;

impl Id {
    /// The id of what this metadata describes.
    pub(crate) fn of(metadata: &Metadata) -> io::Result<Self> {
        let born = metadata.created()?.duration_since(UNIX_EPOCH).map_err(io::Error::other)?;
        Ok(Self { inode: metadata.ino(), born_ns: born.as_nanos() })
    }

    pub(crate) fn text(self) -> String {
        format!("{}-{}", self.inode, self.born_ns)
    }
}

/// Where a file's synced content is.
pub(crate) fn file_path(shadow: &Path, id: Id) -> PathBuf {
    shadow.join("files").join(id.text())
}

/// Where a folder's synced entries are.
pub(crate) fn folder_path(shadow: &Path, id: Id) -> PathBuf {
    shadow.join("folders").join(id.text())
}

/// The entries a folder has now.
pub(crate) fn list(folder: &Path) -> io::Result<Listing> {
    let mut listing = Listing::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        match entry.metadata() {
            Ok(metadata) => {
                let child = Child { id: Id::of(&metadata)?, is_folder: metadata.is_dir() };
                listing.insert(entry.file_name(), child);
            }
            // Removed since: then it is not an entry any more.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(listing)
}

/// Writes a listing down.
pub(crate) fn encode(listing: &Listing) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, child) in listing {
        bytes.extend_from_slice(if child.is_folder { b"d " } else { b"f " });
        bytes.extend_from_slice(child.id.text().as_bytes());
        bytes.push(b' ');
        bytes.extend_from_slice(name.as_bytes());
        // Names may hold a line break, but not this.
        bytes.push(0);
    }
    bytes
}
