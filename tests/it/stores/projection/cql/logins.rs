//! A server that asks who one is and what one may do.

use std::time::{Duration, Instant};

use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use turngraph::domain::{TurnRole, Uid};
use turngraph::stores::StoreErrorKind;
use turngraph::stores::cql::{CqlMigrator, CqlOptions, CqlProjection};
use turngraph::stores::migration::{SchemaMigrator, UpOptions};
use turngraph::stores::projection::ProjectionStore;

use super::super::fixture::{turn, turn_write};
use super::{clock, options_at};
use crate::support::cassandra::Node;

/// The first administrator comes to be a moment after the port is open.
async fn administrator(node: &Node) -> Session {
    let until = Instant::now() + Duration::from_secs(120);
    loop {
        let connected = SessionBuilder::new()
            .known_node_addr(node.address())
            .user("cassandra", "cassandra")
            .build()
            .await;
        match connected {
            Ok(session) => return session,
            Err(error) => assert!(Instant::now() < until, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn login(node: &Node, user: &str, password: &str) -> CqlOptions {
    CqlOptions {
        login: Some((user.to_owned(), password.to_owned())),
        ..options_at(node.address(), "guarded")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_that_is_missing_wrong_or_may_not_is_said_with_what_to_do() {
    let node = tokio::task::block_in_place(Node::start_guarded);
    let administrator = administrator(&node).await;
    let run = async |cql: &str| {
        administrator.query_unpaged(cql, ()).await.unwrap();
    };
    run("create role limited with password = 'secret-7' and login = true").await;

    let anonymous = options_at(node.address(), "guarded");
    let error = CqlMigrator::connect(&anonymous, clock())
        .await
        .err()
        .unwrap();
    assert!(error.message.contains("cql://user:password@"), "{error}");
    let wrong = login(&node, "limited", "secret-8");
    let error = CqlMigrator::connect(&wrong, clock()).await.err().unwrap();
    assert_eq!(error.kind, StoreErrorKind::Unavailable);
    assert!(
        error.message.contains("refuses user or password"),
        "{error}"
    );
    assert!(!format!("{error:?}").contains("secret"), "{error:?}");

    // It may come in and may not make anything.
    let limited = login(&node, "limited", "secret-7");
    let migrator = CqlMigrator::connect(&limited, clock()).await.unwrap();
    let error = migrator.up(UpOptions::default()).await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Schema);
    for part in [
        "`limited` may not do this",
        "create keyspace if not exists guarded",
        "grant all permissions on keyspace guarded to limited",
    ] {
        assert!(error.message.contains(part), "{part}: {error}");
    }
    // The administrator does as the message says; the rest then works.
    let plan = migrator.plan().await.unwrap();
    run(plan.steps[0].sql.trim_end_matches(';')).await;
    run("grant all permissions on keyspace guarded to limited").await;
    let until = Instant::now() + Duration::from_secs(60);
    // The server remembers permissions for a moment.
    while let Err(error) = migrator.up(UpOptions::default()).await {
        assert_eq!(error.kind, StoreErrorKind::Schema, "{error}");
        assert!(Instant::now() < until, "{error}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let store = CqlProjection::open(&limited, 1, clock()).await.unwrap();
    let row = turn_write(&Uid::stored("s"), turn(TurnRole::Human, 0, 1), None);
    store.apply(std::slice::from_ref(&row)).await.unwrap();

    // A right that is taken away later is a matter of the schema too, not an outage.
    // Who makes a table has every right on it.
    run("revoke modify on guarded.turns_by_session_1 from limited").await;
    run("revoke modify on keyspace guarded from limited").await;
    let until = Instant::now() + Duration::from_secs(60);
    let error = loop {
        if let Err(error) = store.apply(std::slice::from_ref(&row)).await {
            break error;
        }
        assert!(Instant::now() < until, "the right is still there");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert_eq!(error.kind, StoreErrorKind::Schema, "{error}");
}
