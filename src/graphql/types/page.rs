//! Arguments of connections, with the default and largest page of each field.

use async_graphql::InputObject;

use crate::domain::page::{PageArguments, PageLimits};
use crate::domain::{Page, PageRequest};
use crate::graphql::engine::CheckedArgs;

/// Pages of turns.
pub(crate) const TURNS: PageLimits = PageLimits {
    default: 50,
    max: 1_000,
};
/// Pages of steps.
pub(crate) const STEPS: PageLimits = PageLimits {
    default: 100,
    max: 1_000,
};
/// Pages of branches.
pub(crate) const BRANCHES: PageLimits = PageLimits {
    default: 50,
    max: 1_000,
};
/// Pages of an outline, which has no content.
pub(crate) const OUTLINE: PageLimits = PageLimits {
    default: 5_000,
    max: 10_000,
};
/// Pages of sessions.
pub(crate) const SESSIONS: PageLimits = PageLimits {
    default: 25,
    max: 200,
};
/// Pages of search results.
pub(crate) const SEARCH: PageLimits = PageLimits {
    default: 20,
    max: 100,
};

/// Declares the four arguments of a connection with numeric cursors.
macro_rules! page_arguments {
    ($(#[$doc:meta])* $name:ident, $limits:expr, $size:literal) => {
        $(#[$doc])*
        #[derive(InputObject, Clone)]
        pub(crate) struct $name {
            #[doc = $size]
            first: Option<i32>,
            /// Only what comes after this cursor (`pageInfo.endCursor` of the page before).
            after: Option<String>,
            /// How many, from the end; cannot be combined with `first`.
            last: Option<i32>,
            /// Only what comes before this cursor (`pageInfo.startCursor` of the page after).
            before: Option<String>,
        }

        impl CheckedArgs for $name {
            fn check(&self) -> Result<(), String> {
                self.request().map(drop).map_err(|e| e.to_string())
            }
        }

        impl $name {
            fn request(&self) -> Result<PageRequest, crate::domain::PageError> {
                let given = PageArguments {
                    first: self.first,
                    after: self.after.as_deref(),
                    last: self.last,
                    before: self.before.as_deref(),
                };
                PageRequest::check(given, $limits)
            }

            /// The page of a list of `len` entries whose cursors ascend.
            pub(crate) fn slice(&self, len: usize, cursor_at: impl Fn(usize) -> i64) -> Page {
                let request = self.request().expect("arguments were checked before the walk");
                request.slice(len, cursor_at)
            }
        }
    };
}

page_arguments!(
    /// A page of turns.
    TurnPage, TURNS, "How many, from the start: 50 unless given, at most 1,000."
);
page_arguments!(
    /// A page of branches.
    BranchPage, BRANCHES, "How many, from the start: 50 unless given, at most 1,000."
);
page_arguments!(
    /// A page of an outline.
    OutlinePage, OUTLINE, "How many, from the start: 5,000 unless given, at most 10,000."
);
