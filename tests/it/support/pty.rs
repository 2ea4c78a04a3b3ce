//! A terminal for the program under test.

use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Termios, Winsize, tcgetattr, tcsetwinsize};

use super::Capture;

/// The test's side of a pseudo-terminal, 100 columns by 30 lines.
pub(crate) struct Pty {
    master: File,
    /// Held by us too, so that modes can be read after the program is gone.
    terminal: OwnedFd,
    /// What the terminal shows.
    pub(crate) screen: Capture,
}

impl Pty {
    pub(crate) fn open() -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let terminal = rustix::fs::open(&name, flags, Mode::empty()).unwrap();
        let size = Winsize { ws_row: 30, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&terminal, size).unwrap();
        let master = File::from(master);
        let screen = Capture::keep(master.try_clone().unwrap());
        Self { master, terminal, screen }
    }

    /// The program's side, for its stdin, stdout or stderr.
    pub(crate) fn side(&self) -> OwnedFd {
        self.terminal.try_clone().unwrap()
    }

    /// Presses keys.
    pub(crate) fn keys(&mut self, keys: &str) {
        self.master.write_all(keys.as_bytes()).unwrap();
    }

    /// The terminal's modes.
    pub(crate) fn modes(&self) -> Termios {
        tcgetattr(&self.terminal).unwrap()
    }
}
