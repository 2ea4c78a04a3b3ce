//! Descriptors that are known only by their number.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd, RawFd};

/// A duplicate, closed on exec, of the descriptor with this number. The original stays as it is.
///
/// # Errors
/// Those of fcntl(2): EBADF where no such descriptor was open when this program was started.
pub fn duplicate(number: RawFd) -> io::Result<OwnedFd> {
    if number < 0 {
        return Err(io::Error::from_raw_os_error(libc::EBADF));
    }
    super::posix::inherited_flags(number)?;
    // SAFETY: the number is not -1, and it is only lent to fcntl(2), which checks that it is open. Nobody in
    // this program gets to own the original by this.
    let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
    // Not below 3, so that a closed stdin, stdout or stderr is not taken by accident.
    Ok(rustix::io::fcntl_dupfd_cloexec(borrowed, 3)?)
}

/// Whether this process may open so many descriptors more. That it may not, the C library keeps to itself: a file
/// that it cannot open is none.
#[must_use]
pub fn has_room(wanted: usize) -> bool {
    let opened: io::Result<Vec<_>> = (0..wanted).map(|_| std::fs::File::open("/dev/null")).collect();
    !matches!(opened, Err(error) if matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};
    use std::os::fd::AsRawFd as _;

    #[test]
    fn a_duplicate_is_the_same_file() {
        let (mut reader, writer) = io::pipe().unwrap();
        assert!(duplicate(writer.as_raw_fd()).is_err(), "it is our own");
        rustix::io::fcntl_setfd(&writer, rustix::io::FdFlags::empty()).unwrap();
        let copy = duplicate(writer.as_raw_fd()).unwrap();
        assert!(copy.as_raw_fd() >= 3);
        drop(writer);
        std::fs::File::from(copy).write_all(b"x").unwrap();
        let mut all = Vec::new();
        reader.read_to_end(&mut all).unwrap();
        assert_eq!(all, b"x");
        assert_eq!(duplicate(-1).unwrap_err().raw_os_error(), Some(libc::EBADF));
        assert_eq!(duplicate(1_000_000).unwrap_err().raw_os_error(), Some(libc::EBADF));
    }
}
