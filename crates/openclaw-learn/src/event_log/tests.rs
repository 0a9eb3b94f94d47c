//! Event files read back with a small reader of their published format.

use super::*;
use tempfile::tempdir;

/// A field of a message: its number, and its value as bytes (a varint as eight).
type Field = (u8, Vec<u8>);

fn take<'a>(bytes: &mut &'a [u8], count: usize) -> &'a [u8] {
    let (taken, rest) = bytes.split_at(count);
    *bytes = rest;
    taken
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..).step_by(7) {
        let byte = take(bytes, 1)[0];
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            break;
        }
    }
    value
}

fn fields(mut bytes: &[u8]) -> Vec<Field> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let value = match key & 7 {
            0 => varint(&mut bytes).to_le_bytes().to_vec(),
            1 => take(&mut bytes, 8).to_vec(),
            2 => {
                let length = varint(&mut bytes) as usize;
                take(&mut bytes, length).to_vec()
            }
            5 => take(&mut bytes, 4).to_vec(),
            kind => panic!("wire type {kind}"),
        };
        fields.push(((key >> 3) as u8, value));
    }
    fields
}

/// The messages of a file, every checksum checked.
fn records(mut bytes: &[u8]) -> Vec<Vec<Field>> {
    let mut records = Vec::new();
    while !bytes.is_empty() {
        let length = take(&mut bytes, 8);
        assert_eq!(take(&mut bytes, 4), masked_checksum(length).to_le_bytes());
        let message = take(&mut bytes, u64::from_le_bytes(length.try_into().unwrap()) as usize);
        assert_eq!(take(&mut bytes, 4), masked_checksum(message).to_le_bytes());
        records.push(fields(message));
    }
    records
}

fn only_file(folder: &Path) -> (String, Vec<u8>) {
    let entry = fs::read_dir(folder).unwrap().next().unwrap().unwrap();
    (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())
}

#[test]
fn the_checksum_is_tfrecords() {
    // The frame around the empty record, as every TFRecord writer makes it.
    assert_eq!(crc32c::crc32c(b"123456789"), 0xe306_9283);
    assert_eq!(masked_checksum(&0_u64.to_le_bytes()).to_le_bytes(), [0x29, 0x03, 0x98, 0x07]);
}

#[test]
fn what_is_logged_is_read_back() {
    let folder = tempdir().unwrap();
    let mut log = EventLog::create(&folder.path().join("run"), 1_700_000_000.25).unwrap();
    let scalars = vec![("loss/policy", -0.5), ("a/very/long/name/that/needs/no/special/care", 1e9)];
    let progress = Progress { iteration: 3, steps: 300, episode_return: Some(12.5), episodes: 2, scalars };
    log.add(1_700_000_001.5, &progress).unwrap();
    log.scalars(1_700_000_002.0, 1 << 40, [("evaluation/jf", 0.97)]).unwrap();
    log.flush().unwrap();
    let (name, bytes) = only_file(&folder.path().join("run"));
    assert_eq!(name, "events.out.tfevents.1700000000.250000.openclaw");
    let records = records(&bytes);
    assert_eq!(records.len(), 3);
    let time = |seconds: f64| (1, seconds.to_le_bytes().to_vec());
    assert_eq!(records[0], [time(1_700_000_000.25), (3, b"brain.Event:2".to_vec())]);
    assert_eq!(records[1][..2], [time(1_700_000_001.5), (2, 300_u64.to_le_bytes().to_vec())]);
    let values = fields(&records[1][2].1);
    let read = |field: &Field| {
        let value = fields(&field.1);
        let number = f32::from_le_bytes(value[1].1.clone().try_into().unwrap());
        (String::from_utf8(value[0].1.clone()).unwrap(), number)
    };
    let expected = [
        ("episode/return", 12.5),
        ("loss/policy", -0.5),
        ("a/very/long/name/that/needs/no/special/care", 1e9),
    ];
    assert_eq!(
        values.iter().map(read).collect::<Vec<_>>(),
        expected.map(|(tag, value)| (tag.to_owned(), value))
    );
    assert_eq!(records[2][1], (2, (1_u64 << 40).to_le_bytes().to_vec()));
}

#[test]
fn a_file_that_is_there_is_never_written_over() {
    let folder = tempdir().unwrap();
    drop(EventLog::create(folder.path(), 5.0).unwrap());
    assert_eq!(EventLog::create(folder.path(), 5.0).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
}
