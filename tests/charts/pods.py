"""Containers of the rendered chart as processes: their own commands, arguments, variables, mounted
files and probes, on the loopback. What an image's entry point does before the server starts is done
here by `images.py`, after the images' own descriptions.

Three things are changed on the way, and nothing else: addresses of the chart's services become ports
of the loopback, folders that are mounted become scratch folders, and ports that a container opens
become free ones.
"""
import base64
import ctypes
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

from chart import FULL, ROOT, at, containers, pods

PATIENCE = 240


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def wait(until, what, patience=PATIENCE):
    """Waits for a state, not for a time."""
    end = time.monotonic() + patience
    while True:
        found = until()
        if found:
            return found
        assert time.monotonic() < end, f"{what() if callable(what) else what}: not within {patience} s"
        time.sleep(0.1)


def account():
    """Who runs a server that refuses to be root; none where the tests are not root themselves."""
    if os.getuid() != 0:
        return None
    import pwd

    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            pass
    raise AssertionError("tests run as root need an account `postgres` or `nobody`")


def _die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class Node:
    """The machine on which pods run."""

    def __init__(self, objects):
        self.objects = objects
        self.owner = account()
        place = ROOT / "target/test-servers"
        place.mkdir(parents=True, exist_ok=True)
        if self.owner:
            # The account must be able to get there.
            place = pathlib.Path(tempfile.gettempdir())
        self.scratch = pathlib.Path(tempfile.mkdtemp(prefix="turngraph-chart-", dir=place))
        self.own(self.scratch)
        self.ports = {}
        self.running = []

    def own(self, path):
        if self.owner:
            os.chown(path, self.owner.pw_uid, self.owner.pw_gid)

    def port(self, service, number):
        """The port of the loopback that stands for a port of a service."""
        return self.ports.setdefault((service, number), free_port())

    def close(self):
        for one in reversed(self.running):
            one.kill()
        shutil.rmtree(self.scratch, ignore_errors=True)

    def container(self, key, name=None):
        for owner, pod in pods(self.objects):
            if owner == key:
                for one in containers(pod):
                    if name in (None, one["name"]):
                        return Container(self, key, pod, one)
        raise AssertionError(f"{key} has no container {name}")


