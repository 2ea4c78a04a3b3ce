//! What runs a script: `--script`, and `--send` and `--expect` in the order in which they are given.

use std::ffi::OsString;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, value_parser};

use super::first_given;
use crate::error::{Error, Exit, Phase, Result, words};
use crate::net::options::Options;
use crate::span::Misread;
use crate::text::unescape;
use crate::value::parse_duration;
use crate::work::handler::scripted::{ReportKind, ReportTo};
use crate::work::script::run::Config;
use crate::work::script::{
    self, Part, Pattern, Place, Script, Statement, Text, parse_bytes, parse_command, parse_file,
};

/// The flags of scripts.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Script")]
pub struct ScriptArgs {
    #[command(flatten)]
    steps: Steps,
    /// Run the commands of FILE (- is stdin), and end with what came of them
    #[arg(long, value_name = "FILE", value_parser = super::value::path(), conflicts_with_all = ["send", "expect"])]
    script: Option<PathBuf>,
    /// Go on after a command that failed, and count
    #[arg(long)]
    keep_going: bool,
    /// Report each command in a form for test harnesses; TAP goes to stderr where no file is named
    #[arg(long, value_name = "tap|junit[=FILE]", value_parser = report_to)]
    report: Option<(ReportKind, Option<PathBuf>)>,
    /// Pause before each command that sends, but the first
    #[arg(long, value_name = "DUR", value_parser = parse_duration, allow_negative_numbers = true)]
    line_delay: Option<Duration>,
}

impl ScriptArgs {
    /// Whether there is a script.
    #[must_use]
    pub fn is_given(&self) -> bool {
        self.script.is_some() || !self.steps.0.is_empty()
    }

    /// The script, read and parsed before anybody connects.
    ///
    /// # Errors
    /// Exit 2 when it does not parse, or a flag is about a script and there is none; exit 1 when it cannot be read.
    pub fn script(&self) -> Result<Option<Script>> {
        if !self.is_given() {
            let given = first_given(&[
                (self.keep_going, "--keep-going"),
                (self.report.is_some(), "--report"),
                (self.line_delay.is_some(), "--line-delay"),
            ]);
            return match given {
                Some(flag) => Err(Error::usage(format!("{flag} is about a script: add --script, --send or --expect"))),
                None => Ok(None),
            };
        }
        match &self.script {
            Some(path) if path == Path::new("-") => {
                let mut bytes = Vec::new();
                let most = script::parse::MAX_SCRIPT as u64 + 1;
                std::io::stdin()
                    .lock()
                    .take(most)
                    .read_to_end(&mut bytes)
                    .map_err(|source| Error::text(Exit::Failed, Phase::ReadingStdin, None, words(&source)))?;
                Ok(Some(parse_bytes("-", &bytes)?))
            }
            Some(path) => parse_file(path).map(Some),
            None => {
                let steps = self.steps.0.iter().enumerate();
                let statements = steps.map(|(nth, step)| step.statement(nth + 1)).collect::<Result<_>>()?;
                Ok(Some(Script { name: "--send".to_owned(), statements }))
            }
        }
    }

    /// How its commands behave.
    #[must_use]
    pub fn config(&self, eol: &[u8], options: Options) -> Config {
        Config {
            eol: eol.to_vec(),
            keep_going: self.keep_going,
            line_delay: self.line_delay,
            options,
            ..Config::default()
        }
    }

    /// Where the report goes.
    ///
    /// # Errors
    /// When its file cannot be written.
    pub fn report(&self) -> Result<Option<ReportTo>> {
        self.report.as_ref().map(|(kind, path)| ReportTo::open(*kind, path.as_deref())).transpose()
    }
}

/// `--send` and `--expect`, in order.
#[derive(Debug, Clone, Default)]
struct Steps(Vec<Step>);

#[derive(Debug, Clone)]
struct Step {
    sends: bool,
    text: OsString,
}

