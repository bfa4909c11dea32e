//! Every rule that refuses an input, by the path and code that the client sees.

use turngraph::commands::session::{CreateSession, ForkScope, ForkSession};
use turngraph::domain::session::TITLE_CHARS_MAX;
use turngraph::domain::turn::PROMPT_BYTES_MAX;
use turngraph::domain::{Timestamp, TurnStatus, Uid};

use super::lab::{Lab, agent, done, errors, human, key, refused, text_step};

super::on_every_engine! {
    what_is_another_accounts_looks_missing,
    parents_must_fit,
    keys_titles_and_prompts_have_a_form,
    agent_turns_say_everything_that_is_wrong_at_once,
    deleted_turns_refuse_what_would_change_them,
    a_refused_request_writes_nothing,
}

async fn what_is_another_accounts_looks_missing(lab: Lab) {
    let session = lab.session().await;
    let question = lab.human(&session, None, "q").await;
    let answer = lab.agent(&session, &question, &["a"]).await;
    let other = lab.of("other");
    // The same request for a thing of another account and for nothing at all: the answers may
    // differ in nothing but the key that was asked for.
    async fn all(lab: &Lab, session: &Uid, turn: &Uid) -> Vec<String> {
        let (commands, account) = (&lab.commands, &lab.account);
        let fork = ForkSession {
            session: session.clone(),
            turn: turn.clone(),
            scope: ForkScope::Path,
            title: None,
        };
        let steps = turngraph::commands::step::AppendSteps {
            turn: turn.clone(),
            steps: vec![text_step(None, "x")],
            progress: None,
        };
        let all = [
            errors(
                commands
                    .append_human_turn(account, human(session, None, "x"), None)
                    .await,
            ),
            errors(
                commands
                    .append_agent_turn(account, agent(session, turn, &[]), None)
                    .await,
            ),
            errors(
                commands
                    .rename_session(account, session.clone(), None)
                    .await,
            ),
            errors(commands.delete_session(account, session.clone()).await),
            errors(commands.restore_session(account, session.clone()).await),
            errors(commands.fork_session(account, fork, None).await),
            errors(commands.append_steps(account, steps, None).await),
            errors(
                commands
                    .update_step(account, (turn.clone(), 0), "1".into())
                    .await,
            ),
            errors(commands.activate_turn(account, turn.clone()).await),
            errors(commands.rate_agent_turn(account, turn.clone(), None).await),
            errors(commands.delete_turn(account, turn.clone()).await),
            errors(commands.restore_turn(account, turn.clone()).await),
        ];
        all.iter()
            .map(|errors| {
                assert_eq!(errors.len(), 1);
                assert_eq!(errors[0].code.name(), "NOT_FOUND");
                let message = errors[0].message.replace(session.as_str(), "S");
                format!(
                    "{:?} {}",
                    errors[0].path,
                    message.replace(turn.as_str(), "T")
                )
            })
            .collect()
    }
    let foreign = all(&other, &session, &answer).await;
    let missing = all(&other, &key("no-session"), &key("no-turn")).await;
    assert_eq!(foreign, missing);
    assert_eq!(lab.read(&session).await.1.len(), 2);
}

async fn parents_must_fit(lab: Lab) {
    let session = lab.session().await;
    let question = lab.human(&session, None, "q").await;
    let answer = lab.agent(&session, &question, &["a"]).await;
    let elsewhere = lab.session().await;
    let foreign = lab.human(&elsewhere, None, "q").await;
    let human_below = |parent: &Uid| {
        lab.commands
            .append_human_turn(&lab.account, human(&session, Some(parent), "x"), None)
    };
    let agent_below = |parent: &Uid| {
        lab.commands
            .append_agent_turn(&lab.account, agent(&session, parent, &[]), None)
    };
    assert_eq!(
        refused(human_below(&question).await),
        "input.parentId PARENT_ROLE_MISMATCH"
    );
    assert_eq!(
        refused(agent_below(&answer).await),
        "input.parentId PARENT_ROLE_MISMATCH"
    );
    assert_eq!(
        refused(agent_below(&foreign).await),
        "input.parentId NOT_FOUND"
    );
    assert_eq!(
        refused(agent_below(&key("missing")).await),
        "input.parentId NOT_FOUND"
    );
    done(
        lab.commands
            .delete_turn(&lab.account, question.clone())
            .await,
    );
    assert_eq!(
        refused(agent_below(&question).await),
        "input.parentId PARENT_DELETED"
    );
    // The answer itself is not marked; it is deleted because its parent is.
    assert_eq!(
        refused(human_below(&answer).await),
        "input.parentId PARENT_DELETED"
    );
}

