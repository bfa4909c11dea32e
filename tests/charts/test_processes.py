"""The chart's containers as processes against real stores: everything starts at once, probes tell
the truth, `helm test` passes, stores go and come, backups are restored, signals are obeyed."""
import json
import re
import signal
import subprocess
import unittest
import urllib.request

from chart import CASSANDRA, CHART, FULL, merged, render
from images import start_cassandra, start_postgres, start_redis
from pods import Node, postgres_folder, wait

GATEWAY, PROJECTOR, MIGRATE = f"Deployment/{FULL}-gateway", f"Deployment/{FULL}-projector", f"Job/{FULL}-migrate"


def smoke(node):
    test = node.container(f"Pod/{FULL}-smoke-test", "smoke")
    code = test.run()
    return code, test.said()


def get(container, path):
    host, port = container.address("http")
    with urllib.request.urlopen(f"http://{host}:{port}{path}", timeout=20) as answer:
        return answer.read().decode()


class Tiny(unittest.TestCase):
    def test_one_pod_migrates_serves_keeps_its_data_and_stops(self):
        node = Node(render({"preset": "tiny", "config": {"account": "acme", "log_level": "info"}}))
        self.addCleanup(node.close)
        for _ in range(2):  # A second pod finds what the first one left.
            migrate = node.container(GATEWAY, "migrate")
            self.assertEqual(migrate.run(), 0, migrate.said())
            gateway = node.container(GATEWAY, "gateway").start().becomes("startupProbe").becomes("readinessProbe")
            self.assertTrue(gateway.probe("livenessProbe"))
            code, said = smoke(node)
            self.assertEqual(code, 0, said)
            self.assertIn("SQLITE", said)
            self.assertEqual(gateway.terminate(), 0, gateway.said())
        self.assertIn('"message":"listening"', gateway.log.read_text().replace(" ", ""), "JSON logs")

    def test_a_server_without_its_schema_does_not_start_and_says_why(self):
        node = Node(render({"preset": "tiny"}))
        self.addCleanup(node.close)
        gateway = node.container(GATEWAY, "gateway")
        self.assertEqual(gateway.run(), 69)
        self.assertIn("migrate up", gateway.said())


