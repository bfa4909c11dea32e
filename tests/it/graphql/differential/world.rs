//! The sessions of [`Api::conversation`](super::super::api::Api::conversation), known by heart,
//! and what every field of them is.

use std::collections::BTreeMap;

use apollo_compiler::ast::Value as Written;
use serde_json::{Value, json};

const START: &str = "2026-01-01T00:00:00.000Z";

/// Key within the session, parent, text, whether a person wrote it, whether it is shown.
const TURNS: [(&str, Option<usize>, &str, bool, bool); 6] = [
    ("q1", None, "first question", true, true),
    ("a1", Some(0), "first answer", false, false),
    ("a2", Some(0), "better answer", false, true),
    ("q2", Some(2), "second question", true, true),
    ("a3", Some(3), "last answer", false, true),
    ("q3", None, "another beginning", true, false),
];
const ACTIVE_PATH: [usize; 4] = [0, 2, 3, 4];

/// Place of a turn: its session's key and its number.
type At = (&'static str, usize);
type Arguments<'a> = BTreeMap<&'a str, &'a Written>;

#[derive(Clone)]
pub(super) enum Object {
    Query,
    Account,
    Session(&'static str),
    Turn(At),
    Step(At),
    Branch(At),
    Outline(At),
    List(Box<List>),
    Edge(&'static str, String, Box<Object>),
    PageInfo(Box<List>),
    Count(usize, bool),
    Diff(At, At),
}

#[derive(Clone)]
pub(super) struct List {
    of: &'static str,
    entries: Vec<(String, Object)>,
    next: bool,
    previous: bool,
    total: usize,
}

pub(super) enum Resolved {
    Leaf(Value),
    Object(Object),
    List(Vec<Resolved>),
    Failed,
}

use Resolved::{Failed, Leaf};

fn maybe(object: Option<Object>) -> Resolved {
    object.map_or(Leaf(Value::Null), Resolved::Object)
}

fn one(object: Object) -> Resolved {
    Resolved::Object(object)
}

fn text<'a>(arguments: &Arguments<'a>, name: &str) -> Option<&'a str> {
    arguments.get(name).and_then(|value| value.as_str())
}

fn number(arguments: &Arguments<'_>, name: &str) -> Option<usize> {
    let value = arguments.get(name)?.to_i32()?;
    usize::try_from(value).ok()
}

impl Object {
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Query => "Query",
            Self::Account => "Account",
            Self::Session(_) => "Session",
            Self::Turn((_, n)) if TURNS[*n].3 => "HumanTurn",
            Self::Turn(_) => "AgentTurn",
            Self::Step(_) => "TextStep",
            Self::Branch(_) => "Branch",
            Self::Outline(_) => "OutlineNode",
            Self::List(list) => match list.of {
                "Turn" => "TurnConnection",
                "Step" => "StepConnection",
                "Branch" => "BranchConnection",
                "Outline" => "OutlineConnection",
                _ => "SessionConnection",
            },
            Self::Edge(of, ..) => match *of {
                "Turn" => "TurnEdge",
                "Step" => "StepEdge",
                "Branch" => "BranchEdge",
                "Outline" => "OutlineEdge",
                _ => "SessionEdge",
            },
            Self::PageInfo(_) => "PageInfo",
            Self::Count(..) => "CountResult",
            Self::Diff(..) => "BranchDiff",
        }
    }
}

fn uid((session, n): At) -> String {
    format!("{session}-{}", TURNS[n].0)
}

fn turn_id(at: At) -> String {
    format!("{}:{}", Object::Turn(at).type_name(), uid(at))
}

fn children(parent: Option<usize>) -> Vec<usize> {
    (0..TURNS.len()).filter(|&n| TURNS[n].1 == parent).collect()
}

fn ancestors(n: usize) -> Vec<usize> {
    let mut above: Vec<usize> = std::iter::successors(TURNS[n].1, |&p| TURNS[p].1).collect();
    above.reverse();
    above
}

