//! Reading the settings from their four sources.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::api::ApiConfig;
use super::feed::{self, HybridConfig, StoreUrl};
use super::origin::Origin;
use super::settings::{Config, RecordUrl, mask_password};

/// The file that is read from the working directory when no other is named.
const FILE_NAME: &str = "turngraph.toml";
/// File of the embedded store in the data directory.
const DATABASE_NAME: &str = "turngraph.db";

/// A setting: key in the file, flag, default, meaning. The environment's name is
/// `TURNGRAPH_` + the key in upper case with `_` for `.`.
struct Setting {
    key: &'static str,
    flag: &'static str,
    default: &'static str,
}

const fn setting(key: &'static str, flag: &'static str, default: &'static str) -> Setting {
    Setting { key, flag, default }
}

/// The record store's default depends on the data directory and so is empty here.
const SETTINGS: &[Setting] = &[
    setting("listen", "--listen", "127.0.0.1:4000"),
    setting("data_dir", "--data-dir", "turngraph-data"),
    setting("record", "--record", ""),
    setting("record_connections_max", "", "16"),
    setting("cql", "--cql", ""),
    setting("redis", "--redis", ""),
    setting("cache_age", "", "60m"),
    setting("cache_stale", "", "10m"),
    setting("analytics", "", ""),
    setting("feed", "--feed", "auto"),
    setting("feed_slot", "", "turngraph"),
    setting("kafka", "", ""),
    setting("dual_write_budget", "", "30ms"),
    setting("verify_every", "", "24h"),
    setting("cql_share", "", "100"),
    setting("shadow_reads", "", "0.1"),
    setting("public_without_auth", "", "false"),
    setting("account", "--account", "demo"),
    setting("cors_origins", "", ""),
    setting("csrf", "", "browsers"),
    setting("introspection", "", "auto"),
    setting("body_bytes_max", "", "41943040"),
    setting("header_bytes_max", "", "32768"),
    setting("uri_bytes_max", "", "16384"),
    setting("batch_max", "", "1"),
    setting("document_bytes_max", "", "65536"),
    setting("document_tokens_max", "", "5000"),
    setting("depth_max", "", "20"),
    setting("aliases_max", "", "30"),
    setting("root_fields_max", "", "20"),
    setting("directives_max", "", "50"),
    setting("documents", "", ""),
    setting("documents_mode", "", "off"),
    setting("persisted_queries", "", "on"),
    setting("cost", "", "measure"),
    setting("cost_max", "", "200000"),
    setting("log_level", "--log-level", "info"),
    setting("log_format", "--log-format", "text"),
    setting("shutdown_grace", "", "20s"),
];

/// What cannot be used as configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {path}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not TOML.
    #[error("{path} is not valid TOML: {message}")]
    NotToml {
        /// The file.
        path: PathBuf,
        /// Place and problem.
        message: String,
    },
    /// A key that no setting has.
    #[error("unknown setting `{key}` ({origin}){hint}")]
    Unknown {
        /// The key or name.
        key: String,
        /// Where it was found.
        origin: Origin,
        /// What may have been meant.
        hint: String,
    },
    /// A value that its setting cannot take.
    #[error("`{key}` cannot be {value:?} ({origin}): {reason}")]
    Value {
        /// The setting.
        key: &'static str,
        /// What was given.
        value: String,
        /// Where.
        origin: Origin,
        /// What would do.
        reason: String,
    },
}

/// What the command line says; names of settings to values.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    /// `--config FILE`.
    pub file: Option<PathBuf>,
    /// Values by key.
    pub values: BTreeMap<&'static str, String>,
}

