//! The query root: the doors into the graph.

use async_graphql::{ID, InputObject};

use crate::domain::diff::{DiffKind, branch_diff, text_diff};
use crate::domain::page::page_size;
use crate::domain::{CursorList, KeyError, Uid};
use crate::reads::{SearchCursor, SearchRequest};

use super::data::{Env, Looked, SessionView, TurnView};
use super::engine::{At, CheckedArgs, Entity, Failure, Obj, Part, Str, Type, View, enumeration};
use super::freshness::FreshnessArgs;
use super::ids::GlobalId;
use super::scalars::UidScalar;
use super::status::{Status, status};
use super::types::account::{Account, AccountOf, Sessions, SessionsArgs, sessions};
use super::types::branch::BranchOf;
use super::types::connection::Connection;
use super::types::node::{Node, NodeOf};
use super::types::page::{SEARCH, asked};
use super::types::session::Session;
use super::types::system::erasure::Erasure;
use super::types::turn::Turn;
use super::types::turn_fields::{Entries, Turns, TurnsOf};

/// The family of root values.
pub(crate) struct RootV;

impl View for RootV {
    type Of<'a> = &'a Env<'a>;
}

/// The query root.
pub(crate) struct Query;

impl Entity for Query {
    const NAME: &'static str = "Query";
    type V = RootV;

    fn declare(t: &mut Type<Self>) {
        t.doc(
            "Reads. Whatever belongs to another account looks as if it did not exist. An answer \
             has at most 64 MiB.",
        );
        t.field_with::<NodeArgs, Part<Option<Obj<Node>>>>("node", |At(env), a| node(env, &a.id))
            .doc("Anything with a global id; null when there is no such thing.");
        t.list_with::<NodesArgs, Part<Option<Obj<Node>>>>("nodes", |At(env), a, push| {
            a.ids.iter().for_each(|id| push(node(env, id)));
        })
        .doc("Several nodes at once, in the order of `ids`; null where there is no such thing.");
        t.field::<Obj<Account>>("viewer", |At(env)| AccountOf {
            env,
            uid: &env.data.account,
        })
        .doc("The account that asks.");
        t.field_with::<AccountArgs, Option<Obj<Account>>>("account", |At(env), a| {
            let own = a.uid.0 == env.data.account.as_str();
            own.then_some(AccountOf {
                env,
                uid: &env.data.account,
            })
        })
        .doc("An account by key; null for all but your own.");
        t.field_with::<KeyArgs, Part<Option<Obj<Session>>>>("session", |At(env), a| {
            match a.key(|id| matches!(id, GlobalId::Session(_))) {
                Ok(uid) => env.session(&uid),
                Err(_) => Ok(None),
            }
        })
        .doc("A session by `id` or `uid`; null when there is no such session.");
        t.field_with::<SessionsArgs, Part<Option<Obj<Connection<Sessions>>>>>(
            "sessions",
            |At(env), args| sessions(env, args),
        )
        .doc("Your sessions, most recently active first unless ordered otherwise.");
        t.field_with::<KeyArgs, Part<Option<Obj<Turn>>>>("turn", |At(env), a| {
            match a.key(|id| matches!(id, GlobalId::Turn(_))) {
                Ok(uid) => turn(env, &uid),
                Err(_) => Ok(None),
            }
        })
        .needs(|n| n.graph = true)
        .doc("A turn by `id` or `uid`; null when there is no such turn.");
        t.field_with::<SearchArgs, Part<Option<Obj<Connection<Turns>>>>>(
            "searchTurns",
            |At(env), args| search(env, args),
        )
        .needs(|n| n.graph = true)
        .cost(100)
        .doc("Turns whose prompt or text contains all these words, newest first.");
        t.field_with::<NodeArgs, Part<Option<Obj<Erasure>>>>("erasure", |At(env), a| {
            match a.id.strip_prefix("Erasure:").map(Uid::parse) {
                Some(Ok(uid)) => env.erasure(&uid),
                _ => Ok(None),
            }
        })
        .doc("The receipt of `purgeSession` or `eraseAccount`; null when there is none.");
        t.field_with::<DiffArgs, Part<Option<Obj<BranchDiff>>>>("branchDiff", |At(env), args| {
            diff(env, args)
        })
        .needs(|n| n.graph = true)
        .cost(20)
        .doc("What differs between the branches that end in two turns of one session.");
        t.field::<Status>("status", |At(env)| status(env))
            .cost(20)
            .doc("Which program answers, and how its stores are at this moment.");
    }
}

