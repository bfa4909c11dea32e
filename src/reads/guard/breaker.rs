//! `Breaker`: whether a store is worth asking, as a pure state machine.
//!
//! Closed, it counts how the last calls went; when too many of them failed or were slow it opens
//! and refuses at once, so that nobody waits for a store that is gone. After a pause it lets
//! single probes through (half-open); enough good ones close it, a bad one opens it for longer.
//! Time comes in as a parameter; it knows no store, no lock and no clock.

use std::time::Duration;

/// When to open, for how long, and what closes again.
#[derive(Debug, Clone, Copy)]
pub struct BreakerPolicy {
    /// Outcomes that are looked at, 64 at most.
    pub window: u32,
    /// Outcomes below which nothing is concluded.
    pub calls_min: u32,
    /// Share of failed or slow calls that opens, in per cent.
    pub bad_per_cent: u32,
    /// A call that takes longer counts as bad even if it succeeds.
    pub slow: Duration,
    /// First pause; doubled each time that a probe fails.
    pub pause: Duration,
    /// Longest pause.
    pub pause_max: Duration,
    /// Good probes that close.
    pub probes: u32,
}

impl Default for BreakerPolicy {
    fn default() -> Self {
        Self {
            window: 32,
            calls_min: 8,
            bad_per_cent: 50,
            slow: Duration::from_secs(1),
            pause: Duration::from_millis(500),
            pause_max: Duration::from_secs(5),
            probes: 3,
        }
    }
}

/// How a call went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallOutcome {
    /// It was answered, within this time.
    Answered(Duration),
    /// It failed.
    Failed,
    /// Its caller went away after this time. Callers that have no patience with a store that hangs
    /// must not keep it from being noticed: after a slow call's time it is as bad as one.
    Abandoned(Duration),
}

/// What the breaker does at present.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerState {
    /// Calls pass.
    Closed,
    /// Calls are refused.
    Open,
    /// One probe at a time passes.
    HalfOpen,
}

impl BreakerState {
    /// The name in GraphQL and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Closed => "CLOSED",
            Self::Open => "OPEN",
            Self::HalfOpen => "HALF_OPEN",
        }
    }
}

/// Permission for one call; hand it back with [`Breaker::done`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket {
    /// Outcomes of calls that began before the state last changed say nothing about this state.
    epoch: u64,
}

/// Whether a store is worth asking. Instants are durations since any fixed point.
#[derive(Debug)]
pub struct Breaker {
    policy: BreakerPolicy,
    epoch: u64,
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    /// The newest outcome is the lowest bit of `bad`; `seen` of its bits are outcomes.
    Closed {
        bad: u64,
        seen: u32,
    },
    Open {
        until: Duration,
        pause: Duration,
    },
    HalfOpen {
        probing: bool,
        good: u32,
        pause: Duration,
    },
}

impl Breaker {
    /// A closed breaker.
    pub fn new(policy: BreakerPolicy) -> Self {
        Self {
            policy,
            epoch: 0,
            phase: Phase::Closed { bad: 0, seen: 0 },
        }
    }

    /// What it does at `now`.
    pub fn state(&self, now: Duration) -> BreakerState {
        match self.phase {
            Phase::Closed { .. } => BreakerState::Closed,
            Phase::Open { until, .. } if now < until => BreakerState::Open,
            Phase::Open { .. } | Phase::HalfOpen { .. } => BreakerState::HalfOpen,
        }
    }

    /// Asks for one call; `None` is a refusal.
    pub fn admit(&mut self, now: Duration) -> Option<Ticket> {
        match &mut self.phase {
            Phase::Closed { .. } => {}
            Phase::Open { until, .. } if now < *until => return None,
            Phase::Open { pause, .. } => {
                let pause = *pause;
                self.enter(Phase::HalfOpen {
                    probing: true,
                    good: 0,
                    pause,
                });
            }
            Phase::HalfOpen { probing: true, .. } => return None,
            Phase::HalfOpen { probing, .. } => *probing = true,
        }
        Some(Ticket { epoch: self.epoch })
    }

    /// Takes note of how an admitted call went.
    pub fn done(&mut self, ticket: Ticket, outcome: CallOutcome, now: Duration) {
        if ticket.epoch != self.epoch {
            return;
        }
        let good = match outcome {
            CallOutcome::Answered(took) => Some(took <= self.policy.slow),
            CallOutcome::Failed => Some(false),
            CallOutcome::Abandoned(after) => (after > self.policy.slow).then_some(false),
        };
        match &mut self.phase {
            Phase::Closed { bad, seen } => {
                let Some(good) = good else { return };
                *bad = (*bad << 1) | u64::from(!good);
                *seen = (*seen + 1).min(self.policy.window.min(64));
                let kept = u64::MAX >> (64 - *seen);
                let count = (*bad & kept).count_ones();
                let tripped = *seen >= self.policy.calls_min
                    && count * 100 >= *seen * self.policy.bad_per_cent;
                if tripped {
                    self.open(now, self.policy.pause);
                }
            }
            Phase::HalfOpen {
                probing,
                good: well,
                pause,
            } => {
                *probing = false;
                match good {
                    None => {}
                    Some(false) => {
                        let longer = (*pause * 2).min(self.policy.pause_max);
                        self.open(now, longer);
                    }
                    Some(true) => {
                        *well += 1;
                        if *well >= self.policy.probes {
                            self.enter(Phase::Closed { bad: 0, seen: 0 });
                        }
                    }
                }
            }
            Phase::Open { .. } => {}
        }
    }

    fn open(&mut self, now: Duration, pause: Duration) {
        let until = now + pause;
        self.enter(Phase::Open { until, pause });
    }

    fn enter(&mut self, phase: Phase) {
        self.epoch += 1;
        self.phase = phase;
    }
}

#[cfg(test)]
#[path = "breaker_tests.rs"]
mod tests;
