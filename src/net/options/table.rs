//! The table. What a row leaves out is as in one of the few base rows at the end.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use socket2::{InterfaceIndexOrAddress, Socket, TcpKeepalive};

use super::{DEFAULT_BACKLOG, Group, Keepalive, On, Opt, Role, Scope, Stage, Takes, Value, whole_seconds};
use crate::net::socket::{Family, Kind};
use crate::sys::proc::{interfaces, sysctl};
use crate::sys::sockopt;

/// Sizes, counts and seconds are an int for the kernel.
const INT: u32 = i32::MAX as u32;
const INT_SECONDS: Duration = Duration::from_secs(INT as u64);

/// How many connections of a `--fastopen` listener may carry data before their handshake is finished. Each costs
/// memory without proof that the client's address is its own (RFC 7413, section 5.1), hence not simply the backlog.
const FASTOPEN_QUEUE: u32 = 256;

/// Every option, in the order in which those of one stage are set, and in which the help lists them.
pub static TABLE: &[Opt] = &[
    Opt {
        name: "backlog",
        constants: &[],
        help: "Let N finished handshakes wait to be accepted: listen(2)",
        value_name: "N",
        takes: Takes::Number(0, INT),
        scope: Scope::Connections,
        server_only: true,
        stage: Stage::Listen,
        default: |shape, role| {
            let listens = role == Role::Listener && shape.kind != Kind::Dgram;
            listens.then_some(Value::Number(DEFAULT_BACKLOG))
        },
        set: |on, value| on.socket.listen(value.number()?.min(INT).cast_signed()),
        get: |on, asked| match (sockopt::tcp_info_listen(on.socket), asked, sysctl("net.core.somaxconn")) {
            (Ok((_, limit)), ..) => Ok(Value::Number(limit)),
            // Other families do not tell; listen(2) says what it does with the number.
            (Err(_), Some(asked), Some(limit)) if on.role == Role::Listener => {
                Ok(Value::Number(asked.number()?.min(limit.parse().unwrap_or(INT))))
            }
            _ => unsupported(),
        },
        why: |_, asked, effective| (asked != effective).then(|| capped("net.core.somaxconn")),
        samples: &["5", "0", "2147483647"],
        ..VALUE
    },
    Opt {
        name: "reuseaddr",
        constants: &[("SOL_SOCKET", "SO_REUSEADDR")],
        help: "Take an address that old connections still hold in TIME_WAIT (TCP servers do by default)",
        value_name: "yes|no",
        takes: Takes::YesNo,
        missing: Some("yes"),
        scope: Scope::Ip,
        stage: Stage::BeforeBind,
        // Not for UDP: there it would let two servers share the port, and the later one take the other's datagrams.
        default: |shape, role| (shape.is_tcp() && role == Role::Listener).then_some(Value::Switch(true)),
        set: |on, value| on.socket.set_reuse_address(value.switch()?),
        get: |on, _| on.socket.reuse_address().map(Value::Switch),
        samples: &["yes", "no"],
        ..VALUE
    },
    Opt {
        name: "reuseport",
        constants: &[("SOL_SOCKET", "SO_REUSEPORT")],
        help: "Share the address with other sockets that ask for the same; the kernel spreads what comes",
        scope: Scope::Ip,
        stage: Stage::BeforeBind,
        set: |on, value| on.socket.set_reuse_port(value.switch()?),
        get: |on, _| on.socket.reuse_port().map(Value::Switch),
        ..FLAG
    },
    Opt {
        name: "v6only",
        constants: &[("IPPROTO_IPV6", "IPV6_V6ONLY")],
        help: "Leave IPv4 out of an IPv6 socket, or with no let it in",
        value_name: "yes|no",
        takes: Takes::YesNo,
        missing: Some("yes"),
        scope: Scope::Ipv6,
        server_only: true,
        stage: Stage::BeforeBind,
        set: |on, value| on.socket.set_only_v6(value.switch()?),
        get: |on, _| on.socket.only_v6().map(Value::Switch),
        samples: &["yes", "no"],
        ..VALUE
    },
    Opt {
        name: "nodelay",
        constants: &[("IPPROTO_TCP", "TCP_NODELAY")],
        help: "Send small segments at once instead of gathering them (no Nagle's algorithm)",
        scope: Scope::Tcp,
        set: |on, value| on.socket.set_tcp_nodelay(value.switch()?),
        get: |on, _| on.socket.tcp_nodelay().map(Value::Switch),
        ..FLAG
    },
    Opt {
        name: "keepalive",
        constants: &[
            ("SOL_SOCKET", "SO_KEEPALIVE"),
            ("IPPROTO_TCP", "TCP_KEEPIDLE"),
            ("IPPROTO_TCP", "TCP_KEEPINTVL"),
            ("IPPROTO_TCP", "TCP_KEEPCNT"),
        ],
        help: "Probe a silent peer: after IDLE, every INTVL, and give up after CNT probes",
        value_name: "IDLE[,INTVL[,CNT]]",
        takes: Takes::Keepalive,
        missing: Some("yes"),
        scope: Scope::Tcp,
        set: set_keepalive,
        get: |on, _| get_keepalive(on.socket),
        why: keepalive_parts,
        samples: &["yes", "61", "61,7", "61,7,3", "1.5,500ms,3"],
        ..VALUE
    },
    Opt {
        name: "sndbuf",
        constants: &[("SOL_SOCKET", "SO_SNDBUF")],
        help: "Set the size of the send buffer; with it the kernel stops adapting it by itself",
        value_name: "SIZE",
        takes: Takes::Size(INT as u64),
        inherited: |shape| shape.is_inet(),
        set: |on, value| on.socket.set_send_buffer_size(value.size()?),
        get: |on, _| on.socket.send_buffer_size().map(|bytes| Value::Size(bytes as u64)),
        why: |on, asked, effective| match on.shape.family {
            Family::Vsock => Some(VSOCK_BUFFERS.to_owned()),
            _ => doubled(asked, effective, "net.core.wmem_max"),
        },
        samples: &["50000", "64k", "0", "2147483647"],
        ..VALUE
    },
    Opt {
        name: "rcvbuf",
        constants: &[("SOL_SOCKET", "SO_RCVBUF")],
        help: "Set the size of the receive buffer; with it the kernel stops adapting it by itself",
        value_name: "SIZE",
        takes: Takes::Size(INT as u64),
        inherited: |shape| shape.is_inet(),
        set: |on, value| on.socket.set_recv_buffer_size(value.size()?),
        get: |on, _| on.socket.recv_buffer_size().map(|bytes| Value::Size(bytes as u64)),
        why: |on, asked, effective| match on.shape.family {
            Family::Vsock => Some(VSOCK_BUFFERS.to_owned()),
            Family::Unix => Some("it has no effect on UNIX sockets; the sender's sndbuf counts (unix(7))".to_owned()),
            _ => doubled(asked, effective, "net.core.rmem_max"),
        },
        samples: &["50000", "64k", "0", "2147483647"],
        ..VALUE
    },
    Opt {
        name: "linger",
        constants: &[("SOL_SOCKET", "SO_LINGER")],
        help: "Let close wait this long until everything is sent; 0 resets the connection instead",
        value_name: "DUR",
        takes: Takes::Duration(INT_SECONDS),
        scope: Scope::Tcp,
        set: |on, value| on.socket.set_linger(Some(whole_seconds(value.duration()?))),
        get: |on, _| Ok(on.socket.linger()?.map_or(Value::Unset, Value::Duration)),
        why: |_, asked, effective| match effective {
            Value::Duration(Duration::ZERO) => {
                Some("close drops what is unsent and resets the connection (socket(7))".to_owned())
            }
            _ => (asked != effective).then(|| "rounded up: it counts whole seconds".to_owned()),
        },
        samples: &["7", "0", "1500ms"],
        ..VALUE
    },
    Opt {
        name: "ttl",
        constants: &[("IPPROTO_IP", "IP_TTL"), ("IPPROTO_IPV6", "IPV6_UNICAST_HOPS")],
        help: "Let packets pass N routers (IPv6: the hop limit)",
        value_name: "N",
        takes: Takes::Number(1, 255),
        scope: Scope::Ip,
        set: |on, value| both(on, value.number()?, Socket::set_ttl_v4, Socket::set_unicast_hops_v6),
        get: |on, _| either(on, Socket::ttl_v4, Socket::unicast_hops_v6).map(Value::Number),
        samples: &["7", "255"],
        ..VALUE
    },
    Opt {
        name: "tos",
        constants: &[("IPPROTO_IP", "IP_TOS"), ("IPPROTO_IPV6", "IPV6_TCLASS")],
        help: "Set the type-of-service byte of packets (IPv6: the traffic class)",
        value_name: "N",
        takes: Takes::Number(0, 255),
        conflicts: &["dscp"],
        scope: Scope::Ip,
        set: |on, value| both(on, value.number()?, Socket::set_tos_v4, Socket::set_tclass_v6),
        get: |on, _| either(on, Socket::tos_v4, Socket::tclass_v6).map(Value::Number),
        why: |_, asked, effective| {
            (asked != effective).then(|| "TCP keeps the two lowest bits for ECN (RFC 3168)".to_owned())
        },
        samples: &["0x10", "0x13"],
        ..VALUE
    },
    Opt {
        name: "dscp",
        constants: &[("IPPROTO_IP", "IP_TOS"), ("IPPROTO_IPV6", "IPV6_TCLASS")],
        help: "Set the class of packets: ef, af11 to af43, cs0 to cs7, va, be, le, or 0 to 63",
        value_name: "NAME",
        takes: Takes::Dscp,
        conflicts: &["tos"],
        scope: Scope::Ip,
        // The code point is the upper six bits of the byte that --tos sets whole (RFC 2474, section 3).
        set: |on, value| both(on, u32::from(value.dscp()?) << 2, Socket::set_tos_v4, Socket::set_tclass_v6),
        get: |on, _| {
            either(on, Socket::tos_v4, Socket::tclass_v6).map(|tos| Value::Dscp(u8::try_from(tos >> 2).unwrap_or(63)))
        },
        samples: &["ef", "af11", "7"],
        ..VALUE
    },
    Opt {
        name: "mark",
        constants: &[("SOL_SOCKET", "SO_MARK")],
        help: "Mark packets for the firewall and for policy routing (needs CAP_NET_ADMIN)",
        value_name: "N",
        takes: Takes::Number(0, u32::MAX),
        scope: Scope::Ip,
        stage: Stage::BeforeBind,
        set: |on, value| sockopt::set_mark(on.socket, value.number()?),
        get: |on, _| sockopt::mark(on.socket).map(Value::Number),
        refused: needs_net_admin,
        samples: &["42", "0xffffffff"],
        ..VALUE
    },
    Opt {
        name: "interface",
        constants: &[("SOL_SOCKET", "SO_BINDTODEVICE")],
        help: "Send and receive through this network interface only",
        value_name: "IF",
        takes: Takes::Name(15),
        scope: Scope::Ip,
        stage: Stage::BeforeBind,
        set: |on, value| sockopt::bind_device(on.socket, value.name()?),
        get: |on, _| Ok(sockopt::device(on.socket)?.map_or(Value::Unset, Value::Name)),
        refused: |_, error| no_device(error),
        samples: &["lo"],
        ..VALUE
    },
    Opt {
        name: "mss",
        constants: &[("IPPROTO_TCP", "TCP_MAXSEG")],
        help: "Send segments of at most N bytes, and ask the same of the peer",
        value_name: "N",
        // Between TCP_MIN_MSS and MAX_TCP_WINDOW of the kernel's net/tcp.h.
        takes: Takes::Number(88, 32767),
        scope: Scope::Tcp,
        settles: true,
        set: |on, value| on.socket.set_tcp_mss(value.number()?),
        get: |on, _| on.socket.tcp_mss().map(Value::Number),
        why: |_, asked, effective| {
            (asked != effective)
                .then(|| "the peer, the path or TCP's own options in each segment lowered it".to_owned())
        },
        samples: &["1000"],
        ..VALUE
    },
    Opt {
        name: "user-timeout",
        constants: &[("IPPROTO_TCP", "TCP_USER_TIMEOUT")],
        help: "Give the connection up when sent data stays unacknowledged this long; 0 is the system's default",
        value_name: "DUR",
        takes: Takes::Duration(Duration::from_millis(INT as u64)),
        scope: Scope::Tcp,
        set: |on, value| sockopt::set_user_timeout(on.socket, whole_millis(value.duration()?)),
        get: |on, _| sockopt::user_timeout(on.socket).map(Value::Duration),
        why: |_, asked, effective| (asked != effective).then(|| "rounded up: it counts whole milliseconds".to_owned()),
        samples: &["2500ms", "1us"],
        ..VALUE
    },
    Opt {
        name: "fastopen",
        constants: &[("IPPROTO_TCP", "TCP_FASTOPEN_CONNECT"), ("IPPROTO_TCP", "TCP_FASTOPEN")],
        help: "Send, or as a server take, the first data with the handshake (RFC 7413)",
        scope: Scope::Tcp,
        set: |on, value| match (on.role, value.switch()?) {
            (Role::Client, yes) => sockopt::set_fastopen_connect(on.socket, yes),
            (_, yes) => sockopt::set_fastopen_queue(on.socket, if yes { FASTOPEN_QUEUE } else { 0 }),
        },
        get: |on, _| match on.role {
            Role::Client => sockopt::fastopen_connect(on.socket).map(Value::Switch),
            Role::Listener => sockopt::fastopen_queue(on.socket).map(|length| Value::Switch(length > 0)),
            Role::Accepted => unsupported(),
        },
        why: |on, _, _| {
            let setting = sysctl("net.ipv4.tcp_fastopen")?;
            match on.role {
                Role::Client => Some("to a server known from before, nothing is sent before the first data".to_owned()),
                _ if setting.parse::<u32>().is_ok_and(|bits| bits & 2 == 0) => {
                    Some(format!("net.ipv4.tcp_fastopen = {setting} turns it off for servers; bit 2 turns it on"))
                }
                _ => None,
            }
        },
        refused: |_, error| {
            let setting = sysctl("net.ipv4.tcp_fastopen")?;
            let off = error.raw_os_error() == Some(libc::EOPNOTSUPP);
            off.then(|| format!("net.ipv4.tcp_fastopen = {setting} turns it off for clients; bit 1 turns it on"))
        },
        ..FLAG
    },
    Opt {
        name: "congestion",
        constants: &[("IPPROTO_TCP", "TCP_CONGESTION")],
        help: "Use this congestion control algorithm",
        value_name: "NAME",
        takes: Takes::Name(15),
        known: &["bbr", "cubic", "dctcp", "htcp", "reno", "vegas", "westwood"],
        scope: Scope::Tcp,
        set: |on, value| sockopt::set_congestion(on.socket, value.name()?),
        get: |on, _| sockopt::congestion(on.socket).map(Value::Name),
        refused: |_, error| no_congestion(error),
        samples: &["reno", "cubic"],
        ..VALUE
    },
    Opt {
        name: "defer-accept",
        constants: &[("IPPROTO_TCP", "TCP_DEFER_ACCEPT")],
        help: "Accept a client only once it has sent something, or after this long",
        value_name: "DUR",
        takes: Takes::Duration(INT_SECONDS),
        scope: Scope::Tcp,
        server_only: true,
        set: |on, value| sockopt::set_defer_accept(on.socket, whole_seconds(value.duration()?)),
        get: |on, _| sockopt::defer_accept(on.socket).map(Value::Duration),
        why: |_, asked, effective| {
            (asked != effective).then(|| {
                "the kernel keeps it as a number of SYN-ACKs, sent after 1, 3, 7, 15 ... seconds (tcp(7))".to_owned()
            })
        },
        samples: &["3", "5", "500ms"],
        ..VALUE
    },
    Opt {
        name: "quickack",
        constants: &[("IPPROTO_TCP", "TCP_QUICKACK")],
        help: "Acknowledge at once what comes in, until the kernel thinks better of it",
        scope: Scope::Tcp,
        stage: Stage::After,
        set: |on, value| sockopt::set_quickack(on.socket, value.switch()?),
        get: |on, _| sockopt::quickack(on.socket).map(Value::Switch),
        why: |_, _, _| Some("not for good: the kernel goes back to delayed ACKs by itself (tcp(7))".to_owned()),
        ..FLAG
    },
    Opt {
        name: "freebind",
        constants: &[("IPPROTO_IP", "IP_FREEBIND"), ("IPPROTO_IPV6", "IPV6_FREEBIND")],
        help: "Bind to an address that this host does not have, or not yet",
        scope: Scope::Ip,
        stage: Stage::BeforeBind,
        set: |on, value| sockopt::set_freebind(on.socket, on.v6(), value.switch()?),
        get: |on, _| sockopt::freebind(on.socket, on.v6()).map(Value::Switch),
        ..FLAG
    },
    Opt {
        name: "transparent",
        constants: &[("IPPROTO_IP", "IP_TRANSPARENT"), ("IPPROTO_IPV6", "IPV6_TRANSPARENT")],
        help: "Bind to addresses of others and take their connections, as a transparent proxy (needs CAP_NET_ADMIN)",
        scope: Scope::Ip,
        stage: Stage::BeforeBind,
        set: |on, value| sockopt::set_transparent(on.socket, on.v6(), value.switch()?),
        get: |on, _| sockopt::transparent(on.socket, on.v6()).map(Value::Switch),
        refused: needs_net_admin,
        ..FLAG
    },
    Opt {
        name: "mptcp",
        constants: &[("IPPROTO_MPTCP", "socket(2)")],
        help: "Spread the connection over several paths (Multipath TCP, RFC 8684); TCP where the peer cannot",
        scope: Scope::Tcp,
        stage: Stage::Create,
        settles: true,
        // It was an argument of socket(2): Options::open.
        set: |_, _| Ok(()),
        get: |on, _| sockopt::mptcp(on.socket).map(Value::Switch),
        why: |on, asked, effective| match on.role {
            _ if asked == effective => None,
            Role::Listener => Some("the socket was made for plain TCP".to_owned()),
            _ => Some("the peer, or something on the way, does not speak it: this is plain TCP".to_owned()),
        },
        ..FLAG
    },
    Opt {
        name: "broadcast",
        constants: &[("SOL_SOCKET", "SO_BROADCAST")],
        help: "Allow sending to broadcast addresses",
        scope: Scope::Udp,
        set: |on, value| on.socket.set_broadcast(value.switch()?),
        get: |on, _| on.socket.broadcast().map(Value::Switch),
        ..FLAG
    },
    Opt {
        name: "join",
        constants: &[("IPPROTO_IP", "IP_ADD_MEMBERSHIP"), ("IPPROTO_IPV6", "IPV6_ADD_MEMBERSHIP")],
        help: "Receive what is sent to this multicast group, on this interface",
        value_name: "GROUP[%IF]",
        takes: Takes::Group,
        repeats: true,
        scope: Scope::Udp,
        // An IPv6 socket can have IPv4 groups, for its IPv4 side.
        fits: |value, shape| match value {
            Value::Group(group) if group.address.is_ipv6() && shape.family == Family::V4 => {
                Err("an IPv6 group needs an IPv6 socket".to_owned())
            }
            _ => Ok(()),
        },
        set: |on, value| join(on.socket, value.group()?),
        // The kernel does not list the groups of a socket.
        get: |_, asked| asked.cloned().map_or_else(unsupported, Ok),
        refused: |value, error| match (error.raw_os_error()?, value) {
            (libc::ENODEV, Value::Group(Group { interface: None, .. })) => {
                Some("no route says which interface; name it: GROUP%IF".to_owned())
            }
            (libc::EADDRINUSE, _) => Some("the socket is in this group already".to_owned()),
            (libc::ENOBUFS, _) => Some(capped("net.ipv4.igmp_max_memberships")),
            _ => no_device(error),
        },
        samples: &["239.255.77.1%lo", "ff02::7701%lo"],
        ..VALUE
    },
    Opt {
        name: "multicast-ttl",
        constants: &[("IPPROTO_IP", "IP_MULTICAST_TTL"), ("IPPROTO_IPV6", "IPV6_MULTICAST_HOPS")],
        help: "Let multicast packets pass N routers (1 without it)",
        value_name: "N",
        takes: Takes::Number(0, 255),
        scope: Scope::Udp,
        set: |on, value| both(on, value.number()?, Socket::set_multicast_ttl_v4, Socket::set_multicast_hops_v6),
        get: |on, _| either(on, Socket::multicast_ttl_v4, Socket::multicast_hops_v6).map(Value::Number),
        samples: &["7", "0"],
        ..VALUE
    },
    Opt {
        name: "opt",
        constants: &[],
        help: "Set any other option, before bind: socket:SO_PRIORITY=6, ip:TOS=0x10, tcp:25=16384, tcp:CONGESTION=reno, 1:13=hex:0100000005000000",
        value_name: "LEVEL:NAME=VALUE",
        takes: Takes::Free,
        repeats: true,
        stage: Stage::BeforeBind,
        // TCP hands on most, but not SO_PRIORITY for one.
        inherited: |_| false,
        fits: |value, shape| match value {
            Value::Free(free) if !free.scope.covers(shape) => {
                Err(format!("it is an option of {}", free.scope.describe()))
            }
            _ => Ok(()),
        },
        set: |on, value| match value.free()?.set(on.socket) {
            // It may be of the kind that only a listener has (IPV6_V6ONLY), which is no reason to end the session.
            Err(_) if on.role == Role::Accepted => Ok(()),
            result => result,
        },
        get: |on, asked| match asked {
            Some(asked) => asked.free()?.get(on.socket).map(Value::Free),
            None => unsupported(),
        },
        why: |_, asked, effective| (asked != effective).then(|| "the kernel took it, and reads it back so".to_owned()),
        refused: |value, error| value.free().ok()?.why(error),
        samples: &[
            // The examples of the help, which work on any fresh socket of their kind.
            "socket:SO_PRIORITY=6",
            "ip:TOS=0x10",
            "tcp:25=16384",
            "tcp:CONGESTION=reno",
            "1:13=hex:0100000005000000",
            "socket:SO_PRIORITY=5",
            "socket:RCVBUF=50000",
            "unix:passcred=1",
            "ip:MTU_DISCOVER=0",
            "ipv6:IPV6_MTU_DISCOVER=0",
            "tcp:nodelay=0x1",
            "6:13=reno",
            "SOL_TCP:TCP_CONGESTION=reno",
            "IPPROTO_UDP:CORK=1",
            "1:13=hex:0100000007000000",
        ],
        ..VALUE
    },
];

