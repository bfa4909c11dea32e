//! From the driver's errors to `StoreError`: what can a caller do about it?
//!
//! Messages of the server name tables and columns, never values: all values are bound.

use std::error::Error;

use scylla::errors::{
    ConnectionError, ConnectionPoolError, ConnectionSetupRequestErrorKind, DbError, ExecutionError,
    MetadataError, NewSessionError, PrepareError, RequestAttemptError,
};

use super::options::CqlOptions;
use crate::stores::{StoreError, StoreErrorKind, StoreKind};

/// An error without a driver's error behind it.
pub(super) fn failure(
    kind: StoreErrorKind,
    action: &'static str,
    message: impl Into<String>,
) -> StoreError {
    StoreError {
        kind,
        store: StoreKind::Cql,
        action,
        message: message.into(),
        source: None,
    }
}

/// A row that cannot be read.
pub(super) fn corrupt(action: &'static str, error: impl Error) -> StoreError {
    failure(StoreErrorKind::Corrupt, action, error.to_string())
}

fn from_driver(
    kind: StoreErrorKind,
    action: &'static str,
    error: impl Error + Send + Sync + 'static,
) -> StoreError {
    StoreError {
        message: error.to_string(),
        source: Some(Box::new(error)),
        ..failure(kind, action, "")
    }
}

/// Makes an error of a request one of the store, named by what was under way.
pub(super) fn store_error(action: &'static str, error: ExecutionError) -> StoreError {
    let kind = match &error {
        ExecutionError::RequestTimeout(_) => StoreErrorKind::Timeout,
        ExecutionError::ConnectionPoolError(_) | ExecutionError::EmptyPlan => {
            StoreErrorKind::Unavailable
        }
        ExecutionError::LastAttemptError(attempt) => kind_of_attempt(attempt),
        ExecutionError::PrepareError(error) => kind_of_prepare(error),
        ExecutionError::SchemaAgreementError(_) | ExecutionError::MetadataError(_) => {
            StoreErrorKind::Unavailable
        }
        _ => StoreErrorKind::Bug,
    };
    from_driver(kind, action, error)
}

/// The same for a statement that cannot be prepared.
pub(super) fn prepare_error(action: &'static str, error: PrepareError) -> StoreError {
    from_driver(kind_of_prepare(&error), action, error)
}

fn kind_of_prepare(error: &PrepareError) -> StoreErrorKind {
    match error {
        PrepareError::AllAttemptsFailed { first_attempt } => kind_of_attempt(first_attempt),
        _ => StoreErrorKind::Unavailable,
    }
}

fn kind_of_attempt(error: &RequestAttemptError) -> StoreErrorKind {
    match error {
        RequestAttemptError::DbError(error, message) => kind_of_answer(error, message),
        RequestAttemptError::BrokenConnectionError(_)
        | RequestAttemptError::UnableToAllocStreamId => StoreErrorKind::Unavailable,
        _ => StoreErrorKind::Bug,
    }
}

fn kind_of_answer(error: &DbError, message: &str) -> StoreErrorKind {
    match error {
        DbError::ReadTimeout { .. } | DbError::WriteTimeout { .. } => StoreErrorKind::Timeout,
        DbError::SyntaxError | DbError::ProtocolError | DbError::FunctionFailure { .. } => {
            StoreErrorKind::Bug
        }
        // An unknown table or keyspace is an invalid request like any other; only its text tells.
        DbError::Invalid | DbError::ConfigError if names_what_is_missing(message) => {
            StoreErrorKind::Schema
        }
        DbError::Invalid | DbError::ConfigError => StoreErrorKind::Bug,
        DbError::Unauthorized | DbError::AlreadyExists { .. } => StoreErrorKind::Schema,
        _ => StoreErrorKind::Unavailable,
    }
}

fn names_what_is_missing(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    [
        "unconfigured table",
        "does not exist",
        "doesn't exist",
        "unknown keyspace",
        "undefined column",
        "unrecognized name",
        "unknown identifier",
        "can't find a column family",
    ]
    .iter()
    .any(|part| message.contains(part))
}

/// Why there is no connection, and what to do.
pub(super) fn connect_error(options: &CqlOptions, error: NewSessionError) -> StoreError {
    let place = options.shown();
    let message = match &error {
        NewSessionError::FailedToResolveAnyHostname(_) => {
            format!("none of the hosts of {place} has an address; check their names")
        }
        NewSessionError::MetadataError(MetadataError::ConnectionPoolError(
            ConnectionPoolError::Broken {
                last_connection_error,
            },
        )) => why_not_connected(&place, last_connection_error),
        other => format!("{place} cannot be used: {other}"),
    };
    StoreError {
        message,
        ..from_driver(StoreErrorKind::Unavailable, "connect", error)
    }
}

fn why_not_connected(place: &str, error: &ConnectionError) -> String {
    match error {
        ConnectionError::ConnectTimeout => format!(
            "{place} does not answer; is the server up, is a firewall in between, is it a CQL port?"
        ),
        ConnectionError::IoError(error) => {
            format!("{place} cannot be reached: {error}; check host and port, and that it is up")
        }
        ConnectionError::BrokenConnection(_) => format!(
            "what listens at {place} does not speak CQL, or wants TLS (add tls=FILE with the authorities' certificates): {error}"
        ),
        ConnectionError::ConnectionSetupRequestError(setup) => match setup.get_error() {
            ConnectionSetupRequestErrorKind::MissingAuthentication => {
                format!("{place} wants a login; write cql://user:password@host/keyspace")
            }
            ConnectionSetupRequestErrorKind::DbError(DbError::AuthenticationError, _) => {
                format!("{place} refuses user or password")
            }
            ConnectionSetupRequestErrorKind::DbError(_, said) => {
                format!("{place} refuses the connection: {said}")
            }
            _ => format!(
                "what listens at {place} does not speak CQL, or wants TLS (add tls=FILE with the authorities' certificates): {error}"
            ),
        },
        other => format!("{place} cannot be reached: {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_the_server_tell_what_to_do() {
        use scylla::statement::Consistency;
        let unavailable = DbError::Unavailable {
            consistency: Consistency::LocalQuorum,
            required: 2,
            alive: 1,
        };
        for (error, message, kind) in [
            (unavailable, "", StoreErrorKind::Unavailable),
            (DbError::Overloaded, "", StoreErrorKind::Unavailable),
            (
                DbError::Invalid,
                "unconfigured table turns_by_session_1",
                StoreErrorKind::Schema,
            ),
            (
                DbError::Invalid,
                "Keyspace 'a' does not exist",
                StoreErrorKind::Schema,
            ),
            (DbError::Invalid, "Invalid null value", StoreErrorKind::Bug),
            (DbError::Unauthorized, "", StoreErrorKind::Schema),
            (DbError::SyntaxError, "", StoreErrorKind::Bug),
            (DbError::ServerError, "", StoreErrorKind::Unavailable),
        ] {
            assert_eq!(kind_of_answer(&error, message), kind, "{error} {message}");
        }
    }
}
