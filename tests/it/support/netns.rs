//! A network of the test's own.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// A named network namespace with its loopback up; gone on drop.
pub(crate) struct Netns {
    name: String,
}

impl Netns {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("sockkit-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let ns = Self { name };
        ip(&["netns", "add", &ns.name]);
        ns.run("ip link set lo up");
        ns
    }

    /// Runs a line of shell in the namespace; it must succeed.
    #[track_caller]
    pub(crate) fn run(&self, line: &str) {
        let mut argv = self.wrap().to_vec();
        argv.extend(["sh".to_owned(), "-ec".to_owned(), line.to_owned()]);
        let out = Command::new(&argv[0]).args(&argv[1..]).output().unwrap();
        assert!(out.status.success(), "{line}: {}", String::from_utf8_lossy(&out.stderr));
    }

    /// What to put in front of a command so that it runs in the namespace (it execs, so the pid stays).
    pub(crate) fn wrap(&self) -> [String; 4] {
        ["ip".to_owned(), "netns".to_owned(), "exec".to_owned(), self.name.clone()]
    }
}

impl Drop for Netns {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.name]).status();
    }
}

#[track_caller]
fn ip(args: &[&str]) {
    let out = Command::new("ip").args(args).output().unwrap();
    assert!(out.status.success(), "ip {args:?}: {}", String::from_utf8_lossy(&out.stderr));
}
