//! The few facts that are kept about a generation: how far its projector has come, and which
//! sessions must not be served from it.

use crate::domain::{Position, Timestamp, Uid, Watermark};
use crate::stores::StoreErrorKind;
use crate::stores::cql::Connected;
use crate::stores::cql::error::{corrupt, failure, store_error};
use crate::stores::record::StoreResult;

/// Separates the parts of a watermark; no identity of a store holds it.
const SEPARATOR: char = '\u{1f}';

impl Connected {
    fn watermark_kind(&self) -> String {
        format!("watermark:{}", self.generation)
    }

    fn quarantine_kind(&self) -> String {
        format!("quarantine:{}", self.generation)
    }

    /// Keys, values and times of a kind.
    async fn state(&self, kind: &str) -> StoreResult<Vec<(String, String, i64)>> {
        let mut found = Vec::new();
        for page in self.pages(&self.statements.state, (kind,)).await? {
            let rows = page.rows::<(String, Option<String>, Option<i64>)>();
            for row in rows.map_err(|error| corrupt("state", error))? {
                let (key, value, at) = row.map_err(|error| corrupt("state", error))?;
                found.push((key, value.unwrap_or_default(), at.unwrap_or_default()));
            }
        }
        Ok(found)
    }

    pub(in crate::stores::cql) async fn watermark(&self) -> StoreResult<Option<Watermark>> {
        let state = self.state(&self.watermark_kind()).await?;
        let Some((_, value, as_of)) = state.into_iter().next() else {
            return Ok(None);
        };
        let position = value.split_once(SEPARATOR).and_then(|(store, value)| {
            let value = value.parse().ok()?;
            let store = store.to_owned();
            Some(Position { store, value })
        });
        let Some(position) = position else {
            let message = "the watermark is not one that this turngraph writes";
            return Err(failure(StoreErrorKind::Corrupt, "watermark", message));
        };
        let as_of = Timestamp(as_of);
        Ok(Some(Watermark { position, as_of }))
    }

    /// `timestamp` ascends from call to call.
    pub(in crate::stores::cql) async fn set_watermark(
        &self,
        watermark: &Watermark,
        timestamp: i64,
    ) -> StoreResult<()> {
        let Position { store, value } = &watermark.position;
        let text = format!("{store}{SEPARATOR}{value}");
        let key = ("projector", text.as_str(), watermark.as_of.0);
        self.put_state(&self.watermark_kind(), key, timestamp).await
    }

    async fn put_state(
        &self,
        kind: &str,
        (key, value, at): (&str, &str, i64),
        timestamp: i64,
    ) -> StoreResult<()> {
        let prepared = &self.statements.state_put;
        let values = (kind, key, value, at, timestamp);
        let sent = self.session.execute_unpaged(&prepared.statement, values);
        sent.await
            .map(drop)
            .map_err(|error| store_error(prepared.name, error))
    }

    pub(in crate::stores::cql) async fn quarantined(&self) -> StoreResult<Vec<Uid>> {
        let state = self.state(&self.quarantine_kind()).await?;
        Ok(state
            .into_iter()
            .map(|(key, ..)| Uid::stored(key))
            .collect())
    }

    /// `timestamp` ascends from call to call.
    pub(in crate::stores::cql) async fn set_quarantined(
        &self,
        session_uid: &Uid,
        marked: bool,
        timestamp: i64,
    ) -> StoreResult<()> {
        let (kind, key) = (self.quarantine_kind(), session_uid.as_str());
        if marked {
            return self.put_state(&kind, (key, "", timestamp), timestamp).await;
        }
        let prepared = &self.statements.state_gone;
        let values = (timestamp, kind.as_str(), key);
        let sent = self.session.execute_unpaged(&prepared.statement, values);
        sent.await
            .map(drop)
            .map_err(|error| store_error(prepared.name, error))
    }
}
