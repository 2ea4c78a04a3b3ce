//! `sockkit relay`: any endpoint to any other, whole, in order, with its ends and its resets.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use rustix::net::{RecvFlags, SendFlags, SocketAddrAny, recvfrom, sendto};
use rustix::process::Signal;
use socket2::{Domain, SockAddr, Socket, Type};

use crate::support::{
    Ctx, Data, In, PATIENCE, Proc, SOON, accept, big, check_stream, connect, is_big, let_pass, listener,
    one_bulk_at_a_time, poll_until, read_all, read_exactly, readable, reset, shut_write, stays_silent, trials,
    try_connect, udp,
};

pub(crate) fn tests() -> Vec<Trial> {
    trials!["relay";
        every_pair_of_streams [Ipv6] 900,
        every_pair_of_messages,
        inherited_connections,
        streams_into_messages_and_back,
        udp_has_a_session_for_each_peer,
        a_refused_datagram_ends_nothing,
        half_close_up,
        half_close_down,
        a_reset_of_the_client_reaches_the_target,
        a_reset_of_the_target_reaches_the_client,
        what_came_before_a_reset_arrives,
        a_client_that_is_gone_is_seen_by_a_silent_target,
        an_unreachable_target_resets_and_the_relay_goes_on,
        a_target_that_comes_late_with_retry,
        a_slow_target_harms_nobody_else,
        a_slow_reader_harms_nobody_else,
        stalled_readers_cost_little 120,
        nothing_is_lost_on_stop_and_go,
        a_thousand_at_once 300,
        in_a_circle_is_refused,
        a_hidden_circle_is_seen,
        socket_options_are_for_the_side_they_fit,
        built_in_targets,
        curl_through_it [Curl, Python3],
        socat_and_ncat_through_it [Socat, Ncat],
    ]
}

/// A relay from a fresh loopback port to `connect`.
#[track_caller]
pub(crate) fn relay(t: &Ctx, args: &[&str], connect: &str) -> Proc {
    t.sockkit(&["relay"]).args(args).args(&["127.0.0.1:0", connect]).server()
}

/// One kind of endpoint, as an address to listen on and the socket that goes with it.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Tcp4,
    Tcp6,
    Path,
    Abstract,
}

const STREAMS: [Kind; 4] = [Kind::Tcp4, Kind::Tcp6, Kind::Path, Kind::Abstract];

impl Kind {
    /// An address of this kind that nobody has.
    fn fresh(self, t: &Ctx, name: &str) -> String {
        match self {
            Self::Tcp4 => "127.0.0.1:0".to_owned(),
            Self::Tcp6 => "[::1]:0".to_owned(),
            Self::Path => format!("unix:{}", t.file(name)),
            Self::Abstract => format!("unix:@{}", t.file(name)),
        }
    }

    fn socket(self) -> Socket {
        let (domain, kind) = match self {
            Self::Tcp4 => (Domain::IPV4, Type::STREAM),
            Self::Tcp6 => (Domain::IPV6, Type::STREAM),
            Self::Path | Self::Abstract => (Domain::UNIX, Type::STREAM),
        };
        let socket = Socket::new(domain, kind, None).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_write_timeout(Some(PATIENCE)).unwrap();
        socket
    }

    /// The kernel's form of an address in our grammar.
    fn address(self, text: &str) -> SockAddr {
        match self {
            Self::Tcp4 | Self::Tcp6 => text.parse::<SocketAddr>().unwrap().into(),
            _ => match text.split_once(':').unwrap().1.split_once('@') {
                Some(("", name)) => SockAddr::unix(format!("\0{name}")).unwrap(),
                _ => SockAddr::unix(PathBuf::from(text.split_once(':').unwrap().1)).unwrap(),
            },
        }
    }

    /// A listener of the test's own, and its address as the relay takes it.
    fn listen(self, t: &Ctx, name: &str) -> (Socket, String) {
        let (socket, text) = (self.socket(), self.fresh(t, name));
        socket.bind(&self.address(&text)).unwrap();
        socket.listen(100).unwrap();
        let text = match socket.local_addr().unwrap().as_socket() {
            Some(address) => address.to_string(),
            None => text,
        };
        (socket, text)
    }

