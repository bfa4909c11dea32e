#!/usr/bin/env bash
# Conversation, screen, branches and history from Redis, CQL, PostgreSQL, SQLite and the memory of
# the process, and by plain SQL beside them: the figures of benches/README.md.
# TURNS ("10 100 1000") and READS (10000 turns' worth a figure) change what is measured.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=benches/servers.sh
. benches/servers.sh

# TURNGRAPH and LOADS name programs that are built already.
if [ -z "${LOADS:-}" ]; then
  cargo build --release --quiet --features kafka --bin turngraph --bench loads
  LOADS=$(ls -t target/release/deps/loads-* | grep -v '\.d$' | head -n 1) TURNGRAPH=target/release/turngraph
fi
turngraph=${TURNGRAPH:-target/release/turngraph} loads=$LOADS

start_postgres wal_level=logical shared_preload_libraries=pg_stat_statements
start_cassandra
start_redis
turns="${TURNS:-10 100 1000}"
"$turngraph" migrate up --record "$record" --cql "$cql" >/dev/null
"$loads" --record "$record" --prepare "${turns// /,}"
"$loads" --record "sqlite://$scratch/record.db" --prepare "${turns// /,}"
psql -d bench -c 'vacuum analyze'

# The projections are filled, then nothing writes any more.
"$turngraph" project --record "$record" --cql "$cql" --listen 127.0.0.1:0 --log-level warn 2>"$scratch/project.log" &
projector=$!
servers+=("$projector")
until "$turngraph" rebuild --record "$record" --cql "$cql" >"$scratch/rebuild.log" 2>&1; do
  kill -0 "$projector" || { cat "$scratch/project.log" "$scratch/rebuild.log" >&2; exit 1; }
  sleep 1
done
kill "$projector" && wait "$projector" || true

for n in $turns; do
  reads=$((${READS:-10000} / n))
  [ "$reads" -ge 50 ] || reads=50
  at() { "$loads" --turns "$n" --loads "$reads" "$@"; }
  at --source POSTGRES --record "$record"
  at --source SQL --record "$record"
  at --source CQL --record "$record" --cql "$cql"
  at --source REDIS --record "$record" --cql "$cql" --redis "$redis"
  at --source SQLITE --record "sqlite://$scratch/record.db"
  at --source MEMORY --record "sqlite://$scratch/record.db"
done
