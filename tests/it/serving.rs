//! What the servers of many share: how many, what they cost, how they are asked and how they end.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};
use socket2::{Domain, SockAddr, Socket, Type};

use crate::support::{
    Ctx, PATIENCE, Proc, SOON, connect, is_big, one_bulk_at_a_time, poll_until, read_all, read_exactly, stays_silent,
    trials, udp,
};

pub(crate) fn tests() -> Vec<Trial> {
    trials!["serving";
        thousands_at_echo [] 300,
        thousands_at_time [] 300,
        thousands_at_chat [] 300,
        thousands_join_a_chat_at_once [] 300,
        soft_limit_is_raised,
        soft_limit_of_programs_is_not,
        unreachable_max_conns_is_told [Prlimit],
        max_conns_leaves_the_rest_waiting,
        grace_bounds_the_end,
        sessions_end_themselves_within_grace,
        sigusr1_asks,
        sigusr1_asks_a_datagram_server,
        stats_at_the_end,
        stats_as_an_event,
        flags_without_sessions_side_by_side,
        flags_about_clients_where_nobody_is_accepted,
        turned_away_is_not_nobody,
    ]
}

/// This process holds the other ends of thousands.
pub(crate) fn raise_limit() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
}

/// A connection from an address of its own, for one has not enough ports for all that have been there lately.
pub(crate) fn from(source: Ipv4Addr, server: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((source, 0)).into()).unwrap();
    socket.connect(&server.into()).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.into()
}

/// Where thousands come to.
enum Door {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl Door {
    fn come(&self, nth: usize) -> Socket {
        match self {
            Self::Tcp(addr) => from(Ipv4Addr::new(127, 88, 0, 1 + (nth / 2000) as u8), *addr).into(),
            Self::Unix(path) => {
                let socket = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
                socket.connect(&SockAddr::unix(path).unwrap()).unwrap();
                socket.set_read_timeout(Some(PATIENCE)).unwrap();
                socket
            }
        }
    }
}

/// What they say and what they have to hear, one after another or all at once.
struct Thousands<'a> {
    message: &'a dyn Fn(usize) -> String,
    is_answer: &'a dyn Fn(usize, &str) -> bool,
    at_once: bool,
}

fn thousands(server: &Proc, door: &Door, each: &Thousands) {
    let _alone = one_bulk_at_a_time();
    raise_limit();
    let count = if is_big() { 10_000 } else { 1_000 };
    let say = |mut socket: &Socket, n: usize| socket.write_all((each.message)(n).as_bytes()).unwrap();
    let hear = |mut socket: &Socket, n: usize| {
        let (mut buffer, mut said) = ([0; 4096], String::new());
        while !(each.is_answer)(n, &said) {
            let len = match socket.read(&mut buffer) {
                // With a timeout set it is not begun again after a signal that has a handler (signal(7)).
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                read => read.unwrap_or_else(|e| panic!("client {n}: {e} after {said:?}")),
            };
            assert!(len > 0, "client {n}: {said:?}");
            said.push_str(&String::from_utf8_lossy(&buffer[..len]));
        }
    };
    // What the first session touches does not count.
    let first = door.come(0);
    say(&first, 0);
    hear(&first, 0);
    let idle = server.fds() - 1;
    drop(first);
    poll_until("the first to be gone", || (server.fds() == idle).then_some(()));
    let before = server.memory();
    let sockets: Vec<Socket> = (0..count).map(|n| door.come(n)).collect();
    // Every one is served, while all the others are there.
    for (n, socket) in sockets.iter().enumerate() {
        say(socket, n);
        if !each.at_once {
            hear(socket, n);
        }
    }
    if each.at_once {
        sockets.iter().enumerate().for_each(|(n, socket)| hear(socket, n));
    }
    let with = server.memory();
    // What is there once, however many come: the allocator takes 128 KiB at a time, and a room keeps what was said
    // last. Only a chat over UNIX sockets is nearer to the limit than that.
    let once = if matches!(door, Door::Unix(_)) { 256 << 10 } else { 0 };
    let each = with.saturating_sub(before + once) / count as u64;
    assert!(each <= 2048, "{each} bytes for each of {count}");
    drop(sockets);
    poll_until("all to be gone", || (server.fds() == idle).then_some(()));
    let after = server.memory();
    assert!(after * 10 <= before * 12, "{before} bytes before, {with} with {count}, {after} after");
}

/// The same over both families. As most shells have it, the soft limit is low; the server raises it itself.
fn thousands_at(t: &Ctx, command: &[&str], each: &Thousands) {
    let server = |addr: &str| t.sockkit(command).args(&["-q", addr]).prelude("ulimit -S -n 256").server();
    let tcp = server("127.0.0.1:0");
    thousands(&tcp, &Door::Tcp(tcp.socket_addr()), each);
    drop(tcp);
    thousands(&server(&format!("unix:{}", t.file("s"))), &Door::Unix(t.path("s")), each);
}

