//! Commands that share a transaction: each is carried out and answered as if it were alone.

use std::sync::Arc;

use turngraph::commands::session::CreateSession;
use turngraph::commands::step::AppendSteps;
use turngraph::commands::{CommandResult, GroupOptions};
use turngraph::domain::Uid;
use turngraph::stores::StoreErrorKind;

use super::lab::proxy::Proxy;
use super::lab::{Lab, agent, done, human, key, refused, sent, text_step};

super::on_every_engine! {
    commands_of_one_session_are_numbered_in_their_order_and_written_once,
    a_command_that_is_refused_leaves_the_others_alone,
    a_command_that_fails_in_the_store_fails_alone,
    one_idempotency_key_runs_once,
    a_caller_that_goes_changes_nothing_for_the_others,
    accounts_share_a_group_and_see_nothing_of_each_other,
    a_key_is_given_once,
    steps_that_come_together_find_their_places,
    a_commit_that_is_in_doubt_is_not_repeated,
    a_commit_that_lost_a_race_is_repeated_for_each,
    groups_are_bounded,
}

const ONE_LANE: GroupOptions = GroupOptions {
    lanes: 1,
    commands_max: 100,
    bytes_max: 1_000_000,
};

fn gathered(lab: &Lab, options: GroupOptions) -> (Lab, Proxy) {
    let proxy = Proxy::before(Arc::clone(&lab.record));
    let mut lab = lab.over(Arc::new(proxy.clone()));
    lab.commands = lab.commands.gathered(options);
    (lab, proxy)
}

fn count(asked: &[&str], method: &str) -> usize {
    asked.iter().filter(|&&asked| asked == method).count()
}

async fn commands_of_one_session_are_numbered_in_their_order_and_written_once(lab: Lab) {
    let (lab, proxy) = gathered(&lab, ONE_LANE);
    let (session, other) = (lab.session().await, lab.session().await);
    let question = lab.human(&session, None, "question").await;
    let append = |session: &Uid, input| {
        let input: turngraph::commands::turn::AppendAgentTurn = input;
        assert_eq!(input.session, *session);
        lab.commands.append_agent_turn(&lab.account, input, None)
    };
    let gate = proxy.hold_groups();
    proxy.asked();
    let first = sent(append(&session, agent(&session, &question, &["a", "b"])));
    let second = sent(append(&session, agent(&session, &question, &["c"])));
    let prompt = human(&other, None, "elsewhere");
    let third = sent(lab.commands.append_human_turn(&lab.account, prompt, None));
    let rename = lab
        .commands
        .rename_session(&lab.account, session.clone(), Some("name".into()));
    let fourth = sent(rename);
    drop(gate);
    let (first, second) = (done(first.await), done(second.await));
    let (third, fourth) = (done(third.await), done(fourth.await));
    let seq = |written: &turngraph::commands::Written<turngraph::commands::StepsOf>| {
        written.graph.turn(written.subject.turn).seq
    };
    assert_eq!((seq(&first), seq(&second)), (1, 2));
    // The last one that was activated is shown, and every answer is the session as stored.
    for path in [
        lab.as_stored(&first).await,
        lab.as_stored(&second).await,
        lab.as_stored(&fourth).await,
    ] {
        assert_eq!(path[1], second.graph.turn(second.subject.turn).uid);
    }
    assert_eq!(first.session.title.as_deref(), Some("name"));
    lab.as_stored(&third).await;
    let asked = proxy.asked();
    for once in ["begin_group", "insert_steps", "edit_sessions", "commit"] {
        assert_eq!(count(&asked, once), 1, "{asked:?}");
    }
    // Each names the rows that it wrote, at the versions that they have.
    let (row, graph) = lab.read(&session).await;
    for (written, at) in [(&first, 1), (&second, 2)] {
        let mut named = written.revision.rows.clone();
        named.sort();
        let turn = |ix| (graph.turn(ix).uid.clone(), graph.turn(ix).rev);
        let mut wanted = vec![(session.clone(), row.rev), turn(0), turn(at)];
        wanted.sort();
        assert_eq!(named, wanted);
    }
}

