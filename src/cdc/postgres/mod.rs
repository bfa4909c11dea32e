//! `PgoutputFeed`: changes straight from PostgreSQL's log, by logical replication.
//!
//! Transport is `pgwire-replication`, which answers the server's keep-alives whatever the reader
//! does; decoding (`pgoutput`), telling (`teller`) and the rules of where to begin (`open`) are
//! ours. The feed reconnects by itself: after an error of kind `Retry` call `next` again after a
//! while. Operation, limits and the runbook of a lost slot are in `docs/cdc.md`.

mod address;
mod check;
mod failure;
mod heartbeat;
mod open;
mod opener;
pub mod pgoutput;
mod slot;
mod teller;
#[cfg(test)]
mod tests;
mod timeline;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pgwire_replication::{Lsn, ReplicationClient, ReplicationEvent};
use tokio::task::JoinHandle;

use self::address::Address;
pub use self::check::{Finding, refusal};
use self::failure::{UNDEFINED_OBJECT, gap, of_stream, retry, state_of};
use self::heartbeat::Heartbeat;
use self::open::{Opened, Opening};
use self::opener::Shared;
pub use self::opener::{PgoutputOpener, check, is_logical, slot_status};
pub use self::slot::{SlotStatus, WalStatus};
pub use self::teller::{Counts, Teller};
use super::{ChangeFeed, FeedError, FeedEvent};
use crate::domain::Position;
use crate::domain::clock::Clock;

/// Where the log is read and under which names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PgoutputOptions {
    /// Address of the record store's primary, e.g. `postgres://user@host/database`.
    pub url: String,
    /// Name of the replication slot; it is made when it is missing and nothing was read before.
    pub slot: String,
    /// Name of the publication, which migrations make.
    pub publication: String,
    /// Time between two heartbeats, which is how fresh an idle feed knows itself to be.
    pub heartbeat: Duration,
}

impl PgoutputOptions {
    /// The usual options for an address.
    pub fn url(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            slot: "turngraph".to_owned(),
            publication: "turngraph".to_owned(),
            heartbeat: Duration::from_secs(1),
        }
    }
}

/// What the stream is to what was read before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Start {
    /// Nothing was acknowledged before: what was written before now is not told, it must be read
    /// from the record store.
    New,
    /// It goes on where it was.
    Resumed,
    /// It goes on where it was on a promoted standby. Nothing is missing, but what a dual write
    /// has put into projections may not have reached the standby: they must be verified.
    Promoted,
}

/// The connection.
enum Link {
    Down,
    /// On a task of its own, so that a reader who does not wait for it does not undo it.
    Opening(JoinHandle<Result<Opened, FeedError>>),
    Up(ReplicationClient),
}

/// The feed; [`PgoutputOpener`] opens it.
pub struct PgoutputFeed {
    options: Arc<PgoutputOptions>,
    address: Arc<Address>,
    clock: Arc<dyn Clock>,
    shared: Arc<Shared>,
    /// Beats until the feed is dropped.
    _heartbeat: Heartbeat,
    link: Link,
    teller: Teller,
    waiting: VecDeque<FeedEvent>,
    acknowledged: Position,
    told: u64,
    start: Start,
}

impl PgoutputFeed {
    fn new(opener: &PgoutputOpener, opened: Opened) -> Self {
        Self {
            options: Arc::clone(&opener.options),
            address: Arc::clone(&opener.address),
            clock: Arc::clone(&opener.clock),
            shared: Arc::clone(&opener.shared),
            _heartbeat: Heartbeat::start(heartbeat::Subject {
                connect: opener.address.statements.clone(),
                slot: opener.options.slot.as_str().into(),
                every: opener.options.heartbeat,
                shared: Arc::clone(&opener.shared),
            }),
            teller: Teller::default(),
            waiting: VecDeque::new(),
            told: opened.from.value,
            acknowledged: opened.from,
            start: opened.start,
            link: Link::Up(opened.client),
        }
    }

    /// What the stream was to what was read before, when it was last opened.
    pub fn start(&self) -> Start {
        self.start
    }

    /// The last acknowledged place, or where the feed began.
    pub fn acknowledged(&self) -> &Position {
        &self.acknowledged
    }

    /// Rows told and not told since the feed was opened.
    pub fn counts(&self) -> Counts {
        self.teller.counts()
    }

