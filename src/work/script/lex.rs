//! What the readers of commands share: a place in the source, words, quotes, text with its captures.
//!
//! Two kinds of text. A bare one goes to the end of its line, whatever stands there; a quoted one may go over
//! several lines. Escapes and captures mean the same in both; single quotes know neither.

use std::ops::Range;
use std::time::Duration;

use super::commands::CommandInfo;
use super::error::Problem;
use super::{Part, Text};
use crate::value::parse_duration;

/// A place in the source, moving forward.
pub(super) struct Reader<'a> {
    /// The script's name, for the places of its statements.
    pub(super) script: &'a str,
    /// All of it.
    pub(super) source: &'a str,
    /// The byte that is read next.
    pub(super) at: usize,
    /// Where the line begins in which the statement begins.
    pub(super) line_start: usize,
    /// The number of that line, from 1.
    pub(super) line: usize,
    /// Where a quote was opened that was closed in a later line.
    pub(super) long_quote: Option<usize>,
    /// How many `repeat` stand around the statement.
    pub(super) depth: usize,
}

/// A text argument.
pub(super) struct Argument {
    pub(super) text: Text,
    /// Where it stands, without its quotes.
    pub(super) at: Range<usize>,
    /// Whether it stands in quotes.
    pub(super) quoted: bool,
}

impl Argument {
    /// Where it stands with its quotes.
    pub(super) fn outer(&self) -> Range<usize> {
        let quote = usize::from(self.quoted);
        self.at.start - quote..self.at.end + quote
    }
}

/// What a backslash is in a bare argument.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Bare {
    /// The begin of an escape, as in double quotes.
    Payload,
    /// Itself: for paths, and for addresses, whose grammar has escapes of its own.
    Name,
}

/// What means something besides itself in a piece of text.
#[derive(Clone, Copy)]
struct Meaning {
    escapes: bool,
    captures: bool,
}

const BLANK: [char; 2] = [' ', '\t'];

