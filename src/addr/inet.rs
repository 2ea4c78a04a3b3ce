//! TCP and UDP: a host, a port, and the colons between and within them.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::Range;

use super::parse::{Input, Part, flag, join, number};
use super::{Endpoint, Host, Inet, IpFamily, Port, Transport, guess, invisible};
use crate::span::Misread;

/// The longest domain name and label, in characters (RFC 1035, section 2.3.4).
const NAME_MAX: usize = 253;
const LABEL_MAX: usize = 63;
/// The longest name of an interface: ALTIFNAMSIZ of linux/if.h, without the NUL.
const SCOPE_MAX: usize = 127;

/// What `tcp4://` and its like say.
#[derive(Clone, Copy)]
pub(super) struct Scheme {
    name: &'static str,
    transport: Transport,
    family: Option<IpFamily>,
}

/// One of our schemes for IP.
pub(super) fn scheme(word: &str) -> Option<Scheme> {
    let (name, transport, family) = match word.to_ascii_lowercase().as_str() {
        "tcp" => ("tcp", Transport::Tcp, None),
        "tcp4" => ("tcp4", Transport::Tcp, Some(IpFamily::V4)),
        "tcp6" => ("tcp6", Transport::Tcp, Some(IpFamily::V6)),
        "udp" => ("udp", Transport::Udp, None),
        "udp4" => ("udp4", Transport::Udp, Some(IpFamily::V4)),
        "udp6" => ("udp6", Transport::Udp, Some(IpFamily::V6)),
        _ => return None,
    };
    Some(Scheme { name, transport, family })
}

/// Reads what follows the scheme, or the whole word where there is none.
pub(super) fn read(
    input: &Input<'_>,
    scheme: Option<Scheme>,
    rest: Part<'_>,
    second: Option<Part<'_>>,
) -> Result<Endpoint, Misread> {
    let prefix = scheme.map(|scheme| format!("{}://", scheme.name)).unwrap_or_default();
    Reader { input, scheme, prefix, rest, second }.read()
}

/// An address being read. The hints are made of its parts: prefix, host, port.
struct Reader<'a, 't> {
    input: &'a Input<'a>,
    scheme: Option<Scheme>,
    /// The scheme with its slashes, or nothing.
    prefix: String,
    rest: Part<'t>,
    second: Option<Part<'t>>,
}

/// What stands on both sides of the colon.
struct Split<'t> {
    host: Host,
    /// The host as typed, in brackets if it needs them.
    head: String,
    at: Range<usize>,
    port: Option<Part<'t>>,
}

