//! Lines from one to all.

use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use crate::os::{self, Addr, Epoll, Times};

/// Reads until these words have come.
fn hear(fd: &OwnedFd, words: &str) {
    let (mut all, mut buffer) = (Vec::new(), [0; 4096]);
    while !String::from_utf8_lossy(&all).contains(words) {
        match os::read(fd.as_raw_fd(), &mut buffer) {
            Ok(count) if count > 0 => all.extend_from_slice(&buffer[..count]),
            end => panic!("{end:?} instead of {words:?}, after {:?}", String::from_utf8_lossy(&all)),
        }
    }
}

/// Reads what has come so far, until nothing comes for a while.
fn drain(fd: &OwnedFd, buffer: &mut [u8]) {
    while os::read(fd.as_raw_fd(), buffer).is_ok_and(|count| count > 0) {}
}

pub fn out(addr: &Addr, receivers: usize, window: usize, seconds: usize, chat: bool) {
    os::raise_limit();
    let begun = Instant::now();
    let join = |name: &str| {
        let fd = addr.connect(false, None).unwrap();
        if chat {
            os::write(fd.as_raw_fd(), format!("{name}\n").as_bytes()).unwrap();
            hear(&fd, "-- you are ");
        }
        fd
    };
    let clients: Vec<OwnedFd> = (0..receivers).map(|nth| join(&format!("r{nth}"))).collect();
    let sender = join("s");
    let joined = begun.elapsed();
    let mut buffer = vec![0; 256 << 10];
    // The last of the notices.
    std::thread::sleep(Duration::from_millis(500));
    let epoll = Epoll::new();
    for (key, fd) in clients.iter().enumerate() {
        // SAFETY: takes no pointer.
        unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) };
        drain(fd, &mut buffer);
        epoll.add(fd.as_raw_fd(), key);
    }
    let line = [&b"x".repeat(63)[..], b"\n"].concat();
    let (mut heard, mut times, mut events) = (vec![0usize; receivers], Times::new(), Vec::new());
    // Of each message: when it went, and how many have it.
    let mut gone: Vec<Instant> = Vec::new();
    let mut have: Vec<usize> = Vec::new();
    let mut whole = 0;
    let begun = Instant::now();
    let until = begun + Duration::from_secs(seconds as u64);
    let mut last = begun;
    while Instant::now() < until {
        let room = window - (gone.len() - whole);
        if room > 0 {
            let now = Instant::now();
            gone.resize(gone.len() + room, now);
            have.resize(have.len() + room, 0);
            let text = line.repeat(room);
            let mut from = 0;
            while from < text.len() {
                from += os::write(sender.as_raw_fd(), &text[from..]).unwrap();
            }
        }
        for (key, _) in epoll.wait(&mut events, 1000) {
            let count = match os::read(clients[key].as_raw_fd(), &mut buffer) {
                Ok(0) => panic!("receiver {key} was dropped after {} messages", heard[key]),
                Ok(count) => count,
                Err(error) if os::is_full(&error) => continue,
                Err(error) => panic!("receiver {key}: {error}"),
            };
            let lines = buffer[..count].iter().filter(|byte| **byte == b'\n').count();
            let now = Instant::now();
            last = now;
            for nth in heard[key]..heard[key] + lines {
                times.add(now - gone[nth], 1);
                have[nth] += 1;
            }
            heard[key] += lines;
        }
        while whole < have.len() && have[whole] == receivers {
            whole += 1;
        }
    }
    println!(
        r#"{{"per_s":{:.0},"p50_us":{:.1},"p99_us":{:.1},"join_s":{:.3},"messages":{whole}}}"#,
        times.total() as f64 / (last - begun).as_secs_f64(),
        times.at(0.5),
        times.at(0.99),
        joined.as_secs_f64(),
    );
}
