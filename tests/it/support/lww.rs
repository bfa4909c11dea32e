//! A projection store in memory that keeps a timestamp per cell, as a CQL store does: the last
//! write wins by `rev`, tombstones hide what is not younger. It can be told to fail, to stall, to
//! write a half, and to be damaged behind the projector's back.

mod store;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use tokio::sync::watch;
use turngraph::domain::change::{SessionChange, TurnChange};
use turngraph::domain::{
    ForkOrigin, SessionRow, StepRow, Timestamp, TurnRole, TurnRow, TurnStatus, Uid, Watermark,
};
use turngraph::stores::projection::{
    BODY_BYTES_MAX, BUCKET_TURNS, BodyPart, ProjectedBodies, Write,
};
use turngraph::stores::{ProjectionStore, StoreError, StoreErrorKind, StoreKind};

/// Place of a prompt among the bodies of its turn: steps may have any other.
const PROMPT_IDX: i32 = i32::MIN;

/// Before a text that is there, so that an empty one is another than none.
const PRESENT: char = '=';

/// What happens to an `apply`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Pass,
    /// Nothing is written.
    Fail(StoreErrorKind),
    /// The first half is written, then the outcome is unknown.
    Half,
    /// Everything is written, but the answer is lost.
    Unknown,
}

type Judge = Box<dyn FnMut(&[Write]) -> Verdict + Send>;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Value {
    Dead,
    Int(i64),
    Text(String),
}

/// Where a cell is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Row {
    Header(Uid),
    Turn(Uid, i32),
    Body(Uid, i32, i32),
    Listing(Uid, i64, Uid),
}

#[derive(Default)]
struct State {
    rows: BTreeMap<Row, BTreeMap<&'static str, (i64, Value)>>,
    /// Deleted rows.
    gone: BTreeMap<Row, i64>,
    /// Deleted bodies of a turn: the prompt and the steps.
    bodies_gone: BTreeMap<(Uid, i32), i64>,
    /// Deleted steps of a turn; its prompt stays.
    steps_gone: BTreeMap<(Uid, i32), i64>,
    /// Deleted partitions: graph and buckets of a session.
    graph_gone: BTreeMap<Uid, i64>,
    bucket_gone: BTreeMap<(Uid, i32), i64>,
    watermark: Option<Watermark>,
    quarantined: BTreeSet<Uid>,
    /// Cells that were written twice with one rev and two values.
    broken_promises: Vec<String>,
    applies: usize,
}

/// The store. Cheap to clone.
#[derive(Clone)]
pub(crate) struct LwwStore {
    state: Arc<Mutex<State>>,
    judge: Arc<Mutex<Option<Judge>>>,
    stalled: Arc<watch::Sender<bool>>,
    waiting: Arc<watch::Sender<usize>>,
}

impl LwwStore {
    pub(crate) fn new() -> Self {
        Self {
            state: Arc::default(),
            judge: Arc::default(),
            stalled: Arc::new(watch::Sender::new(false)),
            waiting: Arc::new(watch::Sender::new(0)),
        }
    }

    pub(crate) fn shared(&self) -> Arc<dyn ProjectionStore> {
        Arc::new(self.clone())
    }

    /// From now on each `apply` is judged.
    pub(crate) fn judge(&self, judge: impl FnMut(&[Write]) -> Verdict + Send + 'static) {
        *self.judge.lock().unwrap() = Some(Box::new(judge));
    }

    pub(crate) fn acquit(&self) {
        *self.judge.lock().unwrap() = None;
    }

    /// While stalled, no `apply` returns or writes.
    pub(crate) fn stall(&self, stalled: bool) {
        self.stalled.send_replace(stalled);
    }

    /// Waits until this many calls are held by a stall.
    pub(crate) async fn stalled_calls(&self, at_least: usize) {
        let mut waiting = self.waiting.subscribe();
        waiting.wait_for(|n| *n >= at_least).await.unwrap();
    }

