//! Writes a `WriteSet`: new rows as JSON lists, changed ones one by one, since a statement costs no
//! round trip here.

use super::transaction::SqliteTransaction;
use super::{batch, query, statements as st, update};
use crate::domain::{Timestamp, TurnRole, Uid};
use crate::stores::StoreError;
use crate::stores::record::{
    RecordTransaction, SessionPatch, StepEdit, StoreResult, TurnEdit, Versions, WriteSet,
};
use crate::stores::sql::Statement;
use crate::stores::sql::records::StepVersionRecord;

impl SqliteTransaction {
    /// See [`RecordTransaction::write`].
    pub(super) async fn write_rows(
        &mut self,
        rows: &WriteSet<'_>,
        now: Timestamp,
    ) -> StoreResult<Versions> {
        let mut versions = Versions::default();
        for edit in &rows.step_edits {
            let changed = self.step_edit(edit, now).await?;
            versions
                .steps
                .extend(changed.into_iter().map(Into::<(_, _)>::into));
        }
        self.insert(st::HUMAN_TURNS_INSERT, batch::human_turns(&rows.turns))
            .await?;
        self.insert(st::AGENT_TURNS_INSERT, batch::agent_turns(&rows.turns))
            .await?;
        self.insert(st::STEPS_INSERT, batch::steps(&rows.steps))
            .await?;
        for edit in &rows.turn_edits {
            let rev = self.turn_edit(edit, now).await?;
            versions.turns.insert(edit.uid.clone(), rev);
        }
        for (uid, patch) in &rows.session_edits {
            let rev = self.session_edit(uid, patch, now).await?;
            versions.sessions.insert((*uid).clone(), rev);
        }
        Ok(versions)
    }

    async fn insert(&mut self, statement: Statement, batches: Vec<String>) -> StoreResult<()> {
        for rows in batches {
            let query = sqlx::query(statement.sql).bind(rows);
            let done = query.execute(&mut *self.transaction).await;
            done.map_err(|error| self.errors.driver(statement.name, error))?;
        }
        Ok(())
    }

    async fn step_edit(
        &mut self,
        edit: &StepEdit<'_>,
        now: Timestamp,
    ) -> StoreResult<Vec<StepVersionRecord>> {
        let query = query(st::STEP_UPDATE)
            .bind(edit.turn_uid.as_str())
            .bind(edit.idx)
            .bind(edit.content)
            .bind(now.0);
        self.rows(st::STEP_UPDATE, query).await
    }

    async fn turn_edit(&mut self, edit: &TurnEdit<'_>, now: Timestamp) -> StoreResult<i64> {
        let TurnEdit { role, uid, patch } = *edit;
        let (statement, query) = match role {
            TurnRole::Human if patch.is_of_agents() => {
                let message = format!("human turn {uid} has neither vote nor progress");
                return Err(self.defect(st::HUMAN_TURN_UPDATE.name, message));
            }
            TurnRole::Human => update::human_turn(uid, patch, now),
            TurnRole::Agent => update::agent_turn(uid, patch, now),
        };
        let rev = self.rev(statement, query).await?;
        rev.ok_or_else(|| self.missing(statement, format!("turn {uid}")))
    }

    async fn session_edit(
        &mut self,
        uid: &Uid,
        patch: &SessionPatch,
        now: Timestamp,
    ) -> StoreResult<i64> {
        let (statement, query) = update::session(uid, patch, now);
        let rev = self.rev(statement, query).await?;
        rev.ok_or_else(|| self.missing(statement, format!("session {uid}")))
    }

    fn missing(&self, statement: Statement, row: String) -> StoreError {
        self.defect(
            statement.name,
            format!("{row} is not there; lock its session first"),
        )
    }
}
