//! Readers that come at the same time, errors and defects.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Semaphore;

use super::*;

#[tokio::test]
async fn readers_join_the_next_read_and_never_the_present_one() {
    let flights = Flights::<u8, usize>::new();
    let begun = Arc::new(AtomicUsize::new(0));
    let go = Arc::new(Semaphore::new(0));
    let read = || {
        let (begun, go) = (Arc::clone(&begun), Arc::clone(&go));
        move || async move {
            let number = begun.fetch_add(1, Ordering::SeqCst) + 1;
            go.acquire().await.unwrap().forget();
            Ok(number)
        }
    };
    let first = flights.join(1, read());
    while begun.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    let later: Vec<_> = (0..5).map(|_| flights.join(1, read())).collect();
    let other = flights.join(2, read());
    go.add_permits(3);
    assert_eq!(first.await.unwrap(), 1);
    let mut numbers = Vec::new();
    for flight in later {
        numbers.push(flight.await.unwrap());
    }
    assert!(
        numbers.iter().all(|n| *n == numbers[0] && *n > 1),
        "{numbers:?}"
    );
    assert!(other.await.unwrap() > 1);
    assert_eq!(begun.load(Ordering::SeqCst), 3);
    assert!(flights.lanes.lock().unwrap().is_empty());
}

#[tokio::test]
async fn an_error_reaches_all_who_wait_and_nobody_after() {
    let flights = Flights::<u8, usize>::new();
    let fail = || async { Err(failure(StoreErrorKind::Timeout, "graph", "too slow")) };
    let (a, b) = (flights.join(1, fail), flights.join(1, fail));
    let (a, b) = (a.await.unwrap_err(), b.await.unwrap_err());
    assert_eq!(unshared(a).message, unshared(b).message);
    assert_eq!(flights.run(1, || async { Ok(3) }).await.unwrap(), 3);
    assert!(flights.lanes.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_read_that_panics_leaves_no_lane_behind() {
    let flights = Flights::<u8, usize>::new();
    let panics = || async { panic!("a defect") };
    let error = flights.run(1, panics).await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Unavailable);
    assert!(flights.lanes.lock().unwrap().is_empty());
}
