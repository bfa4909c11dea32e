//! Every index with the statement that needs it and an insert that pays for it.

use crate::stores::postgres::statements::{numbering, reads, source};
use crate::stores::sql::Statement;
use crate::stores::sql::{erasure, source as shared};

/// One index.
pub(super) struct Case {
    pub(super) index: &'static str,
    /// What it is on, for the report.
    pub(super) columns: &'static str,
    pub(super) read: Read,
    /// Inserts 1,000 rows.
    pub(super) insert: &'static str,
}

/// Who reads by an index.
pub(super) enum Read {
    /// A statement of the program, with arguments.
    Statement(Statement, &'static str),
    /// No statement of the program.
    Nobody,
}

const SESSIONS: &str = "insert into sessions (uid, account_uid, title, created_at, last_activity_at)
    select gen_random_uuid(), 'account' || n % 20, 't', now(), now() from generate_series(1, 1000) n";
const NEW_SESSIONS: &str = "insert into sessions (uid, account_uid, title, created_at)
    select gen_random_uuid(), 'account' || n % 20, 't', now() from generate_series(1, 1000) n";
const HUMANS: &str = "insert into human_turns (uid, session_uid, prompt, created_at, seq)
    select gen_random_uuid(), md5('s' || n)::uuid, 'p', now(), 100 from generate_series(1, 1000) n";
const NEW_HUMANS: &str = "insert into human_turns (uid, session_uid, prompt, created_at)
    select gen_random_uuid(), md5('s' || n)::uuid, 'p', now() from generate_series(1, 1000) n";
const AGENTS: &str = "insert into agent_turns (uid, session_uid, created_at, seq)
    select gen_random_uuid(), md5('s' || n)::uuid, now(), 101 from generate_series(1, 1000) n";
const NEW_AGENTS: &str = "insert into agent_turns (uid, session_uid, created_at)
    select gen_random_uuid(), md5('s' || n)::uuid, now() from generate_series(1, 1000) n";
const VOTES: &str = "insert into agent_turns (uid, session_uid, liked, created_at, seq)
    select gen_random_uuid(), md5('s' || n)::uuid, true, now(), 101 from generate_series(1, 1000) n";
const STEPS: &str = "insert into steps (agent_turn_uid, idx, tpe, content, created_at)
    select md5('a' || n || '-0')::uuid, 9, 1, '{}', now() from generate_series(1, 1000) n";
const SCORES: &str = "insert into scores (uid, session_uid, target_kind, target_uid, name, source,
        value_type, number, created_at)
    select gen_random_uuid(), md5('s' || n)::uuid, 'session', md5('s' || n)::uuid, 'quality',
        'reviewer', 'number', 1, now() from generate_series(1, 1000) n";
const METADATA: &str = "insert into metadata (target_kind, target_uid, session_uid, key, value)
    select 'session', md5('s' || n)::uuid, md5('s' || n)::uuid, 'model', 'x'
    from generate_series(1, 1000) n";
const PURGES: &str = "insert into purge_log (kind, session_uid, seq, uid, rev)
    select 'turn', md5('s' || n)::uuid, 12, gen_random_uuid(), 1 from generate_series(1, 1000) n";
const LETTERS: &str = "insert into dead_letters (session_uid, row_key, problem, feed_position,
        created_at)
    select md5('s' || n)::uuid, 'step ' || n, 'p', n, now() from generate_series(1, 1000) n";
const ERASURES: &str = "insert into erasures (uid, account_uid, created_at)
    select gen_random_uuid(), 'gone' || n, now() from generate_series(1, 1000) n";
const ERASED_IN: &str = "insert into erasure_stores (erasure_uid, store)
    select gen_random_uuid(), 'CQL' from generate_series(1, 1000) n";

/// A page from the middle of a history: no filter, before a time and key.
const ACTIVITY: &str = "('account7', null, null, null, false, null, null, null, '-infinity', '', \
    '2024-01-08', 'zz', 20)";
/// The first page of sessions with a vote.
const VOTED: &str = "('account7', null, null, true, false, null, null, null, '-infinity', '', \
    'infinity', 'zz', 20)";
const SESSION: &str = "(array[md5('s77')::uuid::text]::varchar[])";
const TURNS: &str = "('account17', array[md5('a77-1')::uuid::text]::varchar[])";
const GRAPH: &str = "('account17', array[md5('s77')::uuid::text]::varchar[])";

