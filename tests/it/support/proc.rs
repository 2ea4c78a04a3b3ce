//! Processes: the program under test and its peers, started alike.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, kill_process, pidfd_open, waitid};

use super::ctx::Pids;
use super::{Data, PATIENCE, check_stream, poll_until};

/// What a process reads.
pub(crate) enum In {
    Null,
    /// A pipe that stays open until [`Proc::close_stdin`].
    Pipe,
    Fd(OwnedFd),
    Closed,
}

/// Where a process writes.
pub(crate) enum Out {
    /// Kept in memory.
    Keep,
    /// Compared with a stream as it comes, not kept.
    Check(Data),
    Null,
    Fd(OwnedFd),
    Closed,
}

/// A process to be started.
pub(crate) struct Cmd {
    pids: Pids,
    dir: PathBuf,
    program: OsString,
    args: Vec<OsString>,
    wrap: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    stdin: In,
    stdout: Out,
    stderr: Option<OwnedFd>,
    prelude: String,
    redirect: String,
    ready: bool,
    tested: bool,
}

impl Cmd {
    pub(super) fn sockkit(pids: Pids, dir: &Path, args: &[&str]) -> Self {
        Self { tested: true, ..Self::peer(pids, dir, env!("CARGO_BIN_EXE_sockkit"), args) }
    }

    pub(super) fn peer(pids: Pids, dir: &Path, program: &str, args: &[&str]) -> Self {
        Self {
            pids,
            dir: dir.to_owned(),
            program: program.into(),
            args: args.iter().map(Into::into).collect(),
            wrap: Vec::new(),
            env: Vec::new(),
            stdin: In::Null,
            stdout: Out::Keep,
            stderr: None,
            prelude: String::new(),
            redirect: String::new(),
            ready: false,
            tested: false,
        }
    }