    fn connect(self, to: &str) -> Socket {
        let socket = self.socket();
        socket.connect(&self.address(to)).unwrap_or_else(|error| panic!("connect to {to}: {error}"));
        socket
    }
}

/// What both ends of a cable have to see: each sends its stream, ends, and gets the other's to its end.
#[track_caller]
fn both_ways(one: &Socket, other: &Socket, len: u64, what: &str) {
    let (up, down) = (Data::new(11), Data::new(12));
    std::thread::scope(|scope| {
        let ends: Vec<_> = [(one, up, down), (other, down, up)]
            .into_iter()
            .flat_map(|(socket, mine, theirs)| {
                let writer = scope.spawn(move || {
                    let mut to = socket;
                    io::copy(&mut mine.reader(len), &mut to).map_err(|error| error.to_string())?;
                    socket.shutdown(Shutdown::Write).map_err(|error| error.to_string())
                });
                let reader = scope.spawn(move || match check_stream(socket, theirs) {
                    (got, None) if got == len => Ok(()),
                    (got, wrong) => Err(format!("{got} of {len}: {wrong:?}")),
                });
                [writer, reader]
            })
            .collect();
        for end in ends {
            end.join().unwrap().unwrap_or_else(|error| panic!("{what}: {error}"));
        }
    });
}

fn accepted(listener: &Socket) -> Socket {
    assert!(readable(listener, PATIENCE), "nobody connected");
    let socket = listener.accept().unwrap().0;
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.set_write_timeout(Some(PATIENCE)).unwrap();
    socket
}

fn every_pair_of_streams(t: &Ctx) {
    let _alone = one_bulk_at_a_time();
    for (a, from) in STREAMS.into_iter().enumerate() {
        for (b, to) in STREAMS.into_iter().enumerate() {
            let len = match (is_big(), a == b) {
                (true, _) => big(),
                (false, true) => 64 << 20,
                (false, false) => 8 << 20,
            };
            let (listener, address) = to.listen(t, &format!("to-{a}-{b}"));
            let fresh = from.fresh(t, &format!("from-{a}-{b}"));
            let relay = t.sockkit(&["relay", &fresh, &address]).server();
            let client = from.connect(relay.addr());
            let target = accepted(&listener);
            both_ways(&client, &target, len, &format!("{from:?} to {to:?}"));
            relay.stderr.wait_for(&format!("up {len} bytes, down {len} bytes"));
        }
    }
    // The same by copying, for somebody looks.
    let (listener, address) = Kind::Tcp4.listen(t, "looked-at");
    let relay = t.sockkit(&["relay", "--events", &t.file("events"), "127.0.0.1:0", &address]).server();
    let client = Kind::Tcp4.connect(relay.addr());
    both_ways(&client, &accepted(&listener), 4 << 20, "looked at");
}

/// Sockets for messages, bound and connected through a relay.
fn messages(t: &Ctx, kind: &str, nth: usize) -> (Proc, Socket, Socket) {
    let (from, to) = kind.split_once(' ').unwrap();
    let unix = |name: &str| SockAddr::unix(t.path(&format!("{name}-{nth}"))).unwrap();
    let open = |what: &str| {
        let (domain, kind) = match what {
            "udp" => (Domain::IPV4, Type::DGRAM),
            "dgram" => (Domain::UNIX, Type::DGRAM),
            _ => (Domain::UNIX, Type::SEQPACKET),
        };
        let socket = Socket::new(domain, kind, None).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket
    };
    let target = open(to);
    let connect = match to {
        "udp" => {
            target.bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into()).unwrap();
            format!("udp://{}", target.local_addr().unwrap().as_socket().unwrap())
        }
        kind => {
            target.bind(&unix("target")).unwrap();
            format!("unix-{kind}:{}", t.file(&format!("target-{nth}")))
        }
    };
    if to == "seqpacket" {
        target.listen(1).unwrap();
    }
    let listen = match from {
        "udp" => "udp://127.0.0.1:0".to_owned(),
        kind => format!("unix-{kind}:{}", t.file(&format!("relay-{nth}"))),
    };
    let relay = t.sockkit(&["relay", &listen, &connect]).server();
    let client = open(from);
    match from {
        "udp" => client.connect(&relay.socket_addr().into()).unwrap(),
        "dgram" => {
            client.bind(&unix("client")).unwrap();
            client.connect(&unix("relay")).unwrap();
        }
        _ => client.connect(&unix("relay")).unwrap(),
    }
    // A datagram client is not there before it has said something.
    if from != "seqpacket" {
        client.send(b"hello").unwrap();
    }
    let target = if to == "seqpacket" { accepted(&target) } else { target };
    if from != "seqpacket" {
        assert_eq!(message(&target).0, b"hello");
    }
    (relay, client, target)
}

