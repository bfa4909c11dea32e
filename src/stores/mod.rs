//! What the rest of turngraph may ask of a store, by role; the engines are leaves behind it.
//!
//! `RecordStore` is the system of record. Its two adapters are `postgres` and `sqlite`; `sql` has
//! what they share. Only the composition root (`app`) names an engine.

pub mod error;
pub mod listing;
pub mod migration;
pub mod postgres;
pub mod record;
pub mod sql;
pub mod sqlite;

pub use error::{StoreError, StoreErrorKind};
pub use listing::{SessionFilter, SessionListing, SessionOrder, TurnSearch};
pub use record::{RecordStore, RecordTransaction};

/// A kind of store, as answers name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StoreKind {
    /// PostgreSQL, the record store of an installation.
    Postgres,
    /// SQLite, the embedded record store.
    Sqlite,
}

impl StoreKind {
    /// The name in messages, metrics and GraphQL, e.g. `POSTGRES`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Postgres => "POSTGRES",
            Self::Sqlite => "SQLITE",
        }
    }
}