    pub(crate) fn args<S: AsRef<OsStr>>(mut self, args: &[S]) -> Self {
        self.args.extend(args.iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Runs the process under another program that execs it: `prlimit`, `ip netns exec`, `setsid`.
    pub(crate) fn under<S: AsRef<OsStr>>(mut self, wrap: &[S]) -> Self {
        self.wrap.extend(wrap.iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Runs it with another `/etc/hosts`, in a mount namespace: what a machine calls localhost differs.
    pub(crate) fn hosts(self, text: &str) -> Self {
        let file = self.dir.join("hosts");
        fs::write(&file, text).unwrap();
        let script = format!("mount --bind '{}' /etc/hosts && exec \"$0\" \"$@\"", file.display());
        self.under(&["unshare", "-m", "sh", "-c", &script])
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.env.push((name.into(), value.as_ref().to_owned()));
        self
    }

    pub(crate) fn stdin(mut self, stdin: In) -> Self {
        self.stdin = stdin;
        self
    }

    /// Standard input a pipe that stays open.
    pub(crate) fn piped(self) -> Self {
        self.stdin(In::Pipe)
    }

    pub(crate) fn stdout(mut self, stdout: Out) -> Self {
        self.stdout = stdout;
        self
    }

    /// Standard error somewhere else than in [`Exit::stderr`].
    pub(crate) fn stderr(mut self, stderr: OwnedFd) -> Self {
        self.stderr = Some(stderr);
        self
    }

    /// A line of shell before the process takes the shell's place; `$$` is its pid.
    pub(crate) fn prelude(mut self, line: &str) -> Self {
        self.prelude = format!("{line}\n");
        self
    }

    /// Redirections in the shell's words, such as `5<&0 </dev/null`.
    pub(crate) fn redirect(mut self, words: &str) -> Self {
        self.redirect.push(' ');
        self.redirect.push_str(words);
        self
    }

    /// Starts a server and waits until it listens.
    #[track_caller]
    pub(crate) fn server(mut self) -> Proc {
        self.ready = true;
        let mut proc = self.spawn();
        proc.wait_ready();
        proc
    }

    /// Starts it with this on its standard input, and waits for its end.
    #[track_caller]
    pub(crate) fn run(self, input: &[u8]) -> Exit {
        let mut proc = self.piped().spawn();
        proc.write(input);
        proc.close_stdin();
        proc.wait()
    }

    #[track_caller]
    pub(crate) fn spawn(mut self) -> Proc {
        let mut ready = None;
        if self.ready {
            // A FIFO, for its reader sees both the line and that nobody is left to write it. The number is out of
            // the way of descriptors that tests hand over.
            let fifo = self.dir.join(format!("ready-{}", next_number()));
            let made = Command::new("mkfifo").arg(&fifo).status().unwrap();
            assert!(made.success(), "mkfifo {}", fifo.display());
            let flags = rustix::fs::OFlags::NONBLOCK.bits() as i32;
            ready = Some(OpenOptions::new().read(true).custom_flags(flags).open(&fifo).unwrap());
            self.redirect.push_str(&format!(" 9>'{}'", fifo.display()));
            // After the subcommand, which is the first argument, or for a chat the first two.
            let at = if self.args.first().is_some_and(|first| first == "chat") { 2 } else { 1 };
            self.args.splice(at..at, ["--ready-fd".into(), "9".into()]);
        }
        for (closed, words) in
            [(matches!(self.stdin, In::Closed), " <&-"), (matches!(self.stdout, Out::Closed), " >&-")]
        {
            if closed {
                self.redirect.push_str(words);
            }
        }
        let mut argv = std::mem::take(&mut self.wrap);
        if !self.redirect.is_empty() || !self.prelude.is_empty() {
            let script = format!("{}exec \"$0\" \"$@\"{}", self.prelude, self.redirect);
            argv.extend(["sh".into(), "-c".into(), script.into()]);
        }
        argv.push(self.program.clone());
        argv.append(&mut self.args);
        let label = argv.iter().map(|a| a.to_string_lossy()).collect::<Vec<_>>().join(" ");

        let mut command = Command::new(&argv[0]);
        command.args(&argv[1..]).current_dir(&self.dir);
        // What the person at this terminal has set must not show in what is tested.
        for name in ["NO_COLOR", "CLICOLOR_FORCE", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "RUST_BACKTRACE"] {
            command.env_remove(name);
        }
        command.env("XDG_STATE_HOME", &self.dir).env("LC_ALL", "C.UTF-8").envs(self.env);
        command.stdin(match self.stdin {
            In::Null | In::Closed => Stdio::null(),
            In::Pipe => Stdio::piped(),
            In::Fd(fd) => fd.into(),
        });
        let check = if let Out::Check(data) = self.stdout { Some(data) } else { None };
        command.stdout(match self.stdout {
            Out::Null | Out::Closed => Stdio::null(),
            Out::Keep | Out::Check(_) => Stdio::piped(),
            Out::Fd(fd) => fd.into(),
        });
        command.stderr(self.stderr.map_or_else(Stdio::piped, Into::into));
        let mut child = command.spawn().unwrap_or_else(|e| panic!("{label}: {e}"));
        // Our copies of what was handed over go with it, or its reader would never see an end.
        drop(command);

        let pid = Pid::from_child(&child);
        self.pids.lock().unwrap_or_else(PoisonError::into_inner).push(pid);
        let stdout = match (child.stdout.take(), check) {
            (Some(pipe), Some(data)) => Capture::check(pipe, data),
            (Some(pipe), None) => Capture::keep(pipe),
            (None, _) => Capture::ended(),
        };
        let stderr = child.stderr.take().map_or_else(Capture::ended, Capture::keep);
        Proc {
            label,
            pidfd: pidfd_open(pid, PidfdFlags::empty()).unwrap(),
            pid,
            pids: self.pids,
            stdin: child.stdin.take(),
            child,
            stdout,
            stderr,
            ready,
            addr: String::new(),
            tested: self.tested,
            reaped: false,
        }
    }
}

fn next_number() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// A process of a test; killed on drop.
pub(crate) struct Proc {
    label: String,
    child: Child,
    pid: Pid,
    pidfd: OwnedFd,
    pids: Pids,
    stdin: Option<ChildStdin>,
    pub(crate) stdout: Capture,
    pub(crate) stderr: Capture,
    ready: Option<File>,
    addr: String,
    tested: bool,
    reaped: bool,
}

impl Proc {
    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    /// Writes to its standard input.
    #[track_caller]
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        let pipe = self.stdin.as_mut().expect("stdin is a pipe that is still open");
        if let Err(e) = pipe.write_all(bytes) {
            // A process that has ended on its own accord is the business of what comes next.
            assert_eq!(e.kind(), io::ErrorKind::BrokenPipe, "{}: stdin: {e}", self.label);
        }
    }

    pub(crate) fn close_stdin(&mut self) {
        self.stdin = None;
    }

    pub(crate) fn take_stdin(&mut self) -> ChildStdin {
        self.stdin.take().expect("stdin is a pipe that is still open")
    }

    #[track_caller]
    fn wait_ready(&mut self) {
        let mut fifo = self.ready.take().unwrap();
        let mut line = Vec::new();
        while line.last() != Some(&b'\n') {
            if !readable(&fifo, PATIENCE) {
                panic!("{}: not ready; stderr: {}", self.label, self.stderr.text());
            }
            let mut byte = [0];
            match fifo.read(&mut byte) {
                Ok(1) => line.push(byte[0]),
                Ok(_) => {
                    let exit = self.wait();
                    panic!("{}: ended with {} instead of listening; stderr: {}", self.label, exit.code, exit.stderr);
                }
                Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                Err(e) => panic!("{}: ready fd: {e}", self.label),
            }
        }
        line.pop();
        self.addr = String::from_utf8(line).expect("the ready line is text");
        self.ready = Some(fifo);
    }

    /// What else came through the ready descriptor; there should be nothing.
    pub(crate) fn rest_of_ready(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        if let Some(fifo) = &mut self.ready {
            let _ = fifo.read_to_end(&mut rest);
        }
        rest
    }

    /// Where it listens, as it said it: to be given to `connect`.
    pub(crate) fn addr(&self) -> &str {
        &self.addr
    }

    /// Where it listens, as a socket address that can be connected to: loopback for "every interface".
    #[track_caller]
    pub(crate) fn socket_addr(&self) -> SocketAddr {
        let bare = self.addr.split_once("://").map_or(self.addr.as_str(), |(_, rest)| rest);
        let mut addr: SocketAddr = bare.parse().unwrap_or_else(|e| panic!("ready line {:?}: {e}", self.addr));
        assert_ne!(addr.port(), 0, "the ready line has the real port");
        if addr.ip().is_unspecified() {
            addr.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
        }
        addr
    }

    pub(crate) fn port(&self) -> u16 {
        self.socket_addr().port()
    }

    /// The port that it prints as the first line of its standard output.
    #[track_caller]
    pub(crate) fn printed_port(&self) -> u16 {
        poll_until(&format!("{}: a port", self.label), || {
            let text = self.stdout.text();
            // Of a line that has not come whole it would be another port.
            text.split_once('\n')?.0.parse().ok()
        })
    }

    /// The port that this process has come to listen on (`"tcp"`) or is bound to (`"udp"`), of either family, for
    /// peers that tell nobody.
    #[track_caller]
    pub(crate) fn wait_bound(&mut self, table: &str) -> u16 {
        // TCP_LISTEN, and what an unconnected UDP socket shows.
        let state = if table.starts_with("tcp") { "0A" } else { "07" };
        let label = self.label.clone();
        poll_until(&format!("{label}: a {table} port"), || {
            assert!(self.is_running(), "{label}: ended; stderr: {}", self.stderr.text());
            let mine = socket_inodes(self.pid);
            let read =
                |table: String| fs::read_to_string(format!("/proc/{}/net/{table}", self.pid)).unwrap_or_default();
            let tables = read(table.to_owned()) + &read(format!("{table}6"));
            tables.lines().filter(|line| !line.contains("local_address")).find_map(|line| {
                let field: Vec<&str> = line.split_whitespace().collect();
                if field[3] != state || !mine.iter().any(|inode| inode == field[9]) {
                    return None;
                }
                u16::from_str_radix(field[1].rsplit_once(':')?.1, 16).ok()
            })
        })
    }

    /// Waits until it listens at a UNIX path.
    #[track_caller]
    pub(crate) fn wait_bound_unix(&mut self, path: &Path) {
        let label = self.label.clone();
        let wanted = path.to_str().unwrap();
        poll_until(&format!("{label}: {wanted}"), || {
            assert!(self.is_running(), "{label}: ended; stderr: {}", self.stderr.text());
            let lines = fs::read_to_string(format!("/proc/{}/net/unix", self.pid)).ok()?;
            // Flag __SO_ACCEPTCON; datagram sockets never get it.
            lines.lines().find(|l| {
                let field: Vec<&str> = l.split_whitespace().collect();
                field.get(7) == Some(&wanted) && (field[3] == "00010000" || field[4] == "0002")
            })?;
            Some(())
        });
    }

    /// Waits for its end, [`PATIENCE`] at most.
    #[track_caller]
    pub(crate) fn wait(&mut self) -> Exit {
        self.wait_within(PATIENCE)
    }

    /// Waits for its end; past the limit the test fails.
    #[track_caller]
    pub(crate) fn wait_within(&mut self, limit: Duration) -> Exit {
        let begin = Instant::now();
        if !readable(&self.pidfd, limit) {
            let state = fs::read_to_string(format!("/proc/{}/wchan", self.pid)).unwrap_or_default();
            // The drop that this leads to ends it.
            panic!("{}: still running after {limit:?} (in {state}); stderr: {}", self.label, self.stderr.text());
        }
        let took = begin.elapsed();
        let cpu = self.cpu();
        let status = self.child.wait().unwrap();
        self.forget();
        // A program it started may hold the pipes; that is a fault, but not one to hang on.
        self.stdout.wait_end();
        self.stderr.wait_end();
        let stderr = self.stderr.text();
        if self.tested {
            assert!(!stderr.contains("panicked") && !stderr.contains("RUST_BACKTRACE"), "{}: {stderr}", self.label);
        }
        let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap());
        Exit { label: self.label.clone(), code, stdout: self.stdout.clone(), stderr, cpu, took }
    }

    fn forget(&mut self) {
        self.reaped = true;
        self.pids.lock().unwrap_or_else(PoisonError::into_inner).retain(|&pid| pid != self.pid);
    }

    /// Whether it ends within this time.
    pub(crate) fn ends_within(&self, limit: Duration) -> bool {
        readable(&self.pidfd, limit)
    }

    pub(crate) fn is_running(&self) -> bool {
        !readable(&self.pidfd, Duration::ZERO)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        if !self.reaped {
            let _ = kill_process(self.pid, signal);
        }
    }

    /// CPU time used so far, also of a process that has ended but was not waited for.
    pub(crate) fn cpu(&self) -> Duration {
        let Ok(stat) = fs::read_to_string(format!("/proc/{}/stat", self.pid)) else { return Duration::ZERO };
        // The name may hold spaces and parentheses; it is the only field in them.
        let Some((_, rest)) = stat.rsplit_once(") ") else { return Duration::ZERO };
        let ticks: u64 = rest.split_whitespace().skip(11).take(2).filter_map(|f| f.parse::<u64>().ok()).sum();
        Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second())
    }

    /// The most memory it ever held, in bytes.
    pub(crate) fn peak_memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap_or_default();
        let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap_or_default();
        line.split_whitespace().next().and_then(|kb| kb.parse::<u64>().ok()).unwrap_or(0) * 1024
    }