/// The settings as text, each with its origin, in the order of their declaration.
pub type Printed = Vec<(&'static str, String, Origin)>;

/// Reads all sources. `environment` holds all variables of the process.
pub fn load(
    flags: &Flags,
    environment: &BTreeMap<String, String>,
) -> Result<(Config, Printed), ConfigError> {
    check_environment(environment)?;
    let file = read_file(flags.file.as_deref())?;
    let mut found = Found {
        flags,
        environment,
        file: &file,
        printed: Vec::new(),
    };
    let data_dir: PathBuf = found.get("data_dir", |text| Ok(PathBuf::from(text)))?;
    let record = found.get("record", |text| match text {
        "" => Ok(RecordUrl::Sqlite(data_dir.join(DATABASE_NAME))),
        url => url.parse(),
    })?;
    if let Some(last) = found.printed.last_mut() {
        last.1 = record.masked();
    }
    let config = Config {
        listen: found.get("listen", |text| {
            text.parse()
                .map_err(|_| "use ADDRESS:PORT, e.g. 127.0.0.1:4000".to_owned())
        })?,
        data_dir: data_dir.clone(),
        record,
        record_connections_max: found.get("record_connections_max", |text| {
            text.parse::<u32>()
                .ok()
                .filter(|n| (2..=1_000).contains(n))
                .ok_or_else(|| "use a number from 2 to 1000".to_owned())
        })?,
        hybrid: HybridConfig {
            cql: found.url("cql", &["cql"], "cql://HOST[:PORT][,HOST…]/KEYSPACE")?,
            redis: found.url(
                "redis",
                &["redis", "rediss"],
                "redis://HOST[:PORT][/DATABASE]",
            )?,
            cache_age: found.get("cache_age", duration)?,
            cache_stale: found.get("cache_stale", duration)?,
            analytics: found.url(
                "analytics",
                &["postgres", "postgresql"],
                "postgres://USER@HOST/DATABASE of a replica",
            )?,
            feed: found.get("feed", str::parse)?,
            feed_slot: found.get("feed_slot", feed::slot_name)?,
            kafka: found.url("kafka", &["kafka"], "kafka://HOST:PORT/TOPIC")?,
            dual_write_budget: found.get("dual_write_budget", duration)?,
            verify_every: found.get("verify_every", duration)?,
            cql_share: found.get("cql_share", feed::share)?,
            shadow_reads: found.get("shadow_reads", feed::per_cent)?,
        },
        public_without_auth: found.get("public_without_auth", |text| {
            text.parse().map_err(|_| "use true or false".to_owned())
        })?,
        account: found.get("account", |text| {
            crate::domain::Uid::parse(text).map_err(|e| e.to_string())
        })?,
        api: ApiConfig::read(&mut found)?,
        log_level: found.get("log_level", |text| Ok(text.to_owned()))?,
        log_format: found.get("log_format", str::parse)?,
        shutdown_grace: found.get("shutdown_grace", duration)?,
    };
    let place = |key: &str| SETTINGS.iter().position(|s| s.key == key);
    found.printed.sort_by_key(|(key, _, _)| place(key));
    Ok((config, found.printed))
}

pub(super) struct Found<'a> {
    flags: &'a Flags,
    environment: &'a BTreeMap<String, String>,
    file: &'a Option<(PathBuf, toml::Table)>,
    printed: Printed,
}

impl Found<'_> {
    /// The value of a setting, which is noted with its origin.
    pub(super) fn get<T>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<T, ConfigError> {
        let (text, origin) = self.raw(key);
        let parsed = parse(&text).map_err(|reason| ConfigError::Value {
            key,
            value: mask_password(&text),
            origin: origin.clone(),
            reason,
        })?;
        self.printed.push((key, text, origin));
        Ok(parsed)
    }

    /// An address that may be left out; its password is not printed.
    fn url(
        &mut self,
        key: &'static str,
        schemes: &[&str],
        example: &str,
    ) -> Result<Option<StoreUrl>, ConfigError> {
        let url = self.get(key, |text| match text {
            "" => Ok(None),
            text => StoreUrl::parse(text, schemes, example).map(Some),
        })?;
        if let (Some(url), Some(last)) = (&url, self.printed.last_mut()) {
            last.1 = url.to_string();
        }
        Ok(url)
    }

    fn raw(&self, key: &'static str) -> (String, Origin) {
        let setting = SETTINGS
            .iter()
            .find(|s| s.key == key)
            .expect("only declared keys are read");
        if let Some(value) = self.flags.values.get(key) {
            return (value.clone(), Origin::Flag(setting.flag));
        }
        let name = variable(key);
        if let Some(value) = self.environment.get(&name) {
            return (value.clone(), Origin::Environment(name));
        }
        if let Some((path, table)) = self.file
            && let Some(value) = table.get(key)
        {
            let text = match value {
                toml::Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            return (text, Origin::File(path.clone()));
        }
        (setting.default.to_owned(), Origin::Default)
    }
}

fn variable(key: &str) -> String {
    format!("TURNGRAPH_{}", key.to_ascii_uppercase())
}

/// A mistyped variable would otherwise be ignored in silence.
fn check_environment(environment: &BTreeMap<String, String>) -> Result<(), ConfigError> {
    let known: Vec<String> = SETTINGS.iter().map(|s| variable(s.key)).collect();
    let unknown = environment
        .keys()
        .find(|name| name.starts_with("TURNGRAPH_") && !known.contains(name));
    match unknown {
        None => Ok(()),
        Some(name) => Err(ConfigError::Unknown {
            key: name.clone(),
            origin: Origin::Environment(name.clone()),
            hint: hint(name, known.iter().map(String::as_str)),
        }),
    }
}