fn message(socket: &Socket) -> (Vec<u8>, Option<SocketAddrAny>) {
    let mut buffer = vec![0; 70_000];
    let (_, len, from) = recvfrom(socket, &mut buffer, RecvFlags::empty()).expect("a message");
    buffer.truncate(len);
    (buffer, from)
}

fn every_pair_of_messages(t: &Ctx) {
    for (nth, kind) in [
        "udp udp",
        "udp dgram",
        "udp seqpacket",
        "dgram udp",
        "dgram dgram",
        "dgram seqpacket",
        "seqpacket udp",
        "seqpacket dgram",
        "seqpacket seqpacket",
    ]
    .into_iter()
    .enumerate()
    {
        let (relay, client, target) = messages(t, kind, nth);
        for (n, len) in [1, 0, 1472, 9000, 65_507, 3].into_iter().enumerate() {
            let bytes = Data::new(n as u64).bytes(len);
            client.send(&bytes).unwrap_or_else(|error| panic!("{kind}, {len}: {error}"));
            let (got, from) = message(&target);
            assert!(got == bytes, "{kind}: {} of {len} bytes came", got.len());
            // And an answer of the same size.
            match from {
                Some(from) if !kind.ends_with("seqpacket") => {
                    sendto(&target, &bytes, SendFlags::empty(), &from).unwrap()
                }
                _ => target.send(&bytes).unwrap(),
            };
            assert!(message(&client).0 == bytes, "{kind}: the answer of {len}");
        }
        if kind == "seqpacket seqpacket" {
            client.shutdown(Shutdown::Write).unwrap();
            assert_eq!(message(&target).0, b"");
            target.send(b"last").unwrap();
            drop(target);
            assert_eq!((message(&client).0, message(&client).0), (b"last".to_vec(), Vec::new()));
            relay.stderr.wait_for("the client ended first");
        }
    }
}

fn inherited_connections(t: &Ctx) {
    // As inetd hands them over: the session is there already, and the relay ends with it.
    let (listener, address) = listener();
    let (ours, theirs) = UnixStream::pair().unwrap();
    let mut relay = t.sockkit(&["relay", "fd:0", &address]).stdin(In::Fd(theirs.into())).server();
    let target = accept(&listener);
    both_ways(&OwnedFd::from(ours).into(), &OwnedFd::from(target).into(), 4 << 20, "fd to tcp");
    relay.wait().code(0);

    let (ours, theirs) = UnixStream::pair().unwrap();
    let mut relay = t.sockkit(&["relay", "127.0.0.1:0", "fd:0"]).stdin(In::Fd(theirs.into())).server();
    let client = connect(relay.socket_addr());
    both_ways(&OwnedFd::from(client).into(), &OwnedFd::from(ours).into(), 4 << 20, "tcp to fd");
    relay.wait().code(0).says(&["ended first"]);

    // A listener that somebody else made.
    let (listener, address) = crate::support::listener();
    let theirs = TcpListener::bind("127.0.0.1:0").unwrap();
    let relay_addr = theirs.local_addr().unwrap();
    let _relay = t.sockkit(&["relay", "fd:0", &address]).stdin(In::Fd(theirs.into())).server();
    let client = connect(relay_addr);
    both_ways(&OwnedFd::from(client).into(), &OwnedFd::from(accept(&listener)).into(), 1 << 20, "listener");
    t.sockkit(&["relay", "127.0.0.1:0", "fd:77"]).run(b"").code(2).says(&["descriptor 77 is not open"]);
}

