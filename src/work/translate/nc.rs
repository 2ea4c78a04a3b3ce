//! nc(1) of OpenBSD, as Debian has it, and the traditional one.

use super::getopt::{Given, Spec};
use super::{Line, Translation, host_port, is_port, unix};
use crate::span::Misread;
use crate::value::parse_duration;

/// nc of OpenBSD with Debian's additions (1.219).
const OPENBSD: Spec = Spec { letters: "46bCDdFhI:i:klM:m:NnO:P:p:q:rSs:T:tUuV:vW:w:X:x:Zz", long: &[] };
/// The traditional one (1.10).
const TRADITIONAL: Spec = Spec { letters: "46bCc:e:g:G:hi:klno:p:q:rs:T:tuvw:z", long: &[] };

/// What the flags come to.
#[derive(Default)]
struct Asked {
    listen: bool,
    udp: bool,
    unix: bool,
    v6: Option<bool>,
    check: bool,
    no_stdin: bool,
    tells_end: bool,
    port: Option<Given>,
    source: Option<String>,
    timeout: Option<Given>,
    program: bool,
}

pub(super) fn translate(line: &Line<'_>, name: &str) -> Result<Translation, Misread> {
    let traditional = match name {
        "nc.traditional" => true,
        "nc.openbsd" => false,
        // Only one of them knows these; ncat too, which is often installed as nc.
        _ => line.own.iter().any(|word| is_of_traditional(word)),
    };
    let spec = if traditional { TRADITIONAL } else { OPENBSD };
    let (given, words) = spec.read(line)?;
    let mut out = Translation::default();
    let mut asked = Asked::default();
    let mut flags: Vec<String> = Vec::new();
    let listens = given.iter().any(|option| option.name == "l");
    for option in &given {
        let value = &option.value;
        let mut flag = |name: &str, value: &str| flags.extend([name, value].map(str::to_owned));
        match option.name.as_str() {
            "4" => asked.v6 = Some(false),
            "6" => asked.v6 = Some(true),
            "l" => asked.listen = true,
            "u" => asked.udp = true,
            "U" => asked.unix = true,
            "z" => asked.check = true,
            "d" => asked.no_stdin = true,
            "N" => asked.tells_end = true,
            "p" => asked.port = Some(option.clone()),
            "s" => asked.source = Some(value.clone()),
            "w" => asked.timeout = Some(checked(line, option)?),
            "b" => flags.push("--broadcast".to_owned()),
            "C" => flags.push("--crlf".to_owned()),
            "k" if name == "nc.traditional" => flags.push("--keepalive".to_owned()),
            "k" if listens => flags.push("-k".to_owned()),
            "k" => out.note("-k is about a server; it has no part in a client"),
            "n" => out.note("-n is not needed: an address in numbers is never looked up"),
            "v" => out.note("-v is not needed: who connected is told anyway, on stderr; here it tells each phase"),
            "I" => flag("--rcvbuf", value),
            "O" => flag("--sndbuf", value),
            "M" => flag("--ttl", value),
            "m" => flag("--opt", &format!("ip:21={value}")),
            "D" => flag("--opt", "socket:1=1"),
            "T" => match tos(value) {
                Some((name, value)) => flag(name, &value),
                None => return Err(line.misread(option.at, format!("-T {value} is no type of service"))),
            },
            "q" if value.starts_with('-') => {
                asked.tells_end = true;
                out.note(format!("-q {value} waits for the peer for ever, as sockkit does anyway"));
            }
            "q" => {
                asked.tells_end = true;
                checked(line, option)?;
                flag("--linger-after-eof", value);
                out.note("-q is --linger-after-eof: our end is told at once, and the peer has so long to finish");
            }
            // No program has such a name; it is the next flag.
            "c" if value.starts_with('-') => {
                return Err(line.misread(
                    option.at,
                    "in the nc of OpenBSD itself -c means TLS and takes no value; here it takes a program",
                ));
            }
            "e" | "c" if listens => {
                asked.program = true;
                flag(if option.name == "e" { "--exec" } else { "--sh" }, value);
                if option.name == "c" {
                    out.note(
                        "-c runs a line of a shell, as in nc.traditional; in the nc of OpenBSD itself it means TLS",
                    );
                }
            }
            "e" | "c" => {
                out.cannot(format!(
                    "{}: a program for a connection is for servers (listen --exec, --sh)",
                    option.shown
                ));
            }
            "o" => {
                flag("--output", value);
                out.note("-o writes a hex dump; --output writes the bytes themselves (--hex shows a dump, on stdout)");
            }
            "i" => out.cannot(
                "-i: no pause between the lines of stdin; a script has --line-delay (here -i is --idle-timeout)",
            ),
            "W" => out.cannot("-W: no end after a number of packets; -i ends after silence"),
            "F" => out.cannot("-F: no passing of descriptors"),
            "S" => out.cannot("-S: no TCP MD5 signatures"),
            "t" => out.cannot("-t: no telnet negotiation"),
            "V" => out.cannot("-V: no routing tables; --mark and --interface choose a route by rule"),
            "x" if listens => out.note("-x is about a client; it has no part in a server"),
            "x" => {
                let last = |name: &str| given.iter().rev().find(|option| option.name == name).map(|given| &given.value);
                let protocol = last("X").map_or("5", String::as_str);
                let scheme = match protocol.to_ascii_lowercase().as_str() {
                    "4" => "socks4",
                    "4a" => "socks4a",
                    "5" => "socks5h",
                    "connect" => "http",
                    _ => return Err(line.misread(option.at, format!("-X {protocol} is no protocol of proxies"))),
                };
                let user = last("P").map_or_else(String::new, |user| {
                    out.note("the password that -P asks for is read from SOCKKIT_PROXY_PASSWORD or --proxy-user-file");
                    user.replace('%', "%25").replace('@', "%40").replace(':', "%3A") + "@"
                });
                flag("--proxy", &super::proxy(scheme, &format!("{user}{value}")));
            }
            // They are about -x.
            "X" | "P" => {}
            "Z" => out.cannot("-Z: no DCCP"),
            "g" | "G" => out.cannot(format!("{}: no source routing", option.shown)),
            "r" => out.note("-r has no effect without a range of ports"),
            "h" => return Err(line.misread(option.at, "this only prints the help of nc").hint("sockkit --help")),
            _ => {}
        }
    }
    out.command = vec!["sockkit".to_owned(), if asked.listen { "listen" } else { "connect" }.to_owned()];
    if let Some(v6) = asked.v6 {
        out.command.push(if v6 { "-6" } else { "-4" }.to_owned());
    }
    if asked.udp && !asked.unix {
        out.command.push("-u".to_owned());
    }
    out.command.append(&mut flags);
    if asked.listen {
        serve(line, &mut out, &asked, &words, traditional)?;
    } else {
        dial(line, &mut out, &asked, &words)?;
    }
    Ok(out)
}

