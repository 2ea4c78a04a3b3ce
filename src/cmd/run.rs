//! What all subcommands have in common: what they are given, how they are run, how their end is told.

use std::ffi::OsString;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::{ArgMatches, Args};

use crate::addr::Endpoint;
use crate::cli::OutputArgs;
use crate::error::{Cause, Error, Exit, Fact, Phase, Result, words};
use crate::event::{Event, Limit, Sink};
use crate::net::dial::{CONN, CONNECT_TIMEOUT, Dial};
use crate::net::options::Options;
use crate::net::via::Via;
use crate::out::{ColorChoice, Out, OutConfig, complain};
use crate::sys::{self, Stop};
use crate::work::diag;

/// What every subcommand is given.
pub(super) struct Context {
    /// Who is told what happens.
    pub(super) sink: Arc<dyn Sink>,
    /// Ends every wait.
    pub(super) stop: Stop,
}

impl Context {
    /// How to make the first connection, as far as no flag says otherwise.
    pub(super) fn dial<'a>(&'a self, endpoint: &'a Endpoint, via: &'a Via, options: &'a Options) -> Dial<'a> {
        let (stop, sink) = (&self.stop, &*self.sink);
        let (conn, timeout) = (CONN, CONNECT_TIMEOUT);
        Dial { conn, endpoint, via, source: None, options, timeout, retry: None, tls: None, stop, sink }
    }

    /// From here on SIGUSR1 asks how it goes, and ends nothing.
    pub(super) fn answer_usr1(&self) -> Result<()> {
        self.stop.answer_usr1().map_err(|source| Error::os(Phase::Opening, None, source))
    }
}

/// Why a subcommand came to nothing.
pub(super) enum Failure {
    /// The arguments do not fit: clap's own words.
    Arguments(clap::Error),
    /// It was told already; this is its exit code.
    Told(Exit),
}

/// A subcommand that can be run.
pub(super) trait Runnable: Args {
    const NAME: &'static str;
    const ABOUT: &'static str;
    /// How to talk; `None` for one that has no events to tell: its report is its payload.
    fn output(&self) -> Option<&OutputArgs> {
        None
    }
    /// `--deadline`.
    fn deadline(&self) -> Option<Duration> {
        None
    }
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

/// Runs one: from its arguments to its exit code.
pub(super) fn run<T: Runnable>(matches: &mut ArgMatches) -> Result<Exit, Failure> {
    let start = Instant::now();
    let arguments = T::from_arg_matches_mut(matches).map_err(Failure::Arguments)?;
    let color = arguments.output().map_or(ColorChoice::Auto, OutputArgs::color);
    let fail = |mut error: Error| {
        diag::enrich(&mut error);
        complain(T::NAME, &error, color);
        Failure::Told(error.exit)
    };
    let opening = |source| fail(Error::os(Phase::Opening, None, source));
    let stop = Stop::on_signals().map_err(opening)?;
    if let Some(deadline) = arguments.deadline() {
        stop.after(deadline).map_err(opening)?;
    }
    let Some(output) = arguments.output() else {
        let context = Context { sink: Arc::new(Out::with_sinks(T::NAME, Vec::new())), stop };
        return arguments.run(&context).map_err(fail);
    };
    let config = arguments.config(output.config(T::NAME, start, &stop));
    let out = Arc::new(Out::new(&config).map_err(fail)?);
    let context = Context { sink: out.clone(), stop };
    out.emit(None, &Event::Start { command: T::NAME, version: env!("CARGO_PKG_VERSION"), pid: std::process::id() });
    // What ran out comes before what that came to.
    let overdue = |exit: Exit| {
        if exit == Exit::Deadline
            && let Some(after) = context.stop.overdue()
        {
            out.emit(None, &Event::Timeout { limit: Limit::Deadline, after });
        }
    };
    let exit = arguments.run(&context).unwrap_or_else(|mut error| {
        // What passed may be about a peer, and to run it again is about the address of ours; a certificate is for a name.
        if matches!(error.cause, Cause::TimedOut { .. } | Cause::Tls(_))
            && !matches!(error.phase, Phase::Resolving | Phase::Connecting)
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
        overdue(error.exit);
        out.fail(None, &error);
        error.exit
    });
    overdue(exit);
    let next = arguments.next().filter(|_| exit == Exit::Ok);
    // It has been said why. What was written is not all there was, and that is no success; a program goes on as it would have.
    let exit = if exit == Exit::Ok && next.is_none() && out.is_broken() { Exit::Failed } else { exit };
    out.emit(None, &Event::End { reason: exit.name(), code: exit.code() });
    match next {
        Some(argv) => {
            let source = sys::become_program(argv);
            let text = format!("{}: {}", argv[0].to_string_lossy(), words(&source));
            Err(fail(Error::text(Exit::Child, Phase::Running, None, text)))
        }
        None => Ok(exit),
    }
}
