//! From the feed to the copies: the projector takes changes in, the resolver finds the sessions of
//! those that name only a turn, lanes apply them, the tracker knows how far everything is.

mod lane;
mod listed;
mod projector;
mod resolve;
mod run;
mod tracker;

pub use projector::{PROGRESS, Projector, ProjectorOptions, ProjectorProgress};
