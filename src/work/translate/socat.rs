//! socat(1): two addresses, each with options behind commas.

use super::{Line, Translation, host_port};
use crate::span::Misread;

mod address;

use address::{Address, Role, read};

/// What one side of a line is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum End {
    /// A socket: whether it listens, the flags that go with its address, and the address.
    Socket { listen: bool, fork: bool, flags: Vec<String>, place: String, stream: bool },
    /// stdin and stdout.
    Stdio { editor: bool },
    /// A program, and whether through a shell.
    Program { shell: bool, text: String },
    /// A file, and whether it is added to.
    File { path: String, append: bool },
    /// What comes goes back.
    Echo,
    /// Nothing of ours.
    No,
}

/// The flags in front of the addresses.
#[derive(Default)]
struct Flags {
    list: Vec<String>,
    /// -1: from right to left, 1: from left to right.
    direction: i8,
    has_t: bool,
}

pub(super) fn translate(line: &Line<'_>) -> Result<Translation, Misread> {
    let mut out = Translation::default();
    let (flags, at) = flags(line, &mut out)?;
    let addresses = &line.own[at.min(line.own.len())..];
    let [one, two] = addresses else {
        let message = if addresses.len() < 2 { "socat takes two addresses" } else { "this is a third address" };
        return Err(line.misread(if addresses.len() < 2 { line.own.len() } else { at + 2 }, message));
    };
    let mut ends = Vec::new();
    for (nth, text) in [one, two].into_iter().enumerate() {
        let address = read(text).ok_or_else(|| line.misread(at + nth, "no such type of address is known of socat"))?;
        ends.push(end(line, at + nth, &address, &mut out)?);
    }
    let [one, two] = <[End; 2]>::try_from(ends).unwrap_or([End::No, End::No]);
    if flags.direction == 0 && !flags.has_t && matches!((&one, &two), (End::Socket { .. }, _) | (_, End::Socket { .. }))
    {
        out.note(
            "once one side has ended, socat gives the other 0.5 s (-t); sockkit waits for it (--linger-after-eof)",
        );
    }
    compose(&mut out, &flags, one, two);
    Ok(out)
}

fn flags(line: &Line<'_>, out: &mut Translation) -> Result<(Flags, usize), Misread> {
    let mut flags = Flags::default();
    let mut at = 0;
    while let Some(word) = line
        .own
        .get(at)
        .filter(|word| word.len() > 1 && word.starts_with('-') && !word.starts_with("-,") && !word.contains(':'))
    {
        let here = at;
        at += 1;
        let letter = word.get(1..2).unwrap_or_default();
        let rest = word.get(2..).unwrap_or_default();
        let mut value = || {
            if !rest.is_empty() {
                return Ok(rest.to_owned());
            }
            let value = line.own.get(at).ok_or_else(|| line.misread(at, format!("{word} takes a value")))?;
            at += 1;
            Ok(value.clone())
        };
        let known = match letter {
            "u" if rest.is_empty() => {
                flags.direction = 1;
                true
            }
            "U" if rest.is_empty() => {
                flags.direction = -1;
                true
            }
            "t" | "T" => {
                let time = value()?;
                if crate::value::parse_duration(&time).is_err() {
                    return Err(line.misread(here, format!("-{letter} takes a number of seconds")));
                }
                flags.has_t |= letter == "t";
                flags.list.extend([if letter == "t" { "--linger-after-eof" } else { "-i" }.to_owned(), time]);
                true
            }
            "b" => {
                value()?;
                out.note("-b is not needed: sockkit chooses the size of its buffers");
                true
            }
            "d" if rest.chars().all(|c| c == 'd' || c.is_ascii_digit()) => {
                if !flags.list.iter().any(|flag| flag == "-v") {
                    flags.list.push("-v".to_owned());
                }
                true
            }
            "x" | "v" if rest.is_empty() || rest == "v" || rest == "x" => {
                if !flags.list.iter().any(|flag| flag == "--hex") {
                    flags.list.push("--hex".to_owned());
                }
                out.note(format!(
                    "{word} shows what passes on stderr; --hex shows it on stdout, in place of the payload"
                ));
                true
            }
            "4" | "6" if rest.is_empty() => {
                flags.list.push(word.clone());
                true
            }
            "l" if rest.starts_with(['f', 'p']) => {
                if rest.len() == 1 {
                    at += 1;
                }
                out.cannot(format!("{}: messages go to stderr; 2> FILE keeps them", &word[..3]));
                true
            }
            "l" if rest.starts_with(['y', 's', 'm', 'u', 'h']) => {
                out.cannot(format!("{}: messages go to stderr (--timestamps gives them times)", &word[..3]));
                true
            }
            "L" | "W" => {
                value()?;
                out.cannot(format!("-{letter}: no lock files; flock(1) in front does it"));
                true
            }
            "r" | "R" => {
                value()?;
                out.cannot(format!(
                    "-{letter}: no file for each direction; --output FILE takes both, --record FILE tells them apart"
                ));
                true
            }
            "s" | "D" | "g" if rest.is_empty() => {
                out.note(format!("{word} has no counterpart, and none is needed"));
                true
            }
            "S" => {
                value()?;
                true
            }
            _ => false,
        };
        if !known {
            return Err(line.misread(here, format!("{word} is no flag that is known of socat")));
        }
    }
    Ok((flags, at))
}