/// What most rows with a value have in common.
const VALUE: Opt = Opt {
    name: "",
    constants: &[],
    help: "",
    value_name: "",
    takes: Takes::Flag,
    missing: None,
    known: &[],
    repeats: false,
    conflicts: &[],
    scope: Scope::Any,
    server_only: false,
    stage: Stage::BeforeConnect,
    inherited: |_| true,
    settles: false,
    default: |_, _| None,
    fits: |_, _| Ok(()),
    set: |_, _| unsupported(),
    get: |_, _| unsupported(),
    why: |_, _, _| None,
    refused: |_, _| None,
    samples: &[],
};

/// What most flags have in common.
const FLAG: Opt = Opt { missing: Some("yes"), samples: &["yes"], ..VALUE };

/// What algorithms there are instead.
pub(super) fn no_congestion(error: &io::Error) -> Option<String> {
    match error.raw_os_error()? {
        libc::ENOENT => Some(format!("this kernel has {}", sysctl("net.ipv4.tcp_available_congestion_control")?)),
        libc::EPERM => {
            let allowed = sysctl("net.ipv4.tcp_allowed_congestion_control")?;
            Some(format!("without CAP_NET_ADMIN there is {allowed}"))
        }
        _ => None,
    }
}

const VSOCK_BUFFERS: &str = "it has no effect on vsock, which has buffers of its own";

