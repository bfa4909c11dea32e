//! In which order turns of other programs get their numbers. Pure: rows in, order out.
//!
//! A parent always comes before its child; among the rest the older comes first. A cycle of
//! parents is cut at its lowest key.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};

use crate::domain::Uid;

/// A turn that waits for its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pending {
    /// Whether it is an agent's.
    pub agent: bool,
    /// Key.
    pub uid: Uid,
    /// Parent as stored.
    pub parent: Option<Uid>,
    /// Version, which for a row of another program is the time of its arrival.
    pub rev: i64,
    /// Creation in microseconds, or `rev` where none is stored.
    pub created: i64,
}

/// What "older" means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Age {
    /// By creation: at adoption all rows have arrived at once.
    Created,
    /// By arrival.
    Arrived,
}

/// The turns in their order, and where cycles were cut.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Ordered {
    /// Places in the list that was given.
    pub places: Vec<usize>,
    /// Turns at which a cycle of parents was cut.
    pub cycles: Vec<Uid>,
}

/// Orders the waiting turns of one session. Turns below one that is `busy` (locked by a
/// transaction under way) are left out: they would get their number before their parent.
pub(super) fn order(turns: &[Pending], busy: &HashSet<Uid>, age: Age) -> Ordered {
    let by_uid: HashMap<&Uid, usize> = turns.iter().zip(0..).map(|(t, ix)| (&t.uid, ix)).collect();
    let parent: Vec<Option<usize>> = turns
        .iter()
        .map(|turn| by_uid.get(turn.parent.as_ref()?).copied())
        .collect();
    let mut children: Vec<Vec<usize>> = vec![Vec::new(); turns.len()];
    for (ix, parent) in parent.iter().enumerate() {
        if let Some(parent) = parent {
            children[*parent].push(ix);
        }
    }
    let mut done = below_busy(turns, busy, &children);
    let key = |ix: usize| {
        let turn = &turns[ix];
        let (first, second) = match age {
            Age::Created => (turn.created, turn.rev),
            Age::Arrived => (turn.rev, turn.created),
        };
        // `second` only where two rows arrived in one microsecond; at adoption keys decide.
        let second = if age == Age::Created { 0 } else { second };
        Reverse((first, second, turn.uid.clone(), ix))
    };
    let mut ready: BinaryHeap<_> = (0..turns.len())
        .filter(|&ix| parent[ix].is_none() && !done[ix])
        .map(key)
        .collect();
    let mut ordered = Ordered::default();
    let mut start = 0;
    loop {
        while let Some(Reverse((.., ix))) = ready.pop() {
            if std::mem::replace(&mut done[ix], true) {
                continue;
            }
            ordered.places.push(ix);
            ready.extend(children[ix].iter().filter(|&&c| !done[c]).map(|&c| key(c)));
        }
        // What is left hangs on a cycle.
        match (start..turns.len()).find(|&ix| !done[ix]) {
            Some(ix) => {
                start = ix;
                let cut = lowest_of_cycle(turns, &parent, ix);
                ordered.cycles.push(turns[cut].uid.clone());
                ready.push(key(cut));
            }
            None => return ordered,
        }
    }
}

/// Marks turns that are below a busy one.
fn below_busy(turns: &[Pending], busy: &HashSet<Uid>, children: &[Vec<usize>]) -> Vec<bool> {
    let mut left_out = vec![false; turns.len()];
    let under = |turn: &Pending| turn.parent.as_ref().is_some_and(|p| busy.contains(p));
    let mut stack: Vec<usize> = (0..turns.len()).filter(|&ix| under(&turns[ix])).collect();
    while let Some(ix) = stack.pop() {
        if !std::mem::replace(&mut left_out[ix], true) {
            stack.extend(&children[ix]);
        }
    }
    left_out
}

fn lowest_of_cycle(turns: &[Pending], parent: &[Option<usize>], from: usize) -> usize {
    let up = |ix: usize| parent[ix].expect("a turn that is left has a parent that is left");
    let mut seen = HashSet::new();
    let mut on_cycle = from;
    while seen.insert(on_cycle) {
        on_cycle = up(on_cycle);
    }
    let (mut lowest, mut ix) = (on_cycle, up(on_cycle));
    while ix != on_cycle {
        if turns[ix].uid < turns[lowest].uid {
            lowest = ix;
        }
        ix = up(ix);
    }
    lowest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uid(text: &str) -> Uid {
        Uid::parse(text).unwrap()
    }

    fn turn(key: &str, parent: &str, rev: i64, created: i64) -> Pending {
        Pending {
            agent: false,
            uid: uid(key),
            parent: (!parent.is_empty()).then(|| uid(parent)),
            rev,
            created,
        }
    }

    fn keys(turns: &[Pending], busy: &[&str], age: Age) -> (String, String) {
        let ordered = order(turns, &busy.iter().map(|b| uid(b)).collect(), age);
        let text = |uids: Vec<&str>| uids.join(" ");
        (
            text(
                ordered
                    .places
                    .iter()
                    .map(|&ix| turns[ix].uid.as_str())
                    .collect(),
            ),
            text(ordered.cycles.iter().map(Uid::as_str).collect()),
        )
    }

    #[test]
    fn parents_come_first_and_then_age_and_key_decide() {
        // The answer is older than its question, as in real exports.
        let turns = [
            turn("answer", "question", 1, 10),
            turn("question", "", 9, 20),
            turn("b", "", 5, 5),
            turn("a", "elsewhere", 5, 5),
        ];
        let arrived = keys(&turns, &[], Age::Arrived);
        assert_eq!(arrived, ("a b question answer".into(), String::new()));
        let mut twins = [
            turn("b", "", 1, 7),
            turn("a", "", 2, 7),
            turn("0", "", 3, 8),
        ];
        assert_eq!(keys(&twins, &[], Age::Created).0, "a b 0");
        twins.reverse();
        assert_eq!(keys(&twins, &[], Age::Arrived).0, "b a 0");
    }

    #[test]
    fn cycles_are_cut_at_their_lowest_key_and_told() {
        let turns = [
            turn("tail", "c", 0, 0),
            turn("c", "b", 1, 1),
            turn("b", "d", 2, 2),
            turn("d", "c", 3, 3),
            turn("self", "self", 4, 4),
            turn("root", "", 5, 5),
        ];
        let (order, cycles) = keys(&turns, &[], Age::Arrived);
        assert_eq!(
            (order.as_str(), cycles.as_str()),
            ("root b c tail d self", "b self")
        );
    }

    #[test]
    fn what_hangs_on_a_busy_turn_waits_for_it() {
        let turns = [
            turn("child", "busy", 1, 1),
            turn("grandchild", "child", 2, 2),
            turn("free", "", 3, 3),
        ];
        assert_eq!(keys(&turns, &["busy"], Age::Arrived).0, "free");
    }

    #[test]
    fn long_chains_and_wide_families_are_ordered_without_recursion() {
        let chain: Vec<_> = (0..10_000)
            .map(|n| turn(&format!("{n:05}"), &format!("{:05}", n + 1), n, 0))
            .collect();
        assert_eq!(
            order(&chain, &HashSet::new(), Age::Arrived).places[0],
            9_999
        );
        let ring: Vec<_> = (0..10_000)
            .map(|n| {
                turn(
                    &format!("{n:05}"),
                    &format!("{:05}", (n + 1) % 10_000),
                    n,
                    0,
                )
            })
            .collect();
        let ordered = order(&ring, &HashSet::new(), Age::Arrived);
        assert_eq!(
            (ordered.places.len(), ordered.cycles),
            (10_000, vec![uid("00000")])
        );
    }
}
