//! See `sockkit::work::chat::fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sockkit::work::chat::fuzz(bytes));
