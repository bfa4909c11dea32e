//! The search for candidates in prompts and text steps.

use turngraph::domain::{StepRow, Timestamp, TurnRole};
use turngraph::stores::TurnSearch;
use turngraph::stores::listing::TurnHit;
use turngraph::stores::record::NewTurn;

use super::Fixture;
use crate::support::rows::{agent, human, session, step, uid};

fn search(words: &[&str]) -> TurnSearch {
    TurnSearch {
        words: words.iter().map(|&word| word.to_owned()).collect(),
        session_uid: None,
        after: None,
        limit: 100,
    }
}

async fn hits(f: &Fixture, search: &TurnSearch) -> Vec<TurnHit> {
    f.store.turns_search(&uid("alice"), search).await.unwrap()
}

/// Inserts turns and the text steps of the agent's.
async fn add_with_texts(f: &Fixture, session: &str, turns: &[NewTurn], steps: &[StepRow]) {
    let seq = |step: &StepRow| {
        let turn = turns.iter().find(|turn| turn.turn.uid == step.turn_uid);
        turn.unwrap().turn.seq
    };
    let seqs: Vec<i32> = steps.iter().map(seq).collect();
    let session = uid(session);
    let mut transaction = f.begin().await;
    transaction.turns_insert(&session, turns).await.unwrap();
    transaction
        .steps_insert(&session, steps, &seqs)
        .await
        .unwrap();
    transaction.commit().await.unwrap();
}

fn keys(hits: &[TurnHit]) -> Vec<&str> {
    hits.iter().map(|hit| hit.uid.as_str()).collect()
}

pub(super) async fn words_match_without_case_in_prompts_and_text_steps(f: Fixture) {
    f.add_sessions(&[session("alice", "s")]).await;
    let mut turns = [
        human("h0", None, 0, "Schöne GRÜSSE aus Köln"),
        agent("a1", Some("h0"), 1),
        human("h2", Some("a1"), 2, "Доброе УТРО"),
        agent("a3", Some("h2"), 3),
    ];
    for (n, turn) in (0..).zip(&mut turns) {
        turn.turn.created_at = Timestamp(n);
    }
    let think = StepRow {
        tpe: 0,
        ..step("a1", 2, r#"{"text":"geheim"}"#)
    };
    let steps = [
        step("a1", 0, r#"{"text":"Viele grüsse"}"#),
        step("a1", 1, r#"{"text":"zurück, 100%_ig"}"#),
        think,
    ];
    add_with_texts(&f, "s", &turns, &steps).await;
    for (words, expected) in [
        (&["grüSSE"][..], vec!["a1", "h0"]),
        (&["grüsse", "KÖLN"], vec!["h0"]),
        (&["grüsse", "zurück"], vec!["a1"]),
        (&["утро"], vec!["h2"]),
        (&["0%_I"], vec!["a1"]),
        (&["geheim"], vec![]),
        (&["k_ln"], vec![]),
        (&["grüsse", "fehlt"], vec![]),
    ] {
        let found = hits(&f, &search(words)).await;
        assert_eq!(keys(&found), expected, "{words:?}");
    }
    let found = hits(&f, &search(&["grüsse"])).await;
    assert_eq!(found[1].texts, ["Schöne GRÜSSE aus Köln"]);
    assert_eq!(
        found[0].texts,
        steps.each_ref().map(|s| s.content.to_string())[..2]
    );
    assert_eq!(
        (found[0].role, found[1].role),
        (TurnRole::Agent, TurnRole::Human)
    );
    assert_eq!(found[0].session_uid, uid("s"));
    assert_eq!(found[0].created_at, Timestamp(1));
}

pub(super) async fn only_living_sessions_of_the_account_are_searched(f: Fixture) {
    let mut deleted = session("alice", "deleted");
    deleted.deleted_at = Some(Timestamp(1));
    let rows = [
        session("alice", "s"),
        session("alice", "t"),
        deleted,
        session("bob", "b"),
    ];
    f.add_sessions(&rows).await;
    for row in &rows {
        let (h, a) = (format!("h-{}", row.uid), format!("a-{}", row.uid));
        let turns = [human(&h, None, 0, "Haus"), agent(&a, Some(&h), 1)];
        add_with_texts(&f, row.uid.as_str(), &turns, &[step(&a, 0, "\"Haus\"")]).await;
    }
    assert_eq!(
        keys(&hits(&f, &search(&["haus"])).await),
        ["h-t", "h-s", "a-t", "a-s"]
    );
    for (key, expected) in [
        ("t", vec!["h-t", "a-t"]),
        ("deleted", vec![]),
        ("b", vec![]),
    ] {
        let mut one = search(&["haus"]);
        one.session_uid = Some(uid(key));
        assert_eq!(keys(&hits(&f, &one).await), expected, "{key}");
    }
}

pub(super) async fn hits_are_paged_newest_first(f: Fixture) {
    f.add_sessions(&[session("alice", "s")]).await;
    // Prompts and answers in turn, four of an instant, a third of them about something else.
    let (mut turns, mut steps) = (vec![], vec![]);
    for n in 0..30 {
        let text = if n % 3 == 0 { "anders" } else { "Wort" };
        let key = format!("k{n:02}");
        let mut turn = match n % 2 {
            0 => human(&key, None, n, text),
            _ => agent(&key, None, n),
        };
        turn.turn.created_at = Timestamp(i64::from(n / 4));
        if turn.prompt.is_none() {
            steps.push(step(&key, 0, text));
        }
        turns.push(turn);
    }
    add_with_texts(&f, "s", &turns, &steps).await;
    let mut expected: Vec<_> = turns
        .iter()
        .filter(|turn| turn.turn.seq % 3 != 0)
        .map(|turn| (turn.turn.created_at, turn.turn.uid.clone()))
        .collect();
    expected.sort();
    expected.reverse();
    let mut found = vec![];
    loop {
        let mut page = search(&["wort"]);
        page.limit = 3;
        page.after = found.last().cloned();
        let hits = hits(&f, &page).await;
        assert!(hits.len() <= 3);
        if hits.is_empty() {
            break;
        }
        found.extend(hits.into_iter().map(|hit| (hit.created_at, hit.uid)));
        assert!(found.len() <= expected.len(), "pages do not end");
    }
    assert_eq!(found, expected);
}
