//! The one wait of the engine: a poll(2) that also receives, and shows, what comes on every connection.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags};

use super::run::{Engine, Failure};
use crate::error::{Error, Phase, words};
use crate::event::{ConnId, Detail, Event, Payload, Side};
use crate::net::conn::Incoming;
use crate::net::socket::Kind;
use crate::sys::{Stop, poll};

/// One read, in bytes; larger than any datagram of IP. A larger UNIX message makes it grow.
pub(super) const CHUNK: usize = 256 << 10;

/// What a command waits for beside what comes on connections.
#[derive(Default, Clone, Copy)]
pub(super) struct Watch<'w> {
    /// Room to send on this connection.
    pub out: Option<ConnId>,
    /// Somebody who connects.
    pub listener: bool,
    /// Anything on this descriptor.
    pub wake: Option<BorrowedFd<'w>>,
    /// What comes on this connection is kept whole: it is not received when there is no room.
    pub keep: Option<ConnId>,
    /// What comes on this connection is shown and not kept.
    pub skip: Option<ConnId>,
    /// Watch this connection for a reset, although its peer has ended.
    pub reset: Option<ConnId>,
}

/// What a wait brought.
#[derive(Default, Clone, Copy)]
pub(super) struct Turn {
    pub out: bool,
    pub listener: bool,
    pub wake: bool,
    /// Something came on a connection, or one ended.
    pub moved: bool,
    /// A connection changed its state.
    pub changed: bool,
}

#[derive(Clone, Copy)]
enum Fd {
    Stop,
    Asked,
    Interrupt,
    Wake,
    Listener,
    Face,
    Slot(usize),
}

