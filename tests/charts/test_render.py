"""Lint, presets, the schema's refusals, Kubernetes' own schemas, a parent chart, GitOps."""
import importlib.util
import json
import pathlib
import subprocess
import sys
import unittest

import jsonschema
import yaml
from helm_python import lint
from referencing import Registry
from referencing.jsonschema import DRAFT7

from chart import ALL, CHART, FULL, PRESETS, ROOT, SCALE, at, containers, env, merged, nested, notes, pods, refusal, render, texts

KUBERNETES = ["1.28", "1.29", "1.30", "1.31", "1.32", "1.33", "1.34"]
# Only its data is used, so it is not imported.
PACKAGE = importlib.util.find_spec("kubernetes_validate").submodule_search_locations[0]
SCHEMAS = pathlib.Path(PACKAGE) / "kubernetes-json-schema"
UMBRELLA = CHART / "examples/umbrella"


class Kubernetes:
    """The strict schemas of one version: an unknown field is an error."""

    def __init__(self, version):
        self.folder = SCHEMAS / f"v{version}.0-local-strict"
        definitions = json.loads((self.folder / "_definitions.json").read_text())
        resource = DRAFT7.create_resource(definitions)
        self.registry = Registry().with_resource("/api/_definitions.json", resource)
        self.validators = {}

    def problems(self, one):
        group = one["apiVersion"].split("/")
        name = f"{group[0].split('.')[0]}-{group[1]}" if len(group) == 2 else group[0]
        kind = f"{one['kind'].lower()}-{name}"
        if kind not in self.validators:
            path = self.folder / f"{kind}.json"
            if not path.exists():
                path = pathlib.Path(__file__).parent / "crds" / f"{kind}.json"
            schema = json.loads(path.read_text())
            schema.pop("$id", None)
            self.validators[kind] = jsonschema.Draft7Validator(schema, registry=self.registry)
        return [f"{'.'.join(map(str, e.absolute_path))}: {e.message[:200]}" for e in self.validators[kind].iter_errors(one)]


def all_renders(version=None):
    more = {"kubeVersion": f"{version}.0"} if version else {}
    for name, values in {**PRESETS, "everything": ALL}.items():
        yield name, render({**values, **more})


class Lint(unittest.TestCase):
    def test_the_linter_finds_nothing_in_strict_mode(self):
        for name, values in {**PRESETS, "everything": ALL}.items():
            for version in (KUBERNETES[0], KUBERNETES[-1]):
                with self.subTest(preset=name, kubernetes=version):
                    report = lint(str(CHART), values, strict=True, kube_version=f"v{version}.0")
                    bad = [m for m in report["messages"] if m["severity"] >= 2]
                    self.assertEqual((bad, report["errors"]), ([], None if report["errors"] is None else []))

    def test_generated_files_are_up_to_date(self):
        check = [sys.executable, ROOT / "scripts/chart-values.py", "--check"]
        done = subprocess.run(check, capture_output=True, text=True, env={"PYTHONPATH": ":".join(sys.path), "PATH": "/usr/bin"})
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_presets_and_defaults_do_not_meet(self):
        def leaves(values, path=""):
            for key, value in values.items():
                if isinstance(value, dict) and value and key != "resources":
                    yield from leaves(value, f"{path}{key}.")
                else:
                    yield path + key

        defaults = set(leaves(yaml.safe_load((CHART / "values.yaml").read_text())))
        decided = {}
        for path in CHART.glob("presets/*.yaml"):
            decided[path.stem] = set(leaves(yaml.safe_load(path.read_text())))
            self.assertEqual(decided[path.stem] & defaults, set(), path.stem)
        self.assertEqual(len({frozenset(one) for one in decided.values()}), 1, "presets decide the same keys")


class Schemas(unittest.TestCase):
    def test_every_object_is_valid_on_every_version_of_kubernetes(self):
        for version in KUBERNETES:
            kubernetes = Kubernetes(version)
            for name, objects in all_renders(version):
                with self.subTest(kubernetes=version, preset=name):
                    problems = {k: p for k, one in objects.items() if (p := kubernetes.problems(one))}
                    self.assertEqual(problems, {})

    def test_the_check_would_notice_a_misspelt_field(self):
        deployment = json.loads(json.dumps(render()[f"Deployment/{FULL}-gateway"]))
        container = deployment["spec"]["template"]["spec"]["containers"][0]
        container["redinessProbe"] = container.pop("readinessProbe")
        self.assertTrue(Kubernetes("1.34").problems(deployment))

    def test_a_pod_sleeps_before_it_stops_where_kubernetes_can(self):
        for version, sleeps in (("1.29", False), ("1.30", True), ("1.34", True)):
            found = render({"kubeVersion": f"{version}.0"})
            hook = at(found, f"Deployment/{FULL}-gateway", "spec.template.spec.containers[gateway].lifecycle")
            self.assertEqual(hook is not None, sleeps, version)


