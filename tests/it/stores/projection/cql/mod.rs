//! What is CQL's own, on a real Cassandra: cells and timestamps, schema, generations, errors.

mod cells;
mod cluster;
mod erasure;
mod generations;
mod logins;
mod outage;
mod requests;
mod schema;
mod wrong;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OnceCell;
use turngraph::domain::clock::ManualClock;
use turngraph::stores::cql::{CqlMigrator, CqlOptions, CqlProjection};
use turngraph::stores::migration::{MigrationReport, SchemaMigrator, UpOptions};

use super::fixture::Fixture;
use crate::support::cassandra;
use crate::support::sqlite::START;

/// Keyspace of the cases of the contract.
const SHARED: &str = "contract";

/// Options for a keyspace on the node of the run, with a deadline that a busy machine keeps.
fn options(keyspace: &str) -> CqlOptions {
    options_at(cassandra::server().address(), keyspace)
}

/// The same on another node.
fn options_at(contact: SocketAddr, keyspace: &str) -> CqlOptions {
    let url = format!("cql://{contact}/{keyspace}?timeout_ms=20000");
    CqlOptions {
        connect_timeout: Duration::from_secs(60),
        write_timeout: Duration::from_secs(20),
        ..CqlOptions::parse(&url).unwrap()
    }
}

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(START))
}

async fn migrate(options: &CqlOptions) -> MigrationReport {
    let migrator = CqlMigrator::connect(options, clock()).await.unwrap();
    migrator.up(UpOptions::default()).await.unwrap()
}

/// A store on the keyspace that all cases share; each takes keys of its own.
pub(super) async fn contract_fixture() -> Fixture {
    static MIGRATED: OnceCell<()> = OnceCell::const_new();
    let options = options(SHARED);
    MIGRATED
        .get_or_init(|| async {
            migrate(&options).await;
        })
        .await;
    let store = CqlProjection::open(&options, 1, clock()).await.unwrap();
    Fixture::new(Arc::new(store))
}
