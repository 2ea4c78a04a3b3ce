//! Scripts: against `echo:`, against each other, against peers of every temper; the exit code and what is said.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use rustix::process::Signal;

use crate::support::{
    Ctx, Out, Proc, SOON, accept, connect, listener, read_all, read_exactly, readable, reset, shut_write, trials, udp,
};

pub(crate) fn tests() -> Vec<Trial> {
    trials!["script";
        golden_scripts,
        two_scripts_talk_fifty_times [] 120,
        flags_are_a_script_in_their_order,
        flags_know_escapes_and_expressions,
        a_mistake_is_told_before_anybody_connects,
        flags_without_a_script,
        two_handlers,
        keep_going_counts,
        a_failed_expectation_is_exit_3,
        a_reset_is_told_from_an_end,
        an_end_is_told_from_a_reset,
        a_reset_after_an_end,
        silence_is_neither,
        what_comes_goes_to_stdout_as_it_comes,
        a_reader_of_stdout_that_leaves_is_no_failure,
        never_matching_text_is_bounded [] 120,
        never_matching_expression_is_bounded [] 180,
        what_no_command_takes_does_not_stop_us,
        a_dripping_peer_costs_little,
        send_gives_up_when_nobody_takes,
        listen_serves_one_after_another,
        listen_takes_a_second_connection,
        a_greeting_comes_first,
        datagrams_keep_their_bounds,
        a_datagram_server,
        a_refused_datagram,
        signals_end_every_wait,
        the_deadline_ends_a_wait,
        pipe_goes_on,
        reports_for_harnesses,
        events_tell_expectations,
        json_tells_payload_as_events,
        python_greets [Python3],
        stdin_is_a_script,
        line_delay_paces,
        open_several,
        output_copies_both_directions,
    ]
}

fn script(t: &Ctx, name: &str, text: &str) -> String {
    fs::write(t.path(name), text).unwrap();
    t.file(name)
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts")
}

/// What differs from run to run: ports, times, the directory.
fn normal(text: &str) -> String {
    let text = text.replace(directory().to_str().unwrap(), "DIR");
    let mut out = String::new();
    for line in text.split_inclusive('\n') {
        let mut line = line.to_owned();
        while let Some(at) = line.find("127.0.0.1:") {
            let digits = line[at + 10..].chars().take_while(char::is_ascii_digit).count();
            line.replace_range(at..at + 10 + digits, "PEER");
        }
        if let Some(at) = line.find(", after ") {
            line.truncate(at);
            line.push_str(", after TIME\n");
        }
        out.push_str(&line);
    }
    out
}

