//! Bad input, and errors that explain themselves: the code, and the words that matter.

use std::ffi::OsString;
use std::net::TcpListener;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::time::Duration;

use libtest_mimic::Trial;

use crate::support::{Ctx, NOBODY, Netns, SOON, connect, listener, trials};

pub(crate) fn tests() -> Vec<Trial> {
    trials!["errors";
        no_arguments_at_all,
        bad_addresses_show_the_place,
        ambiguous_ipv6_shows_both_readings,
        bad_durations_and_sizes,
        bad_options,
        empty_and_impossible_values_show_the_place,
        flags_that_do_nothing_are_refused,
        output_dir_that_is_a_file,
        habits_of_nc_get_a_hint,
        two_handlers,
        option_that_does_not_fit_the_family,
        unix_path_of_200_characters,
        arguments_that_are_not_utf8,
        control_characters_are_shown_escaped,
        backlog_out_of_range,
        refused_explains_itself,
        refused_names_what_listens_nearby,
        does_not_resolve [Root],
        name_server_without_an_answer [Root, Nft],
        unknown_service,
        port_in_use_names_the_holder,
        address_not_ours,
        no_such_interface,
        privileged_port [Root, Setpriv],
        no_route [Root],
        administratively_prohibited [Root, Nft],
        local_firewall [Root, Nft],
        black_holed_route [Root],
        link_local_without_a_route [Root],
        what_to_try_has_the_address_that_was_typed,
        a_unix_client_has_no_address_to_be_called_by,
        a_peer_that_does_not_read_is_named,
        silence_of_udp_is_explained [Root],
        unix_path_missing,
        unix_path_not_a_socket,
        unix_path_stale,
        unix_path_of_another_type,
        unix_path_without_permission [Root, Setpriv],
        files_without_permission [Root, Setpriv],
        descriptor_that_is_not_open,
        descriptors_of_its_own_are_not_open,
        systemd_without_listen_fds,
        errors_go_to_stderr_even_with_json,
        without_threads_left [Root, Setpriv, Prlimit],
        files_and_standard_streams,
        what_ran_out_is_said_before_its_error,
    ]
}

/// Exit 2, nothing on stdout, a caret.
#[track_caller]
fn caret(t: &Ctx, args: &[&str]) {
    t.sockkit(args).run(b"").code(2).stdout("").says(&["^"]).within(SOON);
}

/// Exit 2 and nothing on stdout.
#[track_caller]
fn usage(t: &Ctx, args: &[&str]) {
    t.sockkit(args).run(b"").code(2).stdout("").within(SOON);
}

fn no_arguments_at_all(t: &Ctx) {
    t.sockkit(&[]).run(b"").code(2).stdout("").says(&["usage"]);
    t.sockkit(&["connect"]).run(b"").code(2).says(&["usage"]);
    t.sockkit(&["lissen"]).run(b"").code(2).says(&["listen"]);
}

fn bad_addresses_show_the_place(t: &Ctx) {
    for bad in [
        "host:65536",
        "host:99999",
        "host:-1",
        "host:80x",
        "host:",
        ":",
        "[::1",
        "[::1]x:80",
        "[:::1]:80",
        "1.2.3.4:5:6",
        "tcp://",
        "udp://:99999",
        "http//x",
        "unix:",
        "unix-dgram:",
        "@",
        "vsock:1",
        "vsock:x:1",
        "fd:",
        "fd:x",
        "fd:-1",
        "",
        " ",
        "ho st:80",
        "tcp5://x:1",
    ] {
        caret(t, &["connect", bad]);
        caret(t, &["listen", bad]);
    }
    caret(t, &["connect", ":0x50"]);
    caret(t, &["connect", "127.0.0.1", "70000"]);
}

fn ambiguous_ipv6_shows_both_readings(t: &Ctx) {
    t.sockkit(&["connect", "::1:80"]).run(b"").code(2).says(&["[::1]:80", "[::1:80]", "^"]);
}