    /// The memory it holds now, in bytes: what is in RAM of it. `VmRSS` is only right to some pages for each CPU.
    pub(crate) fn memory(&self) -> u64 {
        let map = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.pid)).unwrap_or_default();
        let line = map.lines().find_map(|line| line.strip_prefix("Rss:")).expect("a process that runs");
        line.split_whitespace().next().unwrap().parse::<u64>().unwrap() * 1024
    }

    /// How many descriptors it has open.
    pub(crate) fn fds(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.pid)).map_or(0, Iterator::count)
    }

    /// Its children that it has not waited for.
    pub(crate) fn children(&self) -> Vec<i32> {
        children_of(self.pid.as_raw_nonzero().get())
    }

    /// Waits until a stopped process has really stopped.
    pub(crate) fn wait_stopped(&self) {
        let options = WaitIdOptions::STOPPED | WaitIdOptions::NOWAIT;
        let _ = waitid(WaitId::Pid(self.pid), options);
    }
}

impl Drop for Proc {
    fn drop(&mut self) {
        if !self.reaped {
            // What it started would outlive it; gathered while the tree still stands.
            let mut family = self.children();
            let mut next = 0;
            while next < family.len() {
                family.extend(children_of(family[next]));
                next += 1;
            }
            self.signal(Signal::KILL);
            for pid in family.into_iter().filter_map(Pid::from_raw) {
                let _ = kill_process(pid, Signal::KILL);
            }
            let _ = self.child.wait();
            self.forget();
        }
    }
}

