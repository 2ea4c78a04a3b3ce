//! `wait`: what counts as accepting, what as gone, several addresses, and the program that follows.

use std::io::Write;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use rustix::process::Signal;

use crate::support::{Cmd, Ctx, Netns, Pty, accept, listener, reset, trials};

pub(crate) fn tests() -> Vec<Trial> {
    trials!["wait";
        a_port_that_is_open,
        a_port_that_opens,
        a_port_that_opens_in_a_namespace [Root],
        gives_up_and_says_what_it_saw,
        gives_up_and_says_why,
        zero_is_one_try,
        one_that_closes_at_once_does_not_serve,
        one_that_speaks_and_closes_serves,
        banners,
        several_side_by_side,
        any_of_several,
        gone,
        gone_is_not_a_proxy_without_a_service,
        gone_when_packets_are_dropped [Root, Nft],
        stable_starts_again,
        udp_on_this_host,
        udp_that_answers_there [Root],
        unix_sockets,
        a_host_and_a_port,
        runs_the_command_in_its_place,
        the_command_has_clean_signals,
        a_command_that_is_not_there,
        signals_end_it,
        what_nobody_can_wait_for,
        tries_are_told,
        progress_at_a_terminal,
    ]
}

fn wait(t: &Ctx, args: &[&str]) -> Cmd {
    t.sockkit(&["wait"]).args(args)
}

/// An address at which nobody listens.
fn closed(t: &Ctx) -> String {
    TcpListener::bind((t.loopback(), 0)).unwrap().local_addr().unwrap().to_string()
}

/// Serves every connection in this way until it is dropped.
struct Serving(Arc<AtomicBool>);

impl Serving {
    fn start(listener: TcpListener, mut serve: impl FnMut(std::net::TcpStream) + Send + 'static) -> Self {
        listener.set_nonblocking(true).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                match listener.accept() {
                    Ok((stream, _)) => serve(stream),
                    Err(_) => std::thread::sleep(Duration::from_millis(1)),
                }
            }
        });
        Self(stop)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn a_port_that_is_open(t: &Ctx) {
    let (_listener, address) = listener();
    wait(t, &[&address]).run(b"").code(0).stdout("").says(&[&format!("{address}: serves, after 1 try")]);
    wait(t, &["-q", &address]).run(b"").code(0).stdout("").says_not(&["serves"]);
}

fn a_port_that_opens(t: &Ctx) {
    let address = closed(t);
    let mut waiting = wait(t, &["-v", "--timeout", "20s", &address]).spawn();
    waiting.stderr.wait_for("Connection refused");
    let _listener = TcpListener::bind(&address).unwrap();
    waiting.wait().code(0).says(&["serves, after"]);
}

fn a_port_that_opens_in_a_namespace(t: &Ctx) {
    let (here, there) = (Netns::new(), Netns::new());
    here.cable("v0", &["10.9.8.1/24"], &there, "v1", &["10.9.8.2/24"]);
    let mut waiting = wait(t, &["-v", "--timeout", "20s", "10.9.8.2:80"]).under(&here.wrap()).spawn();
    waiting.stderr.wait_for("Connection refused");
    let _listener = there.within(|| TcpListener::bind("10.9.8.2:80").unwrap());
    waiting.wait().code(0).says(&["10.9.8.2:80: serves"]);
}

fn gives_up_and_says_what_it_saw(t: &Ctx) {
    let (one, other) = (closed(t), closed(t));
    let (_open, third) = listener();
    let begun = Instant::now();
    let exit = wait(t, &["--timeout", "150ms", &one]).run(b"");
    exit.code(124).stdout("").says(&[
        "wait failed",
        "gave up after 150ms (--timeout)",
        "Connection refused, after",
        "tries",
    ]);
    assert!(begun.elapsed() >= Duration::from_millis(150));
    let exit = wait(t, &["--timeout", "500ms", &one, &third, &other]).run(b"");
    exit.code(124).says(&[&format!("  {one}: Connection refused"), &format!("  {other}: Connection refused")]);
    exit.says_not(&[&format!("  {third}:")]);
}

