//! See `sockkit::fuzz::proxy_header`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sockkit::fuzz::proxy_header(bytes));
