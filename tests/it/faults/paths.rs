//! UNIX sockets by path and by name.

use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};

use libtest_mimic::Trial;

use super::lab::Causes;
use crate::support::{Ctx, NOBODY, one_bulk_at_a_time, trials};

pub(super) fn tests() -> Vec<Trial> {
    trials!["faults";
        unix_paths_to_connect_to,
        unix_sockets_that_do_not_accept 60 / 600,
        unix_paths_to_listen_on,
        unix_paths_without_permission [Root, Setpriv],
    ]
}

fn unix_paths_to_connect_to(t: &Ctx) {
    let go = |path: &str| t.connect(&[path]).run(b"");
    let at = |name: &str| format!("unix:{}", t.file(name));
    let dir = t.file("");
    let dir = dir.trim_end_matches('/');
    let mut causes = Causes::default();
    // ENOENT and ENOTDIR.
    let absent = format!("the directory {dir} is there, but has no absent");
    causes.check(&go(&at("absent")), 6, &[&absent], &["ls -l", "ss -lxp"]);
    let no_dir = format!("there is no directory {dir}/a/b; the deepest one on the way is {dir}");
    causes.check(&go(&at("a/b/s")), 6, &[&no_dir], &["ls -l"]);
    std::fs::write(t.path("file"), "").unwrap();
    causes.check(&go(&at("file/s")), 6, &["is a file and not a directory"], &["ls -l"]);
    // ECONNREFUSED.
    causes.check(&go(&at("file")), 5, &["is a regular file, not a socket"], &["ls -ld"]);
    drop(UnixListener::bind(t.path("stale")).unwrap());
    causes.check(&go(&at("stale")), 5, &["is there, but no process serves it"], &["sockkit listen --unlink"]);
    causes.check(&go("unix:@sockkit no such name"), 5, &["abstract name"], &["sockkit listen"]);
    // EPROTOTYPE.
    let _dgram = UnixDatagram::bind(t.path("dgram")).unwrap();
    let us = format!("pid {}", std::process::id());
    let kind = &["is a datagram socket of ", &us, "not a stream one"];
    causes.check(&go(&at("dgram")), 1, kind, &[&format!("sockkit connect unix-dgram:{dir}/dgram")]);
    let _stream = UnixListener::bind(t.path("stream")).unwrap();
    let exit = go(&format!("unix-dgram:{dir}/stream"));
    causes.check(&exit, 1, &["is a stream socket of ", "not a datagram one"], &[&format!("connect unix:{dir}/stream")]);
    // Where names have no file, each type has its own: ECONNREFUSED.
    let name = format!("sockkit-{}-{}", std::process::id(), t.path("").display());
    let _abstract = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    let exit = go(&format!("unix-dgram:@{name}"));
    exit.code(5).says(&["is a stream socket of ", &us, "not a datagram one", &format!("sockkit connect unix:@{name}")]);
    // ELOOP.
    std::os::unix::fs::symlink("loop", t.path("loop")).unwrap();
    causes.check(&go(&at("loop")), 6, &["is a symbolic link that leads back to itself"], &["ls -ld"]);
    std::os::unix::fs::symlink("nowhere", t.path("dangling")).unwrap();
    causes.check(&go(&at("dangling")), 6, &["is a symbolic link that leads nowhere"], &["ls -ld"]);
    // No errno at all.
    go(&format!("unix:/tmp/{}", "x".repeat(200))).code(2).says(&["107"]);
}

