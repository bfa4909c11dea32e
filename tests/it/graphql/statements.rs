//! SQL statements that PostgreSQL itself counts: as many as the operation's shape asks for,
//! whether the session has two turns or ten thousand.

use std::sync::Arc;
use std::time::Duration;

use sqlx::{Connection, PgConnection};
use turngraph::domain::Timestamp;
use turngraph::domain::clock::ManualClock;
use turngraph::stores::RecordStore;
use turngraph::stores::postgres::{PgOptions, PgRecordStore};

use super::api::Api;
use super::round_trips::{ACCOUNTS, SESSION};
use crate::support::postgres::Database;

const RESET: &str = "select pg_stat_statements_reset(0,
    (select oid from pg_database where datname = current_database()), 0)";
const CALLS: &str = "select coalesce(sum(calls), 0)::bigint from pg_stat_statements
    where dbid = (select oid from pg_database where datname = current_database())
        and query not ilike '%pg_stat_statements%'";

async fn statements(api: &Api, counter: &mut PgConnection, query: &str) -> i64 {
    // The first time a statement is prepared; that is not what is counted here.
    api.data(query).await;
    sqlx::query(RESET).execute(&mut *counter).await.unwrap();
    api.data(query).await;
    sqlx::query_scalar(CALLS).fetch_one(counter).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operations_need_as_many_statements_for_ten_thousand_turns_as_for_two() {
    for turns in [2, 300, 10_000] {
        let database = Database::migrated();
        let mut counter = PgConnection::connect(&database.url()).await.unwrap();
        let extension = "create extension pg_stat_statements";
        sqlx::query(extension).execute(&mut counter).await.unwrap();
        // One connection: what a new one says of itself would be counted too.
        let options = PgOptions {
            max_connections: 1,
            acquire_timeout: Duration::from_secs(60),
            ..PgOptions::url(database.url())
        };
        let store: Arc<dyn RecordStore> = Arc::new(PgRecordStore::open(&options).await.unwrap());
        let clock = Arc::new(ManualClock::at(Timestamp(1_700_000_000_000_000)));
        let api = Api::on(store, clock, Box::new(()));
        api.chain("s", turns).await;
        api.chain("s1", 2).await;
        for (what, query, wanted) in SESSION.iter().chain(ACCOUNTS) {
            let counted = statements(&api, &mut counter, query).await;
            assert_eq!(counted, *wanted as i64, "{what} of {turns} turns");
        }
    }
}
