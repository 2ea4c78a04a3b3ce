//! What a server gives up: files, programs and connections that it does not need, and with `--user` and `--chroot`
//! the privilege that it was started with.

use std::fs;
use std::io::Write;
use std::net::Shutdown;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use libtest_mimic::Trial;
use rustix::process::Signal;
use socket2::Socket;

use crate::relay::resets_who_comes;
use crate::support::{
    Ctx, Data, NOBODY, Netns, Out, Proc, connect, poll_until, read_all, shut_write, trials, unix_connect,
};

pub(crate) fn tests() -> Vec<Trial> {
    trials!["sandbox";
        who_takes_a_server_over_is_stopped,
        without_it_nobody_is_stopped,
        files_are_made_in_their_directory_alone,
        a_relay_reaches_its_target_alone,
        a_relay_that_leaves_a_low_port [Root],
        names_may_come_to_mean_something_else [Root],
        who_asks_the_kernel_starts_nothing,
        stdin_and_stdout_as_before,
        a_report_is_written_all_the_same,
        what_the_kernel_has_not_is_told [Strace],
        a_socket_file_goes_all_the_same,
        programs_and_scripts_have_none,
        a_low_port_and_then_nobody [Root],
        programs_run_as_the_user [Root],
        groups_by_name_and_number [Root],
        another_root [Root],
        a_socket_file_goes_from_another_root [Root],
        without_privilege [Root, Setpriv],
        users_that_are_not_there,
        a_program_for_everybody_is_warned_of,
    ]
}

const WAYS: [&str; 5] = ["open", "write", "exec", "become", "connect"];
/// Servers that need nothing but their connections.
const SERVERS: [&[&str]; 9] = [
    &["echo"],
    &["time"],
    &["chat", "serve"],
    &["listen", "-k", "--reply", "x"],
    &["listen", "-k", "--discard"],
    &["listen", "-k"],
    &["listen", "-k", "--greeting", "hello", "--output", "copy"],
    &["listen", "-k", "--expect", "ping", "--send", "pong"],
    &["listen", "-k", "--send", "x", "--report", "junit=report"],
];

fn tries(t: &Ctx, args: &[&str], way: &str) -> Proc {
    let server = t.sockkit(args).args(&["-v", "127.0.0.1:0"]).env("SOCKKIT_TEST_ESCAPE", way).server();
    server.stderr.wait_for("escape by");
    server
}

fn answers(server: &Proc) {
    let mut stream = connect(server.socket_addr());
    stream.write_all(b"ping\n").unwrap();
    shut_write(&stream);
    read_all(&stream);
}

/// What it is sent comes back, and then the end.
#[track_caller]
fn is_echoed(server: &Proc, stream: impl Into<Socket>) {
    let mut stream = stream.into();
    stream.write_all(b"ping\n").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_all(stream), b"ping\n", "{}", server.stderr.text());
}

fn who_takes_a_server_over_is_stopped(t: &Ctx) {
    for args in SERVERS {
        for way in WAYS {
            let mut server = tries(t, args, way);
            let said = server.stderr.text();
            assert!(said.contains(&format!("escape by {way}: stopped: Operation not permitted")), "{args:?}: {said}");
            assert!(said.contains("sandbox: ") && said.contains(" calls allowed)"), "{said}");
            answers(&server);
            server.signal(Signal::TERM);
            server.wait().code(143);
        }
        assert!(!t.path("escaped").exists());
    }
}

fn without_it_nobody_is_stopped(t: &Ctx) {
    for way in ["open", "write", "exec"] {
        let server = tries(t, &["echo", "--no-sandbox"], way);
        let said = server.stderr.text();
        assert!(said.contains(&format!("escape by {way}: done")) && !said.contains("sandbox:"), "{said}");
    }
    assert!(t.path("escaped").exists());
}

fn files_are_made_in_their_directory_alone(t: &Ctx) {
    for way in WAYS {
        let args = ["listen", "-k", "--output-dir", "in"];
        let server = tries(t, &args, way);
        let said = server.stderr.text();
        if said.contains("no Landlock") && matches!(way, "open" | "write") {
            continue;
        }
        // Landlock says EACCES where seccomp says EPERM.
        assert!(said.contains(&format!("escape by {way}: stopped: ")), "{said}");
        answers(&server);
    }
    poll_until("a file for each connection", || (fs::read_dir(t.path("in")).unwrap().count() >= 5).then_some(()));
    assert!(!t.path("escaped").exists());
}

