//! `sockkit time`.

use std::time::Duration;

use clap::Args;

use super::{Context, Runnable, serving};
use crate::cli::socket_options::SocketOptions;
use crate::cli::{OutputArgs, ServerAddress, ServingArgs, TimeoutArgs};
use crate::error::{Exit, Result};
use crate::work::handler::Handler;

/// The arguments of `sockkit time`.
#[derive(Debug, Args)]
pub(super) struct Time {
    #[command(flatten)]
    address: ServerAddress,
    #[command(flatten)]
    serving: ServingArgs,
    #[command(flatten)]
    timeouts: TimeoutArgs,
    #[command(flatten)]
    socket: SocketOptions,
    #[command(flatten)]
    output: OutputArgs,
}

impl Runnable for Time {
    const NAME: &'static str = "time";
    const ABOUT: &'static str = "A time server: answers each message with [message] and the time";

    fn output(&self) -> Option<&OutputArgs> {
        Some(&self.output)
    }

    fn deadline(&self) -> Option<Duration> {
        self.timeouts.deadline
    }

    fn run(&self, context: &Context) -> Result<Exit> {
        serving::serve(&self.address, &self.socket, &self.serving, &self.timeouts, Handler::Time, true, context)
    }
}
