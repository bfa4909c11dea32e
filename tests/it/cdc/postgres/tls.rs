//! The record store and its feed over TLS: both trust the authority that the address names, and
//! nobody else.

use std::path::Path;
use std::sync::Arc;

use turngraph::cdc::postgres::{PgoutputOpener, PgoutputOptions};
use turngraph::domain::SystemClock;
use turngraph::stores::RecordStore;
use turngraph::stores::postgres::{PgOptions, PgRecordStore};

use super::lab::PATIENCE;
use crate::support::authority::Authority;
use crate::support::postgres::Private;

/// Connections of clients and of readers of the log that are not encrypted, but for the one that
/// asks, and encrypted readers of the log.
const CONNECTIONS: &str = "select
    count(*) filter (where not s.ssl and a.pid <> pg_backend_pid()),
    count(*) filter (where s.ssl and a.backend_type = 'walsender')
    from pg_stat_ssl s join pg_stat_activity a using (pid)
    where a.backend_type in ('client backend', 'walsender')";

fn options(url: &str) -> PgOptions {
    PgOptions {
        acquire_timeout: PATIENCE,
        ..PgOptions::url(url)
    }
}

fn opener(url: &str) -> PgoutputOpener {
    PgoutputOpener::new(PgoutputOptions::url(url), Arc::new(SystemClock)).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_record_and_its_feed_trust_the_authority_that_the_address_names_and_no_other() {
    let mut server = Private::start(&[]);
    let plain = server.migrated().await;
    let (authority, stranger) = (Authority::new(), Authority::new());
    server.present(&authority.identity("localhost"));
    // A certificate is compared with a name; the client of the stream takes no address for one.
    let plain = plain.replace("127.0.0.1", "localhost");
    let url = |ca: &Path| format!("{plain}?sslmode=verify-full&sslrootcert={}", ca.display());

    let trusted = url(&authority.file());
    let store = PgRecordStore::open(&options(&trusted)).await.unwrap();
    store.health().await.unwrap();
    let feed = opener(&trusted).open(None, false).await.unwrap();
    let mut asks = server.connect("turngraph").await;
    let (open, readers): (i64, i64) = loop {
        let found = sqlx::query_as(CONNECTIONS)
            .fetch_one(&mut asks)
            .await
            .unwrap();
        // The stream begins a moment after the feed is open.
        if matches!(found, (_, 1..)) {
            break found;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    };
    assert_eq!((open, readers), (0, 1), "everything is encrypted");
    drop(feed);

    let untrusted = url(&stranger.file());
    let error = PgRecordStore::open(&options(&untrusted)).await.err();
    let error = error
        .expect("a stranger's authority is refused")
        .to_string();
    assert!(error.to_lowercase().contains("certificate"), "{error}");
    let refused = opener(&untrusted).open(None, false).await;
    assert!(refused.is_err(), "and so it is for the feed");
    store.close().await;
}