fn bad_durations_and_sizes(t: &Ctx) {
    for bad in ["1x", "x", "-1", "", "1 2 3", "1s1", "99999999999999999999s", "nan", "inf"] {
        for flag in ["--connect-timeout", "--idle-timeout", "--deadline", "--linger", "--accept-timeout"] {
            usage(t, &["connect", &format!("{flag}={bad}"), "127.0.0.1:1"]);
        }
    }
    for bad in ["1x", "x", "-1", "", "k", "99999999999999999999", "1kk"] {
        for flag in ["--sndbuf", "--rcvbuf"] {
            usage(t, &["connect", &format!("{flag}={bad}"), "127.0.0.1:1"]);
        }
    }
    caret(t, &["connect", "--connect-timeout=1x", "127.0.0.1:1"]);
    caret(t, &["connect", "--sndbuf=1x", "127.0.0.1:1"]);
}

fn bad_options(t: &Ctx) {
    for args in [
        &["connect", "--no-such", "x:1"][..],
        &["connect", "-Q", "x:1"],
        &["connect", "--ttl=256", "x:1"],
        &["connect", "--ttl=x", "x:1"],
        &["connect", "--dscp=nonsense", "x:1"],
        &["connect", "--opt=nonsense", "x:1"],
        &["connect", "--opt=socket:no-such=1", "x:1"],
        &["connect", "--color=purple", "x:1"],
        &["connect", "-4", "-6", "x:1"],
        &["connect", "--send-only", "--recv-only", "x:1"],
        &["connect", "-6", "127.0.0.1:1"],
        &["connect", "-4", "[::1]:1"],
        &["connect", "tcp6://127.0.0.1:1"],
        &["connect", "one:1", "2", "three"],
        &["listen", "-m", "x", "127.0.0.1:0"],
        &["listen", "--count=x", "127.0.0.1:0"],
        &["listen", "--mode=9", "unix:/tmp/never"],
        &["listen", "--ready-fd=x", "127.0.0.1:0"],
        &["listen", "--ready-fd=77", "127.0.0.1:0"],
        &["listen", "-6", "127.0.0.1:0"],
        &["listen", "echo:"],
    ] {
        usage(t, args);
    }
}

fn empty_and_impossible_values_show_the_place(t: &Ctx) {
    for (flag, bad) in [
        ("--count", "-1"),
        ("--count", "0"),
        ("--count", ""),
        ("--events", ""),
        ("--output", ""),
        ("--record", ""),
        ("--ready-file", ""),
        ("--output-dir", ""),
        ("--script", ""),
        ("--sh", ""),
        ("--sh", " "),
        ("--exec", ""),
    ] {
        let exit = t.listen(&["-k", flag, bad, "127.0.0.1:0"]).run(b"");
        exit.code(2).stdout("").says(&["^"]).says_not(&["listening", "digit found", "is not in"]);
    }
    for flag in ["--allow", "--mode", "-i"] {
        let exit = t.listen(&[flag]).args(&[OsString::from_vec(b"\xff".to_vec())]).run(b"");
        exit.code(2).stdout("").says(&[&format!("{flag}: it is not UTF-8"), "^"]);
    }
    t.listen(&[":3000", ":3001"]).run(b"").code(2).says(&["try: :3000\n or: :3001\n"]);
}

fn flags_that_do_nothing_are_refused(t: &Ctx) {
    for flag in ["--unlink", "--mode=0600"] {
        t.listen(&[flag, "@name"]).run(b"").code(2).says(&["socket files", "unix:@name"]);
    }
    for flag in ["-I", "--pipe", "--send-only", "--recv-only", "--stay", "--crlf", "--eol=lf", "--linger-after-eof=1s"]
    {
        // clap names long forms only, and -z and -I are none.
        let (name, caret) = if flag == "-I" { ("--repl", "") } else { (flag.split('=').next().unwrap(), "^") };
        t.connect(&["-z", flag, "127.0.0.1:1"]).run(b"").code(2).says(&[caret, "--check", name]);
    }
}

fn output_dir_that_is_a_file(t: &Ctx) {
    std::fs::write(t.path("f"), "").unwrap();
    let exit = t.listen(&["--output-dir", &t.file("f"), "127.0.0.1:0"]).run(b"");
    exit.code(1).says(&["not a directory"]).says_not(&["listening", "File exists"]);
}

