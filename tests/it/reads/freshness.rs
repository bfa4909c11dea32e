//! Reads that must show a write: what may vouch for it, what is waited for, what is not.

use turngraph::domain::Revision;

use super::fakes::Mood;
use super::lab::{Lab, NOW, all_from, position, revision};
use crate::support::rows::uid;

fn rev() -> i64 {
    NOW.0
}

#[tokio::test]
async fn a_copy_that_holds_the_rows_vouches_for_the_graph_and_not_for_what_was_just_written() {
    let lab = Lab::new().await;
    let ctx = lab
        .eventual()
        .at_least(vec![revision(9, &[("s-a", rev())])]);
    let seen = lab.conversation(&ctx, "s").await.unwrap();
    assert_eq!(seen, ["graph CQL", "question CQL", "2 steps SQLITE"]);
    assert_eq!(lab.record.calls(), ["sessions_by_uid", "steps"]);
}

#[tokio::test]
async fn a_copy_with_an_older_row_or_without_it_does_not_vouch() {
    let lab = Lab::new().await;
    for rows in [[("s-a", rev() + 1)], [("elsewhere", 1)]] {
        let ctx = lab.eventual().at_least(vec![revision(9, &rows)]);
        assert_eq!(lab.conversation(&ctx, "s").await, all_from("SQLITE"));
    }
    let ctx = lab.eventual().at_least(vec![revision(9, &[])]);
    assert_eq!(
        lab.conversation(&ctx, "s").await,
        all_from("SQLITE"),
        "nothing to vouch by"
    );
}

#[tokio::test]
async fn projections_that_reached_the_write_are_read_and_lists_too() {
    let lab = Lab::new().await;
    lab.reached(9, NOW);
    let ctx = lab
        .eventual()
        .at_least(vec![revision(9, &[("elsewhere", 1)])]);
    assert_eq!(lab.conversation(&ctx, "s").await, all_from("CQL"));
    let ctx = lab
        .eventual()
        .at_least(vec![revision(10, &[]), revision(8, &[])]);
    assert_eq!(
        lab.conversation(&ctx, "s").await,
        all_from("SQLITE"),
        "all must be reached"
    );
}

#[tokio::test]
async fn a_write_that_is_about_to_arrive_is_waited_for_once_an_operation() {
    let lab = Lab::new().await;
    let ctx = lab
        .eventual()
        .at_least(vec![revision(9, &[("s-a", rev() + 1)])]);
    let arriving = async {
        // The read has found the copy too old and asks for the watermark.
        while lab.projection.calls().is_empty() {
            tokio::task::yield_now().await;
        }
        lab.reached(9, NOW);
    };
    let (seen, ()) = tokio::join!(lab.conversation(&ctx, "s"), arriving);
    assert_eq!(seen, all_from("CQL"));

    let late = lab.eventual().at_least(vec![revision(99, &[])]);
    assert_eq!(lab.conversation(&late, "s").await, all_from("SQLITE"));
    let begun = tokio::time::Instant::now();
    for _ in 0..100 {
        assert_eq!(lab.conversation(&late, "s").await, all_from("SQLITE"));
    }
    assert!(
        begun.elapsed().as_millis() < 100 * 50,
        "its patience is used up"
    );
}

#[tokio::test]
async fn a_crowd_that_waits_for_what_never_comes_asks_no_oftener_than_one() {
    let lab = Lab::new().await;
    let before = lab.cache.polls();
    let begun = tokio::time::Instant::now();
    let crowd = (0..100).map(|_| async {
        let never = lab.eventual().at_least(vec![revision(u64::MAX, &[])]);
        lab.conversation(&never, "s").await
    });
    for seen in futures_util::future::join_all(crowd).await {
        assert_eq!(seen, all_from("SQLITE"));
    }
    let most = begun.elapsed().as_millis() / 5 + 2;
    let polls = lab.cache.polls() - before;
    assert!(polls as u128 <= most, "{polls} of at most {most}");
}

#[tokio::test]
async fn a_write_to_another_store_or_of_rows_alone_is_read_from_the_record() {
    let lab = Lab::new().await;
    lab.reached(u64::MAX, NOW);
    let mut other = revision(1, &[]);
    other.position.as_mut().unwrap().store = "restored".into();
    let rows_alone = Revision {
        position: None,
        rows: vec![(uid("s-a"), rev() + 1)],
    };
    for revision in [other, rows_alone] {
        let ctx = lab.eventual().at_least(vec![revision]);
        assert_eq!(lab.conversation(&ctx, "s").await, all_from("SQLITE"));
    }
    lab.cache.be(Mood::Down);
    let nothing = lab.eventual().at_least(vec![Revision::default()]);
    assert_eq!(
        lab.conversation(&nothing, "s").await,
        all_from("CQL"),
        "it asks for nothing"
    );
}

