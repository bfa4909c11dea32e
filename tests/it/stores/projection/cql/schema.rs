//! `turngraph migrate` on CQL.

use turngraph::stores::StoreErrorKind;
use turngraph::stores::cql::{CqlMigrator, CqlOptions, CqlProjection};
use turngraph::stores::migration::{MigrationState, SchemaMigrator};

use super::{clock, migrate, options};
use crate::support::cassandra::{self, Keyspace};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_migration_makes_the_keyspace_once_and_then_finds_nothing_to_do() {
    let options = options("migrated_anew");
    let migrator = CqlMigrator::connect(&options, clock()).await.unwrap();
    let status = migrator.status().await.unwrap();
    assert!(
        status
            .iter()
            .all(|row| row.state == MigrationState::Pending)
    );
    let plan = migrator.plan().await.unwrap().to_string();
    for part in [
        "create keyspace if not exists migrated_anew with replication = {'class': 'NetworkTopologyStrategy', 'datacenter1': 1}",
        "create table if not exists migrated_anew.turns_by_session_1 (",
        "create table if not exists migrated_anew.projection_state (",
        "production wants rf=3",
    ] {
        assert!(plan.contains(part), "{part} is missing in:\n{plan}");
    }
    let report = migrate(&options).await;
    assert_eq!((report.from_version, report.to_version), (0, 1));
    assert_eq!(report.applied.len(), 3, "{report}");
    let again = migrate(&options).await;
    assert!(again.applied.is_empty(), "{again}");
    let status = migrator.status().await.unwrap();
    assert!(
        status
            .iter()
            .all(|row| row.state == MigrationState::Applied)
    );
    assert!(migrator.plan().await.unwrap().steps.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_keyspace_that_is_there_is_taken_and_one_of_a_newer_program_refused() {
    let keyspace = Keyspace::new().await;
    let options = options(keyspace.name());
    let migrator = CqlMigrator::connect(&options, clock()).await.unwrap();
    let missing = CqlProjection::open(&options, 1, clock())
        .await
        .err()
        .unwrap();
    assert_eq!(missing.kind, StoreErrorKind::Schema);
    assert!(
        missing.message.contains("turngraph migrate up"),
        "{missing}"
    );
    let report = migrate(&options).await;
    assert!(
        report
            .applied
            .iter()
            .all(|title| !title.contains("keyspace"))
    );
    let outside = keyspace.session().await;
    let newer = "insert into turngraph_migrations (version, name, checksum, applied_us) values (99, 'future', '', 0)";
    outside.query_unpaged(newer, ()).await.unwrap();
    let error = migrator.plan().await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Schema);
    assert!(error.message.contains("schema 99 (future)"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_off_migration_is_taken_up_where_it_stopped() {
    let keyspace = Keyspace::new().await;
    let options = options(keyspace.name());
    let outside = keyspace.session().await;
    for cql in include_str!("../../../../../cql/0001_state.cql").split(';') {
        let cql: Vec<_> = cql.lines().filter(|l| !l.starts_with("--")).collect();
        let cql = cql.join("\n").replace("{keyspace}", keyspace.name());
        if !cql.trim().is_empty() {
            outside.query_unpaged(cql, ()).await.unwrap();
        }
    }
    let report = migrate(&options).await;
    assert_eq!(report.applied.len(), 2, "{report}");
    CqlProjection::open(&options, 1, clock()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replication_is_as_the_url_says() {
    let contact = cassandra::server().address();
    let url = |keyspace: &str, query: &str| {
        CqlOptions::parse(&format!("cql://{contact}/{keyspace}?{query}")).unwrap()
    };
    let simple = url("simply_replicated", "strategy=simple&rf=1");
    migrate(&simple).await;
    let outside = cassandra::connect(contact).await;
    let cql = "describe keyspace simply_replicated";
    let rows = outside.query_unpaged(cql, ()).await.unwrap();
    let rows = rows.into_rows_result().unwrap();
    let (_, _, _, text) = rows
        .first_row::<(String, String, String, String)>()
        .unwrap();
    assert!(text.contains("SimpleStrategy"), "{text}");
    let many = url("too_many", "rf=3");
    let migrator = CqlMigrator::connect(&many, clock()).await.unwrap();
    let plan = migrator.plan().await.unwrap();
    assert!(
        plan.to_string().contains("3 replicas on 1 node(s)"),
        "{plan}"
    );
}
