//! Sessions under lock: as they are, after the turns that other programs have added were numbered.

use sqlx::postgres::{PgArguments, PgRow};
use sqlx::{FromRow, Postgres, Row};

use super::error::{corrupt, store_error};
use super::read::{sessions, shown, waits};
use super::statements::writes as st;
use super::transaction::PgTransaction;
use super::{numberer, query};
use crate::domain::SessionRow;
use crate::stores::record::StoreResult;
use crate::stores::sql::Statement;
use crate::stores::sql::records::SessionRecord;

impl PgTransaction {
    /// The sessions that a statement has locked, and whether turns of them wait for a number.
    pub(super) async fn lock(
        &mut self,
        statement: Statement,
        query: sqlx::query::Query<'_, Postgres, PgArguments>,
    ) -> StoreResult<Vec<(SessionRow, bool)>> {
        let failed = |error| store_error(statement.name, error);
        let rows = query.fetch_all(&mut *self.transaction).await;
        let rows = rows.map_err(failed)?;
        let session = |row: &PgRow| {
            let pending: bool = row.try_get(10).map_err(failed)?;
            let record = SessionRecord::from_row(row).map_err(failed)?;
            let found = SessionRow::try_from(record).map_err(|error| corrupt(&statement, error))?;
            let pending = pending || waits(&found);
            Ok((found, pending))
        };
        rows.iter().map(session).collect()
    }

    /// Numbers what waits in these sessions. All of them are locked, so that none is waited for.
    pub(super) async fn number(
        &mut self,
        locked: Vec<(SessionRow, bool)>,
    ) -> StoreResult<Vec<SessionRow>> {
        let (pending, mut ready): (Vec<_>, Vec<_>) =
            locked.into_iter().partition(|(_, pending)| *pending);
        if pending.is_empty() {
            return Ok(ready.into_iter().map(|(row, _)| row).collect());
        }
        let uids: Vec<String> = pending
            .iter()
            .map(|(row, _)| row.uid.as_str().to_owned())
            .collect();
        numberer::number(&mut self.transaction, &uids, numberer::WAITING)
            .await
            .map_err(|error| store_error("number_pending", error))?
            .tell();
        let accounts: Vec<&str> = pending
            .iter()
            .map(|(row, _)| row.account_uid.as_str())
            .collect();
        let query = query::<SessionRecord>(st::SESSIONS_READ)
            .bind(accounts)
            .bind(&uids);
        let rows = self.rows(st::SESSIONS_READ, query).await?;
        let numbered = sessions(st::SESSIONS_READ, rows)?.into_iter().map(shown);
        let ready = ready.drain(..).map(|(row, _)| row);
        Ok(ready.chain(numbered).collect())
    }
}
