//! A person at a line editor: a line typed is sent, what comes is shown above the line being typed.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use rustyline::error::ReadlineError;
use rustyline::{DefaultEditor, ExternalPrinter};

use crate::error::{Error, Exit, Phase, words};
use crate::event::{ConnId, Detail, Event, Payload, Side, Sink};
use crate::net::conn::{Conn, Incoming};
use crate::sys::{Stop, poll};
use crate::text::Visible;
use crate::work::handler::stdio::exit;
use crate::work::pump::End;

/// How long the terminal's line editor may take to notice that the program is to stop.
const LOOK: Duration = Duration::from_millis(20);

/// What the thread that receives and the one that types share.
struct Shared {
    sent: AtomicU64,
    received: AtomicU64,
    sink: Arc<dyn Sink>,
    id: ConnId,
}

/// Talks until Ctrl-D, and then until the peer ends; or until the program is to stop.
pub fn run(conn: &mut Conn, id: ConnId, eol: &[u8], sink: &Arc<dyn Sink>, stop: &Stop) -> End {
    let begun = Instant::now();
    let shared = Shared { sent: 0.into(), received: 0.into(), sink: sink.clone(), id };
    let end = match talk(conn, eol, &shared, stop) {
        Ok(end) => end,
        Err(error) => End::Failed(error),
    };
    let reason = match &end {
        End::Finished | End::OutputClosed => Exit::Ok,
        End::Stopped(reason) => exit(*reason),
        End::Failed(error) => error.exit,
    };
    let (sent, received) = (shared.sent.load(Ordering::Relaxed), shared.received.load(Ordering::Relaxed));
    sink.emit(Some(id), &Event::Closed { reason: reason.name(), sent, received, duration: begun.elapsed() });
    end
}

fn talk(conn: &Conn, eol: &[u8], shared: &Shared, stop: &Stop) -> Result<End, Error> {
    let failed = |error: ReadlineError| Error::text(Exit::Failed, Phase::ReadingStdin, None, error.to_string());
    if conn.is_server() {
        return Err(Error::usage("a line editor talks to one peer: it is not for a datagram server"));
    }
    let terminal = rustix::termios::tcgetattr(io::stdin()).ok();
    let mut editor = DefaultEditor::new().map_err(failed)?;
    let mut printer = editor.create_external_printer().map_err(failed)?;
    let over = Stop::new().map_err(|source| Error::os(Phase::Opening, None, source))?;
    std::thread::scope(|scope| {
        let receiver = scope.spawn(|| receive(conn, shared, &over, |text| drop(printer.print(text))));
        // The line editor waits in read(2) and cannot be asked to return, so this thread ends the process.
        scope.spawn(|| {
            let mut fds = [PollFd::new(stop, PollFlags::IN), PollFd::new(&over, PollFlags::IN)];
            if poll(&mut fds, None).is_ok()
                && let Some(reason) = stop.requested()
            {
                if let Some(terminal) = &terminal {
                    let _ = rustix::termios::tcsetattr(io::stdin(), rustix::termios::OptionalActions::Now, terminal);
                }
                let code = exit(reason);
                shared.sink.emit(None, &Event::End { reason: code.name(), code: code.code() });
                std::process::exit(code.code().into());
            }
        });
        let typed = type_lines(&mut editor, conn, eol, shared, stop);
        let end = match typed {
            Ok(Typed::Left) => Ok(None),
            Ok(Typed::Ended) => {
                let _ = conn.shutdown_write();
                shared.sink.emit(Some(shared.id), &Event::Eof { side: Side::Local });
                while !receiver.is_finished() && conn.has_end() {
                    if stop.wait(Instant::now() + LOOK).unwrap_or(true) {
                        break;
                    }
                }
                Ok(None)
            }
            Err(error) => Err(error),
        };
        over.request();
        let received = receiver.join().unwrap_or(Ok(()));
        if let Some(reason) = stop.requested() {
            return Ok(End::Stopped(reason));
        }
        end.and_then(|end| received.map(|()| end.unwrap_or(End::Finished)))
    })
}

enum Typed {
    /// Ctrl-D: our side has ended.
    Ended,
    /// Ctrl-C twice: enough.
    Left,
}

fn type_lines(editor: &mut DefaultEditor, conn: &Conn, eol: &[u8], shared: &Shared, stop: &Stop) -> Result<Typed, Error> {
    let prompt = format!("{}> ", conn.peer());
    let mut interrupted = false;
    loop {
        match editor.readline(&prompt) {
            Ok(line) => {
                interrupted = false;
                let _ = editor.add_history_entry(&line);
                send_all(conn, &[line.as_bytes(), eol].concat(), shared, stop)?;
            }
            Err(ReadlineError::Interrupted) if interrupted => {
                stop_by_interrupt(stop);
                return Ok(Typed::Left);
            }
            Err(ReadlineError::Interrupted) => interrupted = true,
            Err(ReadlineError::Eof) => return Ok(Typed::Ended),
            Err(error) => return Err(Error::text(Exit::Failed, Phase::ReadingStdin, None, error.to_string())),
        }
    }
}
