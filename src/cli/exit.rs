//! What is said of an error that ends the program, and the exit code: 0 done, 1 output that cannot
//! be written, then after sysexits: 64 usage, 65 data, 69 a store is not available, 70 a
//! defect, 73 cannot create, 78 configuration.

use super::output::OutputError;
use crate::cdc::{FeedError, FeedErrorKind};
use crate::config::ConfigError;
use crate::http::ManifestError;
use crate::stores::{StoreError, StoreErrorKind};

/// The command line asks for something that cannot be done.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct UsageError(pub(super) String);

/// What to say of an error: each cause that says something new. A store's error has what its
/// driver said in its own words.
pub fn said(error: &anyhow::Error) -> String {
    let mut said = String::new();
    for cause in error.chain() {
        let text = cause.to_string();
        if said.is_empty() {
            said = text;
        } else if !said.contains(&text) {
            said = format!("{said}: {text}");
        }
        if cause.is::<StoreError>() {
            break;
        }
    }
    said
}

/// The exit code for an error that ended the program.
pub fn exit_code(error: &anyhow::Error) -> u8 {
    for cause in error.chain() {
        if cause.is::<OutputError>() {
            return 1;
        }
        if cause.is::<UsageError>() {
            return 64;
        }
        if cause.is::<ConfigError>() || cause.is::<ManifestError>() {
            return 78;
        }
        if let Some(store) = cause.downcast_ref::<StoreError>() {
            return match store.kind {
                StoreErrorKind::Unavailable
                | StoreErrorKind::NotWritable
                | StoreErrorKind::Timeout
                | StoreErrorKind::Conflict => 69,
                StoreErrorKind::Schema => 78,
                StoreErrorKind::Corrupt => 65,
                StoreErrorKind::Bug => 70,
            };
        }
        if let Some(feed) = cause.downcast_ref::<FeedError>() {
            return match feed.kind {
                FeedErrorKind::Setup => 78,
                FeedErrorKind::Retry | FeedErrorKind::Gap => 69,
            };
        }
        if cause.is::<std::io::Error>() {
            return 73;
        }
    }
    70
}
