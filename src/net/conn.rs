//! A connection, however it was made: bytes or messages, its peer, half-close.

use std::io::{self, IoSlice};
use std::net::{IpAddr, Shutdown, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::net::{RecvFlags, SendAncillaryBuffer};
use socket2::{SockAddr, Socket};

use crate::addr::{Endpoint, Host, Inet, Transport, Unix, UnixKind, UnixName};
use crate::course::Course;
use crate::error::{Between, Error, Phase};
use crate::net::socket::{Family, Kind, Shape};
use crate::net::tls::{Layer, Step};
use crate::sys;
use crate::tls::Secured;

/// The largest UNIX message that is taken, in bytes. The kernel's own limit is the sender's SO_SNDBUF, which
/// `net.core.wmem_max` caps far below this.
const LARGEST_MESSAGE: usize = 64 << 20;
/// Pieces that go over TLS are put together up to this size, in bytes.
const TOGETHER: usize = 64 << 10;

/// The send buffer for bulk between programs of one host, in bytes: as much as anybody may ask for, for it is what
/// `net.core.wmem_max` is where nobody has changed it. Where somebody has lowered it, that is the most for everybody.
const QUEUE: usize = 208 << 10;

/// What a receive brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Incoming {
    /// So many bytes, or one message of that size, which may be 0.
    Bytes(usize),
    /// The peer ended what it sends.
    Eof,
}

/// Whether a peer that was not heard before may speak to a datagram server.
type Admit = Box<dyn FnMut(&Endpoint, &Endpoint) -> bool + Send + Sync>;

/// See the module. Every call returns at once; what cannot be done now is `WouldBlock`.
pub struct Conn {
    socket: Socket,
    shape: Shape,
    /// Whether the socket is ours alone, and so in non-blocking mode. An inherited one keeps the flags it came
    /// with, as they are shared with whoever else has it; then MSG_DONTWAIT does the same for each call.
    own: bool,
    /// Its address was chosen by whoever asked for it, and not by the kernel.
    sourced: bool,
    local: Endpoint,
    peer: Endpoint,
    // Seldom, and larger than the rest; servers of many hold many of these.
    more: Option<Box<More>>,
}

/// What some connections are besides.
enum More {
    Server(Server),
    /// A proxy leads to the peer.
    Proxied(Between),
    /// With the proxy behind which it is.
    Tls(Mutex<Layer>, Option<Between>),
}

/// A datagram server: it answers whoever spoke last.
struct Server {
    last: Option<(SockAddr, Option<(IpAddr, u32)>)>,
    admit: Admit,
}

impl Conn {
    /// A connected socket. With `own`, it is put into non-blocking mode.
    ///
    /// # Errors
    /// Those of fcntl(2), getsockname(2), getpeername(2); that of a connection which broke at once.
    pub fn connected(socket: Socket, shape: Shape, own: bool) -> io::Result<Self> {
        let peer = peer_of(&socket)?;
        Self::new(socket, shape, own, endpoint_of(&peer, shape), None)
    }

    /// The same from a local address that was asked for.
    #[must_use]
    pub fn sourced(mut self, sourced: bool) -> Self {
        self.sourced = sourced;
        self
    }

    /// A bound datagram socket that answers whoever spoke last. `admit` is asked about each change of speaker,
    /// with our address and theirs; what it refuses is dropped unread.
    ///
    /// # Errors
    /// Those of fcntl(2) and getsockname(2).
    pub fn answering(
        socket: Socket,
        shape: Shape,
        own: bool,
        admit: impl FnMut(&Endpoint, &Endpoint) -> bool + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let server = Box::new(More::Server(Server { last: None, admit: Box::new(admit) }));
        let nobody = endpoint_of(&socket.local_addr()?, shape);
        Self::new(socket, shape, own, nobody, Some(server))
    }

    fn new(socket: Socket, shape: Shape, own: bool, peer: Endpoint, more: Option<Box<More>>) -> io::Result<Self> {
        if own {
            socket.set_nonblocking(true)?;
        }
        let local = endpoint_of(&socket.local_addr()?, shape);
        Ok(Self { socket, shape, own, sourced: false, local, peer, more })
    }

    /// Puts TLS between the socket and whoever uses it. Nothing else changes for them, but that [`Conn::shake`] is to
    /// be called until the handshake is done.
    pub(in crate::net) fn secure(&mut self, layer: Layer) {
        let proxy = self.proxy().cloned();
        self.more = Some(Box::new(More::Tls(Mutex::new(layer), proxy)));
    }

