"""One case for every value of the chart: what it changes, and that it changes it.

A case is a path, a value, and where its effect is: an object, a path in it, and what is there then.
Before the value is set, something else must be there. The last test compares the cases with the
schema, so a value without a case fails.
"""
import json
import unittest

import yaml

from chart import ALL, CASSANDRA, CHART, FULL, KAFKA, NAMESPACE, SCALE, at, containers, env, merged, nested, notes, pods, render, texts

GATEWAY = f"Deployment/{FULL}-gateway"
PROJECTOR = f"Deployment/{FULL}-projector"
MIGRATE = f"Job/{FULL}-migrate"
BACKUP = f"CronJob/{FULL}-backup"
POD = "spec.template.spec"
TINY = {"preset": "tiny"}
STORES = {
    "postgres": ("postgres", {}),
    "cql": ("cql", {}),
    "redis": ("redis", {"redis": {"persistence": {"enabled": True}}}),
    "kafka": ("kafka", KAFKA),
}
EXTERNAL = {
    "postgres": ("TURNGRAPH_RECORD", merged(SCALE, {})),
    "cql": ("TURNGRAPH_CQL", merged(SCALE, {"cql": {"external": {"username": "ann", "existingSecret": "cql"}}})),
    "redis": ("TURNGRAPH_REDIS", merged(SCALE, {"redis": {"external": {"existingSecret": "rd"}}})),
}


class Case:
    """`base` is what must be set for the value to matter."""

    def __init__(self, path, value, look, wanted, base=None):
        self.path, self.value, self.look, self.wanted, self.base = path, value, look, wanted, base or {}


def on(key, path):
    return lambda objects: at(objects, key, path)


def there(key):
    return lambda objects: key in objects


def variable(key, container, name):
    return lambda objects: env(objects, key, container, name)


def within(look, words):
    """Whether words are in what is found."""
    return lambda objects: words in json.dumps(look(objects))


def of_all_pods(path):
    """The distinct values at a path of all pods' specs."""
    def look(objects):
        return sorted({json.dumps(at({"p": pod}, "p", path)) for _, pod in pods(objects)})

    return look


def image_of(name):
    """Every image of the release that is of one repository."""
    def look(objects):
        return sorted({one["image"] for _, pod in pods(objects) for one in containers(pod) if name in one["image"]})

    return look


def secret(name, key):
    return {"secretKeyRef": {"name": name, "key": key}}


