//! See `sockkit::fuzz::proxy`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sockkit::fuzz::proxy(bytes));