    pub(crate) fn applies(&self) -> usize {
        self.state.lock().unwrap().applies
    }

    /// What was said last about how far the projector is.
    pub(crate) fn watermark_now(&self) -> Option<Watermark> {
        self.state.lock().unwrap().watermark.clone()
    }

    /// Everything that a reader could see, with the timestamp of each cell.
    pub(crate) fn dump(&self) -> String {
        let state = self.state.lock().unwrap();
        let mut text = String::new();
        for (row, cells) in &state.rows {
            for (name, (at, value)) in cells {
                if *at > state.hidden_below(row) && *value != Value::Dead {
                    text += &format!("{row:?} {name} {at} {value:?}\n");
                }
            }
        }
        text
    }

    pub(crate) fn assert_kept_promises(&self) {
        let state = self.state.lock().unwrap();
        assert_eq!(state.broken_promises, Vec::<String>::new());
    }

    /// Damage: a value of a turn's row as if by a statement without timestamp at `at`.
    pub(crate) fn damage_turn(&self, session: &Uid, seq: i32, column: &'static str, at: i64) {
        let mut state = self.state.lock().unwrap();
        let row = Row::Turn(session.clone(), seq);
        let cells = state.rows.entry(row).or_default();
        cells.insert(column, (at, Value::Text("=damaged".into())));
    }

    /// Damage: another content of a body.
    pub(crate) fn damage_body(&self, session: &Uid, seq: i32, idx: i32, at: i64) {
        let mut state = self.state.lock().unwrap();
        let row = Row::Body(session.clone(), seq, idx);
        let cells = state.rows.entry(row).or_default();
        cells.insert("content", (at, Value::Text("=damaged".into())));
    }

    /// Damage: a row is deleted at `at`.
    pub(crate) fn delete_turn(&self, session: &Uid, seq: i32, at: i64) {
        let row = Row::Turn(session.clone(), seq);
        self.state.lock().unwrap().gone.insert(row, at);
    }

    /// Damage: the bodies of a turn are deleted at `at`.
    pub(crate) fn delete_bodies(&self, session: &Uid, seq: i32, at: i64) {
        let mut state = self.state.lock().unwrap();
        state.bodies_gone.insert((session.clone(), seq), at);
    }

    /// Damage: the graph's partition is deleted at `at`.
    pub(crate) fn delete_graph(&self, session: &Uid, at: i64) {
        let mut state = self.state.lock().unwrap();
        state.graph_gone.insert(session.clone(), at);
    }

    /// Damage: the place in the listing is deleted at `at`.
    pub(crate) fn delete_listing(&self, row: &SessionRow, at: i64) {
        let row = Row::Listing(row.account_uid.clone(), row.created_at.0, row.uid.clone());
        self.state.lock().unwrap().gone.insert(row, at);
    }

    /// Number of living cells that a deletion made, e.g. by writing nulls: must stay none.
    pub(crate) fn dead_cells(&self) -> usize {
        let state = self.state.lock().unwrap();
        let cells = state.rows.values().flat_map(|cells| cells.values());
        cells.filter(|(_, value)| *value == Value::Dead).count()
    }
}

impl State {
    fn hidden_below(&self, row: &Row) -> i64 {
        let mut stones = vec![self.gone.get(row)];
        match row {
            Row::Header(uid) | Row::Turn(uid, _) => stones.push(self.graph_gone.get(uid)),
            Row::Body(uid, seq, idx) => {
                let turn = (uid.clone(), *seq);
                let bucket = (uid.clone(), seq / BUCKET_TURNS);
                stones.push(self.bucket_gone.get(&bucket));
                stones.push(self.bodies_gone.get(&turn));
                if *idx != PROMPT_IDX {
                    stones.push(self.steps_gone.get(&turn));
                }
            }
            Row::Listing(..) => {}
        }
        stones
            .into_iter()
            .flatten()
            .copied()
            .max()
            .unwrap_or(i64::MIN)
    }

