//! The `sockkit` command. See the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    let argv: Vec<_> = std::env::args_os().collect();
    sockkit::cmd::main(&argv).into()
}
