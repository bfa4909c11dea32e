//! Opening the stream: what is checked before, where it begins, and when it must not begin.
//!
//! A stream that goes on at the wrong place loses changes without a sign, so every doubt is a
//! `Gap`: another cluster, a history that left the place where we were, a slot that is gone, lost,
//! or further than what was acknowledged, a place that the server has not reached.

use std::sync::Arc;
use std::time::Duration;

use pgwire_replication::{Lsn, ReplicationClient};
use sqlx::postgres::PgConnection;
use sqlx::{ConnectOptions, Connection};

use super::address::Address;
use super::failure::{OBJECT_IN_USE, gap, of_statement, of_stream, retry, state_of};
use super::slot::SlotStatus;
use super::timeline::{Server, shown};
use super::{PgoutputOptions, Start, check};
use crate::cdc::FeedError;
use crate::domain::Position;

/// How long connecting may take; a server that was cut off silently never answers.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long making a slot may wait for transactions that are open.
const SLOT_PATIENCE: Duration = Duration::from_secs(60);

/// What an opening needs.
#[derive(Debug, Clone)]
pub(super) struct Opening {
    pub(super) options: Arc<PgoutputOptions>,
    pub(super) address: Arc<Address>,
    /// The last acknowledged place; none where nothing was ever acknowledged.
    pub(super) resume_from: Option<Position>,
    /// Whether to begin with a new slot, whatever was before.
    pub(super) anew: bool,
}

/// A stream that has begun.
pub(super) struct Opened {
    pub(super) client: ReplicationClient,
    /// Everything before it is acknowledged.
    pub(super) from: Position,
    pub(super) start: Start,
}

impl Opening {
    pub(super) fn role(&self) -> &str {
        self.address.role()
    }

    /// A connection for statements.
    pub(super) async fn statements(&self) -> Result<PgConnection, FeedError> {
        let connecting = self.address.statements.connect();
        tokio::time::timeout(PATIENCE, connecting)
            .await
            .map_err(|_| retry("the record store does not answer"))?
            .map_err(|error| of_statement(error, "connect to the record store", self.role()))
    }

