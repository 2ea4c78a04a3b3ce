//! What comes out of `--json`, against docs/events.md: runs of the program have the documented keys, in the
//! documented order, with the documented types, and none that is not documented.

use std::collections::BTreeMap;
use std::net::TcpListener;

use libtest_mimic::Trial;
use rustix::process::Signal;
use serde_json::{Map, Value};

use crate::support::{Ctx, accept, connect, reset, trials};

pub(crate) fn tests() -> Vec<Trial> {
    trials!["events";
        clients_send_what_is_documented,
        servers_send_what_is_documented,
        handlers_send_what_is_documented,
        failures_send_what_is_documented,
        waits_and_probes_send_what_is_documented,
        flags_that_do_not_parse_send_none,
    ]
}

const DOCUMENT: &str = include_str!("../../docs/events.md");

/// The keys of an event in order, with what the second column says of each.
fn documented(event: &str) -> Vec<(&'static str, &'static str)> {
    let section = DOCUMENT.split("\n### ").find(|section| section.starts_with(&format!("{event}\n")));
    let section = section.unwrap_or_else(|| panic!("{event} is not documented"));
    let section = section.split("\n## ").next().unwrap();
    let row = |line: &'static str| {
        let mut cells = line.strip_prefix("| `")?.split(" | ");
        Some((cells.next()?.strip_suffix('`')?, cells.next()?))
    };
    section.lines().filter_map(row).collect()
}

/// Checks each line of a run; the events in order.
#[track_caller]
fn check(output: &str) -> Vec<String> {
    let mut events = Vec::new();
    let mut last = 0.0;
    for line in output.lines() {
        let object: Map<String, Value> = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        let event = object["event"].as_str().unwrap().to_owned();
        let head: Vec<&str> = ["v", "t", "conn", "event"].into_iter().filter(|key| object.contains_key(*key)).collect();
        let rows = documented(&event);
        let own: Vec<&str> = rows.iter().map(|row| row.0).filter(|key| object.contains_key(*key)).collect();
        // Of the object itself the order is that of the line only where serde_json keeps it.
        let mut order: Vec<(usize, &String)> =
            object.keys().map(|key| (line.find(&format!("\"{key}\":")).unwrap(), key)).collect();
        order.sort_unstable();
        let order: Vec<&str> = order.iter().map(|(_, key)| key.as_str()).collect();
        assert_eq!(order, [head, own].concat(), "keys and their order in {line}");
        assert_eq!(object["v"], 1, "{line}");
        let t = object["t"].as_f64().unwrap();
        assert!(t >= last, "time goes back at {line}");
        last = t;
        for (key, kind) in rows {
            // One of the two.
            let may_lack = kind.contains("optional") || matches!(key, "text" | "base64");
            let Some(value) = object.get(key) else {
                assert!(may_lack, "{key} is missing in {line}");
                continue;
            };
            let fits = match kind.split([' ', ',']).next().unwrap() {
                "number" => value.is_u64(),
                "seconds" => value.is_f64(),
                "boolean" => value.is_boolean(),
                "array" => {
                    value.as_array().is_some_and(|items| !items.is_empty() && items.iter().all(Value::is_string))
                }
                "numbers" => value.as_array().is_some_and(|items| items.iter().all(Value::is_u64)),
                "string" | "address" => value.as_str().is_some_and(|text| !text.is_empty() || key == "text"),
                other => panic!("{event}: {key}: unknown type {other}"),
            };
            assert!(fits, "{key} is no {kind} in {line}");
        }
        if matches!(event.as_str(), "send" | "recv") {
            assert!(object.contains_key("text") != object.contains_key("base64"), "{line}");
        }
        events.push(event);
    }
    assert_eq!(events.first().map(String::as_str), Some("start"), "{output}");
    assert_eq!(events.last().map(String::as_str), Some("end"), "{output}");
    let mut count = BTreeMap::new();
    events.iter().for_each(|event| *count.entry(event.as_str()).or_insert(0) += 1);
    assert_eq!((count["start"], count["end"]), (1, 1), "{output}");
    events
}

/// The run has these events, in this order, others between them.
#[track_caller]
fn check_has(output: &str, wanted: &[&str]) {
    let events = check(output);
    let mut rest = events.iter();
    for event in wanted {
        assert!(rest.any(|have| have == event), "no {event} where it belongs: {events:?}");
    }
}