fn streams_into_messages_and_back(t: &Ctx) {
    let target = udp();
    let relay = relay(t, &[], &format!("udp://{}", target.local_addr().unwrap()));
    let mut client = connect(relay.socket_addr());
    let mut buffer = [0; 70_000];
    // What one read returns is a message, of 8 KiB at the most.
    client.write_all(b"one").unwrap();
    let (len, from) = target.recv_from(&mut buffer).unwrap();
    assert_eq!(&buffer[..len], b"one");
    target.send_to(b"an", from).unwrap();
    target.send_to(b"", from).unwrap();
    target.send_to(b"swer", from).unwrap();
    assert_eq!(read_exactly(&client, 6), b"answer");
    let bytes = Data::new(5).bytes(40_000);
    client.write_all(&bytes).unwrap();
    let mut got = Vec::new();
    while got.len() < bytes.len() {
        let len = target.recv(&mut buffer).unwrap();
        assert!(len <= 8192, "{len}");
        got.extend_from_slice(&buffer[..len]);
    }
    assert!(got == bytes);
    // An answer may come after the client has ended, and when no more comes, that is the end.
    shut_write(&client);
    target.send_to(b"late", from).unwrap();
    assert_eq!(read_all(&client), b"late");
    relay.stderr.wait_for("the client ended first");

    let (listener, address) = listener();
    let relay = t.sockkit(&["relay", "-i", "300ms", "udp://127.0.0.1:0", &format!("tcp://{address}")]).server();
    let client = udp();
    client.connect(relay.socket_addr()).unwrap();
    client.send(b"as a ").unwrap();
    client.send(b"").unwrap();
    client.send(b"stream").unwrap();
    let mut target = accept(&listener);
    assert_eq!(read_exactly(&target, 11), b"as a stream");
    target.write_all(b"a message").unwrap();
    let len = client.recv(&mut buffer).unwrap();
    assert_eq!(&buffer[..len], b"a message");
    // The peer's silence is its end.
    assert_eq!(target.read(&mut buffer).unwrap(), 0);
    relay.stderr.wait_for("the client is silent");
}

fn udp_has_a_session_for_each_peer(t: &Ctx) {
    let target = t.sockkit(&["echo", "-u", "127.0.0.1:0"]).server();
    let relay = t.sockkit(&["relay", "udp://127.0.0.1:0", target.addr()]).server();
    let clients: Vec<_> = (0..20).map(|_| udp()).collect();
    for round in 0..50 {
        for (n, client) in clients.iter().enumerate() {
            client.send_to(format!("{n} in {round}").as_bytes(), relay.socket_addr()).unwrap();
        }
        for (n, client) in clients.iter().enumerate() {
            let mut buffer = [0; 100];
            let len = client.recv(&mut buffer).unwrap();
            assert_eq!(String::from_utf8_lossy(&buffer[..len]), format!("{n} in {round}"));
        }
    }
    relay.signal(Signal::USR1);
    relay.stderr.wait_for("20 sessions now, 20 in all");
}

fn a_refused_datagram_ends_nothing(t: &Ctx) {
    let address = SocketAddr::from((t.loopback(), 4000));
    let relay = t.sockkit(&["relay", "udp://127.0.0.1:0", &format!("udp://{address}")]).server();
    let client = udp();
    client.connect(relay.socket_addr()).unwrap();
    client.send(b"nobody").unwrap();
    relay.stderr.wait_for("Connection refused: what is sent there is lost");
    // Somebody comes, and the session is the same.
    let target = std::net::UdpSocket::bind(address).unwrap();
    target.set_read_timeout(Some(PATIENCE)).unwrap();
    client.send(b"somebody").unwrap();
    let mut buffer = [0; 100];
    let (len, from) = target.recv_from(&mut buffer).unwrap();
    assert_eq!(&buffer[..len], b"somebody");
    target.send_to(b"yes", from).unwrap();
    assert_eq!(client.recv(&mut buffer).unwrap(), 3);
    // R37: a client that is gone before the answer comes.
    let gone = udp();
    gone.send_to(b"bye", relay.socket_addr()).unwrap();
    let (_, from) = target.recv_from(&mut buffer).unwrap();
    drop(gone);
    target.send_to(b"too late", from).unwrap();
    client.send(b"still").unwrap();
    target.recv_from(&mut buffer).unwrap();
    assert_eq!(relay.stderr.text().matches("is lost").count(), 1, "{}", relay.stderr.text());
}