/// A relay to `target` that tries `way`, and what passes through it.
fn relay_tries(t: &Ctx, target: &str, way: &str) -> String {
    let args = ["relay", "-v", "127.0.0.1:0", target];
    let mut relay = t.sockkit(&args).env("SOCKKIT_TEST_ESCAPE", way).server();
    relay.stderr.wait_for("escape by");
    is_echoed(&relay, connect(relay.socket_addr()));
    relay.signal(Signal::TERM);
    relay.wait().code(143).stderr.clone()
}

fn a_relay_reaches_its_target_alone(t: &Ctx) {
    let tcp = t.sockkit(&["echo", "127.0.0.1:0"]).server();
    let udp = t.sockkit(&["echo", "udp://127.0.0.1:0"]).server();
    let _unix = t.sockkit(&["echo", "unix:target"]).server();
    let by_name = tcp.addr().replace("127.0.0.1", "tcp4://localhost");
    for target in [tcp.addr(), &by_name, udp.addr(), "unix:target", "echo:"] {
        for way in ["open", "look", "write", "exec", "become", "connect"] {
            // What stands below /etc is read for a name.
            if way == "open" && target == by_name {
                continue;
            }
            let said = relay_tries(t, target, way);
            if said.contains("no Landlock") && matches!(way, "open" | "look" | "connect") {
                continue;
            }
            assert!(said.contains(&format!("escape by {way}: stopped: ")), "{target}: {said}");
            assert!(said.contains("no file is opened but to read, below /proc"), "{said}");
        }
        assert!(!t.path("escaped").exists());
    }
    // Why there is nobody is found out all the same.
    let relay = t.sockkit(&["relay", "-v", "127.0.0.1:0", "127.0.0.1:9"]).server();
    resets_who_comes(relay.socket_addr());
    relay.stderr.wait_for("cause: nothing listens on 127.0.0.1:9");
    t.sockkit(&["relay", "127.0.0.1:0", "127.0.0.1:nosuch"]).run(b"").code(4).says(&["nosuch"]);
}

fn a_relay_that_leaves_a_low_port(t: &Ctx) {
    let ns = Netns::new();
    fs::create_dir(t.path("jail")).unwrap();
    fs::set_permissions(t.dir(), fs::Permissions::from_mode(0o777)).unwrap();
    let _echo = t.sockkit(&["echo", "127.0.0.1:7"]).under(&ns.wrap()).server();
    let args = ["relay", "--user", "nobody", "--chroot", "jail", "-s", "127.0.0.1", "127.0.0.1:8", "127.0.0.1:7"];
    let relay = t.sockkit(&args).under(&ns.wrap()).server();
    assert_eq!(status(relay.pid().as_raw_nonzero(), "Uid"), all("65534"));
    ns.within(|| is_echoed(&relay, connect(relay.socket_addr())));
}

/// The files of a host's names are changed by putting others in their place.
fn names_may_come_to_mean_something_else(t: &Ctx) {
    let echo = t.sockkit(&["echo", "127.0.0.1:0"]).server();
    let port = echo.socket_addr().port();
    fs::create_dir(t.path("etc")).unwrap();
    fs::write(t.path("etc/nsswitch.conf"), "hosts: files\n").unwrap();
    fs::write(t.path("etc/hosts"), "127.0.0.2 target.example\n").unwrap();
    let script = format!("mount --bind '{}' /etc && exec \"$0\" \"$@\"", t.file("etc"));
    let relay = t.sockkit(&["relay", "-v", "127.0.0.1:0", &format!("target.example:{port}")]);
    let relay = relay.under(&["unshare", "-m", "sh", "-c", &script]).server();
    relay.stderr.wait_for("sandbox: ");
    resets_who_comes(relay.socket_addr());
    relay.stderr.wait_for("Connection refused");
    fs::write(t.path("etc/new"), "127.0.0.1 target.example\n").unwrap();
    fs::rename(t.path("etc/new"), t.path("etc/hosts")).unwrap();
    is_echoed(&relay, connect(relay.socket_addr()));
}

