//! What hands that know nc(1) type, and what it is called here.
//!
//! Nothing here decides what an argument means. A line to try is shown only when it parses.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::net::options::TABLE;
use crate::span::Misread;

/// Flags of nc that stand together in one word, with those of ours that have the same letter.
const CLUSTER: &str = "46lnNvkupzwice";

/// A hint: what is otherwise here, and lines to run instead.
pub(super) struct Hint {
    pub(super) note: Option<&'static str>,
    pub(super) tries: Vec<String>,
}

/// What was meant by a line that clap does not take, if that is a habit. `parses` tells whether a line is one of ours.
pub(super) fn hint(error: &clap::Error, argv: &[OsString], parses: impl Fn(&[String]) -> bool) -> Option<Hint> {
    let words: Vec<String> = argv.iter().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    let command = words.first().map(String::as_str).filter(|word| !word.starts_with('-'));
    if !matches!(command, None | Some("listen" | "connect")) {
        return None;
    }
    if command.is_none()
        && let Some(line) = (1..words.len()).map(|nth| command_first(&words, nth)).find(|line| parses(line))
    {
        return Some(Hint { note: None, tries: vec![shell_words::join(&line)] });
    }
    let note = match error.kind() {
        ErrorKind::UnknownArgument => {
            let Some(ContextValue::String(flag)) = error.get(ContextKind::InvalidArg) else { return None };
            // -verbose is a slip, and has nothing to do with -e.
            let is_habit = |word: &String| cluster(word).is_some_and(|letters| letters.contains(&flag[1..]));
            match flag.as_str() {
                _ if command.is_some() && !words.iter().any(is_habit) => return None,
                "-l" => Some("nc's -l is a subcommand: sockkit listen"),
                "-n" => Some("nc's -n is not needed: an address in numbers is never looked up"),
                "-N" => Some("nc's -N is what sockkit does anyway: at the end of stdin, the peer is told"),
                "-c" => Some("nc's -c is --sh of sockkit listen"),
                "-e" => Some("nc's -e is --exec of sockkit listen"),
                // Without a subcommand no flag is known, though it may well be one of connect.
                _ if command.is_none() => None,
                _ => return None,
            }
        }
        ErrorKind::TooManyValues if after_eof(&words).is_some() => Some("-q is --quiet; nc's -q is --linger-after-eof"),
        _ => return None,
    };
    let line = translated(&words);
    let tries = if parses(&line) { vec![shell_words::join(&line)] } else { Vec::new() };
    (note.is_some() || !tries.is_empty()).then_some(Hint { note, tries })
}

/// The line with this word in front, as if it were the subcommand: flags stand behind that.
fn command_first(words: &[String], nth: usize) -> Vec<String> {
    let others = words.iter().enumerate().filter(|(other, _)| *other != nth).map(|(_, word)| word.clone());
    ["sockkit".to_owned(), words[nth].clone()].into_iter().chain(others).collect()
}

/// Where `-q` is followed by a number of seconds, as in nc.
fn after_eof(words: &[String]) -> Option<usize> {
    let is_number = |word: &String| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    words.iter().zip(words.iter().skip(1)).position(|(flag, value)| flag == "-q" && is_number(value))
}

/// The letters of `-lvp`, if it is such a word.
fn cluster(word: &str) -> Option<&str> {
    word.strip_prefix('-').filter(|letters| !letters.is_empty() && letters.chars().all(|c| CLUSTER.contains(c)))
}

/// The same line in our words, as far as there are any.
fn translated(words: &[String]) -> Vec<String> {
    let (command, rest) = match words.split_first() {
        Some((command, rest)) if !command.starts_with('-') => (Some(command.as_str()), rest),
        _ => (None, words),
    };
    let listens =
        command == Some("listen") || rest.iter().any(|word| cluster(word).is_some_and(|letters| letters.contains('l')));
    let mut line = vec!["sockkit".to_owned(), if listens { "listen" } else { "connect" }.to_owned()];
    let eof = after_eof(rest);
    for (nth, word) in rest.iter().enumerate() {
        let Some(letters) = cluster(word) else {
            line.push(if eof == Some(nth) { "--linger-after-eof".to_owned() } else { word.clone() });
            continue;
        };
        let known: String = letters.chars().filter(|c| !"lnNce".contains(*c)).collect();
        if !known.is_empty() {
            line.push(format!("-{known}"));
        }
        // Their value is the next word.
        line.extend(letters.contains('c').then(|| "--sh".to_owned()));
        line.extend(letters.contains('e').then(|| "--exec".to_owned()));
    }
    line
}

/// `--reuseaddr no`: the value of such a flag may be left out, so it stands behind an equals sign, and the word would
/// be taken for an address.
#[must_use]
pub fn value_apart(argv: &[OsString]) -> Option<Misread> {
    let words = || argv.iter().skip(1).take_while(|word| *word != "--").map(|word| word.to_str().unwrap_or_default());
    words().zip(words().skip(1)).find_map(|(flag, value)| {
        let opt = TABLE.iter().find(|opt| flag.strip_prefix("--") == Some(opt.name))?;
        let fits = opt.missing.is_some() && opt.takes.choices().contains(&value);
        fits.then(|| {
            let whole = format!("{flag} {value}");
            let message = "the value of this flag stands behind an equals sign";
            Misread::new("option", &whole, flag.len()..flag.len() + 1, message).hint(format!("{flag}={value}"))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        shell_words::split(line).unwrap()
    }

    #[test]
    fn lines_of_nc_in_our_words() {
        for (nc, ours) in [
            ("-l", "sockkit listen"),
            ("-lvp 80", "sockkit listen -vp 80"),
            ("-lvnp 80", "sockkit listen -vp 80"),
            ("connect -l 80", "sockkit listen 80"),
            ("listen -l -k :80", "sockkit listen -k :80"),
            ("-l -p 80 -e /bin/cat", "sockkit listen -p 80 --exec /bin/cat"),
            ("listen -c 'tee log'", "sockkit listen --sh 'tee log'"),
            ("-N host 80", "sockkit connect host 80"),
            ("-nzv host 80", "sockkit connect -zv host 80"),
            ("-q 1 host 80", "sockkit connect --linger-after-eof 1 host 80"),
            ("-w5 host 80", "sockkit connect -w5 host 80"),
        ] {
            assert_eq!(shell_words::join(translated(&words(nc))), ours, "{nc}");
        }
    }

    #[test]
    fn a_value_apart_is_seen() {
        let apart = |line: &str| {
            let argv: Vec<OsString> = words(line).into_iter().map(Into::into).collect();
            value_apart(&argv).map(|misread| misread.hints)
        };
        assert_eq!(apart("sockkit listen --reuseaddr no :80"), Some(vec!["--reuseaddr=no".to_owned()]));
        assert_eq!(apart("sockkit listen --v6only yes :80"), Some(vec!["--v6only=yes".to_owned()]));
        for fine in [
            "sockkit listen --reuseaddr :80",
            "sockkit listen --reuseaddr=no :80",
            "sockkit listen --reuseaddr nohost:80",
            "sockkit connect --send --reuseaddr x",
        ] {
            assert_eq!(apart(fine), None, "{fine}");
        }
    }
}
