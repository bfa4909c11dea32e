//! The cache is filled with what was read, and with nothing that may be wrong.

use std::sync::Arc;

use turngraph::domain::{Consistency, Uid};
use turngraph::reads::ReadContext;
use turngraph::stores::SessionCache;

use super::lab::{ACCOUNT, Lab, all_from};
use crate::support::rows::uid;

fn s() -> Uid {
    uid("s")
}

#[tokio::test]
async fn a_fill_that_began_before_an_invalidation_is_refused() {
    let lab = Lab::new().await;
    let ctx = lab.eventual();
    lab.graph(&ctx, "s").await.unwrap().unwrap();
    lab.cache.invalidate(&[s()]).await.unwrap();
    lab.reads.finish(&ctx);
    lab.cache.filled(&s()).await;
    assert_eq!(lab.cache.entry(&s()), None);
}

#[tokio::test]
async fn a_hot_session_gets_the_bodies_that_it_lacked() {
    let lab = Lab::new().await;
    let ctx = lab.eventual();
    lab.graph(&ctx, "s").await.unwrap().unwrap();
    lab.reads.finish(&ctx);
    lab.cache.filled(&s()).await;
    lab.forget();
    let seen = lab.conversation(&lab.eventual(), "s").await.unwrap();
    assert_eq!(seen, ["graph REDIS", "question CQL", "2 steps CQL"]);
    lab.cache.filled(&s()).await;
    assert_eq!(
        lab.conversation(&lab.eventual(), "s").await,
        all_from("REDIS")
    );
    lab.forget();
    assert_eq!(
        lab.conversation(&lab.eventual(), "s").await,
        all_from("REDIS")
    );
    assert_eq!(
        lab.cache.calls(),
        ["get s"],
        "there is nothing new to fill in"
    );
}

#[tokio::test]
async fn bodies_beyond_the_limit_stay_out() {
    let lab = Lab::with(|reads, projection, cache| {
        let settings = turngraph::reads::ReadSettings {
            hot_bytes_max: 10,
            ..super::lab::settings()
        };
        reads
            .with_settings(settings)
            .with_cache(cache, turngraph::reads::Source::Redis)
            .with_projection(projection)
    })
    .await;
    lab.write(ACCOUNT, "s").await;
    lab.project("s").await;
    lab.conversation(&lab.eventual(), "s").await.unwrap();
    lab.cache.filled(&s()).await;
    let entry = lab.cache.entry(&s()).unwrap().unwrap();
    assert_eq!(
        entry.bodies.keys().collect::<Vec<_>>(),
        [&0],
        "the prompt fits"
    );
}

#[tokio::test]
async fn nobody_makes_the_session_of_another_account_look_missing_to_its_owner() {
    let lab = Lab::new().await;
    lab.projection.sessions.lock().unwrap().clear();
    let other = ReadContext::new(uid("other"), Consistency::Eventual);
    assert!(lab.graph(&other, "s").await.is_none());
    assert!(lab.graph(&other, "t").await.is_none());
    lab.reads.finish(&other);
    // The fills of an operation run one after another; a later one tells that they are over.
    lab.conversation(&lab.eventual(), "s").await.unwrap();
    lab.cache.filled(&s()).await;
    assert!(matches!(lab.cache.entry(&s()), Some(Some(_))));
    assert_eq!(
        lab.conversation(&lab.eventual(), "s").await,
        all_from("REDIS")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_that_miss_the_same_session_at_once_are_one_read() {
    let lab = Arc::new(Lab::new().await);
    lab.projection.sessions.lock().unwrap().clear();
    lab.forget();
    let gate = lab.record.hold("turns_by_session");
    let readers: Vec<_> = (0..20)
        .map(|_| {
            let lab = Arc::clone(&lab);
            tokio::spawn(async move {
                let ctx = lab.eventual();
                lab.graph(&ctx, "s").await.unwrap().unwrap().origin.source
            })
        })
        .collect();
    while lab.cache.calls_so_far() < 20 {
        tokio::task::yield_now().await;
    }
    while lab.projection.calls_so_far() < 20 {
        tokio::task::yield_now().await;
    }
    // All have missed both copies; whoever comes to the record now finds one read under way.
    tokio::task::yield_now().await;
    drop(gate);
    for reader in readers {
        assert_eq!(reader.await.unwrap(), turngraph::reads::Source::Sqlite);
    }
    let reads = lab.record.calls();
    let graphs = reads
        .iter()
        .filter(|call| **call == "turns_by_session")
        .count();
    assert!(
        graphs <= 2,
        "one, or one more by whoever came after it: {reads:?}"
    );
}

#[tokio::test]
async fn a_reader_who_comes_after_a_write_takes_no_answer_of_a_read_from_before_it() {
    let lab = Arc::new(Lab::new().await);
    lab.projection.sessions.lock().unwrap().clear();
    lab.forget();
    let gate = lab.record.hold("turns_by_session");
    let read = || {
        let lab = Arc::clone(&lab);
        tokio::spawn(async move {
            let ctx = lab.eventual();
            lab.graph(&ctx, "s").await.unwrap().unwrap();
            lab.reads.finish(&ctx);
        })
    };
    let mut begun = 0;
    let mut readers = Vec::new();
    for wanted in 1..=2 {
        readers.push(read());
        let own = async {
            while begun < wanted {
                let calls = lab.record.calls();
                begun += calls.iter().filter(|c| **c == "turns_by_session").count();
                tokio::task::yield_now().await;
            }
        };
        let own = tokio::time::timeout(std::time::Duration::from_secs(20), own).await;
        own.expect("each reads by itself: what the first one finds may be older than the write");
        lab.cache.invalidate(&[s()]).await.unwrap();
    }
    drop(gate);
    for reader in readers {
        reader.await.unwrap();
    }
    lab.cache.filled(&s()).await;
    assert_eq!(
        lab.cache.entry(&s()),
        None,
        "both began before the last write"
    );
}