    fn put(&mut self, row: &Row, name: &'static str, at: i64, value: Value) {
        let cells = self.rows.entry(row.clone()).or_default();
        match cells.get(name) {
            Some((old, _)) if *old > at => {}
            Some((old, held)) if *old == at => {
                if *held != value {
                    let promise = format!("{row:?} {name} at {at}: {held:?} and {value:?}");
                    self.broken_promises.push(promise);
                    let larger = held.clone().max(value);
                    cells.insert(name, (at, larger));
                }
            }
            _ => {
                cells.insert(name, (at, value));
            }
        }
    }

    fn live(&self, row: &Row, name: &str) -> Option<&Value> {
        let (at, value) = self.rows.get(row)?.get(name)?;
        (*at > self.hidden_below(row)).then_some(value)
    }

    fn text(&self, row: &Row, name: &str) -> Option<String> {
        match self.live(row, name)? {
            Value::Text(text) if !text.is_empty() => Some(text.clone()),
            _ => None,
        }
    }

    fn int(&self, row: &Row, name: &str) -> Option<i64> {
        match self.live(row, name)? {
            Value::Int(n) if *n != i64::MIN => Some(*n),
            _ => None,
        }
    }

    /// A text that may be null; the outer none is a cell that has not arrived.
    fn nullable(&self, row: &Row, name: &str) -> Option<Option<Box<str>>> {
        match self.live(row, name)? {
            Value::Text(text) => Some(text.strip_prefix(PRESENT).map(Into::into)),
            _ => None,
        }
    }

    fn uid(&self, row: &Row, name: &str) -> Option<Uid> {
        self.text(row, name).map(Uid::stored)
    }

    #[expect(clippy::too_many_lines, reason = "one arm for every kind of write")]
    fn write(&mut self, write: &Write) {
        match write {
            Write::Header(change) => self.header(change),
            Write::Listing(change) => {
                let row = &change.row;
                let place =
                    Row::Listing(row.account_uid.clone(), row.created_at.0, row.uid.clone());
                let deleted = i64::from(row.deleted_at.is_some());
                self.put(&place, "deleted", row.rev, Value::Int(deleted));
                self.put(&place, "rev", row.rev, Value::Int(row.rev));
            }
            Write::ListingGone {
                account_uid,
                created_at,
                session_uid,
                rev,
            } => {
                let place = Row::Listing(account_uid.clone(), created_at.0, session_uid.clone());
                raise(&mut self.gone, place, *rev);
            }
            Write::Turn(change) => self.turn(change),
            Write::Grave {
                session_uid,
                seq,
                rev,
            } => {
                let row = Row::Turn(session_uid.clone(), *seq);
                self.put(&row, "kind", *rev, Value::Int(9));
                self.put(&row, "rev", *rev, Value::Int(*rev));
                for name in [
                    "uid",
                    "parent_uid",
                    "active_child",
                    "model",
                    "status",
                    "usage",
                ] {
                    self.put(&row, name, *rev, Value::Text(String::new()));
                }
                for name in ["liked", "deleted_at", "created_at", "finished_at"] {
                    self.put(&row, name, *rev, Value::Int(i64::MIN));
                }
                raise(&mut self.bodies_gone, (session_uid.clone(), *seq), *rev);
            }
            Write::Step {
                session_uid,
                seq,
                step,
                content_absent,
            } => {
                let row = Row::Body(session_uid.clone(), *seq, step.idx);
                let content = (!content_absent).then_some(&*step.content);
                self.body(&row, content, step.rev);
                self.put(
                    &row,
                    "turn_uid",
                    step.rev,
                    text(Some(step.turn_uid.as_str())),
                );
                self.put(&row, "tpe", step.rev, Value::Int(i64::from(step.tpe)));
                self.put(&row, "created_at", step.rev, Value::Int(step.created_at.0));
            }
            Write::StepsGone {
                session_uid,
                seq,
                idx: Some(idx),
                rev,
            } => raise(
                &mut self.gone,
                Row::Body(session_uid.clone(), *seq, *idx),
                *rev,
            ),
            Write::StepsGone {
                session_uid,
                seq,
                idx: None,
                rev,
            } => raise(&mut self.steps_gone, (session_uid.clone(), *seq), *rev),
            // Which months an account has is a matter of the store's own.
            Write::AccountGone { .. } => {}
            Write::SessionGone {
                session_uid,
                next_seq,
                rev,
            } => {
                raise(&mut self.graph_gone, session_uid.clone(), *rev);
                for bucket in 0..=(next_seq - 1).max(0) / BUCKET_TURNS {
                    raise(&mut self.bucket_gone, (session_uid.clone(), bucket), *rev);
                }
            }
        }
    }

