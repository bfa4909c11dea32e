//! `purgeSession` and `eraseAccount`: removal for good, with a receipt.
//!
//! Both may be repeated: what is gone already is answered with the receipt of its removal. A
//! session that is deleted softly is only hidden; this is the way to get rid of it.

use super::execute::{ATTEMPTS_MAX, backoff};
use super::outcome::{UserError, UserErrorCode};
use super::{CommandError, Commands, Outcome};
use crate::domain::{Revision, Uid};
use crate::stores::erasure::{Erasure, ErasureStore};
use crate::stores::listing::SessionFilter;
use crate::stores::record::StoreResult;
use crate::stores::{StoreError, StoreErrorKind};

/// An erasure that was carried out, now or before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erased {
    /// The receipt.
    pub erasure: Erasure,
    /// Reading at least this shows that it is gone.
    pub revision: Revision,
}

impl Erased {
    fn of(erasure: Erasure) -> Self {
        Self {
            revision: Revision {
                position: erasure.position.clone(),
                rows: vec![],
            },
            erasure,
        }
    }
}

/// Answer of an erasure.
pub type ErasureResult = Result<Outcome<Erased>, CommandError>;

/// What is to be removed.
enum Job<'a> {
    Session(&'a Uid),
    Account { block: bool },
}

impl Commands {
    /// Removes a session of the account for good, deleted or not. Refusals name `id`.
    pub async fn purge_session(&self, account: &Uid, session: &Uid) -> ErasureResult {
        let done = self
            .erase("purgeSession", account, &Job::Session(session))
            .await?;
        Ok(match done {
            Some(erasure) => Outcome::Done(Erased::of(erasure)),
            None => refusal("id", format_args!("there is no session {session}")),
        })
    }

    /// Removes everything of the account for good; `uid` names it once more, so that nobody does
    /// this by mistake. With `block` no session of the account can be created any more. Refusals
    /// name `uid`.
    pub async fn erase_account(&self, account: &Uid, uid: &str, block: bool) -> ErasureResult {
        let wrong = || {
            let message = "this is not the key of your account; pass it as `viewer { uid }` has it";
            refusal("uid", format_args!("{message}"))
        };
        if uid != account.as_str() {
            return Ok(wrong());
        }
        let done = self
            .erase("eraseAccount", account, &Job::Account { block })
            .await?;
        Ok(done.map_or_else(wrong, |erasure| Outcome::Done(Erased::of(erasure))))
    }

    /// A receipt of the account.
    pub async fn erasure(&self, account: &Uid, receipt: &Uid) -> StoreResult<Option<Erasure>> {
        self.erasures()?.erasure(account, receipt).await
    }

    /// Whether nothing can be created in the account any more.
    pub(super) async fn is_blocked(
        &self,
        account: &Uid,
        command: &'static str,
    ) -> Result<bool, CommandError> {
        let Some(store) = self.engine.record.erasures() else {
            return Ok(false);
        };
        let blocked = store.account_blocked(account).await;
        blocked.map_err(|source| CommandError { command, source })
    }

    fn erasures(&self) -> StoreResult<&dyn ErasureStore> {
        self.engine.record.erasures().ok_or_else(|| StoreError {
            kind: StoreErrorKind::Bug,
            store: self.engine.record.kind(),
            action: "erasures",
            message: "this record store cannot erase".to_owned(),
            source: None,
        })
    }

    /// Tries until no other writer is faster.
    async fn erase(
        &self,
        command: &'static str,
        account: &Uid,
        job: &Job<'_>,
    ) -> Result<Option<Erasure>, CommandError> {
        let failed = |source| CommandError { command, source };
        let store = self.erasures().map_err(failed)?;
        let receipt = self.next_uid();
        let mut tries = 0;
        loop {
            let done = match job {
                Job::Session(session) => {
                    self.erase_session(store, (account, &receipt), session)
                        .await
                }
                Job::Account { block } => self.erase_all(store, (account, &receipt), *block).await,
            };
            match done {
                Err(error) if error.kind == StoreErrorKind::Conflict && tries < ATTEMPTS_MAX => {
                    tries += 1;
                    tokio::time::sleep(backoff(tries, &self.next_uid())).await;
                }
                done => return done.map_err(failed),
            }
        }
    }

    async fn erase_session(
        &self,
        store: &dyn ErasureStore,
        (account, receipt): (&Uid, &Uid),
        session: &Uid,
    ) -> StoreResult<Option<Erasure>> {
        let now = self.engine.clock.now();
        match store.erase_session(account, session, receipt, now).await? {
            Some(erasure) => Ok(Some(erasure)),
            None => store.last_erasure(account, Some(session)).await,
        }
    }

    async fn erase_all(
        &self,
        store: &dyn ErasureStore,
        (account, receipt): (&Uid, &Uid),
        block: bool,
    ) -> StoreResult<Option<Erasure>> {
        let all = SessionFilter {
            include_deleted: true,
            ..SessionFilter::default()
        };
        if self.engine.record.sessions_count(account, &all, 1).await? == 0
            && (!block || store.account_blocked(account).await?)
            && let Some(before) = store.last_erasure(account, None).await?
        {
            return Ok(Some(before));
        }
        let now = self.engine.clock.now();
        let erased = store.erase_account(account, receipt, now, block).await;
        erased.map(Some)
    }
}

fn refusal(argument: &str, message: std::fmt::Arguments<'_>) -> Outcome<Erased> {
    let error = UserError::new(UserErrorCode::NotFound, &[argument], message);
    Outcome::Refused(vec![error])
}
