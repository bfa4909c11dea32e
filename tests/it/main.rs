//! The one integration test binary: one link instead of many.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test may panic as a test may; clippy.toml knows only functions marked as tests"
)]

mod cdc;
mod commands;
mod failure_cases;
mod graphql;
mod program;
mod projection;
mod reads;
mod schema;
mod servers;
mod stores;
mod support;
mod tidy;
mod transfer;
