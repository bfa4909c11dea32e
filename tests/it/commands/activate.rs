//! Activation across forks and roots, and votes.

use turngraph::domain::Uid;

use super::lab::{Lab, done};

super::on_every_engine! {
    activation_switches_every_fork_up_to_the_root,
    activating_what_is_shown_writes_nothing,
    votes_come_change_and_go,
}

/// Two roots with two answers each, and a follow-up below every answer.
async fn forest(lab: &Lab, session: &Uid) -> Vec<[Uid; 3]> {
    let mut paths = Vec::new();
    for root in ["a", "b"] {
        let root = lab.human(session, None, root).await;
        for answer in ["1", "2"] {
            let answer = lab.agent(session, &root, &[answer]).await;
            let last = lab.human(session, Some(&answer), "go on").await;
            paths.push([root.clone(), answer, last]);
        }
    }
    paths
}

async fn activation_switches_every_fork_up_to_the_root(lab: Lab) {
    let session = lab.session().await;
    let paths = forest(&lab, &session).await;
    for target in [0, 3, 1, 2, 0] {
        let turn = paths[target][2].clone();
        let written = done(lab.commands.activate_turn(&lab.account, turn.clone()).await);
        assert_eq!(written.graph.turn(written.subject).uid, turn);
        assert_eq!(lab.as_stored(&written).await, paths[target]);
    }
    // Below the turn named, the path goes on as it was shown last.
    let written = done(
        lab.commands
            .activate_turn(&lab.account, paths[2][0].clone())
            .await,
    );
    assert_eq!(lab.as_stored(&written).await, paths[2]);
}

async fn activating_what_is_shown_writes_nothing(lab: Lab) {
    let session = lab.session().await;
    let paths = forest(&lab, &session).await;
    for turn in paths[0].iter().rev() {
        done(lab.commands.activate_turn(&lab.account, turn.clone()).await);
    }
    let before = lab.read(&session).await;
    for turn in &paths[0] {
        let again = done(lab.commands.activate_turn(&lab.account, turn.clone()).await);
        assert_eq!(again.session, before.0);
        assert_eq!(again.graph.turns(), before.1.turns());
    }
}

async fn votes_come_change_and_go(lab: Lab) {
    let session = lab.session().await;
    let question = lab.human(&session, None, "a").await;
    let answer = lab.agent(&session, &question, &["b"]).await;
    let mut rev = 0;
    for liked in [Some(true), Some(false), None] {
        let rated = lab
            .commands
            .rate_agent_turn(&lab.account, answer.clone(), liked);
        let written = done(rated.await);
        let turn = written.graph.turn(written.subject);
        assert_eq!(turn.liked, liked);
        assert!(turn.rev > rev);
        rev = turn.rev;
        lab.as_stored(&written).await;
        let again = lab
            .commands
            .rate_agent_turn(&lab.account, answer.clone(), liked);
        let again = done(again.await);
        assert_eq!(
            again.graph.turn(again.subject).rev,
            rev,
            "the same vote is no change"
        );
    }
}
