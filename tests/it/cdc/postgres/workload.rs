//! A mixed workload of turngraph and other programs: what is told, applied in any order and any
//! number of times, is what the record reads.

use std::collections::BTreeMap;

use turngraph::cdc::FeedEvent;
use turngraph::cdc::postgres::pgoutput::Message;
use turngraph::domain::change::{Change, PurgeKind};
use turngraph::domain::{SessionRow, StepRow, TurnRow};
use turngraph::domain::{Timestamp, Uid};
use turngraph::stores::RecordStore;
use turngraph::stores::record::{SessionPatch, TurnPatch};

use super::lab::Lab;
use crate::support::rows::{agent, human, session, step, uid, uids};

/// A value and the version that wrote it; a later version wins, whenever it comes.
#[derive(Debug, Clone)]
struct Cell<T>(i64, T);

fn put<K: Ord, T>(cells: &mut BTreeMap<K, Cell<T>>, key: K, rev: i64, value: T) {
    let newer = cells.get(&key).is_none_or(|cell| cell.0 <= rev);
    if newer {
        cells.insert(key, Cell(rev, value));
    }
}

/// The simplest projection: cells, the last version of each.
#[derive(Debug, Default)]
struct Model {
    sessions: BTreeMap<Uid, Cell<Option<SessionRow>>>,
    titles: BTreeMap<Uid, Cell<Option<Box<str>>>>,
    turns: BTreeMap<Uid, Cell<Option<TurnRow>>>,
    prompts: BTreeMap<Uid, Cell<String>>,
    usages: BTreeMap<Uid, Cell<Option<Box<str>>>>,
    steps: BTreeMap<(Uid, i32), Cell<Option<StepRow>>>,
    contents: BTreeMap<(Uid, i32), Cell<Box<str>>>,
    numbered: Vec<(Uid, i32, i32)>,
}

impl Model {
    fn apply(&mut self, change: &Change) {
        match change.clone() {
            Change::Session(change) => {
                let (key, rev) = (change.row.uid.clone(), change.row.rev);
                if !change.absent.title {
                    put(&mut self.titles, key.clone(), rev, change.row.title.clone());
                }
                put(&mut self.sessions, key, rev, Some(change.row));
            }
            Change::Turn(change) => {
                let (key, rev) = (change.turn.uid.clone(), change.turn.rev);
                if let Some(prompt) = change.prompt {
                    put(&mut self.prompts, key.clone(), rev, prompt);
                }
                if !change.absent.usage {
                    put(
                        &mut self.usages,
                        key.clone(),
                        rev,
                        change.turn.usage.clone(),
                    );
                }
                put(&mut self.turns, key, rev, Some(change.turn));
            }
            Change::Step(change) => {
                let key = (change.step.turn_uid.clone(), change.step.idx);
                let rev = change.step.rev;
                if !change.content_absent {
                    put(
                        &mut self.contents,
                        key.clone(),
                        rev,
                        change.step.content.clone(),
                    );
                }
                put(&mut self.steps, key, rev, Some(change.step));
            }
            Change::Purge(purge) => match purge.kind {
                PurgeKind::Turn => put(&mut self.turns, purge.uid, purge.rev, None),
                PurgeKind::Session => put(&mut self.sessions, purge.uid, purge.rev, None),
                PurgeKind::Step => {
                    put(
                        &mut self.steps,
                        (purge.uid, purge.idx.unwrap()),
                        purge.rev,
                        None,
                    );
                }
                PurgeKind::TurnSteps => {
                    for idx in 0..10 {
                        put(&mut self.steps, (purge.uid.clone(), idx), purge.rev, None);
                    }
                }
                PurgeKind::Listing | PurgeKind::Address | PurgeKind::Account => {}
            },
            Change::Numbered {
                session_uid,
                from_seq,
                to_seq,
            } => self.numbered.push((session_uid, from_seq, to_seq)),
            Change::Suspect { row, .. } => panic!("{row} is suspect"),
        }
    }

    fn sessions(&self) -> Vec<SessionRow> {
        let live = self.sessions.values().filter_map(|cell| cell.1.clone());
        let mut rows: Vec<_> = live.collect();
        for row in &mut rows {
            row.title = self.titles[&row.uid].1.clone();
        }
        rows
    }

