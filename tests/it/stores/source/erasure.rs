//! Removal for good: nothing of it is left anywhere, it stays gone, and what is written under the
//! same keys later wins.

use std::path::Path;

use turngraph::domain::score::{ScoreValue, Target};
use turngraph::domain::{Position, Timestamp, Uid};
use turngraph::stores::StoreKind;
use turngraph::stores::erasure::{ErasedIn, Erasure, ErasureStore};
use turngraph::stores::record::IdempotencyRecord;
use turngraph::stores::source::{DeadLetter, SourceTurn};

use super::SourceFixture;
use crate::cdc::model::Model;
use crate::support::postgres::server;
use crate::support::rows::{agent, human, metadata, score, session, step, uid};

/// Stands wherever a person may have written something.
const CANARY: &str = "kanarienvogel-7f3a";

fn erasures(f: &SourceFixture) -> &dyn ErasureStore {
    f.record.store.erasures().unwrap()
}

/// A session of an account with the canary in every text.
async fn add_canary(f: &SourceFixture, account: &str, key: &str) {
    let text = |what: &str| format!("{what} {CANARY} {}", "x".repeat(5_000));
    let mut row = session(account, key);
    row.title = Some(format!("title {CANARY}").into());
    row.next_seq = 2;
    let (h, a) = (format!("{key}-h"), format!("{key}-a"));
    let mut transaction = f.record.begin().await;
    transaction.session_insert(&row).await.unwrap().unwrap();
    let mut reply = agent(&a, Some(&h), 1);
    reply.turn.model = Some(format!("model {CANARY}").into());
    reply.turn.usage = Some(format!(r#"{{"note":"{CANARY}"}}"#).into());
    let turns = [human(&h, None, 0, &text("prompt")), reply];
    transaction.turns_insert(&row.uid, &turns).await.unwrap();
    let content = format!(r#"{{"text":"{}"}}"#, text("content"));
    let steps = [step(&a, 0, &content), step(&a, 1, &content)];
    let inserted = transaction.steps_insert(&row.uid, &steps, &[1, 1]).await;
    inserted.unwrap();
    let turn = Target::Turn { uid: uid(&a) };
    let text_score = ScoreValue::Text(text("score"));
    let scores = [score(&format!("{key}-score"), turn.clone(), text_score)];
    transaction.scores_insert(&row.uid, &scores).await.unwrap();
    let entries = [metadata(turn, "key", &text("metadata"))];
    transaction.metadata_set(&row.uid, &entries).await.unwrap();
    let answer = IdempotencyRecord {
        input_hash: "hash".into(),
        answer: format!(r#"{{"session":"{key}","turns":["{CANARY}"]}}"#),
    };
    let stored = transaction.idempotency_insert(&row.account_uid, key, &answer, f.record.now());
    stored.await.unwrap();
    transaction.commit().await.unwrap();
    let letter = DeadLetter {
        id: 0,
        session_uid: Some(row.uid),
        row: format!("steps {a} 0"),
        rev: None,
        error: "too large".into(),
        position: 1,
        at: f.record.now(),
        attempts: 0,
    };
    f.source.dead_letter_insert(&letter).await.unwrap();
}

fn holds(path: &Path, what: &str) -> bool {
    let bytes = std::fs::read(path).unwrap_or_default();
    bytes
        .windows(what.len())
        .any(|part| part == what.as_bytes())
}

/// Files in which the text stands, and where a dump of the tables has it.
async fn traces(f: &SourceFixture, what: &str) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(url) = &f.url {
        let dump = server().program("pg_dump", &["--data-only", url], "");
        found.extend(dump.contains(what).then(|| "dump".to_owned()));
        let mut other = f.beside().await;
        // A deleted row leaves its bytes on the page until that is written anew.
        for sql in ["vacuum full", "checkpoint"] {
            sqlx::raw_sql(sql).execute(&mut other).await.unwrap();
        }
        let files: Vec<String> = sqlx::query_scalar(
            "select current_setting('data_directory') || '/' || pg_relation_filepath(oid)
             from pg_class where relkind in ('r', 'i', 't') and relnamespace <> 11",
        )
        .fetch_all(&mut other)
        .await
        .unwrap();
        assert!(files.len() > 40 && Path::new(&files[0]).exists());
        found.extend(
            files
                .into_iter()
                .filter(|file| holds(Path::new(file), what)),
        );
    }
    if let Some(file) = &f.file {
        for end in ["", "-wal", "-shm", "-journal"] {
            let name = format!("{}{end}", file.display());
            found.extend(holds(Path::new(&name), what).then_some(name));
        }
    }
    found
}

pub(super) async fn nothing_of_a_purged_session_is_left_in_a_table_or_a_file(f: SourceFixture) {
    add_canary(&f, "alice", "s").await;
    add_canary(&f, "bob", "b").await;
    // Old versions of rows are on the pages too.
    f.record
        .engine
        .run("update steps set content = content || '!' where idx = 1")
        .await;
    assert!(
        !traces(&f, CANARY).await.is_empty(),
        "it can be found while it is there"
    );
    let erased = erasures(&f)
        .erase_session(&uid("alice"), &uid("s"), &uid("r1"), f.record.now())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(erased.sessions, 1);
    // The other account's is still there, and goes with its account.
    let left = f.source.turns(&uid("b"), 0, 9).await.unwrap();
    assert_eq!(left.len(), 2);
    assert!(left[1].steps[0].content.contains(CANARY));
    let letters = f.source.dead_letters(9).await.unwrap();
    assert!(
        letters
            .iter()
            .all(|letter| letter.session_uid != Some(uid("s")))
    );
    erasures(&f)
        .erase_account(&uid("bob"), &uid("r2"), f.record.now(), false)
        .await
        .unwrap();
    assert_eq!(traces(&f, CANARY).await, Vec::<String>::new());
    assert_eq!(f.source.session_uids(None, 9).await.unwrap(), []);
}

pub(super) async fn a_receipt_is_given_once_and_shows_each_store(f: SourceFixture) {
    let store = erasures(&f);
    let copies = [StoreKind::Cql, StoreKind::Redis];
    store.set_projection_stores(&copies).await.unwrap();
    f.record
        .add_sessions(&[session("alice", "s"), session("alice", "t")])
        .await;
    let (alice, s, now) = (uid("alice"), uid("s"), f.record.now());
    let before = f.source.position().await.unwrap();
    for (account, key) in [("bob", "s"), ("alice", "missing")] {
        let (account, key, receipt) = (uid(account), uid(key), uid("r0"));
        let none = store.erase_session(&account, &key, &receipt, now).await;
        assert_eq!(none.unwrap(), None);
    }
    assert_eq!(store.erasure(&alice, &uid("r0")).await.unwrap(), None);
    let erased = store
        .erase_session(&alice, &s, &uid("r1"), now)
        .await
        .unwrap()
        .unwrap();
    let pending = |store: &str| ErasedIn {
        store: store.to_owned(),
        done_at: None,
    };
    assert_eq!(
        (&erased.session_uid, erased.sessions, erased.at),
        (&Some(s.clone()), 1, now)
    );
    assert_eq!(erased.stores, [pending("CQL"), pending("REDIS")]);
    let position = erased.position.clone().unwrap();
    assert!(position.value > before.value);
    let again = store
        .erase_session(&alice, &s, &uid("r2"), now)
        .await
        .unwrap();
    assert_eq!(again, None, "it is gone");
    assert_eq!(
        store.last_erasure(&alice, Some(&s)).await.unwrap(),
        Some(erased.clone())
    );
    assert_eq!(store.last_erasure(&alice, None).await.unwrap(), None);
    assert_eq!(store.erasure(&uid("bob"), &uid("r1")).await.unwrap(), None);

    let later = Timestamp(now.0 + 5);
    assert!(store.erasures_open().await.unwrap());
    let applied = |at: Position, stores: &'static [StoreKind]| async move {
        let done = store.erasures_applied(stores, &at, later).await;
        done.unwrap()
    };
    assert_eq!(applied(before, &[StoreKind::Cql]).await, 0);
    assert_eq!(applied(position.clone(), &[StoreKind::Cql]).await, 1);
    let half = store.erasure(&alice, &uid("r1")).await.unwrap().unwrap();
    let done_at: Vec<_> = half.stores.iter().map(|at| at.done_at).collect();
    assert_eq!(done_at, [Some(later), None], "the cache is still owed");
    assert_eq!(
        applied(position, &[StoreKind::Cql, StoreKind::Redis]).await,
        1
    );
    assert!(!store.erasures_open().await.unwrap());
    let done = store.erasure(&alice, &uid("r1")).await.unwrap().unwrap();
    assert!(done.stores.iter().all(|at| at.done_at == Some(later)));
    an_account_is_erased_once(store, &alice, now).await;
}

async fn an_account_is_erased_once(store: &dyn ErasureStore, alice: &Uid, now: Timestamp) {
    let all = store
        .erase_account(alice, &uid("r3"), now, false)
        .await
        .unwrap();
    assert_eq!((all.sessions, all.session_uid), (1, None));
    // Gone on with after it was interrupted: the same receipt, nothing twice.
    let again = store
        .erase_account(alice, &uid("r3"), now, false)
        .await
        .unwrap();
    assert_eq!(again.sessions, 1);
    let last: Option<Erasure> = store.last_erasure(alice, None).await.unwrap();
    assert_eq!(last.map(|receipt| receipt.uid), Some(uid("r3")));
}

/// What a feed has told until now, applied to a model.
async fn hear(f: &SourceFixture, feed: &mut turngraph::cdc::ChangeLogFeed, model: &mut Model) {
    use turngraph::cdc::{ChangeFeed, FeedEvent};
    let end = f.source.position().await.unwrap().value;
    loop {
        match feed.next().await.unwrap() {
            FeedEvent::Change(change) => model.apply(change, &*f.source).await,
            FeedEvent::Unreadable { problem, .. } => panic!("{problem}"),
            FeedEvent::Commit { position, .. } | FeedEvent::Idle { position, .. } => {
                if position >= end {
                    return;
                }
            }
        }
    }
}

/// Cases 11 and 12, F4: purged while a copy is under way, and born again under the same keys.
pub(super) async fn what_is_purged_stays_gone_and_what_is_reborn_wins(f: SourceFixture) {
    let log = std::sync::Arc::clone(&f.log);
    let mut feed = turngraph::cdc::ChangeLogFeed::open(log).await.unwrap();
    add_canary(&f, "alice", "s").await;
    let mut model = Model::default();
    hear(&f, &mut feed, &mut model).await;
    // A long copy has read the session, and writes it only after the purge was applied.
    let old_row = f.source.session_rows(&[uid("s")]).await.unwrap().remove(0);
    let old_turns: Vec<SourceTurn> = f.source.turns(&uid("s"), 0, 9).await.unwrap();
    let (alice, s, receipt) = (uid("alice"), uid("s"), uid("r1"));
    let erased = erasures(&f).erase_session(&alice, &s, &receipt, f.record.now());
    erased.await.unwrap().unwrap();
    let late = |model: &mut Model| {
        model.session(old_row.clone());
        model.backfill(&uid("s"), old_turns.clone());
    };
    hear(&f, &mut feed, &mut model).await;
    late(&mut model);
    model.assert_is(&*f.source).await;
    assert!(model.turns(&uid("s")).is_empty());

    // Imported again, by a clock that stands where it stood before the purge.
    let purge = f.source.purges(&uid("s")).await.unwrap();
    let purged = purge.last().unwrap().rev;
    let mut transaction = f.record.begin().await;
    let mut row = session("alice", "s");
    row.next_seq = 1;
    let rev = transaction.session_insert(&row).await.unwrap().unwrap();
    assert!(rev > purged && purge.iter().all(|entry| entry.rev <= purged));
    let mut turn = human("s-h", None, 0, "again");
    turn.turn.rev = rev;
    transaction.turns_insert(&uid("s"), &[turn]).await.unwrap();
    transaction.commit().await.unwrap();
    late(&mut model);
    hear(&f, &mut feed, &mut model).await;
    late(&mut model);
    model.assert_is(&*f.source).await;
    assert_eq!(model.turns(&uid("s"))[0].prompt.as_deref(), Some("again"));
    assert!(model.sessions.contains_key(&uid("s")), "the header too");
}

/// Projections keep an account's key where they list its sessions: they are told when it goes.
pub(super) async fn the_end_of_an_account_is_told_above_all_that_it_had(f: SourceFixture) {
    use turngraph::domain::change::PurgeKind;
    add_canary(&f, "alice", "s").await;
    add_canary(&f, "alice", "t").await;
    add_canary(&f, "bob", "b").await;
    let alice = uid("alice");
    let receipt = uid("r");
    let erased = erasures(&f).erase_account(&alice, &receipt, f.record.now(), false);
    assert_eq!(erased.await.unwrap().sessions, 2);
    let told = f.source.purges(&alice).await.unwrap();
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].kind, &told[0].uid), (PurgeKind::Account, &alice));
    for session in ["s", "t"] {
        let purges = f.source.purges(&uid(session)).await.unwrap();
        assert!(purges.iter().all(|purge| purge.rev < told[0].rev));
    }
    // Born again, it has a higher version still.
    let mut transaction = f.record.begin().await;
    let row = session("alice", "u");
    let rev = transaction.session_insert(&row).await.unwrap().unwrap();
    transaction.commit().await.unwrap();
    assert!(rev > told[0].rev, "{rev} {}", told[0].rev);
    // An account that had nothing leaves nothing to be told.
    let (nobody, receipt) = (uid("nobody"), uid("r2"));
    let erased = erasures(&f).erase_account(&nobody, &receipt, f.record.now(), false);
    assert_eq!(erased.await.unwrap().sessions, 0);
    assert_eq!(f.source.purges(&nobody).await.unwrap(), []);
}

pub(super) async fn a_blocked_account_gets_no_session_and_others_do(f: SourceFixture) {
    add_canary(&f, "alice", "s").await;
    let now = f.record.now();
    let store = erasures(&f);
    assert!(!store.account_blocked(&uid("alice")).await.unwrap());
    store
        .erase_account(&uid("alice"), &uid("r"), now, true)
        .await
        .unwrap();
    assert!(store.account_blocked(&uid("alice")).await.unwrap());
    let mut transaction = f.record.begin().await;
    let refused = transaction.session_insert(&session("alice", "new")).await;
    assert_eq!(refused.unwrap(), None);
    let taken = transaction.session_insert(&session("bob", "s")).await;
    assert!(taken.unwrap().is_some(), "the key is free for others");
    let answer = f.record.store.idempotency(&uid("alice"), "s").await;
    assert_eq!(answer.unwrap(), None);
}
