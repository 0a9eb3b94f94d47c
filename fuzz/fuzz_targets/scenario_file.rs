//! Feeds `openclaw_anybytes::scenario_file` with what a fuzzer thinks of; the promise itself lies there, where tests build it.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| openclaw_anybytes::scenario_file::check(bytes));
