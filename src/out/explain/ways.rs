//! Why packets do not get to an address, or no answer back.

use std::net::IpAddr;

use crate::addr::{Endpoint, Host, Inet, Transport};
use crate::error::{Exit, Fact, Link, Neighbour, Route, RouteKind};

use super::inet::{Icmp, holders};
use super::{Case, Why, connections, holder, is, word};

/// The interface on whose link an address is, where it means something on one link only.
fn link<'a>(case: &Case<'a>) -> Option<&'a str> {
    match case.endpoint {
        Endpoint::Inet(Inet { host: Host::V6 { addr, scope: Some(scope) }, .. })
            if addr.is_unicast_link_local() || addr.is_multicast() =>
        {
            Some(scope)
        }
        _ => None,
    }
}

/// This host itself rejected it.
pub(super) fn own_firewall(icmp: &Icmp) -> Why {
    Why::new(format!("a rule of this host's own firewall rejects it (ICMP {} from {})", icmp.words(), icmp.from))
        .try_("sudo nft list ruleset")
        .try_("sudo iptables -S")
}

/// Whether it was a rule of this host, before anything left.
pub(super) fn is_own_rule(case: &Case<'_>) -> bool {
    case.facts().contains(&Fact::LocalPolicy)
}

/// Whose firewall it may be that stands between, as far as that is known.
pub(super) fn firewall(case: &Case<'_>) -> &'static str {
    if case.facts().contains(&Fact::LetOut) {
        "a firewall there or on the way"
    } else {
        "a firewall there, on the way or on this host"
    }
}

/// A rule of this host's output chain.
pub(super) fn own_rule(cause: impl Into<String>) -> Why {
    Why::new(cause).try_("sudo nft list ruleset").try_("sudo iptables -S OUTPUT")
}

/// Answers come, and get lost here.
fn deaf(case: &Case<'_>) -> Option<Why> {
    let (interface, reverse_path) = case.facts().iter().find_map(|fact| match fact {
        Fact::AnswersLost { interface, reverse_path } => Some((interface, *reverse_path)),
        _ => None,
    })?;
    let host = case.host();
    if reverse_path {
        return Some(
            Why::new(format!(
                "{host} does answer, but its answers come by {interface} and are thrown away: this host would send to {host} by another interface (its reverse path filter, rp_filter)"
            ))
            .try_(route_of(case))
            .try_(format!("sysctl net.ipv4.conf.all.rp_filter net.ipv4.conf.{}.rp_filter", word(interface))),
        );
    }
    Some(
        Why::new(format!(
            "{host} does answer, by {interface}, but this host throws its answers away: most likely a rule of its own firewall (input chain)"
        ))
        .try_("sudo nft list ruleset")
        .try_("sudo iptables -S INPUT"),
    )
}

fn way<'a>(case: &'a Case<'_>) -> Option<&'a Route> {
    case.facts().iter().find_map(|fact| match fact {
        Fact::Route(route) => Some(route),
        _ => None,
    })
}

/// The protocol by which a neighbour is found.
fn discovery(next: IpAddr) -> &'static str {
    if next.is_ipv4() { "ARP" } else { "neighbour discovery" }
}

/// What is known against the first hop, for certain.
fn first_hop(case: &Case<'_>) -> Option<Why> {
    let route = way(case)?;
    let interface = route.interface.as_deref()?;
    let host = case.host();
    match route.link {
        Link::Down => {
            return Some(
                Why::new(format!("{interface}, the interface towards {host}, is switched off"))
                    .try_(format!("sudo ip link set {} up", word(interface)))
                    .try_(format!("ip -br link show dev {}", word(interface))),
            );
        }
        Link::NoCarrier => {
            return Some(
                Why::new(format!(
                    "{interface}, the interface towards {host}, has no carrier: no cable, no radio, or the other end is off"
                ))
                .try_(format!("ip -br link show dev {}", word(interface))),
            );
        }
        Link::Up => {}
    }
    if route.neighbour != Neighbour::Silent {
        return None;
    }
    let why = match route.gateway {
        Some(gateway) => Why::new(format!(
            "{gateway}, the router of this host towards {host}, does not answer to {} on {interface}: it is down, or the route names a wrong one",
            discovery(gateway)
        ))
        .try_(route_of(case)),
        None => Why::new(format!(
            "no machine on the network of {interface} answers for {host} ({}): it is down, or the address is wrong",
            discovery(case.ip()?)
        )),
    };
    let next = route.gateway.map_or(host, |gateway| gateway.to_string());
    Some(why.try_(format!("ip neigh show {next} dev {}", word(interface))).try_(case.ping()))
}

