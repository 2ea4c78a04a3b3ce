//! The settings of this host.

use std::net::IpAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::process::{Resource, getrlimit};

use super::Check;
use crate::addr::{Endpoint, Transport};
use crate::error::{Fact, NameAnswer, Ports};
use crate::event::Sink;
use crate::net::resolve::{Budget, Purpose, resolve};
use crate::sys::proc::{clock_is_synchronised, mtu, net_table, sysctl};
use crate::sys::{self, Stop};
use crate::work::diag;

/// For each name server, and for the name of this host.
const PATIENCE: Duration = Duration::from_secs(2);
/// So many are open at once: three name servers, a look-up, a program with its pipes.
const DESCRIPTORS: usize = 12;
/// For reading through the table of sockets.
const BUDGET: Duration = Duration::from_millis(500);
/// What servers here ask for as their backlog; less than a quarter of it is little.
const BACKLOG: u64 = 1024;
/// The default of Linux for the largest buffer of a socket, in bytes.
const BUFFER: u64 = 212_992;
/// IPv6 needs as much of every link: RFC 8200, section 5.
const LEAST_MTU: u32 = 1280;
/// 2025-01-01: no clock that is right shows less.
const NOT_BEFORE: u64 = 1_735_689_600;
/// Where the resolver looks.
const RESOLV_CONF: &str = "/etc/resolv.conf";

/// Looks at everything, and tells each.
pub fn host(stop: &Stop, sink: &dyn Sink, tell: &mut dyn FnMut(Check)) {
    descriptors().into_iter().for_each(&mut *tell);
    if !has_room() {
        let check = Check::ok("descriptors", "used up");
        return tell(
            check
                .bad("this process may open too few files and sockets to look at anything else")
                .try_("ulimit -n 1024"),
        );
    }
    let quick = [somaxconn, syncookies, port_range, files, ipv6, bindv6only, timestamps, time_wait, conntrack];
    quick.iter().filter_map(|check| check()).for_each(&mut *tell);
    buffers().into_iter().for_each(&mut *tell);
    tell(loopback());
    default_route().into_iter().for_each(&mut *tell);
    firewall().into_iter().for_each(&mut *tell);
    tell(clock());
    if stop.requested().is_none() {
        tell(localhost(stop, sink));
    }
    if stop.requested().is_none() {
        name_servers().into_iter().for_each(&mut *tell);
    }
}

fn number(name: &str) -> Option<u64> {
    sysctl(name)?.parse().ok()
}

fn somaxconn() -> Option<Check> {
    let limit = number("net.core.somaxconn")?;
    let check = Check::ok("net.core.somaxconn", limit.to_string());
    Some(match limit {
        0..=15 => check
            .bad("it caps the backlog of every server: a handful of clients at once, and the next get no answer")
            .try_("sysctl -w net.core.somaxconn=4096"),
        n if n < BACKLOG => check
            .warn("it caps the backlog of every server: in a burst of more clients than that, some get no answer and time out")
            .try_("sysctl -w net.core.somaxconn=4096"),
        _ => check,
    })
}

fn syncookies() -> Option<Check> {
    let value = number("net.ipv4.tcp_syncookies")?;
    let check = Check::ok("net.ipv4.tcp_syncookies", value.to_string());
    Some(match value {
        0 => check
            .warn("handshakes are dropped once many are half open, and a flood of them shuts servers up")
            .try_("sysctl -w net.ipv4.tcp_syncookies=1"),
        1 => check,
        _ => check
            .warn("every handshake is a cookie, also without a flood; 1 keeps that for when it is needed")
            .try_("sysctl -w net.ipv4.tcp_syncookies=1"),
    })
}

fn port_range() -> Option<Check> {
    let Ports { low, high, taken, .. } = diag::client_ports(Transport::Tcp, Instant::now() + BUDGET)?;
    let size = usize::from(high.saturating_sub(low)) + 1;
    let left = size.saturating_sub(taken);
    let check = Check::ok("net.ipv4.ip_local_port_range", format!("{low} {high}, {left} of {size} have no TCP socket"));
    let widen = "sysctl -w net.ipv4.ip_local_port_range='32768 60999'";
    Some(if left == 0 || left < size / 20 {
        check.bad("clients run out of local ports (Cannot assign requested address), at the latest to one and the same server").try_("ss -tan | awk '{print $1}' | sort | uniq -c").try_(widen)
    } else if left < size / 4 || size < 4096 {
        check.warn("clients may run out of local ports: each connection to one and the same server takes one, TIME_WAIT too").try_(widen)
    } else {
        check
    })
}

