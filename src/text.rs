//! Bytes and text: escapes that people type, payload made safe for a terminal, hex dumps.
//!
//! A terminal obeys control characters, so whoever sends them owns the screen: titles, colours, text that
//! overwrites other text, even typed-back answers. Everything that shows foreign bytes goes through
//! [`Visible`] (payload, as it streams by) or [`visible_line`] (a name, a path, a message inside a line).

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Write as _;

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use crate::charset::{Charset, Decoding, Piece};
use crate::span::Misread;

/// Reads the backslash escapes of text arguments: `\r \n \t \0 \\` and `\xNN`. Nothing is added.
///
/// # Errors
/// An escape that is not known, or is cut short by the end, with its place.
pub fn unescape(input: &str) -> Result<Vec<u8>, Misread> {
    let mut out = Vec::with_capacity(input.len());
    let mut rest = input.char_indices();
    while let Some((at, c)) = rest.next() {
        if c != '\\' {
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        let misread = |end: usize, message: String| Misread::new("text", input, at..end, message);
        match rest.next() {
            Some((_, 'r')) => out.push(b'\r'),
            Some((_, 'n')) => out.push(b'\n'),
            Some((_, 't')) => out.push(b'\t'),
            Some((_, '0')) => out.push(0),
            Some((_, '\\')) => out.push(b'\\'),
            Some((x, 'x')) => {
                // Exactly two digits, so that what follows cannot change the meaning.
                let digits = input.get(x + 1..x + 3).filter(|two| two.bytes().all(|b| b.is_ascii_hexdigit()));
                let Some(byte) = digits.and_then(|two| u8::from_str_radix(two, 16).ok()) else {
                    let after = &input[x + 1..];
                    let end = x + 1 + after.chars().take(2).map(char::len_utf8).sum::<usize>();
                    return Err(misread(end, "\\x takes two hexadecimal digits".to_owned()).hint("\\x0a"));
                };
                out.push(byte);
                rest.nth(1);
            }
            Some((next, other)) => {
                let message = "only \\r \\n \\t \\0 \\\\ and \\xNN are known".to_owned();
                let mut doubled = input.to_owned();
                doubled.insert(at, '\\');
                return Err(misread(next + other.len_utf8(), message).hint(doubled));
            }
            None => {
                return Err(misread(input.len(), "a backslash at the end escapes nothing".to_owned())
                    .hint(format!("{input}\\")));
            }
        }
    }
    Ok(out)
}

/// How much of a text may pass.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    /// Several lines: LF, TAB and the CR of a CR LF stay.
    Lines,
    /// Part of one line: nothing that moves the cursor stays.
    OneLine,
}

/// Whether a terminal would act on this character instead of showing it, or show other text differently for it.
///
/// C0 and C1 controls and DEL (ECMA-48), the bidirectional controls (Unicode Standard Annex 9, which let
/// text read otherwise than it is), and the line and paragraph separators.
#[must_use]
pub fn is_hazard(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn push_char(out: &mut String, c: char, scope: Scope) {
    match c {
        '\n' | '\t' if scope == Scope::Lines => out.push(c),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        c if c.is_ascii() && is_hazard(c) => {
            let _ = write!(out, "\\x{:02x}", u32::from(c));
        }
        c if is_hazard(c) => {
            let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
        }
        c => out.push(c),
    }
}

fn push_invalid(out: &mut String, bytes: &[u8]) {
    for byte in bytes {
        let _ = write!(out, "\\x{byte:02x}");
    }
}

/// Turns payload into text that is safe on a terminal, as it streams by.
///
/// Valid UTF-8 passes, also when a character comes in pieces. Controls other than LF and TAB and bytes that
/// are not UTF-8 are shown escaped: `\x1b`, `\u{202e}`, `\xff`. A CR passes where an LF follows, else it is
/// shown as `\r`, for it would let a line overwrite itself.
#[derive(Debug, Default)]
pub struct Visible {
    /// The beginning of a character whose end has not come yet; at most 3 bytes.
    tail: Vec<u8>,
    /// A CR whose follower has not come yet.
    cr: bool,
    /// Where it is not UTF-8.
    decoder: Option<Decoding>,
}

impl Visible {
    /// A filter at the start of a stream.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same for text in another encoding.
    #[must_use]
    pub fn of(charset: Option<Charset>) -> Self {
        Self { decoder: charset.map(Charset::decoder), ..Self::default() }
    }

    /// The text of the next bytes. What can only be judged by what follows is kept for the next call.
    #[must_use]
    pub fn push(&mut self, bytes: &[u8]) -> String {
        let mut out = String::with_capacity(bytes.len() + 8);
        if self.decoder.is_some() {
            self.decoded(&mut out, bytes, false);
            return out;
        }
        let joined;
        let mut rest = if self.tail.is_empty() {
            bytes
        } else {
            let mut whole = std::mem::take(&mut self.tail);
            whole.extend_from_slice(bytes);
            joined = whole;
            &joined[..]
        };
        loop {
            match std::str::from_utf8(rest) {
                Ok(text) => {
                    self.text(&mut out, text);
                    return out;
                }
                Err(error) => {
                    let (good, bad) = rest.split_at(error.valid_up_to());
                    self.text(&mut out, std::str::from_utf8(good).unwrap_or_default());
                    let Some(length) = error.error_len() else {
                        self.tail = bad.to_vec();
                        return out;
                    };
                    self.flush_cr(&mut out);
                    push_invalid(&mut out, &bad[..length]);
                    rest = &bad[length..];
                }
            }
        }
    }

    /// The stream ended: what was kept, as it is.
    #[must_use]
    pub fn finish(&mut self) -> String {
        let mut out = String::new();
        self.decoded(&mut out, b"", true);
        self.flush_cr(&mut out);
        push_invalid(&mut out, &std::mem::take(&mut self.tail));
        out
    }

    fn decoded(&mut self, out: &mut String, bytes: &[u8], last: bool) {
        let pieces = self.decoder.as_mut().map(|decoder| decoder.push(bytes, last)).unwrap_or_default();
        for piece in pieces {
            match piece {
                Piece::Text(text) => self.text(out, &text),
                Piece::Bad(bad) => {
                    self.flush_cr(out);
                    push_invalid(out, &bad);
                }
            }
        }
    }

    fn text(&mut self, out: &mut String, text: &str) {
        for c in text.chars() {
            if self.cr && c == '\n' {
                self.cr = false;
                out.push('\r');
            }
            self.flush_cr(out);
            if c == '\r' {
                self.cr = true;
            } else {
                push_char(out, c, Scope::Lines);
            }
        }
    }

    fn flush_cr(&mut self, out: &mut String) {
        if std::mem::take(&mut self.cr) {
            out.push_str("\\r");
        }
    }
}

/// A foreign string as part of one line: every control is escaped, line ends too. Nothing is copied where
/// nothing is to be done.
#[must_use]
pub fn visible_line<T: AsRef<[u8]> + ?Sized>(text: &T) -> Cow<'_, str> {
    let bytes = text.as_ref();
    if let Ok(clean) = std::str::from_utf8(bytes)
        // Most is printable ASCII, which is seen at a glance.
        && (clean.bytes().fold(true, |all, byte| all & (0x20..0x7f).contains(&byte)) || !clean.chars().any(is_hazard))
    {
        return Cow::Borrowed(clean);
    }
    let mut out = String::with_capacity(bytes.len() + 8);
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            push_char(&mut out, c, Scope::OneLine);
        }
        push_invalid(&mut out, chunk.invalid());
    }
    Cow::Owned(out)
}

