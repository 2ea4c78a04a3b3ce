//! The invariants of the house, held by a scan of the source: which floor may import which, and which room alone
//! may use a crate, print, or end the process. Comments and the contents of string literals do not count.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// The floors, bottom up, by the module under `src/`. A module imports from its own floor or below.
const FLOORS: [&[&str]; 6] = [
    &["addr", "charset", "event", "error", "course", "span", "text", "acl", "value", "tls"],
    &["sys"],
    &["net"],
    &["work"],
    &["out"],
    &["cli", "cmd", "repl", "fuzz"],
];

/// Lines in a source file: past it, a file is two rooms.
const LONGEST: usize = 700;

/// The same in `cmd/`: a subcommand's arguments and what is done with them. More of it belongs on a floor below.
const LONGEST_OF_CMD: usize = 150;

struct Source {
    /// Below `src/`.
    path: String,
    /// The first part of the path: `net` of `net/dial.rs`, `addr` of `addr.rs`.
    module: String,
    lines: usize,
    /// Without comments, and with empty string literals.
    code: String,
}

impl Source {
    fn is_root(&self) -> bool {
        matches!(self.module.as_str(), "main" | "lib")
    }

    fn longest(&self) -> usize {
        if self.is_in(&["cmd"]) { LONGEST_OF_CMD } else { LONGEST }
    }

    fn is_in(&self, rooms: &[&str]) -> bool {
        rooms.contains(&self.module.as_str())
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut todo: Vec<PathBuf> = vec![root.clone()];
    while let Some(dir) = todo.pop() {
        for entry in fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                todo.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let path = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
                let module = path.split('/').next().unwrap().trim_end_matches(".rs").to_owned();
                found.push(Source { path, module, lines: text.lines().count(), code: bare(&text) });
            }
        }
    }
    assert!(!found.is_empty(), "no source in {}", root.display());
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// The code without comments and without what stands in string and character literals. Newlines stay, so that line
/// numbers do.
fn bare(text: &str) -> String {
    let bytes: Vec<char> = text.chars().collect();
    let at = |i: usize| bytes.get(i).copied().unwrap_or('\0');
    let mut out = String::with_capacity(text.len());
    let mut i = 0;
    let newlines = |out: &mut String, from: usize, to: usize| {
        out.extend(bytes[from..to.min(bytes.len())].iter().filter(|c| **c == '\n'));
    };
    while i < bytes.len() {
        let c = bytes[i];
        let in_word = i > 0 && (bytes[i - 1].is_alphanumeric() || bytes[i - 1] == '_');
        if c == '/' && at(i + 1) == '/' {
            while i < bytes.len() && bytes[i] != '\n' {
                i += 1;
            }
        } else if c == '/' && at(i + 1) == '*' {
            let (begin, mut depth) = (i, 1);
            i += 2;
            while i < bytes.len() && depth > 0 {
                match (at(i), at(i + 1)) {
                    ('/', '*') => (depth, i) = (depth + 1, i + 2),
                    ('*', '/') => (depth, i) = (depth - 1, i + 2),
                    _ => i += 1,
                }
            }
            newlines(&mut out, begin, i);
        } else if c == 'r' && !raw_prefix_of_word(&bytes, i) && raw_hashes(&bytes, i).is_some() {
            let hashes = raw_hashes(&bytes, i).unwrap();
            let begin = i;
            i += 2 + hashes;
            while i < bytes.len() && !(at(i) == '"' && (1..=hashes).all(|n| at(i + n) == '#')) {
                i += 1;
            }
            i += 1 + hashes;
            out.push_str("\"\"");
            newlines(&mut out, begin, i);
        } else if c == '"' {
            let begin = i;
            i += 1;
            while i < bytes.len() && bytes[i] != '"' {
                i += if bytes[i] == '\\' { 2 } else { 1 };
            }
            i += 1;
            out.push_str("\"\"");
            newlines(&mut out, begin, i);
        } else if c == '\'' && !in_word && (at(i + 1) == '\\' || at(i + 2) == '\'') {
            // A character, not a lifetime.
            i += if at(i + 1) == '\\' { 3 } else { 2 };
            while i < bytes.len() && bytes[i] != '\'' {
                i += 1;
            }
            i += 1;
            out.push_str("' '");
        } else {
            out.push(c);
            i += 1;
        }
    }
    out
}