fn descriptors() -> Option<Check> {
    let limit = getrlimit(Resource::Nofile);
    let shown = |limit: Option<u64>| limit.map_or("unlimited".to_owned(), |limit| limit.to_string());
    let check =
        Check::ok("open files", format!("soft limit {}, hard limit {}", shown(limit.current), shown(limit.maximum)));
    let (soft, hard) = (limit.current.unwrap_or(u64::MAX), limit.maximum.unwrap_or(u64::MAX));
    Some(if soft < 64 {
        check
            .bad("a program has as many sockets and files as that, and then fails with Too many open files")
            .try_("ulimit -n 1024")
    } else if hard < 4096 {
        check.warn("no server of this session can hold more connections than the hard limit; raise it in limits.conf(5) or LimitNOFILE=")
    } else if soft < 1024 {
        check.warn("a program that does not raise its soft limit has few sockets").try_("ulimit -n 1024")
    } else {
        check
    })
}

/// Whether there are descriptors to look with; as many as the hard limit allows are taken for that.
fn has_room() -> bool {
    if sys::has_room(DESCRIPTORS) {
        return true;
    }
    let _ = sys::raise_descriptors();
    sys::has_room(DESCRIPTORS)
}

fn files() -> Option<Check> {
    let text = sysctl("fs.file-nr")?;
    let mut numbers = text.split(' ').filter_map(|number| number.parse::<u64>().ok());
    let (used, _, most) = (numbers.next()?, numbers.next()?, numbers.next()?);
    let check = Check::ok(
        "fs.file-max",
        if most > 1 << 60 { format!("{used} open, no limit") } else { format!("{used} of {most} open") },
    );
    Some(if used > most / 10 * 9 {
        check.bad("the host is about to run out of open files, for all programs together").try_("sysctl fs.file-nr")
    } else {
        check
    })
}

fn ipv6() -> Option<Check> {
    let Some(off) = number("net.ipv6.conf.all.disable_ipv6") else {
        return sys::TELLS.then(|| {
            Check::ok("IPv6", "not in this kernel")
                .warn("nothing can bind or reach an IPv6 address; :PORT binds 0.0.0.0")
        });
    };
    let on_loopback = number("net.ipv6.conf.lo.disable_ipv6").unwrap_or(off);
    Some(match (off, on_loopback) {
        (0, 0) => Check::ok("IPv6", "enabled"),
        (0, _) => Check::ok("IPv6", "disabled on lo")
            .warn("::1 cannot be bound or reached, and localhost may resolve to it")
            .try_("sysctl -w net.ipv6.conf.lo.disable_ipv6=0"),
        _ => Check::ok("IPv6", "disabled (net.ipv6.conf.all.disable_ipv6 = 1)")
            .warn("IPv6 addresses cannot be bound or reached; names that have only those fail")
            .try_("sysctl -w net.ipv6.conf.all.disable_ipv6=0"),
    })
}

fn bindv6only() -> Option<Check> {
    let value = number("net.ipv6.bindv6only")?;
    let check = Check::ok("net.ipv6.bindv6only", value.to_string());
    Some(if value == 0 {
        check
    } else {
        check.warn("a server on [::] does not take IPv4, where most programs expect it to; --v6only=no decides for one server").try_("sysctl -w net.ipv6.bindv6only=0")
    })
}

fn buffers() -> Vec<Check> {
    let mut found = Vec::new();
    for (name, flag) in [("net.core.rmem_max", "--rcvbuf"), ("net.core.wmem_max", "--sndbuf")] {
        let Some(value) = number(name) else { continue };
        let check = Check::ok(name, value.to_string());
        found.push(if value < BUFFER {
            check
                .warn(format!("it caps what {flag} asks for: a burst of datagrams is lost, a long path stays slow"))
                .try_(format!("sysctl -w {name}={BUFFER}"))
        } else {
            check
        });
    }
    found
}

fn timestamps() -> Option<Check> {
    let value = number("net.ipv4.tcp_timestamps")?;
    let check = Check::ok("net.ipv4.tcp_timestamps", value.to_string());
    Some(if value == 0 {
        check.warn("round trips are measured less well, and ports in TIME_WAIT are never used again early (tcp_tw_reuse has no effect)").try_("sysctl -w net.ipv4.tcp_timestamps=1")
    } else {
        check
    })
}

fn time_wait() -> Option<Check> {
    // 0, 1 and 2 (on loopback only) are all sound; it is shown beside the range of ports.
    Some(Check::ok("net.ipv4.tcp_tw_reuse", sysctl("net.ipv4.tcp_tw_reuse")?))
}

