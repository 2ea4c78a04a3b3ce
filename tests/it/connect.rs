//! `connect`: finding the peer, the ways to be told about it, and descriptors handed over.

use std::io::Write;
use std::net::{Ipv6Addr, TcpListener};
use std::os::fd::OwnedFd;
use std::time::Duration;

use libtest_mimic::Trial;

use crate::support::{Ctx, In, Netns, SOON, accept, let_pass, listener, read_all, read_exactly, reset, trials};

pub(crate) fn tests() -> Vec<Trial> {
    trials!["connect";
        readme_first_command,
        builtin_time_peer,
        host_and_port_as_two_arguments,
        a_port_alone_is_localhost,
        check_open_port,
        check_refused_port,
        retry_until_the_server_is_there,
        retry_gives_up_with_the_last_code,
        source_address_and_port,
        ipv6_literal [Ipv6],
        fd_of_a_connected_socket,
        fd_0_is_the_peer_and_no_input,
        output_file_has_both_directions,
        output_file_is_appended_to,
        output_file_full,
        json_lines_on_stdout,
        events_file_leaves_stdout_alone,
        hex_dump,
        quiet_and_verbose_change_only_stderr,
        r35_idle_timer_lives_while_anything_moves,
        r35_idle_timeout,
        r41_localhost_with_one_family_listening [Ipv6, Root],
        r41_black_hole_ends_in_time [Root, Nft],
        r41_error_lists_every_address [Root],
        r41_scope_id [Root],
        r48_exit_codes,
        r48_big_and_negative_times,
    ]
}

/// A machine that calls both loopback addresses localhost.
const BOTH: &str = "127.0.0.1 localhost\n::1 localhost\n";

/// A loopback port nobody listens on: it was ours, on an address that is ours alone.
fn refused_addr(t: &Ctx) -> String {
    let addr = TcpListener::bind((t.loopback(), 0)).unwrap().local_addr().unwrap();
    addr.to_string()
}

fn readme_first_command(t: &Ctx) {
    t.connect(&["echo:"]).run(b"through a real loopback socket\n").code(0).stdout("through a real loopback socket\n");
    let bytes = crate::support::Data::new(30).bytes(1 << 20);
    t.connect(&["echo:"]).run(&bytes).code(0).stdout(bytes);
}

fn builtin_time_peer(t: &Ctx) {
    let exit = t.connect(&["time:"]).run(b"hello");
    assert!(exit.code(0).stdout.text().starts_with("[hello] "), "{:?}", exit.stdout.text());
}

fn host_and_port_as_two_arguments(t: &Ctx) {
    let (peer, addr) = listener();
    let (host, port) = addr.rsplit_once(':').unwrap();
    let mut client = t.connect(&[host, port]).spawn();
    accept(&peer).write_all(b"hello").unwrap();
    client.wait().code(0).stdout("hello");
}

fn a_port_alone_is_localhost(t: &Ctx) {
    for form in ["", ":", "localhost:", "tcp://localhost:"] {
        let (peer, addr) = listener();
        let mut client = t.connect(&[&format!("{form}{}", addr.rsplit_once(':').unwrap().1)]).spawn();
        accept(&peer).write_all(b"hello").unwrap();
        client.wait().code(0).stdout("hello");
    }
}

fn check_open_port(t: &Ctx) {
    let (peer, addr) = listener();
    let mut client = t.connect(&["-z", &addr]).piped().spawn();
    assert_eq!(read_all(accept(&peer)), b"");
    // Says what happened, and where.
    client.wait().code(0).stdout("").within(SOON).says(&[&addr]);
}

fn check_refused_port(t: &Ctx) {
    t.connect(&["-z", &refused_addr(t)]).run(b"").code(5).stdout("").says(&["refused"]);
}

fn retry_until_the_server_is_there(t: &Ctx) {
    let addr = refused_addr(t);
    let mut client = t.connect(&["-v", "--retry", "20s", &addr]).spawn();
    client.stderr.wait_for("efused");
    let peer = TcpListener::bind(&addr).unwrap();
    accept(&peer).write_all(b"at last").unwrap();
    client.wait().code(0).stdout("at last");
}

fn retry_gives_up_with_the_last_code(t: &Ctx) {
    t.connect(&["--retry", "300ms", &refused_addr(t)]).run(b"").code(5).within(SOON);
}

fn source_address_and_port(t: &Ctx) {
    let (peer, addr) = listener();
    let source = t.loopback();
    let mut client = t.connect(&["-s", &source.to_string(), &addr]).spawn();
    let stream = accept(&peer);
    assert_eq!(stream.peer_addr().unwrap().ip(), source);
    drop(stream);
    client.wait().code(0);
    let free = TcpListener::bind((source, 0)).unwrap().local_addr().unwrap();
    let mut client = t.connect(&["-s", &free.to_string(), &addr]).spawn();
    assert_eq!(accept(&peer).peer_addr().unwrap(), free);
    client.wait().code(0);
}

