#!/usr/bin/env python3
"""Runs the tests of image and chart: tests/charts/run.py [NAME…], e.g. `test_values`.

Fetches what they need (requirements.txt: Helm as a library, the schemas of Kubernetes) into
target/chart-tools, once. The last line counts: `N passed, N failed`.
"""
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent


def tools():
    """The folder with the libraries; appears whole or not at all."""
    wanted = HERE / "requirements.txt"
    name = "chart-tools-" + hashlib.sha256(wanted.read_bytes()).hexdigest()[:12]
    place = ROOT / "target" / name
    if not place.exists():
        part = place.with_name(f"{name}.part.{os.getpid()}")
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]

        def fetch():
            shutil.rmtree(part, ignore_errors=True)
            # The two big ones by their digests; they need no others to be imported.
            subprocess.run(
                [*pip, "install", "--no-deps", "--require-hashes", "-r", wanted, "--target", part],
                check=True,
            )
            # Small libraries in pure Python or for this Python, which have no one digest.
            subprocess.run([*pip, "install", "PyYAML>=6,<7", "jsonschema>=4.23,<5", "--target", part], check=True)

        for pause in (5, 15, None):
            try:
                fetch()
                break
            except subprocess.CalledProcessError:
                # An archive is sometimes not reachable at the first try.
                if pause is None:
                    raise
                time.sleep(pause)
        try:
            part.rename(place)
        except OSError:
            # Another run was faster; its folder is as good.
            shutil.rmtree(part)
    return place


class Result(unittest.TextTestResult):
    """Counts subtests as tests: each stands for one value of the chart."""

    def __init__(self, *arguments, **named):
        super().__init__(*arguments, **named)
        self.subtests = 0

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        self.subtests += 1


def main():
    sys.path.insert(0, str(tools()))
    sys.path.insert(0, str(HERE))
    names = sys.argv[1:] or sorted(path.stem for path in HERE.glob("test_*.py"))
    suite = unittest.defaultTestLoader.loadTestsFromNames(names)
    runner = unittest.TextTestRunner(stream=sys.stdout, verbosity=1, resultclass=Result)
    result = runner.run(suite)
    failed = len(result.failures) + len(result.errors) + len(result.unexpectedSuccesses)
    passed = result.testsRun + result.subtests - failed
    print(f"{max(passed, 0)} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