impl<'t> Reader<'_, 't> {
    fn read(&self) -> Result<Endpoint, Misread> {
        let (transport, family) = self.flags()?;
        self.marks()?;
        let Split { host, head, at, port } = self.split()?;
        let port = match (port, self.second) {
            (Some(port), Some(second)) => return Err(self.two_ports(&head, port, second)),
            (Some(port), None) | (None, Some(port)) => self.port(port, &head)?,
            (None, None) => Port::Number(self.input.reading.port),
        };
        let (literal, name) = match host {
            Host::V4(_) => (Some(IpFamily::V4), "an IPv4"),
            Host::V6 { .. } => (Some(IpFamily::V6), "an IPv6"),
            Host::Any | Host::Name(_) => (None, ""),
        };
        if let (Some(wanted), Some(literal)) = (family, literal)
            && wanted != literal
        {
            let asks = match self.scheme {
                Some(Scheme { family: Some(_), .. }) => self.prefix.as_str(),
                _ => flag(wanted),
            };
            let other = if wanted == IpFamily::V4 { "IPv4" } else { "IPv6" };
            let misread = self.fail(at, format!("`{asks}` asks for {other}, and this is {name} address"));
            let form = Endpoint::Inet(Inet { transport, family: None, host, port }).to_string();
            return Err(self.input.hint(misread, [form]));
        }
        Ok(Endpoint::Inet(Inet { transport, family: family.filter(|_| literal.is_none()), host, port }))
    }

    fn fail(&self, at: Range<usize>, message: impl Into<String>) -> Misread {
        self.input.fail(at, message)
    }

    /// Hints that differ from what was typed only behind the scheme.
    fn hint<S: AsRef<str>>(&self, misread: Misread, forms: impl IntoIterator<Item = S>) -> Misread {
        self.input.hint(misread, forms.into_iter().map(|form| format!("{}{}", self.prefix, form.as_ref())))
    }

    /// The text behind the scheme with the second word in its place.
    fn typed(&self) -> String {
        self.second.map_or_else(|| self.rest.text.to_owned(), |second| join(self.rest.text, second.text))
    }

    /// Where the scheme stands.
    fn scheme_at(&self) -> Range<usize> {
        0..self.rest.at.saturating_sub("://".len())
    }

    /// What scheme and flags ask for together.
    fn flags(&self) -> Result<(Transport, Option<IpFamily>), Misread> {
        let reading = self.input.reading;
        let Some(scheme) = self.scheme else {
            return Ok((if reading.udp { Transport::Udp } else { Transport::Tcp }, reading.family));
        };
        if reading.udp && scheme.transport == Transport::Tcp {
            let misread = self.fail(self.scheme_at(), format!("`-u` asks for UDP, and `{}` for TCP", self.prefix));
            return Err(self.input.hint(misread, [format!("{}{}", self.prefix.replace("tcp", "udp"), self.typed())]));
        }
        if let (Some(wanted), Some(family)) = (reading.family, scheme.family)
            && wanted != family
        {
            let ours = if wanted == IpFamily::V4 { "4" } else { "6" };
            let message = format!("`{}` contradicts `{}`", flag(wanted), self.prefix);
            let form = format!("{}{}", self.prefix.replace(['4', '6'], ours), self.typed());
            return Err(self.input.hint(self.fail(self.scheme_at(), message), [form]));
        }
        Ok((scheme.transport, scheme.family.or(reading.family)))
    }

    /// Refuses the characters that no part of an address can hold, by what they probably stand for.
    fn marks(&self) -> Result<(), Misread> {
        let Part { text, at } = self.rest;
        if let Some(place) = self.rest.first(|c| c.is_whitespace() || invisible(c)) {
            let misread = self.fail(place, "white space or an invisible character in an address");
            let words: Vec<&str> = text.split(|c: char| c.is_whitespace() || invisible(c)).collect();
            let misread = match words[..] {
                [host, port] if self.second.is_none() => self.hint(misread, [join(host, port)]),
                _ => misread,
            };
            let bare = words.concat();
            return Err(if misread.hints.is_empty() { self.hint(misread, [bare]) } else { misread });
        }
        if let Some(slash) = text.find(['/', '?', '#']) {
            return Err(self.slash(slash));
        }
        if let Some(user) = text.rfind('@') {
            let misread = self.fail(at..at + user + 1, "an address has no user in front of the host");
            let host = &text[user + 1..];
            return Err(self.hint(misread, [self.second.map_or(host.to_owned(), |second| join(host, second.text))]));
        }
        let bracket = match text.strip_prefix('[') {
            Some(inner) => inner.find('[').map(|at| at + 1),
            None => text.find(['[', ']']),
        };
        if let Some(bracket) = bracket {
            let misread = self.fail(at + bracket..at + bracket + 1, "a bracket stands only around the host");
            let bare = self.typed().replace(['[', ']'], "");
            return Err(self.hint(misread, [format!("[{text}"), bare]));
        }
        Ok(())
    }

    /// The error for a path behind the address, or what looks like one.
    fn slash(&self, slash: usize) -> Misread {
        let text = self.rest.text;
        let misread = self.fail(self.rest.sub(slash..).range(), "an address ends with its port, and has no path");
        if self.scheme.is_none() {
            if let Some(misread) = self.misspelt() {
                return misread;
            }
            let socket = text.ends_with(".sock") || text.ends_with(".socket");
            let udp = text.strip_suffix("/udp").map(|bare| format!("udp://{bare}"));
            let misread = self.input.hint(misread, socket.then(|| format!("unix:{text}")).into_iter().chain(udp));
            if !misread.hints.is_empty() {
                return misread;
            }
            return self.hint(misread, [self.cut(&text[..slash])]);
        }
        let bare = text.trim_start_matches('/').split(['/', '?', '#']).next().unwrap_or_default();
        self.hint(misread, [self.cut(bare)])
    }

    fn cut(&self, bare: &str) -> String {
        self.second.map_or_else(|| bare.to_owned(), |second| join(bare, second.text))
    }

    /// The error for a scheme with a slip in it, if that is what stands before the first colon.
    fn misspelt(&self) -> Option<Misread> {
        let (word, rest) = self.rest.text.split_once(':').filter(|_| self.scheme.is_none())?;
        let misread = self.fail(self.rest.sub(..word.len()).range(), format!("unknown scheme `{word}`"));
        let misread = self.input.hint(misread, guess::schemes(word, rest));
        (!misread.hints.is_empty()).then_some(misread)
    }

    fn split(&self) -> Result<Split<'t>, Misread> {
        let rest = self.rest;
        if rest.text.is_empty() {
            let (message, form) = match self.second {
                Some(second) => ("the host is missing", format!(":{}", second.text)),
                None => ("the host and the port are missing", format!(":{}", self.input.reading.port)),
            };
            return Err(self.hint(self.fail(rest.range(), message), [form]));
        }
        if rest.text.starts_with('[') {
            return self.bracketed();
        }
        let numeric = number(rest.text.strip_prefix(['-', '+']).unwrap_or(rest.text)).is_some();
        let any = |port| Split { host: Host::Any, head: String::new(), at: rest.at..rest.at, port: Some(port) };
        match rest.text.match_indices(':').map(|(at, _)| at).collect::<Vec<_>>()[..] {
            [] if numeric && self.second.is_none() => Ok(any(rest)),
            [] => self.named(rest, None),
            [0] => Ok(any(rest.sub(1..))),
            [colon] => self.named(rest.sub(..colon), Some(rest.sub(colon + 1..))),
            [first, second, ..] => self.colons(first, second),
        }
    }

    fn bracketed(&self) -> Result<Split<'t>, Misread> {
        let rest = self.rest;
        let Some(close) = rest.text.find(']') else {
            let inner = &rest.text[1..];
            let (head, tail) = inner.rsplit_once(':').unwrap_or_default();
            let misread = self.fail(rest.end()..rest.end(), "the bracket is not closed");
            let typed = format!("[{head}]:{tail}");
            let whole = self.cut(&format!("[{inner}]"));
            return Err(if self.second.is_none() {
                self.hint(misread, [typed, whole])
            } else {
                self.hint(misread, [whole])
            });
        };
        let (inner, after) = (rest.sub(1..close), rest.sub(close + 1..));
        let (addr, scope) = v6(inner.text).map_err(|(at, message)| {
            let typed = self.cut(&format!("{}{}", inner.text, after.text));
            if inner.text.is_empty() {
                let any = self.cut(&format!("[::]{}", after.text));
                return self.hint(self.fail(inner.range(), "the IPv6 address is missing"), [any]);
            }
            if !inner.text.contains(':') {
                return self
                    .hint(self.fail(rest.sub(..=close).range(), "brackets go with IPv6 addresses only"), [typed]);
            }
            // The port may have slipped into the brackets.
            let (head, tail) = inner.text.rsplit_once(':').unwrap_or_default();
            let slipped = after.text.is_empty().then(|| format!("[{head}]:{tail}"));
            self.hint(self.fail(inner.sub(at).range(), message), slipped)
        })?;
        let port = match after.text.strip_prefix(':') {
            Some(_) => Some(after.sub(1..)),
            None if after.text.is_empty() => None,
            None => {
                let misread = self.fail(after.range(), "behind the bracket stands `:` and the port");
                return Err(self.hint(misread, [format!("[{}]:{}", inner.text, after.text)]));
            }
        };
        Ok(Split {
            host: Host::V6 { addr, scope },
            head: format!("[{}]", inner.text),
            at: rest.sub(..=close).range(),
            port,
        })
    }

    /// A host that is no bare IPv6 address.
    fn named(&self, host: Part<'t>, port: Option<Part<'t>>) -> Result<Split<'t>, Misread> {
        // A port that is no port is the better place to point at, when the scheme before it is misspelt.
        if let Some(port) = port
            && !port.text.is_empty()
            && service(port.text).is_err()
            && let Some(misread) = self.misspelt()
        {
            return Err(misread);
        }
        let typed = port.or(self.second).map(|port| port.text).filter(|port| !port.is_empty());
        let with = |host: &str| match typed {
            Some(port) => format!("{host}:{port}"),
            None if host.is_empty() => format!(":{}", self.input.reading.port),
            None => host.to_owned(),
        };
        let found = name(host)
            .map_err(|(at, message, hosts)| self.hint(self.fail(at, message), hosts.iter().map(|host| with(host))))?;
        Ok(Split { host: found, head: host.text.to_owned(), at: host.range(), port })
    }

    /// More than one colon: an IPv6 address without brackets, or a mistake.
    fn colons(&self, first: usize, second: usize) -> Result<Split<'t>, Misread> {
        let rest = self.rest;
        let (head, tail) = rest.text.rsplit_once(':').unwrap_or_default();
        let v6_head = v6(head).is_ok();
        let wrong = match v6(rest.text) {
            Ok((addr, scope)) => {
                if self.second.is_none() && v6_head && number(tail).is_some() {
                    let misread = self.fail(rest.range(), format!("`{tail}` may be the port or end the address"));
                    let whole = format!("[{}]:{}", rest.text, self.input.reading.port);
                    return Err(self.hint(misread, [format!("[{head}]:{tail}"), whole]));
                }
                let head = format!("[{}]", rest.text);
                return Ok(Split { host: Host::V6 { addr, scope }, head, at: rest.range(), port: None });
            }
            Err(wrong) => wrong,
        };
        if v6_head {
            let misread = self.fail(rest.sub(..head.len()).range(), "an IPv6 address with a port stands in brackets");
            let port = self.second.map_or(tail, |second| second.text);
            let port = if port.is_empty() { self.input.reading.port.to_string() } else { port.to_owned() };
            return Err(self.hint(misread, [&port, digits(&port)].map(|port| format!("[{head}]:{port}"))));
        }
        if let Some(misread) = self.misspelt() {
            return Err(misread);
        }
        let addr = rest.text.split('%').next().unwrap_or_default();
        let hex = addr.bytes().all(|b| b.is_ascii_hexdigit() || b == b':' || b == b'.');
        if hex && !rest.text[..first].contains('.') {
            return Err(self.fail(rest.sub(wrong.0).range(), wrong.1));
        }
        let misread = self.fail(rest.sub(second..).range(), "more than one `:`, and the host is no IPv6 address");
        let doubled = (second == first + 1).then(|| rest.text.replacen("::", ":", 1));
        Err(self.hint(misread, doubled.into_iter().chain([rest.text[..second].to_owned()])))
    }

    fn port(&self, port: Part<'t>, head: &str) -> Result<Port, Misread> {
        if port.text.is_empty() {
            let misread = self.fail(port.range(), "the port is missing");
            return Err(self.hint(misread, [format!("{head}:{}", self.input.reading.port)]));
        }
        service(port.text).map_err(|(at, message)| {
            let bare = port.text.trim_start_matches([':', '+']);
            let udp = bare.strip_suffix("/udp").map(|bare| format!("udp://{head}:{bare}"));
            let misread = self.input.hint(self.fail(port.sub(at).range(), message), udp);
            self.hint(misread, [bare, digits(bare)].map(|port| format!("{head}:{port}")))
        })
    }

    fn two_ports(&self, head: &str, first: Part<'t>, second: Part<'t>) -> Misread {
        if first.text.is_empty() {
            let misread = self.fail(first.at..second.at, "no space between `:` and the port");
            return self.hint(misread, [format!("{head}:{}", second.text)]);
        }
        let misread = self.fail(second.range(), "a second port");
        self.hint(misread, [first.text, second.text].map(|port| format!("{head}:{}", port.trim_start_matches(':'))))
    }
}

