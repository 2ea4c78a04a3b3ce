//! What probes took, in sum.

use std::time::Duration;

use hdrhistogram::Histogram;

use crate::event::Spread;

/// How exact percentiles are: three digits.
const DIGITS: u8 = 3;

/// The probes of one address.
#[derive(Debug, Clone)]
pub struct Stats {
    /// What the answered ones took, in nanoseconds.
    times: Histogram<u64>,
    /// Those, exactly.
    least: Duration,
    most: Duration,
    /// Welford's running mean and sum of squares, in seconds.
    mean: f64,
    squares: f64,
    probes: u64,
}

impl Default for Stats {
    fn default() -> Self {
        let times = Histogram::new(DIGITS).expect("three digits are few enough");
        Self { times, least: Duration::MAX, most: Duration::ZERO, mean: 0.0, squares: 0.0, probes: 0 }
    }
}

impl Stats {
    /// A probe was answered after this time.
    pub fn answered(&mut self, took: Duration) {
        self.probes += 1;
        // It grows by itself; what fits in a Duration of a run fits in 64 bits.
        let _ = self.times.record(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX).max(1));
        (self.least, self.most) = (self.least.min(took), self.most.max(took));
        let seconds = took.as_secs_f64();
        let away = seconds - self.mean;
        self.mean += away / self.answers() as f64;
        self.squares += away * (seconds - self.mean);
    }

    /// A probe was not answered.
    pub fn lost(&mut self) {
        self.probes += 1;
    }

    /// How many probes there were.
    #[must_use]
    pub fn probes(&self) -> u64 {
        self.probes
    }

    /// How many were answered.
    #[must_use]
    pub fn answers(&self) -> u64 {
        self.times.len()
    }

    /// How many were not, in percent.
    #[must_use]
    pub fn loss(&self) -> f64 {
        if self.probes == 0 { 0.0 } else { (self.probes - self.answers()) as f64 * 100.0 / self.probes as f64 }
    }

    /// Their times; `None` where there are none.
    #[must_use]
    pub fn spread(&self) -> Option<Spread> {
        if self.times.is_empty() {
            return None;
        }
        // A bucket's upper end may lie beyond the longest time there was.
        let at = |quantile| Duration::from_nanos(self.times.value_at_quantile(quantile)).clamp(self.least, self.most);
        Some(Spread {
            min: self.least,
            avg: Duration::from_secs_f64(self.mean.max(0.0)),
            p50: at(0.5),
            p90: at(0.9),
            p95: at(0.95),
            p99: at(0.99),
            p999: at(0.999),
            max: self.most,
            stddev: Duration::from_secs_f64((self.squares.max(0.0) / self.answers() as f64).sqrt()),
        })
    }

    /// How many answers took each time, in nanoseconds, in order.
    pub(super) fn counts(&self) -> impl Iterator<Item = (f64, u64)> + '_ {
        self.times.iter_recorded().map(|step| {
            let time = Duration::from_nanos(step.value_iterated_to()).clamp(self.least, self.most);
            (time.as_nanos() as f64, step.count_at_value())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_spread() {
        let mut stats = Stats::default();
        (1..=1000).for_each(|millis| stats.answered(Duration::from_millis(millis)));
        let spread = stats.spread().unwrap();
        let near = |is: Duration, wanted: f64| (is.as_secs_f64() - wanted).abs() < wanted * 0.002;
        assert_eq!((spread.min, spread.max), (Duration::from_millis(1), Duration::from_secs(1)));
        for (is, wanted) in [
            (spread.avg, 0.5005),
            (spread.p50, 0.5),
            (spread.p90, 0.9),
            (spread.p95, 0.95),
            (spread.p99, 0.99),
            (spread.p999, 0.999),
            (spread.stddev, 0.288_675),
        ] {
            assert!(near(is, wanted), "{is:?} for {wanted}");
        }
    }

    #[test]
    fn one_answer_is_all_of_them() {
        let mut stats = Stats::default();
        assert_eq!((stats.spread(), stats.loss()), (None, 0.0));
        stats.lost();
        assert_eq!((stats.spread(), stats.loss()), (None, 100.0));
        let took = Duration::from_nanos(1_234_567);
        stats.answered(took);
        let spread = stats.spread().unwrap();
        assert_eq!((spread.min, spread.p50, spread.p999, spread.max), (took, took, took, took));
        assert_eq!((spread.stddev, stats.loss()), (Duration::ZERO, 50.0));
    }
}
