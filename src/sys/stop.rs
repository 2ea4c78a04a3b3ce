//! The one way in which everything that waits is told to end: a descriptor that becomes readable.
//!
//! The first SIGINT, SIGTERM or SIGHUP, or the whole-run deadline, makes it readable, and it stays so: each
//! wait in the program has it in its poll set, so none can miss it. The second signal ends the process at
//! once, from the signal handler, with the programs that it runs.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use super::Asked;
use crate::error::Exit;
use rustix::event::{PollFd, PollFlags, Timespec};
use signal_hook::SigId;

/// Why the program is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// This signal came.
    Signal(u8),
    /// `--deadline` passed.
    Deadline,
}

/// See the module.
#[derive(Debug, Clone)]
pub struct Stop(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Readable once the program is to end. Never read.
    wake: UnixStream,
    /// The other end, written by the signal handlers and by [`Stop::request`].
    trigger: UnixStream,
    /// 0, a signal number, or [`DEADLINE`].
    why: Arc<AtomicUsize>,
    /// What SIGINT sets off.
    interrupt: Mutex<Vec<SigId>>,
    /// The question that SIGUSR1 asks. It is no stop, but it goes wherever something waits.
    asked: OnceLock<Asked>,
    /// What `--deadline` gives.
    limit: OnceLock<Duration>,
    /// Whether it was told that it passed.
    told: AtomicBool,
}

/// Stands for the deadline where signal numbers stand; beyond them all.
const DEADLINE: usize = 1000;

impl Stop {
    /// A stop that only [`Stop::request`] sets off: for a server inside this process.
    ///
    /// # Errors
    /// Those of socketpair(2).
    pub fn new() -> io::Result<Self> {
        let (wake, trigger) = UnixStream::pair()?;
        wake.set_nonblocking(true)?;
        trigger.set_nonblocking(true)?;
        Ok(Self(Arc::new(Inner {
            wake,
            trigger,
            why: Arc::new(AtomicUsize::new(0)),
            interrupt: Mutex::default(),
            asked: OnceLock::new(),
            limit: OnceLock::new(),
            told: AtomicBool::new(false),
        })))
    }

