//! One address, two drivers: the statements of the feed go through sqlx, the stream through a
//! replication client. Both get the same server, role, password and TLS, read by sqlx, so that an
//! address that serves the record store serves its feed (`PGPASSWORD` and `.pgpass` included).

use std::path::PathBuf;
use std::str::FromStr;

use pgwire_replication::{ReplicationConfig, SslMode, TlsConfig};
use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgSslMode};

use super::PgoutputOptions;
use super::failure::setup;
use crate::cdc::FeedError;

/// Events that wait between the connection and the reader. Few, because each may be a row of many
/// megabytes; enough that neither side waits for every single row.
const BUFFERED_EVENTS: usize = 256;

/// What the connections set: text forms that do not depend on the server's settings.
const SESSION: [(&str, &str); 4] = [
    ("datestyle", "ISO"),
    ("timezone", "UTC"),
    ("client_min_messages", "error"),
    ("extra_float_digits", "1"),
];

/// Connections of a feed.
#[derive(Debug, Clone)]
pub(super) struct Address {
    pub(super) statements: PgConnectOptions,
    password: String,
    tls: TlsConfig,
}

impl Address {
    pub(super) fn parse(url: &str) -> Result<Self, FeedError> {
        let statements = PgConnectOptions::from_str(url).map_err(|error| {
            // The address may hold a password, so it is not repeated.
            setup(format!(
                "the address of the record store cannot be read: {error}"
            ))
        })?;
        let statements = statements
            .application_name("turngraph feed")
            .options(SESSION)
            .disable_statement_logging();
        // The driver shows passwords and certificates only in the address that it makes, files as
        // `file: PATH`.
        let made = statements.to_url_lossy();
        let parameter = |name: &str| {
            let found = made.query_pairs().find(|(key, _)| key == name);
            found.and_then(|(_, value)| value.strip_prefix("file: ").map(PathBuf::from))
        };
        let mode = match statements.get_ssl_mode() {
            PgSslMode::Disable | PgSslMode::Allow => SslMode::Disable,
            // A socket has no TLS, and the client refuses to prefer it there.
            PgSslMode::Prefer if statements.get_socket().is_some() => SslMode::Disable,
            PgSslMode::Prefer => SslMode::Prefer,
            PgSslMode::Require => SslMode::Require,
            PgSslMode::VerifyCa => SslMode::VerifyCa,
            PgSslMode::VerifyFull => SslMode::VerifyFull,
        };
        let mut tls = TlsConfig::disabled();
        tls.mode = mode;
        tls.ca_pem_path = parameter("sslrootcert");
        tls.client_cert_pem_path = parameter("sslcert");
        tls.client_key_pem_path = parameter("sslkey");
        Ok(Self {
            password: decoded(made.password().unwrap_or_default()),
            statements,
            tls,
        })
    }

    /// The role that connects.
    pub(super) fn role(&self) -> &str {
        self.statements.get_username()
    }

    /// The database.
    pub(super) fn database(&self) -> &str {
        self.statements.get_database().unwrap_or(self.role())
    }

    /// The stream of a slot.
    pub(super) fn stream(&self, options: &PgoutputOptions) -> ReplicationConfig {
        let statements = &self.statements;
        let host = match statements.get_socket() {
            Some(folder) => folder.to_string_lossy().into_owned(),
            None => statements.get_host().to_owned(),
        };
        let session: Vec<String> = SESSION
            .iter()
            .map(|(name, value)| format!("-c {name}={value}"))
            .collect();
        ReplicationConfig::new(
            host,
            self.role(),
            &self.password,
            self.database(),
            &options.slot,
            options.publication.as_str(),
        )
        .with_port(statements.get_port())
        .with_tls(self.tls.clone())
        .with_application_name("turngraph feed")
        .with_options(session.join(" "))
        .with_buffer_size(BUFFERED_EVENTS)
    }
}

/// Undoes the escapes of an address.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let escaped = match tail {
            [high, low, ..] if *first == b'%' => std::str::from_utf8(&[*high, *low])
                .ok()
                .and_then(|pair| u8::from_str_radix(pair, 16).ok()),
            _ => None,
        };
        bytes.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_connections_get_the_same_server_role_password_and_tls() {
        let url =
            "postgres://me:a%40b%25@db.example:6543/chat?sslmode=verify-full&sslrootcert=/ca.pem";
        let address = Address::parse(url).unwrap();
        let stream = address.stream(&PgoutputOptions::url(url));
        assert_eq!(stream.host, "db.example");
        assert_eq!((stream.port, stream.user.as_str()), (6543, "me"));
        assert_eq!(stream.password, "a@b%");
        assert_eq!(stream.database, "chat");
        assert_eq!(stream.tls.mode, SslMode::VerifyFull);
        assert_eq!(stream.tls.ca_pem_path, Some(PathBuf::from("/ca.pem")));
        assert_eq!(address.statements.get_port(), 6543);

        let socket = Address::parse("postgres://me@%2Frun%2Fpostgresql/chat").unwrap();
        let stream = socket.stream(&PgoutputOptions::url(""));
        assert_eq!(stream.host, "/run/postgresql");
        assert_eq!(stream.tls.mode, SslMode::Disable);
    }

    #[test]
    fn a_wrong_address_is_refused_without_repeating_its_password() {
        let error = Address::parse("postgres://me:secret@host:port/x").unwrap_err();
        assert_eq!(error.kind, crate::cdc::FeedErrorKind::Setup);
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}
