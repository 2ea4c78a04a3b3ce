//! Socket options that other systems do not have, and getsockopt(2) and setsockopt(2) themselves.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd as _};
use std::time::Duration;

use libc::{c_int, c_void, socklen_t};
use socket2::{Protocol, Socket};

use super::netlink;
use crate::sys::TcpInfo;

// From linux/mptcp.h; the libc crate has neither.
const SOL_MPTCP: c_int = 284;
const MPTCP_INFO: c_int = 1;

/// As much of struct tcp_info as is read here.
const TCP_INFO_LENGTH: usize = 232;

/// The state of a listener in `tcpi_state`: TCP_LISTEN of linux/tcp_states.h.
const TCP_LISTEN: u8 = 10;

/// `TCP_CONGESTION`, tcp(7).
pub const TCP_CONGESTION: Option<c_int> = Some(libc::TCP_CONGESTION);

/// `TCP_ULP`, a protocol on top: tcp(7), linux/tcp.h.
pub const TCP_ULP: Option<c_int> = Some(libc::TCP_ULP);

/// Sets an option to these bytes, as they stand: setsockopt(2).
///
/// # Errors
/// Those of setsockopt(2): `ENOPROTOOPT` for an unknown option, `EINVAL` for a value it does not take.
pub fn set_bytes(fd: impl AsFd, level: i32, name: i32, value: &[u8]) -> io::Result<()> {
    let length = socklen_t::try_from(value.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: the kernel reads `length` bytes from a slice that is that long, and keeps nothing.
    let result =
        unsafe { libc::setsockopt(fd.as_fd().as_raw_fd(), level, name, value.as_ptr().cast::<c_void>(), length) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Reads an option, at most `limit` bytes of it: getsockopt(2).
///
/// # Errors
/// Those of getsockopt(2): `ENOPROTOOPT` for an option that is unknown or cannot be read.
pub fn get_bytes(fd: impl AsFd, level: i32, name: i32, limit: usize) -> io::Result<Vec<u8>> {
    let mut value = vec![0; limit];
    let mut length = socklen_t::try_from(limit).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: the kernel writes at most `length` bytes into a buffer that is that long, and then says in
    // `length` how many it wrote.
    let result = unsafe {
        libc::getsockopt(fd.as_fd().as_raw_fd(), level, name, value.as_mut_ptr().cast::<c_void>(), &raw mut length)
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    value.truncate(length as usize);
    Ok(value)
}

fn set_int(socket: &Socket, level: c_int, name: c_int, value: c_int) -> io::Result<()> {
    set_bytes(socket, level, name, &value.to_ne_bytes())
}

fn get_int(socket: &Socket, level: c_int, name: c_int) -> io::Result<c_int> {
    let bytes = get_bytes(socket, level, name, size_of::<c_int>())?;
    bytes.try_into().map(c_int::from_ne_bytes).map_err(|_| io::ErrorKind::InvalidData.into())
}

fn raw_tcp_info(fd: impl AsFd) -> io::Result<libc::tcp_info> {
    let mut info = MaybeUninit::<libc::tcp_info>::zeroed();
    let mut length = size_of::<libc::tcp_info>() as socklen_t;
    // SAFETY: the kernel writes at most `length` bytes, the size of the structure.
    let result = unsafe {
        libc::getsockopt(
            fd.as_fd().as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            info.as_mut_ptr().cast::<c_void>(),
            &raw mut length,
        )
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: all its fields are integers, and what the kernel has not written is zero from `zeroed`.
    Ok(unsafe { info.assume_init() })
}

/// The accept queue of a TCP listener, as (queue, limit): how many finished handshakes wait for accept(2), and
/// the limit that the kernel took from listen(2). It lets one more wait than that limit.
///
/// For a listener `TCP_INFO` carries these two in fields that mean something else for a connection:
/// `tcpi_unacked` and `tcpi_sacked` (tcp_get_info() in net/ipv4/tcp.c).
///
/// # Errors
/// `InvalidInput` when the socket does not listen, else those of getsockopt(2): `EOPNOTSUPP` when it is not TCP.
pub fn tcp_info_listen(fd: impl AsFd) -> io::Result<(u32, u32)> {
    let info = raw_tcp_info(fd)?;
    if info.tcpi_state != TCP_LISTEN {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the socket does not listen"));
    }
    Ok((info.tcpi_unacked, info.tcpi_sacked))
}

/// What the kernel knows of a TCP connection: `TCP_INFO`, tcp(7).
///
/// # Errors
/// Those of getsockopt(2): `EOPNOTSUPP` when it is not TCP.
pub fn tcp_info(fd: impl AsFd) -> io::Result<TcpInfo> {
    // The structure grew over the years, and the libc crate has its beginning only.
    let info = get_bytes(fd, libc::IPPROTO_TCP, libc::TCP_INFO, TCP_INFO_LENGTH)?;
    parse_tcp_info(&info).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// struct tcp_info of linux/tcp.h.
fn parse_tcp_info(info: &[u8]) -> Option<TcpInfo> {
    let number = |at| netlink::u32_at(info, at);
    let micros = |at| Some(Duration::from_micros(number(at)?.into()));
    Some(TcpInfo {
        state: *info.first()?,
        retries: *info.get(2)?,
        probes: *info.get(3)?,
        segment: number(16)?,
        unacknowledged: number(24)?,
        sacked: number(28)?,
        lost: number(32)?,
        since_ack: Duration::from_millis(number(56)?.into()),
        path_mtu: number(60)?,
        rtt: micros(68)?,
        rtt_deviation: micros(72)?,
        congestion_window: number(80)?,
        retransmits: number(100)?,
        acked: netlink::u64_at(info, 120),
        unsent: number(144),
        segments: number(156),
        window_limited: netlink::u64_at(info, 176).map(Duration::from_micros),
        out_of_order: number(224),
        window: number(228),
    })
}

/// The index of a network interface, for the calls that do not take its name.
///
/// # Errors
/// `ENODEV` when there is none of that name.
pub fn interface_index(socket: &Socket, name: &str) -> io::Result<u32> {
    Ok(rustix::net::netdevice::name_to_index(socket, name)?)
}

/// The protocol to give to socket(2) for Multipath TCP (RFC 8684).
#[must_use]
pub fn mptcp_protocol() -> Option<Protocol> {
    Some(Protocol::MPTCP)
}

/// Whether the socket speaks Multipath TCP: made for it, and not fallen back to TCP for want of a peer that does.
///
/// # Errors
/// Those of getsockopt(2).
pub fn mptcp(socket: &Socket) -> io::Result<bool> {
    // After a fallback the protocol of the socket stays MPTCP, but its own level of options is gone.
    Ok(socket.protocol()? == Some(Protocol::MPTCP) && get_bytes(socket, SOL_MPTCP, MPTCP_INFO, 8).is_ok())
}

/// Whether somebody has set the size of the send buffer, so that the kernel does not adapt it any more: `SO_BUF_LOCK`,
/// since Linux 5.14; `SOCK_SNDBUF_LOCK` of include/uapi/linux/socket.h is its bit 0.
///
/// # Errors
/// Those of getsockopt(2): `ENOPROTOOPT` on an older kernel.
pub fn is_sndbuf_set(socket: &Socket) -> io::Result<bool> {
    Ok(get_int(socket, libc::SOL_SOCKET, libc::SO_BUF_LOCK)? & 1 != 0)
}

/// `SO_MARK`: the firewall mark of outgoing packets, socket(7).
///
/// # Errors
/// Those of getsockopt(2).
pub fn mark(socket: &Socket) -> io::Result<u32> {
    socket.mark()
}

/// Sets `SO_MARK`.
///
/// # Errors
/// `EPERM` without CAP_NET_ADMIN or CAP_NET_RAW.
pub fn set_mark(socket: &Socket, mark: u32) -> io::Result<()> {
    socket.set_mark(mark)
}

/// `SO_BINDTODEVICE`: the interface that the socket is bound to, socket(7).
///
/// # Errors
/// Those of getsockopt(2).
pub fn device(socket: &Socket) -> io::Result<Option<String>> {
    Ok(socket.device()?.map(|name| String::from_utf8_lossy(&name).trim_end_matches('\0').to_owned()))
}

/// Sets `SO_BINDTODEVICE`.
///
/// # Errors
/// `ENODEV` when there is no such interface, `EPERM` to move a bound socket without CAP_NET_RAW.
pub fn bind_device(socket: &Socket, name: &str) -> io::Result<()> {
    socket.bind_device(Some(name.as_bytes()))
}

/// `TCP_USER_TIMEOUT`: how long sent data may stay unacknowledged (RFC 5482); zero is the system's default, tcp(7).
///
/// # Errors
/// Those of getsockopt(2).
pub fn user_timeout(socket: &Socket) -> io::Result<Duration> {
    Ok(socket.tcp_user_timeout()?.unwrap_or_default())
}

/// Sets `TCP_USER_TIMEOUT`, in whole milliseconds.
///
/// # Errors
/// `EINVAL` above 2³¹−1 ms.
pub fn set_user_timeout(socket: &Socket, timeout: Duration) -> io::Result<()> {
    socket.set_tcp_user_timeout(Some(timeout))
}

/// `TCP_CONGESTION`: the name of the congestion control algorithm, tcp(7).
///
/// # Errors
/// Those of getsockopt(2).
pub fn congestion(socket: &Socket) -> io::Result<String> {
    Ok(String::from_utf8_lossy(&socket.tcp_congestion()?).trim_end_matches('\0').to_owned())
}

/// Sets `TCP_CONGESTION`.
///
/// # Errors
/// `ENOENT` when the kernel has none of that name, `EPERM` when only CAP_NET_ADMIN may choose it.
pub fn set_congestion(socket: &Socket, name: &str) -> io::Result<()> {
    socket.set_tcp_congestion(name.as_bytes())
}

/// `TCP_QUICKACK`: whether segments are acknowledged at once, tcp(7).
///
/// # Errors
/// Those of getsockopt(2).
pub fn quickack(socket: &Socket) -> io::Result<bool> {
    socket.tcp_quickack()
}

/// Sets `TCP_QUICKACK`.
///
/// # Errors
/// Those of setsockopt(2).
pub fn set_quickack(socket: &Socket, on: bool) -> io::Result<()> {
    socket.set_tcp_quickack(on)
}

/// `IP_BIND_ADDRESS_NO_PORT`: bind(2) with port 0 takes the address only, and connect(2) the port, ip(7).
///
/// # Errors
/// Those of setsockopt(2).
pub fn bind_without_port(socket: &Socket) -> io::Result<()> {
    set_bytes(socket, libc::IPPROTO_IP, libc::IP_BIND_ADDRESS_NO_PORT, &1_i32.to_ne_bytes())
}

/// `IP_FREEBIND`: whether the socket may bind to an address that this host does not have, ip(7).
///
/// # Errors
/// Those of getsockopt(2).
pub fn freebind(socket: &Socket, v6: bool) -> io::Result<bool> {
    if v6 { socket.freebind_v6() } else { socket.freebind_v4() }
}

/// Sets `IP_FREEBIND` or `IPV6_FREEBIND`.
///
/// # Errors
/// Those of setsockopt(2).
pub fn set_freebind(socket: &Socket, v6: bool, on: bool) -> io::Result<()> {
    if v6 { socket.set_freebind_v6(on) } else { socket.set_freebind_v4(on) }
}

/// `IP_TRANSPARENT`: whether the socket may use addresses that are not this host's, for a transparent proxy, ip(7).
///
/// # Errors
/// Those of getsockopt(2).
pub fn transparent(socket: &Socket, v6: bool) -> io::Result<bool> {
    if v6 { socket.ip_transparent_v6() } else { socket.ip_transparent_v4() }
}

/// Sets `IP_TRANSPARENT` or `IPV6_TRANSPARENT`.
///
/// # Errors
/// `EPERM` without CAP_NET_ADMIN or CAP_NET_RAW.
pub fn set_transparent(socket: &Socket, v6: bool, on: bool) -> io::Result<()> {
    if v6 { socket.set_ip_transparent_v6(on) } else { socket.set_ip_transparent_v4(on) }
}

/// `TCP_FASTOPEN`: how many connections of a listener may have data with their SYN and no finished handshake
/// (RFC 7413).
///
/// # Errors
/// Those of getsockopt(2).
pub fn fastopen_queue(socket: &Socket) -> io::Result<u32> {
    Ok(get_int(socket, libc::IPPROTO_TCP, libc::TCP_FASTOPEN)?.cast_unsigned())
}

/// Sets `TCP_FASTOPEN`.
///
/// # Errors
/// `EINVAL` when the socket is connected.
pub fn set_fastopen_queue(socket: &Socket, length: u32) -> io::Result<()> {
    set_int(socket, libc::IPPROTO_TCP, libc::TCP_FASTOPEN, length.cast_signed())
}

/// `TCP_FASTOPEN_CONNECT`: whether connect(2) waits for the first data to send it with the SYN (RFC 7413).
///
/// # Errors
/// Those of getsockopt(2).
pub fn fastopen_connect(socket: &Socket) -> io::Result<bool> {
    Ok(get_int(socket, libc::IPPROTO_TCP, libc::TCP_FASTOPEN_CONNECT)? != 0)
}

/// Sets `TCP_FASTOPEN_CONNECT`.
///
/// # Errors
/// `EOPNOTSUPP` when net.ipv4.tcp_fastopen does not allow it to clients, `EINVAL` when the socket is connected.
pub fn set_fastopen_connect(socket: &Socket, on: bool) -> io::Result<()> {
    set_int(socket, libc::IPPROTO_TCP, libc::TCP_FASTOPEN_CONNECT, c_int::from(on))
}

/// `TCP_DEFER_ACCEPT`: how long a listener keeps a connection that has sent nothing from accept(2), tcp(7).
///
/// # Errors
/// Those of getsockopt(2).
pub fn defer_accept(socket: &Socket) -> io::Result<Duration> {
    let seconds = get_int(socket, libc::IPPROTO_TCP, libc::TCP_DEFER_ACCEPT)?;
    Ok(Duration::from_secs(seconds.unsigned_abs().into()))
}

/// Sets `TCP_DEFER_ACCEPT`, in whole seconds. The kernel keeps it as a number of SYN-ACKs.
///
/// # Errors
/// Those of setsockopt(2).
pub fn set_defer_accept(socket: &Socket, wait: Duration) -> io::Result<()> {
    let seconds = c_int::try_from(wait.as_secs()).map_err(|_| io::ErrorKind::InvalidInput)?;
    set_int(socket, libc::IPPROTO_TCP, libc::TCP_DEFER_ACCEPT, seconds)
}

macro_rules! known {
    ($($level:ident: $($name:ident)+;)+) => {
        &[$($((libc::$level, stringify!($name), libc::$name)),+),+]
    };
}

/// The options that can be named instead of numbered: level, name, number.
pub const KNOWN: &[(i32, &str, i32)] = known! {
    SOL_SOCKET: SO_ACCEPTCONN SO_ATTACH_FILTER SO_BINDTODEVICE SO_BROADCAST SO_BUSY_POLL SO_DEBUG SO_DETACH_FILTER
        SO_DOMAIN SO_DONTROUTE SO_ERROR SO_INCOMING_CPU SO_KEEPALIVE SO_LINGER SO_LOCK_FILTER SO_MARK
        SO_MAX_PACING_RATE SO_NO_CHECK SO_OOBINLINE SO_PASSCRED SO_PASSSEC SO_PEEK_OFF SO_PRIORITY SO_PROTOCOL SO_RCVBUF
        SO_RCVBUFFORCE SO_RCVLOWAT SO_RCVTIMEO SO_REUSEADDR SO_REUSEPORT SO_RXQ_OVFL SO_SELECT_ERR_QUEUE SO_SNDBUF
        SO_SNDBUFFORCE SO_SNDLOWAT SO_SNDTIMEO SO_TIMESTAMP SO_TIMESTAMPING SO_TIMESTAMPNS SO_TYPE SO_ZEROCOPY;
    IPPROTO_IP: IP_ADD_MEMBERSHIP IP_BIND_ADDRESS_NO_PORT IP_FREEBIND IP_HDRINCL IP_MINTTL IP_MTU IP_MTU_DISCOVER
        IP_MULTICAST_ALL IP_MULTICAST_IF IP_MULTICAST_LOOP IP_MULTICAST_TTL IP_OPTIONS IP_PKTINFO IP_RECVERR
        IP_RECVOPTS IP_RECVTOS IP_RECVTTL IP_ROUTER_ALERT IP_TOS IP_TRANSPARENT IP_TTL IP_UNICAST_IF;
    IPPROTO_IPV6: IPV6_ADDR_PREFERENCES IPV6_AUTOFLOWLABEL IPV6_DONTFRAG IPV6_FREEBIND IPV6_MINHOPCOUNT IPV6_MTU
        IPV6_MTU_DISCOVER IPV6_MULTICAST_ALL IPV6_MULTICAST_HOPS IPV6_MULTICAST_IF IPV6_MULTICAST_LOOP
        IPV6_RECVERR IPV6_RECVHOPLIMIT IPV6_RECVPKTINFO IPV6_RECVTCLASS IPV6_ROUTER_ALERT IPV6_TCLASS IPV6_TRANSPARENT
        IPV6_UNICAST_HOPS IPV6_UNICAST_IF IPV6_V6ONLY;
    IPPROTO_TCP: TCP_CONGESTION TCP_CORK TCP_DEFER_ACCEPT TCP_FASTOPEN TCP_FASTOPEN_CONNECT TCP_INFO TCP_INQ
        TCP_KEEPCNT TCP_KEEPIDLE TCP_KEEPINTVL TCP_LINGER2 TCP_MAXSEG TCP_NODELAY TCP_NOTSENT_LOWAT TCP_QUICKACK
        TCP_SAVE_SYN TCP_SYNCNT TCP_THIN_DUPACK TCP_THIN_LINEAR_TIMEOUTS TCP_TIMESTAMP TCP_ULP
        TCP_USER_TIMEOUT TCP_WINDOW_CLAMP;
    IPPROTO_UDP: UDP_CORK UDP_GRO UDP_SEGMENT;
};

#[cfg(test)]
mod tests {
    use super::*;
    use socket2::{Domain, Type};
    use std::net::{SocketAddr, TcpStream};

    #[test]
    fn the_accept_queue_fills_as_clients_come() {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let address: SocketAddr = "127.0.0.1:0".parse().unwrap();
        assert_eq!(tcp_info_listen(&listener).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        listener.bind(&address.into()).unwrap();
        listener.listen(5).unwrap();
        assert_eq!(tcp_info_listen(&listener).unwrap(), (0, 5));
        let address = listener.local_addr().unwrap().as_socket().unwrap();
        let _clients: Vec<_> = (0..3).map(|_| TcpStream::connect(address).unwrap()).collect();
        assert_eq!(tcp_info_listen(&listener).unwrap(), (3, 5));
    }

    #[test]
    fn raw_bytes_go_in_and_come_out() {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        set_bytes(&socket, libc::IPPROTO_TCP, libc::TCP_CONGESTION, b"reno").unwrap();
        let name = get_bytes(&socket, libc::IPPROTO_TCP, libc::TCP_CONGESTION, 16).unwrap();
        assert!(name.starts_with(b"reno\0"), "{name:?}");
        assert_eq!(get_bytes(&socket, 9999, 1, 4).unwrap_err().raw_os_error(), Some(libc::EOPNOTSUPP));
    }
}