fn habits_of_nc_get_a_hint(t: &Ctx) {
    for (line, hints) in [
        ("-l", &["subcommand", "try: sockkit listen\n"][..]),
        ("-lvp 80", &["try: sockkit listen -vp 80\n"]),
        ("connect -l 80", &["try: sockkit listen 80\n"]),
        ("listen -lk 80", &["try: sockkit listen -k 80\n"]),
        ("connect -N host 80", &["does anyway", "try: sockkit connect host 80\n"]),
        ("connect -nv 10.0.0.1 80", &["not needed", "try: sockkit connect -v 10.0.0.1 80\n"]),
        ("-v connect 10.0.0.1 80", &["try: sockkit connect -v 10.0.0.1 80\n"]),
        ("-k --count 2 listen :80", &["try: sockkit listen -k --count 2 :80\n"]),
        ("listen -e cat 80", &["--exec", "try: sockkit listen --exec cat 80\n"]),
        ("listen -c cat 80", &["--sh", "try: sockkit listen --sh cat 80\n"]),
        ("connect -q 1 host 80", &["--quiet", "try: sockkit connect --linger-after-eof 1 host 80\n"]),
        ("-u host 53", &["try: sockkit connect -u host 53\n"]),
    ] {
        let args: Vec<&str> = line.split(' ').collect();
        t.sockkit(&args).run(b"").code(2).stdout("").says(hints).says_not(&["tip:"]);
    }
    // Connect runs no programs: no line to try would do that.
    t.connect(&["-e", "cat", "x:1"]).run(b"").code(2).says(&["--exec of sockkit listen"]).says_not(&["try:"]);
    t.connect(&["--bogus"]).run(b"").code(2).says_not(&["try:"]);
    t.listen(&["-verbose"]).run(b"").code(2).says_not(&["--exec"]);
    t.listen(&["--reuseaddr", "no", "127.0.0.1:0"]).run(b"").code(2).says(&["^", "try: --reuseaddr=no\n"]);
}

fn two_handlers(t: &Ctx) {
    let all: [&[&str]; 6] =
        [&["--close"], &["--discard"], &["--no-accept"], &["--exec", "cat"], &["--sh", "cat"], &["--reply", "x"]];
    for (n, one) in all.iter().enumerate() {
        for other in &all[n + 1..] {
            t.listen(one).args(other).args(&["127.0.0.1:0"]).run(b"").code(2).stdout("");
        }
    }
    t.listen(&["--greeting", "x", "--discard", "127.0.0.1:0"]).run(b"").code(2);
}

fn option_that_does_not_fit_the_family(t: &Ctx) {
    for (option, addr) in [
        ("--nodelay", "unix:s"),
        ("--nodelay", "udp://127.0.0.1:1"),
        ("--ttl=3", "unix:s"),
        ("--mss=500", "udp://127.0.0.1:1"),
        ("--keepalive", "unix:s"),
        ("--v6only", "127.0.0.1:0"),
        ("--broadcast", "127.0.0.1:1"),
    ] {
        let exit = t.connect(&[option, addr]).run(b"");
        let name = option.split('=').next().unwrap();
        exit.code(2).says(&[name]);
    }
}

fn unix_path_of_200_characters(t: &Ctx) {
    let long = format!("unix:/tmp/{}", "x".repeat(200));
    for command in ["connect", "listen"] {
        // 107 is what fits.
        t.sockkit(&[command, &long]).run(b"").code(2).says(&["long", "107"]);
    }
}

fn arguments_that_are_not_utf8(t: &Ctx) {
    let bad = || OsString::from_vec(b"ho\xffst:80".to_vec());
    t.sockkit(&["connect"]).args(&[bad()]).run(b"").code(2).stdout("");
    t.sockkit(&["listen"]).args(&[bad()]).run(b"").code(2).stdout("");
    t.sockkit(&[]).args(&[bad()]).run(b"").code(2).stdout("");
    // A UNIX path is bytes.
    let path = OsString::from_vec([b"unix:", t.file("s").as_bytes(), b"\xff"].concat());
    let mut server = t.sockkit(&["listen"]).args(&[&path]).piped().spawn();
    server.stderr.wait_for("\n");
    t.sockkit(&["connect"]).args(&[&path]).run(b"bytes").code(0);
    server.wait().code(0).stdout("bytes");
}

