-- The four tables that users already have. On a database that has them nothing is created, so a
-- fresh database and an adopted one go the same way from here on.
--
-- How these files are read: a migration is a list of steps. A line `--: step NAME` begins one.
--   --: locks TEXT              what the step locks and for how long, shown by `migrate plan`
--   --: outside transaction     the step is one statement that must not run in a transaction
--   --: builds INDEX            an invalid INDEX that a failed run left behind is dropped first
--   --: unless QUERY            the step is skipped when QUERY (one line) gives true
-- Every other step runs in a transaction together with the note that it is done, so a migration
-- that is killed goes on where it stopped.

--: step create-given-tables
--: locks nothing; creates only what is missing
create table if not exists sessions (
    uid character varying,
    account_uid character varying,
    title character varying,
    created_at timestamp with time zone,
    deleted_at timestamp with time zone
);
create table if not exists agent_turns (
    uid character varying,
    session_uid character varying,
    parent_uid character varying,
    active_child character varying,
    liked boolean,
    created_at timestamp with time zone
);
create table if not exists human_turns (
    uid character varying,
    session_uid character varying,
    parent_uid character varying,
    active_child character varying,
    prompt character varying,
    created_at timestamp with time zone
);
create table if not exists steps (
    agent_turn_uid character varying,
    idx integer,
    tpe integer,
    content character varying,
    created_at timestamp with time zone
);
