//! The way of changes out of the record store: which feed, what it needs, its slot, and whether
//! somebody reads it.

use super::Check;
use crate::app::App;
use crate::app::feeds::pgoutput_options;
use crate::cdc::postgres::{
    Finding, PgoutputOptions, SlotStatus, WalStatus, check, is_logical, slot_status,
};
use crate::config::{Config, FeedSource, RecordUrl};
use crate::projection::worker::ROLE;

const NAME: &str = "change feed";

pub(super) async fn examine(config: &Config, app: &App) -> Vec<Check> {
    let mut checks = match (&config.record, config.hybrid.feed) {
        (_, FeedSource::Kafka) => vec![kafka(config)],
        (RecordUrl::Sqlite(_), FeedSource::Pgoutput) => vec![Check::problem(
            NAME,
            "pgoutput is PostgreSQL's, and the record store is SQLite",
            "let `feed` be auto or change_log",
        )],
        (RecordUrl::Postgres(url), FeedSource::Auto) => {
            let options = pgoutput_options(config, url);
            match is_logical(&options).await {
                Ok(true) => pgoutput(&options).await,
                Ok(false) => change_log(app).await,
                Err(error) => vec![Check::failed(NAME, error)],
            }
        }
        (RecordUrl::Postgres(url), FeedSource::Pgoutput) => {
            pgoutput(&pgoutput_options(config, url)).await
        }
        (_, FeedSource::Auto | FeedSource::ChangeLog) => change_log(app).await,
    };
    checks.push(worker(app).await);
    checks
}

fn kafka(config: &Config) -> Check {
    match &config.hybrid.kafka {
        None => Check::problem(
            NAME,
            "kafka, but nothing says where it is",
            "set `kafka`, e.g. kafka://HOST:9092/TOPIC",
        ),
        Some(url) => Check::warning(
            NAME,
            format!("kafka at {url}; the broker was not asked"),
            "whether it is read is told by `projection lag` below, and by the projector's log",
        ),
    }
}

async fn pgoutput(options: &PgoutputOptions) -> Vec<Check> {
    let findings = match check(options).await {
        Ok(findings) => findings,
        Err(error) => return vec![Check::failed(NAME, error)],
    };
    let fatal = findings.iter().any(|finding| finding.fatal);
    let mut checks = Vec::new();
    if !fatal {
        checks.push(Check::ok(
            NAME,
            format!(
                "pgoutput; publication `{}` is whole, and this role may replicate",
                options.publication
            ),
        ));
    }
    checks.extend(findings.into_iter().map(of_finding));
    checks.push(match slot_status(options).await {
        Ok(None) => Check::warning(
            "slot",
            format!("there is no slot `{}` yet", options.slot),
            "`turngraph project` makes it when it starts for the first time",
        ),
        Ok(Some(status)) => slot(&options.slot, &status),
        Err(error) => Check::failed("slot", error),
    });
    checks
}

fn of_finding(finding: Finding) -> Check {
    match finding.fatal {
        true => Check::problem(NAME, finding.problem, finding.mend),
        false => Check::warning(NAME, finding.problem, finding.mend),
    }
}

fn slot(name: &str, status: &SlotStatus) -> Check {
    let active = match status.active_pid {
        Some(pid) => format!("active (process {pid})"),
        None => "not active".to_owned(),
    };
    let wal = status.wal_status.map_or("not used yet", WalStatus::as_str);
    let room = match status.safe_wal_size {
        Some(bytes) => format!(", {bytes} bytes until it is in danger"),
        None => String::new(),
    };
    let found = format!(
        "`{name}` is {active}, its log is {wal}; {} bytes kept, {} bytes behind{room}",
        status.kept, status.behind
    );
    if status.is_lost() {
        let hint = "start `turngraph project`: it makes a new slot and fills projections anew; \
                    raise max_slot_wal_keep_size if this was no accident";
        return Check::problem("slot", found, hint);
    }
    if status.wal_status == Some(WalStatus::Unreserved) {
        let hint = "it is lost at the next checkpoint: start `turngraph project` now, or raise \
                    max_slot_wal_keep_size";
        return Check::problem("slot", found, hint);
    }
    if status.active_pid.is_none() {
        let hint = "nobody reads it, and the log is kept for it: start `turngraph project`, or \
                    remove it with `select pg_drop_replication_slot('…');` if you need it no more";
        return Check::warning("slot", found, hint);
    }
    Check::ok("slot", found)
}

async fn change_log(app: &App) -> Vec<Check> {
    let look = match app.log.log_look(None).await {
        Ok(look) => look,
        Err(error) => return vec![Check::failed(NAME, error)],
    };
    let mut checks = vec![Check::ok(NAME, "change_log, the record store's own table")];
    let Some(mark) = look.mark.filter(|mark| mark.finished < mark.until) else {
        return checks;
    };
    match app.log.log_delays(mark.until).await {
        Ok(delays) => checks.extend(delays.first().map(|delay| {
            let pid = delay
                .pid
                .map_or_else(String::new, |pid| format!(" (process {pid})"));
            let age = delay.age.map_or_else(
                || "for an unknown time".to_owned(),
                |age| format!("for {} s", age.as_secs()),
            );
            Check::warning(
                NAME,
                format!(
                    "waits for a transaction of {}{pid}, open {age}",
                    delay.holder
                ),
                "changes written since it began are not told before it ends: end it if it hangs \
                 (`select pg_terminate_backend(PID);`, `rollback prepared '…';`)",
            )
        })),
        Err(error) => checks.push(Check::failed(NAME, error)),
    }
    checks
}

/// Whoever has the lease works; it is given back at once.
async fn worker(app: &App) -> Check {
    match app.source.lease(ROLE).await {
        Ok(None) => Check::ok("projector", "at work"),
        Ok(Some(_)) => Check::warning(
            "projector",
            "none is at work",
            "copies fall behind until one is: start `turngraph project`, or `serve \
             --with-projector`",
        ),
        Err(error) => Check::failed("projector", error),
    }
}
