//! What the editor knows of the language while a line is typed: completion, hints, colours, and whether it goes on.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

use colored::Colorize as _;
use rustyline::completion::{Completer, Pair};
use rustyline::error::ReadlineError;
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::{Hint, Hinter};
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Context, Helper};

use super::editor::Shared;
use super::units;
use crate::event::ConnId;
use crate::net::options::{self, TABLE};
use crate::text::is_hazard;
use crate::work::script::commands::by_name;
use crate::work::script::{COMMANDS, EOLS};

/// What of a session can be completed.
#[derive(Debug, Default, Clone)]
pub(super) struct Known {
    /// Addresses that were talked to.
    pub addresses: Vec<String>,
    /// The numbers of the connections.
    pub conns: Vec<ConnId>,
}

/// What may stand at the end of this, the begin of a line: where it begins, and the whole words.
#[must_use]
pub(super) fn complete(line: &str, known: &Known) -> (usize, Vec<String>) {
    let Some(mut rest) = line.strip_prefix('/').filter(|rest| !rest.starts_with('/')) else { return (0, Vec::new()) };
    // `repeat 3 COMMAND`
    while let Some(inner) = rest.strip_prefix("repeat ").and_then(|rest| rest.trim_start().split_once(' ')) {
        if inner.0.is_empty() || !inner.0.bytes().all(|byte| byte.is_ascii_digit()) {
            break;
        }
        rest = inner.1.trim_start();
    }
    let Some((name, arguments)) = rest.split_once(' ') else {
        let names = COMMANDS.iter().filter(|info| info.name.starts_with(rest));
        let words = names.map(|info| format!("{}{}", info.name, if info.arguments.is_empty() { "" } else { " " }));
        return (line.len() - rest.len(), words.collect());
    };
    let arguments = arguments.trim_start();
    if matches!(name, "send-file" | "source" | "save") {
        return (line.len() - arguments.len(), files(arguments));
    }
    let words: Vec<&str> = arguments.split(' ').filter(|word| !word.is_empty()).collect();
    let (before, word) = match words.split_last() {
        Some((last, before)) if !arguments.ends_with(' ') => (before, *last),
        _ => (&words[..], ""),
    };
    let candidates = candidates(name, before, known);
    let fitting = candidates.into_iter().filter(|candidate| candidate.starts_with(word));
    (line.len() - word.len(), fitting.collect())
}

fn candidates(name: &str, before: &[&str], known: &Known) -> Vec<String> {
    let own = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    match (name, before) {
        ("help", []) => COMMANDS.iter().map(|info| info.name.to_owned()).collect(),
        ("set", []) => {
            let mut names = own(&["eol ", "timeout ", "hex "]);
            names.extend(TABLE.iter().map(|opt| {
                let flag = opt.value_name.is_empty();
                format!("{}{}", opt.name, if flag { "" } else { " " })
            }));
            names
        }
        ("get", []) => TABLE.iter().map(|opt| opt.name.to_owned()).collect(),
        ("set", ["eol"]) => own(&EOLS.map(|(name, _)| name)),
        ("set", ["hex"]) => own(&["on", "off"]),
        ("set", [option]) => options::by_name(option).map_or_else(Vec::new, |opt| {
            let mut values = opt.takes.choices();
            values.extend(opt.known.iter().filter(|known| !opt.takes.choices().contains(known)));
            own(&values)
        }),
        ("shutdown", []) => own(&["read", "write"]),
        ("open", []) => known.addresses.clone(),
        ("use", []) => known.conns.iter().map(ConnId::to_string).collect(),
        (_, before) if before.last() != Some(&"within") => {
            let waits = by_name(name).is_some_and(|info| info.arguments.contains("within"));
            if waits && (!before.is_empty() || !matches!(name, "expect" | "open")) {
                own(&["within "])
            } else {
                Vec::new()
            }
        }
        _ => Vec::new(),
    }
}