/// What an address comes to; what it has no word for is told.
fn end(line: &Line<'_>, nth: usize, address: &Address, out: &mut Translation) -> Result<End, Misread> {
    let missing = |what: &str| line.misread(nth, format!("the {what} is missing"));
    let first = || address.params.first().filter(|text| !text.is_empty());
    Ok(match address.role {
        Role::Stdio => {
            for (name, _) in address.options.iter().filter(|(name, _)| name != "ignoreeof") {
                out.cannot(format!("{name}: no such option of a terminal; stty(1) sets it"));
            }
            if address.has("ignoreeof") {
                out.cannot("ignoreeof: what is added to a file later is not sent; tail -f FILE | sockkit ... does it");
            }
            End::Stdio { editor: address.kind == "READLINE" }
        }
        Role::Program { shell } => {
            for option in &address.options {
                out.cannot(format!("{}: the program has pipes, and its stderr is ours", option.0));
            }
            End::Program { shell, text: address.params.join(":") }
        }
        Role::File => {
            let path = first().ok_or_else(|| missing("name of the file"))?.clone();
            let of_shell = ["append", "creat", "create", "trunc", "rdonly", "wronly", "rdwr", "text", "binary"];
            for (name, _) in &address.options {
                if !of_shell.contains(&name.trim_start_matches("o-")) {
                    out.cannot(format!("{name}: the shell opens the file, and knows no such option"));
                }
            }
            End::File { path, append: address.has("append") || address.has("o-append") }
        }
        Role::Pipe => match first() {
            None => End::Echo,
            Some(name) => {
                out.cannot(format!("PIPE:{name}: no named pipes; the shell's < and > open one"));
                End::No
            }
        },
        Role::Fd => {
            let number = first().ok_or_else(|| missing("descriptor"))?;
            if number.parse::<i32>().is_err() {
                return Err(line.misread(nth, "a descriptor is a number"));
            }
            let place = format!("fd:{number}");
            End::Socket { listen: false, fork: false, flags: Vec::new(), place, stream: true }
        }
        Role::Socket { listen, stream } => {
            let (place, mut flags) = place(address, listen).map_err(&missing)?;
            let fork = address.has("fork");
            options(address, listen, fork, &mut flags, out);
            if address.is_tls() {
                tls(address, listen, &mut flags, out);
            }
            End::Socket { listen, fork, flags, place, stream }
        }
        Role::None(why) => {
            out.cannot(format!("{}: {why}", address.kind));
            End::No
        }
    })
}

