//! A person at a line editor: a line typed is sent, what comes is shown above the line being typed.

pub mod chat;
#[allow(dead_code, reason = "a chat has one connection and whole lines")]
mod printer;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use rustix::termios::{OptionalActions, Termios};
use rustyline::error::ReadlineError;
use rustyline::{DefaultEditor, ExternalPrinter};

use crate::error::{Error, Exit, Phase, Result, words};
use crate::event::{ConnId, Event, Payload, Side, Sink};
use crate::net::conn::{Conn, Incoming};
use crate::sys::{Reason, Stop, poll};
use crate::text::Visible;
use crate::work::handler::stdio::exit;
use crate::work::pump::End;

/// After Ctrl-D, how long a silent peer is waited for.
const QUIET: Duration = Duration::from_millis(500);

/// SIGINT: what Ctrl-C means outside of a line editor.
const INTERRUPT: u8 = 2;

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

fn talk(conn: &mut Conn, eol: &[u8], shared: &Shared, stop: &Stop) -> Result<End> {
    if conn.is_server() {
        return Err(Error::usage("a line editor talks to one peer: it is not for a datagram server"));
    }
    let conn = &*conn;
    let terminal = rustix::termios::tcgetattr(io::stdin()).ok();
    let mut editor = DefaultEditor::new().map_err(|error| editor_failed(&error))?;
    let mut printer = editor.create_external_printer().map_err(|error| editor_failed(&error))?;
    let opening = |source| Error::os(Phase::Opening, None, source);
    // Tells the receiver that the session is over; told by the receiver that it is.
    let (over, receiving) = (Stop::new().map_err(opening)?, Stop::new().map_err(opening)?);
    std::thread::scope(|scope| {
        let receiver = scope.spawn(|| {
            let result = receive(conn, shared, &over, |text| drop(printer.print(text)));
            receiving.request();
            result
        });
        // The line editor waits in read(2) and cannot be asked to return, so this thread ends the process.
        scope.spawn(|| {
            let mut fds = [PollFd::new(stop, PollFlags::IN), PollFd::new(&over, PollFlags::IN)];
            let _ = poll(&mut fds, None);
            if let Some(reason) = stop.requested() {
                leave(reason, terminal.as_ref(), shared);
            }
        });
        let typed = type_lines(&mut editor, conn, eol, shared, stop);
        if matches!(typed, Ok(Typed::Ended)) {
            // Our side has ended; what the peer still sends is shown, for as long as it keeps sending.
            let _ = conn.shutdown_write();
            shared.sink.emit(Some(shared.id), &Event::Eof { side: Side::Local });
            let mut before = u64::MAX;
            while !receiver.is_finished() && shared.received.load(Ordering::Relaxed) != before {
                before = shared.received.load(Ordering::Relaxed);
                let _ = receiving.wait(Instant::now() + QUIET);
            }
        }
        over.request();
        let received = receiver.join().unwrap_or(Ok(()));
        match typed? {
            Typed::Ended => received.map(|()| End::Finished),
            Typed::Left => Ok(End::Stopped(Reason::Signal(INTERRUPT))),
        }
    })
}

fn editor_failed(error: &ReadlineError) -> Error {
    Error::text(Exit::Failed, Phase::ReadingStdin, None, error.to_string())
}

/// Ends the process with the terminal as it was found.
fn leave(reason: Reason, terminal: Option<&Termios>, shared: &Shared) -> ! {
    if let Some(terminal) = terminal {
        let _ = rustix::termios::tcsetattr(io::stdin(), OptionalActions::Now, terminal);
    }
    let exit = exit(reason);
    shared.sink.emit(None, &Event::End { reason: exit.name(), code: exit.code() });
    std::process::exit(exit.code().into())
}

enum Typed {
    /// Ctrl-D: our side has ended.
    Ended,
    /// Ctrl-C twice: enough.
    Left,
}

fn type_lines(editor: &mut DefaultEditor, conn: &Conn, eol: &[u8], shared: &Shared, stop: &Stop) -> Result<Typed> {
    let prompt = format!("{}> ", conn.peer());
    let mut interrupted = false;
    loop {
        match editor.readline(&prompt) {
            Ok(line) => {
                interrupted = false;
                let _ = editor.add_history_entry(&line);
                send_all(conn, &[line.as_bytes(), eol].concat(), shared, stop)?;
            }
            Err(ReadlineError::Interrupted) if interrupted => return Ok(Typed::Left),
            Err(ReadlineError::Interrupted) => interrupted = true,
            Err(ReadlineError::Eof) => return Ok(Typed::Ended),
            Err(error) => return Err(editor_failed(&error)),
        }
    }
}

fn send_all(conn: &Conn, mut bytes: &[u8], shared: &Shared, stop: &Stop) -> Result<()> {
    let os = |phase| move |source| Error::os(phase, Some(conn.peer()), source);
    while !bytes.is_empty() {
        match conn.send(bytes) {
            Ok(sent) => {
                shared.sent.fetch_add(sent as u64, Ordering::Relaxed);
                shared.sink.emit(Some(shared.id), &Event::Send(Payload::of(&bytes[..sent])));
                bytes = &bytes[sent..];
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let mut fds = [PollFd::new(conn, PollFlags::OUT), PollFd::new(stop, PollFlags::IN)];
                poll(&mut fds, None).map_err(os(Phase::Waiting))?;
                if stop.requested().is_some() {
                    return Ok(());
                }
            }
            Err(source) => return Err(os(Phase::Sending)(source)),
        }
    }
    Ok(())
}

/// Shows what comes, until the peer ends or the session is over.
fn receive(conn: &Conn, shared: &Shared, over: &Stop, mut show: impl FnMut(String)) -> Result<()> {
    let os = |phase| move |source| Error::os(phase, Some(conn.peer()), source);
    let mut visible = Visible::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        let mut fds = [PollFd::new(conn, PollFlags::IN), PollFd::new(over, PollFlags::IN)];
        poll(&mut fds, None).map_err(os(Phase::Waiting))?;
        if over.requested().is_some() {
            return Ok(());
        }
        match conn.recv_connected(&mut buffer) {
            Ok(Incoming::Bytes(bytes)) => {
                shared.received.fetch_add(bytes as u64, Ordering::Relaxed);
                shared.sink.emit(Some(shared.id), &Event::Recv(Payload::of(&buffer[..bytes])));
                show(visible.push(&buffer[..bytes]));
            }
            Ok(Incoming::Eof) => {
                shared.sink.emit(Some(shared.id), &Event::Eof { side: Side::Peer });
                show(format!("{}[the peer has ended; Ctrl-D leaves]\n", visible.finish()));
                return Ok(());
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(source) => {
                show(format!("[{}; Ctrl-D leaves]\n", words(&source)));
                return Err(os(Phase::Receiving)(source));
            }
        }
    }
}