/// Bytes in hexadecimal, two digits each.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// To the peer, `>`.
    Sent,
    /// From the peer, `<`.
    Received,
}

impl Direction {
    /// The sign that marks a line of a dump.
    #[must_use]
    pub fn marker(self) -> char {
        match self {
            Self::Sent => '>',
            Self::Received => '<',
        }
    }
}

/// `1 byte`, `2 bytes`.
#[must_use]
pub fn count_of_bytes(count: u64) -> String {
    if count == 1 { "1 byte".to_owned() } else { format!("{count} bytes") }
}

/// What a line of a dump takes, and its end, unless it stands far behind the beginning.
const LINE: usize = 84;

/// The lines of a dump, 16 bytes each, in the form of `hexdump -C` (hexdump(1)) behind the direction:
/// `< 00000010  68 65 6c 6c 6f 0a                                 |hello.|`. `offset` is that of the first byte.
pub fn hexdump(offset: u64, bytes: &[u8], direction: Direction) -> impl Iterator<Item = String> + '_ {
    bytes.chunks(16).enumerate().map(move |(nth, chunk)| {
        let mut line = String::with_capacity(LINE);
        let _ = write!(line, "{} {:08x} ", direction.marker(), offset + 16 * nth as u64);
        for at in 0..16 {
            if at % 8 == 0 {
                line.push(' ');
            }
            match chunk.get(at) {
                // Not by `write!`, which takes four times as long for a whole dump.
                Some(byte) => {
                    line.extend(
                        [byte >> 4, byte & 15].map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)])),
                    );
                    line.push(' ');
                }
                None => line.push_str("   "),
            }
        }
        line.push_str(" |");
        line.extend(chunk.iter().map(|&byte| if (0x20..0x7f).contains(&byte) { char::from(byte) } else { '.' }));
        line.push('|');
        line
    })
}

/// The dumps of connections that go on: each knows how far it is in each direction.
#[derive(Debug, Default)]
pub struct Dumps(HashMap<u64, [u64; 2]>);

impl Dumps {
    /// The lines of what goes over this connection next, behind `before` each. Nothing is a line of its own: a message
    /// may be empty.
    pub fn next(&mut self, conn: u64, direction: Direction, bytes: &[u8], before: &str) -> String {
        let offset = &mut self.0.entry(conn).or_default()[usize::from(direction == Direction::Received)];
        let empty = bytes.is_empty().then(|| format!("{} {offset:08x}  (empty)", direction.marker()));
        let mut text = String::with_capacity(bytes.len().div_ceil(16) * (LINE + before.len()));
        for line in hexdump(*offset, bytes, direction).chain(empty) {
            text.extend([before, &line, "\n"]);
        }
        *offset += bytes.len() as u64;
        text
    }

