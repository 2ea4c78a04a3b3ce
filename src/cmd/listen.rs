//! `sockkit listen`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::scripting::{After, scripted};
use super::{Context, Runnable, serving};
use crate::addr::Endpoint;
use crate::cli::socket_options::SocketOptions;
use crate::cli::{
    EofArgs, OutputArgs, ScriptArgs, ServerAddress, ServingArgs, TextArgs, TimeoutArgs, path, rules, text_argument,
};
use crate::error::{Error, Exit, Phase, Result, words};
use crate::net::bind::Bound;
use crate::repl;
use crate::span::Misread;
use crate::work::close_on::CloseOn;
use crate::work::door::Door;
use crate::work::handler::scripted::Then;
use crate::work::handler::stdio::{Sessions, Stdio};
use crate::work::handler::{Handler, Program, Reply, Save, find_program};
use crate::work::pump::Rules;
use crate::work::queue;
use crate::work::script::{self, Script};

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
    serving: ServingArgs,
    #[command(flatten)]
    handlers: Handlers,
    #[command(flatten)]
    script: ScriptArgs,
    #[command(flatten)]
    eof: EofArgs,
    #[command(flatten)]
    timeouts: TimeoutArgs,
    #[command(flatten)]
    text: TextArgs,
    #[command(flatten)]
    socket: SocketOptions,
    #[command(flatten)]
    output: OutputArgs,
}

/// What is done with each connection: one of them, or stdin and stdout.
#[derive(Debug, Args)]
#[command(next_help_heading = "Handlers")]
struct Handlers {
    /// Answer each message with TEXT (\r \n \t \0 \\ \xNN)
    #[arg(long, value_name = "TEXT", group = "handler")]
    reply: Option<OsString>,
    /// Read and drop
    #[arg(long, group = "handler")]
    discard: bool,
    /// Say who came, and close
    #[arg(long, group = "handler")]
    close: bool,
    /// Run a program for each, without a shell: its stdin is what comes, its stdout is sent
    #[arg(long, value_name = "PROG ARG...", group = "handler")]
    exec: Option<OsString>,
    /// The same with a line for /bin/sh
    #[arg(long, value_name = "LINE", group = "handler")]
    sh: Option<OsString>,
    /// Write what comes to a file in DIR, one for each connection
    #[arg(long, value_name = "DIR", group = "handler", value_parser = path())]
    output_dir: Option<PathBuf>,
    /// Accept nobody, and show the queue fill
    #[arg(long, group = "handler")]
    no_accept: bool,
    /// Talk through a line editor
    #[arg(short = 'I', long, group = "handler")]
    repl: bool,
    /// Send TEXT when somebody has connected (with any handler that talks)
    #[arg(long, value_name = "TEXT")]
    greeting: Option<OsString>,
    /// End at this message, whatever its case, after answering it (with --reply, --discard, stdin and stdout)
    #[arg(long, value_name = "TEXT")]
    close_on: Option<OsString>,
    /// A message is a line, not what one read returns (with --reply, --discard)
    #[arg(long)]
    line: bool,
}

impl Runnable for Listen {
    const NAME: &'static str = "listen";
    const ABOUT: &'static str = "Accept connections; talk through stdin and stdout, or a handler";

    fn output(&self) -> Option<&OutputArgs> {
        Some(&self.output)
    }

    fn deadline(&self) -> Option<Duration> {
        self.timeouts.deadline
    }

    fn address(&self) -> Option<Endpoint> {
        self.address.endpoint().ok()
    }

    fn run(&self, context: &Context) -> Result<Exit> {
        if self.serving.count.is_some() && !self.keep_open {
            return Err(Error::usage("--count is for a server that goes on: add --keep-open"));
        }
        self.handlers.check()?;
        let script = self.script.script()?;
        if script.is_some() {
            self.handlers.check_script()?;
        }
        match self.handlers.side_by_side()? {
            Some(handler) => {
                if let Some(flag) = self.eof.given().or(self.text.given()) {
                    return Err(Error::usage(format!(
                        "{flag} is about stdin and stdout, which this handler leaves alone"
                    )));
                }
                let Self { address, serving, timeouts, socket, .. } = self;
                serving::serve(address, socket, serving, timeouts, handler, self.keep_open, context)
            }
            None => self.one_at_a_time(script, context),
        }
    }
}