    fn server(&self) -> Option<&Server> {
        match self.more.as_deref() {
            Some(More::Server(server)) => Some(server),
            _ => None,
        }
    }

    fn tls(&self) -> Option<MutexGuard<'_, Layer>> {
        match self.more.as_deref() {
            Some(More::Tls(layer, _)) => Some(layer.lock().unwrap_or_else(PoisonError::into_inner)),
            _ => None,
        }
    }

    /// Whether a handshake is still to be done.
    #[must_use]
    pub fn is_handshaking(&self) -> bool {
        self.tls().is_some_and(|layer| layer.is_handshaking())
    }

    /// How long the handshake of a server may take.
    #[must_use]
    pub fn handshake_limit(&self) -> Duration {
        self.tls().map_or(Duration::ZERO, |layer| layer.patience)
    }

    /// Goes on with the handshake, as far as it goes.
    ///
    /// # Errors
    /// A [`crate::tls::Fault`] in an [`io::Error`]; those of the socket.
    pub fn shake(&self) -> io::Result<Step> {
        self.tls().map_or(Ok(Step::Done), |mut layer| layer.shake(&self.socket))
    }

    /// How it is secured, and how long that took, once it is.
    #[must_use]
    pub fn secured(&self) -> Option<(Secured, Duration)> {
        self.tls().filter(|layer| !layer.is_handshaking()).map(|layer| (layer.secured(), layer.took()))
    }

    /// Whether what goes over it is encrypted, or is to be.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        matches!(self.more.as_deref(), Some(More::Tls(..)))
    }

    /// Whether in its handshake we are the server.
    #[must_use]
    pub fn is_tls_server(&self) -> bool {
        self.tls().is_some_and(|layer| layer.is_server())
    }

    /// What poll(2) is to watch for somebody who waits for `flags`: room too, while TLS has something left to send.
    #[must_use]
    pub fn watch(&self, flags: PollFlags) -> PollFlags {
        if self.tls().is_some_and(|mut layer| layer.wants_room(&self.socket)) { flags | PollFlags::OUT } else { flags }
    }

    /// Whether all that TLS had to send is with the kernel; tries to send it.
    ///
    /// # Errors
    /// Those of sendmsg(2) but `WouldBlock`.
    pub fn flush(&self) -> io::Result<bool> {
        self.tls().map_or(Ok(true), |mut layer| layer.flush(&self.socket))
    }

    /// Our address.
    #[must_use]
    pub fn local(&self) -> &Endpoint {
        &self.local
    }

    /// The peer's address: for a datagram server, of whoever spoke last, before that our own.
    #[must_use]
    pub fn peer(&self) -> &Endpoint {
        &self.peer
    }

    /// Family and type.
    #[must_use]
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// The socket itself, for its options.
    #[must_use]
    pub fn socket(&self) -> &Socket {
        &self.socket
    }

    /// Whether this descriptor leads to the very same socket.
    #[must_use]
    pub fn is_behind(&self, fd: impl AsFd) -> bool {
        match (rustix::fs::fstat(&self.socket), rustix::fs::fstat(fd)) {
            (Ok(this), Ok(that)) => (this.st_dev, this.st_ino) == (that.st_dev, that.st_ino),
            _ => false,
        }
    }

    /// Whether the kernel may move its bytes without us: a byte stream in non-blocking mode.
    #[must_use]
    pub fn can_splice(&self) -> bool {
        sys::SPLICES && self.own && self.shape.kind == Kind::Stream && !self.is_tls()
    }

    /// Whether splice(2) from it may wait, where it can. Every other call says for itself that it does not. Comes after
    /// [`Conn::can_splice`] only.
    ///
    /// # Errors
    /// Those of ioctl(2).
    pub fn let_splice_wait(&self, on: bool) -> io::Result<()> {
        self.socket.set_nonblocking(!on)
    }

    /// For whoever is about to send much: between programs of one host, a send buffer of the size that is fastest. The
    /// megabytes that the kernel makes of it for TCP leave the processor's caches before they are read, and there is no
    /// way to be filled; half of it, which is what a UNIX socket has, makes the two sides wait for each other. Where
    /// somebody has set its size, it stays.
    pub fn fit_queue(&self) {
        if self.own && self.shape.kind == Kind::Stream && self.is_within_this_host() {
            // What cannot be told or set is as it was.
            if sys::sockopt::is_sndbuf_set(&self.socket).is_ok_and(|set| !set) {
                let _ = self.socket.set_send_buffer_size(QUEUE);
            }
        }
    }

    /// Whether the socket's own peer is on this host: the way from an address to itself leads nowhere else.
    fn is_within_this_host(&self) -> bool {
        let ip = |address: io::Result<SockAddr>| Some(address.ok()?.as_socket()?.ip().to_canonical());
        match self.shape.family {
            Family::Unix => true,
            Family::V4 | Family::V6 => match (ip(self.socket.local_addr()), ip(self.socket.peer_addr())) {
                (Some(ours), Some(theirs)) => theirs == ours || theirs.is_loopback(),
                _ => false,
            },
            Family::Vsock => false,
        }
    }

    /// Whether the peer can end what it sends. Datagrams have no end.
    #[must_use]
    pub fn has_end(&self) -> bool {
        self.shape.kind != Kind::Dgram
    }

    /// Whether there is somebody to send to.
    #[must_use]
    pub fn has_peer(&self) -> bool {
        self.server().is_none_or(|server| server.last.is_some())
    }

    /// Whether this is a datagram server, which outlives each of its peers.
    #[must_use]
    pub fn is_server(&self) -> bool {
        self.server().is_some()
    }

    /// A receive or a send failed: the error about the peer, for UDP with the ICMP message that brought it.
    #[must_use]
    pub fn failed(&self, phase: Phase, source: io::Error) -> Error {
        let errno = source.raw_os_error();
        let mut error = Error::os(phase, Some(&self.peer), source);
        // TCP does not keep them while a connection stands, and a server has them from anybody.
        if self.shape.is_udp() && !self.is_server() {
            let target = self.socket.peer_addr().ok().and_then(|peer| peer.as_socket());
            // One report for each datagram that came to nothing.
            while let (Some(target), Ok(Some(report))) = (target, sys::icmp_error(&self.socket)) {
                if Some(report.errno) == errno {
                    error.facts.extend(report.fact(target.ip()));
                    break;
                }
            }
        }
        error
    }

    /// Receives bytes, or one whole message, for which `buffer` grows if it must.
    ///
    /// # Errors
    /// `WouldBlock`, and those of recvmsg(2). A datagram server does not report errors that came back for an
    /// answer of its own.
    pub fn recv(&mut self, buffer: &mut Vec<u8>) -> io::Result<Incoming> {
        if self.is_server() { self.recv_from_anyone(buffer) } else { self.recv_connected(buffer) }
    }

    /// The same for a connected socket, which needs no memory of who spoke.
    ///
    /// # Errors
    /// `WouldBlock`, and those of recvmsg(2).
    pub fn recv_connected(&self, buffer: &mut Vec<u8>) -> io::Result<Incoming> {
        if let Some(mut layer) = self.tls() {
            return layer.recv(&self.socket, buffer);
        }
        match (self.shape.family, self.shape.kind) {
            (_, Kind::Stream) => match sys_recv(&self.socket, buffer, RecvFlags::empty())? {
                0 => Ok(Incoming::Eof),
                bytes => Ok(Incoming::Bytes(bytes)),
            },
            (family, kind) => {
                if family == Family::Unix {
                    make_room(&self.socket, buffer)?;
                }
                match sys_recv(&self.socket, buffer, sys::WHOLE_SIZE)? {
                    0 if kind == Kind::Seqpacket && sys::packets_are_over(&self.socket)? => Ok(Incoming::Eof),
                    bytes => Ok(Incoming::Bytes(bytes.min(buffer.len()))),
                }
            }
        }
    }

    fn recv_from_anyone(&mut self, buffer: &mut Vec<u8>) -> io::Result<Incoming> {
        if self.shape.family == Family::Unix {
            make_room(&self.socket, buffer)?;
        }
        let packet = retry(|| sys::recv_packet(&self.socket, buffer))?;
        let Some(More::Server(server)) = self.more.as_deref_mut() else {
            return Err(io::ErrorKind::Unsupported.into());
        };
        let known = server.last.as_ref().is_some_and(|(last, _)| *last == packet.from);
        if !known {
            let peer = endpoint_of(&packet.from, self.shape);
            if !(server.admit)(&self.local, &peer) {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            self.peer = peer;
        }
        server.last = Some((packet.from, packet.to));
        Ok(Incoming::Bytes(packet.bytes.min(buffer.len())))
    }

    /// Sends bytes, as many as there is room for, or one whole message.
    ///
    /// # Errors
    /// `WouldBlock`, and those of sendmsg(2); `NotConnected` from a datagram server to which nobody spoke yet.
    pub fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        match self.more.as_deref() {
            None | Some(More::Proxied(_)) => sys_send(&self.socket, bytes),
            Some(More::Tls(layer, _)) => layer.lock().unwrap_or_else(PoisonError::into_inner).send(&self.socket, bytes),
            Some(More::Server(Server { last: Some((to, from)), .. })) => {
                retry(|| sys::send_packet(&self.socket, bytes, Some(to), *from))
            }
            Some(_) => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Sends bytes that lie in pieces, as many as there is room for, in one call; of a connection, not of a
    /// datagram server.
    ///
    /// # Errors
    /// `WouldBlock`, and those of sendmsg(2).
    pub fn send_pieces(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        // It takes the kernel longer to look for what goes along with a message, of which there is nothing.
        if let [piece] = pieces {
            return self.send(piece);
        }
        if self.is_tls() {
            // A record of its own for each would cost more than the copy.
            let mut together = Vec::new();
            for piece in pieces {
                together.extend_from_slice(&piece[..piece.len().min(TOGETHER - together.len())]);
            }
            return self.send(&together);
        }
        retry(|| {
            let mut nothing = SendAncillaryBuffer::default();
            rustix::net::sendmsg(&self.socket, pieces, &mut nothing, sys::AT_ONCE).map_err(io::Error::from)
        })
    }

    /// Whether the next thing a byte stream would give is its end. Takes nothing.
    ///
    /// # Errors
    /// Those of recvmsg(2) but `WouldBlock`.
    pub fn is_at_end(&self) -> io::Result<bool> {
        match sys_recv(&self.socket, &mut [0], RecvFlags::PEEK) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            bytes => Ok(bytes? == 0),
        }
    }

    /// Takes so many bytes that were looked at before, and drops them.
    ///
    /// # Errors
    /// Those of recvmsg(2).
    pub fn skip(&self, mut bytes: usize) -> io::Result<()> {
        let mut buffer = [0; 4096];
        while bytes > 0 {
            let most = bytes.min(buffer.len());
            match sys_recv(&self.socket, &mut buffer[..most], RecvFlags::empty())? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                taken => bytes -= taken,
            }
        }
        Ok(())
    }

    /// From here on the peer is this one, whom the socket's own peer stands for.
    pub fn stands_for(&mut self, peer: Endpoint) {
        self.peer = peer;
    }

    /// A proxy has opened the way to this peer.
    pub fn leads_to(&mut self, peer: Endpoint, proxy: Between) {
        self.stands_for(peer);
        self.more = Some(Box::new(More::Proxied(proxy)));
    }

    /// The proxy that leads to the peer.
    #[must_use]
    pub fn proxy(&self) -> Option<&Between> {
        match self.more.as_deref()? {
            More::Proxied(proxy) => Some(proxy),
            More::Tls(_, proxy) => proxy.as_ref(),
            More::Server(_) => None,
        }
    }

    /// The beginning of what comes next on a byte stream, at most so many bytes. Takes nothing.
    ///
    /// # Errors
    /// `WouldBlock`, and those of recvmsg(2).
    pub fn peek(&self, most: usize) -> io::Result<Vec<u8>> {
        let mut head = vec![0; most];
        let bytes = sys_recv(&self.socket, &mut head, RecvFlags::PEEK)?;
        head.truncate(bytes);
        Ok(head)
    }

    /// Adds what the kernel knows of the connection.
    pub fn examine(&self, course: &mut Course) {
        if self.shape.is_tcp() {
            course.tcp = sys::sockopt::tcp_info(&self.socket).ok();
            course.steered = self.sourced || sys::is_steered(&self.socket);
        }
        if self.shape.kind == Kind::Stream {
            // FIN_WAIT1, LAST_ACK, CLOSING of include/net/tcp_states.h: our FIN is counted as a byte that waits.
            let fin = course.tcp.is_some_and(|tcp| matches!(tcp.state, 4 | 9 | 11));
            course.send_queue = sys::unsent(&self.socket).ok().map(|bytes| bytes.saturating_sub(fin.into()) as u64);
            course.recv_queue = rustix::io::ioctl_fionread(&self.socket).ok();
        }
    }

    /// Tells the peer that no more comes. On datagrams, which have no such thing, it does nothing; a peer that
    /// is gone already is no error.
    ///
    /// # Errors
    /// Those of shutdown(2).
    pub fn shutdown_write(&self) -> io::Result<()> {
        if !self.has_end() {
            return Ok(());
        }
        if let Some(mut layer) = self.tls() {
            return layer.finish(&self.socket);
        }
        match self.socket.shutdown(Shutdown::Write) {
            // Reading tells how it ended. A connection that still stands would wait for ever for what was not told.
            Err(error) if error.kind() == io::ErrorKind::NotConnected && self.is_gone()? => Ok(()),
            result => result,
        }
    }

    /// Whether it is closed in both directions, or broken.
    fn is_gone(&self) -> io::Result<bool> {
        let mut fds = [PollFd::new(&self.socket, PollFlags::empty())];
        rustix::event::poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }))?;
        Ok(fds[0].revents().intersects(PollFlags::HUP | PollFlags::ERR))
    }

    /// Whether everything that was sent has been acknowledged by the peer's kernel.
    #[must_use]
    pub fn is_all_acknowledged(&self) -> bool {
        self.tls().is_none_or(|layer| layer.is_sent()) && sys::unsent(&self.socket).map_or(true, |bytes| bytes == 0)
    }

    /// On close, send a reset (RST) instead of an end (FIN): SO_LINGER with 0, socket(7).
    ///
    /// # Errors
    /// Those of setsockopt(2).
    pub fn reset_on_close(&self) -> io::Result<()> {
        if let Some(mut layer) = self.tls() {
            layer.abandon();
        }
        self.socket.set_linger(Some(Duration::ZERO))
    }
}