class Refusals(unittest.TestCase):
    """Wrong values are refused with words that name the key."""

    def test_the_schema_refuses(self):
        for path, value in [
            ("preset", "huge"),
            ("presett", "tiny"),
            ("gateway.replicas", "three"),
            ("gateway.replica", 3),
            ("gateway.service.port", 0),
            ("gateway.service.type", "Public"),
            ("gateway.drainSeconds", -1),
            ("postgres.mode", "operator"),
            ("postgres.connectionsMax", 1),
            ("postgres.runAsUser", 0),
            ("postgres.external.sslMode", "maybe"),
            ("postgres.config", {"wal_level": {"a": 1}}),
            ("cql.engine", "dynamo"),
            ("cql.keyspace", "Upper"),
            ("cql.memory", "lots"),
            ("redis.maxmemoryPolicy", "noeviction"),
            ("feed.source", "poll"),
            ("feed.slot", "Turn-Graph"),
            ("images.turngraph.digest", "sha256:beef"),
            ("images.pullPolicy", "Sometimes"),
            ("backup.keep", 0),
            ("networkPolicy.enabled", "yes"),
            ("config", []),
            ("extraObjects", [1]),
        ]:
            with self.subTest(path):
                said = refusal(nested(path, value))
                self.assertIn(path.split(".")[-1] if path != "config" else "config", said)

    def test_values_that_do_not_go_together_are_refused(self):
        external = merged(SCALE, {"postgres": {"external": {"existingSecret": ""}}})
        for values, words in [
            ({"preset": "tiny", "redis": {"mode": "bundled"}}, "SQLite"),
            ({"preset": "tiny", "gateway": {"replicas": 2}}, "SQLite belongs to one pod"),
            ({"postgres": {"mode": "external"}}, "name the host"),
            (merged(external, {"postgres": {"external": {"urlKey": "url"}}}), "of which secret"),
            ({"cql": {"mode": "external"}}, "name the hosts"),
            (merged(SCALE, {"cql": {"external": {"username": "u"}}}), "cql.external.existingSecret"),
            ({"redis": {"mode": "external"}}, "redis.external: name the host"),
            (merged(SCALE, {"redis": {"external": {"username": "u"}}}), "redis.external.existingSecret"),
            ({"feed": {"source": "kafka"}}, "kafka.mode must be"),
            ({"kafka": {"mode": "bundled"}}, "nothing reads from Kafka"),
            ({"feed": {"source": "kafka"}, "kafka": {"mode": "external"}}, "kafka.external.brokers"),
            (merged(external, {"feed": {"source": "kafka"}, "kafka": {"mode": "bundled"}}), "kafka.connect needs"),
            ({"preset": "tiny", "backup": {"enabled": True}}, "SQLite has no pg_dump"),
            ({"migrations": {"hook": True}}, "before the bundled PostgreSQL"),
            (merged(SCALE, {"migrations": {"hook": True}, "redis": {"mode": "bundled"}}), "before the bundled stores"),
            ({"ingress": {"enabled": True}}, "authenticating proxy"),
            ({"gateway": {"service": {"type": "LoadBalancer"}}}, "authenticating proxy"),
            ({"httpRoute": {"enabled": True}, "gateway": {"behindAuthenticatingProxy": True}}, "httpRoute.parentRefs"),
            ({"config": {"record": "postgres://x"}}, "config.record: the chart sets this itself"),
        ]:
            with self.subTest(words):
                self.assertIn(words, refusal(values))

    def test_one_refusal_names_every_problem(self):
        said = refusal({"ingress": {"enabled": True}, "feed": {"source": "kafka"}})
        self.assertIn("kafka.mode", said)
        self.assertIn("authenticating proxy", said)

    def test_what_was_set_to_false_or_nothing_stays_so(self):
        found = render(merged(SCALE, {"gateway": {"autoscaling": {"enabled": False}, "replicas": 0}}))
        self.assertNotIn(f"HorizontalPodAutoscaler/{FULL}-gateway", found)
        self.assertEqual(at(found, f"Deployment/{FULL}-gateway", "spec.replicas"), 0)


