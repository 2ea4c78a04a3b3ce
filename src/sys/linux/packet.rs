//! Datagrams with the address they were sent to: IP_PKTINFO of ip(7), IPV6_PKTINFO of ipv6(7).
//!
//! A server bound to a wildcard address has to answer from the address that the client wrote to: a client with
//! a connected socket drops an answer from any other.

use std::io;
use std::mem::MaybeUninit;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd};

use socket2::{SockAddr, SockAddrStorage};

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
#[derive(Clone, Copy)]
#[repr(align(8))]
struct Control([u8; 64]);

/// Where the datagram was sent to.
///
/// # Safety
/// What the header says of its control messages is true.
unsafe fn arrived_at(header: &libc::msghdr) -> Option<(IpAddr, u32)> {
    let mut to = None;
    // SAFETY: the control messages are walked with the CMSG macros and read only as far as their type says.
    unsafe {
        let mut cmsg = libc::CMSG_FIRSTHDR(header);
        while !cmsg.is_null() {
            match ((*cmsg).cmsg_level, (*cmsg).cmsg_type) {
                (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                    let info: libc::in_pktinfo = libc::CMSG_DATA(cmsg).cast::<libc::in_pktinfo>().read_unaligned();
                    let address = Ipv4Addr::from(u32::from_be(info.ipi_spec_dst.s_addr));
                    to = Some((IpAddr::V4(address), 0));
                }
                (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                    let info: libc::in6_pktinfo = libc::CMSG_DATA(cmsg).cast::<libc::in6_pktinfo>().read_unaligned();
                    let address = Ipv6Addr::from(info.ipi6_addr.s6_addr);
                    // The interface matters for link-local addresses only; elsewhere routing decides.
                    let index = if address.is_unicast_link_local() { info.ipi6_ifindex } else { 0 };
                    to = Some((IpAddr::V6(address), index as u32));
                }
                _ => {}
            }
            cmsg = libc::CMSG_NXTHDR(header, cmsg);
        }
    }
    to
}

