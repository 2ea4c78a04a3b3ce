//! Reads the command language: docs/script.md says what it is.
//!
//! A command is a line; only a quoted text goes over several. Nothing here recurses but `repeat`, which is bounded,
//! and no step costs more than the bytes that it reads.

use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::time::Duration;

use super::search::Expression;
use regex::bytes::RegexBuilder;

use super::commands::{self, CommandInfo};
use super::error::Problem;
use super::lex::{Argument, Bare, Reader};
use super::{Command, EOLS, Half, Part, Pattern, Place, Script, ScriptError, Setting, Statement, Text};
use crate::addr::{Endpoint, Reading};
use crate::error::Error;
use crate::net::options::{self, TABLE};
use crate::span::Misread;
use crate::value::{parse_duration, parse_number, parse_size};

/// The longest line, in bytes. A line of a script is typed by a person; what is longer is a mistake or an attack.
pub const MAX_LINE: usize = 64 << 10;

/// The largest script, in bytes.
pub const MAX_SCRIPT: usize = 16 << 20;

/// How deep `repeat` goes into `repeat`.
pub const MAX_REPEAT: usize = 16;

/// What an expression may take when it is compiled, in bytes: the regex crate's own default.
const MAX_REGEX: usize = 10 << 20;

/// Reads a script.
///
/// # Errors
/// The first thing that is wrong, with its place. Nothing of a script that does not parse should run.
pub fn parse_script(name: &str, source: &str) -> Result<Script, ScriptError> {
    // Editors on Windows put one there, and it is no part of the text.
    let source = source.strip_prefix('\u{feff}').unwrap_or(source);
    let statements = statements(name, source, 1).map_err(|problem| problem.locate(name, source, 1))?;
    Ok(Script { name: name.to_owned(), statements })
}

/// Reads one command, as it is typed (without the slash of the REPL). `None` when it is blank or a comment.
/// A quoted text in it may hold line ends; `line_number` is that of its first line.
///
/// # Errors
/// What is wrong with it, with its place.
pub fn parse_command(name: &str, line_number: usize, line: &str) -> Result<Option<Statement>, ScriptError> {
    let line = line.strip_prefix('\u{feff}').unwrap_or(line);
    let statements = statements(name, line, line_number).and_then(|mut statements| {
        let first = (!statements.is_empty()).then(|| statements.remove(0));
        match statements.first() {
            None => Ok(first),
            Some(second) => {
                let lines = line.split_inclusive('\n').take(second.place.line - line_number);
                let start = lines.map(str::len).sum::<usize>() + second.place.at.start;
                Err(Problem::new(start..start + second.place.at.len(), "one command at a time"))
            }
        }
    });
    statements.map_err(|problem| problem.locate(name, line, line_number))
}

