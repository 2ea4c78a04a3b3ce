use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::collection::vec;
use proptest::prelude::*;

use super::digest::{authorization, split};
use super::http::{HEAD_MAX, NoHead, Scheme, choose, parse_head};
use super::socks::*;
use super::*;

fn parse(text: &str) -> Proxy {
    Proxy::parse(text, None).unwrap()
}

#[test]
fn urls() {
    let proxy = parse("socks5://bob:se%20c%3Aret@[2001:db8::1]:9050/");
    assert_eq!((proxy.kind, proxy.endpoint.to_string().as_str()), (ProxyKind::Socks5, "[2001:db8::1]:9050"));
    let login = proxy.login.unwrap();
    assert_eq!((&login.user[..], login.password.as_deref()), (&b"bob"[..], Some(&b"se c:ret"[..])));
    assert_eq!(parse("SOCKS4A://proxy").endpoint.to_string(), "proxy:1080");
    assert_eq!(parse("socks5h://u@h").login.unwrap().password, None);
    assert_eq!(parse("http://u:p@ss@h:3128").login.unwrap().password.unwrap(), b"p@ss");
    assert_eq!(Proxy::parse("h:3128", Some(ProxyKind::Http)).unwrap().kind, ProxyKind::Http);
}

#[test]
fn what_is_no_proxy_points_at_its_place_and_keeps_the_secret() {
    for (text, at, message) in [
        ("", 0..0, "it is empty"),
        ("h:1080", 0..0, "what it speaks is missing"),
        ("ftp://u:secret@h", 0..3, "there are socks5"),
        ("https://u:secret@h:1", 0..5, "itself reached over TLS"),
        ("socks://h", 0..5, "which version"),
        ("socks5://", 9..9, "the host is missing"),
        ("socks5://u:secret@", 18..18, "the host is missing"),
        ("socks5://u:secret@:1080", 18..23, "the host is missing"),
        ("socks5://:secret@h:1", 9..16, "user is empty"),
        ("socks5://u:secret@h:0x", 21..22, "port"),
        ("socks5://h:99999", 11..16, "port"),
        ("socks5://h/path", 10..15, "no path"),
        ("socks5://h:1?x", 12..14, "no path"),
        ("http://u:secret@h", 16..17, "the port is missing"),
        ("socks5://u%0a:secret@h", 9..20, "control characters"),
        ("socks5://udp://h:1", 13..18, "no path"),
        ("socks5://echo:", 9..14, "over TCP"),
    ] {
        let misread = Proxy::parse(text, None).unwrap_err();
        assert!(misread.message.contains(message), "{text}: {}", misread.message);
        assert_eq!(misread.at, at, "{text}: {misread}");
        assert!(!misread.to_string().contains("secret"), "{misread}");
        for hint in misread.hints.iter().filter(|hint| !hint.contains('*')) {
            assert!(Proxy::parse(hint, None).is_ok() || hint.starts_with("http://"), "{text}: {hint}");
        }
    }
    let long = format!("socks5://{}:secret@h", "u".repeat(300));
    let misread = Proxy::parse(&long, None).unwrap_err();
    assert!(misread.message.contains("300 bytes, and may have at most 255"), "{misread}");
    assert!(!format!("{:?}", parse("socks5://u:secret@h")).contains("secret"));
}

#[test]
fn no_proxy_as_curl_reads_it() {
    let covers = |list: &str, target: &str| {
        let endpoint: Endpoint = target.parse().unwrap();
        let Endpoint::Inet(inet) = endpoint else { panic!() };
        Exempt::parse(list).covers(&inet)
    };
    for (list, target, yes) in [
        ("*", "example.org:80", true),
        ("", "example.org:80", false),
        ("example.org", "example.org:80", true),
        ("example.org", "www.EXAMPLE.org:80", true),
        ("example.org", "badexample.org:80", false),
        (".example.org", "www.example.org:80", true),
        (".example.org", "example.org:80", true),
        ("example.org:81", "example.org:80", false),
        ("example.org:80", "example.org:80", true),
        ("a,  b c", "c:80", true),
        ("10.0.0.0/8", "10.1.2.3:80", true),
        ("10.0.0.0/8", "11.1.2.3:80", false),
        ("127.0.0.1", "127.0.0.1:80", true),
        ("[::1]", "[::1]:80", true),
        ("::1", "[::1]:80", true),
        ("2001:db8::/32", "[2001:db8::1]:80", true),
        ("localhost", ":80", true),
    ] {
        assert_eq!(covers(list, target), yes, "{list:?} {target}");
    }
}

