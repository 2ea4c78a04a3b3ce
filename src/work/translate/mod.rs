//! Lines of nc(1), ncat(1) and socat(1) in sockkit's words.
//!
//! Nothing is run and nothing is asked. What is otherwise here is a note; what there is no word for is named, and
//! the rest of the line stands without it.

use std::ops::Range;

use crate::span::Misread;

mod getopt;
mod nc;
mod ncat;
mod socat;
/// The URL of a proxy, with the port that nc and ncat take where none is given.
fn proxy(scheme: &str, address: &str) -> String {
    let bare = address.rsplit(']').next().unwrap_or(address);
    let port = if scheme == "http" { ":3128" } else { "" };
    format!("{scheme}://{address}{}", if bare.contains(':') { "" } else { port })
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) use tests::IDIOMS;

/// The programs whose lines are known.
const PROGRAMS: &str = "nc, netcat, nc.openbsd, nc.traditional, ncat, socat";
/// What may stand in front of a program and leaves what it does alone.
const FRONTS: [&str; 7] = ["sudo", "doas", "timeout", "nohup", "exec", "time", "env"];
/// Words at which a shell begins or ends a command.
const BETWEEN: [&str; 5] = ["|", "|&", "&&", "||", ";"];
/// Words of a shell behind which a command begins.
const BEGIN: [&str; 8] = ["do", "then", "else", "if", "while", "until", "!", "("];

/// A line in our words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Translation {
    /// What stands in front of it in the shell, as it was.
    before: String,
    /// The words of the command, `sockkit` the first. None where there is nothing to run.
    pub command: Vec<String>,
    /// Redirections and what follows.
    after: String,
    /// What is otherwise here.
    pub notes: Vec<String>,
    /// What there is no word for yet.
    pub cannot: Vec<String>,
}

impl Translation {
    /// The line, ready to be pasted into a shell. None where nothing of it can be said.
    #[must_use]
    pub fn line(&self) -> Option<String> {
        (!self.command.is_empty()).then(|| format!("{}{}{}", self.before, shell_words::join(&self.command), self.after))
    }

    fn note(&mut self, text: impl Into<String>) {
        let text = text.into();
        if !self.notes.contains(&text) {
            self.notes.push(text);
        }
    }

    fn cannot(&mut self, text: impl Into<String>) {
        self.cannot.push(text.into());
    }
}

/// Splits a line as a shell does, with `;` and `|` as words of their own wherever no quote holds them.
///
/// # Errors
/// A quote that is not closed.
pub fn split(line: &str) -> Result<Vec<String>, Misread> {
    let mut spaced = String::new();
    let mut quote = None;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (None, ';') => spaced.push_str(" ; "),
            (None, '|') => {
                let pair = chars.next_if(|next| matches!(next, '|' | '&'));
                spaced.extend([' ', '|'].into_iter().chain(pair).chain([' ']));
            }
            (None, '\'') | (None, '"') => {
                quote = Some(c);
                spaced.push(c);
            }
            (Some('"') | None, '\\') => spaced.extend([c].into_iter().chain(chars.next())),
            (Some(open), _) if open == c => {
                quote = None;
                spaced.push(c);
            }
            _ => spaced.push(c),
        }
    }
    let end = line.len()..line.len();
    shell_words::split(&spaced).map_err(|_| Misread::new("command line", line, end, "a quote is not closed"))
}

/// Translates one line, given as the words of it.
///
/// # Errors
/// A program, flag or address that is not known, with its place in the words, joined as for a shell.
pub fn translate(words: &[String]) -> Result<Translation, Misread> {
    let line = Line::new(words);
    let Some(at) = program(words) else {
        let message = format!("this is none of {PROGRAMS}");
        return Err(line.misread(0, message).hint("sockkit explain 'nc -l -p 80'"));
    };
    let end = words.iter().skip(at + 1).position(|word| ends_command(word)).map_or(words.len(), |n| at + 1 + n);
    let line = Line { from: at + 1, own: &words[at + 1..end], ..line };
    let name = base(&words[at]);
    let mut out = match name {
        "socat" | "socat1" | "socat2" => socat::translate(&line)?,
        "ncat" => ncat::translate(&line)?,
        _ => nc::translate(&line, name)?,
    };
    let raw = |words: &[String]| words.iter().map(|word| as_typed(word)).collect::<Vec<_>>().join(" ");
    if at > 0 {
        out.before = format!("{} ", raw(&words[..at]));
    }
    if end < words.len() {
        out.after.push(' ');
        out.after.push_str(&raw(&words[end..]));
    }
    Ok(out)
}

fn base(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or(word)
}

fn is_program(word: &str) -> bool {
    matches!(base(word), "nc" | "netcat" | "nc.openbsd" | "nc.traditional" | "ncat" | "socat" | "socat1" | "socat2")
}

/// Where the program stands: first, behind a pipe, or behind one of those that run another.
fn program(words: &[String]) -> Option<usize> {
    let at = words.iter().position(|word| is_program(word))?;
    let first = words.first()?;
    let begins = at == 0
        || BETWEEN.contains(&words[at - 1].as_str())
        || BEGIN.contains(&words[at - 1].as_str())
        || FRONTS.contains(&base(first))
        || (first.contains('=') && !first.starts_with('='));
    begins.then_some(at)
}

/// Whether a shell takes this word for its own. Quotes are gone by now; a word with a blank had some.
fn ends_command(word: &str) -> bool {
    let redirects = || word.trim_start_matches(|c: char| c.is_ascii_digit()).starts_with(['<', '>']);
    !word.contains(' ') && (BETWEEN.contains(&word) || word == "&" || redirects())
}

/// A word as it stands in the line: what the shell takes for its own is not quoted.
fn as_typed(word: &str) -> String {
    let own = ends_command(word) || BETWEEN.contains(&word);
    let plain = |c: char| c.is_ascii_alphanumeric() || "<>&|/._-=:".contains(c);
    if own && word.chars().all(|c| plain(c) || c == ';') { word.to_owned() } else { shell_words::quote(word).into() }
}

/// The words of a line and those that are the program's own.
struct Line<'a> {
    all: &'a [String],
    /// Where its own arguments begin.
    from: usize,
    own: &'a [String],
}

impl<'a> Line<'a> {
    fn new(all: &'a [String]) -> Self {
        Self { all, from: 0, own: all }
    }

    /// A complaint about the `nth` of the program's own words; about the end where it has no such.
    fn misread(&self, nth: usize, message: impl Into<String>) -> Misread {
        let mut whole = String::new();
        let mut at: Option<Range<usize>> = None;
        for (n, word) in self.all.iter().enumerate() {
            if n > 0 {
                whole.push(' ');
            }
            let start = whole.len();
            whole.push_str(&as_typed(word));
            if n == self.from + nth && nth < self.own.len() {
                at = Some(start..whole.len());
            }
        }
        let end = whole.len()..whole.len();
        Misread::new("command line", &whole, at.unwrap_or(end), message)
    }
}

/// `host:port` in our grammar; an IPv6 address in brackets.
fn host_port(host: &str, port: &str) -> String {
    if host.contains(':') && !host.starts_with('[') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// A port that is a number or the name of a service.
fn is_port(text: &str) -> bool {
    text.parse::<u16>().is_ok() || (!text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'))
}

/// A UNIX socket of this kind (`""` for a stream); a path that would read as an address of another kind gets `./`.
fn unix(kind: &str, path: &str) -> String {
    format!("unix{kind}:{path}")
}
