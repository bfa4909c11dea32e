//! A session in the memory of a group: as it was found or created, with what the commands of the
//! group have changed since, each seeing what those before it did.
//!
//! A row that several commands change is written once. What a command sees and answers is the
//! session after the whole group: its parts are committed together, so nobody ever sees less.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::patches::{apply_to_session, apply_to_turn, merge_sessions, merge_turns};
use crate::commands::WrittenRows;
use crate::domain::{SessionGraph, SessionRow, StepRow, TurnRole, TurnRow, Uid};
use crate::stores::record::{
    NewStep, NewTurn, SessionPatch, StepEdit, TurnEdit, TurnPatch, Versions, WriteSet,
};

/// Turns of a session.
enum Turns {
    /// As a graph, in which nothing has changed since it was built.
    Graph(Arc<SessionGraph>),
    /// As rows, for the graph to be built from when somebody asks.
    Rows(Vec<TurnRow>),
}

/// See the module.
pub(in crate::commands) struct Sheet {
    session: SessionRow,
    turns: Turns,
    /// Whether the session is created by this group.
    is_new: bool,
    patch: SessionPatch,
    /// New turns and their prompts.
    added: BTreeMap<Uid, Option<String>>,
    edited: BTreeMap<Uid, (TurnRole, TurnPatch)>,
    /// New steps with the numbers of their turns.
    steps: Vec<(StepRow, i32)>,
    step_edits: BTreeMap<(Uid, i32), String>,
    /// The steps behind `step_edits`, once they are written.
    edited_steps: Vec<StepRow>,
    /// Rows that listeners are told, beside the others.
    pub(super) told: WrittenRows,
}

impl Sheet {
    fn new(session: SessionRow, turns: Vec<TurnRow>, is_new: bool) -> Self {
        Self {
            session,
            turns: Turns::Rows(turns),
            is_new,
            patch: SessionPatch::default(),
            added: BTreeMap::new(),
            edited: BTreeMap::new(),
            steps: Vec::new(),
            step_edits: BTreeMap::new(),
            edited_steps: Vec::new(),
            told: WrittenRows::default(),
        }
    }

    /// A locked session.
    pub(super) fn found(session: SessionRow, turns: Vec<TurnRow>) -> Self {
        Self::new(session, turns, false)
    }

    /// A session to create, with turns and their prompts.
    pub(in crate::commands) fn create(session: SessionRow, turns: Vec<NewTurn>) -> Self {
        let rows = turns.iter().map(|new| new.turn.clone()).collect();
        let mut sheet = Self::new(session, rows, true);
        let added = turns.into_iter().map(|new| (new.turn.uid, new.prompt));
        sheet.added = added.collect();
        sheet
    }

    /// A session to create with turns that somebody else inserts.
    pub(in crate::commands) fn copy(session: SessionRow, turns: Vec<TurnRow>) -> Self {
        Self::new(session, turns, true)
    }

    /// The session's row.
    pub(in crate::commands) fn session(&self) -> &SessionRow {
        &self.session
    }

    /// Whether the session is created by this group.
    pub(in crate::commands) fn is_new(&self) -> bool {
        self.is_new
    }

    /// Whether a turn with this key is to be inserted.
    pub(super) fn adds(&self, turn: &Uid) -> bool {
        self.added.contains_key(turn)
    }

    /// Its turns.
    pub(in crate::commands) fn graph(&mut self) -> Arc<SessionGraph> {
        if let Turns::Rows(rows) = &mut self.turns {
            let rows = std::mem::take(rows);
            let root = self.session.active_root.clone();
            self.turns = Turns::Graph(Arc::new(SessionGraph::build(rows, root)));
        }
        match &self.turns {
            Turns::Graph(graph) => Arc::clone(graph),
            Turns::Rows(_) => unreachable!("the graph was just built"),
        }
    }

    /// Rows to change; their order stays that of the graph.
    fn rows(&mut self) -> &mut Vec<TurnRow> {
        if let Turns::Graph(graph) = &mut self.turns {
            let empty = Arc::new(SessionGraph::build(Vec::new(), None));
            let graph = std::mem::replace(graph, empty);
            let rows = Arc::try_unwrap(graph)
                .map_or_else(|shared| shared.turns().to_vec(), SessionGraph::into_turns);
            self.turns = Turns::Rows(rows);
        }
        match &mut self.turns {
            Turns::Rows(rows) => rows,
            Turns::Graph(_) => unreachable!("the graph was just taken apart"),
        }
    }

    /// Indices of the new steps of a turn.
    pub(in crate::commands) fn new_idxs(&self, turn: &Uid) -> impl Iterator<Item = i32> {
        let of_turn = self
            .steps
            .iter()
            .filter(move |(row, _)| row.turn_uid == *turn);
        of_turn.map(|(row, _)| row.idx)
    }

    /// Takes over what a command changes in the session's row.
    pub(in crate::commands) fn change(&mut self, patch: SessionPatch) {
        apply_to_session(&mut self.session, &patch);
        if patch.active_root.is_some() {
            // The graph knows the root that is shown, and is built anew.
            self.rows();
        }
        merge_sessions(&mut self.patch, patch);
    }

    /// Takes over a new turn.
    pub(in crate::commands) fn insert_turn(&mut self, new: NewTurn) {
        self.added.insert(new.turn.uid.clone(), new.prompt);
        self.rows().push(new.turn);
    }

