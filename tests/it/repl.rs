//! The line editor, on a real terminal.

use std::io::Write;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use rustix::process::Signal;

use crate::support::{
    Ctx, Exit, In, Out, PATIENCE, Proc, Pty, accept, connect, let_pass, listener, poll_until, read_all, read_exactly,
    trials, udp,
};

pub(crate) fn tests() -> Vec<Trial> {
    trials!["repl";
        lines_are_sent_and_shown [Setsid],
        a_thousand_lines_while_typing [Setsid],
        lines_in_pieces_show_at_once [Setsid],
        wide_characters_stay_whole [Setsid],
        escape_sequences_are_shown_and_not_obeyed [Setsid],
        arrow_tab_and_search [Setsid],
        keys_typed_ahead_are_not_lost [Setsid],
        pasted_lines_are_sent_line_by_line [Setsid],
        an_open_quote_goes_on [Setsid],
        ctrl_c_clears_then_leaves [Setsid],
        ctrl_c_interrupts_a_command [Setsid],
        ctrl_d_half_closes_and_goes_on_showing [Setsid],
        ctrl_d_twice_leaves [Setsid],
        the_peer_closes_and_another_is_opened [Setsid],
        a_failed_expectation_ends_nothing [Setsid],
        several_connections [Setsid],
        term_restores_the_terminal [Setsid],
        term_in_a_command_restores_the_terminal [Setsid],
        a_second_signal_restores_the_terminal [Setsid],
        hangup_ends_it [Setsid],
        history_is_kept_and_private [Setsid],
        history_that_cannot_be_kept_is_told_once [Setsid],
        a_saved_session_passes [Setsid],
        listen_accepts_and_accepts_again [Setsid],
        datagram_server_answers_who_spoke_last [Setsid],
        after_a_script [Setsid],
        nothing_is_coloured_when_not_wanted [Setsid],
        dumb_terminal_gets_no_escapes [Setsid],
        piped_commands [],
        piped_end_waits_for_the_peer [],
        piped_lines_to_a_datagram_peer [],
        term_in_a_search_restores_the_terminal [Setsid],
        an_interrupt_from_elsewhere_is_a_ctrl_c [Setsid],
        peers_that_close_while_typing [Setsid],
        flags_about_bytes_are_turned_away [],
        search_and_completion_block_nothing [Setsid],
        another_encoding [Setsid],
    ]
}

/// The program at a terminal.
struct Session {
    pty: Pty,
    proc: Proc,
    modes: String,
}

impl Session {
    #[track_caller]
    fn start(t: &Ctx, args: &[&str]) -> Self {
        Self::with(t, args, &[("TERM", "xterm")])
    }

    #[track_caller]
    fn with(t: &Ctx, args: &[&str], env: &[(&str, &str)]) -> Self {
        let pty = Pty::open();
        let modes = format!("{:?}", pty.modes());
        let mut cmd = t.sockkit(args);
        for (name, value) in env {
            cmd = cmd.env(name, value);
        }
        let cmd = cmd.under(&["setsid", "-c"]).stdin(In::Fd(pty.side())).stdout(Out::Fd(pty.side()));
        let proc = cmd.stderr(pty.side()).spawn();
        Self { pty, proc, modes }
    }

    /// Connected to a socket of the test.
    #[track_caller]
    fn connected(t: &Ctx, args: &[&str]) -> (Self, TcpStream) {
        let (listener, addr) = listener();
        let session = Self::start(t, &[&["connect", &addr], args].concat());
        let stream = accept(&listener);
        session.sees("open> ");
        (session, stream)
    }

    #[track_caller]
    fn sees(&self, text: &str) {
        self.sees_times(text, 1);
    }

    /// What was shown, without colours and movements.
    fn plain(&self) -> String {
        plain(&self.pty.screen.text())
    }

