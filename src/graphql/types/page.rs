//! Arguments of connections, with the default and largest page of each field.

use async_graphql::InputObject;

use crate::domain::page::{PageArguments, PageLimits};
use crate::domain::{CursorList, Page, PageError, PageRequest};
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

/// Arguments that choose a page of a list with numeric cursors.
pub(crate) trait PageArgs {
    /// The list, with what orders and filters it.
    fn list(&self) -> CursorList;

    /// The page that is asked for.
    fn request(&self) -> Result<PageRequest, PageError>;

    /// The page of a list of `len` entries whose cursors ascend.
    fn slice(&self, len: usize, cursor_at: impl Fn(usize) -> i64) -> Page {
        let request = self
            .request()
            .expect("arguments were checked before the walk");
        request.slice(len, cursor_at)
    }
}

/// Entries that are asked for, of a field with these limits.
pub(crate) fn asked(first: Option<i32>, last: Option<i32>, limits: PageLimits) -> u32 {
    let given = first.or(last).map(|n| u32::try_from(n).unwrap_or(0));
    given.unwrap_or(limits.default as u32)
}

/// Declares the four arguments of a connection with numeric cursors, for each field that has one.
macro_rules! page_arguments {
    ($($(#[$doc:meta])* $name:ident, $field:literal, $limits:expr, $size:literal;)*) => {$(
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

            const SIZED: bool = true;

            fn size(&self) -> u32 {
                asked(self.first, self.last, $limits)
            }
        }

        impl PageArgs for $name {
            fn list(&self) -> CursorList {
                Self::LIST
            }

            fn request(&self) -> Result<PageRequest, PageError> {
                self.request_of(Self::LIST)
            }
        }

        impl $name {
            /// The list without order and filter.
            pub(crate) const LIST: CursorList = CursorList::of($field);

            /// The page of the list as a field with more arguments orders and filters it.
            pub(crate) fn request_of(&self, list: CursorList) -> Result<PageRequest, PageError> {
                let given = PageArguments {
                    first: self.first,
                    after: self.after.as_deref(),
                    last: self.last,
                    before: self.before.as_deref(),
                };
                PageRequest::check(given, $limits, list)
            }
        }
    )*};
}

page_arguments! {
    /// A page of the turns below a turn.
    ChildrenPage, "children", TURNS, "How many, from the start: 50 unless given, at most 1,000.";
    /// A page of the turns beside a turn.
    SiblingsPage, "siblings", TURNS, "How many, from the start: 50 unless given, at most 1,000.";
    /// A page of the turns above a turn.
    AncestorsPage, "ancestors", TURNS, "How many, from the start: 50 unless given, at most 1,000.";
    /// A page of the active path.
    ActivePathPage, "activePath", TURNS,
        "How many, from the start: 50 unless given, at most 1,000.";
    /// A page of a path.
    PathPage, "path", TURNS, "How many, from the start: 50 unless given, at most 1,000.";
    /// A page of first turns.
    RootsPage, "roots", TURNS, "How many, from the start: 50 unless given, at most 1,000.";
    /// A page of all turns.
    TurnsPage, "turns", TURNS, "How many, from the start: 50 unless given, at most 1,000.";
    /// A page of branches.
    BranchPage, "branches", BRANCHES,
        "How many, from the start: 50 unless given, at most 1,000.";
    /// A page of an outline.
    OutlinePage, "outline", OUTLINE,
        "How many, from the start: 5,000 unless given, at most 10,000.";
    /// A page of steps.
    StepsPage, "steps", STEPS, "How many, from the start: 100 unless given, at most 1,000.";
}
