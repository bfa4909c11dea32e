//! What the driver says, as a `StoreError` that tells what to do. Addresses are shown without
//! passwords; values never.

use redis::{ErrorKind, RedisError, ServerErrorKind};

use crate::stores::{StoreError, StoreErrorKind, StoreKind};

pub(super) fn error(kind: StoreErrorKind, action: &'static str, message: String) -> StoreError {
    StoreError {
        kind,
        store: StoreKind::Redis,
        action,
        message,
        source: None,
    }
}

/// Of a command on an open connection.
pub(super) fn of_command(action: &'static str, failed: RedisError) -> StoreError {
    let kind = match failed.kind() {
        _ if failed.is_timeout() => StoreErrorKind::Timeout,
        ErrorKind::Server(ServerErrorKind::NoPerm) => StoreErrorKind::Schema,
        ErrorKind::Parse | ErrorKind::UnexpectedReturnType => StoreErrorKind::Corrupt,
        _ => StoreErrorKind::Unavailable,
    };
    let advice = match failed.kind() {
        ErrorKind::Server(ServerErrorKind::NoPerm) => {
            "; let the user run GET, GETRANGE, SET, UNLINK, EVALSHA, SCRIPT, SCAN and INFO on keys tg:*"
        }
        ErrorKind::Server(ServerErrorKind::ReadOnly) => {
            "; this is a replica, name the primary's address"
        }
        _ if failed.code() == Some("OOM") => {
            "; the server's memory is full and it may not evict: set maxmemory-policy to \
             allkeys-lru"
        }
        _ => "",
    };
    StoreError {
        source: Some(Box::new(failed.clone())),
        ..error(kind, action, format!("{}{advice}", said(&failed)))
    }
}

/// Of connecting. `true` with it when waiting may help, false when the configuration is wrong.
pub(super) fn of_connecting(at: &str, failed: RedisError) -> (bool, StoreError) {
    let (retry, message) = match failed.kind() {
        ErrorKind::InvalidClientConfig => (
            false,
            format!(
                "the address {at} cannot be used ({}); write redis://HOST[:PORT][/DATABASE], \
                 rediss:// for TLS",
                said(&failed)
            ),
        ),
        ErrorKind::AuthenticationFailed => (false, refused(at, &failed)),
        _ if matches!(failed.code(), Some("NOAUTH" | "WRONGPASS" | "NOPERM")) => {
            (false, refused(at, &failed))
        }
        ErrorKind::Parse | ErrorKind::UnexpectedReturnType => (
            false,
            format!(
                "what answers at {at} does not speak Redis' protocol; is the port that of another \
                 service, or one that wants TLS (rediss://)?"
            ),
        ),
        _ if failed.is_connection_refusal() => (
            true,
            format!("nothing answers at {at}; start Redis there, or correct the address"),
        ),
        _ => (true, format!("no connection to {at}: {}", said(&failed))),
    };
    let kind = match (retry, failed.is_timeout()) {
        (true, true) => StoreErrorKind::Timeout,
        (true, false) => StoreErrorKind::Unavailable,
        (false, _) => StoreErrorKind::Schema,
    };
    let error = StoreError {
        source: Some(Box::new(failed)),
        ..error(kind, "open", message)
    };
    (retry, error)
}

fn refused(at: &str, failed: &RedisError) -> String {
    format!(
        "{at} refuses the login ({}); give the user and password in the address, \
         redis://USER:PASSWORD@HOST",
        said(failed)
    )
}

/// The driver's words; they hold what the server said, never a value of ours.
fn said(failed: &RedisError) -> String {
    match (failed.code(), failed.detail()) {
        (Some(code), Some(detail)) => format!("{code} {detail}"),
        _ => failed.to_string(),
    }
}
