//! A proxy that cannot be reached, and one that says no. Which of the two it is comes first: they are mended in
//! different places.

use super::{Why, client, why as why_of, word};
use crate::addr::{Endpoint, Host, Inet};
use crate::error::{Between, Cause, Error, Phase, ProxyAnswer, ProxyKind, ProxyPart, TargetFailure};

pub(super) fn why(command: &str, error: &Error, part: &ProxyPart) -> Option<Why> {
    match &part.answer {
        Some(answer) => {
            let why = said(command, part, answer);
            if !why.tries.is_empty() {
                return Some(why);
            }
            let strange = matches!(answer, ProxyAnswer::Ended(_) | ProxyAnswer::Endless(_) | ProxyAnswer::Foreign(_));
            let look = format!("sockkit connect --hex -v {}", word(&part.proxy.to_string()));
            Some(why.try_(if strange { look } else { straight(command, part) }))
        }
        None if matches!(error.cause, Cause::Attempts(_)) && error.endpoint.as_ref() == Some(&part.target) => {
            // Several addresses of the target, each of which the proxy could not reach.
            Some(Why::new("the proxy works; it is the target that it cannot reach").try_(straight(command, part)))
        }
        None => Some(unreached(command, error, part)),
    }
}

/// The same of a peer that a proxy leads to: by way of it, and without what only looks at this host or at the network
/// around it.
pub(super) fn beyond(mut why: Why, Between { kind, proxy }: &Between) -> Why {
    const CLIENTS: [&str; 5] = ["connect", "wait", "ping", "chat join", "replay"];
    let flag = format!("--proxy {}", word(&format!("{kind}://{proxy}")));
    let by_way = |line: &String| {
        let rest = line.strip_prefix("sockkit ")?;
        let client =
            CLIENTS.iter().find(|client| rest.strip_prefix(**client).is_some_and(|rest| rest.starts_with(' ')))?;
        Some(format!("sockkit {client} {flag}{}", &rest[client.len()..]))
    };
    why.tries = why.tries.iter().filter_map(by_way).collect();
    why
}

/// What is known of any address that cannot be reached, about the proxy's.
fn unreached(command: &str, error: &Error, part: &ProxyPart) -> Why {
    let known = why_of(command, error, true);
    let text = known.as_ref().map_or(String::new(), |known| format!(": {}", known.cause));
    let mut why = match error.cause {
        Cause::TimedOut { .. } if error.phase == Phase::Proxying => Why::new(format!(
            "the proxy took the connection and does not answer: it is stuck, it waits for {}, or it does not speak {}",
            part.target,
            spoken(part.kind)
        )),
        Cause::Os(_) if error.phase == Phase::Proxying => Why::new(format!(
            "the proxy took the connection and broke it off when it was asked for {}: it does not speak {}, or lets nobody in from this address, or crashed",
            part.target,
            spoken(part.kind)
        )),
        _ => Why::new(format!("it is the proxy itself that cannot be reached, {} was not tried{text}", part.target)),
    };
    // What serves or connects to an address is not what a proxy is for, but what looks at it is.
    let looks = |one: &&String| !one.starts_with("sockkit ");
    why.tries.extend(known.iter().flat_map(|known| known.tries.iter().filter(looks)).cloned());
    let proxy = error.endpoint.as_ref().unwrap_or(&part.proxy);
    why.tries.insert(0, format!("sockkit connect -z {}", word(&proxy.to_string())));
    why
}

