//! See `sockkit::fuzz::cidr`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sockkit::fuzz::cidr(bytes));
