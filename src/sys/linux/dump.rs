//! Every socket of this network namespace with all that the kernel tells of it, by sock_diag(7); where a kernel
//! has none for a table, or a sandbox forbids it, by `/proc/net`.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::netlink::{self, Attributes, u32_at, u64_at};
use super::{inetdiag, listed};
use crate::addr::{Endpoint, Port, Transport, Unix, UnixKind, UnixName};
use crate::sys::sockets::{Entry, Memory, Protocol, State, TcpDetails, Timer, Wanted};
use crate::sys::tables::Table;

/// `<linux/inet_diag.h>`; of those above the first eight bits the kernel tells without being asked.
const INET_DIAG_INFO: u16 = 2;
const INET_DIAG_CONG: u16 = 4;
const INET_DIAG_SKMEMINFO: u16 = 7;
const INET_DIAG_SKV6ONLY: u16 = 11;
const INET_DIAG_SOCKOPT: u16 = 22;
/// `<linux/unix_diag.h>`.
const UNIX_DIAG_NAME: u16 = 0;
const UNIX_DIAG_VFS: u16 = 1;
const UNIX_DIAG_PEER: u16 = 2;
const UNIX_DIAG_RQLEN: u16 = 4;
const UNIX_DIAG_MEMINFO: u16 = 5;
const UNIX_DIAG_UID: u16 = 7;
const UDIAG_SHOW_NAME: u32 = 0x01;
const UDIAG_SHOW_VFS: u32 = 0x02;
const UDIAG_SHOW_PEER: u32 = 0x04;
const UDIAG_SHOW_RQLEN: u32 = 0x10;
const UDIAG_SHOW_MEMINFO: u32 = 0x20;
const UDIAG_SHOW_UID: u32 = 0x40;
/// unix_diag_msg.
const UNIX_MESSAGE: usize = 16;
/// For a host with a million sockets.
const PATIENCE: Duration = Duration::from_secs(10);

/// The sockets that are wanted, in the kernel's order.
///
/// # Errors
/// When neither way leads to a table that is wanted.
pub fn sockets(wanted: &Wanted) -> io::Result<Vec<Entry>> {
    let deadline = Instant::now() + PATIENCE;
    let mut all = Vec::new();
    for (table, asked) in [(Table::Tcp, wanted.tcp), (Table::Udp, wanted.udp)] {
        for (family, asked) in [(libc::AF_INET, asked && wanted.v4), (libc::AF_INET6, asked && wanted.v6)] {
            if asked {
                inet(table, family, wanted, deadline, &mut all)?;
            }
        }
    }
    if wanted.unix {
        unix(wanted, deadline, &mut all)?;
    }
    Ok(all)
}

/// The sockets of a table with `port` as their own, in any state.
///
/// # Errors
/// When neither way leads to the table.
pub fn sockets_on_port(table: Table, port: u16, deadline: Instant) -> io::Result<Vec<Entry>> {
    let mut all = Vec::new();
    let wanted = Wanted { tcp: true, udp: true, unix: false, v4: true, v6: true, states: u32::MAX, details: false };
    for family in [libc::AF_INET, libc::AF_INET6] {
        inet_on_port(table, family, port, &wanted, deadline, &mut all)?;
    }
    let own = |entry: &Entry| match &entry.local {
        Some(Endpoint::Inet(inet)) => inet.port == Port::Number(port),
        _ => false,
    };
    all.retain(own);
    Ok(all)
}

fn inet(table: Table, family: i32, wanted: &Wanted, deadline: Instant, all: &mut Vec<Entry>) -> io::Result<()> {
    inet_on_port(table, family, 0, wanted, deadline, all)
}

