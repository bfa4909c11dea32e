//! Which pointers must change so that a path is the one that is shown. Pure.
//!
//! Pointers are `active_child` of turns and `active_root` of the session. A pointer that is null,
//! or names a deleted turn, is read as "the newest living child". So most pointers of a path are
//! right already, and only those at forks that show another branch are written; besides, the
//! pointer to the path's last turn is always written, since a later sibling would otherwise take
//! its place.

use crate::commands::attempt::Locked;
use crate::domain::graph::Ix;
use crate::domain::{SessionGraph, Uid};
use crate::stores::record::TurnPatch;

/// A pointer to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Pointer {
    /// The session's `active_root`.
    Root(Uid),
    /// `active_child` of a turn.
    Child(Ix, Uid),
}

/// Pointers that must change so that the path from a root to `ix` is shown. All turns of the
/// path are living. `stored_root` is the session's pointer as stored.
pub(super) fn show(graph: &SessionGraph, stored_root: Option<&Uid>, ix: Ix) -> Vec<Pointer> {
    let path = graph.path_to(ix);
    let uid = |ix: Ix| graph.turn(ix).uid.clone();
    let mut pointers = Vec::new();
    let root = path[0];
    let pin = root == ix && stored_root != Some(&graph.turn(root).uid);
    if pin || graph.active_root() != Some(root) {
        pointers.push(Pointer::Root(uid(root)));
    }
    for step in path.windows(2) {
        let (parent, child) = (step[0], step[1]);
        let stored = graph.turn(parent).active_child.as_ref();
        let pin = child == ix && stored != Some(&graph.turn(child).uid);
        if pin || graph.active_child(parent) != Some(child) {
            pointers.push(Pointer::Child(parent, uid(child)));
        }
    }
    pointers
}

/// Pointers that must change so that `new`, not yet in the graph, is shown below `parent`.
pub(super) fn show_new(
    graph: &SessionGraph,
    stored_root: Option<&Uid>,
    parent: Option<Ix>,
    new: &Uid,
) -> Vec<Pointer> {
    let Some(parent) = parent else {
        return vec![Pointer::Root(new.clone())];
    };
    let mut pointers = show(graph, stored_root, parent);
    // The parent is no longer the end of the path, so its own pointer needs no pin.
    pointers.retain(|pointer| !is_pin(graph, pointer));
    pointers.push(Pointer::Child(parent, new.clone()));
    pointers
}

/// Pointers that must change so that a turn that comes to life below `parent`, new or restored, is
/// **not** shown: a null pointer would move to it, so what is shown now is written down.
pub(super) fn keep(
    graph: &SessionGraph,
    stored_root: Option<&Uid>,
    parent: Option<Ix>,
) -> Vec<Pointer> {
    let (shown, stored) = match parent {
        None => (graph.active_root(), stored_root),
        Some(p) => (graph.active_child(p), graph.turn(p).active_child.as_ref()),
    };
    let Some(shown) = shown.map(|ix| &graph.turn(ix).uid) else {
        return Vec::new();
    };
    if stored == Some(shown) {
        return Vec::new();
    }
    vec![match parent {
        None => Pointer::Root(shown.clone()),
        Some(p) => Pointer::Child(p, shown.clone()),
    }]
}

/// Where the pointer goes when `ix` is deleted; none when it does not name `ix`. A null pointer
/// stays null: it is read as the newest living sibling all the same.
pub(super) fn leave(graph: &SessionGraph, stored_root: Option<&Uid>, ix: Ix) -> Option<NextBest> {
    let parent = graph.parent(ix);
    let stored = match parent {
        None => stored_root,
        Some(p) => graph.turn(p).active_child.as_ref(),
    };
    let next = || graph.siblings(ix).rfind(|&s| s != ix);
    (stored == Some(&graph.turn(ix).uid)).then(|| NextBest {
        parent,
        next: next().map(|s| graph.turn(s).uid.clone()),
    })
}

/// The newest living sibling takes the place of a deleted turn.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NextBest {
    /// Whose pointer; none for the session's.
    pub(super) parent: Option<Ix>,
    /// Where it goes.
    pub(super) next: Option<Uid>,
}

/// Writes pointers.
pub(super) fn write(locked: &mut Locked, pointers: Vec<Pointer>) {
    for pointer in pointers {
        match pointer {
            Pointer::Root(uid) => locked.patch.active_root = Some(Some(uid)),
            Pointer::Child(parent, uid) => {
                let patch = TurnPatch {
                    active_child: Some(Some(uid)),
                    ..TurnPatch::default()
                };
                locked.edit_turn(parent, patch);
            }
        }
    }
}

