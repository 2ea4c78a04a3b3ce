//! What `connect` and `listen` do with a script.

use super::Context;
use crate::cli::{EofArgs, Eol, OutputArgs, ScriptArgs, TextArgs, TimeoutArgs};
use crate::error::{Error, Phase, Result};
use crate::net::options::Options;
use crate::repl::Repl;
use crate::work::handler::scripted::{Handed, Scripted};
use crate::work::handler::stdio::Stdio;
use crate::work::pump::End;
use crate::work::script::Script;

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

/// Prepares the line editor.
pub(super) fn repl<'a>(
    args: &ScriptArgs,
    text: &TextArgs,
    output: &OutputArgs,
    options: Options,
    stdio: &'a Stdio,
    context: &Context,
) -> Repl<'a> {
    // `--crlf` is about every line of stdin, and here those are the lines that are typed.
    let eol = if stdio.rules.crlf && text.eol == Eol::Lf { Eol::Crlf } else { text.eol };
    Repl {
        config: args.config(eol.bytes(), options),
        greeting: stdio.greeting.as_deref(),
        show: output.show(),
        raw: output.raw,
        copy: stdio.copy.as_ref(),
        sink: context.sink.clone(),
        stop: context.stop.clone(),
    }
}

/// Turns away flags that would have no effect on a script, or at a line editor.
///
/// # Errors
/// Exit 2.
pub(super) fn check(after: After, eof: &EofArgs, timeouts: &TimeoutArgs) -> Result<()> {
    match eof.given().or(timeouts.given()) {
        Some(flag) if after != After::Pipe => Err(Error::usage(format!(
            "{flag} is about stdin and stdout; a script has `within`, `set timeout` and `shutdown`"
        ))),
        _ => Ok(()),
    }
}

/// Prepares the run of a script.
///
/// # Errors
/// Those of dup(2).
pub(super) fn scripted(
    script: Script,
    args: &ScriptArgs,
    text: &TextArgs,
    output: &OutputArgs,
    options: Options,
    stdio: &Stdio,
    context: &Context,
) -> Result<Scripted> {
    let copy = stdio.copy.as_ref().map(|file| file.try_clone()).transpose();
    Ok(Scripted {
        script,
        config: args.config(text.eol.bytes(), options),
        show: output.show(),
        raw: output.raw,
        copy: copy.map_err(|source| Error::os(Phase::File, None, source))?,
        report: args.report(),
        say: crate::out::say,
        sink: context.sink.clone(),
        stop: context.stop.clone(),
    })
}

impl After {
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
