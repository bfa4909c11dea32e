#!/usr/bin/env bash
# What writing costs: through the commands with 1, 8, 64 and 256 clients, gathered in groups and not
# gathered, and beside it the same rows by COPY, straight and by way of an unlogged table.
#
# usage: benches/writes.sh [SECONDS]
#
# Starts a scratch PostgreSQL with synchronous_commit=on and stops it again. Each line has durable
# rows a second (turns and steps), microseconds of CPU a row of the gateway and of the server, bytes
# of WAL a row, and statements that the server counted a command (one that begins or ends a
# transaction is one). Needs `cargo build --release --bench writes`, which builds the program too;
# BENCH and TURNGRAPH name others.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-15}

scratch=$(mktemp -d "${TMPDIR:-/tmp}/turngraph-writes.XXXXXX")
bin=$(dirname "$(ls /usr/lib/postgresql/*/bin/postgres 2>/dev/null | tail -n 1 || command -v postgres)")
port=$((20000 + RANDOM % 20000))
as() { if [ "$(id -u)" = 0 ]; then runuser -u nobody -- "$@"; else "$@"; fi; }
stop() {
  as "$bin/pg_ctl" -D "$scratch/pg/data" -m immediate stop >/dev/null 2>&1 || true
  rm -rf "$scratch"
}
trap stop EXIT

chmod 755 "$scratch"
install -d -m 777 "$scratch/pg"
as "$bin/initdb" -D "$scratch/pg/data" -U bench --auth=trust >/dev/null
as "$bin/pg_ctl" -D "$scratch/pg/data" -w -l "$scratch/pg/log" \
  -o "-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories=$scratch/pg \
      -c synchronous_commit=on -c max_wal_size=8GB -c checkpoint_timeout=1h \
      -c shared_buffers=256MB -c shared_preload_libraries=pg_stat_statements" start >/dev/null
export PGOPTIONS='-c client_min_messages=warning'
psql() { command psql -h 127.0.0.1 -p "$port" -U bench -d bench -qtAX -v ON_ERROR_STOP=1 "$@"; }
command psql -h 127.0.0.1 -p "$port" -U bench -d postgres -qX -c 'create database bench'
record="postgres://bench@127.0.0.1:$port/bench"
bench=${BENCH:-$(ls -t target/release/deps/writes-* | grep -v '\.d$' | head -n 1)}
"${TURNGRAPH:-target/release/turngraph}" migrate up --record "$record" >/dev/null
# The first rows: plans that are made for empty tables read them whole.
"$bench" --record "$record" --clients 8 --seconds 3 >/dev/null
# No checkpoint after this one, whose images of pages would count as bytes of somebody's rows.
psql -c analyze -c checkpoint
psql -c 'create extension pg_stat_statements'

# CPU of the server and of all its processes, those that have ended included, in hundredths of a
# second.
server_cpu() {
  local main
  main=$(head -n 1 "$scratch/pg/data/postmaster.pid")
  cat "/proc/$main/stat" $(sed 's,\([0-9][0-9]*\),/proc/\1/stat,g' "/proc/$main/task/$main/children") 2>/dev/null |
    sed 's/.*) //' | awk '{ all += $12 + $13 + $14 + $15 } END { print all }'
}
wal() { psql -c "select (pg_current_wal_insert_lsn() - '0/0')::bigint"; }
per() { awk -v all="$1" -v rows="$2" -v scale="${3:-1}" 'BEGIN { printf "%.1f", all * scale / rows }'; }

commands() { # CLIENTS ARGUMENTS
  psql -c 'select pg_stat_statements_reset()' >/dev/null
  local cpu wal line rows statements
  cpu=$(server_cpu) wal=$(wal)
  line=$("$bench" --record "$record" --seconds "$seconds" --clients "$@")
  cpu=$(($(server_cpu) - cpu)) wal=$(($(wal) - wal))
  rows=$(sed -n 's/.* rows=\([0-9]*\).*/\1/p' <<<"$line")
  commands=$(sed -n 's/.* commands=\([0-9]*\).*/\1/p' <<<"$line")
  statements=$(psql -c "select sum(calls) from pg_stat_statements where query !~ 'pg_stat_statements|pg_current_wal_insert_lsn\(\) - '")
  echo "$line server_cpu_us_per_row=$(per "$cpu" "$rows" 10000) wal_bytes_per_row=$(per "$wal" "$rows")" \
    "statements_per_command=$(per "$statements" "$commands")"
}

