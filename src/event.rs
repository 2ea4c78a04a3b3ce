//! What happens, as plain facts, and the trait of whoever wants to be told.
//!
//! Work reports events and never prints; the `out` modules say them to a person or as JSON Lines. The
//! schema of the JSON form is documented in docs/events.md and pinned by the tests of `out::json`.

use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::addr::Endpoint;
use crate::course::Course;
use crate::error::Error;
use crate::tls::{Certificate, Secured};

/// The schema's version: the `v` of every event. Grows when a field changes its meaning or goes.
pub const VERSION: u32 = 1;

/// Numbers the connections of one run, from 1.
pub type ConnId = u64;

/// How much a sink wants to be told. The pump takes the kernel's fast path only below [`Detail::Payload`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Detail {
    /// Connections come and go; nothing for each read and write.
    Sessions,
    /// Each read and write, as a number of bytes.
    Transfers,
    /// The bytes themselves.
    Payload,
}

/// Whoever wants to be told.
pub trait Sink: Send + Sync {
    /// Takes one event. It must not block for long and cannot fail: a sink that breaks says so itself.
    fn emit(&self, conn: Option<ConnId>, event: &Event<'_>);

    /// Takes a failure, as an [`Event::Error`] of one line. Whoever talks to people adds why, and what to try:
    /// work calls this and not `emit`, so that it need not know how.
    fn fail(&self, conn: Option<ConnId>, error: &Error) {
        let message = error.to_string();
        self.emit(
            conn,
            &Event::Error { message: &message, reason: error.exit.name(), cause: None, r#try: &[], details: &[] },
        );
    }

    /// Takes what is odd although nothing failed, or a failure that all goes on after, as an [`Event::Warning`] of one
    /// line. The rest as of [`Sink::fail`].
    fn warn(&self, conn: Option<ConnId>, odd: &Error) {
        self.emit(conn, &Event::Warning { message: &odd.to_string() });
    }

    /// Whether it tells how a session went: its [`Course`], which costs a few questions to the kernel.
    fn is_curious(&self) -> bool {
        false
    }

    /// Whether it told stdout and nobody reads that any more: then there is nobody to work for.
    fn reader_left(&self) -> bool {
        false
    }

    /// What this sink wants to be told; constant over its life.
    fn detail(&self) -> Detail {
        Detail::Sessions
    }
}

/// Which end of a connection did something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// Our own side: stdin, a handler, this program.
    Local,
    /// The other side of the connection.
    Peer,
}

/// Which time limit passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Limit {
    /// `--accept-timeout`
    Accept,
    /// `--idle-timeout`
    Idle,
    /// `--recv-timeout`
    Recv,
    /// `--send-timeout`
    Send,
    /// `--deadline`
    Deadline,
}

