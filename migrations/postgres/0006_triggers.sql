-- Triggers that keep `rev` rising and `purge_log` complete, whoever writes. They take no lock and
-- need no privilege of the writer: the functions run as their owner, with the search path that the
-- migration had, and are enabled always. There is no trigger on insert.

--: step functions-that-version-rows
--: locks nothing
-- There is no WHEN on these triggers: a writer must not be able to lower rev.
create or replace function turngraph_session_version() returns trigger
    language plpgsql security definer set search_path from current as $$
begin
    new.rev := greatest(
        old.rev + 1, (extract(epoch from clock_timestamp()) * 1000000)::bigint, new.rev);
    return new;
end $$;

create or replace function turngraph_turn_version() returns trigger
    language plpgsql security definer set search_path from current as $$
begin
    new.rev := greatest(
        old.rev + 1, (extract(epoch from clock_timestamp()) * 1000000)::bigint, new.rev);
    if new.uid is distinct from old.uid or new.session_uid is distinct from old.session_uid then
        -- A moved turn is a new turn of its new session and waits for a number there.
        new.seq := null;
    elsif old.seq is not null then
        -- An address is given once, even if a program writes back the whole row that it read
        -- before the number was given.
        new.seq := old.seq;
    end if;
    return new;
end $$;

create or replace function turngraph_step_version() returns trigger
    language plpgsql security definer set search_path from current as $$
begin
    new.rev := greatest(
        old.rev + 1, (extract(epoch from clock_timestamp()) * 1000000)::bigint, new.rev);
    if new.agent_turn_uid is distinct from old.agent_turn_uid then
        new.session_uid := null;
        new.turn_seq := null;
    end if;
    return new;
end $$;

--: step functions-that-log-purges
--: locks nothing
create or replace function turngraph_sessions_purged() returns trigger
    language plpgsql security definer set search_path from current as $$