echo "== commands, not gathered: every command has a transaction of its own, 16 at once"
for clients in 1 8 64 256; do commands "$clients" --lanes 16 --group 1; done
echo "== commands, gathered"
for clients in 1 8 64 256; do commands "$clients"; done

# Rows as the commands write them: sessions of ten exchanges, each a prompt, an answer and five
# steps of 350 bytes. Every run has keys of its own.
exchanges=20000
tables="sessions human_turns agent_turns steps"
rows_of() { # RUN
  psql <<SQL
drop schema if exists bulk cascade;
create schema bulk;
create table bulk.sessions as
    select md5('$1s' || n)::varchar as uid, 'bulk'::varchar as account_uid,
        'benchmark'::varchar as title, now() as created_at, now() as last_activity_at,
        md5('$1h' || n * 10)::varchar as active_root, 20 as next_seq
    from generate_series(1, $exchanges / 10) n;
create table bulk.human_turns as
    select md5('$1h' || n)::varchar as uid, md5('$1s' || n / 10)::varchar as session_uid,
        case when n % 10 > 0 then md5('$1a' || n - 1)::varchar end as parent_uid,
        md5('$1a' || n)::varchar as active_child,
        'what is the answer to this?'::varchar as prompt, now() as created_at, n % 10 * 2 as seq
    from generate_series(10, $exchanges + 9) n;
create table bulk.agent_turns as
    select md5('$1a' || n)::varchar as uid, md5('$1s' || n / 10)::varchar as session_uid,
        md5('$1h' || n)::varchar as parent_uid, now() as created_at, n % 10 * 2 + 1 as seq,
        'bench-1'::varchar as model, 'complete'::varchar as status, now() as finished_at
    from generate_series(10, $exchanges + 9) n;
create table bulk.steps as
    select md5('$1a' || n)::varchar as agent_turn_uid, i as idx, 1 as tpe,
        ('{"text":"' || repeat('lorem ipsum ', 29) || '"}')::varchar as content,
        now() as created_at, md5('$1s' || n / 10)::varchar as session_uid,
        n % 10 * 2 + 1 as turn_seq
    from generate_series(10, $exchanges + 9) n, generate_series(0, 4) i;
SQL
  for table in $tables; do
    psql -c "copy bulk.$table to '$scratch/pg/$table.copy'"
    declare -g "columns_$table=$(psql -c "select string_agg(column_name, ', ' order by ordinal_position)
      from information_schema.columns where table_schema = 'bulk' and table_name = '$table'")"
  done
}
straight() {
  for table in $tables; do
    local columns=columns_$table
    echo "copy $table (${!columns}) from '$scratch/pg/$table.copy';"
  done | psql --single-transaction
}
stage() {
  for table in $tables; do
    echo "create unlogged table bulk.staged_$table as select * from bulk.$table with no data;"
    echo "copy bulk.staged_$table from '$scratch/pg/$table.copy';"
  done | psql
}
flush() {
  for table in $tables; do
    local columns=columns_$table
    echo "insert into $table (${!columns}) select ${!columns} from bulk.staged_$table on conflict do nothing;"
  done | psql --single-transaction
}
bulk() { # NAME FUNCTION...
  local name=$1 cpu wal from took rows=$((exchanges * 7))
  shift
  cpu=$(server_cpu) wal=$(wal) from=$(date +%s%N)
  for step in "$@"; do "$step"; done
  took=$((($(date +%s%N) - from) / 1000000))
  cpu=$(($(server_cpu) - cpu)) wal=$(($(wal) - wal))
  echo "$name: rows=$rows rows_per_s=$((rows * 1000 / took))" \
    "server_cpu_us_per_row=$(per "$cpu" "$rows" 10000) wal_bytes_per_row=$(per "$wal" "$rows")"
}
echo "== $((exchanges * 7)) of the same rows in bulk"
rows_of 1
bulk "COPY into the four tables" straight
rows_of 2
bulk "COPY into unlogged tables, then a flush" stage flush
rows_of 3
stage
bulk "the flush alone" flush
