//! Text as the language writes it: what is printed here parses back as the same bytes.

use std::fmt::Write as _;

use super::{Part, Text};
use crate::text::is_hazard;

/// The bytes as a double-quoted text on one line: the same bytes when parsed.
#[must_use]
pub fn quote(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() + 2);
    out.push('"');
    push_bytes(&mut out, bytes);
    out.push('"');
    out
}

/// The same for a text with captures in it.
#[must_use]
pub fn quote_text(text: &Text) -> String {
    let mut out = String::from("\"");
    for part in &text.0 {
        match part {
            Part::Bytes(bytes) => push_bytes(&mut out, bytes),
            Part::Capture(name) => {
                // `$` and `${1}` would be `$${1}`, which is no capture.
                if out.ends_with('$') {
                    out.pop();
                    out.push_str("\\x24");
                }
                let _ = write!(out, "${{{name}}}");
            }
        }
    }
    out.push('"');
    out
}

fn push_bytes(out: &mut String, bytes: &[u8]) {
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '"' | '\\' => out.extend(['\\', c]),
                '\r' => out.push_str("\\r"),
                '\n' => out.push_str("\\n"),
                '\t' => out.push_str("\\t"),
                '\0' => out.push_str("\\0"),
                // The `$` in front is already there.
                '{' if out.ends_with('$') => out.push_str("${"),
                // A blank that looks like another, or like nothing, is not what the next reader would type.
                c if is_hazard(c) || (c.is_whitespace() && c != ' ') || c == '\u{feff}' => {
                    let _ = write!(out, "{}", c.escape_unicode());
                }
                c => out.push(c),
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
}
