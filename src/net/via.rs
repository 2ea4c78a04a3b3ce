//! What stands between us and a target besides the network: the way is dial, proxy, PROXY protocol header, and only
//! then the session. Its default is the straight way.

use std::sync::Arc;

use crate::addr::Endpoint;
use crate::error::{Error, Phase, Result};
use crate::event::{Event, Sink};
use crate::net::conn::Conn;
use crate::net::proxy::Proxy;
use crate::net::proxy_protocol::{Header, Version, header, parse};
use crate::net::resolve::Budget;
use crate::net::socket::Kind;
use crate::sys::Stop;

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct Via {
    /// The proxy to go through.
    pub proxy: Option<Arc<Proxy>>,
    /// The PROXY protocol header that the connection begins with.
    pub announce: Option<Announce>,
}

/// That a connection begins with a PROXY protocol header: as if we were a proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announce {
    /// Its version.
    pub version: Version,
    /// Whom it names as the client; by default our own address.
    pub source: Option<Endpoint>,
}

impl Announce {
    /// Sends it. `false` when the program is to stop first.
    ///
    /// # Errors
    /// Exit 2 for what is no stream; those of send(2); when the budget is used up.
    pub fn send(&self, conn: &Conn, budget: Budget, stop: &Stop, sink: &dyn Sink) -> Result<bool> {
        if conn.shape().kind != Kind::Stream {
            let text = format!("--proxy-protocol is about streams, and {} is {}", conn.peer(), conn.shape());
            return Err(Error::usage(text));
        }
        let bytes = header(self.version, self.source.as_ref().unwrap_or(conn.local()), conn.peer());
        if !budget.send(conn, &bytes, stop, Phase::Sending, Some(conn.peer()))? {
            return Ok(false);
        }
        let said = match parse(&bytes) {
            Ok(Some((Header::Relayed { peer, destination }, _))) => format!("from {peer} to {destination}"),
            _ => "nothing of who we are".to_owned(),
        };
        let asked = match self.version {
            Version::V1 => "v1",
            Version::V2 => "v2",
        };
        let note = Some(said.as_str());
        sink.emit(None, &Event::Option { name: "proxy-protocol", asked, effective: asked, note });
        Ok(true)
    }
}

impl Via {
    /// Straight to the target.
    pub const STRAIGHT: &Self = &Self { proxy: None, announce: None };

    /// Whether nothing stands in between.
    #[must_use]
    pub fn is_straight(&self) -> bool {
        self.proxy.is_none() && self.announce.is_none()
    }

    /// The proxy on the way to this target.
    #[must_use]
    pub fn proxy_to(&self, target: &Endpoint) -> Option<&Proxy> {
        self.proxy.as_deref().filter(|proxy| !matches!(target, Endpoint::Inet(inet) if proxy.exempt.covers(inet)))
    }

    /// The proxy that is to resolve the name of this target.
    #[must_use]
    pub fn resolves(&self, target: &Endpoint) -> bool {
        self.proxy_to(target).is_some_and(|proxy| !proxy.kind.resolves_here())
    }
}