fn half_close_up(t: &Ctx) {
    let (listener, address) = listener();
    let relay = relay(t, &[], &address);
    let mut client = connect(relay.socket_addr());
    client.write_all(b"request").unwrap();
    shut_write(&client);
    let mut target = accept(&listener);
    assert_eq!(read_all(&target), b"request");
    // R02: the answer comes when it comes.
    stays_silent(&client, Duration::from_millis(1200));
    target.write_all(b"answer").unwrap();
    drop(target);
    assert_eq!(read_all(&client), b"answer");
    relay.stderr.wait_for("up 7 bytes, down 6 bytes; the client ended first");
}

fn half_close_down(t: &Ctx) {
    let (listener, address) = listener();
    let relay = relay(t, &[], &address);
    let mut client = connect(relay.socket_addr());
    let mut target = accept(&listener);
    target.write_all(b"banner").unwrap();
    shut_write(&target);
    assert_eq!(read_all(&client), b"banner");
    stays_silent(&target, Duration::from_millis(300));
    client.write_all(b"still sent").unwrap();
    drop(client);
    assert_eq!(read_all(&target), b"still sent");
    relay.stderr.wait_for("up 10 bytes, down 6 bytes; the target ended first");
}

#[track_caller]
fn is_reset(mut stream: &TcpStream) {
    let mut buffer = [0; 65_536];
    loop {
        match stream.read(&mut buffer) {
            Ok(1..) => {}
            end => return assert_eq!(end.map_err(|error| error.kind()), Err(io::ErrorKind::ConnectionReset)),
        }
    }
}

/// Whoever comes here is reset, which connect(2) itself may be the first to find.
#[track_caller]
pub(crate) fn resets_who_comes(addr: SocketAddr) {
    match try_connect(addr) {
        Ok(stream) => is_reset(&stream),
        Err(error) => assert_eq!(error.kind(), io::ErrorKind::ConnectionReset),
    }
}

fn a_reset_of_the_client_reaches_the_target(t: &Ctx) {
    let (listener, address) = listener();
    let relay = relay(t, &[], &address);
    let client = connect(relay.socket_addr());
    let target = accept(&listener);
    reset(client);
    is_reset(&target);
    relay.stderr.wait_for("the client reset it");
    relay.stderr.wait_for("closed (reset)");
}

fn a_reset_of_the_target_reaches_the_client(t: &Ctx) {
    let (listener, address) = listener();
    let relay = relay(t, &[], &address);
    let mut client = connect(relay.socket_addr());
    let target = accept(&listener);
    client.write_all(b"x").unwrap();
    assert_eq!(read_exactly(&target, 1), b"x");
    reset(target);
    is_reset(&client);
    relay.stderr.wait_for("the target reset it");
    // And the relay goes on.
    let client = connect(relay.socket_addr());
    both_ways(&OwnedFd::from(client).into(), &OwnedFd::from(accept(&listener)).into(), 1 << 20, "afterwards");
}

fn what_came_before_a_reset_arrives(t: &Ctx) {
    let (listener, address) = listener();
    let relay = relay(t, &[], &address);
    for _ in 0..20 {
        let mut client = connect(relay.socket_addr());
        let target = accept(&listener);
        let data = Data::new(3);
        client.write_all(&data.bytes(50_000)).unwrap();
        poll_until("all to arrive", || (rustix::io::ioctl_fionread(&target).unwrap() == 50_000).then_some(()));
        reset(client);
        let (got, end) = check_stream(&target, data);
        assert!(end.is_some_and(|end| end.contains("reset")), "an end that was a reset");
        assert_eq!(got, 50_000);
    }
}

fn a_client_that_is_gone_is_seen_by_a_silent_target(t: &Ctx) {
    let (listener, address) = listener();
    let relay = relay(t, &[], &address);
    let client = connect(relay.socket_addr());
    shut_write(&client);
    let target = accept(&listener);
    assert_eq!(read_all(&target), b"");
    // Nobody receives from the client any more, and nothing is sent to it.
    reset(client);
    relay.stderr.wait_for("the client reset it");
    // It ended what it reads too.
    poll_until("the reset to arrive", || (&target).write(b"x").is_err().then_some(()));
}

