//! What every line editor does with its terminal.

use std::io;
use std::sync::Arc;

use rustix::termios::{InputModes, LocalModes, OptionalActions, SpecialCodeIndex, tcgetattr, tcsetattr};
use rustyline::config::{Builder, Config};
use rustyline::error::ReadlineError;
use rustyline::history::MemHistory;
use rustyline::{ColorMode, CompletionType, Editor, ExternalPrinter as _, Helper};

use super::printer::Printer;

/// SIGINT: what Ctrl-C means where there is nothing left that it could interrupt.
pub(super) const INTERRUPT: u8 = 2;

/// How they complete and colour.
pub(super) fn config() -> Builder {
    Config::builder()
        .color_mode(ColorMode::Forced)
        .completion_type(CompletionType::List)
        .completion_show_all_if_ambiguous(true)
}

/// Between two lines keys wait for the next one: they are neither echoed nor changed, but for Ctrl-C.
///
/// # Errors
/// Those of tcsetattr(3).
pub(super) fn hold() -> io::Result<()> {
    let mut between = tcgetattr(io::stdin())?;
    between.local_modes.remove(LocalModes::ECHO | LocalModes::ICANON | LocalModes::IEXTEN);
    between.input_modes.remove(InputModes::ICRNL | InputModes::INLCR | InputModes::IXON);
    between.special_codes[SpecialCodeIndex::VMIN] = 1;
    between.special_codes[SpecialCodeIndex::VTIME] = 0;
    Ok(tcsetattr(io::stdin(), OptionalActions::Now, &between)?)
}

/// Has the editor draw whenever something waits in the printer, from a thread of its own.
///
/// # Errors
/// When the editor has no way to be asked.
pub(super) fn bell<H: Helper>(editor: &mut Editor<H, MemHistory>, printer: &Arc<Printer>) -> Result<(), ReadlineError> {
    let mut bell = editor.create_external_printer()?;
    let printer = printer.clone();
    std::thread::spawn(move || printer.ring(|text| bell.print(text).is_ok()));
    Ok(())
}
