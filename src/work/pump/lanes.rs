//! The two directions: what is read is sent, what comes is written, each as far as there is room.

use std::io::{self, Write as _};
use std::path::Path;
use std::time::Instant;

use super::{AGAIN, Session, State};
use crate::error::{Cause, Error, Phase, Result, words};
use crate::event::{Detail, Event, Payload};
use crate::net::conn::Incoming;
use crate::net::socket::{Family, Kind};
use crate::tls::Fault;
use crate::work::splice::{self, MUCH, SpliceDown, SpliceUp};

/// One read, in bytes: measured, 8 KiB / 64 KiB / 256 KiB / 1 MiB give 1.3 / 4.7 / 5.0 / 5.0 GB/s.
const BUFFER: usize = 256 << 10;
/// One read of what becomes a datagram, in bytes: just beyond the largest of UDP.
const MESSAGE: usize = 64 << 10;

impl Session<'_> {
    pub(super) fn read_input(&mut self) -> Result<()> {
        let Some(input) = &self.input else { return Ok(()) };
        if let Some(lane) = &mut self.up.splice {
            match lane.send(self.conn, input) {
                Ok(0) => self.up.state = State::Ended,
                Ok(bytes) => {
                    let now = Instant::now();
                    self.times.input = now;
                    self.told_sent(bytes, None, now);
                }
                Err(error) if would_block(&error) => {
                    if matches!(lane, SpliceUp::Pipe { full: true }) {
                        // The wait for room begins: one that waits already is not asked.
                        self.times.sent = Instant::now();
                    }
                }
                Err(error) if splice::is_unsupported(&error) => self.up.splice = None,
                Err(source) => self.sending_failed(source),
            }
            return Ok(());
        }
        let buffer = if self.rules.crlf { &mut self.up.raw } else { &mut self.up.buffer };
        // Whatever one read returns is one message; more than the family takes is an error, not two messages.
        let most = match self.conn.shape().kind {
            Kind::Stream if self.up.is_much => BUFFER,
            // A short run would pay for memory that is not used.
            Kind::Stream => MUCH,
            _ => MESSAGE,
        };
        if buffer.len() < most {
            // Not resize(), which writes to all of it: a short run would pay for those pages, a tenth of its time.
            *buffer = vec![0; most];
        }
        let mut bytes = match input.read(&mut buffer[..most]) {
            Ok(0) => {
                self.up.state = State::Ended;
                return Ok(());
            }
            Ok(bytes) => bytes,
            Err(error) if would_block(&error) => return Ok(()),
            Err(source) => return Err(Error::os(Phase::ReadingStdin, None, source)),
        };
        self.times.input = Instant::now();
        self.times.sent = self.times.input;
        if let Some(charset) = self.up.typed {
            // A terminal gives a line at a time.
            *buffer = charset.typed(buffer[..bytes].to_vec()).unwrap_or_else(|message| {
                self.sink.emit(Some(self.id), &Event::Warning { message: &message });
                Vec::new()
            });
            bytes = buffer.len();
        }
        if self.rules.crlf {
            self.up.buffer.clear();
            to_crlf(&self.up.raw[..bytes], &mut self.up.last_was_cr, &mut self.up.buffer);
            bytes = self.up.buffer.len();
        }
        self.up.pending = 0..bytes;
        self.send();
        Ok(())
    }

    /// Sends what was read, as far as there is room.
    pub(super) fn send(&mut self) {
        self.up.again = None;
        if self.up.splice.as_mut().is_some_and(SpliceUp::has_room) {
            // While there was none, stdin was not asked.
            self.times.input = Instant::now();
        }
        while !self.up.pending.is_empty() {
            let bytes = &self.up.buffer[self.up.pending.clone()];
            match self.conn.send(bytes) {
                Ok(sent) => {
                    // A message goes whole or not at all.
                    let sent = if self.conn.shape().kind == Kind::Stream { sent } else { bytes.len() };
                    let start = self.up.pending.start;
                    self.up.pending.start += sent;
                    let data = std::mem::take(&mut self.up.buffer);
                    let now = Instant::now();
                    self.told_sent(sent, Some(&data[start..start + sent]), now);
                    self.up.buffer = data;
                    // Meanwhile stdin was not asked.
                    self.times.input = now;
                }
                Err(error) if self.is_full_beyond_us(&error) => {
                    self.up.again = Some(Instant::now() + AGAIN);
                    return;
                }
                Err(error) if would_block(&error) => return,
                Err(source) => return self.sending_failed(source),
            }
        }
    }

    /// poll(2) knows the room in our own socket. It does not know the queue of a UNIX peer that we are not
    /// connected to, unix(7), nor that of an interface, which ENOBUFS is about.
    fn is_full_beyond_us(&self, error: &io::Error) -> bool {
        let shape = self.conn.shape();
        let unix_server = shape.family == Family::Unix && self.conn.is_server();
        shape.kind == Kind::Dgram && (error.raw_os_error() == Some(libc::ENOBUFS) || unix_server && would_block(error))
    }

    /// What the peer sent before it broke is still worth having, so only this direction ends now. A datagram
    /// server outlives a peer that is gone.
    fn sending_failed(&mut self, source: io::Error) {
        if self.conn.is_server() && source.raw_os_error() != Some(libc::EMSGSIZE) {
            let message = format!("{} did not get an answer: {}", self.conn.peer().as_peer(), words(&source));
            self.sink.emit(Some(self.id), &Event::Warning { message: &message });
            self.up.pending = 0..0;
            return;
        }
        if self.failure.is_none() {
            self.track.broke(&source);
            let error = self.conn.failed(Phase::Sending, source);
            self.broken(&error);
            if is_broken(&error) {
                // A peer that only takes nothing more is told that nothing more comes.
                let _ = self.conn.shutdown_write();
            } else if self.conn.has_end() {
                // The peer does not know, and would wait for the rest as long as we wait for it.
                self.down.state = State::Ended;
                self.finish_screen();
            }
            self.failure = Some(error);
        }
        self.up.pending = 0..0;
        self.up.state = State::Closed;
    }

    fn broken(&self, error: &Error) {
        if is_broken(error) {
            self.sink.emit(Some(self.id), &Event::Reset { error: &error.cause.to_string() });
        }
    }

    fn told_sent(&mut self, bytes: usize, data: Option<&[u8]>, now: Instant) {
        self.sent += bytes as u64;
        if bytes >= MUCH && !std::mem::replace(&mut self.up.is_much, true) {
            self.conn.fit_queue();
            self.up.splice = self.up.fast.take();
            if self.up.splice.is_some() && std::mem::take(&mut self.splice_waits) {
                // It is this lane that would wait now.
                let _ = self.conn.let_splice_wait(false);
            }
        }
        self.times.sent = now;
        self.times.progress = now;
        self.track.sent(data, now);
        if self.detail >= Detail::Transfers {
            self.sink.emit(Some(self.id), &Event::Send(Payload { bytes, data, first: None }));
        }
        if let Some(data) = data {
            self.keep_copy(data);
        }
    }

    fn told_received(&mut self, bytes: usize, data: Option<&[u8]>) {
        self.received += bytes as u64;
        let now = Instant::now();
        self.times.received = now;
        self.times.progress = now;
        let first = self.track.received(data, now);
        if self.detail >= Detail::Transfers || first.is_some() && self.sink.is_curious() {
            self.sink.emit(Some(self.id), &Event::Recv(Payload { bytes, data, first }));
        }
        if let Some(data) = data {
            self.keep_copy(data);
        }
    }

    /// A copy that cannot be written is an error at the end; what is copied goes on.
    fn keep_copy(&mut self, data: &[u8]) {
        let Some(mut copy) = self.copy else { return };
        if let Err(source) = copy.write_all(data) {
            self.copy = None;
            let error = Error::file("--output", Path::new(""), &source);
            self.sink.emit(Some(self.id), &Event::Warning { message: &error.to_string() });
            self.copy_failure = Some(error);
        }
    }

    pub(super) fn receive(&mut self) -> Result<Flow> {
        // What passes through the kernel is not seen later.
        let look = self.down.splice.is_some() && self.track.is_first();
        let looked = if look { self.track.look(self.conn) } else { Ok(()) };
        let outcome = match (&mut self.down.splice, self.output) {
            _ if looked.as_ref().is_err_and(|error| !would_block(error)) => looked.map(|()| Incoming::Eof),
            (Some(lane), Some(output)) => {
                let direct = matches!(lane, SpliceDown::Direct { .. });
                let outcome = lane.fill(self.conn, output);
                match &outcome {
                    Err(error) if splice::is_unsupported(error) => {
                        self.leave_splice()?;
                        return self.receive();
                    }
                    Err(error) if direct && error.kind() == io::ErrorKind::BrokenPipe => return Ok(Flow::OutputClosed),
                    Ok(Incoming::Bytes(bytes)) => self.told_received(*bytes, None),
                    _ => {}
                }
                outcome
            }
            _ => self.receive_plainly(),
        };
        match outcome {
            Ok(Incoming::Bytes(_)) => return self.flush(),
            Ok(Incoming::Eof) => {
                self.times.peer_end.get_or_insert_with(Instant::now);
                self.track.peer_ended();
                self.down.state = State::Ended;
                self.finish_screen();
                return self.flush();
            }
            Err(error) if would_block(&error) => {}
            // Who only sends misses nothing.
            Err(source) if self.rules.send_only && is_cut_short(&source) => {
                self.times.peer_end.get_or_insert_with(Instant::now);
                self.down.state = State::Ended;
            }
            Err(source) => {
                self.track.broke(&source);
                let error = self.conn.failed(Phase::Receiving, source);
                self.broken(&error);
                // What the peer said about it tells more than that it takes no more.
                if matches!(error.cause, Cause::Tls(_)) {
                    self.failure = Some(error);
                } else {
                    self.failure.get_or_insert(error);
                }
                self.up.pending = 0..0;
                self.up.state = State::Closed;
                if self.conn.has_end() {
                    self.down.state = State::Ended;
                    self.finish_screen();
                    return self.flush();
                }
            }
        }
        Ok(Flow::Open)
    }

    fn receive_plainly(&mut self) -> io::Result<Incoming> {
        if self.down.buffer.is_empty() {
            self.down.buffer = vec![0; BUFFER];
        }
        let mut buffer = std::mem::take(&mut self.down.buffer);
        let was_alone = !self.conn.has_peer();
        let outcome = self.conn.recv(&mut buffer);
        if let Ok(Incoming::Bytes(bytes)) = outcome {
            if was_alone {
                // Only now is there somebody to send to.
                self.times.sent = Instant::now();
            }
            let data = &buffer[..bytes];
            self.told_received(bytes, Some(data));
            if self.close_on.is_some_and(|wanted| wanted.is(data)) {
                // It is the last one that counts: what was read of stdin still goes, then both sides end.
                if self.up.state == State::Open {
                    self.up.state = State::Ended;
                }
                self.times.peer_end.get_or_insert_with(Instant::now);
                self.down.state = State::Ended;
            }
            match (&mut self.down.screen, self.output) {
                (_, None) => {}
                (Some(screen), _) => {
                    self.down.shown = screen.push(data).into_bytes();
                    self.down.pending = 0..self.down.shown.len();
                }
                (None, _) => self.down.pending = 0..bytes,
            }
        }
        self.down.buffer = buffer;
        outcome
    }

    /// Half a character at the end of all that comes is shown for what it is.
    pub(super) fn finish_screen(&mut self) {
        if let Some(screen) = &mut self.down.screen {
            self.down.shown.drain(..self.down.pending.start);
            self.down.shown.extend_from_slice(screen.finish().as_bytes());
            self.down.pending = 0..self.down.shown.len();
        }
    }

    /// Writes what came, as far as there is room.
    pub(super) fn flush(&mut self) -> Result<Flow> {
        let Some(output) = self.output else { return Ok(Flow::Open) };
        let mut moved = false;
        let outcome = loop {
            if let Some(lane) = &mut self.down.splice {
                if let SpliceDown::Direct { full, had_room } = lane {
                    // There is room again: what stopped for it goes on in the next round.
                    *had_room = std::mem::take(full);
                    self.times.received = Instant::now();
                    break Ok(());
                }
                if !lane.is_blocked() {
                    break Ok(());
                }
                match lane.flush(output) {
                    Ok(0) => break Ok(()),
                    Ok(_) => moved = true,
                    Err(error) if splice::is_unsupported(&error) => {
                        self.leave_splice()?;
                        return self.flush();
                    }
                    Err(error) => break Err(error),
                }
                continue;
            }
            if self.down.pending.is_empty() {
                break Ok(());
            }
            let bytes = if self.down.screen.is_some() { &self.down.shown } else { &self.down.buffer };
            match output.write(&bytes[self.down.pending.clone()]) {
                Ok(written) => {
                    self.down.pending.start += written;
                    moved = true;
                    if output.must_poll() {
                        break Ok(());
                    }
                }
                Err(error) => break Err(error),
            }
        };
        if moved {
            let now = Instant::now();
            self.times.progress = now;
            // While stdout was blocked, nothing could be received.
            self.times.received = now;
        }
        match outcome {
            Ok(()) => Ok(Flow::Open),
            Err(error) if would_block(&error) => Ok(Flow::Open),
            Err(error) if is_closed(&error) && output.has_reader() => Ok(Flow::OutputClosed),
            Err(source) => Err(Error::os(Phase::WritingStdout, None, source)),
        }
    }

    /// The kernel cannot do it for this pair: the plain lane goes on where the fast one is.
    fn leave_splice(&mut self) -> Result<()> {
        if let Some(lane) = self.down.splice.take() {
            self.down.buffer = lane.take_rest().map_err(|source| Error::os(Phase::Receiving, None, source))?;
            self.down.pending = 0..self.down.buffer.len();
            self.down.buffer.resize(self.down.buffer.len().max(BUFFER), 0);
        }
        Ok(())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    Open,
    /// Nobody reads our stdout any more, and there was something to write: the session is over.
    OutputClosed,
}

