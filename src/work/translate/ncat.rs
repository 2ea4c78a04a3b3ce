//! ncat(1), of Nmap.

use super::getopt::{Given, Spec};
use super::{Line, Translation, host_port, is_port, unix};
use crate::span::Misread;

/// ncat 7.94.
const SPEC: Spec = Spec {
    letters: "46UCc:e:g:G:m:hd:o:x:i:p:s:lkntuvw:zq:",
    long: &[
        ("unixsock", "U"),
        ("vsock", ""),
        ("crlf", "C"),
        ("sh-exec:", "c"),
        ("exec:", "e"),
        ("lua-exec:", ""),
        ("max-conns:", "m"),
        ("help", "h"),
        ("delay:", "d"),
        ("output:", "o"),
        ("hex-dump:", "x"),
        ("append-output", ""),
        ("idle-timeout:", "i"),
        ("source-port:", "p"),
        ("source:", "s"),
        ("listen", "l"),
        ("keep-open", "k"),
        ("nodns", "n"),
        ("telnet", "t"),
        ("udp", "u"),
        ("sctp", ""),
        ("verbose", "v"),
        ("wait:", "w"),
        ("send-only", ""),
        ("recv-only", ""),
        ("no-shutdown", ""),
        ("allow:", ""),
        ("allowfile:", ""),
        ("deny:", ""),
        ("denyfile:", ""),
        ("broker", ""),
        ("chat", ""),
        ("proxy:", ""),
        ("proxy-type:", ""),
        ("proxy-auth:", ""),
        ("proxy-dns:", ""),
        ("ssl", ""),
        ("ssl-cert:", ""),
        ("ssl-key:", ""),
        ("ssl-verify", ""),
        ("ssl-trustfile:", ""),
        ("ssl-ciphers:", ""),
        ("ssl-servername:", ""),
        ("ssl-alpn:", ""),
        ("version", ""),
    ],
};
/// The port where none is given.
const PORT: &str = "31337";

