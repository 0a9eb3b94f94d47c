//! Progress as event files that TensorBoard reads: TFRecord frames around hand-encoded `Event` messages.
//!
//! The few fields needed are fixed since 2016, so a protobuf compiler and a crate for it were not worth their weight.
//! A file only grows; a resumed run begins a file of its own beside the older ones, and TensorBoard joins them.

use crate::learner::Progress;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// An event file that is being written.
#[derive(Debug)]
pub struct EventLog {
    file: BufWriter<File>,
}

impl EventLog {
    /// Begins a file in `folder`, which is made where it is missing. `now_s` is in seconds since the epoch and stands
    /// in the file's name.
    ///
    /// # Errors
    /// The folder cannot be written to, or a file of this moment is there already.
    pub fn create(folder: &Path, now_s: f64) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let path = folder.join(format!("events.out.tfevents.{now_s:017.6}.openclaw"));
        let file = OpenOptions::new().write(true).create_new(true).open(path)?;
        let mut log = Self { file: BufWriter::new(file) };
        log.write(&Message::default().double(1, now_s).bytes(3, b"brain.Event:2"))?;
        Ok(log)
    }

    /// Adds what an iteration brought; steps are those of [`Progress::steps`].
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn add(&mut self, now_s: f64, progress: &Progress) -> io::Result<()> {
        let ended = progress.episode_return.map(|mean| ("episode/return", mean));
        let scalars = ended.into_iter().chain(progress.scalars.iter().copied());
        self.scalars(now_s, progress.steps, scalars)
    }

    /// Adds numbers of the caller's own, such as scores of an evaluation.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn scalars<'a>(
        &mut self,
        now_s: f64,
        step: u64,
        scalars: impl IntoIterator<Item = (&'a str, f64)>,
    ) -> io::Result<()> {
        let summary = scalars.into_iter().fold(Message::default(), |summary, (tag, value)| {
            summary.bytes(1, &Message::default().bytes(1, tag.as_bytes()).float(2, value as f32).0)
        });
        self.write(&Message::default().double(1, now_s).number(2, step).bytes(5, &summary.0))
    }

    /// Hands everything to the operating system.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }

    /// A frame: length, its checksum, the message, its checksum.
    fn write(&mut self, message: &Message) -> io::Result<()> {
        let length = (message.0.len() as u64).to_le_bytes();
        self.file.write_all(&length)?;
        self.file.write_all(&masked_checksum(&length).to_le_bytes())?;
        self.file.write_all(&message.0)?;
        self.file.write_all(&masked_checksum(&message.0).to_le_bytes())
    }
}

/// TFRecord's checksum: CRC-32C, rotated and moved, so that a checksum of checksums stays useful.
fn masked_checksum(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// A protobuf message; every field number used is below 16.
#[derive(Debug, Default)]
struct Message(Vec<u8>);

impl Message {
    fn number(mut self, field: u8, value: u64) -> Self {
        self.0.push(field << 3);
        self.varint(value)
    }

    fn double(mut self, field: u8, value: f64) -> Self {
        self.0.push(field << 3 | 1);
        self.0.extend(value.to_le_bytes());
        self
    }

    fn bytes(mut self, field: u8, value: &[u8]) -> Self {
        self.0.push(field << 3 | 2);
        self = self.varint(value.len() as u64);
        self.0.extend(value);
        self
    }

    fn float(mut self, field: u8, value: f32) -> Self {
        self.0.push(field << 3 | 5);
        self.0.extend(value.to_le_bytes());
        self
    }

    /// Seven bits at a time, the lowest first.
    fn varint(mut self, mut value: u64) -> Self {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
        self
    }
}

#[cfg(test)]
mod tests;
