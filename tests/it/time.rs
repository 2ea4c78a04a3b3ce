//! `time`: every form, per message and on connect, and the question to servers of ours and of others.

use std::io::{Read, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use libtest_mimic::Trial;

use crate::support::{
    Ctx, Proc, SOON, accept, connect, listener, read_all, read_exactly, shut_write, trials, udp, unix_connect,
};

pub(crate) fn tests() -> Vec<Trial> {
    trials!["time";
        tutorial_client_that_is_binary [Python3],
        each_form_answers_messages,
        protocols_answer_without_the_message,
        each_form_on_connect,
        on_connect_closes,
        each_form_over_udp,
        udp_peers_are_not_remembered,
        unix_stream,
        ctime_is_the_local_zone,
        question_to_each_form [] 120,
        question_in_another_zone,
        question_to_a_clock_that_is_wrong,
        question_to_date [Socat],
        question_as_an_event,
        question_without_a_time,
        question_without_an_answer,
        question_lost_on_the_way_is_asked_again,
        question_with_a_form,
        question_takes_no_flag_of_servers,
    ]
}

const FORMS: [&str; 6] = ["ctime", "rfc3339", "unix", "unix-ms", "daytime", "rfc868"];

fn time(t: &Ctx, args: &[&str]) -> Proc {
    t.sockkit(&["time"]).args(args).args(&["127.0.0.1:0"]).env("TZ", "UTC").server()
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// Whether these seconds since 1970 are those of the last moments.
fn is_now(seconds: u64) -> bool {
    (now() - 5..=now() + 1).contains(&seconds)
}

/// What it said has the shape of the form and, where that is easy to see, is the time that it is.
fn has_form(form: &str, said: &[u8]) -> bool {
    let text = String::from_utf8_lossy(said);
    let words = text.split_whitespace().count();
    match form {
        "ctime" => text.len() == 24 && words == 5,
        "rfc3339" => text.ends_with('Z') && text.as_bytes()[10] == b'T',
        "unix" => text.parse().is_ok_and(is_now),
        "unix-ms" => text.parse::<u64>().is_ok_and(|millis| is_now(millis / 1000)),
        "daytime" => text.ends_with("-UTC") && words == 5 && text.contains("day, "),
        _ => said.try_into().is_ok_and(|bytes| is_now(u64::from(u32::from_be_bytes(bytes)) - 2_208_988_800)),
    }
}

fn tutorial_client_that_is_binary(t: &Ctx) {
    let server = t.sockkit(&["time", "127.0.0.1:0"]).server();
    let client = t.python("binary_client.py", &[&server.port().to_string()]).env("PYTHONDONTWRITEBYTECODE", "1");
    let said = client.run(b"").code(0).stdout.text();
    let time = said.strip_prefix("[i am binary] ").and_then(|rest| rest.strip_suffix('\n'));
    assert!(has_form("ctime", time.unwrap_or_default().as_bytes()), "{said:?}");
}

fn each_form_answers_messages(t: &Ctx) {
    for form in &FORMS[..4] {
        let server = time(t, &["--format", form]);
        let mut stream = connect(server.socket_addr());
        for message in ["one", "two"] {
            stream.write_all(message.as_bytes()).unwrap();
            let mut buffer = [0; 200];
            let len = stream.read(&mut buffer).unwrap();
            let said = buffer[..len].strip_prefix(format!("[{message}] ").as_bytes()).unwrap();
            assert!(has_form(form, said), "{form}: {:?}", String::from_utf8_lossy(&buffer[..len]));
        }
        // A line is answered by a line.
        stream.write_all(b"three\n").unwrap();
        shut_write(&stream);
        assert!(read_all(&stream).ends_with(b"\n"));
    }
}

fn protocols_answer_without_the_message(t: &Ctx) {
    for (form, end) in [("daytime", &b"\r\n"[..]), ("rfc868", b"")] {
        let server = time(t, &["--format", form]);
        let mut stream = connect(server.socket_addr());
        stream.write_all(b"what time is it?").unwrap();
        shut_write(&stream);
        let said = read_all(&stream);
        assert!(has_form(form, said.strip_suffix(end).unwrap()), "{form}: {said:?}");
    }
}

fn each_form_on_connect(t: &Ctx) {
    for form in FORMS {
        let server = time(t, &["--on-connect", "--format", form]);
        let stream = connect(server.socket_addr());
        let said = read_all(&stream);
        let end: &[u8] = if form == "rfc868" { b"" } else { b"\r\n" };
        assert!(has_form(form, said.strip_suffix(end).unwrap()), "{form}: {said:?}");
    }
}

fn on_connect_closes(t: &Ctx) {
    let server = time(t, &["--on-connect"]);
    let mut stream = connect(server.socket_addr());
    // What the client says is no reason for a reset, which would overtake the answer.
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    assert_eq!(read_all(&stream).len(), 26);
    server.stderr.wait_for("accepted");
    drop(stream);
    server.stderr.wait_for("closed");
}

fn each_form_over_udp(t: &Ctx) {
    for form in FORMS {
        let server = time(t, &["-u", "--on-connect", "--format", form]);
        let socket = udp();
        socket.connect(server.socket_addr()).unwrap();
        for message in [&b""[..], b"ignored"] {
            socket.send(message).unwrap();
            let mut buffer = [0; 200];
            let len = socket.recv(&mut buffer).unwrap();
            let end: &[u8] = if form == "rfc868" { b"" } else { b"\r\n" };
            assert!(has_form(form, buffer[..len].strip_suffix(end).unwrap()), "{form}: {:?}", &buffer[..len]);
        }
    }
    let server = time(t, &["-u"]);
    let socket = udp();
    socket.send_to(b"hi", server.socket_addr()).unwrap();
    let mut buffer = [0; 200];
    let len = socket.recv(&mut buffer).unwrap();
    assert!(buffer[..len].starts_with(b"[hi] ") && len == 5 + 24);
}

fn udp_peers_are_not_remembered(t: &Ctx) {
    let server = time(t, &["-u", "--on-connect", "--max-conns", "4"]);
    for _ in 0..20 {
        let socket = udp();
        // A session may just be ending when the fifth comes, and what is sent then is lost, as datagrams may be.
        socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        let mut answered = false;
        for _ in 0..10 {
            socket.send_to(b"", server.socket_addr()).unwrap();
            answered = socket.recv(&mut [0; 100]).is_ok();
            if answered {
                break;
            }
        }
        assert!(answered, "{}", server.stderr.text());
    }
}

fn unix_stream(t: &Ctx) {
    let _server = t.sockkit(&["time", &format!("unix:{}", t.file("s"))]).server();
    let mut stream = unix_connect(&t.path("s"));
    stream.write_all(b"hi").unwrap();
    assert_eq!(read_exactly(&stream, 29)[..5], *b"[hi] ");
}

fn ctime_is_the_local_zone(t: &Ctx) {
    let hour = |zone: &str| {
        let server = t.sockkit(&["time", "--on-connect", "127.0.0.1:0"]).env("TZ", zone).server();
        let said = String::from_utf8(read_all(connect(server.socket_addr()))).unwrap();
        said[11..13].parse::<u8>().unwrap()
    };
    // POSIX has it the wrong way round: this is eight hours east of Greenwich.
    let (there, here) = (hour("CST-8"), hour("UTC"));
    assert!([8, 9].contains(&((there + 24 - here) % 24)), "{there} and {here}");
}

/// What `time --query` says of a server.
fn ask(t: &Ctx, args: &[&str]) -> String {
    t.sockkit(&["time", "-q", "--query"]).args(args).env("TZ", "UTC").run(b"").code(0).stdout.text()
}

/// The offset in what it says.
fn offset(said: &str) -> f64 {
    said.split_once("offset ").unwrap().1.split_once(" s").unwrap().0.parse().unwrap()
}

fn question_to_each_form(t: &Ctx) {
    for form in FORMS {
        for how in [&[][..], &["--on-connect"], &["-u"], &["-u", "--on-connect"]] {
            let server = time(t, &[&["-q", "--format", form], how].concat());
            let said = ask(t, &[server.addr()]);
            let context = format!("{form} {how:?}: {said}");
            assert!(said.contains(&format!("({form}")), "{context}");
            assert!(said.contains("the clocks agree") && said.contains("round trip "), "{context}");
            assert!(said.starts_with("time 20") && said.lines().count() == 3, "{context}");
            assert!(offset(&said).abs() < 2.0, "{context}");
        }
    }
}

fn question_in_another_zone(t: &Ctx) {
    let server = |format: &str| {
        t.sockkit(&["time", "--format", format, "--on-connect", "127.0.0.1:0"]).env("TZ", "XYZ-8").server()
    };
    // It names no zone, so it is read in ours, which is said.
    let said = ask(t, &[server("ctime").addr()]);
    assert!((offset(&said) - 8.0 * 3600.0).abs() < 5.0 && said.contains("read in our time zone"), "{said}");
    let said = ask(t, &[server("rfc3339").addr()]);
    assert!(offset(&said).abs() < 5.0 && !said.contains("our time zone"), "{said}");
}

/// A server that says this to whoever connects, once.
fn says(what: Vec<u8>) -> String {
    let (listener, addr) = listener();
    std::thread::spawn(move || {
        let mut stream = accept(&listener);
        stream.write_all(&what).unwrap();
        // Whatever is asked then is read, so that the end is one.
        shut_write(&stream);
        let _ = stream.read_to_end(&mut Vec::new());
    });
    addr
}

fn question_to_a_clock_that_is_wrong(t: &Ctx) {
    let rfc868 = |ahead: i64| {
        let seconds = now().cast_signed() + 2_208_988_800 + ahead;
        says(u32::try_from(seconds.rem_euclid(1 << 32)).unwrap().to_be_bytes().to_vec())
    };
    let said = ask(t, &[&rfc868(100)]);
    assert!((offset(&said) - 100.0).abs() < 3.0 && said.contains("the server is ahead"), "{said}");
    let said = ask(t, &[&rfc868(-1_000_000)]);
    assert!((offset(&said) + 1_000_000.0).abs() < 3.0 && said.contains("the server is behind"), "{said}");
    // Thirty years ahead is in the next era of RFC 868, and is read so.
    let years = 30 * 365 * 86_400;
    let said = ask(t, &[&rfc868(years)]);
    assert!((offset(&said) - years as f64).abs() < 3.0, "{said}");
}

fn question_to_date(t: &Ctx) {
    // The services of others, as near as this machine has them.
    let program = ["TCP-LISTEN:0,fork,bind=127.0.0.1", "SYSTEM:date"];
    let mut server = t.peer("socat", &program).env("TZ", "UTC").env("LC_ALL", "C").spawn();
    let addr = format!("127.0.0.1:{}", server.wait_bound("tcp"));
    let said = ask(t, &[&addr]);
    assert!(said.contains("(ctime") && offset(&said).abs() < 3.0, "{said}");
}

fn question_as_an_event(t: &Ctx) {
    let server = time(t, &["--format", "unix-ms"]);
    let text = t.sockkit(&["time", "--json", "--query", server.addr()]).run(b"").code(0).stdout.text();
    let events: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let event = events.iter().find(|event| event["event"] == "time").unwrap_or_else(|| panic!("{text}"));
    assert_eq!(event["format"], "unix-ms");
    assert!(event["offset"].as_f64().unwrap().abs() < 1.0 && event["round_trip"].as_f64().unwrap() < 5.0, "{text}");
}

fn question_without_a_time(t: &Ctx) {
    let query = |addr: &str| t.sockkit(&["time", "--query", addr]).run(b"");
    query(&says(b"go away\x1b[2J\r\n".to_vec())).code(1).stdout("").says(&["no time", "go away"]).says_not(&["\x1b"]);
    query(&says(vec![0xff, 0x00, 0x80])).code(1).says(&["no time", "3 bytes ff 00 80"]);
    query(&says(Vec::new())).code(1).says(&["closed without an answer"]);
    let echo = t.sockkit(&["echo", "127.0.0.1:0"]).server();
    query(echo.addr()).code(1).says(&["no time", "it said \"sockkit\""]);
}

fn question_without_an_answer(t: &Ctx) {
    let stalled = t.sockkit(&["echo", "--stall", "127.0.0.1:0"]).server();
    t.sockkit(&["time", "--query", "-i", "500ms", stalled.addr()]).run(b"").code(8).within(SOON).says(&["500ms"]);
    let silent = udp();
    let addr = format!("udp://{}", silent.local_addr().unwrap());
    t.sockkit(&["time", "--query", "-i", "500ms", &addr]).run(b"").code(7).within(SOON);
    drop(silent);
    t.sockkit(&["time", "--query", &addr]).run(b"").code(5).within(SOON);
    let (listener, addr) = listener();
    drop(listener);
    t.sockkit(&["time", "--query", &addr]).run(b"").code(5);
}

fn question_lost_on_the_way_is_asked_again(t: &Ctx) {
    let socket = udp();
    let addr = format!("udp://{}", socket.local_addr().unwrap());
    let mut client = t.sockkit(&["time", "--query", &addr]).spawn();
    let mut buffer = [0; 100];
    socket.recv(&mut buffer).unwrap();
    let (_, from) = socket.recv_from(&mut buffer).unwrap();
    socket.send_to(now().to_string().as_bytes(), from).unwrap();
    let said = client.wait().code(0).stdout.text();
    assert!(said.contains("(unix)"), "{said}");
}

fn question_with_a_form(t: &Ctx) {
    // Four bytes that are text: a time of RFC 868 only where that is asked for.
    let addr = says(b"2020".to_vec());
    t.sockkit(&["time", "--query", &addr]).run(b"").code(1);
    let said = ask(t, &["--format", "rfc868", &says(b"2020".to_vec())]);
    assert!(said.contains("(rfc868)"), "{said}");
    let said = ask(t, &["--format", "unix", &says(now().to_string().into_bytes())]);
    assert!(said.contains("(unix)"), "{said}");
    t.sockkit(&["time", "--query", "--format", "ctime", &says(b"1575882401\n".to_vec())]).run(b"").code(1);
}

fn question_takes_no_flag_of_servers(t: &Ctx) {
    for flag in [&["--count", "1"][..], &["--on-connect"], &["--grace", "1s"], &["--stats"], &["-m", "1"]] {
        t.sockkit(&["time", "--query", "127.0.0.1:9"]).args(flag).run(b"").code(2).says(&["cannot be used with"]);
    }
    t.sockkit(&["time", "--format", "iso"]).run(b"").code(2).says(&["possible values", "rfc3339"]);
    t.sockkit(&["time", "-w", "1s"]).run(b"").code(2).says(&["--query"]);
}
