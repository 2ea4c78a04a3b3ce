//! `listen`: binding, accepting, limits, socket files, and what many clients do to a server.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use rustix::fs::inotify;
use rustix::process::Signal;

use crate::support::{
    Ctx, Data, In, Netns, PATIENCE, SOON, connect, let_pass, poll_until, read_all, read_exactly, readable, reset,
    shut_write, trials, unix_connect,
};

pub(crate) fn tests() -> Vec<Trial> {
    trials!["listen";
        says_where_it_listens_and_who_came,
        ready_file_is_written_whole,
        ready_file_takes_nothing_else_s_place,
        ready_descriptor_gets_one_write,
        accept_timeout_begins_after_a_session,
        r35_idle_is_when_neither_side_moves,
        limits_hold_for_handlers,
        acl_on_an_inherited_socket_without_ip,
        keep_open_takes_one_after_another,
        keep_open_with_a_handler_serves_side_by_side,
        count_ends_it,
        backlog_five_on_every_interface [Root],
        no_accept_shows_the_queue_fill,
        reply_to_each_message,
        reply_knows_escapes,
        discard_reads_everything,
        output_dir_has_a_file_per_connection,
        unix_stream,
        unix_abstract,
        unix_seqpacket,
        unix_mode_of_the_socket_file,
        fd_of_a_listening_socket,
        systemd_socket,
        r11_keep_open_survives_a_client_that_dies [] 60,
        r16_max_conns_does_not_leak,
        r17_out_of_descriptors [Prlimit],
        r18_denied_clients_leave_no_descriptor,
        r22_standard_descriptors_closed,
        r23_stdin_at_its_end_is_no_reason_to_go,
        r24_typing_goes_on_after_a_client_was_lost,
        r27_regular_file_is_left_alone,
        r27_live_socket_is_left_alone,
        r27_stale_socket,
        r27_removed_by_its_owner_only,
        r29_restart_after_closing_first,
        r29_second_listener_fails,
        r29_quick_clients_are_never_refused,
        r30_both_families [Ipv6],
        r30_without_ipv6 [Root],
        r30_mapped_address_is_denied [Ipv6],
        r31_port_zero_is_told,
        r31_bad_ports,
        r32_one_shot_has_no_second_client,
        r44_acl_specs,
        r44_deny_beats_allow,
    ]
}

/// Sends, half-closes, and gives the answer.
fn ask(addr: SocketAddr, question: &[u8]) -> Vec<u8> {
    let mut stream = connect(addr);
    stream.write_all(question).unwrap();
    shut_write(&stream);
    read_all(&stream)
}

/// Whether this client is answered; one that is turned away sees an end or a reset.
fn is_served(stream: &TcpStream) -> bool {
    is_served_within(stream, PATIENCE)
}

/// The same where it may have to wait for its turn.
pub(crate) fn is_served_within(mut stream: &TcpStream, time: Duration) -> bool {
    stream.set_read_timeout(Some(time)).unwrap();
    stream.write_all(b"ping").is_ok() && matches!(stream.read(&mut [0; 4]), Ok(1..))
}

fn says_where_it_listens_and_who_came(t: &Ctx) {
    let mut server = t.listen(&["127.0.0.1:0"]).server();
    server.stderr.wait_for(&format!("127.0.0.1:{}", server.port()));
    let stream = connect(server.socket_addr());
    let who = stream.local_addr().unwrap().to_string();
    server.stderr.wait_for(&who);
    drop(stream);
    server.wait().code(0).stdout("");
}

/// Whoever reads a part of the address has another port.
fn ready_descriptor_gets_one_write(t: &Ctx) {
    let (here, there) = std::os::unix::net::UnixDatagram::pair().unwrap();
    let handed = In::Fd(OwnedFd::from(there));
    let server = t.listen(&["--ready-fd", "5", "127.0.0.1:0"]).stdin(handed).redirect("5<&0 </dev/null").spawn();
    here.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut buffer = [0; 100];
    let len = here.recv(&mut buffer).unwrap();
    let address = std::str::from_utf8(&buffer[..len]).unwrap();
    assert!(address.strip_suffix('\n').is_some_and(|line| line.parse::<SocketAddr>().is_ok()), "{address:?}");
    server.stderr.wait_for(address.trim());
}

