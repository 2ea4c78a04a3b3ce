//! Why a port refuses, and what listens near it.

use crate::addr::{Endpoint, Host, Inet, Port, is_slip};
use crate::error::{Error, Fact, Process};

use super::inet::{Icmp, holders};
use super::ways::{firewall, is_own_rule, own_firewall, own_rule, trace};
use super::{Case, Why, holder, list, name_of, word};

pub(super) fn why(case: &Case<'_>) -> Why {
    if case.port() == Some(0) {
        return Why::new("nothing can listen on port 0: to a server it means any port that is free")
            .try_(if case.is_udp() { "ss -lunp" } else { "ss -ltnp" });
    }
    let what = match (case.is_udp(), case.port()) {
        (true, Some(port)) => format!("UDP port {port}"),
        (false, Some(port)) => format!("port {port}"),
        _ => "that port".to_owned(),
    };
    let icmp = Icmp::of(case);
    // A closed port of TCP answers with a reset, and one of UDP with an ICMP error of its own address.
    if let Some(icmp) = icmp.as_ref().filter(|icmp| icmp.ours && !(case.is_udp() && icmp.from_target)) {
        return own_firewall(icmp);
    }
    if is_own_rule(case) {
        let there = holders(case, true).first().map(|(local, process)| holder(local, *process));
        let there = there.map(|who| format!("{who} listens there now, but ")).unwrap_or_default();
        return own_rule(format!(
            "{there}a rule of this host's own firewall (output chain) refuses the connection in the name of {}, before it leaves",
            case.host()
        ));
    }
    if let Some((local, process)) = holders(case, true).first() {
        return Why::new(format!(
            "{} listens there now: it may have started only just, or a rule of this host's firewall rejects the connection",
            holder(local, *process)
        ))
        .try_(format!("sockkit {} --retry 5s {}", case.client(), case.word()))
        .try_("sudo nft list ruleset");
    }
    let near = Near::of(case.facts(), case.port());
    let same_port = holders(case, false);
    if !same_port.is_empty() || !near.is_empty() {
        let but = if same_port.is_empty() { String::new() } else { format!(", but {}", those(&same_port)) };
        let mut why = Why::new(format!("nothing listens on {}{but}{}", case.endpoint, near.clause("it")));
        if let Some((local, _)) = same_port.first() {
            why = why.try_(format!("sockkit {} {}", case.client(), word(&reachable(local).to_string())));
        }
        return if near.is_empty() { why } else { near.tries(case, case.endpoint, why) };
    }
    match icmp {
        Some(icmp) if !icmp.from_target => Why::new(format!(
            "{}, a router or firewall on the way and not {} itself, rejects it (ICMP {})",
            icmp.from,
            case.host(),
            icmp.words()
        ))
        .try_(trace(case)),
        Some(icmp) if !case.is_udp() => Why::new(format!(
            "a firewall on {} rejects {what} (ICMP {}; a port where nothing listens answers with a reset)",
            case.host(),
            icmp.words()
        ))
        .try_(trace(case)),
        _ if case.is_here() => Why::new(format!("nothing listens on {}", case.endpoint))
            .try_(format!("sockkit listen {}", case.word()))
            .try_(case.sockets()),
        Some(_) => Why::new(format!(
            "{} answered that nothing receives on its {what} (ICMP port unreachable); a firewall there may say so too",
            case.host()
        ))
        .try_(format!("{}   # on {}", case.sockets(), case.host())),
        None if case.is_udp() => Why::new(format!(
            "the answer was that nothing receives on {what} of {} (ICMP port unreachable), or a firewall says so in its place",
            case.host()
        ))
        .try_(format!("{}   # on {}", case.sockets(), case.host())),
        None => Why::new(format!(
            "{} answered, but nothing listens on {what} there, or only on its loopback address; or {} rejects it",
            case.host(),
            firewall(case)
        ))
        .try_(format!("{}   # on {}", case.sockets(), case.host())),
    }
}

/// `127.0.0.1:80 does (nginx, pid 12)`, `[::1]:80 and 10.1.2.3:80 do`.
fn those(sockets: &[(&Endpoint, Option<&Process>)]) -> String {
    match sockets {
        [(local, Some(process))] => format!("{local} does ({})", name_of(process)),
        [(local, None)] => format!("{local} does"),
        _ => {
            let named: Vec<String> = sockets.iter().map(|(local, process)| holder(local, *process)).collect();
            format!("{} do", list(&named, "and"))
        }
    }
}

/// Ports of the same address that do have a listener.
struct Near<'a> {
    sockets: Vec<(&'a Endpoint, Option<&'a Process>)>,
    /// Whether they look like the port that was meant.
    close: bool,
}

