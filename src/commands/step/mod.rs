//! Commands on the steps of agent turns: append, update.

mod append;
mod update;

pub use append::{AppendSteps, StepsProgress};