    /// Waits for so many of them.
    #[track_caller]
    fn sees_times(&self, text: &str, times: usize) {
        let end = Instant::now() + PATIENCE;
        while self.plain().matches(text).count() < times {
            if Instant::now() >= end {
                let plain = self.plain();
                let last: Vec<&str> = plain.lines().rev().take(20).collect();
                panic!("not {times} times {text:?}; the last lines, backwards: {last:#?}");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// It ends with this code, and the terminal is as it was.
    #[track_caller]
    fn ends(&mut self, code: i32) -> Exit {
        let exit = self.proc.wait();
        assert_eq!(exit.code, code, "{:?}", self.plain());
        assert_eq!(format!("{:?}", self.pty.modes()), self.modes, "the modes of the terminal");
        // What it wrote last may still be on its way to us.
        poll_until("bracketed paste to be turned off", || {
            let shown = self.pty.screen.text();
            (shown.rfind("\x1b[?2004h") <= shown.rfind("\x1b[?2004l")).then_some(())
        });
        exit
    }
}

/// Without what moves, colours or erases.
fn plain(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('\x1b') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(sequence) = rest.strip_prefix('[') {
            let end = sequence.find(|c: char| ('@'..='~').contains(&c)).map_or(sequence.len(), |end| end + 1);
            rest = &sequence[end..];
        }
    }
    out.push_str(rest);
    // The cursor goes to the first column all the time.
    out.replace('\r', "")
}

fn lines_are_sent_and_shown(t: &Ctx) {
    let (mut session, mut stream) = Session::connected(t, &[]);
    let peer = stream.local_addr().unwrap();
    session.sees(&format!("{peer} open> "));
    session.pty.keys("hello\r");
    assert_eq!(read_exactly(&stream, 6), b"hello\n");
    stream.write_all(b"welcome\r\n").unwrap();
    session.sees("welcome\n");
    session.pty.keys("//slash\r/send \"raw\\x00\"\r/set eol crlf\rline\r");
    assert_eq!(read_exactly(&stream, 17), b"/slash\nraw\0line\r\n");
    session.pty.keys("/quit\r");
    assert_eq!(read_all(&stream), b"");
    session.ends(0);
}

fn a_thousand_lines_while_typing(t: &Ctx) {
    let (mut session, stream) = Session::connected(t, &[]);
    let mut writer = stream.try_clone().unwrap();
    let flood = std::thread::spawn(move || {
        for nth in 0..1000 {
            writer.write_all(format!("<payload {nth:04}>\n").as_bytes()).unwrap();
            if nth % 10 == 0 {
                std::thread::sleep(Duration::from_millis(2));
            }
        }
    });
    let typed = "the line that is being typed, 收到 and all";
    for key in typed.chars() {
        session.pty.keys(&key.to_string());
        std::thread::sleep(Duration::from_millis(4));
    }
    flood.join().unwrap();
    session.sees("<payload 0999>");
    session.pty.keys("\r");
    assert_eq!(read_exactly(&stream, typed.len() + 1), format!("{typed}\n").as_bytes());
    let shown = session.plain();
    let mut from = 0;
    for nth in 0..1000 {
        let line = format!("<payload {nth:04}>\n");
        let at = shown[from..].find(&line).unwrap_or_else(|| panic!("{line:?} is not behind {:?}", &shown[..from]));
        let before = &shown[from..from + at];
        // Between two lines there is nothing, or a whole prompt and what is typed.
        assert!(!before.contains("<payload"), "{before:?}");
        from += at + line.len();
    }
    assert_eq!(shown.matches("<payload").count(), 1000);
    let drawn = shown.matches("open> ").count();
    assert!(drawn < 500, "drawn {drawn} times");
    session.pty.keys("/quit\r");
    session.ends(0);
}

fn lines_in_pieces_show_at_once(t: &Ctx) {
    let (mut session, mut stream) = Session::connected(t, &[]);
    stream.write_all(b"login: ").unwrap();
    session.sees("login: \n");
    stream.write_all(b"again: ").unwrap();
    session.sees("… again: \n");
    stream.write_all(b"\nnext\n").unwrap();
    session.sees("next\n");
    assert!(!session.plain().contains("… next"));
    session.pty.keys("/quit\r");
    session.ends(0);
}

fn wide_characters_stay_whole(t: &Ctx) {
    let (mut session, mut stream) = Session::connected(t, &[]);
    session.pty.keys("半分");
    session.sees("半分");
    for byte in "消息 👍🏽 ok\n".bytes() {
        stream.write_all(&[byte]).unwrap();
        std::thread::sleep(Duration::from_millis(2));
    }
    session.sees("k\n");
    assert!(!session.plain().contains("\\x"), "{:?}", session.plain());
    for whole in ["消", "息", "👍", "🏽"] {
        session.sees(whole);
    }
    session.pty.keys("が来た\x02\x02\x7f\r");
    // Two back, and one before that taken away.
    assert_eq!(read_exactly(&stream, 13), "半分来た\n".as_bytes());
    session.pty.keys("/quit\r");
    session.ends(0);
}

fn escape_sequences_are_shown_and_not_obeyed(t: &Ctx) {
    let (mut session, mut stream) = Session::connected(t, &[]);
    stream.write_all(b"\x1b]0;title\x07\x1b[2Jdone\n").unwrap();
    session.sees("\\x1b]0;title\\x07\\x1b[2Jdone\n");
    assert!(!session.pty.screen.text().contains("\x1b]0"));
    session.pty.keys("/quit\r");
    session.ends(0);
}

fn arrow_tab_and_search(t: &Ctx) {
    let (mut session, stream) = Session::connected(t, &[]);
    session.pty.keys("first\r");
    assert_eq!(read_exactly(&stream, 6), b"first\n");
    session.pty.keys("second\r");
    assert_eq!(read_exactly(&stream, 7), b"second\n");
    session.pty.keys("\x1b[A\x1b[A\r");
    assert_eq!(read_exactly(&stream, 6), b"first\n");
    session.pty.keys("\x12seco");
    session.sees("second");
    session.pty.keys("\r");
    assert_eq!(read_exactly(&stream, 7), b"second\n");
    session.pty.keys("/shut\tw\t");
    session.sees("/shutdown write");
    session.pty.keys("\r");
    assert_eq!(read_all(&stream), b"");
    session.sees("half-closed> ");
    session.pty.keys("/get nodel\t\r");
    session.sees("\nnodelay no");
    session.pty.keys("/quit\r");
    session.ends(0);
}

fn keys_typed_ahead_are_not_lost(t: &Ctx) {
    let (mut session, stream) = Session::connected(t, &[]);
    session.pty.keys("/sleep 300ms\rone\rtwo\rthree\r/quit\r");
    assert_eq!(read_all(&stream), b"one\ntwo\nthree\n");
    session.ends(0);
}

fn pasted_lines_are_sent_line_by_line(t: &Ctx) {
    let (mut session, stream) = Session::connected(t, &["--eol", "crlf"]);
    session.pty.keys("\x1b[200~GET / HTTP/1.0\nHost: x\n\n\x1b[201~");
    session.sees("Host: x");
    session.pty.keys("\r");
    assert_eq!(read_exactly(&stream, 27), b"GET / HTTP/1.0\r\nHost: x\r\n\r\n");
    session.pty.keys("/quit\r");
    session.ends(0);
}

fn an_open_quote_goes_on(t: &Ctx) {
    let (mut session, stream) = Session::connected(t, &[]);
    session.pty.keys("/send \"one\rtwo\"\r");
    assert_eq!(read_exactly(&stream, 7), b"one\ntwo");
    session.pty.keys("say \"this\r");
    assert_eq!(read_exactly(&stream, 10), b"say \"this\n");
    session.pty.keys("/quit\r");
    session.ends(0);
}

fn ctrl_c_clears_then_leaves(t: &Ctx) {
    let (mut session, stream) = Session::connected(t, &[]);
    session.pty.keys("not meant\x03");
    session.sees_times("open> ", 2);
    session.pty.keys("meant\r");
    assert_eq!(read_exactly(&stream, 6), b"meant\n");
    session.pty.keys("\x03");
    session.sees("Ctrl-C again leaves");
    session.pty.keys("\x03");
    session.ends(130);
}

fn ctrl_c_interrupts_a_command(t: &Ctx) {
    let (mut session, stream) = Session::connected(t, &[]);
    session.pty.keys("/send x\r/expect never within 60s\r");
    assert_eq!(read_exactly(&stream, 1), b"x");
    session.sees("never within 60s\n");
    // Until the command runs Ctrl-C would clear a line that is empty.
    let begun = Instant::now();
    while !session.plain().contains("[interrupted]") && begun.elapsed() < PATIENCE {
        session.pty.keys("\x03");
        std::thread::sleep(Duration::from_millis(100));
        if session.plain().contains("Ctrl-C again leaves") {
            break;
        }
    }
    session.sees("[interrupted]");
    session.pty.keys("more\r");
    assert_eq!(read_exactly(&stream, 5), b"more\n");
    session.pty.keys("/quit\r");
    session.ends(0);
}

fn ctrl_d_half_closes_and_goes_on_showing(t: &Ctx) {
    let (mut session, mut stream) = Session::connected(t, &[]);
    session.pty.keys("last\r\x04");
    assert_eq!(read_all(&stream), b"last\n");
    session.sees("half-closed> ");
    stream.write_all(b"an answer\n").unwrap();
    session.sees("an answer\n");
    assert!(session.proc.is_running());
    drop(stream);
    session.ends(0);
    session.sees("the peer has ended");
}

fn ctrl_d_twice_leaves(t: &Ctx) {
    let (mut session, stream) = Session::connected(t, &[]);
    session.pty.keys("\x04");
    assert_eq!(read_all(&stream), b"");
    session.sees("half-closed> ");
    session.pty.keys("\x04");
    session.ends(0);
}

fn the_peer_closes_and_another_is_opened(t: &Ctx) {
    let (mut session, stream) = Session::connected(t, &[]);
    session.pty.keys("typed");
    session.sees("typed");
    drop(stream);
    session.sees("[the peer has ended]");
    // The prompt tells, and what was typed is still there.
    session.sees("half-closed> typed");
    let prompts = session.plain().matches("half-closed> ").count();
    session.pty.keys("\x03");
    session.sees_times("half-closed> ", prompts + 1);
    let (listener, addr) = listener();
    session.pty.keys(&format!("/close\r/open {addr}\r"));
    let stream = accept(&listener);
    session.sees(&format!("{addr} open> "));
    session.pty.keys("again\r");
    assert_eq!(read_exactly(&stream, 6), b"again\n");
    drop(stream);
    session.sees(&format!("{addr} half-closed> "));
    session.pty.keys("\x04");
    session.ends(0);
}

fn a_failed_expectation_ends_nothing(t: &Ctx) {
    let (mut session, mut stream) = Session::connected(t, &[]);
    stream.write_all(b"other\n").unwrap();
    session.sees("other");
    session.pty.keys("/expect \"this\" within 50ms\r");
    session.sees("expecting");
    session.pty.keys("/nosuch\r");
    session.sees("nosuch");
    session.pty.keys("still here\r");
    assert_eq!(read_exactly(&stream, 11), b"still here\n");
    session.pty.keys("/quit\r");
    session.ends(0);
}

fn several_connections(t: &Ctx) {
    let (mut session, mut first) = Session::connected(t, &[]);
    let (listener, addr) = listener();
    session.pty.keys(&format!("/open {addr}\r"));
    let second = accept(&listener);
    session.sees(&format!("#2 {addr} open> "));
    session.pty.keys("to the second\r/use 1\r");
    assert_eq!(read_exactly(&second, 14), b"to the second\n");
    session.sees("#1 ");
    session.pty.keys("to the first\r/conns\r");
    assert_eq!(read_exactly(&first, 13), b"to the first\n");
    session.sees("* 1 ");
    first.write_all(b"from the first\n").unwrap();
    session.sees("from the first");
    session.pty.keys("/quit\r");
    session.ends(0);
}

fn term_restores_the_terminal(t: &Ctx) {
    let (mut session, _stream) = Session::connected(t, &[]);
    session.pty.keys("half a line");
    session.sees("half a line");
    session.proc.signal(Signal::TERM);
    session.ends(143);
}

fn term_in_a_command_restores_the_terminal(t: &Ctx) {
    let (mut session, stream) = Session::connected(t, &[]);
    session.pty.keys("begun\r/sleep 60s\r");
    assert_eq!(read_exactly(&stream, 6), b"begun\n");
    session.sees("sleep 60s\n");
    session.proc.signal(Signal::TERM);
    session.ends(143);
}

fn a_second_signal_restores_the_terminal(t: &Ctx) {
    // The first one waits in vain: the peer takes nothing, so the last words cannot be said.
    let (mut session, _stream) = Session::connected(t, &[]);
    session.proc.signal(Signal::TERM);
    session.proc.signal(Signal::TERM);
    session.ends(143);
}

fn hangup_ends_it(t: &Ctx) {
    let (mut session, _stream) = Session::connected(t, &[]);
    session.proc.signal(Signal::HUP);
    session.ends(129);
}

fn history_is_kept_and_private(t: &Ctx) {
    let (mut session, stream) = Session::connected(t, &[]);
    session.pty.keys("remembered\r a secret\r");
    assert_eq!(read_exactly(&stream, 21), b"remembered\n a secret\n");
    session.pty.keys("/history\r");
    session.sees_times("remembered\n", 2);
    session.pty.keys("/quit\r");
    session.ends(0);
    let path = t.path("sockkit/history");
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "remembered\n/history\n/quit\n");
    // And the next session has it.
    let (mut session, stream) = Session::connected(t, &[]);
    session.pty.keys("\x1b[A\x1b[A\x1b[A\r/quit\r");
    assert_eq!(read_all(&stream), b"remembered\n");
    session.ends(0);
}

fn history_that_cannot_be_kept_is_told_once(t: &Ctx) {
    let (listener, addr) = listener();
    let mut session = Session::with(t, &["connect", &addr], &[("TERM", "xterm"), ("XDG_STATE_HOME", "/proc/none")]);
    let stream = accept(&listener);
    session.sees("history is not kept");
    session.pty.keys("one\rtwo\r/quit\r");
    assert_eq!(read_all(&stream), b"one\ntwo\n");
    session.ends(0);
    assert_eq!(session.plain().matches("history is not kept").count(), 1);
}

fn a_saved_session_passes(t: &Ctx) {
    let server = t.sockkit(&["echo", "127.0.0.1:0"]).server();
    let mut session = Session::start(t, &["connect", server.addr()]);
    session.sees("open> ");
    session.pty.keys("hello\r");
    session.sees_times("hello\n", 2);
    session.pty.keys("/send \"no end\\x1b\"\r");
    session.sees("no end\\x1b\n");
    session.pty.keys("/expect \"hello\" within 1s\r/expect \"nothing\" within 10ms\r");
    session.sees("expecting");
    session.pty.keys("/set eol crlf\r收到 \"quoted\"\r");
    session.sees_times("quoted\"\n", 2);
    session.pty.keys("/shutdown write\r");
    session.sees("the peer has ended");
    session.pty.keys("/save session.sk\r");
    session.sees("saved to");
    session.pty.keys("/quit\r");
    session.ends(0);
    let script = std::fs::read_to_string(t.path("session.sk")).unwrap();
    assert!(script.contains("expect-eof") && !script.contains("nothing"), "{script}");
    let exit = t.connect(&["--script", "session.sk", server.addr()]).stdin(In::Null).spawn().wait();
    assert_eq!(exit.code, 0, "{script}\n{}", exit.stderr);
}

fn listen_accepts_and_accepts_again(t: &Ctx) {
    let address = format!("{}:20231", t.loopback());
    let mut session = Session::start(t, &["listen", "-I", &address]);
    session.sees("listening on");
    let first = connect(address.parse().unwrap());
    session.sees("open> ");
    session.pty.keys("one\r");
    assert_eq!(read_exactly(&first, 4), b"one\n");
    let second = connect(address.parse().unwrap());
    session.pty.keys("/accept\r");
    session.sees("#2 ");
    session.pty.keys("two\r");
    assert_eq!(read_exactly(&second, 4), b"two\n");
    session.pty.keys("/quit\r");
    session.ends(0);
}

fn datagram_server_answers_who_spoke_last(t: &Ctx) {
    let address = format!("{}:20232", t.loopback());
    let mut session = Session::start(t, &["listen", "-u", "-I", &address]);
    session.sees("> ");
    for (name, answer) in [("a", "to a"), ("b", "to b")] {
        let socket = udp();
        socket.send_to(format!("from {name}").as_bytes(), &address).unwrap();
        session.sees(&format!("from {name}"));
        session.pty.keys(&format!("{answer}\r"));
        let mut buffer = [0; 100];
        let len = socket.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..len], format!("{answer}\n").as_bytes());
    }
    session.pty.keys("\x04");
    session.ends(0);
}