#[tokio::test]
async fn a_hot_session_older_than_the_write_is_not_shown() {
    let lab = Lab::new().await;
    lab.conversation(&lab.eventual(), "s").await.unwrap();
    lab.cache.filled(&uid("s")).await;
    let ctx = lab
        .eventual()
        .at_least(vec![revision(9, &[("s-a", rev() + 1)])]);
    assert_eq!(lab.conversation(&ctx, "s").await, all_from("SQLITE"));
}

#[tokio::test]
async fn projections_that_reached_the_write_say_nothing_of_the_cache() {
    let lab = Lab::new().await;
    lab.conversation(&lab.eventual(), "s").await.unwrap();
    lab.cache.filled(&uid("s")).await;
    // The projector could not tell the cache of a change, and told the projections.
    lab.reached(9, NOW);
    let must = || {
        lab.eventual()
            .at_least(vec![revision(9, &[("s-a", rev() + 1)])])
    };
    assert_eq!(lab.conversation(&must(), "s").await, all_from("CQL"));
    // Now that is known from the start, and the entry is no younger for it.
    assert_eq!(lab.conversation(&must(), "s").await, all_from("CQL"));
    *lab.cache.watermark.lock().unwrap() = Some(turngraph::domain::Watermark {
        position: position(9),
        as_of: NOW,
    });
    let waits = lab.eventual().at_least(vec![revision(99, &[])]);
    lab.graph(&waits, "s").await.unwrap().unwrap();
    assert_eq!(lab.conversation(&must(), "s").await, all_from("REDIS"));
}

#[tokio::test]
async fn a_watermark_that_passed_what_was_put_aside_is_not_believed_for_that_session() {
    let lab = Lab::new().await;
    lab.conversation(&lab.eventual(), "s").await.unwrap();
    // A change of the session could not be applied: it is marked, then the watermark goes on.
    lab.projection.marks.lock().unwrap().insert(uid("s"));
    lab.reached(9, NOW);
    let ctx = lab
        .eventual()
        .at_least(vec![revision(9, &[("s-a", rev() + 1)])]);
    assert_eq!(lab.conversation(&ctx, "s").await, all_from("SQLITE"));
    let held = ["CQL has a session that waits for its repair"];
    assert_eq!(ctx.reasons(), held, "told with the watermark");
    let ctx = lab.eventual();
    assert_eq!(lab.conversation(&ctx, "s").await, all_from("SQLITE"));
    assert_eq!(ctx.reasons(), held);
}

#[tokio::test]
async fn what_the_cache_says_of_itself_makes_its_entries_younger_and_nothing_else_does() {
    let lab = Lab::new().await;
    lab.conversation(&lab.eventual(), "s").await.unwrap();
    lab.cache.filled(&uid("s")).await;
    lab.clock.advance(10_000_000);
    lab.reached(5, lab.clock.now_plus(-1_000_000));
    lab.reads.lag_ms().await;
    let hot = lab.graph(&lab.eventual(), "s").await.unwrap().unwrap();
    assert_eq!(
        hot.origin.lag_ms,
        Some(10_000),
        "the projections say nothing of the cache"
    );
    *lab.cache.watermark.lock().unwrap() = Some(turngraph::domain::Watermark {
        position: position(6),
        as_of: lab.clock.now_plus(-500_000),
    });
    // The next question is asked a second later, or by a read that waits.
    let lag = async || {
        let waits = lab.eventual().at_least(vec![revision(7, &[])]);
        lab.graph(&waits, "s").await.unwrap().unwrap();
        let hot = lab.graph(&lab.eventual(), "s").await.unwrap().unwrap();
        hot.origin.lag_ms
    };
    lab.projection.be(Mood::Down);
    assert_eq!(
        lag().await,
        Some(10_000),
        "it is not known for which sessions that does not hold"
    );
    lab.projection.be(Mood::Up);
    while lag().await != Some(500) {
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
}

/// Instants beside the present one.
trait Beside {
    fn now_plus(&self, micros: i64) -> turngraph::domain::Timestamp;
}

impl Beside for turngraph::domain::clock::ManualClock {
    fn now_plus(&self, micros: i64) -> turngraph::domain::Timestamp {
        use turngraph::domain::Clock;
        turngraph::domain::Timestamp(self.now().0 + micros)
    }
}
