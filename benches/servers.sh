# Scratch servers for the benchmarks' scripts, which source this file: PostgreSQL, Cassandra, Redis,
# Kafka and Debezium on free ports of the loopback, with data in `$scratch`; all end with the script.
# Needs PostgreSQL's server programs; for the Java servers Java 17 and Maven (scripts/jars.sh fetches
# the jars). Settings follow tests/it/support, with durability as an installation has it.
# shellcheck shell=bash

scratch=$(mktemp -d "${TMPDIR:-/tmp}/turngraph-bench.XXXXXX")
chmod 755 "$scratch"
servers=()
pg_bin=

end_servers() {
  local pid
  [ -z "$pg_bin" ] || as_server "$pg_bin/pg_ctl" -D "$scratch/pg.parent/pg" -m immediate stop >/dev/null 2>&1 || true
  for pid in "${servers[@]}"; do kill "$pid" 2>/dev/null || true; done
  for pid in "${servers[@]}"; do wait "$pid" 2>/dev/null || true; done
  rm -rf "$scratch"
}
trap end_servers EXIT

# A port that nothing listens on, outside the range of outgoing connections.
free_port() {
  local port
  while port=$((11000 + RANDOM % 20000)); is_open "$port"; do :; done
  echo "$port"
}
is_open() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# Waits until something listens on PORT, for as long as process PID lives; else shows LOG.
wait_open() { # PORT PID LOG
  until is_open "$1"; do
    kill -0 "$2" 2>/dev/null || { echo "a server does not start:" >&2; tail -n 40 "$3" >&2; exit 1; }
    sleep 0.2
  done
}

# PostgreSQL refuses to run as root.
as_server() { if [ "$(id -u)" = 0 ]; then runuser -u nobody -- "$@"; else "$@"; fi; }

