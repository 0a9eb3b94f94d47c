//! Every promise over the fuzz targets' seeds and over mutations of them, always the same ones.
//!
//! Bounded in number, not in time, so that a failure comes again. A fuzzer finds more; these find what has fallen behind.
#![expect(clippy::unwrap_used, reason = "a seed that cannot be read must fail its test")]

use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use openclaw_anybytes::{TARGETS, Target};

/// Mutations of each target's seeds.
const MUTATIONS: usize = 5000;
/// Bytes of a mutation at most.
const BYTES_MAX: usize = 4096;
/// What means something to at least one of the readers.
const WORDS: &[&[u8]] = &[
    b"null",
    b"-0",
    b"1e308",
    b"1e-400",
    b"18446744073709551616",
    b"\"",
    b"\\u0000",
    b"\xff",
    b"{}",
    b"[]",
    b",",
    b":",
    b"\n",
    b"userId",
    b"for=",
    b"Bearer ",
    b"::",
    b";",
];

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let found = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut found: Vec<_> = found.map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

fn seeds(target: &Target) -> Vec<Vec<u8>> {
    let seeds: Vec<_> =
        entries(&fuzz().join("seeds").join(target.name)).iter().map(|seed| fs::read(seed).unwrap()).collect();
    assert!(!seeds.is_empty(), "{} has no seed", target.name);
    seeds
}

/// A generator of its own: the same mutations on every machine.
struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound.max(1)
    }

    fn mutation(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = seeds[self.below(seeds.len())].clone();
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len() + 1);
            match self.below(5) {
                0 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
                1 => drop(bytes.drain(at..(at + self.below(16)).min(bytes.len()))),
                2 => drop(bytes.splice(at..at, WORDS[self.below(WORDS.len())].iter().copied())),
                3 => {
                    let other = &seeds[self.below(seeds.len())];
                    bytes.truncate(at);
                    bytes.extend_from_slice(&other[self.below(other.len())..]);
                }
                _ => bytes.insert(at, self.below(256) as u8),
            }
        }
        bytes.truncate(BYTES_MAX);
        bytes
    }
}

fn check(target: &Target, bytes: &[u8]) {
    let held = catch_unwind(|| (target.check)(bytes));
    assert!(held.is_ok(), "{} breaks its promise for {:?}", target.name, String::from_utf8_lossy(bytes));
}

#[test]
fn promises_hold_for_the_seeds() {
    for target in TARGETS {
        seeds(target).iter().for_each(|seed| check(target, seed));
        check(target, b"");
    }
}

#[test]
fn promises_hold_for_mutations_of_the_seeds() {
    for target in TARGETS {
        let seeds = seeds(target);
        let mut draw = Draw(1);
        (0..MUTATIONS).for_each(|_| check(target, &draw.mutation(&seeds)));
    }
}

#[test]
fn every_reader_has_a_fuzz_target_seeds_and_a_line_in_the_documents() {
    let document = |file: &str| fs::read_to_string(fuzz().join(file)).unwrap();
    let (manifest, readme) = (document("Cargo.toml"), document("README.md"));
    for Target { name, .. } in TARGETS {
        let text = fs::read_to_string(fuzz().join("fuzz_targets").join(format!("{name}.rs"))).unwrap();
        assert!(text.contains(&format!("openclaw_anybytes::{name}::check(bytes)")), "{name}");
        assert!(manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")), "{name}");
        assert!(readme.contains(&format!("| `{name}` |")), "{name}");
    }
    for folder in ["fuzz_targets", "seeds"] {
        assert_eq!(entries(&fuzz().join(folder)).len(), TARGETS.len(), "{folder} has one for each reader");
    }
}
