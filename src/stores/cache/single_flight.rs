//! `SingleFlight`: of many that want the same at once, one fetches it and all get it.
//!
//! Whoever joins gets what was read since the flight began. So the key must hold everything that
//! the answer must be newer than: for fills of the cache that is the session **and** its
//! generation, else one who missed after an invalidation would join a read from before it.

use std::collections::HashMap;
use std::future::Future;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

/// Fetches under way by key. A value lives only as long as somebody waits for it.
pub struct SingleFlight<K, V> {
    flights: Mutex<HashMap<K, Arc<OnceCell<V>>>>,
}

impl<K, V> Default for SingleFlight<K, V> {
    fn default() -> Self {
        Self {
            flights: Mutex::new(HashMap::new()),
        }
    }
}

impl<K: Eq + Hash + Clone, V: Clone> SingleFlight<K, V> {
    /// What `fetch` returns, or what a fetch of the same key under way returns. Errors are values
    /// like others: those who wait share them, so that a store that is down is not asked by each.
    /// When whoever fetches is dropped, the next who waits fetches.
    pub async fn run<F, Fut>(&self, key: K, fetch: F) -> V
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = V>,
    {
        let flight = {
            let mut flights = self.flights();
            Arc::clone(flights.entry(key.clone()).or_default())
        };
        // Leaves on drop too, so that nothing is kept of a fetch that everybody gave up.
        let seat = Seat {
            from: self,
            key,
            flight,
        };
        seat.flight.get_or_init(fetch).await.clone()
    }

    /// Keys with a fetch under way.
    pub fn len(&self) -> usize {
        self.flights().len()
    }

    /// Whether nothing is under way.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<K, V> SingleFlight<K, V> {
    fn flights(&self) -> std::sync::MutexGuard<'_, HashMap<K, Arc<OnceCell<V>>>> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One who waits or fetches.
struct Seat<'a, K: Eq + Hash, V> {
    from: &'a SingleFlight<K, V>,
    key: K,
    flight: Arc<OnceCell<V>>,
}

impl<K: Eq + Hash, V> Drop for Seat<'_, K, V> {
    fn drop(&mut self) {
        let mut flights = self.from.flights();
        let Some(flight) = flights.get(&self.key) else {
            return;
        };
        // Once it has landed nobody new may board; before, the last one out closes it. Others hold
        // the flight under the same lock, so the count cannot rise meanwhile.
        let last = Arc::strong_count(flight) == 2;
        if Arc::ptr_eq(flight, &self.flight) && (last || flight.initialized()) {
            flights.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::FutureExt;
    use futures_util::future::join_all;
    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn a_hundred_who_want_the_same_fetch_it_once() {
        let flights = SingleFlight::<&str, usize>::default();
        let (fetched, gate) = (AtomicUsize::new(0), Notify::new());
        let one = || {
            flights.run("k", || async {
                gate.notified().await;
                fetched.fetch_add(1, Ordering::Relaxed) + 41
            })
        };
        let all = join_all((0..100).map(|_| one()));
        let open = async { gate.notify_one() };
        let (all, ()) = tokio::join!(all, open);
        assert_eq!(all, vec![41; 100]);
        assert!(flights.is_empty());
        gate.notify_one();
        assert_eq!(one().await, 42, "a later one fetches anew");
    }

    #[tokio::test]
    async fn other_keys_do_not_wait() {
        let flights = SingleFlight::<u8, u8>::default();
        let mut stuck = Box::pin(flights.run(1, std::future::pending));
        assert_eq!((&mut stuck).now_or_never(), None);
        assert_eq!(flights.run(2, || async { 2 }).now_or_never(), Some(2));
        assert_eq!(flights.len(), 1);
        drop(stuck);
        assert!(flights.is_empty(), "nothing stays of a fetch given up");
    }

    #[tokio::test]
    async fn who_gives_up_hands_over_to_the_next() {
        let flights = SingleFlight::<u8, u8>::default();
        let mut first = Box::pin(flights.run(1, std::future::pending));
        let mut second = Box::pin(flights.run(1, || async { 7 }));
        assert_eq!((&mut first).now_or_never(), None);
        assert_eq!((&mut second).now_or_never(), None);
        drop(first);
        assert_eq!(second.await, 7);
        assert!(flights.is_empty());
    }

    /// Random orders of arriving, giving up, being polled and landing: everybody who stays gets a
    /// value that was fetched after they came or while they waited, at most one fetch of a key
    /// runs at a time, and nothing is left behind.
    #[test]
    fn many_orders_of_coming_and_going_fetch_one_at_a_time() {
        for seed in 0..2_000u64 {
            let random = super::super::random::Random::seeded(seed);
            let flights = SingleFlight::<u64, usize>::default();
            let running = [AtomicUsize::new(0), AtomicUsize::new(0)];
            let landed = AtomicUsize::new(0);
            let mut seats = Vec::new();
            for _ in 0..40 {
                match random.below(3) {
                    0 => {
                        let (key, turns) = (random.below(2), random.below(3));
                        let (running, landed) = (&running[key as usize], &landed);
                        let came = landed.load(Ordering::Relaxed);
                        let fetch = move || async move {
                            assert_eq!(running.fetch_add(1, Ordering::Relaxed), 0, "seed {seed}");
                            let leave = Leave(running);
                            for _ in 0..turns {
                                tokio::task::yield_now().await;
                            }
                            drop(leave);
                            landed.fetch_add(1, Ordering::Relaxed) + 1
                        };
                        seats.push((came, Box::pin(flights.run(key, fetch))));
                    }
                    1 if !seats.is_empty() => {
                        let at = random.below(seats.len() as u64) as usize;
                        drop(seats.swap_remove(at));
                    }
                    _ if !seats.is_empty() => {
                        let at = random.below(seats.len() as u64) as usize;
                        if let Some(value) = (&mut seats[at].1).now_or_never() {
                            assert!(value > 0, "seed {seed}");
                            drop(seats.swap_remove(at));
                        }
                    }
                    _ => {}
                }
            }
            while let Some((_, mut seat)) = seats.pop() {
                let mut rounds = 0;
                while (&mut seat).now_or_never().is_none() {
                    // Who has landed leaves: a future is not polled after its end.
                    seats.retain_mut(|(_, other)| other.as_mut().now_or_never().is_none());
                    rounds += 1;
                    assert!(rounds < 100, "seed {seed}: somebody waits for ever");
                }
            }
            assert!(flights.is_empty(), "seed {seed}");
        }
    }

    struct Leave<'a>(&'a AtomicUsize);

    impl Drop for Leave<'_> {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::Relaxed);
        }
    }
}
