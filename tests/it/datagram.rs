//! Datagrams: their borders, their senders, and the errors only they have.

use std::net::{SocketAddr, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use libtest_mimic::Trial;

use crate::support::{Ctx, Data, Netns, Out, SOON, let_pass, poll_until, trials, udp};

pub(crate) fn tests() -> Vec<Trial> {
    trials!["datagram";
        connect_talks_both_ways,
        listen_answers_whoever_spoke_last,
        builtin_echo_over_udp,
        each_write_is_a_datagram,
        empty_datagram_passes,
        too_large_is_a_clear_error,
        port_unreachable_is_refused,
        port_unreachable_on_ipv6 [Ipv6],
        unix_datagrams_are_answered,
        a_unix_peer_that_does_not_read_costs_no_cpu,
        unix_datagram_with_a_real_peer,
        r23_udp_server_without_stdin,
        r36_three_clients_interleaved,
        r36_listen_without_a_handler_hears_everyone,
        r37_borders_are_kept,
        a_blocked_stdout_loses_no_datagram,
        a_greeting_waits_for_its_reader,
        a_denied_datagram_is_nobody_who_came,
        an_error_does_not_overtake_what_came_before,
        r37_server_survives_a_client_that_closed,
        what_a_session_leaves_unread_begins_the_next,
        broadcast_needs_its_flag [Root],
        multicast_is_received [Root],
    ]
}

fn recv(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buf = vec![0; 70_000];
    let (len, from) = socket.recv_from(&mut buf).expect("a datagram");
    buf.truncate(len);
    (buf, from)
}

fn connect_talks_both_ways(t: &Ctx) {
    let socket = udp();
    let addr = format!("udp://{}", socket.local_addr().unwrap());
    let mut client = t.connect(&[&addr]).piped().spawn();
    for n in 0..3 {
        client.write(b"ping");
        let (got, from) = recv(&socket);
        assert_eq!(got, b"ping");
        socket.send_to(b"pong", from).unwrap();
        client.stdout.wait_len(4 * (n + 1));
    }
    client.close_stdin();
    client.wait().code(0).stdout("pongpongpong");
}

fn listen_answers_whoever_spoke_last(t: &Ctx) {
    let mut server = t.listen(&["-u", "127.0.0.1:0"]).piped().server();
    let (a, b) = (udp(), udp());
    for (n, (socket, said)) in [(&a, "from a"), (&b, "from b"), (&a, "from a")].into_iter().enumerate() {
        socket.send_to(said.as_bytes(), server.socket_addr()).unwrap();
        server.stdout.wait_len(6 * (n + 1));
        server.write(b"answer");
        assert_eq!(recv(socket).0, b"answer");
    }
}

fn builtin_echo_over_udp(t: &Ctx) {
    let server = t.listen(&["-u", "-k", "--reply", "pong", "127.0.0.1:0"]).server();
    let mut client = t.connect(&["-u", &server.socket_addr().to_string()]).piped().spawn();
    client.write(b"ping");
    client.stdout.wait_for("pong");
    client.close_stdin();
    client.wait().code(0).stdout("pong");
}

fn each_write_is_a_datagram(t: &Ctx) {
    let socket = udp();
    let mut client = t.connect(&["-u", &socket.local_addr().unwrap().to_string()]).piped().spawn();
    for text in ["one", "two", "three"] {
        client.write(text.as_bytes());
        assert_eq!(recv(&socket).0, text.as_bytes());
    }
}

fn empty_datagram_passes(t: &Ctx) {
    // It is no end, and what comes after it comes too.
    let server = t.listen(&["-u", "127.0.0.1:0"]).piped().server();
    let socket = udp();
    for datagram in [&b""[..], b"after", b"", b" the empty one"] {
        socket.send_to(datagram, server.socket_addr()).unwrap();
    }
    server.stdout.wait_for("after the empty one");
    let server = t.listen(&["-u", "-k", "--reply", "pong", "127.0.0.1:0"]).server();
    socket.send_to(b"", server.socket_addr()).unwrap();
    assert_eq!(recv(&socket).0, b"pong");
    // Answered by an empty one, a client reads on.
    let peer = udp();
    let client = t.connect(&["-u", &peer.local_addr().unwrap().to_string()]).piped();
    let mut client = client.spawn();
    client.write(b"?");
    let (_, from) = recv(&peer);
    peer.send_to(b"", from).unwrap();
    peer.send_to(b"more", from).unwrap();
    client.stdout.wait_for("more");
    assert!(client.is_running());
}

fn too_large_is_a_clear_error(t: &Ctx) {
    let socket = udp();
    let big = vec![b'x'; 65508];
    std::fs::write(t.path("big"), &big).unwrap();
    let file = std::fs::File::open(t.path("big")).unwrap();
    let mut client = t
        .connect(&["-u", &socket.local_addr().unwrap().to_string()])
        .stdin(crate::support::In::Fd(file.into()))
        .spawn();
    let exit = client.wait();
    // Whatever is sent of a file is cut at what a datagram holds; it never fails with a bare errno.
    exit.says_not(&["EMSGSIZE", "os error 90"]);
    let server = t.listen(&["-u", "-k", "--sh", "head -c 65508 /dev/zero", "127.0.0.1:0"]).server();
    socket.send_to(b"?", server.socket_addr()).unwrap();
    let_pass(Duration::from_millis(300));
    assert!(server.is_running());
}

fn port_unreachable_is_refused(t: &Ctx) {
    let gone = UdpSocket::bind((t.loopback(), 0)).unwrap().local_addr().unwrap();
    let mut client = t.connect(&["-u", &gone.to_string()]).piped().spawn();
    client.write(b"anyone?");
    client.wait().code(5).says(&["refused"]).within(SOON);
}

fn port_unreachable_on_ipv6(t: &Ctx) {
    let gone = UdpSocket::bind("[::1]:0").unwrap().local_addr().unwrap();
    let mut client = t.connect(&["-u", &gone.to_string()]).piped().spawn();
    client.write(b"anyone?");
    client.wait().code(5).says(&["refused"]).within(SOON);
}

fn unix_datagrams_are_answered(t: &Ctx) {
    let addr = format!("unix-dgram:{}", t.file("s"));
    let server = t.listen(&["-k", "--reply", "pong", &addr]).server();
    let mut client = t.connect(&[server.addr()]).piped().spawn();
    client.write(b"ping");
    client.stdout.wait_for("pong");
    client.close_stdin();
    client.wait().code(0).stdout("pong");
}

fn unix_datagram_with_a_real_peer(t: &Ctx) {
    let socket = UnixDatagram::bind(t.path("peer")).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut client = t.connect(&[&format!("unix-dgram:{}", t.file("peer"))]).piped().spawn();
    client.write(b"ping");
    let mut buf = [0; 100];
    let (len, from) = socket.recv_from(&mut buf).unwrap();
    assert_eq!(&buf[..len], b"ping");
    assert!(!from.is_unnamed(), "the client has an address of its own");
    socket.send_to_addr(b"pong", &from).unwrap();
    client.stdout.wait_for("pong");
}

fn r23_udp_server_without_stdin(t: &Ctx) {
    let server = t.listen(&["-u", "127.0.0.1:0"]).server();
    let_pass(Duration::from_millis(1500));
    let socket = udp();
    for _ in 0..3 {
        socket.send_to(b"late", server.socket_addr()).unwrap();
    }
    server.stdout.wait_for("latelatelate");
}

fn r36_three_clients_interleaved(t: &Ctx) {
    for handler in [&["--exec", "cat"][..], &["--sh", "while read x; do echo \"$x\"; done"]] {
        let server = t.listen(&["-q", "-u", "-k", "127.0.0.1:0"]).args(handler).server();
        let clients = [udp(), udp(), udp()];
        for round in 0..200 {
            for (n, client) in clients.iter().enumerate() {
                client.send_to(format!("client {n} round {round}\n").as_bytes(), server.socket_addr()).unwrap();
            }
            for (n, client) in clients.iter().enumerate() {
                let (got, from) = recv(client);
                assert_eq!(String::from_utf8(got).unwrap(), format!("client {n} round {round}\n"));
                assert_eq!(from, server.socket_addr());
            }
        }
    }
}

fn r36_listen_without_a_handler_hears_everyone(t: &Ctx) {
    let server = t.listen(&["-u", "127.0.0.1:0"]).piped().server();
    for (n, socket) in [udp(), udp(), udp()].iter().enumerate() {
        socket.send_to(b"x", server.socket_addr()).unwrap();
        server.stdout.wait_len(n + 1);
    }
}

fn r37_borders_are_kept(t: &Ctx) {
    let sizes = [0, 1, 1472, 65507, 0, 2];
    // Received: each an event of its own, with its length.
    let server = t.listen(&["-u", "--json", "127.0.0.1:0"]).piped().server();
    let socket = udp();
    for size in sizes {
        socket.send_to(&vec![b'x'; size], server.socket_addr()).unwrap();
    }
    socket.send_to(b"the last one", server.socket_addr()).unwrap();
    server.stdout.wait_for("the last one");
    let text = server.stdout.text();
    let got: Vec<usize> = text
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|event| event["event"] == "recv")
        .map(|event| event["text"].as_str().unwrap_or_default().len())
        .collect();
    assert_eq!(got[..sizes.len()], sizes);
    // As bytes: nothing lost, nothing between them.
    let data = Data::new(37);
    let peer = udp();
    let mut client = t.connect(&["-u", &peer.local_addr().unwrap().to_string()]).piped().spawn();
    client.write(b"?");
    let (_, from) = recv(&peer);
    let bytes = data.bytes(70_000);
    let mut at = 0;
    for size in [1, 1472, 0, 65507, 3] {
        peer.send_to(&bytes[at..at + size], from).unwrap();
        at += size;
        client.stdout.wait_len(at);
    }
    assert!(client.stdout.bytes() == bytes[..at]);
    // Handed to a program and back.
    let server = t.listen(&["-u", "-k", "--exec", "cat", "127.0.0.1:0"]).server();
    for size in [1, 1472, 40_000] {
        peer.send_to(&bytes[..size], server.socket_addr()).unwrap();
        let mut back = Vec::new();
        while back.len() < size {
            back.extend(recv(&peer).0);
        }
        assert!(back == bytes[..size]);
    }
}