/// Reads a script's bytes.
///
/// # Errors
/// As [`parse_script`], and where the bytes are not UTF-8.
pub fn parse_bytes(name: &str, bytes: &[u8]) -> Result<Script, ScriptError> {
    if bytes.len() > MAX_SCRIPT {
        let message = format!("a script has at most {} MiB", MAX_SCRIPT >> 20);
        return Err(Problem::new(0..0, message).locate(name, "", 1));
    }
    match std::str::from_utf8(bytes) {
        Ok(source) => parse_script(name, source),
        Err(error) => {
            let (valid, invalid) = bytes.split_at(error.valid_up_to());
            let message = match bytes {
                [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "this is UTF-16: save it as UTF-8".to_owned(),
                _ => format!("byte 0x{:02x} is not UTF-8", invalid.first().copied().unwrap_or_default()),
            };
            // Only this line is needed as text.
            let start = valid.iter().rposition(|b| *b == b'\n').map_or(0, |newline| newline + 1);
            let end = invalid.iter().position(|b| *b == b'\n').map_or(bytes.len(), |newline| valid.len() + newline);
            let line = String::from_utf8_lossy(&bytes[start..end]);
            let number = 1 + valid.iter().filter(|b| **b == b'\n').count();
            let at = valid.len() - start;
            Err(Problem::new(at..at + '\u{fffd}'.len_utf8(), message).locate(name, &line, number))
        }
    }
}

/// Reads a script from a file.
///
/// # Errors
/// As of [`Error::file`] when the file cannot be read, exit 2 when it is no script.
pub fn parse_file(path: &Path) -> Result<Script, Error> {
    let mut bytes = Vec::new();
    File::open(path)
        // One byte more tells that there are too many, and /dev/zero ends.
        .and_then(|file| file.take(MAX_SCRIPT as u64 + 1).read_to_end(&mut bytes))
        .map_err(|source| Error::file("", path, &source))?;
    Ok(parse_bytes(&path.to_string_lossy(), &bytes)?)
}

/// Whether this command goes on in the next line: a quote is open.
#[must_use]
pub fn needs_more(line: &str) -> bool {
    statements("", line, 1).is_err_and(|problem| problem.open)
}

fn statements(name: &str, source: &str, first: usize) -> Result<Vec<Statement>, Problem> {
    check(source)?;
    let mut reader = Reader { script: name, source, at: 0, line_start: 0, line: first, long_quote: None, depth: 0 };
    let mut statements = Vec::new();
    loop {
        reader.skip_blanks();
        reader.long_quote = None;
        if !reader.at_end() {
            statements.push(reader.statement()?);
        }
        // Behind the statement there is a comment at most.
        let Some(newline) = reader.rest().find('\n') else { return Ok(statements) };
        reader.at += newline + 1;
        reader.line += source[reader.line_start..reader.at].matches('\n').count();
        reader.line_start = reader.at;
    }
}

/// What holds for every byte of a script.
fn check(source: &str) -> Result<(), Problem> {
    if source.len() > MAX_SCRIPT {
        return Err(Problem::new(0..0, format!("a script has at most {} MiB", MAX_SCRIPT >> 20)));
    }
    let mut start = 0;
    for line in source.split_inclusive('\n') {
        if line.len() > MAX_LINE {
            return Err(Problem::new(start..start, format!("a line has at most {} KiB", MAX_LINE >> 10)));
        }
        if let Some(nul) = line.find('\0') {
            let at = start + nul;
            return Err(Problem::new(at..at + 1, "a NUL byte; in a text it is written \\0"));
        }
        start += line.len();
    }
    Ok(())
}

type Parsed<T = Command> = Result<T, Problem>;

impl Reader<'_> {
    /// Reads the command that begins here. There is one: a word at least.
    fn statement(&mut self) -> Parsed<Statement> {
        let start = self.at;
        let word = self.word().unwrap_or(start..start);
        let name = &self.source[word.clone()];
        let info = commands::by_name(name).ok_or_else(|| unknown(name, word.start))?;
        let command = (info.read)(self, info)?;
        let end = self.at;
        self.finish(info)?;
        let line = &self.source[self.line_start..];
        let line = line.split_once('\n').map_or(line, |(line, _)| line);
        let line = line.strip_suffix('\r').unwrap_or(line);
        let (start, end) = (start - self.line_start, (end - self.line_start).min(line.len()));
        let end = start + line[start..end].trim_end_matches([' ', '\t']).len();
        let place = Place { script: self.script.to_owned(), line: self.line, text: line.to_owned(), at: start..end };
        Ok(Statement { command, place })
    }

    /// A text that has to be there.
    fn text_of(&mut self, bare: Bare, what: &str, info: &CommandInfo) -> Parsed<Argument> {
        match self.argument(bare, info)? {
            Some((argument, _)) => Ok(argument),
            None => Err(self.missing(what, info)),
        }
    }

    /// The name of a file.
    fn path(&mut self, info: &CommandInfo) -> Parsed<Text> {
        let argument = self.text_of(Bare::Name, "the name of a file", info)?;
        let parts = &argument.text.0;
        if parts.is_empty() {
            return Err(Problem::new(argument.outer(), "the name of a file is empty"));
        }
        if parts.iter().any(|part| matches!(part, Part::Bytes(bytes) if bytes.contains(&0))) {
            return Err(Problem::new(argument.at, "no NUL is in the name of a file"));
        }
        Ok(argument.text)
    }

    fn duration_of(&mut self, what: &str, info: &CommandInfo) -> Parsed<Duration> {
        let here = self.at;
        self.duration()?.ok_or_else(|| {
            self.at = here;
            self.missing(what, info)
        })
    }

    /// A word that has to be there.
    fn word_of(&mut self, what: &str, info: &CommandInfo) -> Parsed<Range<usize>> {
        let here = self.at;
        self.word().ok_or_else(|| {
            self.at = here;
            self.missing(what, info)
        })
    }
}

