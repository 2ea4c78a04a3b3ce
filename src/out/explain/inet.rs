//! Why TCP and UDP fail.

use std::net::IpAddr;

use crate::addr::{Endpoint, Host, Inet, Transport};
use crate::error::{Fact, Phase, Process, is_unreachable};

use super::held::{in_use, no_port_left, not_available, privileged};
use super::ways::{no_answer, own_rule, prohibited, thrown_away, unreachable};
use super::{Case, Why, refused, word};

/// The most that one datagram carries: 65535 less the headers of IPv4 (20, with the packet's own length
/// counted) or of UDP alone (8; the length field of IPv6 leaves its own header out, RFC 8200).
const UDP_MOST: [usize; 2] = [65507, 65527];

pub(super) fn why(case: &Case<'_>, errno: i32) -> Option<Why> {
    let phase = case.error.phase;
    let binding = matches!(phase, Phase::Binding | Phase::Listening);
    Some(match errno {
        libc::ECONNREFUSED => refused::why(case),
        // What connect(2) of UDP makes of port 0 is no connection.
        libc::ENOTCONN if case.port() == Some(0) => refused::why(case),
        libc::ETIMEDOUT if phase == Phase::Connecting => {
            no_answer(case, format!("sockkit {} -w 60s {}", case.client(), case.word()))
        }
        libc::ETIMEDOUT => Why::new(format!(
            "the connection was open, but {} no longer acknowledges what is sent: the host is gone, or the way to it is broken",
            case.host()
        ))
        .try_(case.ping()),
        errno if is_unreachable(errno) => unreachable(case, errno),
        libc::EADDRINUSE if binding => in_use(case),
        libc::EADDRINUSE => Why::new(
            "a connection with this local address and port to the same peer exists, or is still waiting out TIME_WAIT",
        )
        .try_(case.port().map_or("ss -tan".to_owned(), |port| format!("ss -tan 'dport = :{port}'"))),
        libc::EADDRNOTAVAIL => not_available(case, binding),
        // What a UDP socket gets that finds no port for itself (inet_autobind of net/ipv4/af_inet.c).
        libc::EAGAIN if phase == Phase::Connecting => no_port_left(case)?,
        libc::ENOPROTOOPT | libc::EPROTO if Icmp::of(case).is_some() => unreachable(case, errno),
        libc::EACCES if binding => privileged(case),
        libc::EACCES => prohibited(case),
        libc::EPERM => own_rule(
            "a rule of this host forbids it before anything leaves: its own firewall (output chain), or a sandbox the program runs in",
        ),
        libc::EMSGSIZE => too_large(case),
        libc::ENODEV => Why::new("there is no network interface of that name").try_("ip -br link"),
        libc::ECONNRESET | libc::ECONNABORTED if phase == Phase::Connecting => Why::new(format!(
            "{} accepted the connection and reset it at once: most likely a proxy with nothing behind it, or a server that does not want us",
            case.endpoint
        ))
        .try_(format!("sockkit wait --stable 1s {}", case.word())),
        libc::ECONNRESET | libc::ECONNABORTED => Why::new(
            "the peer reset the connection: its program ended or crashed, or closed without reading all that was sent; or a firewall between cut it",
        )
        .try_(format!("sockkit {} -v {}", case.command, case.again())),
        libc::EPIPE => Why::new("the peer had closed the connection already, so that nobody reads what was sent")
            .try_(format!("sockkit {} -v {}", case.command, case.again())),
        libc::EINVAL if (binding || phase == Phase::Connecting) && needs_interface(case) => Why::new(format!(
            "{} is an address of a link only, and needs the interface that is meant: [{0}%eth0]:{}",
            case.host(),
            case.port().unwrap_or(80)
        ))
        .try_("ip -br address"),
        libc::EINVAL if phase == Phase::Connecting => thrown_away(case),
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
    pub(super) code: u8,
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
    pub(super) fn is_policy(&self) -> bool {
        matches!((self.from.is_ipv6(), self.kind, self.code), (false, 3, 9 | 10 | 13 | 14 | 15) | (true, 1, 1 | 5 | 6))
    }

    /// What a host also tells itself when its neighbour does not answer (`arp_error_report`, `ndisc_error_report`).
    pub(super) fn is_host_unreachable(&self) -> bool {
        matches!((self.from.is_ipv6(), self.kind, self.code), (false, 3, 1) | (true, 1, 3))
    }

    pub(super) fn is_expired(&self) -> bool {
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

fn too_large(case: &Case<'_>) -> Why {
    let Endpoint::Inet(Inet { transport: Transport::Udp, .. }) = case.endpoint else {
        return Why::new("the message is larger than this kind of socket takes").try_(case.sockets());
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
        .try_(format!("split -b 1200 --filter='sockkit connect --send-only \"{}\"' FILE", case.endpoint))
}
