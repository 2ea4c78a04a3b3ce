use super::*;

use std::io;
use std::net::SocketAddr;

use crate::addr::UnixKind;
use crate::error::{NameAnswer, TimeWait, UnixPathState};
use crate::span::Misread;

mod host;

fn os(phase: Phase, address: &str, errno: i32, facts: &[Fact]) -> Error {
    let endpoint: Endpoint = address.parse().unwrap();
    let mut error = Error::os(phase, Some(&endpoint), io::Error::from_raw_os_error(errno));
    error.facts = facts.to_vec();
    error
}

fn timed_out(phase: Phase, address: &str, limit: &'static str, facts: &[Fact]) -> Error {
    let mut error = Error::timed_out(phase, Some(&address.parse().unwrap()), limit, Duration::from_secs(10));
    error.facts = facts.to_vec();
    error
}

fn resolver(address: &str, code: i32, facts: &[Fact]) -> Error {
    let mut error = Error::text(Exit::Resolve, Phase::Resolving, Some(&address.parse().unwrap()), "");
    let text = match code {
        libc::EAI_AGAIN => "Temporary failure in name resolution",
        libc::EAI_SERVICE => "Servname not supported for ai_socktype",
        -5 => "No address associated with hostname",
        _ => "Name or service not known",
    };
    error.cause = Cause::Resolver { code, text: text.to_owned() };
    error.facts = facts.to_vec();
    error
}

fn held(address: &str, overlaps: bool, process: Option<(u32, &str)>) -> Fact {
    let process = process.map(|(pid, program)| Process { pid, program: program.to_owned() });
    Fact::Holder { local: address.parse().unwrap(), process, overlaps }
}

fn near(address: &str, process: Option<(u32, &str)>) -> Fact {
    let process = process.map(|(pid, program)| Process { pid, program: program.to_owned() });
    Fact::Neighbour { local: address.parse().unwrap(), process }
}

fn icmp(from: &str, from_target: bool, kind: u8, code: u8) -> Fact {
    Fact::Icmp { from: from.parse().unwrap(), from_target, kind, code }
}

fn server(address: &str, answer: NameAnswer) -> Fact {
    Fact::NameServer { server: SocketAddr::new(address.parse().unwrap(), 53), answer }
}

fn live(kind: Option<UnixKind>, process: Option<(u32, &str)>) -> Fact {
    let process = process.map(|(pid, program)| Process { pid, program: program.to_owned() });
    Fact::UnixPath(UnixPathState::Live { kind, process })
}

fn typed(address: &str) -> Fact {
    Fact::Typed(address.parse().unwrap())
}

fn lost(interface: &str, reverse_path: bool) -> Fact {
    Fact::AnswersLost { interface: interface.to_owned(), reverse_path }
}

fn file(path: &str, errno: i32) -> Error {
    Error::file("--output", path.as_ref(), &io::Error::from_raw_os_error(errno))
}

fn ours() -> Fact {
    Fact::LocalAddresses(["127.0.0.1", "10.1.2.3", "::1"].map(|ip| ip.parse().unwrap()).to_vec())
}

