//! What servers share.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::privilege::PrivilegeArgs;
use super::socket_options::SocketOptions;
use super::tls::ServerTlsArgs;
use super::value::{at_least_one, count, descriptor, file_mode, path};
use super::{OutputArgs, TimeoutArgs};
use crate::acl::{Acl, Cidr};
use crate::error::{Error, Result};
use crate::value::parse_duration;
use crate::work::early::Headers;

/// How long a PROXY protocol header may take to come where nobody said. The specification asks for at least 3 s, the
/// first retransmission of a lost segment.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// The groups of options that every server has.
#[derive(Debug, Clone, Args)]
pub struct ServerArgs {
    /// Whom it serves.
    #[command(flatten)]
    pub serving: ServingArgs,
    /// How long.
    #[command(flatten)]
    pub timeouts: TimeoutArgs,
    /// Options of its sockets.
    #[command(flatten)]
    pub socket: SocketOptions,
    /// What is said.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// What servers share.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Serving")]
pub struct ServingArgs {
    /// End after N sessions
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    pub count: Option<u64>,
    /// At most N sessions at once; the rest waits in the backlog [default: what the hard limit of descriptors allows, from 512 to 65536; of programs 64]
    #[arg(short, long, value_name = "N", value_parser = at_least_one, allow_negative_numbers = true)]
    pub max_conns: Option<usize>,
    /// Asked to end, give sessions so long to end themselves [default: 5s]
    #[arg(long, value_name = "DUR", value_parser = parse_duration, allow_negative_numbers = true)]
    pub grace: Option<Duration>,
    /// At the end, tell how many sessions and bytes there were; SIGUSR1 asks at any time
    #[arg(long)]
    pub stats: bool,
    /// Security of the connections.
    #[command(flatten)]
    pub tls: ServerTlsArgs,
    /// Let only these networks in: 10.0.0.0/8, ::1 (may be repeated)
    #[arg(long, value_name = "CIDR", num_args = 1, value_delimiter = ',')]
    allow: Vec<Cidr>,
    /// Turn these networks away; beats --allow (may be repeated)
    #[arg(long, value_name = "CIDR", num_args = 1, value_delimiter = ',')]
    deny: Vec<Cidr>,
    /// Every connection begins with a PROXY protocol header (version 1 or 2, as HAProxy and nginx send it), and its peer is the one that the header names; --allow and --deny are then about that one. Any client can say anything there: --proxy-protocol-from says who may
    #[arg(long, value_name = "accept", value_parser = ["accept"])]
    proxy_protocol: Option<String>,
    /// Turn away who has not sent the whole header in this time [default: 5s]
    #[arg(long, value_name = "DUR", requires = "proxy_protocol", help_heading = "Timeouts", value_parser = parse_duration, allow_negative_numbers = true)]
    proxy_protocol_timeout: Option<Duration>,
    /// Let only proxies in these networks connect: 10.0.0.0/8, ::1 (may be repeated)
    #[arg(long, value_name = "CIDR", num_args = 1, value_delimiter = ',', requires = "proxy_protocol")]
    proxy_protocol_from: Vec<Cidr>,
    /// Once listening, write the bound address to this file
    #[arg(long, value_name = "FILE", value_parser = path())]
    pub ready_file: Option<PathBuf>,
    /// Once listening, write the bound address to this descriptor, and close it
    #[arg(long, value_name = "N", value_parser = descriptor, allow_negative_numbers = true)]
    pub ready_fd: Option<i32>,
    /// Take over a socket file that nobody serves any more
    #[arg(long)]
    pub unlink: bool,
    /// The permission bits of a socket file, from its first instant
    #[arg(long, value_name = "OCTAL", value_parser = file_mode)]
    pub mode: Option<u32>,
    /// Give up if nobody connects in this time
    #[arg(long, value_name = "DUR", help_heading = "Timeouts", value_parser = parse_duration, allow_negative_numbers = true)]
    pub accept_timeout: Option<Duration>,
    /// What it gives up once it is bound.
    #[command(flatten)]
    pub privilege: PrivilegeArgs,
}

impl ServingArgs {
    /// What is about sessions side by side must not look as if it had an effect where there are none.
    ///
    /// # Errors
    /// Exit 2.
    pub fn none_side_by_side(&self) -> Result<()> {
        match self.grace {
            None => Ok(()),
            Some(_) => {
                Err(Error::usage("--grace is about sessions that go on side by side, which there are none of here"))
            }
        }
    }

    /// What is about clients that are let in must not look as if it had an effect where nobody is.
    ///
    /// # Errors
    /// Exit 2.
    pub fn check_accepts(&self, accepts: bool) -> Result<()> {
        let given = super::first_given(&[
            (self.count.is_some(), "--count"),
            (self.max_conns.is_some(), "--max-conns"),
            (self.accept_timeout.is_some(), "--accept-timeout"),
            (!self.allow.is_empty(), "--allow"),
            (!self.deny.is_empty(), "--deny"),
        ]);
        match given {
            Some(flag) if !accepts => {
                Err(Error::usage(format!("{flag} is about clients that are accepted, which nobody is here")))
            }
            _ => Ok(()),
        }
    }

    /// Whether every connection begins with a PROXY protocol header.
    #[must_use]
    pub fn headers(&self) -> Option<Headers> {
        self.proxy_protocol.as_ref()?;
        let timeout = self.proxy_protocol_timeout.unwrap_or(HEADER_TIMEOUT);
        Some(Headers { timeout, from: self.proxy_protocol_from.clone() })
    }

    /// Who may come.
    #[must_use]
    pub fn acl(&self) -> Acl {
        Acl { allow: self.allow.clone(), deny: self.deny.clone() }
    }
}
