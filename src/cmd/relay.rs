//! `sockkit relay`.

use std::ffi::OsString;
use std::time::Duration;

use clap::Args;

use super::serving;
use super::{Context, Runnable};
use crate::addr::Endpoint;
use crate::cli::cable::Cable;
use crate::cli::tls::OriginateArgs;
use crate::cli::{OutputArgs, ProxyArgs, RelayAddresses, ServerArgs};
use crate::error::{Error, Exit, Result};
use crate::net::dial::CONNECT_TIMEOUT;
use crate::net::options::Role;
use crate::net::proxy;
use crate::sys;
use crate::value::parse_duration;
use crate::work::builtin;
use crate::work::handler::Handler;
use crate::work::relay::{self, Target, is_itself};

/// When the program is to stop, sessions on which nothing has moved for so long are over, where --grace does not say
/// how long they may take.
const LULL: Duration = Duration::from_millis(500);

/// The arguments of `sockkit relay`.
#[derive(Debug, Args)]
#[command(
    after_help = "Up is to the target, down is to the client. What is shown and recorded is what the client sees: received is what it sent, sent is what reached it."
)]
pub(super) struct Relay {
    #[command(flatten)]
    address: RelayAddresses,
    /// The local address to connect from
    #[arg(short, long, value_name = "HOST[:PORT]", help_heading = "Address")]
    source: Option<OsString>,
    /// When nobody is there, keep trying for so long; the client waits meanwhile
    #[arg(long, value_name = "DUR", value_parser = parse_duration, allow_negative_numbers = true)]
    retry: Option<Duration>,
    /// Give up if there is no connection to the target in this time, resolving included [default: 10s]
    #[arg(short = 'w', long, value_name = "DUR", help_heading = "Timeouts", value_parser = parse_duration, allow_negative_numbers = true)]
    connect_timeout: Option<Duration>,
    #[command(flatten)]
    cable: Cable,
    #[command(flatten)]
    originate: OriginateArgs,
    #[command(flatten)]
    proxy: ProxyArgs,
    #[command(flatten)]
    server: ServerArgs,
}

impl Relay {
    /// Where to listen, and where to connect to.
    ///
    /// # Errors
    /// Exit 2, with the place in the address.
    pub(super) fn addresses(&self) -> Result<(Endpoint, Endpoint)> {
        Ok((self.address.listen()?, self.address.connect()?))
    }
}

impl Runnable for Relay {
    const NAME: &'static str = "relay";
    const ABOUT: &'static str = "Forward between any two endpoints, with a screen and faults on demand";

    fn output(&self) -> Option<&OutputArgs> {
        Some(&self.server.output)
    }

    fn deadline(&self) -> Option<Duration> {
        self.server.timeouts.deadline
    }

    fn run(&self, context: &Context) -> Result<Exit> {
        let (from, connect) = self.addresses()?;
        if is_itself(&from, &connect) && self.server.socket.options().value("v6only").is_none() {
            return Err(Error::usage(format!(
                "{connect} is where the relay itself would listen: it leads in a circle"
            )));
        }
        if self.cable.has_idle_seed() {
            return Err(Error::usage("--seed is about what chance does: --drop and --corrupt"));
        }
        let source = self.source.as_ref().map(|text| self.address.source(text)).transpose()?;
        // Each option is for the side, or the sides, on which it has a meaning.
        let all = self.server.socket.options();
        let (theirs, ours) = (all.for_role(&from, Role::Listener), all.for_role(&connect, Role::Client));
        if let Some(name) = all.left_out(&theirs, &ours) {
            return Err(Error::usage(format!("--{name} does not apply to {from}, nor to {connect}")));
        }
        let connect = builtin::reachable_by_many(connect)?;
        let timeout = self.connect_timeout.unwrap_or(CONNECT_TIMEOUT);
        let (stop, sink) = (context.stop.clone(), context.sink.clone());
        let mut target = Target::new(connect, ours, timeout, stop, sink);
        (target.source, target.retry) = (source, self.retry);
        target.via = self.proxy.via(&*context.sink)?;
        if let Some(proxy) = target.via.proxy_to(&target.endpoint) {
            proxy::check(&target.endpoint, proxy)?;
        }
        target.lull = self.server.serving.grace.is_none().then_some(LULL);
        target.tls = self.originate.client(&self.server.serving.tls, &target.endpoint)?;
        target.take_over()?;
        let single = target.is_single();
        let descriptors = sys::raise_descriptors().soft;
        let mut relay = relay::Relay::new(target, self.server.timeouts.limits(), descriptors);
        (relay.up, relay.down) = self.cable.faults(&*context.sink);
        let handler = Handler::Relay(Box::new(relay));
        // A target that is one connection ends with its one session, and that is how the program ends.
        let mut server = ServerArgs { socket: self.server.socket.only(theirs), ..self.server.clone() };
        server.serving.tls = self.originate.rest(&self.server.serving.tls);
        serving::serve(&from, &server, handler, !single, context)
    }

    fn address(&self) -> Option<Endpoint> {
        self.address.listen().ok()
    }
}
