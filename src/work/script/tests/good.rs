use std::fs;
use std::path::Path;
use std::time::Duration;

use super::super::commands::{COMMANDS, by_name};
use super::super::parse::{needs_more, parse_command, parse_file, parse_script};
use super::super::{Command, Half, Pattern, Place, Setting};
use super::{all, expected, flat, one, sent};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn every_command_of_the_contract_is_there() {
    // CLI.md, "The REPL and scripts: one language".
    let contract = "send send-hex send-file send-line recv expect expect-eof expect-reset expect-silence sleep \
                    shutdown close reset open accept starttls use conns set get info options stats history save source \
                    repeat echo help quit";
    for name in contract.split_whitespace() {
        assert!(by_name(name).is_some(), "{name}");
    }
    assert_eq!(COMMANDS.len(), contract.split_whitespace().count());
}

#[test]
fn every_command_parses_from_its_own_example() {
    for info in COMMANDS {
        assert!(info.example.starts_with(info.name), "{}", info.name);
        one(info.example);
        // Its arguments are not there to no end.
        assert_eq!(info.arguments.is_empty(), info.example == info.name, "{}", info.name);
        assert!(!info.help.ends_with('.') && info.help.len() <= 80, "{}", info.name);
        let again = COMMANDS.iter().filter(|other| other.name == info.name).count();
        assert_eq!(again, 1, "{}", info.name);
    }
}

#[test]
fn the_reference_lists_every_command() {
    let reference = include_str!("../../../../docs/script.md");
    for info in COMMANDS {
        let row = format!("| `{}` | {} |", [info.name, info.arguments].join(" ").trim().replace('|', "\\|"), info.help);
        assert!(reference.contains(&row), "docs/script.md lacks the row\n{row}");
    }
}

#[test]
fn the_script_of_the_reference_parses() {
    let reference = include_str!("../../../../docs/script.md");
    let lines = reference.lines().skip_while(|line| !line.starts_with("    #"));
    let script: String = lines.map_while(|line| line.strip_prefix("    ")).map(|line| format!("{line}\n")).collect();
    assert_eq!(all(&script).len(), 6);
}

