//! The stop of the program, as sessions on the runtime wait for it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::error::{Error, Phase, Result};
use crate::sys::{self, Stop};

/// The stop as the runtime waits for it: registered once, shared by all sessions.
#[derive(Clone)]
pub struct Stopping(Arc<Inner>);

struct Inner {
    fd: AsyncFd<Stop>,
    places: Mutex<Places>,
}

/// Who is woken. [`Stopping::wait`] takes 176 bytes of whoever waits so; a place here, 16.
#[derive(Default)]
struct Places {
    wakers: Vec<Option<Waker>>,
    free: Vec<u32>,
}

impl Stopping {
    /// Registers it, and wakes those who have a place when it comes. To be called on the runtime.
    ///
    /// # Errors
    /// When the runtime cannot watch it.
    pub fn new(stop: &Stop) -> Result<Self> {
        let fd = sys::watch(stop.clone(), Interest::READABLE);
        let fd = fd.map_err(|source| Error::os(Phase::Waiting, None, source))?;
        let stopping = Self(Arc::new(Inner { fd, places: Mutex::default() }));
        let waking = stopping.clone();
        tokio::spawn(async move {
            waking.wait().await;
            let wakers: Vec<Waker> = waking.places().wakers.iter_mut().filter_map(Option::take).collect();
            wakers.into_iter().for_each(Waker::wake);
        });
        Ok(stopping)
    }

    /// Waits until the program is to stop; from then on, returns at once.
    pub async fn wait(&self) {
        // Readiness is never cleared. A runtime that cannot tell any more is going down itself.
        let _ = self.0.fd.readable().await;
    }

    /// Waits so long, or until the program is to stop; says whether it is.
    pub async fn pause(&self, time: Duration) -> bool {
        tokio::select! {
            () = tokio::time::sleep(time) => false,
            () = self.wait() => true,
        }
    }

    /// Whether the program is to stop.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.0.fd.get_ref().requested().is_some()
    }

    /// A place for one task to be woken from, until it is given back.
    pub(super) fn place(&self) -> u32 {
        let mut places = self.places();
        places.free.pop().unwrap_or_else(|| {
            places.wakers.push(None);
            (places.wakers.len() - 1) as u32
        })
    }

    /// Gives a place back.
    pub(super) fn leave(&self, place: u32) {
        let mut places = self.places();
        places.wakers[place as usize] = None;
        places.free.push(place);
        if places.free.len() == places.wakers.len() {
            *places = Places::default();
        }
    }

    /// Whether the program is to stop; if not, the task of this place is woken when it is.
    pub(super) fn is_over_or_wakes(&self, place: u32, waker: &Waker) -> bool {
        let mut places = self.places();
        let known = &mut places.wakers[place as usize];
        if !known.as_ref().is_some_and(|known| known.will_wake(waker)) {
            *known = Some(waker.clone());
        }
        self.is_over()
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.0.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends at that moment, or never.
pub(super) async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment.into()).await,
        None => std::future::pending().await,
    }
}
