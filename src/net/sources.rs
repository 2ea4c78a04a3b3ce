//! Where the addresses of a name are from: getaddrinfo(3) does not tell, so it is looked up where it looks,
//! nsswitch.conf(5), hosts(5) and resolv.conf(5).

use std::collections::HashSet;
use std::fs;
use std::net::IpAddr;
use std::path::Path;

use crate::addr::Endpoint;

/// The files that decide.
pub(super) struct Files<'a> {
    nsswitch: &'a Path,
    hosts: &'a Path,
    resolv: &'a Path,
}

impl Files<'static> {
    /// Those of this host.
    pub(super) fn of_this_host() -> Self {
        let [nsswitch, hosts, resolv] = ["/etc/nsswitch.conf", "/etc/hosts", "/etc/resolv.conf"].map(Path::new);
        Self { nsswitch, hosts, resolv }
    }
}

impl Files<'_> {
    /// For each address `"hosts"`, `"dns"`, or `"other"` where this host looks elsewhere too; and the name servers, where
    /// one was asked.
    pub(super) fn tell(&self, name: &str, addresses: &[Endpoint]) -> (Vec<&'static str>, Vec<String>) {
        let listed = self.listed(name);
        let elsewhere = if self.is_dns_all_there_is(name) { "dns" } else { "other" };
        let source = |endpoint: &Endpoint| {
            if endpoint.ip().is_some_and(|ip| listed.contains(&ip)) { "hosts" } else { elsewhere }
        };
        let sources: Vec<_> = addresses.iter().map(source).collect();
        let servers = if sources.contains(&"dns") { self.servers() } else { Vec::new() };
        (sources, servers)
    }

    /// What the hosts file has for this name. glibc gives both families of `localhost` where it has one of them.
    fn listed(&self, name: &str) -> HashSet<IpAddr> {
        let text = fs::read(self.hosts).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        let mut found = HashSet::new();
        for line in text.lines() {
            let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
            if let Some(Ok(ip)) = words.next().map(|word| word.split('%').next().unwrap_or(word).parse::<IpAddr>())
                && words.any(|word| word.eq_ignore_ascii_case(name.trim_end_matches('.')))
            {
                found.insert(ip);
                match ip {
                    IpAddr::V6(v6) if v6.is_loopback() => found.insert(IpAddr::from([127, 0, 0, 1])),
                    _ => false,
                };
            }
        }
        found
    }

    /// Whether what is not in the hosts file can only be from a name server.
    fn is_dns_all_there_is(&self, name: &str) -> bool {
        let text = fs::read_to_string(self.nsswitch).unwrap_or_default();
        let line = text.lines().find_map(|line| line.trim_start().strip_prefix("hosts:"));
        // Without a line: "dns [!UNAVAIL=return] files".
        let line = line.unwrap_or("files dns").split('#').next().unwrap_or_default();
        let others = line.split_whitespace().filter(|word| {
            let action = word.starts_with('[') || word.ends_with(']');
            // They know the names of this host, and those under .local.
            let of_this_host = *word == "myhostname" && !name.ends_with("localhost") && name.contains('.');
            let multicast = word.starts_with("mdns") && !name.trim_end_matches('.').ends_with(".local");
            !action && !of_this_host && !multicast && !["files", "dns"].contains(word)
        });
        others.count() == 0
    }

    /// At most three are asked: resolv.conf(5).
    fn servers(&self) -> Vec<String> {
        let text = fs::read_to_string(self.resolv).unwrap_or_default();
        let server = |line: &str| {
            let mut words = line.split_whitespace();
            (words.next() == Some("nameserver")).then(|| words.next().unwrap_or_default().to_owned())
        };
        let servers: Vec<String> = text.lines().filter_map(server).filter(|name| !name.is_empty()).take(3).collect();
        if servers.is_empty() { vec!["127.0.0.1".to_owned()] } else { servers }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_has_its_source() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let [nsswitch, hosts, resolv] = ["nsswitch.conf", "hosts", "resolv.conf"].map(path);
        fs::write(&hosts, "# one\n127.0.0.1 localhost\n192.0.2.7\tServer.example server # its name\n").unwrap();
        fs::write(&resolv, "search example\nnameserver 192.0.2.53\nnameserver 192.0.2.54\n").unwrap();
        fs::write(&nsswitch, "passwd: files\nhosts: files mdns4_minimal [NOTFOUND=return] dns myhostname\n").unwrap();
        let files = Files { nsswitch: &nsswitch, hosts: &hosts, resolv: &resolv };
        let at = |text: &str| -> Endpoint { text.parse().unwrap() };
        let both = [at("192.0.2.7:80"), at("192.0.2.8:80")];
        let servers = vec!["192.0.2.53".to_owned(), "192.0.2.54".to_owned()];
        assert_eq!(files.tell("server.example", &both), (vec!["hosts", "dns"], servers));
        assert_eq!(files.tell("server", &both[..1]), (vec!["hosts"], vec![]));
        assert_eq!(files.tell("printer.local", &both[1..]), (vec!["other"], vec![]));
        fs::write(&nsswitch, "hosts: files resolve [!UNAVAIL=return] dns\n").unwrap();
        assert_eq!(files.tell("other.example", &both[1..]), (vec!["other"], vec![]));
    }
}
