//! Any bytes as a script: it parses, or is refused at a place that exists and that can be shown.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sockkit::work::script::{needs_more, parse_bytes, parse_command};

fuzz_target!(|bytes: &[u8]| {
    match parse_bytes("fuzz", bytes) {
        Ok(script) => {
            for statement in script.statements {
                let place = statement.place;
                assert!(place.text.get(place.at.clone()).is_some(), "{place:?}");
            }
        }
        Err(error) => {
            let misread = &error.misread;
            assert!(misread.input.get(misread.at.clone()).is_some(), "{misread:?}");
            assert!(!error.to_string().is_empty());
        }
    }
    if let Ok(line) = std::str::from_utf8(bytes) {
        let _ = needs_more(line);
        let _ = parse_command("fuzz", 1, line);
    }
});
