//! What a server may still do once it serves: landlock(7) for files, seccomp(2) for system calls. Both hold for the
//! rest of the process's life, and neither needs privilege.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, LandlockStatus, NetPort, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};
use libc::c_long;
use seccompiler::{
    SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule, TargetArch,
    apply_filter_all_threads,
};

use crate::sys::confine::{Confined, Connects, Reach};

/// The newest Landlock whose rights are asked for; an older kernel holds what it knows.
const NEWEST: ABI = ABI::V6;

/// Nothing is opened by these, started, or reached: they move bytes between what is open, wait, take memory, and end.
const CALLS: &[c_long] = &[
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_pread64,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_pwrite64,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_recvmmsg,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_sendmmsg,
    libc::SYS_splice,
    libc::SYS_tee,
    libc::SYS_sendfile,
    libc::SYS_ppoll,
    libc::SYS_pselect6,
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2,
    libc::SYS_eventfd2,
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_shutdown,
    libc::SYS_socketpair,
    libc::SYS_pipe2,
    libc::SYS_getsockopt,
    libc::SYS_setsockopt,
    libc::SYS_getsockname,
    libc::SYS_getpeername,
    libc::SYS_close,
    libc::SYS_close_range,
    libc::SYS_dup,
    libc::SYS_dup3,
    libc::SYS_fcntl,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_lseek,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_ftruncate,
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_membarrier,
    libc::SYS_futex,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_getcpu,
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_gettimeofday,
    libc::SYS_getrandom,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// The same by their old names, which newer architectures have not.
#[cfg(target_arch = "x86_64")]
const OLD_CALLS: &[c_long] = &[
    libc::SYS_poll,
    libc::SYS_select,
    libc::SYS_epoll_create,
    libc::SYS_epoll_wait,
    libc::SYS_eventfd,
    libc::SYS_pipe,
    libc::SYS_dup2,
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_time,
];
#[cfg(not(target_arch = "x86_64"))]
const OLD_CALLS: &[c_long] = &[];

/// What is asked of a terminal or a socket; not TIOCSTI, which types into a terminal.
const REQUESTS: &[libc::Ioctl] = &[
    libc::TCGETS,
    libc::TCSETS,
    libc::TCSETSW,
    libc::TCSETSF,
    libc::TIOCGWINSZ,
    libc::FIONBIO,
    libc::FIONREAD,
    libc::FIOCLEX,
    libc::TIOCOUTQ,
];

/// What opens a file, and which of its arguments has the flags.
#[cfg(target_arch = "x86_64")]
const OPENING: &[(c_long, u8)] = &[(libc::SYS_openat, 2), (libc::SYS_open, 1)];
#[cfg(not(target_arch = "x86_64"))]
const OPENING: &[(c_long, u8)] = &[(libc::SYS_openat, 2)];

/// What connecting takes besides, and finding out why it failed; `socket` and [`OPENING`] with conditions.
const CONNECTING: &[c_long] = &[
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_readlinkat,
    libc::SYS_getdents64,
    libc::SYS_uname,
];
/// The same by their old names.
#[cfg(target_arch = "x86_64")]
const OLD_CONNECTING: &[c_long] = &[libc::SYS_access, libc::SYS_readlink];
#[cfg(not(target_arch = "x86_64"))]
const OLD_CONNECTING: &[c_long] = &[];

/// What is asked about interfaces: SIOCGIFNAME and SIOCGIFINDEX of netdevice(7).
const OF_INTERFACES: &[libc::Ioctl] = &[0x8910, 0x8933];

/// What getaddrinfo(3) reads.
const NAMES: &[&str] =
    &["nsswitch.conf", "host.conf", "hosts", "resolv.conf", "gai.conf", "services", "protocols", "networks"];
/// Where the modules of nsswitch.conf(5) are.
const LIBRARIES: &[&str] = &["/lib", "/lib64", "/usr/lib", "/usr/lib64"];

/// From here on this process reaches no file and no address that it has not open, and starts no program, but for
/// what `reach` names. Calls that are not allowed fail with EPERM; whoever makes them goes on.
///
/// All threads lose the calls. Files are lost by this thread and those that it starts.
#[must_use]
pub fn confine(reach: &Reach<'_>) -> Confined {
    let reads = reach.connects.map(readable).unwrap_or_default();
    Confined { landlock: landlock(reach, &reads), calls: seccomp(reach), reads }
}

/// The directories below which files are to be read. Not the files, for whoever changes one puts another in its place.
fn readable(connects: &Connects) -> Vec<PathBuf> {
    let mut dirs = vec![PathBuf::from("/proc")];
    if connects.names {
        let etc = Path::new("/etc");
        // A symbolic link may lead out of it: /run/systemd/resolve, /nix/store.
        let real = NAMES.iter().filter_map(|name| etc.join(name).canonicalize().ok());
        let behind = real.filter_map(|file| file.parent().map(Path::to_owned));
        let libraries = LIBRARIES.iter().map(PathBuf::from);
        for dir in std::iter::once(etc.to_owned()).chain(behind).chain(libraries) {
            if dir.is_dir() && !dirs.iter().any(|known| dir.starts_with(known)) {
                dirs.push(dir);
            }
        }
    }
    dirs
}

fn landlock(reach: &Reach<'_>, reads: &[PathBuf]) -> Result<u32, String> {
    // Without its rule, what is to be reached would not be.
    let writes = reach.writes.map(PathFd::new).transpose().map_err(|error| error.to_string())?;
    let restrict = || -> Result<_, RulesetError> {
        let mut rules = Ruleset::default()
            .handle_access(AccessFs::from_all(NEWEST))?
            .handle_access(AccessNet::from_all(NEWEST))?
            // Names of abstract sockets stay: datagrams are answered there.
            .scope(Scope::Signal)?
            .create()?;
        if let Some(dir) = reach.removes {
            rules = rules.add_rule(PathBeneath::new(dir, AccessFs::RemoveFile | AccessFs::RemoveDir))?;
        }
        for dir in reads.iter().filter_map(|dir| PathFd::new(dir).ok()) {
            rules = rules.add_rule(PathBeneath::new(dir, AccessFs::ReadFile | AccessFs::ReadDir))?;
        }
        if let Some(Connects { ports, from, .. }) = reach.connects {
            for port in ports {
                rules = rules.add_rule(NetPort::new(*port, AccessNet::ConnectTcp))?;
            }
            if let Some(port) = from {
                rules = rules.add_rule(NetPort::new(*port, AccessNet::BindTcp))?;
            }
        }
        if let Some(dir) = writes {
            rules = rules.add_rule(PathBeneath::new(dir, AccessFs::MakeReg | AccessFs::WriteFile))?;
        }
        rules.restrict_self()
    };
    let status = restrict().map_err(|error| error.to_string())?;
    match (status.ruleset, status.landlock) {
        (RulesetStatus::NotEnforced, LandlockStatus::NotEnabled) => Err("it is switched off".into()),
        (RulesetStatus::NotEnforced, _) => Err("this kernel has none".into()),
        (_, LandlockStatus::Available { effective_abi, kernel_abi }) => {
            Ok(kernel_abi.unwrap_or(effective_abi as i32).try_into().unwrap_or(0))
        }
        (_, _) => Err("this kernel has none".into()),
    }
}

fn seccomp(reach: &Reach<'_>) -> Result<usize, String> {
    let rules = rules(reach).map_err(|error| error.to_string())?;
    let calls = rules.len();
    let install = || -> Result<(), seccompiler::Error> {
        let arch: TargetArch = std::env::consts::ARCH.try_into()?;
        let forbid = SeccompAction::Errno(libc::EPERM as u32);
        let allowed = SeccompFilter::new(rules, forbid, SeccompAction::Allow, arch)?;
        // Its flags lie in memory, where no filter looks; without it the C library makes threads by clone(2).
        let clone3 = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
        let missing = SeccompAction::Errno(libc::ENOSYS as u32);
        let no_clone3 = SeccompFilter::new(clone3, SeccompAction::Allow, missing, arch)?;
        let programs: [seccompiler::BpfProgram; 2] = [no_clone3.try_into()?, allowed.try_into()?];
        // The second one forbids to add another.
        programs.iter().try_for_each(|program| apply_filter_all_threads(program))
    };
    install().map(|()| calls).map_err(|error| match error {
        seccompiler::Error::Seccomp(source) | seccompiler::Error::Prctl(source) => match source.raw_os_error() {
            Some(libc::ENOSYS | libc::EINVAL) => "this kernel has none".into(),
            _ => crate::error::words(&source),
        },
        other => other.to_string(),
    })
}

type Rules = BTreeMap<c_long, Vec<SeccompRule>>;

fn rules(reach: &Reach<'_>) -> Result<Rules, seccompiler::BackendError> {
    // Without conditions it is always allowed.
    let mut rules: Rules = CALLS.iter().chain(OLD_CALLS).map(|call| (*call, Vec::new())).collect();
    let when = |argument: u8, operation: SeccompCmpOp, value: u64| {
        SeccompRule::new(vec![SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operation, value)?])
    };
    // No code that was not there at the start.
    let no_code = || when(2, SeccompCmpOp::MaskedEq(libc::PROT_EXEC as u64), 0);
    let mut maps = vec![no_code()?];
    if reach.connects.is_some_and(|connects| connects.names) {
        // But for libraries, of which the C library has some for names.
        maps.push(when(3, SeccompCmpOp::MaskedEq(libc::MAP_ANONYMOUS as u64), 0)?);
    }
    rules.insert(libc::SYS_mmap, maps);
    rules.insert(libc::SYS_mprotect, vec![no_code()?]);
    // Threads, and no process.
    let thread = libc::CLONE_THREAD as u64;
    rules.insert(libc::SYS_clone, vec![when(0, SeccompCmpOp::MaskedEq(thread), thread)?]);
    rules.insert(libc::SYS_clone3, Vec::new());
    let about_interfaces = if reach.connects.is_some() { OF_INTERFACES } else { &[] };
    let requests = REQUESTS.iter().chain(about_interfaces);
    let requests: Result<_, _> =
        requests.map(|request| when(1, SeccompCmpOp::Eq, u64::from(*request as u32))).collect();
    rules.insert(libc::SYS_ioctl, requests?);
    rules.insert(libc::SYS_prctl, vec![when(0, SeccompCmpOp::Eq, libc::PR_SET_NAME as u64)?]);
    // Asks for limits, and sets none.
    let asks = SeccompCondition::new(2, SeccompCmpArgLen::Qword, SeccompCmpOp::Eq, 0)?;
    rules.insert(libc::SYS_prlimit64, vec![SeccompRule::new(vec![asks])?]);
    // abort(3).
    rules.insert(libc::SYS_tgkill, vec![when(0, SeccompCmpOp::Eq, std::process::id().into())?]);
    if reach.removes.is_some() {
        rules.insert(libc::SYS_unlinkat, Vec::new());
    }
    if reach.writes.is_some() {
        rules.extend(OPENING.iter().map(|(call, _)| (*call, Vec::new())));
    }
    if reach.connects.is_some() {
        rules.extend(CONNECTING.iter().chain(OLD_CONNECTING).map(|call| (*call, Vec::new())));
        // To read, and nothing that is not there.
        let writing = (libc::O_ACCMODE | libc::O_CREAT | libc::O_TRUNC) as u64;
        for (call, flags) in OPENING {
            rules.insert(*call, vec![when(*flags, SeccompCmpOp::MaskedEq(writing), 0)?]);
        }
        // Not raw ones.
        let mut sockets = vec![when(0, SeccompCmpOp::Eq, libc::AF_NETLINK as u64)?];
        for family in [libc::AF_INET, libc::AF_INET6, libc::AF_UNIX, libc::AF_VSOCK] {
            for kind in [libc::SOCK_STREAM, libc::SOCK_DGRAM, libc::SOCK_SEQPACKET] {
                let is = |argument, operation, value: i32| {
                    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operation, value as u64)
                };
                let conditions = vec![is(0, SeccompCmpOp::Eq, family)?, is(1, SeccompCmpOp::MaskedEq(0xf), kind)?];
                sockets.push(SeccompRule::new(conditions)?);
            }
        }
        rules.insert(libc::SYS_socket, sockets);
    }
    Ok(rules)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_open_start_or_reach_is_not_allowed() {
        let rules = rules(&Reach::default()).unwrap();
        for call in [
            libc::SYS_openat,
            libc::SYS_openat2,
            libc::SYS_unlinkat,
            libc::SYS_execve,
            libc::SYS_execveat,
            libc::SYS_socket,
            libc::SYS_connect,
            libc::SYS_bind,
            libc::SYS_ptrace,
            libc::SYS_kill,
            libc::SYS_seccomp,
            libc::SYS_process_vm_writev,
            libc::SYS_io_uring_setup,
        ] {
            assert!(!rules.contains_key(&call), "{call}");
        }
        assert_eq!(rules.len(), CALLS.len() + OLD_CALLS.len() + 8, "no call twice");
    }

    #[test]
    fn who_connects_starts_nothing_all_the_same() {
        let connects = Connects { names: true, ..Connects::default() };
        let rules = rules(&Reach { connects: Some(&connects), ..Reach::default() }).unwrap();
        for call in [
            libc::SYS_execve,
            libc::SYS_execveat,
            libc::SYS_unlinkat,
            libc::SYS_ptrace,
            libc::SYS_kill,
            libc::SYS_openat2,
        ] {
            assert!(!rules.contains_key(&call), "{call}");
        }
        for call in [libc::SYS_socket, libc::SYS_openat, libc::SYS_mmap] {
            assert!(!rules[&call].is_empty(), "{call} has conditions");
        }
        let connecting = CONNECTING.len() + OLD_CONNECTING.len() + OPENING.len() + 1;
        assert_eq!(rules.len(), CALLS.len() + OLD_CALLS.len() + 8 + connecting, "no call twice");
    }

    #[test]
    fn without_names_only_the_kernel_is_asked() {
        assert_eq!(readable(&Connects::default()), [Path::new("/proc")]);
        let names = readable(&Connects { names: true, ..Connects::default() });
        assert!(names.contains(&"/etc".into()) && names.contains(&"/lib".into()), "{names:?}");
    }
}
