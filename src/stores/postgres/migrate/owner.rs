//! The script for the owner of the tables, when the connected role is not the owner.
//!
//! It is for `psql`, which knows `\if`; what ran is noted as by the program itself, so that
//! `migrate up` by the other role goes on with the numbering.

use std::fmt::Write;

use super::super::error::store_error;
use super::runner::{NOTE_STEP, PROGRESS_TABLE, Session};
use crate::stores::migration::PlannedStep;
use crate::stores::record::StoreResult;

/// Writes the script, for the role that is connected now.
pub(super) async fn script(session: &mut Session, owners: &[String]) -> StoreResult<PlannedStep> {
    let failed = |error| store_error("owner_script", error);
    let role: String = sqlx::query_scalar("select quote_ident(current_user)")
        .fetch_one(&mut session.conn)
        .await
        .map_err(failed)?;
    let schema: String = sqlx::query_scalar("select quote_ident($1)")
        .bind(&session.schema)
        .fetch_one(&mut session.conn)
        .await
        .map_err(failed)?;
    let mut sql = format!(
        "\\set ON_ERROR_STOP on\nset search_path = {schema}, pg_temp;\n{};\n",
        PROGRESS_TABLE.trim()
    );
    for planned in session.open_steps().await? {
        let step = &planned.step;
        let body = if step.outside {
            let drop = step.builds.map(drop_invalid).unwrap_or_default();
            format!("{drop}{}{};\n", step.sql, noted(&planned))
        } else {
            format!(
                "begin;\nset local lock_timeout = '200ms';\n{}{};\ncommit;\n",
                step.sql,
                noted(&planned)
            )
        };
        let title = planned.title();
        match step.unless {
            None => write!(sql, "\n-- {title}\n{body}"),
            Some(query) => write!(
                sql,
                "\n-- {title}\nselect ({query}) as idle \\gset\n\\if :idle\n{};\n\\else\n{body}\\endif\n",
                noted(&planned)
            ),
        }
        .expect("writing to a string does not fail");
    }
    write!(
        sql,
        "\ngrant usage on schema {schema} to {role};\n\
         grant select, insert, update, delete on sessions, human_turns, agent_turns, steps, scores, \
         metadata, idempotency_keys, purge_log, projection_jobs, dead_letters, projection_progress, \
         change_log, erasures, erasure_stores, erased_accounts, projection_stores to {role};\n\
         grant select on turngraph_migrations to {role};\n\
         grant execute on function turngraph_change_log_on(text), turngraph_change_log_off(text) \
         to {role};\n"
    )
    .expect("writing to a string does not fail");
    Ok(PlannedStep {
        title: format!(
            "script for {}, to be run with psql; a step that reports `lock timeout` may be run \
             again, the script goes on where it stopped only if made anew by `migrate plan`",
            owners.join(", ")
        ),
        sql,
    })
}

/// Drops an index that an earlier run left behind half-built.
fn drop_invalid(index: &str) -> String {
    format!(
        "select exists (select from pg_index where indexrelid = to_regclass('{index}') \
         and not indisvalid) as broken \\gset\n\\if :broken\ndrop index concurrently {index};\n\\endif\n"
    )
}

/// The statement that notes a step, with its values written out.
fn noted(planned: &super::runner::Planned) -> String {
    let values = [
        planned.migration.version.to_string(),
        format!("'{}'", planned.migration.name),
        format!("'{}'", planned.migration.checksum()),
        planned.number.to_string(),
        format!("'{}'", env!("CARGO_PKG_VERSION")),
        planned.last.to_string(),
    ];
    let mut sql = NOTE_STEP.trim().to_owned();
    for (place, value) in (1..).zip(values) {
        sql = sql.replace(&format!("${place}"), &value);
    }
    sql
}