/// Whether the `r` at `i` is the end of an identifier, and no prefix; `br` and `cr` are prefixes.
fn raw_prefix_of_word(text: &[char], i: usize) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    match i.checked_sub(1).map(|p| text[p]) {
        Some('b' | 'c') => i >= 2 && is_word(text[i - 2]),
        Some(before) => is_word(before),
        None => false,
    }
}

/// The number of `#` of the raw string that begins with the `r` at `i`.
fn raw_hashes(text: &[char], i: usize) -> Option<usize> {
    let hashes = text[i + 1..].iter().take_while(|c| **c == '#').count();
    (text.get(i + 1 + hashes) == Some(&'"')).then_some(hashes)
}

/// The places where `token` stands as a word (or begins and ends as one), as `path:line`.
fn places(source: &Source, token: &str) -> Vec<String> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut found = Vec::new();
    for (number, line) in source.code.lines().enumerate() {
        for (at, _) in line.match_indices(token) {
            let before = line[..at].chars().next_back();
            let after = line[at + token.len()..].chars().next();
            let begins = !token.starts_with(is_word) || before.is_none_or(|c| !is_word(c));
            let ends = !token.ends_with(is_word) || after.is_none_or(|c| !is_word(c));
            if begins && ends {
                found.push(format!("src/{}:{}: {}", source.path, number + 1, line.trim()));
            }
        }
    }
    found
}

/// Asserts that none of the tokens is in a file that `allowed` does not name.
#[track_caller]
fn only_in(allowed: impl Fn(&Source) -> bool, tokens: &[&str], rule: &str) {
    let mut wrong = String::new();
    for source in sources().iter().filter(|s| !allowed(s)) {
        for place in tokens.iter().flat_map(|token| places(source, token)) {
            writeln!(wrong, "  {place}").unwrap();
        }
    }
    assert!(wrong.is_empty(), "{rule}:\n{wrong}");
}

/// The modules that the code names behind `crate::` (in `lib` and below) or `sockkit::` (in `main`), with the line.
fn imports(source: &Source) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    for prefix in ["crate::", "sockkit::"] {
        for (at, _) in source.code.match_indices(prefix) {
            let line = source.code[..at].lines().count();
            let rest = source.code[at + prefix.len()..].trim_start();
            // `use crate::{net::dial, out}`: the first word after the brace and after each comma at its own depth.
            if let Some(group) = rest.strip_prefix('{') {
                let mut depth = 1;
                let mut word = String::new();
                let mut fresh = true;
                for c in group.chars() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 1 => break,
                        '}' => depth -= 1,
                        _ => {}
                    }
                    if depth == 1 && fresh && (c.is_alphanumeric() || c == '_') {
                        word.push(c);
                    } else if !word.is_empty() {
                        found.push((std::mem::take(&mut word), line));
                        fresh = false;
                    }
                    if depth == 1 && c == ',' {
                        fresh = true;
                    }
                }
                if !word.is_empty() {
                    found.push((word, line));
                }
            } else {
                let word: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                found.push((word, line));
            }
        }
    }
    found
}

fn floor_of(module: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&module))
}

#[test]
fn every_module_is_on_a_floor() {
    let lost: Vec<String> = sources()
        .into_iter()
        .filter(|s| !s.is_root() && floor_of(&s.module).is_none())
        .map(|s| format!("  src/{}", s.path))
        .collect();
    assert!(lost.is_empty(), "on no floor (give it one in tests/tidy.rs and in src/lib.rs):\n{}", lost.join("\n"));
}

#[test]
fn imports_go_down() {
    let mut wrong = String::new();
    for source in sources() {
        let Some(mine) = floor_of(&source.module) else { continue };
        for (module, line) in imports(&source) {
            if floor_of(&module).is_some_and(|theirs| theirs > mine) {
                writeln!(wrong, "  src/{}:{line} (floor {mine}) imports {module}", source.path).unwrap();
            }
        }
    }
    assert!(wrong.is_empty(), "a module imports from its own floor or below:\n{wrong}");
}

#[test]
fn work_and_out_never_meet() {
    let mut wrong = String::new();
    for source in sources() {
        for (module, line) in imports(&source) {
            if matches!((source.module.as_str(), module.as_str()), ("work", "out") | ("out", "work")) {
                writeln!(wrong, "  src/{}:{line} imports {module}", source.path).unwrap();
            }
        }
    }
    assert!(wrong.is_empty(), "work and out both know event, and not each other:\n{wrong}");
}