async fn a_command_that_is_refused_leaves_the_others_alone(lab: Lab) {
    let (lab, proxy) = gathered(&lab, ONE_LANE);
    let (session, other) = (lab.session().await, lab.session().await);
    let append = |session: &Uid, parent: Option<&Uid>, prompt: &str| {
        let input = human(session, parent, prompt);
        lab.commands.append_human_turn(&lab.account, input, None)
    };
    let gate = proxy.hold_groups();
    let first = sent(append(&session, None, "first"));
    let nobody = sent(append(&session, Some(&key("nobody")), "refused"));
    let nowhere = sent(append(&key("nowhere"), None, "refused"));
    let last = sent(append(&other, None, "last"));
    let after = sent(append(&session, None, "after"));
    drop(gate);
    assert_eq!(refused(nobody.await), "input.parentId NOT_FOUND");
    assert_eq!(refused(nowhere.await), "sessionId NOT_FOUND");
    for written in [first.await, last.await, after.await] {
        lab.as_stored(&done(written)).await;
    }
    let (row, graph) = lab.read(&session).await;
    assert_eq!((row.next_seq, graph.len()), (2, 2));
    // A group of nothing but refusals writes nothing.
    let gate = proxy.hold_groups();
    proxy.asked();
    let nobody = sent(append(&session, Some(&key("nobody")), "refused"));
    let nowhere = sent(append(&key("nowhere"), None, "refused"));
    drop(gate);
    refused(nobody.await);
    refused(nowhere.await);
    assert_eq!(count(&proxy.asked(), "commit"), 0);
}

async fn a_command_that_fails_in_the_store_fails_alone(lab: Lab) {
    let (lab, proxy) = gathered(&lab, ONE_LANE);
    let session = lab.session().await;
    let question = lab.human(&session, None, "question").await;
    for kind in [StoreErrorKind::Bug, StoreErrorKind::Timeout] {
        let (before, _) = lab.read(&session).await;
        let gate = proxy.hold_groups();
        // Once in the group and once alone; the others write no steps.
        proxy.fail("insert_steps", kind, 2);
        let append = |prompt: &str| {
            let input = human(&session, None, prompt);
            lab.commands.append_human_turn(&lab.account, input, None)
        };
        let first = sent(append("first"));
        let input = agent(&session, &question, &["poison"]);
        let poison = sent(lab.commands.append_agent_turn(&lab.account, input, None));
        let last = sent(append("last"));
        proxy.asked();
        drop(gate);
        assert_eq!(poison.await.unwrap_err().kind(), kind);
        done(first.await);
        done(last.await);
        let asked = proxy.asked();
        assert_eq!(count(&asked, "begin_group"), 1, "{asked:?}");
        assert_eq!(count(&asked, "begin"), 3, "{asked:?}");
        let (row, graph) = lab.read(&session).await;
        assert_eq!(row.next_seq, before.next_seq + 2);
        assert!(
            graph
                .turns()
                .iter()
                .map(|turn| turn.seq)
                .eq(0..row.next_seq)
        );
    }
    // What is wrong with the store itself is everybody's.
    let gate = proxy.hold_groups();
    proxy.fail("edit_sessions", StoreErrorKind::Unavailable, 1);
    let append = || {
        let input = human(&session, None, "lost");
        lab.commands.append_human_turn(&lab.account, input, None)
    };
    let (first, last) = (sent(append()), sent(append()));
    proxy.asked();
    drop(gate);
    for failed in [first.await, last.await] {
        assert_eq!(failed.unwrap_err().kind(), StoreErrorKind::Unavailable);
    }
    assert_eq!(count(&proxy.asked(), "begin"), 0);
}

async fn one_idempotency_key_runs_once(lab: Lab) {
    let (lab, proxy) = gathered(&lab, ONE_LANE);
    let session = lab.session().await;
    let append = |prompt: &str, key| {
        let input = human(&session, None, prompt);
        lab.commands
            .append_human_turn(&lab.account, input, Some(key))
    };
    let gate = proxy.hold_groups();
    let first = sent(append("same", "key"));
    let twin = sent(append("same", "key"));
    let other_input = sent(append("other", "key"));
    let other_key = sent(append("same", "other key"));
    drop(gate);
    let (first, twin) = (done(first.await), done(twin.await));
    assert_eq!((first.replayed, twin.replayed), (false, true));
    let uid = |written: &turngraph::commands::Written<usize>| {
        written.graph.turn(written.subject).uid.clone()
    };
    assert_eq!(uid(&twin), uid(&first));
    assert_eq!(twin.revision.rows, first.revision.rows);
    assert_eq!(
        refused(other_input.await),
        "idempotencyKey IDEMPOTENCY_MISMATCH"
    );
    assert_ne!(uid(&done(other_key.await)), uid(&first));
    assert_eq!(lab.read(&session).await.0.next_seq, 2);
}

