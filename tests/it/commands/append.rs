//! Appending: what is stored, where the new turn goes, and what its answer says.

use turngraph::commands::session::CreateSession;
use turngraph::domain::{StepType, Timestamp, TurnRole, TurnStatus};

use super::lab::{Lab, agent, done, human, key, path, text_step};
use crate::support::sqlite::START;

super::on_every_engine! {
    a_session_begins_empty_or_with_its_first_prompt,
    an_exchange_is_stored_as_it_was_given,
    an_edited_prompt_and_a_regenerated_answer_are_siblings,
    a_turn_that_is_not_activated_leaves_the_path_as_it_is,
    continuing_a_hidden_branch_shows_it,
    titles_change_and_go,
    revisions_name_the_rows_that_were_written,
}

async fn a_session_begins_empty_or_with_its_first_prompt(lab: Lab) {
    let empty = lab
        .commands
        .create_session(&lab.account, CreateSession::default(), None);
    let empty = done(empty.await);
    assert_eq!((empty.subject, empty.session.next_seq), (None, 0));
    assert!(lab.as_stored(&empty).await.is_empty());
    let input = CreateSession {
        uid: Some("my-session".into()),
        title: Some("Заголовок".into()),
        first_prompt: Some("first".into()),
    };
    let written = done(lab.commands.create_session(&lab.account, input, None).await);
    assert_eq!(written.session.uid, key("my-session"));
    assert_eq!(written.session.title.as_deref(), Some("Заголовок"));
    assert_eq!(written.session.next_seq, 1);
    let first = written.graph.turn(written.subject.unwrap());
    assert_eq!(
        (first.role, first.seq, first.created_at),
        (TurnRole::Human, 0, START)
    );
    let path = lab.as_stored(&written).await;
    assert_eq!(path, std::slice::from_ref(&first.uid));
    let prompts = lab
        .record
        .prompts(std::slice::from_ref(&first.uid))
        .await
        .unwrap();
    assert_eq!(prompts, [(first.uid.clone(), "first".to_owned())]);
}