/// From the root through the turn down to the newest of the newest.
fn path(n: usize) -> Vec<usize> {
    let mut path = ancestors(n);
    path.push(n);
    while let Some(&next) = children(path.last().copied()).last() {
        path.push(next);
    }
    path
}

fn content(n: usize) -> Value {
    json!({"text": TURNS[n].2})
}

/// A page by the definition: what lies between the cursors, then so many from one end.
fn page(
    (of, field): (&'static str, &str),
    all: Vec<(usize, Object)>,
    arguments: &Arguments<'_>,
) -> Object {
    let place = |cursor: &str| cursor.split_once(':').unwrap().1.parse::<usize>().unwrap();
    let cursor = |name| text(arguments, name).map(place);
    let (after, before) = (cursor("after"), cursor("before"));
    let mut between: Vec<usize> = (0..all.len())
        .filter(|&i| after.is_none_or(|c| all[i].0 > c) && before.is_none_or(|c| all[i].0 < c))
        .collect();
    // Where nothing is left, the page is an empty one after the cursor.
    let start = all
        .iter()
        .filter(|(c, _)| after.is_some_and(|a| *c <= a))
        .count();
    let end = all
        .iter()
        .filter(|(c, _)| before.is_none_or(|b| *c < b))
        .count()
        .max(start);
    let (mut first_left, mut last_left) = (start, end);
    if let Some(first) = number(arguments, "first") {
        between.truncate(first);
        last_left = end.min(start + first);
    }
    if let Some(last) = number(arguments, "last") {
        between = between.split_off(between.len().saturating_sub(last));
        first_left = start.max(end.saturating_sub(last));
    }
    let total = all.len();
    let entries = between
        .iter()
        .map(|&i| (format!("{field}:{}", all[i].0), all[i].1.clone()))
        .collect();
    Object::List(Box::new(List {
        of,
        entries,
        next: last_left < total,
        previous: first_left > 0,
        total,
    }))
}

/// The world.
pub(super) struct World {
    sessions: Vec<&'static str>,
}

impl World {
    pub(super) fn of(sessions: &[&'static str]) -> Self {
        Self {
            sessions: sessions.to_vec(),
        }
    }

    fn session(&self, key: &str) -> Option<Object> {
        self.sessions
            .iter()
            .find(|s| **s == key)
            .map(|s| Object::Session(s))
    }

    fn turn(&self, key: &str) -> Option<At> {
        let all = self
            .sessions
            .iter()
            .flat_map(|s| (0..TURNS.len()).map(move |n| (*s, n)));
        all.into_iter().find(|at| uid(*at) == key)
    }

    fn turn_by_id(&self, id: &str) -> Option<At> {
        let (kind, key) = id.split_once(':')?;
        self.turn(key)
            .filter(|_| matches!(kind, "HumanTurn" | "AgentTurn"))
    }

    fn node(&self, id: &str) -> Option<Object> {
        let (kind, key) = id.split_once(':')?;
        match kind {
            "Account" => (key == "account").then_some(Object::Account),
            "Session" => self.session(key),
            "Branch" => self
                .turn(key)
                .filter(|at| children(Some(at.1)).is_empty())
                .map(Object::Branch),
            "OutlineNode" => self.turn(key).map(Object::Outline),
            "Step" => {
                let at = self.turn(key.strip_suffix(":0")?)?;
                (!TURNS[at.1].3).then_some(Object::Step(at))
            }
            _ => self
                .turn_by_id(id)
                .map(Object::Turn)
                .filter(|turn| turn.type_name() == kind),
        }
    }

    pub(super) fn resolve(
        &self,
        object: &Object,
        field: &str,
        arguments: &Arguments<'_>,
    ) -> Resolved {
        match object {
            Object::Query => self.query(field, arguments),
            Object::Account => match field {
                "id" => Leaf(json!("Account:account")),
                "uid" => Leaf(json!("account")),
                _ => one(self.list_of_sessions(arguments)),
            },
            Object::Session(key) => session(key, field, arguments),
            Object::Turn(at) => turn(*at, field, arguments),
            Object::Step((s, n)) => step((s, *n), field, arguments),
            Object::Branch(at) => branch(*at, field),
            Object::Outline(at) => outline(*at, field),
            Object::List(list) => connection(list, field, arguments),
            Object::Edge(_, cursor, node) => match field {
                "cursor" => Leaf(json!(cursor)),
                _ => one((**node).clone()),
            },
            Object::PageInfo(list) => Leaf(match field {
                "hasNextPage" => json!(list.next),
                "hasPreviousPage" => json!(list.previous),
                "startCursor" => json!(list.entries.first().map(|e| &e.0)),
                _ => json!(list.entries.last().map(|e| &e.0)),
            }),
            Object::Count(count, exact) => Leaf(if field == "count" {
                json!(count)
            } else {
                json!(exact)
            }),
            Object::Diff(a, b) => difference(*a, *b, field),
        }
    }

    fn query(&self, field: &str, arguments: &Arguments<'_>) -> Resolved {
        match field {
            "viewer" => one(Object::Account),
            "account" => {
                maybe((text(arguments, "uid") == Some("account")).then_some(Object::Account))
            }
            "sessions" => one(self.list_of_sessions(arguments)),
            "node" => maybe(self.node(text(arguments, "id").unwrap())),
            "nodes" => {
                let ids = arguments["ids"].as_list().unwrap();
                Resolved::List(
                    ids.iter()
                        .map(|id| maybe(self.node(id.as_str().unwrap())))
                        .collect(),
                )
            }
            "session" => maybe(match text(arguments, "uid") {
                Some(key) => self.session(key),
                None => self
                    .node(text(arguments, "id").unwrap())
                    .filter(|o| o.type_name() == "Session"),
            }),
            "turn" => maybe(
                match text(arguments, "uid") {
                    Some(key) => self.turn(key),
                    None => self.turn_by_id(text(arguments, "id").unwrap()),
                }
                .map(Object::Turn),
            ),
            "branchDiff" => {
                let find = |name| self.turn_by_id(text(arguments, name).unwrap()).unwrap();
                let (a, b) = (find("a"), find("b"));
                if a.0 == b.0 {
                    one(Object::Diff(a, b))
                } else {
                    Failed
                }
            }
            other => panic!("Query.{other} is not known here"),
        }
    }

    fn list_of_sessions(&self, arguments: &Arguments<'_>) -> Object {
        let order = arguments
            .get("orderBy")
            .and_then(|o| o.as_enum())
            .map(|o| o.as_str());
        let micros = crate::support::sqlite::START.0;
        let mut all: Vec<&'static str> = self.sessions.clone();
        if matches!(order, None | Some("CREATED_DESC" | "LAST_ACTIVITY_DESC")) {
            all.reverse();
        }
        let total = all.len();
        let (first, last) = (number(arguments, "first"), number(arguments, "last"));
        if let Some(last) = last {
            all = all.split_off(total.saturating_sub(last));
        }
        all.truncate(first.unwrap_or(total));
        let begun = if order.is_none() && last.is_none() {
            micros.to_string()
        } else {
            String::new()
        };
        let entries: Vec<_> = all
            .iter()
            .map(|key| {
                (
                    format!("sessions:{micros}~{begun}~~{key}"),
                    Object::Session(key),
                )
            })
            .collect();
        Object::List(Box::new(List {
            of: "Session",
            next: first.is_some_and(|first| first < total),
            previous: last.is_some_and(|last| last < total),
            entries,
            total,
        }))
    }
}

fn turns(
    (s, field): (&'static str, &str),
    numbers: &[usize],
    arguments: &Arguments<'_>,
) -> Resolved {
    let all = numbers.iter().map(|&n| (n, Object::Turn((s, n)))).collect();
    one(page(("Turn", field), all, arguments))
}

/// On a path the cursor is the place.
fn on_path(
    (s, field): (&'static str, &str),
    numbers: &[usize],
    arguments: &Arguments<'_>,
) -> Resolved {
    let all = numbers
        .iter()
        .enumerate()
        .map(|(place, &n)| (place, Object::Turn((s, n))))
        .collect();
    one(page(("Turn", field), all, arguments))
}

fn session(key: &'static str, field: &str, arguments: &Arguments<'_>) -> Resolved {
    let leaves: Vec<usize> = (0..6).filter(|&n| children(Some(n)).is_empty()).collect();
    match field {
        "id" => Leaf(json!(format!("Session:{key}"))),
        "uid" => Leaf(json!(key)),
        "title" => Leaf(json!("Talk")),
        "createdAt" | "lastActivityAt" => Leaf(json!(START)),
        "deletedAt" | "forkedFrom" => Leaf(Value::Null),
        "account" => one(Object::Account),
        "turnCount" => Leaf(json!(TURNS.len())),
        "branchCount" => Leaf(json!(leaves.len())),
        "activeLeaf" => one(Object::Turn((key, 4))),
        "damage" => Resolved::List(Vec::new()),
        "activePath" => on_path((key, field), &ACTIVE_PATH, arguments),
        "roots" => turns((key, field), &children(None), arguments),
        "path" => {
            let through = text(arguments, "through").unwrap();
            match (0..6).find(|&n| turn_id((key, n)) == through) {
                Some(n) => on_path((key, field), &path(n), arguments),
                None => Failed,
            }
        }
        "turns" => {
            let filter = arguments
                .get("filter")
                .and_then(|f| f.as_object())
                .unwrap_or(&[]);
            let human = filter
                .iter()
                .find(|(name, _)| name == "role")
                .map(|(_, role)| role.as_enum().unwrap() == "HUMAN");
            let only_steps = filter.iter().any(|(name, _)| name == "stepTypes");
            let human = if only_steps { Some(false) } else { human };
            let all: Vec<usize> = (0..6)
                .filter(|&n| human.is_none_or(|h| TURNS[n].3 == h))
                .collect();
            turns((key, field), &all, arguments)
        }
        "branches" => {
            let all = leaves
                .iter()
                .map(|&n| (n, Object::Branch((key, n))))
                .collect();
            one(page(("Branch", field), all, arguments))
        }
        "outline" => {
            let all = (0..6).map(|n| (n, Object::Outline((key, n)))).collect();
            one(page(("Outline", field), all, arguments))
        }
        other => panic!("Session.{other} is not known here"),
    }
}

fn turn(at: At, field: &str, arguments: &Arguments<'_>) -> Resolved {
    let (s, n) = at;
    let (_, parent, says, human, shown) = TURNS[n];
    let siblings = children(parent);
    match field {
        "id" => Leaf(json!(turn_id(at))),
        "uid" => Leaf(json!(uid(at))),
        "session" => one(Object::Session(s)),
        "role" => Leaf(json!(if human { "HUMAN" } else { "AGENT" })),
        "seq" => Leaf(json!(n)),
        "createdAt" => Leaf(json!(START)),
        "isDeleted" => Leaf(json!(false)),
        "preview" | "prompt" | "text" => Leaf(json!(says)),
        "parent" => maybe(parent.map(|p| Object::Turn((s, p)))),
        "activeChild" => maybe(children(Some(n)).last().map(|&c| Object::Turn((s, c)))),
        "depth" => Leaf(json!(ancestors(n).len())),
        "siblingIndex" => Leaf(json!(siblings.iter().position(|&x| x == n))),
        "siblingCount" => Leaf(json!(siblings.len())),
        "childCount" => Leaf(json!(children(Some(n)).len())),
        "isOnActivePath" => Leaf(json!(shown)),
        "children" => turns((s, field), &children(Some(n)), arguments),
        "siblings" => turns((s, field), &siblings, arguments),
        "ancestors" => on_path((s, field), &ancestors(n), arguments),
        "deletedAt" | "liked" | "model" | "status" | "finishedAt" | "usage" | "responseMs" => {
            Leaf(Value::Null)
        }
        "stepCount" => Leaf(json!(1)),
        "steps" => {
            let types = arguments.get("types");
            let code = types.is_some_and(|t| t.as_enum().is_some_and(|e| e == "CODE"));
            let all = if code {
                Vec::new()
            } else {
                vec![(0, Object::Step(at))]
            };
            one(page(("Step", field), all, arguments))
        }
        other => panic!("Turn.{other} is not known here"),
    }
}

fn step((s, n): At, field: &str, arguments: &Arguments<'_>) -> Resolved {
    match field {
        "turn" => one(Object::Turn((s, n))),
        "citations" => Resolved::List(Vec::new()),
        _ => Leaf(match field {
            "id" => json!(format!("Step:{}:0", uid((s, n)))),
            "idx" => json!(0),
            "type" => json!("TEXT"),
            "createdAt" => json!(START),
            "contentBytes" => json!(content(n).to_string().len()),
            "plainText" => {
                let max = number(arguments, "maxChars").unwrap_or(usize::MAX);
                json!(TURNS[n].2.chars().take(max).collect::<String>())
            }
            "tool" => Value::Null,
            "content" => content(n),
            "text" => json!(TURNS[n].2),
            "format" => json!("markdown"),
            other => panic!("TextStep.{other} is not known here"),
        }),
    }
}

fn branch((s, n): At, field: &str) -> Resolved {
    let fork = ancestors(n)
        .into_iter()
        .rev()
        .find(|&a| children(Some(a)).len() > 1);
    match field {
        "leaf" => one(Object::Turn((s, n))),
        "forkPoint" => maybe(fork.map(|a| Object::Turn((s, a)))),
        "id" => Leaf(json!(format!("Branch:{}", uid((s, n))))),
        "length" => Leaf(json!(ancestors(n).len() + 1)),
        "isActive" => Leaf(json!(n == 4)),
        "updatedAt" => Leaf(json!(START)),
        other => panic!("Branch.{other} is not known here"),
    }
}

fn outline((s, n): At, field: &str) -> Resolved {
    let human = TURNS[n].3;
    match field {
        "id" => Leaf(json!(format!("OutlineNode:{}", uid((s, n))))),
        "turnId" => Leaf(json!(turn_id((s, n)))),
        "parentId" => Leaf(json!(TURNS[n].1.map(|p| turn_id((s, p))))),
        "activeChildId" => Leaf(json!(children(Some(n)).last().map(|&c| turn_id((s, c))))),
        "stepTypes" if human => Resolved::List(Vec::new()),
        "stepTypes" => Resolved::List(vec![Leaf(json!("TEXT"))]),
        "label" => Leaf(json!(if human { TURNS[n].2 } else { "agent" })),
        shared => turn((s, n), shared, &Arguments::new()),
    }
}

fn connection(list: &List, field: &str, arguments: &Arguments<'_>) -> Resolved {
    let entries = list.entries.iter();
    match field {
        "edges" => Resolved::List(
            entries
                .map(|(cursor, node)| {
                    one(Object::Edge(
                        list.of,
                        cursor.clone(),
                        Box::new(node.clone()),
                    ))
                })
                .collect(),
        ),
        "nodes" => Resolved::List(entries.map(|(_, node)| one(node.clone())).collect()),
        "pageInfo" => one(Object::PageInfo(Box::new(list.clone()))),
        _ if list.of == "Session" => {
            let up_to = number(arguments, "upTo").unwrap_or(10_000);
            one(Object::Count(list.total.min(up_to), list.total < up_to))
        }
        _ => Leaf(json!(list.total)),
    }
}

fn difference((s, a): At, (_, b): At, field: &str) -> Resolved {
    let to = |n: usize| [ancestors(n), vec![n]].concat();
    let (to_a, to_b) = (to(a), to(b));
    let only = |mine: &[usize], other: &[usize]| {
        let turns = mine.iter().filter(|n| !other.contains(n));
        Resolved::List(turns.map(|&n| one(Object::Turn((s, n)))).collect())
    };
    match field {
        "commonAncestor" => maybe(
            to_a.iter()
                .rev()
                .find(|n| to_b.contains(n))
                .map(|&n| Object::Turn((s, n))),
        ),
        "onlyA" => only(&to_a, &to_b),
        _ => only(&to_b, &to_a),
    }
}
