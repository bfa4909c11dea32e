//! Versions and activity times under a clock that stands still, jumps and goes back.

use turngraph::domain::Timestamp;

use super::lab::{Lab, done, human};
use crate::support::sqlite::START;

super::on_every_engine! {
    versions_grow_while_the_clock_goes_back,
    the_time_of_the_last_activity_moves_by_the_minute,
}

async fn versions_grow_while_the_clock_goes_back(lab: Lab) {
    let session = lab.session().await;
    let mut revs = Vec::new();
    let mut parent = None;
    for step in [0, 5, -3_600_000_000, 0, -1, 7_200_000_000] {
        lab.clock.advance(step);
        let question = lab.human(&session, parent.as_ref(), "q").await;
        parent = Some(lab.agent(&session, &question, &["a"]).await);
        let (row, graph) = lab.read(&session).await;
        let newest = graph.turns().last().unwrap();
        assert!(newest.rev >= newest.created_at.0);
        revs.push((row.rev, newest.rev));
    }
    for pair in revs.windows(2) {
        assert!(
            pair[0].0 < pair[1].0,
            "the session's own version grows: {revs:?}"
        );
        assert!(
            pair[0].1 <= pair[1].1,
            "a new row is not older than those before: {revs:?}"
        );
    }
    let (_, graph) = lab.read(&session).await;
    let vote = |liked| {
        lab.commands
            .rate_agent_turn(&lab.account, graph.turn(1).uid.clone(), liked)
    };
    let mut last = graph.turn(1).rev;
    for liked in [Some(true), None, Some(false)] {
        lab.clock.advance(-1_000_000);
        let written = done(vote(liked).await);
        let rev = written.graph.turn(written.subject).rev;
        assert!(rev > last);
        last = rev;
        lab.as_stored(&written).await;
    }
}

async fn the_time_of_the_last_activity_moves_by_the_minute(lab: Lab) {
    let session = lab.session().await;
    let append = |prompt: &str| {
        lab.commands
            .append_human_turn(&lab.account, human(&session, None, prompt), None)
    };
    lab.clock.advance(59_999_999);
    let written = done(append("early").await);
    assert_eq!(written.session.last_activity_at, START);
    lab.clock.advance(1);
    let written = done(append("now").await);
    let minute = Timestamp(START.0 + 60_000_000);
    assert_eq!(written.session.last_activity_at, minute);
    lab.clock.advance(-120_000_000);
    let written = done(append("the clock went back").await);
    assert_eq!(
        written.session.last_activity_at, minute,
        "it never goes back"
    );
    lab.as_stored(&written).await;
}
