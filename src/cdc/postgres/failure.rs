//! Errors of the feed from errors of its drivers, by SQLSTATE.
//!
//! Where a state may mean several things (a slot that is missing, a publication that is missing),
//! the stream's error says "try again", and the checks of the next connection say what it is.

use std::error::Error;

use pgwire_replication::PgWireError;

use crate::cdc::{FeedError, FeedErrorKind};

/// A slot that somebody else reads.
pub(super) const OBJECT_IN_USE: &str = "55006";
/// A slot or publication that is not there.
pub(super) const UNDEFINED_OBJECT: &str = "42704";
/// A segment of the log that is not there any more.
const UNDEFINED_FILE: &str = "58P01";
/// No room in the slots.
const CONFIGURATION_LIMIT: &str = "53400";

fn error(kind: FeedErrorKind, message: String) -> FeedError {
    FeedError {
        kind,
        message,
        source: None,
    }
}

pub(super) fn retry(message: impl Into<String>) -> FeedError {
    error(FeedErrorKind::Retry, message.into())
}

pub(super) fn gap(message: impl Into<String>) -> FeedError {
    error(FeedErrorKind::Gap, message.into())
}

pub(super) fn setup(message: impl Into<String>) -> FeedError {
    error(FeedErrorKind::Setup, message.into())
}

fn with_source(mut error: FeedError, source: impl Error + Send + Sync + 'static) -> FeedError {
    error.source = Some(Box::new(source));
    error
}

/// What a state means whatever was done, and what to do; none where it is worth another try.
fn by_state(state: &str, role: &str) -> Option<FeedError> {
    Some(match state {
        "28000" | "28P01" => setup(format!(
            "the record store refuses role {role}: check the password of the address, and \
             pg_hba.conf for a line that lets the role connect to its database"
        )),
        "3D000" => setup("the database of the record store's address does not exist"),
        "42501" => setup(format!(
            "role {role} may not read the log; as a superuser run: {}",
            grant_replication(role)
        )),
        CONFIGURATION_LIMIT => setup(super::check::NO_ROOM_FOR_SLOT),
        UNDEFINED_FILE => gap(
            "the record store has removed the part of its log that was not read yet; projections \
             must be rebuilt",
        ),
        _ => return None,
    })
}

/// The statement that lets a role read the log.
pub(super) fn grant_replication(role: &str) -> String {
    format!("alter role {} replication;", quoted(role))
}

/// An identifier in SQL.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// An error of a statement; `doing` ends the sentence "the feed could not …".
pub(super) fn of_statement(source: sqlx::Error, doing: &str, role: &str) -> FeedError {
    let state = source.as_database_error().and_then(|e| e.code());
    let known = state.as_deref().and_then(|state| by_state(state, role));
    let error = known.unwrap_or_else(|| retry(format!("the feed could not {doing}: {source}")));
    with_source(error, source)
}

/// An error of the stream.
pub(super) fn of_stream(source: PgWireError, role: &str) -> FeedError {
    let state = state_of(&source);
    let error = match (&source, state.as_deref()) {
        (_, Some(OBJECT_IN_USE)) => retry(
            "another program reads the feed's slot; this one waits until it is free (two \
             projectors: one works, one waits)",
        ),
        (PgWireError::Auth(_), None) => setup(format!(
            "the record store's log cannot be read as role {role}: {source}; check the password \
             of the address and the method in pg_hba.conf (scram-sha-256, password or trust)"
        )),
        (PgWireError::Tls(_), None) => setup(format!(
            "TLS to the record store failed: {source}; check sslmode and sslrootcert of its address"
        )),
        (_, Some(state)) => by_state(state, role)
            .unwrap_or_else(|| retry(format!("the stream of changes ended: {source}"))),
        (_, None) => retry(format!("the stream of changes ended: {source}")),
    };
    with_source(error, source)
}

/// SQLSTATE of an error of the server, which the client puts at the end of its text.
pub(super) fn state_of(error: &PgWireError) -> Option<String> {
    let PgWireError::Server(text) = error else {
        return None;
    };
    let (_, state) = text.rsplit_once("(SQLSTATE ")?;
    Some(state.trim_end_matches(')').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(text: &str) -> FeedError {
        of_stream(PgWireError::Server(text.to_owned()), "me")
    }

    #[test]
    fn each_state_has_its_remedy() {
        let used = server("slot is active (SQLSTATE 55006)");
        assert_eq!(used.kind, FeedErrorKind::Retry);
        assert!(used.message.contains("another program"));

        let refused = server("must be superuser (SQLSTATE 42501)");
        assert_eq!(refused.kind, FeedErrorKind::Setup);
        assert!(refused.message.contains("alter role \"me\" replication;"));

        let removed = server("segment removed (SQLSTATE 58P01)");
        assert_eq!(removed.kind, FeedErrorKind::Gap);

        let ended = of_stream(PgWireError::from(std::io::Error::other("x")), "me");
        assert_eq!(ended.kind, FeedErrorKind::Retry);
        assert_eq!(
            server("shutting down (SQLSTATE 57P01)").kind,
            FeedErrorKind::Retry
        );
        assert_eq!(server("without a state").kind, FeedErrorKind::Retry);
    }
}