    fn turns(&self) -> Vec<TurnRow> {
        let live = self.turns.values().filter_map(|cell| cell.1.clone());
        let mut rows: Vec<_> = live.collect();
        for row in &mut rows {
            row.usage = self.usages[&row.uid].1.clone();
        }
        rows
    }

    fn steps(&self) -> Vec<StepRow> {
        let live = self
            .steps
            .iter()
            .filter_map(|(key, cell)| Some((key, cell.1.clone()?)));
        live.map(|(key, row)| StepRow {
            content: self.contents[key].1.clone(),
            ..row
        })
        .collect()
    }
}

/// What turngraph writes.
async fn commands(store: &impl RecordStore, now: Timestamp) {
    let large = "p".repeat(9_000);
    let mut tx = store.begin().await.unwrap();
    tx.session_insert(&session("alice", "s1")).await.unwrap();
    let turns = [
        human("h0", None, 0, &large),
        agent("a1", Some("h0"), 1),
        human("h2", Some("a1"), 2, "short"),
        agent("a3", Some("h2"), 3),
    ];
    tx.turns_insert(&uid("s1"), &turns).await.unwrap();
    let steps = [
        step("a1", 0, "{\"text\":\"ä\"}"),
        step("a1", 3, &large),
        step("a3", 0, "{}"),
    ];
    tx.steps_insert(&uid("s1"), &steps, &[1, 1, 3])
        .await
        .unwrap();
    let patch = SessionPatch {
        next_seq: Some(4),
        active_root: Some(Some(uid("h0"))),
        ..SessionPatch::default()
    };
    tx.session_update(&uid("s1"), &patch, now).await.unwrap();
    tx.commit().await.unwrap();

    let mut tx = store.begin().await.unwrap();
    tx.session_lock(&uid("alice"), &uid("s1")).await.unwrap();
    let patch = TurnPatch {
        liked: Some(Some(true)),
        ..TurnPatch::default()
    };
    tx.turn_update(
        (turngraph::domain::TurnRole::Agent, &uid("a1")),
        &patch,
        now,
    )
    .await
    .unwrap();
    // The large prompt is not touched, so the log does not repeat it.
    let patch = TurnPatch {
        active_child: Some(Some(uid("a1"))),
        ..TurnPatch::default()
    };
    tx.turn_update(
        (turngraph::domain::TurnRole::Human, &uid("h0")),
        &patch,
        now,
    )
    .await
    .unwrap();
    tx.step_update(&uid("a3"), 0, "{\"x\":1}", now)
        .await
        .unwrap();
    tx.commit().await.unwrap();

    // A transaction that is rolled back.
    let mut tx = store.begin().await.unwrap();
    tx.session_insert(&session("alice", "never")).await.unwrap();
    drop(tx);
}

/// What other programs write, with large texts that are stored apart.
const FOREIGN: &str = "
    insert into agent_turns (uid, session_uid, parent_uid, liked, created_at)
    values ('fa1', 's2', 'fh0', null, '2020-01-01 10:00:00+02'), ('gone', 's2', 'fh0', true, null);
    insert into human_turns (uid, session_uid, parent_uid, prompt, created_at)
    values ('fh0', 's2', '', repeat('q', 9000), null), ('fh2', 's2', 'fa1', null, now());
    insert into steps (agent_turn_uid, idx, tpe, content, created_at)
    values ('fa1', 0, 1, repeat('c', 9000), null), ('fa1', 1, null, null, '2021-01-01'),
        ('gone', 0, 1, 'x', null);
    insert into sessions (uid, account_uid, title, created_at)
    values ('s2', 'alice', repeat('T', 9000), null), ('s3', 'alice', null, '-infinity');
    update steps set tpe = 5 where agent_turn_uid = 'fa1' and idx = 0;
    update agent_turns set liked = false, usage = '{\"b\": 1, \"a\":2}', status = 'odd' where uid = 'fa1';
    delete from agent_turns where uid = 'gone';
    delete from steps where agent_turn_uid = 'gone';
    delete from steps where agent_turn_uid = 'a1' and idx = 3;
    delete from sessions where uid = 's3'";

