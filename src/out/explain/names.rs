//! Why names do not resolve.

use std::net::SocketAddr;

use crate::addr::{Endpoint, Inet, IpFamily, Port, Transport};
use crate::error::{Error, Fact, NameAnswer, Resolver};

use super::ways::own_rule;
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
        NameAnswer::Code(code) => match code {
            1 => "it could not read the question (FORMERR)".to_owned(),
            4 => "it does not answer such questions (NOTIMP)".to_owned(),
            9 => "it is not in charge of that name (NOTAUTH)".to_owned(),
            code => format!("error {code} (an RCODE of DNS)"),
        },
        NameAnswer::Silence => "no answer".to_owned(),
        NameAnswer::NoServer => "no name server runs there".to_owned(),
        NameAnswer::Unreachable => "cannot be reached from here".to_owned(),
        NameAnswer::Forbidden => "a rule of this host's own firewall forbids asking it".to_owned(),
        NameAnswer::Garbage => "answers with something that is no answer to the question".to_owned(),
        NameAnswer::Truncated => "the answer is too large for a datagram, and over TCP it gives none".to_owned(),
        NameAnswer::AliasOfNothing => "the name is an alias (CNAME) that leads to nothing".to_owned(),
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
    let lookup = format!("getent ahosts {}", word(&name));
    let resolver = resolver(case);
    if let Some(listed) = resolver.map(|resolver| &resolver.listed[..])
        && let Some(why) = hosts_file(&name, listed, family, code)
    {
        return why;
    }
    if let Some(order) = resolver.and_then(|resolver| resolver.without_dns.as_deref()) {
        return Why::new(format!(
            "{name} is not in /etc/hosts, and /etc/nsswitch.conf keeps this host from asking DNS (hosts: {order})"
        ))
        .try_("grep hosts: /etc/nsswitch.conf");
    }
    if name.eq_ignore_ascii_case("localhost") && resolver.is_some_and(|resolver| resolver.listed.is_empty()) {
        return Why::new("/etc/hosts of this host has no localhost, where it should be with 127.0.0.1 and ::1")
            .try_("cat /etc/hosts");
    }
    // Servers that know something come before servers that fail, and those before silent ones.
    let knowing =
        known.iter().find(|(_, answer)| matches!(answer, NameAnswer::Addresses(1..))).map(|(server, _)| *server);
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
    let ordered = [
        NameAnswer::NoSuchName,
        NameAnswer::AliasOfNothing,
        NameAnswer::Addresses(0),
        NameAnswer::ServerFailure,
        NameAnswer::Refused,
        NameAnswer::Truncated,
        NameAnswer::Garbage,
        NameAnswer::Silence,
        NameAnswer::Forbidden,
        NameAnswer::Unreachable,
    ];
    for answer in ordered {
        let servers = saying(answer);
        if !servers.is_empty()
            && let Some(why) = said(answer, case, &name, &servers, family, code)
        {
            let asked = !matches!(answer, NameAnswer::NoSuchName | NameAnswer::Addresses(_));
            return if asked { why.try_("cat /etc/resolv.conf") } else { why };
        }
        if answer == NameAnswer::Refused
            && let Some((server, answer)) = known.iter().find(|(_, answer)| matches!(answer, NameAnswer::Code(_)))
        {
            return Why::new(format!("name server {} answered: {}", at(*server), words(*answer)))
                .try_(format!("dig {}", word(&name)))
                .try_("cat /etc/resolv.conf");
        }
    }
    let absent = saying(NameAnswer::NoServer);
    if !absent.is_empty() {
        let why = if resolver.is_some_and(|resolver| !resolver.servers) {
            Why::new(format!(
                "/etc/resolv.conf names no name server, so that the one at {} is asked, and none runs there",
                list(&absent, "or")
            ))
        } else {
            Why::new(format!(
                "no name server runs at {}, where /etc/resolv.conf says that one does",
                list(&absent, "or")
            ))
        };
        return why.try_("cat /etc/resolv.conf");
    }
    unasked(case, inet, code, &name, family).try_(lookup)
}

/// How this host finds names, where that is known.
fn resolver<'a>(case: &Case<'a>) -> Option<&'a Resolver> {
    case.error.facts.iter().find_map(|fact| match fact {
        Fact::Resolver(resolver) => Some(resolver),
        _ => None,
    })
}

