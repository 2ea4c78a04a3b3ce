//! The TCP listeners and UDP servers of this host, by sock_diag(7).
//!
//! `/proc/net/tcp` has a line for each connection, too; the kernel makes them all before the few that listen
//! can be picked. Asked by sock_diag for one state only, it walks only the sockets in that state.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

use crate::sys::tables::{InetSocket, TCP_CLOSE, TCP_LISTEN, Table};

/// `<linux/netlink.h>`, `<linux/sock_diag.h>`, `<linux/inet_diag.h>`.
const NETLINK_SOCK_DIAG: i32 = 4;
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_DUMP: u16 = 0x300;
const INET_DIAG_SKV6ONLY: u16 = 11;
/// nlmsghdr, inet_diag_req_v2, inet_diag_msg.
const HEADER: usize = 16;
const REQUEST: usize = 56;
const MESSAGE: usize = 72;
/// The most that the kernel puts into one answer to a dump (`netlink_dump` of net/netlink/af_netlink.c).
const ANSWER: usize = 32 * 1024;
/// The kernel answers at once; this is for one that does not answer at all.
const PATIENCE: Duration = Duration::from_millis(100);

/// The sockets of this network namespace that take connections, or datagrams from anybody; IPv4 first. What
/// was read by the deadline.
///
/// # Errors
/// Those of the netlink socket; that of the kernel where it has no sock_diag for the table, or forbids it.
pub(super) fn receivers(table: Table, deadline: Instant) -> io::Result<Vec<InetSocket>> {
    let mut sockets = Vec::new();
    // A kernel without IPv6 has nothing to add; that is no failure.
    for (family, needed) in [(libc::AF_INET, true), (libc::AF_INET6, false)] {
        match dump(table, family as u8, deadline, &mut sockets) {
            Err(error) if needed => return Err(error),
            _ => {}
        }
    }
    Ok(sockets)
}

fn dump(table: Table, family: u8, deadline: Instant, sockets: &mut Vec<InetSocket>) -> io::Result<()> {
    let socket = Socket::new(Domain::from(libc::AF_NETLINK), Type::DGRAM, Some(Protocol::from(NETLINK_SOCK_DIAG)))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    // A UDP socket without a peer is in the state CLOSE.
    let (protocol, state) = match table {
        Table::Tcp => (libc::IPPROTO_TCP, TCP_LISTEN),
        Table::Udp => (libc::IPPROTO_UDP, TCP_CLOSE),
    };
    // nlmsghdr: length, type, flags, sequence, port; then inet_diag_req_v2: family, protocol, extensions, pad,
    // states, and an all-zero inet_diag_sockid, for every socket.
    let mut request = Vec::with_capacity(HEADER + REQUEST);
    request.extend(((HEADER + REQUEST) as u32).to_ne_bytes());
    request.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    request.extend((NLM_F_REQUEST | NLM_F_DUMP).to_ne_bytes());
    request.extend([0; 8]);
    request.extend([family, protocol as u8, 0, 0]);
    request.extend((1_u32 << state).to_ne_bytes());
    request.resize(HEADER + REQUEST, 0);
    socket.send(&request)?;
    let mut answer = vec![0; ANSWER];
    while Instant::now() < deadline {
        let (_, length) = rustix::net::recv(&socket, &mut answer[..], rustix::net::RecvFlags::empty())?;
        if length == 0 || read(&answer[..length.min(answer.len())], sockets)? {
            break;
        }
    }
    Ok(())
}

