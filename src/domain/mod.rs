//! Entities, keys and the rules of a conversation, free of stores, transports and async.
//!
//! Everything else in turngraph speaks in these types; this module knows none of the others.

pub mod change;
pub mod clock;
pub mod diff;
pub mod graph;
pub mod key;
pub mod page;
pub mod preview;
pub mod revision;
pub mod score;
pub mod session;
pub mod step;
pub mod time;
pub mod turn;

pub use change::Change;
pub use clock::{Clock, SystemClock, UidSource, UuidV7Source};
pub use graph::SessionGraph;
pub use key::{KeyError, Uid};
pub use page::{CursorList, Page, PageError, PageRequest};
pub use revision::{Consistency, Position, Revision, Watermark};
pub use session::{ForkOrigin, SessionRow};
pub use step::{StepRow, StepType};
pub use time::Timestamp;
pub use turn::{TurnRole, TurnRow, TurnStatus};
