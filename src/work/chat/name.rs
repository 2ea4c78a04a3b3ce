//! What people and rooms may be called.

use crate::text::is_hazard;

/// Why a name will not do; `None` when it will. `limit` is in characters.
///
/// White space would end a name in the middle of a line, and brackets would end it where the line format does. What
/// is not seen would let two names look alike.
pub(super) fn objection(name: &str, limit: usize) -> Option<String> {
    let invisible = |c: char| {
        matches!(c, '\u{ad}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
    };
    if name.is_empty() {
        Some("a name has at least one character".to_owned())
    } else if name.chars().count() > limit {
        Some(format!("a name has at most {limit} characters"))
    } else if name.chars().any(|c| is_hazard(c) || invisible(c)) {
        Some("a name has no control characters, and none that are not seen".to_owned())
    } else if name.contains(char::is_whitespace) {
        Some("a name has no spaces".to_owned())
    } else if name.contains(['<', '>', '[', ']']) {
        Some("a name has no brackets".to_owned())
    } else if name.starts_with(['/', '-']) {
        Some("a name begins with neither / nor -".to_owned())
    } else {
        None
    }
}

/// What two names have in common that count as one.
pub(super) fn folded(name: &str) -> String {
    name.to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_can_be_seen_and_typed() {
        for good in ["bob", "Grüße", "王小明", "a.b-c_d", "😀", "%n", "o'neill"] {
            assert_eq!(objection(good, 32), None, "{good}");
        }
        let long = "x".repeat(33);
        for bad in
            ["", &long, "a b", "a\tb", "a\rb", "\u{1b}[31m", "a\u{202e}b", "bob\u{200b}", "<a>", "a]", "/who", "-- you"]
        {
            assert!(objection(bad, 32).is_some(), "{bad:?}");
        }
        assert_eq!(folded("BoB"), folded("bOb"));
    }
}