    /// Takes over new steps of turn number `seq`.
    pub(in crate::commands) fn insert_steps(&mut self, steps: Vec<StepRow>, seq: i32) {
        self.steps.extend(steps.into_iter().map(|step| (step, seq)));
    }

    /// Takes over what a command changes in the turn at a place of the graph.
    pub(in crate::commands) fn change_turn(&mut self, at: usize, patch: TurnPatch) {
        let row = &mut self.rows()[at];
        apply_to_turn(row, &patch);
        let (uid, role) = (row.uid.clone(), row.role);
        if !self.added.contains_key(&uid) {
            let (_, merged) = self
                .edited
                .entry(uid)
                .or_insert_with(|| (role, TurnPatch::default()));
            merge_turns(merged, patch);
        }
    }

    /// Takes over the new content of a step; true when the step is there for certain, because this
    /// group inserts it.
    pub(in crate::commands) fn change_step(&mut self, turn: &Uid, idx: i32, content: &str) -> bool {
        let mut new = self.steps.iter_mut();
        if let Some((row, _)) = new.find(|(row, _)| row.turn_uid == *turn && row.idx == idx) {
            row.content = content.into();
            return true;
        }
        let key = (turn.clone(), idx);
        self.step_edits.insert(key, content.to_owned());
        false
    }

    /// The version that the store gave a new session; its rows are not older.
    pub(super) fn inserted(&mut self, rev: i64) {
        self.session.rev = rev;
        for row in self.rows() {
            row.rev = row.rev.max(rev);
        }
    }

    /// Turns to insert, as they are after all commands.
    pub(super) fn new_turns(&mut self) -> Vec<NewTurn> {
        if self.added.is_empty() {
            return Vec::new();
        }
        let mut prompts: HashMap<Uid, Option<String>> =
            std::mem::take(&mut self.added).into_iter().collect();
        let rows = self.rows().iter();
        rows.filter_map(|row| {
            let prompt = prompts.remove(&row.uid)?;
            let turn = row.clone();
            Some(NewTurn { turn, prompt })
        })
        .collect()
    }

    /// Adds what is to be written; `turns` are its new turns.
    pub(super) fn note<'s>(&'s self, rows: &mut WriteSet<'s>, turns: &'s [NewTurn]) {
        let session_uid = &self.session.uid;
        rows.turns
            .extend(turns.iter().map(|new| (session_uid, new)));
        let steps = self.steps.iter().map(|(row, turn_seq)| NewStep {
            session_uid,
            turn_seq: *turn_seq,
            row,
        });
        rows.steps.extend(steps);
        let edits = self.edited.iter().map(|(uid, (role, patch))| TurnEdit {
            role: *role,
            uid,
            patch,
        });
        rows.turn_edits.extend(edits);
        let edits = self.step_edits.iter();
        rows.step_edits
            .extend(edits.map(|((turn_uid, idx), content)| StepEdit {
                turn_uid,
                idx: *idx,
                content,
            }));
        if !self.is_new && self.patch != SessionPatch::default() {
            rows.session_edits.push((session_uid, &self.patch));
        }
    }

    /// Takes over the versions of what was written.
    pub(super) fn versions(&mut self, versions: &Versions) {
        if let Some(rev) = versions.sessions.get(&self.session.uid) {
            self.session.rev = *rev;
        }
        // One that is not there has no version, and its command is refused.
        let edits = std::mem::take(&mut self.step_edits).into_iter();
        self.edited_steps = edits
            .filter_map(|((turn_uid, idx), content)| {
                let key = (turn_uid, idx);
                let written = versions.steps.get(&key)?;
                Some(StepRow {
                    turn_uid: key.0,
                    idx,
                    tpe: written.tpe,
                    content: content.into(),
                    created_at: written.created_at,
                    rev: written.rev,
                })
            })
            .collect();
        if self.edited.is_empty() {
            return;
        }
        let edited = std::mem::take(&mut self.edited);
        for row in self.rows() {
            if edited.contains_key(&row.uid)
                && let Some(rev) = versions.turns.get(&row.uid)
            {
                row.rev = *rev;
            }
        }
        self.edited = edited;
    }

    /// What listeners are told of it, with its new turns; called once, at the end.
    pub(super) fn tell(&mut self, turns: Vec<NewTurn>) -> WrittenRows {
        let mut told = std::mem::take(&mut self.told);
        let uid = &self.session.uid;
        for new in turns {
            told.turn(uid, new.turn, new.prompt);
        }
        for (step, seq) in std::mem::take(&mut self.steps) {
            told.step(uid, seq, step);
        }
        if self.is_new || self.patch != SessionPatch::default() {
            told.session(&self.session);
        }
        for step in std::mem::take(&mut self.edited_steps) {
            let graph = self.graph();
            if let Some(ix) = graph.find(&step.turn_uid) {
                told.step(&self.session.uid, graph.turn(ix).seq, step);
            }
        }
        let edited = std::mem::take(&mut self.edited);
        if !edited.is_empty() {
            let graph = self.graph();
            for (uid, (_, patch)) in edited {
                if let Some(ix) = graph.find(&uid) {
                    let usage_written = patch.progress.is_some_and(|p| p.usage.is_some());
                    told.turn_edited(&self.session.uid, graph.turn(ix), usage_written);
                }
            }
        }
        told
    }
}