def cases():
    gateway = lambda path: on(GATEWAY, f"{POD}.{path}")
    server = lambda path: on(GATEWAY, f"{POD}.containers[gateway].{path}")
    record = variable(GATEWAY, "gateway", "TURNGRAPH_RECORD")
    yield Case("preset", "tiny", on(GATEWAY, "spec.strategy.type"), "Recreate")
    yield Case("nameOverride", "chat", on("Deployment/tg-chat-gateway", "metadata.labels.app\\.kubernetes\\.io/name"), "chat")
    yield Case("fullnameOverride", "chat", there("Deployment/chat-gateway"), True)
    yield Case("kubeVersion", "1.28.0", server("lifecycle"), None, )
    yield Case("commonLabels", {"team": "a"}, lambda o: {x["metadata"]["labels"].get("team") for x in o.values()}, {"a"})
    yield Case("commonAnnotations", {"team": "a"}, lambda o: {x["metadata"].get("annotations", {}).get("team") for x in o.values()}, {"a"})
    yield Case("global.imageRegistry", "r.example/", image_of("r.example/"), ["r.example/postgres:17-bookworm", "r.example/scylladb/scylla:2025.1", "r.example/turngraph:0.1.0", "r.example/valkey/valkey:8.1"])
    yield Case("global.imagePullSecrets", [{"name": "a"}], of_all_pods("spec.imagePullSecrets"), ['[{"name": "a"}]'])
    yield Case("global.storageClass", "fast", lambda o: {at({"x": x}, "x", "spec.volumeClaimTemplates[0].spec.storageClassName") for k, x in o.items() if k.startswith("StatefulSet") and "redis" not in k}, {"fast"})
    yield Case("images.pullPolicy", "Always", lambda o: {c["imagePullPolicy"] for _, p in pods(o) for c in containers(p)}, {"Always"})
    yield Case("images.pullSecrets", ["a"], of_all_pods("spec.imagePullSecrets"), ['[{"name": "a"}]'])
    for name, repository, base in [("turngraph", "turngraph", {}), ("postgres", "postgres", {}), ("scylla", "scylladb/scylla", {}), ("cassandra", "cassandra", CASSANDRA), ("redis", "valkey/valkey", {}), ("kafka", "apache/kafka", KAFKA), ("connect", "debezium/connect", KAFKA)]:
        digest = "sha256:" + "0" * 64
        yield Case(f"images.{name}.registry", "r.example", lambda o, n=repository: any(i.startswith(f"r.example/{n}:") for i in image_of("r.example")(o)), True, base)
        yield Case(f"images.{name}.repository", "mine/it", lambda o: bool(image_of("mine/it:")(o)), True, base)
        yield Case(f"images.{name}.tag", "nine", lambda o, n=repository: image_of(f"{n}:nine")(o), [f"{repository}:nine"], base)
        yield Case(f"images.{name}.digest", digest, lambda o, n=repository, d=digest: image_of(f"{n}@{d}")(o), [f"{repository}@{digest}"], base)
    yield Case("config", {"account": "acme", "record_share": 5, "on": True, "auth": {"issuers": ["a", "b"]}},
               on(f"ConfigMap/{FULL}", "data.turngraph\\.toml"),
               "# Settings of the release's values under `config`; addresses of stores come as variables.\n\naccount = \"acme\"\non = true\nrecord_share = 5\n\n[auth]\nissuers = [\"a\", \"b\"]\n")
    yield Case("serviceAccount.create", False, there(f"ServiceAccount/{FULL}"), False)
    yield Case("serviceAccount.name", "who", gateway("serviceAccountName"), "who")
    yield Case("serviceAccount.annotations", {"role": "x"}, on(f"ServiceAccount/{FULL}", "metadata.annotations"), {"role": "x"})

    # Gateway
    yield Case("gateway.replicas", 2, on(GATEWAY, "spec.replicas"), 2)
    yield Case("gateway.resources", {"limits": {"cpu": "3"}}, server("resources"), {"limits": {"cpu": "3"}})
    yield Case("gateway.withoutAuthentication", False, variable(GATEWAY, "gateway", "TURNGRAPH_PUBLIC_WITHOUT_AUTH"), None)
    yield Case("gateway.behindAuthenticatingProxy", True, lambda o: None, None)  # see Others
    yield Case("gateway.shutdownGraceSeconds", 33, variable(GATEWAY, "gateway", "TURNGRAPH_SHUTDOWN_GRACE"), "33s")
    yield Case("gateway.drainSeconds", 17, server("lifecycle.preStop.sleep.seconds"), 17)
    yield Case("gateway.service.type", "NodePort", on(f"Service/{FULL}", "spec.type"), "NodePort", {"gateway": {"behindAuthenticatingProxy": True}})
    yield Case("gateway.service.port", 80, on(f"Service/{FULL}", "spec.ports[http].port"), 80)
    yield Case("gateway.service.annotations", {"a": "b"}, on(f"Service/{FULL}", "metadata.annotations"), {"a": "b"})
    hpa = f"HorizontalPodAutoscaler/{FULL}-gateway"
    scaled = {"gateway": {"autoscaling": {"enabled": True}}}
    yield Case("gateway.autoscaling.enabled", True, there(hpa), True)
    yield Case("gateway.autoscaling.maxReplicas", 9, on(hpa, "spec.maxReplicas"), 9, scaled)
    yield Case("gateway.autoscaling.targetCPUUtilizationPercentage", 55, on(hpa, "spec.metrics[0].resource.target.averageUtilization"), 55, scaled)
    pdb = f"PodDisruptionBudget/{FULL}-gateway"
    several = {"gateway": {"replicas": 2}}
    yield Case("gateway.podDisruptionBudget.enabled", False, there(pdb), False, several)
    yield Case("gateway.podDisruptionBudget.maxUnavailable", "50%", on(pdb, "spec.maxUnavailable"), "50%", several)
    claim = f"PersistentVolumeClaim/{FULL}-data"
    yield Case("gateway.persistence.enabled", False, gateway("volumes[data].emptyDir"), {}, TINY)
    yield Case("gateway.persistence.size", "9Gi", on(claim, "spec.resources.requests.storage"), "9Gi", TINY)
    yield Case("gateway.persistence.storageClass", "fast", on(claim, "spec.storageClassName"), "fast", TINY)
    yield Case("gateway.persistence.accessModes", ["ReadWriteOncePod"], on(claim, "spec.accessModes"), ["ReadWriteOncePod"], TINY)
    yield Case("gateway.persistence.existingClaim", "mine", gateway("volumes[data].persistentVolumeClaim.claimName"), "mine", TINY)
    yield Case("gateway.persistence.retain", False, on(claim, "metadata.annotations"), None, TINY)
    one = {"name": "A", "value": "b"}
    yield Case("gateway.extraEnv", [one], variable(GATEWAY, "gateway", "A"), "b")
    yield Case("gateway.extraEnvFrom", [{"secretRef": {"name": "s"}}], server("envFrom"), [{"secretRef": {"name": "s"}}])
    yield Case("gateway.extraVolumes", [{"name": "v", "emptyDir": {}}], gateway("volumes[v]"), {"name": "v", "emptyDir": {}})
    yield Case("gateway.extraVolumeMounts", [{"name": "v", "mountPath": "/v"}], server("volumeMounts[v].mountPath"), "/v")
    yield Case("gateway.initContainers", [{"name": "x", "image": "y:1"}], gateway("initContainers[x].image"), "y:1")
    yield Case("gateway.sidecars", [{"name": "x", "image": "y:1"}], gateway("containers[x].image"), "y:1")
    yield Case("gateway.podLabels", {"a": "b"}, on(GATEWAY, "spec.template.metadata.labels.a"), "b")
    yield Case("gateway.podAnnotations", {"a": "b"}, on(GATEWAY, "spec.template.metadata.annotations.a"), "b")
    yield Case("gateway.topologySpreadConstraints", [{"maxSkew": 2}], gateway("topologySpreadConstraints[0].maxSkew"), 2)
    for probe, values in {"startupProbe": {"periodSeconds": 3, "failureThreshold": 5}, "livenessProbe": {"periodSeconds": 3, "failureThreshold": 5}, "readinessProbe": {"periodSeconds": 3, "timeoutSeconds": 2, "failureThreshold": 5}}.items():
        for name, value in values.items():
            yield Case(f"gateway.{probe}.{name}", value, server(f"{probe}.{name}"), value)

    # Projector
    yield Case("projector.enabled", False, there(PROJECTOR), False)
    yield Case("projector.replicas", 2, on(PROJECTOR, "spec.replicas"), 2)
    worker = lambda path: on(PROJECTOR, f"{POD}.containers[projector].{path}")
    yield Case("projector.resources", {"limits": {"cpu": "3"}}, worker("resources"), {"limits": {"cpu": "3"}})
    yield Case("projector.shutdownGraceSeconds", 33, variable(PROJECTOR, "projector", "TURNGRAPH_SHUTDOWN_GRACE"), "33s")
    yield Case("projector.extraEnv", [one], variable(PROJECTOR, "projector", "A"), "b")
    yield Case("projector.extraEnvFrom", [{"secretRef": {"name": "s"}}], worker("envFrom"), [{"secretRef": {"name": "s"}}])
    yield Case("projector.podLabels", {"a": "b"}, on(PROJECTOR, "spec.template.metadata.labels.a"), "b")
    yield Case("projector.podAnnotations", {"a": "b"}, on(PROJECTOR, "spec.template.metadata.annotations.a"), "b")
    placed = {"gateway": (GATEWAY, {}), "projector": (PROJECTOR, {})}
    placed.update({name: (f"StatefulSet/{FULL}-{name}", base) for name, (_, base) in STORES.items()})
    for name, (key, base) in placed.items():
        yield Case(f"{name}.nodeSelector", {"disk": "fast"}, on(key, f"{POD}.nodeSelector"), {"disk": "fast"}, base)
        yield Case(f"{name}.tolerations", [{"key": "x"}], on(key, f"{POD}.tolerations"), [{"key": "x"}], base)
        yield Case(f"{name}.affinity", {"podAffinity": {}}, on(key, f"{POD}.affinity"), {"podAffinity": {}}, base)
        if name in ("gateway", "projector"):
            yield Case(f"{name}.priorityClassName", "high", on(key, f"{POD}.priorityClassName"), "high")

    # Migrations
    yield Case("migrations.enabled", False, there(MIGRATE), False)
    yield Case("migrations.hook", True, on(MIGRATE, "metadata.annotations.helm\\.sh/hook"), "pre-install,pre-upgrade", SCALE)
    yield Case("migrations.waitSeconds", 7, on(MIGRATE, f"{POD}.containers[migrate].args[3]"), "7")
    yield Case("migrations.backoffLimit", 9, on(MIGRATE, "spec.backoffLimit"), 9)
    yield Case("migrations.ttlSecondsAfterFinished", 9, on(MIGRATE, "spec.ttlSecondsAfterFinished"), 9)
    for kind in ("requests", "limits"):
        yield Case(f"migrations.resources.{kind}", {"cpu": "9"}, on(MIGRATE, f"{POD}.containers[migrate].resources.{kind}.cpu"), "9")
        yield Case(f"backup.resources.{kind}", {"cpu": "9"}, on(BACKUP, f"spec.jobTemplate.spec.template.spec.containers[backup].resources.{kind}.cpu"), "9", {"backup": {"enabled": True}})
    yield Case("feed.source", "change_log", variable(PROJECTOR, "projector", "TURNGRAPH_FEED"), "change_log")
    yield Case("feed.slot", "mine", variable(PROJECTOR, "projector", "TURNGRAPH_FEED_SLOT"), "mine")

    # Stores of the chart
    for name, (_, base) in STORES.items():
        key = f"StatefulSet/{FULL}-{name}"
        yield Case(f"{name}.mode", "off" if name != "kafka" else "bundled", there(key), name == "kafka", {"cql": {"cql": {}}, "kafka": {"feed": {"source": "kafka"}, "kafka": {"mode": "external", "external": {"brokers": ["a:1"]}}}, "postgres": {"cql": {"mode": "off"}, "redis": {"mode": "off"}}, "redis": {}}[name])
        yield Case(f"{name}.persistence.enabled", False if name != "redis" else True, on(key, f"{POD}.volumes[data].emptyDir"), {} if name != "redis" else None, base if name != "redis" else {})
        yield Case(f"{name}.persistence.size", "77Gi", on(key, "spec.volumeClaimTemplates[0].spec.resources.requests.storage"), "77Gi", base)
        yield Case(f"{name}.persistence.storageClass", "fast", on(key, "spec.volumeClaimTemplates[0].spec.storageClassName"), "fast", base)
        yield Case(f"{name}.persistence.accessModes", ["ReadWriteOncePod"], on(key, "spec.volumeClaimTemplates[0].spec.accessModes"), ["ReadWriteOncePod"], base)
        yield Case(f"{name}.persistence.existingClaim", "mine", on(key, f"{POD}.volumes[data].persistentVolumeClaim.claimName"), "mine", base)
        retain = name == "redis"
        yield Case(f"{name}.persistence.retain", retain, on(key, "spec.persistentVolumeClaimRetentionPolicy.whenDeleted"), "Retain" if retain else "Delete", base)
        yield Case(f"{name}.resources", {"limits": {"cpu": "3"}}, on(key, f"{POD}.containers[0].resources.limits.cpu"), "3", base)
        yield Case(f"{name}.runAsUser", 1234, on(key, f"{POD}.securityContext.runAsUser"), 1234, base)
        yield Case(f"{name}.podAnnotations", {"a": "b"}, on(key, "spec.template.metadata.annotations.a"), "b", base)
    yield Case("postgres.connectionsMax", 7, variable(GATEWAY, "gateway", "TURNGRAPH_RECORD_CONNECTIONS_MAX"), "7")
    yield Case("postgres.auth.username", "ann", within(record, "//ann:"), True)
    yield Case("postgres.auth.database", "talk", within(record, ":5432/talk?"), True)
    yield Case("postgres.auth.existingSecret", "pg", variable(f"StatefulSet/{FULL}-postgres", "postgres", "POSTGRES_PASSWORD"), secret("pg", "password"))
    yield Case("postgres.auth.passwordKey", "pw", variable(GATEWAY, "gateway", "STORE_POSTGRES_PASSWORD"), secret(f"{FULL}-postgres", "pw"))
    yield Case("postgres.config", {"work_mem": "9MB"}, within(on(f"StatefulSet/{FULL}-postgres", f"{POD}.containers[0].args"), "work_mem=9MB"), True)
    yield Case("postgres.analytics.existingSecret", "an", variable(GATEWAY, "gateway", "TURNGRAPH_ANALYTICS"), secret("an", "url"))
    yield Case("postgres.analytics.urlKey", "u", variable(GATEWAY, "gateway", "TURNGRAPH_ANALYTICS"), secret("an", "u"), {"postgres": {"analytics": {"existingSecret": "an"}}})
    yield Case("cql.engine", "cassandra", on(f"StatefulSet/{FULL}-cql", f"{POD}.containers[cql].image"), "cassandra:5.0")
    yield Case("cql.keyspace", "talk", within(variable(GATEWAY, "gateway", "TURNGRAPH_CQL"), "/talk"), True)
    yield Case("cql.parameters", {"dc": "eu", "rf": 1}, variable(GATEWAY, "gateway", "TURNGRAPH_CQL"), f"cql://{FULL}-cql:9042/turngraph?dc=eu&rf=1")
    yield Case("cql.memory", "900M", within(on(f"StatefulSet/{FULL}-cql", f"{POD}.containers[cql].args"), "--memory=900M"), True)
    yield Case("cql.extraArgs", ["--io-latency-goal-ms=5"], within(on(f"StatefulSet/{FULL}-cql", f"{POD}.containers[cql].args"), "--io-latency-goal-ms=5"), True)
    conf = on(f"ConfigMap/{FULL}-redis", "data.redis\\.conf")
    yield Case("redis.maxmemory", "32mb", within(conf, "maxmemory 32mb"), True)
    yield Case("redis.maxmemoryPolicy", "allkeys-lfu", within(conf, "maxmemory-policy allkeys-lfu"), True)
    yield Case("redis.auth.existingSecret", "rd", variable(f"StatefulSet/{FULL}-redis", "redis", "REDIS_PASSWORD"), secret("rd", "password"))
    yield Case("redis.auth.passwordKey", "pw", variable(GATEWAY, "gateway", "STORE_REDIS_PASSWORD"), secret(f"{FULL}-redis", "pw"))

    # Stores elsewhere
    port = {"postgres": 5433, "cql": 9043, "redis": 6380}
    for name, (setting, base) in EXTERNAL.items():
        address = variable(GATEWAY, "gateway", setting)
        yield Case(f"{name}.external.port", port[name], within(address, f":{port[name]}"), True, base)
        password = variable(GATEWAY, "gateway", f"STORE_{name.upper()}_PASSWORD")
        yield Case(f"{name}.external.existingSecret", "other", password, secret("other", "password"), base)
        given = {"postgres": "pg", "cql": "cql", "redis": "rd"}[name]
        yield Case(f"{name}.external.passwordKey", "pw", password, secret(given, "pw"), base)
        yield Case(f"{name}.external.urlKey", "url", address, secret(given, "url"), base)
        yield Case(f"{name}.external.username", "bob", within(address, "//bob:$(STORE_"), True, base)
    yield Case("postgres.external.host", "h.example", within(record, "@h.example:"), True, SCALE)
    yield Case("postgres.external.database", "talk", within(record, "/talk?"), True, SCALE)
    yield Case("postgres.external.sslMode", "verify-full", within(record, "sslmode=verify-full"), True, SCALE)
    yield Case("cql.external.hosts", ["x", "y"], variable(GATEWAY, "gateway", "TURNGRAPH_CQL"), "cql://x:9042,y:9042/turngraph", SCALE)
    redis = variable(GATEWAY, "gateway", "TURNGRAPH_REDIS")
    yield Case("redis.external.host", "r", redis, "redis://r:6379/0", SCALE)
    yield Case("redis.external.database", 3, redis, "redis://redis.example:6379/3", SCALE)
    yield Case("redis.external.tls", True, redis, "rediss://redis.example:6379/0", SCALE)

    # Kafka
    connect = f"StatefulSet/{FULL}-connect"
    connector = on(f"ConfigMap/{FULL}-connect", "data.connector\\.properties")
    yield Case("kafka.topic", "t", variable(PROJECTOR, "projector", "TURNGRAPH_KAFKA"), f"kafka://{FULL}-kafka:9092/t", KAFKA)
    yield Case("kafka.heap", "512m", variable(f"StatefulSet/{FULL}-kafka", "kafka", "KAFKA_HEAP_OPTS"), "-Xms512m -Xmx512m", KAFKA)
    elsewhere = {"feed": {"source": "kafka"}, "kafka": {"mode": "external", "external": {"brokers": ["a:9092"]}}}
    yield Case("kafka.external.brokers", ["x:9092", "y:9093"], variable(PROJECTOR, "projector", "TURNGRAPH_KAFKA"), "kafka://x:9092,y:9093/turngraph.changes", elsewhere)
    yield Case("kafka.connect.enabled", False, there(connect), False, KAFKA)
    yield Case("kafka.connect.heap", "512m", variable(connect, "connect", "KAFKA_HEAP_OPTS"), "-Xms512m -Xmx512m", KAFKA)
    yield Case("kafka.connect.slot", "mine", within(connector, "slot.name=mine"), True, KAFKA)
    yield Case("kafka.connect.topicReplicas", 3, within(connector, "replication.factor=3"), True, KAFKA)
    yield Case("kafka.connect.properties", {"poll.interval.ms": 9}, within(connector, "poll.interval.ms=9"), True, KAFKA)
    yield Case("kafka.connect.resources", {"limits": {"cpu": "3"}}, on(connect, f"{POD}.containers[connect].resources.limits.cpu"), "3", KAFKA)
    yield Case("kafka.connect.runAsUser", 1234, on(connect, f"{POD}.securityContext.runAsUser"), 1234, KAFKA)

    # Ways in
    open_ = {"ingress": {"enabled": True}, "gateway": {"behindAuthenticatingProxy": True}}
    ingress = f"Ingress/{FULL}"
    yield Case("ingress.enabled", True, there(ingress), True, {"gateway": {"behindAuthenticatingProxy": True}})
    yield Case("ingress.className", "nginx", on(ingress, "spec.ingressClassName"), "nginx", open_)
    yield Case("ingress.annotations", {"a": "b"}, on(ingress, "metadata.annotations"), {"a": "b"}, open_)
    yield Case("ingress.hosts", [{"host": "h", "paths": [{"path": "/x"}]}], on(ingress, "spec.rules[0].http.paths[0].path"), "/x", open_)
    yield Case("ingress.tls", [{"hosts": ["h"]}], on(ingress, "spec.tls"), [{"hosts": ["h"]}], open_)
    routed = {"httpRoute": {"enabled": True, "parentRefs": [{"name": "g"}]}, "gateway": {"behindAuthenticatingProxy": True}}
    route = f"HTTPRoute/{FULL}"
    yield Case("httpRoute.enabled", True, there(route), True, merged(routed, {"httpRoute": {"enabled": False}}))
    yield Case("httpRoute.parentRefs", [{"name": "z"}], on(route, "spec.parentRefs"), [{"name": "z"}], routed)
    yield Case("httpRoute.hostnames", ["h"], on(route, "spec.hostnames"), ["h"], routed)
    yield Case("httpRoute.annotations", {"a": "b"}, on(route, "metadata.annotations"), {"a": "b"}, routed)

    # Networks
    policy = f"NetworkPolicy/{FULL}-gateway"
    peer = [{"ipBlock": {"cidr": "10.0.0.0/8"}}]
    yield Case("networkPolicy.enabled", False, lambda o: any(k.startswith("NetworkPolicy") for k in o), False)
    yield Case("networkPolicy.gatewayFrom", peer, on(policy, "spec.ingress[0].from"), peer)
    yield Case("networkPolicy.metricsFrom", peer, on(f"NetworkPolicy/{FULL}-projector", "spec.ingress[0].from"), peer)
    yield Case("networkPolicy.externalCIDRs", ["10.0.0.0/8"], within(on(policy, "spec.egress"), '"10.0.0.0/8"'), True, SCALE)
    yield Case("networkPolicy.extraEgress", [{"to": peer}], within(on(policy, "spec.egress"), '{"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}'), True)

    # Backups
    backed = {"backup": {"enabled": True}}
    job = "spec.jobTemplate.spec.template.spec"
    backups = f"PersistentVolumeClaim/{FULL}-backup"
    yield Case("backup.enabled", True, there(BACKUP), True)
    yield Case("backup.schedule", "1 1 * * *", on(BACKUP, "spec.schedule"), "1 1 * * *", backed)
    yield Case("backup.keep", 3, variable(BACKUP, "backup", "BACKUP_KEEP"), "3", backed)
    yield Case("backup.persistence.size", "9Gi", on(backups, "spec.resources.requests.storage"), "9Gi", backed)
    yield Case("backup.persistence.storageClass", "fast", on(backups, "spec.storageClassName"), "fast", backed)
    yield Case("backup.persistence.accessModes", ["ReadWriteMany"], on(backups, "spec.accessModes"), ["ReadWriteMany"], backed)
    yield Case("backup.persistence.existingClaim", "mine", on(BACKUP, f"{job}.volumes[backup].persistentVolumeClaim.claimName"), "mine", backed)
    yield Case("backup.persistence.retain", False, on(backups, "metadata.annotations"), None, backed)

    # Monitoring
    watched = {"metrics": {"serviceMonitor": {"enabled": True}, "prometheusRule": {"enabled": True}, "dashboards": {"enabled": True}}}
    monitor, rule, boards = f"ServiceMonitor/{FULL}-gateway", f"PrometheusRule/{FULL}", f"ConfigMap/{FULL}-dashboards"
    yield Case("metrics.serviceMonitor.enabled", True, there(monitor), True)
    yield Case("metrics.serviceMonitor.interval", "7s", on(monitor, "spec.endpoints[0].interval"), "7s", watched)
    yield Case("metrics.serviceMonitor.labels", {"r": "p"}, on(monitor, "metadata.labels.r"), "p", watched)
    yield Case("metrics.prometheusRule.enabled", True, there(rule), True)
    yield Case("metrics.prometheusRule.labels", {"r": "p"}, on(rule, "metadata.labels.r"), "p", watched)
    yield Case("metrics.prometheusRule.exclude", ["TurngraphGatewayDown"], within(on(rule, "spec"), "TurngraphGatewayDown"), False, watched)
    yield Case("metrics.prometheusRule.runbookBase", "https://b.example/", within(on(rule, "spec"), "https://b.example/TurngraphGatewayDown.md"), True, watched)
    yield Case("metrics.dashboards.enabled", True, there(boards), True)
    yield Case("metrics.dashboards.labels", {"r": "p"}, on(boards, "metadata.labels.r"), "p", watched)

    # `helm test`
    smoke = f"Pod/{FULL}-smoke-test"
    token = {"smokeTest": {"tokenSecret": "s"}}
    yield Case("smokeTest.enabled", False, there(smoke), False)
    yield Case("smokeTest.withinSeconds", 9, within(on(smoke, "spec.containers[smoke].args"), '"--within", "9"'), True)
    yield Case("smokeTest.tokenSecret", "s", on(smoke, "spec.volumes[token].secret.secretName"), "s")
    yield Case("smokeTest.tokenKey", "k", on(smoke, "spec.volumes[token].secret.items[0].key"), "k", token)
    extra = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "{{ .Release.Name }}-more"}}
    yield Case("extraObjects", [extra], there("ConfigMap/tg-more"), True)


