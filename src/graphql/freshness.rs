//! What an operation asks for: how fresh its answer must be, and which writes it must show. The
//! transport says it for the whole operation, fields say it by arguments; the strictest counts.

use async_graphql::{Enum, InputObject};

use super::engine::enumeration;
use super::scalars::RevisionScalar;
use crate::domain::{self, Revision};
use crate::reads;

/// Different revisions in one operation at most.
pub(crate) const REVISIONS_MAX: usize = 16;

/// What an operation asks for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Freshness {
    /// How fresh; EVENTUAL where nobody says.
    pub consistency: Option<domain::Consistency>,
    /// The writes that must be shown.
    pub at_least: Vec<Revision>,
}

impl Freshness {
    /// Adds what a field asks for.
    pub(crate) fn add(&mut self, asked: &FreshnessArgs) {
        let consistency = asked.consistency.map(domain::Consistency::from);
        self.consistency = self.consistency.max(consistency);
        let revision = asked.at_least.as_ref().map(RevisionScalar::revision);
        self.at_least_too(revision);
    }

    /// Adds what another part asks for.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.consistency = self.consistency.max(other.consistency);
        self.at_least_too(other.at_least.iter().cloned());
    }

    fn at_least_too(&mut self, revisions: impl IntoIterator<Item = Revision>) {
        for revision in revisions {
            if !self.at_least.contains(&revision) && self.at_least.len() <= REVISIONS_MAX {
                self.at_least.push(revision);
            }
        }
    }

    /// Whether more is asked for than is looked at.
    pub(crate) fn is_too_much(&self) -> bool {
        self.at_least.len() > REVISIONS_MAX
    }
}

/// Arguments of fields that open a way into the data.
#[derive(InputObject, Clone, Default)]
pub(crate) struct FreshnessArgs {
    /// How fresh the whole operation must be: the strictest that any of its fields, or the header
    /// `X-Turngraph-Consistency`, asks for. EVENTUAL where nothing asks.
    consistency: Option<Consistency>,
    /// The answer shows at least this write: the `revision` of a mutation.
    at_least: Option<RevisionScalar>,
}

/// How fresh a read must be.
#[derive(Enum, Clone, Copy, PartialEq, Eq, Debug)]
#[graphql(remote = "domain::Consistency")]
pub(crate) enum Consistency {
    /// The record store itself; an error when it cannot be read, never anything older.
    Strong,
    /// Caches and projections, a moment behind; the answer says how far.
    Eventual,
    /// A replica of the record store, or a small pool of its own; for reports.
    Analytics,
}

/// A kind of store.
#[derive(Enum, Clone, Copy, PartialEq, Eq, Debug)]
#[graphql(remote = "reads::Source")]
pub(crate) enum Store {
    /// PostgreSQL, the record store.
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

enumeration!(
    /// A consistency.
    ConsistencyName, Consistency
);
enumeration!(
    /// A store.
    StoreName, Store
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strictest_counts_and_revisions_add_up_once() {
        let revision = |n: i64| Revision {
            position: None,
            rows: vec![(domain::Uid::stored("u"), n)],
        };
        let asks = |consistency, n| Freshness {
            consistency,
            at_least: vec![revision(n)],
        };
        let mut all = Freshness::default();
        all.merge(&asks(Some(domain::Consistency::Analytics), 1));
        assert_eq!(all.consistency, Some(domain::Consistency::Analytics));
        all.merge(&asks(Some(domain::Consistency::Strong), 1));
        all.merge(&asks(Some(domain::Consistency::Eventual), 2));
        all.merge(&asks(None, 2));
        assert_eq!(all.consistency, Some(domain::Consistency::Strong));
        assert_eq!(all.at_least, [revision(1), revision(2)]);
        (0..100).for_each(|n| all.merge(&asks(None, n)));
        assert!(all.is_too_much() && all.at_least.len() == REVISIONS_MAX + 1);
    }
}
