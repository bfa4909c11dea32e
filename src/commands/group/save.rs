//! The second half of a group: carries out its commands in memory, one after another, and writes
//! what has come of them.

use std::collections::BTreeMap;

use super::desk::Desk;
use super::job::Answer;
use super::load::Group;
use super::sheet::Sheet;
use super::{Carried, Fate, Patience};
use crate::commands::attempt::Attempt;
use crate::commands::draft::{Condition, Draft, Row};
use crate::commands::execute::{Places, places};
use crate::commands::idempotency::Answer as KeptAnswer;
use crate::commands::{Commit, Written, WrittenRows};
use crate::domain::{Position, Revision, SessionGraph, Timestamp, Uid};
use crate::stores::record::{IdempotencyRecord, NewTurn, StoreResult, Versions, WriteSet};

impl Group<'_> {
    /// Does everything but the commit, and returns the new turns by session.
    pub(super) async fn carry_out(
        &mut self,
        now: Timestamp,
        patience: Patience,
    ) -> StoreResult<BTreeMap<Uid, Vec<NewTurn>>> {
        self.load(patience).await?;
        self.apply(now);
        self.write(now).await
    }

    /// Lets every command check its rules and settle what it changes.
    fn apply(&mut self, now: Timestamp) {
        for (job, fate) in self.jobs.iter().zip(&mut self.fates) {
            if !matches!(fate, Fate::Open) {
                continue;
            }
            let mut attempt = Attempt {
                desk: &mut self.desk,
                account: &job.account,
                now,
            };
            *fate = match job.command.apply(&mut attempt) {
                Ok(draft) => Fate::Drafted(Box::new(draft)),
                Err(stop) => Fate::Refused(stop.0),
            };
        }
    }

    /// Writes what is settled, and returns the new turns by session.
    async fn write(&mut self, now: Timestamp) -> StoreResult<BTreeMap<Uid, Vec<NewTurn>>> {
        self.create().await?;
        let mut turns = BTreeMap::new();
        for (uid, sheet) in &mut self.desk.sheets {
            turns.insert(uid.clone(), sheet.new_turns());
        }
        let mut rows = WriteSet::default();
        for (uid, sheet) in &self.desk.sheets {
            sheet.note(&mut rows, &turns[uid]);
        }
        if !rows.is_empty() {
            let versions = self.tx.write(&rows, now).await?;
            for sheet in self.desk.sheets.values_mut() {
                sheet.versions(&versions);
            }
            self.refuse_missing_steps(&versions);
        }
        self.copy().await?;
        self.keep_keys(now).await?;
        Ok(turns)
    }

    /// Inserts new sessions, and refuses commands whose key is taken.
    async fn create(&mut self) -> StoreResult<()> {
        let new = self.desk.sheets.values().filter(|sheet| sheet.is_new());
        let rows: Vec<_> = new.map(|sheet| sheet.session()).collect();
        if rows.is_empty() {
            return Ok(());
        }
        let uids: Vec<Uid> = rows.iter().map(|row| row.uid.clone()).collect();
        let revs = self.tx.sessions_insert(&rows).await?;
        for (uid, rev) in uids.iter().zip(revs) {
            if let (Some(sheet), Some(rev)) = (self.desk.sheet(uid), rev) {
                sheet.inserted(rev);
                continue;
            }
            self.desk.sheets.remove(uid);
            self.refuse(|draft| {
                draft.session == *uid && has(draft, |holds| *holds == Condition::SessionIsNew)
            });
        }
        Ok(())
    }

    fn refuse_missing_steps(&mut self, versions: &Versions) {
        let missing = |holds: &Condition| match holds {
            Condition::StepIsThere(turn, idx) => {
                !versions.steps.contains_key(&(turn.clone(), *idx))
            }
            Condition::SessionIsNew => false,
        };
        self.refuse(|draft| has(draft, missing));
    }

    /// Refuses commands for what they provide for.
    fn refuse(&mut self, which: impl Fn(&Draft) -> bool) {
        for fate in &mut self.fates {
            if let Fate::Drafted(draft) = fate
                && which(draft)
                && let Some(provided) = draft.provided.take()
            {
                *fate = Fate::Refused(vec![provided.refusal]);
            }
        }
    }

    async fn copy(&mut self) -> StoreResult<()> {
        for fate in &mut self.fates {
            let Fate::Drafted(draft) = fate else { continue };
            let Some(copies) = draft.copies.take() else {
                continue;
            };
            let sheet = self.desk.sheet(&draft.session);
            let sheet = sheet.expect("a draft is about a session on the desk");
            let graph = sheet.graph();
            let target = (&draft.session, graph.turns());
            copies.write(self.tx, target, &mut sheet.told).await?;
        }
        Ok(())
    }

    /// Stores what the idempotency keys stand for.
    async fn keep_keys(&mut self, now: Timestamp) -> StoreResult<()> {
        let mut records = Vec::new();
        for (job, fate) in self.jobs.iter().zip(&self.fates) {
            if let (Fate::Drafted(draft), Some(key)) = (fate, &job.key) {
                let sheet = self.desk.sheet(&draft.session);
                let sheet = sheet.expect("a draft is about a session on the desk");
                let rows = revs(draft, sheet.session().rev, &sheet.graph());
                let record = IdempotencyRecord {
                    input_hash: key.input_hash.clone(),
                    answer: KeptAnswer::of(draft, rows).to_json(),
                };
                records.push((&job.account, key.text.as_str(), record));
            }
        }
        if records.is_empty() {
            return Ok(());
        }
        let records: Vec<_> = records
            .iter()
            .map(|(account, key, record)| (*account, *key, record))
            .collect();
        self.tx.idempotency_insert_all(&records, now).await
    }
}