fn zero_is_one_try(t: &Ctx) {
    wait(t, &["--timeout", "0", &closed(t)]).run(b"").code(124).says(&["Connection refused, after 1 try"]);
    let (_listener, address) = listener();
    wait(t, &["--timeout", "0", &address]).run(b"").code(0);
}

fn one_that_closes_at_once_does_not_serve(t: &Ctx) {
    let (closes, address) = listener();
    let _serving = Serving::start(closes, drop);
    wait(t, &["--timeout", "200ms", &address]).run(b"").code(124).says(&[
        "accepts, then closes at once",
        "cause: 127.0.0.1:",
        "takes connections and ends each at once",
        "try: ",
    ]);
    let (resets, address) = listener();
    let _serving = Serving::start(resets, reset);
    wait(t, &["--timeout", "200ms", &address])
        .run(b"")
        .code(124)
        .says(&["accepts, then breaks off: Connection reset", "takes connections and ends each at once"]);
}

/// Of what it waited for in vain it knows as much as `connect` would.
fn gives_up_and_says_why(t: &Ctx) {
    let host = t.loopback();
    let server = t.listen(&["-k", "--discard", &format!("{host}:0")]).server();
    let exit = wait(t, &["--timeout", "150ms", &format!("{host}:{}", server.port() - 1)]).run(b"");
    exit.code(124).says(&["cause: nothing listens on ", "near it, ", &format!("try: sockkit wait {}", server.addr())]);
    let exit = wait(t, &["--timeout", "150ms", &format!("unix:{}", t.file("none"))]).run(b"");
    exit.code(124).says(&["has no none: the server is not running"]);
}

fn one_that_speaks_and_closes_serves(t: &Ctx) {
    let server = t.sockkit(&["time", "--on-connect", "127.0.0.1:0"]).server();
    wait(t, &[server.addr()]).run(b"").code(0).says(&["serves"]);
}

