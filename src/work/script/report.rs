//! What came of each command, in the forms that test harnesses read.
//!
//! TAP: <https://testanything.org/tap-version-14-specification.html>. JUnit: the common subset that CI systems
//! read, as <https://github.com/testmoapp/junitxml> describes it.

use std::fmt::Write as _;
use std::time::Duration;

use super::Place;
use crate::error::{Error, Fact};
use crate::text::{is_hazard, visible_line};

/// One command that ran.
#[derive(Debug)]
struct Case {
    script: String,
    line: usize,
    command: String,
    took: Duration,
    /// What it failed with, in a line, and what came instead.
    failure: Option<(String, Option<String>)>,
}

/// All of them.
#[derive(Debug, Default)]
pub struct Report {
    cases: Vec<Case>,
}

impl Report {
    pub(super) fn add(&mut self, place: &Place, took: Duration, failure: Option<&Error>) {
        let came = |error: &Error| {
            error.facts.iter().find_map(|fact| match fact {
                Fact::Came { last, bytes } => Some(format!("{bytes} bytes, \"{}\"", visible_line(last))),
                _ => None,
            })
        };
        self.cases.push(Case {
            script: place.script.clone(),
            line: place.line,
            command: place.text.get(place.at.clone()).unwrap_or(&place.text).trim().to_owned(),
            took,
            failure: failure.map(|error| (error.to_string(), came(error))),
        });
    }

    /// Adds what another engine wrote down.
    pub fn append(&mut self, mut other: Self) {
        self.cases.append(&mut other.cases);
    }

    /// As TAP, version 14.
    #[must_use]
    pub fn tap(&self) -> String {
        let mut out = format!("TAP version 14\n1..{}\n", self.cases.len());
        for (nth, case) in self.cases.iter().enumerate() {
            let word = if case.failure.is_some() { "not ok" } else { "ok" };
            // A # would begin a directive.
            let command = visible_line(&case.command).replace('\\', "\\\\").replace('#', "\\#");
            let script = visible_line(&case.script).replace('\\', "\\\\").replace('#', "\\#");
            let _ = writeln!(out, "{word} {} - {script}:{} {command}", nth + 1, case.line);
            if let Some((message, came)) = &case.failure {
                let _ = writeln!(out, "  ---\n  message: {}", yaml(message));
                if let Some(came) = came {
                    let _ = writeln!(out, "  came: {}", yaml(came));
                }
                let _ = writeln!(out, "  duration_ms: {:.3}\n  ...", case.took.as_secs_f64() * 1e3);
            }
        }
        out
    }

    /// As JUnit's XML.
    #[must_use]
    pub fn junit(&self) -> String {
        let failures = self.cases.iter().filter(|case| case.failure.is_some()).count();
        let total: Duration = self.cases.iter().map(|case| case.took).sum();
        let counts =
            format!("tests=\"{}\" failures=\"{failures}\" time=\"{:.6}\"", self.cases.len(), total.as_secs_f64());
        let mut out = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites {counts}>\n");
        let name = self.cases.first().map_or("script", |case| case.script.as_str());
        let _ = writeln!(out, "  <testsuite name=\"{}\" {counts}>", xml(name));
        for case in &self.cases {
            let _ = write!(
                out,
                "    <testcase classname=\"{}\" name=\"{}\" time=\"{:.6}\"",
                xml(&case.script),
                xml(&format!("line {}: {}", case.line, case.command)),
                case.took.as_secs_f64()
            );
            match &case.failure {
                None => out.push_str("/>\n"),
                Some((message, came)) => {
                    let came = came.as_ref().map(|came| format!("came: {came}")).unwrap_or_default();
                    let _ = writeln!(
                        out,
                        ">\n      <failure message=\"{}\">{}</failure>\n    </testcase>",
                        xml(message),
                        xml(&came)
                    );
                }
            }
        }
        out.push_str("  </testsuite>\n</testsuites>\n");
        out
    }
}

/// A double-quoted scalar.
fn yaml(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if is_hazard(c) => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out + "\""
}

/// Text in an attribute or an element. What XML 1.0 has no form for is shown escaped as elsewhere.
fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in visible_line(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Exit, Phase};

    fn report() -> Report {
        let place = |line, text: &str| Place { script: "a.sk".into(), line, text: text.into(), at: 0..text.len() };
        let mut report = Report::default();
        report.add(&place(1, "send \"#1\""), Duration::from_millis(2), None);
        let mut error = Error::text(Exit::Expectation, Phase::Expecting, None, "<no> & \"none\"");
        error.facts.push(Fact::Came { bytes: 3, last: b"\x1b\xff\n".to_vec() });
        report.add(&place(2, "expect /a/"), Duration::from_secs(1), Some(&error));
        report
    }

    #[test]
    fn tap_has_a_line_for_each_and_a_block_for_what_failed() {
        assert_eq!(
            report().tap(),
            "TAP version 14\n1..2\nok 1 - a.sk:1 send \"\\#1\"\nnot ok 2 - a.sk:2 expect /a/\n  ---\n  \
             message: \"expecting: <no> & \\\"none\\\"\"\n  came: \"3 bytes, \\\"\\\\x1b\\\\xff\\\\n\\\"\"\n  \
             duration_ms: 1000.000\n  ...\n"
        );
    }

    #[test]
    fn junit_is_xml_whatever_came() {
        let text = report().junit();
        assert!(text.contains("<testsuites tests=\"2\" failures=\"1\" time=\"1.002000\">"), "{text}");
        assert!(text.contains("<failure message=\"expecting: &lt;no&gt; &amp; &quot;none&quot;\">"), "{text}");
        assert!(text.contains("came: 3 bytes, &quot;\\x1b\\xff\\n&quot;"), "{text}");
    }
}
