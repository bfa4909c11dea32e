//! Look-ups, fills and invalidations of sessions.

use std::sync::Arc;

use turngraph::domain::{Position, Timestamp, Watermark};
use turngraph::stores::cache::{Cached, HotSession};

use super::{ENTRY_BYTES_MAX, Fixture, conversation, get, hit, missed};
use crate::support::rows::{uid, uids};
use crate::support::sqlite::START;

pub(super) async fn a_miss_tells_a_generation_and_its_fill_is_a_hit(f: Fixture) {
    let session = conversation("s", 5, 400);
    let key = &session.row.uid.clone();
    let generation = missed(&*f.cache, key).await;
    assert!(
        f.cache
            .fill(key, generation, Some(Arc::clone(&session)))
            .await
            .unwrap()
    );
    assert_eq!(*hit(&*f.cache, key).await, *session);
    assert_eq!(*hit(&*f.other, key).await, *session);
}

pub(super) async fn all_who_missed_together_may_fill(f: Fixture) {
    let session = conversation("s", 1, 10);
    let key = &session.row.uid.clone();
    let (one, two) = (missed(&*f.cache, key).await, missed(&*f.other, key).await);
    assert_eq!(one, two);
    assert!(
        f.cache
            .fill(key, one, Some(Arc::clone(&session)))
            .await
            .unwrap()
    );
    assert!(
        f.other
            .fill(key, two, Some(Arc::clone(&session)))
            .await
            .unwrap()
    );
}

pub(super) async fn an_invalidation_ends_the_generation_of_all_who_filled_or_wait(f: Fixture) {
    let session = conversation("s", 1, 10);
    let key = &session.row.uid.clone();
    for first in [true, false] {
        let generation = missed(&*f.cache, key).await;
        assert_eq!(missed(&*f.other, key).await, generation);
        if first {
            let filled = f.cache.fill(key, generation, Some(Arc::clone(&session)));
            assert!(filled.await.unwrap());
        }
        // In one order the invalidation finds an entry, in the other a generation.
        f.other.invalidate(std::slice::from_ref(key)).await.unwrap();
        for late in [Some(Arc::clone(&session)), None] {
            assert!(!f.other.fill(key, generation, late).await.unwrap());
        }
        assert_ne!(missed(&*f.cache, key).await, generation);
    }
}

pub(super) async fn a_fill_that_began_before_an_invalidation_is_refused(f: Fixture) {
    let session = conversation("s", 1, 10);
    let key = &session.row.uid.clone();
    let before = missed(&*f.cache, key).await;
    f.other.invalidate(std::slice::from_ref(key)).await.unwrap();
    let after = missed(&*f.cache, key).await;
    assert_ne!(before, after);
    assert!(
        !f.cache
            .fill(key, before, Some(Arc::clone(&session)))
            .await
            .unwrap()
    );
    assert!(!f.cache.fill(key, before, None).await.unwrap());
    assert!(matches!(get(&*f.cache, key).await, Cached::Miss(_)));
    assert!(
        f.cache
            .fill(key, after, Some(Arc::clone(&session)))
            .await
            .unwrap()
    );
    // The session is there, and goes with the next invalidation, that of an older write included.
    f.other
        .invalidate(&[uid("another"), key.clone()])
        .await
        .unwrap();
    let last = missed(&*f.cache, key).await;
    assert!(last != before && last != after, "a generation came twice");
    assert!(!f.cache.fill(key, after, Some(session)).await.unwrap());
}

pub(super) async fn a_generation_of_another_session_does_not_fit(f: Fixture) {
    let session = conversation("s", 1, 10);
    let key = &session.row.uid.clone();
    let other = missed(&*f.cache, &uid("other")).await;
    assert_ne!(missed(&*f.cache, key).await, other);
    assert!(!f.cache.fill(key, other, Some(session)).await.unwrap());
}

pub(super) async fn a_hit_is_filled_again_until_the_session_is_invalidated(f: Fixture) {
    let session = conversation("s", 3, 100);
    let mut part = HotSession::clone(&session);
    part.bodies.clear();
    let key = &session.row.uid.clone();
    let generation = missed(&*f.cache, key).await;
    assert!(
        f.cache
            .fill(key, generation, Some(Arc::new(part)))
            .await
            .unwrap()
    );
    let Cached::Hit(part, generation) = get(&*f.other, key).await else {
        panic!("it was filled");
    };
    assert!(part.bodies.is_empty());
    assert!(
        f.other
            .fill(key, generation, Some(Arc::clone(&session)))
            .await
            .unwrap()
    );
    assert_eq!(*hit(&*f.cache, key).await, *session);
    f.cache.invalidate(std::slice::from_ref(key)).await.unwrap();
    assert!(!f.other.fill(key, generation, Some(session)).await.unwrap());
    missed(&*f.cache, key).await;
}