/// Reads one answer of several messages; whether it was the last one.
fn read(mut answer: &[u8], sockets: &mut Vec<InetSocket>) -> io::Result<bool> {
    while let (Some(length), Some(kind)) = (u32_at(answer, 0), u16_at(answer, 4)) {
        let length = length as usize;
        let Some(body) = answer.get(HEADER..length) else { return Err(io::ErrorKind::InvalidData.into()) };
        match kind {
            NLMSG_DONE => return Ok(true),
            NLMSG_ERROR => {
                let errno = u32_at(body, 0).ok_or(io::ErrorKind::InvalidData)?;
                return Err(io::Error::from_raw_os_error((errno as i32).wrapping_neg()));
            }
            SOCK_DIAG_BY_FAMILY => sockets.extend(message(body)),
            _ => {}
        }
        answer = answer.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(false)
}

/// inet_diag_msg: family, state, timer, retransmits; the sockid (source port, destination port, source,
/// destination, interface, cookie); expires, rqueue, wqueue, uid, inode; then attributes.
fn message(body: &[u8]) -> Option<InetSocket> {
    let endpoint = |port: usize, address: usize| {
        let port = u16::from_be_bytes(body.get(port..port + 2)?.try_into().ok()?);
        let bytes: [u8; 16] = body.get(address..address + 16)?.try_into().ok()?;
        let ip = match i32::from(body[0]) {
            libc::AF_INET => IpAddr::V4(Ipv4Addr::new(bytes[0], bytes[1], bytes[2], bytes[3])),
            libc::AF_INET6 => IpAddr::V6(Ipv6Addr::from(bytes)),
            _ => return None,
        };
        Some(SocketAddr::new(ip, port))
    };
    let socket = InetSocket {
        local: endpoint(4, 8)?,
        remote: endpoint(6, 24)?,
        state: *body.get(1)?,
        waiting: u32_at(body, 56)?,
        inode: u64::from(u32_at(body, 68)?),
        v6only: None,
    };
    Some(InetSocket { v6only: v6only(body.get(MESSAGE..)?), ..socket })
}

/// Among the attributes; the kernel gives it for IPv6 sockets that listen.
fn v6only(mut attributes: &[u8]) -> Option<bool> {
    loop {
        let (length, kind) = (usize::from(u16_at(attributes, 0)?), u16_at(attributes, 2)?);
        if kind == INET_DIAG_SKV6ONLY {
            return Some(*attributes.get(4)? != 0);
        }
        if length < 4 {
            return None;
        }
        attributes = attributes.get(length.next_multiple_of(4)..)?;
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream, UdpSocket};

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(5)
    }

    fn find(sockets: Vec<InetSocket>, local: SocketAddr) -> Option<InetSocket> {
        sockets.into_iter().find(|socket| socket.local == local)
    }

    #[test]
    fn a_listener_is_found_with_its_queue_as_in_proc() {
        for bind in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(bind) else { continue };
            let local = listener.local_addr().unwrap();
            let _client = TcpStream::connect(local).unwrap();
            let found = find(receivers(Table::Tcp, soon()).unwrap(), local).unwrap();
            assert_eq!((found.state, found.waiting), (TCP_LISTEN, 1));
            let all = crate::sys::inet_sockets(Table::Tcp, local.port(), soon());
            let other = all.into_iter().find(|socket| socket.local == local && socket.state == TCP_LISTEN).unwrap();
            assert_eq!(InetSocket { v6only: None, ..found }, other);
        }
    }

    #[test]
    fn only_udp_sockets_without_a_peer_receive_from_anybody() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let local = socket.local_addr().unwrap();
        assert_eq!(find(receivers(Table::Udp, soon()).unwrap(), local).unwrap().remote.port(), 0);
        socket.connect("127.0.0.1:9").unwrap();
        assert_eq!(find(receivers(Table::Udp, soon()).unwrap(), local), None);
    }

    #[test]
    fn a_wildcard_says_whether_it_takes_ipv4() {
        for only in [false, true] {
            let Ok(socket) = Socket::new(Domain::IPV6, Type::STREAM, None) else { return };
            socket.set_only_v6(only).unwrap();
            if socket.bind(&"[::]:0".parse::<SocketAddr>().unwrap().into()).is_err() {
                return;
            }
            socket.listen(1).unwrap();
            let local = socket.local_addr().unwrap().as_socket().unwrap();
            assert_eq!(find(receivers(Table::Tcp, soon()).unwrap(), local).unwrap().v6only, Some(only));
        }
    }

    #[test]
    fn many_listeners_take_more_than_one_answer() {
        let listeners: Vec<_> = (0..300).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let found = receivers(Table::Tcp, soon()).unwrap();
        for listener in listeners {
            assert!(found.iter().any(|socket| socket.local == listener.local_addr().unwrap()));
        }
    }

    #[test]
    fn answers_that_are_cut_off_or_refuse_are_errors() {
        let mut none = Vec::new();
        assert!(!read(&[], &mut none).unwrap());
        assert!(!read(&[0; 8], &mut none).is_ok_and(|last| last));
        let mut refusal = 36_u32.to_ne_bytes().to_vec();
        refusal.extend(NLMSG_ERROR.to_ne_bytes());
        refusal.extend([0; 10]);
        refusal.extend((-libc::EPERM).to_ne_bytes());
        refusal.resize(36, 0);
        assert_eq!(read(&refusal, &mut none).unwrap_err().raw_os_error(), Some(libc::EPERM));
        assert!(read(&refusal[..20], &mut none).is_err());
        assert_eq!(message(&[libc::AF_INET as u8; 40]), None);
        assert_eq!(v6only(&[0; 8]), None);
        assert_eq!(none, []);
    }
}
