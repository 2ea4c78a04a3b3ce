//! The handlers of `listen`, an option group of its own.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

use super::{first_given, path, text_argument};
use crate::error::{Error, Exit, Phase, Result};
use crate::span::Misread;
use crate::work::close_on::CloseOn;
use crate::work::handler::{Handler, Needs, Program, Reply, Save, find_program};
use crate::work::script::Script;

/// What is done with each connection: one of them, or stdin and stdout.
#[derive(Debug, Args)]
#[command(next_help_heading = "Handlers")]
pub struct Handlers {
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
    pub no_accept: bool,
    /// Talk through a line editor
    #[arg(short = 'I', long, group = "handler")]
    pub repl: bool,
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

impl Handlers {
    /// What goes with what.
    ///
    /// # Errors
    /// Exit 2.
    pub fn check(&self) -> Result<()> {
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

    /// What is reached for beside the connection, with this script; `None` for stdin and stdout.
    #[must_use]
    pub fn needs(&self, script: Option<&Script>) -> Option<Needs<'static>> {
        let anything = self.repl || script.is_some_and(Script::reaches_out);
        match (anything, self.no_accept) {
            (true, _) => Some(Needs::Anything),
            (_, true) => Some(Needs::Tables),
            _ => None,
        }
    }

    /// A script is a handler too.
    ///
    /// # Errors
    /// Exit 2 where there is another one.
    pub fn check_script(&self) -> Result<()> {
        let given = first_given(&[
            (self.reply.is_some(), "--reply"),
            (self.discard, "--discard"),
            (self.close, "--close"),
            (self.exec.is_some(), "--exec"),
            (self.sh.is_some(), "--sh"),
            (self.output_dir.is_some(), "--output-dir"),
            (self.no_accept, "--no-accept"),
            (self.close_on.is_some(), "--close-on"),
        ]);
        match given {
            Some(flag) => Err(Error::usage(format!("a script and {flag} are two handlers; one is enough"))),
            None => Ok(()),
        }
    }

    /// `--greeting`.
    ///
    /// # Errors
    /// Exit 2, with the place of the escape that is none.
    pub fn greeting(&self) -> Result<Option<Vec<u8>>> {
        self.greeting.as_ref().map(text_argument).transpose()
    }

    /// `--close-on`.
    ///
    /// # Errors
    /// Exit 2, with the place of the escape that is none.
    pub fn close_on(&self) -> Result<Option<CloseOn>> {
        let message = self.close_on.as_ref().map(text_argument).transpose()?;
        Ok(message.map(|message| CloseOn::new(&message)))
    }

    /// The handler whose sessions go on side by side, if one was chosen.
    ///
    /// # Errors
    /// Exit 2 for what does not parse, or a program that is not there; a directory that cannot be made.
    pub fn side_by_side(&self) -> Result<Option<Handler>> {
        let greeting = self.greeting()?;
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
                if source.kind() != std::io::ErrorKind::AlreadyExists {
                    return Error::file("--output-dir", dir, &source);
                }
                let text = format!("--output-dir {}: it is there, and is not a directory", dir.display());
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
