//! What triggers keep, whoever writes: versions, the traces of changes and of deletions.

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, SqliteConnection};
use turngraph::domain::score::{ScoreValue, Target};
use turngraph::stores::StoreErrorKind;
use turngraph::stores::record::SessionPatch;

use crate::stores::contract::Fixture;
use crate::support::rows::{agent, human, metadata, score, session, uid};
use crate::support::sqlite::{SqliteFixture, contract_fixture_beside};

/// A shell beside the store, with foreign keys as `sqlite3` has them: off.
async fn shell(fixture: &SqliteFixture) -> SqliteConnection {
    let options = SqliteConnectOptions::new()
        .filename(fixture.path())
        .foreign_keys(false);
    options.connect().await.unwrap()
}

async fn run(shell: &mut SqliteConnection, sql: &'static str) {
    sqlx::query(sql).execute(shell).await.unwrap();
}

async fn conversation() -> (SqliteFixture, Fixture, SqliteConnection) {
    let (sqlite, fixture) = contract_fixture_beside().await;
    fixture.add_conversation().await;
    let mut transaction = fixture.begin().await;
    let step = Target::Step {
        uid: uid("a1"),
        idx: 0,
    };
    let turn = Target::Turn { uid: uid("a1") };
    let home = uid("s");
    let scores = [
        score("on-step", step.clone(), ScoreValue::Bool(true)),
        score("on-turn", turn.clone(), ScoreValue::Bool(true)),
        score(
            "on-session",
            Target::Session { uid: home.clone() },
            ScoreValue::Bool(true),
        ),
    ];
    transaction.scores_insert(&home, &scores).await.unwrap();
    let entries = [
        metadata(step, "k", "v"),
        metadata(turn, "k", "v"),
        metadata(Target::Session { uid: home.clone() }, "k", "v"),
    ];
    transaction.metadata_set(&home, &entries).await.unwrap();
    transaction.commit().await.unwrap();
    let shell = shell(&sqlite).await;
    (sqlite, fixture, shell)
}

/// (kind, session, seq, uid, idx) of the purge log in its order.
async fn purged(
    shell: &mut SqliteConnection,
) -> Vec<(String, String, Option<i32>, String, Option<i32>)> {
    let sql = "select kind, session_uid, seq, uid, idx from purge_log order by id";
    sqlx::query_as(sql).fetch_all(shell).await.unwrap()
}

async fn counts(shell: &mut SqliteConnection) -> [i64; 6] {
    let sql = "select (select count(*) from sessions), (select count(*) from human_turns),
        (select count(*) from agent_turns), (select count(*) from steps),
        (select count(*) from scores), (select count(*) from metadata)";
    let (a, b, c, d, e, f) = sqlx::query_as(sql).fetch_one(shell).await.unwrap();
    [a, b, c, d, e, f]
}

#[tokio::test]
async fn a_deleted_session_takes_everything_with_it_and_is_one_purge() {
    let (_sqlite, fixture, mut shell) = conversation().await;
    assert_eq!(counts(&mut shell).await, [1, 2, 2, 2, 3, 3]);
    let newest: (i64,) = sqlx::query_as("select max(rev) from scores")
        .fetch_one(&mut shell)
        .await
        .unwrap();
    run(&mut shell, "delete from sessions").await;
    assert_eq!(counts(&mut shell).await, [0; 6]);
    let expected = (
        "session".to_owned(),
        "s".to_owned(),
        Some(4),
        "s".to_owned(),
        None,
    );
    assert_eq!(purged(&mut shell).await, [expected]);
    let purge: (i64, String, i64) =
        sqlx::query_as("select rev, account_uid, created_at from purge_log")
            .fetch_one(&mut shell)
            .await
            .unwrap();
    assert!(purge.0 > newest.0);
    assert_eq!((purge.1.as_str(), purge.2), ("alice", fixture.now().0));
}

#[tokio::test]
async fn a_deleted_turn_and_a_deleted_step_are_purges_of_their_own() {
    let (_sqlite, fixture, mut shell) = conversation().await;
    run(&mut shell, "delete from steps where agent_turn_uid = 'a3'").await;
    assert_eq!(counts(&mut shell).await, [1, 2, 2, 1, 3, 3]);
    run(&mut shell, "delete from agent_turns where uid = 'a1'").await;
    assert_eq!(counts(&mut shell).await, [1, 2, 1, 0, 1, 1]);
    run(&mut shell, "delete from human_turns where uid = 'h0'").await;
    let row = |kind: &str, seq, uid: &str, idx| {
        (
            kind.to_owned(),
            "s".to_owned(),
            Some(seq),
            uid.to_owned(),
            idx,
        )
    };
    let expected = [
        row("step", 3, "a3", Some(0)),
        row("turn", 1, "a1", None),
        row("turn", 0, "h0", None),
    ];
    assert_eq!(purged(&mut shell).await, expected);
    assert_eq!(fixture.turns("alice", &["s"]).await.len(), 2);
}

