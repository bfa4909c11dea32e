//! The hot cache in the process: the embedded default, and the nearest hop before Redis.
//!
//! Bounded by bytes; what is read again stays, what is read once goes (quick_cache's policy).
//! Only this process' writes drop its entries, so it is right where one process writes, and where
//! the change feed's invalidations reach each process.

mod leases;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};

use self::leases::Leases;
use super::cache::random::Random;
use super::cache::{Cached, Generation, HotSession, SessionCache};
use super::record::StoreResult;
use crate::domain::{Clock, Timestamp, Uid, Watermark};

/// Settings of a cache in the process.
#[derive(Debug, Clone)]
pub struct MemoryOptions {
    /// Memory that entries may take, in bytes.
    pub bytes_max: u64,
    /// Largest entry in bytes.
    pub entry_bytes_max: usize,
    /// How long a session stays without being filled again; a tenth more or less by chance.
    pub session_lifetime: Duration,
    /// How long it is believed that a session does not exist.
    pub absent_lifetime: Duration,
}

impl Default for MemoryOptions {
    fn default() -> Self {
        Self {
            bytes_max: 64 * 1024 * 1024,
            entry_bytes_max: 1024 * 1024,
            session_lifetime: Duration::from_secs(3_600),
            absent_lifetime: Duration::from_secs(30),
        }
    }
}

#[derive(Clone)]
struct Slot {
    /// None: there is no such session.
    session: Option<Arc<HotSession>>,
    /// Under which it was filled; it may be filled again under it.
    generation: u64,
    until: Timestamp,
    bytes: u64,
}

#[derive(Clone)]
struct Weight;

impl Weighter<Uid, Slot> for Weight {
    fn weight(&self, _key: &Uid, slot: &Slot) -> u64 {
        slot.bytes
    }
}

/// See the module.
pub struct MemoryCache {
    sessions: Cache<Uid, Slot, Weight>,
    leases: Leases,
    watermark: Mutex<Option<Watermark>>,
    clock: Arc<dyn Clock>,
    random: Random,
    options: MemoryOptions,
}

/// Key, slot and the policy's own notes.
const SLOT_BYTES: u64 = 128;

impl MemoryCache {
    /// An empty cache.
    pub fn new(options: MemoryOptions, clock: Arc<dyn Clock>, random: Random) -> Self {
        let bytes = options.bytes_max.max(1);
        // Each shard has its part of the bytes and must have room for some of the largest.
        let shards = (bytes / (options.entry_bytes_max as u64 * 4).max(1)).clamp(1, 16);
        let policy = OptionsBuilder::new()
            .weight_capacity(bytes)
            .estimated_items_capacity((bytes / 16_384).clamp(64, 1 << 24) as usize)
            .shards(shards as usize)
            .build()
            .expect("both capacities are given");
        Self {
            sessions: Cache::with_options(
                policy,
                Weight,
                DefaultHashBuilder::default(),
                DefaultLifecycle::default(),
            ),
            leases: Leases::default(),
            watermark: Mutex::new(None),
            clock,
            random,
            options,
        }
    }

    /// Memory that the entries take, in bytes.
    pub fn bytes(&self) -> u64 {
        self.sessions.weight()
    }

    fn found(&self, uid: &Uid, now: Timestamp) -> Option<Cached> {
        let slot = self.sessions.get(uid)?;
        if slot.until <= now {
            return None;
        }
        Some(match slot.session {
            None => Cached::Absent,
            Some(session) => Cached::Hit(session, Generation(slot.generation)),
        })
    }

    fn slot(&self, generation: Generation, session: Option<Arc<HotSession>>) -> Slot {
        let lifetime = match session {
            Some(_) => self.options.session_lifetime,
            None => self.options.absent_lifetime,
        };
        let bytes = session.as_ref().map_or(0, |s| s.bytes() as u64);
        Slot {
            until: self.until(lifetime),
            bytes: SLOT_BYTES + bytes,
            generation: generation.0,
            session,
        }
    }

    fn until(&self, lifetime: Duration) -> Timestamp {
        let lifetime = self.random.jittered(lifetime).as_micros();
        let lifetime = i64::try_from(lifetime).unwrap_or(i64::MAX);
        Timestamp(self.clock.now().0.saturating_add(lifetime))
    }
}

#[async_trait]
impl SessionCache for MemoryCache {
    async fn get(&self, uids: &[Uid]) -> StoreResult<Vec<Cached>> {
        let now = self.clock.now();
        let get = |uid| match self.found(uid, now) {
            Some(found) => found,
            None => Cached::Miss(Generation(self.leases.take(uid))),
        };
        Ok(uids.iter().map(get).collect())
    }

    async fn fill(
        &self,
        uid: &Uid,
        generation: Generation,
        session: Option<Arc<HotSession>>,
    ) -> StoreResult<bool> {
        let session = match session {
            None => None,
            Some(session) => match HotSession::within(session, self.options.entry_bytes_max) {
                None => return Ok(false),
                within => within,
            },
        };
        let slot = self.slot(generation, session);
        let vouches = || self.sessions.peek(uid).map(|slot| slot.generation);
        let filled = self.leases.if_held(uid, generation.0, vouches, || {
            self.sessions.insert(uid.clone(), slot);
        });
        Ok(filled)
    }

    async fn invalidate(&self, uids: &[Uid]) -> StoreResult<()> {
        for uid in uids {
            self.leases.revoke(uid, || {
                self.sessions.remove(uid);
            });
        }
        Ok(())
    }

    async fn clear(&self) -> StoreResult<()> {
        self.leases.revoke_all(|| self.sessions.clear());
        Ok(())
    }

    async fn set_watermark(&self, watermark: &Watermark) -> StoreResult<()> {
        *locked(&self.watermark) = Some(watermark.clone());
        Ok(())
    }

    async fn watermark(&self) -> StoreResult<Option<Watermark>> {
        Ok(locked(&self.watermark).clone())
    }

    async fn health(&self) -> StoreResult<String> {
        Ok(format!(
            "in the process, {} of {} MB used by {} sessions",
            self.sessions.weight() / 1_000_000,
            self.sessions.capacity() / 1_000_000,
            self.sessions.len()
        ))
    }

    async fn close(&self) {
        self.sessions.clear();
    }
}

fn locked<T>(held: &Mutex<T>) -> MutexGuard<'_, T> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}
