//! Every call of the kernel that can fail is made to fail, one at a time: strace(1) answers the n-th of a kind with
//! an error instead of making it. Whatever fails: nobody panics or hangs, no descriptor stays behind, what is lost
//! is told, and a server goes on or says why not.
//!
//! A usual run fails the first and the last call of each kind; `SOCKKIT_FAULTS=all` fails them all, and
//! `SOCKKIT_FAULTS=accept4` or `accept4:EMFILE:2` only these.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream, UdpSocket};
use std::os::unix::net::UnixListener;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use rustix::process::Signal;

use crate::support::{Cmd, Ctx, Data, In, Proc, listener, poll_until, readable, trials};

pub(crate) fn tests() -> Vec<Trial> {
    trials!["inject";
        connect_with_files [Strace] 3000,
        connect_with_pipes [Strace] 3000,
        connect_with_copies [Strace] 3000,
        listen_with_files [Strace] 3000,
        listen_with_pipes [Strace] 3000,
        keep_open_with_a_reply [Strace] 3000,
        keep_open_with_a_program [Strace] 3000,
        keep_open_into_files [Strace] 3000,
        echo [Strace] 3000,
        echo_over_udp [Strace] 3000,
        chat [Strace] 3000,
        relay_to_tcp [Strace] 3000,
        relay_to_unix [Strace] 3000,
        relay_to_udp [Strace] 3000,
        relay_by_name [Strace] 3000,
        relay_with_faults [Strace] 3000,
        relay_of_one_session [Strace] 3000,
    ]
}

/// So much goes each way.
const SIZE: usize = 100_000;
/// How long a run may take, on a busy machine.
const LIMIT: Duration = Duration::from_secs(30);

/// What a call may answer. Its order is that of likelihood: the first is tried in every run.
const ERRORS: &[(&[&str], &[&str])] = &[
    (&["read", "readv"], &["EINTR", "EAGAIN", "EIO", "ENOMEM"]),
    (&["write", "writev"], &["EINTR", "EAGAIN", "EIO", "EPIPE", "ENOSPC"]),
    (&["recvfrom", "recvmsg", "recvmmsg"], &["EINTR", "EAGAIN", "ECONNRESET", "ENOMEM"]),
    (&["sendto", "sendmsg", "sendmmsg"], &["EINTR", "EAGAIN", "ECONNRESET", "EPIPE", "ENOBUFS"]),
    (&["splice", "sendfile"], &["EINTR", "EAGAIN", "EINVAL", "ECONNRESET", "EIO", "ENOMEM"]),
    (&["poll", "ppoll"], &["EINTR", "ENOMEM"]),
    (&["epoll_wait", "epoll_pwait"], &["EINTR"]),
    (&["epoll_ctl"], &["ENOMEM", "ENOSPC"]),
    (&["socket", "socketpair", "pipe2", "epoll_create1", "eventfd2", "dup", "dup2", "dup3"], &["EMFILE", "ENOMEM"]),
    (&["openat", "open"], &["EMFILE", "EACCES", "EINTR"]),
    (&["accept4", "accept"], &["ECONNABORTED", "EMFILE", "EINTR", "EPERM", "ENOBUFS"]),
    (&["connect"], &["ECONNREFUSED", "ENETUNREACH", "EADDRNOTAVAIL", "EINTR"]),
    (&["bind", "listen"], &["EADDRINUSE", "EACCES"]),
    (&["getsockname", "getsockopt", "setsockopt"], &["ENOBUFS", "EPERM"]),
    (&["getpeername"], &["ENOTCONN", "ENOBUFS"]),
    (&["shutdown"], &["ENOTCONN"]),
    (&["fcntl"], &["EPERM", "EINVAL"]),
    (&["ioctl"], &["ENOTTY", "EINVAL"]),
    (
        &["fstat", "stat", "lstat", "newfstatat", "statx", "readlink", "readlinkat", "access", "faccessat2"],
        &["EACCES", "ENOENT"],
    ),
    (
        &["rename", "renameat", "renameat2", "unlink", "unlinkat", "mkdir", "mkdirat", "getcwd", "chdir"],
        &["EACCES", "EROFS"],
    ),
    (&["getdents64"], &["ENOENT"]),
    (&["lseek", "ftruncate", "fsync", "fdatasync", "fadvise64"], &["EIO", "EINVAL"]),
    (&["clone", "clone3", "fork", "vfork"], &["EAGAIN", "ENOMEM"]),
    (&["execve"], &["EACCES", "ENOMEM"]),
    (&["wait4", "waitid"], &["EINTR", "ECHILD"]),
    (&["pidfd_open", "pidfd_send_signal", "close_range"], &["ENOSYS", "EPERM"]),
    (&["kill"], &["ESRCH", "EPERM"]),
    (&["setpgid", "prlimit64", "sched_setaffinity", "uname", "sysinfo", "sched_getaffinity"], &["EPERM"]),
    (&["rt_sigaction", "rt_sigprocmask"], &["EINVAL"]),
    (&["clock_nanosleep", "nanosleep", "clock_gettime"], &["EINTR"]),
    (
        &["prctl", "seccomp", "landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self"],
        &["ENOSYS", "EOPNOTSUPP", "EINVAL", "EPERM"],
    ),
];