/// A peer over TLS is told that this is the end, and not that something is missing.
impl Drop for Conn {
    fn drop(&mut self) {
        if let Some(mut layer) = self.tls() {
            layer.last_words(&self.socket);
        }
    }
}

impl AsFd for Conn {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl sys::Watched for Conn {}

impl AsRawFd for Conn {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

pub(in crate::net) fn sys_recv(socket: &Socket, buffer: &mut [u8], flags: RecvFlags) -> io::Result<usize> {
    retry(|| Ok(rustix::net::recv(socket, &mut *buffer, flags | RecvFlags::DONTWAIT)?.1))
}

pub(in crate::net) fn sys_send(socket: &Socket, bytes: &[u8]) -> io::Result<usize> {
    retry(|| Ok(rustix::net::send(socket, bytes, sys::AT_ONCE)?))
}

/// A UNIX message can be larger than any buffer; a cut one would be lost, so its size is asked first.
///
/// # Errors
/// `WouldBlock` when there is none; EMSGSIZE for one that nobody should take; those of recvmsg(2).
pub fn make_room(socket: &Socket, buffer: &mut Vec<u8>) -> io::Result<()> {
    let size = retry(|| sys::size_of_next(socket))?;
    if size > buffer.len() {
        if size > LARGEST_MESSAGE {
            return Err(io::Error::from_raw_os_error(libc::EMSGSIZE));
        }
        buffer.resize(size, 0);
    }
    Ok(())
}

/// Calls again while a signal cuts it short.
fn retry<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// An IP address in the address grammar, with the name of its interface where it has a scope.
#[must_use]
pub fn inet_endpoint(transport: Transport, address: SocketAddr) -> Endpoint {
    let mut endpoint = Endpoint::from_socket_addr(transport, address);
    if let (Endpoint::Inet(Inet { host: Host::V6 { scope, .. }, .. }), SocketAddr::V6(v6)) = (&mut endpoint, address)
        && v6.scope_id() != 0
        && let Some(name) = sys::interface_name(v6.scope_id())
    {
        *scope = Some(name);
    }
    endpoint
}

/// The peer's address. After a reset there is none any more: ENOTCONN, which says nothing of why, so it is the reset
/// that is told.
///
/// # Errors
/// Those of getpeername(2), and what has broken the connection.
pub(super) fn peer_of(socket: &Socket) -> io::Result<SockAddr> {
    socket.peer_addr().map_err(|error| socket.take_error().ok().flatten().unwrap_or(error))
}

/// A kernel address in the address grammar. An IPv4 peer of a dual-stack socket is an IPv4 address.
#[must_use]
pub fn endpoint_of(address: &SockAddr, shape: Shape) -> Endpoint {
    if let Some(mut socket_addr) = address.as_socket() {
        socket_addr.set_ip(socket_addr.ip().to_canonical());
        let transport = if shape.kind == Kind::Dgram { Transport::Udp } else { Transport::Tcp };
        return inet_endpoint(transport, socket_addr);
    }
    if let Some((cid, port)) = sys::as_vsock(address) {
        return Endpoint::Vsock { cid, port };
    }
    let kind = match shape.kind {
        Kind::Stream => UnixKind::Stream,
        Kind::Dgram => UnixKind::Dgram,
        Kind::Seqpacket => UnixKind::Seqpacket,
    };
    let name = if let Some(path) = address.as_pathname() {
        UnixName::Path(path.to_owned())
    } else if let Some(name) = address.as_abstract_namespace() {
        UnixName::Abstract(name.to_owned())
    } else {
        UnixName::Unnamed
    };
    Endpoint::Unix(Unix { kind, name })
}

#[cfg(test)]
mod tests {
    use super::*;
    use socket2::{Domain, Type};

