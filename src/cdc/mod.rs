//! Change data capture: what was committed in the record store, in the order of commits.
//!
//! `feed` is the contract; each source is a folder of its own. A feed knows nothing of what is done
//! with its changes.

pub mod feed;

pub use feed::{ChangeFeed, FeedError, FeedErrorKind, FeedEvent};
