//! What jobs leave in the store: dead letters, progress, and who has a role.

use turngraph::domain::Timestamp;
use turngraph::stores::source::{DeadLetter, ProjectionSource};

use super::SourceFixture;
use crate::support::rows::uid;
use crate::support::sqlite::START;

fn letter(session: Option<&str>, row: &str, position: u64) -> DeadLetter {
    DeadLetter {
        id: 0,
        session_uid: session.map(uid),
        row: row.to_owned(),
        rev: Some(START.0),
        error: "the content is larger than a row may be".to_owned(),
        position,
        at: Timestamp(START.0 + 7),
        attempts: 0,
    }
}

async fn found(source: &dyn ProjectionSource, limit: usize) -> Vec<DeadLetter> {
    source.dead_letters(limit).await.unwrap()
}

pub(super) async fn a_dead_letter_is_kept_once_counted_and_resolved_with_its_session(
    f: SourceFixture,
) {
    // A place beyond what a signed number holds.
    let letters = [
        letter(Some("s"), "steps a1 0", 5),
        letter(None, "human_turns ?", u64::MAX),
        letter(Some("t"), "steps b1 0", 5),
        letter(Some("s"), "steps a1 1", 6),
    ];
    for one in letters.iter().chain(&letters) {
        f.source.dead_letter_insert(one).await.unwrap();
    }
    let kept = found(&*f.source, 10).await;
    let ids: Vec<i64> = kept.iter().map(|letter| letter.id).collect();
    assert!(ids.is_sorted() && ids.len() == 4, "told twice, kept once");
    let without_ids: Vec<DeadLetter> = kept
        .iter()
        .map(|letter| DeadLetter {
            id: 0,
            ..letter.clone()
        })
        .collect();
    assert_eq!(without_ids, letters);
    assert_eq!(found(&*f.source, 2).await, kept[..2]);
    f.source.dead_letter_tried(ids[0]).await.unwrap();
    f.source.dead_letter_tried(ids[0]).await.unwrap();
    assert_eq!(found(&*f.source, 1).await[0].attempts, 2);
    // What came after the repair began stays.
    f.source
        .dead_letters_resolve(&uid("s"), ids[2])
        .await
        .unwrap();
    let rest: Vec<i64> = found(&*f.source, 10).await.iter().map(|l| l.id).collect();
    assert_eq!(rest, ids[1..]);
}

pub(super) async fn progress_is_noted_replaced_and_forgotten(f: SourceFixture) {
    let progress = async |job: &str| f.second.progress(job).await.unwrap();
    assert_eq!(progress("rebuild").await, None);
    for text in [r#"{"after":"a"}"#, r#"{"after":"ü 🗝"}"#] {
        f.source.set_progress("rebuild", Some(text)).await.unwrap();
        assert_eq!(progress("rebuild").await.as_deref(), Some(text));
    }
    f.source.set_progress("verify", Some("{}")).await.unwrap();
    f.source.set_progress("rebuild", None).await.unwrap();
    assert_eq!(progress("rebuild").await, None);
    assert_eq!(progress("verify").await.as_deref(), Some("{}"));
}

pub(super) async fn a_role_is_held_by_one_process_until_it_lets_go(f: SourceFixture) {
    let mut lease = f.source.lease("projector").await.unwrap().unwrap();
    assert!(lease.held().await);
    for source in [&f.source, &f.second] {
        assert!(source.lease("projector").await.unwrap().is_none());
    }
    let other = f.second.lease("rebuild").await.unwrap();
    assert!(other.is_some(), "roles do not get in each other's way");
    drop(lease);
    // The server takes note of an ended connection in its own time.
    let mut next = loop {
        if let Some(lease) = f.second.lease("projector").await.unwrap() {
            break lease;
        }
        tokio::task::yield_now().await;
    };
    assert!(next.held().await);
}

/// Only PostgreSQL keeps notes of given numbers: there they are the feed's own rows.
#[tokio::test]
async fn notes_of_given_numbers_go_when_they_are_older_than_asked() {
    let f = super::postgres_fixture().await;
    let mut beside = f.beside().await;
    sqlx::raw_sql(
        "insert into projection_jobs (session_uid, from_seq, to_seq, created_at)
         select 's' || n, 0, 1, timestamptz '2020-01-01' + n * interval '1 hour'
         from generate_series(1, 10) n",
    )
    .execute(&mut beside)
    .await
    .unwrap();
    let fifth = sqlx::query_scalar::<_, i64>(
        "select (extract(epoch from created_at) * 1000000)::bigint from projection_jobs
         where session_uid = 's5'",
    );
    let before = Timestamp(fifth.fetch_one(&mut beside).await.unwrap());
    assert_eq!(f.source.forget_jobs(before).await.unwrap(), 4);
    assert_eq!(f.source.forget_jobs(before).await.unwrap(), 0);
    let left = sqlx::query_scalar::<_, String>(
        "select session_uid::text from projection_jobs order by created_at limit 1",
    );
    assert_eq!(left.fetch_one(&mut beside).await.unwrap(), "s5");
}