impl Args for Steps {
    fn augment_args(command: Command) -> Command {
        let step = |name: &'static str| {
            Arg::new(name)
                .long(name)
                .action(ArgAction::Append)
                .value_parser(value_parser!(OsString))
                .allow_hyphen_values(true)
                .help_heading("Script")
        };
        command
            .arg(step("send").value_name("TEXT").help(
                "Send TEXT (\\r \\n \\t \\0 \\\\ \\xNN; ${1} is what the last expression captured); may be repeated",
            ))
            .arg(
                step("expect")
                    .value_name("PATTERN")
                    .help("Wait for a text or a /regex/; with --send in the order given, and may be repeated"),
            )
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Steps {
    fn from_arg_matches(matches: &ArgMatches) -> std::result::Result<Self, clap::Error> {
        let mut steps = Self::default();
        steps.update_from_arg_matches(matches)?;
        Ok(steps)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> std::result::Result<(), clap::Error> {
        let mut found = Vec::new();
        for (name, sends) in [("send", true), ("expect", false)] {
            let indices = matches.indices_of(name).into_iter().flatten();
            let values = matches.get_many::<OsString>(name).into_iter().flatten();
            found.extend(indices.zip(values).map(|(at, text)| (at, Step { sends, text: text.clone() })));
        }
        found.sort_by_key(|(at, _)| *at);
        self.0.extend(found.into_iter().map(|(_, step)| step));
        Ok(())
    }
}

impl Step {
    fn statement(&self, nth: usize) -> Result<Statement> {
        let flag = if self.sends { "--send" } else { "--expect" };
        let text = self.text.to_string_lossy().into_owned();
        let place = Place { script: flag.to_owned(), line: nth, at: 0..text.len(), text };
        let command = match self.text.to_str() {
            None => self.command(Text(vec![Part::Bytes(self.text.as_bytes().to_owned())])),
            Some(text) if !self.sends && is_expression(text) => parsed(flag, &format!("expect {text}"))?,
            Some(text) => {
                // The escapes of text arguments are some of those of scripts, and a quote is none of them.
                unescape(text)?;
                parsed(flag, &format!("{} \"{}\"", &flag[2..], text.replace('"', "\\\"")))?
            }
        };
        Ok(Statement { command, place })
    }

    fn command(&self, text: Text) -> script::Command {
        if self.sends {
            script::Command::Send(text)
        } else {
            script::Command::Expect { pattern: Pattern::Text(text), within: None }
        }
    }
}

/// `/…/` with its flags. In a script every argument with a slash in front is one; here a path need not be quoted.
fn is_expression(text: &str) -> bool {
    text.strip_prefix('/').is_some_and(|rest| rest.trim_end_matches(['i', 's', 'm']).ends_with('/'))
}

fn parsed(flag: &str, line: &str) -> Result<script::Command> {
    let statement = parse_command(flag, 1, line)?;
    statement.map(|statement| statement.command).ok_or_else(|| Error::usage(format!("{flag}: nothing to do")))
}

/// `tap`, `tap=FILE`, `junit=FILE`.
fn report_to(text: &str) -> std::result::Result<(ReportKind, Option<PathBuf>), Misread> {
    let (kind, file) = match text.split_once('=') {
        Some((kind, file)) => (kind, Some(PathBuf::from(file))),
        None => (text, None),
    };
    let misread = |at, message: &str| Misread::new("report", text, at, message).hint("tap").hint("junit=report.xml");
    let empty = file.as_ref().is_some_and(|file| file.as_os_str().is_empty());
    match kind {
        _ if empty => Err(misread(text.len()..text.len(), "the file has no name")),
        "tap" => Ok((ReportKind::Tap, file)),
        "junit" if file.is_none() => Err(misread(text.len()..text.len(), "a junit report goes to a file")),
        "junit" => Ok((ReportKind::Junit, file)),
        _ => Err(misread(0..kind.len(), "there are tap and junit")),
    }
}
