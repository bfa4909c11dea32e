#!/bin/sh
# What the image `cassandra` does before the server starts, as far as the chart relies on it:
# addresses from CASSANDRA_* go into cassandra.yaml, the heap's size and JVM_EXTRA_OPTS to Java.
set -eu
conf=/etc/cassandra home=/var/lib/cassandra
mkdir -p $home/data $home/commitlog $home/hints $home/saved_caches $home/cdc_raw
sed -e "s/@NAME@/$CASSANDRA_CLUSTER_NAME/" -e "s/@SEEDS@/$CASSANDRA_SEEDS/" \
  -e "s/@LISTEN@/$CASSANDRA_LISTEN_ADDRESS/" -e "s/@BROADCAST@/$CASSANDRA_BROADCAST_RPC_ADDRESS/" \
  $conf/template.yaml >$conf/cassandra.yaml
opens=""
for name in java.lang.module jdk.internal.loader jdk.internal.ref jdk.internal.reflect \
  jdk.internal.math jdk.internal.module jdk.internal.util.jar sun.nio.ch java.io java.lang \
  java.lang.reflect java.util java.nio java.nio.charset java.util.concurrent; do
  opens="$opens --add-opens java.base/$name=ALL-UNNAMED"
done
for name in java.base/jdk.internal.misc java.management.rmi/com.sun.jmx.remote.internal.rmi \
  java.rmi/sun.rmi.registry java.rmi/sun.rmi.server java.sql/java.sql java.base/java.lang.ref \
  jdk.unsupported/sun.misc; do
  opens="$opens --add-exports $name=ALL-UNNAMED"
done
# shellcheck disable=SC2086
exec /opt/java/bin/java -Xms"$MAX_HEAP_SIZE" -Xmx"$MAX_HEAP_SIZE" -Xmn"$HEAP_NEWSIZE" $JVM_EXTRA_OPTS \
  -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:-UsePerfData $opens \
  --add-opens jdk.management/com.sun.management.internal=ALL-UNNAMED \
  -javaagent:/opt/cassandra/lib/jamm-0.4.0.jar -Djdk.attach.allowAttachSelf=true \
  -Dio.netty.tryReflectionSetAccessible=true -Dcassandra-foreground=yes \
  -Dcassandra.config=file://$conf/cassandra.yaml -Dcassandra.storagedir=$home \
  -Dcassandra.libjemalloc=- -Dcassandra.jmx.local.port=7199 -Djava.io.tmpdir=/tmp \
  -Dlogback.configurationFile=$conf/logback.xml -Dcassandra.skip_wait_for_gossip_to_settle=0 \
  -Dcassandra.load_ring_state=false -Dcassandra.superuser_setup_delay_ms=0 \
  -Dcassandra.ring_delay_ms=0 -cp '/opt/cassandra/lib/*' org.apache.cassandra.service.CassandraDaemon
