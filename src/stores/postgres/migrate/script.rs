//! Migration files and the steps that they are made of; the syntax is told in
//! `migrations/postgres/0001_given_tables.sql`. Knows no connection.

use crate::stores::migration::Migration;

macro_rules! migrations {
    ($($version:literal $number:literal $name:literal,)*) => {
        /// All migrations in their order.
        pub const MIGRATIONS: &[Migration] = &[$(Migration {
            version: $version,
            name: $name,
            sql: include_str!(concat!(
                "../../../../migrations/postgres/", $number, "_", $name, ".sql"
            )),
        },)*];
    };
}

migrations! {
    1 "0001" "given_tables",
    2 "0002" "added_tables",
    3 "0003" "added_columns",
    4 "0004" "primary_keys",
    5 "0005" "indexes",
    6 "0006" "triggers",
    7 "0007" "projection",
    8 "0008" "change_log",
    9 "0009" "erasure",
    10 "0010" "account_purges",
}

/// One step of a migration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Step {
    /// Name, unique in its migration, e.g. `columns-of-steps`.
    pub name: &'static str,
    /// What it locks, in words.
    pub locks: &'static str,
    /// One statement that must not run in a transaction.
    pub outside: bool,
    /// Index that the step builds; an invalid one is dropped first.
    pub builds: Option<&'static str>,
    /// Query that gives true when there is nothing to do.
    pub unless: Option<&'static str>,
    /// The statements.
    pub sql: String,
}

/// Reads the steps of a migration; the error names the line.
pub(super) fn steps(text: &'static str) -> Result<Vec<Step>, String> {
    let mut steps: Vec<Step> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let Some(header) = line.strip_prefix("--: ") else {
            // What comes before the first step is the file's own comment.
            if let Some(step) = steps.last_mut() {
                step.sql.push_str(line);
                step.sql.push('\n');
            } else if !(line.is_empty() || line.starts_with("--")) {
                return Err(format!("line {number}: a statement before the first step"));
            }
            continue;
        };
        if let Some(name) = header.strip_prefix("step ") {
            steps.push(Step {
                name,
                ..Step::default()
            });
            continue;
        }
        let step = steps
            .last_mut()
            .ok_or_else(|| format!("line {number}: `{header}` before the first step"))?;
        match header.split_once(' ') {
            Some(("locks", text)) => step.locks = text,
            Some(("outside", "transaction")) => step.outside = true,
            Some(("builds", index)) => step.builds = Some(index),
            Some(("unless", query)) => step.unless = Some(query),
            _ => return Err(format!("line {number}: unknown header `{header}`")),
        }
    }
    Ok(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_migration_is_made_of_named_steps_that_say_what_they_lock() {
        for (version, migration) in (1..).zip(MIGRATIONS) {
            assert_eq!(migration.version, version);
            let steps = steps(migration.sql).unwrap();
            assert!(!steps.is_empty(), "{}", migration.name);
            for step in &steps {
                let one = steps.iter().filter(|s| s.name == step.name).count() == 1;
                assert!(one && !step.locks.is_empty(), "{}", step.name);
                assert!(!step.sql.trim().is_empty(), "{}", step.name);
                assert_eq!(step.outside, step.sql.contains("concurrently"));
                assert_eq!(step.outside, step.builds.is_some(), "{}", step.name);
                if let Some(index) = step.builds {
                    assert!(step.sql.contains(&format!("exists {index}")), "{index}");
                }
            }
        }
    }

    #[test]
    fn odd_headers_are_refused_with_their_line() {
        assert!(steps("select 1;").unwrap_err().contains("line 1"));
        assert!(steps("--: locks x").unwrap_err().contains("line 1"));
        assert!(
            steps("--: step a\n--: nonsense")
                .unwrap_err()
                .contains("line 2")
        );
        let step = &steps("-- why\n\n--: step a\n--: unless select true\nselect 1;").unwrap()[0];
        assert_eq!(
            (step.unless, step.sql.as_str()),
            (Some("select true"), "select 1;\n")
        );
    }
}
