//! One connection with stdin and stdout: each direction one blocking loop, and a thread only where there are two.

use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};

use rustix::net::Shutdown;
use rustix::pipe::{SpliceFlags, fcntl_setpipe_size, pipe, splice};
use rustix::stdio::{stdin, stdout};

/// Measured best: see benches/RESULTS.md.
const READ: usize = 256 << 10;
const CHUNK: usize = 1 << 20;

pub fn run(how: &str, at: &str, up: &str, down: &str) {
    let socket: OwnedFd = match (how, at.parse::<u16>()) {
        ("connect", Ok(port)) => TcpStream::connect(("127.0.0.1", port)).unwrap().into(),
        ("connect", Err(_)) => UnixStream::connect(at).unwrap().into(),
        ("listen", Ok(port)) => {
            let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
            eprintln!("listening on {at}");
            listener.accept().unwrap().0.into()
        }
        _ => {
            let listener = UnixListener::bind(at).unwrap();
            eprintln!("listening on {at}");
            listener.accept().unwrap().0.into()
        }
    };
    std::thread::scope(|scope| {
        match down {
            "none" => {}
            _ if up == "none" => receive(&socket, down),
            _ => drop(scope.spawn(|| receive(&socket, down))),
        }
        if up != "none" {
            send(&socket, up);
            rustix::net::shutdown(&socket, Shutdown::Write).unwrap();
        }
    });
}

fn send(socket: &OwnedFd, how: &str) {
    match how {
        "sendfile" => while rustix::fs::sendfile(socket, stdin(), None, CHUNK).unwrap() > 0 {},
        "splice" => {
            let _ = fcntl_setpipe_size(stdin(), CHUNK);
            while splice(stdin(), None, socket, None, CHUNK, SpliceFlags::MOVE).unwrap() > 0 {}
        }
        _ => {
            let _ = fcntl_setpipe_size(stdin(), CHUNK);
            copy(stdin(), socket);
        }
    }
}

fn receive(socket: &OwnedFd, how: &str) {
    let is_pipe = fcntl_setpipe_size(stdout(), CHUNK).is_ok();
    match how {
        "splice" if is_pipe => while splice(socket, None, stdout(), None, CHUNK, SpliceFlags::MOVE).unwrap() > 0 {},
        "splice" => {
            let (read, write) = pipe().unwrap();
            let _ = fcntl_setpipe_size(&write, CHUNK);
            loop {
                let mut inside = splice(socket, None, &write, None, CHUNK, SpliceFlags::MOVE).unwrap();
                if inside == 0 {
                    break;
                }
                while inside > 0 {
                    inside -= splice(&read, None, stdout(), None, inside, SpliceFlags::MOVE).unwrap();
                }
            }
        }
        _ => copy(socket, stdout()),
    }
}

fn copy(from: impl AsFd, to: impl AsFd) {
    let mut buffer = vec![0; READ];
    loop {
        let bytes = rustix::io::read(&from, &mut buffer[..]).unwrap();
        if bytes == 0 {
            break;
        }
        let mut sent = 0;
        while sent < bytes {
            sent += rustix::io::write(&to, &buffer[sent..bytes]).unwrap();
        }
    }
}