/// Whether there is something to read, within the limit.
pub(crate) fn readable(fd: impl std::os::fd::AsFd, limit: Duration) -> bool {
    let end = Instant::now() + limit;
    loop {
        let left = Timespec::try_from(end.saturating_duration_since(Instant::now())).unwrap();
        match poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&left)) {
            Ok(n) => return n > 0,
            Err(rustix::io::Errno::INTR) => {}
            Err(e) => panic!("poll: {e}"),
        }
    }
}

/// The children of a process, by the parent that each process tells.
pub(crate) fn children_of(pid: i32) -> Vec<i32> {
    let parent = pid.to_string();
    let Ok(procs) = fs::read_dir("/proc") else { return Vec::new() };
    procs
        .filter_map(|entry| {
            let pid = entry.ok()?.file_name().to_str()?.parse::<i32>().ok()?;
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            (stat.rsplit_once(") ")?.1.split(' ').nth(1)? == parent).then_some(pid)
        })
        .collect()
}

fn socket_inodes(pid: Pid) -> Vec<String> {
    let Ok(fds) = fs::read_dir(format!("/proc/{pid}/fd")) else { return Vec::new() };
    fds.filter_map(|fd| {
        let target = fs::read_link(fd.ok()?.path()).ok()?;
        Some(target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned())
    })
    .collect()
}