#[test]
fn masking_keeps_the_width() {
    assert_eq!(masked("socks5://u:pässw@h:1").unwrap(), "socks5://u:******@h:1");
    assert_eq!(masked("http://u:a@b:c@h").unwrap(), "http://u:*****@h");
    assert_eq!(masked("u:p@h").unwrap(), "u:*@h");
    assert_eq!(masked("u:a://b@h").unwrap(), "u:*****@h");
    assert_eq!(Proxy::parse("u:a://b@h:1", Some(ProxyKind::Http)).unwrap().login.unwrap().password.unwrap(), b"a://b");
    for plain in ["socks5://h:1", "socks5://u@h:1", "x"] {
        assert_eq!(masked(plain), None);
    }
}

#[test]
fn socks_messages_are_those_of_the_rfcs() {
    assert_eq!(greeting5(false), [5, 1, 0]);
    assert_eq!(greeting5(true), [5, 2, 0, 2]);
    assert_eq!(login5(b"ab", b"c"), [1, 2, b'a', b'b', 1, b'c']);
    let v4 = Address::Ip(Ipv4Addr::new(1, 2, 3, 4).into());
    assert_eq!(connect5(&v4, 80), [5, 1, 0, 1, 1, 2, 3, 4, 0, 80]);
    assert_eq!(connect5(&Address::Ip(Ipv6Addr::LOCALHOST.into()), 0x1234)[..5], [5, 1, 0, 4, 0]);
    assert_eq!(connect5(&Address::Name("ab".into()), 80), [5, 1, 0, 3, 2, b'a', b'b', 0, 80]);
    let longest = connect5(&Address::Name("n".repeat(255)), 80);
    assert_eq!((longest[4], longest.len()), (255, 5 + 255 + 2));
    assert_eq!(connect4(&v4, 80, b"me"), [4, 1, 0, 80, 1, 2, 3, 4, b'm', b'e', 0]);
    assert_eq!(connect4(&Address::Name("ab".into()), 80, b""), [4, 1, 0, 80, 0, 0, 0, 1, 0, b'a', b'b', 0]);
}

#[test]
fn socks_replies() {
    assert_eq!(parse_method5(&[5, 0xff]), Ok(Some((0xff, 2))));
    assert_eq!(parse_method5(b"HTTP"), Err(Foreign));
    assert_eq!(parse_login5(&[1]), Ok(None));
    assert_eq!(parse_reply5(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0, b'x']), Ok(Some((0, 10))));
    // The bound address as a name.
    assert_eq!(parse_reply5(&[5, 0, 0, 3, 2, b'a', b'b', 0, 80, b'x']), Ok(Some((0, 9))));
    assert_eq!(parse_reply5(&[5, 0, 0, 3, 0, 0, 80]), Ok(Some((0, 7))));
    assert_eq!(parse_reply5(&[5, 0, 0, 3, 2, b'a']), Ok(None));
    assert_eq!(parse_reply5(&[5, 0, 0, 9, 1, 2]), Err(Foreign));
    // A failure counts however short it is.
    assert_eq!(parse_reply5(&[5, 5]), Ok(Some((5, 2))));
    assert_eq!(parse_reply4(&[0, 90, 0, 0, 0, 0, 0, 0, b'x']), Ok(Some((90, 8))));
    assert_eq!(parse_reply4(&[0, 90, 0, 0, 0, 0, 0]), Ok(None));
    assert_eq!(parse_reply4(&[0, 91]), Ok(Some((91, 2))));
    assert_eq!(parse_reply4(b"SSH"), Err(Foreign));
}

