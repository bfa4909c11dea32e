//! Rows of the record as the projector reads them.

use turngraph::domain::change::{Purge, PurgeKind};
use turngraph::domain::{TurnStatus, Uid};
use turngraph::stores::record::{StoreResult, TurnProgress};
use turngraph::stores::source::{Contested, SourceTurn, TurnAddress};
use turngraph::stores::{ProjectionSource, RecordStore};

use super::SourceFixture;
use crate::support::rows::{agent, human, session, step, uid, uids};

fn address(turn: &str, session: &str, seq: i32) -> TurnAddress {
    TurnAddress {
        turn_uid: uid(turn),
        session_uid: uid(session),
        seq,
    }
}

pub(super) async fn addresses_are_found_whosever_the_turns_are(f: SourceFixture) {
    f.record.add_conversation().await;
    f.record.add_sessions(&[session("bob", "b")]).await;
    f.record.add_turns("b", &[human("hb", None, 0, "b")]).await;
    let asked = uids(&["a3", "hb", "missing", "h0"]);
    let mut found = f.source.addresses(&asked).await.unwrap();
    found.sort_by(|a, b| a.turn_uid.cmp(&b.turn_uid));
    assert_eq!(
        found,
        [
            address("a3", "s", 3),
            address("h0", "s", 0),
            address("hb", "b", 0)
        ]
    );
    assert_eq!(f.source.addresses(&[]).await.unwrap(), []);
}

/// The turns of a session as `RecordStore` shows them.
pub(super) async fn shown(
    store: &dyn RecordStore,
    account: &str,
    key: &str,
) -> StoreResult<Vec<SourceTurn>> {
    let turns = store.turns_by_session(&uid(account), &uids(&[key])).await?;
    let keys: Vec<Uid> = turns.iter().map(|row| row.turn.uid.clone()).collect();
    let prompts = store.prompts(&keys).await?;
    let steps = store.steps(&keys).await?;
    let of = |uid: &Uid| {
        let found = prompts.iter().find(|(turn, _)| turn == uid);
        let steps = steps.iter().filter(|step| step.turn_uid == *uid);
        (
            found.map(|(_, prompt)| prompt.clone()),
            steps.cloned().collect(),
        )
    };
    Ok(turns
        .into_iter()
        .map(|row| {
            let (prompt, steps) = of(&row.turn.uid);
            SourceTurn {
                turn: row.turn,
                prompt,
                steps,
            }
        })
        .collect())
}

