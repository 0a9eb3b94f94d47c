//! Feeds `openclaw_anybytes::access_header` with what a fuzzer thinks of; the promise itself lies there, where tests build it.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| openclaw_anybytes::access_header::check(bytes));
