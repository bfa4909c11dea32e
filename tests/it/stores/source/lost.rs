//! Leases that are lost without their holder's doing, and rows of other programs.

use turngraph::stores::{ProjectionSource, RecordStore};

use super::rows::shown;
use crate::support::postgres::Database;
use crate::support::rows::{uid, uids};
use crate::support::sqlite::SqliteFixture;

#[tokio::test]
async fn a_lease_is_lost_with_its_connection_and_free_for_the_next() {
    let database = Database::migrated();
    let store = database.store().await;
    let mut lease = store.lease("projector").await.unwrap().unwrap();
    let mut admin = database.connect().await;
    let ended: Vec<bool> = sqlx::query_scalar(
        "select pg_terminate_backend(pid, 10000) from pg_stat_activity
         where application_name = 'turngraph projector' and datname = current_database()",
    )
    .fetch_all(&mut admin)
    .await
    .unwrap();
    assert_eq!(ended, [true]);
    assert!(!lease.held().await);
    assert!(store.lease("projector").await.unwrap().is_some());
    assert!(!lease.held().await, "what is lost stays lost");
}

#[tokio::test]
async fn a_lease_is_lost_with_its_file_and_free_for_the_next() {
    let sqlite = SqliteFixture::new().await;
    let mut lease = sqlite.store.lease("projector").await.unwrap().unwrap();
    let mut file = sqlite.path().into_os_string();
    file.push("-projector.lock");
    std::fs::remove_file(&file).unwrap();
    assert!(!lease.held().await);
    let next = sqlite.store.lease("projector").await.unwrap();
    assert!(next.is_some());
    assert!(!lease.held().await, "the new file is not ours");
}

#[tokio::test]
async fn rows_of_other_programs_read_the_same_in_both_contracts() {
    let database = Database::migrated();
    let store = database.store().await;
    let mut other = database.connect().await;
    sqlx::raw_sql(
        "insert into sessions (uid, account_uid) values ('s', 'alice');
         insert into human_turns (uid, session_uid, parent_uid, prompt) values ('h0', 's', '', null);
         insert into agent_turns (uid, session_uid, parent_uid) values ('a1', 's', 'h0');
         insert into steps (agent_turn_uid, idx) values ('a1', 3);",
    )
    .execute(&mut other)
    .await
    .unwrap();
    // Before it was looked at, a session counts as last active when it was created.
    let row = &store.session_rows(&uids(&["s"])).await.unwrap()[0];
    assert_eq!(row.last_activity_at, row.created_at);
    assert_eq!(store.addresses(&uids(&["h0", "a1"])).await.unwrap(), []);
    assert_eq!(store.turns(&uid("s"), 0, 9).await.unwrap(), []);
    store.number_pending(10).await.unwrap();
    let turns = store.turns(&uid("s"), 0, 9).await.unwrap();
    assert_eq!(turns, shown(&store, "alice", "s").await.unwrap());
    assert_eq!(turns[0].prompt.as_deref(), Some(""));
    assert_eq!(turns[1].steps[0].tpe, -1);
    let rows = store.session_rows(&uids(&["s"])).await.unwrap();
    let seen = store.sessions_by_uid(&uid("alice"), &uids(&["s"])).await;
    assert_eq!(rows, seen.unwrap());
}
