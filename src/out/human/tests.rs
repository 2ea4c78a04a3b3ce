use super::*;
use crate::addr::{Unix, UnixKind, UnixName};
use crate::event::Payload;

use std::io;
use std::sync::Arc;

/// Keeps what was written, a string for each write.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<String>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().push(String::from_utf8(bytes.to_vec()).unwrap());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Kept {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

fn human(verbosity: Verbosity) -> (Human, Kept) {
    let kept = Kept::default();
    (Human::new(Box::new(kept.clone()), verbosity, None, Instant::now()), kept)
}

fn at(address: &str) -> Endpoint {
    address.parse().unwrap()
}

fn said(event: &Event<'_>) -> String {
    say(event).unwrap().1
}

#[test]
fn lines_that_matter() {
    let unnamed = Endpoint::Unix(Unix { kind: UnixKind::Stream, name: UnixName::Unnamed });
    let second = Duration::from_secs(1);
    for (event, text) in [
        (
            Event::Listening { local: &at("[::]:2023"), families: Some("IPv4 and IPv6"), backlog: Some(5) },
            "listening on [::]:2023 (IPv4 and IPv6), backlog 5",
        ),
        (
            Event::Listening { local: &at("udp://127.0.0.1:9"), families: None, backlog: None },
            "listening on udp://127.0.0.1:9",
        ),
        (
            Event::Connected { local: &at("127.0.0.1:54321"), peer: &at("127.0.0.1:80"), via: None, took: second },
            "connected to 127.0.0.1:80 from 127.0.0.1:54321",
        ),
        (
            Event::Connected { local: &unnamed, peer: &at("unix:/tmp/s"), via: None, took: second },
            "connected to unix:/tmp/s",
        ),
        (
            Event::Accepted { local: &at("127.0.0.1:2023"), peer: &at("127.0.0.1:4711"), via: None, destination: None },
            "accepted 127.0.0.1:4711 on 127.0.0.1:2023",
        ),
        (
            Event::Accepted { local: &at("unix:/tmp/s"), peer: &unnamed, via: None, destination: None },
            "accepted a connection on unix:/tmp/s",
        ),
        // Two ends of socketpair(2), handed over.
        (Event::Connected { local: &unnamed, peer: &unnamed, via: None, took: second }, "connected to the peer"),
        (Event::Accepted { local: &unnamed, peer: &unnamed, via: None, destination: None }, "accepted a connection"),
        (
            Event::Accepted {
                local: &unnamed,
                peer: &at("192.0.2.7:1"),
                via: Some(&unnamed),
                destination: Some(&at("192.0.2.1:80")),
            },
            "accepted 192.0.2.7:1 through a proxy, to 192.0.2.1:80",
        ),
        (
            Event::Denied { peer: &at("192.0.2.1:9"), rule: "--allow 10.0.0.0/8" },
            "denied 192.0.2.1:9: --allow 10.0.0.0/8",
        ),
        (Event::Warning { message: "odd" }, "warning: odd"),
        (Event::Timeout { limit: Limit::Deadline, after: second * 5 }, "timed out: the run may take 5s (--deadline)"),
        (
            Event::Queue {
                length: 1,
                limit: 5,
                asked: Some(5),
                cap: Some(4096),
                left: None,
                overflows: Some(0),
                drops: None,
            },
            "accept queue: 1 waiting, limit 5",
        ),
        (
            Event::Queue {
                length: 6,
                limit: 5,
                asked: Some(9),
                cap: Some(5),
                left: Some(1),
                overflows: Some(2),
                drops: Some(3),
            },
            "accept queue: 6 waiting, limit 5 (asked 9, net.core.somaxconn 5), 1 of them ended already, TcpExtListenOverflows +2, TcpExtListenDrops +3",
        ),
        (
            Event::Closed { reason: "ok", sent: 1, received: 12, duration: Duration::from_micros(1234), course: None },
            "closed: sent 1 byte, received 12 bytes in 1.23 ms",
        ),
        (
            Event::Closed { reason: "reset", sent: 0, received: 12, duration: Duration::from_secs(75), course: None },
            "closed (reset): sent 0 bytes, received 12 bytes in 1m 15s",
        ),
    ] {
        let (human, kept) = human(Verbosity::Default);
        human.emit(Some(1), &event);
        assert_eq!(kept.take(), [format!("{text}\n")]);
    }
}