pub(super) async fn rows_are_the_same_as_the_record_store_shows(f: SourceFixture) {
    f.record.add_conversation().await;
    let mut reply = agent("a4", Some("h2"), 4);
    reply.turn.liked = Some(false);
    reply.turn.model = Some("model".into());
    reply.turn.usage = Some(r#"{"input":1}"#.into());
    let turns = [reply, human("h5", None, 5, "")];
    f.record.add_turns("s", &turns).await;
    let mut transaction = f.record.begin().await;
    let steps = [step("a4", 2, "[\"\\u00e4\\n\"]"), step("a4", 7, "\"🗝\"")];
    let inserted = transaction.steps_insert(&uid("s"), &steps, &[4, 4]).await;
    inserted.unwrap();
    let patch = turngraph::stores::record::TurnPatch {
        progress: Some(TurnProgress {
            status: TurnStatus::Complete,
            finished_at: Some(f.record.now()),
            usage: None,
        }),
        ..Default::default()
    };
    let key = uid("a4");
    let turn = (turngraph::domain::TurnRole::Agent, &key);
    let patched = transaction.turn_update(turn, &patch, f.record.now());
    patched.await.unwrap();
    transaction.commit().await.unwrap();

    let expected = shown(&*f.record.store, "alice", "s").await.unwrap();
    assert_eq!(expected.len(), 6);
    let all = f.source.turns(&uid("s"), 0, i32::MAX).await.unwrap();
    assert_eq!(all, expected);
    let part = f.source.turns(&uid("s"), 1, 4).await.unwrap();
    assert_eq!(part, expected[1..5]);
    for none in [
        f.source.turns(&uid("s"), 6, 9).await,
        f.source.turns(&uid("x"), 0, 9).await,
    ] {
        assert_eq!(none.unwrap(), []);
    }
    let rows = f.source.session_rows(&uids(&["s", "missing"])).await;
    assert_eq!(
        rows.unwrap(),
        [f.record.session("alice", "s").await.unwrap()]
    );
}

pub(super) async fn all_sessions_are_gone_through_in_the_order_of_bytes(f: SourceFixture) {
    let keys = ["B", "Z", "a", "a-1", "aB", "b", "ä", "дом"];
    let mut rows: Vec<_> = keys
        .iter()
        .enumerate()
        .map(|(n, key)| session(["alice", "bob"][n % 2], key))
        .collect();
    rows.reverse();
    f.record.add_sessions(&rows).await;
    let mut found = Vec::new();
    loop {
        let page = f.source.session_uids(found.last(), 3).await.unwrap();
        if page.is_empty() {
            break;
        }
        found.extend(page);
    }
    assert_eq!(found, uids(&keys));
    // An estimate; that a filled table is not taken for an empty one is what matters.
    assert!(f.source.session_count_estimate().await.unwrap() > 0);
}

pub(super) async fn purges_tell_what_went_oldest_first(f: SourceFixture) {
    f.record.add_conversation().await;
    let engine = &f.record.engine;
    engine
        .run("delete from steps where agent_turn_uid = 'a3'")
        .await;
    engine.run("delete from human_turns where uid = 'h2'").await;
    engine.run("delete from sessions where uid = 's'").await;
    let purges = f.source.purges(&uid("s")).await.unwrap();
    let told: Vec<_> = purges
        .iter()
        .map(|purge| (purge.kind, purge.uid.as_str(), purge.seq))
        .collect();
    // The last step of a turn is told as that step or as all the turn's steps.
    assert_eq!(told[0].1, "a3");
    assert_eq!(
        told[1..],
        [
            (PurgeKind::Turn, "h2", Some(2)),
            (PurgeKind::Session, "s", Some(4))
        ]
    );
    let session: &Purge = &purges[2];
    assert_eq!(
        (&session.session_uid, &session.account_uid),
        (&Some(uid("s")), &Some(uid("alice")))
    );
    assert!(purges.iter().all(|p| p.rev < session.rev || p == session));
    assert_eq!(f.source.purges(&uid("t")).await.unwrap(), []);
}

pub(super) async fn a_position_is_never_lower_than_that_of_a_commit(f: SourceFixture) {
    for n in 0..20 {
        let key = format!("s{n}");
        let commit = f.record.add_sessions(&[session("alice", &key)]).await;
        let source: &dyn ProjectionSource = &*f.second;
        let position = source.position().await.unwrap();
        assert_eq!(position.store, commit.store);
        assert!(position.value >= commit.value, "{position:?} {commit:?}");
    }
}

/// F20: no index of PostgreSQL spans both tables of turns; SQLite lets nobody change a number.
#[tokio::test]
async fn a_number_that_cannot_stand_is_named() {
    let f = super::postgres_fixture().await;
    f.record.add_conversation().await;
    assert_eq!(f.source.contested(9).await.unwrap(), []);
    let contested = |seq, twice| Contested {
        session_uid: uid("s"),
        seq,
        twice,
    };
    let mut beside = f.beside().await;
    let insert = "insert into agent_turns (uid, session_uid, seq, created_at)
        values ('twin', 's', 0, now()), ('far', 's', 77, now())";
    sqlx::raw_sql(insert).execute(&mut beside).await.unwrap();
    let mut found = f.source.contested(9).await.unwrap();
    found.sort_by_key(|contested| contested.seq);
    assert_eq!(found, [contested(0, true), contested(77, false)]);
    assert_eq!(f.source.contested(1).await.unwrap().len(), 1);
}
