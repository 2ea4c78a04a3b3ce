//! What `sockkit relay` shares with the other servers: limits, rules, clocks, signals, descriptors.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use rustix::process::Signal;

use crate::relay::fill;
use crate::support::{
    Ctx, Data, PATIENCE, Proc, SOON, accept, check_stream, connect, let_pass, listener, poll_until, read_all,
    read_exactly, reset, shut_write, stays_silent, trials,
};

pub(crate) fn tests() -> Vec<Trial> {
    trials!["relay_serving";
        r10_a_reset_is_no_success,
        r16_slots_come_back,
        r17_without_descriptors [Prlimit],
        r24_one_vanished_client,
        r26_term_in_each_state,
        r26_term_lets_what_moves_go_on,
        r26_grace_is_given,
        r26_cut_short_is_a_reset,
        r38_no_work_without_bytes,
        max_conns_and_count,
        allow_and_deny,
        idle_timeout,
        stats_and_ready_file,
        deadline,
    ]
}

#[track_caller]
fn echo_through(stream: &TcpStream, text: &str) {
    let mut stream = stream;
    stream.write_all(text.as_bytes()).unwrap();
    assert_eq!(String::from_utf8_lossy(&read_exactly(stream, text.len())), text);
}

/// An echo server and a relay to it.
#[track_caller]
fn relay(t: &Ctx, args: &[&str]) -> (Proc, Proc) {
    let echo = t.sockkit(&["echo", "-q", "127.0.0.1:0"]).server();
    let relay = t.sockkit(&["relay"]).args(args).args(&["127.0.0.1:0", echo.addr()]).server();
    (relay, echo)
}

fn r10_a_reset_is_no_success(t: &Ctx) {
    // Of a target that is one connection, the program ends as the session did.
    let (listener, address) = listener();
    let mut relay = t.sockkit(&["relay", "--count", "1", "127.0.0.1:0", &address]).server();
    let client = connect(relay.socket_addr());
    let target = accept(&listener);
    (&client).write_all(b"x").unwrap();
    assert_eq!(read_exactly(&target, 1), b"x");
    reset(target);
    assert!((&client).read(&mut [0; 10]).is_err());
    relay.wait().code(0).says(&["the target reset it", "closed (reset)"]);
    let ours = TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = TcpStream::connect(ours.local_addr().unwrap()).unwrap();
    let target = accept(&ours);
    let mut relay = t.sockkit(&["relay", "127.0.0.1:0", "fd:0"]).stdin(crate::support::In::Fd(stream.into())).server();
    let client = connect(relay.socket_addr());
    reset(target);
    assert!((&client).read(&mut [0; 10]).is_err());
    relay.wait().code(9).says(&["Connection reset"]);
}

fn r16_slots_come_back(t: &Ctx) {
    let (relay, _echo) = relay(t, &["-q", "-m", "2", "--deny", "127.0.0.9"]);
    for n in 0..300 {
        let client = connect(relay.socket_addr());
        match n % 3 {
            0 => reset(client),
            1 => drop(client),
            _ => echo_through(&client, "x"),
        }
    }
    let streams: Vec<TcpStream> = (0..3).map(|_| connect(relay.socket_addr())).collect();
    echo_through(&streams[0], "one");
    echo_through(&streams[1], "two");
    (&streams[2]).write_all(b"three").unwrap();
    stays_silent(&streams[2], Duration::from_millis(200));
}

fn r17_without_descriptors(t: &Ctx) {
    let echo = t.sockkit(&["echo", "-q", "127.0.0.1:0"]).server();
    for args in [&[][..], &["-m", "30"]] {
        let relay = t.sockkit(&["relay"]).args(args).args(&["127.0.0.1:0", echo.addr()]);
        let relay = relay.under(&["prlimit", "--nofile=24"]).server();
        let streams: Vec<TcpStream> = (0..40).map(|_| connect(relay.socket_addr())).collect();
        echo_through(&streams[0], "first");
        let (cpu, begin) = (relay.cpu(), Instant::now());
        let_pass(Duration::from_secs(2));
        let used = relay.cpu() - cpu;
        assert!(used < Duration::from_millis(200), "{used:?} in {:?}", begin.elapsed());
        echo_through(&streams[0], "still");
        assert!(relay.stderr.text().matches("for now").count() <= 4, "{}", relay.stderr.text());
        // Who waits is served when others have gone.
        drop(streams);
        echo_through(&connect(relay.socket_addr()), "late");
    }
}