/// The way of a connection that was open, where it is known to be broken at its beginning: on this host.
pub(super) fn broken(case: &Case<'_>) -> Option<Why> {
    if is_own_rule(case) {
        let host = case.host();
        return Some(own_rule(format!("a rule of this host's own firewall (output chain) stops what goes to {host}")));
    }
    first_hop(case).or_else(|| {
        let route = way(case)?;
        says_no(case, route).or_else(|| match route.kind {
            RouteKind::None { .. } => Some(no_route(case, Some(route))),
            _ => None,
        })
    })
}

/// A route, or a rule, that is there to say no.
fn says_no(case: &Case<'_>, route: &Route) -> Option<Why> {
    let host = case.host();
    let (cause, kind) = match route.kind {
        RouteKind::Unreachable => (format!("says that {host} is unreachable"), "unreachable"),
        RouteKind::Prohibit => (format!("prohibits connections to {host}"), "prohibit"),
        RouteKind::Blackhole => (format!("throws packets to {host} away"), "blackhole"),
        _ => return None,
    };
    let six = if case.is_v6() { "-6 " } else { "" };
    Some(
        Why::new(format!("a route of this host {cause} (ip route: {kind}), or a rule does (ip rule)"))
            .try_(format!("ip {six}route show table all type {kind}"))
            .try_(format!("ip {six}rule")),
    )
}

/// The handshake, or a datagram, was not answered.
pub(super) fn no_answer(case: &Case<'_>, longer: String) -> Why {
    // Nothing gets through an interface that is off, lo among them: whoever listens behind it never knew.
    if way(case).is_some_and(|route| route.link == Link::Down)
        && let Some(why) = first_hop(case)
    {
        return why;
    }
    if let Some(why) = own_listener(case) {
        return why;
    }
    if let Some(why) = from_elsewhere(case).or_else(|| reserved(case)) {
        return why;
    }
    if is_own_rule(case) {
        let host = case.host();
        return own_rule(format!(
            "a rule of this host's own firewall (output chain) drops the packets before they leave: {host} never saw them"
        ));
    }
    if let Some(why) = deaf(case) {
        return why;
    }
    if case.is_loopback() && !case.is_udp() {
        return Why::new(
            "a rule of this host's firewall drops the packets, or the accept queue of the server is full".to_owned(),
        )
        .try_(case.sockets())
        .try_("sudo nft list ruleset");
    }
    if let Some(why) = first_hop(case) {
        return why;
    }
    let host = case.host();
    let up = way(case).filter(|route| route.neighbour == Neighbour::Reachable);
    let on_link = up.is_some_and(|route| route.gateway.is_none());
    if case.is_udp() {
        let down = if on_link { "" } else { ", or a host that is down" };
        return Why::new(format!(
            "nothing came back from {host}: a port that is open but says nothing looks the same as a firewall that drops what is sent{down}"
        ))
        .try_(trace(case))
        .try_(case.ping())
        .try_(longer);
    }
    let why = match up.map(|route| (route.gateway, route.interface.as_deref().unwrap_or("the network"))) {
        Some((None, interface)) => Why::new(format!(
            "{host} is up (it answers to {} on {interface}), but not on this port: most likely its firewall{} drops the packets; or its accept queue is full",
            case.ip().map_or("ARP", discovery),
            if case.facts().contains(&Fact::LetOut) { "" } else { " (or that of this host)" }
        )),
        Some((Some(gateway), _)) => Why::new(format!(
            "nothing came back from {host}: most likely {} drops the packets (the first router, {gateway}, is up); or the host is down, or the server's accept queue is full",
            firewall(case)
        )),
        None => Why::new(format!(
            "nothing came back from {host}: most likely {} drops the packets; or the host is down, or the server's accept queue is full",
            firewall(case)
        )),
    };
    why.try_(trace(case)).try_(case.ping()).try_(longer)
}

/// What was asked of our own end does not go with the address.
fn from_elsewhere(case: &Case<'_>) -> Option<Why> {
    if case.is_here() {
        return None;
    }
    let host = case.host();
    if let Some(source) = case.source().filter(|source| source.is_loopback()) {
        return Some(
            Why::new(format!("what comes from {source} (--source) never leaves this host, and {host} is another"))
                .try_(route_of(case)),
        );
    }
    let bound = case.facts().iter().find_map(|fact| match fact {
        Fact::From { interface, .. } => interface.as_deref(),
        _ => None,
    })?;
    let leaves = way(case)?.interface.as_deref().filter(|leaves| *leaves != bound)?;
    Some(
        Why::new(format!(
            "packets may only pass {bound} (--interface), and the route of this host to {host} leaves by {leaves}: most likely nobody behind {bound} knows the way"
        ))
        .try_(route_of(case))
        .try_(format!("ip route show dev {}", word(bound))),
    )
}

