//! What every POSIX system has but no library in use wraps: name lookup with its own error codes, local
//! time, signal dispositions, descriptors that were opened by somebody else.

use std::ffi::{CStr, CString, OsString};
use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::ptr;
use std::sync::OnceLock;

/// Why a name has no address: the `EAI_` code of getaddrinfo(3) and its gai_strerror(3) text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookupError {
    /// `EAI_NONAME`, `EAI_AGAIN`, ... as <netdb.h> numbers them.
    pub code: i32,
    /// Its text.
    pub text: String,
}

/// What a lookup asks for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Hints {
    /// Only addresses of this family: `AF_INET`, `AF_INET6`, or 0 for both.
    pub family: i32,
    /// `SOCK_STREAM` or `SOCK_DGRAM`: which service table the port is looked up in.
    pub socktype: i32,
}

/// Looks up `host` and `service` as getaddrinfo(3) does: hosts file, DNS, `/etc/services`, order by RFC 6724.
///
/// The standard library's own lookup has no way to tell why a name failed.
///
/// # Errors
/// The `EAI_` code. A NUL in either string is `EAI_NONAME`.
pub fn lookup(host: &str, service: &str, hints: Hints) -> Result<Vec<SocketAddr>, LookupError> {
    let c_string = |text: &str| {
        CString::new(text).map_err(|_| LookupError { code: libc::EAI_NONAME, text: "NUL in a name".into() })
    };
    let (host, service) = (c_string(host)?, c_string(service)?);
    // SAFETY: addrinfo is plain data for which all zeroes is the documented "no hints".
    let mut wanted: libc::addrinfo = unsafe { MaybeUninit::zeroed().assume_init() };
    wanted.ai_family = hints.family;
    wanted.ai_socktype = hints.socktype;
    let mut list = ptr::null_mut();
    // SAFETY: the strings are NUL-terminated and live past the call; `list` is owned by us when it returns 0.
    let code = unsafe { libc::getaddrinfo(host.as_ptr(), service.as_ptr(), &wanted, &mut list) };
    if code != 0 {
        let text = if code == libc::EAI_SYSTEM {
            crate::error::words(&io::Error::last_os_error())
        } else {
            // SAFETY: gai_strerror returns a static string for every code.
            unsafe { CStr::from_ptr(libc::gai_strerror(code)) }.to_string_lossy().into_owned()
        };
        return Err(LookupError { code, text });
    }
    let mut found = Vec::new();
    let mut next = list;
    while !next.is_null() {
        // SAFETY: a non-null node of the list that getaddrinfo gave us; its ai_addr is valid for ai_addrlen bytes.
        let node = unsafe { &*next };
        // SAFETY: as above; socket2 copies the bytes.
        let address = unsafe {
            socket2::SockAddr::try_init(|storage, len| {
                ptr::copy_nonoverlapping(node.ai_addr.cast::<u8>(), storage.cast::<u8>(), node.ai_addrlen as usize);
                *len = node.ai_addrlen;
                Ok(())
            })
        };
        if let Some(address) = address.ok().and_then(|(_, address)| address.as_socket())
            && !found.contains(&address)
        {
            found.push(address);
        }
        next = node.ai_next;
    }
    // SAFETY: the list is ours and is not used after this.
    unsafe { libc::freeaddrinfo(list) };
    Ok(found)
}

/// The index of a network interface, if_nametoindex(3); digits are taken as the index itself.
///
/// # Errors
/// `ENODEV` when there is no such interface.
pub fn interface_index(name: &str) -> io::Result<u32> {
    if let Ok(index) = name.parse() {
        return Ok(index);
    }
    let name = CString::new(name).map_err(|_| io::Error::from_raw_os_error(libc::ENODEV))?;
    // SAFETY: a NUL-terminated string.
    match unsafe { libc::if_nametoindex(name.as_ptr()) } {
        0 => Err(io::Error::from_raw_os_error(libc::ENODEV)),
        index => Ok(index),
    }
}

/// The name of an interface, if_indextoname(3).
#[must_use]
pub fn interface_name(index: u32) -> Option<String> {
    let mut name = [0u8; libc::IF_NAMESIZE];
    // SAFETY: the buffer has the IF_NAMESIZE bytes that the call may write.
    let found = unsafe { libc::if_indextoname(index, name.as_mut_ptr().cast()) };
    if found.is_null() {
        return None;
    }
    CStr::from_bytes_until_nul(&name).ok()?.to_str().ok().map(str::to_owned)
}

