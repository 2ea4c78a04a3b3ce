//! A peer inside this process, for a first try with nothing else running: `echo:`, `time:`.

use std::sync::Arc;

use crate::acl::Acl;
use crate::addr::{Builtin, Endpoint, Host, Inet, Port, Transport};
use crate::error::{Error, Phase, Result};
use crate::event::{ConnId, Event, Sink};
use crate::net::bind::Bind;
use crate::net::options::Options;
use crate::sys::Stop;
use crate::work::door::Door;
use crate::work::handler::{Echo, Handler, Time};
use crate::work::link::Limits;
use crate::work::serve::{GRACE, Serve};

/// Hears everything and says nothing: what the built-in peer does is not what the user asked about.
struct Nobody;

impl Sink for Nobody {
    fn emit(&self, _: Option<ConnId>, _: &Event<'_>) {}
}

/// The address itself, or that of the built-in peer that it names, started for this.
///
/// # Errors
/// Those of binding.
pub fn reachable(endpoint: Endpoint) -> Result<Endpoint> {
    match endpoint {
        Endpoint::Builtin(peer) => start(peer, Some(1)),
        endpoint => Ok(endpoint),
    }
}

/// The same for a relay, which connects to it again and again.
///
/// # Errors
/// Those of binding.
pub fn reachable_by_many(endpoint: Endpoint) -> Result<Endpoint> {
    match endpoint {
        Endpoint::Builtin(peer) => start(peer, None),
        endpoint => Ok(endpoint),
    }
}

/// Starts a server for so many connections on an ephemeral loopback port, and returns its address. It ends with the
/// process.
///
/// # Errors
/// Those of binding.
fn start(peer: Builtin, count: Option<u64>) -> Result<Endpoint> {
    let any = Endpoint::Inet(Inet {
        transport: Transport::Tcp,
        family: None,
        host: Host::V4(std::net::Ipv4Addr::LOCALHOST),
        port: Port::Number(0),
    });
    let stop = Stop::new().map_err(|source| Error::os(Phase::Opening, None, source))?;
    let options = Options::new();
    let bind = Bind { endpoint: &any, options: &options, mode: None, unlink: false, stop: &stop, sink: &Nobody };
    let bound = bind.bind()?;
    let local = bound.local();
    let serve = Serve {
        door: Door::new(Acl::default(), options, Arc::new(Nobody)),
        handler: Arc::new(match peer {
            Builtin::Echo => Handler::Echo(Echo::default()),
            Builtin::Time => Handler::Time(Time::default()),
        }),
        count,
        keep_open: true,
        max_conns: usize::MAX,
        accept_timeout: None,
        limits: Limits::default(),
        grace: GRACE,
        asked: None,
        stats: false,
        stop,
    };
    // What goes wrong there shows as what its client sees.
    let thread = std::thread::Builder::new().spawn(move || drop(serve.run(bound)));
    thread.map(|_| local).map_err(|source| Error::os(Phase::Opening, None, source))
}
