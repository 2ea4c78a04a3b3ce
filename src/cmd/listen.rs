//! `sockkit listen`.

use std::cell::OnceCell;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use super::handlers::Handlers;
use super::scripting::{After, check as check_flags, repl, scripted};
use super::serving::{self, ServerArgs};
use super::{Context, Runnable};
use crate::addr::Endpoint;
use crate::cli::{EofArgs, OutputArgs, ScriptArgs, ServerAddress, TextArgs, rules, text_argument};
use crate::error::{Error, Exit, Result};
use crate::net::bind::Bound;
use crate::out::OutConfig;
use crate::work::door::Door;
use crate::work::handler::Needs;
use crate::work::handler::scripted::Then;
use crate::work::handler::stdio::{Sessions, Stdio};
use crate::work::pump::Rules;
use crate::work::queue;
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
            check_flags(After::Close, &self.eof, &self.server.timeouts)?;
        }
        match self.handlers.side_by_side()? {
            Some(handler) => {
                if let Some(flag) = self.eof.given().or(self.text.given()) {
                    return Err(Error::usage(format!(
                        "{flag} is about stdin and stdout, which this handler leaves alone"
                    )));
                }
                serving::serve(&self.address, &self.server, handler, self.keep_open, context)
            }
            None => self.one_at_a_time(script, context),
        }
    }
}

impl Listen {
    fn one_at_a_time(&self, script: Option<Script>, context: &Context) -> Result<Exit> {
        let tally = Arc::new(Tally::new(context.sink.clone()));
        let context = Context { sink: tally.clone(), stop: context.stop.clone() };
        let outcome = self.talk(script, &context, &tally);
        if self.server.serving.stats {
            tally.tell();
        }
        outcome
    }

    fn talk(&self, script: Option<Script>, context: &Context, tally: &Arc<Tally>) -> Result<Exit> {
        self.server.serving.none_side_by_side()?;
        // Before it is ready: from then on somebody may ask.
        context.answer_usr1()?;
        let options = self.server.socket.options();
        let stdio = Stdio {
            rules: Rules {
                keep_open: self.keep_open,
                ..rules(&self.eof, &self.server.timeouts, &self.text, &self.server.output)
            },
            greeting: self.handlers.greeting.as_ref().map(text_argument).transpose()?,
            close_on: self.handlers.close_on()?,
            copy: self.text.copy()?,
            show: self.server.output.show(),
            accepts: true,
            output: OnceCell::new(),
            sink: context.sink.clone(),
            stop: context.stop.clone(),
        };
        let (at, flags) = (self.address.endpoint()?, &self.server.serving.tls);
        let may_start = script.is_some() || self.handlers.repl;
        let later = if may_start { flags.later(&at, &*context.sink)? } else { None };
        let tls = if later.is_some() { None } else { flags.server(&at, &*context.sink)? };
        let needs = match (may_start, self.handlers.no_accept) {
            (true, _) => Needs::Anything,
            (_, true) => Needs::Tables,
            _ => Needs::Nothing,
        };
        // It is opened once more, which is no longer possible then.
        let _ = stdio.stdout();
        let bound = serving::bind(needs, &self.address, &options, &self.server.serving, context)?;
        if self.server.serving.count.is_some() && matches!(bound, Bound::Datagrams(_)) {
            return Err(Error::usage("--count counts sessions: datagrams on stdin and stdout have none"));
        }
        if self.handlers.no_accept {
            let Bound::Listener(listener) = bound else {
                return Err(Error::usage("--no-accept is about the queue of connections that a listener has"));
            };
            return queue::watch(&listener, options.asked_backlog(), &context.stop, &*context.sink);
        }
        let serving = &self.server.serving;
        let mut door =
            Door::new(serving.acl(), options, context.sink.clone()).with_headers(serving.headers()).secured(tls);
        door.tally = Some(tally.clone());
        let sessions = Sessions {
            keep_open: self.keep_open,
            count: self.server.serving.count,
            accept_timeout: self.server.serving.accept_timeout,
        };
        if let Some(mut script) = script {
            if let Some(greeting) = &stdio.greeting {
                script.statements.insert(0, script::greeting(greeting));
            }
            let (Self { script: args, text, .. }, ServerArgs { output, .. }) = (self, &self.server);
            let after = if self.handlers.repl { After::Repl } else { After::Close };
            let mut scripted = scripted(script, args, text, output, self.server.socket.options(), &stdio, context)?;
            scripted.config.later.1.clone_from(&later);
            let mut repl = repl(args, text, output, self.server.socket.options(), &stdio, context);
            repl.config.later.1 = later;
            let then = after.go_on(&stdio, &repl);
            return scripted.serve(bound, door, sessions, after.goes_on().then_some(&then as Then<'_>));
        }
        if self.handlers.repl {
            let mut repl =
                repl(&self.script, &self.text, &self.server.output, self.server.socket.options(), &stdio, context);
            repl.config.later.1 = later;
            return repl.serve(bound, door, self.server.serving.accept_timeout);
        }
        stdio.serve(bound, door, sessions, |conn, id| stdio.session(conn, id))
    }
}
