//! The one integration test binary: one link instead of many.

mod stores;
mod support;
