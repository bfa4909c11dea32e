//! turngraph: a GraphQL gateway for AI conversations over hybrid stores.
//!
//! The modules in reading order; each imports only from those above it (`tests/it/tidy.rs`):

// `cli::output` writes; the macros of the standard library panic when a reader has gone away.
#![deny(clippy::print_stdout, clippy::print_stderr)]

// Entities, keys and the rules of a conversation; pure.
pub mod domain;
// How much one request may ask for.
pub mod limits;
// What may be asked of a store, by role, and the engines behind it.
pub mod stores;
// What was committed, in the order of commits: change feeds.
pub mod cdc;
// Everything that writes: checked, locked, one transaction.
pub mod commands;
// Copies for fast reads: change feed in, projections and caches out.
pub mod projection;
// Import and export.
pub mod transfer;
// Which store answers a read.
pub mod reads;
// The GraphQL API.
pub mod graphql;
// HTTP: routes and media types.
pub mod http;
// Settings and where they came from.
pub mod config;
// Logs and metrics.
pub mod telemetry;
// From the first signal to the end.
pub mod lifecycle;
// The composition root.
pub mod app;
// The command line.
pub mod cli;
