//! The accept queue of a UNIX listener, which only sock_diag(7) tells.

use std::io;
use std::os::fd::AsFd;

use super::netlink::{self, Attributes, NETLINK_SOCK_DIAG, NLM_F_REQUEST, SOCK_DIAG_BY_FAMILY, u32_at};

/// `<linux/unix_diag.h>`.
const UDIAG_SHOW_RQLEN: u32 = 0x10;
const UNIX_DIAG_RQLEN: u16 = 4;
/// unix_diag_msg, before the attributes.
const MESSAGE: usize = 16;

/// Connections that wait to be accepted, and how many may.
///
/// # Errors
/// Those of the netlink socket; that of the kernel where it forbids it; `InvalidData` for an answer without these
/// numbers.
pub fn unix_queue(listener: impl AsFd) -> io::Result<(u32, u32)> {
    let inode = u32::try_from(rustix::fs::fstat(listener)?.st_ino).map_err(io::Error::other)?;
    // unix_diag_req: family, protocol, pad, states, inode, what to show, and no cookie.
    let mut request = vec![libc::AF_UNIX as u8, 0, 0, 0];
    request.extend(u32::MAX.to_ne_bytes());
    request.extend(inode.to_ne_bytes());
    request.extend(UDIAG_SHOW_RQLEN.to_ne_bytes());
    request.extend([0xff; 8]);
    let socket = netlink::ask(NETLINK_SOCK_DIAG, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST, &request)?;
    let mut found = None;
    netlink::read(netlink::answer(&socket, &mut [0; 1024])?, |body| found = queue_in(body))?;
    found.ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Finds UNIX_DIAG_RQLEN among the attributes of a message.
pub(super) fn queue_in(body: &[u8]) -> Option<(u32, u32)> {
    let (_, queue) = Attributes(body.get(MESSAGE..)?).find(|(kind, _)| *kind == UNIX_DIAG_RQLEN)?;
    Some((u32_at(queue, 0)?, u32_at(queue, 4)?))
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
