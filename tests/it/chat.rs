//! `sockkit chat`: people, programs and plain clients in one room.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::thread;
use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Signal;

use crate::support::{
    Ctx, Data, In, Out, PATIENCE, Proc, Pty, big, check_stream, connect, let_pass, one_bulk_at_a_time, poll_until,
    read_all, shut_write, stays_silent, trials, unix_connect,
};

pub(crate) fn tests() -> Vec<Trial> {
    trials!["chat";
        a_plain_client_takes_part,
        people_at_terminals_and_one_on_nc [NcOpenbsd, Setsid],
        a_person_types_while_others_talk [Setsid],
        tab_completes_names [Setsid],
        a_person_is_asked_and_comes_back [Setsid],
        a_pipe_and_a_bot,
        a_pipe_that_may_not_come_in,
        a_connection_that_is_lost_comes_back,
        passwords_are_in_no_log,
        names_rooms_and_history,
        a_rate_slows_down_and_loses_nothing,
        telnet_clients_are_understood,
        escapes_and_long_lines,
        a_line_without_end [] 120,
        everybody_hears_everything_once_and_in_order [] 300,
        who_does_not_read_is_dropped_and_nobody_waits [] 120,
        the_end_is_told_and_nothing_is_lost,
        over_a_unix_socket,
        raw_is_byte_for_byte,
        raw_waits_for_nobody_who_does_not_read [] 300,
        raw_drops_a_stopped_client [] 120,
        r24_one_that_vanishes_stops_nobody,
        flags_that_do_not_fit,
    ]
}

fn serve(t: &Ctx, args: &[&str]) -> Proc {
    t.sockkit(&["chat", "serve", "-q"]).args(args).args(&["127.0.0.1:0"]).server()
}

fn is_big() -> bool {
    big() == 1 << 30
}

/// A plain client.
struct Plain {
    out: TcpStream,
    lines: BufReader<TcpStream>,
}

impl Plain {
    /// Connects, and says nothing yet.
    #[track_caller]
    fn come(server: SocketAddr) -> Self {
        let out = connect(server);
        let lines = BufReader::new(out.try_clone().unwrap());
        Self { out, lines }
    }

    /// Comes and is in the lobby.
    #[track_caller]
    fn join(server: SocketAddr, name: &str) -> Self {
        let mut plain = Self::come(server);
        plain.asked("name: ");
        plain.say(name);
        let welcome = plain.hear();
        assert!(welcome.starts_with(&format!("-- you are {name} in lobby; ")), "{welcome}");
        plain
    }

    #[track_caller]
    fn asked(&mut self, prompt: &str) {
        let mut got = vec![0; prompt.len()];
        self.lines.read_exact(&mut got).unwrap_or_else(|e| panic!("{e} instead of {prompt:?}"));
        assert_eq!(String::from_utf8_lossy(&got), prompt);
    }

    fn say(&mut self, line: &str) {
        self.send(format!("{line}\n").as_bytes());
    }

    fn send(&mut self, bytes: &[u8]) {
        self.out.write_all(bytes).unwrap();
    }

    /// The next line; empty at the end.
    #[track_caller]
    fn hear(&mut self) -> String {
        let mut line = Vec::new();
        self.lines.read_until(b'\n', &mut line).unwrap_or_else(|e| panic!("hearing: {e}"));
        String::from_utf8(line).unwrap().trim_end_matches('\n').to_owned()
    }

    #[track_caller]
    fn hears(&mut self, wanted: &str) {
        assert_eq!(self.hear(), wanted);
    }
}

fn a_plain_client_takes_part(t: &Ctx) {
    let server = serve(t, &[]);
    let mut a = Plain::join(server.socket_addr(), "a");
    let mut b = Plain::come(server.socket_addr());
    b.asked("name: ");
    b.send(b"A\r\n");
    b.hears("-- A is taken");
    b.asked("name: ");
    b.send(b"\r\n");
    b.hears("-- you are guest1 in lobby; here: a; /help lists the commands");
    a.hears("[lobby] -- guest1 joined");
    b.send(b"hello\r\nand ");
    b.send(b"more\n");
    a.hears("[lobby] <guest1> hello");
    a.hears("[lobby] <guest1> and more");
    // What comes before the end of what it sends, without an end of its line, is said too.
    b.send(b"the last");
    shut_write(&b.out);
    a.hears("[lobby] <guest1> the last");
    a.hears("[lobby] -- guest1 left");
    assert_eq!(b.hear(), "", "its own lines do not come back");
    a.say("/quit");
    assert_eq!(a.hear(), "");
}

