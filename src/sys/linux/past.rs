//! Whether packets get past this host's own rules, out and in: nft(8), iptables(8), reverse path filters. It takes
//! CAP_NET_RAW to find out.

use std::mem::MaybeUninit;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use socket2::{Domain, Protocol, SockAddr, SockFilter, Socket, Type};

use crate::sys::poll;

/// Beyond the ports that clients are given by default, so that it is nobody's.
const FROM: u16 = 61_998;
/// For TCP to take note of a packet that has come.
const GRACE: Duration = Duration::from_millis(20);

/// Whether a rule of this host stops a TCP handshake with `to` before it leaves; nothing where that cannot be found out.
///
/// connect(2) does not tell: a SYN that is thrown away here looks like one that got lost (`tcp_connect` of
/// net/ipv4/tcp_output.c), and a reset that a rule makes like one that came. A raw socket is told, with EPERM (`nf_hook_slow`
/// of net/netfilter/core.c). What it sends has no version, so that nobody takes it for a packet: the next hop drops it and says
/// nothing (RFC 1812, section 5.2.2).
#[must_use]
pub fn is_stopped(to: SocketAddr) -> Option<bool> {
    let mut to = canonical(to);
    let socket = Socket::new(Domain::for_address(to), Type::RAW, Some(Protocol::TCP)).ok()?;
    socket.set_nonblocking(true).ok()?;
    let mut packet = Vec::with_capacity(60);
    match to.ip() {
        IpAddr::V4(v4) => {
            socket.set_header_included_v4(true).ok()?;
            // Header of five words, TTL, protocol; the kernel fills in length, checksum and source.
            packet.extend([5, 0, 0, 0, 0, 0, 0, 0, 64, libc::IPPROTO_TCP as u8, 0, 0, 0, 0, 0, 0]);
            packet.extend(v4.octets());
        }
        IpAddr::V6(v6) => {
            socket.set_header_included_v6(true).ok()?;
            let any = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).ok()?;
            any.connect(to).ok()?;
            let IpAddr::V6(source) = any.local_addr().ok()?.ip() else { return None };
            // Length of what follows, next header, hop limit.
            packet.extend([0, 0, 0, 0, 0, 20, libc::IPPROTO_TCP as u8, 64]);
            packet.extend(source.octets());
            packet.extend(v6.octets());
        }
    }
    // RFC 9293, section 3.1: ports, sequence, acknowledgment, a header of five words with SYN, window, checksum, urgent pointer.
    packet.extend(FROM.to_be_bytes());
    packet.extend(to.port().to_be_bytes());
    packet.extend([0, 0, 0, 0, 0, 0, 0, 0, 0x50, 0x02, 0xff, 0xff, 0, 0, 0, 0]);
    // To a raw socket a port is a protocol (raw(7)).
    to.set_port(0);
    match socket.send_to(&packet, &SockAddr::from(to)) {
        Ok(_) => Some(false),
        Err(error) if error.raw_os_error() == Some(libc::EPERM) => Some(true),
        Err(_) => None,
    }
}

/// Whether packets of this socket may go another way than those of the two questions here: it keeps to an interface
/// (SO_BINDTODEVICE), or is marked (SO_MARK).
#[must_use]
pub fn is_steered(socket: &Socket) -> bool {
    socket.device().is_ok_and(|interface| interface.is_some()) || socket.mark().is_ok_and(|mark| mark != 0)
}