/// All of them.
pub(super) const CASES: &[Case] = &[
    Case {
        index: "turngraph_sessions_key",
        columns: "sessions (uid), primary key",
        read: Read::Statement(source::SESSION_ROWS, SESSION),
        insert: SESSIONS,
    },
    Case {
        index: "turngraph_sessions_by_activity",
        columns: "sessions (account_uid, last_activity_at desc, uid \"C\" desc)",
        read: Read::Statement(reads::SESSIONS_BY_ACTIVITY_DESC, ACTIVITY),
        insert: SESSIONS,
    },
    Case {
        index: "turngraph_sessions_by_creation",
        columns: "sessions (account_uid, coalesce(created_at, 1970) desc, uid \"C\" desc)",
        read: Read::Statement(reads::SESSIONS_BY_CREATION_DESC, ACTIVITY),
        insert: SESSIONS,
    },
    Case {
        index: "turngraph_sessions_by_key",
        columns: "sessions (uid \"C\")",
        read: Read::Statement(source::SESSION_UIDS, "('7', 200)"),
        insert: SESSIONS,
    },
    Case {
        index: "turngraph_sessions_pending",
        columns: "sessions (account_uid) where last_activity_at is null",
        read: Read::Statement(numbering::NUMBER_SESSIONS, "(100)"),
        insert: NEW_SESSIONS,
    },
    Case {
        index: "turngraph_human_turns_key",
        columns: "human_turns (uid), primary key",
        read: Read::Statement(
            reads::PROMPTS,
            "(array[md5('h77-1')::uuid::text]::varchar[])",
        ),
        insert: HUMANS,
    },
    Case {
        index: "turngraph_human_turns_address",
        columns: "human_turns unique (session_uid, seq) where seq is not null",
        read: Read::Statement(reads::TURNS_BY_SESSION, GRAPH),
        insert: HUMANS,
    },
    Case {
        index: "turngraph_human_turns_pending",
        columns: "human_turns (session_uid) where seq is null",
        read: Read::Statement(numbering::NUMBER_SESSIONS, "(100)"),
        insert: NEW_HUMANS,
    },
    Case {
        index: "turngraph_agent_turns_key",
        columns: "agent_turns (uid), primary key",
        read: Read::Statement(reads::SESSIONS_BY_TURN, TURNS),
        insert: AGENTS,
    },
    Case {
        index: "turngraph_agent_turns_address",
        columns: "agent_turns unique (session_uid, seq) where seq is not null",
        read: Read::Statement(reads::TURNS_BY_SESSION, GRAPH),
        insert: AGENTS,
    },
    Case {
        index: "turngraph_agent_turns_pending",
        columns: "agent_turns (session_uid) where seq is null",
        read: Read::Statement(numbering::NUMBER_SESSIONS, "(100)"),
        insert: NEW_AGENTS,
    },
    Case {
        index: "turngraph_agent_turns_voted",
        columns: "agent_turns (session_uid) where liked is not null",
        read: Read::Statement(reads::SESSIONS_BY_ACTIVITY_DESC, VOTED),
        insert: VOTES,
    },
    Case {
        index: "turngraph_steps_key",
        columns: "steps (agent_turn_uid, idx), primary key",
        read: Read::Statement(reads::STEPS, "(array[md5('a77-1')::uuid::text]::varchar[])"),
        insert: STEPS,
    },
    Case {
        index: "scores_by_session",
        columns: "scores (session_uid, created_at)",
        read: Read::Statement(reads::SCORES_BY_SESSION, SESSION),
        insert: SCORES,
    },
    Case {
        index: "metadata_by_session",
        columns: "metadata (session_uid)",
        read: Read::Statement(reads::METADATA_BY_SESSION, SESSION),
        insert: METADATA,
    },
    Case {
        index: "purge_log_by_session",
        columns: "purge_log (session_uid)",
        read: Read::Statement(shared::PURGES, "(md5('s77')::uuid::text)"),
        insert: PURGES,
    },
    Case {
        index: "dead_letters_by_session",
        columns: "dead_letters (session_uid, id)",
        read: Read::Statement(
            shared::DEAD_LETTERS_RESOLVE,
            "(md5('s77')::uuid::text, 1000000)",
        ),
        insert: LETTERS,
    },
    Case {
        index: "erasures_by_account",
        columns: "erasures (account_uid, created_at)",
        read: Read::Statement(erasure::ERASURE_LAST, "('gone77', '')"),
        insert: ERASURES,
    },
    Case {
        index: "erasure_stores_open",
        columns: "erasure_stores (erasure_uid) where done_at is null",
        read: Read::Statement(erasure::ERASURE_APPLIED, "('store', 1000000, now())"),
        insert: ERASED_IN,
    },
    Case {
        index: "turngraph_human_turns_deleted",
        columns: "human_turns (session_uid) where deleted_at is not null",
        read: Read::Nobody,
        insert: HUMANS,
    },
    Case {
        index: "turngraph_agent_turns_deleted",
        columns: "agent_turns (session_uid) where deleted_at is not null",
        read: Read::Nobody,
        insert: AGENTS,
    },
];
