//! Taking a local address: a listener, a datagram socket, or what was handed to us already bound.

use std::ffi::{OsStr, OsString};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{AtFlags, Dev, Mode};
use socket2::{SockAddr, Socket};

use crate::addr::{Endpoint, Host, Inet, IpFamily, UnixName};
use crate::error::{Error, Exit, Fact, Phase, Result};
use crate::event::{Event, Sink};
use crate::net::conn::{Conn, endpoint_of};
use crate::net::options::{Options, Role, Stage};
use crate::net::resolve::{Purpose, Target, resolve};
use crate::net::socket::{Family, Kind, Shape};
use crate::sys::{self, Reason, Stop};

/// What a server has in its hands once it is bound.
pub enum Bound {
    /// Takes connections.
    Listener(Listener),
    /// Takes datagrams.
    Datagrams(Datagrams),
    /// An inherited socket that is connected already, as inetd(8) hands them over.
    Session(Conn),
}

impl Bound {
    /// The bound address, with the real port.
    #[must_use]
    pub fn local(&self) -> Endpoint {
        match self {
            Self::Listener(listener) => listener.local.clone(),
            Self::Datagrams(datagrams) => datagrams.local.clone(),
            Self::Session(conn) => conn.local().clone(),
        }
    }

    /// The file that it made, if it did.
    #[must_use]
    pub fn file(&self) -> Option<&SocketFile> {
        match self {
            Self::Listener(listener) => listener.file.as_ref(),
            Self::Datagrams(datagrams) => datagrams.file.as_ref(),
            Self::Session(_) => None,
        }
    }

    /// Says that it takes what comes. An inherited connection is there already.
    pub fn announce(&self, sink: &dyn Sink) {
        let (local, families, backlog) = match self {
            Self::Listener(listener) => (&listener.local, listener.families, listener.backlog),
            Self::Datagrams(datagrams) => (&datagrams.local, families(&datagrams.socket, datagrams.shape), None),
            Self::Session(_) => return,
        };
        sink.emit(None, &Event::Listening { local, families, backlog });
    }
}

/// A socket that takes connections.
pub struct Listener {
    socket: Socket,
    shape: Shape,
    local: Endpoint,
    /// An inherited socket keeps its flags, so each accept asks first whether it would wait.
    own: bool,
    families: Option<&'static str>,
    backlog: Option<u32>,
    /// Goes when the listener does.
    file: Option<SocketFile>,
}

/// A bound socket without connections.
pub struct Datagrams {
    /// The socket.
    pub socket: Socket,
    /// Its family.
    pub shape: Shape,
    /// Whether it is ours alone, and not inherited.
    pub own: bool,
    /// The bound address.
    pub local: Endpoint,
    /// Its file, which goes when this is dropped.
    pub file: Option<SocketFile>,
}

/// How to bind.
pub struct Bind<'a> {
    /// What to bind.
    pub endpoint: &'a Endpoint,
    /// Options to set on the way.
    pub options: &'a Options,
    /// The permission bits of a socket file, from its first instant; by default what the umask leaves.
    pub mode: Option<u32>,
    /// Whether to take over a stale socket file.
    pub unlink: bool,
    /// Ends the wait for a name.
    pub stop: &'a Stop,
    /// Is told.
    pub sink: &'a dyn Sink,
}