# Their effect is not an object: each has a test of its own.
ELSEWHERE = {
    "gateway.behindAuthenticatingProxy": "Others",
    "guard.enabled": "test_upgrade",
    "enabled": "Umbrella",
    "tags": "Umbrella",
}


class EveryValue(unittest.TestCase):
    def test_has_its_effect(self):
        for case in cases():
            if case.path in ELSEWHERE:
                continue
            with self.subTest(case.path):
                without = case.look(render(case.base))
                with_it = case.look(render(merged(case.base, nested(case.path, case.value))))
                self.assertEqual(with_it, case.wanted)
                self.assertNotEqual(without, case.wanted, "the same without the value")

    def test_has_a_case(self):
        def leaves(schema, path=""):
            for key, inner in schema["properties"].items():
                if "properties" in inner:
                    yield from leaves(inner, f"{path}{key}.")
                else:
                    yield path + key

        schema = json.loads((CHART / "values.schema.json").read_text())
        known = {case.path for case in cases()} | set(ELSEWHERE)
        self.assertEqual(set(leaves(schema)) - known, set())
        self.assertEqual(known - set(leaves(schema)), set())


class Others(unittest.TestCase):
    def test_a_proxy_in_front_allows_ways_in_without_authentication(self):
        values = {"ingress": {"enabled": True}, "gateway": {"behindAuthenticatingProxy": True}}
        self.assertIn(f"Ingress/{FULL}", render(values))
        closed = {"ingress": {"enabled": True}, "gateway": {"withoutAuthentication": False}}
        self.assertIn(f"Ingress/{FULL}", render(closed))

    def test_java_options_of_cassandra(self):
        found = render(merged(CASSANDRA, {"cql": {"extraArgs": ["-Xss1m"], "memory": "600M"}}))
        key = f"StatefulSet/{FULL}-cql"
        self.assertIn("-Xss1m", env(found, key, "cql", "JVM_EXTRA_OPTS"))
        self.assertEqual(env(found, key, "cql", "MAX_HEAP_SIZE"), "600M")

    def test_a_changed_config_restarts_the_pods(self):
        checksum = lambda v: at(render(v), GATEWAY, "spec.template.metadata.annotations.checksum/config")
        self.assertNotEqual(checksum({}), checksum({"config": {"log_level": "debug"}}))

    def test_backups_of_an_external_server_know_its_address(self):
        found = render(merged(SCALE, {"backup": {"enabled": True}}))
        self.assertEqual(env(found, BACKUP, "backup", "PGHOST"), "pg.example")
        self.assertEqual(env(found, BACKUP, "backup", "PGPASSWORD"), secret("pg", "password"))
        self.assertEqual(env(found, BACKUP, "backup", "PGSSLMODE"), "require")


if __name__ == "__main__":
    unittest.main()
