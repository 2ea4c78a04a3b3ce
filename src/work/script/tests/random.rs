use proptest::prelude::*;

use super::super::parse::{needs_more, parse_bytes, parse_command, parse_script};
use super::super::{COMMANDS, Command, Part, Text, quote, quote_text};
use super::{flat, one};

/// Text that is nearly a script: words of the language in any order.
fn nearly() -> impl Strategy<Value = String> {
    let names: Vec<&'static str> = COMMANDS.iter().flat_map(|info| [info.name, info.example]).collect();
    let word = prop_oneof![
        4 => proptest::sample::select(names).prop_map(str::to_owned),
        4 => proptest::sample::select(vec![
            " ", "\n", "\r\n", "\r", "\t", "\"", "'", "/", "\\", "#", "${", "}", "$", "within", "2s", "1", "\\x", "\\u{",
            "0x", "收", "\u{feff}", "\0", "(", "[", "set ", "expect /", "repeat 2 ", "eol", "rcvbuf",
        ]).prop_map(str::to_owned),
        1 => "\\PC{0,3}",
    ];
    proptest::collection::vec(word, 0..12).prop_map(|words| words.concat())
}

/// As many cases as `PROPTEST_CASES` says, for a longer search; else what an ordinary run can wait for.
fn config() -> ProptestConfig {
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { ProptestConfig::default().cases } else { 2000 };
    ProptestConfig { cases, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn anything_parses_or_is_refused_at_a_place(source in prop_oneof![nearly(), any::<String>()]) {
        let _ = needs_more(&source);
        let _ = parse_command("typed", 1, &source);
        match parse_script("random", &source) {
            Ok(script) => for statement in script.statements {
                let place = statement.place;
                prop_assert!(place.text.get(place.at.clone()).is_some(), "{place:?}");
                prop_assert_eq!(source.trim_start_matches('\u{feff}').lines().nth(place.line - 1).map(|line| line.trim_end_matches('\r')), Some(place.text.trim_end_matches('\r')));
            },
            Err(error) => {
                prop_assert!(error.misread.input.get(error.misread.at.clone()).is_some(), "{error:?}");
                prop_assert!(error.line <= source.matches('\n').count() + 1);
                let shown = error.to_string();
                prop_assert!(!shown.contains(|c: char| c.is_control() && c != '\n'), "{shown:?}");
            }
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in any::<Vec<u8>>()) {
        if let Err(error) = parse_bytes("random", &bytes) {
            error.to_string();
        }
    }

    #[test]
    fn what_is_quoted_reads_back(bytes in prop_oneof![
        any::<Vec<u8>>(),
        "[${}\\\\\"'#\\r\\n\\t\\x00a收\u{202e}]{0,24}".prop_map(String::into_bytes),
    ]) {
        let source = format!("send {}", quote(&bytes));
        prop_assert!(!source.contains(['\n', '\r']));
        let Command::Send(text) = one(&source) else { panic!() };
        prop_assert_eq!(&flat(&text), &bytes, "{}", source);
        prop_assert!(text.0.iter().all(|part| matches!(part, Part::Bytes(_))), "{}", source);
    }

    #[test]
    fn what_is_printed_reads_back(parts in proptest::collection::vec((any::<bool>(), "[${}\\\\a1\"]{1,4}", 0..99u16), 0..6)) {
        // As the parser makes it: no empty piece, and no two of bytes beside each other.
        let mut text = Text(Vec::new());
        for (capture, bytes, number) in parts {
            match text.0.last_mut() {
                _ if capture => text.0.push(Part::Capture(number.to_string())),
                Some(Part::Bytes(last)) => last.extend_from_slice(bytes.as_bytes()),
                _ => text.0.push(Part::Bytes(bytes.into_bytes())),
            }
        }
        let source = format!("send {}", quote_text(&text));
        prop_assert!(matches!(one(&source), Command::Send(read) if read == text), "{}", source);
    }
}
