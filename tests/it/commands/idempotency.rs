//! Requests that are sent again: in sequence, at once, changed, and after the entity is gone.

use turngraph::commands::session::{CreateSession, ForkScope, ForkSession};
use turngraph::commands::step::AppendSteps;
use turngraph::commands::{CommandResult, Outcome, Written};
use turngraph::stores::StoreErrorKind;
use turngraph::stores::record::IdempotencyRecord;

use super::lab::{Lab, agent, done, errors, human, refused, text_step};
use crate::support::sqlite::START;

super::on_every_engine! {
    a_repeated_request_gets_the_same_answer,
    a_key_stands_for_one_input_of_one_mutation,
    refusals_are_not_kept,
    twins_that_run_at_once_write_once,
    twins_with_a_client_key_both_succeed,
    a_replay_shows_the_session_as_it_is_now,
    what_a_key_stands_for_may_be_gone_or_unreadable,
    accounts_do_not_share_keys,
}

/// Asserts that `again` answers as `first` did, with the session as stored now.
async fn assert_replay<T>(lab: &Lab, first: &Written<T>, again: &Written<T>)
where
    T: PartialEq + std::fmt::Debug,
{
    assert!(!first.replayed && again.replayed);
    assert_eq!(again.session.uid, first.session.uid);
    assert_eq!(again.subject, first.subject);
    assert_eq!(again.revision.rows, first.revision.rows);
    let place = |written: &Written<T>| written.revision.position.clone().unwrap();
    assert!(place(again).value >= place(first).value);
    assert_eq!(place(again).store, place(first).store);
    lab.as_stored(again).await;
}

async fn a_repeated_request_gets_the_same_answer(lab: Lab) {
    let input = CreateSession {
        first_prompt: Some("hello".into()),
        ..CreateSession::default()
    };
    let create = || {
        lab.commands
            .create_session(&lab.account, input.clone(), Some("create"))
    };
    let first = done(create().await);
    assert_replay(&lab, &first, &done(create().await)).await;
    let session = first.session.uid.clone();
    let root = first.graph.turn(0).uid.clone();

    let input = agent(&session, &root, &["answer"]);
    let append = || {
        lab.commands
            .append_agent_turn(&lab.account, input.clone(), Some("answer"))
    };
    let first = done(append().await);
    assert_replay(&lab, &first, &done(append().await)).await;
    let answer = first.graph.turn(first.subject.turn).uid.clone();

    let input = AppendSteps {
        turn: answer.clone(),
        steps: vec![text_step(None, "more")],
        progress: None,
    };
    let append = || {
        lab.commands
            .append_steps(&lab.account, input.clone(), Some("steps"))
    };
    let first = done(append().await);
    assert_replay(&lab, &first, &done(append().await)).await;
    assert_eq!(lab.steps(&answer).await.len(), 2);

    let input = human(&session, Some(&answer), "next");
    let append = || {
        lab.commands
            .append_human_turn(&lab.account, input.clone(), Some("next"))
    };
    let first = done(append().await);
    assert_replay(&lab, &first, &done(append().await)).await;

    let input = ForkSession {
        session: session.clone(),
        turn: answer,
        scope: ForkScope::Path,
        title: None,
    };
    let fork = || {
        lab.commands
            .fork_session(&lab.account, input.clone(), Some("fork"))
    };
    let first = done(fork().await);
    assert_replay(&lab, &first, &done(fork().await)).await;
    assert_eq!(lab.read(&session).await.0.next_seq, 3);
}

async fn a_key_stands_for_one_input_of_one_mutation(lab: Lab) {
    let session = lab.session().await;
    let append = |prompt: &str| {
        let input = human(&session, None, prompt);
        lab.commands
            .append_human_turn(&lab.account, input, Some("key"))
    };
    done(append("one").await);
    assert_eq!(
        refused(append("two").await),
        "idempotencyKey IDEMPOTENCY_MISMATCH"
    );
    let create = lab
        .commands
        .create_session(&lab.account, CreateSession::default(), Some("key"));
    assert_eq!(refused(create.await), "idempotencyKey IDEMPOTENCY_MISMATCH");
    assert_eq!(lab.read(&session).await.0.next_seq, 1);
}

async fn refusals_are_not_kept(lab: Lab) {
    let session = lab.session().await;
    let question = lab.human(&session, None, "q").await;
    done(
        lab.commands
            .delete_turn(&lab.account, question.clone())
            .await,
    );
    let input = agent(&session, &question, &["a"]);
    let append = || {
        lab.commands
            .append_agent_turn(&lab.account, input.clone(), Some("key"))
    };
    assert_eq!(refused(append().await), "input.parentId PARENT_DELETED");
    done(lab.commands.restore_turn(&lab.account, question).await);
    assert!(!done(append().await).replayed);
}

async fn at_once<T, F>(lab: &Lab, send: impl Fn(Lab) -> F) -> Vec<Written<T>>
where
    F: Future<Output = CommandResult<T>> + Send + 'static,
    T: Send + 'static,
{
    let twins: Vec<_> = (0..8).map(|_| tokio::spawn(send(lab.clone()))).collect();
    let mut answers = Vec::new();
    for twin in twins {
        answers.push(done(twin.await.unwrap()));
    }
    answers
}