impl<'a> Reader<'a> {
    pub(super) fn rest(&self) -> &'a str {
        &self.source[self.at..]
    }

    pub(super) fn skip_blanks(&mut self) {
        self.at = self.source.len() - self.rest().trim_start_matches(BLANK).len();
    }

    /// Whether the line ends here, or the script.
    pub(super) fn at_line_end(&self) -> bool {
        let rest = self.rest();
        rest.is_empty() || rest == "\r" || rest.starts_with('\n') || rest.starts_with("\r\n")
    }

    /// Whether nothing of the command is left here: the line ends, or a comment begins.
    pub(super) fn at_end(&self) -> bool {
        self.at_line_end() || self.rest().starts_with('#')
    }

    /// Where this line ends, without its LF or CR LF.
    pub(super) fn line_end(&self) -> usize {
        let rest = self.rest();
        let end = rest.find('\n').unwrap_or(rest.len());
        self.at + end - usize::from(rest[..end].ends_with('\r'))
    }

    /// Takes the next word, unless nothing is left of the line but a comment.
    pub(super) fn word(&mut self) -> Option<Range<usize>> {
        self.skip_blanks();
        if self.at_end() {
            return None;
        }
        let rest = self.rest();
        let end = rest.find([' ', '\t', '\n']).unwrap_or(rest.len());
        // A CR that does not end the line is a character like any other.
        let ends_line = rest[end..].is_empty() || rest[end..].starts_with('\n');
        let end = end - usize::from(ends_line && rest[..end].ends_with('\r'));
        let word = self.at..self.at + end;
        self.at = word.end;
        Some(word)
    }

    /// Takes the words up to the end of the line or a comment, as one piece.
    pub(super) fn words(&mut self) -> Option<Range<usize>> {
        let first = self.word()?;
        let mut end = first.end;
        while let Some(word) = self.word() {
            end = word.end;
        }
        self.at = end;
        Some(first.start..end)
    }

    /// A complaint that an argument is missing here. The command's example shows what belongs here.
    pub(super) fn missing(&self, what: &str, info: &CommandInfo) -> Problem {
        let example = info.example.strip_prefix(info.name).unwrap_or_default();
        Problem::new(self.at..self.at, format!("{what} is missing")).fix(self.at..self.at, example)
    }

    /// Asserts that nothing of the command is left on the line.
    pub(super) fn finish(&mut self, info: &CommandInfo) -> Result<(), Problem> {
        let end = self.at;
        match self.words() {
            None => Ok(()),
            Some(_) if self.long_quote.is_some() => Err(self.runaway()),
            Some(extra) => {
                let message = match info.arguments {
                    "" => format!("{} takes no argument", info.name),
                    arguments => format!("more than {} takes: {} {arguments}", info.name, info.name),
                };
                Err(Problem::new(extra.clone(), message).fix(end..extra.end, ""))
            }
        }
    }

    /// A duration: everything up to the end of the line or a comment.
    pub(super) fn duration(&mut self) -> Result<Option<Duration>, Problem> {
        match self.words() {
            None => Ok(None),
            Some(at) => self.duration_at(at).map(Some),
        }
    }

    fn duration_at(&self, at: Range<usize>) -> Result<Duration, Problem> {
        parse_duration(&self.source[at.clone()]).map_err(|misread| Problem::inside(misread, &at))
    }

    /// What may follow the argument of a command that waits: `within 2s`, or nothing.
    pub(super) fn within(&mut self, info: &CommandInfo) -> Result<Option<Duration>, Problem> {
        let before = self.at;
        let Some(word) = self.word() else { return Ok(None) };
        if &self.source[word.clone()] != "within" {
            self.at = before;
            // `accept 2s` is a limit that lacks its word.
            return match self.duration() {
                Ok(Some(_)) => {
                    let at = word.start..self.at;
                    let message = "within stands in front of a limit";
                    Err(Problem::new(at.clone(), message).fix(at.start..at.start, "within "))
                }
                _ => {
                    self.at = before;
                    self.finish(info).map(|()| None)
                }
            };
        }
        let end = self.at;
        self.duration()?.map(Some).ok_or_else(|| {
            let message = "how long is missing behind within";
            Problem::new(end..end, message).fix(end..end, " 2s")
        })
    }

    /// A text argument, and the limit behind it where the command takes one. `None` when the line ends here.
    pub(super) fn argument(
        &mut self,
        bare: Bare,
        info: &CommandInfo,
    ) -> Result<Option<(Argument, Option<Duration>)>, Problem> {
        let limited = info.arguments.ends_with("[within DURATION]");
        self.skip_blanks();
        if self.at_line_end() {
            return Ok(None);
        }
        match self.rest().as_bytes()[0] {
            // A comment, as everywhere? Then a channel's or a colour's name would be dropped in silence.
            b'#' => {
                let at = self.at..self.line_end();
                let text = self.source[at.clone()].trim_end_matches(BLANK);
                let at = at.start..at.start + text.len();
                let problem = Problem::new(at.start..at.start + 1, "a comment, or the text? quotes tell")
                    .fix(at.clone(), super::quote(text.as_bytes()));
                let optional = info.arguments.starts_with('[');
                Err(if optional { problem.fix(at, format!("\"\" {text}")) } else { problem })
            }
            quote @ (b'"' | b'\'') => {
                let argument = self.quoted(char::from(quote))?;
                let within = if limited { self.within(info)? } else { None };
                Ok(Some((argument, within)))
            }
            _ => self.bare(bare, limited).map(Some),
        }
    }

    /// A text in quotes, which may go over several lines.
    fn quoted(&mut self, quote: char) -> Result<Argument, Problem> {
        let open = self.at;
        let start = open + 1;
        let mut rest = self.source[start..].char_indices();
        let end = loop {
            match rest.next() {
                Some((at, c)) if c == quote => break start + at,
                // The character behind it ends nothing, whether it makes an escape or not.
                Some((_, '\\')) if quote == '"' => {
                    rest.next();
                }
                Some(_) => {}
                None => {
                    let line_end = self.line_end();
                    return Err(Problem::new(open..open + 1, "this quote is not closed")
                        .fix(line_end..line_end, quote)
                        .unclosed());
                }
            }
        };
        let meaning = Meaning { escapes: quote == '"', captures: quote == '"' };
        let text = self.text(start..end, meaning)?;
        self.at = end + 1;
        self.long_quote = self.source[start..end].contains('\n').then_some(open);
        if !self.at_line_end() && !self.rest().starts_with(BLANK) {
            if self.long_quote.is_some() {
                return Err(self.runaway());
            }
            let next = self.rest().chars().next().map_or(0, char::len_utf8);
            return Err(Problem::new(self.at..self.at + next, "a blank belongs behind the closing quote"));
        }
        Ok(Argument { text, at: start..end, quoted: true })
    }

    /// A complaint about what stands behind a quote of several lines. More likely than a word too much is a quote
    /// that was forgotten where the text should have ended, and that the next text's first quote closed.
    fn runaway(&self) -> Problem {
        let open = self.long_quote.unwrap_or(self.at);
        let lines = self.source[open..self.at].matches('\n').count();
        let line_end = Reader { at: open, ..*self }.line_end();
        let plural = if lines == 1 { "line" } else { "lines" };
        let message = format!("this quote is closed {lines} {plural} further down, and more follows it there");
        Problem::new(open..open + 1, message).fix(line_end..line_end, &self.source[open..open + 1])
    }

    /// A text that goes to the end of the line, or to the limit that ends the line.
    fn bare(&mut self, bare: Bare, limited: bool) -> Result<(Argument, Option<Duration>), Problem> {
        let line = self.at..self.line_end();
        let (mut at, mut within) = (line.clone(), None);
        if limited && let Some((word, limit)) = self.bare_limit(&line) {
            at.end = word.start;
            within = Some(self.duration_at(limit.clone()).map_err(|problem| match bare {
                // It may be text after all.
                Bare::Payload => problem.fix(line.clone(), self.requoted(&line)),
                Bare::Name => problem,
            })?);
            self.at = limit.end;
        } else {
            self.at = line.end;
        }
        at.end = at.start + self.source[at.clone()].trim_end_matches(BLANK).len();
        if at.is_empty() {
            return Err(
                Problem::new(at, "the text in front of within is missing").fix(line.clone(), self.requoted(&line))
            );
        }
        let meaning = Meaning { escapes: bare == Bare::Payload, captures: true };
        Ok((Argument { text: self.text(at.clone(), meaning)?, at, quoted: false }, within))
    }

    /// The bytes `at` of the source in quotes.
    fn requoted(&self, at: &Range<usize>) -> String {
        super::quote(self.source[at.clone()].trim_end_matches(BLANK).as_bytes())
    }

    /// The last `within` of a bare text and what it says, when a number stands behind it. A comment may follow.
    fn bare_limit(&self, line: &Range<usize>) -> Option<(Range<usize>, Range<usize>)> {
        let text = &self.source[line.clone()];
        let is_word =
            |at: usize| (at == 0 || text[..at].ends_with(BLANK)) && text[at + "within".len()..].starts_with(BLANK);
        let (at, word) = text.rmatch_indices("within").find(|(at, _)| is_word(*at))?;
        let behind = &text[at + word.len()..];
        let limit = behind.trim_start_matches(BLANK);
        if !limit.starts_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        let comment = limit.match_indices('#').map(|(at, _)| at).find(|at| limit[..*at].ends_with(BLANK));
        let start = line.end - limit.len();
        let limit = limit[..comment.unwrap_or(limit.len())].trim_end_matches(BLANK);
        Some((line.start + at..line.start + at + word.len(), start..start + limit.len()))
    }

    /// Reads the bytes `at` of the source as text.
    fn text(&self, at: Range<usize>, meaning: Meaning) -> Result<Text, Problem> {
        let (mut parts, mut bytes) = (Vec::new(), Vec::new());
        let mut next = at.start;
        while let Some(c) = self.source[next..at.end].chars().next() {
            let rest = &self.source[next..at.end];
            if c == '\\' && meaning.escapes {
                next = self.escape(next, at.end, &mut bytes)?;
            } else if meaning.captures && rest.starts_with("$${") {
                bytes.extend_from_slice(b"${");
                next += 3;
            } else if meaning.captures && rest.starts_with("${") {
                let (name, end) = self.capture(next, at.end)?;
                if !bytes.is_empty() {
                    parts.push(Part::Bytes(std::mem::take(&mut bytes)));
                }
                parts.push(Part::Capture(name));
                next = end;
            } else if rest.starts_with("\r\n") {
                // However the file ends its lines, the text in it is the same.
                bytes.push(b'\n');
                next += 2;
            } else {
                bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                next += c.len_utf8();
            }
        }
        if !bytes.is_empty() {
            parts.push(Part::Bytes(bytes));
        }
        Ok(Text(parts))
    }

    /// Reads the escape at `at` into `out`, and says where it ends.
    fn escape(&self, at: usize, end: usize, out: &mut Vec<u8>) -> Result<usize, Problem> {
        let rest = &self.source[at + 1..end];
        let Some(c) = rest.chars().next() else {
            return Err(Problem::new(at..end, "a backslash at the end escapes nothing").fix(at..at, "\\"));
        };
        let plain = match c {
            'r' => b'\r',
            'n' => b'\n',
            't' => b'\t',
            '0' => 0,
            '\\' => b'\\',
            '"' => b'"',
            'x' => {
                // Exactly two digits, so that what follows cannot change the meaning.
                let digits = rest.get(1..3).filter(|two| two.bytes().all(|b| b.is_ascii_hexdigit()));
                let Some(byte) = digits.and_then(|two| u8::from_str_radix(two, 16).ok()) else {
                    let wrong: usize = rest.chars().take(3).map(char::len_utf8).sum();
                    let message = "\\x takes two hexadecimal digits";
                    return Err(Problem::new(at..at + 1 + wrong, message).plain("\\x0a"));
                };
                out.push(byte);
                return Ok(at + 4);
            }
            'u' => {
                let form = "\\u takes braces and the number of a character";
                let wrong = |end, message: &str| Problem::new(at..end, message).plain("\\u{6536}");
                let Some(inside) = rest[1..].strip_prefix('{') else { return Err(wrong(at + 2, form)) };
                let digits = inside.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(inside.len());
                let close = at + 3 + digits;
                if digits == 0 || !inside[digits..].starts_with('}') {
                    let odd = inside[digits..].chars().next().map_or(0, char::len_utf8);
                    return Err(wrong(close + odd, form));
                }
                let c = u32::from_str_radix(&inside[..digits], 16).ok().and_then(char::from_u32);
                let c = c.ok_or_else(|| wrong(close + 1, "there is no character of this number"))?;
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                return Ok(close + 1);
            }
            other => {
                let message = "not an escape; there are \\r \\n \\t \\0 \\xNN \\u{…} \\\\ \\\"";
                // Of a line end only the backslash can be shown.
                let wrong = if matches!(other, '\r' | '\n') { 0 } else { other.len_utf8() };
                return Err(Problem::new(at..at + 1 + wrong, message).fix(at..at, "\\"));
            }
        };
        out.push(plain);
        Ok(at + 2)
    }

    /// Reads `${name}` at `at`, and says where it ends.
    fn capture(&self, at: usize, end: usize) -> Result<(String, usize), Problem> {
        let inside = &self.source[at + 2..end];
        // The names that a group of the regex crate can have.
        let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '[' | ']');
        let length = inside.find(|c| !is_part(c)).unwrap_or(inside.len());
        let (name, behind) = inside.split_at(length);
        let here = at + 2..at + 2 + length;
        let literally = |problem: Problem| problem.fix(at..at, "$");
        match behind.chars().next() {
            Some('}') if name.is_empty() => {
                Err(literally(Problem::new(at..here.end + 1, "a group's number or name belongs in the braces"))
                    .fix(at..here.end + 1, "${1}"))
            }
            Some('}') => {
                let valid = if name.bytes().all(|b| b.is_ascii_digit()) {
                    name.parse::<u16>().is_ok()
                } else {
                    name.starts_with(|c: char| c == '_' || c.is_alphabetic())
                };
                match valid {
                    true => Ok((name.to_owned(), here.end + 1)),
                    false => Err(literally(Problem::new(here, "not a group's number, and no name begins so"))),
                }
            }
            None | Some('\n' | '\r') => {
                Err(literally(Problem::new(at..at + 2, "this ${ is not closed").fix(here.end..here.end, "}")))
            }
            Some(odd) => {
                let odd = here.end..here.end + odd.len_utf8();
                Err(literally(Problem::new(odd, "not part of a group's name")))
            }
        }
    }
}
