//! `Account` and the lists of its sessions.

use async_graphql::{Enum, InputObject};

use crate::domain::page::page_size;
use crate::domain::{CursorList, Uid};
use crate::graphql::data::{Env, SessionView};
use crate::graphql::engine::{At, Bool, CheckedArgs, Entity, Int, Obj, Part, Type, View};
use crate::graphql::freshness::FreshnessArgs;
use crate::graphql::ids::{Id, IdOf};
use crate::graphql::scalars::{DateTimeScalar, Key};
use crate::reads::{self, ListingCursor, ListingPage, ListingRequest};

use super::connection::{Connection, CursorOf, List};
use super::node::Node;
use super::page::{SESSIONS, asked};
use super::session::Session;
use super::system::read_info::{ReadInfo, ReadInfoOf};

/// An account while it is written.
#[derive(Clone, Copy)]
pub(crate) struct AccountOf<'a> {
    pub(crate) env: &'a Env<'a>,
    pub(crate) uid: &'a Uid,
}

/// The family of accounts.
pub(crate) struct AccountV;

impl View for AccountV {
    type Of<'a> = AccountOf<'a>;
}

/// Whoever owns sessions.
pub(crate) struct Account;

impl Entity for Account {
    const NAME: &'static str = "Account";
    type V = AccountV;

    fn declare(t: &mut Type<Self>) {
        t.doc("Whoever owns sessions: a person or a service of yours.")
            .implements::<Node>();
        t.field::<Id>("id", |At(a)| IdOf::of("Account", a.uid))
            .doc("Global id: opaque, stable, usable in `node(id:)`.");
        t.field::<Key>("uid", |At(a)| a.uid)
            .doc("Key as stored in the database.");
        t.field_with::<SessionsArgs, Part<Option<Obj<Connection<Sessions>>>>>(
            "sessions",
            |At(a), args| sessions(a.env, args),
        )
        .doc("The account's sessions, most recently active first unless ordered otherwise.");
    }
}

/// Order of a list of sessions.
#[derive(Enum, Clone, Copy, PartialEq, Eq, Debug)]
#[graphql(remote = "reads::SessionOrder")]
pub(crate) enum SessionOrder {
    /// Most recently active first. A session that becomes active while you page is listed again
    /// at the end; drop repeats by id.
    LastActivityDesc,
    /// Least recently active first.
    LastActivityAsc,
    /// Newest first.
    CreatedDesc,
    /// Oldest first.
    CreatedAsc,
}

/// Which sessions are listed; every condition that is given must hold.
#[derive(InputObject, Clone, Debug, Default)]
pub(crate) struct SessionFilter {
    /// Part of the title, without regard to case.
    title_contains: Option<String>,
    /// Created at this instant or later.
    created_from: Option<DateTimeScalar>,
    /// Created before this instant.
    created_to: Option<DateTimeScalar>,
    /// With (true) or without (false) a like or dislike on any agent turn.
    has_feedback: Option<bool>,
    /// Deleted sessions too.
    #[graphql(default)]
    include_deleted: bool,
}

/// Arguments of lists of sessions.
#[derive(InputObject, Clone)]
pub(crate) struct SessionsArgs {
    /// How many, from the start: 25 unless given, at most 200.
    first: Option<i32>,
    /// Only what comes after this cursor (`pageInfo.endCursor` of the page before).
    after: Option<String>,
    /// How many, from the end; cannot be combined with `first`.
    last: Option<i32>,
    /// Only what comes before this cursor (`pageInfo.startCursor` of the page after).
    before: Option<String>,
    /// Order of the list.
    #[graphql(default_with = "SessionOrder::LastActivityDesc")]
    order_by: SessionOrder,
    /// Which sessions.
    filter: Option<SessionFilter>,
    #[graphql(flatten)]
    freshness: FreshnessArgs,
}

impl CheckedArgs for SessionsArgs {
    fn check(&self) -> Result<(), String> {
        self.request().map(drop)
    }

    fn freshness(&self) -> Option<&FreshnessArgs> {
        Some(&self.freshness)
    }

    const SIZED: bool = true;

    fn size(&self) -> u32 {
        asked(self.first, self.last, SESSIONS)
    }
}

impl SessionsArgs {
    /// The list with what orders and filters it.
    fn list(&self) -> CursorList {
        let filter = self.filter.clone().unwrap_or_default();
        CursorList::of("sessions").with((self.order_by, filter))
    }

    fn request(&self) -> Result<ListingRequest, String> {
        let (size, from_end) =
            page_size(self.first, self.last, SESSIONS).map_err(|e| e.to_string())?;
        let cursor = |name: &'static str, text: &Option<String>| match text {
            None => Ok(None),
            Some(text) => {
                let list = self.list();
                let place = list.place(name, text).map_err(|e| e.to_string())?;
                let bad = || format!("`{name}: {text:?}` is not a cursor of this list");
                ListingCursor::parse(place).map(Some).ok_or_else(bad)
            }
        };
        Ok(ListingRequest {
            order: self.order_by.into(),
            size,
            from_end,
            after: cursor("after", &self.after)?,
            before: cursor("before", &self.before)?,
            filter: self.filter.clone().unwrap_or_default().into(),
        })
    }
}

