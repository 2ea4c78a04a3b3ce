//! See `sockkit::sys::fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sockkit::sys::fuzz(bytes));
