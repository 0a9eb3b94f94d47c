//! How long the store takes to open after its process was killed amid writing, with a million ratings in it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use openclaw_benchkit::median;
use openclaw_store::{NewRating, Store, StoreSettings};
use tokio::runtime::Builder;

const RATINGS: u64 = 1_000_000;
const BATCH: u64 = 1_000;
/// Copies tried until one is of a moment.
const COPIES_MAX: usize = 100;

/// The median time in seconds.
pub(crate) fn after_a_crash_s(runs: usize) -> io::Result<f64> {
    let folder = tempfile::tempdir()?;
    let runtime = Builder::new_current_thread().build()?;
    let (living, killed) = (folder.path().join("living"), folder.path().join("killed"));
    let store = Store::open(&living, StoreSettings::default()).map_err(io::Error::other)?;
    for batch in 0..RATINGS / BATCH {
        let ratings = (0..BATCH).map(|index| rating(batch * BATCH + index)).collect();
        runtime.block_on(store.put(ratings)).map_err(io::Error::other)?;
    }
    let mut times_s = Vec::with_capacity(runs);
    for _ in 0..runs {
        // The files of a store that is open are what a kill at this moment would leave.
        copy_of_a_moment(&living, &killed)?;
        let began = Instant::now();
        let opened = Store::open(&killed, StoreSettings::default()).map_err(io::Error::other)?;
        times_s.push(began.elapsed().as_secs_f64());
        let total = runtime.block_on(opened.ratings_total()).map_err(io::Error::other)?;
        assert_eq!(total, RATINGS, "what was acknowledged is there");
        drop(opened);
        fs::remove_dir_all(&killed)?;
    }
    Ok(median(&mut times_s))
}

/// A user and item of their own for each number.
fn rating(number: u64) -> NewRating {
    let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 44;
    NewRating {
        user_id: format!("user-{}", number % 100_000).into(),
        item_id: format!("item-{}", (number / 100_000) * 500 + number % 500).into(),
        score: (mixed % 21) as f64 / 2.0,
        timestamp_ms: 1_700_000_000_000 + number,
    }
}

/// Copies files that may come and go meanwhile, again until none did: then all are of one moment.
fn copy_of_a_moment(from: &Path, to: &Path) -> io::Result<()> {
    for _ in 0..COPIES_MAX {
        let before = files(from);
        let copied = copy(from, to);
        if let (Ok(before), Ok(()), Ok(after)) = (before, copied, files(from))
            && before == after
        {
            return Ok(());
        }
        fs::remove_dir_all(to)?;
        std::thread::sleep(Duration::from_millis(100));
    }
    Err(io::Error::other(format!("the files in {} never stood still", from.display())))
}

/// Every file with its length, in the order of their paths.
fn files(folder: &Path) -> io::Result<Vec<(PathBuf, u64)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        if metadata.is_dir() {
            found.extend(files(&entry.path())?);
        } else {
            found.push((entry.path(), metadata.len()));
        }
    }
    found.sort();
    Ok(found)
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}