/// The flags of a descriptor that this process was started with. All that it opens itself is closed on exec, which
/// nothing that came through exec can be: a number that is ours by accident is not open for whoever names it.
pub(super) fn inherited_flags(fd: RawFd) -> io::Result<i32> {
    // SAFETY: fcntl only looks at the number; a bad one is EBADF.
    match unsafe { libc::fcntl(fd, libc::F_GETFD) } {
        flags if flags < 0 => Err(io::Error::last_os_error()),
        flags if flags & libc::FD_CLOEXEC != 0 => Err(io::Error::from_raw_os_error(libc::EBADF)),
        flags => Ok(flags),
    }
}

/// Takes over a descriptor that this process was started with.
///
/// 0, 1 and 2 are duplicated (they stay what they are); any other becomes ours, close-on-exec from now on, so
/// that closing it is seen by the peer. No file flag of it changes.
///
/// # Errors
/// `EBADF` when it is not open, `ENOTSOCK` when it is no socket.
pub fn inherited_socket(fd: RawFd) -> io::Result<OwnedFd> {
    let flags = inherited_flags(fd)?;
    let mut stat = MaybeUninit::zeroed();
    // SAFETY: as above; the struct is ours and is only read after success.
    let stat: libc::stat = unsafe {
        if libc::fstat(fd, stat.as_mut_ptr()) < 0 {
            return Err(io::Error::last_os_error());
        }
        stat.assume_init()
    };
    if stat.st_mode & libc::S_IFMT != libc::S_IFSOCK {
        return Err(io::Error::from_raw_os_error(libc::ENOTSOCK));
    }
    if fd <= 2 {
        // SAFETY: a new descriptor, owned by nobody else.
        let copy = unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 3) };
        if copy < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: just made, checked above.
        return Ok(unsafe { OwnedFd::from_raw_fd(copy) });
    }
    // SAFETY: it is open; nothing else in this program owns a descriptor that the parent opened, as each
    // address names its own number and is bound once.
    unsafe {
        libc::fcntl(fd, libc::F_SETFD, flags | libc::FD_CLOEXEC);
        Ok(OwnedFd::from_raw_fd(fd))
    }
}

/// A writable descriptor that this process was started with, for `--ready-fd` and `--events fd:N`: a duplicate,
/// so that closing it leaves 0, 1 and 2 alone; any other number is closed as well.
///
/// # Errors
/// `EBADF` when it is not open.
pub fn inherited_output(fd: RawFd) -> io::Result<OwnedFd> {
    inherited_flags(fd)?;
    // SAFETY: a bad number is EBADF.
    let copy = unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 3) };
    if copy < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: just made.
    let copy = unsafe { OwnedFd::from_raw_fd(copy) };
    if fd > 2 && fd != copy.as_raw_fd() {
        // SAFETY: the number came from the parent and is owned by nothing else in this program.
        unsafe { libc::close(fd) };
    }
    Ok(copy)
}

/// How many descriptors this process may have open: RLIMIT_NOFILE of getrlimit(2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Descriptors {
    /// The limit that holds.
    pub soft: u64,
    /// How far the soft one may be raised without privilege.
    pub hard: u64,
}

/// The soft limit that this process was started with, when it has been raised since: programs that it starts get
/// it back, for those that use select(2) break beyond 1024.
static INHERITED: OnceLock<libc::rlimit> = OnceLock::new();

/// Raises the soft limit of open descriptors to the hard one; tells what it is now. Where the system says no, it
/// stays as it was.
#[must_use]
pub fn raise_descriptors() -> Descriptors {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: both calls take a struct of ours; a failure leaves things as they are.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) == 0 && limit.rlim_cur < limit.rlim_max {
            let raised = libc::rlimit { rlim_cur: limit.rlim_max, ..limit };
            if libc::setrlimit(libc::RLIMIT_NOFILE, &raised) == 0 {
                let _ = INHERITED.set(limit);
                limit = raised;
            }
        }
    }
    Descriptors { soft: number(limit.rlim_cur), hard: number(limit.rlim_max) }
}

