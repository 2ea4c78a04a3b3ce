//! What `/proc` says about the sockets of this host: proc(5), proc_pid_net(5), the kernel's
//! Documentation/networking/proc_net_tcp.rst.
//!
//! All of it is best effort: a reader that gets nothing says less, it does not fail. Each function takes the
//! moment at which it has to be done, for a busy host has a hundred thousand lines in these files.

use std::collections::HashMap;
use std::fs;
use std::io::{self, BufRead, BufReader};
use std::mem::MaybeUninit;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Instant;

use rustix::fs::{Mode, OFlags, RawDir, readlinkat_raw};
use rustix::path::Arg;

use crate::error::Process;
use crate::sys::tables::{InetSocket, TCP_CLOSE, TCP_LISTEN, Table};

/// So many descriptors of each process are looked at before all the others.
const FIRST: usize = 128;

/// The sockets of this network namespace that receive from anybody, IPv4 first: TCP listeners, UDP sockets
/// without a peer.
#[must_use]
pub fn inet_receivers(table: Table, deadline: Instant) -> Vec<InetSocket> {
    // Not every kernel has sock_diag(7), and some sandboxes forbid it.
    super::inetdiag::receivers(table, deadline).unwrap_or_else(|_| listed_receivers(table, deadline))
}

pub(super) fn listed_receivers(table: Table, deadline: Instant) -> Vec<InetSocket> {
    let state = match table {
        Table::Tcp => TCP_LISTEN,
        Table::Udp => TCP_CLOSE,
    };
    picked(table, deadline, |socket| socket.state == state)
}

fn picked(table: Table, deadline: Instant, wanted: impl Fn(&InetSocket) -> bool) -> Vec<InetSocket> {
    let paths = match table {
        Table::Tcp => ["/proc/net/tcp", "/proc/net/tcp6"],
        Table::Udp => ["/proc/net/udp", "/proc/net/udp6"],
    };
    let mut sockets = Vec::new();
    for path in paths {
        each_line(Path::new(path), deadline, |line| sockets.extend(inet_line(line).filter(&wanted)));
    }
    sockets
}

/// Reads `0: 0100007F:0050 00000000:0000 0A 00000000:00000002 00:00000000 00000000 0 0 12345 …`.
pub(super) fn inet_line(line: &[u8]) -> Option<InetSocket> {
    let line = std::str::from_utf8(line).ok()?;
    let mut fields = line.split_ascii_whitespace();
    let local = address(fields.nth(1)?)?;
    let remote = address(fields.next()?)?;
    let state = u8::from_str_radix(fields.next()?, 16).ok()?;
    let waiting = u32::from_str_radix(fields.next()?.split_once(':')?.1, 16).ok()?;
    let inode = fields.nth(4)?.parse().ok()?;
    Some(InetSocket { local, remote, state, waiting, limit: None, inode, v6only: None })
}

/// Each 32-bit group is printed as a host-order number of what lies in memory in network order.
fn address(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let mut bytes = [0; 16];
    let groups = address.len() / 8;
    if !address.is_ascii() || address.len() % 8 != 0 || groups > 4 {
        return None;
    }
    for group in 0..groups {
        let word = u32::from_str_radix(&address[8 * group..8 * group + 8], 16).ok()?;
        bytes[4 * group..4 * group + 4].copy_from_slice(&word.to_ne_bytes());
    }
    let ip = match groups {
        1 => IpAddr::V4(Ipv4Addr::new(bytes[0], bytes[1], bytes[2], bytes[3])),
        4 => IpAddr::V6(Ipv6Addr::from(bytes)),
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

pub(super) fn each_line(path: &Path, deadline: Instant, mut take: impl FnMut(&[u8])) {
    let Ok(file) = fs::File::open(path) else { return };
    let mut reader = BufReader::with_capacity(64 * 1024, file);
    let mut line = Vec::new();
    // The first line is the heading.
    let mut nth = 0_u32;
    while Instant::now() < deadline {
        line.clear();
        match reader.read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) if nth > 0 => take(line.strip_suffix(b"\n").unwrap_or(&line)),
            Ok(_) => {}
        }
        nth += 1;
    }
}

