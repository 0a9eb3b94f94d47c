//! The functions of the C library that this library stands before. Each does the system call itself and
//! tells the layer; errors and return values are the caller's as ever.

#![expect(
    unsafe_code,
    reason = "exported under the C library's names, called with the C library's contracts"
)]

use std::ops::Range;

use libc::{
    SYS_copy_file_range, SYS_fallocate, SYS_fdatasync, SYS_fsync, SYS_ftruncate, SYS_pwrite64, SYS_pwritev,
    SYS_sendfile, SYS_write, SYS_writev, c_int, c_long, c_uint, c_void, iovec, off_t, size_t, ssize_t,
};

use crate::layer::Layer;
use crate::sys;

/// Makes a write unless the disk is to be full, and notes where the file changed.
fn observe_write(
    descriptor: c_int,
    call: impl FnOnce() -> c_long,
    offset: impl FnOnce(u64) -> Range<u64>,
) -> ssize_t {
    let Some(layer) = Layer::get() else { return call() as ssize_t };
    if layer.is_full(descriptor) {
        set_errno(libc::ENOSPC);
        return -1;
    }
    let written = call();
    if let Ok(written @ 1..) = u64::try_from(written) {
        layer.note_change(descriptor, offset(written));
    }
    written as ssize_t
}

/// What a write at the file's own position covered.
fn began(descriptor: c_int) -> impl FnOnce(u64) -> Range<u64> {
    move |written| {
        let end = sys::position(descriptor).unwrap_or(written);
        end.saturating_sub(written)..end
    }
}

/// What a write at a given offset covers.
fn at(offset: off_t) -> impl FnOnce(u64) -> Range<u64> {
    let start = u64::try_from(offset).unwrap_or(0);
    move |written| start..start.saturating_add(written)
}

/// Where a copy between files wrote: not looked into.
fn anywhere(_written: u64) -> Range<u64> {
    0..u64::MAX
}

/// Syncs for real, then brings what it covered into the shadow.
fn observe_sync(descriptor: c_int, call: c_long) -> c_int {
    // SAFETY: takes no pointer; a wrong descriptor is an error, not undefined.
    let really = || unsafe { libc::syscall(call, descriptor) as c_int };
    let Some(layer) = Layer::get() else { return really() };
    let Some(target) = layer.begin_sync(descriptor) else { return really() };
    if layer.fails_syncs() {
        layer.fail_sync(target);
        set_errno(libc::EIO);
        return -1;
    }
    let result = really();
    if result == 0 {
        layer.finish_sync(descriptor, target);
    } else {
        let error = std::io::Error::last_os_error().raw_os_error();
        layer.fail_sync(target);
        set_errno(error.unwrap_or(libc::EIO));
    }
    result
}

fn set_errno(value: c_int) {
    // SAFETY: the C library's errno of this thread is always valid to write.
    unsafe { *libc::__errno_location() = value };
}

fn observe_truncate(descriptor: c_int, length: off_t) -> c_int {
    // SAFETY: takes no pointer; a wrong descriptor is an error, not undefined.
    let result = unsafe { libc::syscall(SYS_ftruncate, descriptor, length) as c_int };
    if let (0, Some(layer)) = (result, Layer::get()) {
        // What was cut off must not come back should the file grow again.
        layer.note_change(descriptor, u64::try_from(length).unwrap_or(0)..u64::MAX);
    }
    result
}

/// Stands before `write`.
///
/// # Safety
/// As the C library's: `bytes` points to `count` readable bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn write(descriptor: c_int, bytes: *const c_void, count: size_t) -> ssize_t {
    // SAFETY: the caller's contract is the system call's.
    observe_write(
        descriptor,
        || unsafe { libc::syscall(SYS_write, descriptor, bytes, count) },
        began(descriptor),
    )
}

/// Stands before `writev`.
///
/// # Safety
/// As the C library's: `vectors` points to `count` vectors of readable bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn writev(descriptor: c_int, vectors: *const iovec, count: c_int) -> ssize_t {
    // SAFETY: the caller's contract is the system call's.
    observe_write(
        descriptor,
        || unsafe { libc::syscall(SYS_writev, descriptor, vectors, count) },
        began(descriptor),
    )
}

/// Stands before `pwrite`.
///
/// # Safety
/// As the C library's: `bytes` points to `count` readable bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn pwrite(
    descriptor: c_int,
    bytes: *const c_void,
    count: size_t,
    offset: off_t,
) -> ssize_t {
    // SAFETY: the caller's contract is the system call's.
    observe_write(
        descriptor,
        || unsafe { libc::syscall(SYS_pwrite64, descriptor, bytes, count, offset) },
        at(offset),
    )
}

/// Stands before `pwrite64`.
///
/// # Safety
/// As the C library's: `bytes` points to `count` readable bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn pwrite64(
    descriptor: c_int,
    bytes: *const c_void,
    count: size_t,
    offset: off_t,
) -> ssize_t {
    // SAFETY: the caller's contract is the system call's.
    observe_write(
        descriptor,
        || unsafe { libc::syscall(SYS_pwrite64, descriptor, bytes, count, offset) },
        at(offset),
    )
}

