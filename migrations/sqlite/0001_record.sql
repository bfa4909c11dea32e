-- The record: sessions, turns, steps, judgements, and what became of rows that are gone.
--
-- Times are microseconds since 1970, rev is a hybrid logical clock in microseconds. The defaults
-- and triggers are for rows that are written by plain SQL; turngraph itself gives every value.

create table turngraph_store (
    id text not null primary key,
    created_at integer not null
) strict;

insert into turngraph_store (id, created_at)
values (lower(hex(randomblob(16))), cast((julianday('now') - 2440587.5) * 86400000000 as integer));

create table sessions (
    uid text not null primary key check (uid <> ''),
    account_uid text not null check (account_uid <> ''),
    title text,
    created_at integer not null,
    deleted_at integer,
    active_root text,
    next_seq integer not null default 0,
    last_activity_at integer not null,
    state text,
    forked_from text,
    rev integer not null default (cast((julianday('now') - 2440587.5) * 86400000000 as integer))
) strict;

create table human_turns (
    uid text not null primary key check (uid <> ''),
    session_uid text not null references sessions (uid),
    parent_uid text,
    active_child text,
    prompt text not null,
    created_at integer not null,
    seq integer not null,
    deleted_at integer,
    rev integer not null default (cast((julianday('now') - 2440587.5) * 86400000000 as integer)),
    unique (session_uid, seq)
) strict;

create table agent_turns (
    uid text not null primary key check (uid <> ''),
    session_uid text not null references sessions (uid),
    parent_uid text,
    active_child text,
    liked integer check (liked in (0, 1)),
    created_at integer not null,
    seq integer not null,
    deleted_at integer,
    model text,
    status text,
    finished_at integer,
    usage text,
    rev integer not null default (cast((julianday('now') - 2440587.5) * 86400000000 as integer)),
    unique (session_uid, seq)
) strict;

create table steps (
    agent_turn_uid text not null references agent_turns (uid),
    idx integer not null,
    tpe integer not null,
    content text not null,
    created_at integer not null,
    -- The turn's address, repeated for the change feed. No foreign key: the turn has one, and this
    -- one would have to look through all steps when a session is deleted.
    session_uid text not null,
    turn_seq integer not null,
    rev integer not null default (cast((julianday('now') - 2440587.5) * 86400000000 as integer)),
    primary key (agent_turn_uid, idx)
) strict;

create table scores (
    uid text not null primary key check (uid <> ''),
    session_uid text not null references sessions (uid),
    target_kind text not null check (target_kind in ('session', 'turn', 'step')),
    target_uid text not null,
    target_idx integer not null default -1,
    name text not null,
    source text not null,
    value_type text not null check (value_type in ('number', 'bool', 'label', 'text')),
    number real,
    label text,
    text text,
    comment text,
    evaluator text,
    created_at integer not null,
    rev integer not null default (cast((julianday('now') - 2440587.5) * 86400000000 as integer)),
    check (case value_type when 'label' then label when 'text' then text else number end is not null)
) strict;

create table metadata (
    target_kind text not null check (target_kind in ('session', 'turn', 'step')),
    target_uid text not null,
    target_idx integer not null default -1,
    session_uid text not null references sessions (uid),
    key text not null,
    value text not null,
    primary key (target_kind, target_uid, target_idx, key)
) strict, without rowid;

create table idempotency_keys (
    account_uid text not null,
    key text not null,
    input_hash text not null,
    answer text not null,
    created_at integer not null,
    primary key (account_uid, key)
) strict, without rowid;

-- Rows that were deleted for good, by whomever. kind: session, turn, step, listing (a session's
-- old account or creation time). A deleted session stands for all its turns, a turn for its steps.
create table purge_log (
    id integer primary key autoincrement,
    kind text not null,
    session_uid text not null,
    seq integer,
    uid text not null,
    idx integer,
    account_uid text,
    created_at integer,
    rev integer not null
) strict;

-- Changed rows in the order of their commits. AUTOINCREMENT: without it the numbers would start
-- again after old rows were pruned, and a reader that resumes would skip everything.
create table change_log (
    seq integer primary key autoincrement,
    entity text not null,
    session_uid text not null,
    uid text not null,
    idx integer,
    rev integer
) strict;

create index sessions_by_activity on sessions (account_uid, last_activity_at, uid);
create index sessions_by_creation on sessions (account_uid, created_at, uid);
create index agent_turns_voted on agent_turns (session_uid) where liked is not null;
create index scores_by_session on scores (session_uid, created_at, uid);
create index metadata_by_session on metadata (session_uid);
create index metadata_by_value on metadata (key, value, target_uid);
create index purge_log_by_uid on purge_log (uid, kind);
