//! Change feeds on real servers.

mod change_log;
#[cfg(feature = "kafka")]
mod debezium;
pub(crate) mod model;
mod postgres;