/// What is left out, for these cannot fail, or are the loader's, the allocator's and the standard library's own, which
/// end the process in words of theirs, or get by in another way. `close` that is not made would leave its descriptor behind by itself.
const LEFT_OUT: &[&str] = &[
    "arch_prctl",
    "brk",
    "close",
    "exit",
    "exit_group",
    "futex",
    "getegid",
    "geteuid",
    "getrandom",
    "getgid",
    "getpid",
    "getppid",
    "gettid",
    "getuid",
    "madvise",
    "membarrier",
    "mmap",
    "mprotect",
    "mremap",
    "munmap",
    "pread64",
    "restart_syscall",
    "rseq",
    "rt_sigreturn",
    "sched_yield",
    "set_robust_list",
    "set_tid_address",
    "sigaltstack",
    "tgkill",
    "umask",
];

/// The first call of ours, after those of the loader and of the standard library: what they do when a call fails is
/// not for us to mend.
const BEGIN: &str = "rt_sigaction(SIGCHLD, {sa_handler=SIG_DFL";

/// The n-th call of a kind answers this.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Fault {
    call: String,
    error: &'static str,
    nth: usize,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}", self.call, self.error, self.nth)
    }
}

/// Calls that cannot fail so, and whose makers have no other words for it than a panic, or none: the standard library's
/// read of what became of a child that it started, the runtime's write(2) to an eventfd(2) of its own, and the C
/// library's when it makes a thread, with no signal allowed until that is done. As strace shows them.
const IMPOSSIBLE: [&str; 5] = [
    ", 8, 0, NULL, NULL) = ",
    r#""\1\0\0\0\0\0\0\0", 8)"#,
    "rt_sigprocmask(SIG_SETMASK, [], NULL, 8)",
    "rt_sigprocmask(SIG_BLOCK, ~[], ",
    "rt_sigprocmask resumed>",
];

/// One run of a scenario, with a fault or without.
struct Run<'t> {
    t: &'t Ctx,
    fault: Option<Fault>,
    number: usize,
}

