//! Settings of the hybrid stores: where projections and the hot cache are, and how changes of the
//! record store reach them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::settings::mask_password;

/// Address of a store, perhaps with a password in it. `Debug` and `Display` do not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct StoreUrl(String);

impl StoreUrl {
    /// Takes an address whose scheme is one of `schemes`.
    pub fn parse(text: &str, schemes: &[&str], example: &str) -> Result<Self, String> {
        let scheme = text.split_once("://").map(|(scheme, _)| scheme);
        match scheme {
            Some(scheme) if schemes.contains(&scheme) => Ok(Self(text.to_owned())),
            _ => Err(format!("use {example}")),
        }
    }

    /// The address as its driver reads it, password included.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&mask_password(&self.0))
    }
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoreUrl({self})")
    }
}

/// Where changes of the record store are read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FeedSource {
    /// PostgreSQL's logical replication where `wal_level` is `logical`, `change_log` elsewhere.
    Auto,
    /// PostgreSQL's logical replication.
    Pgoutput,
    /// Envelopes of a Debezium connector in Kafka.
    Kafka,
    /// The record store's own table of changes.
    ChangeLog,
}

impl FeedSource {
    /// The name in settings and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Pgoutput => "pgoutput",
            Self::Kafka => "kafka",
            Self::ChangeLog => "change_log",
        }
    }
}

impl FromStr for FeedSource {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Auto, Self::Pgoutput, Self::Kafka, Self::ChangeLog]
            .into_iter()
            .find(|source| source.name() == text)
            .ok_or_else(|| "use auto, pgoutput, kafka or change_log".into())
    }
}

/// Settings of the hybrid stores.
#[derive(Debug, Clone)]
pub struct HybridConfig {
    /// The projections, `cql://HOST[:PORT][,HOST…]/KEYSPACE`; none: reads go to the record store.
    pub cql: Option<StoreUrl>,
    /// The hot cache, `redis://HOST[:PORT][/DB]`; none: the embedded default caches in the
    /// process, PostgreSQL is read without a cache.
    pub redis: Option<StoreUrl>,
    /// Age at which an entry of the hot cache is read anew.
    pub cache_age: Duration,
    /// How much longer it is shown, marked as stale, while it is read anew; zero shows none.
    pub cache_stale: Duration,
    /// A replica of the record store for ANALYTICS; none: the record store, by a pool of its own.
    pub analytics: Option<StoreUrl>,
    /// Where changes are read from.
    pub feed: FeedSource,
    /// Name of the replication slot, and of the projector's progress.
    pub feed_slot: String,
    /// `kafka://HOST:PORT[,HOST:PORT…]/TOPIC` of the Debezium connector.
    pub kafka: Option<StoreUrl>,
    /// How long a mutation waits for its dual write at most; zero turns dual writes off.
    pub dual_write_budget: Duration,
    /// How often the worker compares the whole projection with the record store and mends it;
    /// zero: only when there is a reason.
    pub verify_every: Duration,
    /// Share of EVENTUAL reads that projections answer, in per cent, until it is set otherwise
    /// while running (`turngraph route`).
    pub cql_share: u8,
    /// Share of reads from projections that are compared with the record store, in per cent.
    pub shadow_reads: f64,
}

/// `0` to `100`.
pub(super) fn share(text: &str) -> Result<u8, String> {
    text.parse::<u8>()
        .ok()
        .filter(|n| *n <= 100)
        .ok_or_else(|| "use a whole number from 0 to 100, in per cent".into())
}

/// `0` to `100` with decimals.
pub(super) fn per_cent(text: &str) -> Result<f64, String> {
    text.parse::<f64>()
        .ok()
        .filter(|n| (0.0..=100.0).contains(n))
        .ok_or_else(|| "use a number from 0 to 100, in per cent".into())
}

/// A replication slot's name: PostgreSQL allows no more than this.
pub(super) fn slot_name(text: &str) -> Result<String, String> {
    let fits = (1..=63).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if fits {
        Ok(text.to_owned())
    } else {
        Err("use 1 to 63 lower-case letters, digits and _".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_checked_and_never_shown_with_a_password() {
        let url = StoreUrl::parse("cql://u:secret@a,b:9042/tg", &["cql"], "cql://…").unwrap();
        assert_eq!(url.to_string(), "cql://u:***@a,b:9042/tg");
        assert!(!format!("{url:?}").contains("secret"));
        assert_eq!(url.expose(), "cql://u:secret@a,b:9042/tg");
        let wrong = StoreUrl::parse("http://x", &["redis", "rediss"], "redis://HOST").unwrap_err();
        assert_eq!(wrong, "use redis://HOST");
    }

    #[test]
    fn shares_and_names_have_bounds() {
        assert_eq!(share("100"), Ok(100));
        assert!(share("101").is_err() && share("-1").is_err());
        assert_eq!(per_cent("0.1"), Ok(0.1));
        assert!(per_cent("NaN").is_err());
        assert!(slot_name("turngraph_2").is_ok());
        for bad in ["", "Turngraph", "a-b"] {
            assert!(slot_name(bad).is_err(), "{bad}");
        }
    }
}
