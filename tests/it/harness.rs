//! The harness itself, with programs that are known to be right in the place of the one under test.

use std::io::Write;

use libtest_mimic::Trial;

use crate::support::{Ctx, Data, In, Netns, Out, Pty, big, check_stream, connect, listener, poll_until, trials};

pub(crate) fn tests() -> Vec<Trial> {
    trials!["harness";
        data_is_checked,
        output_is_captured_and_checked,
        ports_of_peers_are_found [Socat, NcOpenbsd, Busybox],
        pty_is_a_terminal [Setsid],
        namespace_is_its_own [Root, Socat],
        shell_redirections,
        cpu_and_children_are_seen,
    ]
}

fn data_is_checked(_: &Ctx) {
    let data = Data::new(7);
    assert_eq!(check_stream(data.reader(5 << 20), data), (5 << 20, None));
    let mut wrong = data.bytes(3 << 20);
    wrong[2_000_001] ^= 1;
    assert_eq!(check_stream(&*wrong, data).1.unwrap(), "byte 2000001 differs");
    // A piece that is lost, wherever it is and however round its size.
    let mut short = data.bytes(3 << 20);
    short.drain((1 << 20)..(2 << 20));
    assert!(check_stream(&*short, data).1.is_some());
    assert!(big() >= 256 << 20);
}

fn output_is_captured_and_checked(t: &Ctx) {
    t.peer("cat", &[]).run(b"through").code(0).stdout("through");
    let data = Data::new(8);
    let exit = t.peer("cat", &[]).stdout(Out::Check(data)).run(&data.bytes(4 << 20));
    exit.stdout_len(4 << 20);
    t.peer("sh", &["-c", "kill -9 $$"]).run(b"").code(137);
    t.peer("sh", &["-c", "echo Words >&2; exit 3"]).run(b"").code(3).says(&["words"]).says_not(&["word "]);
}

fn ports_of_peers_are_found(t: &Ctx) {
    for (program, args) in [
        ("socat", &["STDIO", "TCP-LISTEN:0,bind=127.0.0.1"][..]),
        ("nc.openbsd", &["-l", "127.0.0.1", "0"]),
        ("busybox", &["nc", "-l", "-p", "0"]),
    ] {
        let mut server = t.peer(program, args).piped().spawn();
        let port = server.wait_bound("tcp");
        connect(([127, 0, 0, 1], port).into()).write_all(b"found").unwrap();
        server.stdout.wait_for("found");
    }
    assert_ne!(t.peer("socat", &["STDIO", "UDP-RECV:0"]).piped().spawn().wait_bound("udp"), 0);
    let path = t.file("s");
    let mut server = t.peer("socat", &["STDIO", &format!("UNIX-LISTEN:{path}")]).piped().spawn();
    server.wait_bound_unix(&t.path("s"));
}

fn pty_is_a_terminal(t: &Ctx) {
    let mut pty = Pty::open();
    let script = "test -t 0 && stty size && read x && echo got $x && exec cat";
    let mut shell = t
        .peer("sh", &["-c", script])
        .stdin(In::Fd(pty.side()))
        .stdout(Out::Fd(pty.side()))
        .under(&["setsid", "-c"])
        .spawn();
    pty.screen.wait_for("30 100");
    pty.keys("typed\n");
    pty.screen.wait_for("got typed");
    pty.keys("\x03");
    shell.wait().code(130);
}

fn namespace_is_its_own(t: &Ctx) {
    let ns = Netns::new();
    ns.run("ping -c 1 127.0.0.1 >/dev/null || ip addr show lo | grep -q 127.0.0.1");
    let (_outside, addr) = listener();
    let port = addr.rsplit_once(':').unwrap().1.to_owned();
    let inside = t.peer("socat", &["-u", "STDIO", &format!("TCP:127.0.0.1:{port}")]).under(&ns.wrap()).run(b"");
    inside.code(1).says(&["refused"]);
    let named = t.peer("getent", &["hosts", "test-host"]).hosts("10.1.2.3 test-host\n").run(b"");
    assert!(named.code(0).stdout.text().starts_with("10.1.2.3"));
}

fn shell_redirections(t: &Ctx) {
    let file = t.file("f");
    t.peer("sh", &["-c", "echo over >&7"]).redirect(&format!("7>'{file}'")).run(b"").code(0);
    assert_eq!(std::fs::read_to_string(file).unwrap(), "over\n");
    t.peer("sh", &["-c", "test $P = $$"]).prelude("export P=$$").run(b"").code(0);
    t.peer("sh", &["-c", "test -e /proc/self/fd/0"]).stdin(In::Closed).spawn().wait().code(1);
}

fn cpu_and_children_are_seen(t: &Ctx) {
    let busy = t.peer("sh", &["-c", "while :; do :; done"]).spawn();
    poll_until("CPU time", || (busy.cpu().as_millis() > 50).then_some(()));
    assert!(busy.peak_memory() > 100_000 && busy.fds() >= 3);
    let parent = t.peer("sh", &["-c", "sleep 100 & wait"]).spawn();
    poll_until("a child", || (parent.children().len() == 1).then_some(()));
    let child = parent.children()[0];
    rustix::process::kill_process(rustix::process::Pid::from_raw(child).unwrap(), rustix::process::Signal::KILL)
        .unwrap();
}
