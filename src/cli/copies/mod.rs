//! The commands that keep projections and caches, and that say who reads them.

pub(super) mod project;
pub(super) mod rebuild;
pub(super) mod route;
pub(super) mod verify;
