//! SSLKEYLOGFILE: the secrets of each connection, for whoever looks into it (draft-ietf-tls-keylogfile).

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use rustls::KeyLog;

use crate::error::words;
use crate::event::{Event, Sink};
use crate::text::hex;

/// The variable that names the file.
const VARIABLE: &str = "SSLKEYLOGFILE";

/// The one of this process.
static LOG: OnceLock<Arc<Log>> = OnceLock::new();

/// What the library writes to.
#[derive(Debug)]
struct Log(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    path: PathBuf,
    file: Option<File>,
    /// Not told yet.
    failed: Option<io::Error>,
}

/// The log, opened by the first who asks: later there may be no right to open it any more.
pub(super) fn log() -> Arc<dyn KeyLog> {
    LOG.get_or_init(|| Arc::new(Log::open(std::env::var_os(VARIABLE).unwrap_or_default().into()))).clone()
}

/// Says, once, that the log cannot be written.
pub(super) fn complain(sink: &dyn Sink) {
    if let Some(message) = LOG.get().and_then(|log| log.complaint()) {
        sink.emit(None, &Event::Warning { message: &message });
    }
}

impl Log {
    fn open(path: PathBuf) -> Self {
        let mut state = State { path, ..State::default() };
        if !state.path.as_os_str().is_empty() {
            // Whoever reads it reads the connections.
            match OpenOptions::new().append(true).create(true).mode(0o600).open(&state.path) {
                Ok(file) => state.file = Some(file),
                Err(error) => state.failed = Some(error),
            }
        }
        Self(Mutex::new(state))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn complaint(&self) -> Option<String> {
        let mut state = self.state();
        let error = state.failed.take()?;
        Some(format!("{VARIABLE} {}: {}: no secrets are written there", state.path.display(), words(&error)))
    }
}

impl KeyLog for Log {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        let mut state = self.state();
        let Some(file) = &mut state.file else { return };
        // In one call, for others may write to it as well.
        let line = format!("{label} {} {}\n", hex(client_random), hex(secret));
        if let Err(error) = file.write_all(line.as_bytes()) {
            (state.file, state.failed) = (None, Some(error));
        }
    }

    fn will_log(&self, _label: &str) -> bool {
        self.state().file.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_written_is_said_once() {
        let log = Log::open("/dev/full".into());
        assert!(log.will_log("any") && log.complaint().is_none());
        log.log("CLIENT_RANDOM", &[1, 2], &[3]);
        log.log("CLIENT_RANDOM", &[1, 2], &[3]);
        let said = log.complaint().unwrap();
        assert!(said.starts_with("SSLKEYLOGFILE /dev/full: No space left on device"), "{said}");
        assert!(log.complaint().is_none() && !log.will_log("any"));
    }

    #[test]
    fn without_the_variable_nothing_is_written() {
        let log = Log::open(PathBuf::new());
        assert!(!log.will_log("any") && log.complaint().is_none());
    }
}