fn ipv6_literal(t: &Ctx) {
    let peer = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).unwrap();
    let addr = peer.local_addr().unwrap().to_string();
    let mut client = t.connect(&["-v", &addr]).spawn();
    accept(&peer).write_all(b"six").unwrap();
    client.wait().code(0).stdout("six").says(&[&addr]);
    t.connect(&["-4", &addr]).run(b"").code(2);
    t.connect(&["-6", "127.0.0.1:1"]).run(b"").code(2);
}

/// Else what the peer sends would be read as our input, and sent back.
fn fd_0_is_the_peer_and_no_input(t: &Ctx) {
    let (peer, addr) = listener();
    let ours = std::net::TcpStream::connect(addr).unwrap();
    let mut stream = accept(&peer);
    let mut client = t.connect(&["fd:0"]).stdin(In::Fd(OwnedFd::from(ours))).spawn();
    for n in 1..=20 {
        stream.write_all(b"line\n").unwrap();
        client.stdout.wait_len(5 * n);
    }
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(read_all(&stream), b"");
    client.wait().code(0).stdout("line\n".repeat(20));
}

fn fd_of_a_connected_socket(t: &Ctx) {
    let (peer, addr) = listener();
    let ours = std::net::TcpStream::connect(addr).unwrap();
    let mut stream = accept(&peer);
    let handed = In::Fd(OwnedFd::from(ours));
    let mut client = t.connect(&["fd:5"]).stdin(handed).redirect("5<&0 </dev/null").spawn();
    stream.write_all(b"inherited").unwrap();
    assert_eq!(read_all(&stream), b"");
    drop(stream);
    client.wait().code(0).stdout("inherited");
}

fn output_file_has_both_directions(t: &Ctx) {
    let (peer, addr) = listener();
    let mut client = t.connect(&["--output", &t.file("log"), &addr]).piped().spawn();
    let mut stream = accept(&peer);
    client.write(b"ping");
    assert_eq!(read_exactly(&stream, 4), b"ping");
    stream.write_all(b"pong").unwrap();
    client.stdout.wait_len(4);
    drop(stream);
    client.wait().code(0).stdout("pong");
    assert_eq!(std::fs::read_to_string(t.path("log")).unwrap(), "pingpong");
}

fn output_file_is_appended_to(t: &Ctx) {
    std::fs::write(t.path("log"), "before ").unwrap();
    for _ in 0..2 {
        t.connect(&["--output", &t.file("log"), "--append", "echo:"]).run(b"x").code(0).stdout("x");
    }
    assert_eq!(std::fs::read_to_string(t.path("log")).unwrap(), "before xxxx");
}

fn output_file_full(t: &Ctx) {
    // The record fails, and says so; the transfer itself does not suffer.
    for flag in ["--output", "--events", "--record"] {
        let exit = t.connect(&[flag, "/dev/full", "echo:"]).run(b"whole");
        exit.stdout("whole").says(&["no space left"]);
        assert_eq!(exit.code, 1, "{flag}");
    }
}

fn json_lines_on_stdout(t: &Ctx) {
    let exit = t.connect(&["--json", "echo:"]).run("text ünd\n".as_bytes());
    let mut seen = Vec::new();
    let mut payload = String::new();
    let mut last_time = 0.0;
    for line in exit.code(0).stdout.text().lines() {
        let event: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        assert!(event["v"].is_u64() && event["t"].is_number(), "{line}");
        assert!(event["t"].as_f64().unwrap() >= last_time, "time goes back: {line}");
        last_time = event["t"].as_f64().unwrap();
        let name = event["event"].as_str().unwrap().to_owned();
        if name == "recv" {
            payload.push_str(event["text"].as_str().unwrap());
        }
        seen.push(name);
    }
    assert_eq!(payload, "text ünd\n");
    for name in ["start", "connected", "send", "recv", "eof", "end"] {
        assert!(seen.iter().any(|s| s == name), "no {name:?} in {seen:?}");
    }
    assert_eq!(seen.last().unwrap(), "end");
    // The last one says why, in the words of the table of exit codes.
    let refused = t.connect(&["--json", &refused_addr(t)]).run(b"");
    let text = refused.code(5).stdout.text();
    let end: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!(end["reason"], "refused");
}

fn events_file_leaves_stdout_alone(t: &Ctx) {
    t.connect(&["--events", &t.file("events"), "echo:"]).run(b"\xff\xfe").code(0).stdout(b"\xff\xfe");
    let events = std::fs::read_to_string(t.path("events")).unwrap();
    assert!(events.contains("\"base64\":\"//4=\""), "{events}");
}

fn hex_dump(t: &Ctx) {
    let exit = t.connect(&["--hex", "echo:"]).run(b"AB\n");
    // In the place of the bytes, both directions.
    let dump = exit.code(0).stdout.text();
    assert!(dump.contains("> 00000000  41 42 0a") && dump.contains("< 00000000  41 42 0a"), "{dump:?}");
}

