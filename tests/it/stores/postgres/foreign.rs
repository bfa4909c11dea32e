//! Rows that other programs write by plain SQL into an adopted database.

use sqlx::PgConnection;
use turngraph::domain::graph::Damage;
use turngraph::domain::{SessionGraph, SessionRow, TurnRole};
use turngraph::stores::postgres::PgRecordStore;
use turngraph::stores::record::{SessionTurn, TurnPatch};
use turngraph::stores::{RecordStore, SessionFilter, SessionListing, SessionOrder};

use crate::support::postgres::Database;
use crate::support::rows::{human, session, uid, uids};
use crate::support::sqlite::START;

async fn run(connection: &mut PgConnection, sql: &'static str) {
    sqlx::raw_sql(sql).execute(connection).await.unwrap();
}

async fn turns(store: &PgRecordStore, key: &str) -> Vec<SessionTurn> {
    store
        .turns_by_session(&uid("alice"), &uids(&[key]))
        .await
        .unwrap()
}

fn keys(turns: &[SessionTurn]) -> Vec<(&str, i32)> {
    turns
        .iter()
        .map(|row| (row.turn.uid.as_str(), row.turn.seq))
        .collect()
}

async fn listed(store: &PgRecordStore, order: SessionOrder) -> Vec<SessionRow> {
    let listing = SessionListing {
        order,
        after: None,
        before: None,
        limit: 10,
        filter: SessionFilter::default(),
    };
    store.sessions_page(&uid("alice"), &listing).await.unwrap()
}

/// A purge as `kind uid session seq idx`, in the order of the log.
async fn purges(connection: &mut PgConnection) -> Vec<String> {
    sqlx::query_scalar(
        "select concat_ws(' ', kind, uid, coalesce(session_uid, '-'), coalesce(seq::text, '-'),
            idx, account_uid) from purge_log order by id",
    )
    .fetch_all(connection)
    .await
    .unwrap()
}

const CONVERSATION: &str = "
    insert into steps (agent_turn_uid, idx, tpe, content, created_at)
    values ('a1', 0, 1, 'not json', now());
    insert into agent_turns (uid, session_uid, parent_uid, created_at)
    values ('a1', 's', 'h0', '2020-01-01');
    insert into human_turns (uid, session_uid, parent_uid, prompt, created_at)
    values ('h2', 's', 'a1', 'two', null), ('h0', 's', '', 'zero', '2021-01-01');
    insert into sessions (uid, account_uid, title, created_at)
    values ('s', 'alice', 'foreign', '2019-01-01');";

#[tokio::test]
async fn a_conversation_written_backwards_is_numbered_when_it_is_read() {
    let database = Database::migrated();
    let store = database.store().await;
    let mut other = database.connect().await;
    run(&mut other, CONVERSATION).await;
    let found = turns(&store, "s").await;
    assert_eq!(keys(&found), [("h0", 0), ("a1", 1), ("h2", 2)]);
    assert_eq!(found[0].turn.parent_uid, None, "an empty text is no parent");
    // Without a time of its own the turn counts as created when it came.
    assert!(found[2].turn.created_at > START, "{:?}", found[2].turn);
    let row = &store
        .sessions_by_uid(&uid("alice"), &uids(&["s"]))
        .await
        .unwrap()[0];
    assert_eq!(row.next_seq, 3);
    let step = &store.steps(&uids(&["a1"])).await.unwrap()[0];
    assert_eq!(&*step.content, "not json");
    let jobs: Vec<(String, i32, i32)> =
        sqlx::query_as("select session_uid, from_seq, to_seq from projection_jobs")
            .fetch_all(&mut other)
            .await
            .unwrap();
    assert_eq!(jobs, [("s".to_owned(), 0, 2)]);
    assert_eq!(store.health().await.unwrap().pending_turns, 0);
}

#[tokio::test]
async fn a_key_given_to_turns_of_both_kinds_is_damage_and_nothing_is_lost() {
    let database = Database::migrated();
    let store = database.store().await;
    let mut other = database.connect().await;
    run(&mut other, CONVERSATION).await;
    run(
        &mut other,
        "insert into agent_turns (uid, session_uid, parent_uid) values ('h0', 's', 'h2')",
    )
    .await;
    let found = turns(&store, "s").await;
    assert_eq!(keys(&found), [("h0", 0), ("a1", 1), ("h2", 2), ("h0", 3)]);
    let graph = SessionGraph::build(found.into_iter().map(|row| row.turn).collect(), None);
    assert_eq!(graph.damage(), [Damage::Duplicate { uid: uid("h0") }]);
    let mut transaction = store.begin().await.unwrap();
    let taken = transaction.turn_uids_claim(&uids(&["h0", "x"])).await;
    assert_eq!(taken.unwrap(), uids(&["h0", "h0"]));
}

