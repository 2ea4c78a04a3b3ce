//! The record layer between a socket and its user, with the socket's own face: nothing waits.
//!
//! What poll(2) says of the socket holds for it too, so nobody has to ask two places:
//!
//! - Records are taken off the socket one by one during the handshake, and after it are all decrypted that came: no
//!   byte that could be had is left here when a receive returns. The caller's buffer grows by a record if it must.
//! - An end or a failure that came behind the last bytes shows as readable at once: the receiving half of the socket
//!   is shut down, which tells the peer nothing.
//! - A send whose ciphertext finds no room is `WouldBlock`, and comes again with the same bytes. What is left after
//!   the last one (a close_notify) makes [`Layer::wants_room`] ask for room.
//!
//! No buffer is held while nothing moves.

use std::cell::RefCell;
use std::io;
use std::net::Shutdown;
use std::time::{Duration, Instant};

use rustix::net::RecvFlags;
use rustls::client::UnbufferedClientConnection;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus};
use rustls::{AlertDescription, CommonState, Error as Tls};
use socket2::Socket;

use super::verify;
use crate::net::conn::{Incoming, sys_recv, sys_send};
use crate::tls::{Fault, Plain, Secured};

/// The head of a record, in bytes: RFC 8446, section 5.1.
const HEAD: usize = 5;
/// A record of the handshake: RFC 8446, section 5.1.
const HANDSHAKE: u8 = 22;
/// The longest record, with its head: RFC 5246, section 6.2.3.
const RECORD: usize = HEAD + (16 << 10) + 2048;
/// One read of ciphertext, in bytes.
const BUFFER: usize = 256 << 10;
/// As much plaintext is encrypted at a time, in bytes.
const BATCH: usize = 64 << 10;
/// What a record adds to its bytes, at the most.
const OVERHEAD: usize = 64;
/// How much of what is no TLS is looked at, in bytes.
const SAID: usize = 512;

thread_local! {
    /// What the whole thread receives into, and what it encrypts into.
    static BUFFERS: RefCell<(Vec<u8>, Vec<u8>)> = const { RefCell::new((Vec::new(), Vec::new())) };
}

/// One side of a connection.
pub(super) enum Side {
    Client(Box<UnbufferedClientConnection>),
    Server(Box<UnbufferedServerConnection>),
}

impl Side {
    fn state(&self) -> &CommonState {
        match self {
            Self::Client(conn) => conn,
            Self::Server(conn) => conn,
        }
    }
}

/// What a handshake waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Nothing: it is done.
    Done,
    /// Something to come.
    Read,
    /// Room to send.
    Write,
}

/// See the module.
pub struct Layer {
    side: Side,
    /// The name that was asked for.
    name: Option<String>,
    verified: &'static str,
    allow_truncation: bool,
    /// How long the handshake may take, where this is the server.
    pub(in crate::net) patience: Duration,
    /// Ciphertext that came and is no whole record yet; during the handshake, behind what is not yet processed.
    held: Vec<u8>,
    /// Where in it the record begins that is under way.
    at: usize,
    /// Something came.
    heard: bool,
    /// A message of the handshake came.
    greeted: bool,
    /// Ciphertext that waits for room.
    out: Vec<u8>,
    /// The plaintext in it, and in what is sent already, that the caller does not know is on its way.
    owed: Vec<u8>,
    /// The peer sent its close_notify, or ended in a way that is as good.
    ended: bool,
    /// We sent ours.
    closing: bool,
    /// Behind it the socket is to be shut down.
    fin: bool,
    /// Comes after what was received.
    failed: Option<Fault>,
    begun: Instant,
    took: Duration,
}

/// How far the processing of what came is.
enum Next {
    Again,
    Idle,
    PeerClosed,
}

fn would_block() -> io::Error {
    io::ErrorKind::WouldBlock.into()
}