impl Run<'_> {
    /// The program under strace(1), which is a process of its own here, so that ours keeps its place.
    fn wrap(&self, cmd: Cmd) -> Cmd {
        let log = self.log();
        let mut strace = vec!["strace".to_owned(), "-D".into(), "-f".into(), "-qq".into(), "-o".into(), log];
        if let Some(Fault { call, error, nth }) = &self.fault {
            strace.extend(["-e".into(), format!("trace={call}"), "-e".into(), "signal=none".into()]);
            strace.extend(["-e".into(), format!("inject={call}:error={error}:when={nth}")]);
        }
        cmd.under(&strace)
    }

    fn log(&self) -> String {
        self.t.file(&format!("strace-{}", self.number))
    }

    /// A file of this run.
    fn file(&self, name: &str) -> String {
        self.t.file(&format!("{name}-{}", self.number))
    }

    fn is(&self, calls: &[&str]) -> bool {
        self.fault.as_ref().is_some_and(|fault| calls.contains(&fault.call.as_str()))
    }

    /// What holds of every end: it is no crash, and a failure has its words, unless it is these that could not be
    /// written.
    fn end(&self, code: i32, stderr: &str) {
        assert!(code < 128 || code == 143, "ended by a signal: {code}; {stderr}");
        assert!(!stderr.contains("panicked") && !stderr.contains("fatal runtime"), "{stderr}");
        let wordless = self.is(&["write", "ppoll", "poll"]);
        assert!(
            code == 0 || wordless || code == 143 || stderr.contains("sockkit"),
            "exit {code} without a word: {stderr}"
        );
    }
}

/// Runs the scenario once as it is and once for each fault; gathers what does not hold. `spurious`: whether calls that wait for something may also say that it is not there yet. Not where the edges of
/// epoll(7) are waited for: none comes where there was something all along.
fn round(t: &Ctx, spurious: bool, scenario: impl Fn(&Run<'_>)) {
    let plain = Run { t, fault: None, number: 0 };
    scenario(&plain);
    let mut faults = faults(&plain);
    faults.retain(|fault| spurious || fault.error != "EAGAIN" || fault.call.starts_with("clone"));
    assert!(faults.len() > 20 || std::env::var_os("SOCKKIT_FAULTS").is_some(), "only {} faults", faults.len());
    let mut wrong = Vec::new();
    for (nth, fault) in faults.iter().enumerate() {
        let run = Run { t, fault: Some(fault.clone()), number: nth + 1 };
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| scenario(&run))) {
            let why = panic.downcast_ref::<String>().cloned();
            let why = why.or_else(|| panic.downcast_ref::<&str>().map(|why| (*why).to_owned()));
            let log = fs::read_to_string(run.log()).unwrap_or_default();
            let mut injected = log.lines().filter(|line| line.contains("(INJECTED)"));
            if !injected.any(|line| IMPOSSIBLE.iter().any(|words| line.contains(words))) {
                wrong.push(format!("{fault}: {}", why.unwrap_or_default()));
            }
        } else {
            let _ = fs::remove_file(run.log());
        }
    }
    if std::env::var_os("SOCKKIT_FAULTS").is_some() {
        let what = fs::read_to_string(plain.log()).unwrap_or_default();
        let what = what.lines().next().unwrap_or_default().to_owned();
        let mut stdout = std::io::stdout();
        let _ = writeln!(stdout, "{} faults: {what}", faults.len());
    }
    assert!(wrong.is_empty(), "{} of {} faults:\n{}", wrong.len(), faults.len(), wrong.join("\n"));
}

/// The faults that this run could have had.
fn faults(plain: &Run<'_>) -> Vec<Fault> {
    let wanted = std::env::var("SOCKKIT_FAULTS").ok();
    let text = fs::read_to_string(plain.log()).unwrap();
    let main = text.split_whitespace().next().unwrap();
    // By call: how many the loader and the standard library made, and the most that one thread made.
    let mut counts: BTreeMap<&str, (usize, BTreeMap<&str, usize>)> = BTreeMap::new();
    let mut begun = false;
    for line in text.lines() {
        let Some((pid, rest)) = line.split_once(' ') else { continue };
        let rest = rest.trim_start();
        if rest.starts_with(['<', '+', '-']) {
            continue;
        }
        begun |= rest.starts_with(BEGIN);
        let Some((call, _)) = rest.split_once('(') else { continue };
        let (before, threads) = counts.entry(call).or_default();
        if begun {
            *threads.entry(pid).or_default() += 1;
        } else {
            assert_eq!(pid, main);
            *before += 1;
        }
    }
    assert!(begun, "{BEGIN} is not in the log");
    let mut faults = Vec::new();
    for (call, (before, threads)) in counts {
        if LEFT_OUT.contains(&call) {
            continue;
        }
        let Some((_, errors)) = ERRORS.iter().find(|(calls, _)| calls.contains(&call)) else {
            panic!("{call} is in no table of this test");
        };
        let last = threads.iter().map(|(pid, count)| if *pid == main { before + count } else { *count }).max();
        for nth in before + 1..=last.unwrap_or(0) {
            for error in *errors {
                let fault = Fault { call: call.to_owned(), error, nth };
                let is_short = (nth == before + 1 || Some(nth) == last) && *error == errors[0];
                let take = match wanted.as_deref() {
                    None => is_short,
                    Some("all") => true,
                    Some(wanted) => fault.call == wanted || fault.to_string() == wanted,
                };
                if take {
                    faults.push(fault);
                }
            }
        }
    }
    faults
}

