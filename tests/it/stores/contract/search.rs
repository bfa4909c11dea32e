//! The search for candidates in prompts and text steps.

use turngraph::domain::{StepRow, Timestamp, TurnRole};
use turngraph::stores::TurnSearch;
use turngraph::stores::listing::TurnHit;

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
    f.add_turns("s", &turns).await;
    let think = StepRow {
        tpe: 0,
        ..step("a1", 2, r#"{"text":"geheim"}"#)
    };
    let steps = [
        step("a1", 0, r#"{"text":"Viele grüsse"}"#),
        step("a1", 1, r#"{"text":"zurück, 100%_ig"}"#),
        think,
    ];
    let mut transaction = f.begin().await;
    transaction
        .steps_insert(&uid("s"), &steps, &[1, 1, 1])
        .await
        .unwrap();
    transaction.commit().await.unwrap();
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
        let key = format!("h-{}", row.uid);
        f.add_turns(row.uid.as_str(), &[human(&key, None, 0, "Haus")])
            .await;
    }
    assert_eq!(keys(&hits(&f, &search(&["haus"])).await), ["h-t", "h-s"]);
    for (key, expected) in [("t", vec!["h-t"]), ("deleted", vec![]), ("b", vec![])] {
        let mut one = search(&["haus"]);
        one.session_uid = Some(uid(key));
        assert_eq!(keys(&hits(&f, &one).await), expected, "{key}");
    }
}

pub(super) async fn hits_are_paged_newest_first(f: Fixture) {
    f.add_sessions(&[session("alice", "s")]).await;
    let turns: Vec<_> = (0..30)
        .map(|n| {
            let text = if n % 3 == 0 { "anders" } else { "Wort" };
            let mut turn = human(&format!("h{n:02}"), None, n, text);
            turn.turn.created_at = Timestamp(i64::from(n / 4));
            turn
        })
        .collect();
    f.add_turns("s", &turns).await;
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
    }
    assert_eq!(found, expected);
}