fn clients_send_what_is_documented(t: &Ctx) {
    let run = |args: &[&str], input: &[u8]| t.connect(&["--json"]).args(args).run(input).stdout.text();
    check_has(&run(&["-v", "echo:"], "héllo\n".as_bytes()), &["attempt", "connected", "send", "recv", "closed"]);
    let bytes = run(&["echo:"], b"\xff\0x");
    check_has(&bytes, &["send", "recv", "closed"]);
    assert!(bytes.contains("\"base64\":"), "{bytes}");
    let server = t.sockkit(&["echo", "127.0.0.1:0"]).server();
    let by_name = format!("localhost:{}", server.socket_addr().port());
    check_has(
        &run(&["-4", "--rcvbuf", "64k", &by_name], b"x"),
        &["resolve", "option", "attempt", "connected", "closed"],
    );
    check_has(&run(&["-z", server.addr()], b""), &["attempt", "connected"]);
    let server = t.sockkit(&["echo", "udp://127.0.0.1:0"]).server();
    check_has(&run(&["--linger-after-eof", "200ms", server.addr()], b"x"), &["connected", "send", "recv", "closed"]);
    // The same in a file.
    let file = t.file("events");
    t.connect(&["--events", &file, "echo:"]).run(b"x").code(0).stdout("x");
    check_has(&std::fs::read_to_string(file).unwrap(), &["connected", "send", "recv", "closed"]);
}

fn servers_send_what_is_documented(t: &Ctx) {
    let mut server = t.listen(&["--json", "-k", "--reply", "ok", "--rcvbuf", "64k", "127.0.0.1:0"]).server();
    t.connect(&[server.addr()]).run(b"hi").code(0).stdout("ok");
    server.signal(Signal::TERM);
    check_has(
        &server.wait().code(143).stdout.text(),
        &["option", "listening", "accepted", "recv", "send", "eof", "closed"],
    );
    let mut server = t.listen(&["--json", "-k", "--deny", "127.0.0.0/8", "127.0.0.1:0"]).server();
    t.connect(&[server.addr()]).run(b"");
    server.signal(Signal::TERM);
    check_has(&server.wait().stdout.text(), &["listening", "denied"]);
    let mut server = t.listen(&["--json", "--no-accept", "--backlog", "3", "127.0.0.1:0"]).server();
    let _waiting = connect(server.socket_addr());
    server.stdout.wait_for("\"length\":1");
    server.signal(Signal::TERM);
    check_has(&server.wait().stdout.text(), &["listening", "queue"]);
    let mut server = t.listen(&["--json", "--accept-timeout", "50ms", "127.0.0.1:0"]).spawn();
    check_has(&server.wait().code(7).stdout.text(), &["listening", "timeout", "error"]);
}

fn handlers_send_what_is_documented(t: &Ctx) {
    for (handler, key) in [("exit 3", "\"status\":3"), ("kill -9 $$", "\"signal\":9")] {
        let mut server = t.listen(&["--json", "-k", "--sh", handler, "127.0.0.1:0"]).server();
        t.connect(&[server.addr()]).run(b"");
        server.stdout.wait_for("\"closed\"");
        server.signal(Signal::TERM);
        let said = server.wait().stdout.text();
        check_has(&said, &["accepted", "child", "closed"]);
        assert!(said.contains(key), "{said}");
    }
}

fn failures_send_what_is_documented(t: &Ctx) {
    let run = |args: &[&str], input: &[u8]| t.connect(&["--json"]).args(args).run(input).stdout.text();
    let gone = TcpListener::bind((t.loopback(), 0)).unwrap().local_addr().unwrap().to_string();
    check_has(&run(&[&gone], b""), &["attempt", "error"]);
    check_has(&run(&["host:99999"], b""), &["error"]);
    check_has(&run(&["127.0.0.1:no-such-service"], b""), &["error"]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    for (flag, limit) in [("--idle-timeout", "idle"), ("--recv-timeout", "recv"), ("--deadline", "deadline")] {
        let said = run(&[flag, "100ms", &address], b"");
        check_has(&said, &["connected", "timeout"]);
        assert!(said.contains(&format!("\"limit\":\"{limit}\"")), "{said}");
        accept(&listener);
    }
    let mut client = t.connect(&["--json", &address]).piped().spawn();
    let stream = accept(&listener);
    client.stdout.wait_for("\"event\":\"connected\"");
    reset(stream);
    check_has(&client.wait().code(9).stdout.text(), &["connected", "reset", "closed", "error"]);
    check_has(&t.listen(&["--json", &address]).run(b"").code(10).stdout.text(), &["error"]);
}

fn waits_and_probes_send_what_is_documented(t: &Ctx) {
    let server = t.sockkit(&["echo", "127.0.0.1:0"]).server();
    let gone = TcpListener::bind((t.loopback(), 0)).unwrap().local_addr().unwrap().to_string();
    let run = |args: &[&str]| t.sockkit(args).run(b"").stdout.text();
    check_has(&run(&["wait", "--json", server.addr()]), &["attempt", "wait"]);
    check_has(&run(&["wait", "--json", "--timeout", "50ms", &gone]), &["attempt", "wait", "error"]);
    check_has(&run(&["ping", "--json", "-c", "1", server.addr()]), &["probe", "latency"]);
    check_has(&run(&["ping", "--json", "-c", "1", "--echo", server.addr()]), &["probe", "latency"]);
    check_has(&run(&["ping", "--json", "-c", "1", &gone]), &["probe", "latency", "error"]);
}

fn flags_that_do_not_parse_send_none(t: &Ctx) {
    t.connect(&["--json", "--no-such-flag", "echo:"]).run(b"").code(2).stdout("");
}
