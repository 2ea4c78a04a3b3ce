//! Whether to use colour, and what little of it there is.

use std::env;
use std::io::{self, IsTerminal as _};

use colored::Colorize as _;

/// `--color`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ColorChoice {
    /// Where stderr is a terminal, unless the environment says otherwise.
    #[default]
    Auto,
    /// Also into a file.
    Always,
    /// Not at all.
    Never,
}

/// What surrounds the program, as far as colour goes.
#[derive(Debug, Clone, Default)]
pub struct Terminal {
    /// `NO_COLOR`, <https://no-color.org>: not empty means no.
    pub no_color: Option<String>,
    /// `CLICOLOR_FORCE`, <https://bixense.com/clicolors>: neither empty nor `0` means yes.
    pub clicolor_force: Option<String>,
    /// `TERM`.
    pub term: Option<String>,
    /// Whether stderr is a terminal.
    pub is_terminal: bool,
}

/// Whether colour is wanted: the flag wins, then `NO_COLOR`, `CLICOLOR_FORCE`, `TERM=dumb`, the terminal.
#[must_use]
pub fn wanted(choice: ColorChoice, terminal: &Terminal) -> bool {
    let set = |variable: &Option<String>| variable.as_deref().is_some_and(|value| !value.is_empty());
    match choice {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto if set(&terminal.no_color) => false,
        ColorChoice::Auto if set(&terminal.clicolor_force) && terminal.clicolor_force.as_deref() != Some("0") => true,
        ColorChoice::Auto => terminal.term.as_deref() != Some("dumb") && terminal.is_terminal,
    }
}

/// Decides for this process, and tells the crate that colours.
pub(super) fn decide(choice: ColorChoice) -> bool {
    let variable = |name| env::var_os(name).map(|value| value.to_string_lossy().into_owned());
    let terminal = Terminal {
        no_color: variable("NO_COLOR"),
        clicolor_force: variable("CLICOLOR_FORCE"),
        term: variable("TERM"),
        is_terminal: io::stderr().is_terminal(),
    };
    let wanted = wanted(choice, &terminal);
    colored::control::set_override(wanted);
    wanted
}

/// The parts of a line that stand out.
#[derive(Debug, Clone, Copy)]
pub(super) enum Paint {
    Failure,
    Warning,
    Label,
    Dim,
}

pub(super) fn paint(color: bool, paint: Paint, text: &str) -> String {
    if !color {
        return text.to_owned();
    }
    match paint {
        Paint::Failure => text.red().bold(),
        Paint::Warning => text.yellow(),
        Paint::Label => text.bold(),
        Paint::Dim => text.dimmed(),
    }
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_wins_then_the_environment_then_the_terminal() {
        let at = |no_color: Option<&str>, force: Option<&str>, term: &str, is_terminal| {
            let own = |text: &str| text.to_owned();
            let terminal = Terminal {
                no_color: no_color.map(own),
                clicolor_force: force.map(own),
                term: Some(own(term)),
                is_terminal,
            };
            [ColorChoice::Always, ColorChoice::Auto, ColorChoice::Never].map(|choice| wanted(choice, &terminal))
        };
        for (no_color, force, term, is_terminal, auto) in [
            (None, None, "xterm", true, true),
            (None, None, "xterm", false, false),
            (None, None, "dumb", true, false),
            (Some("1"), None, "xterm", true, false),
            (Some(""), None, "xterm", true, true),
            (None, Some("1"), "dumb", false, true),
            (None, Some("0"), "xterm", false, false),
            (Some("1"), Some("1"), "xterm", true, false),
        ] {
            assert_eq!(at(no_color, force, term, is_terminal), [true, auto, false], "{no_color:?} {force:?} {term}");
        }
    }
}