class Container:
    def __init__(self, node, key, pod, spec):
        self.node, self.key, self.pod, self.spec = node, key, pod, spec
        self.service = key.split("/")[1]
        if spec["name"] in ("gateway", "wait-for-schema", "migrate") and key.startswith("Deployment"):
            self.service = FULL if "gateway" in key else key.split("/")[1]
        self.process = None
        self.home = node.scratch / f"{self.service}-{spec['name']}"
        self.home.mkdir(exist_ok=True)
        node.own(self.home)
        self.log = self.home / "log"
        self.folders = self.mounts()
        self.environment = self.variables()

    # What the kubelet does.

    def mounts(self):
        """Mounted folders by where they are mounted. Volumes of a pod are shared by its containers."""
        volumes = {v["name"]: v for v in self.pod["spec"].get("volumes", [])}
        folders = {}
        for mount in self.spec.get("volumeMounts", []):
            place = self.node.scratch / f"volume-{self.key.replace('/', '-')}-{mount['name']}"
            place.mkdir(exist_ok=True)
            self.node.own(place)
            folders[mount["mountPath"]] = place
        self.folders = folders
        for mount in self.spec.get("volumeMounts", []):
            source = volumes.get(mount["name"], {}).get("configMap")
            if source:
                for file, text in self.node.objects[f"ConfigMap/{source['name']}"]["data"].items():
                    (folders[mount["mountPath"]] / file).write_text(self.here(text))
        return folders

    def here(self, text):
        """A text of the chart with this machine's addresses and folders."""
        for service in (f"{FULL}-postgres", f"{FULL}-cql", f"{FULL}-redis", f"{FULL}-kafka", FULL):
            text = re.sub(
                rf"(?<![\w-]){service}:(\d+)",
                lambda found: f"127.0.0.1:{self.node.port(service, int(found.group(1)))}",
                text,
            )
        for port in self.spec.get("ports", []):
            number = port["containerPort"]
            mine = self.node.port(self.service, number)
            text = text.replace(f"0.0.0.0:{number}", f"127.0.0.1:{mine}")
            text = re.sub(rf"(?<=//):{number}\b", f"127.0.0.1:{mine}", text)
        if self.folders:
            # At once, since a scratch folder may lie below one that is mounted (/tmp).
            mounted = "|".join(re.escape(folder) for folder in sorted(self.folders, key=len, reverse=True))
            text = re.sub(
                rf"(?<![\w/.-])({mounted})(?=[/\s\"'=]|$)",
                lambda found: str(self.folders[found.group(1)]),
                text,
            )
        return text

    def variables(self):
        found = {}
        for one in self.spec.get("env", []):
            if "valueFrom" in one:
                source = one["valueFrom"]
                if "secretKeyRef" in source:
                    ref = source["secretKeyRef"]
                    secret = self.node.objects[f"Secret/{ref['name']}"]["data"]
                    found[one["name"]] = base64.b64decode(secret[ref["key"]]).decode()
                else:
                    assert source["fieldRef"]["fieldPath"] == "status.podIP"
                    found[one["name"]] = "127.0.0.1"
                continue
            value = re.sub(r"\$\((\w+)\)", lambda name: found.get(name.group(1), name.group(0)), one["value"])
            found[one["name"]] = self.here(value)
        return found

    def command(self):
        words = [*self.spec.get("command", []), *self.spec.get("args", [])]
        return [self.here(word) for word in words]

    # Running.

    def start(self, command=None, path=(), more=None):
        """Starts it; `command` is for images whose entry point runs first."""
        command = command or self.command()
        if "/turngraph" in f"/{self.spec['image'].split(':')[0]}":
            from test_image import PROGRAM

            command = [str(PROGRAM), *command]
        environment = {"PATH": ":".join([*map(str, path), "/usr/local/bin", "/usr/bin", "/bin", *postgres_folder()]), **self.environment, **(more or {})}
        owner = self.node.owner
        # Only the servers' own accounts matter; the program runs as whoever runs the tests.
        user = {"user": owner.pw_uid, "group": owner.pw_gid} if owner and "postgres" in self.spec["image"] else {}
        self.process = subprocess.Popen(
            command,
            cwd=self.home,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=open(self.log, "ab"),
            stderr=subprocess.STDOUT,
            preexec_fn=_die_with_parent,
            start_new_session=True,
            **user,
        )
        self.path = environment["PATH"]
        self.node.running.append(self)
        return self

    def run(self, **more):
        """Runs it to its end; its exit code."""
        self.start(**more)
        return self.ended()

    def exec(self, *words):
        """`kubectl exec`: the program once more, with this container's variables."""
        from test_image import PROGRAM

        assert words[0] == "turngraph"
        return subprocess.run(
            [str(PROGRAM), *words[1:]],
            cwd=self.home,
            env={"PATH": self.path, **self.environment},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )

    def ended(self, patience=PATIENCE):
        try:
            return self.process.wait(patience)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.key} {self.spec['name']} does not end:\n{self.said()}") from None

    def terminate(self):
        """What Kubernetes does to a pod; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.ended(at({"p": self.pod}, "p", "spec.terminationGracePeriodSeconds") or 30)

    def kill(self):
        if self.process and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def said(self):
        return self.log.read_text(errors="replace")[-4000:] if self.log.exists() else ""

    # Probes.

    def address(self, port):
        number = next(p["containerPort"] for p in self.spec["ports"] if port in (p["name"], p["containerPort"]))
        return "127.0.0.1", self.node.port(self.service, number)

    def probe(self, kind):
        """Whether a probe succeeds now."""
        probe = self.spec[kind]
        patience = probe.get("timeoutSeconds", 1) + 5
        if "httpGet" in probe:
            host, port = self.address(probe["httpGet"]["port"])
            try:
                with urllib.request.urlopen(f"http://{host}:{port}{probe['httpGet']['path']}", timeout=patience) as answer:
                    return 200 <= answer.status < 400
            except OSError:
                return False
        if "tcpSocket" in probe:
            try:
                socket.create_connection(self.address(probe["tcpSocket"]["port"]), timeout=patience).close()
                return True
            except OSError:
                return False
        command = [self.here(word) for word in probe["exec"]["command"]]
        environment = {"PATH": self.path, **self.environment, **getattr(self, "probing", {})}
        try:
            return subprocess.run(command, env=environment, capture_output=True, timeout=patience).returncode == 0
        except subprocess.TimeoutExpired:
            return False

    def becomes(self, kind):
        def ready():
            assert self.process.poll() is None, f"{self.key} {self.spec['name']} ended:\n{self.said()}"
            return self.probe(kind)

        wait(ready, lambda: f"{kind} of {self.key}; it said:\n{self.said()}")
        return self


def postgres_folder():
    folders = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return [str(folder) for folder in folders[:1]]
