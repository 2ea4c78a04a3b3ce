//! The commands: the only list of their names. The parser, `help` and completion all read it.

use super::Command;
use super::error::Problem;
use super::lex::Reader;
use super::parse as read;

/// A command.
#[derive(Debug)]
pub struct CommandInfo {
    /// What is typed.
    pub name: &'static str,
    /// Its arguments, as help shows them; empty when there are none.
    pub arguments: &'static str,
    /// What it does, in one line.
    pub help: &'static str,
    /// A use of it that parses.
    pub example: &'static str,
    /// Reads its arguments; the name is taken already.
    pub(super) read: fn(&mut Reader<'_>, &'static CommandInfo) -> Result<Command, Problem>,
}

/// The command of that name. Names are exact.
#[must_use]
pub fn by_name(name: &str) -> Option<&'static CommandInfo> {
    COMMANDS.iter().find(|info| info.name == name)
}

/// What people type who think of another tool, and what it is here.
const ELSEWHERE: &[(&str, &str)] = &[
    ("exit", "quit"),
    ("bye", "quit"),
    ("q", "quit"),
    ("connect", "open"),
    ("listen", "accept"),
    ("disconnect", "close"),
    ("read", "recv"),
    ("receive", "recv"),
    ("write", "send"),
    ("print", "echo"),
    ("puts", "send-line"),
    ("sendline", "send-line"),
    ("wait", "sleep"),
    ("delay", "sleep"),
    ("pause", "sleep"),
    ("loop", "repeat"),
    ("include", "source"),
    ("?", "help"),
];

/// The names that were probably meant, best first.
pub(super) fn nearest(typed: &str) -> Vec<&'static str> {
    let typed = typed.to_ascii_lowercase().replace('_', "-");
    match ELSEWHERE.iter().find(|(other, _)| *other == typed) {
        Some((_, name)) => vec![name],
        None => similar(&typed, COMMANDS.iter().map(|info| info.name)),
    }
}

/// Those of `names` that differ from `typed` by a slip of the finger, or that it begins. At most three.
pub(super) fn similar<'a>(typed: &str, names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    // Longer than any name and any slip; what is compared costs its length squared.
    if typed.len() > 32 {
        return Vec::new();
    }
    let slips = match typed.chars().count() {
        0 | 1 => 0,
        2 | 3 => 1,
        4..=6 => 2,
        _ => 3,
    };
    let mut near: Vec<(usize, &str)> = names
        .filter_map(|name| {
            let distance = strsim::damerau_levenshtein(typed, name);
            let begun = typed.len() >= 2 && name.starts_with(typed);
            // What is only begun is as far as the worst slip: a slip of one letter is likelier.
            (distance <= slips || begun).then_some((distance.min(slips), name))
        })
        .collect();
    near.sort_by_key(|(distance, _)| *distance);
    let best = near.first().map_or(0, |(distance, _)| *distance);
    near.into_iter().take_while(|(distance, _)| *distance == best).map(|(_, name)| name).take(3).collect()
}