/// Addresses that no host has: RFC 1112, section 4, and RFC 791, section 3.2 (RFC 6890).
fn reserved(case: &Case<'_>) -> Option<Why> {
    let Some(IpAddr::V4(v4)) = case.ip() else { return None };
    let what = match v4.octets()[0] {
        0 if !v4.is_unspecified() => "\"this network\", 0.0.0.0/8",
        240.. if !v4.is_broadcast() => "reserved, 240.0.0.0/4",
        _ => return None,
    };
    Some(
        Why::new(format!("nothing came back from {v4}: hardly any host has such an address ({what}), and most routers drop packets to them; most likely it is wrong"))
            .try_(route_of(case)),
    )
}

/// A listener of this host that did not answer.
fn own_listener(case: &Case<'_>) -> Option<Why> {
    let holders = holders(case, true);
    let ((local, process), (waiting, limit)) = (holders.first()?, case.accept_queue()?);
    let who = holder(local, *process);
    let connections = connections(waiting as usize);
    // The kernel takes one more than the limit: sk_acceptq_is_full() of include/net/sock.h.
    Some(match limit {
        Some(limit) if waiting > limit => Why::new(format!(
            "{who} listens but does not accept, and its accept queue is full: {connections} in it, with a backlog of {limit}"
        ))
        .try_(case.sockets())
        .try_("nstat -az TcpExtListenOverflows"),
        Some(limit) if is_own_rule(case) => own_rule(format!(
            "{who} listens and has room in its accept queue ({waiting} of {limit}), but a rule of this host's own firewall (output chain) drops the packets"
        )),
        Some(limit) => Why::new(format!(
            "{who} listens and has room in its accept queue ({waiting} of {limit}): most likely a rule of this host's firewall drops the packets"
        ))
        .try_("sudo nft list ruleset"),
        None if waiting == 0 => Why::new(format!(
            "{who} listens and has room in its accept queue: most likely a rule of this host's firewall drops the packets"
        ))
        .try_("sudo nft list ruleset"),
        None => Why::new(format!(
            "{who} listens but has {connections} waiting that it does not accept: most likely its accept queue is full; or the firewall of this host drops the packets"
        ))
        .try_(case.sockets()),
    })
}

/// Where on the way packets end.
pub(super) fn trace(case: &Case<'_>) -> String {
    if case.command != "doctor" {
        return format!("sockkit doctor {}", case.word());
    }
    match case.port() {
        Some(port) if case.is_udp() => format!("sudo traceroute -U -p {port} {}", word(&case.host())),
        Some(port) => format!("sudo traceroute -T -p {port} {}", word(&case.host())),
        None => format!("tracepath {}", word(&case.host())),
    }
}

pub(super) fn route_of(case: &Case<'_>) -> String {
    match case.endpoint {
        // ip(8) takes no zone in an address.
        Endpoint::Inet(Inet { host: Host::V6 { addr, scope: Some(scope) }, .. }) => {
            format!("ip -6 route get {addr} oif {}", word(scope))
        }
        _ if case.is_v6() => format!("ip -6 route get {}", word(&case.host())),
        _ => format!("ip route get {}", word(&case.host())),
    }
}

/// A route that throws away: connect(2) says EINVAL.
pub(super) fn thrown_away(case: &Case<'_>) -> Why {
    let host = case.host();
    match way(case) {
        Some(route) if route.kind == RouteKind::Blackhole => {
            if let Some(why) = says_no(case, route) {
                return why;
            }
        }
        Some(Route { kind: RouteKind::Unicast, .. }) => {
            let from =
                case.source().map_or_else(|| "the local address that was asked for".to_owned(), |ip| ip.to_string());
            let why = if case.source().is_some_and(|ip| ip.is_loopback()) {
                "what comes from loopback never leaves this host"
            } else {
                "the routes of this host do not let it"
            };
            return Why::new(format!("{host} cannot be reached from {from} (--source): {why}")).try_(route_of(case));
        }
        _ => {}
    }
    Why::new(
        "a route of this host throws packets to this address away (a blackhole route), or it cannot be reached from the local address that was asked for (--source)",
    )
    .try_(route_of(case))
}

