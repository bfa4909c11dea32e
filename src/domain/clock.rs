//! Time and fresh keys as parameters, so that tests can choose both.

use std::sync::atomic::{AtomicI64, Ordering};

use super::{Timestamp, Uid};

/// Tells the time. Injected everywhere; `clippy.toml` bans the global clocks.
pub trait Clock: Send + Sync + 'static {
    /// The present instant.
    fn now(&self) -> Timestamp;
}

/// Makes keys for new entities.
pub trait UidSource: Send + Sync + 'static {
    /// A key that no other call has returned.
    fn next(&self) -> Uid;
}

/// The machine's clock.
#[derive(Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is where the injected clock reads the real one"
    )]
    fn now(&self) -> Timestamp {
        Timestamp::from_datetime(chrono::Utc::now())
    }
}

/// Lower-case UUIDv7 by the machine's clock: keys of later entities sort later, which keeps index
/// inserts at the right edge.
#[derive(Debug, Default)]
pub struct UuidV7Source;

impl UidSource for UuidV7Source {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is where the injected source mints real ids"
    )]
    fn next(&self) -> Uid {
        let mut buffer = uuid::Uuid::encode_buffer();
        Uid::stored(&*uuid::Uuid::now_v7().hyphenated().encode_lower(&mut buffer))
    }
}

/// A clock that moves only when told; for tests.
#[derive(Debug)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// Starts at `at`.
    pub fn at(at: Timestamp) -> Self {
        Self(AtomicI64::new(at.0))
    }

    /// Moves forward by `micros` (backward when negative).
    pub fn advance(&self, micros: i64) {
        self.0.fetch_add(micros, Ordering::Relaxed);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::Relaxed))
    }
}