/// Has the datagram leave from this address of ours, or from any.
fn leave_from(header: &mut libc::msghdr, control: &mut Control, from: Option<(IpAddr, u32)>) {
    let Some((address, index)) = from else {
        header.msg_controllen = 0;
        return;
    };
    header.msg_control = control.0.as_mut_ptr().cast();
    header.msg_controllen = control.0.len() as _;
    // SAFETY: one control message is written, for which CMSG_SPACE of the larger struct (40 bytes) fits in the 64.
    unsafe {
        let cmsg = libc::CMSG_FIRSTHDR(header);
        let size = match address {
            IpAddr::V4(address) => {
                let mut info: libc::in_pktinfo = MaybeUninit::zeroed().assume_init();
                info.ipi_spec_dst.s_addr = u32::from(address).to_be();
                (*cmsg).cmsg_level = libc::IPPROTO_IP;
                (*cmsg).cmsg_type = libc::IP_PKTINFO;
                libc::CMSG_DATA(cmsg).cast::<libc::in_pktinfo>().write_unaligned(info);
                size_of::<libc::in_pktinfo>()
            }
            IpAddr::V6(address) => {
                let mut info: libc::in6_pktinfo = MaybeUninit::zeroed().assume_init();
                info.ipi6_addr.s6_addr = address.octets();
                info.ipi6_ifindex = index as _;
                (*cmsg).cmsg_level = libc::IPPROTO_IPV6;
                (*cmsg).cmsg_type = libc::IPV6_PKTINFO;
                libc::CMSG_DATA(cmsg).cast::<libc::in6_pktinfo>().write_unaligned(info);
                size_of::<libc::in6_pktinfo>()
            }
        };
        (*cmsg).cmsg_len = libc::CMSG_LEN(size as u32) as _;
        header.msg_controllen = libc::CMSG_SPACE(size as u32) as _;
    }
}

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
            size_of_val(&on) as libc::socklen_t,
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
    // SAFETY: the msghdr points at buffers that live through the call, with their true lengths.
    let (bytes, from) = unsafe {
        SockAddr::try_init(|storage, len| {
            let mut iov = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
            let mut header: libc::msghdr = MaybeUninit::zeroed().assume_init();
            header.msg_name = storage.cast();
            header.msg_namelen = *len;
            header.msg_iov = &mut iov;
            header.msg_iovlen = 1;
            header.msg_control = control.0.as_mut_ptr().cast();
            header.msg_controllen = control.0.len() as _;
            let flags = libc::MSG_DONTWAIT | libc::MSG_TRUNC | libc::MSG_CMSG_CLOEXEC;
            let got = libc::recvmsg(socket.as_fd().as_raw_fd(), &mut header, flags);
            if got < 0 {
                return Err(io::Error::last_os_error());
            }
            *len = header.msg_namelen;
            to = arrived_at(&header);
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
    // SAFETY: the msghdr points at buffers that live through the call; sendmsg only reads them.
    unsafe {
        let mut iov = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
        let mut header: libc::msghdr = MaybeUninit::zeroed().assume_init();
        if let Some(to) = to {
            header.msg_name = to.as_ptr().cast_mut().cast();
            header.msg_namelen = to.len();
        }
        header.msg_iov = &mut iov;
        header.msg_iovlen = 1;
        leave_from(&mut header, &mut control, from);
        let sent = libc::sendmsg(socket.as_fd().as_raw_fd(), &header, libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL);
        if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(usize::try_from(sent).unwrap_or(0)) }
    }
}

/// How many bytes the next message has, which stays: MSG_TRUNC of recv(2).
///
/// # Errors
/// `WouldBlock` when there is none; those of recv(2).
pub fn size_of_next(socket: impl AsFd) -> io::Result<usize> {
    use rustix::net::RecvFlags;
    let flags = RecvFlags::PEEK | RecvFlags::TRUNC | RecvFlags::DONTWAIT;
    let (_, size) = rustix::net::recv(socket, &mut [0u8; 0], flags)?;
    Ok(size)
}

/// Datagrams side by side, with room for each: recvmmsg(2), sendmmsg(2).
pub struct Packets {
    buffer: Vec<u8>,
    names: Vec<libc::sockaddr_storage>,
    controls: Vec<Control>,
    vectors: Vec<libc::iovec>,
    // They point into the others.
    heads: Vec<libc::mmsghdr>,
    /// So many came at the last receive.
    count: usize,
}

impl Packets {
    /// Room for so many of at most `size` bytes.
    #[must_use]
    pub fn new(most: usize, size: usize) -> Self {
        let mut packets = Self {
            // Zeroed by the kernel, page by page, where something comes.
            buffer: vec![0; most * size],
            // SAFETY: all zeroes are an address of no family.
            names: vec![unsafe { MaybeUninit::zeroed().assume_init() }; most],
            controls: vec![Control([0; 64]); most],
            vectors: vec![libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 }; most],
            // SAFETY: all zeroes are a head of nothing.
            heads: vec![unsafe { MaybeUninit::zeroed().assume_init() }; most],
            count: most,
        };
        packets.point();
        packets
    }

    fn point(&mut self) {
        let size = self.buffer.len() / self.heads.len();
        let parts = self.buffer.chunks_mut(size).zip(&mut self.names).zip(&mut self.controls);
        for ((head, vector), ((bytes, name), control)) in self.heads.iter_mut().zip(&mut self.vectors).zip(parts) {
            *vector = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: size };
            head.msg_hdr.msg_name = (&raw mut *name).cast();
            head.msg_hdr.msg_control = control.0.as_mut_ptr().cast();
            head.msg_hdr.msg_iov = vector;
            head.msg_hdr.msg_iovlen = 1;
        }
    }

    /// How many there is room for.
    #[must_use]
    pub fn most(&self) -> usize {
        self.heads.len()
    }

    /// The room for all of them. Before a receive it may be made larger.
    pub fn room(&mut self) -> &mut Vec<u8> {
        // However that is done, the next receive points at it anew.
        self.vectors[0].iov_base = std::ptr::null_mut();
        &mut self.buffer
    }

    /// Receives those that have come, without waiting. Fewer than there is room for is all there was.
    ///
    /// # Errors
    /// `WouldBlock` and those of recvmmsg(2).
    pub fn receive(&mut self, socket: impl AsFd) -> io::Result<usize> {
        if self.vectors[0].iov_base != self.buffer.as_mut_ptr().cast() {
            self.point();
        }
        let size = self.buffer.len() / self.heads.len();
        // What the last receive did not touch is as it was.
        for (head, vector) in self.heads.iter_mut().zip(&mut self.vectors).take(self.count) {
            vector.iov_len = size;
            head.msg_hdr.msg_namelen = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
            head.msg_hdr.msg_controllen = size_of::<Control>() as _;
        }
        self.count = 0;
        // SAFETY: the heads point at buffers that live as long as they do, with their true lengths.
        let got = unsafe {
            libc::recvmmsg(
                socket.as_fd().as_raw_fd(),
                self.heads.as_mut_ptr(),
                self.heads.len() as _,
                (libc::MSG_DONTWAIT | libc::MSG_CMSG_CLOEXEC) as _,
                std::ptr::null_mut(),
            )
        };
        self.count = usize::try_from(got).map_err(|_| io::Error::last_os_error())?;
        Ok(self.count)
    }

    /// The bytes of one of those that came.
    #[must_use]
    pub fn bytes(&self, nth: usize) -> &[u8] {
        let size = self.buffer.len() / self.heads.len();
        &self.buffer[nth * size..][..self.heads[nth].msg_len as usize]
    }

    /// Who sent it.
    #[must_use]
    pub fn from(&self, nth: usize) -> SockAddr {
        let mut name = SockAddrStorage::zeroed();
        // SAFETY: the kernel wrote an address of this length there, into what is the same under another name.
        unsafe {
            *name.view_as() = self.names[nth];
            SockAddr::new(name, self.heads[nth].msg_hdr.msg_namelen)
        }
    }

    /// Which of our addresses, and the interface index, it was sent to.
    #[must_use]
    pub fn to(&self, nth: usize) -> Option<(IpAddr, u32)> {
        // SAFETY: the header is as the kernel left it, or `leave_from`.
        unsafe { arrived_at(&self.heads[nth].msg_hdr) }
    }

    /// Sends these back as they came, without waiting, and says how many went: less than all where one cannot.
    pub fn send_back(&mut self, socket: impl AsFd, which: Range<usize>) -> usize {
        for nth in which.clone() {
            self.vectors[nth].iov_len = self.heads[nth].msg_len as usize;
            let from = self.to(nth);
            leave_from(&mut self.heads[nth].msg_hdr, &mut self.controls[nth], from);
        }
        let heads = &mut self.heads[which];
        // SAFETY: the heads point at buffers that live as long as they do, with their true lengths.
        let sent = unsafe {
            libc::sendmmsg(
                socket.as_fd().as_raw_fd(),
                heads.as_mut_ptr(),
                heads.len() as _,
                (libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL) as _,
            )
        };
        usize::try_from(sent).unwrap_or(0)
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

    #[test]
    fn many_go_back_each_to_its_sender_from_the_address_that_was_asked() {
        for any in ["0.0.0.0:0", "[::]:0"] {
            let Ok(server) = UdpSocket::bind(any) else { continue };
            let v6 = any.starts_with('[');
            want_packet_info(&server, v6).unwrap();
            let port = server.local_addr().unwrap().port();
            let mut packets = Packets::new(4, 100);
            assert_eq!(packets.receive(&server).unwrap_err().kind(), io::ErrorKind::WouldBlock);
            let clients: Vec<UdpSocket> = (0..6)
                .map(|nth: u8| {
                    let loopback = if v6 { "::1".to_owned() } else { format!("127.0.0.{}", nth + 1) };
                    let client = UdpSocket::bind((if v6 { "::" } else { "0.0.0.0" }, 0)).unwrap();
                    client.connect((loopback.as_str(), port)).unwrap();
                    // The first is empty, and that of the last is cut.
                    client.send(&vec![nth; 25 * usize::from(nth)]).unwrap();
                    client
                })
                .collect();
            assert_eq!(packets.receive(&server).unwrap(), 4);
            assert_eq!(packets.bytes(2), [2; 50]);
            assert_eq!(packets.from(3).as_socket().unwrap().port(), clients[3].local_addr().unwrap().port());
            // In two pieces, of which the second is looked at in between.
            assert_eq!((packets.send_back(&server, 0..1), packets.send_back(&server, 1..4)), (1, 3));
            assert_eq!(packets.to(3).unwrap().0.is_ipv6(), v6);
            assert_eq!((packets.receive(&server).unwrap(), packets.send_back(&server, 0..2)), (2, 2));
            let mut buffer = [0; 200];
            for (nth, client) in clients.iter().enumerate() {
                client.set_read_timeout(Some(std::time::Duration::from_secs(60))).unwrap();
                assert_eq!(client.recv(&mut buffer).unwrap(), (25 * nth).min(100));
            }
            // A larger room, in another place and then in the same.
            packets.room().reserve(4 * 300);
            clients[5].send(&[5; 90]).unwrap();
            assert_eq!((packets.receive(&server).unwrap(), packets.bytes(0)), (1, &[5; 90][..]));
            packets.room().resize(4 * 300, 0);
            clients[5].send(&[5; 250]).unwrap();
            clients[5].send(&[6; 250]).unwrap();
            assert_eq!((packets.receive(&server).unwrap(), packets.bytes(0)), (2, &[5; 250][..]));
            assert_eq!(packets.bytes(1), [6; 250]);
        }
    }
}