/// Those of one port; 0 is every port.
fn inet_on_port(
    table: Table,
    family: i32,
    port: u16,
    wanted: &Wanted,
    deadline: Instant,
    all: &mut Vec<Entry>,
) -> io::Result<()> {
    let kinds = if wanted.details { [INET_DIAG_INFO, INET_DIAG_CONG, INET_DIAG_SKMEMINFO].as_slice() } else { &[] };
    let extensions = kinds.iter().fold(0_u8, |bits, kind| bits | 1 << (kind - 1));
    let mut request = inetdiag::request(table, family as u8, wanted.states, extensions);
    // inet_diag_sockid begins with the source port.
    request[8..10].copy_from_slice(&port.to_be_bytes());
    let before = all.len();
    let outcome = netlink::dump(&request, deadline, |body| all.extend(inet_entry(table, body)));
    outcome.or_else(|error| {
        all.truncate(before);
        // A kernel without IPv6 has no such table.
        let none = || if family == libc::AF_INET6 { Ok(()) } else { Err(error) };
        listed::inet(table, family == libc::AF_INET6, wanted.states, deadline, all).or_else(|_| none())
    })
}

fn unix(wanted: &Wanted, deadline: Instant, all: &mut Vec<Entry>) -> io::Result<()> {
    let memory = if wanted.details { UDIAG_SHOW_MEMINFO } else { 0 };
    let show = UDIAG_SHOW_NAME | UDIAG_SHOW_VFS | UDIAG_SHOW_PEER | UDIAG_SHOW_RQLEN | UDIAG_SHOW_UID | memory;
    // unix_diag_req: family, protocol, pad, states, inode, what to show, and no cookie.
    let mut request = vec![libc::AF_UNIX as u8, 0, 0, 0];
    request.extend(wanted.states.to_ne_bytes());
    request.extend(0_u32.to_ne_bytes());
    request.extend(show.to_ne_bytes());
    request.extend([0xff; 8]);
    let before = all.len();
    if let Err(error) = netlink::dump(&request, deadline, |body| all.extend(unix_entry(body))) {
        all.truncate(before);
        listed::unix(wanted.states, deadline, all).map_err(|_| error)?;
    }
    // A name is told of the socket that has it, and a peer by its inode.
    let names: HashMap<u64, Endpoint> =
        all[before..].iter().filter_map(|entry| Some((entry.inode, entry.local.clone()?))).collect();
    for entry in &mut all[before..] {
        entry.peer = entry.peer_inode.and_then(|inode| names.get(&inode).cloned());
    }
    Ok(())
}

/// The address as the project writes it; none where the kernel has none.
pub(super) fn endpoint(table: Table, address: SocketAddr) -> Option<Endpoint> {
    let transport = match table {
        Table::Tcp => Transport::Tcp,
        Table::Udp => Transport::Udp,
    };
    let none = address.port() == 0 && address.ip().is_unspecified();
    (!none).then(|| Endpoint::from_socket_addr(transport, address))
}

/// inet_diag_msg; its places are told at `inetdiag::message`.
pub(super) fn inet_entry(table: Table, body: &[u8]) -> Option<Entry> {
    let socket = inetdiag::message(body)?;
    let interface = u32_at(body, 40)?;
    let scoped = |mut address: SocketAddr| {
        if let SocketAddr::V6(v6) = &mut address
            && v6.ip().is_unicast_link_local()
        {
            v6.set_scope_id(interface);
        }
        endpoint(table, address)
    };
    let protocol = if table == Table::Tcp { Protocol::Tcp } else { Protocol::Udp };
    let entry = Entry::new(protocol, State::from_number(socket.state)?);
    let mut entry = entry.with_queues(u32_at(body, 56)?, u32_at(body, 60)?);
    entry.local = scoped(socket.local);
    entry.peer = scoped(socket.remote);
    entry.inode = socket.inode;
    // One that no process has any more is told as root's.
    entry.uid = if socket.inode == 0 { None } else { u32_at(body, 64) };
    entry.interface =
        (interface != 0).then(|| crate::sys::interface_name(interface).unwrap_or_else(|| interface.to_string()));
    entry.timer = timer(*body.get(2)?, *body.get(3)?, u32_at(body, 52)?);
    for (kind, value) in Attributes(body.get(inetdiag::MESSAGE..)?) {
        match kind {
            INET_DIAG_INFO if entry.state != State::Listen => {
                entry.tcp = tcp_info(value).map(Box::new);
                entry.options.extend(negotiated(value));
            }
            INET_DIAG_CONG => entry.congestion = text(value),
            INET_DIAG_SKMEMINFO => entry.memory = memory(value),
            INET_DIAG_SKV6ONLY => entry.v6only = value.first().map(|only| *only != 0),
            INET_DIAG_SOCKOPT => entry.options.extend(switched_on(value)),
            _ => {}
        }
    }
    Some(entry)
}