/// A session that took longer than `--accept-timeout` does not use it up for the next client.
fn accept_timeout_begins_after_a_session(t: &Ctx) {
    let args = ["-k", "--accept-timeout", "700ms", "--reply", "ok", "127.0.0.1:0"];
    let mut server = t.listen(&args).server();
    let first = connect(server.socket_addr());
    let_pass(Duration::from_millis(1000));
    drop(first);
    let_pass(Duration::from_millis(300));
    assert_eq!(ask(server.socket_addr(), b"again"), b"ok");
    server.wait().code(7);
}

/// A program that only prints, and one that only reads, for longer than the idle timeout.
fn r35_idle_is_when_neither_side_moves(t: &Ctx) {
    let prints = "for n in 1 2 3 4 5 6; do echo $n; sleep 0.2; done; exec sleep 10";
    let server = t.listen(&["-k", "-i", "700ms", "--sh", prints, "127.0.0.1:0"]).server();
    assert_eq!(read_all(connect(server.socket_addr())), b"1\n2\n3\n4\n5\n6\n");
    server.stderr.wait_for("idle-timeout");
    let server = t.listen(&["-k", "-i", "700ms", "--exec", "wc -c", "127.0.0.1:0"]).server();
    let mut stream = connect(server.socket_addr());
    for _ in 0..6 {
        stream.write_all(b"x").unwrap();
        let_pass(Duration::from_millis(200));
    }
    shut_write(&stream);
    assert_eq!(read_all(&stream), b"6\n");
}

fn limits_hold_for_handlers(t: &Ctx) {
    let mut server = t.listen(&["--recv-timeout", "300ms", "--discard", "127.0.0.1:0"]).server();
    assert_eq!(read_all(connect(server.socket_addr())), b"");
    server.wait().code(8).says(&["--recv-timeout"]);
    let mut server = t.listen(&["--send-timeout", "300ms", "--sh", "yes", "127.0.0.1:0"]).server();
    let _stream = connect(server.socket_addr());
    server.wait().code(8).says(&["--send-timeout"]);
}

fn acl_on_an_inherited_socket_without_ip(t: &Ctx) {
    let listener = UnixListener::bind(t.path("s")).unwrap();
    let handed = In::Fd(OwnedFd::from(listener));
    let args = ["fd:5", "--allow", "10.0.0.0/8", "--reply", "come in"];
    t.listen(&args).stdin(handed).redirect("5<&0 </dev/null").spawn().wait().code(2).says(&["--allow"]);
}

fn ready_file_is_written_whole(t: &Ctx) {
    fs::create_dir(t.path("d")).unwrap();
    let watch = inotify::init(inotify::CreateFlags::CLOEXEC).unwrap();
    let events = inotify::WatchFlags::CLOSE_WRITE | inotify::WatchFlags::MOVED_TO;
    inotify::add_watch(&watch, t.path("d"), events).unwrap();
    let server = t.listen(&["--ready-file", &t.file("d/ready"), "127.0.0.1:0"]).piped().spawn();
    let mut buf = [std::mem::MaybeUninit::uninit(); 1024];
    let mut reader = inotify::Reader::new(&watch, &mut buf);
    // A temporary file may come first; it is the name asked for that counts.
    loop {
        assert!(readable(&watch, PATIENCE), "no ready file; stderr: {}", server.stderr.text());
        if reader.next().unwrap().file_name().is_some_and(|name| name.to_bytes() == b"ready") {
            break;
        }
    }
    let line = fs::read_to_string(t.path("d/ready")).unwrap();
    connect(line.trim_end().parse().unwrap());
    assert!(line.ends_with('\n'), "{line:?}");
    assert_eq!(fs::read_dir(t.path("d")).unwrap().count(), 1, "nothing else is left there");
    assert_eq!(server.stdout.text(), "");
}

fn ready_file_takes_nothing_else_s_place(t: &Ctx) {
    fs::write(t.path("kept"), "kept").unwrap();
    std::os::unix::fs::symlink("kept", t.path("link")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, t.path("fifo"), rustix::fs::Mode::RWXU).unwrap();
    for name in ["link", "fifo"] {
        let before = fs::symlink_metadata(t.path(name)).unwrap().file_type();
        let exit = t.listen(&["--ready-file", &t.file(name), "127.0.0.1:0"]).run(b"");
        exit.code(1).says(&["not a regular file", "--ready-fd"]).says_not(&["listening"]);
        assert_eq!(fs::symlink_metadata(t.path(name)).unwrap().file_type(), before, "{name}");
    }
    assert_eq!(fs::read_to_string(t.path("kept")).unwrap(), "kept");
    // A file of an earlier run is replaced.
    let server = t.listen(&["--ready-file", &t.file("kept"), "127.0.0.1:0"]).server();
    let line = fs::read_to_string(t.path("kept")).unwrap();
    assert_eq!(line.trim_end(), server.socket_addr().to_string());
}