fn is_of_traditional(word: &str) -> bool {
    word.strip_prefix('-').is_some_and(|letters| {
        let front: String = letters.chars().take_while(|c| !"wpqsiITOMmVWXxP".contains(*c)).collect();
        !letters.starts_with('-') && front.contains(['e', 'c', 'g', 'G', 'o'])
    })
}

fn serve(
    line: &Line<'_>,
    out: &mut Translation,
    asked: &Asked,
    words: &[(usize, String)],
    traditional: bool,
) -> Result<(), Misread> {
    if asked.check {
        out.note("-z is about a client; it has no part in a server");
    }
    if asked.no_stdin {
        out.command.push("--recv-only".to_owned());
    }
    if let Some(timeout) = &asked.timeout {
        if traditional {
            out.command.extend(["--accept-timeout".to_owned(), timeout.value.clone()]);
            out.note("-w of a listening nc.traditional is how long it waits for somebody: --accept-timeout");
        } else {
            out.command.extend(["-i".to_owned(), timeout.value.clone()]);
            out.note("-w of nc -l is idle time, not the wait for a client: -i here (--accept-timeout bounds the wait)");
        }
    }
    if asked.unix {
        let path = words.first().ok_or_else(|| line.misread(line.own.len(), "the path is missing"))?;
        out.command.push(unix(if asked.udp { "-dgram" } else { "" }, &path.1));
        return Ok(());
    }
    let words: Vec<&(usize, String)> = words.iter().collect();
    let (host, port) = match (&asked.port, &words[..]) {
        (Some(port), []) => (None, (port.at, port.value.clone())),
        (Some(port), [host, ..]) if traditional => {
            out.command.extend(["--allow".to_owned(), host.1.clone()]);
            out.note("an address behind -l of nc.traditional is the only one that may connect: --allow");
            (None, (port.at, port.value.clone()))
        }
        (Some(port), [host, ..]) => (Some(&host.1), (port.at, port.value.clone())),
        (None, [port]) => (None, (port.0, port.1.clone())),
        (None, [host, port, ..]) => (Some(&host.1), (port.0, port.1.clone())),
        (None, []) => return Err(line.misread(line.own.len(), "the port to listen on is missing")),
    };
    if !is_port(&port.1) {
        return Err(line.misread(port.0, "this is no port"));
    }
    let host = host.or(asked.source.as_ref());
    if host.is_none() && asked.v6.is_none() {
        out.note("nc may listen on IPv4 alone; :PORT takes IPv4 and IPv6 (-4 for IPv4 alone)");
    }
    if asked.udp && !asked.program {
        out.note("nc -lu stays with the first peer that speaks; sockkit answers whoever spoke last");
    }
    if !asked.program && !asked.udp && !asked.no_stdin {
        out.note(END_OF_SERVER);
    }
    out.command.push(host_port(host.map_or("", String::as_str), &port.1));
    Ok(())
}

