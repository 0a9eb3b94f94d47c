//! The store's folder: who holds it, which format it has, and how it comes to life and back after a crash.
//!
//! | name | holds |
//! |---|---|
//! | `lock` | the id of the process that has the folder; the lock itself is the operating system's |
//! | `format` | one line with the format version, written last, so that its presence means "complete" |
//! | `engine/` | the database; made as `engine.new/`, synced as a whole and renamed, because the engine cannot open a folder whose creation was cut short |
//! | `running` | present while the store is open: after a crash it tells that the journal needs rescue |

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use parking_lot::Mutex;

use crate::engine::Engine;
use crate::error::OpenError;
use crate::layout::FORMAT_VERSION;
use crate::settings::StoreSettings;

const FORMAT_LINE: &str = "openclaw-store format ";

/// A store folder held by this process.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    /// Held for the lock on it, which ends with the file; `None` once released.
    lock: Mutex<Option<File>>,
}

impl Folder {
    /// Takes the folder for this process, creating it where there is none.
    pub(crate) fn acquire(path: &Path) -> Result<Self, OpenError> {
        fs::create_dir_all(path).map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => {
                OpenError::NotAFolder { folder: path.to_owned() }
            }
            _ => not_writable(path, source),
        })?;
        // The folder's own entry must outlive a power loss too. Some parents cannot be opened; then it
        // is whoever made them that vouches for them.
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            let _ = sync_folder(parent);
        }
        let lock = Mutex::new(Some(lock(path)?));
        Ok(Self { path: path.to_owned(), lock })
    }

    /// Makes sure that a complete store of a known format is there.
    pub(crate) fn prepare(&self, settings: &StoreSettings) -> Result<(), OpenError> {
        let format = self.path.join("format");
        match fs::read_to_string(&format) {
            Ok(line) => {
                let version = self.check_format(&line)?;
                if !self.engine().is_dir() {
                    return Err(self.corrupted("its folder engine is missing".to_owned()));
                }
                // What older formats hold is the same in this one. But before anything is written that they do not
                // know, the folder says so to the programs that read them only.
                return if version < FORMAT_VERSION { self.write_format() } else { Ok(()) };
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(OpenError::Io { doing: "reading", path: format, source }),
        }
        self.refuse_foreign_files()?;
        if !self.engine().is_dir() {
            self.create_engine(settings)?;
        }
        self.write_format()
    }

    /// Where the database is.
    pub(crate) fn engine(&self) -> PathBuf {
        self.path.join("engine")
    }

    /// Opens the database, first putting right what a crash or a failed write may have left.
    pub(crate) fn open_engine(&self, settings: &StoreSettings) -> Result<Engine, OpenError> {
        let running = self.path.join("running");
        if running.exists() {
            rescue_journal(&self.engine())
                .map_err(|source| failed(&self.path, "rewriting the newest journal in", source))?;
        } else {
            // Only a process that dies needs this mark, never a machine: what a machine forgets is gone
            // from its memory too. Hence no sync.
            File::create(&running).map_err(|source| not_writable(&self.path, source))?;
        }
        let mut engine = self.open_database(&self.engine(), settings)?;
        engine.load().map_err(|error| self.corrupted(error.to_string()))?;
        Ok(engine)
    }

    /// Lets go of the folder, after the database was closed, in good order or not.
    pub(crate) fn release(&self, orderly: bool) {
        let Some(lock) = self.lock.lock().take() else { return };
        if orderly {
            // Left behind, the mark costs the next start the rewrite of one journal and nothing else.
            let _ = fs::remove_file(self.path.join("running"));
        }
        drop(lock);
    }

    /// Proves that writing works: space for what is to come, and a sync that succeeds.
    pub(crate) fn probe(&self) -> io::Result<()> {
        let path = self.path.join("probe");
        let written = File::create(&path).and_then(|mut file| {
            file.write_all(&vec![0x5a; PROBE_BYTES])?;
            file.sync_all()
        });
        let removed = fs::remove_file(&path);
        written.and(removed)
    }

    fn write_format(&self) -> Result<(), OpenError> {
        let line = format!("{FORMAT_LINE}{FORMAT_VERSION}\n");
        self.replace_file("format", line.as_bytes()).map_err(|source| not_writable(&self.path, source))
    }

    fn check_format(&self, line: &str) -> Result<u32, OpenError> {
        let version = line.strip_prefix(FORMAT_LINE).and_then(|rest| rest.trim_end().parse::<u32>().ok());
        match version {
            Some(version @ 1..=FORMAT_VERSION) => Ok(version),
            Some(found) if found > FORMAT_VERSION => {
                Err(OpenError::NewerFormat { folder: self.path.clone(), found, supported: FORMAT_VERSION })
            }
            _ => Err(self.corrupted(format!("its file format says {:?}", line.trim_end()))),
        }
    }

    fn refuse_foreign_files(&self) -> Result<(), OpenError> {
        let unreadable = |source| OpenError::Io { doing: "listing", path: self.path.clone(), source };
        for entry in fs::read_dir(&self.path).map_err(unreadable)? {
            let name = entry.map_err(unreadable)?.file_name();
            let known = ["lock", "engine", "engine.new", "format.new", "probe", "running"];
            if !known.iter().any(|known| name == *known) {
                let found = name.to_string_lossy().into_owned();
                return Err(OpenError::ForeignFolder { folder: self.path.clone(), found });
            }
        }
        Ok(())
    }

    fn create_engine(&self, settings: &StoreSettings) -> Result<(), OpenError> {
        let new = self.path.join("engine.new");
        let failed = |source| not_writable(&self.path, source);
        if new.exists() {
            fs::remove_dir_all(&new).map_err(failed)?;
        }
        let engine = self.open_database(&new, settings)?;
        engine.initialise(&settings.scale).map_err(|error| self.explain(error))?;
        drop(engine);
        sync_tree(&new).map_err(failed)?;
        fs::rename(&new, self.engine()).map_err(failed)?;
        sync_folder(&self.path).map_err(failed)
    }

    fn open_database(&self, folder: &Path, settings: &StoreSettings) -> Result<Engine, OpenError> {
        // The engine asserts what it expects of file names; a damaged folder must not end the process.
        let opened = std::panic::catch_unwind(|| Engine::open(folder, settings));
        match opened {
            Ok(engine) => engine.map_err(|error| self.explain(error)),
            Err(_) => Err(self.corrupted("the engine found files it does not expect".to_owned())),
        }
    }

    fn replace_file(&self, name: &str, content: &[u8]) -> io::Result<()> {
        let new = self.path.join(format!("{name}.new"));
        let mut file = File::create(&new)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&new, self.path.join(name))?;
        sync_folder(&self.path)
    }

    fn explain(&self, error: fjall::Error) -> OpenError {
        match error {
            fjall::Error::Io(source) | fjall::Error::Storage(fjall::LsmError::Io(source)) => {
                failed(&self.path, "opening the engine in", source)
            }
            fjall::Error::Locked => {
                OpenError::Locked { folder: self.path.clone(), holder: "another process".to_owned() }
            }
            other => self.corrupted(other.to_string()),
        }
    }

    pub(crate) fn corrupted(&self, detail: String) -> OpenError {
        OpenError::Corrupted { folder: self.path.clone(), detail }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// Enough for a commit of thousands of ratings.
const PROBE_BYTES: usize = 1024 * 1024;

fn lock(folder: &Path) -> Result<File, OpenError> {
    let path = folder.join("lock");
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(|source| not_writable(folder, source))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let _ = file.read_to_string(&mut holder);
            let holder = match holder.trim().parse::<u32>() {
                Ok(process) => format!("process {process}"),
                Err(_) => "another process".to_owned(),
            };
            return Err(OpenError::Locked { folder: folder.to_owned(), holder });
        }
        Err(TryLockError::Error(source)) => return Err(OpenError::Io { doing: "locking", path, source }),
    }
    // Only to name the holder in the next process's error; a failure costs that courtesy and no more.
    let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
    Ok(file)
}