fn after_a_script(t: &Ctx) {
    std::fs::write(t.path("begin.sk"), "send-line scripted\nexpect \"go\"\n").unwrap();
    let (listener, addr) = listener();
    let mut session = Session::start(t, &["connect", "--script", "begin.sk", "-I", &addr]);
    let mut stream = accept(&listener);
    assert_eq!(read_exactly(&stream, 9), b"scripted\n");
    stream.write_all(b"go\n").unwrap();
    session.sees("open> ");
    session.pty.keys("by hand\r");
    assert_eq!(read_exactly(&stream, 8), b"by hand\n");
    session.pty.keys("/stats\r");
    session.sees("sent       17 bytes");
    session.pty.keys("/quit\r");
    session.ends(0);
}

fn nothing_is_coloured_when_not_wanted(t: &Ctx) {
    for (args, env) in
        [(&["--color", "never"][..], &[("TERM", "xterm")][..]), (&[], &[("TERM", "xterm"), ("NO_COLOR", "1")])]
    {
        let (listener, addr) = listener();
        let mut session = Session::with(t, &[&["connect", &addr], args].concat(), env);
        let _stream = accept(&listener);
        session.sees("open> ");
        session.pty.keys("/send \"x\"\r/quit\r");
        session.ends(0);
        let shown = session.pty.screen.text();
        let coloured = shown.split("\x1b[").skip(1).any(|rest| {
            rest.find(|c: char| !c.is_ascii_digit() && c != ';').is_some_and(|end| rest[end..].starts_with('m'))
        });
        assert!(!coloured, "{shown:?}");
    }
}

