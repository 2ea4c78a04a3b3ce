//! What was typed, in `$XDG_STATE_HOME/sockkit/history`, a line each. It is nobody else's business: 0600 in 0700.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::error::words;

/// At most so many lines are kept.
pub(super) const LINES: usize = 10_000;
/// At most so many bytes are kept.
const BYTES: usize = 1 << 20;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct History {
    path: Option<PathBuf>,
    lines: Vec<String>,
    complained: bool,
}

/// The directory of state: the XDG Base Directory Specification takes absolute paths only.
fn path() -> Option<PathBuf> {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")))?;
    Some(state.join("sockkit/history"))
}

impl History {
    /// Reads it. A failure is told, and then nothing is kept: what cannot be read is not to be overwritten.
    pub(super) fn load() -> (Self, Option<String>) {
        let Some(path) = path() else { return (Self::default(), None) };
        Self::at(path)
    }

    fn at(path: PathBuf) -> (Self, Option<String>) {
        match read(&path) {
            Ok((lines, long)) => {
                let mut history = Self { path: Some(path), lines, complained: false };
                let complaint = if long { history.rewrite() } else { None };
                (history, complaint)
            }
            Err(error) => {
                let complaint = format!("history is not kept: {}: {}", path.display(), words(&error));
                (Self { complained: true, ..Self::default() }, Some(complaint))
            }
        }
    }

    /// The lines, the oldest first.
    pub(super) fn lines(&self) -> &[String] {
        &self.lines
    }

    /// Adds a line, unless it is the last one again, or begins with a blank. What went wrong is told once.
    pub(super) fn add(&mut self, line: &str) -> Option<String> {
        if line.is_empty() || line.starts_with(' ') || self.lines.last().is_some_and(|last| last == line) {
            return None;
        }
        self.lines.push(line.to_owned());
        let path = self.path.as_ref()?;
        // Opened for each line: several sessions add to the same file, and one of them may put another in its place.
        let outcome = open(path).and_then(|mut file| file.write_all((escape(line) + "\n").as_bytes()));
        self.complain(outcome)
    }

    fn rewrite(&mut self) -> Option<String> {
        let path = self.path.clone()?;
        let text: String = self.lines.iter().map(|line| escape(line) + "\n").collect();
        let outcome = (|| {
            let new = path.with_extension(format!("new-{}", std::process::id()));
            let mut options = OpenOptions::new();
            let mut file = options.write(true).create_new(true).mode(0o600).open(&new)?;
            file.write_all(text.as_bytes())
                .and_then(|()| std::fs::rename(&new, &path))
                .inspect_err(|_| drop(std::fs::remove_file(&new)))
        })();
        self.complain(outcome)
    }

    fn complain(&mut self, outcome: io::Result<()>) -> Option<String> {
        let error = outcome.err()?;
        let path = self.path.as_ref()?.display();
        let complaint = format!("history is not kept: {path}: {}", words(&error));
        (!std::mem::replace(&mut self.complained, true)).then_some(complaint)
    }
}

/// Opens it to add to it, made if it is not there.
fn open(path: &Path) -> io::Result<File> {
    if let Some(parent) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
    }
    let file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Err(io::Error::other("not a file"));
    }
    if meta.permissions().mode() & 0o177 != 0 {
        file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
    }
    Ok(file)
}

/// The last lines that may be kept, and whether there were more.
fn read(path: &Path) -> io::Result<(Vec<String>, bool)> {
    // A FIFO would be waited for.
    if std::fs::metadata(path).is_ok_and(|meta| !meta.is_file()) {
        return Err(io::Error::other("not a file"));
    }
    let mut file = open(path)?;
    let size = file.metadata()?.len();
    let mut bytes = Vec::new();
    if size > 4 * BYTES as u64 {
        io::Seek::seek(&mut file, io::SeekFrom::End(-(4 * BYTES as i64)))?;
    }
    file.take(8 * BYTES as u64).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let all: Vec<&str> = text.lines().collect();
    let mut left = BYTES;
    let kept = all.iter().rev().take(LINES).take_while(|line| {
        let fits = line.len() < left;
        left = left.saturating_sub(line.len() + 1);
        fits
    });
    let mut lines: Vec<String> = kept.map(|line| unescape(line)).collect();
    lines.reverse();
    // With some room, so that it is not written anew at each start.
    let long = all.len() > LINES + LINES / 4 || bytes.len() > BYTES + BYTES / 4;
    Ok((lines, long))
}

fn escape(line: &str) -> String {
    line.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r")
}

fn unescape(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match (c, if c == '\\' { chars.next() } else { None }) {
            ('\\', Some('n')) => out.push('\n'),
            ('\\', Some('r')) => out.push('\r'),
            ('\\', Some(other)) => out.push(other),
            (c, _) => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_back_and_the_file_is_ours_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b/history");
        let (mut history, complaint) = History::at(path.clone());
        assert_eq!(complaint, None);
        for line in ["one", "one", " secret", "", "two \\n\nlines"] {
            assert_eq!(history.add(line), None);
        }
        assert_eq!(History::at(path.clone()).0.lines(), ["one", "two \\n\nlines"]);
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    }

    #[test]
    fn it_does_not_grow_for_ever() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("history");
        std::fs::write(&path, (0..20_000).map(|nth| format!("{nth}\n")).collect::<String>()).unwrap();
        let (history, complaint) = History::at(path.clone());
        assert_eq!((history.lines().len(), complaint), (LINES, None));
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().next(), Some("10000"));
        std::fs::write(&path, format!("{}\nlast\n", "x".repeat(2 << 20))).unwrap();
        assert_eq!(History::at(path).0.lines(), ["last"]);
    }

    #[test]
    fn a_failure_is_told_once_and_ends_nothing() {
        let (mut history, complaint) = History::at("/proc/nothing/history".into());
        assert!(complaint.unwrap().starts_with("history is not kept: /proc/nothing/history"));
        assert_eq!(history.add("line"), None);
        assert_eq!(history.lines(), ["line"]);
    }
}