fn keep_open_takes_one_after_another(t: &Ctx) {
    let server = t.listen(&["-k", "127.0.0.1:0"]).server();
    for n in 1..=5 {
        let mut stream = connect(server.socket_addr());
        writeln!(stream, "client {n}").unwrap();
        shut_write(&stream);
        assert_eq!(read_all(&stream), b"");
    }
    server.stdout.wait_for("client 5\n");
    assert_eq!(server.stdout.text(), "client 1\nclient 2\nclient 3\nclient 4\nclient 5\n");
    assert!(server.is_running());
}

fn keep_open_with_a_handler_serves_side_by_side(t: &Ctx) {
    let server = t.listen(&["-k", "--reply", "pong", "127.0.0.1:0"]).server();
    let mut clients: Vec<TcpStream> = (0..20).map(|_| connect(server.socket_addr())).collect();
    for client in clients.iter_mut().rev() {
        client.write_all(b"ping").unwrap();
        assert_eq!(read_exactly(client, 4), b"pong");
    }
}

fn count_ends_it(t: &Ctx) {
    for handler in [&[][..], &["--discard"], &["--exec", "cat"]] {
        let mut server = t.listen(&["-k", "--count", "3", "127.0.0.1:0"]).args(handler).server();
        for _ in 0..3 {
            assert!(server.is_running());
            ask(server.socket_addr(), b"x");
        }
        server.wait().code(0).within(SOON);
    }
}

fn backlog_five_on_every_interface(t: &Ctx) {
    // The given example; in a namespace, for it takes the default port.
    let ns = Netns::new();
    let mut server = t.sockkit(&["listen", "--backlog", "5", "::"]).under(&ns.wrap()).piped().server();
    assert!(server.addr().ends_with(":2023"), "{}", server.addr());
    server.stderr.wait_for("\n");
    let said = server.stderr.text();
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains("2023") && said.contains("backlog 5"), "{said}");
    t.connect(&["127.0.0.1"]).under(&ns.wrap()).run(b"four").code(0);
    server.wait().code(0).stdout("four");
}

fn no_accept_shows_the_queue_fill(t: &Ctx) {
    let server = t.listen(&["--no-accept", "--backlog", "2", "127.0.0.1:0"]).server();
    // The kernel lets in one more than the backlog; the next gets no answer.
    let queue: Vec<TcpStream> = (0..3).map(|_| connect(server.socket_addr())).collect();
    let late = TcpStream::connect_timeout(&server.socket_addr(), Duration::from_millis(500));
    assert!(late.is_err());
    server.stderr.wait_for("3");
    assert!(server.is_running());
    drop(queue);
}

fn reply_to_each_message(t: &Ctx) {
    let mut server = t.listen(&["--reply", "pong", "127.0.0.1:0"]).server();
    let mut stream = connect(server.socket_addr());
    for _ in 0..3 {
        stream.write_all(b"ping").unwrap();
        assert_eq!(read_exactly(&stream, 4), b"pong");
    }
    drop(stream);
    server.wait().code(0);
}

fn reply_knows_escapes(t: &Ctx) {
    let server = t.listen(&["--reply", r"a\r\n\t\0\\\x7f", "127.0.0.1:0"]).server();
    assert_eq!(ask(server.socket_addr(), b"x"), b"a\r\n\t\0\\\x7f");
    for bad in [r"\q", r"\x7", "\\"] {
        t.listen(&["--reply", bad, "127.0.0.1:0"]).run(b"").code(2).says(&["^"]);
    }
}

fn discard_reads_everything(t: &Ctx) {
    let mut server = t.listen(&["--discard", "127.0.0.1:0"]).server();
    assert_eq!(ask(server.socket_addr(), &Data::new(40).bytes(4 << 20)), b"");
    server.wait().code(0).stdout("");
}

