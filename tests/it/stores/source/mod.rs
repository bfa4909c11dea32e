//! The contract of `ProjectionSource`, written once and run on every engine, and what is each
//! engine's own: rows of other programs, leases that are lost, the publication.

mod erasure;
mod jobs;
mod lost;
mod publication;
mod rows;

use std::sync::Arc;

use sqlx::{Connection, PgConnection};
use turngraph::domain::clock::ManualClock;
use turngraph::stores::postgres::PgRecordStore;
use turngraph::stores::sqlite::SqliteRecordStore;
use turngraph::stores::{ChangeLog, ProjectionSource};

use crate::stores::contract::Fixture;
use crate::support::postgres::Database;
use crate::support::sqlite::{START, SqliteFixture};

/// A migrated, empty store as projector and as writer, and a second process on the same database.
pub(crate) struct SourceFixture {
    pub(crate) source: Arc<dyn ProjectionSource>,
    pub(crate) second: Arc<dyn ProjectionSource>,
    pub(crate) log: Arc<dyn ChangeLog>,
    pub(crate) record: Fixture,
    /// Address of the database, where it is on a server.
    url: Option<String>,
    /// File of the database, where it is one.
    file: Option<std::path::PathBuf>,
}

impl SourceFixture {
    /// A connection of another program to the server.
    pub(crate) async fn beside(&self) -> PgConnection {
        let url = self.url.as_ref().expect("the database is on a server");
        PgConnection::connect(url).await.unwrap()
    }
}

pub(crate) async fn postgres_fixture() -> SourceFixture {
    let database = Database::migrated();
    let store = Arc::new(database.store().await);
    SourceFixture {
        source: Arc::<PgRecordStore>::clone(&store),
        second: Arc::new(database.store().await),
        log: Arc::<PgRecordStore>::clone(&store),
        url: Some(database.url()),
        file: None,
        record: Fixture {
            store,
            clock: Arc::new(ManualClock::at(START)),
            engine: Box::new(database),
        },
    }
}

pub(crate) async fn sqlite_fixture() -> SourceFixture {
    let sqlite = SqliteFixture::new().await;
    let second = sqlite.second().await;
    SourceFixture {
        source: Arc::<SqliteRecordStore>::clone(&sqlite.store),
        second: Arc::new(second),
        log: Arc::<SqliteRecordStore>::clone(&sqlite.store),
        url: None,
        file: Some(sqlite.path()),
        record: Fixture {
            store: Arc::<SqliteRecordStore>::clone(&sqlite.store),
            clock: Arc::clone(&sqlite.clock),
            engine: Box::new(sqlite),
        },
    }
}

/// Runs every case on the store that `$open` (an async function) makes.
macro_rules! source_contract_on {
    ($engine:ident, $open:path) => {
        mod $engine {
            source_contract_on! { @cases $open:
                erasure::a_blocked_account_gets_no_session_and_others_do,
                erasure::a_receipt_is_given_once_and_shows_each_store,
                erasure::the_end_of_an_account_is_told_above_all_that_it_had,
                erasure::nothing_of_a_purged_session_is_left_in_a_table_or_a_file,
                erasure::what_is_purged_stays_gone_and_what_is_reborn_wins,
                jobs::a_dead_letter_is_kept_once_counted_and_resolved_with_its_session,
                jobs::a_role_is_held_by_one_process_until_it_lets_go,
                jobs::progress_is_noted_replaced_and_forgotten,
                rows::a_position_is_never_lower_than_that_of_a_commit,
                rows::addresses_are_found_whosever_the_turns_are,
                rows::all_sessions_are_gone_through_in_the_order_of_bytes,
                rows::purges_tell_what_went_oldest_first,
                rows::rows_are_the_same_as_the_record_store_shows,
            }
        }
    };
    (@cases $open:path: $($file:ident::$case:ident,)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                super::$file::$case($open().await).await;
            }
        )*
    };
}

source_contract_on!(postgres, super::postgres_fixture);
source_contract_on!(sqlite, super::sqlite_fixture);