pub(super) fn unreachable(case: &Case<'_>, errno: i32) -> Why {
    let host = case.host();
    if let Some(icmp) = Icmp::of(case) {
        return told_unreachable(case, &icmp);
    }
    let many = match case.ip() {
        Some(ip) if ip.is_multicast() => Some("multicast"),
        Some(IpAddr::V4(v4)) if v4.is_broadcast() => Some("broadcast"),
        _ => None,
    };
    if let (libc::ENETUNREACH, Some(many), false) = (errno, many, case.is_udp()) {
        let udp = match case.endpoint {
            Endpoint::Inet(inet) => Endpoint::Inet(Inet { transport: Transport::Udp, ..inet.clone() }),
            other => other.clone(),
        };
        return Why::new(format!("{host} is a {many} address, and TCP talks to one host only")).try_(format!(
            "sockkit {} {}{}",
            case.client(),
            if many == "broadcast" { "--broadcast " } else { "" },
            word(&udp.to_string())
        ));
    }
    let known = way(case);
    if let Some(why) = known.filter(|route| route.kind == RouteKind::Unreachable).and_then(|route| says_no(case, route))
    {
        return why;
    }
    if let Some(Route { kind: RouteKind::Broadcast, .. }) = known
        && !case.is_udp()
    {
        return to_everybody(case);
    }
    if errno == libc::EHOSTUNREACH
        && let Some(why) = first_hop(case)
    {
        return why;
    }
    match errno {
        libc::ENETUNREACH => no_route(case, known),
        libc::ENETDOWN => {
            Why::new(format!("the network interface towards {host} is down")).try_("ip -br link").try_(route_of(case))
        }
        _ => Why::new(format!(
            "a route of this host says that {host} is unreachable, or no machine answers for it on the local network: it is down, or the address is wrong; or a router or a firewall says so"
        ))
        .try_(route_of(case))
        .try_("ip neigh")
        .try_(case.ping()),
    }
}

fn no_route(case: &Case<'_>, known: Option<&Route>) -> Why {
    let host = case.host();
    if let Some(link) = link(case) {
        return Why::new(format!(
            "{host} is an address of the link of {link}, and this host has no route to that: {link} is down, or has no link-local address (lo never has one), or IPv6 is switched off on it"
        ))
        .try_(route_of(case))
        .try_(format!("ip -6 address show dev {}", word(link)));
    }
    let (version, list) = if case.is_v6() { ("IPv6", "ip -6 route") } else { ("IPv4", "ip route") };
    match known.map(|route| &route.kind) {
        Some(RouteKind::None { down: Some(down), .. }) => {
            Why::new(format!("{host} is on the network of {down}, and {down} is switched off"))
                .try_(format!("sudo ip link set {} up", word(down)))
                .try_("ip -br link")
        }
        Some(RouteKind::None { default: true, .. }) => Why::new(format!(
            "this host has no route to {host} although it has a default route: a rule (ip rule: unreachable, or a table without a route), or a route of type throw, keeps packets from it"
        ))
        .try_(if case.is_v6() { "ip -6 rule" } else { "ip rule" })
        .try_(list),
        Some(RouteKind::None { address: true, .. }) => Why::new(format!(
            "this host has no route to {host}: it is on none of its {version} networks, and there is no default route"
        ))
        .try_(list),
        Some(RouteKind::None { off, .. }) if !off.is_empty() => Why::new(format!(
            "this host has no route to {host}: no interface with an {version} address beyond loopback and links is up, and {} switched off",
            if off.len() == 1 { format!("{} is", off[0]) } else { format!("{} are", super::list(off, "and")) }
        ))
        .try_("ip -br address")
        .try_(format!("sudo ip link set {} up", word(&off[0]))),
        Some(RouteKind::None { .. }) => Why::new(format!(
            "this host has no route to {host}: it has no {version} address but those of its own loopback and links, so no {version} connection to the outside"
        ))
        .try_("ip -br address")
        .try_(list),
        _ if case.is_v6() => {
            Why::new(format!("this host has no route to {host}: most likely it has no IPv6 connection to the outside"))
                .try_(route_of(case))
                .try_("ip -6 -br address")
        }
        _ => Why::new(format!("this host has no route to {host}: its network is down, or it has no default route"))
            .try_(route_of(case))
            .try_("ip route"),
    }
}

