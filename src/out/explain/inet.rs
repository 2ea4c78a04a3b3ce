//! Why TCP and UDP fail.

use std::net::IpAddr;

use crate::addr::{Endpoint, Host, Inet, Port, Transport};
use crate::error::{Exit, Fact, Phase, Process};

use super::{Case, Why, holder, is, name_of, refused, setting, word};

/// The most that one datagram carries: 65535 less the headers of IPv4 (20, with the packet's own length
/// counted) or of UDP alone (8; the length field of IPv6 leaves its own header out, RFC 8200).
const UDP_MOST: [usize; 2] = [65507, 65527];

pub(super) fn why(case: &Case<'_>, errno: i32) -> Option<Why> {
    let phase = case.error.phase;
    let binding = matches!(phase, Phase::Binding | Phase::Listening);
    Some(match errno {
        libc::ECONNREFUSED => refused::why(case),
        libc::ETIMEDOUT if phase == Phase::Connecting => {
            no_answer(case, format!("sockkit {} -w 60s {}", case.client(), case.word()))
        }
        libc::ETIMEDOUT => Why::new(format!(
            "the connection was open, but {} no longer acknowledges what is sent: the host is gone, or the way to it is broken",
            case.host()
        ))
        .try_(case.ping()),
        libc::ENETUNREACH | libc::EHOSTUNREACH | libc::EHOSTDOWN | libc::ENONET | libc::ENETDOWN => unreachable(case, errno),
        libc::EADDRINUSE if binding => in_use(case),
        libc::EADDRINUSE => Why::new(
            "a connection with this local address and port to the same peer exists, or is still waiting out TIME_WAIT",
        )
        .try_(case.port().map_or("ss -tan".to_owned(), |port| format!("ss -tan 'dport = :{port}'"))),
        libc::EADDRNOTAVAIL => not_available(case, binding),
        libc::EACCES if binding => privileged(case),
        libc::EACCES => prohibited(case),
        libc::EPERM => Why::new(
            "a rule of this host forbids it before anything leaves: its own firewall (output chain), or a sandbox the program runs in",
        )
        .try_("sudo nft list ruleset")
        .try_("sudo iptables -S OUTPUT"),
        libc::EMSGSIZE => too_large(case),
        libc::ENODEV => Why::new("there is no network interface of that name").try_("ip -br link"),
        libc::ECONNRESET | libc::ECONNABORTED if phase == Phase::Connecting => Why::new(format!(
            "{} accepted the connection and reset it at once: most likely a proxy with nothing behind it, or a server that does not want us",
            case.endpoint
        ))
        .try_(format!("sockkit wait --stable 1s {}", case.word())),
        libc::ECONNRESET | libc::ECONNABORTED => Why::new(
            "the peer reset the connection: its program ended or crashed, or closed without reading all that was sent; or a firewall between cut it",
        ),
        libc::EPIPE => Why::new("the peer had closed the connection already, so that nobody reads what was sent"),
        libc::EINVAL if (binding || phase == Phase::Connecting) && needs_interface(case) => Why::new(format!(
            "{} is an address of a link only, and needs the interface that is meant: [{0}%eth0]:{}",
            case.host(),
            case.port().unwrap_or(80)
        ))
        .try_("ip -br address"),
        libc::EINVAL if phase == Phase::Connecting => Why::new(
            "a route of this host throws packets to this address away (a blackhole route), or it cannot be reached from the local address that was asked for (--source)",
        )
        .try_(route(case)),
        libc::EAFNOSUPPORT => Why::new("the socket and the address are of different families").try_(format!(
            "sockkit {} {} {}",
            case.command,
            if case.is_v6() { "-6" } else { "-4" },
            case.word()
        )),
        _ => return None,
    })
}

/// The first ICMP error that came back.
pub(super) struct Icmp {
    pub(super) from: IpAddr,
    /// Whether that is this host.
    pub(super) ours: bool,
    pub(super) from_target: bool,
    kind: u8,
    code: u8,
}

impl Icmp {
    pub(super) fn of(case: &Case<'_>) -> Option<Self> {
        case.facts().iter().find_map(|fact| match *fact {
            Fact::Icmp { from, from_target, kind, code } => {
                let ours =
                    case.facts().iter().any(|fact| matches!(fact, Fact::LocalAddresses(list) if list.contains(&from)));
                Some(Self { from, ours: ours || from.is_loopback(), from_target, kind, code })
            }
            _ => None,
        })
    }

