//! The stop of the program, as sessions on the runtime wait for it.

use std::sync::Arc;
use std::time::Instant;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::error::{Error, Phase, Result};
use crate::sys::{self, Stop};

/// The stop as the runtime waits for it: registered once, shared by all sessions.
#[derive(Clone)]
pub struct Stopping(Arc<AsyncFd<Stop>>);

impl Stopping {
    /// Registers it.
    ///
    /// # Errors
    /// When the runtime cannot watch it.
    pub fn new(stop: &Stop) -> Result<Self> {
        let fd = sys::watch(stop.clone(), Interest::READABLE);
        fd.map(|fd| Self(Arc::new(fd))).map_err(|source| Error::os(Phase::Waiting, None, source))
    }

    /// Waits until the program is to stop; from then on, returns at once.
    pub async fn wait(&self) {
        // Readiness is never cleared. A runtime that cannot tell any more is going down itself.
        let _ = self.0.readable().await;
    }
}

/// Ends at that moment, or never.
pub(super) async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment.into()).await,
        None => std::future::pending().await,
    }
}
