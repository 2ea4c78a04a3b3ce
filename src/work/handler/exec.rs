//! A program for each session: what the peer sends is its standard input, what it prints is sent.
//!
//! It starts clean: descriptors 0, 1, 2 and no other, default signals, a process group of its own. All it
//! printed is sent before the connection is closed; it is waited for, and when the peer breaks the connection it
//! is ended with all it started: SIGTERM, after a grace period SIGKILL.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncWriteExt, Interest};
use tokio::process::{Child, ChildStdin};

use crate::addr::{Endpoint, Host, Inet, Transport};
use crate::error::{Error, Exit, Phase, Result};
use crate::event::Event;
use crate::sys::{self, Group};
use crate::text::visible_line;
use crate::tls::Secured;
use crate::work::link::{Got, Link};
use crate::work::stopping::Stopping;

/// How long a program may take to end after SIGTERM.
const GRACE: Duration = Duration::from_secs(2);
/// One read of what a program prints, in bytes: a pipe's default size.
const BUFFER: usize = 64 << 10;

/// What to run.
#[derive(Debug, Clone)]
pub struct Program {
    /// The program, and its arguments.
    pub argv: Vec<OsString>,
    /// Sent before anything that the program prints.
    pub greeting: Option<Vec<u8>>,
}

impl Program {
    fn name(&self) -> String {
        self.argv[0].to_string_lossy().into_owned()
    }

    pub(super) async fn run(&self, link: &Link, stop: &Stopping) -> Result<()> {
        let mut child = self.spawn(link).map_err(|source| {
            let text = format!("{}: {}", self.name(), crate::error::words(&source));
            Error::text(Exit::Child, Phase::Running, Some(link.peer()), text)
        })?;
        let group = Group::of(child.id().unwrap_or(0));
        self.attend(&mut child, group, link, stop).await
    }