impl Bind<'_> {
    /// Binds, and listens where the kind of socket has it.
    ///
    /// # Errors
    /// [`Exit::Bind`], [`Exit::Permission`], [`Exit::Resolve`], [`Exit::Usage`] for an option that does not fit.
    pub fn bind(&self) -> Result<Bound> {
        match self.endpoint {
            Endpoint::Fd(fd) => self.inherited(inherited_fd(*fd, self.endpoint)?),
            Endpoint::Systemd(name) => self.inherited(systemd_fd(name.as_deref(), self.endpoint)?),
            Endpoint::Builtin(_) => {
                Err(Error::usage(format!("{} is a peer to connect to, not an address to listen on", self.endpoint)))
            }
            _ => self.fresh(),
        }
    }

    fn fresh(&self) -> Result<Bound> {
        let targets = resolve(self.endpoint, Purpose::Server, None, self.stop, self.sink)?;
        let mut failures = Vec::new();
        for target in &targets {
            match self.target(target) {
                Ok(bound) => return Ok(bound),
                Err(error) => failures.push(error),
            }
        }
        if let Some(v4) = self.without_v6(failures.last()) {
            return self.target(&v4);
        }
        if let Some(reason) = self.stop.requested()
            && failures.is_empty()
        {
            let exit = match reason {
                Reason::Signal(signal) => Exit::Signal(signal),
                Reason::Deadline => Exit::Deadline,
            };
            return Err(Error::text(exit, Phase::Resolving, Some(self.endpoint), "ended while waiting for the name"));
        }
        if failures.is_empty() {
            return Err(Error::text(Exit::Resolve, Phase::Resolving, Some(self.endpoint), "the name has no address"));
        }
        Err(Error::attempts(self.endpoint, failures))
    }

    /// `:PORT` means every interface; on a host without IPv6 that is 0.0.0.0.
    fn without_v6(&self, failure: Option<&Error>) -> Option<Target> {
        let Endpoint::Inet(inet @ Inet { host: Host::Any, family: None, .. }) = self.endpoint else { return None };
        if !matches!(failure?.errno()?, libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL) {
            return None;
        }
        let v4 = Endpoint::Inet(Inet { host: Host::V4(Ipv4Addr::UNSPECIFIED), ..inet.clone() });
        resolve(&v4, Purpose::Server, None, self.stop, self.sink).ok()?.pop()
    }

    fn target(&self, target: &Target) -> Result<Bound> {
        let Target { address, shape, endpoint } = target;
        let shape = *shape;
        let role = Role::Listener;
        self.options.check(shape, role)?;
        let socket = self.options.open(shape).map_err(|error| error.at(endpoint))?;
        self.apply(&socket, shape, role, Stage::BeforeBind)?;
        if shape.family == Family::V6 && self.options.value("v6only").is_none() {
            // Said outright, for net.ipv6.bindv6only may have it either way.
            let only = matches!(self.endpoint, Endpoint::Inet(Inet { family: Some(IpFamily::V6), .. }));
            socket.set_only_v6(only).map_err(|source| Error::os(Phase::Setting, Some(endpoint), source))?;
        }
        let file = match self.endpoint {
            Endpoint::Unix(unix) => match &unix.name {
                UnixName::Path(path) => Some(self.bind_path(&socket, address, path)?),
                _ => bind(&socket, address, endpoint).map(|()| None)?,
            },
            _ => bind(&socket, address, endpoint).map(|()| None)?,
        };
        self.apply(&socket, shape, role, Stage::BeforeConnect)?;
        if shape.kind == Kind::Dgram {
            return self.datagrams(socket, shape, true, file);
        }
        self.apply(&socket, shape, role, Stage::Listen).map_err(|error| error.at(endpoint))?;
        self.listener(socket, shape, true, file)
    }

    fn bind_path(&self, socket: &Socket, address: &SockAddr, path: &Path) -> Result<SocketFile> {
        if self.unlink && is_stale(path) {
            std::fs::remove_file(path).map_err(|source| Error::os(Phase::Binding, Some(self.endpoint), source))?;
        }
        // The umask holds from the first instant; a chmod afterwards would leave a gap.
        let before = self.mode.map(|mode| rustix::process::umask(Mode::from_raw_mode((!mode & 0o777) as _)));
        let bound = bind(socket, address, self.endpoint);
        if let Some(before) = before {
            rustix::process::umask(before);
        }
        bound?;
        SocketFile::remember(path).map_err(|source| Error::os(Phase::Binding, Some(self.endpoint), source))
    }

    fn inherited(&self, fd: OwnedFd) -> Result<Bound> {
        let socket = Socket::from(fd);
        let os = |source| Error::os(Phase::Opening, Some(self.endpoint), source);
        let shape = shape_of(&socket).map_err(os)?;
        let listens = sys::is_listener(&socket).map_err(os)?;
        let connected = !listens && socket.peer_addr().is_ok();
        let role = if connected { Role::Accepted } else { Role::Listener };
        for report in self.options.apply_late(&socket, shape, role)? {
            self.sink.emit(None, &report.event());
        }
        if listens {
            return self.listener(socket, shape, false, None);
        }
        if connected {
            return Ok(Bound::Session(Conn::connected(socket, shape, false).map_err(os)?));
        }
        if shape.kind == Kind::Dgram {
            return self.datagrams(socket, shape, false, None);
        }
        Err(Error::usage(format!("{} is {shape} that neither listens nor is connected", self.endpoint)))
    }

    fn listener(&self, socket: Socket, shape: Shape, own: bool, file: Option<SocketFile>) -> Result<Bound> {
        let os = |source| Error::os(Phase::Listening, Some(self.endpoint), source);
        if own {
            socket.set_nonblocking(true).map_err(os)?;
        }
        let local = endpoint_of(&socket.local_addr().map_err(os)?, shape);
        let backlog = self.options.backlog(&socket, shape);
        let families = families(&socket, shape);
        Ok(Bound::Listener(Listener { socket, shape, local, own, families, backlog, file }))
    }

    fn datagrams(&self, socket: Socket, shape: Shape, own: bool, file: Option<SocketFile>) -> Result<Bound> {
        let os = |source| Error::os(Phase::Binding, Some(self.endpoint), source);
        if own {
            socket.set_nonblocking(true).map_err(os)?;
        }
        let address = socket.local_addr().map_err(os)?;
        if shape.is_udp() && is_wildcard(&address) {
            // Best effort: without it, answers leave from the address that routing picks.
            let _ = sys::want_packet_info(&socket, shape.family == Family::V6);
        }
        let local = endpoint_of(&address, shape);
        Ok(Bound::Datagrams(Datagrams { socket, shape, own, local, file }))
    }

    fn apply(&self, socket: &Socket, shape: Shape, role: Role, stage: Stage) -> Result<()> {
        for report in self.options.apply(socket, shape, role, stage)? {
            self.sink.emit(None, &report.event());
        }
        Ok(())
    }
}