    fn pair(kind: Kind) -> (Conn, Conn) {
        let socket_type = match kind {
            Kind::Stream => Type::STREAM,
            Kind::Dgram => Type::DGRAM,
            Kind::Seqpacket => Type::SEQPACKET,
        };
        let (one, other) = Socket::pair(Domain::UNIX, socket_type, None).unwrap();
        let shape = Shape { family: Family::Unix, kind };
        (Conn::connected(one, shape, true).unwrap(), Conn::connected(other, shape, false).unwrap())
    }

    #[test]
    fn a_peer_that_resets_at_once_did_reset() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let socket: Socket = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap().into();
        let peer: Socket = listener.accept().unwrap().0.into();
        peer.set_linger(Some(Duration::ZERO)).unwrap();
        drop(peer);
        let shape = Shape { family: Family::V4, kind: Kind::Stream };
        let error = Conn::connected(socket, shape, true).err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    }

    #[test]
    fn a_queue_is_fitted_within_this_host_where_nobody_has_set_it() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let shape = Shape { family: Family::V4, kind: Kind::Stream };
        let dial = || Socket::from(std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap());
        let buffer = |conn: &Conn| conn.socket().send_buffer_size().unwrap();
        let after = |conn: Conn| {
            conn.fit_queue();
            buffer(&conn)
        };
        let fitted = dial();
        fitted.set_send_buffer_size(QUEUE).unwrap();
        let fitted = fitted.send_buffer_size().unwrap();
        let (unset, set, shared) = (dial(), dial(), dial());
        let untouched = unset.send_buffer_size().unwrap();
        assert_ne!(untouched, fitted);
        // Where it cannot be told whether somebody has, as before Linux 5.14, it stays.
        let expected = if sys::sockopt::is_sndbuf_set(&unset).is_ok() { fitted } else { untouched };
        set.set_send_buffer_size(50_000).unwrap();
        let chosen = set.send_buffer_size().unwrap();
        assert_eq!(after(Conn::connected(unset, shape, true).unwrap()), expected);
        assert_eq!(after(Conn::connected(set, shape, true).unwrap()), chosen);
        assert_eq!(after(Conn::connected(shared, shape, false).unwrap()), untouched);
        let (unix, _other) = pair(Kind::Stream);
        let expected = if expected == fitted { fitted } else { buffer(&unix) };
        assert_eq!(after(unix), expected);
    }

