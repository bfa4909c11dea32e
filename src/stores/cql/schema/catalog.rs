//! `CqlCatalog`: generations of projection tables. A rebuild fills generation N+1 while N is
//! served, then reads switch over, then N is dropped.
//!
//! There is no lightweight transaction behind this: who changes the catalogue holds the lease of a
//! rebuild in the record store.

use std::sync::Arc;

use scylla::client::session::Session;
use scylla::statement::Statement;
use scylla::statement::batch::{Batch, BatchType};

use super::{
    GENERATION, SCYLLA_GENERATION, TABLES, change, require_schema, rows, statements, store_error,
};
use crate::domain::{Clock, Timestamp};
use crate::stores::StoreErrorKind;
use crate::stores::cql::connect::{connect, is_scylla};
use crate::stores::cql::encode::ENCODING;
use crate::stores::cql::error::failure;
use crate::stores::cql::{CqlOptions, Ticker};
use crate::stores::record::StoreResult;

/// What becomes of a generation in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GenerationState {
    /// It is being filled; nothing is read from it but to verify it.
    Building,
    /// It is whole and served.
    Active,
    /// It was served; kept for going back.
    Retired,
    /// Its tables are gone; its number is not used again.
    Dropped,
}

impl GenerationState {
    const ALL: [(Self, &'static str); 4] = [
        (Self::Building, "building"),
        (Self::Active, "active"),
        (Self::Retired, "retired"),
        (Self::Dropped, "dropped"),
    ];

    /// The name in messages, e.g. `building`.
    pub fn name(self) -> &'static str {
        let found = Self::ALL.into_iter().find(|(state, _)| *state == self);
        found.expect("ALL has every state").1
    }
}

/// A generation of projection tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Generation {
    /// Number at the end of its tables' names, from 1.
    pub number: i32,
    /// Where it is in its life.
    pub state: GenerationState,
    /// Form in which its rows are written; this program uses those of its own only.
    pub encoding: i32,
    /// Since when it is in this state.
    pub since: Timestamp,
}

/// The generations of one keyspace.
pub struct CqlCatalog {
    session: Session,
    options: CqlOptions,
    ticker: Ticker,
}

impl CqlCatalog {
    /// Connects; the keyspace must have been migrated.
    pub async fn open(options: &CqlOptions, clock: Arc<dyn Clock>) -> StoreResult<Self> {
        let session = connect(options).await?;
        require_schema(&session, options).await?;
        Ok(Self::on(session, options, clock))
    }

    pub(super) fn on(session: Session, options: &CqlOptions, clock: Arc<dyn Clock>) -> Self {
        Self {
            session,
            options: options.clone(),
            ticker: Ticker::new(clock),
        }
    }

    pub(super) fn session(&self) -> &Session {
        &self.session
    }

    pub(super) fn keyspace(&self) -> &str {
        &self.options.keyspace
    }

    /// A timestamp above every other of this process.
    pub(super) fn tick(&self) -> i64 {
        self.ticker.next()
    }

    /// All of them by number, dropped ones included.
    pub async fn generations(&self) -> StoreResult<Vec<Generation>> {
        read(&self.session, &self.options.keyspace).await
    }

    /// The one that is served, where it is of this program's encoding.
    pub async fn active(&self) -> StoreResult<Option<i32>> {
        self.newest(GenerationState::Active).await
    }

    /// The one that is being filled, where it is of this program's encoding.
    pub async fn building(&self) -> StoreResult<Option<i32>> {
        self.newest(GenerationState::Building).await
    }

    async fn newest(&self, state: GenerationState) -> StoreResult<Option<i32>> {
        let all = self.generations().await?;
        let wanted = |g: &&Generation| g.state == state && g.encoding == ENCODING;
        Ok(all.iter().rev().find(wanted).map(|g| g.number))
    }

    /// Makes the tables of a new generation and returns its number.
    pub async fn start(&self) -> StoreResult<i32> {
        let all = self.generations().await?;
        let number = next(&all);
        for cql in self.tables_of(number) {
            change(&self.session, &self.options, &cql).await?;
        }
        self.note(&[(number, GenerationState::Building)], &all)
            .await?;
        Ok(number)
    }

    /// The number that [`CqlCatalog::start`] will give.
    pub(super) async fn next_number(&self) -> StoreResult<i32> {
        Ok(next(&self.generations().await?))
    }

    /// Statements that make a generation's tables on this server.
    pub(super) fn tables_of(&self, number: i32) -> Vec<String> {
        let keyspace = &self.options.keyspace;
        let mut all = statements(GENERATION, keyspace, number);
        if is_scylla(&self.session) {
            all.extend(statements(SCYLLA_GENERATION, keyspace, number));
        }
        all
    }

