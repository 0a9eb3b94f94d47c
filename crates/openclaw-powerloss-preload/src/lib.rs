//! Loaded into a process with `LD_PRELOAD`, this library stands before the system calls that write and
//! sync, and keeps a shadow of one folder that holds only what was synced.
//!
//! Why a preloaded library: a killed process leaves its unsynced bytes in the page cache, so killing alone
//! never shows a missing sync. A file system in user space or a device that drops writes would show it too,
//! but both need root. Names and removals are not intercepted at all: the shadow takes a folder's entries
//! when that folder is synced, so programs that bypass the C library for them are modelled as well. Writes
//! are, only to know from where on a file changed; a write past the C library (as through a memory map)
//! would be missing in the shadow and show as a loss, never hide one.

#[cfg(target_os = "linux")]
mod changes;
#[cfg(target_os = "linux")]
mod intercept;
#[cfg(target_os = "linux")]
mod layer;
#[cfg(target_os = "linux")]
#[path = "../../openclaw-powerloss/src/shadow.rs"]
mod shadow;
#[cfg(target_os = "linux")]
mod sys;
