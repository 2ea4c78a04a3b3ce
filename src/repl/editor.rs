//! The line editor, in a thread of its own: it reads a line, hands it over, and waits until that was dealt with.
//!
//! A prompt cannot change while a line is read. When it has to, the editor is interrupted, by the SIGINT that it
//! takes for Ctrl-C, and reads the same line again behind the new prompt.

use std::io::{self, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::{Signal, getpid, kill_process};
use rustix::termios::tcgetwinsize;
use rustyline::Editor;
use rustyline::error::ReadlineError;
use rustyline::history::MemHistory;
use unicode_width::UnicodeWidthStr as _;

use super::complete::{Assistant, Known};
use super::history::{History, LINES};
use super::printer::{self, Printer};
use super::{Front, Typed, keys};
use crate::out::{Lent, lend_screen};
use crate::sys::TerminalModes;

/// How long the editor may take to leave.
const LEAVING: Duration = Duration::from_secs(1);

/// What both threads know.
pub(super) struct Shared {
    pub(super) printer: Arc<Printer>,
    desk: Mutex<Desk>,
    /// Wakes the other thread.
    waker: UnixStream,
    /// The editor is to come back, not the person's doing.
    woken: AtomicBool,
    /// SIGINT was sent by us, and was not seen since.
    raised: AtomicBool,
    leaving: AtomicBool,
}

#[derive(Default)]
struct Desk {
    /// What the prompt should be.
    prompt: String,
    /// What it is.
    shown: String,
    /// What is typed so far, and where the cursor is in it.
    line: String,
    at: usize,
    hint: String,
    known: Known,
    history: History,
}

impl Shared {
    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn known(&self) -> Known {
        self.desk().known.clone()
    }

    /// The line as it is now. Only in readline is this called, so the editor's signal handler stands.
    pub(super) fn typing(&self, line: &str, at: usize, hint: &str) {
        let mut desk = self.desk();
        line.clone_into(&mut desk.line);
        hint.clone_into(&mut desk.hint);
        desk.at = at;
        if desk.prompt != desk.shown || self.leaving.load(Ordering::SeqCst) {
            drop(desk);
            self.wake();
        }
    }

    /// How many columns are left behind this line.
    pub(super) fn room(&self, line: &str) -> usize {
        columns().saturating_sub(self.desk().shown.width() + line.width() + 1)
    }

    pub(super) fn moved(&self, line: &str, at: usize) {
        let mut desk = self.desk();
        if desk.line == line {
            desk.at = at;
        }
    }

    /// What is to stand above the prompt that is being drawn.
    pub(super) fn above(&self) -> String {
        let (text, was_full) = self.printer.take();
        if was_full {
            self.poke();
        }
        text
    }

    /// Full means that it is readable already.
    fn poke(&self) {
        let _ = (&self.waker).write(b"!");
    }

    /// Has the editor come back. There is one signal on its way at the most, so that none is left over that would be
    /// taken for the person's.
    fn wake(&self) {
        if self.woken.swap(true, Ordering::SeqCst) {
            return;
        }
        self.raised.store(true, Ordering::SeqCst);
        let _ = kill_process(getpid(), Signal::INT);
    }
}

/// The editor as the other thread sees it.
pub(super) struct Terminal {
    shared: Arc<Shared>,
    typed: Receiver<Typed>,
    go: Option<SyncSender<()>>,
    gone: Receiver<()>,
    _screen: Lent,
    /// Last: the modes are put back when all else has left.
    _modes: TerminalModes,
}

impl Terminal {
    /// Takes the terminal. It wakes through `waker`.
    pub(super) fn take(printer: &Arc<Printer>, waker: UnixStream) -> io::Result<Self> {
        let modes = TerminalModes::keep()?;
        let (history, complaint) = History::load();
        let desk = Desk { history, ..Desk::default() };
        let shared = Arc::new(Shared {
            printer: printer.clone(),
            desk: Mutex::new(desk),
            waker,
            woken: AtomicBool::new(false),
            raised: AtomicBool::new(false),
            leaving: AtomicBool::new(false),
        });
        let config = keys::config()
            .max_history_size(LINES)
            .and_then(|config| config.history_ignore_dups(true))
            .map_err(other)?
            .history_ignore_space(true)
            .build();
        keys::hold()?;

        let recent = MemHistory::with_config(&config);
        let mut editor = Editor::<Assistant, MemHistory>::with_history(config, recent).map_err(other)?;
        editor.set_helper(Some(Assistant(shared.clone())));
        for line in shared.desk().history.lines() {
            let _ = editor.add_history_entry(line.as_str());
        }
        keys::bell(&mut editor, printer).map_err(other)?;
        let (sender, typed) = channel();
        let (go, next) = sync_channel(1);
        let (leaving, gone) = channel::<()>();
        let theirs = shared.clone();
        std::thread::spawn(move || {
            // However it ends, a panic included, the other thread is told, and finds that nobody sends any more.
            let _gone = Gone(theirs.clone());
            let (_leaving, sender, mut editor) = (leaving, sender, editor);
            edit(&mut editor, &theirs, &sender, &next);
        });
        let screen = lend_screen(Box::new(printer::Lines(printer.clone())));
        if let Some(complaint) = complaint {
            printer.lines(&format!("[{complaint}]"));
        }
        Ok(Self { shared, typed, go: Some(go), gone, _screen: screen, _modes: modes })
    }
}

impl Front for Terminal {
    fn typed(&mut self) -> Option<Typed> {
        use std::sync::mpsc::TryRecvError;
        match self.typed.try_recv() {
            Ok(typed) => Some(typed),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Typed::Failed("the line editor is gone".to_owned())),
        }
    }

    fn go_on(&mut self) {
        if let Some(go) = &self.go {
            let _ = go.try_send(());
        }
    }

    fn situation(&mut self, prompt: String, known: Known) {
        let mut desk = self.shared.desk();
        desk.known = known;
        if desk.prompt == prompt {
            return;
        }
        desk.prompt = prompt;
        let wake = desk.shown != desk.prompt;
        drop(desk);
        if wake && self.shared.printer.is_editing() {
            self.shared.wake();
        }
    }

    fn is_own_interrupt(&mut self) -> bool {
        if !self.shared.raised.swap(false, Ordering::SeqCst) {
            return false;
        }
        // The editor was not there to see it; it may be by now.
        self.shared.woken.store(false, Ordering::SeqCst);
        let desk = self.shared.desk();
        let stale = desk.shown != desk.prompt;
        drop(desk);
        if stale && self.shared.printer.is_editing() {
            self.shared.wake();
        }
        true
    }

    fn note(&mut self, text: &str) {
        self.shared.printer.lines(text);
    }

    fn history(&self) -> Vec<String> {
        self.shared.desk().history.lines().to_vec()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.shared.leaving.store(true, Ordering::SeqCst);
        self.go = None;
        if self.shared.printer.is_editing() {
            self.shared.wake();
        }
        // It may be stuck in a terminal that takes nothing; then the process ends without it.
        let _ = self.gone.recv_timeout(LEAVING);
        self.shared.printer.end_editing();
        self.shared.printer.close();
    }
}