begin
    -- Above every version of every row of the session: what is written under the same key later
    -- must win over what went, and nothing that went may come back.
    insert into purge_log (kind, session_uid, uid, account_uid, created_at, rev)
    select 'session', o.uid, o.uid, o.account_uid, o.created_at, greatest(
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
    insert into purge_log (kind, session_uid, uid, account_uid, created_at, rev)
    select 'session', o.uid, o.uid, o.account_uid, o.created_at,
        greatest(o.rev + 1, (extract(epoch from clock_timestamp()) * 1000000)::bigint)
    from old_rows o
    where not exists (select from new_rows n where n.uid = o.uid);
    return null;
end $$;

create or replace function turngraph_turns_purged() returns trigger
    language plpgsql security definer set search_path from current as $$
begin
    insert into purge_log (kind, session_uid, seq, uid, account_uid, created_at, rev)
    select 'turn', o.session_uid, o.seq, o.uid, s.account_uid, o.created_at, o.rev + 1
    from old_rows o left join sessions s on s.uid = o.session_uid;
    return null;
end $$;

create or replace function turngraph_turns_changed() returns trigger
    language plpgsql security definer set search_path from current as $$
begin
    insert into purge_log (kind, session_uid, seq, uid, account_uid, created_at, rev)
    select 'address', o.session_uid, o.seq, o.uid, s.account_uid, o.created_at, o.rev + 1
    from old_rows o left join sessions s on s.uid = o.session_uid
    where o.seq is not null
      and not exists (select from new_rows n where n.uid = o.uid and n.session_uid = o.session_uid);
    return null;
end $$;

create or replace function turngraph_steps_purged() returns trigger
    language plpgsql security definer set search_path from current as $$
begin
    -- One row for a turn that has lost all its steps. Its rev is just above theirs, not now: a step
    -- that is being inserted meanwhile is younger than them and must stay.
    with gone as (
        select o.agent_turn_uid, max(o.rev) as rev, min(o.created_at) as created_at,
            max(o.session_uid) as session_uid, max(o.turn_seq) as turn_seq,
            not exists (select from steps s where s.agent_turn_uid = o.agent_turn_uid) as whole
        from old_rows o
        group by o.agent_turn_uid
    ), logged as (
        insert into purge_log (kind, session_uid, seq, uid, created_at, rev)
        select 'turn_steps', coalesce(t.session_uid, g.session_uid), coalesce(t.seq, g.turn_seq),
            g.agent_turn_uid, g.created_at, g.rev + 1
        from gone g left join agent_turns t on t.uid = g.agent_turn_uid
        where g.whole
    )
    insert into purge_log (kind, session_uid, seq, uid, idx, created_at, rev)
    select 'step', coalesce(t.session_uid, o.session_uid), coalesce(t.seq, o.turn_seq),
        o.agent_turn_uid, o.idx, o.created_at, o.rev + 1
    from old_rows o
    join gone g on g.agent_turn_uid = o.agent_turn_uid and not g.whole
    left join agent_turns t on t.uid = o.agent_turn_uid;
    return null;
end $$;

create or replace function turngraph_steps_changed() returns trigger
    language plpgsql security definer set search_path from current as $$
begin
    insert into purge_log (kind, session_uid, seq, uid, idx, created_at, rev)
    select 'address', coalesce(t.session_uid, o.session_uid), coalesce(t.seq, o.turn_seq),
        o.agent_turn_uid, o.idx, o.created_at, o.rev + 1
    from old_rows o left join agent_turns t on t.uid = o.agent_turn_uid
    where not exists (
        select from new_rows n where n.agent_turn_uid = o.agent_turn_uid and n.idx = o.idx);
    return null;
end $$;

create or replace function turngraph_truncate_refused() returns trigger
    language plpgsql security definer set search_path from current as $$
begin
    raise exception 'TRUNCATE of % is refused: turngraph could not see which rows went', tg_table_name
        using errcode = 'feature_not_supported',
        hint = format('Use DELETE FROM %I instead; it is recorded row by row.', tg_table_name);
end $$;

--: step triggers-of-sessions
--: locks sessions: share row exclusive, writers wait for an instant
create or replace trigger turngraph_version before update on sessions
    for each row execute function turngraph_session_version();
create or replace trigger turngraph_purged after delete on sessions
    referencing old table as old_rows
    for each statement execute function turngraph_sessions_purged();
create or replace trigger turngraph_changed after update on sessions
    referencing old table as old_rows new table as new_rows
    for each statement execute function turngraph_sessions_changed();
create or replace trigger turngraph_truncate_refused before truncate on sessions
    for each statement execute function turngraph_truncate_refused();
alter table sessions enable always trigger turngraph_version;
alter table sessions enable always trigger turngraph_purged;
alter table sessions enable always trigger turngraph_changed;
alter table sessions enable always trigger turngraph_truncate_refused;

--: step triggers-of-human-turns
--: locks human_turns: share row exclusive, writers wait for an instant
create or replace trigger turngraph_version before update on human_turns
    for each row execute function turngraph_turn_version();
create or replace trigger turngraph_purged after delete on human_turns
    referencing old table as old_rows
    for each statement execute function turngraph_turns_purged();
create or replace trigger turngraph_changed after update on human_turns
    referencing old table as old_rows new table as new_rows
    for each statement execute function turngraph_turns_changed();
create or replace trigger turngraph_truncate_refused before truncate on human_turns
    for each statement execute function turngraph_truncate_refused();
alter table human_turns enable always trigger turngraph_version;
alter table human_turns enable always trigger turngraph_purged;
alter table human_turns enable always trigger turngraph_changed;
alter table human_turns enable always trigger turngraph_truncate_refused;

--: step triggers-of-agent-turns
--: locks agent_turns: share row exclusive, writers wait for an instant
create or replace trigger turngraph_version before update on agent_turns
    for each row execute function turngraph_turn_version();
create or replace trigger turngraph_purged after delete on agent_turns
    referencing old table as old_rows
    for each statement execute function turngraph_turns_purged();
create or replace trigger turngraph_changed after update on agent_turns
    referencing old table as old_rows new table as new_rows
    for each statement execute function turngraph_turns_changed();
create or replace trigger turngraph_truncate_refused before truncate on agent_turns
    for each statement execute function turngraph_truncate_refused();
alter table agent_turns enable always trigger turngraph_version;
alter table agent_turns enable always trigger turngraph_purged;
alter table agent_turns enable always trigger turngraph_changed;
alter table agent_turns enable always trigger turngraph_truncate_refused;

--: step triggers-of-steps
--: locks steps: share row exclusive, writers wait for an instant
create or replace trigger turngraph_version before update on steps
    for each row execute function turngraph_step_version();
create or replace trigger turngraph_purged after delete on steps
    referencing old table as old_rows
    for each statement execute function turngraph_steps_purged();
create or replace trigger turngraph_changed after update on steps
    referencing old table as old_rows new table as new_rows
    for each statement execute function turngraph_steps_changed();
create or replace trigger turngraph_truncate_refused before truncate on steps
    for each statement execute function turngraph_truncate_refused();
alter table steps enable always trigger turngraph_version;
alter table steps enable always trigger turngraph_purged;
alter table steps enable always trigger turngraph_changed;
alter table steps enable always trigger turngraph_truncate_refused;
