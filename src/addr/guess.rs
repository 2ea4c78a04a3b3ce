//! What somebody probably meant: the words of other tools, of URLs, and misspelt ones of ours.
//!
//! Nothing here decides whether text is an address. A guess is a candidate, and is shown only when it parses.

/// Our schemes, and what each is followed by.
const OURS: [(&str, &str); 14] = [
    ("tcp", "tcp://"),
    ("tcp4", "tcp4://"),
    ("tcp6", "tcp6://"),
    ("udp", "udp://"),
    ("udp4", "udp4://"),
    ("udp6", "udp6://"),
    ("unix", "unix:"),
    ("unix-dgram", "unix-dgram:"),
    ("unix-seqpacket", "unix-seqpacket:"),
    ("vsock", "vsock:"),
    ("fd", "fd:"),
    ("systemd", "systemd:"),
    ("echo", "echo:"),
    ("time", "time:"),
];

/// Words of socat, Go, ZeroMQ and others for what we call otherwise.
const FOREIGN: [(&str, &str); 49] = [
    ("tcp-connect", "tcp://"),
    ("tcp-listen", "tcp://"),
    ("tcp-l", "tcp://"),
    ("tcp4-connect", "tcp4://"),
    ("tcp4-listen", "tcp4://"),
    ("tcp4-l", "tcp4://"),
    ("tcp6-connect", "tcp6://"),
    ("tcp6-listen", "tcp6://"),
    ("tcp6-l", "tcp6://"),
    ("udp-connect", "udp://"),
    ("udp-listen", "udp://"),
    ("udp-l", "udp://"),
    ("udp-sendto", "udp://"),
    ("udp-datagram", "udp://"),
    ("udp-recv", "udp://"),
    ("udp-recvfrom", "udp://"),
    ("udp4-connect", "udp4://"),
    ("udp4-listen", "udp4://"),
    ("udp4-sendto", "udp4://"),
    ("udp4-recv", "udp4://"),
    ("udp4-recvfrom", "udp4://"),
    ("udp6-connect", "udp6://"),
    ("udp6-listen", "udp6://"),
    ("udp6-sendto", "udp6://"),
    ("udp6-recv", "udp6://"),
    ("udp6-recvfrom", "udp6://"),
    ("openssl", "tcp://"),
    ("openssl-connect", "tcp://"),
    ("openssl-listen", "tcp://"),
    ("unix-connect", "unix:"),
    ("unix-listen", "unix:"),
    ("unix-l", "unix:"),
    ("unix-client", "unix:"),
    ("unix-stream", "unix:"),
    ("unix-sendto", "unix-dgram:"),
    ("unix-recv", "unix-dgram:"),
    ("unix-recvfrom", "unix-dgram:"),
    ("unix-datagram", "unix-dgram:"),
    ("unixgram", "unix-dgram:"),
    ("unixpacket", "unix-seqpacket:"),
    ("ipc", "unix:"),
    ("abstract", "unix:@"),
    ("abstract-connect", "unix:@"),
    ("abstract-listen", "unix:@"),
    ("abstract-client", "unix:@"),
    ("abstract-sendto", "unix-dgram:@"),
    ("abstract-recv", "unix-dgram:@"),
    ("vsock-connect", "vsock:"),
    ("vsock-listen", "vsock:any:"),
];

/// The ports that the schemes of URLs imply (IANA's registry of service names, and the makers' documents).
const URLS: [(&str, u16); 40] = [
    ("http", 80),
    ("https", 443),
    ("ws", 80),
    ("wss", 443),
    ("ssh", 22),
    ("sftp", 22),
    ("scp", 22),
    ("ftp", 21),
    ("ftps", 990),
    ("telnet", 23),
    ("smtp", 25),
    ("smtps", 465),
    ("submission", 587),
    ("pop3", 110),
    ("pop3s", 995),
    ("imap", 143),
    ("imaps", 993),
    ("ldap", 389),
    ("ldaps", 636),
    ("git", 9418),
    ("rsync", 873),
    ("rtsp", 554),
    ("sip", 5060),
    ("irc", 6667),
    ("ircs", 6697),
    ("xmpp", 5222),
    ("mqtt", 1883),
    ("mqtts", 8883),
    ("amqp", 5672),
    ("amqps", 5671),
    ("nats", 4222),
    ("redis", 6379),
    ("rediss", 6379),
    ("memcached", 11211),
    ("mysql", 3306),
    ("postgres", 5432),
    ("postgresql", 5432),
    ("mongodb", 27017),
    ("socks5", 1080),
    ("socks4", 1080),
];

