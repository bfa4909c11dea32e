"""What must hold for every object of every preset: security, limits, secrets, networks."""
import json
import re
import unittest

import yaml

from chart import ALL, CHART, FULL, PRESETS, ROOT, SCALE, at, containers, merged, pods, render

RENDERS = {**PRESETS, "everything": ALL, "scale with a hook": merged(SCALE, {"migrations": {"hook": True}})}


class EveryPod(unittest.TestCase):
    def each(self):
        for name, values in RENDERS.items():
            for key, pod in pods(render(values)):
                yield f"{name}: {key}", pod

    def test_fits_the_restricted_profile(self):
        for where, pod in self.each():
            spec = pod["spec"]
            for forbidden in ("hostNetwork", "hostPID", "hostIPC"):
                self.assertNotIn(forbidden, spec, where)
            context = spec["securityContext"]
            self.assertIs(context["runAsNonRoot"], True, where)
            self.assertGreater(context["runAsUser"], 0, where)
            self.assertEqual(context["seccompProfile"], {"type": "RuntimeDefault"}, where)
            for volume in spec.get("volumes", []):
                kind = (set(volume) - {"name"}).pop()
                self.assertIn(kind, ("configMap", "emptyDir", "persistentVolumeClaim", "secret"), where)
            for one in containers(pod):
                self.assertEqual(
                    one["securityContext"],
                    {
                        "allowPrivilegeEscalation": False,
                        "capabilities": {"drop": ["ALL"]},
                        "readOnlyRootFilesystem": True,
                    },
                    f"{where} {one['name']}",
                )
                self.assertNotIn("hostPort", json.dumps(one.get("ports", [])), where)

    def test_gets_no_token_and_no_variables_of_other_services(self):
        for where, pod in self.each():
            self.assertIs(pod["spec"]["automountServiceAccountToken"], False, where)
            self.assertIs(pod["spec"]["enableServiceLinks"], False, where)

    def test_has_requests_and_limits(self):
        for where, pod in self.each():
            for one in containers(pod):
                for kind in ("requests", "limits"):
                    self.assertEqual(set(one["resources"][kind]), {"cpu", "memory"}, f"{where} {one['name']}")

    def test_has_an_image_with_a_version(self):
        for where, pod in self.each():
            for one in containers(pod):
                self.assertRegex(one["image"], r"[:@][\w.:-]+$", where)
                self.assertNotRegex(one["image"], r":latest$", where)

    def test_is_selected_by_its_owner_and_by_no_other(self):
        for name, values in RENDERS.items():
            objects = render(values)
            owners = [(k, o["spec"]["selector"]["matchLabels"]) for k, o in objects.items() if o["kind"] in ("Deployment", "StatefulSet")]
            for key, pod in pods(objects):
                labels = pod["metadata"]["labels"]
                found = [owner for owner, wanted in owners if wanted.items() <= labels.items()]
                self.assertEqual(found, [key] if key.startswith(("Deployment", "StatefulSet")) else [], f"{name}: {key}")

    def test_that_serves_has_probes(self):
        for where, pod in self.each():
            for one in pod["spec"]["containers"]:
                if one.get("ports"):
                    self.assertTrue({"livenessProbe", "readinessProbe"} & set(one), f"{where} {one['name']}")
                    self.assertIn("livenessProbe", one, where)

    def test_is_not_restarted_by_a_new_version_of_the_chart_alone(self):
        # A label with a version in a store's pod would replace PostgreSQL's pod at every upgrade.
        for where, pod in self.each():
            if not pod.get("kind") == "Pod":
                self.assertNotIn("0.1.0", json.dumps(pod["metadata"]), where)

    def test_mounts_only_volumes_that_it_has(self):
        for where, pod in self.each():
            owned = {v["name"] for v in pod["spec"].get("volumes", [])}
            if ": StatefulSet" in where:
                owned.add("data")
            for one in containers(pod):
                self.assertLessEqual({m["name"] for m in one.get("volumeMounts", [])}, owned, where)

    def test_has_time_to_stop(self):
        objects = render({"gateway": {"shutdownGraceSeconds": 30, "drainSeconds": 15}})
        spec = at(objects, f"Deployment/{FULL}-gateway", "spec.template.spec")
        # The program gives requests, then its background work, one grace each.
        self.assertGreaterEqual(spec["terminationGracePeriodSeconds"], 15 + 2 * 30)


