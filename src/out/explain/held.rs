//! Why a local address or port cannot be had.

use std::net::IpAddr;

use crate::addr::{Endpoint, Host, Inet, Port};
use crate::error::{Fact, Ports, Process, TimeWait};
use crate::sys;

use super::inet::holders;
use super::{Case, Why, list, name_of, setting, word};

/// So many addresses of this host are listed.
const SHOWN: usize = 8;

/// The IPv4 address that means the same, where one does.
fn as_ipv4(endpoint: &Endpoint) -> Endpoint {
    let Endpoint::Inet(inet) = endpoint else { return endpoint.clone() };
    let host = match &inet.host {
        Host::V6 { addr, .. } if addr.is_loopback() => Host::V4(std::net::Ipv4Addr::LOCALHOST),
        Host::V6 { addr, .. } if addr.is_unspecified() => Host::V4(std::net::Ipv4Addr::UNSPECIFIED),
        _ => return endpoint.clone(),
    };
    Endpoint::Inet(Inet { host, ..inet.clone() })
}

pub(super) fn in_use(case: &Case<'_>) -> Why {
    // Two servers that both try the port above theirs would meet again; 0 takes one that is free.
    let other = match case.endpoint {
        Endpoint::Inet(inet) => {
            let other = Endpoint::Inet(Inet { port: Port::Number(0), ..inet.clone() });
            case.bind(&other.to_string())
        }
        _ => String::new(),
    };
    let port = case.port().unwrap_or(0);
    if port == 0 {
        return no_port_left(case)
            .unwrap_or_else(|| Why::new("every local port is in use (net.ipv4.ip_local_port_range)").try_("ss -s"));
    }
    if let Some((local, process)) = holders(case, true).first() {
        return held(case, local, *process, other);
    }
    let waiting = case.facts().iter().find_map(|fact| match fact {
        Fact::TimeWait(waiting) => Some(*waiting),
        _ => None,
    });
    if let Some(TimeWait { connections, left }) = waiting {
        let (verb, last) = if connections == 1 { ("waits", "") } else { ("wait", "the last of them ") };
        // It is over within the second that is told.
        let left = left
            .map_or_else(|| "up to 60 seconds".to_owned(), |left| format!("{last}for {} s more", left.as_secs() + 1));
        return Why::new(format!(
            "nothing listens there, but {} that ended {verb} out TIME_WAIT, {left}, and SO_REUSEADDR is not set",
            super::connections(connections)
        ))
        .try_(if case.is_client() {
            format!("sockkit {} --reuseaddr --source {} …", case.command, case.word())
        } else {
            format!("sockkit {} --reuseaddr {}", case.server(), case.word())
        })
        .try_(format!("ss -tan state time-wait 'sport = :{port}'"));
    }
    Why::new(format!(
        "another socket has {} port {port}{}",
        if case.is_udp() { "UDP" } else { "TCP" },
        if sys::TELLS {
            ", and it is none that listens: one that is bound only, or one that is gone by now"
        } else {
            ""
        }
    ))
    .try_(format!("sudo ss -{}anp 'sport = :{port}'", if case.is_udp() { 'u' } else { 't' }))
    .try_(other)
}

/// A socket has the address, or one that takes it in.
fn held(case: &Case<'_>, local: &Endpoint, process: Option<&Process>, other: String) -> Why {
    let more = case.facts().iter().find_map(|fact| match fact {
        Fact::Held(held) => Some(held),
        _ => None,
    });
    let state = more.and_then(|held| held.state);
    let orphan = more.is_some_and(|held| held.orphan);
    let user = more.and_then(|held| held.other_user.as_deref());
    let who = match (state, process) {
        (Some("unconnected"), Some(process)) => {
            format!("{}, which has bound it and does not listen (yet)", name_of(process))
        }
        (Some(state), Some(process)) => format!("a connection of {} ({state})", name_of(process)),
        (None, Some(process)) => name_of(process),
        (Some(state), None) if orphan => {
            format!("a connection that no process has any more, and that the kernel still ends ({state})")
        }
        (Some(state), None) => format!("a connection of a process that was not found ({state})"),
        (None, None) => match user {
            Some(user) => format!("a process of the user {user}, which is hidden from this one"),
            None => "a process that was not found; those of other users are hidden".to_owned(),
        },
    };
    let (which, overlap, beside) = overlap(case, local);
    let reuse = if !case.facts().contains(&Fact::ReusePort) {
        String::new()
    } else if let Some(user) = user {
        format!("; --reuseport shares a port with sockets of the same user only, and that one is {user}'s")
    } else {
        "; --reuseport shares a port only with sockets that asked for it too, and that one did not".to_owned()
    };
    let mut why = Why::new(format!("{local}{which} is held by {who}{overlap}{reuse}"));
    if let Some(beside) = beside {
        why = why.try_(beside);
    }
    match process {
        Some(process) => why.try_(other).try_(format!("ps -fp {}", process.pid)),
        None if state.is_some() => why.try_(other).try_(format!(
            "sudo ss -{}anp 'sport = :{}'",
            if case.is_udp() { 'u' } else { 't' },
            case.port().unwrap_or(0)
        )),
        None => why.try_(format!("sudo {}", case.sockets())).try_(other),
    }
}