/// The files whose names begin so.
fn files(typed: &str) -> Vec<String> {
    let (dir, begin) = typed.rsplit_once('/').map_or(("", typed), |(dir, _)| typed.split_at(dir.len() + 1));
    let Ok(entries) = std::fs::read_dir(if dir.is_empty() { Path::new(".") } else { Path::new(dir) }) else {
        return Vec::new();
    };
    let mut names: Vec<String> = entries
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let hidden = name.starts_with('.') && !begin.starts_with('.');
            // What cannot be typed as it is, or would act on the terminal, is not offered.
            let plain = !name.chars().any(|c| is_hazard(c) || matches!(c, '"' | '\\'));
            let slash = if entry.path().is_dir() { "/" } else { "" };
            (plain && !hidden && name.starts_with(begin)).then(|| format!("{dir}{name}{slash}"))
        })
        .collect();
    names.sort();
    names
}

/// The arguments of a command whose name is typed and nothing else.
fn hint(line: &str) -> Option<String> {
    let name = line.strip_prefix('/')?;
    let (name, blank) = name.strip_suffix(' ').map_or((name, " "), |name| (name, ""));
    let info = by_name(name).filter(|info| !info.arguments.is_empty())?;
    Some(format!("{blank}{}", info.arguments))
}

/// A command in colours: its name, and the texts in quotes.
fn colour(line: &str) -> Option<String> {
    let rest = line.strip_prefix('/').filter(|rest| !rest.starts_with('/'))?;
    let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
    let (name, mut rest) = rest.split_at(end);
    let begun = COMMANDS.iter().any(|info| info.name.starts_with(name));
    let name = format!("/{name}");
    let mut out = match by_name(&name[1..]) {
        Some(_) => name.cyan().bold().to_string(),
        None if begun && rest.is_empty() => name.cyan().to_string(),
        None => name.red().to_string(),
    };
    while let Some(open) = rest.find('"') {
        let mut escaped = false;
        let close = rest[open + 1..].find(|c| {
            let closes = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            closes
        });
        let end = close.map_or(rest.len(), |close| open + 1 + close + 1);
        out.push_str(&rest[..open]);
        // A colour is set anew in each line, as a terminal may be asked to draw them one by one.
        let lines: Vec<String> = rest[open..end].split('\n').map(|line| line.green().to_string()).collect();
        out.push_str(&lines.join("\n"));
        rest = &rest[end..];
    }
    out.push_str(rest);
    Some(out)
}

/// See the module.
pub(super) struct Assistant(pub(super) Arc<Shared>);

impl Helper for Assistant {}

impl Completer for Assistant {
    type Candidate = Pair;

    fn complete(&self, line: &str, pos: usize, _: &Context<'_>) -> Result<(usize, Vec<Pair>), ReadlineError> {
        let (start, words) = complete(&line[..pos], &self.0.known());
        let shown = |word: &str| {
            let word = word.trim_end();
            // Of a path the last part says it.
            let inner = word.strip_suffix('/').unwrap_or(word);
            inner.rfind('/').map_or(word, |slash| &word[slash + 1..]).to_owned()
        };
        let files = line[start..pos].contains('/') || words.iter().any(|word| word.ends_with('/'));
        let pair = |word: String| Pair {
            display: if files { shown(&word) } else { word.trim_end().to_owned() },
            replacement: word,
        };
        Ok((start, words.into_iter().map(pair).collect()))
    }
}

/// A hint that is read and not taken over.
pub(super) struct Arguments(String);

impl Hint for Arguments {
    fn display(&self) -> &str {
        &self.0
    }

    fn completion(&self) -> Option<&str> {
        None
    }
}

impl Hinter for Assistant {
    type Hint = Arguments;

    fn hint(&self, line: &str, pos: usize, _: &Context<'_>) -> Option<Arguments> {
        let mut hint = if pos == line.len() { hint(line) } else { None };
        // It stays in its row; the words of commands are ASCII.
        if let Some(hint) = &mut hint {
            hint.truncate(self.0.room(line));
        }
        self.0.typing(line, pos, hint.as_deref().unwrap_or_default());
        hint.map(Arguments)
    }
}