fn said(command: &str, part: &ProxyPart, answer: &ProxyAnswer) -> Why {
    let ProxyPart { kind, proxy, target, .. } = part;
    let is_there = match target {
        Endpoint::Inet(Inet { host: Host::Name(name), .. }) => name.eq_ignore_ascii_case("localhost"),
        target => target.ip().is_some_and(|ip| ip.is_loopback()),
    };
    let there = if is_there { ", which is the proxy's own host" } else { "" };
    let works = "the proxy works and let us in";
    let straight = straight(command, part);
    let again = |kind: ProxyKind| again(command, kind, part);
    match (answer, answer.about_target()) {
        (_, Some(TargetFailure::Refused)) => {
            Why::new(format!("{works}; nothing listens on {target} as it sees it{there}")).try_(straight)
        }
        (_, Some(TargetFailure::NetworkUnreachable | TargetFailure::HostUnreachable)) => {
            Why::new(format!("{works}; there is no way from it to {target}")).try_(straight)
        }
        (_, Some(TargetFailure::NoAnswer)) => Why::new(format!(
            "{works}; {target} is silent to it: down, or behind a firewall that drops what comes from it"
        ))
        .try_(straight),
        (ProxyAnswer::Socks5(1) | ProxyAnswer::Http(500, _), _) => Why::new(format!(
            "{works}; most likely it cannot resolve {target} or connect to it{there}, and its own log says which"
        ))
        .try_(straight),
        (ProxyAnswer::Socks4(91), _) => Why::new(format!(
            "the proxy's rules forbid {target}, or it cannot connect to it{there}; SOCKS5 tells these apart"
        ))
        .try_(again(if kind.resolves_here() { ProxyKind::Socks5 } else { ProxyKind::Socks5h }))
        .try_(straight),
        (_, Some(TargetFailure::Unknown)) => {
            Why::new(format!("{works}; it cannot resolve {target} or connect to it{there}")).try_(straight)
        }
        (ProxyAnswer::Socks5(2) | ProxyAnswer::Http(403, _), _) => Why::new(format!(
            "the proxy works, and its administrator has not allowed {target}; many allow port 443 only"
        )),
        (ProxyAnswer::Socks5(7), _) => Why::new("it is a SOCKS5 server for something else than connections"),
        (ProxyAnswer::Socks5(8), _) => {
            let other = if kind.resolves_here() { ProxyKind::Socks5h } else { ProxyKind::Socks5 };
            Why::new("it knows no addresses of that family, or no names").try_(again(other))
        }
        (ProxyAnswer::Socks4(92 | 93), _) => Why::new(
            "it asks this host who the user is, by a service that hardly any host has any more; SOCKS5 does not",
        )
        .try_(again(ProxyKind::Socks5)),
        (ProxyAnswer::LoginWanted(_), _) => Why::new("no user was given")
            .try_(format!("SOCKKIT_PROXY_USER=… SOCKKIT_PROXY_PASSWORD=… {}", again(*kind))),
        (ProxyAnswer::LoginRefused, _) => {
            Why::new("the user or the password is not the one that it knows, or it does not let this user in from here")
        }
        (ProxyAnswer::NoCommonLogin(_), _) if *kind == ProxyKind::Http => Why::new(
            "Basic and Digest are known here; a helper such as cntlm(1) or px speaks NTLM and Negotiate for others",
        ),
        (ProxyAnswer::NoCommonLogin(_), _) => {
            Why::new("user and password (RFC 1929) are known here, and it does not want them, or not from this address")
        }
        (ProxyAnswer::Foreign(bytes), _) => foreign(bytes, *kind, proxy, &again),
        (ProxyAnswer::Ended(0), _) => {
            Why::new(format!("it does not speak {}, or lets nobody in from this address", spoken(*kind)))
        }
        (ProxyAnswer::Ended(_), _) => Why::new("it broke off: its own log says why"),
        (ProxyAnswer::Endless(_), _) => Why::new("it is no proxy, or a broken one"),
        (ProxyAnswer::Http(401 | 407, _), _) => Why::new("it wants a login that it does not ask for as a proxy should"),
        (ProxyAnswer::Http(400 | 404 | 405 | 501, _), _) => {
            Why::new(format!("{proxy} is a web server, or a proxy that only passes on requests for web pages"))
        }
        (ProxyAnswer::Http(301..=308, _), _) => {
            Why::new(format!("{proxy} is a web server, or a portal that wants a login in a browser first"))
        }
        (ProxyAnswer::Http(..) | ProxyAnswer::Socks5(_) | ProxyAnswer::Socks4(_), _) => {
            Why::new("the proxy's own log says why")
        }
    }
}

/// What the other side speaks, as far as its first bytes tell.
fn foreign(bytes: &[u8], kind: ProxyKind, proxy: &Endpoint, again: &dyn Fn(ProxyKind) -> String) -> Why {
    match bytes {
        [b'H', b'T', b'T', b'P', ..] => {
            Why::new(format!("{proxy} speaks HTTP and not {}", spoken(kind))).try_(again(ProxyKind::Http))
        }
        [5, ..] => Why::new(format!("{proxy} speaks SOCKS5 and not {}", spoken(kind))).try_(again(ProxyKind::Socks5)),
        [0, 90..=93, ..] => {
            Why::new(format!("{proxy} speaks SOCKS4 and not {}", spoken(kind))).try_(again(ProxyKind::Socks4a))
        }
        [0x15 | 0x16, 3, ..] => Why::new(format!("{proxy} speaks TLS: a proxy that wants it is not supported")),
        [b'S', b'S', b'H', b'-', ..] => {
            Why::new(format!("{proxy} is an SSH server; `ssh -D` to it makes a SOCKS proxy of it"))
        }
        [b'2', b'2', b'0', ..] => Why::new(format!("{proxy} is a mail or FTP server")),
        _ => Why::new(format!("{proxy} is no proxy that speaks {}", spoken(kind))),
    }
}

fn spoken(kind: ProxyKind) -> &'static str {
    match kind {
        ProxyKind::Socks4 | ProxyKind::Socks4a => "SOCKS4",
        ProxyKind::Socks5 | ProxyKind::Socks5h => "SOCKS5",
        ProxyKind::Http => "HTTP",
    }
}

/// The same without the proxy: whether the target is there at all.
fn straight(command: &str, part: &ProxyPart) -> String {
    let client = client(command);
    let check = if client == "connect" { " -z" } else { "" };
    format!("sockkit {client}{check} {}", word(&part.target.to_string()))
}

