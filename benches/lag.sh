#!/usr/bin/env bash
# Lag between a commit and the projections, and the way back after a stop: the figures of
# docs/consistency.md. Scratch PostgreSQL and Cassandra, and for the feed `kafka` Kafka and Debezium.
#
# usage: benches/lag.sh [FEED…]      (pgoutput kafka)
# RATES (100 1000 10000), SECONDS_EACH (60), BACKLOG (300: seconds' worth of the load that is written
# while the projector stands still; 0: none) change what is measured.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=benches/servers.sh
. benches/servers.sh

# TURNGRAPH and LAG name programs that are built already.
if [ -z "${LAG:-}" ]; then
  cargo build --release --quiet --features kafka --bin turngraph --bench lag
  LAG=$(ls -t target/release/deps/lag-* | grep -v '\.d$' | head -n 1) TURNGRAPH=target/release/turngraph
fi
turngraph=${TURNGRAPH:-target/release/turngraph} lag=$LAG

[ $# -gt 0 ] || set -- pgoutput kafka
start_postgres wal_level=logical max_wal_size=4GB max_connections=50
start_cassandra
watch="postgres=$pg_pid,cassandra=$cassandra_pid"
"$turngraph" migrate up --record "$record" --cql "$cql" >/dev/null
for feed in "$@"; do
  if [ "$feed" = kafka ]; then
    start_kafka
    start_debezium
    export TURNGRAPH_KAFKA=$kafka
    watch="$watch,kafka=$kafka_pid,debezium=$debezium_pid"
    # The place in one feed means nothing to another.
    psql -d bench -c "delete from projection_progress" -c "select pg_drop_replication_slot(slot_name)
      from pg_replication_slots where slot_name = 'turngraph' and not active" >/dev/null
  fi
  for rate in ${RATES:-100 1000 10000}; do
    "$lag" --record "$record" --cql "$cql" --turngraph "$turngraph" --feed "$feed" --rate "$rate" \
      --seconds "${SECONDS_EACH:-60}" --backlog-seconds "${BACKLOG:-300}" --watch "$watch"
  done
done