/// One status of the library; plaintext goes to `plain`, ciphertext to `out`.
fn take<D>(
    status: UnbufferedStatus<'_, '_, D>,
    out: &mut Vec<u8>,
    mut plain: impl FnMut(&[u8]),
) -> (usize, Result<Next, Tls>) {
    let UnbufferedStatus { mut discard, state } = status;
    let next = match state {
        Err(error) => Err(error),
        Ok(ConnectionState::EncodeTlsData(mut data)) => {
            let mut room = 4096;
            let from = out.len();
            loop {
                out.resize(from + room, 0);
                match data.encode(&mut out[from..]) {
                    Ok(bytes) => {
                        out.truncate(from + bytes);
                        break Ok(Next::Again);
                    }
                    Err(EncodeError::InsufficientSize(needed)) => room = needed.required_size,
                    Err(EncodeError::AlreadyEncoded) => {
                        out.truncate(from);
                        break Ok(Next::Again);
                    }
                }
            }
        }
        // What is in `out` goes in its order, whoever asks for it.
        Ok(ConnectionState::TransmitTlsData(data)) => {
            data.done();
            Ok(Next::Again)
        }
        Ok(ConnectionState::ReadTraffic(mut traffic)) => loop {
            match traffic.next_record() {
                Some(Ok(record)) => {
                    discard += record.discard;
                    plain(record.payload);
                }
                Some(Err(error)) => break Err(error),
                None => break Ok(Next::Again),
            }
        },
        Ok(ConnectionState::PeerClosed) => Ok(Next::PeerClosed),
        Ok(_) => Ok(Next::Idle),
    };
    (discard, next)
}

/// The same call for either side.
macro_rules! process {
    ($side:expr, $bytes:expr, $status:ident => $then:expr) => {
        match $side {
            Side::Client(conn) => {
                let $status = conn.process_tls_records($bytes);
                $then
            }
            Side::Server(conn) => {
                let $status = conn.process_tls_records($bytes);
                $then
            }
        }
    };
}

impl Layer {
    pub(super) fn new(side: Side, name: Option<String>, verified: &'static str, allow_truncation: bool) -> Self {
        Self {
            side,
            name,
            verified,
            allow_truncation,
            patience: Duration::ZERO,
            held: Vec::new(),
            at: 0,
            heard: false,
            greeted: false,
            out: Vec::new(),
            owed: Vec::new(),
            ended: false,
            closing: false,
            fin: false,
            failed: None,
            begun: Instant::now(),
            took: Duration::ZERO,
        }
    }

    /// Whether this is the server's side.
    #[must_use]
    pub fn is_server(&self) -> bool {
        matches!(self.side, Side::Server(_))
    }

    /// Whether the handshake is still to be done.
    #[must_use]
    pub fn is_handshaking(&self) -> bool {
        self.took.is_zero()
    }

    /// How long the handshake took; 0 while it goes on.
    #[must_use]
    pub fn took(&self) -> Duration {
        self.took
    }