impl Listener {
    /// The bound address.
    #[must_use]
    pub fn local(&self) -> &Endpoint {
        &self.local
    }

    /// Family and type.
    #[must_use]
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// The socket itself.
    #[must_use]
    pub fn socket(&self) -> &Socket {
        &self.socket
    }

    /// Takes the next connection, without waiting.
    ///
    /// # Errors
    /// `WouldBlock`, and those of accept(2).
    pub fn accept(&self) -> io::Result<Conn> {
        if !self.own {
            // Its mode is shared with whoever handed it over, and so not ours to change.
            let mut fds = [PollFd::new(&self.socket, PollFlags::IN)];
            if rustix::event::poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }))? == 0 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
        }
        let (socket, _) = self.socket.accept()?;
        Conn::connected(socket, self.shape, true)
    }

    /// Stops listening. The socket file goes with it.
    pub fn close(self) {}
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// What an accept error says about the next accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AcceptError {
    /// Nobody waits.
    Empty,
    /// That one connection is lost; the next may be fine. accept(2): errors of the new socket are passed on.
    Connection,
    /// This process or host has no descriptor or memory left; it helps to wait.
    Exhausted,
    /// The listener itself is broken.
    Fatal,
}

impl AcceptError {
    /// Sorts an error of accept(2).
    #[must_use]
    pub fn of(error: &io::Error) -> Self {
        match error.raw_os_error() {
            _ if error.kind() == io::ErrorKind::WouldBlock => Self::Empty,
            Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM) => Self::Exhausted,
            Some(libc::EBADF | libc::EINVAL | libc::ENOTSOCK | libc::EFAULT | libc::EOPNOTSUPP) => Self::Fatal,
            _ => Self::Connection,
        }
    }
}

/// A socket file that we made. Dropping it removes the file, if it still is the one that we made; also after a change
/// of directory or root, and where no path can be opened any more.
#[derive(Debug)]
pub struct SocketFile {
    dir: OwnedFd,
    name: OsString,
    found: (Dev, u64),
}

impl SocketFile {
    fn remember(path: &Path) -> io::Result<Self> {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_owned();
        let dir = match path.parent() {
            Some(dir) if !dir.as_os_str().is_empty() => dir,
            _ => Path::new("."),
        };
        let dir = sys::open_directory(dir)?;
        let found = identity(&dir, &name)?;
        Ok(Self { dir, name, found })
    }

    /// The directory that it is in.
    #[must_use]
    pub fn dir(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }
}

/// The device and the number of a file, links not followed.
fn identity(dir: &OwnedFd, name: &OsStr) -> io::Result<(Dev, u64)> {
    let found = rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok((found.st_dev, found.st_ino))
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.dir, &self.name).is_ok_and(|found| found == self.found) {
            let _ = rustix::fs::unlinkat(&self.dir, &self.name, AtFlags::empty());
        }
    }
}

/// Whether a socket file has nobody behind it any more: connecting is refused.
///
/// It is tried with a datagram socket, which a server of connections turns away by its type without noticing.
fn is_stale(path: &Path) -> bool {
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket());
    let refused = || -> io::Result<bool> {
        let probe = Socket::new(socket2::Domain::UNIX, socket2::Type::DGRAM, None)?;
        probe.set_nonblocking(true)?;
        match probe.connect(&SockAddr::unix(path)?) {
            Err(error) => Ok(error.kind() == io::ErrorKind::ConnectionRefused),
            Ok(()) => Ok(false),
        }
    };
    is_socket && refused().unwrap_or(false)
}

