//! What a Redis cache is opened with.

use std::time::Duration;

/// Settings of a Redis cache; [`RedisOptions::url`] has the defaults.
#[derive(Clone)]
pub struct RedisOptions {
    /// `redis://[USER[:PASSWORD]@]HOST[:PORT][/DATABASE]`, or `rediss://` for TLS. Never shown.
    pub url: String,
    /// Certificates (PEM) that a TLS server is checked against, instead of those of the system.
    pub tls_roots: Option<Vec<u8>>,
    /// Longest wait for a connection and its handshake.
    pub connect_timeout: Duration,
    /// Longest wait for an answer. A cache that is slower than the store behind it is of no use.
    pub command_timeout: Duration,
    /// How long a session stays without being filled again; a tenth more or less by chance.
    pub session_lifetime: Duration,
    /// How long it is believed that a session does not exist.
    pub absent_lifetime: Duration,
    /// How long after a miss its fill may come.
    pub generation_lifetime: Duration,
    /// Largest entry in bytes of memory of this process; packed it is about a third.
    pub entry_bytes_max: usize,
}

impl RedisOptions {
    /// The defaults for a server at `url`.
    pub fn url(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            tls_roots: None,
            connect_timeout: Duration::from_secs(2),
            command_timeout: Duration::from_millis(100),
            session_lifetime: Duration::from_secs(3_600),
            absent_lifetime: Duration::from_secs(30),
            generation_lifetime: Duration::from_secs(120),
            entry_bytes_max: 1024 * 1024,
        }
    }
}
