//! From rows to the columns of the graph: links, cycles cut, children in order, depths, deletion.

use super::{Damage, NONE, SessionGraph};
use crate::domain::{TurnRole, TurnRow, Uid};

impl SessionGraph {
    /// Builds the graph of one session from all its turns, in any order, and the session's stored
    /// `active_root`.
    pub fn build(mut turns: Vec<TurnRow>, active_root: Option<Uid>) -> Self {
        if !turns.is_sorted_by(|a, b| a.seq < b.seq) {
            turns.sort_by(|a, b| (a.seq, &a.uid).cmp(&(b.seq, &b.uid)));
        }
        let mut damage = Vec::new();
        let by_uid = index_by_uid(&mut turns, &mut damage);
        let parent = parents(&turns, &by_uid, &mut damage);
        let mut graph = Self {
            children: Vec::new(),
            child_runs: Vec::new(),
            depth: Vec::new(),
            deleted: Vec::new(),
            active_path: std::sync::OnceLock::new(),
            turns,
            by_uid,
            parent,
            active_root,
            damage,
        };
        graph.link_children();
        if !graph.walk_down() {
            graph.cut_cycles();
            graph.link_children();
            graph.walk_down();
        }
        graph.check_roles();
        graph
    }

    /// Fills `children` and `child_runs` from `parent` by counting.
    fn link_children(&mut self) {
        let n = self.turns.len();
        let run = |p: u32| if p == NONE { n } else { p as usize };
        let mut runs = vec![0u32; n + 2];
        for &p in &self.parent {
            runs[run(p) + 1] += 1;
        }
        for i in 0..=n {
            runs[i + 1] += runs[i];
        }
        let mut next = runs.clone();
        let mut children = vec![0u32; n];
        for (ix, &p) in (0u32..).zip(&self.parent) {
            children[next[run(p)] as usize] = ix;
            next[run(p)] += 1;
        }
        (self.children, self.child_runs) = (children, runs);
    }

    /// Fills `depth` and `deleted` from the roots down; false when a cycle hides some turns.
    fn walk_down(&mut self) -> bool {
        let n = self.turns.len();
        self.depth = vec![NONE; n];
        self.deleted = vec![false; n];
        let mut stack: Vec<usize> = self.run(n).iter().map(|&ix| ix as usize).collect();
        let mut seen = 0;
        while let Some(ix) = stack.pop() {
            seen += 1;
            let p = self.parent[ix];
            let (depth, under_deleted) = match p {
                NONE => (0, false),
                p => (self.depth[p as usize] + 1, self.deleted[p as usize]),
            };
            self.depth[ix] = depth;
            self.deleted[ix] = under_deleted || self.turns[ix].deleted_at.is_some();
            stack.extend(self.run(ix).iter().map(|&c| c as usize));
        }
        seen == n
    }

    /// Makes a root of the turn with the lowest key of every cycle.
    fn cut_cycles(&mut self) {
        // Each turn is walked once: `mark` names the walk that saw it, so meeting the own mark
        // means that the walk has closed a cycle.
        let mut mark = vec![NONE; self.turns.len()];
        for start in 0..self.turns.len() {
            if self.depth[start] != NONE || mark[start] != NONE {
                continue;
            }
            let mut ix = start;
            while self.depth[ix] == NONE && mark[ix] == NONE {
                mark[ix] = start as u32;
                ix = self.parent[ix] as usize;
            }
            if self.depth[ix] == NONE && mark[ix] == start as u32 {
                let lowest = self.lowest_of_cycle(ix);
                self.parent[lowest] = NONE;
                self.depth[lowest] = 0;
                self.damage.push(Damage::Cycle {
                    uid: self.turns[lowest].uid.clone(),
                });
            }
        }
    }

    fn lowest_of_cycle(&self, start: usize) -> usize {
        let (mut lowest, mut ix) = (start, self.parent[start] as usize);
        while ix != start {
            if self.turns[ix].uid < self.turns[lowest].uid {
                lowest = ix;
            }
            ix = self.parent[ix] as usize;
        }
        lowest
    }

    fn check_roles(&mut self) {
        for (ix, turn) in self.turns.iter().enumerate() {
            let wrong = match self.parent[ix] {
                // An orphan is reported as such; its role says nothing more.
                NONE => turn.role == TurnRole::Agent && turn.parent_uid.is_none(),
                p => self.turns[p as usize].role == turn.role,
            };
            if wrong {
                self.damage.push(Damage::Role {
                    uid: turn.uid.clone(),
                });
            }
        }
    }

    /// The children of turn `ix`, or the roots for `ix == len`.
    pub(super) fn run(&self, ix: usize) -> &[u32] {
        &self.children[self.child_runs[ix] as usize..self.child_runs[ix + 1] as usize]
    }
}

fn index_by_uid(turns: &mut Vec<TurnRow>, damage: &mut Vec<Damage>) -> Vec<u32> {
    let sorted = |turns: &[TurnRow]| {
        let mut by_uid: Vec<u32> = (0..turns.len() as u32).collect();
        by_uid.sort_by(|&a, &b| (&turns[a as usize].uid, a).cmp(&(&turns[b as usize].uid, b)));
        by_uid
    };
    let by_uid = sorted(turns);
    let twice = |w: &&[u32]| turns[w[0] as usize].uid == turns[w[1] as usize].uid;
    let mut twice: Vec<u32> = by_uid.windows(2).filter(twice).map(|w| w[1]).collect();
    if twice.is_empty() {
        return by_uid;
    }
    twice.sort_unstable();
    let mut ix = 0u32;
    turns.retain(|turn| {
        let keep = twice.binary_search(&ix).is_err();
        if !keep {
            damage.push(Damage::Duplicate {
                uid: turn.uid.clone(),
            });
        }
        ix += 1;
        keep
    });
    sorted(turns)
}

fn parents(turns: &[TurnRow], by_uid: &[u32], damage: &mut Vec<Damage>) -> Vec<u32> {
    let find = |uid: &Uid| {
        by_uid
            .binary_search_by(|&ix| turns[ix as usize].uid.cmp(uid))
            .ok()
            .map(|at| by_uid[at])
    };
    (0..turns.len())
        .map(|ix| {
            let Some(uid) = &turns[ix].parent_uid else {
                return NONE;
            };
            // The parent of a turn is nearly always one of the turns just before it.
            let near = (0..ix)
                .rev()
                .take(2)
                .find(|&p| turns[p].uid == *uid)
                .map(|p| p as u32);
            near.or_else(|| find(uid)).unwrap_or_else(|| {
                damage.push(Damage::Orphan {
                    uid: turns[ix].uid.clone(),
                    parent_uid: uid.clone(),
                });
                NONE
            })
        })
        .collect()
}
