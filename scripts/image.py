#!/usr/bin/env python3
"""Container images without a daemon: a tar archive in the OCI image layout, and a reader of it.

    scripts/image.py write --binary FILE --out FILE.oci.tar [--name NAME:TAG] [--sbom FILE]
    scripts/image.py pack --rootfs FOLDER --name NAME:TAG --user UID --entry WORD… --out FILE.oci.tar
    scripts/image.py read FILE.oci.tar [--unpack FOLDER]

`write` takes a built program; the archive is loaded by `docker load`, `podman load`, `ctr images
import`, `skopeo copy oci-archive:`, `kind load image-archive`, `k3s ctr images import`. The same
inputs give the same bytes. `pack` takes any file system (tests pack stores). `read` checks every digest and size and prints what is in it.
"""
import argparse
import gzip
import hashlib
import io
import json
import os
import pathlib
import platform
import subprocess
import sys
import tarfile
import tempfile
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
USER = 65532
DATA = "var/lib/turngraph"
MEDIA = "application/vnd.oci.image"
GZIP = b"\x1f\x8b"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def layer(rootfs, wanted, owned=(), packed=True):
    """A layer of the files that `wanted` takes: its bytes, compressed or not, and the digest of the
    plain ones, which the configuration names. Paths of `owned` belong to the image's user."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path in sorted(rootfs.rglob("*")):
            name = str(path.relative_to(rootfs))
            if not wanted(name):
                continue
            entry = tar.gettarinfo(path, arcname=name)
            entry.mtime = 0
            entry.uname = entry.gname = ""
            entry.uid = entry.gid = USER if name in owned else 0
            if entry.isreg():
                with open(path, "rb") as file:
                    tar.addfile(entry, file)
            else:
                tar.addfile(entry)
    data = plain.getvalue()
    if not packed:
        return data, digest(data)
    out = io.BytesIO()
    # No name and no time in the header: the same files give the same bytes.
    with gzip.GzipFile(filename="", mode="wb", fileobj=out, compresslevel=6, mtime=0) as file:
        file.write(data)
    return out.getvalue(), digest(data)


def write(arguments):
    package = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]
    name = arguments.name or f"turngraph:{package['version']}"
    with tempfile.TemporaryDirectory() as folder:
        rootfs = pathlib.Path(folder) / "rootfs"
        script = ROOT / "scripts/image-rootfs.sh"
        subprocess.run(["sh", script, arguments.binary, rootfs], check=True)
        if arguments.sbom:
            place = rootfs / "usr/share/doc/turngraph"
            place.mkdir(parents=True)
            (place / "sbom.cdx.json").write_bytes(pathlib.Path(arguments.sbom).read_bytes())
        # What changes with a release lies above what does not.
        top = ("usr/local", "usr/share/doc/turngraph")
        layers = [
            layer(rootfs, lambda n: not n.startswith(top), owned=[DATA]),
            layer(rootfs, lambda n: n.startswith(top)),
        ]
    labels = {
        "org.opencontainers.image.title": package["name"],
        "org.opencontainers.image.description": package["description"],
        "org.opencontainers.image.version": package["version"],
        "org.opencontainers.image.licenses": package["license"],
    }
    running = {
        "User": f"{USER}:{USER}",
        "Env": ["PATH=/usr/local/bin"],
        "Entrypoint": ["/usr/local/bin/turngraph"],
        "Cmd": ["serve"],
        "WorkingDir": "/" + DATA,
        "ExposedPorts": {"4000/tcp": {}},
        "StopSignal": "SIGTERM",
        "Labels": labels,
    }
    archive(arguments.out, name, running, layers)


def pack(arguments):
    running = {
        "User": arguments.user,
        "Env": ["PATH=/usr/local/bin:/usr/bin:/bin", *arguments.env],
        "Entrypoint": arguments.entry,
        "Labels": {},
    }
    # Big and short-lived: compressing would take longer than loading.
    files = layer(pathlib.Path(arguments.rootfs), lambda _: True, packed=False)
    archive(arguments.out, arguments.name, running, [files])


def archive(out, name, running, layers):
    """Writes the archive of an image that is run as `running` says."""
    blobs = {}

    def put(data, kind, **more):
        blobs[digest(data)] = data
        return {"mediaType": kind, "digest": digest(data), "size": len(data), **more}

    architecture = ARCHITECTURES.get(platform.machine(), platform.machine())
    config = {
        "architecture": architecture,
        "os": "linux",
        "config": running,
        "rootfs": {"type": "layers", "diff_ids": [diff for _, diff in layers]},
    }
    suffix = lambda data: "+gzip" if data.startswith(GZIP) else ""
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{MEDIA}.manifest.v1+json",
        "config": put(compact(config), f"{MEDIA}.config.v1+json"),
        "layers": [put(data, f"{MEDIA}.layer.v1.tar{suffix(data)}") for data, _ in layers],
        "annotations": running["Labels"],
    }
    described = put(
        compact(manifest),
        manifest["mediaType"],
        platform={"architecture": architecture, "os": "linux"},
        annotations={
            "io.containerd.image.name": name,
            "org.opencontainers.image.ref.name": name.rsplit(":", 1)[-1],
        },
    )
    index = {
        "schemaVersion": 2,
        "mediaType": f"{MEDIA}.index.v1+json",
        "manifests": [described],
    }
    place = lambda of: "blobs/sha256/" + of.split(":")[1]
    # `docker load` of a daemon without the containerd store looks for this file.
    docker = [
        {
            "Config": place(manifest["config"]["digest"]),
            "RepoTags": [name],
            "Layers": [place(one["digest"]) for one in manifest["layers"]],
        }
    ]
    files = {
        "oci-layout": compact({"imageLayoutVersion": "1.0.0"}),
        "index.json": compact(index),
        "manifest.json": compact(docker),
        **{place(key): blobs[key] for key in sorted(blobs)},
    }
    out = pathlib.Path(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(out.name + ".part")
    with tarfile.open(part, "w", format=tarfile.PAX_FORMAT) as tar:
        for path, data in files.items():
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(data), 0o644
            tar.addfile(entry, io.BytesIO(data))
    os.replace(part, out)
    print(f"{out}: {name}, {out.stat().st_size / 1e6:.1f} MB, {described['digest']}")


def compact(value):
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


class Broken(Exception):
    """The archive is not what it says."""


def blob(files, descriptor):
    data = files.get("blobs/sha256/" + descriptor["digest"].removeprefix("sha256:"))
    if data is None:
        raise Broken(f"{descriptor['digest']} is not in the archive")
    if digest(data) != descriptor["digest"]:
        raise Broken(f"{descriptor['digest']} is {digest(data)}")
    if len(data) != descriptor["size"]:
        raise Broken(f"{descriptor['digest']} has {len(data)} bytes, not {descriptor['size']}")
    return data


def load(path):
    """Manifest, configuration and plain layers of an archive, each checked."""
    with tarfile.open(path) as tar:
        files = {entry.name: tar.extractfile(entry).read() for entry in tar if entry.isfile()}
    if json.loads(files["oci-layout"])["imageLayoutVersion"] != "1.0.0":
        raise Broken("not an OCI image layout 1.0.0")
    descriptor = json.loads(files["index.json"])["manifests"][0]
    manifest = json.loads(blob(files, descriptor))
    config = json.loads(blob(files, manifest["config"]))
    layers = [blob(files, one) for one in manifest["layers"]]
    layers = [gzip.decompress(one) if one.startswith(GZIP) else one for one in layers]
    diffs = [digest(one) for one in layers]
    if diffs != config["rootfs"]["diff_ids"]:
        raise Broken("the layers are not those of the configuration")
    return manifest, config, layers


def read(arguments):
    manifest, config, layers = load(arguments.archive)
    print(json.dumps({"config": config["config"], "annotations": manifest["annotations"]}, indent=1))
    for one in layers:
        with tarfile.open(fileobj=io.BytesIO(one)) as tar:
            for entry in tar:
                print(f"{entry.mode:5o} {entry.uid:>6} {entry.size:>10}  /{entry.name}")
            if arguments.unpack:
                tar.extractall(arguments.unpack, filter="tar")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("write")
    one.add_argument("--binary", required=True)
    one.add_argument("--out", required=True)
    one.add_argument("--name")
    one.add_argument("--sbom")
    one.set_defaults(run=write)
    one = commands.add_parser("pack")
    one.add_argument("--rootfs", required=True)
    one.add_argument("--name", required=True)
    one.add_argument("--user", required=True)
    one.add_argument("--entry", nargs="+", required=True)
    one.add_argument("--env", action="append", default=[])
    one.add_argument("--out", required=True)
    one.set_defaults(run=pack)
    one = commands.add_parser("read")
    one.add_argument("archive")
    one.add_argument("--unpack")
    one.set_defaults(run=read)
    arguments = parser.parse_args()
    try:
        arguments.run(arguments)
    except Broken as broken:
        sys.exit(f"{arguments.archive}: {broken}")


if __name__ == "__main__":
    main()
