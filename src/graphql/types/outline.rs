//! `OutlineNode`: a turn without content, for drawing the whole tree.

use crate::domain::Uid;
use crate::graphql::data::{SessionView, TurnView};
use crate::graphql::engine::{At, Bool, Entity, Failure, Int, Part, Str, Type, View};
use crate::graphql::ids::{Id, IdOf};
use crate::graphql::scalars::{Instant, Role, StepKind, StepType, TurnRole};

use super::connection::{CursorOf, List};
use super::node::Node;
use super::page::{OutlinePage, PageArgs};
use super::turn_fields::{Entries, TurnV, Turns, TurnsOf, TurnsV, count};

/// Characters of a label.
const LABEL_CHARS: usize = 40;

/// A turn without content.
pub(crate) struct OutlineNode;

fn id_of_turn<'a>(session: SessionView<'a>, ix: Option<usize>) -> Option<IdOf<'a>> {
    ix.map(|ix| session.turn(ix).id())
}

impl Entity for OutlineNode {
    const NAME: &'static str = "OutlineNode";
    type V = TurnV;

    fn declare(t: &mut Type<Self>) {
        t.doc("A turn without content, for drawing the whole tree of a session.")
            .implements::<Node>();
        t.field::<Id>("id", |At(t)| {
            let uid: &Uid = &t.row().uid;
            IdOf::of("OutlineNode", uid)
        })
        .doc("Global id: opaque, stable, usable in `node(id:)`.");
        t.field::<Id>("turnId", |At(t)| t.id())
            .doc("Id of the turn.");
        t.field::<Option<Id>>("parentId", |At(t)| {
            id_of_turn(t.session, t.graph().parent(t.ix))
        })
        .doc("Id of the turn above; null for a root.");
        t.field::<Option<Id>>("activeChildId", |At(t)| {
            id_of_turn(t.session, t.graph().active_child(t.ix))
        })
        .doc("Id of the child that is shown.");
        t.field::<Role>("role", |At(t)| {
            if t.is_human() {
                TurnRole::Human
            } else {
                TurnRole::Agent
            }
        })
        .doc("Who speaks.");
        t.field::<Int>("depth", |At(t)| count(t.graph().depth(t.ix)))
            .doc("Number of turns above it.");
        t.field::<Int>("childCount", |At(t)| {
            count(t.graph().children(t.ix).count())
        })
        .doc("Number of children that are not deleted.");
        t.field::<Bool>("isOnActivePath", |At(t)| t.graph().is_on_active_path(t.ix))
            .doc("Whether it is on the path that the user sees.");
        t.field::<Option<Bool>>("liked", |At(t)| t.row().liked)
            .doc("The user's vote on an agent turn.");
        t.field::<Instant>("createdAt", |At(t)| t.row().created_at)
            .doc("When it was written, as its writer says.");
        t.list::<StepKind>("stepTypes", |At(t), push| {
            let mut seen = Vec::new();
            for head in t.heads().unwrap_or_default() {
                let kind = StepType::of(head.tpe);
                if !seen.contains(&kind) {
                    seen.push(kind);
                    push(kind);
                }
            }
        })
        .guard(|At(t)| t.heads().map(drop))
        .doc("Types of its steps, each once, in the order of their first use.");
        t.field::<Part<Str>>("label", |At(t)| label(t))
            .doc("A few words: the beginning of the prompt, or the model that answered.");
    }
}

/// Agent turns are labelled without their steps, so that a whole outline costs no content.
fn label<'a>(turn: TurnView<'a>) -> Result<&'a str, Failure<'a>> {
    if turn.is_human() {
        return turn.preview(LABEL_CHARS);
    }
    Ok(turn.row().model.as_deref().unwrap_or("agent"))
}

/// The turns of a session as an outline.
pub(crate) struct Outline;

/// One page of an outline.
pub(crate) fn outline<'a>(session: SessionView<'a>, args: &OutlinePage) -> TurnsOf<'a> {
    let graph = session.graph();
    let all: Vec<usize> = graph.living().collect();
    let page = args.slice(all.len(), |place| graph.turn(all[place]).seq.into());
    let places = session.env.keep(all[page.start..page.end].iter().copied());
    TurnsOf {
        entries: Entries::OfSession(session, args.list(), places),
        has_next: page.has_next,
        has_previous: page.has_previous,
    }
}

impl List for Outline {
    const CONNECTION: &'static str = "OutlineConnection";
    const EDGE: &'static str = "OutlineEdge";
    const DOC: &'static str = "A page of an outline.";
    type Node = OutlineNode;
    type Page = TurnsV;

    fn each<'a>(of: TurnsOf<'a>, push: &mut dyn FnMut((CursorOf<'a>, TurnView<'a>))) {
        Turns::each(of, push);
    }

    fn more(of: <TurnsV as View>::Of<'_>) -> (bool, bool) {
        (of.has_next, of.has_previous)
    }
}