    #[test]
    fn empty_packets_are_no_end() {
        let (mut here, there) = pair(Kind::Seqpacket);
        there.send(b"").unwrap();
        there.send(b"last").unwrap();
        let mut buffer = vec![0; 16];
        assert_eq!(here.recv(&mut buffer).unwrap(), Incoming::Bytes(0));
        drop(there);
        assert_eq!(here.recv(&mut buffer).unwrap(), Incoming::Bytes(4));
        assert_eq!(here.recv(&mut buffer).unwrap(), Incoming::Eof);
    }

    #[test]
    fn a_message_larger_than_the_buffer_comes_whole() {
        let (mut here, there) = pair(Kind::Dgram);
        there.send(&[7; 50_000]).unwrap();
        let mut buffer = vec![0; 16];
        assert_eq!(here.recv(&mut buffer).unwrap(), Incoming::Bytes(50_000));
        assert!(buffer[..50_000].iter().all(|byte| *byte == 7));
    }

    #[test]
    fn an_inherited_socket_keeps_its_flags_and_never_blocks() {
        let (_open, mut inherited) = pair(Kind::Stream);
        let flags = rustix::fs::fcntl_getfl(&inherited).unwrap();
        assert!(!flags.contains(rustix::fs::OFlags::NONBLOCK));
        let error = inherited.recv(&mut vec![0; 16]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    }
}
