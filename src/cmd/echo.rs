//! `sockkit echo`.

use std::time::Duration;

use clap::Args;

use super::serving;
use super::{Context, Runnable};
use crate::addr::Endpoint;
use crate::cli::faults::Faults;
use crate::cli::{OutputArgs, ServerAddress, ServerArgs};
use crate::error::{Error, Exit, Result};
use crate::net::bind::Bound;
use crate::work::handler::{Handler, Needs};
use crate::work::queue;

/// The arguments of `sockkit echo`.
#[derive(Debug, Args)]
pub(super) struct Echo {
    #[command(flatten)]
    address: ServerAddress,
    #[command(flatten)]
    faults: Faults,
    #[command(flatten)]
    server: ServerArgs,
}

impl Echo {
    fn watch(&self, endpoint: &Endpoint, context: &Context) -> Result<Exit> {
        self.server.serving.none_side_by_side()?;
        self.server.serving.check_accepts(false)?;
        if self.server.serving.stats {
            return Err(Error::usage(
                "--stats is about sessions that go on side by side, which there are none of here",
            ));
        }
        context.answer_usr1()?;
        match serving::bind(Needs::Tables, endpoint, &self.server.socket.options(), &self.server.serving, context)? {
            Bound::Listener(listener) => {
                queue::watch(&listener, self.server.socket.options().asked_backlog(), &context.stop, &*context.sink)
            }
            _ => Err(Error::usage("--never-accept is about the queue of connections that a listener has")),
        }
    }
}

impl Runnable for Echo {
    const NAME: &'static str = "echo";
    const ABOUT: &'static str = "An echo server: sends back what comes, or misbehaves on purpose";

    fn output(&self) -> Option<&OutputArgs> {
        Some(&self.server.output)
    }

    fn deadline(&self) -> Option<Duration> {
        self.server.timeouts.deadline
    }

    fn run(&self, context: &Context) -> Result<Exit> {
        let endpoint = self.address.endpoint()?;
        self.faults.check(&endpoint)?;
        if self.faults.never_accept {
            return self.watch(&endpoint, context);
        }
        let handler = Handler::Echo(self.faults.echo(&*context.sink));
        serving::serve(&endpoint, &self.server, handler, true, context)
    }
}
