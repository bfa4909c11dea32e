//! The schema of a PostgreSQL database: what it is, what would change, and the change.
//!
//! A fresh database and one that other programs have filled go the same way: census, refusal or
//! repair, steps that lock for an instant only, numbering. `script` has the files, `runner` runs
//! their steps, `census` looks at the rows, `owner` writes the script for somebody else to run.

mod census;
mod checks;
mod owner;
mod publication;
mod runner;
pub(super) mod script;
mod shape;

use async_trait::async_trait;
use sqlx::postgres::PgConnectOptions;

use self::runner::Session;
use super::{error::failure, numberer};
use crate::stores::StoreErrorKind;
use crate::stores::migration::{
    Finding, MigrationPlan, MigrationReport, MigrationState, MigrationStatus, PlannedStep,
    SchemaMigrator, UpOptions,
};
use crate::stores::record::StoreResult;

/// Migrates the database of one address.
#[derive(Debug)]
pub struct PgMigrator {
    options: PgConnectOptions,
}

impl PgMigrator {
    /// For the database at `url`, e.g. `postgres://user@host/database`.
    pub fn new(url: &str) -> StoreResult<Self> {
        Ok(Self {
            options: super::connect_options(url)?,
        })
    }
}

#[async_trait]
impl SchemaMigrator for PgMigrator {
    async fn status(&self) -> StoreResult<Vec<MigrationStatus>> {
        Session::open(&self.options).await?.status().await
    }

    async fn plan(&self) -> StoreResult<MigrationPlan> {
        let mut session = Session::open(&self.options).await?;
        let status = session.status().await?;
        let mut plan = MigrationPlan {
            database: session.database.clone(),
            ..MigrationPlan::default()
        };
        if let Err(error) = must_be_known(&status) {
            plan.refusals.push(finding("schema", error.message));
            return Ok(plan);
        }
        if is_current(&status) {
            plan.notes.extend(publication::missing(&mut session).await?);
            return Ok(plan);
        }
        let found = census::take(&mut session).await?;
        (plan.refusals, plan.repairs) = (found.refusals, found.repairs);
        plan.notes = found.notes;
        plan.notes.extend(advice());
        if found.owners.is_none() && !publication::will_be_created(&mut session).await? {
            plan.notes.extend(publication::missing(&mut session).await?);
        }
        for planned in session.open_steps().await? {
            let conditions = match planned.step.unless {
                Some(query) => format!("-- unless: {query}\n"),
                None => String::new(),
            };
            let step = &planned.step;
            plan.steps.push(PlannedStep {
                title: format!(
                    "{} {}: {}; locks {}",
                    planned.migration.name,
                    planned.number,
                    step.name.replace('-', " "),
                    step.locks
                ),
                sql: format!("{conditions}{}", step.sql),
            });
        }
        if let Some(owners) = found.owners {
            plan.steps = vec![owner::script(&mut session, &owners).await?];
        }
        Ok(plan)
    }

    async fn up(&self, options: UpOptions) -> StoreResult<MigrationReport> {
        let mut session = Session::open(&self.options).await?;
        session.lock().await?;
        let status = session.status().await?;
        must_be_known(&status)?;
        let mut report = MigrationReport {
            database: session.database.clone(),
            from_version: version(&status),
            ..MigrationReport::default()
        };
        let mut pass = numberer::BACKGROUND;
        if !is_current(&status) {
            pass = numberer::ADOPTION;
            let found = census::take(&mut session).await?;
            let refused = if options.repair {
                report.repaired = found.repairs;
                found.refusals
            } else {
                [found.refusals, found.repairs].concat()
            };
            if !refused.is_empty() {
                return Err(refusal(&refused, options));
            }
            census::repair(&mut session, &report.repaired).await?;
            report.notes = found.notes;
            session.create_progress().await?;
            for planned in session.open_steps().await? {
                if session.run(&planned).await? {
                    report.applied.push(planned.title());
                }
            }
        }
        let numbered = session.number_all(pass).await?;
        if !numbered.cycles.is_empty() {
            report.notes.push(Finding {
                uids: numbered
                    .cycles
                    .iter()
                    .take(20)
                    .map(|uid| uid.to_string())
                    .collect(),
                ..finding(
                    "cycle_cut",
                    format!(
                        "{} cycles of parents were cut, to give their turns an order; each at one \
                         of these turns (20 at most are named)",
                        numbered.cycles.len()
                    ),
                )
            });
        }
        if numbered.sessions > 0 {
            report.applied.push(format!(
                "numbers for {} turns of {} sessions",
                numbered.turns, numbered.sessions
            ));
        }
        report
            .notes
            .extend(publication::missing(&mut session).await?);
        report.to_version = version(&session.status().await?);
        Ok(report)
    }
}

/// Refuses a schema of a newer program, and one whose migrations were changed afterwards.
fn must_be_known(status: &[MigrationStatus]) -> StoreResult<()> {
    let known = script::MIGRATIONS.len();
    for row in status {
        let message = match row.state {
            MigrationState::Unknown => format!(
                "the database has migration {:04} {}, this program knows {known}; \
                 update turngraph on this machine",
                row.version, row.name
            ),
            MigrationState::Changed => format!(
                "migration {:04} {} was applied with another text than this program has; \
                 use the program that applied it, or a later release",
                row.version, row.name
            ),
            MigrationState::Applied | MigrationState::Pending => continue,
        };
        return Err(failure(StoreErrorKind::Schema, "migrate", message));
    }
    Ok(())
}

fn is_current(status: &[MigrationStatus]) -> bool {
    status
        .iter()
        .all(|row| row.state == MigrationState::Applied)
}

fn version(status: &[MigrationStatus]) -> i64 {
    status
        .iter()
        .filter(|row| row.state == MigrationState::Applied)
        .map(|row| row.version)
        .max()
        .unwrap_or(0)
}

fn finding(rule: &str, message: String) -> Finding {
    Finding {
        rule: rule.to_owned(),
        message,
        uids: vec![],
        repair_sql: None,
    }
}

fn refusal(findings: &[Finding], options: UpOptions) -> crate::stores::StoreError {
    let mut message = "nothing was changed, because rows or tables stand in the way".to_owned();
    for finding in findings {
        message.push_str(&format!("\n  {finding}"));
    }
    if !options.repair && findings.iter().any(|f| f.rule == checks::DUPLICATE_ROW) {
        message.push_str("\nExact duplicates are repaired by `migrate up --repair`.");
    }
    failure(StoreErrorKind::Schema, "migrate", message)
}

/// What other programs must not do from now on.
fn advice() -> Vec<Finding> {
    vec![
        finding(
            "copy_without_columns",
            "other programs must name the columns in COPY: sessions, human_turns, agent_turns and \
             steps get more of them"
                .to_owned(),
        ),
        finding(
            "insert_select_star",
            "`insert into a_copy select * from steps` (or another of the four tables) fails or \
             shifts columns; name the columns"
                .to_owned(),
        ),
        finding(
            "prepared_select_star",
            "other programs that keep prepared `select *` statements on one of the four tables \
             prepare them again (`cached plan must not change result type`); name the columns or \
             reconnect"
                .to_owned(),
        ),
        finding(
            "truncate",
            "TRUNCATE of the four tables is refused from now on; use DELETE".to_owned(),
        ),
    ]
}
