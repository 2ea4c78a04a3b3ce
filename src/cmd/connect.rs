//! `sockkit connect`.

use std::cell::OnceCell;
use std::ffi::OsString;
use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use super::scripting::{After, check as check_flags, repl, scripted};
use super::{Context, Runnable};
use crate::addr::Endpoint;
use crate::cli::socket_options::SocketOptions;
use crate::cli::tls::ClientTlsArgs;
use crate::cli::{ClientAddress, EofArgs, OutputArgs, RouteArgs, ScriptArgs, TextArgs, TimeoutArgs, rules};
use crate::error::{Error, Exit, Result};
use crate::net::dial::{CONN, CONNECT_TIMEOUT, Dial};
use crate::net::options::Role;
use crate::net::tls::{self, ClientSetup};
use crate::out::OutConfig;
use crate::value::parse_duration;
use crate::work::builtin;
use crate::work::check;
use crate::work::handler::scripted::{Handed, Then};
use crate::work::handler::stdio::{Stdio, exit, verdict};

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
            "pipe", "repl", "send_only", "recv_only", "no_shutdown", "linger_after_eof", "stay", "crlf", "eol", "output"
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
    tls: ClientTlsArgs,
    #[command(flatten)]
    route: RouteArgs,
    #[command(flatten)]
    socket: SocketOptions,
    #[command(flatten)]
    output: OutputArgs,
}

impl Runnable for Connect {
    const NAME: &'static str = "connect";
    const ABOUT: &'static str = "Open a connection; talk through stdin and stdout, or a line editor";

    fn output(&self) -> Option<&OutputArgs> {
        Some(&self.output)
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
        let after = self.after();
        if script.is_some() || self.repl {
            check_flags(after, &self.eof, &self.timeouts)?;
        }
        if script.is_some() && self.check {
            return Err(Error::usage("--check closes at once: there is nothing for a script to do"));
        }
        let stdio = Stdio {
            rules: rules(&self.eof, &self.timeouts, &self.text, &self.output),
            greeting: None,
            close_on: None,
            copy: self.text.copy()?,
            show: self.output.show(),
            accepts: false,
            output: OnceCell::new(),
            sink: context.sink.clone(),
            stop: context.stop.clone(),
        };
        let (tls, later) = match script.is_some() || self.wants_repl() {
            true => self.tls.client_or_later()?,
            false => (self.tls.client()?, ClientSetup::default()),
        };
        let tls = tls.map(Arc::new);
        if tls.is_some() {
            tls::fits(&endpoint)?;
        }
        let endpoint = builtin::reachable(endpoint)?;
        let options = self.socket.options();
        let via = self.route.via(&*context.sink)?;
        let dial = Dial {
            conn: CONN,
            endpoint: &endpoint,
            via: &via,
            source: source.as_ref(),
            options: &options,
            timeout: self.connect_timeout.unwrap_or(CONNECT_TIMEOUT),
            retry: self.retry,
            tls: tls.as_deref(),
            stop: &context.stop,
            sink: &*context.sink,
        };
        let Some(mut conn) = dial.dial()? else {
            return Ok(context.stop.requested().map_or(Exit::Ok, exit));
        };
        if self.check {
            return check::check(&mut conn, self.connect_timeout, &context.stop);
        }
        if let Some(script) = script {
            let Self { script: args, text, output, .. } = self;
            let mut repl = repl(args, text, output, options.clone(), &stdio, context);
            let mut scripted = scripted(script, args, text, output, options, &stdio, context)?;
            for config in [&mut repl.config, &mut scripted.config] {
                (config.tls, config.later.0, config.dialled) = (tls.clone(), later.clone(), Some(endpoint.clone()));
            }
            (repl.config.via, scripted.config.via) = (via.clone(), via);
            let then = after.go_on(&stdio, &repl);
            return verdict(scripted.run(conn, CONN, after.goes_on().then_some(&then as Then<'_>))?);
        }
        if self.wants_repl() {
            let mut repl = repl(&self.script, &self.text, &self.output, options, &stdio, context);
            (repl.config.tls, repl.config.later.0, repl.config.dialled) = (tls, later, Some(endpoint.clone()));
            repl.config.via = via;
            return verdict(repl.talk(Handed::new(conn, CONN, Role::Client)));
        }
        verdict(stdio.session(&mut conn, CONN))
    }
}

impl Connect {
    fn after(&self) -> After {
        match (self.pipe, self.repl) {
            (true, _) => After::Pipe,
            (_, true) => After::Repl,
            _ => After::Close,
        }
    }

    /// A person at a terminal gets the line editor, unless a flag says that this is about bytes.
    fn wants_repl(&self) -> bool {
        let rules = self.eof.given().or(self.timeouts.given());
        let about_bytes = self.pipe || self.output.json || self.output.raw || rules.is_some();
        self.repl || (!about_bytes && std::io::stdin().is_terminal() && std::io::stdout().is_terminal())
    }
}
