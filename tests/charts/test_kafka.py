"""Kafka and Connect of the chart as processes: a row of PostgreSQL arrives in the topic."""
import json
import subprocess
import unittest
import urllib.request

from chart import FULL, KAFKA, merged, render
from images import jars, java, start_postgres
from pods import Node, postgres_folder, wait


def programs(node, folder):
    """The shell commands of Kafka's images, by the same main classes."""
    place = node.scratch / "bin"
    place.mkdir(exist_ok=True)
    quiet = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn -Dlog4j2.level=warn"
    for name, main in {
        "kafka-storage.sh": "kafka.tools.StorageTool",
        "kafka-server-start.sh": "kafka.Kafka",
        "connect-standalone.sh": "org.apache.kafka.connect.cli.ConnectStandalone",
    }.items():
        file = place / name
        file.write_text(f"#!/bin/sh\nexec {' '.join(java())} {quiet} $KAFKA_HEAP_OPTS -cp '{folder}/*' {main} \"$@\"\n")
        file.chmod(0o755)
    return place


class Kafka(unittest.TestCase):
    def test_a_row_reaches_the_topic_by_the_charts_own_configuration(self):
        values = merged(KAFKA, {"cql": {"mode": "off"}, "redis": {"mode": "off"}, "kafka": {"heap": "256m", "connect": {"heap": "256m"}}})
        node = Node(render(values))
        self.addCleanup(node.close)
        folder = jars("kafka")
        path = [programs(node, folder)]

        postgres = node.container(f"StatefulSet/{FULL}-postgres", "postgres")
        start_postgres(postgres)
        kafka = node.container(f"StatefulSet/{FULL}-kafka", "kafka")
        # The controller's port is the pod's own and no service's.
        file = next(kafka.folders["/etc/turngraph"].glob("server.properties"))
        port, controller = node.port(kafka.service, 9092), node.port(kafka.service, 9093)
        text = file.read_text()
        self.assertIn(f"advertised.listeners=PLAINTEXT://127.0.0.1:{port}", text)
        file.write_text(text.replace("localhost:9093", f"127.0.0.1:{controller}"))
        kafka.start(path=path)
        postgres.becomes("startupProbe")
        migrate = node.container(f"Job/{FULL}-migrate").start()
        kafka.becomes("startupProbe").becomes("readinessProbe")
        # With a program without Kafka the migration works all the same: it needs no feed.
        self.assertEqual(migrate.ended(), 0, migrate.said())
        waiting = node.container(f"StatefulSet/{FULL}-connect", "wait-for-schema")
        self.assertEqual(waiting.run(), 0, waiting.said())

        connect = node.container(f"StatefulSet/{FULL}-connect", "connect")
        config = connect.folders["/etc/turngraph"]
        worker = (config / "worker.properties").read_text()
        self.assertIn(f"bootstrap.servers=127.0.0.1:{port}", worker)
        # Here the connector is on the class path and not in the image's folder of plugins.
        empty = node.scratch / "plugins"
        empty.mkdir()
        (config / "worker.properties").write_text(worker.replace("/kafka/connect", str(empty)))
        connector = (config / "connector.properties").read_text()
        pg = node.port(f"{FULL}-postgres", 5432)
        connector = connector.replace(f"database.hostname={FULL}-postgres", "database.hostname=127.0.0.1")
        (config / "connector.properties").write_text(connector.replace("database.port=5432", f"database.port={pg}"))
        self.assertNotIn(connect.environment["STORE_POSTGRES_PASSWORD"], connector)
        connect.start(path=path).becomes("startupProbe")
        host, rest = connect.address("http")

        def state():
            with urllib.request.urlopen(f"http://{host}:{rest}/connectors/turngraph/status") as answer:
                tasks = json.load(answer)["tasks"]
            self.assertNotEqual([t["state"] for t in tasks], ["FAILED"], tasks)
            return [t["state"] for t in tasks] == ["RUNNING"]

        wait(state, "the connector's task")
        self.assertTrue(connect.probe("livenessProbe"))

        env = postgres.environment
        sql = "insert into sessions (uid, account_uid, title) values ('s-1', 'a', 'by way of Kafka')"
        done = subprocess.run(
            [f"{postgres_folder()[0]}/psql", "-qX", "-h", "127.0.0.1", "-p", str(pg), "-U", env["POSTGRES_USER"], "-d", env["POSTGRES_DB"], "-c", sql],
            env={"PGPASSWORD": env["POSTGRES_PASSWORD"]}, capture_output=True, text=True,
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        # The broker keeps messages as they came, so the file of the topic shows them.
        topic = kafka.folders["/var/lib/kafka"] / "data"

        def arrived():
            found = b"".join(file.read_bytes() for file in topic.glob("turngraph.changes-0/*.log"))
            return b'"title":"by way of Kafka"' in found and b'"status":"END"' in found

        wait(arrived, lambda: f"the row in the topic; Connect said:\n{connect.said()}")
        folders = [folder.name for folder in topic.glob("turngraph*")]
        self.assertEqual(folders, ["turngraph.changes-0"], "one topic of one partition")
        self.assertEqual(connect.terminate(), 143, "Java's word for a signal that was obeyed")


if __name__ == "__main__":
    unittest.main()
