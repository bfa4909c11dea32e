//! `ChangeLogFeed`: the record store's own table of changes as a feed, for SQLite and for a
//! PostgreSQL without logical replication.
//!
//! A round takes a mark (a position of the store, and the place in the table that it stands for),
//! waits until everything below is finished, tells the rows that the entries name, as they are
//! now, and ends with the `Commit` of the mark: it stands for all transactions of the round. Each
//! await is one statement without a transaction, and nothing is noted before it has answered, so
//! `next` may be dropped anywhere. Knows no SQL.

mod state;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use self::state::Acknowledged;
use crate::cdc::feed::{ChangeFeed, FeedError, FeedErrorKind, FeedEvent};
use crate::domain::Position;
use crate::stores::change_log::{ChangeLog, LogMark, LogPlace, LogRow};
use crate::stores::{StoreError, StoreErrorKind};

/// Entries that are read at once. Their rows may have 16 MiB each, but nearly all are small.
const ENTRIES: usize = 200;

/// Between two looks at a store where nothing has happened.
const POLL: Duration = Duration::from_millis(20);

/// Looks without a change between two `Idle` events.
const POLLS_PER_IDLE: u32 = 5;

/// A round that is being told.
#[derive(Debug, Clone)]
struct Round {
    mark: LogMark,
    finished: bool,
    after: LogPlace,
    told: bool,
}

/// The end of a round that was told and not acknowledged yet.
#[derive(Debug)]
struct Told {
    mark: LogMark,
    rows: bool,
}

/// The feed.
pub struct ChangeLogFeed {
    log: Arc<dyn ChangeLog>,
    store: String,
    /// Where the next round begins.
    from: i64,
    /// End of the last round.
    reached: Option<LogMark>,
    round: Option<Round>,
    ready: VecDeque<FeedEvent>,
    told: VecDeque<Told>,
    /// The store does not know yet where this feed began.
    unsaved: bool,
    gap: Option<String>,
    polls: u32,
}

impl ChangeLogFeed {
    /// Opens the log of a store, which begins to record changes if it has not yet.
    ///
    /// Where changes since the last acknowledged place are gone (or the store had rows before it
    /// began to record), the first [`ChangeFeed::next`] is an error of the kind `Gap`; the feed
    /// then goes on with what is there.
    pub async fn open(log: Arc<dyn ChangeLog>) -> Result<Self, FeedError> {
        let store = log.position().await.map_err(failed)?.store;
        let acknowledged = Acknowledged::read(&*log).await?;
        let from = acknowledged.as_ref().map(|place| place.until);
        let whole = log.log_on(from).await.map_err(failed)?;
        let gap = gap(acknowledged.as_ref(), &store, whole);
        Ok(Self {
            log,
            store,
            // What is left of the log is told whatever is missing before it.
            from: match &gap {
                Some(_) => 0,
                None => from.unwrap_or(0),
            },
            reached: None,
            round: None,
            ready: VecDeque::new(),
            told: VecDeque::new(),
            unsaved: gap.is_some() || acknowledged.is_none(),
            gap,
            polls: 0,
        })
    }

    /// Begins a round if the store has changed, or says that it is idle now and then.
    async fn begin(&mut self) -> Result<(), FeedError> {
        let known = self.reached.as_ref().map(|mark| &mark.position);
        let look = self.log.log_look(known).await.map_err(failed)?;
        let Some(mark) = look.mark else {
            if let Some(reached) = &self.reached
                && self.polls.is_multiple_of(POLLS_PER_IDLE)
            {
                self.ready.push_back(FeedEvent::Idle {
                    position: reached.position.value,
                    as_of: look.at,
                });
            }
            self.polls += 1;
            return Ok(());
        };
        if mark.position.store != self.store {
            // The next feed is opened on what the store is now, and tells the gap.
            return Err(other_store(&self.store, &mark.position));
        }
        self.polls = 0;
        self.round = Some(Round {
            finished: mark.finished >= mark.until,
            after: (self.from, 0),
            told: false,
            mark,
        });
        Ok(())
    }

