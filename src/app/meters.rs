//! Brings what the process knows into its metrics, once a second: the router's counters, what was
//! done to copies, the worker, and its slot. Names and meanings are in `docs/operations.md`.

use std::sync::Arc;
use std::time::Duration;

use metrics::{counter, gauge};
use tokio::sync::watch;

use super::App;
use crate::cdc::postgres::{SlotStatus, WalStatus};
use crate::domain::Clock;
use crate::lifecycle::Lifecycle;
use crate::projection::worker::WorkerState;
use crate::projection::{Counters, Worker};
use crate::reads::Reads;
use crate::stores::ProjectionSource;

/// How often.
const EVERY: Duration = Duration::from_secs(1);

/// Dead letters that are counted.
const LETTERS_MAX: usize = 1_000;

/// Runs until the process stops.
fn repeat<F>(lifecycle: &Lifecycle, mut show: impl FnMut() -> F + Send + 'static)
where
    F: Future<Output = ()> + Send + 'static,
{
    let stop = lifecycle.stopping();
    lifecycle.spawn(async move {
        loop {
            show().await;
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(EVERY) => {}
            }
        }
    });
}

/// Shows what the router counts.
pub fn follow_reads(reads: Arc<Reads>, lifecycle: &Lifecycle) {
    repeat(lifecycle, move || {
        let reads = Arc::clone(&reads);
        async move { reads.show_metrics().await }
    });
}

/// Shows what was done to the copies.
pub fn follow_copies(counters: Arc<Counters>, lifecycle: &Lifecycle) {
    repeat(lifecycle, move || {
        for (name, value) in counters.values() {
            done(name, value);
        }
        std::future::ready(())
    });
}

/// Counters of what was done to copies, and the metrics that show them.
const COUNTED: &[(&str, &str)] = &[
    ("changes", "turngraph_projector_changes_total"),
    ("commits", "turngraph_projector_commits_total"),
    ("writes", "turngraph_projector_writes_total"),
    ("unaddressed", "turngraph_projector_unaddressed_total"),
    ("lookups", "turngraph_projector_lookups_total"),
    ("retries", "turngraph_projector_retries_total"),
    (
        "publish_failures",
        "turngraph_projector_publish_failures_total",
    ),
    ("dead_letters", "turngraph_projector_dead_letters_total"),
    ("repairs", "turngraph_projector_repairs_total"),
    ("erasures", "turngraph_projector_erasures_total"),
    ("invalidations", "turngraph_cache_invalidations_total"),
    (
        "cache_failures",
        "turngraph_cache_invalidation_failures_total",
    ),
    ("cache_clears", "turngraph_cache_clears_total"),
    ("verify_runs", "turngraph_verify_runs_total"),
    ("verify_sessions", "turngraph_verify_sessions_total"),
    ("verify_wrong", "turngraph_verify_wrong_total"),
    ("verify_mended", "turngraph_verify_mended_total"),
];

fn done(name: &'static str, value: u64) {
    match name {
        "dual_writes" => dual_writes("durable", value),
        "dual_writes_late" => dual_writes("late", value),
        "dual_writes_failed" => dual_writes("failed", value),
        _ => {
            let known = COUNTED.iter().find(|(counter, _)| *counter == name);
            if let Some((_, metric)) = known {
                counter!(*metric).absolute(value);
            }
        }
    }
}

fn dual_writes(result: &'static str, value: u64) {
    counter!("turngraph_dual_writes_total", "result" => result).absolute(value);
}

/// Shows how a worker is, and the slot that its feed reads, where it reads one.
pub fn follow_worker(
    worker: &Worker,
    slot: Option<watch::Receiver<Option<SlotStatus>>>,
    app: &App,
    lifecycle: &Lifecycle,
) {
    let (worker, source, clock) = (
        worker.clone(),
        Arc::clone(&app.source),
        Arc::clone(&app.clock),
    );
    repeat(lifecycle, move || {
        show_worker(&worker, &*clock);
        if let Some(slot) = &slot {
            show_slot(slot.borrow().as_ref());
        }
        show_letters(Arc::clone(&source))
    });
}

fn show_worker(worker: &Worker, clock: &dyn Clock) {
    let state = match *worker.state().borrow() {
        WorkerState::Standby => "standby",
        WorkerState::Opening(_) => "opening",
        WorkerState::Working => "working",
        WorkerState::Filling(_) => "filling",
        WorkerState::Stopped => "stopped",
    };
    for known in ["standby", "opening", "working", "filling", "stopped"] {
        let is = if known == state { 1.0 } else { 0.0 };
        gauge!("turngraph_projector_state", "state" => known).set(is);
    }
    let projector = worker.projector();
    let trusted = if projector.is_trusted() { 1.0 } else { 0.0 };
    gauge!("turngraph_projector_trusted").set(trusted);
    let owed = projector.targets().owed();
    gauge!("turngraph_projector_cache_owed_sessions").set(owed as f64);
    for (lane, waiting) in projector.waiting().into_iter().enumerate() {
        gauge!("turngraph_projector_lane_waiting_changes", "lane" => lane.to_string())
            .set(waiting as f64);
    }
    // Not known is not zero.
    let mark = projector.watermark().borrow().clone();
    let as_of = mark
        .as_ref()
        .map_or(f64::NAN, |mark| mark.as_of.0 as f64 / 1e6);
    gauge!("turngraph_projector_watermark_timestamp_seconds").set(as_of);
    gauge!("turngraph_projector_lag_seconds").set((clock.now().0 as f64 / 1e6 - as_of).max(0.0));
    let position = mark.map_or(f64::NAN, |mark| mark.position.value as f64);
    gauge!("turngraph_projector_position").set(position);
}

/// Before the first look at the slot, and where there is none, its sizes are not known.
fn show_slot(slot: Option<&SlotStatus>) {
    let bytes = |of: Option<u64>| of.map_or(f64::NAN, |bytes| bytes as f64);
    gauge!("turngraph_slot_retained_bytes").set(bytes(slot.map(|slot| slot.kept)));
    gauge!("turngraph_slot_behind_bytes").set(bytes(slot.map(|slot| slot.behind)));
    let safe = slot.and_then(|slot| slot.safe_wal_size);
    gauge!("turngraph_slot_safe_bytes").set(safe.map_or(f64::NAN, |bytes| bytes as f64));
    let active = slot.is_some_and(|slot| slot.active_pid.is_some());
    gauge!("turngraph_slot_active").set(if active { 1.0 } else { 0.0 });
    let is = slot.and_then(|slot| match slot.is_lost() {
        true => Some(WalStatus::Lost),
        false => slot.wal_status,
    });
    for known in [
        WalStatus::Reserved,
        WalStatus::Extended,
        WalStatus::Unreserved,
        WalStatus::Lost,
    ] {
        let value = if is == Some(known) { 1.0 } else { 0.0 };
        gauge!("turngraph_slot_wal_status", "status" => known.as_str()).set(value);
    }
}

async fn show_letters(source: Arc<dyn ProjectionSource>) {
    // While the record store is away the last number stands.
    if let Ok(letters) = source.dead_letters(LETTERS_MAX).await {
        gauge!("turngraph_dead_letters").set(letters.len() as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_counter_is_shown() {
        for (name, _) in Counters::default().values() {
            let known = COUNTED.iter().any(|(counter, _)| *counter == name);
            assert!(known || name.starts_with("dual_writes"), "{name}");
        }
    }
}