fn thousands_at_echo(t: &Ctx) {
    let (message, is_answer) = (|n| format!("client {n}"), |n, said: &str| said == format!("client {n}"));
    thousands_at(t, &["echo"], &Thousands { message: &message, is_answer: &is_answer, at_once: false });
}

fn thousands_at_time(t: &Ctx) {
    let (message, is_answer) = (|n| format!("client {n}"), |n, said: &str| said.starts_with(&format!("[client {n}] ")));
    thousands_at(t, &["time"], &Thousands { message: &message, is_answer: &is_answer, at_once: false });
}

/// Each has a name, and has heard that it has.
fn is_in(n: usize, said: &str) -> bool {
    said.split_once(&format!("-- you are client{n} in lobby; ")).is_some_and(|(_, rest)| rest.contains('\n'))
}

fn thousands_at_chat(t: &Ctx) {
    let each = Thousands { message: &|n| format!("client{n}\n"), is_answer: &is_in, at_once: false };
    thousands_at(t, &["chat", "serve"], &each);
}

fn thousands_join_a_chat_at_once(t: &Ctx) {
    let each = Thousands { message: &|n| format!("client{n}\n"), is_answer: &is_in, at_once: true };
    thousands_at(t, &["chat", "serve"], &each);
}

fn soft_limit_is_raised(t: &Ctx) {
    let server = t.sockkit(&["echo", "127.0.0.1:0"]).prelude("ulimit -S -n 64").server();
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", server.pid().as_raw_nonzero())).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let field: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(field[3], field[4], "{line}");
}

fn soft_limit_of_programs_is_not(t: &Ctx) {
    let server = t.listen(&["-k", "--sh", "ulimit -S -n", "127.0.0.1:0"]).prelude("ulimit -S -n 64").server();
    assert_eq!(read_exactly(connect(server.socket_addr()), 3), b"64\n");
}

fn unreachable_max_conns_is_told(t: &Ctx) {
    let limit = ["prlimit", "--nofile=100"];
    let server = t.sockkit(&["echo", "--max-conns", "200", "127.0.0.1:0"]).under(&limit).server();
    server.stderr.wait_for("--max-conns 200 cannot be reached: 100 descriptors");
    // It serves as many as it can, and says once that it cannot take more.
    let streams: Vec<TcpStream> = (0..120).map(|_| connect(server.socket_addr())).collect();
    server.stderr.wait_for("cannot take more connections for now");
    for _ in 0..20 {
        let mut stream = &streams[0];
        stream.write_all(b"ping").unwrap();
        assert_eq!(read_exactly(stream, 4), b"ping");
    }
    assert_eq!(server.stderr.text().matches("cannot take more").count(), 1);
    drop(streams);
    let mut late = connect(server.socket_addr());
    late.write_all(b"ping").unwrap();
    assert_eq!(read_exactly(&late, 4), b"ping");
    assert_eq!(server.stderr.text().matches("cannot take more").count(), 1, "{}", server.stderr.text());
}

fn max_conns_leaves_the_rest_waiting(t: &Ctx) {
    let server = t.sockkit(&["echo", "-m", "2", "127.0.0.1:0"]).server();
    let mut streams: Vec<TcpStream> = (0..3).map(|_| connect(server.socket_addr())).collect();
    for stream in &mut streams {
        stream.write_all(b"ping").unwrap();
    }
    assert_eq!(read_exactly(&streams[0], 4), b"ping");
    assert_eq!(read_exactly(&streams[1], 4), b"ping");
    // It is in the backlog, connected, and not answered.
    stays_silent(&streams[2], Duration::from_millis(200));
    drop(streams.remove(0));
    assert_eq!(read_exactly(&streams[1], 4), b"ping");
}

fn grace_bounds_the_end(t: &Ctx) {
    let mut server = t.sockkit(&["echo", "--grace", "300ms", "127.0.0.1:0"]).server();
    let stream = connect(server.socket_addr());
    // It reads nothing, so what is to be sent to it never is.
    stream.set_nonblocking(true).unwrap();
    let mut blocked = Instant::now();
    while blocked.elapsed() < Duration::from_millis(300) {
        if (&stream).write(&[0; 65_536]).is_ok() {
            blocked = Instant::now();
        }
        std::thread::yield_now();
    }
    let begin = Instant::now();
    server.signal(Signal::TERM);
    let exit = server.wait();
    exit.code(143).says(&["1 session did not end in time (--grace)"]);
    assert!(begin.elapsed() >= Duration::from_millis(300) && begin.elapsed() < SOON, "{:?}", begin.elapsed());
}

