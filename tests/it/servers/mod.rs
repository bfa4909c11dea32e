//! Proof that the servers of the other tests are real: each takes a write by its own protocol and
//! gives it back, and what is done to it (killed, paused, cut off) has its effect.

mod cassandra;
#[cfg(feature = "kafka")]
mod kafka;
mod postgres;
mod proxy;
mod redis;
