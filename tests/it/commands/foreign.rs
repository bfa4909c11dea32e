//! Groups beside programs that write to PostgreSQL without turngraph, and hold what a group needs:
//! only the commands concerned wait, and nobody gets a deadlock.

use std::sync::Arc;

use sqlx::{AssertSqlSafe, PgConnection};
use turngraph::commands::GroupOptions;
use turngraph::domain::Uid;

use super::lab::proxy::Proxy;
use super::lab::{Lab, done, human, sent};
use crate::support::postgres::Database;

async fn run(connection: &mut PgConnection, sql: String) {
    sqlx::raw_sql(AssertSqlSafe(sql))
        .execute(connection)
        .await
        .unwrap();
}

struct Place {
    lab: Lab,
    proxy: Proxy,
    other: PgConnection,
    sessions: [Uid; 2],
}

async fn place() -> Place {
    let database = Arc::new(Database::migrated());
    let other = database.connect().await;
    let lab = Lab::on_database(database).await;
    let proxy = Proxy::before(Arc::clone(&lab.record));
    let mut lab = lab.over(Arc::new(proxy.clone()));
    lab.commands = lab.commands.gathered(GroupOptions {
        lanes: 1,
        ..GroupOptions::default()
    });
    let sessions = [lab.session().await, lab.session().await];
    Place {
        lab,
        proxy,
        other,
        sessions,
    }
}

/// Appends a turn to each of the sessions in one group; the first under a key, if one is given.
fn append_to_both(
    place: &Place,
    key: Option<&str>,
) -> [tokio::task::JoinHandle<turngraph::commands::Written<usize>>; 2] {
    let mut keys = [key, None].into_iter();
    place.sessions.clone().map(|session| {
        let mut input = human(&session, None, "prompt");
        input.uid = keys.next().flatten().map(Into::into);
        let lab = place.lab.clone();
        tokio::spawn(sent(async move {
            done(
                lab.commands
                    .append_human_turn(&lab.account, input, None)
                    .await,
            )
        }))
    })
}

/// Waits until this many connections wait for a lock.
async fn until_waiting(other: &mut PgConnection, count: i64) {
    loop {
        let waiting: i64 = sqlx::query_scalar(
            "select count(*) from pg_locks l join pg_database d on d.datname = current_database()
             where not l.granted and l.pid in (
                 select pid from pg_stat_activity where datname = d.datname)",
        )
        .fetch_one(&mut *other)
        .await
        .unwrap();
        if waiting >= count {
            return;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_that_holds_a_session_stops_only_who_writes_to_it() {
    let mut place = place().await;
    let [first, second] = place.sessions.clone();
    run(
        &mut place.other,
        format!("begin; update sessions set title = 'old' where uid = '{second}'"),
    )
    .await;
    let gate = place.proxy.hold_groups();
    let [to_first, to_second] = append_to_both(&place, None);
    drop(gate);
    place.lab.as_stored(&to_first.await.unwrap()).await;
    until_waiting(&mut place.other, 1).await;
    assert!(!to_second.is_finished());
    // The other way round than the group took them. Nobody holds the first one any more, and who
    // waits for the second one holds nothing, so that this does not wait either.
    run(
        &mut place.other,
        format!("update sessions set title = 'old' where uid = '{first}'; commit"),
    )
    .await;
    let written = to_second.await.unwrap();
    assert_eq!(written.session.title.as_deref(), Some("old"));
    place.lab.as_stored(&written).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_another_transaction_claims_stops_only_who_wants_it() {
    let mut place = place().await;
    run(
        &mut place.other,
        "begin; select pg_advisory_xact_lock(1953195385, hashtext('k') & 1023)".into(),
    )
    .await;
    let gate = place.proxy.hold_groups();
    let [under_key, without] = append_to_both(&place, Some("k"));
    drop(gate);
    place.lab.as_stored(&without.await.unwrap()).await;
    run(&mut place.other, "commit".into()).await;
    let written = under_key.await.unwrap();
    assert_eq!(written.graph.turn(written.subject).uid.as_str(), "k");
    place.lab.as_stored(&written).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn turns_of_other_programs_are_numbered_for_all_sessions_of_a_group() {
    let mut place = place().await;
    for (n, session) in place.sessions.clone().iter().enumerate() {
        run(
            &mut place.other,
            format!(
                "insert into human_turns (session_uid, uid, prompt, created_at)
                 values ('{session}', 'foreign-{n}', 'from elsewhere', now())"
            ),
        )
        .await;
    }
    let gate = place.proxy.hold_groups();
    let both = append_to_both(&place, None);
    drop(gate);
    for written in both {
        let written = written.await.unwrap();
        assert_eq!(written.session.next_seq, 2);
        assert_eq!(written.graph.turn(written.subject).seq, 1);
        place.lab.as_stored(&written).await;
    }
}
