-- Tables that are turngraph's alone. They have no foreign keys: other programs delete from the
-- four given tables as they always did.

--: step create-added-tables
--: locks nothing; creates tables
create table scores (
    uid character varying not null primary key,
    session_uid character varying not null,
    target_kind character varying not null check (target_kind in ('session', 'turn', 'step')),
    target_uid character varying not null,
    target_idx integer not null default -1,
    name character varying not null,
    source character varying not null,
    value_type character varying not null
        check (value_type in ('number', 'bool', 'label', 'text')),
    number double precision,
    label character varying,
    text character varying,
    comment character varying,
    evaluator character varying,
    created_at timestamp with time zone not null,
    rev bigint not null default (extract(epoch from clock_timestamp()) * 1000000)::bigint
);
create index scores_by_session on scores (session_uid, created_at);

create table metadata (
    target_kind character varying not null check (target_kind in ('session', 'turn', 'step')),
    target_uid character varying not null,
    target_idx integer not null default -1,
    session_uid character varying not null,
    key character varying not null,
    value character varying not null,
    primary key (target_kind, target_uid, target_idx, key)
);
create index metadata_by_session on metadata (session_uid);

create table idempotency_keys (
    account_uid character varying not null,
    key character varying not null,
    input_hash character varying not null,
    answer character varying not null,
    created_at timestamp with time zone not null,
    primary key (account_uid, key)
);

-- Rows that were deleted for good, by whomever, and old keys of rows that moved.
--   turn        a turn; session_uid and seq are its address
--   turn_steps  every step of a turn
--   step        one step (idx)
--   session     a session with all that is left of it
--   listing     account and creation time under which a session was listed before
--   address     address that a turn (or, with idx, a step) had before its key changed
create table purge_log (
    id bigint generated always as identity primary key,
    kind character varying not null
        check (kind in ('turn', 'turn_steps', 'step', 'session', 'listing', 'address')),
    session_uid character varying,
    seq integer,
    uid character varying not null,
    idx integer,
    account_uid character varying,
    created_at timestamp with time zone,
    rev bigint not null
);
create index purge_log_by_session on purge_log (session_uid);

-- Runs of numbers that were given to rows of other programs: projections read them from here,
-- because the changes themselves came without an address.
create table projection_jobs (
    id bigint generated always as identity primary key,
    session_uid character varying not null,
    from_seq integer not null,
    to_seq integer not null,
    created_at timestamp with time zone not null default clock_timestamp()
);