class Secrets(unittest.TestCase):
    def test_no_password_stands_anywhere_but_in_a_secret(self):
        for name, values in RENDERS.items():
            objects = render(values)
            secrets = [o for o in objects.values() if o["kind"] == "Secret"]
            words = {word for one in secrets for word in one["data"].values()}
            import base64

            words |= {base64.b64decode(word).decode() for word in words}
            for key, one in objects.items():
                if one["kind"] != "Secret":
                    text = json.dumps(one)
                    for word in words:
                        self.assertNotIn(word, text, f"{name}: {key}")

    def test_variables_with_passwords_come_from_secrets(self):
        for name, values in RENDERS.items():
            for key, pod in pods(render(values)):
                for one in containers(pod):
                    for variable in one.get("env", []):
                        if re.search(r"PASSWORD$|^PGPASS", variable["name"]):
                            self.assertIn("secretKeyRef", variable["valueFrom"], f"{name}: {key}")
                        elif "://" in variable.get("value", ""):
                            self.assertNotRegex(variable["value"], r"://[^@/]*:(?!\$\()[^@/]*@", f"{name}: {key}")

    def test_a_variable_is_there_before_it_is_used(self):
        for name, values in RENDERS.items():
            for key, pod in pods(render(values)):
                for one in containers(pod):
                    known = set()
                    for variable in one.get("env", []):
                        used = set(re.findall(r"\$\((\w+)\)", variable.get("value", "")))
                        self.assertLessEqual(used, known, f"{name}: {key}")
                        known.add(variable["name"])

    def test_only_settings_that_the_program_has_are_given(self):
        source = (ROOT / "src/config/source.rs").read_text()
        known = {"TURNGRAPH_" + key.upper() for key in re.findall(r'setting\(\s*"([a-z_.]+)"', source)}
        self.assertIn("TURNGRAPH_RECORD", known)
        for name, values in RENDERS.items():
            for key, pod in pods(render(values)):
                for one in containers(pod):
                    for variable in one.get("env", []):
                        if variable["name"].startswith("TURNGRAPH_"):
                            self.assertIn(variable["name"], known, f"{name}: {key}")

    def test_a_service_never_makes_a_variable_that_the_program_would_refuse(self):
        # `TURNGRAPH_SERVICE_HOST` of a service called turngraph: see enableServiceLinks above.
        self.assertIn("Service/turngraph", render({"fullnameOverride": "turngraph"}))


