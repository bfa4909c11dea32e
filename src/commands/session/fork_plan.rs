//! Which turns a fork copies, and how their pointers lie in the copy. Pure.

use std::collections::HashMap;

use crate::domain::graph::Ix;
use crate::domain::{SessionGraph, TurnRow, TurnStatus, Uid};

/// Which turns of a session a fork takes along. Deleted turns are never copied, and every copied
/// turn has its whole path to the root copied with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ForkScope {
    /// The path from the root to the turn.
    #[default]
    Path,
    /// That path, and beside each of its turns the living siblings (for the first turn: the other
    /// roots), without what lies under the siblings: the alternatives that could be switched to.
    PathWithSiblings,
    /// Every living turn whose `seq` is not higher than the turn's: the session as it was when
    /// the turn was written, all branches included. Where imported rows have a parent with a
    /// higher `seq` than its child, the parent is copied too.
    AllBefore,
}

impl ForkScope {
    /// All scopes.
    pub const ALL: [Self; 3] = [Self::Path, Self::PathWithSiblings, Self::AllBefore];

    /// The name in GraphQL, e.g. `PATH_WITH_SIBLINGS`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Path => "PATH",
            Self::PathWithSiblings => "PATH_WITH_SIBLINGS",
            Self::AllBefore => "ALL_BEFORE",
        }
    }
}

/// The turns that a fork at the living turn `ix` copies, in the order of `seq`.
pub(super) fn chosen(graph: &SessionGraph, ix: Ix, scope: ForkScope) -> Vec<Ix> {
    let mut turns = match scope {
        ForkScope::Path => graph.path_to(ix),
        ForkScope::PathWithSiblings => {
            let path = graph.path_to(ix);
            path.into_iter()
                .flat_map(|on_path| graph.siblings(on_path))
                .collect()
        }
        ForkScope::AllBefore => {
            let last = graph.turn(ix).seq;
            let mut seen = vec![false; graph.len()];
            for turn in graph.living().filter(|&t| graph.turn(t).seq <= last) {
                let mut above = Some(turn);
                while let Some(next) = above.filter(|&a| !std::mem::replace(&mut seen[a], true)) {
                    above = graph.parent(next);
                }
            }
            (0..graph.len()).filter(|&t| seen[t]).collect()
        }
    };
    turns.sort_unstable();
    turns
}

/// The copies of `chosen`, numbered from 0, with the keys of `keys` (one for each).
///
/// The path to `ix` is the active one of the copy; every other turn shows the child that it
/// shows in the source, where that one is copied. `created_at`, votes, model, usage and status
/// are kept, except that a turn that is still streaming is cancelled in the copy: nobody will
/// write to it.
pub(super) fn copies(
    graph: &SessionGraph,
    ix: Ix,
    chosen: &[Ix],
    keys: Vec<Uid>,
    rev: i64,
) -> Vec<TurnRow> {
    let of: HashMap<Ix, Uid> = chosen.iter().copied().zip(keys).collect();
    let path = graph.path_to(ix);
    let next_on_path: HashMap<Ix, Ix> = path.windows(2).map(|w| (w[0], w[1])).collect();
    let copy = |(seq, &source): (i32, &Ix)| {
        let row = graph.turn(source);
        let shown = next_on_path
            .get(&source)
            .copied()
            .or_else(|| graph.active_child(source));
        TurnRow {
            uid: of[&source].clone(),
            parent_uid: graph.parent(source).map(|parent| of[&parent].clone()),
            active_child: shown.and_then(|child| of.get(&child)).cloned(),
            seq,
            status: row.status.map(|status| match status {
                TurnStatus::Streaming => TurnStatus::Cancelled,
                done => done,
            }),
            rev,
            ..row.clone()
        }
    };
    (0..).zip(chosen).map(copy).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Timestamp, TurnRole};

    fn key(text: &str) -> Uid {
        Uid::parse(text).unwrap()
    }

    /// Turns as `key<parent`, a human one in lower case; `-` before the key deletes it.
    fn graph(turns: &str) -> SessionGraph {
        let row = |(seq, text): (i32, &str)| {
            let (text, deleted) = text.strip_prefix('-').map_or((text, false), |t| (t, true));
            let (uid, parent) = text.split_once('<').unwrap();
            let mut row = crate::commands::turn::human_row(key(uid), seq, Timestamp(9), 9);
            if uid.starts_with(char::is_uppercase) {
                row.role = TurnRole::Agent;
                row.status = Some(TurnStatus::Streaming);
                row.liked = Some(true);
            }
            row.parent_uid = (!parent.is_empty()).then(|| key(parent));
            row.deleted_at = deleted.then_some(Timestamp(1));
            row
        };
        let rows = (0..).zip(turns.split(' ')).map(row).collect();
        SessionGraph::build(rows, None)
    }

    const BRANCHED: &str = "a< A<a b<A B<b -C<b c< D<a d<D E<b";

    fn names(graph: &SessionGraph, at: &str, scope: ForkScope) -> String {
        let ix = graph.find(&key(at)).unwrap();
        let uids = chosen(graph, ix, scope);
        uids.iter().map(|&t| graph.turn(t).uid.as_str()).collect()
    }

    #[test]
    fn scopes_choose_what_they_say() {
        let graph = graph(BRANCHED);
        assert_eq!(names(&graph, "B", ForkScope::Path), "aAbB");
        assert_eq!(names(&graph, "B", ForkScope::PathWithSiblings), "aAbBcDE");
        assert_eq!(names(&graph, "B", ForkScope::AllBefore), "aAbB");
        assert_eq!(names(&graph, "D", ForkScope::Path), "aD");
        assert_eq!(names(&graph, "D", ForkScope::PathWithSiblings), "aAcD");
        assert_eq!(names(&graph, "D", ForkScope::AllBefore), "aAbBcD");
        assert_eq!(names(&graph, "c", ForkScope::PathWithSiblings), "ac");
    }

    #[test]
    fn a_parent_with_a_higher_number_is_copied_all_the_same() {
        let graph = graph("a<A A<b b<");
        assert_eq!(names(&graph, "a", ForkScope::AllBefore), "aAb");
    }

    #[test]
    fn copies_are_linked_among_themselves_and_show_the_fork() {
        let graph = graph(BRANCHED);
        let ix = graph.find(&key("B")).unwrap();
        let chosen = chosen(&graph, ix, ForkScope::PathWithSiblings);
        let keys = (0..chosen.len()).map(|n| key(&n.to_string())).collect();
        let rows = copies(&graph, ix, &chosen, keys, 77);
        let brief = |row: &TurnRow| {
            let of = |uid: &Option<Uid>| uid.as_ref().map_or("-".to_owned(), Uid::to_string);
            format!(
                "{}<{}>{}",
                row.seq,
                of(&row.parent_uid),
                of(&row.active_child)
            )
        };
        let all: Vec<_> = rows.iter().map(brief).collect();
        // The siblings D and E are leaves of the copy, and the path a A b B is shown.
        assert_eq!(
            all,
            [
                "0<->1", "1<0>2", "2<1>3", "3<2>-", "4<->-", "5<0>-", "6<2>-"
            ]
        );
        assert!(
            rows.iter()
                .all(|row| row.rev == 77 && row.created_at == Timestamp(9))
        );
        assert_eq!(
            (rows[1].status, rows[1].liked),
            (Some(TurnStatus::Cancelled), Some(true))
        );
    }
}
