//! See `sockkit::work::replay::fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sockkit::work::replay::fuzz(bytes));