fn dumb_terminal_gets_no_escapes(t: &Ctx) {
    let (listener, addr) = listener();
    let mut session = Session::with(t, &["connect", &addr], &[("TERM", "dumb")]);
    let mut stream = accept(&listener);
    session.pty.keys("hello\r");
    assert_eq!(read_exactly(&stream, 6), b"hello\n");
    stream.write_all(b"\x1b[1mbold\n").unwrap();
    session.sees("\\x1b[1mbold");
    session.pty.keys("/info\r");
    session.sees("state      open");
    session.pty.keys("\x04");
    assert_eq!(read_all(&stream), b"");
    drop(stream);
    session.ends(0);
    assert!(!session.pty.screen.text().contains('\x1b'), "{:?}", session.pty.screen.text());
}

fn piped_commands(t: &Ctx) {
    let server = t.sockkit(&["echo", "127.0.0.1:0"]).server();
    let exit = t.connect(&["-I", server.addr()]).run(b"plain\n/expect \"plain\\n\"\n/send \"a\nb\"\n/echo said\n");
    exit.code(0).stdout("plain\na\nb").says(&["said"]);
    // What fails is told, and does not end it.
    t.connect(&["-I", server.addr()]).run(b"/nosuch\n/expect x within 10ms\nlast\n").code(0).stdout("last\n");
}

