#!/usr/bin/env bash
# Starts the server with demo data on a free port and drives its page in a real browser.
set -euo pipefail
cd "$(dirname "$0")/.."
# The same features as other parts of a run, where these say so: another set is another build.
# shellcheck disable=SC2086
cargo build --quiet ${TURNGRAPH_BUILD_FLAGS:-}
data=$(mktemp -d "${TMPDIR:-/tmp}/turngraph-browser.XXXXXX")
./target/debug/turngraph dev --listen 127.0.0.1:0 --data-dir "$data" 2>"$data/server.log" &
server=$!
trap 'kill $server 2>/dev/null || true; wait $server 2>/dev/null || true; rm -rf "$data"' EXIT
for _ in $(seq 100); do
  url=$(sed -n 's/^ *playground *\(http[^ ]*\).*/\1/p' "$data/server.log")
  [ -n "$url" ] && break
  sleep 0.1
done
[ -n "${url:-}" ] || { echo "the server did not start:"; cat "$data/server.log"; exit 1; }
make --no-print-directory playground-test URL="${url%/}"
