//! `sockkit explain`.

use std::ffi::OsString;

use clap::Args;

use super::{Context, Runnable};
use crate::error::{Error, Exit, Result};
use crate::span::Misread;
use crate::text::visible_line;
use crate::work::translate::{split, translate};

/// The arguments of `sockkit explain`.
#[derive(Debug, Args)]
#[command(
    after_help = "The first line that is printed can be pasted; below it, `note:` is what behaves otherwise, and `cannot:`\nwhat there is no word for yet. Exit 1 when nothing of the line can be said."
)]
pub(super) struct Explain {
    /// A line of nc, ncat or socat: quoted as one argument, or as it is
    #[arg(value_name = "LINE", required = true, num_args = 1.., trailing_var_arg = true, allow_hyphen_values = true)]
    line: Vec<OsString>,
}

impl Runnable for Explain {
    const NAME: &'static str = "explain";
    const ABOUT: &'static str = "Say a line of nc, ncat or socat in sockkit's words";

    fn run(&self, _: &Context) -> Result<Exit> {
        let words = self.words()?;
        let said = translate(&words)?;
        let line = said.line();
        if line.is_some()
            && let Err(error) = parse(&said.command)
        {
            // A value of theirs that is none of ours: a size, a network, a mode.
            let why = error.to_string();
            let why = why.lines().next().unwrap_or_default().trim_start_matches("error: ");
            return Err(Error::usage(format!("{}: {}", shell_words::join(&said.command), visible_line(why))));
        }
        let mut text: String = line.iter().map(|line| format!("{line}\n")).collect();
        for (front, lines) in [("note", &said.notes), ("cannot", &said.cannot)] {
            text.extend(lines.iter().map(|line| format!("{front}: {}\n", visible_line(line))));
        }
        crate::out::print(text.as_bytes())?;
        Ok(if line.is_some() { Exit::Ok } else { Exit::Failed })
    }
}

impl Explain {
    /// The words of the line; those of one argument with blanks as a shell splits them.
    fn words(&self) -> Result<Vec<String>> {
        let mut words = Vec::new();
        for word in &self.line {
            let shown = word.to_string_lossy();
            let text =
                word.to_str().ok_or_else(|| Misread::new("command line", &shown, 0..shown.len(), "it is not UTF-8"))?;
            words.push(text.to_owned());
        }
        match &words[..] {
            [line] => Ok(split(line)?),
            _ => Ok(words),
        }
    }
}

/// What is suggested has to be a line of ours.
fn parse(words: &[String]) -> Result<clap::ArgMatches, clap::Error> {
    super::command(true).try_get_matches_from(words)
}

#[cfg(test)]
mod tests {
    use clap::FromArgMatches as _;

    use super::*;
    use crate::cmd::{connect::Connect, echo::Echo, listen::Listen, relay::Relay};

    /// Every line that the translation is tested with is a line of ours, its address too.
    #[test]
    fn what_is_suggested_parses() {
        for (theirs, _) in crate::work::translate::IDIOMS {
            let words = split(theirs).unwrap();
            let said = translate(&words).unwrap_or_else(|misread| panic!("{theirs}: {misread}"));
            if said.line().is_none() {
                assert!(!said.cannot.is_empty(), "{theirs}");
                continue;
            }
            let matches = parse(&said.command).unwrap_or_else(|error| panic!("{theirs}: {error}"));
            let (name, own) = matches.subcommand().unwrap();
            match name {
                "listen" => assert!(Listen::from_arg_matches(own).unwrap().address().is_some(), "{theirs}"),
                "connect" => assert!(Connect::from_arg_matches(own).unwrap().address().is_some(), "{theirs}"),
                "relay" => assert!(Relay::from_arg_matches(own).unwrap().addresses().is_ok(), "{theirs}"),
                "echo" => drop(Echo::from_arg_matches(own).unwrap()),
                _ => assert_eq!(name, "chat", "{theirs}"),
            }
        }
    }
}
