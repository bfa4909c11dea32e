#!/usr/bin/env python3
"""Writes the bill of materials of a build as CycloneDX 1.5 JSON to standard output.

    scripts/sbom.py [--features kafka] > sbom.cdx.json

Rust packages: what `cargo metadata` resolves for the build (normal and build dependencies, no
development ones), with the checksums of Cargo.lock. JavaScript packages: what the page that is
embedded in the program is made of, from playground/package-lock.json. The same inputs give the
same bytes, so two builds can be compared.
"""
import argparse
import base64
import json
import pathlib
import subprocess
import tomllib
import uuid

ROOT = pathlib.Path(__file__).resolve().parent.parent


def cargo(features):
    command = ["cargo", "metadata", "--format-version", "1", "--locked"]
    if features:
        command += ["--features", features]
    host = subprocess.run(["rustc", "-vV"], capture_output=True, text=True, check=True).stdout
    host = next(line.split()[1] for line in host.splitlines() if line.startswith("host:"))
    command += ["--filter-platform", host]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def purl(kind, name, version):
    return f"pkg:{kind}/{name.replace('@', '%40')}@{version}"


def rust_components(features):
    metadata = cargo(features)
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text())
    checksums = {(p["name"], p["version"]): p.get("checksum") for p in lock["package"]}
    packages = {p["id"]: p for p in metadata["packages"]}
    nodes = {n["id"]: n for n in metadata["resolve"]["nodes"]}
    root = metadata["resolve"]["root"]

    # What is linked in (reached by normal dependencies alone), and what only builds it.
    linked, building = {root}, set()
    todo = [(root, True)]
    while todo:
        node, is_linked = todo.pop()
        for dep in nodes[node]["deps"]:
            for kind in {k["kind"] for k in dep["dep_kinds"]} - {"dev"}:
                into = is_linked and kind is None
                known = linked if into else building
                if dep["pkg"] not in known:
                    known.add(dep["pkg"])
                    todo.append((dep["pkg"], into))

    def ref(package_id):
        package = packages[package_id]
        return purl("cargo", package["name"], package["version"])

    components, graph = [], []
    for package_id in sorted(linked | building, key=ref):
        package = packages[package_id]
        wanted = linked | building
        depends = {
            ref(dep["pkg"])
            for dep in nodes[package_id]["deps"]
            if dep["pkg"] in wanted and any(k["kind"] != "dev" for k in dep["dep_kinds"])
        }
        graph.append({"ref": ref(package_id), "dependsOn": sorted(depends)})
        if package_id == root:
            continue
        component = {
            "type": "library",
            "bom-ref": ref(package_id),
            "name": package["name"],
            "version": package["version"],
            "scope": "required" if package_id in linked else "excluded",
            "purl": ref(package_id),
        }
        checksum = checksums.get((package["name"], package["version"]))
        if checksum:
            component["hashes"] = [{"alg": "SHA-256", "content": checksum}]
        if package.get("license"):
            component["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
        components.append(component)
    return packages[root], components, graph


def page_components():
    lock = json.loads((ROOT / "playground/package-lock.json").read_text())
    found = {}
    for path, package in lock["packages"].items():
        if not path or package.get("dev") or package.get("devOptional"):
            continue
        name = package.get("name") or path.rsplit("node_modules/", 1)[1]
        ref = purl("npm", name, package["version"])
        component = {
            "type": "library",
            "bom-ref": ref,
            "name": name,
            "version": package["version"],
            "scope": "required",
            "purl": ref,
        }
        algorithm, _, digest = package.get("integrity", "").partition("-")
        if algorithm == "sha512":
            content = base64.b64decode(digest).hex()
            component["hashes"] = [{"alg": "SHA-512", "content": content}]
        if package.get("license"):
            component["licenses"] = [{"expression": package["license"]}]
        found[ref] = component
    return [found[ref] for ref in sorted(found)]


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--features", default="")
    features = arguments.parse_args().features
    root, rust, graph = rust_components(features)
    page = page_components()
    this = purl("cargo", root["name"], root["version"])
    for node in graph:
        if node["ref"] == this:
            node["dependsOn"] += [component["bom-ref"] for component in page]
    bom = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": this,
                "name": root["name"],
                "version": root["version"],
                "licenses": [{"expression": root["license"]}],
                "purl": this,
                "properties": [{"name": "cargo:features", "value": features or "default"}],
            }
        },
        "components": rust + page,
        "dependencies": graph,
    }
    content = json.dumps(bom, sort_keys=True)
    bom["serialNumber"] = f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, content)}"
    print(json.dumps(bom, indent=1))


main()