/// `chat join` at a terminal.
fn person(t: &Ctx, server: &Proc, name: &str) -> (Pty, Proc) {
    let pty = Pty::open();
    let side = || In::Fd(pty.side());
    let proc = t
        .sockkit(&["chat", "join", "--name", name, server.addr()])
        .env("TERM", "xterm-256color")
        .under(&["setsid", "-c"])
        .stdin(side())
        .stdout(Out::Fd(pty.side()))
        .stderr(pty.side())
        .spawn();
    pty.screen.wait_for(&format!("you are {name} in lobby"));
    pty.screen.wait_for("> ");
    (pty, proc)
}

/// What a terminal was sent, without the colours.
fn uncoloured(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\x1b[") {
        out.push_str(before);
        let end = after.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(after.len());
        if after[end..].starts_with('m') {
            rest = &after[end + 1..];
        } else {
            out.push_str("\x1b[");
            rest = after;
        }
    }
    out + rest
}

#[track_caller]
fn wait_for(pty: &Pty, text: &str) {
    poll_until(&format!("{text:?} on a screen"), || uncoloured(&pty.screen.text()).contains(text).then_some(()));
}

fn people_at_terminals_and_one_on_nc(t: &Ctx) {
    let server = serve(t, &[]);
    let mut people: Vec<(Pty, Proc)> = ["ann", "bob", "cy"].iter().map(|name| person(t, &server, name)).collect();
    let port = server.port().to_string();
    let mut nc = t.peer("nc.openbsd", &["127.0.0.1", &port]).piped().spawn();
    nc.write(b"nic\n");
    nc.stdout.wait_for("you are nic in lobby; here: ann, bob, cy;");
    people[0].0.keys("good morning\r");
    for other in &people[1..] {
        wait_for(&other.0, "[lobby] <ann> good morning");
    }
    nc.stdout.wait_for("[lobby] <ann> good morning\n");
    // Half a line is being typed while somebody on nc tries to own the screens.
    people[1].0.keys("half a li");
    let evil = "\x1b]0;owned\x07\x1b[2J\x1b[31m\u{9b}31mgone\rroot\u{202e}\x1bc";
    nc.write(format!("{evil}\n").as_bytes());
    let shown = "[lobby] <nic> \\x1b]0;owned\\x07\\x1b[2J\\x1b[31m\\u{9b}31mgone\\rroot\\u{202e}\\x1bc";
    for (pty, _) in &people {
        wait_for(pty, shown);
        let text = pty.screen.text();
        for bad in ["\x1b]0;", "\x07", "\u{9b}", "gone\r", "\u{202e}", "\x1bc"] {
            assert!(!text.contains(bad), "{bad:?} is in {text:?}");
        }
    }
    people[1].0.keys("ne\r");
    nc.stdout.wait_for("[lobby] <bob> half a line\n");
    for (mut pty, mut proc) in people {
        pty.keys("\x04");
        proc.wait().code(0);
        assert!(pty.modes().local_modes.contains(rustix::termios::LocalModes::ECHO), "the terminal is as it was");
    }
}

fn a_person_types_while_others_talk(t: &Ctx) {
    let server = serve(t, &["--rate", "0"]);
    let (mut pty, mut proc) = person(t, &server, "ann");
    let mut other = Plain::join(server.socket_addr(), "bob");
    for nth in 0..200 {
        other.say(&format!("line {nth}."));
        if nth % 20 == 0 {
            pty.keys("x");
        }
    }
    wait_for(&pty, "[lobby] <bob> line 199.");
    pty.keys("\r");
    other.hears("[lobby] <ann> xxxxxxxxxx");
    let text = uncoloured(&pty.screen.text());
    for nth in 0..200 {
        assert_eq!(text.matches(&format!("[lobby] <bob> line {nth}.")).count(), 1, "line {nth}");
    }
    // Ctrl-C clears, twice on an empty line it leaves.
    let_pass(Duration::from_millis(200));
    pty.keys("not sent\x03");
    let_pass(Duration::from_millis(200));
    pty.keys("\x03");
    proc.wait().code(130);
    other.hears("[lobby] -- ann left");
}