fn r37_server_survives_a_client_that_closed(t: &Ctx) {
    for handler in [&["--reply", "pong"][..], &["--sh", "read x; sleep 0.1; echo pong"]] {
        let server = t.listen(&["-u", "-k", "127.0.0.1:0"]).args(handler).server();
        for _ in 0..20 {
            // Gone before the answer comes: the kernel says "refused" to a server that asks.
            udp().send_to(b"ping\n", server.socket_addr()).unwrap();
        }
        let socket = udp();
        socket.send_to(b"ping\n", server.socket_addr()).unwrap();
        assert!(recv(&socket).0.starts_with(b"pong"));
    }
    let mut server = t.listen(&["-u", "127.0.0.1:0"]).piped().server();
    udp().send_to(b"gone", server.socket_addr()).unwrap();
    server.stdout.wait_for("gone");
    server.write(b"answer to nobody");
    let_pass(Duration::from_millis(200));
    assert!(server.is_running(), "{}", server.stderr.text());
    udp().send_to(b"next", server.socket_addr()).unwrap();
    server.stdout.wait_for("next");
}

/// The second after the last datagram begins when stdout has taken it.
fn a_blocked_stdout_loses_no_datagram(t: &Ctx) {
    let socket = udp();
    let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    let addr = format!("udp://{}", socket.local_addr().unwrap());
    let mut client = t.connect(&[&addr]).piped().stdout(Out::Fd(writer)).spawn();
    client.write(b"question");
    client.close_stdin();
    let (_, from) = recv(&socket);
    // More than a pipe of 1 MiB takes, with little enough of it behind that the kernel drops nothing.
    let (size, count) = (60_000, 19);
    let room = (1 << 20) / size;
    for nth in 1..=count {
        socket.send_to(&vec![b'x'; size], from).unwrap();
        let wanted = (size * nth.min(room)) as u64;
        poll_until("it to be in the pipe", || (rustix::io::ioctl_fionread(&reader).unwrap() >= wanted).then_some(()));
    }
    let_pass(Duration::from_millis(1500));
    assert_eq!(crate::support::read_all(std::fs::File::from(reader)).len(), size * count);
    client.wait().code(0);
}

