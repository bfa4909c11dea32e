#!/usr/bin/env bash
# The figures of docs/layouts.md: both CQL layouts and PostgreSQL on the same conversations.
# Starts a scratch PostgreSQL and a scratch Cassandra on free ports of the loopback and stops them
# again. Needs PostgreSQL's server programs, Java 17 and Maven (scripts/jars.sh fetches the jars).
set -euo pipefail
cd "$(dirname "$0")/.."

scratch=$(mktemp -d "${TMPDIR:-/tmp}/turngraph-layouts.XXXXXX")
bin=$(dirname "$(command -v postgres || ls /usr/lib/postgresql/*/bin/postgres | tail -n 1)")
pg_port=$((20000 + RANDOM % 10000)) cql_port=$((30000 + RANDOM % 10000))
storage_port=$((40000 + RANDOM % 10000)) jmx_port=$((50000 + RANDOM % 10000))
as() { if [ "$(id -u)" = 0 ]; then runuser -u nobody -- "$@"; else "$@"; fi; }
cassandra=
stop() {
  as "$bin/pg_ctl" -D "$scratch/pg.parent/pg" -m immediate stop >/dev/null 2>&1 || true
  [ -z "$cassandra" ] || kill "$cassandra" 2>/dev/null || true
  [ -z "$cassandra" ] || wait "$cassandra" 2>/dev/null || true
  rm -rf "$scratch"
}
trap stop EXIT

chmod 755 "$scratch"
install -d -m 777 "$scratch/pg.parent"
as "$bin/initdb" -D "$scratch/pg.parent/pg" -U bench --auth=trust >/dev/null
as "$bin/pg_ctl" -D "$scratch/pg.parent/pg" -w -l "$scratch/pg.parent/log" \
  -o "-p $pg_port -c listen_addresses=127.0.0.1 -c unix_socket_directories=$scratch/pg.parent" start >/dev/null
psql() { command psql -h 127.0.0.1 -p "$pg_port" -U bench -qtAX "$@"; }
psql -d postgres -c 'create database bench'
record="postgres://bench@127.0.0.1:$pg_port/bench"

# The jars of the tests; flags and settings as in tests/it/support/cassandra.
lib=$(ls -d target/test-servers/jars/cassandra-* | head -n 1)
lib=$PWD/$lib
home=$scratch/cassandra
mkdir -p "$home"/{data,commitlog,hints,saved_caches,cdc_raw}
cat >"$home/cassandra.yaml" <<YAML
cluster_name: bench
num_tokens: 1
initial_token: "0"
partitioner: org.apache.cassandra.dht.Murmur3Partitioner
data_file_directories: ["$home/data"]
commitlog_directory: "$home/commitlog"
hints_directory: "$home/hints"
saved_caches_directory: "$home/saved_caches"
cdc_raw_directory: "$home/cdc_raw"
commitlog_sync: periodic
commitlog_sync_period: 10000ms
commitlog_segment_size: 8MiB
seed_provider:
- class_name: org.apache.cassandra.locator.SimpleSeedProvider
  parameters: [{seeds: "127.0.0.1:$storage_port"}]
listen_address: 127.0.0.1
rpc_address: 127.0.0.1
storage_port: $storage_port
native_transport_port: $cql_port
start_native_transport: true
endpoint_snitch: SimpleSnitch
auto_snapshot: false
disk_access_mode: standard
YAML
cat >"$home/logback.xml" <<XML
<configuration><appender name="out" class="ch.qos.logback.core.ConsoleAppender"><encoder><pattern>%d %-5level %msg%n</pattern></encoder></appender><root level="WARN"><appender-ref ref="out"/></root></configuration>
XML
flags=()
for e in java.base/jdk.internal.misc java.management.rmi/com.sun.jmx.remote.internal.rmi \
  java.rmi/sun.rmi.registry java.rmi/sun.rmi.server java.sql/java.sql java.base/java.lang.ref \
  jdk.unsupported/sun.misc; do flags+=(--add-exports "$e=ALL-UNNAMED"); done
for o in java.lang.module jdk.internal.loader jdk.internal.ref jdk.internal.reflect \
  jdk.internal.math jdk.internal.module jdk.internal.util.jar sun.nio.ch java.io java.lang \
  java.lang.reflect java.util java.nio java.nio.charset java.util.concurrent; do
  flags+=(--add-opens "java.base/$o=ALL-UNNAMED"); done
flags+=(--add-opens jdk.management/com.sun.management.internal=ALL-UNNAMED)
java "${flags[@]}" -Xms1g -Xmx1g -XX:MaxDirectMemorySize=512m -XX:+UseG1GC \
  "-javaagent:$lib/jamm-0.4.0.jar" -Djdk.attach.allowAttachSelf=true \
  -Dio.netty.tryReflectionSetAccessible=true -Dcassandra-foreground=yes \
  "-Dcassandra.config=file://$home/cassandra.yaml" "-Dcassandra.storagedir=$home" \
  -Dcassandra.libjemalloc=- "-Dlogback.configurationFile=$home/logback.xml" \
  "-Dcassandra.jmx.local.port=$jmx_port" -Dcassandra.skip_wait_for_gossip_to_settle=0 \
  -Dcassandra.load_ring_state=false -Dcassandra.ring_delay_ms=0 \
  -cp "$lib/*" org.apache.cassandra.service.CassandraDaemon >"$home/log" 2>&1 &
cassandra=$!
for _ in $(seq 600); do
  (exec 3<>"/dev/tcp/127.0.0.1/$cql_port") 2>/dev/null && break
  kill -0 "$cassandra" || { cat "$home/log"; exit 1; }
  sleep 0.2
done
nodetool() {
  java "${flags[@]}" -Xmx96m "-Dlogback.configurationFile=$home/logback.xml" -cp "$lib/*" \
    org.apache.cassandra.tools.NodeTool -h 127.0.0.1 -p "$jmx_port" "$@"
}

[ -n "${TURNGRAPH:-}" ] || { cargo build --release --quiet; TURNGRAPH=target/release/turngraph; }
"$TURNGRAPH" migrate up --record "$record" >/dev/null
from=$(psql -d bench -c 'select pg_current_wal_insert_lsn()')
"$TURNGRAPH" bench layouts --record "$record" --cql "cql://127.0.0.1:$cql_port/bench" "$@"

nodetool flush bench_layouts
nodetool compact bench_layouts
sleep 2 # Replaced files go a moment later.
echo
echo "| on disk (compressed, compacted) | bytes |"
echo "| --- | --: |"
for table in turns_by_session_1 bodies_by_session_1 sessions_by_user_1 months_by_user_1 \
  turns_by_session turns_by_parent steps_by_turn sessions_by_user recent_conversations; do
  echo "| $table | $(cat "$home"/data/bench_layouts/"$table"-*/*.db 2>/dev/null | wc -c) |"
done
psql -d bench -F ' | ' -c "select '| PostgreSQL ' || relname, pg_total_relation_size(oid) || ' |'
  from pg_class where relname in ('sessions','human_turns','agent_turns','steps') and relkind = 'r' order by 1"
psql -d bench -c "select '| PostgreSQL log written | ' || pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '$from') || ' |'"
