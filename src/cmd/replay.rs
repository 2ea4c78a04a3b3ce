//! `sockkit replay`.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;

use super::{Context, Runnable};
use crate::acl::Acl;
use crate::cli::socket_options::SocketOptions;
use crate::cli::tls::{ServerTlsArgs, TrustArgs};
use crate::cli::{ClientAddress, OutputArgs, RouteArgs};
use crate::error::{Error, Exit, Phase, Result};
use crate::event::{ConnId, Event};
use crate::net::bind::{Bind, Bound, Listener};
use crate::net::conn::Conn;
use crate::net::dial::{CONN, Dial};
use crate::net::tls::ClientTls;
use crate::net::via::Via;
use crate::value::parse_duration;
use crate::work::builtin;
use crate::work::door::Door;
use crate::work::handler::stdio::stopped;
use crate::work::replay::{Played, Replay as Player, Role, Session, read};

/// The arguments of `sockkit replay`.
#[derive(Debug, Args)]
pub(super) struct Replay {
    /// A record, as --record made it
    file: PathBuf,
    #[command(flatten)]
    address: ClientAddress,
    /// Play the side that accepted: listen on the address, instead of connecting to it
    #[arg(long, conflicts_with_all = ["proxy", "proxy_user_file", "proxy_protocol"])]
    listen: bool,
    /// 0: as fast as it goes; 1: at the recorded times; 2: twice as fast
    #[arg(long, value_name = "N", default_value_t = 1.0, value_parser = speed, allow_negative_numbers = true)]
    speed: f64,
    /// How long to wait for a connection, and for what is expected
    #[arg(long, value_name = "DUR", default_value = "10s", value_parser = parse_duration, allow_negative_numbers = true)]
    timeout: Duration,
    /// End the whole run, with status 124
    #[arg(long, value_name = "DUR", value_parser = parse_duration, allow_negative_numbers = true)]
    deadline: Option<Duration>,
    #[command(flatten)]
    tls: ServerTlsArgs,
    #[command(flatten)]
    trust: TrustArgs,
    #[command(flatten)]
    route: RouteArgs,
    #[command(flatten)]
    socket: SocketOptions,
    #[command(flatten)]
    output: OutputArgs,
}

fn speed(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(speed) if speed.is_finite() && speed >= 0.0 => Ok(speed),
        _ => Err("a speed is 0, or how many times faster than recorded".to_owned()),
    }
}

impl Runnable for Replay {
    const NAME: &'static str = "replay";
    const ABOUT: &'static str = "Play a recorded session again and compare what comes back";

    fn output(&self) -> Option<&OutputArgs> {
        Some(&self.output)
    }

    fn deadline(&self) -> Option<Duration> {
        self.deadline
    }

    fn run(&self, context: &Context) -> Result<Exit> {
        let sessions = read(&self.file, if self.listen { Role::Server } else { Role::Client })?;
        let mut listener = if self.listen { Some(self.bind(context)?) } else { None };
        let tls = if self.listen { None } else { self.tls.as_client(&self.trust)? };
        let via = self.route.via(&*context.sink)?;
        let last = sessions.len();
        for (nth, session) in sessions.iter().enumerate() {
            let came = match &mut listener {
                Some((listener, door)) => door.wait(listener, Some(self.timeout), &context.stop, false)?,
                None => {
                    let id = CONN + nth as u64;
                    self.dial(id, &via, tls.as_ref(), context)?.map(|conn| (id, conn))
                }
            };
            if nth + 1 == last {
                // Whoever comes after the last one is refused.
                listener = None;
            }
            let Some((id, mut conn)) = came else { return Ok(stopped(&context.stop)) };
            if let Some(exit) = self.play(&mut conn, id, session, context)? {
                return Ok(exit);
            }
        }
        Ok(Exit::Ok)
    }
}

impl Replay {
    fn play(&self, conn: &mut Conn, id: ConnId, session: &Session, context: &Context) -> Result<Option<Exit>> {
        let begun = Instant::now();
        let player = Player { speed: self.speed, patience: self.timeout, sink: &*context.sink, stop: &context.stop };
        let played = player.play(conn, id, session)?;
        let end = match &played {
            Played::Same => Exit::Ok,
            Played::Differs(..) => Exit::Expectation,
            Played::Stopped => stopped(&context.stop),
        };
        let (sent, received) = session.sizes();
        let duration = begun.elapsed();
        context.sink.emit(Some(id), &Event::Closed { reason: end.name(), sent, received, duration, course: None });
        match played {
            Played::Same => Ok(None),
            Played::Stopped => Ok(Some(end)),
            Played::Differs(what, details) => Err(Error::expected(Phase::Receiving, Some(conn.peer()), what, details)),
        }
    }

    fn dial(&self, conn: ConnId, via: &Via, tls: Option<&ClientTls>, context: &Context) -> Result<Option<Conn>> {
        let (endpoint, options) = (builtin::reachable(self.address.endpoint()?)?, self.socket.options());
        Dial { conn, timeout: self.timeout, tls, ..context.dial(&endpoint, via, &options) }.dial()
    }

    fn bind(&self, context: &Context) -> Result<(Listener, Door)> {
        let options = self.socket.options();
        let endpoint = self.address.endpoint()?;
        self.trust.only_for_clients()?;
        let tls = self.tls.server(&endpoint, &*context.sink)?;
        let bind = Bind {
            endpoint: &endpoint,
            options: &options,
            mode: None,
            unlink: false,
            stop: &context.stop,
            sink: &*context.sink,
        };
        let bound = bind.bind()?;
        bound.announce(&*context.sink);
        match bound {
            Bound::Listener(listener) => {
                Ok((listener, Door::new(Acl::default(), options, context.sink.clone()).secured(tls)))
            }
            _ => Err(Error::usage(format!("--listen takes connections, which {endpoint} has not"))),
        }
    }
}