/// The time before anybody spoke is no time in which the greeting could not be sent.
fn a_greeting_waits_for_its_reader(t: &Ctx) {
    let args = ["-u", "--greeting", "hello", "--send-timeout", "200ms", "127.0.0.1:0"];
    let server = t.listen(&args).piped().server();
    let_pass(Duration::from_millis(400));
    let socket = udp();
    socket.send_to(b"x", server.socket_addr()).unwrap();
    assert_eq!(recv(&socket).0, b"hello");
}

/// The peer answers ten times and is gone: the refusal of the next question comes first, but it is not all.
fn an_error_does_not_overtake_what_came_before(t: &Ctx) {
    let socket = udp();
    let addr = format!("udp://{}", socket.local_addr().unwrap());
    let mut client = t.connect(&[&addr]).piped().spawn();
    client.write(b"first");
    let (_, from) = recv(&socket);
    client.signal(rustix::process::Signal::STOP);
    client.wait_stopped();
    for n in 0..10 {
        socket.send_to(&[b'0' + n], from).unwrap();
    }
    drop(socket);
    client.write(b"second");
    client.signal(rustix::process::Signal::CONT);
    let_pass(Duration::from_millis(100));
    // By now one question or the other was refused, and so is this one at the latest.
    let _ = std::io::Write::write(&mut client.take_stdin(), b"third");
    client.wait().code(5).stdout("0123456789");
}

