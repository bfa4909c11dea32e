#!/usr/bin/env bash
# Runs the GraphQL-over-HTTP audits of npm `graphql-http` against the server: all 61 must be `ok`,
# without a warning or a notice.
set -euo pipefail
cd "$(dirname "$0")/.."
make --no-print-directory tests/http-audit/node_modules/.package-lock.json
./scripts/with-server.sh node tests/http-audit/audit.mjs
