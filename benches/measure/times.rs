//! Times of many repetitions, and what is said of them.

use std::fmt;
use std::time::Duration;

/// Times in the order in which they were taken.
#[derive(Debug, Default, Clone)]
pub(crate) struct Times(Vec<Duration>);

impl Times {
    pub(crate) fn note(&mut self, time: Duration) {
        self.0.push(time);
    }

    fn at(sorted: &[Duration], per_cent: usize) -> f64 {
        // The smallest time that so many per cent of all do not exceed.
        let rank = (sorted.len() * per_cent).div_ceil(100).max(1) - 1;
        sorted
            .get(rank)
            .map_or(f64::NAN, |time| time.as_secs_f64() * 1_000.0)
    }
}

/// `p50/p99/max` in milliseconds, and of how many.
impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let [p50, p99, max] = [50, 99, 100].map(|per_cent| Self::at(&sorted, per_cent));
        write!(f, "{p50:.2}/{p99:.2}/{max:.2} ms (n={})", sorted.len())
    }
}
