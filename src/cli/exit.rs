//! Exit codes, after sysexits: 0 done, 64 usage, 65 data, 69 a store is not available, 70 a
//! defect, 73 cannot create, 78 configuration.

use crate::config::ConfigError;
use crate::stores::{StoreError, StoreErrorKind};

/// The command line asks for something that cannot be done.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct UsageError(pub(super) String);

/// The exit code for an error that ended the program.
pub fn exit_code(error: &anyhow::Error) -> u8 {
    for cause in error.chain() {
        if cause.is::<UsageError>() {
            return 64;
        }
        if cause.is::<ConfigError>() {
            return 78;
        }
        if let Some(store) = cause.downcast_ref::<StoreError>() {
            return match store.kind {
                StoreErrorKind::Unavailable
                | StoreErrorKind::Timeout
                | StoreErrorKind::Conflict => 69,
                StoreErrorKind::Schema => 78,
                StoreErrorKind::Corrupt => 65,
                StoreErrorKind::Bug => 70,
            };
        }
        if cause.is::<std::io::Error>() {
            return 73;
        }
    }
    70
}