#[tokio::test]
async fn a_session_that_moves_in_a_listing_leaves_its_old_place_in_the_purge_log() {
    let (_sqlite, _fixture, mut shell) = conversation().await;
    run(&mut shell, "update sessions set account_uid = 'bob'").await;
    run(&mut shell, "update sessions set title = 'no move'").await;
    let rows: Vec<(String, String)> = sqlx::query_as("select kind, account_uid from purge_log")
        .fetch_all(&mut shell)
        .await
        .unwrap();
    assert_eq!(rows, [("listing".to_owned(), "alice".to_owned())]);
}

#[tokio::test]
async fn every_change_is_logged_once_with_its_version() {
    let (_sqlite, fixture, mut shell) = conversation().await;
    let changes = async |shell: &mut SqliteConnection, after: i64| {
        let sql = "select entity, uid, idx, rev from change_log where seq > $1 order by seq";
        let rows: Vec<(String, String, Option<i32>, Option<i64>)> = sqlx::query_as(sql)
            .bind(after)
            .fetch_all(shell)
            .await
            .unwrap();
        rows
    };
    let names: Vec<String> = changes(&mut shell, 0)
        .await
        .into_iter()
        .map(|(entity, uid, idx, _)| {
            format!(
                "{entity} {uid}{}",
                idx.map_or(String::new(), |i| format!(".{i}"))
            )
        })
        .collect();
    let expected = [
        "session s",
        "human_turn h0",
        "human_turn h2",
        "agent_turn a1",
        "agent_turn a3",
        "step a1.0",
        "step a3.0",
        "score on-step",
        "score on-turn",
        "score on-session",
        "metadata a1.0",
        "metadata a1.-1",
        "metadata s.-1",
    ];
    assert_eq!(names, expected);
    let mut transaction = fixture.begin().await;
    let patch = SessionPatch::default();
    let home = uid("s");
    let rev = transaction.session_update(&home, &patch, fixture.now());
    let rev = rev.await.unwrap();
    let position = transaction.commit().await.unwrap();
    let expected = ("session".to_owned(), "s".to_owned(), None, Some(rev));
    assert_eq!(changes(&mut shell, 13).await, [expected]);
    assert_eq!(position.value, 14);
    // Old changes may be pruned; positions go on from where they were.
    run(&mut shell, "delete from change_log").await;
    let position = fixture.begin().await.commit().await.unwrap();
    assert_eq!(position.value, 14);
    run(
        &mut shell,
        "update agent_turns set liked = 1 where uid = 'a1'",
    )
    .await;
    let logged = changes(&mut shell, 0).await;
    assert_eq!(logged.len(), 1, "{logged:?}");
    let liked = &fixture.turns("alice", &["s"]).await[1].turn;
    assert_eq!(
        logged[0].3,
        Some(liked.rev),
        "the version that the row has now"
    );
    assert!(
        liked.rev > fixture.now().0,
        "a plain update is a new version"
    );
}

#[tokio::test]
async fn keys_and_numbers_are_unique_over_both_tables_and_keep_their_place() {
    let (_sqlite, fixture, mut shell) = conversation().await;
    for turn in [
        human("a1", None, 9, "x"),
        human("new", None, 1, "x"),
        agent("h0", None, 9),
        agent("new", None, 0),
    ] {
        let mut transaction = fixture.begin().await;
        let turns = std::slice::from_ref(&turn);
        let refused = transaction.turns_insert(&uid("s"), turns).await;
        let error = refused.unwrap_err();
        assert_eq!(error.kind, StoreErrorKind::Conflict, "{turn:?}: {error}");
    }
    for sql in [
        "update human_turns set seq = 9 where uid = 'h0'",
        "update agent_turns set uid = 'other' where uid = 'a1'",
        "update steps set idx = 9",
        "update sessions set uid = 'other'",
        "update sessions set next_seq = 0",
    ] {
        let error = sqlx::query(sql).execute(&mut shell).await.unwrap_err();
        assert!(error.to_string().contains("turngraph: "), "{sql}: {error}");
    }
}

#[tokio::test]
async fn a_text_with_nul_is_kept_whole() {
    let (_sqlite, fixture) = contract_fixture_beside().await;
    fixture.add_sessions(&[session("alice", "s")]).await;
    fixture.add_turns("s", &[human("h", None, 0, "a\0b")]).await;
    let found = fixture.store.prompts(&[uid("h")]).await.unwrap();
    assert_eq!(found, [(uid("h"), "a\0b".to_owned())]);
}

#[tokio::test]
async fn a_score_without_a_value_is_refused_and_not_stored() {
    let (_sqlite, fixture, _shell) = conversation().await;
    let target = Target::Turn { uid: uid("a1") };
    // JSON has no NaN: without the rule it would be stored as nothing and make the row unreadable.
    let score = score("nan", target, ScoreValue::Number(f64::NAN));
    let mut transaction = fixture.begin().await;
    let refused = transaction.scores_insert(&uid("s"), &[score]).await;
    assert_eq!(refused.unwrap_err().kind, StoreErrorKind::Bug);
}