/// A global id.
#[derive(InputObject, Clone)]
pub(crate) struct NodeArgs {
    /// Global id.
    id: ID,
    #[graphql(flatten)]
    freshness: FreshnessArgs,
}

impl CheckedArgs for NodeArgs {
    fn freshness(&self) -> Option<&FreshnessArgs> {
        Some(&self.freshness)
    }
}

/// Several global ids.
#[derive(InputObject, Clone)]
pub(crate) struct NodesArgs {
    /// Global ids, at most 200.
    ids: Vec<ID>,
    #[graphql(flatten)]
    freshness: FreshnessArgs,
}

impl CheckedArgs for NodesArgs {
    fn check(&self) -> Result<(), String> {
        match self.ids.len() {
            n if n > 200 => Err(format!(
                "`ids` names {n} nodes; ask for at most 200 at once"
            )),
            _ => Ok(()),
        }
    }

    const SIZED: bool = true;

    fn size(&self) -> u32 {
        self.ids.len() as u32
    }

    fn freshness(&self) -> Option<&FreshnessArgs> {
        Some(&self.freshness)
    }
}

/// The key of an account.
#[derive(InputObject, Clone)]
pub(crate) struct AccountArgs {
    /// Key as stored in the database.
    uid: UidScalar,
}

impl CheckedArgs for AccountArgs {}

/// One entity, by global id or by stored key.
#[derive(InputObject, Clone)]
pub(crate) struct KeyArgs {
    /// Global id.
    id: Option<ID>,
    /// Key as stored in the database, instead of `id`.
    uid: Option<UidScalar>,
    #[graphql(flatten)]
    freshness: FreshnessArgs,
}

impl CheckedArgs for KeyArgs {
    fn check(&self) -> Result<(), String> {
        match (&self.id, &self.uid) {
            (Some(_), None) | (None, Some(_)) => Ok(()),
            _ => Err("give either `id` or `uid`".into()),
        }
    }

    fn freshness(&self) -> Option<&FreshnessArgs> {
        Some(&self.freshness)
    }
}

impl KeyArgs {
    /// The key, where the id is of the wanted kind.
    fn key(&self, wanted: impl Fn(&GlobalId) -> bool) -> Result<Uid, KeyError> {
        match (&self.id, &self.uid) {
            (Some(id), _) => match GlobalId::parse(id).filter(wanted) {
                Some(GlobalId::Session(uid) | GlobalId::Turn(uid)) => Ok(uid),
                _ => Err(KeyError::Empty),
            },
            (None, Some(uid)) => Uid::parse(&uid.0),
            (None, None) => Err(KeyError::Empty),
        }
    }
}

fn node<'a>(env: &'a Env<'a>, id: &str) -> Looked<'a, NodeOf<'a>> {
    Ok(match GlobalId::parse(id) {
        None => None,
        Some(GlobalId::Account(uid)) => {
            let own = uid == env.data.account;
            own.then_some(NodeOf::Account(AccountOf {
                env,
                uid: &env.data.account,
            }))
        }
        Some(GlobalId::Session(uid)) => env.session(&uid)?.map(NodeOf::Session),
        Some(GlobalId::Turn(uid)) => {
            // The id names a kind; a turn of the other kind is another node.
            turn(env, &uid)?
                .filter(|t| t.id().kind == id_kind(id))
                .map(NodeOf::Turn)
        }
        Some(GlobalId::Step(uid, idx)) => match turn(env, &uid)? {
            Some(turn) => {
                let steps = turn.steps()?;
                let found = steps.iter().enumerate().find(|(_, step)| step.idx == idx);
                found.map(|(at, row)| NodeOf::Step(turn.step(at, row)))
            }
            None => None,
        },
        Some(GlobalId::Branch(uid)) => turn(env, &uid)?.and_then(|leaf| {
            let graph = leaf.graph();
            let is_leaf = !graph.is_deleted(leaf.ix) && graph.children(leaf.ix).next().is_none();
            is_leaf.then_some(NodeOf::Branch(BranchOf { leaf }))
        }),
        Some(GlobalId::OutlineNode(uid)) => turn(env, &uid)?.map(NodeOf::Outline),
    })
}

