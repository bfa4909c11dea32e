//! The graph against a naive model that searches the rows, on generated forests, sound and broken.

use proptest::prelude::*;

use super::{Damage, SessionGraph};
use crate::domain::{Timestamp, TurnRole, TurnRow, Uid};

/// What the graph should be, answered in the slowest and plainest way: by walking rows.
struct Model {
    /// In the order of `seq`, duplicates left out, parents that cannot be followed set to none.
    rows: Vec<TurnRow>,
    /// The same rows with their parents as stored.
    stored: Vec<TurnRow>,
    active_root: Option<Uid>,
    damage: Vec<Damage>,
}

impl Model {
    fn of(mut rows: Vec<TurnRow>, active_root: Option<Uid>) -> Self {
        rows.sort_by(|a, b| a.seq.cmp(&b.seq).then(a.uid.cmp(&b.uid)));
        let mut model = Self {
            rows: Vec::new(),
            stored: Vec::new(),
            active_root,
            damage: Vec::new(),
        };
        for row in rows {
            match model.rows.iter().any(|kept| kept.uid == row.uid) {
                true => model.damage.push(Damage::Duplicate { uid: row.uid }),
                false => model.rows.push(row),
            }
        }
        let stored = model.rows.clone();
        model.stored.clone_from(&stored);
        let known = |uid: &Uid| stored.iter().any(|row| row.uid == *uid);
        for row in &mut model.rows {
            if let Some(parent_uid) = row.parent_uid.take_if(|uid| !known(uid)) {
                let uid = row.uid.clone();
                model.damage.push(Damage::Orphan { uid, parent_uid });
            }
        }
        // A turn is the lowest of a cycle when n steps up from it lead back to it on the way and
        // past no lower key.
        let cut: Vec<Uid> = model.all().filter(|uid| model.is_cut(uid)).collect();
        for row in model.rows.iter_mut().filter(|row| cut.contains(&row.uid)) {
            row.parent_uid = None;
            let uid = row.uid.clone();
            model.damage.push(Damage::Cycle { uid });
        }
        let role = |uid: &Uid| model.row(uid).role;
        let wrong: Vec<Damage> = (model.rows.iter().zip(&stored))
            .filter(|(row, stored)| match &row.parent_uid {
                Some(parent) => role(parent) == row.role,
                None => stored.parent_uid.is_none() && row.role == TurnRole::Agent,
            })
            .map(|(row, _)| Damage::Role {
                uid: row.uid.clone(),
            })
            .collect();
        model.damage.extend(wrong);
        model
    }

    fn is_cut(&self, uid: &Uid) -> bool {
        let mut at = uid.clone();
        for _ in 0..self.rows.len() {
            match self.parent(&at) {
                Some(up) if up == *uid => return true,
                Some(up) if up > *uid => at = up,
                _ => return false,
            }
        }
        false
    }

    fn row(&self, uid: &Uid) -> &TurnRow {
        let found = self.rows.iter().find(|row| row.uid == *uid);
        found.expect("the key is one of the model's")
    }

    fn all(&self) -> impl Iterator<Item = Uid> + '_ {
        self.rows.iter().map(|row| row.uid.clone())
    }

    fn parent(&self, uid: &Uid) -> Option<Uid> {
        self.row(uid).parent_uid.clone()
    }

    fn path_to(&self, uid: &Uid) -> Vec<Uid> {
        let mut path = self.parent(uid).map_or(vec![], |up| self.path_to(&up));
        path.push(uid.clone());
        path
    }

    fn is_deleted(&self, uid: &Uid) -> bool {
        let path = self.path_to(uid);
        path.iter().any(|up| self.row(up).deleted_at.is_some())
    }

    /// Living turns below `parent`, or living roots.
    fn below(&self, parent: Option<&Uid>) -> Vec<Uid> {
        let below = self
            .all()
            .filter(|uid| self.parent(uid).as_ref() == parent && !self.is_deleted(uid));
        below.collect()
    }

    fn siblings(&self, uid: &Uid) -> Vec<Uid> {
        let parent = self.parent(uid);
        let siblings = self.all().filter(|other| {
            other == uid || (self.parent(other) == parent && !self.is_deleted(other))
        });
        siblings.collect()
    }

    fn active_below(&self, parent: Option<&Uid>) -> Option<Uid> {
        let stored = match parent {
            Some(uid) => self.row(uid).active_child.clone(),
            None => self.active_root.clone(),
        };
        let below = self.below(parent);
        let shown = stored.filter(|uid| below.contains(uid));
        let written = |uid: &&Uid| {
            let row = self.stored.iter().find(|row| row.uid == **uid);
            row.is_some_and(|row| row.parent_uid.as_ref() == parent)
        };
        let newest = below.iter().rev();
        shown
            .or_else(|| newest.clone().find(written).cloned())
            .or_else(|| newest.clone().next().cloned())
    }

    fn down_from(&self, from: Option<Uid>) -> Vec<Uid> {
        match self.active_below(from.as_ref()) {
            Some(next) => {
                let mut path = vec![next.clone()];
                path.extend(self.down_from(Some(next)));
                path
            }
            None => vec![],
        }
    }

    fn fork_point(&self, leaf: &Uid) -> Option<Uid> {
        let path = self.path_to(leaf);
        let mut ancestors = path.into_iter().rev().skip(1);
        ancestors.find(|up| self.below(Some(up)).len() > 1)
    }

    fn common_ancestor(&self, a: &Uid, b: &Uid) -> Option<Uid> {
        let on_b = self.path_to(b);
        let path = self.path_to(a);
        path.into_iter().rev().find(|up| on_b.contains(up))
    }
}

