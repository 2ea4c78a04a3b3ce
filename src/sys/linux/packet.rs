//! Datagrams with the address they were sent to: IP_PKTINFO of ip(7), IPV6_PKTINFO of ipv6(7).
//!
//! A server bound to a wildcard address has to answer from the address that the client wrote to: a client with
//! a connected socket drops an answer from any other.

use std::io;
use std::mem::{self, MaybeUninit};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, AsRawFd};

use socket2::SockAddr;

/// One received datagram.
#[derive(Debug)]
pub struct Packet {
    /// How many bytes it had: more than the buffer when it was cut.
    pub bytes: usize,
    /// Who sent it.
    pub from: SockAddr,
    /// Which of our addresses, and the interface index, it was sent to.
    pub to: Option<(IpAddr, u32)>,
}

/// Room for one pktinfo of either family, aligned for cmsghdr.
#[repr(align(8))]
struct Control([u8; 64]);

/// Asks the kernel to say where each datagram was sent to.
///
/// # Errors
/// Those of setsockopt(2).
pub fn want_packet_info(socket: impl AsFd, v6: bool) -> io::Result<()> {
    let (level, name) =
        if v6 { (libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO) } else { (libc::IPPROTO_IP, libc::IP_PKTINFO) };
    let on: libc::c_int = 1;
    // SAFETY: passes one int of the given size.
    let result = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            level,
            name,
            (&raw const on).cast(),
            mem::size_of_val(&on) as libc::socklen_t,
        )
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Receives one datagram without waiting.
///
/// # Errors
/// `WouldBlock` and those of recvmsg(2).
pub fn recv_packet(socket: impl AsFd, buffer: &mut [u8]) -> io::Result<Packet> {
    let mut control = Control([0; 64]);
    let mut to = None;
    // SAFETY: the msghdr points at buffers that live through the call, with their true lengths; the control
    // messages are walked with the CMSG macros and read only as far as their type says.
    let (bytes, from) = unsafe {
        SockAddr::try_init(|storage, len| {
            let mut iov = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
            let mut header: libc::msghdr = MaybeUninit::zeroed().assume_init();
            header.msg_name = storage.cast();
            header.msg_namelen = *len;
            header.msg_iov = &mut iov;
            header.msg_iovlen = 1;
            header.msg_control = control.0.as_mut_ptr().cast();
            header.msg_controllen = control.0.len();
            let flags = libc::MSG_DONTWAIT | libc::MSG_TRUNC | libc::MSG_CMSG_CLOEXEC;
            let got = libc::recvmsg(socket.as_fd().as_raw_fd(), &mut header, flags);
            if got < 0 {
                return Err(io::Error::last_os_error());
            }
            *len = header.msg_namelen;
            let mut cmsg = libc::CMSG_FIRSTHDR(&header);
            while !cmsg.is_null() {
                match ((*cmsg).cmsg_level, (*cmsg).cmsg_type) {
                    (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                        let info: libc::in_pktinfo = libc::CMSG_DATA(cmsg).cast::<libc::in_pktinfo>().read_unaligned();
                        let address = Ipv4Addr::from(u32::from_be(info.ipi_spec_dst.s_addr));
                        to = Some((IpAddr::V4(address), 0));
                    }
                    (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                        let info: libc::in6_pktinfo =
                            libc::CMSG_DATA(cmsg).cast::<libc::in6_pktinfo>().read_unaligned();
                        let address = Ipv6Addr::from(info.ipi6_addr.s6_addr);
                        // The interface matters for link-local addresses only; elsewhere routing decides.
                        let index = if address.is_unicast_link_local() { info.ipi6_ifindex } else { 0 };
                        to = Some((IpAddr::V6(address), index as u32));
                    }
                    _ => {}
                }
                cmsg = libc::CMSG_NXTHDR(&header, cmsg);
            }
            Ok(usize::try_from(got).unwrap_or(0))
        })
    }?;
    Ok(Packet { bytes, from, to })
}

/// Sends one datagram without waiting, from the local address `from` where one is given.
///
/// # Errors
/// `WouldBlock` and those of sendmsg(2).
pub fn send_packet(
    socket: impl AsFd,
    bytes: &[u8],
    to: Option<&SockAddr>,
    from: Option<(IpAddr, u32)>,
) -> io::Result<usize> {
    let mut control = Control([0; 64]);
    // SAFETY: the msghdr points at buffers that live through the call; sendmsg only reads them. One control
    // message is written, for which CMSG_SPACE of the larger struct (40 bytes) fits in the 64.
    unsafe {
        let mut iov = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
        let mut header: libc::msghdr = MaybeUninit::zeroed().assume_init();
        if let Some(to) = to {
            header.msg_name = to.as_ptr().cast_mut().cast();
            header.msg_namelen = to.len();
        }
        header.msg_iov = &mut iov;
        header.msg_iovlen = 1;
        if let Some((address, index)) = from {
            header.msg_control = control.0.as_mut_ptr().cast();
            header.msg_controllen = control.0.len();
            let cmsg = libc::CMSG_FIRSTHDR(&header);
            let size = match address {
                IpAddr::V4(address) => {
                    let mut info: libc::in_pktinfo = MaybeUninit::zeroed().assume_init();
                    info.ipi_spec_dst.s_addr = u32::from(address).to_be();
                    (*cmsg).cmsg_level = libc::IPPROTO_IP;
                    (*cmsg).cmsg_type = libc::IP_PKTINFO;
                    libc::CMSG_DATA(cmsg).cast::<libc::in_pktinfo>().write_unaligned(info);
                    mem::size_of::<libc::in_pktinfo>()
                }
                IpAddr::V6(address) => {
                    let mut info: libc::in6_pktinfo = MaybeUninit::zeroed().assume_init();
                    info.ipi6_addr.s6_addr = address.octets();
                    info.ipi6_ifindex = index as _;
                    (*cmsg).cmsg_level = libc::IPPROTO_IPV6;
                    (*cmsg).cmsg_type = libc::IPV6_PKTINFO;
                    libc::CMSG_DATA(cmsg).cast::<libc::in6_pktinfo>().write_unaligned(info);
                    mem::size_of::<libc::in6_pktinfo>()
                }
            };
            (*cmsg).cmsg_len = libc::CMSG_LEN(size as u32) as _;
            header.msg_controllen = libc::CMSG_SPACE(size as u32) as _;
        }
        let sent =
            libc::sendmsg(socket.as_fd().as_raw_fd(), &header, libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL);
        if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(usize::try_from(sent).unwrap_or(0)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;

    #[test]
    fn an_answer_leaves_from_the_address_that_was_asked() {
        let server = UdpSocket::bind("0.0.0.0:0").unwrap();
        want_packet_info(&server, false).unwrap();
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        // Any address of 127/8 is ours; a connected client accepts an answer from just this one.
        client.connect(("127.0.0.2", server.local_addr().unwrap().port())).unwrap();
        client.send(b"ping").unwrap();
        rustix::event::poll(&mut [rustix::event::PollFd::new(&server, rustix::event::PollFlags::IN)], None).unwrap();
        let mut buffer = [0; 16];
        let packet = recv_packet(&server, &mut buffer).unwrap();
        assert_eq!((&buffer[..packet.bytes], packet.to.unwrap().0), (&b"ping"[..], "127.0.0.2".parse().unwrap()));
        send_packet(&server, b"pong", Some(&packet.from), packet.to).unwrap();
        assert_eq!(client.recv(&mut buffer).unwrap(), 4);
    }
}
