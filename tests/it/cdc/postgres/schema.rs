//! Tables that change while they are followed, rows that leave no trace, and rows that cannot be
//! read.

use turngraph::cdc::{FeedErrorKind, FeedEvent};
use turngraph::domain::change::Change;

use super::lab::{Lab, insert_session, sessions, until_error};

#[tokio::test]
async fn an_added_column_is_ignored_and_a_dropped_one_stops_the_feed_by_name() {
    let lab = Lab::new("cdc_columns").await;
    let mut feed = lab.feed(None).await;
    lab.sql(insert_session("a")).await;
    lab.sql("alter table sessions add column note text default 'x'")
        .await;
    lab.sql(insert_session("b")).await;
    assert_eq!(sessions(&lab.told(&mut feed).await), ["a", "b"]);
    lab.sql("alter table sessions rename column title to heading")
        .await;
    lab.sql("insert into sessions (uid, account_uid, heading) values ('c', 'alice', 'T')")
        .await;
    for _ in 0..2 {
        let (told, error) = until_error(&mut feed).await;
        assert_eq!(error.kind, FeedErrorKind::Setup, "{error}");
        assert!(
            error.message.contains("sessions has no column `title`"),
            "{error}"
        );
        assert!(!sessions(&told).contains(&"c".to_owned()));
    }
    feed.close().await;
}

#[tokio::test]
async fn rows_that_go_while_triggers_are_off_are_suspect() {
    let lab = Lab::new("cdc_suspect").await;
    let mut feed = lab.feed(None).await;
    lab.sql(insert_session("s")).await;
    lab.sql("insert into human_turns (uid, session_uid, prompt, seq) values ('h', 's', 'p', 0), ('i', 's', 'p', 1)")
        .await;
    lab.told(&mut feed).await;
    lab.sql("delete from human_turns where uid = 'h'").await;
    assert_eq!(suspects(&lab.told(&mut feed).await), [""; 0]);
    lab.sql(
        "alter table human_turns disable trigger turngraph_purged;
         delete from human_turns where uid = 'i';
         alter table human_turns enable always trigger turngraph_purged",
    )
    .await;
    assert_eq!(suspects(&lab.told(&mut feed).await), ["human_turns i"]);
    lab.sql(
        "alter publication turngraph set (publish = 'insert, update, delete, truncate');
         alter table steps disable trigger turngraph_truncate_refused; truncate steps;
         alter table steps enable always trigger turngraph_truncate_refused",
    )
    .await;
    let told = lab.told(&mut feed).await;
    assert_eq!(
        suspects(&told),
        ["steps (all rows: the table was truncated)"]
    );
    feed.close().await;
}

fn suspects(events: &[FeedEvent]) -> Vec<&str> {
    events
        .iter()
        .filter_map(|event| match event {
            FeedEvent::Change(Change::Suspect { row, .. }) => Some(row.as_str()),
            _ => None,
        })
        .collect()
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_told_as_such_and_the_feed_goes_on() {
    let lab = Lab::new("cdc_poison").await;
    let mut feed = lab.feed(None).await;
    lab.sql(
        "insert into sessions (uid, account_uid, title) values ('nobody', null, 'secret');
         insert into sessions (uid, account_uid, title, rev)
         values ('future', 'alice', 'secret', (extract(epoch from now()) * 1000000)::bigint + 7200000000)",
    )
    .await;
    lab.sql(insert_session("good")).await;
    let events = lab.told(&mut feed).await;
    assert_eq!(sessions(&events), ["good"]);
    let unreadable: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            FeedEvent::Unreadable {
                session_uid,
                row,
                problem,
            } => Some((
                session_uid.as_ref().unwrap().as_str(),
                row.as_str(),
                problem.as_str(),
            )),
            _ => None,
        })
        .collect();
    assert_eq!(
        unreadable[0],
        ("nobody", "sessions nobody", "`account_uid` is null")
    );
    assert_eq!(unreadable[1].0, "future");
    assert!(
        unreadable[1].2.contains("ahead of the clock"),
        "{unreadable:?}"
    );
    assert!(!format!("{unreadable:?}").contains("secret"));
    feed.close().await;
}

#[tokio::test]
async fn rows_of_partitions_are_told_under_the_name_of_their_table() {
    let lab = Lab::new("cdc_partitions").await;
    // As an installation does that moves its steps into partitions by turn.
    lab.sql(
        "alter publication turngraph drop table steps;
         alter table steps rename to steps_0;
         create table steps (like steps_0 including defaults, primary key (agent_turn_uid, idx))
             partition by range (agent_turn_uid);
         alter table steps attach partition steps_0 for values from (minvalue) to ('m');
         create table steps_1 partition of steps for values from ('m') to (maxvalue);
         alter publication turngraph add table steps",
    )
    .await;
    let mut feed = lab.feed(None).await;
    lab.sql("insert into steps (agent_turn_uid, idx, tpe, content) values ('a', 0, 1, '{}'), ('z', 0, 1, '{}')")
        .await;
    let events = lab.told(&mut feed).await;
    let turns: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            FeedEvent::Change(Change::Step(step)) => Some(step.step.turn_uid.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(turns, ["a", "z"]);
    feed.close().await;
}
