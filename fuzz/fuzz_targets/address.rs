//! See `sockkit::fuzz::address`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sockkit::fuzz::address(bytes));
