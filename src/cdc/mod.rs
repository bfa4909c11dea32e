//! Change data capture: what was committed in the record store, in the order of commits.
//!
//! `feed` is the contract; each source is a folder of its own; `rows` is what the sources that read
//! PostgreSQL's log have in common. A feed knows nothing of what is done with its changes.

pub mod change_log;
pub mod debezium;
pub mod feed;
pub mod postgres;
pub mod rows;

pub use change_log::ChangeLogFeed;
pub use feed::{ChangeFeed, FeedError, FeedErrorKind, FeedEvent};
