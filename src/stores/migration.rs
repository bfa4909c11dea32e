//! What a schema migration is, what it would do and what it did, on whatever engine.
//!
//! Each engine implements [`SchemaMigrator`]; the command line prints these types as text or JSON.

use std::fmt;

use async_trait::async_trait;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::record::StoreResult;
use crate::domain::Timestamp;

/// One step of a schema, applied in one transaction.
#[derive(Debug, Clone, Copy)]
pub struct Migration {
    /// Ascending from 1 without gaps.
    pub version: i64,
    /// Name, e.g. `record`.
    pub name: &'static str,
    /// SQL text.
    pub sql: &'static str,
}

impl Migration {
    /// SHA-256 of the text in hex; a text that was applied must not change any more.
    pub fn checksum(&self) -> String {
        hex(&Sha256::digest(self.sql.as_bytes()))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        use fmt::Write;
        write!(text, "{byte:02x}").expect("writing to a string does not fail");
        text
    })
}

/// How a migration stands in a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MigrationState {
    /// Applied as this program knows it.
    Applied,
    /// Known to this program and not applied.
    Pending,
    /// Applied with another text than this program's.
    Changed,
    /// Applied by a newer program.
    Unknown,
}

/// One row of `migrate status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MigrationStatus {
    /// Version.
    pub version: i64,
    /// Name.
    pub name: String,
    /// How it stands.
    pub state: MigrationState,
    /// When it was applied, in microseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub applied_at: Option<Timestamp>,
}

impl fmt::Display for MigrationStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            MigrationState::Applied => "applied",
            MigrationState::Pending => "pending",
            MigrationState::Changed => "CHANGED: applied with another text",
            MigrationState::Unknown => "UNKNOWN: applied by a newer turngraph",
        };
        write!(f, "{:04} {:<24} {state}", self.version, self.name)?;
        match self.applied_at {
            Some(at) => write!(f, " at {at}"),
            None => Ok(()),
        }
    }
}

/// One thing found in a database before it is migrated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Short name of the rule, e.g. `duplicate_uid`.
    pub rule: String,
    /// What was found and how often, in words.
    pub message: String,
    /// Keys of rows concerned, at most as many as the message says.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub uids: Vec<String>,
    /// SQL that repairs it, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repair_sql: Option<String>,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.rule, self.message)?;
        if !self.uids.is_empty() {
            write!(f, "\n    {}", self.uids.join(", "))?;
        }
        match &self.repair_sql {
            Some(sql) => write!(f, "\n    repair: {sql}"),
            None => Ok(()),
        }
    }
}

/// One statement or migration that `up` would run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlannedStep {
    /// What it does, in a few words.
    pub title: String,
    /// The SQL text, complete.
    pub sql: String,
}

/// What `up` would do to a database; nothing is changed by making one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct MigrationPlan {
    /// The database, without a password.
    pub database: String,
    /// Steps in their order; empty when the schema is current.
    pub steps: Vec<PlannedStep>,
    /// What makes `up` refuse; empty when it would run.
    pub refusals: Vec<Finding>,
    /// What `up --repair` would repair (and `up` alone refuses).
    pub repairs: Vec<Finding>,
    /// What is taken over as it is and reported.
    pub notes: Vec<Finding>,
}

impl fmt::Display for MigrationPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "-- {}", self.database)?;
        for (title, findings) in [
            ("refused, repair first", &self.refusals),
            ("repaired with --repair", &self.repairs),
            ("taken over as it is", &self.notes),
        ] {
            for finding in findings {
                for line in format!("{title}: {finding}").lines() {
                    writeln!(f, "-- {line}")?;
                }
            }
        }
        if self.steps.is_empty() {
            writeln!(f, "-- The schema is current: nothing to do.")?;
        }
        for step in &self.steps {
            writeln!(f, "\n-- {}\n{}", step.title, step.sql.trim_end())?;
        }
        Ok(())
    }
}

/// What `up` did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct MigrationReport {
    /// The database, without a password.
    pub database: String,
    /// Version before; 0 for an empty database or one without turngraph's schema.
    pub from_version: i64,
    /// Version now.
    pub to_version: i64,
    /// Titles of the steps that ran.
    pub applied: Vec<String>,
    /// What was repaired.
    pub repaired: Vec<Finding>,
    /// What was taken over as it is.
    pub notes: Vec<Finding>,
}

impl fmt::Display for MigrationReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (database, to) = (&self.database, self.to_version);
        if self.applied.is_empty() {
            write!(f, "{database}: schema {to} is current, nothing to do")?;
        } else {
            let from = self.from_version;
            write!(f, "{database}: schema {from} -> {to}")?;
        }
        for title in &self.applied {
            write!(f, "\n  applied {title}")?;
        }
        for finding in &self.repaired {
            write!(f, "\n  repaired {finding}")?;
        }
        for finding in &self.notes {
            write!(f, "\n  note {finding}")?;
        }
        Ok(())
    }
}

/// Choices of `up`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UpOptions {
    /// Repair what can be repaired without losing anything, instead of refusing.
    pub repair: bool,
}

/// Looks at and changes the schema of one database.
#[async_trait]
pub trait SchemaMigrator: Send + Sync {
    /// How each known and each applied migration stands, by version.
    async fn status(&self) -> StoreResult<Vec<MigrationStatus>>;

    /// What [`SchemaMigrator::up`] would do. Changes nothing.
    async fn plan(&self) -> StoreResult<MigrationPlan>;

    /// Brings the schema to this program's version. Two processes may call it at once: the second
    /// waits and finds nothing to do. Refuses a schema that is newer or was changed
    /// ([`super::StoreErrorKind::Schema`]).
    async fn up(&self, options: UpOptions) -> StoreResult<MigrationReport>;
}
