//! What an operation has loaded, what it still misses, and the views that the plan walks.
//!
//! `Data` grows between walks. During a walk it is borrowed, together with the notes of what was
//! missed, as `Env`; views are small copies of references into both.

mod env;
mod load;
mod misses;
mod session;
mod views;

pub(crate) use env::{Env, Looked, Touched};
pub(crate) use load::{Data, Loader};
pub(crate) use views::{SessionView, StepView, TurnView};
