-- Columns that turngraph adds to the given tables. Each is nullable or has a constant default, so
-- no row is rewritten: `now()` is read once, when the column is added, and clock_timestamp() for
-- every row that comes later.

--: step columns-of-sessions
--: locks sessions: access exclusive, for an instant (no scan, no rewrite)
alter table sessions
    add column if not exists active_root character varying,
    add column if not exists next_seq integer not null default 0,
    add column if not exists last_activity_at timestamp with time zone,
    add column if not exists forked_from jsonb,
    add column if not exists rev bigint not null
        default (extract(epoch from now()) * 1000000)::bigint;
alter table sessions alter column rev
    set default (extract(epoch from clock_timestamp()) * 1000000)::bigint;
-- Room on the page lets most updates of a session stay on it, without touching an index.
alter table sessions set (fillfactor = 70);

--: step columns-of-human-turns
--: locks human_turns: access exclusive, for an instant (no scan, no rewrite)
alter table human_turns
    add column if not exists seq integer,
    add column if not exists deleted_at timestamp with time zone,
    add column if not exists rev bigint not null
        default (extract(epoch from now()) * 1000000)::bigint;
alter table human_turns alter column rev
    set default (extract(epoch from clock_timestamp()) * 1000000)::bigint;

--: step columns-of-agent-turns
--: locks agent_turns: access exclusive, for an instant (no scan, no rewrite)
alter table agent_turns
    add column if not exists seq integer,
    add column if not exists deleted_at timestamp with time zone,
    add column if not exists model character varying,
    add column if not exists status character varying,
    add column if not exists finished_at timestamp with time zone,
    add column if not exists usage jsonb,
    add column if not exists rev bigint not null
        default (extract(epoch from now()) * 1000000)::bigint;
alter table agent_turns alter column rev
    set default (extract(epoch from clock_timestamp()) * 1000000)::bigint;

--: step columns-of-steps
--: locks steps: access exclusive, for an instant (no scan, no rewrite)
alter table steps
    add column if not exists session_uid character varying,
    add column if not exists turn_seq integer,
    add column if not exists rev bigint not null
        default (extract(epoch from now()) * 1000000)::bigint;
alter table steps alter column rev
    set default (extract(epoch from clock_timestamp()) * 1000000)::bigint;
