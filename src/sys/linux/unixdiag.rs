//! The accept queue of a UNIX listener, which only sock_diag(7) tells.

use std::io;
use std::os::fd::AsFd;

use socket2::{Domain, Protocol, Socket, Type};

/// `<linux/sock_diag.h>`, `<linux/unix_diag.h>`, `<linux/netlink.h>`.
const NETLINK_SOCK_DIAG: i32 = 4;
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLM_F_REQUEST: u16 = 1;
const UDIAG_SHOW_RQLEN: u32 = 0x10;
const UNIX_DIAG_RQLEN: u16 = 4;
const HEADER: usize = 16;
const MESSAGE: usize = 16;

/// Connections that wait to be accepted, and how many may.
///
/// # Errors
/// Those of the netlink socket; `InvalidData` for an answer without these numbers.
pub fn unix_queue(listener: impl AsFd) -> io::Result<(u32, u32)> {
    let inode = u32::try_from(rustix::fs::fstat(listener)?.st_ino).map_err(io::Error::other)?;
    let socket = Socket::new(Domain::from(libc::AF_NETLINK), Type::DGRAM, Some(Protocol::from(NETLINK_SOCK_DIAG)))?;
    // nlmsghdr: length, type, flags, sequence, port; then unix_diag_req: family, protocol, pad, states, inode,
    // what to show, and no cookie.
    let mut request = Vec::with_capacity(HEADER + 24);
    request.extend(40u32.to_ne_bytes());
    request.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    request.extend(NLM_F_REQUEST.to_ne_bytes());
    request.extend([0; 8]);
    request.extend([libc::AF_UNIX as u8, 0, 0, 0]);
    request.extend(u32::MAX.to_ne_bytes());
    request.extend(inode.to_ne_bytes());
    request.extend(UDIAG_SHOW_RQLEN.to_ne_bytes());
    request.extend([0xff; 8]);
    socket.send(&request)?;
    let mut answer = [0; 1024];
    let (_, length) = rustix::net::recv(&socket, &mut answer, rustix::net::RecvFlags::empty())?;
    queue_in(&answer[..length.min(answer.len())]).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Finds UNIX_DIAG_RQLEN among the attributes of one answer.
pub(super) fn queue_in(answer: &[u8]) -> Option<(u32, u32)> {
    let u16_at = |at: usize| Some(u16::from_ne_bytes(answer.get(at..at + 2)?.try_into().ok()?));
    let u32_at = |at: usize| Some(u32::from_ne_bytes(answer.get(at..at + 4)?.try_into().ok()?));
    if u16_at(4)? != SOCK_DIAG_BY_FAMILY {
        return None;
    }
    let mut at = HEADER + MESSAGE;
    loop {
        let (length, kind) = (usize::from(u16_at(at)?), u16_at(at + 2)?);
        if kind == UNIX_DIAG_RQLEN {
            return Some((u32_at(at + 4)?, u32_at(at + 8)?));
        }
        if length < 4 {
            return None;
        }
        at += length.next_multiple_of(4);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::{UnixListener, UnixStream};

    #[test]
    fn the_queue_fills_as_clients_come() {
        let dir = std::env::temp_dir().join(format!("sockkit-unixdiag-{}", std::process::id()));
        let _ = std::fs::remove_file(&dir);
        let listener = UnixListener::bind(&dir).unwrap();
        let (empty, limit) = unix_queue(&listener).unwrap();
        let _client = UnixStream::connect(&dir).unwrap();
        let (one, same) = unix_queue(&listener).unwrap();
        std::fs::remove_file(&dir).unwrap();
        assert_eq!((empty, one, limit), (0, 1, same));
        assert!(limit > 0);
    }

    #[test]
    fn no_answer_is_mistaken_for_one() {
        assert_eq!(queue_in(&[]), None);
        assert_eq!(queue_in(&[0; 64]), None);
    }
}
