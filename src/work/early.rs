//! Connections that have come, and whose PROXY protocol header has not: nobody waits for them but themselves.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::time::{Duration, Instant};

use tokio::io::Interest;

use crate::acl::Cidr;
use crate::addr::Endpoint;
use crate::error::words;
use crate::net::conn::Conn;
use crate::net::head::{Broken, Head};
use crate::net::proxy_protocol::{Header, parse};
use crate::net::socket::Kind;
use crate::sys;
use crate::work::door::ip_of;

/// That every connection begins with a header, and what is asked of it.
#[derive(Debug, Clone)]
pub struct Headers {
    /// How long it may take to come.
    pub timeout: Duration,
    /// Who may send one; anybody where this is empty.
    pub from: Vec<Cidr>,
}

impl Headers {
    /// The rule that turns this proxy away, if any.
    #[must_use]
    pub fn distrusts(&self, proxy: &Endpoint) -> Option<String> {
        // Whoever reaches a UNIX socket is on this host, and its file says who may.
        let trusted =
            self.from.is_empty() || ip_of(proxy).is_none_or(|ip| self.from.iter().any(|network| network.contains(ip)));
        (!trusted).then(|| "not in --proxy-protocol-from".to_owned())
    }
}

/// A connection whose header is waited for.
pub struct Early {
    conn: Conn,
    head: Head,
    /// When it is late.
    pub until: Instant,
    limit: Duration,
}

/// What comes of waiting for a header: the header, or why the connection is turned away.
pub type Settled = Result<Header, String>;

impl Early {
    /// One that has just come.
    #[must_use]
    pub fn new(conn: Conn, headers: &Headers) -> Self {
        let limit = headers.timeout;
        Self { conn, head: Head::default(), until: Instant::now() + limit, limit }
    }

    /// Looks at what has come. `None` while more is to be waited for.
    pub fn look(&mut self) -> Option<Settled> {
        if self.conn.shape().kind != Kind::Stream {
            return Some(Err("a PROXY protocol header takes a stream".to_owned()));
        }
        match self.head.advance(&self.conn, parse) {
            Ok(Some(header)) => Some(Ok(header)),
            Ok(None) if Instant::now() < self.until => None,
            Ok(None) => {
                let limit = humantime::format_duration(self.limit);
                Some(Err(format!("no whole PROXY protocol header within {limit} (--proxy-protocol-timeout)")))
            }
            Err(Broken::Bad(bad)) => Some(Err(bad.to_string())),
            Err(Broken::Ended(0)) => Some(Err("it closed without a PROXY protocol header".to_owned())),
            Err(Broken::Ended(_)) => Some(Err("it closed in the middle of its PROXY protocol header".to_owned())),
            Err(Broken::Os(source)) => Some(Err(words(&source))),
        }
    }

    /// Waits for the header, on the runtime.
    /// `None` when it cannot be waited for there, and is lost.
    pub async fn settle(self) -> Option<(Conn, Settled)> {
        let until = self.until;
        let mut watched = sys::watch(self, Interest::READABLE).ok()?;
        loop {
            let ready = tokio::time::timeout_at(until.into(), watched.readable_mut()).await;
            if let Ok(Ok(mut ready)) = ready {
                let settled = ready.get_inner_mut().look();
                // All of it was taken; what comes next is told again.
                ready.clear_ready();
                if let Some(settled) = settled {
                    return Some((watched.into_inner().conn, settled));
                }
                continue;
            }
            let mut early = watched.into_inner();
            let late = early.look().unwrap_or_else(|| Err("no PROXY protocol header".to_owned()));
            return Some((early.conn, late));
        }
    }

    /// The connection.
    #[must_use]
    pub fn into_conn(self) -> Conn {
        self.conn
    }
}

impl AsFd for Early {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.conn.as_fd()
    }
}

impl AsRawFd for Early {
    fn as_raw_fd(&self) -> RawFd {
        self.conn.as_raw_fd()
    }
}

impl sys::Watched for Early {}
