"""Rendering the chart and looking at what came out, for the tests beside this file."""
import copy
import functools
import json
import pathlib
import re

import yaml
from helm_python import Chart, HelmError  # noqa: F401  (tests take HelmError from here)

# The parser in C where this build of the library has it: ten times as fast.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
CHART = ROOT / "charts/turngraph"
RELEASE, NAMESPACE = "tg", "chat"
FULL = "tg-turngraph"

# Values that complete a preset whose stores are somebody else's.
SCALE = {
    "preset": "scale",
    "postgres": {"external": {"host": "pg.example", "existingSecret": "pg"}},
    "cql": {"external": {"hosts": ["cql-1.example", "cql-2.example"]}},
    "redis": {"external": {"host": "redis.example"}},
}
KAFKA = {"feed": {"source": "kafka"}, "kafka": {"mode": "bundled"}}
CASSANDRA = {"cql": {"engine": "cassandra"}}
PRESETS = {
    "tiny": {"preset": "tiny"},
    "single-node": {},
    "scale": SCALE,
    "single-node with Cassandra": CASSANDRA,
    "single-node with Kafka": KAFKA,
}
# Everything that can be turned on.
ALL = {
    **KAFKA,
    "gateway": {"replicas": 3, "autoscaling": {"enabled": True}, "behindAuthenticatingProxy": True},
    "ingress": {"enabled": True},
    "httpRoute": {"enabled": True, "parentRefs": [{"name": "gate"}]},
    "backup": {"enabled": True},
    "metrics": {
        "serviceMonitor": {"enabled": True},
        "prometheusRule": {"enabled": True},
        "dashboards": {"enabled": True},
    },
}


def merged(*many):
    """Nested values laid over each other."""
    result = {}
    for values in many:
        for key, value in values.items():
            if isinstance(value, dict) and isinstance(result.get(key), dict):
                result[key] = merged(result[key], value)
            else:
                result[key] = copy.deepcopy(value)
    return result


def nested(path, value):
    """`a.b` and a value as {a: {b: value}}."""
    for key in reversed(path.split(".")):
        value = {key: value}
    return value


@functools.cache
def loaded(path):
    return Chart.load(str(path))


@functools.lru_cache(maxsize=256)
def _texts(path, values, name, revision, upgrade):
    chart = loaded(path)
    values = json.loads(values)
    chart.validate_schema(values)
    return chart.render(
        values=values,
        name=name,
        namespace=NAMESPACE,
        revision=revision,
        is_install=not upgrade,
        is_upgrade=upgrade,
    )


def texts(values=None, path=CHART, name=RELEASE, revision=1, upgrade=False):
    """Rendered texts by template."""
    return _texts(path, json.dumps(values or {}, sort_keys=True), name, revision, upgrade)


def render(values=None, **more):
    """Rendered objects by `Kind/name`."""
    objects = {}
    for template, text in texts(values, **more).items():
        if not template.endswith((".yaml", ".yml")):
            continue
        for one in yaml.load_all(text, Loader=LOADER):
            if one is None:
                continue
            key = f"{one['kind']}/{one['metadata']['name']}"
            if one["kind"] == "Job":
                # Its name has a revision and a digest.
                key = re.sub(r"-migrate-.*", "-migrate", key)
            assert key not in objects, f"{key} is there twice"
            objects[key] = one
    return objects


def notes(values=None, **more):
    found = [text for name, text in texts(values, **more).items() if name.endswith("NOTES.txt")]
    return found[0]


def refusal(values, **more):
    """What is said of values that are refused."""
    try:
        render(values, **more)
    except HelmError as error:
        return str(error)
    raise AssertionError(f"not refused: {values}")


def at(objects, key, path):
    """The part of an object at a path: `spec.containers[gateway].args[0]`; None where there is none.
    An element of a list is taken by its number or its name."""
    value = objects.get(f"{key}")
    for step in re.findall(r"\[[^\]]+\]|(?:[^.\[\\]|\\.)+", path):
        if value is None:
            return None
        if step.startswith("["):
            wanted = step[1:-1]
            if wanted.isdigit():
                value = value[int(wanted)] if int(wanted) < len(value) else None
            else:
                value = next((one for one in value if one.get("name") == wanted), None)
        else:
            value = value.get(step.replace("\\.", "."))
    return value


def pods(objects):
    """Every pod's spec, by the object that makes it."""
    for key, one in objects.items():
        if one["kind"] in ("Deployment", "StatefulSet", "Job"):
            yield key, one["spec"]["template"]
        elif one["kind"] == "CronJob":
            yield key, one["spec"]["jobTemplate"]["spec"]["template"]
        elif one["kind"] == "Pod":
            yield key, one


def containers(pod):
    return [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]


def env(objects, key, container, name):
    """A variable of a container of an object: its value, or where it comes from."""
    for owner, pod in pods(objects):
        if owner == key:
            for one in containers(pod):
                if one["name"] == container:
                    for variable in one.get("env", []):
                        if variable["name"] == name:
                            return variable.get("value", variable.get("valueFrom"))
    return None
