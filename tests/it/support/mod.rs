//! Helpers of several test modules: servers and stores on scratch data, and rows with the values
//! that a test does not care about.

pub(crate) mod authority;
pub(crate) mod cassandra;
#[cfg(feature = "kafka")]
pub(crate) mod debezium;
pub(crate) mod jars;
#[cfg(feature = "kafka")]
pub(crate) mod kafka;
pub(crate) mod lww;
pub(crate) mod postgres;
pub(crate) mod process;
pub(crate) mod proxy;
pub(crate) mod redis;
pub(crate) mod rows;
pub(crate) mod sqlite;
