#!/usr/bin/env bash
# What the other ways to keep projections would cost the writer of PostgreSQL, or lose: the figures of
# docs/cqrs.md. One scratch PostgreSQL; about two minutes. SESSIONS (5000) is the size of the data.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=benches/servers.sh
. benches/servers.sh
turngraph=${TURNGRAPH:-target/release/turngraph}
[ -x "$turngraph" ] || cargo build --release --quiet --features kafka --bin turngraph
start_postgres full_page_writes=off
"$turngraph" migrate up --record "$record" >/dev/null 2>&1
sessions=${SESSIONS:-5000}

sql() { psql -d bench "$@"; }

# Prints bytes of log, and microseconds of CPU of the writing backend, a row, of 1,000 exchanges (eight
# inserted rows and an update of the session each), the least of five runs.
exchange="with s as (select 'x' || :run || '-' || n as uid, n from generate_series(1, 1000) n),
  a as (insert into sessions (uid, account_uid, title, created_at, last_activity_at, next_seq)
    select uid, 'account' || n % 20, 't', now(), now(), 0 from s),
  b as (insert into human_turns (uid, session_uid, prompt, created_at, seq)
    select 'h' || uid, uid, repeat('prompt ', 20), now(), 0 from s),
  c as (insert into agent_turns (uid, session_uid, parent_uid, created_at, seq, status)
    select 'a' || uid, uid, 'h' || uid, now(), 1, 'complete' from s)
  insert into steps (agent_turn_uid, idx, tpe, content, created_at, session_uid, turn_seq)
    select 'a' || uid, i, 1, '{\"text\": \"' || repeat('x', 340) || '\"}', now(), uid, 1
    from s, generate_series(0, 4) i"
# CPU of the backends that have ended, in hundredths of a second.
backends() { sleep 0.5; awk '{ print $16 + $17 }' "/proc/$pg_pid/stat"; }
written() { # KEY NAME
  local run least=999999999 time=999999999 before after took
  for run in 1 2 3 4 5; do
    before=$(sql -c 'select pg_current_wal_insert_lsn()')
    took=$(backends)
    sql -v run="'$1$run'" -q <<SQL
$exchange;
update sessions set next_seq = 2 where uid like 'x$1$run-%';
SQL
    took=$((($(backends) - took) * 10000 / 8000))
    after=$(sql -c "select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '$before')::bigint / 8000")
    [ "$after" -ge "$least" ] || least=$after
    [ "$took" -ge "$time" ] || time=$took
  done
  echo "| $2 | $least | $time |"
}

echo "| way | bytes of log a row | CPU µs a row |"
echo "| --- | --: | --: |"
written plain "four tables alone (dual write, or no projections)"
sql -c 'alter system set wal_level = logical'
as_server "$pg_bin/pg_ctl" -D "$scratch/pg.parent/pg" -w -l "$scratch/pg.parent/log" restart >/dev/null
pg_pid=$(head -n 1 "$scratch/pg.parent/pg/postmaster.pid")
written logical "change capture (\`wal_level = logical\`)"
sql -c "select pg_create_logical_replication_slot('bench', 'pgoutput')" >/dev/null
written slot "change capture with a slot that is not read"
sql -c "select pg_drop_replication_slot('bench')" >/dev/null
for table in sessions human_turns agent_turns steps; do sql -c "select turngraph_change_log_on('$table')" >/dev/null; done
written outbox "outbox by statement triggers (\`change_log\`, keys only)"
for table in sessions human_turns agent_turns steps; do sql -c "select turngraph_change_log_off('$table')" >/dev/null; done
# An outbox that carries the rows, as Debezium's outbox router reads them.
sql <<'SQL'
create table outbox (id bigint generated always as identity primary key, kind text, payload jsonb);
create function outbox() returns trigger language plpgsql as $$ begin
  insert into outbox (kind, payload) select tg_table_name, to_jsonb(n) from new_rows n; return null; end $$;
create trigger outbox after insert on sessions referencing new table as new_rows for each statement execute function outbox();
create trigger outbox after insert on human_turns referencing new table as new_rows for each statement execute function outbox();
create trigger outbox after insert on agent_turns referencing new table as new_rows for each statement execute function outbox();
create trigger outbox after insert on steps referencing new table as new_rows for each statement execute function outbox();
create trigger outbox_u after update on sessions referencing new table as new_rows for each statement execute function outbox();
SQL
written payload "outbox with the rows in it"
for table in sessions human_turns agent_turns steps; do sql -c "drop trigger outbox on $table"; done
sql -c 'drop trigger outbox_u on sessions'
# A projection kept by triggers in the same transaction: one document a session.
sql <<'SQL'
create table conversations (session_uid text primary key, body jsonb not null);
create function project() returns trigger language plpgsql as $$ begin
  insert into conversations select n.session_uid, jsonb_agg(to_jsonb(n)) from new_rows n group by 1
    on conflict (session_uid) do update set body = conversations.body || excluded.body;
  return null; end $$;