/// Who has these sockets open, by the links in `/proc/PID/fd`, as far as this user may see them. Of several
/// processes that share one it is the one that the others have it from, and else most often that with the lowest PID.
#[must_use]
pub fn owners(inodes: &[u64], deadline: Instant) -> HashMap<u64, Process> {
    // A server opens its listeners first, and its thousands of connections after them.
    look_through(inodes, &[FIRST, usize::MAX], deadline)
}

/// The same as far as the first descriptors of each process tell: quick also where some have a hundred thousand.
#[must_use]
pub fn owners_at_a_glance(inodes: &[u64], deadline: Instant) -> HashMap<u64, Process> {
    look_through(inodes, &[FIRST], deadline)
}

fn look_through(inodes: &[u64], rounds: &[usize], deadline: Instant) -> HashMap<u64, Process> {
    let mut found = HashMap::new();
    let Ok(proc) = fs::read_dir("/proc") else { return found };
    let mut pids: Vec<u32> = proc.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    pids.sort_unstable();
    for &at_most in rounds {
        pids.retain(|&pid| {
            let done = found.len() == inodes.len() || Instant::now() >= deadline;
            !done && descriptors(pid, inodes, at_most, deadline, &mut found)
        });
    }
    found
}

/// Looks through the descriptors of a process, `at_most` so many. Whether it has more.
fn descriptors(pid: u32, inodes: &[u64], at_most: usize, deadline: Instant, found: &mut HashMap<u64, Process>) -> bool {
    each_descriptor(pid, at_most, deadline, |inode| {
        if inodes.contains(&inode) {
            found.entry(inode).or_insert_with(|| ancestor(pid, inode, at_most, deadline));
        }
    })
}

/// The process that a socket comes from, of which this one and its parents have it: a child may have it only for the
/// moment between fork(2) and execve(2).
fn ancestor(mut pid: u32, inode: u64, at_most: usize, deadline: Instant) -> Process {
    while let Some(parent) = parent(pid) {
        let mut has_it = false;
        each_descriptor(parent, at_most, deadline, |its| has_it |= its == inode);
        if !has_it {
            break;
        }
        pid = parent;
    }
    Process { pid, program: program(pid) }
}

/// Hands on the inode of each socket among the descriptors of a process, `at_most` so many looked at. Whether it has
/// more.
fn each_descriptor(pid: u32, at_most: usize, deadline: Instant, mut take: impl FnMut(u64)) -> bool {
    let Ok(dir) = open_descriptors(pid) else { return false };
    // A small one, for the kernel makes as many entries as fit.
    let mut entries = [MaybeUninit::uninit(); 2048];
    let mut entries = RawDir::new(&dir, &mut entries);
    let mut nth = 0;
    while let Some(Ok(entry)) = entries.next() {
        nth += 1;
        if nth > at_most || nth % 64 == 0 && Instant::now() >= deadline {
            return true;
        }
        socket_at(&dir, entry.file_name()).map(&mut take);
    }
    false
}

/// The directory of a process's descriptors.
pub(super) fn open_descriptors(pid: u32) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::open(format!("/proc/{pid}/fd"), flags, Mode::empty())?)
}

/// The inode of one of them, if it is a socket.
pub(super) fn socket_at(dir: &OwnedFd, name: impl Arg) -> Option<u64> {
    let mut link = [MaybeUninit::uninit(); 64];
    readlinkat_raw(dir, name, &mut link).ok().and_then(|(link, _)| socket_inode(link))
}

fn socket_inode(link: &[u8]) -> Option<u64> {
    let number = link.strip_prefix(b"socket:[")?.strip_suffix(b"]")?;
    std::str::from_utf8(number).ok()?.parse().ok()
}

/// The program's name; the kernel keeps 15 bytes of it.
pub(super) fn program(pid: u32) -> String {
    let name = fs::read(format!("/proc/{pid}/comm")).unwrap_or_default();
    String::from_utf8_lossy(name.trim_ascii_end()).into_owned()
}

