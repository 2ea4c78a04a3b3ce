//! Another user, another root: what a server that was started by root gives up once it is bound.

use std::ffi::CString;
use std::io;
use std::mem::MaybeUninit;
use std::path::Path;
use std::ptr;

use rustix::path::Arg as _;

/// Room for an entry of the user or group database, in bytes; more is asked for when it does not fit.
const ROOM: usize = 1 << 14;
const MOST_ROOM: usize = 1 << 20;

/// A user and a group, as numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct User {
    /// The user.
    pub uid: u32,
    /// The group.
    pub gid: u32,
}

/// The number of a user and that of its group, by name: getpwnam_r(3).
///
/// # Errors
/// Those of the database. A name that it has not is `None`.
pub fn user_named(name: &str) -> io::Result<Option<User>> {
    let name = CString::new(name)?;
    entry(|entry, buffer, size, found| {
        // SAFETY: the name is NUL-terminated; the others are places of ours, of the size that is told.
        unsafe { libc::getpwnam_r(name.as_ptr(), entry, buffer, size, found) }
    })
    .map(|entry: Option<libc::passwd>| entry.map(|entry| User { uid: entry.pw_uid, gid: entry.pw_gid }))
}

/// The same by the number of the user: getpwuid_r(3).
///
/// # Errors
/// Those of the database. A number that it has not is `None`.
pub fn user_numbered(uid: u32) -> io::Result<Option<User>> {
    entry(|entry, buffer, size, found| {
        // SAFETY: the pointers are places of ours, of the size that is told.
        unsafe { libc::getpwuid_r(uid, entry, buffer, size, found) }
    })
    .map(|entry: Option<libc::passwd>| entry.map(|entry| User { uid: entry.pw_uid, gid: entry.pw_gid }))
}

/// The number of a group: getgrnam_r(3).
///
/// # Errors
/// Those of the database. A name that it has not is `None`.
pub fn group_named(name: &str) -> io::Result<Option<u32>> {
    let name = CString::new(name)?;
    entry(|entry, buffer, size, found| {
        // SAFETY: the name is NUL-terminated; the others are places of ours, of the size that is told.
        unsafe { libc::getgrnam_r(name.as_ptr(), entry, buffer, size, found) }
    })
    .map(|entry: Option<libc::group>| entry.map(|entry| entry.gr_gid))
}

/// Asks for an entry, with more room while it does not fit. Its pointers lead into that room, and are not for use.
fn entry<T>(
    mut ask: impl FnMut(*mut T, *mut libc::c_char, usize, *mut *mut T) -> libc::c_int,
) -> io::Result<Option<T>> {
    let mut room = ROOM;
    loop {
        let mut buffer = vec![0; room];
        let mut entry = MaybeUninit::uninit();
        let mut found = ptr::null_mut();
        match ask(entry.as_mut_ptr(), buffer.as_mut_ptr(), room, &mut found) {
            // SAFETY: found is the entry, which was filled then.
            0 => return Ok((!found.is_null()).then(|| unsafe { entry.assume_init() })),
            libc::ERANGE if room < MOST_ROOM => room *= 2,
            // What the manual lists for "not found" beside 0.
            libc::ENOENT | libc::ESRCH => return Ok(None),
            error => return Err(io::Error::from_raw_os_error(error)),
        }
    }
}

/// Another root directory, and the way into it: chroot(2), chdir(2).
///
/// # Errors
/// EPERM without privilege; those of a path.
pub fn change_root(dir: &Path) -> io::Result<()> {
    let dir = dir.into_c_str()?;
    // SAFETY: both strings are NUL-terminated.
    if unsafe { libc::chroot(dir.as_ptr()) < 0 || libc::chdir(c"/".as_ptr()) < 0 } {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Becomes this user with this group and no other, for good, in all threads: setgroups(2), setgid(2), setuid(2).
///
/// # Errors
/// EPERM without privilege.
pub fn become_user(user: User) -> io::Result<()> {
    let User { uid, gid } = user;
    // SAFETY: one group, at a place of ours. The C library has every thread do it.
    if unsafe { libc::setgroups(1, &gid) < 0 || libc::setgid(gid) < 0 || libc::setuid(uid) < 0 } {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: takes no pointer. There must be no way back.
    if uid != 0 && unsafe { libc::setuid(0) } == 0 {
        return Err(io::Error::other("root was not given up"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_is_known_and_nobody_else_by_chance() {
        let root = User { uid: 0, gid: 0 };
        assert_eq!(user_named("root").unwrap(), Some(root));
        assert_eq!(user_numbered(0).unwrap(), Some(root));
        assert_eq!(user_named("no such user").unwrap(), None);
        assert_eq!(user_numbered(3_999_999_999).unwrap(), None);
        assert_eq!(group_named("no such group").unwrap(), None);
        assert!(user_named("a\0b").is_err());
    }
}
