use super::*;

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};

use crate::addr::{Transport, Unix, UnixKind, UnixName};
use crate::course::Course;
use crate::error::{Between, Held, NameAnswer, ProxyKind, Resolver, TimeWait, UnixPathState};

/// A busy machine must not make the tests fail; that there is a limit is tested with the readers.
fn unhurried() -> Ways<'static> {
    let deadline = Instant::now() + Duration::from_secs(20);
    Ways { resolv_conf: Path::new("/nonexistent"), deadline, patience: PATIENCE }
}

fn enriched(phase: Phase, endpoint: &Endpoint, source: io::Error) -> Vec<Fact> {
    let mut error = Error::os(phase, Some(endpoint), source);
    enrich_by(&mut error, &unhurried());
    // Whoever may ask the rules of this host is told that they let it out; no rule says otherwise here.
    error.facts.retain(|fact| *fact != Fact::LetOut);
    error.facts.clone()
}

fn tcp(address: SocketAddr) -> Endpoint {
    Endpoint::from_socket_addr(Transport::Tcp, address)
}

/// A glance does not find it among all the descriptors that the tests open side by side.
fn not_another(fact: &Fact) -> bool {
    match fact {
        Fact::Holder { process, .. } | Fact::Neighbour { process, .. } => {
            process.as_ref().is_none_or(|process| process.pid == std::process::id())
        }
        _ => false,
    }
}

fn ours(fact: &Fact) -> bool {
    matches!(fact, Fact::Holder { process: Some(process), .. } if process.pid == std::process::id())
}

#[test]
fn a_port_in_use_is_held_by_us() {
    for (held, asked) in [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("127.0.0.1", "0.0.0.0"), ("::", "::")]
    {
        let Ok(listener) = TcpListener::bind((held, 0)) else { continue };
        let local = listener.local_addr().unwrap();
        let asked = SocketAddr::new(asked.parse().unwrap(), local.port());
        let facts = enriched(Phase::Binding, &tcp(asked), TcpListener::bind(asked).unwrap_err());
        let Some(fact @ Fact::Holder { local: holder, overlaps: true, .. }) = facts.first() else {
            panic!("{facts:?}")
        };
        assert!(ours(fact), "{facts:?}");
        assert_eq!(*holder, tcp(local));
    }
}

#[test]
fn a_dual_stack_wildcard_holds_ipv4_too() {
    let Ok(listener) = TcpListener::bind("[::]:0") else { return };
    let asked = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), listener.local_addr().unwrap().port());
    let Err(error) = TcpListener::bind(asked) else { return };
    let facts = enriched(Phase::Binding, &tcp(asked), error);
    let held = [Held { other_user: None, state: None, orphan: false }].map(Fact::Held);
    assert!(matches!(&facts[..], [Fact::Holder { overlaps: true, .. }, _]) && ours(&facts[0]), "{facts:?}");
    assert_eq!(facts[1..], held);
}

#[test]
fn a_udp_port_in_use_is_held_by_us() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let local = socket.local_addr().unwrap();
    let endpoint = Endpoint::from_socket_addr(Transport::Udp, local);
    let facts = enriched(Phase::Binding, &endpoint, UdpSocket::bind(local).unwrap_err());
    assert!(matches!(&facts[..], [Fact::Holder { local: holder, overlaps: true, .. }, _] if *holder == endpoint));
    assert!(ours(&facts[0]), "{facts:?}");
}

#[test]
fn a_refused_port_has_a_neighbour() {
    let listener = TcpListener::bind("127.0.0.2:0").unwrap();
    let local = listener.local_addr().unwrap();
    let asked = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), local.port());
    let facts = enriched(Phase::Connecting, &tcp(asked), TcpStream::connect(asked).unwrap_err());
    let [near, others @ ..] = &facts[..] else { panic!("{facts:?}") };
    assert!(matches!(near, Fact::Holder { local: near, overlaps: false, .. } if *near == tcp(local)), "{facts:?}");
    assert!(not_another(near), "{facts:?}");
    // Of other tests, at this very moment.
    assert!(others.iter().all(|fact| matches!(fact, Fact::Neighbour { .. })), "{facts:?}");
}

