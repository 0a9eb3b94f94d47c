//! The test's side: which folder is watched, which process watches, which faults it meets.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::loss::{self, Survived};
use crate::shadow::{self, FOLDER_VARIABLE, IGNORE_SYNCS_VARIABLE, Id, SHADOW_VARIABLE};

/// The file name of the preloaded library, as cargo builds it.
const LIBRARY: &str = "libopenclaw_powerloss_preload.so";

/// What a sync does in an observed process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Syncs {
    /// What was written before it survives.
    Honoured,
    /// Nothing, but it says it did: the control that shows that a proof can fail.
    Ignored,
}

/// A fault that can be switched on while the process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Writes in the folder fail as on a full disk.
    DiskFull,
    /// Syncs in the folder fail once for what they cover, which then never reaches the disk unless it is
    /// written anew, although the process goes on reading it: what Linux does.
    FailingSyncs,
}

/// A folder whose syncs are followed.
#[derive(Debug)]
pub struct Watch {
    folder: PathBuf,
    shadow: PathBuf,
}

impl Watch {
    /// Takes everything that is in the folder now for durable. Both folders are created where they are not
    /// there; the shadow's must be outside the other and on no particular disk, and is emptied.
    ///
    /// # Errors
    /// What the operating system said, or that the file system keeps no times of birth.
    pub fn begin(folder: &Path, shadow: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        // The preloaded library compares with paths as the kernel names them.
        let folder = folder.canonicalize()?;
        fs::create_dir_all(shadow)?;
        let shadow = shadow.canonicalize()?;
        if shadow.starts_with(&folder) {
            return Err(io::Error::other("the shadow may not be inside the watched folder"));
        }
        let watch = Self { folder, shadow };
        watch.take_all_for_durable()?;
        Ok(watch)
    }

    /// Has the process that this command starts observed. Only processes it starts itself in turn are, too.
    ///
    /// # Errors
    /// The preloaded library is not where cargo builds it.
    pub fn observe(&self, command: &mut Command, syncs: Syncs) -> io::Result<()> {
        command
            .env("LD_PRELOAD", library()?)
            .env(FOLDER_VARIABLE, &self.folder)
            .env(SHADOW_VARIABLE, &self.shadow);
        match syncs {
            Syncs::Honoured => command.env_remove(IGNORE_SYNCS_VARIABLE),
            Syncs::Ignored => command.env(IGNORE_SYNCS_VARIABLE, "1"),
        };
        Ok(())
    }

    /// Whether a process was observed since the watch began or power was last lost. A process counts from its
    /// first write or sync on, so wait for this before a kill at a random moment.
    #[must_use]
    pub fn has_observed(&self) -> bool {
        self.shadow.join("loaded").exists()
    }

    /// Switches a fault on or off, for every observed process.
    ///
    /// # Errors
    /// What the operating system said.
    pub fn set_fault(&self, fault: Fault, on: bool) -> io::Result<()> {
        let path = self.shadow.join(match fault {
            Fault::DiskFull => "full",
            Fault::FailingSyncs => "failing-sync",
        });
        if on {
            return fs::write(path, "");
        }
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Puts in the folder's place what survived, and goes on watching from there. Call it once the observed
    /// processes have ended.
    ///
    /// # Errors
    /// No process was observed since the last time, so that the answer would mean nothing; or what the
    /// operating system said.
    pub fn lose_power(&mut self, survived: Survived) -> io::Result<()> {
        if !self.has_observed() {
            return Err(io::Error::other("no process ran with the preloaded library: nothing was observed"));
        }
        // Beside the folder, so that it can be renamed into its place.
        let rebuilt = self.folder.with_extension("rebuilt");
        if rebuilt.exists() {
            fs::remove_dir_all(&rebuilt)?;
        }
        loss::rebuild(&self.folder, &self.shadow, &rebuilt, survived)?;
        fs::remove_dir_all(&self.folder)?;
        fs::rename(&rebuilt, &self.folder)?;
        self.take_all_for_durable()
    }

    /// Takes whatever is in the folder now for durable, as after a process that was killed without power
    /// loss and whose bytes the kernel wrote out later.
    ///
    /// # Errors
    /// What the operating system said.
    pub fn take_all_for_durable(&self) -> io::Result<()> {
        fs::remove_dir_all(&self.shadow)?;
        for folder in ["files", "folders", "given-up"] {
            fs::create_dir_all(self.shadow.join(folder))?;
        }
        let root = Id::of(&fs::metadata(&self.folder)?)?;
        fs::write(self.shadow.join("root"), root.text())?;
        copy_folder(&self.folder, root, &self.shadow)
    }
}

fn copy_folder(folder: &Path, id: Id, shadow: &Path) -> io::Result<()> {
    let listing = shadow::list(folder)?;
    fs::write(shadow::folder_path(shadow, id), shadow::encode(&listing))?;
    for (name, child) in listing {
        let path = folder.join(name);
        if child.is_folder {
            copy_folder(&path, child.id, shadow)?;
        } else {
            fs::copy(path, shadow::file_path(shadow, child.id))?;
        }
    }
    Ok(())
}

/// Where cargo put the preloaded library: with the libraries beside this test, or one folder up or down
/// from there, depending on whether this is a test, an example or a program.
fn library() -> io::Result<PathBuf> {
    let program = std::env::current_exe()?;
    let places =
        program.ancestors().skip(1).take(3).flat_map(|folder| [folder.join("deps"), folder.to_owned()]);
    places.map(|place| place.join(LIBRARY)).find(|path| path.is_file()).ok_or_else(|| {
        io::Error::other(format!(
            "{LIBRARY} is not beside {}; it is built with every test that has openclaw-powerloss among its \
             dependencies, so build again",
            program.display()
        ))
    })
}
