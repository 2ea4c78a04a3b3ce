//! The subcommands: one file each, its arguments beside what they do.

mod chat;
mod completions;
mod connect;
mod doctor;
mod echo;
mod explain;
mod handlers;
mod inspect;
mod listen;
mod man;
mod ping;
mod relay;
mod replay;
mod sandbox;
mod scripting;
mod serving;
mod time;
mod wait;

use std::ffi::OsString;
use std::mem::ManuallyDrop;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::{ArgMatches, Args, Command};

use crate::addr::Endpoint;
use crate::cli::{OutputArgs, value_apart, with_caret};
use crate::error::{Cause, Error, Exit, Fact, Phase, Result, words};
use crate::event::{Event, Limit, Sink};
use crate::out::{Broken, ColorChoice, Out, OutConfig, complain};
use crate::sys::{self, Reason, Stop};
use crate::work::diag;

/// What every subcommand is given.
pub struct Context {
    /// Who is told what happens.
    pub sink: Arc<dyn Sink>,
    /// Ends every wait.
    pub stop: Stop,
}

impl Context {
    /// From here on SIGUSR1 asks how it goes, and ends nothing.
    fn answer_usr1(&self) -> Result<()> {
        self.stop.answer_usr1().map_err(|source| Error::os(Phase::Opening, None, source))
    }
}

/// A subcommand, as the dispatcher sees it.
struct Subcommand {
    name: &'static str,
    about: &'static str,
    augment: fn(Command) -> Command,
    /// Takes its arguments out of what was matched: to clone that would be a twentieth of what a short run computes.
    run: fn(&mut ArgMatches) -> Result<Exit, Failure>,
}

/// Why a subcommand came to nothing.
enum Failure {
    /// The arguments do not fit: clap's own words.
    Arguments(clap::Error),
    /// It was told already; this is its exit code.
    Told(Exit),
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

/// A subcommand that can be run.
trait Runnable: Args {
    const NAME: &'static str;
    const ABOUT: &'static str;
    /// How to talk; `None` for one that has no events to tell.
    fn output(&self) -> Option<&OutputArgs>;
    /// `--deadline`.
    fn deadline(&self) -> Option<Duration>;
    /// How to talk, if otherwise than these arguments usually mean.
    fn config(&self, config: OutConfig) -> OutConfig {
        config
    }
    /// How long a connection may take to come about: -w.
    fn connect_timeout(&self) -> Option<Duration> {
        None
    }
    /// The address that was typed.
    fn address(&self) -> Option<Endpoint> {
        None
    }
    /// The program to become when all went well.
    fn next(&self) -> Option<&[OsString]> {
        None
    }
    /// Does it.
    fn run(&self, context: &Context) -> Result<Exit>;
}

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

fn run<T: Runnable>(matches: &mut ArgMatches) -> Result<Exit, Failure> {
    let start = Instant::now();
    let arguments = T::from_arg_matches_mut(matches).map_err(Failure::Arguments)?;
    let color = arguments.output().map_or(ColorChoice::Auto, OutputArgs::color);
    let fail = |mut error: Error| {
        diag::enrich(&mut error);
        complain(T::NAME, &error, color);
        Failure::Told(error.exit)
    };
    let stop = Stop::on_signals().map_err(|source| fail(Error::os(Phase::Opening, None, source)))?;
    let Some(output) = arguments.output() else {
        let context = Context { sink: Arc::new(Out::with_sinks(T::NAME, Vec::new())), stop };
        return arguments.run(&context).map_err(fail);
    };
    let config = arguments.config(output.config(T::NAME, start, &stop));
    let out = Arc::new(Out::new(&config).map_err(fail)?);
    let context = Context { sink: out.clone(), stop };
    if let Some(deadline) = arguments.deadline() {
        context.stop.after(deadline).map_err(|source| fail(Error::os(Phase::Opening, None, source)))?;
    }
    out.emit(None, &Event::Start { command: T::NAME, version: env!("CARGO_PKG_VERSION"), pid: std::process::id() });
    let exit = arguments.run(&context).unwrap_or_else(|mut error| {
        // What passed may be about a peer, and to run it again is about the address of ours.
        if matches!(error.cause, Cause::TimedOut { .. }) && !matches!(error.phase, Phase::Resolving | Phase::Connecting)
        {
            error.facts.extend(arguments.address().map(Fact::Typed));
        }
        // To find out why is a part of what -w gives time for.
        match (error.phase, arguments.connect_timeout()) {
            (Phase::Resolving | Phase::Opening | Phase::Binding | Phase::Connecting, Some(limit)) => {
                diag::enrich_within(&mut error, limit.saturating_sub(start.elapsed()));
            }
            _ => diag::enrich(&mut error),
        }
        out.fail(None, &error);
        error.exit
    });
    if context.stop.requested() == Some(Reason::Deadline)
        && exit == Exit::Deadline
        && let Some(after) = arguments.deadline()
    {
        out.emit(None, &Event::Timeout { limit: Limit::Deadline, after });
    }
    // It has been said why. What went to stdout is not all there was, and that is no success.
    let exit = if exit == Exit::Ok && matches!(out.broken(), Some(Broken::Failed(_))) { Exit::Failed } else { exit };
    out.emit(None, &Event::End { reason: exit.name(), code: exit.code() });
    match (exit, arguments.next()) {
        (Exit::Ok, Some(argv)) => {
            let source = sys::become_program(argv);
            let text = format!("{}: {}", argv[0].to_string_lossy(), words(&source));
            Err(fail(Error::text(Exit::Child, Phase::Running, None, text)))
        }
        _ => Ok(exit),
    }
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
