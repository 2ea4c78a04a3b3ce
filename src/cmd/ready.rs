//! How a server tells others that it is ready: `--ready-file`, `--ready-fd`.

use std::fs::{File, OpenOptions, remove_file, rename, symlink_metadata};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use crate::addr::Endpoint;
use crate::cli::ServingArgs;
use crate::error::{Error, Exit, Phase, Result};
use crate::sys;

/// Who is to be told.
pub(super) struct Ready<'a> {
    file: Option<&'a Path>,
    descriptor: Option<(i32, File)>,
}

impl<'a> Ready<'a> {
    /// As the flags have it. Before anything is bound: a descriptor that is not open is a mistake in the command line.
    ///
    /// # Errors
    /// Exit 2 for such a descriptor; a place that a file must not take: a device, a FIFO, a link.
    pub(super) fn of(serving: &'a ServingArgs) -> Result<Self> {
        let descriptor = match serving.ready_fd.map(|number| (number, sys::inherited_output(number))) {
            Some((number, Err(_))) => return Err(Error::usage(format!("--ready-fd: descriptor {number} is not open"))),
            Some((number, Ok(fd))) => Some((number, File::from(fd))),
            None => None,
        };
        let file = serving.ready_file.as_deref();
        if let Some(path) = file
            && symlink_metadata(path).is_ok_and(|there| !there.is_file() && !there.is_dir())
        {
            // A rename would put a file in the place of /dev/null, or of the link that /dev/stdout is.
            let why = "not a regular file; it was left alone (--ready-fd writes to what is open)";
            let text = format!("the ready signal to {}: {why}", path.display());
            return Err(Error::text(Exit::Failed, Phase::File, None, text));
        }
        Ok(Self { file, descriptor })
    }

    /// Writes the file. That may need what the server gives up after it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn write_file(&self, local: &Endpoint) -> Result<()> {
        let Some(path) = self.file else { return Ok(()) };
        write_whole(path, local).map_err(|source| Error::file("the ready signal to", path, &source))
    }

    /// Takes the file away: nobody is to wait for a server that does not come.
    pub(super) fn withdraw(&self) {
        self.file.iter().for_each(|path| drop(remove_file(path)));
    }

    /// Writes to the descriptor, and closes it.
    ///
    /// # Errors
    /// When that fails.
    pub(super) fn tell(self, local: &Endpoint) -> Result<()> {
        let Some((number, mut file)) = self.descriptor else { return Ok(()) };
        // In one write(2): whoever reads a part of it would connect to another port.
        let written = file.write_all(format!("{local}\n").as_bytes());
        let what = || format!("the ready signal to descriptor {number}");
        written.map_err(|source| Error::file(&what(), Path::new(""), &source))
    }
}

/// Whoever reads the file finds all of the address, or no file: it is written beside, then renamed.
fn write_whole(path: &Path, local: &Endpoint) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}", std::process::id()));
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
        .open(&beside)?;
    let done = file.write_all(format!("{local}\n").as_bytes()).and_then(|()| rename(&beside, path));
    if done.is_err() {
        let _ = remove_file(&beside);
    }
    done
}