fn bind(socket: &Socket, address: &SockAddr, endpoint: &Endpoint) -> Result<()> {
    socket.bind(address).map_err(|source| {
        let mut error = Error::os(Phase::Binding, Some(endpoint), source);
        // Only known here, and without it half of an explanation of EADDRINUSE.
        if error.errno() == Some(libc::EADDRINUSE) && socket.reuse_port().unwrap_or(false) {
            error.facts.push(Fact::ReusePort);
        }
        error
    })
}

fn is_wildcard(address: &SockAddr) -> bool {
    address.as_socket().is_some_and(|address| address.ip().is_unspecified())
}

/// Which families reach a bound IPv6 or IPv4 wildcard.
fn families(socket: &Socket, shape: Shape) -> Option<&'static str> {
    let address = socket.local_addr().ok()?;
    match address.as_socket()? {
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => {
            Some(if socket.only_v6().unwrap_or(true) { "IPv6" } else { "IPv4 and IPv6" })
        }
        SocketAddr::V4(v4) if v4.ip().is_unspecified() && shape.is_inet() => Some("IPv4"),
        _ => None,
    }
}

/// Family and type of a socket that somebody else made.
///
/// # Errors
/// Those of getsockopt(2); `Unsupported` for a family that sockkit does not speak.
pub fn shape_of(socket: &Socket) -> io::Result<Shape> {
    let unsupported =
        || io::Error::new(io::ErrorKind::Unsupported, "a socket of a family or type that is not served here");
    let address = socket.local_addr()?;
    let family = match libc::c_int::from(address.family()) {
        libc::AF_INET => Family::V4,
        libc::AF_INET6 => Family::V6,
        libc::AF_UNIX => Family::Unix,
        _ if sys::as_vsock(&address).is_some() => Family::Vsock,
        _ => return Err(unsupported()),
    };
    let kind = match libc::c_int::from(socket.r#type()?) {
        libc::SOCK_STREAM => Kind::Stream,
        libc::SOCK_DGRAM => Kind::Dgram,
        libc::SOCK_SEQPACKET => Kind::Seqpacket,
        _ => return Err(unsupported()),
    };
    Ok(Shape { family, kind })
}

/// The socket behind `fd:N`.
///
/// # Errors
/// [`Exit::Usage`] when it is not open or no socket.
pub fn inherited_fd(fd: RawFd, endpoint: &Endpoint) -> Result<OwnedFd> {
    sys::inherited_socket(fd).map_err(|source| {
        let text = match source.raw_os_error() {
            Some(libc::EBADF) => format!("descriptor {fd} is not open"),
            Some(libc::ENOTSOCK) => format!("descriptor {fd} is open, but is no socket"),
            _ => crate::error::words(&source),
        };
        Error::text(Exit::Usage, Phase::Opening, Some(endpoint), text)
    })
}

/// The socket that a service manager passed, sd_listen_fds(3): the first, or the one with this name.
///
/// # Errors
/// [`Exit::Usage`] when none was passed to this process, or none by that name.
pub fn systemd_fd(name: Option<&str>, endpoint: &Endpoint) -> Result<OwnedFd> {
    let fail = |text: String| Error::text(Exit::Usage, Phase::Opening, Some(endpoint), text);
    let variable = |name: &str| std::env::var(name).ok();
    let count: i32 = variable("LISTEN_FDS")
        .ok_or_else(|| fail("no socket was passed: LISTEN_FDS is not set".into()))?
        .parse()
        .map_err(|_| fail("LISTEN_FDS is not a number".into()))?;
    if variable("LISTEN_PID").and_then(|pid| pid.parse().ok()) != Some(std::process::id()) {
        return Err(fail("the sockets were passed to another process: LISTEN_PID is not this one's".into()));
    }
    let names: Vec<String> =
        variable("LISTEN_FDNAMES").map_or_else(Vec::new, |names| names.split(':').map(str::to_owned).collect());
    let nth = match name {
        None => 0,
        Some(wanted) => names
            .iter()
            .position(|name| name == wanted)
            .ok_or_else(|| fail(format!("no socket is named {wanted}; LISTEN_FDNAMES has: {}", names.join(", "))))?,
    };
    match i32::try_from(nth) {
        // SD_LISTEN_FDS_START is 3.
        Ok(nth) if nth < count => inherited_fd(3 + nth, endpoint),
        _ => Err(fail(format!("LISTEN_FDS passes {count} sockets only"))),
    }
}