/// An ICMP error says so.
fn told_unreachable(case: &Case<'_>, icmp: &Icmp) -> Why {
    let host = case.host();
    if icmp.is_policy() {
        return prohibited(case);
    }
    if icmp.is_expired() {
        return Why::new(format!(
            "packets to {host} run out of hops at {}: --ttl is too small, or routers send them in a circle",
            icmp.from
        ))
        .try_(trace(case));
    }
    if icmp.ours {
        // The kernel itself says but one thing so: that nobody answers for the next hop.
        if !icmp.is_host_unreachable() {
            return own_firewall(icmp);
        }
        if let Some(why) = first_hop(case) {
            return why;
        }
        return match way(case) {
            // It answers, so that is not it.
            Some(Route { neighbour: Neighbour::Reachable, .. }) => own_firewall(icmp),
            Some(Route { gateway: Some(gateway), .. }) => Why::new(format!(
                "{gateway}, the router of this host towards {host}, did not answer; or a rule of this host's own firewall says so"
            ))
            .try_(route_of(case))
            .try_("ip neigh"),
            _ => Why::new(format!(
                "{host} should be on a network of this host, but no machine answers for that address: it is down, or the address is wrong; or a rule of this host's own firewall says so"
            ))
            .try_(case.ping())
            .try_("ip neigh"),
        };
    }
    if icmp.from_target {
        return Why::new(format!(
            "{host} itself answered \"{}\": most likely its firewall rejects the connection",
            icmp.words()
        ))
        .try_(trace(case));
    }
    let why = match (icmp.from.is_ipv6(), icmp.code) {
        (false, 0 | 6) | (true, 0) => "it has no route there",
        (false, 2) => "a firewall there says so, for that is no router's to say",
        _ => "the host is down, or the address is wrong",
    };
    let or = if icmp.from.is_ipv4() && icmp.code == 2 { "" } else { "; or a firewall there says so" };
    Why::new(format!(
        "the router {} answered that it cannot deliver to {host} (ICMP {}): {why}{or}",
        icmp.from,
        icmp.words()
    ))
    .try_(trace(case))
}

/// A broadcast address, and TCP.
fn to_everybody(case: &Case<'_>) -> Why {
    Why::new(format!(
        "{} is the broadcast address of a network of this host, and TCP talks to one host only",
        case.host()
    ))
    .try_("ip -br address")
}

/// Somebody decided that it may not be.
pub(super) fn prohibited(case: &Case<'_>) -> Why {
    let host = case.host();
    if let Some(icmp) = Icmp::of(case) {
        if icmp.ours {
            return own_firewall(&icmp);
        }
        let who = if icmp.from_target {
            format!("the firewall of {host}")
        } else {
            format!("{}, a firewall on the way,", icmp.from)
        };
        return Why::new(format!("{who} prohibits it (ICMP {})", icmp.words())).try_(trace(case));
    }
    if let Some(why) =
        way(case).filter(|route| route.kind == RouteKind::Prohibit).and_then(|route| says_no(case, route))
    {
        return why;
    }
    let ask = format!("sockkit {} --broadcast {}", case.client(), case.word());
    match way(case).map(|route| &route.kind) {
        Some(RouteKind::Broadcast) if case.is_udp() => {
            return Why::new(format!(
                "{host} is the broadcast address of a network of this host, and sending to everybody must be asked for"
            ))
            .try_(ask);
        }
        Some(RouteKind::Broadcast) => return to_everybody(case),
        _ => {}
    }
    let last = case.ip().and_then(|ip| match ip {
        IpAddr::V4(v4) => Some(v4.octets()[3]),
        IpAddr::V6(_) => None,
    });
    if case.is_udp() && last == Some(255) {
        return Why::new(format!(
            "{host} is most likely a broadcast address, which must be asked for; or a route of this host prohibits it"
        ))
        .try_(ask)
        .try_(route_of(case));
    }
    if is(case, Exit::Permission) {
        return Why::new(format!(
            "a route of this host prohibits it (ip route: prohibit), or {host} is a broadcast address, which must be asked for (--broadcast); or a security policy of this host forbids it (SELinux, AppArmor, a sandbox)"
        ))
        .try_(route_of(case))
        .try_(ask);
    }
    Why::new(format!(
        "a route of this host prohibits connections to {host} (ip route: prohibit), or a rule does for this port, mark or source (ip rule), or a firewall or router on the way; or a security policy of this host (SELinux, AppArmor, a sandbox)"
    ))
    .try_(if case.is_v6() { "ip -6 rule" } else { "ip rule" })
    .try_(route_of(case))
    .try_(trace(case))
}
