//! What is remembered of a session while it goes on, for its [`Course`].

use std::io;
use std::time::Instant;

use crate::course::{Course, Ending};
use crate::event::Side;
use crate::net::conn::Conn;
use crate::net::socket::Kind;
use crate::sys;

/// The peer has ended, and we have not: include/net/tcp_states.h.
const CLOSE_WAIT: u8 = 8;
/// So many bytes of the beginning of what comes are remembered.
const HEAD: usize = 16;

/// See the module.
#[derive(Debug, Clone)]
pub struct Track {
    opened: Instant,
    accepted: bool,
    first: Option<Instant>,
    moved: Instant,
    ended: Option<(Side, Ending)>,
    ended_at: Option<Instant>,
    we_ended: bool,
    peer_ended: bool,
    head: Vec<u8>,
    last_sent: Option<u8>,
}

impl Track {
    /// A session that begins now; with `accepted`, the peer came to us.
    #[must_use]
    pub fn new(accepted: bool) -> Self {
        let now = Instant::now();
        Self {
            opened: now,
            accepted,
            first: None,
            moved: now,
            ended: None,
            ended_at: None,
            we_ended: false,
            peer_ended: false,
            head: Vec::new(),
            last_sent: None,
        }
    }

    /// When it began.
    #[must_use]
    pub fn opened(&self) -> Instant {
        self.opened
    }

    /// Whether nothing has come yet, so that what comes next is worth a look.
    #[must_use]
    pub fn is_first(&self) -> bool {
        self.first.is_none()
    }

    /// Looks at the beginning of what comes, without taking it.
    ///
    /// # Errors
    /// Those of recvmsg(2), which the kernel tells once only: whoever would have received has it from here.
    pub fn look(&mut self, conn: &Conn) -> io::Result<()> {
        if self.head.is_empty() && conn.shape().kind == Kind::Stream {
            self.head = conn.peek(HEAD)?;
        }
        Ok(())
    }

    /// Something came. Says since when it was waited for, where it is the first.
    pub fn received(&mut self, data: Option<&[u8]>, now: Instant) -> Option<std::time::Duration> {
        self.moved = now;
        if self.head.is_empty()
            && let Some(data) = data
        {
            self.head = data[..data.len().min(HEAD)].to_vec();
        }
        match self.first {
            Some(_) => None,
            None => Some(self.first.insert(now).duration_since(self.opened)),
        }
    }

    /// Something was sent.
    pub fn sent(&mut self, data: Option<&[u8]>, now: Instant) {
        self.moved = now;
        self.last_sent = data.and_then(<[u8]>::last).copied();
    }

    /// We are about to tell the peer that no more comes.
    pub fn ending(&mut self, conn: &Conn) {
        let peer_was_first =
            conn.shape().is_tcp() && sys::sockopt::tcp_info(conn).is_ok_and(|info| info.state == CLOSE_WAIT);
        let first = if peer_was_first { Side::Peer } else { Side::Local };
        self.ended.get_or_insert((first, Ending::Fin));
        self.ended_at.get_or_insert_with(Instant::now);
        self.we_ended = true;
    }

    /// The end of what the peer sends came.
    pub fn peer_ended(&mut self) {
        self.peer_ended = true;
        self.ended.get_or_insert((Side::Peer, Ending::Fin));
        self.ended_at.get_or_insert_with(Instant::now);
    }

    /// We reset it.
    pub fn reset(&mut self) {
        self.ended = Some((Side::Local, Ending::Reset));
    }

    /// A call failed.
    pub fn broke(&mut self, error: &io::Error) {
        self.ended = match error.raw_os_error() {
            Some(libc::ETIMEDOUT | libc::EHOSTUNREACH | libc::ENETUNREACH) => Some((Side::Peer, Ending::Lost)),
            Some(libc::ECONNRESET | libc::ECONNABORTED) => Some((Side::Peer, Ending::Reset)),
            // It says so of a connection of which it is known how it ended.
            Some(libc::EPIPE) => self.ended.or(Some((Side::Peer, Ending::Reset))),
            _ => self.ended,
        };
        self.ended_at.get_or_insert_with(Instant::now);
    }

    /// How it went so far, with these many bytes sent and received.
    #[must_use]
    pub fn course(&self, conn: &Conn, sent: u64, received: u64) -> Course {
        let now = Instant::now();
        let mut course = Course {
            age: now.duration_since(self.opened),
            sent,
            received,
            ended_by: self.ended.map(|(by, _)| by),
            how: self.ended.map(|(_, how)| how),
            ended_after: self.ended_at.map(|at| at.duration_since(self.opened)),
            first_byte: self.first.map(|first| first.duration_since(self.opened)),
            quiet: now.duration_since(self.moved),
            accepted: self.accepted,
            secured: conn.is_tls(),
            between: conn.proxy().cloned(),
            we_ended: self.we_ended,
            peer_ended: self.peer_ended,
            head: self.head.clone(),
            last_sent: self.last_sent,
            ..Course::default()
        };
        conn.examine(&mut course);
        course
    }

    /// The same of one that is over: what nobody else ended, we do.
    #[must_use]
    pub fn last_course(&self, conn: &Conn, sent: u64, received: u64) -> Course {
        let mut course = self.course(conn, sent, received);
        if course.ended_by.is_none() && conn.has_end() {
            // tcp_close() of net/ipv4/tcp.c: what came and was not read is answered by a reset.
            let unread = conn.shape().is_tcp() && course.recv_queue.is_some_and(|bytes| bytes > 0);
            course.ended_by = Some(Side::Local);
            course.how = Some(if unread { Ending::Reset } else { Ending::Fin });
        }
        course
    }
}