/// How a process ended.
pub(crate) struct Exit {
    label: String,
    /// Its exit code; 128+n when signal n ended it, as a shell tells it.
    pub(crate) code: i32,
    pub(crate) stdout: Capture,
    pub(crate) stderr: String,
    pub(crate) cpu: Duration,
    /// How long was waited for it.
    pub(crate) took: Duration,
}

impl Exit {
    #[track_caller]
    pub(crate) fn code(&self, wanted: i32) -> &Self {
        assert_eq!(self.code, wanted, "exit code of {}; stderr: {}", self.label, self.stderr);
        self
    }

    #[track_caller]
    pub(crate) fn stdout(&self, wanted: impl AsRef<[u8]>) -> &Self {
        let (got, wanted) = (self.stdout.bytes(), wanted.as_ref());
        if got != wanted {
            let show = |b: &[u8]| format!("{} bytes {:?}", b.len(), String::from_utf8_lossy(&b[..b.len().min(300)]));
            panic!("stdout of {}: {}, wanted {}; stderr: {}", self.label, show(&got), show(wanted), self.stderr);
        }
        self
    }

    /// For [`Out::Check`]: so many bytes came, all of them right.
    #[track_caller]
    pub(crate) fn stdout_len(&self, wanted: u64) -> &Self {
        let (len, wrong) = self.stdout.checked();
        assert_eq!((len, wrong), (wanted, None), "stdout of {}; stderr: {}", self.label, self.stderr);
        self
    }