/// The digits that text begins with.
fn digits(text: &str) -> &str {
    &text[..text.bytes().take_while(u8::is_ascii_digit).count()]
}

/// A port, or what is wrong with it and where. Empty text is the caller's to explain.
fn service(text: &str) -> Result<Port, (Range<usize>, &'static str)> {
    if let Some(number) = number(text) {
        let port = u16::try_from(number).map_err(|_| (0..text.len(), "out of range: a port is at most 65535"))?;
        return Ok(Port::Number(port));
    }
    // In `80x` the number is right and the rest is not; in `-1` nothing is.
    let wrong = if text.starts_with(|c: char| c.is_ascii_alphabetic()) {
        let wrong = |c: char| !(c.is_ascii_alphanumeric() || "-_+.".contains(c));
        match text.char_indices().find(|(_, c)| wrong(*c)) {
            Some((at, c)) => at..at + c.len_utf8(),
            None => return Ok(Port::Service(text.to_owned())),
        }
    } else {
        digits(text).len()..text.len()
    };
    Err((wrong, "a port is a number from 0 to 65535 or a service name"))
}

/// Where a host is wrong, why, and which hosts may have been meant.
type WrongHost = (Range<usize>, String, Vec<String>);

/// A host without colons.
fn name(host: Part<'_>) -> Result<Host, WrongHost> {
    let text = host.text;
    if let Ok(addr) = text.parse::<Ipv4Addr>() {
        return Ok(Host::V4(addr));
    }
    if text.bytes().all(|b| b.is_ascii_digit() || b == b'.') && text.contains(|c: char| c.is_ascii_digit()) {
        return Err(dotted(host));
    }
    if text == "*" {
        return Err((host.range(), "no host at all stands for every interface".into(), vec![String::new()]));
    }
    if text.starts_with('-') {
        return Err((host.sub(..1).range(), "a host does not begin with `-`".into(), vec![]));
    }
    if let Some(percent) = text.find('%') {
        let bare = vec![text[..percent].to_owned()];
        return Err((host.sub(percent..).range(), "a scope goes with IPv6 addresses only".into(), bare));
    }
    // The dot of the root may end a name, and counts for nothing.
    let bare = host.sub(..text.strip_suffix('.').map_or(text.len(), str::len));
    let mut at = 0;
    for label in bare.text.split('.') {
        let label = bare.sub(at..at + label.len());
        if label.text.is_empty() {
            let labels: Vec<_> = text.split('.').filter(|label| !label.is_empty()).collect();
            let whole = (!labels.is_empty()).then(|| labels.join("."));
            let message = "an empty label: two dots, or one at the beginning".into();
            return Err((label.at..label.at + 1, message, whole.into_iter().collect()));
        }
        let long = label.text.chars().count();
        if long > LABEL_MAX {
            let message =
                format!("a label of {long} characters; a name has at most {LABEL_MAX} between dots (RFC 1035)");
            return Err((label.range(), message, vec![]));
        }
        at += label.text.len() + 1;
    }
    match bare.text.char_indices().nth(NAME_MAX) {
        None => Ok(Host::Name(text.to_owned())),
        Some((at, _)) => {
            let long = bare.text.chars().count();
            let message = format!("a name of {long} characters; {NAME_MAX} are the most (RFC 1035)");
            Err((bare.sub(at..).range(), message, vec![]))
        }
    }
}