/// The address in our grammar, and the flags of its family.
fn place(address: &Address, listen: bool) -> Result<(String, Vec<String>), &'static str> {
    let kind = address.kind.as_str();
    let param = |nth: usize| address.params.get(nth).filter(|text| !text.is_empty());
    let mut flags = Vec::new();
    let is = |front: &str| kind.starts_with(front);
    if is("UNIX") || is("ABSTRACT") || is("LOCAL") {
        let name = param(0).ok_or("name of the socket")?;
        let datagrams = ["SENDTO", "RECV", "DATAGRAM"].iter().any(|word| kind.contains(word));
        let kind = match address.value("type").or(address.value("socktype")) {
            Some("2") => "-dgram",
            Some("5") => "-seqpacket",
            _ if datagrams => "-dgram",
            _ => "",
        };
        let sign = if is("ABSTRACT") { "@" } else { "" };
        return Ok((format!("unix{kind}:{sign}{name}"), flags));
    }
    if is("VSOCK") {
        return Ok(match listen {
            true => (format!("vsock:any:{}", param(0).ok_or("port")?), flags),
            false => (format!("vsock:{}:{}", param(0).ok_or("CID")?, param(1).ok_or("port")?), flags),
        });
    }
    let family = address.value("pf").or(address.value("protocol-family")).unwrap_or_default();
    if kind.contains('6') || family.contains('6') {
        flags.push("-6".to_owned());
    } else if kind.contains('4') || family.contains('4') {
        flags.push("-4".to_owned());
    }
    if is("UDP") {
        flags.push("-u".to_owned());
    }
    let (host, port) = if listen {
        (address.value("bind").unwrap_or_default(), param(0).ok_or("port")?)
    } else {
        (param(0).ok_or("host")?.as_str(), param(1).ok_or("port")?)
    };
    Ok((host_port(host, port), flags))
}

/// The options of a socket.
fn options(address: &Address, listen: bool, fork: bool, flags: &mut Vec<String>, out: &mut Translation) {
    let mut source = (None, None);
    for (name, value) in &address.options {
        let text = value.as_deref().unwrap_or_default();
        let off = matches!(text, "0" | "no");
        let mut flag = |name: &str| flags.extend([name, text].map(str::to_owned));
        match name.as_str() {
            name if address.is_tls() && TLS.contains(&name.trim_start_matches("openssl-")) => {}
            "fork" | "pf" | "protocol-family" | "type" | "socktype" | "shut-down" | "unlink-close" => {}
            "reuseaddr" | "so-reuseaddr" if listen && off => flags.push("--reuseaddr=no".to_owned()),
            "reuseaddr" | "so-reuseaddr" if listen => {}
            "reuseaddr" | "so-reuseaddr" => flags.push("--reuseaddr".to_owned()),
            "reuseport" | "so-reuseport" => flags.push("--reuseport".to_owned()),
            "bind" if listen => {}
            "bind" => source.0 = value.clone(),
            "sourceport" | "sp" if !listen => source.1 = value.clone(),
            "backlog" if listen => flag("--backlog"),
            "max-children" if listen && fork => flag("-m"),
            "range" if listen => flag("--allow"),
            "accept-timeout" | "listen-timeout" if listen => flag("--accept-timeout"),
            "crnl" | "crlf" => {
                flags.push("--crlf".to_owned());
                out.note("crnl changes both directions in socat; --crlf changes what is sent, and leaves what comes");
            }
            "nodelay" | "tcp-nodelay" => flags.push("--nodelay".to_owned()),
            "keepalive" | "so-keepalive" => flags.push("--keepalive".to_owned()),
            "shut-none" => flags.push("--no-shutdown".to_owned()),
            "connect-timeout" if !listen => flag("-w"),
            "retry" | "forever" | "interval" if !listen => {
                if !flags.iter().any(|flag| flag == "--retry") {
                    flags.extend(["--retry", if name == "forever" { "1y" } else { "10s" }].map(str::to_owned));
                }
                out.note(format!("{name}: --retry takes how long to try, not how often"));
            }
            "ttl" | "ip-ttl" => flag("--ttl"),
            "tos" | "ip-tos" => flag("--tos"),
            "ip-multicast-ttl" | "multicast-ttl" => flag("--multicast-ttl"),
            "mss" | "tcp-maxseg" => flag("--mss"),
            "so-bindtodevice" | "interface" | "if" => flag("--interface"),
            "rcvbuf" | "so-rcvbuf" | "rcvbuf-late" => flag("--rcvbuf"),
            "sndbuf" | "so-sndbuf" | "sndbuf-late" => flag("--sndbuf"),
            "linger" | "so-linger" => flag("--linger"),
            "congestion" | "tcp-congestion" => flag("--congestion"),
            "broadcast" | "so-broadcast" => flags.push("--broadcast".to_owned()),
            "ipv6only" | "ipv6-v6only" | "v6only" => {
                flags.push(if off { "--v6only=no" } else { "--v6only" }.to_owned());
            }
            "mode" | "perm" if listen => flag("--mode"),
            "unlink" | "unlink-early" if listen => flags.push("--unlink".to_owned()),
            "cr" | "ignoreeof" | "su" | "su-d" | "chroot" | "user" | "group" | "lowport" | "tcpwrap" => {
                out.cannot(format!("{name}: no such option of an address"));
            }
            name => out
                .cannot(format!("{name}: no such option of an address; --opt LEVEL:NAME=VALUE sets any of the kernel")),
        }
    }
    if source.0.is_some() || source.1.is_some() {
        let host = source.0.unwrap_or_default();
        flags.extend(["--source".to_owned(), source.1.map_or(host.clone(), |port| host_port(&host, &port))]);
    }
}

