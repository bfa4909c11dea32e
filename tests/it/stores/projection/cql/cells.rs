//! Cells and their timestamps, looked at from outside.

use scylla::client::session::Session;
use turngraph::domain::{TurnRole, TurnRow};
use turngraph::stores::projection::Write;

use super::super::fixture::{Fixture, step, step_write, turn, turn_write, whole};
use super::{SHARED, contract_fixture};
use crate::support::cassandra;

async fn outside() -> Session {
    let session = cassandra::connect(cassandra::server().address()).await;
    session.use_keyspace(SHARED, false).await.unwrap();
    session
}

/// The write times of columns of the one row that a condition names.
async fn write_times(session: &Session, columns: &[&str], from: &str) -> Vec<Option<i64>> {
    let mut times = Vec::new();
    for column in columns {
        let cql = format!("select writetime({column}) from {from}");
        let answer = session.query_unpaged(cql, ()).await.unwrap();
        let rows = answer.into_rows_result().unwrap();
        times.push(rows.single_row::<(Option<i64>,)>().unwrap().0);
    }
    times
}

fn filled(f: &Fixture, rev: i64) -> Vec<Write> {
    let session = f.key("s");
    let row = f.session("s", 2, rev);
    vec![
        Write::Header(whole(row.clone())),
        Write::Listing(whole(row)),
        turn_write(&session, turn(TurnRole::Human, 0, rev), Some("prompt")),
        step_write(&session, 1, step(1, 0, "content", rev)),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_write_time_of_every_cell_is_the_rev_of_its_row() {
    let f = contract_fixture().await;
    let (session, key, account) = (outside().await, f.key("s"), f.key("account"));
    let turns = format!("turns_by_session_1 where session_uid = '{key}'");
    let row = format!("{turns} and seq = 0");
    let bodies = format!("bodies_by_session_1 where session_uid = '{key}' and bucket = 0");
    let month = turngraph_month();
    let listing = format!("sessions_by_user_1 where account_uid = '{account}' and month = {month}");
    let months = format!("months_by_user_1 where account_uid = '{account}'");
    let header = [
        "account_uid",
        "title",
        "begun_us",
        "removed_us",
        "active_root",
        "next_seq",
        "last_activity_us",
        "forked_from",
        "session_rev",
    ];
    let cells = [
        "uid",
        "kind",
        "parent_uid",
        "active_child",
        "liked",
        "created_us",
        "deleted_us",
        "model",
        "status",
        "finished_us",
        "usage",
        "rev",
    ];
    let body = ["turn_uid", "tpe", "content", "bytes", "created_us", "rev"];
    // Version 7 comes again late, after version 9: nothing of it stays.
    for rev in [5, 9, 7] {
        f.apply(&filled(&f, rev)).await;
        let expected = if rev == 5 { 5 } else { 9 };
        for (columns, from) in [
            (header.as_slice(), format!("{turns} limit 1")),
            (cells.as_slice(), row.clone()),
            (body.as_slice(), format!("{bodies} and seq = 0")),
            (body.as_slice(), format!("{bodies} and seq = 1")),
            (["deleted", "rev"].as_slice(), listing.clone()),
            (["rev"].as_slice(), months.clone()),
        ] {
            let times = write_times(&session, columns, &from).await;
            assert_eq!(times, vec![Some(expected); columns.len()], "{from}");
        }
    }
}

/// Month of the rows' creation time, 2026-01.
fn turngraph_month() -> i32 {
    2026 * 12
}

/// Tombstones that a read of the table has passed at most, and reads, as the server counts them.
async fn tombstones_per_read(session: &Session, table: &str) -> (i64, f64) {
    let cql = "select keyspace_name, table_name, count, max from system_views.tombstones_per_read";
    let answer = session.query_unpaged(cql, ()).await.unwrap();
    let rows = answer.into_rows_result().unwrap();
    let mut counts = rows.rows::<(String, String, i64, f64)>().unwrap();
    let found = counts.find_map(|row| {
        let (keyspace, name, count, max) = row.unwrap();
        (keyspace == KEYSPACE && name == table).then_some((count, max))
    });
    found.unwrap()
}

/// A keyspace of its own, since the server counts by table.
const KEYSPACE: &str = "tombstones";

/// Turns whose votes go to and fro, and steps that are deleted.
const TURNS: i32 = 50;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vote_that_goes_to_and_fro_leaves_no_tombstone() {
    let options = super::options(KEYSPACE);
    super::migrate(&options).await;
    let store = turngraph::stores::cql::CqlProjection::open(&options, 1, super::clock());
    let f = Fixture::new(std::sync::Arc::new(store.await.unwrap()));
    let session = f.key("s");
    let voted = |seq, liked, rev| TurnRow {
        liked,
        ..turn(TurnRole::Agent, seq, rev)
    };
    f.apply(&[Write::Header(whole(f.session("s", TURNS, 1)))])
        .await;
    for (rev, liked) in [(2, Some(true)), (4, None), (3, Some(true))] {
        let writes = (0..TURNS).map(|seq| turn_write(&session, voted(seq, liked, rev), None));
        f.apply(&writes.collect::<Vec<_>>()).await;
    }
    let graph = f.graph("s").await;
    assert!(graph.complete && graph.turns.iter().all(|turn| turn.liked.is_none()));
    let outside = outside().await;
    let (reads, most) = tombstones_per_read(&outside, "turns_by_session_1").await;
    // The server's lowest class is "one or none".
    assert!(reads > 0 && most <= 1.0, "{reads} reads, {most} tombstones");
    // The same counter does see deletions.
    let mut writes = Vec::new();
    for idx in 0..TURNS {
        writes.push(step_write(&session, 0, step(0, idx, "x", 1)));
        writes.push(Write::StepsGone {
            session_uid: session.clone(),
            seq: 0,
            idx: Some(idx),
            rev: 2,
        });
    }
    f.apply(&writes).await;
    assert!(f.bodies("s", &[0]).await.is_empty());
    let (_, most) = tombstones_per_read(&outside, "bodies_by_session_1").await;
    assert!(most > 10.0, "{most} tombstones");
}

#[test]
fn every_change_of_data_names_its_timestamp() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![root.join("cql"), root.join("src/stores/cql")];
    let (mut wrong, mut count) = (Vec::new(), 0);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            for line in text
                .lines()
                .filter(|line| !line.trim_start().starts_with("//"))
            {
                let lower = line.to_lowercase();
                let changes = ["insert into ", "delete from ", "update {"];
                if changes.iter().any(|change| lower.contains(change)) {
                    count += 1;
                    if !lower.contains("using timestamp ?") {
                        wrong.push(format!("{}: {}", path.display(), line.trim()));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count >= 13, "only {count} statements were found");
}
