//! The settings and what they mean.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use super::api::ApiConfig;
use super::feed::HybridConfig;
use crate::domain::Uid;

/// The record store's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordUrl {
    /// A SQLite file.
    Sqlite(PathBuf),
    /// A PostgreSQL database, as the driver reads it.
    Postgres(String),
}

impl FromStr for RecordUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("sqlite://") {
            return match path {
                "" => Err("sqlite:// needs a file, e.g. sqlite://data/turngraph.db".into()),
                path => Ok(Self::Sqlite(path.into())),
            };
        }
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Ok(Self::Postgres(text.to_owned()));
        }
        Err("use sqlite://FILE or postgres://USER@HOST/DATABASE".into())
    }
}

impl RecordUrl {
    /// For people: a password is not shown.
    pub fn masked(&self) -> String {
        match self {
            Self::Sqlite(path) => format!("sqlite://{}", path.display()),
            Self::Postgres(url) => mask_password(url),
        }
    }
}

pub(super) fn mask_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let Some((user, host)) = rest.rsplit_once('@') else {
        return url.to_owned();
    };
    let name = user.split_once(':').map_or(user, |(name, _)| name);
    let secret = if user.contains(':') { ":***" } else { "" };
    format!("{scheme}://{name}{secret}@{host}")
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line, for collectors.
    Json,
}

impl FromStr for LogFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err("use text or json".into()),
        }
    }
}

/// All settings of the program.
#[derive(Debug, Clone)]
pub struct Config {
    /// Address that the server listens on.
    pub listen: SocketAddr,
    /// Where the embedded store keeps its file.
    pub data_dir: PathBuf,
    /// The record store.
    pub record: RecordUrl,
    /// Connections to PostgreSQL at most.
    pub record_connections_max: u32,
    /// Projections, hot cache and change feed.
    pub hybrid: HybridConfig,
    /// Whether `serve` may listen on a public address although nobody has to prove who he is:
    /// where a network policy or a proxy decides who reaches it.
    pub public_without_auth: bool,
    /// Account of requests while there is no authentication.
    pub account: Uid,
    /// What requests may be and may cost.
    pub api: ApiConfig,
    /// Which events are logged, e.g. `info` or `turngraph=debug,warn`.
    pub log_level: String,
    /// How log lines look.
    pub log_format: LogFormat,
    /// How long requests under way may take after a signal to stop.
    pub shutdown_grace: Duration,
}
