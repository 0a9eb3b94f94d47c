//! The file that keeps the operator's overrides, and how it is replaced.
//!
//! One line with a checksum, then the overrides as JSON, for people to read. It is written beside the old file, synced,
//! renamed over it, and the folder is synced: whenever the power fails, one of the two is there as a whole.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use openclaw_protocol::{UserId, UserLimits};
use thiserror::Error;

const NAME: &str = "limits.json";
/// What the first line says, before the checksum: the format and its version.
const HEADER: &str = "openclaw-limits 1 crc32c ";
/// Longest file that is read, in bytes: ten thousand overrides of the longest ids, and some.
const BYTES_MAX: u64 = 64 << 20;

/// Why the file cannot be used.
#[derive(Debug, Error)]
pub enum LimitsFileError {
    /// The file or its folder cannot be read or written.
    #[error("{} cannot be {done}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What was tried: read, made, written, or taken for this process.
        done: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The file is not as it was written.
    #[error(
        "{} is damaged ({reason}); put a backup in its place, or move it away to start without any override of users' \
         limits",
        path.display()
    )]
    Damaged {
        /// Which.
        path: PathBuf,
        /// How that shows.
        reason: String,
    },
}

/// The file of one folder.
#[derive(Debug)]
pub(crate) struct LimitsFile {
    folder: PathBuf,
    path: PathBuf,
}

impl LimitsFile {
    /// The file in `folder`; neither needs to exist.
    pub(crate) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), path: folder.join(NAME) }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What the file holds; nothing where there is none.
    pub(crate) fn read(&self) -> Result<BTreeMap<UserId, UserLimits>, LimitsFileError> {
        let failed = |source| LimitsFileError::Io { path: self.path.clone(), done: "read", source };
        match fs::metadata(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
            Err(error) => return Err(failed(error)),
            Ok(about) if about.len() > BYTES_MAX => {
                return Err(self.damaged(format!("it has {} bytes", about.len())));
            }
            Ok(_) => {}
        }
        let bytes = fs::read(&self.path).map_err(failed)?;
        let (header, body) = match bytes.iter().position(|&byte| byte == b'\n') {
            Some(end) => (&bytes[..end], &bytes[end + 1..]),
            None => return Err(self.damaged("its first line has no end".to_owned())),
        };
        let written = std::str::from_utf8(header).ok().and_then(|line| line.strip_prefix(HEADER));
        let written = written.ok_or_else(|| {
            self.damaged(format!("its first line does not begin with {:?}", HEADER.trim_end()))
        })?;
        if written != checksum(body) {
            return Err(self.damaged("its checksum is that of another content".to_owned()));
        }
        serde_json::from_slice(body).map_err(|error| self.damaged(error.to_string()))
    }

    /// Replaces the file. Returns once it would survive a loss of power.
    pub(crate) fn write(&self, overrides: &BTreeMap<UserId, UserLimits>) -> Result<(), LimitsFileError> {
        let failed = |path: &Path, done| {
            let path = path.to_owned();
            move |source| LimitsFileError::Io { path, done, source }
        };
        fs::create_dir_all(&self.folder).map_err(failed(&self.folder, "made"))?;
        let _mine = self.lock()?;
        let new = self.folder.join(format!("{NAME}.new"));
        let written = || -> io::Result<()> {
            let body = serde_json::to_vec_pretty(overrides)?;
            let mut file = File::create(&new)?;
            file.write_all(format!("{HEADER}{}\n", checksum(&body)).as_bytes())?;
            file.write_all(&body)?;
            file.sync_all()?;
            fs::rename(&new, &self.path)?;
            sync_folder(&self.folder)
        };
        written().map_err(failed(&self.path, "written"))
    }

    /// Two edges that share a folder would undo each other's changes unnoticed, were they to write at the same time.
    fn lock(&self) -> Result<File, LimitsFileError> {
        let path = self.folder.join("limits.lock");
        let failed =
            |source| LimitsFileError::Io { path: path.clone(), done: "taken for this process", source };
        let file = File::options().create(true).append(true).open(&path).map_err(failed)?;
        file.lock().map_err(failed)?;
        Ok(file)
    }

    fn damaged(&self, reason: String) -> LimitsFileError {
        LimitsFileError::Damaged { path: self.path.clone(), reason }
    }
}

fn checksum(body: &[u8]) -> String {
    format!("{:08x}", crc32c::crc32c(body))
}

/// Makes the rename itself durable. Only Unix can sync a folder; elsewhere the file system does it in its own time.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}
