//! Values that people type: sizes, durations, whole numbers.
//!
//! Every reader here takes any text at all and answers with the value or with a [`Misread`] that points at the
//! place; none panics, saturates or wraps around.

use std::ops::{Range, RangeInclusive};
use std::time::Duration;

use crate::span::Misread;

/// The longest duration that is taken: 100 years. Long enough for anyone, and short enough that adding it to
/// the clock cannot overflow.
pub const MAX_DURATION: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// Reads a size in bytes: a whole number, with `k`, `m`, `g` or `t` (also `K`, `KiB`, ...) for powers of 1024.
///
/// # Errors
/// Anything else, and a size beyond 2⁶⁴−1.
pub fn parse_size(text: &str) -> Result<u64, Misread> {
    let misread = |at, message: &str| Misread::new("size", text, at, message);
    if text.is_empty() {
        return Err(misread(0..0, "it is empty").hint("64k"));
    }
    if text.starts_with(['-', '+']) {
        return Err(misread(0..1, "a size is a plain number of bytes, without a sign").hint("64k"));
    }
    let digits = run(text, 0, |c| c.is_ascii_digit());
    if digits.is_empty() {
        return Err(misread(first_char(text, 0), "a size begins with a digit").hint("64k"));
    }
    let number: u64 =
        text[digits.clone()].parse().map_err(|_| misread(digits.clone(), "larger than any size there is"))?;
    let unit = &text[digits.end..];
    let shift = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kib" => 10,
        "m" | "mib" => 20,
        "g" | "gib" => 30,
        "t" | "tib" => 40,
        // Half of the world reads these as powers of 1000, so neither reading is safe.
        "kb" | "mb" | "gb" | "tb" => {
            let hint = &text[..digits.end + 1];
            return Err(misread(digits.end..text.len(), "1000 or 1024? write the unit without the b").hint(hint));
        }
        _ if unit.starts_with('.') => return Err(misread(digits.end..text.len(), "a size is a whole number")),
        _ => return Err(misread(digits.end..text.len(), "not a unit of size; there are k, m, g and t")),
    };
    number.checked_mul(1 << shift).ok_or_else(|| misread(0..text.len(), "larger than any size there is"))
}

/// Reads a duration: a bare number is seconds (`2`, `1.5`), else humantime's form (`500ms`, `2s`, `1h 30m`).
///
/// # Errors
/// Anything else, parts finer than a nanosecond, and more than [`MAX_DURATION`].
pub fn parse_duration(text: &str) -> Result<Duration, Misread> {
    let misread = |at, message: &str| Misread::new("duration", text, at, message);
    if text.trim().is_empty() {
        return Err(misread(0..text.len(), "it is empty").hint("2s").hint("500ms"));
    }
    let mut total = Duration::ZERO;
    let mut at = 0;
    // One part (number and unit) at a time: this gives the place of a mistake, and keeps sums that would
    // overflow away from humantime.
    while at < text.len() {
        let space = run(text, at, char::is_whitespace);
        let number = run(text, space.end, |c| c.is_ascii_digit() || c == '.');
        if number.is_empty() {
            if number.start == text.len() {
                break;
            }
            let message = match text[number.start..].chars().next() {
                Some('-') => "a duration cannot be negative",
                _ => "a number belongs here",
            };
            return Err(misread(first_char(text, number.start), message).hint("2s").hint("500ms"));
        }
        let gap = run(text, number.end, char::is_whitespace);
        let unit = run(text, gap.end, |c| !c.is_whitespace() && !c.is_ascii_digit() && c != '.');
        let bare = unit.is_empty() && space.start == 0 && unit.end == text.len();
        if unit.is_empty() && !bare {
            return Err(misread(unit, "the unit is missing; there are ms, s, m, h, d and more").hint("1h 30m"));
        }
        // `.5` is how bc(1) and many people write it.
        let zero = if text[number.clone()].starts_with('.') && number.len() > 1 { "0" } else { "" };
        let part = format!("{zero}{}{}", &text[number.clone()], if bare { "s" } else { &text[unit.clone()] });
        let (length, end) = match humantime::parse_duration(&part) {
            Ok(length) => (length, if unit.is_empty() { number.end } else { unit.end }),
            Err(humantime::DurationError::UnknownUnit { .. }) => {
                return Err(misread(unit, "not a unit of time; there are ms, s, m, h, d and more"));
            }
            Err(humantime::DurationError::NumberOverflow) => {
                let message = "too large, or finer than a nanosecond";
                return Err(misread(number, message));
            }
            Err(_) => return Err(misread(number, "not a number").hint("1.5s")),
        };
        total = total
            .checked_add(length)
            .filter(|total| *total <= MAX_DURATION)
            .ok_or_else(|| misread(number.start..end, "longer than 100 years"))?;
        at = if bare { text.len() } else { end };
    }
    Ok(total)
}

