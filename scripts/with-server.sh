#!/usr/bin/env bash
# with-server.sh [--config FILE] COMMAND…: builds the program, starts `dev` with demo data on a free
# port, runs the command with the server's GraphQL address as its last argument, and stops the
# server. BUILD_FLAGS: features to build with, as other parts of a run did, since another
# set is another build.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck disable=SC2086
cargo build --quiet ${BUILD_FLAGS:-}
arguments=()
if [ "$1" = --config ]; then
  arguments=(--config "$2")
  shift 2
fi
data=$(mktemp -d "${TMPDIR:-/tmp}/turngraph-served.XXXXXX")
./target/debug/turngraph dev --listen 127.0.0.1:0 --data-dir "$data" "${arguments[@]}" 2>"$data/server.log" &
server=$!
trap 'kill $server 2>/dev/null || true; wait $server 2>/dev/null || true; rm -rf "$data"' EXIT
url=
until [ -n "$url" ]; do
  kill -0 $server 2>/dev/null || { echo "the server did not start:"; cat "$data/server.log"; exit 1; }
  url=$(sed -n 's/^ *GraphQL *\(http[^ ]*\).*/\1/p' "$data/server.log")
  [ -n "$url" ] || sleep 0.1
done
"$@" "$url"
