//! A connection of the engine: what is known of it, also when it is over.

use std::time::{Duration, Instant};

use super::buffer::Buffer;
use crate::addr::Endpoint;
use crate::course::Course;
use crate::error::Exit;
use crate::event::ConnId;
use crate::net::conn::Conn;
use crate::net::options::Role;
use crate::net::socket::{Kind, Shape};
use crate::net::track::Track;

/// How far a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Both sides may send.
    Open,
    /// One side has ended (FIN): the peer's, with `true`; ours, with `false`.
    HalfClosed(bool),
    /// Both sides have ended, and it is not closed yet.
    Ended,
    /// We closed it.
    Closed,
    /// It broke: reset by the peer, or lost. Or we reset it.
    Reset,
}

impl State {
    /// For a prompt, and for `conns`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::HalfClosed(_) => "half-closed",
            Self::Ended => "ended",
            Self::Closed => "closed",
            Self::Reset => "reset",
        }
    }
}

/// See the module.
pub struct Slot {
    /// Its number, in events and for `use`.
    pub id: ConnId,
    /// The connection; gone when it was closed.
    pub(super) conn: Option<Conn>,
    local: Endpoint,
    peer: Endpoint,
    /// Family and type.
    pub shape: Shape,
    /// Whether we connected, or the peer did.
    pub role: Role,
    /// What came and was not taken.
    pub(super) buffer: Buffer,
    /// Bytes sent.
    pub sent: u64,
    /// Bytes received.
    pub received: u64,
    pub(super) track: Track,
    pub(super) closed: Option<Instant>,
    pub(super) peer_ended: bool,
    pub(super) we_ended: bool,
    /// The system's words for how it broke, and the exit code that goes with them.
    pub(super) broken: Option<(String, Exit)>,
    /// Datagrams: an answer from the network that ends nothing ("Connection refused").
    pub(super) refused: Option<String>,
}

impl Slot {
    pub(super) fn new(id: ConnId, conn: Conn, role: Role, limit: usize) -> Self {
        let shape = conn.shape();
        Self {
            id,
            local: conn.local().clone(),
            peer: conn.peer().clone(),
            shape,
            role,
            buffer: Buffer::new(limit, shape.kind != Kind::Stream),
            sent: 0,
            received: 0,
            track: Track::new(role != Role::Client),
            closed: None,
            peer_ended: false,
            we_ended: false,
            broken: None,
            refused: None,
            conn: Some(conn),
        }
    }

    /// How far it is.
    #[must_use]
    pub fn state(&self) -> State {
        match (&self.broken, self.closed, self.peer_ended, self.we_ended) {
            (Some(_), ..) => State::Reset,
            (None, Some(_), ..) => State::Closed,
            (None, None, true, true) => State::Ended,
            (None, None, false, false) => State::Open,
            (None, None, peer, _) => State::HalfClosed(peer),
        }
    }

    /// The peer's address; for a datagram server, of whoever spoke last.
    #[must_use]
    pub fn peer(&self) -> &Endpoint {
        self.conn.as_ref().map_or(&self.peer, Conn::peer)
    }

    /// Our address.
    #[must_use]
    pub fn local(&self) -> &Endpoint {
        &self.local
    }

    /// How long it is, or was, open.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.closed.unwrap_or_else(Instant::now).duration_since(self.track.opened())
    }

    /// How many bytes came and were not taken.
    #[must_use]
    pub fn unread(&self) -> usize {
        self.buffer.unread().len()
    }

    /// How it broke, in the system's words.
    #[must_use]
    pub fn broken(&self) -> Option<&str> {
        self.broken.as_ref().map(|(text, _)| text.as_str())
    }

    /// Whether it was us who reset it.
    #[must_use]
    pub fn was_reset_by_us(&self) -> bool {
        self.broken.as_ref().is_some_and(|(_, exit)| *exit == Exit::Ok)
    }

    /// Whether nothing more can come.
    pub(super) fn is_over(&self) -> bool {
        self.peer_ended || self.broken.is_some() || self.conn.is_none()
    }

    /// How it went so far.
    pub(super) fn course(&self) -> Option<Course> {
        self.conn.as_ref().map(|conn| self.track.course(conn, self.sent, self.received))
    }

    pub(super) fn remember_peer(&mut self) {
        if let Some(conn) = &self.conn {
            self.peer = conn.peer().clone();
        }
    }
}
