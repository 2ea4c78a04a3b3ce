//! The error queue of a socket, where the kernel keeps ICMP errors with their sender: ip(7) IP_RECVERR,
//! ipv6(7) IPV6_RECVERR, recv(2) MSG_ERRQUEUE, include/uapi/linux/errqueue.h.

use std::io;
use std::mem::{self, MaybeUninit};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, AsRawFd as _};

use crate::error::Fact;

/// One error of the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IcmpReport {
    /// The error number the kernel made of it.
    pub errno: i32,
    /// Whether an ICMP message brought it. If not, this host itself did: no route, too large for the interface.
    pub icmp: bool,
    /// The ICMP (or ICMPv6) type.
    pub kind: u8,
    /// The code under that type.
    pub code: u8,
    /// Who sent it; absent for local errors.
    pub from: Option<IpAddr>,
    /// For "too large", the MTU of the narrow hop in bytes; else 0.
    pub info: u32,
}

impl IcmpReport {
    /// The same as a fact about a failure on the way to `target`; none for local errors.
    #[must_use]
    pub fn fact(&self, target: IpAddr) -> Option<Fact> {
        let from = self.from.filter(|_| self.icmp)?;
        let from_target = from.to_canonical() == target.to_canonical();
        Some(Fact::Icmp { from: from.to_canonical(), from_target, kind: self.kind, code: self.code })
    }
}

/// Has the kernel keep errors in the socket's queue, or no longer. On TCP do it before connecting and undo
/// it after: while it is on, an error that TCP would ride out breaks an open connection (ip(7)).
///
/// # Errors
/// Those of setsockopt(2), for a socket that is neither IPv4 nor IPv6 in particular.
pub fn recverr(fd: impl AsFd, v6: bool, on: bool) -> io::Result<()> {
    let set = |level, name| {
        let value = libc::c_int::from(on);
        // SAFETY: the descriptor is borrowed and so open; the pointer and the length are those of one c_int
        // that outlives the call.
        let result = unsafe {
            libc::setsockopt(
                fd.as_fd().as_raw_fd(),
                level,
                name,
                (&raw const value).cast(),
                size_of::<libc::c_int>() as libc::socklen_t,
            )
        };
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    };
    if v6 {
        set(libc::IPPROTO_IPV6, libc::IPV6_RECVERR)?;
        // For mapped IPv4 addresses the kernel looks at the other flag. Not every IPv6 socket has it.
        let _ = set(libc::IPPROTO_IP, libc::IP_RECVERR);
        Ok(())
    } else {
        set(libc::IPPROTO_IP, libc::IP_RECVERR)
    }
}

/// Room for the control messages: the error with its sender's address, and others that may be switched on.
/// Aligned as cmsghdr wants it (cmsg(3)).
#[repr(C, align(8))]
struct Control([MaybeUninit<u8>; 512]);

/// Takes one error from the queue, none when it is empty. Never blocks. Read SO_ERROR first: draining the queue clears it.
///
/// # Errors
/// Those of recvmsg(2).
pub fn icmp_error(fd: impl AsFd) -> io::Result<Option<IcmpReport>> {
    let mut control = Control([MaybeUninit::uninit(); 512]);
    // The packet that caused the error comes along; nobody wants it.
    let mut data = [0_u8; 1];
    let mut iov = libc::iovec { iov_base: data.as_mut_ptr().cast(), iov_len: data.len() };
    // SAFETY: msghdr is plain data for which zero is a valid value: null pointers with zero lengths.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    message.msg_iov = &raw mut iov;
    message.msg_iovlen = 1;
    message.msg_control = (&raw mut control).cast();
    message.msg_controllen = size_of::<Control>() as _;
    // SAFETY: the descriptor is borrowed and so open; every pointer in `message` is to a local that outlives
    // the call, with its own length.
    let got =
        unsafe { libc::recvmsg(fd.as_fd().as_raw_fd(), &raw mut message, libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT) };
    if got < 0 {
        let error = io::Error::last_os_error();
        return if error.kind() == io::ErrorKind::WouldBlock { Ok(None) } else { Err(error) };
    }
    // SAFETY: the kernel filled the control buffer and its length in; CMSG_FIRSTHDR and CMSG_NXTHDR stay
    // within them and give null at the end.
    unsafe {
        let mut header = libc::CMSG_FIRSTHDR(&raw const message);
        while !header.is_null() {
            let is_error = ((*header).cmsg_level, (*header).cmsg_type) == (libc::IPPROTO_IP, libc::IP_RECVERR)
                || ((*header).cmsg_level, (*header).cmsg_type) == (libc::IPPROTO_IPV6, libc::IPV6_RECVERR);
            let length = ((*header).cmsg_len as usize).saturating_sub(libc::CMSG_LEN(0) as usize);
            if is_error && length >= size_of::<libc::sock_extended_err>() {
                return Ok(Some(report(libc::CMSG_DATA(header), length)));
            }
            header = libc::CMSG_NXTHDR(&raw const message, header);
        }
    }
    Ok(None)
}

