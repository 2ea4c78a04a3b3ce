//! Which sockets there are on this host: asks the kernel, keeps what was asked for, finds whose they are.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::net::IpAddr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::addr::{Endpoint, Port, Transport, Unix, UnixKind, UnixName};
use crate::sys::{
    self,
    sockets::{Entry, Protocol, State, Wanted},
};

/// For a host on which every descriptor of every process has to be looked at.
const PATIENCE: Duration = Duration::from_secs(10);
/// The kernel keeps so many bytes of a program's name: TASK_COMM_LEN of linux/sched.h, less its NUL.
const NAME_MAX: usize = 15;

/// The address that one end of a socket must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// Of TCP or UDP.
    Inet {
        /// The only transport wanted.
        transport: Option<Transport>,
        /// Any of these; none means every host.
        hosts: Vec<IpAddr>,
        /// The only port wanted.
        port: Option<u16>,
    },
    /// Of a UNIX socket.
    Unix {
        /// The only type wanted.
        kind: Option<UnixKind>,
        /// The name.
        name: UnixName,
    },
}

/// A process, as it is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// By its PID.
    Pid(u32),
    /// By the name of its program.
    Program(String),
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// What the kernel is asked.
    pub wanted: Wanted,
    /// Only those that take connections, or datagrams from anybody.
    pub listen: bool,
    /// What one of the ends must be.
    pub end: Option<End>,
    /// Only those of this process.
    pub process: Option<Who>,
    /// Only those that this user made.
    pub user: Option<u32>,
}

impl Filter {
    /// The sockets that are asked for, in an order that stays: by protocol, listeners first, by address.
    ///
    /// # Errors
    /// When the kernel has no table of sockets for us.
    pub fn gather(&self) -> io::Result<Vec<Entry>> {
        let search = || sys::socket_owners(Instant::now() + PATIENCE);
        let ask = || -> io::Result<Vec<Entry>> {
            let mut entries = sys::sockets(&self.wanted)?;
            entries.retain(|entry| self.takes(entry));
            entries.sort_by_cached_key(Key::of);
            Ok(entries)
        };
        let (mut entries, mut owners) = if self.is_narrow() {
            // Most often there are few, and it is worth knowing that there are none.
            let entries = ask()?;
            let owners = if entries.iter().any(|entry| entry.inode != 0) { search() } else { sys::Owners::default() };
            (entries, owners)
        } else {
            // Which sockets there are and whose they are is asked side by side.
            std::thread::scope(|scope| {
                let other = std::thread::Builder::new().spawn_scoped(scope, search);
                let entries = ask()?;
                Ok::<_, io::Error>((entries, other.map_or_else(|_| search(), |other| other.join().unwrap_or_default())))
            })?
        };
        let users = if entries.is_empty() { Users::default() } else { Users::read() };
        for entry in &mut entries {
            if entry.inode != 0 {
                entry.processes = owners.of(entry.inode);
            }
            entry.user = entry.uid.and_then(|uid| users.name(uid).map(str::to_owned));
        }
        entries.retain(|entry| self.process.as_ref().is_none_or(|who| has(entry, who)));
        Ok(entries)
    }

    fn is_narrow(&self) -> bool {
        self.listen || self.end.is_some() || self.user.is_some()
    }

    fn takes(&self, entry: &Entry) -> bool {
        let end = |end: &Option<Endpoint>| match (&self.end, end) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(wanted), Some(end)) => wanted.is(end),
        };
        (!self.listen || listens(entry))
            && (end(&entry.local) || end(&entry.peer))
            && self.user.is_none_or(|user| entry.uid == Some(user))
    }
}

/// Whether anybody may come: a listener, or a datagram socket that has an address and no peer.
fn listens(entry: &Entry) -> bool {
    let datagrams = matches!(entry.protocol, Protocol::Udp | Protocol::Unix(UnixKind::Dgram));
    entry.state == State::Listen || entry.state == State::Unconnected && datagrams && entry.local.is_some()
}

fn has(entry: &Entry, who: &Who) -> bool {
    entry.processes.iter().any(|process| match who {
        Who::Pid(pid) => process.pid == *pid,
        Who::Program(name) => {
            let kept = name.len().min(NAME_MAX);
            process.program.as_bytes() == &name.as_bytes()[..kept]
        }
    })
}

impl End {
    fn is(&self, end: &Endpoint) -> bool {
        match (self, end) {
            (Self::Inet { transport, hosts, port }, Endpoint::Inet(inet)) => {
                let address = inet.host.ip().map(|ip| ip.to_canonical());
                transport.is_none_or(|transport| transport == inet.transport)
                    && port.is_none_or(|port| inet.port == Port::Number(port))
                    && (hosts.is_empty() || address.is_some_and(|ip| hosts.contains(&ip)))
            }
            (Self::Unix { kind, name }, Endpoint::Unix(unix)) => {
                kind.is_none_or(|kind| kind == unix.kind)
                    && match (name, &unix.name) {
                        (UnixName::Path(wanted), UnixName::Path(path)) => {
                            path == wanted || std::path::absolute(wanted).is_ok_and(|whole: PathBuf| whole == *path)
                        }
                        (wanted, name) => wanted == name,
                    }
            }
            _ => false,
        }
    }
}

/// What the order goes by.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    protocol: u8,
    is_no_listener: bool,
    local: Place,
    peer: Place,
    inode: u64,
    state: State,
}