/// The process that started this one: `ppid` of proc_pid_stat(5).
pub(super) fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    // The program's name comes second, in parentheses, and may hold blanks and parentheses of its own.
    let after = stat.iter().rposition(|byte| *byte == b')')? + 1;
    std::str::from_utf8(&stat[after..]).ok()?.split_ascii_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(5)
    }

    #[test]
    fn a_line_of_the_table_is_read() {
        let line = b"   0: 0100007F:0050 00000000:0000 0A 00000000:00000002 00:00000000 00000000     0        0 12345 1 0 100 0 0 10 0";
        let socket = inet_line(line).unwrap();
        if cfg!(target_endian = "little") {
            assert_eq!(socket.local, "127.0.0.1:80".parse().unwrap());
        }
        assert_eq!((socket.state, socket.waiting, socket.inode), (TCP_LISTEN, 2, 12345));
        for bad in ["", "0:", "0: xx:50 0:0 0A", "0: 0100007F:0050 00000000:0000 0A 0"] {
            assert_eq!(inet_line(bad.as_bytes()), None);
        }
    }

    #[test]
    fn our_own_listener_is_found_and_is_ours() {
        for bind in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = std::net::TcpListener::bind(bind) else { continue };
            let local = listener.local_addr().unwrap();
            let sockets = picked(Table::Tcp, soon(), |socket| socket.local.port() == local.port());
            let socket = sockets.iter().find(|s| s.local == local && s.state == TCP_LISTEN).unwrap();
            let owner = &owners(&[socket.inode], soon())[&socket.inode];
            assert_eq!(owner.pid, std::process::id());
            assert!(!owner.program.is_empty());
        }
    }

    #[test]
    fn without_sock_diag_the_table_has_the_same_receivers() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        for (table, local) in [(Table::Tcp, listener.local_addr().unwrap()), (Table::Udp, socket.local_addr().unwrap())]
        {
            let find = |all: Vec<InetSocket>| all.into_iter().find(|socket| socket.local == local).unwrap();
            let asked = find(inet_receivers(table, soon()));
            // `/proc` does not tell the limit of a queue.
            assert_eq!(find(listed_receivers(table, soon())), InetSocket { limit: None, ..asked });
        }
    }

    #[test]
    fn a_listener_behind_many_descriptors_is_found() {
        let files: Vec<_> = (0..2 * FIRST).map(|_| fs::File::open("/dev/null").unwrap()).collect();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let inode = rustix::fs::fstat(&listener).unwrap().st_ino;
        let last = rustix::io::fcntl_dupfd_cloexec(&listener, 2000).unwrap();
        drop(listener);
        assert_eq!(owners(&[inode], soon())[&inode].pid, std::process::id());
        assert!(owners_at_a_glance(&[inode], soon()).is_empty());
        drop((files, last));
    }

    #[test]
    fn a_child_has_it_from_its_parent() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let inode = rustix::fs::fstat(&listener).unwrap().st_ino;
        let mut child = std::process::Command::new("sleep").arg("60").stdin(OwnedFd::from(listener)).spawn().unwrap();
        assert_eq!(ancestor(child.id(), inode, FIRST, soon()).pid, child.id(), "it alone has it now");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let inode = rustix::fs::fstat(&listener).unwrap().st_ino;
        let copy = OwnedFd::from(listener.try_clone().unwrap());
        let mut other = std::process::Command::new("sleep").arg("60").stdin(copy).spawn().unwrap();
        let both = ancestor(other.id(), inode, FIRST, soon());
        assert_eq!((both.pid, both.program), (std::process::id(), program(std::process::id())));
        for child in [&mut child, &mut other] {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    #[test]
    fn nothing_takes_longer_than_it_may() {
        let _listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        assert_eq!(picked(Table::Tcp, Instant::now(), |_| true), []);
        assert!(owners(&[1], Instant::now()).is_empty());
    }
}