fn would_block(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
}

/// The peer over TLS ended without saying so.
fn is_cut_short(error: &io::Error) -> bool {
    error.get_ref().and_then(|inner| inner.downcast_ref()) == Some(&Fault::Truncated)
}

/// Whether it is the end of the connection, which reading shows as well.
fn is_broken(error: &Error) -> bool {
    matches!(error.errno(), Some(libc::ECONNRESET | libc::EPIPE | libc::ECONNABORTED | libc::ETIMEDOUT))
}

/// The reader of our stdout is gone: a pipe says EPIPE, a socket may say that it was reset.
fn is_closed(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
}

/// LF becomes CR LF; a CR LF that is there already stays, also when a read ends between the two.
fn to_crlf(bytes: &[u8], last_was_cr: &mut bool, out: &mut Vec<u8>) {
    let mut done = 0;
    for at in memchr::memchr_iter(b'\n', bytes) {
        let after_cr = if at > 0 { bytes[at - 1] == b'\r' } else { *last_was_cr };
        out.extend_from_slice(&bytes[done..at]);
        out.extend_from_slice(if after_cr { b"\n" } else { b"\r\n" });
        done = at + 1;
    }
    out.extend_from_slice(&bytes[done..]);
    if let Some(last) = bytes.last() {
        *last_was_cr = *last == b'\r';
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crlf_is_made_once_whatever_the_reads() {
        let (mut state, mut out) = (false, Vec::new());
        for read in ["a\r", "\nb\n\n", "", "\nc\rd\r", "", "\n"] {
            to_crlf(read.as_bytes(), &mut state, &mut out);
        }
        assert_eq!(out, b"a\r\nb\r\n\r\n\r\nc\rd\r\n");
    }
}