/// One thing that happened. Durations are in seconds, sizes in bytes, addresses in the address grammar.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event<'a> {
    /// The program starts its work.
    Start {
        /// The subcommand.
        command: &'a str,
        /// This program's version.
        version: &'a str,
        /// This process.
        pid: u32,
    },
    /// A name was turned into addresses.
    Resolve {
        /// The name.
        name: &'a str,
        /// What it stands for, in the order in which they will be tried.
        addresses: &'a [Endpoint],
        /// Where each of them is from: `"hosts"`, `"dns"`, `"other"`; empty where nobody wants to know.
        #[serde(skip_serializing_if = "<[&str]>::is_empty")]
        sources: &'a [&'static str],
        /// The name servers that are asked, where one was.
        #[serde(skip_serializing_if = "<[String]>::is_empty")]
        servers: &'a [String],
        /// How long the resolver took.
        #[serde(serialize_with = "seconds")]
        took: Duration,
    },
    /// One address was tried.
    Attempt {
        /// The address.
        address: &'a Endpoint,
        /// `"connected"`, `"failed"`, or `"abandoned"` when another address was quicker.
        result: &'static str,
        /// The system's words, when it failed.
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<&'a str>,
        /// The address of ours that it came from.
        #[serde(skip_serializing_if = "Option::is_none")]
        local: Option<&'a Endpoint>,
        /// Which way it went, of this host's routes.
        #[serde(flatten)]
        route: Option<Route>,
        /// From its first packet to the result.
        #[serde(serialize_with = "seconds")]
        took: Duration,
    },
    /// What came of asking a proxy to open the way.
    Proxy {
        /// What it speaks: `"socks5"`, `"socks5h"`, `"socks4"`, `"socks4a"`, `"http"`.
        kind: &'static str,
        /// Its address.
        address: &'a Endpoint,
        /// What it was asked for.
        target: &'a Endpoint,
        /// How we proved who we are: `"none"`, `"user"`, `"password"`, `"basic"`, `"digest"`.
        login: &'static str,
        /// Why it came to nothing, when it did.
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<&'a str>,
        /// How long the connections to the proxy took, its name included.
        #[serde(serialize_with = "seconds")]
        connect: Duration,
        /// How long it took after that, until the way was open.
        #[serde(serialize_with = "seconds")]
        took: Duration,
    },
    /// A connection that we made is open.
    Connected {
        /// Our address.
        local: &'a Endpoint,
        /// The peer's.
        peer: &'a Endpoint,
        /// The proxy that it leads through.
        #[serde(skip_serializing_if = "Option::is_none")]
        via: Option<&'a Endpoint>,
        /// From the start of resolving.
        #[serde(serialize_with = "seconds")]
        took: Duration,
    },
    /// A server takes connections, or a datagram socket takes datagrams.
    Listening {
        /// The bound address, with the real port.
        local: &'a Endpoint,
        /// Which families reach it: `"IPv4"`, `"IPv6"`, `"IPv4 and IPv6"`; absent where there is just one kind.
        #[serde(skip_serializing_if = "Option::is_none")]
        families: Option<&'static str>,
        /// How many finished handshakes may wait for accept; absent for datagrams.
        #[serde(skip_serializing_if = "Option::is_none")]
        backlog: Option<u32>,
    },
    /// A connection that came to us is open; for datagrams, a new peer was heard.
    Accepted {
        /// Our address.
        local: &'a Endpoint,
        /// The peer's; where a PROXY protocol header names one, that.
        peer: &'a Endpoint,
        /// Who sent that header.
        #[serde(skip_serializing_if = "Option::is_none")]
        via: Option<&'a Endpoint>,
        /// The address that the peer connected to, as that header has it.
        #[serde(skip_serializing_if = "Option::is_none")]
        destination: Option<&'a Endpoint>,
    },
    /// The certificate that a server shows.
    Certificate {
        /// What it says.
        #[serde(flatten)]
        certificate: &'a Certificate,
        /// Whether it was made for this run (`--tls-self-signed`).
        made: bool,
    },
    /// A connection is secured by TLS.
    Tls {
        /// How.
        #[serde(flatten)]
        secured: &'a Secured,
        /// How long the handshake took.
        #[serde(serialize_with = "seconds")]
        took: Duration,
    },
    /// A peer was turned away.
    Denied {
        /// The peer.
        peer: &'a Endpoint,
        /// The rule that says so.
        rule: &'a str,
    },
    /// What a server can no longer do, whoever takes it over.
    Sandbox {
        /// The version of Landlock, which lets no file be opened; absent where there is none.
        #[serde(skip_serializing_if = "Option::is_none")]
        landlock: Option<u32>,
        /// How many system calls seccomp allows; absent where there is none.
        #[serde(skip_serializing_if = "Option::is_none")]
        calls: Option<usize>,
        /// The directory in which files are made all the same.
        #[serde(skip_serializing_if = "Option::is_none")]
        writes: Option<&'a str>,
        /// The directories below which files are read all the same.
        #[serde(skip_serializing_if = "<[_]>::is_empty")]
        reads: &'a [String],
        /// The TCP ports that are connected to all the same; absent where no connection is made at all.
        #[serde(skip_serializing_if = "Option::is_none")]
        ports: Option<&'a [u16]>,
        /// What is not there, and why.
        #[serde(skip_serializing_if = "Option::is_none")]
        note: Option<&'a str>,
    },
    /// A socket option was set, or read.
    Option {
        /// Its name, that of the flag.
        name: &'a str,
        /// What was asked for.
        asked: &'a str,
        /// What the kernel made of it.
        effective: &'a str,
        /// Why they differ.
        #[serde(skip_serializing_if = "Option::is_none")]
        note: Option<&'a str>,
    },
    /// Bytes went to the peer.
    Send(Payload<'a>),
    /// Bytes came from the peer.
    Recv(Payload<'a>),
    /// One side ended what it sends.
    Eof {
        /// Which.
        side: Side,
    },
    /// We half-closed: the peer has been told that no more comes.
    Shutdown {
        /// `"write"` or `"read"`.
        direction: &'static str,
    },
    /// The connection broke.
    Reset {
        /// The system's words.
        error: &'a str,
    },
    /// A time limit passed.
    Timeout {
        /// Which.
        limit: Limit,
        /// How long it was.
        #[serde(serialize_with = "seconds")]
        after: Duration,
    },
    /// The accept queue of a listener.
    Queue {
        /// Finished handshakes that wait for accept.
        length: u32,
        /// How many may wait, as the kernel took it.
        limit: u32,
        /// How many were asked for.
        #[serde(skip_serializing_if = "Option::is_none")]
        asked: Option<u32>,
        /// The most that the kernel takes (`net.core.somaxconn`).
        #[serde(skip_serializing_if = "Option::is_none")]
        cap: Option<u32>,
        /// How many of those that wait have ended already.
        #[serde(skip_serializing_if = "Option::is_none")]
        left: Option<u32>,
        /// Handshakes lost to a full queue since we listen, of the whole host (`TcpExtListenOverflows`).
        #[serde(skip_serializing_if = "Option::is_none")]
        overflows: Option<u64>,
        /// The same and those lost for other reasons (`TcpExtListenDrops`).
        #[serde(skip_serializing_if = "Option::is_none")]
        drops: Option<u64>,
    },
    /// How a server stands, when it is asked (SIGUSR1) and at its end (`--stats`).
    Stats {
        /// Sessions under way.
        sessions: u64,
        /// Sessions since the start, these included.
        total: u64,
        /// Bytes sent in all of them.
        sent: u64,
        /// Bytes received in all of them.
        received: u64,
        /// Peers that `--allow` or `--deny` turned away.
        denied: u64,
        /// How many times a connection had to wait for lack of descriptors or memory.
        exhausted: u64,
        /// Since it began to serve.
        #[serde(serialize_with = "seconds")]
        uptime: Duration,
    },
    /// How one session stands, when it is asked (SIGUSR1).
    #[serde(rename = "stats")]
    SessionStats {
        /// Bytes sent.
        sent: u64,
        /// Bytes received.
        received: u64,
        /// How long it has been open.
        #[serde(serialize_with = "seconds")]
        duration: Duration,
        /// How it went so far.
        #[serde(flatten)]
        course: &'a Course,
    },
    /// What a time server said, and how its clock stands to ours.
    Time {
        /// Its time, in UTC (RFC 3339).
        server: &'a str,
        /// The form that it came in, as `--format` names it.
        format: &'static str,
        /// How far its clock is ahead of ours, in seconds; negative: behind.
        offset: f64,
        /// How far that may be wrong, in seconds.
        uncertainty: f64,
        /// From the question to the answer.
        #[serde(serialize_with = "seconds")]
        round_trip: Duration,
    },
    /// What `wait` sees of an address: when that changes, and when it is what was waited for.
    Wait {
        /// The address.
        address: &'a Endpoint,
        /// `"serves"`, `"closes"`, `"mute"`, `"refused"`, `"unreachable"`, `"silent"`, `"no-name"`, `"unresolved"`, `"failed"`.
        state: &'static str,
        /// The same in words.
        detail: &'a str,
        /// How many times it was tried.
        tries: u64,
        /// Since the first try began.
        #[serde(serialize_with = "seconds")]
        took: Duration,
        /// Whether it is what was waited for.
        met: bool,
    },
    /// What came of one probe of `ping`.
    Probe {
        /// The address.
        address: &'a Endpoint,
        /// Which probe of that address, from 1.
        seq: u64,
        /// Whether it was answered.
        answered: bool,
        /// Why not, in one line.
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<&'a str>,
        /// How long the connection took, where one was made.
        #[serde(skip_serializing_if = "Option::is_none", serialize_with = "maybe_seconds")]
        connect: Option<Duration>,
        /// How long its TLS handshake took, where there was one.
        #[serde(skip_serializing_if = "Option::is_none", serialize_with = "maybe_seconds")]
        tls: Option<Duration>,
        /// From the first byte sent to the first byte of the answer, where one was waited for.
        #[serde(skip_serializing_if = "Option::is_none", serialize_with = "maybe_seconds")]
        first_byte: Option<Duration>,
        /// What is measured: to the connection, or to the last byte of the answer; until it failed.
        #[serde(serialize_with = "seconds")]
        took: Duration,
    },
    /// The sum of the probes of one address.
    Latency {
        /// The address.
        address: &'a Endpoint,
        /// Probes sent.
        probes: u64,
        /// Those that were answered.
        answered: u64,
        /// What the answers took; absent where there were none.
        #[serde(flatten)]
        spread: Option<Spread>,
    },
    /// A script's expectation was met, or was not.
    Expect {
        /// What was expected: the text or expression as it reads in a script, `eof`, `reset`, `silence`.
        pattern: &'a str,
        /// Whether it came.
        matched: bool,
        /// How long that took.
        #[serde(serialize_with = "seconds")]
        took: Duration,
        /// The line of the script, from 1.
        line: usize,
    },
    /// A handler program ended.
    Child {
        /// Its process.
        pid: u32,
        /// Its exit status, when it exited.
        #[serde(skip_serializing_if = "Option::is_none")]
        status: Option<i32>,
        /// The signal, when one killed it.
        #[serde(skip_serializing_if = "Option::is_none")]
        signal: Option<i32>,
    },
    /// Something is odd, but the work goes on.
    Warning {
        /// What.
        message: &'a str,
    },
    /// The same with what it may come from, and what to try.
    #[serde(rename = "warning")]
    Oddity {
        /// What.
        message: &'a str,
        /// Why, as far as it could be found out.
        #[serde(skip_serializing_if = "Option::is_none")]
        cause: Option<&'a str>,
        /// What to run next, best first.
        #[serde(skip_serializing_if = "<[String]>::is_empty")]
        r#try: &'a [String],
    },
    /// Something failed.
    Error {
        /// The failure in one line: phase, address, the system's words.
        message: &'a str,
        /// The name of its exit code.
        reason: &'static str,
        /// Why, as far as it could be found out.
        #[serde(skip_serializing_if = "Option::is_none")]
        cause: Option<&'a str>,
        /// What to run next, best first.
        #[serde(skip_serializing_if = "<[String]>::is_empty")]
        r#try: &'a [String],
        /// What belongs under the message: what each address answered, or the place in what was typed.
        #[serde(skip_serializing_if = "<[String]>::is_empty")]
        details: &'a [String],
    },
    /// What a relay did on purpose to what passed: one read or message of it.
    Fault {
        /// `"up"`, to the target, or `"down"`, to the client.
        direction: &'static str,
        /// `"drop"` or `"corrupt"`.
        fault: &'static str,
        /// How many bytes.
        bytes: u64,
    },
    /// The sum of a session of a relay, before it is closed.
    Relayed {
        /// Where it led to.
        target: &'a Endpoint,
        /// Bytes that were passed to the target.
        up: u64,
        /// Bytes that were passed to the client.
        down: u64,
        /// Who ended it, first: `"client"`, `"target"`, or `"relay"`.
        by: &'static str,
        /// How: `"end"`, `"reset"`, `"error"`, `"silence"` of datagrams, `"timeout"`, `"fault"` on purpose, or `"stop"`.
        how: &'static str,
    },
    /// A connection is over.
    Closed {
        /// The name of how it ended: that of an exit code.
        reason: &'static str,
        /// Bytes sent.
        sent: u64,
        /// Bytes received.
        received: u64,
        /// How long it was open.
        #[serde(serialize_with = "seconds")]
        duration: Duration,
        /// How it went, where somebody wants to know ([`Sink::is_curious`]).
        #[serde(flatten)]
        course: Option<&'a Course>,
    },
    /// The last event.
    End {
        /// The name of the exit code.
        reason: &'static str,
        /// The exit code.
        code: u8,
    },
}

/// How long answers took. The percentiles are exact to a thousandth of themselves.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    /// The shortest.
    #[serde(serialize_with = "seconds")]
    pub min: Duration,
    /// The mean.
    #[serde(serialize_with = "seconds")]
    pub avg: Duration,
    /// The median.
    #[serde(serialize_with = "seconds")]
    pub p50: Duration,
    /// Nine of ten are no longer.
    #[serde(serialize_with = "seconds")]
    pub p90: Duration,
    /// 95 of 100 are no longer.
    #[serde(serialize_with = "seconds")]
    pub p95: Duration,
    /// 99 of 100 are no longer.
    #[serde(serialize_with = "seconds")]
    pub p99: Duration,
    /// 999 of 1000 are no longer.
    #[serde(rename = "p99.9", serialize_with = "seconds")]
    pub p999: Duration,
    /// The longest.
    #[serde(serialize_with = "seconds")]
    pub max: Duration,
    /// The standard deviation.
    #[serde(serialize_with = "seconds")]
    pub stddev: Duration,
}