/// A limit is signed on some systems, and none is the largest.
fn number(limit: impl TryInto<u64>) -> u64 {
    limit.try_into().unwrap_or(u64::MAX)
}

/// Whether the parent had this signal ignored: a shell's background job, `nohup`. It stays so then.
#[must_use]
pub fn is_ignored(signal: i32) -> bool {
    let mut now = MaybeUninit::zeroed();
    // SAFETY: a null action only asks.
    unsafe {
        libc::sigaction(signal, ptr::null(), now.as_mut_ptr()) == 0
            && now.assume_init_ref().sa_sigaction == libc::SIG_IGN
    }
}

/// Undoes what a parent may have left and what this program cannot work with: SIGCHLD ignored, so that
/// waiting for a child fails with ECHILD.
pub fn default_sigchld() {
    // SAFETY: sets a default disposition before any thread is started.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
}

/// Becomes another program: execvp(3). It inherits what this process was given, and nothing that is its own: handlers
/// of signals and descriptors of ours end with this program, the mask is empty, and SIGPIPE, which is ignored here, is
/// not. Comes back only when that fails.
pub fn become_program(argv: &[OsString]) -> io::Error {
    Command::new(&argv[0]).args(&argv[1..]).exec()
}

/// Makes a handler program start clean: default signals, an empty mask, no descriptor but 0, 1, 2, and a process
/// group of its own, so that it can be ended with all it started.
pub fn clean_child(command: &mut Command) {
    command.process_group(0);
    let inherited = INHERITED.get().copied();
    // SAFETY: the closure calls only async-signal-safe functions: signal, sigprocmask, setrlimit (a bare system
    // call), and fcntl or close_range.
    unsafe {
        command.pre_exec(move || {
            super::default_signals();
            let mut none = MaybeUninit::uninit();
            libc::sigemptyset(none.as_mut_ptr());
            libc::sigprocmask(libc::SIG_SETMASK, none.as_ptr(), ptr::null_mut());
            super::close_all_on_exec(3);
            if let Some(limit) = &inherited {
                libc::setrlimit(libc::RLIMIT_NOFILE, limit);
            }
            Ok(())
        });
    }
}

/// Sets close-on-exec on every descriptor from `first` up, one by one.
pub(super) fn close_on_exec_one_by_one(first: RawFd) {
    // SAFETY: sysconf and fcntl are async-signal-safe; a number that is not open is skipped with EBADF.
    unsafe {
        let most = libc::sysconf(libc::_SC_OPEN_MAX).clamp(256, 65_536) as RawFd;
        for fd in first..most {
            libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_literal_address_needs_no_name_server() {
        let found = lookup("127.0.0.1", "80", Hints { family: 0, socktype: libc::SOCK_STREAM }).unwrap();
        assert_eq!(found, ["127.0.0.1:80".parse().unwrap()]);
    }

    #[test]
    fn scopes_survive() {
        let found = lookup("fe80::1%lo", "80", Hints { family: 0, socktype: libc::SOCK_STREAM }).unwrap();
        let SocketAddr::V6(v6) = found[0] else { panic!("not IPv6: {found:?}") };
        assert_eq!(v6.scope_id(), interface_index("lo").unwrap());
        assert_eq!(interface_name(v6.scope_id()).as_deref(), Some("lo"));
    }

    #[test]
    fn an_unknown_service_is_told_by_its_code() {
        let error =
            lookup("127.0.0.1", "no-such-service", Hints { family: 0, socktype: libc::SOCK_STREAM }).unwrap_err();
        assert!([libc::EAI_SERVICE, libc::EAI_NONAME].contains(&error.code), "{error:?}");
        assert!(!error.text.is_empty());
    }

    #[test]
    fn a_descriptor_that_is_not_open_or_no_socket_is_refused() {
        assert_eq!(inherited_socket(987).unwrap_err().raw_os_error(), Some(libc::EBADF));
        let file = std::fs::File::open("/dev/null").unwrap();
        let error = |fd: RawFd| inherited_socket(fd).unwrap_err().raw_os_error();
        assert_eq!(error(file.as_raw_fd()), Some(libc::EBADF), "it is our own");
        rustix::io::fcntl_setfd(&file, rustix::io::FdFlags::empty()).unwrap();
        assert_eq!(error(file.as_raw_fd()), Some(libc::ENOTSOCK));
    }
}