    /// The stop that signals set off. A signal that the parent had ignored (`nohup`, a shell's background
    /// job) stays ignored, but for SIGTERM.
    ///
    /// # Errors
    /// Those of socketpair(2) and sigaction(2).
    pub fn on_signals() -> io::Result<Self> {
        use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
        let stop = Self::new()?;
        let again = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            if signal != SIGTERM && super::is_ignored(signal) {
                continue;
            }
            // The order counts: what the first signal sets is what the second one finds.
            let (second, status) = (again.clone(), Exit::Signal(u8::try_from(signal).unwrap_or(u8::MAX)).code());
            let at_once = move || {
                if second.load(Ordering::SeqCst) {
                    super::terminal::restore_terminal_at_the_end();
                    super::group::kill_all();
                    signal_hook::low_level::exit(status.into());
                }
            };
            let actions = [
                // SAFETY: the closure loads atomics and calls nanosleep(2), tcsetattr(3), write(2), kill(2) and _exit(2): all
                // async-signal-safe.
                unsafe { signal_hook::low_level::register(signal, at_once) }?,
                signal_hook::flag::register(signal, again.clone())?,
                signal_hook::flag::register_usize(signal, stop.0.why.clone(), signal as usize)?,
                signal_hook::low_level::pipe::register(signal, stop.0.trigger.try_clone()?)?,
            ];
            if signal == SIGINT {
                stop.0.interrupt.lock().unwrap_or_else(PoisonError::into_inner).extend(actions);
            }
        }
        Ok(stop)
    }

    /// From now on SIGINT asks for nothing: it makes the descriptor that is returned readable, once for each. For a
    /// line editor, where Ctrl-C has a meaning of its own.
    ///
    /// # Errors
    /// Those of socketpair(2) and sigaction(2).
    pub fn spare_interrupt(&self) -> io::Result<UnixStream> {
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        // First the new action, so that there is no moment without any.
        signal_hook::low_level::pipe::register(signal_hook::consts::SIGINT, theirs)?;
        for action in self.0.interrupt.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            signal_hook::low_level::unregister(action);
        }
        Ok(ours)
    }

    /// Ends the run when `limit` has passed, unless it ended before.
    ///
    /// # Errors
    /// When this user may have no more threads.
    pub fn after(&self, limit: Duration) -> io::Result<()> {
        let _ = self.0.limit.set(limit);
        let stop = self.clone();
        let thread = std::thread::Builder::new().spawn(move || {
            std::thread::sleep(limit);
            stop.trigger(DEADLINE);
        });
        thread.map(drop)
    }

    /// How long the whole run may take.
    #[must_use]
    pub fn limit(&self) -> Option<Duration> {
        self.0.limit.get().copied()
    }

    /// Whether it is to be told that the deadline passed, and how long it was: once.
    #[must_use]
    pub fn overdue(&self) -> Option<Duration> {
        let first = self.requested() == Some(Reason::Deadline) && !self.0.told.swap(true, Ordering::SeqCst);
        self.limit().filter(|_| first)
    }

    /// From here on SIGUSR1 does not end the process, but asks whoever waits: see [`Stop::asked`].
    ///
    /// # Errors
    /// Those of socketpair(2) and sigaction(2).
    pub fn answer_usr1(&self) -> io::Result<()> {
        let _ = self.0.asked.set(Asked::by_signal()?);
        Ok(())
    }

    /// The question that SIGUSR1 asks, where it does.
    #[must_use]
    pub fn asked(&self) -> Option<&Asked> {
        self.0.asked.get()
    }

    /// Asks for the end as SIGTERM would.
    pub fn request(&self) {
        self.trigger(signal_hook::consts::SIGTERM as usize);
    }

    fn trigger(&self, why: usize) {
        let _ = self.0.why.compare_exchange(0, why, Ordering::SeqCst, Ordering::SeqCst);
        // Full means that it is readable already.
        let _ = rustix::io::write(&self.0.trigger, b"!");
    }

    /// Whether the end has been asked for, and why.
    #[must_use]
    pub fn requested(&self) -> Option<Reason> {
        match self.0.why.load(Ordering::SeqCst) {
            0 => None,
            DEADLINE => Some(Reason::Deadline),
            signal => Some(Reason::Signal(u8::try_from(signal).unwrap_or(u8::MAX))),
        }
    }

    /// Waits until the end is asked for, at most until `until`; says whether it was.
    ///
    /// # Errors
    /// Those of poll(2).
    pub fn wait(&self, until: Instant) -> io::Result<bool> {
        poll(&mut [PollFd::new(self, PollFlags::IN)], Some(until))
    }
}

/// Waits until one of `fds` is ready or `until` has come; with no `until`, for ever. Says whether anything
/// was ready. A signal does not end the wait: what is to end it has a [`Stop`] among its `fds`.
///
/// # Errors
/// Those of poll(2).
pub fn poll(fds: &mut [PollFd<'_>], until: Option<Instant>) -> io::Result<bool> {
    loop {
        let timeout = until.map(|until| {
            let left = until.saturating_duration_since(Instant::now());
            Timespec { tv_sec: left.as_secs().try_into().unwrap_or(i64::MAX), tv_nsec: left.subsec_nanos().into() }
        });
        match rustix::event::poll(fds, timeout.as_ref()) {
            Ok(ready) => return Ok(ready > 0),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

impl AsFd for Stop {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.wake.as_fd()
    }
}

impl AsRawFd for Stop {
    fn as_raw_fd(&self) -> RawFd {
        self.0.wake.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_wakes_every_wait_and_lasts() {
        let stop = Stop::new().unwrap();
        assert_eq!((stop.requested(), stop.wait(Instant::now()).unwrap()), (None, false));
        stop.request();
        stop.request();
        for _ in 0..2 {
            assert!(stop.wait(Instant::now() + Duration::from_secs(60)).unwrap());
        }
        assert_eq!(stop.requested(), Some(Reason::Signal(15)));
    }

    #[test]
    fn the_deadline_is_a_reason_of_its_own() {
        let stop = Stop::new().unwrap();
        stop.after(Duration::from_millis(1)).unwrap();
        assert!(stop.wait(Instant::now() + Duration::from_secs(60)).unwrap());
        assert_eq!(stop.requested(), Some(Reason::Deadline));
    }
}