fn uid(n: usize) -> Uid {
    Uid::stored(format!("u{n:04}"))
}

fn turn(n: usize, parent: Option<usize>) -> TurnRow {
    TurnRow {
        uid: uid(n),
        role: match n % 2 {
            0 => TurnRole::Human,
            _ => TurnRole::Agent,
        },
        parent_uid: parent.map(uid),
        active_child: None,
        seq: n as i32,
        created_at: Timestamp(0),
        deleted_at: None,
        liked: None,
        model: None,
        status: None,
        finished_at: None,
        usage: None,
        rev: 1,
    }
}

/// Rows as they come: keys and numbers may be double, parents may be missing, later, or the turn
/// itself; `tight` draws keys from so few that cycles are common.
fn any_rows(tight: usize) -> impl Strategy<Value = Vec<TurnRow>> {
    let key = 0..tight;
    let row = (
        key.clone(),
        prop_oneof![1 => Just(None), 6 => key.clone().prop_map(Some), 1 => Just(Some(9999))],
        prop_oneof![2 => Just(None), 5 => key.prop_map(Some), 1 => Just(Some(9998))],
        prop::bool::weighted(0.15),
        0..30i32,
        any::<bool>(),
    );
    let row = row.prop_map(|(n, parent, active, deleted, seq, human)| TurnRow {
        active_child: active.map(uid),
        deleted_at: deleted.then_some(Timestamp(1)),
        seq,
        role: if human {
            TurnRole::Human
        } else {
            TurnRole::Agent
        },
        ..turn(n, parent)
    });
    prop::collection::vec(row, 0..24)
}

/// Sound forests: keys unique, parents earlier and of the other role, several roots; in any order.
fn sound_rows() -> impl Strategy<Value = Vec<TurnRow>> {
    let link = (
        any::<prop::sample::Index>(),
        any::<prop::sample::Index>(),
        prop::bool::weighted(0.1),
        prop::bool::weighted(0.1),
    );
    let rows = prop::collection::vec(link, 0..40).prop_map(|links| {
        let mut rows: Vec<TurnRow> = Vec::new();
        for (n, (parent, active, root, deleted)) in links.into_iter().enumerate() {
            let above = (!root && n > 0).then(|| parent.index(n));
            let role = match above.map(|p| rows[p].role) {
                Some(TurnRole::Human) => TurnRole::Agent,
                _ => TurnRole::Human,
            };
            rows.push(TurnRow {
                role,
                active_child: Some(uid(active.index(40))),
                deleted_at: deleted.then_some(Timestamp(1)),
                ..turn(n, above)
            });
        }
        rows
    });
    rows.prop_shuffle()
}