/// What is wrong with digits and dots that are no IPv4 address.
fn dotted(host: Part<'_>) -> WrongHost {
    let parts: Vec<&str> = host.text.split('.').collect();
    let filled: Vec<&str> = parts.iter().copied().filter(|part| !part.is_empty()).collect();
    let mut at = 0;
    for part in &parts {
        let place = host.sub(at..at + part.len());
        at += part.len() + 1;
        if part.is_empty() {
            let dot = place.at.min(host.end() - 1);
            return (dot..dot + 1, "a dot too many in an IPv4 address".into(), vec![filled.join(".")]);
        }
        if parts.len() == 4 && number(part).is_none_or(|number| number > 255) {
            return (place.range(), "out of range: a part of an IPv4 address is at most 255".into(), vec![]);
        }
        if parts.len() == 4 && part.len() > 1 && part.starts_with('0') {
            let decimal = parts.iter().filter_map(|part| number(part)).map(|n| n.to_string()).collect::<Vec<_>>();
            let message = "a leading zero, which other programs read as octal".into();
            return (place.range(), message, vec![decimal.join(".")]);
        }
    }
    let message = match parts.len() {
        1 => "a number is no host; an IPv4 address has four".into(),
        n => format!("{n} numbers; an IPv4 address has four"),
    };
    (host.range(), message, aton(&parts).map(|addr| addr.to_string()).into_iter().collect())
}