fn conntrack() -> Option<Check> {
    let (used, most) = (number("net.netfilter.nf_conntrack_count")?, number("net.netfilter.nf_conntrack_max")?);
    let check = Check::ok("net.netfilter.nf_conntrack_max", format!("{used} of {most} connections tracked"));
    Some(if most > 0 && used >= most / 10 * 9 {
        check
            .bad("once the table is full, packets of new connections are dropped without a word")
            .try_(format!("sysctl -w net.netfilter.nf_conntrack_max={}", most.saturating_mul(2)))
    } else if most > 0 && used >= most / 4 * 3 {
        check.warn("once the table is full, packets of new connections are dropped without a word")
    } else {
        check
    })
}

fn loopback() -> Check {
    let ours = sys::local_addresses().unwrap_or_default();
    let found: Vec<String> = ours.iter().filter(|ip| ip.is_loopback()).map(ToString::to_string).collect();
    if found.is_empty() {
        return Check::ok("loopback", "down")
            .bad("nothing on this host can talk to 127.0.0.1 or ::1")
            .try_("ip link set lo up");
    }
    Check::ok("loopback", found.join(", "))
}

fn default_route() -> Vec<Check> {
    if !sys::TELLS {
        return Vec::new();
    }
    let found = diag::default_interfaces();
    if found.is_empty() {
        let check = Check::ok("default route", "none");
        return vec![check.warn("only addresses of its own networks can be reached").try_("ip route")];
    }
    let each = |(family, interface): (&str, String)| {
        let name = format!("default route {family}");
        let Some(mtu) = mtu(&interface) else { return Check::ok(name, interface) };
        let check = Check::ok(name, format!("{interface}, MTU {mtu}"));
        let look = format!("ip link show {interface}");
        match mtu {
            n if n < LEAST_MTU => check.bad("IPv6 needs an MTU of 1280 of every link").try_(look),
            n if n < 1500 => check.warn("smaller than Ethernet's, a tunnel perhaps: where ICMP is filtered, small messages pass and large ones stall").try_(look),
            n if n > 1500 => check.warn("larger than Ethernet's 1500: every hop has to take it, else small messages pass and large ones may stall").try_(look),
            _ => check,
        }
    };
    let without_v4 = found.iter().all(|(family, _)| *family != "IPv4").then(|| {
        Check::ok("default route IPv4", "none")
            .warn("by IPv4, only addresses of its own networks can be reached")
            .try_("ip route")
    });
    without_v4.into_iter().chain(found.into_iter().map(each)).collect()
}

/// What can be seen of packet filters; their rules are for root only.
fn firewall() -> Option<Check> {
    let legacy: Vec<String> = ["ip_tables_names", "ip6_tables_names"]
        .iter()
        .filter(|table| net_table(table).is_some_and(|names| !names.trim().is_empty()))
        .map(|table| table.replace("_tables_names", "tables"))
        .collect();
    let listed = Command::new("nft").args(["list", "ruleset"]).stdin(Stdio::null()).stderr(Stdio::null()).output();
    let rules = match listed {
        Ok(output) if output.status.success() => Some(String::from_utf8_lossy(&output.stdout).into_owned()),
        _ => None,
    };
    let stops = rules.as_deref().map(stopping);
    Some(match (stops, &legacy[..]) {
        (None, []) => Check::ok("firewall", "not to be seen from here (nft is not installed, or it takes root)"),
        (Some(0), []) => Check::ok("firewall", "nft has no rule that drops or rejects"),
        (Some(n), []) if n > 0 => Check::ok(
            "firewall",
            match n {
                1 => "nft has 1 rule that drops or rejects".to_owned(),
                n => format!("nft has {n} rules that drop or reject"),
            },
        )
        .warn("one of them may be why something is not reached: a timeout is most often a drop, EPERM one of our own")
        .try_("nft list ruleset"),
        (_, names) => Check::ok("firewall", format!("{} has tables", names.join(" and ")))
            .warn("a rule in them may be why something is not reached")
            .try_("iptables-save"),
    })
}

/// How many rules and chains of `nft list ruleset` may stop a packet.
fn stopping(rules: &str) -> usize {
    let stops = |line: &&str| line.split([' ', ';']).any(|word| matches!(word.trim(), "drop" | "reject" | "queue"));
    rules.lines().filter(stops).count()
}

fn clock() -> Check {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let year = sys::local_time(SystemTime::now()).year;
    if now.as_secs() < NOT_BEFORE {
        return Check::ok("clock", format!("the year {year}"))
            .bad("it is wrong: certificates look as if they were not valid yet")
            .try_("timedatectl status");
    }
    match clock_is_synchronised() {
        Some(false) => Check::ok("clock", "not synchronised, as far as the kernel knows")
            .warn("certificates and logs may be judged by a wrong time (a virtual machine may have another way)")
            .try_("sockkit time --query pool.ntp.org"),
        Some(true) => Check::ok("clock", "synchronised"),
        None => Check::ok("clock", format!("the year {year}")),
    }
}

