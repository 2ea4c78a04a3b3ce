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

/// A table of `/proc/net`, as it is: `"route"`. `None` where there is none, or it is not ours to read.
#[must_use]
pub fn net_table(name: &str) -> Option<String> {
    (!name.contains('/')).then(|| fs::read_to_string(format!("/proc/net/{name}")).ok()).flatten()
}

/// The largest packet that an interface of this network namespace takes, in bytes. `None` where it has no IPv6.
#[must_use]
pub fn mtu(interface: &str) -> Option<u32> {
    if interface.contains('/') || interface.starts_with('.') {
        return None;
    }
    fs::read_to_string(format!("/proc/sys/net/ipv6/conf/{interface}/mtu")).ok()?.trim().parse().ok()
}

/// Whether the kernel takes its clock for right: adjtimex(2), without TIME_ERROR.
#[must_use]
pub fn clock_is_synchronised() -> Option<bool> {
    // SAFETY: the struct is plain numbers, and with no mode set it is only written to.
    let state = unsafe {
        let mut now: libc::timex = std::mem::zeroed();
        libc::adjtimex(&raw mut now)
    };
    (state >= 0).then_some(state != libc::TIME_ERROR)
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

/// The counters of this network namespace about accept queues.
#[must_use]
pub fn listen_counters() -> Option<ListenCounters> {
    let [overflows, drops] = tcp_ext(["ListenOverflows", "ListenDrops"])?;
    Some(ListenCounters { overflows, drops })
}

/// Packets that this network namespace threw away because it would not answer by the interface that they came by:
/// `TcpExtIPReversePathFilter` of nstat(8).
#[must_use]
pub fn reverse_path_drops() -> Option<u64> {
    tcp_ext(["IPReversePathFilter"]).map(|[count]| count)
}

fn tcp_ext<const N: usize>(wanted: [&str; N]) -> Option<[u64; N]> {
    let table = fs::read_to_string("/proc/net/netstat").ok()?;
    let mut lines = table.lines().filter(|line| line.starts_with("TcpExt:"));
    let (names, values) = (lines.next()?, lines.next()?);
    let mut found = [0; N];
    for (wanted, found) in wanted.iter().zip(&mut found) {
        let (_, value) = names.split_whitespace().zip(values.split_whitespace()).find(|(name, _)| name == wanted)?;
        *found = value.parse().ok()?;
    }
    Some(found)
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
        assert!(listen_counters().is_some());
    }

    #[test]
    fn tables_and_interfaces_are_read() {
        assert!(net_table("dev").is_some_and(|table| table.contains("lo:")));
        assert_eq!((net_table("../version"), mtu("../lo")), (None, None));
        assert!(mtu("lo").is_none_or(|mtu| mtu >= 1280));
        assert!(clock_is_synchronised().is_some());
    }

    #[test]
    fn every_host_has_a_loopback() {
        assert!(interfaces().contains(&"lo".to_owned()));
    }
}
