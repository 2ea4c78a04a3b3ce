//! Readers of single arguments, for clap.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::{OsStringValueParser, TypedValueParser};

use crate::out::EventsTarget;
use crate::span::Misread;
use crate::value::parse_number;

/// A port of TCP or UDP.
pub(super) fn port(text: &str) -> Result<u16, Misread> {
    Ok(u16::try_from(parse_number("port", text, 0..=65_535)?).unwrap_or_default())
}

/// A number of things of which there must be one.
pub(super) fn at_least_one(text: &str) -> Result<usize, Misread> {
    Ok(usize::try_from(parse_number("number", text, 1..=1 << 20)?).unwrap_or(usize::MAX))
}

/// A number from MIN to MAX.
///
/// # Errors
/// When it is none of these.
pub fn number<const MIN: u64, const MAX: u64>(text: &str) -> Result<u64, Misread> {
    parse_number("number", text, MIN..=MAX)
}

/// How many times, or how many of something that may go on for long.
///
/// # Errors
/// Anything else than a whole number from 1.
pub fn count(text: &str) -> Result<u64, Misread> {
    parse_number("number", text, 1..=u64::MAX)
}

/// Reads the name of a file or directory, which may be any bytes but none.
pub fn path() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().try_map(named)
}

fn named(name: OsString) -> Result<PathBuf, Misread> {
    if name.is_empty() { Err(Misread::new("path", "", 0..0, "it is empty").hint("./file")) } else { Ok(name.into()) }
}

/// The number of a descriptor.
pub(super) fn descriptor(text: &str) -> Result<i32, Misread> {
    Ok(i32::try_from(parse_number("descriptor", text, 0..=i32::MAX as u64)?).unwrap_or(i32::MAX))
}

/// Permission bits in octal, as chmod(1) takes them.
///
/// # Errors
/// When they are none.
pub fn file_mode(text: &str) -> Result<u32, Misread> {
    match u32::from_str_radix(text, 8) {
        Ok(mode) if mode <= 0o777 && !text.starts_with('+') => Ok(mode),
        _ => Err(Misread::new("mode", text, 0..text.len(), "permission bits are octal, from 0 to 0777").hint("0660")),
    }
}

/// `FILE` or `fd:N`.
///
/// # Errors
/// When N is no descriptor.
pub fn events_target(text: &str) -> Result<EventsTarget, Misread> {
    match text.strip_prefix("fd:") {
        Some(number) => {
            descriptor(number).map(EventsTarget::Fd).map_err(|misread| crate::value::within(misread, text, "fd:".len()))
        }
        None => named(text.into()).map(EventsTarget::File),
    }
}

/// What the first bytes of a server have to match: a regular expression over bytes.
///
/// # Errors
/// When it does not parse, with the place.
pub fn banner(text: &str) -> Result<regex::bytes::Regex, Misread> {
    let misread = |at, message: String| Misread::new("expression", text, at, message);
    if let Err(error) = regex_syntax::ParserBuilder::new().utf8(false).build().parse(text) {
        let (kind, span) = match &error {
            regex_syntax::Error::Parse(error) => (error.kind().to_string(), *error.span()),
            regex_syntax::Error::Translate(error) => (error.kind().to_string(), *error.span()),
            _ => return Err(misread(0..text.len(), error.to_string())),
        };
        return Err(misread(span.start.offset..span.end.offset, kind));
    }
    regex::bytes::Regex::new(text).map_err(|error| misread(0..text.len(), error.to_string()))
}
