//! What a test may need that a machine may not have.

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Need {
    NcOpenbsd,
    NcTraditional,
    Ncat,
    Socat,
    Busybox,
    Python3,
    Curl,
    Redis,
    Openssl,
    Stunnel,
    /// Debian's package of it, for Debian's Python.
    Aiosmtpd,
    /// A server's programs, and a user of that name to run them.
    Postgres,
    Microsocks,
    Tinyproxy,
    Sshd,
    Haproxy,
    Nginx,
    Tar,
    Prlimit,
    Setsid,
    Setpriv,
    /// It may trace.
    Strace,
    /// Root that may make network namespaces, and `ip`.
    Root,
    /// `nft` in a namespace of our own.
    Nft,
    /// `::1` can be bound.
    Ipv6,
}

impl Need {
    /// The name of what is missing, `None` when it is there. Asked once per run of the tests.
    pub(crate) fn missing(self) -> Option<&'static str> {
        static KNOWN: Mutex<Option<HashMap<Need, bool>>> = Mutex::new(None);
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        let here = *known.get_or_insert_default().entry(self).or_insert_with(|| self.is_here());
        (!here).then(|| self.name())
    }

    fn name(self) -> &'static str {
        match self {
            Need::NcOpenbsd => "nc.openbsd",
            Need::NcTraditional => "nc.traditional",
            Need::Ncat => "ncat",
            Need::Socat => "socat",
            Need::Busybox => "busybox",
            Need::Python3 => "python3",
            Need::Curl => "curl",
            Need::Redis => "redis-server",
            Need::Openssl => "openssl",
            Need::Stunnel => "stunnel",
            Need::Aiosmtpd => "python3-aiosmtpd",
            Need::Postgres => "postgresql, and root",
            Need::Microsocks => "microsocks",
            Need::Tinyproxy => "tinyproxy",
            Need::Haproxy => "haproxy",
            Need::Nginx => "nginx",
            Need::Sshd => "sshd, ssh and ssh-keygen",
            Need::Tar => "tar",
            Need::Prlimit => "prlimit",
            Need::Setsid => "setsid",
            Need::Setpriv => "setpriv",
            Need::Strace => "strace",
            Need::Root => "root with `ip netns`",
            Need::Nft => "nft in a network namespace",
            Need::Ipv6 => "IPv6 on loopback",
        }
    }

    fn is_here(self) -> bool {
        match self {
            Need::Root => succeeds("unshare", &["-n", "true"]) && succeeds("ip", &["netns", "list"]),
            Need::Nft => Need::Root.is_here() && succeeds("unshare", &["-n", "nft", "list", "ruleset"]),
            Need::Sshd => ["sshd", "ssh", "ssh-keygen"].into_iter().all(|program| on_path(program).is_some()),
            Need::Strace => {
                succeeds("strace", &["-D", "-f", "-o", "/dev/null", "-e", "inject=uname:error=EPERM", "true"])
            }
            Need::Aiosmtpd => succeeds("/usr/bin/python3", &["-c", "import aiosmtpd"]),
            Need::Postgres => postgres().is_some() && succeeds("runuser", &["-u", "postgres", "--", "true"]),
            Need::Ipv6 => std::net::TcpListener::bind("[::1]:0").is_ok(),
            program => on_path(program.name()).is_some(),
        }
    }
}

/// Where a program is.
pub(crate) fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    // Servers live in sbin, which is not on every user's path.
    let mut places = std::env::split_paths(&path).chain(["/usr/sbin".into()]).map(|dir| dir.join(program));
    places.find(|place| place.is_file())
}

fn succeeds(program: &str, args: &[&str]) -> bool {
    let quiet = Stdio::null;
    Command::new(program)
        .args(args)
        .stdin(quiet())
        .stdout(quiet())
        .stderr(quiet())
        .status()
        .is_ok_and(|status| status.success())
}

/// The interpreter itself: what is called `python3` may be a slow wrapper that looks for it.
pub(crate) fn python() -> String {
    static FOUND: OnceLock<String> = OnceLock::new();
    FOUND
        .get_or_init(|| {
            let asked = Command::new("python3").args(["-c", "import sys; print(sys.executable)"]).output();
            let said = asked.ok().and_then(|out| String::from_utf8(out.stdout).ok()).unwrap_or_default();
            if said.trim().is_empty() { "python3".to_owned() } else { said.trim().to_owned() }
        })
        .clone()
}

/// Where the programs of a PostgreSQL server are: Debian has them on nobody's path.
pub(crate) fn postgres() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    versions.filter_map(Result::ok).map(|version| version.path().join("bin")).find(|bin| bin.join("initdb").is_file())
}
