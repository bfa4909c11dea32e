//! Messages with ids and parents become a forest in reading order, whatever the ids say.
//!
//! Two passes: all ids first, then the links, since children may stand before their parents. Every
//! walk is iterative. Technical nodes are left out and their children move up to the nearest
//! ancestor that is kept.

use std::collections::HashMap;

use crate::transfer::conversation::{Body, Message};

/// A message in its place.
#[derive(Debug)]
pub(in crate::transfer) struct Node {
    /// The message.
    pub message: Message,
    /// Place of its parent, which stands before it.
    pub parent: Option<usize>,
}

/// Messages in their places.
#[derive(Debug, Default)]
pub(in crate::transfer) struct Forest {
    /// The messages that are kept, parents before children.
    pub nodes: Vec<Node>,
    /// For technical messages the place of the nearest kept message above.
    pub moved: HashMap<String, usize>,
}

/// What linking had to leave out or put right, by id.
#[derive(Debug, Default)]
pub(in crate::transfer) struct Notes {
    /// Nodes that are not kept: id, whether they are merely technical, and why.
    pub dropped: Vec<(String, &'static str)>,
    /// What was put right; without an id it is about the conversation.
    pub repaired: Vec<(Option<String>, String)>,
}

impl Notes {
    pub(super) fn repair(&mut self, id: &str, reason: impl Into<String>) {
        self.repaired.push((Some(id.to_owned()), reason.into()));
    }
}

/// Links messages: parents before children, siblings in the order in which they were given.
pub(in crate::transfer) fn link(messages: Vec<Message>, notes: &mut Notes) -> Forest {
    let (messages, by_id) = unique(messages, notes);
    let mut parent = parents(&messages, &by_id, notes);
    cut_cycles(&messages, &mut parent, notes);
    let order = preorder(&parent);
    keep(messages, &parent, &order, notes)
}

/// Gives every message an id of its own. The second of two equal messages is left out; one that
/// only has the id of another is kept under a new one.
fn unique(messages: Vec<Message>, notes: &mut Notes) -> (Vec<Message>, HashMap<String, usize>) {
    let mut kept: Vec<Message> = Vec::with_capacity(messages.len());
    let mut by_id: HashMap<String, usize> = HashMap::with_capacity(messages.len());
    for mut message in messages {
        if let Some(&first) = by_id.get(&message.id) {
            if kept[first] == message {
                notes
                    .dropped
                    .push((message.id, "the same message stands there twice"));
                continue;
            }
            let id = (2..)
                .map(|n| format!("{}~{n}", message.id))
                .find(|id| !by_id.contains_key(id))
                .expect("one of endless numbers is free");
            let reason = format!("its id is that of another message; kept as {id}");
            notes.repair(&message.id, reason);
            message.id = id;
        }
        by_id.insert(message.id.clone(), kept.len());
        kept.push(message);
    }
    (kept, by_id)
}

fn parents(
    messages: &[Message],
    by_id: &HashMap<String, usize>,
    notes: &mut Notes,
) -> Vec<Option<usize>> {
    let mut found = Vec::with_capacity(messages.len());
    for message in messages {
        let parent = message.parent.as_ref();
        let ix = parent.and_then(|parent| by_id.get(parent).copied());
        if let (Some(parent), None) = (parent, ix) {
            let reason = format!("its parent {parent} is not there; it became a root");
            notes.repair(&message.id, reason);
        }
        found.push(ix);
    }
    found
}

/// Makes a root of the first message of every cycle.
fn cut_cycles(messages: &[Message], parent: &mut [Option<usize>], notes: &mut Notes) {
    const UNSEEN: usize = usize::MAX;
    // Each message is walked once: meeting the own mark closes a cycle.
    let mut mark = vec![UNSEEN; messages.len()];
    for start in 0..messages.len() {
        let mut at = Some(start);
        while let Some(ix) = at.filter(|&ix| mark[ix] == UNSEEN) {
            mark[ix] = start;
            at = parent[ix];
        }
        let Some(meeting) = at.filter(|&ix| mark[ix] == start) else {
            continue;
        };
        let (mut first, mut ix) = (meeting, parent[meeting]);
        while let Some(next) = ix.filter(|&next| next != meeting) {
            first = first.min(next);
            ix = parent[next];
        }
        parent[first] = None;
        let reason = "it is its own ancestor; the cycle was cut here and it became a root";
        notes.repair(&messages[first].id, reason);
    }
}

/// Places of all messages, depth first.
fn preorder(parent: &[Option<usize>]) -> Vec<usize> {
    let mut children = vec![Vec::new(); parent.len()];
    let mut stack = Vec::new();
    for (ix, parent) in parent.iter().enumerate() {
        match parent {
            Some(parent) => children[*parent].push(ix),
            None => stack.push(ix),
        }
    }
    stack.reverse();
    let mut order = Vec::with_capacity(parent.len());
    while let Some(ix) = stack.pop() {
        order.push(ix);
        stack.extend(children[ix].iter().rev());
    }
    order
}

fn keep(
    messages: Vec<Message>,
    parent: &[Option<usize>],
    order: &[usize],
    notes: &mut Notes,
) -> Forest {
    let mut messages: Vec<Option<Message>> = messages.into_iter().map(Some).collect();
    // For every message its own place among the kept ones, or that of its nearest kept ancestor.
    let mut place: Vec<Option<usize>> = vec![None; messages.len()];
    let mut forest = Forest::default();
    for &ix in order {
        let message = messages[ix].take().expect("every message is visited once");
        let parent = parent[ix].and_then(|parent| place[parent]);
        if let Body::Technical(why) = message.body {
            if let Some(parent) = parent {
                forest.moved.insert(message.id.clone(), parent);
            }
            notes.dropped.push((message.id, why));
            place[ix] = parent;
            continue;
        }
        place[ix] = Some(forest.nodes.len());
        forest.nodes.push(Node { message, parent });
    }
    forest
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message(id: &str, parent: Option<&str>, body: Body) -> Message {
        Message::new(id.to_owned(), parent.map(Into::into), body)
    }

    fn human(id: &str, parent: Option<&str>) -> Message {
        message(id, parent, Body::Human(String::new()))
    }

    fn linked(messages: Vec<Message>) -> (Vec<(String, Option<usize>)>, Notes) {
        let mut notes = Notes::default();
        let forest = link(messages, &mut notes);
        let nodes = forest
            .nodes
            .into_iter()
            .map(|n| (n.message.id, n.parent))
            .collect();
        (nodes, notes)
    }

    #[test]
    fn children_before_parents_and_technical_nodes_in_between_are_linked() {
        let hidden = message("h", Some("r"), Body::Technical("hidden"));
        let (nodes, notes) = linked(vec![
            human("b", Some("h")),
            hidden,
            human("a", Some("h")),
            message("r", None, Body::Technical("root")),
        ]);
        assert_eq!(nodes, [("b".to_owned(), None), ("a".to_owned(), None)]);
        assert_eq!(notes.dropped.len(), 2);
        assert!(notes.repaired.is_empty());
    }

    #[test]
    fn orphans_cycles_and_duplicate_ids_are_put_right_and_nothing_is_lost() {
        let mut twin = human("a", None);
        twin.body = Body::Human("other".to_owned());
        let (nodes, notes) = linked(vec![
            human("a", Some("gone")),
            human("a", Some("gone")),
            twin,
            human("x", Some("z")),
            human("y", Some("x")),
            human("z", Some("y")),
            human("s", Some("s")),
        ]);
        let ids: Vec<_> = nodes
            .iter()
            .map(|(id, parent)| (id.as_str(), *parent))
            .collect();
        let of = [
            ("a", None),
            ("a~2", None),
            ("x", None),
            ("y", Some(2)),
            ("z", Some(3)),
            ("s", None),
        ];
        assert_eq!(ids, of);
        assert_eq!(notes.dropped.len(), 1);
        assert_eq!(notes.repaired.len(), 4);
    }

    #[test]
    fn a_chain_of_a_hundred_thousand_messages_is_linked() {
        let chain = (0..100_000).rev().map(|n: u32| {
            human(
                &n.to_string(),
                n.checked_sub(1).map(|n| n.to_string()).as_deref(),
            )
        });
        let (nodes, _) = linked(chain.collect());
        assert!(
            nodes
                .iter()
                .enumerate()
                .all(|(ix, (_, parent))| *parent == ix.checked_sub(1))
        );
    }

    proptest! {
        #[test]
        fn every_message_is_kept_or_dropped_once_and_parents_stand_first(
            links in prop::collection::vec((0..12u8, prop::option::of(0..14u8), any::<bool>()), 0..16)
        ) {
            let count = links.len();
            let messages = links.into_iter().map(|(id, parent, technical)| {
                let body = match technical {
                    true => Body::Technical("x"),
                    false => Body::Human(format!("{id}{parent:?}")),
                };
                message(&id.to_string(), parent.map(|p| p.to_string()).as_deref(), body)
            });
            let (nodes, notes) = linked(messages.collect());
            prop_assert_eq!(nodes.len() + notes.dropped.len(), count);
            for (ix, (_, parent)) in nodes.iter().enumerate() {
                prop_assert!(parent.is_none_or(|parent| parent < ix));
            }
        }
    }
}
