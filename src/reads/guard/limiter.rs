//! `Limiter`: protects the record store from reads that its faster copies would have answered.
//!
//! When a projection store is down, all its readers come at once. A bounded number of them is
//! let through, a bounded number waits, a part of its deadline at most, and the others are told
//! at once to come back. Knows no store.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};

/// Why a call may not pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overflow {
    /// As many wait as may.
    QueueFull,
    /// Its turn did not come in time.
    Waited,
}

/// Bounded concurrency with a bounded queue.
#[derive(Debug)]
pub struct Limiter {
    places: Semaphore,
    waiting: AtomicUsize,
    waiting_max: usize,
}

/// Counts one waiting call for as long as it waits, also when its caller goes away.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Limiter {
    /// Lets `running` calls run and `waiting_max` more wait.
    pub fn new(running: usize, waiting_max: usize) -> Self {
        Self {
            places: Semaphore::new(running),
            waiting: AtomicUsize::new(0),
            waiting_max,
        }
    }

    /// Waits for a place, `wait` at most. The place is free again when the permit is dropped.
    pub async fn enter(&self, wait: Duration) -> Result<SemaphorePermit<'_>, Overflow> {
        if let Ok(permit) = self.places.try_acquire() {
            return Ok(permit);
        }
        let before = self.waiting.fetch_add(1, Ordering::AcqRel);
        let _waiting = Waiting(&self.waiting);
        if before >= self.waiting_max {
            return Err(Overflow::QueueFull);
        }
        match tokio::time::timeout(wait, self.places.acquire()).await {
            Ok(permit) => Ok(permit.expect("the semaphore is never closed")),
            Err(_) => Err(Overflow::Waited),
        }
    }

    /// Calls that wait at present.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn the_queue_is_bounded_and_served() {
        let limiter = Arc::new(Limiter::new(1, 1));
        let first = limiter.enter(LONG).await.expect("a place is free");
        let second = {
            let limiter = Arc::clone(&limiter);
            tokio::spawn(async move { limiter.enter(LONG).await.is_ok() })
        };
        while limiter.waiting() == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(limiter.enter(LONG).await.err(), Some(Overflow::QueueFull));
        drop(first);
        assert!(second.await.unwrap());
        assert_eq!(limiter.waiting(), 0);
    }

    #[tokio::test]
    async fn who_waits_too_long_or_goes_away_leaves_the_queue() {
        const SHORT: Duration = Duration::from_millis(1);
        let limiter = Limiter::new(1, 1);
        let _first = limiter.enter(LONG).await.expect("a place is free");
        assert_eq!(limiter.enter(SHORT).await.err(), Some(Overflow::Waited));
        assert_eq!(limiter.waiting(), 0);
        let gone = tokio::time::timeout(SHORT, limiter.enter(LONG)).await;
        assert!(gone.is_err());
        assert_eq!(limiter.waiting(), 0);
    }
}