fn unknown(name: &str, start: usize) -> Problem {
    let at = start..start + name.len();
    if let Some(bare) = name.strip_prefix('/').filter(|bare| commands::by_name(bare).is_some()) {
        return Problem::new(start..start + 1, "in a script no slash stands in front of a command").fix(at, bare);
    }
    // The input methods of East Asia type U+3000, and word processors U+00A0; both look like a blank.
    if let Some((odd, blank)) = name.char_indices().find(|(_, c)| c.is_whitespace()) {
        let place = start + odd..start + odd + blank.len_utf8();
        let message = format!("U+{:04X} looks like a blank but is none", u32::from(blank));
        return Problem::new(place.clone(), message).fix(place, " ");
    }
    let near = commands::nearest(name);
    let problem = Problem::new(at.clone(), "there is no such command");
    if near.is_empty() {
        return problem.plain("help");
    }
    near.into_iter().fold(problem, |problem, name| problem.fix(at.clone(), name))
}

pub(super) fn send(reader: &mut Reader<'_>, info: &'static CommandInfo) -> Parsed {
    let argument = reader.text_of(Bare::Payload, "the text", info)?;
    Ok(Command::Send(argument.text))
}

pub(super) fn send_line(reader: &mut Reader<'_>, info: &'static CommandInfo) -> Parsed {
    let argument = reader.argument(Bare::Payload, info)?;
    Ok(Command::SendLine(argument.map_or(Text(Vec::new()), |(argument, _)| argument.text)))
}

pub(super) fn echo(reader: &mut Reader<'_>, info: &'static CommandInfo) -> Parsed {
    let argument = reader.argument(Bare::Payload, info)?;
    Ok(Command::Echo(argument.map_or(Text(Vec::new()), |(argument, _)| argument.text)))
}

pub(super) fn send_hex(reader: &mut Reader<'_>, info: &'static CommandInfo) -> Parsed {
    let mut word = reader.word_of("what to send", info)?;
    let mut bytes = Vec::new();
    loop {
        let text = &reader.source[word.clone()];
        let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
        let start = word.end - digits.len();
        if let Some((at, odd)) = digits.char_indices().find(|(_, c)| !c.is_ascii_hexdigit()) {
            let at = start + at..start + at + odd.len_utf8();
            // Other tools write de:ad or "de ad"; if that is all, it is shown as it is written here.
            let line = start..reader.words().map_or(word.end, |words| words.end);
            let spaced = reader.source[line.clone()].replace([':', ',', '-', '"', '\''], " ");
            let spaced = spaced.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
            let problem = Problem::new(at, "not a hexadecimal digit");
            let hex = spaced.bytes().all(|b| b.is_ascii_hexdigit() || b == b' ');
            return Err(if hex { problem.fix(line, spaced) } else { problem });
        }
        if digits.len() % 2 == 1 || digits.is_empty() {
            let problem = Problem::new(word, "two hexadecimal digits make a byte");
            return Err(if digits.is_empty() { problem } else { problem.fix(start..start, "0") });
        }
        bytes.extend(digits.as_bytes().chunks(2).filter_map(|two| {
            let two = std::str::from_utf8(two).ok()?;
            u8::from_str_radix(two, 16).ok()
        }));
        match reader.word() {
            Some(next) => word = next,
            None => return Ok(Command::SendHex(bytes)),
        }
    }
}

pub(super) fn send_file(reader: &mut Reader<'_>, info: &'static CommandInfo) -> Parsed {
    reader.path(info).map(Command::SendFile)
}

pub(super) fn source(reader: &mut Reader<'_>, info: &'static CommandInfo) -> Parsed {
    reader.path(info).map(Command::Source)
}

pub(super) fn save(reader: &mut Reader<'_>, info: &'static CommandInfo) -> Parsed {
    reader.path(info).map(Command::Save)
}

pub(super) fn recv(reader: &mut Reader<'_>, info: &'static CommandInfo) -> Parsed {
    let before = reader.at;
    let mut bytes = None;
    if let Some(word) = reader.word() {
        let text = &reader.source[word.clone()];
        if text == "within" {
            reader.at = before;
        } else {
            let size = parse_size(text).map_err(|misread| match parse_duration(text) {
                // `recv 2s` is a limit that lacks its word.
                Ok(_) => Problem::inside(Misread { hints: Vec::new(), ..misread }, &word)
                    .fix(word.start..word.start, "within "),
                Err(_) => Problem::inside(misread, &word),
            })?;
            let size = usize::try_from(size).ok().filter(|size| *size > 0);
            bytes = Some(size.ok_or_else(|| Problem::new(word, "it takes one byte at least"))?);
        }
    }
    Ok(Command::Recv { bytes, within: reader.within(info)? })
}