pub(super) async fn absence_is_believed_until_the_session_is_invalidated(f: Fixture) {
    let session = conversation("s", 1, 10);
    let key = &session.row.uid.clone();
    let generation = missed(&*f.cache, key).await;
    assert!(f.cache.fill(key, generation, None).await.unwrap());
    assert!(matches!(get(&*f.cache, key).await, Cached::Absent));
    f.cache.invalidate(std::slice::from_ref(key)).await.unwrap();
    let generation = missed(&*f.cache, key).await;
    assert!(f.cache.fill(key, generation, Some(session)).await.unwrap());
    hit(&*f.cache, key).await;
}

pub(super) async fn many_are_answered_in_their_order(f: Fixture) {
    let session = conversation("b", 3, 100);
    let keys = uids(&["a", "b", "c", "b", "d"]);
    let generation = missed(&*f.cache, &keys[1]).await;
    assert!(
        f.cache
            .fill(&keys[1], generation, Some(session))
            .await
            .unwrap()
    );
    let generation = missed(&*f.cache, &keys[2]).await;
    assert!(f.cache.fill(&keys[2], generation, None).await.unwrap());
    let found = f.cache.get(&keys).await.unwrap();
    let kinds: String = found
        .iter()
        .map(|found| match found {
            Cached::Hit(_, _) => 'h',
            Cached::Absent => 'a',
            Cached::Miss(_) => 'm',
        })
        .collect();
    assert_eq!(kinds, "mhahm");
    assert!(f.cache.get(&[]).await.unwrap().is_empty());
    f.cache.invalidate(&[]).await.unwrap();
}

pub(super) async fn an_entry_too_large_keeps_the_newest_bodies(f: Fixture) {
    let session = conversation("s", 20, 4_000);
    assert!(session.bytes() > 2 * ENTRY_BYTES_MAX);
    let key = &session.row.uid.clone();
    let generation = missed(&*f.cache, key).await;
    assert!(
        f.cache
            .fill(key, generation, Some(Arc::clone(&session)))
            .await
            .unwrap()
    );
    let held = hit(&*f.cache, key).await;
    assert_eq!((&held.row, &held.turns), (&session.row, &session.turns));
    assert!(held.bytes() <= ENTRY_BYTES_MAX && held.bytes() > ENTRY_BYTES_MAX / 2);
    let first = *held.bodies.keys().next().unwrap();
    assert!(first > 0);
    let newest: Vec<i32> = held.bodies.keys().copied().collect();
    assert_eq!(newest, (first..40).collect::<Vec<_>>());
    assert!(
        held.bodies
            .iter()
            .all(|(seq, body)| session.bodies[seq] == *body)
    );
}

pub(super) async fn a_session_whose_turns_alone_are_too_large_is_refused(f: Fixture) {
    let mut session = HotSession::clone(&conversation("s", 400, 10));
    session.bodies.clear();
    assert!(session.bytes() > ENTRY_BYTES_MAX);
    let key = session.row.uid.clone();
    let generation = missed(&*f.cache, &key).await;
    assert!(
        !f.cache
            .fill(&key, generation, Some(Arc::new(session)))
            .await
            .unwrap()
    );
    missed(&*f.cache, &key).await;
}

pub(super) async fn the_watermark_comes_back(f: Fixture) {
    assert_eq!(f.cache.watermark().await.unwrap(), None);
    let mut watermark = Watermark {
        position: Position {
            store: "7412345678901234567.1".into(),
            value: u64::MAX,
        },
        as_of: START,
    };
    f.cache.set_watermark(&watermark).await.unwrap();
    assert_eq!(
        f.other.watermark().await.unwrap().as_ref(),
        Some(&watermark)
    );
    watermark.as_of = Timestamp(START.0 + 1);
    f.cache.set_watermark(&watermark).await.unwrap();
    assert_eq!(f.other.watermark().await.unwrap(), Some(watermark));
}

pub(super) async fn closing_ends_it(f: Fixture) {
    let said = f.cache.health().await.unwrap();
    assert!(said.contains("used"), "{said}");
    f.cache.close().await;
}

/// After a gap in the change feed nobody knows what is old.
pub(super) async fn emptied_it_has_nothing_and_takes_no_fill_that_began_before(f: Fixture) {
    let session = conversation("s", 1, 10);
    let key = &session.row.uid.clone();
    let (mut under_way, keys) = (Vec::new(), uids(&["a", "b", "c"]));
    for other in &keys {
        under_way.push(missed(&*f.cache, other).await);
    }
    let generation = missed(&*f.cache, key).await;
    let filled = f.cache.fill(key, generation, Some(Arc::clone(&session)));
    assert!(filled.await.unwrap());
    f.other.clear().await.unwrap();
    assert!(matches!(get(&*f.cache, key).await, Cached::Miss(_)));
    let again = f.cache.fill(key, generation, Some(Arc::clone(&session)));
    assert!(!again.await.unwrap(), "read before it was emptied");
    for (other, generation) in keys.iter().zip(under_way) {
        assert!(!f.cache.fill(other, generation, None).await.unwrap());
    }
}
