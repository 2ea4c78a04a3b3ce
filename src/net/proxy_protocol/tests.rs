use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn at(text: &str) -> Endpoint {
    text.parse().unwrap()
}

fn relayed(peer: &str, destination: &str) -> Header {
    Header::Relayed { peer: at(peer), destination: at(destination) }
}

fn malformed(bytes: &[u8]) -> &'static str {
    match parse(bytes) {
        Err(Bad::Malformed(what)) => what,
        other => panic!("{other:?}: {}", visible_line(bytes)),
    }
}

#[test]
fn lines() {
    let line = b"PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\nGET / HTTP/1.1\r\n";
    assert_eq!(parse(line), Ok(Some((relayed("192.168.0.1:56324", "192.168.0.11:443"), 47))));
    // The longest of each family that the text has.
    let longest = format!(
        "PROXY TCP6 {0} {0} 65535 65535\r\n",
        "ffff:f".repeat(8).replace("ffff:f", "ffff:").trim_end_matches(':')
    );
    assert_eq!(longest.len(), 104);
    assert_eq!(parse(longest.as_bytes()).unwrap().unwrap().1, 104);
    assert_eq!(parse(b"PROXY UNKNOWN\r\n"), Ok(Some((Header::Own, 15))));
    let noise = b"PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\nx";
    assert_eq!(parse(noise), Ok(Some((Header::Own, noise.len() - 1))));
    assert_eq!(
        parse(b"PROXY TCP6 ::ffff:1.2.3.4 ::1 1 2\r\n").unwrap().unwrap().0,
        relayed("1.2.3.4:1", "[::1]:2"),
        "a mapped address is the IPv4 address"
    );
}

#[test]
fn lines_that_are_none() {
    for (line, what) in [
        ("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n", "CR LF"),
        ("PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n", "two addresses and two ports"),
        ("PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n", "two addresses and two ports"),
        ("PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n", "two addresses and two ports"),
        ("PROXY TCP4 1.2.3.4 ::1 1 2\r\n", "an address"),
        ("PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n", "an address"),
        ("PROXY TCP4 01.2.3.4 1.2.3.4 1 2\r\n", "an address"),
        ("PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n", "a port"),
        ("PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n", "a port"),
        ("PROXY TCP4 1.2.3.4 1.2.3.4 +1 2\r\n", "a port"),
        ("PROXY TCP4 1.2.3.4 1.2.3.4 -1 2\r\n", "a port"),
        ("PROXY TCP4 1.2.3.4 1.2.3.4  2\r\n", "a port"),
        ("PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n", "a family"),
        ("PROXY \r\n", "a family"),
        ("PROXY tcp4 1.2.3.4 1.2.3.4 1 2\r\n", "a family"),
    ] {
        assert!(malformed(line.as_bytes()).contains(what), "{line}: {}", malformed(line.as_bytes()));
    }
    assert!(malformed(b"PROXY UNKNOWN \xff\r\n").contains("not text"));
    // 107 bytes, and not one more is waited for.
    let endless = [b"PROXY UNKNOWN ".to_vec(), vec![b'x'; 1000]].concat();
    assert_eq!(parse(&endless[..106]), Ok(None));
    assert!(malformed(&endless[..107]).contains("no end within 107 bytes"));
    let late = [&endless[..106], b"\r\n"].concat();
    assert!(malformed(&late).contains("no end"));
    let just = [&endless[..105], b"\r\n"].concat();
    assert_eq!(parse(&just), Ok(Some((Header::Own, 107))));
}

#[test]
fn what_begins_otherwise_is_turned_away_at_its_first_byte() {
    for (bytes, shown) in [
        (&b"G"[..], "\"G\""),
        (b"PROXY\tTCP4", "PROXY\\tTCP4"),
        (b"\r\n\r\n\0\r\nQUIX", "QUIX"),
        (b"\x16\x03\x01", "\\x16\\x03\\x01"),
        (b"proxy tcp4", "proxy"),
    ] {
        let bad = parse(bytes).unwrap_err();
        assert!(matches!(bad, Bad::Other(_)) && bad.to_string().contains(shown), "{bad}");
    }
    assert_eq!(parse(b""), Ok(None));
    assert_eq!(parse(b"P"), Ok(None));
    assert_eq!(parse(b"\r"), Ok(None));
}

fn v2(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    [&SIGNATURE[..], &[command, family], &u16::try_from(block.len()).unwrap().to_be_bytes(), block].concat()
}

