//! A complaint about a place in a piece of text: what was typed, where it went wrong, what was probably meant.
//!
//! Everything a person can mistype (address, duration, size, option, later a script line) fails with a
//! [`Misread`], so that every such error looks the same: the text, a caret under the place, a hint.

use std::fmt;
use std::ops::Range;

use unicode_width::UnicodeWidthStr;

use crate::text::{cut, fitting, is_hazard, visible_line};

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
        write!(f, "invalid {}: {}", self.what, visible_line(&self.message))?;
        write!(f, "\n{}", picture(&self.input, &self.at))?;
        for (nth, hint) in self.hints.iter().enumerate() {
            write!(f, "\n{} {}", if nth == 0 { "try:" } else { " or:" }, visible_line(hint))?;
        }
        Ok(())
    }
}

impl std::error::Error for Misread {}

/// The widest line that is shown whole, in columns. Of a longer one the part around the place is shown.
const WIDEST: usize = 160;

/// The text and a caret under the bytes `at` of it: two lines, indented. Wide characters take their two columns.
#[must_use]
pub fn picture(input: &str, at: &Range<usize>) -> String {
    let start = at.start.min(input.len());
    let (before, rest) = input.split_at_checked(start).unwrap_or((input, ""));
    let (part, after) = rest.split_at_checked(at.end.saturating_sub(start).min(rest.len())).unwrap_or((rest, ""));
    let [mut before, mut part, mut after] = [before, part, after].map(shown);
    if before.width() + part.width() + after.width() > WIDEST {
        // What stands in front tells more than what follows.
        before = keep_end(before, WIDEST / 2);
        part = cut(&part, WIDEST / 4).into_owned();
        after = cut(&after, WIDEST / 4).into_owned();
    }
    let (column, width) = (before.width(), part.width().max(1));
    format!("  {before}{part}{after}\n  {:column$}{}", "", "^".repeat(width))
}

/// A character that moves the cursor would break the picture, and could drive the terminal.
fn shown(text: &str) -> String {
    let safe = |c| match c {
        '\t' => ' ',
        c if is_hazard(c) => '\u{fffd}',
        c => c,
    };
    text.chars().map(safe).collect()
}

fn keep_end(text: String, columns: usize) -> String {
    if text.width() <= columns {
        return text;
    }
    let kept: Vec<char> = text.chars().rev().take_while(fitting(columns)).collect();
    ['…'].into_iter().chain(kept.into_iter().rev()).collect()
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

    #[test]
    fn wide_characters_take_two_columns() {
        assert_eq!(picture("收到 x", &(7..8)), "  收到 x\n       ^");
        assert_eq!(picture("收到 x", &(3..6)), "  收到 x\n    ^^");
        assert_eq!(picture("e\u{301}x", &(3..4)), "  e\u{301}x\n   ^");
        assert_eq!(picture("\tx", &(1..2)), "   x\n   ^");
    }

    #[test]
    fn of_a_long_line_the_part_around_the_place_is_shown() {
        for wide in ["a", "收"] {
            let text = format!("{}!{}", wide.repeat(5000), wide.repeat(5000));
            let at = wide.len() * 5000;
            let picture = picture(&text, &(at..at + 1));
            let (line, caret) = picture.split_once('\n').unwrap();
            assert!(line.width() <= WIDEST + 2, "{line}");
            let before = line.split_once('!').unwrap().0;
            assert_eq!(caret.find('^'), Some(before.width()));
            assert!(line.starts_with("  …") && line.ends_with('…'));
        }
    }

    #[test]
    fn any_place_has_a_picture() {
        for at in [0..0, 1..2, 4..9, 9..12, 2..2] {
            assert!(picture("a收b", &at).contains('^'));
        }
    }
}
