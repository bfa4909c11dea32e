//! The measurement of the record store's indexes, on the database that the configuration names.

use super::App;
use crate::config::{Config, RecordUrl};
use crate::stores::postgres::indexes::{IndexesPlan, IndexesReport, measure};

impl App {
    /// Fills the empty, migrated PostgreSQL database of the record store and measures its indexes.
    pub async fn measure_indexes(
        config: &Config,
        sessions: u32,
        repeats: usize,
    ) -> anyhow::Result<IndexesReport> {
        let RecordUrl::Postgres(url) = &config.record else {
            anyhow::bail!(
                "indexes are measured on PostgreSQL; name an empty, migrated database with \
                 --record postgres://…"
            );
        };
        Ok(measure(url, IndexesPlan { sessions, repeats }).await?)
    }
}