#[tokio::test]
async fn new_sessions_of_other_programs_are_listed_at_once_in_every_order() {
    for order in [
        SessionOrder::LastActivityDesc,
        SessionOrder::LastActivityAsc,
        SessionOrder::CreatedDesc,
        SessionOrder::CreatedAsc,
    ] {
        let database = Database::migrated();
        let store = database.store().await;
        let mut other = database.connect().await;
        run(&mut other, CONVERSATION).await;
        run(
            &mut other,
            "insert into sessions (uid, account_uid) values ('undated', 'alice'), ('bob', 'bob');
             insert into sessions (uid, account_uid, created_at) values ('new', 'alice', '2030-01-01')",
        )
        .await;
        let rows = listed(&store, order).await;
        let keys: Vec<&str> = rows.iter().map(|row| row.uid.as_str()).collect();
        let expected = if order.descending() {
            ["new", "s", "undated"]
        } else {
            ["undated", "s", "new"]
        };
        assert_eq!(keys, expected, "{order:?}");
        let again = listed(&store, order).await;
        assert_eq!(again, rows, "the second look changes nothing");
    }
}

#[tokio::test]
async fn a_command_numbers_what_came_before_it_appends() {
    let database = Database::migrated();
    let store = database.store().await;
    let mut other = database.connect().await;
    run(&mut other, CONVERSATION).await;
    let mut transaction = store.begin().await.unwrap();
    let locked = transaction.session_lock(&uid("alice"), &uid("s")).await;
    let locked = locked.unwrap().unwrap();
    assert_eq!(locked.next_seq, 3);
    let turn = human("h3", Some("a1"), locked.next_seq, "mine");
    transaction
        .turns_insert(&locked.uid, &[turn])
        .await
        .unwrap();
    transaction.commit().await.unwrap();
    let found = turns(&store, "s").await;
    assert_eq!(keys(&found), [("h0", 0), ("a1", 1), ("h2", 2), ("h3", 3)]);
}

#[tokio::test]
async fn the_background_pass_numbers_all_sessions_and_leaves_locked_ones() {
    let database = Database::migrated();
    let store = database.store().await;
    let mut other = database.connect().await;
    run(&mut other, CONVERSATION).await;
    run(
        &mut other,
        "insert into sessions (uid, account_uid) values ('t', 'alice');
         insert into human_turns (uid, session_uid) values ('t0', 't'), ('orphan', 'nowhere')",
    )
    .await;
    run(
        &mut other,
        "begin; update sessions set title = 'held' where uid = 's'",
    )
    .await;
    assert_eq!(store.number_pending(100).await.unwrap(), 1, "t alone");
    run(&mut other, "commit").await;
    assert_eq!(store.number_pending(100).await.unwrap(), 3);
    assert_eq!(store.number_pending(100).await.unwrap(), 0);
    assert_eq!(store.health().await.unwrap().pending_turns, 1, "the orphan");
}

#[tokio::test]
async fn a_turn_held_by_another_transaction_waits_with_what_hangs_on_it() {
    let database = Database::migrated();
    let store = database.store().await;
    let mut other = database.connect().await;
    run(&mut other, CONVERSATION).await;
    run(
        &mut other,
        "begin; update agent_turns set liked = true where uid = 'a1'",
    )
    .await;
    // Nobody waits: h0 gets its number, the answer and what follows it come last for now.
    let shown = turns(&store, "s").await;
    assert_eq!(shown.len(), 3);
    assert_eq!(keys(&shown)[0], ("h0", 0));
    run(&mut other, "commit").await;
    let found = turns(&store, "s").await;
    assert_eq!(keys(&found), [("h0", 0), ("a1", 1), ("h2", 2)]);
    assert_eq!(found[1].turn.liked, Some(true));
}

#[tokio::test]
async fn a_store_that_may_not_write_shows_waiting_turns_last() {
    let database = Database::migrated();
    let mut other = database.connect().await;
    run(&mut other, CONVERSATION).await;
    run(
        &mut other,
        "drop role if exists reader_only; create role reader_only login;
         grant select on all tables in schema public to reader_only;
         alter table sessions disable trigger turngraph_version",
    )
    .await;
    let options = turngraph::stores::postgres::PgOptions::url(database.url_of("reader_only"));
    let store = PgRecordStore::open(&options).await.unwrap();
    let found = turns(&store, "s").await;
    let mut shown: Vec<&str> = found.iter().map(|row| row.turn.uid.as_str()).collect();
    shown.sort_unstable();
    assert_eq!(shown, ["a1", "h0", "h2"]);
    assert!(found.iter().all(|row| row.turn.seq >= 0));
    let rows = listed(&store, SessionOrder::LastActivityDesc).await;
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].last_activity_at, rows[0].created_at);
    drop(store);
    run(
        &mut other,
        "drop owned by reader_only; drop role reader_only",
    )
    .await;
}

