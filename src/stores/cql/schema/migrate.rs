//! `CqlMigrator`: brings a keyspace to this program's schema, and makes the keyspace where it may.
//!
//! Every statement says `if not exists`, so a migration that was cut off is simply run again. CQL
//! has no transaction around schema changes: run one `migrate up` at a time.

use std::sync::Arc;

use async_trait::async_trait;

use super::{change, has_keyspace, has_table, rows, statements, store_error};
use crate::domain::{Clock, Timestamp};
use crate::stores::cql::connect::{connect, datacenters};
use crate::stores::cql::encode::ENCODING;
use crate::stores::cql::error::failure;
use crate::stores::cql::schema::catalog::{CqlCatalog, GenerationState};
use crate::stores::cql::{CqlOptions, Replication};
use crate::stores::migration::{
    Finding, Migration, MigrationPlan, MigrationReport, MigrationState, MigrationStatus,
    PlannedStep, SchemaMigrator, UpOptions,
};
use crate::stores::record::StoreResult;
use crate::stores::{StoreError, StoreErrorKind};

/// The migrations in their order. The tables of generations are none: each generation is made
/// whole, of its program's form.
pub const MIGRATIONS: &[Migration] = &[Migration {
    version: 1,
    name: "state",
    sql: include_str!("../../../../cql/0001_state.cql"),
}];

const VERSION: i64 = MIGRATIONS[MIGRATIONS.len() - 1].version;

const TABLE: &str = "turngraph_migrations";

/// Replicas of a new keyspace where there are nodes enough and nobody says otherwise.
const REPLICAS: usize = 3;

/// Migrates one keyspace.
pub struct CqlMigrator {
    catalog: CqlCatalog,
    options: CqlOptions,
    clock: Arc<dyn Clock>,
}

impl CqlMigrator {
    /// Connects; the keyspace need not be there.
    pub async fn connect(options: &CqlOptions, clock: Arc<dyn Clock>) -> StoreResult<Self> {
        let session = connect(options).await?;
        Ok(Self {
            catalog: CqlCatalog::on(session, options, Arc::clone(&clock)),
            options: options.clone(),
            clock,
        })
    }

    fn schema(&self, message: String) -> StoreError {
        failure(StoreErrorKind::Schema, "migrate", message)
    }

    /// The statement that makes the keyspace, and what is to be known about it.
    fn create_keyspace(&self) -> StoreResult<(String, Option<Finding>)> {
        let session = self.catalog.session();
        let there = datacenters(session);
        let datacenter = match (&self.options.datacenter, there.as_slice()) {
            (Some(named), _) => named.clone(),
            (None, [only]) => only.clone(),
            (None, _) => {
                let there = there.join(", ");
                return Err(self.schema(format!(
                    "the cluster has the datacenters {there}; say with dc= in which one the keyspace is to be"
                )));
            }
        };
        let state = session.get_cluster_state();
        let nodes = state.get_nodes_info().iter();
        let nodes = nodes.filter(|node| node.datacenter.as_deref() == Some(&datacenter));
        let nodes = nodes.count();
        let wanted = self.options.replicas.map(usize::from);
        let replicas = wanted.unwrap_or(REPLICAS.min(nodes.max(1)));
        let note = (replicas > nodes || replicas < REPLICAS).then(|| Finding {
            rule: "replicas".to_owned(),
            message: match replicas > nodes {
                true => format!(
                    "{replicas} replicas on {nodes} node(s) of `{datacenter}`: requests fail until there are more nodes; choose rf= accordingly"
                ),
                false => format!(
                    "{replicas} replica(s): the loss of one node stops projections (reads go to the record store); production wants rf=3"
                ),
            },
            uids: vec![],
            repair_sql: None,
        });
        let replication = match self.options.replication {
            Replication::Topology => {
                format!("'class': 'NetworkTopologyStrategy', '{datacenter}': {replicas}")
            }
            Replication::Simple => {
                format!("'class': 'SimpleStrategy', 'replication_factor': {replicas}")
            }
        };
        let keyspace = &self.options.keyspace;
        let cql = format!(
            "create keyspace if not exists {keyspace} with replication = {{{replication}}};"
        );
        Ok((cql, note))
    }

    fn bootstrap(&self) -> String {
        let keyspace = &self.options.keyspace;
        format!(
            "create table if not exists {keyspace}.{TABLE} (\n    version int primary key,\n    name text,\n    checksum text,\n    applied_us bigint\n);"
        )
    }

    /// What is applied: version, name, checksum, time.
    async fn applied(&self) -> StoreResult<Vec<(i32, String, String, i64)>> {
        let (session, keyspace) = (self.catalog.session(), &self.options.keyspace);
        let there =
            has_keyspace(session, keyspace).await? && has_table(session, keyspace, TABLE).await?;
        if !there {
            return Ok(vec![]);
        }
        let cql = format!("select version, name, checksum, applied_us from {keyspace}.{TABLE}");
        rows(session, "migrate", cql, ()).await
    }

    fn refuse_foreign(&self, status: &[MigrationStatus]) -> StoreResult<()> {
        let keyspace = &self.options.keyspace;
        for MigrationStatus {
            version,
            name,
            state,
            ..
        } in status
        {
            match state {
                MigrationState::Applied | MigrationState::Pending => {}
                MigrationState::Unknown => {
                    return Err(self.schema(format!(
                        "keyspace `{keyspace}` has schema {version} ({name}), this turngraph knows up to {VERSION}; use the newer turngraph that migrated it"
                    )));
                }
                MigrationState::Changed => {
                    return Err(self.schema(format!(
                        "migration {version} ({name}) of keyspace `{keyspace}` was applied with another text than this turngraph's; projections can be made anew: name another keyspace and run `turngraph rebuild`"
                    )));
                }
            }
        }
        Ok(())
    }