fn read_file(named: Option<&Path>) -> Result<Option<(PathBuf, toml::Table)>, ConfigError> {
    let path = named.unwrap_or(Path::new(FILE_NAME)).to_owned();
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(e) if named.is_none() && e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(ConfigError::Unreadable { path, source }),
    };
    let table: toml::Table = toml::from_str(&text).map_err(|e| ConfigError::NotToml {
        path: path.clone(),
        message: e.to_string(),
    })?;
    if let Some(key) = table
        .keys()
        .find(|key| SETTINGS.iter().all(|s| s.key != key.as_str()))
    {
        return Err(ConfigError::Unknown {
            key: key.clone(),
            origin: Origin::File(path),
            hint: hint(key, SETTINGS.iter().map(|s| s.key)),
        });
    }
    Ok(Some((path, table)))
}

fn hint<'a>(given: &str, known: impl Iterator<Item = &'a str>) -> String {
    known
        .map(|name| (strsim::jaro_winkler(given, name), name))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| format!("; did you mean `{name}`?"))
        .unwrap_or_default()
}

/// `250ms`, `20s`, `5m`.
fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = text.split_at(
        text.find(|c: char| !c.is_ascii_digit())
            .unwrap_or(text.len()),
    );
    let number: u64 = number
        .parse()
        .map_err(|_| "use e.g. 250ms, 20s, 5m or 24h".to_owned())?;
    match unit {
        "ms" => Ok(Duration::from_millis(number)),
        "s" => Ok(Duration::from_secs(number)),
        "" if number == 0 => Ok(Duration::ZERO),
        "m" => Ok(Duration::from_secs(number.saturating_mul(60))),
        "h" => Ok(Duration::from_secs(number.saturating_mul(3_600))),
        _ => Err("use e.g. 250ms, 20s, 5m or 24h".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect()
    }

    fn file(text: &str) -> (tempfile::TempDir, Flags) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.toml");
        std::fs::write(&path, text).unwrap();
        (
            dir,
            Flags {
                file: Some(path),
                ..Flags::default()
            },
        )
    }

    #[test]
    fn a_flag_beats_the_environment_beats_the_file_beats_the_default() {
        let (_dir, mut flags) = file("account = \"file\"\nlog_level = \"warn\"\n");
        flags.values.insert("account", "flag".into());
        let (config, printed) =
            load(&flags, &environment(&[("TURNGRAPH_LOG_LEVEL", "debug")])).unwrap();
        assert_eq!(
            (config.account.as_str(), config.log_level.as_str()),
            ("flag", "debug")
        );
        let origin = |key| printed.iter().find(|p| p.0 == key).unwrap().2.to_string();
        assert_eq!(origin("account"), "--account");
        assert_eq!(origin("log_level"), "TURNGRAPH_LOG_LEVEL");
        assert_eq!(origin("listen"), "default");
        assert_eq!(printed.len(), SETTINGS.len());
    }

    #[test]
    fn the_limits_of_the_api_have_the_defaults_that_the_library_documents() {
        let (config, _) = load(&Flags::default(), &environment(&[])).unwrap();
        assert_eq!(config.api.request, crate::limits::RequestLimits::default());
        assert_eq!(
            config.api.document,
            crate::limits::DocumentLimits::default()
        );
        assert_eq!(config.api.cost, crate::limits::CostLimits::default());
        let deep = environment(&[("TURNGRAPH_DEPTH_MAX", "33")]);
        let message = load(&Flags::default(), &deep).unwrap_err().to_string();
        assert!(message.contains("a number from 2 to 32"), "{message}");
    }

    #[test]
    fn unknown_keys_are_refused_with_a_suggestion() {
        let (_dir, flags) = file("lisen = \"x\"\n");
        let message = load(&flags, &environment(&[])).unwrap_err().to_string();
        assert!(message.contains("did you mean `listen`?"), "{message}");
        let typo = environment(&[("TURNGRAPH_RECORDS", "x")]);
        let message = load(&Flags::default(), &typo).unwrap_err().to_string();
        assert!(
            message.contains("did you mean `TURNGRAPH_RECORD`?"),
            "{message}"
        );
    }

    #[test]
    fn bad_values_say_what_would_do_and_passwords_are_masked() {
        for (key, value) in [
            ("TURNGRAPH_LISTEN", "4000"),
            ("TURNGRAPH_RECORD", "mysql://x"),
            ("TURNGRAPH_SHUTDOWN_GRACE", "9"),
        ] {
            let message = load(&Flags::default(), &environment(&[(key, value)]))
                .unwrap_err()
                .to_string();
            assert!(message.contains("use "), "{message}");
        }
        let secret = environment(&[("TURNGRAPH_RECORD", "postgres://me:secret@h/db")]);
        let (_, printed) = load(&Flags::default(), &secret).unwrap();
        assert!(
            printed.iter().any(|p| p.1 == "postgres://me:***@h/db"),
            "{printed:?}"
        );
    }
}