fn id_kind(id: &str) -> &str {
    id.split_once(':').map_or(id, |(kind, _)| kind)
}

fn turn<'a>(env: &'a Env<'a>, uid: &Uid) -> Looked<'a, TurnView<'a>> {
    let Some(session) = env.session_of_turn(uid)? else {
        return Ok(None);
    };
    session.loaded()?;
    Ok(session.graph().find(uid).map(|ix| session.turn(ix)))
}

/// What to search for.
#[derive(InputObject, Clone)]
pub(crate) struct SearchArgs {
    /// Words, separated by spaces, that must all occur, at most 10; upper and lower case are the
    /// same.
    text: String,
    /// Only turns of this session.
    session_id: Option<ID>,
    /// How many: 20 unless given, at most 100.
    first: Option<i32>,
    /// Only what comes after this cursor (`pageInfo.endCursor` of the page before).
    after: Option<String>,
    #[graphql(flatten)]
    freshness: FreshnessArgs,
}

impl CheckedArgs for SearchArgs {
    fn check(&self) -> Result<(), String> {
        self.request().map(drop)
    }

    fn freshness(&self) -> Option<&FreshnessArgs> {
        Some(&self.freshness)
    }

    const SIZED: bool = true;

    fn size(&self) -> u32 {
        asked(self.first, None, SEARCH)
    }
}

impl SearchArgs {
    /// The list with what selects it.
    fn list(&self) -> CursorList {
        let session = self.session_id.as_ref().map(|id| id.as_str());
        CursorList::of("searchTurns").with((&self.text, session))
    }

    fn request(&self) -> Result<SearchRequest, String> {
        let words: Vec<String> = self.text.split_whitespace().map(str::to_owned).collect();
        if words.is_empty() || words.len() > 10 {
            return Err("`text` must have between 1 and 10 words".into());
        }
        let (size, _) = page_size(self.first, None, SEARCH).map_err(|e| e.to_string())?;
        let after = match &self.after {
            None => None,
            Some(text) => {
                let place = self
                    .list()
                    .place("after", text)
                    .map_err(|e| e.to_string())?;
                let bad = || format!("`after: {text:?}` is not a cursor of this list");
                Some(SearchCursor::parse(place).ok_or_else(bad)?)
            }
        };
        let session_uid = match self.session_id.as_ref().map(|id| GlobalId::parse(id)) {
            None => None,
            Some(Some(GlobalId::Session(uid))) => Some(uid),
            Some(_) => return Err("`sessionId` is not the id of a session".into()),
        };
        Ok(SearchRequest {
            words,
            session_uid,
            size,
            after,
        })
    }
}

fn search<'a>(env: &'a Env<'a>, args: &SearchArgs) -> Looked<'a, TurnsOf<'a>> {
    let request = args
        .request()
        .expect("arguments were checked before the walk");
    let Some(page) = env.search(&request)? else {
        return Ok(None);
    };
    for hit in &page.0.hits {
        if let Some(session) = env.session(&hit.session_uid)? {
            session.loaded()?;
        }
    }
    Ok(Some(TurnsOf {
        entries: Entries::Found(env, args.list(), page),
        has_next: page.0.has_next,
        has_previous: args.after.is_some(),
    }))
}

/// Two turns.
#[derive(InputObject, Clone)]
pub(crate) struct DiffArgs {
    /// Id of the turn that ends the first branch.
    a: ID,
    /// Id of the turn that ends the second branch.
    b: ID,
    #[graphql(flatten)]
    freshness: FreshnessArgs,
}

impl CheckedArgs for DiffArgs {
    fn check(&self) -> Result<(), String> {
        for (name, id) in [("a", &self.a), ("b", &self.b)] {
            if !matches!(GlobalId::parse(id), Some(GlobalId::Turn(_))) {
                return Err(format!("`{name}: {:?}` is not the id of a turn", &**id));
            }
        }
        Ok(())
    }

