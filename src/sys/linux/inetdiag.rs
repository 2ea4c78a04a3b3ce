//! The TCP listeners and UDP servers of this host, by sock_diag(7).
//!
//! `/proc/net/tcp` has a line for each connection, too; the kernel makes them all before the few that listen
//! can be picked. Asked by sock_diag for one state only, it walks only the sockets in that state.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Instant;

use super::netlink::{self, Attributes, u32_at};
use crate::sys::tables::{InetSocket, TCP_CLOSE, TCP_LISTEN, Table};

/// `<linux/inet_diag.h>`.
const INET_DIAG_SKV6ONLY: u16 = 11;
/// inet_diag_req_v2, inet_diag_msg.
const REQUEST: usize = 56;
pub(super) const MESSAGE: usize = 72;

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
    // A UDP socket without a peer is in the state CLOSE.
    let state = match table {
        Table::Tcp => TCP_LISTEN,
        Table::Udp => TCP_CLOSE,
    };
    netlink::dump(&request(table, family, 1 << state, 0), deadline, |body| sockets.extend(message(body)))
}

/// inet_diag_req_v2: family, protocol, extensions, pad, states, and an all-zero inet_diag_sockid, for every socket.
pub(super) fn request(table: Table, family: u8, states: u32, extensions: u8) -> Vec<u8> {
    let protocol = match table {
        Table::Tcp => libc::IPPROTO_TCP,
        Table::Udp => libc::IPPROTO_UDP,
    };
    let mut request = vec![family, protocol as u8, extensions, 0];
    request.extend(states.to_ne_bytes());
    request.resize(REQUEST, 0);
    request
}

/// inet_diag_msg: family, state, timer, retransmits; the sockid (source port, destination port, source,
/// destination, interface, cookie); expires, rqueue, wqueue, uid, inode; then attributes.
pub(super) fn message(body: &[u8]) -> Option<InetSocket> {
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
        limit: u32_at(body, 60).filter(|_| body[1] == TCP_LISTEN),
        inode: u64::from(u32_at(body, 68)?),
        v6only: None,
    };
    Some(InetSocket { v6only: v6only(body.get(MESSAGE..)?), ..socket })
}

/// Among the attributes; the kernel gives it for IPv6 sockets that listen.
fn v6only(attributes: &[u8]) -> Option<bool> {
    let (_, value) = Attributes(attributes).find(|(kind, _)| *kind == INET_DIAG_SKV6ONLY)?;
    Some(*value.first()? != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use socket2::{Domain, Socket, Type};
    use std::net::{TcpListener, TcpStream, UdpSocket};
    use std::time::Duration;

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
            let other = find(super::super::procfs::listed_receivers(Table::Tcp, soon()), local).unwrap();
            assert!(found.limit.is_some());
            assert_eq!(InetSocket { v6only: None, limit: None, ..found }, other);
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
    fn messages_that_are_cut_off_are_none() {
        assert_eq!(message(&[libc::AF_INET as u8; 40]), None);
        assert_eq!(message(&[]), None);
        assert_eq!(v6only(&[0; 8]), None);
    }
}
