//! What stands in front of a session on a byte stream: an answer of a proxy, or a PROXY protocol header.
//!
//! It is looked at before it is taken, and no more is taken than belongs to it: what follows stays in the kernel, for
//! whoever reads the connection next, by whatever way.

use std::io;

use crate::net::conn::Conn;

/// How much is looked at in one go, in bytes.
const CHUNK: usize = 4096;

/// What has come so far.
#[derive(Debug, Default)]
pub struct Head {
    seen: Vec<u8>,
}

/// Why there will be no whole head.
#[derive(Debug)]
pub enum Broken<E> {
    /// The connection failed.
    Os(io::Error),
    /// The peer ended, after so many bytes.
    Ended(usize),
    /// It is none.
    Bad(E),
}

impl Head {
    /// Takes what is there. `parse` is given all that has come so far, and answers with the value and how many bytes it
    /// took, or with `None` while more has to come, which it must not ask for without end. `None` when more is to be
    /// waited for.
    ///
    /// # Errors
    /// See [`Broken`].
    pub fn advance<T, E>(
        &mut self,
        conn: &Conn,
        parse: impl Fn(&[u8]) -> Result<Option<(T, usize)>, E>,
    ) -> Result<Option<T>, Broken<E>> {
        loop {
            let before = self.seen.len();
            match conn.peek(CHUNK) {
                Ok(peeked) if peeked.is_empty() => return Err(Broken::Ended(before)),
                Ok(peeked) => self.seen.extend_from_slice(&peeked),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(Broken::Os(error)),
            }
            let parsed = parse(&self.seen).map_err(Broken::Bad)?;
            let taken = parsed.as_ref().map_or(self.seen.len(), |(_, taken)| *taken);
            conn.skip(taken.saturating_sub(before)).map_err(Broken::Os)?;
            if let Some((value, _)) = parsed {
                // What was looked at beyond it was not taken.
                self.seen.clear();
                return Ok(Some(value));
            }
        }
    }

    /// What has come and is no whole head, with the bytes that were only looked at.
    #[must_use]
    pub fn seen(&self) -> &[u8] {
        &self.seen
    }
}
