//! Error codes: every code that a client can meet, and how inner errors become one of them.

use async_graphql::Enum;

use super::engine::Failure;
use crate::reads::ReadErrorKind;

/// Declares the codes once: enum value, text on the wire, whether a retry may help.
macro_rules! error_codes {
    ($($(#[doc = $doc:literal])* $name:ident = $text:literal, $retryable:literal;)*) => {
        /// Values of `extensions.code` in the `errors` of a response.
        #[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
        #[graphql(name = "ErrorCode")]
        pub(crate) enum ErrorCode {
            $($(#[doc = $doc])* #[graphql(name = $text)] $name,)*
        }

        /// Whether the same request may succeed later.
        pub(crate) fn is_retryable(code: &str) -> bool {
            match code {
                $($text => $retryable,)*
                _ => false,
            }
        }
    };
}

error_codes! {
    /// The request is not what the GraphQL-over-HTTP specification asks for.
    BadRequest = "BAD_REQUEST", false;
    /// The document is not GraphQL.
    ParseFailed = "GRAPHQL_PARSE_FAILED", false;
    /// The document does not fit the schema.
    ValidationFailed = "GRAPHQL_VALIDATION_FAILED", false;
    /// `operationName` does not name an operation of the document.
    OperationUnknown = "OPERATION_RESOLUTION_FAILURE", false;
    /// An argument or variable is not acceptable; the message names it.
    BadUserInput = "BAD_USER_INPUT", false;
    /// A body, an address or headers are larger than this server takes; `extensions.limit` and
    /// `extensions.actual` say by how much, as they do with all limits below.
    RequestTooLarge = "REQUEST_TOO_LARGE", false;
    /// A body holds more operations than this server takes at once.
    BatchLimit = "BATCH_LIMIT_EXCEEDED", false;
    /// A GET that a page of another site may have caused.
    CsrfPrevention = "CSRF_PREVENTION_FAILED", false;
    /// The document is larger than this server takes: its bytes, how its brackets nest, or 5,000
    /// selections with its fragments expanded.
    DocumentTooLarge = "DOCUMENT_TOO_LARGE", false;
    /// The document has too many tokens.
    TokenLimit = "TOKEN_LIMIT_EXCEEDED", false;
    /// The operation has too many levels of fields.
    MaxDepth = "MAX_DEPTH_EXCEEDED", false;
    /// The operation has too many aliases, with its fragments expanded.
    MaxAliases = "MAX_ALIASES_EXCEEDED", false;
    /// The operation has too many fields at its root, with its fragments expanded.
    MaxRootFields = "MAX_ROOT_FIELDS_EXCEEDED", false;
    /// The operation has too many directives, with its fragments expanded.
    MaxDirectives = "MAX_DIRECTIVES_EXCEEDED", false;
    /// The operation costs more by estimate than this server allows: ask for smaller pages.
    CostLimit = "COST_LIMIT_EXCEEDED", false;
    /// This server does not describe its schema.
    IntrospectionDisabled = "INTROSPECTION_DISABLED", false;
    /// The answer would be larger than this server gives (64 MiB, or a million objects): ask for
    /// smaller pages.
    ResponseTooLarge = "RESPONSE_TOO_LARGE", false;
    /// No registered document has this hash: send it once more with its text.
    PersistedQueryNotFound = "PERSISTED_QUERY_NOT_FOUND", false;
    /// The server registers no documents: send texts only.
    PersistedQueryNotSupported = "PERSISTED_QUERY_NOT_SUPPORTED", false;
    /// A hash is not that of its text.
    PersistedQueryHashMismatch = "PERSISTED_QUERY_HASH_MISMATCH", false;
    /// No document has this `documentId`.
    PersistedDocumentNotFound = "PERSISTED_DOCUMENT_NOT_FOUND", false;
    /// The server runs documents of its manifest only.
    PersistedDocumentRequired = "PERSISTED_DOCUMENT_REQUIRED", false;
    /// Something that an argument names does not exist, or belongs to another account.
    NotFound = "NOT_FOUND", false;
    /// A store cannot be reached; nothing was changed.
    StoreUnavailable = "STORE_UNAVAILABLE", true;
    /// The store can be read and not written: its disk is full, or it is read-only. Nothing was
    /// changed; a retry does not help before somebody has acted.
    StoreNotWritable = "STORE_NOT_WRITABLE", false;
    /// A store did not answer in time.
    StoreTimeout = "STORE_TIMEOUT", true;
    /// Another writer was faster, several times; try again.
    Conflict = "CONFLICT", true;
    /// A defect of the server, logged there with the request's id.
    Internal = "INTERNAL", false;
}

/// The failure of a part whose cause was logged when it was loaded.
pub(crate) const STORE_FAILURE: Failure<'static> = Failure {
    code: "STORE_UNAVAILABLE",
    message: "This part could not be loaded; try again.",
};

/// What a client may know of a store's error.
pub(crate) fn failure_of(kind: ReadErrorKind) -> Failure<'static> {
    match kind {
        ReadErrorKind::Unavailable => Failure {
            code: "STORE_UNAVAILABLE",
            message: "The store cannot be reached; the server's log says why.",
        },
        ReadErrorKind::NotWritable => Failure {
            code: "STORE_NOT_WRITABLE",
            message: "The store cannot be written, because its disk is full or it is read-only; \
                      nothing was changed, and reading goes on.",
        },
        ReadErrorKind::Timeout => Failure {
            code: "STORE_TIMEOUT",
            message: "The store did not answer in time; try again, or ask for less.",
        },
        ReadErrorKind::Conflict => Failure {
            code: "CONFLICT",
            message: "Another writer was faster; try again.",
        },
        ReadErrorKind::Schema | ReadErrorKind::Corrupt | ReadErrorKind::Bug => Failure {
            code: "INTERNAL",
            message: "The server failed; its log has the details under this request's id.",
        },
    }
}
