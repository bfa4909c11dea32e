//! `PgoutputOpener`: opens the feed, again and again, and replaces a slot that is lost.
//!
//! What must outlive one feed is here: that a gap was told and not closed yet, where a replaced
//! slot begins, how often slots were replaced, and the state of the slot for metrics.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use super::address::Address;
use super::check::Finding;
use super::failure::setup;
use super::open::Opening;
use super::slot::SlotStatus;
use super::{PgoutputFeed, PgoutputOptions};
use crate::cdc::{FeedError, FeedErrorKind};
use crate::domain::clock::Clock;
use crate::domain::{Position, Timestamp};

/// How often a lost slot may be replaced within [`WITHIN`], so that one that is lost again and again
/// (a limit that is too small for the load) does not become a loop of rebuilds.
const MAX: usize = 3;

/// An hour in microseconds.
const WITHIN: i64 = 3_600_000_000;

/// When slots were replaced.
#[derive(Debug, Default)]
struct Recreations(VecDeque<Timestamp>);

impl Recreations {
    /// Whether one more is allowed now.
    fn allowed(&mut self, now: Timestamp) -> bool {
        let over = |at: &Timestamp| now.0.saturating_sub(at.0) >= WITHIN;
        while self.0.front().is_some_and(over) {
            self.0.pop_front();
        }
        self.0.len() < MAX
    }

    /// Counts one.
    fn count(&mut self, now: Timestamp) {
        self.0.push_back(now);
    }
}

/// What an opener and its feeds have in common.
pub(super) struct Shared {
    pub(super) slot: watch::Sender<Option<SlotStatus>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// A gap was told, and no feed was opened since.
    gap: bool,
    /// Where the slot begins that this opener made after a gap.
    begun: Option<Position>,
    recreations: Recreations,
}

impl Shared {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        // Every change of the state is one assignment, so a panic leaves nothing half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers a gap.
    pub(super) fn failed(&self, error: FeedError) -> FeedError {
        if error.kind == FeedErrorKind::Gap {
            self.state().gap = true;
        }
        error
    }
}

/// See the file.
pub struct PgoutputOpener {
    pub(super) options: Arc<PgoutputOptions>,
    pub(super) address: Arc<Address>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) shared: Arc<Shared>,
}

impl PgoutputOpener {
    /// Checks names and address; connects nowhere. `Setup` where they cannot be.
    pub fn new(options: PgoutputOptions, clock: Arc<dyn Clock>) -> Result<Self, FeedError> {
        let Opening {
            options, address, ..
        } = first(options)?;
        Ok(Self {
            options,
            address,
            clock,
            shared: Arc::new(Shared {
                slot: watch::Sender::new(None),
                state: Mutex::default(),
            }),
        })
    }

    /// Opens the feed behind `resume_from`, the last place that the caller knows to be durably
    /// applied; none where nothing was ever applied. Then, and after a gap, what was committed
    /// before is not told: the caller reads it from the record store after this returns.
    ///
    /// The caller keeps the place itself and notes it durably **before** it acknowledges it to the
    /// feed: a slot that is further than the note is a gap.
    ///
    /// `anew` lets a slot be replaced, at most three times an hour, if a gap was told since a feed
    /// was last opened here (else nothing is missing, and nothing is given up). The caller notes
    /// durably that its projections must be rebuilt before it asks for it: afterwards nothing else
    /// remembers the gap.
    pub async fn open(
        &self,
        resume_from: Option<Position>,
        anew: bool,
    ) -> Result<PgoutputFeed, FeedError> {
        let opening = self.opening(resume_from, anew)?;
        let replaces = opening.anew;
        let opened = opening
            .open()
            .await
            .map_err(|error| self.shared.failed(error))?;
        let mut state = self.shared.state();
        state.gap = false;
        if replaces {
            state.recreations.count(self.clock.now());
            state.begun = Some(opened.from.clone());
        }
        drop(state);
        Ok(PgoutputFeed::new(self, opened))
    }

    fn opening(&self, resume_from: Option<Position>, anew: bool) -> Result<Opening, FeedError> {
        let mut state = self.shared.state();
        let anew = anew && state.gap;
        if anew && !state.recreations.allowed(self.clock.now()) {
            return Err(setup(format!(
                "the slot was lost {} times within an hour: the projector is too slow for \
                 max_slot_wal_keep_size, or stands still too long; raise the limit, then start \
                 the projector again",
                MAX
            )));
        }
        // A feed that ended before its first acknowledgement goes on where its slot began.
        let begun = state.begun.clone().filter(|begun| {
            let is_before =
                |from: &Position| system_of(from) != system_of(begun) || from.value < begun.value;
            resume_from.as_ref().is_none_or(is_before)
        });
        Ok(Opening {
            options: Arc::clone(&self.options),
            address: Arc::clone(&self.address),
            resume_from: begun.or(resume_from),
            anew,
        })
    }

    /// The slot's state, looked at every few heartbeats while a feed is open; none before the
    /// first look and where there is no slot.
    pub fn slot(&self) -> watch::Receiver<Option<SlotStatus>> {
        self.shared.slot.subscribe()
    }
}

/// The cluster of a position; its timeline is left out, because a promotion changes it.
fn system_of(position: &Position) -> &str {
    position.store.split('.').next().unwrap_or_default()
}

/// The first opening with these options, after a look at names and address.
fn first(options: PgoutputOptions) -> Result<Opening, FeedError> {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    if !(1..=63).contains(&options.slot.len()) || !options.slot.bytes().all(plain) {
        return Err(setup(
            "the name of a replication slot has 1 to 63 lower-case letters, digits and _",
        ));
    }
    Ok(Opening {
        address: Arc::new(Address::parse(&options.url)?),
        options: Arc::new(options),
        resume_from: None,
        anew: false,
    })
}

/// What is wrong with the server, or will be, for a feed of these options; changes nothing. An
/// error where the server cannot be asked at all.
pub async fn check(options: &PgoutputOptions) -> Result<Vec<Finding>, FeedError> {
    let opening = first(options.clone())?;
    let mut connection = opening.statements().await?;
    let mut findings = opening.findings(&mut connection).await?;
    if let Err(error) = opening.may_stream().await {
        findings.push(Finding {
            fatal: true,
            problem: "a replication connection is refused".to_owned(),
            mend: error.message,
        });
    }
    Ok(findings)
}

/// The state of the slot; none where there is none.
pub async fn slot_status(options: &PgoutputOptions) -> Result<Option<SlotStatus>, FeedError> {
    let opening = first(options.clone())?;
    let mut connection = opening.statements().await?;
    opening.slot(&mut connection).await
}

/// Whether the server's write-ahead log holds what rows became, so that it can be read as a feed.
pub async fn is_logical(options: &PgoutputOptions) -> Result<bool, FeedError> {
    let opening = first(options.clone())?;
    let mut connection = opening.statements().await?;
    super::check::is_logical(&mut connection, opening.role()).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_an_hour_are_allowed() {
        let minutes = |n: i64| Timestamp(n * 60_000_000);
        let mut recreations = Recreations::default();
        let mut allowed = |n| {
            let allowed = recreations.allowed(minutes(n));
            if allowed {
                recreations.count(minutes(n));
            }
            allowed
        };
        assert_eq!([0, 10, 20].map(&mut allowed), [true; 3]);
        assert_eq!([30, 59].map(&mut allowed), [false; 2]);
        assert_eq!(
            [60, 61, 70, 80].map(&mut allowed),
            [true, false, true, true]
        );
    }
}
