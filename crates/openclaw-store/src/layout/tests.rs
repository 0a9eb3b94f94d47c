//! Golden vectors: what is on disks out there. A change here is a new format version.

use proptest::prelude::*;

use super::*;

#[test]
fn golden_pair_key() {
    assert_eq!(pair_key("ann", "m1"), [2, b'a', b'n', b'n', b'm', b'1']);
    assert_eq!(parse_pair_key(&pair_key("ann", "m1")), Some(("ann", "m1")));
}

#[test]
fn golden_longest_ids() {
    let (user, item) = ("u".repeat(256), "i".repeat(256));
    let key = pair_key(&user, &item);
    assert_eq!((key.len(), key[0]), (513, 255));
    assert_eq!(parse_pair_key(&key), Some((user.as_str(), item.as_str())));
}

#[test]
fn golden_mark() {
    let mark = Mark { score: Micros(8_500_000), timestamp_ms: 1_700_000_000_000 };
    let bytes = [0, 0, 0, 0, 0, 0x81, 0xb3, 0x20, 0, 0, 0x01, 0x8b, 0xcf, 0xe5, 0x68, 0];
    assert_eq!(encode_mark(mark), bytes);
    assert_eq!(decode_mark(&bytes), Some(mark));
}

#[test]
fn golden_tally() {
    let tally = Tally { sum_micros: -3_000_000, histogram: vec![0, 1, 300] };
    let bytes = [0, 3, 0, 1, 0xac, 0x02, 0xff, 0x9a, 0xee, 0x02];
    assert_eq!(encode_tally(&tally), bytes);
    assert_eq!(decode_tally(&bytes), Some(tally));
}

#[test]
fn golden_record_of_tallies() {
    let tallies = [
        ("m1", Tally { sum_micros: -3_000_000, histogram: vec![0, 1, 300] }),
        ("m2", Tally { sum_micros: 0, histogram: vec![0] }),
    ];
    let mut record = Vec::new();
    tallies.iter().for_each(|(item_id, tally)| push_item_tally(&mut record, item_id, tally));
    let first = [1, b'm', b'1', 0, 3, 0, 1, 0xac, 0x02, 0xff, 0x9a, 0xee, 0x02];
    assert_eq!(record, [first.as_slice(), &[1, b'm', b'2', 0, 1, 0, 0]].concat());
    let mut rest = record.as_slice();
    let read: Vec<_> = std::iter::from_fn(|| take_item_tally(&mut rest)).collect();
    assert_eq!((read.as_slice(), rest), (tallies.as_slice(), [].as_slice()));
}

#[test]
fn golden_record_key() {
    assert_eq!(record_key(258), *b"tallies/\0\0\0\0\0\0\x01\x02");
    assert_eq!(parse_record_key(&record_key(258)), Some(258));
    assert_eq!(parse_record_key(b"tallies/"), None);
    assert!(!TOTALS_KEY.starts_with(RECORDS_PREFIX) && !SCALE_KEY.starts_with(RECORDS_PREFIX));
}

#[test]
fn golden_scale() {
    let bytes = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x98, 0x96, 0x80, 0, 11];
    assert_eq!(encode_scale(&ScoreScale::default()), bytes);
    assert_eq!(decode_scale(&bytes), Some(ScoreScale::default()));
}

#[test]
fn one_users_prefix_holds_nobody_else() {
    // "a" + "bc" and "ab" + "c" would be one key without the length.
    assert_ne!(pair_key("a", "bc"), pair_key("ab", "c"));
    assert!(!pair_key("ab", "c").starts_with(&list_prefix("a")));
}

proptest! {
    #[test]
    fn any_ids_survive_the_key(first in "\\PC{1,40}", second in "\\PC{1,40}") {
        prop_assume!(first.len() <= 256 && second.len() <= 256);
        let key = pair_key(&first, &second);
        prop_assert_eq!(parse_pair_key(&key), Some((first.as_str(), second.as_str())));
    }

    #[test]
    fn any_tally_survives_its_record(
        sum_micros in any::<i128>(),
        histogram in proptest::collection::vec(0u64..u64::MAX / 64, 0..40),
    ) {
        let tally = Tally { sum_micros, histogram };
        prop_assert_eq!(decode_tally(&encode_tally(&tally)), Some(tally));
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        let _ = parse_pair_key(&bytes);
        let _ = decode_mark(&bytes);
        let _ = decode_scale(&bytes);
        let _ = take_item_tally(&mut bytes.as_slice());
        if let Some(tally) = decode_tally(&bytes) {
            // Non-minimal varints are readable, so only the meaning must survive.
            prop_assert_eq!(decode_tally(&encode_tally(&tally)), Some(tally));
        }
    }

    #[test]
    fn pairs_compare_as_their_keys_do(ids in prop::array::uniform4("[a-c\u{e9}]{1,3}")) {
        let [a, b, c, d] = &ids;
        prop_assert_eq!(compare_pairs((a, b), (c, d)), pair_key(a, b).cmp(&pair_key(c, d)));
    }
}
