//! Power loss for tests: a process gets a disk that forgets what was not synced.
//!
//! Killing a process proves nothing about syncs, because its unsynced bytes survive in the page cache. Under
//! a [`Watch`] every sync of the process is followed into a shadow of one folder; after the kill,
//! [`Watch::lose_power`] puts in the folder's place what a disk would hold. How strict the model is, is told
//! in the documentation of [`Survived`].
//!
//! ```no_run
//! # fn main() -> std::io::Result<()> {
//! use std::process::Command;
//! use openclaw_powerloss::{Survived, Syncs, Watch};
//!
//! # let (folder, shadow) = (std::path::Path::new("data"), std::path::Path::new("shadow"));
//! let mut watch = Watch::begin(folder, shadow)?;
//! let mut service = Command::new("openclaw");
//! watch.observe(&mut service, Syncs::Honoured)?;
//! let mut service = service.arg("rating").spawn()?;
//! // ... post ratings, note every acknowledgement, then at any moment:
//! service.kill()?;
//! service.wait()?;
//! watch.lose_power(Survived::OnlySynced)?;
//! // Every acknowledged rating must be in the folder now.
//! # Ok(())
//! # }
//! ```
//!
//! Linux only, on a file system that keeps times of birth (ext4, XFS, Btrfs, tmpfs).

#[cfg(target_os = "linux")]
mod loss;
#[cfg(target_os = "linux")]
mod shadow;
#[cfg(target_os = "linux")]
mod watch;

#[cfg(target_os = "linux")]
pub use loss::Survived;
#[cfg(target_os = "linux")]
pub use watch::{Fault, Syncs, Watch};