pub(super) fn expect(reader: &mut Reader<'_>, info: &'static CommandInfo) -> Parsed {
    let here = reader.at;
    reader.skip_blanks();
    if reader.rest().starts_with('/') {
        let pattern = regex(reader)?;
        return Ok(Command::Expect { pattern, within: reader.within(info)? });
    }
    let Some((argument, within)) = reader.argument(Bare::Payload, info)? else {
        reader.at = here;
        return Err(reader.missing("what to expect", info));
    };
    if argument.text.0.is_empty() {
        return Err(Problem::new(argument.outer(), "nothing to expect; recv takes whatever comes"));
    }
    Ok(Command::Expect { pattern: Pattern::Text(argument.text), within })
}

/// Reads `/expression/flags`, of which the first slash is here.
fn regex(reader: &mut Reader<'_>) -> Parsed<Pattern> {
    let open = reader.at;
    let line = open..reader.line_end();
    let quoted = |problem: Problem, line: Range<usize>, source: &str| {
        problem.fix(line.clone(), super::quote(source[line].trim_end().as_bytes()))
    };
    let mut rest = reader.source[open + 1..line.end].char_indices();
    let end = loop {
        match rest.next() {
            Some((at, '/')) => break open + 1 + at,
            Some((_, '\\')) => {
                rest.next();
            }
            Some(_) => {}
            None => {
                let problem = Problem::new(open..open + 1, "this expression has no slash at its end")
                    .fix(line.end..line.end, "/");
                return Err(quoted(problem, line, reader.source));
            }
        }
    };
    let expression = &reader.source[open + 1..end];
    if expression.is_empty() {
        return Err(Problem::new(open..end + 1, "an empty expression matches anything; recv takes whatever comes"));
    }
    // `$` and a number of times is an expression as well, but never what was meant.
    if let Some(at) = expression.match_indices("${").map(|(at, _)| at).find(|at| !escaped(expression, *at)) {
        let at = open + 1 + at;
        return Err(Problem::new(at..at + 2, "captures go into texts, not into expressions").fix(at..at + 2, "\\$\\{"));
    }
    reader.at = end + 1;
    let mut builder = RegexBuilder::new(expression);
    let mut parser = regex_syntax::ParserBuilder::new();
    parser.utf8(false);
    while let Some(flag) = reader.rest().chars().next().filter(|c| !c.is_whitespace()) {
        match flag {
            'i' => {
                builder.case_insensitive(true);
                parser.case_insensitive(true);
            }
            's' => {
                builder.dot_matches_new_line(true);
                parser.dot_matches_new_line(true);
            }
            'm' => {
                builder.multi_line(true);
                parser.multi_line(true);
            }
            _ => {
                let at = reader.at..reader.at + flag.len_utf8();
                let message = "behind the expression stand i, s and m, or a blank; a slash in it is written \\/";
                return Err(quoted(Problem::new(at, message), line, reader.source));
            }
        }
        reader.at += 1;
    }
    // The regex crate says what is wrong in a picture of its own; its parser says where.
    let wrong = |span: &regex_syntax::ast::Span, message: String| {
        Problem::new(open + 1 + span.start.offset..open + 1 + span.end.offset, message)
    };
    let hir = parser.build().parse(expression).map_err(|error| match &error {
        regex_syntax::Error::Parse(error) => wrong(error.span(), error.kind().to_string()),
        regex_syntax::Error::Translate(error) => {
            use regex_syntax::hir::ErrorKind::{UnicodePropertyNotFound, UnicodePropertyValueNotFound};
            wrong(
                error.span(),
                match error.kind() {
                    // The tables of most of them are left out of the program: they are large.
                    UnicodePropertyNotFound | UnicodePropertyValueNotFound => {
                        "of the classes of Unicode there are \\w \\d \\s here, and ranges: [\\u{4e00}-\\u{9fff}]"
                            .to_owned()
                    }
                    kind => kind.to_string(),
                },
            )
        }
        other => Problem::new(open..end + 1, other.to_string()),
    })?;
    builder.size_limit(MAX_REGEX).build().map(|regex| Pattern::Regex(Expression::new(regex, hir))).map_err(|error| {
        let message = match error {
            regex::Error::CompiledTooBig(limit) => format!("compiled it would take more than {} MiB", limit >> 20),
            other => other.to_string(),
        };
        Problem::new(open..end + 1, message)
    })
}

