//! Wrong configuration is said with what to do.

use std::net::TcpListener;

use turngraph::stores::cql::{CqlMigrator, CqlOptions, CqlProjection};
use turngraph::stores::{StoreError, StoreErrorKind};

use super::{clock, contract_fixture, options};
use crate::support::process::free_port;

async fn error_of(options: &CqlOptions) -> StoreError {
    let opened = CqlProjection::open(options, 1, clock()).await;
    opened.err().expect("it cannot be opened")
}

fn at(port: u16) -> CqlOptions {
    CqlOptions::parse(&format!("cql://127.0.0.1:{port}/turngraph")).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_keyspace_that_is_not_there_is_named() {
    let error = error_of(&options("nowhere")).await;
    assert_eq!(error.kind, StoreErrorKind::Schema);
    assert!(error.message.contains("no keyspace `nowhere`"), "{error}");
    assert!(error.message.contains("turngraph migrate up"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_datacenter_that_is_not_there_is_named() {
    let mut options = options("nowhere");
    options.datacenter = Some("mars".to_owned());
    let error = error_of(&options).await;
    assert!(error.message.contains("no datacenter `mars`"), "{error}");
    assert!(error.message.contains("datacenter1"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_listening_is_unavailable_and_says_where() {
    let port = free_port();
    let error = error_of(&at(port)).await;
    assert_eq!(error.kind, StoreErrorKind::Unavailable);
    assert!(
        error.message.contains(&format!("127.0.0.1:{port}")),
        "{error}"
    );
    let migrator = CqlMigrator::connect(&at(port), clock()).await;
    assert_eq!(migrator.err().unwrap().kind, StoreErrorKind::Unavailable);
    let unknown = CqlOptions::parse("cql://no-such-host.invalid/turngraph").unwrap();
    let error = error_of(&unknown).await;
    assert!(error.message.contains("has an address"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_speaks_something_else_is_said_to() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            use std::io::{Read as _, Write as _};
            let mut stream = stream;
            let mut request = [0; 64];
            let _ = stream.read(&mut request);
            let _ = stream.write_all(b"-ERR unknown command\r\n");
        }
    });
    let error = error_of(&at(port)).await;
    assert_eq!(error.kind, StoreErrorKind::Unavailable);
    assert!(error.message.contains("does not speak CQL"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_file_of_authorities_is_named() {
    let mut options = options("nowhere");
    options.tls = Some(turngraph::stores::cql::TlsFiles {
        authorities: "no/such/ca.pem".into(),
        client: None,
    });
    let error = error_of(&options).await;
    assert!(error.message.contains("no/such/ca.pem"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_store_is_unavailable() {
    let f = contract_fixture().await;
    let health = f.store.health().await.unwrap();
    assert!(health.starts_with("Cassandra 5."), "{health}");
    f.store.close().await;
    f.store.close().await;
    let error = f.store.sessions(&[f.key("s")]).await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Unavailable);
    assert!(f.store.apply(&[]).await.is_err());
}
