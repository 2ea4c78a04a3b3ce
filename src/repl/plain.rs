//! Lines without an editor: standard input is no terminal, or one that knows no escape sequences (`TERM=dumb`).

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};

use super::complete::Known;
use super::{Front, Typed, units};

/// See the module.
pub(super) struct Plain {
    typed: Receiver<Typed>,
    go: SyncSender<()>,
    history: Vec<String>,
}

impl Plain {
    /// Reads standard input in a thread, which wakes through `waker`.
    pub(super) fn take(mut waker: UnixStream) -> Self {
        let (sender, typed) = channel();
        let (go, next) = sync_channel::<()>(1);
        std::thread::spawn(move || {
            // A line is read when the one before it was dealt with.
            while next.recv().is_ok() {
                let line = read();
                // At a terminal there may come more behind a Ctrl-D.
                let ended = match line {
                    Typed::End => !io::stdin().is_terminal(),
                    _ => matches!(line, Typed::Failed(_)),
                };
                if sender.send(line).is_err() {
                    return;
                }
                let _ = waker.write(b"!");
                if ended {
                    return;
                }
            }
        });
        Self { typed, go, history: Vec::new() }
    }
}

/// A line, or several that belong together.
fn read() -> Typed {
    let mut stdin = io::stdin().lock();
    let mut text = Vec::new();
    loop {
        match stdin.read_until(b'\n', &mut text) {
            Ok(0) if text.is_empty() => return Typed::End,
            Ok(count) => match std::str::from_utf8(text.strip_suffix(b"\n").unwrap_or(&text)) {
                Ok(line) if count == 0 || !units(line).1 => return Typed::Line(line.to_owned()),
                Ok(_) => {}
                Err(_) => {
                    text.pop_if(|byte| *byte == b'\n');
                    return Typed::Bytes(text);
                }
            },
            Err(error) => return Typed::Failed(crate::error::words(&error)),
        }
    }
}

impl Front for Plain {
    fn typed(&mut self) -> Option<Typed> {
        let typed = self.typed.try_recv().ok()?;
        if let Typed::Line(line) = &typed {
            self.history.push(line.clone());
        }
        Some(typed)
    }

    fn go_on(&mut self) {
        let _ = self.go.try_send(());
    }

    fn situation(&mut self, _prompt: String, _known: Known) {}

    fn is_own_interrupt(&mut self) -> bool {
        false
    }

    fn note(&mut self, text: &str) {
        crate::out::say(&format!("{text}\n"));
    }

    fn history(&self) -> Vec<String> {
        self.history.clone()
    }
}
