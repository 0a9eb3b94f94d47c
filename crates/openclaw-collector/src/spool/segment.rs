//! One file of the spool: a header, then records, each with its length and checksum.
//!
//! Little-endian throughout. A record is one event as JSON, the form in which it will be sent: a format of its own would
//! save a third of the bytes and need a version for every field that an event ever gets.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use openclaw_protocol::RatingEvent;

/// The first bytes of a segment: what it is, and the version of its form.
const MAGIC: &[u8; 16] = b"openclaw-spool 1";
/// Length and checksum before each record, in bytes.
const PREFIX_BYTES: usize = 8;
/// Longest record, in bytes; an event within its bounds is far shorter.
const RECORD_BYTES_MAX: usize = 1 << 20;

/// A segment as the spool knows it.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) path: PathBuf,
    /// Length of the file as far as it is sound, in bytes.
    pub(super) bytes: u64,
    /// Records in it.
    pub(super) events: u64,
    /// Records that are done with, from its beginning, and where they end.
    pub(super) done: u64,
    offset: u64,
}

/// What a look into a segment found.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) events: Vec<RatingEvent>,
    /// How far each record ends, in bytes from the segment's beginning.
    ends: Vec<u64>,
    /// Whether a record before the end was not sound.
    pub(super) damaged: bool,
}

impl Found {
    pub(super) fn none() -> Self {
        Self { events: Vec::new(), ends: Vec::new(), damaged: false }
    }
}

impl Segment {
    /// A new file, made durable by its folder.
    pub(super) fn create(folder: &Path, number: u64) -> io::Result<(Self, File)> {
        let path = folder.join(format!("events-{number:020}.spool"));
        let mut file = OpenOptions::new().create_new(true).append(true).open(&path)?;
        file.write_all(MAGIC)?;
        sync_folder(folder)?;
        let bytes = MAGIC.len() as u64;
        Ok((Self { path, bytes, events: 0, done: 0, offset: bytes }, file))
    }

    /// A file that an earlier process left. What follows its last sound record was torn off by a crash, and is cut.
    /// `None` where nothing at all got into it.
    pub(super) fn recover(path: PathBuf) -> io::Result<Option<Self>> {
        let bytes = fs::read(&path)?;
        if bytes.len() < MAGIC.len() && MAGIC.starts_with(&bytes) {
            return Ok(None);
        }
        if !bytes.starts_with(MAGIC) {
            return Err(io::Error::other(
                "it is no segment of a spool that this version reads; move it away",
            ));
        }
        let mut end = MAGIC.len();
        let mut events = 0;
        while let Some(record) = record(&bytes[end..]) {
            end += PREFIX_BYTES + record.len();
            events += 1;
        }
        if end < bytes.len() {
            tracing::warn!(file = %path.display(), bytes = bytes.len() - end, "a spool was cut off by a crash");
            OpenOptions::new().write(true).open(&path)?.set_len(end as u64)?;
        }
        let offset = MAGIC.len() as u64;
        Ok(Some(Self { path, bytes: end as u64, events, done: 0, offset }))
    }

    /// The events after those that are done with, at most so many.
    pub(super) fn look(&self, events_max: usize) -> io::Result<Found> {
        const LOOK_BYTES_MAX: u64 = 4 << 20;
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(self.offset))?;
        let mut bytes = Vec::new();
        file.take((self.bytes - self.offset).min(LOOK_BYTES_MAX)).read_to_end(&mut bytes)?;
        let mut found = Found::none();
        let mut end = 0;
        while found.events.len() < events_max {
            let event = record(&bytes[end..]).map(|record| (record.len(), serde_json::from_slice(record)));
            let Some((length, Ok(event))) = event else { break };
            end += PREFIX_BYTES + length;
            found.events.push(event);
            found.ends.push(self.offset + end as u64);
        }
        found.damaged = found.events.is_empty() && self.done < self.events;
        Ok(found)
    }

    /// The first `events` of what a look found are done with.
    pub(super) fn advance(&mut self, found: &Found, events: usize) {
        if let Some(last) = events.checked_sub(1).and_then(|last| found.ends.get(last)) {
            self.offset = *last;
            self.done += events as u64;
        }
    }

    /// Events that are not done with.
    pub(super) fn left(&self) -> u64 {
        self.events - self.done
    }

    pub(super) fn delete(&self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(file = %self.path.display(), %error, "a delivered part of the spool cannot be deleted");
        }
    }
}

/// Appends one event in the form of a record; false where it is longer than any event may be.
pub(super) fn encode(event: &RatingEvent, into: &mut Vec<u8>) -> bool {
    let Ok(record) = serde_json::to_vec(event) else { return false };
    let Ok(length) = u32::try_from(record.len()) else { return false };
    if record.len() > RECORD_BYTES_MAX {
        return false;
    }
    into.extend_from_slice(&length.to_le_bytes());
    into.extend_from_slice(&crc32c::crc32c(&record).to_le_bytes());
    into.extend_from_slice(&record);
    true
}

/// The record at the beginning of `bytes`, where there is a sound one.
fn record(bytes: &[u8]) -> Option<&[u8]> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (checksum, rest) = rest.split_first_chunk::<4>()?;
    let length =
        usize::try_from(u32::from_le_bytes(*length)).ok().filter(|&length| length <= RECORD_BYTES_MAX)?;
    let record = rest.get(..length)?;
    // An empty record has the checksum of zeros: a file that a crash filled with them holds none.
    (length > 0 && crc32c::crc32c(record) == u32::from_le_bytes(*checksum)).then_some(record)
}

/// Makes a new name in a folder durable. Only Unix can sync a folder.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}
