//! `Counters`: what the projector has done since the process began, for metrics and `status`.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Counts that only grow.
        #[derive(Debug, Default)]
        pub struct Counters {
            $($(#[$doc])* pub $name: AtomicU64,)*
        }

        impl Counters {
            /// Names and values.
            pub fn values(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name.load(Relaxed)),)*]
            }
        }
    };
}

counters! {
    /// Changes that the feed told.
    changes,
    /// Transactions that the feed told.
    commits,
    /// Writes that every projection holds.
    writes,
    /// Changes without an address, which their turn's numbers bring later.
    unaddressed,
    /// Addresses that were looked up in the record store.
    lookups,
    /// Actions repeated because a store was away or its answer was lost.
    retries,
    /// Cache entries dropped.
    invalidations,
    /// Invalidations that the cache did not take.
    cache_failures,
    /// Watermarks that could not be published.
    publish_failures,
    /// Changes put aside.
    dead_letters,
    /// Sessions compared and mended after a change was put aside.
    repairs,
    /// Comparisons of everything that the schedule or a promotion asked for and that came to the
    /// end.
    verify_runs,
    /// Sessions that they compared.
    verify_sessions,
    /// Sessions in which they found something wrong.
    verify_wrong,
    /// Those of them that they mended.
    verify_mended,
    /// Stores in which receipts of erasures were completed.
    erasures,
    /// Times that the cache was emptied because changes were lost.
    cache_clears,
    /// Dual writes that were durable within their budget.
    dual_writes,
    /// Dual writes that took longer than their budget.
    dual_writes_late,
    /// Dual writes that failed or were left to the change feed.
    dual_writes_failed,
}
