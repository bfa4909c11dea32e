//! The heartbeat: a message of its own in the record store's log, every second, by a connection of
//! its own; and a look at the slot from the same connection.
//!
//! Where nothing is written, or only in tables that the feed does not follow, the heartbeat shows
//! that nothing is missing: idle is not stale, and the slot lets go of the log. It is a transaction
//! and not a bare message, because a bare message is not flushed to the log until something else is
//! (`flush` exists from version 17), and the log is read up to where it is flushed.

use std::sync::Arc;
use std::time::Duration;

use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use super::opener::Shared;
use super::slot::{SlotStatus, WalStatus};
use crate::cdc::FeedError;

/// Prefix of the message, for people who read the log.
const BEAT: &str = "select pg_logical_emit_message(true, 'turngraph.heartbeat', '')";

/// The commit waits for this server's disk and not for standbys, which may be away.
const SETTINGS: &str = "set synchronous_commit = local; set statement_timeout = '10s'; \
    set lock_timeout = '1s'";

/// How long the server may take to answer; a connection that was cut off silently never does.
const PATIENCE: Duration = Duration::from_secs(15);

/// How many heartbeats there are to one look at the slot.
const BEATS_A_LOOK: u32 = 5;

/// What is beaten and watched.
#[derive(Clone)]
pub(super) struct Subject {
    pub(super) connect: PgConnectOptions,
    pub(super) slot: Arc<str>,
    pub(super) every: Duration,
    pub(super) shared: Arc<Shared>,
}

/// The running heartbeat; it stops when this is dropped.
#[derive(Debug)]
pub(super) struct Heartbeat {
    task: JoinHandle<()>,
}

impl Drop for Heartbeat {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Heartbeat {
    pub(super) fn start(subject: Subject) -> Self {
        let task = tokio::spawn(run(subject));
        Self { task }
    }
}

async fn run(subject: Subject) {
    let mut ticks = tokio::time::interval(subject.every);
    // After a stall one heartbeat tells as much as many.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut connection = None;
    let mut failing = false;
    let mut until_look = 0;
    loop {
        ticks.tick().await;
        let look = until_look == 0;
        until_look = if look { BEATS_A_LOOK } else { until_look } - 1;
        let beating = beat(&mut connection, (&subject, look));
        let beaten = tokio::time::timeout(PATIENCE, beating)
            .await
            .unwrap_or_else(|_| Err(super::failure::retry("the server does not answer")));
        match &beaten {
            Ok(Some(status)) => watch_slot(&subject.shared.slot, &subject.slot, status.clone()),
            Ok(None) => {}
            Err(error) if !failing => {
                tracing::warn!(%error, "no heartbeat; freshness is not known until there is one");
            }
            Err(_) => {}
        }
        failing = beaten.is_err();
    }
}

/// One heartbeat, with the slot's state where it was looked at.
async fn beat(
    held: &mut Option<PgConnection>,
    (subject, look): (&Subject, bool),
) -> Result<Option<Option<SlotStatus>>, FeedError> {
    let role = subject.connect.get_username();
    let failed = |error| super::failure::of_statement(error, "write its heartbeat", role);
    // Held again only after success, so that a connection in an unknown state is not used.
    let mut connection = match held.take() {
        Some(connection) => connection,
        None => {
            let mut connection = subject.connect.connect().await.map_err(failed)?;
            sqlx::raw_sql(SETTINGS)
                .execute(&mut connection)
                .await
                .map_err(failed)?;
            connection
        }
    };
    sqlx::query(BEAT)
        .execute(&mut connection)
        .await
        .map_err(failed)?;
    let status = if look {
        Some(SlotStatus::read(&mut connection, (&subject.slot, role)).await?)
    } else {
        None
    };
    *held = Some(connection);
    Ok(status)
}

/// Passes the slot's state on, and says when it becomes dangerous.
fn watch_slot(tell: &watch::Sender<Option<SlotStatus>>, slot: &str, status: Option<SlotStatus>) {
    let state = |status: &Option<SlotStatus>| status.as_ref().and_then(|s| s.wal_status);
    let before = state(&tell.borrow());
    let now = state(&status);
    if before != now {
        let behind = status.as_ref().map_or(0, |status| status.behind);
        match now {
            Some(WalStatus::Unreserved) => tracing::warn!(
                slot,
                behind,
                "the slot is about to be lost: the projector is too far behind for \
                 max_slot_wal_keep_size"
            ),
            Some(WalStatus::Lost) => {
                tracing::error!(
                    slot,
                    behind,
                    "the slot is lost; projections must be rebuilt"
                );
            }
            Some(WalStatus::Reserved | WalStatus::Extended) | None => {}
        }
    }
    tell.send_replace(status);
}
