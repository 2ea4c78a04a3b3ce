use super::super::parse::{MAX_LINE, MAX_SCRIPT, parse_script};
use super::super::{Part, Pattern};
use super::one;
use crate::work::script::Command;

/// What is wrong, in which line of it, the caret under that line, and the message.
#[rustfmt::skip]
const BAD: &[(&str, usize, &str, &str)] = &[
    ("sned hello", 1, "^^^^", "there is no such command"),
    ("SEND hello", 1, "^^^^", "there is no such command"),
    ("/send hello", 1, "^", "in a script no slash stands in front of a command"),
    ("exit", 1, "^^^^", "there is no such command"),
    ("frobnicate", 1, "^^^^^^^^^^", "there is no such command"),
    ("hist", 1, "^^^^", "there is no such command"),
    ("sleep\u{3000}200ms", 1, "     ^^", "U+3000 looks like a blank but is none"),
    ("x", 1, "^", "there is no such command"),
    ("send", 1, "    ^", "the text is missing"),
    ("send # b", 1, "     ^", "a comment, or the text? quotes tell"),
    ("send-line #channel", 1, "          ^", "a comment, or the text? quotes tell"),
    ("expect #", 1, "       ^", "a comment, or the text? quotes tell"),
    (r#"send "hello"#, 1, "     ^", "this quote is not closed"),
    ("send 'hello", 1, "     ^", "this quote is not closed"),
    (r#"send "a" b"#, 1, "         ^", "more than send takes: send TEXT"),
    (r#"send "a"b"#, 1, "        ^", "a blank belongs behind the closing quote"),
    (r#"send 'a'"b""#, 1, "        ^", "a blank belongs behind the closing quote"),
    (r"send a\qb", 1, "      ^^", r#"not an escape; there are \r \n \t \0 \xNN \u{…} \\ \""#),
    (r#"send "a\""#, 1, "     ^", "this quote is not closed"),
    (r"send a\", 1, "      ^", "a backslash at the end escapes nothing"),
    (r#"send "a\xg0""#, 1, "       ^^^^", r"\x takes two hexadecimal digits"),
    (r"send \x4", 1, "     ^^^", r"\x takes two hexadecimal digits"),
    (r"send \x", 1, "     ^^", r"\x takes two hexadecimal digits"),
    (r#"send "\u6536""#, 1, "      ^^", r"\u takes braces and the number of a character"),
    (r#"send "\u{}""#, 1, "      ^^^^", r"\u takes braces and the number of a character"),
    (r"send \u{d800}", 1, "     ^^^^^^^^", "there is no character of this number"),
    (r"send \u{1234567}", 1, "     ^^^^^^^^^^^", "there is no character of this number"),
    (r"send \u{12", 1, "     ^^^^^", r"\u takes braces and the number of a character"),
    (r#"send "收到\q""#, 1, "          ^^", r#"not an escape; there are \r \n \t \0 \xNN \u{…} \\ \""#),
    ("send ${1", 1, "     ^^", "this ${ is not closed"),
    (r#"send "a ${name""#, 1, "        ^^", "this ${ is not closed"),
    ("send ${}", 1, "     ^^^", "a group's number or name belongs in the braces"),
    ("send ${a b}", 1, "        ^", "not part of a group's name"),
    ("send ${99999}", 1, "       ^^^^^", "not a group's number, and no name begins so"),
    ("send ${1a}", 1, "       ^^", "not a group's number, and no name begins so"),
    (r#"send {"a": "${!}"}"#, 1, "              ^", "not part of a group's name"),
    ("send-file", 1, "         ^", "the name of a file is missing"),
    (r#"send-file """#, 1, "          ^^", "the name of a file is empty"),
    (r#"send-file "a\0b""#, 1, "           ^^^^", "no NUL is in the name of a file"),
    ("source", 1, "      ^", "the name of a file is missing"),
    ("save # x", 1, "     ^", "a comment, or the text? quotes tell"),
    ("send-hex", 1, "        ^", "what to send is missing"),
    ("send-hex a", 1, "         ^", "two hexadecimal digits make a byte"),
    ("send-hex de a", 1, "            ^", "two hexadecimal digits make a byte"),
    ("send-hex 0x", 1, "         ^^", "two hexadecimal digits make a byte"),
    ("send-hex de:ad", 1, "           ^", "not a hexadecimal digit"),
    ("send-hex dé", 1, "          ^", "not a hexadecimal digit"),
    (r#"send-hex "de ad""#, 1, "         ^", "not a hexadecimal digit"),
    ("recv ten", 1, "     ^", "a size begins with a digit"),
    ("recv 2s", 1, "      ^", "not a unit of size; there are k, m, g and t"),
    ("recv 0", 1, "     ^", "it takes one byte at least"),
    ("recv -1", 1, "     ^", "a size is a plain number of bytes, without a sign"),
    ("recv 10kb", 1, "       ^^", "1000 or 1024? write the unit without the b"),
    ("recv 10 bytes", 1, "        ^^^^^", "more than recv takes: recv [SIZE] [within DURATION]"),
    ("recv within", 1, "           ^", "how long is missing behind within"),
    ("recv within 2x", 1, "             ^", "not a unit of time; there are ms, s, m, h, d and more"),
    ("recv 10 within", 1, "              ^", "how long is missing behind within"),
    ("recv 10 within soon", 1, "               ^", "a number belongs here"),
    ("recv 99999999999999999999", 1, "     ^^^^^^^^^^^^^^^^^^^^", "larger than any size there is"),
    ("expect", 1, "      ^", "what to expect is missing"),
    (r#"expect """#, 1, "       ^^", "nothing to expect; recv takes whatever comes"),
    (r#"expect "a" in 2s"#, 1, "           ^^^^^", "more than expect takes: expect TEXT|/REGEX/[ism] [within DURATION]"),
    (r#"expect "a" within"#, 1, "                 ^", "how long is missing behind within"),
    (r#"expect "a" within 2x"#, 1, "                   ^", "not a unit of time; there are ms, s, m, h, d and more"),
    ("expect a within 2x", 1, "                 ^", "not a unit of time; there are ms, s, m, h, d and more"),
    ("expect within 2s", 1, "       ^", "the text in front of within is missing"),
    ("expect /a", 1, "       ^", "this expression has no slash at its end"),
    (r"expect /a\/", 1, "       ^", "this expression has no slash at its end"),
    ("expect //", 1, "       ^^", "an empty expression matches anything; recv takes whatever comes"),
    ("expect /a/x", 1, "          ^", r"behind the expression stand i, s and m, or a blank; a slash in it is written \/"),
    ("expect /usr/bin", 1, "            ^", r"behind the expression stand i, s and m, or a blank; a slash in it is written \/"),
    ("expect /a(b/", 1, "         ^", "unclosed group"),
    ("expect /收(到/", 1, "          ^", "unclosed group"),
    ("expect /a{2,1}/", 1, "         ^^^^^", "invalid repetition count range, the start must be <= the end"),
    ("expect /[z-a]/", 1, "         ^^^", "invalid character class range, the start must be <= the end"),
    (r"expect /\p{Nope}/", 1, "        ^^^^^^^^", r"of the classes of Unicode there are \w \d \s here, and ranges: [\u{4e00}-\u{9fff}]"),
    ("expect /(?<n>a)(?<n>b)/", 1, "                  ^", "duplicate capture group name"),
    (r"expect /\w{1000}{1000}/", 1, "       ^^^^^^^^^^^^^^^^", "compiled it would take more than 10 MiB"),
    ("expect /a${1}/", 1, "         ^^", "captures go into texts, not into expressions"),
    ("expect /*/", 1, "        ^", "repetition operator missing expression"),
    ("expect-eof 2s", 1, "           ^^", "within stands in front of a limit"),
    ("expect-eof now", 1, "           ^^^", "more than expect-eof takes: expect-eof [within DURATION]"),
    ("expect-reset within", 1, "                   ^", "how long is missing behind within"),
    ("expect-silence", 1, "              ^", "how long is missing"),
    ("expect-silence forever", 1, "               ^", "a number belongs here"),
    ("sleep", 1, "     ^", "how long is missing"),
    ("sleep 2x", 1, "       ^", "not a unit of time; there are ms, s, m, h, d and more"),
    ("sleep -1", 1, "      ^", "a duration cannot be negative"),
    ("sleep 1 2", 1, "        ^", "the unit is missing; there are ms, s, m, h, d and more"),
    ("sleep # x", 1, "     ^", "how long is missing"),
    ("shutdown", 1, "        ^", "which direction is missing"),
    ("shutdown both", 1, "         ^^^^", "it is read or write; close ends both"),
    ("close now", 1, "      ^^^", "close takes no argument"),
    ("open", 1, "    ^", "the address is missing"),
    ("open host:port:80x", 1, "              ^^^^", "more than one `:`, and the host is no IPv6 address"),
    ("open localhost 99999", 1, "               ^^^^^", "out of range: a port is at most 65535"),
    ("open unix:/a b", 1, "             ^", "a UNIX address takes no port as a second word"),
    ("open ::1:80", 1, "     ^^^^^^", "`80` may be the port or end the address"),
    (r#"open "localhost 80""#, 1, "               ^", "white space or an invisible character in an address"),
    ("open localhost within 2x", 1, "                       ^", "not a unit of time; there are ms, s, m, h, d and more"),
    ("accept 2s", 1, "       ^^", "within stands in front of a limit"),
    ("use", 1, "   ^", "the connection's number is missing"),
    ("use first", 1, "    ^^^^^", "a connection's number belongs here; conns lists them"),
    ("use -1", 1, "    ^^", "a connection's number belongs here; conns lists them"),
    ("use 99999999999999999999", 1, "    ^^^^^^^^^^^^^^^^^^^^", "a connection's number belongs here; conns lists them"),
    ("use 1 2", 1, "      ^", "more than use takes: use N"),
    ("conns all", 1, "      ^^^", "conns takes no argument"),
    ("set", 1, "   ^", "what to set is missing"),
    ("set eol", 1, "       ^", "the value is missing"),
    ("set eol windows", 1, "        ^^^^^^^", "it is lf, crlf or none"),
    ("set eol lf cr", 1, "           ^^", "more than set takes: set eol lf|crlf|none | timeout DURATION | hex on|off | OPTION [VALUE]"),
    ("set timeout", 1, "           ^", "the value is missing"),
    ("set timeout soon", 1, "            ^", "a number belongs here"),
    ("set hex", 1, "       ^", "the value is missing"),
    ("set hex maybe", 1, "        ^^^^^", "it is on or off"),
    ("set rcvbfu 64k", 1, "    ^^^^^^", "there is no such option"),
    ("set rcvbuf", 1, "          ^", "the value is missing"),
    ("set rcvbuf 64q", 1, "             ^", "not a unit of size; there are k, m, g and t"),
    ("set so-rcvbuf 64k 32k", 1, "                ^^^^^", "not a unit of size; there are k, m, g and t"),
    ("set --nodelay", 1, "    ^^^^^^^^^", "an option's name has no dashes in front here"),
    ("set rcvbuf=64k", 1, "    ^^^^^^^^^^", "a blank stands in front of the value"),
    ("set eol=crlf", 1, "    ^^^^^^^^", "a blank stands in front of the value"),
    ("set keepalive 60,0", 1, "                 ^", "the kernel takes from 1 to 32767 seconds"),
    ("set nodelay maybe", 1, "            ^^^^^", "it is yes or no"),
    ("set nothing-like-it", 1, "    ^^^^^^^^^^^^^^^", "there is no such option"),
    ("set opt socket:SO_PRIORITY", 1, "                          ^", "the value is missing"),
    ("get", 1, "   ^", "the option's name is missing"),
    ("get timeout", 1, "    ^^^^^^^", "this can be set, not read; get reads socket options"),
    ("get rcvbfu", 1, "    ^^^^^^", "there is no such option"),
    ("get so-rcvbuf 1", 1, "              ^", "more than get takes: get OPTION"),
    ("repeat", 1, "      ^", "how often is missing"),
    ("repeat 3", 1, "        ^", "the command is missing"),
    ("repeat 0 close", 1, "       ^", "it goes from 1 to 1000000000"),
    ("repeat many close", 1, "       ^", "a whole number from 1 to 1000000000 belongs here"),
    ("repeat 3 sned a", 1, "         ^^^^", "there is no such command"),
    (r#"repeat 3 send "a"#, 1, "              ^", "this quote is not closed"),
    ("repeat 3 # close", 1, "        ^", "the command is missing"),
    ("help sned", 1, "     ^^^^", "there is no such command"),
    ("help send recv", 1, "          ^^^^", "more than help takes: help [COMMAND]"),
    (r#"echo "a"#, 1, "     ^", "this quote is not closed"),
    ("echo #", 1, "     ^", "a comment, or the text? quotes tell"),
    ("quit now", 1, "     ^^^", "quit takes no argument"),
    ("info x", 1, "     ^", "info takes no argument"),
    ("recv 10 2s", 1, "        ^^", "within stands in front of a limit"),
    (r#"expect "a" 2s"#, 1, "           ^^", "within stands in front of a limit"),
    ("send-hex de,ad", 1, "           ^", "not a hexadecimal digit"),
    ("send-hex de:xy", 1, "           ^", "not a hexadecimal digit"),
    ("send-hex 0xde:ad", 1, "             ^", "not a hexadecimal digit"),
    ("set opt tcp:26=x y", 1, "               ^^^", "it is a whole number that fits into 32 bits, decimal or 0x, or hex: and bytes"),
    ("expect /a(?=b)/", 1, "         ^^^", "look-around, including look-ahead and look-behind, is not supported"),
    ("expect /(?i/", 1, "           ^", "expected flag but got end of regex"),
    (r#"expect "收到" x"#, 1, "              ^", "more than expect takes: expect TEXT|/REGEX/[ism] [within DURATION]"),
    ("😀 x", 1, "^^", "there is no such command"),
    (r#"send "a\u{110000}""#, 1, "       ^^^^^^^^^^", "there is no character of this number"),
    ("send \"a\" # b\nsned x", 2, "^^^^", "there is no such command"),
    ("close\n\n  send \"a\nb\n\\z\"", 5, "^^", r#"not an escape; there are \r \n \t \0 \xNN \u{…} \\ \""#),
    ("send \"a\n", 1, "     ^", "this quote is not closed"),
    ("# x\nclose x\n", 2, "      ^", "close takes no argument"),
    ("set set", 1, "    ^^^", "there is no such option"),
    ("get --rcvbuf", 1, "    ^^^^^^^^", "an option's name has no dashes in front here"),
    ("set tcp-nodelya", 1, "    ^^^^^^^^^^^", "there is no such option"),
    ("help /sned", 1, "      ^^^^", "there is no such command"),
    ("send '", 1, "     ^", "this quote is not closed"),
];

#[test]
fn the_caret_stands_under_what_is_wrong() {
    for (source, line, caret, message) in BAD {
        let error = parse_script("x.sk", source).expect_err(source);
        let shown = error.to_string();
        let mut lines = shown.lines();
        assert_eq!(lines.next(), Some(format!("x.sk:{line}: {message}").as_str()), "{source}");
        // Nothing in these lines needs to be hidden.
        assert_eq!(lines.next(), Some(format!("  {}", source.lines().nth(line - 1).unwrap()).as_str()));
        assert_eq!(lines.next(), Some(format!("  {caret}").as_str()), "{source}\n{shown}");
    }
}

#[test]
fn what_is_hinted_parses() {
    for (source, ..) in BAD.iter().filter(|(source, ..)| !source.contains('\n')) {
        for hint in parse_script("x.sk", source).expect_err(source).misread.hints {
            // A piece that stands for itself is an escape.
            if !hint.starts_with('\\') {
                one(&hint);
            }
        }
    }
}

#[test]
fn too_much() {
    let place = |source: &str| {
        let error = parse_script("x.sk", source).unwrap_err();
        assert!(error.to_string().len() < 1000, "{error}");
        (error.line, error.misread.at.start, error.misread.message)
    };
    let long = format!("close\nsend {}\n", "a".repeat(MAX_LINE));
    assert_eq!(place(&long), (2, 0, "a line has at most 64 KiB".to_owned()));
    let just = format!("send {}\n", "a".repeat(MAX_LINE - 6));
    assert!(
        matches!(one(&just), Command::Send(text) if matches!(&text.0[..], [Part::Bytes(bytes)] if bytes.len() == MAX_LINE - 6))
    );
    assert_eq!(place(&"#\n".repeat(MAX_SCRIPT / 2 + 1)), (1, 0, "a script has at most 16 MiB".to_owned()));
    let deep = format!("{}close", "repeat 2 ".repeat(17));
    assert_eq!(place(&deep), (1, 9 * 16 + 7, "repeat stands in repeat at most 16 times".to_owned()));
    assert_eq!(place(&"repeat 2 ".repeat(7000)).1, 9 * 16 + 7);
    assert_eq!(place("close\nsend a\0b"), (2, 6, "a NUL byte; in a text it is written \\0".to_owned()));
    let nested = format!("expect /{}/", "(".repeat(60_000));
    assert_eq!(place(&nested).0, 1);
    // Many escapes and many places cost what they are long, not more.
    let escapes = format!("send {}", "\\\\".repeat(30_000));
    assert!(matches!(one(&escapes), Command::Send(_)));
    let withins = format!("expect {}x", "within ".repeat(9000));
    assert!(matches!(one(&withins), Command::Expect { pattern: Pattern::Text(_), within: None }));
}
