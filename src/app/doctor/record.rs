//! The record store: whether it answers, its schema, clock and permissions.

use std::sync::Arc;

use super::{Check, clock, in_words};
use crate::app::App;
use crate::config::{Config, RecordUrl};
use crate::stores::postgres::{PgOptions, PgRecordStore};

/// What is found, and the opened store where it can be opened.
pub(super) async fn examine(config: &Config) -> (Vec<Check>, Option<App>) {
    const NAME: &str = "record store";
    let failed = |error: &anyhow::Error| {
        let found = format!("{}: {}", config.record.masked(), in_words(error));
        vec![Check::failed(NAME, found)]
    };
    let app = match App::open(config, false).await {
        Ok(app) => app,
        Err(error) => return (failed(&error), None),
    };
    let health = match app.record.health().await {
        Ok(health) => health,
        Err(error) => {
            app.record.close().await;
            return (failed(&error.into()), None);
        }
    };
    let mut checks = vec![Check::ok(
        NAME,
        format!("{} at {}", health.engine, config.record.masked()),
    )];
    let (is, wanted) = (health.schema_version, health.schema_expected);
    let version = format!("version {is} of {wanted}");
    checks.push(match is.cmp(&wanted) {
        std::cmp::Ordering::Equal => Check::ok("schema", version),
        std::cmp::Ordering::Less => Check::problem(
            "schema",
            version,
            "turngraph migrate plan, then turngraph migrate up",
        ),
        std::cmp::Ordering::Greater => {
            Check::problem("schema", version, "use the turngraph that made this schema")
        }
    });
    let pending = health.pending_turns;
    checks.push(match pending {
        0 => Check::ok("pending turns", "0"),
        _ => Check::warning(
            "pending turns",
            pending.to_string(),
            "turns of other programs whose session does not exist (yet); they are not shown until \
             it does",
        ),
    });
    if let RecordUrl::Postgres(url) = &config.record {
        checks.extend(of_server(url, &app).await);
    }
    (checks, Some(app))
}

/// What only a server has: a clock of its own, and permissions.
async fn of_server(url: &str, app: &App) -> Vec<Check> {
    let options = PgOptions {
        max_connections: 1,
        ..PgOptions::url(url)
    };
    let store = match PgRecordStore::open(&options).await {
        Ok(store) => Arc::new(store),
        Err(error) => return vec![Check::failed("record permissions", error)],
    };
    let harm = "versions of rows are times of the record store: freshness (lagMs, atLeast) is told \
                wrong by as much, and a change that is an hour ahead of the projector is put aside";
    let at = clock("record clock", store.clock(), &*app.clock, harm).await;
    let may = match store.forbidden().await {
        Ok(forbidden) if forbidden.is_empty() => {
            Check::ok("record permissions", "may read and write every table")
        }
        Ok(forbidden) => Check::problem(
            "record permissions",
            format!("this role may not: {}", forbidden.join("; ")),
            "grant them to the role of the address, e.g. `grant select, insert, update, delete on \
             all tables in schema public to …;`",
        ),
        Err(error) => Check::failed("record permissions", error),
    };
    crate::stores::RecordStore::close(&*store).await;
    vec![at, may]
}
