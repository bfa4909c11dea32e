//! `Branch`: a continuation of a conversation, named by its last turn.

use crate::domain::Timestamp;
use crate::domain::graph::Branch as GraphBranch;
use crate::domain::preview::title_turn;
use crate::graphql::data::{SessionView, TurnView};
use crate::graphql::engine::{At, Bool, Entity, Failure, Int, Obj, Part, Str, Type, View};
use crate::graphql::ids::{Id, IdOf};
use crate::graphql::scalars::Instant;

use super::connection::{Connection, CursorOf, List};
use super::node::Node;
use super::page::{BranchPage, PageArgs};
use super::turn::Turn;
use super::turn_fields::{PreviewArgs, count};

/// A branch while it is written.
#[derive(Clone, Copy)]
pub(crate) struct BranchOf<'a> {
    pub(crate) leaf: TurnView<'a>,
}

impl<'a> BranchOf<'a> {
    /// What the graph says of it; walks up the branch, so it is asked only where it is shown.
    fn branch(self) -> GraphBranch {
        self.leaf.graph().branch(self.leaf.ix)
    }

    fn updated_at(self) -> Timestamp {
        let leaf = self.leaf.row();
        leaf.finished_at
            .map_or(leaf.created_at, |done| done.max(leaf.created_at))
    }
}

/// The family of branches.
pub(crate) struct BranchV;

impl View for BranchV {
    type Of<'a> = BranchOf<'a>;
}

/// A continuation of a conversation.
pub(crate) struct Branch;

impl Entity for Branch {
    const NAME: &'static str = "Branch";
    type V = BranchV;

    fn declare(t: &mut Type<Self>) {
        t.doc("A path from a root to a turn without children, named by that turn.")
            .implements::<Node>();
        t.field::<Id>("id", |At(b)| IdOf::of("Branch", &b.leaf.row().uid))
            .doc("Global id: opaque, usable in `node(id:)` while the leaf has no children.");
        t.field::<Obj<Turn>>("leaf", |At(b)| b.leaf)
            .doc("Its last turn.");
        t.field::<Option<Obj<Turn>>>("forkPoint", |At(b)| {
            let fork_point = b.branch().fork_point;
            fork_point.map(|ix| b.leaf.session.turn(ix))
        })
        .doc("The nearest turn above with more than one child; null when its path never forks.");
        t.field::<Int>("length", |At(b)| count(b.leaf.graph().depth(b.leaf.ix) + 1))
            .doc("Number of turns from the root to the leaf.");
        t.field::<Bool>("isActive", |At(b)| {
            b.leaf.graph().active_leaf() == Some(b.leaf.ix)
        })
        .doc("Whether it is the path that the user sees.");
        t.field::<Instant>("updatedAt", |At(b)| b.updated_at())
            .doc("When its leaf was finished.");
        t.field_with::<PreviewArgs, Part<Str>>("title", |At(b), args| title(b, args))
            .doc("The beginning of the first turn that sets it apart, on one line.");
    }
}

fn title<'a>(branch: BranchOf<'a>, args: &PreviewArgs) -> Result<&'a str, Failure<'a>> {
    let turn = title_turn(branch.leaf.graph(), &branch.branch());
    branch.leaf.session.turn(turn).preview(args.chars())
}

/// A page of branches while it is written.
#[derive(Clone, Copy)]
pub(crate) struct BranchesOf<'a> {
    session: SessionView<'a>,
    /// The leaves.
    page: &'a [usize],
    has_next: bool,
    has_previous: bool,
}

/// The family of pages of branches.
pub(crate) struct BranchesV;

impl View for BranchesV {
    type Of<'a> = BranchesOf<'a>;
}

/// The branches of a session, in the order of their leaves.
pub(crate) struct Branches;

/// One page of the branches.
pub(crate) fn branches<'a>(session: SessionView<'a>, page: &BranchPage) -> BranchesOf<'a> {
    let graph = session.graph();
    let leaves: Vec<usize> = graph
        .living()
        .filter(|&ix| graph.children(ix).next().is_none())
        .collect();
    let page = page.slice(leaves.len(), |place| graph.turn(leaves[place]).seq.into());
    BranchesOf {
        session,
        page: session
            .env
            .keep(leaves[page.start..page.end].iter().copied()),
        has_next: page.has_next,
        has_previous: page.has_previous,
    }
}

impl List for Branches {
    const CONNECTION: &'static str = "BranchConnection";
    const EDGE: &'static str = "BranchEdge";
    const DOC: &'static str = "A page of branches.";
    type Node = Branch;
    type Page = BranchesV;

    fn each<'a>(of: BranchesOf<'a>, push: &mut dyn FnMut((CursorOf<'a>, BranchOf<'a>))) {
        let graph = of.session.graph();
        for &leaf in of.page {
            let cursor = CursorOf::Place(BranchPage::LIST, graph.turn(leaf).seq.into());
            let leaf = of.session.turn(leaf);
            push((cursor, BranchOf { leaf }));
        }
    }

    fn more(of: BranchesOf<'_>) -> (bool, bool) {
        (of.has_next, of.has_previous)
    }

    fn declare_more(t: &mut Type<Connection<Self>>) {
        t.field::<Int>("totalCount", |At(of)| {
            let graph = of.session.graph();
            count(
                graph
                    .living()
                    .filter(|&ix| graph.children(ix).next().is_none())
                    .count(),
            )
        })
        .doc("Number of branches on all pages.");
    }
}
