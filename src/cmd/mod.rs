//! The subcommands: one file each, its arguments beside what they do.

mod chat;
mod completions;
mod connect;
mod doctor;
mod echo;
mod explain;
mod inspect;
mod listen;
mod man;
mod ping;
mod ready;
mod relay;
mod replay;
mod run;
mod sandbox;
mod serving;
mod talk;
mod time;
mod wait;

use std::ffi::OsString;
use std::mem::ManuallyDrop;

use clap::{ArgMatches, Command};

use self::run::{Context, Failure, Runnable, run};
use crate::cli::{value_apart, with_caret};
use crate::error::{Exit, Result};
use crate::out::{ColorChoice, complain};
use crate::sys;

/// A subcommand, as the dispatcher sees it.
struct Subcommand {
    name: &'static str,
    about: &'static str,
    augment: fn(Command) -> Command,
    /// Takes its arguments out of what was matched: to clone that would be a twentieth of what a short run computes.
    run: fn(&mut ArgMatches) -> Result<Exit, Failure>,
}

/// In the order in which help lists them.
const SUBCOMMANDS: &[Subcommand] = &[
    subcommand::<listen::Listen>(),
    subcommand::<connect::Connect>(),
    subcommand::<echo::Echo>(),
    subcommand::<time::Time>(),
    chat::CHAT,
    subcommand::<wait::Wait>(),
    subcommand::<ping::Ping>(),
    subcommand::<inspect::Inspect>(),
    subcommand::<relay::Relay>(),
    subcommand::<replay::Replay>(),
    subcommand::<doctor::Doctor>(),
    subcommand::<explain::Explain>(),
    subcommand::<completions::Completions>(),
    subcommand::<man::Man>(),
];

const fn subcommand<T: Runnable>() -> Subcommand {
    Subcommand { name: T::NAME, about: T::ABOUT, augment: augment::<T>, run: run::<T> }
}

/// The doc comment of the arguments is for readers of the code; the help has its own words.
fn augment<T: Runnable>(command: Command) -> Command {
    T::augment_args(command).about(T::ABOUT).long_about(None)
}

/// Runs the program: arguments, work, exit code.
#[must_use]
pub fn main(argv: &[OsString]) -> u8 {
    sys::default_sigchld();
    if let Some(misread) = value_apart(argv) {
        complain("sockkit", &misread.into(), ColorChoice::Auto);
        return Exit::Usage.code();
    }
    // What clap built is not taken apart again: that would be a tenth of all that a short run computes.
    let mut command = ManuallyDrop::new(command(true));
    let outcome = command.try_get_matches_from_mut(argv).map_err(Failure::Arguments).and_then(|matches| {
        let mut matches = ManuallyDrop::new(matches);
        let (name, matches) = matches.remove_subcommand().expect("a subcommand is required");
        let subcommand = SUBCOMMANDS.iter().find(|subcommand| subcommand.name == name).expect("clap knows no others");
        (subcommand.run)(&mut ManuallyDrop::new(matches))
    });
    let exit = match outcome {
        Ok(exit) | Err(Failure::Told(exit)) => exit,
        Err(Failure::Arguments(error)) => say_arguments(&error, argv),
    };
    exit.code()
}

/// Help and version are what was asked for, and go to stdout; anything else is a mistake.
fn say_arguments(error: &clap::Error, argv: &[OsString]) -> Exit {
    if !error.use_stderr() {
        return match error.print() {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Exit::Failed,
            _ => Exit::Ok,
        };
    }
    let text = with_caret(error, argv, |line| command(true).try_get_matches_from(line).is_ok());
    crate::out::say(&text.strip_prefix("error: ").map_or(text.clone(), |text| format!("sockkit: {text}")));
    Exit::Usage
}

/// The whole command line. With `lazily`, a subcommand's own arguments are only built when it is the one: that
/// is most of what a short run would spend before it connects.
#[must_use]
pub fn command(lazily: bool) -> Command {
    let top = Command::new("sockkit")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Open, serve, watch and explain sockets of every family")
        .after_help("Try: sockkit connect echo:    (type a line, see it come back; Ctrl-D ends)")
        .subcommand_required(true)
        .arg_required_else_help(true);
    SUBCOMMANDS.iter().fold(top, |top, subcommand| {
        let own = Command::new(subcommand.name).about(subcommand.about);
        top.subcommand(if lazily { own.defer(subcommand.augment) } else { (subcommand.augment)(own) })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        command(false).debug_assert();
    }

    #[test]
    fn bad_input_is_exit_2() {
        for line in [
            "",
            "--bogus",
            "nosuch",
            "listen --bogus",
            "connect",
            "connect a b c",
            "listen -verbose",
            "connect -v -q x:1",
        ] {
            let argv: Vec<OsString> =
                std::iter::once("sockkit").chain(line.split_whitespace()).map(Into::into).collect();
            assert_eq!(main(&argv), 2, "{line}");
        }
    }
}
