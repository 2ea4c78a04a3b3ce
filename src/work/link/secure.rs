//! What a link over TLS does before its session, and after.

use std::future::poll_fn;
use std::io;
use std::time::Duration;

use super::{Link, Wire};
use crate::error::{Error, Phase, Result};
use crate::net::conn::Conn;
use crate::net::tls::{self, Step};
use crate::work::room;

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
            let mut spare = None;
            let mut wants = Step::Write;
            loop {
                let mut shake = |conn: &Conn| match conn.shake()? {
                    step if step == wants => Err(io::ErrorKind::WouldBlock.into()),
                    step => Ok(step),
                };
                let outcome = match wants {
                    Step::Read => fd
                        .readable()
                        .await
                        .and_then(|mut guard| guard.try_io(|fd| shake(fd.get_ref())).unwrap_or(Ok(Step::Read))),
                    _ => poll_fn(|cx| room::poll_write(fd, &mut spare, cx, &mut shake)).await,
                };
                match outcome.map_err(|source| self.broken(Phase::Securing, source))? {
                    Step::Done => return Ok::<_, Error>(()),
                    step => wants = step,
                }
            }
        };
        tokio::select! {
            done = shaken => done?,
            () = tokio::time::sleep(limit) => {
                return Err(Error::timed_out(Phase::Securing, Some(self.peer()), tls::FLAG, limit).accepted(self.local()));
            }
            () = self.shared.stopping.wait() => return Ok(false),
        }
        tls::tell(fd.get_ref(), self.id, self.sink());
        Ok(true)
    }

    /// Waits, not for ever, until all that TLS had to send is with the kernel.
    pub async fn flush(&self) {
        let Wire::Connection(fd) = &self.wire else { return };
        let mut spare = None;
        let mut flush = |conn: &Conn| match conn.flush()? {
            true => Ok(()),
            false => Err(io::ErrorKind::WouldBlock.into()),
        };
        let flushed = poll_fn(|cx| room::poll_write(fd, &mut spare, cx, &mut flush));
        tokio::select! {
            _ = flushed => {}
            () = tokio::time::sleep(FLUSH) => {}
            () = self.shared.stopping.wait() => {}
        }
    }
}
