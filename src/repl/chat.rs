//! A person in a chat room: what is said stands above the line being typed, each name in a colour of its own.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use colored::{Color, Colorize as _};
use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::MemHistory;
use rustyline::validate::Validator;
use rustyline::{Context, Editor, Helper};

use super::keys::{self, INTERRUPT};
use super::printer::{self, Printer};
use crate::error::{Error, Exit, Phase, Result};
use crate::out::{Lent, lend_screen};
use crate::sys::TerminalModes;
use crate::work::chat::{Face, Kind, Said};

/// Before the line that is typed.
const PROMPT: &str = "> ";
/// What the server understands.
const COMMANDS: [&str; 7] = ["/help", "/join ", "/me ", "/msg ", "/nick ", "/quit", "/who"];
/// The colours of names: those that can be read on dark and on light.
const COLORS: [Color; 10] = [
    Color::Red,
    Color::Green,
    Color::Yellow,
    Color::Blue,
    Color::Magenta,
    Color::Cyan,
    Color::BrightRed,
    Color::BrightGreen,
    Color::BrightBlue,
    Color::BrightMagenta,
];
/// So many names are remembered.
const NAMES: usize = 10_000;

/// What the thread that edits and the one that talks share.
struct Shared {
    printer: Arc<Printer>,
    /// The names that were seen, by their lower-case form.
    names: Mutex<BTreeMap<String, String>>,
    /// What is typed is an answer, and for no history.
    asked: AtomicBool,
    interrupted: AtomicBool,
}

/// See the module.
pub struct Front {
    shared: Arc<Shared>,
    typed: Option<UnixStream>,
    input: Option<UnixStream>,
    _screen: Lent,
    /// Last: the modes are put back when all else has left.
    _modes: TerminalModes,
}

impl Front {
    /// Takes the terminal.
    ///
    /// # Errors
    /// When it cannot be had.
    pub fn begin() -> Result<Self> {
        let os = |source| Error::os(Phase::ReadingStdin, None, source);
        let modes = TerminalModes::keep().map_err(os)?;
        let (typed, input) = UnixStream::pair().map_err(os)?;
        let shared = Arc::new(Shared {
            printer: Printer::new(),
            names: Mutex::default(),
            asked: true.into(),
            interrupted: false.into(),
        });
        let screen = lend_screen(Box::new(printer::Lines(shared.printer.clone())));
        Ok(Self { shared, typed: Some(typed), input: Some(input), _screen: screen, _modes: modes })
    }

    /// What is typed, as lines; it ends when the person leaves.
    ///
    /// # Panics
    /// The second time.
    pub fn input(&mut self) -> OwnedFd {
        self.input.take().expect("asked for once").into()
    }

    /// Gives the terminal back. The exit code, where it was the person's doing.
    #[must_use]
    pub fn end(self) -> Option<Exit> {
        let editing = self.shared.printer.is_editing();
        if editing {
            printer::write("\r\x1b[J");
        }
        self.shared.printer.end_editing();
        self.shared.printer.close();
        self.shared.interrupted.load(Ordering::SeqCst).then_some(Exit::Signal(INTERRUPT))
    }

    /// The first line of the room is there, or it asks for something: from now on lines are typed.
    fn start(&mut self) -> Result<()> {
        let Some(typed) = self.typed.take() else { return Ok(()) };
        let failed = |error: ReadlineError| Error::text(Exit::Failed, Phase::ReadingStdin, None, error.to_string());
        keys::hold().map_err(|source| Error::os(Phase::ReadingStdin, None, source))?;
        let (config, history) = (keys::config().build(), MemHistory::new());
        let mut editor = Editor::<Assistant, MemHistory>::with_history(config, history).map_err(failed)?;
        editor.set_helper(Some(Assistant(self.shared.clone())));
        keys::bell(&mut editor, &self.shared.printer).map_err(failed)?;
        let shared = self.shared.clone();
        std::thread::spawn(move || edit(&mut editor, &shared, typed));
        Ok(())
    }
}

/// Hands lines over until the person leaves, or the room is gone.
fn edit(editor: &mut Editor<Assistant, MemHistory>, shared: &Shared, mut typed: UnixStream) {
    let mut interrupted = false;
    loop {
        shared.printer.begin_editing();
        TerminalModes::in_use(true);
        let outcome = editor.readline(PROMPT);
        TerminalModes::in_use(false);
        shared.printer.end_editing();
        match outcome {
            Ok(line) => {
                interrupted = false;
                if !shared.asked.load(Ordering::SeqCst) {
                    let _ = editor.add_history_entry(line.as_str());
                }
                if typed.write_all(format!("{line}\n").as_bytes()).is_err() {
                    return;
                }
            }
            Err(ReadlineError::Interrupted) if !interrupted => interrupted = true,
            Err(ReadlineError::Interrupted) => {
                shared.interrupted.store(true, Ordering::SeqCst);
                return;
            }
            Err(_) => return,
        }
    }
}

impl Face for Front {
    fn said(&mut self, said: &Said<'_>, history: bool) -> Result<bool> {
        self.shared.notice(said);
        let text = painted(said);
        let text = if history { text.dimmed().to_string() } else { text };
        self.shared.printer.lines(&text);
        if said.our_name().is_some() {
            self.shared.asked.store(false, Ordering::SeqCst);
            self.start()?;
        }
        Ok(true)
    }