/// Reads to the end, for [`LIMIT`] at most; what came, and whether it was an orderly end.
fn read_some(mut stream: impl Read) -> (Vec<u8>, Result<(), std::io::Error>) {
    let mut all = Vec::new();
    let end = stream.read_to_end(&mut all).map(|_| ());
    (all, end)
}

fn is_late(end: &Result<(), std::io::Error>) -> bool {
    end.as_ref()
        .is_err_and(|error| matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut))
}

/// Dials a server that may be gone by now.
fn dial(proc: &Proc, addr: &str) -> Option<TcpStream> {
    let stream = TcpStream::connect(addr.trim());
    let stream = match stream {
        Ok(stream) => stream,
        Err(error) => {
            poll_until(&format!("a server that refuses ({error}) to end"), || (!proc.is_running()).then_some(()));
            return None;
        }
    };
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream.set_write_timeout(Some(LIMIT)).unwrap();
    Some(stream)
}

fn ours() -> Vec<u8> {
    Data::new(1).bytes(SIZE)
}

fn theirs() -> Vec<u8> {
    Data::new(2).bytes(SIZE)
}

/// A peer that takes one connection, reads it to its end and answers; what came.
fn peer() -> (std::thread::JoinHandle<Vec<u8>>, String) {
    let (listener, addr) = listener();
    let thread = std::thread::spawn(move || {
        if !readable(&listener, LIMIT) {
            return Vec::new();
        }
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        stream.set_write_timeout(Some(LIMIT)).unwrap();
        let (came, end) = read_some(&stream);
        if end.is_ok() {
            let _ = stream.write_all(&theirs());
        }
        came
    });
    (thread, addr)
}

/// What holds of a client, and of a server with one session, however its files are.
fn whole(run: &Run<'_>, proc: &mut Proc, output: impl FnOnce() -> Vec<u8>, came: impl FnOnce() -> Vec<u8>) {
    let exit = proc.wait_within(LIMIT);
    run.end(exit.code, &exit.stderr);
    if exit.code == 0 {
        let (output, came) = (output(), came());
        assert!(output == theirs(), "exit 0, and {} of {SIZE} bytes on stdout; {}", output.len(), exit.stderr);
        assert!(came == ours(), "exit 0, and {} of {SIZE} bytes reached the peer; {}", came.len(), exit.stderr);
    } else {
        assert!(run.fault.is_some(), "exit {}: {}", exit.code, exit.stderr);
    }
}

fn connect_with(t: &Ctx, args: &[&str], files: bool) {
    round(t, true, |run| {
        let (peer, addr) = peer();
        let args: Vec<String> = args.iter().map(|arg| arg.replace("FILE", &run.file("copy"))).collect();
        let cmd = run.wrap(t.connect(&["-w", "5"]).args(&args).args(&[&addr]));
        let (input, output) = (run.file("in"), run.file("out"));
        fs::write(&input, ours()).unwrap();
        let mut proc = if files {
            let stdin = fs::File::open(&input).unwrap();
            let stdout = fs::File::create(&output).unwrap();
            cmd.stdin(In::Fd(stdin.into())).stdout(crate::support::Out::Fd(stdout.into())).spawn()
        } else {
            let mut proc = cmd.piped().spawn();
            proc.write(&ours());
            proc.close_stdin();
            proc
        };
        let capture = proc.stdout.clone();
        whole(
            run,
            &mut proc,
            || if files { fs::read(&output).unwrap() } else { capture.bytes() },
            || peer.join().unwrap(),
        );
        // One that nobody came to would wait for its time to pass.
        drop(TcpStream::connect(&addr));
        if let Ok(copy) = fs::read(run.file("copy"))
            && run.fault.is_none()
        {
            assert!(copy.len() >= 2 * SIZE, "{}", copy.len());
        }
    });
}

