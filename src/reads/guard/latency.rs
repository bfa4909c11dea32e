//! `Latencies`: how long a store's last reads took. Knows no store.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Reads that are looked at: with these five are above the 99th percentile.
const KEPT: usize = 512;

/// How long the last reads took.
#[derive(Debug)]
pub struct Latencies(Mutex<Ring>);

#[derive(Debug)]
struct Ring {
    micros: Vec<u32>,
    /// The place of the next one, once all are taken.
    next: usize,
}

impl Default for Latencies {
    fn default() -> Self {
        Self(Mutex::new(Ring {
            micros: Vec::with_capacity(KEPT),
            next: 0,
        }))
    }
}

impl Latencies {
    /// Notes a read that ended, well or not.
    pub fn note(&self, took: Duration) {
        let micros = u32::try_from(took.as_micros()).unwrap_or(u32::MAX);
        let mut ring = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if ring.micros.len() < KEPT {
            ring.micros.push(micros);
            return;
        }
        let place = ring.next;
        ring.micros[place] = micros;
        ring.next = (place + 1) % KEPT;
    }

    /// The time in milliseconds that 99 % of the last reads did not take longer than; none before
    /// the first.
    pub fn p99_ms(&self) -> Option<f64> {
        let ring = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut micros = ring.micros.clone();
        drop(ring);
        if micros.is_empty() {
            return None;
        }
        let place = (micros.len() * 99).div_ceil(100) - 1;
        let (_, found, _) = micros.select_nth_unstable(place);
        Some(f64::from(*found) / 1_000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_99th_of_a_hundred_and_only_the_last_count() {
        let latencies = Latencies::default();
        assert_eq!(latencies.p99_ms(), None);
        latencies.note(Duration::from_millis(7));
        assert_eq!(latencies.p99_ms(), Some(7.0), "one read is all there is");
        for millis in (1..=100).rev() {
            latencies.note(Duration::from_millis(millis));
        }
        assert_eq!(latencies.p99_ms(), Some(99.0));
        for _ in 0..KEPT {
            latencies.note(Duration::from_micros(1_500));
        }
        assert_eq!(latencies.p99_ms(), Some(1.5));
        latencies.note(Duration::from_secs(1_000_000));
        assert_eq!(latencies.p99_ms(), Some(1.5), "one of many");
    }
}