/// Stands before `pwritev`.
///
/// # Safety
/// As the C library's: `vectors` points to `count` vectors of readable bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn pwritev(
    descriptor: c_int,
    vectors: *const iovec,
    count: c_int,
    offset: off_t,
) -> ssize_t {
    // Offsets come in two halves; on 64-bit machines the first holds all of it.
    // SAFETY: the caller's contract is the system call's.
    observe_write(
        descriptor,
        || unsafe { libc::syscall(SYS_pwritev, descriptor, vectors, count, offset, 0) },
        at(offset),
    )
}

/// Stands before `pwritev64`.
///
/// # Safety
/// As the C library's: `vectors` points to `count` vectors of readable bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn pwritev64(
    descriptor: c_int,
    vectors: *const iovec,
    count: c_int,
    offset: off_t,
) -> ssize_t {
    // Offsets come in two halves; on 64-bit machines the first holds all of it.
    // SAFETY: the caller's contract is the system call's.
    observe_write(
        descriptor,
        || unsafe { libc::syscall(SYS_pwritev, descriptor, vectors, count, offset, 0) },
        at(offset),
    )
}

/// Stands before `copy_file_range`.
///
/// # Safety
/// As the C library's: both offsets are null or valid.
#[unsafe(no_mangle)]
unsafe extern "C" fn copy_file_range(
    from: c_int,
    from_offset: *mut off_t,
    to: c_int,
    to_offset: *mut off_t,
    count: size_t,
    flags: c_uint,
) -> ssize_t {
    // SAFETY: the caller's contract is the system call's.
    let call =
        || unsafe { libc::syscall(SYS_copy_file_range, from, from_offset, to, to_offset, count, flags) };
    observe_write(to, call, anywhere)
}

/// Stands before `sendfile`.
///
/// # Safety
/// As the C library's: `offset` is null or valid.
#[unsafe(no_mangle)]
unsafe extern "C" fn sendfile(to: c_int, from: c_int, offset: *mut off_t, count: size_t) -> ssize_t {
    // SAFETY: the caller's contract is the system call's.
    observe_write(to, || unsafe { libc::syscall(SYS_sendfile, to, from, offset, count) }, anywhere)
}

/// Stands before `sendfile64`.
///
/// # Safety
/// As the C library's: `offset` is null or valid.
#[unsafe(no_mangle)]
unsafe extern "C" fn sendfile64(to: c_int, from: c_int, offset: *mut off_t, count: size_t) -> ssize_t {
    // SAFETY: the caller's contract is the system call's.
    observe_write(to, || unsafe { libc::syscall(SYS_sendfile, to, from, offset, count) }, anywhere)
}

/// Stands before `ftruncate`.
///
/// # Safety
/// None beyond the C library's; it takes no pointer.
#[unsafe(no_mangle)]
unsafe extern "C" fn ftruncate(descriptor: c_int, length: off_t) -> c_int {
    observe_truncate(descriptor, length)
}

/// Stands before `ftruncate64`.
///
/// # Safety
/// None beyond the C library's; it takes no pointer.
#[unsafe(no_mangle)]
unsafe extern "C" fn ftruncate64(descriptor: c_int, length: off_t) -> c_int {
    observe_truncate(descriptor, length)
}

/// Stands before `fallocate`.
///
/// # Safety
/// None beyond the C library's; it takes no pointer.
#[unsafe(no_mangle)]
unsafe extern "C" fn fallocate(descriptor: c_int, mode: c_int, offset: off_t, length: off_t) -> c_int {
    // SAFETY: takes no pointer; a wrong descriptor is an error, not undefined.
    let result = unsafe { libc::syscall(SYS_fallocate, descriptor, mode, offset, length) as c_int };
    if let (0, Some(layer)) = (result, Layer::get()) {
        layer.note_change(descriptor, u64::try_from(offset).unwrap_or(0)..u64::MAX);
    }
    result
}

/// Stands before `fallocate64`.
///
/// # Safety
/// None beyond the C library's; it takes no pointer.
#[unsafe(no_mangle)]
unsafe extern "C" fn fallocate64(descriptor: c_int, mode: c_int, offset: off_t, length: off_t) -> c_int {
    // SAFETY: takes no pointer; a wrong descriptor is an error, not undefined.
    let result = unsafe { libc::syscall(SYS_fallocate, descriptor, mode, offset, length) as c_int };
    if let (0, Some(layer)) = (result, Layer::get()) {
        layer.note_change(descriptor, u64::try_from(offset).unwrap_or(0)..u64::MAX);
    }
    result
}

/// Stands before `fsync`.
///
/// # Safety
/// None beyond the C library's; it takes no pointer.
#[unsafe(no_mangle)]
unsafe extern "C" fn fsync(descriptor: c_int) -> c_int {
    observe_sync(descriptor, SYS_fsync)
}

/// Stands before `fdatasync`.
///
/// # Safety
/// None beyond the C library's; it takes no pointer.
#[unsafe(no_mangle)]
unsafe extern "C" fn fdatasync(descriptor: c_int) -> c_int {
    observe_sync(descriptor, SYS_fdatasync)
}
