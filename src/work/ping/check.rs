//! `--fail-if 'p99>5ms'`: what a run of probes must not be.

use std::fmt;
use std::time::Duration;

use super::stats::Stats;
use crate::span::Misread;
use crate::value::{parse_duration, within};

/// What is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Metric {
    Min,
    Avg,
    Max,
    P50,
    P90,
    P95,
    P99,
    P999,
    Loss,
}

const METRICS: [(&str, Metric); 9] = [
    ("min", Metric::Min),
    ("avg", Metric::Avg),
    ("max", Metric::Max),
    ("p50", Metric::P50),
    ("p90", Metric::P90),
    ("p95", Metric::P95),
    ("p99", Metric::P99),
    ("p99.9", Metric::P999),
    ("loss", Metric::Loss),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Op {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// The longer ones first: one begins like the other.
const OPS: [(&str, Op); 4] = [("<=", Op::LessOrEqual), (">=", Op::GreaterOrEqual), ("<", Op::Less), (">", Op::Greater)];

/// A condition that makes the run fail.
#[derive(Debug, Clone, PartialEq)]
pub struct FailIf {
    metric: Metric,
    op: Op,
    /// In seconds, of a loss in percent.
    value: f64,
    text: String,
}

/// As it was typed.
impl fmt::Display for FailIf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FailIf {
    /// Reads METRIC OP VALUE: `p99>5ms`, `loss >= 1%`. The value of a loss is in percent, with the sign or without.
    ///
    /// # Errors
    /// Anything else, with the place.
    pub fn parse(text: &str) -> Result<Self, Misread> {
        let misread =
            |at, message: String| Misread::new("condition", text, at, message).hint("p99>5ms").hint("loss>1%");
        let start = text.len() - text.trim_start().len();
        let end = text[start..].find(['<', '>', '=', '!']).map_or(text.len(), |at| start + at);
        let name = text[start..end].trim_end();
        let Some((_, metric)) = METRICS.iter().find(|(known, _)| *known == name) else {
            let names = METRICS.map(|(name, _)| name).join(", ");
            return Err(misread(start..start + name.len(), format!("what is looked at is one of {names}")));
        };
        let Some((sign, op)) = OPS.iter().find(|(sign, _)| text[end..].starts_with(sign)) else {
            let wrong: usize = text[end..].chars().take_while(|c| "<>=!".contains(*c)).map(char::len_utf8).sum();
            return Err(misread(end..end + wrong, "it is compared by <, <=, > or >=".to_owned()));
        };
        let from = end + sign.len();
        let from = from + text[from..].len() - text[from..].trim_start().len();
        let said = text[from..].trim_end();
        let value = if *metric == Metric::Loss {
            let number = said.strip_suffix('%').unwrap_or(said).trim_end();
            let plain = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
            let percent = plain.then(|| number.parse::<f64>().ok()).flatten().filter(|percent| *percent <= 100.0);
            percent.ok_or_else(|| misread(from..from + said.len(), "a loss is from 0% to 100%".to_owned()))?
        } else {
            parse_duration(said).map_err(|error| within(error, text, from))?.as_secs_f64()
        };
        Ok(Self { metric: *metric, op: *op, value, text: text.trim().to_owned() })
    }

    /// What it is in the end, where that meets the condition. Where nothing was answered there are no times.
    #[must_use]
    pub fn met(&self, stats: &Stats) -> Option<String> {
        let spread = stats.spread();
        let time = |pick: fn(&crate::event::Spread) -> Duration| spread.as_ref().map(pick);
        let is = match self.metric {
            Metric::Loss => None,
            Metric::Min => Some(time(|spread| spread.min)?),
            Metric::Avg => Some(time(|spread| spread.avg)?),
            Metric::Max => Some(time(|spread| spread.max)?),
            Metric::P50 => Some(time(|spread| spread.p50)?),
            Metric::P90 => Some(time(|spread| spread.p90)?),
            Metric::P95 => Some(time(|spread| spread.p95)?),
            Metric::P99 => Some(time(|spread| spread.p99)?),
            Metric::P999 => Some(time(|spread| spread.p999)?),
        };
        let number = is.map_or_else(|| stats.loss(), |is| is.as_secs_f64());
        let met = match self.op {
            Op::Less => number < self.value,
            Op::LessOrEqual => number <= self.value,
            Op::Greater => number > self.value,
            Op::GreaterOrEqual => number >= self.value,
        };
        let name = METRICS.iter().find(|(_, metric)| *metric == self.metric).map_or("", |(name, _)| name);
        let text = is.map_or_else(|| format!("{number:.1} %"), super::report::millis);
        met.then(|| format!("{name} is {text} (--fail-if '{self}')"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stats(millis: &[u64], lost: u64) -> Stats {
        let mut stats = Stats::default();
        millis.iter().for_each(|millis| stats.answered(Duration::from_millis(*millis)));
        (0..lost).for_each(|_| stats.lost());
        stats
    }

    #[test]
    fn each_metric_and_operator() {
        for (text, value) in [
            ("p99>5ms", 0.005),
            ("p99.9 >= 5 ms", 0.005),
            (" min<1s", 1.0),
            ("avg<=2", 2.0),
            ("max>1m", 60.0),
            ("p50>0.5", 0.5),
            ("p90>1us", 1e-6),
            ("p95>10ms ", 0.01),
            ("loss>1%", 1.0),
            ("loss >= 0.5 %", 0.5),
            ("loss>20", 20.0),
        ] {
            let parsed = FailIf::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert!((parsed.value - value).abs() < 1e-12, "{text}: {parsed:?}");
            assert_eq!(parsed.to_string(), text.trim());
        }
    }

    #[test]
    fn what_is_misread_is_shown() {
        for (text, at) in [
            ("", 0..0),
            ("p98>5ms", 0..3),
            ("p99", 3..3),
            ("p99=5ms", 3..4),
            ("p99==5ms", 3..5),
            ("p99 5ms", 0..7),
            ("p99>", 4..4),
            ("p99>5 parsecs", 6..13),
            ("p99 > -1ms", 6..7),
            ("loss>101%", 5..9),
            ("loss>5ms", 5..8),
            ("loss>", 5..5),
            ("P99>5ms", 0..3),
            ("收>1", 0..3),
        ] {
            let error = FailIf::parse(text).expect_err(text);
            assert_eq!(error.at, at, "{text}: {error}");
        }
    }

    #[test]
    fn conditions_are_met_or_not() {
        let stats = stats(&[1, 2, 3, 4], 1);
        for (text, met) in [
            ("max>3ms", true),
            ("max>4ms", false),
            ("max>=4ms", true),
            ("min<1ms", false),
            ("min<=1ms", true),
            ("avg>2ms", true),
            ("p50>2.5ms", false),
            ("loss>=20%", true),
            ("loss>20", false),
        ] {
            assert_eq!(FailIf::parse(text).unwrap().met(&stats).is_some(), met, "{text}");
        }
    }

    #[test]
    fn of_nothing_only_the_loss_is_known() {
        let stats = stats(&[], 3);
        assert_eq!(FailIf::parse("max>0").unwrap().met(&stats), None);
        assert_eq!(
            FailIf::parse("loss>5%").unwrap().met(&stats).as_deref(),
            Some("loss is 100.0 % (--fail-if 'loss>5%')")
        );
    }
}
