//! What a folder holds after power was lost, made from its shadow and from what the dead process left.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::shadow::{self, Child, Id, Listing};

/// The smallest part of a file that reaches a disk by itself.
const PAGE_BYTES: usize = 4096;

/// Which of the unsynced changes survive a loss of power.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Survived {
    /// None: names last once their folder was synced, content and length once the file was. The strictest
    /// model, which finds every sync that is missing.
    OnlySynced,
    /// Any: each changed page of 4 KiB and each changed folder with a probability of one half, drawn from
    /// the seed. A kernel writes out early what it likes, in any order; this finds recovery that is
    /// confused by half of a write, or by a later write without an earlier one.
    Some {
        /// Chooses what survives.
        seed: u64,
    },
}

/// Builds in `rebuilt` what survives of `live`.
pub(crate) fn rebuild(live: &Path, shadow: &Path, rebuilt: &Path, survived: Survived) -> io::Result<()> {
    let text = fs::read_to_string(shadow.join("root"))?;
    let root = parse_id(&text).ok_or_else(|| damaged("the shadow's root"))?;
    let found = find(live)?;
    rebuild_folder(&Rebuild { live: &found, shadow, survived }, root, rebuilt)
}

struct Rebuild<'a> {
    live: &'a Found,
    shadow: &'a Path,
    survived: Survived,
}

/// Everything under the live folder, by id.
type Found = std::collections::HashMap<Id, std::path::PathBuf>;

impl Rebuild<'_> {
    /// Whether this unsynced change survives. Depends on what it is, never on the order of questions.
    fn survives(&self, id: Id, part: usize) -> bool {
        match self.survived {
            Survived::OnlySynced => false,
            Survived::Some { seed } => {
                let hasher = BuildHasherDefault::<DefaultHasher>::default();
                // The id differs from run to run, so that equal seeds need not draw equally across runs.
                hasher.hash_one((seed, id, part)).is_multiple_of(2)
            }
        }
    }
}

fn rebuild_folder(rebuild: &Rebuild<'_>, id: Id, target: &Path) -> io::Result<()> {
    fs::create_dir(target)?;
    let synced = match fs::read(shadow::folder_path(rebuild.shadow, id)) {
        Ok(bytes) => decode(&bytes).ok_or_else(|| damaged("a shadow listing"))?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Listing::new(),
        Err(error) => return Err(error),
    };
    let listing = match rebuild.live.get(&id) {
        Some(live) if rebuild.survives(id, usize::MAX) => shadow::list(live)?,
        _ => synced,
    };
    for (name, child) in listing {
        let path = target.join(name);
        if child.is_folder {
            rebuild_folder(rebuild, child.id, &path)?;
        } else {
            rebuild_file(rebuild, child.id, &path)?;
        }
    }
    Ok(())
}

fn rebuild_file(rebuild: &Rebuild<'_>, id: Id, target: &Path) -> io::Result<()> {
    match fs::copy(shadow::file_path(rebuild.shadow, id), target) {
        // The name was synced and the content never: an empty file.
        Err(error) if error.kind() == io::ErrorKind::NotFound => File::create(target).map(|_| ())?,
        copied => copied.map(|_| ())?,
    }
    match (rebuild.survived, rebuild.live.get(&id)) {
        (Survived::Some { .. }, Some(live)) => mix_in_pages(rebuild, id, live, target),
        _ => Ok(()),
    }
}

/// Takes over some of the pages that differ.
fn mix_in_pages(rebuild: &Rebuild<'_>, id: Id, live: &Path, target: &Path) -> io::Result<()> {
    let (live, target) = (File::open(live)?, File::options().read(true).write(true).open(target)?);
    let (mut ours, mut theirs) = ([0; PAGE_BYTES], [0; PAGE_BYTES]);
    for page in 0.. {
        let offset = (page * PAGE_BYTES) as u64;
        let read = read_page(&live, &mut ours, offset)?;
        if read == 0 {
            return Ok(());
        }
        let synced = read_page(&target, &mut theirs, offset)?;
        if ours[..read] != theirs[..synced] && rebuild.survives(id, page) {
            target.write_all_at(&ours[..read], offset)?;
        }
    }
    Ok(())
}

fn read_page(file: &File, page: &mut [u8; PAGE_BYTES], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < PAGE_BYTES {
        match file.read_at(&mut page[filled..], offset + filled as u64)? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(filled)
}

fn find(folder: &Path) -> io::Result<Found> {
    let mut found = Found::from([(Id::of(&fs::metadata(folder)?)?, folder.to_owned())]);
    for (name, child) in shadow::list(folder)? {
        let path = folder.join(name);
        if child.is_folder {
            found.extend(find(&path)?);
        } else {
            found.insert(child.id, path);
        }
    }
    Ok(found)
}

fn decode(bytes: &[u8]) -> Option<Listing> {
    let mut listing = Listing::new();
    for line in bytes.split(|&byte| byte == 0).filter(|line| !line.is_empty()) {
        let mut parts = line.splitn(3, |&byte| byte == b' ');
        let is_folder = parts.next()? == b"d";
        let id = parse_id(str::from_utf8(parts.next()?).ok()?)?;
        let name = OsStr::from_bytes(parts.next()?).to_owned();
        listing.insert(OsString::from_vec(name.into_vec()), Child { id, is_folder });
    }
    Some(listing)
}

fn parse_id(text: &str) -> Option<Id> {
    let (inode, born_ns) = text.split_once('-')?;
    Some(Id { inode: inode.parse().ok()?, born_ns: born_ns.parse().ok()? })
}

fn damaged(what: &str) -> io::Error {
    io::Error::other(format!("{what} cannot be read; begin a new watch"))
}
