#!/bin/sh
# What each index of the record store on PostgreSQL gains for its read and costs for a write.
#
# usage: benches/postgres_indexes.sh URL
#
# URL is an empty database of a role that may create tables, e.g. postgres://localhost/bench. The
# script fills the four given tables with 20,000 sessions, 200,000 turns and 300,000 steps, adopts
# them with `turngraph migrate up`, and prints one line an index: size, bytes of WAL that a new row
# costs for it, and the time of its read with and without it (dropped in a transaction that is
# rolled back).
set -eu
url=${1:?"usage: $0 URL"}
turngraph=${TURNGRAPH:-target/debug/turngraph}
sql() { psql -X -q -A -t -v ON_ERROR_STOP=1 -d "$url" "$@"; }

sql <<'SQL'
create table sessions (uid varchar, account_uid varchar, title varchar, created_at timestamptz,
    deleted_at timestamptz);
create table human_turns (uid varchar, session_uid varchar, parent_uid varchar,
    active_child varchar, prompt varchar, created_at timestamptz);
create table agent_turns (uid varchar, session_uid varchar, parent_uid varchar,
    active_child varchar, liked boolean, created_at timestamptz);
create table steps (agent_turn_uid varchar, idx integer, tpe integer, content varchar,
    created_at timestamptz);
insert into sessions select md5('s' || n), 'account' || n % 20, 'title ' || n,
    timestamptz '2024-01-01' + n * interval '1 minute', null from generate_series(1, 20000) n;
insert into human_turns select md5('h' || n || '-' || t), md5('s' || n),
    case when t > 0 then md5('a' || n || '-' || t - 1) end, md5('a' || n || '-' || t),
    repeat('prompt ', 20), timestamptz '2024-01-01' + n * interval '1 minute'
    from generate_series(1, 20000) n, generate_series(0, 4) t;
insert into agent_turns select md5('a' || n || '-' || t), md5('s' || n),
    md5('h' || n || '-' || t), null, case when n % 10 = 0 then true end,
    timestamptz '2024-01-01' + n * interval '1 minute'
    from generate_series(1, 20000) n, generate_series(0, 4) t;
insert into steps select uid, i, 1, '{"text": "' || repeat('x', 300) || '"}', created_at
    from agent_turns, generate_series(0, 2) i;
SQL
"$turngraph" migrate up --record "$url" | tail -n 1
sql -c 'vacuum analyze'

# Time of a read in milliseconds, the best of five, with the plan made for all parameters.
time_of() { # QUERY [DROP]
    sql <<SQL | sed -n 's/.*Execution Time: \([0-9.]*\) ms.*/\1/p' | sort -n | head -n 1
begin;
set local jit = off;
${2:-}
explain analyze $1; explain analyze $1; explain analyze $1; explain analyze $1; explain analyze $1;
rollback;
SQL
}

# Bytes of WAL of 1,000 new rows, divided by 1,000, the least of three runs. Meant for a server with
# full_page_writes off, since images of pages hide everything else.
wal_of() { # INSERT [DROP]
    { wal_once "$@"; wal_once "$@"; wal_once "$@"; } | sort -n | head -n 1
}

wal_once() { # INSERT [DROP]
    sql <<SQL | tail -n 1
checkpoint;
begin;
${2:-}
create temp table wal (before pg_lsn);
insert into wal values (pg_current_wal_insert_lsn());
$1;
select (pg_wal_lsn_diff(pg_current_wal_insert_lsn(), before) / 1000)::integer from wal;
rollback;
SQL
}

line() { # INDEX READ INSERT
    drop="drop index $1;"
    # A primary key is dropped as a constraint.
    case $1 in *_key) drop="alter table $(echo "$1" | sed 's/turngraph_//; s/_key$//') drop constraint $1;" ;; esac
    with=$(wal_of "$3"); without=$(wal_of "$3" "$drop")
    printf '| %s | %s | %s | %s ms | %s ms |\n' "$1" \
        "$(sql -c "select pg_size_pretty(pg_relation_size('$1'))")" \
        "$((with - without))" "$(time_of "$2")" "$(time_of "$2" "$drop")"
}

sessions="insert into sessions (uid, account_uid, title, created_at, last_activity_at)
    select md5(random()::text), 'account' || n % 20, 't', now(), now() from generate_series(1, 1000) n"
own="insert into human_turns (uid, session_uid, prompt, created_at, seq)
    select md5(random()::text), md5('s' || n), 'p', now(), 100 from generate_series(1, 1000) n"
foreign="insert into human_turns (uid, session_uid, prompt, created_at)
    select md5(random()::text), md5('s' || n), 'p', now() from generate_series(1, 1000) n"
votes="insert into agent_turns (uid, session_uid, liked, created_at, seq)
    select md5(random()::text), md5('s' || n), true, now(), 101 from generate_series(1, 1000) n"
steps="insert into steps (agent_turn_uid, idx, tpe, content, created_at)
    select md5('a' || n || '-0'), 9, 1, '{}', now() from generate_series(1, 1000) n"

echo '| index | size | WAL bytes a row | its read | without it |'
echo '|---|---|---|---|---|'
line turngraph_sessions_key "select * from sessions where uid = md5('s77')" "$sessions"
line turngraph_sessions_by_activity "select * from sessions where account_uid = 'account7'
    and (last_activity_at, uid collate \"C\") < ('2024-01-08', 'z')
    order by last_activity_at desc, uid collate \"C\" desc limit 20" "$sessions"
line turngraph_sessions_by_creation "select * from sessions where account_uid = 'account7'
    and (coalesce(created_at, '1970-01-01 00:00:00+00'::timestamptz), uid collate \"C\")
        < ('2024-01-08', 'z')
    order by coalesce(created_at, '1970-01-01 00:00:00+00'::timestamptz) desc,
        uid collate \"C\" desc limit 20" "$sessions"
line turngraph_sessions_pending "select uid from sessions where last_activity_at is null" "$sessions"
line turngraph_human_turns_key "select prompt from human_turns where uid = md5('h77-1')" "$own"
line turngraph_human_turns_address "select uid, seq from human_turns
    where session_uid = md5('s77') and seq is not null" "$own"
line turngraph_human_turns_pending "select session_uid from human_turns where seq is null" "$foreign"
line turngraph_human_turns_deleted "select uid from human_turns
    where deleted_at is not null" "$own"
line turngraph_agent_turns_voted "select s.uid from sessions s where s.account_uid = 'account7'
    and exists (select from agent_turns t
        where t.session_uid = s.uid and t.liked is not null offset 0) limit 20" "$votes"
line turngraph_steps_key "select content from steps where agent_turn_uid = md5('a77-1')" "$steps"
