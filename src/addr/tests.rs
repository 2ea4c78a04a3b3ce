//! Every form of the grammar, every mistake with its place, and the properties that hold for all text.

use std::ffi::OsStr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const fn reading(port: u16, family: Option<IpFamily>, udp: bool) -> Reading {
    Reading { port, family, udp }
}

const PLAIN: Reading = reading(DEFAULT_PORT, None, false);
const U: Reading = reading(DEFAULT_PORT, None, true);
const V4: Reading = reading(DEFAULT_PORT, Some(IpFamily::V4), false);
const V6: Reading = reading(DEFAULT_PORT, Some(IpFamily::V6), false);

fn parse(words: &[&str], reading: &Reading) -> Result<Endpoint, Misread> {
    let words: Vec<OsString> = words.iter().map(OsString::from).collect();
    Endpoint::parse(&words, reading)
}

fn unix(kind: UnixKind, name: UnixName) -> Endpoint {
    Endpoint::Unix(Unix { kind, name })
}

fn path(path: &str) -> Endpoint {
    unix(UnixKind::Stream, UnixName::Path(path.into()))
}

/// What was typed, and what it prints as; printing again changes nothing.
#[test]
fn every_form_of_the_grammar() {
    for (typed, printed) in [
        ("host:80", "host:80"),
        ("1.2.3.4:80", "1.2.3.4:80"),
        ("[::1]:80", "[::1]:80"),
        ("[fe80::1%eth0]:80", "[fe80::1%eth0]:80"),
        ("localhost:http", "localhost:http"),
        ("example.org.:http-alt", "example.org.:http-alt"),
        ("bücher.example:80", "bücher.example:80"),
        ("3com:80", "3com:80"),
        ("a_b:80", "a_b:80"),
        ("host:0", "host:0"),
        ("host:65535", "host:65535"),
        ("host:0080", "host:80"),
        (":80", ":80"),
        ("80", ":80"),
        ("0", ":0"),
        (":http", ":http"),
        ("http", "http:2023"),
        ("host", "host:2023"),
        ("80x", "80x:2023"),
        ("::", "[::]:2023"),
        ("::1", "[::1]:2023"),
        ("[::1]", "[::1]:2023"),
        ("0.0.0.0", "0.0.0.0:2023"),
        ("fe80::1%2", "[fe80::1%2]:2023"),
        ("1:2:3:4:5:6:7:8", "[1:2:3:4:5:6:7:8]:2023"),
        ("2001:DB8::ff", "[2001:db8::ff]:2023"),
        ("::ffff:1.2.3.4", "[::ffff:1.2.3.4]:2023"),
        ("fd::1", "[fd::1]:2023"),
        ("fd00::a", "[fd00::a]:2023"),
        ("tcp://host:80", "host:80"),
        ("tcp://host", "host:2023"),
        ("TCP://host:80", "host:80"),
        ("tcp4://host:80", "tcp4://host:80"),
        ("tcp6://:80", "tcp6://:80"),
        ("tcp4://1.2.3.4:80", "1.2.3.4:80"),
        ("tcp6://::1", "[::1]:2023"),
        ("tcp://tcp:80", "tcp://tcp:80"),
        ("tcp://Fd:3", "tcp://Fd:3"),
        ("tcp4://time:80", "tcp4://time:80"),
        ("echo", "tcp://echo:2023"),
        ("tcp-listen", "tcp://tcp-listen:2023"),
        ("ipc:80", "ipc:80"),
        ("udp://53", "udp://:53"),
        ("udp://:53", "udp://:53"),
        ("udp://[::1]:53", "udp://[::1]:53"),
        ("udp4://host:53", "udp4://host:53"),
        ("udp6://::1", "udp://[::1]:2023"),
        ("unix:/run/x.sock", "unix:/run/x.sock"),
        ("UNIX:/run/x", "unix:/run/x"),
        ("unix:x", "unix:x"),
        ("unix:/a b", "unix:/a b"),
        ("unix:/a\nb", "unix:/a\\x0ab"),
        (r"unix:/a\b", r"unix:/a\\b"),
        (r"unix:/a\\b", r"unix:/a\\b"),
        (r"unix:/a\x5cx41", r"unix:/a\\x41"),
        (r"unix:/\xff\xC3", r"unix:/\xff\xc3"),
        (r"unix:/\xc3\xa9", "unix:/é"),
        ("unix:/a\u{202e}b", r"unix:/a\xe2\x80\xaeb"),
        (r"unix:\x40x", "unix:@x"),
        ("unix:./@x", "unix:./@x"),
        ("unix-dgram:/p", "unix-dgram:/p"),
        ("unix-seqpacket:@s", "unix-seqpacket:@s"),
        ("@name", "unix:@name"),
        ("unix:@name", "unix:@name"),
        ("@@", "unix:@@"),
        (r"@\x00\x00", r"unix:@\x00\x00"),
        ("vsock:2:80", "vsock:2:80"),
        ("vsock:ANY:80", "vsock:any:80"),
        ("vsock:host:any", "vsock:2:any"),
        ("vsock:hypervisor:1", "vsock:0:1"),
        ("vsock:local:1", "vsock:1:1"),
        ("vsock:4294967295:4294967294", "vsock:any:4294967294"),
        ("fd:3", "fd:3"),
        ("fd:2147483647", "fd:2147483647"),
        ("systemd:", "systemd:"),
        ("systemd:web.socket", "systemd:web.socket"),
        ("echo:", "echo:"),
        ("Time:", "time:"),
    ] {
        let endpoint = parse(&[typed], &PLAIN).unwrap_or_else(|misread| panic!("{misread}"));
        assert_eq!(endpoint.to_string(), printed, "{typed}");
        assert_eq!(printed.parse(), Ok(endpoint), "{typed}");
    }
}

