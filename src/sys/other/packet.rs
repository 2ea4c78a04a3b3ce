//! Datagrams, one by one, by recvfrom(2) and sendto(2). Which of our addresses one was sent to is not asked for.

use std::io;
use std::mem::MaybeUninit;
use std::net::IpAddr;
use std::ops::Range;
use std::os::fd::AsFd;

use socket2::{SockAddr, SockRef};

use super::unsupported;

/// One received datagram.
#[derive(Debug)]
pub struct Packet {
    /// How many bytes of it there was room for.
    pub bytes: usize,
    /// Who sent it.
    pub from: SockAddr,
    /// Not known.
    pub to: Option<(IpAddr, u32)>,
}

/// Not on this system: an answer leaves from the address that routing picks.
///
/// # Errors
/// Always `Unsupported`.
pub fn want_packet_info(_socket: impl AsFd, _v6: bool) -> io::Result<()> {
    unsupported()
}

/// Receives one datagram without waiting.
///
/// # Errors
/// `WouldBlock` and those of recvfrom(2).
pub fn recv_packet(socket: impl AsFd, buffer: &mut [u8]) -> io::Result<Packet> {
    let room = buffer.len();
    // SAFETY: the same bytes. Only what came is written there, and that is initialised.
    let buffer = unsafe { std::slice::from_raw_parts_mut(buffer.as_mut_ptr().cast::<MaybeUninit<u8>>(), room) };
    let (bytes, from) = SockRef::from(&socket).recv_from_with_flags(buffer, libc::MSG_DONTWAIT)?;
    Ok(Packet { bytes, from, to: None })
}

/// Sends one datagram without waiting.
///
/// # Errors
/// `WouldBlock` and those of sendto(2); `Unsupported` where it should leave from a chosen address.
pub fn send_packet(
    socket: impl AsFd,
    bytes: &[u8],
    to: Option<&SockAddr>,
    from: Option<(IpAddr, u32)>,
) -> io::Result<usize> {
    if from.is_some() {
        return unsupported();
    }
    let socket = SockRef::from(&socket);
    match to {
        Some(to) => socket.send_to_with_flags(bytes, to, libc::MSG_DONTWAIT),
        None => socket.send_with_flags(bytes, libc::MSG_DONTWAIT),
    }
}

/// How many bytes of room the next message takes at most: FIONREAD counts all that wait.
///
/// # Errors
/// Those of ioctl(2).
pub fn size_of_next(socket: impl AsFd) -> io::Result<usize> {
    let waiting = rustix::io::ioctl_fionread(socket)?;
    Ok(usize::try_from(waiting).unwrap_or(usize::MAX))
}

/// Datagrams side by side, with room for each.
pub struct Packets {
    buffer: Vec<u8>,
    most: usize,
    /// Those that came at the last receive: bytes, and who sent them.
    came: Vec<(usize, SockAddr)>,
}

impl Packets {
    /// Room for so many of at most `size` bytes.
    #[must_use]
    pub fn new(most: usize, size: usize) -> Self {
        Self { buffer: vec![0; most * size], most, came: Vec::with_capacity(most) }
    }

    /// How many there is room for.
    #[must_use]
    pub fn most(&self) -> usize {
        self.most
    }

    /// The room for all of them. Before a receive it may be made larger.
    pub fn room(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    fn size(&self) -> usize {
        self.buffer.len() / self.most
    }

    /// Receives those that have come, without waiting. Fewer than there is room for is all there was.
    ///
    /// # Errors
    /// `WouldBlock` and those of recvfrom(2), where not even the first could be received.
    pub fn receive(&mut self, socket: impl AsFd) -> io::Result<usize> {
        let size = self.size();
        self.came.clear();
        for room in self.buffer.chunks_exact_mut(size).take(self.most) {
            match recv_packet(&socket, room) {
                Ok(packet) => self.came.push((packet.bytes, packet.from)),
                Err(error) if self.came.is_empty() => return Err(error),
                Err(_) => break,
            }
        }
        Ok(self.came.len())
    }

    /// The bytes of one of those that came.
    #[must_use]
    pub fn bytes(&self, nth: usize) -> &[u8] {
        &self.buffer[nth * self.size()..][..self.came[nth].0]
    }

    /// Who sent it.
    #[must_use]
    pub fn from(&self, nth: usize) -> SockAddr {
        self.came[nth].1.clone()
    }

    /// Not known.
    #[must_use]
    pub fn to(&self, _nth: usize) -> Option<(IpAddr, u32)> {
        None
    }

    /// Sends these back as they came, without waiting, and says how many went: less than all where one cannot.
    pub fn send_back(&mut self, socket: impl AsFd, which: Range<usize>) -> usize {
        let sends = |nth: &usize| send_packet(&socket, self.bytes(*nth), Some(&self.came[*nth].1), None).is_ok();
        which.take_while(sends).count()
    }
}