fn piped_lines_to_a_datagram_peer(t: &Ctx) {
    let server = t.sockkit(&["echo", "-u", "127.0.0.1:0"]).server();
    t.connect(&["-I", server.addr()]).run(b"one\ntwo\n").code(0).stdout("one\ntwo\n");
}

fn search_and_completion_block_nothing(t: &Ctx) {
    let (mut session, mut stream) = Session::connected(t, &[]);
    session.pty.keys("searched\r");
    assert_eq!(read_exactly(&stream, 9), b"searched\n");
    session.sees_times("open> ", 2);
    session.pty.keys("\x12");
    session.sees("reverse-i-search");
    // More than may wait: receiving stops, and goes on once the search is over.
    let block = vec![b'x'; 79].into_iter().chain([b'\n']).collect::<Vec<u8>>().repeat(1 << 14);
    let writer = std::thread::spawn(move || {
        stream.write_all(&block).unwrap();
        stream.write_all(b"\n<the end>\n").unwrap();
        stream
    });
    session.pty.keys("\x07");
    session.sees("<the end>");
    let stream = writer.join().unwrap();
    session.pty.keys("alive\r");
    assert_eq!(read_exactly(&stream, 6), b"alive\n");
    session.pty.keys("/quit\r");
    session.ends(0);
}