class SingleNode(unittest.TestCase):
    """One installation for all tests, which are run in the order of their names."""

    @classmethod
    def setUpClass(cls):
        values = merged(CASSANDRA, {"cql": {"memory": "512M", "parameters": {"timeout_ms": 5000}}, "backup": {"enabled": True, "keep": 2}})
        cls.node = node = Node(render(values))
        cls.addClassCleanup(node.close)
        # As Kubernetes does it: everything at once, the stores not first.
        cls.migrate = node.container(MIGRATE).start()
        cls.waiting = [node.container(key, "wait-for-schema").start() for key in (GATEWAY, PROJECTOR)]
        cls.postgres = node.container(f"StatefulSet/{FULL}-postgres", "postgres")
        cls.cql = node.container(f"StatefulSet/{FULL}-cql", "cql")
        cls.redis = node.container(f"StatefulSet/{FULL}-redis", "redis")
        start_postgres(cls.postgres)
        start_redis(cls.redis)
        start_cassandra(cls.cql)
        cls.redis.becomes("readinessProbe")
        cls.postgres.becomes("startupProbe").becomes("readinessProbe")
        cls.cql.becomes("startupProbe")
        cls.migrated = cls.migrate.ended()
        cls.waited = [one.ended() for one in cls.waiting]
        cls.gateway = node.container(GATEWAY, "gateway").start().becomes("startupProbe")
        cls.projector = node.container(PROJECTOR, "projector").start().becomes("startupProbe")

    def ask(self, query):
        host, port = self.gateway.address("http")
        request = urllib.request.Request(f"http://{host}:{port}/graphql", json.dumps({"query": query}).encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def psql(self, sql, database=None):
        env = self.postgres.environment
        port = self.node.port(self.postgres.service, 5432)
        command = [f"{postgres_folder()[0]}/psql", "-qtAX", "-h", "127.0.0.1", "-p", str(port), "-U", env["POSTGRES_USER"], "-d", database or env["POSTGRES_DB"], "-c", sql]
        done = subprocess.run(command, env={"PGPASSWORD": env["POSTGRES_PASSWORD"]}, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.strip()

    def test_1_jobs_and_pods_wait_for_stores_that_start_later(self):
        self.assertEqual(self.migrated, 0, self.migrate.said())
        self.assertEqual(self.waited, [0, 0], self.waiting[0].said())
        self.assertIn("waiting:", self.migrate.log.read_text())

    def test_2_every_probe_succeeds(self):
        for one in (self.gateway, self.projector, self.postgres, self.redis, self.cql):
            for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
                if kind in one.spec:
                    one.becomes(kind)

    def test_3_the_settings_of_the_chart_are_in_force(self):
        self.assertEqual(self.psql("show wal_level"), "logical")
        self.assertEqual(self.psql("show max_slot_wal_keep_size"), "2GB")
        self.assertEqual(self.psql("show shared_buffers"), "128MB")
        slots = lambda: self.psql("select slot_name from pg_replication_slots where active")
        wait(lambda: slots() == "turngraph", "the projector's slot")
        env = self.redis.environment

        def redis(*words, **login):
            command = ["redis-cli", "-p", env["REDIS_PORT"], *words]
            done = subprocess.run(command, env={"PATH": self.redis.path, **login}, capture_output=True, text=True)
            return done.stdout + done.stderr

        self.assertIn("allkeys-lru", redis("config", "get", "maxmemory-policy", REDISCLI_AUTH=env["REDIS_PASSWORD"]))
        self.assertIn("NOAUTH", redis("ping"), "nobody gets in without the password")

    def test_4_commands_of_the_notes_work_in_a_pod(self):
        # A new keyspace is read when it has been filled once.
        done = self.gateway.exec("turngraph", "rebuild")
        self.assertEqual(done.returncode, 0, done.stderr)
        done = self.gateway.exec("turngraph", "verify")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("0 wrong", done.stdout)
        done = self.gateway.exec("turngraph", "migrate", "status")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn("Pending", done.stdout)

    def test_4_helm_test_follows_a_write_through_all_stores(self):
        code, said = smoke(self.node)
        self.assertEqual(code, 0, said + self.projector.said())
        for words in ("POSTGRES, CQL, REDIS", "STRONG", "the change feed has passed the write", "nobody has it any more"):
            self.assertIn(words, said)

    def test_5_metrics_have_what_alerts_and_dashboards_use(self):
        texts = get(self.gateway, "/metrics") + get(self.projector, "/metrics")
        used = "".join(path.read_text() for path in (CHART / "monitoring").rglob("*.*"))
        names = {re.sub(r"_(bucket|sum|count)$", "", name) for name in re.findall(r"turngraph_[a-z_]+", used)}
        printed = set(re.findall(r"^(turngraph_[a-z_]+)", texts, re.M))
        printed |= {re.sub(r"_(bucket|sum|count)$", "", name) for name in printed}
        self.assertGreater(len(names), 20)
        self.assertEqual(names - printed, set())
        # Values of labels too: an alert on a misspelt one would be silent for ever.
        for label, pattern in re.findall(r'(state|status|result)=~?\\?"([^"\\]+)\\?"', used):
            for one in pattern.split("|"):
                self.assertRegex(texts, rf'{label}="{one}"')

    def test_6_a_backup_can_be_restored(self):
        self.assertNotIn("errors", self.ask('mutation { createSession(input: {title: "kept", firstPrompt: "for ever"}) { session { uid } } }'))
        folder = None
        for _ in range(3):
            backup = self.node.container(f"CronJob/{FULL}-backup", "backup")
            folder = backup.folders["/backup"]
            backup.environment["PGHOST"], backup.environment["PGPORT"] = "127.0.0.1", str(self.node.port(self.postgres.service, 5432))
            backup.environment["BACKUP_DIR"] = str(folder)
            self.assertEqual(backup.run(), 0, backup.said())
            # Names have seconds.
            wait(lambda: not (folder / f"turngraph-{stamp()}.dump").exists(), "a new second")
        dumps = sorted(folder.glob("*"))
        self.assertEqual(len(dumps), 2, "older ones go, nothing half-made stays")
        self.psql("create database restored", "postgres")
        env = self.postgres.environment
        port = str(self.node.port(self.postgres.service, 5432))
        done = subprocess.run([f"{postgres_folder()[0]}/pg_restore", "-h", "127.0.0.1", "-p", port, "-U", env["POSTGRES_USER"], "-d", "restored", dumps[-1]], env={"PGPASSWORD": env["POSTGRES_PASSWORD"]}, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        for table in ("sessions", "human_turns"):
            self.assertEqual(self.psql(f"select count(*) from {table}", "restored"), self.psql(f"select count(*) from {table}"))
        self.assertEqual(self.psql("select title from sessions where title = 'kept'", "restored"), "kept")

    def test_7_lost_copies_take_no_pod_away(self):
        uid = self.psql("select uid from sessions where title = 'kept'")
        self.redis.kill()
        self.assertFalse(self.redis.probe("readinessProbe"))
        self.cql.process.send_signal(signal.SIGSTOP)
        try:
            self.assertTrue(self.gateway.probe("readinessProbe"))
            self.assertTrue(self.gateway.probe("livenessProbe"))
            answer = self.ask(f'{{ session(uid: "{uid}") {{ title }} }}')
            self.assertEqual(answer["data"]["session"], {"title": "kept"})
            self.assertTrue(answer["extensions"]["turngraph"]["degraded"])
        finally:
            self.cql.process.send_signal(signal.SIGCONT)
            # The next tests have it again, whatever was found here.
            start_redis(self.redis)
        self.redis.becomes("readinessProbe")
        code, said = smoke(self.node)
        self.assertEqual(code, 0, said)

    def test_8_a_lost_record_store_makes_unready_and_restarts_nothing(self):
        self.postgres.process.send_signal(signal.SIGINT)
        self.postgres.ended()
        wait(lambda: not self.gateway.probe("readinessProbe"), "the gateway not ready")
        self.assertTrue(self.gateway.probe("livenessProbe"))
        self.assertTrue(self.projector.probe("livenessProbe"))
        start_postgres(self.postgres)
        self.postgres.becomes("readinessProbe")
        self.gateway.becomes("readinessProbe")
        self.projector.becomes("readinessProbe")
        code, said = smoke(self.node)
        self.assertEqual(code, 0, said + self.projector.said())

    def test_9_pods_stop_within_their_grace_with_nothing_undone(self):
        self.assertEqual(self.gateway.terminate(), 0, self.gateway.said())
        self.assertEqual(self.projector.terminate(), 0, self.projector.said())
        self.assertEqual(self.redis.terminate(), 0)


def stamp():
    import datetime

    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")


if __name__ == "__main__":
    unittest.main()