fn connect_with_files(t: &Ctx) {
    connect_with(t, &[], true);
}

fn connect_with_pipes(t: &Ctx) {
    connect_with(t, &[], false);
}

fn connect_with_copies(t: &Ctx) {
    connect_with(t, &["--output", "FILE", "-i", "20"], true);
}

/// Waits until a server has told where it listens; `None` when it ended instead.
fn ready(proc: &Proc, file: &str) -> Option<String> {
    let told = || fs::read_to_string(file).ok().filter(|text| text.ends_with('\n'));
    poll_until("a server that is ready, or ends", || {
        let addr = told();
        (addr.is_some() || !proc.is_running()).then_some(addr)
    })
}

fn listen_with(t: &Ctx, files: bool) {
    round(t, true, |run| {
        let ready_file = run.file("ready");
        let cmd = run.wrap(t.listen(&["--ready-file", &ready_file, "127.0.0.1:0"]));
        let (input, output) = (run.file("in"), run.file("out"));
        fs::write(&input, ours()).unwrap();
        let mut proc = if files {
            let stdin = fs::File::open(&input).unwrap();
            let stdout = fs::File::create(&output).unwrap();
            cmd.stdin(In::Fd(stdin.into())).stdout(crate::support::Out::Fd(stdout.into())).spawn()
        } else {
            cmd.piped().spawn()
        };
        if !files {
            let mut stdin = proc.take_stdin();
            std::thread::spawn(move || stdin.write_all(&ours()));
        }
        let mut came = Vec::new();
        if let Some(addr) = ready(&proc, &ready_file)
            && let Some(mut stream) = dial(&proc, &addr)
        {
            let mut other = stream.try_clone().unwrap();
            let sender = std::thread::spawn(move || {
                let _ = other.write_all(&theirs()).and_then(|()| other.shutdown(Shutdown::Write));
            });
            let (all, end) = read_some(&mut stream);
            assert!(!is_late(&end), "the session does not end");
            came = all;
            sender.join().unwrap();
            // An accept that went wrong took the one connection with it, and it goes on waiting for another.
            if run.is(&["accept4", "accept", "getpeername", "getsockname", "fcntl"])
                && !proc.ends_within(Duration::from_secs(5))
            {
                let told = proc.stderr.text();
                assert!(
                    ["before it was taken", "take more"].iter().any(|words| told.contains(words))
                        || run.is(&["accept4", "accept"]),
                    "{told}"
                );
                proc.signal(Signal::TERM);
            }
        }
        let capture = proc.stdout.clone();
        whole(run, &mut proc, || if files { fs::read(&output).unwrap() } else { capture.bytes() }, || came);
    });
}

fn listen_with_files(t: &Ctx) {
    listen_with(t, true);
}

fn listen_with_pipes(t: &Ctx) {
    listen_with(t, false);
}