    fn note(&mut self, text: &str) {
        self.shared.printer.lines(&format!("[{text}]").dimmed().to_string());
    }

    fn asked(&mut self, prompt: &str) -> bool {
        self.shared.asked.store(true, Ordering::SeqCst);
        self.shared.printer.lines(&format!("[type the {}]", prompt.trim_end_matches(": ")));
        self.start().is_ok()
    }
}

impl Shared {
    /// Remembers the names in a line.
    fn notice(&self, said: &Said<'_>) {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let mut add = |name: &str| {
            if names.len() < NAMES {
                names.insert(name.to_lowercase(), name.to_owned());
            }
        };
        [said.from, said.to].into_iter().flatten().for_each(&mut add);
        if said.kind == Kind::Notice
            && let Some((_, list)) = said.text.split_once(": ")
        {
            let list = list.split_once(';').map_or(list, |(list, _)| list);
            list.split(", ").filter(|name| !name.contains(' ')).for_each(add);
        }
        if matches!(said.kind, Kind::Leave | Kind::Nick)
            && let Some(from) = said.from
        {
            names.remove(&from.to_lowercase());
        }
    }
}

/// A line with its name in colour.
fn painted(said: &Said<'_>) -> String {
    let Some((kind, name)) = said.from.or(said.to).map(|name| (said.kind, name)) else {
        return if said.kind == Kind::Notice { said.line.dimmed().to_string() } else { said.line.to_owned() };
    };
    if matches!(kind, Kind::Join | Kind::Leave | Kind::Nick) {
        return said.line.dimmed().to_string();
    }
    // Names have no brackets and no spaces, so the first place is the right one behind the room.
    let from = said.room.map_or(0, |room| room.len() + 2);
    let Some(at) = said.line[from..].find(name).map(|at| from + at) else { return said.line.to_owned() };
    let (front, rest) = said.line.split_at(at);
    format!("{}{}{}", front.dimmed(), name.color(color_of(name)).bold(), &rest[name.len()..])
}

/// Always the same one for a name: FNV-1a, whose low bits are good enough for ten colours.
fn color_of(name: &str) -> Color {
    let hash = name
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    COLORS[usize::try_from(hash >> 7).unwrap_or_default() % COLORS.len()]
}

struct Assistant(Arc<Shared>);

impl Helper for Assistant {}

impl Hinter for Assistant {
    type Hint = String;
}

impl Validator for Assistant {}

impl Highlighter for Assistant {
    /// Called whenever the editor draws: what waits to be shown goes in front.
    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(&'s self, prompt: &'p str, _default: bool) -> Cow<'b, str> {
        let (above, _) = self.0.printer.take();
        Cow::Owned(above + prompt)
    }
}

impl Completer for Assistant {
    type Candidate = String;

    fn complete(&self, line: &str, pos: usize, _: &Context<'_>) -> Result<(usize, Vec<String>), ReadlineError> {
        let names = self.0.names.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(complete(&line[..pos], &names))
    }
}

/// Where the word begins that is completed, and what it could become.
fn complete(line: &str, names: &BTreeMap<String, String>) -> (usize, Vec<String>) {
    let start = line.rfind(' ').map_or(0, |at| at + 1);
    let word = &line[start..];
    if start == 0 && word.starts_with('/') {
        let fit = COMMANDS.iter().filter(|command| command.starts_with(word));
        return (0, fit.map(|command| (*command).to_owned()).collect());
    }
    let folded = word.to_lowercase();
    let end = if start == 0 { ": " } else { " " };
    let fit = names.range(folded.clone()..).take_while(|(name, _)| name.starts_with(&folded));
    (start, fit.map(|(_, name)| format!("{name}{end}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_commands_are_completed() {
        let names = ["Bob", "bert", "王小明"].map(|name| (name.to_lowercase(), name.to_owned())).into();
        let all = |line: &str| complete(line, &names);
        assert_eq!(all("/m"), (0, vec!["/me ".to_owned(), "/msg ".to_owned()]));
        assert_eq!(all("/msg b"), (5, vec!["bert ".to_owned(), "Bob ".to_owned()]));
        assert_eq!(all("BO"), (0, vec!["Bob: ".to_owned()]));
        assert_eq!(all("hi 王"), (3, vec!["王小明 ".to_owned()]));
        assert_eq!(all("x"), (0, Vec::new()));
    }

    #[test]
    fn names_come_and_go() {
        let shared =
            Shared { printer: Printer::new(), names: Mutex::default(), asked: false.into(), interrupted: false.into() };
        for line in [
            "-- you are al in lobby; here: bob, carol and 3 more; /help lists the commands",
            "[lobby] <dora> hi",
            "[lobby] -- bob left",
            "[lobby] -- dora is now dot",
            "-- rooms: den (1), lobby (1)",
        ] {
            shared.notice(&Said::of(line));
        }
        let names = shared.names.into_inner().unwrap();
        assert_eq!(names.into_values().collect::<Vec<_>>(), ["dot"]);
    }

    #[test]
    fn a_name_keeps_its_colour() {
        assert_eq!(color_of("bob"), color_of("bob"));
        colored::control::set_override(false);
        for line in ["[a] <a> a", "[lobby] * bob waves", "<bob> hi", "-> <bob> hi", "-- notice", "[r] -- bob left"] {
            assert_eq!(painted(&Said::of(line)), line);
        }
    }
}
