//! Shows where in the command line an argument is wrong.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::habits::{self, Hint};
use crate::net::proxy::masked;

/// What clap says, with the command line and a caret under the place, where it is a place, and with what was probably
/// meant. `parses` tells whether a line is one of ours.
#[must_use]
pub fn with_caret(error: &clap::Error, argv: &[OsString], parses: impl Fn(&[String]) -> bool) -> String {
    let mut text = unmasked(error, argv, parses);
    // A password in a URL is nobody's business. What stands for it is as wide.
    for argument in argv.iter().filter_map(|argument| argument.to_str()).filter(|argument| argument.contains("://")) {
        let url = argument.strip_prefix("--proxy=").unwrap_or(argument);
        if let Some(masked) = masked(url) {
            text = text.replace(url, &masked);
        }
    }
    text
}

fn unmasked(error: &clap::Error, argv: &[OsString], parses: impl Fn(&[String]) -> bool) -> String {
    let text = pictured(error, argv);
    let Some(Hint { note, tries }) = habits::hint(error, argv, parses) else { return text };
    let note = note.map(|note| format!("{note}\n"));
    let tries = tries.into_iter().map(|line| format!("try: {line}\n"));
    let hint: String = note.into_iter().chain(tries).collect();
    // In the place of clap's own guess, which knows nothing of nc.
    let (front, usage) = text.split_once("\nUsage:").unwrap_or((&text, ""));
    let front = front.split_once("\n\n  tip:").map_or(front, |(front, _)| front).trim_end_matches('\n');
    format!("{front}\n{hint}\nUsage:{usage}")
}

fn pictured(error: &clap::Error, argv: &[OsString]) -> String {
    let text = error.render().to_string();
    let text = not_utf8(error, argv).map_or(text.clone(), |(name, _)| {
        text.replacen("invalid UTF-8 was detected in one or more arguments", &format!("{name}: it is not UTF-8"), 1)
    });
    let Some(wrong) = place(error, argv) else { return text };
    let (mut line, mut column, mut width) = (String::from("sockkit"), 0, 0);
    for (nth, argument) in argv.iter().enumerate().skip(1) {
        let shown: String =
            argument.to_string_lossy().chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
        let shown = if shown.is_empty() || shown.contains(' ') { format!("'{shown}'") } else { shown };
        line.push(' ');
        if nth == wrong {
            column = line.chars().count();
            width = shown.chars().count();
        }
        line.push_str(&shown);
    }
    let caret = format!("  {line}\n  {:column$}{}\n", "", "^".repeat(width));
    match text.split_once('\n') {
        Some((first, rest)) => format!("{first}\n{caret}{rest}"),
        None => format!("{text}\n{caret}"),
    }
}

/// The argument that should be text and is not: what it is the value of, and where it stands. Of several a flag's
/// comes first: addresses may be any bytes.
fn not_utf8(error: &clap::Error, argv: &[OsString]) -> Option<(String, usize)> {
    if error.kind() != ErrorKind::InvalidUtf8 {
        return None;
    }
    let wrong = || argv.iter().enumerate().skip(1).filter(|(_, argument)| argument.to_str().is_none());
    let flag = |nth: usize| {
        let own = argv[nth].to_string_lossy();
        let before = argv[nth - 1].to_string_lossy();
        let name = if own.starts_with('-') { own.split('=').next().unwrap_or_default() } else { &before };
        (nth > 1 && name.starts_with('-') && !name.contains('\u{fffd}')).then(|| name.to_owned())
    };
    wrong()
        .find_map(|(nth, _)| Some((flag(nth)?, nth)))
        .or_else(|| wrong().next().map(|(nth, _)| ("an argument".to_owned(), nth)))
}

/// Which argument it is about. Errors in a value show the place in the value themselves.
fn place(error: &clap::Error, argv: &[OsString]) -> Option<usize> {
    if let Some((_, nth)) = not_utf8(error, argv) {
        return Some(nth);
    }
    let wanted = match error.kind() {
        ErrorKind::UnknownArgument | ErrorKind::ArgumentConflict | ErrorKind::TooManyValues | ErrorKind::NoEquals => {
            error.get(ContextKind::InvalidArg)?
        }
        ErrorKind::InvalidSubcommand => error.get(ContextKind::InvalidSubcommand)?,
        ErrorKind::InvalidValue => error.get(ContextKind::InvalidValue)?,
        _ => return None,
    };
    // Of two that do not go together the other may have been typed in its short form.
    position(wanted, argv).or_else(|| position(error.get(ContextKind::PriorArg)?, argv))
}

fn position(wanted: &ContextValue, argv: &[OsString]) -> Option<usize> {
    let ContextValue::String(wanted) = wanted else { return None };
    let name = wanted.split([' ', '=', '[']).next().filter(|name| !name.is_empty())?;
    let is_it = |argument: &OsString| {
        let argument = argument.to_string_lossy();
        argument == *wanted
            || argument == name
            || argument.split_once('=').is_some_and(|(flag, value)| flag == name || value == wanted)
    };
    // -vq holds two flags, and clap names the one.
    let holds_it = |argument: &OsString| {
        let argument = argument.to_string_lossy();
        name.len() == 2 && argument.starts_with('-') && !argument.starts_with("--") && argument.contains(&name[1..])
    };
    argv.iter().skip(1).position(is_it).or_else(|| argv.iter().skip(1).position(holds_it)).map(|nth| nth + 1)
}