/// The options of TLS, each also with `openssl-` in front.
const TLS: [&str; 10] =
    ["verify", "cafile", "certificate", "cert", "key", "commonname", "cn", "snihost", "min-proto-version", "no-sni"];

fn tls(address: &Address, listen: bool, flags: &mut Vec<String>, out: &mut Translation) {
    let value = |names: &[&str]| {
        let is = |own: &str| names.contains(&own.trim_start_matches("openssl-"));
        address.options.iter().rev().find(|(own, _)| is(own)).map(|(_, value)| value.clone().unwrap_or_default())
    };
    let verifies = !matches!(value(&["verify"]).as_deref(), Some("0"));
    flags.push("--tls".to_owned());
    let mut add = |flag: &str, value: Option<String>| {
        if let Some(value) = value {
            flags.extend([flag.to_owned(), value]);
        }
    };
    let certificate = value(&["certificate", "cert"]);
    add("--tls-cert", certificate.clone());
    add("--tls-key", value(&["key"]));
    let trusted = value(&["cafile"]).filter(|_| verifies);
    let asks = trusted.is_some();
    add(if listen { "--tls-client-ca" } else { "--tls-ca" }, trusted);
    if !listen {
        add("--tls-server-name", value(&["commonname", "cn", "snihost"]).filter(|name| !name.is_empty()));
    }
    match value(&["min-proto-version"]).as_deref() {
        Some("TLS1.3") => add("--tls-min", Some("1.3".to_owned())),
        Some("TLS1.2") | None => {}
        Some(older) => out.cannot(format!("min-proto-version={older}: nothing older than TLS 1.2 is spoken")),
    }
    match (listen, verifies) {
        (true, true) if !asks => {
            out.note("socat asks each client for a certificate without verify=0; --tls-client-ca FILE does");
        }
        (false, false) => flags.push("--tls-insecure".to_owned()),
        _ => {}
    }
    if listen && certificate.is_none() {
        flags.push("--tls-self-signed".to_owned());
    }
}

/// The line of a relay. Options of both sides are said once: each is for the side that it fits.
fn relay(
    own: Vec<String>,
    listen: (Vec<String>, String),
    connect: (Vec<String>, String),
    fork: bool,
    out: &mut Translation,
) -> Vec<String> {
    let mut words: Vec<String> = ["sockkit", "relay"].map(str::to_owned).into();
    words.extend((!fork).then(|| ["--count", "1"].map(str::to_owned)).into_iter().flatten());
    let mut places = Vec::new();
    let mut add = |words: &mut Vec<String>, given: Vec<String>| {
        let mut given = given.into_iter().peekable();
        while let Some(flag) = given.next() {
            let value = given.next_if(|word| !word.starts_with('-'));
            match flag.as_str() {
                "--linger-after-eof" => {
                    out.note(
                        "-t has no part in a relay: it passes each side's end on, and is over when both have ended",
                    );
                }
                "--crlf" | "--no-shutdown" => out.cannot(format!("{flag}: a relay passes bytes and ends as they are")),
                _ if words.contains(&flag) => {}
                _ => words.extend(std::iter::once(flag).chain(value)),
            }
        }
    };
    add(&mut words, own);
    for (mut flags, place) in [listen, connect] {
        let mut take = |flag: &str| flags.iter().position(|found| found == flag).map(|at| flags.remove(at)).is_some();
        let transport = if take("-u") { "udp" } else { "tcp" };
        let family = if take("-4") {
            "4"
        } else if take("-6") {
            "6"
        } else {
            ""
        };
        let plain = transport == "tcp" && family.is_empty();
        places.push(if plain { place } else { format!("{transport}{family}://{place}") });
        add(&mut words, flags);
    }
    words.extend(places);
    words
}