    /// This connection is over.
    pub fn forget(&mut self, conn: u64) {
        self.0.remove(&conn);
    }

    /// How many connections are known.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.0.len()
    }
}

/// Which characters of a row have room in it, where it has so many columns and the last is for a sign that there was
/// more.
pub fn fitting(columns: usize) -> impl FnMut(&char) -> bool {
    let mut width = 0;
    move |c| {
        width += c.width().unwrap_or(0);
        width < columns
    }
}

/// As much of the beginning as has room in so many columns, with a sign where there was more.
#[must_use]
pub fn cut(text: &str, columns: usize) -> Cow<'_, str> {
    if text.width() <= columns {
        return text.into();
    }
    text.chars().take_while(fitting(columns)).chain(['…']).collect::<String>().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_become_bytes() {
        assert_eq!(unescape(r"a\r\n\t\0\\\x41\xfF!").unwrap(), b"a\r\n\t\0\\A\xff!");
        assert_eq!(unescape("收\\n").unwrap(), "收\n".as_bytes());
        assert_eq!(unescape("").unwrap(), b"");
    }

    #[test]
    fn bad_escapes_show_their_place() {
        for (input, at) in [
            (r"a\q", 1..3),
            (r"ab\", 2..3),
            (r"\x4", 0..3),
            (r"\xg0z", 0..4),
            (r"\x", 0..2),
            (r"\收", 0..4),
            (r"\x收", 0..5),
        ] {
            let misread = unescape(input).unwrap_err();
            assert_eq!(misread.at, at, "{input}");
            assert!(input.get(misread.at.clone()).is_some(), "{input}");
        }
        assert_eq!(unescape(r"C:\dir").unwrap_err().hints, [r"C:\\dir"]);
    }

    fn shown(chunks: &[&[u8]]) -> String {
        let mut visible = Visible::new();
        let mut out: String = chunks.iter().map(|chunk| visible.push(chunk)).collect();
        out.push_str(&visible.finish());
        out
    }

    #[test]
    fn controls_are_shown_and_text_passes() {
        for (bytes, text) in [
            (&b"plain\n\ttext"[..], "plain\n\ttext"),
            (b"\x1b[31m\x07", "\\x1b[31m\\x07"),
            (b"\x00\x7f", "\\x00\\x7f"),
            (b"\x9b31m", "\\x9b31m"),
            (b"\xc2\x9b31m", "\\u{9b}31m"),
            (b"a\r\nb", "a\r\nb"),
            (b"x\r\rroot", "x\\r\\rroot"),
            (b"x\r\r\n", "x\\r\r\n"),
            (b"end\r", "end\\r"),
            (b"\r\xff", "\\r\\xff"),
            ("收到\u{202e}消息\u{2066}\u{200f}".as_bytes(), "收到\\u{202e}消息\\u{2066}\\u{200f}"),
            (b"\xe6\x94", "\\xe6\\x94"),
            (b"\xe6A", "\\xe6A"),
            (b"\xed\xa0\x80", "\\xed\\xa0\\x80"),
        ] {
            assert_eq!(shown(&[bytes]), text, "{bytes:?}");
        }
    }

    #[test]
    fn it_does_not_matter_how_the_stream_is_cut() {
        let bytes =
            "a收\r\n\r\u{85}\u{202e}😀\r".as_bytes().iter().chain(b"\xff\xe6\x94\r").copied().collect::<Vec<u8>>();
        let whole = shown(&[&bytes]);
        for cut in 0..=bytes.len() {
            assert_eq!(shown(&[&bytes[..cut], &bytes[cut..]]), whole, "cut at {cut}");
        }
        assert_eq!(shown(&bytes.chunks(1).collect::<Vec<_>>()), whole);
    }

    #[test]
    fn a_split_character_waits_for_its_end() {
        let mut visible = Visible::new();
        assert_eq!(visible.push(b"\xe6\x94"), "");
        assert_eq!(visible.push(b"\xb6!"), "收!");
        assert_eq!(visible.push(b"\r"), "");
        assert_eq!(visible.push(b"\n"), "\r\n");
    }

    #[test]
    fn a_line_stays_one_line() {
        assert!(matches!(visible_line("plain 收到"), Cow::Borrowed(_)));
        assert_eq!(visible_line("a\r\nb\tc\u{2028}%n"), "a\\r\\nb\\tc\\u{2028}%n");
        assert_eq!(visible_line(&b"\x1b\xff"[..]), "\\x1b\\xff");
    }

    #[test]
    fn a_dump_reads_like_hexdump() {
        let lines: Vec<_> = hexdump(0x10, b"hello, world\r\n\x1b[1m\xff", Direction::Received).collect();
        assert_eq!(
            lines,
            [
                "< 00000010  68 65 6c 6c 6f 2c 20 77  6f 72 6c 64 0d 0a 1b 5b  |hello, world...[|",
                "< 00000020  31 6d ff                                          |1m.|",
            ]
        );
        assert_eq!(hexdump(0, b"", Direction::Sent).count(), 0);
    }
}
