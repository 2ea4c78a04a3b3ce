//! `connect -z`: whether somebody is there.

use std::io;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};

use crate::error::{Error, Exit, Phase, Result};
use crate::net::conn::Conn;
use crate::sys::{Stop, poll};
use crate::work::handler::stdio::exit;

/// How long a UDP peer may take to answer where nobody said.
const ANSWER: Duration = Duration::from_secs(1);

/// A connection that stands has answered already. UDP has none: an empty datagram is sent, and an answer, an
/// ICMP error and silence are told apart; silence can mean an open port as well as a dropped datagram.
///
/// # Errors
/// Exit 5 when the port is closed, 7 when there is no answer.
pub fn check(conn: &mut Conn, patience: Option<Duration>, stop: &Stop) -> Result<Exit> {
    if !conn.shape().is_udp() {
        return Ok(Exit::Ok);
    }
    let peer = conn.peer().clone();
    let (patience, flag) = patience.map_or((ANSWER, "--check"), |patience| (patience, "--connect-timeout"));
    conn.send(b"").map_err(|source| conn.failed(Phase::Sending, source))?;
    let until = Instant::now() + patience;
    let mut buffer = vec![0; 64 << 10];
    loop {
        let mut fds = [PollFd::new(&*conn, PollFlags::IN), PollFd::new(stop, PollFlags::IN)];
        poll(&mut fds, Some(until)).map_err(|source| Error::os(Phase::Waiting, Some(&peer), source))?;
        if let Some(reason) = stop.requested() {
            return Ok(exit(reason));
        }
        match conn.recv(&mut buffer) {
            Ok(_) => return Ok(Exit::Ok),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(source) => return Err(conn.failed(Phase::Connecting, source)),
        }
        if Instant::now() >= until {
            return Err(Error::timed_out(Phase::Connecting, Some(&peer), flag, patience));
        }
    }
}
