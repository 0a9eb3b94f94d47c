//! Events that wait on disk while the edge is away, so that an outage longer than memory loses none.
//!
//! Files of records, oldest first; what is delivered is deleted by the file. An append is with the operating system
//! before the next one begins, so it survives the process being killed at any moment; it is on the disk within
//! [`SpoolSettings::sync`], which is what a loss of power may cost. Where a crash left part of a file delivered, that
//! part is delivered again: the edge knows an event by its id and counts it once. A log of every event, delivered or
//! not, lost: it would write each event to disk in the ordinary case too, to save those of the last tenth of a second.
//!
//! Bounded: when it is full, the oldest file makes room, and its events are counted as dropped.

mod segment;
mod shelf;

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use openclaw_protocol::RatingEvent;
use thiserror::Error;

use segment::{Found, Segment, encode};
pub(crate) use shelf::Shelf;

/// A spool is cut into about so many files, each of which makes room as a whole.
const SEGMENTS: u64 = 16;
/// Bounds of a file's length, in bytes.
const SEGMENT_BYTES: std::ops::RangeInclusive<u64> = (4 << 10)..=(4 << 20);

/// How a spool is set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpoolSettings {
    /// Its folder, made where it is missing; one process at a time.
    pub folder: PathBuf,
    /// Longest it may get, in bytes.
    pub bytes_max: u64,
    /// How long an event may be with the operating system before it is on the disk; zero for at once.
    pub sync: Duration,
}

/// Why a spool cannot be used.
#[derive(Debug, Error)]
#[error("the spool {}: {doing} failed: {source}", path.display())]
pub struct SpoolError {
    /// The folder or file.
    pub path: PathBuf,
    /// What was tried.
    pub doing: &'static str,
    /// What the system said.
    pub source: io::Error,
}

/// A spool on disk.
#[derive(Debug)]
pub(crate) struct Spool {
    settings: SpoolSettings,
    segments: VecDeque<Segment>,
    /// The file of the newest segment, where it still takes events.
    newest: Option<File>,
    next_number: u64,
    bytes: u64,
    events: u64,
    synced_ns: u64,
    /// Holds the folder for this process.
    _lock: File,
}

/// What became of events that were to be kept.
#[derive(Debug)]
pub(crate) struct Appended {
    /// Events that had to give way: the oldest, or those of these that are not in the spool.
    pub(crate) gave_way: u64,
    /// Why not all of them are in it, where writing failed.
    pub(crate) error: Option<SpoolError>,
}

/// What [`Spool::oldest`] found, for [`Spool::done`].
#[derive(Debug)]
pub(crate) struct Oldest {
    found: Found,
    /// Which file it was found in.
    path: PathBuf,
    /// Events that were there and cannot be read.
    pub(crate) lost: u64,
}

impl Oldest {
    pub(crate) fn events(&self) -> &[RatingEvent] {
        &self.found.events
    }
}