#[test]
fn two_words_are_a_host_and_a_port() {
    for (host, port, printed) in [
        ("host", "80", "host:80"),
        ("::1", "80", "[::1]:80"),
        ("::1:80", "90", "[::1:80]:90"),
        ("[::1]", "http", "[::1]:http"),
        ("fe80::1%eth0", "80", "[fe80::1%eth0]:80"),
        ("1.2.3.4", "80", "1.2.3.4:80"),
        ("udp://host", "53", "udp://host:53"),
        ("tcp6://host", "80", "tcp6://host:80"),
        ("fd", "3", "tcp://fd:3"),
    ] {
        assert_eq!(parse(&[host, port], &PLAIN).unwrap().to_string(), printed);
    }
}

#[test]
fn flags_fill_in_what_the_address_leaves_open() {
    for (flags, typed, printed) in [
        (reading(9, None, false), "host", "host:9"),
        (reading(9, None, false), "::1", "[::1]:9"),
        (reading(9, None, false), "80", ":80"),
        (V4, "80", "tcp4://:80"),
        (V6, "host:80", "tcp6://host:80"),
        (V4, "1.2.3.4:80", "1.2.3.4:80"),
        (V6, "::1", "[::1]:2023"),
        (V6, "tcp6://host:80", "tcp6://host:80"),
        (V4, "udp://host:80", "udp4://host:80"),
        (U, "host:53", "udp://host:53"),
        (U, "udp://host:53", "udp://host:53"),
        (U, "unix-dgram:/p", "unix-dgram:/p"),
        (reading(1, Some(IpFamily::V6), true), "host", "udp6://host:1"),
    ] {
        assert_eq!(parse(&[typed], &flags).unwrap_or_else(|e| panic!("{e}")).to_string(), printed);
    }
}

#[test]
fn the_parts_are_what_they_seem() {
    let inet = |transport, family, host, port| Endpoint::Inet(Inet { transport, family, host, port });
    let (tcp, any) = (Transport::Tcp, Host::Any);
    let scoped = Host::V6 { addr: "fe80::1".parse().unwrap(), scope: Some("eth0".into()) };
    assert_eq!(parse(&["80"], &PLAIN).unwrap(), inet(tcp, None, any.clone(), Port::Number(80)));
    assert_eq!(parse(&["80"], &V6).unwrap(), inet(tcp, Some(IpFamily::V6), any, Port::Number(80)));
    assert_eq!(parse(&["fe80::1%eth0", "ssh"], &V6).unwrap(), inet(tcp, None, scoped, Port::Service("ssh".into())));
    assert_eq!(parse(&["@a"], &PLAIN).unwrap(), unix(UnixKind::Stream, UnixName::Abstract(b"a".to_vec())));
    assert_eq!(parse(&["unix:a"], &PLAIN).unwrap(), path("a"));
    assert_eq!(parse(&["vsock:any:any"], &PLAIN).unwrap(), Endpoint::Vsock { cid: VSOCK_ANY, port: VSOCK_ANY });
    assert_eq!(parse(&["systemd:"], &PLAIN).unwrap(), Endpoint::Systemd(None));
}

