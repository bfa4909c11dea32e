//! Writes a `WriteSet`: one statement for each kind of row and of change, however many rows and
//! sessions there are.

mod edits;

use sqlx::postgres::PgRow;
use sqlx::{FromRow, Row};

use super::statements::writes as st;
use super::transaction::PgTransaction;
use super::{Query, batch, query};
use crate::domain::{Timestamp, TurnRole, Uid};
use crate::stores::record::{
    NewStep, NewTurn, RecordTransaction, StepEdit, StoreResult, TurnEdit, TurnPlace, Versions,
    WriteSet,
};
use crate::stores::sql::Statement;
use crate::stores::sql::columns::DbUid;
use crate::stores::sql::records::StepVersionRecord;

/// Declares rows that only this engine answers, read by place.
macro_rules! answers {
    ($($(#[$doc:meta])* $name:ident { $($field:ident: $ty:ty,)* })*) => {
        $(
            $(#[$doc])*
            pub(super) struct $name { $(pub(super) $field: $ty,)* }

            impl FromRow<'_, PgRow> for $name {
                fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
                    let mut place = 0..;
                    let mut next = || place.next().expect("a row has few columns");
                    Ok(Self { $($field: row.try_get::<_, usize>(next())?,)* })
                }
            }
        )*
    };
}

answers! {
    /// The new version of a row.
    VersionRecord {
        uid: DbUid,
        rev: i64,
    }

    /// Where a turn of an account is.
    PlaceRecord {
        account_uid: DbUid,
        turn_uid: DbUid,
        session_uid: DbUid,
    }

    /// What the key at a place, counted from one, stands for.
    KnownRecord {
        place: i64,
        input_hash: String,
        answer: String,
    }
}

impl From<PlaceRecord> for TurnPlace {
    fn from(row: PlaceRecord) -> Self {
        Self {
            account_uid: row.account_uid.into(),
            turn_uid: row.turn_uid.into(),
            session_uid: row.session_uid.into(),
        }
    }
}

impl PgTransaction {
    /// See [`RecordTransaction::write`].
    pub(super) async fn write_rows(
        &mut self,
        rows: &WriteSet<'_>,
        now: Timestamp,
    ) -> StoreResult<Versions> {
        let mut versions = Versions::default();
        if !rows.step_edits.is_empty() {
            self.edit_steps(&rows.step_edits, now, &mut versions)
                .await?;
        }
        for run in batch::runs(&rows.turns, batch::turn_bytes) {
            self.insert_human_turns(run).await?;
            self.insert_agent_turns(run).await?;
        }
        for run in batch::runs(&rows.steps, |new| new.row.content.len()) {
            self.insert_steps(run).await?;
        }
        self.edit_turns(&rows.turn_edits, now, &mut versions)
            .await?;
        if !rows.session_edits.is_empty() {
            self.edit_sessions(rows, now, &mut versions).await?;
        }
        Ok(versions)
    }

    async fn insert_human_turns(&mut self, turns: &[(&Uid, &NewTurn)]) -> StoreResult<()> {
        let rows = batch::human_turns(turns);
        if rows.uid.is_empty() {
            return Ok(());
        }
        let query = sqlx::query(st::HUMAN_TURNS_INSERT.sql)
            .bind(rows.session_uid)
            .bind(rows.uid)
            .bind(rows.parent_uid)
            .bind(rows.active_child)
            .bind(rows.prompt)
            .bind(rows.created_at)
            .bind(rows.seq)
            .bind(rows.deleted_at)
            .bind(rows.rev);
        self.execute(st::HUMAN_TURNS_INSERT, query).await
    }

    async fn insert_agent_turns(&mut self, turns: &[(&Uid, &NewTurn)]) -> StoreResult<()> {
        let rows = batch::agent_turns(turns);
        if rows.uid.is_empty() {
            return Ok(());
        }
        let query = sqlx::query(st::AGENT_TURNS_INSERT.sql)
            .bind(rows.session_uid)
            .bind(rows.uid)
            .bind(rows.parent_uid)
            .bind(rows.active_child)
            .bind(rows.liked)
            .bind(rows.created_at)
            .bind(rows.seq)
            .bind(rows.deleted_at)
            .bind(rows.model)
            .bind(rows.status)
            .bind(rows.finished_at)
            .bind(rows.usage)
            .bind(rows.rev);
        self.execute(st::AGENT_TURNS_INSERT, query).await
    }

    async fn insert_steps(&mut self, steps: &[NewStep<'_>]) -> StoreResult<()> {
        let rows = batch::steps(steps);
        let query = sqlx::query(st::STEPS_INSERT.sql)
            .bind(rows.session_uid)
            .bind(rows.turn_uid)
            .bind(rows.idx)
            .bind(rows.tpe)
            .bind(rows.content)
            .bind(rows.created_at)
            .bind(rows.turn_seq)
            .bind(rows.rev);
        self.execute(st::STEPS_INSERT, query).await
    }

    async fn edit_steps(
        &mut self,
        edits: &[StepEdit<'_>],
        now: Timestamp,
        versions: &mut Versions,
    ) -> StoreResult<()> {
        let turns: Vec<&str> = edits.iter().map(|edit| edit.turn_uid.as_str()).collect();
        let idxs: Vec<i32> = edits.iter().map(|edit| edit.idx).collect();
        let contents: Vec<&str> = edits.iter().map(|edit| edit.content).collect();
        let query = query::<StepVersionRecord>(st::STEPS_UPDATE)
            .bind(turns)
            .bind(idxs)
            .bind(contents)
            .bind(now.0);
        let changed = self.rows(st::STEPS_UPDATE, query).await?;
        versions
            .steps
            .extend(changed.into_iter().map(Into::<(_, _)>::into));
        Ok(())
    }

    async fn edit_turns(
        &mut self,
        edits: &[TurnEdit<'_>],
        now: Timestamp,
        versions: &mut Versions,
    ) -> StoreResult<()> {
        let (human, agent): (Vec<TurnEdit<'_>>, Vec<TurnEdit<'_>>) =
            edits.iter().partition(|edit| edit.role == TurnRole::Human);
        if let Some(edit) = human.iter().find(|edit| edit.patch.is_of_agents()) {
            let message = format!("human turn {} has neither vote nor progress", edit.uid);
            return Err(self.defect(st::HUMAN_TURNS_UPDATE.name, message));
        }
        let mut revs = Vec::with_capacity(edits.len());
        if !human.is_empty() {
            let rows = edits::turn_edits(&human);
            let query = query(st::HUMAN_TURNS_UPDATE)
                .bind(rows.uid)
                .bind(rows.set_child)
                .bind(rows.active_child)
                .bind(rows.set_deleted)
                .bind(rows.deleted_at)
                .bind(now.0);
            revs.extend(
                self.edit(st::HUMAN_TURNS_UPDATE, query, human.len())
                    .await?,
            );
        }
        if !agent.is_empty() {
            let rows = edits::turn_edits(&agent);
            let query = query(st::AGENT_TURNS_UPDATE)
                .bind(rows.uid)
                .bind(rows.set_child)
                .bind(rows.active_child)
                .bind(rows.set_liked)
                .bind(rows.liked)
                .bind(rows.set_deleted)
                .bind(rows.deleted_at)
                .bind(rows.status)
                .bind(rows.finished_at)
                .bind(rows.usage)
                .bind(now.0);
            revs.extend(
                self.edit(st::AGENT_TURNS_UPDATE, query, agent.len())
                    .await?,
            );
        }
        versions.turns.extend(revs);
        Ok(())
    }

    async fn edit_sessions(
        &mut self,
        rows: &WriteSet<'_>,
        now: Timestamp,
        versions: &mut Versions,
    ) -> StoreResult<()> {
        let count = rows.session_edits.len();
        let rows = edits::session_edits(&rows.session_edits);
        let query = query(st::SESSIONS_UPDATE)
            .bind(rows.uid)
            .bind(rows.set_title)
            .bind(rows.title)
            .bind(rows.set_deleted)
            .bind(rows.deleted_at)
            .bind(rows.set_root)
            .bind(rows.active_root)
            .bind(rows.next_seq)
            .bind(rows.last_activity_at)
            .bind(now.0);
        let revs = self.edit(st::SESSIONS_UPDATE, query, count).await?;
        versions.sessions.extend(revs);
        Ok(())
    }

    /// Runs an update that must find `count` rows.
    async fn edit(
        &mut self,
        statement: Statement,
        query: Query<'_, VersionRecord>,
        count: usize,
    ) -> StoreResult<Vec<(Uid, i64)>> {
        let rows = self.rows(statement, query).await?;
        if rows.len() < count {
            let message = format!(
                "{} of {count} rows are not there; lock their sessions first",
                count - rows.len()
            );
            return Err(self.defect(statement.name, message));
        }
        Ok(rows
            .into_iter()
            .map(|row| (row.uid.into(), row.rev))
            .collect())
    }
}