/// Whether an odd number of backslashes stands in front of the byte `at`.
fn escaped(text: &str, at: usize) -> bool {
    text[..at].bytes().rev().take_while(|b| *b == b'\\').count() % 2 == 1
}

pub(super) fn expect_eof(reader: &mut Reader<'_>, info: &'static CommandInfo) -> Parsed {
    Ok(Command::ExpectEof { within: reader.within(info)? })
}

pub(super) fn starttls(reader: &mut Reader<'_>, info: &'static CommandInfo) -> Parsed {
    Ok(Command::Starttls { within: reader.within(info)? })
}

pub(super) fn expect_reset(reader: &mut Reader<'_>, info: &'static CommandInfo) -> Parsed {
    Ok(Command::ExpectReset { within: reader.within(info)? })
}

pub(super) fn expect_silence(reader: &mut Reader<'_>, info: &'static CommandInfo) -> Parsed {
    reader.duration_of("how long", info).map(Command::ExpectSilence)
}

pub(super) fn sleep(reader: &mut Reader<'_>, info: &'static CommandInfo) -> Parsed {
    reader.duration_of("how long", info).map(Command::Sleep)
}

pub(super) fn accept(reader: &mut Reader<'_>, info: &'static CommandInfo) -> Parsed {
    Ok(Command::Accept { within: reader.within(info)? })
}

pub(super) fn open(reader: &mut Reader<'_>, info: &'static CommandInfo) -> Parsed {
    let here = reader.at;
    let Some((argument, within)) = reader.argument(Bare::Name, info)? else {
        reader.at = here;
        return Err(reader.missing("the address", info));
    };
    Ok(Command::Open { address: address(argument, reader.source)?, within })
}

/// An address that holds no captures is checked now. One of two words becomes one of one, which means the same.
fn address(argument: Argument, source: &str) -> Parsed<Text> {
    let Argument { text, at, quoted } = argument;
    let literal = match text.0.as_slice() {
        [] => Vec::new(),
        [Part::Bytes(bytes)] => bytes.clone(),
        _ => return Ok(text),
    };
    let words: Vec<OsString> = if quoted {
        vec![OsString::from_vec(literal)]
    } else {
        source[at.clone()].split_ascii_whitespace().map(OsString::from).collect()
    };
    let endpoint = Endpoint::parse(&words, &Reading::default()).map_err(|misread| Problem::inside(misread, &at))?;
    Ok(if words.len() == 1 { text } else { Text(vec![Part::Bytes(endpoint.to_string().into_bytes())]) })
}

pub(super) fn use_connection(reader: &mut Reader<'_>, info: &'static CommandInfo) -> Parsed {
    let word = reader.word_of("the connection's number", info)?;
    let text = &reader.source[word.clone()];
    let number = if text.bytes().all(|b| b.is_ascii_digit()) { text.parse().ok() } else { None };
    number
        .map(Command::Use)
        .ok_or_else(|| Problem::new(word, "a connection's number belongs here; conns lists them").plain("conns"))
}

pub(super) fn shutdown(reader: &mut Reader<'_>, info: &'static CommandInfo) -> Parsed {
    let word = reader.word_of("which direction", info)?;
    match &reader.source[word.clone()] {
        "read" => Ok(Command::Shutdown(Half::Read)),
        "write" => Ok(Command::Shutdown(Half::Write)),
        _ => Err(Problem::new(word.clone(), "it is read or write; close ends both")
            .fix(word.clone(), "write")
            .fix(word, "read")),
    }
}

pub(super) fn repeat(reader: &mut Reader<'_>, info: &'static CommandInfo) -> Parsed {
    let word = reader.word_of("how often", info)?;
    let times = parse_number("count", &reader.source[word.clone()], 1..=1_000_000_000)
        .map_err(|misread| Problem::inside(misread, &word))?;
    let here = reader.at;
    reader.skip_blanks();
    if reader.at_end() {
        return Err(Problem::new(here..here, "the command is missing").fix(here..here, " send-line ping"));
    }
    reader.depth += 1;
    if reader.depth > MAX_REPEAT {
        let message = format!("repeat stands in repeat at most {MAX_REPEAT} times");
        return Err(Problem::new(word, message));
    }
    let statement = Box::new(reader.statement()?);
    reader.depth -= 1;
    Ok(Command::Repeat { times, statement })
}