/// The address that inet_aton(3) makes of fewer than four numbers: the last one fills what is left.
fn aton(parts: &[&str]) -> Option<Ipv4Addr> {
    let (last, leading) = parts.split_last().filter(|(_, leading)| leading.len() < 3)?;
    let last = number(last).filter(|last| *last < 1 << (8 * (4 - leading.len())))?;
    // Of the numbers that stand alone, the small ones are ports.
    if leading.is_empty() && (1..1 << 24).contains(&last) {
        return None;
    }
    let mut bytes = u32::try_from(last).ok()?.to_be_bytes();
    for (byte, part) in bytes.iter_mut().zip(leading) {
        *byte = part.parse().ok()?;
    }
    Some(bytes.into())
}

/// An IPv6 address with or without a scope; or where it is wrong, and why.
pub(super) fn v6(text: &str) -> Result<(Ipv6Addr, Option<String>), (Range<usize>, String)> {
    let (addr_text, scope) = text.split_once('%').map_or((text, None), |(addr, scope)| (addr, Some(scope)));
    let addr = addr_text.parse().map_err(|_| not_v6(addr_text))?;
    let Some(scope) = scope else { return Ok((addr, None)) };
    let at = addr_text.len() + 1;
    if scope.is_empty() {
        return Err((at..at, "the interface after `%` is missing".into()));
    }
    let wrong = |c: char| c.is_whitespace() || invisible(c) || ":/%[]@?#".contains(c);
    if let Some((wrong, c)) = scope.char_indices().find(|(_, c)| wrong(*c)) {
        return Err((at + wrong..at + wrong + c.len_utf8(), format!("no interface has `{c}` in its name")));
    }
    if scope.len() > SCOPE_MAX {
        return Err((at..text.len(), format!("the name of an interface has at most {SCOPE_MAX} bytes")));
    }
    Ok((addr, Some(scope.to_owned())))
}

