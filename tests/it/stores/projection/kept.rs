//! What is kept beside the projections: the watermark and the sessions in quarantine.

use turngraph::domain::{Position, Timestamp, Watermark};

use super::fixture::Fixture;

pub(super) async fn the_last_watermark_that_was_set_is_told(f: Fixture) {
    let at = |store: &str, value, as_of| Watermark {
        position: Position {
            store: store.to_owned(),
            value,
        },
        as_of: Timestamp(as_of),
    };
    // Another store's positions come after a restore, and its clock may be behind.
    for watermark in [
        at("7412.1", 5, 5_000),
        at("7412.1", u64::MAX, 5_000),
        at("7412.2", 1, 3_000),
        at("", 0, -1),
    ] {
        f.store.set_watermark(&watermark).await.unwrap();
        assert_eq!(f.store.watermark().await.unwrap(), Some(watermark));
    }
}

pub(super) async fn sessions_are_quarantined_and_freed(f: Fixture) {
    let (a, b) = (f.key("a"), f.key("b"));
    for (uid, marked) in [(&a, true), (&b, true), (&a, true), (&a, false)] {
        f.store.set_quarantined(uid, marked).await.unwrap();
    }
    let marked = f.store.quarantined().await.unwrap();
    assert!(!marked.contains(&a) && marked.contains(&b));
    f.store.set_quarantined(&a, true).await.unwrap();
    assert!(f.store.quarantined().await.unwrap().contains(&a));
}

pub(super) async fn a_store_that_answers_names_its_engine(f: Fixture) {
    assert!(!f.store.health().await.unwrap().is_empty());
}