    /// Whether there is a generation that this program can use.
    async fn has_generation(&self) -> StoreResult<bool> {
        let keyspace = &self.options.keyspace;
        if !has_table(self.catalog.session(), keyspace, "projection_state").await? {
            return Ok(false);
        }
        let all = self.catalog.generations().await?;
        Ok(all
            .iter()
            .any(|g| g.encoding == ENCODING && g.state != GenerationState::Dropped))
    }

    async fn record(&self, migration: &Migration) -> StoreResult<()> {
        let cql = format!(
            "insert into {}.{TABLE} (version, name, checksum, applied_us) values (?, ?, ?, ?) using timestamp ?",
            self.options.keyspace
        );
        let now = self.clock.now().0;
        let version = i32::try_from(migration.version).expect("versions count from 1");
        let values = (version, migration.name, migration.checksum(), now, now);
        let sent = self.catalog.session().query_unpaged(cql, values).await;
        sent.map(drop)
            .map_err(|error| store_error("migrate", error))
    }

    fn text_of(&self, migration: &Migration) -> Vec<String> {
        statements(migration.sql, &self.options.keyspace, 0)
    }
}

fn title(migration: &Migration) -> String {
    format!("{:04} {}", migration.version, migration.name)
}

fn pending(status: &[MigrationStatus]) -> impl Iterator<Item = &'static Migration> {
    MIGRATIONS.iter().filter(|migration| {
        status
            .iter()
            .any(|s| s.version == migration.version && s.state == MigrationState::Pending)
    })
}

#[async_trait]
impl SchemaMigrator for CqlMigrator {
    async fn status(&self) -> StoreResult<Vec<MigrationStatus>> {
        let applied = self.applied().await?;
        let unapplied = MIGRATIONS.iter().filter(|m| {
            let version = |row: &(i32, _, _, _)| i64::from(row.0) != m.version;
            applied.iter().all(version)
        });
        let mut status: Vec<_> = unapplied
            .map(|m| MigrationStatus {
                version: m.version,
                name: m.name.to_owned(),
                state: MigrationState::Pending,
                applied_at: None,
            })
            .collect();
        status.extend(applied.into_iter().map(|(version, name, checksum, at)| {
            let known = MIGRATIONS.iter().find(|m| m.version == i64::from(version));
            MigrationStatus {
                version: version.into(),
                name,
                state: match known {
                    None => MigrationState::Unknown,
                    Some(known) if known.checksum() == checksum => MigrationState::Applied,
                    Some(_) => MigrationState::Changed,
                },
                applied_at: Some(Timestamp(at)),
            }
        }));
        status.sort_by_key(|row| row.version);
        Ok(status)
    }

    async fn plan(&self) -> StoreResult<MigrationPlan> {
        let status = self.status().await?;
        self.refuse_foreign(&status)?;
        let mut plan = MigrationPlan {
            database: self.options.shown(),
            ..MigrationPlan::default()
        };
        let mut step = |title: String, sql: String| plan.steps.push(PlannedStep { title, sql });
        let there = has_keyspace(self.catalog.session(), &self.options.keyspace).await?;
        if !there {
            let (sql, note) = self.create_keyspace()?;
            step(format!("keyspace {}", self.options.keyspace), sql);
            plan.notes.extend(note);
        }
        let mut step = |title: String, sql: String| plan.steps.push(PlannedStep { title, sql });
        if self.applied().await?.is_empty() {
            step("table of migrations".to_owned(), self.bootstrap());
        }
        for migration in pending(&status) {
            step(title(migration), self.text_of(migration).join("\n"));
        }
        if !there || !self.has_generation().await? {
            let number = match there && has_state(self).await? {
                true => self.catalog.next_number().await?,
                false => 1,
            };
            step(
                format!("generation {number}"),
                self.catalog.tables_of(number).join("\n"),
            );
        }
        Ok(plan)
    }

    async fn up(&self, _options: UpOptions) -> StoreResult<MigrationReport> {
        let (session, keyspace) = (self.catalog.session(), &self.options.keyspace);
        let status = self.status().await?;
        self.refuse_foreign(&status)?;
        let mut report = MigrationReport {
            database: self.options.shown(),
            from_version: VERSION,
            to_version: VERSION,
            ..MigrationReport::default()
        };
        if !has_keyspace(session, keyspace).await? {
            let (cql, note) = self.create_keyspace()?;
            change(session, &self.options, &cql).await?;
            report.applied.push(format!("keyspace {keyspace}"));
            report.notes.extend(note);
        }
        if pending(&status).next().is_some() {
            change(session, &self.options, &self.bootstrap()).await?;
        }
        for migration in pending(&status) {
            for cql in self.text_of(migration) {
                change(session, &self.options, &cql).await?;
            }
            self.record(migration).await?;
            report.from_version = report.from_version.min(migration.version - 1);
            report.applied.push(title(migration));
        }
        if !self.has_generation().await? {
            let number = self.catalog.start().await?;
            report.applied.push(format!(
                "generation {number}, which `turngraph project` fills and switches to"
            ));
        }
        Ok(report)
    }
}

async fn has_state(migrator: &CqlMigrator) -> StoreResult<bool> {
    let keyspace = &migrator.options.keyspace;
    has_table(migrator.catalog.session(), keyspace, "projection_state").await
}
