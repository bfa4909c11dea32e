//! Stores that are gone: EVENTUAL goes on from what is left and says why, and comes back by itself.

use std::sync::Arc;
use std::time::Duration;

use turngraph::reads::guard::breaker::BreakerState;
use turngraph::reads::{ReadErrorKind, ReadSettings, ShadowCounts, Source};

use super::fakes::Mood;
use super::lab::{ACCOUNT, Lab, all_from, settings};
use crate::support::rows::uid;

/// Reads until the answer comes from `source` with nothing amiss; the stores come back by
/// themselves, so this ends.
async fn recovers(lab: &Lab, source: &str) {
    loop {
        let ctx = lab.eventual();
        let seen = lab.conversation(&ctx, "s").await;
        if seen == all_from(source) && ctx.reasons().is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

async fn breaker(lab: &Lab, role: &str) -> Option<BreakerState> {
    let status = lab.reads.status().await;
    let store = status.stores.into_iter().find(|store| store.role == role);
    store.unwrap().breaker
}

#[tokio::test]
async fn without_projections_the_record_answers_until_they_are_back() {
    let lab = Lab::new().await;
    lab.cache.be(Mood::Down);
    lab.projection.be(Mood::Down);
    for _ in 0..10 {
        let ctx = lab.eventual();
        assert_eq!(lab.conversation(&ctx, "s").await, all_from("SQLITE"));
        assert_eq!(
            ctx.reasons(),
            ["REDIS cannot be read", "CQL cannot be read"]
        );
    }
    assert!(lab.projection.calls().len() < 10, "the breaker spares it");
    assert_ne!(
        breaker(&lab, "projection").await,
        Some(BreakerState::Closed)
    );
    lab.projection.be(Mood::Up);
    lab.cache.be(Mood::Up);
    recovers(&lab, "REDIS").await;
    for role in ["cache", "projection"] {
        while breaker(&lab, role).await != Some(BreakerState::Closed) {
            lab.conversation(&lab.eventual(), "t").await.unwrap();
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

#[tokio::test]
async fn a_store_that_swallows_calls_costs_a_share_of_the_deadline_and_then_nothing() {
    let lab = Lab::new().await;
    lab.cache.be(Mood::BlackHole);
    let ctx = || lab.eventual().within(Duration::from_secs(4));
    for _ in 0..6 {
        let ctx = ctx();
        assert_eq!(lab.conversation(&ctx, "s").await, all_from("CQL"));
        assert_eq!(ctx.reasons().len(), 1);
    }
    lab.forget();
    let open = breaker(&lab, "cache").await;
    assert_ne!(open, Some(BreakerState::Closed));
}

#[tokio::test]
async fn what_is_hot_is_served_while_the_record_is_gone_and_what_is_cold_fails_alone() {
    let lab = Lab::new().await;
    lab.conversation(&lab.eventual(), "s").await.unwrap();
    lab.cache.filled(&uid("s")).await;
    lab.write(ACCOUNT, "cold").await;
    lab.record
        .break_only(&["sessions_by_uid", "turns_by_session"]);
    let both = [uid("s"), uid("cold")];
    let answers = lab.reads.graphs(&lab.eventual(), &both).await;
    assert!(answers[&both[0]].is_ok());
    assert_eq!(
        answers[&both[1]].as_ref().err(),
        Some(&ReadErrorKind::Unavailable)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_record_store_is_protected_from_a_crowd_that_lost_its_projections() {
    let narrow = ReadSettings {
        fallbacks: 1,
        fallbacks_waiting: 2,
        ..settings()
    };
    let lab =
        Lab::with(|reads, projection, _| reads.with_settings(narrow).with_projection(projection))
            .await;
    let lab = Arc::new(lab);
    for n in 0..6 {
        lab.write(ACCOUNT, &format!("s{n}")).await;
    }
    lab.projection.be(Mood::Down);
    let gate = lab.record.hold("turns_by_session");
    let (told, mut answers) = tokio::sync::mpsc::unbounded_channel();
    for n in 0..6 {
        let (lab, told) = (Arc::clone(&lab), told.clone());
        tokio::spawn(async move {
            let answer = lab.graph(&lab.eventual(), &format!("s{n}")).await.unwrap();
            told.send(answer.err()).unwrap();
        });
    }
    // One reads, two wait, and the others are told to come back while the record is still busy.
    for _ in 0..3 {
        let answer = answers.recv().await.unwrap();
        assert_eq!(answer, Some(ReadErrorKind::Unavailable));
    }
    let strong = lab.reads.sessions(&lab.strong(), &[uid("s0")]).await;
    assert!(
        strong[&uid("s0")].is_ok(),
        "STRONG does not stand in that queue"
    );
    drop(gate);
    for _ in 0..3 {
        assert_eq!(answers.recv().await.unwrap(), None);
    }
}

#[tokio::test]
async fn shadow_reads_tell_what_is_identical_stale_and_wrong() {
    let lab = Lab::new().await;
    lab.cache.be(Mood::Down);
    lab.reads.route().set_shadow_share(100.0);
    let counted = |wanted: ShadowCounts| {
        let lab = &lab;
        async move {
            lab.conversation(&lab.eventual(), "s").await.unwrap();
            while lab.reads.shadow_counts() != wanted {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    };
    let mut wanted = ShadowCounts {
        identical: 1,
        ..ShadowCounts::default()
    };
    counted(wanted).await;
    let age = |by: i64| {
        let mut sessions = lab.projection.sessions.lock().unwrap();
        sessions.get_mut(&uid("s")).unwrap().turns[0].rev += by;
    };
    age(-1);
    lab.reached(0, turngraph::domain::Timestamp(super::lab::NOW.0 - 1));
    // The watermark is heard anew by a read that waits for it.
    let waits = lab.eventual().at_least(vec![super::lab::revision(1, &[])]);
    lab.graph(&waits, "s").await.unwrap().unwrap();
    wanted.stale = 1;
    counted(wanted).await;
    age(2);
    wanted.wrong = 1;
    counted(wanted).await;
}

#[tokio::test]
async fn the_status_names_every_store_and_no_secret() {
    let lab = Lab::new().await;
    lab.clock.advance(3_000_000);
    let status = lab.reads.status().await;
    let told: Vec<_> = status
        .stores
        .iter()
        .map(|s| (s.role, s.kind, s.reachable, s.lag_ms))
        .collect();
    assert_eq!(
        told,
        [
            ("record", Source::Sqlite, true, Some(0)),
            ("projection", Source::Cql, true, Some(3_000)),
            ("cache", Source::Redis, true, None),
        ]
    );
    assert_eq!(status.lag_ms, Some(3_000));
    lab.projection.be(Mood::Down);
    lab.cache.be(Mood::BlackHole);
    let status = lab.reads.status().await;
    let down: Vec<_> = status
        .stores
        .iter()
        .map(|s| (s.reachable, s.message.as_str()))
        .collect();
    assert_eq!(
        down[1..],
        [
            (false, "cannot be reached"),
            (false, "does not answer within 2 s")
        ]
    );
}
