//! What the table promises: room for all its keys, short searches, and that nothing is lost when keys come and go.

use std::sync::LazyLock;

use super::*;
use crate::HashSeed;
use crate::hash::KeyHash;

fn key(number: u64) -> Fingerprint {
    static HASH: LazyLock<KeyHash> = LazyLock::new(|| KeyHash::new(HashSeed::new([4, 2])));
    Fingerprint::from_hash(HASH.of(format!("key-{number}").as_bytes()))
}

fn enter(table: &Table, key: Fingerprint) -> Result<SlotIndex, Full> {
    let held = table.hold(key);
    table.enter(key, &held)
}

/// Forgets everything the hand passes.
fn forget(table: &Table, slots: usize) -> usize {
    table.sweep(slots, |cell, _| {
        cell.word.store(Word::LEAVING.0, Ordering::Relaxed);
        true
    })
}

fn run_max(table: &Table) -> usize {
    let mut longest = 0;
    let mut run = 0;
    for slot in 0..table.slots {
        run = if table.fingerprint(slot).load(Ordering::Relaxed) == NEVER { 0 } else { run + 1 };
        longest = longest.max(run);
    }
    longest
}

#[test]
fn a_full_table_has_found_room_for_every_key_near_its_home() {
    const KEYS: u64 = 50_000;
    let table = Table::new(KEYS as usize, Pages::Ordinary);
    for number in 0..KEYS {
        assert!(enter(&table, key(number)).is_ok(), "key {number}");
    }
    assert!(enter(&table, key(KEYS)).is_err());
    assert_eq!(table.len(), KEYS as usize);
    let at_home = (0..KEYS).filter(|number| {
        let slot = table.guess(key(*number)).unwrap();
        slot.is_still(key(*number))
    });
    assert!(at_home.count() as u64 > KEYS * 3 / 4);
    assert!(run_max(&table) < WINDOW / 2, "{}", run_max(&table));
}

#[test]
fn the_first_slot_starts_a_cache_line() {
    for keys_max in [0, 1, 7, 1000, 100_000] {
        let table = Table::new(keys_max, Pages::Huge);
        assert_eq!(table.slot(0).as_ptr().addr() % 64, 0);
        assert_eq!(table.slot(table.slots - 1).len(), WORDS_PER_SLOT, "the last slot is whole");
    }
}

#[test]
fn entering_twice_gives_the_same_slot() {
    let table = Table::new(10, Pages::Ordinary);
    let first = enter(&table, key(1)).unwrap();
    assert_eq!(enter(&table, key(1)).unwrap(), first);
    assert_eq!((table.len(), table.find(key(1))), (1, Some(first)));
    assert_eq!(table.find(key(2)), None);
}

#[test]
fn searches_stay_short_however_many_keys_came_and_went() {
    let table = Table::new(1000, Pages::Ordinary);
    for round in 0..200 {
        for number in 0..1000 {
            assert!(enter(&table, key(round * 1000 + number)).is_ok());
        }
        assert_eq!(forget(&table, usize::MAX), 1000);
    }
    assert_eq!(table.len(), 0);
    // The hand may have started in the middle of a run.
    forget(&table, usize::MAX);
    let used =
        (0..table.slots).filter(|slot| table.fingerprint(*slot).load(Ordering::Relaxed) != NEVER).count();
    assert_eq!(used, 0, "tombstones stayed");
}

#[test]
fn keys_that_stay_are_found_after_others_left() {
    let table = Table::new(1000, Pages::Ordinary);
    for number in 0..1000 {
        enter(&table, key(number)).unwrap();
    }
    // Every other key leaves.
    let leaving: Vec<_> = (0..1000).step_by(2).map(|number| table.find(key(number)).unwrap()).collect();
    let words: Vec<_> = leaving.iter().map(|slot| std::ptr::from_ref(table.cell(*slot).word)).collect();
    let left = table.sweep(usize::MAX, |cell, _| {
        let leaves = words.contains(&std::ptr::from_ref(cell.word));
        if leaves {
            cell.word.store(Word::LEAVING.0, Ordering::Relaxed);
        }
        leaves
    });
    assert_eq!(left, 500);
    for number in 0..1000 {
        assert_eq!(table.find(key(number)).is_some(), number % 2 == 1, "key {number}");
    }
}

#[test]
fn a_sweep_in_parts_passes_every_slot_once_a_round() {
    let table = Table::new(1000, Pages::Ordinary);
    for number in 0..1000 {
        enter(&table, key(number)).unwrap();
    }
    let part = table.slots.div_ceil(7);
    let forgotten: usize = (0..7).map(|_| forget(&table, part)).sum();
    assert_eq!(forgotten, 1000);
}
