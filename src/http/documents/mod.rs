//! Documents that are asked for by id: those of a manifest, which the operator trusts, and those
//! that clients registered themselves (Apollo's automatic persisted queries).
//!
//! Decides which text a request means and whether it may run. Knows nothing of what a document
//! says: parsing and validating it, once, is the gateway's.

mod manifest;

use std::collections::HashSet;
use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::Cache;
use sha2::{Digest, Sha256};

pub use manifest::{Manifest, ManifestError};

/// Bytes of the documents that clients registered; the least used go first.
const LEARNED_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// Documents that clients registered.
const LEARNED_MAX: usize = 20_000;
/// Unknown documents that are named in the log once each.
const NAMED_MAX: usize = 10_000;

/// What happens to documents that are not in the manifest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DocumentsMode {
    /// They run.
    #[default]
    Off,
    /// They run, and the log names each of them once, by its hash.
    Log,
    /// They are refused.
    Enforce,
}

/// SHA-256 of a text.
pub(super) type Hash = [u8; 32];

/// The documents that can be asked for by id.
pub struct Documents {
    mode: DocumentsMode,
    /// Whether clients may register documents.
    automatic: bool,
    trusted: Manifest,
    trusted_texts: HashSet<Arc<str>>,
    learned: Cache<Hash, Arc<str>, ByText>,
    named: Cache<Hash, ()>,
}

impl std::fmt::Debug for Documents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Documents")
            .field("mode", &self.mode)
            .field("automatic", &self.automatic)
            .finish_non_exhaustive()
    }
}

impl Default for Documents {
    fn default() -> Self {
        Self::new(Manifest::default(), DocumentsMode::Off, true)
    }
}

/// Weighs a document by its text.
#[derive(Clone)]
struct ByText;

impl Weighter<Hash, Arc<str>> for ByText {
    fn weight(&self, _: &Hash, text: &Arc<str>) -> u64 {
        text.len() as u64
    }
}

/// How a request names its document.
#[derive(Debug, Default)]
pub(super) struct Naming<'r> {
    /// `documentId` or `doc_id`.
    pub(super) id: Option<&'r str>,
    /// `extensions.persistedQuery.sha256Hash`.
    pub(super) hash: Option<&'r str>,
    /// `query`.
    pub(super) text: Option<&'r str>,
}

/// The document that a request means.
#[derive(Debug, PartialEq)]
pub(super) struct Found {
    /// Its text, where the request does not bring it.
    pub(super) text: Option<Arc<str>>,
    /// To be registered under this hash if it can be run.
    pub(super) learn: Option<Hash>,
}

/// Why a request's document is not run.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unusable {
    /// Neither a document nor the name of one.
    Missing,
    /// A document and the id of one.
    Both,
    /// No document has this `documentId`.
    UnknownId,
    /// No document has this hash; the client is to send it with its text.
    UnknownHash,
    /// Documents are not registered here.
    NotAutomatic,
    /// The hash is not that of the text.
    Mismatch,
    /// Only documents of the manifest run.
    Untrusted,
}

impl Documents {
    /// The documents of a manifest, and of clients where `automatic`; in [`DocumentsMode::Enforce`]
    /// clients register nothing.
    pub fn new(trusted: Manifest, mode: DocumentsMode, automatic: bool) -> Self {
        let trusted_texts = trusted.0.values().map(Arc::clone).collect();
        Self {
            mode,
            automatic: automatic && mode != DocumentsMode::Enforce,
            trusted,
            trusted_texts,
            learned: Cache::with_weighter(LEARNED_MAX, LEARNED_BYTES_MAX, ByText),
            named: Cache::new(NAMED_MAX),
        }
    }

    /// The document that a request names, if it may run.
    pub(super) fn find(&self, named: &Naming<'_>) -> Result<Found, Unusable> {
        let found = match (named.id, named.hash, named.text) {
            (None, None, None) => return Err(Unusable::Missing),
            (Some(_), _, Some(_)) => return Err(Unusable::Both),
            (Some(id), _, None) => {
                let hash = id.strip_prefix("sha256:");
                let known = self.trusted.0.get(id);
                let known = known.or_else(|| self.trusted.0.get(hash?)).map(Arc::clone);
                match known {
                    Some(text) => return Ok(Found::by_id(text)),
                    None => {
                        let learned =
                            parse(hash.unwrap_or(id)).and_then(|it| self.learned.get(&it));
                        Found::by_id(learned.ok_or(Unusable::UnknownId)?)
                    }
                }
            }
            (None, Some(hash), None) => {
                if let Some(text) = self.trusted.0.get(hash) {
                    return Ok(Found::by_id(Arc::clone(text)));
                }
                match parse(hash).and_then(|it| self.learned.get(&it)) {
                    Some(text) => Found::by_id(text),
                    None if self.automatic => return Err(Unusable::UnknownHash),
                    None => return Err(Unusable::NotAutomatic),
                }
            }
            (None, hash, Some(text)) => Found {
                text: None,
                learn: match hash {
                    None => None,
                    Some(hash) => {
                        let own = sha256(text);
                        if parse(hash) != Some(own) {
                            return Err(Unusable::Mismatch);
                        }
                        (self.automatic && self.learned.get(&own).is_none()).then_some(own)
                    }
                },
            },
        };
        if self.mode != DocumentsMode::Off {
            let text = found.text.as_deref().or(named.text).unwrap_or_default();
            self.judge(text)?;
        }
        Ok(found)
    }

    /// Refuses or names a document that is not in the manifest. Its text is no secret then, but
    /// may hold prompts: only the hash is named.
    fn judge(&self, text: &str) -> Result<(), Unusable> {
        if self.trusted_texts.contains(text) {
            return Ok(());
        }
        if self.mode == DocumentsMode::Enforce {
            return Err(Unusable::Untrusted);
        }
        let hash = sha256(text);
        if self.named.get(&hash).is_none() {
            self.named.insert(hash, ());
            let (sha256, bytes) = (hex(&hash), text.len());
            tracing::warn!(sha256, bytes, "a document that is not in the manifest runs");
        }
        Ok(())
    }

    /// Registers a document that was run.
    pub(super) fn learn(&self, hash: Hash, text: &str) {
        self.learned.insert(hash, text.into());
    }
}

impl Found {
    fn by_id(text: Arc<str>) -> Self {
        Self {
            text: Some(text),
            learn: None,
        }
    }
}

fn sha256(text: &str) -> Hash {
    Sha256::digest(text.as_bytes()).into()
}

fn hex(hash: &Hash) -> String {
    use std::fmt::Write;
    hash.iter()
        .fold(String::with_capacity(64), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// A hash of 64 hexadecimal digits.
fn parse(text: &str) -> Option<Hash> {
    let mut hash = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (byte, pair) in hash.iter_mut().zip(text.as_bytes().chunks(2)) {
        let digit = |c: u8| (c as char).to_digit(16);
        *byte = (digit(pair[0])? * 16 + digit(pair[1])?) as u8;
    }
    Some(hash)
}

#[cfg(test)]
mod tests;