fn compose(out: &mut Translation, given: &Flags, one: End, two: End) {
    // The socket first, and the direction as it is seen from there: 1 is from the socket to the other side.
    let (socket, other, direction) = match (one, two) {
        (one @ End::Socket { listen: true, .. }, two) => (one, two, given.direction),
        (one, two @ End::Socket { listen: true, .. }) => (two, one, -given.direction),
        (one @ End::Socket { .. }, two) => (one, two, given.direction),
        (one, two) => (two, one, -given.direction),
    };
    let End::Socket { listen, fork, flags, place, stream } = socket else {
        if out.cannot.is_empty() {
            out.cannot("there is no socket in it: the shell's | < > join programs and files");
        }
        return;
    };
    let mut words: Vec<String> = ["sockkit", if listen { "listen" } else { "connect" }].map(str::to_owned).into();
    let serves = |words: &mut Vec<String>, flag: &str, text: String| {
        words.extend(fork.then(|| "-k".to_owned()));
        words.extend([flag.to_owned(), text]);
    };
    let mut own = given.list.clone();
    match other {
        End::No => return,
        End::Stdio { editor } => {
            words.extend((listen && fork).then(|| "-k".to_owned()));
            if listen && fork {
                out.note(
                    "fork: socat lets all clients talk to one stdin at once; sockkit takes them one after another",
                );
            }
            match direction {
                1 => words.push("--recv-only".to_owned()),
                -1 => words.push("--send-only".to_owned()),
                _ if editor => words.push("-I".to_owned()),
                _ => {}
            }
            if !stream && !listen {
                out.note("a session of datagrams ends 1 s after the last one received once stdin has ended");
            }
        }
        End::File { path, append } if listen && fork => {
            // Each of them has the file from its beginning.
            let quoted = shell_words::quote(&path).into_owned();
            let sign = if append { ">>" } else { ">" };
            serves(
                &mut words,
                "--sh",
                if direction == 1 { format!("cat {sign} {quoted}") } else { format!("cat {quoted}") },
            );
        }
        End::File { path, append } => {
            let quoted = shell_words::quote(&path).into_owned();
            if direction == 1 {
                words.push("--recv-only".to_owned());
                out.after = format!(" {} {quoted}", if append { ">>" } else { ">" });
            } else {
                if direction == 0 {
                    out.cannot(format!("{path} in both directions: it is only read here; what comes goes to stdout"));
                } else {
                    words.push("--send-only".to_owned());
                }
                out.after = format!(" < {quoted}");
            }
        }
        End::Program { shell, text } if listen => {
            serves(&mut words, if shell { "--sh" } else { "--exec" }, text);
            own.retain(|flag| flag != "--hex");
        }
        End::Echo if listen => {
            words[1] = "echo".to_owned();
            words.extend((!fork).then(|| ["--count", "1"].map(str::to_owned)).into_iter().flatten());
        }
        End::Program { .. } => {
            out.cannot("a program for a connection that was made: handlers are for servers (listen --exec, --sh)");
            return;
        }
        End::Echo => {
            out.cannot(
                "PIPE: what comes over a connection that was made cannot be sent back; sockkit echo is a server",
            );
            return;
        }
        End::Socket { listen: false, flags: theirs, place: to, .. } if listen => {
            if direction != 0 {
                out.cannot("-u, -U: a relay passes both directions");
            }
            let mut theirs = theirs;
            if let Some(tls) = theirs.iter_mut().find(|flag| *flag == "--tls") {
                "--tls-originate".clone_into(tls);
                if flags.iter().any(|flag| flag == "--tls") && theirs.iter().any(|flag| flag == "--tls-cert") {
                    out.cannot("cert: a relay that has TLS on both sides shows no certificate to its target");
                    return;
                }
            }
            out.command = relay(own, (flags, place), (theirs, to), fork, out);
            return;
        }
        End::Socket { .. } => {
            out.cannot("two sockets of which none, or both, listen: sockkit relay listens at the one and connects to the other");
            return;
        }
    }
    // A program for each session has the end of its own stdin; what is about ours has no part in it.
    let is_handled = words.iter().any(|word| matches!(word.as_str(), "--exec" | "--sh")) || words[1] == "echo";
    if is_handled && let Some(at) = own.iter().position(|flag| flag == "--linger-after-eof") {
        own.drain(at..at + 2);
        out.note("-t has no part in a handler: a session is over when both sides are");
    }
    words.extend(own);
    words.extend(flags);
    words.push(place);
    out.command = words;
}