impl Listen {
    fn one_at_a_time(&self, script: Option<Script>, context: &Context) -> Result<Exit> {
        let options = self.socket.options();
        let stdio = Stdio {
            rules: Rules { keep_open: self.keep_open, ..rules(&self.eof, &self.timeouts, &self.text, &self.output) },
            greeting: self.handlers.greeting.as_ref().map(text_argument).transpose()?,
            close_on: self.handlers.close_on()?,
            copy: self.text.copy()?,
            show: self.output.show(),
            sink: context.sink.clone(),
            stop: context.stop.clone(),
        };
        let bound = serving::bind(&self.address, &options, &self.serving, context)?;
        if self.serving.count.is_some() && matches!(bound, Bound::Datagrams(_)) {
            return Err(Error::usage("--count counts sessions: datagrams on stdin and stdout have none"));
        }
        if self.handlers.no_accept {
            let Bound::Listener(listener) = bound else {
                return Err(Error::usage("--no-accept is about the queue of connections that a listener has"));
            };
            return queue::watch(&listener, &context.stop, &*context.sink);
        }
        let door = Door::new(self.serving.acl(), options, context.sink.clone());
        let sessions = Sessions {
            keep_open: self.keep_open,
            count: self.serving.count,
            accept_timeout: self.serving.accept_timeout,
        };
        if let Some(mut script) = script {
            if let Some(greeting) = &stdio.greeting {
                script.statements.insert(0, script::greeting(greeting));
            }
            let Self { script: args, text, output, .. } = self;
            let after = if self.handlers.repl { After::Repl } else { After::Close };
            let scripted = scripted(script, args, text, output, self.socket.options(), &stdio, context)?;
            let then = after.go_on(&stdio, text, context);
            return scripted.serve(bound, door, sessions, after.goes_on().then_some(&then as Then<'_>));
        }
        if self.handlers.repl {
            let eol = self.text.eol.bytes();
            return stdio
                .serve(bound, door, sessions, |conn, id| repl::run(conn, id, eol, &context.sink, &context.stop));
        }
        stdio.serve(bound, door, sessions, |conn, id| stdio.session(conn, id))
    }
}

impl Handlers {
    /// What goes with what.
    fn check(&self) -> Result<()> {
        let silent = self.discard || self.close || self.no_accept || self.output_dir.is_some();
        let is_program = self.exec.is_some() || self.sh.is_some();
        if self.greeting.is_some() && silent {
            return Err(Error::usage("--greeting goes with a handler that talks"));
        }
        if self.close_on.is_some()
            && (self.close || self.no_accept || self.output_dir.is_some() || is_program || self.repl)
        {
            return Err(Error::usage("--close-on goes with --reply, --discard, or stdin and stdout"));
        }
        if self.line && self.reply.is_none() && !self.discard {
            return Err(Error::usage("--line goes with --reply or --discard"));
        }
        Ok(())
    }

    /// A script is a handler too.
    fn check_script(&self) -> Result<()> {
        let flags = [
            (self.reply.is_some(), "--reply"),
            (self.discard, "--discard"),
            (self.close, "--close"),
            (self.exec.is_some(), "--exec"),
            (self.sh.is_some(), "--sh"),
            (self.output_dir.is_some(), "--output-dir"),
            (self.no_accept, "--no-accept"),
            (self.close_on.is_some(), "--close-on"),
        ];
        match flags.into_iter().find(|(given, _)| *given) {
            Some((_, flag)) => Err(Error::usage(format!("a script and {flag} are two handlers; one is enough"))),
            None => Ok(()),
        }
    }

    fn close_on(&self) -> Result<Option<CloseOn>> {
        Ok(self.close_on.as_ref().map(text_argument).transpose()?.map(|message| CloseOn::new(&message)))
    }

    /// The handler whose sessions go on side by side, if one was chosen.
    fn side_by_side(&self) -> Result<Option<Handler>> {
        let greeting = self.greeting.as_ref().map(text_argument).transpose()?;
        if let Some(reply) = &self.reply {
            let reply = Some(text_argument(reply)?);
            return Ok(Some(Handler::Reply(Reply { greeting, reply, close_on: self.close_on()?, line: self.line })));
        }
        if self.discard {
            return Ok(Some(match self.close_on()? {
                None => Handler::Discard,
                close_on => Handler::Reply(Reply { close_on, line: self.line, ..Reply::default() }),
            }));
        }
        if self.close {
            return Ok(Some(Handler::Close));
        }
        if let Some(text) = &self.exec {
            return Ok(Some(Handler::Exec(Program { argv: split(text)?, greeting })));
        }
        if let Some(line) = &self.sh {
            let shown = line.to_string_lossy();
            if shown.trim().is_empty() {
                return Err(Misread::new("line", &shown, 0..shown.len(), "it is empty")
                    .hint("--sh 'tee -a log'")
                    .into());
            }
            let argv = vec!["/bin/sh".into(), "-c".into(), line.clone()];
            return Ok(Some(Handler::Exec(Program { argv, greeting })));
        }
        if let Some(dir) = &self.output_dir {
            std::fs::create_dir_all(dir).map_err(|source| {
                let why = match source.kind() {
                    std::io::ErrorKind::AlreadyExists => "it is there, and is not a directory".to_owned(),
                    _ => words(&source),
                };
                let text = format!("--output-dir {}: {why}", dir.display());
                Error::text(Exit::Failed, Phase::File, None, text)
            })?;
            return Ok(Some(Handler::Save(Save { dir: dir.clone() })));
        }
        Ok(None)
    }
}

/// Splits as a shell would, and finds the program before anybody has connected.
fn split(text: &OsString) -> Result<Vec<OsString>> {
    let shown = text.to_string_lossy();
    let misread = |message: &str| Misread::new("program", &shown, 0..shown.len(), message).hint("--exec 'cat -n'");
    let plain = text.to_str().ok_or_else(|| misread("not UTF-8; --sh takes any bytes"))?;
    let argv = shell_words::split(plain).map_err(|_| misread("a quote is not closed"))?;
    let program = argv.first().ok_or_else(|| misread("it is empty"))?;
    find_program(program.as_ref())?;
    Ok(argv.into_iter().map(Into::into).collect())
}
