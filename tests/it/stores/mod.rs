//! The record stores: one contract for all engines, and what is each engine's own.

mod cache;
pub(crate) mod contract;
mod postgres;
mod projection;
pub(crate) mod source;
mod sqlite;
mod statements;
