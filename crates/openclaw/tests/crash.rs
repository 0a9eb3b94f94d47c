//! The durability proof over the whole service: what was answered with 201 is there after a kill, and after a
//! loss of power, through the same HTTP interface that acknowledged it.
//!
//! The store proves the same below HTTP and more thoroughly; here it is the service's acknowledgement that
//! counts, whatever lies between. Three kills by default; `OPENCLAW_PROVE_KILLS=100` asks for more,
//! `OPENCLAW_PROVE_SEED=7` for other moments.

#![expect(clippy::unwrap_used, reason = "tests stop at the first surprise, their fixtures too")]

#[path = "crash_proof/mod.rs"]
mod proof;
#[expect(dead_code, reason = "every test program uses its own part of it")]
mod support;

use std::time::Duration;

use proof::{Loss, Proof};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use support::number_from;

const KILLS_DEFAULT: u64 = 3;

/// Loads the service and kills it so many times at random moments, mostly under load and sometimes while it
/// starts; after each loss everything acknowledged must be there. Returns the number of acknowledged ratings.
fn prove(mut proof: Proof, loss: Loss) -> usize {
    let kills = number_from("OPENCLAW_PROVE_KILLS", KILLS_DEFAULT);
    let seed = number_from("OPENCLAW_PROVE_SEED", 1);
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    for kill in 1..=kills {
        if random.random_ratio(1, 4) {
            proof.kill_while_starting(Duration::from_micros(random.random_range(0..80_000)));
            proof.lose(loss);
        }
        let service = proof.start().unwrap();
        let acknowledged = random.random_range(100..600);
        let longer = Duration::from_micros(random.random_range(0..5_000));
        proof.load_and_kill(service, loss, acknowledged, longer);
        proof.lose(loss);
        let service = proof.start().unwrap();
        let found = proof.check(&service);
        assert!(found.is_none(), "kill {kill} of {kills}, seed {seed}: {found:#?}");
        service.kill();
        proof.lose(loss);
    }
    proof.acknowledged()
}

#[test]
fn acknowledged_ratings_survive_kills_under_load() {
    let acknowledged = prove(Proof::begin(), Loss::Process);
    println!("{acknowledged} acknowledged ratings, none lost with the process");
}

#[cfg(target_os = "linux")]
mod power {
    //! Linux alone has the preloaded layer that takes away what was not synced.

    use openclaw_powerloss::Syncs;

    use super::*;

    #[test]
    fn acknowledged_ratings_survive_losses_of_power_under_load() {
        let acknowledged = prove(Proof::begin_watched(Syncs::Honoured), Loss::Power);
        println!("{acknowledged} acknowledged ratings, none lost with the power");
    }

    #[test]
    fn a_disk_that_ignores_syncs_is_found_out() {
        let mut proof = Proof::begin_watched(Syncs::Ignored);
        let service = proof.start().unwrap();
        proof.load_and_kill(service, Loss::Power, 200, Duration::ZERO);
        proof.lose(Loss::Power);
        // Either what is left is no store, or it is one without the ratings.
        if let Ok(service) = proof.start() {
            let found = proof.check(&service);
            assert!(!found.missing.is_empty(), "a disk that syncs nothing must lose ratings: {found:#?}");
        }
    }
}

#[cfg(target_os = "linux")]
mod database {
    //! Linux alone has the private server.

    use super::*;

    #[test]
    #[ignore = "needs a PostgreSQL server: cargo xtask test --only postgres"]
    fn acknowledged_ratings_in_a_database_survive_kills_of_the_service() {
        let acknowledged = prove(Proof::begin_with_database(), Loss::Process);
        println!("{acknowledged} acknowledged ratings, none lost with the process");
    }

    #[test]
    #[ignore = "needs a PostgreSQL server: cargo xtask test --only postgres"]
    fn acknowledged_ratings_survive_kills_of_the_database_server() {
        let acknowledged = prove(Proof::begin_with_database(), Loss::Server);
        println!("{acknowledged} acknowledged ratings, none lost with the server");
    }
}
