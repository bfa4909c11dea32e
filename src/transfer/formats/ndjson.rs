//! turngraph's own format, one session a line: read back exactly as it was written.

use std::collections::HashSet;

use super::{Unreadable, not_json};
use crate::domain::score::{MetadataRow, ScoreRow};
use crate::domain::turn::PROMPT_BYTES_MAX;
use crate::domain::{ForkOrigin, SessionRow, StepRow, Timestamp, TurnRole, TurnRow, Uid};
use crate::stores::record::NewTurn;
use crate::transfer::conversation::Conversation;
use crate::transfer::wire::{self, AgentLine, SessionLine, TurnLine};

/// Reads a line. The account is none yet; who imports sets it. Also returns what was put right.
pub(in crate::transfer) fn read(text: &str) -> Result<(Conversation, Vec<String>), Unreadable> {
    let line: SessionLine = serde_json::from_str(text).map_err(|error| explain(text, &error))?;
    let nodes = line.turns.len();
    rows(line).map_err(|reason| Unreadable {
        nodes,
        ..Unreadable::new(reason)
    })
}

fn explain(text: &str, error: &serde_json::Error) -> Unreadable {
    #[derive(serde::Deserialize)]
    struct Mark {
        turngraph: u32,
    }
    match serde_json::from_str::<Mark>(text) {
        Ok(Mark { turngraph }) if turngraph != wire::VERSION => Unreadable::new(format!(
            "it is of version {turngraph} of the format, this program reads {}; use the program \
             that wrote it",
            wire::VERSION
        )),
        Ok(_) => {
            let (line, column) = (error.line(), error.column());
            Unreadable::new(format!(
                "it is not a session as docs/interchange.md describes it: line {line}, column \
                 {column} of it"
            ))
        }
        Err(_) if error.is_data() => Unreadable::new("it lacks `\"turngraph\": 1`"),
        Err(_) => not_json(error),
    }
}

fn rows(line: SessionLine) -> Result<(Conversation, Vec<String>), String> {
    if line.turngraph != wire::VERSION {
        return Err(format!(
            "version {} of the format is not known",
            line.turngraph
        ));
    }
    let mut notes = Vec::new();
    let mut clean = |text: String, what: &str| match text.contains('\0') {
        true => {
            notes.push(format!("{what} held NUL characters, which became U+FFFD"));
            text.replace('\0', "\u{fffd}")
        }
        false => text,
    };
    let mut conversation = Conversation {
        place: String::new(),
        nodes: line.turns.len(),
        session: SessionRow {
            uid: line.uid,
            account_uid: Uid::stored(""),
            title: line.title.map(|title| clean(title, "its title").into()),
            created_at: Timestamp(line.created_at),
            deleted_at: line.deleted_at.map(Timestamp),
            active_root: line.active_root,
            next_seq: line.next_seq,
            last_activity_at: Timestamp(line.last_activity_at),
            forked_from: line.forked_from.map(|fork| ForkOrigin {
                session_uid: fork.session,
                turn_uid: fork.turn,
                at: Timestamp(fork.at),
            }),
            rev: 0,
        },
        turns: Vec::with_capacity(line.turns.len()),
        steps: Vec::new(),
        scores: Vec::with_capacity(line.scores.len()),
        metadata: Vec::with_capacity(line.metadata.len()),
    };
    for turn in line.turns {
        take_turn(&mut conversation, turn, &mut clean)?;
    }
    for score in line.scores {
        let uid = score.uid;
        let value = score
            .value
            .read()
            .ok_or_else(|| format!("score {uid} is no number"))?;
        conversation.scores.push(ScoreRow {
            uid,
            target: score.target,
            name: score.name,
            source: score.source,
            value,
            comment: score.comment,
            evaluator: score.evaluator,
            created_at: Timestamp(score.created_at),
        });
    }
    let metadata = line.metadata.into_iter();
    conversation
        .metadata
        .extend(metadata.map(|entry| MetadataRow {
            target: entry.target,
            key: entry.key,
            value: entry.value,
        }));
    check(&conversation)?;
    Ok((conversation, notes))
}

fn take_turn(
    conversation: &mut Conversation,
    line: TurnLine,
    clean: &mut impl FnMut(String, &str) -> String,
) -> Result<(), String> {
    let uid = line.uid;
    let mut turn = TurnRow {
        uid: uid.clone(),
        role: line.role,
        parent_uid: line.parent,
        active_child: line.active_child,
        seq: line.seq,
        created_at: Timestamp(line.created_at),
        deleted_at: line.deleted_at.map(Timestamp),
        liked: None,
        model: None,
        status: None,
        finished_at: None,
        usage: None,
        rev: 0,
    };
    let prompt = match (line.role, line.prompt, line.agent) {
        (TurnRole::Human, Some(prompt), None) if prompt.len() > PROMPT_BYTES_MAX => {
            return Err(format!(
                "the prompt of turn {uid} is longer than {PROMPT_BYTES_MAX} bytes"
            ));
        }
        (TurnRole::Human, Some(prompt), None) => {
            Some(clean(prompt, &format!("the prompt of turn {uid}")))
        }
        (TurnRole::Agent, None, Some(agent)) => {
            take_agent(conversation, &mut turn, agent)?;
            None
        }
        (TurnRole::Human, ..) => return Err(format!("human turn {uid} needs `prompt` alone")),
        (TurnRole::Agent, ..) => return Err(format!("agent turn {uid} needs `agent` alone")),
    };
    conversation.turns.push(NewTurn { turn, prompt });
    Ok(())
}

fn take_agent(
    conversation: &mut Conversation,
    turn: &mut TurnRow,
    agent: AgentLine,
) -> Result<(), String> {
    turn.liked = agent.liked;
    turn.model = agent.model.map(Into::into);
    turn.status = agent.status;
    turn.finished_at = agent.finished_at.map(Timestamp);
    turn.usage = wire::text_of(agent.usage, agent.usage_text);
    for step in agent.steps {
        let uid = &turn.uid;
        let content = wire::text_of(step.content, step.content_text);
        let content =
            content.ok_or_else(|| format!("step {} of turn {uid} has no content", step.idx))?;
        conversation.steps.push(StepRow {
            turn_uid: uid.clone(),
            idx: step.idx,
            tpe: step.tpe,
            content,
            created_at: Timestamp(step.created_at),
            rev: 0,
        });
    }
    Ok(())
}

/// What a store would refuse, told before anything is written.
fn check(conversation: &Conversation) -> Result<(), String> {
    let mut uids = HashSet::new();
    let mut seqs = HashSet::new();
    for turn in &conversation.turns {
        let turn = &turn.turn;
        if !uids.insert(&turn.uid) {
            return Err(format!("turn {} stands there twice", turn.uid));
        }
        if !seqs.insert(turn.seq) {
            return Err(format!("two turns have the number {}", turn.seq));
        }
        if turn.seq < 0 || turn.seq >= conversation.session.next_seq {
            let reason = format!("the number of turn {} is not below `nextSeq`", turn.uid);
            return Err(reason);
        }
    }
    let mut places = HashSet::new();
    for step in &conversation.steps {
        if !places.insert((&step.turn_uid, step.idx)) {
            return Err(format!("turn {} has two steps {}", step.turn_uid, step.idx));
        }
        if step.content.contains('\0') {
            return Err(format!(
                "step {} of turn {} holds a NUL",
                step.idx, step.turn_uid
            ));
        }
    }
    Ok(())
}