fn quiet_and_verbose_change_only_stderr(t: &Ctx) {
    let mut said = Vec::new();
    for flags in [&["-q"][..], &[], &["-v"], &["-vv"]] {
        let exit = t.connect(flags).args(&["echo:"]).run(b"x");
        exit.code(0).stdout("x");
        said.push(exit.stderr.lines().count());
    }
    assert_eq!(said[0], 0, "-q says only errors");
    assert!(said.is_sorted() && said[1] < said[2] && said[2] < said[3], "lines said: {said:?}");
}

fn r35_idle_timer_lives_while_anything_moves(t: &Ctx) {
    // One way only, for longer than the limit.
    let (peer, addr) = listener();
    let mut client = t.connect(&["-i", "800ms", &addr]).piped().spawn();
    let mut stream = accept(&peer);
    for _ in 0..10 {
        let_pass(Duration::from_millis(200));
        stream.write_all(b".").unwrap();
    }
    drop(stream);
    client.wait().code(0).stdout("..........");
    // Nobody has come yet: that is not idle.
    let server = t.listen(&["-i", "200ms", "127.0.0.1:0"]).piped().server();
    let_pass(Duration::from_millis(800));
    assert!(server.is_running());
}

fn r35_idle_timeout(t: &Ctx) {
    let (peer, addr) = listener();
    let mut client = t.connect(&["-i", "300ms", &addr]).piped().spawn();
    let _stream = accept(&peer);
    client.wait().code(8).says(&["idle"]).within(SOON);
    let (_peer, addr) = listener();
    let mut client = t.connect(&["--deadline", "300ms", &addr]).piped().spawn();
    client.wait().code(124).says(&["deadline"]).within(SOON);
    let mut server = t.listen(&["--accept-timeout", "300ms", "127.0.0.1:0"]).piped().server();
    server.wait().code(7).within(SOON);
}

fn r41_localhost_with_one_family_listening(t: &Ctx) {
    // On a port of IPv6 that nobody has on IPv4 (and the other way round), `localhost` finds it.
    for host in ["127.0.0.1", "::1"] {
        let peer = TcpListener::bind((host, 0)).unwrap();
        let port = peer.local_addr().unwrap().port();
        let mut client = t.connect(&[&format!("localhost:{port}")]).hosts(BOTH).spawn();
        accept(&peer).write_all(host.as_bytes()).unwrap();
        client.wait().code(0).stdout(host);
    }
}

fn r41_black_hole_ends_in_time(t: &Ctx) {
    let ns = Netns::new();
    ns.run("nft add table inet t; nft 'add chain inet t in { type filter hook input priority 0; }'");
    ns.run("nft add rule inet t in tcp dport 9 drop");
    for (args, min) in [(&["-w", "1", "127.0.0.1:9"][..], 0.95), (&["-w", "700ms", "[::1]:9"], 0.65)] {
        let exit = t.connect(args).under(&ns.wrap()).run(b"");
        exit.code(7).within(SOON);
        assert!(exit.took.as_secs_f64() > min, "gave up after {:?}", exit.took);
    }
}

fn r41_error_lists_every_address(t: &Ctx) {
    // Nobody listens in a namespace of its own.
    let ns = Netns::new();
    let exit = t.connect(&["localhost:9"]).under(&ns.wrap()).hosts(BOTH).run(b"");
    exit.code(5).says(&["127.0.0.1", "::1", "refused"]);
}

fn r41_scope_id(t: &Ctx) {
    let ns = Netns::new();
    ns.run("ip link add veth0 type veth peer name veth1; ip link set veth0 up; ip link set veth1 up");
    // No duplicate address detection, or the address could not be used for a second.
    ns.run("ip -6 addr add fe80::77/64 dev veth0 nodad");
    let mut server = t.listen(&["[fe80::77%veth0]:0"]).under(&ns.wrap()).server();
    let addr = server.addr().to_owned();
    assert!(addr.contains("%veth0"), "{addr}");
    t.connect(&["-v", &addr]).under(&ns.wrap()).run(b"scoped").code(0).says(&["%veth0"]);
    server.wait().code(0).stdout("scoped");
}

fn r48_exit_codes(t: &Ctx) {
    t.connect(&[&refused_addr(t)]).run(b"").code(5);
    t.connect(&["unix:/nonexistent/socket"]).run(b"").code(6);
    t.connect(&["--no-such-flag", "127.0.0.1:1"]).run(b"").code(2);
    let (peer, addr) = listener();
    let mut client = t.connect(&[&addr]).piped().spawn();
    reset(accept(&peer));
    client.wait().code(9);
}

fn r48_big_and_negative_times(t: &Ctx) {
    let (_peer, addr) = listener();
    for (time, codes) in
        [("1e18", &[0, 2][..]), ("18446744073709551615", &[0, 2]), ("-1", &[2]), ("1x", &[2]), ("", &[2])]
    {
        for flag in ["--connect-timeout", "--idle-timeout", "--deadline", "--linger-after-eof", "--retry"] {
            let exit = t.connect(&[&format!("{flag}={time}"), "-z", &addr]).run(b"");
            assert!(codes.contains(&exit.code), "{flag}={time}: {}; {}", exit.code, exit.stderr);
        }
    }
    t.connect(&["-w", "30years", "-z", &addr]).run(b"").code(0);
}