fn an_unreachable_target_resets_and_the_relay_goes_on(t: &Ctx) {
    let place = SocketAddr::from((t.loopback(), 4000));
    let relay = relay(t, &[], &place.to_string());
    for _ in 0..3 {
        resets_who_comes(relay.socket_addr());
    }
    relay.stderr.wait_for(&format!("connecting, {place}: Connection refused"));
    relay.stderr.wait_for("cause: nothing listens on");
    relay.stderr.wait_for("closed (refused)");
    let listener = TcpListener::bind(place).unwrap();
    let client = connect(relay.socket_addr());
    both_ways(&OwnedFd::from(client).into(), &OwnedFd::from(accept(&listener)).into(), 1000, "afterwards");
    let refused = || relay.stderr.text().matches("closed (refused)").count();
    poll_until("all three to be told", || (refused() >= 3).then_some(()));
    assert_eq!(refused(), 3);

    // A UNIX client has no reset: it is closed.
    let path = t.file("s");
    let unix = t.sockkit(&["relay", &format!("unix:{path}"), "unix:/nonexistent/socket"]).server();
    assert_eq!(read_all(UnixStream::connect(&path).unwrap()), b"");
    unix.stderr.wait_for("/nonexistent");
    unix.stderr.wait_for("closed (unreachable)");
}

fn a_target_that_comes_late_with_retry(t: &Ctx) {
    let place = SocketAddr::from((t.loopback(), 4000));
    let relay = relay(t, &["--retry", "1m", "-v"], &place.to_string());
    let mut client = connect(relay.socket_addr());
    client.write_all(b"early").unwrap();
    relay.stderr.wait_for("Connection refused");
    let listener = TcpListener::bind(place).unwrap();
    assert_eq!(read_exactly(accept(&listener), 5), b"early");
}

fn a_slow_target_harms_nobody_else(t: &Ctx) {
    // A queue of one that nobody takes from: who comes after that gets no answer.
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let listener: TcpListener = socket.into();
    let relay = relay(t, &["-w", "1s"], &address.to_string());
    let mut client = connect(relay.socket_addr());
    let mut target = accept(&listener);
    let waiting: Vec<TcpStream> = (0..50).map(|_| connect(relay.socket_addr())).collect();
    let begin = Instant::now();
    for n in 0..100 {
        let text = format!("{n:10}");
        client.write_all(text.as_bytes()).unwrap();
        assert_eq!(read_exactly(&target, 10), text.as_bytes());
        target.write_all(text.as_bytes()).unwrap();
        assert_eq!(read_exactly(&client, 10), text.as_bytes());
    }
    assert!(begin.elapsed() < SOON, "{:?}", begin.elapsed());
    relay.stderr.wait_for("no answer within 1s (--connect-timeout)");
    relay.stderr.wait_for("closed (connect-timeout)");
    drop(waiting);
}

fn a_slow_reader_harms_nobody_else(t: &Ctx) {
    let (listener, address) = listener();
    let relay = relay(t, &[], &address);
    let stuck = connect(relay.socket_addr());
    let never = accept(&listener);
    let full = fill(&stuck);
    let (client, target) = (connect(relay.socket_addr()), accept(&listener));
    both_ways(&OwnedFd::from(client).into(), &OwnedFd::from(target).into(), 32 << 20, "beside it");
    // And once it reads, it is all there.
    shut_write(&stuck);
    assert_eq!(check_stream(&never, Data::new(1)), (full, None));
}

/// Sends until no more is taken; how much that was.
pub(crate) fn fill(stream: &TcpStream) -> u64 {
    stream.set_nonblocking(true).unwrap();
    let (mut sent, mut blocked) = (0, Instant::now());
    let mut data = Data::new(1).reader(1 << 40);
    let mut piece = Vec::new();
    while blocked.elapsed() < Duration::from_millis(300) {
        if piece.is_empty() {
            data.by_ref().take(65_536).read_to_end(&mut piece).unwrap();
        }
        match (&*stream).write(&piece) {
            Ok(len) => {
                sent += len as u64;
                piece.drain(..len);
                blocked = Instant::now();
            }
            Err(_) => let_pass(Duration::from_millis(1)),
        }
    }
    stream.set_nonblocking(false).unwrap();
    sent
}