impl Key {
    fn of(entry: &Entry) -> Self {
        let protocol = match entry.protocol {
            Protocol::Tcp => 0,
            Protocol::Udp => 1,
            Protocol::Unix(UnixKind::Stream) => 2,
            Protocol::Unix(UnixKind::Dgram) => 3,
            Protocol::Unix(UnixKind::Seqpacket) => 4,
        };
        let (local, peer) = (Place::of(entry.local.as_ref()), Place::of(entry.peer.as_ref()));
        Self { protocol, is_no_listener: !listens(entry), local, peer, inode: entry.inode, state: entry.state }
    }
}

/// An address: IPv4 before IPv6, by number; those without one come last.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Inet(Option<IpAddr>, u16),
    Path(Vec<u8>),
    Abstract(Vec<u8>),
    Nowhere,
}

impl Place {
    fn of(end: Option<&Endpoint>) -> Self {
        match end {
            Some(Endpoint::Inet(inet)) => {
                let port = if let Port::Number(number) = inet.port { number } else { 0 };
                Self::Inet(inet.host.ip(), port)
            }
            Some(Endpoint::Unix(Unix { name: UnixName::Path(path), .. })) => {
                Self::Path(path.as_os_str().as_bytes().to_vec())
            }
            Some(Endpoint::Unix(Unix { name: UnixName::Abstract(name), .. })) => Self::Abstract(name.clone()),
            _ => Self::Nowhere,
        }
    }
}

/// The users of `/etc/passwd`, passwd(5). Those of a directory service are known by their numbers only.
#[derive(Debug, Default)]
pub struct Users {
    names: HashMap<u32, String>,
}

impl Users {
    /// Reads the file; without it nobody has a name.
    #[must_use]
    pub fn read() -> Self {
        let text = fs::read("/etc/passwd").unwrap_or_default();
        let mut names = HashMap::new();
        for line in String::from_utf8_lossy(&text).lines() {
            let mut fields = line.split(':');
            if let (Some(name), Some(uid)) = (fields.next(), fields.nth(1).and_then(|uid| uid.parse().ok())) {
                names.entry(uid).or_insert_with(|| name.to_owned());
            }
        }
        Self { names }
    }

    /// What this user is called.
    #[must_use]
    pub fn name(&self, uid: u32) -> Option<&str> {
        self.names.get(&uid).map(String::as_str)
    }

    /// Who is called so.
    #[must_use]
    pub fn uid(&self, name: &str) -> Option<u32> {
        self.names.iter().find(|(_, known)| *known == name).map(|(uid, _)| *uid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(protocol: Protocol, state: State, local: &str, peer: Option<&str>) -> Entry {
        let mut entry = Entry::new(protocol, state);
        entry.local = Some(local.parse().unwrap());
        entry.peer = peer.map(|peer| peer.parse().unwrap());
        entry
    }

    #[test]
    fn the_order_is_that_of_the_addresses() {
        let tcp = |local, peer| entry(Protocol::Tcp, State::Established, local, peer);
        let mut entries = vec![
            entry(Protocol::Unix(UnixKind::Stream), State::Listen, "unix:/b", None),
            entry(Protocol::Unix(UnixKind::Stream), State::Listen, "unix:/a", None),
            Entry::new(Protocol::Unix(UnixKind::Stream), State::Established),
            entry(Protocol::Udp, State::Unconnected, "udp://127.0.0.1:53", None),
            tcp("[::1]:80", Some("[::1]:5")),
            tcp("127.0.0.1:80", Some("127.0.0.1:1000")),
            tcp("127.0.0.1:80", Some("127.0.0.1:999")),
            tcp("127.0.0.1:9", Some("127.0.0.1:9")),
            entry(Protocol::Tcp, State::Listen, "127.0.0.1:90", None),
        ];
        let sorted = [8, 7, 6, 5, 4, 3, 1, 0, 2].map(|nth: usize| entries[nth].clone());
        entries.sort_by_cached_key(Key::of);
        assert_eq!(entries, sorted);
    }

    #[test]
    fn either_end_may_be_the_one() {
        let inet = |transport, hosts: &[&str], port| End::Inet {
            transport,
            hosts: hosts.iter().map(|host| host.parse().unwrap()).collect(),
            port,
        };
        let is = |end: &End, text: &str| end.is(&text.parse().unwrap());
        assert!(is(&inet(None, &[], Some(80)), "udp://1.2.3.4:80"));
        assert!(!is(&inet(Some(Transport::Tcp), &[], Some(80)), "udp://1.2.3.4:80"));
        assert!(is(&inet(None, &["1.2.3.4"], None), "[::ffff:1.2.3.4]:1"));
        assert!(!is(&inet(None, &["1.2.3.4"], Some(1)), "1.2.3.4:2"));
        assert!(!is(&inet(None, &[], None), "unix:/a"));
        let unix = |kind| End::Unix { kind, name: UnixName::Path("/a".into()) };
        assert!(is(&unix(None), "unix-dgram:/a") && !is(&unix(None), "unix:/b"));
        assert!(!is(&unix(Some(UnixKind::Dgram)), "unix:/a"));
    }

    #[test]
    fn a_long_name_is_the_one_that_the_kernel_cut() {
        let mut one = Entry::new(Protocol::Tcp, State::Listen);
        one.processes.push(crate::error::Process { pid: 7, program: "a-rather-long-n".to_owned() });
        assert!(has(&one, &Who::Program("a-rather-long-name".to_owned())) && has(&one, &Who::Pid(7)));
        assert!(!has(&one, &Who::Program("a-rather".to_owned())) && !has(&one, &Who::Pid(8)));
    }
}