#[test]
fn lines_for_those_who_want_more() {
    let took = Duration::from_micros(250);
    for (event, text) in [
        (
            Event::Sandbox {
                landlock: Some(7),
                calls: None,
                writes: None,
                reads: &[],
                ports: None,
                note: Some("seccomp: this kernel has none"),
            },
            "sandbox: no file is opened (Landlock, ABI 7); seccomp: this kernel has none",
        ),
        (
            Event::Sandbox {
                landlock: Some(7),
                calls: Some(101),
                writes: None,
                reads: &["/proc".to_owned(), "/etc".to_owned()],
                ports: Some(&[80, 53]),
                note: None,
            },
            "sandbox: no file is opened but to read, below /proc, /etc, no TCP port connected to but 80, 53 (Landlock, ABI 7); no program is started, no file written (seccomp, 101 calls allowed)",
        ),
        (
            Event::Sandbox {
                landlock: Some(3),
                calls: None,
                writes: Some("in"),
                reads: &[],
                ports: Some(&[]),
                note: None,
            },
            "sandbox: no file is opened but new ones in in (Landlock, ABI 3)",
        ),
        (
            Event::Resolve {
                name: "localhost",
                addresses: &[at("[::1]:80"), at("127.0.0.1:80")],
                sources: &[],
                servers: &[],
                took,
            },
            "resolved localhost to [::1]:80, 127.0.0.1:80 in 0.25 ms",
        ),
        (
            Event::Resolve {
                name: "x",
                addresses: &[at("[::1]:80"), at("127.0.0.1:80"), at("192.0.2.1:80")],
                sources: &["hosts", "hosts", "dns"],
                servers: &["192.0.2.53".to_owned(), "192.0.2.54".to_owned()],
                took,
            },
            "resolved x to [::1]:80, 127.0.0.1:80 (hosts file), 192.0.2.1:80 (DNS: 192.0.2.53 or 192.0.2.54) in 0.25 ms",
        ),
        (
            Event::Attempt {
                address: &at("192.0.2.7:80"),
                result: "connected",
                error: None,
                local: Some(&at("192.0.2.1:5000")),
                route: Some(Route { interface: Some("eth0".to_owned()), via: Some("192.0.2.254".parse().unwrap()) }),
                took,
            },
            "tried 192.0.2.7:80 from 192.0.2.1:5000 by eth0 and router 192.0.2.254: connected in 0.25 ms",
        ),
        (
            Event::Recv(Payload { first: Some(took), ..Payload::of(b"abc") }),
            "first byte after 0.25 ms, 3 bytes at once",
        ),
        (
            Event::Attempt {
                address: &at("[::1]:80"),
                result: "failed",
                error: Some("Connection refused"),
                local: None,
                route: None,
                took,
            },
            "tried [::1]:80: failed in 0.25 ms: Connection refused",
        ),
        (
            Event::Option { name: "rcvbuf", asked: "64k", effective: "131072", note: Some("Linux doubles it") },
            "option rcvbuf: asked 64k, is 131072 (Linux doubles it)",
        ),
        (Event::Option { name: "nodelay", asked: "yes", effective: "yes", note: None }, "option nodelay: yes"),
        (Event::Eof { side: Side::Peer }, "end of input from the peer"),
        (Event::Shutdown { direction: "write" }, "shut down our write side"),
        (Event::Child { pid: 7, status: Some(3), signal: None }, "child 7 exited with 3"),
        (Event::Child { pid: 7, status: None, signal: Some(9) }, "child 7 was killed by signal 9"),
        (Event::End { reason: "refused", code: 5 }, "end: refused, exit code 5"),
    ] {
        assert_eq!(said(&event), text);
        let (human, kept) = human(Verbosity::Default);
        human.emit(None, &event);
        assert!(kept.take().is_empty(), "{text}");
    }
}