#[test]
fn binary_headers() {
    let v4 = [1, 2, 3, 4, 5, 6, 7, 8, 0x12, 0x34, 0, 80];
    assert_eq!(parse(&v2(0x21, 0x11, &v4)), Ok(Some((relayed("1.2.3.4:4660", "5.6.7.8:80"), 28))));
    assert_eq!(parse(&v2(0x21, 0x12, &v4)).unwrap().unwrap().0, relayed("udp://1.2.3.4:4660", "udp://5.6.7.8:80"));
    let v6 = [[0xfd; 16], [0xfe; 16]].concat();
    let v6 = v2(0x21, 0x21, &[&v6[..], &[0, 1, 0, 2]].concat());
    let [fd, fe] = ["fd", "fe"].map(|byte| vec![byte.repeat(2); 8].join(":"));
    assert_eq!(parse(&v6).unwrap().unwrap().0, relayed(&format!("[{fd}]:1"), &format!("[{fe}]:2")));
    // TLVs are passed over, whatever is in them.
    let tlvs = v2(0x21, 0x11, &[&v4[..], &[0x20, 0, 3, 1, 2, 3, 0xff, 0xff, 0xff]].concat());
    assert_eq!(parse(&tlvs), Ok(Some((relayed("1.2.3.4:4660", "5.6.7.8:80"), tlvs.len()))));
    // LOCAL and UNSPEC keep the connection's own, however long they are, and whatever LOCAL says its family is.
    for (command, family) in [(0x20, 0), (0x20, 0x11), (0x20, 0xff), (0x21, 0), (0x21, 0x10), (0x21, 0x01)] {
        for length in [0, 5, 300] {
            let local = v2(command, family, &vec![7; length]);
            assert_eq!(parse(&local), Ok(Some((Header::Own, 16 + length))), "{command:x} {family:x}");
        }
    }
    let mut paths = vec![0; 216];
    paths[..6].copy_from_slice(b"/tmp/x");
    paths[108..112].copy_from_slice(b"\0abc");
    assert_eq!(parse(&v2(0x21, 0x31, &paths)).unwrap().unwrap().0, relayed("unix:/tmp/x", "unix:@abc"));
    assert_eq!(parse(&v2(0x21, 0x32, &paths)).unwrap().unwrap().0, relayed("unix-dgram:/tmp/x", "unix-dgram:@abc"));
    let nobody = parse(&v2(0x21, 0x31, &[0; 216])).unwrap().unwrap().0;
    assert!(matches!(nobody, Header::Relayed { peer, .. } if peer.to_string() == "unix:"));
}

#[test]
fn binary_headers_that_are_none() {
    for (bytes, what) in [
        (v2(0x11, 0x11, &[0; 12]), "a version"),
        (v2(0x31, 0x11, &[0; 12]), "a version"),
        (v2(0x22, 0x11, &[0; 12]), "a command"),
        (v2(0x21, 0x41, &[0; 12]), "address family"),
        (v2(0x21, 0x13, &[0; 12]), "transport protocol"),
        (v2(0x21, 0x11, &[0; 11]), "shorter"),
        (v2(0x21, 0x21, &[0; 35]), "shorter"),
        (v2(0x21, 0x31, &[0; 215]), "shorter"),
    ] {
        assert!(malformed(&bytes).contains(what), "{}", malformed(&bytes));
    }
    // The 13th byte is enough to know.
    assert!(malformed(&[&SIGNATURE[..], &[0x10]].concat()).contains("a version"));
}

fn endpoint() -> impl Strategy<Value = Endpoint> {
    prop_oneof![
        (any::<[u8; 4]>(), any::<u16>()).prop_map(|(ip, port)| inet(Transport::Tcp, ip.into(), port)),
        (any::<[u8; 16]>(), any::<u16>()).prop_map(|(ip, port)| inet(Transport::Tcp, ip.into(), port)),
        "/[a-z]{1,60}".prop_map(|path| at(&format!("unix:{path}"))),
        "[a-z]{1,60}".prop_map(|name| at(&format!("unix:@{name}"))),
    ]
}

#[test]
fn datagrams_are_sent_as_such() {
    for (source, destination) in [
        ("udp://1.2.3.4:5", "udp://5.6.7.8:80"),
        ("udp://1.2.3.4:5", "udp://[::1]:80"),
        ("unix-dgram:/tmp/x", "unix-dgram:@abc"),
    ] {
        let sent = header(Version::V2, &at(source), &at(destination));
        assert_eq!(parse(&sent), Ok(Some((relayed(source, destination), sent.len()))));
        assert_eq!(header(Version::V1, &at(source), &at(destination)), b"PROXY UNKNOWN\r\n");
    }
}

proptest! {
    #[test]
    fn what_is_sent_is_what_is_read(source in endpoint(), destination in endpoint(), second: bool, behind in vec(any::<u8>(), 0..50)) {
        let version = if second { Version::V2 } else { Version::V1 };
        let sent = header(version, &source, &destination);
        prop_assert!(second || sent.len() <= LINE_MAX);
        for cut in 0..sent.len() {
            prop_assert_eq!(parse(&sent[..cut]), Ok(None));
        }
        let (read, taken) = parse(&[&sent[..], &behind].concat()).unwrap().unwrap();
        prop_assert_eq!(taken, sent.len());
        let both_inet = socket_addr(&source).is_some() && socket_addr(&destination).is_some();
        let both_unix = matches!((&source, &destination), (Endpoint::Unix(_), Endpoint::Unix(_)));
        let wanted = if both_inet || (second && both_unix) {
            Header::Relayed { peer: source, destination }
        } else {
            Header::Own
        };
        prop_assert_eq!(read, wanted);
    }

    #[test]
    fn any_bytes_are_a_header_or_none(bytes in vec(any::<u8>(), 0..300), prefix in 0..4usize) {
        let front: [&[u8]; 4] = [b"", b"PROXY TCP4 ", &SIGNATURE, &[&SIGNATURE[..], &[0x21, 0x11]].concat()];
        let bytes = [front[prefix], &bytes].concat();
        if let Ok(Some((_, taken))) = parse(&bytes) {
            prop_assert!(taken <= bytes.len());
            // More behind it changes nothing.
            prop_assert_eq!(parse(&bytes[..taken]), parse(&[&bytes[..taken], b"more"].concat()));
        }
    }
}
