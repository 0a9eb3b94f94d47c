//! The shipped file holds what its README says, and the reader names what is wrong with others.

use std::fs::File;
use std::io::Write;

use super::*;
use proptest::prelude::*;

fn read(text: &[u8]) -> Result<Vec<FileRating>, String> {
    let ratings = Ratings::new("test", std::io::Cursor::new(text.to_vec()));
    ratings.collect::<Result<_, _>>().map_err(|error| error.to_string())
}

#[test]
fn the_shipped_ratings_are_complete_and_in_order_of_time() {
    let ratings: Vec<FileRating> = shipped().collect::<Result<_, _>>().unwrap();
    assert_eq!(ratings.len(), 100_000);
    assert!(ratings.is_sorted_by_key(|rating| rating.epoch_s));
    assert!(ratings.iter().all(|rating| (0.0..=10.0).contains(&rating.score)));
    let users: std::collections::HashSet<&str> =
        ratings.iter().map(|rating| rating.user_id.as_str()).collect();
    let items: std::collections::HashSet<&str> =
        ratings.iter().map(|rating| rating.item_id.as_str()).collect();
    assert_eq!((users.len(), items.len()), (16_554, 10_506));
}

#[test]
fn plain_and_gzip_files_read_alike() {
    let folder = tempfile::tempdir().unwrap();
    let (plain, zipped) = (folder.path().join("r.dat"), folder.path().join("r.gz"));
    let text = b"1::0100::7.5::1000\r\n\n2::0200::0::1001";
    std::fs::write(&plain, text).unwrap();
    let mut encoder =
        flate2::write::GzEncoder::new(File::create(&zipped).unwrap(), flate2::Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap();
    let of = |path: &Path| open(path).unwrap().collect::<Result<Vec<_>, _>>().unwrap();
    assert_eq!(of(&plain), of(&zipped));
    assert_eq!(of(&plain)[0].score, 7.5);
    assert_eq!(of(&plain)[1].item_id, "0200");
}

#[test]
fn errors_name_file_and_line() {
    let error = |text: &[u8]| read(text).unwrap_err();
    let expected = "; expected user::item::score::epoch_s";
    assert_eq!(error(b"1::2::3::4\n1::2::3\n"), format!("test, line 2: has 3 fields instead of 4{expected}"));
    assert_eq!(error(b"1::2::x::4"), format!("test, line 1: the score \"x\" is not a number{expected}"));
    assert_eq!(error(b"1::2::inf::4"), format!("test, line 1: the score is not finite{expected}"));
    assert_eq!(
        error(b"1::2::3::-4"),
        format!("test, line 1: the time \"-4\" is not a whole number of seconds{expected}")
    );
    assert_eq!(
        error(b"::2::3::4"),
        format!("test, line 1: the user id has 0 bytes instead of 1 to 256{expected}")
    );
    assert_eq!(error(b"\n\xff\n"), format!("test, line 2: is not UTF-8{expected}"));
    assert_eq!(error(&[b'1'; 5000]), format!("test, line 1: is longer than 1024 bytes{expected}"));
    let missing = open(Path::new("no-such-file")).unwrap_err().to_string();
    assert!(missing.starts_with("no-such-file: cannot be opened: "), "{missing}");
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused_with_a_line(bytes in prop::collection::vec(any::<u8>(), 0..3000)) {
        if let Err(error) = read(&bytes) {
            prop_assert!(error.starts_with("test, line "));
        }
    }

    #[test]
    fn what_is_written_is_read_back(user in "[a-z0-9]{1,20}", item in "[a-zäö0-9]{1,20}", score in -1e6..1e6_f64, epoch_s in any::<u64>()) {
        let text = format!("{user}::{item}::{score}::{epoch_s}\n");
        prop_assert_eq!(read(text.as_bytes()), Ok(vec![FileRating { user_id: user, item_id: item, score, epoch_s }]));
    }
}
