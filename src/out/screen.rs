//! A terminal that somebody else draws on: a line editor. While it is lent, everything that would go to a terminal
//! goes through the one who draws, so that no line is broken into.

use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::sync::{Mutex, PoisonError};

use super::Descriptor;
use super::progress::out_of_the_way;
use crate::sys::Stop;

static BORROWER: Mutex<Option<Box<dyn Write + Send>>> = Mutex::new(None);

/// Until it is dropped the terminal is lent.
#[derive(Debug)]
pub struct Lent(());

/// Lends the terminal: what is said goes to `borrower`, in whole lines. It must not say anything itself.
#[must_use]
pub fn lend_screen(borrower: Box<dyn Write + Send>) -> Lent {
    *BORROWER.lock().unwrap_or_else(PoisonError::into_inner) = Some(borrower);
    Lent(())
}

impl Drop for Lent {
    fn drop(&mut self) {
        *BORROWER.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Standard output or standard error: where it is a terminal, it may be lent.
pub(super) struct Standard<F> {
    terminal: bool,
    own: Descriptor<F>,
}

impl<F: AsFd + IsTerminal> Standard<F> {
    pub(super) fn new(fd: F, stop: Option<&Stop>) -> Self {
        Self { terminal: fd.is_terminal(), own: Descriptor::new(fd, stop) }
    }
}

impl<F: AsFd> Write for Standard<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.terminal
            && let Some(borrower) = &mut *BORROWER.lock().unwrap_or_else(PoisonError::into_inner)
        {
            borrower.write_all(bytes)?;
            return Ok(bytes.len());
        }
        let _line = self.terminal.then(out_of_the_way);
        self.own.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
