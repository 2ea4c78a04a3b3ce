//! The report of `ping`, which is its payload: a line for each probe, and the sum.

use std::fmt::Write as _;
use std::time::Duration;

use super::stats::Stats;
use super::{Answer, Series};
use crate::addr::Endpoint;
use crate::error::Error;
use crate::text::count_of_bytes;

/// How many rows a histogram has at the most, and how wide its longest bar is.
const ROWS: usize = 10;
const WIDTH: u64 = 40;
/// From where on, longest to shortest, the rows grow wider rather than being equally wide.
const FAR_APART: f64 = 10.0;

/// A time as a report has it.
pub(super) fn millis(time: Duration) -> String {
    format!("{:.3} ms", time.as_secs_f64() * 1e3)
}

/// The line of one probe.
pub(super) fn probe(endpoint: &Endpoint, seq: u64, outcome: &Result<Answer, Error>, took: Duration) -> String {
    let mut line = format!("{endpoint}: seq {seq}");
    match outcome {
        Ok(answer) => {
            if let Some(connect) = answer.connect {
                let _ = write!(line, ", connect {}", millis(connect));
            }
            if let Some(tls) = answer.tls {
                let _ = write!(line, ", TLS {}", millis(tls));
            }
            if let Some(first) = answer.first_byte {
                let _ = write!(line, ", first byte {}", millis(first));
            }
            if let Some(bytes) = answer.bytes {
                let _ = write!(line, ", {} back in {}", count_of_bytes(bytes as u64), millis(answer.took));
            }
        }
        Err(error) => {
            let _ = write!(line, ": {}, after {}", why(endpoint, error), millis(took));
        }
    }
    line.push('\n');
    line
}

/// An error in a line that has told the address already.
pub(super) fn why(endpoint: &Endpoint, error: &Error) -> String {
    let text = error.to_string();
    text.strip_prefix(&format!("{}, {endpoint}: ", error.phase)).unwrap_or(&text).to_owned()
}

/// How it stands.
pub(super) fn live(endpoint: &Endpoint, stats: &Stats) -> String {
    let (probes, answers) = (stats.probes(), stats.answers());
    let mut line = format!("{endpoint}: {answers} of {probes} answered");
    if let Some(spread) = stats.spread() {
        let (avg, p50, p99) = (millis(spread.avg), millis(spread.p50), millis(spread.p99));
        let _ = write!(line, ", avg {avg}, p50 {p50}, p99 {p99}");
    }
    line
}

impl Series {
    /// The sum, with a drawn histogram or without.
    #[must_use]
    pub fn summary(&self, histogram: bool) -> String {
        let Self { endpoint, stats, .. } = self;
        let (probes, answers) = (stats.probes(), stats.answers());
        let probes = if probes == 1 { "1 probe".to_owned() } else { format!("{probes} probes") };
        let mut text = format!("{endpoint}: {probes}, {answers} answered, {:.1} % lost\n", stats.loss());
        if let Some(spread) = stats.spread() {
            let times = [
                ("min", spread.min),
                ("avg", spread.avg),
                ("p50", spread.p50),
                ("p90", spread.p90),
                ("p99", spread.p99),
                ("max", spread.max),
                ("stddev", spread.stddev),
            ];
            let times = times.map(|(name, time)| format!("{name} {:.3}", time.as_secs_f64() * 1e3));
            let _ = writeln!(text, "ms: {}", times.join(", "));
            if histogram {
                text.push_str(&draw(stats, spread.min, spread.max));
            }
        }
        text
    }
}

/// A row for each range of times: its ends, a bar, the number of answers.
fn draw(stats: &Stats, min: Duration, max: Duration) -> String {
    let (min, max) = ((min.as_nanos() as f64).max(1.0), (max.as_nanos() as f64).max(1.0));
    let rows = if max > min { ROWS.min(usize::try_from(stats.answers()).unwrap_or(ROWS)).max(2) } else { 1 };
    let apart = max / min > FAR_APART;
    let edge = |row: usize| {
        let part = row as f64 / rows as f64;
        // Not f64::powf: for that alone the C library's libm would be loaded at every start, 0.1 ms.
        if apart { min * libm::pow(max / min, part) } else { min + (max - min) * part }
    };
    let mut counts = vec![0u64; rows];
    for (time, count) in stats.counts() {
        let row = (1..rows).find(|row| time < edge(*row)).unwrap_or(rows) - 1;
        counts[row] += count;
    }
    let most = counts.iter().copied().max().unwrap_or(0).max(1);
    let mut text = String::new();
    for (row, count) in counts.iter().enumerate() {
        let bar = (count * WIDTH).div_ceil(most);
        let bar = "#".repeat(usize::try_from(bar).unwrap_or(0));
        let (from, to) = (edge(row) / 1e6, edge(row + 1) / 1e6);
        let _ = writeln!(text, "{from:>9.3} to {to:>9.3} ms |{bar:<40}| {count}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stats(micros: &[u64]) -> Stats {
        let mut stats = Stats::default();
        micros.iter().for_each(|micros| stats.answered(Duration::from_micros(*micros)));
        stats
    }

    #[test]
    fn every_answer_is_in_a_row() {
        for times in [&[100][..], &[100, 100, 100], &[100, 101], &[1, 10, 100, 1000, 10_000, 9_999_999], &[5; 1000]] {
            let stats = stats(times);
            let spread = stats.spread().unwrap();
            let drawn = draw(&stats, spread.min, spread.max);
            let counts = drawn.lines().map(|line| line.rsplit_once(' ').unwrap().1.parse::<usize>().unwrap());
            assert_eq!(counts.sum::<usize>(), times.len(), "{drawn}");
            assert!(drawn.lines().count() <= ROWS);
        }
    }

    #[test]
    fn the_sum_of_probes() {
        let endpoint: Endpoint = "127.0.0.1:80".parse().unwrap();
        let mut stats = stats(&[1000, 3000]);
        stats.lost();
        let series = Series { endpoint, stats, last: None };
        assert_eq!(
            series.summary(true),
            concat!(
                "127.0.0.1:80: 3 probes, 2 answered, 33.3 % lost\n",
                "ms: min 1.000, avg 2.000, p50 1.000, p90 3.000, p99 3.000, max 3.000, stddev 1.000\n",
                "    1.000 to     2.000 ms |########################################| 1\n",
                "    2.000 to     3.000 ms |########################################| 1\n",
            )
        );
    }
}