#[tokio::test]
async fn what_is_told_in_any_order_and_number_is_what_the_record_reads() {
    let lab = Lab::new("cdc_workload").await;
    lab.sql(
        "alter table human_turns alter column prompt set storage external;
         alter table steps alter column content set storage external;
         alter table sessions alter column title set storage external",
    )
    .await;
    lab.sql("select pg_create_logical_replication_slot('cdc_workload_oracle', 'pgoutput')")
        .await;
    let mut feed = lab.feed(None).await;
    let store = lab.store().await;
    let now = Timestamp(session("alice", "x").rev + 5);
    commands(&store, now).await;
    lab.sql(FOREIGN).await;
    while store.number_pending(100).await.unwrap() > 0 {}
    lab.sql("update human_turns set active_child = 'fa1' where uid = 'fh0'")
        .await;
    let events = lab.told(&mut feed).await;
    let changes: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            FeedEvent::Change(change) => Some(change),
            FeedEvent::Unreadable { row, problem, .. } => panic!("{row}: {problem}"),
            _ => None,
        })
        .collect();
    assert!(feed.counts().unaddressed >= 4, "{:?}", feed.counts());

    let alice = uid("alice");
    let keys = uids(&["s1", "s2"]);
    let mut sessions = store.sessions_by_uid(&alice, &keys).await.unwrap();
    sessions.sort_by(|a, b| a.uid.cmp(&b.uid));
    let turns = store.turns_by_session(&alice, &keys).await.unwrap();
    let mut turns: Vec<_> = turns.into_iter().map(|row| row.turn).collect();
    turns.sort_by(|a, b| a.uid.cmp(&b.uid));
    let steps = store
        .steps(&uids(&["a1", "a3", "fa1", "gone"]))
        .await
        .unwrap();
    let prompts = store.prompts(&uids(&["h0", "h2", "fh2"])).await.unwrap();
    assert_eq!((sessions.len(), turns.len(), steps.len()), (2, 7, 4));

    // In order, backwards, and shuffled with each told twice.
    let mut orders = vec![changes.clone(), changes.iter().rev().copied().collect()];
    orders.extend((1..20).map(|seed| shuffled(&[&changes[..], &changes[..]].concat(), seed)));
    for order in orders {
        let mut model = Model::default();
        for change in order {
            model.apply(change);
        }
        assert_eq!(model.sessions(), sessions);
        assert_eq!(model.turns(), turns);
        assert_eq!(model.steps(), steps);
        for (key, prompt) in &prompts {
            assert_eq!(&model.prompts[key].1, prompt);
        }
        // The prompt that came without an address is read from the record, for this job.
        assert_eq!(
            model.prompts.get(&uid("fh0")).map(|cell| cell.1.len()),
            None
        );
        let (session, from, to) = &model.numbered[0];
        assert_eq!((session, *from, *to), (&uid("s2"), 0, 2));
    }
    feed.close().await;
    decode_all(&lab).await;
}

/// Another order, the same for the same seed.
fn shuffled<'a>(changes: &[&'a Change], seed: u64) -> Vec<&'a Change> {
    let mut order = changes.to_vec();
    let mut state = seed;
    for place in (1..order.len()).rev() {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(seed);
        let other = usize::try_from(state >> 33).unwrap() % (place + 1);
        order.swap(place, other);
    }
    order
}

/// The same log as the server's own functions give it: every message is decoded, and each kind
/// that a workload makes is among them.
async fn decode_all(lab: &Lab) {
    let mut connection = lab.connection().await;
    let messages: Vec<Vec<u8>> = sqlx::query_scalar(
        "select data from pg_logical_slot_peek_binary_changes('cdc_workload_oracle', null, null,
            'proto_version', '1', 'publication_names', 'turngraph', 'messages', 'true')",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    let mut kinds = BTreeMap::<u8, usize>::new();
    for message in &messages {
        let decoded = Message::decode(message).unwrap();
        if let Message::Relation(relation) = decoded {
            assert!(relation.columns().any(|column| column.key), "{relation:?}");
        }
        *kinds.entry(message[0]).or_default() += 1;
    }
    for kind in *b"BCRIUDM" {
        assert!(
            kinds.contains_key(&kind),
            "no {} among {kinds:?}",
            kind as char
        );
    }
    assert_eq!(kinds[&b'B'], kinds[&b'C']);
}
