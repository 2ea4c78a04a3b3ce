//! Questions over netlink(7): what sock_diag(7) and rtnetlink(7) have in common.

use std::io;
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

/// `<linux/netlink.h>`, `<linux/sock_diag.h>`.
pub(super) const NETLINK_SOCK_DIAG: i32 = 4;
pub(super) const SOCK_DIAG_BY_FAMILY: u16 = 20;
pub(super) const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
/// Flags of a question: it has one answer, or a dump of many.
pub(super) const NLM_F_REQUEST: u16 = 1;
const NLM_F_DUMP: u16 = 0x300;
/// nlmsghdr.
pub(super) const HEADER: usize = 16;
/// The most that the kernel puts into one answer to a dump (`netlink_dump` of net/netlink/af_netlink.c).
const ANSWER: usize = 32 * 1024;
/// The kernel answers at once; this is for one that does not answer at all.
const PATIENCE: Duration = Duration::from_millis(100);

/// Asks the kernel a question; the answers come on the socket, and are waited for a little while each.
///
/// # Errors
/// Those of the netlink socket.
pub(super) fn ask(protocol: i32, kind: u16, flags: u16, request: &[u8]) -> io::Result<Socket> {
    let socket = Socket::new(Domain::from(libc::AF_NETLINK), Type::DGRAM, Some(Protocol::from(protocol)))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    // nlmsghdr: length, type, flags, sequence, port.
    let mut message = Vec::with_capacity(HEADER + request.len());
    message.extend(((HEADER + request.len()) as u32).to_ne_bytes());
    message.extend(kind.to_ne_bytes());
    message.extend(flags.to_ne_bytes());
    message.extend([0; 8]);
    message.extend(request);
    socket.send(&message)?;
    Ok(socket)
}

/// One answer, as far as `buffer` takes it.
///
/// # Errors
/// Those of recv(2): none came in time.
pub(super) fn answer<'b>(socket: &Socket, buffer: &'b mut [u8]) -> io::Result<&'b [u8]> {
    let (_, length) = rustix::net::recv(socket, &mut buffer[..], rustix::net::RecvFlags::empty())?;
    Ok(&buffer[..length.min(buffer.len())])
}

/// Asks sock_diag(7) for a dump with this request, and hands on the body of each message that came by the deadline.
///
/// # Errors
/// Those of the netlink socket; that of the kernel where it has no such table, or forbids it; `InvalidData`.
pub(super) fn dump(request: &[u8], deadline: Instant, mut take: impl FnMut(&[u8])) -> io::Result<()> {
    let socket = ask(NETLINK_SOCK_DIAG, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST | NLM_F_DUMP, request)?;
    let mut buffer = vec![0; ANSWER];
    while Instant::now() < deadline {
        let answer = answer(&socket, &mut buffer)?;
        if answer.is_empty() || read(answer, &mut take)? {
            break;
        }
    }
    Ok(())
}

/// Reads one answer of several messages; whether it was the last one.
pub(super) fn read(mut answer: &[u8], mut take: impl FnMut(&[u8])) -> io::Result<bool> {
    while let (Some(length), Some(kind)) = (u32_at(answer, 0), u16_at(answer, 4)) {
        let length = length as usize;
        let Some(body) = answer.get(HEADER..length) else { return Err(io::ErrorKind::InvalidData.into()) };
        match kind {
            // It carries the error that ended the dump early.
            NLMSG_DONE => return refusal(u32_at(body, 0).unwrap_or(0)).map_or(Ok(true), Err),
            NLMSG_ERROR => {
                let errno = u32_at(body, 0).ok_or(io::ErrorKind::InvalidData)?;
                return Err(refusal(errno).unwrap_or_else(|| io::ErrorKind::InvalidData.into()));
            }
            SOCK_DIAG_BY_FAMILY => take(body),
            _ => {}
        }
        answer = answer.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(false)
}

fn refusal(errno: u32) -> Option<io::Error> {
    let errno = errno.cast_signed();
    (errno < 0).then(|| io::Error::from_raw_os_error(errno.wrapping_neg()))
}

/// The attributes behind a message: kind and value. What is cut off ends them.
pub(super) struct Attributes<'a>(pub(super) &'a [u8]);

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (length, kind) = (usize::from(u16_at(self.0, 0)?), u16_at(self.0, 2)?);
        let value = self.0.get(4..length)?;
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    }
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_ne_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u16, body: &[u8]) -> Vec<u8> {
        let mut all = ((HEADER + body.len()) as u32).to_ne_bytes().to_vec();
        all.extend(kind.to_ne_bytes());
        all.extend([0; 10]);
        all.extend(body);
        all.resize(all.len().next_multiple_of(4), 0);
        all
    }

    #[test]
    fn messages_are_read_to_the_last_one() {
        let mut bodies = Vec::new();
        let mut answer = message(SOCK_DIAG_BY_FAMILY, &[1; 5]);
        answer.extend(message(99, &[2; 4]));
        answer.extend(message(SOCK_DIAG_BY_FAMILY, &[3; 4]));
        assert!(!read(&answer, |body| bodies.push(body.to_vec())).unwrap());
        answer.extend(message(NLMSG_DONE, &[0; 4]));
        assert!(read(&answer, |body| bodies.push(body.to_vec())).unwrap());
        assert_eq!(bodies, [vec![1; 5], vec![3; 4], vec![1; 5], vec![3; 4]]);
        // Wherever it is cut off, nothing is read beyond the end.
        for end in 0..answer.len() {
            let _ = read(&answer[..end], |_| {});
        }
    }

    #[test]
    fn a_dump_that_is_refused_is_an_error() {
        let error = (-libc::EPERM).to_ne_bytes();
        for kind in [NLMSG_ERROR, NLMSG_DONE] {
            let error = read(&message(kind, &error), |_| {}).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::EPERM));
        }
        assert!(read(&message(NLMSG_ERROR, &[])[..], |_| {}).is_err());
    }

    #[test]
    fn attributes_end_where_they_are_cut_off() {
        let mut bytes = Vec::new();
        for (kind, value) in [(7_u16, &b"abc"[..]), (8, b""), (9, b"12345678")] {
            bytes.extend((4 + value.len() as u16).to_ne_bytes());
            bytes.extend(kind.to_ne_bytes());
            bytes.extend(value);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        let all: Vec<_> = Attributes(&bytes).collect();
        assert_eq!(all, [(7, &b"abc"[..]), (8, b""), (9, b"12345678")]);
        for end in 0..bytes.len() {
            assert!(Attributes(&bytes[..end]).count() < 3);
        }
        assert_eq!(Attributes(&[0; 64]).count(), 0);
    }
}
