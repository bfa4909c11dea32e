//! turngraph: a GraphQL gateway for AI conversations over hybrid stores.
//!
//! The modules in reading order; each imports only from those above it (`tests/it/tidy.rs`):

pub mod domain;
pub mod stores;
