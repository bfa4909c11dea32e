//! The private servers of the record store.

use std::time::Duration;

use sqlx::Connection as _;
use sqlx::PgConnection;

use crate::support::postgres::Private;

async fn text(connection: &mut PgConnection, sql: &'static str) -> String {
    sqlx::query_scalar(sql).fetch_one(connection).await.unwrap()
}

#[tokio::test]
async fn a_private_postgres_has_its_own_settings() {
    let mut server = Private::start(&["wal_sender_timeout=1s"]);
    let mut connection = server.connect("postgres").await;
    assert_eq!(text(&mut connection, "show wal_level").await, "logical");
    assert_eq!(text(&mut connection, "show wal_sender_timeout").await, "1s");
    server.set("max_slot_wal_keep_size=64MB");
    server.stop();
    assert!(
        PgConnection::connect(&server.url("postgres"))
            .await
            .is_err()
    );
    server.start_again();
    let mut connection = server.connect("postgres").await;
    let kept = text(&mut connection, "show max_slot_wal_keep_size").await;
    assert_eq!(kept, "64MB");
}

#[tokio::test]
async fn a_killed_postgres_comes_back_with_what_was_committed() {
    let mut server = Private::start(&[]);
    let url = server.migrated().await;
    let mut connection = PgConnection::connect(&url).await.unwrap();
    let insert = "insert into sessions (uid, account_uid) values ('s', 'a')";
    sqlx::raw_sql(insert)
        .execute(&mut connection)
        .await
        .unwrap();
    server.kill();
    server.start_again();
    let mut connection = server.connect("turngraph").await;
    let uid = text(&mut connection, "select uid::text from sessions").await;
    assert_eq!(uid, "s");
}

#[tokio::test]
async fn a_paused_postgres_answers_when_it_goes_on() {
    let server = Private::start(&[]);
    server.pause();
    let waiting = PgConnection::connect(&server.url("postgres"));
    let waiting = tokio::time::timeout(Duration::from_millis(200), waiting);
    assert!(waiting.await.is_err());
    server.resume();
    let mut connection = server.connect("postgres").await;
    connection.ping().await.unwrap();
}
