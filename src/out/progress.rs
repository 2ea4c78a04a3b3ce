//! One line at the bottom of a terminal that tells how it stands, and is drawn over.

use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use unicode_width::UnicodeWidthStr as _;

use super::Descriptor;
use crate::text::{fitting, visible_line};

/// Whether such a line stands there.
static DRAWN: Mutex<bool> = Mutex::new(false);

/// Back to the first column, and away with what stands there: ECMA-48, CR and EL.
const CLEAR: &[u8] = b"\r\x1b[K";

/// The right to draw it. When it is dropped the line goes.
#[derive(Debug)]
pub struct Progress(());

impl Progress {
    /// Where stderr is a terminal that can clear a line.
    #[must_use]
    pub fn at_a_terminal() -> Option<Self> {
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        (io::stderr().is_terminal() && !dumb).then_some(Self(()))
    }

    /// Draws this in the place of what stood there, as far as the line has room.
    pub fn draw(&self, text: &str) {
        let columns = rustix::termios::tcgetwinsize(io::stderr()).map_or(80, |size| usize::from(size.ws_col)).max(20);
        let text = visible_line(text);
        let cut: String = if text.width() < columns {
            text.into_owned()
        } else {
            text.chars().take_while(fitting(columns)).collect()
        };
        let mut drawn = drawn();
        let bytes = [CLEAR, cut.as_bytes()].concat();
        *drawn = Descriptor::new(io::stderr(), None).write_all(&bytes).is_ok();
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        let mut drawn = drawn();
        clear(&mut drawn);
    }
}

/// For whoever writes to a terminal: the line goes first, and does not come back while the guard is held.
pub(super) fn out_of_the_way() -> MutexGuard<'static, bool> {
    let mut drawn = drawn();
    clear(&mut drawn);
    drawn
}

fn clear(drawn: &mut bool) {
    if std::mem::take(drawn) {
        let _ = Descriptor::new(io::stderr(), None).write_all(CLEAR);
    }
}

fn drawn() -> MutexGuard<'static, bool> {
    DRAWN.lock().unwrap_or_else(PoisonError::into_inner)
}