    fn freshness(&self) -> Option<&FreshnessArgs> {
        Some(&self.freshness)
    }
}

/// The difference of two branches while it is written.
#[derive(Clone, Copy)]
pub(crate) struct DiffOf<'a> {
    session: SessionView<'a>,
    common: Option<usize>,
    only_a: &'a [usize],
    only_b: &'a [usize],
}

fn diff<'a>(env: &'a Env<'a>, args: &DiffArgs) -> Looked<'a, DiffOf<'a>> {
    let find = |id: &str| match GlobalId::parse(id) {
        Some(GlobalId::Turn(uid)) => turn(env, &uid),
        _ => Ok(None),
    };
    let (Some(a), Some(b)) = (find(&args.a)?, find(&args.b)?) else {
        return Ok(None);
    };
    if a.session.row().uid != b.session.row().uid {
        return Err(Failure {
            code: "BAD_USER_INPUT",
            message: "`a` and `b` are turns of two sessions; branches are compared within one.",
        });
    }
    let diff = branch_diff(a.graph(), a.ix, b.ix);
    Ok(Some(DiffOf {
        session: a.session,
        common: diff.common_ancestor,
        only_a: env.keep(diff.only_a),
        only_b: env.keep(diff.only_b),
    }))
}

/// The family of differences.
pub(crate) struct DiffV;

impl View for DiffV {
    type Of<'a> = DiffOf<'a>;
}

/// What differs between two branches.
pub(crate) struct BranchDiff;

impl Entity for BranchDiff {
    const NAME: &'static str = "BranchDiff";
    type V = DiffV;

    fn declare(t: &mut Type<Self>) {
        t.doc("What differs between two branches of one session.");
        t.field::<Option<Obj<Turn>>>("commonAncestor", |At(d)| {
            d.common.map(|ix| d.session.turn(ix))
        })
        .doc("The last turn that both have; null when they begin with different roots.");
        t.list::<Obj<Turn>>("onlyA", |At(d), push| {
            d.only_a.iter().for_each(|&ix| push(d.session.turn(ix)));
        })
        .doc("Turns that only the first branch has, in order.");
        t.list::<Obj<Turn>>("onlyB", |At(d), push| {
            d.only_b.iter().for_each(|&ix| push(d.session.turn(ix)));
        })
        .doc("Turns that only the second branch has, in order.");
        t.list::<Obj<DiffHunk>>("textDiff", |At(d), push| {
            let env = d.session.env;
            let (a, b) = (joined(d.session, d.only_a), joined(d.session, d.only_b));
            for hunk in text_diff(env.keep_text(a), env.keep_text(b)) {
                push((hunk.op, hunk.text));
            }
        })
        .guard(|At(d)| {
            let mut turns = d.only_a.iter().chain(d.only_b);
            turns.try_for_each(|&ix| d.session.turn(ix).text().map(drop))
        })
        .doc("How the text of the first branch becomes that of the second.");
    }
}

/// What a person reads of these turns, one below the other.
fn joined(session: SessionView<'_>, turns: &[usize]) -> String {
    let texts = turns
        .iter()
        .map(|&ix| session.turn(ix).text().unwrap_or_default().into_owned());
    texts.collect::<Vec<_>>().join("\n\n")
}

/// What happened to a stretch of text.
#[derive(async_graphql::Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "DiffKind")]
pub(crate) enum DiffOp {
    /// Both have it.
    Equal,
    /// Only the second has it.
    Insert,
    /// Only the first has it.
    Delete,
}

enumeration!(
    /// An operation.
    Op, DiffOp
);

/// The family of hunks.
pub(crate) struct HunkV;

impl View for HunkV {
    type Of<'a> = (DiffKind, &'a str);
}

/// A stretch of text.
pub(crate) struct DiffHunk;

impl Entity for DiffHunk {
    const NAME: &'static str = "DiffHunk";
    type V = HunkV;

    fn declare(t: &mut Type<Self>) {
        t.doc("A stretch of text that both branches have, or only one.");
        t.field::<Op>("op", |At((op, _))| op.into())
            .doc("What happened to it.");
        t.field::<Str>("text", |At((_, text))| text)
            .doc("The text.");
    }
}