fn output_dir_has_a_file_per_connection(t: &Ctx) {
    fs::create_dir(t.path("d")).unwrap();
    let mut server = t.listen(&["-k", "--count", "3", "--output-dir", &t.file("d"), "127.0.0.1:0"]).server();
    for n in ["one", "two", "three"] {
        assert_eq!(ask(server.socket_addr(), n.as_bytes()), b"");
    }
    server.wait().code(0).stdout("");
    let mut got: Vec<String> =
        fs::read_dir(t.path("d")).unwrap().map(|f| fs::read_to_string(f.unwrap().path()).unwrap()).collect();
    got.sort();
    assert_eq!(got, ["one", "three", "two"]);
}

// ---- families

fn unix_stream(t: &Ctx) {
    let mut server = t.listen(&[&format!("unix:{}", t.file("s"))]).piped().server();
    assert_eq!(server.addr(), format!("unix:{}", t.file("s")));
    server.write(b"from stdin");
    server.close_stdin();
    t.connect(&[server.addr()]).run(b"to stdout").code(0).stdout("from stdin");
    server.wait().code(0).stdout("to stdout");
    assert!(!t.path("s").exists(), "the socket file we made is removed");
}

fn unix_abstract(t: &Ctx) {
    for form in ["@", "unix:@"] {
        let name = format!("{form}sockkit-it-{}", std::process::id());
        let mut server = t.listen(&[&name]).server();
        t.connect(&[server.addr()]).run(b"abstract").code(0);
        server.wait().code(0).stdout("abstract");
    }
}

fn unix_seqpacket(t: &Ctx) {
    let mut server = t.listen(&["--reply", "ok", &format!("unix-seqpacket:{}", t.file("s"))]).server();
    let mut client = t.connect(&[server.addr()]).piped().spawn();
    client.write(b"packet");
    client.stdout.wait_len(2);
    client.close_stdin();
    client.wait().code(0).stdout("ok");
    server.wait().code(0);
}

fn unix_mode_of_the_socket_file(t: &Ctx) {
    let _server = t.listen(&["--mode", "0600", &format!("unix:{}", t.file("s"))]).server();
    assert_eq!(fs::metadata(t.path("s")).unwrap().permissions().mode() & 0o777, 0o600);
    t.listen(&["--mode", "0999", &format!("unix:{}", t.file("s2"))]).run(b"").code(2);
}

fn fd_of_a_listening_socket(t: &Ctx) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let handed = In::Fd(OwnedFd::from(listener));
    let mut server = t.listen(&["fd:5"]).stdin(handed).redirect("5<&0 </dev/null").server();
    assert_eq!(server.socket_addr(), addr);
    assert_eq!(ask(addr, b"inherited"), b"");
    server.wait().code(0).stdout("inherited");
}

fn systemd_socket(t: &Ctx) {
    for (form, names) in [("systemd:", ""), ("systemd:web", "export LISTEN_FDNAMES=web")] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let mut server = t
            .listen(&[form])
            .stdin(In::Fd(OwnedFd::from(listener)))
            .prelude(&format!("export LISTEN_PID=$$ LISTEN_FDS=1; {names}"))
            .redirect("3<&0 </dev/null")
            .server();
        assert_eq!(ask(addr, b"activated"), b"");
        server.wait().code(0).stdout("activated");
    }
}

// ---- rows of the list of historical failures

fn r11_keep_open_survives_a_client_that_dies(t: &Ctx) {
    let zero = fs::File::open("/dev/zero").unwrap();
    let server = t.listen(&["-k", "--send-only", "127.0.0.1:0"]).stdin(In::Fd(zero.into())).server();
    for _ in 0..5 {
        let stream = connect(server.socket_addr());
        read_exactly(&stream, 100_000);
        reset(stream);
    }
    assert!(server.is_running());
}

fn r16_max_conns_does_not_leak(t: &Ctx) {
    let server = t.listen(&["-k", "-m", "2", "--exec", "cat", "127.0.0.1:0"]).server();
    for n in 0..100 {
        let mut stream = connect(server.socket_addr());
        // May be turned away by now; it is the count that matters.
        let _ = stream.write_all(b"x");
        if n % 2 == 0 { reset(stream) } else { drop(stream) }
    }
    let is_served = |stream: &TcpStream| is_served_within(stream, Duration::from_millis(500));
    let two = poll_until("two slots", || {
        let two = [connect(server.socket_addr()), connect(server.socket_addr())];
        two.iter().all(is_served).then_some(two)
    });
    assert!(!is_served(&connect(server.socket_addr())), "a third slot");
    drop(two);
    poll_until("a slot that is free again", || is_served(&connect(server.socket_addr())).then_some(()));
}

