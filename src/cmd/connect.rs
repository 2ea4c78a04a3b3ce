//! `sockkit connect`.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use super::talk::{After, Talk};
use super::{Context, Runnable};
use crate::addr::Endpoint;
use crate::cli::{ClientAddress, ClientArgs, EofArgs, OutputArgs, ScriptArgs, TextArgs, TimeoutArgs};
use crate::error::{Error, Exit, Result};
use crate::net::dial::{CONN, CONNECT_TIMEOUT, Dial};
use crate::net::options::Role;
use crate::net::tls::{self, ClientSetup};
use crate::out::OutConfig;
use crate::value::parse_duration;
use crate::work::builtin;
use crate::work::check;
use crate::work::handler::scripted::{Handed, Then};
use crate::work::handler::stdio::{stopped, verdict};
use crate::work::script::run::Config;

/// The arguments of `sockkit connect`.
#[derive(Debug, Args)]
#[command(after_help = "With stdin and stdout a terminal it is a line editor, else a pipe.")]
pub(super) struct Connect {
    #[command(flatten)]
    address: ClientAddress,
    /// The local address to connect from
    #[arg(short, long, value_name = "HOST[:PORT]", help_heading = "Address")]
    source: Option<OsString>,
    /// Connect, say what happened, close
    #[arg(
        short = 'z',
        long,
        conflicts_with_all = [
            "pipe", "repl", "send_only", "recv_only", "no_shutdown", "linger_after_eof", "stay", "crlf", "eol", "encoding", "output"
        ]
    )]
    check: bool,
    /// Keep trying for so long
    #[arg(long, value_name = "DUR", value_parser = parse_duration, allow_negative_numbers = true)]
    retry: Option<Duration>,
    /// Give up if there is no connection in this time, resolving included [default: 10s]
    #[arg(short = 'w', long, value_name = "DUR", help_heading = "Timeouts", value_parser = parse_duration, allow_negative_numbers = true)]
    connect_timeout: Option<Duration>,
    /// Be a pipe, also at a terminal
    #[arg(long, conflicts_with = "repl")]
    pipe: bool,
    /// Talk through a line editor, also without a terminal
    #[arg(short = 'I', long)]
    repl: bool,
    /// At the end, tell rates, round trips and who ended first; SIGUSR1 asks at any time
    #[arg(long, help_heading = "Output")]
    stats: bool,
    #[command(flatten)]
    eof: EofArgs,
    #[command(flatten)]
    timeouts: TimeoutArgs,
    #[command(flatten)]
    text: TextArgs,
    #[command(flatten)]
    script: ScriptArgs,
    #[command(flatten)]
    client: ClientArgs,
}

impl Runnable for Connect {
    const NAME: &'static str = "connect";
    const ABOUT: &'static str = "Open a connection; talk through stdin and stdout, or a line editor";

    fn output(&self) -> Option<&OutputArgs> {
        Some(&self.client.output)
    }

    fn deadline(&self) -> Option<Duration> {
        self.timeouts.deadline
    }

    fn address(&self) -> Option<Endpoint> {
        self.address.endpoint().ok()
    }

    fn connect_timeout(&self) -> Option<Duration> {
        Some(self.connect_timeout.unwrap_or(CONNECT_TIMEOUT))
    }

    fn config(&self, config: OutConfig) -> OutConfig {
        OutConfig { stats: self.stats, ..config }
    }

    fn run(&self, context: &Context) -> Result<Exit> {
        context.answer_usr1()?;
        let endpoint = self.address.endpoint()?;
        let source = self.source.as_ref().map(|text| self.address.source(text)).transpose()?;
        let script = self.script.script()?;
        let (talk, after) = (self.talk(context), After::of(self.pipe, self.repl));
        if script.is_some() || self.repl {
            talk.check(after)?;
        }
        if script.is_some() && self.check {
            return Err(Error::usage("--check closes at once: there is nothing for a script to do"));
        }
        let (stdio, report) = (talk.stdio()?, self.script.report()?);
        let commands = script.is_some() || self.wants_repl();
        let (tls, later) = match commands {
            true => self.client.tls.client_or_later()?,
            false => (self.client.tls.client()?, ClientSetup::default()),
        };
        let tls = tls.map(Arc::new);
        if tls.is_some() {
            tls::fits(&endpoint)?;
        }
        let endpoint = builtin::reachable(endpoint)?;
        let (options, via) = (self.client.socket.options(), self.client.route.via(&*context.sink)?);
        let timeout = self.connect_timeout.unwrap_or(CONNECT_TIMEOUT);
        let usual = context.dial(&endpoint, &via, &options);
        let dial = Dial { source: source.as_ref(), retry: self.retry, timeout, tls: tls.as_deref(), ..usual };
        let Some(mut conn) = dial.dial()? else { return Ok(stopped(&context.stop)) };
        if self.check {
            return check::check(&mut conn, self.connect_timeout, &context.stop);
        }
        if !commands {
            return verdict(stdio.session(&mut conn, CONN));
        }
        let config = Config { via, tls, later: (later, None), dialled: Some(endpoint), ..talk.config(options) };
        let repl = talk.repl(config.clone(), &stdio);
        let Some(script) = script else { return verdict(repl.talk(Handed::new(conn, CONN, Role::Client))) };
        let then = after.go_on(&stdio, &repl);
        let then = after.goes_on().then_some(&then as Then<'_>);
        verdict(talk.scripted(script, config, &stdio, report)?.run(conn, CONN, then)?)
    }
}

impl Connect {
    fn talk<'a>(&'a self, context: &'a Context) -> Talk<'a> {
        let Self { eof, timeouts, text, script, client, .. } = self;
        Talk { eof, timeouts, text, script, output: &client.output, context }
    }

    /// A person at a terminal gets the line editor, unless a flag says that this is about bytes.
    fn wants_repl(&self) -> bool {
        let rules = self.eof.given().or(self.timeouts.given());
        let about_bytes = self.pipe || self.client.output.json || self.client.output.raw || rules.is_some();
        self.repl || (!about_bytes && std::io::stdin().is_terminal() && std::io::stdout().is_terminal())
    }
}
