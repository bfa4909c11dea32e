//! Much of it: long texts, long sessions, long batches.

use turngraph::domain::TurnRole;
use turngraph::stores::projection::{BODY_BYTES_MAX, Write};

use super::fixture::{Fixture, step, step_write, turn, turn_write, whole};

pub(super) async fn long_bodies_are_left_out_and_said_to_be(f: Fixture) {
    let session = f.key("s");
    // The last character is two bytes long, so the first text just fits.
    let fits = "x".repeat(BODY_BYTES_MAX - 2) + "é";
    let long = "x".repeat(BODY_BYTES_MAX + 1);
    f.apply(&[
        turn_write(&session, turn(TurnRole::Human, 0, 1), Some(&fits)),
        turn_write(&session, turn(TurnRole::Human, 1, 1), Some(&long)),
        step_write(&session, 2, step(2, 0, &fits, 1)),
        step_write(&session, 3, step(3, 0, "short", 1)),
        step_write(&session, 3, step(3, 1, &long, 1)),
    ])
    .await;
    let found = f.bodies("s", &[0, 1, 2, 3]).await;
    let partial: Vec<_> = found.iter().map(|(_, bodies)| bodies.partial).collect();
    assert_eq!(partial, [false, true, false, true]);
    assert_eq!(found[0].1.prompt.as_deref(), Some(fits.as_str()));
    assert_eq!(found[1].1.prompt, None);
    assert_eq!(found[2].1.steps, [step(2, 0, &fits, 1)]);
    // A shorter text later is whole again, and the other way round.
    f.apply(&[
        turn_write(&session, turn(TurnRole::Human, 1, 2), Some("short")),
        step_write(&session, 2, step(2, 0, &long, 2)),
    ])
    .await;
    let found = f.bodies("s", &[1, 2]).await;
    assert_eq!(found[0].1.prompt.as_deref(), Some("short"));
    assert!(!found[0].1.partial && found[1].1.partial);
}

pub(super) async fn many_long_bodies_are_applied_at_once(f: Fixture) {
    let session = f.key("s");
    // 100 texts of 60,000 bytes: each too large to share a batch, and 6 MB together.
    let content = "y".repeat(60_000);
    let writes: Vec<_> = (0..100)
        .map(|idx| step_write(&session, 1, step(1, idx, &content, 1)))
        .collect();
    f.apply(&writes).await;
    let found = f.bodies("s", &[1]).await;
    assert_eq!(found[0].1.steps.len(), 100);
    assert!(
        found[0]
            .1
            .steps
            .iter()
            .all(|step| *step.content == *content)
    );
}

pub(super) async fn a_history_of_ten_thousand_turns_comes_back_whole(f: Fixture) {
    let session = f.key("s");
    let turns: Vec<_> = (0..10_000)
        .map(|seq| match seq % 2 {
            0 => turn(TurnRole::Human, seq, 1),
            _ => turn(TurnRole::Agent, seq, 1),
        })
        .collect();
    let writes: Vec<_> = turns
        .iter()
        .map(|turn| turn_write(&session, turn.clone(), (turn.seq % 2 == 0).then_some("p")))
        .collect();
    f.apply(&writes).await;
    f.apply(&[Write::Header(whole(f.session("s", 10_000, 1)))])
        .await;
    let graph = f.graph("s").await;
    assert!(graph.complete);
    assert_eq!(graph.turns, turns);
    let seqs: Vec<i32> = (0..10_000).collect();
    assert_eq!(f.bodies("s", &seqs).await.len(), 5_000);
    // One number behind the first page is missing.
    f.apply(&[Write::Header(whole(f.session("s", 10_001, 2)))])
        .await;
    assert!(!f.graph("s").await.complete);
}