class Umbrella(unittest.TestCase):
    """The chart under a parent chart."""

    @classmethod
    def setUpClass(cls):
        import shutil
        import tempfile

        # A dependency by path is put into `charts/`, as `helm dependency build` does.
        cls.folder = tempfile.TemporaryDirectory()
        cls.path = pathlib.Path(cls.folder.name) / "umbrella"
        shutil.copytree(UMBRELLA, cls.path)
        shutil.copytree(CHART, cls.path / "charts/turngraph", ignore=shutil.ignore_patterns("examples"))

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def test_the_example_renders_with_global_values_condition_and_tags(self):
        values = yaml.safe_load((UMBRELLA / "values.yaml").read_text())
        found = render(values, path=self.path, name="app")
        gateway = next(one for key, one in found.items() if key == "Deployment/chat-gateway")
        image = gateway["spec"]["template"]["spec"]["containers"][0]["image"]
        self.assertTrue(image.startswith(values["global"]["imageRegistry"]), image)
        self.assertIn("ConfigMap/app-frontend", found)
        self.assertEqual(
            found["ConfigMap/app-frontend"]["data"]["turngraph"], "http://chat:4000/graphql"
        )

    def test_every_object_is_valid(self):
        kubernetes = Kubernetes("1.34")
        values = yaml.safe_load((UMBRELLA / "values.yaml").read_text())
        for key, one in render(values, path=self.path, name="app").items():
            self.assertEqual(kubernetes.problems(one), [], key)

    def test_condition_and_tags_take_the_chart_away(self):
        # Whether a dependency is taken is decided when values are put together, so the condition's
        # key must be let through by our schema at least.
        for more in ({"turngraph": {"enabled": True}}, {"tags": {"chat": True}}):
            values = merged(yaml.safe_load((UMBRELLA / "values.yaml").read_text()), more)
            self.assertIn("Deployment/chat-gateway", render(values, path=self.path, name="app"))

    def test_two_releases_in_one_namespace_share_no_name(self):
        one, two = render(name="one"), render(name="two")
        self.assertEqual(set(one) & set(two), set())

    def test_nothing_is_for_the_whole_cluster_and_everything_names_its_namespace(self):
        for name, objects in all_renders():
            for key, one in objects.items():
                self.assertNotIn(one["kind"], ("ClusterRole", "ClusterRoleBinding", "Namespace", "StorageClass", "CustomResourceDefinition"))
                self.assertEqual(one["metadata"].get("namespace"), "chat", f"{name}: {key}")


class Repeatable(unittest.TestCase):
    def test_only_generated_passwords_differ_between_two_renderings(self):
        import chart

        first = render(ALL)
        chart._texts.cache_clear()
        second = render(ALL)
        differ = {key for key in first if first[key] != second[key]}
        self.assertEqual(differ, {f"Secret/{FULL}-postgres", f"Secret/{FULL}-redis"})

    def test_with_existing_secrets_nothing_differs_at_all(self):
        import chart

        values = merged(ALL, {"postgres": {"auth": {"existingSecret": "a"}}, "redis": {"auth": {"existingSecret": "b"}}})
        first = texts(values)
        chart._texts.cache_clear()
        self.assertEqual(first, texts(values))

    def test_a_new_revision_gets_a_new_migration_and_changes_nothing_else(self):
        values = {"postgres": {"auth": {"existingSecret": "a"}}, "redis": {"auth": {"existingSecret": "b"}}}
        first, second = render(values), render(values, revision=2, upgrade=True)
        differ = {key for key in first if first[key] != second[key]}
        self.assertEqual(differ, {f"Job/{FULL}-migrate"})

    def test_the_default_asks_for_at_most_two_cpus_and_three_gibibytes(self):
        for values in ({}, {"cql": {"engine": "cassandra"}}):
            cpu, memory = 0.0, 0.0
            for key, pod in pods(render(values)):
                if key.startswith(("Deployment", "StatefulSet", "Job")):
                    wanted = [one["resources"]["requests"] for one in pod["spec"]["containers"]]
                    cpu += sum(cores(one["cpu"]) for one in wanted)
                    memory += sum(mebibytes(one["memory"]) for one in wanted)
            self.assertLessEqual(cpu, 2.0)
            self.assertLessEqual(memory, 3 * 1024)

    def test_notes_say_how_to_validate(self):
        said = notes({})
        for words in ("rollout status", "helm -n chat test tg", "turngraph verify", "THERE IS NO AUTHENTICATION"):
            self.assertIn(words, said)
        self.assertNotIn("turngraph verify", notes({"preset": "tiny"}))


def cores(text):
    text = str(text)
    return int(text[:-1]) / 1000 if text.endswith("m") else float(text)


def mebibytes(text):
    units = {"Mi": 1, "Gi": 1024}
    return float(text[:-2]) * units[text[-2:]]


if __name__ == "__main__":
    unittest.main()
