//! What parses, what does not, and where.

mod bad;
mod engine;
mod golden;
mod good;
mod random;

use std::time::Duration;

use super::parse::parse_script;
use super::{Command, Part, Pattern, Statement, Text};

/// The one command of a script.
#[track_caller]
fn one(source: &str) -> Command {
    let mut statements = all(source);
    assert_eq!(statements.len(), 1, "{source}");
    statements.remove(0).command
}

#[track_caller]
fn all(source: &str) -> Vec<Statement> {
    parse_script("test.sk", source).unwrap_or_else(|error| panic!("{error}")).statements
}

/// A text as it would be sent, with its captures in angle brackets.
fn flat(text: &Text) -> Vec<u8> {
    let mut out = Vec::new();
    for part in &text.0 {
        match part {
            Part::Bytes(bytes) => out.extend_from_slice(bytes),
            Part::Capture(name) => out.extend_from_slice(format!("<{name}>").as_bytes()),
        }
    }
    out
}

#[track_caller]
fn sent(source: &str) -> Vec<u8> {
    match one(source) {
        Command::Send(text) | Command::SendLine(text) | Command::Echo(text) => flat(&text),
        other => panic!("{source}: {other:?}"),
    }
}

#[track_caller]
fn expected(source: &str) -> (Vec<u8>, Option<Duration>) {
    match one(source) {
        Command::Expect { pattern: Pattern::Text(text), within } => (flat(&text), within),
        Command::Expect { pattern: Pattern::Regex(regex), within } => (regex.as_str().as_bytes().to_vec(), within),
        other => panic!("{source}: {other:?}"),
    }
}