fn unsupported<T>() -> io::Result<T> {
    Err(io::ErrorKind::Unsupported.into())
}

fn capped(setting: &str) -> String {
    match sysctl(setting) {
        Some(value) => format!("{setting} = {value} caps it"),
        None => format!("{setting} caps it"),
    }
}

fn doubled(asked: &Value, effective: &Value, setting: &str) -> Option<String> {
    let (Value::Size(asked), Value::Size(effective)) = (asked, effective) else { return None };
    let cap: Option<u64> = sysctl(setting).and_then(|value| value.parse().ok());
    if effective == asked {
        None
    } else if *effective == asked * 2 {
        Some("the kernel doubles it, for its own bookkeeping (socket(7))".to_owned())
    } else if cap.is_some_and(|cap| cap < *asked && cap * 2 == *effective) {
        Some(format!("{}, and the kernel doubles that, for its own bookkeeping (socket(7))", capped(setting)))
    } else if *effective > asked * 2 {
        Some("it is the kernel's smallest buffer (socket(7))".to_owned())
    } else {
        Some(capped(setting))
    }
}

fn needs_net_admin(_: &Value, error: &io::Error) -> Option<String> {
    (error.raw_os_error() == Some(libc::EPERM)).then(|| "it needs CAP_NET_ADMIN".to_owned())
}

