//! A network of the test's own.

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

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

    /// Runs this in the namespace; a socket that it makes stays there.
    pub(crate) fn within<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let inside = File::open(Path::new("/run/netns").join(&self.name)).unwrap();
        std::thread::scope(|scope| {
            let worker = scope.spawn(|| {
                move_into_link_name_space(inside.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
                work()
            });
            worker.join().unwrap_or_else(|panic| {
                // The message, for that of another thread is not kept.
                panic!("in {}: {}", self.name, panic.downcast_ref::<String>().map_or("panicked", String::as_str))
            })
        })
    }

    /// What stands in `/etc/NAME` for programs that are started in the namespace, see ip-netns(8).
    pub(crate) fn etc(&self, name: &str, text: &str) {
        fs::create_dir_all(self.etc_dir()).unwrap();
        fs::write(self.etc_dir().join(name), text).unwrap();
    }

    fn etc_dir(&self) -> PathBuf {
        Path::new("/etc/netns").join(&self.name)
    }

    /// A cable to another namespace: the device `name` here, `theirs` there, each with its addresses, up.
    pub(crate) fn cable(&self, name: &str, addresses: &[&str], other: &Self, theirs: &str, their_addresses: &[&str]) {
        // Usable at once, the link-local address too: nobody else has it.
        for ns in [self, other] {
            ns.run("! [ -e /proc/sys/net/ipv6 ] || sysctl -qw net.ipv6.conf.default.accept_dad=0");
        }
        ip(&["-n", &self.name, "link", "add", name, "type", "veth", "peer", "name", theirs, "netns", &other.name]);
        for (ns, device, addresses) in [(self, name, addresses), (other, theirs, their_addresses)] {
            for address in addresses {
                let nodad: &[&str] = if address.contains(':') { &["nodad"] } else { &[] };
                ip(&[&["-n", &ns.name, "address", "add", address, "dev", device], nodad].concat());
            }
            ip(&["-n", &ns.name, "link", "set", device, "up"]);
        }
    }

    /// What to put in front of a command so that it runs in the namespace (it execs, so the pid stays).
    pub(crate) fn wrap(&self) -> [String; 4] {
        ["ip".to_owned(), "netns".to_owned(), "exec".to_owned(), self.name.clone()]
    }
}

impl Drop for Netns {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.name]).status();
        let _ = fs::remove_dir_all(self.etc_dir());
    }
}

#[track_caller]
fn ip(args: &[&str]) {
    let out = Command::new("ip").args(args).output().unwrap();
    assert!(out.status.success(), "ip {args:?}: {}", String::from_utf8_lossy(&out.stderr));
}