/// What is different at the end of stdin.
const END_OF_SERVER: &str = "at the end of stdin the peer is told (FIN), as by nc -N; --no-shutdown keeps that back, --recv-only leaves stdin alone";
const END: &str =
    "without -N nc does not tell the peer that stdin has ended; sockkit does (FIN), and --no-shutdown keeps it back";

fn dial(line: &Line<'_>, out: &mut Translation, asked: &Asked, words: &[(usize, String)]) -> Result<(), Misread> {
    if asked.check {
        // It conflicts with whatever is about bytes.
        drop_flags(out, &["--crlf"], &["--linger-after-eof", "--output"]);
        out.command.push("-z".to_owned());
    } else if asked.no_stdin {
        drop_flags(out, &[], &["--linger-after-eof"]);
        out.command.push("--recv-only".to_owned());
    }
    if let Some(timeout) = &asked.timeout {
        out.command.extend(["-w".to_owned(), timeout.value.clone()]);
        if asked.check {
            if !asked.udp {
                out.note("-w is the budget for all of resolving and connecting; nc takes it for each address");
            }
        } else {
            out.command.extend(["-i".to_owned(), timeout.value.clone()]);
            out.note(
                "nc's -w is two things: the budget to connect (-w here) and idle time (-i here); idle is exit 8, not 0",
            );
        }
    }
    if asked.unix {
        let path = words.first().ok_or_else(|| line.misread(line.own.len(), "the path is missing"))?;
        if asked.source.is_some() {
            out.cannot("-s with -U: the name of a datagram client is the kernel's choice");
        }
        out.command.push(unix(if asked.udp { "-dgram" } else { "" }, &path.1));
        if !asked.tells_end && !asked.check && !asked.no_stdin && !asked.udp {
            out.note(END);
        }
        return Ok(());
    }
    if asked.source.is_some() || asked.port.is_some() {
        let host = asked.source.as_deref().unwrap_or_default();
        let source = match &asked.port {
            Some(port) if port.value.parse::<u16>().is_err() => {
                return Err(line.misread(port.at, "this is no port"));
            }
            Some(port) => host_port(host, &port.value),
            None => host.to_owned(),
        };
        out.command.extend(["--source".to_owned(), source]);
    }
    let [host, ports @ ..] = words else {
        return Err(line.misread(line.own.len(), "the host and the port are missing"));
    };
    let [port, more @ ..] = ports else {
        return Err(line.misread(line.own.len(), "the port is missing"));
    };
    let first = match port.1.split_once('-') {
        Some((low, high)) if low.parse::<u16>().is_ok() && high.parse::<u16>().is_ok() => {
            out.cannot(format!("{}: no ranges of ports; a loop of the shell: {}", port.1, scan(&host.1, low, high)));
            low
        }
        _ => &port.1,
    };
    if !is_port(first) {
        return Err(line.misread(port.0, "this is no port"));
    }
    if let [.., _] = more {
        let others: Vec<&str> = more.iter().map(|other| other.1.as_str()).collect();
        let all = std::iter::once(first).chain(others.iter().copied()).collect::<Vec<_>>().join(" ");
        let plain = all.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b' ');
        let each = if asked.check && plain {
            format!("; a loop of the shell: {}", each_of(&host.1, &all))
        } else {
            String::new()
        };
        out.cannot(format!("{}: one port at a time{each}", others.join(", ")));
    }
    match (asked.check, asked.udp) {
        (true, true) => {
            out.note(
                "nc -zu may call a closed port open; sockkit sends an empty datagram: an answer is 0, ICMP 5, silence 7",
            );
        }
        (true, false) => {}
        (false, true) => {
            out.note("nc -u never ends by itself; sockkit ends 1 s after the last datagram once stdin has ended");
        }
        (false, false) if asked.tells_end || asked.no_stdin => {}
        (false, false) => out.note(END),
    }
    out.command.push(host_port(&host.1, first));
    Ok(())
}