/// Tries a TCP handshake with `to` until then, and looks whether an answer reaches this host that TCP does not get: by which
/// interface. Nothing where none comes, or where that cannot be seen.
#[must_use]
pub fn answers_lost_on_arrival(to: SocketAddr, until: Instant) -> Option<u32> {
    let to = canonical(to);
    let protocol = if to.is_ipv4() { libc::ETH_P_IP } else { libc::ETH_P_IPV6 };
    let protocol = i32::from((protocol as u16).to_be());
    // Packets as they come from the device, before any rule is asked (packet(7)).
    let seen = Socket::new(Domain::PACKET, Type::DGRAM, Some(Protocol::from(protocol))).ok()?;
    seen.attach_filter(&tcp_from(to)).ok()?;
    seen.set_nonblocking(true).ok()?;
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, Some(Protocol::TCP)).ok()?;
    socket.set_nonblocking(true).ok()?;
    match socket.connect(&to.into()) {
        Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => {}
        _ => return None,
    }
    let own = socket.local_addr().ok()?.as_socket()?.port();
    loop {
        let mut fds = [PollFd::new(&seen, PollFlags::IN), PollFd::new(&socket, PollFlags::OUT)];
        if !poll(&mut fds, Some(until)).ok()? {
            return None;
        }
        let mut packet = [MaybeUninit::uninit(); 128];
        let (length, from) = match seen.recv_from(&mut packet) {
            Ok(received) => received,
            // Now there is a connection, or a refusal.
            Err(_) => return None,
        };
        // SAFETY: the kernel has filled in so many.
        let packet = unsafe { std::slice::from_raw_parts(packet.as_ptr().cast::<u8>(), length.min(packet.len())) };
        let header = if to.is_ipv4() { usize::from(packet.first()? & 0xf) * 4 } else { 40 };
        let Some(&[high, low, .., _]) = packet.get(header + 2..) else { continue };
        if u16::from_be_bytes([high, low]) != own {
            continue;
        }
        // What comes by an interface has passed the rules by the time that its reader is told, or it has not.
        let mut fds = [PollFd::new(&socket, PollFlags::OUT)];
        let grace = until.min(Instant::now() + GRACE);
        if poll(&mut fds, Some(grace)).ok()? {
            return None;
        }
        // SAFETY: an address of this length holds the struct, which is plain numbers.
        let index = (from.len() as usize >= size_of::<libc::sockaddr_ll>())
            .then(|| unsafe { from.as_ptr().cast::<libc::sockaddr_ll>().read_unaligned() }.sll_ifindex);
        return u32::try_from(index?).ok();
    }
}

/// A filter of packet(7) for packets of TCP from this address and port.
fn tcp_from(address: SocketAddr) -> Vec<SockFilter> {
    const WORD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    const HALF: u16 = (libc::BPF_LD | libc::BPF_H | libc::BPF_ABS) as u16;
    const BYTE: u16 = (libc::BPF_LD | libc::BPF_B | libc::BPF_ABS) as u16;
    let (protocol, source, ip) = match address.ip() {
        IpAddr::V4(v4) => (9, 12, v4.octets().to_vec()),
        IpAddr::V6(v6) => (6, 8, v6.octets().to_vec()),
    };
    let mut wanted = vec![(BYTE, protocol, libc::IPPROTO_TCP as u32)];
    for (nth, word) in ip.chunks_exact(4).enumerate() {
        wanted.push((WORD, source + nth as u32 * 4, u32::from_be_bytes([word[0], word[1], word[2], word[3]])));
    }
    let equal = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    let give = (libc::BPF_RET | libc::BPF_K) as u16;
    let port = if address.is_ipv4() {
        // The header of IPv4 has a length of its own: BPF_MSH of bpf(4).
        let length = SockFilter::new((libc::BPF_LDX | libc::BPF_B | libc::BPF_MSH) as u16, 0, 0, 0);
        vec![length, SockFilter::new((libc::BPF_LD | libc::BPF_H | libc::BPF_IND) as u16, 0, 0, 0)]
    } else {
        vec![SockFilter::new(HALF, 0, 0, 40)]
    };
    // Each comparison that fails goes to the end, which gives nothing.
    let mut left = wanted.len() * 2 + port.len() + 2;
    let mut program = Vec::with_capacity(left + 1);
    for (load, offset, value) in wanted {
        program.push(SockFilter::new(load, 0, 0, offset));
        left -= 2;
        program.push(SockFilter::new(equal, 0, left as u8, value));
    }
    program.extend(port);
    program.push(SockFilter::new(equal, 0, 1, u32::from(address.port())));
    program.push(SockFilter::new(give, 0, 0, u32::MAX));
    program.push(SockFilter::new(give, 0, 0, 0));
    program
}

/// Addresses of IPv4 in those of IPv6 leave by IPv4.
fn canonical(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        IpAddr::V4(v4) => SocketAddr::from((v4, address.port())),
        IpAddr::V6(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_keeps_to_an_interface_is_steered() {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        assert!(!is_steered(&socket));
        socket.bind_device(Some(b"lo")).unwrap();
        assert!(is_steered(&socket));
    }

    #[test]
    fn the_program_of_a_filter_ends_where_it_says() {
        for (address, length) in [("192.0.2.1:80", 9), ("[2001:db8::1]:80", 14)] {
            let program = tcp_from(address.parse().unwrap());
            assert_eq!(program.len(), length);
            // The kernel takes no jump behind the end, nor an end without an answer.
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket2::SockRef::from(&socket).attach_filter(&program).unwrap();
        }
    }
}
