"""What the entry points of other people's images do, as far as the chart relies on it."""
import os
import pathlib
import re
import shutil
import subprocess

from pods import ROOT, free_port, postgres_folder, wait

EXPORTS = "java.base/jdk.internal.misc java.management.rmi/com.sun.jmx.remote.internal.rmi java.rmi/sun.rmi.registry java.rmi/sun.rmi.server java.sql/java.sql java.base/java.lang.ref jdk.unsupported/sun.misc"
OPENS = "lang.module jdk.internal.loader jdk.internal.ref jdk.internal.reflect jdk.internal.math jdk.internal.module jdk.internal.util.jar sun.nio.ch io lang lang.reflect util nio nio.charset util.concurrent"


def jars(name):
    done = subprocess.run([ROOT / "scripts/jars.sh", name], capture_output=True, text=True, check=True)
    return pathlib.Path(done.stdout.strip())


def run(command, **more):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, **more)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"


def start_postgres(container):
    """The image's entry point: `initdb` by POSTGRES_* where PGDATA is empty, the role and database,
    password logins from everywhere; then the arguments as they are."""
    env = container.environment
    data = pathlib.Path(env["PGDATA"])
    folder = pathlib.Path(postgres_folder()[0])
    owner = container.node.owner
    user = {"user": owner.pw_uid, "group": owner.pw_gid} if owner else {}
    port = container.node.port(container.service, 5432)
    sockets = container.folders["/var/run/postgresql"]
    base = [folder / "postgres", "-D", data, "-p", str(port), "-k", sockets]
    if not (data / "PG_VERSION").exists():
        password = container.home / "password"
        password.write_text(env["POSTGRES_PASSWORD"])
        container.node.own(password)
        run([folder / "initdb", "-D", data, "-U", env["POSTGRES_USER"], f"--pwfile={password}", *env["POSTGRES_INITDB_ARGS"].split()], cwd="/", **user)
        with open(data / "pg_hba.conf", "a") as file:
            file.write("host all all all scram-sha-256\n")
        # Like the image's: a server of its own, without a port, for what comes first.
        first = subprocess.Popen([str(w) for w in [*base, "-h", ""]], cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **user)
        psql = [folder / "psql", "-qh", sockets, "-p", str(port), "-U", env["POSTGRES_USER"], "-d", "postgres"]
        login = {"PATH": "/usr/bin", "PGPASSWORD": env["POSTGRES_PASSWORD"]}
        wait(lambda: subprocess.run([str(w) for w in [*psql, "-c", "select 1"]], env=login, capture_output=True).returncode == 0, "initdb's server")
        run([*psql, "-c", f'create database "{env["POSTGRES_DB"]}"'], env=login)
        first.terminate()
        first.wait()
    server, *arguments = container.command()
    assert server == "postgres"
    container.start([*map(str, base), "-h", "127.0.0.1", *arguments])
    # `pg_isready` asks the usual port unless it is told.
    container.probing = {"PGPORT": str(port)}


def start_redis(container):
    port = container.node.port(container.service, 6379)
    container.environment["REDIS_PORT"] = str(port)
    container.start()


def java(*flags):
    return ["java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", *flags]


def start_cassandra(container):
    """The image's entry point: addresses from CASSANDRA_* go into cassandra.yaml, the heap's size and
    JVM_EXTRA_OPTS to Java."""
    env, home = container.environment, container.folders["/var/lib/cassandra"]
    folder = jars("cassandra")
    port, storage = container.node.port(container.service, 9042), free_port()
    for name in ("data", "commitlog", "hints", "saved_caches", "cdc_raw"):
        (home / name).mkdir(exist_ok=True)
    assert env["CASSANDRA_LISTEN_ADDRESS"] == env["CASSANDRA_SEEDS"] == env["CASSANDRA_BROADCAST_RPC_ADDRESS"]
    (container.folders["/etc/cassandra"] / "cassandra.yaml").write_text(
        f"""cluster_name: "{env['CASSANDRA_CLUSTER_NAME']}"
num_tokens: 1
initial_token: "0"
partitioner: org.apache.cassandra.dht.Murmur3Partitioner
data_file_directories: ["{home}/data"]
commitlog_directory: "{home}/commitlog"
hints_directory: "{home}/hints"
saved_caches_directory: "{home}/saved_caches"
cdc_raw_directory: "{home}/cdc_raw"
commitlog_sync: periodic
commitlog_sync_period: 10000ms
commitlog_segment_size: 8MiB
seed_provider:
- class_name: org.apache.cassandra.locator.SimpleSeedProvider
  parameters: [{{seeds: "{env['CASSANDRA_SEEDS']}:{storage}"}}]
listen_address: {env['CASSANDRA_LISTEN_ADDRESS']}
rpc_address: 127.0.0.1
storage_port: {storage}
native_transport_port: {port}
start_native_transport: true
endpoint_snitch: SimpleSnitch
auto_snapshot: false
concurrent_reads: 8
concurrent_writes: 8
key_cache_size: 0MiB
file_cache_size: 32MiB
disk_access_mode: standard
read_request_timeout: 10s
range_request_timeout: 20s
write_request_timeout: 10s
"""
    )
    (home / "logback.xml").write_text(
        '<configuration><appender name="out" class="ch.qos.logback.core.ConsoleAppender"><encoder>'
        "<pattern>%d %-5level %logger{0} %msg%n</pattern></encoder></appender>"
        '<root level="WARN"><appender-ref ref="out"/></root></configuration>'
    )
    opens = [f"java.base/{n}" if n.startswith(("jdk", "sun")) else f"java.base/java.{n}" for n in OPENS.split()]
    command = java(f"-Xms{env['MAX_HEAP_SIZE'].lower()}", f"-Xmx{env['MAX_HEAP_SIZE'].lower()}", f"-Xmn{env['HEAP_NEWSIZE'].lower()}")
    command += env["JVM_EXTRA_OPTS"].split()
    for one in EXPORTS.split():
        command += ["--add-exports", f"{one}=ALL-UNNAMED"]
    for one in [*opens, "jdk.management/com.sun.management.internal"]:
        command += ["--add-opens", f"{one}=ALL-UNNAMED"]
    command += [
        f"-javaagent:{folder}/jamm-0.4.0.jar",
        "-Djdk.attach.allowAttachSelf=true",
        "-Dio.netty.tryReflectionSetAccessible=true",
        "-Dcassandra-foreground=yes",
        f"-Dcassandra.config=file://{container.folders['/etc/cassandra']}/cassandra.yaml",
        f"-Dcassandra.storagedir={home}",
        "-Dcassandra.libjemalloc=-",
        f"-Dcassandra.jmx.local.port={free_port()}",
        f"-Dlogback.configurationFile={home}/logback.xml",
        "-Dcassandra.skip_wait_for_gossip_to_settle=0",
        "-Dcassandra.load_ring_state=false",
        "-Dcassandra.superuser_setup_delay_ms=0",
        "-Dcassandra.ring_delay_ms=0",
        "-cp",
        f"{folder}/*",
        "org.apache.cassandra.service.CassandraDaemon",
    ]
    container.start(command)
