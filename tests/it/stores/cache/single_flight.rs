//! A thousand who miss one session at once, on several threads: the record is read once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Barrier;
use turngraph::domain::Uid;
use turngraph::stores::SessionCache;
use turngraph::stores::cache::single_flight::SingleFlight;
use turngraph::stores::cache::{Cached, Generation, HotSession};

use super::{conversation, memory_fixture, numbered};

type Flights = SingleFlight<(Uid, Generation), Arc<HotSession>>;

/// A read through the cache, as a router does it.
async fn read(
    cache: &dyn SessionCache,
    flights: &Flights,
    key: &Uid,
    reads: &AtomicUsize,
) -> Arc<HotSession> {
    let found = cache
        .get(std::slice::from_ref(key))
        .await
        .unwrap()
        .remove(0);
    match found {
        Cached::Hit(session, _) => session,
        Cached::Absent => panic!("nobody said so"),
        Cached::Miss(generation) => {
            let fetch = || async {
                reads.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
                let session = conversation(key.as_str(), 1, 10);
                let filled = cache.fill(key, generation, Some(Arc::clone(&session)));
                assert!(filled.await.unwrap());
                session
            };
            flights.run((key.clone(), generation), fetch).await
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_who_miss_a_session_read_it_once() {
    for run in 0..20 {
        let cache = memory_fixture().await.cache;
        let flights = Arc::new(Flights::default());
        let (reads, start) = (Arc::new(AtomicUsize::new(0)), Arc::new(Barrier::new(1_000)));
        let mut readers = tokio::task::JoinSet::new();
        for _ in 0..1_000 {
            let (cache, flights) = (Arc::clone(&cache), Arc::clone(&flights));
            let (reads, start) = (Arc::clone(&reads), Arc::clone(&start));
            readers.spawn(async move {
                let key = numbered(run);
                start.wait().await;
                read(&*cache, &flights, &key, &reads).await.row.uid.clone()
            });
        }
        while let Some(read) = readers.join_next().await {
            assert_eq!(read.unwrap(), numbered(run));
        }
        // One who missed before the fill and came to the flight after it landed reads again;
        // there are never more than threads.
        let reads = reads.load(Ordering::Relaxed);
        assert!((1..=4).contains(&reads), "{reads} reads");
        assert!(flights.is_empty());
    }
}
