//! A typed session, kept so that `/save` can write it as a script that passes when it is run again.
//!
//! What went over the connections counts, not how it was asked for: everything that was sent becomes `send` or
//! `send-line`, everything that came `expect`, in the order in which it happened. So commands that send or that wait
//! for something are not kept themselves, and those that only tell neither.

use std::collections::HashSet;
use std::fmt::Write as _;

use crate::event::ConnId;
use crate::work::script::{Command, EOLS, Setting, quote};

/// So much of a session is kept, in bytes.
const LONGEST: usize = 4 << 20;
/// One `expect` or `send` on a stream holds no more, in bytes: escaped it is four times as long, and a line of a script
/// has an end.
const PIECE: usize = 4096;
/// A message is sent as a whole, so up to this many bytes.
const MESSAGE: usize = 15 << 10;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Record {
    entries: Vec<Entry>,
    bytes: usize,
    /// Connections on which messages are kept apart.
    messages: HashSet<ConnId>,
    /// What is sent now is a line, and this ends it.
    line: Option<Vec<u8>>,
    /// Counts the commands.
    unit: u64,
    /// The session was longer than what is kept.
    long: bool,
}

#[derive(Debug)]
enum Entry {
    Sent { conn: ConnId, bytes: Vec<u8>, eol: Option<Vec<u8>>, unit: u64 },
    Came { conn: ConnId, bytes: Vec<u8> },
    Ended { conn: ConnId, how: &'static str },
    Command { text: String, on: Option<ConnId>, then: Option<ConnId> },
    Note(String),
}

impl Record {
    /// A command begins; `eol` ends what it sends, if that is a line.
    pub(super) fn begin(&mut self, eol: Option<&[u8]>) {
        self.unit += 1;
        self.line = eol.map(<[u8]>::to_vec);
    }

    /// Messages are kept apart on this connection.
    pub(super) fn has_messages(&mut self, conn: ConnId) {
        self.messages.insert(conn);
    }

    fn fits(&mut self, bytes: usize) -> bool {
        self.bytes += bytes + 32;
        self.long |= self.bytes > LONGEST;
        !self.long
    }

    pub(super) fn sent(&mut self, now: ConnId, new: &[u8]) {
        if !self.fits(new.len()) {
            return;
        }
        let apart = self.messages.contains(&now);
        match self.entries.last_mut() {
            Some(Entry::Sent { conn, bytes, unit, .. }) if *conn == now && *unit == self.unit && !apart => {
                bytes.extend_from_slice(new);
            }
            _ => {
                let (bytes, eol, unit) = (new.to_vec(), self.line.clone(), self.unit);
                self.entries.push(Entry::Sent { conn: now, bytes, eol, unit });
            }
        }
    }

    pub(super) fn came(&mut self, now: ConnId, new: &[u8]) {
        if !self.fits(new.len()) {
            return;
        }
        let apart = self.messages.contains(&now);
        match self.entries.last_mut() {
            Some(Entry::Came { conn, bytes }) if *conn == now && !apart => bytes.extend_from_slice(new),
            _ => self.entries.push(Entry::Came { conn: now, bytes: new.to_vec() }),
        }
    }

    /// The peer has ended, or reset, this connection.
    pub(super) fn ended(&mut self, conn: ConnId, reset: bool) {
        let how = if reset { "expect-reset" } else { "expect-eof" };
        self.entries.push(Entry::Ended { conn, how });
    }

    /// This command has passed. The current connection before it and after it.
    pub(super) fn passed(&mut self, command: &Command, text: &str, on: Option<ConnId>, then: Option<ConnId>) {
        let text = text.trim().to_owned();
        if let Command::Source(_) = command {
            self.entries.push(Entry::Note(format!("from here on, what `{text}` has sent and got:")));
        } else if is_kept(command) && self.fits(text.len()) {
            self.entries.push(Entry::Command { text, on, then });
        }
    }

