//! What the engine shows: on a terminal through the printer, else as a script does; and kept for `/save`.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::File;
use std::io::Write as _;
use std::os::fd::BorrowedFd;
use std::rc::Rc;
use std::sync::Arc;

use super::printer::Printer;
use super::record::Record;
use crate::charset::Charset;
use crate::error::words;
use crate::event::ConnId;
use crate::text::{Direction, Dumps, Visible};
use crate::work::script::run::Face;

/// Keeps what goes by.
pub(super) struct Kept<'a> {
    pub(super) face: Box<dyn Face + 'a>,
    pub(super) record: Rc<RefCell<Record>>,
}

impl Face for Kept<'_> {
    fn payload(&mut self, conn: ConnId, bytes: &[u8]) {
        self.record.borrow_mut().came(conn, bytes);
        self.face.payload(conn, bytes);
    }

    fn sent(&mut self, conn: ConnId, bytes: &[u8]) {
        self.record.borrow_mut().sent(conn, bytes);
        self.face.sent(conn, bytes);
    }

    fn say(&mut self, text: &str) {
        self.face.say(text);
    }

    fn hex(&mut self, on: bool) {
        self.face.hex(on);
    }

    fn blocked(&self) -> Option<BorrowedFd<'_>> {
        self.face.blocked()
    }

    fn is_full(&self) -> bool {
        self.face.is_full()
    }

    fn flush(&mut self) {
        self.face.flush();
    }
}

/// The terminal of a line editor.
pub(super) struct Screen<'a> {
    pub(super) printer: Arc<Printer>,
    /// Whether payload is shown at all.
    pub(super) show: bool,
    /// Control bytes are shown as they are.
    pub(super) raw: bool,
    /// The encoding of what comes, where that is not UTF-8.
    pub(super) encoding: Option<Charset>,
    /// A file for the bytes of both directions (`--output`).
    pub(super) copy: Option<&'a File>,
    /// Of each connection, what its bytes become.
    pub(super) filters: HashMap<ConnId, Filter>,
    /// `set hex`.
    pub(super) hex: Option<Dumps>,
}

impl Screen<'_> {
    fn dump(&mut self, conn: ConnId, direction: Direction, bytes: &[u8]) {
        let Some(dumps) = &mut self.hex else { return };
        let text = dumps.next(conn, direction, bytes, "");
        let several = self.filters.len() > 1;
        self.printer.payload(conn, &text, several);
    }

    fn keep_copy(&mut self, bytes: &[u8]) {
        let Some(mut copy) = self.copy else { return };
        if let Err(error) = copy.write_all(bytes) {
            self.copy = None;
            self.printer.lines(&format!("[--output: {}]", words(&error)));
        }
    }
}

impl Face for Screen<'_> {
    fn payload(&mut self, conn: ConnId, bytes: &[u8]) {
        self.keep_copy(bytes);
        if !self.show {
            return;
        }
        let (raw, encoding) = (self.raw, self.encoding);
        let filter = self.filters.entry(conn).or_insert_with(|| Filter::new(raw, encoding));
        let text = filter.push(bytes);
        if self.hex.is_some() {
            self.dump(conn, Direction::Received, bytes);
        } else {
            let several = self.filters.len() > 1;
            self.printer.payload(conn, &text, several);
        }
    }

    fn sent(&mut self, conn: ConnId, bytes: &[u8]) {
        self.keep_copy(bytes);
        self.printer.sent(conn);
        self.dump(conn, Direction::Sent, bytes);
    }

    fn say(&mut self, text: &str) {
        self.printer.lines(text);
    }

    fn hex(&mut self, on: bool) {
        self.hex = on.then(|| self.hex.take().unwrap_or_default());
    }

    fn is_full(&self) -> bool {
        self.printer.is_full()
    }
}

/// Bytes as text, as they stream by.
pub(super) enum Filter {
    Safe(Visible),
    /// The beginning of a character whose end has not come yet.
    Raw(Vec<u8>),
}

impl Filter {
    fn new(raw: bool, encoding: Option<Charset>) -> Self {
        if raw { Self::Raw(Vec::new()) } else { Self::Safe(Visible::of(encoding)) }
    }

    fn push(&mut self, bytes: &[u8]) -> String {
        let tail = match self {
            Self::Safe(visible) => return visible.push(bytes),
            Self::Raw(tail) => tail,
        };
        tail.extend_from_slice(bytes);
        let whole = std::mem::take(tail);
        let end = match std::str::from_utf8(&whole) {
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            // What is no text is replaced, as a terminal would.
            _ => whole.len(),
        };
        tail.extend_from_slice(&whole[end..]);
        String::from_utf8_lossy(&whole[..end]).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_bytes_pass_and_characters_stay_whole() {
        let mut filter = Filter::new(true, None);
        assert_eq!(filter.push(b"\x1b[1m\xe6\x94"), "\x1b[1m");
        assert_eq!(filter.push(b"\xb6\xff!"), "收\u{fffd}!");
    }
}