fn r24_one_vanished_client(t: &Ctx) {
    let (listener, address) = listener();
    let relay = t.sockkit(&["relay", "127.0.0.1:0", &address]).server();
    let mut pairs: Vec<_> = (0..3).map(|_| (connect(relay.socket_addr()), accept(&listener))).collect();
    let (gone, target) = pairs.remove(1);
    reset(gone);
    poll_until("the reset to arrive", || (&target).write(b"x").is_err().then_some(()));
    for (client, target) in &mut pairs {
        target.write_all(b"still there").unwrap();
        assert_eq!(read_exactly(client, 11), b"still there");
    }
}

fn r26_term_in_each_state(t: &Ctx) {
    let (listener, address) = listener();
    // Nobody there, idle, half closed, and connecting.
    for state in ["waiting", "idle", "half-closed", "connecting", "stalled"] {
        let to = if state == "connecting" { "127.0.0.1:1" } else { &address };
        let mut relay = t.sockkit(&["relay", "--retry", "1h", "127.0.0.1:0", to]).server();
        let client = (state != "waiting").then(|| connect(relay.socket_addr()));
        let target = (client.is_some() && state != "connecting").then(|| accept(&listener));
        match (state, &client) {
            ("half-closed", Some(client)) => {
                shut_write(client);
                assert_eq!(read_all(target.as_ref().unwrap()), b"");
            }
            ("stalled", Some(client)) => {
                fill(client);
            }
            ("connecting", _) => let_pass(Duration::from_millis(50)),
            _ => {}
        }
        // SIGINT and SIGHUP stay ignored where the shell that runs the tests had them ignored.
        relay.signal(Signal::TERM);
        relay.wait().code(143).within(SOON);
    }
}

fn r26_term_lets_what_moves_go_on(t: &Ctx) {
    let (listener, address) = listener();
    let mut relay = t.sockkit(&["relay", "--rate", "2m/s", "127.0.0.1:0", &address]).server();
    let (client, target) = (connect(relay.socket_addr()), accept(&listener));
    let data = Data::new(2);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            (&client).write_all(&data.bytes(3 << 20)).unwrap();
            shut_write(&client);
        });
        assert!(read_exactly(&target, 100_000) == data.bytes(100_000));
        relay.signal(Signal::TERM);
        let mut rest = data.bytes(3 << 20).split_off(100_000);
        assert!(read_all(&target) == std::mem::take(&mut rest));
    });
    drop(target);
    relay.wait().code(143);
}

/// Whether anybody listens at this port of 127.0.0.1, as proc(5) has it.
fn is_listening(port: u16) -> bool {
    let place = format!(" 0100007F:{port:04X} 00000000:0000 0A ");
    std::fs::read_to_string("/proc/net/tcp").unwrap().contains(&place)
}

fn r26_grace_is_given(t: &Ctx) {
    // With --grace, silence is no end: a slow answer has so long to come.
    let (listener, address) = listener();
    let mut relay = t.sockkit(&["relay", "--grace", "1m", "127.0.0.1:0", &address]).server();
    let (mut client, mut target) = (connect(relay.socket_addr()), accept(&listener));
    client.write_all(b"x").unwrap();
    assert_eq!(read_exactly(&target, 1), b"x");
    relay.signal(Signal::TERM);
    // Not tried by connecting, which while it still listens would be one more session that does not end.
    poll_until("nobody else to be taken", || (!is_listening(relay.port())).then_some(()));
    stays_silent(&client, Duration::from_millis(800));
    target.write_all(b"at last").unwrap();
    drop(target);
    assert_eq!(read_all(&client), b"at last");
    drop(client);
    relay.wait().code(143);
}

