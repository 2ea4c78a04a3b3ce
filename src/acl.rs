//! Who may connect: `--allow` and `--deny`, as CIDR (RFC 4632, RFC 4291).

use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

use crate::span::Misread;

/// A network: `10.0.0.0/8`, `2001:db8::/32`, or a single address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cidr(IpNet);

impl Cidr {
    /// Whether this address is in it.
    #[must_use]
    pub fn contains(&self, ip: IpAddr) -> bool {
        self.0.contains(&ip.to_canonical())
    }
}

impl FromStr for Cidr {
    type Err = Misread;

    fn from_str(text: &str) -> Result<Self, Misread> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let ip: IpAddr = address.parse().map_err(|_| {
            Misread::new("network", text, 0..address.len(), "not an IPv4 or IPv6 address").hint("192.0.2.0/24")
        })?;
        let widest = if ip.is_ipv4() { 32 } else { 128 };
        let bits = match prefix {
            None => widest,
            // Digits only: u8's own parser takes a sign.
            Some(bits) => bits
                .bytes()
                .all(|byte| byte.is_ascii_digit())
                .then(|| bits.parse().ok())
                .flatten()
                .filter(|bits| *bits <= widest)
                .ok_or_else(|| {
                    let message = format!("a prefix length is a number from 0 to {widest}");
                    Misread::new("network", text, address.len() + 1..text.len(), message).hint(format!("{ip}/{widest}"))
                })?,
        };
        // A peer of a dual-stack socket is looked at as the IPv4 address that it is, so the rule is as well.
        let (ip, bits) = match (ip.to_canonical(), ip, bits) {
            (IpAddr::V4(v4), IpAddr::V6(_), 96..) => (IpAddr::V4(v4), bits - 96),
            _ => (ip, bits),
        };
        let net = IpNet::new(ip, bits).expect("the prefix length was checked");
        Ok(Self(net.trunc()))
    }
}

/// The rules of one server. `--deny` beats `--allow`; with any `--allow`, whoever it does not name is denied.
#[derive(Debug, Clone, Default)]
pub struct Acl {
    /// Who may.
    pub allow: Vec<Cidr>,
    /// Who may not.
    pub deny: Vec<Cidr>,
}

impl Acl {
    /// Whether there are any rules.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.allow.is_empty() && self.deny.is_empty()
    }

    /// The rule that turns this address away, if any.
    #[must_use]
    pub fn denies(&self, ip: IpAddr) -> Option<String> {
        if let Some(Cidr(net)) = self.deny.iter().find(|net| net.contains(ip)) {
            return Some(format!("--deny {net}"));
        }
        let allowed = self.allow.is_empty() || self.allow.iter().any(|net| net.contains(ip));
        (!allowed).then(|| "not in --allow".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acl(allow: &[&str], deny: &[&str]) -> Acl {
        let parse = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        Acl { allow: parse(allow), deny: parse(deny) }
    }

    fn denies(acl: &Acl, ip: &str) -> bool {
        acl.denies(ip.parse().unwrap()).is_some()
    }

    #[test]
    fn deny_beats_allow() {
        let rules = acl(&["10.0.0.0/8"], &["10.1.0.0/16"]);
        assert!(!denies(&rules, "10.2.3.4") && denies(&rules, "10.1.2.3") && denies(&rules, "192.0.2.1"));
    }

    #[test]
    fn the_edges_of_a_prefix() {
        assert!(denies(&acl(&[], &["0.0.0.0/0"]), "255.255.255.255"));
        assert!(!denies(&acl(&[], &["0.0.0.0/0"]), "::1"));
        assert!(denies(&acl(&[], &["::/0"]), "2001:db8::1"));
        assert!(denies(&acl(&[], &["1.2.3.4/32"]), "1.2.3.4") && !denies(&acl(&[], &["1.2.3.4/32"]), "1.2.3.5"));
        assert!(denies(&acl(&[], &["1.2.3.4/24"]), "1.2.3.200"), "host bits do not count");
    }

    #[test]
    fn a_mapped_address_is_the_ipv4_address() {
        assert!(denies(&acl(&[], &["127.0.0.1"]), "::ffff:127.0.0.1"));
        assert!(denies(&acl(&[], &["::ffff:127.0.0.0/104"]), "127.0.0.1"));
    }

    #[test]
    fn bad_networks_are_errors_with_a_place() {
        for (text, at) in [
            ("", 0..0),
            ("1.2.3", 0..5),
            ("1.2.3.4/33", 8..10),
            ("1.2.3.4/", 8..8),
            ("1.2.3.4/-1", 8..10),
            ("1.2.3.4/+8", 8..10),
            ("1.2.3.4/24abc", 8..13),
            ("::1/129", 4..7),
            ("1.2.3.4/8/8", 8..11),
            ("host/8", 0..4),
            (" 1.2.3.4", 0..8),
        ] {
            let error = text.parse::<Cidr>().unwrap_err();
            assert_eq!(error.at, at, "{text:?}");
        }
    }
}