    /// RFC 792, RFC 1812 section 5.2.7.1; RFC 4443 section 3.
    pub(super) fn words(&self) -> &'static str {
        match (self.from.is_ipv6(), self.kind, self.code) {
            (false, 3, 0 | 6 | 8 | 11) => "network unreachable",
            (false, 3, 1 | 7 | 12) => "host unreachable",
            (false, 3, 2) => "protocol unreachable",
            (false, 3, 3) | (true, 1, 4) => "port unreachable",
            (false, 3, 4) => "fragmentation needed",
            (false, 3, 9) => "network administratively prohibited",
            (false, 3, 10) => "host administratively prohibited",
            (false, 3, 13) | (true, 1, 1) => "administratively prohibited",
            (false, 11, _) | (true, 3, _) => "time to live exceeded",
            (true, 1, 0) => "no route",
            (true, 1, 2) => "beyond the scope of the source address",
            (true, 1, 3) => "address unreachable",
            (true, 1, 5) => "source address failed policy",
            (true, 1, 6) => "reject route",
            (true, 2, _) => "packet too big",
            _ => "unreachable",
        }
    }

    /// Whether somebody decided so, rather than could not do otherwise.
    fn is_policy(&self) -> bool {
        matches!((self.from.is_ipv6(), self.kind, self.code), (false, 3, 9 | 10 | 13 | 14 | 15) | (true, 1, 1 | 5 | 6))
    }

    fn is_expired(&self) -> bool {
        matches!((self.from.is_ipv6(), self.kind), (false, 11) | (true, 3))
    }
}

pub(super) fn holders<'a>(case: &'a Case<'_>, overlapping: bool) -> Vec<(&'a Endpoint, Option<&'a Process>)> {
    let fitting = |fact: &'a Fact| match fact {
        Fact::Holder { local, process, overlaps } if *overlaps == overlapping => Some((local, process.as_ref())),
        _ => None,
    };
    case.facts().iter().filter_map(fitting).collect()
}

/// Whether it is an IPv6 address that means something else on each link (RFC 4007), without a word of which.
fn needs_interface(case: &Case<'_>) -> bool {
    match case.endpoint {
        Endpoint::Inet(Inet { host: Host::V6 { addr, scope: None }, .. }) => {
            // Multicast scopes 1 and 2 (RFC 4291, section 2.7).
            let narrow = addr.is_multicast() && matches!(addr.octets()[1] & 0x0f, 1 | 2);
            addr.is_unicast_link_local() || narrow
        }
        _ => false,
    }
}

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

/// The handshake, or a datagram, was not answered.
pub(super) fn no_answer(case: &Case<'_>, longer: String) -> Why {
    let waiting = case.facts().iter().find_map(|fact| match fact {
        Fact::AcceptQueue { waiting } => Some(*waiting),
        _ => None,
    });
    if let (Some((local, process)), Some(waiting)) = (holders(case, true).first(), waiting) {
        let who = holder(local, *process);
        return match waiting {
            0 => Why::new(format!(
                "{who} listens and has room in its accept queue: most likely a rule of this host's firewall drops the packets"
            ))
            .try_("sudo nft list ruleset"),
            1 => Why::new(format!(
                "{who} listens but has 1 connection waiting that it does not accept: its accept queue is full, or the firewall of this host drops the packets"
            ))
            .try_(case.sockets()),
            _ => Why::new(format!(
                "{who} listens but has {waiting} connections waiting that it does not accept: most likely its accept queue is full"
            ))
            .try_(case.sockets()),
        };
    }
    if case.is_udp() {
        return Why::new(format!(
            "nothing came back from {}: a port that is open but says nothing looks the same as a firewall that drops what is sent, or a host that is down",
            case.host()
        ))
        .try_(case.ping())
        .try_(longer);
    }
    if case.is_loopback() {
        return Why::new(
            "a rule of this host's firewall drops the packets, or the accept queue of the server is full".to_owned(),
        )
        .try_(case.sockets())
        .try_("sudo nft list ruleset");
    }
    Why::new(format!(
        "nothing came back from {}: most likely a firewall drops the packets; or the host is down, or the server's accept queue is full",
        case.host()
    ))
    .try_(case.ping())
    .try_(trace(case))
    .try_(longer)
}

