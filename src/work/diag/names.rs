//! Asks the name servers themselves.
//!
//! getaddrinfo(3) folds a name that does not exist, a server that fails and a server that is not there into
//! two or three codes. One small query to each server (RFC 1035) tells them apart.

use std::fs;
use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, TcpStream, UdpSocket};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::error::{Fact, NameAnswer, Resolver};
use crate::sys;

/// How many servers are asked: as many as the resolver of glibc uses (MAXNS of resolv.h).
const SERVERS: usize = 3;
/// The port of a name server.
const PORT: u16 = 53;
/// The largest answer without EDNS (RFC 1035, section 4.2.1), and room for servers that do not care.
const ANSWER: usize = 4096;
/// The types that are asked for: A (RFC 1035) and AAAA (RFC 3596).
const TYPES: [u16; 2] = [1, 28];
/// The type of an alias.
const CNAME: u16 = 5;

/// The name servers that the resolver would ask, resolv.conf(5); at most three. Without a file or an entry in
/// it that is the one on this host.
#[must_use]
pub fn name_servers(resolv_conf: &Path) -> Vec<SocketAddr> {
    let text = fs::read(resolv_conf).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let mut servers: Vec<SocketAddr> = text
        .lines()
        .filter_map(|line| {
            let mut words = line.split_ascii_whitespace();
            (words.next() == Some("nameserver")).then(|| words.next().and_then(server)).flatten()
        })
        .take(SERVERS)
        .collect();
    if servers.is_empty() {
        servers.push(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), PORT));
    }
    servers
}

/// `10.0.0.1`, `2001:db8::1`, `fe80::1%eth0`.
fn server(text: &str) -> Option<SocketAddr> {
    let Some((address, zone)) = text.split_once('%') else {
        return Some(SocketAddr::new(text.parse::<IpAddr>().ok()?, PORT));
    };
    let address: Ipv6Addr = address.parse().ok()?;
    let index = sys::interface_index(zone).ok()?;
    Some(SocketAddrV6::new(address, PORT, 0, index).into())
}

/// How the resolver of this host goes about `name`, as its files say.
pub(super) fn resolver(etc: &Path, name: &str) -> Resolver {
    let read = |file| String::from_utf8_lossy(&fs::read(etc.join(file)).unwrap_or_default()).into_owned();
    let (switch, resolv, hosts) = (read("nsswitch.conf"), read("resolv.conf"), read("hosts"));
    let words = |line: &str| -> Vec<String> {
        line.split(['#', ';']).next().unwrap_or_default().split_ascii_whitespace().map(str::to_owned).collect()
    };
    let order = switch.lines().find_map(|line| Some(words(line.trim_start().strip_prefix("hosts:")?)));
    // "resolve" is systemd's, and asks DNS too; of what else there may be, nothing is known.
    let knows_dns = |order: &Vec<String>| order.iter().any(|word| !matches!(word.as_str(), "files" | "myhostname"));
    let lines = || resolv.lines().map(words);
    let of = |line: Vec<String>, key: &str| {
        (line.first().is_some_and(|word| word == key) && line.len() > 1).then(|| line[1..].to_vec())
    };
    let named = |line: &Vec<String>| line.iter().skip(1).any(|word| word.eq_ignore_ascii_case(name));
    Resolver {
        without_dns: order.filter(|order| !knows_dns(order)).map(|order| order.join(" ")),
        servers: lines().any(|line| of(line, "nameserver").is_some()),
        // The last one counts, resolv.conf(5).
        search: lines()
            .filter_map(|line| of(line.clone(), "search").or_else(|| of(line, "domain")))
            .next_back()
            .unwrap_or_default(),
        listed: hosts.lines().map(words).filter(named).filter_map(|line| line.into_iter().next()).collect(),
    }
}

/// What each server says about the addresses of `name`, asked side by side, each for at most `patience`.
/// Nothing where the name cannot be put into a query at all.
#[must_use]
pub fn ask_all(servers: &[SocketAddr], name: &str, patience: Duration) -> Vec<Fact> {
    if encode(name).is_none() {
        return Vec::new();
    }
    thread::scope(|scope| {
        let asked: Vec<_> = servers
            .iter()
            .take(SERVERS)
            .map(|&server| (server, scope.spawn(move || ask(server, name, patience))))
            .collect();
        asked
            .into_iter()
            .filter_map(|(server, answer)| Some(Fact::NameServer { server, answer: answer.join().ok()? }))
            .collect()
    })
}

