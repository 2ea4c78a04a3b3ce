//! What is said of a session that goes wrong after it began well: each cause is made, in a network of its own where it
//! needs one, and the words of `cause:` and `try:` are those of that cause.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::thread::JoinHandle;
use std::time::Duration;

use libtest_mimic::Trial;

use crate::support::{
    Cmd, Ctx, Exit, In, NOBODY, Netns, Out, Proc, accept, connect, let_pass, listener, read_exactly, reset, shut_write,
    trials,
};

pub(crate) fn tests() -> Vec<Trial> {
    trials!["midway";
        closed_at_once,
        closed_without_an_answer,
        reset_at_once,
        reset_over_what_was_not_read,
        reset_in_the_middle,
        reset_of_what_came_too_late,
        silent_after_a_question,
        silent_from_the_beginning,
        silent_after_a_greeting,
        a_client_that_says_nothing,
        a_peer_that_does_not_read,
        a_unix_peer_that_does_not_read,
        a_reader_of_ours_that_does_not_read,
        tls_where_plain_text_was_meant [Python3],
        tls_that_comes_to_a_plain_server [Python3],
        one_errno_and_many_causes,
        large_packets_do_not_get_through [Root, Nft],
        large_packets_do_not_come_through [Root, Nft],
        a_peer_that_reads_slowly,
        nobody_is_to_blame_while_much_moves,
        packets_are_lost [Root, Nft],
        the_host_is_gone [Root],
        this_host_begins_to_stop_it [Root, Nft, Setpriv] 60,
        nothing_but_the_handshake_gets_through [Root, Nft],
        what_is_sent_does_not_leave [Root],
        a_firewall_begins_to_reject [Root, Nft],
        an_ordinary_session_is_not_commented_on,
    ]
}

/// What failed, or was odd: the exit code, and words of the cause and of what to try. Gives the cause without digits
/// and addresses, by which two can be told apart.
#[track_caller]
fn check(exit: &Exit, code: i32, cause: &[&str], tries: &[&str]) -> String {
    exit.code(code).says_not(&["os error", "panicked"]);
    let line = |label: &str| exit.stderr.lines().find_map(|line| line.strip_prefix(label)).unwrap_or_default();
    let advice: String = exit
        .stderr
        .lines()
        .filter_map(|line| line.strip_prefix("try: ").or(line.strip_prefix(" or: ")))
        .map(|one| format!("{one}\n"))
        .collect();
    let said = line("cause: ");
    for word in cause {
        assert!(said.contains(word), "no {word:?} in the cause of {}", exit.stderr);
    }
    for word in tries {
        assert!(advice.contains(word), "no {word:?} to try in {}", exit.stderr);
    }
    said.chars().filter(|c| !c.is_ascii_digit() && !".:[]".contains(*c)).collect()
}

/// `sockkit connect ARGS ADDR` whose standard input stays open, to a peer that does this with the connection.
fn against(t: &Ctx, args: &[&str], input: &[u8], peer: impl FnOnce(TcpStream) + Send + 'static) -> Exit {
    let (listener, addr) = listener();
    let mut client = t.connect(args).args(&[&addr]).piped().spawn();
    let stream = accept(&listener);
    // What happens before that is another failure.
    client.stderr.wait_for("connected to");
    client.write(input);
    let peer = std::thread::spawn(move || peer(stream));
    let exit = client.wait();
    drop(client);
    peer.join().unwrap();
    exit
}

fn closed_at_once(t: &Ctx) {
    let exit = against(t, &[], b"", drop);
    check(
        &exit,
        0,
        &["accepted and closed at once", "a proxy or port forwarding with nothing behind it", "or a service"],
        &["sockkit wait --stable 1s 127.0.0.1:"],
    );
    exit.says(&["warning: 127.0.0.1:", "closed the connection at once"]);
    // The same as an event.
    let exit = against(t, &["--json"], b"", drop);
    assert!(exit.stdout.text().contains("\"event\":\"warning\",\"message\":\"127.0.0.1:"), "{}", exit.stdout.text());
    assert!(exit.stdout.text().contains("\"ended_by\":\"peer\",\"how\":\"fin\""), "{}", exit.stdout.text());
}

