//! Cuts a file into records of bounded length, and knows where it is.
//!
//! Not the `csv` crate: its records grow with the file behind a quotation mark that is never closed.

use std::io::{self, BufRead, Seek, SeekFrom};

/// The longest record, in bytes: two ids of 256 bytes with every byte escaped, a context and two numbers fit well.
pub(super) const RECORD_BYTES_MAX: usize = 16 * 1024;

/// How far a file was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// Bytes.
    pub(super) bytes: u64,
    /// Lines.
    pub(super) lines: u64,
}

/// What was cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// A record, in the buffer.
    Record,
    /// One longer than [`RECORD_BYTES_MAX`], passed over up to the end of the line that is too much.
    TooLong,
    /// The end of the file.
    End,
}

/// Where in a CSV record a byte stands. Only a quotation mark that begins a field opens one in quotation marks: a stray
/// one spoils its own record and not those behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum InField {
    Start,
    Plain,
    Quoted,
    /// Behind a quotation mark that closes the field, unless another one doubles it.
    Closing,
}

impl InField {
    fn behind(self, byte: u8) -> Self {
        match (self, byte) {
            (Self::Quoted, b'"') => Self::Closing,
            (Self::Quoted, _) | (Self::Start | Self::Closing, b'"') => Self::Quoted,
            (_, b',') => Self::Start,
            _ => Self::Plain,
        }
    }
}

/// A reader of records.
#[derive(Debug)]
pub(super) struct Records<R> {
    reader: R,
    /// Whether a line end between quotation marks belongs to the record.
    quoting: bool,
    place: Place,
    /// The record without its line end.
    buffer: Vec<u8>,
}

impl<R: BufRead> Records<R> {
    pub(super) fn new(reader: R, quoting: bool) -> Self {
        Self { reader, quoting, place: Place::default(), buffer: Vec::new() }
    }

    /// How far was read: behind the last record.
    pub(super) fn place(&self) -> Place {
        self.place
    }

    /// The record that was cut last.
    pub(super) fn record(&self) -> &[u8] {
        &self.buffer
    }

    /// Cuts the next record.
    pub(super) fn cut(&mut self) -> io::Result<Cut> {
        self.buffer.clear();
        let (mut in_field, mut too_long) = (InField::Start, false);
        loop {
            let available = match self.reader.fill_buf() {
                Ok(available) => available,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if available.is_empty() {
                return Ok(match (too_long, self.buffer.is_empty()) {
                    (true, _) => self.end_line(Cut::TooLong),
                    (false, true) => Cut::End,
                    (false, false) => self.end_line(Cut::Record),
                });
            }
            let end = available.iter().position(|byte| *byte == b'\n');
            let piece = &available[..end.unwrap_or(available.len())];
            if self.quoting {
                in_field = piece.iter().fold(in_field, |before, byte| before.behind(*byte));
            }
            let room = RECORD_BYTES_MAX - self.buffer.len();
            too_long |= piece.len() > room;
            self.buffer.extend_from_slice(&piece[..piece.len().min(room)]);
            let used = piece.len() + usize::from(end.is_some());
            self.reader.consume(used);
            self.place.bytes += used as u64;
            if end.is_none() {
                continue;
            }
            if too_long {
                return Ok(self.end_line(Cut::TooLong));
            }
            if in_field != InField::Quoted {
                return Ok(self.end_line(Cut::Record));
            }
            self.place.lines += 1;
            if self.buffer.len() == RECORD_BYTES_MAX {
                too_long = true;
            } else {
                self.buffer.push(b'\n');
            }
        }
    }

    /// Ends a record: its line counts, and a carriage return before the line end is none of it.
    fn end_line(&mut self, cut: Cut) -> Cut {
        self.place.lines += 1;
        if self.buffer.last() == Some(&b'\r') {
            self.buffer.pop();
        }
        cut
    }
}

impl<R: BufRead + Seek> Records<R> {
    /// Goes on behind `place`.
    pub(super) fn skip_to(&mut self, place: Place) -> io::Result<()> {
        self.reader.seek(SeekFrom::Start(place.bytes))?;
        self.place = place;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cuts(text: &str, quoting: bool) -> Vec<(Cut, String, Place)> {
        // A buffer of three bytes meets every border.
        let mut records = Records::new(io::BufReader::with_capacity(3, text.as_bytes()), quoting);
        let mut cuts = Vec::new();
        loop {
            let cut = records.cut().unwrap();
            if cut == Cut::End {
                assert_eq!(records.place().bytes, text.len() as u64);
                return cuts;
            }
            let shown = String::from_utf8_lossy(records.record()).into_owned();
            cuts.push((cut, shown, records.place()));
        }
    }

    fn texts(text: &str, quoting: bool) -> Vec<String> {
        cuts(text, quoting).into_iter().map(|(_, text, _)| text).collect()
    }

    #[test]
    fn records_end_with_their_lines_whatever_ends_these() {
        assert_eq!(texts("one\r\n\ntwo\nthree", false), ["one", "", "two", "three"]);
        let places: Vec<_> = cuts("one\r\ntwo\n", false).into_iter().map(|(_, _, place)| place).collect();
        assert_eq!(places, [Place { bytes: 5, lines: 1 }, Place { bytes: 9, lines: 2 }]);
    }

    #[test]
    fn between_quotation_marks_a_line_end_is_text() {
        let text = "a,\"b\nc \"\" d\"\ne\n";
        assert_eq!(texts(text, true), ["a,\"b\nc \"\" d\"", "e"]);
        assert_eq!(cuts(text, true)[1].2.lines, 3);
        assert_eq!(texts(text, false).len(), 3);
        assert_eq!(texts("stray\" mark,a\nnext\n", true), ["stray\" mark,a", "next"]);
    }

    #[test]
    fn a_record_without_end_is_passed_over_within_bounds() {
        let long = "x".repeat(RECORD_BYTES_MAX + 1);
        let text = format!("{long}\nshort\n");
        let found = cuts(&text, false);
        assert_eq!((found[0].0, found[1].1.as_str()), (Cut::TooLong, "short"));
        let exact = "y".repeat(RECORD_BYTES_MAX);
        assert_eq!(
            cuts(&exact, false),
            [(Cut::Record, exact.clone(), Place { bytes: exact.len() as u64, lines: 1 })]
        );
        let open = format!("\"open\n{}end\n", "line\n".repeat(RECORD_BYTES_MAX / 5));
        assert_eq!(cuts(&open, true)[0].0, Cut::TooLong);
        assert_eq!(texts(&open, true).last().unwrap(), "end");
    }
}