/// Every case with its exact text. Those with one errno stand together, and all differ.
fn cases() -> Vec<(&'static str, Error)> {
    use Phase::{Accepting, Binding, Connecting, Receiving, Sending, Setting, Waiting};
    let path = |state| Fact::UnixPath(state);
    vec![
        // Refused.
        ("connect", os(Connecting, "127.0.0.1:9", libc::ECONNREFUSED, &[])),
        (
            "connect",
            os(Connecting, "[::1]:8080", libc::ECONNREFUSED, &[held("127.0.0.1:8080", false, Some((12, "nginx")))]),
        ),
        (
            "connect",
            os(
                Connecting,
                "127.0.0.1:80",
                libc::ECONNREFUSED,
                &[held("[::]:80", false, None), held("10.1.2.3:80", false, None)],
            ),
        ),
        ("connect", os(Connecting, "127.0.0.1:53", libc::ECONNREFUSED, &[held("udp://127.0.0.1:53", false, None)])),
        // By what else listens: a slip, one that is none, both kinds at once.
        (
            "connect",
            os(Connecting, "127.0.0.1:8081", libc::ECONNREFUSED, &[near("127.0.0.1:8080", Some((12, "nginx")))]),
        ),
        (
            "connect",
            os(
                Connecting,
                "127.0.0.1:8008",
                libc::ECONNREFUSED,
                &[near("0.0.0.0:8800", None), near("[::]:8080", Some((4, "java"))), near("127.0.0.1:9999", None)],
            ),
        ),
        ("connect", os(Connecting, "127.0.0.1:8000", libc::ECONNREFUSED, &[near("0.0.0.0:22", Some((1, "sshd")))])),
        (
            "ping",
            os(
                Connecting,
                "[::1]:80",
                libc::ECONNREFUSED,
                &[held("127.0.0.1:80", false, None), near("[::]:8080", None)],
            ),
        ),
        ("connect", os(Receiving, "udp://127.0.0.1:35", libc::ECONNREFUSED, &[near("udp://127.0.0.1:53", None)])),
        ("ping", os(Connecting, "127.0.0.1:81", libc::ECONNREFUSED, &[held("0.0.0.0:81", true, Some((3, "late")))])),
        ("connect", os(Connecting, "192.0.2.1:9", libc::ECONNREFUSED, &[])),
        ("connect", os(Connecting, "192.0.2.1:9", libc::ECONNREFUSED, &[icmp("192.0.2.1", true, 3, 3)])),
        ("connect", os(Connecting, "192.0.2.1:9", libc::ECONNREFUSED, &[icmp("198.51.100.1", false, 3, 3)])),
        ("connect", os(Connecting, "192.0.2.1:9", libc::ECONNREFUSED, &[icmp("10.1.2.3", false, 3, 3), ours()])),
        ("connect", os(Receiving, "udp://192.0.2.1:9", libc::ECONNREFUSED, &[])),
        ("connect", os(Receiving, "udp://192.0.2.1:9", libc::ECONNREFUSED, &[icmp("192.0.2.1", true, 3, 3)])),
        ("connect", os(Receiving, "udp://[2001:db8::1]:9", libc::ECONNREFUSED, &[icmp("2001:db8::2", false, 1, 4)])),
        // No answer.
        ("connect", timed_out(Connecting, "192.0.2.1:80", "--connect-timeout", &[])),
        ("connect", os(Connecting, "192.0.2.1:80", libc::ETIMEDOUT, &[])),
        ("connect", timed_out(Connecting, "127.0.0.1:80", "--connect-timeout", &[])),
        (
            "connect",
            timed_out(
                Connecting,
                "127.0.0.1:80",
                "--connect-timeout",
                &[held("0.0.0.0:80", true, Some((7, "stuck"))), Fact::AcceptQueue { waiting: 6, limit: None }],
            ),
        ),
        (
            "connect",
            timed_out(
                Connecting,
                "127.0.0.1:80",
                "--connect-timeout",
                &[held("0.0.0.0:80", true, Some((7, "idle"))), Fact::AcceptQueue { waiting: 0, limit: None }],
            ),
        ),
        ("ping", timed_out(Connecting, "udp://192.0.2.1:9", "--connect-timeout", &[])),
        ("connect", timed_out(Connecting, "udp://192.0.2.1:9", "--check", &[])),
        ("connect", os(Receiving, "192.0.2.1:80", libc::ETIMEDOUT, &[])),
        ("listen", timed_out(Accepting, "127.0.0.1:2023", "--accept-timeout", &[])),
        ("connect", timed_out(Waiting, "127.0.0.1:80", "--idle-timeout", &[])),
        ("connect", timed_out(Receiving, "127.0.0.1:80", "--recv-timeout", &[])),
        ("connect", timed_out(Sending, "127.0.0.1:80", "--send-timeout", &[])),
        ("connect", timed_out(Waiting, "127.0.0.1:80", "--deadline", &[])),
        ("connect", timed_out(Waiting, "127.0.0.1:80", "--send-timeout", &[])),
        ("connect", timed_out(Waiting, "127.0.0.1:80", "--recv-timeout", &[])),
        // About a peer, by one who serves, and by a client of a built-in peer.
        ("listen", timed_out(Waiting, "127.0.0.1:33296", "--idle-timeout", &[typed("[::]:5915")])),
        ("echo", timed_out(Waiting, "127.0.0.1:33296", "--idle-timeout", &[])),
        ("connect", timed_out(Waiting, "127.0.0.1:42869", "--idle-timeout", &[typed("echo:")])),
        // Unreachable.
        ("connect", os(Connecting, "192.0.2.1:80", libc::ENETUNREACH, &[])),
        ("connect", os(Connecting, "[2001:db8::1]:80", libc::ENETUNREACH, &[])),
        ("connect", os(Connecting, "[fe80::1%lo]:80", libc::ENETUNREACH, &[])),
        ("connect", os(Connecting, "192.0.2.1:80", libc::ENETUNREACH, &[icmp("198.51.100.1", false, 3, 0)])),
        ("connect", os(Connecting, "192.0.2.1:80", libc::EHOSTUNREACH, &[])),
        ("connect", os(Connecting, "192.0.2.1:80", libc::EHOSTUNREACH, &[icmp("198.51.100.1", false, 3, 1)])),
        ("connect", os(Connecting, "192.0.2.1:80", libc::EHOSTUNREACH, &[icmp("10.1.2.3", false, 3, 1), ours()])),
        ("connect", os(Connecting, "192.0.2.1:80", libc::EHOSTUNREACH, &[icmp("198.51.100.1", false, 3, 13)])),
        ("connect", os(Connecting, "192.0.2.1:80", libc::EHOSTUNREACH, &[icmp("192.0.2.1", true, 3, 10)])),
        ("connect", os(Connecting, "192.0.2.1:80", libc::EHOSTUNREACH, &[icmp("198.51.100.1", false, 11, 0)])),
        ("connect", os(Connecting, "[2001:db8::1]:80", libc::EACCES, &[icmp("2001:db8::2", false, 1, 1)])),
        ("connect", os(Connecting, "192.0.2.1:80", libc::EACCES, &[])),
        ("connect", os(Sending, "udp://192.0.2.255:9", libc::EACCES, &[])),
        ("connect", os(Sending, "udp://192.0.2.1:9", libc::EACCES, &[])),
        ("connect", os(Connecting, "192.0.2.1:80", libc::EPERM, &[Fact::LocalPolicy])),
        // Rules of this host, on the way out and in.
        ("connect", os(Connecting, "192.0.2.1:80", libc::ECONNREFUSED, &[Fact::LocalPolicy])),
        ("connect", os(Connecting, "192.0.2.1:80", libc::ECONNREFUSED, &[Fact::LetOut])),
        (
            "connect",
            os(Connecting, "127.0.0.1:80", libc::ECONNREFUSED, &[held("127.0.0.1:80", true, None), Fact::LocalPolicy]),
        ),
        ("connect", timed_out(Connecting, "192.0.2.1:80", "--connect-timeout", &[Fact::LocalPolicy])),
        ("connect", timed_out(Connecting, "192.0.2.1:80", "--connect-timeout", &[Fact::LetOut])),
        ("connect", timed_out(Connecting, "192.0.2.1:80", "--connect-timeout", &[lost("eth0", false), Fact::LetOut])),
        ("connect", timed_out(Connecting, "192.0.2.1:80", "--connect-timeout", &[lost("eth1", true), Fact::LetOut])),
        ("listen", timed_out(Accepting, "127.0.0.1:2023", "--accept-timeout", &[Fact::TurnedAway(1)])),
        ("listen", timed_out(Accepting, "127.0.0.1:2023", "--accept-timeout", &[Fact::TurnedAway(2)])),
        // Files.
        ("connect", file("/no/where/out", libc::ENOENT)),
        ("connect", file("out", libc::EACCES)),
        ("connect", file("/etc", libc::EISDIR)),
        ("connect", file("/etc/passwd/x", libc::ENOTDIR)),
        ("connect", file("/mnt/x", libc::EROFS)),
        ("connect", file("/dev/full", libc::ENOSPC)),
        ("connect", Error::os(Phase::ReadingStdin, None, io::Error::from_raw_os_error(libc::EISDIR))),
        ("connect", Error::os(Phase::ReadingStdin, None, io::Error::from_raw_os_error(libc::EIO))),
        ("connect", Error::os(Phase::WritingStdout, None, io::Error::from_raw_os_error(libc::EFBIG))),
        // Addresses that no connection goes to.
        ("connect", os(Connecting, "224.0.0.251:80", libc::ENETUNREACH, &[])),
        ("connect", os(Connecting, "255.255.255.255:80", libc::ENETUNREACH, &[])),
        ("connect", os(Connecting, "[fe80::1]:80", libc::EINVAL, &[])),
        ("connect", os(Connecting, "192.0.2.1:80", libc::EINVAL, &[])),
        ("connect", os(Connecting, "192.0.2.1:0", libc::ECONNREFUSED, &[])),
        // Names.
        ("connect", resolver("no.example:80", libc::EAI_NONAME, &[server("10.0.0.53", NameAnswer::NoSuchName)])),
        ("connect", resolver("no.example:80", libc::EAI_AGAIN, &[server("10.0.0.53", NameAnswer::ServerFailure)])),
        (
            "connect",
            resolver(
                "no.example:80",
                libc::EAI_AGAIN,
                &[server("10.0.0.53", NameAnswer::Silence), server("10.0.0.54", NameAnswer::Silence)],
            ),
        ),
        ("connect", resolver("no.example:80", libc::EAI_AGAIN, &[server("10.0.0.53", NameAnswer::NoServer)])),
        ("connect", resolver("no.example:80", libc::EAI_AGAIN, &[server("10.0.0.53", NameAnswer::Refused)])),
        ("connect", resolver("no.example:80", libc::EAI_AGAIN, &[server("10.0.0.53", NameAnswer::Unreachable)])),
        ("connect", resolver("no.example:80", libc::EAI_AGAIN, &[server("10.0.0.53", NameAnswer::Code(4))])),
        ("connect", resolver("no.example:80", -5, &[server("10.0.0.53", NameAnswer::Addresses(0))])),
        ("connect", resolver("tcp6://v4.example:80", -5, &[server("10.0.0.53", NameAnswer::Addresses(1))])),
        ("connect", resolver("v4.example:80", libc::EAI_AGAIN, &[server("10.0.0.53", NameAnswer::Addresses(1))])),
        ("connect", resolver("no.example:80", libc::EAI_NONAME, &[])),
        ("connect", resolver("localhost:nosuch", libc::EAI_SERVICE, &[])),
        ("connect", timed_out(Phase::Resolving, "no.example:80", "--connect-timeout", &[])),
        // Taking an address.
        ("listen", os(Binding, "127.0.0.1:80", libc::EADDRINUSE, &[held("0.0.0.0:80", true, Some((12, "nginx")))])),
        ("listen", os(Binding, "127.0.0.1:80", libc::EADDRINUSE, &[held("0.0.0.0:80", true, None)])),
        (
            "listen",
            os(Binding, "127.0.0.1:80", libc::EADDRINUSE, &[Fact::TimeWait(TimeWait { connections: 2, left: None })]),
        ),
        ("echo", os(Binding, "udp://127.0.0.1:80", libc::EADDRINUSE, &[])),
        ("connect", os(Connecting, "192.0.2.1:80", libc::EADDRINUSE, &[])),
        ("listen", os(Binding, "192.0.2.7:80", libc::EADDRNOTAVAIL, &[ours()])),
        ("connect", os(Binding, "192.0.2.8:0", libc::EADDRNOTAVAIL, &[])),
        (
            "listen",
            os(Binding, "[::1]:80", libc::EADDRNOTAVAIL, &[Fact::LocalAddresses(vec!["127.0.0.1".parse().unwrap()])]),
        ),
        ("connect", os(Connecting, "192.0.2.7:80", libc::EADDRNOTAVAIL, &[ours()])),
        (
            "listen",
            os(
                Binding,
                ":80",
                libc::EACCES,
                &[Fact::Sysctl { name: "net.ipv4.ip_unprivileged_port_start", value: "1024".to_owned() }],
            ),
        ),
        ("listen", os(Binding, "127.0.0.1:8080", libc::EACCES, &[])),
        // UNIX paths.
        (
            "connect",
            os(
                Connecting,
                "unix:/run/x.sock",
                libc::ENOENT,
                &[path(UnixPathState::Missing { deepest: "/run".into() })],
            ),
        ),
        (
            "connect",
            os(
                Connecting,
                "unix:/run/a/b/x.sock",
                libc::ENOENT,
                &[path(UnixPathState::Missing { deepest: "/run".into() })],
            ),
        ),
        (
            "listen",
            os(
                Binding,
                "unix:/run/a/b/x.sock",
                libc::ENOENT,
                &[path(UnixPathState::Missing { deepest: "/run".into() })],
            ),
        ),
        (
            "listen",
            os(Binding, "unix:/proc/x", libc::ENOENT, &[path(UnixPathState::Missing { deepest: "/proc".into() })]),
        ),
        ("connect", os(Connecting, "unix:/tmp/s", libc::ECONNREFUSED, &[path(UnixPathState::Stale)])),
        (
            "connect",
            os(Connecting, "unix:/tmp/s", libc::ECONNREFUSED, &[path(UnixPathState::NotASocket("a regular file"))]),
        ),
        (
            "connect",
            os(Connecting, "unix:/tmp/s", libc::ECONNREFUSED, &[live(Some(UnixKind::Stream), Some((5, "app")))]),
        ),
        ("connect", os(Connecting, "unix:@x", libc::ECONNREFUSED, &[])),
        ("listen", os(Binding, "unix:/tmp/s", libc::EADDRINUSE, &[path(UnixPathState::Stale)])),
        ("listen", os(Binding, "unix:/tmp/s", libc::EADDRINUSE, &[path(UnixPathState::NotASocket("a regular file"))])),
        ("listen", os(Binding, "unix:/tmp/s", libc::EADDRINUSE, &[live(Some(UnixKind::Stream), Some((5, "app")))])),
        ("listen", os(Binding, "unix:/tmp/s", libc::EADDRINUSE, &[live(None, None)])),
        ("connect", os(Connecting, "unix:/tmp/s", libc::EPROTOTYPE, &[live(Some(UnixKind::Dgram), Some((5, "app")))])),
        ("connect", os(Connecting, "unix-dgram:/tmp/a b", libc::EPROTOTYPE, &[live(None, None)])),
        (
            "connect",
            os(
                Connecting,
                "unix-seqpacket:/tmp/s",
                libc::EAGAIN,
                &[live(Some(UnixKind::Seqpacket), Some((5, "app"))), Fact::AcceptQueue { waiting: 2, limit: Some(1) }],
            ),
        ),
        (
            "connect",
            os(
                Connecting,
                "unix:/run/x.sock",
                libc::EACCES,
                &[path(UnixPathState::Forbidden { at: "/run/x.sock".into(), mode: 0o600, owner: 0 })],
            ),
        ),
        (
            "connect",
            os(
                Connecting,
                "unix:/run/x/x.sock",
                libc::EACCES,
                &[path(UnixPathState::Forbidden { at: "/run/x".into(), mode: 0o700, owner: 33 })],
            ),
        ),
        (
            "listen",
            os(
                Binding,
                "unix:/run/x.sock",
                libc::EACCES,
                &[path(UnixPathState::Forbidden { at: "/run".into(), mode: 0o755, owner: 0 })],
            ),
        ),
        ("connect", os(Connecting, "unix:/run/x.sock", libc::EAGAIN, &[])),
        // In mid-session, and the rest.
        ("connect", os(Receiving, "127.0.0.1:80", libc::ECONNRESET, &[])),
        ("connect", os(Connecting, "127.0.0.1:80", libc::ECONNRESET, &[])),
        ("connect", os(Connecting, "vsock:3:80", libc::ECONNRESET, &[])),
        ("connect", os(Connecting, "vsock:3:80", libc::ETIMEDOUT, &[])),
        ("connect", timed_out(Connecting, "vsock:3:80", "--connect-timeout", &[])),
        ("connect", os(Connecting, "vsock:1:80", libc::ETIMEDOUT, &[])),
        ("listen", os(Binding, "vsock:77:4000", libc::EADDRNOTAVAIL, &[])),
        ("connect", os(Sending, "127.0.0.1:80", libc::EPIPE, &[])),
        ("connect", os(Sending, "udp://127.0.0.1:9", libc::EMSGSIZE, &[])),
        ("connect", os(Sending, "udp://[::1]:9", libc::EMSGSIZE, &[])),
        ("connect", os(Sending, "udp://192.0.2.1:9", libc::EMSGSIZE, &[icmp("198.51.100.1", false, 3, 4)])),
        ("connect", os(Sending, "unix-dgram:/tmp/s", libc::EMSGSIZE, &[])),
        ("listen", os(Accepting, "127.0.0.1:80", libc::EMFILE, &[Fact::Descriptors { limit: 1024 }])),
        ("connect", os(Phase::Opening, "127.0.0.1:80", libc::EMFILE, &[])),
        ("connect", os(Setting, "127.0.0.1:80", libc::EPERM, &[])),
    ]
}