/// Whether the pointer leads where it is read to lead already.
fn is_pin(graph: &SessionGraph, pointer: &Pointer) -> bool {
    let (shown, uid) = match pointer {
        Pointer::Root(uid) => (graph.active_root(), uid),
        Pointer::Child(parent, uid) => (graph.active_child(*parent), uid),
    };
    shown.is_some_and(|ix| graph.turn(ix).uid == *uid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Timestamp, TurnRole, TurnRow};

    fn key(text: &str) -> Uid {
        Uid::parse(text).unwrap()
    }

    /// Turns as `key<parent>active`, where the last two may be empty.
    fn graph(turns: &str, root: Option<&str>) -> SessionGraph {
        let row = |(seq, text): (i32, &str)| {
            let (uid, rest) = text.split_once('<').unwrap();
            let (parent, active) = rest.split_once('>').unwrap();
            let some = |text: &str| (!text.is_empty()).then(|| key(text));
            TurnRow {
                role: if uid.starts_with(char::is_uppercase) {
                    TurnRole::Agent
                } else {
                    TurnRole::Human
                },
                parent_uid: some(parent),
                active_child: some(active),
                ..crate::commands::turn::human_row(key(uid), seq, Timestamp(0), 0)
            }
        };
        let rows = (0..).zip(turns.split(' ')).map(row).collect();
        SessionGraph::build(rows, root.map(key))
    }

    fn brief(graph: &SessionGraph, pointers: Vec<Pointer>) -> String {
        let each = pointers.iter().map(|pointer| match pointer {
            Pointer::Root(uid) => format!(">{uid}"),
            Pointer::Child(ix, uid) => format!("{}>{uid}", graph.turn(*ix).uid),
        });
        each.collect::<Vec<_>>().join(" ")
    }

    fn at(graph: &SessionGraph, uid: &str) -> Ix {
        graph.find(&key(uid)).unwrap()
    }

    // Two roots, a and z; below a the answers A (with b) and B; nothing is stored.
    const OPEN: &str = "a<> A<a> b<A> B<a> z<>";

    #[test]
    fn only_forks_that_show_another_branch_and_the_end_are_written() {
        let open = graph(OPEN, None);
        let show_at = |uid| brief(&open, show(&open, None, at(&open, uid)));
        assert_eq!(show_at("b"), ">a a>A A>b");
        assert_eq!(show_at("A"), ">a a>A");
        assert_eq!(show_at("B"), ">a a>B");
        assert_eq!(show_at("a"), ">a");
        assert_eq!(show_at("z"), ">z");
        let stored = graph("a<>A A<a>b b<A> B<a> z<>", Some("a"));
        let root = key("a");
        let show_at = |uid| brief(&stored, show(&stored, Some(&root), at(&stored, uid)));
        assert_eq!(
            (show_at("b"), show_at("A"), show_at("a")),
            Default::default()
        );
        assert_eq!(
            (show_at("B"), show_at("z")),
            ("a>B".to_owned(), ">z".to_owned())
        );
    }

    #[test]
    fn a_new_turn_is_shown_or_what_is_shown_is_written_down() {
        let open = graph(OPEN, None);
        let place = |uid: Option<&str>| uid.map(|uid| at(&open, uid));
        let new = |uid| brief(&open, show_new(&open, None, place(uid), &key("N")));
        assert_eq!(new(None), ">N");
        assert_eq!(new(Some("B")), ">a B>N");
        assert_eq!(new(Some("z")), "z>N");
        let keep_at = |uid| brief(&open, keep(&open, None, place(uid)));
        assert_eq!(
            (keep_at(None), keep_at(Some("a"))),
            (">z".to_owned(), "a>B".to_owned())
        );
        assert_eq!(keep_at(Some("b")), "");
        let stored = graph("a<>A A<a> B<a>", Some("a"));
        assert_eq!(keep(&stored, Some(&key("a")), None), []);
        assert_eq!(keep(&stored, Some(&key("a")), Some(0)), []);
    }

    #[test]
    fn a_deleted_turn_leaves_its_pointer_to_the_newest_sibling() {
        let stored = graph("a<>A A<a> B<a> C<a>", Some("a"));
        let root = key("a");
        let leave_at = |uid| leave(&stored, Some(&root), at(&stored, uid));
        let to = |parent, next: Option<&str>| {
            Some(NextBest {
                parent,
                next: next.map(key),
            })
        };
        assert_eq!(leave_at("A"), to(Some(0), Some("C")));
        assert_eq!(leave_at("B"), None);
        assert_eq!(leave_at("a"), to(None, None));
        let open = graph("a<> A<a> B<a> b<B>", None);
        assert!((0..4).all(|ix| leave(&open, None, ix).is_none()));
    }
}
