//! Why names do not resolve.

use std::net::SocketAddr;

use crate::addr::{Endpoint, Inet, IpFamily, Port, Transport};
use crate::error::{Error, Fact, NameAnswer};

use super::{Case, Why, list, word};

/// `EAI_NODATA` and `EAI_ADDRFAMILY` of glibc: obsolete (RFC 3493), and still what it answers with.
const EAI_NODATA: i32 = -5;
const EAI_ADDRFAMILY: i32 = -9;

/// What each name server said, in a line each.
pub(super) fn answers(error: &Error) -> Vec<String> {
    servers(&error.facts)
        .into_iter()
        .map(|(server, answer)| format!("name server {}: {}", at(server), words(answer)))
        .collect()
}

fn servers(facts: &[Fact]) -> Vec<(SocketAddr, NameAnswer)> {
    let server = |fact: &Fact| match fact {
        Fact::NameServer { server, answer } => Some((*server, *answer)),
        _ => None,
    };
    facts.iter().filter_map(server).collect()
}

fn at(server: SocketAddr) -> String {
    if server.port() == 53 { server.ip().to_string() } else { server.to_string() }
}

fn words(answer: NameAnswer) -> String {
    match answer {
        NameAnswer::Addresses(0) => "the name exists, without an address".to_owned(),
        NameAnswer::Addresses(1) => "1 address".to_owned(),
        NameAnswer::Addresses(n) => format!("{n} addresses"),
        NameAnswer::NoSuchName => "no such name (NXDOMAIN)".to_owned(),
        NameAnswer::ServerFailure => "failed to find out (SERVFAIL)".to_owned(),
        NameAnswer::Refused => "refuses to answer us (REFUSED)".to_owned(),
        NameAnswer::Code(code) => format!("error {code} (an RCODE of DNS)"),
        NameAnswer::Silence => "no answer".to_owned(),
        NameAnswer::NoServer => "no name server runs there".to_owned(),
        NameAnswer::Unreachable => "cannot be reached from here".to_owned(),
    }
}