fn piped_end_waits_for_the_peer(t: &Ctx) {
    let (listener, addr) = listener();
    let mut proc = t.connect(&["-I", "--crlf", &addr]).piped().spawn();
    proc.write(b"first\nlatin \xe9\n");
    proc.close_stdin();
    let mut stream = accept(&listener);
    assert_eq!(read_all(&stream), b"first\r\nlatin \xe9\r\n");
    let_pass(Duration::from_millis(300));
    assert!(proc.is_running());
    stream.write_all(b"\x1blate").unwrap();
    drop(stream);
    proc.wait().code(0).stdout("\x1blate");
}

fn term_in_a_search_restores_the_terminal(t: &Ctx) {
    let (mut session, stream) = Session::connected(t, &[]);
    session.pty.keys("searched\r");
    assert_eq!(read_exactly(&stream, 9), b"searched\n");
    session.sees_times("open> ", 2);
    session.pty.keys("\x12");
    session.sees("reverse-i-search");
    session.proc.signal(Signal::TERM);
    session.ends(143);
}

fn an_interrupt_from_elsewhere_is_a_ctrl_c(t: &Ctx) {
    let (mut session, stream) = Session::connected(t, &[]);
    session.pty.keys("half");
    session.sees("half");
    session.proc.signal(Signal::INT);
    session.sees_times("open> ", 2);
    session.pty.keys("whole\r");
    assert_eq!(read_exactly(&stream, 6), b"whole\n");
    session.pty.keys("/quit\r");
    session.ends(0);
}