/// A server that goes on, and three sessions one after another. `talk` says of one session whether it went well.
fn server(t: &Ctx, args: &[&str], talk: impl Fn(&Run<'_>, &Proc, &str) -> Result<(), String>) {
    let usual = std::cell::Cell::new(0);
    round(t, false, |run| {
        let ready_file = run.file("ready");
        let mut args: Vec<String> = args.iter().map(|arg| arg.replace("DIR", &run.file("dir"))).collect();
        let at = if args[0] == "chat" { 2 } else { 1 };
        args.splice(at..at, ["--ready-file".to_owned(), ready_file.clone(), "--grace".into(), "2".into()]);
        let mut proc = run.wrap(t.sockkit(&[]).args(&args)).spawn();
        let mut bad = Vec::new();
        if let Some(addr) = ready(&proc, &ready_file) {
            for _ in 0..3 {
                if proc.is_running()
                    && let Err(why) = talk(run, &proc, addr.trim())
                {
                    bad.push(why);
                }
            }
            if proc.is_running() {
                if run.fault.is_none() {
                    usual.set(settled(&proc));
                } else {
                    // A fault at the start may well leave less.
                    let most = usual.get();
                    let what = format!("{} descriptors to become {most}: {:?}", proc.fds(), open_files(&proc));
                    let now = proc.fds();
                    if now > most {
                        poll_until(&what, || (proc.fds() <= most || !proc.is_running()).then_some(()));
                    }
                }
                proc.signal(Signal::TERM);
                // What a signal sets off is a send(2), for which the kernel may have no memory: then the second one
                // ends it.
                if run.is(&["sendto"]) && !proc.ends_within(Duration::from_secs(5)) {
                    proc.signal(Signal::TERM);
                }
            }
        }
        let exit = proc.wait_within(LIMIT);
        run.end(exit.code, &exit.stderr);
        assert!(exit.code != 0, "a server ended with 0: {}", exit.stderr);
        // What went wrong in one session is told, and goes wrong in no other.
        let ended = exit.code != 143;
        // A program that is started for each counts its own calls, and so does a thread that looks up a name.
        let each = args.iter().any(|arg| arg == "--exec" || arg.starts_with("localhost"));
        let most = if each { 3 } else { 1 };
        assert!(ended || bad.len() <= most, "{bad:?}; {}", exit.stderr);
        let told = exit.stderr.lines().any(|line| {
            ["warning", "reset", "sockkit", "cannot", "failed", "lost", "error", "ended with"]
                .iter()
                .any(|word| line.contains(word))
        });
        let wordless = run.is(&["write", "ppoll", "poll"]);
        assert!(bad.is_empty() || told || wordless, "{bad:?}, and not a word of it: {}", exit.stderr);
        assert!(run.fault.is_some() || (exit.code == 143 && bad.is_empty()), "{}: {bad:?}; {}", exit.code, exit.stderr);
    });
}

/// How many descriptors it has once nothing changes.
fn settled(proc: &Proc) -> usize {
    let mut last = (proc.fds(), Instant::now());
    poll_until("descriptors to stay the same", || {
        let now = proc.fds();
        if now != last.0 {
            last = (now, Instant::now());
        }
        (last.1.elapsed() > Duration::from_millis(300)).then_some(now)
    })
}

fn open_files(proc: &Proc) -> Vec<String> {
    let dir = format!("/proc/{}/fd", proc.pid());
    let links = fs::read_dir(dir).into_iter().flatten().flatten();
    links.filter_map(|fd| Some(fs::read_link(fd.path()).ok()?.display().to_string())).collect()
}

/// Sends, ends, and reads to the end: `wanted` has to come.
fn ask(proc: &Proc, addr: &str, send: &[u8], wanted: &[u8]) -> Result<(), String> {
    let Some(mut stream) = dial(proc, addr) else { return Err("refused".into()) };
    let mut other = stream.try_clone().unwrap();
    let send = send.to_vec();
    let sender = std::thread::spawn(move || other.write_all(&send).and_then(|()| other.shutdown(Shutdown::Write)));
    let (came, end) = read_some(&mut stream);
    assert!(!is_late(&end), "a session that does not end: {} bytes came", came.len());
    let _ = sender.join();
    if came == wanted { Ok(()) } else { Err(format!("{} of {} bytes, {end:?}", came.len(), wanted.len())) }
}

fn keep_open_with_a_reply(t: &Ctx) {
    server(t, &["listen", "-k", "--reply", "pong", "127.0.0.1:0"], |_, proc, addr| ask(proc, addr, b"ping", b"pong"));
}

fn keep_open_with_a_program(t: &Ctx) {
    let args = ["listen", "-k", "--exec", "cat", "127.0.0.1:0"];
    server(t, &args, |_, proc, addr| ask(proc, addr, &ours(), &ours()));
}

fn keep_open_into_files(t: &Ctx) {
    let args = ["listen", "-k", "--output-dir", "DIR", "127.0.0.1:0"];
    server(t, &args, |run, proc, addr| {
        let dir = run.file("dir");
        let sizes = || -> Vec<u64> {
            let files = fs::read_dir(&dir).into_iter().flatten().flatten();
            files.map(|file| file.metadata().map_or(0, |file| file.len())).collect()
        };
        let before = sizes().len();
        ask(proc, addr, &ours(), b"")?;
        let now = sizes();
        let last = now.iter().filter(|size| **size == SIZE as u64).count();
        if now.len() == before + 1 && last >= 1 { Ok(()) } else { Err(format!("files: {now:?}")) }
    });
}

fn echo(t: &Ctx) {
    server(t, &["echo", "127.0.0.1:0"], |_, proc, addr| ask(proc, addr, &ours(), &ours()));
}

fn echo_over_udp(t: &Ctx) {
    server(t, &["echo", "-i", "0.05", "udp://127.0.0.1:0"], |_, _, addr| ping(addr));
}

/// One datagram there and back.
fn ping(addr: &str) -> Result<(), String> {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
    let addr = addr.strip_prefix("udp://").unwrap();
    socket.send_to(b"ping", addr).map_err(|error| error.to_string())?;
    let mut buffer = [0; 10];
    let came = socket.recv(&mut buffer).map_err(|error| error.to_string())?;
    if &buffer[..came] == b"ping" { Ok(()) } else { Err("something else".into()) }
}

/// A target that answers each of its clients when they have ended, for as long as the test lasts; what came goes back
/// through the channel.
fn target(t: &Ctx, unix: bool) -> (mpsc::Receiver<Vec<u8>>, String) {
    let (sender, came) = mpsc::channel();
    let answer = move |stream: &mut dyn ReadWrite| {
        let (all, end) = read_some(&mut *stream);
        if end.is_ok() {
            let _ = stream.write_all(&theirs());
        }
        sender.send(all).is_ok()
    };
    if unix {
        let listener = UnixListener::bind(t.path("target")).unwrap();
        std::thread::spawn(move || listener.incoming().all(|stream| answer(&mut stream.unwrap())));
        return (came, "unix:target".into());
    }
    let (listener, addr) = listener();
    std::thread::spawn(move || {
        listener.incoming().all(|stream| {
            let mut stream = stream.unwrap();
            stream.set_read_timeout(Some(LIMIT)).unwrap();
            answer(&mut stream)
        })
    });
    (came, addr)
}

trait ReadWrite: Read + Write {}

impl<T: Read + Write> ReadWrite for T {}

/// What one session brings whole: to the target what we sent, to us what it answers.
fn relayed(came: &mpsc::Receiver<Vec<u8>>, proc: &Proc, addr: &str) -> Result<(), String> {
    // Of sessions before, that failed.
    while came.try_recv().is_ok() {}
    ask(proc, addr, &ours(), &theirs())?;
    let mut others = Vec::new();
    loop {
        match came.recv_timeout(LIMIT) {
            Ok(came) if came == ours() => return Ok(()),
            // Of a session before, or a connection that was made and then made again.
            Ok(came) => others.push(came.len()),
            Err(_) => return Err(format!("what reached the target: {others:?} of {SIZE} bytes")),
        }
    }
}

fn relay_to_tcp(t: &Ctx) {
    let (came, target) = target(t, false);
    server(t, &["relay", "127.0.0.1:0", &target], |_, proc, addr| relayed(&came, proc, addr));
}

fn relay_to_unix(t: &Ctx) {
    let (came, target) = target(t, true);
    server(t, &["relay", "127.0.0.1:0", &target], |_, proc, addr| relayed(&came, proc, addr));
}

fn relay_by_name(t: &Ctx) {
    let (came, target) = target(t, false);
    let target = target.replace("127.0.0.1", "localhost");
    server(t, &["relay", "-4", "127.0.0.1:0", &target], |_, proc, addr| relayed(&came, proc, addr));
}

fn relay_with_faults(t: &Ctx) {
    let (came, target) = target(t, false);
    let args = ["relay", "--delay", "1ms", "--chunk", "20k", "--record", "DIR", "127.0.0.1:0", &target];
    server(t, &args, |_, proc, addr| relayed(&came, proc, addr));
}

fn relay_to_udp(t: &Ctx) {
    let target = UdpSocket::bind("127.0.0.1:0").unwrap();
    let addr = format!("udp://{}", target.local_addr().unwrap());
    std::thread::spawn(move || {
        let mut buffer = [0; 10];
        while let Ok((came, peer)) = target.recv_from(&mut buffer) {
            let _ = target.send_to(&buffer[..came], peer);
        }
    });
    server(t, &["relay", "-i", "0.5", "udp://127.0.0.1:0", &addr], |_, _, addr| ping(addr));
}

/// A target that is one connection: its end is that of the program, and what was lost shows in the exit code.
fn relay_of_one_session(t: &Ctx) {
    let (came, target) = target(t, false);
    round(t, false, |run| {
        let ready_file = run.file("ready");
        let args = ["--ready-file", &ready_file, "127.0.0.1:0", "fd:0"];
        let stdin = In::Fd(TcpStream::connect(&target).unwrap().into());
        let mut proc = run.wrap(t.sockkit(&["relay"]).args(&args)).stdin(stdin).spawn();
        let mut session = Ok(());
        if let Some(addr) = ready(&proc, &ready_file) {
            session = relayed(&came, &proc, addr.trim());
            // One that was lost before it was taken is no session, and the next one is waited for.
            if session.is_err() && !proc.ends_within(Duration::from_secs(5)) {
                proc.signal(Signal::TERM);
            }
        }
        let exit = proc.wait_within(LIMIT);
        run.end(exit.code, &exit.stderr);
        assert!(run.fault.is_some() || exit.code == 0, "{}: {session:?}; {}", exit.code, exit.stderr);
        assert!(exit.code != 0 || session.is_ok(), "exit 0, and {session:?}; {}", exit.stderr);
    });
}

fn chat(t: &Ctx) {
    server(t, &["chat", "serve", "127.0.0.1:0"], |_, proc, addr| {
        let Some(mut ann) = dial(proc, addr) else { return Err("refused".into()) };
        let Some(mut bob) = dial(proc, addr) else { return Err("refused".into()) };
        let wait = |stream: &mut TcpStream, text: &str| {
            let mut all = Vec::new();
            let mut buffer = [0; 1000];
            loop {
                let heard = String::from_utf8_lossy(&all);
                // Whoever is lost is told to the other, who may hear it early.
                if heard.contains("ann left") {
                    return Err("ann was lost".into());
                }
                if heard.contains(text) {
                    return Ok(());
                }
                match stream.read(&mut buffer) {
                    Ok(n @ 1..) => all.extend_from_slice(&buffer[..n]),
                    end => {
                        let late = end.as_ref().is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock);
                        assert!(!late, "{text:?} does not come, nor an end");
                        return Err(format!("{end:?} instead of {text:?}"));
                    }
                }
            }
        };
        let say =
            |stream: &mut TcpStream, text: &str| stream.write_all(text.as_bytes()).map_err(|error| error.to_string());
        say(&mut ann, "ann\n")?;
        wait(&mut ann, "you are ann")?;
        say(&mut bob, "bob\n")?;
        wait(&mut bob, "you are bob")?;
        say(&mut ann, "hello\n")?;
        wait(&mut bob, "<ann> hello\n")?;
        for mut stream in [ann, bob] {
            let _ = stream.shutdown(Shutdown::Write);
            let (_, end) = read_some(&mut stream);
            assert!(!is_late(&end), "a session that does not end");
        }
        Ok(())
    });
}
