//! UNIX sockets: names of arbitrary bytes behind a scheme of plain text.

use std::ffi::OsStr;
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::parse::Input;
use super::{Endpoint, UNIX_NAME_MAX, Unix, UnixKind, UnixName};
use crate::span::Misread;

/// What a word announces before the name: the socket type, and how many bytes of the word that took.
#[derive(Clone, Copy)]
pub(super) struct Scheme {
    kind: UnixKind,
    len: usize,
}

/// The scheme of a word that is a UNIX address; `@name` has none.
pub(super) fn scheme(word: &[u8]) -> Option<Scheme> {
    if word.starts_with(b"@") {
        return Some(Scheme { kind: UnixKind::Stream, len: 0 });
    }
    let colon = word.iter().position(|b| *b == b':')?;
    let kind = match word[..colon].to_ascii_lowercase().as_slice() {
        b"unix" => UnixKind::Stream,
        b"unix-dgram" => UnixKind::Dgram,
        b"unix-seqpacket" => UnixKind::Seqpacket,
        _ => return None,
    };
    Some(Scheme { kind, len: colon + 1 })
}

/// Reads the whole word, in which the scheme was found.
pub(super) fn read(input: &Input<'_>, Scheme { kind, len }: Scheme, word: &[u8]) -> Result<Endpoint, Misread> {
    let (name, places) = unescape(&word[len..]);
    // Where some bytes of the name stand in the text that errors show.
    let at = |bytes: Range<usize>| shown_at(word, len + places[bytes.start])..shown_at(word, len + places[bytes.end]);
    let hint = |misread, kind, name: &[u8]| input.hint(misread, [show(kind, name)]);

    let scheme_at = 0..len.max(1);
    if input.reading.family.is_some() {
        input.no_ip_flags(scheme_at.clone(), "a UNIX address")?;
    }
    // Datagrams are what `-u` asks for, so there it contradicts nothing.
    if input.reading.udp && kind != UnixKind::Dgram {
        let message = "`-u` asks for datagrams, which among UNIX sockets are `unix-dgram:`";
        return Err(hint(input.fail(scheme_at, message), UnixKind::Dgram, &name));
    }

    if let Some(bytes) = name.strip_prefix(b"@") {
        if bytes.is_empty() {
            return Err(input.fail(at(1..1), "the name after `@` is missing"));
        }
        if bytes.len() > UNIX_NAME_MAX {
            let message = format!("the name is {} bytes long, and {UNIX_NAME_MAX} fit (unix(7))", bytes.len());
            return Err(input.fail(at(UNIX_NAME_MAX + 1..name.len()), message));
        }
    } else if name.is_empty() {
        return Err(input.fail(at(0..0), "the path is missing"));
    } else if let Some(nul) = name.iter().position(|b| *b == 0) {
        return Err(input.fail(at(nul..nul + 1), "a path cannot hold a NUL byte"));
    } else if name.starts_with(b"//") {
        let slashes = name.iter().take_while(|b| **b == b'/').count();
        let bare = &name[slashes..];
        // Behind two slashes may stand a whole name; behind three it is the path of a URL.
        let name = if slashes == 2 && bare.starts_with(b"@") || bare.starts_with(b"./") || bare.starts_with(b"../") {
            bare.to_vec()
        } else {
            [b"/", bare].concat()
        };
        let misread = input.fail(at(0..2), "no `//` follows the scheme of a UNIX address");
        return Err(if bare.is_empty() { misread } else { hint(misread, kind, &name) });
    } else if name.len() > UNIX_NAME_MAX {
        let message = format!(
            "the path is {} bytes long, and {UNIX_NAME_MAX} fit (unix(7)); from its directory a relative path would",
            name.len()
        );
        let misread = input.fail(at(UNIX_NAME_MAX..name.len()), message);
        let file = Path::new(OsStr::from_bytes(&name)).file_name().unwrap_or_default();
        return Err(hint(misread, kind, &[b"./", file.as_bytes()].concat()));
    }
    Ok(Endpoint::Unix(Unix { kind, name: named(&name) }))
}

/// Whether a word is a path with no scheme in front.
pub(super) fn is_bare_path(word: &[u8]) -> bool {
    [&b"/"[..], b"./", b"../", b"~/"].iter().any(|beginning| word.starts_with(beginning))
}

/// The error for such a word.
pub(super) fn bare_path(input: &Input<'_>, word: &[u8], shown_len: usize) -> Misread {
    let misread = input.fail(0..shown_len, "a path needs `unix:` in front");
    let kind = if input.reading.udp { UnixKind::Dgram } else { UnixKind::Stream };
    let text = String::from_utf8_lossy(word);
    if let Some(fd) = text.strip_prefix("/dev/fd/") {
        return input.hint(misread, [format!("fd:{fd}")]);
    }
    // Behind the scheme the shell leaves a tilde as it is.
    let home = word.strip_prefix(b"~/").map(|below| [b"$HOME/", below].concat());
    // `//host:80` is the rest of a URL.
    let host = text.strip_prefix("//").filter(|rest| rest.contains(':')).map(str::to_owned);
    input.hint(misread, host.into_iter().chain([show(kind, home.as_deref().unwrap_or(word))]))
}

fn named(name: &[u8]) -> UnixName {
    match name.strip_prefix(b"@") {
        Some(bytes) => UnixName::Abstract(bytes.to_vec()),
        None => UnixName::Path(OsStr::from_bytes(name).into()),
    }
}

fn show(kind: UnixKind, name: &[u8]) -> String {
    Endpoint::Unix(Unix { kind, name: named(name) }).to_string()
}

/// Undoes what printing escapes: `\\` and `\xNN`; any other backslash stands for itself.
///
/// Also tells where each byte was written, and after the last where the text ended.
fn unescape(text: &[u8]) -> (Vec<u8>, Vec<usize>) {
    let (mut bytes, mut places) = (Vec::new(), Vec::new());
    let mut at = 0;
    while at < text.len() {
        let (byte, len) = match text[at..] {
            [b'\\', b'\\', ..] => (b'\\', 2),
            [b'\\', b'x', high, low, ..] => match (digit(high), digit(low)) {
                (Some(high), Some(low)) => (high << 4 | low, 4),
                _ => (b'\\', 1),
            },
            [byte, ..] => (byte, 1),
            [] => break,
        };
        bytes.push(byte);
        places.push(at);
        at += len;
    }
    places.push(at);
    (bytes, places)
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// Where a byte of a word stands in `from_utf8_lossy` of the word: the beginning of the character it belongs to.
fn shown_at(word: &[u8], at: usize) -> usize {
    let (mut bytes, mut shown) = (0, 0);
    for chunk in word.utf8_chunks() {
        let valid = chunk.valid();
        if at < bytes + valid.len() {
            let starts = valid.char_indices().map(|(start, _)| start);
            return shown + starts.take_while(|start| *start <= at - bytes).last().unwrap_or(0);
        }
        bytes += valid.len();
        shown += valid.len();
        if at < bytes + chunk.invalid().len() {
            return shown;
        }
        bytes += chunk.invalid().len();
        shown += if chunk.invalid().is_empty() { 0 } else { char::REPLACEMENT_CHARACTER.len_utf8() };
    }
    shown
}
