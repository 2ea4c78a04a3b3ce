//! Everything that is shown while a line is being typed goes through here, in order and whole.
//!
//! While the editor reads a line the terminal is its own. What is to be shown waits in a queue, and the editor takes
//! all of it whenever it draws the prompt: the text becomes the front of the prompt, so it stands above the line that
//! is typed, which is drawn again below it. Thus no text is ever in the editor's hands that was not drawn, and nothing
//! can come late or out of order when a line ends. A thread of its own asks the editor to draw (rustyline's
//! `ExternalPrinter` blocks while a completion or a search goes on; only that thread waits then).
//! Between two lines the terminal is ours, and text is written at once.

use std::io;
use std::os::fd::AsFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags};

use crate::event::ConnId;

/// Asks the editor to draw: the row above and back, since a message without a newline would get one. In the topmost
/// row of the screen, and only there, it makes an empty line.
const BELL: &str = "\x1b[A\n";

/// No sooner than this after one drawing comes the next, so that a thousand lines are not a thousand drawings.
const PAUSE: Duration = Duration::from_millis(15);

/// So much may wait for the editor before nothing more is received, in bytes.
const WAITING: usize = 1 << 20;

/// What stands before the rest of a line whose beginning was shown already.
const CONTINUED: &str = "… ";

/// See the module.
#[derive(Debug)]
pub(super) struct Printer {
    state: Mutex<State>,
    bell: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Whether the editor reads a line.
    editing: bool,
    /// What is to be shown.
    waiting: String,
    /// Payload of this connection was the last thing that was queued or written, without a line end.
    open: Option<ConnId>,
    /// A line of this connection was given a line end that did not come.
    cut: Option<ConnId>,
    /// Whose payload was queued last.
    last: Option<ConnId>,
    /// The editor is to be asked.
    ring: bool,
    /// The editor was asked, and has not drawn since.
    rung: bool,
    /// Nothing more will be drawn.
    over: bool,
}

impl Printer {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { state: Mutex::default(), bell: Condvar::new() })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows payload, safe for the terminal already. With `several` connections it is said whose it is.
    pub(super) fn payload(&self, conn: ConnId, text: &str, several: bool) {
        if text.is_empty() {
            return;
        }
        let mut state = self.lock();
        if several && state.last != Some(conn) {
            state.whole_line(&format!("[#{conn}]\n"));
        }
        state.last = Some(conn);
        let mut text = text;
        if state.open != Some(conn) {
            state.end_line();
            if state.cut == Some(conn) {
                // The line goes on that was cut when it was shown.
                state.cut = None;
                if let Some(rest) = text.strip_prefix("\r\n").or_else(|| text.strip_prefix('\n')) {
                    text = rest;
                } else {
                    state.waiting.push_str(CONTINUED);
                }
            }
        }
        state.waiting.push_str(text);
        if !text.is_empty() {
            state.open = (!text.ends_with('\n')).then_some(conn);
        }
        self.show(state);
    }

    /// Something was sent: what comes next is an answer, and goes on with nothing.
    pub(super) fn sent(&self, conn: ConnId) {
        let mut state = self.lock();
        if state.cut == Some(conn) {
            state.cut = None;
        }
    }

    /// Shows whole lines of our own.
    pub(super) fn lines(&self, text: &str) {
        let mut state = self.lock();
        state.whole_line(text);
        self.show(state);
    }

    /// Shows it, or has it shown.
    fn show(&self, mut state: MutexGuard<'_, State>) {
        if !state.editing {
            // A line may stay open here: what comes next goes on behind it.
            write(&std::mem::take(&mut state.waiting));
        } else if !state.rung && !state.waiting.is_empty() {
            state.rung = true;
            state.ring = true;
            self.bell.notify_one();
        }
    }

    /// The editor draws: what is to stand above the prompt. Says too whether so much waited that receiving stopped.
    pub(super) fn take(&self) -> (String, bool) {
        let mut state = self.lock();
        state.rung = false;
        let full = state.waiting.len() > WAITING;
        (state.take(), full)
    }

    /// From now on, and until it is ended, the terminal is the editor's.
    pub(super) fn begin_editing(&self) {
        let mut state = self.lock();
        // The prompt begins a line.
        write(&state.take());
        state.editing = true;
    }

    /// The terminal is ours again.
    pub(super) fn end_editing(&self) {
        let mut state = self.lock();
        state.editing = false;
        self.show(state);
    }

    pub(super) fn is_editing(&self) -> bool {
        self.lock().editing
    }

    pub(super) fn is_full(&self) -> bool {
        self.lock().waiting.len() > WAITING
    }

    /// Ends [`Printer::ring`], and the line that is shown.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.over = true;
        write(&state.take());
        self.bell.notify_one();
    }

    /// Asks the editor to draw whenever something waits; until the printer is closed.
    pub(super) fn ring(&self, mut editor: impl FnMut(String) -> bool) {
        loop {
            let mut state = self.lock();
            while !state.ring && !state.over {
                state = self.bell.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            if state.over {
                return;
            }
            state.ring = false;
            let wanted = state.editing && state.rung;
            drop(state);
            if wanted && !editor(BELL.to_owned()) {
                return;
            }
            std::thread::sleep(PAUSE);
        }
    }
}