#[test]
fn heads_of_http() {
    let head = |text: &str| parse_head(text.as_bytes());
    let (found, taken) = head("HTTP/1.1 200 Connection established\r\nX: y\r\n\r\nbanner").unwrap().unwrap();
    assert_eq!((found.status, found.reason.as_str(), taken), (200, "Connection established", 45));
    // Two spaces, no reason, bare line feeds, HTTP/2 as some say.
    assert_eq!(head("HTTP/1.0  200  OK\r\n\r\n").unwrap().unwrap().0.status, 200);
    assert_eq!(head("HTTP/1.1 200\n\nx").unwrap().unwrap(), (parse_head(b"HTTP/1.1 200\n\n").unwrap().unwrap().0, 14));
    assert_eq!(head("HTTP/2 200 \r\n\r\n").unwrap().unwrap().0.status, 200);
    for (text, error) in [
        ("SSH-2.0", NoHead::Foreign),
        ("\x05", NoHead::Foreign),
        ("HTTP/1.1\r\n\r\n", NoHead::Foreign),
        ("HTTP/1.1 2000 OK\r\n\r\n", NoHead::Foreign),
        ("HTTP/1.1 20 OK\r\n\r\n", NoHead::Foreign),
        ("HTTP/1.1 +20 OK\r\n\r\n", NoHead::Foreign),
        ("HTTP/x 200 OK\r\n\r\n", NoHead::Foreign),
    ] {
        assert_eq!(head(text), Err(error), "{text:?}");
    }
    assert_eq!(head("HTTP/1.1 200 OK\r\nhalf a line"), Ok(None));
    let endless = format!("HTTP/1.1 200 OK\r\n{}", "X: y\r\n".repeat(HEAD_MAX / 6));
    assert_eq!(head(&endless), Err(NoHead::Endless));
    // However it is cut: of a head that ends one byte too late, that byte makes no difference.
    let late = format!("HTTP/1.1 200 OK\n{}\n\r\n", "x".repeat(HEAD_MAX - 18));
    assert_eq!((head(&late), head(&late[..HEAD_MAX])), (Err(NoHead::Endless), Err(NoHead::Endless)));
    let challenges = head(
        "HTTP/1.1 407 x\r\nproxy-AUTHENTICATE: Digest realm=\"a\",\r\n  nonce=\"b\"\r\nVia: x\r\n folded\r\nProxy-Authenticate: Basic\r\n\r\n",
    );
    let challenges = challenges.unwrap().unwrap().0.challenges;
    assert_eq!(challenges, ["Digest realm=\"a\", nonce=\"b\"", "Basic"]);
    assert_eq!(choose(&challenges).unwrap().name(), "digest");
}

#[test]
fn challenges_are_taken_apart() {
    let found =
        split(r#"Negotiate YII==, Digest realm="a, \"b\"", nonce=c , qop="auth,auth-int", Basic realm=x, NTLM"#);
    let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["Negotiate", "Digest", "Basic", "NTLM"]);
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(found[1].1, [pair("realm", "a, \"b\""), pair("nonce", "c"), pair("qop", "auth,auth-int")]);
    assert_eq!(choose(&["Negotiate".to_owned(), "NTLM".to_owned()]), None);
    let better = choose(&[
        "Basic realm=x".to_owned(),
        "Digest nonce=a, algorithm=MD5".to_owned(),
        "Digest nonce=b, algorithm=SHA-256".to_owned(),
        "Digest nonce=c, algorithm=MAGIC".to_owned(),
    ]);
    assert!(matches!(better, Some(Scheme::Digest(challenge)) if challenge.algorithm.strength() == 1));
}

