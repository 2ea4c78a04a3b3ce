//! Which sockets `sockkit inspect` is asked for.

use std::ffi::OsString;
use std::net::SocketAddr;

use clap::Args;

use crate::addr::{Endpoint, Host, Inet, IpFamily, Port, Reading, UnixKind};
use crate::error::{Error, Result};
use crate::event::Sink;
use crate::net::resolve::{Purpose, resolve};
use crate::span::Misread;
use crate::sys::Stop;
use crate::sys::sockets::{State, Wanted};
use crate::value::parse_number;
use crate::work::inspect::{End, Filter, Users, Who};

/// The filters; a socket must pass all of them.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Filters")]
pub struct FilterArgs {
    /// Only sockets with this at either end: PORT, HOST, HOST:PORT, unix:PATH, @NAME; with tcp:// or udp:// only of that transport
    #[arg(value_name = "ADDR|PORT", num_args = 0..=2, help_heading = None::<&str>)]
    addr: Vec<OsString>,
    /// Only listeners: connections that wait, the limit, what was lost
    #[arg(short, long)]
    pub listen: bool,
    /// TCP
    #[arg(short, long)]
    tcp: bool,
    /// UDP
    #[arg(short, long)]
    udp: bool,
    /// UNIX sockets
    #[arg(short = 'x', long)]
    unix: bool,
    /// IPv4 only
    #[arg(short = '4', conflicts_with_all = ["v6", "unix"])]
    v4: bool,
    /// IPv6 only
    #[arg(short = '6', conflicts_with = "unix")]
    v6: bool,
    /// Only in these states: established, listen, time-wait, close-wait, ... (several with commas, or repeated)
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = state, conflicts_with = "listen")]
    state: Vec<State>,
    /// Only those of this process: its program's name, or its PID
    #[arg(long, value_name = "NAME|PID", value_parser = who)]
    process: Option<Who>,
    /// Only those that this user made: a name of /etc/passwd, or a number
    #[arg(long, value_name = "NAME|UID", value_parser = user)]
    user: Option<u32>,
}

/// Other names of states, as ss(8) and /proc readers have them.
const ALIASES: [(&str, State); 9] = [
    ("estab", State::Established),
    ("connected", State::Established),
    ("listening", State::Listen),
    ("unconn", State::Unconnected),
    ("close", State::Unconnected),
    ("closed", State::Unconnected),
    ("syn-received", State::SynRecv),
    ("fin-wait1", State::FinWait1),
    ("fin-wait2", State::FinWait2),
];

fn state(text: &str) -> Result<State, Misread> {
    let wanted = text.to_ascii_lowercase().replace('_', "-");
    let names = || State::ALL.into_iter().map(|state| (state.name(), state)).chain(ALIASES);
    if let Some((_, state)) = names().find(|(name, _)| *name == wanted) {
        return Ok(state);
    }
    let known: Vec<_> = State::ALL.iter().map(|state| state.name()).collect();
    let misread = Misread::new("state", text, 0..text.len(), format!("there are {}", known.join(", ")));
    let near = names().map(|(name, _)| (strsim::damerau_levenshtein(name, &wanted), name)).min();
    Err(match near {
        Some((distance, name)) if distance <= 3 => misread.hint(name),
        _ => misread,
    })
}

fn who(text: &str) -> Result<Who, Misread> {
    if text.is_empty() {
        return Err(Misread::new("process", text, 0..0, "it is empty; a name or a PID belongs here"));
    }
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        let pid = parse_number("PID", text, 1..=u64::from(u32::MAX))?;
        return Ok(Who::Pid(u32::try_from(pid).unwrap_or(u32::MAX)));
    }
    Ok(Who::Program(text.to_owned()))
}

fn user(text: &str) -> Result<u32, Misread> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        let uid = parse_number("user", text, 0..=u64::from(u32::MAX))?;
        return Ok(u32::try_from(uid).unwrap_or(u32::MAX));
    }
    let unknown = || Misread::new("user", text, 0..text.len(), "no user of /etc/passwd is called so");
    Users::read().uid(text).ok_or_else(unknown)
}

impl FilterArgs {
    /// All of them as one; a name is looked up.
    ///
    /// # Errors
    /// Exit 2 with the place in the address; exit 4 for a name that has no address.
    pub fn filter(&self, details: bool, stop: &Stop, sink: &dyn Sink) -> Result<Filter> {
        let all = !(self.tcp || self.udp || self.unix);
        let states = if self.listen { &[State::Listen, State::Unconnected][..] } else { &self.state };
        let wanted = Wanted {
            tcp: all || self.tcp,
            udp: all || self.udp,
            unix: self.unix || all && !self.v4 && !self.v6,
            v4: !self.v6,
            v6: !self.v4,
            states: if states.is_empty() { u32::MAX } else { states.iter().fold(0, |bits, state| bits | state.mask()) },
            details: details || self.listen,
        };
        let end = if self.addr.is_empty() { None } else { Some(self.end(stop, sink)?) };
        Ok(Filter { wanted, listen: self.listen, end, process: self.process.clone(), user: self.user })
    }

    fn end(&self, stop: &Stop, sink: &dyn Sink) -> Result<End> {
        let family = if self.v4 { Some(IpFamily::V4) } else { self.v6.then_some(IpFamily::V6) };
        // Without a port of its own an address means every port.
        let endpoint = Endpoint::parse(&self.addr, &Reading { port: 0, family, udp: false })?;
        let typed = self.addr[0].to_string_lossy();
        match &endpoint {
            // No host: nothing to look up but the name of a service.
            Endpoint::Inet(Inet { transport, host: Host::Any, port: Port::Number(port), .. }) => {
                let transport = Some(*transport).filter(|_| typed.contains("://"));
                Ok(End::Inet { transport, hosts: Vec::new(), port: Some(*port).filter(|port| *port != 0) })
            }
            Endpoint::Inet(inet) => {
                let transport = typed.contains("://").then_some(inet.transport);
                let addresses: Vec<SocketAddr> = resolve(&endpoint, Purpose::Client, None, stop, sink)?
                    .iter()
                    .filter_map(|target| target.address.as_socket())
                    .collect();
                let port = addresses.first().map(SocketAddr::port).filter(|port| *port != 0);
                let hosts = match inet.host {
                    Host::Any => Vec::new(),
                    _ => addresses.iter().map(|address| address.ip().to_canonical()).collect(),
                };
                Ok(End::Inet { transport, hosts, port })
            }
            Endpoint::Unix(unix) => {
                let kind = Some(unix.kind).filter(|kind| *kind != UnixKind::Stream);
                Ok(End::Unix { kind, name: unix.name.clone() })
            }
            _ => Err(Error::usage(format!("{endpoint} is no address that sockets of this host are listed under"))),
        }
    }
}

/// How long to wait before sockets are shown again.
///
/// # Errors
/// Anything that is no duration, and none at all.
pub fn pause(text: &str) -> Result<std::time::Duration, Misread> {
    let pause = crate::value::parse_duration(text)?;
    if pause < std::time::Duration::from_millis(10) {
        return Err(Misread::new("duration", text, 0..text.len(), "less than 10ms leaves no time to look").hint("1s"));
    }
    Ok(pause)
}
