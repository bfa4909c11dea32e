//! Commands on turns: append, activate, rate, delete, restore.

mod activate;
mod active;
mod append;
mod append_agent;
mod append_human;
mod delete;
mod rate;
mod restore;

pub use append_agent::AppendAgentTurn;
pub use append_human::AppendHumanTurn;

pub(in crate::commands) use append::human_row;
