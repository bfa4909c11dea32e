//! Which turns of a real session stand for the placeholders of the ready operations.
//!
//! Pure: whoever serves the list has the graphs, and takes the first session that fits.

use std::collections::BTreeMap;

use crate::domain::graph::Ix;
use crate::domain::{SessionGraph, TurnRole, Uid};

/// What the placeholders of [`super::examples::PLACEHOLDERS`] that speak of one session stand for
/// in this one, by name. `None` unless it has a turn with siblings and children, two branches, and
/// a prompt and an answer on its active path.
pub fn ids_of(session: &Uid, graph: &SessionGraph) -> Option<BTreeMap<&'static str, String>> {
    let path = graph.active_path();
    let spoken_by = |role| path.iter().copied().find(|&ix| graph.turn(ix).role == role);
    let leaf_a = graph.active_leaf()?;
    let branches = graph.branches();
    let leaf_b = branches
        .iter()
        .map(|it| it.leaf)
        .find(|&leaf| leaf != leaf_a)?;
    // The active path first: there, what an example shows is what the other examples show.
    let forks =
        |ix: &Ix| graph.siblings(*ix).nth(1).is_some() && graph.children(*ix).next().is_some();
    let sibling = path.iter().copied().chain(graph.living()).find(forks)?;
    let turn = |ix| global_id(graph, ix);
    Some(BTreeMap::from([
        ("demo.session", format!("Session:{session}")),
        ("demo.session_uid", session.to_string()),
        ("demo.sibling", turn(sibling)),
        ("demo.leaf_a", turn(leaf_a)),
        ("demo.leaf_b", turn(leaf_b)),
        ("demo.human_turn", turn(spoken_by(TurnRole::Human)?)),
        ("demo.agent_turn", turn(spoken_by(TurnRole::Agent)?)),
    ]))
}

/// The id by which the API names a turn.
fn global_id(graph: &SessionGraph, ix: Ix) -> String {
    let turn = graph.turn(ix);
    match turn.role {
        TurnRole::Human => format!("HumanTurn:{}", turn.uid),
        TurnRole::Agent => format!("AgentTurn:{}", turn.uid),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Timestamp, TurnRow};
    use crate::http::examples::PLACEHOLDERS;

    /// Rows `(key, parent)` in the order of `seq`; keys of prompts begin with `h`.
    fn graph(rows: &[(&str, Option<&str>)]) -> SessionGraph {
        let row = |(at, &(uid, parent)): (usize, &(&str, Option<&str>))| TurnRow {
            uid: Uid::stored(uid),
            role: if uid.starts_with('h') {
                TurnRole::Human
            } else {
                TurnRole::Agent
            },
            parent_uid: parent.map(Uid::stored),
            active_child: None,
            seq: at as i32,
            created_at: Timestamp(0),
            deleted_at: None,
            liked: None,
            model: None,
            status: None,
            finished_at: None,
            usage: None,
            rev: 1,
        };
        SessionGraph::build(rows.iter().enumerate().map(row).collect(), None)
    }

    fn ids(rows: &[(&str, Option<&str>)]) -> Option<BTreeMap<&'static str, String>> {
        ids_of(&Uid::stored("s"), &graph(rows))
    }

    #[test]
    fn a_session_with_branches_gives_an_id_for_every_placeholder_of_its_own() {
        let found = ids(&[
            ("h1", None),
            ("a1", Some("h1")),
            ("a2", Some("h1")),
            ("h2", Some("a1")),
            ("h3", Some("a2")),
        ]);
        let expected = [
            ("demo.agent_turn", "AgentTurn:a2"),
            ("demo.human_turn", "HumanTurn:h1"),
            ("demo.leaf_a", "HumanTurn:h3"),
            ("demo.leaf_b", "HumanTurn:h2"),
            ("demo.session", "Session:s"),
            ("demo.session_uid", "s"),
            ("demo.sibling", "AgentTurn:a2"),
        ];
        let expected = expected.map(|(name, id)| (name, id.to_owned()));
        assert_eq!(found, Some(BTreeMap::from(expected)));
    }

    #[test]
    fn only_what_no_single_session_has_is_left_open() {
        let found = ids(&[
            ("h1", None),
            ("a1", Some("h1")),
            ("h2", Some("a1")),
            ("a2", Some("h1")),
        ])
        .unwrap();
        let open: Vec<_> = PLACEHOLDERS
            .map(|(name, _)| name)
            .into_iter()
            .filter(|name| !found.contains_key(name))
            .collect();
        assert_eq!(open, ["demo.steps_session", "demo.word"]);
        assert_eq!(
            found["demo.sibling"], "AgentTurn:a1",
            "off the active path if need be"
        );
    }

    #[test]
    fn a_session_without_branches_does_not_fit() {
        assert_eq!(ids(&[]), None);
        assert_eq!(ids(&[("h1", None), ("a1", Some("h1"))]), None);
    }
}