fn no_device(error: &io::Error) -> Option<String> {
    let names = interfaces();
    let known = error.raw_os_error() == Some(libc::ENODEV) && !names.is_empty();
    known.then(|| format!("the interfaces of this host are {}", names.join(", ")))
}

/// Sets an option that IPv4 and IPv6 have each for itself. An IPv6 socket that IPv4 peers reach has both.
fn both(
    on: &On<'_>,
    number: u32,
    v4: fn(&Socket, u32) -> io::Result<()>,
    v6: fn(&Socket, u32) -> io::Result<()>,
) -> io::Result<()> {
    if on.v6() {
        v6(on.socket, number)?;
    }
    if !on.v6() || on.dual() { v4(on.socket, number) } else { Ok(()) }
}

fn either(on: &On<'_>, v4: fn(&Socket) -> io::Result<u32>, v6: fn(&Socket) -> io::Result<u32>) -> io::Result<u32> {
    if on.v6() { v6(on.socket) } else { v4(on.socket) }
}

/// Rounded up, for zero would mean the system's default.
fn whole_millis(duration: Duration) -> Duration {
    Duration::from_millis(u64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX))
}

fn set_keepalive(on: &On<'_>, value: &Value) -> io::Result<()> {
    let Value::Keepalive(Keepalive { idle, interval, count }) = value else {
        return on.socket.set_keepalive(value.switch()?);
    };
    let mut parts = TcpKeepalive::new();
    if let Some(idle) = idle {
        parts = parts.with_time(whole_seconds(*idle));
    }
    if let Some(interval) = interval {
        parts = parts.with_interval(whole_seconds(*interval));
    }
    if let Some(count) = count {
        parts = parts.with_retries(*count);
    }
    on.socket.set_tcp_keepalive(&parts)
}

