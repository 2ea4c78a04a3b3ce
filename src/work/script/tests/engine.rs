//! The engine over socket pairs: each command, and how it fails.

use std::io::{Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use super::super::parse::parse_script;
use super::super::run::{Config, Engine, Face, Failure, Flow, Idle, Verdict};
use super::super::slot::State;
use crate::error::{Exit, Fact};
use crate::event::{ConnId, Event, Sink};
use crate::net::conn::Conn;
use crate::net::options::Role;
use crate::net::socket::{Family, Kind, Shape};
use crate::sys::{Reason, Stop};

/// Keeps what it is shown.
#[derive(Default)]
struct Kept {
    payload: Vec<u8>,
    said: String,
}

impl Face for Kept {
    fn payload(&mut self, _: ConnId, bytes: &[u8]) {
        self.payload.extend_from_slice(bytes);
    }

    fn say(&mut self, text: &str) {
        self.said.push_str(text);
        self.said.push('\n');
    }
}

#[derive(Default)]
struct Events(Mutex<Vec<String>>);

impl Sink for Events {
    fn emit(&self, _: Option<ConnId>, event: &Event<'_>) {
        self.0.lock().unwrap().push(serde_json::to_string(event).unwrap());
    }
}

fn shape(kind: Kind) -> Shape {
    Shape { family: Family::Unix, kind }
}

fn conn() -> (Conn, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    (Conn::connected(Socket::from(std::os::fd::OwnedFd::from(ours)), shape(Kind::Stream), true).unwrap(), theirs)
}

struct Ran {
    exit: Exit,
    /// The error's own words.
    why: String,
    came: Option<Vec<u8>>,
    shown: Vec<u8>,
    said: String,
    events: Vec<String>,
    state: Option<State>,
    unread: usize,
}

fn run_on(conn: Conn, config: Config, text: &str) -> Ran {
    let (mut face, sink, stop) = (Kept::default(), Arc::new(Events::default()), Stop::new().unwrap());
    let mut engine = Engine::new(config, &mut face, sink.clone(), stop);
    engine.adopt(conn, 1, Role::Client);
    let verdict = engine.run(&parse_script("t.sk", text).unwrap());
    let (state, unread) = engine.current().map_or((None, 0), |slot| (Some(slot.state()), slot.unread()));
    engine.finish().unwrap();
    let (exit, why, came) = match verdict {
        Verdict::Passed => (Exit::Ok, String::new(), None),
        Verdict::Failed(error) => {
            let came = error.facts.iter().find_map(|fact| match fact {
                Fact::Came { last, .. } => Some(last.clone()),
                _ => None,
            });
            (error.exit, error.to_string(), came)
        }
        Verdict::Stopped(reason) => panic!("{reason:?}"),
    };
    let events = sink.0.lock().unwrap().clone();
    Ran { exit, why, came, shown: face.payload, said: face.said, events, state, unread }
}

/// The peer has sent this, and, with `end`, ended; then the script runs.
fn run(peer: &[u8], end: bool, text: &str) -> (Ran, UnixStream) {
    let (conn, mut theirs) = conn();
    theirs.write_all(peer).unwrap();
    if end {
        theirs.shutdown(std::net::Shutdown::Write).unwrap();
    }
    (run_on(conn, Config::default(), text), theirs)
}

fn sent(mut theirs: UnixStream) -> Vec<u8> {
    theirs.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut all = Vec::new();
    theirs.read_to_end(&mut all).unwrap();
    all
}

#[test]
fn what_is_sent_arrives_as_written() {
    for (script, bytes) in [
        ("send \"a\\r\\n\"", &b"a\r\n"[..]),
        ("send-line one", b"one\n"),
        ("set eol crlf\nsend-line one", b"one\r\n"),
        ("send-hex 00 ff", b"\x00\xff"),
        ("repeat 3 send ab", b"ababab"),
        ("send \"\"", b""),
        ("send a\nquit\nsend b", b"a"),
    ] {
        let (ran, theirs) = run(b"", false, script);
        assert_eq!((ran.exit, sent(theirs).as_slice()), (Exit::Ok, bytes), "{script}: {}", ran.why);
    }
}

#[test]
fn what_comes_is_taken_in_order() {
    for script in [
        "expect two\nexpect four",
        "recv 4\nexpect /^two/",
        "expect /(t)wo/\nexpect \" ${1}hree\"",
        "recv",
        "recv 3\nrecv 1\nrecv 3",
        "expect-eof",
        "expect /four$/\nexpect-eof",
        "expect \"one two three four\"\nexpect-eof within 1s",
    ] {
        let (ran, _theirs) = run(b"one two three four", true, script);
        assert_eq!((ran.exit, ran.why.as_str()), (Exit::Ok, ""), "{script}");
    }
}

#[test]
fn what_fails_says_why_and_what_came() {
    for (peer, end, script, exit, why, came) in [
        (&b"abc"[..], false, "expect x within 20ms", Exit::Expectation, "\"x\" did not come within 20ms", Some("abc")),
        (b"abc", false, "expect /x/ within 20ms", Exit::Expectation, "/x/ did not come within 20ms", Some("abc")),
        (b"abc", true, "expect x", Exit::Expectation, "the peer ended (FIN) before \"x\" came", Some("abc")),
        (b"abc", true, "expect c\nexpect c", Exit::Expectation, "t.sk:2: ", Some("")),
        (b"ab", false, "recv 3 within 20ms", Exit::Expectation, "2 of 3 bytes came within 20ms", Some("ab")),
        (b"ab", true, "recv 3", Exit::Expectation, "when 2 of 3 bytes had come", Some("ab")),
        (b"", false, "recv within 20ms", Exit::Expectation, "nothing came within 20ms", Some("")),
        (b"x", false, "expect-eof within 20ms", Exit::Expectation, "the peer's end (FIN) did not come", Some("x")),
        (b"", true, "expect-reset", Exit::Expectation, "the peer ended (FIN), and not by a reset", Some("")),
        (b"x", false, "expect-silence 1m", Exit::Expectation, "something came instead of silence", Some("x")),
        (
            b"xy",
            false,
            "recv 1\nexpect-silence 1m",
            Exit::Expectation,
            "what came before was not taken (1 byte)",
            Some("y"),
        ),
        (b"", true, "expect-silence 1m", Exit::Expectation, "the peer ended (FIN) instead of silence", Some("")),
        (b"", false, "close\nsend x", Exit::Failed, "the connection is closed", None),
        (b"", false, "reset\nsend x", Exit::Failed, "the connection was reset", None),
        (b"", false, "close\nexpect x", Exit::Expectation, "it was closed by us", Some("")),
        (b"", false, "shutdown write\nsend x", Exit::Usage, "our side has ended", None),
        (b"", false, "send ${1}", Exit::Usage, "no expression has matched yet", None),
        (b"x", false, "expect /x/\nsend ${2}", Exit::Usage, "the last expression has no such group", None),
        (b"", false, "use 2", Exit::Usage, "there is no connection 2", None),
        (b"", false, "accept", Exit::Usage, "there is no listener", None),
        (b"", false, "set nodelay", Exit::Usage, "does not apply to a UNIX stream socket", None),
        (b"", false, "get nodelay", Exit::Usage, "is no option of this socket", None),
        (b"", false, "send-file /none", Exit::Failed, "/none: No such file or directory", None),
        (b"", false, "send-file /", Exit::Failed, "/: Is a directory", None),
        (b"", false, "source /none.sk", Exit::Failed, "/none.sk: No such file", None),
        (b"", false, "open unix:/none", Exit::Unreachable, "No such file", None),
        (b"", false, "history", Exit::Usage, "no typed session", None),
        (b"", false, "recv 20m", Exit::Usage, "the receive buffer holds 16777216 bytes", None),
    ] {
        let (ran, _theirs) = run(peer, end, script);
        assert_eq!(ran.exit, exit, "{script}: {}", ran.why);
        assert!(ran.why.contains(why) && ran.why.starts_with("t.sk:"), "{script}: {}", ran.why);
        assert_eq!(ran.came.as_deref(), came.map(str::as_bytes), "{script}");
    }
}

#[test]
fn a_failure_leaves_what_it_looked_at() {
    let (ran, _theirs) = run(b"abc", false, "expect x within 10ms");
    assert_eq!((ran.unread, ran.shown.as_slice()), (3, &b"abc"[..]));
}

#[test]
fn the_state_of_a_connection_is_known() {
    for (end, script, state) in [
        (false, "sleep 1ms", State::Open),
        (true, "sleep 5ms", State::HalfClosed(true)),
        (false, "shutdown write", State::HalfClosed(false)),
        (true, "shutdown write\nsleep 5ms", State::Ended),
        (false, "close", State::Closed),
        (false, "reset", State::Reset),
    ] {
        let (ran, _theirs) = run(b"", end, script);
        assert_eq!((ran.exit, ran.state), (Exit::Ok, Some(state)), "{script}: {}", ran.why);
    }
}

#[test]
fn an_end_with_unread_bytes_is_a_reset() {
    // unix(7) has no RST, but a close over unread bytes tells the other side the same.
    let (ours, theirs) = conn();
    ours.send(b"never read").unwrap();
    drop(theirs);
    let ran = run_on(ours, Config::default(), "expect-reset");
    assert_eq!(ran.exit, Exit::Ok, "{}", ran.why);
    assert_eq!(ran.state, Some(State::Reset));
}

#[test]
fn commands_tell() {
    let (ran, _theirs) = run(b"", false, "info\nstats\nconns\nget sndbuf\noptions\nhelp\nhelp expect\necho \"a b\"");
    assert_eq!(ran.exit, Exit::Ok, "{}", ran.why);
    for word in ["state      open", "sent       0 bytes", "* 1 ", "\nsndbuf ", "expect-silence", "a b\n"] {
        assert!(ran.said.contains(word), "{word}: {}", ran.said);
    }
}

#[test]
fn expectations_are_events() {
    let (ran, _theirs) = run(b"ok", false, "expect ok\nexpect no within 10ms");
    let told: Vec<_> = ran.events.iter().filter(|event| event.contains("\"expect\"")).collect();
    assert_eq!(told.len(), 2);
    assert!(told[0].contains(r#""pattern":"\"ok\"","matched":true"#) && told[0].ends_with(r#""line":1}"#));
    assert!(told[1].contains(r#""matched":false"#) && told[1].ends_with(r#""line":2}"#));
    assert!(ran.events.last().unwrap().contains("\"closed\""));
}

#[test]
fn messages_are_taken_one_by_one() {
    let (ours, theirs) = Socket::pair(Domain::UNIX, Type::SEQPACKET, None).unwrap();
    let conn = Conn::connected(ours, shape(Kind::Seqpacket), true).unwrap();
    for message in [&b"one"[..], b"", b"three", b"four"] {
        theirs.send(message).unwrap();
    }
    let ran =
        run_on(conn, Config::default(), "recv 3\nrecv\nexpect ree\nrecv\nexpect-silence 10ms\nrecv 9 within 10ms");
    assert!(ran.why.starts_with("t.sk:6: ") && ran.why.contains("nothing came"), "{}", ran.why);
}

#[test]
fn a_full_buffer_forgets_and_ends_nothing() {
    let config = Config { buffer: 1 << 16, ..Config::default() };
    let feed = |mut theirs: UnixStream| {
        std::thread::spawn(move || {
            let _ = theirs.write_all(&vec![b'x'; 1 << 20]);
            let _ = theirs.write_all(b"yes, and zzz");
        })
    };
    for script in ["expect yes", "expect /y.s/", "expect /x+yes/", "expect yes\nexpect /^, a(n+)/\nexpect /z+$/"] {
        let (ours, theirs) = conn();
        let feeder = feed(theirs);
        let ran = run_on(ours, config.clone(), script);
        assert_eq!(ran.exit, Exit::Ok, "{script}: {}", ran.why);
        feeder.join().unwrap();
    }
    // It is not the beginning any more.
    let (ours, theirs) = conn();
    let feeder = feed(theirs);
    let ran = run_on(ours, config.clone(), "expect /^yes|^x{30}y/");
    assert!(ran.why.contains("the peer ended (FIN) before /^yes|^x{30}y/ came"), "{}", ran.why);
    feeder.join().unwrap();
    // Text that is larger than all there is room for.
    let (ours, theirs) = conn();
    let feeder = feed(theirs);
    let small = Config { buffer: 1 << 12, ..Config::default() };
    let ran = run_on(ours, small, &format!("expect \"{}\"", "y".repeat(5_000)));
    assert!(ran.why.contains("the receive buffer is full: 4096 bytes came without a match"), "{}", ran.why);
    feeder.join().unwrap();

    let (ours, theirs) = conn();
    let feeder = feed(theirs);
    let ran = run_on(ours, config, "sleep 50ms\nexpect-eof");
    assert_eq!((ran.exit, ran.shown.len()), (Exit::Ok, (1 << 20) + 12), "{}", ran.why);
    assert_eq!(ran.events.iter().filter(|event| event.contains("forgetting the oldest")).count(), 1);
    feeder.join().unwrap();
}

#[test]
fn keep_going_counts_what_failed() {
    let (conn, _theirs) = conn();
    let config = Config { keep_going: true, timeout: Duration::from_millis(5), ..Config::default() };
    let ran = run_on(conn, config, "expect a\necho on\nrepeat 2 expect b\nexpect-silence 1ms");
    assert_eq!((ran.exit, ran.said.as_str()), (Exit::Expectation, "on\n"));
    assert!(ran.why.contains("3 of 5 commands failed"), "{}", ran.why);
}

#[test]
fn a_stop_and_an_interrupt_end_a_wait() {
    let (conn, _theirs) = conn();
    let (mut face, stop) = (Kept::default(), Stop::new().unwrap());
    let (interrupt, mut interrupter) = UnixStream::pair().unwrap();
    let mut engine = Engine::new(Config::default(), &mut face, Arc::new(Events::default()), stop.clone());
    engine.adopt(conn, 1, Role::Client);
    engine.interrupted_by(interrupt.as_fd());
    let script = parse_script("t", "expect x within 1m\nsave a.sk").unwrap();
    interrupter.write_all(b"!").unwrap();
    let begun = Instant::now();
    assert!(matches!(engine.step(&script.statements[0]), Err(Failure::Interrupted)));
    assert_eq!(engine.step(&script.statements[1]).unwrap(), Flow::Save("a.sk".into()));
    stop.request();
    assert!(matches!(engine.run(&script), Verdict::Stopped(Reason::Signal(15))));
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[test]
fn idle_receives_until_it_is_woken() {
    let (conn, mut theirs) = conn();
    let mut face = Kept::default();
    let (wake, mut waker) = UnixStream::pair().unwrap();
    let mut engine = Engine::new(Config::default(), &mut face, Arc::new(Events::default()), Stop::new().unwrap());
    engine.adopt(conn, 1, Role::Client);
    theirs.write_all(b"shown").unwrap();
    waker.write_all(b"!").unwrap();
    assert_eq!(engine.idle(wake.as_fd()).unwrap(), Idle::Woken);
    drop(theirs);
    assert_eq!(engine.idle(wake.as_fd()).unwrap(), Idle::Changed);
    assert_eq!(engine.current().unwrap().state(), State::HalfClosed(true));
    assert_eq!(engine.current().unwrap().unread(), 5);
    assert_eq!(face.payload, b"shown");
}

#[test]
fn a_connection_can_be_handed_on() {
    let (ours, _theirs) = conn();
    let mut face = Kept::default();
    let mut engine = Engine::new(Config::default(), &mut face, Arc::new(Events::default()), Stop::new().unwrap());
    engine.adopt(ours, 1, Role::Client);
    assert!(matches!(engine.run(&parse_script("t", "send abc").unwrap()), Verdict::Passed));
    let (id, _conn, before) = engine.release().unwrap();
    assert_eq!((id, before.sent, before.received), (1, 3, 0));
    assert!(engine.current().is_none());
    engine.finish().unwrap();
}