    fn header(&mut self, change: &SessionChange) {
        let (s, rev) = (&change.row, change.row.rev);
        let row = Row::Header(s.uid.clone());
        if !change.absent.title {
            self.put(&row, "title", rev, nullable(s.title.as_deref()));
        }
        if !change.absent.forked_from {
            let json = s
                .forked_from
                .as_ref()
                .map(|o| serde_json::to_string(o).unwrap());
            self.put(&row, "forked_from", rev, nullable(json.as_deref()));
        }
        let root = s.active_root.as_ref().map(Uid::as_str);
        self.put(&row, "active_root", rev, text(root));
        self.put(&row, "account_uid", rev, text(Some(s.account_uid.as_str())));
        self.put(&row, "created_at", rev, Value::Int(s.created_at.0));
        self.put(&row, "deleted_at", rev, int(s.deleted_at.map(|at| at.0)));
        self.put(&row, "next_seq", rev, Value::Int(i64::from(s.next_seq)));
        self.put(
            &row,
            "last_activity_at",
            rev,
            Value::Int(s.last_activity_at.0),
        );
        self.put(&row, "rev", rev, Value::Int(rev));
    }

    fn turn(&mut self, change: &TurnChange) {
        let (t, rev) = (&change.turn, change.turn.rev);
        let row = Row::Turn(change.session_uid.clone(), t.seq);
        let kind = i64::from(t.role == TurnRole::Agent);
        self.put(&row, "kind", rev, Value::Int(kind));
        self.put(&row, "uid", rev, text(Some(t.uid.as_str())));
        self.put(
            &row,
            "parent_uid",
            rev,
            text(t.parent_uid.as_ref().map(Uid::as_str)),
        );
        self.put(
            &row,
            "active_child",
            rev,
            text(t.active_child.as_ref().map(Uid::as_str)),
        );
        self.put(&row, "status", rev, text(t.status.map(TurnStatus::as_str)));
        if !change.absent.model {
            self.put(&row, "model", rev, nullable(t.model.as_deref()));
        }
        if !change.absent.usage {
            self.put(&row, "usage", rev, nullable(t.usage.as_deref()));
        }
        self.put(
            &row,
            "liked",
            rev,
            Value::Int(t.liked.map_or(0, |up| if up { 1 } else { 2 })),
        );
        self.put(&row, "created_at", rev, Value::Int(t.created_at.0));
        self.put(&row, "deleted_at", rev, int(t.deleted_at.map(|at| at.0)));
        self.put(&row, "finished_at", rev, int(t.finished_at.map(|at| at.0)));
        self.put(&row, "rev", rev, Value::Int(rev));
        if let Some(prompt) = &change.prompt {
            let row = Row::Body(change.session_uid.clone(), t.seq, PROMPT_IDX);
            self.body(&row, Some(prompt), rev);
        }
    }

    fn body(&mut self, row: &Row, content: Option<&str>, rev: i64) {
        if let Some(content) = content {
            let long = content.len() > BODY_BYTES_MAX;
            self.put(row, "content", rev, nullable((!long).then_some(content)));
        }
        self.put(row, "rev", rev, Value::Int(rev));
    }