/// `idiag_timer`, `idiag_retrans`, `idiag_expires` in milliseconds: inet_sk_diag_fill of net/ipv4/inet_diag.c.
pub(super) fn timer(kind: u8, tries: u8, milliseconds: u32) -> Option<Timer> {
    let kind = match kind {
        1 => "retransmit",
        2 => "keepalive",
        3 => "time-wait",
        4 => "probe",
        _ => return None,
    };
    Some(Timer { kind, after: Duration::from_millis(milliseconds.into()), tries })
}

fn text(value: &[u8]) -> Option<String> {
    let text = value.split(|byte| *byte == 0).next().filter(|text| !text.is_empty())?;
    Some(String::from_utf8_lossy(text).into_owned())
}

/// struct tcp_info of linux/tcp.h; an older kernel tells less of it.
fn tcp_info(info: &[u8]) -> Option<TcpDetails> {
    let microseconds = |at| Some(Duration::from_micros(u32_at(info, at)?.into()));
    Some(TcpDetails {
        rto: microseconds(8)?,
        mss: u32_at(info, 16)?,
        unacked: u32_at(info, 24)?,
        lost: u32_at(info, 32)?,
        pmtu: u32_at(info, 60)?,
        rtt: microseconds(68)?,
        rttvar: microseconds(72)?,
        cwnd: u32_at(info, 80)?,
        retransmits: u32_at(info, 100)?,
        pacing_rate: u64_at(info, 104).filter(|rate| *rate != u64::MAX && *rate != 0),
        bytes_acked: u64_at(info, 120),
        bytes_received: u64_at(info, 128),
    })
}

/// `tcpi_options`: what both ends agreed to.
fn negotiated(info: &[u8]) -> impl Iterator<Item = &'static str> {
    let bits = info.get(5).copied().unwrap_or(0);
    let names = [(1, "timestamps"), (2, "sack"), (4, "wscale"), (8, "ecn")];
    names.into_iter().filter(move |(bit, _)| bits & bit != 0).map(|(_, name)| name)
}

/// struct inet_diag_sockopt: bit fields, which begin at the end that the bytes of a number do. Those that are on
/// by default tell nothing.
fn switched_on(value: &[u8]) -> impl Iterator<Item = &'static str> {
    let bytes = [0, 1].map(|at| value.get(at).copied().unwrap_or(0));
    let bytes = if cfg!(target_endian = "big") { bytes.map(u8::reverse_bits) } else { bytes };
    let names = [
        (0, 0, "IP_RECVERR"),
        (0, 2, "IP_FREEBIND"),
        (0, 3, "IP_HDRINCL"),
        (0, 5, "IP_TRANSPARENT"),
        (0, 7, "IP_NODEFRAG"),
        (1, 0, "IP_BIND_ADDRESS_NO_PORT"),
    ];
    names.into_iter().filter(move |(byte, bit, _)| bytes[*byte] >> bit & 1 != 0).map(|(_, _, name)| name)
}

/// SK_MEMINFO_VARS of linux/sock_diag.h.
fn memory(value: &[u8]) -> Option<Memory> {
    Some(Memory {
        receive: u32_at(value, 0)?,
        receive_limit: u32_at(value, 4)?,
        send: u32_at(value, 8)?.max(u32_at(value, 20)?),
        send_limit: u32_at(value, 12)?,
        drops: u32_at(value, 32).unwrap_or(0),
    })
}

