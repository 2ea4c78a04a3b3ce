//! What the kernel tells of a socket of this host, the same on every system that does.

use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::addr::{Endpoint, UnixKind};
use crate::error::Process;

/// What a socket speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// TCP, over IPv4 or IPv6.
    Tcp,
    /// UDP.
    Udp,
    /// A UNIX socket.
    Unix(UnixKind),
}

impl Protocol {
    /// As the schemes of addresses call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Unix(UnixKind::Stream) => "unix",
            Self::Unix(UnixKind::Dgram) => "unix-dgram",
            Self::Unix(UnixKind::Seqpacket) => "unix-seqpacket",
        }
    }
}

impl Serialize for Protocol {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// The states of include/net/tcp_states.h, which UDP and UNIX sockets borrow some of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Connected; a UDP socket with a peer.
    Established = 1,
    /// A SYN was sent, and not answered yet.
    SynSent = 2,
    /// A SYN came, and the answer to ours did not yet.
    SynRecv = 3,
    /// We ended, and that was not acknowledged yet.
    FinWait1 = 4,
    /// We ended, and the peer did not yet.
    FinWait2 = 5,
    /// Both ended; stray segments are waited out.
    TimeWait = 6,
    /// Neither connected nor listening; a UDP socket that hears anybody.
    Unconnected = 7,
    /// The peer ended, and we did not yet.
    CloseWait = 8,
    /// Both ended, and our end was not acknowledged yet.
    LastAck = 9,
    /// Takes connections.
    Listen = 10,
    /// Both ended at once, and our end was not acknowledged yet.
    Closing = 11,
}

impl State {
    /// All of them, by number.
    pub const ALL: [Self; 11] = [
        Self::Established,
        Self::SynSent,
        Self::SynRecv,
        Self::FinWait1,
        Self::FinWait2,
        Self::TimeWait,
        Self::Unconnected,
        Self::CloseWait,
        Self::LastAck,
        Self::Listen,
        Self::Closing,
    ];

    /// That of the kernel's number. TCP_NEW_SYN_RECV is 12, TCP_BOUND_INACTIVE 13.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        match number {
            12 => Some(Self::SynRecv),
            13 => Some(Self::Unconnected),
            _ => Self::ALL.into_iter().find(|state| *state as u8 == number),
        }
    }

    /// The bits that ask the kernel for it.
    #[must_use]
    pub fn mask(self) -> u32 {
        let more = match self {
            Self::SynRecv => 1 << 12,
            Self::Unconnected => 1 << 13,
            _ => 0,
        };
        1 << self as u8 | more
    }

    /// As ss(8) and RFC 9293 call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Established => "established",
            Self::SynSent => "syn-sent",
            Self::SynRecv => "syn-recv",
            Self::FinWait1 => "fin-wait-1",
            Self::FinWait2 => "fin-wait-2",
            Self::TimeWait => "time-wait",
            Self::Unconnected => "unconnected",
            Self::CloseWait => "close-wait",
            Self::LastAck => "last-ack",
            Self::Listen => "listen",
            Self::Closing => "closing",
        }
    }
}

impl Serialize for State {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// The accept queue of a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Queue {
    /// Connections that wait to be accepted.
    pub waiting: u32,
    /// How many may, as the kernel took it from listen(2).
    pub limit: u32,
}

/// A timer that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Timer {
    /// `retransmit`, `keepalive`, `time-wait` or `probe` (of a zero window).
    pub kind: &'static str,
    /// When it goes off.
    #[serde(serialize_with = "seconds")]
    pub after: Duration,
    /// How often it has gone off in a row.
    pub tries: u8,
}