fn closed_without_an_answer(t: &Ctx) {
    let exit = against(t, &[], b"hello\n", |mut peer| {
        let _ = peer.read(&mut [0; 6]);
    });
    let words = &["took 6 bytes and closed without an answer", "does not let this host in"];
    check(&exit, 0, words, &["--hex -v", "openssl s_client -connect 127.0.0.1:"]);
    // openssl(1) has no such addresses.
    let server = UnixListener::bind(t.path("s")).unwrap();
    let mut client = t.connect(&["-v", &format!("unix:{}", t.file("s"))]).piped().spawn();
    let (mut peer, _) = server.accept().unwrap();
    client.write(b"hello\n");
    read_exactly(&mut peer, 6);
    drop(peer);
    let exit = client.wait();
    drop(client);
    check(&exit, 0, words, &["--hex -v"]);
    exit.says_not(&["openssl"]);
}

fn reset_at_once(t: &Ctx) {
    let exit = against(t, &[], b"", reset);
    check(
        &exit,
        9,
        &["accepted the connection and reset it at once", "proxy with nothing behind it"],
        &["sockkit wait --stable 1s"],
    );
}

fn reset_over_what_was_not_read(t: &Ctx) {
    let exit = against(t, &[], b"hello\n", |peer| {
        let mut one = [0];
        peer.peek(&mut one).unwrap();
    });
    check(&exit, 9, &["closed without reading what was sent (6 bytes)", "does not let this host in"], &["--banner"]);
}

fn reset_in_the_middle(t: &Ctx) {
    let exit = against(t, &[], b"hello\n", |mut peer| {
        read_exactly(&peer, 6);
        peer.write_all(b"welcome\n").unwrap();
        let_pass(Duration::from_millis(50));
        reset(peer);
    });
    check(&exit, 9, &["with 6 bytes sent and 8 bytes received", "its program ended or crashed"], &["--hex -v"]);
    exit.stdout("welcome\n");
}

fn reset_of_what_came_too_late(t: &Ctx) {
    let (listener, addr) = listener();
    let mut client = t.connect(&["--stay", &addr]).piped().spawn();
    let mut peer = accept(&listener);
    peer.write_all(b"bye\n").unwrap();
    shut_write(&peer);
    client.stdout.wait_for("bye");
    drop(peer);
    client.write(b"too late\n");
    let_pass(Duration::from_millis(100));
    client.write(b"and again\n");
    check(&client.wait(), 9, &["had closed the connection already (FIN)", "it gave up on us"], &["--hex -v"]);
}

fn silent_after_a_question(t: &Ctx) {
    let exit = against(t, &["--idle-timeout", "300ms"], b"GET / HTTP/1.0", |peer| {
        read_exactly(&peer, 14);
        let_pass(Duration::from_secs(1));
    });
    check(
        &exit,
        8,
        &["has taken all 14 bytes", "has not answered", "the end of a line (the last byte sent was no newline)", "FIN"],
        &["--idle-timeout 3s"],
    );
    let exit = against(t, &["--recv-timeout", "300ms"], b"GET /\n", |peer| {
        read_exactly(&peer, 6);
        let_pass(Duration::from_secs(1));
    });
    check(&exit, 8, &["has taken all 6 bytes", "it waits for more or for our end"], &["--recv-timeout 3s"]);
    assert!(!exit.stderr.contains("newline"), "{}", exit.stderr);
}

fn silent_from_the_beginning(t: &Ctx) {
    let exit = against(t, &["--idle-timeout", "300ms"], b"", |_peer| let_pass(Duration::from_secs(1)));
    check(&exit, 8, &["neither side has said a word", "waits for us to speak first"], &["--idle-timeout 3s"]);
    let exit = against(t, &["--deadline", "400ms"], b"", |_peer| let_pass(Duration::from_secs(1)));
    check(&exit, 124, &["neither side has said a word"], &["--deadline 3s"]);
}

fn silent_after_a_greeting(t: &Ctx) {
    let exit = against(t, &["--idle-timeout", "300ms"], b"", |mut peer| {
        peer.write_all(b"220 ready\n").unwrap();
        let_pass(Duration::from_secs(1));
    });
    check(&exit, 8, &["sent 10 bytes and has been silent for", "it waits for something from us"], &["--idle-timeout"]);
}