impl State {
    fn end_line(&mut self) {
        if let Some(conn) = self.open.take() {
            self.waiting.push('\n');
            self.cut = Some(conn);
        }
    }

    fn whole_line(&mut self, text: &str) {
        self.end_line();
        self.waiting.push_str(text);
        if !text.ends_with('\n') {
            self.waiting.push('\n');
        }
    }

    fn take(&mut self) -> String {
        self.end_line();
        std::mem::take(&mut self.waiting)
    }
}

/// Writes to the terminal. Where that fails there is nobody to tell.
pub(super) fn write(text: &str) {
    let stdout = io::stdout();
    let mut bytes = text.as_bytes();
    while !bytes.is_empty() {
        match rustix::io::write(stdout.as_fd(), bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::AGAIN) => {
                let _ = crate::sys::poll(&mut [PollFd::new(&stdout, PollFlags::OUT)], None);
            }
            Err(_) => return,
        }
    }
}

/// The printer as a place to write whole lines to.
#[derive(Debug)]
pub(super) struct Lines(pub(super) Arc<Printer>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lines(&String::from_utf8_lossy(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn editing() -> Arc<Printer> {
        let printer = Printer::new();
        printer.begin_editing();
        printer
    }

    #[test]
    fn what_waits_is_taken_together_and_in_order() {
        let printer = editing();
        for nth in 0..1000 {
            printer.payload(1, &format!("line {nth}\n"), false);
        }
        printer.lines("note");
        let all: String = (0..1000).map(|nth| format!("line {nth}\n")).collect();
        assert_eq!(printer.take().0, all + "note\n");
        assert_eq!(printer.take().0, "");
    }

    #[test]
    fn a_line_in_pieces_is_cut_where_it_was_shown_and_nowhere_else() {
        let printer = editing();
        printer.payload(1, "log", false);
        printer.payload(1, "in: ", false);
        assert_eq!(printer.take().0, "login: \n");
        printer.payload(1, "again: ", false);
        assert_eq!(printer.take().0, "… again: \n");
        printer.payload(1, "\r\n", false);
        assert_eq!(printer.take().0, "");
        printer.payload(1, "new\n", false);
        assert_eq!(printer.take().0, "new\n");
    }

    #[test]
    fn an_answer_does_not_go_on_with_a_line() {
        let printer = editing();
        printer.payload(1, "login: ", false);
        assert_eq!(printer.take().0, "login: \n");
        printer.sent(1);
        printer.payload(1, "welcome\n", false);
        assert_eq!(printer.take().0, "welcome\n");
    }

    #[test]
    fn a_note_or_another_connection_does_not_end_up_in_a_line() {
        let printer = editing();
        printer.payload(1, "half", false);
        printer.lines("note\n");
        assert_eq!(printer.take().0, "half\nnote\n");
        printer.payload(1, "a", true);
        printer.payload(2, "b\n", true);
        assert_eq!(printer.take().0, "… a\n[#2]\nb\n");
    }

    #[test]
    fn too_much_waits_only_until_it_is_drawn() {
        let printer = editing();
        printer.payload(1, &"x".repeat(WAITING + 1), false);
        assert!(printer.is_full());
        assert!(printer.take().1);
        assert!(!printer.is_full());
    }
}