fn scan(host: &str, low: &str, high: &str) -> String {
    each_of(host, &format!("$(seq {low} {high})"))
}

fn each_of(host: &str, ports: &str) -> String {
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    format!("for p in {ports}; do sockkit connect -zq -w 1 '{host}:'$p 2> /dev/null && echo $p; done")
}

/// Takes away flags that do not go with another.
fn drop_flags(out: &mut Translation, alone: &[&str], with_value: &[&str]) {
    out.command.retain(|word| !alone.contains(&word.as_str()));
    while let Some(at) = out.command.iter().position(|word| with_value.contains(&word.as_str())) {
        out.command.drain(at..(at + 2).min(out.command.len()));
    }
}

fn checked(line: &Line<'_>, option: &Given) -> Result<Given, Misread> {
    match parse_duration(&option.value) {
        Ok(_) => Ok(option.clone()),
        Err(_) => Err(line.misread(option.at, format!("{} takes a number of seconds", option.shown))),
    }
}

/// The keywords of `nc -T`, nc(1).
fn tos(value: &str) -> Option<(&'static str, String)> {
    let number = match value.to_ascii_lowercase().as_str() {
        "lowdelay" => 0x10,
        "throughput" => 0x08,
        "reliability" => 0x04,
        "critical" => 0xa0,
        "inetcontrol" => 0xc0,
        "netcontrol" => 0xe0,
        name if name == "ef" || name.starts_with("af") || name.starts_with("cs") => {
            return Some(("--dscp", name.to_owned()));
        }
        text => match text.strip_prefix("0x") {
            Some(hex) => u8::from_str_radix(hex, 16).ok()?,
            None => text.parse().ok()?,
        },
    };
    Some(("--tos", number.to_string()))
}
