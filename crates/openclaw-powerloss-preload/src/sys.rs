//! System calls made directly: through the C library they would come back to this library's own functions.

#![expect(unsafe_code, reason = "raw system calls are what this module wraps")]

use std::fs::File;
use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, FromRawFd, RawFd};

use libc::{FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE, SYS_fallocate, SYS_ftruncate, SYS_pwrite64, c_long};

/// Writes all of this at an offset.
pub(crate) fn write_all_at(file: &File, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        // SAFETY: the pointer and length are those of a live slice, which the kernel only reads.
        let written = check(unsafe {
            libc::syscall(SYS_pwrite64, file.as_raw_fd(), bytes.as_ptr(), bytes.len(), offset)
        })?;
        bytes = bytes.get(written..).unwrap_or_default();
        offset += written as u64;
    }
    Ok(())
}

/// Sets a file's length.
pub(crate) fn set_length(file: &File, length: u64) -> io::Result<()> {
    // SAFETY: takes no pointer; the descriptor belongs to `file`.
    check(unsafe { libc::syscall(SYS_ftruncate, file.as_raw_fd(), length) }).map(|_| ())
}

/// Makes a range read as zeros without taking space.
pub(crate) fn punch_hole(file: &File, start: u64, end: u64) -> io::Result<()> {
    if start >= end {
        return Ok(());
    }
    let mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
    // SAFETY: takes no pointer; the descriptor belongs to `file`.
    check(unsafe { libc::syscall(SYS_fallocate, file.as_raw_fd(), mode, start, end - start) }).map(|_| ())
}

/// The next range of data in a file at or after an offset, as start and end; `None` after the last.
pub(crate) fn next_data(file: &File, offset: u64) -> io::Result<Option<(u64, u64)>> {
    let seek = |offset: u64, whence| {
        // SAFETY: takes no pointer; the descriptor belongs to `file`.
        let found = unsafe { libc::lseek64(file.as_raw_fd(), offset.cast_signed(), whence) };
        u64::try_from(found).map_err(|_| io::Error::last_os_error())
    };
    let start = match seek(offset, libc::SEEK_DATA) {
        Ok(start) => start,
        Err(error) if error.raw_os_error() == Some(libc::ENXIO) => return Ok(None),
        Err(error) => return Err(error),
    };
    Ok(Some((start, seek(start, libc::SEEK_HOLE)?)))
}

/// The position of an open file.
pub(crate) fn position(descriptor: RawFd) -> Option<u64> {
    // SAFETY: takes no pointer; a wrong descriptor is an error, not undefined.
    u64::try_from(unsafe { libc::lseek64(descriptor, 0, libc::SEEK_CUR) }).ok()
}

/// Borrows a caller's descriptor as a file, without closing it afterwards.
pub(crate) fn borrow(descriptor: RawFd) -> Option<ManuallyDrop<File>> {
    if descriptor < 0 {
        return None;
    }
    // SAFETY: the caller of the intercepted function keeps the descriptor open during the call, and
    // ManuallyDrop keeps this File from closing it. Only metadata are asked for through it.
    Some(ManuallyDrop::new(unsafe { File::from_raw_fd(descriptor) }))
}

/// Says why and ends the process: a shadow that missed something would make every result worthless.
pub(crate) fn fail(what: &str, error: &io::Error) -> ! {
    let message = format!("openclaw-powerloss: {what}: {error}\n");
    // SAFETY: the pointer and length are those of a live string; 2 is the standard error stream.
    unsafe {
        libc::syscall(libc::SYS_write, 2, message.as_ptr(), message.len());
        libc::abort()
    }
}

fn check(result: c_long) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}
