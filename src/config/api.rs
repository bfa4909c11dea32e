//! Settings of the API: what requests may be, who may send them, what they may cost.

use std::path::PathBuf;
use std::str::FromStr;

use super::source::{ConfigError, Found};
use crate::limits::{BATCH_CEILING, CostLimits, DocumentLimits, RequestLimits};

/// Which GET requests must show that no page of another site caused them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CsrfMode {
    /// Those of which a browser says so.
    Browsers,
    /// All.
    Header,
    /// None.
    Off,
}

impl FromStr for CsrfMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "browsers" => Ok(Self::Browsers),
            "header" => Ok(Self::Header),
            "off" => Ok(Self::Off),
            _ => Err("use browsers, header or off".into()),
        }
    }
}

/// Pages of which other sites may ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CorsOrigins {
    /// None.
    None,
    /// These.
    Some(Vec<String>),
    /// All, without credentials.
    Any,
}

impl FromStr for CorsOrigins {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim() {
            "" => return Ok(Self::None),
            "*" => return Ok(Self::Any),
            _ => {}
        }
        let origin = |text: &str| {
            let text = text.trim();
            let host = text
                .strip_prefix("https://")
                .or_else(|| text.strip_prefix("http://"));
            let is_origin = host.is_some_and(|host| {
                !host.is_empty()
                    && host
                        .bytes()
                        .all(|b| b.is_ascii_graphic() && b != b'/' && b != b'*')
            });
            is_origin.then(|| text.to_ascii_lowercase()).ok_or_else(|| {
                format!(
                    "{text:?} is no origin: use https://HOST[:PORT] without a path, several \
                     separated by commas, or `*` for all"
                )
            })
        };
        let all = text.split(',').map(origin);
        Ok(Self::Some(all.collect::<Result<_, _>>()?))
    }
}

/// Whether the schema is described to clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IntrospectionMode {
    /// By `dev`, not by `serve`.
    Auto,
    /// By both.
    On,
    /// By neither.
    Off,
}

impl IntrospectionMode {
    /// Whether a server of this kind describes its schema.
    pub fn is_on(self, development: bool) -> bool {
        match self {
            Self::Auto => development,
            Self::On => true,
            Self::Off => false,
        }
    }
}

impl FromStr for IntrospectionMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "on" => Ok(Self::On),
            "off" => Ok(Self::Off),
            _ => Err("use auto, on or off".into()),
        }
    }
}

/// What happens to documents that are in no manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DocumentsMode {
    /// They run.
    Off,
    /// They run, and the log names them.
    Log,
    /// They are refused.
    Enforce,
}

impl FromStr for DocumentsMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "off" => Ok(Self::Off),
            "log" => Ok(Self::Log),
            "enforce" => Ok(Self::Enforce),
            _ => Err("use off, log or enforce".into()),
        }
    }
}

/// Settings of the API.
#[derive(Debug, Clone)]
pub struct ApiConfig {
    /// How large a request may be.
    pub request: RequestLimits,
    /// How large a document may be.
    pub document: DocumentLimits,
    /// What an operation may cost.
    pub cost: CostLimits,
    /// Pages of which other sites may ask.
    pub cors_origins: CorsOrigins,
    /// Which GET requests must show that they are not forged.
    pub csrf: CsrfMode,
    /// Whether the schema is described.
    pub introspection: IntrospectionMode,
    /// Manifests of documents.
    pub documents: Vec<PathBuf>,
    /// What happens to documents that are in none of them.
    pub documents_mode: DocumentsMode,
    /// Whether clients may register documents.
    pub persisted_queries: bool,
}

impl ApiConfig {
    pub(super) fn read(found: &mut Found<'_>) -> Result<Self, ConfigError> {
        let ceiling = DocumentLimits::CEILING;
        let documents: Vec<PathBuf> = found.get("documents", |text| {
            let paths = text.split(',').map(str::trim);
            Ok(paths
                .filter(|path| !path.is_empty())
                .map(PathBuf::from)
                .collect())
        })?;
        Ok(Self {
            request: RequestLimits {
                body_bytes: number(found, "body_bytes_max", (1_024, 1 << 30))?,
                header_bytes: number(found, "header_bytes_max", (1_024, 1 << 18))?,
                uri_bytes: number(found, "uri_bytes_max", (256, 60_000))?,
                batch: number(found, "batch_max", (1, BATCH_CEILING as u64))?,
            },
            document: DocumentLimits {
                bytes: number(found, "document_bytes_max", (256, ceiling.bytes as u64))?,
                tokens: number(found, "document_tokens_max", (16, ceiling.tokens as u64))?,
                depth: number(found, "depth_max", (2, ceiling.depth as u64))?,
                aliases: number(found, "aliases_max", (0, ceiling.aliases))?,
                root_fields: number(found, "root_fields_max", (1, ceiling.root_fields))?,
                directives: number(found, "directives_max", (0, ceiling.directives))?,
            },
            cost: CostLimits {
                max: number(found, "cost_max", (1, COST_CEILING))?,
                mode: found.get("cost", str::parse)?,
            },
            cors_origins: found.get("cors_origins", str::parse)?,
            csrf: found.get("csrf", str::parse)?,
            introspection: found.get("introspection", str::parse)?,
            documents_mode: found.get("documents_mode", |text| match text.parse()? {
                DocumentsMode::Off => Ok(DocumentsMode::Off),
                _ if documents.is_empty() => {
                    Err("there is no manifest: name its file in `documents`, or use off".into())
                }
                mode => Ok(mode),
            })?,
            documents,
            persisted_queries: found.get("persisted_queries", |text| match text {
                "on" => Ok(true),
                "off" => Ok(false),
                _ => Err("use on or off".into()),
            })?,
        })
    }
}

/// The largest number that every client reads as it is.
const COST_CEILING: u64 = (1 << 53) - 1;

/// A whole number between two others, both allowed.
fn number<T: TryFrom<u64>>(
    found: &mut Found<'_>,
    key: &'static str,
    (least, most): (u64, u64),
) -> Result<T, ConfigError> {
    found.get(key, |text| {
        let number = text.parse::<u64>().ok();
        let number = number.filter(|n| (least..=most).contains(n));
        number
            .and_then(|n| T::try_from(n).ok())
            .ok_or_else(|| format!("use a number from {least} to {most}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_schemes_and_hosts_without_a_path() {
        let parse = |text: &str| text.parse::<CorsOrigins>();
        assert_eq!(parse(""), Ok(CorsOrigins::None));
        assert_eq!(parse("*"), Ok(CorsOrigins::Any));
        let two = ["https://app.example", "http://localhost:3000"].map(str::to_owned);
        let given = "https://App.example, http://localhost:3000";
        assert_eq!(parse(given), Ok(CorsOrigins::Some(two.into())));
        for bad in [
            "app.example",
            "https://",
            "https://a/b",
            "https://*.a",
            "null",
            "https://a,,",
        ] {
            let why = parse(bad).unwrap_err();
            assert!(why.contains("https://HOST"), "{bad}: {why}");
        }
    }

    #[test]
    fn the_schema_is_described_in_development_unless_said_otherwise() {
        let on = |text: &str, dev| text.parse::<IntrospectionMode>().unwrap().is_on(dev);
        assert!(on("auto", true) && !on("auto", false));
        assert!(on("on", false) && !on("off", true));
    }
}