pub(super) fn translate(line: &Line<'_>) -> Result<Translation, Misread> {
    let (given, words) = SPEC.read(line)?;
    let has = |name: &str| given.iter().any(|option| option.name == name);
    let listens = has("l");
    let (udp, is_unix, vsock) = (has("u"), has("U"), has("vsock"));
    let mut out = Translation::default();
    let command = |word: &str| word.to_owned();
    out.command = vec![command("sockkit"), command(if listens { "listen" } else { "connect" })];
    for (letter, flag) in [("4", "-4"), ("6", "-6")] {
        out.command.extend(has(letter).then(|| flag.to_owned()));
    }
    if udp && !is_unix && !vsock {
        out.command.push("-u".to_owned());
    }
    let (mut source, mut source_port) = (None, None);
    let (mut programs, mut room) = (false, None);
    for option in &given {
        let value = &option.value;
        let mut flag = |name: &str| out.command.extend([name, value].map(str::to_owned));
        match option.name.as_str() {
            "c" | "e" if listens => {
                flag(if option.name == "c" { "--sh" } else { "--exec" });
                programs = true;
                out.note(
                    "the peer is in SOCKKIT_PEER_ADDR and SOCKKIT_PEER_PORT, not NCAT_REMOTE_ADDR and NCAT_REMOTE_PORT",
                );
            }
            "c" | "e" => {
                out.cannot(format!(
                    "{}: a program for a connection is for servers (listen --exec, --sh)",
                    option.shown
                ));
            }
            "m" if listens => flag("-m"),
            "o" => flag("--output"),
            "i" => flag("-i"),
            "w" if listens => out.note("-w is about a client; it has no part in a server (--accept-timeout)"),
            "w" => flag("-w"),
            "q" => flag("--linger-after-eof"),
            "allow" | "deny" if listens => flag(if option.name == "allow" { "--allow" } else { "--deny" }),
            "C" => out.command.push("--crlf".to_owned()),
            "k" if listens => out.command.push("-k".to_owned()),
            "z" if !listens => out.command.push("-z".to_owned()),
            "send-only" | "recv-only" | "no-shutdown" => out.command.push(format!("--{}", option.name)),
            "append-output" => out.command.push("--append".to_owned()),
            "s" => source = Some(value.clone()),
            "p" if value.parse::<u16>().is_err() => return Err(line.misread(option.at, "this is no port")),
            "p" => source_port = Some(value.clone()),
            "n" => out.note("-n is not needed: an address in numbers is never looked up"),
            "v" => out.note("-v is not needed: who connected is told anyway, on stderr; here it tells each phase"),
            "x" => out.cannot(format!("{}: no hex dump into a file; --hex shows one on stdout", option.shown)),
            "d" => {
                out.cannot(format!("{}: no pause between reads and writes; a script has --line-delay", option.shown));
            }
            "t" => out.cannot(format!("{}: no telnet negotiation", option.shown)),
            "g" | "G" => out.cannot(format!("{}: no source routing", option.shown)),
            "lua-exec" => out.cannot("--lua-exec: no Lua; --exec 'lua FILE' runs one where lua is installed"),
            "sctp" => out.cannot("--sctp: no SCTP"),
            "broker" | "chat" if listens => room = Some(option.name == "broker"),
            "broker" | "chat" => out.note(format!("{} is about a server; it has no part in a client", option.shown)),
            "allowfile" | "denyfile" => {
                let name = option.name.trim_end_matches("file");
                out.cannot(format!(
                    "{}: no file of networks; --{name} \"$(paste -sd, FILE)\" takes its lines",
                    option.shown
                ));
            }
            name if name.starts_with("proxy") && listens => {
                out.cannot(format!("{}: no proxy for others", option.shown));
            }
            "proxy" => {
                let get = |name: &str| given.iter().rev().find(|option| option.name == name);
                let remote = get("proxy-dns").is_none_or(|dns| matches!(dns.value.as_str(), "remote" | "both"));
                let scheme = match (get("proxy-type").map_or("http", |kind| &kind.value), remote) {
                    ("socks4", false) => "socks4",
                    ("socks4", true) => "socks4a",
                    ("socks5", false) => "socks5",
                    ("socks5", true) => "socks5h",
                    _ => "http",
                };
                out.command.extend(["--proxy".to_owned(), super::proxy(scheme, value)]);
            }
            "proxy-auth" => out.note(
                "the proxy's user and password go where nobody reads them: --proxy-user-file, or SOCKKIT_PROXY_USER and SOCKKIT_PROXY_PASSWORD",
            ),
            "proxy-type" | "proxy-dns" => {}
            "ssl-ciphers" => out.cannot(format!("{}: no choice of suites; --tls-min says how old it may be", option.shown)),
            // All of them together, below.
            name if name.starts_with("ssl") => {}
            "h" | "version" => {
                let message = "this only prints what ncat is";
                return Err(line.misread(option.at, message).hint("sockkit --help"));
            }
            _ => {}
        }
    }
    if given.iter().any(|option| option.name == "append-output") && !has("o") {
        out.command.retain(|word| word != "--append");
        out.note("--append-output has no effect without -o");
    }
    if has("z") {
        out.command.retain(|word| !matches!(word.as_str(), "--crlf" | "--send-only" | "--recv-only" | "--no-shutdown"));
    }
    if given.iter().any(|option| option.name.starts_with("ssl")) {
        tls(&given, listens, udp, &mut out);
    }
    if let Some(raw) = room {
        out.command.retain(|word| word != "-k");
        out.command.splice(1..2, ["chat", "serve"].map(str::to_owned));
        out.command.extend(raw.then(|| "--raw".to_owned()));
        if !raw {
            out.note("--chat calls people <user4>; a room of sockkit asks each for a name (--raw is --broker)");
        }
    }
    if room.is_none() && listens && has("k") && !programs {
        out.note("ncat -k serves all clients at once: stdin goes to each; sockkit takes them one after another");
    }
    if listens && programs && has("k") && !has("m") {
        out.note("ncat serves 100 at once, sockkit 64 programs (-m)");
    }
    if udp && !listens && !has("z") {
        out.note("sockkit ends 1 s after the last datagram once stdin has ended (--linger-after-eof)");
    }
    if is_unix {
        let path = words.first().ok_or_else(|| line.misread(line.own.len(), "the path is missing"))?;
        out.command.push(unix(if udp { "-dgram" } else { "" }, &path.1));
        return Ok(out);
    }
    let place = match (&words[..], listens) {
        ([], true) => (String::new(), (0, source_port.clone().unwrap_or_else(|| PORT.to_owned()))),
        ([one], true) if one.1.parse::<u16>().is_ok() && source_port.is_none() => (String::new(), one.clone()),
        ([host], _) => {
            let port = if listens { source_port.clone() } else { None };
            (host.1.clone(), (host.0, port.unwrap_or_else(|| PORT.to_owned())))
        }
        ([host, port, ..], _) => (host.1.clone(), port.clone()),
        ([], false) => return Err(line.misread(line.own.len(), "the host is missing")),
    };
    let (host, (at, port)) = place;
    if !is_port(&port) {
        return Err(line.misread(at, "this is no port"));
    }
    if vsock {
        let cid = if host.is_empty() { "any" } else { &host };
        out.command.push(format!("vsock:{cid}:{port}"));
        return Ok(out);
    }
    if !listens && (source.is_some() || source_port.is_some()) {
        let host = source.unwrap_or_default();
        out.command.extend(["--source".to_owned(), source_port.map_or(host.clone(), |port| host_port(&host, &port))]);
    }
    out.command.push(host_port(&host, &port));
    Ok(out)
}

/// `--ssl` and what begins so: each of them alone asks for TLS.
fn tls(given: &[Given], listens: bool, udp: bool, out: &mut Translation) {
    if udp {
        return out.cannot("--ssl with -u: no DTLS");
    }
    let value = |name: &str| given.iter().rev().find(|option| option.name == name).map(|option| option.value.clone());
    let verifies = value("ssl-verify").is_some();
    let mut add = |flag: &str, value: Option<String>| {
        if let Some(value) = value {
            out.command.extend([flag.to_owned(), value]);
        }
    };
    let trusted = value("ssl-trustfile").filter(|_| verifies);
    add("--tls-cert", value("ssl-cert"));
    add("--tls-key", value("ssl-key"));
    add(if listens { "--tls-client-ca" } else { "--tls-ca" }, trusted);
    add("--tls-server-name", value("ssl-servername").filter(|_| !listens));
    add("--tls-alpn", value("ssl-alpn"));
    out.command.push("--tls".to_owned());
    if listens && value("ssl-cert").is_none() {
        out.command.push("--tls-self-signed".to_owned());
    }
    if !listens && !verifies {
        out.command.push("--tls-insecure".to_owned());
        out.note("ncat takes any certificate without --ssl-verify; leave --tls-insecure out to have it verified");
    }
}