async fn a_caller_that_goes_changes_nothing_for_the_others(lab: Lab) {
    let (lab, proxy) = gathered(&lab, ONE_LANE);
    let session = lab.session().await;
    let append = |prompt: &str| {
        let input = human(&session, None, prompt);
        lab.commands.append_human_turn(&lab.account, input, None)
    };
    let gate = proxy.hold_groups();
    let first = sent(append("first"));
    let gone = sent(append("gone"));
    let last = sent(append("last"));
    drop(gone);
    drop(gate);
    done(first.await);
    let last = done(last.await);
    // Nobody waited for it when the group was taken.
    assert_eq!(last.graph.len(), 2);
    lab.as_stored(&last).await;
    // All of them go, and the lane is there for who comes next.
    let gate = proxy.hold_groups();
    drop((sent(append("gone")), sent(append("gone"))));
    drop(gate);
    lab.as_stored(&done(append("next").await)).await;
}

async fn accounts_share_a_group_and_see_nothing_of_each_other(lab: Lab) {
    let (lab, proxy) = gathered(&lab, ONE_LANE);
    let other = lab.of("other");
    let (mine, theirs) = (lab.session().await, other.session().await);
    let question = lab.human(&mine, None, "mine").await;
    let append = |lab: &Lab, session: &Uid, key: &'static str| {
        let (lab, input) = (lab.clone(), human(session, None, "prompt"));
        async move {
            lab.commands
                .append_human_turn(&lab.account, input, Some(key))
                .await
        }
    };
    let gate = proxy.hold_groups();
    proxy.asked();
    let delete = |lab: &Lab| {
        let (lab, question) = (lab.clone(), question.clone());
        async move { lab.commands.delete_turn(&lab.account, question).await }
    };
    let foreign = sent(append(&other, &mine, "key"));
    let foreign_turn = sent(delete(&other));
    let own = sent(append(&lab, &mine, "key"));
    let own_turn = sent(delete(&lab));
    let others_own = sent(append(&other, &theirs, "another key"));
    drop(gate);
    assert_eq!(refused(foreign.await), "sessionId NOT_FOUND");
    assert_eq!(refused(foreign_turn.await), "id NOT_FOUND");
    lab.as_stored(&done(own.await)).await;
    assert!(done(own_turn.await).graph.is_deleted(0));
    other.as_stored(&done(others_own.await)).await;
    let asked = proxy.asked();
    assert_eq!(count(&asked, "begin_group"), 1, "{asked:?}");
}

async fn a_key_is_given_once(lab: Lab) {
    let (lab, proxy) = gathered(&lab, ONE_LANE);
    let session = lab.session().await;
    let question = lab.human(&session, None, "question").await;
    let create = || {
        let input = CreateSession {
            uid: Some("new".into()),
            first_prompt: Some("hello".into()),
            ..CreateSession::default()
        };
        lab.commands.create_session(&lab.account, input, None)
    };
    let taken = || {
        let input = CreateSession {
            uid: Some(session.to_string()),
            ..CreateSession::default()
        };
        lab.commands.create_session(&lab.account, input, None)
    };
    let mut prompt = human(&session, None, "prompt");
    prompt.uid = Some("turn".into());
    let mut answer = agent(&session, &question, &["answer"]);
    answer.uid = Some("turn".into());
    let gate = proxy.hold_groups();
    let first = sent(create());
    let second = sent(create());
    let of_session = sent(taken());
    let prompt = sent(lab.commands.append_human_turn(&lab.account, prompt, None));
    let answer = sent(lab.commands.append_agent_turn(&lab.account, answer, None));
    drop(gate);
    lab.as_stored(&done(first.await)).await;
    assert_eq!(refused(second.await), "input.uid CONFLICT");
    assert_eq!(refused(of_session.await), "input.uid CONFLICT");
    lab.as_stored(&done(prompt.await)).await;
    assert_eq!(refused(answer.await), "input.uid CONFLICT");
    assert_eq!(refused(create().await), "input.uid CONFLICT");
}

