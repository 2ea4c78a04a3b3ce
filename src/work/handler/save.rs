//! A file for each session: what the peer sent, byte for byte.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::work::link::{Got, Link};

/// See the module.
#[derive(Debug, Clone)]
pub struct Save {
    /// The directory that gets the files.
    pub dir: PathBuf,
}

impl Save {
    pub(super) async fn run(&self, link: &Link) -> Result<()> {
        let (path, mut file) = self.create(&link.peer().to_string(), link.id)?;
        loop {
            // Files do not wait, so writing here holds nobody up for longer than the disk does.
            let more = link.recv(|got| match got {
                Got::Bytes(bytes) => file.write_all(bytes).map(|()| true),
                Got::Eof => Ok(false),
            });
            if !more.await?.map_err(|source| failed(&path, &source))? {
                return link.finish();
            }
        }
    }

    /// `N-PEER`, and never over a file that is there: a number is added until the name is free.
    fn create(&self, peer: &str, id: u64) -> Result<(PathBuf, File)> {
        let safe: String =
            peer.chars().map(|c| if c.is_ascii_alphanumeric() || ".-".contains(c) { c } else { '_' }).collect();
        let mut nth = 0;
        loop {
            let name = if nth == 0 { format!("{id}-{safe}") } else { format!("{id}-{safe}.{nth}") };
            let path = self.dir.join(name);
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => return Ok((path, file)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => nth += 1,
                Err(source) => return Err(failed(&path, &source)),
            }
        }
    }
}

fn failed(path: &Path, source: &io::Error) -> Error {
    Error::file("", path, source)
}
