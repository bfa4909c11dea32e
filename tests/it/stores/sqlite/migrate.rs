//! Migration of a SQLite file: status, plan, up, refusals, two at once.

use std::path::Path;
use std::sync::Arc;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};
use tempfile::TempDir;
use turngraph::domain::clock::ManualClock;
use turngraph::stores::migration::{MigrationState, SchemaMigrator, UpOptions};
use turngraph::stores::sqlite::{MIGRATIONS, SqliteMigrator, SqliteOptions, SqliteRecordStore};
use turngraph::stores::{StoreError, StoreErrorKind};

use crate::support::sqlite::START;

async fn migrator(path: &Path) -> SqliteMigrator {
    let clock = Arc::new(ManualClock::at(START));
    let options = SqliteOptions::file(path);
    SqliteMigrator::connect(&options, clock).await.unwrap()
}

async fn run(path: &Path, sql: &'static str) {
    let options = SqliteConnectOptions::new().filename(path);
    let mut connection = options.connect().await.unwrap();
    sqlx::query(sql).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

async fn open_refused(path: &Path) -> StoreError {
    let clock = Arc::new(ManualClock::at(START));
    let opened = SqliteRecordStore::open(SqliteOptions::file(path), clock).await;
    opened.err().expect("the schema is not this program's")
}

#[test]
fn versions_ascend_from_one_and_names_are_those_of_the_files() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/sqlite");
    let mut files: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    let expected: Vec<String> = (1..)
        .zip(MIGRATIONS)
        .map(|(version, migration)| {
            assert_eq!(migration.version, version);
            format!("{version:04}_{}.sql", migration.name)
        })
        .collect();
    assert_eq!(files, expected);
}

#[tokio::test]
async fn a_plan_changes_nothing_and_up_does_what_it_says() {
    let scratch = TempDir::new().unwrap();
    let path = scratch.path().join("record.db");
    let migrator = migrator(&path).await;
    let plan = migrator.plan().await.unwrap();
    assert_eq!(plan.steps.len(), MIGRATIONS.len());
    assert!(plan.to_string().contains("create table sessions"));
    let status = migrator.status().await.unwrap();
    assert!(
        status
            .iter()
            .all(|row| row.state == MigrationState::Pending)
    );
    let error = open_refused(&path).await;
    assert_eq!(error.kind, StoreErrorKind::Schema);
    assert!(error.message.contains("turngraph migrate up"), "{error}");

    let report = migrator.up(UpOptions::default()).await.unwrap();
    let titles: Vec<String> = plan.steps.into_iter().map(|step| step.title).collect();
    assert_eq!(report.applied, titles);
    let newest = MIGRATIONS.last().unwrap().version;
    assert_eq!((report.from_version, report.to_version), (0, newest));
    let status = migrator.status().await.unwrap();
    assert_eq!(status.len(), MIGRATIONS.len());
    for row in status {
        assert_eq!(row.state, MigrationState::Applied);
        assert_eq!(row.applied_at, Some(START));
    }
    let plan = migrator.plan().await.unwrap();
    assert!(plan.steps.is_empty());
    assert!(plan.to_string().contains("nothing to do"));
    let again = migrator.up(UpOptions::default()).await.unwrap();
    assert_eq!((again.from_version, again.applied.len()), (newest, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_processes_at_once_apply_each_migration_once() {
    let scratch = TempDir::new().unwrap();
    let path = scratch.path().join("record.db");
    let runs: Vec<_> = (0..4)
        .map(|_| {
            let path = path.clone();
            tokio::spawn(async move { migrator(&path).await.up(UpOptions::default()).await })
        })
        .collect();
    let mut applied = 0;
    for run in runs {
        applied += run.await.unwrap().unwrap().applied.len();
    }
    assert_eq!(applied, MIGRATIONS.len());
}

#[tokio::test]
async fn a_newer_and_a_changed_schema_are_refused_with_what_to_do() {
    let scratch = TempDir::new().unwrap();
    for (name, sql, state, advice) in [
        (
            "newer.db",
            "insert into turngraph_migrations values (99, 'future', 'x', 0)",
            MigrationState::Unknown,
            "use the newer turngraph",
        ),
        (
            "changed.db",
            "update turngraph_migrations set checksum = 'x' where version = 1",
            MigrationState::Changed,
            "another text",
        ),
    ] {
        let path = scratch.path().join(name);
        let migrator = migrator(&path).await;
        migrator.up(UpOptions::default()).await.unwrap();
        run(&path, sql).await;
        let status = migrator.status().await.unwrap();
        assert!(status.iter().any(|row| row.state == state), "{status:?}");
        let refusals = [
            migrator.up(UpOptions::default()).await.unwrap_err(),
            migrator.plan().await.unwrap_err(),
            open_refused(&path).await,
        ];
        for error in refusals {
            assert_eq!(error.kind, StoreErrorKind::Schema);
            assert!(error.message.contains(advice), "{error}");
        }
    }
}

#[tokio::test]
async fn a_store_keeps_its_identity_and_two_stores_have_two() {
    use turngraph::stores::RecordStore;
    let scratch = TempDir::new().unwrap();
    let mut stores = vec![];
    for name in ["a.db", "a.db", "b.db"] {
        let clock = Arc::new(ManualClock::at(START));
        let options = SqliteOptions::file(scratch.path().join(name));
        let store = SqliteRecordStore::open_migrated(options, clock).await;
        let store = store.unwrap();
        let position = store.begin().await.unwrap().commit().await.unwrap();
        stores.push(position.store);
        store.close().await;
    }
    assert_eq!(stores[0], stores[1]);
    assert_ne!(stores[0], stores[2]);
}
