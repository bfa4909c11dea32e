//! Steps that come later, steps that change, and the end of a turn that was streaming.

use turngraph::commands::rules::{STEPS_PER_INPUT_MAX, StepInput};
use turngraph::commands::step::{AppendSteps, StepsProgress};
use turngraph::domain::{StepType, Timestamp, TurnStatus, Uid};

use super::lab::{Lab, agent, done, refused, text_step};
use crate::support::sqlite::START;

super::on_every_engine! {
    a_streaming_turn_grows_and_ends,
    places_are_checked_against_the_stored_steps,
    a_step_gets_its_result,
    as_many_steps_as_one_request_may_hold_are_written,
}

async fn streaming(lab: &Lab) -> (Uid, Uid) {
    let session = lab.session().await;
    let question = lab.human(&session, None, "q").await;
    let mut input = agent(&session, &question, &["first"]);
    input.status = TurnStatus::Streaming;
    let written = done(
        lab.commands
            .append_agent_turn(&lab.account, input, None)
            .await,
    );
    let turn = written.graph.turn(written.subject.turn);
    assert_eq!(
        (turn.status, turn.finished_at),
        (Some(TurnStatus::Streaming), None)
    );
    (session, turn.uid.clone())
}

fn steps(turn: &Uid, steps: Vec<StepInput>) -> AppendSteps {
    AppendSteps {
        turn: turn.clone(),
        steps,
        progress: None,
    }
}

async fn a_streaming_turn_grows_and_ends(lab: Lab) {
    let (_, turn) = streaming(&lab).await;
    lab.clock.advance(90_000_000);
    let input = steps(
        &turn,
        vec![text_step(None, "second"), text_step(None, "third")],
    );
    let written = done(lab.commands.append_steps(&lab.account, input, None).await);
    assert_eq!(written.subject.idxs, [1, 2]);
    assert_eq!(
        written.session.last_activity_at,
        Timestamp(START.0 + 90_000_000)
    );
    assert!(written.revision.rows.is_empty() && written.revision.position.is_some());
    lab.as_stored(&written).await;
    lab.clock.advance(1_000_000);
    let end = AppendSteps {
        progress: Some(StepsProgress {
            status: TurnStatus::Complete,
            finished_at: None,
            usage: Some(r#"{"outputTokens": 3}"#.into()),
        }),
        ..steps(&turn, vec![])
    };
    let written = done(lab.commands.append_steps(&lab.account, end, None).await);
    let ended = written.graph.turn(written.subject.turn);
    assert_eq!(ended.status, Some(TurnStatus::Complete));
    assert_eq!(ended.finished_at, Some(Timestamp(START.0 + 91_000_000)));
    assert_eq!(ended.usage.as_deref(), Some(r#"{"outputTokens": 3}"#));
    lab.as_stored(&written).await;
    let again = AppendSteps {
        progress: Some(StepsProgress {
            status: TurnStatus::Streaming,
            finished_at: None,
            usage: None,
        }),
        ..steps(&turn, vec![])
    };
    let written = done(lab.commands.append_steps(&lab.account, again, None).await);
    let goes_on = written.graph.turn(written.subject.turn);
    assert_eq!(
        (goes_on.status, goes_on.finished_at),
        (Some(TurnStatus::Streaming), None)
    );
    lab.as_stored(&written).await;
    let texts: Vec<_> = lab
        .steps(&turn)
        .await
        .into_iter()
        .map(|s| (s.idx, s.content))
        .collect();
    let of = |idx, text: &str| (idx, text_step(None, text).content);
    assert_eq!(texts, [of(0, "first"), of(1, "second"), of(2, "third")]);
}

async fn places_are_checked_against_the_stored_steps(lab: Lab) {
    let (session, turn) = streaming(&lab).await;
    let append = |given| {
        lab.commands
            .append_steps(&lab.account, steps(&turn, given), None)
    };
    let given = vec![
        text_step(Some(5), "a"),
        text_step(Some(0), "b"),
        text_step(Some(5), "c"),
    ];
    assert_eq!(
        refused(append(given).await),
        "steps.1.idx CONFLICT, steps.2.idx CONFLICT"
    );
    assert_eq!(
        lab.steps(&turn).await.len(),
        1,
        "a refused request writes nothing"
    );
    let written = done(append(vec![text_step(Some(5), "a")]).await);
    assert_eq!(written.subject.idxs, [5]);
    let written = done(append(vec![text_step(Some(2), "b"), text_step(None, "c")]).await);
    assert_eq!(written.subject.idxs, [2, 3]);
    assert_eq!(refused(append(vec![]).await), "steps REQUIRED");
    let question = lab.read(&session).await.1.turn(0).uid.clone();
    let on_human = steps(&question, vec![text_step(None, "a")]);
    let on_human = lab.commands.append_steps(&lab.account, on_human, None);
    assert_eq!(refused(on_human.await), "turnId INVALID");
}

async fn a_step_gets_its_result(lab: Lab) {
    let (_, turn) = streaming(&lab).await;
    let before = lab.steps(&turn).await.remove(0);
    let update = |idx, content: &str| {
        lab.commands
            .update_step(&lab.account, (turn.clone(), idx), content.to_owned())
    };
    let written = done(update(0, r#"{"text": "done"}"#).await);
    assert_eq!(written.subject.idxs, [0]);
    let after = lab.steps(&turn).await.remove(0);
    assert_eq!(&*after.content, r#"{"text": "done"}"#);
    assert!(after.rev > before.rev);
    assert_eq!(
        (after.tpe, after.created_at),
        (before.tpe, before.created_at)
    );
    assert_eq!(refused(update(9, "1").await), "id NOT_FOUND");
    assert_eq!(refused(update(-1, "1").await), "id NOT_FOUND");
    assert_eq!(refused(update(0, "{").await), "content INVALID");
    assert_eq!(lab.steps(&turn).await, [after]);
}

async fn as_many_steps_as_one_request_may_hold_are_written(lab: Lab) {
    let (_, turn) = streaming(&lab).await;
    let step = StepInput {
        idx: None,
        tpe: StepType::Think,
        content: "1".into(),
    };
    let input = steps(&turn, vec![step.clone(); STEPS_PER_INPUT_MAX]);
    done(lab.commands.append_steps(&lab.account, input, None).await);
    assert_eq!(lab.steps(&turn).await.len(), STEPS_PER_INPUT_MAX + 1);
    let input = steps(&turn, vec![step; STEPS_PER_INPUT_MAX + 1]);
    let refusal = lab.commands.append_steps(&lab.account, input, None).await;
    assert_eq!(refused(refusal), "steps LIMIT_EXCEEDED");
}