/// Writes the newest journal once more, from memory to disk.
///
/// When a sync fails, the kernel may take the dirty pages for clean and keep their content: a later reader in
/// this boot still sees bytes that the disk does not have, and later syncs succeed without writing them.
/// Appending to such a journal would put acknowledged ratings behind a hole. Writing the same bytes again
/// makes their pages dirty, so that the sync at the end is an honest one.
fn rescue_journal(engine: &Path) -> io::Result<()> {
    let Some(journal) = newest_journal(engine)? else { return Ok(()) };
    let mut file = OpenOptions::new().read(true).write(true).open(journal)?;
    let mut block = vec![0; 64 * 1024];
    let mut offset = 0;
    loop {
        file.seek(SeekFrom::Start(offset))?;
        let read = file.read(&mut block)?;
        if read == 0 {
            return file.sync_all();
        }
        let data = &block[..read];
        // A new journal is long and empty: its zeros need no rescue.
        if data.iter().any(|&byte| byte != 0) {
            file.seek(SeekFrom::Start(offset))?;
            file.write_all(data)?;
        }
        offset += read as u64;
    }
}

fn newest_journal(engine: &Path) -> io::Result<Option<PathBuf>> {
    let mut newest: Option<(u64, PathBuf)> = None;
    for entry in fs::read_dir(engine)? {
        let path = entry?.path();
        let number = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".jnl")?.parse().ok());
        if let Some(number) = number.filter(|number| newest.as_ref().is_none_or(|(most, _)| number > most)) {
            newest = Some((number, path));
        }
    }
    Ok(newest.map(|(_, path)| path))
}

fn sync_tree(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_tree(&entry.path())?;
        } else {
            File::open(entry.path())?.sync_all()?;
        }
    }
    sync_folder(folder)
}

/// Makes the names in a folder durable. Elsewhere than on Unix a folder cannot be opened for that, and names
/// are the file system's care.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

fn not_writable(folder: &Path, source: io::Error) -> OpenError {
    failed(folder, "writing to", source)
}

/// Names what an operator can do something about.
fn failed(folder: &Path, doing: &'static str, source: io::Error) -> OpenError {
    let folder = folder.to_owned();
    match source.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            OpenError::NotWritable { folder, source }
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => OpenError::DiskFull { folder, source },
        _ => OpenError::Io { doing, path: folder, source },
    }
}