/// What one server says about the addresses of `name`, A and AAAA together.
#[must_use]
pub fn ask(server: SocketAddr, name: &str, patience: Duration) -> NameAnswer {
    match exchange(server, name, patience) {
        Ok(answers) => merge(answers),
        Err(error) => match error.kind() {
            io::ErrorKind::ConnectionRefused => NameAnswer::NoServer,
            // EPERM is the local firewall's; EACCES a route's.
            io::ErrorKind::PermissionDenied if error.raw_os_error() == Some(libc::EPERM) => NameAnswer::Forbidden,
            io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::AddrNotAvailable
            | io::ErrorKind::PermissionDenied => NameAnswer::Unreachable,
            _ => NameAnswer::Silence,
        },
    }
}

/// Both answers in one: addresses if there are any, else what is wrong, else that there are none.
fn merge(answers: [Option<NameAnswer>; 2]) -> NameAnswer {
    let addresses = |answer: &NameAnswer| if let NameAnswer::Addresses(n) = answer { Some(*n) } else { None };
    let known = || answers.iter().flatten();
    match known().filter_map(addresses).sum() {
        0 => known()
            .find(|answer| addresses(answer).is_none())
            .or(known().next())
            .copied()
            .unwrap_or(NameAnswer::Silence),
        some => NameAnswer::Addresses(some),
    }
}

fn exchange(server: SocketAddr, name: &str, patience: Duration) -> io::Result<[Option<NameAnswer>; 2]> {
    let any: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0))?;
    // Connected, so that only this server is heard, and its ICMP errors.
    socket.connect(server)?;
    let name = encode(name).ok_or(io::ErrorKind::InvalidInput)?;
    // What a stranger would have to guess to answer in the server's place, besides our port.
    let random = RandomState::new().hash_one(server);
    let ids = [(random & 0xffff) as u16, (random >> 16 & 0xffff) as u16];
    let ids = if ids[0] == ids[1] { [ids[0], !ids[1]] } else { ids };
    let queries: Vec<Vec<u8>> = (0..2).map(|nth| query(ids[nth], &name, TYPES[nth])).collect();

    let start = Instant::now();
    let mut answers = [None; 2];
    let mut garbage = false;
    let mut buffer = [0; ANSWER];
    // The second round is for a datagram that got lost.
    for until in [patience / 2, patience] {
        for (query, _) in queries.iter().zip(&answers).filter(|(_, answer)| answer.is_none()) {
            socket.send(query)?;
        }
        while answers.contains(&None) {
            let Some(left) = until.checked_sub(start.elapsed()).filter(|left| !left.is_zero()) else { break };
            socket.set_read_timeout(Some(left))?;
            match socket.recv(&mut buffer) {
                Ok(length) => {
                    let mut fits = false;
                    for nth in 0..2 {
                        if let Some(mut answer) = read(&buffer[..length], &queries[nth]) {
                            fits = true;
                            if answer == NameAnswer::Truncated {
                                let left = patience.saturating_sub(start.elapsed());
                                answer = by_tcp(server, &queries[nth], left).unwrap_or(answer);
                            }
                            answers[nth] = Some(answer);
                        }
                    }
                    garbage |= !fits;
                }
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // One answer is known already, and worth more than how the other one failed.
                Err(_) if answers.iter().any(Option::is_some) => return Ok(answers),
                Err(error) => return Err(error),
            }
        }
    }
    if garbage && answers == [None; 2] {
        answers[0] = Some(NameAnswer::Garbage);
    }
    Ok(answers)
}

/// The same question over TCP, where an answer may be as long as it likes (RFC 7766).
fn by_tcp(server: SocketAddr, query: &[u8], patience: Duration) -> Option<NameAnswer> {
    let patience = patience.max(Duration::from_millis(1));
    let until = Instant::now() + patience;
    let mut stream = TcpStream::connect_timeout(&server, patience).ok()?;
    stream.set_write_timeout(Some(patience)).ok()?;
    let mut message = u16::try_from(query.len()).ok()?.to_be_bytes().to_vec();
    message.extend(query);
    stream.write_all(&message).ok()?;
    let mut length = [0; 2];
    fill(&mut stream, &mut length, until)?;
    let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
    fill(&mut stream, &mut answer, until)?;
    read(&answer, query).filter(|answer| *answer != NameAnswer::Truncated)
}

