//! The connecting side: makes a connection for each session, beside the server's thread.

use std::io;
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::Interest;
use tokio::sync::{Semaphore, oneshot};

use crate::addr::{Endpoint, Host, Inet, IpFamily, Port, Transport, Unix, UnixName};
use crate::error::{Error, Phase, Result};
use crate::event::{ConnId, Event, Sink};
use crate::net::conn::Conn;
use crate::net::dial::{Begun, Dial};
use crate::net::options::Options;
use crate::net::resolve::port_number;
use crate::net::tls::ClientTls;
use crate::net::via::Via;
use crate::sys::confine::Connects;
use crate::sys::{self, Stop};
use crate::work::diag;
use crate::work::door::{EXHAUSTED_PAUSE, Exhaustion};
use crate::work::stopping::{Stopping, at};

/// How long it may take to find out why a connection could not be made. Who waits for it is told nothing meanwhile.
const DIAGNOSIS: Duration = Duration::from_millis(500);

/// The port of name servers: an answer that is too long for UDP comes over TCP.
const DOMAIN: u16 = 53;

/// So many names are looked up, and full queues waited for, at the same time.
const MOST_THREADS: usize = 512;

/// Where to connect to, and how.
pub struct Target {
    /// Where to.
    pub endpoint: Endpoint,
    /// The local address to use, if not the kernel's choice.
    pub source: Option<Endpoint>,
    /// What stands in between.
    pub via: Via,
    /// Options to set on the way.
    pub options: Options,
    /// Secures each connection.
    pub tls: Option<ClientTls>,
    /// For resolving, connecting and securing together.
    pub timeout: Duration,
    /// How long to try again when nobody is there.
    pub retry: Option<Duration>,
    /// When the program is to stop, a session on which nothing has moved for so long is over; without it, none is.
    pub lull: Option<Duration>,
    /// Ends every wait.
    pub stop: Stop,
    /// Is told.
    pub sink: Arc<dyn Sink>,
    /// The one connection that there is, of a socket that was open before.
    handed: Option<Mutex<Option<Conn>>>,
    exhaustion: Mutex<Exhaustion>,
    diagnosing: Mutex<()>,
    threads: Semaphore,
}

impl Target {
    /// A target to which nobody has connected yet.
    #[must_use]
    pub fn new(endpoint: Endpoint, options: Options, timeout: Duration, stop: Stop, sink: Arc<dyn Sink>) -> Self {
        Self {
            endpoint,
            source: None,
            via: Via::default(),
            options,
            tls: None,
            timeout,
            retry: None,
            lull: None,
            stop,
            sink,
            handed: None,
            exhaustion: Mutex::default(),
            diagnosing: Mutex::default(),
            threads: Semaphore::new(MOST_THREADS),
        }
    }

    /// Whether there is just one connection to it.
    #[must_use]
    pub fn is_single(&self) -> bool {
        matches!(self.endpoint, Endpoint::Fd(_) | Endpoint::Systemd(_))
    }

    /// What is reached to connect to it.
    ///
    /// # Errors
    /// Exit 4 for a service that there is not.
    pub fn reach(&self) -> Result<Connects> {
        let mut reach = Connects::default();
        for endpoint in self.via.proxy.iter().map(|proxy| &proxy.endpoint).chain([&self.endpoint]) {
            let Endpoint::Inet(inet) = endpoint else { continue };
            reach.names |= matches!(inet.host, Host::Name(_) | Host::Any) || matches!(inet.port, Port::Service(_));
            if inet.transport == Transport::Tcp {
                reach.ports.push(port_number(endpoint, inet)?);
            }
        }
        if let Some(source @ Endpoint::Inet(inet)) = &self.source {
            reach.names |= matches!(inet.host, Host::Name(_));
            reach.from = Some(port_number(source, inet)?);
        }
        if reach.names {
            reach.ports.push(DOMAIN);
        }
        Ok(reach)
    }

