//! `createSession`: an empty session, or one with its first prompt.

use std::sync::Arc;

use async_trait::async_trait;

use crate::commands::attempt::{Attempt, Draft, Stop, Subject};
use crate::commands::execute::{Command, Places};
use crate::commands::idempotency::{InputHash, Key};
use crate::commands::outcome::{UserError, UserErrorCode};
use crate::commands::rules::{self, Faults};
use crate::commands::turn::human_row;
use crate::commands::{CommandResult, Commands, Outcome, WrittenRows};
use crate::domain::graph::Ix;
use crate::domain::{SessionGraph, SessionRow, Uid};
use crate::stores::record::NewTurn;

/// Input of [`Commands::create_session`].
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CreateSession {
    /// Key of the new session; without it one is made.
    pub uid: Option<String>,
    /// Title.
    pub title: Option<String>,
    /// Prompt of a first human turn; without it the session is empty.
    pub first_prompt: Option<String>,
}

impl CreateSession {
    fn hash(&self) -> InputHash {
        InputHash::of(Create::NAME)
            .option(self.uid.as_deref())
            .option(self.title.as_deref())
            .option(self.first_prompt.as_deref())
    }
}

struct Create {
    uid: Uid,
    title: Option<String>,
    /// Key and prompt of the first turn.
    first: Option<(Uid, String)>,
}

#[async_trait]
impl Command for Create {
    const NAME: &'static str = "createSession";

    async fn apply(&self, attempt: &mut Attempt<'_>) -> Result<Draft, Stop> {
        let now = attempt.now;
        let mut session = SessionRow {
            uid: self.uid.clone(),
            account_uid: attempt.account.clone(),
            title: self.title.as_deref().map(Into::into),
            created_at: now,
            deleted_at: None,
            active_root: self.first.as_ref().map(|(uid, _)| uid.clone()),
            next_seq: i32::from(self.first.is_some()),
            last_activity_at: now,
            forked_from: None,
            rev: now.0,
        };
        let Some(rev) = attempt.tx.session_insert(&session).await? else {
            let message = format_args!(
                "the key {} is taken; choose another, or leave it out and one is made",
                self.uid
            );
            return Err(Stop::refuse(
                UserErrorCode::Conflict,
                &["input", "uid"],
                message,
            ));
        };
        session.rev = rev;
        let mut rows = vec![(session.uid.clone(), rev)];
        let mut written = WrittenRows::default();
        written.session(&session);
        let mut turns = Vec::new();
        if let Some((uid, prompt)) = &self.first {
            let turn = human_row(uid.clone(), 0, now, rev.max(now.0));
            rows.push((uid.clone(), turn.rev));
            written.turn(&session.uid, &turn, Some(prompt));
            turns.push(turn.clone());
            let prompt = Some(prompt.clone());
            attempt
                .tx
                .turns_insert(&session.uid, &[NewTurn { turn, prompt }])
                .await?;
        }
        let subject = Subject {
            turns: turns.iter().map(|turn| turn.uid.clone()).collect(),
            idxs: Vec::new(),
        };
        Ok(Draft {
            graph: Arc::new(SessionGraph::build(turns, session.active_root.clone())),
            session,
            subject,
            rows,
            written,
        })
    }
}

impl Commands {
    /// Creates a session of the account; the subject is its first turn, if a prompt was given.
    /// Refusals name `input.{uid,title,firstPrompt}` and `idempotencyKey`.
    pub async fn create_session(
        &self,
        account: &Uid,
        input: CreateSession,
        idempotency_key: Option<&str>,
    ) -> CommandResult<Option<Ix>> {
        let mut faults = Faults::default();
        let key = Key::check(&mut faults, idempotency_key, || input.hash());
        let uid = self.uid_or_new(&mut faults, input.uid.as_deref());
        if let Some(title) = &input.title {
            rules::title(&mut faults, &["input", "title"], title);
        }
        if let Some(prompt) = &input.first_prompt {
            rules::prompt(&mut faults, &["input", "firstPrompt"], prompt);
        }
        if let Some(errors) = faults.refusal() {
            return Ok(Outcome::Refused(errors));
        }
        let command = Create {
            uid,
            title: input.title,
            first: input.first_prompt.map(|prompt| (self.uids.next(), prompt)),
        };
        let outcome = self.run(account, &command, key.as_ref()).await?;
        if let Outcome::Refused(errors) = &outcome
            && errors
                .iter()
                .any(|error| error.code == UserErrorCode::Conflict)
            && self.is_blocked(account, Create::NAME).await?
        {
            let message = "this account was erased for good; use another account";
            let error = UserError::new(UserErrorCode::AccountErased, &[], message);
            return Ok(Outcome::Refused(vec![error]));
        }
        Ok(outcome.map(|written| written.map_subject(|_, places: Places| places.first())))
    }
}
