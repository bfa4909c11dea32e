//! Configuration: flag > `TURNGRAPH_*` > `turngraph.toml` > default, each value with its origin.
//!
//! One flat list of settings, declared once: from it come the file's keys, the environment's
//! names, `config print` and the messages for unknown keys. Read once, at the start.

mod api;
mod feed;
mod origin;
mod settings;
mod source;

pub use api::{ApiConfig, CorsOrigins, CsrfMode, DocumentsMode, IntrospectionMode};
pub use feed::{FeedSource, HybridConfig, StoreUrl};
pub use origin::Origin;
pub use settings::{Config, LogFormat, RecordUrl};
pub use source::{ConfigError, Flags, Printed, load};
