//! The one integration test binary: one link instead of many.

mod commands;
mod stores;
mod support;
