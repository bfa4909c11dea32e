//! Which store answers, and what no store may answer.

use turngraph::domain::{Consistency, Timestamp};
use turngraph::reads::{ReadContext, ReadErrorKind, Reads, Replica, Source};
use turngraph::stores::RecordStore;

use super::fakes::Mood;
use super::lab::{ACCOUNT, Lab, NOW, all_from, settings};
use crate::support::rows::{self, uid};

#[tokio::test]
async fn a_cold_session_is_two_reads_of_the_projections_and_a_hot_one_is_one_of_the_cache() {
    let lab = Lab::new().await;
    assert_eq!(
        lab.conversation(&lab.eventual(), "s").await,
        all_from("CQL")
    );
    assert_eq!(
        lab.projection.calls(),
        ["graphs s", "bodies s [0, 1] Whole"]
    );
    lab.cache.filled(&uid("s")).await;
    lab.forget();

    let ctx = lab.eventual();
    assert_eq!(lab.conversation(&ctx, "s").await, all_from("REDIS"));
    assert_eq!(lab.cache.calls(), ["get s"]);
    assert_eq!(lab.projection.calls(), Vec::<String>::new());
    assert_eq!(lab.record.calls(), Vec::<&str>::new());
    assert_eq!((ctx.cache_use().hits, ctx.reasons()), (1, vec![]));
}

#[tokio::test]
async fn strong_asks_no_copy_and_says_so_when_the_record_is_gone() {
    let lab = Lab::new().await;
    lab.conversation(&lab.eventual(), "s").await.unwrap();
    lab.cache.filled(&uid("s")).await;
    lab.forget();
    assert_eq!(
        lab.conversation(&lab.strong(), "s").await,
        all_from("SQLITE")
    );
    lab.record.break_only(&["sessions_by_uid"]);
    let refused = lab.conversation(&lab.strong(), "s").await;
    assert_eq!(refused, Err(ReadErrorKind::Unavailable));
    assert_eq!(lab.cache.calls(), Vec::<String>::new());
    assert_eq!(lab.projection.calls(), Vec::<String>::new());
    assert_eq!(
        lab.conversation(&lab.eventual(), "s").await,
        all_from("REDIS")
    );
}

#[tokio::test]
async fn sessions_of_others_look_as_if_they_did_not_exist_in_every_store() {
    let lab = Lab::new().await;
    let other = || ReadContext::new(uid("other"), Consistency::Eventual);
    // From the projections.
    assert_eq!(lab.conversation(&other(), "s").await, Ok(vec![]));
    // From the record.
    lab.projection.sessions.lock().unwrap().clear();
    assert_eq!(lab.conversation(&other(), "s").await, Ok(vec![]));
    // From the cache.
    lab.conversation(&lab.eventual(), "s").await.unwrap();
    lab.cache.filled(&uid("s")).await;
    assert_eq!(
        lab.conversation(&lab.eventual(), "s").await,
        all_from("REDIS")
    );
    assert_eq!(lab.conversation(&other(), "s").await, Ok(vec![]));
    assert_eq!(lab.reads.sessions(&other(), &[uid("s")]).await.len(), 0);
}

#[tokio::test]
async fn a_foreign_session_and_a_missing_one_are_alike_whatever_is_known_of_them_and_whatever_is_down()
 {
    let lab = Lab::new().await;
    for s in ["hot", "gaps", "held", "cold"] {
        lab.write(ACCOUNT, s).await;
        lab.project(s).await;
    }
    lab.conversation(&lab.eventual(), "hot").await.unwrap();
    lab.cache.filled(&uid("hot")).await;
    {
        let mut sessions = lab.projection.sessions.lock().unwrap();
        sessions.get_mut(&uid("gaps")).unwrap().complete = false;
        sessions.remove(&uid("cold"));
    }
    lab.projection.marks.lock().unwrap().insert(uid("held"));
    tokio::time::sleep(std::time::Duration::from_millis(1_001)).await;
    lab.reads.lag_ms().await;
    for broken in [&[][..], &["sessions_by_uid"]] {
        lab.record.break_only(broken);
        let mut all = Vec::new();
        for s in ["missing", "hot", "gaps", "held", "cold", "s"] {
            let ctx = ReadContext::new(uid("other"), Consistency::Eventual);
            let seen = lab.conversation(&ctx, s).await;
            all.push((seen, ctx.reasons(), ctx.cache_use().hits));
        }
        assert!(
            all.iter().all(|seen| *seen == all[0]),
            "{broken:?}: {all:?}"
        );
    }
}

#[tokio::test]
async fn a_session_with_gaps_is_read_from_the_record_with_its_bodies() {
    let lab = Lab::new().await;
    let gap = |s: &mut turngraph::stores::projection::ProjectedSession| s.complete = false;
    lab.projection
        .sessions
        .lock()
        .unwrap()
        .values_mut()
        .for_each(gap);
    let ctx = lab.eventual();
    assert_eq!(lab.conversation(&ctx, "s").await, all_from("SQLITE"));
    assert_eq!(ctx.reasons(), ["CQL has a session with gaps"]);
    assert_eq!(lab.projection.calls(), ["graphs s"]);
}

