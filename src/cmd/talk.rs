//! What `connect` and `listen` do with a connection: talk through stdin and stdout, by a script, at a line editor.

use super::Context;
use crate::cli::{EofArgs, Eol, OutputArgs, ScriptArgs, TextArgs, TimeoutArgs, rules};
use crate::error::{Error, Phase, Result};
use crate::net::options::Options;
use crate::repl::Repl;
use crate::work::handler::scripted::{Handed, ReportTo, Scripted};
use crate::work::handler::stdio::{Show, Stdio};
use crate::work::pump::End;
use crate::work::script::Script;
use crate::work::script::run::Config;
use std::cell::OnceCell;

/// The groups of options that have a part in it.
pub(super) struct Talk<'a> {
    pub(super) eof: &'a EofArgs,
    pub(super) timeouts: &'a TimeoutArgs,
    pub(super) text: &'a TextArgs,
    pub(super) script: &'a ScriptArgs,
    pub(super) output: &'a OutputArgs,
    pub(super) context: &'a Context,
}

impl Talk<'_> {
    /// Turns away flags that would have no effect on a script, or at a line editor.
    ///
    /// # Errors
    /// Exit 2.
    pub(super) fn check(&self, after: After) -> Result<()> {
        match self.eof.given().or(self.timeouts.given()) {
            Some(flag) if after != After::Pipe => Err(Error::usage(format!(
                "{flag} is about stdin and stdout; a script has `within`, `set timeout` and `shutdown`"
            ))),
            _ => Ok(()),
        }
    }

    /// Standard input and output, for a connection that we make.
    ///
    /// # Errors
    /// When `--output` cannot be written.
    pub(super) fn stdio(&self) -> Result<Stdio> {
        Ok(Stdio {
            rules: rules(self.eof, self.timeouts, self.text, self.output),
            greeting: None,
            close_on: None,
            copy: self.text.copy()?,
            show: self.output.show(),
            accepts: false,
            output: OnceCell::new(),
            sink: self.context.sink.clone(),
            stop: self.context.stop.clone(),
        })
    }

    /// How commands behave, of a script and of a person.
    pub(super) fn config(&self, options: Options) -> Config {
        Config { encoding: self.text.encoding, ..self.script.config(self.text.eol.bytes(), options) }
    }

    /// Prepares the line editor.
    pub(super) fn repl<'s>(&self, mut config: Config, stdio: &'s Stdio) -> Repl<'s> {
        // `--crlf` is about every line of stdin, and here those are the lines that are typed.
        if stdio.rules.crlf && self.text.eol == Eol::Lf {
            config.eol = Eol::Crlf.bytes().to_vec();
        }
        Repl {
            config,
            greeting: stdio.greeting.as_deref(),
            show: self.output.show(),
            raw: self.output.raw,
            copy: stdio.copy.as_ref(),
            sink: self.context.sink.clone(),
            stop: self.context.stop.clone(),
        }
    }

    /// Prepares the run of a script.
    ///
    /// # Errors
    /// Those of dup(2).
    pub(super) fn scripted<'s>(
        &self,
        script: Script,
        config: Config,
        stdio: &'s Stdio,
        report: Option<ReportTo>,
    ) -> Result<Scripted<'s>> {
        let copy = stdio.copy.as_ref().map(|file| file.try_clone()).transpose();
        Ok(Scripted {
            script,
            config,
            output: (stdio.show == Show::Payload).then(|| stdio.stdout()),
            raw: self.output.raw,
            copy: copy.map_err(|source| Error::os(Phase::File, None, source))?,
            report,
            say: crate::out::say,
            sink: self.context.sink.clone(),
            stop: self.context.stop.clone(),
        })
    }
}

/// What goes on with the connection once the script has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    /// It is closed.
    Close,
    /// Standard input and output (`--pipe`).
    Pipe,
    /// The line editor (`-I`).
    Repl,
}

impl After {
    /// As the flags have it.
    pub(super) fn of(pipe: bool, repl: bool) -> Self {
        match (pipe, repl) {
            (true, _) => Self::Pipe,
            (_, true) => Self::Repl,
            _ => Self::Close,
        }
    }

    /// Goes on.
    pub(super) fn go_on(self, stdio: &Stdio, repl: &Repl<'_>) -> impl Fn(Handed<'_>) -> End {
        move |mut handed| match (self, handed.before.take()) {
            (Self::Repl, before) => repl.talk(Handed { before, ..handed }),
            (_, Some(before)) => stdio.session_after(&mut handed.conn, handed.id, before),
            (_, None) => stdio.session(&mut handed.conn, handed.id),
        }
    }

    /// Whether there is anything to go on with.
    pub(super) fn goes_on(self) -> bool {
        self != Self::Close
    }
}
