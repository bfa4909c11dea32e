//! Conversations that look like real ones in number and size of their parts, the same on every run.

use super::{Operation, PAGE};
use crate::domain::{SessionRow, StepRow, Timestamp, TurnRole, TurnRow, TurnStatus, Uid};
use crate::stores::record::NewTurn;

/// Steps of an agent turn.
pub(super) const STEPS: i32 = 5;
/// About the median of a step's content in shared chat data.
const CONTENT_BYTES: usize = 350;
const PROMPT_BYTES: usize = 200;

/// Words of average length, so that compression finds about as much as in real texts.
const WORDS: [&str; 32] = [
    "time", "people", "would", "water", "model", "answer", "result", "value", "before", "after",
    "which", "could", "other", "their", "there", "between", "number", "order", "table", "query",
    "store", "light", "change", "point", "small", "large", "never", "often", "house", "world",
    "still", "again",
];

/// A conversation.
pub(super) struct Sample {
    pub(super) session: SessionRow,
    /// Turns by `seq`; human and agent turns take turns.
    pub(super) turns: Vec<NewTurn>,
    /// Steps with the number of their turn.
    pub(super) steps: Vec<(i32, StepRow)>,
}

impl Sample {
    /// A conversation of `count` turns. Every twentieth answers an earlier turn, so it has branches.
    pub(super) fn new(run: i64, name: &str, count: i32) -> Self {
        let key = |part: &str| Uid::stored(format!("bench-{run}-{name}-{part}"));
        let mut words = Words(run.unsigned_abs() | 1);
        let (mut turns, mut steps) = (Vec::new(), Vec::new());
        for seq in 0..count {
            let role = [TurnRole::Human, TurnRole::Agent][usize::from(seq % 2 == 1)];
            let parent = match seq {
                0 => None,
                seq if seq % 20 == 10 => Some(seq - 3),
                seq => Some(seq - 1),
            };
            let at = Timestamp(run + i64::from(seq));
            let agent = role == TurnRole::Agent;
            let turn = TurnRow {
                uid: key(&seq.to_string()),
                role,
                parent_uid: parent.map(|parent| key(&parent.to_string())),
                active_child: (seq + 1 < count).then(|| key(&(seq + 1).to_string())),
                seq,
                created_at: at,
                deleted_at: None,
                liked: None,
                model: agent.then(|| "model-large".into()),
                status: agent.then_some(TurnStatus::Complete),
                finished_at: agent.then_some(at),
                usage: None,
                rev: at.0,
            };
            if agent {
                steps.extend((0..STEPS).map(|idx| {
                    let row = StepRow {
                        turn_uid: turn.uid.clone(),
                        idx,
                        tpe: 1,
                        content: format!("{{\"text\":\"{}\"}}", words.text(CONTENT_BYTES)).into(),
                        created_at: at,
                        rev: at.0,
                    };
                    (seq, row)
                }));
            }
            let prompt = (!agent).then(|| words.text(PROMPT_BYTES));
            turns.push(NewTurn { turn, prompt });
        }
        let session = SessionRow {
            uid: key("session"),
            account_uid: Uid::stored(format!("bench-{run}")),
            title: Some(words.text(40).into()),
            created_at: Timestamp(run),
            deleted_at: None,
            active_root: Some(key("0")),
            next_seq: count,
            last_activity_at: Timestamp(run + i64::from(count)),
            forked_from: None,
            rev: run + i64::from(count),
        };
        Self {
            session,
            turns,
            steps,
        }
    }

    pub(super) fn turn_count(&self) -> usize {
        self.turns.len()
    }

    /// A turn in the middle that has a parent with several children where there are any.
    pub(super) fn branch(&self) -> &TurnRow {
        let middle = self.turns.len() / 2;
        let branching = |turn: &&NewTurn| turn.turn.seq % 20 == 10;
        let mut later = self.turns[middle.saturating_sub(10)..].iter();
        let found = later.find(branching).unwrap_or(&self.turns[middle]);
        &found.turn
    }

    /// An agent turn in the middle.
    pub(super) fn agent(&self) -> &TurnRow {
        &self.turns[(self.turns.len() / 2) | 1].turn
    }

    /// The last two turns and their steps: one exchange.
    pub(super) fn last_exchange(&self) -> (&[NewTurn], Vec<&(i32, StepRow)>) {
        let turns = &self.turns[self.turns.len() - 2..];
        let from = turns[0].turn.seq;
        let steps = self.steps.iter().filter(|(seq, _)| *seq >= from);
        (turns, steps.collect())
    }

    /// Things that a read finds: prompts and steps, sessions, turns, steps.
    pub(super) fn expected(&self, operation: Operation) -> usize {
        let parent = &self.branch().parent_uid;
        match operation {
            Operation::Conversation => {
                self.steps.len() + self.turns.iter().filter(|t| t.prompt.is_some()).count()
            }
            Operation::History => PAGE,
            Operation::Branches => self
                .turns
                .iter()
                .filter(|turn| turn.turn.parent_uid == *parent)
                .count(),
            Operation::Steps => STEPS as usize,
        }
    }
}

/// Pseudo-random words.
struct Words(u64);

impl Words {
    fn text(&mut self, bytes: usize) -> String {
        let mut text = String::with_capacity(bytes + 8);
        while text.len() < bytes {
            // A linear congruential generator; its high bits are the random ones.
            self.0 = self
                .0
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let index = usize::try_from(self.0 >> 59).expect("five bits are an index");
            text.push_str(WORDS[index]);
            text.push(' ');
        }
        text
    }
}