fn localhost(stop: &Stop, sink: &dyn Sink) -> Check {
    let look = "getent ahosts localhost";
    let endpoint: Endpoint = match "localhost:1".parse() {
        Ok(endpoint) => endpoint,
        Err(_) => return Check::ok("localhost", "?"),
    };
    let found = match resolve(&endpoint, Purpose::Client, Some(Budget::new(PATIENCE, "2s")), stop, sink) {
        Ok(found) => found,
        Err(_) => {
            return Check::ok("localhost", "does not resolve")
                .bad("programs that connect to localhost fail: /etc/hosts should have 127.0.0.1 and ::1 for it")
                .try_(look);
        }
    };
    let mut addresses: Vec<IpAddr> = found.iter().filter_map(|target| Some(target.address.as_socket()?.ip())).collect();
    addresses.dedup();
    let check = Check::ok("localhost", addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "));
    let usual = |ip: &IpAddr| matches!(ip.to_string().as_str(), "127.0.0.1" | "::1");
    if addresses.iter().any(|ip| !ip.is_loopback()) {
        check.bad("it is not this host: what is meant to stay here goes out").try_(look)
    } else if !addresses.iter().all(usual) {
        check.warn("not 127.0.0.1 or ::1: a server bound to those does not answer there").try_(look)
    } else {
        check
    }
}

fn name_servers() -> Vec<Check> {
    let text = std::fs::read_to_string(RESOLV_CONF).unwrap_or_default();
    if !text.lines().any(|line| line.trim_start().starts_with("nameserver")) {
        let check = Check::ok("name servers", format!("none in {RESOLV_CONF}"));
        return vec![check.warn("names resolve only from /etc/hosts, or from a server on this host itself")];
    }
    // A name that every server answers by itself (RFC 6761, section 6.3): nobody else is asked.
    let answers = diag::ask_all(&diag::name_servers(Path::new(RESOLV_CONF)), "localhost", PATIENCE);
    let all_silent = answers.iter().all(|fact| matches!(fact, Fact::NameServer { answer, .. } if !is_answer(*answer)));
    let each = |fact: Fact| {
        let Fact::NameServer { server, answer } = fact else { return None };
        let name = format!("name server {}", server.ip());
        let check = Check::ok(
            name,
            match answer {
                NameAnswer::Silence => "no answer within 2 s",
                NameAnswer::NoServer => "no server runs there",
                NameAnswer::Unreachable => "cannot be reached",
                NameAnswer::Forbidden => "a rule of this host's own firewall forbids asking it",
                NameAnswer::Garbage => "answers with something that is no answer",
                NameAnswer::Refused => "answers, but refuses us",
                _ => "answers",
            },
        );
        Some(if is_answer(answer) {
            if answer == NameAnswer::Refused { check.warn("names that only it knows do not resolve") } else { check }
        } else if all_silent {
            check
                .bad("no name server answers: names that are not in /etc/hosts do not resolve")
                .try_(format!("cat {RESOLV_CONF}"))
        } else {
            check.warn("each name that is asked of it first takes seconds longer").try_(format!("cat {RESOLV_CONF}"))
        })
    };
    answers.into_iter().filter_map(each).collect()
}

fn is_answer(answer: NameAnswer) -> bool {
    !matches!(
        answer,
        NameAnswer::Silence
            | NameAnswer::NoServer
            | NameAnswer::Unreachable
            | NameAnswer::Forbidden
            | NameAnswer::Garbage
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_that_stop_are_counted() {
        assert_eq!(stopping("table ip x {\n\tchain y {\n\t\ttype filter hook input priority 0; policy accept;\n"), 0);
        assert_eq!(stopping("policy drop;\n tcp dport 80 drop\n tcp dport 81 reject with tcp reset\n accept\n"), 3);
    }

    #[test]
    fn a_host_can_be_looked_over() {
        struct Nobody;
        impl Sink for Nobody {
            fn emit(&self, _: Option<crate::event::ConnId>, _: &crate::event::Event<'_>) {}
        }
        let mut names = Vec::new();
        host(&Stop::new().unwrap(), &Nobody, &mut |check| {
            names.push(check.check);
        });
        assert!(names.iter().any(|name| name == "net.core.somaxconn"), "{names:?}");
        assert!(names.iter().any(|name| name == "localhost"), "{names:?}");
    }
}