async fn an_exchange_is_stored_as_it_was_given(lab: Lab) {
    let session = lab.session().await;
    let prompt = "naïve\t\"prompt\"\n😀\\u0000 \u{202e}";
    let mut input = human(&session, None, prompt);
    input.uid = Some("question".into());
    let written = done(
        lab.commands
            .append_human_turn(&lab.account, input, None)
            .await,
    );
    let question = key("question");
    let path = lab.as_stored(&written).await;
    assert_eq!(path, std::slice::from_ref(&question));
    assert_eq!(
        lab.record
            .prompts(std::slice::from_ref(&question))
            .await
            .unwrap()[0]
            .1,
        prompt
    );

    let content = " {\"text\":\"\\u0000\\ud83d\\ude00 \\/\", \"n\": 1.0e0, \"n\": 2} ";
    let mut input = agent(&session, &question, &["a"]);
    input.steps.push(text_step(Some(7), "b"));
    input.steps.push(turngraph::commands::rules::StepInput {
        idx: None,
        tpe: StepType::Code,
        content: content.into(),
    });
    input.model = Some("model-1".into());
    input.usage = Some(r#"{"outputTokens": 12}"#.into());
    let written = done(
        lab.commands
            .append_agent_turn(&lab.account, input, None)
            .await,
    );
    assert_eq!(written.subject.idxs, [0, 7, 8]);
    let answer = written.graph.turn(written.subject.turn);
    assert_eq!(answer.parent_uid.as_ref(), Some(&question));
    assert_eq!(answer.model.as_deref(), Some("model-1"));
    assert_eq!(
        (answer.status, answer.finished_at),
        (Some(TurnStatus::Complete), Some(START))
    );
    assert_eq!(answer.usage.as_deref(), Some(r#"{"outputTokens": 12}"#));
    assert_eq!(
        lab.as_stored(&written).await,
        [question, answer.uid.clone()]
    );
    let steps = lab.steps(&answer.uid).await;
    let brief: Vec<_> = steps.iter().map(|s| (s.idx, s.tpe, s.rev)).collect();
    assert_eq!(
        brief,
        [(0, 1, answer.rev), (7, 1, answer.rev), (8, 3, answer.rev)]
    );
    assert_eq!(&*steps[2].content, content);
}

async fn an_edited_prompt_and_a_regenerated_answer_are_siblings(lab: Lab) {
    let session = lab.session().await;
    let a = lab.human(&session, None, "a").await;
    let b = lab.agent(&session, &a, &["b"]).await;
    let again = lab.agent(&session, &a, &["again"]).await;
    let c = lab.human(&session, Some(&b), "c").await;
    let edited_root = lab.human(&session, None, "edited").await;
    let (row, graph) = lab.read(&session).await;
    let children: Vec<_> = graph
        .children(0)
        .map(|ix| graph.turn(ix).uid.clone())
        .collect();
    assert_eq!(children, [b.clone(), again]);
    assert_eq!(graph.roots().count(), 2);
    assert_eq!(path(&graph), [edited_root]);
    // The other root remembers what it showed last.
    let of_a: Vec<_> = graph
        .path_through(0)
        .iter()
        .map(|&ix| graph.turn(ix).uid.clone())
        .collect();
    assert_eq!(of_a, [a, b, c]);
    assert_eq!(row.next_seq, 5);
    assert!(graph.turns().iter().map(|turn| turn.seq).eq(0..5));
}

async fn a_turn_that_is_not_activated_leaves_the_path_as_it_is(lab: Lab) {
    let session = lab.session().await;
    let quiet = |mut input: turngraph::commands::turn::AppendAgentTurn| {
        input.activate = false;
        input
    };
    let a = lab.human(&session, None, "a").await;
    // The first answer is shown whatever is asked for: there is no other.
    let input = quiet(agent(&session, &a, &["b"]));
    let first = done(
        lab.commands
            .append_agent_turn(&lab.account, input, None)
            .await,
    );
    let b = first.graph.turn(first.subject.turn).uid.clone();
    assert_eq!(lab.as_stored(&first).await, [a.clone(), b.clone()]);
    let input = quiet(agent(&session, &a, &["c"]));
    let second = done(
        lab.commands
            .append_agent_turn(&lab.account, input, None)
            .await,
    );
    assert_eq!(lab.as_stored(&second).await, [a.clone(), b.clone()]);
    let mut input = human(&session, None, "other root");
    input.activate = false;
    let third = done(
        lab.commands
            .append_human_turn(&lab.account, input, None)
            .await,
    );
    assert_eq!(lab.as_stored(&third).await, [a, b]);
}

async fn continuing_a_hidden_branch_shows_it(lab: Lab) {
    let session = lab.session().await;
    let a = lab.human(&session, None, "a").await;
    let b = lab.agent(&session, &a, &["b"]).await;
    lab.agent(&session, &a, &["c"]).await;
    lab.human(&session, None, "other root").await;
    let input = human(&session, Some(&b), "go on");
    let written = done(
        lab.commands
            .append_human_turn(&lab.account, input, None)
            .await,
    );
    let d = written.graph.turn(written.subject).uid.clone();
    assert_eq!(lab.as_stored(&written).await, [a, b, d]);
}

async fn titles_change_and_go(lab: Lab) {
    let session = lab.session().await;
    let rename = |title: Option<&str>| {
        lab.commands
            .rename_session(&lab.account, session.clone(), title.map(Into::into))
    };
    let named = done(rename(Some("name")).await);
    assert_eq!(named.session.title.as_deref(), Some("name"));
    lab.as_stored(&named).await;
    let same = done(rename(Some("name")).await);
    assert_eq!(
        same.session.rev, named.session.rev,
        "an equal title is no change"
    );
    let gone = done(rename(None).await);
    assert_eq!(gone.session.title, None);
    assert!(gone.session.rev > named.session.rev);
    lab.as_stored(&gone).await;
}

async fn revisions_name_the_rows_that_were_written(lab: Lab) {
    let session = lab.session().await;
    let a = lab.human(&session, None, "a").await;
    lab.clock.advance(1_000);
    let input = agent(&session, &a, &["b"]);
    let written = done(
        lab.commands
            .append_agent_turn(&lab.account, input, None)
            .await,
    );
    let (row, graph) = lab.read(&session).await;
    let mut named = written.revision.rows.clone();
    named.sort();
    let mut stored: Vec<_> = graph
        .turns()
        .iter()
        .map(|t| (t.uid.clone(), t.rev))
        .collect();
    stored.push((session.clone(), row.rev));
    stored.sort();
    assert_eq!(named, stored, "the new turn, its parent and the session");
    assert!(row.rev >= Timestamp(START.0 + 1_000).0);
    let next = done(
        lab.commands
            .rate_agent_turn(&lab.account, graph.turn(1).uid.clone(), None)
            .await,
    );
    let place = |revision: &turngraph::domain::Revision| revision.position.clone().unwrap();
    assert_eq!(place(&next.revision).store, place(&written.revision).store);
    assert!(place(&next.revision).value >= place(&written.revision).value);
}
