//! The durability proof: nothing acknowledged is lost, whatever the moment and whatever unsynced bytes the
//! disk kept, and the check that says so can fail.
//!
//! Runs a few losses by default; `OPENCLAW_PROVE_LOSSES=100` runs as many, `OPENCLAW_PROVE_SEED=7` other ones.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "tests stop at the first surprise, their fixtures too")]

mod proof;

use std::path::Path;
use std::time::Duration;

use openclaw_powerloss::{Fault, Survived, Syncs};
use openclaw_store::Store;
use proof::{Proof, writer};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const LOSSES_DEFAULT: u64 = 6;

#[test]
#[ignore = "the proofs run it as the process that dies"]
fn writer_process() {
    let (Ok(folder), Ok(round)) = (std::env::var(writer::PLACE), std::env::var(writer::ROUND)) else {
        return;
    };
    let open = |settings| async move { Store::open(Path::new(&folder), settings) };
    writer::run(open, round.parse().unwrap());
}

fn number_from(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| {
        text.parse().unwrap_or_else(|_| panic!("{variable} must be a whole number, not {text:?}"))
    })
}

/// Kills the writer at a random moment: often amid writing, sometimes while it opens the store.
fn kill_at_random(proof: &mut Proof, random: &mut ChaCha8Rng) {
    let mut writer = proof.start(Syncs::Honoured);
    if random.random_ratio(1, 5) {
        std::thread::sleep(Duration::from_micros(random.random_range(0..60_000)));
    } else {
        proof.read_until(&mut writer, "stored", random.random_range(0..2_000));
        std::thread::sleep(Duration::from_micros(random.random_range(0..3_000)));
    }
    proof.kill(writer);
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_with_power_or_process() {
    let losses = number_from("OPENCLAW_PROVE_LOSSES", LOSSES_DEFAULT);
    let seed = number_from("OPENCLAW_PROVE_SEED", 1);
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut proof = Proof::begin();
    for number in 0..losses {
        kill_at_random(&mut proof, &mut random);
        let what = match number % 3 {
            0 => proof.lose_power(Survived::OnlySynced),
            1 => proof.lose_power(Survived::Some { seed: random.next_u64() }),
            // The process dies, the machine does not: everything written survives.
            _ => proof.lose_process(),
        };
        let found = proof.losses().await;
        assert!(found.is_none(), "loss {number} ({what}), seed {seed}: {found:#?}");
        proof.take_for_durable();
    }
    assert!(proof.acknowledged.count > 0, "nothing was acknowledged, so nothing was proved");
    println!("{losses} losses, {} acknowledgements, none lost", proof.acknowledged.count);
}

/// The engine changes journals at 64 MB. Filling the first one takes seconds, so the reduced counts do it once.
#[tokio::test]
async fn nothing_is_lost_around_the_change_of_journals() {
    let changes = number_from("OPENCLAW_PROVE_LOSSES", LOSSES_DEFAULT).div_ceil(20);
    for change in 0..changes {
        let survived =
            if change.is_multiple_of(2) { Survived::OnlySynced } else { Survived::Some { seed: change } };
        let mut proof = Proof::begin();
        proof.fill_most_of_a_journal().await;
        let mut writer = proof.start(Syncs::Honoured);
        while proof.journals() < 2 {
            proof.read_until(&mut writer, "stored", 50);
        }
        proof.kill(writer);
        proof.lose_power(survived);
        let found = proof.losses().await;
        assert!(found.is_none(), "{survived:?}: {found:#?}");
    }
}

#[tokio::test]
async fn proof_reports_losses_where_syncs_are_ignored() {
    let mut proof = Proof::begin();
    let mut writer = proof.start(Syncs::Ignored);
    proof.read_until(&mut writer, "stored", 200);
    proof.kill(writer);
    proof.lose_power(Survived::OnlySynced);
    let found = proof.losses().await;
    assert!(!found.ratings.is_empty(), "a disk that syncs nothing must lose ratings: {found:#?}");
}

#[tokio::test]
async fn full_disk_refuses_ratings_until_there_is_room_and_loses_none() {
    let mut proof = Proof::begin();
    let mut writer = proof.start(Syncs::Honoured);
    for _ in 0..2 {
        proof.read_until(&mut writer, "stored", 100);
        proof.watch.set_fault(Fault::DiskFull, true).unwrap();
        proof.read_until(&mut writer, "refused ratings cannot be stored at present: the disk is full", 20);
        proof.watch.set_fault(Fault::DiskFull, false).unwrap();
        proof.read_until(&mut writer, "stored", 100);
    }
    proof.kill(writer);
    proof.lose_power(Survived::OnlySynced);
    let found = proof.losses().await;
    assert!(found.is_none(), "{found:#?}");
}

#[tokio::test]
async fn store_that_cannot_begin_for_lack_of_space_says_so_and_begins_later() {
    let mut proof = Proof::begin();
    proof.watch.set_fault(Fault::DiskFull, true).unwrap();
    let mut writer = proof.start(Syncs::Honoured);
    let said = proof.read_line_with(&mut writer, "unopened");
    assert!(said.contains("is full") && said.contains("free some space"), "{said}");
    proof.kill(writer);
    proof.watch.set_fault(Fault::DiskFull, false).unwrap();
    let mut writer = proof.start(Syncs::Honoured);
    proof.read_until(&mut writer, "stored", 50);
    proof.kill(writer);
    proof.lose_power(Survived::OnlySynced);
    let found = proof.losses().await;
    assert!(found.is_none(), "{found:#?}");
}

#[tokio::test]
async fn failed_sync_leaves_no_hole_before_later_acknowledgements() {
    let mut proof = Proof::begin();
    let mut writer = proof.start(Syncs::Honoured);
    proof.read_until(&mut writer, "stored", 100);
    proof.watch.set_fault(Fault::FailingSyncs, true).unwrap();
    proof.read_until(&mut writer, "refused", 20);
    proof.watch.set_fault(Fault::FailingSyncs, false).unwrap();
    proof.read_until(&mut writer, "stored", 100);
    proof.kill(writer);
    proof.lose_power(Survived::OnlySynced);
    let found = proof.losses().await;
    assert!(found.is_none(), "{found:#?}");
}

#[tokio::test]
async fn restart_after_a_failed_sync_leaves_no_hole_either() {
    let mut proof = Proof::begin();
    let mut writer = proof.start(Syncs::Honoured);
    proof.read_until(&mut writer, "stored", 100);
    proof.watch.set_fault(Fault::FailingSyncs, true).unwrap();
    proof.read_until(&mut writer, "refused", 20);
    // Dies before it could recover by itself; its successor knows nothing of the failed sync.
    proof.kill(writer);
    proof.watch.set_fault(Fault::FailingSyncs, false).unwrap();
    let mut writer = proof.start(Syncs::Honoured);
    proof.read_until(&mut writer, "stored", 100);
    proof.kill(writer);
    proof.lose_power(Survived::OnlySynced);
    let found = proof.losses().await;
    assert!(found.is_none(), "{found:#?}");
}
