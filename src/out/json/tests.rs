use super::*;

use std::sync::Arc;
use std::time::UNIX_EPOCH;

use crate::addr::Endpoint;
use crate::course::{Course, Ending, TcpInfo};
use crate::error::Exit;
use crate::event::{Limit, Payload, Route, Side, Spread};
use crate::tls::{Certificate, Secured};

/// An example of every variant, and of every field. The documentation shows these very lines.
fn with_samples(take: impl Fn(&[(Option<ConnId>, Event<'_>)])) {
    let at = |address: &str| -> Endpoint { address.parse().unwrap() };
    let took = Duration::from_micros(1500);
    let listen = at("[::]:2023");
    let (local, peer) = (at("127.0.0.1:54321"), at("127.0.0.1:80"));
    let client = at("127.0.0.1:4711");
    let refused = at("[::1]:80");
    let addresses = [refused.clone(), peer.clone()];
    let spread = Spread {
        min: took,
        avg: took * 2,
        p50: took * 2,
        p90: took * 3,
        p95: took * 3,
        p99: took * 4,
        p999: took * 4,
        max: took * 4,
        stddev: took,
    };
    let servers = ["192.0.2.53".to_owned()];
    let wait = ["sockkit wait --stable 1s 127.0.0.1:80".to_owned()];
    let course = Course {
        ended_by: Some(Side::Peer),
        how: Some(Ending::Fin),
        first_byte: Some(took),
        quiet: took * 2000,
        send_queue: Some(0),
        recv_queue: Some(0),
        tcp: Some(TcpInfo {
            rtt: took,
            rtt_deviation: took,
            segments: Some(12),
            retransmits: 1,
            congestion_window: 10,
            unsent: Some(0),
            window: Some(65536),
            window_limited: Some(Duration::ZERO),
            out_of_order: Some(0),
            ..TcpInfo::default()
        }),
        ..Course::default()
    };
    let tries = ["sockkit listen 127.0.0.1:80".to_owned(), "ss -ltnp 'sport = :80'".to_owned()];
    let details = ["[::1]:80: Connection refused".to_owned(), "127.0.0.1:80: Connection refused".to_owned()];
    let certificate = Certificate {
        subject: "CN=example.org".to_owned(),
        issuer: "CN=Example CA".to_owned(),
        names: vec!["example.org".to_owned(), "192.0.2.1".to_owned()],
        not_before: UNIX_EPOCH + Duration::from_secs(1_767_225_600),
        not_after: UNIX_EPOCH + Duration::from_secs(1_798_761_600),
        days_left: 41,
        sha256: "d5e311ca3cbdc629adaa7596cdeddb5c40851e85b095e8679bcc6e794803ac9d".to_owned(),
        self_signed: false,
    };
    let secured = Secured {
        role: "client",
        version: "TLSv1.3",
        suite: "TLS_AES_256_GCM_SHA384".to_owned(),
        group: Some("X25519".to_owned()),
        alpn: Some("h2".to_owned()),
        server_name: Some("example.org".to_owned()),
        verified: "ca",
        chain: vec![certificate.clone()],
    };
    take(&[
        (None, Event::Start { command: "connect", version: "0.1.0", pid: 4242 }),
        (
            None,
            Event::Resolve {
                name: "localhost",
                addresses: &addresses,
                sources: &["hosts", "dns"],
                servers: &servers,
                took,
            },
        ),
        (
            None,
            Event::Attempt {
                address: &refused,
                result: "failed",
                error: Some("Connection refused"),
                local: None,
                route: None,
                took,
            },
        ),
        (
            None,
            Event::Attempt {
                address: &peer,
                result: "connected",
                error: None,
                local: Some(&local),
                route: Some(Route { interface: Some("eth0".to_owned()), via: Some("192.0.2.254".parse().unwrap()) }),
                took,
            },
        ),
        (
            Some(1),
            Event::Proxy {
                kind: "socks5",
                address: &refused,
                target: &peer,
                login: "password",
                error: Some("127.0.0.1:80 refused the connection from it (SOCKS5 reply 5)"),
                connect: took,
                took: took * 2,
            },
        ),
        (Some(1), Event::Connected { local: &local, peer: &peer, via: Some(&refused), took }),
        (None, Event::Listening { local: &listen, families: Some("IPv4 and IPv6"), backlog: Some(5) }),
        (Some(1), Event::Accepted { local: &listen, peer: &client, via: Some(&local), destination: Some(&peer) }),
        (None, Event::Certificate { certificate: &certificate, made: false }),
        (Some(1), Event::Tls { secured: &secured, took }),
        (None, Event::Denied { peer: &client, rule: "--deny 127.0.0.0/8" }),
        (Some(1), Event::Option { name: "rcvbuf", asked: "64k", effective: "131072", note: Some("Linux doubles it") }),
        (Some(1), Event::Send(Payload::of("收到\r\n".as_bytes()))),
        (Some(1), Event::Recv(Payload::of(b"\xff\x00\x1b"))),
        (Some(1), Event::Recv(Payload { first: Some(took), ..Payload::of(b"220 hello\r\n") })),
        (Some(1), Event::Eof { side: Side::Peer }),
        (Some(1), Event::Shutdown { direction: "write" }),
        (Some(1), Event::Reset { error: "Connection reset by peer" }),
        (Some(1), Event::Timeout { limit: Limit::Idle, after: Duration::from_secs(5) }),
        (
            None,
            Event::Queue {
                length: 3,
                limit: 5,
                asked: Some(5),
                cap: Some(4096),
                left: Some(1),
                overflows: Some(0),
                drops: Some(0),
            },
        ),
        (
            None,
            Event::Stats {
                sessions: 2,
                total: 40,
                sent: 4096,
                received: 8192,
                denied: 1,
                exhausted: 0,
                uptime: Duration::from_secs(60),
            },
        ),
        (Some(1), Event::SessionStats { sent: 8, received: 3, duration: took * 4000, course: &course }),
        (
            Some(1),
            Event::Time {
                server: "2019-12-09T17:06:41Z",
                format: "rfc868",
                offset: -0.25,
                uncertainty: 0.5,
                round_trip: took,
            },
        ),
        (
            None,
            Event::Wait {
                address: &refused,
                state: "refused",
                detail: "Connection refused",
                tries: 1,
                took,
                met: false,
            },
        ),
        (None, Event::Wait { address: &peer, state: "serves", detail: "serves", tries: 3, took, met: true }),
        (
            None,
            Event::Probe {
                address: &peer,
                seq: 1,
                answered: true,
                error: None,
                connect: Some(took),
                tls: Some(took),
                first_byte: Some(took),
                took: took * 2,
            },
        ),
        (
            None,
            Event::Probe {
                address: &refused,
                seq: 1,
                answered: false,
                error: Some("Connection refused"),
                connect: None,
                tls: None,
                first_byte: None,
                took,
            },
        ),
        (None, Event::Latency { address: &peer, probes: 10, answered: 9, spread: Some(spread) }),
        (Some(1), Event::Expect { pattern: "\"220 \"", matched: true, took, line: 1 }),
        (Some(1), Event::Child { pid: 4243, status: Some(3), signal: None }),
        (Some(1), Event::Child { pid: 4243, status: None, signal: Some(9) }),
        (None, Event::Warning { message: "the backlog was capped" }),
        (
            Some(1),
            Event::Oddity {
                message: "127.0.0.1:80 closed the connection at once",
                cause: Some(
                    "127.0.0.1:80 accepted and closed at once, without a word: most likely a proxy with nothing behind it",
                ),
                r#try: &wait,
            },
        ),
        (
            None,
            Event::Error {
                message: "connect failed: connecting, localhost:80: Connection refused (all 2 addresses)",
                reason: "refused",
                cause: Some("nothing listens on [::1]:80 or 127.0.0.1:80"),
                r#try: &tries,
                details: &details,
            },
        ),
        (Some(1), Event::Fault { direction: "up", fault: "drop", bytes: 5 }),
        (Some(1), Event::Relayed { target: &peer, up: 3, down: 8, by: "client", how: "end" }),
        (Some(1), Event::Closed { reason: "ok", sent: 8, received: 3, duration: took * 4000, course: Some(&course) }),
        (None, Event::End { reason: "ok", code: 0 }),
        (
            None,
            Event::Sandbox { landlock: Some(7), calls: Some(90), writes: None, reads: &[], ports: None, note: None },
        ),
        (
            None,
            Event::Sandbox {
                landlock: Some(7),
                calls: Some(101),
                writes: None,
                reads: &["/proc".to_owned()],
                ports: Some(&[80]),
                note: None,
            },
        ),
    ]);
}

/// How many variants there are. A new one does not compile until it is counted here, and then fails until it
/// is among the examples.
fn number(event: &Event<'_>) -> usize {
    match event {
        Event::Start { .. } => 0,
        Event::Resolve { .. } => 1,
        Event::Attempt { .. } => 2,
        Event::Connected { .. } => 3,
        Event::Listening { .. } => 4,
        Event::Accepted { .. } => 5,
        Event::Denied { .. } => 6,
        Event::Option { .. } => 7,
        Event::Send(_) => 8,
        Event::Recv(_) => 9,
        Event::Eof { .. } => 10,
        Event::Shutdown { .. } => 11,
        Event::Reset { .. } => 12,
        Event::Timeout { .. } => 13,
        Event::Queue { .. } => 14,
        Event::Child { .. } => 15,
        Event::Warning { .. } => 16,
        Event::Error { .. } => 17,
        Event::Closed { .. } => 18,
        Event::End { .. } => 19,
        Event::Stats { .. } => 20,
        Event::Time { .. } => 21,
        Event::Expect { .. } => 22,
        Event::Wait { .. } => 23,
        Event::Probe { .. } => 24,
        Event::Latency { .. } => 25,
        Event::SessionStats { .. } => 26,
        Event::Oddity { .. } => 27,
        Event::Sandbox { .. } => 28,
        Event::Fault { .. } => 29,
        Event::Relayed { .. } => 30,
        Event::Proxy { .. } => 31,
        Event::Certificate { .. } => 32,
        Event::Tls { .. } => 33,
    }
}
const VARIANTS: usize = 34;

const DOCUMENT: &str = include_str!("../../../docs/events.md");

#[test]
fn every_key_is_as_documented() {
    with_samples(|samples| {
        let mut seen = [false; VARIANTS];
        let mut lines = Vec::new();
        for (nth, (conn, event)) in samples.iter().enumerate() {
            seen[number(event)] = true;
            let t = Duration::from_micros(1_000 * (nth as u64 + 1) + 250);
            lines.push(String::from_utf8(line(t, *conn, event)).unwrap().trim_end().to_owned());
        }
        assert_eq!(seen, [true; VARIANTS]);
        let documented: Vec<_> = DOCUMENT.lines().filter(|line| line.starts_with("{\"v\":")).collect();
        assert_eq!(lines.join("\n"), documented.join("\n"));
        // And each key has its row in the table of its event.
        for line in &lines {
            let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(line).unwrap();
            let name = object["event"].as_str().unwrap();
            let section = DOCUMENT.split("\n### ").find(|section| section.starts_with(&format!("{name}\n"))).unwrap();
            for key in object.keys().filter(|key| !["v", "t", "conn", "event"].contains(&key.as_str())) {
                assert!(section.contains(&format!("\n| `{key}` |")), "{name}: {key}");
            }
        }
    });
}

#[test]
fn every_exit_code_is_documented() {
    for exit in [
        Exit::Ok,
        Exit::Failed,
        Exit::Usage,
        Exit::Expectation,
        Exit::Resolve,
        Exit::Refused,
        Exit::Unreachable,
        Exit::ConnectTimeout,
        Exit::IdleTimeout,
        Exit::Reset,
        Exit::Bind,
        Exit::Permission,
        Exit::Tls,
        Exit::Proxy,
        Exit::Child,
        Exit::Deadline,
    ] {
        assert!(DOCUMENT.contains(&format!("\n| {} | `{}` |", exit.code(), exit.name())), "{}", exit.name());
    }
    assert!(DOCUMENT.contains("\n| 128+n | `signal` |"));
}

#[test]
fn a_terminal_is_not_driven_by_json_either() {
    let line = String::from_utf8(line(Duration::ZERO, None, &Event::Warning { message: "\x1b\x7f\u{9b}\u{202e}\"é" }))
        .unwrap();
    assert_eq!(line, "{\"v\":1,\"t\":0.0,\"event\":\"warning\",\"message\":\"\\u001b\\u007f\\u009b\\u202e\\\"é\"}\n");
    let back: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(back["message"], "\x1b\x7f\u{9b}\u{202e}\"é");
}

#[test]
fn times_are_seconds_with_at_most_six_decimals() {
    for (t, text) in [
        (Duration::ZERO, "0.0"),
        (Duration::from_nanos(1_234_567_891), "1.234567"),
        (Duration::from_micros(100_000_000_000_001), "100000000.000001"),
        (Duration::from_micros(3), "0.000003"),
    ] {
        let line = String::from_utf8(line(t, None, &Event::Warning { message: "" })).unwrap();
        assert!(line.starts_with(&format!("{{\"v\":1,\"t\":{text},")), "{line}");
    }
}

#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<Vec<u8>>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().push(bytes.to_vec());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn lines_are_whole_and_time_never_goes_back() {
    let kept = Kept::default();
    let json = Arc::new(Json::new(Box::new(kept.clone()), "test", Instant::now()));
    let threads: Vec<_> = (1..=4)
        .map(|conn| {
            let json = json.clone();
            std::thread::spawn(move || (0..200).for_each(|_| json.emit(Some(conn), &Event::Send(Payload::of(b"x")))))
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let mut last = 0.0;
    let writes = kept.0.lock().unwrap();
    assert_eq!(writes.len(), 800);
    for write in writes.iter() {
        assert!(write.ends_with(b"\n"));
        let object: serde_json::Value = serde_json::from_slice(write).unwrap();
        let t = object["t"].as_f64().unwrap();
        assert!(t >= last);
        last = t;
    }
}

#[test]
fn a_reader_that_leaves_is_no_failure_and_a_full_disk_is() {
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    let json = Json::new(Box::new(writer), "standard output", Instant::now());
    assert_eq!(json.broken(), None);
    json.emit(None, &Event::Warning { message: "x" });
    json.emit(None, &Event::Warning { message: "x" });
    assert_eq!(json.broken(), Some(Broken::ReaderLeft));

    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let json = Json::new(Box::new(full), "/dev/full", Instant::now());
    json.emit(None, &Event::Warning { message: "x" });
    assert_eq!(json.broken(), Some(Broken::Failed("No space left on device".to_owned())));
}