/// Reads until the buffer is full, for as long as there is time: each byte may come late, but not all of them.
fn fill(stream: &mut TcpStream, mut buffer: &mut [u8], until: Instant) -> Option<()> {
    while !buffer.is_empty() {
        let left = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())?;
        stream.set_read_timeout(Some(left)).ok()?;
        match stream.read(buffer) {
            Ok(0) => return None,
            Ok(length) => buffer = &mut buffer[length..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
    }
    Some(())
}

/// A name in labels (RFC 1035, section 3.1); none when it has none, or does not fit.
fn encode(name: &str) -> Option<Vec<u8>> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let mut out = Vec::with_capacity(name.len() + 2);
    for label in name.split('.') {
        if label.is_empty() || label.len() > 63 || !label.is_ascii() {
            return None;
        }
        out.push(u8::try_from(label.len()).ok()?);
        out.extend_from_slice(label.as_bytes());
    }
    out.push(0);
    (out.len() <= 255).then_some(out)
}

/// A query with the RD bit (recursion desired), one question, class IN.
fn query(id: u16, name: &[u8], kind: u16) -> Vec<u8> {
    let mut out = id.to_be_bytes().to_vec();
    out.extend_from_slice(&[1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    out.extend_from_slice(name);
    out.extend_from_slice(&kind.to_be_bytes());
    out.extend_from_slice(&[0, 1]);
    out
}

/// What a packet says, if it is the answer to this query: the same id, a response, the same question.
fn read(packet: &[u8], query: &[u8]) -> Option<NameAnswer> {
    let word = |at: usize| Some(u16::from_be_bytes([*packet.get(at)?, *packet.get(at + 1)?]));
    if packet.get(..2)? != &query[..2] || packet.get(2)? & 0x80 == 0 {
        return None;
    }
    let code = packet.get(3)? & 0x0f;
    // A server may leave the question out when it could not read it (RCODE 1, format error).
    let repeats = packet.get(12..query.len()).is_some_and(|question| question.eq_ignore_ascii_case(&query[12..]));
    if !(repeats && word(4)? == 1 || code == 1 && word(4)? == 0) {
        return None;
    }
    let truncated = packet[2] & 0x02 != 0;
    let aliases = || count(packet, query, CNAME).unwrap_or(0) > 0;
    let kind = u16::from_be_bytes([query[query.len() - 4], query[query.len() - 3]]);
    Some(match code {
        0 if truncated => NameAnswer::Truncated,
        0 => match count(packet, query, kind).unwrap_or(0) {
            0 if aliases() => NameAnswer::AliasOfNothing,
            addresses => NameAnswer::Addresses(addresses),
        },
        2 => NameAnswer::ServerFailure,
        3 if aliases() => NameAnswer::AliasOfNothing,
        3 => NameAnswer::NoSuchName,
        5 => NameAnswer::Refused,
        other => NameAnswer::Code(other),
    })
}

/// How many records of this type are in the answer section (RFC 1035, section 4.1.3).
fn count(packet: &[u8], query: &[u8], kind: u16) -> Option<usize> {
    let wanted = [&kind.to_be_bytes()[..], &query[query.len() - 2..]].concat();
    let records = u16::from_be_bytes([*packet.get(6)?, *packet.get(7)?]);
    let mut at = query.len();
    let mut found = 0;
    for _ in 0..records {
        // The owner: labels, then a zero or a pointer (section 4.1.4) which ends it.
        let end = loop {
            match *packet.get(at)? {
                0 => break at + 1,
                length if length & 0xc0 == 0xc0 => break at + 2,
                length => at += 1 + usize::from(length),
            }
        };
        let Some(head) = packet.get(end..end + 10) else { return Some(found) };
        found += usize::from(head[..4] == wanted);
        at = end + 10 + usize::from(u16::from_be_bytes([head[8], head[9]]));
        if at > packet.len() {
            return Some(found);
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    /// For one that says nothing, or nothing of use: so long it is waited for.
    const PATIENCE: Duration = Duration::from_millis(400);
    /// For one that answers, however busy the machine is.
    const LONG: Duration = Duration::from_secs(30);

    /// A name server on loopback: `answer` makes packets out of each query until the test ends.
    fn fake(answer: impl Fn(&[u8]) -> Vec<Vec<u8>> + Send + 'static) -> SocketAddr {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        thread::spawn(move || {
            let mut buffer = [0; 512];
            socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                for packet in answer(&buffer[..length]) {
                    socket.send_to(&packet, from).unwrap();
                }
            }
        });
        address
    }

    fn reply(query: &[u8], code: u8, records: &[(u16, &[u8])]) -> Vec<u8> {
        let mut packet = query.to_vec();
        packet[2] |= 0x80;
        packet[3] = 0x80 | code;
        packet[7] = u8::try_from(records.len()).unwrap();
        for (kind, data) in records {
            packet.extend_from_slice(&[0xc0, 12]);
            packet.extend_from_slice(&kind.to_be_bytes());
            packet.extend_from_slice(&[0, 1, 0, 0, 0, 60, 0, u8::try_from(data.len()).unwrap()]);
            packet.extend_from_slice(data);
        }
        packet
    }

    fn is_a(query: &[u8]) -> bool {
        query[query.len() - 3] == 1
    }

    #[test]
    fn every_kind_of_answer_is_told_apart() {
        for (code, answer) in [
            (0, NameAnswer::Addresses(0)),
            (2, NameAnswer::ServerFailure),
            (3, NameAnswer::NoSuchName),
            (4, NameAnswer::Code(4)),
            (5, NameAnswer::Refused),
        ] {
            let server = fake(move |query| vec![reply(query, code, &[])]);
            assert_eq!(ask(server, "example.org", LONG), answer);
        }
    }

    #[test]
    fn addresses_of_both_families_are_counted_and_aliases_are_not() {
        let server = fake(|query| {
            let records: &[(u16, &[u8])] = if is_a(query) {
                &[(5, b"\x01x\x00"), (1, &[192, 0, 2, 1]), (1, &[192, 0, 2, 2])]
            } else {
                &[(28, &[0; 16])]
            };
            vec![reply(query, 0, records)]
        });
        assert_eq!(ask(server, "example.org", LONG), NameAnswer::Addresses(3));
        // A server that chokes on AAAA alone still has the name.
        let server =
            fake(|query| vec![if is_a(query) { reply(query, 0, &[(1, &[1; 4])]) } else { reply(query, 2, &[]) }]);
        assert_eq!(ask(server, "example.org", LONG), NameAnswer::Addresses(1));
    }

    #[test]
    fn silence_and_nobody_there_are_different() {
        let silent = fake(|_| vec![]);
        assert_eq!(ask(silent, "example.org", PATIENCE), NameAnswer::Silence);
        let closed = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert_eq!(ask(closed, "example.org", LONG), NameAnswer::NoServer);
    }

    #[test]
    fn strays_are_not_believed() {
        let server = fake(|query| {
            let wrong_id = |mut packet: Vec<u8>| {
                packet[0] ^= 0xff;
                packet
            };
            let mut wrong_question = reply(query, 3, &[]);
            wrong_question[13] ^= 1;
            vec![
                vec![],
                query.to_vec(),
                b"\x00".to_vec(),
                query[..8].to_vec(),
                wrong_id(reply(query, 3, &[])),
                wrong_question,
                reply(query, 2, &[]),
            ]
        });
        assert_eq!(ask(server, "example.org", LONG), NameAnswer::ServerFailure);
    }

    #[test]
    fn broken_packets_break_nothing() {
        let full = reply(&query(7, &encode("a.b").unwrap(), 1), 0, &[(1, &[1; 4]), (5, b"\x01x\x00")]);
        let asked = query(7, &encode("a.b").unwrap(), 1);
        for length in 0..full.len() {
            let _ = read(&full[..length], &asked);
        }
        assert_eq!(read(&full, &asked), Some(NameAnswer::Addresses(1)));
    }

    #[test]
    fn names_that_fit_no_query_are_not_asked() {
        let long = "a".repeat(64);
        for name in ["", ".", "a..b", "ü.example", &long, &["a"; 128].join(".")] {
            assert_eq!(encode(name), None, "{name}");
            assert_eq!(ask_all(&["127.0.0.1:9".parse().unwrap()], name, PATIENCE), []);
        }
        assert_eq!(encode("ab.c.").unwrap(), b"\x02ab\x01c\x00");
    }

    #[test]
    fn servers_are_asked_side_by_side() {
        let servers = [fake(|_| vec![]), fake(|_| vec![]), fake(|query| vec![reply(query, 3, &[])])];
        let start = Instant::now();
        let facts = ask_all(&servers, "example.org", PATIENCE);
        assert!(start.elapsed() < PATIENCE * 2);
        assert_eq!(
            facts,
            [
                Fact::NameServer { server: servers[0], answer: NameAnswer::Silence },
                Fact::NameServer { server: servers[1], answer: NameAnswer::Silence },
                Fact::NameServer { server: servers[2], answer: NameAnswer::NoSuchName },
            ]
        );
    }

    #[test]
    fn an_alias_of_nothing_is_no_missing_name() {
        for code in [0, 3] {
            let server = fake(move |query| vec![reply(query, code, &[(CNAME, b"\x01x\x00")])]);
            assert_eq!(ask(server, "example.org", LONG), NameAnswer::AliasOfNothing);
        }
    }

    #[test]
    fn an_answer_that_is_none_is_not_silence() {
        let server = fake(|_| vec![b"what?".to_vec()]);
        assert_eq!(ask(server, "example.org", PATIENCE * 5), NameAnswer::Garbage);
    }

    /// An answer with the TC bit of RFC 1035, section 4.1.1.
    fn cut(query: &[u8]) -> Vec<Vec<u8>> {
        let mut packet = reply(query, 0, &[]);
        packet[2] |= 0x02;
        vec![packet]
    }

    /// A server of such answers, and a listener at the same port.
    fn cut_and_by_tcp() -> TcpListener {
        loop {
            let server = fake(cut);
            // The same port may be another's by now.
            if let Ok(listener) = TcpListener::bind(server) {
                return listener;
            }
        }
    }

    #[test]
    fn a_trickle_over_tcp_takes_no_longer_than_silence() {
        // Long enough for the first answer, which comes at once.
        let patience = PATIENCE * 5;
        let tcp = cut_and_by_tcp();
        let server = tcp.local_addr().unwrap();
        thread::spawn(move || {
            let (mut stream, _) = tcp.accept().unwrap();
            // For as long as anybody reads: more than an hour.
            while stream.write_all(&[0xff]).is_ok() {
                thread::sleep(patience / 4);
            }
        });
        let started = Instant::now();
        assert_eq!(ask(server, "example.org", patience), NameAnswer::Truncated);
        assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
    }

    #[test]
    fn what_is_cut_short_is_asked_for_over_tcp() {
        let server = fake(cut);
        assert_eq!(ask(server, "example.org", LONG), NameAnswer::Truncated);
        let tcp = cut_and_by_tcp();
        let server = tcp.local_addr().unwrap();
        thread::spawn(move || {
            for stream in tcp.incoming().take(2) {
                let mut stream = stream.unwrap();
                let mut length = [0; 2];
                stream.read_exact(&mut length).unwrap();
                let mut query = vec![0; usize::from(u16::from_be_bytes(length))];
                stream.read_exact(&mut query).unwrap();
                let answer = reply(&query, 0, if is_a(&query) { &[(1, &[1; 4])] } else { &[] });
                stream.write_all(&u16::try_from(answer.len()).unwrap().to_be_bytes()).unwrap();
                stream.write_all(&answer).unwrap();
            }
        });
        assert_eq!(ask(server, "example.org", Duration::from_secs(5)), NameAnswer::Addresses(1));
    }

    #[test]
    fn the_files_of_the_resolver_are_read() {
        let etc = tempfile::tempdir().unwrap();
        let write = |name, text| fs::write(etc.path().join(name), text).unwrap();
        assert_eq!(resolver(etc.path(), "host"), Resolver::default());
        write("nsswitch.conf", "passwd: files\n hosts: files myhostname # dns\n");
        write("resolv.conf", "search a.example\nsearch corp.example example ; x\nnameserver 192.0.2.1\n");
        write("hosts", "127.0.0.1 localhost\n256.1.1.1\tother HOST\n#10.0.0.1 host\n10.0.0.2 hostess\n");
        let read = resolver(etc.path(), "host");
        assert_eq!(read.without_dns.as_deref(), Some("files myhostname"));
        assert!(read.servers);
        assert_eq!(read.search, ["corp.example", "example"]);
        assert_eq!(read.listed, ["256.1.1.1"]);
        write("nsswitch.conf", "hosts: files resolve [!UNAVAIL=return] dns\n");
        assert_eq!(resolver(etc.path(), "host").without_dns, None);
    }

    #[test]
    fn the_resolvers_own_file_is_read() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "# c\nsearch x\nnameserver 192.0.2.1\n nameserver\t2001:db8::1 # x\nnameserver what\nnameserver fe80::1%1\nnameserver 192.0.2.4").unwrap();
        let servers: Vec<_> = name_servers(file.path()).iter().map(ToString::to_string).collect();
        assert_eq!(servers, ["192.0.2.1:53", "[2001:db8::1]:53", "[fe80::1%1]:53"]);
        assert_eq!(name_servers(Path::new("/nonexistent")), ["127.0.0.1:53".parse().unwrap()]);
    }
}
