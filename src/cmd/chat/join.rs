//! `sockkit chat join`.

use std::io::{self, IsTerminal as _};
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use super::{password, stream};
use crate::cli::{ClientArgs, OutputArgs, PeerAddress, path};
use crate::cmd::{Context, Runnable};
use crate::error::{Error, Exit, Result};
use crate::event::{Event, Sink};
use crate::net::dial::Dial;
use crate::out::{self, OutConfig};
use crate::repl::chat::Front;
use crate::value::parse_duration;
use crate::work::chat::{self, Face, Said};

/// The arguments of `sockkit chat join`.
#[derive(Debug, Args)]
#[command(mut_arg("json", |arg| arg.help("Write each line of the room to stdout as an object: kind, room, from, text")))]
#[command(after_help = "With stdin and stdout a terminal it is a line editor, else a pipe.")]
pub(super) struct Join {
    #[command(flatten)]
    address: PeerAddress,
    /// The name to have; without one a person is asked, and a pipe is a guest
    #[arg(short, long, help_heading = "Chat")]
    name: Option<String>,
    /// Say the password in the first line of this file
    #[arg(long, value_name = "FILE", value_parser = path(), help_heading = "Chat")]
    password_file: Option<PathBuf>,
    /// When the connection is lost, leave
    #[arg(long, help_heading = "Chat")]
    no_reconnect: bool,
    /// Give up if there is no connection in this time, resolving included
    #[arg(short = 'w', long, value_name = "DUR", default_value = "10s", help_heading = "Timeouts", value_parser = parse_duration, allow_negative_numbers = true)]
    connect_timeout: Duration,
    /// End the whole run, with status 124
    #[arg(long, value_name = "DUR", help_heading = "Timeouts", value_parser = parse_duration, allow_negative_numbers = true)]
    deadline: Option<Duration>,
    #[command(flatten)]
    client: ClientArgs,
}

impl Runnable for Join {
    const NAME: &'static str = "chat join";
    const ABOUT: &'static str = "Join a chat room: a line editor at a terminal, else a pipe";

    fn output(&self) -> Option<&OutputArgs> {
        Some(&self.client.output)
    }

    fn deadline(&self) -> Option<Duration> {
        self.deadline
    }

    /// stdout is for the lines of the room.
    fn config(&self, config: OutConfig) -> OutConfig {
        OutConfig { json: false, ..config }
    }

    fn run(&self, context: &Context) -> Result<Exit> {
        let endpoint = stream(self.address.endpoint()?)?;
        if self.client.output.raw {
            return Err(Error::usage("--raw is for payload; the lines of a room are always shown escaped"));
        }
        let options = self.client.socket.options();
        let via = self.client.route.via(&*context.sink)?;
        let password = self.password_file.as_deref().map(|path| password(path, context)).transpose()?;
        let tls = self.client.tls.client()?;
        let (timeout, tls) = (self.connect_timeout, tls.as_ref());
        let join = |input| chat::Join {
            dial: Dial { timeout, tls, ..context.dial(&endpoint, &via, &options) },
            name: self.name.clone(),
            password: password.clone(),
            reconnect: !self.no_reconnect,
            input,
        };
        if !self.client.output.json
            && !self.client.output.hex()
            && io::stdin().is_terminal()
            && io::stdout().is_terminal()
        {
            let mut front = Front::begin()?;
            let input = front.input();
            let end = join(input.as_fd()).run(&mut front);
            let left = front.end();
            return end.map(|exit| left.unwrap_or(exit));
        }
        let mut face =
            Pipe { json: self.client.output.json, silent: self.client.output.hex(), sink: context.sink.clone() };
        join(io::stdin().as_fd()).run(&mut face)
    }
}

/// Lines to stdout, for a program.
struct Pipe {
    json: bool,
    silent: bool,
    sink: Arc<dyn Sink>,
}

impl Face for Pipe {
    fn said(&mut self, said: &Said<'_>, history: bool) -> Result<bool> {
        #[derive(serde::Serialize)]
        struct Line<'a> {
            #[serde(flatten)]
            said: &'a Said<'a>,
            #[serde(skip_serializing_if = "std::ops::Not::not")]
            history: bool,
        }
        if self.silent {
            return Ok(true);
        }
        let text = if self.json {
            serde_json::to_string(&Line { said, history }).unwrap_or_default()
        } else {
            said.line.to_owned()
        };
        out::put(format!("{text}\n").as_bytes())
    }

    fn note(&mut self, text: &str) {
        self.sink.emit(None, &Event::Warning { message: text });
    }

    fn asked(&mut self, _: &str) -> bool {
        false
    }
}