fn who_asks_the_kernel_starts_nothing(t: &Ctx) {
    for args in [&["listen", "--no-accept"][..], &["echo", "--never-accept"]] {
        for way in ["write", "exec", "become"] {
            let server = tries(t, args, way);
            let said = server.stderr.text();
            assert!(said.contains(&format!("escape by {way}: stopped: ")), "{args:?}: {said}");
            let _waits = connect(server.socket_addr());
            server.stderr.wait_for("accept queue: 1 waiting");
        }
    }
}

fn stdin_and_stdout_as_before(t: &Ctx) {
    let data = Data::new(5);
    let bytes = data.bytes(3 << 20);
    for to_file in [false, true] {
        let mut listen = t.listen(&["-v", "--output", "copy", "127.0.0.1:0"]);
        if to_file {
            listen = listen.stdout(Out::Fd(fs::File::create(t.path("out")).unwrap().into()));
        }
        let mut server = listen.server();
        server.stderr.wait_for("sandbox: no file is opened (");
        let mut stream = connect(server.socket_addr());
        stream.write_all(&bytes).unwrap();
        shut_write(&stream);
        read_all(&stream);
        let exit = server.wait();
        exit.code(0);
        let out = if to_file { fs::read(t.path("out")).unwrap() } else { exit.stdout.bytes() };
        assert!(out == bytes, "{} bytes", out.len());
        assert!(fs::read(t.path("copy")).unwrap() == bytes);
        fs::remove_file(t.path("copy")).unwrap();
    }
}

fn a_report_is_written_all_the_same(t: &Ctx) {
    fs::write(t.path("report"), "an older report\n".repeat(1000)).unwrap();
    let mut server = t.listen(&["-v", "--expect", "ping", "--report", "junit=report", "127.0.0.1:0"]).server();
    server.stderr.wait_for("sandbox: no file is opened (");
    answers(&server);
    server.wait().code(0);
    let report = fs::read_to_string(t.path("report")).unwrap();
    assert!(report.contains("tests=\"1\" failures=\"0\"") && report.ends_with("</testsuites>\n"), "{report}");
}

fn what_the_kernel_has_not_is_told(t: &Ctx) {
    let ways: [(&[&str], &str); 3] = [
        (
            &["landlock_create_ruleset:error=ENOSYS", "seccomp:error=EINVAL"],
            "sandbox: no Landlock: this kernel has none; no seccomp: this kernel has none\n",
        ),
        (&["landlock_create_ruleset:error=EOPNOTSUPP"], "no Landlock: it is switched off\n"),
        (&["seccomp:error=ENOSYS"], "; no seccomp: this kernel has none\n"),
    ];
    let servers: [&[&str]; 3] =
        [&["echo", "127.0.0.1:0"], &["relay", "127.0.0.1:0", "echo:"], &["listen", "-k", "127.0.0.1:0"]];
    for ((faults, words), args) in ways.into_iter().flat_map(|way| servers.map(|args| (way, args))) {
        let mut strace: Vec<String> = ["strace", "-D", "-f", "-qq", "-o", "/dev/null", "-e"].map(str::to_owned).into();
        strace.push("trace=landlock_create_ruleset,seccomp".into());
        strace.extend(faults.iter().flat_map(|fault| ["-e".to_owned(), format!("inject={fault}")]));
        let mut server = t.sockkit(args).args(&["-v"]).under(&strace).server();
        server.stderr.wait_for("sandbox: ");
        server.stderr.wait_for(words);
        answers(&server);
        server.signal(Signal::TERM);
        server.wait().code(143);
    }
}

fn a_socket_file_goes_all_the_same(t: &Ctx) {
    for name in ["s", "./s", t.file("s").as_str()] {
        for kind in ["unix", "unix-dgram", "unix-seqpacket"] {
            let mut server = t.sockkit(&["echo", "-v", &format!("{kind}:{name}")]).server();
            server.stderr.wait_for("sandbox: ");
            if kind == "unix" {
                is_echoed(&server, unix_connect(&t.path("s")));
            }
            server.signal(Signal::TERM);
            server.wait().code(143);
            assert!(!t.path("s").exists(), "{kind}:{name}");
        }
    }
}