fn written() -> String {
    cases().iter().map(|(command, error)| explain(command, error).render(false) + "\n").collect()
}

#[test]
fn every_failure_reads_as_written_down() {
    reads_as_written_down("tests.txt", &written());
}

/// Compares with a file of this directory. With `SOCKKIT_BLESS=1` what is said now is written down there, to be read
/// before it is committed.
pub(super) fn reads_as_written_down(file: &str, written: &str) {
    let path = format!("{}/src/out/explain/{file}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("SOCKKIT_BLESS").is_some() {
        std::fs::write(&path, written).unwrap();
    }
    let golden = std::fs::read_to_string(path).unwrap();
    for (now, then) in written.split("\n\n").zip(golden.split("\n\n")) {
        assert_eq!(now, then);
    }
    assert_eq!(written, golden);
}

#[test]
fn nothing_shows_a_bare_number_or_more_than_its_lines() {
    for (command, error) in cases() {
        let text = explain(command, &error).render(false);
        assert!(!text.contains("os error") && !text.contains("errno"), "{text}");
        for line in text.lines() {
            assert!(
                ["sockkit: ", "  ", "cause: ", "try: ", " or: "].iter().any(|start| line.starts_with(start)),
                "{line}"
            );
        }
        assert!(text.contains("\ncause: "), "{text}");
    }
}