impl From<SessionFilter> for reads::SessionFilter {
    fn from(filter: SessionFilter) -> Self {
        Self {
            title_contains: filter.title_contains,
            created_from: filter.created_from.map(|at| at.0),
            created_to: filter.created_to.map(|at| at.0),
            has_feedback: filter.has_feedback,
            include_deleted: filter.include_deleted,
            active_after: None,
            active_until: None,
        }
    }
}

/// A page of sessions while it is written.
#[derive(Clone, Copy)]
pub(crate) struct SessionsOf<'a> {
    env: &'a Env<'a>,
    page: &'a ListingPage,
    args: &'a SessionsArgs,
}

/// The family of pages of sessions.
pub(crate) struct SessionsV;

impl View for SessionsV {
    type Of<'a> = SessionsOf<'a>;
}

/// The list of an account's sessions.
pub(crate) struct Sessions;

/// One page of the caller's sessions.
pub(crate) fn sessions<'a>(
    env: &'a Env<'a>,
    args: &'a SessionsArgs,
) -> Result<Option<SessionsOf<'a>>, crate::graphql::engine::Failure<'a>> {
    let request = args
        .request()
        .expect("arguments were checked before the walk");
    Ok(env
        .listing(&request)?
        .map(|page| SessionsOf { env, page, args }))
}

impl List for Sessions {
    const CONNECTION: &'static str = "SessionConnection";
    const EDGE: &'static str = "SessionEdge";
    const DOC: &'static str = "A page of sessions.";
    type Node = Session;
    type Page = SessionsV;

    fn each<'a>(of: SessionsOf<'a>, push: &mut dyn FnMut((CursorOf<'a>, SessionView<'a>))) {
        let list = of.args.list();
        for (row, cursor) in &of.page.sessions {
            // The rows of a page are entered with it, so this finds every one of them.
            if let Ok(Some(session)) = of.env.session(&row.uid) {
                push((
                    CursorOf::Text(of.env.keep_text(format!("{list}:{cursor}"))),
                    session,
                ));
            }
        }
    }

    fn more(of: SessionsOf<'_>) -> (bool, bool) {
        (of.page.has_next, of.page.has_previous)
    }

    fn declare_more(t: &mut Type<Connection<Self>>) {
        t.field::<Obj<ReadInfo>>("readInfo", |At(of)| ReadInfoOf {
            env: of.env,
            origin: of.page.origin,
            revision: None,
        })
        .doc("Where this page came from, and how old it may be.");
        t.field_with::<CountArgs, Part<Option<Obj<CountResult>>>>("totalCount", |At(of), args| {
            let filter: reads::SessionFilter = of.args.filter.clone().unwrap_or_default().into();
            let up_to = args.up_to();
            let counted = of.env.count(&filter, up_to)?;
            Ok(counted.map(|count| CountOf {
                count,
                is_exact: count < up_to,
            }))
        })
        .cost(20)
        .doc("How many sessions pass the filter, on all pages.");
    }
}

/// Where counting stops.
#[derive(InputObject, Clone)]
pub(crate) struct CountArgs {
    /// Counting stops here: 10,000 unless given, at most 100,000.
    #[graphql(default = 10_000)]
    up_to: i32,
}

impl CheckedArgs for CountArgs {
    fn check(&self) -> Result<(), String> {
        if (1..=100_000).contains(&self.up_to) {
            return Ok(());
        }
        Err(format!(
            "`upTo: {}` must be between 1 and 100,000",
            self.up_to
        ))
    }
}

impl CountArgs {
    fn up_to(&self) -> usize {
        usize::try_from(self.up_to).unwrap_or(1)
    }
}

/// A count while it is written.
#[derive(Clone, Copy)]
pub(crate) struct CountOf {
    count: usize,
    is_exact: bool,
}

/// The family of counts.
pub(crate) struct CountV;

impl View for CountV {
    type Of<'a> = CountOf;
}

/// A count that says whether it is exact.
pub(crate) struct CountResult;

impl Entity for CountResult {
    const NAME: &'static str = "CountResult";
    type V = CountV;

    fn declare(t: &mut Type<Self>) {
        t.doc("A count that says whether it is exact.");
        t.field::<Int>("count", |At(c)| i32::try_from(c.count).unwrap_or(i32::MAX))
            .doc("How many, `upTo` at most.");
        t.field::<Bool>("isExact", |At(c)| c.is_exact)
            .doc("False where counting stopped at `upTo`: there may be more.");
    }
}
