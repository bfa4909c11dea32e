//! Prompts and steps: content comes back byte for byte.

use turngraph::domain::StepRow;
use turngraph::domain::step::StepHead;
use turngraph::stores::StoreErrorKind;

use super::Fixture;
use crate::support::rows::{agent, human, session, step, uid, uids};

pub(super) async fn prompts_and_steps_are_found_by_key_and_the_rest_is_left_out(f: Fixture) {
    f.add_conversation().await;
    let mut transaction = f.begin().await;
    let think = StepRow {
        tpe: 0,
        ..step("a1", 7, "{}")
    };
    let steps = [step("a1", 2, "[1]"), think.clone()];
    transaction
        .steps_insert(&uid("s"), &steps, &[1, 1])
        .await
        .unwrap();
    let keys = uids(&["a3", "h2", "none", "a1", "h0", "a1"]);
    let expected = [
        step("a1", 0, r#"{"text":"Hallo"}"#),
        step("a1", 2, "[1]"),
        think,
        step("a3", 0, r#"{"text":"Gut"}"#),
    ];
    let heads: Vec<StepHead> = expected
        .iter()
        .map(|row| StepHead {
            turn_uid: row.turn_uid.clone(),
            idx: row.idx,
            tpe: row.tpe,
        })
        .collect();
    let prompts = [
        (uid("h0"), "Guten Tag".to_owned()),
        (uid("h2"), "Wie geht es?".to_owned()),
    ];
    // Inside the transaction and, after its commit, outside.
    assert_eq!(transaction.steps(&keys).await.unwrap(), expected);
    assert_eq!(transaction.step_heads(&keys).await.unwrap(), heads);
    let mut found = transaction.prompts(&keys).await.unwrap();
    found.sort();
    assert_eq!(found, prompts);
    transaction.commit().await.unwrap();
    assert_eq!(f.store.steps(&keys).await.unwrap(), expected);
    assert_eq!(f.store.step_heads(&keys).await.unwrap(), heads);
    let mut found = f.store.prompts(&keys).await.unwrap();
    found.sort();
    assert_eq!(found, prompts);
    assert_eq!(f.store.steps(&[]).await.unwrap(), []);
    assert_eq!(f.store.step_heads(&[]).await.unwrap(), []);
    assert_eq!(f.store.prompts(&[]).await.unwrap(), []);
}

pub(super) async fn contents_of_a_mebibyte_and_of_odd_characters_come_back_as_they_were(
    f: Fixture,
) {
    let odd = [
        // Spaces, order and escapes of JSON are kept, not normalised.
        "{ \"b\":1,  \"a\" : \"\\u00e4\\n\\u0000\\ud83d\\ude00\" }\n".to_owned(),
        "1.50e+3".to_owned(),
        "not JSON: \"'\\ \u{1}\u{7f}\u{fffd}\u{10ffff}".to_owned(),
        String::new(),
        format!("{{\"text\":\"{}\"}}", "ä\\\"".repeat(262_144)),
    ];
    let keys = ["ключ 🗝", "a\"b\\c", "%_'--", "[1,2]", "x~y.z!"];
    f.add_sessions(&[session("alice", "дом")]).await;
    let mut transaction = f.begin().await;
    let (mut turns, mut steps, mut seqs) = (vec![], vec![], vec![]);
    for (place, (key, text)) in (0..).zip(keys.iter().zip(&odd)) {
        turns.push(human(&format!("h-{key}"), None, place * 2, text));
        turns.push(agent(key, None, place * 2 + 1));
        steps.push(step(key, 0, text));
        seqs.push(place * 2 + 1);
    }
    let home = uid("дом");
    transaction.turns_insert(&home, &turns).await.unwrap();
    transaction
        .steps_insert(&home, &steps, &seqs)
        .await
        .unwrap();
    transaction.commit().await.unwrap();
    for (key, text) in keys.iter().zip(&odd) {
        let found = f.store.steps(&[uid(key)]).await.unwrap();
        assert_eq!(found, [step(key, 0, text)], "{key}");
        let human = uid(&format!("h-{key}"));
        let found = f.store.prompts(std::slice::from_ref(&human)).await;
        assert!(found.unwrap() == [(human, text.clone())], "{key}");
    }
    let all = f.store.steps(&uids(&keys)).await.unwrap();
    assert_eq!(all.len(), keys.len());
}

pub(super) async fn a_step_is_replaced_and_a_missing_one_reported(f: Fixture) {
    f.add_conversation().await;
    f.clock.advance(-1_000_000);
    let mut transaction = f.begin().await;
    let (a1, now) = (uid("a1"), f.now());
    let rev = transaction.step_update(&a1, 0, r#"{"text":"Neu"}"#, now);
    let rev = rev.await.unwrap().expect("the step is there");
    for (turn, idx) in [("a1", 1), ("h0", 0), ("none", 0)] {
        let missing = transaction.step_update(&uid(turn), idx, "{}", now).await;
        assert_eq!(missing.unwrap(), None);
    }
    transaction.commit().await.unwrap();
    let before = step("a1", 0, r#"{"text":"Neu"}"#);
    assert!(rev > before.rev);
    let found = f.store.steps(&[a1]).await.unwrap();
    assert_eq!(found, [StepRow { rev, ..before }]);
}

pub(super) async fn an_index_that_a_turn_has_is_a_conflict(f: Fixture) {
    f.add_conversation().await;
    let mut transaction = f.begin().await;
    let steps = [step("a1", 1, "{}"), step("a1", 0, "{}")];
    let refused = transaction.steps_insert(&uid("s"), &steps, &[1, 1]).await;
    let error = refused.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Conflict, "{error}");
    drop(transaction);
    let found = f.store.step_heads(&[uid("a1")]).await.unwrap();
    assert_eq!(found.len(), 1);
}
