//! Receipts of erasures: rows and statements that both engines share.

use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, Row};

use super::Statement;
use super::columns::{DbTime, DbUid};
use super::record::record;
use super::statements::statements;
use crate::domain::{Position, Timestamp};
use crate::stores::erasure::{ErasedIn, Erasure};

record! {
    /// A row of `erasures`.
    ErasureRecord {
        /// Key.
        uid: DbUid,
        /// Account.
        account_uid: DbUid,
        /// Session.
        session_uid: Option<DbUid>,
        /// Sessions removed.
        sessions: i64,
        /// Identity of the record store.
        store: Option<String>,
        /// Place in its order of commits.
        position: Option<i64>,
        /// When.
        created_at: DbTime,
    }
}

record! {
    /// A row of `erasure_stores`.
    ErasedInRecord {
        /// Store.
        store: String,
        /// When it was done.
        done_at: Option<DbTime>,
    }
}

impl ErasureRecord {
    /// The receipt with its stores.
    pub fn with(self, stores: Vec<ErasedInRecord>) -> Erasure {
        Erasure {
            uid: self.uid.into(),
            account_uid: self.account_uid.into(),
            session_uid: self.session_uid.map(Into::into),
            sessions: u64::try_from(self.sessions).unwrap_or(0),
            at: self.created_at.into(),
            position: self
                .store
                .zip(self.position)
                .map(|(store, value)| Position {
                    store,
                    value: value.cast_unsigned(),
                }),
            stores: stores
                .into_iter()
                .map(|row| ErasedIn {
                    store: row.store,
                    done_at: row.done_at.map(Timestamp::from),
                })
                .collect(),
        }
    }
}

statements! { ERASURE:
    /// Begins receipt `$1` of account `$2` for session `$3` or all, at `$4`; one that is there is
    /// gone on with.
    ERASURE_BEGIN(&[]) = "
        insert into erasures (uid, account_uid, session_uid, created_at) values ($1, $2, $3, $4)
        on conflict (uid) do nothing";

    /// Counts `$2` more sessions in receipt `$1`.
    ERASURE_COUNT(&[]) = "update erasures set sessions = sessions + $2 where uid = $1";

    /// Lists the stores with copies in receipt `$1`.
    ERASURE_STORES_BEGIN(&[]) = "
        insert into erasure_stores (erasure_uid, store)
        select e.uid, p.store from erasures e cross join projection_stores p where e.uid = $1
        on conflict (erasure_uid, store) do nothing";

    /// Notes where receipt `$1` is: `$2` store, `$3` position.
    ERASURE_PLACE(&[]) = "update erasures set store = $2, position = $3 where uid = $1";

    /// Lists the stores of receipt `$1` as open again: what was said of it while it was written
    /// may have been too early.
    ERASURE_REOPEN(&[]) = "update erasure_stores set done_at = null where erasure_uid = $1";

    /// Whether there is a receipt that is not done everywhere.
    ERASURES_OPEN(&["open"]) = "
        select 1 as open from erasure_stores where done_at is null limit 1";

    /// Notes a place for open receipts whose writer was stopped before it could, and for those of
    /// another history of the record store, whose places no feed reaches any more: `$1` store,
    /// `$2` position. An account that still has sessions was not erased to the end.
    ERASURE_PLACES(&[]) = "
        update erasures set store = $1, position = $2
        where (position is null or store <> $1)
            and uid in (select erasure_uid from erasure_stores where done_at is null)
            and (session_uid is not null or not exists (
                select 1 from sessions s where s.account_uid = erasures.account_uid))";

    /// Receipt `$2` of account `$1`.
    ERASURE_READ(ErasureRecord::COLUMNS) = "
        select uid, account_uid, session_uid, sessions, store, position, created_at
        from erasures where account_uid = $1 and uid = $2";

    /// The last receipt of account `$1` for session `$2`, or for the account where that is ''.
    ERASURE_LAST(ErasureRecord::COLUMNS) = "
        select uid, account_uid, session_uid, sessions, store, position, created_at
        from erasures where account_uid = $1 and coalesce(session_uid, '') = $2
        order by created_at desc, uid desc limit 1";

    /// Stores of receipt `$1`.
    ERASURE_STORES(ErasedInRecord::COLUMNS) = "
        select store, done_at from erasure_stores where erasure_uid = $1 order by store";

    /// Receipts up to `$2` of store `$1` are done at `$3` in the copies of kind `$4`.
    ERASURE_APPLIED(&[]) = "
        update erasure_stores set done_at = $3
        where done_at is null and store = $4 and erasure_uid in (
            select uid from erasures where store = $1 and position <= $2)";

    /// Blocks account `$1` at `$2`.
    ACCOUNT_BLOCK(&[]) = "
        insert into erased_accounts (account_uid, created_at) values ($1, $2)
        on conflict (account_uid) do nothing";

    /// Whether account `$1` is blocked.
    ACCOUNT_BLOCKED(&["account_uid"]) = "
        select account_uid from erased_accounts where account_uid = $1";

    /// Removes what idempotency keys of account `$1` stand for.
    ACCOUNT_ANSWERS(&[]) = "delete from idempotency_keys where account_uid = $1";

    /// Tells projections that account `$1` is gone, above every version that they have of it.
    PURGE_ACCOUNT(&[]) = "
        insert into purge_log (kind, session_uid, uid, account_uid, rev)
        select 'account', account_uid, account_uid, account_uid, max(rev) + 1
        from purge_log where account_uid = $1 group by account_uid";

    /// Lists sessions of account `$1` anew that were created while it was erased.
    ACCOUNT_SURVIVORS(&[]) = "update sessions set rev = rev where account_uid = $1";

    /// Forgets the stores with copies.
    PROJECTION_STORES_CLEAR(&[]) = "delete from projection_stores";

    /// Names a store with copies, `$1`.
    PROJECTION_STORE_ADD(&[]) = "
        insert into projection_stores (store) values ($1) on conflict (store) do nothing";
}
