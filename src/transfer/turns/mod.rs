//! A source becomes rows that keep turngraph's rules: prompts and answers take turns.
//!
//! A run of agent messages becomes one agent turn for every path through it, prompts and answers
//! alternate, keys are derived from where a message comes from, and every departure is noted.

mod plan;
mod steps;
pub(super) mod tools;
mod tree;

use self::plan::{Plan, Planned};
pub(in crate::transfer) use self::tree::Notes;
use crate::domain::preview;
use crate::domain::score::{MetadataRow, ScoreRow, Target};
use crate::domain::session::TITLE_CHARS_MAX;
use crate::domain::step::CONTENT_BYTES_MAX;
use crate::domain::turn::PROMPT_BYTES_MAX;
use crate::domain::{SessionRow, StepRow, Timestamp, TurnRole, TurnRow, TurnStatus, Uid};
use crate::stores::record::NewTurn;
use crate::transfer::conversation::{Body, Conversation, Message, Prefer, Source};
use crate::transfer::keys;

use self::steps::assemble;

/// Longest name of a model in bytes, as for commands.
const MODEL_BYTES_MAX: usize = 200;

/// Least time between a turn and its parent where the source does not say its time.
const STEP_MICROS: i64 = 1_000;

/// Who imports from what.
#[derive(Debug, Clone, Copy)]
pub(in crate::transfer) struct Origin<'a> {
    /// The account.
    pub account: &'a Uid,
    /// Name of the format.
    pub format: &'static str,
    /// File and entry, for the report.
    pub place: &'a str,
    /// Stands for times that the source does not have.
    pub now: Timestamp,
}

/// Makes rows of a source. An error is why the conversation cannot be stored.
pub(in crate::transfer) fn normalise(
    origin: Origin<'_>,
    source: Source,
) -> (Result<Conversation, String>, Notes) {
    let mut notes = Notes::default();
    notes.repaired.extend(source.repairs.iter().cloned());
    let uid = keys::session(origin.account, origin.format, &source.identity);
    let mut source = source;
    let forest = tree::link(std::mem::take(&mut source.messages), &mut notes);
    let count = forest.nodes.len();
    let plan = match Plan::of(forest, &mut notes) {
        Ok(plan) => plan,
        Err(reason) => return (Err(reason), notes),
    };
    let mut builder = Builder {
        origin,
        conversation: Conversation {
            place: origin.place.to_owned(),
            nodes: count,
            session: session_row(&origin, uid, &source, &plan, &mut notes),
            turns: Vec::with_capacity(plan.turns.len()),
            steps: Vec::new(),
            scores: Vec::new(),
            metadata: Vec::new(),
        },
        notes: &mut notes,
    };
    let built = builder.build(&source, &plan);
    let conversation = builder.conversation;
    (built.map(|()| conversation), notes)
}

fn session_row(
    origin: &Origin<'_>,
    uid: Uid,
    source: &Source,
    plan: &Plan,
    notes: &mut Notes,
) -> SessionRow {
    let earliest = plan.messages().filter_map(|message| message.at).min();
    let created_at = source.created_at.or(earliest).unwrap_or(origin.now);
    let title = source
        .title
        .as_deref()
        .map(str::trim)
        .filter(|title| !title.is_empty());
    let title = match title {
        Some(title) if title.chars().nth(TITLE_CHARS_MAX).is_some() => {
            let reason = format!("its title is longer than {TITLE_CHARS_MAX} characters; cut");
            notes.repaired.push((None, reason));
            Some(preview::preview(title, TITLE_CHARS_MAX).into())
        }
        Some(title) => Some(title.into()),
        None => plan
            .first_prompt()
            .map(|prompt| preview::title(prompt).into()),
    };
    SessionRow {
        uid,
        account_uid: origin.account.clone(),
        title,
        created_at,
        deleted_at: None,
        active_root: None,
        next_seq: 0,
        last_activity_at: created_at,
        forked_from: None,
        rev: 0,
    }
}

struct Builder<'a> {
    origin: Origin<'a>,
    conversation: Conversation,
    notes: &'a mut Notes,
}

