//! The bare relay, and the two ends that measure what one adds: an echo server and a client that asks it.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::Instant;

use rustix::event::epoll;
use rustix::pipe::{SpliceFlags, fcntl_setpipe_size, pipe, splice};

const CHUNK: usize = 1 << 20;

/// For each who comes a connection to the target, and for each direction a thread and a pipe: two system calls for
/// as many bytes as there are.
pub fn run(listen: u16, target: u16) {
    let listener = TcpListener::bind(("127.0.0.1", listen)).unwrap();
    eprintln!("listening");
    loop {
        let client = listener.accept().unwrap().0;
        let Ok(target) = TcpStream::connect(("127.0.0.1", target)) else { continue };
        client.set_nodelay(true).unwrap();
        target.set_nodelay(true).unwrap();
        for (from, to) in [(&client, &target), (&target, &client)] {
            let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
            std::thread::spawn(move || pass(&from, &to));
        }
    }
}

fn pass(from: &TcpStream, to: &TcpStream) {
    let (read, write) = pipe().unwrap();
    let _ = fcntl_setpipe_size(&write, CHUNK);
    while let Ok(mut inside @ 1..) = splice(from, None, &write, None, CHUNK, SpliceFlags::MOVE) {
        while inside > 0 {
            let Ok(moved) = splice(&read, None, to, None, inside, SpliceFlags::MOVE) else { return };
            inside -= moved;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

/// Sends back what comes, to any number of clients. It prints its port.
pub fn echo() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    println!("{}", listener.local_addr().unwrap().port());
    let mut peers: Vec<Option<TcpStream>> = Vec::new();
    each_ready(&listener, |nth| {
        if nth == u64::MAX {
            let peer = listener.accept().unwrap().0;
            peer.set_nodelay(true).unwrap();
            peers.push(Some(peer));
            return Some((peers.len() as u64 - 1, peers.last().unwrap().as_ref().unwrap().try_clone().unwrap()));
        }
        let place = &mut peers[nth as usize];
        let mut buffer = [0; 4096];
        let done = place.as_mut().is_some_and(|peer| match peer.read(&mut buffer) {
            Ok(bytes @ 1..) => peer.write_all(&buffer[..bytes]).is_err(),
            _ => true,
        });
        if done {
            // The copy in the epoll set is the same socket, and goes with this one.
            let _ = place.take().map(|peer| peer.shutdown(Shutdown::Both));
        }
        None
    });
}

/// Calls `ready` with the number of each descriptor that is; what it gives back is watched from then on.
fn each_ready(listener: &TcpListener, mut ready: impl FnMut(u64) -> Option<(u64, TcpStream)>) {
    let set = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
    epoll::add(&set, listener, epoll::EventData::new_u64(u64::MAX), epoll::EventFlags::IN).unwrap();
    let mut copies = Vec::new();
    let mut events = Vec::with_capacity(256);
    loop {
        events.clear();
        epoll::wait(&set, rustix::buffer::spare_capacity(&mut events), None).unwrap();
        for event in &events {
            let nth = event.data.u64();
            if let Some((nth, stream)) = ready(nth) {
                epoll::add(&set, &stream, epoll::EventData::new_u64(nth), epoll::EventFlags::IN).unwrap();
                copies.push(stream);
            }
        }
    }
}

/// Sends 64 bytes on each of so many connections and waits for their answers, `rounds` times; prints the median and
/// the 99th percentile of a round trip in microseconds, and round trips a second.
pub fn ask(port: u16, connections: usize, rounds: usize) {
    let mut peers: Vec<TcpStream> = (0..connections)
        .map(|_| {
            let peer = TcpStream::connect(("127.0.0.1", port)).unwrap();
            peer.set_nodelay(true).unwrap();
            peer
        })
        .collect();
    let set = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
    for (nth, peer) in peers.iter().enumerate() {
        epoll::add(&set, peer, epoll::EventData::new_u64(nth as u64), epoll::EventFlags::IN).unwrap();
    }
    let message = [b'x'; 64];
    let exchange = |peers: &mut Vec<TcpStream>, rounds: usize, took: &mut Vec<u64>| {
        let mut sent = vec![(Instant::now(), 0usize, rounds); peers.len()];
        for (nth, peer) in peers.iter_mut().enumerate() {
            sent[nth].0 = Instant::now();
            peer.write_all(&message).unwrap();
        }
        let mut left = peers.len();
        let mut events = Vec::with_capacity(256);
        let mut buffer = [0; 64];
        while left > 0 {
            events.clear();
            epoll::wait(&set, rustix::buffer::spare_capacity(&mut events), None).unwrap();
            for event in &events {
                let nth = event.data.u64() as usize;
                let (begun, got, rounds) = &mut sent[nth];
                let bytes = peers[nth].read(&mut buffer[*got..]).unwrap();
                assert!(bytes > 0, "the relay ended");
                *got += bytes;
                if *got < 64 {
                    continue;
                }
                took.push(u64::try_from(begun.elapsed().as_nanos()).unwrap());
                (*got, *rounds) = (0, *rounds - 1);
                if *rounds == 0 {
                    left -= 1;
                } else {
                    *begun = Instant::now();
                    peers[nth].write_all(&message).unwrap();
                }
            }
        }
    };
    // The first ones find their way.
    exchange(&mut peers, rounds.div_ceil(10), &mut Vec::new());
    let mut took = Vec::with_capacity(connections * rounds);
    let begin = Instant::now();
    exchange(&mut peers, rounds, &mut took);
    let rate = took.len() as f64 / begin.elapsed().as_secs_f64();
    took.sort_unstable();
    let at = |part: f64| took[((took.len() - 1) as f64 * part) as usize] as f64 / 1e3;
    println!("{} {} {rate}", at(0.5), at(0.99));
}
