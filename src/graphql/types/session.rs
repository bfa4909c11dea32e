//! `Session`: a conversation and the ways through it.

use async_graphql::InputObject;

use crate::domain::{CursorList, PageError, PageRequest, TurnRole as DomainRole};
use crate::graphql::data::SessionView;
use crate::graphql::engine::{At, CheckedArgs, Entity, Failure, Int, Obj, Part, Str, Type, View};
use crate::graphql::ids::{GlobalId, Id, IdOf};
use crate::graphql::scalars::{DateTimeScalar, Instant, Key, Rev, StepType, TurnRole};

mod origin;

use super::account::{Account, AccountOf};
use super::branch::{Branches, branches};
use super::connection::Connection;
use super::node::Node;
use super::outline::{Outline, outline};
use super::page::{
    ActivePathPage, BranchPage, OutlinePage, PageArgs, PathPage, RootsPage, TurnsPage,
};
use super::system::read_info::ReadInfo;
use super::turn::Turn;
use super::turn_fields::{Turns, TurnsOf, count, page_of, page_of_path};
use origin::{DamageType, ForkOf, ForkOriginType};

/// The family of sessions.
pub(crate) struct SessionV;

impl View for SessionV {
    type Of<'a> = SessionView<'a>;
}

/// A conversation.
pub(crate) struct Session;

impl Entity for Session {
    const NAME: &'static str = "Session";
    type V = SessionV;

    fn declare(t: &mut Type<Self>) {
        t.doc("A conversation: a forest of turns with one active path.")
            .implements::<Node>();
        row_fields(t);
        graph_fields(t);
        list_fields(t);
    }
}

fn row_fields(t: &mut Type<Session>) {
    t.field::<Id>("id", |At(s)| IdOf::of("Session", &s.row().uid))
        .doc("Global id: opaque, stable, usable in `node(id:)`.");
    t.field::<Key>("uid", |At(s)| &s.row().uid)
        .doc("Key as stored in the database.");
    t.field::<Obj<Account>>("account", |At(s)| AccountOf {
        env: s.env,
        uid: &s.row().account_uid,
    })
    .doc("Whoever owns it.");
    t.field::<Option<Str>>("title", |At(s)| s.row().title.as_deref())
        .doc("Its title.");
    t.field::<Instant>("createdAt", |At(s)| s.row().created_at)
        .doc("When it began.");
    t.field::<Instant>("lastActivityAt", |At(s)| s.row().last_activity_at)
        .doc("When something was last added, exact to a minute.");
    t.field::<Option<Instant>>("deletedAt", |At(s)| s.row().deleted_at)
        .doc("When it was deleted; `restoreSession` brings it back.");
    t.field::<Obj<ReadInfo>>("readInfo", |At(s)| s.read_info())
        .guard(|At(s)| s.loaded())
        .doc("Where this answer about the session came from, and how old it may be.");
    t.field::<Option<Obj<ForkOriginType>>>("forkedFrom", |At(s)| {
        s.row()
            .forked_from
            .as_ref()
            .map(|origin| ForkOf { env: s.env, origin })
    })
    .doc("The session and turn that this one was forked from.");
}

fn graph_fields(t: &mut Type<Session>) {
    t.field::<Rev>("revision", |At(s)| s.revision())
        .guard(|At(s)| s.loaded())
        .doc("What this answer holds of the session; opaque. It changes when the session's row or one of its newest turns does.");
    t.field::<Int>("turnCount", |At(s)| count(s.graph().living().count()))
        .needs(|n| n.graph = true)
        .guard(|At(s)| s.loaded())
        .doc("Number of turns that are not deleted, on all branches.");
    t.field::<Int>("branchCount", |At(s)| {
        let graph = s.graph();
        count(
            graph
                .living()
                .filter(|&ix| graph.children(ix).next().is_none())
                .count(),
        )
    })
    .needs(|n| n.graph = true)
    .guard(|At(s)| s.loaded())
    .doc("Number of branches, that is, of turns without children.");
    t.field::<Option<Obj<Turn>>>("activeLeaf", |At(s)| {
        s.graph().active_leaf().map(|ix| s.turn(ix))
    })
    .needs(|n| n.graph = true)
    .guard(|At(s)| s.loaded())
    .doc("Last turn of the active path; null for an empty session.");
    t.list::<Obj<DamageType>>("damage", |At(s), push| {
        s.graph()
            .damage()
            .iter()
            .for_each(|damage| push((s, damage)));
    })
    .needs(|n| n.graph = true)
    .guard(|At(s)| s.loaded())
    .doc("What is wrong with the stored turns (written by other programs); empty when sound.");
}

