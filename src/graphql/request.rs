//! What goes into the gateway and what comes out: plain data, shared with the transport.

use super::about::About;
use super::freshness::Freshness;
use crate::domain::Uid;
use crate::limits::{CostLimits, DocumentLimits};

/// A request as the transport understood it.
#[derive(Debug, Clone)]
pub struct GraphqlRequest {
    /// The document.
    pub query: String,
    /// Which of its operations.
    pub operation_name: Option<String>,
    /// Values of its variables, a JSON object.
    pub variables: serde_json::Value,
    /// The account that asks.
    pub account: Uid,
    /// Id of the request, repeated in errors and in the log.
    pub request_id: String,
    /// Whether mutations are allowed (not by GET).
    pub mutations: bool,
    /// What the transport asks for; fields may ask for more.
    pub freshness: Freshness,
}

/// What came of a request.
#[derive(Debug)]
pub struct GraphqlResponse {
    /// The response as JSON.
    pub body: Vec<u8>,
    /// Whether execution began: if not, the request itself was at fault.
    pub executed: bool,
    /// A mutation came where none is allowed.
    pub mutation_refused: bool,
    /// A defect of this server ended the request.
    pub failed: bool,
    /// How long it took.
    pub timing: Timing,
    /// Where `data` is in the body; none where there is no data, or some of it failed.
    pub(super) data: Option<std::ops::Range<usize>>,
    /// Where the answer came from, as `extensions.turngraph` of the body says it too.
    pub about: About,
}

impl GraphqlResponse {
    /// The bytes of `data`, where all of it is shown as it is in the store.
    pub fn shown(&self) -> Option<&[u8]> {
        self.body.get(self.data.clone()?)
    }
}

/// How long the parts of a request took, in microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timing {
    /// Until it was known what to load: parsing, validation and plan, unless known already.
    pub prepare: i64,
    /// Loading and writing.
    pub run: i64,
}

/// What a gateway takes and tells.
#[derive(Debug, Clone, Copy)]
pub struct GatewayOptions {
    /// How large a document may be.
    pub document: DocumentLimits,
    /// What an operation may cost by estimate.
    pub cost: CostLimits,
    /// Whether the schema is described, and similar names are suggested for unknown ones.
    pub introspection: bool,
}

impl Default for GatewayOptions {
    /// As wide as it can be, and costs are only measured: what a server takes from strangers is for
    /// its configuration to say.
    fn default() -> Self {
        Self {
            document: DocumentLimits::CEILING,
            cost: CostLimits::default(),
            introspection: true,
        }
    }
}
