//! Any bytes into whatever reads bytes of others, and what has to hold of the outcome. Only in tests and under
//! cargo-fuzz (`fuzz/`), which call the same functions; a new one is a row of [`TARGETS`] and a file in
//! `fuzz/fuzz_targets`.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;

use crate::acl::{Acl, Cidr};
use crate::addr::{Endpoint, IpFamily, Reading};
use crate::span::Misread;
use crate::work::script::{needs_more, parse_bytes, parse_command};

/// Takes any bytes, and panics when something does not hold.
pub type Target = fn(&[u8]);

/// Every target by its name, which is also the name of its seeds in `fuzz/seeds`.
pub const TARGETS: &[(&str, Target)] = &[
    ("address", address),
    ("cidr", cidr),
    ("script", script),
    ("chat", crate::work::chat::fuzz),
    ("record", crate::work::replay::fuzz),
    ("sock_diag", crate::sys::fuzz),
];

/// An address of one word or two, with flags by the first byte: what parses prints as what parses to the same.
///
/// # Panics
/// When something does not hold, like all of them.
pub fn address(bytes: &[u8]) {
    let Some((flags, words)) = bytes.split_first() else { return };
    let words: Vec<OsString> = words.splitn(2, |byte| *byte == 0).map(|word| OsString::from_vec(word.into())).collect();
    let family = [None, Some(IpFamily::V4), Some(IpFamily::V6), None][usize::from(flags & 3)];
    let reading = Reading { family, udp: flags & 4 != 0, ..Reading::default() };
    match Endpoint::parse(&words, &reading) {
        Ok(endpoint) => {
            let shown = endpoint.to_string();
            assert!(!shown.contains(char::is_control), "{shown:?}");
            assert_eq!(shown.parse().as_ref(), Ok(&endpoint), "{words:?} as {shown}");
        }
        Err(misread) => {
            complaint(&misread);
            for hint in &misread.hints {
                // As one word, for a path may have spaces, or as a host and a port.
                let two: Vec<OsString> = hint.splitn(2, ' ').map(Into::into).collect();
                let parses = |words: &[OsString]| Endpoint::parse(words, &reading).is_ok();
                assert!(parses(&[hint.into()]) || parses(&two), "{misread:?}");
            }
        }
    }
}

/// A rule of `--allow` or `--deny`, and an address of a peer: it is denied as `--deny` and let in as `--allow`.
///
/// # Panics
/// When something does not hold.
pub fn cidr(bytes: &[u8]) {
    let (text, peer) = bytes.split_at(bytes.len().saturating_sub(16));
    let Ok(text) = std::str::from_utf8(text) else { return };
    match text.parse::<Cidr>() {
        Ok(net) => {
            let peer = <[u8; 16]>::try_from(peer).map_or(std::net::Ipv6Addr::LOCALHOST, Into::into);
            let deny = Acl { deny: vec![net], ..Acl::default() };
            let allow = Acl { allow: vec![net], ..Acl::default() };
            for ip in [peer.into(), peer.to_canonical()] {
                assert_ne!(deny.denies(ip).is_some(), allow.denies(ip).is_some(), "{text} {ip}");
                let both = Acl { allow: vec![net], deny: vec![net] };
                assert!(both.denies(ip).is_some(), "{text} {ip}");
            }
        }
        Err(misread) => complaint(&misread),
    }
}

/// A script: it parses, or is refused at a place that exists and that can be shown.
///
/// # Panics
/// When something does not hold.
pub fn script(bytes: &[u8]) {
    match parse_bytes("fuzz", bytes) {
        Ok(script) => {
            for statement in script.statements {
                let place = statement.place;
                assert!(place.text.get(place.at.clone()).is_some(), "{place:?}");
            }
        }
        Err(error) => {
            complaint(&error.misread);
            let shown = error.to_string();
            assert!(!shown.contains(|c: char| c.is_control() && c != '\n'), "{shown:?}");
        }
    }
    if let Ok(line) = std::str::from_utf8(bytes) {
        let _ = needs_more(line);
        let _ = parse_command("fuzz", 1, line);
    }
}

/// Its place exists, and its picture drives no terminal.
fn complaint(misread: &Misread) {
    assert!(misread.input.get(misread.at.clone()).is_some(), "{misread:?}");
    let shown = misread.to_string();
    assert!(!shown.contains(|c: char| c.is_control() && c != '\n'), "{shown:?}");
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use proptest::prelude::*;
    use proptest::test_runner::{RngSeed, TestRunner};

    use super::*;

    /// Seeds, with pieces changed, repeated, left out, and put behind one another: what libFuzzer does, without its
    /// eyes. `PROPTEST_CASES` makes the round longer, `PROPTEST_RNG_SEED` another one.
    fn round(target: Target, seeds: &[Vec<u8>]) {
        let change = (any::<prop::sample::Index>(), 0..6_u8, any::<prop::sample::Index>(), any::<u8>());
        let changes = prop::collection::vec(change, 0..8);
        let first = any::<prop::sample::Index>();
        let noise = prop::collection::vec(any::<u8>(), 0..64);
        let mut config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
        if std::env::var_os("PROPTEST_CASES").is_none() {
            config.cases = 1000;
        }
        if std::env::var_os("PROPTEST_RNG_SEED").is_none() {
            config.rng_seed = RngSeed::Fixed(2023);
        }
        let outcome = TestRunner::new(config).run(&(first, changes, noise), |(first, changes, noise)| {
            let mut bytes = first.get(seeds).clone();
            for (at, what, seed, byte) in changes {
                let at = if bytes.is_empty() { 0 } else { at.index(bytes.len()) };
                match what {
                    0 => bytes.truncate(at),
                    1 => bytes.extend_from_within(at..),
                    2 => bytes.splice(at..at, seed.get(seeds).iter().copied()).for_each(drop),
                    3 => bytes.splice(at..at, noise.iter().copied()).for_each(drop),
                    4 => bytes.drain(at..bytes.len().min(at + 1)).for_each(drop),
                    _ => bytes.iter_mut().skip(at).take(1).for_each(|place| *place = byte),
                }
                bytes.truncate(4096);
            }
            target(&bytes);
            target(&noise);
            Ok(())
        });
        if let Err(error) = outcome {
            panic!("{error}");
        }
    }

    #[test]
    fn a_short_round_of_each() {
        for (name, target) in TARGETS {
            let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(name);
            let mut paths: Vec<_> = fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path()).collect();
            paths.sort();
            let mut seeds: Vec<Vec<u8>> = paths.iter().map(|path| fs::read(path).unwrap()).collect();
            for (path, seed) in paths.iter().zip(&seeds) {
                let held = std::panic::catch_unwind(|| target(seed));
                assert!(held.is_ok(), "{}", path.display());
            }
            seeds.push(Vec::new());
            round(*target, &seeds);
        }
    }

    #[test]
    fn each_is_a_target_of_cargo_fuzz_too() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
        let manifest = fs::read_to_string(dir.join("Cargo.toml")).unwrap();
        for (name, _) in TARGETS {
            assert!(manifest.contains(&format!("name = \"{name}\"")), "fuzz/Cargo.toml has no {name}");
            let source = fs::read_to_string(dir.join("fuzz_targets").join(format!("{name}.rs"))).unwrap();
            assert!(source.contains("fuzz_target!"), "{name}");
        }
    }
}
