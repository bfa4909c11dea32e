//! A session as a line of turngraph's own format, with everything that a store holds of it but
//! the versions of rows.

use std::collections::HashMap;
use std::io::{self, Write};

use super::Whole;
use crate::domain::score::ScoreRow;
use crate::domain::{SessionRow, StepRow, TurnRole, TurnRow, Uid};
use crate::transfer::wire::{
    AgentLine, ForkLine, MetadataLine, ScoreLine, SessionLine, StepLine, TurnLine, VERSION,
    ValueLine, embedded,
};

pub(super) fn write(whole: Whole, out: &mut (dyn Write + Send)) -> io::Result<()> {
    let line = line(whole);
    serde_json::to_writer(&mut *out, &line)?;
    out.write_all(b"\n")
}

fn line(whole: Whole) -> SessionLine {
    let Whole {
        session,
        turns,
        prompts,
        steps,
        scores,
        mut metadata,
    } = whole;
    let mut prompts: HashMap<Uid, String> = prompts.into_iter().collect();
    let mut steps_of: HashMap<Uid, Vec<StepRow>> = HashMap::new();
    for step in steps {
        steps_of
            .entry(step.turn_uid.clone())
            .or_default()
            .push(step);
    }
    let turns = turns.into_iter().map(|turn| {
        let prompt = prompts.remove(&turn.uid);
        let steps = steps_of.remove(&turn.uid).unwrap_or_default();
        turn_line(turn, prompt, steps)
    });
    let turns = turns.collect();
    // Engines may order by target in their own way; the bytes of a file must not.
    metadata.sort();
    let mut scores = scores;
    scores.sort_by(|a, b| (a.created_at, &a.uid).cmp(&(b.created_at, &b.uid)));
    session_line(
        session,
        turns,
        scores,
        metadata
            .into_iter()
            .map(|row| MetadataLine {
                target: row.target,
                key: row.key,
                value: row.value,
            })
            .collect(),
    )
}

fn session_line(
    session: SessionRow,
    turns: Vec<TurnLine>,
    scores: Vec<ScoreRow>,
    metadata: Vec<MetadataLine>,
) -> SessionLine {
    SessionLine {
        turngraph: VERSION,
        uid: session.uid,
        title: session.title.map(String::from),
        created_at: session.created_at.0,
        last_activity_at: session.last_activity_at.0,
        deleted_at: session.deleted_at.map(|at| at.0),
        active_root: session.active_root,
        next_seq: session.next_seq,
        forked_from: session.forked_from.map(|fork| ForkLine {
            session: fork.session_uid,
            turn: fork.turn_uid,
            at: fork.at.0,
        }),
        turns,
        scores: scores.into_iter().map(score_line).collect(),
        metadata,
    }
}

fn turn_line(turn: TurnRow, prompt: Option<String>, steps: Vec<StepRow>) -> TurnLine {
    let agent = (turn.role == TurnRole::Agent).then(|| {
        let usage = turn.usage.as_deref().map(embedded);
        let (usage, usage_text) = usage.unwrap_or_default();
        AgentLine {
            liked: turn.liked,
            model: turn.model.map(String::from),
            status: turn.status,
            finished_at: turn.finished_at.map(|at| at.0),
            usage,
            usage_text,
            steps: steps.into_iter().map(step_line).collect(),
        }
    });
    TurnLine {
        uid: turn.uid,
        role: turn.role,
        parent: turn.parent_uid,
        active_child: turn.active_child,
        seq: turn.seq,
        created_at: turn.created_at.0,
        deleted_at: turn.deleted_at.map(|at| at.0),
        // A prompt that was deleted while it was read is an empty one.
        prompt: (turn.role == TurnRole::Human).then(|| prompt.unwrap_or_default()),
        agent,
    }
}

fn step_line(step: StepRow) -> StepLine {
    let (content, content_text) = embedded(&step.content);
    StepLine {
        idx: step.idx,
        tpe: step.tpe,
        created_at: step.created_at.0,
        content,
        content_text,
    }
}

fn score_line(score: ScoreRow) -> ScoreLine {
    ScoreLine {
        uid: score.uid,
        target: score.target,
        name: score.name,
        source: score.source,
        value: ValueLine::of(&score.value),
        comment: score.comment,
        evaluator: score.evaluator,
        created_at: score.created_at.0,
    }
}