/// What is wrong with an IPv6 address (RFC 4291, section 2.2).
fn not_v6(text: &str) -> (Range<usize>, String) {
    let gap = text.find("::");
    if let Some(gap) = gap
        && let Some(again) = text[gap + 1..].find("::")
    {
        let again = gap + 1 + again;
        return (again..again + 2, "`::` stands only once in an IPv6 address".into());
    }
    let groups: Vec<&str> = text.split(':').collect();
    let (mut at, mut count) = (0, 0);
    for (nth, group) in groups.iter().enumerate() {
        let place = at..at + group.len();
        at = place.end + 1;
        if nth + 1 == groups.len() && group.contains('.') {
            if group.parse::<Ipv4Addr>().is_err() {
                return (place, "not an IPv4 address at the end of the IPv6 address".into());
            }
            count += 2;
            continue;
        }
        if let Some((wrong, c)) = group.char_indices().find(|(_, c)| !c.is_ascii_hexdigit()) {
            let wrong = place.start + wrong;
            return (wrong..wrong + c.len_utf8(), format!("`{c}` is no digit of an IPv6 address"));
        }
        if group.len() > 4 {
            return (place, "a group of an IPv6 address has at most four digits".into());
        }
        if !group.is_empty() {
            count += 1;
        } else if gap.is_none_or(|gap| place.start != gap + 1 && place.start != gap && place.end != gap + 2) {
            // The single colon at the beginning or the end.
            let colon = place.start.saturating_sub(usize::from(nth > 0));
            return (colon..(colon + 1).min(text.len()), "a single `:` at an end of an IPv6 address".into());
        }
    }
    match gap {
        None => (0..text.len(), format!("{count} groups; an IPv6 address has eight, or `::` for those that are zero")),
        Some(_) => (0..text.len(), format!("{count} groups and `::`; an IPv6 address has eight in all")),
    }
}