    /// Takes over the socket of a target that is one already, so that it is known before anybody comes whether it can
    /// be used.
    ///
    /// # Errors
    /// Exit 2 when it is not open, no socket, or not connected.
    pub fn take_over(&mut self) -> Result<()> {
        if self.is_single() {
            let conn = self.dial(1).dial()?;
            self.handed = Some(Mutex::new(conn));
        }
        Ok(())
    }

    /// Connects. `None` when the program is to end first.
    ///
    /// # Errors
    /// Those of [`Dial::dial`], with what can be found out about why.
    pub(super) async fn connect(self: &Arc<Self>, session: ConnId, stopping: &Stopping) -> Result<Option<Conn>> {
        let used =
            || Error::text(crate::error::Exit::Failed, Phase::Opening, Some(&self.endpoint), "it was used already");
        if let Some(handed) = &self.handed {
            return handed.lock().unwrap_or_else(PoisonError::into_inner).take().map(Some).ok_or_else(used);
        }
        let patience = Instant::now() + self.timeout;
        loop {
            match self.attempt(session, stopping).await {
                Err(error) if is_exhausted(&error) && Instant::now() < patience => {
                    self.tell_exhausted(&error);
                    tokio::select! {
                        () = tokio::time::sleep(EXHAUSTED_PAUSE) => {}
                        () = self.given_up(stopping) => return Ok(None),
                    }
                }
                Err(error) => return Err(self.diagnosed(error).await),
                done => return done,
            }
        }
    }

    /// On the server's own thread where that takes no waiting but for the answer; beside it where names or full queues
    /// are to be waited for, in the C library and the kernel, which know no other way.
    async fn attempt(self: &Arc<Self>, session: ConnId, stopping: &Stopping) -> Result<Option<Conn>> {
        let begun = match self.dial(session).begin()? {
            Begun::Pending(pending) => {
                let fd = sys::watch(pending.as_fd(), Interest::WRITABLE);
                let fd = fd.map_err(|source| Error::os(Phase::Connecting, Some(&self.endpoint), source))?;
                tokio::select! {
                    _ = fd.writable() => {}
                    () = at(Some(pending.until())) => {}
                    () = self.given_up(stopping) => return Ok(None),
                }
                drop(fd);
                self.dial(session).finish(*pending)?
            }
            begun => begun,
        };
        if let Begun::Connected(conn) = begun {
            return Ok(Some(*conn));
        }
        let this = self.clone();
        let dialled = self.aside(move || this.dial(session).dial()).await;
        dialled.unwrap_or_else(|source| Err(Error::os(Phase::Opening, Some(&self.endpoint), source)))
    }

    async fn given_up(&self, stopping: &Stopping) {
        let Some(lull) = self.lull else { return std::future::pending().await };
        stopping.wait().await;
        tokio::time::sleep(lull).await;
    }

    fn dial(&self, session: ConnId) -> Dial<'_> {
        Dial {
            conn: session,
            endpoint: &self.endpoint,
            via: &self.via,
            source: self.source.as_ref(),
            options: &self.options,
            timeout: self.timeout,
            retry: self.retry,
            tls: self.tls.as_ref(),
            stop: &self.stop,
            sink: &*self.sink,
        }
    }

    /// Adds what can be found out about why. Many may fail at once, and for the same reason: one finds out, for the
    /// others it is too late to matter.
    async fn diagnosed(self: &Arc<Self>, error: Error) -> Error {
        let (this, kept) = (self.clone(), Arc::new(Mutex::new(error)));
        let theirs = kept.clone();
        // Without a thread for it, the error itself has to do.
        let _ = self
            .aside(move || {
                if let Ok(_one) = this.diagnosing.try_lock() {
                    diag::enrich_within(&mut theirs.lock().unwrap_or_else(PoisonError::into_inner), DIAGNOSIS);
                }
            })
            .await;
        let kept = Arc::into_inner(kept).expect("the thread is done with it");
        kept.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does it on a thread of its own, of which there are so many at the most.
    ///
    /// # Errors
    /// When there is no thread to be had.
    async fn aside<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
        let _turn = self.threads.acquire().await.map_err(io::Error::other)?;
        let (done, outcome) = oneshot::channel();
        std::thread::Builder::new().spawn(move || done.send(work()))?;
        outcome.await.map_err(io::Error::other)
    }

    fn tell_exhausted(&self, error: &Error) {
        if self.exhaustion.lock().unwrap_or_else(PoisonError::into_inner).is_news() {
            let message = format!("cannot make more connections for now: {}", error.cause);
            self.sink.emit(None, &Event::Warning { message: &message });
        }
    }
}

