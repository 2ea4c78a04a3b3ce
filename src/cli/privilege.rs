//! What a server gives up once it is bound.

use std::io;
use std::path::{Path, PathBuf};

use clap::Args;

use super::value::path;
use crate::error::{Error, Exit, Phase, Result, words};
use crate::sys::{self, User};

/// What a server gives up once it is bound.
#[derive(Debug, Clone, Args)]
pub struct PrivilegeArgs {
    /// Once bound, become this user, and this group instead of the user's own (names or numbers)
    #[arg(long, value_name = "NAME[:GROUP]", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub user: Option<String>,
    /// Once bound, have this directory for the root of all files
    #[arg(long, value_name = "DIR", value_parser = path())]
    pub chroot: Option<PathBuf>,
    /// Do not have the kernel forbid what serving does not need: opening files, starting programs, other connections
    #[arg(long)]
    pub no_sandbox: bool,
}

/// Who to become and where, looked up while the files that tell it can still be read.
#[derive(Debug)]
pub struct Privilege<'a> {
    args: &'a PrivilegeArgs,
    user: Option<User>,
}

impl PrivilegeArgs {
    /// Looks up the user and the group.
    ///
    /// # Errors
    /// Exit 2 for one that does not exist.
    pub fn resolve(&self) -> Result<Privilege<'_>> {
        let user = self.user.as_deref().map(find).transpose()?;
        // The C library reads the zone when it first needs it, which may be where there is none.
        let _ = sys::local_time(std::time::SystemTime::now());
        Ok(Privilege { args: self, user })
    }
}

impl Privilege<'_> {
    /// Changes the root, then the user.
    ///
    /// # Errors
    /// Exit 11 without the privilege to; exit 1 for a directory that is none.
    pub fn give_up(&self) -> Result<()> {
        if let Some(dir) = &self.args.chroot {
            sys::change_root(dir).map_err(|source| refused("--chroot", dir, "CAP_SYS_CHROOT", &source))?;
        }
        if let (Some(user), Some(name)) = (self.user, &self.args.user) {
            let (flag, needs) = (format!("--user {name}"), "CAP_SETUID and CAP_SETGID");
            sys::become_user(user).map_err(|source| refused(&flag, Path::new(""), needs, &source))?;
        }
        Ok(())
    }
}

fn refused(flag: &str, path: &Path, needs: &str, source: &io::Error) -> Error {
    let error = Error::file(flag, path, source);
    if source.raw_os_error() == Some(libc::EPERM) {
        let text = format!("{}: only root may, or who has {needs}", error.cause);
        return Error::text(Exit::Permission, Phase::Opening, None, text);
    }
    error
}

/// Names first, for one may consist of digits.
fn find(text: &str) -> Result<User> {
    let (name, group) = text.split_once(':').map_or((text, None), |(name, group)| (name, Some(group)));
    let failed = |source: io::Error| Error::usage(format!("--user {text}: {}", words(&source)));
    let number =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u32>().ok()).flatten();
    let gid = match group {
        None => None,
        Some(group) => match (sys::group_named(group).map_err(failed)?, number(group)) {
            (Some(gid), _) | (None, Some(gid)) => Some(gid),
            (None, None) => return Err(Error::usage(format!("--user {text}: there is no group {group:?}"))),
        },
    };
    let known = match sys::user_named(name).map_err(failed)? {
        None => number(name).map(sys::user_numbered).transpose().map_err(failed)?.flatten(),
        found => found,
    };
    match (known, number(name), gid) {
        (Some(user), _, gid) => Ok(User { gid: gid.unwrap_or(user.gid), ..user }),
        (None, Some(uid), Some(gid)) => Ok(User { uid, gid }),
        (None, Some(uid), None) => Err(Error::usage(format!(
            "--user {text}: no user has the number {uid}, and so no group: --user {uid}:GROUP"
        ))),
        (None, None, _) => Err(Error::usage(format!("--user {text}: there is no user {name:?}"))),
    }
}