fn programs_and_scripts_have_none(t: &Ctx) {
    fs::write(t.path("script"), "repeat 1 send-file script\n").unwrap();
    for args in [
        &["listen", "-k", "--exec", "cat"][..],
        &["listen", "-k", "--sh", "cat"],
        &["listen", "-k", "--script", "script"],
        &["listen", "-k", "--no-sandbox"],
    ] {
        let mut server = t.sockkit(args).args(&["-v", "127.0.0.1:0"]).server();
        answers(&server);
        server.signal(Signal::TERM);
        let exit = server.wait();
        assert!(!exit.stderr.contains("sandbox:"), "{}", exit.stderr);
    }
}

/// A line of `/proc/PID/status`.
fn status(pid: impl std::fmt::Display, key: &str) -> Vec<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':')).unwrap();
    line.split_whitespace().map(str::to_owned).collect()
}

fn all(number: &str) -> Vec<String> {
    vec![number.to_owned(); 4]
}

fn a_low_port_and_then_nobody(t: &Ctx) {
    let ns = Netns::new();
    // Started with a deadline, for the thread that waits for it has to change too.
    let args = ["echo", "--user", "nobody", "--deadline", "60", "127.0.0.1:7"];
    let server = t.sockkit(&args).under(&ns.wrap()).server();
    let pid = server.pid().as_raw_nonzero();
    for task in fs::read_dir(format!("/proc/{pid}/task")).unwrap() {
        let task = task.unwrap().file_name().into_string().unwrap();
        assert_eq!(status(&task, "Uid"), all("65534"), "thread {task}");
        assert_eq!(status(&task, "Gid"), all("65534"), "thread {task}");
        assert_eq!(status(&task, "Groups"), ["65534"], "thread {task}");
        assert_eq!(status(&task, "CapEff"), ["0000000000000000"], "thread {task}");
        assert_eq!(status(&task, "NoNewPrivs"), ["1"], "thread {task}");
        assert_eq!(status(&task, "Seccomp"), ["2"], "thread {task}");
    }
    ns.within(|| answers(&server));
}

fn programs_run_as_the_user(t: &Ctx) {
    let server = t.listen(&["-k", "--sh", "id -u; id -g", "--user", "nobody:daemon", "127.0.0.1:0"]).server();
    assert_eq!(read_all(connect(server.socket_addr())), b"65534\n1\n");
}

fn groups_by_name_and_number(t: &Ctx) {
    for (user, uid, gid) in [
        ("daemon", "1", "1"),
        ("nobody:daemon", "65534", "1"),
        ("65534", "65534", "65534"),
        ("nobody:4711", "65534", "4711"),
        ("4711:4712", "4711", "4712"),
    ] {
        let server = t.sockkit(&["echo", "--user", user, "127.0.0.1:0"]).server();
        let pid = server.pid().as_raw_nonzero();
        assert_eq!((status(pid, "Uid"), status(pid, "Gid")), (all(uid), all(gid)), "{user}");
        answers(&server);
    }
}

fn another_root(t: &Ctx) {
    fs::create_dir(t.path("jail")).unwrap();
    let ready = t.file("ready");
    let args = ["time", "-v", "--chroot", "jail", "--user", "nobody", "--ready-file", &ready, "127.0.0.1:0"];
    let server = t.sockkit(&args).env("TZ", "Asia/Shanghai").server();
    let root = fs::metadata(format!("/proc/{}/root/", server.pid().as_raw_nonzero())).unwrap();
    let jail = fs::metadata(t.path("jail")).unwrap();
    assert_eq!((root.dev(), root.ino()), (jail.dev(), jail.ino()));
    assert_eq!(fs::read_to_string(&ready).unwrap().trim(), server.addr());
    // The zone is known all the same.
    let ours = t.peer("date", &["+%a %b %e %H"]).env("TZ", "Asia/Shanghai").run(b"");
    let mut stream = connect(server.socket_addr());
    stream.write_all(b"x").unwrap();
    shut_write(&stream);
    let answer = String::from_utf8(read_all(&stream)).unwrap();
    // The hour may just have changed.
    let later = t.peer("date", &["+%a %b %e %H"]).env("TZ", "Asia/Shanghai").run(b"");
    let hours = [ours.stdout.text(), later.stdout.text()];
    assert!(hours.iter().any(|hour| answer.contains(hour.trim())), "{answer:?} {hours:?}");
    t.sockkit(&["listen", "-k", "--output-dir", "out", "--chroot", "jail", "127.0.0.1:0"])
        .run(b"")
        .code(2)
        .says(&["--chroot leads away from it"]);
    t.sockkit(&["echo", "--chroot", "nowhere", "127.0.0.1:0"])
        .run(b"")
        .code(1)
        .says(&["--chroot nowhere: No such file"]);
    t.sockkit(&["echo", "--chroot", "ready", "127.0.0.1:0"]).run(b"").code(1).says(&["Not a directory"]);
}