/// What servers that all answered so mean.
fn said(
    answer: NameAnswer,
    case: &Case<'_>,
    name: &str,
    servers: &[String],
    family: Option<&str>,
    code: Option<i32>,
) -> Option<Why> {
    Some(match answer {
        NameAnswer::NoSuchName => no_such_name(case, name, servers),
        NameAnswer::AliasOfNothing => {
            Why::new(format!(
                "{name} is an alias (CNAME), and the name that it leads to does not exist or has no address, or is an alias in turn that leads back"
            ))
            .try_(format!("dig {}", word(name)))
        }
        NameAnswer::Addresses(0) => {
            let family = family.map(|family| format!("{family} ")).unwrap_or_default();
            Why::new(format!("{name} exists, but has no {family}address"))
                .try_(format!("getent ahosts {}", word(name)))
                .try_(format!("dig {} any", word(name)))
        }
        NameAnswer::ServerFailure => {
            Why::new(format!(
                "name server {} could not find out (SERVFAIL): the servers of that domain do not answer it, or its signatures (DNSSEC) are wrong",
                list(servers, "and")
            ))
            .try_(format!("dig +trace {}", word(name)))
            .try_(format!("dig +cd {}", word(name)))
        }
        NameAnswer::Refused => {
            Why::new(format!("name server {} refuses to answer this host (REFUSED)", list(servers, "and")))
        }
        NameAnswer::Truncated => {
            Why::new(format!(
                "the answer of name server {} is too large for one datagram, and over TCP it gives none: most likely a firewall lets only UDP port 53 through",
                list(servers, "and")
            ))
            .try_(format!("sockkit connect -z {}", word(&format!("{}:53", servers[0]))))
            .try_(format!("dig +tcp {}", word(name)))
        }
        NameAnswer::Garbage => {
            Why::new(format!(
                "what name server {} sends back is no answer to the question: it is broken, or something on the way changes it",
                list(servers, "and")
            ))
            .try_(format!("dig {}", word(name)))
        }
        NameAnswer::Silence => {
            // One that our own limit cut short may only be slow.
            let slow = if code.is_none() { "slow, or it is down" } else { "down or too slow" };
            Why::new(format!(
                "no answer from name server {}: it is {slow}, or a firewall drops the packets, or this host has no network",
                list(servers, "or")
            ))
            .try_(format!("ping -c 3 {}", word(&servers[0])))
        }
        NameAnswer::Forbidden => {
            own_rule(format!(
                "a rule of this host's own firewall (output chain), or a sandbox, forbids asking name server {}",
                list(servers, "or")
            ))
        }
        NameAnswer::Unreachable => {
            Why::new(format!(
                "name server {} cannot be reached: this host has no network, or no route to it",
                list(servers, "or")
            ))
            .try_("ip route")
        }
        _ => return None,
    })
}

/// NXDOMAIN.
fn no_such_name(case: &Case<'_>, name: &str, servers: &[String]) -> Why {
    let more = match resolver(case).map(|resolver| &resolver.search[..]) {
        _ if name.ends_with(".local") => "; names in .local are found by mDNS (Avahi), if at all".to_owned(),
        // Names with a dot are completed too, but seldom meant so (ndots of resolv.conf(5)).
        Some([]) if !name.contains('.') => {
            "; it is a short name, and /etc/resolv.conf has no search domain to complete it with".to_owned()
        }
        Some(domains) if !name.contains('.') => {
            format!("; nor does it with {} of /etc/resolv.conf behind it", list(domains, "or"))
        }
        _ => String::new(),
    };
    Why::new(format!("{name} does not exist, says name server {} (NXDOMAIN){more}", list(servers, "and")))
        .try_(format!("getent ahosts {}", word(name)))
}

/// The hosts file has the name, and not so that it would do.
fn hosts_file(name: &str, listed: &[String], family: Option<&str>, code: Option<i32>) -> Option<Why> {
    let look = format!("grep -n {} /etc/hosts", word(name));
    let of_family = |text: &String| {
        let ip = text.parse::<std::net::IpAddr>().ok();
        ip.is_some_and(|ip| family.is_none_or(|family| (family == "IPv4") == ip.is_ipv4()))
    };
    let bad = listed.iter().find(|text| text.parse::<std::net::IpAddr>().is_err());
    let good = listed.iter().any(of_family);
    match (bad, listed.first()) {
        _ if good => None,
        (Some(bad), _) => Some(
            Why::new(format!(
                "/etc/hosts has {name}, but with {bad}, which is no IP address, so that line does not count; nor did DNS give an address"
            ))
            .try_(look),
        ),
        // DNS is asked for the other family, so what it says counts, too.
        (None, Some(other)) if matches!(code, Some(EAI_NODATA | EAI_ADDRFAMILY | libc::EAI_NONAME)) => Some(
            Why::new(format!(
                "/etc/hosts has {name} with {other} only, and neither it nor DNS has an {} address for it",
                family.unwrap_or("IP")
            ))
            .try_(look),
        ),
        _ => None,
    }
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