async fn keys_titles_and_prompts_have_a_form(lab: Lab) {
    let create = |uid: Option<&str>, title: Option<&str>, prompt: Option<&str>| {
        let input = CreateSession {
            uid: uid.map(Into::into),
            title: title.map(Into::into),
            first_prompt: prompt.map(Into::into),
        };
        lab.commands.create_session(&lab.account, input, None)
    };
    let long = "x".repeat(129);
    for (uid, code) in [
        ("", "REQUIRED"),
        (&*long, "TOO_LONG"),
        ("a\u{1}", "INVALID"),
    ] {
        assert_eq!(
            refused(create(Some(uid), None, None).await),
            format!("input.uid {code}")
        );
    }
    let long = "x".repeat(TITLE_CHARS_MAX + 1);
    assert_eq!(
        refused(create(Some("a\0"), Some("b\0"), Some("c\0")).await),
        "input.uid INVALID, input.title INVALID, input.firstPrompt INVALID"
    );
    assert_eq!(
        refused(create(None, Some(&long), None).await),
        "input.title TOO_LONG"
    );
    let session = done(create(Some("taken"), None, None).await).session.uid;
    assert_eq!(
        refused(create(Some("taken"), None, None).await),
        "input.uid CONFLICT"
    );
    let other = lab.of("other");
    let input = CreateSession {
        uid: Some("taken".into()),
        ..CreateSession::default()
    };
    let theirs = other
        .commands
        .create_session(&other.account, input, None)
        .await;
    assert_eq!(refused(theirs), "input.uid CONFLICT");
    let rename = lab
        .commands
        .rename_session(&lab.account, session.clone(), Some(long));
    assert_eq!(refused(rename.await), "input.title TOO_LONG");
    let prompt = "x".repeat(PROMPT_BYTES_MAX + 1);
    let append = lab
        .commands
        .append_human_turn(&lab.account, human(&session, None, &prompt), None);
    let refusal = errors(append.await);
    assert_eq!(
        (refusal[0].code.name(), refusal[0].path.join(".")),
        ("TOO_LONG", "input.prompt".into())
    );
    assert!(
        refusal[0].message.len() < 200,
        "the prompt is not in the message"
    );
}

async fn agent_turns_say_everything_that_is_wrong_at_once(lab: Lab) {
    let session = lab.session().await;
    let question = lab.human(&session, None, "q").await;
    let mut input = agent(&session, &question, &["fine"]);
    input.uid = Some(String::new());
    input.steps.push(text_step(Some(-1), "negative"));
    input.steps.push(text_step(Some(0), "twice"));
    input.steps[0].content = "{".into();
    input.steps[1].content = r#""\ud800""#.into();
    input.model = Some("m\0".into());
    input.status = TurnStatus::Streaming;
    input.finished_at = Some(Timestamp(0));
    input.usage = Some("[]".into());
    let refusal = refused(
        lab.commands
            .append_agent_turn(&lab.account, input, Some(""))
            .await,
    );
    let expected = [
        "idempotencyKey REQUIRED",
        "input.uid REQUIRED",
        "input.steps.0.content INVALID",
        "input.steps.1.content INVALID",
        "input.steps.1.idx INVALID",
        "input.steps.2.idx CONFLICT",
        "input.model INVALID",
        "input.finishedAt INVALID",
        "input.usage INVALID",
    ];
    assert_eq!(refusal, expected.join(", "));
    let mut input = agent(&session, &question, &[]);
    input.uid = Some(question.to_string());
    let taken = lab
        .commands
        .append_agent_turn(&lab.account, input, None)
        .await;
    assert_eq!(refused(taken), "input.uid CONFLICT");
}

async fn deleted_turns_refuse_what_would_change_them(lab: Lab) {
    let session = lab.session().await;
    let question = lab.human(&session, None, "q").await;
    let answer = lab.agent(&session, &question, &["a"]).await;
    let (commands, account) = (&lab.commands, &lab.account);
    let rate = commands.rate_agent_turn(account, question.clone(), Some(true));
    assert_eq!(refused(rate.await), "id INVALID");
    done(commands.delete_turn(account, question.clone()).await);
    for turn in [&question, &answer] {
        let activate = commands.activate_turn(account, turn.clone()).await;
        assert_eq!(refused(activate), "id TURN_DELETED");
        let rate = commands
            .rate_agent_turn(account, turn.clone(), Some(true))
            .await;
        assert_eq!(refused(rate), "id TURN_DELETED");
        let update = commands
            .update_step(account, (turn.clone(), 0), "1".into())
            .await;
        assert_eq!(refused(update), "id TURN_DELETED");
        let fork = ForkSession {
            session: session.clone(),
            turn: turn.clone(),
            scope: ForkScope::AllBefore,
            title: None,
        };
        let fork = commands.fork_session(account, fork, None).await;
        assert_eq!(refused(fork), "turnId TURN_DELETED");
    }
    let fork = ForkSession {
        session: lab.session().await,
        turn: question,
        scope: ForkScope::Path,
        title: Some("x".repeat(TITLE_CHARS_MAX + 1)),
    };
    assert_eq!(
        refused(commands.fork_session(account, fork.clone(), None).await),
        "title TOO_LONG"
    );
    let fork = ForkSession {
        title: None,
        ..fork
    };
    assert_eq!(
        refused(commands.fork_session(account, fork, None).await),
        "turnId NOT_FOUND"
    );
}

async fn a_refused_request_writes_nothing(lab: Lab) {
    let session = lab.session().await;
    let question = lab.human(&session, None, "q").await;
    let before = lab.read(&session).await;
    let mut input = agent(&session, &question, &["a"]);
    input.uid = Some(question.to_string());
    refused(
        lab.commands
            .append_agent_turn(&lab.account, input, Some("key"))
            .await,
    );
    let after = lab.read(&session).await;
    assert_eq!((after.0, after.1.turns()), (before.0, before.1.turns()));
    assert_eq!(
        lab.record.idempotency(&lab.account, "key").await.unwrap(),
        None
    );
}