#[test]
fn a_refused_port_is_one_off() {
    // An address of loopback that no other test has.
    for bind in ["127.91.0.1:0", "0.0.0.0:0"] {
        let listener = TcpListener::bind(bind).unwrap();
        let local = listener.local_addr().unwrap();
        let asked = SocketAddr::new(Ipv4Addr::new(127, 91, 0, 1).into(), local.port() - 1);
        // Somebody else may have that very port at every address.
        let Err(refused) = TcpStream::connect(asked) else { continue };
        let facts = enriched(Phase::Connecting, &tcp(asked), refused);
        let near = |fact: &Fact| match fact {
            Fact::Neighbour { local: near, .. } => *near == tcp(local) && not_another(fact),
            _ => false,
        };
        assert!(facts.iter().any(near), "{facts:?}");
        assert!(facts.iter().filter(|fact| matches!(fact, Fact::Neighbour { .. })).count() <= 3, "{facts:?}");
    }
}

#[test]
fn a_refused_udp_port_is_one_off() {
    let socket = UdpSocket::bind("127.91.0.2:0").unwrap();
    let local = socket.local_addr().unwrap();
    let asked = SocketAddr::new(local.ip(), local.port() - 1);
    let refused = io::Error::from_raw_os_error(libc::ECONNREFUSED);
    let facts = enriched(Phase::Receiving, &Endpoint::from_socket_addr(Transport::Udp, asked), refused);
    let near = Endpoint::from_socket_addr(Transport::Udp, local);
    assert!(facts.iter().any(|fact| matches!(fact, Fact::Neighbour { local, .. } if *local == near)), "{facts:?}");
}

#[test]
fn a_refused_port_may_be_one_of_udp() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let local = socket.local_addr().unwrap();
    let facts = enriched(Phase::Connecting, &tcp(local), TcpStream::connect(local).unwrap_err());
    let near = Endpoint::from_socket_addr(Transport::Udp, local);
    let udp = |fact: &Fact| matches!(fact, Fact::Holder { local, overlaps: false, .. } if *local == near);
    assert!(facts.first().is_some_and(udp), "{facts:?}");
}

#[test]
fn what_a_proxy_leads_to_is_not_looked_for_here() {
    let listener = TcpListener::bind("127.0.0.2:0").unwrap();
    let asked = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), listener.local_addr().unwrap().port());
    let between = Between { kind: ProxyKind::Socks5, proxy: "127.0.0.1:1080".parse().unwrap() };
    let limit = Duration::from_secs(1);
    for error in [
        Error::os(Phase::Connecting, Some(&tcp(asked)), io::Error::from_raw_os_error(libc::ECONNREFUSED)),
        Error::os(Phase::Receiving, Some(&tcp(asked)), io::Error::from_raw_os_error(libc::ETIMEDOUT)),
        Error::timed_out(Phase::Connecting, Some(&tcp(asked)), "--timeout", limit),
    ] {
        let mut error = error.beyond(Some(&between));
        enrich_by(&mut error, &unhurried());
        assert_eq!(error.facts, [Fact::Between(Box::new(between.clone()))]);
    }
}

#[test]
fn nothing_is_sent_another_way_than_was_asked_for() {
    let asked: SocketAddr = "127.0.0.1:9".parse().unwrap();
    let refused = || Error::os(Phase::Connecting, Some(&tcp(asked)), io::Error::from_raw_os_error(libc::ECONNREFUSED));
    let session = |accepted, steered| {
        let course = Course { accepted, steered, ..Course::default() };
        let reset = io::Error::from_raw_os_error(libc::ECONNRESET);
        let mut error = Error::os(Phase::Receiving, Some(&tcp(asked)), reset);
        error.facts.push(Fact::Course(Box::new(course)));
        error
    };
    let is_asked = |mut error: Error| {
        enrich_by(&mut error, &unhurried());
        error.facts.contains(&Fact::LetOut)
    };
    // Who may not ask, does not.
    let may = sys::is_stopped(asked) == Some(false);
    assert_eq!((is_asked(refused()), is_asked(session(false, false))), (may, may));
    let from = |source, interface| refused().knowing([Fact::From { source, interface }]);
    for error in [
        from(Some(asked.ip()), None),
        from(None, Some("lo".to_owned())),
        from(None, None),
        session(true, false),
        session(false, true),
    ] {
        assert!(!is_asked(error));
    }
}

