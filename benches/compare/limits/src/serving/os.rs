//! The system calls, and how times are kept.

use std::io;
use std::mem::{size_of, zeroed};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

pub fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

fn check_size(result: isize) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}

pub enum Addr {
    Tcp(SocketAddrV4),
    Udp(SocketAddrV4),
    Unix(String),
}

impl Addr {
    pub fn of(text: &str) -> Self {
        let (kind, rest) = text.split_once(':').expect("KIND:ADDRESS");
        match kind {
            "tcp" => Self::Tcp(rest.parse().expect("HOST:PORT")),
            "udp" => Self::Udp(rest.parse().expect("HOST:PORT")),
            "unix" => Self::Unix(rest.to_owned()),
            _ => panic!("{text}: tcp, udp or unix"),
        }
    }

    /// A socket of this family.
    pub fn socket(&self, nonblocking: bool) -> OwnedFd {
        let (family, kind) = match self {
            Self::Tcp(_) => (libc::AF_INET, libc::SOCK_STREAM),
            Self::Udp(_) => (libc::AF_INET, libc::SOCK_DGRAM),
            Self::Unix(_) => (libc::AF_UNIX, libc::SOCK_STREAM),
        };
        let flags = libc::SOCK_CLOEXEC | if nonblocking { libc::SOCK_NONBLOCK } else { 0 };
        // SAFETY: the descriptor is new, and ours.
        unsafe { OwnedFd::from_raw_fd(check(libc::socket(family, kind | flags, 0)).unwrap()) }
    }

    fn with<T>(&self, call: impl FnOnce(*const libc::sockaddr, libc::socklen_t) -> T) -> T {
        match self {
            Self::Tcp(addr) | Self::Udp(addr) => {
                let raw = inet(*addr);
                call((&raw const raw).cast(), size_of::<libc::sockaddr_in>() as u32)
            }
            Self::Unix(path) => {
                // SAFETY: all zeroes are a sockaddr_un.
                let mut raw: libc::sockaddr_un = unsafe { zeroed() };
                raw.sun_family = libc::AF_UNIX as u16;
                for (to, from) in raw.sun_path.iter_mut().zip(path.bytes()) {
                    *to = from as libc::c_char;
                }
                call((&raw const raw).cast(), (2 + path.len() + 1) as u32)
            }
        }
    }

    /// A server's socket. Says `ready` on stderr.
    pub fn serve(&self) -> OwnedFd {
        let fd = self.socket(true);
        set(&fd, libc::SOL_SOCKET, libc::SO_REUSEADDR, 1);
        // SAFETY: the address lives as long as the call.
        check(self.with(|addr, len| unsafe { libc::bind(fd.as_raw_fd(), addr, len) })).unwrap();
        if !matches!(self, Self::Udp(_)) {
            // SAFETY: takes no pointer.
            check(unsafe { libc::listen(fd.as_raw_fd(), 4096) }).unwrap();
        }
        eprintln!("ready");
        fd
    }

    /// A connection; from that address of 127.0.0.0/8, for one has not enough ports.
    pub fn connect(&self, nonblocking: bool, from: Option<Ipv4Addr>) -> io::Result<OwnedFd> {
        let fd = self.socket(nonblocking);
        if let (Some(from), Self::Tcp(_)) = (from, self) {
            set(&fd, libc::IPPROTO_IP, libc::IP_BIND_ADDRESS_NO_PORT, 1);
            let raw = inet(SocketAddrV4::new(from, 0));
            // SAFETY: the address lives as long as the call.
            check(unsafe { libc::bind(fd.as_raw_fd(), (&raw const raw).cast(), size_of_val(&raw) as u32) })?;
        }
        // SAFETY: the address lives as long as the call.
        let done = check(self.with(|addr, len| unsafe { libc::connect(fd.as_raw_fd(), addr, len) }));
        match done {
            Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) && nonblocking => {}
            Err(error) => return Err(error),
            Ok(_) => {}
        }
        if let Self::Tcp(_) = self {
            set(&fd, libc::IPPROTO_TCP, libc::TCP_NODELAY, 1);
        }
        Ok(fd)
    }
}

fn inet(addr: SocketAddrV4) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: libc::AF_INET as u16,
        sin_port: addr.port().to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(addr.ip().octets()) },
        sin_zero: [0; 8],
    }
}