/// One that is bound only, and one whose queue is full.
fn unix_sockets_that_do_not_accept(t: &Ctx) {
    // Our own pid is looked for in 200 ms, among all that this process has open.
    let _turn = one_bulk_at_a_time();
    use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, socket_with};
    let socket = |flags| socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).unwrap();
    let address = |name: &str| SocketAddrUnix::new(t.path(name)).unwrap();
    let go = |command: &str, name: &str| {
        let path = format!("unix:{}", t.file(name));
        let args: &[&str] = if command == "connect" { &["-w", "300ms", &path] } else { &[&path] };
        t.sockkit(&[command]).args(args).run(b"")
    };
    let us = format!("(pid {})", std::process::id());
    let bound = socket(SocketFlags::CLOEXEC);
    bind(&bound, &address("bound")).unwrap();
    std::os::unix::fs::symlink(t.path("bound"), t.path("link")).unwrap();
    let mut causes = Causes::default();
    let not_yet = &["is bound by ", &us, "which does not listen on it (yet)"];
    causes.check(&go("connect", "bound"), 5, not_yet, &["sockkit connect --retry 5s unix:", "ss -axp"]);
    go("connect", "link").code(5).says(not_yet);
    causes.check(&go("listen", "bound"), 10, &["is bound by ", "it was left alone"], &["ss -axp"]);
    listen(&bound, 1).unwrap();
    let clients = [(); 2].map(|()| socket(SocketFlags::CLOEXEC | SocketFlags::NONBLOCK));
    for client in &clients {
        connect(client, &address("bound")).unwrap();
    }
    let full = &[&us, " serves unix:", "its queue is full: 2 connections in it, with a backlog of 1"];
    causes.check(&go("connect", "bound"), 7, full, &["--connect-timeout", "ss -lxp"]);
    go("connect", "link").code(7).says(full);
}

fn unix_paths_to_listen_on(t: &Ctx) {
    let go = |path: &str| t.listen(&[path]).run(b"");
    let at = |name: &str| format!("unix:{}", t.file(name));
    let us = format!("pid {}", std::process::id());
    let mut causes = Causes::default();
    let no_dir = go(&at("a/b/s"));
    causes.check(&no_dir, 10, &["there is no directory", "a/b"], &["mkdir -p"]);
    std::fs::write(t.path("file"), "kept").unwrap();
    causes.check(&go(&at("file/s")), 10, &["is a file and not a directory"], &["ls -l"]);
    // EADDRINUSE.
    causes.check(&go(&at("file")), 10, &["is a regular file, not a socket; it was left alone"], &["ls -ld"]);
    assert_eq!(std::fs::read(t.path("file")).unwrap(), b"kept");
    drop(UnixListener::bind(t.path("stale")).unwrap());
    causes.check(&go(&at("stale")), 10, &["left over", "no process serves it"], &["sockkit listen --unlink"]);
    let _live = UnixListener::bind(t.path("live")).unwrap();
    causes.check(&go(&at("live")), 10, &["is served by ", &us, "left alone"], &["sockkit connect unix:"]);
}

fn unix_paths_without_permission(t: &Ctx) {
    let mode = |name: &str, mode| {
        std::fs::set_permissions(t.path(name), PermissionsExt::from_mode(mode)).unwrap();
    };
    mode("", 0o755);
    std::fs::create_dir(t.path("closed")).unwrap();
    let _inside = UnixListener::bind(t.path("closed/s")).unwrap();
    mode("closed", 0o700);
    let _socket = UnixListener::bind(t.path("s")).unwrap();
    mode("s", 0o600);
    let at = |name: &str| format!("unix:{}", t.file(name));
    let mut causes = Causes::default();
    let go = |command: &str, name: &str| t.sockkit(&[command, &at(name)]).under(&NOBODY).run(b"");
    let write = &["/s belongs to root and has mode 0600, which does not let this user write to it"];
    causes.check(&go("connect", "s"), 11, write, &["ls -ld"]);
    let through = &["/closed belongs to root and has mode 0700, which does not let this user go through it"];
    causes.check(&go("connect", "closed/s"), 11, through, &["ls -ld"]);
    let make = &["has mode 0755, which does not let this user make files in it"];
    causes.check(&go("listen", "new"), 11, make, &["ls -ld"]);
    let live = &["/s is served by a process of the user root, which is hidden from this one; it was left alone"];
    causes.check(&go("listen", "s"), 10, live, &["sockkit connect unix:"]);
}
