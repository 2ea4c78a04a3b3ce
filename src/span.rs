//! A complaint about a place in a piece of text: what was typed, where it went wrong, what was probably meant.
//!
//! Everything a person can mistype (address, duration, size, option, later a script line) fails with a
//! [`Misread`], so that every such error looks the same: the text, a caret under the place, a hint.

use std::fmt;
use std::ops::Range;

/// Text that does not parse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misread {
    /// What kind of thing was being read: `"address"`, `"duration"`.
    pub what: &'static str,
    /// The text as it was given; bytes that are not UTF-8 are shown as U+FFFD.
    pub input: String,
    /// The place, as byte offsets into `input`. Empty at the end when something is missing there.
    pub at: Range<usize>,
    /// What is wrong there, in lower case without a full stop.
    pub message: String,
    /// Forms that were probably meant, complete enough to be pasted. Best first.
    pub hints: Vec<String>,
}

impl Misread {
    /// A complaint about the bytes `at` of `input`.
    pub fn new(what: &'static str, input: &str, at: Range<usize>, message: impl Into<String>) -> Self {
        Self { what, input: input.to_owned(), at, message: message.into(), hints: Vec::new() }
    }

    /// Adds a form that was probably meant.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

impl fmt::Display for Misread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invalid {}: {}", self.what, self.message)?;
        // A control character would break the picture, and could drive the terminal.
        let shown: String = self.input.chars().map(one_column).collect();
        let column = self.input.get(..self.at.start).map_or(0, |before| before.chars().count());
        let width = self.input.get(self.at.clone()).map_or(0, |part| part.chars().count()).max(1);
        write!(f, "\n  {shown}\n  {:column$}{}", "", "^".repeat(width))?;
        for (nth, hint) in self.hints.iter().enumerate() {
            write!(f, "\n{} {hint}", if nth == 0 { "try:" } else { " or:" })?;
        }
        Ok(())
    }
}

impl std::error::Error for Misread {}

fn one_column(c: char) -> char {
    if c.is_control() { '\u{fffd}' } else { c }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caret_stands_under_the_place() {
        let misread = Misread::new("address", "host:80x", 7..8, "a port is a number or a service name").hint("host:80");
        assert_eq!(
            misread.to_string(),
            "invalid address: a port is a number or a service name\n  host:80x\n         ^\ntry: host:80"
        );
    }

    #[test]
    fn a_missing_end_is_marked_behind_the_text() {
        let misread = Misread::new("address", "host:", 5..5, "the port is missing");
        assert_eq!(misread.to_string(), "invalid address: the port is missing\n  host:\n       ^");
    }

    #[test]
    fn control_characters_are_not_obeyed() {
        let misread = Misread::new("address", "a\x1b[31mb", 1..2, "no control characters");
        assert!(!misread.to_string().contains('\x1b'));
    }
}