pub fn set(fd: &OwnedFd, level: i32, name: i32, value: i32) {
    // SAFETY: the value lives as long as the call.
    let done = unsafe { libc::setsockopt(fd.as_raw_fd(), level, name, (&raw const value).cast(), 4) };
    check(done).unwrap();
}

pub fn accept(fd: RawFd) -> io::Result<OwnedFd> {
    let flags = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: the descriptor is new, and ours.
    unsafe { Ok(OwnedFd::from_raw_fd(check(libc::accept4(fd, std::ptr::null_mut(), std::ptr::null_mut(), flags))?)) }
}

pub fn read(fd: RawFd, buffer: &mut [u8]) -> io::Result<usize> {
    // SAFETY: the buffer is as long as is said.
    check_size(unsafe { libc::read(fd, buffer.as_mut_ptr().cast(), buffer.len()) })
}

pub fn write(fd: RawFd, buffer: &[u8]) -> io::Result<usize> {
    // SAFETY: the buffer is as long as is said.
    check_size(unsafe { libc::send(fd, buffer.as_ptr().cast(), buffer.len(), libc::MSG_NOSIGNAL) })
}

pub fn is_full(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
}

/// As many descriptors as are allowed.
pub fn raise_limit() {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is to an rlimit.
    unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit);
        limit.rlim_cur = limit.rlim_max;
        libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit);
    }
}

pub struct Epoll(OwnedFd);

impl Epoll {
    pub fn new() -> Self {
        // SAFETY: the descriptor is new, and ours.
        Self(unsafe { OwnedFd::from_raw_fd(check(libc::epoll_create1(libc::EPOLL_CLOEXEC)).unwrap()) })
    }

    fn control(&self, what: i32, fd: RawFd, key: usize, out: bool) {
        let events = libc::EPOLLIN as u32 | if out { libc::EPOLLOUT as u32 } else { 0 };
        let mut event = libc::epoll_event { events, u64: key as u64 };
        // SAFETY: the event lives as long as the call.
        check(unsafe { libc::epoll_ctl(self.0.as_raw_fd(), what, fd, &raw mut event) }).unwrap();
    }

    pub fn add(&self, fd: RawFd, key: usize) {
        self.control(libc::EPOLL_CTL_ADD, fd, key, false);
    }

    pub fn watch_out(&self, fd: RawFd, key: usize, out: bool) {
        self.control(libc::EPOLL_CTL_MOD, fd, key, out);
    }

    /// Those that are ready: the key, and whether there is room to write.
    pub fn wait<'a>(
        &self,
        events: &'a mut Vec<libc::epoll_event>,
        timeout: i32,
    ) -> impl Iterator<Item = (usize, bool)> + use<'a> {
        events.resize(1024, libc::epoll_event { events: 0, u64: 0 });
        // SAFETY: the array is as long as is said.
        let count = unsafe { libc::epoll_wait(self.0.as_raw_fd(), events.as_mut_ptr(), 1024, timeout) };
        let count = usize::try_from(count).unwrap_or(0);
        events[..count].iter().map(|event| (event.u64 as usize, event.events & libc::EPOLLOUT as u32 != 0))
    }
}

/// Times by sixteenths of a power of two.
pub struct Times {
    counts: Vec<u64>,
    total: u64,
}

impl Times {
    pub fn new() -> Self {
        Self { counts: vec![0; 64 * 16], total: 0 }
    }

    pub fn add(&mut self, time: Duration, times: u64) {
        let nanos = (time.as_nanos() as u64).max(16);
        let power = nanos.ilog2();
        self.counts[(power * 16) as usize + ((nanos >> (power - 4)) & 15) as usize] += times;
        self.total += times;
    }

    pub fn total(&self) -> u64 {
        self.total
    }

    /// In microseconds; the middle of the step.
    pub fn at(&self, part: f64) -> f64 {
        let (wanted, mut seen) = ((self.total as f64 * part).ceil().max(1.0) as u64, 0);
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                let (power, step) = (index / 16, index % 16);
                return (1u64 << power) as f64 * (1.0 + (step as f64 + 0.5) / 16.0) / 1000.0;
            }
        }
        f64::NAN
    }
}