/// Reads the error and, behind it, the address of its sender (SO_EE_OFFENDER).
///
/// # Safety
/// `data` must be readable for `length` bytes, and `length` at least the size of `sock_extended_err`.
unsafe fn report(data: *const u8, length: usize) -> IcmpReport {
    let head = size_of::<libc::sock_extended_err>();
    // SAFETY: promised by the caller; unaligned reads need no alignment, and both structs are plain data.
    let error = unsafe { data.cast::<libc::sock_extended_err>().read_unaligned() };
    let room = length - head;
    // SAFETY: as above, each read after a check that its bytes are there.
    let from = unsafe {
        let sender = data.add(head);
        if room < size_of::<libc::sockaddr_in>() {
            None
        } else {
            match i32::from(sender.cast::<libc::sa_family_t>().read_unaligned()) {
                libc::AF_INET => {
                    let address = sender.cast::<libc::sockaddr_in>().read_unaligned();
                    Some(IpAddr::V4(Ipv4Addr::from(address.sin_addr.s_addr.to_ne_bytes())))
                }
                libc::AF_INET6 if room >= size_of::<libc::sockaddr_in6>() => {
                    let address = sender.cast::<libc::sockaddr_in6>().read_unaligned();
                    Some(IpAddr::V6(Ipv6Addr::from(address.sin6_addr.s6_addr)))
                }
                _ => None,
            }
        }
    };
    IcmpReport {
        errno: i32::try_from(error.ee_errno).unwrap_or(0),
        icmp: matches!(error.ee_origin, libc::SO_EE_ORIGIN_ICMP | libc::SO_EE_ORIGIN_ICMP6),
        kind: error.ee_type,
        code: error.ee_code,
        from,
        info: error.ee_info,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;
    use std::time::Duration;

    /// A port on which nothing receives: that of a socket closed just now.
    fn closed_port(address: &str) -> Option<std::net::SocketAddr> {
        UdpSocket::bind((address, 0)).ok()?.local_addr().ok()
    }

    #[test]
    fn port_unreachable_comes_with_its_sender() {
        for (address, v6, kind, code) in [("127.0.0.1", false, 3, 3), ("::1", true, 1, 4)] {
            let Some(target) = closed_port(address) else { continue };
            let socket = UdpSocket::bind((address, 0)).unwrap();
            recverr(&socket, v6, true).unwrap();
            assert_eq!(icmp_error(&socket).unwrap(), None);
            socket.connect(target).unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            socket.send(b"x").unwrap();
            // SO_ERROR first, by a read that fails.
            let error = socket.recv(&mut [0; 8]).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::ECONNREFUSED));
            let report = icmp_error(&socket).unwrap().unwrap();
            assert_eq!((report.errno, report.icmp), (libc::ECONNREFUSED, true));
            assert_eq!((report.kind, report.code, report.from), (kind, code, Some(target.ip())));
            assert_eq!(report.fact(target.ip()), Some(Fact::Icmp { from: target.ip(), from_target: true, kind, code }));
            assert_eq!(icmp_error(&socket).unwrap(), None);
        }
    }

    #[test]
    fn an_ipv6_socket_hears_of_ipv4_too() {
        let Ok(socket) = UdpSocket::bind("[::]:0") else { return };
        let target = closed_port("127.0.0.1").unwrap();
        let mapped = std::net::SocketAddr::new(Ipv4Addr::LOCALHOST.to_ipv6_mapped().into(), target.port());
        if socket.connect(mapped).is_err() {
            return;
        }
        recverr(&socket, true, true).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        socket.send(b"x").unwrap();
        socket.recv(&mut [0; 8]).unwrap_err();
        let report = icmp_error(&socket).unwrap().unwrap();
        assert_eq!((report.kind, report.code), (3, 3));
        assert_eq!(
            report.fact(target.ip()),
            Some(Fact::Icmp { from: target.ip(), from_target: true, kind: 3, code: 3 })
        );
    }

    #[test]
    fn other_families_have_no_such_queue() {
        let (socket, _peer) = std::os::unix::net::UnixDatagram::pair().unwrap();
        assert!(recverr(&socket, false, true).is_err());
    }
}