/// The same by another protocol.
fn again(command: &str, kind: ProxyKind, part: &ProxyPart) -> String {
    let (proxy, target) = (&part.proxy, word(&part.target.to_string()));
    format!("sockkit {} --proxy {} {target}", client(command), word(&format!("{kind}://{proxy}")))
}

#[cfg(test)]
mod tests {
    use super::super::explain;
    use super::super::tests::reads_as_written_down;
    use super::*;
    use crate::error::{Exit, Fact};
    use std::io;
    use std::time::Duration;

    fn part(kind: ProxyKind, target: &str, answer: Option<ProxyAnswer>) -> Fact {
        let (proxy, target) = ("127.0.0.1:1080".parse().unwrap(), target.parse().unwrap());
        Fact::Proxy(Box::new(ProxyPart { kind, proxy, target, answer }))
    }

    fn said(kind: ProxyKind, target: &str, answer: ProxyAnswer) -> Error {
        let proxy = "127.0.0.1:1080".parse().unwrap();
        let text = answer.words(&target.parse().unwrap());
        let mut error = Error::text(Exit::Proxy, Phase::Proxying, Some(&proxy), text);
        error.facts.push(part(kind, target, Some(answer)));
        error
    }

    fn cases() -> Vec<Error> {
        use ProxyAnswer::{Ended, Endless, Foreign, Http, LoginRefused, LoginWanted, NoCommonLogin, Socks4, Socks5};
        use ProxyKind::{Http as Web, Socks4 as Four, Socks5 as Five, Socks5h};
        let site = "example.org:25";
        let mut cases: Vec<Error> = (1..=9).map(|code| said(Five, "192.0.2.1:80", Socks5(code))).collect();
        cases.push(said(Socks5h, "localhost:80", Socks5(5)));
        cases.push(said(Five, "127.0.0.1:80", Socks5(5)));
        cases.extend([91, 92, 93, 94].map(|code| said(Four, "192.0.2.1:80", Socks4(code))));
        for (status, reason) in [
            (301, "Moved Permanently"),
            (400, "Bad Request"),
            (401, ""),
            (403, "Filtered"),
            (405, "Method Not Allowed"),
            (418, "\x1b[2Jteapot"),
            (429, "Too Many Requests"),
            (500, "Unable to connect"),
            (502, "Bad Gateway"),
            (503, "Service Unavailable"),
            (504, "Gateway Timeout"),
            (599, ""),
        ] {
            cases.push(said(Web, site, Http(status, reason.to_owned())));
        }
        cases.push(said(Five, site, LoginWanted("SOCKS5 method 255".to_owned())));
        cases.push(said(Web, site, LoginRefused));
        cases.push(said(Web, site, NoCommonLogin("Negotiate, NTLM".to_owned())));
        cases.push(said(Five, site, NoCommonLogin("GSSAPI, SOCKS5 method 1".to_owned())));
        for bytes in [
            &b"HTTP/1.1 400 Bad Request\r\n"[..],
            b"\x05\xff",
            b"\0\x5b",
            b"\x15\x03\x01\0",
            b"SSH-2.0-x",
            b"220 hi",
            b"\xff",
        ] {
            let kind = if bytes[0] == 5 { Web } else { Five };
            cases.push(said(kind, site, Foreign(bytes.to_vec())));
        }
        cases.push(said(Web, site, Ended(0)));
        cases.push(said(Web, site, Ended(1)));
        cases.push(said(Web, site, Endless(65536)));
        // The proxy itself.
        let proxy: Endpoint = "127.0.0.1:1080".parse().unwrap();
        let mut refused = Error::os(Phase::Connecting, Some(&proxy), io::Error::from_raw_os_error(libc::ECONNREFUSED));
        refused.exit = Exit::Proxy;
        refused.facts.push(part(Five, site, None));
        cases.push(refused);
        for phase in [Phase::Connecting, Phase::Proxying] {
            let mut late = Error::timed_out(phase, Some(&proxy), "--connect-timeout", Duration::from_secs(2));
            late.exit = Exit::Proxy;
            late.facts.push(part(Five, site, None));
            cases.push(late);
        }
        let each = [said(Five, "192.0.2.1:80", Socks5(5)), said(Five, "[2001:db8::1]:80", Socks5(3))];
        let mut both = Error::attempts(&site.parse().unwrap(), each.into());
        both.facts.push(part(Five, site, None));
        cases.push(both);
        cases
    }

    #[test]
    fn every_answer_reads_as_written_down() {
        let written: String = cases().iter().map(|error| explain("connect", error).render(false) + "\n").collect();
        reads_as_written_down("proxy.txt", &written);
    }

    #[test]
    fn a_proxy_and_what_is_behind_it_read_differently() {
        for error in cases() {
            let explained = explain("connect", &error);
            assert_eq!(explained.reason, "proxy");
            let unreached = error.proxy().unwrap().answer.is_none() && error.phase == Phase::Connecting;
            assert_eq!(explained.cause.unwrap().contains("the proxy itself that cannot"), unreached, "{error}");
        }
    }
}