fn control_characters_are_shown_escaped(t: &Ctx) {
    for bad in ["a\x1b[2Jb:80", "a\nb:80", "a\x07:80", "\u{202e}a:80x"] {
        let exit = t.connect(&[bad]).run(b"");
        exit.says_not(&["\x1b", "\x07", "\u{202e}"]);
        assert!([2, 4].contains(&exit.code), "{}", exit.code);
    }
}

fn backlog_out_of_range(t: &Ctx) {
    for bad in ["-1", "2147483648", "x", ""] {
        usage(t, &["listen", &format!("--backlog={bad}"), "127.0.0.1:0"]);
    }
    for (good, capped) in [("0", false), ("1", false), ("2147483647", true)] {
        let server = t.listen(&["-v", "--backlog", good, "127.0.0.1:0"]).server();
        if capped {
            server.stderr.wait_for("somaxconn");
        }
    }
}

fn refused_explains_itself(t: &Ctx) {
    let gone = TcpListener::bind((t.loopback(), 0)).unwrap().local_addr().unwrap().to_string();
    let exit = t.connect(&[&gone]).run(b"");
    exit.code(5).stdout("").says(&["sockkit:", "failed", &gone, "refused", "cause:", "try:"]).within(SOON);
    exit.says_not(&["os error", "ECONNREFUSED", "Os {"]);
}

