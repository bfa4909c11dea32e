#!/usr/bin/env bash
# A conversation loaded whole, start and memory, import, and the hot cache: figures of
# benches/README.md, on a scratch PostgreSQL, a scratch Redis and a scratch SQLite file.
# Needs PostgreSQL's server programs; valgrind for the instructions (left out with a line that says
# so). Takes some minutes; the machine's other work moves times, not instructions or statements.
set -euo pipefail
cd "$(dirname "$0")/.."

# shellcheck source=benches/servers.sh
. benches/servers.sh
start_postgres

# One build for all, so that nothing is compiled twice with other features of its dependencies.
cargo build --release --quiet --features kafka --bin turngraph --benches
bench=$(ls -t target/release/deps/conversation-* | grep -v '\.d$' | head -n 1)

./target/release/turngraph migrate up --record "$record" >/dev/null
echo "== conversation load on PostgreSQL (whole session, all prompts and steps)"
for turns in 10 100 1000; do
  "$bench" --record "$record" --prepare "$turns"
  loads=$((20000 / turns))
  psql -d bench -c 'vacuum analyze' >/dev/null
  before=$(psql -d bench -c "select sum(xact_commit) from pg_stat_database where datname = 'bench'")
  "$bench" --record "$record" --turns "$turns" --loads "$loads"
  sleep 2 # PostgreSQL's counters are reported late.
  after=$(psql -d bench -c "select sum(xact_commit) from pg_stat_database where datname = 'bench'")
  echo "   statements per load: about $(((after - before) / loads))"
  if command -v valgrind >/dev/null; then
    for n in 20 120; do
      valgrind --tool=callgrind --callgrind-out-file="$scratch/callgrind.$n" \
        "$bench" --record "$record" --turns "$turns" --loads "$n" >/dev/null 2>"$scratch/valgrind.$n"
    done
    total() { sed -n 's/^==.*Collected : \([0-9]*\).*/\1/p' "$scratch/valgrind.$1"; }
    echo "   instructions per load: $((($(total 120) - $(total 20)) / 100))"
  else
    echo "   instructions: not measured, valgrind is not installed"
  fi
done

echo "== start to first answer, and memory at rest"
start() { date +%s%N; }
from=$(start)
./target/release/turngraph dev --listen 127.0.0.1:0 --data-dir "$scratch/dev" 2>"$scratch/dev.log" &
server=$!
url=
while [ -z "$url" ]; do url=$(sed -n 's/^ *GraphQL *\(http[^ ]*\).*/\1/p' "$scratch/dev.log"); done
curl -sf "$url" -H 'content-type: application/json' -d '{"query":"{ viewer { sessions { nodes { title } } } }"}' >/dev/null
echo "   first start (schema and demo data included): $((($(start) - from) / 1000000)) ms"
kill $server && wait $server || true
from=$(start)
./target/release/turngraph dev --listen 127.0.0.1:0 --data-dir "$scratch/dev" 2>"$scratch/dev2.log" &
server=$!
url=
while [ -z "$url" ]; do url=$(sed -n 's/^ *GraphQL *\(http[^ ]*\).*/\1/p' "$scratch/dev2.log"); done
curl -sf "$url" -H 'content-type: application/json' -d '{"query":"{ viewer { sessions { nodes { title } } } }"}' >/dev/null
echo "   second start: $((($(start) - from) / 1000000)) ms"
echo "   $(grep VmRSS /proc/$server/status | tr -s '[:space:]' ' ')"
kill $server && wait $server || true

echo "== import of the OASST trees and the chat exports"
mapfile -t files < <(find tests/data/oasst-trees tests/data/chat-exports -name '*.json' -o -name '*.jsonl')
for store in "sqlite://$scratch/import.db" "$record"; do
  ./target/release/turngraph migrate up --record "$store" >/dev/null
  from=$(start)
  sessions=0
  for account in $(seq 10); do
    report=$(./target/release/turngraph import --record "$store" --account "bench-$account" --json "${files[@]}")
    sessions=$((sessions + $(echo "$report" | sed -n 's/^ *"sessions": \([0-9]*\).*/\1/p' | head -n 1)))
  done
  took=$((($(start) - from) / 1000000))
  echo "   ${store%%:*}: $sessions conversations in $took ms, $((sessions * 1000 / took)) a second"
done

echo "== the hot cache"
cache=$(ls -t target/release/deps/cache-* | grep -v '\.d$' | head -n 1)
echo "   entries of the imported conversations against their JSON"
"$cache" --sizes "$record" --account bench-1
if command -v redis-server >/dev/null; then
  start_redis
  echo "   a whole conversation from the record store, the process and Redis"
  for turns in 10 100 1000; do
    "$cache" --loads-from "$record" --redis "$redis" --turns "$turns" --loads $((20000 / turns))
  done
  echo "   hits with memory for 5 % of 100,000 sessions"
  redis-cli -u "$redis" flushall >/dev/null
  for policy in allkeys-lfu allkeys-lru; do
    redis-cli -u "$redis" config set maxmemory-policy "$policy" >/dev/null
    "$cache" --hits "$redis" --policy "$policy"
  done
else
  echo "   Redis: not measured, redis-server is not installed"
fi
"$cache" --hits memory --policy process
