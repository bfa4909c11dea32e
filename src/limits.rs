//! Limits on what one request may ask for: plain numbers, with their defaults and ceilings.
//!
//! Configuration fills them in, the GraphQL layer and the HTTP layer hold requests to them. What
//! each one means, and why it has its default, is in `docs/limits.md`. Knows no layer.

use std::fmt;
use std::str::FromStr;

/// Limits on a document, checked when it is parsed: a document that is known already costs nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DocumentLimits {
    /// Bytes of its text.
    pub bytes: usize,
    /// Tokens: names, numbers, strings and punctuators, without commas and comments.
    pub tokens: usize,
    /// Field levels; those of introspection are bounded apart.
    pub depth: usize,
    /// Aliases of one operation, with its fragments expanded.
    pub aliases: u64,
    /// Fields of one operation's root, with its fragments expanded.
    pub root_fields: u64,
    /// Directives of one operation, with its fragments expanded.
    pub directives: u64,
}

impl DocumentLimits {
    /// What no setting can exceed: above it, parsing and validation would not be quick.
    pub const CEILING: Self = Self {
        bytes: 100 * 1024,
        tokens: 50_000,
        depth: 32,
        aliases: 5_000,
        root_fields: 5_000,
        directives: 5_000,
    };
}

impl Default for DocumentLimits {
    fn default() -> Self {
        Self {
            bytes: 64 * 1024,
            tokens: 5_000,
            depth: 20,
            aliases: 30,
            root_fields: 20,
            directives: 50,
        }
    }
}

/// Whether an operation that is too expensive runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CostMode {
    /// It runs; the answer says what it cost.
    Measure,
    /// It is refused before anything is read.
    Enforce,
}

impl FromStr for CostMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "measure" => Ok(Self::Measure),
            "enforce" => Ok(Self::Enforce),
            _ => Err("use measure or enforce".into()),
        }
    }
}

/// What an operation may cost by estimate; one unit is about one object of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CostLimits {
    /// Units of one operation at most.
    pub max: u64,
    /// What happens above it.
    pub mode: CostMode,
}

impl Default for CostLimits {
    fn default() -> Self {
        Self {
            max: 200_000,
            mode: CostMode::Measure,
        }
    }
}

/// Limits on an HTTP request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestLimits {
    /// Bytes of a body.
    pub body_bytes: usize,
    /// Bytes of all header names and values together.
    pub header_bytes: usize,
    /// Bytes of path and query string.
    pub uri_bytes: usize,
    /// Operations in one body; 1 takes no JSON array at all.
    pub batch: usize,
}

impl Default for RequestLimits {
    fn default() -> Self {
        Self {
            // A text of the largest size (16 MiB) with every byte escaped.
            body_bytes: 40 * 1024 * 1024,
            header_bytes: 32 * 1024,
            uri_bytes: 16 * 1024,
            batch: 1,
        }
    }
}

/// Operations in one body that a setting can allow at most.
pub const BATCH_CEILING: usize = 10;

/// What a request exceeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Excess {
    /// What there may be.
    pub limit: u64,
    /// What there is; where counting stops early, at least that.
    pub actual: u64,
}

impl Excess {
    /// `None` where `actual` is within `limit`.
    pub fn of(actual: u64, limit: u64) -> Option<Self> {
        (actual > limit).then_some(Self { limit, actual })
    }
}

impl fmt::Display for Excess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} where {} are allowed", self.actual, self.limit)
    }
}