fn a_person_is_asked_and_comes_back(t: &Ctx) {
    fs::write(t.path("password"), "open sesame").unwrap();
    fs::set_permissions(t.path("password"), fs::Permissions::from_mode(0o600)).unwrap();
    let address = format!("{}:2023", t.loopback());
    let file = t.file("password");
    let start = || t.sockkit(&["chat", "serve", "-q", "--password-file", &file]).args(&[&address]).server();
    let mut server = start();
    let mut pty = Pty::open();
    let cmd = t.sockkit(&["chat", "join", "--color", "never", &address]).under(&["setsid", "-c"]);
    let cmd = cmd.env("TERM", "xterm").stdin(In::Fd(pty.side())).stdout(Out::Fd(pty.side())).stderr(pty.side());
    let mut proc = cmd.spawn();
    for (asked, answer) in [("password", "wrong"), ("password", "open sesame"), ("name", "a b"), ("name", "ann")] {
        let times = if matches!(answer, "wrong" | "a b") { 1 } else { 2 };
        poll_until(&format!("question {times} for the {asked}"), || {
            (pty.screen.text().matches(&format!("[type the {asked}]")).count() >= times).then_some(())
        });
        let_pass(Duration::from_millis(100));
        pty.keys(&format!("{answer}\r"));
    }
    wait_for(&pty, "you are ann in lobby");
    server.signal(Signal::TERM);
    server.wait().code(143);
    wait_for(&pty, "[the connection is lost (the other side ended); next try in 500ms]");
    // The password was typed by hand: it is asked for again, and the name is known.
    let server = start();
    wait_for(&pty, "[the connection is there again]");
    let screen = pty.screen.clone();
    let times = |text: &str| uncoloured(&screen.text()).matches(text).count();
    poll_until("the third question", || (times("[type the password]") == 3).then_some(()));
    pty.keys("open sesame\r");
    poll_until("a second welcome", || (times("you are ann in lobby") == 2).then_some(()));
    drop(server);
    // A server that is killed takes nothing with it but the connection; Ctrl-D leaves also while there is none.
    poll_until("a second loss", || (times("the connection is lost") == 2).then_some(()));
    pty.keys("\x04");
    proc.wait().code(0);
    let text = pty.screen.text();
    let seen = ["connected to", "[the connection is there again]"].map(|words| text.find(words).is_some());
    assert_eq!(seen, [true, true], "{text}");
}

fn tab_completes_names(t: &Ctx) {
    let server = serve(t, &[]);
    let mut other = Plain::join(server.socket_addr(), "Boniface");
    let (mut pty, _proc) = person(t, &server, "ann");
    other.hears("[lobby] -- ann joined");
    pty.keys("bo\thi\r");
    other.hears("[lobby] <ann> Boniface: hi");
    pty.keys("/ms\tBON\tpsst\r");
    other.hears("<ann> psst");
}