async fn steps_that_come_together_find_their_places(lab: Lab) {
    let (lab, proxy) = gathered(&lab, ONE_LANE);
    let session = lab.session().await;
    let question = lab.human(&session, None, "question").await;
    let turn = lab.agent(&session, &question, &["first"]).await;
    let append = |idx, text: &str| {
        let input = AppendSteps {
            turn: turn.clone(),
            steps: vec![text_step(idx, text)],
            progress: None,
        };
        lab.commands.append_steps(&lab.account, input, None)
    };
    let update = |idx, text: &str| {
        let content = text_step(None, text).content.into();
        lab.commands
            .update_step(&lab.account, (turn.clone(), idx), content)
    };
    let gate = proxy.hold_groups();
    let early = sent(update(2, "before it is there"));
    let second = sent(append(None, "second"));
    let third = sent(append(None, "third"));
    let taken = sent(append(Some(1), "taken"));
    let of_stored = sent(update(0, "changed"));
    let again = sent(update(0, "changed again"));
    let of_new = sent(update(1, "changed too"));
    drop(gate);
    assert_eq!(refused(early.await), "id NOT_FOUND");
    assert_eq!(done(second.await).subject.idxs, [1]);
    assert_eq!(done(third.await).subject.idxs, [2]);
    assert_eq!(refused(taken.await), "steps.0.idx CONFLICT");
    for update in [of_stored.await, again.await, of_new.await] {
        lab.as_stored(&done(update)).await;
    }
    let steps = lab.steps(&turn).await;
    let contents: Vec<_> = steps.iter().map(|step| step.content.clone()).collect();
    let wanted = ["changed again", "changed too", "third"];
    assert_eq!(contents, wanted.map(|text| text_step(None, text).content));
}

fn two_appends(lab: &Lab, session: &Uid) -> [impl Future<Output = CommandResult<usize>>; 2] {
    [0, 1].map(|n| {
        let (lab, input) = (lab.clone(), human(session, None, &n.to_string()));
        sent(async move {
            lab.commands
                .append_human_turn(&lab.account, input, None)
                .await
        })
    })
}

async fn a_commit_that_is_in_doubt_is_not_repeated(lab: Lab) {
    let (lab, proxy) = gathered(&lab, ONE_LANE);
    let session = lab.session().await;
    for kind in [StoreErrorKind::Unavailable, StoreErrorKind::Timeout] {
        let gate = proxy.hold_groups();
        let [first, second] = two_appends(&lab, &session);
        proxy.fail("commit", kind, 1);
        proxy.asked();
        drop(gate);
        for answer in [first.await, second.await] {
            let error = answer.unwrap_err();
            assert_eq!((error.kind(), error.command), (kind, "appendHumanTurn"));
            assert_eq!(error.source.message, "told to fail");
        }
        assert_eq!(count(&proxy.asked(), "begin"), 0);
    }
    assert!(lab.read(&session).await.1.is_empty());
}

async fn a_commit_that_lost_a_race_is_repeated_for_each(lab: Lab) {
    let (lab, proxy) = gathered(&lab, ONE_LANE);
    let session = lab.session().await;
    let gate = proxy.hold_groups();
    let [first, second] = two_appends(&lab, &session);
    proxy.fail("commit", StoreErrorKind::Conflict, 2);
    drop(gate);
    done(first.await);
    done(second.await);
    let (row, graph) = lab.read(&session).await;
    assert_eq!((row.next_seq, graph.len()), (2, 2));
}

async fn groups_are_bounded(lab: Lab) {
    let options = GroupOptions {
        lanes: 1,
        commands_max: 3,
        bytes_max: 1_000,
    };
    let (lab, proxy) = gathered(&lab, options);
    let session = lab.session().await;
    let append = |bytes: usize| {
        let input = human(&session, None, &"x".repeat(bytes));
        lab.commands.append_human_turn(&lab.account, input, None)
    };
    // By their number 3 + 1, by their bytes 4 x 250, and what is large goes alone.
    for (bytes, sends, groups, alone) in [(1, 4, 2, 0), (250, 3, 1, 0), (251, 2, 0, 2)] {
        let gate = proxy.hold_groups();
        proxy.asked();
        let all: Vec<_> = (0..sends).map(|_| sent(append(bytes))).collect();
        drop(gate);
        for written in all {
            done(written.await);
        }
        let asked = proxy.asked();
        assert_eq!(count(&asked, "begin_group"), groups, "{asked:?}");
        assert_eq!(count(&asked, "begin"), alone, "{asked:?}");
    }
}
