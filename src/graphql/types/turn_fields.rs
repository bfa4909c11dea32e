//! Fields that every turn has, and lists of turns. The interface and both kinds of turn declare
//! them through here, so that each is said once.

use async_graphql::InputObject;

use crate::domain::CursorList;
use crate::domain::preview::preview;
use crate::graphql::data::{Env, SessionView, TurnView};
use crate::graphql::engine::{
    At, Bool, CheckedArgs, Entity, Failure, Int, Obj, Part, Str, Type, View,
};
use crate::graphql::ids::{Id, IdOf};
use crate::graphql::scalars::{Instant, Key, Role, TurnRole};
use crate::reads::{Origin, SearchPage};

use super::connection::{Connection, CursorOf, List};
use super::page::{AncestorsPage, ChildrenPage, PageArgs, SiblingsPage};
use super::session::Session;
use super::system::read_info::{ReadInfo, ReadInfoOf};
use super::turn::Turn;

/// The family of turns.
pub(crate) struct TurnV;

impl View for TurnV {
    type Of<'a> = TurnView<'a>;
}

/// A page of turns while it is written.
#[derive(Clone, Copy)]
pub(crate) struct TurnsOf<'a> {
    pub(crate) entries: Entries<'a>,
    pub(crate) has_next: bool,
    pub(crate) has_previous: bool,
}

/// Where the turns of a page are.
#[derive(Clone, Copy)]
pub(crate) enum Entries<'a> {
    /// Turns of one session; their cursors are their numbers.
    OfSession(SessionView<'a>, CursorList, &'a [usize]),
    /// Turns on one path of a session; their cursors are their places on it, because a turn that
    /// another program wrote may have a higher number than its child.
    OnPath(SessionView<'a>, CursorList, &'a [usize]),
    /// Turns of many sessions, as a search found them.
    Found(&'a Env<'a>, CursorList, (&'a SearchPage, Origin)),
}

/// The family of pages of turns.
pub(crate) struct TurnsV;

impl View for TurnsV {
    type Of<'a> = TurnsOf<'a>;
}

/// Any list of turns of one session, in the order of `seq`.
pub(crate) struct Turns;

impl List for Turns {
    const CONNECTION: &'static str = "TurnConnection";
    const EDGE: &'static str = "TurnEdge";
    const DOC: &'static str = "A page of turns.";
    type Node = Turn;
    type Page = TurnsV;

    fn each<'a>(of: TurnsOf<'a>, push: &mut dyn FnMut((CursorOf<'a>, TurnView<'a>))) {
        match of.entries {
            Entries::OfSession(session, list, page) => {
                let graph = session.graph();
                for &ix in page {
                    let cursor = CursorOf::Place(list, graph.turn(ix).seq.into());
                    push((cursor, session.turn(ix)));
                }
            }
            Entries::OnPath(session, list, page) => {
                for &ix in page {
                    let place = place_cursor(session.graph().depth(ix));
                    push((CursorOf::Place(list, place), session.turn(ix)));
                }
            }
            Entries::Found(env, list, (page, _)) => {
                for hit in &page.hits {
                    // What failed was asked for before; this is still being loaded, or gone.
                    let Ok(Some(session)) = env.session(&hit.session_uid) else {
                        continue;
                    };
                    let graph = session.graph();
                    // The store knows the turn's own deletion, the graph that of the turns above.
                    let found = graph
                        .find(&hit.turn_uid)
                        .filter(|&ix| !graph.is_deleted(ix));
                    let Some(ix) = found else { continue };
                    let cursor = CursorOf::Text(env.keep_text(format!("{list}:{}", hit.cursor)));
                    push((cursor, session.turn(ix)));
                }
            }
        }
    }

    fn more(of: TurnsOf<'_>) -> (bool, bool) {
        (of.has_next, of.has_previous)
    }

    fn declare_more(t: &mut Type<Connection<Self>>) {
        t.field::<Obj<ReadInfo>>("readInfo", |At(of)| match of.entries {
            Entries::OfSession(session, ..) | Entries::OnPath(session, ..) => session.read_info(),
            Entries::Found(env, _, (_, origin)) => ReadInfoOf {
                env,
                origin,
                revision: None,
            },
        })
        .doc("Where this page came from, and how old it may be.");
    }
}

/// One page of a list of turns.
pub(crate) fn page_of<'a>(
    session: SessionView<'a>,
    all: &[usize],
    args: &impl PageArgs,
) -> TurnsOf<'a> {
    let graph = session.graph();
    let page = args.slice(all.len(), |place| graph.turn(all[place]).seq.into());
    let places = session.env.keep(all[page.start..page.end].iter().copied());
    TurnsOf {
        entries: Entries::OfSession(session, args.list(), places),
        has_next: page.has_next,
        has_previous: page.has_previous,
    }
}

/// One page of a path, from the root down.
pub(crate) fn page_of_path<'a>(
    session: SessionView<'a>,
    path: &[usize],
    args: &impl PageArgs,
) -> TurnsOf<'a> {
    let graph = session.graph();
    let page = args.slice(path.len(), |place| place_cursor(graph.depth(path[place])));
    let places = session.env.keep(path[page.start..page.end].iter().copied());
    TurnsOf {
        entries: Entries::OnPath(session, args.list(), places),
        has_next: page.has_next,
        has_previous: page.has_previous,
    }
}

fn place_cursor(depth: usize) -> i64 {
    i64::try_from(depth).unwrap_or(i64::MAX)
}

