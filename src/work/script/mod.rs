//! The command language of scripts and of the REPL: one parser, one engine, several front ends.
//!
//! A script file has a command a line, `#` begins a comment; in the REPL the same commands stand behind a `/`.

mod act;
pub mod buffer;
pub mod commands;
mod error;
mod expect;
mod lex;
pub mod parse;
mod print;
pub mod report;
pub mod run;
pub mod search;
pub mod slot;
mod tell;
#[cfg(test)]
mod tests;
mod wait;

use std::ops::Range;
use std::time::Duration;

pub use commands::{COMMANDS, CommandInfo};
pub use error::ScriptError;
pub use parse::{needs_more, parse_bytes, parse_command, parse_file, parse_script};
pub use print::{quote, quote_text};

/// A script that parsed: its commands in order.
#[derive(Debug, Clone)]
pub struct Script {
    /// What errors call it: the file's name, `--expect`, or `typed`.
    pub name: String,
    /// Its commands.
    pub statements: Vec<Statement>,
}

impl Script {
    /// Whether it opens files or connections, or might.
    #[must_use]
    pub fn reaches_out(&self) -> bool {
        self.statements.iter().any(|statement| statement.command.reaches_out())
    }
}

impl Command {
    fn reaches_out(&self) -> bool {
        match self {
            Self::SendFile(_) | Self::Open { .. } | Self::Save(_) | Self::Source(_) => true,
            Self::Repeat { statement, .. } => statement.command.reaches_out(),
            _ => false,
        }
    }
}

/// One command and where it stands.
#[derive(Debug, Clone)]
pub struct Statement {
    /// What to do.
    pub command: Command,
    /// Where it stands.
    pub place: Place,
}

/// A place in a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The script's name.
    pub script: String,
    /// The line, from 1.
    pub line: usize,
    /// That line's text.
    pub text: String,
    /// The command's bytes in that text.
    pub at: Range<usize>,
}

/// A command. `within` is how long it may wait, where one was given.
#[derive(Debug, Clone)]
pub enum Command {
    /// Sends these bytes.
    Send(Text),
    /// Sends these bytes, which were written in hex.
    SendHex(Vec<u8>),
    /// Sends a file.
    SendFile(Text),
    /// Sends this text and the line end that is set.
    SendLine(Text),
    /// Takes what comes next: anything, or exactly so many bytes.
    Recv {
        /// How many.
        bytes: Option<usize>,
        /// The limit.
        within: Option<Duration>,
    },
    /// Waits for this to come.
    Expect {
        /// What.
        pattern: Pattern,
        /// The limit.
        within: Option<Duration>,
    },
    /// Waits for the peer's end (FIN).
    ExpectEof {
        /// The limit.
        within: Option<Duration>,
    },
    /// Waits for the connection to be reset (RST).
    ExpectReset {
        /// The limit.
        within: Option<Duration>,
    },
    /// Nothing may come for so long.
    ExpectSilence(Duration),
    /// Waits.
    Sleep(Duration),
    /// Half-closes.
    Shutdown(Half),
    /// Secures the connection.
    Starttls {
        /// The limit.
        within: Option<Duration>,
    },
    /// Closes the connection.
    Close,
    /// Resets the connection.
    Reset,
    /// Opens another connection, which becomes the current one.
    Open {
        /// Where to, in the address grammar.
        address: Text,
        /// The limit.
        within: Option<Duration>,
    },
    /// Takes the next connection of the listener, which becomes the current one.
    Accept {
        /// The limit.
        within: Option<Duration>,
    },
    /// Makes another connection the current one.
    Use(u64),
    /// Lists the connections.
    Conns,
    /// Sets how commands behave, or a socket option.
    Set(Setting),
    /// Reads a socket option.
    Get(String),
    /// Tells about the current connection.
    Info,
    /// Lists the socket options and their values.
    Options,
    /// Tells bytes, rates and the kernel's figures.
    Stats,
    /// Lists what was typed.
    History,
    /// Writes the typed session as a script.
    Save(Text),
    /// Runs another script.
    Source(Text),
    /// Runs a command several times.
    Repeat {
        /// How often.
        times: u64,
        /// What.
        statement: Box<Statement>,
    },
    /// Says something.
    Echo(Text),
    /// Tells what commands there are.
    Help(Option<String>),
    /// Ends.
    Quit,
}

/// Text with the captures of earlier expects in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text(pub Vec<Part>);

/// The line ends, by the names that `set eol` has for them.
pub const EOLS: [(&str, &[u8]); 3] = [("lf", b"\n"), ("crlf", b"\r\n"), ("none", b"")];

/// The command that `--greeting` puts in front of a script.
#[must_use]
pub fn greeting(bytes: &[u8]) -> Statement {
    let text = quote(bytes);
    let place = Place { script: "--greeting".to_owned(), line: 1, at: 0..text.len(), text };
    Statement { command: Command::Send(Text(vec![Part::Bytes(bytes.to_vec())])), place }
}

/// A piece of a [`Text`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// These bytes.
    Bytes(Vec<u8>),
    /// What the group with this name or number captured: `${1}`, `${name}`.
    Capture(String),
}

/// What an expect looks for.
#[derive(Debug, Clone)]
pub enum Pattern {
    /// These bytes.
    Text(Text),
    /// A match of this expression (crate regex, on bytes).
    Regex(search::Expression),
}

/// A direction of a half-close.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Half {
    /// What we receive.
    Read,
    /// What we send.
    Write,
}

/// What `set` sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Setting {
    /// The line end of `send-line` and of typed lines: `lf`, `crlf`, `none`.
    Eol(Vec<u8>),
    /// How long a command waits that says nothing itself.
    Timeout(Duration),
    /// Whether payload is shown as a hex dump.
    Hex(bool),
    /// A socket option: its row's name and the text of its value, `None` for a flag.
    Option(&'static str, Option<String>),
}