fn refused_names_what_listens_nearby(t: &Ctx) {
    let host = t.loopback();
    let listener = TcpListener::bind((host, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    // The slip of a digit: nobody else has this address, so nobody listens there.
    let off_by_one = format!("{host}:{}", port - 1);
    t.connect(&[&off_by_one]).run(b"").code(5).says(&[&port.to_string()]);
}

fn does_not_resolve(t: &Ctx) {
    // A namespace of its own has no way to a name server: no answer, which is not the same as "no such name".
    let ns = Netns::new();
    let exit = t.connect(&["-w", "3s", "no-such-host.invalid:80"]).under(&ns.wrap()).run(b"");
    exit.code(4).stdout("").says(&["no-such-host.invalid", "resolving", "cause:"]);
}

fn name_server_without_an_answer(t: &Ctx) {
    // The budget holds for the resolver, too.
    let ns = Netns::new();
    ns.run("nft add table inet t; nft 'add chain inet t in { type filter hook input priority 0; }'");
    ns.run("nft add rule inet t in udp dport 53 drop");
    ns.etc("resolv.conf", "nameserver 127.0.0.1\n");
    let exit = t.connect(&["-w", "0.5s", "no-such-host.invalid:80"]).under(&ns.wrap()).run(b"");
    // To find out why takes no more than a moment beyond it.
    exit.code(4).says(&["no answer", "127.0.0.1"]).within(Duration::from_millis(1500));
}

fn unknown_service(t: &Ctx) {
    t.connect(&["127.0.0.1:no-such-service"]).run(b"").code(4).says(&["no-such-service"]);
}

fn port_in_use_names_the_holder(t: &Ctx) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    let us = std::process::id().to_string();
    t.listen(&[&addr]).run(b"").code(10).says(&["in use", &addr, &us]);
    t.listen(&[&format!("udp://{addr}")]).spawn().stderr.wait_for(&addr);
}

fn address_not_ours(t: &Ctx) {
    t.listen(&["192.0.2.1:0"]).run(b"").code(10).says(&["192.0.2.1"]);
    t.connect(&["-s", "192.0.2.1", "127.0.0.1:1"]).run(b"").code(10).says(&["192.0.2.1"]);
}

fn no_such_interface(t: &Ctx) {
    t.connect(&["--interface", "nosuch0", "127.0.0.1:1"]).run(b"").code(10).says(&["nosuch0"]);
    t.connect(&["[fe80::1%nosuch0]:1"]).run(b"").code(10).says(&["nosuch0"]);
}

/// A user who may have no more threads gets an error, and no panic.
fn without_threads_left(t: &Ctx) {
    let under = ["setpriv", "--reuid=64321", "--clear-groups", "prlimit", "--nproc=1"];
    for args in [&["--deadline", "2s", "127.0.0.1:1"][..], &["echo:"], &["localhost:1"]] {
        let exit = t.connect(args).under(&under).run(b"");
        exit.says_not(&["panicked"]);
        assert!([1, 5].contains(&exit.code), "{args:?}: {}", exit.code);
    }
}

fn privileged_port(t: &Ctx) {
    let ns = Netns::new();
    ns.run("sysctl -qw net.ipv4.ip_unprivileged_port_start=1024");
    let exit = t.listen(&["127.0.0.1:80"]).under(&ns.wrap()).under(&NOBODY).run(b"");
    exit.code(11).says(&["permission", "80"]);
}

fn no_route(t: &Ctx) {
    let ns = Netns::new();
    t.connect(&["192.0.2.1:80"]).under(&ns.wrap()).run(b"").code(6).says(&["unreachable", "try:"]);
    t.connect(&["[2001:db8::1]:80"]).under(&ns.wrap()).run(b"").code(6);
}

fn black_holed_route(t: &Ctx) {
    let ns = Netns::new();
    ns.run("ip route add blackhole 192.0.2.0/24");
    t.connect(&["192.0.2.1:80"])
        .under(&ns.wrap())
        .run(b"")
        .code(6)
        .says(&["blackhole", "ip route show table all type blackhole"]);
}

fn link_local_without_a_route(t: &Ctx) {
    let ns = Netns::new();
    ns.run("ip -6 route flush table main; ip -6 route flush table local");
    let exit = t.connect(&["fe80::1%lo", "80"]).under(&ns.wrap()).run(b"");
    exit.code(6).says(&["link-local", "try: ip -6 route get fe80::1 oif lo"]).says_not(&["to the outside"]);
}

fn what_to_try_has_the_address_that_was_typed(t: &Ctx) {
    let mut server = t.listen(&["--reply", "x", "-i", "0.3", "127.0.0.1:0"]).server();
    let client = connect(server.socket_addr());
    server.wait().code(8).says(&["try: sockkit listen --idle-timeout 3s 127.0.0.1:0\n"]);
    drop(client);
    let silent = || t.connect(&["-i", "0.3"]).piped();
    silent().args(&["echo:"]).spawn().wait().code(8).says(&["try: sockkit connect --idle-timeout 3s echo:\n"]);
    let mut server = t.listen(&["--accept-timeout", "0.1", "127.0.0.1:0"]).piped().spawn();
    server.wait().code(7).says(&["try: sockkit listen --accept-timeout 3s"]).says_not(&["sockkit connect"]);
}

fn a_unix_client_has_no_address_to_be_called_by(t: &Ctx) {
    let address = format!("unix:{}", t.file("s"));
    let mut server = t.listen(&["-i", "0.3", &address]).piped().server();
    let client = UnixStream::connect(t.path("s")).unwrap();
    let exit = server.wait();
    exit.code(8)
        .says(&["listen failed: waiting: no progress for 300ms", "cause: the peer connected and says nothing"])
        .says_not(&["unix::", "unix: "]);
    drop(client);
    let _server = t.listen(&["--reply", "x", &address]).server();
    let exit = t.connect(&["-I", &address]).run(b"/info\n/conns\n");
    exit.code(0).says(&[
        "local      (unnamed)\n",
        &format!("peer       {address}\n"),
        &format!("(unnamed) -> {address}  "),
    ]);
}

fn a_peer_that_does_not_read_is_named(t: &Ctx) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    let exit = t.connect(&["--send-timeout", "0.3", &addr]).run(&vec![b'x'; 32 << 20]);
    exit.code(8).says(&["the peer took nothing", "does not read"]).says_not(&["neither", "no progress"]);
}

fn silence_of_udp_is_explained(t: &Ctx) {
    let ns = Netns::new();
    let server = t.listen(&["-k", "--discard", "udp://127.0.0.1:9009"]).under(&ns.wrap()).piped().spawn();
    server.stderr.wait_for("listening");
    let exit = t.connect(&["-z", "-u", "127.0.0.1", "9009"]).under(&ns.wrap()).run(b"");
    exit.code(7).says(&["no answer within 1s (--check)", "a port that is open but says nothing looks the same"]);
    exit.says(&["--check --connect-timeout 3s udp://127.0.0.1:9009"]);
    let exit = t.connect(&["-z", "-u", "-w", "0.2", "127.0.0.1", "9009"]).under(&ns.wrap()).run(b"");
    exit.code(7).says(&["no answer within 200ms (--connect-timeout)"]);
}