impl Engine<'_> {
    /// Waits until anything happens, or `until`.
    ///
    /// # Errors
    /// When the program is to stop, or the command was interrupted; those of poll(2).
    pub(super) fn turn(&mut self, until: Option<Instant>, watch: Watch<'_>) -> Result<Turn, Failure> {
        let seen = self.watch(until, watch)?;
        let mut turn = Turn::default();
        let broken = PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL;
        for (fd, events) in seen {
            match fd {
                Fd::Stop => {
                    if let Some(reason) = self.stop.requested() {
                        return Err(Failure::Stopped(reason));
                    }
                }
                Fd::Asked => self.tell_asked(),
                Fd::Interrupt => return Err(Failure::Interrupted),
                Fd::Wake => turn.wake = true,
                Fd::Listener => turn.listener = true,
                Fd::Face => self.face.flush(),
                Fd::Slot(nth) => {
                    let id = self.slots[nth].id;
                    if watch.out == Some(id) && events.intersects(PollFlags::OUT | broken) {
                        turn.out = true;
                    }
                    if events.intersects(PollFlags::IN | broken) {
                        let before = self.slots[nth].state();
                        if self.slots[nth].peer_ended {
                            self.look_for_reset(nth);
                        } else {
                            turn.moved |= self.receive(nth, watch);
                        }
                        turn.changed |= self.slots[nth].state() != before;
                    }
                }
            }
        }
        turn.moved |= turn.changed;
        Ok(turn)
    }

    /// Polls, and says what was ready.
    fn watch(&self, until: Option<Instant>, watch: Watch<'_>) -> Result<Vec<(Fd, PollFlags)>, Failure> {
        let mut fds = vec![PollFd::new(&self.stop, PollFlags::IN)];
        let mut which = vec![Fd::Stop];
        if let Some(asked) = self.stop.asked() {
            fds.push(PollFd::new(asked, PollFlags::IN));
            which.push(Fd::Asked);
        }
        for (fd, name) in [(self.interrupt, Fd::Interrupt), (watch.wake, Fd::Wake)] {
            if let Some(fd) = fd {
                fds.push(PollFd::from_borrowed_fd(fd, PollFlags::IN));
                which.push(name);
            }
        }
        if let Some((listener, door)) = &self.door
            && watch.listener
        {
            let watched = door.watched(listener);
            which.extend(watched.iter().map(|_| Fd::Listener));
            fds.extend(watched);
        }
        if let Some(fd) = self.face.blocked() {
            fds.push(PollFd::from_borrowed_fd(fd, PollFlags::OUT));
            which.push(Fd::Face);
        }
        let full = self.face.is_full();
        for (nth, slot) in self.slots.iter().enumerate() {
            let Some(conn) = &slot.conn else { continue };
            if slot.broken.is_some() {
                continue;
            }
            let mut flags = PollFlags::empty();
            let kept_and_full = watch.keep == Some(slot.id) && slot.buffer.room() == 0;
            flags.set(PollFlags::IN, !slot.peer_ended && !full && !kept_and_full);
            flags.set(PollFlags::OUT, watch.out == Some(slot.id));
            // Without a flag to wait for, one that has hung up would be ready for ever.
            let flags = conn.watch(flags);
            if !flags.is_empty() || watch.reset == Some(slot.id) {
                fds.push(PollFd::new(conn, flags));
                which.push(Fd::Slot(nth));
            }
        }
        poll(&mut fds, until).map_err(|source| Failure::Failed(Error::os(Phase::Waiting, None, source)))?;
        let seen = which.into_iter().zip(fds.iter().map(PollFd::revents));
        Ok(seen.filter(|(_, events)| !events.is_empty()).collect())
    }

    /// Receives once; whether anything came.
    fn receive(&mut self, nth: usize, watch: Watch<'_>) -> bool {
        let slot = &mut self.slots[nth];
        let (id, detail) = (slot.id, self.detail);
        let Some(conn) = &mut slot.conn else { return false };
        let mut chunk = std::mem::take(&mut self.chunk);
        let mut most = CHUNK.min(slot.buffer.room().max(1));
        if slot.shape.kind != Kind::Stream || watch.keep != Some(id) {
            most = CHUNK;
        }
        chunk.resize(most, 0);
        let outcome = conn.recv(&mut chunk);
        match &outcome {
            Ok(Incoming::Bytes(bytes)) => {
                let bytes = &chunk[..*bytes];
                slot.received += bytes.len() as u64;
                let first = slot.track.received(Some(bytes), Instant::now());
                if detail >= Detail::Transfers || first.is_some() && self.sink.is_curious() {
                    self.sink.emit(Some(id), &Event::Recv(Payload { first, ..Payload::of(bytes) }));
                }
                self.face.payload(id, bytes);
                if watch.skip != Some(id) {
                    let fits = bytes.len().min(self.config.buffer);
                    let first = slot.buffer.forgotten() == 0;
                    if watch.keep != Some(id) && slot.buffer.forget_for(fits) && first {
                        let message = format!(
                            "more than {} bytes came that no command took; forgetting the oldest",
                            self.config.buffer
                        );
                        self.sink.emit(Some(id), &Event::Warning { message: &message });
                    }
                    slot.buffer.push(bytes);
                }
            }
            Ok(Incoming::Eof) => {
                slot.peer_ended = true;
                slot.track.peer_ended();
                self.sink.emit(Some(id), &Event::Eof { side: Side::Peer });
            }
            Err(_) => {}
        }
        self.chunk = chunk;
        match outcome {
            Ok(_) => true,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => false,
            Err(source) => {
                self.failed(nth, Phase::Receiving, source);
                true
            }
        }
    }

    /// The peer has ended before; a reset after that shows as an error of the socket only.
    fn look_for_reset(&mut self, nth: usize) {
        let Some(conn) = &self.slots[nth].conn else { return };
        if let Ok(Some(error)) = conn.socket().take_error() {
            self.failed(nth, Phase::Receiving, error);
        }
    }

    /// A call on a connection failed: it is broken, or on datagrams, somebody said no.
    pub(super) fn failed(&mut self, nth: usize, phase: Phase, source: io::Error) {
        let slot = &mut self.slots[nth];
        let text = words(&source);
        if slot.shape.kind == Kind::Dgram {
            slot.refused = Some(text);
            return;
        }
        slot.track.broke(&source);
        let exit = Error::os(phase, None, source).exit;
        self.sink.emit(Some(slot.id), &Event::Reset { error: &text });
        slot.broken.get_or_insert((text, exit));
    }

    /// Waits until what is to be shown has been written.
    ///
    /// # Errors
    /// When the program is to stop.
    pub(super) fn show_all(&mut self) -> Result<(), Failure> {
        self.face.flush();
        while self.face.blocked().is_some() {
            self.turn(None, Watch::default())?;
        }
        Ok(())
    }

    /// Whether the program is to stop.
    pub(super) fn check_stop(&self) -> Result<(), Failure> {
        Stop::requested(&self.stop).map_or(Ok(()), |reason| Err(Failure::Stopped(reason)))
    }
}
