//! Counts what stands in the way of adoption, what can be repaired, and what is only odd.

use std::collections::HashMap;

use futures_util::TryStreamExt;
use sqlx::{Connection, Row};

use super::super::error::store_error;
use super::checks::{self, Check, Outcome};
use super::runner::Session;
use super::shape;
use crate::domain::Uid;
use crate::stores::migration::Finding;
use crate::stores::record::StoreResult;
use crate::stores::sql::columns::DbUid;

/// Keys that a finding names at most.
const EXAMPLES: i32 = 20;

/// What was found.
#[derive(Default)]
pub(super) struct Census {
    /// What makes adoption impossible.
    pub refusals: Vec<Finding>,
    /// What is repaired on request.
    pub repairs: Vec<Finding>,
    /// What is adopted as it is.
    pub notes: Vec<Finding>,
    /// Owners of the tables, when the connected role is not one of them.
    pub owners: Option<Vec<String>>,
}

/// Looks at tables and rows; changes nothing.
pub(super) async fn take(session: &mut Session) -> StoreResult<Census> {
    let shape = shape::look(session).await?;
    let mut census = Census {
        owners: shape.owners,
        ..Census::default()
    };
    // Rows can be asked only where the columns are as expected.
    let readable = shape.refusals.iter().all(|f| f.rule == "not_owner");
    census.refusals = shape.refusals;
    if !readable {
        return Ok(census);
    }
    let version: i32 = sqlx::query_scalar("select current_setting('server_version_num')::integer")
        .fetch_one(&mut session.conn)
        .await
        .map_err(|error| store_error("census", error))?;
    let mut checks = checks::all();
    checks.push(if version >= 160_000 {
        checks::NOT_JSON
    } else {
        checks::NOT_JSON_15
    });
    for check in checks {
        if !check
            .tables
            .iter()
            .all(|table| shape.tables.iter().any(|t| t == table))
        {
            continue;
        }
        let Some(finding) = ask(session, &check).await? else {
            continue;
        };
        match check.outcome {
            Outcome::Refused => census.refusals.push(finding),
            Outcome::Repaired => census.repairs.push(finding),
            Outcome::Reported => census.notes.push(finding),
        }
    }
    if ["human_turns", "agent_turns"]
        .iter()
        .all(|t| shape.tables.iter().any(|s| s == t))
    {
        census.notes.extend(cycles(session).await?);
    }
    Ok(census)
}

async fn ask(session: &mut Session, check: &Check) -> StoreResult<Option<Finding>> {
    let failed = |error| store_error(check.rule, error);
    // Rolled back, since a check may need a function that exists only meanwhile.
    let mut transaction = session.conn.begin().await.map_err(failed)?;
    if std::ptr::eq(check.query, checks::NOT_JSON_15.query) {
        sqlx::raw_sql(checks::IS_JSON)
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
    }
    let count = format!(
        "select count(*), coalesce((array_agg(k order by k collate \"C\"))[1:{EXAMPLES}], '{{}}') \
         from ({}) found(k)",
        check.query
    );
    let row = sqlx::query(sqlx::AssertSqlSafe(count))
        .persistent(false)
        .fetch_one(&mut *transaction)
        .await
        .map_err(failed)?;
    transaction.rollback().await.map_err(failed)?;
    let found: i64 = row.try_get(0).map_err(failed)?;
    let uids: Vec<Option<String>> = row.try_get(1).map_err(failed)?;
    let uids: Vec<String> = uids
        .into_iter()
        .map(|uid| {
            uid.unwrap_or_else(|| "(null)".to_owned())
                .escape_debug()
                .to_string()
        })
        .collect();
    Ok((found > 0).then(|| finding(check.rule, found, check.message, uids, check.repair)))
}