    /// The script. `first` is the connection with which it begins, and `eol` the line end.
    pub(super) fn script(&self, title: &str, first: Option<ConnId>, eol: &[u8]) -> String {
        let mut out = format!("# {title}\n");
        let mut eol = eol.to_vec();
        let mut current = first;
        if eol != b"\n" {
            let _ = writeln!(out, "set eol {}", eol_name(&eol));
        }
        for entry in &self.entries {
            let on = match entry {
                Entry::Sent { conn, .. } | Entry::Came { conn, .. } | Entry::Ended { conn, .. } => Some(*conn),
                Entry::Command { on, .. } => *on,
                Entry::Note(_) => current,
            };
            if let Some(conn) = on
                && on != current
            {
                let _ = writeln!(out, "use {conn}");
                current = on;
            }
            match entry {
                Entry::Sent { conn, bytes, eol: end, .. } => {
                    let line = end.as_ref().and_then(|end| bytes.strip_suffix(end.as_slice()));
                    let mut text = line.unwrap_or(bytes);
                    if self.messages.contains(conn) {
                        if text.len() > MESSAGE {
                            let _ = writeln!(
                                out,
                                "# here a message of {} bytes was sent, too long for a line",
                                bytes.len()
                            );
                            continue;
                        }
                    } else {
                        // On a stream pieces are as good as the whole.
                        while text.len() > PIECE {
                            let _ = writeln!(out, "send {}", quote(&text[..PIECE]));
                            text = &text[PIECE..];
                        }
                    }
                    match end {
                        Some(end) if line.is_some() => {
                            if *end != eol {
                                eol.clone_from(end);
                                let _ = writeln!(out, "set eol {}", eol_name(end));
                            }
                            let _ = writeln!(out, "send-line {}", quote(text));
                        }
                        _ => {
                            let _ = writeln!(out, "send {}", quote(text));
                        }
                    }
                }
                Entry::Came { conn, bytes } if self.messages.contains(conn) => {
                    // There is nothing to look for in an empty message.
                    if !bytes.is_empty() {
                        let _ = writeln!(out, "expect {}", quote(&bytes[..bytes.len().min(PIECE)]));
                    }
                }
                Entry::Came { bytes, .. } => {
                    for piece in bytes.split_inclusive(|byte| *byte == b'\n').flat_map(|line| line.chunks(PIECE)) {
                        let _ = writeln!(out, "expect {}", quote(piece));
                    }
                }
                Entry::Ended { how, .. } => {
                    let _ = writeln!(out, "{how}");
                }
                Entry::Command { text, then, .. } => {
                    let _ = writeln!(out, "{text}");
                    current = *then;
                }
                Entry::Note(text) => {
                    let _ = writeln!(out, "# {text}");
                }
            }
        }
        if self.long {
            out.push_str("# The session went on; no more of it was kept.\n");
        }
        out
    }
}

fn eol_name(eol: &[u8]) -> &'static str {
    EOLS.into_iter().find(|(_, bytes)| *bytes == eol).map_or("lf", |(name, _)| name)
}

/// Whether a command is kept as it was typed.
fn is_kept(command: &Command) -> bool {
    match command {
        Command::Open { .. }
        | Command::Accept { .. }
        | Command::Starttls { .. }
        | Command::Use(_)
        | Command::Close
        | Command::Reset
        | Command::Shutdown(_)
        | Command::Sleep(_)
        | Command::ExpectSilence(_)
        | Command::Echo(_)
        | Command::Set(Setting::Option(..)) => true,
        Command::Repeat { statement, .. } => is_kept(&statement.command),
        // The line end is set where a line needs it; a short timeout was for a person who waits.
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::work::script::{parse_command, parse_script};

    fn command(text: &str) -> Command {
        parse_command("typed", 1, text).unwrap().unwrap().command
    }

    #[test]
    fn a_session_becomes_a_script() {
        let mut record = Record::default();
        record.begin(Some(b"\n"));
        record.sent(1, b"hel");
        record.sent(1, b"lo\n");
        record.came(1, b"he");
        record.came(1, b"llo\nwor");
        record.came(2, b"x\x1b");
        record.begin(None);
        record.sent(1, b"raw");
        for text in ["shutdown write", "get nodelay", "expect raw", "set timeout 1ms"] {
            record.passed(&command(text), text, Some(1), Some(1));
        }
        record.ended(1, false);
        record.passed(&command("open x:1"), "open x:1", Some(1), Some(3));
        record.begin(Some(b"\r\n"));
        record.sent(3, b"a\r\n");
        let script = record.script("title", Some(1), b"\n");
        assert_eq!(
            script.lines().collect::<Vec<_>>(),
            [
                "# title",
                r#"send-line "hello""#,
                r#"expect "hello\n""#,
                r#"expect "wor""#,
                "use 2",
                &format!("expect {}", quote(b"x\x1b")),
                "use 1",
                r#"send "raw""#,
                "shutdown write",
                "expect-eof",
                "open x:1",
                "set eol crlf",
                r#"send-line "a""#,
            ]
        );
        parse_script("saved", &script).unwrap();
    }

    #[test]
    fn a_long_session_is_cut() {
        let mut record = Record::default();
        record.sent(1, &vec![0; 100_000]);
        for _ in 0..10 {
            record.came(1, &vec![b'x'; 1 << 20]);
        }
        let script = record.script("title", Some(1), b"\n");
        assert!(script.len() < 2 * LONGEST && script.ends_with("no more of it was kept.\n"));
        assert_eq!(script.matches("send ").count(), 25);
        parse_script("saved", &script).unwrap();
    }
}
