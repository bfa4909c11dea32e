//! What the router counts for `/metrics`. Labels are few and fixed; none holds a key.

use metrics::{counter, gauge};

use super::breaker::BreakerState;
use super::limiter::Overflow;
use crate::domain::Consistency;
use crate::reads::router::Answers;
use crate::reads::{ReadContext, Reads, Source};

const SESSIONS: &str = "turngraph_read_sessions_total";
const FAILURES: &str = "turngraph_read_failures_total";
const DEGRADED: &str = "turngraph_read_degraded_total";
const LOOKUPS: &str = "turngraph_cache_lookups_total";
const FILLS: &str = "turngraph_cache_fills_total";
const REFUSED: &str = "turngraph_read_limiter_refused_total";
const WAITING: &str = "turngraph_read_limiter_waiting";
const BREAKER: &str = "turngraph_read_breaker_state";
const SHADOW: &str = "turngraph_shadow_reads_total";
const LAG: &str = "turngraph_read_projection_lag_seconds";
const SHARE: &str = "turngraph_read_projection_share_ratio";

/// Why an answer was less than it should have been; the first words that fit a reason.
const REASONS: [(&str, &str); 6] = [
    ("did not answer in time", "timeout"),
    ("cannot be read", "unavailable"),
    ("gaps", "gaps"),
    ("waits for its repair", "quarantined"),
    ("is not known", "lag_unknown"),
    ("", "other"),
];

/// Name of a consistency in labels.
fn of(consistency: Consistency) -> &'static str {
    match consistency {
        Consistency::Strong => "strong",
        Consistency::Eventual => "eventual",
        Consistency::Analytics => "analytics",
    }
}

/// Counts the sessions that an answer is made of.
pub(in crate::reads) fn answered(ctx: &ReadContext, answers: &Answers) {
    for answer in answers.values() {
        let consistency = of(ctx.consistency());
        match answer {
            Ok(loaded) => {
                let source = loaded.origin.source.name();
                counter!(SESSIONS, "consistency" => consistency, "source" => source).increment(1);
            }
            Err(_) => counter!(FAILURES, "consistency" => consistency).increment(1),
        }
    }
}

/// Counts one thing that was amiss with an operation.
pub(in crate::reads) fn degraded(reason: &str) {
    let known = REASONS.iter().find(|(words, _)| reason.contains(words));
    let (_, reason) = known.expect("the last fits every reason");
    counter!(DEGRADED, "reason" => *reason).increment(1);
}

/// Counts sessions that the cache had, and had not.
pub(in crate::reads) fn looked_up(hits: usize, misses: usize) {
    counter!(LOOKUPS, "result" => "hit").increment(hits as u64);
    counter!(LOOKUPS, "result" => "miss").increment(misses as u64);
}

/// Counts a fill of the cache; none where the cache could not be asked.
pub(in crate::reads) fn filled(entered: Option<bool>) {
    let result = match entered {
        Some(true) => "entered",
        Some(false) => "refused",
        None => "failed",
    };
    counter!(FILLS, "result" => result).increment(1);
}

/// Counts a read that was sent away.
pub(in crate::reads) fn overflowed(overflow: Overflow) {
    let why = match overflow {
        Overflow::QueueFull => "queue_full",
        Overflow::Waited => "waited",
    };
    counter!(REFUSED, "why" => why).increment(1);
}

impl Reads {
    /// Shows every counter of the router, those that have counted nothing as zero, and how the
    /// router is now. To be called again and again.
    pub async fn show_metrics(&self) {
        let mut sources = vec![self.stores.record.kind()];
        sources.extend(self.stores.cache.as_ref().map(|_| self.stores.cache_kind));
        sources.extend(self.stores.projection.as_ref().map(|_| Source::Cql));
        for consistency in [
            Consistency::Strong,
            Consistency::Eventual,
            Consistency::Analytics,
        ] {
            let consistency = of(consistency);
            for source in &sources {
                counter!(SESSIONS, "consistency" => consistency, "source" => source.name())
                    .increment(0);
            }
            counter!(FAILURES, "consistency" => consistency).increment(0);
        }
        for (_, reason) in REASONS {
            counter!(DEGRADED, "reason" => reason).increment(0);
        }
        for why in ["queue_full", "waited"] {
            counter!(REFUSED, "why" => why).increment(0);
        }
        looked_up(0, 0);
        for result in ["entered", "refused", "failed"] {
            counter!(FILLS, "result" => result).increment(0);
        }
        self.show_state().await;
    }

    async fn show_state(&self) {
        let shadow = self.shadow_counts();
        for (result, count) in [
            ("identical", shadow.identical),
            ("stale", shadow.stale),
            ("wrong", shadow.wrong),
        ] {
            counter!(SHADOW, "result" => result).absolute(count);
        }
        for (limiter, of) in [
            ("fallbacks", &self.fallbacks),
            ("analytics", &self.analytics),
        ] {
            gauge!(WAITING, "limiter" => limiter).set(of.waiting() as f64);
        }
        let record = (self.stores.record.kind(), &self.stores.record_hop);
        let cache = self.stores.cache.as_ref();
        let cache = cache.map(|(_, hop)| (self.stores.cache_kind, hop));
        let projection = self.stores.projection.as_ref();
        let projection = projection.map(|(_, hop)| (Source::Cql, hop));
        for (kind, hop) in [Some(record), cache, projection].into_iter().flatten() {
            let state = match hop.state() {
                BreakerState::Closed => 0.0,
                BreakerState::HalfOpen => 1.0,
                BreakerState::Open => 2.0,
            };
            gauge!(BREAKER, "store" => kind.name()).set(state);
        }
        gauge!(SHARE).set(f64::from(self.route.cql_share()) / 100.0);
        // Not known is not zero.
        let lag = self.lag_ms().await;
        gauge!(LAG).set(lag.map_or(f64::NAN, |ms| ms as f64 / 1_000.0));
    }
}
