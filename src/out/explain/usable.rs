//! Leaves out what cannot be run here.

use std::path::Path;

use super::Explained;

impl Explained {
    /// The same with commands that can be run on this host: those whose program is not installed are left out as
    /// long as another is left, and root is not told to become root.
    #[must_use]
    pub fn for_this_host(mut self) -> Self {
        let root = rustix::process::geteuid().is_root();
        self.r#try = usable(self.r#try, root, installed);
        self
    }
}

fn usable(tries: Vec<String>, root: bool, installed: impl Fn(&str) -> bool) -> Vec<String> {
    let mut here: Vec<String> = Vec::new();
    let mut missing = Vec::new();
    for line in tries {
        let (sudo, command) = match line.strip_prefix("sudo ") {
            Some(command) => (true, command),
            None => (false, line.as_str()),
        };
        let program = command.split_whitespace().next().unwrap_or_default();
        // What follows `#` says that it is to be run elsewhere.
        let there = command.contains("   # on ") || matches!(program, "sockkit" | "ulimit") || installed(program);
        let line = if sudo && root { command.to_owned() } else { line };
        if there { here.push(line) } else { missing.push(line) }
    }
    // A hint at a program that is to be installed first is better than none.
    if here.is_empty() { missing } else { here }
}

/// Whether a shell would find it; those for root are found in the places that `sudo` looks in, too.
fn installed(program: &str) -> bool {
    if program.contains('/') {
        return Path::new(program).exists();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let more = ["/usr/sbin", "/sbin"].map(std::path::PathBuf::from);
    std::env::split_paths(&path).chain(more).any(|dir| dir.join(program).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(lines: &[&str]) -> Vec<String> {
        lines.iter().map(|line| (*line).to_owned()).collect()
    }

    #[test]
    fn what_is_not_installed_is_left_out() {
        let all = lines(&["dig x", "sockkit doctor x", "sudo nft list ruleset", "ss -lnp   # on 192.0.2.1"]);
        let has = |program: &str| program == "nft";
        assert_eq!(
            usable(all.clone(), false, has),
            ["sockkit doctor x", "sudo nft list ruleset", "ss -lnp   # on 192.0.2.1"]
        );
        assert_eq!(usable(all, true, has)[1], "nft list ruleset");
    }

    #[test]
    fn a_hint_that_takes_an_installation_is_better_than_none() {
        assert_eq!(usable(lines(&["sudo dig x"]), true, |_| false), ["dig x"]);
        assert_eq!(usable(Vec::new(), true, |_| false), Vec::<String>::new());
    }

    #[test]
    fn a_shell_is_installed_everywhere() {
        assert!(installed("sh") && installed("/bin/sh"));
        assert!(!installed("no-such-program-as-this") && !installed("/no/such"));
    }
}
