//! Putting a router together: the record store alone is enough, everything else is added to it.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::guard::Hop;
use super::guard::limiter::Limiter;
use super::router::flights::Flights;
use super::watermark::{PERIOD, Progress};
use super::{ReadSettings, Reads, RouteHandle, ShadowCounts, Source, Stores};
use crate::domain::Clock;
use crate::stores::{ProjectionSource, ProjectionStore, RecordStore, SessionCache};

/// One part of the time that is left in so many may be spent on asking the cache: it is there to
/// be faster than the others.
const CACHE_SHARE: u32 = 40;
/// The same for the projections.
const PROJECTION_SHARE: u32 = 5;

/// What an ANALYTICS handle is connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replica {
    /// The record store itself, by a pool of its own.
    SameStore,
    /// A replica, which may lag by nobody knows how much.
    MayLag,
}

impl Reads {
    /// Reads from the record store alone.
    pub fn new(record: Arc<dyn RecordStore>, clock: Arc<dyn Clock>) -> Self {
        let settings = ReadSettings::default();
        Self {
            stores: Stores {
                record_hop: Hop::new(record.kind(), 1, settings.breaker),
                record,
                cache: None,
                projection: None,
                analytics: None,
                analytics_latencies: super::guard::latency::Latencies::default(),
                all_accounts: None,
                cache_kind: Source::Memory,
            },
            clock,
            route: RouteHandle::default(),
            progress: Progress::default(),
            flights: Flights::default(),
            renewals: super::renew::Renewals::default(),
            fallbacks: Limiter::new(settings.fallbacks, settings.fallbacks_waiting),
            analytics: Limiter::new(settings.analytics, settings.analytics_waiting),
            shadow: super::shadow::Counters::default(),
            answers: AtomicU64::new(0),
            settings,
        }
    }

    /// Takes other settings; call it before the stores are added.
    #[must_use]
    pub fn with_settings(mut self, settings: ReadSettings) -> Self {
        self.stores.record_hop = Hop::new(self.stores.record.kind(), 1, settings.breaker);
        self.fallbacks = Limiter::new(settings.fallbacks, settings.fallbacks_waiting);
        self.analytics = Limiter::new(settings.analytics, settings.analytics_waiting);
        self.settings = settings;
        self
    }

    /// Adds the hot cache; `kind` is how answers name it (`Redis` or `Memory`).
    #[must_use]
    pub fn with_cache(mut self, cache: Arc<dyn SessionCache>, kind: Source) -> Self {
        let hop = Hop::new(kind, CACHE_SHARE, self.settings.breaker);
        self.stores.cache = Some((cache, hop));
        self.stores.cache_kind = kind;
        self
    }

    /// Adds the projections.
    #[must_use]
    pub fn with_projection(mut self, projection: Arc<dyn ProjectionStore>) -> Self {
        let hop = Hop::new(Source::Cql, PROJECTION_SHARE, self.settings.breaker);
        self.stores.projection = Some((projection, hop));
        self
    }

    /// Reads ANALYTICS from this handle instead of the record store's own.
    #[must_use]
    pub fn with_analytics(mut self, store: Arc<dyn RecordStore>, replica: Replica) -> Self {
        self.stores.analytics = Some((store, replica));
        self
    }

    /// Lets the cache say of keys that no account has that there is no such session.
    #[must_use]
    pub fn with_all_accounts(mut self, source: Arc<dyn ProjectionSource>) -> Self {
        self.stores.all_accounts = Some(source);
        self
    }

    /// What may be changed while it runs.
    pub fn route(&self) -> RouteHandle {
        self.route.clone()
    }

    /// What shadow reads found since the start.
    pub fn shadow_counts(&self) -> ShadowCounts {
        self.shadow.counts()
    }

    /// Follows how far the projections have come; never ends. Without it the router asks when it
    /// needs to know, which costs the reader a round trip a second.
    pub async fn follow(&self) {
        if !self.stores.has_copies() {
            return std::future::pending().await;
        }
        let mut ticks = tokio::time::interval(PERIOD);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.progress.refresh(&self.stores).await;
        }
    }
}