    fn subject(&self) -> check::Subject<'_> {
        check::Subject {
            slot: &self.options.slot,
            publication: &self.options.publication,
            role: self.role(),
        }
    }

    /// What is wrong with the server or will be.
    pub(super) async fn findings(
        &self,
        connection: &mut PgConnection,
    ) -> Result<Vec<check::Finding>, FeedError> {
        check::findings(connection, self.subject()).await
    }

    pub(super) async fn slot(
        &self,
        connection: &mut PgConnection,
    ) -> Result<Option<SlotStatus>, FeedError> {
        SlotStatus::read(connection, (&self.options.slot, self.role())).await
    }

    /// Whether the server would let a stream begin.
    pub(super) async fn may_stream(&self) -> Result<(), FeedError> {
        let failed = |error| of_stream(error, self.role());
        let config = self.address.stream(&self.options);
        let asking = async {
            let mut client = ReplicationClient::connect_gated(config)
                .await
                .map_err(failed)?;
            client.identify_system().await.map_err(failed)?;
            Ok(())
        };
        tokio::time::timeout(PATIENCE, asking)
            .await
            .map_err(|_| retry("the record store does not answer"))?
    }

    /// Opens the stream.
    pub(super) async fn open(self) -> Result<Opened, FeedError> {
        let mut connection = self.statements().await?;
        let standby: bool = sqlx::query_scalar("select pg_is_in_recovery()")
            .fetch_one(&mut connection)
            .await
            .map_err(|error| of_statement(error, "read who the server is", self.role()))?;
        if standby {
            return Err(retry(
                "the address leads to a standby; the feed waits until it leads to the primary",
            ));
        }
        let findings = self.findings(&mut connection).await?;
        if let Some(refusal) = check::refusal(&findings) {
            return Err(refusal);
        }
        let server = Server::read(&mut connection, self.role()).await?;
        let from = self.slot_position(&mut connection, &server).await?;
        let opened = self.stream(&server, from).await;
        let _ = connection.close().await;
        opened
    }

    /// The place from which the slot tells; the slot is made where it may be.
    async fn slot_position(
        &self,
        connection: &mut PgConnection,
        server: &Server,
    ) -> Result<u64, FeedError> {
        let name = &self.options.slot;
        let found = self.slot(connection).await?;
        if self.anew {
            if found.is_some() {
                self.drop_slot(connection).await?;
            }
            return self.create_slot(connection, server).await;
        }
        let Some(slot) = found else {
            return match &self.resume_from {
                None => self.create_slot(connection, server).await,
                Some(_) => Err(gap(format!(
                    "the replication slot `{name}` is gone (dropped by hand, or left behind by a \
                     failover): changes since the last acknowledged place cannot be told; \
                     projections must be rebuilt (`turngraph rebuild`)"
                ))),
            };
        };
        if slot.is_lost() {
            let why = slot.invalidated.as_deref().unwrap_or("wal_removed");
            return Err(gap(format!(
                "the replication slot `{name}` is lost ({why}): the server has removed log that \
                 was not read; projections must be rebuilt (`turngraph rebuild`), and \
                 max_slot_wal_keep_size raised if the projector was not away for long"
            )));
        }
        let Some(resume_from) = &self.resume_from else {
            return Ok(slot.confirmed);
        };
        if slot.confirmed > resume_from.value {
            return Err(gap(format!(
                "the replication slot `{name}` stands at {}, further than {}, which is all that \
                 is known to be in the projections: somebody else has read it, or the notes of \
                 progress are of a backup; projections must be rebuilt (`turngraph rebuild`)",
                shown(slot.confirmed),
                shown(resume_from.value)
            )));
        }
        Ok(resume_from.value)
    }

    async fn drop_slot(&self, connection: &mut PgConnection) -> Result<(), FeedError> {
        sqlx::query("select pg_drop_replication_slot($1)")
            .bind(&self.options.slot)
            .execute(connection)
            .await
            .map_err(|error| match error.as_database_error() {
                Some(e) if e.code().as_deref() == Some(OBJECT_IN_USE) => {
                    retry("the slot that is to be replaced is still read by another connection")
                }
                _ => of_statement(error, "drop its lost slot", self.role()),
            })?;
        Ok(())
    }

    /// Makes the slot. From version 17 it is copied to standbys.
    async fn create_slot(
        &self,
        connection: &mut PgConnection,
        server: &Server,
    ) -> Result<u64, FeedError> {
        let statement = if server.version >= 170_000 {
            "select (lsn - '0/0'::pg_lsn)::bigint
             from pg_create_logical_replication_slot($1, 'pgoutput', failover => true)"
        } else {
            "select (lsn - '0/0'::pg_lsn)::bigint
             from pg_create_logical_replication_slot($1, 'pgoutput')"
        };
        let making = sqlx::query_scalar::<_, i64>(statement)
            .bind(&self.options.slot)
            .fetch_one(connection);
        let position = tokio::time::timeout(SLOT_PATIENCE, making)
            .await
            .map_err(|_| {
                retry(
                    "a new slot waits for transactions that were open before it; end them: \
                     select pid, xact_start, query from pg_stat_activity order by xact_start;",
                )
            })?
            .map_err(|error| of_statement(error, "make its replication slot", self.role()))?;
        Ok(position.cast_unsigned())
    }

    /// Connects, makes sure that it is the server that was looked at, and begins.
    async fn stream(&self, server: &Server, from: u64) -> Result<Opened, FeedError> {
        let failed = |error| of_stream(error, self.role());
        let config = self
            .address
            .stream(&self.options)
            .with_start_lsn(Lsn::from_u64(from))
            .with_status_interval(server.feedback)
            .with_wakeup_interval(server.feedback);
        let beginning = async {
            let mut client = ReplicationClient::connect_gated(config)
                .await
                .map_err(failed)?;
            let identity = client.identify_system().await.map_err(failed)?;
            let known = (server.system.to_string(), server.timeline);
            if (identity.system_id, identity.timeline) != known {
                return Err(retry("the address led to two servers, one after the other"));
            }
            let start = match &self.resume_from {
                Some(before) if !self.anew => {
                    server.follows(before, (&mut client, self.role())).await?
                }
                _ => Start::New,
            };
            client.start().await.map_err(failed)?;
            client
                .wait_started()
                .await
                .map_err(|error| self.not_started(error))?;
            Ok((client, start))
        };
        let (client, start) = tokio::time::timeout(PATIENCE, beginning)
            .await
            .map_err(|_| retry("the record store does not begin to stream"))??;
        Ok(Opened {
            client,
            from: Position {
                store: server.store(),
                value: from,
            },
            start,
        })
    }

    fn not_started(&self, error: pgwire_replication::PgWireError) -> FeedError {
        // The slot was there a moment ago; what it is now, the next opening finds out.
        match state_of(&error).as_deref() {
            Some(super::failure::UNDEFINED_OBJECT) => retry("the slot went while it was opened"),
            _ => of_stream(error, self.role()),
        }
    }
}
