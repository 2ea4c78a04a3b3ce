//! See `sockkit::fuzz::script`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sockkit::fuzz::script(bytes));
