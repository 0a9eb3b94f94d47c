//! The limit: the same bytes appended to a file and synced, as often as the disk allows, and nothing else.

use std::fs::File;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use crate::body;

/// Ratings per second where the bodies of all connections share one sync.
pub(crate) fn ratings_per_s(connections: usize, size: usize, length: Duration) -> io::Result<f64> {
    let folder = tempfile::tempdir()?;
    let mut file = File::create(folder.path().join("appended"))?;
    // Made beforehand: only the disk is measured.
    let group: String = (0..connections as u64).map(|number| body(number, size)).collect();
    let mut ratings = 0;
    let began = Instant::now();
    while began.elapsed() < length {
        file.write_all(group.as_bytes())?;
        file.sync_data()?;
        ratings += connections * size;
    }
    Ok(ratings as f64 / began.elapsed().as_secs_f64())
}