fn a_client_that_says_nothing(t: &Ctx) {
    let mut server = t.listen(&["--idle-timeout", "300ms", "127.0.0.1:0"]).piped().server();
    let _client = connect(server.socket_addr());
    check(&server.wait(), 8, &["connected and says nothing", "only looked whether the port is open"], &["listen"]);
}

/// Much more than the buffers of both kernels hold.
fn flood() -> Vec<u8> {
    vec![b'x'; 16 << 20]
}

/// `sockkit connect ARGS` that is fed without end, until it ends.
fn fed(cmd: Cmd) -> (Proc, JoinHandle<()>) {
    let mut client = cmd.piped().spawn();
    let mut stdin = client.take_stdin();
    let feeder = std::thread::spawn(move || {
        let flood = flood();
        // Until it ends by itself.
        while stdin.write_all(&flood).is_ok() {}
    });
    (client, feeder)
}

fn a_peer_that_does_not_read(t: &Ctx) {
    for (limit, code) in [("--send-timeout", 8), ("--idle-timeout", 8), ("--deadline", 124)] {
        let (listener, addr) = listener();
        let (mut client, feeder) = fed(t.connect(&[limit, "1s", &addr]));
        let _peer = accept(&listener);
        let exit = client.wait();
        feeder.join().unwrap();
        check(
            &exit,
            code,
            &["does not read what is sent", "zero window", "wait in our send queue"],
            &["sockkit inspect -v :", limit],
        );
    }
}

fn a_peer_that_reads_slowly(t: &Ctx) {
    let (listener, addr) = listener();
    let (mut client, feeder) = fed(t.connect(&["--deadline", "2s", &addr]));
    let mut peer = accept(&listener);
    let reader = std::thread::spawn(move || {
        let mut buffer = vec![0; 1 << 15];
        while let Ok(1..) = peer.read(&mut buffer) {
            let_pass(Duration::from_millis(10));
        }
    });
    let exit = client.wait();
    feeder.join().unwrap();
    let words = ["127.0.0.1 reads more slowly than it is sent to", "its receive buffer had no room (zero window)"];
    check(&exit, 124, &words, &["sockkit inspect -v :", "--deadline"]);
    reader.join().unwrap();
}

fn nobody_is_to_blame_while_much_moves(t: &Ctx) {
    let (listener, addr) = listener();
    let (mut client, feeder) = fed(t.connect(&["-v", "--deadline", "2s", &addr]));
    let mut peer = accept(&listener);
    let reader = std::thread::spawn(move || {
        let mut buffer = vec![0; 1 << 20];
        while let Ok(1..) = peer.read(&mut buffer) {}
    });
    let exit = client.wait();
    feeder.join().unwrap();
    reader.join().unwrap();
    // Its input had no end.
    exit.says(&["shut down our write side"]).says_not(&["end of input on our side"]);
    check(&exit, 124, &["the work was not done by then"], &["--deadline 6s"]);
}

