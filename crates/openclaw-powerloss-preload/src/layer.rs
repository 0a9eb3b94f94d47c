//! What the intercepted calls mean for the shadow.

use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::os::fd::RawFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use crate::changes::{Changes, Covered};
use crate::shadow::{self, FOLDER_VARIABLE, IGNORE_SYNCS_VARIABLE, Id, SHADOW_VARIABLE};
use crate::sys;

/// The shadow of one folder, for this process.
pub(crate) struct Layer {
    folder: PathBuf,
    shadow: PathBuf,
    ignore_syncs: bool,
    changes: Mutex<Changes>,
}

/// Something in the watched folder that is about to be synced.
pub(crate) enum Target {
    /// The entries of a folder.
    Folder(Id),
    /// The content of a file.
    File {
        id: Id,
        /// How long the file is as the sync begins.
        length: u64,
        /// What it covers; `None` where nothing changed.
        covered: Option<Covered>,
    },
}

impl Layer {
    /// The layer, where this process is to be watched.
    pub(crate) fn get() -> Option<&'static Self> {
        static LAYER: OnceLock<Option<Layer>> = OnceLock::new();
        LAYER.get_or_init(Self::from_environment).as_ref()
    }

    fn from_environment() -> Option<Self> {
        let folder = PathBuf::from(std::env::var_os(FOLDER_VARIABLE)?);
        let shadow = PathBuf::from(std::env::var_os(SHADOW_VARIABLE)?);
        must("marking the shadow folder", File::create(shadow.join("loaded")));
        let ignore_syncs = std::env::var_os(IGNORE_SYNCS_VARIABLE).is_some();
        Some(Self { folder, shadow, ignore_syncs, changes: Mutex::default() })
    }

    /// Whether writes fail for lack of space.
    pub(crate) fn is_full(&self, descriptor: RawFd) -> bool {
        self.shadow.join("full").exists() && self.identify(descriptor).is_some()
    }

    /// Whether syncs fail.
    pub(crate) fn fails_syncs(&self) -> bool {
        self.shadow.join("failing-sync").exists()
    }

    /// These bytes of a file were written, or cut off.
    pub(crate) fn note_change(&self, descriptor: RawFd, written: Range<u64>) {
        if let Some((id, false, _)) = self.identify(descriptor) {
            must("noting a write", self.changes().note(&self.shadow, id, written));
        }
    }

    /// What a sync that begins now will cover. From here on, new changes are counted for the next sync.
    pub(crate) fn begin_sync(&self, descriptor: RawFd) -> Option<Target> {
        let (id, is_folder, length) = self.identify(descriptor)?;
        if is_folder {
            return Some(Target::Folder(id));
        }
        let covered = must("beginning a sync", self.changes().take(&self.shadow, id));
        Some(Target::File { id, length, covered })
    }

    /// Brings what was synced into the shadow.
    pub(crate) fn finish_sync(&self, descriptor: RawFd, target: Target) {
        if self.ignore_syncs {
            return;
        }
        let copied = match target {
            Target::Folder(id) => self.copy_listing(descriptor, id),
            Target::File { covered: None, .. } => Ok(()),
            Target::File { id, length, covered: Some(covered) } => {
                self.copy_content(descriptor, id, length, &covered)
            }
        };
        must("following a sync", copied);
    }

    /// A sync failed. The kernel then takes its pages for clean, so what they held reaches the disk only if
    /// it is written anew.
    pub(crate) fn fail_sync(&self, target: Target) {
        if let Target::File { id, length, covered: Some(Covered { changed, .. }) } = target {
            let lost = changed.start.min(length)..changed.end.min(length);
            must("failing a sync", self.changes().give_up(&self.shadow, id, lost));
        }
    }

    fn copy_listing(&self, descriptor: RawFd, id: Id) -> io::Result<()> {
        let entries = shadow::encode(&shadow::list(&path_of(descriptor)?)?);
        let path = shadow::folder_path(&self.shadow, id);
        // Another thread may sync the same folder; each writes its own file and the last rename wins.
        let new = path.with_extension(format!("{descriptor}.new"));
        sys::write_all_at(&File::create(&new)?, &entries, 0)?;
        fs::rename(new, path)
    }

    fn copy_content(&self, descriptor: RawFd, id: Id, length: u64, covered: &Covered) -> io::Result<()> {
        // The caller's descriptor may be write-only and its offset must not move: open the file anew.
        let source = File::open(format!("/proc/self/fd/{descriptor}"))?;
        let path = shadow::file_path(&self.shadow, id);
        let target = File::options().write(true).create(true).truncate(false).open(path)?;
        sys::set_length(&target, length)?;
        let changed = covered.changed.start.min(length)..covered.changed.end.min(length);
        let Some(given_up) = &covered.given_up else { return copy_range(&source, &target, changed) };
        copy_range(&source, &target, changed.start..changed.end.min(given_up.start))?;
        copy_range(&source, &target, changed.start.max(given_up.end)..changed.end)
    }

    /// The file or folder behind a descriptor, where it is in the watched folder: what, whether it is a
    /// folder, and how long it is.
    fn identify(&self, descriptor: RawFd) -> Option<(Id, bool, u64)> {
        let metadata = sys::borrow(descriptor)?.metadata().ok()?;
        if !metadata.is_file() && !metadata.is_dir() {
            return None;
        }
        let id =
            must("asking for a file's time of birth, which not all file systems keep", Id::of(&metadata));
        let known = self.changes().knows(id);
        let inside = known || path_of(descriptor).is_ok_and(|path| path.starts_with(&self.folder));
        inside.then_some((id, metadata.is_dir(), metadata.len()))
    }

    fn changes(&self) -> MutexGuard<'_, Changes> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends the process where the shadow cannot follow it.
fn must<T>(doing: &str, result: io::Result<T>) -> T {
    result.unwrap_or_else(|error| sys::fail(doing, &error))
}

fn path_of(descriptor: RawFd) -> io::Result<PathBuf> {
    fs::read_link(Path::new("/proc/self/fd").join(descriptor.to_string()))
}

/// Makes a range of the target equal to the source's, holes included.
fn copy_range(source: &File, target: &File, range: Range<u64>) -> io::Result<()> {
    if range.is_empty() {
        return Ok(());
    }
    let mut block = vec![0; 64 * 1024];
    let mut offset = range.start;
    while let Some((start, end)) = sys::next_data(source, offset)?.filter(|(start, _)| *start < range.end) {
        sys::punch_hole(target, offset, start)?;
        offset = start;
        while offset < end.min(range.end) {
            let want = usize::try_from(end.min(range.end) - offset).unwrap_or(usize::MAX).min(block.len());
            let Some(part) = block.get_mut(..want) else { return Ok(()) };
            let read = source.read_at(part, offset)?;
            if read == 0 {
                return Ok(());
            }
            sys::write_all_at(target, part.get(..read).unwrap_or_default(), offset)?;
            offset += read as u64;
        }
    }
    sys::punch_hole(target, offset, range.end)
}
