#!/usr/bin/env bash
# The figures of docs/indexes.md: `turngraph bench indexes` on a scratch PostgreSQL, which is stopped
# again. Full page images are off, since they hide what rows write. Options go to the command, e.g.
# `--sessions 100000`; TURNGRAPH names a program that is built already.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=benches/servers.sh
. benches/servers.sh
[ -n "${TURNGRAPH:-}" ] || { cargo build --release --quiet --bin turngraph; TURNGRAPH=target/release/turngraph; }
start_postgres full_page_writes=off max_wal_size=4GB shared_buffers=512MB
"$TURNGRAPH" migrate up --record "$record" >/dev/null
"$TURNGRAPH" bench indexes --record "$record" "$@"
