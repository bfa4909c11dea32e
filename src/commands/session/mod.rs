//! Commands on whole sessions: create, rename, delete, restore, fork.

mod create;
mod delete;
mod fork;
mod fork_plan;
mod rename;
mod restore;

pub use create::CreateSession;
pub(super) use fork::ForkCopies;
pub use fork::{FORK_TURNS_MAX, ForkSession};
pub use fork_plan::ForkScope;