#[test]
fn bare_text_goes_to_the_end_of_the_line() {
    for (source, bytes) in [
        ("send hello", &b"hello"[..]),
        ("  send \t hello world \t ", b"hello world"),
        ("send a # b", b"a # b"),
        ("send a#b", b"a#b"),
        (r"send a\r\n\t\0\x00\xff\\\u{6536}", b"a\r\n\t\0\0\xff\\\xe6\x94\xb6"),
        (r#"send say "hi" 'there'"#, br#"say "hi" 'there'"#),
        (r#"send \"hi\""#, br#""hi""#),
        ("send-line", b""),
        ("send-line GET / HTTP/1.1", b"GET / HTTP/1.1"),
        ("echo", b""),
        ("echo 收到消息 😀", "收到消息 😀".as_bytes()),
        ("send a within 2s", b"a within 2s"),
        ("send a\r", b"a"),
        ("send a\rb", b"a\rb"),
        ("send \u{3000}a\u{a0}", "\u{3000}a\u{a0}".as_bytes()),
    ] {
        assert_eq!(sent(source), bytes, "{source}");
    }
}

#[test]
fn quotes() {
    for (source, bytes) in [
        (r#"send "hello\r\n""#, &b"hello\r\n"[..]),
        (r#"send "" # nothing"#, b""),
        (r#"send "  a # b " # comment"#, b"  a # b "),
        (r#"send "\"\\\"""#, br#""\""#),
        ("send \"it's\"", b"it's"),
        (r"send 'a\r\n${1}#'", br"a\r\n${1}#"),
        ("send '\"'", b"\""),
        (r"send 'a\'", br"a\"),
        (r#"send "\u{1F600}\u{0}\u{10ffff}""#, "😀\0\u{10ffff}".as_bytes()),
        ("send \"one\ntwo\r\nthree\"", b"one\ntwo\nthree"),
        ("send 'one\r\ntwo'", b"one\ntwo"),
    ] {
        assert_eq!(sent(source), bytes, "{source}");
    }
}

#[test]
fn captures() {
    for (source, text) in [
        ("send ${1}", "<1>"),
        ("send a${1}b${name}", "a<1>b<name>"),
        (r#"send "${a_1}\n""#, "<a_1>\n"),
        ("send $${1}", "${1}"),
        ("send $$${1}", "$${1}"),
        (r"send \x24${1}", "$<1>"),
        ("send $", "$"),
        ("send $5 $name $$ $", "$5 $name $$ $"),
        ("send ${名}", "<名>"),
        ("expect ${1} ok", "<1> ok"),
    ] {
        let bytes = if source.starts_with("expect") { expected(source).0 } else { sent(source) };
        assert_eq!(String::from_utf8(bytes).unwrap(), text, "{source}");
    }
    let Command::SendFile(path) = one(r"send-file ${dir}\new.bin") else { panic!() };
    assert_eq!(flat(&path), br"<dir>\new.bin");
}

#[test]
fn limits() {
    for (source, text, within) in [
        ("expect hello", "hello", None),
        ("expect hello within 2s", "hello", Some(2 * SECOND)),
        ("expect hello within 1h 30m", "hello", Some(5400 * SECOND)),
        ("expect hello within 2 # two seconds", "hello", Some(2 * SECOND)),
        ("expect come within reach", "come within reach", None),
        ("expect within reach within 2s", "within reach", Some(2 * SECOND)),
        ("expect hello within", "hello within", None),
        ("expect herewithin 2s", "herewithin 2s", None),
        ("expect \"hello within 2s\"", "hello within 2s", None),
        ("expect \"hello\" within 500ms", "hello", Some(SECOND / 2)),
        ("expect \"hello\" # comment", "hello", None),
        ("expect 'a' within 2s # comment", "a", Some(2 * SECOND)),
        ("expect /a b/ within 2s", "a b", Some(2 * SECOND)),
        ("expect hello # comment", "hello # comment", None),
    ] {
        assert_eq!(expected(source), (text.into(), within), "{source}");
    }
    let two = Some(2 * SECOND);
    assert!(matches!(one("recv within 2s"), Command::Recv { bytes: None, within } if within == two));
    assert!(matches!(one("recv 4k within 2s # x"), Command::Recv { bytes: Some(4096), within } if within == two));
    assert!(matches!(one("recv 1m"), Command::Recv { bytes: Some(1_048_576), within: None }));
    assert!(matches!(one("recv # all"), Command::Recv { bytes: None, within: None }));
    assert!(matches!(one("expect-eof within 2"), Command::ExpectEof { within } if within == two));
    assert!(matches!(one("expect-eof"), Command::ExpectEof { within: None }));
    assert!(matches!(one("expect-reset within 2s"), Command::ExpectReset { within } if within == two));
    assert!(matches!(one("accept within 2s"), Command::Accept { within } if within == two));
    assert!(matches!(one("accept"), Command::Accept { within: None }));
    assert!(matches!(one("expect-silence 500ms"), Command::ExpectSilence(t) if t == SECOND / 2));
    assert!(matches!(one("sleep 1m 1s # x"), Command::Sleep(t) if t == 61 * SECOND));
}

#[test]
fn expressions() {
    let regex = |source: &str| match one(source) {
        Command::Expect { pattern: Pattern::Regex(regex), .. } => regex,
        other => panic!("{other:?}"),
    };
    assert!(regex(r"expect /^HTTP\/1\.1 (?<code>\d+)/").is_match(b"HTTP/1.1 200 OK"));
    let http = regex(r"expect /(?<code>\d+) (.*)/ # the status");
    assert_eq!(http.capture_names().flatten().collect::<Vec<_>>(), ["code"]);
    assert_eq!(http.captures_len(), 3);
    assert!(regex("expect /ok/i").is_match(b"OK"));
    assert!(regex("expect /ÄÖ/i").is_match("äö".as_bytes()));
    assert!(!regex("expect /a.b/").is_match(b"a\nb"));
    assert!(regex("expect /a.b/s").is_match(b"a\nb"));
    assert!(regex("expect /^b$/m within 1s").is_match(b"a\nb\nc"));
    assert!(regex("expect /^b$/mis").is_match(b"a\nB\nc"));
    assert!(regex(r"expect /(?-u)\xff/").is_match(b"\xff"));
    assert!(regex("expect /收到/").is_match("收到消息".as_bytes()));
    assert!(regex(r"expect /a # b\$\{1}/").is_match(b"a # b${1}"));
    assert!(regex(r"expect /\\\//").is_match(br"\/"));
}

#[test]
fn hex() {
    for source in ["send-hex de ad be ef", "send-hex deadbeef # x", "send-hex 0xde 0xAD beEF", "send-hex 0xdeadbeef\r"]
    {
        assert!(matches!(one(source), Command::SendHex(bytes) if bytes == b"\xde\xad\xbe\xef"), "{source}");
    }
}

#[test]
fn addresses() {
    for (source, address, within) in [
        ("open localhost:80", "localhost:80", None),
        ("open localhost 80 within 2s", "localhost:80", Some(2 * SECOND)),
        ("open ::1 80", "[::1]:80", None),
        ("open ${1}:80", "<1>:80", None),
        ("open ${1} 80", "<1> 80", None),
        ("open \"unix:/tmp/a b\" within 1s", "unix:/tmp/a b", Some(SECOND)),
        (r"open @a\x20b", r"@a\x20b", None),
        ("open example.org", "example.org", None),
    ] {
        let Command::Open { address: text, within: limit } = one(source) else { panic!("{source}") };
        assert_eq!((String::from_utf8(flat(&text)).unwrap().as_str(), limit), (address, within), "{source}");
    }
}

#[test]
fn settings() {
    for (source, setting) in [
        ("set eol lf", Setting::Eol(b"\n".into())),
        ("set eol crlf # x", Setting::Eol(b"\r\n".into())),
        ("set eol none", Setting::Eol(Vec::new())),
        ("set timeout 1m 1s", Setting::Timeout(61 * SECOND)),
        ("set hex on", Setting::Hex(true)),
        ("set hex off", Setting::Hex(false)),
        ("set so-rcvbuf 64k", Setting::Option("rcvbuf", Some("64k".into()))),
        ("set SO_RCVBUF 64k", Setting::Option("rcvbuf", Some("64k".into()))),
        ("set nodelay", Setting::Option("nodelay", None)),
        ("set nodelay off # x", Setting::Option("nodelay", Some("off".into()))),
        ("set keepalive 60,10,3", Setting::Option("keepalive", Some("60,10,3".into()))),
        ("set linger 1h 30m", Setting::Option("linger", Some("1h 30m".into()))),
        ("set opt socket:SO_PRIORITY=6", Setting::Option("opt", Some("socket:SO_PRIORITY=6".into()))),
    ] {
        assert!(matches!(one(source), Command::Set(got) if got == setting), "{source}");
    }
    assert!(matches!(one("get so-rcvbuf"), Command::Get(name) if name == "rcvbuf"));
}

#[test]
fn the_rest() {
    assert!(matches!(one("shutdown read"), Command::Shutdown(Half::Read)));
    assert!(matches!(one("shutdown write # x"), Command::Shutdown(Half::Write)));
    assert!(matches!(one("use 18446744073709551615"), Command::Use(u64::MAX)));
    assert!(matches!(one("help /send"), Command::Help(Some(name)) if name == "send"));
    assert!(matches!(one("help"), Command::Help(None)));
    assert!(matches!(one("source 'a b.sk' # x"), Command::Source(path) if flat(&path) == b"a b.sk"));
    assert!(matches!(one("save a b.sk"), Command::Save(path) if flat(&path) == b"a b.sk"));
    let Command::Repeat { times: 3, statement } = one("repeat 3 repeat 0x2 send-line a") else { panic!() };
    let Command::Repeat { times: 2, statement } = statement.command else { panic!() };
    assert!(matches!(statement.command, Command::SendLine(text) if flat(&text) == b"a"));
    let deep = format!("{}close", "repeat 2 ".repeat(16));
    assert!(matches!(one(&deep), Command::Repeat { .. }));
}

#[test]
fn places() {
    let source = "\u{feff}# a comment\r\n\r\n  send 收到 \r\nexpect \"a\n\nb\" within 2s # x\n\t repeat 2  close\t# y";
    let places: Vec<(usize, String, String)> = all(source)
        .into_iter()
        .map(|statement| {
            let Place { script, line, text, at } = statement.place;
            assert_eq!(script, "test.sk");
            (line, text[at].to_owned(), text)
        })
        .collect();
    let place = |line, at: &str, text: &str| (line, at.to_owned(), text.to_owned());
    assert_eq!(
        places,
        [
            place(3, "send 收到", "  send 收到 "),
            place(4, "expect \"a", "expect \"a"),
            place(7, "repeat 2  close", "\t repeat 2  close\t# y"),
        ]
    );
    let Command::Repeat { statement, .. } = one("repeat 2  close # y") else { panic!() };
    assert_eq!(statement.place.at, 10..15);
}

#[test]
fn scripts() {
    for (source, commands) in [
        ("", 0),
        ("\u{feff}", 0),
        ("#!/usr/bin/env -S sockkit connect --script", 0),
        ("\n\n \t\n#\n   # x\n", 0),
        ("close", 1),
        ("close\r", 1),
        ("close\nclose\r\nclose", 3),
        ("\u{feff}close\n", 1),
        ("send 'a\n# no comment\n'\nclose", 2),
    ] {
        assert_eq!(all(source).len(), commands, "{source:?}");
    }
}

#[test]
fn single_commands() {
    let one = |line| parse_command("typed", 7, line);
    assert!(one("").unwrap().is_none());
    assert!(one("  # x\r\n").unwrap().is_none());
    let statement = one("send \"a\nb\"").unwrap().unwrap();
    assert_eq!(statement.place.line, 7);
    let error = one("\nclose # x\n  close").unwrap_err();
    assert_eq!(error.to_string(), "typed:9: one command at a time\n    close\n    ^^^^^");
    let error = one("send \"a\n\\q\"").unwrap_err();
    assert_eq!(error.line, 8);
}

#[test]
fn open_quotes_need_more() {
    for line in ["send \"", "send 'a", "repeat 2 expect \"a\\\"", "send \"a\nb", "send \"\\"] {
        assert!(needs_more(line), "{line}");
    }
    for line in
        ["", "send", "send \"a\"", "send it's", "say \"", "# \"", "expect /\"", "send \"a\" \"", "send \"a\nb\""]
    {
        assert!(!needs_more(line), "{line}");
    }
}

#[test]
fn files() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.sk");
    let parse = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        parse_file(&path)
    };
    assert_eq!(parse(b"\xef\xbb\xbfclose\r\n").unwrap().statements.len(), 1);
    let error = parse(b"close\n  sned\n").unwrap_err();
    assert_eq!(error.exit.name(), "usage");
    assert!(error.to_string().contains("a.sk:2: there is no such command"), "{error}");
    let error = parse("close\nsend 收\n".as_bytes().split_last_chunk::<3>().unwrap().0).unwrap_err();
    assert!(error.to_string().contains("a.sk:2: byte 0xe6 is not UTF-8\n  send \u{fffd}\n       ^"), "{error}");
    assert!(parse(b"\xff\xfec\0").unwrap_err().to_string().contains("UTF-16"));
    let error = parse_file(&dir.path().join("none.sk")).unwrap_err();
    assert_eq!(error.exit.name(), "failed");
    assert!(error.to_string().ends_with("none.sk: No such file or directory"), "{error}");
    assert!(parse_file(dir.path()).is_err());
    // A device without an end is read no further than a script can be long.
    let error = parse_file(Path::new("/dev/zero")).unwrap_err();
    assert!(error.to_string().contains("16 MiB"), "{error}");
}

#[test]
fn the_examples_parse() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut scripts = 0;
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "sk") {
            let script = parse_file(&path).unwrap_or_else(|error| panic!("{error}"));
            assert!(!script.statements.is_empty());
            let name = path.file_name().unwrap().to_str().unwrap();
            let text = fs::read_to_string(&path).unwrap();
            assert!(text.starts_with('#') && text.contains(&format!("--script examples/{name}")), "{name}: how to run");
            scripts += 1;
        }
    }
    assert!(scripts >= 6);
}

#[test]
fn a_long_script_is_read_in_one_pass() {
    let line = format!("send {}\n", "a".repeat(1000));
    let source = line.repeat(1000) + &"\n".repeat(100_000);
    assert_eq!(parse_script("long", &source).unwrap().statements.len(), 1000);
}
