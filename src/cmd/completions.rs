//! `sockkit completions`.

use clap::Args;
use clap_complete::Shell;

use super::{Context, Runnable};
use crate::error::{Exit, Result};

/// The arguments of `sockkit completions`.
#[derive(Debug, Args)]
pub(super) struct Completions {
    /// The shell to complete for
    #[arg(value_enum)]
    shell: Shell,
}

impl Runnable for Completions {
    const NAME: &'static str = "completions";
    const ABOUT: &'static str = "Print a completion script";

    fn run(&self, _: &Context) -> Result<Exit> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut super::command(false), "sockkit", &mut script);
        crate::out::print(&script)
    }
}