/// No descriptor, memory or thread is left: it helps to wait.
fn is_exhausted(error: &Error) -> bool {
    match error.errno() {
        Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM) => true,
        Some(libc::EAGAIN) => error.phase == Phase::Opening,
        _ => false,
    }
}

/// Whether it is plain to see that who connects to `connect` comes to `listen`. What a name stands for is not looked
/// up for this.
#[must_use]
pub fn is_itself(listen: &Endpoint, connect: &Endpoint) -> bool {
    match (listen, connect) {
        (Endpoint::Inet(listen), Endpoint::Inet(connect)) => {
            let port = match (&listen.port, &connect.port) {
                (Port::Number(0), _) => false,
                (listen, connect) => listen == connect,
            };
            port && listen.transport == connect.transport && is_same_host(listen, connect)
        }
        (Endpoint::Unix(Unix { name: UnixName::Unnamed, .. }), _) => false,
        (listen, connect) => listen == connect && matches!(listen, Endpoint::Unix(_) | Endpoint::Vsock { .. }),
    }
}

fn is_same_host(listen: &Inet, connect: &Inet) -> bool {
    let is_loopback = match &connect.host {
        Host::Any => true,
        Host::Name(name) => name.eq_ignore_ascii_case("localhost"),
        Host::V4(address) => address.is_loopback() || address.is_unspecified(),
        Host::V6 { addr, .. } => addr.is_loopback() || addr.is_unspecified(),
    };
    let only = |inet: &Inet| match inet.host {
        Host::V4(_) => Some(IpFamily::V4),
        Host::V6 { .. } => Some(IpFamily::V6),
        _ => inet.family,
    };
    match &listen.host {
        // Of all interfaces: no host means both families, or the one that was asked for.
        Host::Any => {
            is_loopback && (listen.family.is_none() || only(connect).is_none_or(|family| Some(family) == listen.family))
        }
        Host::V4(address) if address.is_unspecified() => is_loopback && only(connect) != Some(IpFamily::V6),
        Host::V6 { addr, .. } if addr.is_unspecified() => is_loopback && only(connect) != Some(IpFamily::V4),
        host => *host == connect.host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_back_to_itself_is_seen() {
        for (listen, connect, wanted) in [
            ("127.0.0.1:80", "127.0.0.1:80", true),
            ("127.0.0.1:80", "127.0.0.2:80", false),
            ("127.0.0.1:80", "127.0.0.1:81", false),
            ("127.0.0.1:0", "127.0.0.1:0", false),
            (":80", "127.0.0.1:80", true),
            (":80", ":80", true),
            (":80", "localhost:80", true),
            (":80", "[::1]:80", true),
            (":80", "192.0.2.1:80", false),
            (":80", "udp://127.0.0.1:80", false),
            ("0.0.0.0:80", "[::1]:80", false),
            ("0.0.0.0:80", "localhost:80", true),
            ("[::]:80", "[::1]:80", true),
            // Where [::] takes IPv6 only, this is another server.
            ("[::]:80", "127.0.0.1:80", false),
            ("udp://:53", "udp://localhost:53", true),
            ("unix:/run/a", "unix:/run/a", true),
            ("unix:/run/a", "unix:/run/b", false),
            ("@a", "@a", true),
            ("@a", "unix-dgram:@a", false),
            ("fd:3", "fd:3", false),
            ("vsock:local:80", "vsock:local:80", true),
        ] {
            let found = is_itself(&listen.parse().unwrap(), &connect.parse().unwrap());
            assert_eq!(found, wanted, "{listen} {connect}");
        }
    }
}