fn finding(
    rule: &str,
    found: i64,
    message: &str,
    uids: Vec<String>,
    repair: Option<&str>,
) -> Finding {
    let shown = if found > i64::from(EXAMPLES) {
        format!("; the first {EXAMPLES}")
    } else {
        String::new()
    };
    Finding {
        rule: rule.to_owned(),
        message: format!("{found} {message}{shown}"),
        uids,
        repair_sql: repair.map(str::to_owned),
    }
}

/// Turns that are their own ancestors. Read session by session, so that memory holds one at a time.
async fn cycles(session: &mut Session) -> StoreResult<Option<Finding>> {
    let failed = |error| store_error("census_cycles", error);
    let mut rows = sqlx::query(
        "select session_uid, uid, parent_uid from (
            select session_uid, uid, parent_uid from human_turns
            union all select session_uid, uid, parent_uid from agent_turns) t
         where parent_uid is not null and session_uid is not null and uid is not null
         order by session_uid",
    )
    .fetch(&mut session.conn);
    let mut found = Vec::new();
    let mut current: Option<Uid> = None;
    let mut parents: HashMap<Uid, Uid> = HashMap::new();
    while let Some(row) = rows.try_next().await.map_err(failed)? {
        let [of, uid, parent] = {
            let key = |place| row.try_get::<DbUid, usize>(place).map(Uid::from);
            [key(0), key(1), key(2)].map(|key| key.map_err(failed))
        };
        let of = of?;
        if current.as_ref() != Some(&of) {
            found.extend(lowest_of_cycles(&parents));
            parents.clear();
            current = Some(of);
        }
        parents.insert(uid?, parent?);
    }
    found.extend(lowest_of_cycles(&parents));
    let count = i64::try_from(found.len()).unwrap_or(i64::MAX);
    let shown = found
        .iter()
        .take(EXAMPLES as usize)
        .map(Uid::to_string)
        .collect();
    let message = "cycles of parents; each is cut at its lowest key";
    Ok((count > 0).then(|| finding("cycle", count, message, shown, None)))
}

/// The lowest key of every cycle.
fn lowest_of_cycles(parents: &HashMap<Uid, Uid>) -> Vec<Uid> {
    // Every turn belongs to the walk that met it first: a walk that meets its own has gone round.
    let mut walk_of: HashMap<&Uid, usize> = HashMap::new();
    let mut lowest = Vec::new();
    for (walk, start) in parents.keys().enumerate() {
        let mut at = start;
        while !walk_of.contains_key(at) {
            walk_of.insert(at, walk);
            match parents.get(at) {
                Some(parent) => at = parent,
                None => break,
            }
        }
        if walk_of.get(at) == Some(&walk) && parents.contains_key(at) {
            let cycle = std::iter::successors(Some(&parents[at]), |uid| {
                (*uid != at).then(|| &parents[*uid])
            });
            lowest.extend(cycle.min().cloned());
        }
    }
    lowest.sort();
    lowest
}

/// Repairs what was found, all in one transaction.
pub(super) async fn repair(session: &mut Session, repairs: &[Finding]) -> StoreResult<()> {
    let failed = |error| store_error("repair", error);
    let mut transaction = session.conn.begin().await.map_err(failed)?;
    for sql in repairs.iter().filter_map(|found| found.repair_sql.clone()) {
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
    }
    transaction.commit().await.map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lowest(links: &[(&str, &str)]) -> String {
        let parents = links
            .iter()
            .map(|(uid, parent)| (Uid::stored(*uid), Uid::stored(*parent)))
            .collect();
        lowest_of_cycles(&parents)
            .iter()
            .map(Uid::as_str)
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn each_cycle_is_found_once_by_its_lowest_key() {
        assert_eq!(lowest(&[("b", "a"), ("c", "b"), ("a", "gone")]), "");
        assert_eq!(lowest(&[("self", "self"), ("leaf", "self")]), "self");
        let rings = [
            ("b", "c"),
            ("c", "d"),
            ("d", "b"),
            ("tail", "d"),
            ("y", "x"),
            ("x", "y"),
        ];
        assert_eq!(lowest(&rings), "b x");
    }
}
