//! The names. A line here is all that a new proof or benchmark needs besides its own test or bench target.
//!
//! Full counts are settings called `OPENCLAW_PROVE_…`; what the environment already sets is left as it is, so
//! `OPENCLAW_PROVE_LOSSES=1000 cargo xtask prove store-loss` asks for more.
//!
//! A test holds every line to a target that exists, and tidy holds the documents to these names.

use super::Recipe;

/// Run with `cargo xtask prove NAME`.
pub(crate) const PROOFS: &[Recipe] = &[
    Recipe {
        name: "bucket",
        about: "100,000,000 decisions by two threads while parameters change; not one token too many",
        settings: &[("OPENCLAW_PROVE_DECISIONS", "100000000")],
        package: "openclaw-bucket",
        target: "stress",
    },
    Recipe {
        name: "crash",
        about: "100 kills, of the service, the power, the database; every rating answered with 201 must be there",
        settings: &[("OPENCLAW_PROVE_KILLS", "100")],
        package: "openclaw",
        target: "crash",
    },
    Recipe {
        name: "database-loss",
        about: "100 kills of writers and of their PostgreSQL server; no acknowledged rating may be missing",
        settings: &[("OPENCLAW_PROVE_KILLS", "100")],
        package: "openclaw-store",
        target: "database_kills",
    },
    Recipe {
        name: "edge-away",
        about: "a minute without the edge at 1,000 ratings/s; every event arrives later, or is counted as dropped",
        settings: &[("OPENCLAW_PROVE_EDGE_AWAY_S", "60")],
        package: "openclaw-rating",
        target: "edge_away",
    },
    Recipe {
        name: "edge-loss",
        about: "a minute of overload without the edge; no rating fails for it, and the objective holds",
        settings: &[("OPENCLAW_PROVE_EDGE_LOSS_S", "60")],
        package: "openclaw",
        target: "edge_loss",
    },
    Recipe {
        name: "learn",
        about: "every algorithm on its control problems with ten seeds each",
        settings: &[("OPENCLAW_PROVE_SEEDS", "10")],
        package: "openclaw-learn",
        target: "solve",
    },
    Recipe {
        name: "sidecar",
        about: "1 GiB up and down, slow readers, 10,000 idle connections, dribblers, deaths; memory stays bounded",
        settings: &[
            ("OPENCLAW_PROVE_UPLOAD_MIB", "1024"),
            ("OPENCLAW_PROVE_SLOW_MIB", "256"),
            ("OPENCLAW_PROVE_IDLE", "10000"),
            ("OPENCLAW_PROVE_DRIBBLERS", "500"),
            ("OPENCLAW_PROVE_DEATHS", "2000"),
        ],
        package: "openclaw-sidecar",
        target: "endurance",
    },
    Recipe {
        name: "store-loss",
        about: "100 losses of power or process amid writing; no acknowledged rating may be missing",
        settings: &[("OPENCLAW_PROVE_LOSSES", "100")],
        package: "openclaw-store",
        target: "power_loss",
    },
];

/// Run with `cargo xtask bench NAME [--json FILE]`.
pub(crate) const BENCHES: &[Recipe] = &[
    Recipe {
        name: "bucket",
        about: "decisions of the keyed bucket beside governor and beside a bare table",
        settings: &[],
        package: "openclaw-bucket",
        target: "bucket",
    },
    Recipe {
        name: "decide",
        about: "a learned policy's decision, and the water level of a million users, beside their budgets",
        settings: &[],
        package: "openclaw-controller",
        target: "decide",
    },
    Recipe {
        name: "edge-away",
        about: "a rating's latency while the edge is away beside the same with the edge there",
        settings: &[],
        package: "openclaw-rating",
        target: "edge_away",
    },
    Recipe {
        name: "event",
        about: "the edge's event path beside a bare axum route that parses the same JSON",
        settings: &[],
        package: "openclaw-edge",
        target: "event",
    },
    Recipe {
        name: "ratings",
        about: "durable ratings per second beside PostgreSQL, from PyPI, and beside append and sync; start-up after a crash",
        settings: &[],
        package: "openclaw-rating",
        target: "ratings",
    },
    Recipe {
        name: "sidecar",
        about: "the sidecar beside a bare hyper reverse proxy with as many threads",
        settings: &[],
        package: "openclaw-sidecar",
        target: "sidecar",
    },
    Recipe {
        name: "train",
        about: "PPO's steps per second and its return on CartPole beside stable-baselines3's, from PyPI",
        settings: &[],
        package: "openclaw-learn",
        target: "train",
    },
];

/// Proofs and benches that start a PostgreSQL server of their own, which is installed for them.
pub(crate) const ON_POSTGRES: &[&str] = &["crash", "database-loss", "ratings"];