fn a_unix_peer_that_does_not_read(t: &Ctx) {
    let path = t.path("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let (mut client, feeder) = fed(t.connect(&["--send-timeout", "500ms", &format!("unix:{}", path.display())]));
    let _peer = listener.accept().unwrap();
    let exit = client.wait();
    feeder.join().unwrap();
    check(&exit, 8, &["does not read", "wait in its socket"], &["--send-timeout"]);
}

fn a_reader_of_ours_that_does_not_read(t: &Ctx) {
    let (listener, addr) = listener();
    let (_full, stdout) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    let mut client = t.connect(&["--deadline", "1s", &addr]).piped().stdout(Out::Fd(stdout)).spawn();
    let mut peer = accept(&listener);
    peer.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    let _ = peer.write_all(&flood());
    let exit = client.wait();
    check(&exit, 124, &["whoever reads our standard output does not", "the peer is not to blame"], &[]);
}

/// A TLS server or client in Python, which is not verified: the handshake never gets that far.
fn python(t: &Ctx, code: &str, args: &[&str]) -> Cmd {
    t.peer("python3", &["-c", code]).args(args)
}

fn tls_where_plain_text_was_meant(t: &Ctx) {
    // What every TLS library answers to anything that is no record: an alert, here as RFC 8446 has it.
    let exit = against(t, &[], b"GET / HTTP/1.0\r\n\r\n", |mut peer| {
        read_exactly(&peer, 18);
        peer.write_all(&[21, 3, 1, 0, 2, 2, 70]).unwrap();
    });
    check(
        &exit,
        0,
        &["the answer is a TLS alert (protocol_version)", "speaks TLS, and got plain text"],
        &["sockkit connect --tls 127.0.0.1:", "openssl s_client -connect 127.0.0.1:"],
    );
    // A script fails at it, and is told the same.
    let exit = against(t, &["--send", "HELO x\\r\\n", "--expect", "220"], b"", |mut peer| {
        read_exactly(&peer, 8);
        peer.write_all(&[21, 3, 3, 0, 2, 2, 10]).unwrap();
    });
    check(&exit, 3, &["the answer is a TLS alert (unexpected_message)"], &["--tls"]);
    // OpenSSL says nothing at all to what does not look like TLS.
    let code = "import ssl,socket\ncontext=ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)\ns=socket.create_server(('127.0.0.1',0))\n\
                c,_=s.accept()\ntry:\n context.wrap_socket(c,server_side=True)\nexcept ssl.SSLError as e:\n print(e)\n";
    let mut server = python(t, code, &[]).spawn();
    let port = server.wait_bound("tcp");
    let mut client = t.connect(&[&format!("127.0.0.1:{port}")]).piped().spawn();
    client.write(b"hello there\r\n");
    let exit = client.wait();
    check(&exit, exit.code, &["TLS", "without an answer"], &["openssl s_client"]);
    server.wait().code(0);
}

fn tls_that_comes_to_a_plain_server(t: &Ctx) {
    let mut server = t.listen(&["127.0.0.1:0"]).piped().stdout(Out::Null).server();
    let code = "import ssl,socket,sys\ncontext=ssl._create_unverified_context()\n\
                s=socket.create_connection(('127.0.0.1',int(sys.argv[1])))\ns.settimeout(0.3)\n\
                try:\n context.wrap_socket(s)\nexcept OSError as e:\n print(e)\n";
    python(t, code, &[&server.port().to_string()]).run(b"").code(0);
    let exit = server.wait();
    check(
        &exit,
        exit.code,
        &["began a TLS handshake (a ClientHello came)", "this server speaks plain text"],
        &["--tls"],
    );
    // Also where many are served.
    let server = t.sockkit(&["echo", "127.0.0.1:0"]).server();
    python(t, code, &[&server.port().to_string()]).run(b"").code(0);
    server.stderr.wait_for("began a TLS handshake (a ClientHello came)");
}

/// The words of pairs that have one error number, or one exit code, and two causes.
fn one_errno_and_many_causes(t: &Ctx) {
    let mut seen: Vec<(String, String)> = Vec::new();
    let mut add = |exit: Exit, code: i32| {
        let bare = check(&exit, code, &[], &[]);
        assert!(!bare.is_empty(), "no cause: {}", exit.stderr);
        if let Some((_, other)) = seen.iter().find(|(known, _)| *known == bare) {
            panic!("the same cause for\n{other}\nand\n{}", exit.stderr);
        }
        seen.push((bare, exit.stderr));
    };
    // ECONNRESET.
    add(
        against(t, &[], b"", |peer| {
            let_pass(Duration::from_millis(50));
            reset(peer);
        }),
        9,
    );
    add(
        against(t, &[], b"hello\n", |peer| {
            peer.peek(&mut [0]).unwrap();
        }),
        9,
    );
    add(
        against(t, &[], b"", |mut peer| {
            peer.write_all(b"x").unwrap();
            let_pass(Duration::from_millis(50));
            reset(peer);
        }),
        9,
    );
    // The idle timeout.
    add(against(t, &["-i", "300ms"], b"", |_peer| let_pass(Duration::from_secs(1))), 8);
    add(against(t, &["-i", "300ms"], b"x", |_peer| let_pass(Duration::from_secs(1))), 8);
    add(
        against(t, &["-i", "300ms"], b"", |mut peer| {
            peer.write_all(b"x").unwrap();
            let_pass(Duration::from_secs(1));
        }),
        8,
    );
    add(
        against(t, &["-i", "300ms", "--stay"], b"", |mut peer| {
            peer.write_all(b"x").unwrap();
            peer.shutdown(Shutdown::Write).unwrap();
            let_pass(Duration::from_secs(1));
        }),
        8,
    );
    let (listener, addr) = listener();
    let (mut client, feeder) = fed(t.connect(&["-i", "1s", &addr]));
    let _peer = accept(&listener);
    add(client.wait(), 8);
    feeder.join().unwrap();
    // No error at all.
    add(against(t, &[], b"", drop), 0);
    add(
        against(t, &[], b"hello\n", |peer| {
            read_exactly(&peer, 6);
        }),
        0,
    );
}

/// Us at 10.1.0.1, a router, another host at 10.2.0.1.
struct Road {
    us: Netns,
    router: Netns,
    them: Netns,
}

impl Road {
    fn new() -> Self {
        let (us, router, them) = (Netns::new(), Netns::new(), Netns::new());
        us.cable("near", &["10.1.0.1/24"], &router, "west", &["10.1.0.254/24"]);
        them.cable("near", &["10.2.0.1/24"], &router, "east", &["10.2.0.254/24"]);
        router.run("sysctl -qw net.ipv4.ip_forward=1");
        for (ns, hop) in [(&us, "1"), (&them, "2")] {
            ns.run(&format!("ip route add default via 10.{hop}.0.254"));
            // A stall must not be cured before it is seen.
            ns.run("sysctl -qw net.ipv4.tcp_mtu_probing=0");
        }
        // Segments leave as they are on a wire, and not in one piece that the other end never has to cut.
        for (ns, device) in [(&us, "near"), (&router, "west"), (&router, "east"), (&them, "near")] {
            ns.run(&format!("ip link set {device} gso_max_segs 1"));
        }
        Self { us, router, them }
    }

    /// The link behind the router takes less than the others, and nobody is told.
    fn narrow(&self, device: &str, mtu: u32) {
        self.router.run(&format!("ip link set {device} mtu {mtu}"));
        self.router.run("nft add table inet t; nft 'add chain inet t o { type filter hook output priority 0; }'");
        self.router.run("nft 'add rule inet t o icmp type destination-unreachable drop'");
    }

    /// A listener on the other host.
    fn listener(&self) -> TcpListener {
        self.them.within(|| TcpListener::bind("10.2.0.1:2000").unwrap())
    }

    fn connect(&self, t: &Ctx, args: &[&str]) -> Cmd {
        t.connect(args).args(&["10.2.0.1:2000"]).under(&self.us.wrap())
    }
}

fn large_packets_do_not_get_through(t: &Ctx) {
    let road = Road::new();
    road.narrow("east", 1000);
    let listener = road.listener();
    // Small goes, large does not, and its last, short segment does.
    let mut client = road.connect(t, &["--idle-timeout", "3s"]).piped().spawn();
    let mut peer = accept(&listener);
    client.write(b"hello\n");
    read_exactly(&peer, 6);
    peer.write_all(b"welcome\n").unwrap();
    client.stdout.wait_for("welcome");
    // Nine full segments of 1448 bytes, which are lost, and a short one, which gets through.
    client.write(&vec![b'x'; 13_208]);
    check(
        &client.wait(),
        8,
        &["small packets reach 10.2.0.1 and large ones do not", "path-MTU black hole", "less than 1500 bytes"],
        &["--mss 1200", "ping -M do -s 1472 -c 3 10.2.0.1"],
    );
    // What is advised helps.
    let mut client = road.connect(t, &["--mss", "900", "--send-only"]).stdin(In::Pipe).spawn();
    let peer = accept(&listener);
    client.write(&vec![b'x'; 20_000]);
    client.close_stdin();
    read_exactly(&peer, 20_000);
    client.wait().code(0);
}

fn large_packets_do_not_come_through(t: &Ctx) {
    let road = Road::new();
    road.narrow("west", 1000);
    let listener = road.listener();
    let mut client = road.connect(t, &["--idle-timeout", "2s"]).piped().stdout(Out::Null).spawn();
    let mut peer = accept(&listener);
    client.write(b"GET /\n");
    read_exactly(&peer, 6);
    peer.write_all(&vec![b'x'; 13_208]).unwrap();
    check(&client.wait(), 8, &["while earlier ones are missing", "its large ones (path-MTU black hole)"], &["--mss"]);
}

fn packets_are_lost(t: &Ctx) {
    let road = Road::new();
    road.router.run("nft add table inet t; nft 'add chain inet t f { type filter hook forward priority 0; }'");
    // Each fourth, and never two in a row: at random, one segment may be lost so often that it looks like the host's end.
    road.router.run("nft 'add rule inet t f ip daddr 10.2.0.1 tcp dport 2000 numgen inc mod 4 == 3 drop'");
    let listener = road.listener();
    let (mut client, feeder) = fed(road.connect(t, &["-v", "-w", "20s", "--deadline", "4s"]));
    let mut peer = accept(&listener);
    let reader = std::thread::spawn(move || {
        let mut buffer = vec![0; 1 << 16];
        while let Ok(1..) = peer.read(&mut buffer) {}
    });
    let exit = client.wait();
    drop(client);
    feeder.join().unwrap();
    reader.join().unwrap();
    check(&exit, 124, &["the way to 10.2.0.1 loses packets", "had to be sent again"], &["ping -c 50 -i 0.2 10.2.0.1"]);
    exit.says(&["segments sent again"]);
}

fn the_host_is_gone(t: &Ctx) {
    let road = Road::new();
    let listener = road.listener();
    let talk = |args: &[&str]| {
        let mut client = road.connect(t, args).piped().spawn();
        let mut peer = accept(&listener);
        // Full segments went before, so that it is not their size.
        client.write(&[b'x'; 5000]);
        read_exactly(&peer, 5000);
        peer.write_all(b"welcome\n").unwrap();
        client.stdout.wait_for("welcome");
        road.router.run("ip link set east down");
        client.write(b"are you there?\n");
        let exit = client.wait();
        road.router.run("ip link set east up");
        exit
    };
    let exit = talk(&["--idle-timeout", "3s"]);
    check(
        &exit,
        8,
        &["10.2.0.1 acknowledges nothing", "the host is gone"],
        &["ping -c 3 10.2.0.1", "sockkit doctor 10.2.0.1:2000"],
    );
    let exit = talk(&["--user-timeout", "1s"]);
    check(&exit, exit.code, &["10.2.0.1"], &["ping"]);
    exit.says(&["no longer acknowledges what is sent, and a router or firewall says", "ping -c 3 10.2.0.1"]);
}

/// The interface is off, or has no carrier: no large packet was ever acknowledged, and yet its size is not to blame.
fn what_is_sent_does_not_leave(t: &Ctx) {
    let road = Road::new();
    let listener = road.listener();
    let talk = |cut: &dyn Fn()| {
        let mut client = road.connect(t, &["--idle-timeout", "2s"]).piped().spawn();
        let mut peer = accept(&listener);
        client.write(b"hello\n");
        read_exactly(&peer, 6);
        peer.write_all(b"welcome\n").unwrap();
        client.stdout.wait_for("welcome");
        cut();
        client.write(&[b'x'; 20000]);
        client.wait()
    };
    let exit = talk(&|| road.router.run("ip link set west down"));
    check(&exit, 8, &["near, the interface towards 10.2.0.1, has no carrier"], &["ip -br link show dev near"]);
    road.router.run("ip link set west up");
    let exit = talk(&|| road.us.run("ip link set near down"));
    check(&exit, 8, &["no route to 10.2.0.1", "near is switched off"], &["ip link set near up"]);
}

/// A rule or a route that comes in the middle: no window is full, and no host is gone.
fn this_host_begins_to_stop_it(t: &Ctx) {
    let road = Road::new();
    let listener = road.listener();
    let talk = |user: &[&str], cut: &str, mend: &str| {
        let wrap: Vec<String> = road.us.wrap().into_iter().chain(user.iter().map(|&word| word.to_owned())).collect();
        let mut client = t.connect(&["--idle-timeout", "2s", "10.2.0.1:2000"]).under(&wrap).piped().spawn();
        let mut peer = accept(&listener);
        client.write(b"hello\n");
        read_exactly(&peer, 6);
        peer.write_all(b"welcome\n").unwrap();
        client.stdout.wait_for("welcome");
        road.us.run(cut);
        client.write(b"are you there?\n");
        let exit = client.wait();
        road.us.run(mend);
        exit
    };
    let table = "nft add table inet t; nft 'add chain inet t o { type filter hook output priority 0; }'";
    let rule = |verdict: &str| format!("{table}; nft 'add rule inet t o tcp dport 2000 {verdict}'");
    let clear = "nft delete table inet t";
    let drops = talk(&[], &rule("drop"), clear);
    check(&drops, 8, &["a rule of this host's own firewall (output chain) stops what goes to 10.2.0.1"], &["nft list"]);
    let resets = talk(&[], &rule("reject with tcp reset"), clear);
    let own = &["a rule of this host's own firewall (output chain) reset the connection in the name of 10.2.0.1:2000"];
    check(&resets, 9, own, &["nft list ruleset"]);
    let route = talk(&[], "ip route add prohibit 10.2.0.1", "ip route del prohibit 10.2.0.1");
    check(
        &route,
        8,
        &["a route of this host prohibits connections to 10.2.0.1 (ip route: prohibit)"],
        &["ip route show"],
    );
    // Who may not look sees at least that nothing leaves.
    let blind = talk(&NOBODY, &rule("drop"), clear);
    let stuck = &["10.2.0.1 has room for more, and 15 bytes wait in our send queue: they do not leave this host"];
    check(&blind, 8, stuck, &["nft list ruleset", "ip route get 10.2.0.1"]);
}

/// Not one small segment of data, but the handshake: the size is still what is most likely.
fn nothing_but_the_handshake_gets_through(t: &Ctx) {
    let road = Road::new();
    road.narrow("east", 1000);
    let listener = road.listener();
    let (mut client, feeder) = fed(road.connect(t, &["--idle-timeout", "3s"]));
    let _peer = accept(&listener);
    let exit = client.wait();
    drop(client);
    feeder.join().unwrap();
    let black =
        &["nothing but the handshake has got through to 10.2.0.1", "(path-MTU black hole)", "or the host is gone"];
    check(&exit, 8, black, &["--mss", "ping -M do -s 1472"]);
}

/// What it answers is no word on the size of packets.
fn a_firewall_begins_to_reject(t: &Ctx) {
    let road = Road::new();
    let listener = road.listener();
    let mut client = road.connect(t, &["--user-timeout", "1s"]).piped().spawn();
    let mut peer = accept(&listener);
    client.write(b"hello\n");
    read_exactly(&peer, 6);
    peer.write_all(b"welcome\n").unwrap();
    client.stdout.wait_for("welcome");
    road.router.run("nft add table inet t; nft 'add chain inet t f { type filter hook forward priority 0; }'");
    road.router.run("nft 'add rule inet t f reject with icmp host-prohibited'");
    client.write(&[b'x'; 20000]);
    let exit = client.wait();
    check(&exit, exit.code, &["a firewall began to reject this connection"], &["sockkit doctor 10.2.0.1:2000"]);
}

fn an_ordinary_session_is_not_commented_on(t: &Ctx) {
    // A question and an answer; a sink; a source; a peer that only looks.
    for (args, input, answer) in [
        (&[][..], &b"hello\n"[..], &b"welcome\n"[..]),
        (&["--send-only"], b"data", b""),
        (&["--recv-only"], b"", b"data"),
    ] {
        let (listener, addr) = listener();
        let peer = std::thread::spawn(move || {
            let mut peer = accept(&listener);
            peer.write_all(answer).unwrap();
            let mut rest = Vec::new();
            peer.shutdown(Shutdown::Write).unwrap();
            let _ = peer.read_to_end(&mut rest);
        });
        let exit = t.connect(args).args(&[&addr]).run(input);
        exit.code(0).says_not(&["cause:", "try:", "speaks TLS", "at once"]);
        peer.join().unwrap();
    }
    let mut server = t.listen(&["127.0.0.1:0"]).server();
    drop(connect(server.socket_addr()));
    server.wait().code(0).says_not(&["cause:", "warning: 127"]);
}