fn sessions_end_themselves_within_grace(t: &Ctx) {
    let mut server = t.sockkit(&["echo", "--grace", "1h", "127.0.0.1:0"]).server();
    let mut stream = connect(server.socket_addr());
    stream.write_all(b"last words").unwrap();
    assert_eq!(read_exactly(&stream, 10), b"last words");
    server.signal(Signal::TERM);
    // An end, and no reset.
    assert_eq!(stream.read(&mut [0; 10]).unwrap(), 0);
    server.wait().code(143).within(SOON).says_not(&["--grace"]);
}

fn sigusr1_asks(t: &Ctx) {
    let server = t.sockkit(&["echo", "--deny", "127.0.0.9", "127.0.0.1:0"]).server();
    let mut stream = connect(server.socket_addr());
    stream.write_all(b"ping").unwrap();
    assert_eq!(read_exactly(&stream, 4), b"ping");
    drop(from(Ipv4Addr::new(127, 0, 0, 9), server.socket_addr()));
    server.stderr.wait_for("denied");
    server.signal(Signal::USR1);
    server.stderr.wait_for("1 sessions now, 1 in all; sent 4 bytes, received 4 bytes; denied 1; up ");
    // And again, while it serves on.
    drop(stream);
    server.stderr.wait_for("closed");
    server.signal(Signal::USR1);
    server.stderr.wait_for("0 sessions now, 1 in all");
}

fn sigusr1_asks_a_datagram_server(t: &Ctx) {
    let server = t.sockkit(&["echo", "-u", "127.0.0.1:0"]).server();
    let socket = udp();
    socket.send_to(b"ping", server.socket_addr()).unwrap();
    socket.recv(&mut [0; 10]).unwrap();
    server.signal(Signal::USR1);
    server.stderr.wait_for("1 sessions now, 1 in all; sent 4 bytes, received 4 bytes; up ");
}

fn stats_at_the_end(t: &Ctx) {
    let mut server = t.sockkit(&["echo", "--stats", "--count", "1", "127.0.0.1:0"]).server();
    drop(connect(server.socket_addr()));
    server.wait().code(0).says(&["0 sessions now, 1 in all"]);
    let mut server = t.sockkit(&["echo", "127.0.0.1:0"]).server();
    server.signal(Signal::TERM);
    server.wait().code(143).says_not(&["in all"]);
}

fn flags_without_sessions_side_by_side(t: &Ctx) {
    for args in
        [&["listen", "--grace", "1s"][..], &["listen", "-k", "--grace", "1s"], &["echo", "--never-accept", "--stats"]]
    {
        t.sockkit(args).args(&["127.0.0.1:0"]).run(b"").code(2).says(&["side by side"]);
    }
}

fn flags_about_clients_where_nobody_is_accepted(t: &Ctx) {
    for flags in [&["--accept-timeout", "1s"][..], &["-m", "3"], &["--allow", "::1"], &["--deny", "::1"]] {
        for command in [&["listen", "--no-accept"][..], &["echo", "--never-accept"]] {
            t.sockkit(command).args(flags).args(&["127.0.0.1:0"]).run(b"").code(2).says(&["which nobody is here"]);
        }
    }
    for flag in ["--stay", "--crlf", "--send-only"] {
        for handler in ["--no-accept", "--discard"] {
            t.listen(&[handler, flag, "127.0.0.1:0"]).run(b"").code(2).says(&[flag, "leaves alone"]);
        }
    }
}

fn stats_as_an_event(t: &Ctx) {
    let mut server = t.sockkit(&["echo", "--json", "--stats", "127.0.0.1:0"]).server();
    server.signal(Signal::TERM);
    let text = server.wait().code(143).stdout.text();
    let line = text.lines().find(|line| line.contains("\"event\":\"stats\"")).unwrap();
    let event: serde_json::Value = serde_json::from_str(line).unwrap();
    for key in ["sessions", "total", "sent", "received", "denied", "exhausted"] {
        assert_eq!(event[key], 0, "{line}");
    }
    assert!(event["uptime"].as_f64().unwrap() < 10.0, "{line}");
}

/// Who came and was turned away is not nobody.
fn turned_away_is_not_nobody(t: &Ctx) {
    for command in ["listen", "echo"] {
        let args = ["--deny", "127.0.0.1", "--accept-timeout", "2s", "127.0.0.1:0"];
        let mut server = t.sockkit(&[command]).args(&args).piped().server();
        let client = connect(server.socket_addr());
        assert_eq!(read_all(&client), b"");
        let exit = server.wait();
        exit.code(7).says(&[
            "nobody was let in within 2s",
            "cause: the one client that came to 127.0.0.1:",
            "turned away",
        ]);
        exit.says_not(&["no client came", "nobody came within"]);
    }
    let nobody = t.listen(&["--accept-timeout", "10ms", "--deny", "127.0.0.1", "127.0.0.1:0"]).run(b"");
    nobody.code(7).says(&["nobody came within 10ms", "cause: no client came to "]);
}