pub(super) fn trace(case: &Case<'_>) -> String {
    match case.port() {
        Some(port) if case.is_udp() => format!("sudo traceroute -U -p {port} {}", word(&case.host())),
        Some(port) => format!("sudo traceroute -T -p {port} {}", word(&case.host())),
        None => format!("tracepath {}", word(&case.host())),
    }
}

fn route(case: &Case<'_>) -> String {
    match case.endpoint {
        // ip(8) takes no zone in an address.
        Endpoint::Inet(Inet { host: Host::V6 { addr, scope: Some(scope) }, .. }) => {
            format!("ip -6 route get {addr} oif {}", word(scope))
        }
        _ if case.is_v6() => format!("ip -6 route get {}", word(&case.host())),
        _ => format!("ip route get {}", word(&case.host())),
    }
}

fn unreachable(case: &Case<'_>, errno: i32) -> Why {
    let host = case.host();
    if let Some(icmp) = Icmp::of(case) {
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
            return Why::new(format!(
                "{host} should be on a network of this host, but no machine answers for that address: it is down, or the address is wrong; or a rule of this host's own firewall says so"
            ))
            .try_(case.ping())
            .try_("ip neigh");
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
            _ => "the host is down, or the address is wrong",
        };
        return Why::new(format!(
            "the router {} answered that it cannot deliver to {host} (ICMP {}): {why}; or a firewall there says so",
            icmp.from,
            icmp.words()
        ))
        .try_(trace(case));
    }
    let many = match case.ip() {
        Some(ip) if ip.is_multicast() => Some("multicast"),
        Some(IpAddr::V4(v4)) if v4.is_broadcast() => Some("broadcast"),
        _ => None,
    };
    match (errno, many) {
        (libc::ENETUNREACH, Some(many)) if !case.is_udp() => {
            let udp = match case.endpoint {
                Endpoint::Inet(inet) => Endpoint::Inet(Inet { transport: Transport::Udp, ..inet.clone() }),
                other => other.clone(),
            };
            Why::new(format!("{host} is a {many} address, and TCP talks to one host only"))
                .try_(format!(
                    "sockkit {} {}{}",
                    case.client(),
                    if many == "broadcast" { "--broadcast " } else { "" },
                    word(&udp.to_string())
                ))
        }
        (libc::ENETUNREACH, _) if link(case).is_some() => {
            let link = link(case).unwrap_or_default();
            Why::new(format!(
                "{host} is an address of the link of {link}, and this host has no route to that: {link} is down, or has no link-local address (lo never has one), or IPv6 is switched off on it"
            ))
            .try_(route(case))
            .try_(format!("ip -6 address show dev {}", word(link)))
        }
        (libc::ENETUNREACH, _) if case.is_v6() => {
            Why::new(format!("this host has no route to {host}: most likely it has no IPv6 connection to the outside"))
                .try_(route(case))
                .try_("ip -6 -br address")
        }
        (libc::ENETUNREACH, _) => Why::new(format!("this host has no route to {host}: its network is down, or it has no default route"))
            .try_(route(case))
            .try_("ip route"),
        (libc::ENETDOWN, _) => Why::new(format!("the network interface towards {host} is down")).try_("ip -br link"),
        _ => Why::new(format!(
            "a route of this host says that {host} is unreachable, or no machine answers for it on the local network: it is down, or the address is wrong; or a router or a firewall says so"
        ))
        .try_(route(case))
        .try_("ip neigh")
        .try_(case.ping()),
    }
}

/// Somebody decided that it may not be.
fn prohibited(case: &Case<'_>) -> Why {
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
    let last = case.ip().and_then(|ip| match ip {
        IpAddr::V4(v4) => Some(v4.octets()[3]),
        IpAddr::V6(_) => None,
    });
    if case.is_udp() && last == Some(255) {
        return Why::new(format!(
            "{host} is most likely a broadcast address, which must be asked for; or a route of this host prohibits it"
        ))
        .try_(format!("sockkit {} --broadcast {}", case.client(), case.word()))
        .try_(route(case));
    }
    if is(case, Exit::Permission) {
        return Why::new(format!(
            "a route of this host prohibits it (ip route: prohibit), or {host} is a broadcast address, which must be asked for (--broadcast); or a security policy of this host forbids it (SELinux, AppArmor, a sandbox)"
        ))
        .try_(route(case))
        .try_(format!("sockkit {} --broadcast {}", case.client(), case.word()));
    }
    Why::new(format!(
        "a route of this host prohibits connections to {host} (ip route: prohibit), or a firewall or router on the way does"
    ))
    .try_(route(case))
    .try_(trace(case))
}

