//! The server of the CQL projections.

use std::time::{Duration, Instant};

use scylla::client::session::Session;
use scylla::statement::{Consistency, Statement};

use crate::support::cassandra::{Cluster, Keyspace, connect, create_keyspace, server};
use crate::support::process::START_MAX;

async fn write(session: &Session, table: &str, id: i32, text: &str) {
    let cql = format!("insert into {table} (id, text) values (?, ?) using timestamp 7");
    let mut statement = Statement::new(cql);
    statement.set_consistency(Consistency::LocalQuorum);
    // The driver may ask the node that is paused; it goes to another one at the next try.
    statement.set_request_timeout(Some(Duration::from_secs(2)));
    let until = Instant::now() + START_MAX;
    while let Err(error) = session.query_unpaged(statement.clone(), (id, text)).await {
        assert!(Instant::now() < until, "two of three must do: {error}");
    }
}

async fn read(session: &Session, table: &str, id: i32) -> Option<(String, i64)> {
    let cql = format!("select text, writetime(text) from {table} where id = ?");
    let mut statement = Statement::new(cql);
    statement.set_consistency(Consistency::LocalQuorum);
    statement.set_request_timeout(Some(Duration::from_secs(2)));
    let until = Instant::now() + START_MAX;
    loop {
        match session.query_unpaged(statement.clone(), (id,)).await {
            Ok(rows) => return rows.into_rows_result().unwrap().maybe_first_row().unwrap(),
            Err(error) => assert!(Instant::now() < until, "two of three must do: {error}"),
        }
    }
}

#[tokio::test]
async fn cassandra_gives_back_what_was_written() {
    let keyspace = Keyspace::new().await;
    let session = keyspace.session().await;
    let cql = "create table notes (id int primary key, text text)";
    session.query_unpaged(cql, ()).await.unwrap();
    write(&session, "notes", 1, "good evening").await;
    assert_eq!(
        read(&session, "notes", 1).await,
        Some(("good evening".to_owned(), 7))
    );

    server().nodetool(&["flush", keyspace.name()]);
    let files = std::fs::read_dir(server().files_of(keyspace.name())).unwrap();
    let tables: Vec<_> = files.map(|f| f.unwrap().path()).collect();
    assert_eq!(tables.len(), 1, "{tables:?}");
    let data = std::fs::read_dir(&tables[0]).unwrap();
    assert!(data.count() > 1, "a flush writes files of the table");
}

#[tokio::test]
async fn a_keyspace_goes_with_its_test() {
    let keyspace = Keyspace::new().await;
    let name = keyspace.name().to_owned();
    drop(keyspace);
    let session = connect(server().address()).await;
    let cql = "select keyspace_name from system_schema.keyspaces where keyspace_name = ?";
    let rows = session.query_unpaged(cql, (name,)).await.unwrap();
    assert_eq!(rows.into_rows_result().unwrap().rows_num(), 0);
}

#[tokio::test]
async fn a_cluster_survives_the_loss_of_any_one_node() {
    let mut cluster = Cluster::start().await;
    let session = connect(cluster.contact(0)).await;
    create_keyspace(&session, "notes", 3).await;
    let cql = "create table notes.notes (id int primary key, text text)";
    session.query_unpaged(cql, ()).await.unwrap();

    cluster.kill(2);
    write(&session, "notes.notes", 1, "without the third").await;
    cluster.restart(2);
    cluster.wait_whole().await;

    cluster.pause(1);
    write(&session, "notes.notes", 2, "without the second").await;
    let seen = read(&session, "notes.notes", 1).await;
    assert_eq!(seen, Some(("without the third".to_owned(), 7)));
    cluster.resume(1);
    cluster.wait_whole().await;
    let seen = read(&session, "notes.notes", 2).await;
    assert_eq!(seen, Some(("without the second".to_owned(), 7)));
}