fn r17_out_of_descriptors(t: &Ctx) {
    let server = t.listen(&["-k", "--reply", "pong", "127.0.0.1:0"]).under(&["prlimit", "--nofile=20"]).server();
    let clients: Vec<TcpStream> = (0..40).map(|_| connect(server.socket_addr())).collect();
    assert!(is_served(&clients[0]));
    let (before, begin) = (server.cpu(), Instant::now());
    let_pass(Duration::from_secs(3));
    let used = server.cpu() - before;
    assert!(used < Duration::from_millis(200), "{used:?} of CPU in {:?}", begin.elapsed());
    let said = server.stderr.text();
    let lines = said.lines().filter(|l| l.contains("descriptor") || l.contains("open files")).count();
    assert!((1..=6).contains(&lines), "{lines} lines about it: {said}");
    // Old clients are served all along, the waiting ones when some have left.
    assert!(is_served(&clients[0]));
    let (waiting, gone) = clients.split_last().unwrap();
    for stream in gone {
        stream.shutdown(std::net::Shutdown::Both).unwrap();
    }
    poll_until("the last client to be served", || is_served(waiting).then_some(()));
}

fn r18_denied_clients_leave_no_descriptor(t: &Ctx) {
    let args = ["-q", "-k", "--deny", "127.0.0.0/8", "--reply", "pong"];
    let tcp = t.listen(&args).args(&["127.0.0.1:0"]).server();
    let udp = t.listen(&args).args(&["udp://127.0.0.1:0"]).server();
    assert!(!is_served(&connect(tcp.socket_addr())));
    let before = [tcp.fds(), udp.fds()];
    for _ in 0..500 {
        drop(connect(tcp.socket_addr()));
        let socket = crate::support::udp();
        socket.send_to(b"ping", udp.socket_addr()).unwrap();
    }
    assert!(!is_served(&connect(tcp.socket_addr())));
    let socket = crate::support::udp();
    socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    socket.send_to(b"ping", udp.socket_addr()).unwrap();
    assert!(socket.recv(&mut [0; 10]).is_err(), "a denied datagram was answered");
    // A few may be there for other reasons, such as a runtime that starts with the first client.
    for (now, before) in [tcp.fds(), udp.fds()].into_iter().zip(before) {
        assert!(now < before + 20, "{now} descriptors, {before} before 500 clients were denied");
    }
}

fn r22_standard_descriptors_closed(t: &Ctx) {
    let mut server = t.listen(&["127.0.0.1:0"]).redirect("<&- >&- 2>&-").server();
    let mut stream = connect(server.socket_addr());
    let _ = stream.write_all(b"payload");
    let _ = stream.shutdown(std::net::Shutdown::Write);
    // It may end well or badly, but it ends, and no payload lands in a descriptor that is something else.
    let mut back = Vec::new();
    let _ = stream.read_to_end(&mut back);
    assert_eq!(back, b"");
    let exit = server.wait();
    assert!(exit.cpu < Duration::from_millis(500), "{:?} of CPU", exit.cpu);
    assert_eq!(server.rest_of_ready(), b"");
}

fn r23_stdin_at_its_end_is_no_reason_to_go(t: &Ctx) {
    for args in [&[][..], &["-k"], &["--recv-only"], &["-k", "--recv-only"], &["-u"], &["-u", "--recv-only"]] {
        let server = t.listen(args).args(&["127.0.0.1:0"]).server();
        let_pass(Duration::from_millis(300));
        assert!(server.is_running(), "{args:?}: left before its client came");
        if args.contains(&"-u") {
            crate::support::udp().send_to(b"a datagram", server.socket_addr()).unwrap();
        } else {
            connect(server.socket_addr()).write_all(b"a datagram").unwrap();
        }
        server.stdout.wait_for("a datagram");
    }
}

fn r24_typing_goes_on_after_a_client_was_lost(t: &Ctx) {
    let mut server = t.listen(&["-k", "127.0.0.1:0"]).piped().server();
    let first = connect(server.socket_addr());
    let rest = [connect(server.socket_addr()), connect(server.socket_addr())];
    server.write(b"to the first");
    assert_eq!(read_exactly(&first, 12), b"to the first");
    reset(first);
    for stream in rest {
        // The line for whoever is served next must not be typed before the loss has been noticed.
        let who = stream.local_addr().unwrap().to_string();
        server.stderr.wait_for(&who);
        server.write(b"to the next");
        assert_eq!(read_exactly(&stream, 11), b"to the next");
    }
}

