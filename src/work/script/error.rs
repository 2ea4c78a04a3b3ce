//! What is wrong with a script, and where.

use std::fmt;
use std::ops::Range;

use crate::error::Error;
use crate::span::{Misread, picture};
use crate::text::visible_line;

/// A script that does not parse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptError {
    /// The script's name.
    pub script: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong, in that line.
    pub misread: Misread,
}

/// `SCRIPT:LINE: message`, as compilers write it and editors read it, then the line and the place in it.
impl fmt::Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { script, line, misread } = self;
        write!(
            f,
            "{}:{line}: {}\n{}",
            visible_line(script),
            visible_line(&misread.message),
            picture(&misread.input, &misread.at)
        )?;
        for (nth, hint) in misread.hints.iter().enumerate() {
            write!(f, "\n{} {}", if nth == 0 { "try:" } else { " or:" }, visible_line(hint))?;
        }
        Ok(())
    }
}

impl std::error::Error for ScriptError {}

/// Exit 2, with the place in front of the message: everything that explains a [`Misread`] explains this as well.
impl From<ScriptError> for Error {
    fn from(error: ScriptError) -> Self {
        let ScriptError { script, line, mut misread } = error;
        misread.message = format!("{}:{line}: {}", visible_line(&script), misread.message);
        misread.into()
    }
}

/// A complaint while the source is read; its place counts from the begin of the source.
#[derive(Debug)]
pub(super) struct Problem {
    at: Range<usize>,
    message: String,
    hints: Vec<Hint>,
    /// Whether more lines could still mend it: a quote is open.
    pub(super) open: bool,
}

#[derive(Debug)]
enum Hint {
    /// The line, with this in the place of these bytes of the source.
    Line(Range<usize>, String),
    /// This.
    Plain(String),
}

/// The longest line that is shown once more with its mistake mended.
const LONGEST_HINT: usize = 200;

impl Problem {
    pub(super) fn new(at: Range<usize>, message: impl Into<String>) -> Self {
        Self { at, message: message.into(), hints: Vec::new(), open: false }
    }

    /// A complaint about a value that stands at `at`. Its hints are other values for the same place.
    pub(super) fn inside(misread: Misread, at: &Range<usize>) -> Self {
        let place = if misread.input.len() == at.len() {
            at.start + misread.at.start..at.start + misread.at.end
        } else {
            at.clone()
        };
        misread.hints.into_iter().fold(Self::new(place, misread.message), |problem, hint| problem.fix(at.clone(), hint))
    }

    /// Adds a hint: the line with `with` in the place of `at`.
    pub(super) fn fix(mut self, at: Range<usize>, with: impl Into<String>) -> Self {
        self.hints.push(Hint::Line(at, with.into()));
        self
    }

    /// Adds a hint that stands for itself.
    pub(super) fn plain(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(Hint::Plain(hint.into()));
        self
    }

    /// Says that a quote is open.
    pub(super) fn unclosed(mut self) -> Self {
        self.open = true;
        self
    }

    /// The error, of the line in which the place begins. `first` is the number of the source's first line.
    pub(super) fn locate(self, script: &str, source: &str, first: usize) -> ScriptError {
        let start = source[..self.at.start].rfind('\n').map_or(0, |newline| newline + 1);
        let end = source[start..].find('\n').map_or(source.len(), |newline| start + newline);
        let text = source[start..end].strip_suffix('\r').unwrap_or(&source[start..end]);
        let inside = |at: usize| at.saturating_sub(start).min(text.len());
        let mut misread = Misread::new("script", text, inside(self.at.start)..inside(self.at.end), self.message);
        for hint in self.hints {
            match hint {
                Hint::Plain(hint) => misread.hints.push(hint),
                Hint::Line(at, with) => {
                    let whole = start <= at.start && at.end <= start + text.len();
                    if whole && text.len() + with.len() <= LONGEST_HINT {
                        let (before, behind) = (&text[..at.start - start], &text[at.end - start..]);
                        misread.hints.push(format!("{before}{with}{behind}").trim().to_owned());
                    }
                }
            }
        }
        let line = first + source[..start].matches('\n').count();
        ScriptError { script: script.to_owned(), line, misread }
    }
}