/// `struct tcp_info` of linux/tcp.h.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TcpDetails {
    /// The smoothed round-trip time.
    #[serde(serialize_with = "seconds")]
    pub rtt: Duration,
    /// How much it varies.
    #[serde(serialize_with = "seconds")]
    pub rttvar: Duration,
    /// How long an acknowledgement is waited for before a segment is sent again.
    #[serde(serialize_with = "seconds")]
    pub rto: Duration,
    /// The congestion window, in segments.
    pub cwnd: u32,
    /// The size of the segments we send, in bytes.
    pub mss: u32,
    /// The largest packet that the path takes, in bytes.
    pub pmtu: u32,
    /// Segments sent and not acknowledged yet.
    pub unacked: u32,
    /// Segments taken for lost.
    pub lost: u32,
    /// Segments sent again since the connection began.
    pub retransmits: u32,
    /// The rate at which segments are spaced, in bytes a second; `None` where they are not held back.
    pub pacing_rate: Option<u64>,
    /// Bytes of ours that the peer acknowledged.
    pub bytes_acked: Option<u64>,
    /// Bytes that came.
    pub bytes_received: Option<u64>,
}

/// `SK_MEMINFO_VARS` of linux/sock_diag.h, in bytes but for the drops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// What came and was not read yet takes so much.
    pub receive: u32,
    /// SO_RCVBUF.
    pub receive_limit: u32,
    /// What is being sent takes so much.
    pub send: u32,
    /// SO_SNDBUF.
    pub send_limit: u32,
    /// Packets and handshakes that were thrown away here.
    pub drops: u32,
}

/// A socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// What it speaks.
    pub protocol: Protocol,
    /// In which state.
    pub state: State,
    /// Bytes that came and were not read yet; not of a listener.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recv_q: Option<u32>,
    /// Bytes that were written and not acknowledged (UNIX: not read) yet; not of a listener.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub send_q: Option<u32>,
    /// Of a listener.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<Queue>,
    /// Its own address, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub local: Option<Endpoint>,
    /// That of its peer, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer: Option<Endpoint>,
    /// The inode of a UNIX socket's peer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer_inode: Option<u64>,
    /// The inode and the device of the file that a UNIX socket was bound to, of each the low 32 bits.
    #[serde(skip)]
    pub file: Option<(u32, u32)>,
    /// 0 where no process has it: not accepted yet, or not any more.
    pub inode: u64,
    /// Who made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// The same by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The processes that have it open, as far as this user may see them.
    pub processes: Vec<Process>,
    /// The interface that it is bound to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// Whether it leaves IPv4 alone, of an IPv6 listener.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub v6only: Option<bool>,
    /// The timer that runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timer: Option<Timer>,
    /// The congestion control.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub congestion: Option<String>,
    /// What is switched on: `sack`, `timestamps`, `ecn`, `IP_FREEBIND` and the like.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<&'static str>,
    /// Of a TCP connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tcp: Option<Box<TcpDetails>>,
    /// The memory of its buffers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<Memory>,
}

impl Entry {
    /// One of which nothing else is known yet.
    #[must_use]
    pub fn new(protocol: Protocol, state: State) -> Self {
        Self {
            protocol,
            state,
            recv_q: None,
            send_q: None,
            queue: None,
            local: None,
            peer: None,
            peer_inode: None,
            file: None,
            inode: 0,
            uid: None,
            user: None,
            processes: Vec::new(),
            interface: None,
            v6only: None,
            timer: None,
            congestion: None,
            options: Vec::new(),
            tcp: None,
            memory: None,
        }
    }

    /// Takes the two numbers that mean one thing of a listener and another of any other socket.
    #[must_use]
    pub fn with_queues(mut self, receive: u32, send: u32) -> Self {
        if self.state == State::Listen {
            self.queue = Some(Queue { waiting: receive, limit: send });
        } else {
            (self.recv_q, self.send_q) = (Some(receive), Some(send));
        }
        self
    }
}

/// Which sockets are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// TCP.
    pub tcp: bool,
    /// UDP.
    pub udp: bool,
    /// UNIX.
    pub unix: bool,
    /// IPv4.
    pub v4: bool,
    /// IPv6.
    pub v6: bool,
    /// A bit for each state: [`State::mask`].
    pub states: u32,
    /// Also TCP_INFO, options and memory.
    pub details: bool,
}

/// The counters of this network namespace about accept queues, since it began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ListenCounters {
    /// `TcpExtListenOverflows` of nstat(8): handshakes lost to full accept queues.
    pub overflows: u64,
    /// `TcpExtListenDrops`: those, and the ones lost for other reasons.
    pub drops: u64,
}

/// Durations are numbers of seconds, as in events.
fn seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}