    /// Goes one step on in a round; false when it has to wait for a transaction.
    async fn go_on(&mut self, mut round: Round) -> Result<bool, FeedError> {
        if !round.finished {
            let finished = self.log.log_finished().await.map_err(failed)?;
            round.finished = finished >= round.mark.until;
            let goes_on = round.finished;
            self.round = Some(round);
            return Ok(goes_on);
        }
        let (after, until) = (round.after, round.mark.until);
        let entries = self.log.log_entries(after, until, ENTRIES).await;
        let entries = entries.map_err(failed)?;
        let rows = match entries.as_slice() {
            [] => vec![],
            entries => self.log.log_rows(entries).await.map_err(failed)?,
        };
        round.told |= !rows.is_empty();
        self.ready.extend(rows.into_iter().map(event));
        match entries.last() {
            Some(last) if entries.len() == ENTRIES => {
                round.after = last.place;
                self.round = Some(round);
            }
            _ => self.end(round),
        }
        Ok(true)
    }

    fn end(&mut self, Round { mark, told, .. }: Round) {
        let position = mark.position.value;
        self.ready.push_back(if told {
            FeedEvent::Commit {
                position,
                committed_at: mark.at,
            }
        } else {
            FeedEvent::Idle {
                position,
                as_of: mark.at,
            }
        });
        // Of rounds without rows the last one says it all.
        if !told && self.told.back().is_some_and(|last| !last.rows) {
            self.told.pop_back();
        }
        self.told.push_back(Told {
            mark: mark.clone(),
            rows: told,
        });
        self.from = mark.until;
        self.reached = Some(mark);
        self.round = None;
    }
}

#[async_trait]
impl ChangeFeed for ChangeLogFeed {
    fn name(&self) -> &'static str {
        "change_log"
    }

    fn store(&self) -> &str {
        &self.store
    }

    async fn next(&mut self) -> Result<FeedEvent, FeedError> {
        if let Some(message) = self.gap.take() {
            return Err(FeedError {
                kind: FeedErrorKind::Gap,
                message,
                source: None,
            });
        }
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(event);
            }
            let idle = match self.round.clone() {
                Some(round) => !self.go_on(round).await?,
                None => {
                    self.begin().await?;
                    self.round.is_none() && self.ready.is_empty()
                }
            };
            if idle {
                tokio::time::sleep(POLL).await;
            }
        }
    }

    async fn acknowledge(&mut self, position: u64) -> Result<(), FeedError> {
        let count = self
            .told
            .iter()
            .take_while(|told| told.mark.position.value <= position)
            .count();
        let Some(last) = count.checked_sub(1).and_then(|ix| self.told.get(ix)) else {
            return Ok(());
        };
        if self.unsaved || self.told.iter().take(count).any(|told| told.rows) {
            let until = last.mark.until;
            // Noted first: entries that are noted and still there are only told again.
            Acknowledged::of(&last.mark).write(&*self.log).await?;
            self.log.log_forget(until).await.map_err(failed)?;
            self.unsaved = false;
        }
        self.told.drain(..count);
        Ok(())
    }
}

/// What is missing between what was acknowledged and what the log holds, in words.
fn gap(acknowledged: Option<&Acknowledged>, store: &str, whole: bool) -> Option<String> {
    match acknowledged {
        Some(place) if place.store != store => Some(format!(
            "the record store was {} and is {store} now: it was restored or another server took \
             over, so that projections may be ahead of it",
            place.store
        )),
        Some(_) if !whole => {
            Some("changes since the last acknowledged place are gone from change_log".to_owned())
        }
        None if !whole => Some(
            "change_log does not go back to the beginning: the store has rows from before changes \
             were recorded"
                .to_owned(),
        ),
        _ => None,
    }
}

fn event(row: LogRow) -> FeedEvent {
    match row {
        LogRow::Change(change) => FeedEvent::Change(change),
        LogRow::Unreadable {
            session_uid,
            row,
            problem,
        } => FeedEvent::Unreadable {
            session_uid,
            row,
            problem,
        },
    }
}

fn other_store(before: &str, now: &Position) -> FeedError {
    FeedError {
        kind: FeedErrorKind::Retry,
        message: format!("the record store was {before} and is {} now", now.store),
        source: None,
    }
}

/// What a caller can do about an error of the store.
fn failed(error: StoreError) -> FeedError {
    let kind = match error.kind {
        StoreErrorKind::Unavailable
        | StoreErrorKind::NotWritable
        | StoreErrorKind::Timeout
        | StoreErrorKind::Conflict => FeedErrorKind::Retry,
        StoreErrorKind::Schema | StoreErrorKind::Corrupt | StoreErrorKind::Bug => {
            FeedErrorKind::Setup
        }
    };
    FeedError {
        kind,
        message: error.to_string(),
        source: Some(Box::new(error)),
    }
}
