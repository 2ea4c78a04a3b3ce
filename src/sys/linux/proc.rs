//! What `/proc` tells about this host.

use std::fs;

use crate::sys::sockets::ListenCounters;

/// The value of a kernel setting by its name with dots, as sysctl(8) takes it (`net.core.somaxconn`). Several
/// values are separated by one space. `None` where this kernel, or this user, has no such setting.
#[must_use]
pub fn sysctl(name: &str) -> Option<String> {
    // A name is never a way out of the directory.
    if name.split('.').any(str::is_empty) || name.contains('/') {
        return None;
    }
    let text = fs::read_to_string(format!("/proc/sys/{}", name.replace('.', "/"))).ok()?;
    Some(text.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// The names of the network interfaces that this process sees, in order of name.
#[must_use]
pub fn interfaces() -> Vec<String> {
    // Not /sys/class/net: after unshare(2) that still shows the network namespace in which it was mounted.
    let table = fs::read_to_string("/proc/net/dev").unwrap_or_default();
    let mut names: Vec<String> =
        table.lines().filter_map(|line| Some(line.rsplit_once(':')?.0.trim().to_owned())).collect();
    names.sort();
    names
}

/// Handshakes that this host lost to full accept queues since it started: `TcpExtListenOverflows` of nstat(8).
#[must_use]
pub fn listen_overflows() -> Option<u64> {
    Some(listen_counters()?.overflows)
}

/// The counters of this network namespace about accept queues.
#[must_use]
pub fn listen_counters() -> Option<ListenCounters> {
    let table = fs::read_to_string("/proc/net/netstat").ok()?;
    let mut lines = table.lines().filter(|line| line.starts_with("TcpExt:"));
    let (names, values) = (lines.next()?, lines.next()?);
    let value = |wanted| {
        let (_, value) = names.split_whitespace().zip(values.split_whitespace()).find(|(name, _)| *name == wanted)?;
        value.parse().ok()
    };
    Some(ListenCounters { overflows: value("ListenOverflows")?, drops: value("ListenDrops")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_by_name() {
        assert!(sysctl("net.core.somaxconn").unwrap().parse::<u32>().is_ok());
        assert_eq!(sysctl("net.core.no_such_thing"), None);
        assert_eq!(sysctl("net..core"), None);
        assert_eq!(sysctl("../version"), None);
    }

    #[test]
    fn the_counter_of_lost_handshakes_is_there() {
        assert!(listen_overflows().is_some());
    }

    #[test]
    fn every_host_has_a_loopback() {
        assert!(interfaces().contains(&"lo".to_owned()));
    }
}