fn get_keepalive(socket: &Socket) -> io::Result<Value> {
    if !socket.keepalive()? {
        return Ok(Value::Switch(false));
    }
    Ok(Value::Keepalive(Keepalive {
        idle: Some(socket.tcp_keepalive_time()?),
        interval: Some(socket.tcp_keepalive_interval()?),
        count: Some(socket.tcp_keepalive_retries()?),
    }))
}

fn keepalive_parts(_: &On<'_>, asked: &Value, effective: &Value) -> Option<String> {
    let (Value::Keepalive(asked), Value::Keepalive(effective)) = (asked, effective) else { return None };
    let mut notes = Vec::new();
    let rounded = |asked: Option<Duration>, effective| asked.is_some() && asked != effective;
    if rounded(asked.idle, effective.idle) || rounded(asked.interval, effective.interval) {
        notes.push("rounded up: it counts whole seconds".to_owned());
    }
    let missing: Vec<_> = [
        (asked.idle.is_none(), "net.ipv4.tcp_keepalive_time"),
        (asked.interval.is_none(), "net.ipv4.tcp_keepalive_intvl"),
        (asked.count.is_none(), "net.ipv4.tcp_keepalive_probes"),
    ]
    .into_iter()
    .filter_map(|(missing, setting)| missing.then_some(setting))
    .collect();
    if !missing.is_empty() {
        notes.push(format!("what was left out comes from {}", missing.join(", ")));
    }
    (!notes.is_empty()).then(|| notes.join("; "))
}

fn join(socket: &Socket, group: &Group) -> io::Result<()> {
    // Index 0 leaves the choice to the kernel.
    let index = match &group.interface {
        None => 0,
        Some(name) => match name.parse() {
            Ok(index) => index,
            Err(_) => sockopt::interface_index(socket, name)?,
        },
    };
    match &group.address {
        IpAddr::V4(address) => socket.join_multicast_v4_n(address, &InterfaceIndexOrAddress::Index(index)),
        IpAddr::V6(address) => socket.join_multicast_v6(address, index),
    }
}