fn r27_regular_file_is_left_alone(t: &Ctx) {
    fs::write(t.path("f"), "precious").unwrap();
    let addr = format!("unix:{}", t.file("f"));
    for flags in [&[][..], &["--unlink"]] {
        let exit = t.listen(flags).args(&[&addr]).run(b"");
        assert_ne!(exit.code, 0);
        assert_eq!(fs::read_to_string(t.path("f")).unwrap(), "precious");
    }
}

fn r27_live_socket_is_left_alone(t: &Ctx) {
    let addr = format!("unix:{}", t.file("s"));
    let first = t.listen(&["-k", "--reply", "first", &addr]).server();
    for flags in [&[][..], &["--unlink"]] {
        t.listen(flags).args(&[&addr]).run(b"").code(10).says(&["in use"]);
        let mut stream = unix_connect(&t.path("s"));
        stream.write_all(b"?").unwrap();
        assert_eq!(read_exactly(&stream, 5), b"first");
    }
    assert!(first.is_running());
}

fn r27_stale_socket(t: &Ctx) {
    // Bound once, left behind.
    drop(UnixListener::bind(t.path("s")).unwrap());
    let addr = format!("unix:{}", t.file("s"));
    t.listen(&[&addr]).run(b"").code(10).says(&["--unlink"]);
    assert!(t.path("s").exists());
    let mut server = t.listen(&["--unlink", &addr]).server();
    drop(unix_connect(&t.path("s")));
    server.wait().code(0);
    assert!(!t.path("s").exists());
}

fn r27_removed_by_its_owner_only(t: &Ctx) {
    let addr = format!("unix:{}", t.file("s"));
    let mut server = t.listen(&["-k", &addr]).server();
    server.signal(Signal::TERM);
    server.wait().code(143);
    assert!(!t.path("s").exists(), "removed on TERM");
    // A child that ends does not take the file with it.
    let mut server = t.listen(&["-k", "--exec", "true", &addr]).server();
    assert_eq!(read_all(unix_connect(&t.path("s"))), b"");
    assert!(t.path("s").exists());
    // Somebody else has put a socket of their own there.
    fs::remove_file(t.path("s")).unwrap();
    let _other = UnixListener::bind(t.path("s")).unwrap();
    server.signal(Signal::TERM);
    server.wait().code(143);
    assert!(t.path("s").exists(), "another's socket is left alone");
    drop(UnixStream::connect(t.path("s")).unwrap());
}

fn r29_restart_after_closing_first(t: &Ctx) {
    let free = TcpListener::bind((t.loopback(), 0)).unwrap().local_addr().unwrap();
    for _ in 0..20 {
        let mut server = t.listen(&["--close", &free.to_string()]).server();
        // The server closes first, so that it has the connection in TIME_WAIT.
        assert_eq!(read_all(connect(free)), b"");
        server.wait().code(0);
    }
}

fn r29_second_listener_fails(t: &Ctx) {
    let first = t.listen(&["127.0.0.1:0"]).server();
    let second = t.listen(&[first.addr()]).run(b"");
    // The holder is named: its pid and its program.
    second.code(10).says(&["in use", &first.pid().to_string(), "sockkit"]);
    assert!(first.is_running());
}

fn r29_quick_clients_are_never_refused(t: &Ctx) {
    let server = t.listen(&["-k", "127.0.0.1:0"]).server();
    for _ in 0..100 {
        connect(server.socket_addr()).write_all(b".").unwrap();
    }
    server.stdout.wait_len(100);
}

fn r30_both_families(t: &Ctx) {
    for (addr, four, six) in [
        (":0", true, true),
        ("0", true, true),
        ("[::]:0", true, true),
        ("0.0.0.0:0", true, false),
        ("[::1]:0", false, true),
    ] {
        let server = t.listen(&["-k", "--reply", "pong", addr]).server();
        for (host, wanted) in [("127.0.0.1", four), ("::1", six)] {
            let reached = TcpStream::connect((host, server.port())).is_ok_and(|stream| is_served(&stream));
            assert_eq!(reached, wanted, "{host} at {addr}");
        }
    }
    for (flag, works, fails) in [("-4", "127.0.0.1", "::1"), ("-6", "::1", "127.0.0.1")] {
        let server = t.listen(&[flag, "-k", "--reply", "pong", ":0"]).server();
        assert!(TcpStream::connect((works, server.port())).is_ok_and(|stream| is_served(&stream)), "{flag}");
        assert!(TcpStream::connect((fails, server.port())).is_err(), "{flag}");
    }
}