impl Spool {
    /// Opens a spool with what an earlier process left in it.
    pub(crate) fn open(settings: SpoolSettings, now_ns: u64) -> Result<Self, SpoolError> {
        let folder = &settings.folder;
        fs::create_dir_all(folder).map_err(failed(folder, "making it"))?;
        let path = folder.join("lock");
        let lock =
            File::options().create(true).append(true).open(&path).map_err(failed(&path, "opening it"))?;
        lock.try_lock().map_err(|error| SpoolError {
            path: folder.clone(),
            doing: "taking it for this process (does another one use it?)",
            source: error.into(),
        })?;
        let mut paths: Vec<PathBuf> = fs::read_dir(folder)
            .and_then(|entries| entries.map(|entry| entry.map(|entry| entry.path())).collect())
            .map_err(failed(folder, "listing it"))?;
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "spool"));
        paths.sort();
        let next_number = paths.last().and_then(|path| number(path)).map_or(0, |number| number + 1);
        let mut spool = Self {
            settings,
            segments: VecDeque::new(),
            newest: None,
            next_number,
            bytes: 0,
            events: 0,
            synced_ns: now_ns,
            _lock: lock,
        };
        for path in paths {
            match Segment::recover(path.clone()).map_err(failed(&path, "reading it"))? {
                Some(segment) if segment.events > 0 => {
                    spool.bytes += segment.bytes;
                    spool.events += segment.events;
                    spool.segments.push_back(segment);
                }
                _ => fs::remove_file(&path).map_err(failed(&path, "deleting it"))?,
            }
        }
        Ok(spool)
    }

    /// Events that wait.
    pub(crate) fn events(&self) -> u64 {
        self.events
    }

    /// Bytes on disk.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Adds events behind all others.
    pub(crate) fn append(&mut self, events: &[RatingEvent], now_ns: u64) -> Appended {
        let mut appended = Appended { gave_way: 0, error: None };
        let mut records = Vec::new();
        let mut in_records = 0;
        for (index, event) in events.iter().enumerate() {
            if encode(event, &mut records) {
                in_records += 1;
            } else {
                appended.gave_way += 1;
            }
            if index + 1 == events.len() || records.len() as u64 >= self.segment_bytes() / 2 {
                match self.write(&records, in_records) {
                    Ok(gave_way) => appended.gave_way += gave_way,
                    Err(error) => {
                        appended.gave_way += in_records;
                        appended.error = Some(error);
                    }
                }
                (records, in_records) = (Vec::new(), 0);
            }
        }
        appended.error = appended.error.or(self.sync_if_due(now_ns).err());
        appended
    }

    /// The oldest events, at most so many; they stay until they are [`done`](Self::done) with. What cannot be read is
    /// given up, and counted.
    pub(crate) fn oldest(&mut self, events_max: usize) -> Option<Oldest> {
        let mut lost = 0;
        loop {
            let Some(segment) = self.segments.front() else {
                let (found, path) = (Found::none(), PathBuf::new());
                return (lost > 0).then_some(Oldest { found, path, lost });
            };
            match segment.look(events_max) {
                Ok(found) if !found.damaged => {
                    return Some(Oldest { found, path: segment.path.clone(), lost });
                }
                Ok(_) => tracing::warn!(file = %segment.path.display(), "a part of the spool is damaged"),
                Err(error) => {
                    tracing::warn!(file = %segment.path.display(), %error, "a part of the spool cannot be read");
                }
            }
            lost += segment.left();
            self.drop_oldest();
        }
    }

    /// The first `events` of `oldest` are delivered, or given up. Where their file had to make room meanwhile, they are
    /// gone already.
    pub(crate) fn done(&mut self, oldest: &Oldest, events: usize) {
        let Some(segment) = self.segments.front_mut().filter(|segment| segment.path == oldest.path) else {
            return;
        };
        let before = segment.left();
        segment.advance(&oldest.found, events);
        self.events -= before - segment.left();
        if segment.left() == 0 {
            self.drop_oldest();
        }
    }

    /// Brings everything to the disk.
    pub(crate) fn sync(&mut self) -> Result<(), SpoolError> {
        let folder = &self.settings.folder;
        self.newest.as_ref().map_or(Ok(()), File::sync_data).map_err(failed(folder, "syncing it"))
    }

    fn segment_bytes(&self) -> u64 {
        (self.settings.bytes_max / SEGMENTS).clamp(*SEGMENT_BYTES.start(), *SEGMENT_BYTES.end())
    }

    fn write(&mut self, records: &[u8], events: u64) -> Result<u64, SpoolError> {
        let length = records.len() as u64;
        if length == 0 {
            return Ok(0);
        }
        if length > self.settings.bytes_max {
            return Ok(events);
        }
        let mut gave_way = 0;
        while self.bytes + length > self.settings.bytes_max {
            gave_way += self.segments.front().map_or(0, Segment::left);
            if !self.drop_oldest() {
                break;
            }
        }
        self.make_room_for(length)?;
        let (Some(segment), Some(file)) = (self.segments.back_mut(), &mut self.newest) else {
            return Ok(gave_way + events);
        };
        if let Err(error) = file.write_all(records) {
            // What got into the file must not stand before what follows.
            let _ = file.set_len(segment.bytes);
            return Err(failed(&segment.path, "writing to it")(error));
        }
        segment.bytes += length;
        segment.events += events;
        self.bytes += length;
        self.events += events;
        Ok(gave_way)
    }

    /// Begins another file where the newest is full, or gone.
    fn make_room_for(&mut self, length: u64) -> Result<(), SpoolError> {
        let full = self.segments.back().is_none_or(|newest| newest.bytes + length > self.segment_bytes());
        if self.newest.is_some() && !full {
            return Ok(());
        }
        self.sync()?;
        let folder = &self.settings.folder;
        let (segment, file) =
            Segment::create(folder, self.next_number).map_err(failed(folder, "adding a file"))?;
        self.next_number += 1;
        self.bytes += segment.bytes;
        self.newest = Some(file);
        self.segments.push_back(segment);
        Ok(())
    }

    /// Deletes the oldest file. Returns false where there is none.
    fn drop_oldest(&mut self) -> bool {
        let Some(segment) = self.segments.pop_front() else { return false };
        segment.delete();
        self.bytes -= segment.bytes;
        self.events -= segment.left();
        if self.segments.is_empty() {
            self.newest = None;
        }
        true
    }

    fn sync_if_due(&mut self, now_ns: u64) -> Result<(), SpoolError> {
        let due = Duration::from_nanos(now_ns.saturating_sub(self.synced_ns)) >= self.settings.sync;
        if due {
            self.synced_ns = now_ns;
            self.sync()?;
        }
        Ok(())
    }
}

fn failed(path: &Path, doing: &'static str) -> impl FnOnce(io::Error) -> SpoolError {
    let path = path.to_owned();
    move |source| SpoolError { path, doing, source }
}

/// The number in a segment's name.
fn number(path: &Path) -> Option<u64> {
    path.file_stem()?.to_str()?.strip_prefix("events-")?.parse().ok()
}

#[cfg(test)]
mod tests;
