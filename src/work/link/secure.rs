//! What a link over TLS does before its session, and after.

use std::io;
use std::time::Duration;

use super::{Link, Wire};
use crate::error::{Error, Phase, Result};
use crate::net::tls::{self, Step};

/// How long a peer over TLS may take to make room for our goodbye.
const FLUSH: Duration = Duration::from_secs(60);

impl Link {
    /// The handshake of TLS. `false` when the program is to stop first.
    ///
    /// # Errors
    /// Exit 12.
    pub async fn secure(&self) -> Result<bool> {
        let Wire::Connection(fd) = &self.wire else { return Ok(true) };
        let limit = fd.get_ref().handshake_limit();
        let shaken = async {
            let mut wants = Step::Write;
            loop {
                let ready = if wants == Step::Read { fd.readable().await } else { fd.writable().await };
                let outcome = ready.and_then(|mut guard| {
                    guard
                        .try_io(|fd| match fd.get_ref().shake()? {
                            step if step == wants => Err(io::ErrorKind::WouldBlock.into()),
                            step => Ok(step),
                        })
                        .unwrap_or(Ok(wants))
                });
                match outcome.map_err(|source| self.broken(Phase::Securing, source))? {
                    Step::Done => return Ok::<_, Error>(()),
                    step => wants = step,
                }
            }
        };
        tokio::select! {
            done = shaken => done?,
            () = tokio::time::sleep(limit) => {
                return Err(Error::timed_out(Phase::Securing, Some(self.peer()), tls::FLAG, limit));
            }
            () = self.shared.stopping.wait() => return Ok(false),
        }
        tls::tell(fd.get_ref(), self.id, self.sink());
        Ok(true)
    }

    /// Waits, not for ever, until all that TLS had to send is with the kernel.
    pub async fn flush(&self) {
        let Wire::Connection(fd) = &self.wire else { return };
        let flushed = async {
            while let Ok(mut guard) = fd.writable().await {
                let done = guard.try_io(|fd| match fd.get_ref().flush()? {
                    true => Ok(()),
                    false => Err(io::ErrorKind::WouldBlock.into()),
                });
                if done.is_ok() {
                    return;
                }
            }
        };
        tokio::select! {
            () = flushed => {}
            () = tokio::time::sleep(FLUSH) => {}
            () = self.shared.stopping.wait() => {}
        }
    }
}
