//! Order and repetition of changes do not matter: the projection ends as the record is.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use turngraph::domain::change::Change;
use turngraph::domain::{Timestamp, Uid};

use super::given::Given;
use super::world::World;
use crate::support::rows::uid;

/// Numbers that a history is made from.
type Dice = Vec<u32>;

/// A random history over a few sessions; the keys that were ever used.
pub(crate) fn history(world: &World, dice: &Dice) -> Vec<Uid> {
    let keys: Vec<Uid> = (0..4).map(|n| uid(&format!("s{n}"))).collect();
    for die in dice {
        let key = &keys[(die % 4) as usize];
        let choice = (die / 4) % 16;
        let pick = (die / 64) as usize;
        let changes = one_step(world, key, choice, pick);
        if !changes.is_empty() {
            world.log(changes);
        }
    }
    keys
}

fn one_step(world: &World, key: &Uid, choice: u32, pick: usize) -> Vec<Change> {
    if !world.rows().sessions.contains_key(key) {
        return vec![world.create(&format!("account{}", pick % 2), key.as_str())];
    }
    let turns: Vec<(i32, usize)> = {
        let rows = world.rows();
        let of = rows.turns.range((key.clone(), 0)..=(key.clone(), i32::MAX));
        of.map(|((_, seq), turn)| (*seq, turn.steps.len()))
            .collect()
    };
    let Some(&(seq, steps)) = turns.get(pick % turns.len().max(1)) else {
        return world.append(key);
    };
    match choice {
        0..=4 => world.append(key),
        5 | 6 => world.foreign_turn(key),
        7 => vec![world.edit(key, seq, |turn| {
            turn.turn.liked = [None, Some(true), Some(false)][pick % 3];
        })],
        8 => vec![world.edit(key, seq, |turn| {
            let deleted = turn.turn.deleted_at.is_some();
            turn.turn.deleted_at = (!deleted).then_some(Timestamp(pick as i64));
        })],
        9 => world.edit_session(key, |row| row.title = Some(format!("title {pick}").into())),
        10 => world.edit_session(key, |row| {
            row.account_uid = uid(&format!("account{}", pick % 3));
        }),
        11 if steps > 0 => {
            let content = (pick.is_multiple_of(2)).then(|| format!(r#"{{"text":"{pick}"}}"#));
            let at = (key, seq, pick % steps);
            vec![world.edit_step(at, content.as_deref(), pick.is_multiple_of(3))]
        }
        12 if steps > 0 => world.purge_step(key, seq, true),
        13 | 14 => world.purge_turn(key, seq),
        15 if pick.is_multiple_of(4) => world.purge_session(key),
        _ => world.append(key),
    }
}

/// A permutation of `changes` with some of them twice.
fn shuffled(changes: &[Change], order: &[u32]) -> Vec<Change> {
    let mut all: Vec<Change> = changes.to_vec();
    let twice = order
        .iter()
        .map(|n| changes[*n as usize % changes.len()].clone());
    all.extend(twice.take(changes.len() / 2));
    for at in (1..all.len()).rev() {
        let die = order[at % order.len()] as usize;
        all.swap(at, die.wrapping_mul(31).wrapping_add(at * 7) % (at + 1));
    }
    all
}

fn cases(count: u32) -> Config {
    Config {
        cases: count,
        failure_persistence: None,
        ..Config::default()
    }
}

fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().unwrap()
}

#[test]
fn any_order_and_any_repetition_of_a_history_end_as_the_record_is() {
    let dice = prop::collection::vec(any::<u32>(), 5..80);
    let order = prop::collection::vec(any::<u32>(), 1..50);
    let mut runner = TestRunner::new(cases(48));
    let ran = runner.run(&(dice, order), |(dice, order)| {
        runtime().block_on(async {
            let given = Given::new();
            let keys = history(&given.world, &dice);
            // The log itself says nothing; its changes are told in another order.
            let changes = shuffled(&given.world.changes(), &order);
            let told = given.world.end();
            for change in changes {
                given.world.log(vec![change]);
            }
            given.world.rows().skip_to(told);
            given.catch_up().await;
            given.assert_equal(&keys).await;
            assert_eq!(given.letters().await, 0);
            assert_eq!(given.store.dead_cells(), 0);
        });
        Ok(())
    });
    ran.unwrap();
}

#[test]
fn a_projector_that_is_killed_at_any_place_goes_on_where_it_was_durable() {
    let dice = prop::collection::vec(any::<u32>(), 20..120);
    let mut runner = TestRunner::new(cases(24));
    let ran = runner.run(&(dice, any::<u64>()), |(dice, places)| {
        runtime().block_on(async {
            let given = Given::new();
            let keys = history(&given.world, &dice);
            let end = given.world.end();
            for place in [places % end, (places >> 16) % end, (places >> 32) % end] {
                let running = given.start();
                given.world.acknowledged(place.min(end)).await;
                running.kill().await;
            }
            given.catch_up().await;
            given.assert_equal(&keys).await;
        });
        Ok(())
    });
    ran.unwrap();
}

#[tokio::test]
async fn the_same_transactions_told_ten_times_change_nothing() {
    let given = Given::new();
    given.world.conversation("a", "s", 6);
    given.catch_up().await;
    let once = given.store.dump();
    let changes = given.world.changes();
    for _ in 0..9 {
        given.world.log(changes.clone());
    }
    given.catch_up().await;
    assert_eq!(given.store.dump(), once);
    given.assert_equal(&[]).await;
}

#[tokio::test]
async fn votes_in_any_order_leave_the_last_one_and_no_tombstone() {
    let given = Given::new();
    let key = given.world.conversation("a", "s", 2);
    let votes = [Some(true), None, Some(true), None];
    let vote = |vote| given.world.edit(&key, 1, |turn| turn.turn.liked = vote);
    let mut changes: Vec<Change> = votes.into_iter().map(vote).collect();
    changes.reverse();
    for change in changes {
        given.world.log(vec![change]);
    }
    given.catch_up().await;
    given.assert_equal(&[]).await;
    assert_eq!(given.store.dead_cells(), 0);
}

#[tokio::test]
async fn a_late_older_update_does_not_undo_a_soft_deletion() {
    let given = Given::new();
    let key = given.world.conversation("a", "s", 2);
    let older = given
        .world
        .edit(&key, 1, |turn| turn.turn.liked = Some(true));
    let deleted = given
        .world
        .edit(&key, 1, |turn| turn.turn.deleted_at = Some(Timestamp(5)));
    given.world.log(vec![deleted]);
    given.world.log(vec![older]);
    given.catch_up().await;
    given.assert_equal(&[]).await;
}

#[tokio::test]
async fn an_update_that_does_not_repeat_a_large_value_leaves_it_alone() {
    let given = Given::new();
    let key = given.world.conversation("a", "s", 2);
    let edited = [
        given.world.edit_step((&key, 1, 0), None, true),
        given
            .world
            .edit(&key, 0, |turn| turn.turn.active_child = Some(uid("t2"))),
    ];
    given.world.log(edited.to_vec());
    given.world.log(
        given
            .world
            .edit_session(&key, |row| row.deleted_at = Some(Timestamp(1))),
    );
    given.catch_up().await;
    given.assert_equal(&[]).await;
}

#[tokio::test]
async fn a_session_that_was_purged_can_come_back_with_the_same_keys() {
    let given = Given::new();
    let key = given.world.conversation("a", "s", 4);
    given.catch_up().await;
    let old = given.world.changes();
    given.world.log(given.world.purge_session(&key));
    given.catch_up().await;
    given.assert_equal(std::slice::from_ref(&key)).await;
    given.world.conversation("a", "s", 2);
    // What was told of its former life comes late once more.
    given.world.log(old);
    given.catch_up().await;
    given.assert_equal(&[]).await;
}

#[tokio::test]
async fn a_moved_session_is_listed_under_its_new_account_only() {
    let given = Given::new();
    let key = given.world.conversation("alice", "s", 2);
    given.catch_up().await;
    let moved = given
        .world
        .edit_session(&key, |row| row.account_uid = uid("bob"));
    given.world.log(moved);
    given.catch_up().await;
    given.assert_equal(&[]).await;
    super::equal::assert_listed(&given.world, &given.store, &uid("alice")).await;
}

#[tokio::test]
async fn a_hard_deleted_turn_leaves_a_grave_and_the_session_stays_complete() {
    let given = Given::new();
    let key = given.world.conversation("a", "s", 4);
    let late = given
        .world
        .edit(&key, 1, |turn| turn.turn.liked = Some(true));
    given.world.log(given.world.purge_turn(&key, 1));
    given.world.log(given.world.purge_turn(&key, 3));
    given.world.log(vec![late]);
    given.catch_up().await;
    given.assert_equal(&[]).await;
}

#[tokio::test]
async fn a_turn_that_went_while_it_was_numbered_leaves_a_grave() {
    let given = Given::new();
    let key = given.world.conversation("a", "s", 2);
    let foreign = given.world.foreign_turn(&key);
    // It never had an address when it was purged, so the purge says nothing.
    given.world.rows().turns.remove(&(key.clone(), 2));
    let numbered = foreign
        .into_iter()
        .filter(|change| !matches!(change, Change::Step(_)));
    given.world.log(numbered.collect());
    given.catch_up().await;
    given.assert_equal(&[]).await;
}

#[tokio::test]
async fn steps_without_an_address_are_found_by_their_turn_and_skipped_where_it_has_none() {
    let given = Given::new();
    let key = given.world.conversation("a", "s", 2);
    let edits: Vec<Change> = (0..50)
        .map(|n| {
            let content = format!(r#"{{"text":"{n}"}}"#);
            given
                .world
                .edit_step((&key, 1, n % 2), Some(&content), false)
        })
        .collect();
    given.world.log(edits);
    let mut unknown = given.world.edit_step((&key, 1, 0), Some("1"), false);
    if let Change::Step(step) = &mut unknown {
        step.step.turn_uid = uid("nobody");
    }
    given.world.log(vec![
        unknown,
        given.world.edit_step((&key, 1, 0), Some("2"), true),
    ]);
    given.catch_up().await;
    given.assert_equal(&[]).await;
    assert_eq!(given.counted("unaddressed"), 1);
    assert!(given.counted("lookups") <= 2, "addresses are remembered");
}