fn agrees(rows: Vec<TurnRow>, active_root: Option<Uid>) -> Result<(), TestCaseError> {
    let graph = SessionGraph::build(rows.clone(), active_root.clone());
    let model = Model::of(rows, active_root);
    let name = |ix: usize| graph.turn(ix).uid.clone();
    let names = |path: &[usize]| path.iter().map(|&ix| name(ix)).collect::<Vec<_>>();
    let listed = |path: &mut dyn Iterator<Item = usize>| path.map(name).collect::<Vec<_>>();

    prop_assert_eq!(
        listed(&mut (0..graph.len())),
        model.all().collect::<Vec<_>>()
    );
    prop_assert_eq!(graph.is_empty(), model.rows.is_empty());
    let told = |damage: &[Damage]| {
        let mut told: Vec<String> = damage.iter().map(|d| format!("{d:?}")).collect();
        told.sort();
        told
    };
    prop_assert_eq!(told(graph.damage()), told(&model.damage));
    prop_assert_eq!(listed(&mut graph.roots()), model.below(None));
    prop_assert_eq!(graph.active_root().map(name), model.active_below(None));
    let shown = model.down_from(None);
    prop_assert_eq!(names(graph.active_path()), shown.clone());
    prop_assert_eq!(graph.active_leaf().map(name), shown.last().cloned());
    let living: Vec<Uid> = model.all().filter(|u| !model.is_deleted(u)).collect();
    prop_assert_eq!(listed(&mut graph.living()), living);
    prop_assert_eq!(graph.find(&uid(9999)), None);

    for ix in 0..graph.len() {
        let at = &name(ix);
        prop_assert_eq!(graph.is_on_active_path(ix), shown.contains(at));
        agrees_at(&graph, &model, ix)?;
        for other in 0..graph.len() {
            let common = graph.common_ancestor(ix, other).map(name);
            prop_assert_eq!(common, model.common_ancestor(at, &name(other)));
        }
    }
    let leaves = graph
        .living()
        .filter(|&ix| graph.children(ix).next().is_none());
    let branches: Vec<_> = leaves.map(|leaf| graph.branch(leaf)).collect();
    prop_assert_eq!(graph.branches(), branches);
    Ok(())
}

/// The questions about one turn.
fn agrees_at(graph: &SessionGraph, model: &Model, ix: usize) -> Result<(), TestCaseError> {
    let name = |ix: usize| graph.turn(ix).uid.clone();
    let names = |path: &[usize]| path.iter().map(|&ix| name(ix)).collect::<Vec<_>>();
    let listed = |path: &mut dyn Iterator<Item = usize>| path.map(name).collect::<Vec<_>>();
    let at = &name(ix);
    prop_assert_eq!(graph.find(at), Some(ix));
    prop_assert_eq!(graph.parent(ix).map(name), model.parent(at));
    prop_assert_eq!(listed(&mut graph.children(ix)), model.below(Some(at)));
    prop_assert_eq!(listed(&mut graph.siblings(ix)), model.siblings(at));
    prop_assert_eq!(graph.is_deleted(ix), model.is_deleted(at));
    prop_assert_eq!(
        graph.active_child(ix).map(name),
        model.active_below(Some(at))
    );
    let mut path = model.path_to(at);
    prop_assert_eq!(graph.depth(ix), path.len() - 1);
    prop_assert_eq!(names(&graph.path_to(ix)), path.clone());
    prop_assert_eq!(names(&graph.ancestors(ix)), path[..path.len() - 1].to_vec());
    path.extend(model.down_from(Some(at.clone())));
    prop_assert_eq!(names(&graph.path_through(ix)), path);

    let under = graph.subtree(ix);
    for (place, &below) in under.iter().enumerate() {
        let parent_first = graph
            .parent(below)
            .is_some_and(|p| under[..place].contains(&p));
        prop_assert!(place == 0 || parent_first);
    }
    let mut under = names(&under);
    under.sort();
    let mut expected: Vec<Uid> = model
        .all()
        .filter(|u| model.path_to(u).contains(at))
        .collect();
    expected.sort();
    prop_assert_eq!(under, expected);

    let branch = graph.branch(ix);
    prop_assert_eq!(branch.leaf, ix);
    prop_assert_eq!(branch.fork_point.map(name), model.fork_point(at));
    prop_assert_eq!(branch.length, graph.depth(ix) + 1);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn it_agrees_with_the_model_on_rows_of_any_kind(
        rows in any_rows(20),
        active_root in prop::option::of((0..20usize).prop_map(uid)),
    ) {
        agrees(rows, active_root)?;
    }

    #[test]
    fn it_agrees_with_the_model_where_cycles_and_doubles_are_common(
        rows in any_rows(6),
        active_root in prop::option::of((0..6usize).prop_map(uid)),
    ) {
        agrees(rows, active_root)?;
    }

    #[test]
    fn it_agrees_with_the_model_on_sound_sessions_and_finds_no_damage(
        rows in sound_rows(),
        active_root in prop::option::of((0..40usize).prop_map(uid)),
    ) {
        let graph = SessionGraph::build(rows.clone(), None);
        prop_assert_eq!(graph.damage(), &[]);
        agrees(rows, active_root)?;
    }
}

