//! Change feeds on real servers.

#[cfg(feature = "kafka")]
mod debezium;
mod postgres;
