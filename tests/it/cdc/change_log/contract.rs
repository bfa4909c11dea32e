//! What both engines hold.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;

use futures_util::poll;
use turngraph::cdc::{ChangeFeed, ChangeLogFeed, FeedEvent};
use turngraph::domain::Change;
use turngraph::stores::RecordStore;

use super::{names, now, open, told_until};
use crate::cdc::model::Model;
use crate::stores::source::{SourceFixture, postgres_fixture, sqlite_fixture};
use crate::support::rows::{human, session, uid};

macro_rules! feed_contract_on {
    ($engine:ident, $open:path) => {
        mod $engine {
            feed_contract_on! { @cases $open:
                a_dropped_next_loses_nothing,
                a_model_that_hears_everything_is_the_record,
                a_place_is_reached_only_when_all_before_it_was_told,
                only_what_is_committed_is_told_in_its_order,
                what_is_acknowledged_is_forgotten_and_numbers_go_on,
                what_was_not_acknowledged_is_told_again,
            }
        }
    };
    (@cases $open:path: $($case:ident,)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                super::$case($open().await).await;
            }
        )*
    };
}

feed_contract_on!(postgres, crate::stores::source::postgres_fixture);
feed_contract_on!(sqlite, crate::stores::source::sqlite_fixture);

async fn only_what_is_committed_is_told_in_its_order(f: SourceFixture) {
    let mut feed = open(&f.log).await;
    f.record.add_conversation().await;
    // Rolled back (case 7): its numbers of the log are lost, and nothing is told.
    let mut transaction = f.record.begin().await;
    let gone = session("alice", "gone");
    transaction.session_insert(&gone).await.unwrap();
    let turns = [human("gone-h", None, 0, "never")];
    transaction
        .turns_insert(&uid("gone"), &turns)
        .await
        .unwrap();
    drop(transaction);
    let last = f.record.add_sessions(&[session("bob", "b")]).await;
    let (changes, reached) = told_until(&mut feed, last.value).await;
    assert!(reached >= last.value);
    let names = names(&changes);
    let place = |name: &str| names.iter().position(|n| n == name);
    assert!(place("session s") < place("turn a3 3"), "{names:?}");
    assert!(place("step a3 0") < place("session b"), "{names:?}");
    assert!(!names.iter().any(|name| name.contains("gone")), "{names:?}");
    assert_eq!(names.len(), 1 + 4 + 2 + 1, "{names:?}");
}

async fn what_is_acknowledged_is_forgotten_and_numbers_go_on(f: SourceFixture) {
    let mut feed = open(&f.log).await;
    f.record.add_conversation().await;
    let (changes, first) = told_until(&mut feed, now(&f).await).await;
    assert_eq!(changes.len(), 7);
    feed.acknowledge(first).await.unwrap();
    drop(feed);
    let left = f.log.log_entries((0, 0), i64::MAX, 10).await.unwrap();
    assert_eq!(left, [], "the table is empty again");
    // Numbers that began again would be below the place that was acknowledged, and skipped.
    let later = f.record.add_sessions(&[session("bob", "b")]).await;
    assert!(later.value > first);
    let mut feed = open(&f.log).await;
    let (changes, reached) = told_until(&mut feed, later.value).await;
    assert_eq!(names(&changes), ["session b"]);
    assert!(reached >= later.value);
    feed.acknowledge(reached).await.unwrap();
    drop(feed);
    let mut feed = open(&f.log).await;
    let (changes, _) = told_until(&mut feed, now(&f).await).await;
    assert_eq!(names(&changes), [""; 0]);
}

async fn what_was_not_acknowledged_is_told_again(f: SourceFixture) {
    let mut feed = open(&f.log).await;
    f.record.add_conversation().await;
    let (_, first) = told_until(&mut feed, now(&f).await).await;
    feed.acknowledge(first).await.unwrap();
    // The writer and everybody who listened to it are gone right after the commit (case 43).
    let commit = f.record.add_sessions(&[session("bob", "b")]).await;
    drop(feed);
    for _ in 0..2 {
        let mut feed = open(&f.log).await;
        let (changes, _) = told_until(&mut feed, commit.value).await;
        assert_eq!(names(&changes), ["session b"]);
        // Acknowledging what came before again changes nothing.
        feed.acknowledge(first).await.unwrap();
    }
}