impl Builder<'_> {
    fn build(&mut self, source: &Source, plan: &Plan) -> Result<(), String> {
        let session = self.conversation.session.uid.clone();
        let about = Target::Session {
            uid: session.clone(),
        };
        self.note(&about, "source", self.origin.format);
        if let Some(id) = &source.id {
            self.note(&about, "source_id", id);
        }
        for (key, value) in &source.metadata {
            self.note(&about, key, value);
        }
        let uids: Vec<Uid> = plan
            .turns
            .iter()
            .map(|t| keys::part(&session, "turn", &t.key))
            .collect();
        for (seq, planned) in (0..).zip(&plan.turns) {
            self.turn(seq, planned, &uids, plan)?;
        }
        self.point(source, plan, &uids);
        let turns = &self.conversation.turns;
        let last = turns.iter().map(|turn| turn.turn.created_at).max();
        let session = &mut self.conversation.session;
        session.next_seq = i32::try_from(turns.len()).map_err(|_| "it has too many turns")?;
        session.last_activity_at = last.unwrap_or(session.created_at).max(session.created_at);
        Ok(())
    }

    fn turn(
        &mut self,
        seq: i32,
        planned: &Planned,
        uids: &[Uid],
        plan: &Plan,
    ) -> Result<(), String> {
        let uid = uids[seq as usize].clone();
        let own: Vec<&Message> = planned.own.iter().map(|&ix| plan.message(ix)).collect();
        let path: Vec<&Message> = planned.path.iter().map(|&ix| plan.message(ix)).collect();
        let about = Target::Turn { uid: uid.clone() };
        let created_at = self.time(&about, planned, &path);
        let model = self.model(&path);
        let agent = planned.role == TurnRole::Agent;
        let ends = path.iter().rev().find_map(|message| message.status);
        let finished = path
            .last()
            .and_then(|m| m.at)
            .filter(|&at| agent && at > created_at);
        let deleted = !path.is_empty() && path.iter().all(|message| message.deleted);
        let row = TurnRow {
            uid: uid.clone(),
            role: planned.role,
            parent_uid: planned.parent.map(|parent| uids[parent].clone()),
            active_child: None,
            seq,
            created_at,
            deleted_at: deleted.then_some(created_at),
            liked: path.iter().rev().find_map(|m| m.liked).filter(|_| agent),
            model: model.filter(|_| agent).map(Into::into),
            status: agent.then_some(ends.unwrap_or(TurnStatus::Complete)),
            finished_at: finished,
            usage: None,
            rev: 0,
        };
        let prompt = match agent {
            false => Some(self.prompt(&path)?),
            true => None,
        };
        self.conversation.turns.push(NewTurn { turn: row, prompt });
        self.steps(&uid, created_at, &path)?;
        if planned.synthetic {
            self.note(&about, "synthetic", "true");
        }
        if let Some(first) = own.first() {
            self.note(&about, "source_id", &first.id);
        }
        for message in own {
            self.judgements(&about, message);
        }
        Ok(())
    }

    fn prompt(&self, path: &[&Message]) -> Result<String, String> {
        let prompt = path.first().map_or("", |message| match &message.body {
            Body::Human(prompt) => prompt,
            Body::Agent(_) | Body::Technical(_) => "",
        });
        if prompt.len() > PROMPT_BYTES_MAX {
            return Err(format!("a prompt is longer than {PROMPT_BYTES_MAX} bytes"));
        }
        Ok(prompt.to_owned())
    }

    fn steps(&mut self, turn: &Uid, at: Timestamp, path: &[&Message]) -> Result<(), String> {
        let parts = path.iter().flat_map(|message| match &message.body {
            Body::Agent(parts) => parts.iter().map(|part| (part, message.at)).collect(),
            Body::Human(_) | Body::Technical(_) => Vec::new(),
        });
        for (idx, (tpe, content, began)) in (0..).zip(assemble(parts)) {
            if content.len() > CONTENT_BYTES_MAX {
                return Err(format!("a step is longer than {CONTENT_BYTES_MAX} bytes"));
            }
            self.conversation.steps.push(StepRow {
                turn_uid: turn.clone(),
                idx,
                tpe: tpe.number(),
                content,
                created_at: began.map_or(at, |began| began.max(at)),
                rev: 0,
            });
        }
        Ok(())
    }

    /// The time of the source, never earlier than the parent's.
    fn time(&mut self, about: &Target, planned: &Planned, path: &[&Message]) -> Timestamp {
        let parent = planned
            .parent
            .map(|ix| self.conversation.turns[ix].turn.created_at);
        let stated = path.iter().find_map(|message| message.at);
        let next = parent.map(|at| Timestamp(at.0.saturating_add(STEP_MICROS)));
        match (stated, parent) {
            (Some(stated), Some(parent)) if stated < parent => {
                let id = path.first().map_or("", |message| &message.id);
                let reason = "it is older than its parent; its time was set just after the \
                              parent's, the original is in its metadata";
                self.notes.repair(id, reason);
                self.note(about, "source_created_at", &stated.to_string());
                next.unwrap_or(stated)
            }
            (Some(stated), _) => stated,
            (None, _) => next.unwrap_or(self.conversation.session.created_at),
        }
    }

    fn model(&mut self, path: &[&Message]) -> Option<String> {
        let message = path
            .iter()
            .find(|m| m.model.as_ref().is_some_and(|m| !m.is_empty()))?;
        let model = message.model.as_deref()?;
        if model.len() <= MODEL_BYTES_MAX {
            return Some(model.to_owned());
        }
        let cut = model.floor_char_boundary(MODEL_BYTES_MAX);
        self.notes
            .repair(&message.id, "the name of its model is too long; cut");
        Some(model[..cut].to_owned())
    }

    fn judgements(&mut self, about: &Target, message: &Message) {
        let session = self.conversation.session.uid.clone();
        let turns = &self.conversation.turns;
        let at = turns
            .last()
            .map_or(self.origin.now, |turn| turn.turn.created_at);
        for (n, judgement) in message.scores.iter().enumerate() {
            let id = format!("{}\u{1f}{}\u{1f}{n}", message.id, judgement.name);
            self.conversation.scores.push(ScoreRow {
                uid: keys::part(&session, "score", &id),
                target: about.clone(),
                name: judgement.name.clone(),
                source: judgement.source,
                value: judgement.value.clone(),
                comment: None,
                evaluator: None,
                created_at: at,
            });
        }
        for (key, value) in &message.metadata {
            self.note(about, key, value);
        }
    }

    /// Notes metadata; of two values for a key the first stays.
    fn note(&mut self, about: &Target, key: &str, value: &str) {
        let rows = &mut self.conversation.metadata;
        let known = rows.iter().rev().take_while(|row| row.target == *about);
        if known.into_iter().any(|row| row.key == key) {
            return;
        }
        rows.push(MetadataRow {
            target: about.clone(),
            key: key.to_owned(),
            value: value.to_owned(),
        });
    }

    /// Sets what is shown: the path to `current`, elsewhere the best or preferred child.
    fn point(&mut self, source: &Source, plan: &Plan, uids: &[Uid]) {
        let current = source.current.as_ref().and_then(|id| {
            let turn = plan.turn_of(id);
            if turn.is_none() {
                let reason = format!("the message shown last, {id}, is not there; chose another");
                self.notes.repaired.push((None, reason));
            }
            turn
        });
        let mut chosen: Vec<Option<usize>> = vec![None; plan.turns.len()];
        let mut root = None;
        let mut at = current;
        while let Some(ix) = at {
            at = plan.turns[ix].parent;
            match at {
                Some(parent) => chosen[parent] = Some(ix),
                None => root = Some(ix),
            }
        }
        let mut best: Vec<Option<usize>> = vec![None; plan.turns.len()];
        let mut best_root = None;
        for (ix, turn) in plan.turns.iter().enumerate() {
            let slot = match turn.parent {
                Some(parent) => &mut best[parent],
                None => &mut best_root,
            };
            let better = slot.is_none_or(|known| self.is_better(ix, known, plan, source.prefer));
            if better {
                *slot = Some(ix);
            }
        }
        for (ix, turn) in self.conversation.turns.iter_mut().enumerate() {
            turn.turn.active_child = chosen[ix].or(best[ix]).map(|child| uids[child].clone());
        }
        let root = root.or(best_root).map(|root| uids[root].clone());
        self.conversation.session.active_root = root;
    }

    fn is_better(&self, new: usize, known: usize, plan: &Plan, prefer: Prefer) -> bool {
        let deleted = |ix: usize| self.conversation.turns[ix].turn.deleted_at.is_some();
        if deleted(new) != deleted(known) {
            return deleted(known);
        }
        match (plan.rank(new), plan.rank(known)) {
            (Some(new), Some(known)) => new < known,
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (None, None) => prefer == Prefer::Last,
        }
    }
}
