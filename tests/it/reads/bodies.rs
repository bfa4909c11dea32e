//! Content: turn by turn from where it is whole.

use turngraph::reads::{Body, BodyKind, BodyWant};

use super::fakes::Mood;
use super::lab::{ACCOUNT, Lab, all_from};
use crate::support::rows::uid;

#[tokio::test]
async fn a_turn_whose_content_is_missing_or_too_long_there_is_read_from_the_record() {
    for (change, wanted) in [
        (0, ["question SQLITE", "2 steps CQL"]),
        (1, ["question CQL", "2 steps SQLITE"]),
        (2, ["question CQL", "2 steps SQLITE"]),
    ] {
        let lab = Lab::new().await;
        {
            let mut bodies = lab.projection.bodies.lock().unwrap();
            match change {
                0 => drop(bodies.remove(&(uid("s"), 0))),
                1 => drop(bodies.remove(&(uid("s"), 1))),
                _ => bodies.get_mut(&(uid("s"), 1)).unwrap().partial = true,
            }
        }
        let ctx = lab.eventual();
        let seen = lab.conversation(&ctx, "s").await.unwrap();
        assert_eq!(seen[1..], wanted);
        assert_eq!(
            ctx.reasons(),
            Vec::<String>::new(),
            "this is how it is meant"
        );
    }
}

#[tokio::test]
async fn content_that_the_projections_cannot_give_is_read_from_the_record_and_said() {
    let lab = Lab::new().await;
    let ctx = lab.eventual();
    lab.graph(&ctx, "s").await.unwrap().unwrap();
    lab.projection.be(Mood::Down);
    let want = BodyWant {
        session_uid: uid("s"),
        seq: 0,
        turn_uid: uid("s-q"),
        kind: BodyKind::Prompt,
    };
    let answers = lab.reads.bodies(&ctx, &[want]).await;
    let [Ok(Some((Body::Prompt(text), _)))] = answers.as_slice() else {
        panic!("{answers:?}");
    };
    assert_eq!(text, "question");
    assert_eq!(ctx.reasons(), ["CQL cannot be read"]);
}

#[tokio::test]
async fn a_turn_without_steps_is_known_to_have_none_once_it_is_hot() {
    let lab = Lab::new().await;
    lab.write(ACCOUNT, "t").await;
    lab.project("t").await;
    let want = |kind| BodyWant {
        session_uid: uid("t"),
        seq: 1,
        turn_uid: uid("nothing"),
        kind,
    };
    lab.projection.bodies.lock().unwrap().clear();
    let ctx = lab.eventual();
    lab.graph(&ctx, "t").await.unwrap().unwrap();
    let answers = lab.reads.bodies(&ctx, &[want(BodyKind::Steps)]).await;
    assert_eq!(answers, [Ok(None)]);
    lab.reads.finish(&ctx);
    lab.cache.filled(&uid("t")).await;
    lab.forget();
    let ctx = lab.eventual();
    lab.graph(&ctx, "t").await.unwrap().unwrap();
    for kind in [BodyKind::Steps, BodyKind::Heads] {
        let answers = lab.reads.bodies(&ctx, &[want(kind)]).await;
        assert!(matches!(answers.as_slice(), [Ok(Some(_))]), "{answers:?}");
    }
    assert_eq!(lab.record.calls(), Vec::<&str>::new());
}

#[tokio::test]
async fn heads_are_heads_from_every_store() {
    let lab = Lab::new().await;
    let want = [BodyWant {
        session_uid: uid("s"),
        seq: 1,
        turn_uid: uid("s-a"),
        kind: BodyKind::Heads,
    }];
    let mut seen = Vec::new();
    for ctx in [lab.strong(), lab.eventual(), lab.eventual()] {
        lab.graph(&ctx, "s").await.unwrap().unwrap();
        let (heads, origin) = lab
            .reads
            .bodies(&ctx, &want)
            .await
            .remove(0)
            .unwrap()
            .unwrap();
        seen.push(origin.source.name());
        let Body::Heads(heads) = heads else {
            panic!("{heads:?}");
        };
        let told: Vec<_> = heads
            .iter()
            .map(|h| (h.turn_uid.as_str(), h.idx, h.tpe))
            .collect();
        assert_eq!(told, [("s-a", 0, 1), ("s-a", 1, 1)]);
        if seen.len() == 2 {
            assert_eq!(
                lab.conversation(&lab.eventual(), "s").await,
                all_from("CQL")
            );
            lab.cache.filled(&uid("s")).await;
        }
    }
    assert_eq!(seen, ["SQLITE", "CQL", "REDIS"]);
}

#[tokio::test]
async fn content_of_a_session_that_was_given_away_is_not_shown_by_a_copy_that_lags() {
    let lab = Lab::new().await;
    let ctx = lab.eventual();
    lab.graph(&ctx, "s").await.unwrap().unwrap();
    lab.reads.finish(&ctx);
    lab.cache.filled(&uid("s")).await;
    // The projections know it already, and the cache does not.
    {
        let mut sessions = lab.projection.sessions.lock().unwrap();
        sessions.get_mut(&uid("s")).unwrap().row.account_uid = uid("other");
    }
    let seen = lab.conversation(&lab.eventual(), "s").await.unwrap();
    assert_eq!(seen, ["graph REDIS", "question SQLITE", "2 steps SQLITE"]);

    // The record store knows it already, and the projections do not.
    lab.write("other", "t@other").await;
    lab.project("t@other").await;
    {
        let mut sessions = lab.projection.sessions.lock().unwrap();
        sessions.get_mut(&uid("t@other")).unwrap().row.account_uid = uid(super::lab::ACCOUNT);
    }
    lab.projection.bodies.lock().unwrap().clear();
    let refused = lab.conversation(&lab.eventual(), "t@other").await;
    assert_eq!(refused, Err(turngraph::reads::ReadErrorKind::Conflict));
}
