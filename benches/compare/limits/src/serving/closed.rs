//! Clients that wait for each answer before they say more.

use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::thread;
use std::time::{Duration, Instant};

use crate::os::{self, Addr, Epoll, Times};

const MESSAGE: [u8; 64] = [b'm'; 64];

/// Another address for each ten thousand connections.
fn from(nth: usize) -> Option<Ipv4Addr> {
    Some(Ipv4Addr::new(127, 9, (nth / 10_000) as u8, 1 + (nth % 8) as u8))
}

fn round_trip(fd: &OwnedFd) -> Duration {
    let mut buffer = [0; 64];
    let begun = Instant::now();
    os::write(fd.as_raw_fd(), &MESSAGE).unwrap();
    let mut got = 0;
    while got < 64 {
        let count = os::read(fd.as_raw_fd(), &mut buffer[got..]).unwrap();
        assert!(count > 0, "closed");
        got += count;
    }
    begun.elapsed()
}

pub fn rtt(addr: &Addr, count: usize) {
    let fd = addr.connect(false, None).unwrap();
    for _ in 0..1000 {
        round_trip(&fd);
    }
    let mut times: Vec<Duration> = (0..count).map(|_| round_trip(&fd)).collect();
    times.sort();
    let us = |time: Duration| time.as_nanos() as f64 / 1000.0;
    let at = |part: f64| us(times[(count as f64 * part) as usize]);
    let mean = us(times.iter().sum()) / count as f64;
    println!(r#"{{"p50_us":{:.2},"mean_us":{mean:.2},"p99_us":{:.2}}}"#, at(0.5), at(0.99));
}

pub fn closed(addr: &Addr, conns: usize, seconds: usize) {
    os::raise_limit();
    let clients: Vec<OwnedFd> = (0..conns).map(|nth| addr.connect(false, from(nth)).unwrap()).collect();
    let epoll = Epoll::new();
    for (key, fd) in clients.iter().enumerate() {
        round_trip(fd);
        // SAFETY: takes no pointer.
        unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) };
        epoll.add(fd.as_raw_fd(), key);
    }
    let (mut times, mut events, mut buffer) = (Times::new(), Vec::new(), [0; 4096]);
    let mut state: Vec<(Instant, usize)> = Vec::new();
    for fd in &clients {
        state.push((Instant::now(), 0));
        os::write(fd.as_raw_fd(), &MESSAGE).unwrap();
    }
    let begun = Instant::now();
    let until = begun + Duration::from_secs(seconds as u64);
    let mut now = begun;
    while now < until {
        for (key, _) in epoll.wait(&mut events, 1000) {
            let fd = clients[key].as_raw_fd();
            let (sent, got) = &mut state[key];
            *got += os::read(fd, &mut buffer).unwrap();
            if *got < 64 {
                continue;
            }
            now = Instant::now();
            times.add(now - *sent, 1);
            (*sent, *got) = (now, 0);
            os::write(fd, &MESSAGE).unwrap();
        }
    }
    println!(
        r#"{{"per_s":{:.0},"p50_us":{:.1},"p99_us":{:.1}}}"#,
        times.total() as f64 / begun.elapsed().as_secs_f64(),
        times.at(0.5),
        times.at(0.99)
    );
}

pub fn accept(addr: &Addr, count: usize, at_once: usize) {
    os::raise_limit();
    let epoll = Epoll::new();
    let (mut times, mut events, mut buffer) = (Times::new(), Vec::new(), [0; 64]);
    let mut slots: Vec<Option<(OwnedFd, Instant, bool)>> = (0..at_once).map(|_| None).collect();
    let (mut begun_count, mut failed) = (0, 0);
    let mut begin = |slot: &mut Option<(OwnedFd, Instant, bool)>, key: usize| {
        while begun_count < count {
            let begun = Instant::now();
            begun_count += 1;
            match addr.connect(true, from(begun_count)) {
                Ok(fd) => {
                    epoll.add(fd.as_raw_fd(), key);
                    epoll.watch_out(fd.as_raw_fd(), key, true);
                    *slot = Some((fd, begun, false));
                    return;
                }
                Err(_) => failed += 1,
            }
        }
    };
    let begun = Instant::now();
    for (key, slot) in slots.iter_mut().enumerate() {
        begin(slot, key);
    }
    while slots.iter().any(Option::is_some) {
        let ready: Vec<(usize, bool)> = epoll.wait(&mut events, 10_000).collect();
        assert!(!ready.is_empty(), "nothing moves for 10 s");
        for (key, room) in ready {
            let Some((fd, since, said)) = &mut slots[key] else { continue };
            if room && !*said {
                *said = true;
                let _ = os::write(fd.as_raw_fd(), &MESSAGE[..16]);
                epoll.watch_out(fd.as_raw_fd(), key, false);
                continue;
            }
            match os::read(fd.as_raw_fd(), &mut buffer) {
                Ok(16) => times.add(since.elapsed(), 1),
                Err(error) if os::is_full(&error) => continue,
                _ => {}
            }
            slots[key] = None;
            begin(&mut slots[key], key);
        }
    }
    let failed = count as u64 - times.total();
    println!(
        r#"{{"per_s":{:.0},"failed":{failed},"p50_us":{:.1},"p99_us":{:.1}}}"#,
        times.total() as f64 / begun.elapsed().as_secs_f64(),
        times.at(0.5),
        times.at(0.99)
    );
}

/// All of them connect before any of them speaks.
pub fn burst(addr: &Addr, count: usize) {
    os::raise_limit();
    let begun = Instant::now();
    let clients: Vec<Option<OwnedFd>> = (0..count).map(|nth| addr.connect(true, from(nth)).ok()).collect();
    let mut served = 0;
    for fd in clients.iter().flatten() {
        // SAFETY: takes no pointer.
        unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, 0) };
        let limit = libc::timeval { tv_sec: 5, tv_usec: 0 };
        for name in [libc::SO_RCVTIMEO, libc::SO_SNDTIMEO] {
            // SAFETY: the value lives as long as the call.
            unsafe { libc::setsockopt(fd.as_raw_fd(), libc::SOL_SOCKET, name, (&raw const limit).cast(), 16) };
        }
        let mut pollfd = libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLOUT, revents: 0 };
        // SAFETY: the pointer is to one pollfd.
        unsafe { libc::poll(&raw mut pollfd, 1, 5000) };
        let _ = os::write(fd.as_raw_fd(), &MESSAGE[..16]);
    }
    for fd in clients.iter().flatten() {
        served += u64::from(os::read(fd.as_raw_fd(), &mut [0; 16]).is_ok_and(|count| count == 16));
    }
    println!(r#"{{"served":{served},"failed":{},"s":{:.4}}}"#, count as u64 - served, begun.elapsed().as_secs_f64());
}

fn memory(pid: usize) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

pub fn idle(addr: &Addr, conns: usize, pid: usize) {
    os::raise_limit();
    round_trip(&addr.connect(false, None).unwrap());
    thread::sleep(Duration::from_millis(200));
    let before = memory(pid);
    let clients: Vec<OwnedFd> = (0..conns).map(|nth| addr.connect(false, from(nth)).unwrap()).collect();
    for fd in &clients {
        round_trip(fd);
    }
    let with = memory(pid);
    drop(clients);
    thread::sleep(Duration::from_secs(1));
    let each = with.saturating_sub(before) as f64 / conns as f64;
    println!(r#"{{"each":{each:.0},"before":{before},"with":{with},"after":{}}}"#, memory(pid));
}