#[tokio::test]
async fn a_session_that_waits_for_its_repair_is_read_from_the_record_alone() {
    let lab = Lab::new().await;
    lab.projection.marks.lock().unwrap().insert(uid("s"));
    lab.reads.lag_ms().await;
    lab.forget();
    let ctx = lab.eventual();
    assert_eq!(lab.conversation(&ctx, "s").await, all_from("SQLITE"));
    assert_eq!(
        ctx.reasons(),
        ["CQL has a session that waits for its repair"]
    );
    assert_eq!(lab.projection.calls(), Vec::<String>::new());
    assert_eq!(lab.cache.calls(), Vec::<String>::new());
}

#[tokio::test]
async fn what_the_projections_do_not_have_is_asked_of_the_record() {
    let lab = Lab::new().await;
    lab.write(ACCOUNT, "t").await;
    let ctx = lab.eventual();
    assert_eq!(lab.conversation(&ctx, "t").await, all_from("SQLITE"));
    assert_eq!(ctx.reasons(), Vec::<String>::new());
}

#[tokio::test]
async fn the_share_of_the_projections_can_be_set_while_running() {
    let lab = Lab::new().await;
    let route = lab.reads.route();
    lab.cache.be(Mood::Down);
    route.set_cql_share(0);
    assert_eq!(
        lab.conversation(&lab.eventual(), "s").await,
        all_from("SQLITE")
    );
    route.set_cql_share(100);
    assert_eq!(
        lab.conversation(&lab.eventual(), "s").await,
        all_from("CQL")
    );
}

#[tokio::test]
async fn analytics_has_a_handle_of_its_own_and_nothing_beside_it() {
    let replica = Lab::new().await;
    let handle: std::sync::Arc<dyn RecordStore> = std::sync::Arc::<_>::clone(&replica.record) as _;
    let lab = Lab::with(|reads: Reads, projection, cache| {
        reads
            .with_settings(settings())
            .with_cache(cache, Source::Redis)
            .with_projection(projection)
            .with_analytics(handle, Replica::MayLag)
    })
    .await;
    lab.write(ACCOUNT, "s").await;
    let ctx = ReadContext::new(rows::uid(ACCOUNT), Consistency::Analytics);
    let session = lab.graph(&ctx, "s").await.unwrap().unwrap();
    assert_eq!((session.origin.as_of, session.origin.lag_ms), (None, None));
    assert_eq!(
        replica.record.calls(),
        ["sessions_by_uid", "turns_by_session"]
    );
    replica.record.break_only(&["sessions_by_uid"]);
    assert!(lab.graph(&ctx, "s").await.unwrap().is_err());
    assert_eq!(lab.record.calls(), Vec::<&str>::new());
    assert_eq!(lab.cache.calls(), Vec::<String>::new());
}

#[tokio::test]
async fn every_origin_tells_its_age() {
    let lab = Lab::new().await;
    lab.clock.advance(7_000_000);
    lab.reached(0, Timestamp(NOW.0 + 5_000_000));
    let from_cql = lab.graph(&lab.eventual(), "s").await.unwrap().unwrap();
    assert_eq!(from_cql.origin.source, Source::Cql);
    assert_eq!(from_cql.origin.as_of, Some(Timestamp(NOW.0 + 5_000_000)));
    assert_eq!(from_cql.origin.lag_ms, Some(2_000));
    let from_record = lab.graph(&lab.strong(), "s").await.unwrap().unwrap();
    assert_eq!(from_record.origin.lag_ms, Some(0));

    lab.conversation(&lab.eventual(), "s").await.unwrap();
    lab.cache.filled(&uid("s")).await;
    lab.clock.advance(1_000_000);
    let hot = lab.graph(&lab.eventual(), "s").await.unwrap().unwrap();
    assert_eq!(
        (hot.origin.source, hot.origin.lag_ms),
        (Source::Redis, Some(3_000))
    );
}

#[tokio::test]
async fn an_age_that_nobody_knows_is_said() {
    let lab = Lab::new().await;
    *lab.projection.watermark.lock().unwrap() = None;
    let ctx = lab.eventual();
    let session = lab.graph(&ctx, "s").await.unwrap().unwrap();
    assert_eq!(session.origin.lag_ms, None);
    assert_eq!(
        ctx.reasons(),
        ["how far the projections have come is not known"]
    );
    lab.reads.finish(&ctx);
    lab.conversation(&lab.eventual(), "s").await.unwrap();
    assert_eq!(
        lab.cache.entry(&uid("s")),
        None,
        "its age is not known, so it is not kept"
    );
}

#[tokio::test]
async fn without_copies_everything_is_the_records() {
    let lab = Lab::with(|reads, _, _| reads).await;
    lab.write(ACCOUNT, "s").await;
    let ctx = lab.eventual();
    assert_eq!(lab.conversation(&ctx, "s").await, all_from("SQLITE"));
    assert_eq!(ctx.reasons(), Vec::<String>::new());
    assert_eq!(lab.cache.calls(), Vec::<String>::new());
    assert_eq!(lab.projection.calls(), Vec::<String>::new());
}
