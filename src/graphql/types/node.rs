//! `Node`: everything with a global id.

use crate::graphql::data::{SessionView, StepView, TurnView};
use crate::graphql::engine::{At, Entity, Kind, Type, View};
use crate::graphql::ids::{Id, IdOf};

use super::account::{Account, AccountOf};
use super::branch::{Branch, BranchOf};
use super::outline::OutlineNode;
use super::session::Session;
use super::step::content;
use super::turn::{AgentTurn, HumanTurn, agent, human};

/// Any node.
#[derive(Clone, Copy)]
pub(crate) enum NodeOf<'a> {
    Account(AccountOf<'a>),
    Session(SessionView<'a>),
    Turn(TurnView<'a>),
    Step(StepView<'a>),
    Branch(BranchOf<'a>),
    Outline(TurnView<'a>),
}

/// The family of nodes.
pub(crate) struct NodeV;

impl View for NodeV {
    type Of<'a> = NodeOf<'a>;
}

/// The interface.
pub(crate) struct Node;

impl Entity for Node {
    const NAME: &'static str = "Node";
    const KIND: Kind = Kind::Interface;
    type V = NodeV;

    fn declare(t: &mut Type<Self>) {
        t.doc("Everything that has a global id and can be fetched again by `node(id:)`.");
        // Values of an interface are written by their own type, so this is never called.
        t.field::<Id>("id", |At(node)| match node {
            NodeOf::Account(a) => IdOf::of("Account", a.uid),
            NodeOf::Session(s) => IdOf::of("Session", &s.row().uid),
            NodeOf::Turn(t) => t.id(),
            NodeOf::Step(s) => s.id(),
            NodeOf::Branch(b) => IdOf::of("Branch", &b.leaf.row().uid),
            NodeOf::Outline(t) => IdOf::of("OutlineNode", &t.row().uid),
        })
        .doc("Global id: opaque, stable, usable in `node(id:)`.");
        t.possible::<Account>(|At(node)| match node {
            NodeOf::Account(account) => Some(account),
            _ => None,
        });
        t.possible::<Session>(|At(node)| match node {
            NodeOf::Session(session) => Some(session),
            _ => None,
        });
        t.possible::<HumanTurn>(|At(node)| match node {
            NodeOf::Turn(turn) => human(At(turn)),
            _ => None,
        });
        t.possible::<AgentTurn>(|At(node)| match node {
            NodeOf::Turn(turn) => agent(At(turn)),
            _ => None,
        });
        t.possible::<Branch>(|At(node)| match node {
            NodeOf::Branch(branch) => Some(branch),
            _ => None,
        });
        t.possible::<OutlineNode>(|At(node)| match node {
            NodeOf::Outline(turn) => Some(turn),
            _ => None,
        });
        content::possible_steps(t, |At(node)| match node {
            NodeOf::Step(step) => Some(step),
            _ => None,
        });
    }
}
