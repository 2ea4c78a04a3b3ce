//! The lines that the server writes, and how a client tells them apart.
//!
//! What begins a line says what it is, and nobody in a room can make a line that begins otherwise: names and rooms
//! have neither spaces nor brackets, and what people write stands behind.
//!
//! | line | |
//! |---|---|
//! | `[ROOM] <NAME> TEXT` | said in a room |
//! | `[ROOM] * NAME TEXT` | done in a room (`/me`) |
//! | `[ROOM] -- NAME joined`, `left`, `left (WHY)`, `is now NEW` | who is in a room |
//! | `<NAME> TEXT` | said to you alone (`/msg`) |
//! | `-> <NAME> TEXT` | what you said to NAME alone |
//! | `-- TEXT` | from the server, to you alone |

use serde::Serialize;

/// Asked of a new client, without a line end; then [`ASK_NAME`].
pub(super) const ASK_PASSWORD: &str = "password: ";
/// See [`ASK_PASSWORD`].
pub(super) const ASK_NAME: &str = "name: ";
/// Begins the notice that tells a client its name.
pub(super) const YOU_ARE: &str = "you are ";
/// Begins the notice before so many lines of history.
pub(super) const HISTORY: &str = "history: ";

/// What a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Said in a room.
    Say,
    /// Done in a room.
    Me,
    /// Came into a room.
    Join,
    /// Left it.
    Leave,
    /// Has another name.
    Nick,
    /// Said to you alone.
    Msg,
    /// What you said to somebody alone.
    Sent,
    /// From the server to you alone.
    Notice,
    /// Something else: this is no room.
    Other,
}

/// A line taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Said<'a> {
    /// What it is.
    pub kind: Kind,
    /// Where.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub room: Option<&'a str>,
    /// Who.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<&'a str>,
    /// To whom, or the new name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<&'a str>,
    /// What.
    pub text: &'a str,
    /// All of the line.
    #[serde(skip)]
    pub line: &'a str,
}

impl<'a> Said<'a> {
    /// Takes a line apart, which is without its end.
    #[must_use]
    pub fn of(line: &'a str) -> Self {
        let other = Self { kind: Kind::Other, room: None, from: None, to: None, text: line, line };
        Self::parse(line).unwrap_or(other)
    }

    fn parse(line: &'a str) -> Option<Self> {
        let named = |text: &'a str| text.strip_prefix('<')?.split_once("> ");
        let plain = |kind, text| Self { kind, room: None, from: None, to: None, text, line };
        if let Some(text) = line.strip_prefix("-- ") {
            return Some(plain(Kind::Notice, text));
        }
        if let Some(rest) = line.strip_prefix("-> ") {
            let (to, text) = named(rest)?;
            return Some(Self { to: Some(to), ..plain(Kind::Sent, text) });
        }
        if let Some((from, text)) = named(line) {
            return Some(Self { from: Some(from), ..plain(Kind::Msg, text) });
        }
        let (room, rest) = line.strip_prefix('[')?.split_once("] ")?;
        let in_room = |kind, from, text| Some(Self { room: Some(room), from: Some(from), ..plain(kind, text) });
        if let Some((from, text)) = named(rest) {
            return in_room(Kind::Say, from, text);
        }
        if let Some((from, text)) = rest.strip_prefix("* ").and_then(|rest| rest.split_once(' ')) {
            return in_room(Kind::Me, from, text);
        }
        let (from, text) = rest.strip_prefix("-- ")?.split_once(' ')?;
        if let Some(new) = text.strip_prefix("is now ") {
            return in_room(Kind::Nick, from, text).map(|said| Self { to: Some(new), ..said });
        }
        in_room(if text == "joined" { Kind::Join } else { Kind::Leave }, from, text)
    }

    /// The name that this notice says we have.
    #[must_use]
    pub fn our_name(&self) -> Option<&'a str> {
        let words = (self.kind == Kind::Notice).then(|| self.text.strip_prefix(YOU_ARE)).flatten()?;
        words.split(' ').next()
    }

    /// How many lines of history this notice says that follow.
    #[must_use]
    pub fn history(&self) -> Option<usize> {
        let words = (self.kind == Kind::Notice).then(|| self.text.strip_prefix(HISTORY)).flatten()?;
        words.split(' ').next()?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_begins_a_line_says_what_it_is() {
        let told = |line| serde_json::to_string(&Said::of(line)).unwrap();
        for (line, json) in [
            ("[lobby] <bob> hi > there", r#"{"kind":"say","room":"lobby","from":"bob","text":"hi > there"}"#),
            ("[lobby] <bob> -- carol left", r#"{"kind":"say","room":"lobby","from":"bob","text":"-- carol left"}"#),
            ("[lobby] * bob joined", r#"{"kind":"me","room":"lobby","from":"bob","text":"joined"}"#),
            ("[lobby] -- bob joined", r#"{"kind":"join","room":"lobby","from":"bob","text":"joined"}"#),
            ("[lobby] -- bob left (x)", r#"{"kind":"leave","room":"lobby","from":"bob","text":"left (x)"}"#),
            ("[r] -- bob is now al", r#"{"kind":"nick","room":"r","from":"bob","to":"al","text":"is now al"}"#),
            ("<bob> [lobby] <x> y", r#"{"kind":"msg","from":"bob","text":"[lobby] <x> y"}"#),
            ("-> <bob> psst", r#"{"kind":"sent","to":"bob","text":"psst"}"#),
            ("-- you are bob in lobby", r#"{"kind":"notice","text":"you are bob in lobby"}"#),
            ("SSH-2.0-OpenSSH", r#"{"kind":"other","text":"SSH-2.0-OpenSSH"}"#),
            ("", r#"{"kind":"other","text":""}"#),
        ] {
            assert_eq!(told(line), json, "{line}");
        }
        assert_eq!(Said::of("-- you are bob in lobby").our_name(), Some("bob"));
        assert_eq!(Said::of("<x> you are bob in lobby").our_name(), None);
        assert_eq!(Said::of("-- history: 12 lines").history(), Some(12));
    }
}