#[tokio::test]
async fn a_purged_conversation_comes_back_with_higher_versions_and_new_numbers() {
    let database = Database::migrated();
    let store = database.store().await;
    let mut other = database.connect().await;
    run(&mut other, CONVERSATION).await;
    turns(&store, "s").await;
    // The purge happens an hour ahead of the clock that the rebirth sees.
    run(
        &mut other,
        "update human_turns set rev = rev + 3600000000 where uid = 'h0';
         begin; delete from sessions where uid = 's'; delete from human_turns;
         delete from agent_turns; delete from steps; commit;",
    )
    .await;
    let purged: i64 = sqlx::query_scalar("select rev from purge_log where kind = 'session'")
        .fetch_one(&mut other)
        .await
        .unwrap();
    run(&mut other, CONVERSATION).await;
    let found = turns(&store, "s").await;
    assert_eq!(keys(&found), [("h0", 0), ("a1", 1), ("h2", 2)]);
    assert!(found.iter().all(|row| row.turn.rev > purged));
    assert!(store.steps(&uids(&["a1"])).await.unwrap()[0].rev > purged);
    let rows = store.sessions_by_uid(&uid("alice"), &uids(&["s"])).await;
    assert!(rows.unwrap()[0].rev > purged);
}

#[tokio::test]
async fn every_hard_delete_and_every_moved_key_is_logged() {
    let database = Database::migrated();
    let store = database.store().await;
    let mut other = database.connect().await;
    run(&mut other, CONVERSATION).await;
    run(
        &mut other,
        "insert into steps (agent_turn_uid, idx, tpe, content) values
            ('a1', 1, 1, '{}'), ('a1', 2, 1, '{}');
         insert into sessions (uid, account_uid) values ('t', 'alice')",
    )
    .await;
    turns(&store, "s").await;
    store.number_pending(10).await.unwrap();
    for (sql, expected) in [
        (
            "update human_turns set active_child = 'a1' where uid = 'h0'",
            vec![],
        ),
        ("delete from steps where idx = 0", vec!["step a1 s 1 0"]),
        (
            "update steps set idx = 7 where idx = 1",
            vec!["address a1 s 1 1"],
        ),
        ("delete from steps", vec!["turn_steps a1 s 1"]),
        (
            "update sessions set account_uid = 'bob' where uid = 's'",
            vec!["listing s s - alice"],
        ),
        (
            "update human_turns set session_uid = 't' where uid = 'h2'",
            vec!["address h2 s 2 bob"],
        ),
        ("delete from agent_turns", vec!["turn a1 s 1 bob"]),
        (
            "delete from sessions where uid = 's'",
            vec!["session s s 3 bob"],
        ),
        ("delete from human_turns where uid = 'nobody'", vec![]),
    ] {
        run(&mut other, "delete from purge_log").await;
        run(&mut other, sql).await;
        assert_eq!(purges(&mut other).await, expected, "{sql}");
    }
    let moved = turns(&store, "t").await;
    assert_eq!(keys(&moved), [("h2", 0)], "a moved turn gets a new number");
}

#[tokio::test]
async fn truncate_is_refused_with_what_to_do_instead() {
    let database = Database::migrated();
    let mut other = database.connect().await;
    for sql in [
        "truncate sessions",
        "truncate steps, agent_turns",
        "truncate human_turns",
    ] {
        let refused = sqlx::raw_sql(sql).execute(&mut other).await.unwrap_err();
        let refused = refused.as_database_error().unwrap();
        assert!(refused.message().contains("refused"), "{refused}");
        let refused = refused.downcast_ref::<sqlx::postgres::PgDatabaseError>();
        assert!(refused.hint().unwrap().contains("DELETE FROM"));
    }
}

#[tokio::test]
async fn versions_cannot_be_lowered_and_addresses_not_taken_away() {
    let database = Database::migrated();
    let store = database.store().await;
    let mut other = database.connect().await;
    run(&mut other, CONVERSATION).await;
    let before = turns(&store, "s").await;
    // An old program that writes back whole rows, as it read them before they had numbers.
    run(&mut other, "set session_replication_role = replica").await;
    run(
        &mut other,
        "update human_turns set rev = 1, seq = null, prompt = 'again'",
    )
    .await;
    let after = turns(&store, "s").await;
    assert_eq!(keys(&after), keys(&before));
    assert!(after[0].turn.rev > before[0].turn.rev);
    let mut transaction = store.begin().await.unwrap();
    let patch = TurnPatch {
        active_child: Some(Some(uid("a1"))),
        ..TurnPatch::default()
    };
    let locked = transaction.session_lock(&uid("alice"), &uid("s")).await;
    locked.unwrap().unwrap();
    let rev = transaction
        .turn_update((TurnRole::Human, &uid("h0")), &patch, START)
        .await
        .unwrap();
    assert!(
        rev > after[0].turn.rev,
        "also when the clock is years behind"
    );
    transaction.commit().await.unwrap();
}

#[tokio::test]
async fn positions_name_the_server_and_its_timeline() {
    let database = Database::migrated();
    let store = database.store().await;
    let mut transaction = store.begin().await.unwrap();
    let row = session("alice", "s");
    transaction.session_insert(&row).await.unwrap().unwrap();
    let position = transaction.commit().await.unwrap();
    let mut other = database.connect().await;
    let (system, lsn): (String, i64) = sqlx::query_as(
        "select system_identifier::text, (pg_current_wal_insert_lsn() - '0/0')::bigint
         from pg_control_system()",
    )
    .fetch_one(&mut other)
    .await
    .unwrap();
    assert_eq!(position.store, format!("{system}.1"));
    assert!(position.value > 0 && position.value <= lsn.cast_unsigned());
}
