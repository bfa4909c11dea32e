//! Questions to a built graph. Unless said otherwise, deleted turns are not part of any answer.

use super::{Damage, Ix, NONE, SessionGraph};
use crate::domain::{TurnRow, Uid};

/// One branch: a living leaf and the path that leads to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Branch {
    /// The last turn.
    pub leaf: Ix,
    /// The nearest ancestor with more than one living child; none when the path never forks.
    pub fork_point: Option<Ix>,
    /// Number of turns from the root to the leaf.
    pub length: usize,
}

impl SessionGraph {
    /// All turns in the order of `seq`, deleted ones included.
    pub fn turns(&self) -> &[TurnRow] {
        &self.turns
    }

    /// Gives the rows back, for a graph of what they become.
    pub fn into_turns(self) -> Vec<TurnRow> {
        self.turns
    }

    /// The turn at `ix`.
    pub fn turn(&self, ix: Ix) -> &TurnRow {
        &self.turns[ix]
    }

    /// Number of turns, deleted ones included.
    pub fn len(&self) -> usize {
        self.turns.len()
    }

    /// Whether the session has no turn at all.
    pub fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }

    /// What is wrong with the rows; empty for a sound session.
    pub fn damage(&self) -> &[Damage] {
        &self.damage
    }

    /// Finds a turn by key, deleted ones included.
    pub fn find(&self, uid: &Uid) -> Option<Ix> {
        let at = self
            .by_uid
            .binary_search_by(|&ix| self.turns[ix as usize].uid.cmp(uid))
            .ok()?;
        Some(self.by_uid[at] as Ix)
    }

    /// Whether the turn or one of its ancestors is deleted.
    pub fn is_deleted(&self, ix: Ix) -> bool {
        self.deleted[ix]
    }

    /// Number of ancestors, deleted ones included.
    pub fn depth(&self, ix: Ix) -> usize {
        self.depth[ix] as usize
    }

    /// The parent, even a deleted one; none for roots.
    pub fn parent(&self, ix: Ix) -> Option<Ix> {
        (self.parent[ix] != NONE).then(|| self.parent[ix] as Ix)
    }

    /// Living turns in the order of `seq`.
    pub fn living(&self) -> impl DoubleEndedIterator<Item = Ix> + '_ {
        (0..self.turns.len()).filter(|&ix| !self.deleted[ix])
    }

    /// Living children in the order of `seq`.
    pub fn children(&self, ix: Ix) -> impl DoubleEndedIterator<Item = Ix> + '_ {
        self.living_of(ix)
    }

    /// Living roots in the order of `seq`.
    pub fn roots(&self) -> impl DoubleEndedIterator<Item = Ix> + '_ {
        self.living_of(self.turns.len())
    }

    /// The turn itself and the living turns with the same parent, in the order of `seq`.
    pub fn siblings(&self, ix: Ix) -> impl DoubleEndedIterator<Item = Ix> + '_ {
        let run = self.parent(ix).unwrap_or(self.turns.len());
        self.run(run)
            .iter()
            .map(|&s| s as Ix)
            .filter(move |&s| s == ix || !self.deleted[s])
    }

    fn living_of(&self, run: usize) -> impl DoubleEndedIterator<Item = Ix> + '_ {
        self.run(run)
            .iter()
            .map(|&ix| ix as Ix)
            .filter(|&ix| !self.deleted[ix])
    }

    /// The child that is shown: the stored `active_child` where it is a living child, else the
    /// newest living child.
    pub fn active_child(&self, ix: Ix) -> Option<Ix> {
        self.active_of(ix, self.turns[ix].active_child.as_ref())
    }

    /// The root that is shown: the stored one where it is a living root, else the newest of those
    /// that were written as roots. One that is a root only because its parent is missing, or
    /// because a cycle was cut there, is shown where there is no other.
    pub fn active_root(&self) -> Option<Ix> {
        let run = self.turns.len();
        let written = |&root: &Ix| self.turns[root].parent_uid.is_none();
        self.stored_of(run, self.active_root.as_ref())
            .or_else(|| self.roots().rfind(written))
            .or_else(|| self.roots().next_back())
    }

    fn active_of(&self, run: usize, stored: Option<&Uid>) -> Option<Ix> {
        self.stored_of(run, stored)
            .or_else(|| self.living_of(run).next_back())
    }

    fn stored_of(&self, run: usize, stored: Option<&Uid>) -> Option<Ix> {
        let uid = stored?;
        self.living_of(run).find(|&c| self.turns[c].uid == *uid)
    }

    /// Root-to-leaf path that the person sees.
    pub fn active_path(&self) -> &[Ix] {
        self.active_path.get_or_init(|| {
            let mut path = Vec::new();
            if let Some(root) = self.active_root() {
                path.push(root);
                self.extend_by_active(&mut path);
            }
            path
        })
    }

    /// Last turn of the active path; none for a session without living turns.
    pub fn active_leaf(&self) -> Option<Ix> {
        self.active_path().last().copied()
    }

    /// Whether the turn is on the active path.
    pub fn is_on_active_path(&self, ix: Ix) -> bool {
        // Depth is the place on the path: one look instead of a search.
        let first = self
            .active_path()
            .first()
            .map_or(0, |&root| self.depth(root));
        self.depth(ix)
            .checked_sub(first)
            .and_then(|place| self.active_path().get(place))
            .is_some_and(|&on_path| on_path == ix)
    }

    /// Root-to-leaf path through `ix`, continued from there by active children. The ancestors
    /// are all of them, deleted ones included.
    pub fn path_through(&self, ix: Ix) -> Vec<Ix> {
        let mut path = self.path_to(ix);
        self.extend_by_active(&mut path);
        path
    }

    /// Ancestors from the root down to the parent, deleted ones included.
    pub fn ancestors(&self, ix: Ix) -> Vec<Ix> {
        let mut path = self.path_to(ix);
        path.pop();
        path
    }

    /// From the root down to `ix`.
    pub fn path_to(&self, ix: Ix) -> Vec<Ix> {
        let mut path = vec![ix];
        path.extend(std::iter::successors(self.parent(ix), |&p| self.parent(p)));
        path.reverse();
        path
    }

    fn extend_by_active(&self, path: &mut Vec<Ix>) {
        while let Some(next) = path.last().and_then(|&last| self.active_child(last)) {
            path.push(next);
        }
    }

    /// The branches, one a living leaf, in the order of the leaves' `seq`.
    pub fn branches(&self) -> Vec<Branch> {
        // The nearest fork above every turn, from the roots down: parents may come after their
        // children in `seq`, so the order is that of depth.
        let mut by_depth: Vec<Ix> = self.living().collect();
        by_depth.sort_by_key(|&ix| self.depth[ix]);
        let mut children = vec![0u32; self.turns.len()];
        for p in by_depth.iter().filter_map(|&ix| self.parent(ix)) {
            children[p] += 1;
        }
        let mut fork = vec![NONE; self.turns.len()];
        for ix in by_depth {
            let Some(p) = self.parent(ix) else { continue };
            fork[ix] = if children[p] > 1 { p as u32 } else { fork[p] };
        }
        self.living()
            .filter(|&ix| children[ix] == 0)
            .map(|leaf| Branch {
                leaf,
                fork_point: (fork[leaf] != NONE).then(|| fork[leaf] as Ix),
                length: self.depth(leaf) + 1,
            })
            .collect()
    }

    /// The branch that ends in `leaf`.
    pub fn branch(&self, leaf: Ix) -> Branch {
        let forks = |&p: &Ix| self.children(p).nth(1).is_some();
        Branch {
            leaf,
            fork_point: std::iter::successors(self.parent(leaf), |&p| self.parent(p)).find(forks),
            length: self.depth(leaf) + 1,
        }
    }

    /// The deepest turn that is `a` or `b` or an ancestor of each; none when they hang on
    /// different roots.
    pub fn common_ancestor(&self, a: Ix, b: Ix) -> Option<Ix> {
        let (mut a, mut b) = (a, b);
        while a != b {
            if self.depth[a] >= self.depth[b] {
                a = self.parent(a)?;
            } else {
                b = self.parent(b)?;
            }
        }
        Some(a)
    }

    /// The turn and everything under it, deleted turns included, parents before children.
    pub fn subtree(&self, ix: Ix) -> Vec<Ix> {
        let mut all = vec![ix];
        let mut at = 0;
        while at < all.len() {
            let next = all[at];
            all.extend(self.run(next).iter().map(|&c| c as Ix));
            at += 1;
        }
        all
    }
}
