//! The modes of the terminal at standard input, kept so that they can be put back on every way out, also from a
//! signal handler.

use std::io;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

/// The modes that the terminal had. Once set it is never freed: a signal handler may be about to read it.
static SAVED: AtomicPtr<libc::termios> = AtomicPtr::new(ptr::null_mut());

/// Whether an editor has the terminal in modes of its own, which it will put back to those that it found.
static IN_USE: AtomicBool = AtomicBool::new(false);

/// What a line editor may have turned on: bracketed paste, DEC private mode 2004.
const PASTE_OFF: &[u8] = b"\x1b[?2004l";

/// Keeps the modes of the terminal at standard input until it is dropped, and then puts them back.
#[derive(Debug)]
pub struct TerminalModes(());

impl TerminalModes {
    /// Keeps the modes as they are now.
    ///
    /// # Errors
    /// `ENOTTY` when standard input is no terminal.
    pub fn keep() -> io::Result<Self> {
        let mut modes = MaybeUninit::zeroed();
        // SAFETY: the struct is ours, and is read after success only.
        let modes: libc::termios = unsafe {
            if libc::tcgetattr(libc::STDIN_FILENO, modes.as_mut_ptr()) < 0 {
                return Err(io::Error::last_os_error());
            }
            modes.assume_init()
        };
        SAVED.store(Box::into_raw(Box::new(modes)), Ordering::SeqCst);
        Ok(Self(()))
    }

    /// Says whether an editor is at work.
    pub fn in_use(on: bool) {
        IN_USE.store(on, Ordering::SeqCst);
    }
}

impl Drop for TerminalModes {
    fn drop(&mut self) {
        restore_terminal();
        SAVED.store(ptr::null_mut(), Ordering::SeqCst);
    }
}

/// The same from a signal handler that ends the process. An editor that is just leaving would set modes afterwards, so
/// it is waited for; not for long, as it may not be leaving at all.
pub(super) fn restore_terminal_at_the_end() {
    let moment = libc::timespec { tv_sec: 0, tv_nsec: 2_000_000 };
    for _ in 0..100 {
        if SAVED.load(Ordering::SeqCst).is_null() || !IN_USE.load(Ordering::SeqCst) {
            break;
        }
        // SAFETY: nanosleep is async-signal-safe and reads the struct only.
        unsafe { libc::nanosleep(&moment, ptr::null_mut()) };
    }
    restore_terminal();
}

/// Puts the kept modes back, if there are any.
fn restore_terminal() {
    let modes = SAVED.load(Ordering::SeqCst);
    if modes.is_null() {
        return;
    }
    // SAFETY: the pointer came from Box::into_raw and is never freed; the calls are async-signal-safe.
    unsafe {
        // In the background the terminal is another program's, and setting its modes would stop us.
        // One that is not the controlling terminal stops nobody, and has no foreground (-1).
        let foreground = libc::tcgetpgrp(libc::STDIN_FILENO);
        if foreground < 0 || foreground == libc::getpgrp() {
            libc::tcsetattr(libc::STDIN_FILENO, libc::TCSANOW, modes);
            libc::write(libc::STDOUT_FILENO, PASTE_OFF.as_ptr().cast(), PASTE_OFF.len());
        }
    }
}