fn r30_without_ipv6(t: &Ctx) {
    let ns = Netns::new();
    ns.run("echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6");
    let mut server = t.listen(&[":0"]).under(&ns.wrap()).server();
    let port = server.port();
    t.connect(&[&format!("127.0.0.1:{port}")]).under(&ns.wrap()).run(b"four only").code(0);
    server.wait().code(0).stdout("four only");
}

fn r30_mapped_address_is_denied(t: &Ctx) {
    let server = t.listen(&["-k", "--deny", "127.0.0.1", "--reply", "pong", ":0"]).server();
    assert!(!is_served(&connect(server.socket_addr())));
    server.stderr.wait_for("127.0.0.1:");
    assert!(!server.stderr.text().contains("ffff"), "{}", server.stderr.text());
    assert!(is_served(&TcpStream::connect(("::1", server.port())).unwrap()));
}

fn r31_port_zero_is_told(t: &Ctx) {
    for addr in ["127.0.0.1:0", "udp://127.0.0.1:0", ":0", "udp://:0"] {
        let server = t.listen(&[addr]).server();
        assert_ne!(server.port(), 0);
        server.stderr.wait_for(&server.port().to_string());
    }
}

fn r31_bad_ports(t: &Ctx) {
    for bad in ["127.0.0.1:", ":", "127.0.0.1:80x", ":99999", "127.0.0.1:65536", "127.0.0.1:-1", "::1:80", "[::1]x"] {
        t.listen(&[bad]).run(b"").code(2).stdout("").says(&["^"]);
        t.connect(&[bad]).run(b"").code(2).stdout("").says(&["^"]);
    }
}

fn r32_one_shot_has_no_second_client(t: &Ctx) {
    let server = t.listen(&["127.0.0.1:0"]).piped().server();
    let mut first = connect(server.socket_addr());
    first.write_all(b"x").unwrap();
    server.stdout.wait_len(1);
    if let Ok(mut second) = TcpStream::connect(server.socket_addr()) {
        second.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        let got = second.read(&mut [0; 1]);
        let closed = matches!(&got, Ok(0)) || matches!(&got, Err(e) if e.raw_os_error() == Some(104));
        assert!(closed, "the second client was left waiting: {got:?}");
    }
    let addr = format!("unix:{}", t.file("s"));
    let server = t.listen(&[&addr]).piped().server();
    let mut first = unix_connect(&t.path("s"));
    first.write_all(b"x").unwrap();
    server.stdout.wait_len(1);
    if let Ok(mut second) = UnixStream::connect(t.path("s")) {
        second.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        assert!(matches!(second.read(&mut [0; 1]), Ok(0)), "the second client was left waiting");
    }
}

fn r44_acl_specs(t: &Ctx) {
    for bad in [
        "127.0.0.1/33",
        "10.0.0.0/-1",
        "1.2.3.4/24abc",
        "1.2.3",
        "1.2.3.4.5",
        "::/129",
        "",
        "/8",
        "host name",
        "256.1.1.1",
    ] {
        for flag in ["--allow", "--deny"] {
            t.listen(&[&format!("{flag}={bad}"), "127.0.0.1:0"]).run(b"").code(2);
        }
    }
    for (allow, wanted) in [
        ("0.0.0.0/0", true),
        ("127.0.0.1/32", true),
        ("127.0.0.1", true),
        ("127.0.0.0/8", true),
        ("127.0.0.0/31", true),
        ("127.0.0.2/31", false),
        ("::/0", false),
        ("::1", false),
    ] {
        let server = t.listen(&["-k", "--allow", allow, "--reply", "pong", "127.0.0.1:0"]).server();
        assert_eq!(is_served(&connect(server.socket_addr())), wanted, "--allow {allow}");
    }
}

fn r44_deny_beats_allow(t: &Ctx) {
    for order in [["--allow", "127.0.0.0/8", "--deny", "127.0.0.1"], ["--deny", "127.0.0.1", "--allow", "127.0.0.0/8"]]
    {
        let server = t.listen(&["-k", "--reply", "pong", "127.0.0.1:0"]).args(&order).server();
        assert!(!is_served(&connect(server.socket_addr())), "{order:?}");
    }
}