fn peers_that_close_while_typing(t: &Ctx) {
    let (mut session, stream) = Session::connected(t, &[]);
    drop(stream);
    let (listener, addr) = listener();
    for nth in 0..30 {
        session.pty.keys(&format!("/open {addr}\r"));
        let mut stream = accept(&listener);
        let line = format!("line {nth} of many");
        let (begin, rest) = line.split_at(nth % 15);
        session.pty.keys(begin);
        stream.write_all(b"said\n").unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        session.pty.keys(rest);
        session.pty.keys("\r");
        assert_eq!(read_exactly(&stream, line.len() + 1), format!("{line}\n").as_bytes());
    }
    session.sees_times("said\n", 30);
    session.pty.keys("/quit\r");
    session.ends(0);
    let shown = session.plain();
    assert!(!shown.contains("Ctrl-C") && !shown.contains("interrupted"), "{shown}");
    assert_eq!(shown.matches("said\n").count(), 30);
}

fn flags_about_bytes_are_turned_away(t: &Ctx) {
    t.connect(&["-I", "--stay", "127.0.0.1:9"]).run(b"").code(2).says(&["--stay"]);
    t.listen(&["-I", "-i", "1s", "127.0.0.1:0"]).run(b"").code(2).says(&["--idle-timeout"]);
}

/// What is typed goes out in it, what comes is shown from it; what it has no characters for is refused whole.
fn another_encoding(t: &Ctx) {
    let (mut session, stream) = Session::connected(t, &["--encoding", "GBK", "--eol", "crlf"]);
    session.pty.keys("收到!\r");
    assert_eq!(read_exactly(&stream, 7), b"\xca\xd5\xb5\xbd!\r\n");
    // Cut in the middle of a character, and with bytes that are none.
    (&stream).write_all(b"ok \xca").unwrap();
    session.sees("ok ");
    (&stream).write_all(b"\xd5\xb5\xbd \xff\x1b[2J.\n").unwrap();
    session.sees("收到 \\xff\\x1b[2J.");
    // Bytes that are asked for as bytes stay so.
    session.pty.keys("/send \"收\\xff\"\r");
    assert_eq!(read_exactly(&stream, 4), b"\xe6\x94\xb6\xff");
    session.pty.keys("/quit\r");
    session.ends(0);
    let (mut session, stream) = Session::connected(t, &["--encoding", "latin1"]);
    session.pty.keys("10 € né\rné 收\rné\r");
    session.sees("windows-1252 has no '收' (U+6536): nothing of this was sent");
    assert_eq!(read_exactly(&stream, 11), b"10 \x80 n\xe9\nn\xe9\n");
    session.pty.keys("/quit\r");
    session.ends(0);
}