# Starts PostgreSQL with further settings (`name=value …`); database `bench`, its address in
# `$record`, the server's process in `$pg_pid`.
start_postgres() {
  local settings="" setting
  for setting in "$@"; do settings="$settings -c $setting"; done
  pg_bin=$(dirname "$(readlink -f "$(command -v postgres || ls /usr/lib/postgresql/*/bin/postgres | tail -n 1)")")
  pg_port=$(free_port)
  install -d -m 777 "$scratch/pg.parent"
  as_server "$pg_bin/initdb" -D "$scratch/pg.parent/pg" -U bench --auth=trust --encoding=UTF8 --locale=C.UTF-8 >/dev/null
  as_server "$pg_bin/pg_ctl" -D "$scratch/pg.parent/pg" -w -l "$scratch/pg.parent/log" \
    -o "-p $pg_port -c listen_addresses=127.0.0.1 -c unix_socket_directories=$scratch/pg.parent$settings" start >/dev/null
  pg_pid=$(head -n 1 "$scratch/pg.parent/pg/postmaster.pid")
  psql -d postgres -c 'create database bench'
  record="postgres://bench@127.0.0.1:$pg_port/bench"
}
psql() { command psql -h 127.0.0.1 -p "$pg_port" -U bench -qtAX -v ON_ERROR_STOP=1 "$@"; }

# Starts Redis; its address in `$redis`, its process in `$redis_pid`.
start_redis() {
  local port
  port=$(free_port)
  redis-server --port "$port" --bind 127.0.0.1 --save '' --appendonly no --dir "$scratch" \
    >"$scratch/redis.log" 2>&1 &
  redis_pid=$!
  servers+=("$redis_pid")
  wait_open "$port" "$redis_pid" "$scratch/redis.log"
  redis="redis://127.0.0.1:$port"
}

# Starts one Cassandra node; its address and the keyspace `bench` in `$cql`, its process in
# `$cassandra_pid`. CASSANDRA_HEAP (1g) is its heap.
start_cassandra() {
  local home=$scratch/cassandra storage_port heap=${CASSANDRA_HEAP:-1g}
  cassandra_lib=$(scripts/jars.sh cassandra)
  cql_port=$(free_port) storage_port=$(free_port) jmx_port=$(free_port)
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
  java_flags=("-Dlogback.configurationFile=$home/logback.xml")
  local package
  for package in java.base/jdk.internal.misc java.management.rmi/com.sun.jmx.remote.internal.rmi \
    java.rmi/sun.rmi.registry java.rmi/sun.rmi.server java.sql/java.sql java.base/java.lang.ref \
    jdk.unsupported/sun.misc; do java_flags+=(--add-exports "$package=ALL-UNNAMED"); done
  for package in java.lang.module jdk.internal.loader jdk.internal.ref jdk.internal.reflect \
    jdk.internal.math jdk.internal.module jdk.internal.util.jar sun.nio.ch java.io java.lang \
    java.lang.reflect java.util java.nio java.nio.charset java.util.concurrent; do
    java_flags+=(--add-opens "java.base/$package=ALL-UNNAMED"); done
  java_flags+=(--add-opens jdk.management/com.sun.management.internal=ALL-UNNAMED)
  java "${java_flags[@]}" "-Xms$heap" "-Xmx$heap" -XX:MaxDirectMemorySize=512m -XX:+UseG1GC \
    "-javaagent:$cassandra_lib/jamm-0.4.0.jar" -Djdk.attach.allowAttachSelf=true \
    -Dio.netty.tryReflectionSetAccessible=true -Dcassandra-foreground=yes \
    "-Dcassandra.config=file://$home/cassandra.yaml" "-Dcassandra.storagedir=$home" \
    -Dcassandra.libjemalloc=- "-Dcassandra.jmx.local.port=$jmx_port" \
    -Dcassandra.skip_wait_for_gossip_to_settle=0 -Dcassandra.load_ring_state=false \
    -Dcassandra.ring_delay_ms=0 \
    -cp "$cassandra_lib/*" org.apache.cassandra.service.CassandraDaemon >"$home/log" 2>&1 &
  cassandra_pid=$!
  servers+=("$cassandra_pid")
  wait_open "$cql_port" "$cassandra_pid" "$home/log"
  cql="cql://127.0.0.1:$cql_port/bench"
}
nodetool() {
  java "${java_flags[@]}" -Xmx96m -cp "$cassandra_lib/*" \
    org.apache.cassandra.tools.NodeTool -h 127.0.0.1 -p "$jmx_port" "$@"
}

# Starts one Kafka broker (KRaft); its address in `$kafka_hosts`, its process in `$kafka_pid`.
start_kafka() {
  local home=$scratch/kafka port controller
  port=$(free_port) controller=$(free_port)
  kafka_lib=$(scripts/jars.sh kafka)
  mkdir -p "$home"
  cat >"$home/server.properties" <<PROPERTIES
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$controller
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller
advertised.listeners=PLAINTEXT://127.0.0.1:$port
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs=$home/data
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
PROPERTIES
  cat >"$home/log4j2.xml" <<XML
<Configuration status="error"><Appenders><Console name="out"><PatternLayout pattern="%d %p %c{1} %m%n"/></Console></Appenders><Loggers><Root level="warn"><AppenderRef ref="out"/></Root></Loggers></Configuration>
XML
  local java=(java -Xmx384m -XX:+UseSerialGC "-Dlog4j2.configurationFile=$home/log4j2.xml" -cp "$kafka_lib/*")
  "${java[@]}" kafka.tools.StorageTool format -t YmVuY2gtb2Ytb25lLXJ1bg -c "$home/server.properties" >"$home/format.log" 2>&1
  "${java[@]}" kafka.Kafka "$home/server.properties" >"$home/log" 2>&1 &
  kafka_pid=$!
  servers+=("$kafka_pid")
  wait_open "$port" "$kafka_pid" "$home/log"
  kafka_hosts="127.0.0.1:$port"
}

# Starts Debezium between PostgreSQL and Kafka with the connector's settings of docs/debezium.md; the
# address of its topic in `$kafka`, its process in `$debezium_pid`.
start_debezium() {
  local home=$scratch/debezium port
  port=$(free_port)
  mkdir -p "$home/plugins"
  cat >"$home/worker.properties" <<PROPERTIES
bootstrap.servers=$kafka_hosts
key.converter=org.apache.kafka.connect.json.JsonConverter
value.converter=org.apache.kafka.connect.json.JsonConverter
key.converter.schemas.enable=false
value.converter.schemas.enable=false
offset.storage.file.filename=$home/offsets
offset.flush.interval.ms=1000
listeners=http://127.0.0.1:$port
plugin.discovery=only_scan
plugin.path=$home/plugins
connector.client.config.override.policy=All
PROPERTIES
  { cat tests/servers/kafka/connector.properties; cat <<PROPERTIES
database.hostname=127.0.0.1
database.port=$pg_port
database.user=bench
database.dbname=bench
topic.prefix=bench
slot.name=bench
transforms.one.replacement=bench
PROPERTIES
  } >"$home/connector.properties"
  java -Xmx512m -XX:+UseSerialGC -Dorg.slf4j.simpleLogger.logFile=System.out -cp "$kafka_lib/*" \
    org.apache.kafka.connect.cli.ConnectStandalone "$home/worker.properties" "$home/connector.properties" \
    >"$home/log" 2>&1 &
  debezium_pid=$!
  servers+=("$debezium_pid")
  wait_open "$port" "$debezium_pid" "$home/log"
  until curl -sf "http://127.0.0.1:$port/connectors/turngraph/status" | grep -q '"tasks":\[{"id":0,"state":"RUNNING"'; do
    kill -0 "$debezium_pid" || { tail -n 40 "$home/log" >&2; exit 1; }
    sleep 0.2
  done
  kafka="kafka://$kafka_hosts/bench"
}
