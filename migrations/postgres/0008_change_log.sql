-- Changes in a table, for servers without logical replication. Nothing is written to it until it is
-- switched on: the triggers are created by turngraph_change_log_on, table by table.

--: step table-of-changes
--: locks nothing; creates a table
-- Names of rows that were written, never their content. `seq` is taken before a transaction
-- commits, so it is no order to read by: a reader takes the rows of transactions below the oldest
-- one that is still running, in the order (xid, seq).
create table change_log (
    xid xid8 not null default pg_current_xact_id(),
    seq bigint generated always as identity (cache 64),
    entity character varying not null check (
        entity in ('session', 'human_turn', 'agent_turn', 'step', 'purge', 'numbered')),
    uid character varying not null,
    idx integer,
    ref bigint,
    primary key (xid, seq)
) with (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 20000);

--: step functions-that-log-changes
--: locks nothing
create or replace function turngraph_log_rows() returns trigger
    language plpgsql security definer set search_path from current as $$
begin
    insert into change_log (entity, uid) select tg_argv[0], n.uid from new_rows n;
    return null;
end $$;

create or replace function turngraph_log_steps() returns trigger
    language plpgsql security definer set search_path from current as $$
begin
    insert into change_log (entity, uid, idx) select 'step', n.agent_turn_uid, n.idx from new_rows n;
    return null;
end $$;

create or replace function turngraph_log_purges() returns trigger
    language plpgsql security definer set search_path from current as $$
begin
    insert into change_log (entity, uid, ref) select 'purge', n.uid, n.id from new_rows n;
    return null;
end $$;

create or replace function turngraph_log_numbers() returns trigger
    language plpgsql security definer set search_path from current as $$
begin
    insert into change_log (entity, uid, ref) select 'numbered', n.session_uid, n.id from new_rows n;
    return null;
end $$;

--: step switch-of-the-change-log
--: locks nothing now; switching on locks one table at a time: share row exclusive, for an instant
-- Whether a table's changes are recorded.
create or replace function turngraph_change_log_is_on(target text) returns boolean
    language sql stable set search_path from current as $$
    select exists (
        select from pg_trigger
        where tgrelid = to_regclass(target) and tgname = 'turngraph_logged_insert'
            and tgenabled = 'A')
$$;

-- Begins to record the changes of one table. Transactions that have written to it are waited for,
-- so that nothing is missed; that wait is cut short by lock_timeout, and then it is called again.
create or replace function turngraph_change_log_on(target text) returns void
    language plpgsql security definer set search_path from current as $$
declare
    call text := case target
        when 'sessions' then 'turngraph_log_rows(''session'')'
        when 'human_turns' then 'turngraph_log_rows(''human_turn'')'
        when 'agent_turns' then 'turngraph_log_rows(''agent_turn'')'
        when 'steps' then 'turngraph_log_steps()'
        when 'purge_log' then 'turngraph_log_purges()'
        when 'projection_jobs' then 'turngraph_log_numbers()'
    end;
begin
    if call is null then
        raise exception 'turngraph records no changes of table %', target;
    end if;
    if turngraph_change_log_is_on(target) then
        return;
    end if;
    perform set_config('lock_timeout', '200ms', true);
    -- Updates first: the trigger on insert is the one that tells that both are there.
    if target not in ('purge_log', 'projection_jobs') then
        execute format('create or replace trigger turngraph_logged_update after update on %I
            referencing new table as new_rows for each statement execute function %s', target, call);
        execute format('alter table %I enable always trigger turngraph_logged_update', target);
    end if;
    execute format('create or replace trigger turngraph_logged_insert after insert on %I
        referencing new table as new_rows for each statement execute function %s', target, call);
    execute format('alter table %I enable always trigger turngraph_logged_insert', target);
end $$;

create or replace function turngraph_change_log_off(target text) returns void
    language plpgsql security definer set search_path from current as $$
begin
    if target not in
        ('sessions', 'human_turns', 'agent_turns', 'steps', 'purge_log', 'projection_jobs')
    then
        raise exception 'turngraph records no changes of table %', target;
    end if;
    perform set_config('lock_timeout', '200ms', true);
    execute format('drop trigger if exists turngraph_logged_insert on %I', target);
    execute format('drop trigger if exists turngraph_logged_update on %I', target);
end $$;

revoke execute on function turngraph_change_log_on(text), turngraph_change_log_off(text) from public;

--: step places-in-the-change-log
--: locks nothing
-- A place that clients' tokens can be compared with. Everything that was committed up to `lsn`
-- belongs to transactions below `until`; it can be read once `finished` is not below it. `lsn` is
-- null, and the rest too, while the log is where it was at `known`.
--
-- The order of the steps matters. A transaction may have its commit in the log before `lsn` and
-- still not count as completed; then it holds the lock on its own number, which is looked at before
-- the snapshot is taken.
create or replace function turngraph_change_log_mark(
        known pg_lsn, out at timestamp with time zone, out lsn pg_lsn, out until xid8,
        out finished xid8)
    language plpgsql volatile set search_path from current as $$
declare
    running bigint[];
    now_running pg_snapshot;
    last bigint;
    ahead bigint;
    place pg_lsn;
begin
    if current_setting('transaction_isolation') <> 'read committed' then
        raise exception 'a place in the change log needs the isolation level read committed';
    end if;
    at := clock_timestamp();
    place := pg_current_wal_insert_lsn();
    if place is not distinct from known then
        return;
    end if;
    select array_agg(l.transactionid::text::bigint) into running
    from pg_locks l
    where l.locktype = 'transactionid' and l.mode = 'ExclusiveLock' and l.granted;
    select pg_current_snapshot() into now_running;
    last := pg_snapshot_xmax(now_running)::text::bigint;
    -- The lock has the lower half of the number only.
    select max((x - (last & 4294967295) + 6442450944) % 4294967296 - 2147483648) into ahead
    from unnest(running) x;
    lsn := place;
    until := (last + greatest(coalesce(ahead, -1) + 1, 0))::text::xid8;
    finished := pg_snapshot_xmin(now_running);
end $$;

-- Who keeps the change log waiting: transactions below `until` that are still running, in any
-- database of the server.
create or replace function turngraph_change_log_waits_for(until xid8)
    returns table (pid integer, holder text, since timestamp with time zone)
    language sql volatile set search_path from current as $$
    select l.pid, coalesce(nullif(a.application_name, ''), a.usename::text, 'unknown'), a.xact_start
    from pg_locks l left join pg_stat_activity a on a.pid = l.pid
    where l.locktype = 'transactionid' and l.mode = 'ExclusiveLock' and l.granted
        and l.pid is not null
        and (until::text::bigint - l.transactionid::text::bigint - 1) & 4294967295 < 2147483648
    union all
    select null, 'prepared transaction ' || p.gid, p.prepared
    from pg_prepared_xacts p
    where (until::text::bigint - p.transaction::text::bigint - 1) & 4294967295 < 2147483648
    order by 3
$$;