/// A route of this host, as ip-route(8) has them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Route {
    /// The interface that packets leave by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// The router that they go to; none where the address is on the interface's own network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub via: Option<std::net::IpAddr>,
}

/// Bytes on their way.
#[derive(Debug, Clone, Copy)]
pub struct Payload<'a> {
    /// How many.
    pub bytes: usize,
    /// They themselves; absent where they passed through the kernel only, which a sink of
    /// [`Detail::Payload`] rules out.
    pub data: Option<&'a [u8]>,
    /// How long after the beginning of the session, where they are the first that came.
    pub first: Option<Duration>,
}

impl<'a> Payload<'a> {
    /// Bytes at hand.
    #[must_use]
    pub fn of(data: &'a [u8]) -> Self {
        Self { bytes: data.len(), data: Some(data), first: None }
    }
}

/// `bytes`, and `text` when the bytes are UTF-8, else `base64`.
impl Serialize for Payload<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use base64::Engine as _;
        use serde::ser::SerializeStruct as _;
        let mut out = serializer.serialize_struct("Payload", 3)?;
        out.serialize_field("bytes", &self.bytes)?;
        if let Some(data) = self.data {
            match std::str::from_utf8(data) {
                Ok(text) => out.serialize_field("text", text)?,
                Err(_) => {
                    out.serialize_field("base64", &base64::engine::general_purpose::STANDARD.encode(data))?;
                }
            }
        }
        if let Some(first) = self.first {
            out.serialize_field("first_byte", &first.as_secs_f64())?;
        }
        out.end()
    }
}

fn seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}

fn maybe_seconds<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.unwrap_or_default().as_secs_f64())
}
