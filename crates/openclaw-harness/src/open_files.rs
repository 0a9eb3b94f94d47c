//! Room for connections.
//!
//! Each outstanding request holds a socket on both sides, and an overload holds thousands of them. Many
//! systems allow a process 1,024 open files unless it asks for more; then connections fail, and a load
//! test measures that instead of the service.

/// Raises the soft limit of open files to the hard one, as any process may, and returns the limit that now
/// holds; `None` where there is none, or no such thing.
#[cfg(unix)]
#[must_use]
pub fn raise_open_files_max() -> Option<u64> {
    use rustix::process::{Resource, getrlimit, setrlimit};

    let limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return limit.current;
    }
    let raised = rustix::process::Rlimit { current: limit.maximum, ..limit };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => raised.current,
        Err(error) => {
            tracing::warn!(%error, "the limit of open files cannot be raised");
            limit.current
        }
    }
}

/// Nothing to raise on this system.
#[cfg(not(unix))]
#[must_use]
pub fn raise_open_files_max() -> Option<u64> {
    None
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use rustix::process::{Resource, getrlimit};

    #[test]
    fn the_soft_limit_becomes_the_hard_one() {
        let raised = raise_open_files_max();
        let limit = getrlimit(Resource::Nofile);
        assert_eq!((raised, limit.current), (limit.maximum, limit.maximum));
    }
}