    /// Serves a generation from now on; the one served before is kept.
    pub async fn switch(&self, number: i32) -> StoreResult<()> {
        let all = self.generations().await?;
        let there = |g: &Generation| {
            g.number == number && g.encoding == ENCODING && g.state != GenerationState::Dropped
        };
        if !all.iter().any(there) {
            return Err(self.refused(format!(
                "generation {number} is not there in this turngraph's encoding; nothing was switched"
            )));
        }
        let mut changes = vec![(number, GenerationState::Active)];
        let before = all
            .iter()
            .filter(|g| g.state == GenerationState::Active && g.number != number);
        changes.extend(before.map(|g| (g.number, GenerationState::Retired)));
        self.note(&changes, &all).await
    }

    /// Drops the tables of a generation that is not served, and all that is known about it.
    pub async fn drop(&self, number: i32) -> StoreResult<()> {
        let all = self.generations().await?;
        match all.iter().find(|g| g.number == number) {
            None => return Err(self.refused(format!("there is no generation {number}"))),
            Some(g) if g.state == GenerationState::Active => {
                return Err(self.refused(format!(
                    "generation {number} is served; switch to another one first"
                )));
            }
            Some(_) => {}
        }
        // Noted first: what is half dropped must not be opened again.
        self.note(&[(number, GenerationState::Dropped)], &all)
            .await?;
        let keyspace = &self.options.keyspace;
        for table in TABLES {
            let cql = format!("drop table if exists {keyspace}.{table}_{number};");
            change(&self.session, &self.options, &cql).await?;
        }
        for kind in ["watermark", "quarantine"] {
            let cql =
                format!("delete from {keyspace}.projection_state using timestamp ? where kind = ?");
            let values = (self.ticker.next(), format!("{kind}:{number}"));
            let sent = self.session.query_unpaged(cql, values).await;
            sent.map_err(|error| store_error("drop", error))?;
        }
        Ok(())
    }

    fn refused(&self, message: String) -> crate::stores::StoreError {
        failure(StoreErrorKind::Conflict, "generations", message)
    }

    /// Writes states in one batch of one partition, so that a reader sees all of them or none. The
    /// time is above that of every entry, since another machine's clock may have been ahead.
    async fn note(
        &self,
        changes: &[(i32, GenerationState)],
        known: &[Generation],
    ) -> StoreResult<()> {
        let cql = format!(
            "insert into {}.projection_state (kind, key, value, at_us) values (?, ?, ?, ?) using timestamp ?",
            self.options.keyspace
        );
        let statement = Statement::new(cql);
        let statements = changes.iter().map(|_| statement.clone().into());
        let mut batch = Batch::new_with_statements(BatchType::Unlogged, statements.collect());
        batch.set_is_idempotent(true);
        let latest = known.iter().map(|generation| generation.since.0 + 1).max();
        let at = self.ticker.next().max(latest.unwrap_or(0));
        let values = changes.iter().map(|(number, state)| {
            let encoding = known.iter().find(|g| g.number == *number);
            let encoding = encoding.map_or(ENCODING, |g| g.encoding);
            let value = format!("{} {encoding}", state.name());
            ("generation", number.to_string(), value, at, at)
        });
        let values: Vec<_> = values.collect();
        let prepared = self.session.prepare_batch(&batch).await;
        let prepared = prepared
            .map_err(|error| crate::stores::cql::error::prepare_error("generations", error))?;
        let sent = self.session.batch(&prepared, values).await;
        sent.map(drop)
            .map_err(|error| store_error("generations", error))
    }
}

/// Numbers are never used again.
fn next(all: &[Generation]) -> i32 {
    all.last().map_or(1, |last| last.number + 1)
}

/// The catalogue of a keyspace, by number.
pub(super) async fn read(session: &Session, keyspace: &str) -> StoreResult<Vec<Generation>> {
    let cql = format!(
        "select key, value, at_us from {keyspace}.projection_state where kind = 'generation'"
    );
    let found: Vec<(String, String, i64)> = rows(session, "generations", cql, ()).await?;
    let mut all = Vec::with_capacity(found.len());
    for (key, value, at) in found {
        let generation = parse(&key, &value, at).ok_or_else(|| {
            let message = format!("entry `{key}` of the generations in `{keyspace}` is unreadable");
            failure(StoreErrorKind::Corrupt, "generations", message)
        })?;
        all.push(generation);
    }
    all.sort_by_key(|generation| generation.number);
    Ok(all)
}

fn parse(key: &str, value: &str, at: i64) -> Option<Generation> {
    let (state, encoding) = value.split_once(' ')?;
    let mut states = GenerationState::ALL.into_iter();
    Some(Generation {
        number: key.parse().ok()?,
        state: states.find(|(_, name)| *name == state)?.0,
        encoding: encoding.parse().ok()?,
        since: Timestamp(at),
    })
}
