//! The HTTP layer: what the server answers on which path.

pub mod examples;
pub mod playground;
