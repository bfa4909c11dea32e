//! What the rest of turngraph may ask of a store, by role; the engines are leaves behind it.
//!
//! `RecordStore` is the system of record. Its two adapters are `postgres` and `sqlite`; `sql` has
//! what they share. `ProjectionStore` holds copies for fast reads, `SessionCache` hot sessions,
//! `ProjectionSource` is the record store as the projector sees it, `ChangeLog` its table of changes.
//! Only the composition root (`app`) names an engine.

pub mod cache;
pub mod change_log;
pub mod cql;
pub mod erasure;
pub mod error;
pub mod listing;
pub mod memory;
pub mod migration;
pub mod postgres;
pub mod projection;
pub mod record;
pub mod redis;
pub mod source;
pub mod sql;
pub mod sqlite;

pub use cache::SessionCache;
pub use change_log::ChangeLog;
pub use erasure::ErasureStore;
pub use error::{StoreError, StoreErrorKind};
pub use listing::{SessionFilter, SessionListing, SessionOrder, TurnSearch};
pub use projection::ProjectionStore;
pub use record::{RecordStore, RecordTransaction};
pub use source::ProjectionSource;

/// A kind of store, as answers name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StoreKind {
    /// PostgreSQL, the record store of an installation.
    Postgres,
    /// SQLite, the embedded record store.
    Sqlite,
    /// Cassandra or ScyllaDB, the projections.
    Cql,
    /// Redis or Valkey, the hot cache.
    Redis,
    /// The cache in the process.
    Memory,
}

impl StoreKind {
    /// The name in messages, metrics and GraphQL, e.g. `POSTGRES`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Postgres => "POSTGRES",
            Self::Sqlite => "SQLITE",
            Self::Cql => "CQL",
            Self::Redis => "REDIS",
            Self::Memory => "MEMORY",
        }
    }
}