fn stalled_readers_cost_little(t: &Ctx) {
    let (listener, address) = listener();
    let relay = relay(t, &["-q", "--sndbuf", "64k"], &address);
    drop((connect(relay.socket_addr()), accept(&listener)));
    let before = relay.memory();
    let stuck: Vec<_> = (0..100)
        .map(|_| {
            let client = connect(relay.socket_addr());
            client.set_nonblocking(true).unwrap();
            (client, accept(&listener))
        })
        .collect();
    let mut blocked = Instant::now();
    while blocked.elapsed() < Duration::from_millis(500) {
        for (client, _) in &stuck {
            if (&*client).write(&[7; 65_536]).is_ok() {
                blocked = Instant::now();
            }
        }
    }
    let each = relay.memory().saturating_sub(before) / stuck.len() as u64;
    assert!(each < 100 << 10, "{each} bytes for each");
    // No reader, no work. R38.
    let cpu = relay.cpu();
    let_pass(Duration::from_secs(1));
    assert!(relay.cpu() - cpu < Duration::from_millis(50), "{:?}", relay.cpu() - cpu);
}

fn nothing_is_lost_on_stop_and_go(t: &Ctx) {
    // R07: it is stopped and goes on twenty times in the middle of it all.
    let (listener, address) = listener();
    let relay = relay(t, &[], &address);
    let (client, target) = (connect(relay.socket_addr()), accept(&listener));
    let (done, is_done) = mpsc::channel();
    std::thread::scope(|scope| {
        let relay = &relay;
        scope.spawn(move || {
            for _ in 0..20 {
                relay.signal(Signal::STOP);
                relay.wait_stopped();
                let_pass(Duration::from_millis(5));
                relay.signal(Signal::CONT);
                let_pass(Duration::from_millis(5));
            }
            // What is asked for meanwhile does not disturb either. R08.
            while is_done.try_recv().is_err() {
                relay.signal(Signal::USR1);
                let_pass(Duration::from_millis(1));
            }
        });
        both_ways(&OwnedFd::from(client).into(), &OwnedFd::from(target).into(), 50 << 20, "stop and go");
        done.send(()).unwrap();
    });
}

fn a_thousand_at_once(t: &Ctx) {
    let _alone = one_bulk_at_a_time();
    crate::serving::raise_limit();
    let echo = t.sockkit(&["echo", "-q", "127.0.0.1:0"]).server();
    let relay = relay(t, &["-q"], echo.addr());
    let mut first = connect(relay.socket_addr());
    first.write_all(b"x").unwrap();
    assert_eq!(read_exactly(&first, 1), b"x");
    let idle = relay.fds() - 2;
    drop(first);
    let before = relay.memory();
    let streams: Vec<TcpStream> = (0..1000).map(|_| connect(relay.socket_addr())).collect();
    // All of them at once, each with words of its own, several times.
    for round in 0..5 {
        for (n, mut stream) in streams.iter().enumerate() {
            stream.write_all(format!("client {n:4} in round {round}").as_bytes()).unwrap();
        }
        for (n, stream) in streams.iter().enumerate() {
            let wanted = format!("client {n:4} in round {round}");
            assert_eq!(String::from_utf8_lossy(&read_exactly(stream, wanted.len())), wanted);
        }
    }
    let each = relay.memory().saturating_sub(before) / 1000;
    assert!(each < 8 << 10, "{each} bytes for each");
    drop(streams);
    poll_until(&format!("all but {idle} to be gone"), || (relay.fds() <= idle).then_some(()));
}

fn in_a_circle_is_refused(t: &Ctx) {
    for (listen, connect) in [
        ("127.0.0.1:4000", "127.0.0.1:4000"),
        (":4000", "localhost:4000"),
        ("@x", "@x"),
        ("udp://:4000", "udp://[::1]:4000"),
    ] {
        t.sockkit(&["relay", listen, connect]).run(b"").code(2).says(&["it leads in a circle"]);
    }
    t.sockkit(&["relay", "127.0.0.1:0"]).run(b"").code(2).says(&["<CONNECT>"]);
    t.sockkit(&["relay", "127.0.0.1:0", "nowhere:x:1"]).run(b"").code(2);
    t.sockkit(&["relay", "127.0.0.1:0", "127.0.0.1:1", "--seed", "1"]).run(b"").code(2).says(&["--seed is about"]);
    t.sockkit(&["relay", "127.0.0.1:0", "127.0.0.1:1", "--delay", "left=1s"])
        .run(b"")
        .code(2)
        .says(&["left=1s", "^^^^"]);
    t.sockkit(&["relay", "echo:", "127.0.0.1:1"]).run(b"").code(2);
}

