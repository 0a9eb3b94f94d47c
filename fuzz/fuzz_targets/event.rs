//! Feeds `openclaw_anybytes::event` with what a fuzzer thinks of; the promise itself lies there, where tests build it.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| openclaw_anybytes::event::check(bytes));