fn a_socket_file_goes_from_another_root(t: &Ctx) {
    fs::create_dir(t.path("jail")).unwrap();
    // The user has to be able to remove it.
    fs::set_permissions(t.dir(), fs::Permissions::from_mode(0o777)).unwrap();
    for more in [&["--no-sandbox"][..], &[]] {
        let args = ["echo", "--chroot", "jail", "--user", "nobody", "unix:s"];
        let mut server = t.sockkit(&args).args(more).server();
        is_echoed(&server, unix_connect(&t.path("s")));
        server.signal(Signal::TERM);
        server.wait().code(143);
        assert!(!t.path("s").exists(), "{more:?}");
    }
}

fn without_privilege(t: &Ctx) {
    fs::set_permissions(t.dir(), fs::Permissions::from_mode(0o777)).unwrap();
    for (args, needs) in [(["--user", "daemon"], "CAP_SETUID"), (["--chroot", "."], "CAP_SYS_CHROOT")] {
        // Where the program was built may be no place for nobody. Copied by another process: a program that somebody
        // has open to write cannot be run, and a child of ours that starts at this moment would have it open.
        let copy = t.path("sockkit-copy");
        if !copy.exists() {
            t.peer("cp", &[env!("CARGO_BIN_EXE_sockkit"), copy.to_str().unwrap()]).run(b"").code(0);
        }
        let run = t.peer(copy.to_str().unwrap(), &["echo", "--ready-file", "ready"]).args(&args);
        let exit = run.args(&["127.0.0.1:0"]).under(&NOBODY).run(b"");
        exit.code(11).says(&[&args.join(" "), "Operation not permitted: only root may, or who has", needs]);
        assert!(!t.path("ready").exists(), "a server that did not come was told to be ready");
    }
}

fn users_that_are_not_there(t: &Ctx) {
    for (user, words) in [
        ("nosuch", "--user nosuch: there is no user \"nosuch\""),
        ("nobody:nosuch", "--user nobody:nosuch: there is no group \"nosuch\""),
        ("4711", "--user 4711: no user has the number 4711, and so no group: --user 4711:GROUP"),
        ("99999999999:1", "there is no user"),
        (":daemon", "there is no user \"\""),
    ] {
        t.sockkit(&["echo", "--user", user, "127.0.0.1:0"]).run(b"").code(2).says(&[words]);
    }
    t.sockkit(&["echo", "--user", "", "127.0.0.1:0"]).run(b"").code(2);
    t.sockkit(&["time", "--query", "--user", "nobody", "127.0.0.1:1"]).run(b"").code(2);
}

fn a_program_for_everybody_is_warned_of(t: &Ctx) {
    let words = "runs the program: --allow says who may";
    for (args, warns) in [
        (&["--exec", "cat", "0.0.0.0:0"][..], true),
        (&["--sh", "cat", ":0"], true),
        (&["--exec", "cat", "--deny", "10.0.0.0/8", "udp://0.0.0.0:0"], true),
        (&["--exec", "cat", "--allow", "127.0.0.0/8", "0.0.0.0:0"], false),
        (&["--exec", "cat", "127.0.0.2:0"], false),
        (&["--exec", "cat", "unix:s"], false),
        (&["--reply", "x", "0.0.0.0:0"], false),
    ] {
        let mut server = t.listen(&["-k", "--events", "events"]).args(args).server();
        server.signal(Signal::TERM);
        let exit = server.wait();
        let events = fs::read_to_string(t.path("events")).unwrap();
        fs::remove_file(t.path("events")).unwrap();
        let warned = exit.stderr.lines().filter(|line| line.starts_with("warning: ") && line.contains(words)).count();
        let told = events.lines().filter(|line| line.contains("\"warning\"") && line.contains(words)).count();
        assert_eq!((warned, told), (warns.into(), warns.into()), "{args:?}: {}", exit.stderr);
    }
}