/// Transports we do not speak: the same host over TCP is not what was asked for.
const ELSEWHERE: [&str; 5] = ["sctp", "dccp", "quic", "dtls", "udplite"];

/// Whether `word:` at the beginning of an address is never a host and its port.
///
/// Of the foreign words only those with a hyphen: a host may well be called `ipc`, hardly `tcp-listen`.
pub(super) fn reserved(word: &str) -> bool {
    lookup(&OURS, word).is_some() || (word.contains('-') && lookup(&FOREIGN, word).is_some())
}

/// What `word:rest` may have been meant to say, best first.
pub(super) fn schemes(word: &str, rest: &str) -> Vec<String> {
    let known = lookup(&OURS, word).or_else(|| lookup(&FOREIGN, word));
    // socat puts options behind a comma.
    let rest = known.and_then(|_| rest.split_once(',')).map_or(rest, |(bare, _)| bare);
    known.map_or_else(|| near(word), |prefix| vec![prefix]).into_iter().map(|prefix| joined(prefix, rest)).collect()
}

/// Our prefix before what followed the word that was typed: with the slashes that belong to the prefix, and no other.
fn joined(prefix: &str, rest: &str) -> String {
    if prefix.ends_with('/') {
        let rest = host_part(rest.trim_start_matches('/'));
        let colon = if !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()) { ":" } else { "" };
        format!("{prefix}{colon}{rest}")
    } else if prefix == "unix:" || prefix == "unix-dgram:" || prefix == "unix-seqpacket:" {
        let rest = match rest.strip_prefix("//") {
            Some(bare) if bare.starts_with(['/', '@', '.']) => bare,
            Some(_) => &rest[1..],
            None => rest,
        };
        format!("{prefix}{rest}")
    } else {
        format!("{prefix}{}", rest.trim_start_matches('/'))
    }
}

/// The part of a URL in which host and port stand.
fn host_part(rest: &str) -> &str {
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    authority.rsplit_once('@').map_or(authority, |(_, host)| host)
}

/// Whether a word is the scheme of some URL whose port we know.
pub(super) fn is_url(word: &str) -> bool {
    lookup(&URLS, word).is_some()
}

/// What a URL of a scheme that is not ours may have been meant to say: its host, with the port of the scheme when it
/// has none.
pub(super) fn urls(word: &str, rest: &str, second: Option<&str>) -> Vec<String> {
    if ELSEWHERE.iter().any(|other| other.eq_ignore_ascii_case(word)) {
        return vec![];
    }
    // The percent sign of a scope is encoded in a URI (RFC 6874).
    let host = host_part(rest).replace("%25", "%");
    let after = host.rsplit_once(']').map_or(host.as_str(), |(_, tail)| tail);
    let port = second.map(str::to_owned).or_else(|| lookup(&URLS, word).map(|port| port.to_string()));
    match port {
        Some(port) if !host.is_empty() && !after.contains(':') => vec![format!("{host}:{port}")],
        _ => vec![host],
    }
}

fn lookup<T: Copy>(table: &[(&str, T)], word: &str) -> Option<T> {
    table.iter().find(|(name, _)| name.eq_ignore_ascii_case(word)).map(|(_, found)| *found)
}

/// Our schemes that a slip of the finger turns into `word`.
fn near(word: &str) -> Vec<&'static str> {
    // Longer words are not ours, and the work grows with the square.
    if !(3..=20).contains(&word.len()) {
        return vec![];
    }
    let word = word.to_ascii_lowercase().replace('_', "-");
    let far = if word.len() < 6 { 1 } else { 2 };
    let mut found: Vec<_> = OURS
        .iter()
        .map(|(name, prefix)| (distance(word.as_bytes(), name.as_bytes()), *prefix))
        .filter(|(distance, _)| *distance <= far)
        .collect();
    found.sort_by_key(|(distance, _)| *distance);
    found.into_iter().map(|(_, prefix)| prefix).collect()
}

/// How many letters must be added, removed, replaced or swapped with their neighbour (optimal string alignment).
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = replaced.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

/// Whether somebody who means `meant` may well have typed `typed`: a near number, the same digits in another
/// order, or a few more or less of them at the front (80 and 8080, 443 and 8443).
#[must_use]
pub fn is_slip(typed: u16, meant: u16) -> bool {
    let digits = |port: u16| {
        let mut digits = port.to_string().into_bytes();
        digits.sort_unstable();
        digits
    };
    let ends = |long: u16, short: u16| short >= 10 && long.to_string().ends_with(&short.to_string());
    typed.abs_diff(meant) <= 20 || digits(typed) == digits(meant) || ends(typed, meant) || ends(meant, typed)
}