#[test]
fn addresses_of_the_kernel_can_be_pasted_back() {
    for (addr, printed) in [
        ("1.2.3.4:5", "1.2.3.4:5"),
        ("[::]:5", "[::]:5"),
        ("[fe80::1%3]:5", "[fe80::1%3]:5"),
        ("[::ffff:1.2.3.4]:5", "[::ffff:1.2.3.4]:5"),
    ] {
        let endpoint = Endpoint::from_socket_addr(Transport::Tcp, addr.parse().unwrap());
        assert_eq!(endpoint.to_string(), printed);
        assert_eq!(printed.parse(), Ok(endpoint));
    }
    let udp = Endpoint::from_socket_addr(Transport::Udp, "1.2.3.4:5".parse().unwrap());
    assert_eq!(udp.to_string(), "udp://1.2.3.4:5");
    assert_eq!(serde_json::to_string(&udp).unwrap(), "\"udp://1.2.3.4:5\"");
    assert_eq!(unix(UnixKind::Dgram, UnixName::Unnamed).to_string(), "unix-dgram:");
    // Names that cannot be typed are printed as others of the same file.
    assert_eq!(path("@x").to_string(), "unix:./@x");
    assert_eq!(path("//run/x").to_string(), "unix:/run/x");
}

/// A mistake: flags, the words, the marked text (`marked^rest` tells it from others), the hints.
type Mistake = (Reading, &'static [&'static str], &'static str, &'static [&'static str]);

const LONG: &str = "unix:/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb/123456/7.sock";
const LABEL: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

const MISTAKES: &[Mistake] = &[
    // Nothing, too much, white space.
    (PLAIN, &[], "^", &[]),
    (PLAIN, &[""], "^", &[]),
    (PLAIN, &["", "80"], "^ 80", &[":80"]),
    (PLAIN, &["a", "b", "c"], "c", &["a:b"]),
    (PLAIN, &["host", "80", "90", "100"], "90 100", &["host:80"]),
    (PLAIN, &[" host:80"], " ", &["host:80"]),
    (PLAIN, &["host:80\n"], "\n", &["host:80"]),
    (PLAIN, &["host", "80 "], " ", &["host:80"]),
    (PLAIN, &["host 80"], " ", &["host:80"]),
    (PLAIN, &["::1 80"], " ", &["[::1]:80"]),
    (PLAIN, &["host: 80"], " ", &["host:80"]),
    (PLAIN, &["host:", "80"], " ", &["host:80"]),
    (PLAIN, &["ho\u{200b}st:80"], "\u{200b}", &["host:80"]),
    (PLAIN, &["a\0b:80"], "\0", &["ab:80"]),
    // Ports.
    (PLAIN, &[":"], "^", &[":2023"]),
    (PLAIN, &["host:"], "^", &["host:2023"]),
    (PLAIN, &["[::1]:"], "^", &["[::1]:2023"]),
    (PLAIN, &[":80x"], "x", &[":80"]),
    (PLAIN, &["host:80x"], "x", &["host:80"]),
    (PLAIN, &["host:80,fork"], ",fork", &["host:80"]),
    (PLAIN, &["host:ht~tp"], "~", &[]),
    (PLAIN, &["host", ":80"], ":80", &["host:80"]),
    (PLAIN, &["host:80", "90"], "90", &["host:80", "host:90"]),
    (PLAIN, &["[::1]:80", "90"], "90", &["[::1]:80", "[::1]:90"]),
    (PLAIN, &["host:65536"], "65536", &[]),
    (PLAIN, &["65536"], "65536", &[]),
    (PLAIN, &["99999999999999999999999"], "99999999999999999999999", &[]),
    (PLAIN, &["-1"], "-1", &[]),
    (PLAIN, &["host:-1"], "-1", &[]),
    (PLAIN, &["+80"], "+80", &[":80"]),
    (PLAIN, &["host", ""], "^", &["host:2023"]),
    (PLAIN, &["host", "-80"], "-80", &[]),
    (PLAIN, &["host:80:90"], ":90", &["host:80"]),
    (PLAIN, &["host::80"], ":80", &["host:80"]),
    (PLAIN, &["1.2.3.4:80:90"], ":90", &["1.2.3.4:80"]),
    // IPv6.
    (PLAIN, &["::1:80"], "::1:80", &["[::1]:80", "[::1:80]:2023"]),
    (reading(9, None, false), &["2001:db8::1:443"], "2001:db8::1:443", &["[2001:db8::1]:443", "[2001:db8::1:443]:9"]),
    (PLAIN, &["udp://::1:53"], "::1:53", &["udp://[::1]:53", "udp://[::1:53]:2023"]),
    (U, &["::1:53"], "::1:53", &["[::1]:53", "[::1:53]:2023"]),
    (PLAIN, &["::1:http"], "::1", &["[::1]:http"]),
    (PLAIN, &[":::80"], "::", &["[::]:80"]),
    (PLAIN, &["::1:"], "::1", &["[::1]:2023"]),
    (PLAIN, &["::1:80x"], "::1", &["[::1]:80"]),
    (PLAIN, &["1:2:3:4:5:6:7:8:80"], "1:2:3:4:5:6:7:8", &["[1:2:3:4:5:6:7:8]:80"]),
    (PLAIN, &["::ffff:1.2.3.4:80"], "::ffff:1.2.3.4", &["[::ffff:1.2.3.4]:80"]),
    (PLAIN, &["fe80::1%eth0:80"], "fe80::1%eth0", &["[fe80::1%eth0]:80"]),
    (PLAIN, &["fd::1:http"], ":1:http", &["[fd::1]:http"]),
    (PLAIN, &["[::1"], "^", &["[::1]"]),
    (PLAIN, &["[::1:80"], "^", &["[::1]:80", "[::1:80]"]),
    (PLAIN, &["[::1:http]"], "h^ttp]", &["[::1]:http"]),
    (PLAIN, &["::1]:80"], "]^:80", &["[::1]:80"]),
    (PLAIN, &["[::1]80"], "80", &["[::1]:80"]),
    (PLAIN, &["[]:80"], "^]:80", &["[::]:80"]),
    (PLAIN, &["[1.2.3.4]:80"], "[1.2.3.4]", &["1.2.3.4:80"]),
    (PLAIN, &["[host]:80"], "[host]", &["host:80"]),
    (PLAIN, &["host]:80"], "]", &["host:80"]),
    (PLAIN, &["[fe80::1%]:80"], "^]:80", &[]),
    (PLAIN, &["[fe80::1%a%b]:80"], "%^b]:80", &[]),
    (PLAIN, &["1::2::3"], "::^3", &[]),
    (PLAIN, &["12345::1"], "12345", &[]),
    (PLAIN, &["[::g]:80"], "g", &[]),
    (PLAIN, &["aa:bb:cc:dd:ee:ff"], "aa:bb:cc:dd:ee:ff", &[]),
    (PLAIN, &["[1:2:3:4:5:6:7:8:9]:80"], "1:2:3:4:5:6:7:8:9", &[]),
    (PLAIN, &["[:1:2::]:80"], ":^1:2::]:80", &[]),
    (PLAIN, &["[1::2:]:80"], ":^]:80", &[]),
    (PLAIN, &["[::1.2.3]:80"], "1.2.3", &[]),
    // Hosts.
    (PLAIN, &["256.1.1.1:80"], "256", &[]),
    (PLAIN, &["1.2.3:80"], "1.2.3", &["1.2.0.3:80"]),
    (PLAIN, &["127.1"], "127.1", &["127.0.0.1"]),
    (PLAIN, &["127.1", "80"], "127.1", &["127.0.0.1:80"]),
    (PLAIN, &["0", "80"], "0", &["0.0.0.0:80"]),
    (PLAIN, &["8080:80"], "8080", &[]),
    (PLAIN, &["1.2.3.4.5:80"], "1.2.3.4.5", &[]),
    (PLAIN, &["010.0.0.1:80"], "010", &["10.0.0.1:80"]),
    (PLAIN, &["1.2.3.4.:80"], ".^:80", &["1.2.3.4:80"]),
    (PLAIN, &["1..2.3.4:80"], ".^2.3.4:80", &["1.2.3.4:80"]),
    (PLAIN, &["*:80"], "*", &[":80"]),
    (PLAIN, &["*"], "*", &[":2023"]),
    (PLAIN, &["-host:80"], "-^host:80", &[]),
    (PLAIN, &["a..b:80"], ".^b:80", &["a.b:80"]),
    (PLAIN, &[".a"], ".", &["a"]),
    (PLAIN, &["."], ".", &[]),
    (PLAIN, &[LABEL], LABEL, &[]),
    (PLAIN, &["host%eth0:80"], "%eth0", &["host:80"]),
    (PLAIN, &["user@host:80"], "user@", &["host:80"]),
    (PLAIN, &["user:pw@host", "80"], "user:pw@", &["host:80"]),
    (PLAIN, &["tcp://user@host"], "user@", &["tcp://host"]),
    (PLAIN, &["ho[st:80"], "[", &["host:80"]),
    (PLAIN, &["host:80/path"], "/path", &["host:80"]),
    (PLAIN, &["host:53/udp"], "/udp", &["udp://host:53"]),
    (PLAIN, &["1.2.3.4/24"], "/24", &["1.2.3.4"]),
    (PLAIN, &["host:80?q"], "?q", &["host:80"]),
    // Schemes.
    (PLAIN, &["tcp://"], "^", &["tcp://:2023"]),
    (PLAIN, &["udp://", "53"], "^ 53", &["udp://:53"]),
    (PLAIN, &["tcp://host:80/"], "/", &["tcp://host:80"]),
    (PLAIN, &["udp://host:53/x?y"], "/x?y", &["udp://host:53"]),
    (PLAIN, &["tcp:///host:80"], "/host:80", &["tcp://host:80"]),
    (PLAIN, &["://host:80"], "://", &["host:80"]),
    (PLAIN, &["//host:80"], "//host:80", &["host:80", "unix:/host:80"]),
    (PLAIN, &["http://host/path"], "http", &["host:80"]),
    (PLAIN, &["https://user@host:8443/?q=a/b"], "https", &["host:8443"]),
    (PLAIN, &["HTTP://[::1]/"], "HTTP", &["[::1]:80"]),
    (PLAIN, &["http://[fe80::1%25eth0]:80/"], "http", &["[fe80::1%eth0]:80"]),
    (PLAIN, &["ws://host", "81"], "ws", &["host:81"]),
    (PLAIN, &["ssh://me@host"], "ssh", &["host:22"]),
    (PLAIN, &["scp://host"], "scp", &["host:22"]),
    (PLAIN, &["redis://:pw@host"], "redis", &["host:6379"]),
    (PLAIN, &["tls://host:443"], "tls", &["host:443"]),
    (PLAIN, &["sctp://host:80"], "sctp", &[]),
    (PLAIN, &["foo://host"], "foo", &["host"]),
    (PLAIN, &["tpc://host:80"], "tpc", &["tcp://host:80"]),
    (PLAIN, &["upd://host", "53"], "upd", &["udp://host:53"]),
    (PLAIN, &["tcp:host:80"], "tcp", &["tcp://host:80"]),
    (PLAIN, &["TCP4:host:80,reuseaddr"], "TCP4", &["tcp4://host:80"]),
    (PLAIN, &["tcp:80"], "tcp", &["tcp://:80", "tcp://tcp:80"]),
    (PLAIN, &["udp:", "53"], "udp", &["udp://:53"]),
    (PLAIN, &["TCP-LISTEN:80,fork"], "TCP-LISTEN", &["tcp://:80"]),
    (PLAIN, &["UDP4-RECVFROM:53"], "UDP4-RECVFROM", &["udp4://:53"]),
    (PLAIN, &["UNIX-CONNECT:/p"], "UNIX-CONNECT", &["unix:/p"]),
    (PLAIN, &["ABSTRACT-LISTEN:n,fork"], "ABSTRACT-LISTEN", &["unix:@n"]),
    (PLAIN, &["VSOCK-LISTEN:80"], "VSOCK-LISTEN", &["vsock:any:80"]),
    (PLAIN, &["openssl:host:443,verify=0"], "openssl", &["tcp://host:443"]),
    (PLAIN, &["unx:/p"], "unx", &["unix:/p"]),
    (PLAIN, &["unix_dgram:/p"], "unix_dgram", &["unix-dgram:/p"]),
    (PLAIN, &["ipc:///tmp/x"], "ipc", &["unix:/tmp/x"]),
    (PLAIN, &["vsok:2:80"], "vsok", &["vsock:2:80"]),
    (PLAIN, &["x/y.sock"], "/y.sock", &["unix:x/y.sock"]),
    // UNIX sockets.
    (PLAIN, &["/run/x.sock"], "/run/x.sock", &["unix:/run/x.sock"]),
    (U, &["/dev/log"], "/dev/log", &["unix-dgram:/dev/log"]),
    (PLAIN, &["./x", "80"], "./x", &["unix:./x"]),
    (PLAIN, &["~/x"], "~/x", &["unix:$HOME/x"]),
    (PLAIN, &["/dev/fd/3"], "/dev/fd/3", &["fd:3"]),
    (PLAIN, &[r"/a\x41"], r"/a\x41", &[r"unix:/a\\x41"]),
    (PLAIN, &["unix:"], "^", &[]),
    (PLAIN, &["@"], "^", &[]),
    (PLAIN, &["unix-dgram:@"], "^", &[]),
    (PLAIN, &["unix:///run/x"], "//", &["unix:/run/x"]),
    (PLAIN, &["unix://run/x"], "//", &["unix:/run/x"]),
    (PLAIN, &["unix://./x"], "//", &["unix:./x"]),
    (PLAIN, &["unix://@x"], "//", &["unix:@x"]),
    (PLAIN, &["unix://"], "//", &[]),
    (PLAIN, &[r"unix:/a\x00b"], r"\x00", &[]),
    (PLAIN, &["unix:/a\0b"], "\0", &[]),
    (PLAIN, &["unix:/a", "80"], "80", &["unix:/a"]),
    (PLAIN, &[LONG], "6/7.sock", &["unix:./7.sock"]),
    // The others.
    (PLAIN, &["vsock:"], "^", &[]),
    (PLAIN, &["vsock:80"], "80", &["vsock:any:80", "vsock:80:2023"]),
    (PLAIN, &["vsock:host"], "^", &["vsock:host:2023"]),
    (PLAIN, &["vsock:2:"], "^", &["vsock:2:2023"]),
    (PLAIN, &["vsock:2", "80"], "80", &["vsock:2:80"]),
    (PLAIN, &["vsock://2:80"], "//", &["vsock:2:80"]),
    (PLAIN, &["vsock:-1:80"], "-1", &["vsock:any:80"]),
    (PLAIN, &["vsock:2:80x"], "80x", &["vsock:2:80", "vsock:2:2023"]),
    (PLAIN, &["vsock:4294967296:80"], "4294967296", &[]),
    (PLAIN, &["fd:"], "^", &[]),
    (PLAIN, &["fd:-1"], "-1", &[]),
    (PLAIN, &["fd:+1"], "+1", &[]),
    (PLAIN, &["fd:2147483648"], "2147483648", &[]),
    (PLAIN, &["fd://3"], "//3", &["fd:3"]),
    (PLAIN, &["fd:stderr"], "stderr", &["fd:2"]),
    (PLAIN, &["fd:3", "80"], "80", &["fd:3"]),
    (PLAIN, &["systemd:a:b"], ":", &["systemd:a"]),
    (PLAIN, &["systemd:a\tb"], "\t", &[]),
    (PLAIN, &["systemd://a"], "//", &["systemd:a"]),
    (PLAIN, &["echo:7"], "7", &["echo:", "tcp://echo:7"]),
    (PLAIN, &["time://"], "//", &["time:"]),
    // Flags that contradict the address.
    (V6, &["1.2.3.4:80"], "1.2.3.4", &[]),
    (V4, &["[::1]:80"], "[::1]", &[]),
    (V4, &["::1", "80"], "::1", &[]),
    (V4, &["::ffff:1.2.3.4"], "::ffff:1.2.3.4^", &[]),
    (PLAIN, &["tcp6://1.2.3.4:80"], "1.2.3.4", &["1.2.3.4:80"]),
    (PLAIN, &["udp4://[::1]:80"], "[::1]", &["udp://[::1]:80"]),
    (V4, &["tcp6://host:80"], "tcp6", &["tcp4://host:80"]),
    (U, &["tcp://host:80"], "tcp", &["udp://host:80"]),
    (U, &["tcp4://host", "80"], "tcp4", &["udp4://host:80"]),
    (U, &["unix:/p"], "unix:", &["unix-dgram:/p"]),
    (U, &["@p"], "@", &["unix-dgram:@p"]),
    (U, &["unix-seqpacket:/p"], "unix-seqpacket:", &["unix-dgram:/p"]),
    (V4, &["unix:/p"], "unix:", &[]),
    (V6, &["unix-dgram:/p"], "unix-dgram:", &[]),
    (U, &["vsock:2:80"], "vsock:", &[]),
    (V4, &["vsock:2:80"], "vsock:", &[]),
    (V4, &["fd:3"], "fd:", &[]),
    (U, &["systemd:"], "systemd:", &[]),
    (U, &["echo:"], "echo:", &[]),
];

#[test]
fn every_mistake_is_marked_where_it_is() {
    assert!(MISTAKES.len() >= 60);
    let mut wrong = String::new();
    for (reading, words, marked, hints) in MISTAKES {
        let misread = match parse(words, reading) {
            Ok(endpoint) => panic!("{words:?} reads as {endpoint}"),
            Err(misread) => misread,
        };
        assert_eq!(misread.input, words.join(" "));
        check(&misread, reading);
        let (part, rest) = (&misread.input[misread.at.clone()], &misread.input[misread.at.start..]);
        let right = match marked.split_once('^') {
            Some((marked, after)) => part == marked && rest == format!("{marked}{after}"),
            None => part == *marked,
        };
        if !right || misread.hints != *hints {
            wrong += &format!("{words:?} want {marked:?} {hints:?}:\n{misread}\n\n");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn messages_are_plain() {
    for (words, shown) in [
        (
            &["host:80x"][..],
            "invalid address: a port is a number from 0 to 65535 or a service name\n  host:80x\n         ^\ntry: host:80",
        ),
        (
            &["::1:80"],
            "invalid address: `80` may be the port or end the address\n  ::1:80\n  ^^^^^^\ntry: [::1]:80\n or: [::1:80]:2023",
        ),
        (
            &[LONG],
            "invalid address: the path is 115 bytes long, and 107 fit (unix(7)); from its directory a relative path would",
        ),
    ] {
        let misread = parse(words, &PLAIN).unwrap_err().to_string();
        assert!(misread.starts_with(shown), "{misread}");
    }
}

#[test]
fn only_unix_names_may_be_other_than_utf8() {
    let word = |bytes: &[u8]| [OsStr::from_bytes(bytes).to_owned()];
    let read = |bytes: &[u8]| Endpoint::parse(&word(bytes), &PLAIN);
    assert_eq!(read(b"unix:/\xff").unwrap().to_string(), r"unix:/\xff");
    assert_eq!(read(b"@\xff").unwrap().to_string(), r"unix:@\xff");
    let misread = read(b"ho\xffst:80").unwrap_err();
    assert_eq!((misread.input.as_str(), misread.at), ("ho\u{fffd}st:80", 2..5));
    assert_eq!(read(b"/run/\xff").unwrap_err().hints, [r"unix:/run/\xff"]);
    let words = [OsString::from("host"), OsString::from_vec(b"80\xff".to_vec())];
    assert_eq!(Endpoint::parse(&words, &PLAIN).unwrap_err().at, 7..10);
    let misread = read(b"unix:/\xff\xff\\x00").unwrap_err();
    assert_eq!(&misread.input[misread.at], r"\x00");
}

#[test]
fn names_of_unix_sockets_fill_what_the_kernel_has_room_for() {
    let fits = "a".repeat(UNIX_NAME_MAX);
    for beginning in ["unix:", "unix-dgram:@", "@"] {
        assert!(format!("{beginning}{fits}").parse::<Endpoint>().is_ok());
        let misread = format!("{beginning}{fits}bb").parse::<Endpoint>().unwrap_err();
        assert_eq!(&misread.input[misread.at], "bb");
    }
    // The mark begins with a character, also where the limit falls within one.
    let misread = format!("unix:{}é", "a".repeat(106)).parse::<Endpoint>().unwrap_err();
    assert_eq!(&misread.input[misread.at], "é");
}

/// What holds for every error.
fn check(misread: &Misread, reading: &Reading) {
    assert_eq!(misread.what, "address");
    assert!(misread.input.get(misread.at.clone()).is_some(), "{misread:?}");
    assert!(!misread.message.is_empty() && !misread.message.ends_with('.'), "{misread:?}");
    assert!(misread.hints.len() <= 3, "{misread:?}");
    for hint in &misread.hints {
        assert!(!hint.contains(invisible), "{misread:?}");
        if let Err(worse) = parse(&[hint], reading) {
            panic!("{misread:?}: {worse}");
        }
    }
    let _ = misread.to_string();
}

fn readings() -> impl Strategy<Value = Reading> {
    let family = prop_oneof![3 => Just(None), 1 => Just(Some(IpFamily::V4)), 1 => Just(Some(IpFamily::V6))];
    let port = prop_oneof![Just(DEFAULT_PORT), any::<u16>()];
    (port, family, prop::bool::weighted(0.2)).prop_map(|(port, family, udp)| Reading { port, family, udp })
}

/// Text made of what addresses are made of, so that much of it nearly is one.
fn scraps() -> impl Strategy<Value = Vec<u8>> {
    let scrap = prop::sample::select(vec![
        "tcp",
        "udp",
        "tcp4",
        "udp6",
        "://",
        ":",
        ":",
        "::",
        "//",
        "/",
        "[",
        "]",
        "[::1]",
        "::1",
        "fe80::1",
        "%",
        "%eth0",
        "1.2.3.4",
        "1.2",
        ".",
        "80",
        "0",
        "65536",
        "http",
        "host",
        "localhost",
        "a.b",
        "unix:",
        "unix-dgram:",
        "@",
        "\\",
        "\\x00",
        "\\x40",
        "\\x2f",
        "\\xff",
        "\\\\",
        "vsock:",
        "any",
        "2",
        "fd:",
        "fd",
        "systemd:",
        "echo:",
        "time",
        "tcp-listen",
        "unx",
        "tpc",
        "-",
        "+",
        ",",
        "?",
        "#",
        "*",
        " ",
        "\t",
        "\0",
        "\u{202e}",
        "é",
        "x",
        "ffff",
        "ipc",
        "$HOME",
        "~/",
        "./",
        "..",
    ]);
    let scrap = prop_oneof![20 => scrap.prop_map(|s| s.as_bytes().to_vec()), 1 => vec(any::<u8>(), 1..3)];
    vec(scrap, 0..7).prop_map(|scraps| scraps.concat())
}

fn words() -> impl Strategy<Value = Vec<OsString>> {
    let word = prop_oneof![
        8 => scraps(),
        1 => any::<String>().prop_map(String::into_bytes),
        1 => vec(any::<u8>(), 0..120),
        1 => ("(unix:|@|unix-seqpacket:)", vec(any::<u8>(), 100..112)).prop_map(|(a, b)| [a.as_bytes(), &b].concat()),
    ];
    let count = prop_oneof![6 => Just(1usize), 3 => Just(2), 1 => Just(0), 1 => Just(3)];
    count.prop_flat_map(move |count| vec(word.clone().prop_map(OsString::from_vec), count))
}

/// Every value that parsing can produce.
fn endpoints() -> impl Strategy<Value = Endpoint> {
    let kind = prop::sample::select(vec![UnixKind::Stream, UnixKind::Dgram, UnixKind::Seqpacket]);
    let transport = prop::sample::select(vec![Transport::Tcp, Transport::Udp]);
    let family = prop::sample::select(vec![None, Some(IpFamily::V4), Some(IpFamily::V6)]);
    let service = "[a-zA-Z][a-zA-Z0-9_+.-]{0,12}";
    let port = prop_oneof![any::<u16>().prop_map(Port::Number), service.prop_map(Port::Service)];
    let claimed =
        prop::sample::select(vec!["fd", "tcp", "UDP6", "unix", "vsock", "Echo", "time", "systemd", "tcp-listen"]);
    let name = prop_oneof![
        "[a-zé_][a-z0-9é-]{0,20}(\\.[a-z][a-z0-9]{0,9}){0,3}\\.?".prop_map(Host::Name),
        claimed.prop_map(|word| Host::Name(word.to_owned())),
        Just(Host::Any),
    ];
    let addr = prop_oneof![
        any::<[u8; 16]>(),
        any::<[u8; 4]>().prop_map(|[a, b, c, d]| [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, a, b, c, d]),
        any::<u16>().prop_map(|last| u128::from(last).to_be_bytes()),
    ];
    let literal = prop_oneof![
        any::<[u8; 4]>().prop_map(|addr| Host::V4(addr.into())),
        (addr, prop::option::of("[a-z0-9_.-]{1,15}"))
            .prop_map(|(addr, scope)| Host::V6 { addr: Ipv6Addr::from(addr), scope }),
    ];
    let host = prop_oneof![(name, family), literal.prop_map(|host| (host, None))];
    let path = vec(1..=255u8, 1..=UNIX_NAME_MAX)
        .prop_filter("not for paths", |path| !path.starts_with(b"@") && !path.starts_with(b"//"));
    let unix_name = prop_oneof![
        path.prop_map(|path| UnixName::Path(OsString::from_vec(path).into())),
        vec(any::<u8>(), 1..=UNIX_NAME_MAX).prop_map(UnixName::Abstract),
        // Dense in what escaping is about.
        vec(prop::sample::select(b"\\x0a@/\n\0\xff\xc3\xa9".to_vec()), 1..20).prop_map(UnixName::Abstract),
    ];
    let vsock = || prop_oneof![any::<u32>(), Just(VSOCK_ANY), 0..3u32];
    prop_oneof![
        (transport, host, port).prop_map(|(transport, (host, family), port)| Endpoint::Inet(Inet {
            transport,
            family,
            host,
            port
        })),
        (kind, unix_name).prop_map(|(kind, name)| unix(kind, name)),
        (vsock(), vsock()).prop_map(|(cid, port)| Endpoint::Vsock { cid, port }),
        (0..=i32::MAX).prop_map(Endpoint::Fd),
        prop::option::of("[a-z][a-z. ]{0,9}[a-z]").prop_map(Endpoint::Systemd),
        prop::sample::select(vec![Builtin::Echo, Builtin::Time]).prop_map(Endpoint::Builtin),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn what_is_printed_reads_back(endpoint in endpoints()) {
        let printed = endpoint.to_string();
        prop_assert!(!printed.contains(invisible), "{printed:?}");
        prop_assert_eq!(printed.parse(), Ok(endpoint), "{}", printed);
    }

    #[test]
    fn whatever_is_typed_reads_back_or_is_marked(words in words(), reading in readings()) {
        match Endpoint::parse(&words, &reading) {
            Ok(endpoint) => {
                let printed = endpoint.to_string();
                prop_assert!(!printed.contains(invisible), "{printed:?}");
                // With the flags repeated or without.
                prop_assert_eq!(parse(&[&printed], &reading), Ok(endpoint.clone()), "{}", printed);
                prop_assert_eq!(printed.parse(), Ok(endpoint), "{}", printed);
            }
            Err(misread) => check(&misread, &reading),
        }
    }
}