/// So many bytes in so much time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// At least one.
    pub bytes: u64,
    /// More than nothing.
    pub per: Duration,
}

/// Reads a rate, a size and a duration: `1k/100ms`, `10/2` (in two seconds), `10/s` (in one).
///
/// # Errors
/// Anything else, no bytes at all, and no time at all.
pub fn parse_rate(text: &str) -> Result<Rate, Misread> {
    let misread = |at, message: &str| Misread::new("rate", text, at, message).hint("1k/100ms").hint("10/s");
    let Some((size, time)) = text.split_once('/') else {
        return Err(misread(text.len()..text.len(), "a rate is BYTES/DURATION"));
    };
    let bytes = parse_size(size).map_err(|error| within(error, text, 0))?;
    if bytes == 0 {
        return Err(misread(0..size.len(), "at this rate nothing would ever be sent"));
    }
    let after = size.len() + 1;
    let bare = time.starts_with(|c: char| c.is_ascii_alphabetic());
    let per = if bare { parse_duration(&format!("1{time}")) } else { parse_duration(time) };
    let per = per.map_err(|mut error| {
        if bare {
            // The 1 was ours, and the complaint is not about that.
            let end = error.at.end.saturating_sub(1);
            error.at = error.at.start.saturating_sub(1)..if end == 0 { time.len() } else { end };
        }
        within(error, text, after)
    })?;
    if per.is_zero() {
        return Err(misread(after..text.len(), "in no time at all there is no rate"));
    }
    Ok(Rate { bytes, per })
}

/// Reads a probability: a number from 0 to 1.
///
/// # Errors
/// Anything else.
pub fn parse_probability(text: &str) -> Result<f64, Misread> {
    let misread = |at, message: &str| Misread::new("probability", text, at, message).hint("0.01");
    // Rust's own parser takes a sign, `inf`, `NaN` and more.
    let digits = run(text, 0, |c| c.is_ascii_digit() || c == '.');
    if digits.end < text.len() || text.is_empty() {
        return Err(misread(first_char(text, digits.end), "a number from 0 to 1 belongs here"));
    }
    match text.parse::<f64>() {
        Ok(number) if number <= 1.0 => Ok(number),
        Ok(_) => Err(misread(0..text.len(), "it goes from 0 (never) to 1 (always)")),
        Err(_) => Err(misread(0..text.len(), "not a number")),
    }
}

/// Writes a duration so that [`parse_duration`] reads the same one: `1h30m`, `500ms`.
#[must_use]
pub fn print_duration(duration: Duration) -> String {
    humantime::format_duration(duration).to_string().replace(' ', "")
}

/// Reads a whole number, decimal or `0x` and hexadecimal. `what` names it in the complaint.
///
/// # Errors
/// Anything else, and a number outside `range`.
pub fn parse_number(what: &'static str, text: &str, range: RangeInclusive<u64>) -> Result<u64, Misread> {
    let misread = |at, message: String| Misread::new(what, text, at, message);
    let bounds = match range.end() {
        &u64::MAX => format!("from {} on", range.start()),
        end => format!("from {} to {end}", range.start()),
    };
    if text.is_empty() {
        return Err(misread(0..0, format!("it is empty; a number {bounds} belongs here")));
    }
    let (start, radix) = if text.starts_with("0x") || text.starts_with("0X") { (2, 16) } else { (0, 10) };
    let digits = run(text, start, |c| c.is_digit(radix));
    if digits.end < text.len() || digits.is_empty() {
        return Err(misread(first_char(text, digits.end), format!("a whole number {bounds} belongs here")));
    }
    u64::from_str_radix(&text[digits], radix)
        .ok()
        .filter(|number| range.contains(number))
        .ok_or_else(|| misread(0..text.len(), format!("it goes {bounds}")))
}

/// Moves a complaint about a part to the whole text, in which the part begins at byte `offset`.
#[must_use]
pub fn within(mut misread: Misread, whole: &str, offset: usize) -> Misread {
    whole.clone_into(&mut misread.input);
    misread.at = misread.at.start + offset..misread.at.end + offset;
    misread
}

/// The longest run of such characters that begins at byte `start`.
fn run(text: &str, start: usize, such: impl Fn(char) -> bool) -> Range<usize> {
    let rest = &text[start..];
    start..start + rest.find(|c| !such(c)).unwrap_or(rest.len())
}