fn in_use(case: &Case<'_>) -> Why {
    let port = case.port().unwrap_or(0);
    // Two servers that both try the port above theirs would meet again; 0 takes one that is free.
    let other = match case.endpoint {
        Endpoint::Inet(inet) => {
            let other = Endpoint::Inet(Inet { port: Port::Number(0), ..inet.clone() });
            case.bind(&other.to_string())
        }
        _ => String::new(),
    };
    if port == 0 {
        return Why::new("every local port is in use (net.ipv4.ip_local_port_range)").try_("ss -s");
    }
    if let Some((local, process)) = holders(case, true).first() {
        return match process {
            Some(process) => Why::new(format!("{local} is held by {}", name_of(process)))
                .try_(other)
                .try_(format!("ps -fp {}", process.pid)),
            None => {
                Why::new(format!("{local} is held by a process that was not found; those of other users are hidden"))
                    .try_(format!("sudo {}", case.sockets()))
                    .try_(other)
            }
        };
    }
    let waiting = case.facts().iter().find_map(|fact| match fact {
        Fact::TimeWait { connections } => Some(*connections),
        _ => None,
    });
    if let Some(connections) = waiting {
        let (count, verb) = if connections == 1 {
            ("1 connection".to_owned(), "waits")
        } else {
            (format!("{connections} connections"), "wait")
        };
        return Why::new(format!(
            "nothing listens there, but {count} that ended {verb} out TIME_WAIT, up to 60 seconds, and SO_REUSEADDR is not set"
        ))
        .try_(if case.is_client() {
            format!("sockkit {} --reuseaddr --source {} …", case.command, case.word())
        } else {
            format!("sockkit {} --reuseaddr {}", case.server(), case.word())
        })
        .try_(format!("ss -tan state time-wait 'sport = :{port}'"));
    }
    Why::new(format!(
        "another socket has {} port {port}, and it is none that listens: one that is bound only, or one that is gone by now",
        if case.is_udp() { "UDP" } else { "TCP" }
    ))
    .try_(format!("sudo ss -{}anp 'sport = :{port}'", if case.is_udp() { 'u' } else { 't' }))
    .try_(other)
}

fn not_available(case: &Case<'_>, binding: bool) -> Why {
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
            Some(list) if !list.is_empty() => {
                let list: Vec<String> = list.iter().map(ToString::to_string).collect();
                format!("; it has {}", super::list(&list, "and"))
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
    let range = setting(case.error, "net.ipv4.ip_local_port_range").map(|range| range.replace(' ', "-"));
    let range = range.map(|range| format!(", {range}")).unwrap_or_default();
    Why::new(format!(
        "no local port is left for a connection to {} (net.ipv4.ip_local_port_range{range}), or the address it should come from is not one of this host",
        case.endpoint
    ))
    .try_("ss -s")
    .try_("ip -br address")
}

fn privileged(case: &Case<'_>) -> Why {
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

fn too_large(case: &Case<'_>) -> Why {
    let Endpoint::Inet(Inet { transport: Transport::Udp, .. }) = case.endpoint else {
        return Why::new("the message is larger than this kind of socket takes");
    };
    let (family, most) = if case.is_v6() { ("IPv6", UDP_MOST[1]) } else { ("IPv4", UDP_MOST[0]) };
    if let Some(icmp) = Icmp::of(case) {
        return Why::new(format!(
            "the datagram does not fit the way to {} in one piece, and {} may not cut it up (ICMP {})",
            case.host(),
            icmp.from,
            icmp.words()
        ))
        .try_(format!("tracepath {}", word(&case.host())));
    }
    Why::new(format!("a UDP datagram over {family} carries at most {most} bytes; one that large travels in fragments"))
}