fn a_hidden_circle_is_seen(t: &Ctx) {
    // By a name, and by a link.
    let place = t.loopback();
    let relay =
        t.sockkit(&["relay", &format!("{place}:4000"), "back.test:4000"]).hosts(&format!("{place} back.test\n"));
    if crate::support::Need::Root.missing().is_none() {
        let relay = relay.server();
        resets_who_comes(SocketAddr::from((place, 4000)));
        relay.stderr.wait_for("it leads back to this relay");
        // Of its lines, not of the words: an explanation may have them too.
        let says = |line: &str, what: &str| line.split([' ', ':']).find(|word| !word.starts_with('#')) == Some(what);
        let count = |what: &str| relay.stderr.text().lines().filter(|line| says(line, what)).count();
        poll_until("it to be over", || (count("closed") >= count("accepted")).then_some(()));
        assert!(count("accepted") < 5, "{}", relay.stderr.text());
    }
    std::os::unix::fs::symlink(t.path("s"), t.path("link")).unwrap();
    let relay = t.sockkit(&["relay", &format!("unix:{}", t.file("s")), &format!("unix:{}", t.file("link"))]).server();
    assert_eq!(read_all(UnixStream::connect(t.path("s")).unwrap()), b"");
    relay.stderr.wait_for("it leads back to this relay");
}

fn socket_options_are_for_the_side_they_fit(t: &Ctx) {
    let (listener, address) = listener();
    let path = t.file("s");
    let options = ["-v", "--nodelay", "--backlog", "7", "--rcvbuf", "64k"];
    let relay = t.sockkit(&["relay"]).args(&options).args(&[&format!("unix:{path}"), &address]).server();
    let _client = UnixStream::connect(&path).unwrap();
    accept(&listener);
    // Not the line of the sandbox, which has these words too.
    relay.stderr.wait_for(&format!("connected to {address}"));
    let said = relay.stderr.text();
    assert!(
        said.contains("backlog 7") && said.contains("option nodelay: ") && said.matches("option rcvbuf").count() >= 2,
        "{said}"
    );
    t.sockkit(&["relay", "--nodelay", "@a", "@b"])
        .run(b"")
        .code(2)
        .says(&["--nodelay does not apply to unix:@a, nor to unix:@b"]);
}

fn built_in_targets(t: &Ctx) {
    let relay = relay(t, &[], "echo:");
    for text in ["one", "two", "three"] {
        let mut client = connect(relay.socket_addr());
        client.write_all(text.as_bytes()).unwrap();
        shut_write(&client);
        assert_eq!(read_all(&client), text.as_bytes());
    }
}

fn curl_through_it(t: &Ctx) {
    std::fs::write(t.path("page"), Data::new(9).bytes(3_000_000)).unwrap();
    let mut server = t.peer("python3", &["-m", "http.server", "--bind", "127.0.0.1", "0"]).spawn();
    let port = server.wait_bound("tcp");
    let relay = relay(t, &[], &format!("127.0.0.1:{port}"));
    for _ in 0..5 {
        let page = t.peer("curl", &["-sS", &format!("http://{}/page", relay.socket_addr())]).run(b"");
        assert!(page.code(0).stdout.bytes() == Data::new(9).bytes(3_000_000));
    }
}

fn socat_and_ncat_through_it(t: &Ctx) {
    let mut server = t.peer("socat", &["TCP-LISTEN:0,bind=127.0.0.1,fork", "EXEC:cat"]).spawn();
    let port = server.wait_bound("tcp");
    let relay = relay(t, &[], &format!("127.0.0.1:{port}"));
    let port = relay.port().to_string();
    let data = Data::new(3).bytes(1 << 20);
    t.peer("ncat", &["127.0.0.1", &port]).run(&data).code(0).stdout(&data);
}
