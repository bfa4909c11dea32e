"""The image as an archive: written from the built program, read back, unpacked and run."""
import gzip
import importlib.util
import io
import json
import os
import pathlib
import re
import subprocess
import sys
import tarfile
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PROGRAM = pathlib.Path(os.environ.get("TURNGRAPH_TEST_PROGRAM", ROOT / "target/debug/turngraph"))

spec = importlib.util.spec_from_file_location("image", ROOT / "scripts/image.py")
image = importlib.util.module_from_spec(spec)
spec.loader.exec_module(image)


def run(*command, **more):
    return subprocess.run([str(c) for c in command], capture_output=True, text=True, **more)


class Archive(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.place = pathlib.Path(cls.folder.name)
        cls.sbom = cls.place / "sbom.json"
        made = run(sys.executable, ROOT / "scripts/sbom.py")
        assert made.returncode == 0, made.stderr
        cls.sbom.write_text(made.stdout)
        cls.archive = cls.place / "one.tar"
        cls.write(cls.archive)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    @classmethod
    def write(cls, out):
        assert PROGRAM.exists(), f"{PROGRAM} is not there: cargo build"
        done = run(sys.executable, ROOT / "scripts/image.py", "write", "--binary", PROGRAM, "--out", out,
                   "--name", "turngraph:test", "--sbom", cls.sbom)
        assert done.returncode == 0, done.stderr

    def files(self):
        """Entries of all layers by path."""
        _, _, layers = image.load(self.archive)
        found = {}
        for layer in layers:
            with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
                found.update({entry.name: entry for entry in tar})
        return found

    def test_the_same_inputs_give_the_same_bytes(self):
        again = self.place / "two.tar"
        self.write(again)
        self.assertEqual(self.archive.read_bytes(), again.read_bytes())

    def test_it_runs_as_nobody_special_and_stops_on_a_signal(self):
        _, config, _ = image.load(self.archive)
        self.assertEqual(config["config"]["User"], "65532:65532")
        self.assertEqual(config["config"]["Entrypoint"], ["/usr/local/bin/turngraph"])
        self.assertEqual(config["config"]["StopSignal"], "SIGTERM")
        self.assertEqual(config["os"], "linux")

    def test_engines_find_its_name_both_ways(self):
        with tarfile.open(self.archive) as tar:
            docker = json.load(tar.extractfile("manifest.json"))
            index = json.load(tar.extractfile("index.json"))
            self.assertEqual(docker[0]["RepoTags"], ["turngraph:test"])
            for path in [docker[0]["Config"], *docker[0]["Layers"]]:
                self.assertTrue(tar.getmember(path).isfile())
        annotations = index["manifests"][0]["annotations"]
        self.assertEqual(annotations["io.containerd.image.name"], "turngraph:test")

    def test_there_is_no_shell_and_nothing_that_grants_rights(self):
        files = self.files()
        for path, entry in files.items():
            self.assertFalse(entry.mode & 0o6000, f"{path} is set-uid or set-gid")
            self.assertFalse(entry.isfile() and entry.mode & 0o022, f"{path} can be written by others")
            self.assertNotRegex(path, r"(^|/)(sh|bash|dash|busybox|apt|dpkg|apk)$")
        programs = [p for p, e in files.items() if "/bin/" in f"/{p}" and e.isfile()]
        self.assertEqual(programs, ["usr/local/bin/turngraph"])
        self.assertEqual(files["var/lib/turngraph"].uid, 65532)

    def test_every_library_is_in_it_and_the_program_runs_from_it(self):
        root = self.place / "root"
        done = run(sys.executable, ROOT / "scripts/image.py", "read", self.archive, "--unpack", root)
        self.assertEqual(done.returncode, 0, done.stderr)
        loader = next(path for path in root.rglob("ld-linux*"))
        libraries = ":".join({str(path.parent) for path in root.rglob("*.so*")})
        program = root / "usr/local/bin/turngraph"
        # The image's own loader, with no library of this machine in reach.
        clean = {"LD_LIBRARY_PATH": "", "PATH": ""}
        listed = run(loader, "--inhibit-cache", "--library-path", libraries, "--list", program, env=clean)
        for line in listed.stdout.splitlines():
            found = re.search(r"=> (\S+)", line)
            if found:
                self.assertTrue(found.group(1).startswith(str(root)), line)
        ran = run(loader, "--inhibit-cache", "--library-path", libraries, program, "version", env=clean)
        version = re.search(r'^version = "(.*)"', (ROOT / "Cargo.toml").read_text(), re.M).group(1)
        self.assertEqual(ran.stdout, f"turngraph {version}\n", ran.stderr)

    def test_a_changed_byte_is_noticed(self):
        with tarfile.open(self.archive) as tar:
            files = {entry.name: tar.extractfile(entry).read() for entry in tar}
        manifest, _, layers = image.load(self.archive)
        for change in ("layer", "config", "missing"):
            broken = dict(files)
            path = lambda of: "blobs/sha256/" + of["digest"].removeprefix("sha256:")
            if change == "layer":
                broken[path(manifest["layers"][0])] = gzip.compress(layers[0] + b"\0" * 512)
            elif change == "config":
                broken[path(manifest["config"])] += b" "
            else:
                del broken[path(manifest["layers"][1])]
            out = self.place / f"{change}.tar"
            with tarfile.open(out, "w") as tar:
                for name, data in broken.items():
                    entry = tarfile.TarInfo(name)
                    entry.size = len(data)
                    tar.addfile(entry, io.BytesIO(data))
            done = run(sys.executable, ROOT / "scripts/image.py", "read", out)
            self.assertNotEqual(done.returncode, 0, change)
            self.assertIn("sha256:", done.stderr)

    def test_the_bill_of_materials_is_that_of_the_lock_file(self):
        bom = json.loads(self.sbom.read_text())
        lock = (ROOT / "Cargo.lock").read_text()
        checksums = dict(re.findall(r'name = "([^"]+)"\nversion = "[^"]+"\nsource = "[^"]+"\nchecksum = "([^"]+)"', lock))
        by_ref = {one["bom-ref"]: one for one in bom["components"]}
        self.assertEqual(len(by_ref), len(bom["components"]), "references are unique")
        for one in bom["components"]:
            if one["purl"].startswith("pkg:cargo/"):
                self.assertIn(one["hashes"][0]["content"], lock, one["purl"])
            self.assertTrue(one.get("licenses"), one["purl"])
        names = {one["name"]: one for one in bom["components"]}
        self.assertEqual(names["async-graphql"]["scope"], "required")
        self.assertEqual(names["async-graphql"]["hashes"][0]["content"], checksums["async-graphql"])
        self.assertIn("graphiql", names, "the embedded page's packages")
        for test_only in ("proptest", "loom", "apollo-compiler"):
            self.assertNotIn(test_only, names, "development dependencies are not in the program")
        this = bom["metadata"]["component"]["bom-ref"]
        for node in bom["dependencies"]:
            for ref in node["dependsOn"]:
                self.assertIn(ref, {*by_ref, this})
        # Everything is reached from the program itself.
        edges = {node["ref"]: node["dependsOn"] for node in bom["dependencies"]}
        reached, todo = set(), [this]
        while todo:
            ref = todo.pop()
            if ref not in reached:
                reached.add(ref)
                todo += edges.get(ref, [])
        self.assertEqual(set(by_ref) - reached, set())


if __name__ == "__main__":
    unittest.main()
