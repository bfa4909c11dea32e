//! `createSession`: an empty session, or one with its first prompt.

use crate::commands::attempt::Attempt;
use crate::commands::draft::{About, Draft, Needs, Stop, Subject};
use crate::commands::execute::{Command, Places};
use crate::commands::group::Sheet;
use crate::commands::idempotency::{InputHash, Key};
use crate::commands::outcome::{UserError, UserErrorCode};
use crate::commands::rules::{self, Faults};
use crate::commands::turn::human_row;
use crate::commands::{CommandResult, Commands, Outcome};
use crate::domain::graph::Ix;
use crate::domain::{SessionRow, Uid};
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
        InputHash::of(NAME)
            .option(self.uid.as_deref())
            .option(self.title.as_deref())
            .option(self.first_prompt.as_deref())
    }
}

const NAME: &str = "createSession";

struct Create {
    uid: Uid,
    title: Option<String>,
    /// Key and prompt of the first turn.
    first: Option<(Uid, String)>,
}

impl Command for Create {
    fn name(&self) -> &'static str {
        NAME
    }

    fn needs(&self) -> Needs<'_> {
        Needs::of(About::New)
    }

    fn bytes(&self) -> usize {
        self.first.as_ref().map_or(0, |(_, prompt)| prompt.len())
    }

    fn apply(&self, attempt: &mut Attempt<'_>) -> Result<Draft, Stop> {
        let now = attempt.now;
        let session = SessionRow {
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
        let first = self.first.as_ref().map(|(uid, prompt)| NewTurn {
            turn: human_row(uid.clone(), 0, now, now.0),
            prompt: Some(prompt.clone()),
        });
        let subject = Subject {
            turns: self.first.iter().map(|(uid, _)| uid.clone()).collect(),
            idxs: Vec::new(),
        };
        let message = format_args!(
            "the key {} is taken; choose another, or leave it out and one is made",
            self.uid
        );
        let taken = UserError::new(UserErrorCode::Conflict, &["input", "uid"], message);
        let sheet = Sheet::create(session, first.into_iter().collect());
        attempt.create(sheet, subject, taken)
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
            first: input.first_prompt.map(|prompt| (self.next_uid(), prompt)),
        };
        let outcome = self.run(account, command, key).await?;
        if let Outcome::Refused(errors) = &outcome
            && errors
                .iter()
                .any(|error| error.code == UserErrorCode::Conflict)
            && self.is_blocked(account, NAME).await?
        {
            let message = "this account was erased for good; use another account";
            let error = UserError::new(UserErrorCode::AccountErased, &[], message);
            return Ok(Outcome::Refused(vec![error]));
        }
        Ok(outcome.map(|written| written.map_subject(|_, places: Places| places.first())))
    }
}