    fn session(&self, uid: &Uid) -> Option<SessionRow> {
        let row = Row::Header(uid.clone());
        let at = |name| self.int(&row, name).map(Timestamp);
        let origin = |json: Box<str>| serde_json::from_str::<ForkOrigin>(&json).unwrap();
        Some(SessionRow {
            uid: uid.clone(),
            account_uid: self.uid(&row, "account_uid")?,
            title: self.nullable(&row, "title")?,
            created_at: at("created_at")?,
            deleted_at: at("deleted_at"),
            active_root: self.uid(&row, "active_root"),
            next_seq: i32::try_from(self.int(&row, "next_seq")?).unwrap(),
            last_activity_at: at("last_activity_at")?,
            forked_from: self.nullable(&row, "forked_from")?.map(origin),
            rev: self.int(&row, "rev")?,
        })
    }

    fn turn_row(&self, session: &Uid, seq: i32) -> Option<TurnRow> {
        let row = Row::Turn(session.clone(), seq);
        let role = match self.int(&row, "kind")? {
            0 => TurnRole::Human,
            1 => TurnRole::Agent,
            _ => return None,
        };
        let at = |name| self.int(&row, name).map(Timestamp);
        let status = self.text(&row, "status");
        Some(TurnRow {
            uid: self.uid(&row, "uid")?,
            role,
            parent_uid: self.uid(&row, "parent_uid"),
            active_child: self.uid(&row, "active_child"),
            seq,
            created_at: at("created_at")?,
            deleted_at: at("deleted_at"),
            liked: match self.int(&row, "liked")? {
                0 => None,
                vote => Some(vote == 1),
            },
            model: self.nullable(&row, "model")?,
            status: status.and_then(|text| TurnStatus::from_stored(&text)),
            finished_at: at("finished_at"),
            usage: self.nullable(&row, "usage")?,
            rev: self.int(&row, "rev")?,
        })
    }

    fn bodies_of(&self, session: &Uid, seq: i32, part: BodyPart) -> Option<ProjectedBodies> {
        let at = |idx| Row::Body(session.clone(), seq, idx);
        let mut bodies = ProjectedBodies::default();
        let mut any = false;
        for (row, _) in self.rows.range(at(i32::MIN)..=at(i32::MAX)) {
            let Row::Body(_, _, idx) = row else { continue };
            let Some(rev) = self.int(row, "rev") else {
                continue;
            };
            any = true;
            let content = match part {
                BodyPart::Heads => Some("".into()),
                // Too long to be here, or it has not arrived.
                BodyPart::Whole => self.nullable(row, "content").flatten(),
            };
            bodies.partial |= content.is_none();
            if *idx == PROMPT_IDX {
                let prompt = content.filter(|_| part == BodyPart::Whole);
                bodies.prompt = prompt.map(String::from);
                continue;
            }
            let (Some(turn_uid), Some(tpe)) = (self.uid(row, "turn_uid"), self.int(row, "tpe"))
            else {
                continue;
            };
            bodies.steps.push(StepRow {
                turn_uid,
                idx: *idx,
                tpe: i32::try_from(tpe).unwrap(),
                content: content.unwrap_or_default(),
                created_at: Timestamp(self.int(row, "created_at")?),
                rev,
            });
        }
        any.then_some(bodies)
    }
}

fn nullable(text: Option<&str>) -> Value {
    Value::Text(text.map_or_else(String::new, |text| format!("{PRESENT}{text}")))
}

fn text(text: Option<&str>) -> Value {
    Value::Text(text.unwrap_or_default().to_owned())
}

fn int(n: Option<i64>) -> Value {
    Value::Int(n.unwrap_or(i64::MIN))
}

fn raise<K: Ord>(stones: &mut BTreeMap<K, i64>, key: K, rev: i64) {
    let stone = stones.entry(key).or_insert(rev);
    *stone = (*stone).max(rev);
}

fn error(kind: StoreErrorKind) -> StoreError {
    StoreError {
        kind,
        store: StoreKind::Cql,
        action: "apply",
        message: "as the test ordered".to_owned(),
        source: None,
    }
}
