//! Entries of the cache past their age: shown for a while, marked, while they are read anew.

use std::time::Duration;

use turngraph::reads::{CacheUse, ReadSettings, Source};
use turngraph::stores::SessionCache;

use super::lab::{ACCOUNT, Lab, NOW, all_from, revision, settings};
use crate::support::rows::uid;

/// An hour, and ten minutes more.
const AGE: i64 = 3_600_000_000;
const MORE: i64 = 600_000_000;

/// Record store and cache; the conversation `s` is hot.
async fn hot(stale_max: Duration) -> Lab {
    let lab = Lab::with(|reads, _, cache| {
        let settings = ReadSettings {
            stale_max,
            ..settings()
        };
        let reads = reads.with_settings(settings);
        reads.with_cache(cache, Source::Redis)
    })
    .await;
    lab.write(ACCOUNT, "s").await;
    lab.conversation(&lab.eventual(), "s").await.unwrap();
    lab.cache.filled(&uid("s")).await;
    lab.forget();
    lab
}

async fn usual() -> Lab {
    hot(Duration::from_micros(MORE.unsigned_abs())).await
}

#[tokio::test]
async fn an_entry_past_its_age_is_shown_marked_and_read_anew_with_all_that_it_had() {
    let lab = usual().await;
    lab.clock.advance(AGE);
    let young = lab.graph(&lab.eventual(), "s").await.unwrap().unwrap();
    assert!(!young.origin.stale);
    lab.clock.advance(MORE);
    let ctx = lab.eventual();
    let old = lab.graph(&ctx, "s").await.unwrap().unwrap();
    assert!(old.origin.stale);
    assert_eq!(old.origin.lag_ms, Some((AGE + MORE) / 1_000));
    assert_eq!(lab.conversation(&ctx, "s").await, all_from("REDIS"));
    let used = CacheUse {
        hits: 1,
        misses: 0,
        stale: 1,
    };
    assert_eq!(ctx.cache_use(), used);
    assert_eq!(ctx.reasons(), Vec::<String>::new());
    lab.cache.filled(&uid("s")).await;
    assert_eq!(
        lab.record.calls(),
        ["sessions_by_uid", "turns_by_session", "prompts", "steps"]
    );
    let anew = lab.graph(&lab.eventual(), "s").await.unwrap().unwrap();
    assert_eq!((anew.origin.stale, anew.origin.lag_ms), (false, Some(0)));
    assert_eq!(
        lab.conversation(&lab.eventual(), "s").await,
        all_from("REDIS")
    );
    assert_eq!(lab.record.calls(), Vec::<&str>::new());
}

#[tokio::test]
async fn many_who_are_shown_it_are_one_read() {
    let lab = usual().await;
    lab.clock.advance(AGE + 1);
    let gate = lab.record.hold("sessions_by_uid");
    for _ in 0..20 {
        assert_eq!(
            lab.conversation(&lab.eventual(), "s").await,
            all_from("REDIS")
        );
    }
    drop(gate);
    lab.cache.filled(&uid("s")).await;
    let reads = lab.record.calls();
    let graphs = reads.iter().filter(|c| **c == "turns_by_session").count();
    assert_eq!(graphs, 1, "{reads:?}");
}

#[tokio::test]
async fn who_must_see_a_write_or_the_truth_is_not_shown_it() {
    let lab = usual().await;
    lab.clock.advance(AGE + 1);
    assert_eq!(
        lab.conversation(&lab.strong(), "s").await,
        all_from("SQLITE")
    );
    // It holds the row at that version, and is not taken all the same.
    let must = || {
        lab.eventual()
            .at_least(vec![revision(9, &[("s-a", NOW.0)])])
    };
    let read = lab.graph(&must(), "s").await.unwrap().unwrap();
    assert_eq!(read.origin.source, Source::Sqlite);
}

#[tokio::test]
async fn beyond_its_time_or_where_none_is_given_it_is_a_miss_that_is_filled() {
    for (lab, age) in [
        (usual().await, AGE + MORE + 1),
        (hot(Duration::ZERO).await, AGE + 1),
    ] {
        lab.clock.advance(age);
        let ctx = lab.eventual();
        assert_eq!(lab.conversation(&ctx, "s").await, all_from("SQLITE"));
        assert_eq!(ctx.cache_use().misses, 1);
        lab.cache.filled(&uid("s")).await;
        assert_eq!(
            lab.conversation(&lab.eventual(), "s").await,
            all_from("REDIS")
        );
    }
}

#[tokio::test]
async fn what_is_erased_while_it_is_read_anew_does_not_come_back() {
    let lab = usual().await;
    lab.clock.advance(AGE + 1);
    let ctx = lab.eventual();
    lab.conversation(&ctx, "s").await.unwrap();
    // The operation above reads it anew already; the erasure drops entry and generation.
    lab.cache.invalidate(&[uid("s")]).await.unwrap();
    lab.cache.filled(&uid("s")).await;
    assert_eq!(lab.cache.entry(&uid("s")), None);
    let ctx = lab.eventual();
    let read = lab.graph(&ctx, "s").await.unwrap().unwrap();
    assert_eq!(read.origin.source, Source::Sqlite);
}

#[tokio::test]
async fn while_reading_anew_would_give_nothing_younger_age_does_not_count() {
    let lab = Lab::new().await;
    lab.conversation(&lab.eventual(), "s").await.unwrap();
    lab.cache.filled(&uid("s")).await;
    // The projector stands still.
    lab.clock.advance(10 * AGE);
    let hot = lab.graph(&lab.eventual(), "s").await.unwrap().unwrap();
    assert_eq!(hot.origin.source, Source::Redis);
    assert_eq!(
        (hot.origin.stale, hot.origin.lag_ms),
        (false, Some(10 * AGE / 1_000))
    );
}