/// Every command, in the order in which the help lists them.
pub static COMMANDS: &[CommandInfo] = &[
    CommandInfo {
        name: "send",
        arguments: "TEXT",
        help: "Send the text as it stands, nothing added",
        example: r#"send "hello\r\n""#,
        read: read::send,
    },
    CommandInfo {
        name: "send-line",
        arguments: "[TEXT]",
        help: "Send the text and the line end that is set; without a text an empty line",
        example: "send-line GET / HTTP/1.0",
        read: read::send_line,
    },
    CommandInfo {
        name: "send-hex",
        arguments: "BYTES",
        help: "Send bytes that are written in hex",
        example: "send-hex de ad be ef",
        read: read::send_hex,
    },
    CommandInfo {
        name: "send-file",
        arguments: "PATH",
        help: "Send the contents of a file",
        example: "send-file request.bin",
        read: read::send_file,
    },
    CommandInfo {
        name: "recv",
        arguments: "[SIZE] [within DURATION]",
        help: "Take what comes next, or exactly so many bytes",
        example: "recv 16 within 2s",
        read: read::recv,
    },
    CommandInfo {
        name: "expect",
        arguments: "TEXT|/REGEX/[ism] [within DURATION]",
        help: "Wait until this comes, and capture the groups of the expression",
        example: r"expect /^HTTP\/1\.[01] (\d+)/ within 2s",
        read: read::expect,
    },
    CommandInfo {
        name: "expect-eof",
        arguments: "[within DURATION]",
        help: "Wait until the peer ends its direction (FIN)",
        example: "expect-eof within 2s",
        read: read::expect_eof,
    },
    CommandInfo {
        name: "expect-reset",
        arguments: "[within DURATION]",
        help: "Wait until the peer resets the connection (RST)",
        example: "expect-reset within 2s",
        read: read::expect_reset,
    },
    CommandInfo {
        name: "expect-silence",
        arguments: "DURATION",
        help: "Fail when anything comes for so long",
        example: "expect-silence 500ms",
        read: read::expect_silence,
    },
    CommandInfo {
        name: "open",
        arguments: "ADDRESS [within DURATION]",
        help: "Open another connection, and make it the current one",
        example: "open localhost:8080 within 2s",
        read: read::open,
    },
    CommandInfo {
        name: "accept",
        arguments: "[within DURATION]",
        help: "Take the listener's next connection, and make it the current one",
        example: "accept within 30s",
        read: read::accept,
    },
    CommandInfo {
        name: "starttls",
        arguments: "[within DURATION]",
        help: "Go on in TLS, once both sides have said so in the clear",
        example: "starttls within 2s",
        read: read::starttls,
    },
    CommandInfo {
        name: "use",
        arguments: "N",
        help: "Make another connection the current one",
        example: "use 2",
        read: read::use_connection,
    },
    CommandInfo {
        name: "conns",
        arguments: "",
        help: "List the connections",
        example: "conns",
        read: |_, _| Ok(Command::Conns),
    },
    CommandInfo {
        name: "shutdown",
        arguments: "read|write",
        help: "End one direction: write tells the peer that nothing more comes (FIN)",
        example: "shutdown write",
        read: read::shutdown,
    },
    CommandInfo {
        name: "close",
        arguments: "",
        help: "Close the connection",
        example: "close",
        read: |_, _| Ok(Command::Close),
    },
    CommandInfo {
        name: "reset",
        arguments: "",
        help: "Reset the connection (RST): what is on the way is lost",
        example: "reset",
        read: |_, _| Ok(Command::Reset),
    },
    CommandInfo {
        name: "set",
        arguments: "eol lf|crlf|none | timeout DURATION | hex on|off | OPTION [VALUE]",
        help: "Set how commands behave, or a socket option",
        example: "set so-rcvbuf 64k",
        read: read::set,
    },
    CommandInfo {
        name: "get",
        arguments: "OPTION",
        help: "Read a socket option",
        example: "get so-rcvbuf",
        read: read::get,
    },
    CommandInfo {
        name: "options",
        arguments: "",
        help: "List the socket options and their values",
        example: "options",
        read: |_, _| Ok(Command::Options),
    },
    CommandInfo {
        name: "info",
        arguments: "",
        help: "Tell about the current connection",
        example: "info",
        read: |_, _| Ok(Command::Info),
    },
    CommandInfo {
        name: "stats",
        arguments: "",
        help: "Tell bytes, rates and the kernel's figures",
        example: "stats",
        read: |_, _| Ok(Command::Stats),
    },
    CommandInfo { name: "sleep", arguments: "DURATION", help: "Wait", example: "sleep 200ms", read: read::sleep },
    CommandInfo {
        name: "repeat",
        arguments: "N COMMAND",
        help: "Run a command several times",
        example: "repeat 3 send-line ping",
        read: read::repeat,
    },
    CommandInfo {
        name: "echo",
        arguments: "[TEXT]",
        help: "Say something here; nothing is sent",
        example: "echo the answer was ${1}",
        read: read::echo,
    },
    CommandInfo {
        name: "source",
        arguments: "FILE",
        help: "Run the commands of another script here",
        example: "source login.sk",
        read: read::source,
    },
    CommandInfo {
        name: "save",
        arguments: "FILE",
        help: "Write the typed session as a script",
        example: "save session.sk",
        read: read::save,
    },
    CommandInfo {
        name: "history",
        arguments: "",
        help: "List what was typed",
        example: "history",
        read: |_, _| Ok(Command::History),
    },
    CommandInfo {
        name: "help",
        arguments: "[COMMAND]",
        help: "Tell what commands there are, or about one",
        example: "help expect",
        read: read::help,
    },
    CommandInfo { name: "quit", arguments: "", help: "End", example: "quit", read: |_, _| Ok(Command::Quit) },
];
