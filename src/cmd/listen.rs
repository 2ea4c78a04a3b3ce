//! `sockkit listen`.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use super::serving;
use super::talk::{After, Talk};
use super::{Context, Runnable};
use crate::addr::Endpoint;
use crate::cli::handlers::Handlers;
use crate::cli::{EofArgs, OutputArgs, ScriptArgs, ServerAddress, ServerArgs, TextArgs};
use crate::error::{Error, Exit, Result};
use crate::net::bind::Bound;
use crate::net::tls::ClientSetup;
use crate::out::OutConfig;
use crate::work::handler::scripted::Then;
use crate::work::handler::stdio::{Sessions, Stdio};
use crate::work::queue;
use crate::work::script::run::Config;
use crate::work::script::{self, Script};
use crate::work::tally::Tally;

/// The arguments of `sockkit listen`.
#[derive(Debug, Args)]
#[command(
    after_help = "At most one handler; with -k their sessions run side by side. Without one, a connection at a time talks\nthrough stdin and stdout."
)]
pub(super) struct Listen {
    #[command(flatten)]
    address: ServerAddress,
    /// Go on after the first connection
    #[arg(short, long, help_heading = "Serving")]
    keep_open: bool,
    #[command(flatten)]
    server: ServerArgs,
    #[command(flatten)]
    handlers: Handlers,
    #[command(flatten)]
    script: ScriptArgs,
    #[command(flatten)]
    eof: EofArgs,
    #[command(flatten)]
    text: TextArgs,
}

impl Runnable for Listen {
    const NAME: &'static str = "listen";
    const ABOUT: &'static str = "Accept connections; talk through stdin and stdout, or a handler";

    fn output(&self) -> Option<&OutputArgs> {
        Some(&self.server.output)
    }

    fn deadline(&self) -> Option<Duration> {
        self.server.timeouts.deadline
    }

    fn address(&self) -> Option<Endpoint> {
        self.address.endpoint().ok()
    }

    fn config(&self, config: OutConfig) -> OutConfig {
        OutConfig { stats: self.server.serving.stats, ..config }
    }

    fn run(&self, context: &Context) -> Result<Exit> {
        if self.server.serving.count.is_some() && !self.keep_open {
            return Err(Error::usage("--count is for a server that goes on: add --keep-open"));
        }
        self.handlers.check()?;
        let script = self.script.script()?;
        if script.is_some() {
            self.handlers.check_script()?;
        }
        if script.is_some() || self.handlers.repl {
            self.talk(context).check(After::Close)?;
        }
        let handler = self.handlers.side_by_side()?;
        let leaves_stdio = handler.is_some() || self.handlers.no_accept;
        if leaves_stdio && let Some(flag) = self.eof.given().or(self.text.given()) {
            return Err(Error::usage(format!("{flag} is about stdin and stdout, which this handler leaves alone")));
        }
        match handler {
            Some(handler) => serving::serve(&self.address.endpoint()?, &self.server, handler, self.keep_open, context),
            None => self.one_at_a_time(script, context),
        }
    }
}

impl Listen {
    fn one_at_a_time(&self, script: Option<Script>, context: &Context) -> Result<Exit> {
        let tally = Arc::new(Tally::new(context.sink.clone()));
        let context = Context { sink: tally.clone(), stop: context.stop.clone() };
        let outcome = self.serve(script, &context, &tally);
        if self.server.serving.stats {
            tally.tell();
        }
        outcome
    }

    fn serve(&self, script: Option<Script>, context: &Context, tally: &Arc<Tally>) -> Result<Exit> {
        let ServerArgs { serving, socket, .. } = &self.server;
        serving.none_side_by_side()?;
        serving.check_accepts(!self.handlers.no_accept)?;
        // Before it is ready: from then on somebody may ask.
        context.answer_usr1()?;
        let (options, talk, report) = (socket.options(), self.talk(context), self.script.report()?);
        let (greeting, close_on) = (self.handlers.greeting()?, self.handlers.close_on()?);
        let mut stdio = Stdio { greeting, close_on, accepts: true, ..talk.stdio()? };
        stdio.rules.keep_open = self.keep_open;
        let (at, commands) = (self.address.endpoint()?, script.is_some() || self.handlers.repl);
        let later = if commands { serving.tls.later(&at, &*context.sink)? } else { None };
        let tls = if later.is_some() { None } else { serving.tls.server(&at, &*context.sink)? };
        let needs = self.handlers.needs(script.as_ref()).unwrap_or_else(|| stdio.needs());
        let bound = serving::bind(needs, &at, &options, serving, context)?;
        if serving.count.is_some() && matches!(bound, Bound::Datagrams(_)) {
            return Err(Error::usage("--count counts sessions: datagrams on stdin and stdout have none"));
        }
        if self.handlers.no_accept {
            let Bound::Listener(listener) = bound else {
                return Err(Error::usage("--no-accept is about the queue of connections that a listener has"));
            };
            return queue::watch(&listener, options.asked_backlog(), &context.stop, &*context.sink);
        }
        let mut door = serving::door(serving, options.clone(), tls, context);
        door.tally = Some(tally.clone());
        let (keep_open, count, accept_timeout) = (self.keep_open, serving.count, serving.accept_timeout);
        let sessions = Sessions { keep_open, count, accept_timeout };
        if !commands {
            return stdio.serve(bound, door, sessions, |conn, id| stdio.session(conn, id));
        }
        let config = Config { later: (ClientSetup::default(), later), ..talk.config(options) };
        let repl = talk.repl(config.clone(), &stdio);
        let Some(mut script) = script else { return repl.serve(bound, door, accept_timeout) };
        if let Some(greeting) = &stdio.greeting {
            script.statements.insert(0, script::greeting(greeting));
        }
        let after = After::of(false, self.handlers.repl);
        let then = after.go_on(&stdio, &repl);
        let then = after.goes_on().then_some(&then as Then<'_>);
        talk.scripted(script, config, &stdio, report)?.serve(bound, door, sessions, then)
    }

    fn talk<'a>(&'a self, context: &'a Context) -> Talk<'a> {
        let Self { eof, text, script, server, .. } = self;
        Talk { eof, timeouts: &server.timeouts, text, script, output: &server.output, context }
    }
}