/// With `SOCKKIT_BLESS=1` what is said now is written down, to be read before it is committed.
fn golden_scripts(t: &Ctx) {
    let bless = std::env::var_os("SOCKKIT_BLESS").is_some();
    let mut scripts: Vec<PathBuf> = fs::read_dir(directory()).unwrap().map(|entry| entry.unwrap().path()).collect();
    scripts.retain(|path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name.starts_with('2') && name.ends_with(".sk")
    });
    scripts.sort();
    assert!(scripts.len() >= 55, "{}", scripts.len());
    let mut wrong = Vec::new();
    for path in &scripts {
        let exit = t.connect(&["-q", "--script", path.to_str().unwrap(), "echo:"]).spawn().wait();
        let got = [exit.stdout.bytes(), normal(&exit.stderr).into_bytes(), format!("{}\n", exit.code).into_bytes()];
        for (extension, got) in ["out", "err", "exit"].into_iter().zip(got) {
            let file = path.with_extension(extension);
            if bless {
                fs::write(&file, &got).unwrap();
            }
            let wanted = fs::read(&file).unwrap_or_default();
            if wanted != got {
                let [wanted, got] = [wanted, got].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
                wrong.push(format!("{}:\n{got}--- instead of\n{wanted}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn two_scripts_talk_fifty_times(t: &Ctx) {
    let server = script(
        t,
        "server.sk",
        "send \"220 ready\\r\\n\"\nexpect /HELO (\\w+)\\r\\n/\nsend \"250 hello ${1}\\r\\n\"\nexpect \"QUIT\\r\\n\"\n\
         send \"221 bye\\r\\n\"\nshutdown write\nexpect-eof\n",
    );
    let client = script(
        t,
        "client.sk",
        "set eol crlf\nexpect /^220 /\nsend-line HELO me\nexpect \"250 hello me\\r\\n\"\nsend-line QUIT\n\
         expect \"221 bye\\r\\n\"\nexpect-eof\n",
    );
    for _ in 0..50 {
        let mut listening = t.listen(&["-q", "--script", &server, "127.0.0.1:0"]).server();
        let mut client = t.connect(&["-q", "--script", &client, listening.addr()]).spawn();
        client.wait().code(0).stdout("220 ready\r\n250 hello me\r\n221 bye\r\n");
        listening.wait().code(0).stdout("HELO me\r\nQUIT\r\n");
    }
}

fn flags_are_a_script_in_their_order(t: &Ctx) {
    let args = ["--send", "one", "--expect", "one", "--send", "two", "--expect", "two", "echo:"];
    t.connect(&args).spawn().wait().code(0).stdout("onetwo");
    // With the second answer expected first, it cannot come.
    let args = ["--expect", "one", "--send", "one", "--deadline", "300ms", "echo:"];
    t.connect(&args).spawn().wait().code(124).stdout("");
}

fn flags_know_escapes_and_expressions(t: &Ctx) {
    let args = ["--send", "a\\x42\"c\\n", "--expect", "/A(.)/i", "--send", "<${1}>", "--expect", "\"c\\n<B>", "echo:"];
    t.connect(&args).spawn().wait().code(0).stdout("aB\"c\n<B>");
    t.connect(&["--send", "a\\q", "echo:"]).spawn().wait().code(2).says(&["\\q"]);
    t.connect(&["--expect", "/(/", "echo:"]).spawn().wait().code(2);
}

fn a_mistake_is_told_before_anybody_connects(t: &Ctx) {
    let bad = script(t, "bad.sk", "send hello\nexpcet x\n");
    let (peer, addr) = listener();
    t.connect(&["--script", &bad, &addr]).spawn().wait().code(2).says(&["bad.sk:2", "expcet"]);
    peer.set_nonblocking(true).unwrap();
    assert!(peer.accept().is_err());
    t.listen(&["--script", &t.file("none.sk"), "127.0.0.1:0"])
        .spawn()
        .wait()
        .code(1)
        .says(&["none.sk", "No such file"]);
}

fn flags_without_a_script(t: &Ctx) {
    for flags in [&["--keep-going"][..], &["--report", "tap"], &["--line-delay", "1s"]] {
        t.connect(flags).args(&["echo:"]).spawn().wait().code(2).says(&["script"]);
    }
    t.connect(&["--send", "x", "--report", "xml", "echo:"]).spawn().wait().code(2);
    t.connect(&["--send", "x", "--report", "junit", "echo:"]).spawn().wait().code(2);
    t.connect(&["--send", "x", "--script", "y", "echo:"]).spawn().wait().code(2);
    for flags in [&["--stay"][..], &["-i", "1s"], &["--recv-only"]] {
        t.connect(&["--send", "x", "echo:"]).args(flags).spawn().wait().code(2).says(&["a script has"]);
        t.listen(&["--send", "x", "127.0.0.1:0"]).args(flags).spawn().wait().code(2).says(&["a script has"]);
    }
}

fn two_handlers(t: &Ctx) {
    for handler in [&["--reply", "x"][..], &["--discard"], &["--exec", "cat"], &["--no-accept"], &["--close-on", "x"]] {
        t.listen(&["--send", "x", "127.0.0.1:0"]).args(handler).spawn().wait().code(2).says(&[handler[0]]);
    }
    t.connect(&["-z", "--send", "x", "echo:"]).spawn().wait().code(2);
}

fn keep_going_counts(t: &Ctx) {
    let path = script(t, "k.sk", "expect a within 50ms\nsend b\nexpect b\nexpect c within 50ms\nsend d\nexpect d\n");
    let exit = t.connect(&["-q", "--keep-going", "--script", &path, "echo:"]).spawn().wait();
    exit.code(3).stdout("bd").says(&["k.sk:1", "k.sk:4", "2 of 6 commands failed"]);
}

fn a_failed_expectation_is_exit_3(t: &Ctx) {
    let path = script(t, "f.sk", "# first\nexpect \"220 \" within 5s\n");
    let (peer, addr) = listener();
    let mut client = t.connect(&["--script", &path, &addr]).spawn();
    let mut stream = accept(&peer);
    stream.write_all(b"554 go away\r\n").unwrap();
    drop(stream);
    client.wait().code(3).stdout("554 go away\r\n").within(SOON).says(&[
        "f.sk:2: expecting",
        "the peer ended (FIN) before \"220 \" came, after ",
        "  expect \"220 \" within 5s\n  ^^^^^",
        "came: \"554 go away\\r\\n\"",
    ]);
}

/// A client with this script, and the connection that it made.
fn talks(t: &Ctx, text: &str) -> (Proc, std::net::TcpStream) {
    let path = script(t, "talk.sk", text);
    let (peer, addr) = listener();
    let client = t.connect(&["-q", "--script", &path, &addr]).spawn();
    (client, accept(&peer))
}

fn a_reset_is_told_from_an_end(t: &Ctx) {
    let (mut client, mut stream) = talks(t, "expect one\nsend two\nexpect-reset\n");
    stream.write_all(b"one").unwrap();
    assert_eq!(read_exactly(&stream, 3), b"two");
    reset(stream);
    client.wait().code(0).stdout("one");

    let (mut client, mut stream) = talks(t, "expect one\nsend two\nexpect-eof\n");
    stream.write_all(b"one").unwrap();
    assert_eq!(read_exactly(&stream, 3), b"two");
    reset(stream);
    client.wait().code(3).says(&["the connection broke (Connection reset by peer)", "FIN"]).within(SOON);
}

fn an_end_is_told_from_a_reset(t: &Ctx) {
    let (mut client, stream) = talks(t, "expect-eof\n");
    drop(stream);
    client.wait().code(0);
    let (mut client, stream) = talks(t, "expect-reset\n");
    drop(stream);
    client.wait().code(3).says(&["the peer ended (FIN)", "RST"]).within(SOON);
}

fn a_reset_after_an_end(t: &Ctx) {
    // Data for a socket that is gone is answered with RST, and only then is it clear that nobody reads it.
    let (mut client, stream) = talks(t, "expect-eof\nsend more\nexpect-reset\n");
    drop(stream);
    client.wait().code(0).within(SOON);
}

fn silence_is_neither(t: &Ctx) {
    let (mut client, stream) = talks(t, "expect-silence 300ms\n");
    client.wait().code(0);
    drop(stream);
    for how in 0..3 {
        let (mut client, mut stream) = talks(t, "send x\nexpect-silence 20s\n");
        assert_eq!(read_exactly(&stream, 1), b"x");
        let word = match how {
            0 => {
                stream.write_all(b"noise").unwrap();
                "came: \"noise\""
            }
            1 => {
                shut_write(&stream);
                "the peer ended (FIN) instead of silence"
            }
            _ => {
                reset(stream.try_clone().unwrap());
                drop(stream);
                client.wait().code(3).says(&["instead of silence"]).within(SOON);
                continue;
            }
        };
        client.wait().code(3).says(&[word]).within(SOON);
    }
}

fn what_comes_goes_to_stdout_as_it_comes(t: &Ctx) {
    let (mut client, mut stream) = talks(t, "sleep 1m\n");
    stream.write_all(b"while it sleeps").unwrap();
    client.stdout.wait_for("while it sleeps");
    client.signal(Signal::TERM);
    client.wait().code(143);
}

fn a_reader_of_stdout_that_leaves_is_no_failure(t: &Ctx) {
    let path = script(t, "l.sk", "send one\nexpect one\nsleep 50ms\nsend two\nexpect two\n");
    let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    drop(reader);
    t.connect(&["-q", "--script", &path, "echo:"]).stdout(Out::Fd(writer)).spawn().wait().code(0);
}

/// Sends so many bytes that never match, and says how the client ended, how long it took and what it held.
#[track_caller]
fn flooded(t: &Ctx, text: &str, code: i32, words: &[&str]) {
    let path = script(t, "flood.sk", text);
    let (peer, addr) = listener();
    let mut client = t.connect(&["-q", "--script", &path, &addr]).stdout(Out::Null).spawn();
    let mut stream = accept(&peer);
    let begun = Instant::now();
    let feeder = std::thread::spawn(move || {
        let piece = vec![b'x'; 1 << 20];
        for _ in 0..100 {
            if stream.write_all(&piece).is_err() {
                return;
            }
        }
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let _ = read_all_of(&stream);
    });
    let mut most = 0;
    while client.is_running() {
        most = most.max(client.peak_memory());
        assert!(begun.elapsed() < Duration::from_secs(60), "it takes too long");
        std::thread::sleep(Duration::from_millis(10));
    }
    client.wait().code(code).says(words);
    feeder.join().unwrap();
    assert!(most < 160 << 20, "it held {} MiB", most >> 20);
}

fn read_all_of(mut stream: &std::net::TcpStream) -> std::io::Result<u64> {
    std::io::copy(&mut stream, &mut std::io::sink())
}

fn never_matching_text_is_bounded(t: &Ctx) {
    flooded(t, "expect never within 1m\n", 3, &["the peer ended (FIN) before \"never\" came"]);
}

fn never_matching_expression_is_bounded(t: &Ctx) {
    flooded(t, "expect /ne+ver/ within 2m\n", 3, &["the peer ended (FIN) before /ne+ver/ came"]);
}

fn what_no_command_takes_does_not_stop_us(t: &Ctx) {
    flooded(t, "expect-eof within 1m\n", 0, &[]);
}

fn a_dripping_peer_costs_little(t: &Ctx) {
    // An expression is run again for each drop, but not for each of them over everything.
    let (mut client, mut stream) = talks(t, "expect /([a-z]+)[-_]end/ within 30s\n");
    stream.write_all(&vec![b'1'; 4 << 20]).unwrap();
    for _ in 0..200 {
        stream.write_all(b"2").unwrap();
        std::thread::sleep(Duration::from_millis(2));
    }
    stream.write_all(b"the-end").unwrap();
    let exit = client.wait();
    exit.code(0);
    // Over everything for each drop, it would be most of a gigabyte.
    assert!(exit.cpu < Duration::from_secs(4), "{:?}", exit.cpu);
}

fn send_gives_up_when_nobody_takes(t: &Ctx) {
    let path = script(t, "s.sk", "set timeout 300ms\nsend-file big\n");
    fs::write(t.path("big"), vec![0; 32 << 20]).unwrap();
    let (peer, addr) = listener();
    let mut client = t.connect(&["-q", "--script", &path, &addr]).spawn();
    let _stream = accept(&peer);
    client.wait().code(8).says(&["s.sk:2", "the peer took nothing for 300ms"]);
}

fn listen_serves_one_after_another(t: &Ctx) {
    let path = script(t, "serve.sk", "expect /(\\w+)\\n/ within 5s\nsend \"hi ${1}\\n\"\n");
    let mut server = t.listen(&["-k", "--count", "3", "--script", &path, "127.0.0.1:0"]).server();
    for name in ["one", "two"] {
        let mut stream = connect(server.socket_addr());
        stream.write_all(format!("{name}\n").as_bytes()).unwrap();
        assert_eq!(read_all(&stream), format!("hi {name}\n").as_bytes());
    }
    // One that fails is told, and ends nothing.
    drop(connect(server.socket_addr()));
    server.wait().code(0).says(&["serve.sk:1", "the peer ended (FIN)"]);
}

fn listen_takes_a_second_connection(t: &Ctx) {
    let path = script(
        t,
        "two.sk",
        "expect first\naccept\nexpect second\nsend \"to second\"\nuse 1\nsend \"to first\"\nconns\n",
    );
    let mut server = t.listen(&["-q", "--script", &path, "127.0.0.1:0"]).server();
    let mut first = connect(server.socket_addr());
    first.write_all(b"first").unwrap();
    let mut second = connect(server.socket_addr());
    second.write_all(b"second").unwrap();
    assert_eq!(read_all(&second), b"to second");
    assert_eq!(read_all(&first), b"to first");
    server.wait().code(0).stdout("firstsecond").says(&["* 1", "  2"]);
}

fn a_greeting_comes_first(t: &Ctx) {
    let mut server = t.listen(&["-q", "--greeting", "220 \\r\\n", "--expect", "bye", "127.0.0.1:0"]).server();
    let mut stream = connect(server.socket_addr());
    assert_eq!(read_exactly(&stream, 6), b"220 \r\n");
    stream.write_all(b"bye").unwrap();
    assert_eq!(read_all(&stream), b"");
    server.wait().code(0).stdout("bye");
}

fn datagrams_keep_their_bounds(t: &Ctx) {
    let path = script(t, "d.sk", "send one\nrecv 5\nrecv\nsend two\nrecv 3\n");
    let socket = udp();
    let addr = format!("udp://{}", socket.local_addr().unwrap());
    let mut client = t.connect(&["-q", "--script", &path, &addr]).spawn();
    let mut buffer = [0; 100];
    let (bytes, from) = socket.recv_from(&mut buffer).unwrap();
    assert_eq!(&buffer[..bytes], b"one");
    socket.send_to(b"hello", from).unwrap();
    socket.send_to(b"", from).unwrap();
    let (bytes, _) = socket.recv_from(&mut buffer).unwrap();
    assert_eq!(&buffer[..bytes], b"two");
    socket.send_to(b"four", from).unwrap();
    client.wait().code(3).says(&["a message of 3 bytes was expected, and one of 4 came"]);
}

fn a_datagram_server(t: &Ctx) {
    let mut server = t.listen(&["-q", "-u", "--expect", "ping", "--send", "pong", "127.0.0.1:0"]).server();
    let socket = udp();
    socket.send_to(b"ping", server.socket_addr()).unwrap();
    let mut buffer = [0; 100];
    let (bytes, _) = socket.recv_from(&mut buffer).unwrap();
    assert_eq!(&buffer[..bytes], b"pong");
    server.wait().code(0).stdout("ping");
}

fn a_refused_datagram(t: &Ctx) {
    let gone = udp().local_addr().unwrap();
    let path = script(t, "r.sk", "send x\nexpect y within 5s\n");
    let mut client = t.connect(&["-q", "--script", &path, &format!("udp://{gone}")]).spawn();
    client.wait().code(3).says(&["Connection refused, before \"y\" came"]).within(SOON);
}

fn signals_end_every_wait(t: &Ctx) {
    fs::write(t.path("big"), vec![0; 32 << 20]).unwrap();
    for text in [
        "expect never within 1m",
        "expect /never/ within 1m",
        "recv within 1m",
        "recv 10 within 1m",
        "expect-eof within 1m",
        "expect-reset within 1m",
        "expect-silence 1m",
        "sleep 1m",
        "set timeout 1m\nsend-file big",
        "repeat 1000000000 echo x",
    ] {
        for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
            let path = script(t, "wait.sk", &format!("send ready\n{text}\n"));
            let (peer, addr) = listener();
            let null = fs::OpenOptions::new().write(true).open("/dev/null").unwrap();
            let mut client = t.connect(&["-q", "--script", &path, &addr]).stderr(null.into()).spawn();
            let stream = accept(&peer);
            assert_eq!(read_exactly(&stream, 5), b"ready");
            std::thread::sleep(Duration::from_millis(50));
            client.signal(signal);
            client.wait().code(code).within(SOON);
        }
    }
    let mut server =
        t.listen(&["-q", "--script", &script(t, "a.sk", "send x\naccept within 1m\n"), "127.0.0.1:0"]).server();
    let stream = connect(server.socket_addr());
    assert_eq!(read_exactly(&stream, 1), b"x");
    server.signal(Signal::TERM);
    server.wait().code(143).within(SOON);
}

fn the_deadline_ends_a_wait(t: &Ctx) {
    let exit = t.connect(&["--deadline", "200ms", "--expect", "x", "echo:"]).spawn().wait();
    exit.code(124).within(SOON);
}

fn pipe_goes_on(t: &Ctx) {
    let exit = t.connect(&["--pipe", "--send", "first ", "--expect", "first", "echo:"]).run(b"second");
    exit.code(0).stdout("first second").says(&["sent 12 bytes, received 12 bytes"]);
    // A script that failed does not.
    let path = script(t, "fails.sk", "expect x within 50ms\n");
    t.connect(&["-q", "--pipe", "--script", &path, "echo:"]).run(b"x").code(3).stdout("");
}

fn reports_for_harnesses(t: &Ctx) {
    let path = script(t, "r.sk", "send a\nexpect a\nexpect \"<b>\" within 50ms\n");
    let junit = t.file("report.xml");
    t.connect(&["-q", "--script", &path, "--report", &format!("junit={junit}"), "echo:"]).spawn().wait().code(3);
    let text = fs::read_to_string(&junit).unwrap();
    assert!(
        text.contains("tests=\"3\" failures=\"1\"") && text.contains("line 3: expect &quot;&lt;b&gt;&quot;"),
        "{text}"
    );
    let tap = t.file("report.tap");
    fs::write(&tap, "an older report\n".repeat(1000)).unwrap();
    t.connect(&["-q", "--script", &path, "--report", &format!("tap={tap}"), "echo:"]).spawn().wait().code(3);
    let text = fs::read_to_string(&tap).unwrap();
    assert!(text.starts_with("TAP version 14\n1..3\nok 1 - ") && text.contains("\nnot ok 3 - "), "{text}");
    assert!(!text.contains("older"), "{text}");
    // One that cannot be written is told before anything is sent, and a usage error leaves the older one.
    let (listener, addr) = listener();
    for client in [t.connect(&["--send", "x", &addr]), t.listen(&["--send", "x", &addr])] {
        let exit = client.args(&["--report", "junit=none/here.xml"]).spawn().wait();
        exit.code(1).says(&["--report none/here.xml: No such file or directory", "there is no none/here.xml"]);
    }
    assert!(!readable(&listener, Duration::ZERO), "nobody came");
    t.connect(&["--send", "x", "--check", "--report", &format!("tap={tap}"), "echo:"]).spawn().wait().code(2);
    assert_eq!(fs::read_to_string(&tap).unwrap(), text);
    t.connect(&["-q", "--send", "x", "--report", "tap", "echo:"]).spawn().wait().code(0).says(&["1..1", "ok 1 - "]);
}

fn events_tell_expectations(t: &Ctx) {
    let events = t.file("events");
    let args =
        ["-q", "--events", &events, "--send", "a", "--expect", "a", "--expect", "/b/", "--deadline", "5s", "time:"];
    t.connect(&args).spawn().wait();
    let text = fs::read_to_string(&events).unwrap();
    assert!(text.contains(r#""event":"expect","pattern":"\"a\"","matched":true,"#), "{text}");
    assert!(text.contains(r#""line":2}"#), "{text}");
}

fn json_tells_payload_as_events(t: &Ctx) {
    let exit = t.connect(&["-q", "--json", "--send", "abc", "--expect", "abc", "echo:"]).spawn().wait();
    let text = String::from_utf8(exit.code(0).stdout.bytes()).unwrap();
    assert!(text.lines().all(|line| line.starts_with("{\"v\":1,")), "{text}");
    assert!(text.contains(r#""event":"recv","bytes":3,"text":"abc""#), "{text}");
}

fn python_greets(t: &Ctx) {
    let code = "import socket,sys\ns=socket.create_server(('127.0.0.1',0))\nprint(s.getsockname()[1],flush=True)\n\
                c,_=s.accept()\nc.sendall(b'220 hi\\r\\n')\nn=c.recv(99)\nc.sendall(b'250 '+n)\nc.recv(9)\nc.close()\n";
    let mut server = t.peer("python3", &["-u", "-c", code]).spawn();
    let port = server.wait_bound("tcp").to_string();
    let path = script(t, "p.sk", "expect /220 .*\\r\\n/\nsend me\nexpect \"250 me\"\nsend bye\nexpect-eof\n");
    t.connect(&["-q", "--script", &path, "127.0.0.1", &port]).spawn().wait().code(0).stdout("220 hi\r\n250 me");
    server.wait().code(0);
}

fn stdin_is_a_script(t: &Ctx) {
    t.connect(&["-q", "--script", "-", "echo:"]).run(b"send x\nexpect x\n").code(0).stdout("x");
}

fn line_delay_paces(t: &Ctx) {
    let begun = Instant::now();
    let args = ["-q", "--line-delay", "200ms", "--send", "a", "--send", "b", "--expect", "ab", "echo:"];
    t.connect(&args).spawn().wait().code(0);
    assert!(begun.elapsed() >= Duration::from_millis(200));
}

fn open_several(t: &Ctx) {
    let (peer, addr) = listener();
    let path =
        script(t, "o.sk", &format!("open {addr}\nopen {addr}\nuse 2\nsend two\nuse 3\nsend three\nexpect-eof\n"));
    let mut client = t.connect(&["-q", "--script", &path, "echo:"]).spawn();
    let (second, third) = (accept(&peer), accept(&peer));
    assert_eq!(read_exactly(&second, 3), b"two");
    assert_eq!(read_exactly(&third, 5), b"three");
    drop(third);
    client.wait().code(0);
    let gone = std::net::TcpListener::bind((t.loopback(), 0)).unwrap().local_addr().unwrap();
    let path = script(t, "g.sk", &format!("open {gone}\n"));
    let exit = t.connect(&["-q", "--script", &path, "echo:"]).spawn().wait();
    exit.code(5).says(&["g.sk:1", "Connection refused", "nothing listens"]);
}

fn output_copies_both_directions(t: &Ctx) {
    let copy = t.file("copy");
    t.connect(&["-q", "--output", &copy, "--send", "abc", "--expect", "abc", "echo:"]).spawn().wait().code(0);
    assert_eq!(fs::read(&copy).unwrap(), b"abcabc");
}
