//! What everything that reads bytes from outside promises, for any bytes.
//!
//! One module for each reader, with one function `check`, which panics where the promise does not hold. The fuzz targets
//! (`fuzz/`) call them with bytes that a fuzzer thinks of; that takes another toolchain, and nobody runs it with every
//! change. So the tests here call them, too: with the seeds, and with some thousand mutations of them.
//!
//! In a package of its own because it looks at crates of all layers. Bodies inside the fuzz targets were the alternative:
//! no test built them, and they fell behind what they checked.

pub mod access_header;
pub mod cursor;
pub mod event;
pub mod event_id;
pub mod events;
pub mod forwarded;
pub mod idempotency_key;
pub mod import_file;
pub mod json_field;
pub mod policy_answers;
pub mod policy_artifact;
pub mod ratings;
pub mod ratings_file;
pub mod scenario_file;

/// One reader.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Name of its module, its fuzz target and its folder of seeds.
    pub name: &'static str,
    /// Its promise.
    pub check: fn(&[u8]),
}

/// All readers, by name.
pub const TARGETS: &[Target] = &[
    Target { name: "access_header", check: access_header::check },
    Target { name: "cursor", check: cursor::check },
    Target { name: "event", check: event::check },
    Target { name: "event_id", check: event_id::check },
    Target { name: "events", check: events::check },
    Target { name: "forwarded", check: forwarded::check },
    Target { name: "idempotency_key", check: idempotency_key::check },
    Target { name: "import_file", check: import_file::check },
    Target { name: "json_field", check: json_field::check },
    Target { name: "policy_answers", check: policy_answers::check },
    Target { name: "policy_artifact", check: policy_artifact::check },
    Target { name: "ratings", check: ratings::check },
    Target { name: "ratings_file", check: ratings_file::check },
    Target { name: "scenario_file", check: scenario_file::check },
];
