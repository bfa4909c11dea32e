//! `Hop`: one store as the router asks it, with a breaker and a share of the deadline.

pub mod breaker;
pub mod latency;
pub mod limiter;
pub(super) mod meter;

use std::future::Future;
use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

use crate::stores::record::StoreResult;
use crate::stores::{StoreError, StoreErrorKind, StoreKind};

use super::context::DEADLINE;
use breaker::{Breaker, BreakerPolicy, BreakerState, CallOutcome, Ticket};
use latency::Latencies;

/// A store behind a breaker.
pub(super) struct Hop {
    kind: StoreKind,
    /// One part in so many of the time that is left may be spent here.
    share: u32,
    breaker: Mutex<Breaker>,
    latencies: Latencies,
    begun: Instant,
}

/// Tells the breaker how a call went, also when its caller goes away.
struct Call<'a> {
    hop: &'a Hop,
    ticket: Ticket,
    begun: Instant,
    /// None until it ends by itself.
    outcome: Option<CallOutcome>,
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        let now = self.hop.begun.elapsed();
        let abandoned = CallOutcome::Abandoned(self.begun.elapsed());
        let outcome = self.outcome.unwrap_or(abandoned);
        self.hop.breaker().done(self.ticket, outcome, now);
    }
}

/// Whether an error means that the store is gone; a row that cannot be read does not.
fn is_down(error: &StoreError) -> bool {
    matches!(
        error.kind,
        StoreErrorKind::Unavailable | StoreErrorKind::Timeout
    )
}

impl Hop {
    /// A hop that may take one part in `share` of the time that is left.
    pub(super) fn new(kind: StoreKind, share: u32, policy: BreakerPolicy) -> Self {
        Self {
            kind,
            share,
            breaker: Mutex::new(Breaker::new(policy)),
            latencies: Latencies::default(),
            begun: Instant::now(),
        }
    }

    /// What its breaker does.
    pub(super) fn state(&self) -> BreakerState {
        self.breaker().state(self.begun.elapsed())
    }

    /// How long its reads took lately.
    pub(super) fn latencies(&self) -> &Latencies {
        &self.latencies
    }

    fn breaker(&self) -> std::sync::MutexGuard<'_, Breaker> {
        self.breaker.lock().expect("a breaker does not panic")
    }

    /// Asks the store, unless its breaker is open. The error of a refused call is `Unavailable`.
    pub(super) async fn ask<T>(
        &self,
        deadline: Instant,
        call: impl Future<Output = StoreResult<T>>,
    ) -> StoreResult<T> {
        let ticket = self.breaker().admit(self.begun.elapsed());
        let Some(ticket) = ticket else {
            return Err(self.error(StoreErrorKind::Unavailable, "its breaker is open"));
        };
        let begun = Instant::now();
        let mut noted = Call {
            hop: self,
            ticket,
            begun,
            outcome: None,
        };
        let within = deadline.saturating_duration_since(begun) / self.share;
        let answer = tokio::time::timeout(within, call).await;
        let took = begun.elapsed();
        self.latencies.note(took);
        noted.outcome = Some(match &answer {
            Ok(Ok(_)) => CallOutcome::Answered(took),
            Ok(Err(error)) if !is_down(error) => CallOutcome::Answered(took),
            Ok(Err(_)) => CallOutcome::Failed,
            // Who came with hardly any time left has learnt nothing of the store.
            Err(_) if within < self.fair() => CallOutcome::Abandoned(took),
            Err(_) => CallOutcome::Failed,
        });
        answer.unwrap_or_else(|_| Err(self.late(within)))
    }

    /// What a store must be given at least, to be blamed for not answering: a tenth of its share.
    fn fair(&self) -> Duration {
        DEADLINE / self.share / 10
    }

    fn late(&self, within: Duration) -> StoreError {
        let message = format!("no answer within {} ms", within.as_millis());
        self.error(StoreErrorKind::Timeout, message)
    }

    fn error(&self, kind: StoreErrorKind, message: impl Into<String>) -> StoreError {
        StoreError {
            kind,
            store: self.kind,
            action: "read",
            message: message.into(),
            source: None,
        }
    }
}