/// Digits and addresses out: what is left must tell the causes apart.
fn bare(error: &Error, cause: &str) -> String {
    let endpoint = error.endpoint.as_ref().map(ToString::to_string).unwrap_or_default();
    cause.replace(&endpoint, "").chars().filter(|c| !c.is_ascii_digit() && !".:[]".contains(*c)).collect()
}

#[test]
fn one_errno_with_other_facts_reads_differently() {
    let mut seen: Vec<((i32, Phase), String, String)> = Vec::new();
    for (command, error) in cases() {
        let Some(errno) = error.errno() else { continue };
        let explained = explain(command, &error);
        let cause = bare(&error, explained.cause.as_deref().unwrap());
        for (other, before, headline) in &seen {
            // The two limits of datagrams differ in nothing but a number.
            if *other == (errno, error.phase) && errno != libc::EMSGSIZE {
                assert_ne!(*before, cause, "{headline} / {}", explained.headline);
            }
        }
        seen.push(((errno, error.phase), cause, explained.headline));
    }
}

#[test]
fn several_addresses_say_what_each_answered() {
    let endpoint: Endpoint = "localhost:8080".parse().unwrap();
    let error = Error::attempts(
        &endpoint,
        vec![
            os(Phase::Connecting, "[::1]:8080", libc::ENETUNREACH, &[]),
            os(Phase::Connecting, "127.0.0.1:8080", libc::ECONNREFUSED, &[]),
        ],
    );
    assert_eq!(
        explain("connect", &error).render(false),
        "sockkit: connect failed: connecting, localhost:8080: all 2 addresses failed\n  \
         [::1]:8080: Network is unreachable\n  \
         127.0.0.1:8080: Connection refused\n\
         cause: nothing listens on 127.0.0.1:8080\n\
         try: sockkit listen 127.0.0.1:8080\n \
         or: ss -ltnp 'sport = :8080'\n"
    );
    let same = Error::attempts(
        &endpoint,
        vec![
            os(Phase::Connecting, "[::1]:8080", libc::ECONNREFUSED, &[]),
            os(Phase::Connecting, "127.0.0.1:8080", libc::ECONNREFUSED, &[]),
        ],
    );
    assert_eq!(
        explain("connect", &same).render(false),
        "sockkit: connect failed: connecting, localhost:8080: Connection refused (all 2 addresses)\n  \
         [::1]:8080: Connection refused\n  \
         127.0.0.1:8080: Connection refused\n\
         cause: nothing listens on [::1]:8080 or 127.0.0.1:8080\n\
         try: sockkit listen localhost:8080\n \
         or: ss -ltnp 'sport = :8080'\n"
    );
}

