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
    let mut lab = lab.clone();
    lab.commands.record = Arc::new(proxy.clone());
    (lab, proxy)
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
        let appended = "session_lock turns turns_insert turn_update session_update";
        let keyed = format!("idempotency begin {appended} idempotency_insert commit");
        assert_eq!(asked(), keyed);

        let mut input = agent(&session, &question, &["a", "b", "c"]);
        input.uid = Some(format!("answer-{length}"));
        done(commands.append_agent_turn(account, input, None).await);
        assert_eq!(
            asked(),
            "begin session_lock turns turn_uids_claim turns_insert steps_insert turn_update \
             session_update commit"
        );

        let found = "begin session_by_turn session_lock turns";
        let input = AppendSteps {
            turn: last.clone(),
            steps: vec![text_step(None, "d"), text_step(None, "e")],
            progress: None,
        };
        done(commands.append_steps(account, input, None).await);
        assert_eq!(asked(), format!("{found} step_heads steps_insert commit"));
        done(
            commands
                .update_step(account, (last.clone(), 0), "1".into())
                .await,
        );
        assert_eq!(asked(), format!("{found} step_update commit"));
        done(
            commands
                .rate_agent_turn(account, last.clone(), Some(true))
                .await,
        );
        assert_eq!(asked(), format!("{found} turn_update commit"));
        done(commands.activate_turn(account, question.clone()).await);
        assert_eq!(
            asked(),
            format!("{found} commit"),
            "the path is shown already"
        );
        done(commands.delete_turn(account, question.clone()).await);
        assert_eq!(asked(), format!("{found} turn_update turn_update commit"));
        done(commands.restore_turn(account, question).await);
        assert_eq!(asked(), format!("{found} turn_update commit"));
        done(commands.delete_session(account, session).await);
        assert_eq!(asked(), "begin session_lock turns session_update commit");
    }
}

async fn a_lost_race_is_run_again_and_writes_once(lab: Lab) {
    let (lab, proxy) = behind_a_proxy(&lab);
    let session = lab.session().await;
    for method in [
        "begin",
        "session_lock",
        "turns_insert",
        "session_update",
        "commit",
    ] {
        proxy.asked();
        proxy.fail(method, StoreErrorKind::Conflict, 3);
        lab.human(&session, None, method).await;
        let begun = proxy
            .asked()
            .iter()
            .filter(|&&asked| asked == "begin")
            .count();
        assert_eq!(begun, 4, "{method}");
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
    let begun = proxy
        .asked()
        .iter()
        .filter(|&&asked| asked == "begin")
        .count();
    assert_eq!(begun, 8);
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
        proxy.fail("session_update", kind, 1);
        let append = lab
            .commands
            .append_human_turn(&lab.account, human(&session, None, "q"), None);
        assert_eq!(append.await.unwrap_err().kind(), kind);
        assert_eq!(
            proxy
                .asked()
                .iter()
                .filter(|&&asked| asked == "begin")
                .count(),
            1
        );
    }
    assert!(
        lab.read(&session).await.1.is_empty(),
        "what failed left nothing behind"
    );
    lab.human(&session, None, "q").await;
}
