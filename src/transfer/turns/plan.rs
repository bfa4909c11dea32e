//! Which turns a forest of messages becomes: runs of agent messages, and gaps filled.

use std::collections::HashMap;

use super::tree::{Forest, Node, Notes};
use crate::domain::TurnRole;
use crate::transfer::conversation::{Body, Message};

/// Messages that may be copied into the paths of one conversation's agent turns. Real runs that
/// fork share a handful; a file made to explode is refused.
const PATHS_MAX: usize = 200_000;

/// A turn to be made.
#[derive(Debug)]
pub(in crate::transfer) struct Planned {
    /// Human or agent.
    pub role: TurnRole,
    /// Place of the parent in the plan.
    pub parent: Option<usize>,
    /// What its key is derived from, unique in the conversation.
    pub key: String,
    /// Messages that it consists of, in order.
    pub path: Vec<usize>,
    /// Those of them that no earlier turn has.
    pub own: Vec<usize>,
    /// It is in no source: it fills a gap.
    pub synthetic: bool,
}

/// The turns of a conversation, parents before children.
#[derive(Debug)]
pub(in crate::transfer) struct Plan {
    nodes: Vec<Node>,
    /// Places of messages; a technical one stands for the message above it.
    by_id: HashMap<String, usize>,
    /// Turn that each message went into first.
    owner: Vec<Option<usize>>,
    /// The turns.
    pub turns: Vec<Planned>,
}

impl Plan {
    /// Plans turns for nodes, of which parents stand before children.
    pub(in crate::transfer) fn of(forest: Forest, notes: &mut Notes) -> Result<Self, String> {
        let Forest {
            nodes,
            moved: mut by_id,
        } = forest;
        let kept = nodes.iter().enumerate();
        by_id.extend(kept.map(|(ix, node)| (node.message.id.clone(), ix)));
        let mut planner = Planner::over(&nodes);
        for (ix, node) in nodes.iter().enumerate() {
            match node.message.body {
                Body::Human(_) => planner.human(ix, notes),
                _ => planner.agent(ix, notes)?,
            }
        }
        let Planner { owner, turns, .. } = planner;
        Ok(Self {
            nodes,
            by_id,
            owner,
            turns,
        })
    }

    /// A message.
    pub(in crate::transfer) fn message(&self, ix: usize) -> &Message {
        &self.nodes[ix].message
    }

    /// All messages.
    pub(in crate::transfer) fn messages(&self) -> impl Iterator<Item = &Message> {
        self.nodes.iter().map(|node| &node.message)
    }

    /// The first prompt that is not blank.
    pub(in crate::transfer) fn first_prompt(&self) -> Option<&str> {
        self.messages().find_map(|message| match &message.body {
            Body::Human(prompt) if !prompt.trim().is_empty() => Some(prompt.as_str()),
            _ => None,
        })
    }

    /// The turn that holds a message.
    pub(in crate::transfer) fn turn_of(&self, id: &str) -> Option<usize> {
        self.owner[*self.by_id.get(id)?]
    }

    /// Place of a turn among its siblings by quality.
    pub(in crate::transfer) fn rank(&self, turn: usize) -> Option<f64> {
        let own = self.turns[turn].own.iter();
        own.filter_map(|&ix| self.message(ix).rank).next()
    }
}

struct Planner<'a> {
    nodes: &'a [Node],
    has_agent_child: Vec<bool>,
    has_human_child: Vec<bool>,
    owner: Vec<Option<usize>>,
    /// Turn that ends with each agent message, or is each human message.
    ends: Vec<Option<usize>>,
    /// Turn that fills the gap below a human message or above an agent message.
    gap: Vec<Option<usize>>,
    turns: Vec<Planned>,
    copied: usize,
}

impl<'a> Planner<'a> {
    fn over(nodes: &'a [Node]) -> Self {
        let mut has_agent_child = vec![false; nodes.len()];
        let mut has_human_child = vec![false; nodes.len()];
        for node in nodes {
            if let Some(parent) = node.parent {
                match node.message.body {
                    Body::Human(_) => has_human_child[parent] = true,
                    _ => has_agent_child[parent] = true,
                }
            }
        }
        Self {
            nodes,
            has_agent_child,
            has_human_child,
            owner: vec![None; nodes.len()],
            ends: vec![None; nodes.len()],
            gap: vec![None; nodes.len()],
            turns: Vec::new(),
            copied: 0,
        }
    }

    fn is_human(&self, ix: usize) -> bool {
        matches!(self.nodes[ix].message.body, Body::Human(_))
    }

    fn push(&mut self, turn: Planned) -> usize {
        self.turns.push(turn);
        self.turns.len() - 1
    }

    /// A turn of `role` that is in no source, once for the message `at`.
    fn fill(&mut self, at: usize, role: TurnRole, parent: Option<usize>) -> usize {
        if let Some(turn) = self.gap[at] {
            return turn;
        }
        let turn = self.push(Planned {
            role,
            parent,
            key: format!("gap\u{1f}{}", self.nodes[at].message.id),
            path: Vec::new(),
            own: Vec::new(),
            synthetic: true,
        });
        self.gap[at] = Some(turn);
        turn
    }

    fn human(&mut self, ix: usize, notes: &mut Notes) {
        let id = &self.nodes[ix].message.id;
        let parent = self.nodes[ix]
            .parent
            .map(|parent| match self.is_human(parent) {
                false => self.ends[parent].expect("a message with a human child ends a turn"),
                true => {
                    let reason = "it follows another prompt; an empty answer was put in between";
                    notes.repair(id, reason);
                    self.fill(parent, TurnRole::Agent, self.ends[parent])
                }
            });
        let turn = self.push(Planned {
            role: TurnRole::Human,
            parent,
            key: id.clone(),
            path: vec![ix],
            own: vec![ix],
            synthetic: false,
        });
        (self.owner[ix], self.ends[ix]) = (Some(turn), Some(turn));
    }

    /// An agent turn where a path through a run of agent messages ends: at its leaves, and where
    /// a prompt follows.
    fn agent(&mut self, ix: usize, notes: &mut Notes) -> Result<(), String> {
        if self.has_agent_child[ix] && !self.has_human_child[ix] {
            return Ok(());
        }
        let mut path = vec![ix];
        let mut above = self.nodes[ix].parent;
        while let Some(parent) = above.filter(|&parent| !self.is_human(parent)) {
            path.push(parent);
            above = self.nodes[parent].parent;
        }
        path.reverse();
        self.copied += path.len();
        if self.copied > PATHS_MAX {
            let reason = "its answers fork so often that it cannot be told in turns";
            return Err(reason.to_owned());
        }
        let first = path[0];
        let parent = match above {
            Some(human) => self.ends[human].expect("a human message is a turn"),
            None => {
                let id = &self.nodes[first].message.id;
                if self.gap[first].is_none() {
                    notes.repair(id, "no prompt stands before it; an empty one was put there");
                }
                self.fill(first, TurnRole::Human, None)
            }
        };
        let own: Vec<usize> = path
            .iter()
            .copied()
            .filter(|&ix| self.owner[ix].is_none())
            .collect();
        let turn = self.turns.len();
        for &ix in &own {
            self.owner[ix] = Some(turn);
        }
        // The first message that this path has for itself names it: it stays the same when a
        // later export goes on from here.
        let named = *own
            .first()
            .expect("the end of a path is in no turn before it");
        self.push(Planned {
            role: TurnRole::Agent,
            parent: Some(parent),
            key: self.nodes[named].message.id.clone(),
            path,
            own,
            synthetic: false,
        });
        self.ends[ix] = Some(turn);
        Ok(())
    }
}
