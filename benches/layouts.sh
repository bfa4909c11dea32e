#!/usr/bin/env bash
# The figures of docs/layouts.md: both CQL layouts and PostgreSQL on the same conversations, on a
# scratch PostgreSQL and a scratch Cassandra, which are stopped again. Options go to `turngraph bench
# layouts`; TURNGRAPH names a program that is built already.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=benches/servers.sh
. benches/servers.sh
[ -n "${TURNGRAPH:-}" ] || { cargo build --release --quiet --bin turngraph; TURNGRAPH=target/release/turngraph; }
start_postgres
start_cassandra

"$TURNGRAPH" migrate up --record "$record" >/dev/null
from=$(psql -d bench -c 'select pg_current_wal_insert_lsn()')
"$TURNGRAPH" bench layouts --record "$record" --cql "$cql" "$@"

nodetool flush bench_layouts
nodetool compact bench_layouts
sleep 2 # Replaced files go a moment later.
echo
echo "| on disk (compressed, compacted) | bytes |"
echo "| --- | --: |"
for table in turns_by_session_1 bodies_by_session_1 sessions_by_user_1 months_by_user_1 \
  turns_by_session turns_by_parent steps_by_turn sessions_by_user recent_conversations; do
  echo "| $table | $(cat "$scratch"/cassandra/data/bench_layouts/"$table"-*/*.db 2>/dev/null | wc -c) |"
done
psql -d bench -F ' | ' -c "select '| PostgreSQL ' || relname, pg_total_relation_size(oid) || ' |'
  from pg_class where relname in ('sessions','human_turns','agent_turns','steps') and relkind = 'r' order by 1"
psql -d bench -c "select '| PostgreSQL log written | ' || pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '$from') || ' |'"