#[test]
fn nothing_is_claimed_about_other_hosts() {
    let listener = TcpListener::bind("0.0.0.0:0").unwrap();
    let elsewhere = SocketAddr::new(Ipv4Addr::new(192, 0, 2, 1).into(), listener.local_addr().unwrap().port());
    let refused = io::Error::from_raw_os_error(libc::ECONNREFUSED);
    assert_eq!(enriched(Phase::Connecting, &tcp(elsewhere), refused), []);
}

#[test]
fn connections_in_time_wait_are_counted() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let local = listener.local_addr().unwrap();
    let client = TcpStream::connect(local).unwrap();
    // The side that closes first waits.
    drop(listener.accept().unwrap());
    let mut rest = Vec::new();
    io::Read::read_to_end(&mut &client, &mut rest).unwrap();
    drop(client);
    drop(listener);
    // The state changes a moment after the last close.
    for _ in 0..100 {
        let in_use = io::Error::from_raw_os_error(libc::EADDRINUSE);
        let facts = enriched(Phase::Binding, &tcp(local), in_use);
        if let [Fact::TimeWait(TimeWait { connections: 1, left: Some(left) })] = facts[..] {
            assert!(left <= Duration::from_secs(60), "{left:?}");
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("no TIME_WAIT seen on {local}");
}

#[test]
fn a_full_accept_queue_is_seen() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let local = listener.local_addr().unwrap();
    let _waiting = [TcpStream::connect(local).unwrap(), TcpStream::connect(local).unwrap()];
    let mut error = Error::timed_out(Phase::Connecting, Some(&tcp(local)), "--connect-timeout", Duration::from_secs(1));
    enrich_by(&mut error, &unhurried());
    assert!(ours(&error.facts[0]));
    assert!(matches!(error.facts[1], Fact::AcceptQueue { waiting: 2, limit: Some(128..) }), "{:?}", error.facts);
}

#[test]
fn an_address_not_ours_lists_ours() {
    let elsewhere: SocketAddr = "192.0.2.1:0".parse().unwrap();
    let facts = enriched(Phase::Binding, &tcp(elsewhere), TcpListener::bind(elsewhere).unwrap_err());
    let [Fact::LocalAddresses(ours)] = &facts[..] else { panic!("{facts:?}") };
    assert!(ours.contains(&Ipv4Addr::LOCALHOST.into()));
}

#[test]
fn a_privileged_port_brings_the_setting() {
    let denied = || io::Error::from_raw_os_error(libc::EACCES);
    let facts = enriched(Phase::Binding, &tcp("127.0.0.1:80".parse().unwrap()), denied());
    assert!(matches!(&facts[..], [Fact::Sysctl { name: "net.ipv4.ip_unprivileged_port_start", .. }]));
}

#[test]
fn too_many_descriptors_bring_the_limit() {
    let full = io::Error::from_raw_os_error(libc::EMFILE);
    let facts = enriched(Phase::Accepting, &tcp("127.0.0.1:80".parse().unwrap()), full);
    assert!(matches!(&facts[..], [Fact::Descriptors { limit: 1.. }]));
}

#[test]
fn every_attempt_is_looked_into() {
    // Addresses of loopback that no other test has.
    let listener = TcpListener::bind("127.91.0.3:0").unwrap();
    let held = tcp(listener.local_addr().unwrap());
    let asked = tcp(SocketAddr::new(Ipv4Addr::new(127, 91, 0, 4).into(), listener.local_addr().unwrap().port()));
    let attempt = || Error::os(Phase::Connecting, Some(&asked), io::Error::from_raw_os_error(libc::ECONNREFUSED));
    let mut error = Error::attempts(&asked, vec![attempt(), attempt()]);
    // The half second that a person waits may be too short for a busy machine.
    enrich_by(&mut error, &unhurried());
    enrich_by(&mut error, &unhurried());
    let Cause::Attempts(attempts) = &error.cause else { panic!() };
    let is_holder = |fact: &&Fact| matches!(fact, Fact::Holder { local, .. } if *local == held);
    let holders = |attempt: &Error| attempt.facts.iter().filter(is_holder).count();
    assert!(attempts.iter().all(|attempt| holders(attempt) == 1), "{attempts:?}");
}

