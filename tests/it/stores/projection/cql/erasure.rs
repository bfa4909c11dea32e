//! What was purged is in no file any more, once the server has rewritten its files.

use turngraph::domain::change::{SessionAbsent, SessionChange};
use turngraph::domain::{SessionRow, TurnRole, TurnRow};
use turngraph::stores::cql::CqlProjection;
use turngraph::stores::projection::Write;

use super::super::fixture::{Fixture, step, step_write, turn, turn_write};
use super::{clock, migrate, options};
use crate::support::cassandra::{Keyspace, flush_and_compact, found_in_files, left_in_files};

/// Bytes that nothing else has. Files are compressed: they are found before the purge, so the
/// search can find them.
const CANARIES: [&str; 6] = [
    "kq7ZtitleV2x",
    "w9RpromptLm4",
    "Xt3stepsBn8u",
    "pY6modelQa1s",
    "Jd5usageHc0z",
    "Rf2graveMe9k",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_purged_session_and_a_deleted_turn_leave_no_text_in_the_files() {
    let keyspace = Keyspace::new().await;
    let options = options(keyspace.name());
    migrate(&options).await;
    let store = CqlProjection::open(&options, 1, clock()).await.unwrap();
    let f = Fixture::new(std::sync::Arc::new(store));
    let [title, prompt, content, model, usage, grave] = CANARIES;
    let row = SessionRow {
        title: Some(title.into()),
        ..f.session("s", 600, 1)
    };
    let header = SessionChange {
        row: row.clone(),
        absent: SessionAbsent::default(),
    };
    let described = TurnRow {
        model: Some(model.into()),
        usage: Some(usage.into()),
        ..turn(TurnRole::Agent, 599, 1)
    };
    let (session, other) = (f.key("s"), f.key("other"));
    f.apply(&[
        Write::Header(header.clone()),
        Write::Listing(header),
        turn_write(&session, turn(TurnRole::Human, 0, 1), Some(prompt)),
        turn_write(&session, described, None),
        step_write(&session, 599, step(599, 0, content, 1)),
        // Another session, of which one turn is deleted for good.
        turn_write(&other, turn(TurnRole::Human, 0, 1), Some(grave)),
        step_write(&other, 1, step(1, 0, "stays-here", 1)),
    ])
    .await;
    flush_and_compact(keyspace.name());
    let found = found_in_files(keyspace.name(), &CANARIES);
    assert_eq!(found, CANARIES, "the search finds what is there");

    f.apply(&[
        Write::ListingGone {
            account_uid: row.account_uid.clone(),
            created_at: row.created_at,
            session_uid: session.clone(),
            rev: 5,
        },
        Write::SessionGone {
            session_uid: session,
            next_seq: 600,
            rev: 5,
        },
        Write::Grave {
            session_uid: other.clone(),
            seq: 0,
            rev: 5,
        },
    ])
    .await;
    flush_and_compact(keyspace.name());
    let left = left_in_files(keyspace.name(), &CANARIES).await;
    assert_eq!(left, Vec::<&str>::new());
    let kept = f.bodies("other", &[0, 1]).await;
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].1.steps, [step(1, 0, "stays-here", 1)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erased_account_is_not_listed_and_what_is_born_later_is() {
    let keyspace = Keyspace::new().await;
    let options = options(keyspace.name());
    migrate(&options).await;
    let store = CqlProjection::open(&options, 1, clock()).await.unwrap();
    let f = Fixture::new(std::sync::Arc::new(store));
    let listed = |rev: i64| {
        let row = f.session("s", 1, rev);
        let absent = SessionAbsent::default();
        Write::Listing(SessionChange { row, absent })
    };
    let account_uid = f.session("s", 1, 1).account_uid;
    let session = keyspace.session().await;
    let months = async || {
        let cql = "select account_uid from months_by_user_1";
        let rows = session.query_unpaged(cql, ()).await.unwrap();
        rows.into_rows_result().unwrap().rows_num()
    };
    let gone = |rev| Write::AccountGone {
        account_uid: account_uid.clone(),
        rev,
    };
    f.apply(&[listed(3)]).await;
    assert_eq!(months().await, 1);
    f.apply(&[gone(5)]).await;
    assert_eq!(months().await, 0);
    // An older write that comes late, in the same batch or after, does not bring it back.
    f.apply(&[listed(4), gone(5)]).await;
    f.apply(&[listed(4)]).await;
    assert_eq!(months().await, 0);
    f.apply(&[listed(6)]).await;
    f.apply(&[gone(5)]).await;
    assert_eq!(months().await, 1);
}