/// unix_diag_msg: family, type, state, pad, inode, cookie; then attributes.
pub(super) fn unix_entry(body: &[u8]) -> Option<Entry> {
    let kind = unix_kind(u16::from(*body.get(1)?))?;
    let mut entry = Entry::new(Protocol::Unix(kind), State::from_number(*body.get(2)?)?);
    entry.inode = u64::from(u32_at(body, 4)?);
    for (attribute, value) in Attributes(body.get(UNIX_MESSAGE..)?) {
        match attribute {
            UNIX_DIAG_NAME => entry.local = unix_name(kind, value),
            // unix_diag_vfs: inode, then device.
            UNIX_DIAG_VFS => entry.file = u32_at(value, 0).zip(u32_at(value, 4)),
            UNIX_DIAG_PEER => entry.peer_inode = u32_at(value, 0).filter(|inode| *inode != 0).map(u64::from),
            UNIX_DIAG_RQLEN => {
                if let (Some(receive), Some(send)) = (u32_at(value, 0), u32_at(value, 4)) {
                    entry = entry.with_queues(receive, send);
                }
            }
            UNIX_DIAG_MEMINFO => entry.memory = memory(value),
            UNIX_DIAG_UID => entry.uid = u32_at(value, 0),
            _ => {}
        }
    }
    Some(entry)
}

/// SOCK_STREAM, SOCK_DGRAM (SOCK_RAW is an old name for it, unix(7)), SOCK_SEQPACKET.
pub(super) fn unix_kind(number: u16) -> Option<UnixKind> {
    match number {
        1 => Some(UnixKind::Stream),
        2 | 3 => Some(UnixKind::Dgram),
        5 => Some(UnixKind::Seqpacket),
        _ => None,
    }
}

fn unix_name(kind: UnixKind, name: &[u8]) -> Option<Endpoint> {
    use std::os::unix::ffi::OsStrExt as _;
    let name = match name {
        [] => return None,
        [0, name @ ..] => UnixName::Abstract(name.to_vec()),
        path => {
            let path = path.split(|byte| *byte == 0).next().unwrap_or_default();
            UnixName::Path(std::ffi::OsStr::from_bytes(path).into())
        }
    };
    Some(Endpoint::Unix(Unix { kind, name }))
}