    /// Ends the stream in order; the slot is free when this returns.
    pub async fn close(mut self) {
        self.hang_up().await;
    }

    async fn hang_up(&mut self) {
        match std::mem::replace(&mut self.link, Link::Down) {
            Link::Down => {}
            Link::Opening(opening) => opening.abort(),
            Link::Up(mut client) => {
                // How the stream ends does not matter any more.
                let _ = tokio::time::timeout(Duration::from_secs(5), client.shutdown()).await;
            }
        }
        self.waiting.clear();
    }

    fn opening(&self) -> Opening {
        Opening {
            options: Arc::clone(&self.options),
            address: Arc::clone(&self.address),
            resume_from: Some(self.acknowledged.clone()),
            anew: false,
        }
    }

    fn up(&mut self, opened: Opened) {
        self.teller.reset();
        self.waiting.clear();
        self.start = opened.start;
        self.told = opened.from.value;
        // Another timeline names its positions otherwise.
        self.acknowledged.store = opened.from.store;
        self.link = Link::Up(opened.client);
    }

    /// Moves the connection one step on, until there is something to tell.
    async fn step(&mut self) -> Result<(), FeedError> {
        match &mut self.link {
            Link::Down => {
                self.link = Link::Opening(tokio::spawn(self.opening().open()));
            }
            Link::Opening(opening) => {
                let opened = opening.await;
                self.link = Link::Down;
                let ended = |_| retry("the opening of the stream was cut off");
                self.up(opened.map_err(ended)??);
            }
            Link::Up(client) => match client.recv().await {
                Ok(Some(event)) => self.take(event)?,
                Ok(None) => return Err(retry("the server ended the stream")),
                Err(error) => return Err(self.ended(error)),
            },
        }
        Ok(())
    }

    fn ended(&self, error: pgwire_replication::PgWireError) -> FeedError {
        match state_of(&error).as_deref() {
            // The publication was there when the stream was opened, so it is the past that lacks
            // it; where it was dropped since, the checks of the next opening say so.
            Some(UNDEFINED_OBJECT) => gap(format!(
                "publication `{}` did not exist yet when the changes that are to be told were \
                 written; begin anew and rebuild projections (`turngraph rebuild`)",
                self.options.publication
            )),
            _ => of_stream(error, self.address.role()),
        }
    }

    fn take(&mut self, event: ReplicationEvent) -> Result<(), FeedError> {
        let out = &mut self.waiting;
        match event {
            ReplicationEvent::XLogData { data, .. } => {
                self.teller.message(&data, self.clock.now(), out)?;
            }
            ReplicationEvent::Begin { .. } => self.teller.begin(),
            ReplicationEvent::Commit {
                end_lsn,
                commit_time_micros,
                ..
            } => self
                .teller
                .commit(end_lsn.as_u64(), commit_time_micros, out),
            ReplicationEvent::KeepAlive { wal_end, .. } => {
                self.teller.keepalive(wal_end.as_u64(), out);
            }
            ReplicationEvent::Message { .. } | ReplicationEvent::StoppedAt { .. } => {}
        }
        Ok(())
    }
}

#[async_trait]
impl ChangeFeed for PgoutputFeed {
    fn name(&self) -> &'static str {
        "pgoutput"
    }

    fn store(&self) -> &str {
        &self.acknowledged.store
    }

    fn doubt(&self) -> Option<&'static str> {
        (self.start == Start::Promoted).then_some(
            "a standby was promoted; a dual write may have told projections of commits that it \
             does not have",
        )
    }

    async fn next(&mut self) -> Result<FeedEvent, FeedError> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                if let FeedEvent::Commit { position, .. } | FeedEvent::Idle { position, .. } = event
                {
                    self.told = self.told.max(position);
                }
                return Ok(event);
            }
            if let Err(error) = self.step().await {
                // What was told and not acknowledged is told again by the next connection.
                self.link = Link::Down;
                self.waiting.clear();
                return Err(self.shared.failed(error));
            }
        }
    }

    /// A place beyond what was told is taken as the last that was.
    async fn acknowledge(&mut self, position: u64) -> Result<(), FeedError> {
        let position = position.min(self.told);
        if position > self.acknowledged.value {
            self.acknowledged.value = position;
            if let Link::Up(client) = &self.link {
                client.update_applied_lsn(Lsn::from_u64(position));
            }
        }
        Ok(())
    }
}