async fn a_dropped_next_loses_nothing(f: SourceFixture) {
    let mut feed = open(&f.log).await;
    let mut found = Vec::new();
    for n in 0..20 {
        let key = format!("s{n}");
        let commit = f.record.add_sessions(&[session("alice", &key)]).await;
        loop {
            // Polled once and dropped, at whatever await it has come to; every few times it is
            // given the time that one answer takes.
            let event = if n % 3 == 0 {
                Some(feed.next().await)
            } else {
                let next = std::pin::pin!(feed.next());
                match poll!(next) {
                    Poll::Ready(event) => Some(event),
                    Poll::Pending => None,
                }
            };
            match event {
                None => {
                    if n % 3 == 2 {
                        break;
                    }
                    tokio::task::yield_now().await;
                    break;
                }
                Some(Ok(FeedEvent::Change(Change::Session(change)))) => found.push(change.row.uid),
                Some(Ok(FeedEvent::Commit { position, .. } | FeedEvent::Idle { position, .. }))
                    if position >= commit.value =>
                {
                    break;
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => panic!("{error}"),
            }
        }
    }
    let (rest, _) = told_until(&mut feed, now(&f).await).await;
    found.extend(
        rest.iter()
            .filter_map(|change| change.session_uid().cloned()),
    );
    found.sort();
    let mut expected: Vec<_> = (0..20).map(|n| uid(&format!("s{n}"))).collect();
    expected.sort();
    assert_eq!(found, expected, "each once");
}

/// Tokens of commits that have returned, with what they wrote.
type Tokens = Arc<Mutex<Vec<(u64, String)>>>;

/// Inserts sessions one by one; on PostgreSQL every second transaction stays open while others
/// come and go, so that it has its numbers long before it commits (F7).
async fn write(store: Arc<dyn RecordStore>, name: usize, tokens: Tokens) {
    for n in 0..40 {
        let key = format!("s-{name}-{n}");
        let mut transaction = store.begin().await.unwrap();
        let row = session("alice", &key);
        transaction.session_insert(&row).await.unwrap().unwrap();
        let before = tokens.lock().unwrap().len();
        let others = || tokens.lock().unwrap().len() > before + 2;
        for _ in 0..(name % 2) * 200 {
            if others() {
                break;
            }
            tokio::task::yield_now().await;
        }
        let turns = [human(&format!("h-{key}"), None, 0, "x")];
        transaction.turns_insert(&row.uid, &turns).await.unwrap();
        let position = transaction.commit().await.unwrap();
        tokens.lock().unwrap().push((position.value, key));
    }
}

async fn a_place_is_reached_only_when_all_before_it_was_told(f: SourceFixture) {
    let mut feed = open(&f.log).await;
    let tokens = Tokens::default();
    let running = Arc::new(AtomicUsize::new(4));
    for name in 0..4 {
        let (store, tokens) = (Arc::clone(&f.record.store), Arc::clone(&tokens));
        let running = Arc::clone(&running);
        tokio::spawn(async move {
            write(store, name, tokens).await;
            running.fetch_sub(1, Ordering::Release);
        });
    }
    let mut told: HashSet<String> = HashSet::new();
    let (mut last, mut rounds) = (0, 0);
    loop {
        // Before the event: what is reached after the last writer has ended is everything.
        let done = running.load(Ordering::Acquire) == 0;
        match feed.next().await.unwrap() {
            FeedEvent::Change(Change::Session(change)) => {
                told.insert(change.row.uid.to_string());
            }
            FeedEvent::Change(_) => {}
            FeedEvent::Unreadable { problem, .. } => panic!("{problem}"),
            FeedEvent::Commit { position, .. } | FeedEvent::Idle { position, .. } => {
                assert!(position >= last);
                (last, rounds) = (position, rounds + 1);
                let known = tokens.lock().unwrap().clone();
                for (token, key) in &known {
                    assert!(*token > position || told.contains(key), "{key} is not told");
                }
                if rounds % 7 == 0 {
                    feed.acknowledge(position).await.unwrap();
                }
                if rounds % 31 == 0 {
                    // A restart, after which what was not acknowledged comes again.
                    feed = open(&f.log).await;
                }
                if done && known.iter().all(|(token, _)| *token <= position) {
                    break;
                }
            }
        }
    }
    assert_eq!(told.len(), 160, "{rounds} rounds");
}

async fn a_model_that_hears_everything_is_the_record(f: SourceFixture) {
    let mut model = Model::default();
    let mut feed = open(&f.log).await;
    let hear = async |feed: &mut ChangeLogFeed, model: &mut Model| {
        let (changes, reached) = told_until(feed, now(&f).await).await;
        for change in changes {
            model.apply(change, &*f.source).await;
        }
        feed.acknowledge(reached).await.unwrap();
        model.assert_is(&*f.source).await;
    };
    f.record.add_conversation().await;
    hear(&mut feed, &mut model).await;
    let engine = &f.record.engine;
    for sql in [
        "update sessions set title = 'new', account_uid = 'bob' where uid = 's'",
        "update agent_turns set liked = true, deleted_at = created_at where uid = 'a1'",
        "update steps set content = '\"x\"' where agent_turn_uid = 'a1'",
        "delete from steps where agent_turn_uid = 'a3'",
        "delete from human_turns where uid = 'h2'",
    ] {
        engine.run(sql).await;
        hear(&mut feed, &mut model).await;
    }
    // Purged and born again before anybody hears of it.
    engine.run("delete from steps").await;
    engine.run("delete from human_turns").await;
    engine.run("delete from agent_turns").await;
    engine.run("delete from sessions where uid = 's'").await;
    let mut again = session("alice", "s");
    again.title = Some("again".into());
    f.record.add_sessions(&[again]).await;
    hear(&mut feed, &mut model).await;
    let found = &model.sessions[&uid("s")];
    assert_eq!(found.title.as_deref(), Some("again"));
    assert!(model.turns(&uid("s")).is_empty());
}

#[tokio::test]
async fn feeds_say_who_they_are() {
    for f in [postgres_fixture().await, sqlite_fixture().await] {
        let feed = open(&f.log).await;
        let position = f.source.position().await.unwrap();
        assert_eq!(
            (feed.name(), feed.store()),
            ("change_log", &*position.store)
        );
    }
}
