//! What `doctor` asks a keyspace: the server's clock, and whether this user may write.

use scylla::value::CqlTimestamp;

use super::{rows, store_error};
use crate::domain::Timestamp;
use crate::stores::StoreErrorKind;
use crate::stores::cql::CqlCatalog;
use crate::stores::cql::error::failure;
use crate::stores::record::StoreResult;

impl CqlCatalog {
    /// The time of the node that answers, in whole milliseconds.
    pub async fn clock(&self) -> StoreResult<Timestamp> {
        let cql = "select totimestamp(now()) from system.local".to_owned();
        let found: Vec<(CqlTimestamp,)> = rows(self.session(), "clock", cql, ()).await?;
        let now = found.first().map(|(CqlTimestamp(millis),)| *millis);
        let now = now.ok_or_else(|| {
            let message = "the node does not tell its time";
            failure(StoreErrorKind::Corrupt, "clock", message)
        })?;
        Ok(Timestamp(now.saturating_mul(1_000)))
    }

    /// Writes a row that nobody reads, and deletes it.
    pub async fn try_write(&self) -> StoreResult<()> {
        let keyspace = self.keyspace();
        let put = format!(
            "insert into {keyspace}.projection_state (kind, key, value, at_us) values ('doctor', 'probe', '', ?) using timestamp ?"
        );
        let gone = format!(
            "delete from {keyspace}.projection_state using timestamp ? where kind = 'doctor' and key = 'probe'"
        );
        let failed = |error| store_error("probe", error);
        let (at, later) = (self.tick(), self.tick());
        let sent = self.session().query_unpaged(put, (at, at)).await;
        sent.map_err(failed)?;
        let sent = self.session().query_unpaged(gone, (later,)).await;
        sent.map(drop).map_err(failed)
    }
}
