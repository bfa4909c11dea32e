//! The first half of a group: locks its sessions and loads what its commands need, each kind by
//! one statement however many commands there are.
//!
//! The order of locks is the same for everyone: sessions, then keys of turns, then new rows. A
//! group of several waits for none of the first two; a command that finds one held by another
//! transaction is answered to run alone.

use std::collections::HashSet;
use std::sync::Arc;

use super::desk::Desk;
use super::job::Job;
use super::sheet::Sheet;
use super::{Fate, Patience};
use crate::commands::draft::About;
use crate::domain::{TurnRow, Uid};
use crate::stores::RecordTransaction;
use crate::stores::record::StoreResult;

/// Commands in one transaction, with what became of each.
pub(super) struct Group<'a> {
    pub(super) tx: &'a mut dyn RecordTransaction,
    pub(super) jobs: &'a [Arc<Job>],
    pub(super) fates: Vec<Fate>,
    pub(super) desk: Desk,
}

impl Group<'_> {
    /// Loads everything.
    pub(super) async fn load(&mut self, patience: Patience) -> StoreResult<()> {
        self.known_keys().await?;
        self.places().await?;
        self.sessions(patience).await?;
        self.claims(patience).await?;
        self.steps().await
    }

    /// Commands that are still to be carried out, with their places.
    pub(super) fn open(&self) -> impl Iterator<Item = (usize, &Arc<Job>)> {
        let jobs = self.jobs.iter().enumerate().zip(&self.fates);
        jobs.filter(|(_, fate)| matches!(fate, Fate::Open))
            .map(|(job, _)| job)
    }

    /// Answers commands whose idempotency key is known.
    async fn known_keys(&mut self) -> StoreResult<()> {
        let jobs = self.jobs;
        let keyed: Vec<(usize, (&Uid, &str))> = jobs
            .iter()
            .enumerate()
            .filter_map(|(ix, job)| {
                let key = job.key.as_ref()?;
                Some((ix, (&job.account, key.text.as_str())))
            })
            .collect();
        if keyed.is_empty() {
            return Ok(());
        }
        let keys: Vec<(&Uid, &str)> = keyed.iter().map(|(_, key)| *key).collect();
        let known = self.tx.idempotency(&keys).await?;
        for ((ix, _), known) in keyed.into_iter().zip(known) {
            if let Some(record) = known {
                self.fates[ix] = Fate::Known(record);
            }
        }
        Ok(())
    }

    /// Finds the sessions of turns.
    async fn places(&mut self) -> StoreResult<()> {
        let turns = self
            .open()
            .filter_map(|(_, job)| match job.command.needs().about {
                About::Turn(turn) => Some((job.account.clone(), turn.clone())),
                About::Session(_) | About::New => None,
            });
        let turns = distinct(turns);
        if turns.is_empty() {
            return Ok(());
        }
        for place in self.tx.sessions_by_turn(&turns).await? {
            let turn = (place.account_uid, place.turn_uid);
            self.desk.places.insert(turn, place.session_uid);
        }
        Ok(())
    }

    /// The session that a command is about, as far as it is known.
    fn session_of(&self, job: &Job) -> Option<Uid> {
        match job.command.needs().about {
            About::Session(session) => Some(session.clone()),
            About::Turn(turn) => self.desk.session_of(&job.account, turn).cloned(),
            About::New => None,
        }
    }

    /// Locks sessions and loads their turns.
    async fn sessions(&mut self, patience: Patience) -> StoreResult<()> {
        let wanted = self
            .open()
            .filter_map(|(_, job)| Some((job.account.clone(), self.session_of(job)?)));
        let wanted = distinct(wanted);
        if wanted.is_empty() {
            return Ok(());
        }
        let found = match (patience, &*wanted) {
            (Patience::Waits, [(account, session)]) => {
                let found = self.tx.session_lock(account, session).await?;
                found.into_iter().collect()
            }
            _ => {
                let locked = self.tx.sessions_lock_free(&wanted).await?;
                self.set_apart(&locked.busy.into_iter().collect());
                locked.found
            }
        };
        if found.is_empty() {
            return Ok(());
        }
        let uids: Vec<Uid> = found.iter().map(|row| row.uid.clone()).collect();
        let mut turns = self.tx.turns_of(&uids).await?;
        for session in found {
            let of_session = turns.extract_if(.., |row| row.session_uid == session.uid);
            let rows: Vec<TurnRow> = of_session.map(|row| row.turn).collect();
            self.desk.put(Sheet::found(session, rows));
        }
        Ok(())
    }

    /// Commands on these sessions are to run alone.
    fn set_apart(&mut self, busy: &HashSet<Uid>) {
        if busy.is_empty() {
            return;
        }
        let apart = self.open().filter_map(|(ix, job)| {
            let session = self.session_of(job)?;
            busy.contains(&session).then_some(ix)
        });
        for ix in apart.collect::<Vec<_>>() {
            self.fates[ix] = Fate::Apart;
        }
    }

    /// Claims the keys that clients chose for new turns.
    async fn claims(&mut self, patience: Patience) -> StoreResult<()> {
        let wanted = distinct(self.open().filter_map(|(_, job)| self.claim_of(job)));
        if wanted.is_empty() {
            return Ok(());
        }
        if patience == Patience::Waits {
            let taken = self.tx.turn_uids_claim(&wanted).await?;
            self.desk.taken.extend(taken);
            return Ok(());
        }
        let claims = self.tx.turn_uids_claim_free(&wanted).await?;
        self.desk.taken.extend(claims.taken);
        let busy: HashSet<Uid> = claims.busy.into_iter().collect();
        let apart = self.open().filter_map(|(ix, job)| {
            let claim = self.claim_of(job)?;
            busy.contains(&claim).then_some(ix)
        });
        for ix in apart.collect::<Vec<_>>() {
            self.fates[ix] = Fate::Apart;
        }
        Ok(())
    }

    /// The key that a command claims; none where it is refused anyway, without a session.
    fn claim_of(&self, job: &Job) -> Option<Uid> {
        let claim = job.command.needs().claim?;
        let session = self.session_of(job)?;
        let is_there = self.desk.sheets.contains_key(&session);
        is_there.then(|| claim.clone())
    }

    /// Finds the places of the steps of agent turns.
    async fn steps(&mut self) -> StoreResult<()> {
        let turns = self.open().filter_map(|(_, job)| {
            let turn = job.command.needs().steps_of?;
            let session = self.session_of(job)?;
            let is_there = self.desk.sheets.contains_key(&session);
            is_there.then(|| turn.clone())
        });
        let turns = distinct(turns);
        if turns.is_empty() {
            return Ok(());
        }
        for head in self.tx.step_heads(&turns).await? {
            let idxs = self.desk.idxs.entry(head.turn_uid).or_default();
            idxs.push(head.idx);
        }
        Ok(())
    }
}

/// Each value once, in their order.
fn distinct<T: Ord>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut values: Vec<T> = values.collect();
    values.sort();
    values.dedup();
    values
}
