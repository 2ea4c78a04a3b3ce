//! Datagrams, many in a call: recvmmsg(2), sendmmsg(2).

use std::mem::zeroed;
use std::ops::Range;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use crate::os::{self, Addr, Epoll, Times};

/// Datagrams side by side.
pub struct Batch {
    buffers: Vec<u8>,
    size: usize,
    _vectors: Vec<libc::iovec>,
    _names: Vec<libc::sockaddr_in>,
    heads: Vec<libc::mmsghdr>,
}

impl Batch {
    pub fn new(count: usize, size: usize, named: bool) -> Self {
        let mut buffers = vec![0u8; count * size];
        // SAFETY: all zeroes are addresses and heads.
        let (mut names, mut heads) =
            unsafe { (vec![zeroed::<libc::sockaddr_in>(); count], vec![zeroed::<libc::mmsghdr>(); count]) };
        let mut vectors: Vec<libc::iovec> = buffers
            .chunks_mut(size)
            .map(|chunk| libc::iovec { iov_base: chunk.as_mut_ptr().cast(), iov_len: chunk.len() })
            .collect();
        for ((head, vector), name) in heads.iter_mut().zip(&mut vectors).zip(&mut names) {
            head.msg_hdr.msg_iov = vector;
            head.msg_hdr.msg_iovlen = 1;
            if named {
                head.msg_hdr.msg_name = (&raw mut *name).cast();
                head.msg_hdr.msg_namelen = size_of::<libc::sockaddr_in>() as u32;
            }
        }
        Self { buffers, size, _vectors: vectors, _names: names, heads }
    }

    fn set_len(&mut self, at: usize, len: usize) {
        // SAFETY: the vectors live as long as the heads, and their buffers too.
        unsafe { (*self.heads[at].msg_hdr.msg_iov).iov_len = len };
    }

    pub fn bytes(&mut self, at: usize) -> &mut [u8] {
        &mut self.buffers[at * self.size..(at + 1) * self.size]
    }

    /// What came stands ready to be sent back.
    pub fn receive(&mut self, fd: &OwnedFd, flags: i32) -> usize {
        for at in 0..self.heads.len() {
            self.set_len(at, self.size);
        }
        // SAFETY: the heads point to what lives as long as they do.
        let count = unsafe {
            libc::recvmmsg(
                fd.as_raw_fd(),
                self.heads.as_mut_ptr(),
                self.heads.len() as u32,
                flags as _,
                std::ptr::null_mut(),
            )
        };
        let count = usize::try_from(count).unwrap_or(0);
        for at in 0..count {
            self.set_len(at, self.heads[at].msg_len as usize);
        }
        count
    }

    pub fn send(&mut self, fd: &OwnedFd, which: Range<usize>) -> usize {
        let heads = &mut self.heads[which];
        // SAFETY: the heads point to what lives as long as they do.
        let sent = unsafe { libc::sendmmsg(fd.as_raw_fd(), heads.as_mut_ptr(), heads.len() as u32, 0) };
        usize::try_from(sent).unwrap_or(0)
    }
}

/// Room for what comes in a burst.
pub fn grow(fd: &OwnedFd) {
    os::set(fd, libc::SOL_SOCKET, libc::SO_RCVBUF, 4 << 20);
}

pub fn load(addr: &Addr, sockets: usize, window: usize, seconds: usize) {
    const SIZE: usize = 64;
    let clients: Vec<OwnedFd> = (0..sockets).map(|_| addr.connect(true, None).unwrap()).collect();
    let epoll = Epoll::new();
    for (key, fd) in clients.iter().enumerate() {
        grow(fd);
        epoll.add(fd.as_raw_fd(), key);
    }
    let (mut out, mut back) = (Batch::new(window, SIZE, false), Batch::new(window.max(64), 2048, false));
    let (mut times, mut events) = (Times::new(), Vec::new());
    let (mut sent, mut under_way) = (0u64, vec![0usize; sockets]);
    let begun = Instant::now();
    let until = begun + Duration::from_secs(seconds as u64);
    let mut fill = |key: usize, under_way: &mut usize| {
        let count = window - *under_way;
        let now = begun.elapsed().as_nanos() as u64;
        for at in 0..count {
            out.bytes(at)[..8].copy_from_slice(&now.to_le_bytes());
        }
        let count = out.send(&clients[key], 0..count);
        *under_way += count;
        count as u64
    };
    for (key, under_way) in under_way.iter_mut().enumerate() {
        sent += fill(key, under_way);
    }
    let mut given_up = 0u64;
    while Instant::now() < until {
        let ready: Vec<usize> = epoll.wait(&mut events, 20).map(|(key, _)| key).collect();
        if ready.is_empty() {
            // What has not come by now does not come.
            for (key, under_way) in under_way.iter_mut().enumerate() {
                given_up += std::mem::take(under_way) as u64;
                sent += fill(key, under_way);
            }
        }
        for key in ready {
            let count = back.receive(&clients[key], libc::MSG_DONTWAIT);
            let now = begun.elapsed();
            for at in 0..count {
                let stamp = u64::from_le_bytes(back.bytes(at)[..8].try_into().unwrap());
                times.add(now.saturating_sub(Duration::from_nanos(stamp)), 1);
            }
            under_way[key] = under_way[key].saturating_sub(count);
            sent += fill(key, &mut under_way[key]);
        }
    }
    let took = begun.elapsed().as_secs_f64();
    println!(
        r#"{{"per_s":{:.0},"sent":{sent},"lost":{given_up},"p50_us":{:.1},"p99_us":{:.1}}}"#,
        times.total() as f64 / took,
        times.at(0.5),
        times.at(0.99)
    );
}
