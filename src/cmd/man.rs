//! `sockkit man`.

use std::path::PathBuf;

use clap::Args;
use clap_mangen::Man as Page;

use super::{Context, Runnable};
use crate::error::{Error, Exit, Result};

/// The arguments of `sockkit man`.
#[derive(Debug, Args)]
pub(super) struct Man {
    /// Where to write the pages; made if missing [default: the current directory]
    #[arg(default_value = ".", hide_default_value = true)]
    dir: PathBuf,
}

impl Runnable for Man {
    const NAME: &'static str = "man";
    const ABOUT: &'static str = "Write the man pages";

    fn run(&self, _: &Context) -> Result<Exit> {
        std::fs::create_dir_all(&self.dir).map_err(|source| Error::file("", &self.dir, &source))?;
        let mut top = super::command(false);
        top.build();
        let mut pages = vec![("sockkit".to_owned(), top)];
        while let Some((name, command)) = pages.pop() {
            for own in command.get_subcommands().filter(|own| own.get_name() != "help") {
                let name = format!("{name}-{}", own.get_name());
                pages.push((name.clone(), own.clone().name(name)));
            }
            let path = self.dir.join(format!("{name}.1"));
            let mut page = Vec::new();
            let written = Page::new(command).render(&mut page).and_then(|()| std::fs::write(&path, &page));
            written.map_err(|source| Error::file("", &path, &source))?;
        }
        Ok(Exit::Ok)
    }
}
