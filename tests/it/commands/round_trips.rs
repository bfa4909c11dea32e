//! What commands ask of the store: how often, whatever the length of the session, and what they
//! do when it fails.

use std::sync::Arc;

use turngraph::commands::step::AppendSteps;
use turngraph::stores::StoreErrorKind;

use super::lab::proxy::Proxy;
use super::lab::{Lab, agent, done, human, text_step};

super::on_every_engine! {
    round_trips_do_not_depend_on_the_length_of_the_session,
    a_lost_race_is_run_again_and_writes_once,
    a_race_that_is_always_lost_ends,
    other_failures_are_not_tried_again,
}

fn behind_a_proxy(lab: &Lab) -> (Lab, Proxy) {
    let proxy = Proxy::before(Arc::clone(&lab.record));
    (lab.over(Arc::new(proxy.clone())), proxy)
}

/// Transactions since the last time, with a group or alone.
fn begun(proxy: &Proxy) -> usize {
    let asked = proxy.asked();
    asked
        .iter()
        .filter(|method| method.starts_with("begin"))
        .count()
}

async fn round_trips_do_not_depend_on_the_length_of_the_session(lab: Lab) {
    let (lab, proxy) = behind_a_proxy(&lab);
    let (commands, account) = (&lab.commands, &lab.account);
    for length in [2, 1_000] {
        let (session, last) = lab.chain(length).await;
        proxy.asked();
        let asked = || proxy.asked().join(" ");

        let input = human(&session, Some(&last), "q");
        let append = commands.append_human_turn(account, input, Some(session.as_str()));
        let question = done(append.await);
        let question = question.graph.turn(question.subject).uid.clone();
        let appended = "sessions_lock_free turns_of insert_human_turns edit_agent_turns \
                        edit_sessions";
        let keyed = format!("begin_group idempotency {appended} idempotency_insert commit");
        assert_eq!(asked(), keyed);

        let mut input = agent(&session, &question, &["a", "b", "c"]);
        input.uid = Some(format!("answer-{length}"));
        done(commands.append_agent_turn(account, input, None).await);
        assert_eq!(
            asked(),
            "begin_group sessions_lock_free turns_of turn_uids_claim_free insert_agent_turns \
             insert_steps edit_human_turns edit_sessions commit"
        );

        let found = "begin_group sessions_by_turn sessions_lock_free turns_of";
        let input = AppendSteps {
            turn: last.clone(),
            steps: vec![text_step(None, "d"), text_step(None, "e")],
            progress: None,
        };
        done(commands.append_steps(account, input, None).await);
        assert_eq!(asked(), format!("{found} step_heads insert_steps commit"));
        done(
            commands
                .update_step(account, (last.clone(), 0), "1".into())
                .await,
        );
        assert_eq!(asked(), format!("{found} edit_steps commit"));
        done(
            commands
                .rate_agent_turn(account, last.clone(), Some(true))
                .await,
        );
        assert_eq!(asked(), format!("{found} edit_agent_turns commit"));
        done(commands.activate_turn(account, question.clone()).await);
        assert_eq!(
            asked(),
            format!("{found} commit"),
            "the path is shown already"
        );
        done(commands.delete_turn(account, question.clone()).await);
        assert_eq!(
            asked(),
            format!("{found} edit_human_turns edit_agent_turns commit")
        );
        done(commands.restore_turn(account, question).await);
        assert_eq!(asked(), format!("{found} edit_human_turns commit"));
        done(commands.delete_session(account, session).await);
        assert_eq!(
            asked(),
            "begin_group sessions_lock_free turns_of edit_sessions commit"
        );
    }
}

async fn a_lost_race_is_run_again_and_writes_once(lab: Lab) {
    let (lab, proxy) = behind_a_proxy(&lab);
    let session = lab.session().await;
    for method in [
        "begin",
        "sessions_lock",
        "insert_human_turns",
        "edit_sessions",
        "commit",
    ] {
        proxy.asked();
        proxy.fail(method, StoreErrorKind::Conflict, 3);
        lab.human(&session, None, method).await;
        assert_eq!(begun(&proxy), 4, "{method}");
    }
    let (row, graph) = lab.read(&session).await;
    assert_eq!((row.next_seq, graph.len()), (5, 5));
}

async fn a_race_that_is_always_lost_ends(lab: Lab) {
    let (lab, proxy) = behind_a_proxy(&lab);
    let session = lab.session().await;
    proxy.asked();
    proxy.fail("commit", StoreErrorKind::Conflict, usize::MAX);
    let append = lab
        .commands
        .append_human_turn(&lab.account, human(&session, None, "q"), None);
    let error = append.await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Conflict);
    assert_eq!(error.command, "appendHumanTurn");
    assert_eq!(begun(&proxy), 8);
    assert!(lab.read(&session).await.1.is_empty());
}

async fn other_failures_are_not_tried_again(lab: Lab) {
    let (lab, proxy) = behind_a_proxy(&lab);
    let session = lab.session().await;
    for kind in [
        StoreErrorKind::Unavailable,
        StoreErrorKind::Timeout,
        StoreErrorKind::Bug,
    ] {
        proxy.asked();
        proxy.fail("edit_sessions", kind, 1);
        let append = lab
            .commands
            .append_human_turn(&lab.account, human(&session, None, "q"), None);
        assert_eq!(append.await.unwrap_err().kind(), kind);
        assert_eq!(begun(&proxy), 1);
    }
    assert!(
        lab.read(&session).await.1.is_empty(),
        "what failed left nothing behind"
    );
    lab.human(&session, None, "q").await;
}
