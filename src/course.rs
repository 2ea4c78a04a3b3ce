//! How a session went: what its closing line tells, and what the cause of its failure is found from.

use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::error::Between;
use crate::event::Side;

/// As much as is known; of a session that is open, so far.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Course {
    /// How long it is, or was, open.
    #[serde(skip)]
    pub age: Duration,
    /// Bytes sent.
    #[serde(skip)]
    pub sent: u64,
    /// Bytes received.
    #[serde(skip)]
    pub received: u64,
    /// Who ended, or broke, the connection first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_by: Option<Side>,
    /// And how.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub how: Option<Ending>,
    /// When that was, after the beginning.
    #[serde(skip)]
    pub ended_after: Option<Duration>,
    /// From the beginning to the first byte that came.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "maybe_seconds")]
    pub first_byte: Option<Duration>,
    /// How long nothing has moved, in either direction.
    #[serde(serialize_with = "seconds")]
    pub quiet: Duration,
    /// Bytes that were sent and that the peer's kernel has not acknowledged (UNIX: the peer has not read).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub send_queue: Option<u64>,
    /// Bytes that came and that we have not read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recv_queue: Option<u64>,
    /// Of a TCP connection.
    #[serde(flatten)]
    pub tcp: Option<TcpInfo>,
    /// Whether the peer came to us.
    #[serde(skip)]
    pub accepted: bool,
    /// Whether it is secured by TLS, so that the peer speaks that.
    #[serde(skip)]
    pub secured: bool,
    /// The proxy that leads to the peer.
    #[serde(skip)]
    pub between: Option<Between>,
    /// Whether its packets keep to an interface, are marked, or come from an address that was asked for, so that those of
    /// other sockets may go another way.
    #[serde(skip)]
    pub steered: bool,
    /// Whether we have told the peer that no more comes.
    #[serde(skip)]
    pub we_ended: bool,
    /// Whether the peer has.
    #[serde(skip)]
    pub peer_ended: bool,
    /// The first bytes that came.
    #[serde(skip)]
    pub head: Vec<u8>,
    /// The last byte that was sent, where it passed through our hands.
    #[serde(skip)]
    pub last_sent: Option<u8>,
    /// Whether what came waits for whoever reads our standard output.
    #[serde(skip)]
    pub output_full: bool,
}

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// In order: no more is sent.
    Fin,
    /// At once: what was on its way is thrown away.
    Reset,
    /// Nothing is heard of the peer any more.
    Lost,
}

/// What the kernel knows of a TCP connection: `struct tcp_info` of linux/tcp.h, of which an older kernel tells less.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct TcpInfo {
    /// Its state, as in include/net/tcp_states.h.
    #[serde(skip)]
    pub state: u8,
    /// The smoothed round-trip time.
    #[serde(serialize_with = "seconds")]
    pub rtt: Duration,
    /// How much it varies.
    #[serde(serialize_with = "seconds")]
    pub rtt_deviation: Duration,
    /// Segments with data sent since the connection began, those that were sent again included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub segments: Option<u32>,
    /// Segments sent again since the connection began.
    pub retransmits: u32,
    /// How many times in a row the same segment was sent again after its time was up.
    #[serde(skip)]
    pub retries: u8,
    /// How many times in a row the peer was asked whether it has room again, without an answer.
    #[serde(skip)]
    pub probes: u8,
    /// The congestion window, in segments.
    pub congestion_window: u32,
    /// The size of the segments we send, in bytes.
    #[serde(skip)]
    pub segment: u32,
    /// The largest packet that the path is taken to carry, in bytes.
    #[serde(skip)]
    pub path_mtu: u32,
    /// Segments sent and not acknowledged yet.
    #[serde(skip)]
    pub unacknowledged: u32,
    /// Those of them that the peer says it has although earlier ones are missing (SACK, RFC 2018).
    #[serde(skip)]
    pub sacked: u32,
    /// Segments taken for lost.
    #[serde(skip)]
    pub lost: u32,
    /// Since something came from the peer that acknowledges.
    #[serde(skip)]
    pub since_ack: Duration,
    /// Bytes of ours that the peer's kernel has acknowledged.
    #[serde(skip)]
    pub acked: Option<u64>,
    /// Bytes that wait and were not even sent once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unsent: Option<u32>,
    /// How many bytes the peer has room for, as it said last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<u32>,
    /// How long it was the peer's lack of room that held us back.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "maybe_seconds")]
    pub window_limited: Option<Duration>,
    /// Segments that came while earlier ones were missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub out_of_order: Option<u32>,
}

/// A session that ends so soon, in silence, was not wanted.
const AT_ONCE: Duration = Duration::from_secs(1);

/// What is odd about a session that ended in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Oddity {
    /// We connected, and the peer ended before anybody said a word.
    ClosedAtOnce,
    /// The peer ended soon, without an answer to what we sent, and before we ended.
    ClosedUnanswered,
    /// The peer answered plain text with a TLS alert.
    AnswersInTls,
    /// A client came with a TLS handshake to a server of plain text.
    ClientHello,
}

impl Course {
    /// Whether what came begins with the record of a TLS alert (RFC 8446, sections 5.1 and 6), and which.
    #[must_use]
    pub fn tls_alert(&self) -> Option<u8> {
        match self.head[..] {
            [21, 3, 0..=4, 0, 2, 1 | 2, description, ..] => Some(description),
            _ => None,
        }
    }

    /// Whether what came begins with a TLS record that holds a ClientHello (RFC 8446, sections 4 and 5.1).
    #[must_use]
    pub fn is_client_hello(&self) -> bool {
        matches!(self.head[..], [22, 3, 0..=4, _, _, 1, ..])
    }

    /// What is odd about it, where it is.
    #[must_use]
    pub fn oddity(&self) -> Option<Oddity> {
        let by_peer = self.ended_by == Some(Side::Peer) && self.how == Some(Ending::Fin);
        if self.tls_alert().is_some() && !self.accepted && self.sent > 0 {
            Some(Oddity::AnswersInTls)
        } else if self.is_client_hello() && self.accepted {
            Some(Oddity::ClientHello)
        } else if self.accepted || !by_peer || self.received > 0 || !self.was_short() {
            None
        } else if self.sent == 0 {
            Some(Oddity::ClosedAtOnce)
        } else {
            Some(Oddity::ClosedUnanswered)
        }
    }

    /// Whether it was over before it had begun.
    #[must_use]
    pub fn was_short(&self) -> bool {
        self.received == 0 && self.ended_after.unwrap_or(self.age) <= AT_ONCE
    }

    /// Bytes a second, sent and received; none of a session too short for that to mean anything.
    #[must_use]
    pub fn rates(&self) -> Option<(f64, f64)> {
        let seconds = self.age.as_secs_f64();
        #[allow(clippy::cast_precision_loss, reason = "a rate has three digits")]
        (seconds > 0.0).then(|| (self.sent as f64 / seconds, self.received as f64 / seconds))
    }
}

fn seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}

fn maybe_seconds<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.unwrap_or_default().as_secs_f64())
}