/// Why one address is in the way of another: which one it is, what that has to do with ours, and how to have both.
fn overlap(case: &Case<'_>, local: &Endpoint) -> (&'static str, String, Option<String>) {
    let host = |endpoint: &Endpoint| match endpoint {
        Endpoint::Inet(Inet { host: Host::Any, .. }) => Some(IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED)),
        _ => endpoint.ip(),
    };
    let (asked, held) = match (host(case.endpoint), host(local)) {
        (Some(asked), Some(held)) if asked != held => (asked, held),
        _ => return ("", String::new(), None),
    };
    match (asked.is_ipv6(), held.is_ipv6()) {
        (false, true) => (", which takes IPv4 as well,", String::new(), None),
        (true, false) if !case.is_client() => {
            let apart = format!("sockkit {} --v6only {}", case.server(), case.word());
            ("", format!(", and [{asked}] takes IPv4 as well, unless --v6only"), Some(apart))
        }
        _ if held.is_unspecified() => (", which takes every address of this host,", String::new(), None),
        _ => ("", format!(", and {asked} means every address of this host, that one too"), None),
    }
}

/// Every port that a client may be given is taken. None where that is not known to be so.
pub(super) fn no_port_left(case: &Case<'_>) -> Option<Why> {
    let Ports { low, high, taken, waiting, ending, by } = case.facts().iter().find_map(|fact| match fact {
        Fact::Ports(ports) => Some(ports),
        _ => None,
    })?;
    let all = usize::from(high.saturating_sub(*low)) + 1;
    let letter = if case.is_udp() { 'u' } else { 't' };
    let what = if case.is_udp() { "UDP" } else { "TCP" };
    let range = format!("net.ipv4.ip_local_port_range is {low}-{high}");
    let mut who: Vec<String> =
        by.iter().map(|(process, sockets)| format!("{} of {}", sockets, name_of(process))).collect();
    if *ending > 0 {
        who.push(format!("{ending} that no process has any more"));
    }
    if *waiting > 0 {
        who.push(format!("{waiting} that only wait out TIME_WAIT"));
    }
    let who = if who.is_empty() { String::new() } else { format!(": {}", list(&who, "and")) };
    // A few are taken between the failure and the look.
    let cause = if taken + all / 50 >= all {
        format!("no local port is left: {range}, and {taken} of those {all} have {what} sockets{who}")
    } else {
        format!(
            "no local port is left for this: {range}, {taken} of those {all} have {what} sockets{who}; or net.ipv4.ip_local_reserved_ports keeps the rest back"
        )
    };
    let widen = if all < 20_000 { "32768 60999" } else { "1024 65535" };
    Some(
        Why::new(cause)
            .try_(format!("ss -{letter}anp 'sport >= :{low} and sport <= :{high}'"))
            .try_(format!("sudo sysctl -w net.ipv4.ip_local_port_range='{widen}'")),
    )
}

pub(super) fn not_available(case: &Case<'_>, binding: bool) -> Why {
    let ours = case.facts().iter().find_map(|fact| match fact {
        Fact::LocalAddresses(list) => Some(list),
        _ => None,
    });
    let has_v6 = ours.is_none_or(|list| list.iter().any(IpAddr::is_ipv6));
    if case.is_v6() && !has_v6 {
        return Why::new("this host has no IPv6 address at all: IPv6 is switched off")
            .try_("sysctl net.ipv6.conf.all.disable_ipv6")
            .try_(format!("sockkit {} {}", case.command, word(&as_ipv4(case.endpoint).to_string())));
    }
    if binding {
        let own = match ours {
            Some(ours) if !ours.is_empty() => {
                let mut shown: Vec<String> = ours.iter().take(SHOWN).map(ToString::to_string).collect();
                if ours.len() > SHOWN {
                    shown.push(format!("{} more", ours.len() - SHOWN));
                }
                format!("; it has {}", list(&shown, "and"))
            }
            _ => String::new(),
        };
        let everywhere = match (case.endpoint, case.port()) {
            (Endpoint::Inet(inet), Some(_)) => {
                Endpoint::Inet(Inet { host: Host::Any, family: None, ..inet.clone() }).to_string()
            }
            _ => String::new(),
        };
        let why = Why::new(format!("{} is not an address of this host{own}", case.host()));
        if case.is_client() {
            return why.try_("ip -br address");
        }
        return why.try_(format!("sockkit {} {everywhere}", case.server())).try_(format!(
            "sockkit {} --freebind {}",
            case.server(),
            case.word()
        ));
    }
    no_port_left(case).unwrap_or_else(|| {
        Why::new(format!(
            "no local port is left for a connection to {} (net.ipv4.ip_local_port_range), or the address it should come from is not one of this host",
            case.endpoint
        ))
        .try_("ss -s")
        .try_("ip -br address")
    })
}

pub(super) fn privileged(case: &Case<'_>) -> Why {
    let port = case.port().unwrap_or(0);
    let start = setting(case.error, "net.ipv4.ip_unprivileged_port_start");
    let first: u16 = start.and_then(|start| start.parse().ok()).unwrap_or(1024);
    if port >= first {
        return Why::new(
            "a security policy of this host (SELinux, AppArmor, a sandbox) forbids this port to this program",
        )
        .try_("sudo journalctl -k --grep 'denied|avc' --since -5min");
    }
    let name = if start.is_some() {
        format!("net.ipv4.ip_unprivileged_port_start is {first}")
    } else {
        "net.ipv4.ip_unprivileged_port_start".to_owned()
    };
    // The usual second choice of those who may not have port 80.
    let free = match port {
        port if port < 1000 => 8000 + port,
        port => 10_000 + port,
    };
    let elsewhere = match case.endpoint {
        Endpoint::Inet(inet) => Endpoint::Inet(Inet { port: Port::Number(free), ..inet.clone() }).to_string(),
        _ => String::new(),
    };
    Why::new(format!("ports below {first} need root or CAP_NET_BIND_SERVICE ({name})"))
        .try_(case.bind(&elsewhere))
        .try_(format!("sudo {}", case.bind(&case.endpoint.to_string())))
}