#[test]
fn a_socket_is_told_once_whenever_its_process_is_found() {
    let listener = TcpListener::bind("127.91.0.5:0").unwrap();
    let held = tcp(listener.local_addr().unwrap());
    let mut error = Error::os(Phase::Binding, Some(&held), io::Error::from_raw_os_error(libc::EADDRINUSE));
    error.facts = vec![Fact::Holder { local: held, process: None, overlaps: true }];
    for _ in 0..2 {
        enrich_by(&mut error, &unhurried());
        assert!(error.facts.len() == 2 && ours(&error.facts[0]), "{:?}", error.facts);
    }
}

fn unix(kind: UnixKind, path: &Path) -> Endpoint {
    Endpoint::Unix(Unix { kind, name: UnixName::Path(path.to_owned()) })
}

fn state(phase: Phase, endpoint: &Endpoint, source: io::Error) -> UnixPathState {
    match enriched(phase, endpoint, source).into_iter().next() {
        Some(Fact::UnixPath(state)) => state,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_stands_at_a_path_is_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let connect =
        |path: &Path| state(Phase::Connecting, &unix(UnixKind::Stream, path), UnixStream::connect(path).unwrap_err());
    assert_eq!(connect(&at("none")), UnixPathState::Missing { deepest: dir.path().to_owned() });
    assert_eq!(connect(&at("no/such/dir")), UnixPathState::Missing { deepest: dir.path().to_owned() });
    std::fs::write(at("file"), "").unwrap();
    assert_eq!(connect(&at("file")), UnixPathState::NotASocket("a regular file"));
    assert_eq!(connect(&at("file/below")), UnixPathState::Missing { deepest: dir.path().to_owned() });
    assert_eq!(connect(dir.path()), UnixPathState::NotASocket("a directory"));
    std::os::unix::fs::symlink("nowhere", at("link")).unwrap();
    assert_eq!(connect(&at("link")), UnixPathState::NotASocket("a symbolic link that leads nowhere"));
    drop(UnixListener::bind(at("stale")).unwrap());
    assert_eq!(connect(&at("stale")), UnixPathState::Stale);
}

#[test]
fn a_path_that_is_served_says_by_whom_and_how() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("live");
    let _listener = UnixListener::bind(&path).unwrap();
    let live = state(Phase::Binding, &unix(UnixKind::Stream, &path), UnixListener::bind(&path).unwrap_err());
    assert!(
        matches!(live, UnixPathState::Live { kind: Some(UnixKind::Stream), process: Some(p) } if p.pid == std::process::id())
    );

    let path = dir.path().join("dgram");
    let _socket = UnixDatagram::bind(&path).unwrap();
    let wrong = UnixStream::connect(&path).unwrap_err();
    assert_eq!(wrong.raw_os_error(), Some(libc::EPROTOTYPE));
    let live = state(Phase::Connecting, &unix(UnixKind::Stream, &path), wrong);
    assert!(matches!(live, UnixPathState::Live { kind: Some(UnixKind::Dgram), .. }));

    // Through a link the name is another one than the kernel's.
    let link = dir.path().join("link");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let live = state(Phase::Connecting, &unix(UnixKind::Stream, &link), UnixStream::connect(&link).unwrap_err());
    assert!(matches!(live, UnixPathState::Live { kind: Some(UnixKind::Dgram), process: Some(_) }));
}

#[test]
fn a_listener_is_told_from_its_last_connection() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("gone");
    let listener = UnixListener::bind(&path).unwrap();
    let _client = UnixStream::connect(&path).unwrap();
    let _server = listener.accept().unwrap();
    drop(listener);
    let refused = UnixStream::connect(&path).unwrap_err();
    assert_eq!(state(Phase::Connecting, &unix(UnixKind::Stream, &path), refused), UnixPathState::Stale);
}