/// How much of a text.
#[derive(InputObject, Clone)]
pub(crate) struct PreviewArgs {
    /// Characters at most, from 1 to 10,000.
    #[graphql(default = 120)]
    max_chars: i32,
}

impl CheckedArgs for PreviewArgs {
    fn check(&self) -> Result<(), String> {
        if (1..=10_000).contains(&self.max_chars) {
            return Ok(());
        }
        Err(format!(
            "`maxChars: {}` must be between 1 and 10,000",
            self.max_chars
        ))
    }
}

impl PreviewArgs {
    /// Characters at most.
    pub(crate) fn chars(&self) -> usize {
        usize::try_from(self.max_chars).unwrap_or(1)
    }
}

impl<'a> TurnView<'a> {
    pub(crate) fn id(self) -> IdOf<'a> {
        IdOf::of(
            if self.is_human() {
                "HumanTurn"
            } else {
                "AgentTurn"
            },
            &self.row().uid,
        )
    }

    /// The beginning of what a person reads of the turn.
    pub(crate) fn preview(self, max_chars: usize) -> Result<&'a str, Failure<'a>> {
        let text = self.text()?;
        let short = preview(&text, max_chars).into_owned();
        Ok(self.session.env.keep_text(short))
    }

    fn listed(
        self,
        turns: impl Iterator<Item = usize>,
        page: &impl PageArgs,
    ) -> Option<TurnsOf<'a>> {
        let all: Vec<usize> = turns.collect();
        Some(page_of(self.session, &all, page))
    }
}

/// Declares what every turn has.
pub(crate) fn turn_fields<T: Entity<V = TurnV>>(t: &mut Type<T>) {
    t.field::<Id>("id", |At(t)| t.id())
        .doc("Global id: opaque, stable, usable in `node(id:)`.");
    t.field::<Key>("uid", |At(t)| &t.row().uid)
        .doc("Key as stored in the database.");
    t.field::<Obj<Session>>("session", |At(t)| t.session)
        .doc("The session it belongs to.");
    t.field::<Role>("role", |At(t)| {
        if t.is_human() {
            TurnRole::Human
        } else {
            TurnRole::Agent
        }
    })
    .doc("Who speaks.");
    t.field::<Int>("seq", |At(t)| t.row().seq)
        .doc("Number within the session, from 0: the order of siblings. Gaps mean purged turns.");
    t.field::<Instant>("createdAt", |At(t)| t.row().created_at)
        .doc("When it was written, as its writer says; not an order (imports hold surprises).");
    t.field::<Option<Instant>>("deletedAt", |At(t)| t.row().deleted_at)
        .doc("When this very turn was deleted; null for turns that only lie below a deleted one.");
    t.field::<Bool>("isDeleted", |At(t)| t.graph().is_deleted(t.ix))
        .doc("Whether this turn or one above it is deleted. Lists leave deleted turns out.");
    t.field_with::<PreviewArgs, Part<Str>>("preview", |At(t), args| t.preview(args.chars()))
        .doc("The beginning of the prompt or answer on one line.");
    place_fields(t);
    list_fields(t);
}

/// Where a turn stands in its session.
fn place_fields<T: Entity<V = TurnV>>(t: &mut Type<T>) {
    t.field::<Option<Obj<Turn>>>("parent", |At(t)| {
        t.graph().parent(t.ix).map(|ix| t.session.turn(ix))
    })
    .doc("The turn that this one answers; null for a root.");
    t.field::<Option<Obj<Turn>>>("activeChild", |At(t)| {
        t.graph().active_child(t.ix).map(|ix| t.session.turn(ix))
    })
    .doc("The child that is shown below this turn; null at the end of its branch.");
    t.field::<Int>("depth", |At(t)| count(t.graph().depth(t.ix)))
        .doc("Number of turns above it.");
    t.field::<Int>("siblingIndex", |At(t)| {
        count(t.graph().siblings(t.ix).take_while(|&s| s != t.ix).count())
    })
    .doc("Place among its siblings, from 0: the n of `n + 1 / m`.");
    t.field::<Int>("siblingCount", |At(t)| {
        count(t.graph().siblings(t.ix).count())
    })
    .doc("Number of turns with the same parent, this one included: the m of `n + 1 / m`.");
    t.field::<Int>("childCount", |At(t)| {
        count(t.graph().children(t.ix).count())
    })
    .doc("Number of children that are not deleted.");
    t.field::<Bool>("isOnActivePath", |At(t)| t.graph().is_on_active_path(t.ix))
        .doc("Whether it is on the path that the user sees.");
}

fn list_fields<T: Entity<V = TurnV>>(t: &mut Type<T>) {
    type Listed = Option<Obj<Connection<Turns>>>;
    t.field_with::<ChildrenPage, Listed>("children", |At(t), page| {
        t.listed(t.graph().children(t.ix), page)
    })
    .doc("Its answers or follow-ups, oldest first.");
    t.field_with::<SiblingsPage, Listed>("siblings", |At(t), page| {
        t.listed(t.graph().siblings(t.ix), page)
    })
    .doc("The turns with the same parent, this one included, oldest first.");
    t.field_with::<AncestorsPage, Listed>("ancestors", |At(t), page| {
        Some(page_of_path(t.session, &t.graph().ancestors(t.ix), page))
    })
    .doc("The turns above it, from the root down; `last: 5` are the five nearest.");
}

pub(crate) fn count(n: usize) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX)
}
