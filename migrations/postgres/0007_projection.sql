-- What projections need of the record: where long jobs have come to, changes that were put aside,
-- the way through all sessions, and the publication that logical replication reads.

--: step tables-of-projections
--: locks nothing; creates tables
-- Changes that could not be applied, without their content. A feed may tell a change again.
create table dead_letters (
    id bigint generated always as identity primary key,
    session_uid character varying,
    row_key character varying not null,
    row_rev bigint,
    problem character varying not null,
    feed_position bigint not null,
    created_at timestamp with time zone not null,
    attempts integer not null default 0,
    unique (feed_position, row_key)
);
create index dead_letters_by_session on dead_letters (session_uid, id);

create table projection_progress (
    job character varying not null primary key,
    progress character varying not null,
    updated_at timestamp with time zone not null default clock_timestamp()
);

--: step list-sessions-by-key
--: locks sessions: share update exclusive, reads and writes go on
--: outside transaction
--: builds turngraph_sessions_by_key
-- Rebuild and verify go through all sessions in the order of the bytes of their keys, page by
-- page; the primary key is in the order of the database's language.
create index concurrently if not exists turngraph_sessions_by_key on sessions (uid collate "C");

--: step purges-of-sessions-with-their-numbers
--: locks nothing
-- As in 0006, and `seq` is the session's next number: by it every part of the session can be found
-- in a projection when its rows are gone.
create or replace function turngraph_sessions_purged() returns trigger
    language plpgsql security definer set search_path from current as $$
begin
    insert into purge_log (kind, session_uid, seq, uid, account_uid, created_at, rev)
    select 'session', o.uid, o.next_seq, o.uid, o.account_uid, o.created_at, greatest(
        o.rev + 1,
        (extract(epoch from clock_timestamp()) * 1000000)::bigint,
        1 + (select max(p.rev) from purge_log p where p.session_uid = o.uid),
        1 + (select max(t.rev) from human_turns t
             where t.session_uid = o.uid and t.seq is not null),
        1 + (select max(t.rev) from agent_turns t
             where t.session_uid = o.uid and t.seq is not null))
    from old_rows o;
    return null;
end $$;

create or replace function turngraph_sessions_changed() returns trigger
    language plpgsql security definer set search_path from current as $$
begin
    insert into purge_log (kind, session_uid, uid, account_uid, created_at, rev)
    select 'listing', o.uid, o.uid, o.account_uid, o.created_at, o.rev + 1
    from old_rows o join new_rows n on n.uid = o.uid
    where (o.account_uid, o.created_at) is distinct from (n.account_uid, n.created_at);
    -- A session whose key changed is gone under its old key.
    insert into purge_log (kind, session_uid, seq, uid, account_uid, created_at, rev)
    select 'session', o.uid, o.next_seq, o.uid, o.account_uid, o.created_at,
        greatest(o.rev + 1, (extract(epoch from clock_timestamp()) * 1000000)::bigint)
    from old_rows o
    where not exists (select from new_rows n where n.uid = o.uid);
    return null;
end $$;

-- An update or deletion of a published table needs an identity. All four have a primary key by
-- now; only an identity that was switched off is switched on again.

--: step identity-of-sessions
--: locks sessions: access exclusive, for an instant
--: unless select relreplident <> 'n' from pg_class where oid = 'sessions'::regclass
alter table sessions replica identity default;

--: step identity-of-human-turns
--: locks human_turns: access exclusive, for an instant
--: unless select relreplident <> 'n' from pg_class where oid = 'human_turns'::regclass
alter table human_turns replica identity default;

--: step identity-of-agent-turns
--: locks agent_turns: access exclusive, for an instant
--: unless select relreplident <> 'n' from pg_class where oid = 'agent_turns'::regclass
alter table agent_turns replica identity default;

--: step identity-of-steps
--: locks steps: access exclusive, for an instant
--: unless select relreplident <> 'n' from pg_class where oid = 'steps'::regclass
alter table steps replica identity default;

--: step publish
--: locks the six tables: share update exclusive, reads and writes go on
--: unless select exists (select from pg_publication where pubname = 'turngraph') or not has_database_privilege(current_database(), 'create')
-- Last, since a table that is published before it has a key breaks the programs that update it.
create publication turngraph
    for table sessions, human_turns, agent_turns, steps, purge_log, projection_jobs
    with (publish = 'insert, update, delete, truncate', publish_via_partition_root = true);
