//! The GraphQL layer as the library serves it, over a real SQLite store.

mod api;
mod bounds;
mod cost;
mod cursors;
mod differential;
mod directives;
mod failures;
mod isolation;
mod keys;
mod lists;
mod mutations;
mod round_trips;
mod statements;
mod steps;
mod transport;
mod variables;
pub(crate) mod watched;