/// The character at byte `at`, or the empty end.
fn first_char(text: &str, at: usize) -> Range<usize> {
    at..at + text[at..].chars().next().map_or(0, char::len_utf8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("0", 0),
            ("1", 1),
            ("64k", 65_536),
            ("64K", 65_536),
            ("64KiB", 65_536),
            ("100b", 100),
            ("1m", 1 << 20),
            ("1MiB", 1 << 20),
            ("3g", 3 << 30),
            ("1t", 1 << 40),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for (text, at) in [
            ("", 0..0),
            ("-1", 0..1),
            ("+1", 0..1),
            ("k", 0..1),
            ("NaN", 0..1),
            ("64q", 2..3),
            ("64 k", 2..4),
            ("1.5k", 1..4),
            ("64kb", 2..4),
            ("1e18", 1..4),
            ("0x10", 1..4),
            ("18446744073709551616", 0..20),
            ("18446744073709551615k", 0..21),
            ("\u{661}", 0..2),
        ] {
            assert_eq!(parse_size(text).unwrap_err().at, at, "{text}");
        }
    }

    #[test]
    fn durations() {
        for (text, millis) in [
            ("0", 0),
            ("2", 2000),
            ("1.5", 1500),
            ("2s", 2000),
            ("500ms", 500),
            ("1h 30m", 5_400_000),
            ("1h30m", 5_400_000),
            (" 2 ", 2000),
            ("2 min", 120_000),
            ("0.001", 1),
            (".5", 500),
            (".5s", 500),
            ("1m .5s", 60_500),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for (text, at) in [
            ("", 0..0),
            ("  ", 0..2),
            ("-1", 0..1),
            ("-1s", 0..1),
            ("NaN", 0..1),
            ("inf", 0..1),
            ("1e18", 1..2),
            ("2x", 1..2),
            ("2s 3", 4..4),
            ("1 2", 2..2),
            (".", 0..1),
            ("..5", 0..3),
            (".s", 0..1),
            ("1.2.3", 0..5),
            ("1000000000000000000", 0..19),
            ("99999999999999999999", 0..20),
            ("0.0000000001", 0..12),
            ("18446744073709551615s 1000ms", 0..21),
            ("99y 500d", 4..8),
        ] {
            assert_eq!(parse_duration(text).unwrap_err().at, at, "{text}");
        }
    }

    #[test]
    fn numbers() {
        assert_eq!(parse_number("mark", "0x2a", 0..=100), Ok(42));
        assert_eq!(parse_number("mark", "42", 0..=100), Ok(42));
        for (text, at) in [("", 0..0), ("-1", 0..1), ("4x", 1..2), ("0x", 2..2), ("101", 0..3), ("1e18", 1..2)] {
            assert_eq!(parse_number("mark", text, 0..=100).unwrap_err().at, at, "{text}");
        }
    }

    #[test]
    fn rates() {
        let rate = |bytes, millis| Ok(Rate { bytes, per: Duration::from_millis(millis) });
        for (text, bytes, millis) in
            [("1k/100ms", 1024, 100), ("10/2", 10, 2000), ("10/s", 10, 1000), ("1/min", 1, 60_000)]
        {
            assert_eq!(parse_rate(text), rate(bytes, millis), "{text}");
        }
        for (text, at) in [
            ("", 0..0),
            ("10", 2..2),
            ("/s", 0..0),
            ("10/", 3..3),
            ("0/s", 0..1),
            ("10/0", 3..4),
            ("-1/s", 0..1),
            ("10/-1", 3..4),
            ("10/x", 3..4),
            ("10/1x", 4..5),
            ("10/s/s", 3..6),
            ("1q/s", 1..2),
        ] {
            assert_eq!(parse_rate(text).unwrap_err().at, at, "{text}");
        }
    }

    #[test]
    fn probabilities() {
        for (text, number) in [("0", 0.0), ("1", 1.0), ("0.01", 0.01), (".5", 0.5), ("1.0", 1.0)] {
            assert_eq!(parse_probability(text), Ok(number), "{text}");
        }
        for (text, at) in
            [("", 0..0), ("-1", 0..1), ("1.1", 0..3), ("NaN", 0..1), ("1e-3", 1..2), ("1%", 1..2), ("0..1", 0..4)]
        {
            assert_eq!(parse_probability(text).unwrap_err().at, at, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[-+.0-9a-zA-Zµ \u{a0}]{0,24}|\\PC*") {
            for misread in [parse_size(&text).err(), parse_duration(&text).err(),
                            parse_rate(&text).err(), parse_probability(&text).err(),
                            parse_number("number", &text, 0..=u64::MAX).err()].into_iter().flatten() {
                prop_assert!(misread.input.get(misread.at.clone()).is_some(), "{misread:?}");
            }
        }

        #[test]
        fn what_is_printed_reads_back(nanos in 0..=MAX_DURATION.as_nanos() as u64 / 2) {
            let duration = Duration::from_nanos(nanos);
            prop_assert_eq!(parse_duration(&print_duration(duration)), Ok(duration));
        }
    }
}