pub(super) fn help(reader: &mut Reader<'_>, _: &'static CommandInfo) -> Parsed {
    let Some(word) = reader.word() else { return Ok(Command::Help(None)) };
    let text = &reader.source[word.clone()];
    let name = text.strip_prefix('/').unwrap_or(text);
    match commands::by_name(name) {
        Some(info) => Ok(Command::Help(Some(info.name.to_owned()))),
        None => Err(unknown(name, word.end - name.len())),
    }
}

/// What `set` sets besides socket options.
const OWN: [&str; 3] = ["eol", "timeout", "hex"];

pub(super) fn set(reader: &mut Reader<'_>, info: &'static CommandInfo) -> Parsed {
    let word = reader.word_of("what to set", info)?;
    let choice = |problem: Problem, at: &Range<usize>, choices: &[&str]| {
        choices.iter().fold(problem, |problem, choice| problem.fix(at.clone(), *choice))
    };
    let here = reader.at;
    let missing = |example: &str| Problem::new(here..here, "the value is missing").fix(here..here, example);
    let name = &reader.source[word.clone()];
    if name == "timeout" {
        return match reader.duration()? {
            Some(timeout) => Ok(Command::Set(Setting::Timeout(timeout))),
            None => Err(missing(" 10s")),
        };
    }
    if name == "eol" {
        let Some(at) = reader.word() else { return Err(missing(" crlf")) };
        let Some((_, eol)) = EOLS.into_iter().find(|(name, _)| *name == &reader.source[at.clone()]) else {
            let problem = Problem::new(at.clone(), "it is lf, crlf or none");
            return Err(choice(problem, &at, &EOLS.map(|(name, _)| name)));
        };
        return Ok(Command::Set(Setting::Eol(eol.into())));
    }
    if name == "hex" {
        let Some(at) = reader.word() else { return Err(missing(" on")) };
        let hex = match &reader.source[at.clone()] {
            "on" | "yes" | "true" => true,
            "off" | "no" | "false" => false,
            _ => return Err(choice(Problem::new(at.clone(), "it is on or off"), &at, &["on", "off"])),
        };
        return Ok(Command::Set(Setting::Hex(hex)));
    }
    let opt = options::by_name(name).ok_or_else(|| no_option(name, word.start, &OWN))?;
    let value = reader.words();
    let text = value.clone().map(|at| &reader.source[at]);
    if text.is_none() && opt.missing.is_none() {
        let example = opt.samples.first().unwrap_or(&opt.value_name);
        return Err(missing(&format!(" {example}")));
    }
    opt.parse(text).map_err(|misread| Problem::inside(misread, &value.unwrap_or(here..here)))?;
    Ok(Command::Set(Setting::Option(opt.name, text.map(str::to_owned))))
}

pub(super) fn get(reader: &mut Reader<'_>, info: &'static CommandInfo) -> Parsed {
    let word = reader.word_of("the option's name", info)?;
    let name = &reader.source[word.clone()];
    if OWN.contains(&name) {
        return Err(Problem::new(word, "this can be set, not read; get reads socket options"));
    }
    let opt = options::by_name(name).ok_or_else(|| no_option(name, word.start, &[]))?;
    Ok(Command::Get(opt.name.to_owned()))
}

fn no_option(name: &str, start: usize, others: &[&'static str]) -> Problem {
    let at = start..start + name.len();
    let problem = Problem::new(at.clone(), "there is no such option");
    let dashless = name.trim_start_matches('-');
    if let Some((option, value)) = dashless.split_once('=')
        && (options::by_name(option).is_some() || others.contains(&option))
    {
        return Problem::new(at.clone(), "a blank stands in front of the value").fix(at, format!("{option} {value}"));
    }
    if options::by_name(dashless).is_some() {
        return Problem::new(at.clone(), "an option's name has no dashes in front here").fix(at, dashless);
    }
    // The kernel's names as people type them: so-rcvbuf.
    let plain = |name: &str| name.to_ascii_lowercase().replace('_', "-");
    let constants: Vec<String> =
        TABLE.iter().flat_map(|opt| opt.constants).map(|(_, constant)| plain(constant)).collect();
    let names = TABLE.iter().map(|opt| opt.name).chain(others.iter().copied());
    let near = commands::similar(&plain(dashless), names.chain(constants.iter().map(String::as_str)));
    if near.is_empty() {
        return problem.plain("options");
    }
    near.into_iter().fold(problem, |problem, near| problem.fix(at.clone(), near))
}
