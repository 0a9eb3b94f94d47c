//! What the intercepted calls mean for the shadow.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::os::fd::RawFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use crate::shadow::{self, FOLDER_VARIABLE, IGNORE_SYNCS_VARIABLE, Id, SHADOW_VARIABLE};
use crate::sys;

/// The shadow of one folder, for this process.
pub(crate) struct Layer {
    folder: PathBuf,
    shadow: PathBuf,
    ignore_syncs: bool,
    changed: Mutex<Changed>,
}

/// From which offset on each file seen may differ from its shadow; `None` where it does not.
type Changed = HashMap<Id, Option<u64>>;

/// Something in the watched folder that is about to be synced.
pub(crate) struct Target {
    id: Id,
    /// `None` for a folder, else the change that this sync covers.
    changed_from: Option<u64>,
    is_folder: bool,
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
        if let Err(error) = File::create(shadow.join("loaded")) {
            sys::fail("the shadow folder cannot be written", &error);
        }
        let ignore_syncs = std::env::var_os(IGNORE_SYNCS_VARIABLE).is_some();
        Some(Self { folder, shadow, ignore_syncs, changed: Mutex::default() })
    }

    /// Whether writes fail for lack of space.
    pub(crate) fn is_full(&self, descriptor: RawFd) -> bool {
        self.shadow.join("full").exists() && self.identify(descriptor).is_some()
    }

    /// Whether syncs fail.
    pub(crate) fn fails_syncs(&self) -> bool {
        self.shadow.join("failing-sync").exists()
    }

    /// A file changed at this offset and perhaps after it.
    pub(crate) fn note_change(&self, descriptor: RawFd, offset: u64) {
        let Some((id, is_folder)) = self.identify(descriptor) else { return };
        if is_folder {
            return;
        }
        let mut changed = self.changed();
        // A file not seen before may hold anything: then its first sync copies all of it.
        let from = changed.entry(id).or_insert(Some(0)).get_or_insert(offset);
        *from = offset.min(*from);
    }

    /// What a sync that begins now will cover. From here on, new changes are counted for the next sync.
    pub(crate) fn begin_sync(&self, descriptor: RawFd) -> Option<Target> {
        let (id, is_folder) = self.identify(descriptor)?;
        if is_folder {
            return Some(Target { id, changed_from: None, is_folder });
        }
        let changed_from = self.changed().insert(id, None).unwrap_or(Some(0));
        Some(Target { id, changed_from, is_folder })
    }

    /// Brings what was synced into the shadow. A sync that failed never comes here: the kernel then takes
    /// its pages for clean, so what they held reaches the disk only if it is written anew.
    pub(crate) fn finish_sync(&self, descriptor: RawFd, target: &Target) {
        if self.ignore_syncs {
            return;
        }
        let copied = if target.is_folder {
            self.copy_listing(descriptor, target.id)
        } else {
            target.changed_from.map_or(Ok(()), |from| self.copy_content(descriptor, target.id, from))
        };
        if let Err(error) = copied {
            sys::fail("the shadow could not follow a sync", &error);
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

    fn copy_content(&self, descriptor: RawFd, id: Id, from: u64) -> io::Result<()> {
        // The caller's descriptor may be write-only and its offset must not move: open the file anew.
        let source = File::open(format!("/proc/self/fd/{descriptor}"))?;
        let path = shadow::file_path(&self.shadow, id);
        let target = File::options().write(true).create(true).truncate(false).open(path)?;
        let length = source.metadata()?.len();
        sys::set_length(&target, length)?;
        let mut block = vec![0; 64 * 1024];
        let mut offset = from.min(length);
        while let Some((start, end)) = sys::next_data(&source, offset)? {
            sys::punch_hole(&target, offset, start)?;
            copy_range(&source, &target, start..end, &mut block)?;
            offset = end;
        }
        sys::punch_hole(&target, offset, length)
    }

    /// The file or folder behind a descriptor, where it is in the watched folder.
    fn identify(&self, descriptor: RawFd) -> Option<(Id, bool)> {
        let metadata = sys::borrow(descriptor)?.metadata().ok()?;
        if !metadata.is_file() && !metadata.is_dir() {
            return None;
        }
        let id = match Id::of(&metadata) {
            Ok(id) => id,
            Err(error) => sys::fail("this file system keeps no time of birth; use another", &error),
        };
        let known = self.changed().contains_key(&id);
        let inside = known || path_of(descriptor).is_ok_and(|path| path.starts_with(&self.folder));
        inside.then_some((id, metadata.is_dir()))
    }

    fn changed(&self) -> MutexGuard<'_, Changed> {
        self.changed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn path_of(descriptor: RawFd) -> io::Result<PathBuf> {
    fs::read_link(Path::new("/proc/self/fd").join(descriptor.to_string()))
}

fn copy_range(source: &File, target: &File, range: Range<u64>, block: &mut [u8]) -> io::Result<()> {
    let mut offset = range.start;
    while offset < range.end {
        let want = block.len().min(usize::try_from(range.end - offset).unwrap_or(usize::MAX));
        let Some(part) = block.get_mut(..want) else { return Ok(()) };
        let read = source.read_at(part, offset)?;
        if read == 0 {
            return Ok(());
        }
        sys::write_all_at(target, part.get(..read).unwrap_or_default(), offset)?;
        offset += read as u64;
    }
    Ok(())
}