    /// How the connection is secured.
    #[must_use]
    pub fn secured(&self) -> Secured {
        let state = self.side.state();
        let chain = state.peer_certificates().unwrap_or_default();
        Secured {
            role: if self.is_server() { "server" } else { "client" },
            version: match state.protocol_version() {
                Some(rustls::ProtocolVersion::TLSv1_3) => "TLSv1.3",
                Some(rustls::ProtocolVersion::TLSv1_2) => "TLSv1.2",
                _ => "unknown",
            },
            // IANA's name; the library has a version in its own of TLS 1.3.
            suite: state
                .negotiated_cipher_suite()
                .map(|suite| format!("{:?}", suite.suite()).replacen("TLS13_", "TLS_", 1))
                .unwrap_or_default(),
            group: state.negotiated_key_exchange_group().map(|group| format!("{:?}", group.name())),
            alpn: state.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned()),
            server_name: self.name.clone(),
            verified: if chain.is_empty() { "nothing" } else { self.verified },
            chain: chain.iter().map(super::certificate::read).collect(),
        }
    }

    /// Goes on with the handshake, as far as it goes.
    ///
    /// # Errors
    /// A [`Fault`], in an [`io::Error`]; those of the socket.
    pub fn shake(&mut self, socket: &Socket) -> io::Result<Step> {
        loop {
            if let Err(error) = self.advance() {
                // The peer is told why, if it will still hear it.
                let _ = self.flush(socket);
                let _ = socket.shutdown(Shutdown::Write);
                return Err(self.fault(error).into());
            }
            match self.flush(socket) {
                Ok(true) => {}
                Ok(false) => return Ok(Step::Write),
                Err(error) => return Err(self.lost(socket, error)),
            }
            if !self.side.state().is_handshaking() {
                self.took = self.begun.elapsed().max(Duration::from_nanos(1));
                self.held.shrink_to_fit();
                return Ok(Step::Done);
            }
            if self.ended {
                return Err(Fault::Gone { reset: false, heard: self.heard }.into());
            }
            if !self.read_record(socket)? {
                return Ok(Step::Read);
            }
        }
    }

    /// Has the library look at what is held.
    fn advance(&mut self) -> Result<(), Tls> {
        loop {
            let (discard, next) = process!(&mut self.side, &mut self.held, status => {
                take(status, &mut self.out, |bytes| self.owed.extend_from_slice(bytes))
            });
            debug_assert!(self.owed.is_empty(), "records are taken one by one, so none can be behind the handshake");
            if let Some(name) = verify::asked() {
                self.name = Some(name);
            }
            self.held.drain(..discard);
            self.at = self.at.saturating_sub(discard);
            match next {
                Ok(Next::Again) => {}
                Ok(Next::Idle) => return Ok(()),
                Ok(Next::PeerClosed) => {
                    self.ended = true;
                    return Ok(());
                }
                Err(error) => {
                    let mut held = std::mem::take(&mut self.held);
                    self.alerts(&mut held);
                    return Err(error);
                }
            }
        }
    }

    /// After an error, what there is to tell the peer of it. The library wants to see what it saw before, and would
    /// find the error again once nothing waits to be sent.
    fn alerts(&mut self, seen: &mut [u8]) {
        while self.side.state().wants_write() {
            let (_, next) = process!(&mut self.side, &mut *seen, status => take(status, &mut self.out, |_| {}));
            if !matches!(next, Ok(Next::Again)) {
                break;
            }
        }
    }

    /// Takes bytes off the socket up to the end of the record that is under way; whether it is whole.
    fn read_record(&mut self, socket: &Socket) -> io::Result<bool> {
        loop {
            let record = &self.held[self.at..];
            let need = match record {
                [_, _, _, high, low, ..] => HEAD + usize::from(u16::from_be_bytes([*high, *low])) - record.len(),
                _ => HEAD - record.len(),
            };
            if need == 0 {
                self.greeted |= record[0] == HANDSHAKE;
                self.at = self.held.len();
                return Ok(true);
            }
            let from = self.held.len();
            self.held.resize(from + need, 0);
            let got = sys_recv(socket, &mut self.held[from..], RecvFlags::empty());
            self.held.truncate(from + *got.as_ref().unwrap_or(&0));
            match got {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(self.lost(socket, error)),
                Ok(0) => return Err(Fault::Gone { reset: false, heard: self.heard }.into()),
                Ok(_) => {}
            }
            self.heard = true;
            let record = &self.held[self.at..];
            // A record begins with its type, 20 to 23, and the major version 3.
            if self.at == 0 && (!(20..=23).contains(&record[0]) || record.get(1).is_some_and(|byte| *byte != 3)) {
                return Err(self.not_tls(socket));
            }
            if record.len() >= HEAD && usize::from(u16::from_be_bytes([record[3], record[4]])) + HEAD > RECORD {
                return Err(Fault::Other("a record that is longer than TLS allows".to_owned()).into());
            }
        }
    }

    fn not_tls(&mut self, socket: &Socket) -> io::Error {
        let mut said = std::mem::take(&mut self.held);
        let from = said.len();
        said.resize(from.max(SAID), 0);
        let more = sys_recv(socket, &mut said[from..], RecvFlags::empty()).unwrap_or(0);
        said.truncate(from + more);
        let _ = socket.shutdown(Shutdown::Write);
        Fault::NotTls { looks: Plain::of(&said), said }.into()
    }

    /// The socket failed in the middle of the handshake. What the peer said before is worth more than that it is gone.
    fn lost(&mut self, socket: &Socket, error: io::Error) -> io::Error {
        match error.raw_os_error() {
            Some(libc::EPIPE | libc::ECONNRESET | libc::ECONNABORTED | libc::ENOTCONN) => {
                for _ in 0..8 {
                    match self.read_record(socket) {
                        Ok(true) => match self.advance() {
                            Ok(()) => {}
                            Err(error) => return self.fault(error).into(),
                        },
                        Err(error)
                            if error
                                .get_ref()
                                .is_some_and(|inner| matches!(inner.downcast_ref(), Some(Fault::NotTls { .. }))) =>
                        {
                            return error;
                        }
                        _ => break,
                    }
                }
                Fault::Gone { reset: true, heard: self.heard }.into()
            }
            _ => error,
        }
    }

    /// The library's error in our words.
    fn fault(&self, error: Tls) -> Fault {
        match error {
            Tls::InvalidCertificate(error) => verify::fault(&error, self.name.clone()),
            Tls::AlertReceived(alert) => {
                Fault::Alert { name: alert_name(alert), code: u8::from(alert), first: !self.greeted }
            }
            Tls::NoCertificatesPresented => Fault::NoClientCertificate,
            Tls::NoApplicationProtocol => Fault::NoProtocol,
            Tls::PeerIncompatible(what) => Fault::Incompatible(verify::words(&format!("{what:?}"))),
            error => Fault::Other(error.to_string()),
        }
    }

    /// Receives into `buffer`, which grows by what one record holds if it must.
    pub(in crate::net) fn recv(&mut self, socket: &Socket, buffer: &mut Vec<u8>) -> io::Result<Incoming> {
        if self.is_handshaking() && self.shake(socket)? != Step::Done {
            return Err(would_block());
        }
        BUFFERS.with_borrow_mut(|(cipher, _)| {
            if cipher.is_empty() {
                cipher.resize(BUFFER, 0);
            }
            loop {
                if let Some(fault) = &self.failed {
                    return Err(fault.clone().into());
                }
                if self.ended {
                    return Ok(Incoming::Eof);
                }
                let held = self.held.len();
                // There is always less plaintext than ciphertext.
                let most = buffer.len().max(held + RECORD).min(BUFFER);
                if held == most {
                    self.failed = Some(Fault::Other("a message that is longer than TLS allows".to_owned()));
                    continue;
                }
                cipher[..held].copy_from_slice(&self.held);
                let came = sys_recv(socket, &mut cipher[held..most], RecvFlags::empty())?;
                if came == 0 {
                    match self.allow_truncation {
                        true => self.ended = true,
                        false => self.failed = Some(Fault::Truncated),
                    }
                    continue;
                }
                let (bytes, rest) = self.decrypt(&mut cipher[..held + came], buffer);
                self.held.clear();
                self.held.extend_from_slice(&cipher[held + came - rest..held + came]);
                if self.held.is_empty() {
                    self.held = Vec::new();
                }
                // An answer of the library's own, of which there is one in years.
                let _ = self.flush(socket);
                if bytes > 0 {
                    if self.ended || self.failed.is_some() {
                        let _ = socket.shutdown(Shutdown::Read);
                    }
                    return Ok(Incoming::Bytes(bytes));
                }
            }
        })
    }

    /// Decrypts every whole record; how many bytes that gave, and how many are left over.
    fn decrypt(&mut self, cipher: &mut [u8], buffer: &mut Vec<u8>) -> (usize, usize) {
        let (mut from, mut filled) = (0, 0);
        loop {
            let (discard, next) = process!(&mut self.side, &mut cipher[from..], status => {
                take(status, &mut self.out, |bytes| {
                    let end = filled + bytes.len();
                    if buffer.len() < end {
                        buffer.resize(end, 0);
                    }
                    buffer[filled..end].copy_from_slice(bytes);
                    filled = end;
                })
            });
            from += discard;
            match next {
                Ok(Next::Again) => {}
                Ok(Next::Idle) => return (filled, cipher.len() - from),
                Ok(Next::PeerClosed) => {
                    self.ended = true;
                    return (filled, 0);
                }
                Err(error) => {
                    self.alerts(&mut cipher[from..]);
                    self.failed = Some(self.fault(error));
                    return (filled, 0);
                }
            }
        }
    }

    /// Sends bytes, as many as there is room for.
    pub(in crate::net) fn send(&mut self, socket: &Socket, bytes: &[u8]) -> io::Result<usize> {
        if self.is_handshaking() && self.shake(socket)? != Step::Done {
            return Err(would_block());
        }
        if !self.flush(socket)? {
            return Err(would_block());
        }
        if !self.owed.is_empty() {
            let known = self.owed.len().min(bytes.len());
            if self.owed[..known] == bytes[..known] {
                self.owed.drain(..known);
                if self.owed.is_empty() {
                    self.owed = Vec::new();
                }
                return Ok(known);
            }
            // Whoever wanted that to be sent has given up on it, and it is sent.
            self.owed = Vec::new();
        }
        if self.closing {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        // An empty record would say nothing, and to encrypt nothing is to end.
        if bytes.is_empty() {
            return Ok(0);
        }
        let bytes = &bytes[..bytes.len().min(BATCH)];
        BUFFERS.with_borrow_mut(|(_, batch)| {
            batch.clear();
            self.encrypt(bytes, batch)?;
            let mut gone = 0;
            while gone < batch.len() {
                match sys_send(socket, &batch[gone..]) {
                    Ok(sent) => gone += sent,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        self.out = batch[gone..].to_vec();
                        self.owed = bytes.to_vec();
                        return Err(error);
                    }
                    Err(error) => return Err(error),
                }
            }
            Ok(bytes.len())
        })
    }

    /// Encrypts `plain`, or without it our close_notify, to the end of `batch`.
    fn encrypt(&mut self, plain: &[u8], batch: &mut Vec<u8>) -> io::Result<()> {
        let mut room = plain.len() + OVERHEAD * (2 + plain.len() / (16 << 10));
        loop {
            let (discard, next) = process!(&mut self.side, &mut self.held, status => {
                let UnbufferedStatus { discard, state } = status;
                match state {
                    Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                        let from = batch.len();
                        batch.resize(from + room, 0);
                        let done = match plain {
                            [] => traffic.queue_close_notify(&mut batch[from..]),
                            _ => traffic.encrypt(plain, &mut batch[from..]),
                        };
                        match done {
                            Ok(bytes) => {
                                batch.truncate(from + bytes);
                                return Ok(());
                            }
                            Err(EncryptError::InsufficientSize(needed)) => {
                                batch.truncate(from);
                                room = needed.required_size;
                                (discard, Ok(Next::Again))
                            }
                            Err(error) => {
                                batch.truncate(from);
                                return Err(Fault::Other(error.to_string()).into());
                            }
                        }
                    }
                    // Both have ended: there is nothing more to say.
                    Ok(ConnectionState::Closed) => return Ok(()),
                    state => take(UnbufferedStatus { discard, state }, batch, |_| {}),
                }
            });
            self.held.drain(..discard);
            match next {
                Ok(Next::Again) => {}
                Ok(Next::PeerClosed) => self.ended = true,
                Ok(Next::Idle) => return Err(Fault::Other("nothing can be sent in this state".to_owned()).into()),
                Err(error) => return Err(self.fault(error).into()),
            }
        }
    }

    /// Sends what waits; whether all of it is gone.
    pub(in crate::net) fn flush(&mut self, socket: &Socket) -> io::Result<bool> {
        while !self.out.is_empty() {
            match sys_send(socket, &self.out) {
                Ok(sent) => drop(self.out.drain(..sent)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        if self.out.capacity() > 0 {
            self.out = Vec::new();
        }
        if std::mem::take(&mut self.fin) {
            match socket.shutdown(Shutdown::Write) {
                Err(error) if error.kind() == io::ErrorKind::NotConnected => {}
                result => result?,
            }
        }
        Ok(true)
    }

    /// Whether room is waited for.
    pub(in crate::net) fn wants_room(&mut self, socket: &Socket) -> bool {
        (self.fin || !self.out.is_empty()) && !self.is_handshaking() && matches!(self.flush(socket), Ok(false))
    }

    /// Whether anything is left to be sent.
    pub(in crate::net) fn is_sent(&self) -> bool {
        self.out.is_empty()
    }

    /// Tells the peer that no more comes: close_notify, and behind it FIN.
    pub(in crate::net) fn finish(&mut self, socket: &Socket) -> io::Result<()> {
        if self.is_handshaking() || std::mem::replace(&mut self.closing, true) {
            return Ok(());
        }
        // An alert was the last word that TLS allows.
        if matches!(self.failed, None | Some(Fault::Truncated)) {
            let mut batch = Vec::new();
            self.encrypt(&[], &mut batch)?;
            self.out.append(&mut batch);
        }
        self.fin = true;
        self.flush(socket).map(drop)
    }

    /// Nothing more is said, not even goodbye.
    pub(in crate::net) fn abandon(&mut self) {
        self.closing = true;
        self.out.clear();
    }

    /// The last chance of a connection that goes: what was not said is said, if it costs no wait.
    pub(in crate::net) fn last_words(&mut self, socket: &Socket) {
        if self.failed.is_none() && !self.closing {
            let _ = self.finish(socket);
        } else {
            let _ = self.flush(socket);
        }
    }
}

/// As RFC 8446 writes it.
fn alert_name(alert: AlertDescription) -> String {
    match alert {
        AlertDescription::UnknownCA => "unknown_ca".to_owned(),
        _ => verify::apart(&format!("{alert:?}"), '_'),
    }
}