impl Highlighter for Assistant {
    /// Called whenever the editor draws: what waits to be shown goes in front.
    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(&'s self, prompt: &'p str, _default: bool) -> Cow<'b, str> {
        let mut text = self.0.above();
        match prompt.rsplit_once(' ').filter(|_| !prompt.contains('\x1b')) {
            Some((front, "")) => {
                let (peer, state) = front.rsplit_once(' ').map_or(("", front), |(peer, state)| (peer, state));
                let gap = if peer.is_empty() { "" } else { " " };
                text.push_str(&format!("{}{gap}{} ", peer.dimmed(), state.bold()));
            }
            _ => text.push_str(prompt),
        }
        Cow::Owned(text)
    }

    fn highlight<'l>(&self, line: &'l str, _pos: usize) -> Cow<'l, str> {
        colour(line).map_or(Cow::Borrowed(line), Cow::Owned)
    }

    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        Cow::Owned(hint.dimmed().to_string())
    }

    fn highlight_char(&self, line: &str, pos: usize, kind: CmdKind) -> bool {
        self.0.moved(line, pos);
        kind != CmdKind::MoveCursor && line.starts_with('/')
    }
}

impl Validator for Assistant {
    fn validate(&self, context: &mut ValidationContext<'_>) -> Result<ValidationResult, ReadlineError> {
        let (_, open) = units(context.input());
        Ok(if open { ValidationResult::Incomplete } else { ValidationResult::Valid(None) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(line: &str) -> Vec<String> {
        let known = Known { addresses: vec!["127.0.0.1:80".into(), "unix:/s".into()], conns: vec![1, 12] };
        let (start, words) = complete(line, &known);
        words.into_iter().map(|word| format!("{}{word}", &line[..start])).collect()
    }

    #[test]
    fn what_is_typed_is_completed() {
        assert_eq!(all("/shut"), ["/shutdown "]);
        assert_eq!(all("/conn"), ["/conns"]);
        assert_eq!(all("/expect-"), ["/expect-eof ", "/expect-reset ", "/expect-silence "]);
        assert_eq!(all("/set eo"), ["/set eol "]);
        assert_eq!(all("/set eol "), ["/set eol lf", "/set eol crlf", "/set eol none"]);
        assert_eq!(all("/set hex o"), ["/set hex on", "/set hex off"]);
        assert_eq!(all("/get nodel"), ["/get nodelay"]);
        assert_eq!(all("/shutdown w"), ["/shutdown write"]);
        assert_eq!(all("/open 1"), ["/open 127.0.0.1:80"]);
        assert_eq!(all("/use "), ["/use 1", "/use 12"]);
        assert_eq!(all("/help qu"), ["/help quit"]);
        assert_eq!(all("/repeat 3 send-l"), ["/repeat 3 send-line "]);
        assert_eq!(all("/expect-eof w"), ["/expect-eof within "]);
        for nothing in ["", "plain", "//x", "/nosuch x", "/send te"] {
            assert_eq!(all(nothing), [""; 0], "{nothing}");
        }
    }

    #[test]
    fn every_option_can_be_set_and_got() {
        for opt in TABLE {
            assert!(all(&format!("/get {}", opt.name)).contains(&format!("/get {}", opt.name)), "{}", opt.name);
        }
        let values = all("/set dscp ");
        assert!(values.iter().any(|line| line.ends_with(" ef")), "{values:?}");
    }

    #[test]
    fn files_are_found() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["one.sk", "on\x1b[31m", ".hidden"] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        std::fs::create_dir(dir.path().join("only")).unwrap();
        let base = dir.path().display();
        assert_eq!(
            all(&format!("/source {base}/o")),
            [format!("/source {base}/one.sk"), format!("/source {base}/only/")]
        );
    }

    #[test]
    fn arguments_are_hinted() {
        assert_eq!(hint("/shutdown").as_deref(), Some(" read|write"));
        assert_eq!(hint("/shutdown ").as_deref(), Some("read|write"));
        for nothing in ["/conns", "/shutdown r", "shutdown", "/", ""] {
            assert_eq!(hint(nothing), None, "{nothing}");
        }
    }
}