fn a_pipe_and_a_bot(t: &Ctx) {
    let server = serve(t, &["--history", "5"]);
    let mut bot = t.sockkit(&["chat", "join", "-q", "--json", "--name", "bot", server.addr()]).piped().spawn();
    bot.stdout.wait_for("you are bot");
    let exit = t.sockkit(&["chat", "join", "-q", "--name", "pipe", server.addr()]).run(b"hi\n/me waves\nbye");
    exit.code(0).stdout("-- you are pipe in lobby; here: bot; /help lists the commands\n");
    bot.stdout.wait_for("left");
    bot.write(b"/msg pipe hi\n");
    bot.stdout.wait_for("nobody is called");
    bot.close_stdin();
    let wanted = [
        r#"{"kind":"notice","text":"you are bot in lobby; nobody else is here; /help lists the commands"}"#,
        r#"{"kind":"join","room":"lobby","from":"pipe","text":"joined"}"#,
        r#"{"kind":"say","room":"lobby","from":"pipe","text":"hi"}"#,
        r#"{"kind":"me","room":"lobby","from":"pipe","text":"waves"}"#,
        r#"{"kind":"say","room":"lobby","from":"pipe","text":"bye"}"#,
        r#"{"kind":"leave","room":"lobby","from":"pipe","text":"left"}"#,
        r#"{"kind":"notice","text":"nobody is called pipe"}"#,
    ];
    bot.wait().code(0).stdout(wanted.map(|line| format!("{line}\n")).concat());
    let late = t.sockkit(&["chat", "join", "-q", "--json", server.addr()]).run(b"");
    let late = late.code(0).stdout.text();
    assert!(late.contains(r#""from":"pipe","text":"bye","history":true}"#), "{late}");
    // A reader that has had enough is no failure.
    let line = format!("{} chat join -q --json {} | head -1", env!("CARGO_BIN_EXE_sockkit"), server.addr());
    let mut talk = Plain::join(server.socket_addr(), "talk");
    let mut head = t.peer("bash", &["-c", &format!("{line}; exit ${{PIPESTATUS[0]}}")]).piped().spawn();
    talk.hear();
    // It shows that the reader is gone when there is something for it.
    poll_until("the reader to be missed", || {
        talk.say("more");
        head.ends_within(Duration::from_millis(50)).then_some(())
    });
    head.wait().code(0);
}

fn a_pipe_that_may_not_come_in(t: &Ctx) {
    fs::write(t.path("password"), "open sesame\r\nrest").unwrap();
    fs::write(t.path("wrong"), "open").unwrap();
    for file in ["password", "wrong"] {
        fs::set_permissions(t.path(file), fs::Permissions::from_mode(0o600)).unwrap();
    }
    let server = serve(t, &["--password-file", &t.file("password")]);
    let join = |args: &[&str]| t.sockkit(&["chat", "join", server.addr()]).args(args).run(b"hi\n");
    join(&["--password-file", &t.file("password")]).code(0);
    join(&["--password-file", &t.file("wrong")]).code(1).says(&["does not take the password"]);
    join(&[]).code(1).says(&["asks for a password", "--password-file"]);
    let open = serve(t, &[]);
    let _there = Plain::join(open.socket_addr(), "bob");
    t.sockkit(&["chat", "join", "-n", "Bob", open.addr()]).run(b"hi\n").code(1).says(&["Bob is taken"]);
    t.sockkit(&["chat", "join", "-n", "a b", open.addr()]).run(b"hi\n").code(1).says(&["no spaces"]);
    t.sockkit(&["chat", "join", "127.0.0.1:1"]).run(b"").code(5);
    // No room at all.
    let echo = t.sockkit(&["echo", "-q", "127.0.0.1:0"]).server();
    t.sockkit(&["chat", "join", "-w", "300ms", echo.addr()]).run(b"").code(7).says(&["asks for no name"]);
}

fn a_connection_that_is_lost_comes_back(t: &Ctx) {
    let address = format!("{}:2023", t.loopback());
    let start = || t.sockkit(&["chat", "serve", "-q"]).args(&[&address]).server();
    let mut server = start();
    let join = |more: &[&str]| t.sockkit(&["chat", "join", "--json", "-n", "bot", &address]).args(more).piped().spawn();
    let mut bot = join(&[]);
    bot.stdout.wait_for("you are bot");
    server.signal(Signal::TERM);
    server.wait().code(143);
    bot.stdout.wait_for(r#""text":"the server ends"}"#);
    bot.stderr.wait_for("the connection is lost (the other side ended); next try in 500ms");
    bot.stderr.wait_for("next try in 1s");
    let server = start();
    let mut other = Plain::join(server.socket_addr(), "other");
    other.hears("[lobby] -- bot joined");
    bot.stderr.wait_for("the connection is there again");
    bot.write(b"back\n");
    other.hears("[lobby] <bot> back");
    bot.close_stdin();
    bot.wait().code(0);
    let mut once = join(&["--no-reconnect"]);
    once.stdout.wait_for("you are bot");
    drop(server);
    once.wait();
}

fn passwords_are_in_no_log(t: &Ctx) {
    fs::write(t.path("password"), "open sesame\n").unwrap();
    let file = t.file("password");
    let args = ["-vv", "--json", "--events", "events", "--log", "log", "--record", "record", "--password-file", &file];
    let mut server = t.sockkit(&["chat", "serve"]).args(&args).args(&["127.0.0.1:0"]).server();
    server.stderr.wait_for("everybody can read the password file");
    let mut guesser = Plain::come(server.socket_addr());
    for answer in ["-- wrong password", "-- wrong password", "-- wrong password: goodbye"] {
        guesser.asked("password: ");
        guesser.say("wrong guess");
        guesser.hears(answer);
    }
    assert_eq!(guesser.hear(), "");
    let mut bob = Plain::come(server.socket_addr());
    bob.asked("password: ");
    bob.say("open sesame");
    bob.asked("name: ");
    bob.say("bob");
    bob.hear();
    bob.say("something to keep");
    let join = ["chat", "join", "-vv", "--events", "joined", "--password-file", &file, server.addr()];
    let exit = t.sockkit(&join).run(b"");
    exit.code(0).says_not(&["sesame"]);
    drop(bob);
    server.signal(Signal::TERM);
    let exit = server.wait();
    let logs: String = ["events", "log", "record", "joined"].map(|f| fs::read_to_string(t.path(f)).unwrap()).concat();
    let all = logs + &exit.stderr + &exit.stdout.text();
    assert!(!all.contains("sesame") && !all.contains("guess\""), "{all}");
    assert!(all.contains(r#""room":"lobby","name":"bob","text":"something to keep"}"#), "{all}");
}

fn names_rooms_and_history(t: &Ctx) {
    let server = serve(t, &["--history", "2", "--name-limit", "5"]);
    let mut a = Plain::join(server.socket_addr(), "a");
    for name in ["toolong", "a\u{1b}", "\u{202e}x", "b c", "<b>", "A"] {
        let mut b = Plain::come(server.socket_addr());
        b.asked("name: ");
        b.say(name);
        assert!(b.hear().starts_with("-- "), "{name}");
        b.asked("name: ");
    }
    for line in ["one", "two", "three", "/who"] {
        a.say(line);
    }
    a.hears("-- in lobby: a");
    let mut b = Plain::join(server.socket_addr(), "b");
    b.hears("-- history: 2 lines");
    b.hears("[lobby] <a> two");
    b.hears("[lobby] <a> three");
    a.hears("[lobby] -- b joined");
    b.say("/join den");
    b.hears("-- you are b in den; nobody else is here; /help lists the commands");
    a.hears("[lobby] -- b left");
    b.say("only here");
    a.say("/msg b over there?");
    a.hears("-> <b> over there?");
    b.hears("<a> over there?");
    a.say("/nick al");
    a.hears("-- you are al now");
    a.say("/join");
    a.hears("-- rooms: den (1), lobby (1)");
    a.say("/what");
    a.hears("-- unknown command /what; /help lists them");
}

fn a_rate_slows_down_and_loses_nothing(t: &Ctx) {
    let server = serve(t, &["--rate", "50", "--burst", "10"]);
    let mut b = Plain::join(server.socket_addr(), "b");
    let begun = Instant::now();
    let text: String = (0..60).map(|nth| format!("{nth}\n")).collect();
    t.sockkit(&["chat", "join", "-q", "-n", "a", server.addr()]).run(text.as_bytes()).code(0);
    b.hears("[lobby] -- a joined");
    for nth in 0..60 {
        b.hears(&format!("[lobby] <a> {nth}"));
    }
    assert!(begun.elapsed() >= Duration::from_millis(900), "{:?}", begun.elapsed());
    let mut c = Plain::join(server.socket_addr(), "c");
    c.send(text.as_bytes());
    c.hears("-- too fast: 50 lines a second are the most; yours wait their turn");
    b.hears("[lobby] -- a left");
}

fn telnet_clients_are_understood(t: &Ctx) {
    let server = serve(t, &[]);
    let mut a = Plain::join(server.socket_addr(), "a");
    let mut telnet = Plain::come(server.socket_addr());
    telnet.asked("name: ");
    // What telnet(1) sends to a port that talks telnet: DO SUPPRESS-GO-AHEAD, WILL TERMINAL-TYPE, a window size.
    telnet.send(b"\xff\xfd\x03\xff\xfb\x18\xff\xfa\x1f\x00\x50\x00\x0a\xff\xf0tel\r\n");
    a.hears("[lobby] -- tel joined");
    telnet.send(b"he\xff\xf1llo\r\n\xff\xfe\x01");
    a.hears("[lobby] <tel> hello");
}

fn escapes_and_long_lines(t: &Ctx) {
    let server = serve(t, &["--line-limit", "1000", "--rate", "0"]);
    let mut a = Plain::join(server.socket_addr(), "a");
    let mut b = Plain::join(server.socket_addr(), "b");
    a.hear();
    for (sent, shown) in [
        (&b"x\r\rroot\r\n"[..], "x\\r\\rroot"),
        (b"\x1b[31m\x07\x9b\x00\n", "\\x1b[31m\\x07\\x9b\\x00"),
        ("a\u{202e}b\u{2066}\n".as_bytes(), "a\\u{202e}b\\u{2066}"),
        ("收到 grüß 😀\n".as_bytes(), "收到 grüß 😀"),
        (b"\xe6\xffz\n\n\n \n%s%n\n", "\\xe6\\xffz"),
    ] {
        b.send(sent);
        let heard = a.hear();
        assert!(heard.starts_with(&format!("[lobby] <b> {shown}")), "{heard:?}");
    }
    a.hears("[lobby] <b> %s%n");
    b.say(&"y".repeat(10 << 10));
    b.hears("-- your line was cut: 1000 bytes are the most");
    a.hears(&format!("[lobby] <b> {}", "y".repeat(1000)));
    b.say(&format!("/me {}", "z".repeat(2000)));
    a.hears(&format!("[lobby] * b {}", "z".repeat(996)));
}

fn a_line_without_end(t: &Ctx) {
    let _alone = one_bulk_at_a_time();
    let server = serve(t, &[]);
    let mut a = Plain::join(server.socket_addr(), "a");
    let total = if is_big() { 1 << 30 } else { 64 << 20 };
    for name in ["b", ""] {
        // With a name and before one was given.
        let mut evil = if name.is_empty() {
            Plain::come(server.socket_addr())
        } else {
            let evil = Plain::join(server.socket_addr(), name);
            a.hears("[lobby] -- b joined");
            evil
        };
        let chunk = vec![b'x'; 1 << 20];
        let mut sent = 0;
        while sent < total && evil.out.write_all(&chunk).is_ok() {
            sent += chunk.len();
        }
        assert!(sent < total, "it is closed before");
        if !name.is_empty() {
            a.hears("[lobby] -- b left");
        }
    }
    assert!(server.peak_memory() < 64 << 20, "{}", server.peak_memory());
    a.say("/who");
    a.hears("-- in lobby: a");
}

/// Many clients at once, read by one thread.
struct Crowd {
    members: Vec<(TcpStream, Vec<u8>)>,
}

impl Crowd {
    fn join(server: SocketAddr, count: usize) -> Self {
        let mut members = Vec::new();
        for nth in 0..count {
            let stream = connect(server);
            (&stream).write_all(format!("m{nth}\n").as_bytes()).unwrap();
            stream.set_nonblocking(true).unwrap();
            members.push((stream, Vec::new()));
        }
        let mut crowd = Self { members };
        let mut inside = 0;
        crowd.read(PATIENCE * 3, |_, line| {
            inside += usize::from(line.contains("-- you are m"));
            inside < count
        });
        crowd
    }

    /// Gives every line to `each`, with the number of who heard it, until that says to stop.
    #[track_caller]
    fn read(&mut self, limit: Duration, mut each: impl FnMut(usize, &str) -> bool) {
        let until = Instant::now() + limit;
        let mut buffer = vec![0; 64 << 10];
        loop {
            let left = until.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "not everything came");
            let mut fds: Vec<PollFd> =
                self.members.iter().map(|(stream, _)| PollFd::new(stream, PollFlags::IN)).collect();
            poll(&mut fds, Some(&Timespec::try_from(left).unwrap())).unwrap();
            let ready: Vec<usize> = (0..fds.len()).filter(|nth| !fds[*nth].revents().is_empty()).collect();
            for nth in ready {
                let (stream, rest) = &mut self.members[nth];
                match stream.read(&mut buffer) {
                    Ok(0) => panic!("member {nth} was dropped: {}", String::from_utf8_lossy(rest)),
                    Ok(count) => rest.extend_from_slice(&buffer[..count]),
                    Err(e) if e.kind() == ErrorKind::WouldBlock => continue,
                    Err(e) => panic!("member {nth}: {e}"),
                }
                let mut from = 0;
                while let Some(end) = rest[from..].iter().position(|byte| *byte == b'\n') {
                    let line = std::str::from_utf8(&rest[from..from + end]).unwrap();
                    from += end + 1;
                    if !each(nth, line) {
                        rest.drain(..from);
                        return;
                    }
                }
                rest.drain(..from);
            }
        }
    }
}

/// Some of the crowd speak in turn, `total` messages in all at `rate` a second; everybody has to hear each once and in order.
#[track_caller]
fn conversation(crowd: &mut Crowd, total: usize, rate: u32) -> Duration {
    let speakers: Vec<TcpStream> = crowd.members.iter().map(|(s, _)| s.try_clone().unwrap()).take(10).collect();
    let begun = Instant::now();
    let talking = thread::spawn(move || {
        for nth in 0..total {
            let due = begun + Duration::from_secs(1) / rate * u32::try_from(nth).unwrap();
            thread::sleep(due.saturating_duration_since(Instant::now()));
            let speaker = nth % speakers.len();
            let line = format!("say {speaker} {}\n", nth / speakers.len());
            (&speakers[speaker]).write_all(line.as_bytes()).unwrap();
        }
    });
    let count = crowd.members.len();
    let mut next: HashMap<(usize, usize), usize> = HashMap::new();
    let mut heard = 0;
    // Nobody hears what it says itself.
    let wanted = total * (count - 1);
    crowd.read(Duration::from_secs(240), |nth, line| {
        if let Some((_, said)) = line.split_once("> say ") {
            let (speaker, number) = said.split_once(' ').unwrap();
            let (speaker, number): (usize, usize) = (speaker.parse().unwrap(), number.parse().unwrap());
            assert_eq!(line, format!("[lobby] <m{speaker}> say {speaker} {number}"));
            let due = next.entry((nth, speaker)).or_default();
            assert_eq!(number, *due, "member {nth} hears {speaker}");
            *due += 1;
            heard += 1;
        }
        heard < wanted
    });
    talking.join().unwrap();
    begun.elapsed()
}

fn everybody_hears_everything_once_and_in_order(t: &Ctx) {
    let _alone = one_bulk_at_a_time();
    let (clients, total, rate) = if is_big() { (1000, 3000, 100) } else { (100, 2000, 1000) };
    let server = serve(t, &["-m", "2000", "--rate", "0"]);
    let mut crowd = Crowd::join(server.socket_addr(), clients);
    conversation(&mut crowd, total, rate);
    let peak = server.peak_memory();
    assert!(peak < 64 << 20, "{peak}");
}

fn who_does_not_read_is_dropped_and_nobody_waits(t: &Ctx) {
    let _alone = one_bulk_at_a_time();
    let mut server = t.sockkit(&["chat", "serve", "--rate", "0", "--sndbuf", "16k", "127.0.0.1:0"]).server();
    let mut crowd = Crowd::join(server.socket_addr(), 30);
    let mut stalled: Vec<Plain> =
        (0..10).map(|nth| Plain::join(server.socket_addr(), &format!("stalled{nth}"))).collect();
    let mut talker = Plain::join(server.socket_addr(), "talker");
    let line = "x".repeat(1000);
    let (mut dropped, mut lines, mut slowest) = (0, 0, Duration::ZERO);
    let mut drops = Vec::new();
    while dropped < 10 {
        let begun = Instant::now();
        for _ in 0..50 {
            talker.say(&line);
        }
        lines += 50;
        let mut heard = 0;
        crowd.read(PATIENCE, |_, text| {
            if text.ends_with("left (fell behind)") {
                drops.push(text.to_owned());
            }
            heard += usize::from(text.contains("xxxx"));
            heard < 50 * 30
        });
        slowest = slowest.max(begun.elapsed());
        drops.sort();
        drops.dedup();
        dropped = drops.len();
        assert!(lines < 20_000, "only {dropped} were dropped");
    }
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");
    assert!(server.peak_memory() < 64 << 20, "{}", server.peak_memory());
    // What they read at last is whole lines, and their end.
    for plain in &mut stalled {
        let all = read_until_end(&mut plain.lines);
        let text = String::from_utf8(all).unwrap();
        let last = text.lines().next_back().unwrap_or_default();
        assert!(last.len() > 1000 || last.starts_with("-- you fell behind") || last.starts_with('['), "{last}");
    }
    server.stderr.wait_for("it fell behind and was dropped");
    server.signal(Signal::TERM);
    server.wait().code(143);
}

/// All that comes; a reset is an end too.
fn read_until_end(from: &mut impl Read) -> Vec<u8> {
    let mut all = Vec::new();
    let _ = from.read_to_end(&mut all);
    all
}

fn the_end_is_told_and_nothing_is_lost(t: &Ctx) {
    let mut server = serve(t, &["--rate", "0"]);
    let mut people: Vec<Plain> = ["a", "b", "c"].map(|name| Plain::join(server.socket_addr(), name)).into();
    people[0].hears("[lobby] -- b joined");
    people[0].hears("[lobby] -- c joined");
    people[1].hears("[lobby] -- c joined");
    for nth in 0..500 {
        people[2].say(&format!("{nth} {}", "y".repeat(200)));
    }
    people[2].say("/who");
    people[2].hears("-- in lobby: a, b, c");
    server.signal(Signal::TERM);
    for person in &mut people[..2] {
        for nth in 0..500 {
            assert!(person.hear().starts_with(&format!("[lobby] <c> {nth} ")));
        }
    }
    for person in &mut people {
        person.hears("-- the server ends");
        assert_eq!(person.hear(), "", "and no word of the others' leaving");
    }
    drop(people);
    server.wait().code(143);
}

fn over_a_unix_socket(t: &Ctx) {
    let path = t.file("room");
    let _server = t.sockkit(&["chat", "serve", "-q", "--mode", "0600", &format!("unix:{path}")]).server();
    let mut plain = unix_connect(&t.path("room"));
    plain.write_all(b"a\n").unwrap();
    t.sockkit(&["chat", "join", "-q", "-n", "b", &format!("unix:{path}")]).run(b"hi\n").code(0);
    plain.shutdown(std::net::Shutdown::Write).unwrap();
    let text = String::from_utf8(read_all(plain)).unwrap();
    assert!(text.contains("[lobby] -- b joined\n[lobby] <b> hi\n[lobby] -- b left\n"), "{text}");
}

/// A broker that tells who comes: whoever is not in yet gets nothing of what is sent.
fn serve_raw(t: &Ctx) -> Proc {
    t.sockkit(&["chat", "serve", "--raw", "127.0.0.1:0"]).server()
}

fn raw_is_byte_for_byte(t: &Ctx) {
    let server = serve_raw(t);
    let [a, b, c] = [0; 3].map(|_| connect(server.socket_addr()));
    server.stderr.wait_for("#3 accepted");
    let bytes: Vec<u8> = (0..=255).collect();
    (&a).write_all(&bytes).unwrap();
    for other in [&b, &c] {
        let mut got = vec![0; 256];
        (&*other).read_exact(&mut got).unwrap();
        assert_eq!(got, bytes);
    }
    stays_silent(&a, Duration::from_millis(100));
    (&c).write_all(b"back").unwrap();
    let mut got = [0; 4];
    (&a).read_exact(&mut got).unwrap();
    assert_eq!(&got, b"back");
}

fn raw_waits_for_nobody_who_does_not_read(t: &Ctx) {
    let _alone = one_bulk_at_a_time();
    let data = Data::new(90);
    let total = if is_big() { 100 << 20 } else { 24 << 20 };
    let server = serve_raw(t);
    let [mut sender, reader, stalled] = [0; 3].map(|_| connect(server.socket_addr()));
    server.stderr.wait_for("#3 accepted");
    let reading = thread::spawn(move || check_stream(reader.take(total), data));
    let begun = Instant::now();
    std::io::copy(&mut data.reader(total), &mut sender).unwrap();
    assert_eq!(reading.join().unwrap(), (total, None));
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
    assert!(server.peak_memory() < 64 << 20, "{}", server.peak_memory());
    // What the stalled one reads at last is a beginning of what was sent, and then it ends.
    let mut stalled = stalled;
    let got = read_until_end(&mut stalled);
    assert!((got.len() as u64) < total);
    data.check(0, &got).unwrap();
}

fn raw_drops_a_stopped_client(t: &Ctx) {
    let _alone = one_bulk_at_a_time();
    let data = Data::new(91);
    let total = 24 << 20;
    let server = serve_raw(t);
    let address = format!("127.0.0.1:{}", server.port());
    let receive = |out| t.connect(&["-q", "--recv-only", &address]).stdout(out).spawn();
    let (stopped, mut reader) = (receive(Out::Null), receive(Out::Check(data)));
    server.stderr.wait_for("#2 accepted");
    stopped.signal(Signal::STOP);
    stopped.wait_stopped();
    t.connect(&["-q", "--send-only", &address]).stdin(In::Fd(source(t, data, total))).spawn().wait().code(0);
    // The last of it may still wait in the kernel, where the server leaves it when it is to end.
    server.stderr.wait_for("#3 closed");
    server.signal(Signal::TERM);
    reader.wait().stdout_len(total);
}

/// A file of so many bytes, open for reading.
fn source(t: &Ctx, data: Data, total: u64) -> std::os::fd::OwnedFd {
    fs::write(t.path("data"), data.bytes(usize::try_from(total).unwrap())).unwrap();
    fs::File::open(t.path("data")).unwrap().into()
}

fn r24_one_that_vanishes_stops_nobody(t: &Ctx) {
    let server = serve_raw(t);
    let port = server.port();
    let receive = || t.connect(&["-q", "--recv-only", &format!("127.0.0.1:{port}")]).spawn();
    let [one, two, three] = [0; 3].map(|_| receive());
    let mut talker = connect(server.socket_addr());
    server.stderr.wait_for("#4 accepted");
    talker.write_all(b"first\n").unwrap();
    for receiver in [&one, &two, &three] {
        receiver.stdout.wait_for("first\n");
    }
    drop(two);
    for nth in 0..20 {
        talker.write_all(format!("line {nth}\n").as_bytes()).unwrap();
    }
    for receiver in [&one, &three] {
        receiver.stdout.wait_for("line 19\n");
    }
}

fn flags_that_do_not_fit(t: &Ctx) {
    for args in [
        &["-u", "127.0.0.1:0"][..],
        &["unix-dgram:x"],
        &["unix-seqpacket:x"],
        &["--raw", "--history", "3"],
        &["--raw", "--log", "x"],
        &["--line-limit", "0"],
        &["--line-limit", "64k"],
        &["--name-limit", "0"],
        &["--history", "-1"],
    ] {
        t.sockkit(&["chat", "serve"]).args(args).run(b"").code(2);
    }
    t.sockkit(&["chat"]).run(b"").code(2);
    t.sockkit(&["chat", "join", "-u", "127.0.0.1:1"]).run(b"").code(2);
    t.sockkit(&["chat", "join", "--raw", "127.0.0.1:1"]).run(b"").code(2);
    t.sockkit(&["chat", "leave"]).run(b"").code(2);
    fs::write(t.path("empty"), "\n").unwrap();
    t.sockkit(&["chat", "serve", "--password-file", &t.file("empty")]).run(b"").code(1).says(&["is empty"]);
    t.sockkit(&["chat", "serve", "--password-file", &t.file("none")]).run(b"").code(1).says(&["No such file"]);
}