class Networks(unittest.TestCase):
    def allowed(self, objects, source, target, port):
        """Whether policies let pods of one component reach a port of another."""
        labels = lambda component: {
            "app.kubernetes.io/name": "turngraph",
            "app.kubernetes.io/instance": "tg",
            "app.kubernetes.io/component": component,
        }
        names = {"http": 4000}

        def policies(component, kind):
            for one in objects.values():
                if one["kind"] == "NetworkPolicy" and one["spec"]["podSelector"]["matchLabels"].items() <= labels(component).items():
                    if kind in one["spec"]["policyTypes"]:
                        yield one["spec"]

        def matches(rule, side, peer):
            peers = rule.get(side)
            at_port = not rule.get("ports") or port in [names.get(p["port"], p["port"]) for p in rule["ports"]]
            if not at_port:
                return False
            return peers is None or any(
                "podSelector" in p and (p["podSelector"] or {}).get("matchLabels", {}).items() <= labels(peer).items()
                for p in peers
            )

        out = list(policies(source, "Egress"))
        into = list(policies(target, "Ingress"))
        leaves = not out or any(matches(r, "to", target) for p in out for r in p["egress"])
        enters = not into or any(matches(r, "from", source) for p in into for r in p["ingress"])
        return leaves and enters

    def test_who_may_reach_whom(self):
        objects = render(ALL)
        stores = {"postgres": 5432, "cql": 9042, "redis": 6379, "kafka": 9092, "gateway": 4000, "projector": 4000, "connect": 8083}
        may = {
            "gateway": {"postgres", "cql", "redis", "kafka"},
            "projector": {"postgres", "cql", "redis", "kafka"},
            "migrate": {"postgres", "cql", "redis"},
            "backup": {"postgres"},
            "connect": {"postgres", "kafka"},
            "smoke-test": {"gateway", "projector"},
            "postgres": set(),
            "cql": set(),
            "redis": set(),
            "kafka": set(),
        }
        for source, targets in may.items():
            for target, port in stores.items():
                if source == target:
                    continue
                found = self.allowed(objects, source, target, port)
                self.assertEqual(found, target in targets, f"{source} -> {target}")

    def test_a_stranger_of_another_namespace_reaches_nothing(self):
        for key, one in render(ALL).items():
            if one["kind"] == "NetworkPolicy":
                self.assertNotIn("namespaceSelector", json.dumps(one), key)
                for rule in one["spec"]["ingress"]:
                    self.assertTrue(rule.get("from"), f"{key} lets everybody in")

    def test_external_stores_are_reached_on_their_ports_alone(self):
        values = merged(SCALE, {"networkPolicy": {"externalCIDRs": ["10.1.0.0/16"]}})
        egress = at(render(values), f"NetworkPolicy/{FULL}-gateway", "spec.egress")
        rule = next(r for r in egress if "ipBlock" in json.dumps(r))
        self.assertEqual(rule["to"], [{"ipBlock": {"cidr": "10.1.0.0/16"}}])
        self.assertEqual([p["port"] for p in rule["ports"]], [5432, 9042, 6379])


class Monitoring(unittest.TestCase):
    def rules(self):
        for path in sorted((CHART / "monitoring/rules").glob("*.yaml")):
            yield path, yaml.safe_load(path.read_text())

    def test_an_alert_is_a_file_with_a_runbook(self):
        for path, rule in self.rules():
            self.assertEqual(rule["alert"], path.stem)
            book = ROOT / "docs/runbooks" / f"{path.stem}.md"
            self.assertIn("**Do.**", book.read_text(), path.stem)
        books = {path.stem for path in (ROOT / "docs/runbooks").glob("Turngraph*.md")}
        self.assertLessEqual({rule["alert"] for _, rule in self.rules()}, books)

    def test_alerts_and_dashboards_use_only_metrics_that_are_documented(self):
        # That a running program prints them is shown in test_processes.
        listed = set(re.findall(r"^\| `(turngraph_[a-z_]+)`", (ROOT / "docs/operations.md").read_text(), re.M))
        texts = {path.name: rule["expr"] for path, rule in self.rules()}
        for path in (CHART / "monitoring/dashboards").glob("*.json"):
            for panel in json.loads(path.read_text())["panels"]:
                for target in panel["targets"]:
                    texts[f"{path.name}: {panel['title']}"] = target["expr"]
        self.assertGreater(len(texts), 20)
        for where, expression in texts.items():
            for name in re.findall(r"turngraph_[a-z_]+", expression):
                self.assertIn(re.sub(r"_(bucket|sum|count)$", "", name), listed, where)

    def test_the_config_map_has_dashboards_that_grafana_can_read(self):
        data = render(ALL)[f"ConfigMap/{FULL}-dashboards"]["data"]
        for name, text in data.items():
            one = json.loads(text)
            ids = [panel["id"] for panel in one["panels"]]
            self.assertEqual(len(ids), len(set(ids)), name)
            self.assertTrue(one["uid"] and one["title"])


if __name__ == "__main__":
    unittest.main()