create trigger project after insert on human_turns referencing new table as new_rows for each statement execute function project();
create trigger project after insert on agent_turns referencing new table as new_rows for each statement execute function project();
create trigger project after insert on steps referencing new table as new_rows for each statement execute function project();
SQL
written project "projection by triggers in the same transaction"
for table in human_turns agent_turns steps; do sql -c "drop trigger project on $table"; done
sql -c 'create index polled on steps (rev)' -c 'create index polled_h on human_turns (rev)' \
  -c 'create index polled_a on agent_turns (rev)' -c 'create index polled_s on sessions (rev)'
written polling "polling by \`rev\` (its four indexes)"

echo
echo "materialised view of the turns with their steps, refreshed whole:"
sql <<SQL
insert into sessions (uid, account_uid, created_at, last_activity_at, next_seq)
  select 'm' || n, 'account' || n % 20, now(), now(), 10 from generate_series(1, $sessions) n;
insert into agent_turns (uid, session_uid, created_at, seq)
  select 'm' || n || '-' || t, 'm' || n, now(), t from generate_series(1, $sessions) n, generate_series(0, 9) t;
insert into steps (agent_turn_uid, idx, tpe, content, created_at, session_uid, turn_seq)
  select uid, i, 1, '{"text": "' || repeat('x', 340) || '"}', now(), session_uid, seq
  from agent_turns, generate_series(0, 2) i where uid like 'm%';
create materialized view view_of_turns as select t.uid, t.session_uid, t.seq, jsonb_agg(s.content order by s.idx) as steps
  from agent_turns t left join steps s on s.agent_turn_uid = t.uid group by t.uid;
create unique index on view_of_turns (uid);
analyze;
SQL
turns=$(sql -c 'select count(*) from view_of_turns')
before=$(sql -c 'select pg_current_wal_insert_lsn()')
from=$(date +%s%N)
sql -c 'refresh materialized view view_of_turns'
whole=$((($(date +%s%N) - from) / 1000000))
bytes=$(sql -c "select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '$before')::bigint")
sql -c "insert into steps (agent_turn_uid, idx, tpe, content, created_at) values ('m1-1', 9, 1, '{}', now())"
from=$(date +%s%N)
sql -c 'refresh materialized view concurrently view_of_turns'
echo "$turns turns: $whole ms and $bytes bytes of log; concurrently, for one new step: $((($(date +%s%N) - from) / 1000000)) ms"

echo
echo "polling by \`rev\`, 8 writers whose transactions take 0 to 40 ms, polled each 50 ms for 20 s:"
sql -c 'create table to_poll (id bigint generated always as identity primary key, rev bigint not null default (extract(epoch from clock_timestamp()) * 1000000)::bigint)' \
  -c 'create index on to_poll (rev)' -c 'create table seen (id bigint primary key)'
cat >"$scratch/write.sql" <<'SQL'
\set wait random(0, 40)
begin;
insert into to_poll default values;
select pg_sleep(:wait / 1000.0);
commit;
SQL
chmod 644 "$scratch/write.sql"
"$pg_bin/pgbench" -n -h 127.0.0.1 -p "$pg_port" -U bench -c 8 -j 1 -T 20 -f "$scratch/write.sql" bench >/dev/null 2>&1 &
writers=$!
sql <<'SQL'
do $$
declare last bigint := 0; until timestamptz := clock_timestamp() + interval '23 seconds';
begin
  while clock_timestamp() < until loop
    with found as (insert into seen select id from to_poll where rev > last on conflict do nothing returning id)
    select coalesce(max(p.rev), last) into last from to_poll p join found f on f.id = p.id;
    commit;
    perform pg_sleep(0.05);
  end loop;
end $$;
SQL
wait "$writers"
sql -F ' of ' -c 'select (select count(*) from to_poll p where not exists (select from seen s where s.id = p.id)), (select count(*) from to_poll)' |
  sed 's/$/ committed rows were never seen/'
