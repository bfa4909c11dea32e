//! The mapping's rules, one by one.

use super::*;
use crate::domain::change::{Change, Purge, PurgeKind, SessionChange, StepChange, TurnChange};
use crate::domain::{Timestamp, TurnRole, TurnStatus, Uid};

const NOW: Timestamp = Timestamp(1_800_000_000_000_000);

fn row(table: Table, values: &[(&str, &'static str)]) -> Row<'static> {
    let mut row = Row::new(table, Operation::Insert);
    for place in 0..table.columns().len() {
        row.set(place, Value::Null);
    }
    for (column, value) in values {
        assert!(row.set_named(column, Value::Text(value)), "{column}");
    }
    row
}

fn told(row: &Row<'_>) -> Change {
    match event(row, NOW) {
        Mapped::Event(FeedEvent::Change(change)) => change,
        other => panic!("{other:?}"),
    }
}

fn unreadable(row: &Row<'_>) -> (Option<Uid>, String, String) {
    match event(row, NOW) {
        Mapped::Event(FeedEvent::Unreadable {
            session_uid,
            row,
            problem,
        }) => (session_uid, row, problem),
        other => panic!("{other:?}"),
    }
}

fn session(row: &Row<'_>) -> SessionChange {
    match told(row) {
        Change::Session(change) => *change,
        other => panic!("{other:?}"),
    }
}

fn turn(row: &Row<'_>) -> TurnChange {
    match told(row) {
        Change::Turn(change) => *change,
        other => panic!("{other:?}"),
    }
}

fn step(row: &Row<'_>) -> StepChange {
    match told(row) {
        Change::Step(change) => *change,
        other => panic!("{other:?}"),
    }
}

const SESSION: &[(&str, &str)] = &[
    ("uid", "s"),
    ("account_uid", "a"),
    ("next_seq", "3"),
    ("rev", "7"),
];
const HUMAN: &[(&str, &str)] = &[
    ("uid", "t"),
    ("session_uid", "s"),
    ("seq", "2"),
    ("rev", "7"),
];
const STEP: &[(&str, &str)] = &[("agent_turn_uid", "t"), ("idx", "4"), ("rev", "7")];

#[test]
fn what_other_programs_left_null_reads_as_in_the_record() {
    let change = session(&row(Table::Sessions, SESSION));
    assert_eq!(change.row.created_at, Timestamp(0));
    assert_eq!(change.row.last_activity_at, Timestamp(0));
    assert_eq!((change.row.title, change.row.next_seq), (None, 3));

    let change = turn(&row(Table::HumanTurns, HUMAN));
    assert_eq!(change.turn.created_at, Timestamp(7));
    assert_eq!(change.turn.role, TurnRole::Human);
    assert_eq!(change.prompt.as_deref(), Some(""));

    let change = step(&row(Table::Steps, STEP));
    assert_eq!(change.address, None);
    assert_eq!((change.step.tpe, &*change.step.content), (-1, ""));
    assert_eq!(change.step.created_at, Timestamp(7));
    assert!(!change.content_absent);
}

#[test]
fn every_value_arrives_in_its_field() {
    let mut values = SESSION.to_vec();
    values.extend([
        ("title", "T"),
        ("created_at", "1970-01-01 00:00:01+00"),
        ("deleted_at", "1970-01-01 00:00:02+00"),
        ("active_root", "r"),
        ("last_activity_at", "1970-01-01 00:00:03+00"),
        (
            "forked_from",
            r#"{"session_uid": "o", "turn_uid": "p", "at": 5}"#,
        ),
    ]);
    let SessionChange { row: got, absent } = session(&row(Table::Sessions, &values));
    assert_eq!((got.uid.as_str(), got.account_uid.as_str()), ("s", "a"));
    assert_eq!(got.title.as_deref(), Some("T"));
    assert_eq!(got.created_at, Timestamp(1_000_000));
    assert_eq!(got.deleted_at, Some(Timestamp(2_000_000)));
    assert_eq!(got.last_activity_at, Timestamp(3_000_000));
    assert_eq!(got.active_root, Some(Uid::stored("r")));
    let origin = got.forked_from.unwrap();
    assert_eq!((origin.session_uid.as_str(), origin.at.0), ("o", 5));
    assert!(!absent.title && !absent.forked_from);

    let agent = [
        ("uid", "t"),
        ("session_uid", "s"),
        ("parent_uid", "p"),
        ("active_child", ""),
        ("seq", "2"),
        ("rev", "7"),
        ("liked", "f"),
        ("model", "m"),
        ("status", "failed"),
        ("finished_at", "1970-01-01 00:00:04+00"),
        ("usage", "{}"),
    ];
    let change = turn(&row(Table::AgentTurns, &agent));
    let got = change.turn;
    assert_eq!((got.seq, got.rev, got.liked), (2, 7, Some(false)));
    assert_eq!(
        (got.parent_uid, got.active_child),
        (Some(Uid::stored("p")), None)
    );
    assert_eq!(
        (got.model.as_deref(), got.usage.as_deref()),
        (Some("m"), Some("{}"))
    );
    assert_eq!(got.status, Some(TurnStatus::Failed));
    assert_eq!(got.finished_at, Some(Timestamp(4_000_000)));
    assert_eq!(change.prompt, None);

    let mut values = STEP.to_vec();
    values.extend([
        ("tpe", "12"),
        ("content", "{}"),
        ("session_uid", "s"),
        ("turn_seq", "9"),
    ]);
    let change = step(&row(Table::Steps, &values));
    assert_eq!(change.address, Some((Uid::stored("s"), 9)));
    assert_eq!((change.step.idx, change.step.tpe), (4, 12));
}

#[test]
fn values_that_an_update_left_alone_are_named_as_absent() {
    let mut session_row = row(Table::Sessions, SESSION);
    session_row.set_named("title", Value::Unchanged);
    assert!(session(&session_row).absent.title);

    let mut human = row(Table::HumanTurns, HUMAN);
    human.set_named("prompt", Value::Unchanged);
    assert_eq!(turn(&human).prompt, None);

    let mut agent = row(Table::AgentTurns, HUMAN);
    agent.set_named("usage", Value::Unchanged);
    agent.set_named("status", Value::Unchanged);
    let change = turn(&agent);
    assert!(change.absent.usage && !change.absent.model);

    let mut step_row = row(Table::Steps, STEP);
    step_row.set_named("content", Value::Unchanged);
    assert!(step(&step_row).content_absent);

    let mut keyless = row(Table::HumanTurns, HUMAN);
    keyless.set_named("session_uid", Value::Unchanged);
    let (session_uid, name, problem) = unreadable(&keyless);
    assert_eq!((session_uid, name.as_str()), (None, "human_turns t"));
    assert!(
        problem.contains("`session_uid` was not repeated"),
        "{problem}"
    );
}

#[test]
fn turns_without_a_number_and_updates_of_told_rows_are_skipped() {
    let pending = row(Table::AgentTurns, &[("uid", "t"), ("rev", "7")]);
    assert_eq!(event(&pending, NOW), Mapped::Skipped(Skipped::Unaddressed));
    let update = Row::new(Table::PurgeLog, Operation::Update);
    assert_eq!(event(&update, NOW), Mapped::Skipped(Skipped::Told));
}

#[test]
fn what_cannot_be_read_is_named_without_its_content() {
    let cases: [(Table, &[(&str, &'static str)], &str); 6] = [
        (
            Table::Sessions,
            &[("uid", "s"), ("next_seq", "0"), ("rev", "1")],
            "`account_uid` is null",
        ),
        (Table::Sessions, &[("uid", "")], "`uid` is empty"),
        (
            Table::HumanTurns,
            &[("seq", "secret")],
            "`seq` is not an integer of 32 bits",
        ),
        (
            Table::Steps,
            &[("rev", "1800003600000001")],
            "`rev` is 3600 s ahead of the clock",
        ),
        (
            Table::PurgeLog,
            &[("kind", "secret"), ("uid", "x"), ("rev", "1")],
            "`kind` is none",
        ),
        (Table::ProjectionJobs, &[], "`session_uid` is null"),
    ];
    for (table, values, expected) in cases {
        let (_, _, problem) = unreadable(&row(table, values));
        assert!(problem.starts_with(expected), "{problem}");
        assert!(!problem.contains("secret"), "{problem}");
    }
    let mut forked = SESSION.to_vec();
    forked.push(("forked_from", "[]"));
    let (session_uid, name, _) = unreadable(&row(Table::Sessions, &forked));
    assert_eq!(
        (session_uid, name.as_str()),
        (Some(Uid::stored("s")), "sessions s")
    );
    let limit: &[_] = &[
        ("agent_turn_uid", "t"),
        ("idx", "0"),
        ("rev", "1800003600000000"),
    ];
    assert_eq!(
        step(&row(Table::Steps, limit)).step.rev,
        NOW.0 + REV_AHEAD_MAX
    );
}

#[test]
fn purges_and_jobs_are_told() {
    let values = [
        ("kind", "turn"),
        ("session_uid", "s"),
        ("seq", "3"),
        ("uid", "t"),
        ("rev", "9"),
    ];
    let Change::Purge(purge) = told(&row(Table::PurgeLog, &values)) else {
        panic!("no purge");
    };
    assert_eq!(
        (purge.kind, purge.seq, purge.rev),
        (PurgeKind::Turn, Some(3), 9)
    );
    let values = [("session_uid", "s"), ("from_seq", "1"), ("to_seq", "5")];
    let numbered = Change::Numbered {
        session_uid: Uid::stored("s"),
        from_seq: 1,
        to_seq: 5,
    };
    assert_eq!(told(&row(Table::ProjectionJobs, &values)), numbered);
}

#[test]
fn a_dropped_column_is_missed_and_an_added_one_ignored() {
    let there = ["session_uid", "to_seq", "created_at", "extra"];
    let missing = Table::ProjectionJobs.missing(there.iter().copied());
    assert_eq!(missing, ["from_seq"]);
    let mut row = Row::new(Table::ProjectionJobs, Operation::Insert);
    assert!(!row.set_named("extra", Value::Null));
    for table in Table::ALL {
        assert_eq!(Table::from_name(table.name()), Some(table));
        assert_eq!(table.missing(table.columns().iter().copied()), [""; 0]);
    }
}

fn purge(kind: PurgeKind, uid: &str, idx: Option<i32>) -> Purge {
    Purge {
        kind,
        session_uid: None,
        seq: None,
        uid: Uid::stored(uid),
        idx,
        account_uid: None,
        created_at: None,
        rev: 1,
    }
}

#[test]
fn only_deletions_without_a_purge_are_suspect_whichever_comes_first() {
    let mut deletes = Deletes::default();
    deletes.begin();
    deletes.purged(&purge(PurgeKind::Turn, "t1", None));
    deletes.deleted(Table::HumanTurns, "t1");
    deletes.deleted(Table::AgentTurns, "t2");
    deletes.deleted(Table::Steps, "t2");
    deletes.deleted(Table::Sessions, "s");
    deletes.deleted(Table::PurgeLog, "x");
    deletes.purged(&purge(PurgeKind::TurnSteps, "t2", None));
    deletes.purged(&purge(PurgeKind::Listing, "s", None));
    let mut rows: Vec<_> = deletes
        .suspects()
        .into_iter()
        .map(|c| format!("{c:?}"))
        .collect();
    rows.sort();
    assert_eq!(rows.len(), 2);
    assert!(
        rows[0].contains("None") && rows[0].contains("agent_turns t2"),
        "{rows:?}"
    );
    assert!(
        rows[1].contains("Some(\"s\")") && rows[1].contains("sessions s"),
        "{rows:?}"
    );
    assert_eq!(deletes.suspects(), []);
}

#[test]
fn a_huge_deletion_is_followed_within_bounds() {
    let mut deletes = Deletes::default();
    deletes.begin();
    for n in 0..20_000 {
        deletes.deleted(Table::Steps, &n.to_string());
    }
    let suspects = deletes.suspects();
    assert_eq!(suspects.len(), 1_001);
    let more = suspects.last().map(|change| format!("{change:?}")).unwrap();
    assert!(more.contains("19000 more rows"), "{more}");

    for n in 0..1_000_001 {
        deletes.purged(&purge(PurgeKind::Turn, &n.to_string(), None));
    }
    assert!(format!("{:?}", deletes.suspects()).contains("more than 1000000"));
}