fn administratively_prohibited(t: &Ctx) {
    let ns = Netns::new();
    ns.run("nft add table inet t; nft 'add chain inet t in { type filter hook input priority 0; }'");
    ns.run("nft add rule inet t in tcp dport 9 reject with icmpx admin-prohibited");
    for addr in ["127.0.0.1:9", "[::1]:9"] {
        t.connect(&[addr]).under(&ns.wrap()).run(b"").code(6);
    }
}

fn local_firewall(t: &Ctx) {
    let ns = Netns::new();
    ns.run("nft add table inet t; nft 'add chain inet t out { type filter hook output priority 0; }'");
    ns.run("nft add rule inet t out udp dport 9 drop");
    t.connect(&["udp://127.0.0.1:9"]).under(&ns.wrap()).run(b"x").code(11).says(&["firewall"]);
}

fn unix_path_missing(t: &Ctx) {
    t.connect(&[&format!("unix:{}", t.file("missing"))]).run(b"").code(6).says(&["missing", "cause:", "try:"]);
    t.listen(&["unix:/nonexistent/dir/s"]).run(b"").says(&["/nonexistent/dir"]).says_not(&["os error"]);
}

fn unix_path_not_a_socket(t: &Ctx) {
    std::fs::write(t.path("f"), "").unwrap();
    let exit = t.connect(&[&format!("unix:{}", t.file("f"))]).run(b"");
    assert_ne!(exit.code, 0);
    exit.says(&["not a socket"]);
}

fn unix_path_stale(t: &Ctx) {
    drop(UnixListener::bind(t.path("s")).unwrap());
    t.connect(&[&format!("unix:{}", t.file("s"))]).run(b"").code(5).says(&["refused", "cause:"]);
}

fn unix_path_of_another_type(t: &Ctx) {
    let _socket = UnixDatagram::bind(t.path("d")).unwrap();
    t.connect(&[&format!("unix:{}", t.file("d"))]).run(b"").code(1).says(&["unix-dgram:"]);
}

fn unix_path_without_permission(t: &Ctx) {
    use std::os::unix::fs::PermissionsExt;
    let _listener = UnixListener::bind(t.path("s")).unwrap();
    std::fs::set_permissions(t.path("s"), PermissionsExt::from_mode(0o600)).unwrap();
    std::fs::set_permissions(t.dir(), PermissionsExt::from_mode(0o755)).unwrap();
    let exit = t.connect(&[&format!("unix:{}", t.file("s"))]).under(&NOBODY).run(b"");
    exit.code(11).says(&["permission"]);
}

/// Whatever names the file, its modes are exit 11; that there is none is exit 1.
fn files_without_permission(t: &Ctx) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(t.path("ours"), "").unwrap();
    std::fs::set_permissions(t.path("ours"), PermissionsExt::from_mode(0o600)).unwrap();
    std::fs::set_permissions(t.dir(), PermissionsExt::from_mode(0o755)).unwrap();
    for line in [
        "connect --output FILE echo:",
        "connect --events FILE echo:",
        "connect --record FILE echo:",
        "connect --script FILE echo:",
        "connect --send x --report tap=FILE echo:",
        "connect --proxy socks5://127.0.0.1:9 --proxy-user-file FILE 127.0.0.1:9",
        "listen --ready-file FILE 127.0.0.1:0",
        "chat serve --password-file FILE 127.0.0.1:0",
        "chat serve --log FILE 127.0.0.1:0",
        "replay FILE echo:",
    ] {
        for (file, code, words) in [("ours", 11, "permission denied"), ("none/ours", 1, "no such file")] {
            let line = line.replace("FILE", &t.file(file));
            let args: Vec<&str> = line.split(' ').collect();
            t.sockkit(&args).under(&NOBODY).run(b"").code(code).says(&[words]);
        }
    }
}

/// What sockkit opened for itself is nobody's to name, or it would talk to itself.
fn descriptors_of_its_own_are_not_open(t: &Ctx) {
    // Nor are any that the tests themselves were started with, as by a shell that holds a lock.
    let closed: String = (3..9).map(|number| format!(" {number}>&-")).collect();
    for number in 3..9 {
        let fd = format!("fd:{number}");
        for args in [
            &["connect", &fd][..],
            &["listen", &fd],
            &["listen", "--ready-fd", &number.to_string(), "127.0.0.1:0"],
            &["connect", "--events", &fd, "echo:"],
        ] {
            t.sockkit(args).prelude(&format!("exec{closed}")).run(b"").code(2).stdout("").within(SOON);
        }
    }
}