impl<'a> Near<'a> {
    /// Those that look like `port`, or else all that there are.
    fn of(facts: &'a [Fact], port: Option<u16>) -> Self {
        let mut sockets: Vec<(&Endpoint, Option<&Process>)> = Vec::new();
        for fact in facts {
            if let Fact::Neighbour { local, process } = fact
                && !sockets.iter().any(|(known, _)| *known == local)
            {
                sockets.push((local, process.as_ref()));
            }
        }
        let alike = |local: &Endpoint| port.zip(port_of(local)).is_some_and(|(asked, near)| is_slip(asked, near));
        let close = sockets.iter().any(|(local, _)| alike(local));
        if close {
            sockets.retain(|(local, _)| alike(local));
        }
        Self { sockets, close }
    }

    fn is_empty(&self) -> bool {
        self.sockets.is_empty()
    }

    /// `; near it, 127.0.0.1:8080 does`.
    fn clause(&self, it: &str) -> String {
        match (self.sockets.is_empty(), self.close) {
            (true, _) => String::new(),
            (false, true) => format!("; near {it}, {}", those(&self.sockets)),
            (false, false) => format!("; on other ports, {}", those(&self.sockets)),
        }
    }

    /// The ports that look like the one that was meant, then to serve that one.
    fn tries(&self, case: &Case<'_>, serve: &Endpoint, mut why: Why) -> Why {
        if let (true, Some((local, _))) = (self.close, self.sockets.first()) {
            why =
                why.try_(format!("sockkit {} {}", case.client(), word(&at_port_of(case.endpoint, local).to_string())));
        }
        if why.tries.is_empty() {
            why = why.try_(format!("sockkit {} {}", case.server(), word(&serve.to_string())));
        }
        why.try_(format!("ss -l{}np", if case.is_udp() { 'u' } else { 't' }))
    }
}

fn port_of(endpoint: &Endpoint) -> Option<u16> {
    match endpoint {
        Endpoint::Inet(Inet { port: Port::Number(port), .. }) => Some(*port),
        _ => None,
    }
}

/// The address that was asked for, with the port of `local`, which takes it in. An IPv6 wildcard may leave IPv4
/// alone, so that one is reached by IPv6.
fn at_port_of(asked: &Endpoint, local: &Endpoint) -> Endpoint {
    match (asked, local) {
        (Endpoint::Inet(asked), Endpoint::Inet(near))
            if matches!(asked.host, Host::V4(_)) == matches!(near.host, Host::V4(_)) =>
        {
            Endpoint::Inet(Inet { port: near.port.clone(), ..asked.clone() })
        }
        _ => reachable(local),
    }
}

/// Every address of a name is one of this host, and none is listened on.
pub(super) fn everywhere(command: &str, whole: &Endpoint, attempts: &[Error]) -> Option<Why> {
    let mut tried = Vec::new();
    let mut facts = Vec::new();
    for attempt in attempts {
        let endpoint = attempt.endpoint.as_ref()?;
        let case = Case { command, error: attempt, endpoint };
        let silent = attempt.facts.iter().all(|fact| {
            matches!(fact, Fact::Neighbour { .. } | Fact::LocalAddresses(_) | Fact::LetOut | Fact::From { .. })
        });
        if attempt.errno() != Some(libc::ECONNREFUSED) || !case.is_here() || !silent {
            return None;
        }
        tried.push(endpoint.to_string());
        facts.extend(attempt.facts.iter().cloned());
    }
    let first = attempts.first()?;
    let case = Case { command, error: first, endpoint: first.endpoint.as_ref()? };
    let near = Near::of(&facts, case.port());
    let why = Why::new(format!("nothing listens on {}{}", list(&tried, "or"), near.clause("them")));
    if near.is_empty() {
        return Some(why.try_(format!("sockkit {} {}", case.server(), word(&whole.to_string()))).try_(case.sockets()));
    }
    // Each address has its own; the name leads to all of them.
    let named = Case { command, error: first, endpoint: whole };
    Some(near.tries(&named, whole, why))
}

/// Where a client reaches what listens at `local`: a wildcard means loopback.
fn reachable(local: &Endpoint) -> Endpoint {
    let Endpoint::Inet(inet) = local else { return local.clone() };
    let host = match &inet.host {
        Host::V4(addr) if addr.is_unspecified() => Host::V4(std::net::Ipv4Addr::LOCALHOST),
        Host::V6 { addr, .. } if addr.is_unspecified() => Host::V6 { addr: std::net::Ipv6Addr::LOCALHOST, scope: None },
        other => other.clone(),
    };
    Endpoint::Inet(Inet { host, ..inet.clone() })
}