#[test]
fn an_address_of_this_host_needs_no_guess() {
    let explained = explain("connect", &os(Phase::Connecting, "10.1.2.3:80", libc::ECONNREFUSED, &[ours()]));
    assert_eq!(explained.cause.unwrap(), "nothing listens on 10.1.2.3:80");
    assert_eq!(explained.r#try, ["sockkit listen 10.1.2.3:80", "ss -ltnp 'sport = :80'"]);
    // TCP says by a reset that nothing listens, so an ICMP error is its firewall, whatever listens near.
    let facts = [icmp("10.1.2.3", true, 3, 3), near("10.1.2.3:81", None), ours()];
    let explained = explain("connect", &os(Phase::Connecting, "10.1.2.3:80", libc::ECONNREFUSED, &facts));
    assert_eq!(
        explained.cause.unwrap(),
        "a rule of this host's own firewall rejects it (ICMP port unreachable from 10.1.2.3)"
    );
}

#[test]
fn a_client_that_binds_is_not_told_to_serve() {
    let tries = |errno, fact: Fact| explain("connect", &os(Phase::Binding, "10.1.2.3:80", errno, &[fact])).r#try;
    let held = tries(libc::EADDRINUSE, held("0.0.0.0:80", true, Some((12, "nginx"))));
    assert_eq!(held, ["sockkit connect --source 10.1.2.3:0 …", "ps -fp 12"]);
    let waiting = tries(libc::EADDRINUSE, Fact::TimeWait(TimeWait { connections: 1, left: None }));
    assert_eq!(waiting[0], "sockkit connect --reuseaddr --source 10.1.2.3:80 …");
    assert_eq!(tries(libc::EADDRNOTAVAIL, ours()), ["ip -br address"]);
    let start = Fact::Sysctl { name: "net.ipv4.ip_unprivileged_port_start", value: "1024".to_owned() };
    let privileged = tries(libc::EACCES, start);
    assert_eq!(privileged, ["sockkit connect --source 10.1.2.3:8080 …", "sudo sockkit connect --source 10.1.2.3:80 …"]);
}

#[test]
fn several_addresses_share_what_is_near_them() {
    let endpoint: Endpoint = "localhost:8081".parse().unwrap();
    let refused = |address, facts: &[Fact]| os(Phase::Connecting, address, libc::ECONNREFUSED, facts);
    let both = near("[::]:8080", Some((12, "nginx")));
    let error = Error::attempts(
        &endpoint,
        vec![
            refused("[::1]:8081", std::slice::from_ref(&both)),
            refused("127.0.0.1:8081", &[near("127.0.0.1:8082", None), both]),
        ],
    );
    let explained = explain("connect", &error);
    assert_eq!(
        explained.cause.unwrap(),
        "nothing listens on [::1]:8081 or 127.0.0.1:8081; near them, [::]:8080 (nginx, pid 12) and 127.0.0.1:8082 do"
    );
    assert_eq!(explained.r#try, ["sockkit connect localhost:8080", "ss -ltnp"]);
}

#[test]
fn what_was_mistyped_is_shown_with_a_caret() {
    let misread = Misread::new("address", "host:80x", 7..8, "a port is a number or a service name").hint("host:80");
    assert_eq!(
        explain("connect", &misread.into()).render(false),
        "sockkit: invalid address: a port is a number or a service name\n  host:80x\n         ^\ntry: host:80\n"
    );
    let usage = Error::usage("--udp and --tls do not go together");
    assert_eq!(explain("connect", &usage).render(false), "sockkit: --udp and --tls do not go together\n");
}

#[test]
fn hostile_strings_stay_on_their_line() {
    let error = os(
        Phase::Binding,
        "127.0.0.1:80",
        libc::EADDRINUSE,
        &[held("0.0.0.0:80", true, Some((9, "\x1b]0;x\x07\nsockkit: all is well")))],
    );
    let text = explain("listen", &error).render(false);
    assert!(!text.contains('\x1b') && !text.contains("\nsockkit: all"), "{text}");
    let text = explain("listen", &Error::usage("a\nb\x1b[2J")).render(false);
    assert_eq!(text, "sockkit: a\\nb\\x1b[2J\n");
}

#[test]
fn colour_is_only_where_it_is_wanted() {
    let error = Error::usage("x");
    assert!(!explain("listen", &error).render(false).contains('\x1b'));
}

#[test]
fn no_device_is_no_such_machine_where_a_machine_was_asked_for() {
    let failed = |phase, endpoint: &str| {
        let endpoint: Endpoint = endpoint.parse().unwrap();
        Error::os(phase, Some(&endpoint), io::Error::from_raw_os_error(libc::ENODEV)).exit
    };
    assert_eq!(failed(Phase::Connecting, "vsock:3:1"), Exit::Unreachable);
    assert_eq!(failed(Phase::Binding, "vsock:3:1"), Exit::Bind);
    assert_eq!(failed(Phase::Connecting, "[fe80::1]:1"), Exit::Bind);
}