/// RFC 7616, section 3.9.1; RFC 2617, section 3.5; RFC 2069 as corrected by erratum 749.
#[test]
fn digests_are_those_of_the_rfcs() {
    let response = |challenge: &str, user: &[u8], password: &[u8], method: &str, uri: &str, cnonce: &str| {
        let Some(Scheme::Digest(challenge)) = choose(&[challenge.to_owned()]) else { panic!("{challenge}") };
        let value = authorization(&challenge, user, password, method, uri, cnonce);
        value.split("response=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
    };
    let rfc7616 = |algorithm: &str| {
        format!(
            "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm={algorithm}, nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
        )
    };
    let of7616 = |algorithm: &str| {
        let cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
        response(&rfc7616(algorithm), b"Mufasa", b"Circle of Life", "GET", "/dir/index.html", cnonce)
    };
    assert_eq!(of7616("MD5"), "8ca523f5e9506fed4657c9700eebdbec");
    assert_eq!(of7616("SHA-256"), "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1");
    let rfc2617 = "Digest realm=\"testrealm@host.com\", qop=\"auth,auth-int\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"";
    assert_eq!(
        response(rfc2617, b"Mufasa", b"Circle Of Life", "GET", "/dir/index.html", "0a4f113b"),
        "6629fae49393a05397450978507c4ef1"
    );
    let rfc2069 = "Digest realm=\"testrealm@host.com\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\"";
    assert_eq!(
        response(rfc2069, b"Mufasa", b"CircleOfLife", "GET", "/dir/index.html", ""),
        "1949323746fe6a43ef61f9606e7febea"
    );
    // A hash over the body as the only choice cannot be given here.
    assert_eq!(choose(&["Digest nonce=a, qop=\"auth-int\"".to_owned()]), None);
    let Some(Scheme::Digest(challenge)) = choose(&[rfc7616("SHA-256-sess")]) else { panic!() };
    let value = authorization(&challenge, b"a\"b\\", b"", "CONNECT", "h:1", "c");
    assert!(value.contains(r#"username="a\"b\\""#) && value.contains("algorithm=SHA-256-sess"), "{value}");
}

/// A parser is given what came so far: it must ask for more until it is whole, take no more than that, and find the
/// same however it was cut.
fn holds_for_every_cut<T: PartialEq + std::fmt::Debug, E: PartialEq + std::fmt::Debug>(
    message: &[u8],
    parse: impl Fn(&[u8]) -> Result<Option<(T, usize)>, E>,
) -> Result<(), TestCaseError> {
    let (value, taken) = parse(message).unwrap().expect("it is whole");
    prop_assert_eq!(taken, message.len());
    for cut in 0..message.len() {
        prop_assert_eq!(parse(&message[..cut]), Ok(None), "cut at {}", cut);
    }
    let longer = [message, b"the tunnel's"].concat();
    prop_assert_eq!(parse(&longer), Ok(Some((value, taken))));
    Ok(())
}

proptest! {
    #[test]
    fn what_a_server_says_of_success_is_understood(kind in 0..3u8, name in vec(any::<u8>(), 0..256), port: u16) {
        let mut reply = vec![5, 0, 0];
        match kind {
            0 => reply.extend([1, 9, 9, 9, 9]),
            1 => reply.extend([&[4][..], &[7; 16]].concat()),
            _ => {
                reply.extend([3, name.len() as u8]);
                reply.extend(&name);
            }
        }
        reply.extend(port.to_be_bytes());
        holds_for_every_cut(&reply, parse_reply5)?;
        let [high, low] = port.to_be_bytes();
        holds_for_every_cut(&[0, 90, high, low, 1, 2, 3, 4], parse_reply4)?;
    }

    #[test]
    fn heads_end_where_they_end(
        status in 100..=999u16,
        reason in "[ -~]{0,40}",
        lines in vec("[A-Za-z-]{1,20}: [ -~]{0,40}", 0..8),
        eol in prop_oneof![Just("\r\n"), Just("\n")],
    ) {
        let lines: String = lines.iter().map(|line| format!("{line}{eol}")).collect();
        let head = format!("HTTP/1.1 {status} {reason}{eol}{lines}{eol}");
        holds_for_every_cut(head.as_bytes(), parse_head)?;
        let parsed = parse_head(head.as_bytes()).unwrap().unwrap().0;
        prop_assert_eq!((parsed.status, parsed.reason.as_str()), (status, reason.trim()));
    }

    #[test]
    fn what_is_asked_is_what_was_meant(user in vec(any::<u8>(), 0..256), password in vec(any::<u8>(), 0..256)) {
        let message = login5(&user, &password);
        let (length, rest) = (usize::from(message[1]), &message[2..]);
        prop_assert_eq!(&rest[..length], &user[..]);
        prop_assert_eq!((usize::from(rest[length]), &rest[length + 1..]), (password.len(), &password[..]));
    }

    #[test]
    fn any_bytes_are_an_answer_or_none(bytes in vec(any::<u8>(), 0..200), text in ".{0,80}") {
        let _ = (parse_method5(&bytes), parse_login5(&bytes), parse_reply5(&bytes), parse_reply4(&bytes));
        let _ = (parse_head(&bytes), parse_head(&[b"HTTP/1.1 ", &bytes[..]].concat()), split(&text));
        let (_, _, _) = (Proxy::parse(&text, None), masked(&text), Exempt::parse(&text));
        let _ = Proxy::parse(&format!("socks5://{text}"), None);
        if let Ok(Some((_, taken))) = parse_reply5(&bytes) {
            prop_assert!(taken <= bytes.len());
        }
    }
}