/// The type and state of a UNIX socket as `/proc/net/unix` has them: SS_ numbers of linux/net.h.
pub(super) fn unix_state(number: u8, listens: bool) -> Option<State> {
    match (number, listens) {
        (_, true) => Some(State::Listen),
        (1, _) => Some(State::Unconnected),
        (2, _) => Some(State::SynSent),
        (3, _) => Some(State::Established),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream, UdpSocket};

    fn everything() -> Wanted {
        Wanted { tcp: true, udp: true, unix: true, v4: true, v6: true, states: u32::MAX, details: true }
    }

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let mut bytes = (4 + value.len() as u16).to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn sample() -> Vec<u8> {
        let mut body = vec![libc::AF_INET as u8, 1, 2, 3];
        body.extend(80_u16.to_be_bytes());
        body.extend(4000_u16.to_be_bytes());
        for ip in [[127, 0, 0, 1], [10, 1, 2, 3]] {
            body.extend(ip);
            body.extend([0; 12]);
        }
        for number in [0_u32, 0, 0, 1500, 5, 6, 1000, 4242] {
            body.extend(number.to_ne_bytes());
        }
        assert_eq!(body.len(), inetdiag::MESSAGE);
        let mut info = vec![0; 104];
        info[5] = 3;
        info[68..72].copy_from_slice(&250_u32.to_ne_bytes());
        info[80..84].copy_from_slice(&10_u32.to_ne_bytes());
        info[100..104].copy_from_slice(&7_u32.to_ne_bytes());
        info.extend(1_000_000_u64.to_ne_bytes());
        body.extend(attribute(INET_DIAG_INFO, &info));
        body.extend(attribute(INET_DIAG_CONG, b"cubic\0"));
        let words: Vec<u8> = [1_u32, 2, 3, 4, 5, 6, 7, 8, 9].iter().flat_map(|word| word.to_ne_bytes()).collect();
        body.extend(attribute(INET_DIAG_SKMEMINFO, &words));
        body
    }

    #[test]
    fn a_message_is_read() {
        let entry = inet_entry(Table::Tcp, &sample()).unwrap();
        assert_eq!((entry.state, entry.recv_q, entry.send_q), (State::Established, Some(5), Some(6)));
        assert_eq!(entry.local.unwrap().to_string(), "127.0.0.1:80");
        assert_eq!(entry.peer.unwrap().to_string(), "10.1.2.3:4000");
        assert_eq!((entry.uid, entry.inode, entry.congestion.as_deref()), (Some(1000), 4242, Some("cubic")));
        let timer = Timer { kind: "keepalive", after: Duration::from_millis(1500), tries: 3 };
        assert_eq!((entry.timer, entry.options), (Some(timer), vec!["timestamps", "sack"]));
        let memory = Memory { receive: 1, receive_limit: 2, send: 6, send_limit: 4, drops: 9 };
        assert_eq!(entry.memory, Some(memory));
        let tcp = entry.tcp.unwrap();
        assert_eq!((tcp.rtt, tcp.cwnd, tcp.retransmits), (Duration::from_micros(250), 10, 7));
        // An older kernel: without the numbers at the end.
        assert_eq!((tcp.pacing_rate, tcp.bytes_acked), (Some(1_000_000), None));
    }

    #[test]
    fn messages_that_are_cut_off_say_less() {
        let whole = sample();
        for end in 0..whole.len() {
            let entry = inet_entry(Table::Tcp, &whole[..end]);
            assert_eq!(entry.is_some(), end >= inetdiag::MESSAGE, "{end}");
        }
        let mut body = vec![libc::AF_UNIX as u8, 1, 10, 0];
        body.extend([7, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1]);
        body.extend(attribute(UNIX_DIAG_NAME, b"\0name\x1b"));
        body.extend(attribute(UNIX_DIAG_RQLEN, &[0; 8]));
        let entry = unix_entry(&body).unwrap();
        assert_eq!(entry.local.unwrap().to_string(), "unix:@name\\x1b");
        assert!(entry.queue.is_some());
        for end in 0..body.len() {
            assert_eq!(unix_entry(&body[..end]).is_some(), end >= UNIX_MESSAGE, "{end}");
        }
        assert_eq!(unix_entry(&[0; 16]), None);
    }

    #[test]
    fn our_own_sockets_are_there_with_all_that_is_known() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let local = listener.local_addr().unwrap();
        let client = TcpStream::connect(local).unwrap();
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let all = sockets(&everything()).unwrap();
        let find = |table, address| {
            let wanted = endpoint(table, address);
            all.iter().find(|entry| entry.local == wanted && (entry.inode != 0)).unwrap()
        };
        assert_eq!(find(Table::Tcp, local).queue.unwrap().waiting, 1);
        let ours = find(Table::Tcp, client.local_addr().unwrap());
        assert_eq!((ours.state, &ours.peer), (State::Established, &endpoint(Table::Tcp, local)));
        assert!(ours.tcp.is_some() && ours.memory.is_some() && ours.congestion.is_some());
        assert_eq!(find(Table::Udp, udp.local_addr().unwrap()).state, State::Unconnected);
    }

    #[test]
    fn without_sock_diag_the_tables_have_the_same_sockets() {
        use std::os::unix::net::UnixListener;
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a socket");
        let unix = UnixListener::bind(&path).unwrap();
        let deadline = Instant::now() + PATIENCE;
        let mut other = Vec::new();
        for table in [Table::Tcp, Table::Udp] {
            listed::inet(table, false, u32::MAX, deadline, &mut other).unwrap();
        }
        listed::unix(u32::MAX, deadline, &mut other).unwrap();
        let dumped = sockets(&everything()).unwrap();
        for inode in [
            rustix::fs::fstat(&listener).unwrap().st_ino,
            rustix::fs::fstat(&client).unwrap().st_ino,
            rustix::fs::fstat(&udp).unwrap().st_ino,
            rustix::fs::fstat(&unix).unwrap().st_ino,
        ] {
            let find = |all: &[Entry]| {
                let entry = all.iter().find(|entry| entry.inode == inode).unwrap().clone();
                (entry.protocol, entry.state, entry.local, entry.peer)
            };
            assert_eq!(find(&dumped), find(&other));
        }
    }
}
