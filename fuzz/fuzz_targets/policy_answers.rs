//! Feeds `openclaw_anybytes::policy_answers` with what a fuzzer thinks of; the promise itself lies there, where tests build it.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| openclaw_anybytes::policy_answers::check(bytes));