fn assert_one_write<T: PartialEq + std::fmt::Debug>(answers: &[Written<T>]) {
    assert_eq!(answers.iter().filter(|answer| !answer.replayed).count(), 1);
    let first = &answers[0];
    for answer in answers {
        assert_eq!(answer.session.uid, first.session.uid);
        assert_eq!(answer.subject, first.subject);
        assert_eq!(answer.graph.turns(), first.graph.turns());
        assert_eq!(answer.revision.rows, first.revision.rows);
    }
}

async fn twins_that_run_at_once_write_once(lab: Lab) {
    let answers = at_once(&lab, |lab| async move {
        let input = CreateSession {
            first_prompt: Some("hello".into()),
            ..CreateSession::default()
        };
        lab.commands
            .create_session(&lab.account, input, Some("create"))
            .await
    })
    .await;
    assert_one_write(&answers);
    let session = answers[0].session.uid.clone();
    let append = human(&session, None, "again");
    let answers = at_once(&lab, |lab| {
        let input = append.clone();
        async move {
            lab.commands
                .append_human_turn(&lab.account, input, Some("append"))
                .await
        }
    })
    .await;
    assert_one_write(&answers);
    assert_eq!(lab.read(&session).await.0.next_seq, 2);
}

async fn twins_with_a_client_key_both_succeed(lab: Lab) {
    // The slower twin meets the faster one's key; it must not be told that the key is taken.
    let answers = at_once(&lab, |lab| async move {
        let input = CreateSession {
            uid: Some("mine".into()),
            ..CreateSession::default()
        };
        lab.commands
            .create_session(&lab.account, input, Some("create"))
            .await
    })
    .await;
    assert_one_write(&answers);
    let mut append = human(&answers[0].session.uid, None, "hello");
    append.uid = Some("my-turn".into());
    let answers = at_once(&lab, |lab| {
        let input = append.clone();
        async move {
            lab.commands
                .append_human_turn(&lab.account, input, Some("append"))
                .await
        }
    })
    .await;
    assert_one_write(&answers);
    // Without the idempotency key, the taken key is what it is.
    let again = lab
        .commands
        .append_human_turn(&lab.account, append, None)
        .await;
    assert_eq!(refused(again), "input.uid CONFLICT");
}

async fn a_replay_shows_the_session_as_it_is_now(lab: Lab) {
    let session = lab.session().await;
    let input = human(&session, None, "a");
    let append = || {
        lab.commands
            .append_human_turn(&lab.account, input.clone(), Some("key"))
    };
    let first = done(append().await);
    let turn = first.graph.turn(first.subject).uid.clone();
    lab.human(&session, None, "b").await;
    done(lab.commands.delete_turn(&lab.account, turn.clone()).await);
    done(lab.commands.delete_session(&lab.account, session).await);
    let Outcome::Done(again) = append().await.unwrap() else {
        panic!("a replay is no new request, so a deleted session does not refuse it");
    };
    assert_replay(&lab, &first, &again).await;
    assert_eq!(again.graph.turn(again.subject).uid, turn);
    assert!(again.graph.is_deleted(again.subject) && again.session.deleted_at.is_some());
    assert_eq!(again.graph.len(), 2);
}

async fn what_a_key_stands_for_may_be_gone_or_unreadable(lab: Lab) {
    let session = lab.session().await;
    let append = |key: &'static str| {
        lab.commands
            .append_human_turn(&lab.account, human(&session, None, "a"), Some(key))
    };
    done(append("sound").await);
    let sound = lab
        .record
        .idempotency(&lab.account, "sound")
        .await
        .unwrap()
        .unwrap();
    // The same input under other keys, with answers as a purge or a damaged row leaves them.
    let turn_gone = format!(r#"{{"session":"{session}","turns":["gone"]}}"#);
    for (key, answer) in [
        ("one", r#"{"session":"gone"}"#),
        ("two", &*turn_gone),
        ("three", "{"),
    ] {
        let record = IdempotencyRecord {
            answer: answer.to_owned(),
            ..sound.clone()
        };
        let mut tx = lab.record.begin().await.unwrap();
        tx.idempotency_insert(&lab.account, key, &record, START)
            .await
            .unwrap();
        tx.commit().await.unwrap();
    }
    assert_eq!(refused(append("one").await), "idempotencyKey NOT_FOUND");
    assert_eq!(refused(append("two").await), "idempotencyKey NOT_FOUND");
    let error = append("three").await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Corrupt);
    assert!(
        error.source.message.contains("idempotency key"),
        "{error:?}"
    );
    assert_eq!(lab.read(&session).await.0.next_seq, 1);
}

async fn accounts_do_not_share_keys(lab: Lab) {
    let other = lab.of("other");
    let create = |lab: Lab| async move {
        let input = CreateSession::default();
        done(
            lab.commands
                .create_session(&lab.account, input, Some("key"))
                .await,
        )
    };
    let (mine, theirs) = (create(lab.clone()).await, create(other).await);
    assert_ne!(mine.session.uid, theirs.session.uid);
    assert!(!theirs.replayed);
    let long = "k".repeat(201);
    for (bad, code) in [("", "REQUIRED"), (&*long, "TOO_LONG"), ("a\0", "INVALID")] {
        let input = CreateSession::default();
        let refusal = errors(
            lab.commands
                .create_session(&lab.account, input, Some(bad))
                .await,
        );
        assert_eq!(
            (refusal[0].code.name(), &*refusal[0].path),
            (code, &["idempotencyKey".to_owned()][..])
        );
    }
}