/// Whether a draft provides for something of this kind.
fn has(draft: &Draft, which: impl Fn(&Condition) -> bool) -> bool {
    let provided = draft.provided.as_ref();
    provided.is_some_and(|provided| which(&provided.holds))
}

/// The rows that a draft names, at their versions.
fn revs(draft: &Draft, session: i64, graph: &SessionGraph) -> Vec<(Uid, i64)> {
    let rev = |row: &Row| match row {
        Row::Session => Some((draft.session.clone(), session)),
        Row::Turn(uid) => Some((uid.clone(), graph.turn(graph.find(uid)?).rev)),
    };
    draft.rows.iter().filter_map(rev).collect()
}

/// What listeners are told of a session: its rows, and the versions that its commands named.
type Told = BTreeMap<Uid, (WrittenRows, Vec<(Uid, i64)>)>;

impl Carried {
    /// What a group answers that was committed at `position`; none where nothing was written.
    /// `turns` are its new ones.
    pub(super) fn of(
        (fates, mut desk): (Vec<Fate>, Desk),
        mut turns: BTreeMap<Uid, Vec<NewTurn>>,
        position: Option<Position>,
        listens: bool,
    ) -> Self {
        let mut told = Told::new();
        let mut answers = Vec::with_capacity(fates.len());
        for fate in fates {
            answers.push(match fate {
                Fate::Refused(errors) => Answer::Refused(errors),
                Fate::Known(record) => Answer::Known(record),
                Fate::Open | Fate::Apart => Answer::Apart,
                Fate::Drafted(draft) => {
                    let position = position.clone().expect("what is drafted is committed");
                    let sheet = desk.sheet(&draft.session);
                    let sheet = sheet.expect("a draft is about a session on the desk");
                    let written = written(&draft, sheet, position);
                    if listens {
                        let session = told.entry(draft.session).or_insert_with_key(|uid| {
                            let turns = turns.remove(uid).unwrap_or_default();
                            (sheet.tell(turns), Vec::new())
                        });
                        session.1.extend(written.revision.rows.iter().cloned());
                    }
                    Answer::Done(Box::new(written))
                }
            });
        }
        let commit = |(session_uid, (rows, revs)): (Uid, (WrittenRows, _))| {
            let revision = Revision::of_write(position.clone()?, revs);
            let commit = Commit {
                session_uid: session_uid.clone(),
                rows,
                revision,
            };
            (commit.rows != WrittenRows::default()).then_some((session_uid, commit))
        };
        Self {
            commits: told.into_iter().filter_map(commit).collect(),
            answers,
        }
    }
}

/// The answer of a command whose session is as it was committed.
fn written(draft: &Draft, sheet: &mut Sheet, position: Position) -> Written<Places> {
    let graph = sheet.graph();
    let session = sheet.session().clone();
    let rows = revs(draft, session.rev, &graph);
    let subject =
        places(&graph, &draft.subject).expect("a command is about turns of the session it wrote");
    Written {
        session,
        graph,
        subject,
        revision: Revision::of_write(position, rows),
        copied: false,
        replayed: false,
    }
}