fn other(error: ReadlineError) -> io::Error {
    match error {
        ReadlineError::Io(error) => error,
        error => io::Error::other(error.to_string()),
    }
}

/// Wakes the other thread when it is dropped.
struct Gone(Arc<Shared>);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.poke();
    }
}

/// Reads lines until there are none, or it is to leave.
fn edit(editor: &mut Editor<Assistant, MemHistory>, shared: &Shared, typed: &Sender<Typed>, next: &Receiver<()>) {
    // The first prompt is known by then.
    if next.recv().is_err() {
        return;
    }
    let mut begun = (String::new(), String::new());
    loop {
        let prompt = {
            let mut desk = shared.desk();
            desk.shown = desk.prompt.clone();
            desk.line = format!("{}{}", begun.0, begun.1);
            desk.at = begun.0.len();
            desk.shown.clone()
        };
        shared.printer.begin_editing();
        TerminalModes::in_use(true);
        let outcome = editor.readline_with_initial(&prompt, (&begun.0, &begun.1));
        TerminalModes::in_use(false);
        begun = (String::new(), String::new());
        let interrupted = matches!(outcome, Err(ReadlineError::Interrupted));
        let woken = shared.woken.swap(false, Ordering::SeqCst);
        if interrupted && woken {
            shared.raised.store(false, Ordering::SeqCst);
            let leaving = shared.leaving.load(Ordering::SeqCst);
            let desk = shared.desk();
            // What was typed stays to be seen, if it will not be drawn again.
            if !leaving || desk.line.is_empty() {
                erase(&desk);
            }
            if leaving {
                drop(desk);
                shared.printer.end_editing();
                return;
            }
            let (left, right) = desk.line.split_at(desk.at.min(desk.line.len()));
            begun = (left.to_owned(), right.to_owned());
            drop(desk);
            shared.printer.end_editing();
            continue;
        }
        shared.printer.end_editing();
        let line = match outcome {
            Ok(line) => {
                let _ = editor.add_history_entry(line.as_str());
                let complaint = shared.desk().history.add(&line);
                if let Some(complaint) = complaint {
                    shared.printer.lines(&format!("[{complaint}]"));
                }
                Typed::Line(line)
            }
            Err(ReadlineError::Interrupted) => Typed::Interrupt { empty: shared.desk().line.is_empty() },
            Err(ReadlineError::Eof) => Typed::End,
            Err(error) => Typed::Failed(error.to_string()),
        };
        let failed = matches!(line, Typed::Failed(_));
        if typed.send(line).is_err() {
            return;
        }
        shared.poke();
        if failed || next.recv().is_err() {
            return;
        }
    }
}

/// How wide the terminal is. One that does not say is taken for 80, as rustyline does.
fn columns() -> usize {
    tcgetwinsize(io::stdout()).ok().map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0).unwrap_or(80)
}

/// Takes away the prompt and the line that the editor has left standing; the cursor is below them.
fn erase(desk: &Desk) {
    let columns = columns();
    let text = format!("{}{}{}", desk.shown, desk.line, desk.hint);
    let rows: usize = text.split('\n').map(|line| 1 + line.width() / columns).sum();
    printer::write(&format!("\x1b[{rows}A\r\x1b[J"));
}
