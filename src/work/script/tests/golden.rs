//! The scripts of `tests/scripts` that do not parse: what is said of each stands beside it.

use std::fs;
use std::path::PathBuf;

use super::super::parse::parse_bytes;
use crate::error::{Error, Exit};

/// Every script of the directory, in order. An engine test runs the good ones.
fn scripts() -> Vec<PathBuf> {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/scripts");
    let files = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut scripts: Vec<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|extension| extension == "sk")).collect();
    scripts.sort();
    scripts
}

/// With `SOCKKIT_BLESS=1` what is said now is written down, to be read before it is committed.
#[test]
fn what_does_not_parse_is_told_as_written_down() {
    let bless = std::env::var_os("SOCKKIT_BLESS").is_some();
    let mut bad = 0;
    for path in scripts() {
        let name = path.file_name().unwrap().to_str().unwrap();
        let [told, exit] = ["err", "exit"].map(|extension| path.with_extension(extension));
        let result = parse_bytes(name, &fs::read(&path).unwrap());
        if let (Err(error), true) = (&result, bless) {
            fs::write(&told, format!("{error}\n")).unwrap();
            fs::write(&exit, "2\n").unwrap();
        }
        let wanted = fs::read_to_string(&exit).unwrap_or_default();
        match result {
            Err(error) => {
                assert_eq!(format!("{error}\n"), fs::read_to_string(&told).unwrap_or_default(), "{name}");
                assert_eq!(wanted, "2\n", "{name}");
                assert_eq!(Error::from(error).exit, Exit::Usage);
                bad += 1;
            }
            // From 200 on, a mistake may show only when it runs.
            Ok(_) => assert!(wanted != "2\n" || name.starts_with('2'), "{name} parses"),
        }
    }
    assert!(bad >= 45, "{bad}");
}