fn banners(t: &Ctx) {
    let (speaks, address) = listener();
    let mut nth = 0;
    // In pieces, and ready only at the third time.
    let _serving = Serving::start(speaks, move |mut stream| {
        nth += 1;
        let pieces: [&[u8]; 2] = if nth < 3 { [b"421 not", b" yet\r\n"] } else { [b"\xff22", b"0 ready\r\n"] };
        for piece in pieces {
            let _ = stream.write_all(piece);
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    let exit = wait(t, &["-v", "--banner", "^(?-u:\\xff)220 ", &address]).run(b"");
    exit.code(0).says(&["closed, but said \"421 not yet\"", "serves: it said", "after 3 tries"]);
    let (_silent, address) = listener();
    for patience in ["100ms", "10s"] {
        let exit = wait(t, &["--banner", "SSH", "-w", patience, "--timeout", "250ms", &address]).run(b"");
        exit.code(124).says(&["is open, but said nothing"]);
    }
    wait(t, &["--banner", "(SSH", &address]).run(b"").code(2).says(&["unclosed group", "^"]);
}

fn several_side_by_side(t: &Ctx) {
    let (_first, first) = listener();
    let second = closed(t);
    let mut waiting = wait(t, &["-v", &first, &second]).spawn();
    waiting.stderr.wait_for(&format!("{first}: serves"));
    waiting.stderr.wait_for("Connection refused");
    assert!(waiting.is_running());
    let _second = TcpListener::bind(&second).unwrap();
    waiting.wait().code(0).says(&[&format!("{second}: serves")]);
}

fn any_of_several(t: &Ctx) {
    let (_first, first) = listener();
    wait(t, &["--any", &closed(t), &first]).run(b"").code(0).says(&[&format!("{first}: serves")]);
    wait(t, &["--any", "--timeout", "100ms", &closed(t), &closed(t)]).run(b"").code(124);
}

fn gone(t: &Ctx) {
    let (open, address) = listener();
    let mut waiting = wait(t, &["--json", "--gone", &address]).spawn();
    waiting.stdout.wait_for("\"state\":\"serves\"");
    drop(open);
    let exit = waiting.wait();
    exit.code(0);
    let said = exit.stdout.text();
    assert!(said.contains("\"state\":\"refused\"") && said.contains("\"met\":true"), "{said}");
    let path = t.file("never");
    wait(t, &["--gone", &format!("unix:{path}")]).run(b"").code(0).says(&["No such file or directory"]);
    wait(t, &["--gone", "--banner", "x", &address]).run(b"").code(2);
}

fn gone_is_not_a_proxy_without_a_service(t: &Ctx) {
    let (closes, address) = listener();
    let _serving = Serving::start(closes, drop);
    let exit = wait(t, &["--gone", "--timeout", "200ms", &address]).run(b"");
    exit.code(124).says(&["accepts, then closes at once"]);
}

fn gone_when_packets_are_dropped(t: &Ctx) {
    let (here, there) = (Netns::new(), Netns::new());
    here.cable("v0", &["10.9.8.1/24"], &there, "v1", &["10.9.8.2/24"]);
    there
        .run("nft 'add table t; add chain t c { type filter hook input priority 0; }; add rule t c tcp dport 80 drop'");
    let exit = wait(t, &["-w", "200ms", "--timeout", "500ms", "10.9.8.2:80"]).under(&here.wrap()).run(b"");
    exit.code(124).says(&["10.9.8.2:80: no answer within 200ms"]);
    wait(t, &["-w", "200ms", "--gone", "10.9.8.2:80"]).under(&here.wrap()).run(b"").code(0).says(&["no answer"]);
}

fn stable_starts_again(t: &Ctx) {
    let address = closed(t);
    let open = TcpListener::bind(&address).unwrap();
    let mut waiting = wait(t, &["--json", "--stable", "500ms", &address]).spawn();
    waiting.stdout.wait_for("\"state\":\"serves\"");
    drop(open);
    waiting.stdout.wait_for("\"state\":\"refused\"");
    let again = Instant::now();
    let _open = TcpListener::bind(&address).unwrap();
    waiting.wait().code(0);
    assert!(again.elapsed() >= Duration::from_millis(500));
}

fn udp_on_this_host(t: &Ctx) {
    let socket = UdpSocket::bind((t.loopback(), 0)).unwrap();
    let address = format!("udp://{}", socket.local_addr().unwrap());
    wait(t, &[&address]).run(b"").code(0).says(&["serves"]);
    drop(socket);
    wait(t, &["--timeout", "100ms", &address]).run(b"").code(124).says(&["Connection refused"]);
    wait(t, &["--gone", &address]).run(b"").code(0);
}

fn udp_that_answers_there(t: &Ctx) {
    let (here, there) = (Netns::new(), Netns::new());
    here.cable("v0", &["10.9.8.1/24"], &there, "v1", &["10.9.8.2/24"]);
    let socket = there.within(|| UdpSocket::bind("10.9.8.2:53").unwrap());
    let args = ["-w", "100ms", "--timeout", "300ms", "udp://10.9.8.2:53"];
    // Silence from another host says nothing.
    wait(t, &args).under(&here.wrap()).run(b"").code(124).says(&["no answer: open, or dropped on the way"]);
    wait(t, &args).args(&["--gone"]).under(&here.wrap()).run(b"").code(124);
    std::thread::spawn(move || {
        let mut buffer = [0; 10];
        while let Ok((_, from)) = socket.recv_from(&mut buffer) {
            let _ = socket.send_to(b"here", from);
        }
    });
    wait(t, &["--timeout", "20s", "udp://10.9.8.2:53"]).under(&here.wrap()).run(b"").code(0).says(&["serves"]);
}

fn unix_sockets(t: &Ctx) {
    let (stream, dgram) = (t.file("stream"), t.file("dgram"));
    let mut waiting = wait(t, &["-v", &format!("unix:{stream}"), &format!("unix-dgram:{dgram}")]).spawn();
    waiting.stderr.wait_for("No such file or directory");
    let _stream = UnixListener::bind(&stream).unwrap();
    waiting.stderr.wait_for("stream: serves");
    let _dgram = UnixDatagram::bind(&dgram).unwrap();
    waiting.wait().code(0).says(&["dgram: serves"]);
}

fn a_host_and_a_port(t: &Ctx) {
    let (_listener, address) = listener();
    let port = address.rsplit_once(':').unwrap().1;
    wait(t, &["-4", "localhost", port]).run(b"").code(0).says(&[&format!("localhost:{port}: serves")]);
}

fn runs_the_command_in_its_place(t: &Ctx) {
    let (_listener, address) = listener();
    let mut run = wait(t, &["-q", &address, "--", "sh", "-c", "echo $$; cat; exit 7"]).piped().spawn();
    run.write(b"from stdin\n");
    run.close_stdin();
    let pid = run.pid();
    run.wait().code(7).stdout(format!("{}\nfrom stdin\n", pid.as_raw_nonzero()));
    // Not when it gives up.
    wait(t, &["--timeout", "50ms", &closed(t), "--", "echo", "no"]).run(b"").code(124).stdout("");
    // Those that it would have without us, and none of ours.
    let without = t.peer("ls", &["/proc/self/fd"]).run(b"").code(0).stdout.text();
    wait(t, &["-q", &address, "--", "ls", "/proc/self/fd"]).run(b"").code(0).stdout(without);
    // The events end before the other program begins.
    let exit = wait(t, &["--events", "/dev/full", &address, "--", "echo", "all the same"]).run(b"");
    exit.code(0).stdout("all the same\n").says(&["events stop here"]);
    let said = wait(t, &["--json", &address, "--", "echo", "then"]).run(b"").code(0).stdout.text();
    assert!(said.ends_with("\"reason\":\"ok\",\"code\":0}\nthen\n"), "{said}");
}

fn the_command_has_clean_signals(t: &Ctx) {
    let (_listener, address) = listener();
    let signals = |wrap: &[&str]| -> Vec<u64> {
        let run = wait(t, &["-q", &address, "--", "cat", "/proc/self/status"]).under(wrap).run(b"");
        let status = run.code(0).stdout.text();
        let mask = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            // But for 32 and 33, which glibc keeps for itself and its posix_spawn(3) leaves ignored.
            u64::from_str_radix(line.trim(), 16).unwrap() & !(3 << 31)
        };
        ["SigBlk:", "SigIgn:", "SigCgt:"].map(mask).to_vec()
    };
    assert_eq!(signals(&[]), [0, 0, 0]);
    // What nohup(1) is for holds for the program that follows.
    assert_eq!(signals(&["env", "--ignore-signal=HUP"]), [0, 1, 0]);
}

fn a_command_that_is_not_there(t: &Ctx) {
    // At once, and not after the wait.
    wait(t, &[&closed(t), "--", "/nonexistent/program"]).run(b"").code(14).says(&["/nonexistent/program"]);
}

fn signals_end_it(t: &Ctx) {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let mut waiting = wait(t, &["-v", &closed(t)]).spawn();
        waiting.stderr.wait_for("refused");
        waiting.signal(signal);
        waiting.wait().code(code);
    }
}

fn what_nobody_can_wait_for(t: &Ctx) {
    for address in ["fd:0", "echo:", "systemd:", "host:99999"] {
        wait(t, &[address]).run(b"").code(2);
    }
    wait(t, &[]).run(b"").code(2);
}

fn tries_are_told(t: &Ctx) {
    let address = closed(t);
    let exit = wait(t, &["-v", "--interval", "50ms", "--timeout", "180ms", &address]).run(b"");
    exit.code(124);
    let tries = exit.stderr.matches(&format!("tried {address}: failed")).count();
    assert!((1..=4).contains(&tries), "{}", exit.stderr);
    let said = wait(t, &["--timeout", "80ms", &address]).run(b"").stderr;
    assert!(!said.contains("tried"), "{said}");
}

fn progress_at_a_terminal(t: &Ctx) {
    let pty = Pty::open();
    let address = closed(t);
    let mut waiting = wait(t, &["--timeout", "20s", &address]).stderr(pty.side()).env("TERM", "xterm").spawn();
    pty.screen.wait_for(&format!("0 of 1: {address} Connection refused"));
    let _open = TcpListener::bind(&address).unwrap();
    pty.screen.wait_for(&format!("\r\x1b[K{address}: serves"));
    waiting.wait().code(0);
    let (open, address) = listener();
    // A pipe gets none of it.
    wait(t, &[&address]).run(b"").says_not(&["\r", "\x1b"]);
    drop(accept(&open));
}