fn descriptor_that_is_not_open(t: &Ctx) {
    for command in ["connect", "listen"] {
        t.sockkit(&[command, "fd:77"]).run(b"").code(2).says(&["77"]);
        // Open, but no socket.
        t.sockkit(&[command, "fd:0"]).run(b"").code(2);
    }
}

fn systemd_without_listen_fds(t: &Ctx) {
    t.listen(&["systemd:"]).run(b"").code(2).says(&["LISTEN_FDS"]);
    // Meant for another process.
    t.listen(&["systemd:"]).env("LISTEN_FDS", "1").env("LISTEN_PID", "1").run(b"").code(2).says(&["LISTEN_PID"]);
}

fn errors_go_to_stderr_even_with_json(t: &Ctx) {
    let gone = TcpListener::bind((t.loopback(), 0)).unwrap().local_addr().unwrap().to_string();
    let exit = t.connect(&["--json", &gone]).run(b"");
    for line in exit.code(5).stdout.text().lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|e| panic!("{e}: {line}"));
    }
}

fn files_and_standard_streams(t: &Ctx) {
    let (peer, addr) = listener();
    let dir = t.file("");
    let stdin = t.connect(&[&addr]).redirect(&format!("<'{dir}'")).run(b"");
    stdin.code(1).says(&[
        "reading standard input: Is a directory",
        "cause: standard input is a directory",
        "try: sockkit connect … < FILE",
    ]);
    drop(peer);
    let none = t.file("none/x");
    std::fs::write(t.path("file"), "").unwrap();
    let under = t.file("file/x");
    for (args, cause, advice) in [
        (&["connect", "--output", &none, "echo:"][..], "there is no ", "try: ls -l "),
        (&["connect", "--script", &none, "echo:"], "there is no ", "try: ls -l "),
        (&["connect", "--record", &none, "echo:"], "there is no ", "try: ls -l "),
        (&["connect", "--events", &none, "echo:"], "there is no ", "try: ls -l "),
        (&["connect", "--tls-ca", &none, "--tls", "echo:"], "there is no ", "try: ls -l "),
        (&["connect", "--output", &dir, "echo:"], "is a directory, where a file is wanted", "try: ls -l "),
        (&["connect", "--output", &under, "echo:"], "is no directory", "try: namei -l "),
        (&["replay", &none, "127.0.0.1:1"], "there is no ", "try: ls -l "),
        (&["chat", "serve", "--log", &none, "127.0.0.1:0"], "there is no ", "try: ls -l "),
    ] {
        let exit = t.sockkit(args).run(b"");
        assert!(exit.code != 0 && exit.stderr.contains("cause: "), "{args:?}: {}", exit.stderr);
        exit.says(&[cause, advice]);
    }
    let large = t.connect(&["udp://127.0.0.1:9"]).run(&[b'x'; 70000]);
    large.code(1).says(&["Message too long", "carries at most 65507 bytes", "try: split -b 1200"]);
}

/// What passed, what it came to, and why: in that order.
fn what_ran_out_is_said_before_its_error(t: &Ctx) {
    for (flag, limit) in [("--deadline", "timed out: the run may take"), ("--idle-timeout", "timed out: nothing moved")]
    {
        let (peer, addr) = listener();
        let mut client = t.connect(&["-v", flag, "300ms", &addr]).piped().spawn();
        let _stream = crate::support::accept(&peer);
        let exit = client.wait();
        let at = |words: &str| exit.stderr.find(words).unwrap_or_else(|| panic!("no {words} in {}", exit.stderr));
        assert!(at(limit) < at("closed (") && at("closed (") < at("connect failed:"), "{}", exit.stderr);
        assert_eq!(exit.stderr.matches("timed out:").count(), 1, "{}", exit.stderr);
    }
    // Without a session, once as well.
    let exit = t.listen(&["-v", "--deadline", "100ms", "127.0.0.1:0"]).piped().spawn().wait();
    assert_eq!(exit.code(124).stderr.matches("timed out: the run may take").count(), 1, "{}", exit.stderr);
}
