//! Whose every socket is: one pass over all of `/proc/PID/fd`, on as many processors as there are.
//!
//! The kernel makes each link when it is read, about 3 µs apiece, and that is most of what a list of ten thousand
//! sockets costs: 45 ms on one processor, 25 on two.

use std::collections::{HashMap, VecDeque};
use std::fs;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Instant;

use rustix::fs::RawDir;

use super::procfs::{open_descriptors, parent, program, socket_at};
use crate::error::Process;

/// So many descriptors of one process are a piece of work.
const PIECE: usize = 512;
/// More processors than this wait for each other rather than work.
const WORKERS: usize = 4;

/// The processes that have each socket open, as far as this user may see them.
#[derive(Debug, Default)]
pub struct Owners {
    /// Inode and PID, in order, each pair once.
    pairs: Vec<(u64, u32)>,
    programs: HashMap<u32, String>,
    /// As of [`parent`]: thousands of sockets may have the same owners.
    parents: HashMap<u32, Option<u32>>,
}

impl Owners {
    /// Those of one socket, by PID, and children of one that has it too behind the others: they have it from that one,
    /// and some of them only for the moment between fork(2) and execve(2).
    pub fn of(&mut self, inode: u64) -> Vec<Process> {
        let from = self.pairs.partition_point(|(known, _)| *known < inode);
        let these = self.pairs[from..].iter().take_while(|(known, _)| *known == inode);
        let mut pids: Vec<u32> = these.map(|(_, pid)| *pid).collect();
        if pids.len() > 1 {
            let all = pids.clone();
            pids.sort_by_key(|pid| {
                self.parents.entry(*pid).or_insert_with(|| parent(*pid)).is_some_and(|parent| all.contains(&parent))
            });
        }
        let programs = &mut self.programs;
        pids.into_iter()
            .map(|pid| Process { pid, program: programs.entry(pid).or_insert_with(|| program(pid)).clone() })
            .collect()
    }
}

/// Looks through the descriptors of every process, as far as it comes by the deadline.
#[must_use]
pub fn socket_owners(deadline: Instant) -> Owners {
    let Ok(proc) = fs::read_dir("/proc") else { return Owners::default() };
    let pids: Vec<u32> = proc.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(WORKERS);
    let search =
        Search { pids, next: AtomicUsize::new(0), pieces: Mutex::default(), changed: Condvar::new(), deadline };
    let mut pairs = std::thread::scope(|scope| {
        let others: Vec<_> = (1..workers)
            .map_while(|_| std::thread::Builder::new().spawn_scoped(scope, || search.work(true)).ok())
            .collect();
        let mut pairs = search.work(!others.is_empty());
        for other in others {
            pairs.extend(other.join().unwrap_or_default());
        }
        pairs
    });
    pairs.sort_unstable();
    pairs.dedup();
    Owners { pairs, ..Owners::default() }
}

/// Some of the descriptors of one process.
struct Piece {
    pid: u32,
    dir: Arc<OwnedFd>,
    fds: Vec<u32>,
}

#[derive(Default)]
struct Pieces {
    waiting: VecDeque<Piece>,
    /// How many workers may still add to them.
    listing: usize,
}

struct Search {
    pids: Vec<u32>,
    next: AtomicUsize,
    pieces: Mutex<Pieces>,
    changed: Condvar,
    deadline: Instant,
}

impl Search {
    /// Lists the descriptors of processes, and reads their links; those of a process with many are `shared`.
    fn work(&self, shared: bool) -> Vec<(u64, u32)> {
        let mut found = Vec::new();
        self.pieces().listing += 1;
        while let Some(pid) = self.pids.get(self.next.fetch_add(1, Ordering::Relaxed)) {
            if Instant::now() >= self.deadline {
                break;
            }
            self.list(*pid, shared, &mut found);
        }
        let mut pieces = self.pieces();
        pieces.listing -= 1;
        self.changed.notify_all();
        loop {
            if let Some(piece) = pieces.waiting.pop_front() {
                drop(pieces);
                self.read(&piece, &mut found);
                pieces = self.pieces();
            } else if pieces.listing == 0 {
                return found;
            } else {
                pieces = self.changed.wait(pieces).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    fn pieces(&self) -> std::sync::MutexGuard<'_, Pieces> {
        self.pieces.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn list(&self, pid: u32, shared: bool, found: &mut Vec<(u64, u32)>) {
        let Ok(dir) = open_descriptors(pid) else { return };
        let dir = Arc::new(dir);
        let mut buffer = [MaybeUninit::uninit(); 16 << 10];
        let mut entries = RawDir::new(&dir, &mut buffer);
        let mut piece = Piece { pid, dir: dir.clone(), fds: Vec::new() };
        while let Some(Ok(entry)) = entries.next() {
            piece.fds.extend(entry.file_name().to_str().ok().and_then(|name| name.parse::<u32>().ok()));
            if piece.fds.len() == PIECE {
                let whole = std::mem::replace(&mut piece, Piece { pid, dir: dir.clone(), fds: Vec::new() });
                if shared {
                    self.pieces().waiting.push_back(whole);
                    self.changed.notify_one();
                } else {
                    self.read(&whole, found);
                }
            }
        }
        self.read(&piece, found);
    }

    fn read(&self, piece: &Piece, found: &mut Vec<(u64, u32)>) {
        if Instant::now() >= self.deadline {
            return;
        }
        let mut name = String::new();
        for fd in &piece.fds {
            use std::fmt::Write as _;
            name.clear();
            let _ = write!(name, "{fd}");
            found.extend(socket_at(&piece.dir, name.as_str()).map(|inode| (inode, piece.pid)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(5)
    }

    #[test]
    fn each_socket_of_many_is_ours_once() {
        let sockets: Vec<_> = (0..2 * PIECE + 7).map(|_| std::net::UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
        let twice = sockets[0].try_clone().unwrap();
        let mut owners = socket_owners(soon());
        for socket in &sockets {
            let inode = rustix::fs::fstat(socket).unwrap().st_ino;
            let ours: Vec<_> = owners.of(inode).into_iter().filter(|owner| owner.pid == std::process::id()).collect();
            assert!(matches!(&ours[..], [one] if !one.program.is_empty()), "{ours:?}");
        }
        drop(twice);
        assert!(owners.of(0).is_empty() && owners.of(u64::MAX).is_empty());
    }

    #[test]
    fn the_process_that_made_a_socket_comes_before_its_children() {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let inode = rustix::fs::fstat(&socket).unwrap().st_ino;
        let me = std::process::id();
        let copy = OwnedFd::from(socket.try_clone().unwrap());
        let mut child =
            std::process::Command::new("cat").stdin(std::process::Stdio::piped()).stdout(copy).spawn().unwrap();
        let mut owners = socket_owners(soon());
        assert!(owners.of(inode).iter().any(|owner| owner.pid == child.id()));
        assert_eq!(owners.of(inode)[0].pid, me);
        // PIDs start again from the bottom some day.
        owners.pairs.reverse();
        owners.pairs.sort_by_key(|(known, _)| *known);
        assert_eq!(owners.of(inode)[0].pid, me);
        drop(child.stdin.take());
        child.wait().unwrap();
    }

    #[test]
    fn it_takes_no_longer_than_it_may() {
        assert!(socket_owners(Instant::now()).pairs.is_empty());
    }
}
