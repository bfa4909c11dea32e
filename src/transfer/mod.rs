//! Import and export: conversations of other programs in, turngraph's own lossless format both
//! ways.
//!
//! In the order of the work: `source` cuts files into elements, `formats` read an element into a
//! neutral conversation, `turns` makes rows of it that keep turngraph's rules, `write` puts each
//! in the record store in one transaction, `report` says what became of everything. Nothing here
//! knows GraphQL or an engine.

mod conversation;
pub mod demo;
pub mod export;
mod formats;
mod import;
mod keys;
mod report;
mod source;
mod text;
mod turns;
mod wire;
mod write;

pub use formats::Format;
pub use import::{ImportError, ImportRequest, OnProgress, Progress, TransferContext, import};
pub use report::{ImportReport, Repaired, SkipKind, Skipped};
