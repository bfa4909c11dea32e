//! `SessionCache`: hot sessions under a generation, in Redis or in the process.
//!
//! Contract, held by one suite on every engine:
//! - A miss tells the session's generation, and so does a hit. A fill is taken only if the
//!   generation is still the same, and then replaces what is there (a hit that lacked bodies is
//!   filled again with them); an invalidation raises the generation and drops what is there,
//!   always, without comparing versions. So a fill that began before a write can never hide it.
//! - A generation is never given twice. One that was evicted, or whose server lost its memory, is
//!   gone: the fills that name it are refused.
//! - An invalidation that failed must be repeated by whoever is responsible for it (the projector,
//!   until it succeeds). Until then this cache answers no hit of those sessions in this process,
//!   and drops them first thing when it reaches its server again.
//! - Whatever is wrong with the cache (down, evicted, an entry of another format) is a miss or an
//!   error that the caller treats as one; it never changes an answer.

pub mod codec;
mod decode;
mod encode;
pub mod random;
mod size;
mod wire;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;

use super::record::StoreResult;
use crate::domain::{SessionRow, StepRow, Timestamp, TurnRow, Uid, Watermark};

/// A session as the cache holds it.
#[derive(Debug, Clone, PartialEq)]
pub struct HotSession {
    /// The session's row.
    pub row: SessionRow,
    /// All its turns by `seq`.
    pub turns: Vec<TurnRow>,
    /// Prompts and steps of the turns that are here, by `seq`; up to a limit of bytes.
    pub bodies: BTreeMap<i32, HotBodies>,
    /// The entry shows everything that was committed until then.
    pub as_of: Timestamp,
}

/// Bodies of one turn, all of them.
#[derive(Debug, Clone, PartialEq)]
pub enum HotBodies {
    /// The prompt of a human turn.
    Prompt(String),
    /// The steps of an agent turn by `idx`.
    Steps(Vec<StepRow>),
}

/// Version of a session's cache entry, given by the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Generation(pub u64);

/// Answer to a look-up.
#[derive(Debug, Clone)]
pub enum Cached {
    /// It is here. A fill that adds bodies to it must name this generation.
    Hit(Arc<HotSession>, Generation),
    /// It is known that there is no such session.
    Absent,
    /// Not here; a fill must name this generation.
    Miss(Generation),
}

/// Hot sessions.
#[async_trait]
pub trait SessionCache: Send + Sync + 'static {
    /// Looks sessions up, in the order of `uids`; one round trip however many.
    async fn get(&self, uids: &[Uid]) -> StoreResult<Vec<Cached>>;

    /// Enters a session, or with `None` that there is none, under the generation that its miss
    /// told. False when it was refused because something changed meanwhile. Of a session that is
    /// too large the oldest turns' bodies are left out; one whose turns alone are is refused.
    async fn fill(
        &self,
        uid: &Uid,
        generation: Generation,
        session: Option<Arc<HotSession>>,
    ) -> StoreResult<bool>;

    /// Drops sessions and raises their generations.
    async fn invalidate(&self, uids: &[Uid]) -> StoreResult<()>;

    /// Drops everything and raises every generation: after changes were lost nobody knows which
    /// entries are old.
    async fn clear(&self) -> StoreResult<()>;

    /// Publishes how far the projector has come.
    async fn set_watermark(&self, watermark: &Watermark) -> StoreResult<()>;

    /// How far the projector has come, where it says so here.
    async fn watermark(&self) -> StoreResult<Option<Watermark>>;

    /// Engine and version, or what is wrong and what to do.
    async fn health(&self) -> StoreResult<String>;

    /// Closes all connections.
    async fn close(&self);
}