    fn spawn(&self, link: &Link) -> std::io::Result<Child> {
        let mut command = Command::new(&self.argv[0]);
        command.args(&self.argv[1..]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        for name in ["LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"] {
            command.env_remove(name);
        }
        command.env("SOCKKIT_PROTO", protocol(link.local())).env("SOCKKIT_CONN", link.id.to_string());
        for (side, endpoint) in [("PEER", link.peer()), ("LOCAL", link.local())] {
            let (address, port) = parts(endpoint);
            command.env(format!("SOCKKIT_{side}_ADDR"), address);
            match port {
                Some(port) => command.env(format!("SOCKKIT_{side}_PORT"), port),
                None => command.env_remove(format!("SOCKKIT_{side}_PORT")),
            };
        }
        for (name, value) in secured(link.secured().as_ref()) {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        sys::clean_child(&mut command);
        tokio::process::Command::from(command).spawn()
    }

    async fn attend(&self, child: &mut Child, group: Group, link: &Link, stop: &Stopping) -> Result<()> {
        let os = |source| Error::os(Phase::Running, Some(link.peer()), source);
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().map(|stdout| stdout.into_owned_fd()).transpose().map_err(os)?;
        if let Some(stdout) = &stdout {
            // Our end alone: the program's is another file description, and stays as programs expect it.
            rustix::io::ioctl_fionbio(stdout, true).map_err(|errno| os(errno.into()))?;
        }
        let stdout = stdout.map(|fd| sys::watch(fd, Interest::READABLE)).transpose().map_err(os)?;
        if let Some(greeting) = &self.greeting {
            link.send(greeting).await?;
        }
        let exited = tokio::sync::Notify::new();
        let mut up = std::pin::pin!(feed(link, stdin));
        let mut down = std::pin::pin!(forward(link, stdout, &exited));
        let (mut up_done, mut down_done) = (false, false);
        let mut status: Option<ExitStatus> = None;
        while status.is_none() || !down_done {
            tokio::select! {
                ended = child.wait(), if status.is_none() => {
                    status = Some(ended.map_err(os)?);
                    exited.notify_one();
                }
                // A peer that only ended what it sends may wait for an answer; one that broke does not.
                result = &mut up, if !up_done => {
                    up_done = true;
                    if let Err(error) = result {
                        end(&group, child).await;
                        return Err(error);
                    }
                }
                result = &mut down, if !down_done => {
                    down_done = true;
                    if let Err(error) = result.and_then(|_| link.finish()) {
                        end(&group, child).await;
                        return Err(error);
                    }
                }
                error = link.idle(), if up_done => {
                    end(&group, child).await;
                    return Err(error);
                }
                () = stop.wait() => {
                    end(&group, child).await;
                    return Ok(());
                }
            }
        }
        let status = status.expect("the loop ends with a status");
        let (code, signal) = (status.code(), status.signal());
        link.sink().emit(Some(link.id), &Event::Child { pid: group.leader(), status: code, signal });
        // What it left behind goes now, while its number cannot be anybody else's yet.
        drop(group);
        if !up_done {
            link.linger().await;
        }
        match (code, signal) {
            (Some(0), _) => Ok(()),
            (Some(code), _) => Err(self.failed(link, &format!("exited with status {code}"))),
            (None, signal) => Err(self.failed(link, &format!("was ended by signal {}", signal.unwrap_or(0)))),
        }
    }

    fn failed(&self, link: &Link, how: &str) -> Error {
        Error::text(Exit::Child, Phase::Running, Some(link.peer()), format!("{} {how}", self.name()))
    }
}

/// Ends a program with all it started.
async fn end(group: &Group, child: &mut Child) {
    group.signal(libc::SIGTERM);
    if tokio::time::timeout(GRACE, child.wait()).await.is_err() {
        group.signal(libc::SIGKILL);
        let _ = child.wait().await;
    }
}

/// What the peer sends, to the program. A program that does not read to the end is no error.
async fn feed(link: &Link, mut stdin: Option<ChildStdin>) -> Result<()> {
    loop {
        let bytes = link.recv(|got| match got {
            Got::Bytes(bytes) => Some(bytes.to_vec()),
            Got::Eof => None,
        });
        let Some(bytes) = bytes.await? else { return Ok(()) };
        if let Some(pipe) = &mut stdin
            && pipe.write_all(&bytes).await.is_err()
        {
            stdin = None;
        }
    }
}

/// What the program prints, to the peer. Once the program has exited, what is in the pipe is all there will
/// be, whoever else still has it open.
async fn forward(
    link: &Link,
    stdout: Option<AsyncFd<std::os::fd::OwnedFd>>,
    exited: &tokio::sync::Notify,
) -> Result<()> {
    let Some(stdout) = stdout else { return Ok(()) };
    let os = |source: std::io::Error| Error::os(Phase::Running, Some(link.peer()), source);
    let mut over = false;
    loop {
        let mut buffer = Vec::new();
        let mut read = || {
            buffer.resize(BUFFER, 0);
            let bytes = rustix::io::read(&stdout, &mut buffer)?;
            buffer.truncate(bytes);
            Ok::<_, rustix::io::Errno>(bytes)
        };
        let outcome = read();
        match outcome {
            Ok(0) => return Ok(()),
            Ok(_) => link.send(&buffer).await?,
            Err(rustix::io::Errno::AGAIN) if over => return Ok(()),
            Err(rustix::io::Errno::AGAIN) => {
                drop(buffer);
                tokio::select! {
                    ready = stdout.readable() => ready.map_err(os)?.clear_ready(),
                    () = exited.notified() => over = true,
                }
            }
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(os(error.into())),
        }
    }
}

fn protocol(endpoint: &Endpoint) -> &'static str {
    match endpoint {
        Endpoint::Inet(Inet { transport: Transport::Tcp, .. }) => "tcp",
        Endpoint::Inet(Inet { transport: Transport::Udp, .. }) => "udp",
        Endpoint::Vsock { .. } => "vsock",
        _ => "unix",
    }
}

/// How the session is secured. What is not so is taken out of the environment: it may be there from a session of
/// whoever started us.
fn secured(tls: Option<&Secured>) -> [(&'static str, Option<String>); 6] {
    let peer = tls.and_then(|tls| tls.chain.first());
    // A name could hold anything, a NUL too, which no variable can.
    let safe = |text: &str| visible_line(text).into_owned();
    [
        ("SOCKKIT_TLS_VERSION", tls.map(|tls| tls.version.to_owned())),
        ("SOCKKIT_TLS_CIPHER", tls.map(|tls| tls.suite.clone())),
        ("SOCKKIT_TLS_SNI", tls.and_then(|tls| tls.server_name.as_deref()).map(safe)),
        ("SOCKKIT_TLS_ALPN", tls.and_then(|tls| tls.alpn.as_deref()).map(safe)),
        ("SOCKKIT_TLS_PEER_SUBJECT", peer.map(|peer| safe(&peer.subject))),
        ("SOCKKIT_TLS_PEER_SHA256", peer.map(|peer| peer.sha256.clone())),
    ]
}

/// Address and port as a program wants them: bare, without brackets.
fn parts(endpoint: &Endpoint) -> (String, Option<String>) {
    use crate::addr::Port;
    match endpoint {
        Endpoint::Inet(Inet { host, port, .. }) => {
            let address = match host {
                Host::V4(address) => address.to_string(),
                Host::V6 { addr, scope: Some(scope) } => format!("{addr}%{scope}"),
                Host::V6 { addr, scope: None } => addr.to_string(),
                Host::Any => String::new(),
                Host::Name(name) => name.clone(),
            };
            let port = match port {
                Port::Number(number) => number.to_string(),
                Port::Service(name) => name.clone(),
            };
            (address, Some(port))
        }
        Endpoint::Vsock { cid, port } => (cid.to_string(), Some(port.to_string())),
        other => (other.to_string(), None),
    }
}

/// The file that a program's name stands for, as execvp(3) finds it: told before anybody has connected.
///
/// # Errors
/// [`Exit::Child`] when there is none, or none that may be run.
pub fn find_program(name: &OsStr) -> Result<PathBuf> {
    let runnable = |path: &Path| rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok() && path.is_file();
    let missing = |text: String| Error::text(Exit::Child, Phase::Running, None, text);
    if name.as_bytes().contains(&b'/') {
        let path = PathBuf::from(name);
        return if runnable(&path) {
            Ok(path)
        } else {
            Err(missing(format!("{}: no program that can be run", path.display())))
        };
    }
    let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into());
    std::env::split_paths(&path)
        .map(|dir| dir.join(name))
        .find(|path| runnable(path))
        .ok_or_else(|| missing(format!("{}: no such program in PATH", name.to_string_lossy())))
}