/// `code` is that of getaddrinfo(3); none when our own time limit passed.
pub(super) fn why(case: &Case<'_>, code: Option<i32>) -> Why {
    let Endpoint::Inet(inet) = case.endpoint else { return Why::new("the name did not resolve") };
    let name = case.host();
    if code == Some(libc::EAI_SERVICE)
        && let Port::Service(service) = &inet.port
    {
        let transport = if inet.transport == Transport::Udp { "UDP" } else { "TCP" };
        return Why::new(format!(
            "{service} is no service that this host has a {transport} port number for (/etc/services)"
        ))
        .try_(format!("getent services {}", word(service)))
        .try_("less /etc/services");
    }
    let family = match inet.family {
        Some(IpFamily::V4) => Some("IPv4"),
        Some(IpFamily::V6) => Some("IPv6"),
        None => None,
    };
    let known = servers(&case.error.facts);
    let saying = |wanted: NameAnswer| -> Vec<String> {
        known.iter().filter(|(_, answer)| *answer == wanted).map(|(server, _)| at(*server)).collect()
    };
    // Servers that know something come before servers that fail, and those before silent ones.
    let knowing =
        known.iter().find(|(_, answer)| matches!(answer, NameAnswer::Addresses(1..))).map(|(server, _)| *server);
    let lookup = format!("getent ahosts {}", word(&name));
    let lacks_family = family.is_some() && matches!(code, Some(EAI_NODATA | EAI_ADDRFAMILY | libc::EAI_NONAME));
    if knowing.is_some() && lacks_family {
        return no_such_family(inet, &name, family, case);
    }
    if let Some(server) = knowing {
        return Why::new(format!(
            "name server {} does know {name} now: the resolver of this host got a different answer (/etc/nsswitch.conf, /etc/hosts), or the failure has passed",
            at(server)
        ))
        .try_(lookup)
        .try_(format!("sockkit {} {}", case.command, case.word()));
    }
    let no_name = saying(NameAnswer::NoSuchName);
    if !no_name.is_empty() {
        let local =
            if name.ends_with(".local") { "; names in .local are found by mDNS (Avahi), if at all" } else { "" };
        return Why::new(format!(
            "{name} does not exist, says name server {} (NXDOMAIN){local}",
            list(&no_name, "and")
        ))
        .try_(lookup);
    }
    if !saying(NameAnswer::Addresses(0)).is_empty() {
        return Why::new(format!(
            "{name} exists, but has no {}address",
            family.map(|family| format!("{family} ")).unwrap_or_default()
        ))
        .try_(format!("dig {} any", word(&name)));
    }
    let failing = saying(NameAnswer::ServerFailure);
    if !failing.is_empty() {
        return Why::new(format!(
            "name server {} could not find out (SERVFAIL): the servers of that domain do not answer it, or its signatures (DNSSEC) are wrong",
            list(&failing, "and")
        ))
        .try_(format!("dig +trace {}", word(&name)))
        .try_(format!("dig +cd {}", word(&name)));
    }
    let refusing = saying(NameAnswer::Refused);
    if !refusing.is_empty() {
        return Why::new(format!("name server {} refuses to answer this host (REFUSED)", list(&refusing, "and")))
            .try_("cat /etc/resolv.conf");
    }
    if let Some((server, answer)) = known.iter().find(|(_, answer)| matches!(answer, NameAnswer::Code(_))) {
        return Why::new(format!("name server {} answered with {}", at(*server), words(*answer)))
            .try_(format!("dig {}", word(&name)));
    }
    let silent = saying(NameAnswer::Silence);
    let absent = saying(NameAnswer::NoServer);
    let unreachable = saying(NameAnswer::Unreachable);
    if !silent.is_empty() {
        // One that our own limit cut short may only be slow.
        let slow = if code.is_none() { "slow, or it is down" } else { "down" };
        return Why::new(format!(
            "no answer from name server {}: it is {slow}, or a firewall drops the packets, or this host has no network",
            list(&silent, "or")
        ))
        .try_(format!("ping -c 3 {}", word(&silent[0])))
        .try_("cat /etc/resolv.conf");
    }
    if !absent.is_empty() {
        return Why::new(format!(
            "no name server runs at {}, where /etc/resolv.conf says that one does",
            list(&absent, "or")
        ))
        .try_("cat /etc/resolv.conf");
    }
    if !unreachable.is_empty() {
        return Why::new(format!(
            "name server {} cannot be reached: this host has no network, or no route to it",
            list(&unreachable, "or")
        ))
        .try_("ip route")
        .try_("cat /etc/resolv.conf");
    }
    unasked(case, inet, code, &name, family).try_(lookup)
}

/// No name server was asked, so the resolver's code is all there is.
fn unasked(case: &Case<'_>, inet: &Inet, code: Option<i32>, name: &str, family: Option<&str>) -> Why {
    match code {
        Some(EAI_NODATA | EAI_ADDRFAMILY) if family.is_some() => no_such_family(inet, name, family, case),
        Some(EAI_NODATA | EAI_ADDRFAMILY) => Why::new(format!("{name} exists, but has no address")),
        Some(libc::EAI_NONAME) if !name.is_ascii() => {
            Why::new(format!("{name} has letters beyond ASCII, and its form for DNS (xn--…) must be given"))
        }
        Some(libc::EAI_NONAME) => Why::new(format!("{name} is known neither to DNS nor to /etc/hosts")),
        Some(libc::EAI_AGAIN) => {
            Why::new("the name server did not answer, or failed to find out").try_("cat /etc/resolv.conf")
        }
        Some(libc::EAI_FAIL) => Why::new("the name server says that it cannot find out").try_("cat /etc/resolv.conf"),
        None => Why::new("the resolver of this host takes too long: most likely its name server does not answer")
            .try_("cat /etc/resolv.conf"),
        _ => Why::new("the resolver of this host failed"),
    }
}

fn no_such_family(inet: &Inet, name: &str, family: Option<&str>, case: &Case<'_>) -> Why {
    let any = Endpoint::Inet(Inet { family: None, ..inet.clone() });
    Why::new(format!("{name} has addresses, but no {} one", family.unwrap_or("such")))
        .try_(format!("sockkit {} {}", case.command, word(&any.to_string())))
        .try_(format!("getent ahosts {}", word(name)))
}