/// poll(2) says that there is room, sendto(2) that there is none, and nothing is lost.
fn a_unix_peer_that_does_not_read_costs_no_cpu(t: &Ctx) {
    let path = t.file("server");
    let mut server = t.listen(&[&format!("unix-dgram:{path}")]).piped().server();
    let client = UnixDatagram::bind(t.path("client")).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    client.send_to(b"x", &path).unwrap();
    server.stdout.wait_len(1);
    let mut stdin = server.take_stdin();
    // Beyond any net.unix.max_dgram_qlen in use.
    let count = 2000;
    let writer = std::thread::spawn(move || {
        for _ in 0..count {
            std::io::Write::write_all(&mut stdin, &[b'y'; 4096]).unwrap();
        }
    });
    let_pass(Duration::from_millis(500));
    let before = server.cpu();
    let_pass(Duration::from_secs(1));
    let used = server.cpu() - before;
    assert!(used < Duration::from_millis(100), "{used:?} of CPU in 1 s");
    let (mut buffer, mut got) = (vec![0; 1 << 18], 0);
    while got < count * 4096 {
        got += client.recv(&mut buffer).expect("the rest of it");
    }
    writer.join().unwrap();
}

fn a_denied_datagram_is_nobody_who_came(t: &Ctx) {
    let args = ["-u", "--accept-timeout", "300ms", "--deny", "127.0.0.0/8", "127.0.0.1:0"];
    let mut server = t.listen(&args).piped().server();
    udp().send_to(b"x", server.socket_addr()).unwrap();
    server.wait().code(7).stdout("").within(SOON);
}

fn broadcast_needs_its_flag(t: &Ctx) {
    let ns = Netns::new();
    ns.run("ip link add v0 type veth peer name v1; ip link set v0 up; ip link set v1 up");
    ns.run("ip addr add 10.9.9.1/24 brd 10.9.9.255 dev v0");
    let exit = t.connect(&["udp://10.9.9.255:9"]).under(&ns.wrap()).run(b"x");
    exit.code(11).says(&["--broadcast"]);
    t.connect(&["--broadcast", "udp://10.9.9.255:9"]).under(&ns.wrap()).run(b"x").code(0);
}

fn multicast_is_received(t: &Ctx) {
    let ns = Netns::new();
    ns.run("ip link set lo multicast on; ip route add 224.0.0.0/4 dev lo");
    let server = t.listen(&["--join", "239.1.2.3%lo", "udp://0.0.0.0:0"]).under(&ns.wrap()).piped().server();
    let addr = format!("udp://239.1.2.3:{}", server.port());
    t.connect(&["--send-only", &addr]).under(&ns.wrap()).run(b"to the group").code(0);
    server.stdout.wait_for("to the group");
}

fn what_a_session_leaves_unread_begins_the_next(t: &Ctx) {
    let server = t.listen(&["-u", "-k", "--reply", "pong", "--close-on", "bye", "127.0.0.1:0"]).server();
    let socket = udp();
    socket.connect(server.socket_addr()).unwrap();
    for _ in 0..20 {
        for message in ["bye", "a", "b"] {
            socket.send(message.as_bytes()).unwrap();
        }
        for _ in 0..3 {
            assert_eq!(recv(&socket).0, b"pong");
        }
    }
}