#[test]
fn a_chain_of_ten_thousand_turns_is_walked_without_recursion() {
    let n = 10_000;
    let up = |k: usize| k.checked_sub(1);
    let mut rows: Vec<TurnRow> = (0..n).map(|k| turn(k, up(k))).collect();
    rows.reverse();
    // A stack of 64 KiB has no room for 10,000 frames.
    let small_stack = std::thread::Builder::new().stack_size(64 * 1024);
    let walk = small_stack.spawn(move || {
        let graph = SessionGraph::build(rows, None);
        let whole: Vec<usize> = (0..n).collect();
        assert_eq!(graph.damage(), []);
        assert_eq!(graph.active_path(), whole);
        assert_eq!(graph.path_through(0), whole);
        assert_eq!(graph.subtree(0), whole);
        assert_eq!(graph.ancestors(n - 1).len(), n - 1);
        assert_eq!(graph.depth(n - 1), n - 1);
        assert_eq!(graph.common_ancestor(0, n - 1), Some(0));
        assert_eq!((graph.branches().len(), graph.branch(n - 1).length), (1, n));
        assert!((0..n).all(|ix| graph.is_on_active_path(ix)));
    });
    walk.unwrap().join().unwrap();
}

#[test]
fn a_thousand_children_keep_their_order_and_the_active_one_is_found() {
    let mut rows: Vec<TurnRow> = (1..=1000).map(|k| turn(2 * k - 1, Some(0))).collect();
    rows.push(TurnRow {
        active_child: Some(uid(777)),
        ..turn(0, None)
    });
    for (k, row) in rows.iter_mut().enumerate().take(1000) {
        row.deleted_at = (k % 10 == 9).then_some(Timestamp(1));
    }
    let graph = SessionGraph::build(rows, None);
    let children: Vec<usize> = graph.children(0).collect();
    assert_eq!((children.len(), graph.branches().len()), (900, 900));
    assert!(children.is_sorted());
    assert_eq!(graph.active_child(0), graph.find(&uid(777)));
    assert_eq!(graph.branches()[0].fork_point, Some(0));
    assert_eq!(graph.siblings(graph.find(&uid(19)).unwrap()).count(), 901);
}

#[test]
fn a_cycle_of_a_thousand_turns_is_cut_once_at_its_lowest_key() {
    let n = 1000;
    let rows = (0..n).map(|k| turn(k, Some((k + 300) % n))).collect();
    let graph = SessionGraph::build(rows, None);
    // 300 and 1000 have the common divisor 100: a hundred cycles of ten turns.
    let cycle = |damage: &&Damage| matches!(damage, Damage::Cycle { .. });
    assert_eq!(graph.damage().iter().filter(cycle).count(), 100);
    assert_eq!(graph.roots().count(), 100);
    let rows = (0..n).map(|k| turn(k, Some((k + 301) % n))).collect();
    let graph = SessionGraph::build(rows, None);
    assert_eq!(graph.damage(), [Damage::Cycle { uid: uid(0) }]);
    assert_eq!(graph.active_path().len(), n);
    assert_eq!(graph.subtree(0).len(), n);
}

#[test]
fn a_turn_that_is_its_own_parent_is_a_root() {
    let graph = SessionGraph::build(vec![turn(0, Some(0)), turn(1, Some(0))], None);
    assert_eq!(graph.damage(), [Damage::Cycle { uid: uid(0) }]);
    assert_eq!((graph.parent(0), graph.active_path()), (None, &[0, 1][..]));
}

#[test]
fn an_orphan_or_a_cycle_is_shown_only_where_no_sound_root_lives() {
    let mut rows = vec![
        turn(0, None),
        turn(1, Some(0)),
        turn(2, Some(99)),
        turn(4, Some(4)),
    ];
    let shown = |rows: &[TurnRow], root| {
        let graph = SessionGraph::build(rows.to_vec(), root);
        graph.active_root().map(|ix| graph.turn(ix).uid.clone())
    };
    assert_eq!(shown(&rows, None), Some(uid(0)));
    assert_eq!(shown(&rows, Some(uid(2))), Some(uid(2)), "it was chosen");
    rows[0].deleted_at = Some(Timestamp(1));
    assert_eq!(shown(&rows, None), Some(uid(4)));
}

#[test]
fn no_turn_of_a_deleted_or_other_root_is_on_the_active_path() {
    let mut rows = vec![
        turn(0, None),
        turn(1, Some(0)),
        turn(2, None),
        turn(3, Some(2)),
    ];
    let shown = |rows: &[TurnRow], root| {
        let graph = SessionGraph::build(rows.to_vec(), root);
        (0..4)
            .map(|ix| graph.is_on_active_path(ix))
            .collect::<Vec<_>>()
    };
    assert_eq!(shown(&rows, None), [false, false, true, true]);
    assert_eq!(shown(&rows, Some(uid(0))), [true, true, false, false]);
    rows[0].deleted_at = Some(Timestamp(1));
    assert_eq!(shown(&rows, Some(uid(0))), [false, false, true, true]);
    rows[2].deleted_at = Some(Timestamp(1));
    assert_eq!(shown(&rows, Some(uid(0))), [false; 4]);
}