fn list_fields(t: &mut Type<Session>) {
    type Listed = Option<Obj<Connection<Turns>>>;
    t.field_with::<ActivePathPage, Listed>("activePath", |At(s), page| {
        Some(page_of_path(s, s.graph().active_path(), page))
    })
    .needs(|n| n.graph = true)
    .guard(|At(s)| s.loaded())
    .doc("Root-to-leaf path that the user sees; `last: 20` is the tail that a chat screen needs.");
    t.field_with::<PathArgs, Part<Listed>>("path", |At(s), args| path(s, args))
        .needs(|n| n.graph = true)
        .guard(|At(s)| s.loaded())
        .doc("Root-to-leaf path through any turn, continued from there by its active children.");
    t.field_with::<RootsPage, Listed>("roots", |At(s), page| {
        let roots: Vec<usize> = s.graph().roots().collect();
        Some(page_of(s, &roots, page))
    })
    .needs(|n| n.graph = true)
    .guard(|At(s)| s.loaded())
    .doc("First turns; several where the first prompt was edited.");
    t.field_with::<TurnsArgs, Part<Listed>>("turns", |At(s), args| turns(s, args))
        .needs(|n| n.graph = true)
        .guard(|At(s)| s.loaded())
        .doc("All turns of all branches in the order of `seq`.");
    t.field_with::<BranchPage, Option<Obj<Connection<Branches>>>>("branches", |At(s), page| {
        Some(branches(s, page))
    })
    .needs(|n| n.graph = true)
    .guard(|At(s)| s.loaded())
    .doc("Root-to-leaf paths, one for every turn without children.");
    t.field_with::<OutlinePage, Option<Obj<Connection<Outline>>>>("outline", |At(s), page| {
        Some(outline(s, page))
    })
    .needs(|n| n.graph = true)
    .guard(|At(s)| s.loaded())
    .doc("The whole tree without content, for drawing.");
}

/// Which path, and which page of it.
#[derive(InputObject, Clone)]
pub(crate) struct PathArgs {
    /// Id of a turn that the path leads through.
    through: async_graphql::ID,
    #[graphql(flatten)]
    page: PathPage,
}

impl PageArgs for PathArgs {
    fn list(&self) -> CursorList {
        PathPage::LIST.with(&*self.through)
    }

    fn request(&self) -> Result<PageRequest, PageError> {
        self.page.request_of(self.list())
    }
}

impl CheckedArgs for PathArgs {
    fn check(&self) -> Result<(), String> {
        if !matches!(GlobalId::parse(&self.through), Some(GlobalId::Turn(_))) {
            return Err(format!(
                "`through: {:?}` is not the id of a turn",
                &*self.through
            ));
        }
        self.request().map(drop).map_err(|e| e.to_string())
    }

    const SIZED: bool = true;

    fn size(&self) -> u32 {
        self.page.size()
    }
}

fn path<'a>(s: SessionView<'a>, args: &PathArgs) -> Result<Option<TurnsOf<'a>>, Failure<'a>> {
    let graph = s.graph();
    let Some(GlobalId::Turn(uid)) = GlobalId::parse(&args.through) else {
        return Ok(None);
    };
    match graph.find(&uid) {
        Some(ix) => Ok(Some(page_of_path(s, &graph.path_through(ix), args))),
        None if graph.is_empty() => Ok(None),
        None => Err(Failure {
            code: "NOT_FOUND",
            message: "`through` is not a turn of this session.",
        }),
    }
}

/// Which turns.
#[derive(InputObject, Clone, Debug)]
pub(crate) struct TurnFilter {
    /// Only turns of this role.
    role: Option<TurnRole>,
    /// Only agent turns that are liked (true) or disliked (false).
    liked: Option<bool>,
    /// Only agent turns with a step of one of these types.
    step_types: Option<Vec<StepType>>,
    /// Written at this instant or later.
    created_from: Option<DateTimeScalar>,
    /// Written before this instant.
    created_to: Option<DateTimeScalar>,
}

/// Which turns, and which page of them.
#[derive(InputObject, Clone)]
pub(crate) struct TurnsArgs {
    #[graphql(flatten)]
    page: TurnsPage,
    /// Only turns that pass.
    filter: Option<TurnFilter>,
}

impl PageArgs for TurnsArgs {
    fn list(&self) -> CursorList {
        match &self.filter {
            Some(filter) => TurnsPage::LIST.with(filter),
            None => TurnsPage::LIST,
        }
    }

    fn request(&self) -> Result<PageRequest, PageError> {
        self.page.request_of(self.list())
    }
}

impl CheckedArgs for TurnsArgs {
    fn check(&self) -> Result<(), String> {
        self.request().map(drop).map_err(|e| e.to_string())
    }

    const SIZED: bool = true;

    fn size(&self) -> u32 {
        self.page.size()
    }
}

fn turns<'a>(s: SessionView<'a>, args: &TurnsArgs) -> Result<Option<TurnsOf<'a>>, Failure<'a>> {
    let mut all = Vec::new();
    for ix in s.graph().living() {
        let passes = match &args.filter {
            Some(filter) => passes(s, ix, filter)?,
            None => true,
        };
        if passes {
            all.push(ix);
        }
    }
    Ok(Some(page_of(s, &all, args)))
}

fn passes<'a>(s: SessionView<'a>, ix: usize, filter: &TurnFilter) -> Result<bool, Failure<'a>> {
    let row = s.graph().turn(ix);
    let role = match row.role {
        DomainRole::Human => TurnRole::Human,
        DomainRole::Agent => TurnRole::Agent,
    };
    let by_row = filter.role.is_none_or(|wanted| wanted == role)
        && filter.liked.is_none_or(|wanted| row.liked == Some(wanted))
        && filter
            .created_from
            .is_none_or(|from| row.created_at >= from.0)
        && filter.created_to.is_none_or(|to| row.created_at < to.0);
    match &filter.step_types {
        Some(types) if by_row => {
            let heads = s.turn(ix).heads()?;
            Ok(heads
                .iter()
                .any(|head| types.contains(&StepType::of(head.tpe))))
        }
        _ => Ok(by_row),
    }
}