#[test]
fn each_verbosity_says_what_it_should() {
    let events = [
        Event::Error { message: "it failed", reason: "failed", cause: None, r#try: &[], details: &[] },
        Event::Warning { message: "odd" },
        Event::Eof { side: Side::Local },
        Event::Send(Payload { bytes: 3, data: None, first: None }),
    ];
    for (verbosity, lines) in
        [(Verbosity::Quiet, 1), (Verbosity::Default, 2), (Verbosity::Verbose, 3), (Verbosity::VeryVerbose, 4)]
    {
        let (human, kept) = human(verbosity);
        for event in &events {
            human.emit(None, event);
        }
        assert_eq!(kept.take().len(), lines, "{verbosity:?}");
    }
}

#[test]
fn verbose_lines_carry_the_time_since_the_start() {
    let (human, kept) = human(Verbosity::Verbose);
    human.emit(None, &Event::Warning { message: "odd" });
    let line = kept.take().remove(0);
    let (time, rest) = line.strip_prefix('[').unwrap().split_once("] ").unwrap();
    assert!(time.split_once('.').unwrap().1.len() == 6 && time.parse::<f64>().is_ok(), "{line}");
    assert_eq!(rest, "warning: odd\n");
}

#[test]
fn timestamps_come_in_three_forms() {
    for (kind, shape) in [
        (Timestamps::Rfc3339, "0000-00-00T00:00:00.000000Z x"),
        (Timestamps::Unix, "0000000000.000000 x"),
        (Timestamps::Delta, "+0.000000 x"),
    ] {
        let kept = Kept::default();
        let human = Human::new(Box::new(kept.clone()), Verbosity::Verbose, Some(kind), Instant::now());
        human.emit(None, &Event::Listening { local: &at("127.0.0.1:1"), families: None, backlog: None });
        let line = kept.take().remove(0).replace("listening on 127.0.0.1:1\n", "x");
        assert_eq!(line.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect::<String>(), shape);
    }
}

#[test]
fn connections_are_numbered_once_there_are_two() {
    let (human, kept) = human(Verbosity::Default);
    let warning = Event::Warning { message: "x" };
    for conn in [Some(1), None, Some(2), Some(1), None] {
        human.emit(conn, &warning);
    }
    assert_eq!(kept.take(), ["warning: x\n", "warning: x\n", "#2 warning: x\n", "#1 warning: x\n", "warning: x\n"]);
    human.emit(
        Some(2),
        &Event::Error {
            message: "it failed",
            reason: "failed",
            cause: Some("c"),
            r#try: &["t".to_owned()],
            details: &["d".to_owned()],
        },
    );
    assert_eq!(kept.take(), ["sockkit: #2 it failed\n  d\ncause: c\ntry: t\n"]);
}

#[test]
fn an_event_is_one_line_however_hostile() {
    let hostile = "\x1b[2J\x07\u{9b}\r\n\0\u{202e}%n\nsockkit: all is well";
    let long = hostile.repeat(200);
    for text in [hostile, &long] {
        let events = [
            Event::Start { command: text, version: "1", pid: 1 },
            Event::Resolve { name: text, addresses: &[], sources: &[], servers: &[], took: Duration::ZERO },
            Event::Attempt {
                address: &at("127.0.0.1:1"),
                result: "failed",
                error: Some(text),
                local: None,
                route: Some(Route { interface: Some(text.to_owned()), via: None }),
                took: Duration::ZERO,
            },
            Event::Oddity { message: text, cause: None, r#try: &[] },
            Event::Denied { peer: &at("127.0.0.1:1"), rule: text },
            Event::Option { name: text, asked: text, effective: "x", note: Some(text) },
            Event::Reset { error: text },
            Event::Warning { message: text },
            Event::Error { message: text, reason: "failed", cause: None, r#try: &[], details: &[] },
        ];
        for event in &events {
            let (human, kept) = human(Verbosity::VeryVerbose);
            human.emit(None, event);
            let written = kept.take().concat();
            assert_eq!(written.matches('\n').count(), 1, "{written}");
            assert!(!written.trim_end_matches('\n').chars().any(crate::text::is_hazard), "{written}");
            assert!(written.contains("%n"));
        }
        let (human, kept) = human(Verbosity::Default);
        let lines = [text.to_owned()];
        human.emit(
            None,
            &Event::Error { message: "m", reason: "failed", cause: Some(text), r#try: &lines, details: &lines },
        );
        assert_eq!(kept.take().concat().matches('\n').count(), 4);
    }
}

#[test]
fn lines_of_parallel_connections_do_not_mix() {
    let (mut reader, writer) = io::pipe().unwrap();
    let human = Arc::new(Human::new(Box::new(writer), Verbosity::Default, None, Instant::now()));
    let threads: Vec<_> = (1..=4)
        .map(|conn| {
            let human = human.clone();
            std::thread::spawn(move || {
                for _ in 0..100 {
                    human.emit(Some(conn), &Event::Warning { message: &"x".repeat(50) });
                }
            })
        })
        .collect();
    drop(human);
    let mut all = String::new();
    io::Read::read_to_string(&mut reader, &mut all).unwrap();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(all.lines().count(), 400);
    assert!(all.lines().all(|line| line.ends_with(&format!("warning: {}", "x".repeat(50)))));
}

#[test]
fn nobody_is_told_when_stderr_fails() {
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    let human = Human::new(Box::new(writer), Verbosity::Default, None, Instant::now());
    human.emit(None, &Event::Warning { message: "x" });
}

#[test]
fn a_bar_is_full_when_the_queue_is() {
    assert_eq!(bar(0, 1), "░".repeat(20));
    assert_eq!(bar(1, 1), "█".repeat(10) + &"░".repeat(10));
    assert_eq!((bar(2, 1), bar(9, 1), bar(u32::MAX, u32::MAX - 1)), ("█".repeat(20), "█".repeat(20), "█".repeat(20)));
    assert_eq!(bar(1, 4096).matches('█').count(), 1);
}