#[test]
fn crates_stay_in_their_rooms() {
    let at_the_door = |s: &Source| s.module == "main";
    let clap = ["clap", "clap_complete", "clap_mangen"];
    only_in(|s| s.is_in(&["cli", "cmd"]) || at_the_door(s), &clap, "clap stays in cli/, cmd/ and main.rs");
    only_in(|s| s.is_in(&["out", "repl"]), &["colored"], "colored stays in out/ and repl/");
    only_in(|s| s.is_in(&["repl"]), &["rustyline"], "rustyline stays in repl/");
}

#[test]
fn unsafe_and_systems_stay_in_sys() {
    only_in(|s| s.is_in(&["sys"]), &["unsafe"], "`unsafe` stays in sys/");
    only_in(
        |s| s.is_in(&["sys"]),
        &["target_os", "cfg(unix)", "cfg(windows)"],
        "what depends on the system stays in sys/",
    );
}

#[test]
fn exit_numbers_stay_in_error() {
    // A name is fine everywhere; it is numbers that belong in one place.
    let mut wrong = String::new();
    for source in sources().iter().filter(|s| s.module != "error") {
        for token in ["process::exit(", "ExitCode::from(", "exit(", "_exit("] {
            for place in places(source, token) {
                let after = place.rsplit_once(token).map_or("", |(_, rest)| rest);
                if after.starts_with(|c: char| c.is_ascii_digit() || c == '-') {
                    writeln!(wrong, "  {place}").unwrap();
                }
            }
        }
    }
    assert!(wrong.is_empty(), "the numbers of exits are in error.rs:\n{wrong}");
}

#[test]
fn only_out_prints() {
    let print = ["println!", "eprintln!", "print!", "eprint!", "dbg!"];
    only_in(|s| s.is_in(&["out"]) || s.module == "main", &print, "only out/ and main.rs print");
}

#[test]
fn no_file_is_two_rooms() {
    let long: Vec<String> = sources()
        .into_iter()
        .filter(|s| s.lines > s.longest())
        .map(|s| format!("  src/{}: {} lines, of {} at the most", s.path, s.lines, s.longest()))
        .collect();
    assert!(long.is_empty(), "too long:\n{}", long.join("\n"));
}

#[test]
fn the_scan_sees_code_and_nothing_else() {
    let text = r##"
        // unsafe in a comment
        /* unsafe /* nested */ unsafe */
        let a = "unsafe \" unsafe"; let b = r#"unsafe " unsafe"#; let c = b"unsafe"; let d = br"unsafe";
        let quote = '"'; let q2 = '\''; let life: &'static str = "";
        fn four() { unsafe_name(); real::unsafe_(); }
        unsafe { yes() }
    "##;
    let source = Source { path: "x.rs".into(), module: "x".into(), lines: 0, code: bare(text) };
    assert_eq!(places(&source, "unsafe"), ["src/x.rs:7: unsafe { yes() }"]);
    let code = "use crate::{net::{dial, conn}, out, event::Event};\nfn f() { crate::work::pump::run() }".to_owned();
    let source = Source { path: "x.rs".into(), module: "x".into(), lines: 0, code };
    let names: Vec<String> = imports(&source).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["net", "out", "event", "work"]);
}

/// docs/reliability.md has a row for each failure, and each names tests that exist, or says why it has none.
#[test]
fn every_failure_of_others_has_its_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/reliability.md")).unwrap();
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| R")).collect();
    let numbers: Vec<String> = rows.iter().map(|row| row[2..5].to_owned()).collect();
    let wanted: Vec<String> = (1..=49).map(|number| format!("R{number:02}")).collect();
    assert_eq!(numbers, wanted);
    let mut wrong = String::new();
    for row in rows {
        let tests = row.trim_end_matches([' ', '|']).rsplit(" | ").next().unwrap();
        if tests.starts_with("not ") {
            continue;
        }
        for name in tests.split_whitespace() {
            let (file, test) = name.trim_matches('`').split_once("::").unwrap_or_else(|| panic!("{row}: {name}"));
            let text = fs::read_to_string(root.join(format!("tests/it/{file}.rs"))).unwrap_or_default();
            let listed = text
                .split_once("trials![")
                .and_then(|(_, rest)| rest.split_once(";\n    }").or(rest.split_once("\n}")));
            let is_word = |c: char| c.is_alphanumeric() || c == '_';
            let is_listed = listed.is_some_and(|(list, _)| list.split(|c| !is_word(c)).any(|word| word == test));
            if !is_listed || !text.contains(&format!("fn {test}(")) {
                writeln!(wrong, "  {}: {name}", &row[2..5]).unwrap();
            }
        }
    }
    assert!(wrong.is_empty(), "tests that are not there:\n{wrong}");
}