    /// Standard error has these words somewhere; case does not matter.
    #[track_caller]
    pub(crate) fn says(&self, words: &[&str]) -> &Self {
        let said = self.stderr.to_lowercase();
        for word in words {
            assert!(said.contains(&word.to_lowercase()), "{}: {word:?} is not in: {}", self.label, self.stderr);
        }
        self
    }

    #[track_caller]
    pub(crate) fn says_not(&self, words: &[&str]) -> &Self {
        for word in words {
            assert!(!self.stderr.contains(word), "{}: {word:?} is in: {}", self.label, self.stderr);
        }
        self
    }

    #[track_caller]
    pub(crate) fn within(&self, limit: Duration) -> &Self {
        assert!(self.took < limit, "{}: took {:?}; stderr: {}", self.label, self.took, self.stderr);
        self
    }
}

/// A stream that is read as it comes, by a thread; it can be looked at and waited for.
#[derive(Clone)]
pub(crate) struct Capture(Arc<(Mutex<Got>, Condvar)>);

#[derive(Default)]
struct Got {
    bytes: Vec<u8>,
    checked: (u64, Option<String>),
    ended: bool,
}

impl Capture {
    fn new(ended: bool) -> Self {
        Self(Arc::new((Mutex::new(Got { ended, ..Got::default() }), Condvar::new())))
    }

    fn ended() -> Self {
        Self::new(true)
    }

    pub(crate) fn keep(mut from: impl Read + Send + 'static) -> Self {
        let capture = Self::new(false);
        let theirs = capture.clone();
        std::thread::spawn(move || {
            let mut buf = vec![0; 1 << 16];
            // A pseudo-terminal ends in an error.
            while let Ok(n @ 1..) = from.read(&mut buf) {
                theirs.lock().bytes.extend_from_slice(&buf[..n]);
                theirs.0.1.notify_all();
            }
            theirs.end();
        });
        capture
    }

    fn check(from: impl Read + Send + 'static, data: Data) -> Self {
        let capture = Self::new(false);
        let theirs = capture.clone();
        std::thread::spawn(move || {
            let verdict = check_stream(from, data);
            theirs.lock().checked = verdict;
            theirs.end();
        });
        capture
    }

    fn end(&self) {
        self.lock().ended = true;
        self.0.1.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Got> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_while(&self, limit: Duration, not_yet: impl Fn(&Got) -> bool) -> bool {
        let (got, late) = self.0.1.wait_timeout_while(self.lock(), limit, |got| not_yet(got)).unwrap();
        drop(got);
        !late.timed_out()
    }

    #[track_caller]
    fn wait_end(&self) {
        if !self.wait_while(PATIENCE, |got| !got.ended) {
            panic!("its output did not end: another process holds it");
        }
    }

    /// Waits until the text has come.
    #[track_caller]
    pub(crate) fn wait_for(&self, text: &str) {
        let has = |got: &Got| String::from_utf8_lossy(&got.bytes).contains(text);
        self.wait_while(PATIENCE, |got| !got.ended && !has(got));
        assert!(has(&self.lock()), "{text:?} did not come: {:?}", self.text());
    }

    /// Waits until so many bytes have come.
    #[track_caller]
    pub(crate) fn wait_len(&self, len: usize) {
        self.wait_while(PATIENCE, |got| !got.ended && got.bytes.len() < len);
        assert!(self.lock().bytes.len() >= len, "{} of {len} bytes: {:?}", self.bytes().len(), self.text());
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.lock().bytes.clone()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes()).into_owned()
    }

    fn checked(&self) -> (u64, Option<String>) {
        self.lock().checked.clone()
    }
}