fn r26_cut_short_is_a_reset(t: &Ctx) {
    let (listener, address) = listener();
    let mut relay = t.sockkit(&["relay", "--grace", "300ms", "127.0.0.1:0", &address]).server();
    let (client, target) = (connect(relay.socket_addr()), accept(&listener));
    (&client).write_all(b"half of it").unwrap();
    assert_eq!(read_exactly(&target, 10), b"half of it");
    relay.signal(Signal::TERM);
    relay.wait().code(143).says(&["1 session did not end in time (--grace)"]);
    for stream in [client, target] {
        assert_eq!((&stream).read(&mut [0; 10]).unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    }
}

fn r38_no_work_without_bytes(t: &Ctx) {
    let (listener, address) = listener();
    let relay = t.sockkit(&["relay", "127.0.0.1:0", &address]).server();
    let pair = || (connect(relay.socket_addr()), accept(&listener));
    let (_idle, up, down, used) = (pair(), pair(), pair(), pair());
    shut_write(&up.0);
    assert_eq!(read_all(&up.1), b"");
    shut_write(&down.1);
    assert_eq!(read_all(&down.0), b"");
    let before = relay.fds();
    std::thread::scope(|scope| {
        scope.spawn(|| (&used.0).write_all(&Data::new(1).bytes(5 << 20)).unwrap());
        assert!(read_exactly(&used.1, 5 << 20) == Data::new(1).bytes(5 << 20));
    });
    let fds = relay.fds();
    let cpu = relay.cpu();
    let_pass(Duration::from_secs(3));
    assert!(relay.cpu() - cpu < Duration::from_millis(50), "{:?}", relay.cpu() - cpu);
    // Two pipes for the next ones, and none for each of these.
    assert!(fds <= before + 4, "{before} and then {fds}");
}

fn max_conns_and_count(t: &Ctx) {
    let (mut relay, _echo) = relay(t, &["-m", "1", "--count", "2"]);
    let (one, two) = (connect(relay.socket_addr()), connect(relay.socket_addr()));
    echo_through(&one, "one");
    (&two).write_all(b"two").unwrap();
    stays_silent(&two, Duration::from_millis(200));
    drop(one);
    assert_eq!(read_exactly(&two, 3), b"two");
    drop(two);
    relay.wait().code(0);
}

fn allow_and_deny(t: &Ctx) {
    let (denying, _echo) = relay(t, &["--deny", "127.0.0.0/8"]);
    assert_eq!(read_all(connect(denying.socket_addr())), b"");
    denying.stderr.wait_for("denied");
    assert!(!denying.stderr.text().contains("connected"));
    let (allowing, _echo) = relay(t, &["--allow", "127.0.0.1"]);
    echo_through(&connect(allowing.socket_addr()), "in");
}

fn idle_timeout(t: &Ctx) {
    let (relay, _echo) = relay(t, &["-i", "1s"]);
    let client = connect(relay.socket_addr());
    // What moves, in whichever direction, is not idle.
    let mut begin = Instant::now();
    for _ in 0..12 {
        let_pass(Duration::from_millis(100));
        begin = Instant::now();
        echo_through(&client, "moves");
    }
    assert_eq!(read_all(&client), b"");
    assert!(begin.elapsed() >= Duration::from_secs(1) && begin.elapsed() < SOON, "{:?}", begin.elapsed());
    relay.stderr.wait_for("it took too long");
    relay.stderr.wait_for("closed (idle-timeout)");
    // One-way for longer than that.
    let (listener, address) = listener();
    let relay = t.sockkit(&["relay", "-i", "1s", "--rate", "1m/s", "127.0.0.1:0", &address]).server();
    let (client, target) = (connect(relay.socket_addr()), accept(&listener));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            (&target).write_all(&Data::new(1).bytes(2 << 20)).unwrap();
            drop(target);
        });
        assert_eq!(check_stream(&client, Data::new(1)), (2 << 20, None));
    });
}

fn stats_and_ready_file(t: &Ctx) {
    let file = t.file("ready");
    let (mut relay, _echo) = relay(t, &["--stats", "--ready-file", &file]);
    assert_eq!(std::fs::read_to_string(&file).unwrap().trim_end(), relay.addr());
    let client = connect(relay.socket_addr());
    echo_through(&client, "ping");
    relay.signal(Signal::USR1);
    relay.stderr.wait_for("1 sessions now, 1 in all; sent 4 bytes, received 4 bytes");
    drop(client);
    relay.stderr.wait_for("closed");
    relay.signal(Signal::TERM);
    relay.wait().code(143).says(&["0 sessions now, 1 in all"]);
}

fn deadline(t: &Ctx) {
    let (mut relay, _echo) = relay(t, &["--deadline", "500ms"]);
    let _client = connect(relay.socket_addr());
    relay.wait_within(PATIENCE).code(124);
}
