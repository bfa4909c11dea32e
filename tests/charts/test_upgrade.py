"""What an upgrade finds in the cluster: passwords that are kept, data that is not left behind.

`lookup` asks a Kubernetes API. The one here has only what that needs: it lists kinds, answers for the
objects that a test puts into it, and takes every write as a trial.
"""
import base64
import http.server
import json
import threading
import unittest

import yaml
from helm_python import Config, HelmError

from chart import CHART, FULL, NAMESPACE, RELEASE, SCALE, merged

KINDS = {
    "v1": ["Secret", "ConfigMap", "Service", "ServiceAccount", "PersistentVolumeClaim", "Pod", "Namespace"],
    "apps/v1": ["Deployment", "StatefulSet"],
    "batch/v1": ["Job", "CronJob"],
    "networking.k8s.io/v1": ["NetworkPolicy", "Ingress"],
    "policy/v1": ["PodDisruptionBudget"],
    "autoscaling/v2": ["HorizontalPodAutoscaler"],
}


def plural(kind):
    return kind.lower()[:-1] + "ies" if kind.endswith("y") else kind.lower() + ("es" if kind.endswith("s") else "s")


class Api(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, body, status=200):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        path = self.path.split("?")[0].rstrip("/")
        self.server.asked.append(path)
        if path == "/version":
            return self.answer({"major": "1", "minor": "34", "gitVersion": "v1.34.0"})
        if path == "/api":
            return self.answer({"kind": "APIVersions", "versions": ["v1"]})
        if path == "/apis":
            groups = []
            for version in KINDS:
                if "/" in version:
                    one = {"groupVersion": version, "version": version.split("/")[1]}
                    groups.append({"name": version.split("/")[0], "versions": [one], "preferredVersion": one})
            return self.answer({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
        if path == "/openapi/v2":
            # A description of nothing, in the form that the client asks for: what it does not
            # describe is not checked.
            self.send_response(200)
            self.send_header("Content-Type", "application/com.github.proto-openapi.spec.v2.v1.0+protobuf")
            self.send_header("Content-Length", "0")
            return self.end_headers()
        for version, kinds in KINDS.items():
            if path == (f"/api/{version}" if version == "v1" else f"/apis/{version}"):
                verbs = ["create", "get", "list", "patch", "update", "delete", "watch"]
                resources = [
                    {"name": plural(kind), "singularName": kind.lower(), "namespaced": kind != "Namespace", "kind": kind, "verbs": verbs}
                    for kind in kinds
                ]
                return self.answer({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": resources})
        found = self.server.objects.get(path)
        if found:
            return self.answer(found)
        self.answer({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}, 404)

    def write(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.writes.append((self.command, self.path))
        try:
            self.answer(json.loads(body), 201 if self.command == "POST" else 200)
        except json.JSONDecodeError:
            self.answer(yaml.safe_load(body), 200)

    do_POST = do_PATCH = do_PUT = write

    def log_message(self, *_):
        pass


class Cluster:
    def __init__(self, *objects):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
        self.server.asked, self.server.writes, self.server.objects = [], [], {}
        for one in objects:
            version = one["apiVersion"]
            base = f"/api/{version}" if version == "v1" else f"/apis/{version}"
            place = f"{base}/namespaces/{NAMESPACE}/{plural(one['kind'])}/{one['metadata']['name']}"
            self.server.objects[place] = one
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def trial(self, values):
        """What would be installed, as this cluster sees it."""
        kubeconfig = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": {"server": self.url}}],
            "users": [{"name": "u", "user": {}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
        with Config(kubeconfig_content=json.dumps(kubeconfig), namespace=NAMESPACE, storage_driver="memory") as config:
            release = config.install(str(CHART), RELEASE, values, dry_run="server")
        manifest = release["manifest"]
        return {f"{one['kind']}/{one['metadata']['name']}": one for one in yaml.safe_load_all(manifest) if one}


def owned(kind, name, version="apps/v1", **more):
    annotations = {"meta.helm.sh/release-name": RELEASE, "meta.helm.sh/release-namespace": NAMESPACE}
    metadata = {"name": name, "namespace": NAMESPACE, "annotations": annotations, "labels": {"app.kubernetes.io/managed-by": "Helm"}}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **more}


def stateful(store, size="8Gi"):
    claim = {"metadata": {"name": "data"}, "spec": {"resources": {"requests": {"storage": size}}}}
    return owned("StatefulSet", f"{FULL}-{store}", spec={"volumeClaimTemplates": [claim]})


class Passwords(unittest.TestCase):
    def test_are_kept_where_they_are_there_and_made_where_not(self):
        word = base64.b64encode(b"kept").decode()
        with Cluster(owned("Secret", f"{FULL}-postgres", "v1", data={"password": word})) as cluster:
            found = cluster.trial({})
            self.assertEqual(found[f"Secret/{FULL}-postgres"]["data"]["password"], word)
            made = base64.b64decode(found[f"Secret/{FULL}-redis"]["data"]["password"])
            self.assertRegex(made.decode(), r"^[A-Za-z0-9]{32}$")

    def test_stay_when_the_release_goes(self):
        with Cluster() as cluster:
            found = cluster.trial({})
            for name in ("postgres", "redis"):
                kept = found[f"Secret/{FULL}-{name}"]["metadata"]["annotations"]
                self.assertEqual(kept["helm.sh/resource-policy"], "keep")


class Guard(unittest.TestCase):
    def refused(self, cluster, values):
        with self.assertRaises(HelmError) as caught:
            cluster.trial(values)
        return str(caught.exception)

    def test_lets_through_what_leaves_nothing_behind(self):
        with Cluster(stateful("postgres"), stateful("cql")) as cluster:
            self.assertIn(f"StatefulSet/{FULL}-postgres", cluster.trial({}))

    def test_refuses_to_turn_a_store_with_data_off(self):
        with Cluster(stateful("postgres")) as cluster:
            said = self.refused(cluster, SCALE)
            self.assertIn(f"data-{FULL}-postgres-0", said)
            self.assertIn("Move the data first", said)
            self.assertNotIn(f"StatefulSet/{FULL}-postgres", cluster.trial(merged(SCALE, {"guard": {"enabled": False}})))

    def test_refuses_to_replace_a_claim(self):
        with Cluster(stateful("cql")) as cluster:
            for persistence in ({"enabled": False}, {"existingClaim": "other"}):
                said = self.refused(cluster, {"cql": {"persistence": persistence}})
                self.assertIn(f"data-{FULL}-cql-0", said)

    def test_says_how_a_claim_grows(self):
        with Cluster(stateful("postgres", "4Gi")) as cluster:
            said = self.refused(cluster, {})
            self.assertIn("kubectl patch pvc", said)

    def test_a_stateful_set_of_another_release_is_none_of_its_business(self):
        other = stateful("postgres")
        other["metadata"]["annotations"]["meta.helm.sh/release-name"] = "another"
        with Cluster(other) as cluster:
            try:
                cluster.trial(SCALE)
            except HelmError as error:
                self.assertNotIn("Move the data first", str(error))


if __name__ == "__main__":
    unittest.main()
