#!/usr/bin/env bash
# Fetches the Java programs that tests start (tests/servers/NAME/pom.xml) and prints their folder:
#   scripts/jars.sh NAME [TARGET_DIRECTORY]
# The folder is named after the content of the pom and appears whole or not at all, so a second run
# fetches nothing and two runs at once do not disturb each other.
set -euo pipefail
cd "$(dirname "$0")/.."

name=$1
target=${2:-target}
pom=tests/servers/$name/pom.xml
place=$target/test-servers/jars
mkdir -p "$place"
place=$(cd "$place" && pwd)
jars=$place/$name-$(sha256sum "$pom" | cut -c1-12)

if [ ! -d "$jars" ]; then
  command -v mvn >/dev/null || {
    echo "Maven is needed to fetch $name: apt-get install maven default-jdk-headless" >&2
    exit 1
  }
  part=$jars.part.$$
  trap 'rm -rf "$part"' EXIT
  copy=org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies
  fetch() { mvn -q -B -f "$pom" "$copy" -DincludeScope=runtime -DoutputDirectory="$part" >&2; }
  # An archive is sometimes not reachable at the first try.
  fetch || { sleep 5; fetch; } || { sleep 15; fetch; }
  # Another run may have been faster; its folder is as good.
  mv -T "$part" "$jars" 2>/dev/null || [ -d "$jars" ]
fi
echo "$jars"
