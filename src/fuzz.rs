//! Any bytes into whatever reads bytes of others, and what has to hold of the outcome. Only in tests and under
//! cargo-fuzz (`fuzz/`), which call the same functions; a new one is a row of [`TARGETS`] and a file in
//! `fuzz/fuzz_targets`.

use std::ffi::OsString;
use std::fmt::Debug;
use std::os::unix::ffi::OsStringExt as _;

use crate::acl::{Acl, Cidr};
use crate::addr::{Endpoint, IpFamily, Reading, Unix, UnixName};
use crate::error::ProxyKind;
use crate::net::proxy::{Proxy, digest, http, masked, socks};
use crate::net::proxy_protocol::{self, Header, Version};
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
    ("proxy", proxy),
    ("proxy_header", proxy_header),
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

/// What a proxy answers, in each of its protocols, and a proxy as it is typed: an answer ends where it ends, however it
/// is cut; what is sent back of a challenge is one line; a password is not shown.
///
/// # Panics
/// When something does not hold.
pub fn proxy(bytes: &[u8]) {
    let never = |_: &_| false;
    answer(bytes, 2, socks::parse_method5, never);
    answer(bytes, 2, socks::parse_login5, never);
    answer(bytes, 4 + 1 + 255 + 2, socks::parse_reply5, |code| *code != 0);
    answer(bytes, 8, socks::parse_reply4, |code| *code != 90);
    answer(bytes, http::HEAD_MAX, http::parse_head, |_| false);
    if let Ok(Some((head, _))) = http::parse_head(bytes) {
        assert!((100..1000).contains(&head.status), "{head:?}");
        head.challenges.iter().for_each(|value| challenge(value));
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    challenge(text);
    for usual in [None, Some(ProxyKind::Http), Some(ProxyKind::Socks5)] {
        match Proxy::parse(text, usual) {
            Ok(proxy) => {
                // What is between the login and the end is the place, and all that is ever shown.
                let shown = proxy.endpoint.to_string();
                assert_eq!(shown.parse().as_ref(), Ok(&proxy.endpoint), "{text:?} as {shown}");
                let secret = proxy.login.is_some_and(|login| login.password.is_some());
                assert_eq!(masked(text).is_some(), secret, "{text:?}");
            }
            Err(misread) => {
                complaint(&misread);
                let shown = masked(text).unwrap_or_else(|| text.to_owned());
                assert_eq!(misread.input, shown);
            }
        }
    }
    if let Some(masked) = masked(text) {
        assert_eq!(masked.len(), text.len());
    }
}

/// A value of `Proxy-Authenticate`: taken apart and written again it is the same, and what we answer drives nothing.
fn challenge(value: &str) {
    let found = digest::split(value);
    let mut again = String::new();
    for (scheme, parameters) in &found {
        assert!(!scheme.is_empty() && !scheme.contains([' ', ',', '=']), "{found:?}");
        again.push_str(&format!("{scheme} "));
        for (name, value) in parameters {
            let value = value.replace('\\', "\\\\").replace('"', "\\\"");
            again.push_str(&format!("{name}=\"{value}\", "));
        }
        again.push(',');
    }
    assert_eq!(digest::split(&again), found, "{value:?} as {again:?}");
    if let Some(scheme) = http::choose(&[value.to_owned()]) {
        let line = scheme.authorization(b"us\"er", b"pass", "host:80", "c").unwrap_or_default();
        assert!(!line.is_empty() && !line.contains(char::is_control), "{line:?}");
    }
}

/// A PROXY protocol header of either version: it ends where it ends, however it is cut, and written again it says the
/// same.
///
/// # Panics
/// When something does not hold.
pub fn proxy_header(bytes: &[u8]) {
    answer(bytes, 16 + usize::from(u16::MAX), proxy_protocol::parse, |_| false);
    match proxy_protocol::parse(bytes) {
        Ok(Some((header, taken))) => {
            let Header::Relayed { peer, destination } = &header else { return };
            for end in [peer, destination] {
                let shown = end.to_string();
                assert!(!shown.contains(char::is_control), "{shown:?}");
                if !matches!(end, Endpoint::Unix(Unix { name: UnixName::Unnamed, .. })) {
                    assert_eq!(shown.parse().as_ref(), Ok(end), "{shown}");
                }
            }
            let again = proxy_protocol::header(Version::V2, peer, destination);
            assert_eq!(proxy_protocol::parse(&again), Ok(Some((header.clone(), again.len()))));
            if bytes.starts_with(b"PROXY") {
                assert!(taken <= proxy_protocol::LINE_MAX);
                let again = proxy_protocol::header(Version::V1, peer, destination);
                assert_eq!(proxy_protocol::parse(&again), Ok(Some((header.clone(), again.len()))));
            }
        }
        Ok(None) => {}
        Err(bad) => {
            let shown = bad.to_string();
            assert!(!shown.contains(char::is_control), "{shown:?}");
        }
    }
}

/// What stands in front of a session: it asks for more until it is whole, never beyond `max` bytes, takes no more than
/// there is, and finds the same however it is cut. A value that is known `early` need not have come whole.
fn answer<T: PartialEq + Debug, E: PartialEq + Debug>(
    bytes: &[u8],
    max: usize,
    parse: impl Fn(&[u8]) -> Result<Option<(T, usize)>, E>,
    early: impl Fn(&T) -> bool,
) {
    let cuts = |whole: usize| {
        [0, 1, whole / 3, whole / 2, whole.saturating_sub(1)].into_iter().filter(move |cut| *cut < whole)
    };
    match parse(bytes) {
        Ok(Some((value, taken))) => {
            assert!(0 < taken && taken <= bytes.len(), "{value:?}: {taken}");
            for cut in cuts(taken) {
                match parse(&bytes[..cut]) {
                    Ok(None) => {}
                    Ok(Some((sooner, _))) if early(&value) => assert_eq!(sooner, value, "cut at {cut}"),
                    other => panic!("cut at {cut}: {other:?}, and then {value:?}"),
                }
            }
            assert_eq!(parse(&bytes[..taken]), Ok(Some((value, taken))));
        }
        Ok(None) => {
            assert!(bytes.len() < max, "{} bytes, and more is asked for", bytes.len());
            for cut in cuts(bytes.len()) {
                assert_eq!(parse(&bytes[..cut]), Ok(None), "cut at {cut}");
            }
        }
        Err(_) => {
            for cut in cuts(bytes.len()) {
                let found = parse(&bytes[..cut]);
                assert!(!matches!(found, Ok(Some(_))), "cut at {cut}: {found:?}");
            }
        }
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