#[test]
fn a_mode_that_says_no_is_found_on_the_way() {
    use std::os::unix::fs::PermissionsExt as _;
    // Root may go anywhere.
    if rustix::process::geteuid().is_root() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let closed = dir.path().join("closed");
    std::fs::create_dir(&closed).unwrap();
    let path = closed.join("s");
    let _listener = UnixListener::bind(&path).unwrap();
    let mode = |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    let owner = rustix::process::geteuid().as_raw();

    mode(&path, 0o400);
    let denied = UnixStream::connect(&path).unwrap_err();
    let found = state(Phase::Connecting, &unix(UnixKind::Stream, &path), denied);
    assert_eq!(found, UnixPathState::Forbidden { at: path.clone(), mode: 0o400, owner });

    mode(&closed, 0o500);
    let other = closed.join("t");
    let denied = UnixListener::bind(&other).unwrap_err();
    let found = state(Phase::Binding, &unix(UnixKind::Stream, &other), denied);
    assert_eq!(found, UnixPathState::Forbidden { at: closed.clone(), mode: 0o500, owner });

    mode(&closed, 0o600);
    let denied = UnixStream::connect(&path).unwrap_err();
    let found = state(Phase::Connecting, &unix(UnixKind::Stream, &path), denied);
    assert_eq!(found, UnixPathState::Forbidden { at: closed.clone(), mode: 0o600, owner });
    mode(&closed, 0o700);
}

#[test]
fn a_name_that_does_not_resolve_is_asked_about() {
    let dir = tempfile::tempdir().unwrap();
    let resolv_conf = dir.path().join("resolv.conf");
    // No server listens on this address of loopback, so the answer is quick.
    std::fs::write(&resolv_conf, "nameserver 127.99.99.99\n").unwrap();
    let endpoint: Endpoint = "nowhere.example:80".parse().unwrap();
    let mut error = Error::text(Exit::Resolve, Phase::Resolving, Some(&endpoint), "");
    error.cause = Cause::Resolver { code: libc::EAI_AGAIN, text: String::new() };
    enrich_by(&mut error, &Ways { resolv_conf: &resolv_conf, ..unhurried() });
    let server = "127.99.99.99:53".parse().unwrap();
    assert_eq!(error.facts[0], Fact::NameServer { server, answer: NameAnswer::NoServer });
    let resolver = Resolver { servers: true, ..Resolver::default() };
    assert_eq!(error.facts[1..], [Fact::Resolver(resolver)]);
}

/// A name server that takes the question and never answers, as far as port 53 can be had.
#[test]
fn a_silent_name_server_is_not_given_more_than_is_left() {
    let Ok(_silent) = UdpSocket::bind("127.91.0.53:53") else { return };
    let dir = tempfile::tempdir().unwrap();
    let resolv_conf = dir.path().join("resolv.conf");
    std::fs::write(&resolv_conf, "nameserver 127.91.0.53\n").unwrap();
    let endpoint: Endpoint = "silent.example:80".parse().unwrap();
    let silence = [Fact::NameServer { server: "127.91.0.53:53".parse().unwrap(), answer: NameAnswer::Silence }];
    let after = |left, mut error: Error| {
        let started = Instant::now();
        enrich_by(&mut error, &Ways { resolv_conf: &resolv_conf, ..Ways::within(left) });
        assert_eq!(error.facts[..1], silence);
        started.elapsed()
    };
    let ours = || Error::timed_out(Phase::Resolving, Some(&endpoint), "--connect-timeout", Duration::from_millis(500));
    let theirs = || {
        let mut error = Error::text(Exit::Resolve, Phase::Resolving, Some(&endpoint), "");
        error.cause = Cause::Resolver { code: libc::EAI_AGAIN, text: String::new() };
        error
    };
    // Generous upwards, for a busy machine: what it must not be is the two seconds.
    let short = REMAINDER..Duration::from_millis(1500);
    assert!(short.contains(&after(Duration::ZERO, ours())));
    assert!(short.contains(&after(Duration::MAX, ours())));
    assert!(short.contains(&after(Duration::ZERO, theirs())));
    let left = Duration::from_millis(600);
    assert!((left..Duration::from_millis(1900)).contains(&after(left, theirs())));
}
